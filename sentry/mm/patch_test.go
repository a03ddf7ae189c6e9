package mm

import (
	"bytes"
	"testing"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/hostcall"
	"ringfence/sentry/memfile"
)

// patching is a fake platform that patches: it inverts the two bytes before end.
type patching struct{ fakePlatform }

func (p patching) NewAddressSpace() (platform.AddressSpace, error) {
	as, err := p.fakePlatform.NewAddressSpace()
	return &patchingSpace{as.(*fakeSpace), map[addr.Addr]bool{}}, err
}

// patchingSpace notes where it patched.
type patchingSpace struct {
	*fakeSpace
	patched map[addr.Addr]bool
}

func (s *patchingSpace) Patch(page []byte, start, end addr.Addr, nr uint64) bool {
	if nr == 0 {
		return false
	}
	page[end-start-1] ^= 0xff
	page[end-start-2] ^= 0xff
	s.patched[end] = true
	return true
}

func (s *patchingSpace) Unpatch(r addr.Range) {
	for a := range s.patched {
		if r.Contains(a - 1) {
			delete(s.patched, a)
		}
	}
}

func (s *patchingSpace) Inherit(from platform.AddressSpace) {
	for a := range from.(*patchingSpace).patched {
		s.patched[a] = true
	}
}

const text addr.Addr = 0x400000

// textGuest has a file of two pages of text, whose bytes are the page's number, mapped at text.
func textGuest(t *testing.T, o MapOpts) guest {
	t.Helper()
	fd, err := hostcall.MemfdCreate("text", 0)
	if err != nil {
		t.Fatal(err)
	}
	hostcall.Pwrite(fd, append(bytes.Repeat([]byte{1}, page), bytes.Repeat([]byte{2}, page)...), 0)
	host := memfile.NewHostFile(fd, true)
	t.Cleanup(host.Release)
	g := newGuestOn(t, patching{})
	o.Addr, o.Length, o.Fixed, o.Mappable = text, 2*page, true, &hostMappable{f: host, size: 2 * page}
	g.mmap(o)
	if _, err := g.load(text); err != nil {
		t.Fatal(err)
	}
	return g
}

// hit executes the instruction that ends at end until it is patched or never will be.
func (g guest) hit(end addr.Addr, nr uint64) {
	for range patchAfter {
		g.m.Patch(end, nr)
	}
}

func TestPatch(t *testing.T) {
	const rx = platform.Read | platform.Exec
	private := MapOpts{Prot: rx, MaxProt: allProt, Private: true}
	end := text + 100
	// seen is what the guest finds at end-1, which is 1 in the file.
	seen := func(g guest, want byte) {
		g.t.Helper()
		g.mustLoad(end-1, want)
		var b [1]byte
		if _, err := g.m.ReadRemote(end-1, b[:]); err != nil || b[0] != 1 && want != 7 {
			g.t.Errorf("the sentry reads %d, %v", b[0], err)
		}
	}
	t.Run("shows_the_guest_a_copy_and_everybody_else_the_file", func(t *testing.T) {
		g := textGuest(t, private)
		for range patchAfter - 1 {
			g.m.Patch(end, 1)
		}
		seen(g, 1)
		g.m.Patch(end, 1)
		seen(g, 0xfe)
		g.mustLoad(text+page, 2)
	})
	t.Run("adds_to_a_page_that_has_one", func(t *testing.T) {
		g := textGuest(t, private)
		g.hit(end, 1)
		g.hit(end+20, 1)
		g.mustLoad(end-1, 0xfe)
		g.mustLoad(end+19, 0xfe)
	})
	t.Run("leaves_what_the_platform_refuses", func(t *testing.T) {
		g := textGuest(t, private)
		g.hit(end, 0)
		seen(g, 1)
	})
	for _, c := range []struct {
		name string
		o    MapOpts
	}{
		{"leaves_shared_mappings", MapOpts{Prot: rx, MaxProt: rx}},
		{"leaves_writable_mappings", MapOpts{Prot: rx | platform.Write, MaxProt: allProt, Private: true}},
		{"leaves_what_is_not_executable", MapOpts{Prot: platform.Read, MaxProt: allProt, Private: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := textGuest(t, c.o)
			g.hit(end, 1)
			seen(g, 1)
		})
	}
	t.Run("goes_when_the_guest_writes_to_the_page", func(t *testing.T) {
		g := textGuest(t, private)
		g.hit(end, 1)
		if err := g.m.Protect(text, 2*page, uint64(rx|platform.Write)); err != nil {
			t.Fatal(err)
		}
		g.mustStore(text, 9)
		seen(g, 1)
		if n := len(g.m.as.(*patchingSpace).patched); n != 0 {
			t.Errorf("%d sites are left", n)
		}
		g.hit(end, 1)
		seen(g, 1)
	})
	t.Run("goes_when_a_debugger_writes_to_the_page", func(t *testing.T) {
		g := textGuest(t, private)
		g.hit(end, 1)
		if _, err := g.m.WriteRemote(end-1, []byte{7}); err != nil {
			t.Fatal(err)
		}
		seen(g, 7)
	})
	t.Run("comes_back_with_the_permission_to_execute", func(t *testing.T) {
		g := textGuest(t, private)
		g.hit(end, 1)
		for _, p := range []struct {
			prot platform.Prot
			want byte
		}{{platform.Read, 1}, {rx, 0xfe}} {
			if err := g.m.Protect(text, 2*page, uint64(p.prot)); err != nil {
				t.Fatal(err)
			}
			seen(g, p.want)
		}
	})
	t.Run("is_inherited_and_outlives_the_parents", func(t *testing.T) {
		g := textGuest(t, private)
		g.hit(end, 1)
		c := g.fork()
		defer c.m.DecUsers()
		if err := g.m.Unmap(text, 2*page, nil); err != nil {
			t.Fatal(err)
		}
		seen(c, 0xfe)
		if len(c.m.as.(*patchingSpace).patched) != 1 {
			t.Error("the platform does not know it in the child")
		}
	})
	t.Run("goes_with_mremap", func(t *testing.T) {
		g := textGuest(t, private)
		g.hit(end, 1)
		to := text + 16*page
		if _, err := g.m.Remap(RemapOpts{Old: text, OldLength: 2 * page, NewLength: 2 * page, New: to, MayMove: true, Fixed: true}); err != nil {
			t.Fatal(err)
		}
		g.mustLoad(to+99, 1)
	})
}

func TestHot_pages_stay_writable_over_a_fork(t *testing.T) {
	g := newGuest(t)
	a := g.mmap(MapOpts{Length: 8 * page, Prot: rw, Private: true})
	for i := range addr.Addr(8) {
		g.mustStore(a+i*page, byte(i))
	}
	g.fork().m.DecUsers()
	g.mustStore(a+3*page, 30) // now it is known
	c := g.fork()
	defer c.m.DecUsers()
	for _, s := range []guest{g, c} {
		if p := s.m.as.(*fakeSpace).pages[a+3*page]; p.prot&platform.Write == 0 {
			t.Errorf("mapped as %d after the fork", p.prot)
		}
		if p := s.m.as.(*fakeSpace).pages[a+4*page]; p.prot&platform.Write != 0 {
			t.Errorf("the next page is mapped as %d", p.prot)
		}
	}
	c.mustLoad(a+3*page, 30)
	c.mustStore(a+3*page, 31)
	g.mustLoad(a+3*page, 30)
	g.mustStore(a+3*page, 32)
	c.mustLoad(a+3*page, 31)
}
