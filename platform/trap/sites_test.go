package trap

import (
	"fmt"
	"testing"

	"ringfence/platform"
	"ringfence/platform/arch"
)

const (
	carry, parity, adjust, zero, sign, trapFlag, direction, overflow = 1, 4, 0x10, 0x40, 0x80, 0x100, 0x400, 0x800
	alignmentCheck                                                   = 0x40000
)

// TestPatchedSitesActLikeSyscall runs code before and after it is patched and compares
// everything that the guest and the sentry see.
func TestPatchedSitesActLikeSyscall(t *testing.T) {
	r := newRig(t)
	const nr = 500
	results := []uint64{0, 1, 77, 1 << 63, ^uint64(0), ^uint64(4094), ^uint64(4095), ^uint64(4096), 0xfffff001, 0xfffff000, 1 << 31}
	flagSets := []uint64{0, carry, parity, adjust, zero, sign, overflow, direction, carry | parity | adjust | zero | sign | overflow | direction}
	for _, k := range siteKinds {
		t.Run(k.name, func(t *testing.T) {
			s := siteOf(k.kind, nr)
			x := r.text(concat(s.code, ud2))
			as := r.space(t, x)
			g := r.guest(t, as)
			defer g.release()
			// seen is what there is to see of one call: at the call, and at its end.
			type seen struct{ call, end arch.Registers }
			once := func(result, flags uint64, slowly bool) (v seen) {
				g.regs = arch.NewRegisters(textAt, stackAt-256)
				g.fill(result, flags)
				g.regs.FsBase = 0x1234560
				g.wantCall(nr)
				v.call = g.regs
				g.regs.SetReturn(result)
				if slowly {
					g.regs.R11 ^= 1 // not as SYSCALL leaves it
				}
				g.wantEnd(s.next)
				v.end = g.regs
				return v
			}
			var before []seen
			each := func(f func(result, flags uint64, slowly bool)) {
				for _, result := range results {
					for _, flags := range flagSets {
						f(result, flags, false)
						f(result, flags, true)
					}
				}
			}
			each(func(result, flags uint64, slowly bool) { before = append(before, once(result, flags, slowly)) })
			x.patch(t, as, s.end, nr)
			i := 0
			each(func(result, flags uint64, slowly bool) {
				after := once(result, flags, slowly)
				if d := differ(before[i].call, after.call); d != "" {
					t.Errorf("flags %#x: at the call %s", flags, d)
				}
				// The place where the call returned is in a trampoline, if the guest goes on quickly.
				but := []string{"Rcx"}
				if k.kind == movSite || slowly {
					but = nil
				}
				if d := differ(before[i].end, after.end, but...); d != "" {
					t.Errorf("result %#x, flags %#x, slowly %t: at the end %s", result, flags, slowly, d)
				}
				i++
			})
			if c := before[0].call; c.Rip != uint64(textAt)+uint64(s.end) || c.Rcx != c.Rip || c.R11 != c.Eflags {
				t.Errorf("rip %#x, rcx %#x, r11 %#x", c.Rip, c.Rcx, c.R11)
			}
		})
	}
}

func TestPatchedSiteIsNotTrapped(t *testing.T) {
	r := newRig(t)
	for _, k := range siteKinds {
		s := siteOf(k.kind, 500)
		x := r.text(concat(s.code, ud2))
		as := r.space(t, x)
		g := r.guest(t, as)
		if ev := g.wantCall(500); !ev.Trapped {
			t.Errorf("%s: SYSCALL is not said to be costly", k.name)
		}
		x.patch(t, as, s.end, 500)
		g.regs = arch.NewRegisters(textAt, stackAt)
		if ev := g.wantCall(500); ev.Trapped {
			t.Errorf("%s: the patched site is said to be costly", k.name)
		}
		g.release()
	}
}

// TestJumpsIntoPatchedSites enters sites behind the MOV, or behind the SYSCALL.
func TestJumpsIntoPatchedSites(t *testing.T) {
	r := newRig(t)
	for _, k := range siteKinds {
		t.Run(k.name, func(t *testing.T) {
			const nr = 500
			s := siteOf(k.kind, nr)
			x := r.text(concat(s.code, ud2))
			as := r.space(t, x)
			g := r.guest(t, as)
			defer g.release()
			// tail goes on behind the SYSCALL with some result.
			tail := func(rax uint64) arch.Registers {
				g.regs = arch.NewRegisters(textAt+0, stackAt-256)
				g.fill(rax, carry|direction)
				g.regs.Rip, g.regs.Rax = uint64(textAt)+uint64(s.end), rax
				g.wantEnd(s.next)
				return g.regs
			}
			// call starts at the SYSCALL with another number.
			call := func(rax uint64) arch.Registers {
				g.regs = arch.NewRegisters(textAt, stackAt-256)
				g.fill(rax, carry|direction)
				g.regs.Rip, g.regs.Rax = uint64(textAt)+uint64(s.end)-syscallLen, rax
				g.wantCall(rax)
				return g.regs
			}
			numbers := []uint64{0, 501, 1 << 31, 1000}
			results := []uint64{0, ^uint64(0), ^uint64(4094), ^uint64(4095), ^uint64(4096)}
			var want []arch.Registers
			for _, v := range numbers {
				want = append(want, call(v))
			}
			for _, v := range results {
				want = append(want, tail(v))
			}
			x.patch(t, as, s.end, nr)
			for i, v := range numbers {
				if d := differ(want[i], call(v)); d != "" {
					t.Errorf("call %#x: %s", v, d)
				}
				// A call that is to be made again starts there as well.
				g.regs.RestartSyscall()
				g.wantCall(v)
				g.regs.SetReturn(0)
				g.wantEnd(s.next)
			}
			for i, v := range results {
				if d := differ(want[len(numbers)+i], tail(v)); d != "" {
					t.Errorf("result %#x: %s", v, d)
				}
			}
		})
	}
}

