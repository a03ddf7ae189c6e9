package platformtest

import (
	"fmt"
	"testing"

	"ringfence/abi/addr"
	"ringfence/platform"
)

// Signals and codes that the suite expects (sigaction(2)).
const (
	sigIll, sigTrap, sigBus, sigFpe, sigSegv = 4, 5, 7, 8, 11

	siKernel  = 0x80
	maperr    = 1
	accerr    = 2
	illIllopn = 2
	fpeIntdiv = 1
	fpeFltdiv = 3
	adraln    = 1
	trapTrace = 2
)

func testFaults(t *testing.T, m *machine) {
	const (
		R  = platform.Read
		W  = platform.Write
		X  = platform.Exec
		at = dataAt + dataPages*addr.PageSize // the page behind the data
	)
	prots := []platform.Prot{0, R, R | W, R | X, R | W | X}
	for _, prot := range prots {
		for _, c := range []struct {
			name   string
			code   routine
			access platform.Prot
		}{
			{"load", load, R}, {"store", store, W}, {"modify", modify, W},
			{"jump", jump, X}, {"call", callDI, X}, {"push", push, W},
			{"copy_from", copyBytes, R}, {"copy_to", copyBytes, W},
		} {
			t.Run(fmt.Sprintf("%s_with_prot_%d", c.name, prot), func(t *testing.T) {
				g := m.guest(t, m.space(t), c.code)
				defer g.release()
				g.regs.Rdi = uint64(at + 8)
				want := at + 8
				switch c.name {
				case "push":
					g.regs.Rsp = uint64(at + 16)
				case "copy_from":
					g.regs.Rsi, g.regs.Rdi, g.regs.Rcx = uint64(at-3), uint64(dataAt), 10
					want = at
				case "copy_to":
					g.regs.Rsi, g.regs.Rdi, g.regs.Rcx = uint64(dataAt), uint64(at-3), 10
					want = at
				}
				if prot != 0 {
					m.mapPages(t, g.as, at, codeOffset+addr.Addr(callLoop).Offset(), 1, prot)
				}
				before := *g.regs
				if prot&c.access != 0 {
					if c.access == X {
						g.regs.Rdi = uint64(at) // where callLoop is
					}
					g.want(platform.Syscall)
					return
				}
				ev := g.want(platform.Fault)
				code := int32(accerr)
				if prot == 0 {
					code = maperr
				}
				if ev.Access != c.access || ev.Addr != want || ev.Signal != sigSegv || ev.Code != code || ev.Trapno != 14 {
					t.Errorf("got %+v, want access %d at %#x with code %d", ev, c.access, uint64(want), code)
				}
				wantErr := uint64(4)
				if prot != 0 {
					wantErr |= 1
				}
				switch c.access {
				case W:
					wantErr |= 2
				case X:
					wantErr |= 16
				}
				if ev.ErrorCode != wantErr {
					t.Errorf("error code %#x, want %#x", ev.ErrorCode, wantErr)
				}
				switch {
				case c.access == X:
					if g.regs.Rip != uint64(at+8) {
						t.Errorf("rip %#x, want the target", g.regs.Rip)
					}
				case c.code == copyBytes:
					if g.regs.Rcx != 7 {
						t.Errorf("%d bytes left, want 7", g.regs.Rcx)
					}
				case *g.regs != before && g.regs.Rip != before.Rip:
					t.Errorf("rip moved from %#x to %#x", before.Rip, g.regs.Rip)
				}
				// With the page there, the instruction is made again and succeeds.
				m.mapPages(t, g.as, at, codeOffset, 1, R|W|X)
				if c.access == X {
					g.regs.Rip = uint64(at)
				}
				code0 := append([]byte(nil), m.mem[codeOffset:codeOffset+64]...)
				g.want(platform.Syscall)
				copy(m.mem[codeOffset:], code0)
			})
		}
	}
	t.Run("store_next_to_the_instruction", func(t *testing.T) {
		// A write fault whose address looks like a fetch's.
		g := m.guest(t, m.space(t), store)
		defer g.release()
		g.regs.Rdi = uint64(store.at()) + 4
		if ev := g.want(platform.Fault); ev.Access != W || ev.Addr != store.at()+4 {
			t.Errorf("got %+v", ev)
		}
	})
	t.Run("fetch_across_pages", func(t *testing.T) {
		g := m.guest(t, m.space(t), load)
		defer g.release()
		// The first byte of a long MOV ends a page whose successor is not there.
		m.mapPages(t, g.as, 0x50000000, stackOffset, 1, R|X)
		m.mem[stackOffset+addr.PageSize-1] = 0x48
		g.regs.Rip = 0x50000fff
		if ev := g.want(platform.Fault); ev.Access != X || ev.Addr != 0x50001000 {
			t.Errorf("got %+v", ev)
		}
	})
	t.Run("kernel_addresses", func(t *testing.T) {
		for _, c := range []struct {
			code   routine
			access platform.Prot
		}{{load, R}, {store, W}, {jump, X}} {
			g := m.guest(t, m.space(t), c.code)
			g.regs.Rdi = 0xffff888000000000
			if ev := g.want(platform.Fault); ev.Access != c.access || ev.Addr != 0xffff888000000000 {
				t.Errorf("got %+v, want access %d", ev, c.access)
			}
			g.release()
		}
	})
}

