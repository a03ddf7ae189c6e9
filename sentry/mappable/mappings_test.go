package mappable

import (
	"math/rand/v2"
	"testing"

	"ringfence/abi/addr"
)

// space is an address space that nobody tells anything.
type space struct{ n int }

func (*space) Invalidate(Mappable, addr.Range, bool) {}

// TestMappings compares with a page by page account.
func TestMappings(t *testing.T) {
	type page struct {
		s        *space
		a        addr.Addr
		start    uint64
		writable bool
	}
	spaces := []*space{{1}, {2}}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var ms Mappings
		model := map[page]bool{}
		for range 60 {
			s := spaces[r.IntN(2)]
			first, n := addr.Addr(r.IntN(20)+10), addr.Addr(r.IntN(5)+1)
			off, w := uint64(r.IntN(3)), r.IntN(2) == 0
			rg := addr.Range{Start: first << addr.PageShift, End: (first + n) << addr.PageShift}
			add := r.IntN(5) < 3
			if add {
				ms.Add(s, rg, off<<addr.PageShift, w)
			} else {
				ms.Remove(s, rg, off<<addr.PageShift, w)
			}
			for i := range n {
				p := page{s, first + i, uint64(first) - off, w}
				if add {
					model[p] = true
				} else {
					delete(model, p)
				}
			}
			if ms.Empty() != (len(model) == 0) {
				t.Fatalf("seed %d: empty %v, want %v", seed, ms.Empty(), len(model) == 0)
			}
			writable := false
			type shown struct {
				s *space
				a addr.Addr
			}
			lo, hi := uint64(2), uint64(9)
			want := map[shown]int{}
			for p := range model {
				writable = writable || p.writable
				if o := uint64(p.a) - p.start; o >= lo && o < hi {
					want[shown{p.s, p.a}]++
				}
			}
			if ms.Writable() != writable {
				t.Fatalf("seed %d: writable %v", seed, ms.Writable())
			}
			for _, p := range ms.Places(lo<<addr.PageShift, hi<<addr.PageShift) {
				for a := p.Range.Start >> addr.PageShift; a < p.Range.End>>addr.PageShift; a++ {
					want[shown{p.Space.(*space), a}]--
				}
			}
			for k, n := range want {
				if n != 0 {
					t.Fatalf("seed %d: page %#x of space %d is off by %d", seed, k.a, k.s.n, n)
				}
			}
		}
	}
}

// TestManyMappings does not end where a removal looks at all others.
func TestManyMappings(t *testing.T) {
	const many = 1_000_000
	var ms Mappings
	s := &space{}
	at := func(i int) addr.Range {
		a := addr.Addr(i) * 2 * addr.PageSize
		return addr.Range{Start: a, End: a + addr.PageSize}
	}
	for i := range many {
		ms.Add(s, at(i), 0, true)
	}
	for i := range many {
		ms.Remove(s, at(i), 0, true)
	}
	if !ms.Empty() {
		t.Error("some are left")
	}
}
