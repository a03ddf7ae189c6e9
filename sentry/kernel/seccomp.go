package kernel

import (
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/seccomp"
)

// This file is seccomp(2): a task's mode and its chain of filters, and what becomes of a call that they
// judge. Package seccomp checks and runs the filters; seccompnotify.go asks a supervisor.

// seccompState is what a task has of seccomp(2). It is immutable: a change replaces it, under sigMu, by
// the task itself or by a thread of its process with SECCOMP_FILTER_FLAG_TSYNC. A task that never
// had to do with seccomp has none, which is all that its calls look at.
type seccompState struct {
	mode   uint8 // linux.SECCOMP_MODE_*
	count  int   // filters of the chain, remembered when the task has ended
	filter *filter
	// noNewPrivs is PR_SET_NO_NEW_PRIVS by another thread. Credentials are the task's own to change.
	noNewPrivs bool
}

// filter is an installed filter. Filters form a tree: tasks share what was installed before they were cloned.
type filter struct {
	prog     seccomp.Program
	prev     *filter // installed before
	cost     int     // of the chain up to here
	listener *listener
	// waitKillable says that a target whose notification was received waits for death only
	// (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV).
	waitKillable bool
	// users counts the tasks that have the filter as their last, and the filters whose prev it is, if they
	// have users themselves.
	users atomic.Int64
}

// release drops a user of f. Filters without users tell their listeners.
func (f *filter) release() {
	for ; f != nil && f.users.Add(-1) == 0; f = f.prev {
		if f.listener != nil {
			f.listener.queue.Notify(wait.Hup)
		}
	}
}

// within reports whether f, nil for no filter, is part of the chain that ends with last.
func (f *filter) within(last *filter) bool {
	for ; last != nil && f != nil; last = last.prev {
		if last == f {
			return true
		}
	}
	return f == nil
}

// listened reports whether a filter of the chain that ends with f has a listener.
func (f *filter) listened() bool {
	for ; f != nil; f = f.prev {
		if f.listener != nil && f.listener.open() {
			return true
		}
	}
	return false
}

// seccompNow returns t's state, also if it has none.
func (t *Task) seccompNow() seccompState {
	if s := t.seccomp.Load(); s != nil {
		return *s
	}
	return seccompState{}
}

// SeccompMode returns SECCOMP_MODE_*. Safe from any goroutine, as SeccompFilters and NoNewPrivs.
func (t *Task) SeccompMode() uint8 { return t.seccompNow().mode }

// SeccompFilters returns how many filters t has.
func (t *Task) SeccompFilters() int { return t.seccompNow().count }

// NoNewPrivs reports whether PR_SET_NO_NEW_PRIVS holds for t, by itself or by a thread that gave it its filters.
func (t *Task) NoNewPrivs() bool { return t.Creds().NoNewPrivs || t.seccompNow().noNewPrivs }

// SetSeccompStrict is SECCOMP_SET_MODE_STRICT: EINVAL if t has filters.
func (t *Task) SetSeccompStrict() error {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	s := t.seccompNow()
	if s.mode == linux.SECCOMP_MODE_FILTER {
		return errno.EINVAL
	}
	s.mode = linux.SECCOMP_MODE_STRICT
	t.seccomp.Store(&s)
	return nil
}

// AddSeccompFilter is SECCOMP_SET_MODE_FILTER with flags that have been checked. It returns the descriptor
// of the listener, if one was asked for; with SECCOMP_FILTER_FLAG_TSYNC the number of a thread that does
// not have the same filters, if there is one, so that nothing was done; else 0.
func (t *Task) AddSeccompFilter(prog seccomp.Program, flags uint32) (uint64, error) {
	f := &filter{prog: prog, waitKillable: flags&linux.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV != 0}
	f.users.Store(1)
	if flags&linux.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
		tid, err := t.attachFilter(f, flags)
		return uint64(tid), err
	}
	f.listener = &listener{filter: f}
	fd, err := t.InstallNew(t.k.VFS.NewAnonFile("seccomp notify", f.listener, linux.O_RDWR,
		listenerMode, t.Creds()), linux.O_CLOEXEC)
	if err != nil {
		return 0, err
	}
	// The descriptor comes first: that there is no room for it must not be found too late.
	if _, err := t.attachFilter(f, flags); err != nil {
		f.release() // another thread may listen already
		t.CloseFD(fd)
		return 0, err
	}
	return uint64(fd), nil
}

