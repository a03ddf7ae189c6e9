package kernel

// freezer is what a group knows of cgroup.freeze. Guarded by Kernel.mu.
type freezer struct {
	asked     bool // by who wrote to the group's own file
	effective bool // or to that of a group above
	frozen    bool // all tasks in it and below have stopped
	stopped   int  // tasks of the group itself that count as frozen
	since     int64
	total     int64 // nanoseconds for which it was to be frozen before since
}

// SetFreeze is a write to cgroup.freeze.
func (cg *Cgroup) SetFreeze(on bool) {
	cg.k.mu.Lock()
	defer cg.k.mu.Unlock()
	if cg.freezer.asked != on {
		cg.freezer.asked = on
		cg.applyFreezeLocked()
	}
}

// Freeze returns what was written to cgroup.freeze, and for how many nanoseconds the group was to be frozen.
func (cg *Cgroup) Freeze() (asked bool, total int64) {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	f := &cg.freezer
	total = f.total
	if f.effective {
		total += cg.k.Monotonic() - f.since
	}
	return f.asked, total
}

// applyFreezeLocked freezes or thaws cg and what is below, where that changes something.
func (cg *Cgroup) applyFreezeLocked() {
	f := &cg.freezer
	on := f.asked || cg.parent != nil && cg.parent.freezer.effective
	if f.effective == on {
		return
	}
	f.effective = on
	if now := cg.k.Monotonic(); on {
		f.since = now
	} else {
		f.total += now - f.since
	}
	cg.eachLocked(false, func(x *Task) { x.setFreezeLocked(on) })
	for _, c := range cg.children {
		c.applyFreezeLocked()
	}
	cg.refreshFrozenLocked()
}

// refreshFrozenLocked looks whether cg, and so the groups above, are frozen, and tells of changes.
func (cg *Cgroup) refreshFrozenLocked() {
	for g := cg; g != nil; g = g.parent {
		f := &g.freezer
		if !f.effective && !f.frozen {
			return
		}
		frozen := f.effective && f.stopped == g.tasks
		for _, c := range g.children {
			frozen = frozen && c.freezer.frozen
		}
		if frozen == f.frozen {
			return
		}
		f.frozen = frozen
		g.Events.tell()
	}
}

// setFreezeLocked makes t stop on its way to the guest, without anybody being told, or go on. A task that is stopped
// already, or waits for its vfork child, counts as frozen at once.
func (t *Task) setFreezeLocked(on bool) {
	tg := t.tg
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	switch {
	case !on:
		if t.job&jobFreeze != 0 {
			t.job &^= jobFreeze
			t.blocker.wake()
			t.recalcLocked()
		}
		t.countFrozenLocked(false)
	case t.setJobLocked(jobFreeze, 0):
		if t.stop != notStopped || t.resting {
			t.countFrozenLocked(true)
		} else {
			t.wakeForSignalLocked(false)
		}
	}
}

// countFrozenLocked notes whether t counts as frozen. Preconditions: Kernel.mu is held for writing.
func (t *Task) countFrozenLocked(on bool) {
	if t.frozen == on {
		return
	}
	t.frozen = on
	if on {
		t.cgroup.freezer.stopped++
	} else {
		t.cgroup.freezer.stopped--
	}
}

// noteFrozen counts t as frozen if it shall be. Task goroutine only, before it sleeps for long.
func (t *Task) noteFrozen() {
	t.tg.sigMu.Lock()
	due := t.job&jobFreeze != 0
	t.tg.sigMu.Unlock()
	if !due {
		return
	}
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	t.tg.sigMu.Lock()
	due = t.job&jobFreeze != 0
	t.tg.sigMu.Unlock()
	if due {
		t.countFrozenLocked(true)
		t.cgroup.refreshFrozenLocked()
	}
}

// stayFrozen sleeps while t is to be frozen and has nothing else to do. Signals wait until it is thawed; what kills it does not.
func (t *Task) stayFrozen() {
	t.noteFrozen()
	t.setBlocked(true)
	for {
		t.tg.sigMu.Lock()
		over := t.job&jobPending != jobFreeze || t.fatal || t.tg.stops.tell != 0
		t.tg.sigMu.Unlock()
		if over {
			break
		}
		<-t.blocker.token
		t.serveFPU()
	}
	t.setBlocked(false)
}

// rest marks that t sleeps, or no longer, where freezing it needs nothing of it: for its vfork child.
func (t *Task) rest(on bool) {
	t.tg.sigMu.Lock()
	t.resting = on
	t.tg.sigMu.Unlock()
	if on {
		t.noteFrozen()
	}
}
