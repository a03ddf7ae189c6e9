package kernel

import (
	"slices"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
)

// traceState is what ptrace(2) keeps about a task as a tracee. Guarded by sigMu of the tracee but
// for mode.
type traceState struct {
	traced  bool
	seized  bool
	options uint32 // PTRACE_O_*

	stopSig linux.Signal // of the last group stop
	code    int32        // what the tracer's wait4 will see of the present stop; 0 once it has
	message uint64       // PTRACE_GETEVENTMSG
	info    linux.SignalInfo
	hasInfo bool // the stop is about info
	syscall uint8
	debug   [8]uint64 // debug registers, as PTRACE_POKEUSER wrote them

	// The extended state of a stopped tracee: its own goroutine fetches it when asked for, and
	// loads it when it goes on.
	fpu      arch.FPUState
	wantFPU  bool
	writeFPU bool

	mode atomic.Uint32 // traceSyscalls, traceSteps
}

// How a tracee runs until its next stop.
const (
	traceSyscalls uint32 = 1 << iota // PTRACE_SYSCALL
	traceEmulate                     // PTRACE_SYSEMU: calls are not made
	traceSteps                       // PTRACE_SINGLESTEP
)

// eflagsTF is the trap flag.
const eflagsTF = 0x100

// traceStop stops t for its tracer with code for wait4, as CLD_TRAPPED or CLD_STOPPED, and returns what
// the tracer made of the code: the signal to deliver. sigMu is held, and again when it returns.
func (t *Task) traceStop(code, why int32, message uint64, info *linux.SignalInfo) int32 {
	tg := t.tg
	if !t.trace.traced || t.fatal {
		return code
	}
	complete := false
	if why == linux.CLD_STOPPED && t.job&jobStopPending != 0 {
		complete = t.participateLocked()
	}
	t.clearJobLocked(jobTrapStop)
	if code>>8 == linux.PTRACE_EVENT_STOP {
		t.clearJobLocked(jobTrapNotify)
	}
	t.trace.code, t.trace.message = code, message
	if t.trace.hasInfo = info != nil; t.trace.hasInfo {
		t.trace.info = *info
	}
	t.trace.fpu, t.trace.writeFPU = nil, false
	t.setStopLocked(traceStopped)
	tg.sigMu.Unlock()

	t.k.mu.RLock()
	t.tellStopLocked(true, why)
	if complete && (t.tracer == nil || t.tracedByOtherLocked()) {
		t.tellStopLocked(false, linux.CLD_STOPPED)
	}
	t.k.mu.RUnlock()
	t.park()

	tg.sigMu.Lock()
	if info != nil {
		*info = t.trace.info
	}
	t.trace.hasInfo = false
	t.job &^= jobListening
	fpu := t.trace.fpu
	write := t.trace.writeFPU && !t.fatal
	t.trace.fpu, t.trace.writeFPU = nil, false
	code, t.trace.code = t.trace.code, 0
	t.recalcLocked()
	if write {
		tg.sigMu.Unlock()
		t.ctx.SetFPU(fpu)
		tg.sigMu.Lock()
	}
	return code
}

// serveFPU fetches the extended state for the tracer while t is parked.
func (t *Task) serveFPU() {
	t.tg.sigMu.Lock()
	want := t.trace.wantFPU && t.trace.fpu == nil
	t.trace.wantFPU = false
	t.tg.sigMu.Unlock()
	if !want {
		return
	}
	fpu, err := t.ctx.FPU()
	if err != nil {
		fpu = arch.NewFPUState()
	}
	t.k.mu.RLock()
	t.tg.sigMu.Lock()
	t.trace.fpu = fpu
	t.tg.sigMu.Unlock()
	if t.tracer != nil {
		t.tracer.blocker.wake()
	}
	t.k.mu.RUnlock()
}

// traceNotify stops t with a code that belongs to no signal, and returns what the tracer made of it
// (Linux's ptrace_notify).
func (t *Task) traceNotify(code int32, message uint64) int32 {
	info := linux.SignalInfo{Signo: int32(linux.SIGTRAP), Code: code}
	info.SetPID(t.TID())
	info.SetUID(t.userIn(t))
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	return t.traceStop(code, linux.CLD_TRAPPED, message, &info)
}

