package memfile

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"ringfence/abi/errno"
	"ringfence/platform/hostcall"
)

const page = 4096

func newFile(t testing.TB) *File {
	t.Helper()
	f, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func TestAllocate_gives_zeroed_runs_that_do_not_overlap(t *testing.T) {
	f := newFile(t)
	r := rand.New(rand.NewPCG(1, 1))
	type run struct{ off, n uint64 }
	var held []run
	owner := map[uint64]bool{}
	for range 5000 {
		if len(held) > 200 || len(held) > 0 && r.IntN(3) == 0 {
			i := r.IntN(len(held))
			h := held[i]
			held[i] = held[len(held)-1]
			held = held[:len(held)-1]
			for p := h.off; p < h.off+h.n; p += page {
				delete(owner, p)
			}
			f.DecRef(h.off, h.n)
			continue
		}
		n := uint64(1+r.IntN(1<<r.IntN(10))) * page
		var after uint64
		if len(held) > 0 && r.IntN(2) == 0 {
			after = held[r.IntN(len(held))].off + page*uint64(r.IntN(4))
		}
		off, err := f.Allocate(n, AllocOpts{Kind: Kind(r.IntN(int(numKinds))), After: after})
		if err != nil {
			t.Fatal(err)
		}
		for p := off; p < off+n; p += page {
			if owner[p] {
				t.Fatalf("page %#x is given out twice", p)
			}
			owner[p] = true
			if f.Refs(p) != 1 {
				t.Fatalf("page %#x has %d references", p, f.Refs(p))
			}
		}
		b, _ := f.Bytes(off, n, true)
		if bytes.Count(b, []byte{0}) != len(b) {
			t.Fatalf("a run of %d bytes is not zero", n)
		}
		for i := 0; i < len(b); i += page {
			b[i+r.IntN(page)] = 1
		}
		held = append(held, run{off, n})
	}
	if got, want := f.Frames(), uint64(len(owner)*page); got != want {
		t.Errorf("%d bytes in use, want %d", got, want)
	}
	for _, h := range held {
		f.DecRef(h.off, h.n)
	}
	s := f.Stats()
	if n := f.Frames(); n != 0 {
		t.Errorf("%d bytes in use at the end", n)
	}
	for k, n := range s.ByKind {
		if n != 0 || f.byKind[k].Load() != 0 {
			t.Errorf("%d bytes of kind %d at the end", n, k)
		}
	}
	// All free blocks have merged into whole chunks.
	free := 0
	for b := f.free[maxOrder]; b != none; b = f.chunk(b).next[b%chunkPages] {
		free++
	}
	if free != len(*f.chunks.Load()) {
		t.Errorf("%d whole chunks of %d", free, len(*f.chunks.Load()))
	}
}

func TestReferences_are_counted_by_page(t *testing.T) {
	f := newFile(t)
	off, _ := f.Allocate(8*page, AllocOpts{})
	f.IncRef(off+2*page, 3*page)
	f.DecRef(off, 8*page)
	if got := f.Frames(); got != 3*page {
		t.Errorf("%d bytes in use", got)
	}
	f.DecRef(off+2*page, 3*page)
	if got := f.Frames(); got != 0 {
		t.Errorf("%d bytes in use", got)
	}
}

func TestAllocate_After_continues_a_run(t *testing.T) {
	f := newFile(t)
	off, _ := f.Allocate(page, AllocOpts{})
	end := off + page
	for n := uint64(1); n < 200; n += 7 {
		next, err := f.Allocate(n*page, AllocOpts{After: end})
		if err != nil || next != end {
			t.Fatalf("run of %d pages at %#x, want %#x, %v", n, next, end, err)
		}
		end += n * page
	}
}

func TestLimit(t *testing.T) {
	f := newFile(t)
	f.SetLimit(10 * page)
	off, err := f.Allocate(10*page, AllocOpts{})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := f.Bytes(off, 10*page, true)
	for i := range b {
		b[i] = 1
	}
	if got := f.Stats().InUse; got > 10*page || got == 0 {
		t.Errorf("%d bytes in use", got)
	}
	if _, err := f.Allocate(page, AllocOpts{}); err != errno.ENOMEM {
		t.Error(err)
	}
	f.DecRef(off, page)
	if _, err := f.Allocate(page, AllocOpts{}); err != nil {
		t.Error(err)
	}
}

func TestLimit_counts_what_is_touched(t *testing.T) {
	f := newFile(t)
	f.SetLimit(10 * page)
	for range 3 {
		if _, err := f.Allocate(10*page, AllocOpts{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.Stats().InUse; got != 0 {
		t.Errorf("%d bytes in use", got)
	}
}

func TestFree_memory_goes_back_to_the_host(t *testing.T) {
	f := newFile(t)
	var runs []uint64
	for range 6 {
		off, err := f.Allocate(MaxRun, AllocOpts{})
		if err != nil {
			t.Fatal(err)
		}
		b, _ := f.Bytes(off, MaxRun, true)
		for i := 0; i < len(b); i += page {
			b[i] = 1
		}
		runs = append(runs, off)
	}
	for _, off := range runs {
		f.DecRef(off, MaxRun)
	}
	waitForReclaim(f)
	if got := f.Stats().Cached; got > keepDirty*page {
		t.Errorf("%d bytes cached", got)
	}
	st, _ := hostcall.Fstat(f.FD())
	if st.Blocks*512 > int64(keepDirty*page+MaxRun) {
		t.Errorf("the host still holds %d bytes", st.Blocks*512)
	}
	off, _ := f.Allocate(MaxRun, AllocOpts{})
	b, _ := f.Bytes(off, MaxRun, true)
	for i := 0; i < len(b); i += page {
		if b[i] != 0 {
			t.Fatal("old contents")
		}
	}
}

// A guest that reserves and frees many gigabytes made each step of reclaim look at all of
// them again, under the lock: minutes in which nobody got memory.
func TestReclaim_looks_at_each_block_once(t *testing.T) {
	f := newFile(t)
	const chunks = 1000
	f.SetLimit(chunks * MaxRun)
	var runs []uint64
	for range chunks {
		off, err := f.Allocate(MaxRun, AllocOpts{NoZero: true})
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, off)
	}
	f.reclaiming = true // not before all is free
	for _, off := range runs {
		f.DecRef(off, MaxRun)
	}
	start := time.Now()
	f.reclaim()
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("reclaim took %v", d)
	}
	if got := f.Stats().Cached; got > 2*keepDirty*page {
		t.Errorf("%d bytes cached", got)
	}
}

// waitForReclaim waits for the reclaim that works beside us.
func waitForReclaim(f *File) {
	for {
		f.mu.Lock()
		busy := f.reclaiming
		f.mu.Unlock()
		if !busy {
			return
		}
		runtime.Gosched()
	}
}

func TestAllocations_race(t *testing.T) {
	f := newFile(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 3000 {
				n := uint64(1+r.IntN(20)) * page
				off, err := f.Allocate(n, AllocOpts{})
				if err != nil {
					t.Error(err)
					return
				}
				b, _ := f.Bytes(off, n, true)
				if b[0] != 0 {
					t.Error("not zero")
				}
				b[0] = 1
				f.IncRef(off, n)
				f.DecRef(off, n)
				f.DecRef(off, n)
			}
		})
	}
	wg.Wait()
	if got := f.Frames(); got != 0 {
		t.Errorf("%d bytes in use", got)
	}
}

