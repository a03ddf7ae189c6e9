package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/platform/cpu"
	"ringfence/sentry/mm"
)

// This file is ptrace(2) as the tracer sees it. A Tracee is a stopped task that the caller may look into.

// TraceMe is PTRACE_TRACEME: the parent traces t.
func (t *Task) TraceMe() error {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	p := t.tg.parent
	if t.tracer != nil {
		return errno.EPERM
	}
	if p == nil || p.exitState != alive {
		return nil // as on Linux: nobody is there to mind
	}
	if !p.Creds().Landlock.Within(t.Creds().Landlock) {
		return errno.EPERM
	}
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	t.linkTracerLocked(p, false, 0)
	return nil
}

// TraceAttach is PTRACE_ATTACH, or PTRACE_SEIZE with options.
func (t *Task) TraceAttach(x *Task, seize bool, options uint32) error {
	if x.tg == t.tg || !t.MayTrace(x, true) {
		return errno.EPERM
	}
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	if x.tracer != nil || x.exitState != alive {
		return errno.EPERM
	}
	x.tg.sigMu.Lock()
	defer x.tg.sigMu.Unlock()
	x.linkTracerLocked(t, seize, options)
	if !seize {
		info := KernelInfo(linux.SIGSTOP)
		x.sendLocked(&info, false, nil, true)
	}
	if x.stop == groupStopped {
		// From the group's stop it goes to one for its tracer.
		x.setJobLocked(jobTrapStop, 0)
		x.stop = notStopped
		x.wakeForSignalLocked(false)
	}
	return nil
}

// Tracee is a stopped tracee of the calling task, good until it is resumed.
type Tracee struct {
	t *Task // the tracer
	x *Task
}

// Tracee returns x for requests; ESRCH unless it is t's tracee and stopped. PTRACE_KILL does
// without the stop.
func (t *Task) Tracee(x *Task, running bool) (Tracee, error) {
	t.k.mu.RLock()
	mine := x.tracer == t
	t.k.mu.RUnlock()
	if !mine {
		return Tracee{}, errNotStopped
	}
	x.tg.sigMu.Lock()
	defer x.tg.sigMu.Unlock()
	if !running && (x.stop != traceStopped || x.job&jobListening != 0) {
		return Tracee{}, errNotStopped
	}
	return Tracee{t, x}, nil
}

// stoppedLocked reports whether the tracee is still where it was. Preconditions: sigMu of the tracee is held.
func (r Tracee) stoppedLocked() bool { return r.x.stop == traceStopped }

// Regs returns the tracee's registers.
func (r Tracee) Regs() (arch.Registers, error) {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	if !r.stoppedLocked() {
		return arch.Registers{}, errNotStopped
	}
	return r.x.regs, nil
}

// eflagsUser are the flags that a tracer may change.
const eflagsUser = 0x44dd5 | 0x10000

// SetRegs replaces the tracee's registers; what a tracer must not choose keeps its value. EIO for a base
// address that is not the user's.
func (r Tracee) SetRegs(n arch.Registers) error {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	if !r.stoppedLocked() {
		return errNotStopped
	}
	if n.FsBase >= uint64(userTop) || n.GsBase >= uint64(userTop) {
		return errno.EIO
	}
	old := &r.x.regs
	n.Eflags = old.Eflags&^eflagsUser | n.Eflags&eflagsUser
	n.Cs, n.Ss = arch.UserCS, arch.UserDS
	n.Ds, n.Es, n.Fs, n.Gs = old.Ds, old.Es, old.Fs, old.Gs
	r.x.regs = n
	return nil
}

// FPU returns the tracee's extended state, with XCR0 where gdb looks for it: in the bytes that
// XSAVE leaves to software.
func (r Tracee) FPU() (arch.FPUState, error) {
	x := r.x
	for {
		x.tg.sigMu.Lock()
		if !r.stoppedLocked() {
			x.tg.sigMu.Unlock()
			return nil, errNotStopped
		}
		if x.trace.fpu != nil {
			f := x.trace.fpu.Clone()
			x.tg.sigMu.Unlock()
			f.SetSoftwareFeatures(cpu.Host().Features)
			return f, nil
		}
		x.trace.wantFPU = true
		x.blocker.wake()
		x.tg.sigMu.Unlock()
		if err := r.t.blockKillable(); err != nil {
			return nil, err
		}
	}
}

// SetFPU replaces the start of the tracee's extended state by b.
func (r Tracee) SetFPU(b []byte) error {
	f, err := r.FPU()
	if err != nil {
		return err
	}
	copy(f, b)
	f.Sanitize()
	x := r.x
	x.tg.sigMu.Lock()
	defer x.tg.sigMu.Unlock()
	if !r.stoppedLocked() {
		return errNotStopped
	}
	x.trace.fpu, x.trace.writeFPU = f, true
	return nil
}

// Debug returns a debug register; SetDebug writes one. EINVAL for enabling breakpoints in DR7: there are none.
func (r Tracee) Debug(n int) uint64 {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	return r.x.trace.debug[n]
}

