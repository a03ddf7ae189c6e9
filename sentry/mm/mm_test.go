package mm

import (
	"bytes"
	"sync"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/platform/hostcall"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/pagestore"
	"ringfence/sentry/usermem"
)

const page = addr.PageSize

func TestAnonymous_memory_is_zero_and_keeps_what_is_written(t *testing.T) {
	g := newGuest(t)
	a := g.mmap(MapOpts{Length: 1 << 20, Prot: rw, Private: true})
	g.mustLoad(a+5000, 0)
	g.mustStore(a+5000, 7)
	g.mustLoad(a+5000, 7)
	var b [4]byte
	if n, err := g.m.CopyIn(a+4998, b[:]); n != 4 || err != nil || b != [4]byte{0, 0, 7, 0} {
		t.Error(n, err, b)
	}
	if n, err := g.m.CopyOut(a+1<<20-2, []byte{1, 2, 3}); n != 2 || err != errno.EFAULT {
		t.Error(n, err)
	}
	g.mustLoad(a+1<<20-1, 2)
}

func TestFaults_say_what_is_wrong(t *testing.T) {
	g := newGuest(t)
	a := g.mmap(MapOpts{Length: 4 * page, Prot: platform.Read, Private: true})
	if err := g.store(a, 1); err != SegvAccErr {
		t.Error("store to read-only memory:", err)
	}
	g.mustLoad(a, 0)
	if err := g.store(a, 1); err != SegvAccErr {
		t.Error("store to read-only memory that is present:", err)
	}
	if _, err := g.load(a + 4*page); err != SegvMapErr {
		t.Error("load from nothing:", err)
	}
	if _, err := g.load(1 << 63); err != SegvMapErr {
		t.Error("load from a kernel address:", err)
	}
	if err := g.m.Protect(a, 4*page, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := g.load(a); err != SegvAccErr {
		t.Error("load from PROT_NONE:", err)
	}
	s := pagestore.NewSized(g.mf, memfile.Shared, 100)
	defer s.Release()
	b := g.mmap(MapOpts{Length: 2 * page, Prot: rw, Mappable: s})
	g.mustStore(b+200, 1)
	if _, err := g.load(b + page); err != BusAdrErr {
		t.Error("load beyond the end of a file:", err)
	}
	g.m.Unmap(b, 2*page, nil)
}

func TestFork_copies_on_write(t *testing.T) {
	g := newGuest(t)
	a := g.mmap(MapOpts{Length: 1 << 20, Prot: rw, Private: true})
	sh := g.mmap(MapOpts{Length: 1 << 20, Prot: rw})
	for i := addr.Addr(0); i < 1<<20; i += page {
		g.mustStore(a+i, 1)
		g.mustStore(sh+i, 1)
	}
	c := g.fork()
	g.mustStore(a, 2)
	c.mustLoad(a, 1)
	c.mustStore(a+page, 3)
	g.mustLoad(a+page, 1)
	c.mustStore(a, 4)
	g.mustLoad(a, 2)
	c.mustStore(sh, 9)
	g.mustLoad(sh, 9)
	if n, err := g.m.CopyOut(a+2*page, []byte{5}); n != 1 || err != nil {
		t.Error(n, err)
	}
	c.mustLoad(a+2*page, 1)
	d := c.fork()
	c.m.DecUsers()
	d.mustLoad(a, 4)
	d.mustLoad(a+page, 3)
	d.mustLoad(a+5*page, 1)
	d.m.DecUsers()
	g.mustLoad(a+page, 1)
	// Alone again: no copies are made.
	before := g.mf.Frames()
	for i := addr.Addr(0); i < 1<<20; i += page {
		g.mustStore(a+i, 1)
	}
	if after := g.mf.Frames(); after != before {
		t.Errorf("%d bytes more", after-before)
	}
}

func TestPrivate_file_mapping_does_not_change_the_file(t *testing.T) {
	g := newGuest(t)
	s := pagestore.New(g.mf, memfile.FileData, nil)
	defer s.Release()
	src := usermem.FromBytes(bytes.Repeat([]byte("abcd"), 4*page))
	if n, err := s.Write(&src, 0); n != 16*page || err != nil {
		t.Fatal(n, err)
	}
	a := g.mmap(MapOpts{Length: 16 * page, Prot: rw, Private: true, Mappable: s})
	b := g.mmap(MapOpts{Length: 16 * page, Prot: rw, Mappable: s})
	g.mustLoad(a, 'a')
	g.mustStore(a+1, 'X')
	g.mustLoad(b+1, 'b')
	g.mustLoad(a, 'a')
	g.mustStore(b+8*page+4, 'Y')
	g.mustLoad(a+8*page+4, 'Y')
	buf := make([]byte, 8)
	dst := usermem.FromBytes(buf)
	if n, err := s.Read(&dst, 8*page); n != 8 || err != nil || string(buf) != "abcdYbcd" {
		t.Error(n, err, string(buf))
	}
	if err := s.Truncate(page); err != nil {
		t.Fatal(err)
	}
	if _, err := g.load(a + 8*page); err != BusAdrErr {
		t.Error("load from what was cut off:", err)
	}
	g.mustLoad(a+1, 'X')
	g.m.Unmap(a, 16*page, nil)
	g.m.Unmap(b, 16*page, nil)
	if s.Mapped() {
		t.Error("mappings are left")
	}
}

// hostMappable maps a host file, as goferfs does.
type hostMappable struct {
	f    *memfile.HostFile
	size uint64
}

func (h *hostMappable) Translate(off, n, hint uint64, write bool) (mappable.Pages, error) {
	if off >= h.size {
		return mappable.Pages{}, errno.EFAULT
	}
	end := (h.size + page - 1) &^ (page - 1)
	h.f.IncRef(0, end)
	return mappable.Pages{Len: end, Backing: h.f, Writable: h.f.Writable()}, nil
}
func (h *hostMappable) AddMapping(mappable.Space, addr.Range, uint64, bool) error { return nil }
func (h *hostMappable) RemoveMapping(mappable.Space, addr.Range, uint64, bool)    {}

func TestHost_file(t *testing.T) {
	g := newGuest(t)
	fd, err := hostcall.MemfdCreate("file", 0)
	if err != nil {
		t.Fatal(err)
	}
	hostcall.Pwrite(fd, bytes.Repeat([]byte("0123456789"), 1000), 0)
	h := &hostMappable{memfile.NewHostFile(fd, true), 10000}
	a := g.mmap(MapOpts{Length: 4 * page, Prot: rw, Private: true, Mappable: h})
	b := g.mmap(MapOpts{Length: 4 * page, Prot: rw, Mappable: h})
	g.mustLoad(a+5, '5')
	g.mustStore(a+5, 'x')
	g.mustStore(b+4096, 'y')
	g.mustLoad(b+5, '5')
	g.mustLoad(a+5, 'x')
	g.mustLoad(b+4096, 'y')
	buf := make([]byte, 10)
	if n, err := g.m.CopyIn(a+9990, buf); n != 10 || err != nil || string(buf) != "0123456789" {
		t.Error(n, err, string(buf))
	}
	if n, err := g.m.CopyOut(b+9990, []byte("abc")); n != 3 || err != nil {
		t.Error(n, err)
	}
	hostcall.Pread(fd, buf, 9990)
	if string(buf) != "abc3456789" {
		t.Error(string(buf))
	}
	h.f.Release()
	g.mustLoad(b+4096, 'y')
	g.m.Unmap(a, 4*page, nil)
	g.m.Unmap(b, 4*page, nil)
	if _, err := hostcall.Fstat(fd); err != errno.EBADF {
		t.Error("the descriptor is still open:", err)
	}
}

func TestBrk(t *testing.T) {
	g := newGuest(t)
	g.m.SetBrkStart(0x10000800)
	if e := g.m.Brk(0, nil); e != 0x10000800 {
		t.Error(e)
	}
	if e := g.m.Brk(0x10005000, nil); e != 0x10005000 {
		t.Error(e)
	}
	g.mustStore(0x10004fff, 1)
	if err := g.store(0x10005000, 1); err != SegvMapErr {
		t.Error(err)
	}
	if e := g.m.Brk(0x10002000, nil); e != 0x10002000 {
		t.Error(e)
	}
	g.m.Brk(0x10005000, nil)
	g.mustLoad(0x10004fff, 0)
	g.mmap(MapOpts{Addr: 0x10008000, Length: page, Fixed: true, Private: true})
	if e := g.m.Brk(0x10007001, nil); e != 0x10005000 {
		t.Error("brk runs into a mapping:", e)
	}
	g.m.SetLimits(Limits{AS: linux.RLIM_INFINITY, Data: 0x5000, Stack: 8 << 20, MemLock: 0})
	if e := g.m.Brk(0x10006000, nil); e != 0x10005000 {
		t.Error("brk exceeds RLIMIT_DATA:", e)
	}
}

func TestStack_grows_and_keeps_its_gap(t *testing.T) {
	g := newGuest(t)
	top := addr.Addr(0x700000000000)
	g.mmap(MapOpts{Addr: top - 2*page, Length: 2 * page, Prot: rw, Private: true, Fixed: true, GrowsDown: true, Name: "[stack]"})
	g.mustStore(top-1<<20, 1)
	g.mustLoad(top-1, 0)
	if n, err := g.m.CopyOut(top-2<<20, []byte{1}); n != 1 || err != nil {
		t.Error(n, err)
	}
	if err := g.store(top-8<<20-1, 1); err != SegvMapErr {
		t.Error("stack exceeds its limit:", err)
	}
	g.mmap(MapOpts{Addr: top - 4<<20, Length: page, Prot: rw, Private: true, Fixed: true})
	if err := g.store(top-4<<20+page+guardGap-page, 1); err != SegvMapErr {
		t.Error("stack grows into the guard gap:", err)
	}
	g.mustStore(top-4<<20+page+guardGap, 1)
	if g.m.vmas.Len() != 2 {
		t.Errorf("%d mappings", g.m.vmas.Len())
	}
}

func TestMap_goes_top_down_and_merges(t *testing.T) {
	g := newGuest(t)
	a := g.mmap(MapOpts{Length: page, Prot: rw, Private: true})
	if a != g.m.Layout().MmapBase-page {
		t.Errorf("first mapping at %#x", uint64(a))
	}
	b := g.mmap(MapOpts{Length: 3 * page, Prot: rw, Private: true})
	if b != a-3*page || g.m.vmas.Len() != 1 {
		t.Errorf("second mapping at %#x, %d mappings", uint64(b), g.m.vmas.Len())
	}
	g.m.Unmap(b+page, page, nil)
	if c := g.mmap(MapOpts{Length: page, Prot: rw, Private: true}); c != b+page {
		t.Errorf("the hole is not filled: %#x", uint64(c))
	}
	if c := g.mmap(MapOpts{Length: page, Prot: rw, Private: true, Below4G: true}); c != 0x40000000 {
		t.Errorf("MAP_32BIT: %#x", uint64(c))
	}
	if c := g.mmap(MapOpts{Addr: 0x1234567, Length: page, Prot: rw, Private: true}); c != 0x1234000 {
		t.Errorf("hint: %#x", uint64(c))
	}
}

func TestPlatform_that_refuses_mappings_loses_nothing(t *testing.T) {
	g := newGuest(t)
	g.m.as.(*fakeSpace).limit = 40
	a := g.mmap(MapOpts{Length: 1 << 20, Prot: rw, Private: true})
	for i := addr.Addr(0); i < 1<<20; i += page {
		g.mustStore(a+i, byte(i/page))
	}
	c := g.fork()
	c.m.as.(*fakeSpace).limit = 7
	for i := addr.Addr(0); i < 1<<20; i += page {
		c.mustLoad(a+i, byte(i/page))
		c.mustStore(a+i, 1)
		g.mustLoad(a+i, byte(i/page))
	}
	c.m.DecUsers()
}

func TestMemory_limit_gives_ENOMEM(t *testing.T) {
	g := newGuest(t)
	g.mf.SetLimit(20 * page)
	a := g.mmap(MapOpts{Length: 1 << 20, Prot: rw, Private: true, NoReserve: true})
	n := 0
	var err error
	for i := addr.Addr(0); i < 1<<20 && err == nil; i += page {
		if err = g.store(a+i, 1); err == nil {
			n++
		}
	}
	if err != errno.ENOMEM || n != 20 {
		t.Errorf("%v after %d pages", err, n)
	}
}

func TestMap_refuses_more_than_all_memory(t *testing.T) {
	g := newGuest(t)
	g.mf.SetLimit(1 << 30)
	o := MapOpts{Length: 2 << 30, Prot: rw, Private: true}
	if _, err := g.m.Map(o); err != errno.ENOMEM {
		t.Error(err)
	}
	o.NoReserve = true
	g.mmap(o)
	o.NoReserve, o.Prot = false, 0
	g.mmap(o)
}

func TestCopyIn_and_CopyOut_do_not_allocate(t *testing.T) {
	g := newGuest(t)
	a := g.mmap(MapOpts{Length: 1 << 20, Prot: rw, Private: true})
	g.m.ZeroOut(a, 1<<20)
	var b [64]byte
	if n := testing.AllocsPerRun(100, func() {
		g.m.CopyIn(a+100, b[:])
		g.m.CopyOut(a+200, b[:])
		g.m.LoadUint32(a + 4)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestForks_and_faults_race(t *testing.T) {
	g := newGuest(t)
	a := g.mmap(MapOpts{Length: 1 << 20, Prot: rw, Private: true})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 200 {
				switch i {
				case 0:
					c := g.fork()
					c.mustStore(a+addr.Addr(n)*page, 200)
					c.m.DecUsers()
				case 1, 2: // each writes its own bytes and must find them again
					p := a + addr.Addr(n)*page + addr.Addr(i)
					if err := g.store(p, byte(n)); err != nil {
						t.Error(err)
					}
					if v, err := g.load(p); err != nil || v != byte(n) {
						t.Errorf("lost a write: %d %d %v", v, n, err)
					}
				case 3:
					b, err := g.m.Map(MapOpts{Length: 32 * page, Prot: rw, Private: true})
					if err != nil {
						t.Error(err)
					}
					g.store(b, 1)
					g.m.Unmap(b, 32*page, nil)
				}
			}
		})
	}
	wg.Wait()
}

func TestBlocks_and_forks_race(t *testing.T) {
	g := newGuest(t)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for n := range 300 {
				a, err := g.m.Map(MapOpts{Length: 40 * page, Prot: rw, Private: true})
				if err != nil {
					t.Error(err)
					return
				}
				seq := usermem.Single(g.m, addr.Range{Start: a, End: a + 40*page})
				if k, err := seq.Fill(40*page, func(dst [][]byte) (int, error) {
					k := 0
					for _, b := range dst {
						for i := range b {
							b[i] = byte(n)
						}
						k += len(b)
					}
					return k, nil
				}); k != 40*page || err != nil {
					t.Error(k, err)
				}
				if v, err := g.load(a + 39*page); v != byte(n) || err != nil {
					t.Error(v, err)
				}
				g.m.Unmap(a, 40*page, nil)
			}
		})
	}
	wg.Go(func() {
		for range 200 {
			g.fork().m.DecUsers()
		}
	})
	wg.Wait()
}

func BenchmarkCopyOut64(b *testing.B) {
	g := newGuest(b)
	a := g.mmap(MapOpts{Length: 1 << 20, Prot: rw, Private: true})
	g.m.ZeroOut(a, 1<<20)
	var buf [64]byte
	for b.Loop() {
		g.m.CopyOut(a+100, buf[:])
	}
}

func BenchmarkFork(b *testing.B) {
	g := newGuest(b)
	for range 30 {
		a := g.mmap(MapOpts{Length: 8 * page, Prot: rw, Private: true})
		g.mustStore(a, 1)
		g.mmap(MapOpts{Length: 8 * page, Prot: platform.Read, Private: true})
	}
	for b.Loop() {
		c := g.fork()
		c.m.DecUsers()
	}
}
