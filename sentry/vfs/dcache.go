package vfs

import "strings"

// dcache is the dentry cache of one superblock. All cached dentries, used or not,
// stand in a ring; a clock hand looks for the unused ones when there are too many.
type dcache struct {
	// treeMu guards the shape of the dentry tree: parents, names, children. It is
	// never held across a call of the file system.
	treeMu treeLock
	count  int
	limit  int
	hand   *Dentry
	// changes counts creations, removals and renames.
	changes uint64
}

// defaultDentryLimit bounds the cached dentries of a superblock.
const defaultDentryLimit = 100000

// addLocked makes d, a fresh dentry, the child name of parent. d gets no reference.
// Preconditions: treeMu is held for writing; parent has no such child.
func (dc *dcache) addLocked(parent *Dentry, name string, d *Dentry) {
	d.parent.Store(parent)
	d.name.Store(&name)
	parent.children.put(d)
	if dc.hand == nil {
		d.lruPrev, d.lruNext = d, d
		dc.hand = d
	} else {
		d.lruNext, d.lruPrev = dc.hand, dc.hand.lruPrev
		d.lruPrev.lruNext, d.lruNext.lruPrev = d, d
	}
	dc.count++
}

// detachLocked takes d out of the cache. The caller calls dispose, without treeMu, if d has no
// references. Preconditions: treeMu is held for writing; d is attached.
func (dc *dcache) detachLocked(d *Dentry) {
	parent := d.parent.Load()
	parent.children.remove(d)
	if d.lruNext == d {
		dc.hand = nil
	} else {
		if dc.hand == d {
			dc.hand = d.lruNext
		}
		d.lruPrev.lruNext, d.lruNext.lruPrev = d.lruNext, d.lruPrev
	}
	d.lruPrev, d.lruNext = nil, nil
	dc.count--
	// From here on d holds a counted reference to its parent.
	parent.refs.Add(1)
	d.detached.Store(true)
}

// shrinkLocked detaches unused dentries until the cache is within its limit, and
// returns them for dispose. Preconditions: treeMu is held for writing.
func (dc *dcache) shrinkLocked(limit int) []*Dentry {
	var gone []*Dentry
	// Twice round clears the used marks and finds what can go.
	for tries := 2 * dc.count; dc.count > limit && tries > 0; tries-- {
		d := dc.hand
		dc.hand = d.lruNext
		if d.refs.Load() > 0 || d.children.n > 0 || d.mounted.Load() > 0 || d.used.Swap(false) {
			continue
		}
		dc.detachLocked(d)
		gone = append(gone, d)
	}
	return gone
}

func (dc *dcache) dentryLimit() int {
	if dc.limit == 0 {
		return defaultDentryLimit
	}
	return dc.limit
}

func disposeAll(gone []*Dentry) {
	for _, d := range gone {
		if d.refs.Load() == 0 {
			d.dispose()
		}
	}
}

// dropUnused detaches d, and then its parents, if nobody uses them (SBNoCache).
func (sb *Superblock) dropUnused(d *Dentry) {
	sb.treeMu.Lock()
	var gone []*Dentry
	if d.refs.Load() == 0 && d.children.n == 0 && !d.detached.Load() {
		sb.detachLocked(d)
		gone = append(gone, d)
	}
	sb.treeMu.Unlock()
	disposeAll(gone) // drops the reference to the parent, which may follow
}

// SetDentryLimit bounds the cached dentries that nobody uses.
func (sb *Superblock) SetDentryLimit(n int) {
	sb.treeMu.Lock()
	sb.limit = n
	gone := sb.shrinkLocked(n)
	sb.treeMu.Unlock()
	disposeAll(gone)
}

// dropAll empties the cache when the superblock is released.
func (sb *Superblock) dropAll() {
	for {
		sb.treeMu.Lock()
		for d, n := sb.hand, sb.count; n > 0; n-- {
			d.used.Store(false)
			d = d.lruNext
		}
		gone := sb.shrinkLocked(0)
		sb.treeMu.Unlock()
		disposeAll(gone)
		if len(gone) == 0 {
			return
		}
	}
}

// cloneName keeps a name from holding on to the path that it was cut from.
func cloneName(s string) string { return strings.Clone(s) }
