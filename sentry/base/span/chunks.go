package span

import "slices"

// chunkSize is how many entries a chunk holds at most: few enough that moving half of them
// for an insertion costs less than finding the place.
const chunkSize = 32

// chunk is a run of entries, in order; it is never empty. Only who has its mark may change it.
type chunk[V comparable] struct {
	owner *mark
	n     int
	ends  [chunkSize]uint64 // entries[i].End, side by side for the search
	e     [chunkSize]Entry[V]
}

// mark tells the chunks of one Map from those that it shares with clones.
type mark struct{ _ byte } // not of size zero: each has its own address

// place is where an entry stands, or would.
type place struct{ chunk, i int }

// seek returns the place of the first entry that ends above at, or the end.
func (m *Map[V]) seek(at uint64) place {
	c := search(m.ends, at)
	if c == len(m.chunks) {
		return place{c, 0}
	}
	ch := m.chunks[c]
	return place{c, search(ch.ends[:ch.n], at)}
}

// search returns the index of the first of ends above at.
func search(ends []uint64, at uint64) int {
	lo, hi := 0, len(ends)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); ends[mid] <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// at returns the entry at p, nil at the end. It must not be changed.
func (m *Map[V]) at(p place) *Entry[V] {
	if p.chunk == len(m.chunks) {
		return nil
	}
	return &m.chunks[p.chunk].e[p.i]
}

// next and prev return the places beside p; prev reports whether there is one.
func (m *Map[V]) next(p place) place {
	if p.i++; p.i == m.chunks[p.chunk].n {
		return place{p.chunk + 1, 0}
	}
	return p
}

func (m *Map[V]) prev(p place) (place, bool) {
	if p.i > 0 {
		return place{p.chunk, p.i - 1}, true
	}
	if p.chunk == 0 {
		return p, false
	}
	return place{p.chunk - 1, m.chunks[p.chunk-1].n - 1}, true
}

// own prepares for a change of the list of chunks.
func (m *Map[V]) own() {
	if m.owner == nil {
		m.owner = new(mark)
		m.ends, m.chunks = slices.Clone(m.ends), slices.Clone(m.chunks)
	}
}

// ownChunk returns chunk c to be changed.
func (m *Map[V]) ownChunk(c int) *chunk[V] {
	m.own()
	ch := m.chunks[c]
	if ch.owner != m.owner {
		own := *ch
		own.owner = m.owner
		ch = &own
		m.chunks[c] = ch
	}
	return ch
}

// set replaces the entry at p by e, which has the same neighbours.
func (m *Map[V]) set(p place, e Entry[V]) {
	ch := m.ownChunk(p.chunk)
	ch.e[p.i], ch.ends[p.i] = e, e.End
	if p.i == ch.n-1 {
		m.ends[p.chunk] = e.End
	}
}

// insert puts e in front of the entry at p.
func (m *Map[V]) insert(p place, e Entry[V]) {
	m.length++
	if p.chunk == len(m.chunks) {
		if p.chunk == 0 {
			m.own()
			m.insertChunk(0, nil)
		} else {
			p.chunk--
			p.i = m.chunks[p.chunk].n
		}
	}
	ch := m.ownChunk(p.chunk)
	if ch.n == chunkSize {
		// Behind the last entry of a chunk memory grows upwards: leave the chunk full.
		cut := chunkSize / 2
		if p.i == chunkSize {
			cut = chunkSize
		}
		m.insertChunk(p.chunk+1, ch.e[cut:])
		clear(ch.e[cut:])
		ch.n = cut
		m.ends[p.chunk] = ch.ends[cut-1]
		if p.i >= cut {
			p = place{p.chunk + 1, p.i - cut}
			ch = m.chunks[p.chunk]
		}
	}
	copy(ch.e[p.i+1:], ch.e[p.i:ch.n])
	copy(ch.ends[p.i+1:], ch.ends[p.i:ch.n])
	ch.n++
	m.set(p, e)
}

// insertChunk makes a chunk of entries, of which there may be none for the moment.
func (m *Map[V]) insertChunk(c int, entries []Entry[V]) {
	ch := &chunk[V]{owner: m.owner, n: len(entries)}
	copy(ch.e[:], entries)
	end := uint64(0)
	for i := range entries {
		end = entries[i].End
		ch.ends[i] = end
	}
	m.ends = slices.Insert(m.ends, c, end)
	m.chunks = slices.Insert(m.chunks, c, ch)
}

// remove takes the entry at p out.
func (m *Map[V]) remove(p place) {
	m.length--
	ch := m.ownChunk(p.chunk)
	copy(ch.e[p.i:], ch.e[p.i+1:ch.n])
	copy(ch.ends[p.i:], ch.ends[p.i+1:ch.n])
	ch.n--
	ch.e[ch.n] = Entry[V]{}
	if ch.n == 0 {
		m.removeChunk(p.chunk)
		return
	}
	m.ends[p.chunk] = ch.ends[ch.n-1]
	// Two chunks that fill half of one become one.
	if c := p.chunk + 1; c < len(m.chunks) && ch.n+m.chunks[c].n <= chunkSize/2 {
		from := m.chunks[c]
		copy(ch.e[ch.n:], from.e[:from.n])
		copy(ch.ends[ch.n:], from.ends[:from.n])
		ch.n += from.n
		m.ends[p.chunk] = m.ends[c]
		m.removeChunk(c)
	}
}

func (m *Map[V]) removeChunk(c int) {
	m.ends = slices.Delete(m.ends, c, c+1)
	m.chunks = slices.Delete(m.chunks, c, c+1)
}
