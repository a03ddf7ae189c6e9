package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// KernelInfo returns the siginfo of a signal that the kernel sends for reasons of its own.
func KernelInfo(sig linux.Signal) linux.SignalInfo {
	return linux.SignalInfo{Signo: int32(sig), Code: linux.SI_KERNEL}
}

// UserInfo returns the siginfo of a signal that t sends by kill(2) or tkill(2) (code).
// The sender's number and user are those that the receiver's namespace sees. Preconditions: Kernel.mu is held, or
// to is t's own.
func (t *Task) UserInfo(sig linux.Signal, code int32, to *ThreadGroup) linux.SignalInfo {
	info := linux.SignalInfo{Signo: int32(sig), Code: code}
	info.SetPID(t.tg.pid.In(to.pid.ns))
	receiver := t
	if to != t.tg {
		receiver = to.leader
	}
	info.SetUID(t.userIn(receiver))
	return info
}

// userIn is t's real user as x's user namespace calls it.
func (t *Task) userIn(x *Task) uint32 { return x.Creds().UserNS.ShowUID(t.Creds().RUID) }

// Signal sends a signal to this very task (tkill).
func (t *Task) Signal(info *linux.SignalInfo) error {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	return t.sendLocked(info, false, nil, false)
}

// SignalSelf sends a signal to the calling task as the kernel does for SIGPIPE
// and SIGXFSZ: as if the task had sent it itself. That of an actor goes to its principal.
func (t *Task) SignalSelf(sig linux.Signal) {
	t = t.Principal()
	info := t.UserInfo(sig, linux.SI_USER, t.tg)
	t.Signal(&info)
}

// Signal sends a signal to the process: any task that does not block it takes it.
func (tg *ThreadGroup) Signal(info *linux.SignalInfo) error {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	return tg.signalLocked(info)
}

// signalLocked is Signal. Preconditions: Kernel.mu is held.
func (tg *ThreadGroup) signalLocked(info *linux.SignalInfo) error {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	return tg.leader.sendLocked(info, true, nil, false)
}

// Kill ends the whole process as SIGKILL does.
func (tg *ThreadGroup) Kill() {
	info := KernelInfo(linux.SIGKILL)
	tg.Signal(&info)
}

// ForceSignal sends a signal that the task cannot block or ignore: if it does, the action
// becomes the default, which as a rule ends it (Linux's force_sig_info).
func (t *Task) ForceSignal(info *linux.SignalInfo) {
	tg := t.tg
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	t.forceLocked(info, false)
}

// forceLocked is ForceSignal; with die the action becomes the default in any case.
func (t *Task) forceLocked(info *linux.SignalInfo, die bool) {
	tg := t.tg
	sig := info.Signal()
	h := tg.handlers
	h.mu.Lock()
	a := &h.actions[sig]
	blocked := t.sigMask.Has(sig)
	if die || blocked || a.Handler == linux.SIG_IGN {
		*a = linux.SigAction{}
	}
	isDefault := a.Handler == linux.SIG_DFL
	h.mu.Unlock()
	if blocked {
		t.sigMask.Remove(sig)
	}
	// Without a handler even init dies, unless it is traced (kernel/signal.c).
	if isDefault && (!t.trace.traced || die) {
		tg.noKill = false
	}
	t.sendLocked(info, false, nil, true)
	t.recalcLocked()
}

// ignoredLocked reports whether sending sig to t would have no effect, so that it is
// dropped at once. A blocked signal may find a handler later, and a tracer sees all.
func (t *Task) ignoredLocked(sig linux.Signal, force bool) bool {
	if t.sigMask.Has(sig) || t.realMask.Has(sig) {
		return false
	}
	if t.trace.traced && sig != linux.SIGKILL {
		return false
	}
	a := t.tg.handlers.get(sig)
	if t.tg.noKill && a.Handler == linux.SIG_DFL && !(force && linux.UnblockableSignals.Has(sig)) {
		return true
	}
	return defaultIgnored(sig, &a)
}

