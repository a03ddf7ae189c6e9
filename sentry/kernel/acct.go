package kernel

import (
	"math"
	"sync"
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/limits"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// accounting is where the ends of the processes of a PID namespace are recorded (acct(2)).
type accounting struct {
	mu sync.Mutex
	f  *vfs.File // nil if nowhere
}

// set replaces the file, of which it takes over the reference, and returns the old one.
func (a *accounting) set(f *vfs.File) *vfs.File {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, a.f = a.f, f
	return f
}

// file returns the file with a reference, nil if there is none.
func (a *accounting) file() *vfs.File {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.f != nil {
		a.f.IncRef()
	}
	return a.f
}

// StartAccounting is acct(2) with the path of a file: ends of processes in the task's PID namespace
// are recorded there from now on.
func (t *Task) StartAccounting(path string) error {
	v := t.k.VFS
	p, err := v.Resolve(t, vfs.Path{}, path, vfs.LookupFollow)
	if err != nil {
		return err
	}
	defer p.DecRef()
	switch p.Inode().Type() {
	case linux.S_IFREG, linux.S_IFDIR: // opening a directory says what is wrong
	default:
		return errno.EACCES
	}
	f, err := v.OpenPath(t, p, linux.O_WRONLY|linux.O_APPEND|linux.O_LARGEFILE)
	if err == nil {
		t.switchAccounting(f)
	}
	return err
}

// StopAccounting is acct(2) without a path.
func (t *Task) StopAccounting() { t.switchAccounting(nil) }

// switchAccounting replaces the file. As on Linux, the last record in the old one is the caller's own.
func (t *Task) switchAccounting(f *vfs.File) {
	ns := t.PIDNamespace()
	if old := ns.acct.set(f); old != nil {
		t.account(ns, old)
		old.DecRef()
	}
}

// accountExit records the end of the process in its namespace and those above.
func (t *Task) accountExit() {
	for ns := t.PIDNamespace(); ns != nil; ns = ns.parent {
		if f := ns.acct.file(); f != nil {
			t.account(ns, f)
			f.DecRef()
		}
	}
}

// unlimited is a caller whose file size limit does not count.
type unlimited struct{ vfs.Caller }

func (unlimited) FileSizeLimit() uint64 { return limits.Infinity }

// account appends a record of the process to f, with numbers of ns. That it can't be written is nobody's
// concern.
func (t *Task) account(ns *PIDNamespace, f *vfs.File) {
	k, tg := t.k, t.tg
	c := t.Creds()
	r := linux.AcctV3{Version: linux.AcctVersion, UID: uint32(c.RUID), GID: uint32(c.RGID), PID: uint32(tg.pid.In(ns)), PPID: uint32(tg.PPID(ns))}
	copy(r.Comm[:], t.Comm())

	k.mu.RLock()
	started := tg.leader.startTime.Load()
	if !tg.execed {
		r.Flag |= linux.AFORK
	}
	if t.dying {
		r.Exitcode = tg.leader.exitCode
		tg.sigMu.Lock()
		if tg.exiting {
			r.Exitcode = tg.exitCode
		}
		tg.sigMu.Unlock()
	}
	k.mu.RUnlock()
	if s := linux.WaitStatus(r.Exitcode); s.Signaled() {
		r.Flag |= linux.AXSIG
		if s.CoreDumped() {
			r.Flag |= linux.ACORE
		}
		r.Exitcode = uint32(s.TermSignal())
	}

	elapsed := k.Monotonic() - started
	const tick = int64(time.Second / linux.AcctHZ)
	r.Btime = uint32((k.Now() - elapsed) / int64(time.Second))
	r.Etime = math.Float32bits(float32(elapsed / tick))
	comp := func(n int64) uint16 { return linux.AcctComp(uint64(max(n, 0))) }
	user, system := tg.CPUTimes()
	u := tg.Usage()
	r.Utime, r.Stime = comp(int64(user)/tick), comp(int64(system)/tick)
	r.Mem = linux.AcctComp(t.mm.Stats().VmSize >> 10)
	r.Minflt, r.Majflt = comp(u.MinorFaults), comp(u.MajorFaults)

	b := make([]byte, r.SizeBytes())
	r.MarshalBytes(b)
	s := usermem.FromBytes(b)
	f.Write(unlimited{t}, &s, 0)
}
