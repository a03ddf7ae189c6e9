package trap

import (
	"sync/atomic"
	"testing"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
)

// TestInherit patches sites, forks, and goes on in both address spaces.
func TestInherit(t *testing.T) {
	r := newRig(t)
	for _, k := range siteKinds {
		for _, early := range []bool{true, false} {
			s := siteOf(k.kind, 500)
			x := r.text(concat(s.code, ud2))
			as := r.space(t, x)
			g := r.guest(t, as)
			if !early {
				g.wantCall(500) // The parent has a process already.
			}
			x.patch(t, as, s.end, 500)
			parent := g
			if !early {
				parent.again(1, 0)
				parent.wantCall(500)
			}
			as2 := r.space(t, x)
			as2.Inherit(as)
			child := r.guest(t, as2)
			child.regs = parent.regs
			check := func(g *guest, rip uint64) {
				t.Helper()
				g.again(2, carry)
				g.regs.Rip = rip
				g.regs.Rax = 500
				if ev := g.wantCall(500); ev.Trapped {
					t.Errorf("%s: trapped", k.name)
				}
				g.regs.SetReturn(3)
				g.wantEnd(s.next)
			}
			if !early {
				// The child returns from the call that the parent makes.
				child.regs.SetReturn(0)
				child.wantEnd(s.next)
			}
			check(child, uint64(textAt))
			check(child, uint64(textAt)+uint64(s.end)-syscallLen)
			check(parent, uint64(textAt))
			// What one of them does from here on is its own.
			as2.Unpatch(addr.Range{Start: textAt, End: textAt + addr.PageSize})
			r.mapAt(t, as2, textAt, x.page, 1, platform.Read|platform.Exec)
			child.again(1, 0)
			if ev := child.wantCall(500); !ev.Trapped {
				t.Errorf("%s: not trapped", k.name)
			}
			check(parent, uint64(textAt))
			child.release()
			check(parent, uint64(textAt))
			parent.release()
		}
	}
}

// TestUnpatch takes a patch away while a call is under way.
func TestUnpatch(t *testing.T) {
	r := newRig(t)
	for _, k := range siteKinds {
		s := siteOf(k.kind, 500)
		x := r.text(concat(s.code, ud2))
		as := r.space(t, x)
		x.patch(t, as, s.end, 500)
		g := r.guest(t, as)
		g.again(1, carry)
		g.wantCall(500)
		r.mapAt(t, as, textAt, x.page, 1, platform.Read|platform.Exec)
		as.Unpatch(addr.Range{Start: textAt, End: textAt + addr.PageSize})
		g.regs.SetReturn(7)
		g.wantEnd(s.next)
		if g.regs.Rax != 7 {
			t.Errorf("%s: result %d", k.name, g.regs.Rax)
		}
		g.again(1, carry)
		if ev := g.wantCall(500); !ev.Trapped {
			t.Errorf("%s: not trapped", k.name)
		}
		// Another program at the same place.
		copy(r.mem[x.page:], concat(ud2, ud2, ud2, ud2, ud2, ud2, ud2, ud2, ud2, ud2))
		for off := range 10 {
			g.again(1, 0)
			g.regs.Rip += 2 * uint64(off)
			g.wantEnd(2 * off)
		}
		g.release()
	}
}

// TestPatchesComeAndGo changes a page between patched and not while a guest runs in it, by
// the front door and by the one in the middle, and is interrupted.
func TestPatchesComeAndGo(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		name   string
		kind   siteKind
		middle bool
	}{{"mov", movSite, false}, {"mov, in the middle", movSite, true}, {"cmp", cmp96Site, false}, {"cmp, in the middle", cmp96Site, true}} {
		t.Run(c.name, func(t *testing.T) {
			s := siteOf(c.kind, 500)
			x := r.text(concat(s.code, ud2))
			as := r.space(t, x)
			patched := r.textPage()
			var stop atomic.Bool
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 300 {
					page := r.mem[patched : patched+addr.PageSize]
					copy(page, r.mem[x.page:])
					if !as.Patch(page, textAt, textAt+addr.Addr(s.end), 500) {
						t.Error("not patched")
						break
					}
					if err := as.Map(addr.Range{Start: textAt, End: textAt + addr.PageSize}, r.file, patched, platform.Read|platform.Exec, platform.PopulateWrite); err != nil {
						t.Error(err)
					}
					if err := as.Map(addr.Range{Start: textAt, End: textAt + addr.PageSize}, r.file, x.page, platform.Read|platform.Exec, platform.PopulateWrite); err != nil {
						t.Error(err)
					}
					as.Unpatch(addr.Range{Start: textAt, End: textAt + addr.PageSize})
				}
				stop.Store(true)
			}()
			g := r.guest(t, as)
			defer g.release()
			defer func() { <-done }()
			n := 0
			for ; !stop.Load(); n++ {
				g.regs = arch.NewRegisters(textAt, stackAt-256)
				g.fill(uint64(n), carry)
				want := g.regs
				nr := uint64(500)
				switch {
				case c.middle && c.kind == movSite:
					g.regs.Rip, g.regs.Rax = uint64(textAt)+uint64(s.end)-syscallLen, 501
					nr = 501
					fallthrough
				default:
					g.wantCall(nr)
					g.regs.SetReturn(7)
				case c.middle:
					g.regs.Rip, g.regs.Rax = uint64(textAt)+uint64(s.end), 7
				}
				g.wantEnd(s.next)
				if d := differ(want, g.regs, "Rip", "Rcx", "R11", "Rax", "Eflags", "OrigRax"); d != "" {
					t.Fatal(d)
				}
			}
			t.Logf("%d calls", n)
		})
	}
}

// TestExecReusesTheProcess goes on in another address space, as exec does.
func TestExecReusesTheProcess(t *testing.T) {
	r := newRig(t)
	r.p.SetClock(clockParams(1, 1, 1))
	for _, k := range siteKinds {
		s := siteOf(k.kind, 39)
		x := r.text(concat(s.code, ud2))
		g := r.guest(t, r.space(t, x))
		x.patch(t, g.as, s.end, 39)
		g.again(1, 0)
		g.wantCall(39)
		for i := range 5 {
			old := g.as
			// Another program, with other sites.
			s := siteOf(siteKinds[i].kind, 39)
			x := r.text(concat(s.code, ud2))
			g.as = r.space(t, x)
			old.Release()
			process := old.proc
			g.c.SetAnswers(platform.Answers{})
			g.again(uint64(i), carry)
			g.regs.FsBase = 0x1000
			g.wantCall(39)
			if g.as.proc != process || old.proc != nil {
				t.Error("the process is another one")
			}
			if g.regs.FsBase != 0x1000 {
				t.Errorf("FS base %#x", g.regs.FsBase)
			}
			x.patch(t, g.as, s.end, 39)
			g.c.SetAnswers(answered1)
			g.again(uint64(i), carry)
			g.regs.FsBase = 0x1000
			g.wantAnswer(s, 1001)
			if err := g.as.Unmap(addr.Range{Start: dataAt, End: dataAt + addr.PageSize}); err != nil {
				t.Error(err)
			}
		}
		g.release()
	}
}
