package mappable

import "ringfence/abi/addr"

// Mappings remembers who maps what of a file. The zero value is empty. It has no lock.
type Mappings struct {
	spaces map[Space][]mapping
}

// mapping shows [off, off+r.Len()) of the file at r.
type mapping struct {
	r        addr.Range
	off      uint64
	writable bool
}

// Place is where a space maps a part of the file.
type Place struct {
	Space Space
	Range addr.Range
}

// Add notes what Mappable.AddMapping was told.
func (ms *Mappings) Add(space Space, r addr.Range, off uint64, writable bool) {
	if ms.spaces == nil {
		ms.spaces = make(map[Space][]mapping)
	}
	ms.spaces[space] = append(ms.spaces[space], mapping{r, off, writable})
}

// Remove undoes Add, whole or in part.
func (ms *Mappings) Remove(space Space, r addr.Range, off uint64, writable bool) {
	old := ms.spaces[space]
	kept := old[:0:0]
	for _, m := range old {
		// A mapping is identified by address and by where the file would start there:
		// during mremap one space shows the same pages twice.
		same := m.writable == writable && uint64(m.r.Start)-m.off == uint64(r.Start)-off
		if !same || !m.r.Overlaps(r) {
			kept = append(kept, m)
			continue
		}
		if m.r.Start < r.Start {
			kept = append(kept, mapping{addr.Range{Start: m.r.Start, End: r.Start}, m.off, writable})
		}
		if m.r.End > r.End {
			kept = append(kept, mapping{addr.Range{Start: r.End, End: m.r.End}, m.off + uint64(r.End-m.r.Start), writable})
		}
	}
	if len(kept) == 0 {
		delete(ms.spaces, space)
	} else {
		ms.spaces[space] = kept
	}
}

// Empty reports whether nobody maps the file.
func (ms *Mappings) Empty() bool { return len(ms.spaces) == 0 }

// Writable reports whether somebody maps the file shared and may write.
func (ms *Mappings) Writable() bool {
	for _, list := range ms.spaces {
		for _, m := range list {
			if m.writable {
				return true
			}
		}
	}
	return false
}

// Places returns where [start, end) of the file is mapped.
func (ms *Mappings) Places(start, end uint64) []Place {
	var places []Place
	for space, list := range ms.spaces {
		for _, m := range list {
			lo, hi := max(start, m.off), min(end, m.off+m.r.Len())
			if lo < hi {
				places = append(places, Place{space, addr.Range{
					Start: m.r.Start + addr.Addr(lo-m.off),
					End:   m.r.Start + addr.Addr(hi-m.off),
				}})
			}
		}
	}
	return places
}
