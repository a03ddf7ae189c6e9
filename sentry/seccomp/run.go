package seccomp

import "ringfence/abi/linux"

// Words is struct seccomp_data as a program reads it.
type Words [dataSize / 4]uint32

// WordsOf returns d as words. Linux's data lies in memory in little-endian order.
func WordsOf(d *linux.SeccompData) (w Words) {
	w[0], w[1] = uint32(d.Nr), d.Arch
	w[2], w[3] = uint32(d.InstructionPointer), uint32(d.InstructionPointer>>32)
	for i, a := range d.Args {
		w[4+2*i], w[5+2*i] = uint32(a), uint32(a>>32)
	}
	return w
}

// Run returns the verdict of p on the call that d describes. It ends: jumps go forwards only. Division
// by an X of 0 ends a program with verdict 0, and shifts take X modulo 32, as Linux's do.
func (p Program) Run(d *Words) uint32 {
	var a, x uint32
	var mem [linux.BPF_MEMWORDS]uint32
	for pc := 0; pc < len(p); pc++ {
		i := &p[pc]
		operand := i.K
		if i.Code&linux.BPF_X != 0 {
			operand = x // of BPF_ALU and BPF_JMP; others have no such bit
		}
		taken := false
		switch i.Code {
		case linux.BPF_LD | linux.BPF_W | linux.BPF_ABS:
			a = d[i.K/4%uint32(len(d))]
			continue
		case linux.BPF_LD | linux.BPF_W | linux.BPF_LEN:
			a = dataSize
			continue
		case linux.BPF_LDX | linux.BPF_W | linux.BPF_LEN:
			x = dataSize
			continue
		case linux.BPF_LD | linux.BPF_IMM:
			a = i.K
			continue
		case linux.BPF_LDX | linux.BPF_IMM:
			x = i.K
			continue
		case linux.BPF_LD | linux.BPF_MEM:
			a = mem[i.K%linux.BPF_MEMWORDS]
			continue
		case linux.BPF_LDX | linux.BPF_MEM:
			x = mem[i.K%linux.BPF_MEMWORDS]
			continue
		case linux.BPF_ST:
			mem[i.K%linux.BPF_MEMWORDS] = a
			continue
		case linux.BPF_STX:
			mem[i.K%linux.BPF_MEMWORDS] = x
			continue
		case linux.BPF_MISC | linux.BPF_TAX:
			x = a
			continue
		case linux.BPF_MISC | linux.BPF_TXA:
			a = x
			continue
		case linux.BPF_RET | linux.BPF_K:
			return i.K
		case linux.BPF_RET | linux.BPF_A:
			return a
		case linux.BPF_JMP | linux.BPF_JA:
			pc += int(i.K)
			continue
		case linux.BPF_JMP | linux.BPF_JEQ | linux.BPF_K, linux.BPF_JMP | linux.BPF_JEQ | linux.BPF_X:
			taken = a == operand
		case linux.BPF_JMP | linux.BPF_JGT | linux.BPF_K, linux.BPF_JMP | linux.BPF_JGT | linux.BPF_X:
			taken = a > operand
		case linux.BPF_JMP | linux.BPF_JGE | linux.BPF_K, linux.BPF_JMP | linux.BPF_JGE | linux.BPF_X:
			taken = a >= operand
		case linux.BPF_JMP | linux.BPF_JSET | linux.BPF_K, linux.BPF_JMP | linux.BPF_JSET | linux.BPF_X:
			taken = a&operand != 0
		default:
			var ok bool
			if a, ok = compute(i.Code, a, operand); !ok {
				return linux.SECCOMP_RET_KILL_THREAD
			}
			continue
		}
		if taken {
			pc += int(i.Jt)
		} else {
			pc += int(i.Jf)
		}
	}
	return linux.SECCOMP_RET_KILL_PROCESS // past the end: Check lets no such program through
}

// compute is a BPF_ALU instruction; not ok if it divides by 0.
func compute(code uint16, a, operand uint32) (uint32, bool) {
	switch code & 0xf0 {
	case linux.BPF_ADD:
		a += operand
	case linux.BPF_SUB:
		a -= operand
	case linux.BPF_MUL:
		a *= operand
	case linux.BPF_DIV:
		if operand == 0 {
			return 0, false
		}
		a /= operand
	case linux.BPF_AND:
		a &= operand
	case linux.BPF_OR:
		a |= operand
	case linux.BPF_XOR:
		a ^= operand
	case linux.BPF_LSH:
		a <<= operand & 31
	case linux.BPF_RSH:
		a >>= operand & 31
	case linux.BPF_NEG:
		a = -a
	}
	return a, true
}
