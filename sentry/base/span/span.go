// Package span keeps disjoint intervals of numbers with a value each: the
// mappings of an address space, the pages of a file.
//
// Entries carry an offset that advances with their start, so the container can
// split and merge them by itself: neighbours become one entry where their values
// are equal and the second continues the first one's offset. It calls no method
// of the value.
//
// A Map has no lock: reads may run concurrently, a write excludes everything
// else. Clone shares structure copy-on-write; clones may be used concurrently.
package span

// Entry is the interval [Start, End) with its value. Off belongs to Start.
type Entry[V comparable] struct {
	Start, End, Off uint64
	V               V
}

// Len returns the length of the interval.
func (e Entry[V]) Len() uint64 { return e.End - e.Start }

// OffAt returns the offset that belongs to at, which lies in the interval.
func (e Entry[V]) OffAt(at uint64) uint64 { return e.Off + (at - e.Start) }

// Clip returns the part of e within [start, end).
func (e Entry[V]) Clip(start, end uint64) Entry[V] {
	if start > e.Start {
		e.Off += start - e.Start
		e.Start = start
	}
	e.End = min(e.End, end)
	return e
}

func (e Entry[V]) continues(next Entry[V]) bool {
	return e.End == next.Start && e.Off+e.Len() == next.Off && e.V == next.V
}

// Map is a set of disjoint entries. The zero value is empty and ready.
//
// It is a sorted list of chunks of sorted entries: two binary searches find an entry, and a
// change moves a few dozen at most. That takes a third of the time of a B-tree of generic items,
// whose comparisons are calls. Beyond some hundred thousand entries the list of chunks
// would want a list of its own.
type Map[V comparable] struct {
	// ends[i] is where the last entry of chunks[i] ends. As entries are disjoint, the order of ends
	// is that of starts too, and the first entry that ends behind a point is one look-up away.
	ends   []uint64
	chunks []*chunk[V]
	length int
	// owner marks the chunks that no clone shares; nil if the two lists themselves are shared.
	owner *mark
}

// Clone returns a copy, in constant time; the first change of either copies the list of chunks, and
// later ones copy the chunks that they change.
func (m *Map[V]) Clone() Map[V] {
	m.owner = nil
	return *m
}

// Len returns the number of entries.
func (m *Map[V]) Len() int { return m.length }

// Clear removes everything.
func (m *Map[V]) Clear() { *m = Map[V]{} }

// Find returns the entry that contains at.
func (m *Map[V]) Find(at uint64) (Entry[V], bool) {
	e := m.at(m.seek(at))
	if e == nil || e.Start > at {
		return Entry[V]{}, false
	}
	return *e, true
}

// Next returns the first entry that ends behind at: the one that contains at or
// the first above.
func (m *Map[V]) Next(at uint64) (Entry[V], bool) {
	e := m.at(m.seek(at))
	if e == nil {
		return Entry[V]{}, false
	}
	return *e, true
}

// Prev returns the last entry that ends at or below at.
func (m *Map[V]) Prev(at uint64) (Entry[V], bool) {
	p, ok := m.prev(m.seek(at))
	if !ok {
		return Entry[V]{}, false
	}
	return *m.at(p), true
}

// Ascend calls fn with the entries that overlap [start, end), unclipped and in
// order, until fn returns false. fn must not change the map.
func (m *Map[V]) Ascend(start, end uint64, fn func(Entry[V]) bool) {
	for p := m.seek(start); ; p = m.next(p) {
		if e := m.at(p); e == nil || e.Start >= end || start >= end || !fn(*e) {
			return
		}
	}
}

// Descend calls fn with the entries that start below end, unclipped and from the
// highest to the lowest, until fn returns false. fn must not change the map.
func (m *Map[V]) Descend(end uint64, fn func(Entry[V]) bool) {
	p := m.seek(end)
	if e := m.at(p); e != nil && e.Start < end && !fn(*e) {
		return
	}
	for {
		var ok bool
		if p, ok = m.prev(p); !ok || !fn(*m.at(p)) {
			return
		}
	}
}

// Append appends the parts of entries within [start, end) to buf.
func (m *Map[V]) Append(buf []Entry[V], start, end uint64) []Entry[V] {
	m.Ascend(start, end, func(e Entry[V]) bool {
		buf = append(buf, e.Clip(start, end))
		return true
	})
	return buf
}

// Overlaps reports whether an entry overlaps [start, end).
func (m *Map[V]) Overlaps(start, end uint64) bool {
	e := m.at(m.seek(start))
	return e != nil && e.Start < end
}

// Covered reports whether entries fill [start, end) without a gap.
func (m *Map[V]) Covered(start, end uint64) bool {
	at := start
	m.Ascend(start, end, func(e Entry[V]) bool {
		if e.Start > at {
			return false
		}
		at = e.End
		return true
	})
	return at >= end
}

// Insert adds e, merging it with its neighbours where they continue each other,
// and returns the entry that e is part of now.
//
// Preconditions: e is not empty and overlaps nothing.
func (m *Map[V]) Insert(e Entry[V]) Entry[V] {
	if e.Start >= e.End {
		panic("span: empty entry")
	}
	p := m.seek(e.Start)
	next := m.at(p)
	if next != nil && next.Start < e.End {
		panic("span: overlapping entries")
	}
	after := next != nil && e.continues(*next)
	if after {
		e.End = next.End
	}
	q, ok := m.prev(p)
	before := ok && m.at(q).continues(e)
	if before {
		e.Start, e.Off = m.at(q).Start, m.at(q).Off
	}
	switch {
	case before:
		if after {
			m.remove(p)
		}
		m.set(q, e)
	case after:
		m.set(p, e)
	default:
		m.insert(p, e)
	}
	return e
}

// Cut removes [start, end), splitting entries at the ends, and appends what it
// removed to buf.
func (m *Map[V]) Cut(start, end uint64, buf []Entry[V]) []Entry[V] {
	for start < end {
		p := m.seek(start)
		at := m.at(p)
		if at == nil || at.Start >= end {
			break
		}
		e := *at
		buf = append(buf, e.Clip(start, end))
		switch left, right := e.Start < start, e.End > end; {
		case left && right:
			m.set(p, e.Clip(end, e.End))
			m.insert(p, e.Clip(e.Start, start))
		case left:
			m.set(p, e.Clip(e.Start, start))
		case right:
			m.set(p, e.Clip(end, e.End))
		default:
			m.remove(p)
		}
		start = min(e.End, end)
	}
	return buf
}

// Set replaces what is in e's interval by e.
func (m *Map[V]) Set(e Entry[V]) {
	if m.Overlaps(e.Start, e.End) {
		m.Cut(e.Start, e.End, nil)
	}
	m.Insert(e)
}