// traceCall stops t before or behind a system call. There, and at no event, the tracer may send a
// signal. A tracer that ends leaves SIGTRAP if it was not told of the stop, as on Linux.
func (t *Task) traceCall(op uint8, message uint64) {
	t.setSyscallStop(op)
	sig := linux.Signal(t.traceNotify(t.syscallCode(), message))
	t.setSyscallStop(linux.PTRACE_SYSCALL_INFO_NONE)
	if sig.Valid() {
		info := KernelInfo(sig)
		t.Signal(&info)
	}
}

// traceSignal shows a signal to the tracer and returns what to deliver, 0 for nothing.
// sigMu is held, and released meanwhile.
func (t *Task) traceSignal(sig linux.Signal, info *linux.SignalInfo) linux.Signal {
	t.job |= jobStopDequeued
	sig = linux.Signal(t.traceStop(int32(sig), linux.CLD_TRAPPED, 0, info))
	if !sig.Valid() {
		return 0
	}
	if sig != info.Signal() {
		t.tg.sigMu.Unlock()
		*info = t.tracerInfo(sig)
		t.tg.sigMu.Lock()
	}
	if t.sigMask.Has(sig) || t.fatal {
		t.sendLocked(info, false, nil, false)
		return 0
	}
	return sig
}

// tracerInfo returns the siginfo of a signal that the tracer puts in the place of another. If there
// is no tracer any more it is the parent's.
func (t *Task) tracerInfo(sig linux.Signal) linux.SignalInfo {
	info := linux.SignalInfo{Signo: int32(sig), Code: linux.SI_USER}
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	from := t.tracer
	if from == nil {
		from = t.tg.parent
	}
	if from != nil {
		info.SetPID(from.TIDIn(t.tg.pid.ns))
		info.SetUID(uint32(from.Creds().RUID))
	}
	return info
}

// doJobTrap stops t because of a group stop or PTRACE_INTERRUPT. sigMu is held; it releases it.
func (t *Task) doJobTrap() {
	tg := t.tg
	sig := t.trace.stopSig
	if !t.trace.traced {
		t.clearJobLocked(jobTrapStop | jobTrapNotify)
		tg.sigMu.Unlock()
		return
	}
	if t.trace.seized {
		if tg.stops.count == 0 && !tg.stops.stopped || sig == 0 {
			sig = linux.SIGTRAP
		}
		code := int32(sig) | linux.PTRACE_EVENT_STOP<<8
		info := linux.SignalInfo{Signo: int32(sig), Code: code}
		info.SetPID(t.TID())
		info.SetUID(t.userIn(t))
		t.traceStop(code, linux.CLD_STOPPED, 0, &info)
	} else {
		if sig == 0 {
			sig = linux.SIGSTOP
		}
		t.traceStop(int32(sig), linux.CLD_STOPPED, 0, nil)
	}
	tg.sigMu.Unlock()
}

// trapNotifyLocked makes a seized tracee stop once more, to tell its tracer of a change.
func (t *Task) trapNotifyLocked() {
	t.setJobLocked(jobTrapNotify, 0)
	t.traceWakeLocked(t.job&jobListening != 0)
}

// traceWakeLocked makes t look at its job flags, with resume also from a stop.
func (t *Task) traceWakeLocked(resume bool) {
	if resume && t.stop == traceStopped {
		t.stop = notStopped
	}
	t.wakeForSignalLocked(false)
}

// sysTraced reports whether system calls stop t. Task goroutine only.
func (t *Task) sysTraced() bool { return t.trace.mode.Load() != 0 }

// syscallCode is what wait4 shows of a syscall stop.
func (t *Task) syscallCode() int32 {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	if t.trace.options&linux.PTRACE_O_TRACESYSGOOD != 0 {
		return int32(linux.SIGTRAP) | 0x80
	}
	return int32(linux.SIGTRAP)
}

