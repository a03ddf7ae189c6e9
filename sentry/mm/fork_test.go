package mm

import (
	"math/rand/v2"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/linux"
)

// A family of address spaces against the obvious model: a byte per page and space,
// which fork copies.
func TestFork_agrees_with_a_copying_model(t *testing.T) {
	const pages = 64
	type space struct {
		guest
		mapped [pages]bool
		data   [pages]byte
	}
	for seed := range uint64(6) {
		g := newGuest(t)
		if seed%2 == 1 {
			g.mf.SetLimit(64 << 20)
		}
		r := rand.New(rand.NewPCG(seed, 3))
		family := []*space{{guest: g}}
		for range 4000 {
			i := r.IntN(len(family))
			s := family[i]
			p := r.IntN(pages)
			n := 1 + r.IntN(min(8, pages-p))
			a := arena + addr.Addr(p)*page
			switch k := r.IntN(100); {
			case k < 6 && len(family) < 6:
				c := *s
				c.guest = s.fork()
				c.t = t
				family = append(family, &c)
			case k < 10 && len(family) > 1 && i > 0:
				s.m.DecUsers()
				family = append(family[:i], family[i+1:]...)
			case k < 20:
				s.mmap(MapOpts{Addr: a, Length: uint64(n) * page, Prot: rw, Private: true, Fixed: true})
				for j := p; j < p+n; j++ {
					s.mapped[j], s.data[j] = true, 0
				}
			case k < 24:
				if err := s.m.Unmap(a, uint64(n)*page, nil); err != nil {
					t.Fatal(err)
				}
				for j := p; j < p+n; j++ {
					s.mapped[j] = false
				}
			case k < 28:
				s.m.Advise(a, uint64(n)*page, linux.MADV_DONTNEED)
				for j := p; j < p+n; j++ {
					s.data[j] = 0
				}
			case k < 32: // move a run elsewhere
				q := r.IntN(pages - n + 1)
				if q < p+n && p < q+n {
					continue
				}
				ok := true
				for j := p; j < p+n; j++ {
					ok = ok && s.mapped[j]
				}
				if !ok {
					continue
				}
				for j := range n {
					s.m.Remap(RemapOpts{Old: a + addr.Addr(j)*page, OldLength: page, NewLength: page, New: arena + addr.Addr(q+j)*page, Fixed: true, MayMove: true})
					s.mapped[q+j], s.data[q+j] = true, s.data[p+j]
					s.mapped[p+j] = false
				}
			case k < 36:
				s.m.Protect(a, uint64(n)*page, linux.PROT_READ)
				s.m.Protect(a, uint64(n)*page, linux.PROT_READ|linux.PROT_WRITE)
			case k < 38:
				s.m.as.(*fakeSpace).limit = 5 + r.IntN(60)
			case k < 70:
				v := byte(1 + r.IntN(255))
				var err error
				if r.IntN(3) == 0 {
					_, err = s.m.CopyOut(a+77, []byte{v})
				} else {
					err = s.store(a+77, v)
				}
				if (err == nil) != s.mapped[p] {
					t.Fatalf("store: %v", err)
				}
				if err == nil {
					s.data[p] = v
				}
			default:
				v, err := s.load(a + 77)
				if r.IntN(3) == 0 {
					var b [1]byte
					_, err = s.m.CopyIn(a+77, b[:])
					v = b[0]
				}
				if (err == nil) != s.mapped[p] || err == nil && v != s.data[p] {
					t.Fatalf("seed %d: load %d, %v, want %d, %v", seed, v, err, s.data[p], s.mapped[p])
				}
			}
		}
		for _, s := range family[1:] {
			s.m.DecUsers()
		}
	}
}
