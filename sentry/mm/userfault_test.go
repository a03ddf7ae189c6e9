package mm

import (
	"math/rand/v2"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

const (
	missing = linux.UFFDIO_REGISTER_MODE_MISSING
	wp      = linux.UFFDIO_REGISTER_MODE_WP
	minor   = linux.UFFDIO_REGISTER_MODE_MINOR
)

// watch registers [a, a+n) of g with a new Userfault.
func (g guest) watch(a addr.Addr, n, mode, features uint64) *Userfault {
	g.t.Helper()
	u := g.m.NewUserfault(false)
	u.SetFeatures(features)
	if err := u.Register(a, n, mode); err != nil {
		g.t.Fatal(err)
	}
	return u
}

func (g guest) mustWait(err error, flags uint64) *UserFault {
	g.t.Helper()
	f, ok := err.(*UserFault)
	if !ok || f.flags != flags {
		g.t.Fatalf("%v (%+v), want a userfault with flags %#x", err, f, flags)
	}
	return f
}

func (g guest) mustFill(u *Userfault, a addr.Addr, f Filling) {
	g.t.Helper()
	if n, err := u.Fill(a, page, f); n != page || err != nil {
		g.t.Fatalf("fill %#x: %d, %v", uint64(a), n, err)
	}
}

type sleeper struct{ woken int }

func (s *sleeper) Wake(*wait.Entry, wait.Mask) { s.woken++ }

func TestUserfault(t *testing.T) {
	letter := func(c byte) []byte {
		b := make([]byte, page)
		for i := range b {
			b[i] = c
		}
		return b
	}
	t.Run("a_missing_page_waits_until_it_is_filled", func(t *testing.T) {
		g := newGuest(t)
		a := g.mmap(MapOpts{Length: 4 * page, Prot: rw, Private: true})
		u := g.watch(a, 4*page, missing, 0)
		_, err := g.load(a + page)
		f := g.mustWait(err, 0)
		g.mustWait(g.store(a, 1), linux.UFFD_PAGEFAULT_FLAG_WRITE)
		var s sleeper
		w := f.Enter(&s, 7)
		if msg, ok := u.Next(); !ok || msg.Event != linux.UFFD_EVENT_PAGEFAULT || msg.Args[1] != uint64(a+page) {
			t.Fatalf("%+v, %v", msg, ok)
		}
		if _, again := u.Next(); again || w.Over() || !f.Stands() {
			t.Fatal("told twice, or over before it was filled")
		}
		g.mustFill(u, a+page, Filling{Data: letter('a')})
		if f.Stands() || w.Over() {
			t.Fatal("filled, but not so, or woken by that")
		}
		u.Wake(a+page, page)
		if !w.Over() || s.woken != 1 {
			t.Fatal("not woken")
		}
		w.Leave()
		g.mustLoad(a+page, 'a')
		g.mustStore(a+page, 'b')
		if _, err := u.Fill(a+page, page, Filling{}); err != errno.EEXIST {
			t.Fatal(err)
		}
	})
	t.Run("a_system_call_fails_and_is_told_why", func(t *testing.T) {
		g := newGuest(t)
		a := g.mmap(MapOpts{Length: page, Prot: rw, Private: true})
		if err := g.m.Resolve(a, rw); err != errno.EFAULT {
			t.Fatal("there is no Userfault to wait for, but: ", err)
		}
		u := g.watch(a, page, missing, 0)
		var b [1]byte
		if n, err := g.m.CopyIn(a, b[:]); n != 0 || err != errno.EFAULT {
			t.Fatal(n, err)
		}
		g.mustWait(g.m.Resolve(a, rw), linux.UFFD_PAGEFAULT_FLAG_WRITE)
		if _, err := g.m.ReadRemote(a, b[:]); err != errno.EFAULT {
			t.Fatal(err)
		}
		g.mustFill(u, a, Filling{})
		if n, err := g.m.CopyIn(a, b[:]); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	})
	t.Run("protected_pages_can_be_read_only", func(t *testing.T) {
		g := newGuest(t)
		a := g.mmap(MapOpts{Length: 8 * page, Prot: rw, Private: true})
		for i := range addr.Addr(8) {
			g.mustStore(a+i*page, 1)
		}
		u := g.watch(a, 8*page, wp, 0)
		if err := u.Protect(a+2*page, 3*page, true); err != nil {
			t.Fatal(err)
		}
		g.mustStore(a+page, 2)
		g.mustLoad(a+3*page, 1)
		g.mustWait(g.store(a+3*page, 2), linux.UFFD_PAGEFAULT_FLAG_WRITE|linux.UFFD_PAGEFAULT_FLAG_WP)
		c := g.fork()
		defer c.m.DecUsers()
		c.mustStore(a+3*page, 9)
		g.mustWait(g.store(a+3*page, 2), linux.UFFD_PAGEFAULT_FLAG_WRITE|linux.UFFD_PAGEFAULT_FLAG_WP)
		if err := u.Protect(a+3*page, page, false); err != nil {
			t.Fatal(err)
		}
		g.mustLoad(a+3*page, 1)
		g.mustStore(a+3*page, 2)
		u.Release()
		g.mustStore(a+4*page, 2)
	})
	t.Run("a_closed_descriptor_lets_go", func(t *testing.T) {
		g := newGuest(t)
		a := g.mmap(MapOpts{Length: 2 * page, Prot: rw, Private: true})
		u := g.watch(a, 2*page, missing, 0)
		_, err := g.load(a)
		var s sleeper
		w := g.mustWait(err, 0).Enter(&s, 1)
		u.Release()
		if !w.Over() || s.woken == 0 {
			t.Fatal("still waiting")
		}
		w.Leave()
		g.mustLoad(a, 0)
	})
	t.Run("events_hold_up_filling", func(t *testing.T) {
		g := newGuest(t)
		a := g.mmap(MapOpts{Length: 2 * page, Prot: rw, Private: true})
		u := g.watch(a, 2*page, missing, linux.UFFD_FEATURE_EVENT_UNMAP)
		var ev Events
		if err := g.m.Unmap(a, page, &ev); err != nil || len(ev.List) != 1 {
			t.Fatal(err, ev.List)
		}
		var s sleeper
		e := ev.List[0]
		e.Post(&s)
		if _, err := u.Fill(a+page, page, Filling{}); err != errno.EAGAIN || e.Over() {
			t.Fatal(err)
		}
		if msg, ok := u.Next(); !ok || msg.Event != linux.UFFD_EVENT_UNMAP || msg.Args[0] != uint64(a) || msg.Args[1] != uint64(a+page) {
			t.Fatalf("%+v, %v", msg, ok)
		}
		if !e.Over() || s.woken != 1 {
			t.Fatal("told, but not over")
		}
		e.Leave()
		g.mustFill(u, a+page, Filling{})
	})
}

// TestUserfaultRandom does what comes to mind to registered memory: frames must neither leak nor be shown stale, which guest
// and newGuest check, and what faults must be explained.
func TestUserfaultRandom(t *testing.T) {
	for seed := range uint64(20) {
		g := newGuest(t)
		r := rand.New(rand.NewPCG(seed, 1))
		const pages = 16
		private := g.mmap(MapOpts{Length: pages * page, Prot: rw, Private: true})
		shared := g.mmap(MapOpts{Length: pages * page, Prot: rw})
		u := g.m.NewUserfault(false)
		u.SetFeatures(uint64(r.IntN(2)) * linux.UFFD_FEATURE_WP_UNPOPULATED)
		data := make([]byte, page)
		for range 400 {
			base, modes := private, []uint64{missing, wp, missing | wp}
			if r.IntN(2) == 0 {
				base, modes = shared, []uint64{missing, wp, minor, missing | wp | minor}
			}
			at := r.IntN(pages)
			a, n := base+addr.Addr(at)*page, uint64(1+r.IntN(pages-at))*page
			switch r.IntN(12) {
			case 0, 1:
				u.Register(a, n, modes[r.IntN(len(modes))])
			case 2:
				u.Unregister(a, n)
			case 3:
				u.Protect(a, n, r.IntN(2) == 0)
			case 4:
				u.Fill(a, page, Filling{Data: data, Protected: r.IntN(2) == 0})
			case 5:
				u.Fill(a, n, Filling{Found: r.IntN(2) == 0, Poison: r.IntN(4) == 0})
			case 6:
				u.Move(a, private+addr.Addr(r.IntN(pages))*page, page, r.IntN(2) == 0)
			case 7:
				g.m.Advise(a, n, linux.MADV_DONTNEED)
			case 8:
				g.m.Protect(a, n, []uint64{linux.PROT_READ, linux.PROT_READ | linux.PROT_WRITE}[r.IntN(2)])
			case 9:
				c := g.fork()
				c.store(a, 1)
				c.load(a)
				c.m.DecUsers()
			default:
				err := g.store(a, byte(r.Uint32()))
				if r.IntN(2) == 0 {
					_, err = g.load(a)
				}
				switch err.(type) {
				case nil, *UserFault, FaultError:
				default:
					t.Fatal(err)
				}
			}
		}
		u.Release()
		g.m.mapMu.RLock()
		g.m.vmas.Ascend(0, maxAddr, func(v vmEntry) bool {
			if v.V.uffd != nil || v.V.flags&uffdFlags != 0 {
				t.Errorf("seed %d: %#x is still registered", seed, v.Start)
			}
			return true
		})
		g.m.mapMu.RUnlock()
		g.m.ptes.Ascend(0, maxAddr, func(e ptEntry) bool {
			if e.V.wp {
				t.Errorf("seed %d: %#x is still protected", seed, e.Start)
			}
			return true
		})
	}
}
