package mm

import (
	"errors"
	"sync"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform"
	"ringfence/platform/hostcall"
	"ringfence/sentry/memfile"
)

// fakePlatform keeps mappings page by page and plays the guest's loads and stores on them.
type fakePlatform struct{}

func (fakePlatform) Name() string { return "fake" }
func (fakePlatform) UserRange() addr.Range {
	return addr.Range{Start: 0x1000, End: 0x7ffff0000000}
}
func (fakePlatform) NewAddressSpace() (platform.AddressSpace, error) {
	return &fakeSpace{pages: map[addr.Addr]fakePage{}}, nil
}
func (fakePlatform) NewContext() platform.Context { return nil }
func (fakePlatform) Close()                       {}

type fakePage struct {
	fd   hostcall.FD
	off  uint64
	prot platform.Prot
}

type fakeSpace struct {
	mu       sync.RWMutex
	pages    map[addr.Addr]fakePage
	released bool
	maps     int // calls of Map
	unmaps   int
	limit    int // if not 0: Map fails when there are more pages
}

func (s *fakeSpace) Map(r addr.Range, file hostcall.FD, off uint64, prot platform.Prot, populate platform.Populate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released || !r.Aligned() || r.Empty() || off&addr.PageMask != 0 || prot == 0 {
		panic("bad Map")
	}
	s.maps++
	for a := r.Start; a < r.End; a += addr.PageSize {
		if s.limit != 0 && len(s.pages) >= s.limit {
			return errno.ENOMEM
		}
		s.pages[a] = fakePage{file, off + uint64(a-r.Start), prot}
	}
	return nil
}

func (s *fakeSpace) MapAll(ms []platform.Mapping) error {
	for _, m := range ms {
		if err := s.Map(m.Range, m.File, m.Offset, m.Prot, m.Populate); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeSpace) Unmap(r addr.Range) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released || !r.Aligned() || r.Empty() {
		panic("bad Unmap")
	}
	s.unmaps++
	if r.Len()>>addr.PageShift > uint64(len(s.pages)) {
		for a := range s.pages {
			if r.Contains(a) {
				delete(s.pages, a)
			}
		}
		return nil
	}
	for a := r.Start; a < r.End; a += addr.PageSize {
		delete(s.pages, a)
	}
	return nil
}

func (s *fakeSpace) Release() { s.released = true }

// fakeOf returns the fakeSpace that as is, or that is in it.
func fakeOf(as platform.AddressSpace) *fakeSpace {
	if p, ok := as.(*patchingSpace); ok {
		return p.fakeSpace
	}
	return as.(*fakeSpace)
}

// guest is a thread of a guest.
type guest struct {
	t  testing.TB
	m  *MM
	mf *memfile.File
}

// access finds the page at a as a CPU would and calls fn with its bytes.
func (g guest) access(a addr.Addr, want platform.Prot, fn func(b []byte)) error {
	s := fakeOf(g.m.as)
	for range 100 {
		s.mu.RLock()
		p, ok := s.pages[a.RoundDown()]
		if ok && (p.prot|platform.Read)&want == want { // what is mapped can be read, on x86
			defer s.mu.RUnlock()
			if p.fd != g.mf.FD() {
				b := make([]byte, addr.PageSize)
				if _, err := hostcall.Pread(p.fd, b, int64(p.off)); err != nil {
					g.t.Errorf("mapping of a closed file at %v", a)
				}
				fn(b)
				if want&platform.Write != 0 {
					hostcall.Pwrite(p.fd, b, int64(p.off))
				}
				return nil
			}
			if g.mf.Refs(p.off) <= 0 {
				g.t.Errorf("stale mapping: %#x shows the free page %#x", uint64(a), p.off)
			}
			b, _ := g.mf.Bytes(p.off, addr.PageSize, true)
			fn(b)
			return nil
		}
		s.mu.RUnlock()
		if err := g.m.HandleFault(a, want); err != nil {
			return err
		}
	}
	return errors.New("the fault does not go away")
}

func (g guest) load(a addr.Addr) (v byte, err error) {
	err = g.access(a, platform.Read, func(b []byte) { v = b[a.Offset()] })
	return v, err
}

func (g guest) store(a addr.Addr, v byte) error {
	return g.access(a, platform.Write, func(b []byte) { b[a.Offset()] = v })
}

func (g guest) mustStore(a addr.Addr, v byte) {
	g.t.Helper()
	if err := g.store(a, v); err != nil {
		g.t.Fatalf("store to %#x: %v", uint64(a), err)
	}
}

func (g guest) mustLoad(a addr.Addr, want byte) {
	g.t.Helper()
	if v, err := g.load(a); err != nil || v != want {
		g.t.Fatalf("load from %#x: %d, %v, want %d", uint64(a), v, err, want)
	}
}

func newGuest(t testing.TB) guest {
	t.Helper()
	return newGuestOn(t, fakePlatform{})
}

func newGuestOn(t testing.TB, p platform.Platform) guest {
	t.Helper()
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(p, mf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.DecUsers()
		if n := mf.Frames(); n != 0 {
			t.Errorf("%d bytes of frames leaked: %v", n, mf.Stats().ByKind)
		}
		mf.Close()
	})
	return guest{t, m, mf}
}

func (g guest) fork() guest {
	g.t.Helper()
	c, err := g.m.Fork(nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return guest{g.t, c, g.mf}
}

func (g guest) mmap(o MapOpts) addr.Addr {
	g.t.Helper()
	a, err := g.m.Map(o)
	if err != nil {
		g.t.Fatalf("map %+v: %v", o, err)
	}
	return a
}

const rw = platform.Read | platform.Write
