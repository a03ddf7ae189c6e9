package kernel

import (
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

// jobFlags say what a task must do for job control on its way to the guest (Linux's
// JOBCTL_*). Guarded by sigMu.
type jobFlags uint16

const (
	jobStopDequeued jobFlags = 1 << iota // a stop signal was taken; SIGCONT clears it
	jobStopPending                       // the task must take part in a group stop
	jobStopConsume                       // and is counted in groupStop.count
	jobTrapStop                          // the task must stop for its tracer
	jobTrapNotify                        // and tell it of a change (PTRACE_SEIZE)
	jobListening                         // PTRACE_LISTEN
	jobFreeze                            // its control group is to be frozen

	jobPending = jobStopPending | jobTrapStop | jobTrapNotify | jobFreeze
)

// groupStop is how far a group stop has come. Guarded by sigMu.
type groupStop struct {
	count     int          // tasks that have yet to stop
	sig       linux.Signal // that stops
	stopped   bool         // all tasks have stopped (SIGNAL_STOP_STOPPED)
	continued bool         // SIGCONT came since (SIGNAL_STOP_CONTINUED); wait4 takes it
	waitable  bool         // sig has not been taken by wait4
	tell      int32        // CLD_STOPPED or CLD_CONTINUED that the parent shall hear of, or 0
}

// continuedLocked ends a group stop because of SIGCONT.
func (s *groupStop) continuedLocked(tg *ThreadGroup) {
	why := int32(0)
	switch {
	case s.stopped:
		why = linux.CLD_CONTINUED
	case s.count > 0:
		why = linux.CLD_STOPPED
	}
	if why == 0 {
		return
	}
	*s = groupStop{continued: true, tell: why, sig: s.sig}
	for _, x := range tg.threads {
		if !x.exitStarted {
			// Somebody must tell the parent.
			x.wakeForSignalLocked(false)
		}
	}
}

// setJobLocked adds flags unless the task is past caring.
func (t *Task) setJobLocked(f jobFlags, sig linux.Signal) bool {
	if t.fatal || t.exitStarted {
		return false
	}
	if sig != 0 {
		t.trace.stopSig = sig
	}
	t.job |= f
	return true
}

// clearJobLocked removes flags; without a pending stop it does not count for one.
func (t *Task) clearJobLocked(f jobFlags) {
	if f&jobStopPending != 0 {
		f |= jobStopConsume | jobStopDequeued
	}
	t.job &^= f
}

// wakeStoppedLocked ends a group stop of t.
func (t *Task) wakeStoppedLocked() {
	if t.stop == groupStopped {
		t.stop = notStopped
		t.blocker.wake()
	}
}

// participateLocked takes t out of the count of those that have yet to stop, and
// reports whether the stop is complete by that.
func (t *Task) participateLocked() bool {
	s := &t.tg.stops
	consume := t.job&jobStopConsume != 0
	t.job &^= jobStopPending | jobStopConsume | jobStopDequeued
	if !consume {
		return false
	}
	if s.count > 0 {
		s.count--
	}
	if s.count == 0 && !s.stopped {
		*s = groupStop{sig: s.sig, stopped: true, waitable: true}
		return true
	}
	return false
}

// startStopLocked makes all tasks of the group stop because t took sig. It reports false if
// the stop was cancelled meanwhile.
func (t *Task) startStopLocked(sig linux.Signal) bool {
	tg := t.tg
	s := &tg.stops
	if t.job&jobStopDequeued == 0 || tg.exiting || tg.execTask != nil {
		return false
	}
	if !s.stopped {
		s.sig = sig
	}
	s.count = 0
	if t.setJobLocked(jobStopPending|jobStopConsume, sig) {
		s.count++
	}
	for _, x := range tg.threads {
		if x == t || x.stop == groupStopped || !x.setJobLocked(jobStopPending|jobStopConsume, sig) {
			continue
		}
		s.count++
		if x.trace.traced && x.trace.seized {
			x.trapNotifyLocked()
		} else {
			x.wakeForSignalLocked(false)
		}
	}
	return true
}

// doStop stops t as jobStopPending asks. It takes and releases sigMu, held by the caller.
// A traced task stops for its tracer instead: then it returns false with sigMu held.
func (t *Task) doStop() bool {
	tg := t.tg
	if t.trace.traced {
		t.setJobLocked(jobTrapStop, 0)
		return false
	}
	complete := t.participateLocked()
	t.setStopLocked(groupStopped)
	tg.sigMu.Unlock()
	if complete {
		t.tellStop(linux.CLD_STOPPED)
	}
	t.park()
	return true
}

// setStopLocked begins a stop, which park waits out. From here on a tracer may change t's registers.
func (t *Task) setStopLocked(how stopState) {
	t.fallAsleep()
	t.stop = how
}

// park sleeps while t is stopped, for job control or for its tracer.
func (t *Task) park() {
	t.noteFrozen()
	for {
		t.tg.sigMu.Lock()
		stopped := t.stop != notStopped
		t.tg.sigMu.Unlock()
		if !stopped {
			break
		}
		<-t.blocker.token
		t.serveFPU()
	}
	t.cpu.run(t.k.ticks.Now())
}

// tellStop tells the parent that the group stopped or continued, and the tracer if
// t is traced by another process.
func (t *Task) tellStop(why int32) {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	t.tellStopLocked(false, why)
	if t.tracer != nil && (t.tg.parent == nil || t.tracer.tg != t.tg.parent.tg) {
		t.tellStopLocked(true, why)
	}
}

// tellStopLocked sends SIGCHLD about a stop or continuation of t to its tracer or
// to its group's parent, and wakes those who wait. Preconditions: Kernel.mu is held, sigMu is not.
func (t *Task) tellStopLocked(toTracer bool, why int32) {
	x, parent := t, t.tracer
	if !toTracer {
		x = t.tg.leader
		parent = t.tg.parent
	}
	if parent == nil {
		return
	}
	ptg := parent.tg
	info := linux.SignalInfo{Signo: int32(linux.SIGCHLD), Code: why}
	info.SetPID(x.pid.Load().In(ptg.pid.ns))
	info.SetUID(x.userIn(parent))
	u, s := x.cpu.times(x.k)
	info.SetUtime(linux.DurationToTicks(u))
	info.SetStime(linux.DurationToTicks(s))
	t.tg.sigMu.Lock()
	switch why {
	case linux.CLD_CONTINUED:
		info.SetStatus(int32(linux.SIGCONT))
	case linux.CLD_STOPPED:
		info.SetStatus(int32(t.tg.stops.sig) & 0x7f)
	case linux.CLD_TRAPPED:
		info.SetStatus(int32(t.trace.code) & 0x7f)
	}
	t.tg.sigMu.Unlock()

	ptg.sigMu.Lock()
	a := ptg.handlers.get(linux.SIGCHLD)
	if a.Handler != linux.SIG_IGN && a.Flags&linux.SA_NOCLDSTOP == 0 {
		ptg.leader.sendLocked(&info, true, nil, true)
	}
	ptg.sigMu.Unlock()
	ptg.ChildEvents.Notify(wait.In)
}
