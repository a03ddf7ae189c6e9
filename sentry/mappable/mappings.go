package mappable

import (
	"slices"
	"sort"

	"ringfence/abi/addr"
)

// Mappings remembers who maps what of a file. The zero value is empty. It has no lock.
type Mappings struct {
	spaces map[Space]map[line][]addr.Range
}

// line is where the file would start in a space, and whether it can be written there: during
// mremap one space shows the same pages twice, and a program may map a file as often as it likes. The
// ranges of a line are in order and apart from each other.
type line struct {
	start    uint64 // address of offset 0, modulo 2^64
	writable bool
}

// off is the offset in the file that a line shows at a.
func (l line) off(a addr.Addr) uint64 { return uint64(a) - l.start }

// Place is where a space maps a part of the file.
type Place struct {
	Space Space
	Range addr.Range
}

// around returns the ranges of list that overlap r or touch it: list[i:j].
func around(list []addr.Range, r addr.Range) (i, j int) {
	i = sort.Search(len(list), func(i int) bool { return list[i].End >= r.Start })
	for j = i; j < len(list) && list[j].Start <= r.End; j++ {
	}
	return i, j
}

// Add notes what Mappable.AddMapping was told.
func (ms *Mappings) Add(space Space, r addr.Range, off uint64, writable bool) {
	if ms.spaces == nil {
		ms.spaces = make(map[Space]map[line][]addr.Range)
	}
	lines := ms.spaces[space]
	if lines == nil {
		lines = make(map[line][]addr.Range)
		ms.spaces[space] = lines
	}
	l := line{uint64(r.Start) - off, writable}
	list := lines[l]
	i, j := around(list, r)
	for _, o := range list[i:j] {
		r.Start, r.End = min(r.Start, o.Start), max(r.End, o.End)
	}
	lines[l] = slices.Replace(list, i, j, r)
}

// Remove undoes Add, whole or in part.
func (ms *Mappings) Remove(space Space, r addr.Range, off uint64, writable bool) {
	lines := ms.spaces[space]
	l := line{uint64(r.Start) - off, writable}
	list := lines[l]
	i, j := around(list, r)
	var kept []addr.Range
	for _, o := range list[i:j] {
		for _, k := range []addr.Range{{Start: o.Start, End: min(o.End, r.Start)}, {Start: max(o.Start, r.End), End: o.End}} {
			if k.Start < k.End {
				kept = append(kept, k)
			}
		}
	}
	if list = slices.Replace(list, i, j, kept...); len(list) > 0 {
		lines[l] = list
		return
	}
	delete(lines, l)
	if len(lines) == 0 {
		delete(ms.spaces, space)
	}
}

// Empty reports whether nobody maps the file.
func (ms *Mappings) Empty() bool { return len(ms.spaces) == 0 }

// Writable reports whether somebody maps the file shared and may write.
func (ms *Mappings) Writable() bool {
	for _, lines := range ms.spaces {
		for l := range lines {
			if l.writable {
				return true
			}
		}
	}
	return false
}

// Places returns where [start, end) of the file is mapped.
func (ms *Mappings) Places(start, end uint64) []Place {
	var places []Place
	for space, lines := range ms.spaces {
		for l, list := range lines {
			for _, r := range list {
				lo, hi := max(start, l.off(r.Start)), min(end, l.off(r.Start)+r.Len())
				if lo < hi {
					places = append(places, Place{space, addr.Range{
						Start: addr.Addr(lo + l.start), End: addr.Addr(hi + l.start),
					}})
				}
			}
		}
	}
	return places
}
