package span

import (
	"math/rand/v2"
	"testing"
)

// model is the obvious implementation: a value and an offset for each number.
type model [512]struct {
	v   int
	off uint64
}

func (m *model) check(t *testing.T, s *Map[int]) {
	t.Helper()
	var got model
	last := Entry[int]{}
	s.Ascend(0, 1<<32, func(e Entry[int]) bool {
		if e.Start < last.End || e.Start >= e.End {
			t.Fatalf("entry %v after %v", e, last)
		}
		if last.End > 0 && last.continues(e) {
			t.Fatalf("%v and %v are not merged", last, e)
		}
		for i := e.Start; i < e.End; i++ {
			got[i].v, got[i].off = e.V, e.OffAt(i)
		}
		last = e
		return true
	})
	if got != *m {
		t.Fatal("map and model differ")
	}
}

func TestMap_agrees_with_a_flat_model(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s Map[int]
	var m model
	type copied struct {
		s Map[int]
		m model
	}
	var clones []copied
	for i := range 20000 {
		start := r.Uint64N(500)
		end := start + 1 + r.Uint64N(12)
		switch r.IntN(8) {
		case 0, 1, 2:
			for _, e := range s.Cut(start, end, nil) {
				for j := e.Start; j < e.End; j++ {
					if m[j].v != e.V || m[j].off != e.OffAt(j) {
						t.Fatalf("cut returned %v", e)
					}
				}
			}
			for j := start; j < end; j++ {
				m[j].v, m[j].off = 0, 0
			}
		case 3:
			if i%50 == 0 {
				clones = append(clones, copied{s.Clone(), m})
			}
		default:
			e := Entry[int]{start, end, start, 1 + r.IntN(2)}
			if r.IntN(4) == 0 {
				e.Off = 7
			}
			s.Set(e)
			for j := start; j < end; j++ {
				m[j].v, m[j].off = e.V, e.OffAt(j)
			}
		}
		if i%20 == 0 {
			m.check(t, &s)
			s.invariants(t)
		}
		at := r.Uint64N(510)
		e, ok := s.Find(at)
		if ok != (m[at].v != 0) || ok && e.V != m[at].v {
			t.Fatalf("Find(%d) = %v, %v", at, e, ok)
		}
		covered, any := true, false
		for j := start; j < end; j++ {
			covered = covered && m[j].v != 0
			any = any || m[j].v != 0
		}
		if s.Covered(start, end) != covered || s.Overlaps(start, end) != any {
			t.Fatalf("Covered or Overlaps of [%d, %d) is wrong", start, end)
		}
		if p, ok := s.Prev(at); ok && (p.End > at || m[p.End-1].v == 0) {
			t.Fatalf("Prev(%d) = %v", at, p)
		}
	}
	for _, c := range clones {
		c.m.check(t, &c.s)
	}
}

// invariants checks what the search relies on.
func (m *Map[V]) invariants(t *testing.T) {
	t.Helper()
	n := 0
	for c, ch := range m.chunks {
		if ch.n == 0 || m.ends[c] != ch.ends[ch.n-1] {
			t.Fatalf("chunk %d of %d: %d entries, end %d", c, len(m.chunks), ch.n, m.ends[c])
		}
		for i := range chunkSize {
			if i < ch.n && ch.ends[i] != ch.e[i].End || i >= ch.n && ch.e[i] != (Entry[V]{}) {
				t.Fatalf("chunk %d, entry %d: %v, end %d", c, i, ch.e[i], ch.ends[i])
			}
		}
		n += ch.n
	}
	if n != m.Len() || len(m.ends) != len(m.chunks) {
		t.Fatalf("%d entries, Len %d; %d chunks, %d ends", n, m.Len(), len(m.chunks), len(m.ends))
	}
}

func TestMap_of_many_entries(t *testing.T) {
	const size = 4000
	orders := map[string]func(i int) int{
		"upwards":   func(i int) int { return i },
		"downwards": func(i int) int { return size - 1 - i },
		"shuffled":  func(i int) int { return i * 1009 % size },
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			var s Map[int]
			for i := range size {
				at := uint64(order(i))
				s.Insert(Entry[int]{at * 2, at*2 + 1, 0, 1})
				if i%100 == 0 {
					s.invariants(t)
				}
			}
			full := s.Clone()
			for i := range size {
				at := uint64(order(i)) * 2
				if e, ok := s.Find(at); !ok || e.Start != at {
					t.Fatalf("Find(%d) = %v, %v", at, e, ok)
				}
				if got := s.Cut(at, at+2, nil); len(got) != 1 || got[0].Start != at {
					t.Fatalf("Cut(%d) = %v", at, got)
				}
				if s.Overlaps(at, at+1) || s.Len() != size-1-i {
					t.Fatalf("%d is still there, or more than that is gone", at)
				}
				if i%100 == 0 {
					s.invariants(t)
				}
			}
			full.invariants(t)
			if full.Len() != size || len(full.Cut(0, 2*size, nil)) != size {
				t.Error("the clone changed")
			}
			full.invariants(t)
		})
	}
}

func TestMap_lookups_do_not_allocate(t *testing.T) {
	var s Map[int]
	for i := range uint64(1000) {
		s.Insert(Entry[int]{i * 2, i*2 + 1, 0, 1})
	}
	n := testing.AllocsPerRun(100, func() {
		if _, ok := s.Find(500); !ok {
			t.Fatal("lost")
		}
		s.Prev(500)
		s.Overlaps(3, 90)
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFind(b *testing.B) {
	var s Map[int]
	for i := range uint64(300) {
		s.Insert(Entry[int]{i * 2, i*2 + 1, 0, 1})
	}
	for i := 0; b.Loop(); i++ {
		s.Find(uint64(i%300) * 2)
	}
}

func BenchmarkInsertCut(b *testing.B) {
	var s Map[int]
	for i := range uint64(300) {
		s.Insert(Entry[int]{i * 4, i*4 + 1, 0, 1})
	}
	b.ReportAllocs()
	var buf [4]Entry[int]
	for i := 0; b.Loop(); i++ {
		at := uint64(i%300)*4 + 2
		s.Insert(Entry[int]{at, at + 1, 0, 1})
		s.Cut(at, at+1, buf[:0])
	}
}
