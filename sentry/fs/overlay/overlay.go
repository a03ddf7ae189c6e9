// Package overlay shows one or more read-only file systems, the lower ones, with changes on top that are kept
// in memory. To programs it is Linux's overlayfs.
//
// The changes live in the nodes, not in another file system: a node has its own attributes, a directory
// knows which names were added and which of its lower names are hidden, and the contents of a
// file that was written are in a pagestore.Store. So nothing but contents is ever copied up, a renamed
// directory simply is in another place, hard links and inode numbers survive a change, and whoever reads a file
// sees what others wrote since.
//
// The lower file systems must be exclusive: nobody else changes them. What was looked up once, found or
// not, is never asked again while vfs has it in its cache.
//
// A node with changes is pinned: it holds a reference to its own inode until its last name goes.
//
// Lock order: node.write, node.mu, super.mu; vfs's locks come before, those of the lower file
// systems and of pagestore after.
package overlay

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
)

// Config says what to show.
type Config struct {
	// Lower are the roots of the lower file systems, the topmost first. New takes over the references.
	Lower []*vfs.Inode
	// Memory keeps the contents of changed files.
	Memory *memfile.File
	// Limit is how many bytes of contents may be kept. 0: no limit.
	Limit uint64
	// Inodes is how many files may be made that no lower file system has. 0: no limit.
	Inodes uint64
	// Options is what /proc/mounts shows.
	Options string
}

// New returns a superblock and its root inode, with a reference.
func New(cfg Config) (*vfs.Superblock, *vfs.Inode) {
	s := &super{
		mf: cfg.Memory, limit: cfg.Limit / addr.PageSize, maxMade: cfg.Inodes, options: cfg.Options, lowers: cfg.Lower,
		nodes: make(map[*vfs.Inode]*node), pinned: make(map[*node]bool),
	}
	for _, l := range cfg.Lower {
		if !s.layer(l.SB) {
			s.layers = append(s.layers, l.SB)
			l.SB.Hold()
		}
	}
	s.sb = vfs.NewSuperblock("overlay", linux.OVERLAYFS_SUPER_MAGIC, 0, s)
	for _, l := range cfg.Lower {
		l.IncRef() // the node's; the configuration's goes with the superblock
	}
	return s.sb, s.node(append([]*vfs.Inode(nil), cfg.Lower...)).inode
}

// super is one overlay. It is the quota of its stores.
type super struct {
	sb      *vfs.Superblock
	mf      *memfile.File
	options string
	lowers  []*vfs.Inode
	layers  []*vfs.Superblock

	limit, maxMade uint64 // pages, inodes; 0: no limit. Immutable.
	used           atomic.Uint64
	made           atomic.Uint64 // inodes without lowers

	mu     sync.Mutex
	nodes  map[*vfs.Inode]*node // by the topmost lower inode
	pinned map[*node]bool
}

func (s *super) layer(sb *vfs.Superblock) bool {
	for _, l := range s.layers {
		if l == sb {
			return true
		}
	}
	return false
}

// Inode numbers say which layer a file comes from. All stay below 2^53, up to where
// programs that keep them in floating point tell them apart.
const (
	layerShift = 48
	addedIno   = 1 << 52
)

// ino returns the number of a file whose topmost lower inode is numbered lower in sb.
func (s *super) ino(sb *vfs.Superblock, lower uint64) uint64 {
	for i, l := range s.layers {
		if l == sb {
			return lower + uint64(i)<<layerShift
		}
	}
	return lower
}

// Charge and Uncharge are pagestore's quota.
func (s *super) Charge(n uint64) error { return charge(&s.used, s.limit, n) }

func charge(used *atomic.Uint64, limit, n uint64) error {
	for {
		u := used.Load()
		if limit != 0 && (n > limit || u > limit-n) {
			return errno.ENOSPC
		}
		if used.CompareAndSwap(u, u+n) {
			return nil
		}
	}
}

func (s *super) Uncharge(n uint64) { s.used.Add(-n) }

func (s *super) Statfs(vfs.Caller, *vfs.Superblock) (vfs.Statfs, error) {
	st := vfs.Statfs{BlockSize: addr.PageSize, NameLen: linux.NAME_MAX}
	st.Blocks = s.limit
	used := s.used.Load()
	if st.Blocks == 0 {
		m := s.mf.Stats()
		st.Blocks, used = m.Limit/addr.PageSize, m.InUse/addr.PageSize
	}
	st.Free = st.Blocks - min(st.Blocks, used)
	st.Avail = st.Free
	st.Files = s.maxMade
	if st.Files == 0 {
		st.Files = st.Blocks
	}
	st.FilesFree = st.Files - min(st.Files, s.made.Load())
	return st, nil
}

func (s *super) Options(*vfs.Superblock) string { return s.options }

func (s *super) Sync(vfs.Caller, *vfs.Superblock) error { return nil }

// Release lets all changes go.
func (s *super) Release(*vfs.Superblock) {
	s.mu.Lock()
	pinned := s.pinned
	s.pinned = make(map[*node]bool)
	s.mu.Unlock()
	for n := range pinned {
		n.inode.DecRef()
	}
	for _, l := range s.lowers {
		l.DecRef()
	}
	for _, sb := range s.layers {
		sb.Drop()
	}
}

// node returns the node of lowers, topmost first, with a reference. It takes over the references to them.
func (s *super) node(lowers []*vfs.Inode) *node {
	top := lowers[0]
	s.mu.Lock()
	if n := s.nodes[top]; n != nil && n.inode.TryIncRef() {
		s.mu.Unlock()
		for _, l := range lowers {
			l.DecRef()
		}
		return n
	}
	a := top.Attr()
	a.Ino = s.ino(top.SB, a.Ino)
	a.Flags &^= linux.STATX_ATTR_MOUNT_ROOT
	n := &node{fs: s, lowers: lowers}
	n.inode = vfs.NewInode(s.sb, n, a)
	s.nodes[top] = n
	s.mu.Unlock()
	return n
}

// pin keeps n, which was changed, until its last name goes. What was never in a lower file system is kept
// by its names.
func (n *node) pin() {
	if len(n.lowers) == 0 || n.isPinned.Load() {
		return
	}
	s := n.fs
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.pinned[n] {
		s.pinned[n] = true
		n.isPinned.Store(true)
		n.inode.IncRef()
	}
}

func (n *node) unpin() {
	s := n.fs
	s.mu.Lock()
	was := s.pinned[n]
	delete(s.pinned, n)
	s.mu.Unlock()
	if was {
		n.inode.DecRef()
	}
}