// setSyscallStop says what PTRACE_GET_SYSCALL_INFO shows.
func (t *Task) setSyscallStop(op uint8) {
	t.tg.sigMu.Lock()
	t.trace.syscall = op
	t.tg.sigMu.Unlock()
}

// traceSyscallEnter stops t at a system call and returns its number. The tracer may change it, or
// skip it by making its number negative; emulated says that it makes the call itself.
func (t *Task) traceSyscallEnter() (nr uint64, emulated bool) {
	mode := t.trace.mode.Load()
	if mode&(traceSyscalls|traceEmulate) != 0 {
		t.traceCall(linux.PTRACE_SYSCALL_INFO_ENTRY, linux.PTRACE_EVENTMSG_SYSCALL_ENTRY)
		if mode&traceEmulate != 0 {
			return t.regs.SyscallNo(), true
		}
	}
	nr, t.args = t.regs.SyscallNo(), t.regs.SyscallArgs()
	return nr, false
}

// traceSyscallExit stops t behind a system call.
func (t *Task) traceSyscallExit(nr uint64, a *arch.Args, ret uint64, err error) {
	switch mode := t.trace.mode.Load(); {
	case t.dying, mode&traceEmulate != 0:
	case mode&traceSteps != 0:
		// The step was the call itself.
		t.regs.Eflags &^= eflagsTF
		info := linux.SignalInfo{Signo: int32(linux.SIGTRAP), Code: linux.TRAP_BRKPT}
		info.SetAddr(t.regs.Rip)
		t.ForceSignal(&info)
	case mode&traceSyscalls != 0:
		t.traceCall(linux.PTRACE_SYSCALL_INFO_EXIT, linux.PTRACE_EVENTMSG_SYSCALL_EXIT)
	}
}

// traceHandlerStart stops a stepping tracee at the first instruction of a handler.
func (t *Task) traceHandlerStart() {
	if t.trace.mode.Load()&traceSteps != 0 {
		t.traceNotify(int32(linux.SIGTRAP), 0)
	}
}

// stepping prepares for going to the guest: a stepping tracee runs one instruction.
func (t *Task) stepping() {
	if t.trace.mode.Load()&traceSteps != 0 {
		t.regs.Eflags |= eflagsTF
	}
}

// stepped undoes stepping after an exception or interrupt: the flag is not the guest's.
func (t *Task) stepped() {
	if t.trace.mode.Load()&traceSteps != 0 {
		t.regs.Eflags &^= eflagsTF
	}
}

// wantsEvent reports whether t's tracer asked for an event by PTRACE_SETOPTIONS.
func (t *Task) wantsEvent(event int) bool {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	return t.trace.traced && t.trace.options&(1<<event) != 0
}

// traceEvent stops t for an event that its tracer asked for.
func (t *Task) traceEvent(event int, message uint64) {
	if t.wantsEvent(event) {
		t.traceNotify(int32(linux.SIGTRAP)|int32(event)<<8, message)
	}
}

// cloneEvent returns the event that the clone a is for t's tracer, 0 for none.
func (t *Task) cloneEvent(a *CloneArgs) int {
	if a.Flags&linux.CLONE_UNTRACED != 0 {
		return 0
	}
	event := linux.PTRACE_EVENT_FORK
	switch {
	case a.Flags&linux.CLONE_VFORK != 0:
		event = linux.PTRACE_EVENT_VFORK
	case a.ExitSignal != linux.SIGCHLD:
		event = linux.PTRACE_EVENT_CLONE
	}
	if !t.wantsEvent(event) {
		return 0
	}
	return event
}

func (t *Task) traceVforkDone(message uint64) {
	t.traceEvent(linux.PTRACE_EVENT_VFORK_DONE, message)
}

func (t *Task) traceExit() {
	t.traceEvent(linux.PTRACE_EVENT_EXIT, uint64(t.exitCode))
}

