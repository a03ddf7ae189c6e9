package goferfs

import (
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/gofer/wire"
	"ringfence/sentry/vfs"
)

// Lookup implements vfs.InodeOps.
func (n *node) Lookup(c vfs.Caller, dir *vfs.Inode, name string) (*vfs.Inode, error) {
	found, err := n.Walk(c, dir, []string{name})
	if len(found) > 0 {
		return found[0], nil
	}
	if err == nil {
		err = errno.EIO
	}
	return nil, err
}

// Walk implements vfs.Walker.
func (n *node) Walk(_ vfs.Caller, dir *vfs.Inode, names []string) ([]*vfs.Inode, error) {
	if i, err := n.recall(dir, names[0]); i != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return []*vfs.Inode{i}, nil
	}
	h, err := n.dirHandle()
	if err != nil {
		return nil, err
	}
	nodes, err := n.fs.client.Walk(h, names, n.fs.shared)
	found := make([]*vfs.Inode, len(nodes))
	for i := range nodes {
		found[i] = n.fs.inode(&nodes[i], dir, names[i], false)
		dir = found[i]
	}
	return found, err
}

// Revalidate implements vfs.Revalidator, for shared mounts.
func (n *node) Revalidate(_ vfs.Caller, _ *vfs.Inode, name string, child *vfs.Inode) bool {
	h, err := n.dirHandle()
	if err != nil {
		return false
	}
	nodes, err := n.fs.client.Walk(h, []string{name}, false)
	if err != nil || child == nil {
		return err == errno.ENOENT && child == nil
	}
	cn := child.Ops.(*node)
	n.fs.client.CloseHandle(nodes[0].Handle)
	if (key{nodes[0].Attr.Dev, nodes[0].Attr.Ino}) != cn.key || nodes[0].Attr.Mode&linux.S_IFMT != child.Type() {
		return false
	}
	cn.update(&nodes[0].Attr)
	return true
}

// owner returns the owner and mode of a new file (Linux's inode_init_owner): a
// set-group-ID directory hands on its group, and to directories the bit too.
func owner(c vfs.Caller, dir *vfs.Inode, mode uint32) (uid, gid, newMode uint32) {
	cr := c.Creds()
	da := dir.Attr()
	uid, gid = uint32(cr.FSUID), uint32(cr.FSGID)
	if da.Mode&linux.S_ISGID == 0 {
		return uid, gid, mode
	}
	gid = uint32(da.GID)
	switch {
	case mode&linux.S_IFMT == linux.S_IFDIR:
		mode |= linux.S_ISGID
	case mode&(linux.S_ISGID|linux.S_IXGRP) == linux.S_ISGID|linux.S_IXGRP && !cr.InGroup(da.GID) && !cr.HasOver(linux.CAP_FSETID, da.UID, da.GID):
		mode &^= linux.S_ISGID
	}
	return uid, gid, mode
}

// touched notes that names in dir changed, and links to it from subdirectories by nlink.
func (n *node) touched(c vfs.Caller, dir *vfs.Inode, nlink int32) {
	n.fs.listings.changes.Add(1)
	n.changed.Store(true)
	now := c.Now()
	dir.Update(func(a *vfs.Attr) {
		a.Mtime, a.Ctime = now, now
		if a.Nlink > 1 { // Some file systems always say 1.
			a.Nlink += uint32(nlink)
		}
	})
}

// Create implements vfs.InodeOps. The descriptor is kept: open follows.
func (n *node) Create(c vfs.Caller, dir *vfs.Inode, name string, mode uint32) (*vfs.Inode, error) {
	h, err := n.dirHandle()
	if err != nil {
		return nil, err
	}
	uid, gid, mode := owner(c, dir, mode)
	w, fd, err := n.fs.client.Create(h, name, mode, uid, gid)
	if err != nil {
		return nil, err
	}
	n.touched(c, dir, 0)
	i := n.fs.inode(&w, dir, name, false)
	i.Ops.(*node).adopt(fd, true)
	return i, nil
}

