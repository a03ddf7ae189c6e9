package platformtest

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/hostcall"
)

const rw = platform.Read | platform.Write

func testMap(t *testing.T, m *machine) {
	le := binary.LittleEndian
	// loadAt has the guest read a word.
	loadAt := func(g *guest, a addr.Addr) uint64 {
		g.t.Helper()
		*g.regs = *start(poll)
		g.regs.Rdi = uint64(a)
		g.want(platform.Syscall)
		return g.regs.Rsi
	}
	for i := range dataPages {
		le.PutUint64(m.data()[i*addr.PageSize:], uint64(100+i))
	}
	as := m.space(t)
	defer as.Release()
	// Each subtest is a goroutine, so each needs a context of its own.
	run := func(name string, test func(*testing.T, *guest)) {
		t.Run(name, func(t *testing.T) {
			g := m.guest(t, as, poll)
			defer g.c.Release()
			test(t, g)
		})
	}

	run("replaces", func(t *testing.T, g *guest) {
		m.mapPages(t, g.as, dataAt, 3*addr.PageSize, 2, rw)
		for i, want := range []uint64{103, 104, 102} {
			if v := loadAt(g, dataAt+addr.Addr(i)*addr.PageSize); v != want {
				t.Errorf("page %d holds %d, want %d", i, v, want)
			}
		}
		m.mapPages(t, g.as, dataAt, 0, 2, rw)
		if v := loadAt(g, dataAt); v != 100 {
			t.Errorf("page holds %d, want 100", v)
		}
	})
	run("same_page_twice", func(t *testing.T, g *guest) {
		m.mapPages(t, g.as, 0x60000000, addr.PageSize, 1, rw)
		*g.regs = *start(store)
		g.regs.Rdi, g.regs.Rax = 0x60000000, 555
		g.want(platform.Syscall)
		if v := loadAt(g, dataAt+addr.PageSize); v != 555 {
			t.Errorf("the other mapping holds %d", v)
		}
	})
	run("populate", func(t *testing.T, g *guest) {
		if err := g.as.Map(pageRange(0x61000000, 4), m.file, 4*addr.PageSize, rw, platform.PopulateWrite); err != nil {
			t.Fatal(err)
		}
		if v := loadAt(g, 0x61003000); v != 107 {
			t.Errorf("page holds %d, want 107", v)
		}
	})
	run("part_of_a_mapping", func(t *testing.T, g *guest) {
		m.unmap(t, g.as, dataAt+5*addr.PageSize, 1)
		if v := loadAt(g, dataAt+4*addr.PageSize); v != 104 {
			t.Errorf("page below holds %d", v)
		}
		if v := loadAt(g, dataAt+6*addr.PageSize); v != 106 {
			t.Errorf("page above holds %d", v)
		}
		*g.regs = *start(load)
		g.regs.Rdi = uint64(dataAt + 5*addr.PageSize)
		if ev := g.want(platform.Fault); ev.Addr != dataAt+5*addr.PageSize {
			t.Errorf("got %+v", ev)
		}
		m.mapPages(t, g.as, dataAt+5*addr.PageSize, 5*addr.PageSize, 1, rw)
	})
	run("protection_changes", func(t *testing.T, g *guest) {
		for _, prot := range []platform.Prot{platform.Read, rw, platform.Read, 0, rw} {
			m.mapPages(t, g.as, dataAt, 0, 1, prot)
			*g.regs = *start(store)
			g.regs.Rdi = uint64(dataAt)
			g.regs.Rax = 9
			want := platform.Fault
			if prot&platform.Write != 0 {
				want = platform.Syscall
			}
			if ev := g.run(); ev.Kind != want {
				t.Errorf("protection %d: %+v", prot, ev)
			}
		}
	})
	run("errors", func(t *testing.T, g *guest) {
		if err := g.as.Map(pageRange(0x62000000, 1), hostcall.NoFD, 0, rw, platform.PopulateNone); err == nil {
			t.Error("mapping no file succeeded")
		}
	})
	run("ends_of_the_user_range", func(t *testing.T, g *guest) {
		r := m.p.UserRange()
		for _, a := range []addr.Addr{r.Start, r.End - addr.PageSize} {
			m.mapPages(t, g.as, a, 7*addr.PageSize, 1, rw)
			if v := loadAt(g, a); v != 107 {
				t.Errorf("%#x holds %d", uint64(a), v)
			}
		}
		if err := g.as.Unmap(r); err != nil {
			t.Fatal(err)
		}
		*g.regs = *start(load)
		if ev := g.want(platform.Fault); ev.Access != platform.Exec || ev.Addr != load.at() {
			t.Errorf("got %+v", ev)
		}
	})
}

