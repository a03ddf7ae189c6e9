package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var xattrCalls = []line{
	{linux.SYS_SETXATTR, "setxattr", sysSetxattr, kernel.Full, "XATTR_CREATE XATTR_REPLACE", ""},
	{linux.SYS_LSETXATTR, "lsetxattr", sysLsetxattr, kernel.Full, "XATTR_CREATE XATTR_REPLACE", ""},
	{linux.SYS_FSETXATTR, "fsetxattr", sysFsetxattr, kernel.Full, "XATTR_CREATE XATTR_REPLACE", ""},
	{linux.SYS_GETXATTR, "getxattr", sysGetxattr, kernel.Full, "", ""},
	{linux.SYS_LGETXATTR, "lgetxattr", sysLgetxattr, kernel.Full, "", ""},
	{linux.SYS_FGETXATTR, "fgetxattr", sysFgetxattr, kernel.Full, "", ""},
	{linux.SYS_LISTXATTR, "listxattr", sysListxattr, kernel.Full, "", ""},
	{linux.SYS_LLISTXATTR, "llistxattr", sysLlistxattr, kernel.Full, "", ""},
	{linux.SYS_FLISTXATTR, "flistxattr", sysFlistxattr, kernel.Full, "", ""},
	{linux.SYS_REMOVEXATTR, "removexattr", sysRemovexattr, kernel.Full, "", ""},
	{linux.SYS_LREMOVEXATTR, "lremovexattr", sysLremovexattr, kernel.Full, "", ""},
	{linux.SYS_FREMOVEXATTR, "fremovexattr", sysFremovexattr, kernel.Full, "", ""},
}

// onXattr calls fn with the path that the first argument of an xattr call means: a path or a descriptor.
func onXattr(t *kernel.Task, arg arch.Arg, isFD bool, lf vfs.LookupFlags, fn func(p vfs.Path) error) error {
	if isFD {
		return atFile(t, arg.Int(), func(f *vfs.File) error { return fn(f.Path) })
	}
	return atPath(t, linux.AT_FDCWD, arg.Addr(), lf, fn)
}

// xattrName reads the name of an attribute; ERANGE if it is empty or too long.
func xattrName(t *kernel.Task, at addr.Addr) (string, error) {
	name, err := t.CopyInString(at, linux.XATTR_NAME_MAX)
	if err == errno.ENAMETOOLONG || err == nil && name == "" {
		err = errno.ERANGE
	}
	return name, err
}

func setxattr(t *kernel.Task, a *arch.Args, isFD bool, lf vfs.LookupFlags) (uint64, error) {
	flags, size := a[4].Uint(), a[3].Size()
	if flags&^(linux.XATTR_CREATE|linux.XATTR_REPLACE) != 0 {
		return 0, errno.EINVAL
	}
	name, err := xattrName(t, a[1].Addr())
	if err != nil {
		return 0, err
	}
	if size > linux.XATTR_SIZE_MAX {
		return 0, errno.E2BIG
	}
	value := make([]byte, size)
	if err := t.CopyIn(a[2].Addr(), value); err != nil {
		return 0, err
	}
	return 0, onXattr(t, a[0], isFD, lf, func(p vfs.Path) error {
		return t.Kernel().VFS.SetXattr(t, p, name, value, flags)
	})
}

func sysSetxattr(t *kernel.Task, a *arch.Args) (uint64, error) {
	return setxattr(t, a, false, vfs.LookupFollow)
}
func sysLsetxattr(t *kernel.Task, a *arch.Args) (uint64, error) { return setxattr(t, a, false, 0) }
func sysFsetxattr(t *kernel.Task, a *arch.Args) (uint64, error) { return setxattr(t, a, true, 0) }

// copyOutSized gives b to the guest, or only its length if size is 0; ERANGE if it does not fit.
func copyOutSized(t *kernel.Task, at addr.Addr, size uint64, b []byte) (uint64, error) {
	if size == 0 {
		return uint64(len(b)), nil
	}
	if uint64(len(b)) > size {
		return 0, errno.ERANGE
	}
	return uint64(len(b)), t.CopyOut(at, b)
}

func getxattr(t *kernel.Task, a *arch.Args, isFD bool, lf vfs.LookupFlags) (uint64, error) {
	name, err := xattrName(t, a[1].Addr())
	if err != nil {
		return 0, err
	}
	var value []byte
	err = onXattr(t, a[0], isFD, lf, func(p vfs.Path) (err error) {
		value, err = t.Kernel().VFS.GetXattr(t, p, name)
		return err
	})
	if err != nil {
		return 0, err
	}
	return copyOutSized(t, a[2].Addr(), a[3].Size(), value)
}

func sysGetxattr(t *kernel.Task, a *arch.Args) (uint64, error) {
	return getxattr(t, a, false, vfs.LookupFollow)
}
func sysLgetxattr(t *kernel.Task, a *arch.Args) (uint64, error) { return getxattr(t, a, false, 0) }
func sysFgetxattr(t *kernel.Task, a *arch.Args) (uint64, error) { return getxattr(t, a, true, 0) }

func listxattr(t *kernel.Task, a *arch.Args, isFD bool, lf vfs.LookupFlags) (uint64, error) {
	var list []byte
	err := onXattr(t, a[0], isFD, lf, func(p vfs.Path) error {
		names, err := t.Kernel().VFS.ListXattr(t, p)
		for _, n := range names {
			list = append(append(list, n...), 0)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	if len(list) > linux.XATTR_LIST_MAX {
		return 0, errno.E2BIG
	}
	return copyOutSized(t, a[1].Addr(), a[2].Size(), list)
}

func sysListxattr(t *kernel.Task, a *arch.Args) (uint64, error) {
	return listxattr(t, a, false, vfs.LookupFollow)
}
func sysLlistxattr(t *kernel.Task, a *arch.Args) (uint64, error) { return listxattr(t, a, false, 0) }
func sysFlistxattr(t *kernel.Task, a *arch.Args) (uint64, error) { return listxattr(t, a, true, 0) }

func removexattr(t *kernel.Task, a *arch.Args, isFD bool, lf vfs.LookupFlags) (uint64, error) {
	name, err := xattrName(t, a[1].Addr())
	if err != nil {
		return 0, err
	}
	return 0, onXattr(t, a[0], isFD, lf, func(p vfs.Path) error { return t.Kernel().VFS.RemoveXattr(t, p, name) })
}

func sysRemovexattr(t *kernel.Task, a *arch.Args) (uint64, error) {
	return removexattr(t, a, false, vfs.LookupFollow)
}
func sysLremovexattr(t *kernel.Task, a *arch.Args) (uint64, error) {
	return removexattr(t, a, false, 0)
}
func sysFremovexattr(t *kernel.Task, a *arch.Args) (uint64, error) { return removexattr(t, a, true, 0) }
