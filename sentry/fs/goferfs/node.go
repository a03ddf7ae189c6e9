package goferfs

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/gofer/wire"
	"ringfence/sentry/creds"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
)

// node is a host file. It implements vfs.InodeOps, vfs.Walker, vfs.Revalidator and
// mappable.Mappable.
type node struct {
	vfs.BaseInode
	// Immutable after inode.
	fs     *filesystem
	key    key
	inode  *vfs.Inode
	target string // of a symbolic link
	file   file   // the FileOps of all who have the regular file open
	// fromListing: it was found in a listing of its directory.
	fromListing bool

	// changed: attributes may differ from what a listing remembers.
	changed atomic.Bool
	// host is the donated descriptor of a regular file, or nil. It is changed under
	// mu, and not taken away while opens is not 0.
	host atomic.Pointer[memfile.HostFile]

	mu      sync.Mutex
	handle  wire.Handle         // guarded by mu; set once
	parent  *vfs.Inode          // guarded by mu; holds a reference; nil once handle is set
	name    string              // in parent; guarded by mu
	opens   int                 // open files; guarded by mu
	retired []*memfile.HostFile // descriptors that host replaced while in use; guarded by mu
	queued  bool                // in filesystem.idle; guarded by mu
	maps    mappable.Mappings   // guarded by mu
	xattrs  []string            // names, if xattrsKnown; guarded by mu
	// xattrsKnown is only ever set in exclusive mounts. Guarded by mu.
	xattrsKnown bool
}

// inode returns the inode of what the gofer described, with a reference; it was found as
// name in parent, by a listing if listed, or is a root if parent is nil. It takes over the handle.
func (fs *filesystem) inode(w *wire.Node, parent *vfs.Inode, name string, listed bool) *vfs.Inode {
	a := fs.attr(&w.Attr)
	k := key{w.Attr.Dev, w.Attr.Ino}
	fs.mu.Lock()
	if n := fs.nodes[k]; n != nil && n.inode.Type() == a.Mode&linux.S_IFMT && n.inode.TryIncRef() {
		fs.mu.Unlock()
		n.setHandle(w.Handle)
		if fs.shared {
			n.inode.Update(func(old *vfs.Attr) { *old = a })
		}
		return n.inode
	}
	n := &node{fs: fs, key: k, target: w.Target, handle: w.Handle, fromListing: listed}
	n.file.n = n
	if n.handle == 0 {
		parent.IncRef()
		n.parent, n.name = parent, name
	}
	n.inode = vfs.NewInode(fs.sb, n, a)
	fs.nodes[k] = n
	fs.mu.Unlock()
	return n.inode
}

// attr converts attributes.
func (fs *filesystem) attr(a *wire.Attr) vfs.Attr {
	return vfs.Attr{
		Ino: fs.ino(a.Dev, a.Ino), Mode: a.Mode, Nlink: a.Nlink, UID: creds.UID(a.UID), GID: creds.GID(a.GID),
		Rdev: a.Rdev, Size: a.Size, Blocks: a.Blocks, BlkSize: a.BlkSize,
		Atime: a.Atime, Mtime: a.Mtime, Ctime: a.Ctime, Btime: a.Btime,
		Flags: a.Flags &^ linux.STATX_ATTR_MOUNT_ROOT,
	}
}

// update takes over what the gofer said after a change.
func (n *node) update(a *wire.Attr) {
	v := n.fs.attr(a)
	n.changed.Store(true)
	n.inode.Update(func(old *vfs.Attr) { *old = v })
}

// setHandle gives n a handle unless it has one already. 0 is ignored.
func (n *node) setHandle(h wire.Handle) {
	if h == 0 {
		return
	}
	n.mu.Lock()
	if n.handle != 0 {
		n.mu.Unlock()
		n.fs.client.CloseHandle(h)
		return
	}
	n.handle = h
	parent := n.parent
	n.parent, n.name = nil, ""
	n.mu.Unlock()
	if parent != nil {
		parent.DecRef()
	}
}

