package kernel

import (
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

// WaitArgs say what wait4(2) and waitid(2) wait for.
type WaitArgs struct {
	Type    int32 // P_ALL, P_PID, P_PGID; P_PIDFD with Group
	ID      int32 // in the caller's PID namespace; P_PGID with 0 is the caller's own group
	Group   *ThreadGroup
	Options uint32 // W* flags
	NoHang  bool   // EAGAIN instead of sleeping, as for a non-blocking pidfd
}

// WaitResult is what a child did.
type WaitResult struct {
	PID    int32 // in the caller's PID namespace; 0 with WNOHANG if nothing happened
	UID    uint32
	Status linux.WaitStatus
	Code   int32 // CLD_*
	// Info is si_status: exit code or signal.
	Info int32
	// Times and Usage of the child with its own children.
	User, System time.Duration
	Usage        usageTotals
}

// waiter is a wait under way.
type waiter struct {
	t    *Task
	a    *WaitArgs
	pgrp *ProcessGroup
	err  error // what to say if there is nothing to wait for: ECHILD until a candidate was seen
}

// Wait waits for a child or tracee to do something. ECHILD if there is none that could.
func (t *Task) Wait(a *WaitArgs) (WaitResult, error) {
	e := wait.Entry{Waiter: t, Mask: wait.In}
	registered := false
	defer func() {
		if registered {
			t.tg.ChildEvents.Unregister(&e)
		}
	}()
	for {
		r, err := t.tryWait(a)
		if err != errno.EAGAIN {
			return r, err
		}
		if a.Options&linux.WNOHANG != 0 {
			return WaitResult{}, nil
		}
		if a.NoHang {
			return WaitResult{}, errno.EAGAIN
		}
		if !registered {
			t.tg.ChildEvents.Register(&e)
			registered = true
			continue
		}
		if err := t.Block(); err != nil {
			return WaitResult{}, err
		}
	}
}

// tryWait looks once; EAGAIN if there are candidates but nothing happened to them.
func (t *Task) tryWait(a *WaitArgs) (WaitResult, error) {
	k := t.k
	k.mu.Lock()
	defer k.mu.Unlock()
	w := waiter{t: t, a: a, err: errno.ECHILD}
	ns := t.PIDNamespace()
	if a.Type == linux.P_PGID {
		if a.ID == 0 {
			w.pgrp = t.tg.pgrp
		} else if w.pgrp = ns.groups[a.ID]; w.pgrp == nil {
			return WaitResult{}, errno.ECHILD
		}
	}
	for _, c := range t.tg.children {
		if a.Options&linux.WNOTHREAD != 0 && c.parent != t {
			continue
		}
		if r, ok := w.consider(c.leader, false); ok {
			return r, nil
		}
	}
	for _, x := range t.tg.threads {
		if a.Options&linux.WNOTHREAD != 0 && x != t {
			continue
		}
		for _, c := range x.tracees {
			if r, ok := w.consider(c, true); ok {
				return r, nil
			}
		}
	}
	if w.err == nil {
		return WaitResult{}, errno.EAGAIN
	}
	return WaitResult{}, w.err
}

func (w *waiter) eligible(x *Task, traced bool) bool {
	switch w.a.Type {
	case linux.P_PID:
		if x.pid.Load().In(w.t.PIDNamespace()) != w.a.ID {
			return false
		}
	case linux.P_PGID:
		if x.tg.pgrp != w.pgrp {
			return false
		}
	case linux.P_PIDFD:
		if x.tg != w.a.Group || x.tg.leader != x {
			return false
		}
	}
	if traced || w.a.Options&linux.WALL != 0 {
		return true
	}
	return (x.tg.exitSignal != linux.SIGCHLD) == (w.a.Options&linux.WCLONE != 0)
}

// consider looks at one child or tracee (Linux's wait_consider_task).
func (w *waiter) consider(x *Task, traced bool) (WaitResult, bool) {
	if x.exitState == dead || !w.eligible(x, traced) {
		return WaitResult{}, false
	}
	if !traced && x.tracer != nil && !x.tracedByOtherLocked() {
		// The parent's own process traces it: as a tracee it is seen whole.
		traced = true
	}
	opt := w.a.Options
	if x.exitState == zombie {
		if x.tg.leader != x || x.tg.onlyLeaderLocked() {
			if traced || x.tracer == nil {
				if opt&linux.WEXITED == 0 {
					// It can still be waited for otherwise.
					w.err = nil
					return WaitResult{}, false
				}
				return w.takeZombie(x), true
			}
		}
		if !traced || opt&(linux.WCONTINUED|linux.WEXITED) != 0 {
			w.err = nil
		}
	} else {
		w.err = nil
	}
	if r, ok := w.takeStop(x, traced); ok {
		return r, ok
	}
	return w.takeContinued(x)
}

func (w *waiter) result(x *Task) WaitResult {
	return WaitResult{PID: x.pid.Load().In(w.t.PIDNamespace()), UID: x.userIn(w.t)}
}

// account fills in what tg and its waited-for children have used. Preconditions: sigMu of tg is held.
func (r *WaitResult) account(tg *ThreadGroup) {
	r.User, r.System = tg.cpuTimesLocked()
	r.User += tg.childCPU.user
	r.System += tg.childCPU.system
	r.Usage = tg.deadUsage
	for _, y := range tg.threads {
		r.Usage.addTask(&y.usage)
	}
	r.Usage.add(&tg.childUsage)
}

// takeZombie collects a task that has ended.
func (w *waiter) takeZombie(x *Task) WaitResult {
	r := w.result(x)
	tg := x.tg
	r.Status = linux.WaitStatus(x.exitCode)
	if tg.leader == x {
		r.Status = linux.WaitStatus(tg.statusLocked())
	}
	var info linux.SignalInfo
	r.Code, info.Fields = exitInfo(r.Status, info)
	r.Info = info.Status()

	tg.sigMu.Lock()
	r.account(tg)
	tg.sigMu.Unlock()
	if w.a.Options&linux.WNOWAIT != 0 {
		return r
	}

	reparented := x.tracer != nil && (tg.leader != x || x.tracedByOtherLocked())
	if x.tracer != nil {
		x.unlinkTracerLocked()
	}
	if reparented && tg.leader == x {
		// Its real parent has yet to hear of it.
		if !x.notifyParentLocked(tg.exitSignal) {
			return r
		}
	} else if tg.leader == x {
		me := w.t.tg
		me.sigMu.Lock()
		me.childCPU.add(r.User, r.System)
		me.childUsage.add(&r.Usage)
		me.sigMu.Unlock()
	}
	x.releaseLocked()
	return r
}

// takeStop collects a stop.
func (w *waiter) takeStop(x *Task, traced bool) (WaitResult, bool) {
	if !traced && w.a.Options&linux.WUNTRACED == 0 {
		return WaitResult{}, false
	}
	tg := x.tg
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	r := w.result(x)
	keep := w.a.Options&linux.WNOWAIT != 0
	if traced {
		if x.stop != traceStopped || x.job&jobListening != 0 || x.trace.code == 0 {
			return WaitResult{}, false
		}
		r.Code, r.Info = linux.CLD_TRAPPED, x.trace.code
		r.Status = linux.WaitStatus(uint32(x.trace.code)<<8 | 0x7f)
		if !keep {
			x.trace.code = 0
		}
		r.account(tg)
		return r, true
	}
	if !tg.stops.stopped || !tg.stops.waitable {
		return WaitResult{}, false
	}
	r.Code, r.Info = linux.CLD_STOPPED, int32(tg.stops.sig)
	r.Status = linux.StoppedStatus(tg.stops.sig)
	if !keep {
		tg.stops.waitable = false
	}
	r.account(tg)
	return r, true
}

// takeContinued collects a continuation.
func (w *waiter) takeContinued(x *Task) (WaitResult, bool) {
	if w.a.Options&linux.WCONTINUED == 0 {
		return WaitResult{}, false
	}
	tg := x.tg
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	if !tg.stops.continued {
		return WaitResult{}, false
	}
	if w.a.Options&linux.WNOWAIT == 0 {
		tg.stops.continued = false
	}
	r := w.result(x)
	r.Code, r.Info, r.Status = linux.CLD_CONTINUED, int32(linux.SIGCONT), linux.ContinuedStatus
	r.account(tg)
	return r, true
}

// Rusage returns what a child that was waited for has used, with its children.
func (r *WaitResult) Rusage() linux.Rusage { return r.Usage.rusage(r.User, r.System) }

func (u *usageTotals) rusage(user, system time.Duration) linux.Rusage {
	return linux.Rusage{
		Utime: linux.DurationToTimeval(user), Stime: linux.DurationToTimeval(system),
		Maxrss: u.maxrss, Minflt: u.minorFaults, Majflt: u.majorFaults,
		Inblock: u.inBlocks, Oublock: u.outBlocks, Nvcsw: u.voluntary, Nivcsw: u.involuntary,
	}
}
