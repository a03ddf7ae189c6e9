package vfs

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Inode is a file, whatever its type, with what all file systems keep alike.
type Inode struct {
	// Immutable after NewInode.
	Ops InodeOps
	SB  *Superblock

	ino, rdev     uint64
	born          int64  // attr.Btime, if that tells inodes with one number apart
	typ           uint32 // S_IFMT bits
	ownPermission bool   // Ops is a Permitter

	refs atomic.Int64

	// rw is Linux's i_rwsem: held for writing while names in a directory change, for reading
	// while one is looked up, and for writing by appends and truncation of a file.
	rw sync.RWMutex

	// Copies for the path walk.
	mode       atomic.Uint32          // of attr.Mode, without S_IXGRP if there are acls
	link       atomic.Pointer[string] // target of a symbolic link, once read
	atimeFresh atomic.Bool            // following the link need not set its atime
	// atimeUntil is the time before which relatime leaves attr.Atime alone; 0 if somebody must look.
	atimeUntil atomic.Int64

	tmpfile atomic.Bool // made by O_TMPFILE and not linked yet
	noLink  atomic.Bool // made by O_TMPFILE|O_EXCL: never to be linked

	// writers counts files open for writing; -n says that n programs run from the file.
	writers atomic.Int64

	acls atomic.Pointer[acls] // POSIX ACLs; nil without

	mu   sync.Mutex
	attr Attr // guarded by mu; Ino, the type in Mode and Rdev never change

	// Most files are never locked or watched: nil until then.
	lockState  atomic.Pointer[fileLocks]   // POSIX, OFD and flock locks
	watchState atomic.Pointer[inodeEvents] // inotify watches
}

// NewInode returns an inode with one reference. attr.Ino 0 takes the superblock's next.
func NewInode(sb *Superblock, ops InodeOps, attr Attr) *Inode {
	if attr.Ino == 0 {
		attr.Ino = sb.NextIno()
	}
	n := &Inode{Ops: ops, SB: sb, ino: attr.Ino, rdev: attr.Rdev, typ: attr.Mode & 0o170000, attr: attr}
	_, n.ownPermission = ops.(Permitter)
	if sb.Flags&SBNoCache == 0 {
		n.born = attr.Btime
	}
	n.mode.Store(attr.Mode)
	n.refs.Store(1)
	return n
}

// IncRef takes a reference.
func (n *Inode) IncRef() { n.refs.Add(1) }

// TryIncRef takes a reference unless the last one is gone, for file systems that find
// their inodes in a table of their own.
func (n *Inode) TryIncRef() bool {
	for {
		r := n.refs.Load()
		if r <= 0 {
			return false
		}
		if n.refs.CompareAndSwap(r, r+1) {
			return true
		}
	}
}

// DecRef drops a reference; the last one evicts the inode.
func (n *Inode) DecRef() {
	switch r := n.refs.Add(-1); {
	case r == 0:
		n.Ops.Evict(n)
	case r < 0:
		panic("vfs: inode reference count below zero")
	}
}

// locks returns the locks on n, of which there may be none.
func (n *Inode) locks() *fileLocks {
	if l := n.lockState.Load(); l != nil {
		return l
	}
	n.lockState.CompareAndSwap(nil, new(fileLocks))
	return n.lockState.Load()
}

// events returns the watches on n, of which there may be none.
func (n *Inode) events() *inodeEvents {
	if e := n.watchState.Load(); e != nil {
		return e
	}
	n.watchState.CompareAndSwap(nil, new(inodeEvents))
	return n.watchState.Load()
}

// watched reports whether somebody watches n.
func (n *Inode) watched() bool {
	e := n.watchState.Load()
	return e != nil && e.count.Load() != 0
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
	mode := n.attr.Mode
	if n.acls.Load() != nil {
		mode &^= linux.S_IXGRP // so that the walk asks
	}
	n.mode.Store(mode)
	if n.atimeUntil.Load() != 0 {
		n.atimeUntil.Store(0)
	}
}

// readlink returns the target of a symbolic link. A link never changes, so it is read once.
func (n *Inode) readlink(c Caller) (string, error) {
	if t := n.link.Load(); t != nil {
		return *t, nil
	}
	t, err := n.Ops.Readlink(c, n)
	if err == nil && n.SB.Flags&(SBDynamicAttr|SBNoCache) == 0 {
		n.link.Store(&t)
	}
	return t, err
}

// DenyWrite forbids opening the file for writing while a program runs from it;
// ETXTBSY if it is open for writing. AllowWrite ends that.
func (n *Inode) DenyWrite() error {
	for {
		w := n.writers.Load()
		if w > 0 {
			return errno.ETXTBSY
		}
		if n.writers.CompareAndSwap(w, w-1) {
			return nil
		}
	}
}

// AllowWrite undoes one DenyWrite.
func (n *Inode) AllowWrite() { n.writers.Add(1) }

// getWrite registers a writer; ETXTBSY if a program runs from the file.
func (n *Inode) getWrite() error {
	for {
		w := n.writers.Load()
		if w < 0 {
			return errno.ETXTBSY
		}
		if n.writers.CompareAndSwap(w, w+1) {
			return nil
		}
	}
}

func (n *Inode) putWrite() { n.writers.Add(-1) }

// Ino, Type (S_IFMT bits) and Rdev never change.
func (n *Inode) Ino() uint64  { return n.ino }
func (n *Inode) Type() uint32 { return n.typ }
func (n *Inode) Rdev() uint64 { return n.rdev }
