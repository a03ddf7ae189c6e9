package vfs

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
)

// FModes of a File, beside its O_* flags.
const (
	FModeRead uint32 = 1 << iota
	FModeWrite
	// FModeSeek: the file has a position; pread and pwrite work.
	FModeSeek
	// FModePath: opened with O_PATH.
	FModePath
	// FModeStream: no position lock is taken.
	FModeStream
	// FModeStill: lseek succeeds and moves nothing (Linux's noop_llseek).
	FModeStill
	// FModeCreated: opening it made the file (F_CREATED_QUERY).
	FModeCreated
)

// File is an open file description (open(2)): what descriptors refer to.
type File struct {
	// Immutable after it is made.
	Ops  FileOps
	Path Path // of an anonymous file, a nameless dentry of its superblock
	Mode uint32
	Cred *creds.Credentials // of who opened it

	refs  atomic.Int64
	flags atomic.Uint32 // O_* status flags; changed under flagsMu

	flagsMu sync.Mutex

	// PosMu serializes users of Pos: read, write, lseek, getdents (f_pos_lock).
	PosMu sync.Mutex
	Pos   int64

	counted bool // a writer of the inode; immutable
	// lacks are the rights of landlock that whoever opened it did not have. Immutable.
	lacks uint64
	// untold: watches and listeners learn nothing of it. Set before anybody else has the file.
	untold bool
	closer atomic.Int32 // of fanotify: who closed it

	async    fileAsync // F_SETOWN, F_SETSIG
	watchers releaseWatchers
}

// NewFile returns an open file with one reference. It takes over the reference to path.
func NewFile(ops FileOps, path Path, flags, mode uint32, cred *creds.Credentials) *File {
	f := &File{Ops: ops, Path: path, Mode: mode, Cred: cred}
	f.flags.Store(flags)
	f.refs.Store(1)
	return f
}

// Flags returns the O_* access mode and status flags.
func (f *File) Flags() uint32 { return f.flags.Load() }

// Nonblocking reports whether O_NONBLOCK is set.
func (f *File) Nonblocking() bool { return f.Flags()&linux.O_NONBLOCK != 0 }

// SetFlags changes what F_SETFL may change: O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME, O_NONBLOCK. fd is the
// descriptor that signals will name.
func (f *File) SetFlags(c Caller, flags uint32, fd int32) error {
	const settable = linux.O_APPEND | linux.FASYNC | linux.O_DIRECT | linux.O_NOATIME | linux.O_NONBLOCK
	a := f.Inode().Attr()
	f.flagsMu.Lock()
	defer f.flagsMu.Unlock()
	old := f.Flags()
	if old&linux.O_APPEND != 0 && flags&linux.O_APPEND == 0 && a.Flags&linux.STATX_ATTR_APPEND != 0 {
		return errno.EPERM
	}
	if flags&linux.O_NOATIME != 0 && old&linux.O_NOATIME == 0 && !ownerOrCapable(c, &a) {
		return errno.EPERM
	}
	flags = old&^settable | flags&settable
	if err := f.Ops.SetFlags(f, flags); err != nil {
		return err
	}
	if (old^flags)&linux.FASYNC != 0 {
		f.setAsyncLocked(flags&linux.FASYNC != 0, fd)
	}
	f.flags.Store(flags)
	return nil
}

// Inode returns the file's inode.
func (f *File) Inode() *Inode { return f.Path.Dentry.Inode() }

// IncRef takes a reference.
func (f *File) IncRef() { f.refs.Add(1) }

// Refs returns the number of references, for whoever looks for files that only files refer to.
func (f *File) Refs() int64 { return f.refs.Load() }

// DecRef drops a reference; the last one releases the file.
func (f *File) DecRef() {
	switch r := f.refs.Add(-1); {
	case r == 0:
		f.release()
	case r < 0:
		panic("vfs: file reference count below zero")
	}
}

// Readiness and Queue forward to the file's operations.
func (f *File) Readiness() wait.Mask { return f.Ops.Readiness(f) }
func (f *File) Queue() *wait.Queue   { return f.Ops.Queue(f) }

// Readable and Writable return EBADF unless the file was opened for it.
func (f *File) Readable() error {
	if f.Mode&FModeRead == 0 {
		return errno.EBADF
	}
	return nil
}

func (f *File) Writable() error {
	if f.Mode&FModeWrite == 0 {
		return errno.EBADF
	}
	return nil
}

func (f *File) release() {
	f.tellWatchers()
	n := f.Inode()
	if f.Mode&FModePath == 0 {
		if f.Mode&FModeWrite != 0 {
			f.notify(nil, linux.IN_CLOSE_WRITE)
		} else {
			f.notify(nil, linux.IN_CLOSE_NOWRITE)
		}
		if l := n.lockState.Load(); l != nil {
			l.releaseFile(f)
		}
		if n.Type() == linux.S_IFDIR && n.watched() {
			f.unwatchDir()
		}
	}
	if f.Flags()&linux.FASYNC != 0 {
		f.flagsMu.Lock()
		f.setAsyncLocked(false, 0)
		f.flagsMu.Unlock()
	}
	f.Ops.Release(f)
	if f.counted {
		putWrite(f.Path)
	}
	f.Path.DecRef()
}
