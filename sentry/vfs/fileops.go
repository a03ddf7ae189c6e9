package vfs

import (
	"ringfence/abi/errno"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/mappable"
	"ringfence/sentry/usermem"
)

// FileOps is what an open file does. What would block returns EAGAIN, whether or
// not the file is O_NONBLOCK: the system call layer waits and tries again. Safe
// for concurrent use.
//
// Read and Write take an offset. Files without FModeSeek (pipes, sockets, ttys)
// ignore it. They return how many bytes were moved; an error after some bytes
// is dropped by the caller. A Write that stops for want of room returns what it wrote and
// EAGAIN: where write(2) may block it then waits and goes on with the rest. A Read that
// has some bytes never does.
type FileOps interface {
	// Release is called once, when the last reference to the file goes.
	Release(f *File)

	Read(c Caller, f *File, dst *usermem.Sequence, off int64, flags uint32) (int, error)
	Write(c Caller, f *File, src *usermem.Sequence, off int64, flags uint32) (int, error)

	// Seek moves to a position for SEEK_SET, SEEK_CUR (pos is current+offset already),
	// SEEK_END, SEEK_DATA and SEEK_HOLE and returns the new one. BaseFile serves
	// SEEK_SET alone; vfs does SEEK_CUR, and SEEK_END from the inode's size.
	Seek(c Caller, f *File, off int64, whence int) (int64, error)

	// ReadDir calls emit for the entries from position f.Pos on until emit
	// returns false, which leaves the entry for the next call. Dirent.Next becomes f.Pos. The caller
	// holds the file's position lock. "." and ".." are the file system's to emit, with EmitDots.
	ReadDir(c Caller, f *File, emit func(Dirent) bool) error

	// Readiness says which of the conditions hold now (poll(2)).
	Readiness(f *File) wait.Mask
	// Queue is what readiness changes are told to, or nil if the file is always ready.
	Queue(f *File) *wait.Queue

	// Ioctl serves ioctl(2); ENOTTY for commands it does not know.
	Ioctl(c Caller, f *File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error)

	// Mappable returns what mmap(2) maps; ENODEV if the file can't be mapped.
	Mappable(c Caller, f *File) (mappable.Mappable, error)

	// Sync is fsync(2), or fdatasync(2) if dataOnly.
	Sync(c Caller, f *File, dataOnly bool) error
	// Fallocate is fallocate(2) with mode FALLOC_FL_*.
	Fallocate(c Caller, f *File, mode uint32, off, n int64) error
	// SetFlags is told that O_NONBLOCK, O_APPEND, O_ASYNC or O_DIRECT changed.
	SetFlags(f *File, flags uint32) error
}

// Dirent is one directory entry (getdents64(2)).
type Dirent struct {
	Ino  uint64
	Type uint8 // DT_*
	Name string
	Next int64 // position behind this entry
}

// BaseFile refuses everything that a file need not do. Embed it.
type BaseFile struct{}

func (BaseFile) Release(*File) {}
func (BaseFile) Read(Caller, *File, *usermem.Sequence, int64, uint32) (int, error) {
	return 0, errno.EINVAL
}
func (BaseFile) Write(Caller, *File, *usermem.Sequence, int64, uint32) (int, error) {
	return 0, errno.EINVAL
}
func (BaseFile) Seek(_ Caller, _ *File, off int64, whence int) (int64, error) {
	if whence != 0 || off < 0 {
		return 0, errno.EINVAL
	}
	return off, nil
}
func (BaseFile) ReadDir(Caller, *File, func(Dirent) bool) error { return errno.ENOTDIR }
func (BaseFile) Readiness(*File) wait.Mask {
	return wait.In | wait.Out | wait.RdNorm | wait.WrNorm
}
func (BaseFile) Queue(*File) *wait.Queue { return nil }
func (BaseFile) Ioctl(Caller, *File, usermem.IO, uint32, arch.Arg) (uint64, error) {
	return 0, errno.ENOTTY
}
func (BaseFile) Mappable(Caller, *File) (mappable.Mappable, error)   { return nil, errno.ENODEV }
func (BaseFile) Sync(Caller, *File, bool) error                      { return errno.EINVAL }
func (BaseFile) Fallocate(Caller, *File, uint32, int64, int64) error { return errno.ENODEV }
func (BaseFile) SetFlags(*File, uint32) error                        { return nil }
