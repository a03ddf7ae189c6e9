// Package seccomp checks and runs the filters of seccomp(2): programs of classic BPF that look at a
// system call and say what to do with it.
//
// Check makes a Program of what a guest handed in; Program.Run gives its verdict, a word of
// SECCOMP_RET_*; Stronger says which of the verdicts of several filters counts. A Program is plain
// data. Nothing here knows tasks: the kernel keeps the chain of filters and carries verdicts out.
//
// What is refused and what a program means follow the kernel's net/core/filter.c and kernel/seccomp.c,
// by experiment: the tests compare with the host. No locks.
package seccomp

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Program is a checked filter. It is immutable. Only Check makes programs that Run may run.
type Program []linux.SockFilter

// dataSize is the size of struct seccomp_data.
const dataSize = 64

// Instructions that programs may have, and of what kind they are.
const (
	other     uint8 = iota + 1
	load            // k is an offset into the data
	memory          // k is a cell that is read
	store           // k is a cell that is written
	divide          // k is a divisor
	shift           // k is a count
	jump            // k is a distance
	branch          // jt and jf are distances
	verdict         // ends the program
	divideByX       // only counts for Cost
)

// kinds are the instructions that seccomp(2) allows: those of BPF but for loads of bytes and half-words,
// indirect loads, and the remainder.
var kinds = map[uint16]uint8{
	linux.BPF_LD | linux.BPF_W | linux.BPF_ABS:  load,
	linux.BPF_LD | linux.BPF_W | linux.BPF_LEN:  other,
	linux.BPF_LDX | linux.BPF_W | linux.BPF_LEN: other,
	linux.BPF_LD | linux.BPF_IMM:                other,
	linux.BPF_LDX | linux.BPF_IMM:               other,
	linux.BPF_LD | linux.BPF_MEM:                memory,
	linux.BPF_LDX | linux.BPF_MEM:               memory,
	linux.BPF_ST:                                store,
	linux.BPF_STX:                               store,
	linux.BPF_MISC | linux.BPF_TAX:              other,
	linux.BPF_MISC | linux.BPF_TXA:              other,
	linux.BPF_ALU | linux.BPF_NEG:               other,
	linux.BPF_ALU | linux.BPF_ADD | linux.BPF_K: other,
	linux.BPF_ALU | linux.BPF_ADD | linux.BPF_X: other,
	linux.BPF_ALU | linux.BPF_SUB | linux.BPF_K: other,
	linux.BPF_ALU | linux.BPF_SUB | linux.BPF_X: other,
	linux.BPF_ALU | linux.BPF_MUL | linux.BPF_K: other,
	linux.BPF_ALU | linux.BPF_MUL | linux.BPF_X: other,
	linux.BPF_ALU | linux.BPF_DIV | linux.BPF_K: divide,
	linux.BPF_ALU | linux.BPF_DIV | linux.BPF_X: divideByX,
	linux.BPF_ALU | linux.BPF_AND | linux.BPF_K: other,
	linux.BPF_ALU | linux.BPF_AND | linux.BPF_X: other,
	linux.BPF_ALU | linux.BPF_OR | linux.BPF_K:  other,
	linux.BPF_ALU | linux.BPF_OR | linux.BPF_X:  other,
	linux.BPF_ALU | linux.BPF_XOR | linux.BPF_K: other,
	linux.BPF_ALU | linux.BPF_XOR | linux.BPF_X: other,
	linux.BPF_ALU | linux.BPF_LSH | linux.BPF_K: shift,
	linux.BPF_ALU | linux.BPF_LSH | linux.BPF_X: other,
	linux.BPF_ALU | linux.BPF_RSH | linux.BPF_K: shift,
	linux.BPF_ALU | linux.BPF_RSH | linux.BPF_X: other,

	linux.BPF_JMP | linux.BPF_JA:                 jump,
	linux.BPF_JMP | linux.BPF_JEQ | linux.BPF_K:  branch,
	linux.BPF_JMP | linux.BPF_JEQ | linux.BPF_X:  branch,
	linux.BPF_JMP | linux.BPF_JGT | linux.BPF_K:  branch,
	linux.BPF_JMP | linux.BPF_JGT | linux.BPF_X:  branch,
	linux.BPF_JMP | linux.BPF_JGE | linux.BPF_K:  branch,
	linux.BPF_JMP | linux.BPF_JGE | linux.BPF_X:  branch,
	linux.BPF_JMP | linux.BPF_JSET | linux.BPF_K: branch,
	linux.BPF_JMP | linux.BPF_JSET | linux.BPF_X: branch,

	linux.BPF_RET | linux.BPF_K: verdict,
	linux.BPF_RET | linux.BPF_A: verdict,
}