// sendLocked queues a signal for t, or with group for its process, and wakes who shall
// take it. q, if not nil, is an instance made before (POSIX timers). force is for signals that come
// from the kernel or an ancestor PID namespace, which init cannot refuse.
// EAGAIN if a queued signal finds no room. Preconditions: sigMu is held, and
// Kernel.mu if group.
func (t *Task) sendLocked(info *linux.SignalInfo, group bool, q *queuedSignal, force bool) error {
	tg := t.tg
	sig := info.Signal()
	if t.exitStarted && !group {
		return nil
	}
	if !force {
		// What the kernel sends counts like what comes from outside the namespace.
		force = info.Code == linux.SI_KERNEL || (info.Code <= 0 && info.PID() == 0)
	}
	if !tg.prepareLocked(t, sig, force) {
		return nil
	}
	p := &t.signals
	if group {
		p = &tg.shared
	}
	if sig < linux.SIGRTMIN && p.set.Has(sig) {
		return nil // standard signals do not queue
	}
	if sig != linux.SIGKILL {
		if q == nil {
			q = t.allocSignalLocked(info, sig)
		}
		switch {
		case q != nil:
			q.info = *info
			p.list = append(p.list, q)
		case sig >= linux.SIGRTMIN && info.Code != linux.SI_USER:
			// A real-time signal by anything but kill(2) must not be lost silently.
			return errno.EAGAIN
		}
	}
	p.set.Add(sig)
	t.completeLocked(sig, group)
	tg.SignalEvents.Notify(signalReady)
	return nil
}

// allocSignalLocked makes an instance, counted against the receiver's RLIMIT_SIGPENDING;
// nil if there is no room. Standard signals of the kernel's own override the limit.
func (t *Task) allocSignalLocked(info *linux.SignalInfo, sig linux.Signal) *queuedSignal {
	override := sig < linux.SIGRTMIN && (info.Code >= 0)
	uid := t.Creds().RUID
	u := t.k.user(uid)
	if n := u.signals.Add(1); !override && uint64(n) > t.tg.limits.Cur(linux.RLIMIT_SIGPENDING) {
		u.signals.Add(-1)
		t.k.putUser(uid, u)
		return nil
	}
	return &queuedSignal{user: u, uid: uid}
}

// prepareLocked does what the sending of a signal does before anyone takes it: stop
// signals and SIGCONT cancel each other, and SIGCONT wakes stopped tasks whether it
// is blocked or not. It reports whether the signal goes on.
func (tg *ThreadGroup) prepareLocked(t *Task, sig linux.Signal, force bool) bool {
	if tg.exiting {
		return sig == linux.SIGKILL
	}
	switch {
	case stopSignals.Has(sig):
		tg.removePendingLocked(linux.MakeSignalSet(linux.SIGCONT))
	case sig == linux.SIGCONT:
		tg.removePendingLocked(stopSignals)
		for _, x := range tg.threads {
			x.clearJobLocked(jobStopPending)
			if x.trace.traced && x.trace.seized {
				x.trapNotifyLocked()
			} else {
				x.wakeStoppedLocked()
			}
		}
		tg.stops.continuedLocked(tg)
	}
	return !t.ignoredLocked(sig, force)
}

// removePendingLocked drops signals of s that wait for the process or any of its tasks.
func (tg *ThreadGroup) removePendingLocked(s linux.SignalSet) {
	tg.shared.remove(tg.k, s)
	for _, t := range tg.threads {
		t.signals.remove(tg.k, s)
	}
}

// wantsLocked reports whether t may take sig now.
func (t *Task) wantsLocked(sig linux.Signal) bool {
	if t.sigMask.Has(sig) || t.exitStarted {
		return false
	}
	if sig == linux.SIGKILL {
		return true
	}
	if t.stop != notStopped {
		return false
	}
	return true
}

// completeLocked finds a task that takes the signal and wakes it. A signal that is fatal to
// the process is made so here, so that no task runs on.
func (t *Task) completeLocked(sig linux.Signal, group bool) {
	tg := t.tg
	target := t
	switch {
	case t.wantsLocked(sig):
	case !group:
		return
	default:
		target = nil
		for _, x := range tg.threads {
			if x.wantsLocked(sig) && !x.pending.Load() {
				target = x
				break
			}
			if target == nil && x.wantsLocked(sig) {
				target = x
			}
		}
		if target == nil {
			return // they all block it: whoever unblocks it first takes it
		}
	}
	a := tg.handlers.get(sig)
	fatal := a.Handler == linux.SIG_DFL && !ignoredSignals.Has(sig) && !stopSignals.Has(sig)
	if sig == linux.SIGKILL || fatal && !coreSignals.Has(sig) {
		if (sig == linux.SIGKILL || !tg.noKill) && !tg.exiting && !target.realMask.Has(sig) &&
			(sig == linux.SIGKILL || !target.trace.traced) {
			tg.beginExitLocked(uint32(linux.SignaledStatus(sig, false)), nil)
			return
		}
	}
	target.wakeForSignalLocked(sig == linux.SIGKILL)
}

// beginExitLocked makes all tasks of the group but except die with status
// (Linux's zap_other_threads and do_group_exit).
func (tg *ThreadGroup) beginExitLocked(status uint32, except *Task) {
	if !tg.exiting {
		tg.exiting = true
		tg.exitCode = status
	}
	tg.stops = groupStop{}
	for _, x := range tg.threads {
		if x == except || x.exitStarted {
			continue
		}
		x.killLocked()
	}
}

