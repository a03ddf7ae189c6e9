package kernel

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
)

// handlePending does all that waits on the way to the guest: stops, kills, signals,
// restarts. It reports false if the task is to end.
func (t *Task) handlePending() bool {
	sig, info, action, ok := t.nextAction()
	if t.dying {
		return false
	}
	if !ok {
		t.restartSyscall()
		t.restoreMask()
		return true
	}
	t.interruptSyscall(&action)
	t.callHandler(sig, &info, &action)
	return true
}

// syscallError returns the restart code that the last system call ended with, 0 if it
// ended otherwise. A tracer may have changed the registers since.
func (t *Task) syscallError() errno.Errno {
	if !t.inSyscall || int64(t.regs.OrigRax) < 0 {
		return 0
	}
	if e := errno.Errno(-int64(t.regs.Rax)); int64(t.regs.Rax) < 0 && int64(t.regs.Rax) > -4096 && e.IsRestart() {
		return e
	}
	return 0
}

// errorReturn is e as the return register holds it.
func errorReturn(e errno.Errno) uint64 { return uint64(-int64(e)) }

// interruptSyscall decides what a system call returns that a handler interrupts.
func (t *Task) interruptSyscall(a *linux.SigAction) {
	switch t.syscallError() {
	case 0:
	case errno.ERESTARTSYS:
		if a.Flags&linux.SA_RESTART == 0 {
			t.regs.SetReturn(errorReturn(errno.EINTR))
			break
		}
		t.regs.RestartSyscall()
	case errno.ERESTARTNOINTR:
		t.regs.RestartSyscall()
	default: // ERESTARTNOHAND, ERESTART_RESTARTBLOCK
		t.regs.SetReturn(errorReturn(errno.EINTR))
	}
	t.inSyscall = false
}

// restartSyscall makes an interrupted system call again when no handler ran.
func (t *Task) restartSyscall() {
	switch t.syscallError() {
	case 0:
	case errno.ERESTART_RESTARTBLOCK:
		t.regs.RestartSyscall()
		t.regs.Rax = linux.SYS_RESTART_SYSCALL
	default:
		t.regs.RestartSyscall()
	}
	t.inSyscall = false
}

// nextAction obeys stops and default actions until there is a handler to call (ok) or
// nothing more to do. With t.dying set the task ends (Linux's get_signal).
func (t *Task) nextAction() (sig linux.Signal, info linux.SignalInfo, action linux.SigAction, ok bool) {
	tg := t.tg
	for {
		tg.sigMu.Lock()
		if why := tg.stops.tell; why != 0 {
			tg.stops.tell = 0
			tg.sigMu.Unlock()
			t.tellStop(why)
			continue
		}
		if t.fatal || tg.exiting || tg.execTask != nil && tg.execTask != t {
			t.die(t.deathStatusLocked())
			tg.sigMu.Unlock()
			return
		}
		if t.job&jobStopPending != 0 && t.doStop() {
			continue
		}
		if t.job&(jobTrapStop|jobTrapNotify) != 0 {
			t.doJobTrap() // releases sigMu
			continue
		}
		if t.job&jobFreeze != 0 {
			tg.sigMu.Unlock()
			t.stayFrozen()
			continue
		}
		in, timer := t.takeLocked(^t.sigMask)
		if in == nil {
			t.recalcLocked()
			tg.sigMu.Unlock()
			return
		}
		info, sig = *in, in.Signal()
		if timer != nil {
			timer.deliveredLocked(&info)
		}
		if stopSignals.Has(sig) {
			t.job |= jobStopDequeued
		}
		if t.trace.traced && sig != linux.SIGKILL {
			if sig = t.traceSignal(sig, &info); sig == 0 { // may release sigMu meanwhile
				tg.sigMu.Unlock()
				continue
			}
		}
		action = tg.takeAction(sig)
		switch {
		case action.Handler == linux.SIG_IGN:
			tg.sigMu.Unlock()
			continue
		case action.Handler != linux.SIG_DFL:
			tg.sigMu.Unlock()
			return sig, info, action, true
		case ignoredSignals.Has(sig):
			tg.sigMu.Unlock()
			continue
		case tg.noKill && sig != linux.SIGKILL && !stopSignals.Has(sig),
			tg.noKill && stopSignals.Has(sig) && sig != linux.SIGSTOP:
			// init gets no signals that it has not asked for.
			tg.sigMu.Unlock()
			continue
		case stopSignals.Has(sig):
			if sig != linux.SIGSTOP {
				tg.sigMu.Unlock()
				if tg.orphaned() {
					continue
				}
				tg.sigMu.Lock()
			}
			if !t.startStopLocked(sig) || !t.doStop() {
				tg.sigMu.Unlock()
			}
			continue
		}
		if t.k.Tracer != nil {
			var raw [linux.SignalInfoSize]byte
			info.MarshalBytes(raw[:])
			t.k.Tracer.Signal(t, &raw)
		}
		status := uint32(linux.SignaledStatus(sig, false))
		tg.beginExitLocked(status, t)
		t.die(t.deathStatusLocked())
		tg.sigMu.Unlock()
		return
	}
}

// die makes run end the task.
func (t *Task) die(status uint32) {
	t.dying = true
	t.exitCode = status
}

