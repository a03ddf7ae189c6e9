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
