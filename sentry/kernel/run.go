package kernel

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/sentry/mm"
)

// lastFault is what sigcontext tells about the last exception of a task.
type lastFault struct {
	trapno, errorCode, cr2 uint64
}

// run is the life of a task: to the guest and back until it exits.
func (t *Task) run() {
	defer t.k.tasks.Done()
	t.cpu.run(t.k.ticks.Now())
	if t.tg.limits.Cur(linux.RLIMIT_CPU) != linux.RLIM_INFINITY {
		t.tg.watchCPULimit()
	}
	if t.setTID != 0 {
		t.CopyOutUint32(t.setTID, uint32(t.TID()))
	}
	for !t.dying {
		// The one place where signals are delivered, calls restarted, stops and
		// kills obeyed.
		if t.pending.Load() || t.maskSaved || t.inSyscall && t.syscallError() != 0 {
			if !t.handlePending() {
				break
			}
			continue
		}
		t.offerAnswers()
		t.cpu.enterGuest(t.k.ticks.Now())
		if t.pending.Load() { // whoever set it may not have seen the task in the guest
			t.cpu.leaveGuest(t.k.ticks.Now())
			continue
		}
		t.stepping()
		ev, err := t.ctx.Switch(t.mm.AddressSpace(), &t.regs)
		t.cpu.leaveGuest(t.k.ticks.Now())
		t.inSyscall = false
		t.stepped()
		if err != nil {
			t.contextDied()
			continue
		}
		switch ev.Kind {
		case platform.Syscall:
			t.inSyscall = true
			if ev.Trapped {
				t.mm.Patch(t.regs.PC(), t.regs.SyscallNo())
			}
			t.doSyscall()
		case platform.Fault:
			t.regs.OrigRax = ^uint64(0)
			t.doFault(&ev)
		case platform.Exception:
			t.regs.OrigRax = ^uint64(0)
			t.doException(&ev)
		case platform.Interrupted:
			t.regs.OrigRax = ^uint64(0)
		}
	}
	t.exit()
}

// doFault brings in the page that the guest touched, or sends the signal that it gets.
func (t *Task) doFault(ev *platform.Event) {
	err := t.mm.HandleFault(ev.Addr, ev.Access)
	switch e := err.(type) {
	case nil:
		t.usage.minorFaults.Add(1)
	case *mm.UserFault:
		t.awaitFault(e, t.Block)
	case mm.FaultError:
		if t.doVsyscall(ev) {
			return
		}
		t.fault = lastFault{trapno: ev.Trapno, errorCode: ev.ErrorCode, cr2: uint64(ev.Addr)}
		info := linux.SignalInfo{Signo: e.Signal, Code: e.Code}
		info.SetAddr(uint64(ev.Addr))
		if e == mm.BusPoisonErr {
			info.SetAddrLSB(addr.PageShift)
		}
		t.ForceSignal(&info)
	default:
		if err == errno.EINTR || err == errno.EAGAIN {
			return
		}
		// Out of memory: the process goes, not the sentry.
		t.tg.Kill()
	}
}

// doException sends the signal of a CPU exception.
func (t *Task) doException(ev *platform.Event) {
	t.fault = lastFault{trapno: ev.Trapno, errorCode: ev.ErrorCode, cr2: t.fault.cr2}
	info := linux.SignalInfo{Signo: ev.Signal, Code: ev.Code}
	if !info.Signal().Valid() {
		info.Signo = int32(linux.SIGSEGV)
	}
	if info.Code != linux.SI_KERNEL {
		info.SetAddr(uint64(ev.Addr))
	}
	t.ForceSignal(&info)
}

// contextDied ends the process of a task whose host thread is gone.
func (t *Task) contextDied() {
	t.tg.Kill()
	t.pending.Store(true)
}

// interrupted reports whether t has something to do on its way to the guest.
func (t *Task) interrupted() bool { return t.pending.Load() }

// setBlocked marks that t sleeps.
func (t *Task) setBlocked(on bool) {
	t.blocked.Store(on)
	if on {
		t.usage.voluntary.Add(1)
		t.fallAsleep()
	} else {
		t.cpu.run(t.k.ticks.Now())
	}
}

// fallAsleep notes what others may want to know of a task that does not run.
func (t *Task) fallAsleep() {
	nr := int64(-1)
	if t.inCall {
		nr = int64(t.regs.SyscallNo())
	}
	t.syscallNo.Store(nr)
	t.cpu.sleep(t.k.ticks.Now())
}

// UserRange returns the addresses that guests of this kernel can map.
func (t *Task) UserRange() addr.Range { return t.k.Platform.UserRange() }
