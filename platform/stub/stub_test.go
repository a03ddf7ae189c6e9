package stub

import (
	"encoding/binary"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform/hostcall"
)

func newFactory(t testing.TB) *Factory {
	t.Helper()
	f, err := New(Image{Signals: []int32{11}, Handler: HandlerPC, Scratch: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func pages(t testing.TB, n int) hostcall.FD {
	t.Helper()
	fd, err := hostcall.MemfdCreate("pages", hostcall.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hostcall.Close(fd) })
	if err := hostcall.Ftruncate(fd, int64(n)*addr.PageSize); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestOrdersLayout(t *testing.T) {
	if ctlOrders+maxOrders*orderSize > ctlData || maxOrders < 16 {
		t.Errorf("%d orders", maxOrders)
	}
	if n := len(codePage()); n != 4096 {
		t.Errorf("code page of %d bytes", n)
	}
}

func TestMapperReportsHostErrors(t *testing.T) {
	f := newFactory(t)
	p, err := f.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Put(p)
	r := addr.Range{Start: 0x10000, End: 0x12000}
	if err := p.Do(MapOrder(r, pages(t, 2), 0, hostcall.PROT_READ, true)); err != nil {
		t.Errorf("map: %v", err)
	}
	if err := p.Do(MapOrder(r, hostcall.FD(9999), 0, hostcall.PROT_READ, false)); err != errno.EBADF {
		t.Errorf("map of no file: %v", err)
	}
	if err := p.Do(UnmapOrder(addr.Range{Start: 0x10001, End: 0x11001})); err != errno.EINVAL {
		t.Errorf("unaligned unmap: %v", err)
	}
	if err := p.Do(UnmapOrder(r)); err != nil {
		t.Errorf("unmap: %v", err)
	}
}

func TestStubProcessHasOnlyStubPages(t *testing.T) {
	f := newFactory(t)
	p, err := f.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Put(p)
	if err := p.Do(MapOrder(addr.Range{Start: 0x10000, End: 0x11000}, pages(t, 1), 0, hostcall.PROT_READ, false)); err != nil {
		t.Fatal(err)
	}
	want := []string{"10000-11000", "7ffff0000000-7ffff0001000", "7ffff0001000-7ffff0002000", "7ffff0002000-7ffff0008000"}
	got := mapsOf(t, p.PID())
	if len(got) != len(want) {
		t.Fatalf("mappings %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("mapping %d is %s, want %s", i, got[i], want[i])
		}
	}
}

func TestDeathIsNoticed(t *testing.T) {
	f := newFactory(t)
	p, err := f.Get()
	if err != nil {
		t.Fatal(err)
	}
	hostcall.Kill(p.PID(), sigKill)
	if err := p.Do(UnmapOrder(addr.Range{Start: 0x10000, End: 0x11000})); err != ErrDead {
		t.Errorf("unmap in a dead process: %v", err)
	}
	f.Put(p)
	if hostcall.Exited(p.PID()) {
		t.Error("not waited for")
	}
}

func TestStoppedMapperGoesOn(t *testing.T) {
	f := newFactory(t)
	p, err := f.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Put(p)
	hostcall.Kill(p.PID(), 19) // SIGSTOP
	if err := p.Do(UnmapOrder(addr.Range{Start: 0x10000, End: 0x11000})); err != nil {
		t.Error(err)
	}
}

func TestThreadsEndWithProcess(t *testing.T) {
	f := newFactory(t)
	p, err := f.Get()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := p.StartThread(ThreadOrder(ParkPC, 0)); err != nil {
			t.Fatal(err)
		}
	}
	f.Put(p)
}

func TestFilterProgram(t *testing.T) {
	b := new(Image).Filter()
	if len(b)%8 != 0 || binary.LittleEndian.Uint16(b[len(b)-8:]) != bpfReturn {
		t.Errorf("program of %d bytes does not end in a return", len(b))
	}
}

func BenchmarkMapUnmap(b *testing.B) {
	p, err := newFactory(b).fork()
	if err != nil {
		b.Fatal(err)
	}
	defer p.kill()
	fd := pages(b, 1)
	r := addr.Range{Start: 0x10000, End: 0x11000}
	for b.Loop() {
		if err := p.Do(MapOrder(r, fd, 0, 3, false)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFork(b *testing.B) {
	f := newFactory(b)
	for b.Loop() {
		p, err := f.fork()
		if err != nil {
			b.Fatal(err)
		}
		p.kill()
	}
}

func BenchmarkRecycle(b *testing.B) {
	f := newFactory(b)
	for b.Loop() {
		p, err := f.Get()
		if err != nil {
			b.Fatal(err)
		}
		f.Put(p)
	}
}

func TestNewThreadHeedsItsOwnOrder(t *testing.T) {
	// The child of a clone may run for the first time when the mapper is already told
	// something else.
	p, err := newFactory(t).Get()
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		tid, err := p.StartThread(ThreadOrder(ParkPC, 0))
		if err == nil {
			err = p.Do(UnmapOrder(addr.Range{Start: 0x10000, End: 0x11000}))
		}
		if err != nil {
			t.Fatal(err)
		}
		for !parkedInPause(t, p.PID(), tid) {
			hostcall.SchedYield()
		}
	}
}

func TestRecycledProcessRemembersNothing(t *testing.T) {
	f := newFactory(t)
	p, err := f.Get()
	if err != nil {
		t.Fatal(err)
	}
	at := addr.Range{Start: 0x10000, End: 0x11000}
	if err := p.Do(MapOrder(at, pages(t, 1), 0, hostcall.PROT_READ, false)); err != nil {
		t.Fatal(err)
	}
	const secret = "what a guest's registers held"
	pokeProcess(t, p.PID(), ScratchEnd-100, secret)
	f.Put(p)
	q, err := f.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Put(q)
	if q != p {
		t.Fatal("the process was not kept")
	}
	b := make([]byte, len(secret))
	if n := hostcall.ReadProcess(q.PID(), ScratchEnd-100, b); n != len(b) || string(b) == secret {
		t.Errorf("scratch page: %d bytes, %q", n, b)
	}
	for i, c := range q.control[ctlOrders:ctlData] {
		if c != 0 {
			t.Fatalf("byte %d of the orders is %#x", i, c)
		}
	}
	if n := hostcall.ReadProcess(q.PID(), uintptr(at.Start), b); n != 0 {
		t.Error("the guest's page is still mapped")
	}
}
