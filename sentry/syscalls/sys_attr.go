package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var attrCalls = []line{
	{linux.SYS_CHMOD, "chmod", sysChmod, kernel.Full, "", ""},
	{linux.SYS_FCHMOD, "fchmod", sysFchmod, kernel.Full, "", ""},
	{linux.SYS_FCHMODAT, "fchmodat", sysFchmodat, kernel.Full, "", ""},
	{linux.SYS_FCHMODAT2, "fchmodat2", sysFchmodat2, kernel.Full, "AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH", ""},
	{linux.SYS_CHOWN, "chown", sysChown, kernel.Full, "", ""},
	{linux.SYS_LCHOWN, "lchown", sysLchown, kernel.Full, "", ""},
	{linux.SYS_FCHOWN, "fchown", sysFchown, kernel.Full, "", ""},
	{linux.SYS_FCHOWNAT, "fchownat", sysFchownat, kernel.Full, "AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH", ""},
	{linux.SYS_UTIME, "utime", sysUtime, kernel.Full, "", ""},
	{linux.SYS_UTIMES, "utimes", sysUtimes, kernel.Full, "", ""},
	{linux.SYS_FUTIMESAT, "futimesat", sysFutimesat, kernel.Full, "", ""},
	{linux.SYS_UTIMENSAT, "utimensat", sysUtimensat, kernel.Full, "AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH", ""},
}

func sysChmod(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, chmodAt(t, linux.AT_FDCWD, a[0].Addr(), a[1].Uint(), 0)
}

// sysFchmodat takes no flags: glibc emulates them, or calls fchmodat2.
func sysFchmodat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, chmodAt(t, a[0].Int(), a[1].Addr(), a[2].Uint(), 0)
}

func sysFchmodat2(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, chmodAt(t, a[0].Int(), a[1].Addr(), a[2].Uint(), a[3].Uint())
}

func sysFchmod(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, withFilePath(t, a[0].Int(), func(p vfs.Path) error {
		return t.Kernel().VFS.Chmod(t, p, a[1].Uint())
	})
}

func chmodAt(t *kernel.Task, dirfd int32, path addr.Addr, mode, flags uint32) error {
	return withResolved(t, dirfd, path, flags, func(p vfs.Path) error {
		return t.Kernel().VFS.Chmod(t, p, mode)
	})
}

// withResolved resolves the path at a with AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH in flags.
func withResolved(t *kernel.Task, dirfd int32, a addr.Addr, flags uint32, fn func(p vfs.Path) error) error {
	lf, err := atFlags(flags, linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	p, err := resolveAt(t, dirfd, a, lf)
	if err != nil {
		return err
	}
	defer p.DecRef()
	return fn(p)
}

// withFilePath calls fn with the path of an open file.
func withFilePath(t *kernel.Task, fd int32, fn func(p vfs.Path) error) error {
	f, err := t.GetFile(fd)
	if err != nil {
		return err
	}
	defer f.DecRef()
	return fn(f.Path)
}

func sysChown(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, chownAt(t, linux.AT_FDCWD, a[0].Addr(), a[1], a[2], 0)
}

func sysLchown(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, chownAt(t, linux.AT_FDCWD, a[0].Addr(), a[1], a[2], linux.AT_SYMLINK_NOFOLLOW)
}

func sysFchownat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, chownAt(t, a[0].Int(), a[1].Addr(), a[2], a[3], a[4].Uint())
}

func sysFchown(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, withFilePath(t, a[0].Int(), func(p vfs.Path) error {
		return chown(t, p, a[1].Uint(), a[2].Uint())
	})
}

func chownAt(t *kernel.Task, dirfd int32, path addr.Addr, uid, gid arch.Arg, flags uint32) error {
	return withResolved(t, dirfd, path, flags, func(p vfs.Path) error {
		return chown(t, p, uid.Uint(), gid.Uint())
	})
}

// chown gives p ids as t's user namespace calls them.
func chown(t *kernel.Task, p vfs.Path, uid, gid uint32) error {
	ns := t.Creds().UserNS
	u, uok := ns.OptionalUID(uid)
	g, gok := ns.OptionalGID(gid)
	if !uok || !gok {
		return errno.EINVAL
	}
	return t.Kernel().VFS.Chown(t, p, u, g)
}

// times are the two times of utimensat(2), in the words of vfs.Utimes.
type times struct{ atime, mtime int64 }

var timesNow = times{vfs.UtimeNow, vfs.UtimeNow}

func sysUtime(t *kernel.Task, a *arch.Args) (uint64, error) {
	ts := timesNow
	if a[1] != 0 {
		var at, mt int64
		for i, p := range [...]*int64{&at, &mt} {
			v, err := t.CopyInUint64(a[1].Addr() + addr.Addr(8*i))
			if err != nil {
				return 0, err
			}
			*p = int64(v)
		}
		ts = times{linux.Timespec{Sec: at}.Nanoseconds(), linux.Timespec{Sec: mt}.Nanoseconds()}
	}
	return 0, utimesAt(t, linux.AT_FDCWD, a[0].Addr(), ts, 0)
}

