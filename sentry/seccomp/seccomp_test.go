package seccomp

import (
	"slices"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

func stmt(code uint16, k uint32) linux.SockFilter { return linux.SockFilter{Code: code, K: k} }

func cond(code uint16, k uint32, jt, jf uint8) linux.SockFilter {
	return linux.SockFilter{Code: code, Jt: jt, Jf: jf, K: k}
}

var (
	allow = stmt(linux.BPF_RET|linux.BPF_K, linux.SECCOMP_RET_ALLOW)
	retA  = stmt(linux.BPF_RET|linux.BPF_A, 0)
)

const (
	ldAbs = linux.BPF_LD | linux.BPF_W | linux.BPF_ABS
	jeqK  = linux.BPF_JMP | linux.BPF_JEQ | linux.BPF_K
	aluK  = linux.BPF_ALU | linux.BPF_K
	aluX  = linux.BPF_ALU | linux.BPF_X
)

// long returns n harmless instructions and a verdict.
func long(n int) []linux.SockFilter {
	return append(slices.Repeat([]linux.SockFilter{stmt(linux.BPF_LD|linux.BPF_IMM, 1)}, n), allow)
}

var checks = []struct {
	name string
	prog []linux.SockFilter
	ok   bool
}{
	{"nothing", nil, false},
	{"one verdict", []linux.SockFilter{allow}, true},
	{"verdict in A", []linux.SockFilter{retA}, true},
	{"verdict in X", []linux.SockFilter{stmt(linux.BPF_RET|linux.BPF_X, 0)}, false},
	{"no verdict at the end", []linux.SockFilter{allow, stmt(ldAbs, 0)}, false},
	{"as long as can be", long(linux.BPF_MAXINSNS - 1), true},
	{"too long", long(linux.BPF_MAXINSNS), false},
	{"load of the last word", []linux.SockFilter{stmt(ldAbs, 60), allow}, true},
	{"load behind the data", []linux.SockFilter{stmt(ldAbs, 64), allow}, false},
	{"load that is not aligned", []linux.SockFilter{stmt(ldAbs, 2), allow}, false},
	{"load of what only sockets have", []linux.SockFilter{stmt(ldAbs, linux.SKF_AD_OFF), allow}, false},
	{"load of a half-word", []linux.SockFilter{stmt(linux.BPF_LD|linux.BPF_H|linux.BPF_ABS, 0), allow}, false},
	{"load of a byte", []linux.SockFilter{stmt(linux.BPF_LD|linux.BPF_B|linux.BPF_ABS, 0), allow}, false},
	{"indirect load", []linux.SockFilter{stmt(linux.BPF_LD|linux.BPF_W|linux.BPF_IND, 0), allow}, false},
	{"load of a header's length", []linux.SockFilter{stmt(linux.BPF_LDX|linux.BPF_B|linux.BPF_MSH, 0), allow}, false},
	{"length in A", []linux.SockFilter{stmt(linux.BPF_LD|linux.BPF_W|linux.BPF_LEN, 0), retA}, true},
	{"division by 0", []linux.SockFilter{stmt(aluK|linux.BPF_DIV, 0), allow}, false},
	{"division by X", []linux.SockFilter{stmt(aluX|linux.BPF_DIV, 0), allow}, true},
	{"remainder", []linux.SockFilter{stmt(aluK|linux.BPF_MOD, 3), allow}, false},
	{"shift by 31", []linux.SockFilter{stmt(aluK|linux.BPF_LSH, 31), allow}, true},
	{"shift by 32", []linux.SockFilter{stmt(aluK|linux.BPF_RSH, 32), allow}, false},
	{"negation with operand", []linux.SockFilter{stmt(aluX|linux.BPF_NEG, 0), allow}, false},
	{"cell read unwritten", []linux.SockFilter{stmt(linux.BPF_LD|linux.BPF_MEM, 3), allow}, false},
	{"cell read written", []linux.SockFilter{stmt(linux.BPF_ST, 3), stmt(linux.BPF_LDX|linux.BPF_MEM, 3), allow}, true},
	{"cell that is not there", []linux.SockFilter{stmt(linux.BPF_STX, 16), allow}, false},
	{"cell written on one way only", []linux.SockFilter{cond(jeqK, 0, 0, 1), stmt(linux.BPF_ST, 0), stmt(linux.BPF_LD|linux.BPF_MEM, 0), allow}, false},
	{"cell written on both ways", []linux.SockFilter{cond(jeqK, 0, 0, 2), stmt(linux.BPF_ST, 0), stmt(linux.BPF_JMP|linux.BPF_JA, 1), stmt(linux.BPF_STX, 0), stmt(linux.BPF_LD|linux.BPF_MEM, 0), allow}, true},
	{"cell read in code that nothing reaches", []linux.SockFilter{stmt(linux.BPF_JMP|linux.BPF_JA, 1), stmt(linux.BPF_LD|linux.BPF_MEM, 0), allow}, true},
	{"cell read behind a verdict", []linux.SockFilter{allow, stmt(linux.BPF_LD|linux.BPF_MEM, 0), allow}, false},
	{"jump to the end", []linux.SockFilter{stmt(linux.BPF_JMP|linux.BPF_JA, 0), allow}, true},
	{"jump behind the end", []linux.SockFilter{stmt(linux.BPF_JMP|linux.BPF_JA, 1), allow}, false},
	{"jump far behind the end", []linux.SockFilter{stmt(linux.BPF_JMP|linux.BPF_JA, ^uint32(0)), allow}, false},
	{"branch behind the end", []linux.SockFilter{cond(jeqK, 0, 0, 1), allow}, false},
	{"unknown class", []linux.SockFilter{stmt(0xffff, 0), allow}, false},
	{"high bits of the code", []linux.SockFilter{stmt(ldAbs|0x100, 0), allow}, false},
	{"distances where none belong", []linux.SockFilter{cond(ldAbs, 0, 200, 200), allow}, true},
}

func TestCheck(t *testing.T) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			p, err := Check(c.prog)
			if c.ok != (err == nil) || err != nil && err != errno.EINVAL {
				t.Errorf("got %v, want ok %v", err, c.ok)
			}
			if err == nil {
				p.Run(new(Data))
			}
		})
	}
}

