package fstest

import (
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// host runs scripts on a directory of the host, on a thread of its own: user changes the thread's
// fsuid and fsgid, with which the kernel also takes the capabilities for files away.
//
// Contract: every buffer given to a system call goes through ptr, which keeps it on the heap, where it does not
// move, and alive until the next operation.
type host struct {
	t    *testing.T
	dir  int
	in   int // inotify
	keep [][]byte
}

// ptr returns the address of b, which is not empty.
func (h *host) ptr(b []byte) uintptr {
	h.keep = append(h.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// str returns the address of a NUL-terminated copy of s.
func (h *host) str(s string) uintptr { return h.ptr(append([]byte(s), 0)) }

// hostDir makes a directory on the host's tmpfs, or, where that has no user attributes (before Linux 6.6),
// where temporary files go.
func hostDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "fstest")
	if err == nil && syscall.Setxattr(dir, "user.test", []byte("x"), 0) != nil {
		os.Remove(dir)
		dir, err = os.MkdirTemp("", "fstest")
	}
	if err != nil {
		t.Fatal(err)
	}
	syscall.Removexattr(dir, "user.test")
	return dir
}

// newHost locks the goroutine to its thread until the test ends.
func newHost(t *testing.T) *host {
	runtime.LockOSThread()
	dir := hostDir(t)
	fd, err := syscall.Open(dir, syscall.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// Root's own groups must not help a user.
	h := &host{t: t, dir: fd}
	h.call(linux.SYS_UNSHARE, linux.CLONE_FS)
	h.call(linux.SYS_FCHDIR, uintptr(fd))
	h.call(linux.SYS_CHROOT, h.str("."))
	h.call(linux.SYS_UMASK, 0)
	h.in = -1
	h.unwatchAll()
	t.Cleanup(func() {
		h.user(0)
		syscall.Close(h.in)
		syscall.Close(fd)
		// The thread dies with the goroutine: its root and working directory are its own.
		done := make(chan error)
		go func() { done <- os.RemoveAll(dir) }()
		<-done
	})
	return h
}

func (h *host) call(nr uintptr, args ...uintptr) (uintptr, error) {
	var a [6]uintptr
	copy(a[:], args)
	r, _, e := syscall.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	runtime.KeepAlive(h.keep)
	h.keep = nil
	if e != 0 {
		return r, errno.Errno(e)
	}
	return r, nil
}

const cwd = ^uintptr(99) // AT_FDCWD

func (h *host) path1(nr uintptr, p string, args ...uintptr) error {
	_, err := h.call(nr, append([]uintptr{cwd, h.str(p)}, args...)...)
	return err
}

func (h *host) user(id uint32) {
	h.call(linux.SYS_SETFSGID, uintptr(id))
	h.call(linux.SYS_SETFSUID, uintptr(id))
	h.call(linux.SYS_SETGROUPS, 0, 0)
}

func (h *host) umask(m uint32) { h.call(linux.SYS_UMASK, uintptr(m)) }
func (h *host) mkdir(p string, mode uint32) error {
	return h.path1(linux.SYS_MKDIRAT, p, uintptr(mode))
}
func (h *host) mknod(p string, mode uint32, rdev uint64) error {
	return h.path1(linux.SYS_MKNODAT, p, uintptr(mode), uintptr(rdev))
}
func (h *host) symlink(target, p string) error {
	_, err := h.call(linux.SYS_SYMLINKAT, h.str(target), cwd, h.str(p))
	return err
}
func (h *host) link(a, b string, follow bool) error {
	f := uintptr(0)
	if follow {
		f = linux.AT_SYMLINK_FOLLOW
	}
	_, err := h.call(linux.SYS_LINKAT, cwd, h.str(a), cwd, h.str(b), f)
	return err
}
func (h *host) unlink(p string) error { return h.path1(linux.SYS_UNLINKAT, p, 0) }
func (h *host) rmdir(p string) error  { return h.path1(linux.SYS_UNLINKAT, p, linux.AT_REMOVEDIR) }
func (h *host) rename(a, b string, flags uint32) error {
	_, err := h.call(linux.SYS_RENAMEAT2, cwd, h.str(a), cwd, h.str(b), uintptr(flags))
	return err
}

func (h *host) open(p string, flags, mode uint32) (int, error) {
	fd, err := h.call(linux.SYS_OPENAT, cwd, h.str(p), uintptr(flags|linux.O_CLOEXEC), uintptr(mode))
	return int(fd), err
}

func (h *host) linkfd(fd int, p string) error {
	_, err := h.call(linux.SYS_LINKAT, uintptr(fd), h.str(""), cwd, h.str(p), linux.AT_EMPTY_PATH)
	return err
}

func (h *host) close(fd int) { syscall.Close(fd) }

func (h *host) io(nr uintptr, fd int, b []byte, off int64) (int, error) {
	b = append(b, 0) // never empty
	n, err := h.call(nr, uintptr(fd), h.ptr(b), uintptr(len(b)-1), uintptr(off))
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

func (h *host) read(fd, n int) (string, error) {
	b := make([]byte, n, n+1)
	m, err := h.io(linux.SYS_READ, fd, b, 0)
	return string(b[:m]), err
}

func (h *host) pread(fd, n int, off int64) (string, error) {
	b := make([]byte, n, n+1)
	m, err := h.io(linux.SYS_PREAD64, fd, b, off)
	return string(b[:m]), err
}

func (h *host) write(fd int, s string) (int, error) {
	return h.io(linux.SYS_WRITE, fd, []byte(s), 0)
}

func (h *host) pwrite(fd int, s string, off int64) (int, error) {
	return h.io(linux.SYS_PWRITE64, fd, []byte(s), off)
}

func (h *host) lseek(fd int, off int64, whence int) (int64, error) {
	r, err := h.call(linux.SYS_LSEEK, uintptr(fd), uintptr(off), uintptr(whence))
	return int64(r), err
}

func (h *host) truncate(p string, n int64) error {
	_, err := h.call(linux.SYS_TRUNCATE, h.str(p), uintptr(n))
	return err
}

func (h *host) ftruncate(fd int, n int64) error {
	_, err := h.call(linux.SYS_FTRUNCATE, uintptr(fd), uintptr(n))
	return err
}

func (h *host) fallocate(fd int, mode uint32, off, n int64) error {
	_, err := h.call(linux.SYS_FALLOCATE, uintptr(fd), uintptr(mode), uintptr(off), uintptr(n))
	return err
}

func (h *host) stat(p string, follow bool) (st linux.Stat, err error) {
	f := uintptr(0)
	if !follow {
		f = linux.AT_SYMLINK_NOFOLLOW
	}
	b := make([]byte, st.SizeBytes())
	err = h.path1(linux.SYS_NEWFSTATAT, p, h.ptr(b), f)
	st.UnmarshalBytes(b)
	return st, err
}

func (h *host) fstat(fd int) (st linux.Stat, err error) {
	b := make([]byte, st.SizeBytes())
	_, err = h.call(linux.SYS_FSTAT, uintptr(fd), h.ptr(b))
	st.UnmarshalBytes(b)
	return st, err
}

func (h *host) ls(p string) ([]string, error) {
	fd, err := h.open(p, linux.O_RDONLY|linux.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	names := []string{}
	b := make([]byte, 1<<16, 1<<16+1)
	for {
		n, err := h.io(linux.SYS_GETDENTS64, fd, b, 0)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		for e := b[:n]; len(e) > 0; {
			l := int(e[16]) | int(e[17])<<8
			name, _, _ := strings.Cut(string(e[linux.Dirent64HeadSize:l]), "\x00")
			names = append(names, name)
			e = e[l:]
		}
	}
	slices.Sort(names)
	return names, nil
}

func (h *host) readlink(p string) (string, error) {
	buf := make([]byte, 4096)
	n, err := h.call(linux.SYS_READLINKAT, cwd, h.str(p), h.ptr(buf), uintptr(len(buf)))
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func (h *host) access(p string, mode uint32) error {
	return h.path1(linux.SYS_FACCESSAT2, p, uintptr(mode), linux.AT_EACCESS)
}

func (h *host) chmod(p string, mode uint32) error {
	return h.path1(linux.SYS_FCHMODAT, p, uintptr(mode))
}

func (h *host) chown(p string, uid, gid uint32, follow bool) error {
	f := uintptr(0)
	if !follow {
		f = linux.AT_SYMLINK_NOFOLLOW
	}
	return h.path1(linux.SYS_FCHOWNAT, p, uintptr(uid), uintptr(gid), f)
}

func (h *host) utimes(p string, atime, mtime int64) error {
	ts := make([]byte, 32)
	for i, v := range [...]int64{atime / 1e9, atime % 1e9, mtime / 1e9, mtime % 1e9} {
		binary.LittleEndian.PutUint64(ts[8*i:], uint64(v))
	}
	return h.path1(linux.SYS_UTIMENSAT, p, h.ptr(ts), 0)
}

func (h *host) setxattr(p, name, value string, flags uint32) error {
	_, err := h.call(linux.SYS_SETXATTR, h.str(p), h.str(name), h.str(value), uintptr(len(value)), uintptr(flags))
	return err
}

func (h *host) getxattr(p, name string) (string, error) {
	buf := make([]byte, 65536)
	l, err := h.call(linux.SYS_GETXATTR, h.str(p), h.str(name), h.ptr(buf), uintptr(len(buf)))
	if err != nil {
		return "", err
	}
	return string(buf[:l]), nil
}

func (h *host) listxattr(p string) ([]string, error) {
	buf := make([]byte, 65536)
	l, err := h.call(linux.SYS_LISTXATTR, h.str(p), h.ptr(buf), uintptr(len(buf)))
	if err != nil {
		return nil, err
	}
	names := strings.Split(strings.TrimSuffix(string(buf[:l]), "\x00"), "\x00")
	if l == 0 {
		names = nil
	}
	slices.Sort(names)
	return names, nil
}

func (h *host) removexattr(p, name string) error {
	_, err := h.call(linux.SYS_REMOVEXATTR, h.str(p), h.str(name))
	return err
}

func (h *host) fcntlLock(fd, cmd int, l *linux.Flock) error {
	b := make([]byte, l.SizeBytes())
	l.MarshalBytes(b)
	_, err := h.call(linux.SYS_FCNTL, uintptr(fd), uintptr(cmd), h.ptr(b))
	l.UnmarshalBytes(b)
	return err
}

func (h *host) setlk(fd int, kind int16, start, n int64) error {
	return h.fcntlLock(fd, linux.F_OFD_SETLK, &linux.Flock{Type: kind, Start: start, Len: n})
}

func (h *host) getlk(fd int, kind int16, start, n int64) (linux.Flock, error) {
	l := linux.Flock{Type: kind, Start: start, Len: n}
	err := h.fcntlLock(fd, linux.F_OFD_GETLK, &l)
	return l, err
}

func (h *host) flock(fd int, op int) error {
	_, err := h.call(linux.SYS_FLOCK, uintptr(fd), uintptr(op))
	return err
}

func (h *host) watch(p string, mask uint32) (int, error) {
	wd, err := h.call(linux.SYS_INOTIFY_ADD_WATCH, uintptr(h.in), h.str(p), uintptr(mask))
	return int(wd), err
}

func (h *host) unwatch(wd int) error {
	_, err := h.call(linux.SYS_INOTIFY_RM_WATCH, uintptr(h.in), uintptr(wd))
	return err
}

func (h *host) events() []byte {
	b := make([]byte, 1<<16)
	n, err := h.call(linux.SYS_READ, uintptr(h.in), h.ptr(b), uintptr(len(b)))
	if err != nil {
		return nil
	}
	return b[:n]
}

func (h *host) unwatchAll() {
	if h.in >= 0 {
		syscall.Close(h.in)
	}
	var err error
	if h.in, err = syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC); err != nil {
		h.t.Fatal(err)
	}
}
