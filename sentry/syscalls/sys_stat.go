package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var statCalls = []line{
	{linux.SYS_STAT, "stat", sysStat, kernel.Full, "", ""},
	{linux.SYS_LSTAT, "lstat", sysLstat, kernel.Full, "", ""},
	{linux.SYS_FSTAT, "fstat", sysFstat, kernel.Full, "", ""},
	{linux.SYS_NEWFSTATAT, "newfstatat", sysNewfstatat, kernel.Full, "AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH AT_NO_AUTOMOUNT", ""},
	{linux.SYS_STATX, "statx", sysStatx, kernel.Full, "AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH AT_NO_AUTOMOUNT AT_STATX_*", "no STATX_DIOALIGN, STATX_SUBVOL, STATX_WRITE_ATOMIC"},
	{linux.SYS_STATFS, "statfs", sysStatfs, kernel.Full, "", ""},
	{linux.SYS_FSTATFS, "fstatfs", sysFstatfs, kernel.Full, "", ""},
	{linux.SYS_USTAT, "ustat", nil, kernel.Refused, "", "obsolete (statfs)"},
	{linux.SYS_ACCESS, "access", sysAccess, kernel.Full, "", ""},
	{linux.SYS_FACCESSAT, "faccessat", sysFaccessat, kernel.Full, "", ""},
	{linux.SYS_FACCESSAT2, "faccessat2", sysFaccessat2, kernel.Full, "AT_EACCESS AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH", ""},
}

func sysStat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, statAt(t, linux.AT_FDCWD, a[0].Addr(), a[1].Addr(), vfs.LookupFollow)
}

func sysLstat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, statAt(t, linux.AT_FDCWD, a[0].Addr(), a[1].Addr(), 0)
}

func sysFstat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, fstat(t, a[0].Int(), a[1].Addr())
}

func sysNewfstatat(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[3].Uint()
	lf, err := atFlags(flags, linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH|linux.AT_NO_AUTOMOUNT)
	if err != nil {
		return 0, err
	}
	dirfd, path, out := a[0].Int(), a[1].Addr(), a[2].Addr()
	if flags&linux.AT_EMPTY_PATH != 0 {
		// The C library's fstat.
		if empty, err := emptyPath(t, path); err != nil {
			return 0, err
		} else if empty && dirfd != linux.AT_FDCWD {
			return 0, fstat(t, dirfd, out)
		} else if empty {
			return 0, statCwd(t, out)
		}
	}
	return 0, statAt(t, dirfd, path, out, lf)
}

// emptyPath reports whether the path at a is empty or, which is as good since Linux 6.11, null.
func emptyPath(t *kernel.Task, a addr.Addr) (bool, error) {
	if a == 0 {
		return true, nil
	}
	var b [1]byte
	err := t.CopyIn(a, b[:])
	return b[0] == 0, err
}

func fstat(t *kernel.Task, fd int32, out addr.Addr) error {
	f, err := t.BorrowAnyFile(fd)
	if err != nil {
		return err
	}
	defer f.Return()
	return putStat(t, f.Path, out)
}

func statCwd(t *kernel.Task, out addr.Addr) error {
	p := t.FSContext().Cwd()
	defer p.DecRef()
	return putStat(t, p, out)
}

func statAt(t *kernel.Task, dirfd int32, path, out addr.Addr, lf vfs.LookupFlags) error {
	p, err := resolveAt(t, dirfd, path, lf)
	if err != nil {
		return err
	}
	defer p.DecRef()
	return putStat(t, p, out)
}

// putStat writes the attributes of p to guest memory as struct stat.
func putStat(t *kernel.Task, p vfs.Path, out addr.Addr) error {
	s, err := t.Kernel().VFS.Stat(t, p)
	if err != nil {
		return err
	}
	ns := t.Creds().UserNS
	st := linux.Stat{
		Dev: s.Dev, Ino: s.Ino, Nlink: uint64(s.Nlink), Mode: s.Mode,
		UID: ns.ShowUID(s.UID), GID: ns.ShowGID(s.GID), Rdev: s.Rdev,
		Size: s.Size, Blksize: int64(s.BlkSize), Blocks: s.Blocks,
		Atim: linux.NsecToTimespec(s.Atime), Mtim: linux.NsecToTimespec(s.Mtime), Ctim: linux.NsecToTimespec(s.Ctime),
	}
	b := make([]byte, st.SizeBytes())
	st.MarshalBytes(b)
	return t.CopyOut(out, b)
}

func sysStatx(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags, mask := a[2].Uint(), a[3].Uint()
	lf, err := statxFlags(flags, mask)
	if err != nil {
		return 0, err
	}
	path := ""
	if a[1] != 0 || flags&linux.AT_EMPTY_PATH == 0 {
		if path, err = t.CopyInPath(a[1].Addr()); err != nil {
			return 0, err
		}
	}
	return 0, statx(t, a[0].Int(), path, flags, mask, lf, a[4].Addr())
}