func testExceptions(t *testing.T, m *machine) {
	for _, c := range []struct {
		name                 string
		code                 routine
		di                   uint64
		signal, sicode       int32
		trapno, errcode      uint64
		addrIsPC, addrIsZero bool
		pc                   uint64 // offset of rip from the routine
	}{
		{name: "divide", code: divide, signal: sigFpe, sicode: fpeIntdiv, trapno: 0, addrIsPC: true, pc: 2},
		{name: "breakpoint", code: breakpoint, signal: sigTrap, sicode: siKernel, trapno: 3, addrIsZero: true, pc: 1},
		{name: "undefined", code: undefined, signal: sigIll, sicode: illIllopn, trapno: 6, addrIsPC: true},
		{name: "halt", code: halt, signal: sigSegv, sicode: siKernel, trapno: 13, addrIsZero: true},
		{name: "int80", code: int80, signal: sigSegv, sicode: siKernel, trapno: 13, errcode: 0x402, addrIsZero: true},
		{name: "int40", code: int40, signal: sigSegv, sicode: siKernel, trapno: 13, errcode: 0x202, addrIsZero: true},
		{name: "load_non-canonical", code: load, di: 1 << 63, signal: sigSegv, sicode: siKernel, trapno: 13, addrIsZero: true},
		{name: "store_non-canonical", code: store, di: 1 << 47, signal: sigSegv, sicode: siKernel, trapno: 13, addrIsZero: true},
		{name: "misalign", code: misalign, di: uint64(dataAt), signal: sigBus, sicode: adraln, trapno: 17, addrIsZero: true, pc: 10},
		{name: "SSE_division", code: floatDivide, di: uint64(dataAt), signal: sigFpe, sicode: fpeFltdiv, trapno: 19},
		{name: "x87_division", code: x87Divide, di: uint64(dataAt), signal: sigFpe, sicode: fpeFltdiv, trapno: 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := m.guest(t, m.space(t), c.code)
			defer g.release()
			g.regs.Rdi = c.di
			g.regs.Rax = 77
			ev := g.want(platform.Exception)
			if ev.Signal != c.signal || ev.Code != c.sicode {
				t.Errorf("signal %d code %d, want %d and %d", ev.Signal, ev.Code, c.signal, c.sicode)
			}
			if ev.Trapno != c.trapno || ev.ErrorCode != c.errcode {
				t.Errorf("vector %d error code %#x, want %d and %#x", ev.Trapno, ev.ErrorCode, c.trapno, c.errcode)
			}
			if c.addrIsPC && ev.Addr != addr.Addr(g.regs.Rip) || c.addrIsZero && ev.Addr != 0 {
				t.Errorf("address %#x, rip %#x", uint64(ev.Addr), g.regs.Rip)
			}
			if pc := uint64(c.code.at()) + c.pc; g.regs.Rip != pc && (c.addrIsPC || c.addrIsZero) && c.code != misalign {
				t.Errorf("rip %#x, want %#x", g.regs.Rip, pc)
			}
			if c.code == int80 && g.regs.Rax != 77 {
				t.Errorf("rax %d, want 77", g.regs.Rax)
			}
			// The guest can go on elsewhere.
			*g.regs = *start(callLoop)
			g.want(platform.Syscall)
		})
	}
}

// testSysenter makes a system call the way 32-bit programs do. Not all CPUs have it in
// 64-bit mode; on those that do, Linux may go on where a 32-bit vDSO would be, and nothing is.
func testSysenter(t *testing.T, m *machine) {
	g := m.guest(t, m.space(t), sysenter)
	defer g.release()
	g.regs.Rbp = uint64(stackAt)
	ev := g.run()
	switch {
	case ev.Kind == platform.Exception && (ev.Signal == sigIll || ev.Signal == sigSegv):
	case ev.Kind == platform.Fault && ev.Access == platform.Exec && ev.Addr == g.regs.PC():
	default:
		t.Errorf("got %+v", ev)
	}
	if pc := g.regs.PC(); pc != 0 && !m.p.UserRange().Contains(pc) {
		t.Errorf("rip %#x", g.regs.Rip)
	}
}

func testSingleStep(t *testing.T, m *machine) {
	g := m.guest(t, m.space(t), singleStep)
	defer g.release()
	last := g.regs.Rip
	steps := 0
	for {
		ev := g.run()
		if ev.Kind == platform.Syscall {
			break
		}
		if ev.Kind != platform.Exception || ev.Signal != sigTrap || ev.Code != trapTrace || ev.Trapno != 1 || ev.Addr != addr.Addr(g.regs.Rip) {
			t.Fatalf("step %d: %+v at %#x", steps, ev, g.regs.Rip)
		}
		if g.regs.Rip <= last {
			t.Fatalf("step %d: rip went from %#x to %#x", steps, last, g.regs.Rip)
		}
		last = g.regs.Rip
		steps++
		if steps > 10 {
			t.Fatal("no end of steps")
		}
	}
	if steps < 2 {
		t.Errorf("%d steps, want at least 2", steps)
	}
	// Without the flag the guest runs on.
	*g.regs = *start(callLoop)
	g.want(platform.Syscall)
	g.want(platform.Syscall)
}

func testVsyscall(t *testing.T, m *machine) {
	g := m.guest(t, m.space(t), callDI)
	defer g.release()
	for _, at := range []uint64{0xffffffffff600000, 0xffffffffff600400, 0xffffffffff600800, 0xffffffffff600123} {
		*g.regs = *start(callDI)
		g.regs.Rdi = at
		ev := g.want(platform.Fault)
		if ev.Access != platform.Exec || uint64(ev.Addr) != at || g.regs.Rip != at || g.regs.Rsp != uint64(stackAt)-8 {
			t.Errorf("%#x: %+v at %#x, stack %#x", at, ev, g.regs.Rip, g.regs.Rsp)
		}
	}
	*g.regs = *start(load)
	g.regs.Rdi = 0xffffffffff600000
	if ev := g.want(platform.Fault); ev.Access != platform.Read || ev.Addr != 0xffffffffff600000 {
		t.Errorf("load: %+v", ev)
	}
}
