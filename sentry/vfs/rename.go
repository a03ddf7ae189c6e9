package vfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// RenameAt is renameat2(2) with flags RENAME_*.
func (v *VFS) RenameAt(c Caller, oldStart Path, oldPath string, newStart Path, newPath string, flags uint32) error {
	const exclusive = linux.RENAME_NOREPLACE | linux.RENAME_WHITEOUT
	if flags&^(exclusive|linux.RENAME_EXCHANGE) != 0 || flags&linux.RENAME_EXCHANGE != 0 && flags&exclusive != 0 {
		return errno.EINVAL
	}
	from, err := v.resolveParent(c, oldStart, oldPath)
	if err != nil {
		return err
	}
	defer from.release()
	to, err := v.resolveParent(c, newStart, newPath)
	if err != nil {
		return err
	}
	defer to.release()
	switch {
	case from.at.Mount != to.at.Mount:
		return errno.EXDEV
	case from.lastType != lastNorm:
		return errno.EBUSY
	case to.lastType != lastNorm && flags&linux.RENAME_NOREPLACE != 0:
		return errno.EEXIST
	case to.lastType != lastNorm:
		return errno.EBUSY
	case from.at.Mount.ReadOnly():
		return errno.EROFS
	}
	r := rename{v: v, c: c, mount: from.at.Mount, fromDir: from.at.Dentry, toDir: to.at.Dentry, fromName: from.last, toName: cloneName(to.last),
		fromSlash: from.slash, toSlash: to.slash, flags: flags}
	r.lock()
	err = r.do()
	r.unlock()
	if err == nil && !r.same {
		r.notify()
	}
	if r.src != nil {
		r.src.DecRef()
	}
	if r.dst != nil {
		r.dst.DecRef()
	}
	return err
}

// rename is one rename under way.
type rename struct {
	v                  *VFS
	c                  Caller
	mount              *Mount
	fromDir, toDir     *Dentry
	fromName, toName   string
	fromSlash, toSlash bool
	flags              uint32

	src, dst   *Dentry // referenced, once found
	same       bool    // both names lead to one file: nothing happens
	cross      bool
	srcRW      *Inode // locked beyond the directories
	targetRW   *Inode
	hadTarget  bool
	srcIsDir   bool
	targetNode *Inode
}

func (r *rename) exchange() bool { return r.flags&linux.RENAME_EXCHANGE != 0 }

// lock locks both directories, an ancestor before its descendant. Renames from one
// directory to another exclude each other, so for the rest any order does.
func (r *rename) lock() {
	if r.fromDir == r.toDir {
		r.fromDir.Inode().rw.Lock()
		return
	}
	r.cross = true
	r.fromDir.sb.renameMu.Lock()
	if below(r.fromDir, r.toDir) {
		r.toDir.Inode().rw.Lock()
		r.fromDir.Inode().rw.Lock()
	} else {
		r.fromDir.Inode().rw.Lock()
		r.toDir.Inode().rw.Lock()
	}
}

func (r *rename) unlock() {
	if r.targetRW != nil {
		r.targetRW.rw.Unlock()
	}
	r.toDir.Inode().rw.Unlock()
	if r.cross {
		r.fromDir.Inode().rw.Unlock()
		r.fromDir.sb.renameMu.Unlock()
	}
}

// below reports whether d is a, or lies below it. Preconditions: renameMu is held, or the
// answer may be out of date at once.
func below(d, a *Dentry) bool {
	for ; d != a; d = d.Parent() {
		if d.IsRoot() {
			return false
		}
	}
	return true
}

func (r *rename) do() (err error) {
	if r.src, err = lookupLocked(r.c, r.fromDir, r.fromName, ""); err != nil {
		return err
	}
	src := r.src.Inode()
	if src == nil {
		return errno.ENOENT
	}
	if r.dst, err = lookupLocked(r.c, r.toDir, r.toName, ""); err != nil {
		return err
	}
	dst := r.dst.Inode()
	r.srcIsDir = src.Type() == linux.S_IFDIR
	dstIsDir := dst != nil && dst.Type() == linux.S_IFDIR
	switch {
	case dst != nil && r.flags&linux.RENAME_NOREPLACE != 0:
		return errno.EEXIST
	case r.exchange() && dst == nil:
		return errno.ENOENT
	case r.exchange() && !dstIsDir && r.toSlash:
		return errno.ENOTDIR
	case !r.srcIsDir && (r.fromSlash || !r.exchange() && r.toSlash):
		return errno.ENOTDIR
	case r.cross && r.srcIsDir && below(r.toDir, r.src):
		return errno.EINVAL
	case r.cross && r.exchange() && dstIsDir && below(r.fromDir, r.dst):
		return errno.EINVAL
	case r.cross && dstIsDir && below(r.fromDir, r.dst):
		return errno.ENOTEMPTY
	}
	if err := r.landlocked(); err != nil {
		return err
	}
	if src == dst {
		r.same = true
		return nil
	}
	if err := mayDelete(r.c, r.fromDir, src, r.srcIsDir); err != nil {
		return err
	}
	switch {
	case dst == nil:
		if r.toDir.Deleted() {
			return errno.ENOENT
		}
		err = inodePermission(r.c, r.toDir.Inode(), MayWrite|MayExec)
	case r.exchange():
		err = mayDelete(r.c, r.toDir, dst, dstIsDir)
	default:
		err = mayDelete(r.c, r.toDir, dst, r.srcIsDir)
	}
	if err != nil {
		return err
	}
	// A directory that moves gets another "..".
	if r.cross && r.srcIsDir {
		if err := inodePermission(r.c, src, MayWrite); err != nil {
			return err
		}
	}
	if r.cross && r.exchange() && dstIsDir {
		if err := inodePermission(r.c, dst, MayWrite); err != nil {
			return err
		}
	}
	if r.src.mounted.Load() > 0 || r.dst.mounted.Load() > 0 {
		return errno.EBUSY
	}
	if dstIsDir && !r.exchange() {
		dst.rw.Lock()
		r.targetRW = dst
	}
	fd, td := r.fromDir.Inode(), r.toDir.Inode()
	if err := fd.Ops.Rename(r.c, fd, r.fromName, src, td, r.toName, dst, r.flags); err != nil {
		return err
	}
	r.targetNode = dst
	r.fromDir.sb.renamed(r)
	return nil
}

