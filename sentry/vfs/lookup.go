package vfs

import (
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// lookup returns the child name of dir with a reference, from the cache or the file system;
// it may be negative. ahead is the path that the walk will follow from there.
func (v *VFS) lookup(c Caller, dir *Dentry, name, ahead string) (*Dentry, error) {
	if d := cachedChild(c, dir, name); d != nil {
		return d, nil
	}
	n := dir.Inode()
	n.rw.RLock()
	defer n.rw.RUnlock()
	return lookupLocked(c, dir, name, ahead)
}

// cachedChild returns the child name of dir with a reference if it is cached and still valid.
func cachedChild(c Caller, dir *Dentry, name string) *Dentry {
	sb := dir.sb
	sb.treeMu.RLock()
	d := dir.children.get(name)
	if d == nil {
		sb.treeMu.RUnlock()
		return nil
	}
	d.IncRef()
	sb.treeMu.RUnlock()
	if !d.used.Load() {
		d.used.Store(true)
	}
	if sb.Flags&SBRevalidate != 0 {
		dn := dir.Inode()
		if r, ok := dn.Ops.(Revalidator); ok && !r.Revalidate(c, dn, name, d.Inode()) {
			sb.invalidate(d)
			d.DecRef()
			return nil
		}
	}
	return d
}

// invalidate detaches d and all below it because the file system says that it is stale.
func (sb *Superblock) invalidate(d *Dentry) {
	sb.treeMu.Lock()
	if d.detached.Load() || d.hasMountsLocked() {
		sb.treeMu.Unlock()
		return
	}
	gone := sb.detachTreeLocked(nil, d)
	sb.treeMu.Unlock()
	disposeAll(gone)
}

// hasMountsLocked reports whether something is mounted on d or below: then it stays.
func (d *Dentry) hasMountsLocked() bool {
	if d.mounted.Load() > 0 {
		return true
	}
	for ch := range d.children.all() {
		if ch.hasMountsLocked() {
			return true
		}
	}
	return false
}

func (sb *Superblock) detachTreeLocked(gone []*Dentry, d *Dentry) []*Dentry {
	for ch := range d.children.all() {
		gone = sb.detachTreeLocked(gone, ch)
	}
	sb.detachLocked(d)
	return append(gone, d)
}

// lookupLocked is lookup with dir's inode locked, for reading at least.
func lookupLocked(c Caller, dir *Dentry, name, ahead string) (*Dentry, error) {
	if d := cachedChild(c, dir, name); d != nil {
		return d, nil
	}
	if dir.Deleted() {
		return nil, errno.ENOENT
	}
	n, sb := dir.Inode(), dir.sb
	if wk, ok := n.Ops.(Walker); ok && ahead != "" {
		if names := batch(name, ahead); len(names) > 1 {
			return walkBatch(c, wk, dir, names)
		}
	}
	child, err := n.Ops.Lookup(c, n, name)
	if err != nil {
		if err != errno.ENOENT {
			return nil, err
		}
		child = nil
	}
	return sb.add(dir, name, child), nil
}

// walkBatch looks several names up at once and caches what it finds; it returns the first.
// dir's inode is locked, those of the directories below are not: so what was
// found there counts only if nothing in the file system changed meanwhile.
func walkBatch(c Caller, wk Walker, dir *Dentry, names []string) (*Dentry, error) {
	sb := dir.sb
	sb.treeMu.RLock()
	before := sb.changes
	sb.treeMu.RUnlock()
	found, err := wk.Walk(c, dir.Inode(), names)
	if err != nil && err != errno.ENOENT && len(found) == 0 {
		return nil, err
	}
	if len(found) == 0 {
		if err == nil {
			return nil, errno.EIO
		}
		return sb.add(dir, names[0], nil), nil
	}
	first := sb.add(dir, names[0], found[0])
	at := first
	at.IncRef()
	used := 1
	for i := 1; i <= len(found) && i < len(names); i++ {
		var n *Inode
		if i < len(found) {
			n = found[i]
		} else if err != errno.ENOENT {
			break
		}
		// Somebody else may have cached another answer.
		if at.Inode() != found[i-1] || at.Inode().Type() != linux.S_IFDIR {
			break
		}
		next := sb.addIf(at, names[i], n, before)
		if next == nil {
			break // another change came between
		}
		used++
		at.DecRef()
		at = next
	}
	at.DecRef()
	// What was not cached is looked up again later.
	for _, n := range found[min(used, len(found)):] {
		n.DecRef()
	}
	return first, nil
}

// add caches n, or a miss if n is nil, as dir's child name, unless somebody was faster. It
// takes over the reference to n and returns a referenced dentry.
// Preconditions: dir's inode is locked, for reading at least.
func (sb *Superblock) add(dir *Dentry, name string, n *Inode) *Dentry {
	sb.treeMu.Lock()
	return sb.addUnlock(dir, name, n)
}

// addIf is add without dir locked; it returns nil if the file system was changed
// since changes was read, or dir is gone.
func (sb *Superblock) addIf(dir *Dentry, name string, n *Inode, changes uint64) *Dentry {
	sb.treeMu.Lock()
	if sb.changes != changes || dir.Deleted() {
		sb.treeMu.Unlock()
		return nil
	}
	return sb.addUnlock(dir, name, n)
}

// addUnlock is add with treeMu held for writing; it releases it.
func (sb *Superblock) addUnlock(dir *Dentry, name string, n *Inode) *Dentry {
	if d := dir.children.get(name); d != nil {
		d.IncRef()
		sb.treeMu.Unlock()
		if n != nil {
			n.DecRef()
		}
		return d
	}
	d := newDentry(sb, n)
	if n == nil && sb.Flags&SBNoNegative != 0 {
		// Nobody else will find it.
		d.detached.Store(true)
		d.parent.Store(dir)
		d.name.Store(&name)
		dir.refs.Add(1)
		sb.treeMu.Unlock()
		return d
	}
	// name may be a piece of a long path: keep no more than needed.
	sb.addLocked(dir, cloneName(name), d)
	gone := sb.shrinkLocked(sb.dentryLimit())
	sb.treeMu.Unlock()
	disposeAll(gone)
	return d
}

// batch returns name and the plain names that path begins with.
func batch(name, path string) []string {
	names := append(make([]string, 0, maxBatch), name)
	for path != "" && len(names) < maxBatch {
		next := path
		if i := strings.IndexByte(path, '/'); i >= 0 {
			next, path = path[:i], strings.TrimLeft(path[i:], "/")
		} else {
			path = ""
		}
		if next == "." || next == ".." || len(next) > linux.NAME_MAX {
			break
		}
		names = append(names, next)
	}
	return names
}