// Tmpfile implements vfs.InodeOps.
func (n *node) Tmpfile(c vfs.Caller, dir *vfs.Inode, mode uint32) (*vfs.Inode, error) {
	h, err := n.dirHandle()
	if err != nil {
		return nil, err
	}
	uid, gid, mode := owner(c, dir, mode)
	w, fd, err := n.fs.client.Tmpfile(h, mode, uid, gid)
	if err != nil {
		return nil, err
	}
	i := n.fs.inode(&w, dir, "", false)
	i.Ops.(*node).adopt(fd, true)
	return i, nil
}

// make makes what need not be opened.
func (n *node) make(c vfs.Caller, dir *vfs.Inode, r wire.MakeRequest) (*vfs.Inode, error) {
	h, err := n.dirHandle()
	if err != nil {
		return nil, err
	}
	r.Dir = h
	r.UID, r.GID, r.Mode = owner(c, dir, r.Mode)
	w, err := n.fs.client.Make(&r)
	if err != nil {
		return nil, err
	}
	nlink := int32(0)
	if r.Mode&linux.S_IFMT == linux.S_IFDIR {
		nlink = 1
	}
	n.touched(c, dir, nlink)
	return n.fs.inode(&w, dir, r.Name, false), nil
}

// Mkdir implements vfs.InodeOps.
func (n *node) Mkdir(c vfs.Caller, dir *vfs.Inode, name string, mode uint32) (*vfs.Inode, error) {
	return n.make(c, dir, wire.MakeRequest{Name: name, Mode: mode&^linux.S_IFMT | linux.S_IFDIR})
}

// Mknod implements vfs.InodeOps. The gofer refuses devices.
func (n *node) Mknod(c vfs.Caller, dir *vfs.Inode, name string, mode uint32, rdev uint64) (*vfs.Inode, error) {
	return n.make(c, dir, wire.MakeRequest{Name: name, Mode: mode, Rdev: rdev})
}

// Symlink implements vfs.InodeOps.
func (n *node) Symlink(c vfs.Caller, dir *vfs.Inode, name, target string) (*vfs.Inode, error) {
	return n.make(c, dir, wire.MakeRequest{Name: name, Mode: linux.S_IFLNK | 0o777, Target: target})
}

// Link implements vfs.InodeOps.
func (n *node) Link(c vfs.Caller, dir *vfs.Inode, name string, target *vfs.Inode) error {
	h, err := n.dirHandle()
	if err != nil {
		return err
	}
	t := target.Ops.(*node)
	err = t.withRef(func(r wire.Ref) error {
		a, err := n.fs.client.Link(r, h, name)
		if err == nil {
			t.update(&a)
		}
		return err
	})
	if err == nil {
		n.touched(c, dir, 0)
	}
	return err
}

// Unlink implements vfs.InodeOps.
func (n *node) Unlink(c vfs.Caller, dir *vfs.Inode, name string, child *vfs.Inode) error {
	return n.remove(c, dir, name, child, false)
}

// Rmdir implements vfs.InodeOps.
func (n *node) Rmdir(c vfs.Caller, dir *vfs.Inode, name string, child *vfs.Inode) error {
	return n.remove(c, dir, name, child, true)
}

func (n *node) remove(c vfs.Caller, dir *vfs.Inode, name string, child *vfs.Inode, rmdir bool) error {
	h, err := n.dirHandle()
	if err != nil {
		return err
	}
	cn := child.Ops.(*node)
	kept, err := n.fs.client.Unlink(h, name, rmdir, cn.foundAt(dir, name))
	if err != nil {
		return err
	}
	cn.setHandle(kept)
	cn.unlinked(c, rmdir)
	nlink := int32(0)
	if rmdir {
		nlink = -1
	}
	n.touched(c, dir, nlink)
	return nil
}

