package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var nameiCalls = []line{
	{linux.SYS_MKDIR, "mkdir", sysMkdir, kernel.Full, "", ""},
	{linux.SYS_MKDIRAT, "mkdirat", sysMkdirat, kernel.Full, "", ""},
	{linux.SYS_MKNOD, "mknod", sysMknod, kernel.Full, "", ""},
	{linux.SYS_MKNODAT, "mknodat", sysMknodat, kernel.Full, "", ""},
	{linux.SYS_SYMLINK, "symlink", sysSymlink, kernel.Full, "", ""},
	{linux.SYS_SYMLINKAT, "symlinkat", sysSymlinkat, kernel.Full, "", ""},
	{linux.SYS_LINK, "link", sysLink, kernel.Full, "", ""},
	{linux.SYS_LINKAT, "linkat", sysLinkat, kernel.Full, "AT_SYMLINK_FOLLOW AT_EMPTY_PATH", ""},
	{linux.SYS_UNLINK, "unlink", sysUnlink, kernel.Full, "", ""},
	{linux.SYS_RMDIR, "rmdir", sysRmdir, kernel.Full, "", ""},
	{linux.SYS_UNLINKAT, "unlinkat", sysUnlinkat, kernel.Full, "AT_REMOVEDIR", ""},
	{linux.SYS_RENAME, "rename", sysRename, kernel.Full, "", ""},
	{linux.SYS_RENAMEAT, "renameat", sysRenameat, kernel.Full, "", ""},
	{linux.SYS_RENAMEAT2, "renameat2", sysRenameat2, kernel.Full, "RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT", ""},
	{linux.SYS_READLINK, "readlink", sysReadlink, kernel.Full, "", ""},
	{linux.SYS_READLINKAT, "readlinkat", sysReadlinkat, kernel.Full, "", ""},
}

func sysMkdir(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, mkdirAt(t, linux.AT_FDCWD, a[0].Addr(), a[1].Uint())
}

func sysMkdirat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, mkdirAt(t, a[0].Int(), a[1].Addr(), a[2].Uint())
}

func mkdirAt(t *kernel.Task, dirfd int32, path addr.Addr, mode uint32) error {
	return withPath(t, dirfd, path, 0, func(start vfs.Path, path string) error {
		return t.Kernel().VFS.MkdirAt(t, start, path, mode)
	})
}

func sysMknod(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, mknodAt(t, linux.AT_FDCWD, a[0].Addr(), a[1].Uint(), a[2].Uint())
}

func sysMknodat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, mknodAt(t, a[0].Int(), a[1].Addr(), a[2].Uint(), a[3].Uint())
}

func mknodAt(t *kernel.Task, dirfd int32, path addr.Addr, mode, dev uint32) error {
	return withPath(t, dirfd, path, 0, func(start vfs.Path, path string) error {
		return t.Kernel().VFS.MknodAt(t, start, path, mode, uint64(dev))
	})
}

func sysSymlink(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, symlinkAt(t, a[0].Addr(), linux.AT_FDCWD, a[1].Addr())
}

func sysSymlinkat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, symlinkAt(t, a[0].Addr(), a[1].Int(), a[2].Addr())
}

func symlinkAt(t *kernel.Task, target addr.Addr, dirfd int32, path addr.Addr) error {
	to, err := t.CopyInPath(target)
	if err != nil {
		return err
	}
	return withPath(t, dirfd, path, 0, func(start vfs.Path, path string) error {
		return t.Kernel().VFS.SymlinkAt(t, to, start, path)
	})
}

func sysLink(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, linkAt(t, linux.AT_FDCWD, a[0].Addr(), linux.AT_FDCWD, a[1].Addr(), 0)
}

func sysLinkat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, linkAt(t, a[0].Int(), a[1].Addr(), a[2].Int(), a[3].Addr(), a[4].Uint())
}

// withTwoPaths reads two paths and calls fn with both and where they begin. flags are for the first.
func withTwoPaths(t *kernel.Task, fd1 int32, path1 addr.Addr, fd2 int32, path2 addr.Addr, flags vfs.LookupFlags, fn func(start1 vfs.Path, path1 string, start2 vfs.Path, path2 string) error) error {
	return withPath(t, fd1, path1, flags, func(s1 vfs.Path, p1 string) error {
		return withPath(t, fd2, path2, 0, func(s2 vfs.Path, p2 string) error {
			return fn(s1, p1, s2, p2)
		})
	})
}