func TestRun(t *testing.T) {
	d := DataOf(&linux.SeccompData{
		Nr: 257, Arch: linux.AUDIT_ARCH_X86_64, InstructionPointer: 0x1111111122222222,
		Args: [6]uint64{0x33333333_44444444, 0, 0, 0, 0, 0x55555555_66666666},
	})
	ld := func(off uint32) linux.SockFilter { return stmt(ldAbs, off) }
	ldx := func(k uint32) linux.SockFilter { return stmt(linux.BPF_LDX|linux.BPF_IMM, k) }
	yes, no := stmt(linux.BPF_RET, 1), stmt(linux.BPF_RET, 2)
	for _, c := range []struct {
		name string
		prog []linux.SockFilter
		want uint32
	}{
		{"number", []linux.SockFilter{ld(0), retA}, 257},
		{"architecture", []linux.SockFilter{ld(4), retA}, linux.AUDIT_ARCH_X86_64},
		{"instruction pointer low", []linux.SockFilter{ld(8), retA}, 0x22222222},
		{"instruction pointer high", []linux.SockFilter{ld(12), retA}, 0x11111111},
		{"first argument low", []linux.SockFilter{ld(16), retA}, 0x44444444},
		{"last argument high", []linux.SockFilter{ld(60), retA}, 0x55555555},
		{"length", []linux.SockFilter{stmt(linux.BPF_LDX|linux.BPF_W|linux.BPF_LEN, 0), stmt(linux.BPF_MISC|linux.BPF_TXA, 0), retA}, 64},
		{"registers start at 0", []linux.SockFilter{stmt(aluX|linux.BPF_ADD, 0), retA}, 0},
		{"division by X of 0", []linux.SockFilter{ld(0), stmt(aluX|linux.BPF_DIV, 0), yes}, 0},
		{"shift by more than 31", []linux.SockFilter{ld(0), ldx(33), stmt(aluX|linux.BPF_LSH, 0), retA}, 514},
		{"division is unsigned", []linux.SockFilter{stmt(linux.BPF_LD|linux.BPF_IMM, 0xfffffffe), stmt(aluK|linux.BPF_DIV, 2), retA}, 0x7fffffff},
		{"negation", []linux.SockFilter{ld(0), stmt(linux.BPF_ALU|linux.BPF_NEG, 0), retA}, 0xfffffeff},
		{"comparison is unsigned", []linux.SockFilter{ld(4), cond(linux.BPF_JMP|linux.BPF_JGT|linux.BPF_K, 5, 0, 1), yes, no}, 1},
		{"at least", []linux.SockFilter{ld(0), cond(linux.BPF_JMP|linux.BPF_JGE|linux.BPF_K, 257, 0, 1), yes, no}, 1},
		{"not more", []linux.SockFilter{ld(0), cond(linux.BPF_JMP|linux.BPF_JGT|linux.BPF_K, 257, 0, 1), yes, no}, 2},
		{"a bit in common", []linux.SockFilter{ld(0), ldx(0x100), cond(linux.BPF_JMP|linux.BPF_JSET|linux.BPF_X, 0, 0, 1), yes, no}, 1},
		{"memory", []linux.SockFilter{ld(0), stmt(linux.BPF_ST, 15), ld(4), stmt(linux.BPF_LD|linux.BPF_MEM, 15), retA}, 257},
		{"jump", []linux.SockFilter{stmt(linux.BPF_JMP|linux.BPF_JA, 1), yes, no}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Check(c.prog)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Run(&d); got != c.want {
				t.Errorf("got %#x, want %#x", got, c.want)
			}
		})
	}
}

