package tmpfs

import (
	"strings"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/memfile"
	"ringfence/sentry/pagestore"
	"ringfence/sentry/vfs"
)

// node is a file of any type.
type node struct {
	vfs.BaseInode
	fs    *super
	inode *vfs.Inode

	store  *pagestore.Store // of a regular file
	target string           // of a symbolic link
	dir    directory        // of a directory; guarded by fs.mu

	// mu serializes writes to a regular file, and guards xattrs.
	mu     sync.Mutex
	xattrs vfs.Xattrs

	file regular // the operations of open files, without state
	list dirFile
}

// newNode returns a node whose inode has one reference. The caller has charged an inode.
func (s *super) newNode(c vfs.Caller, a vfs.Attr) *node {
	n := &node{fs: s}
	n.file.n, n.list.n = n, n
	now := c.Now()
	a.Atime, a.Mtime, a.Ctime, a.Btime = now, now, now, now
	a.BlkSize = 4096
	switch a.Mode & linux.S_IFMT {
	case linux.S_IFREG:
		n.store = pagestore.New(s.mf, memfile.FileData, s)
		n.store.SetSeals(linux.F_SEAL_SEAL)
	case linux.S_IFDIR:
		a.Size = 2 * direntSize
	}
	n.inode = vfs.NewInode(s.sb, n, a)
	return n
}

// make makes a new node and names it, if name is not empty. The result has a reference for the
// caller.
func (n *node) make(c vfs.Caller, name string, mode uint32, rdev uint64, target string) (*vfs.Inode, error) {
	s := n.fs
	if err := charge(&s.inodes, &s.maxInodes, 1); err != nil {
		return nil, err
	}
	uid, gid, mode := vfs.InitOwner(c, n.inode, mode)
	a := vfs.Attr{Mode: mode, UID: uid, GID: gid, Rdev: rdev, Nlink: 1, Size: int64(len(target))}
	isDir := mode&linux.S_IFMT == linux.S_IFDIR
	if isDir {
		a.Nlink = 2
	}
	if name == "" {
		a.Nlink = 0
	}
	child := s.newNode(c, a)
	child.target = target
	if name == "" {
		return child.inode, nil
	}
	s.mu.Lock()
	ok := n.dir.add(name, child)
	s.mu.Unlock()
	if !ok {
		child.inode.DecRef()
		return nil, errno.EEXIST
	}
	child.inode.IncRef()
	n.changed(c, +1, isDir, isDir)
	return child.inode, nil
}

// direntSize is what a name counts in a directory's st_size (BOGO_DIRENT_SIZE).
const direntSize = 20

// changed notes in a directory's attributes that names were added or, with d below zero, removed.
func (n *node) changed(c vfs.Caller, d int, isDir, link bool) {
	now := c.Now()
	n.inode.Update(func(a *vfs.Attr) {
		a.Mtime, a.Ctime = now, now
		a.Size += int64(d) * direntSize
		if link {
			a.Nlink = uint32(int(a.Nlink) + d)
		}
	})
}

func (n *node) SetAttr(c vfs.Caller, _ *vfs.Inode, s vfs.SetAttr) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.Mask&vfs.SetMode != 0 && n.store != nil && n.store.Seals()&linux.F_SEAL_EXEC != 0 &&
		(s.Mode^n.inode.Attr().Mode)&0o111 != 0 {
		return errno.EPERM
	}
	if s.Mask&vfs.SetSize != 0 {
		if n.store == nil {
			return errno.EINVAL
		}
		if err := n.store.Truncate(uint64(s.Size)); err != nil {
			return err
		}
	}
	n.inode.Update(func(a *vfs.Attr) {
		s.Apply(a)
		if n.store != nil {
			n.sizeLocked(a)
		}
	})
	return nil
}

// sizeLocked copies size and blocks from the store.
func (n *node) sizeLocked(a *vfs.Attr) {
	a.Size = int64(n.store.Size())
	a.Blocks = int64(n.store.Pages()) * 8
}

func (n *node) GetAttr(vfs.Caller, *vfs.Inode) (vfs.Attr, error) { return n.inode.Attr(), nil }

func (n *node) Lookup(_ vfs.Caller, _ *vfs.Inode, name string) (*vfs.Inode, error) {
	n.fs.mu.RLock()
	defer n.fs.mu.RUnlock()
	child := n.dir.find(name)
	if child == nil {
		return nil, errno.ENOENT
	}
	child.inode.IncRef()
	return child.inode, nil
}

func (n *node) Create(c vfs.Caller, _ *vfs.Inode, name string, mode uint32) (*vfs.Inode, error) {
	return n.make(c, name, mode, 0, "")
}

func (n *node) Mknod(c vfs.Caller, _ *vfs.Inode, name string, mode uint32, rdev uint64) (*vfs.Inode, error) {
	return n.make(c, name, mode, rdev, "")
}

func (n *node) Mkdir(c vfs.Caller, _ *vfs.Inode, name string, mode uint32) (*vfs.Inode, error) {
	return n.make(c, name, mode, 0, "")
}

func (n *node) Symlink(c vfs.Caller, _ *vfs.Inode, name, target string) (*vfs.Inode, error) {
	return n.make(c, name, linux.S_IFLNK|0o777, 0, strings.Clone(target))
}

func (n *node) Tmpfile(c vfs.Caller, _ *vfs.Inode, mode uint32) (*vfs.Inode, error) {
	return n.make(c, "", mode, 0, "")
}

func (n *node) Link(c vfs.Caller, _ *vfs.Inode, name string, target *vfs.Inode) error {
	t := target.Ops.(*node)
	n.fs.mu.Lock()
	ok := n.dir.add(name, t)
	n.fs.mu.Unlock()
	if !ok {
		return errno.EEXIST
	}
	target.IncRef()
	t.relink(c, +1)
	n.changed(c, +1, false, false)
	return nil
}

