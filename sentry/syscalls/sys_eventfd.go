package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/fs/eventfd"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var eventfdCalls = []line{
	{linux.SYS_EVENTFD, "eventfd", sysEventfd, kernel.Full, "", ""},
	{linux.SYS_EVENTFD2, "eventfd2", sysEventfd2, kernel.Full, "EFD_CLOEXEC EFD_NONBLOCK EFD_SEMAPHORE", ""},
}

func sysEventfd(t *kernel.Task, a *arch.Args) (uint64, error) {
	return eventfd2(t, a[0].Uint(), 0)
}

func sysEventfd2(t *kernel.Task, a *arch.Args) (uint64, error) {
	return eventfd2(t, a[0].Uint(), a[1].Uint())
}

func eventfd2(t *kernel.Task, count, flags uint32) (uint64, error) {
	if flags&^(linux.EFD_CLOEXEC|linux.EFD_NONBLOCK|linux.EFD_SEMAPHORE) != 0 {
		return 0, errno.EINVAL
	}
	return installAnon(t, "[eventfd]", eventfd.New(count, flags&linux.EFD_SEMAPHORE != 0), flags, vfs.FModeStill)
}

// installAnon gives a new anonymous file, open for reading and writing, a descriptor.
// Of flags O_CLOEXEC and O_NONBLOCK count; mode may add vfs.FModeStill.
func installAnon(t *kernel.Task, name string, ops vfs.FileOps, flags, mode uint32) (uint64, error) {
	f := t.Kernel().VFS.NewAnonFile(name, ops, linux.O_RDWR|flags&linux.O_NONBLOCK,
		vfs.FModeRead|vfs.FModeWrite|vfs.FModeStream|mode, t.Creds())
	fd, err := t.InstallNew(f, flags)
	return uint64(fd), err
}