// unlinked notes that a name of n is gone.
func (n *node) unlinked(c vfs.Caller, isDir bool) {
	now := c.Now()
	n.changed.Store(true)
	n.inode.Update(func(a *vfs.Attr) {
		a.Ctime = now
		if isDir {
			a.Nlink = 0
		} else if a.Nlink > 0 {
			a.Nlink--
		}
	})
}

// Rename implements vfs.InodeOps.
func (n *node) Rename(c vfs.Caller, dir *vfs.Inode, oldName string, old *vfs.Inode, newDir *vfs.Inode, newName string, target *vfs.Inode, flags uint32) error {
	h, err := n.dirHandle()
	if err != nil {
		return err
	}
	to := newDir.Ops.(*node)
	toHandle, err := to.dirHandle()
	if err != nil {
		return err
	}
	exchange := flags&linux.RENAME_EXCHANGE != 0
	keep := target != nil && !exchange && target.Ops.(*node).foundAt(newDir, newName)
	kept, err := n.fs.client.Rename(h, oldName, toHandle, newName, flags, keep)
	if err != nil {
		return err
	}
	on := old.Ops.(*node)
	wasHere := on.foundAt(dir, oldName)
	if target != nil {
		tn := target.Ops.(*node)
		if exchange {
			if tn.foundAt(newDir, newName) {
				tn.move(dir, oldName)
			}
		} else {
			tn.setHandle(kept)
			tn.unlinked(c, target.Type() == linux.S_IFDIR)
		}
	} else {
		n.fs.client.CloseHandle(kept)
	}
	if wasHere {
		on.move(newDir, newName)
	}
	now := c.Now()
	on.changed.Store(true)
	old.Update(func(a *vfs.Attr) { a.Ctime = now })
	// A directory that leaves, or a directory that is replaced, is one link less.
	from, into := int32(0), int32(0)
	if old.Type() == linux.S_IFDIR {
		from, into = -1, 1
	}
	if target != nil && target.Type() == linux.S_IFDIR {
		into--
		if exchange {
			from++
		}
	}
	if dir == newDir {
		from += into
	}
	n.touched(c, dir, from)
	if dir != newDir {
		to.touched(c, newDir, into)
	}
	return nil
}

// dirFile is an open directory. It shows the directory as it was when it was opened
// or rewound: position 0 is ".", 1 "..", the rest the listing's order.
type dirFile struct {
	vfs.BaseFile
	n *node

	mu   sync.Mutex
	list *listing // guarded by mu
}

// ReadDir implements vfs.FileOps.
func (d *dirFile) ReadDir(_ vfs.Caller, f *vfs.File, emit func(vfs.Dirent) bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.list == nil || f.Pos == 0 {
		l, err := d.n.list()
		if err != nil {
			return err
		}
		d.list = l
	}
	for f.Pos < int64(len(d.list.entries))+2 {
		e := vfs.Dirent{Type: linux.DT_DIR, Next: f.Pos + 1}
		switch f.Pos {
		case 0:
			e.Name, e.Ino = ".", d.n.inode.Ino()
		case 1:
			e.Name, e.Ino = "..", f.Path.Dentry.Parent().Inode().Ino()
		default:
			h := &d.list.entries[f.Pos-2]
			e.Name, e.Type = h.Name, h.Type
			if h.HasNode {
				e.Ino = d.n.fs.ino(h.Node.Attr.Dev, h.Node.Attr.Ino)
			} else {
				e.Ino = d.n.fs.ino(d.n.key.dev, h.Ino)
			}
		}
		if !emit(e) {
			return nil
		}
		f.Pos = e.Next
	}
	return nil
}

// Sync implements vfs.FileOps: what is in the directory is safe when its file system is.
func (d *dirFile) Sync(vfs.Caller, *vfs.File, bool) error {
	if d.n.fs.readOnly {
		return nil
	}
	return d.n.withRef(d.n.fs.client.Sync)
}
