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

import (
	"math"

	"github.com/google/btree"
)

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
type Map[V comparable] struct {
	// tree orders entries by End. As they are disjoint that is the order of Start
	// too, and the first entry that ends behind a point is one look-up away.
	// It is nil until the first insertion.
	tree *btree.BTreeG[Entry[V]]
}

const (
	degree    = 16
	freeNodes = 4 // spare nodes that a tree and its clones keep
)

func less[V comparable](a, b Entry[V]) bool { return a.End < b.End }

// Clone returns a copy, in constant time.
func (m *Map[V]) Clone() Map[V] {
	if m.tree == nil {
		return Map[V]{}
	}
	return Map[V]{m.tree.Clone()}
}

// Len returns the number of entries.
func (m *Map[V]) Len() int {
	if m.tree == nil {
		return 0
	}
	return m.tree.Len()
}

// Clear removes everything.
func (m *Map[V]) Clear() { m.tree = nil }

// Find returns the entry that contains at.
func (m *Map[V]) Find(at uint64) (Entry[V], bool) {
	e, ok := m.Next(at)
	return e, ok && e.Start <= at
}

// Next returns the first entry that ends behind at: the one that contains at or
// the first above.
func (m *Map[V]) Next(at uint64) (found Entry[V], ok bool) {
	if m.tree == nil || at == math.MaxUint64 {
		return found, false
	}
	m.tree.AscendGreaterOrEqual(Entry[V]{End: at + 1}, func(e Entry[V]) bool {
		found, ok = e, true
		return false
	})
	return found, ok
}

// Prev returns the last entry that ends at or below at.
func (m *Map[V]) Prev(at uint64) (found Entry[V], ok bool) {
	if m.tree == nil {
		return found, false
	}
	m.tree.DescendLessOrEqual(Entry[V]{End: at}, func(e Entry[V]) bool {
		found, ok = e, true
		return false
	})
	return found, ok
}

// Ascend calls fn with the entries that overlap [start, end), unclipped and in
// order, until fn returns false. fn must not change the map.
func (m *Map[V]) Ascend(start, end uint64, fn func(Entry[V]) bool) {
	if m.tree == nil || start >= end {
		return
	}
	m.tree.AscendGreaterOrEqual(Entry[V]{End: start + 1}, func(e Entry[V]) bool {
		return e.Start < end && fn(e)
	})
}

// Descend calls fn with the entries that start below end, unclipped and from the
// highest to the lowest, until fn returns false. fn must not change the map.
func (m *Map[V]) Descend(end uint64, fn func(Entry[V]) bool) {
	if m.tree == nil || end == 0 {
		return
	}
	if e, ok := m.Next(end); ok && e.Start < end && !fn(e) {
		return
	}
	m.tree.DescendLessOrEqual(Entry[V]{End: end}, func(e Entry[V]) bool { return fn(e) })
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
	e, ok := m.Next(start)
	return ok && e.Start < end
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
	if m.tree == nil {
		m.tree = btree.NewWithFreeListG(degree, less[V], btree.NewFreeListG[Entry[V]](freeNodes))
	}
	if next, ok := m.Next(e.Start); ok {
		if next.Start < e.End {
			panic("span: overlapping entries")
		}
		if e.continues(next) {
			m.tree.Delete(next)
			e.End = next.End
		}
	}
	if prev, ok := m.Prev(e.Start); ok && prev.continues(e) {
		m.tree.Delete(prev)
		e.Start, e.Off = prev.Start, prev.Off
	}
	m.tree.ReplaceOrInsert(e)
	return e
}

// Cut removes [start, end), splitting entries at the ends, and appends what it
// removed to buf.
func (m *Map[V]) Cut(start, end uint64, buf []Entry[V]) []Entry[V] {
	from := len(buf)
	m.Ascend(start, end, func(e Entry[V]) bool {
		buf = append(buf, e)
		return true
	})
	for i := from; i < len(buf); i++ {
		e := buf[i]
		if e.End > end {
			// Same key: the rest takes the place of the whole.
			m.tree.ReplaceOrInsert(e.Clip(end, e.End))
		} else {
			m.tree.Delete(e)
		}
		if e.Start < start {
			m.tree.ReplaceOrInsert(e.Clip(e.Start, start))
		}
		buf[i] = e.Clip(start, end)
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
