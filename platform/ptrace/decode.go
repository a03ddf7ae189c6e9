package ptrace

import "ringfence/platform"

// operand says what an instruction does to its memory operand.
type operand uint8

const (
	unknown operand = iota
	reads
	writes // also read-modify-write: the CPU faults as for a write
	stack  // pushes or pops, or reads a string; see decoder.implicit
)

// accessOf finds out from an instruction whether the data access that faulted at at
// was a read or a write. ok is false if that is not certain. The instruction comes
// from guest memory and may have changed since; a guest that does that deceives
// itself.
func accessOf(code []byte, rdi, rsi, at uint64) (access platform.Prot, ok bool) {
	d := decoder{code: code}
	op := d.decode()
	if d.short {
		return 0, false
	}
	if op == stack {
		return implicitAccess(d.opcode, rdi, rsi, at)
	}
	// With a register operand the access was another one than the table speaks of.
	if op == unknown || !d.memory {
		return 0, false
	}
	if op == writes {
		return platform.Write, true
	}
	return platform.Read, true
}

// implicitAccess answers for one-byte opcodes whose address is no ModRM operand.
func implicitAccess(opcode byte, rdi, rsi, at uint64) (platform.Prot, bool) {
	switch opcode {
	case 0xa4, 0xa5: // MOVS
		// An element is at most 8 bytes long, and may cross a page.
		src, dst := at-rsi < 8, at-rdi < 8
		if src == dst {
			return 0, false
		}
		if dst {
			return platform.Write, true
		}
		return platform.Read, true
	case 0xa2, 0xa3, 0xaa, 0xab, // MOV moffs, STOS
		0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x68, 0x6a, 0x9c, 0xe8: // PUSH, PUSHF, CALL
		return platform.Write, true
	}
	return platform.Read, true
}

// decoder reads an x86-64 instruction as far as it must (SDM volume 2, appendix A).
type decoder struct {
	code  []byte
	short bool // there was less code than the instruction needs

	opcode byte
	prefix byte // the last of 0x66, 0xf2, 0xf3, also as VEX and EVEX encode them
	reg    byte // ModRM.reg
	memory bool // ModRM has a memory operand
}

func (d *decoder) next() byte {
	if len(d.code) == 0 {
		d.short = true
		return 0
	}
	b := d.code[0]
	d.code = d.code[1:]
	return b
}

// modrm reads what is needed of ModRM.
func (d *decoder) modrm() {
	b := d.next()
	d.reg = b >> 3 & 7
	d.memory = b>>6 != 3
}

func (d *decoder) decode() operand {
	b := d.next()
	for ; ; b = d.next() {
		switch b {
		case 0x66, 0xf2, 0xf3:
			d.prefix = b
			continue
		case 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x67, 0xf0:
			continue
		}
		break
	}
	if b>>4 == 4 { // REX
		b = d.next()
	}
	d.opcode = b
	switch b {
	case 0x0f:
		d.opcode = d.next()
		switch d.opcode {
		case 0x38:
			d.opcode = d.next()
			d.modrm()
			return d.map2(false)
		case 0x3a:
			d.opcode = d.next()
			d.modrm()
			return d.map3()
		}
		return d.map1()
	case 0xc5: // VEX, two bytes
		p := d.next()
		return d.vector(1, p, false)
	case 0xc4: // VEX, three bytes
		m, p := d.next(), d.next()
		return d.vector(m&0x1f, p, false)
	case 0x62: // EVEX
		m, p, _ := d.next(), d.next(), d.next()
		return d.vector(m&7, p, true)
	}
	return d.map0()
}

// vector decodes what follows VEX and EVEX.
func (d *decoder) vector(opmap, p byte, evex bool) operand {
	d.prefix = [4]byte{0, 0x66, 0xf3, 0xf2}[p&3]
	d.opcode = d.next()
	d.modrm()
	switch opmap {
	case 1:
		return d.vectorMap1(evex)
	case 2:
		return d.map2(true)
	case 3:
		return d.map3()
	}
	return unknown
}

