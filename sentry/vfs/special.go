package vfs

import "ringfence/sentry/base/wait"

// SpecialFiles opens the inodes whose behaviour is not their file system's: devices and
// FIFOs. boot supplies one; it is held by the VFS.
type SpecialFiles interface {
	// OpenDevice opens a character device (or block device) by number; ENXIO if
	// there is none.
	OpenDevice(c Caller, n *Inode, rdev uint64, char bool, flags uint32) (FileOps, error)
	// OpenFIFO opens the pipe of a FIFO's inode. Where open(2) would wait for the
	// other end, the returned ops implement OpenWaiter.
	OpenFIFO(c Caller, n *Inode, flags uint32) (FileOps, error)
}

// OpenWaiter is a FileOps whose open(2) is complete only when OpenReady says so; until
// then openat waits on the file's Queue. Giving up releases the file.
type OpenWaiter interface {
	OpenReady(f *File) bool
}

// Beholder is a FileOps whose readiness depends on who looks (signalfd, and epoll files,
// which may watch one). What Readiness and Queue say is for those who are nobody.
type Beholder interface {
	ReadinessTo(c Caller, f *File) wait.Mask
	QueueOf(c Caller, f *File) *wait.Queue
}

// ReadinessTo is Readiness as c sees it.
func (f *File) ReadinessTo(c Caller) wait.Mask {
	if b, ok := f.Ops.(Beholder); ok {
		return b.ReadinessTo(c, f)
	}
	return f.Ops.Readiness(f)
}

// QueueOf is the queue where c learns of changes, nil if the file is always ready.
func (f *File) QueueOf(c Caller) *wait.Queue {
	if b, ok := f.Ops.(Beholder); ok {
		return b.QueueOf(c, f)
	}
	return f.Ops.Queue(f)
}

// FileIdentity is a FileOps that /proc/PID/fd names otherwise than by path, such as
// "pipe:[4711]" or "anon_inode:[eventfd]". Files opened on a dentry need none.
type FileIdentity interface {
	IdentityName(f *File) string
}

// IOTimer is a FileOps whose reads and writes wait a limited time (SO_RCVTIMEO and SO_SNDTIMEO
// of socket(7)).
type IOTimer interface {
	// IOTimeout returns how long to wait in nanoseconds, 0 for as long as it takes.
	IOTimeout(f *File, write bool) int64
}

// Deadline returns until when a read or write that begins at now may wait, 0 for as long as it takes.
func (f *File) Deadline(now int64, write bool) int64 {
	if t, ok := f.Ops.(IOTimer); ok {
		if d := t.IOTimeout(f, write); d > 0 {
			return now + d
		}
	}
	return 0
}