// traceExec tells the tracer of an exec: by an event, or else, unless it seized t, by a plain SIGTRAP.
// oldTID is the number that t had before.
func (t *Task) traceExec(oldTID int32) {
	if t.wantsEvent(linux.PTRACE_EVENT_EXEC) {
		t.traceEvent(linux.PTRACE_EVENT_EXEC, uint64(oldTID))
		return
	}
	t.tg.sigMu.Lock()
	legacy := t.trace.traced && !t.trace.seized
	t.tg.sigMu.Unlock()
	if legacy {
		t.SignalSelf(linux.SIGTRAP)
	}
}

// linkTracerLocked makes tracer trace t. Preconditions: Kernel.mu is held for writing; sigMu of t is held.
func (t *Task) linkTracerLocked(tracer *Task, seized bool, options uint32) {
	t.tracer = tracer
	tracer.tracees = append(tracer.tracees, t)
	t.trace.traced, t.trace.seized, t.trace.options = true, seized, options
}

// traceChildLocked makes a tracer of t trace its child n too, if it asked for the event or CLONE_PTRACE says so.
// Preconditions: Kernel.mu is held for writing.
func (t *Task) traceChildLocked(n *Task, a *CloneArgs, event int) {
	if t.tracer == nil || event == 0 && a.Flags&linux.CLONE_PTRACE == 0 {
		return
	}
	t.tg.sigMu.Lock()
	seized, options := t.trace.seized, t.trace.options
	t.tg.sigMu.Unlock()
	n.tg.sigMu.Lock()
	defer n.tg.sigMu.Unlock()
	n.linkTracerLocked(t.tracer, seized, options)
	if seized {
		n.job |= jobTrapStop
	} else {
		n.signals.set.Add(linux.SIGSTOP)
	}
	n.pending.Store(true)
}

// unlinkTracerLocked ends the tracing of t. Preconditions: Kernel.mu is held for writing.
func (t *Task) unlinkTracerLocked() {
	tr := t.tracer
	if i := slices.Index(tr.tracees, t); i >= 0 {
		tr.tracees = slices.Delete(tr.tracees, i, i+1)
	}
	t.tracer = nil
	tg := t.tg
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	t.trace.traced, t.trace.seized, t.trace.options = false, false, 0
	t.trace.mode.Store(0)
	t.clearJobLocked(jobTrapStop | jobTrapNotify)
	// A group stop that is in effect or under way takes the task back.
	if !tg.exiting && (tg.stops.stopped || tg.stops.count > 0) {
		t.job |= jobStopPending
	}
	if t.job&jobStopPending != 0 || t.stop == traceStopped {
		t.traceWakeLocked(true)
	}
}

// tracedByOtherLocked reports whether a process other than the parent traces t (Linux's ptrace_reparented).
func (t *Task) tracedByOtherLocked() bool {
	return t.tracer != nil && t.tracer.tg != t.tg.parentGroupLocked()
}

// releaseTraceesLocked lets go of all that t traces, because it ends.
func (t *Task) releaseTraceesLocked() {
	for _, x := range slices.Clone(t.tracees) {
		x.tg.sigMu.Lock()
		kill := x.trace.options&linux.PTRACE_O_EXITKILL != 0
		x.tg.sigMu.Unlock()
		if kill && x.exitState == alive {
			info := KernelInfo(linux.SIGKILL)
			x.tg.signalLocked(&info)
		}
		x.detachLocked()
	}
}

// detachLocked ends the tracing of t. A zombie that only its tracer would have waited for is released.
// Preconditions: Kernel.mu is held for writing.
func (t *Task) detachLocked() {
	tracer := t.tracer
	t.unlinkTracerLocked()
	if t.exitState != zombie {
		return
	}
	tg := t.tg
	gone := tg.leader != t
	if !gone && tg.onlyLeaderLocked() && tg.parentGroupLocked() != tracer.tg {
		gone = t.notifyParentLocked(tg.exitSignal)
	}
	if gone {
		t.releaseLocked()
	}
}

// errNotStopped is what requests give for tasks that are not the caller's stopped tracees.
const errNotStopped = errno.ESRCH
