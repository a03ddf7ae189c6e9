// Package seccomp checks and runs the filters of seccomp(2): programs of classic BPF that look at a
// system call and say what to do with it.
//
// Check makes a Program of what a guest handed in; Program.Run gives its verdict, a word of
// SECCOMP_RET_*; Stronger says which of the verdicts of several filters counts. A Program is plain
// data. Nothing here knows tasks: the kernel keeps the chain of filters and carries verdicts out.
//
// The programs are sentry/bpf's; what is refused of them follows the kernel's kernel/seccomp.c, by experiment: the
// tests compare with the host. No locks.
package seccomp

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/bpf"
)

// Program is a checked filter. It is immutable. Only Check makes programs that Run may run.
type Program bpf.Program

// dataSize is the size of struct seccomp_data.
const dataSize = 64

// Check returns prog as a Program, which keeps it; EINVAL if Linux would not take it: beyond what is wrong with any
// program, loads of less than words or of what is not in the data, indirect loads, and remainders.
func Check(prog []linux.SockFilter) (Program, error) {
	for _, i := range prog {
		switch class, how := i.Code&7, i.Code&0xe0; {
		case i.Code == linux.BPF_LD|linux.BPF_W|linux.BPF_ABS:
			if i.K >= dataSize || i.K&3 != 0 {
				return nil, errno.EINVAL
			}
		case class == linux.BPF_LD && (how == linux.BPF_ABS || how == linux.BPF_IND),
			class == linux.BPF_LDX && how == linux.BPF_MSH,
			class == linux.BPF_ALU && i.Code&0xf0 == linux.BPF_MOD:
			return nil, errno.EINVAL
		}
	}
	p, err := bpf.Check(prog)
	return Program(p), err
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
		switch class := i.Code & 7; {
		case i.Code == linux.BPF_ALU|linux.BPF_DIV|linux.BPF_X:
			n += 4 // X may be 0
		case class == linux.BPF_JMP && i.Code != linux.BPF_JMP|linux.BPF_JA:
			if i.Code&linux.BPF_X == 0 && int32(i.K) < 0 {
				n++ // immediates have a sign there
			}
			inverts := i.Code&0xf0 != linux.BPF_JSET
			if i.Jf != 0 && (i.Jt != 0 || !inverts) {
				n++ // there is one way to jump, not two
			}
		case class == linux.BPF_RET:
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