func sysUtimes(t *kernel.Task, a *arch.Args) (uint64, error) {
	ts, err := copyInTimevals(t, a[1].Addr())
	if err != nil {
		return 0, err
	}
	return 0, utimesAt(t, linux.AT_FDCWD, a[0].Addr(), ts, 0)
}

func sysFutimesat(t *kernel.Task, a *arch.Args) (uint64, error) {
	ts, err := copyInTimevals(t, a[2].Addr())
	if err != nil {
		return 0, err
	}
	if a[1] == 0 {
		return 0, futimes(t, a[0].Int(), ts)
	}
	return 0, utimesAt(t, a[0].Int(), a[1].Addr(), ts, 0)
}

func sysUtimensat(t *kernel.Task, a *arch.Args) (uint64, error) {
	ts := timesNow
	if a[2] != 0 {
		for i, p := range [...]*int64{&ts.atime, &ts.mtime} {
			var x linux.Timespec
			if err := t.CopyInStruct(a[2].Addr()+addr.Addr(i*x.SizeBytes()), &x); err != nil {
				return 0, err
			}
			switch {
			case x.Nsec == linux.UTIME_NOW:
				*p = vfs.UtimeNow
			case x.Nsec == linux.UTIME_OMIT:
				*p = vfs.UtimeOmit
			case x.Nsec < 0 || x.Nsec >= 1e9:
				return 0, errno.EINVAL
			default:
				*p = x.Nanoseconds()
			}
		}
		if ts.atime == vfs.UtimeOmit && ts.mtime == vfs.UtimeOmit {
			return 0, nil
		}
	}
	if a[1] == 0 && a[0].Int() != linux.AT_FDCWD {
		if a[3] != 0 {
			return 0, errno.EINVAL
		}
		return 0, futimes(t, a[0].Int(), ts)
	}
	return 0, utimesAt(t, a[0].Int(), a[1].Addr(), ts, a[3].Uint())
}

// copyInTimevals reads two struct timeval, or returns now if a is null.
func copyInTimevals(t *kernel.Task, a addr.Addr) (times, error) {
	ts := timesNow
	if a == 0 {
		return ts, nil
	}
	for i, p := range [...]*int64{&ts.atime, &ts.mtime} {
		var x linux.Timeval
		if err := t.CopyInStruct(a+addr.Addr(i*x.SizeBytes()), &x); err != nil {
			return ts, err
		}
		if x.Usec < 0 || x.Usec >= 1e6 {
			return ts, errno.EINVAL
		}
		*p = linux.Timespec{Sec: x.Sec, Nsec: x.Usec * 1000}.Nanoseconds()
	}
	return ts, nil
}

func utimesAt(t *kernel.Task, dirfd int32, path addr.Addr, ts times, flags uint32) error {
	return withResolved(t, dirfd, path, flags, func(p vfs.Path) error {
		return t.Kernel().VFS.Utimes(t, p, ts.atime, ts.mtime)
	})
}

func futimes(t *kernel.Task, fd int32, ts times) error {
	return withFilePath(t, fd, func(p vfs.Path) error {
		return t.Kernel().VFS.Utimes(t, p, ts.atime, ts.mtime)
	})
}

// xflags are the flags of inodes as FS_IOC_FSGETXATTR calls them.
var xflags = [...]struct{ flag, x uint32 }{
	{linux.FS_IMMUTABLE_FL, linux.FS_XFLAG_IMMUTABLE},
	{linux.FS_APPEND_FL, linux.FS_XFLAG_APPEND},
	{linux.FS_NODUMP_FL, linux.FS_XFLAG_NODUMP},
	{linux.FS_NOATIME_FL, linux.FS_XFLAG_NOATIME},
}

// ioctlFileFlags is FS_IOC_GETFLAGS and its like.
func ioctlFileFlags(t *kernel.Task, f *vfs.File, cmd uint32, at addr.Addr) error {
	switch cmd {
	case linux.FS_IOC_GETFLAGS:
		return t.CopyOutUint32(at, f.FileFlags())
	case linux.FS_IOC_SETFLAGS:
		flags, err := t.CopyInUint32(at)
		if err != nil {
			return err
		}
		return f.SetFileFlags(t, flags)
	case linux.FS_IOC_FSGETXATTR:
		var x linux.FSXattr
		for _, p := range xflags {
			if f.FileFlags()&p.flag != 0 {
				x.Xflags |= p.x
			}
		}
		return t.CopyOutStruct(at, &x)
	}
	return errno.EOPNOTSUPP
}
