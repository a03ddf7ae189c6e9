package tmpfs

import (
	"sort"

	"ringfence/abi/linux"
	"ringfence/sentry/vfs"
)

// directory is the names of a directory. Each name gets a position that no other name of the directory ever
// had, so that reading goes on where it stopped whatever is added or removed meanwhile.
// The zero value is empty.
type directory struct {
	byName map[string]int64 // position
	order  []entry          // by position; entries without a node were removed
	holes  int              // removed entries in order
	last   int64
}

type entry struct {
	pos  int64
	name string
	n    *node
}

// firstPos is where names begin, behind "." and "..".
const firstPos = 2

func (d *directory) len() int { return len(d.byName) }

// index returns the place in order of the first entry at or behind pos.
func (d *directory) index(pos int64) int {
	return sort.Search(len(d.order), func(i int) bool { return d.order[i].pos >= pos })
}

func (d *directory) find(name string) *node {
	pos, ok := d.byName[name]
	if !ok {
		return nil
	}
	return d.order[d.index(pos)].n
}

// add reports false if the name exists.
func (d *directory) add(name string, n *node) bool {
	if _, ok := d.byName[name]; ok {
		return false
	}
	if d.byName == nil {
		d.byName = make(map[string]int64)
		d.last = firstPos - 1
	}
	d.last++
	d.byName[name] = d.last
	d.order = append(d.order, entry{d.last, name, n})
	return true
}

// remove reports false if the name does not lead to n.
func (d *directory) remove(name string, n *node) bool {
	pos, ok := d.byName[name]
	if !ok {
		return false
	}
	i := d.index(pos)
	if d.order[i].n != n {
		return false
	}
	delete(d.byName, name)
	d.order[i].n, d.order[i].name = nil, ""
	d.holes++
	if d.holes > 32 && d.holes > len(d.order)/2 {
		kept := make([]entry, 0, len(d.order)-d.holes)
		for _, e := range d.order {
			if e.n != nil {
				kept = append(kept, e)
			}
		}
		d.order, d.holes = kept, 0
	}
	return true
}

// replace lets name lead to n.
func (d *directory) replace(name string, n *node) {
	if pos, ok := d.byName[name]; ok {
		d.order[d.index(pos)].n = n
	}
}

// clear empties the directory and returns what was in it.
func (d *directory) clear() (all []*node) {
	for _, e := range d.order {
		if e.n != nil {
			all = append(all, e.n)
		}
	}
	d.byName, d.order, d.holes = nil, nil, 0
	return all
}

// dirFile is an open directory.
type dirFile struct {
	vfs.BaseFile
	n *node
}

func (d *dirFile) ReadDir(c vfs.Caller, f *vfs.File, emit func(vfs.Dirent) bool) error {
	if !vfs.EmitDots(f, emit) {
		return nil
	}
	d.n.fs.mu.RLock()
	defer d.n.fs.mu.RUnlock()
	dir := &d.n.dir
	for _, e := range dir.order[dir.index(f.Pos):] {
		if e.n == nil {
			continue
		}
		i := e.n.inode
		if !emit(vfs.Dirent{Ino: i.Ino(), Type: linux.ModeToDT(i.Type()), Name: e.name, Next: e.pos + 1}) {
			break
		}
	}
	return nil
}

func (d *dirFile) Sync(vfs.Caller, *vfs.File, bool) error { return nil }