// relink changes the link count of something that is no directory.
func (n *node) relink(c vfs.Caller, d int) {
	now := c.Now()
	n.inode.Update(func(a *vfs.Attr) {
		a.Nlink = uint32(int(a.Nlink) + d)
		a.Ctime = now
	})
}

func (n *node) Unlink(c vfs.Caller, _ *vfs.Inode, name string, target *vfs.Inode) error {
	t := target.Ops.(*node)
	n.fs.mu.Lock()
	ok := n.dir.remove(name, t)
	n.fs.mu.Unlock()
	if !ok {
		return errno.ENOENT
	}
	t.relink(c, -1)
	n.changed(c, -1, false, false)
	target.DecRef()
	return nil
}

func (n *node) Rmdir(c vfs.Caller, _ *vfs.Inode, name string, target *vfs.Inode) error {
	t := target.Ops.(*node)
	n.fs.mu.Lock()
	if t.dir.len() > 0 {
		n.fs.mu.Unlock()
		return errno.ENOTEMPTY
	}
	ok := n.dir.remove(name, t)
	n.fs.mu.Unlock()
	if !ok {
		return errno.ENOENT
	}
	t.dead(c)
	n.changed(c, -1, true, true)
	target.DecRef()
	return nil
}

// dead notes that a directory has no name any more.
func (n *node) dead(c vfs.Caller) {
	now := c.Now()
	n.inode.Update(func(a *vfs.Attr) { a.Nlink, a.Ctime = 0, now })
}

func (n *node) Rename(c vfs.Caller, _ *vfs.Inode, oldName string, old *vfs.Inode, newDir *vfs.Inode, newName string, target *vfs.Inode, flags uint32) error {
	s := n.fs
	o, nd := old.Ops.(*node), newDir.Ops.(*node)
	oIsDir := old.Type() == linux.S_IFDIR
	if flags&linux.RENAME_EXCHANGE != 0 {
		t := target.Ops.(*node)
		tIsDir := target.Type() == linux.S_IFDIR
		s.mu.Lock()
		n.dir.replace(oldName, t)
		nd.dir.replace(newName, o)
		s.mu.Unlock()
		if n != nd && oIsDir != tIsDir {
			from, to := n, nd
			if tIsDir {
				from, to = nd, n
			}
			from.inode.Update(func(a *vfs.Attr) { a.Nlink-- })
			to.inode.Update(func(a *vfs.Attr) { a.Nlink++ })
		}
		n.changed(c, 0, false, false)
		nd.changed(c, 0, false, false)
		o.relink(c, 0)
		t.relink(c, 0)
		return nil
	}
	var whiteout *node
	if flags&linux.RENAME_WHITEOUT != 0 {
		if err := charge(&s.inodes, &s.maxInodes, 1); err != nil {
			return err
		}
		uid, gid, _ := vfs.InitOwner(c, n.inode, 0)
		whiteout = s.newNode(c, vfs.Attr{Mode: linux.S_IFCHR, Nlink: 1, UID: uid, GID: gid})
	}
	var t *node
	s.mu.Lock()
	if target != nil {
		t = target.Ops.(*node)
		if t.dir.len() > 0 {
			s.mu.Unlock()
			if whiteout != nil {
				whiteout.inode.DecRef()
			}
			return errno.ENOTEMPTY
		}
		nd.dir.remove(newName, t)
	}
	n.dir.remove(oldName, o)
	nd.dir.add(newName, o)
	if whiteout != nil {
		n.dir.add(oldName, whiteout)
		n.changed(c, +1, false, false)
	}
	s.mu.Unlock()
	n.changed(c, -1, oIsDir, oIsDir)
	nd.changed(c, +1, oIsDir, oIsDir)
	if t != nil {
		if target.Type() == linux.S_IFDIR {
			nd.changed(c, -1, true, true)
			t.dead(c)
		} else {
			nd.changed(c, -1, false, false)
			t.relink(c, -1)
		}
		target.DecRef()
	}
	o.relink(c, 0)
	return nil
}

func (n *node) Readlink(vfs.Caller, *vfs.Inode) (string, error) {
	if n.inode.Type() != linux.S_IFLNK {
		return "", errno.EINVAL
	}
	return n.target, nil
}

func (n *node) Open(_ vfs.Caller, _ *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	switch n.inode.Type() {
	case linux.S_IFREG:
		return &n.file, nil
	case linux.S_IFDIR:
		return &n.list, nil
	}
	return nil, errno.ENXIO
}

// Evict frees everything. A directory still has names only if the file system goes as a whole.
func (n *node) Evict(*vfs.Inode) {
	if n.store != nil {
		n.store.Release()
	}
	n.fs.inodes.Add(^uint64(0))
	n.fs.mu.Lock()
	all := n.dir.clear()
	n.fs.mu.Unlock()
	for _, child := range all {
		child.inode.DecRef()
	}
}

func (n *node) GetXattr(_ vfs.Caller, _ *vfs.Inode, name string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.xattrs.Get(name)
}

func (n *node) SetXattr(c vfs.Caller, _ *vfs.Inode, name string, value []byte, flags uint32) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.xattrs.Set(name, value, flags)
	if err == nil {
		n.relink(c, 0)
	}
	return err
}

func (n *node) ListXattr(vfs.Caller, *vfs.Inode) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.xattrs.List(), nil
}

func (n *node) RemoveXattr(c vfs.Caller, _ *vfs.Inode, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.xattrs.Remove(name)
	if err == nil {
		n.relink(c, 0)
	}
	return err
}