// attachFilter makes f the last filter of t, and of all threads with SECCOMP_FILTER_FLAG_TSYNC. tid is that of
// a thread that stands in the way, or 0.
func (t *Task) attachFilter(f *filter, flags uint32) (tid int32, err error) {
	tg := t.tg
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	s := t.seccompNow()
	if s.mode == linux.SECCOMP_MODE_STRICT {
		return 0, errno.EINVAL
	}
	if f.listener != nil && s.filter.listened() {
		return 0, errno.EBUSY
	}
	f.cost = f.prog.Cost()
	if s.filter != nil {
		f.cost += s.filter.cost + seccomp.ChainCost
	}
	if f.cost > seccomp.MaxCost {
		return 0, errno.ENOMEM
	}
	var others []*Task
	if flags&linux.SECCOMP_FILTER_FLAG_TSYNC != 0 {
		for _, x := range tg.threads {
			if x == t || x.exitStarted {
				continue
			}
			o := x.seccompNow()
			if o.mode == linux.SECCOMP_MODE_STRICT || !o.filter.within(s.filter) {
				if flags&linux.SECCOMP_FILTER_FLAG_TSYNC_ESRCH != 0 {
					return 0, errno.ESRCH
				}
				return x.TIDIn(t.PIDNamespace()), nil
			}
			others = append(others, x)
		}
	}
	nnp := t.NoNewPrivs()
	f.prev = s.filter
	s.mode, s.filter = linux.SECCOMP_MODE_FILTER, f
	s.count++
	t.seccomp.Store(&s)
	for _, x := range others {
		o := x.seccompNow()
		f.users.Add(1)
		x.seccomp.Store(&seccompState{
			mode: s.mode, filter: f, count: s.count,
			// Else a thread could take filters along into a program with more privileges than its own.
			noNewPrivs: o.noNewPrivs || nnp,
		})
		o.filter.release()
		x.spoilAnswers()
	}
	return 0, nil
}

// inheritSeccomp gives the new task n what t has. Preconditions: sigMu of t is held; nobody runs n yet.
func (n *Task) inheritSeccomp(t *Task) {
	s := t.seccomp.Load()
	if s == nil {
		return
	}
	if s.filter != nil {
		s.filter.users.Add(1)
	}
	n.seccomp.Store(s)
}

// leaveSeccomp lets go of the filters because t ends. What /proc shows stays.
func (t *Task) leaveSeccomp() {
	s := t.seccomp.Load()
	if s == nil {
		return
	}
	t.seccomp.Store(&seccompState{mode: s.mode, count: s.count})
	s.filter.release()
}

// verdict runs all filters on the call nr with t.args and returns the strongest verdict with the filter
// that gave it; of equals that of the filter that was installed last.
func (s *seccompState) verdict(d *linux.SeccompData) (verdict uint32, by *filter) {
	data := seccomp.DataOf(d)
	verdict = linux.SECCOMP_RET_ALLOW
	for f := s.filter; f != nil; f = f.prev {
		if v := f.prog.Run(&data); seccomp.Stronger(v, verdict) {
			verdict, by = v, f
		}
	}
	return verdict, by
}

