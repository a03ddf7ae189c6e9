// Package bpf checks and runs programs of classic BPF (bpf(4) of BSD, Linux's networking/filter.rst): those that
// sockets filter packets with, and underneath sentry/seccomp those that filter system calls.
//
// Check makes a Program of what a guest handed in; Program.Run runs it on a Packet. A Program is plain data.
// What is refused and what a program means follow the kernel's net/core/filter.c, by experiment. No locks.
package bpf

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Program is a checked program. It is immutable. Only Check makes programs that Run may run.
type Program []linux.SockFilter

// Kinds of instructions.
const (
	other   uint8 = iota + 1
	load          // k is an offset into the packet, or names something about it
	memory        // k is a cell that is read
	store         // k is a cell that is written
	divide        // k is a divisor
	shift         // k is a count
	jump          // k is a distance
	branch        // jt and jf are distances
	verdict       // ends the program
)

// kinds are the instructions that there are.
var kinds = map[uint16]uint8{
	linux.BPF_LD | linux.BPF_W | linux.BPF_ABS:  load,
	linux.BPF_LD | linux.BPF_H | linux.BPF_ABS:  load,
	linux.BPF_LD | linux.BPF_B | linux.BPF_ABS:  load,
	linux.BPF_LD | linux.BPF_W | linux.BPF_IND:  other,
	linux.BPF_LD | linux.BPF_H | linux.BPF_IND:  other,
	linux.BPF_LD | linux.BPF_B | linux.BPF_IND:  other,
	linux.BPF_LDX | linux.BPF_B | linux.BPF_MSH: other,
	linux.BPF_ALU | linux.BPF_MOD | linux.BPF_K: divide,
	linux.BPF_ALU | linux.BPF_MOD | linux.BPF_X: other,
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
	linux.BPF_ALU | linux.BPF_DIV | linux.BPF_X: other,
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
// that it does not know, a jump behind the end, a memory cell that is read but not surely written before, a division
// by 0, a shift by more than 31, no verdict at the end, something about a packet that nobody knows.
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
			bad = i.K >= ancillary && !known(i.K)
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

// Unmarshal reads the instructions of a struct sock_fprog; a rest that is none is ignored.
func Unmarshal(b []byte) []linux.SockFilter {
	size := (*linux.SockFilter)(nil).SizeBytes()
	prog := make([]linux.SockFilter, len(b)/size)
	for i := range prog {
		prog[i].UnmarshalBytes(b[i*size:])
	}
	return prog
}

// Marshal is the reverse.
func Marshal(prog []linux.SockFilter) []byte {
	size := (*linux.SockFilter)(nil).SizeBytes()
	b := make([]byte, size*len(prog))
	for i := range prog {
		prog[i].MarshalBytes(b[i*size:])
	}
	return b
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