// deathStatusLocked is the wait status of a task that others end.
func (t *Task) deathStatusLocked() uint32 {
	if t.tg.exiting {
		return t.tg.exitCode
	}
	return uint32(linux.SignaledStatus(linux.SIGKILL, false))
}

// takeAction returns the action of sig and resets it if it is for one time.
func (tg *ThreadGroup) takeAction(sig linux.Signal) linux.SigAction {
	h := tg.handlers
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.actions[sig]
	if a.Handler > linux.SIG_IGN && a.Flags&linux.SA_RESETHAND != 0 {
		h.actions[sig].Handler = linux.SIG_DFL
	}
	return a
}

// callHandler lays out the frame of a handler and starts it there.
func (t *Task) callHandler(sig linux.Signal, info *linux.SignalInfo, a *linux.SigAction) {
	if t.k.Tracer != nil {
		var raw [linux.SignalInfoSize]byte
		info.MarshalBytes(raw[:])
		t.k.Tracer.Signal(t, &raw)
	}
	mask := t.SignalMask()
	if t.maskSaved {
		mask, t.maskSaved = t.savedMask, false
	}
	fpu, err := t.ctx.FPU()
	if err == nil {
		f := arch.SignalFrame{
			Signo:       int32(sig),
			HasInfo:     a.Flags&linux.SA_SIGINFO != 0,
			Handler:     addr.Addr(a.Handler),
			Restorer:    addr.Addr(a.Restorer),
			Mask:        uint64(mask),
			AltStack:    arch.AltStack{SP: addr.Addr(t.altStack.Addr), Flags: t.altStack.Flags, Size: t.altStack.Size},
			UseAltStack: a.Flags&linux.SA_ONSTACK != 0,
			FPU:         fpu,
			Trapno:      t.fault.trapno,
			ErrorCode:   t.fault.errorCode,
			CR2:         t.fault.cr2,
		}
		info.MarshalBytes(f.Info[:])
		// A stepping tracer's trap flag is not the guest's.
		if a.Flags&linux.SA_RESTORER == 0 {
			err = errno.EFAULT
		} else {
			err = t.regs.PushSignalFrame(t.Memory(), &f)
		}
	}
	if err != nil {
		// Linux's force_sigsegv: the second failure is the last.
		t.tg.sigMu.Lock()
		forced := KernelInfo(linux.SIGSEGV)
		t.forceLocked(&forced, sig == linux.SIGSEGV)
		t.tg.sigMu.Unlock()
		return
	}
	if t.altStack.Flags&linux.SS_AUTODISARM != 0 {
		t.altStack = linux.SignalStack{Flags: linux.SS_DISABLE}
	}
	t.tg.sigMu.Lock()
	blocked := t.sigMask | a.Mask
	if a.Flags&linux.SA_NODEFER == 0 {
		blocked.Add(sig)
	}
	t.setMaskLocked(blocked)
	t.tg.sigMu.Unlock()
	t.ctx.SetFPU(arch.NewFPUState())
	t.traceHandlerStart()
}

// Sigreturn is rt_sigreturn(2): it restores what a handler's frame holds.
func (t *Task) Sigreturn() (uint64, error) {
	r, err := arch.ReadSignalFrame(t.Memory(), &t.regs)
	if err == nil {
		err = t.ctx.SetFPU(r.FPU)
	}
	if err != nil {
		info := KernelInfo(linux.SIGSEGV)
		t.ForceSignal(&info)
		t.inSyscall = false
		return t.regs.Return(), nil
	}
	t.inSyscall = false
	t.SetSignalMask(linux.SignalSet(r.Mask))
	t.SetAltStack(linux.SignalStack{Addr: uint64(r.AltStack.SP), Flags: r.AltStack.Flags, Size: r.AltStack.Size}, t.regs.Rsp)
	return t.regs.Return(), nil
}

// minSignalStack is the least size of an alternate stack: MINSIGSTKSZ, as Linux checks.
const minSignalStack = linux.MINSIGSTKSZ

// AltStack returns the alternate signal stack with the flags that sigaltstack(2) shows to a
// caller whose stack pointer is sp.
func (t *Task) AltStack(sp uint64) linux.SignalStack {
	s := t.altStack
	switch {
	case s.Size == 0:
		s.Flags |= linux.SS_DISABLE
	case s.Flags&linux.SS_AUTODISARM == 0 && s.Contains(sp):
		s.Flags |= linux.SS_ONSTACK
	}
	return s
}

// SetAltStack is sigaltstack(2) for a caller whose stack pointer is sp: EPERM on the
// alternate stack, EINVAL for unknown flags, ENOMEM if it is too small.
func (t *Task) SetAltStack(s linux.SignalStack, sp uint64) error {
	if t.altStack.Size != 0 && t.altStack.Flags&linux.SS_AUTODISARM == 0 && t.altStack.Contains(sp) {
		return errno.EPERM
	}
	switch s.Flags &^ uint32(linux.SS_FLAG_BITS&(1<<32-1)) {
	case linux.SS_DISABLE, linux.SS_ONSTACK, 0:
	default:
		return errno.EINVAL
	}
	if s.Flags&linux.SS_DISABLE != 0 {
		s.Addr, s.Size = 0, 0
	} else if s.Size < minSignalStack {
		return errno.ENOMEM
	}
	s.Flags &^= linux.SS_ONSTACK
	t.altStack = s
	return nil
}