// filterSyscall applies s to the call nr with t.args, and returns the number of the call to make, which a
// tracer may have changed. If there is none to make, its result is stored (done).
func (t *Task) filterSyscall(s *seccompState, nr uint64) (now uint64, done bool) {
	if s.mode == linux.SECCOMP_MODE_STRICT {
		switch nr {
		case linux.SYS_READ, linux.SYS_WRITE, linux.SYS_EXIT, linux.SYS_RT_SIGRETURN:
			return nr, false
		}
		t.showFiltered(nr)
		t.die(uint32(linux.SignaledStatus(linux.SIGKILL, false)))
		return nr, true
	}
	for traced := false; ; traced = true {
		d := linux.SeccompData{Nr: int32(nr), Arch: linux.AUDIT_ARCH_X86_64, InstructionPointer: t.regs.Rip}
		for i, a := range t.args {
			d.Args[i] = uint64(a)
		}
		verdict, f := s.verdict(&d)
		data := verdict & linux.SECCOMP_RET_DATA
		switch verdict & linux.SECCOMP_RET_ACTION_FULL {
		case linux.SECCOMP_RET_ALLOW, linux.SECCOMP_RET_LOG: // there is no log
			return nr, false
		case linux.SECCOMP_RET_ERRNO:
			t.answerFiltered(nr, 0, errno.Errno(min(data, maxErrno)))
			return nr, true
		case linux.SECCOMP_RET_TRAP:
			info := linux.SignalInfo{Signo: int32(linux.SIGSYS), Errno: int32(data), Code: linux.SI_SYS_SECCOMP}
			info.SetCallAddr(t.regs.Rip)
			info.SetSyscall(d.Nr)
			info.SetArch(d.Arch)
			t.ForceSignal(&info)
			// The handler finds the number where the result goes.
			t.answerFiltered(nr, nr, 0)
			return nr, true
		case linux.SECCOMP_RET_USER_NOTIF:
			return nr, t.notifyFiltered(f, nr, &d)
		case linux.SECCOMP_RET_TRACE:
			if traced {
				return nr, false
			}
			if !t.wantsEvent(linux.PTRACE_EVENT_SECCOMP) {
				t.answerFiltered(nr, 0, errno.ENOSYS)
				return nr, true
			}
			t.setSyscallStop(linux.PTRACE_SYSCALL_INFO_SECCOMP)
			t.traceEvent(linux.PTRACE_EVENT_SECCOMP, uint64(data))
			t.setSyscallStop(linux.PTRACE_SYSCALL_INFO_NONE)
			nr, t.args = t.regs.SyscallNo(), t.regs.SyscallArgs()
			// A killed tracee must not make a call that its tracer may not have seen.
			if int32(nr) < 0 || t.doomed() {
				t.traceSyscallExit(nr, &t.args, 0, nil)
				return nr, true
			}
			// Once more: it may be another call now, or another verdict.
			s = t.seccomp.Load()
		case linux.SECCOMP_RET_KILL_THREAD:
			t.killFiltered(nr, true)
			return nr, true
		default: // SECCOMP_RET_KILL_PROCESS, and what nobody knows
			t.killFiltered(nr, false)
			return nr, true
		}
	}
}

// maxErrno is MAX_ERRNO.
const maxErrno = 4095

// showFiltered tells --strace of a call that is not made.
func (t *Task) showFiltered(nr uint64) {
	if t.k.Tracer != nil {
		t.k.Tracer.Enter(t, nr, &t.args)
	}
}

// answerFiltered stores the result of a call that is not made. One that looks like a restart code is none.
func (t *Task) answerFiltered(nr, ret uint64, e errno.Errno) {
	t.showFiltered(nr)
	var err error
	if e != 0 {
		err = e
	}
	t.finishSyscall(nr, &t.args, ret, err)
	t.inSyscall = false
}

// killFiltered ends t, or its process, as by SIGSYS. No handler, mask or tracer helps. A thread that is the last
// takes its process along.
func (t *Task) killFiltered(nr uint64, thread bool) {
	t.showFiltered(nr)
	tg := t.tg
	tg.k.mu.RLock()
	others := tg.live > 1
	tg.k.mu.RUnlock()
	status := uint32(linux.SignaledStatus(linux.SIGSYS, false))
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	if thread && others {
		t.die(status)
		return
	}
	if tg.execTask == nil || tg.execTask == t {
		tg.beginExitLocked(status, t)
	}
	t.die(t.deathStatusLocked())
}
