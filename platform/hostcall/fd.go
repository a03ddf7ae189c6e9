package hostcall

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Stat is struct stat.
type Stat = unix.Stat_t

// Statfs is struct statfs.
type Statfs = unix.Statfs_t

// Flags of descriptors that callers hand to this package.
const (
	O_CLOEXEC  = unix.O_CLOEXEC
	O_NONBLOCK = unix.O_NONBLOCK

	EFD_CLOEXEC   = unix.EFD_CLOEXEC
	EFD_NONBLOCK  = unix.EFD_NONBLOCK
	EFD_SEMAPHORE = unix.EFD_SEMAPHORE

	SEEK_SET  = unix.SEEK_SET
	SEEK_CUR  = unix.SEEK_CUR
	SEEK_END  = unix.SEEK_END
	SEEK_DATA = unix.SEEK_DATA
	SEEK_HOLE = unix.SEEK_HOLE

	FALLOC_FL_KEEP_SIZE  = unix.FALLOC_FL_KEEP_SIZE
	FALLOC_FL_PUNCH_HOLE = unix.FALLOC_FL_PUNCH_HOLE
)

// Close closes fd. It is not made again on EINTR: Linux has closed fd by then (close(2)).
func Close(fd FD) error {
	err := wrap(unix.Close(int(fd)))
	return err
}

// Dup returns the lowest free descriptor for fd's open file, closed on exec.
func Dup(fd FD) (FD, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return NoFD, wrap(err)
	}
	return FD(n), nil
}

// Dup3 makes newfd refer to fd's open file (dup3(2)).
func Dup3(fd, newfd FD, flags int) error {
	_, err := again(func() (int, error) { return 0, unix.Dup3(int(fd), int(newfd), flags) })
	return err
}

// Fcntl is fcntl(2) for the commands that take an integer.
func Fcntl(fd FD, cmd, arg int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), cmd, arg)
	return n, wrap(err)
}

// SetNonblock sets or clears O_NONBLOCK of fd's open file.
func SetNonblock(fd FD, on bool) error { return wrap(unix.SetNonblock(int(fd), on)) }

// Fstat is fstat(2).
func Fstat(fd FD) (Stat, error) {
	var st Stat
	_, err := again(func() (int, error) { return 0, unix.Fstat(int(fd), &st) })
	return st, err
}

// Fstatfs is fstatfs(2).
func Fstatfs(fd FD) (Statfs, error) {
	var st Statfs
	_, err := again(func() (int, error) { return 0, unix.Fstatfs(int(fd), &st) })
	return st, err
}

// Ftruncate sets the length of fd's file.
func Ftruncate(fd FD, length int64) error {
	_, err := again(func() (int, error) { return 0, unix.Ftruncate(int(fd), length) })
	return err
}

// Fallocate is fallocate(2).
func Fallocate(fd FD, mode uint32, offset, length int64) error {
	_, err := again(func() (int, error) { return 0, unix.Fallocate(int(fd), mode, offset, length) })
	return err
}

// Fsync is fsync(2).
func Fsync(fd FD) error {
	_, err := again(func() (int, error) { return 0, unix.Fsync(int(fd)) })
	return err
}

// Fdatasync is fdatasync(2).
func Fdatasync(fd FD) error {
	_, err := again(func() (int, error) { return 0, unix.Fdatasync(int(fd)) })
	return err
}

// Lseek is lseek(2).
func Lseek(fd FD, offset int64, whence int) (int64, error) {
	n, err := unix.Seek(int(fd), offset, whence)
	return n, wrap(err)
}

// Read reads at fd's own position.
func Read(fd FD, b []byte) (int, error) {
	return again(func() (int, error) { return unix.Read(int(fd), b) })
}

// Write writes at fd's own position.
func Write(fd FD, b []byte) (int, error) {
	return again(func() (int, error) { return unix.Write(int(fd), b) })
}

// Readv is readv(2).
func Readv(fd FD, iov [][]byte) (int, error) {
	return again(func() (int, error) { return unix.Readv(int(fd), iov) })
}

// Writev is writev(2).
func Writev(fd FD, iov [][]byte) (int, error) {
	return again(func() (int, error) { return unix.Writev(int(fd), iov) })
}

// Pread is pread(2).
func Pread(fd FD, b []byte, offset int64) (int, error) {
	return again(func() (int, error) { return unix.Pread(int(fd), b, offset) })
}

// Pwrite is pwrite(2).
func Pwrite(fd FD, b []byte, offset int64) (int, error) {
	return again(func() (int, error) { return unix.Pwrite(int(fd), b, offset) })
}

// Preadv is preadv(2).
func Preadv(fd FD, iov [][]byte, offset int64) (int, error) {
	return again(func() (int, error) { return unix.Preadv(int(fd), iov, offset) })
}

// Pwritev is pwritev(2).
func Pwritev(fd FD, iov [][]byte, offset int64) (int, error) {
	return again(func() (int, error) { return unix.Pwritev(int(fd), iov, offset) })
}

// CopyFileRange copies within the host between explicit offsets (copy_file_range(2)).
func CopyFileRange(in FD, inOff int64, out FD, outOff int64, n int) (int, error) {
	return again(func() (int, error) { return unix.CopyFileRange(int(in), &inOff, int(out), &outOff, n, 0) })
}

// Eventfd is eventfd2(2).
func Eventfd(initial uint, flags int) (FD, error) {
	fd, err := unix.Eventfd(initial, flags)
	if err != nil {
		return NoFD, wrap(err)
	}
	return FD(fd), nil
}

// Pipe2 returns the read and the write end of a new pipe.
func Pipe2(flags int) (r, w FD, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], flags); err != nil {
		return NoFD, NoFD, wrap(err)
	}
	return FD(p[0]), FD(p[1]), nil
}

// CloseRange is close_range(2).
func CloseRange(first, last uint, flags int) error {
	_, _, e := syscall.Syscall(unix.SYS_CLOSE_RANGE, uintptr(first), uintptr(last), uintptr(flags))
	return failed(e)
}
