package overlay

import (
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/vfs"
)

// add gives dir a name, for which it takes a reference to child. The name must not show.
func (n *node) add(name string, child *node) {
	n.pin()
	child.inode.IncRef()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.added == nil {
		n.added = make(map[string]addition)
	}
	n.seq++
	n.listed = nil
	n.added[name] = addition{child, n.seq}
}

// remove takes a name away: one that was added goes, one of the lowers is hidden. The caller drops the
// reference to the inode that is returned, which may be nil.
func (n *node) remove(name string) *vfs.Inode {
	n.pin()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seq++
	n.listed = nil
	if a, ok := n.added[name]; ok {
		delete(n.added, name)
		return a.n.inode
	}
	if n.hidden == nil {
		n.hidden = make(map[string]bool)
	}
	n.hidden[strings.Clone(name)] = true
	return nil
}

// drop drops a reference that may not be there.
func drop(i *vfs.Inode) {
	if i != nil {
		i.DecRef()
	}
}

// make makes a file that has no lower one, and names it, unless name is empty.
func (n *node) make(c vfs.Caller, name string, mode uint32, rdev uint64, target string) (*vfs.Inode, error) {
	s := n.fs
	if err := charge(&s.made, s.maxMade, 1); err != nil {
		return nil, err
	}
	uid, gid, mode := vfs.InitOwner(c, n.inode, mode)
	now := c.Now()
	a := vfs.Attr{
		Ino: s.sb.NextIno() + addedIno, Mode: mode, UID: uid, GID: gid, Rdev: rdev, Nlink: 1, Size: int64(len(target)),
		BlkSize: 4096, Atime: now, Mtime: now, Ctime: now, Btime: now,
	}
	isDir := mode&linux.S_IFMT == linux.S_IFDIR
	if isDir {
		a.Nlink = 2
		a.Size = 40
	}
	if name == "" {
		a.Nlink = 0
	}
	child := &node{fs: s, target: target, ownXattrs: true}
	child.inode = vfs.NewInode(s.sb, child, a)
	if name != "" {
		n.add(strings.Clone(name), child)
		n.touch(c, isDir, +1)
	}
	return child.inode, nil
}

// touch notes that names in a directory changed, and links to it from subdirectories by d if isDir.
func (n *node) touch(c vfs.Caller, isDir bool, d int) {
	now := c.Now()
	n.inode.Update(func(a *vfs.Attr) {
		a.Mtime, a.Ctime = now, now
		// Some file systems always say 1.
		if isDir && a.Nlink > 1 {
			a.Nlink = uint32(int(a.Nlink) + d)
		}
	})
}

// relink changes the link count of a file by d; a directory has none of its names left.
func (n *node) relink(c vfs.Caller, d int) {
	now := c.Now()
	gone := false
	n.inode.Update(func(a *vfs.Attr) {
		a.Ctime = now
		switch {
		case d < 0 && n.inode.Type() == linux.S_IFDIR:
			a.Nlink = 0
		case d > 0 || a.Nlink > 0:
			a.Nlink = uint32(int(a.Nlink) + d)
		}
		gone = a.Nlink == 0
	})
	if gone && d < 0 {
		n.unpin()
	} else {
		n.pin()
	}
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
	n.add(name, t)
	t.relink(c, +1)
	n.touch(c, false, 0)
	return nil
}

func (n *node) Unlink(c vfs.Caller, _ *vfs.Inode, name string, target *vfs.Inode) error {
	old := n.remove(name)
	target.Ops.(*node).relink(c, -1)
	n.touch(c, false, 0)
	drop(old)
	return nil
}

func (n *node) Rmdir(c vfs.Caller, _ *vfs.Inode, name string, target *vfs.Inode) error {
	t := target.Ops.(*node)
	if err := t.empty(c); err != nil {
		return err
	}
	old := n.remove(name)
	t.relink(c, -1)
	n.touch(c, true, -1)
	drop(old)
	return nil
}

// empty returns ENOTEMPTY if the directory shows a name.
func (n *node) empty(c vfs.Caller) error {
	n.mu.RLock()
	more := len(n.added) > 0
	n.mu.RUnlock()
	if more {
		return errno.ENOTEMPTY
	}
	list, err := n.lowerNames(c)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return errno.ENOTEMPTY
	}
	return nil
}

func (n *node) Rename(c vfs.Caller, _ *vfs.Inode, oldName string, old *vfs.Inode, newDir *vfs.Inode, newName string, target *vfs.Inode, flags uint32) error {
	o, nd := old.Ops.(*node), newDir.Ops.(*node)
	var t *node
	if target != nil {
		t = target.Ops.(*node)
	}
	oDir := old.Type() == linux.S_IFDIR
	tDir := t != nil && target.Type() == linux.S_IFDIR
	exchange := flags&linux.RENAME_EXCHANGE != 0
	if tDir && !exchange {
		if err := t.empty(c); err != nil {
			return err
		}
	}
	// The file may hang on nothing but its name.
	old.IncRef()
	defer old.DecRef()
	drop(n.remove(oldName))
	if t != nil {
		target.IncRef()
		defer target.DecRef()
		drop(nd.remove(newName))
	}
	nd.add(newName, o)
	n.touch(c, oDir, -1)
	nd.touch(c, oDir, +1)
	o.relink(c, 0)
	switch {
	case exchange:
		n.add(oldName, t)
		n.touch(c, tDir, +1)
		nd.touch(c, tDir, -1)
		t.relink(c, 0)
	case t != nil:
		nd.touch(c, tDir, -1)
		t.relink(c, -1)
	}
	if flags&linux.RENAME_WHITEOUT != 0 {
		w, err := n.make(c, oldName, linux.S_IFCHR, 0, "")
		drop(w)
		return err
	}
	return nil
}
