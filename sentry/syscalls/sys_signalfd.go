package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/signalfd"
	"ringfence/sentry/vfs"
)

var signalfdCalls = []line{
	{linux.SYS_SIGNALFD, "signalfd", sysSignalfd, kernel.Full, "", ""},
	{linux.SYS_SIGNALFD4, "signalfd4", sysSignalfd4, kernel.Full, "SFD_CLOEXEC SFD_NONBLOCK", ""},
}

func sysSignalfd(t *kernel.Task, a *arch.Args) (uint64, error) { return signalfd4(t, a, 0) }

func sysSignalfd4(t *kernel.Task, a *arch.Args) (uint64, error) {
	return signalfd4(t, a, a[3].Uint())
}

func signalfd4(t *kernel.Task, a *arch.Args, flags uint32) (uint64, error) {
	fd := a[0].Int()
	if a[2].Size() != 8 {
		return 0, errno.EINVAL
	}
	v, err := t.CopyInUint64(a[1].Addr())
	if err != nil {
		return 0, err
	}
	if flags&^(linux.SFD_CLOEXEC|linux.SFD_NONBLOCK) != 0 {
		return 0, errno.EINVAL
	}
	set := linux.SignalSet(v)
	if fd == -1 {
		return installAnon(t, "[signalfd]", signalfd.New(set), flags, vfs.FModeStill)
	}
	f, err := t.GetFile(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	s := signalfd.Of(f)
	if s == nil {
		return 0, errno.EINVAL
	}
	s.Set(t, set)
	return uint64(fd), nil
}