// TestSingleSteps steps through a site. The MOV of a movSite and the call are one step.
func TestSingleSteps(t *testing.T) {
	r := newRig(t)
	for _, k := range siteKinds {
		t.Run(k.name, func(t *testing.T) {
			const nr = 500
			s := siteOf(k.kind, nr)
			x := r.text(concat(s.code, nop, nop, ud2))
			as := r.space(t, x)
			g := r.guest(t, as)
			defer g.release()
			steps := func() (at []string) {
				g.regs = arch.NewRegisters(textAt, stackAt-256)
				g.fill(3, carry)
				for range 30 {
					g.regs.Eflags |= trapFlag
					ev := g.run()
					where := fmt.Sprintf("%+d", int64(g.regs.Rip-uint64(textAt)))
					switch {
					case ev.Kind == platform.Syscall:
						at = append(at, "call at "+where)
						if g.regs.OrigRax != nr || g.regs.Rcx != g.regs.Rip || g.regs.R11 != g.regs.Eflags || g.regs.Eflags&trapFlag == 0 {
							t.Errorf("call: %+v", g.regs)
						}
						g.regs.SetReturn(7)
					case ev.Kind == platform.Exception && ev.Signal == sigTrap:
						at = append(at, where)
						if ev.Code != 2 || ev.Trapno != 1 || uint64(ev.Addr) != g.regs.Rip {
							t.Errorf("step at %#x: %+v", g.regs.Rip, ev)
						}
					case ev.Kind == platform.Exception && ev.Signal == sigIll:
						if g.regs.Rax != 7 || g.regs.R15 != 3<<56^0x0101010101010101 {
							t.Errorf("at the end %+v", g.regs)
						}
						return append(at, "end at "+where)
					default:
						t.Fatalf("event %+v", ev)
					}
				}
				t.Fatalf("no end: %q", at)
				return nil
			}
			before := steps()
			x.patch(t, as, s.end, nr)
			after := steps()
			if k.kind == movSite {
				// The step behind the MOV is missing.
				without := before[:0:0]
				for _, b := range before {
					if b != fmt.Sprintf("%+d", s.end-syscallLen) {
						without = append(without, b)
					}
				}
				before = without
			}
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("steps %q\nbefore it was patched %q", after, before)
			}
		})
	}
}

// TestAlignmentChecks makes calls with AC set: not even the jump can be made then.
func TestAlignmentChecks(t *testing.T) {
	r := newRig(t)
	for _, k := range siteKinds {
		t.Run(k.name, func(t *testing.T) {
			const nr = 500
			s := siteOf(k.kind, nr)
			x := r.text(concat(s.code, ud2))
			as := r.space(t, x)
			g := r.guest(t, as)
			defer g.release()
			once := func() (call, end arch.Registers) {
				g.regs = arch.NewRegisters(textAt, stackAt-256)
				g.fill(9, alignmentCheck|carry)
				g.wantCall(nr)
				call = g.regs
				g.regs.SetReturn(^uint64(1))
				g.wantEnd(s.next)
				return call, g.regs
			}
			call1, end1 := once()
			x.patch(t, as, s.end, nr)
			call2, end2 := once()
			if d := differ(call1, call2); d != "" {
				t.Error("at the call", d)
			}
			if d := differ(end1, end2); d != "" {
				t.Error("at the end", d)
			}
		})
	}
}

// TestOwnGS makes calls through patched sites in a guest that has a GS base.
func TestOwnGS(t *testing.T) {
	r := newRig(t)
	for _, base := range []struct {
		name string
		gs   uint64
	}{{"mapped", uint64(dataAt)}, {"unmapped", uint64(nowhere)}, {"odd", uint64(dataAt) + 12345}, {"high", userEnd - 8}} {
		for _, k := range siteKinds {
			t.Run(base.name+"/"+k.name, func(t *testing.T) {
				const nr = 39
				s := siteOf(k.kind, nr)
				x := r.text(concat(s.code, ud2))
				as := r.space(t, x)
				g := r.guest(t, as)
				defer g.release()
				g.c.SetAnswers(platform.Answers{On: true, PID: 4711})
				once := func() (call, end arch.Registers) {
					g.regs = arch.NewRegisters(textAt, stackAt-256)
					g.fill(9, carry|direction)
					g.regs.GsBase = base.gs
					g.wantCall(nr)
					call = g.regs
					g.regs.SetReturn(^uint64(1))
					g.wantEnd(s.next)
					return call, g.regs
				}
				call1, end1 := once()
				x.patch(t, as, s.end, nr)
				call2, end2 := once()
				if d := differ(call1, call2); d != "" {
					t.Error("at the call", d)
				}
				if d := differ(end1, end2); d != "" {
					t.Error("at the end", d)
				}
				if call2.GsBase != base.gs {
					t.Errorf("GS base %#x", call2.GsBase)
				}
			})
		}
	}
}