// landlocked asks the caller's domain.
func (r *rename) landlocked() error {
	if r.c.Creds().Landlock == nil {
		return nil
	}
	src, dst := r.src.Inode(), r.dst.Inode()
	at := reparenting{
		src: Path{r.mount, r.src}, from: Path{r.mount, r.fromDir}, to: Path{r.mount, r.toDir}, sameDir: !r.cross,
		atFrom: rightToRemove(src), atTo: rightToMake(src.Type()),
	}
	if dst != nil {
		at.atTo |= rightToRemove(dst)
	}
	if r.exchange() {
		at.dst = Path{r.mount, r.dst}
		at.atFrom |= rightToMake(dst.Type())
	}
	return r.v.mayReparent(r.c, &at)
}

// renamed makes the cache follow a rename.
func (sb *Superblock) renamed(r *rename) {
	sb.treeMu.Lock()
	sb.changes++
	fromName := r.src.Name()
	if r.src.detached.Load() || r.exchange() && r.dst.detached.Load() {
		// Invalidated meanwhile; the names are looked up again.
		var gone []*Dentry
		for _, d := range [...]*Dentry{r.src, r.dst} {
			if !d.detached.Load() {
				gone = sb.detachTreeLocked(gone, d)
			}
		}
		sb.treeMu.Unlock()
		disposeAll(gone)
		return
	}
	if r.exchange() {
		r.fromDir.children.remove(r.src)
		r.toDir.children.remove(r.dst)
		gone := sb.placeLocked(r.src, r.toDir, r.toName)
		gone = append(gone, sb.placeLocked(r.dst, r.fromDir, fromName)...)
		sb.treeMu.Unlock()
		disposeAll(gone)
		return
	}
	var gone []*Dentry
	if !r.dst.detached.Load() {
		for ch := range r.dst.children.all() {
			gone = sb.detachTreeLocked(gone, ch)
		}
		sb.detachLocked(r.dst)
	}
	r.fromDir.children.remove(r.src)
	gone = append(gone, sb.placeLocked(r.src, r.toDir, r.toName)...)
	if r.flags&linux.RENAME_WHITEOUT == 0 {
		sb.addNegativeLocked(r.fromDir, fromName)
	}
	sb.treeMu.Unlock()
	disposeAll(gone)
}

// placeLocked makes d the child name of dir, and returns what a batched lookup may have put there meanwhile, for
// dispose. Preconditions: treeMu is held for writing; d has a place in the ring, but none in a directory.
func (sb *Superblock) placeLocked(d, dir *Dentry, name string) (gone []*Dentry) {
	if old := dir.children.get(name); old != nil {
		gone = sb.detachTreeLocked(nil, old)
	}
	d.parent.Store(dir)
	d.name.Store(&name)
	dir.children.put(d)
	return gone
}

func (r *rename) notify() {
	src, target := r.src.Inode(), r.targetNode
	r.moved(src, r.fromDir, r.fromName, r.toDir, r.toName, target)
	if r.exchange() {
		r.moved(target, r.toDir, r.toName, r.fromDir, r.fromName, nil)
	}
}

// moved tells that n moved, over target unless the two change places.
func (r *rename) moved(n *Inode, from *Dentry, fromName string, to *Dentry, toName string, target *Inode) {
	cookie := r.v.nextCookie.Add(1)
	isDir := n.Type() == linux.S_IFDIR
	notifyDir(from, linux.IN_MOVED_FROM|renamed, fromName, cookie, isDir)
	notifyDir(to, linux.IN_MOVED_TO, toName, cookie, isDir)
	if target != nil && !r.exchange() {
		target.notifySelf(linux.IN_ATTRIB, target.Type() == linux.S_IFDIR)
	}
	n.notifySelf(linux.IN_MOVE_SELF, false)
	r.v.fanMove(r.c, n, from.Inode(), fromName, to.Inode(), toName)
	r.v.fanSelf(r.c, n, linux.IN_MOVE_SELF)
}
