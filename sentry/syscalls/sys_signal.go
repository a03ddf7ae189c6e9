package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
)

var signalCalls = []line{
	{linux.SYS_RT_SIGACTION, "rt_sigaction", sysRtSigaction, kernel.Full, "NOCLDSTOP NOCLDWAIT SIGINFO ONSTACK RESTART NODEFER RESETHAND RESTORER", ""},
	{linux.SYS_RT_SIGPROCMASK, "rt_sigprocmask", sysRtSigprocmask, kernel.Full, "", ""},
	{linux.SYS_RT_SIGRETURN, "rt_sigreturn", sysRtSigreturn, kernel.Full, "", ""},
	{linux.SYS_RT_SIGPENDING, "rt_sigpending", sysRtSigpending, kernel.Full, "", ""},
	{linux.SYS_RT_SIGTIMEDWAIT, "rt_sigtimedwait", sysRtSigtimedwait, kernel.Full, "", ""},
	{linux.SYS_RT_SIGQUEUEINFO, "rt_sigqueueinfo", sysRtSigqueueinfo, kernel.Full, "", ""},
	{linux.SYS_RT_TGSIGQUEUEINFO, "rt_tgsigqueueinfo", sysRtTgsigqueueinfo, kernel.Full, "", ""},
	{linux.SYS_RT_SIGSUSPEND, "rt_sigsuspend", sysRtSigsuspend, kernel.Full, "", ""},
	{linux.SYS_SIGALTSTACK, "sigaltstack", sysSigaltstack, kernel.Full, "SS_DISABLE SS_ONSTACK SS_AUTODISARM", ""},
	{linux.SYS_PAUSE, "pause", sysPause, kernel.Full, "", ""},
	{linux.SYS_KILL, "kill", sysKill, kernel.Full, "", ""},
	{linux.SYS_TKILL, "tkill", sysTkill, kernel.Full, "", ""},
	{linux.SYS_TGKILL, "tgkill", sysTgkill, kernel.Full, "", ""},
	{linux.SYS_RESTART_SYSCALL, "restart_syscall", sysRestartSyscall, kernel.Full, "", ""},
}

func sysRtSigaction(t *kernel.Task, a *arch.Args) (uint64, error) {
	sig := linux.Signal(a[0].Int())
	if a[3].Size() != linux.SignalSetSize {
		return 0, errno.EINVAL
	}
	var set *linux.SigAction
	b := make([]byte, set.SizeBytes())
	if p := a[1].Addr(); p != 0 {
		if err := t.CopyIn(p, b); err != nil {
			return 0, err
		}
		set = new(linux.SigAction)
		set.UnmarshalBytes(b)
	}
	old, err := t.ThreadGroup().SetAction(sig, set)
	if err != nil {
		return 0, err
	}
	if p := a[2].Addr(); p != 0 {
		old.MarshalBytes(b)
		return 0, t.CopyOut(p, b)
	}
	return 0, nil
}

func sysRtSigprocmask(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[3].Size() != linux.SignalSetSize {
		return 0, errno.EINVAL
	}
	old := t.OwnSignalMask()
	if p := a[1].Addr(); p != 0 {
		v, err := t.CopyInUint64(p)
		if err != nil {
			return 0, err
		}
		set := linux.SignalSet(v) &^ linux.UnblockableSignals
		switch a[0].Int() {
		case linux.SIG_BLOCK:
			set |= old
		case linux.SIG_UNBLOCK:
			set = old &^ set
		case linux.SIG_SETMASK:
		default:
			return 0, errno.EINVAL
		}
		if set != old {
			t.SetSignalMask(set)
		}
	}
	if p := a[2].Addr(); p != 0 {
		return 0, t.CopyOutUint64(p, uint64(old))
	}
	return 0, nil
}

func sysRtSigreturn(t *kernel.Task, _ *arch.Args) (uint64, error) { return t.Sigreturn() }

func sysRtSigpending(t *kernel.Task, a *arch.Args) (uint64, error) {
	size := a[1].Size()
	if size > linux.SignalSetSize {
		return 0, errno.EINVAL
	}
	own, shared := t.PendingSignals()
	set := uint64((own | shared) & t.SignalMask())
	var b [8]byte
	for i := range b {
		b[i] = byte(set >> (8 * i))
	}
	return 0, t.CopyOut(a[0].Addr(), b[:size])
}