// testThreads runs contexts of one address space side by side.
func testThreads(t *testing.T, m *machine) {
	as := m.space(t)
	defer as.Release()
	le := binary.LittleEndian
	t.Run("count_together", func(t *testing.T) {
		const threads, rounds, each = 20, 10, 1000
		clear(m.data())
		var wg sync.WaitGroup
		for range threads {
			wg.Go(func() {
				g := m.guest(t, as, countdown)
				defer g.c.Release()
				for range rounds {
					*g.regs = *start(countdown)
					g.regs.Rdi, g.regs.Rcx = uint64(dataAt), each
					if ev, err := g.c.Switch(as, g.regs); err != nil || ev.Kind != platform.Syscall {
						t.Errorf("%+v, %v", ev, err)
						return
					}
				}
			})
		}
		wg.Wait()
		if n := le.Uint64(m.data()); n != threads*rounds*each {
			t.Errorf("counted %d, want %d", n, threads*rounds*each)
		}
	})
	t.Run("a_thousand_at_once", func(t *testing.T) {
		const threads = 1000
		clear(m.data())
		var ready, done sync.WaitGroup
		ready.Add(threads)
		for range threads {
			done.Go(func() {
				g := m.guest(t, as, countdown)
				defer g.c.Release()
				once := func() {
					*g.regs = *start(countdown)
					g.regs.Rdi, g.regs.Rcx = uint64(dataAt), 1
					if ev, err := g.c.Switch(as, g.regs); err != nil || ev.Kind != platform.Syscall {
						t.Errorf("%+v, %v", ev, err)
					}
				}
				once()
				ready.Done()
				ready.Wait() // All are there now.
				once()
			})
		}
		done.Wait()
		if n := le.Uint64(m.data()); n != 2*threads {
			t.Errorf("counted %d, want %d", n, 2*threads)
		}
	})
	t.Run("changes_reach_spinning_thread", func(t *testing.T) {
		// The thread spins on a page; another page with a value takes its place.
		clear(m.data())
		le.PutUint64(m.data()[addr.PageSize:], 42)
		g := m.guest(t, as, poll)
		g.regs.Rdi = uint64(dataAt)
		done := make(chan platform.Event)
		go func() {
			ev, err := g.c.Switch(as, g.regs)
			if err != nil {
				t.Error(err)
			}
			g.c.Release()
			done <- ev
		}()
		if err := as.Map(pageRange(dataAt, 1), m.file, addr.PageSize, rw, platform.PopulateNone); err != nil {
			t.Fatal(err)
		}
		if ev := <-done; ev.Kind != platform.Syscall || g.regs.Rsi != 42 {
			t.Errorf("%+v, value %d", ev, g.regs.Rsi)
		}
	})
	t.Run("unmap_stops_spinning_thread", func(t *testing.T) {
		m.mapPages(t, as, dataAt, 0, 1, rw)
		counter := hostcall.Word64(m.data(), 0)
		g := m.guest(t, as, spinLoop)
		g.regs.Rdi = uint64(dataAt)
		done := make(chan platform.Event)
		before := atomic.LoadUint64(counter)
		go func() {
			ev, err := g.c.Switch(as, g.regs)
			if err != nil {
				t.Error(err)
			}
			g.c.Release()
			done <- ev
		}()
		for atomic.LoadUint64(counter) == before {
			runtime.Gosched()
		}
		m.unmap(t, as, dataAt, 1)
		// From here on the guest can't write: the change holds when Unmap returns.
		after := atomic.LoadUint64(counter)
		for range 1000 {
			runtime.Gosched()
		}
		if n := atomic.LoadUint64(counter); n != after {
			t.Errorf("counter went from %d to %d after Unmap", after, n)
		}
		if ev := <-done; ev.Kind != platform.Fault || ev.Addr != dataAt || ev.Access != platform.Write {
			t.Errorf("%+v", ev)
		}
		m.mapPages(t, as, dataAt, 0, 1, rw)
	})
}

func testAddressSpaces(t *testing.T, m *machine) {
	t.Run("two_hundred", func(t *testing.T) {
		const n = 200
		guests := make([]*guest, n)
		var wg sync.WaitGroup
		for i := range guests {
			wg.Go(func() {
				as, err := m.p.NewAddressSpace()
				if err != nil {
					t.Error(err)
					return
				}
				g := &guest{t: t, c: m.p.NewContext(), as: as, regs: start(store)}
				defer g.release()
				page := uint64(i%dataPages) * addr.PageSize
				err = as.Map(pageRange(codeAt, len(codeBytes())/addr.PageSize), m.file, codeOffset, platform.Read|platform.Exec, platform.PopulateNone)
				if err == nil {
					err = as.Map(pageRange(dataAt, 1), m.file, page, rw, platform.PopulateNone)
				}
				g.regs.Rdi, g.regs.Rax = uint64(dataAt)+uint64(i)*8, uint64(i)+1000
				if err == nil {
					_, err = g.c.Switch(as, g.regs)
				}
				if err != nil {
					t.Errorf("space %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		for i := range n {
			at := i%dataPages*addr.PageSize + i*8
			if v := binary.LittleEndian.Uint64(m.data()[at:]); v != uint64(i)+1000 {
				t.Errorf("space %d stored %d", i, v)
			}
		}
	})
	t.Run("nothing_is_left_for_the_next", func(t *testing.T) {
		for range 10 {
			g := m.guest(t, m.space(t), load)
			g.regs.Rdi = uint64(dataAt)
			g.want(platform.Syscall)
			g.release()
			g = m.guest(t, m.emptySpace(t), load)
			if ev := g.want(platform.Fault); ev.Access != platform.Exec {
				t.Errorf("%+v", ev)
			}
			g.release()
		}
	})
	t.Run("fork_and_exec", func(t *testing.T) {
		// As a shell would: the parent's space lives on, the child moves to a third.
		parent := m.guest(t, m.space(t), callLoop)
		defer parent.release()
		parent.want(platform.Syscall)
		for range 50 {
			child := m.guest(t, m.space(t), callLoop)
			f, err := parent.c.FPU()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.c.SetFPU(f); err != nil {
				t.Fatal(err)
			}
			*child.regs = *parent.regs
			child.regs.Rax = 0
			child.want(platform.Syscall)
			old := child.as
			child.as = m.space(t)
			*child.regs = *start(callLoop)
			child.want(platform.Syscall)
			old.Release()
			child.want(platform.Syscall)
			child.release()
			parent.want(platform.Syscall)
		}
	})
}