// statxFlags checks the flags and the mask of statx(2).
func statxFlags(flags, mask uint32) (vfs.LookupFlags, error) {
	if mask&linux.STATX__RESERVED != 0 || flags&linux.AT_STATX_SYNC_TYPE == linux.AT_STATX_SYNC_TYPE {
		return 0, errno.EINVAL
	}
	return atFlags(flags, linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH|linux.AT_NO_AUTOMOUNT|linux.AT_STATX_SYNC_TYPE)
}

func statx(t *kernel.Task, dirfd int32, path string, flags, mask uint32, lf vfs.LookupFlags, out addr.Addr) error {
	var p vfs.Path
	var err error
	if flags&linux.AT_EMPTY_PATH != 0 && path == "" {
		p, err = startOrCwd(t, dirfd)
	} else {
		err = fromStart(t, dirfd, path, lf, func(start vfs.Path, path string) (err error) {
			p, err = t.Kernel().VFS.Resolve(t, start, path, lf)
			return err
		})
	}
	if err != nil {
		return err
	}
	defer p.DecRef()
	s, err := t.Kernel().VFS.Stat(t, p)
	if err != nil {
		return err
	}
	ns := t.Creds().UserNS
	x := linux.Statx{
		Mask: linux.STATX_BASIC_STATS | linux.STATX_MNT_ID, Blksize: s.BlkSize, Attributes: s.Flags &^ linux.FS_NOATIME_FL,
		AttributesMask: s.FlagsMask | linux.STATX_ATTR_MOUNT_ROOT | linux.STATX_ATTR_AUTOMOUNT,
		Nlink:          s.Nlink, UID: ns.ShowUID(s.UID), GID: ns.ShowGID(s.GID), Mode: uint16(s.Mode),
		Ino: s.Ino, Size: uint64(s.Size), Blocks: uint64(s.Blocks),
		Atime: statxTime(s.Atime), Mtime: statxTime(s.Mtime), Ctime: statxTime(s.Ctime),
		RdevMajor: linux.Major(uint32(s.Rdev)), RdevMinor: linux.Minor(uint32(s.Rdev)),
		DevMajor: linux.Major(uint32(s.Dev)), DevMinor: linux.Minor(uint32(s.Dev)), MntID: s.MountID,
	}
	if s.Btime != 0 {
		x.Mask |= linux.STATX_BTIME
		x.Btime = statxTime(s.Btime)
	}
	if s.MountRoot {
		x.Attributes |= linux.STATX_ATTR_MOUNT_ROOT
	}
	if mask&linux.STATX_MNT_ID_UNIQUE != 0 {
		x.Mask = x.Mask&^linux.STATX_MNT_ID | linux.STATX_MNT_ID_UNIQUE
		x.MntID = vfs.UniqueMountID(s.MountID)
	}
	b := make([]byte, x.SizeBytes())
	x.MarshalBytes(b)
	return t.CopyOut(out, b)
}

// startOrCwd returns the path of dirfd, or of the working directory for AT_FDCWD.
func startOrCwd(t *kernel.Task, dirfd int32) (vfs.Path, error) {
	if dirfd == linux.AT_FDCWD {
		return t.FSContext().Cwd(), nil
	}
	return startAt(t, dirfd, "")
}

func statxTime(ns int64) linux.StatxTimestamp {
	ts := linux.NsecToTimespec(ns)
	return linux.StatxTimestamp{Sec: ts.Sec, Nsec: uint32(ts.Nsec)}
}

func sysStatfs(t *kernel.Task, a *arch.Args) (uint64, error) {
	p, err := resolveAt(t, linux.AT_FDCWD, a[0].Addr(), vfs.LookupFollow)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return 0, putStatfs(t, p, a[1].Addr())
}

func sysFstatfs(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := t.GetAnyFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, putStatfs(t, f.Path, a[1].Addr())
}

func putStatfs(t *kernel.Task, p vfs.Path, out addr.Addr) error {
	s, err := t.Kernel().VFS.Statfs(t, p)
	if err != nil {
		return err
	}
	return t.CopyOutStruct(out, &s)
}

func sysAccess(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, accessAt(t, linux.AT_FDCWD, a[0].Addr(), a[1].Uint(), 0)
}

// sysFaccessat takes no flags: glibc emulates them.
func sysFaccessat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, accessAt(t, a[0].Int(), a[1].Addr(), a[2].Uint(), 0)
}

func sysFaccessat2(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, accessAt(t, a[0].Int(), a[1].Addr(), a[2].Uint(), a[3].Uint())
}

func accessAt(t *kernel.Task, dirfd int32, path addr.Addr, mode, flags uint32) error {
	if mode&^7 != 0 {
		return errno.EINVAL
	}
	lf, err := atFlags(flags, linux.AT_EACCESS|linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	return withPath(t, dirfd, path, lf, func(start vfs.Path, path string) error {
		return t.Kernel().VFS.AccessAt(t, start, path, mode, flags)
	})
}
