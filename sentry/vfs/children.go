package vfs

import (
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
)

// treeLock guards the shape of a tree of dentries. Who only reads it need not take it: what was read
// between begin and a same that agrees is as if it had been read under the lock.
type treeLock struct {
	sync.RWMutex
	seq atomic.Uint64 // odd while the lock is held for writing
}

func (l *treeLock) Lock() {
	l.RWMutex.Lock()
	l.seq.Add(1)
}

func (l *treeLock) Unlock() {
	l.seq.Add(1)
	l.RWMutex.Unlock()
}

// begin returns a mark for same; not ok if the tree is just being changed.
func (l *treeLock) begin() (mark uint64, ok bool) {
	mark = l.seq.Load()
	return mark, mark&1 == 0
}

// same reports whether nothing was changed since begin.
func (l *treeLock) same(mark uint64) bool { return l.seq.Load() == mark }

// children are the cached names of a directory: a hash table whose slots are tried one after
// the other. Changes need the tree's lock; look-ups may come at any time, and see the table before or
// after a change.
type children struct {
	slots atomic.Pointer[[]atomic.Pointer[Dentry]] // a power of two of them; nil if there never was a name
	n     int                                      // names
	taken int                                      // slots that hold a name or held one
}

var (
	nameSeed = maphash.MakeSeed()
	// vacant stands in a slot whose name was taken away, so that look-ups go on behind it.
	vacant = func() *Dentry {
		d, name := new(Dentry), "" // which no dentry in a directory has
		d.name.Store(&name)
		return d
	}()
)

// get returns the child name, or nil.
func (c *children) get(name string) *Dentry {
	table := c.slots.Load()
	if table == nil {
		return nil
	}
	slots := *table
	mask := uint64(len(slots) - 1)
	for i := maphash.String(nameSeed, name) & mask; ; i = (i + 1) & mask {
		d := slots[i].Load()
		if d == nil || *d.name.Load() == name {
			return d
		}
	}
}

// put adds d, whose name has no place here yet. Preconditions: the tree is locked.
func (c *children) put(d *Dentry) {
	if table := c.slots.Load(); table == nil || c.taken >= len(*table)*3/4 {
		c.rebuild()
	}
	c.n++
	if c.insert(*c.slots.Load(), d) {
		c.taken++
	}
}

// insert puts d into a slot and reports whether that was never taken.
func (c *children) insert(slots []atomic.Pointer[Dentry], d *Dentry) bool {
	mask := uint64(len(slots) - 1)
	i := maphash.String(nameSeed, d.Name()) & mask
	for {
		old := slots[i].Load()
		if old == nil || old == vacant {
			slots[i].Store(d)
			return old == nil
		}
		i = (i + 1) & mask
	}
}

// remove takes d away, if it is here under its present name. Preconditions: the tree is locked.
func (c *children) remove(d *Dentry) {
	table := c.slots.Load()
	if table == nil {
		return
	}
	slots := *table
	mask := uint64(len(slots) - 1)
	for i := maphash.String(nameSeed, d.Name()) & mask; ; i = (i + 1) & mask {
		switch slots[i].Load() {
		case d:
			slots[i].Store(vacant)
			c.n--
			return
		case nil:
			return
		}
	}
}

// rebuild makes a table with room for as many names again.
func (c *children) rebuild() {
	size := 4
	for size < 2*(c.n+1) {
		size *= 2
	}
	slots := make([]atomic.Pointer[Dentry], size)
	for d := range c.all() {
		c.insert(slots, d)
	}
	c.taken = c.n
	c.slots.Store(&slots)
}

// all ranges over the children, some of which may be removed meanwhile. Preconditions: the tree is locked.
func (c *children) all() iter.Seq[*Dentry] {
	return func(yield func(*Dentry) bool) {
		table := c.slots.Load()
		if table == nil {
			return
		}
		for i := range *table {
			if d := (*table)[i].Load(); d != nil && d != vacant && !yield(d) {
				return
			}
		}
	}
}