func (r Tracee) SetDebug(n int, v uint64) error {
	if n == 4 || n == 5 {
		return errno.EIO
	}
	if n < 4 && v >= uint64(userTop) || n == 7 && v&0xff != 0 {
		return errno.EINVAL
	}
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	r.x.trace.debug[n] = v
	return nil
}

// MM returns the tracee's address space with a user for the caller; nil if it has none any more.
func (r Tracee) MM() *mm.MM { return r.x.AcquireMM() }

// Message is PTRACE_GETEVENTMSG.
func (r Tracee) Message() uint64 {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	return r.x.trace.message
}

// Info is PTRACE_GETSIGINFO: EINVAL unless the stop is about a signal.
func (r Tracee) Info() (linux.SignalInfo, error) {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	if !r.stoppedLocked() {
		return linux.SignalInfo{}, errNotStopped
	}
	if !r.x.trace.hasInfo {
		return linux.SignalInfo{}, errno.EINVAL
	}
	return r.x.trace.info, nil
}

// SetInfo is PTRACE_SETSIGINFO.
func (r Tracee) SetInfo(i linux.SignalInfo) error {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	if !r.stoppedLocked() {
		return errNotStopped
	}
	if !r.x.trace.hasInfo {
		return errno.EINVAL
	}
	r.x.trace.info = i
	return nil
}

// PeekInfos returns up to n queued signals from off on, of the process with shared (PTRACE_PEEKSIGINFO).
func (r Tracee) PeekInfos(shared bool, off uint64, n int) []linux.SignalInfo {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	list := r.x.signals.list
	if shared {
		list = r.x.tg.shared.list
	}
	var out []linux.SignalInfo
	for ; off < uint64(len(list)) && len(out) < n; off++ {
		out = append(out, list[off].info)
	}
	return out
}

// Mask is PTRACE_GETSIGMASK, SetMask PTRACE_SETSIGMASK.
func (r Tracee) Mask() linux.SignalSet {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	if r.x.maskSaved {
		return r.x.savedMask
	}
	return r.x.sigMask
}

func (r Tracee) SetMask(m linux.SignalSet) {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	r.x.setMaskLocked(m)
}

// SetOptions is PTRACE_SETOPTIONS.
func (r Tracee) SetOptions(options uint32) {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	r.x.trace.options = options
}

// SyscallStop returns PTRACE_SYSCALL_INFO_* of the present stop.
func (r Tracee) SyscallStop() uint8 {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	return r.x.trace.syscall
}

// Resume lets the tracee go on with a signal, or none for 0. request is PTRACE_CONT, PTRACE_SYSCALL,
// PTRACE_SINGLESTEP, PTRACE_SYSEMU or PTRACE_SYSEMU_SINGLESTEP. EIO for an impossible signal.
func (r Tracee) Resume(request int64, sig uint64) error {
	if sig > uint64(linux.SIGRTMAX) {
		return errno.EIO
	}
	var mode uint32
	switch request {
	case linux.PTRACE_SYSCALL:
		mode = traceSyscalls
	case linux.PTRACE_SINGLESTEP, linux.PTRACE_SINGLEBLOCK:
		mode = traceSteps
	case linux.PTRACE_SYSEMU:
		mode = traceEmulate
	case linux.PTRACE_SYSEMU_SINGLESTEP:
		mode = traceEmulate | traceSteps
	}
	x := r.x
	x.tg.sigMu.Lock()
	defer x.tg.sigMu.Unlock()
	if !r.stoppedLocked() {
		return errNotStopped
	}
	x.trace.mode.Store(mode)
	x.trace.code = int32(sig)
	x.stop = notStopped
	x.blocker.wake()
	return nil
}

// Detach is PTRACE_DETACH.
func (r Tracee) Detach(sig uint64) error {
	if sig > uint64(linux.SIGRTMAX) {
		return errno.EIO
	}
	r.t.k.mu.Lock()
	defer r.t.k.mu.Unlock()
	if r.x.tracer != r.t {
		return errNotStopped
	}
	r.x.tg.sigMu.Lock()
	r.x.trace.code = int32(sig)
	r.x.tg.sigMu.Unlock()
	r.x.detachLocked()
	return nil
}

// Kill is PTRACE_KILL.
func (r Tracee) Kill() {
	info := KernelInfo(linux.SIGKILL)
	r.x.Signal(&info)
}

// Interrupt is PTRACE_INTERRUPT: EIO unless the tracee was seized.
func (r Tracee) Interrupt() error {
	x := r.x
	x.tg.sigMu.Lock()
	defer x.tg.sigMu.Unlock()
	if !x.trace.seized {
		return errno.EIO
	}
	if x.setJobLocked(jobTrapStop, 0) {
		x.traceWakeLocked(x.job&jobListening != 0)
	}
	return nil
}

// Listen is PTRACE_LISTEN: the tracee stays stopped, but tells of what happens to its group.
func (r Tracee) Listen() error {
	x := r.x
	x.tg.sigMu.Lock()
	defer x.tg.sigMu.Unlock()
	if !x.trace.seized || !x.trace.hasInfo || x.trace.info.Code>>8 != linux.PTRACE_EVENT_STOP {
		return errno.EIO
	}
	x.job |= jobListening
	if x.job&jobTrapNotify != 0 {
		x.traceWakeLocked(true)
	}
	return nil
}
