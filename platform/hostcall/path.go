package hostcall

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The calls of this file take a name relative to a directory descriptor. The gofer
// makes them, with one path component at a time; the sentry makes none of them.

// Statx is struct statx.
type Statx = unix.Statx_t

// AtCwd as a directory means that the path is absolute or relative to the working directory.
const AtCwd FD = unix.AT_FDCWD

// Resolution flags of Openat2 (openat2(2)).
const (
	RESOLVE_NO_XDEV       = unix.RESOLVE_NO_XDEV
	RESOLVE_NO_MAGICLINKS = unix.RESOLVE_NO_MAGICLINKS
	RESOLVE_NO_SYMLINKS   = unix.RESOLVE_NO_SYMLINKS
	RESOLVE_BENEATH       = unix.RESOLVE_BENEATH
)

// OmitTime is the time that Utimensat leaves as it is.
const OmitTime = -1 << 63

// Openat2 is openat2(2).
func Openat2(dir FD, name string, flags uint64, mode uint32, resolve uint64) (FD, error) {
	how := unix.OpenHow{Flags: flags, Mode: uint64(mode), Resolve: resolve}
	n, err := again(func() (int, error) { return unix.Openat2(int(dir), name, &how) })
	if err != nil {
		return NoFD, err
	}
	return FD(n), nil
}

// Openat is openat(2).
func Openat(dir FD, name string, flags int, mode uint32) (FD, error) {
	n, err := again(func() (int, error) { return unix.Openat(int(dir), name, flags, mode) })
	if err != nil {
		return NoFD, err
	}
	return FD(n), nil
}

// StatxBasic asks statx(2) for name in dir, never following a link; name "" is dir itself.
func StatxBasic(dir FD, name string) (Statx, error) {
	var st Statx
	_, err := again(func() (int, error) {
		return 0, unix.Statx(int(dir), name, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT,
			unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	})
	return st, err
}

// Readlinkat returns the target of a link; name "" is the O_PATH descriptor dir itself.
func Readlinkat(dir FD, name string, buf []byte) (int, error) {
	return again(func() (int, error) { return unix.Readlinkat(int(dir), name, buf) })
}

// Mkdirat, Mknodat, Symlinkat, Linkat, Unlinkat and Renameat2 are the calls of those names.
func Mkdirat(dir FD, name string, mode uint32) error {
	return wrap(unix.Mkdirat(int(dir), name, mode))
}

func Mknodat(dir FD, name string, mode uint32, dev uint64) error {
	return wrap(unix.Mknodat(int(dir), name, mode, int(dev)))
}

func Symlinkat(target string, dir FD, name string) error {
	return wrap(unix.Symlinkat(target, int(dir), name))
}

func Linkat(oldDir FD, oldName string, newDir FD, newName string, flags int) error {
	return wrap(unix.Linkat(int(oldDir), oldName, int(newDir), newName, flags))
}

func Unlinkat(dir FD, name string, flags int) error {
	return wrap(unix.Unlinkat(int(dir), name, flags))
}

func Renameat2(oldDir FD, oldName string, newDir FD, newName string, flags uint) error {
	return wrap(unix.Renameat2(int(oldDir), oldName, int(newDir), newName, flags))
}

// Chmodat follows name, which is how an O_PATH descriptor is changed: through its
// link in /proc/self/fd.
func Chmodat(dir FD, name string, mode uint32) error {
	return wrap(unix.Fchmodat(int(dir), name, mode, 0))
}

// Chownat changes the owner of name, never following a link; name "" is dir itself.
// An id of -1 leaves it as it is.
func Chownat(dir FD, name string, uid, gid uint32) error {
	return wrap(unix.Fchownat(int(dir), name, int(int32(uid)), int(int32(gid)), unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW))
}

// Utimensat sets times in nanoseconds since 1970; OmitTime leaves one as it is. It
// follows name (see Chmodat).
func Utimensat(dir FD, name string, atime, mtime int64) error {
	ts := [2]unix.Timespec{timespecOrOmit(atime), timespecOrOmit(mtime)}
	return wrap(unix.UtimesNanoAt(int(dir), name, ts[:], 0))
}

func timespecOrOmit(ns int64) unix.Timespec {
	if ns == OmitTime {
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
	return unix.NsecToTimespec(ns)
}

// Truncate sets the length of the file at path.
func Truncate(path string, length int64) error {
	_, err := again(func() (int, error) { return 0, unix.Truncate(path, length) })
	return err
}

// Getxattr, Setxattr, Listxattr and Removexattr follow path (see Chmodat). An empty
// buffer asks for the size.
func Getxattr(path, name string, buf []byte) (int, error) {
	n, err := unix.Getxattr(path, name, buf)
	return max(n, 0), wrap(err)
}

func Setxattr(path, name string, value []byte, flags int) error {
	return wrap(unix.Setxattr(path, name, value, flags))
}

func Listxattr(path string, buf []byte) (int, error) {
	n, err := unix.Listxattr(path, buf)
	return max(n, 0), wrap(err)
}

func Removexattr(path, name string) error { return wrap(unix.Removexattr(path, name)) }

// Getdents fills buf with struct linux_dirent64 records (getdents64(2)).
func Getdents(fd FD, buf []byte) (int, error) {
	return again(func() (int, error) { return unix.Getdents(int(fd), buf) })
}

// Syncfs writes out the file system of fd.
func Syncfs(fd FD) error { return wrap(unix.Syncfs(int(fd))) }

// Umask sets the file creation mask of the process and returns the old one.
func Umask(mask int) int { return unix.Umask(mask) }

// RlimitNofile raises the soft limit of descriptors to the hard one and returns it.
func RlimitNofile() (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, wrap(err)
	}
	l.Cur = l.Max
	// syscall's version also keeps Go from restoring the old limit in children.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: l.Cur, Max: l.Max}); err != nil {
		return 0, wrap(err)
	}
	return l.Cur, nil
}
