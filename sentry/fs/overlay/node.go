package overlay

import (
	"strings"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/memfile"
	"ringfence/sentry/pagestore"
	"ringfence/sentry/vfs"
)

// node is a file of the overlay.
type node struct {
	vfs.BaseInode
	// Immutable.
	fs     *super
	inode  *vfs.Inode
	lowers []*vfs.Inode // what it shows, topmost first; several only if they are directories. With references.
	target string       // of a symbolic link without lowers

	isPinned atomic.Bool

	// store holds the contents of a regular file once they were changed. Set once, under mu.
	store atomic.Pointer[pagestore.Store]
	// shown is what openLower shows; nil until a lower regular file is opened.
	shown atomic.Pointer[vfs.File]
	// write serializes changes of the contents.
	write sync.Mutex

	mu        sync.RWMutex
	xattrs    vfs.Xattrs // guarded by mu; counts if ownXattrs
	ownXattrs bool       // guarded by mu
	changes              // of a directory; guarded by mu
}

// changes is what a directory shows differently from its lowers.
type changes struct {
	hidden map[string]bool // names that lowers have and the directory has not, or has otherwise
	added  map[string]addition
	seq    uint64 // counts changes
	// listed is what names returned last, unless that was long; nil since the last change.
	listed []vfs.Dirent
}

// addition is a name that was added, with a reference to its inode. seq orders them.
type addition struct {
	n   *node
	seq uint64
}

// changed reports whether names differ from those of the lowers.
func (n *node) changed() bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.hidden) != 0 || len(n.added) != 0
}

func (n *node) lower() *vfs.Inode {
	if len(n.lowers) == 0 {
		return nil
	}
	return n.lowers[0]
}

// known returns the child name if that needs no look at the lowers: a referenced inode, or ENOENT. ok is
// false if the lowers must be asked.
func (n *node) known(name string) (i *vfs.Inode, ok bool, err error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if a, found := n.added[name]; found {
		a.n.inode.IncRef()
		return a.n.inode, true, nil
	}
	if n.hidden[name] || len(n.lowers) == 0 {
		return nil, true, errno.ENOENT
	}
	return nil, false, nil
}

func (n *node) Lookup(c vfs.Caller, _ *vfs.Inode, name string) (*vfs.Inode, error) {
	if i, ok, err := n.known(name); ok {
		return i, err
	}
	if len(n.lowers) == 1 {
		l, err := n.lowers[0].Ops.Lookup(c, n.lowers[0], name)
		if err != nil {
			return nil, err
		}
		return n.fs.node([]*vfs.Inode{l}).inode, nil
	}
	var found []*vfs.Inode
	for _, dir := range n.lowers {
		l, err := dir.Ops.Lookup(c, dir, name)
		if err == errno.ENOENT {
			continue
		}
		if err != nil || isWhiteout(l) || len(found) > 0 && l.Type() != linux.S_IFDIR {
			if err == nil {
				l.DecRef()
			} else if len(found) == 0 {
				return nil, err
			}
			break
		}
		found = append(found, l)
		if l.Type() != linux.S_IFDIR || isOpaque(c, l) {
			break
		}
	}
	if len(found) == 0 {
		return nil, errno.ENOENT
	}
	return n.fs.node(found).inode, nil
}

// isWhiteout reports whether l hides a name of the layers below it. Only layers that were made to be
// stacked hold whiteouts, so in a single lower file system they are just devices.
func isWhiteout(l *vfs.Inode) bool { return l.Type() == linux.S_IFCHR && l.Rdev() == 0 }

// isOpaque reports whether the directory l hides what the layers below it have.
func isOpaque(c vfs.Caller, l *vfs.Inode) bool {
	v, err := l.Ops.GetXattr(c, l, "trusted.overlay.opaque")
	return err == nil && string(v) == "y"
}

// Walk implements vfs.Walker by the lower's Walk, as far as nothing was changed on the way.
func (n *node) Walk(c vfs.Caller, dir *vfs.Inode, names []string) ([]*vfs.Inode, error) {
	if i, ok, err := n.known(names[0]); ok {
		if err != nil {
			return nil, err
		}
		return []*vfs.Inode{i}, nil
	}
	if len(n.lowers) != 1 {
		return n.walkOne(c, dir, names[0])
	}
	wk, ok := n.lowers[0].Ops.(vfs.Walker)
	if !ok {
		return n.walkOne(c, dir, names[0])
	}
	found, err := wk.Walk(c, n.lowers[0], names)
	nodes := make([]*vfs.Inode, 0, len(found))
	for i, l := range found {
		child := n.fs.node([]*vfs.Inode{l})
		nodes = append(nodes, child.inode)
		if child.changed() {
			for _, l := range found[i+1:] {
				l.DecRef()
			}
			return nodes, nil
		}
	}
	return nodes, err
}

func (n *node) walkOne(c vfs.Caller, dir *vfs.Inode, name string) ([]*vfs.Inode, error) {
	i, err := n.Lookup(c, dir, name)
	if err != nil {
		return nil, err
	}
	return []*vfs.Inode{i}, nil
}

func (n *node) Readlink(c vfs.Caller, _ *vfs.Inode) (string, error) {
	if n.inode.Type() != linux.S_IFLNK {
		return "", errno.EINVAL
	}
	if l := n.lower(); l != nil {
		return l.Ops.Readlink(c, l)
	}
	return n.target, nil
}

