package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
)

var pidfdCalls = []line{
	{linux.SYS_PIDFD_OPEN, "pidfd_open", sysPidfdOpen, kernel.Full, "PIDFD_NONBLOCK PIDFD_THREAD", ""},
	{linux.SYS_PIDFD_SEND_SIGNAL, "pidfd_send_signal", sysPidfdSendSignal, kernel.Full, "THREAD THREAD_GROUP PROCESS_GROUP", ""},
	{linux.SYS_PIDFD_GETFD, "pidfd_getfd", sysPidfdGetfd, kernel.Full, "", ""},
	{linux.SYS_PROCESS_MRELEASE, "process_mrelease", sysProcessMrelease, kernel.Full, "", "memory goes with the process in any case"},
}

func sysPidfdOpen(t *kernel.Task, a *arch.Args) (uint64, error) {
	pid, flags := a[0].Int(), a[1].Uint()
	if flags&^(linux.PIDFD_NONBLOCK|linux.PIDFD_THREAD) != 0 || pid <= 0 {
		return 0, errno.EINVAL
	}
	return result(t.OpenPIDFD(pid, flags&linux.PIDFD_THREAD != 0, flags))
}

func sysPidfdSendSignal(t *kernel.Task, a *arch.Args) (uint64, error) {
	sig, flags := linux.Signal(a[1].Int()), a[3].Uint()
	switch flags {
	case 0, linux.PIDFD_SIGNAL_THREAD, linux.PIDFD_SIGNAL_THREAD_GROUP, linux.PIDFD_SIGNAL_PROCESS_GROUP:
	default:
		return 0, errno.EINVAL
	}
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	var info *linux.SignalInfo
	if p := a[2].Addr(); p != 0 {
		info = new(linux.SignalInfo)
		if err := t.CopyInStruct(p, info); err != nil {
			return 0, err
		}
		if info.Signo != int32(sig) {
			return 0, errno.EINVAL
		}
	}
	// A process's directory in /proc will do for a pidfd (pidfd_send_signal(2)).
	if d, ok := tree.DirOf(f.Inode()).(processDir); ok && d.Process() != nil {
		return 0, t.SignalProcess(d.Process(), sig, info, flags)
	}
	return 0, t.SignalPIDFD(f, sig, info, flags)
}

// processDir is a directory in /proc about a process; nil if it is about a thread.
type processDir interface {
	Process() *kernel.ThreadGroup
}

func sysPidfdGetfd(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[2] != 0 {
		return 0, errno.EINVAL
	}
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return result(t.PIDFDGet(f, a[1].Int()))
}

func sysProcessMrelease(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1].Uint() != 0 {
		return 0, errno.EINVAL
	}
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	tg, err := kernel.PIDFDGroup(f)
	if err != nil {
		return 0, err
	}
	return 0, tg.CheckDying()
}