func linkAt(t *kernel.Task, oldFD int32, oldPath addr.Addr, newFD int32, newPath addr.Addr, flags uint32) error {
	lf, err := atFlags(flags, linux.AT_SYMLINK_FOLLOW|linux.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	return withTwoPaths(t, oldFD, oldPath, newFD, newPath, lf, func(s1 vfs.Path, p1 string, s2 vfs.Path, p2 string) error {
		return link(t, oldFD, s1, p1, s2, p2, flags)
	})
}

func link(t *kernel.Task, oldFD int32, s1 vfs.Path, p1 string, s2 vfs.Path, p2 string, flags uint32) error {
	if p1 == "" && flags&linux.AT_EMPTY_PATH != 0 && !t.Creds().Has(linux.CAP_DAC_READ_SEARCH) {
		// A descriptor may be linked by who opened it.
		f, err := t.GetAnyFile(oldFD)
		if err != nil {
			return err
		}
		mine := f.Cred == t.Creds()
		f.DecRef()
		if !mine {
			return errno.ENOENT
		}
	}
	return t.Kernel().VFS.LinkAt(t, s1, p1, s2, p2, flags)
}

func sysUnlink(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, withPath(t, linux.AT_FDCWD, a[0].Addr(), 0, func(start vfs.Path, path string) error {
		return t.Kernel().VFS.UnlinkAt(t, start, path)
	})
}

func sysRmdir(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, withPath(t, linux.AT_FDCWD, a[0].Addr(), 0, func(start vfs.Path, path string) error {
		return t.Kernel().VFS.RmdirAt(t, start, path)
	})
}

func sysUnlinkat(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[2].Uint()
	if flags&^linux.AT_REMOVEDIR != 0 {
		return 0, errno.EINVAL
	}
	return 0, withPath(t, a[0].Int(), a[1].Addr(), 0, func(start vfs.Path, path string) error {
		if flags&linux.AT_REMOVEDIR != 0 {
			return t.Kernel().VFS.RmdirAt(t, start, path)
		}
		return t.Kernel().VFS.UnlinkAt(t, start, path)
	})
}

func sysRename(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, renameAt(t, linux.AT_FDCWD, a[0].Addr(), linux.AT_FDCWD, a[1].Addr(), 0)
}

func sysRenameat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, renameAt(t, a[0].Int(), a[1].Addr(), a[2].Int(), a[3].Addr(), 0)
}

func sysRenameat2(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, renameAt(t, a[0].Int(), a[1].Addr(), a[2].Int(), a[3].Addr(), a[4].Uint())
}

func renameAt(t *kernel.Task, oldFD int32, oldPath addr.Addr, newFD int32, newPath addr.Addr, flags uint32) error {
	return withTwoPaths(t, oldFD, oldPath, newFD, newPath, 0, func(s1 vfs.Path, p1 string, s2 vfs.Path, p2 string) error {
		return t.Kernel().VFS.RenameAt(t, s1, p1, s2, p2, flags)
	})
}

func sysReadlink(t *kernel.Task, a *arch.Args) (uint64, error) {
	return readlinkAt(t, linux.AT_FDCWD, a[0].Addr(), a[1].Addr(), a[2].Int())
}

func sysReadlinkat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return readlinkAt(t, a[0].Int(), a[1].Addr(), a[2].Addr(), a[3].Int())
}

func readlinkAt(t *kernel.Task, dirfd int32, path, out addr.Addr, size int32) (uint64, error) {
	if size <= 0 {
		return 0, errno.EINVAL
	}
	var target string
	// The empty path stands for a link opened with O_PATH|O_NOFOLLOW.
	err := withPath(t, dirfd, path, vfs.LookupEmpty, func(start vfs.Path, path string) error {
		p, err := t.Kernel().VFS.Resolve(t, start, path, vfs.LookupEmpty)
		if err != nil {
			return err
		}
		defer p.DecRef()
		target, err = t.Kernel().VFS.Readlink(t, p)
		if err == errno.EINVAL && path == "" {
			return errno.ENOENT // no path, and no link either
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	target = target[:min(len(target), int(size))]
	return uint64(len(target)), t.CopyOut(out, []byte(target))
}