// map0 is the map of one-byte opcodes.
func (d *decoder) map0() operand {
	op := d.opcode
	switch {
	case op < 0x40: // ADD OR ADC SBB AND SUB XOR CMP
		if op&7 > 3 {
			return unknown
		}
		d.modrm()
		if op&2 != 0 || op>>3 == 7 {
			return reads
		}
		return writes
	case op >= 0x50 && op < 0x60, op == 0x68, op == 0x6a, op == 0x9c, op == 0x9d,
		op >= 0xa0 && op <= 0xa7, op >= 0xaa && op <= 0xaf, op == 0xc2, op == 0xc3, op == 0xc9, op == 0xe8:
		return stack
	}
	d.modrm()
	switch op {
	case 0x63, 0x69, 0x6b, 0x84, 0x85, 0x8a, 0x8b:
		return reads
	case 0x86, 0x87, 0x88, 0x89, 0xd0, 0xd1: // Shifts by a count of zero may not write: not 0xc0 and the like.
		return writes
	case 0x80, 0x81, 0x83:
		if d.reg == 7 { // CMP
			return reads
		}
		return writes
	case 0xc6, 0xc7:
		if d.reg == 0 { // MOV; the others are transactions
			return writes
		}
	case 0xf6, 0xf7:
		if d.reg == 2 || d.reg == 3 { // NOT, NEG
			return writes
		}
		return reads
	case 0xfe, 0xff:
		switch d.reg {
		case 0, 1: // INC, DEC
			return writes
		case 4: // JMP; CALL and PUSH also write to the stack
			if op == 0xff {
				return reads
			}
		}
	}
	return unknown
}

// map1 is the map of opcodes behind 0x0f, without VEX and EVEX.
func (d *decoder) map1() operand {
	d.modrm()
	op := d.opcode
	switch {
	case op >= 0x40 && op < 0x50: // CMOV
		return reads
	case op >= 0x90 && op < 0xa0: // SET
		return writes
	}
	switch op {
	case 0xa3, 0xaf, 0xb6, 0xb7, 0xb8, 0xbc, 0xbd, 0xbe, 0xbf: // BT, IMUL, MOVZX, POPCNT, BSF, BSR, MOVSX
		return reads
	case 0xab, 0xb0, 0xb1, 0xb3, 0xbb, 0xc0, 0xc1, 0xc3: // BTS, CMPXCHG, BTR, BTC, XADD, MOVNTI
		return writes
	case 0xba:
		switch d.reg {
		case 4:
			return reads
		case 5, 6, 7:
			return writes
		}
		return unknown
	case 0xc7:
		if d.reg == 1 { // CMPXCHG8B
			return writes
		}
		return unknown
	}
	return d.vectorMoves()
}

// vectorMap1 is map1 with VEX or EVEX.
func (d *decoder) vectorMap1(evex bool) operand {
	if !evex && d.opcode>>4 == 9 { // KMOV
		switch d.opcode {
		case 0x90:
			return reads
		case 0x91:
			return writes
		}
		return unknown
	}
	return d.vectorMoves()
}

// vectorMoves are the SSE instructions of map1, which AVX and AVX-512 share.
func (d *decoder) vectorMoves() operand {
	op := d.opcode
	switch op {
	case 0x11, 0x13, 0x17, 0x29, 0x2b, 0x7f, 0xd6, 0xe7:
		return writes
	case 0x7e:
		if d.prefix == 0xf3 {
			return reads
		}
		return writes
	case 0x10, 0x12, 0x14, 0x15, 0x16, 0x28, 0x2a, 0x2c, 0x2d, 0x2e, 0x2f, 0xc2, 0xc4, 0xc6:
		return reads
	}
	switch {
	case op >= 0x51 && op <= 0x6f, op == 0x70, op >= 0x74 && op <= 0x76,
		op >= 0xd0 && op <= 0xd5, op >= 0xd8 && op <= 0xe6, op >= 0xe8 && op <= 0xef,
		op >= 0xf0 && op <= 0xf6, op >= 0xf8 && op <= 0xfe:
		return reads
	}
	return unknown
}

// map2 is the map of opcodes behind 0x0f 0x38.
func (d *decoder) map2(vex bool) operand {
	op := d.opcode
	if !vex {
		// MOVBE and others at the end differ by prefix.
		if op < 0xf0 && op != 0x80 && op != 0x81 && op != 0x82 {
			return reads
		}
		return unknown
	}
	switch {
	case d.prefix != 0x66, op >= 0x80 && op < 0xa8, op >= 0xc0, op == 0x63:
		return unknown
	case op == 0x2e, op == 0x2f: // VMASKMOV to memory; EVEX has none
		return unknown
	}
	return reads
}

// map3 is the map of opcodes behind 0x0f 0x3a.
func (d *decoder) map3() operand {
	switch d.opcode {
	case 0x14, 0x15, 0x16, 0x17, 0x19, 0x1b, 0x1d, 0x39, 0x3b: // extracts, VCVTPS2PH
		return writes
	}
	return reads
}