func sysRtSigtimedwait(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[3].Size() != linux.SignalSetSize {
		return 0, errno.EINVAL
	}
	set, err := t.CopyInUint64(a[0].Addr())
	if err != nil {
		return 0, err
	}
	deadline := kernel.Forever
	poll := false
	if p := a[2].Addr(); p != 0 {
		var ts linux.Timespec
		if err := t.CopyInTimespec(p, &ts); err != nil {
			return 0, err
		}
		if !ts.Valid() {
			return 0, errno.EINVAL
		}
		poll = ts.IsZero()
		deadline = t.Kernel().DeadlineAfter(ts.Nanoseconds())
	}
	info, err := t.WaitSignal(linux.SignalSet(set), poll, deadline)
	if err != nil {
		return 0, err
	}
	if p := a[1].Addr(); p != 0 {
		if err := t.CopyOutStruct(p, info); err != nil {
			return 0, err
		}
	}
	return uint64(info.Signo), nil
}

func sysRtSigsuspend(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1].Size() != linux.SignalSetSize {
		return 0, errno.EINVAL
	}
	set, err := t.CopyInUint64(a[0].Addr())
	if err != nil {
		return 0, err
	}
	t.SetTempMask(linux.SignalSet(set))
	for t.Block() == nil {
	}
	return 0, errno.ERESTARTNOHAND
}

func sysPause(t *kernel.Task, _ *arch.Args) (uint64, error) {
	for t.Block() == nil {
	}
	return 0, errno.ERESTARTNOHAND
}

func sysSigaltstack(t *kernel.Task, a *arch.Args) (uint64, error) {
	sp := uint64(t.Regs().SP())
	var set *linux.SignalStack
	if p := a[0].Addr(); p != 0 {
		set = new(linux.SignalStack)
		if err := t.CopyInStruct(p, set); err != nil {
			return 0, err
		}
	}
	old := t.AltStack(sp)
	if set != nil {
		if err := t.SetAltStack(*set, sp); err != nil {
			return 0, err
		}
	}
	if p := a[1].Addr(); p != 0 {
		return 0, t.CopyOutStruct(p, &old)
	}
	return 0, nil
}

func sysKill(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.Kill(a[0].Int(), linux.Signal(a[1].Int()))
}

func sysTkill(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[0].Int() <= 0 {
		return 0, errno.EINVAL
	}
	return 0, t.Tgkill(0, a[0].Int(), linux.Signal(a[1].Int()), nil)
}

func sysTgkill(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[0].Int() <= 0 || a[1].Int() <= 0 {
		return 0, errno.EINVAL
	}
	return 0, t.Tgkill(a[0].Int(), a[1].Int(), linux.Signal(a[2].Int()), nil)
}

// copyInInfo reads the siginfo that a process queues for another. What only the kernel
// says (si_code >= 0, SI_TKILL) it may say to itself alone.
func copyInInfo(t *kernel.Task, p addr.Addr, sig linux.Signal, toSelf bool) (*linux.SignalInfo, error) {
	info := new(linux.SignalInfo)
	if err := t.CopyInStruct(p, info); err != nil {
		return nil, err
	}
	info.Signo = int32(sig)
	if (info.Code >= 0 || info.Code == linux.SI_TKILL) && !toSelf {
		return nil, errno.EPERM
	}
	return info, nil
}

func sysRtSigqueueinfo(t *kernel.Task, a *arch.Args) (uint64, error) {
	pid, sig := a[0].Int(), linux.Signal(a[1].Int())
	info, err := copyInInfo(t, a[2].Addr(), sig, pid == t.TGID())
	if err != nil {
		return 0, err
	}
	return 0, t.Sigqueue(pid, sig, info)
}

func sysRtTgsigqueueinfo(t *kernel.Task, a *arch.Args) (uint64, error) {
	tgid, tid, sig := a[0].Int(), a[1].Int(), linux.Signal(a[2].Int())
	info, err := copyInInfo(t, a[3].Addr(), sig, tid == t.TID())
	if err != nil {
		return 0, err
	}
	if tgid <= 0 || tid <= 0 {
		return 0, errno.EINVAL
	}
	return 0, t.Tgkill(tgid, tid, sig, info)
}

func sysRestartSyscall(t *kernel.Task, _ *arch.Args) (uint64, error) { return t.RestartSyscall() }
