package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// mayKill checks the rules of kill(2) for sending sig to tg. Preconditions: Kernel.mu is held.
func (t *Task) mayKillLocked(tg *ThreadGroup, sig linux.Signal) error {
	if sig < 0 || sig > linux.SIGRTMAX {
		return errno.EINVAL
	}
	if tg == t.tg {
		return nil
	}
	c, o := t.Creds(), tg.leader.Creds()
	if !c.Landlock.Reaches(o.Landlock, linux.LANDLOCK_SCOPE_SIGNAL) {
		return errno.EPERM
	}
	if c.EUID == o.SUID || c.EUID == o.RUID || c.RUID == o.SUID || c.RUID == o.RUID ||
		c.HasIn(linux.CAP_KILL, o.UserNS) {
		return nil
	}
	if sig == linux.SIGCONT && tg.pgrp != nil && t.tg.pgrp != nil && tg.pgrp.session == t.tg.pgrp.session {
		return nil
	}
	return errno.EPERM
}

// killLocked checks and sends. Signal 0 only checks.
func (t *Task) killGroupLocked(tg *ThreadGroup, sig linux.Signal, info *linux.SignalInfo) error {
	if err := t.mayKillLocked(tg, sig); err != nil || sig == 0 {
		return err
	}
	if info == nil {
		i := t.UserInfo(sig, linux.SI_USER, tg)
		info = &i
	}
	return tg.signalLocked(info)
}

// Kill is kill(2).
func (t *Task) Kill(pid int32, sig linux.Signal) error {
	k, ns := t.k, t.PIDNamespace()
	k.mu.RLock()
	defer k.mu.RUnlock()
	switch {
	case pid > 0:
		x := ns.tasks[pid]
		if x == nil {
			return errno.ESRCH
		}
		return t.killGroupLocked(x.tg, sig, nil)
	case pid == -1<<31:
		return errno.ESRCH
	case pid == -1:
		// Everybody but init and the caller's own process.
		count, result := 0, error(nil)
		for n, x := range ns.tasks {
			if n <= 1 || x.tg.leader != x || x.tg == t.tg {
				continue
			}
			count++
			if err := t.killGroupLocked(x.tg, sig, nil); err != errno.EPERM {
				result = err
			}
		}
		if count == 0 {
			return errno.ESRCH
		}
		return result
	}
	pg := t.tg.pgrp
	if pid != 0 {
		pg = ns.groups[-pid]
	}
	if pg == nil {
		return errno.ESRCH
	}
	result := error(errno.ESRCH)
	sent := false
	for _, m := range pg.members {
		if m.pid.In(ns) == 0 {
			continue
		}
		err := t.killGroupLocked(m, sig, nil)
		sent = sent || err == nil
		result = err
	}
	if sent {
		return nil
	}
	return result
}

// Sigqueue is rt_sigqueueinfo(2).
func (t *Task) Sigqueue(pid int32, sig linux.Signal, info *linux.SignalInfo) error {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	x := t.PIDNamespace().tasks[pid]
	if x == nil {
		return errno.ESRCH
	}
	return t.killGroupLocked(x.tg, sig, info)
}

// Tgkill is tgkill(2), tkill(2) with tgid 0, and rt_tgsigqueueinfo(2) with info.
func (t *Task) Tgkill(tgid, tid int32, sig linux.Signal, info *linux.SignalInfo) error {
	k := t.k
	k.mu.RLock()
	defer k.mu.RUnlock()
	ns := t.PIDNamespace()
	x := ns.tasks[tid]
	if x == nil || tgid != 0 && x.tg.pid.In(ns) != tgid {
		return errno.ESRCH
	}
	return t.signalTaskLocked(x, sig, info)
}

// signalTaskLocked sends a signal to one task after the checks of kill(2).
func (t *Task) signalTaskLocked(x *Task, sig linux.Signal, info *linux.SignalInfo) error {
	if err := t.mayKillLocked(x.tg, sig); err != nil || sig == 0 {
		return err
	}
	if info == nil {
		i := t.UserInfo(sig, linux.SI_TKILL, x.tg)
		info = &i
	}
	return x.Signal(info)
}

// SetAction is rt_sigaction(2): it returns the action of sig and, if set is not nil, replaces it.
func (tg *ThreadGroup) SetAction(sig linux.Signal, set *linux.SigAction) (linux.SigAction, error) {
	if !sig.Valid() || set != nil && linux.UnblockableSignals.Has(sig) {
		return linux.SigAction{}, errno.EINVAL
	}
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	h := tg.handlers
	h.mu.Lock()
	old := h.actions[sig]
	if set != nil {
		a := *set
		a.Mask &^= linux.UnblockableSignals
		a.Flags &= actionFlags
		h.actions[sig] = a
	}
	h.mu.Unlock()
	// Pending instances go if the signal is ignored from now on, blocked or not (POSIX).
	if set != nil && defaultIgnored(sig, set) {
		tg.removePendingLocked(linux.MakeSignalSet(sig))
		for _, x := range tg.threads {
			x.recalcLocked()
		}
	}
	return old, nil
}

// actionFlags are the flags of sigaction(2) that Linux knows on x86-64; it clears others, so that
// programs can find out what is supported.
const actionFlags = linux.SA_NOCLDSTOP | linux.SA_NOCLDWAIT | linux.SA_SIGINFO | linux.SA_ONSTACK |
	linux.SA_RESTART | linux.SA_NODEFER | linux.SA_RESETHAND | linux.SA_EXPOSE_TAGBITS | linux.SA_RESTORER

// WaitSignal takes a signal of set, for rt_sigtimedwait(2): EAGAIN at the deadline, or at once with poll.
func (t *Task) WaitSignal(set linux.SignalSet, poll bool, deadline int64) (*linux.SignalInfo, error) {
	set &^= linux.UnblockableSignals
	if info := t.TakeSignal(set); info != nil {
		return info, nil
	}
	if poll {
		return nil, errno.EAGAIN
	}
	tg := t.tg
	// Unblocked, the signals wake the task like others; realMask says that they are not to be dropped
	// or to kill before they have been looked for here.
	tg.sigMu.Lock()
	t.realMask = t.sigMask
	t.sigMask &^= set
	t.recalcLocked()
	tg.sigMu.Unlock()
	var err error
	for err == nil {
		if err = t.BlockUntil(deadline); err != nil {
			break
		}
	}
	tg.sigMu.Lock()
	mask := t.realMask
	t.realMask = 0
	t.setMaskLocked(mask)
	info, timer := t.takeLocked(set)
	if info != nil && timer != nil {
		timer.deliveredLocked(info)
	}
	t.recalcLocked()
	tg.sigMu.Unlock()
	if info != nil {
		return info, nil
	}
	if err == errno.ETIMEDOUT {
		return nil, errno.EAGAIN
	}
	return nil, errno.EINTR
}