func TestStronger(t *testing.T) {
	// seccomp(2), strongest first; what is unknown stands where its number does.
	order := []uint32{
		linux.SECCOMP_RET_KILL_PROCESS, linux.SECCOMP_RET_KILL_THREAD, linux.SECCOMP_RET_TRAP, linux.SECCOMP_RET_ERRNO,
		linux.SECCOMP_RET_USER_NOTIF, linux.SECCOMP_RET_TRACE, linux.SECCOMP_RET_LOG, linux.SECCOMP_RET_ALLOW,
	}
	for i, a := range order {
		for j, b := range order {
			if got := Stronger(a|7, b|3); got != (i < j) {
				t.Errorf("%#x against %#x: %v", a, b, got)
			}
		}
		if !Known(a) || Known(a|1) {
			t.Errorf("%#x known %v, with data %v", a, Known(a), Known(a|1))
		}
	}
}

func TestRun_allocates_nothing(t *testing.T) {
	p, err := Check(long(100))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		d := DataOf(&linux.SeccompData{Nr: 1})
		p.Run(&d)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzRun hands in anything: what Check lets through ends with a verdict.
func FuzzRun(f *testing.F) {
	for _, c := range checks {
		if len(c.prog) < 20 {
			f.Add(encode(c.prog), []byte("some data"))
		}
	}
	f.Fuzz(func(t *testing.T, code, data []byte) {
		prog := make([]linux.SockFilter, len(code)/8)
		for i := range prog {
			prog[i].UnmarshalBytes(code[8*i:])
		}
		p, err := Check(prog)
		if err != nil {
			return
		}
		var d Data
		copy(d[:], data)
		p.Run(&d)
		if c := p.Cost(); c < len(p)+3 || c > 5*len(p)+3 {
			t.Errorf("cost %d of %d instructions", c, len(p))
		}
	})
}

func encode(prog []linux.SockFilter) []byte {
	b := make([]byte, 8*len(prog))
	for i := range prog {
		prog[i].MarshalBytes(b[8*i:])
	}
	return b
}