// Check returns prog as a Program, which keeps it; EINVAL if Linux would not take it: an instruction
// that it does not know, an offset outside the data or not a multiple of 4, a jump behind the end, a
// memory cell that is read but not surely written before, a division by 0, a shift by more than 31, no
// verdict at the end.
func Check(prog []linux.SockFilter) (Program, error) {
	n := len(prog)
	if n == 0 || n > linux.BPF_MAXINSNS {
		return nil, errno.EINVAL
	}
	for pc, i := range prog {
		left := uint32(n - pc - 1) // instructions behind this one
		bad := false
		switch kinds[i.Code] {
		case 0:
			bad = true
		case load:
			bad = i.K >= dataSize || i.K&3 != 0
		case memory, store:
			bad = i.K >= linux.BPF_MEMWORDS
		case divide:
			bad = i.K == 0
		case shift:
			bad = i.K >= 32
		case jump:
			bad = i.K >= left
		case branch:
			bad = uint32(i.Jt) >= left || uint32(i.Jf) >= left
		}
		if bad {
			return nil, errno.EINVAL
		}
	}
	if kinds[prog[n-1].Code] != verdict || !cellsWritten(prog) {
		return nil, errno.EINVAL
	}
	return prog, nil
}

// cellsWritten reports whether each memory cell that is read has been written on all ways there. Jumps
// go forwards only, so one pass will do: behind[pc] are the cells that all jumps to pc have written.
// Code that nothing reaches may read anything.
func cellsWritten(prog []linux.SockFilter) bool {
	const all = ^uint16(0)
	behind := make([]uint16, len(prog))
	for pc := range behind {
		behind[pc] = all
	}
	written := uint16(0)
	for pc, i := range prog {
		written &= behind[pc]
		switch kinds[i.Code] {
		case store:
			written |= 1 << i.K
		case memory:
			if written&(1<<i.K) == 0 {
				return false
			}
		case jump:
			behind[pc+1+int(i.K)] &= written
			written = all
		case branch:
			behind[pc+1+int(i.Jt)] &= written
			behind[pc+1+int(i.Jf)] &= written
			written = all
		}
	}
	return true
}

// MaxCost is the most that the filters of a task may cost together (Linux's MAX_INSNS_PER_PATH).
const MaxCost = 1 << 15

// ChainCost is what each filter that was there before costs besides its instructions.
const ChainCost = 4

// Cost is the length of p as Linux counts it towards MaxCost: not in the instructions that a program was
// handed in as, but in those that it becomes inside Linux.
func (p Program) Cost() int {
	n := 3 // the registers are cleared and the data found
	for _, i := range p {
		n++
		switch kinds[i.Code] {
		case divideByX:
			n += 4 // X may be 0
		case branch:
			if i.Code&linux.BPF_X == 0 && int32(i.K) < 0 {
				n++ // immediates have a sign there
			}
			inverts := i.Code&0xf0 != linux.BPF_JSET
			if i.Jf != 0 && (i.Jt != 0 || !inverts) {
				n++ // there is one way to jump, not two
			}
		case verdict:
			if i.Code == linux.BPF_RET|linux.BPF_K {
				n++
			}
		}
	}
	return n
}

// action is the part of a verdict that decides which is the stronger. It is compared signed:
// SECCOMP_RET_KILL_PROCESS is negative.
func action(v uint32) int32 { return int32(v & linux.SECCOMP_RET_ACTION_FULL) }

// Stronger reports whether verdict a takes precedence over b. Of equals, that of the filter that was
// installed last counts.
func Stronger(a, b uint32) bool { return action(a) < action(b) }

// Known reports whether v is an action that filters can return (SECCOMP_GET_ACTION_AVAIL). Others kill the
// process.
func Known(v uint32) bool {
	switch v {
	case linux.SECCOMP_RET_KILL_PROCESS, linux.SECCOMP_RET_KILL_THREAD, linux.SECCOMP_RET_TRAP, linux.SECCOMP_RET_ERRNO,
		linux.SECCOMP_RET_USER_NOTIF, linux.SECCOMP_RET_TRACE, linux.SECCOMP_RET_LOG, linux.SECCOMP_RET_ALLOW:
		return true
	}
	return false
}
