package kernel

import (
	"slices"

	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

// Exit makes the calling task end with an exit code (exit(2)). The handler returns.
func (t *Task) Exit(code int32) {
	t.die(uint32(linux.ExitStatus(int(code))))
	t.pending.Store(true)
}

// ExitStatus returns the wait status that the task ends with. For a Tracer's End.
func (t *Task) ExitStatus() uint32 { return t.exitCode }

// ExitGroup makes the whole process end with an exit code (exit_group(2)).
func (t *Task) ExitGroup(code int32) {
	tg := t.tg
	tg.sigMu.Lock()
	// Who comes second goes with the status of the first.
	if tg.execTask == nil || tg.execTask == t {
		tg.beginExitLocked(uint32(linux.ExitStatus(int(code))), t)
	}
	t.die(t.deathStatusLocked())
	tg.sigMu.Unlock()
	t.pending.Store(true)
}

// exit ends the task: the last thing that its goroutine does (Linux's do_exit).
func (t *Task) exit() {
	k, tg := t.k, t.tg
	t.traceExit()

	// From here on others take the signals of the process.
	tg.sigMu.Lock()
	t.exitStarted = true
	complete := t.job&jobStopPending != 0 && t.participateLocked()
	t.job = 0
	if which := tg.shared.set &^ t.sigMask; which != 0 && !tg.exiting {
		t.retargetLocked(which)
	}
	tg.sigMu.Unlock()
	if complete {
		t.tellStop(linux.CLD_STOPPED)
	}
	t.leaveSeccomp()
	if t.k.Tracer != nil {
		t.k.Tracer.End(t)
	}

	k.mu.Lock()
	tg.live--
	last := tg.live == 0
	k.mu.Unlock()
	if last {
		t.stopTimers()
		rss := int64(t.mm.Stats().VmHWM >> 10)
		tg.sigMu.Lock()
		tg.deadUsage.maxrss = max(tg.deadUsage.maxrss, rss)
		tg.sigMu.Unlock()
		t.accountExit()
	}

	t.leaveAsync(false)
	t.dropUndo()
	t.dropFiles()
	k.Keys.Release(&t.keys)
	t.ctx.Release()
	if last {
		t.leaveTerminal()
		t.endNamespace()
	}
	// Whoever joins the thread learns of its end here: little is left to do then, so that its
	// number is gone soon.
	t.releaseMM()
	t.cpu.sleep(k.ticks.Now())
	t.notifyExit(last)
}

// leaveMM tells threads that wait for the task's end, or for locks that it holds. The
// task is about to let go of the address space, because it ends or executes another program.
func (t *Task) leaveMM() {
	t.exitRobust()
	if t.clearTID == 0 {
		return
	}
	a := t.clearTID
	t.clearTID = 0
	// Nobody waits when the address space goes with the task; the write is harmless then.
	if t.CopyOutUint32(a, 0) == nil {
		t.futexWake(a)
	}
}

// releaseMM lets go of the address space for good.
func (t *Task) releaseMM() {
	t.leaveMM()
	m := t.mm
	t.mu.Lock()
	t.mm = nil
	t.mu.Unlock()
	t.dropAIO(t.aio)
	m.DecUsers()
	t.vforkDone()
}

// EndNamespace makes the init of t's PID namespace die as if of sig, and t with it (reboot(2)). Task goroutine only.
func (t *Task) EndNamespace(sig linux.Signal) {
	t.k.mu.RLock()
	init := t.tg.pid.ns.init
	t.k.mu.RUnlock()
	init.sigMu.Lock()
	init.beginExitLocked(uint32(sig), nil)
	init.sigMu.Unlock()
	t.Exit(0)
}

// endNamespace kills and reaps everybody else in a PID namespace whose init ends.
func (t *Task) endNamespace() {
	k, tg := t.k, t.tg
	ns := tg.pid.ns
	k.mu.Lock()
	if ns.init != tg {
		k.mu.Unlock()
		return
	}
	ns.dying = true
	if ns == k.PIDNS {
		k.halted = true
	}
	e := wait.Entry{Waiter: t, Mask: wait.In}
	tg.ChildEvents.Register(&e)
	defer tg.ChildEvents.Unregister(&e)
	for {
		// Children that are zombies already, or will be.
		for _, c := range slices.Clone(tg.children) {
			if c.leader.exitState == zombie && c.onlyLeaderLocked() {
				if c.leader.tracer != nil {
					c.leader.unlinkTracerLocked()
				}
				c.leader.releaseLocked()
			}
		}
		others := 0
		for _, x := range ns.tasks {
			if x.tg == tg {
				continue
			}
			others++
			x.tg.sigMu.Lock()
			x.tg.beginExitLocked(uint32(linux.SignaledStatus(linux.SIGKILL, false)), nil)
			if !x.exitStarted {
				x.killLocked()
			}
			x.tg.sigMu.Unlock()
			if x.exitState == zombie && x.tracer != nil && x.tg.leader != x {
				x.unlinkTracerLocked()
				x.releaseLocked()
			}
		}
		if others == 0 {
			break
		}
		k.mu.Unlock()
		<-t.blocker.token
		k.mu.Lock()
	}
	k.mu.Unlock()
	if f := ns.acct.set(nil); f != nil {
		f.DecRef()
	}
}

// notifyExit makes t a zombie, or nothing if nobody will ask for it (Linux's exit_notify).
func (t *Task) notifyExit(last bool) {
	k, tg := t.k, t.tg
	k.mu.Lock()
	t.releaseTraceesLocked()
	t.forgetChildrenLocked()
	if last {
		tg.hupOrphanLocked(tg.parentGroupLocked(), tg)
	}
	t.exitState = zombie
	t.leaveCgroupLocked()
	reap := true
	switch {
	case t.tracer != nil:
		sig := linux.SIGCHLD
		if tg.leader == t && tg.onlyLeaderLocked() && !t.tracedByOtherLocked() {
			sig = tg.exitSignal
		}
		reap = t.notifyParentLocked(sig)
	case tg.leader == t:
		reap = tg.onlyLeaderLocked() && t.notifyParentLocked(tg.exitSignal)
	}
	if tg.execTask != nil {
		tg.execTask.blocker.wake()
	}
	if last {
		if k.init == tg {
			k.status = tg.statusLocked()
		}
	}
	if reap {
		t.releaseLocked()
	}
	// The inits above may be about to end and wait for everybody else to be gone.
	for ns := tg.pid.ns; ns != nil; ns = ns.parent {
		if r := ns.init; r != nil && r != tg {
			r.ChildEvents.Notify(wait.In)
		}
	}
	k.mu.Unlock()
}

// notifyParentLocked sends t's parent or tracer the signal of t's end and wakes whoever waits for it. It
// reports whether nobody will wait, so that t is to be released
// (Linux's do_notify_parent). Preconditions: Kernel.mu is held for writing.
func (t *Task) notifyParentLocked(sig linux.Signal) (reap bool) {
	tg := t.tg
	parent := t.tracer
	traced := parent != nil
	if !traced {
		parent = tg.parent
		if parent != nil && sig != 0 && tg.parentExecID != parent.tg.execID {
			// The parent has become another program since: it knows nothing of the signal asked for.
			sig = linux.SIGCHLD
		}
	}
	if tg.leader == t {
		tg.ExitEvents.Notify(wait.In | wait.RdNorm)
	}
	if parent == nil {
		return true
	}
	ptg := parent.tg
	status := linux.WaitStatus(t.exitCode)
	if tg.leader == t {
		status = linux.WaitStatus(tg.statusLocked())
	}
	info := linux.SignalInfo{Signo: int32(sig)}
	info.SetPID(t.pid.Load().In(ptg.pid.ns))
	info.SetUID(t.userIn(parent))
	u, s := tg.CPUTimes()
	info.SetUtime(linux.DurationToTicks(u))
	info.SetStime(linux.DurationToTicks(s))
	info.Code, info.Fields = exitInfo(status, info)

	ptg.sigMu.Lock()
	a := ptg.handlers.get(linux.SIGCHLD)
	if !traced && sig == linux.SIGCHLD && (a.Handler == linux.SIG_IGN || a.Flags&linux.SA_NOCLDWAIT != 0) {
		reap = true
		if a.Handler == linux.SIG_IGN {
			sig = 0
		}
	}
	if sig != 0 {
		ptg.leader.sendLocked(&info, true, nil, true)
	}
	ptg.sigMu.Unlock()
	ptg.ChildEvents.Notify(wait.In)
	return reap
}

// exitInfo returns si_code and the fields of info with si_status for a wait status.
func exitInfo(status linux.WaitStatus, info linux.SignalInfo) (int32, [112]byte) {
	code := int32(linux.CLD_EXITED)
	switch {
	case status.Exited():
		info.SetStatus(int32(status.ExitCode()))
	case status.CoreDumped():
		code = linux.CLD_DUMPED
		info.SetStatus(int32(status.TermSignal()))
	default:
		code = linux.CLD_KILLED
		info.SetStatus(int32(status.TermSignal()))
	}
	return code, info.Fields
}

// forgetChildrenLocked gives t's children another parent: a task of the same process, the
// nearest ancestor that is a subreaper, or the init of the namespace.
func (t *Task) forgetChildrenLocked() {
	tg := t.tg
	var reaper *Task
	for _, c := range slices.Clone(tg.children) {
		if c.parent != t {
			continue
		}
		if reaper == nil {
			reaper = t.reaperLocked()
		}
		if reaper == nil {
			// The kernel's init is gone, and so will be the child.
			c.parent = nil
		} else {
			c.parent = reaper
		}
		for _, x := range c.threads {
			x.spoilAnswers()
			if sig := linux.Signal(x.parentDeath.Load()); sig != 0 {
				info := linux.SignalInfo{Signo: int32(sig), Code: linux.SI_USER}
				info.SetPID(t.pid.Load().In(c.pid.ns))
				info.SetUID(t.userIn(x))
				c.sigMu.Lock()
				x.sendLocked(&info, true, nil, false)
				c.sigMu.Unlock()
			}
		}
		if reaper != nil && reaper.tg == tg {
			continue
		}
		i := slices.Index(tg.children, c)
		tg.children = slices.Delete(tg.children, i, i+1)
		if reaper != nil {
			reaper.tg.children = append(reaper.tg.children, c)
			c.exitSignal = linux.SIGCHLD
			c.parentExecID = reaper.tg.execID
		}
		if c.leader.tracer == nil && c.leader.exitState == zombie && c.onlyLeaderLocked() {
			if c.leader.notifyParentLocked(c.exitSignal) {
				c.leader.releaseLocked()
				continue
			}
		}
		c.hupOrphanLocked(tg, nil)
	}
}

// reaperLocked finds who adopts t's children.
func (t *Task) reaperLocked() *Task {
	if x := t.tg.aliveLocked(t); x != nil {
		return x
	}
	ns := t.tg.pid.ns
	if t.tg.hasSubreaper {
		for p := t.tg.parentGroupLocked(); p != nil && p.pid.ns == ns && p != ns.init; p = p.parentGroupLocked() {
			if p.subreaper {
				if x := p.aliveLocked(nil); x != nil {
					return x
				}
			}
			if !p.hasSubreaper && !p.subreaper {
				break
			}
		}
	}
	if ns.init == nil || ns.init == t.tg {
		if ns.parent == nil {
			return nil
		}
		return ns.parent.init.aliveLocked(nil)
	}
	if x := ns.init.aliveLocked(nil); x != nil {
		return x
	}
	return ns.init.leader
}

// aliveLocked returns a task of the group that has not begun to exit, the leader if possible.
func (tg *ThreadGroup) aliveLocked(not *Task) *Task {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	if tg.leader != not && !tg.leader.exitStarted {
		return tg.leader
	}
	for _, x := range tg.threads {
		if x != not && !x.exitStarted {
			return x
		}
	}
	return nil
}

// releaseLocked removes a zombie from all tables (Linux's release_task). The end of the last
// thread may set its leader free, which waited for it.
// Preconditions: Kernel.mu is held for writing; t is not traced.
func (t *Task) releaseLocked() {
	if t.exitState == dead {
		panic("kernel: task released twice")
	}
	k, tg := t.k, t.tg
	if t.tracer != nil {
		t.unlinkTracerLocked()
	}
	t.exitState = dead
	t.forgetCgroupLocked()
	tg.sigMu.Lock()
	t.signals.remove(k, ^linux.SignalSet(0))
	u, s := t.cpu.times(k)
	tg.deadCPU.add(u, s)
	tg.deadUsage.addTask(&t.usage)
	if tg.leader != t || len(tg.threads) == 1 {
		i := slices.Index(tg.threads, t)
		tg.threads = slices.Delete(tg.threads, i, i+1)
	}
	if len(tg.threads) == 0 {
		tg.shared.remove(k, ^linux.SignalSet(0))
		tg.handlers.users.Add(-1)
	}
	tg.sigMu.Unlock()
	t.pid.Load().detachLocked()
	t.user.tasks.Add(-1)
	k.putUser(t.userID, t.user)
	k.liveTasks.Add(-1)

	if tg.leader == t {
		tg.reaped = true
		if p := tg.parentGroupLocked(); p != nil {
			if i := slices.Index(p.children, tg); i >= 0 {
				p.children = slices.Delete(p.children, i, i+1)
			}
		}
		tg.leaveLocked()
		tg.ExitEvents.Notify(wait.In | wait.RdNorm | wait.Hup)
		return
	}
	l := tg.leader
	if l.exitState == zombie && tg.onlyLeaderLocked() && l.notifyParentLocked(tg.exitSignal) {
		l.releaseLocked()
	}
}

// Wait sleeps until all tasks have ended and returns init's wait status.
func (k *Kernel) Wait() linux.WaitStatus {
	k.tasks.Wait()
	k.mu.RLock()
	defer k.mu.RUnlock()
	return linux.WaitStatus(k.status)
}

// Kill ends all tasks of the kernel.
func (k *Kernel) Kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.halted = true
	for _, x := range k.PIDNS.tasks {
		x.tg.sigMu.Lock()
		x.tg.noKill = false
		x.tg.beginExitLocked(uint32(linux.SignaledStatus(linux.SIGKILL, false)), nil)
		x.tg.sigMu.Unlock()
	}
}
