package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var inotifyCalls = []line{
	{linux.SYS_INOTIFY_INIT, "inotify_init", sysInotifyInit, kernel.Full, "", ""},
	{linux.SYS_INOTIFY_INIT1, "inotify_init1", sysInotifyInit1, kernel.Full, "IN_CLOEXEC IN_NONBLOCK", ""},
	{linux.SYS_INOTIFY_ADD_WATCH, "inotify_add_watch", sysInotifyAddWatch, kernel.Full, "all", ""},
	{linux.SYS_INOTIFY_RM_WATCH, "inotify_rm_watch", sysInotifyRmWatch, kernel.Full, "", ""},
}

func sysInotifyInit(t *kernel.Task, _ *arch.Args) (uint64, error) { return inotifyInit(t, 0) }

func sysInotifyInit1(t *kernel.Task, a *arch.Args) (uint64, error) {
	return inotifyInit(t, a[0].Uint())
}

func inotifyInit(t *kernel.Task, flags uint32) (uint64, error) {
	if flags&^(linux.IN_CLOEXEC|linux.IN_NONBLOCK) != 0 {
		return 0, errno.EINVAL
	}
	f := t.Kernel().VFS.NewAnonFile("inotify", vfs.NewInotify(), linux.O_RDONLY|flags&linux.IN_NONBLOCK, vfs.FModeRead|vfs.FModeStill, t.Creds())
	fd, err := t.InstallNew(f, flags)
	return uint64(fd), err
}

// atInotify calls fn with the inotify instance of fd; EINVAL if it is something else.
func atInotify(t *kernel.Task, fd int32, fn func(in *vfs.Inotify) error) error {
	return atFile(t, fd, func(f *vfs.File) error {
		in, ok := f.Ops.(*vfs.Inotify)
		if !ok {
			return errno.EINVAL
		}
		return fn(in)
	})
}

func sysInotifyAddWatch(t *kernel.Task, a *arch.Args) (uint64, error) {
	mask := a[2].Uint()
	const known = linux.IN_ALL_EVENTS | linux.IN_UNMOUNT | linux.IN_Q_OVERFLOW | linux.IN_IGNORED | linux.IN_ONLYDIR |
		linux.IN_DONT_FOLLOW | linux.IN_EXCL_UNLINK | linux.IN_MASK_CREATE | linux.IN_MASK_ADD | linux.IN_ISDIR | linux.IN_ONESHOT
	if mask&^known != 0 {
		return 0, errno.EINVAL
	}
	var lf vfs.LookupFlags
	if mask&linux.IN_DONT_FOLLOW == 0 {
		lf |= vfs.LookupFollow
	}
	if mask&linux.IN_ONLYDIR != 0 {
		lf |= vfs.LookupDirectory
	}
	var wd int32
	err := atInotify(t, a[0].Int(), func(in *vfs.Inotify) error {
		return atPath(t, linux.AT_FDCWD, a[1].Addr(), lf, func(p vfs.Path) (err error) {
			wd, err = in.AddWatch(t, p, mask)
			return err
		})
	})
	return uint64(wd), err
}

func sysInotifyRmWatch(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, atInotify(t, a[0].Int(), func(in *vfs.Inotify) error { return in.RemoveWatch(a[1].Int()) })
}