func TestHostFile(t *testing.T) {
	fd, err := hostcall.MemfdCreate("test", 0)
	if err != nil {
		t.Fatal(err)
	}
	hostcall.Ftruncate(fd, 3*windowSize)
	h := NewHostFile(fd, true)
	for i := range uint64(3) {
		h.IncRef(i*windowSize, page)
		b, err := h.Bytes(i*windowSize, 2*windowSize, true)
		if err != nil || len(b) != windowSize {
			t.Fatal(len(b), err)
		}
		b[7] = byte(i + 1)
	}
	var b [8]byte
	if err := h.ReadAt(b[:], windowSize); err != nil || b[7] != 2 {
		t.Error(b, err)
	}
	if err := h.ReadAt(b[:], 3*windowSize-4); err != nil || b[7] != 0 {
		t.Error(b, err)
	}
	for i := range uint64(3) {
		h.DecRef(i*windowSize, page)
	}
	if len(h.windows) > idleWindows {
		t.Errorf("%d windows are left", len(h.windows))
	}
	h.IncRef(0, page)
	h.Release()
	if _, err := hostcall.Fstat(fd); err != nil {
		t.Error("closed while a page is in use")
	}
	h.DecRef(0, page)
	if _, err := hostcall.Fstat(fd); err != errno.EBADF {
		t.Error("not closed:", err)
	}
}

func BenchmarkAllocate(b *testing.B) {
	f := newFile(b)
	for b.Loop() {
		off, _ := f.Allocate(page, AllocOpts{NoZero: true})
		f.DecRef(off, page)
	}
}

func BenchmarkAllocate16(b *testing.B) {
	f := newFile(b)
	for b.Loop() {
		off, _ := f.Allocate(16*page, AllocOpts{NoZero: true})
		f.DecRef(off, 16*page)
	}
}