// move says that n is found as name in parent from now on.
func (n *node) move(parent *vfs.Inode, name string) {
	n.mu.Lock()
	if n.handle != 0 {
		n.mu.Unlock()
		return
	}
	old := n.parent
	parent.IncRef()
	n.parent, n.name = parent, name
	n.mu.Unlock()
	old.DecRef()
}

// foundAt reports whether n has no handle and is remembered as name in parent: that
// name must not go before n gets a handle.
func (n *node) foundAt(parent *vfs.Inode, name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.handle == 0 && n.parent == parent && n.name == name
}

// withRef calls fn with a reference to n that the gofer understands. Where n was
// renamed meanwhile fn is called again.
func (n *node) withRef(fn func(wire.Ref) error) error {
	for try := 0; ; try++ {
		n.mu.Lock()
		h, parent, name := n.handle, n.parent, n.name
		if h != 0 {
			n.mu.Unlock()
			return fn(wire.Ref{Handle: h})
		}
		parent.IncRef()
		n.mu.Unlock()
		dir, err := parent.Ops.(*node).dirHandle()
		if err == nil {
			err = fn(wire.Ref{Handle: dir, Name: name, Dev: n.key.dev, Ino: n.key.ino})
		}
		parent.DecRef()
		if err != errno.ESTALE || try == 3 {
			return err
		}
	}
}

