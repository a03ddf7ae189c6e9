package platformtest

import (
	"testing"

	"ringfence/platform"
	"ringfence/platform/arch"
)

func testSyscall(t *testing.T, m *machine) {
	g := m.guest(t, m.space(t), callLoop)
	defer g.release()
	for i := range uint64(1000) {
		r := g.regs
		r.Rax, r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9 = i*3, i+1, i+2, i+3, i+4, i+5, i+6
		g.want(platform.Syscall)
		if r.SyscallNo() != i*3 {
			t.Fatalf("call %d: number %d", i, r.SyscallNo())
		}
		for n, a := range r.SyscallArgs() {
			if uint64(a) != i+1+uint64(n) {
				t.Fatalf("call %d: argument %d is %d", i, n, a)
			}
		}
		if enosys := int64(-38); int64(r.Rax) != enosys {
			t.Fatalf("call %d: rax %#x, want -ENOSYS", i, r.Rax)
		}
		if pc := uint64(callLoop.at()) + 2; r.Rip != pc || r.Rcx != pc {
			t.Fatalf("call %d: rip %#x, rcx %#x, want %#x", i, r.Rip, r.Rcx, pc)
		}
		if r.R11 != r.Eflags {
			t.Fatalf("call %d: r11 %#x, eflags %#x", i, r.R11, r.Eflags)
		}
	}
	// Results that the host would take for its own restart codes are not special.
	for _, v := range []int64{-512, -513, -514, -516, -4, -38, -1} {
		g.regs.SetReturn(uint64(v))
		g.c.Interrupt()
		g.want(platform.Interrupted)
		g.want(platform.Syscall)
		if int64(g.regs.OrigRax) != v || g.regs.Rip != uint64(callLoop.at())+2 {
			t.Errorf("after result %d: call %d at %#x", v, int64(g.regs.OrigRax), g.regs.Rip)
		}
	}
	// A number that no kernel knows, and one with the x32 bit.
	for _, nr := range []uint64{1 << 40, 0x40000001, ^uint64(0)} {
		g.regs.Rax = nr
		g.want(platform.Syscall)
		if g.regs.SyscallNo() != nr {
			t.Errorf("number %#x, want %#x", g.regs.SyscallNo(), nr)
		}
	}
}

// general returns the registers that a system call leaves alone.
func general(r *arch.Registers) []*uint64 {
	return []*uint64{&r.R15, &r.R14, &r.R13, &r.R12, &r.Rbp, &r.Rbx, &r.R10, &r.R9, &r.R8,
		&r.Rdx, &r.Rsi, &r.Rdi, &r.Rsp}
}

func testRegisters(t *testing.T, m *machine) {
	g := m.guest(t, m.space(t), callLoop)
	defer g.release()
	for round := range uint64(20) {
		for i, reg := range general(g.regs) {
			*reg = round<<56 ^ uint64(i)*0x0101010101010101 ^ 0x8000000000000001
		}
		// CF, PF, AF, ZF, SF, OF, DF, in various mixtures.
		flags := []uint64{0x001, 0x004, 0x010, 0x040, 0x080, 0x800, 0x400, 0xcd5}[round%8]
		g.regs.Eflags = 0x202 | flags
		want := *g.regs
		g.want(platform.Syscall)
		wanted := general(&want)
		for i, reg := range general(g.regs) {
			if *reg != *wanted[i] {
				t.Errorf("round %d: register %d is %#x, want %#x", round, i, *reg, *wanted[i])
			}
		}
		if g.regs.Eflags != want.Eflags {
			t.Errorf("round %d: eflags %#x, want %#x", round, g.regs.Eflags, want.Eflags)
		}
		if g.regs.Cs != arch.UserCS || g.regs.Ss != arch.UserDS {
			t.Errorf("round %d: cs %#x, ss %#x", round, g.regs.Cs, g.regs.Ss)
		}
	}
}

func testSegmentBases(t *testing.T, m *machine) {
	g := m.guest(t, m.space(t), callLoop)
	defer g.release()
	for _, base := range []uint64{0, uint64(dataAt), 0x7ffffffff000 - 8} {
		g.regs.FsBase, g.regs.GsBase = base, base/2
		g.want(platform.Syscall)
		if g.regs.FsBase != base || g.regs.GsBase != base/2 {
			t.Errorf("bases %#x, %#x, want %#x, %#x", g.regs.FsBase, g.regs.GsBase, base, base/2)
		}
	}
	// Where the CPU has WRFSBASE, guests may choose any canonical base. The guest must
	// go on; a base in the kernel's half need not last.
	for _, base := range []uint64{uint64(dataAt), 0xffff888000000000} {
		g.regs.Rip, g.regs.Rsi = uint64(setBases.at()), base
		if ev := g.run(); ev.Kind == platform.Exception && ev.Signal == sigIll {
			return
		}
		if base == uint64(dataAt) && g.regs.FsBase != base {
			t.Errorf("base %#x, want %#x", g.regs.FsBase, base)
		}
		g.regs.Rip = uint64(callLoop.at())
		g.want(platform.Syscall)
		g.want(platform.Syscall)
	}
}
