package vfs

import (
	"sync/atomic"

	"ringfence/abi/linux"
)

// Dentry is a name in a directory: positive with an Inode, or negative, a cached miss.
//
// A dentry lives while it has references, or children, or a place in its parent's
// children, where it stays as cache after its last reference went. The cache is bounded by
// its Superblock. An unlinked or stale dentry is detached: nobody finds it any more, and
// it goes with its last reference.
type Dentry struct {
	sb *Superblock // immutable

	inode  atomic.Pointer[Inode]  // nil in a negative dentry; holds a reference
	parent atomic.Pointer[Dentry] // itself in a root; changes under sb.treeMu
	name   atomic.Pointer[string] // changes under sb.treeMu

	refs     atomic.Int64
	mounted  atomic.Int32 // mounts on this dentry, in all namespaces
	detached atomic.Bool  // set once, under sb.treeMu
	disposed atomic.Bool
	used     atomic.Bool // used since the LRU hand passed

	// Guarded by sb.treeMu, but for look-ups of children.
	children         children
	lruPrev, lruNext *Dentry
}

// NewRootDentry returns the dentry of the root of sb, or of an anonymous file, with one
// reference. It takes over the reference to n.
func NewRootDentry(sb *Superblock, n *Inode, name string) *Dentry {
	d := &Dentry{sb: sb}
	d.inode.Store(n)
	d.parent.Store(d)
	d.name.Store(&name)
	d.refs.Store(1)
	d.detached.Store(true)
	return d
}

// newDentry returns a dentry with one reference that has no place yet.
func newDentry(sb *Superblock, n *Inode) *Dentry {
	d := &Dentry{sb: sb}
	d.inode.Store(n)
	d.refs.Store(1)
	return d
}

// lockedParent returns the parent with a reference.
func (d *Dentry) lockedParent() *Dentry {
	d.sb.treeMu.RLock()
	defer d.sb.treeMu.RUnlock()
	p := d.parent.Load()
	p.IncRef()
	return p
}

// Inode returns the inode, or nil if the dentry is negative.
func (d *Dentry) Inode() *Inode { return d.inode.Load() }

// Superblock returns the file system that d belongs to.
func (d *Dentry) Superblock() *Superblock { return d.sb }

// Name returns the name within the parent; "/" in a root. It may change by rename.
func (d *Dentry) Name() string { return *d.name.Load() }

// Parent returns the parent, d itself if d is a root. It may change by rename.
func (d *Dentry) Parent() *Dentry { return d.parent.Load() }

// IsRoot reports whether d is the root of its file system.
func (d *Dentry) IsRoot() bool { return d.parent.Load() == d }

// Deleted reports whether the name was unlinked.
func (d *Dentry) Deleted() bool { return !d.IsRoot() && d.detached.Load() }

// IncRef takes a reference. Preconditions: the caller holds one, or sb.treeMu; or it gives the reference
// back if the tree has changed since it found d.
func (d *Dentry) IncRef() { d.refs.Add(1) }

// DecRef drops a reference.
func (d *Dentry) DecRef() {
	switch r := d.refs.Add(-1); {
	case r > 0:
	case r < 0:
		panic("vfs: dentry reference count below zero")
	case d.detached.Load():
		// Between our decrement and the detaching somebody may have found d in the
		// cache: then it goes with that reference. Afterwards none is taken from zero but by
		// who gives it back at once, and comes here too.
		if d.refs.Load() == 0 {
			d.dispose()
		}
	case d.sb.Flags&SBNoCache != 0:
		d.sb.dropUnused(d)
	}
}

// dispose lets the inode and the parent go. It is called when a detached dentry
// has no references left, possibly twice at a time.
func (d *Dentry) dispose() {
	if d.disposed.Swap(true) {
		return
	}
	if n := d.inode.Load(); n != nil {
		if n.watched() && n.Attr().Nlink == 0 {
			n.gone(linux.IN_DELETE_SELF)
		}
		n.fanGone()
		n.DecRef()
	}
	if p := d.parent.Load(); p != d {
		p.DecRef()
	}
}