func (n *node) SetAttr(c vfs.Caller, _ *vfs.Inode, s vfs.SetAttr) error {
	n.write.Lock()
	defer n.write.Unlock()
	if s.Mask&vfs.SetSize != 0 {
		if n.inode.Type() != linux.S_IFREG {
			return errno.EINVAL
		}
		st, err := n.copyUp(c, s.Size)
		if err != nil {
			return err
		}
		if err := st.Truncate(uint64(s.Size)); err != nil {
			return err
		}
	}
	n.pin()
	n.inode.Update(func(a *vfs.Attr) {
		s.Apply(a)
		n.size(a)
	})
	return nil
}

// size copies size and blocks from the store, if there is one.
func (n *node) size(a *vfs.Attr) {
	if st := n.store.Load(); st != nil {
		a.Size = int64(st.Size())
		a.Blocks = int64(st.Pages()) * 8
	}
}

func (n *node) GetAttr(vfs.Caller, *vfs.Inode) (vfs.Attr, error) { return n.inode.Attr(), nil }

// Evict frees everything.
func (n *node) Evict(*vfs.Inode) {
	s := n.fs
	if l := n.lower(); l != nil {
		s.mu.Lock()
		if s.nodes[l] == n {
			delete(s.nodes, l)
		}
		s.mu.Unlock()
	} else {
		s.made.Add(^uint64(0))
	}
	if st := n.store.Load(); st != nil {
		st.Release()
	}
	for _, l := range n.lowers {
		l.DecRef()
	}
	n.mu.Lock()
	added := n.added
	n.added = nil
	n.mu.Unlock()
	for _, a := range added {
		a.n.inode.DecRef()
	}
}

// copyUp returns the store of a regular file, which it fills with what the lower file holds, up to limit bytes, if
// there is none yet. Preconditions: n.write is held.
func (n *node) copyUp(c vfs.Caller, limit int64) (*pagestore.Store, error) {
	if st := n.store.Load(); st != nil {
		return st, nil
	}
	st := pagestore.New(n.fs.mf, memfile.FileData, n.fs)
	st.SetSeals(linux.F_SEAL_SEAL)
	if l := n.lower(); l != nil {
		size := min(n.inode.Attr().Size, limit)
		if err := fill(c, st, l, size); err != nil {
			st.Release()
			return nil, err
		}
	}
	n.pin()
	n.store.Store(st)
	return st, nil
}

// ownXattrsLocked copies the lower file's extended attributes to n, if that has not been done.
// Preconditions: mu is held for writing.
func (n *node) ownXattrsLocked(c vfs.Caller) error {
	if n.ownXattrs {
		return nil
	}
	if l := n.lower(); l != nil {
		names, err := l.Ops.ListXattr(c, l)
		if err != nil && err != errno.EOPNOTSUPP {
			return err
		}
		for _, name := range names {
			if strings.HasPrefix(name, overlayXattr) || vfs.XattrInMemory(name) != nil {
				continue
			}
			v, err := l.Ops.GetXattr(c, l, name)
			if err != nil {
				return err
			}
			if err := n.xattrs.Set(name, v, 0); err != nil {
				return err
			}
		}
	}
	n.ownXattrs = true
	n.pin()
	return nil
}

// overlayXattr are Linux's own marks in layers, which nobody sees.
const overlayXattr = "trusted.overlay."

func (n *node) GetXattr(c vfs.Caller, _ *vfs.Inode, name string) ([]byte, error) {
	if strings.HasPrefix(name, overlayXattr) {
		return nil, errno.EOPNOTSUPP
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if l := n.lower(); l != nil && !n.ownXattrs {
		return l.Ops.GetXattr(c, l, name)
	}
	return n.xattrs.Get(name)
}

func (n *node) changeXattrs(c vfs.Caller, name string, fn func() error) error {
	if strings.HasPrefix(name, overlayXattr) {
		return errno.EOPNOTSUPP
	}
	n.mu.Lock()
	err := n.ownXattrsLocked(c)
	if err == nil {
		err = fn()
	}
	n.mu.Unlock()
	if err == nil {
		now := c.Now()
		n.inode.Update(func(a *vfs.Attr) { a.Ctime = now })
	}
	return err
}

func (n *node) SetXattr(c vfs.Caller, _ *vfs.Inode, name string, value []byte, flags uint32) error {
	return n.changeXattrs(c, name, func() error { return n.xattrs.Set(name, value, flags) })
}

func (n *node) RemoveXattr(c vfs.Caller, _ *vfs.Inode, name string) error {
	n.mu.RLock()
	l, own := n.lower(), n.ownXattrs
	n.mu.RUnlock()
	if l != nil && !own {
		// Most files have none to remove.
		if _, err := l.Ops.GetXattr(c, l, name); err != nil {
			return err
		}
	}
	return n.changeXattrs(c, name, func() error { return n.xattrs.Remove(name) })
}

func (n *node) ListXattr(c vfs.Caller, _ *vfs.Inode) ([]string, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	l := n.lower()
	if l == nil || n.ownXattrs {
		return n.xattrs.List(), nil
	}
	names, err := l.Ops.ListXattr(c, l)
	seen := names[:0:0]
	for _, name := range names {
		if !strings.HasPrefix(name, overlayXattr) {
			seen = append(seen, name)
		}
	}
	return seen, err
}
