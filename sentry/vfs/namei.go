package vfs

import (
	"strconv"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// resolveParent walks to the parent of path's last component. The caller releases the walk.
func (v *VFS) resolveParent(c Caller, start Path, path string) (*walk, error) {
	if path == "" {
		return nil, errno.ENOENT
	}
	w := new(walk)
	if err := w.begin(v, c, start, path, 0); err != nil {
		return nil, err
	}
	if err := w.run(true); err != nil {
		w.release()
		return nil, err
	}
	return w, nil
}

// makeName walks to where a new name shall be made and calls fn with the directory, whose inode is
// locked. fn returns the new inode, for which a referenced path is returned. target is what a link is made to,
// or nil, and typ the type of what is made.
func (v *VFS) makeName(c Caller, start Path, path string, typ uint32, target *Path, fn func(at Path, name string) (*Inode, error)) (Path, error) {
	w, err := v.resolveParent(c, start, path)
	if err != nil {
		return Path{}, err
	}
	defer w.release()
	if w.lastType != lastNorm {
		return Path{}, errno.EEXIST
	}
	isDir := typ == linux.S_IFDIR && target == nil
	dir, name := w.at.Dentry, cloneName(w.last)
	n := dir.Inode()
	n.rw.Lock()
	defer n.rw.Unlock()
	d, err := lookupLocked(c, dir, name, "")
	if err != nil {
		return Path{}, err
	}
	exists := d.Inode() != nil
	d.DecRef()
	switch {
	case exists:
		return Path{}, errno.EEXIST
	case w.slash && !isDir:
		return Path{}, errno.ENOENT
	case w.at.Mount.ReadOnly():
		return Path{}, errno.EROFS
	case target != nil && w.at.Mount != target.Mount:
		return Path{}, errno.EXDEV
	}
	if target != nil {
		if err := v.mayLinkto(c, target.Inode()); err != nil {
			return Path{}, err
		}
		err = v.mayLinkLandlocked(c, *target, w.at)
	} else {
		err = v.landlocked(c, w.at, rightToMake(typ))
	}
	if err != nil {
		return Path{}, err
	}
	if err := mayCreate(c, w.at); err != nil {
		return Path{}, err
	}
	made, err := fn(w.at, name)
	if err != nil {
		return Path{}, err
	}
	if target == nil {
		made.inheritACL(n)
	}
	d = dir.sb.instantiate(dir, name, made)
	notifyDir(dir, linux.IN_CREATE, name, 0, isDir)
	v.fanName(c, n, linux.IN_CREATE, name, made)
	w.at.Mount.refs.Add(1)
	return Path{w.at.Mount, d}, nil
}

// MkdirAt is mkdirat(2). The umask is applied here.
func (v *VFS) MkdirAt(c Caller, start Path, path string, mode uint32) error {
	p, err := v.makeName(c, start, path, linux.S_IFDIR, nil, func(at Path, name string) (*Inode, error) {
		dir := at.Inode()
		return dir.Ops.Mkdir(c, dir, name, mode&(linux.S_IRWXUGO|linux.S_ISVTX)&^maskFor(c, dir)|linux.S_IFDIR)
	})
	p.DecRef()
	return err
}

// MknodAt is mknodat(2). The umask is applied here.
func (v *VFS) MknodAt(c Caller, start Path, path string, mode uint32, rdev uint64) error {
	switch mode & linux.S_IFMT {
	case 0:
		mode |= linux.S_IFREG
	case linux.S_IFREG, linux.S_IFIFO, linux.S_IFSOCK:
	case linux.S_IFCHR, linux.S_IFBLK:
	case linux.S_IFDIR:
		return errno.EPERM
	default:
		return errno.EINVAL
	}
	p, err := v.mknod(c, start, path, mode, rdev)
	p.DecRef()
	return err
}

func (v *VFS) mknod(c Caller, start Path, path string, mode uint32, rdev uint64) (Path, error) {
	return v.makeName(c, start, path, mode&linux.S_IFMT, nil, func(at Path, name string) (*Inode, error) {
		dir := at.Inode()
		mode := mode &^ maskFor(c, dir)
		switch mode & linux.S_IFMT {
		case linux.S_IFREG:
			return dir.Ops.Create(c, dir, name, mode)
		case linux.S_IFCHR:
			// A whiteout needs no capability.
			if rdev == 0 {
				break
			}
			fallthrough
		case linux.S_IFBLK:
			if !c.Creds().Has(linux.CAP_MKNOD) {
				return nil, errno.EPERM
			}
		}
		return dir.Ops.Mknod(c, dir, name, mode, rdev)
	})
}

// BindAt makes the S_IFSOCK file of bind(2) and returns a referenced path to it;
// EADDRINUSE if the name exists.
func (v *VFS) BindAt(c Caller, start Path, path string, mode uint32) (Path, error) {
	p, err := v.mknod(c, start, path, mode&linux.S_IALLUGO|linux.S_IFSOCK, 0)
	if err == errno.EEXIST {
		err = errno.EADDRINUSE
	}
	return p, err
}

// SymlinkAt is symlinkat(2).
func (v *VFS) SymlinkAt(c Caller, target string, start Path, path string) error {
	if target == "" {
		return errno.ENOENT
	}
	if len(target) >= pathMax {
		return errno.ENAMETOOLONG
	}
	p, err := v.makeName(c, start, path, linux.S_IFLNK, nil, func(at Path, name string) (*Inode, error) {
		dir := at.Inode()
		return dir.Ops.Symlink(c, dir, name, target)
	})
	p.DecRef()
	return err
}

// LinkAt is linkat(2) with flags AT_SYMLINK_FOLLOW and AT_EMPTY_PATH.
func (v *VFS) LinkAt(c Caller, oldStart Path, oldPath string, newStart Path, newPath string, flags uint32) error {
	var lf LookupFlags
	if flags&linux.AT_SYMLINK_FOLLOW != 0 {
		lf |= LookupFollow
	}
	if flags&linux.AT_EMPTY_PATH != 0 {
		lf |= LookupEmpty
	}
	old, err := v.Resolve(c, oldStart, oldPath, lf)
	if err != nil {
		return err
	}
	defer old.DecRef()
	n := old.Inode()
	p, err := v.makeName(c, newStart, newPath, n.Type(), &old, func(at Path, name string) (*Inode, error) {
		dir := at.Inode()
		a, err := attrOf(c, n)
		if err != nil {
			return nil, err
		}
		if n.Type() == linux.S_IFDIR || a.Flags&(linux.STATX_ATTR_IMMUTABLE|linux.STATX_ATTR_APPEND) != 0 {
			return nil, errno.EPERM
		}
		// Only an O_TMPFILE file comes back from nowhere.
		if a.Nlink == 0 && !n.tmpfile.Load() || n.noLink.Load() {
			return nil, errno.ENOENT
		}
		if err := dir.Ops.Link(c, dir, name, n); err != nil {
			return nil, err
		}
		n.tmpfile.Store(false)
		n.notifySelf(linux.IN_ATTRIB, false)
		v.fanSelf(c, n, linux.IN_ATTRIB)
		n.IncRef()
		return n, nil
	})
	if err != nil {
		return err
	}
	p.DecRef()
	return nil
}

// mayLinkto applies Protected.Hardlinks: one links only to files of one's own, or to regular files that one
// could also write and that grant no privileges.
func (v *VFS) mayLinkto(c Caller, n *Inode) error {
	if v.Protected.Hardlinks.Load() == 0 {
		return nil
	}
	a, err := attrOf(c, n)
	if err != nil {
		return err
	}
	if ownerOrCapable(c, &a) {
		return nil
	}
	if n.Type() != linux.S_IFREG || a.Mode&linux.S_ISUID != 0 ||
		a.Mode&(linux.S_ISGID|linux.S_IXGRP) == linux.S_ISGID|linux.S_IXGRP ||
		inodePermission(c, n, MayRead|MayWrite) != nil {
		return errno.EPERM
	}
	return nil
}

// UnlinkAt is unlink(2) from start.
func (v *VFS) UnlinkAt(c Caller, start Path, path string) error {
	return v.remove(c, start, path, false)
}

// RmdirAt is rmdir(2) from start.
func (v *VFS) RmdirAt(c Caller, start Path, path string) error { return v.remove(c, start, path, true) }

func (v *VFS) remove(c Caller, start Path, path string, isDir bool) error {
	w, err := v.resolveParent(c, start, path)
	if err != nil {
		return err
	}
	defer w.release()
	if isDir {
		switch w.lastType {
		case lastDot:
			return errno.EINVAL
		case lastDotDot:
			return errno.ENOTEMPTY
		case lastRoot:
			return errno.EBUSY
		}
	} else if w.lastType != lastNorm {
		return errno.EISDIR
	}
	dir, name := w.at.Dentry, w.last
	if w.at.Mount.ReadOnly() {
		return errno.EROFS
	}
	dn := dir.Inode()
	dn.rw.Lock()
	d, err := v.removeLocked(c, w.at, name, isDir, w.slash)
	dn.rw.Unlock()
	if err != nil {
		return err
	}
	if !isDir {
		d.Inode().notifySelf(linux.IN_ATTRIB, false)
		v.fanSelf(c, d.Inode(), linux.IN_ATTRIB)
	}
	v.fanName(c, dn, linux.IN_DELETE, name, d.Inode())
	d.DecRef() // may be the end of the file: IN_DELETE_SELF
	notifyDir(dir, linux.IN_DELETE, name, 0, isDir)
	return nil
}

// removeLocked removes name from the directory at and returns its dentry, now detached.
// Preconditions: the directory's inode is locked for writing.
func (v *VFS) removeLocked(c Caller, at Path, name string, isDir, slash bool) (*Dentry, error) {
	dir := at.Dentry
	d, err := lookupLocked(c, dir, name, "")
	if err != nil {
		return nil, err
	}
	n, dn := d.Inode(), dir.Inode()
	switch {
	case n == nil:
		err = errno.ENOENT
	case slash && !isDir && n.Type() == linux.S_IFDIR:
		err = errno.EISDIR
	case slash && !isDir:
		err = errno.ENOTDIR
	default:
		right := uint64(linux.LANDLOCK_ACCESS_FS_REMOVE_FILE)
		if isDir {
			right = linux.LANDLOCK_ACCESS_FS_REMOVE_DIR
		}
		if err = v.landlocked(c, at, right); err == nil {
			err = mayDelete(c, dir, n, isDir)
		}
	}
	if err == nil && d.mounted.Load() > 0 {
		err = errno.EBUSY
	}
	if err == nil && isDir {
		n.rw.Lock()
		if err = dn.Ops.Rmdir(c, dn, name, n); err == nil {
			dir.sb.unlinked(d, true)
		}
		n.rw.Unlock()
	} else if err == nil {
		if err = dn.Ops.Unlink(c, dn, name, n); err == nil {
			dir.sb.unlinked(d, false)
		}
	}
	if err != nil {
		d.DecRef()
		return nil, err
	}
	return d, nil
}

// Readlink returns the target of the symbolic link p; EINVAL if it is none. For a magic link
// it is the text that readlink(2) shows.
func (v *VFS) Readlink(c Caller, p Path) (string, error) {
	n := p.Inode()
	if n.Type() != linux.S_IFLNK {
		return "", errno.EINVAL
	}
	v.touchAtime(c, p, n)
	return n.readlink(c)
}

func tmpfileName(ino uint64) string { return "#" + strconv.FormatUint(ino, 10) }

// instantiate makes n, fresh in the file system, the child name of dir, and returns a
// referenced dentry. It takes over the reference to n.
// Preconditions: dir's inode is locked for writing; name does not exist.
func (sb *Superblock) instantiate(dir *Dentry, name string, n *Inode) *Dentry {
	sb.treeMu.Lock()
	sb.changes++
	d := dir.children.get(name)
	if d == nil {
		return sb.addUnlock(dir, name, n)
	}
	switch old := d.inode.Load(); old {
	case nil:
		d.inode.Store(n)
		d.IncRef()
		sb.treeMu.Unlock()
		return d
	case n:
		// A batched lookup saw the new file first.
		d.IncRef()
		sb.treeMu.Unlock()
		n.DecRef()
		return d
	}
	sb.detachLocked(d)
	added := sb.addUnlock(dir, name, n)
	disposeAll([]*Dentry{d})
	return added
}

// unlinked takes d, whose name is gone from the file system, out of the cache and caches a miss.
// Preconditions: the parent's inode, and the inode of d if it is a directory, are locked for writing.
func (sb *Superblock) unlinked(d *Dentry, isDir bool) {
	sb.treeMu.Lock()
	sb.changes++
	if d.detached.Load() {
		// Invalidated meanwhile.
		sb.treeMu.Unlock()
		return
	}
	var gone []*Dentry
	if isDir {
		for ch := range d.children.all() {
			gone = sb.detachTreeLocked(gone, ch)
		}
	}
	parent, name := d.parent.Load(), d.Name()
	sb.detachLocked(d)
	sb.addNegativeLocked(parent, name)
	sb.treeMu.Unlock()
	disposeAll(gone)
}

// addNegativeLocked caches a miss, if the file system allows it.
func (sb *Superblock) addNegativeLocked(dir *Dentry, name string) {
	if sb.Flags&(SBNoNegative|SBNoCache) == 0 {
		d := newDentry(sb, nil)
		d.refs.Store(0)
		sb.addLocked(dir, name, d)
	}
}