// dirHandle returns n's handle, and gets one if it has none.
func (n *node) dirHandle() (wire.Handle, error) {
	err := n.withRef(func(r wire.Ref) error {
		if r.Name == "" {
			return nil
		}
		found, err := n.fs.client.Walk(r.Handle, []string{r.Name}, true)
		switch {
		case err == errno.ENOENT:
			return errno.ESTALE
		case err != nil:
			return err
		case found[0].Attr.Ino != r.Ino || found[0].Attr.Dev != r.Dev:
			n.fs.client.CloseHandle(found[0].Handle)
			return errno.ESTALE
		}
		n.setHandle(found[0].Handle)
		return nil
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.handle, err
}

// Evict implements vfs.InodeOps.
func (n *node) Evict(*vfs.Inode) {
	fs := n.fs
	fs.mu.Lock()
	if fs.nodes[n.key] == n {
		delete(fs.nodes, n.key)
	}
	fs.mu.Unlock()
	if n.inode.Type() == linux.S_IFDIR {
		fs.listings.drop(n)
	}
	if n.changed.Load() {
		fs.listings.changes.Add(1)
	}
	n.mu.Lock()
	h, parent := n.handle, n.parent
	n.parent = nil
	n.closeHostLocked()
	n.mu.Unlock()
	fs.client.CloseHandle(h)
	if parent != nil {
		parent.DecRef()
	}
}

// GetAttr implements vfs.InodeOps. It is asked in shared mounts only.
func (n *node) GetAttr(_ vfs.Caller, i *vfs.Inode) (vfs.Attr, error) {
	if !n.fs.shared {
		return i.Attr(), nil
	}
	err := n.withRef(func(r wire.Ref) error {
		a, err := n.fs.client.GetAttr(r)
		if err == nil {
			n.update(&a)
		}
		return err
	})
	return i.Attr(), err
}

// SetAttr implements vfs.InodeOps.
func (n *node) SetAttr(_ vfs.Caller, i *vfs.Inode, s vfs.SetAttr) error {
	req := wire.SetAttrRequest{
		Mode: s.Mode, UID: uint32(s.UID), GID: uint32(s.GID), Size: s.Size, Atime: s.Atime, Mtime: s.Mtime,
	}
	for _, m := range [...]struct {
		vfs  vfs.AttrMask
		wire uint32
	}{
		{vfs.SetMode, wire.SetMode}, {vfs.SetUID, wire.SetUID}, {vfs.SetGID, wire.SetGID},
		{vfs.SetSize, wire.SetSize}, {vfs.SetAtime, wire.SetAtime}, {vfs.SetMtime, wire.SetMtime},
	} {
		if s.Mask&m.vfs != 0 {
			req.Mask |= m.wire
		}
	}
	if req.Mask == 0 {
		// The host sets ctime by itself, and there is no way to say when.
		i.Update(func(a *vfs.Attr) { a.Ctime = s.Ctime })
		return nil
	}
	if n.fs.readOnly {
		return errno.EROFS
	}
	old := i.Attr().Size
	if req.Mask == wire.SetSize || req.Mask == wire.SetSize|wire.SetMtime {
		if done, err := n.truncateHost(s.Size); done {
			if err == nil {
				n.shrunk(old, s.Size)
			}
			return err
		}
	}
	err := n.withRef(func(r wire.Ref) error {
		req.Ref = r
		a, err := n.fs.client.SetAttr(&req)
		if err == nil {
			n.update(&a)
		}
		return err
	})
	if err == nil && req.Mask&wire.SetSize != 0 {
		n.shrunk(old, s.Size)
	}
	return err
}

// Readlink implements vfs.InodeOps.
func (n *node) Readlink(_ vfs.Caller, i *vfs.Inode) (string, error) {
	if i.Type() != linux.S_IFLNK {
		return "", errno.EINVAL
	}
	return n.target, nil // A link never changes.
}

// xattrNames returns the names of the extended attributes.
func (n *node) xattrNames() ([]string, error) {
	n.mu.Lock()
	names, known := n.xattrs, n.xattrsKnown
	n.mu.Unlock()
	if known {
		return names, nil
	}
	err := n.withRef(func(r wire.Ref) (err error) {
		names, err = n.fs.client.ListXattr(r)
		return err
	})
	if err == errno.EOPNOTSUPP {
		names, err = nil, nil
	}
	if err == nil && !n.fs.shared {
		n.mu.Lock()
		n.xattrs, n.xattrsKnown = names, true
		n.mu.Unlock()
	}
	return names, err
}

func (n *node) forgetXattrs() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.xattrs, n.xattrsKnown = nil, false
}

// ListXattr implements vfs.InodeOps.
func (n *node) ListXattr(vfs.Caller, *vfs.Inode) ([]string, error) { return n.xattrNames() }

// GetXattr implements vfs.InodeOps.
func (n *node) GetXattr(_ vfs.Caller, _ *vfs.Inode, name string) ([]byte, error) {
	n.mu.Lock()
	empty := n.xattrsKnown && len(n.xattrs) == 0
	n.mu.Unlock()
	if !empty && !n.fs.shared {
		// Most files have none, and programs ask for several names.
		names, err := n.xattrNames()
		empty = err == nil && len(names) == 0
	}
	if empty {
		return nil, errno.ENODATA
	}
	var v []byte
	err := n.withRef(func(r wire.Ref) (err error) {
		v, err = n.fs.client.GetXattr(r, name)
		return err
	})
	return v, err
}

// SetXattr implements vfs.InodeOps.
func (n *node) SetXattr(c vfs.Caller, i *vfs.Inode, name string, value []byte, flags uint32) error {
	return n.changeXattr(c, i, func(r wire.Ref) error { return n.fs.client.SetXattr(r, name, value, flags) })
}

// RemoveXattr implements vfs.InodeOps.
func (n *node) RemoveXattr(c vfs.Caller, i *vfs.Inode, name string) error {
	return n.changeXattr(c, i, func(r wire.Ref) error { return n.fs.client.RemoveXattr(r, name) })
}

func (n *node) changeXattr(c vfs.Caller, i *vfs.Inode, fn func(wire.Ref) error) error {
	if n.fs.readOnly {
		return errno.EROFS
	}
	err := n.withRef(fn)
	n.forgetXattrs()
	if err == nil {
		n.changed.Store(true)
		i.Update(func(a *vfs.Attr) { a.Ctime = c.Now() })
	}
	return err
}
