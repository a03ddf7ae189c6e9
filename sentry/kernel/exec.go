package kernel

import (
	"crypto/rand"
	"strconv"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/creds"
	"ringfence/sentry/limits"
	"ringfence/sentry/loader"
	"ringfence/sentry/mappable"
	"ringfence/sentry/mm"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// program is a file that is executed. While it is in use, nobody can write to the file.
// It implements loader.File and mm.FileRef.
type program struct {
	c    vfs.Caller
	f    *vfs.File
	refs atomic.Int64
}

func (p *program) PRead(b []byte, off int64) (int, error) {
	s := usermem.FromBytes(b)
	return p.f.Ops.Read(p.c, p.f, &s, off, 0)
}

func (p *program) Mappable() (mappable.Mappable, error) { return p.f.Ops.Mappable(p.c, p.f) }
func (p *program) Ref() mm.FileRef                      { return p }
func (p *program) IncRef()                              { p.refs.Add(1) }
func (p *program) MapName() string                      { return p.f.MapName() }
func (p *program) MapDevIno() (dev, ino uint64)         { return p.f.MapDevIno() }

func (p *program) DecRef() {
	if p.refs.Add(-1) == 0 {
		p.f.Inode().AllowWrite()
		p.f.DecRef()
	}
}

// File returns the open file that a mapping's FileRef stands for, without a reference of its own; nil
// if it is none.
func File(r mm.FileRef) *vfs.File {
	switch x := r.(type) {
	case *program:
		return x.f
	case *vfs.File:
		return x
	}
	return nil
}

// privileged is a caller with another's place in the file system and all capabilities: a
// program can be executed without permission to read it.
type privileged struct {
	vfs.Caller
	cred *creds.Credentials
}

func (p *privileged) Creds() *creds.Credentials { return p.cred }

// Borrower implements vfs.Lent.
func (p *privileged) Borrower() vfs.Caller { return p.Caller }

// executor opens programs and interpreters for one exec. It implements loader.Opener.
type executor struct {
	v *vfs.VFS
	c vfs.Caller
}

// OpenExec implements loader.Opener.
func (e *executor) OpenExec(path string) (loader.File, error) {
	p, err := e.v.Resolve(e.c, vfs.Path{}, path, vfs.LookupFollow)
	if err != nil {
		return nil, err
	}
	defer p.DecRef()
	f, err := e.open(p)
	if err != nil {
		return nil, err
	}
	return loader.NewFile(e.c, f), nil
}

// open opens p with the checks of execve(2).
func (e *executor) open(p vfs.Path) (*vfs.File, error) {
	if n := p.Inode(); n.Type() != linux.S_IFREG {
		return nil, errno.EACCES
	}
	if err := e.v.Permission(e.c, p, vfs.MayExec); err != nil {
		return nil, err
	}
	cr := creds.NewRoot(nil)
	cr.Landlock = e.c.Creds().Landlock
	return e.v.OpenExec(&privileged{e.c, cr}, p)
}

// openProgram opens the file to be executed and forbids writing to it.
func (e *executor) openProgram(p vfs.Path) (*program, error) {
	f, err := e.open(p)
	if err != nil {
		return nil, err
	}
	if err := f.Inode().DenyWrite(); err != nil {
		f.DecRef()
		return nil, err
	}
	x := &program{c: e.c, f: f}
	x.refs.Store(1)
	return x, nil
}

// ExecArgs are the arguments of execveat(2).
type ExecArgs struct {
	Start vfs.Path // of a descriptor; zero for the working directory
	FD    int32    // what Start was found by
	// Cloexec says that FD will be closed by the exec.
	Cloexec    bool
	Path       string
	Flags      uint32 // AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW
	Argv, Envp addr.Addr
}

// Exec is execveat(2). If it succeeds the handler's result does not matter: the registers
// are those of the new program.
func (t *Task) Exec(a *ExecArgs) error {
	e := &executor{t.k.VFS, t}
	name := a.Path
	hidden := false
	if a.Start.Ok() && (a.Path == "" || a.Path[0] != '/') {
		name = "/dev/fd/" + strconv.Itoa(int(a.FD))
		if a.Path != "" {
			name += "/" + a.Path
		}
		hidden = a.Cloexec
	}
	lf := vfs.LookupFollow
	if a.Flags&linux.AT_SYMLINK_NOFOLLOW != 0 {
		lf = 0
	}
	if a.Flags&linux.AT_EMPTY_PATH != 0 {
		lf |= vfs.LookupEmpty
	}
	p, err := t.k.VFS.Resolve(t, a.Start, a.Path, lf)
	if err != nil {
		return err
	}
	defer p.DecRef()
	if p.Inode().Type() == linux.S_IFLNK {
		return errno.ELOOP
	}
	prog, err := e.openProgram(p)
	if err != nil {
		return err
	}
	stack := t.tg.limits.Cur(linux.RLIMIT_STACK)
	args, err := loader.CopyInArgs(t.Memory(), a.Argv, a.Envp, stack)
	if err != nil {
		prog.DecRef()
		return err
	}
	img, err := loader.Open(loader.Request{Opener: e, File: prog, Path: name, Hidden: hidden, Args: args, StackLimit: stack})
	if err != nil {
		return err
	}
	defer img.Release()
	nnp := t.NoNewPrivs()
	cr := t.execCreds(File(img.File.Ref()))
	m, regs, err := t.k.load(img, cr, t.ns.ChildTime, stack, t.execPersonality(cr))
	if err != nil {
		return err
	}
	oldTID := t.TID()
	if err := t.killOthers(); err != nil {
		m.DecUsers()
		return err
	}
	if nnp != t.NoNewPrivs() {
		// A thread that is gone now has given this one filters, and took the right to gain privileges.
		m.DecUsers()
		cr = t.execCreds(File(img.File.Ref()))
		if m, regs, err = t.k.load(img, cr, t.ns.ChildTime, stack, t.execPersonality(cr)); err != nil {
			return err
		}
	}
	m.InheritFrom(t.mm)
	t.becomeProgram(img, m, regs, cr, oldTID)
	return nil
}

// load makes the address space of a new program, which is to run in the time namespace clocks.
func (k *Kernel) load(img *loader.Image, cr execCreds, clocks *TimeNamespace, stack uint64, personality uint32) (*mm.MM, arch.Registers, error) {
	m, err := mm.New(k.Platform, k.MemFile)
	if err != nil {
		return nil, arch.Registers{}, err
	}
	dumpable := int32(linux.SUID_DUMP_USER)
	if cr.private {
		dumpable = linux.SUID_DUMP_DISABLE
	}
	m.UpdateMeta(func(meta *mm.Meta) { meta.Dumpable, meta.UserNS = dumpable, cr.cred.UserNS })
	users := cr.cred.UserNS
	regs, err := img.Load(m, &loader.LoadParams{
		Machine:    k.Machine,
		VDSO:       k.VDSO,
		OwnTime:    clocks.own(),
		User:       k.Platform.UserRange(),
		StackLimit: stack,
		Random:     personality&linux.ADDR_NO_RANDOMIZE == 0,
		Entropy:    rand.Reader,
		UID:        users.ShowUID(cr.cred.RUID),
		EUID:       users.ShowUID(cr.cred.EUID),
		GID:        users.ShowGID(cr.cred.RGID),
		EGID:       users.ShowGID(cr.cred.EGID),
		Secure:     cr.secure,
	})
	if err != nil {
		m.DecUsers()
		return nil, regs, err
	}
	return m, regs, nil
}

// killOthers ends the other tasks of the process and makes t its leader (Linux's
// de_thread). EAGAIN if the process is ending itself or another task was first.
func (t *Task) killOthers() error {
	k, tg := t.k, t.tg
	k.mu.Lock()
	defer k.mu.Unlock()
	tg.sigMu.Lock()
	if tg.exiting || tg.execTask != nil || t.fatal {
		tg.sigMu.Unlock()
		return errno.EAGAIN
	}
	tg.execTask = t
	for _, x := range tg.threads {
		if x != t && !x.exitStarted {
			x.killLocked()
		}
	}
	tg.stops = groupStop{}
	tg.sigMu.Unlock()
	for !t.aloneLocked() {
		k.mu.Unlock()
		err := t.blockKillable()
		k.mu.Lock()
		if err != nil && !t.aloneLocked() {
			tg.sigMu.Lock()
			tg.execTask = nil
			tg.sigMu.Unlock()
			return errno.EAGAIN
		}
	}
	if tg.leader != t {
		t.takeLeadLocked()
	}
	tg.sigMu.Lock()
	tg.execTask = nil
	tg.sigMu.Unlock()
	tg.exitSignal = linux.SIGCHLD
	return nil
}

// aloneLocked reports whether no other task of the process is left but a zombie leader.
func (t *Task) aloneLocked() bool {
	tg := t.tg
	if tg.leader == t {
		return len(tg.threads) == 1
	}
	return len(tg.threads) == 2 && tg.leader.exitState == zombie
}

// takeLeadLocked makes t the leader in place of the old one, a zombie, with its number,
// start time and tracer's view.
func (t *Task) takeLeadLocked() {
	tg := t.tg
	old := tg.leader
	oldPID, pid := old.pid.Load(), t.pid.Load()
	pid.detachLocked()
	old.pid.Store(pid)
	t.pid.Store(oldPID)
	oldPID.attachLocked(t)
	tg.sigMu.Lock()
	tg.leader = t
	t.startTime.Store(old.startTime.Load())
	tg.sigMu.Unlock()
	pid.attachLocked(old)
	old.releaseLocked()
}

// becomeProgram is the point of no return of an exec, and what lies behind it.
func (t *Task) becomeProgram(img *loader.Image, m *mm.MM, regs arch.Registers, cr execCreds, oldTID int32) {
	k, tg := t.k, t.tg
	t.leaveAsync(true)
	if n := t.ns.enteringTime(); n != t.ns {
		t.mu.Lock()
		t.ns = n
		t.mu.Unlock()
		t.answersStale.Store(true)
	}
	t.unshareFiles()
	for _, f := range t.files.removeCloexec() {
		t.closed(f)
	}
	ctx := t.ctx
	if cr.secure || cr.private {
		// Nothing that the old program can still do reaches the new one.
		ctx = k.Platform.NewContext()
	}

	t.leaveMM()
	old := t.mm
	t.mu.Lock()
	t.mm = m
	t.comm = img.Comm()
	t.robustList = 0
	t.dispatch.On = false
	t.mu.Unlock()
	tg.sigMu.Lock()
	oldCtx := t.ctx
	t.ctx = ctx
	if tg.handlers.users.Load() > 1 {
		h := tg.handlers.clone()
		tg.handlers.users.Add(-1)
		tg.handlers = h
	}
	tg.handlers.flush()
	tg.sigMu.Unlock()
	if oldCtx != ctx {
		oldCtx.Release()
	}
	ctx.SetFPU(arch.NewFPUState())
	t.answersStale.Store(true)
	t.dropAIO(t.aio)
	t.aio = newAIOTable()
	old.DecUsers()
	t.vforkDone()

	t.deletePosixTimers()
	t.regs = regs
	t.altStack = linux.SignalStack{}
	t.fault = lastFault{}
	t.restart = RestartBlock{}
	t.inSyscall = false
	t.personality.Store(t.execPersonality(cr))
	if cr.secure || cr.private {
		t.parentDeath.Store(0)
	}
	k.Keys.Exec(&t.keys)
	t.setCreds(cr.cred)
	m.SetLimits(t.memoryLimits())

	k.mu.Lock()
	tg.execed = true
	tg.execID++
	k.mu.Unlock()
	t.traceExec(oldTID)
}

// execPersonality returns the personality after an exec with cr.
func (t *Task) execPersonality(cr execCreds) uint32 {
	p := t.personality.Load() &^ linux.READ_IMPLIES_EXEC
	if cr.secure {
		p &^= linux.PER_CLEAR_ON_SETID
	}
	return p
}

// memoryLimits returns the limits that the address space enforces.
func (t *Task) memoryLimits() mm.Limits {
	l := mm.Limits{
		AS:      t.tg.limits.Cur(linux.RLIMIT_AS),
		Data:    t.tg.limits.Cur(linux.RLIMIT_DATA),
		Stack:   t.tg.limits.Cur(linux.RLIMIT_STACK),
		MemLock: t.tg.limits.Cur(linux.RLIMIT_MEMLOCK),
	}
	if t.Creds().Has(linux.CAP_IPC_LOCK) {
		l.MemLock = limits.Infinity
	}
	return l
}

// LimitsChanged tells the address space of new resource limits or capabilities.
// Task goroutine only.
func (t *Task) LimitsChanged() { t.mm.SetLimits(t.memoryLimits()) }