// killLocked makes t die on its way to the guest, wherever it is now.
func (t *Task) killLocked() {
	t.fatal = true
	t.job = 0
	t.signals.set.Add(linux.SIGKILL)
	t.wakeForSignalLocked(true)
}

// wakeForSignalLocked makes t look at its signals soon. With kill also a stopped task wakes.
func (t *Task) wakeForSignalLocked(kill bool) {
	t.pending.Store(true)
	if kill && t.stop != notStopped {
		t.stop = notStopped
	}
	t.kick()
}

// kick gets t out of Block, a stop or the guest.
func (t *Task) kick() {
	t.blocker.wake()
	if t.cpu.inGuest() {
		t.ctx.Interrupt()
	}
}

// recalcLocked sets pending to whether t has anything to do on its way to the guest.
func (t *Task) recalcLocked() {
	has := (t.signals.set|t.tg.shared.set)&^t.sigMask != 0 || t.job&jobPending != 0 || t.fatal
	t.pending.Store(has)
}

// SignalMask returns the blocked signals.
func (t *Task) SignalMask() linux.SignalSet {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	return t.sigMask
}

// SetSignalMask replaces the blocked signals. Task goroutine only.
func (t *Task) SetSignalMask(m linux.SignalSet) {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	t.setMaskLocked(m)
}

// OwnSignalMask is SignalMask for the task's own goroutine, which alone changes the mask: it takes no lock.
func (t *Task) OwnSignalMask() linux.SignalSet { return t.sigMask }

func (t *Task) setMaskLocked(m linux.SignalSet) {
	m &^= linux.UnblockableSignals
	// Signals of the process that only this task would have taken go to another.
	if blocked := t.tg.shared.set & m &^ t.sigMask; blocked != 0 {
		t.retargetLocked(blocked)
	}
	t.sigMask = m
	t.recalcLocked()
}

// retargetLocked wakes other tasks for signals of the process that t will not take.
func (t *Task) retargetLocked(which linux.SignalSet) {
	for _, x := range t.tg.threads {
		if x == t || x.exitStarted || which&^x.sigMask == 0 {
			continue
		}
		which &= x.sigMask
		if !x.pending.Load() {
			x.wakeForSignalLocked(false)
		}
		if which == 0 {
			return
		}
	}
}

// SetTempMask replaces the blocked signals until the system call under way is over
// (ppoll, pselect6, epoll_pwait, rt_sigsuspend). If it ends in EINTR or a restart code,
// the old mask comes back when a handler's frame has been made, otherwise at once.
func (t *Task) SetTempMask(m linux.SignalSet) {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	if !t.maskSaved {
		t.savedMask, t.maskSaved = t.sigMask, true
	}
	t.setMaskLocked(m)
}

// restoreMask brings back what SetTempMask replaced.
func (t *Task) restoreMask() {
	if t.maskSaved {
		t.maskSaved = false
		t.SetSignalMask(t.savedMask)
	}
}

// PendingSignals returns what waits for the task and for its process (/proc/PID/status).
func (t *Task) PendingSignals() (task, process linux.SignalSet) {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	return t.signals.set, t.tg.shared.set
}

// SignalActions returns which signals the process ignores and which it catches.
func (tg *ThreadGroup) SignalActions() (ignored, caught linux.SignalSet) {
	tg.sigMu.Lock()
	h := tg.handlers
	tg.sigMu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	for sig := linux.Signal(1); sig <= linux.SIGRTMAX; sig++ {
		switch h.actions[sig].Handler {
		case linux.SIG_DFL:
		case linux.SIG_IGN:
			ignored.Add(sig)
		default:
			caught.Add(sig)
		}
	}
	return ignored, caught
}

// TakeSignal removes a pending signal of set and returns it, for signalfd and
// rt_sigtimedwait; nil if none is pending. Task goroutine only.
func (t *Task) TakeSignal(set linux.SignalSet) *linux.SignalInfo {
	t.tg.sigMu.Lock()
	info, timer := t.takeLocked(set &^ linux.UnblockableSignals)
	if info != nil && timer != nil {
		timer.deliveredLocked(info)
	}
	t.recalcLocked()
	t.tg.sigMu.Unlock()
	return info
}

// takeLocked removes the next signal of set, the task's own before the process's.
func (t *Task) takeLocked(set linux.SignalSet) (*linux.SignalInfo, *posixTimer) {
	p := &t.signals
	sig := nextSignal(p.set & set)
	if sig == 0 {
		p = &t.tg.shared
		sig = nextSignal(p.set & set)
	}
	if sig == 0 {
		return nil, nil
	}
	info, timer := p.take(t.k, sig)
	return &info, timer
}
