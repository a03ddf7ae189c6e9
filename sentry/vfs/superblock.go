package vfs

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
)

// Flags of a Superblock.
const (
	// SBRevalidate: cached entries may be stale; ask Revalidator.
	SBRevalidate uint32 = 1 << iota
	// SBDynamicAttr: the inode's own attributes are not authoritative; ask GetAttr.
	SBDynamicAttr
	// SBNoCache: drop entries from the dentry cache as soon as nobody uses them.
	SBNoCache
	// SBNoNegative: don't cache misses.
	SBNoNegative
)

// Superblock is one instance of a file system.
type Superblock struct {
	// Immutable after NewSuperblock.
	Type  string // as in /proc/mounts: "tmpfs"
	Magic int64  // f_type of statfs(2)
	Dev   uint64 // st_dev
	Flags uint32
	Ops   SuperOps

	nextIno  atomic.Uint64
	renameMu sync.RWMutex // held for writing by every rename in this file system
}

// SuperOps is what a file system does as a whole.
type SuperOps interface {
	// Statfs describes space and limits (statfs(2)).
	Statfs(c Caller, sb *Superblock) (Statfs, error)
	// Options is what follows the comma in /proc/mounts, such as "size=1024k".
	Options(sb *Superblock) string
	// Sync writes out what is cached.
	Sync(c Caller, sb *Superblock) error
	// Release is called when the last mount and file are gone.
	Release(sb *Superblock)
}

// Statfs is the result of statfs(2) but for type, flags and id.
type Statfs struct {
	BlockSize           int64
	Blocks, Free, Avail uint64
	Files, FilesFree    uint64
	NameLen             int64
}

// BaseSuper is the SuperOps of a file system without storage.
type BaseSuper struct{}

func (BaseSuper) Statfs(Caller, *Superblock) (Statfs, error) {
	return Statfs{BlockSize: 4096, NameLen: 255}, nil
}
func (BaseSuper) Options(*Superblock) string     { return "" }
func (BaseSuper) Sync(Caller, *Superblock) error { return nil }
func (BaseSuper) Release(*Superblock)            {}

// NextIno returns an inode number that this superblock has not handed out.
func (sb *Superblock) NextIno() uint64 { return sb.nextIno.Add(1) }

// Inode is a file, whatever its type, with what all file systems keep alike.
type Inode struct {
	// Immutable after NewInode.
	Ops InodeOps
	SB  *Superblock

	refs atomic.Int64

	mu   sync.Mutex
	attr Attr // guarded by mu; Ino, the type in Mode and Rdev never change

	locks  fileLocks // POSIX, OFD and flock locks
	events inodeEvents
}

// NewInode returns an inode with one reference. attr.Ino 0 takes the superblock's next.
func NewInode(sb *Superblock, ops InodeOps, attr Attr) *Inode {
	if attr.Ino == 0 {
		attr.Ino = sb.NextIno()
	}
	n := &Inode{Ops: ops, SB: sb, attr: attr}
	n.refs.Store(1)
	return n
}

// IncRef takes a reference.
func (n *Inode) IncRef() { n.refs.Add(1) }

// DecRef drops a reference; the last one evicts the inode.
func (n *Inode) DecRef() {
	switch r := n.refs.Add(-1); {
	case r == 0:
		n.Ops.Evict(n)
	case r < 0:
		panic("vfs: inode reference count below zero")
	}
}

// Attr returns the inode's own copy of its attributes.
func (n *Inode) Attr() Attr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.attr
}

// Update changes the inode's own copy of its attributes. fn must be brief.
func (n *Inode) Update(fn func(a *Attr)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fn(&n.attr)
}

// Ino, Type (S_IFMT bits) and Rdev never change.
func (n *Inode) Ino() uint64  { return n.attr.Ino }
func (n *Inode) Type() uint32 { return n.attr.Mode & 0o170000 }
func (n *Inode) Rdev() uint64 { return n.attr.Rdev }

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
)

// File is an open file description (open(2)): what descriptors refer to.
type File struct {
	// Immutable after it is made.
	Ops  FileOps
	Path Path // of an anonymous file, a nameless dentry of its superblock
	Mode uint32
	Cred *creds.Credentials // of who opened it

	refs  atomic.Int64
	flags atomic.Uint32 // O_* status flags

	// PosMu serializes users of Pos: read, write, lseek, getdents (f_pos_lock).
	PosMu sync.Mutex
	Pos   int64

	async fileAsync // F_SETOWN, F_SETSIG
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

// Inode returns the file's inode.
func (f *File) Inode() *Inode { return f.Path.Dentry.Inode() }

// IncRef takes a reference.
func (f *File) IncRef() { f.refs.Add(1) }

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
