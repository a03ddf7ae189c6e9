package bpf

import (
	"encoding/binary"
	"math/rand/v2"

	"ringfence/abi/linux"
)

// Packet is what a program looks at. Numbers in it are in network order.
type Packet struct {
	// Bytes is all of the packet, of which the program sees what begins at Start as its data. At Link and Net its
	// headers begin, as far as it has any.
	Bytes            []byte
	Start, Link, Net int

	// About it, if it came over an interface.
	Index    int32
	Hardware uint16 // ARPHRD_*
	Protocol uint16 // ETH_P_*
	Kind     uint8  // PACKET_*
	Mark     uint32
}

// Offsets that are none into the data (SKF_*): what is about a packet, and where headers begin.
const (
	ancillary = 1<<32 - 0x1000   // SKF_AD_OFF
	netOffset = 1<<32 - 0x100000 // SKF_NET_OFF
	llOffset  = 1<<32 - 0x200000 // SKF_LL_OFF
)

// What is about a packet, as offsets from ancillary.
const (
	adProtocol       = 0
	adPktType        = 4
	adIfIndex        = 8
	adMark           = 20
	adQueue          = 24
	adHardware       = 28
	adRxHash         = 32
	adCPU            = 36
	adXorX           = 40
	adVLANTag        = 44
	adVLANTagPresent = 48
	adRandom         = 56
	adVLANTPID       = 60
)

// Extensions is SO_BPF_EXTENSIONS: one past the offset of the last of them (SKF_AD_MAX).
const Extensions = 64

// known reports whether a load asks for something that about answers. Not among it are attributes of netlink
// messages and where a packet's payload begins.
func known(k uint32) bool {
	switch k - ancillary {
	case adProtocol, adPktType, adIfIndex, adMark, adQueue, adHardware, adRxHash, adCPU, adXorX,
		adVLANTag, adVLANTagPresent, adRandom, adVLANTPID:
		return true
	}
	return false
}

// about answers a load that known lets through; not ok if the packet came over no interface.
func (d *Packet) about(k, a, x uint32) (v uint32, ok bool) {
	switch k - ancillary {
	case adProtocol:
		return uint32(d.Protocol), true
	case adPktType:
		return uint32(d.Kind), true
	case adIfIndex:
		return uint32(d.Index), d.Index != 0
	case adHardware:
		return uint32(d.Hardware), d.Index != 0
	case adMark:
		return d.Mark, true
	case adXorX:
		return a ^ x, true
	case adRandom:
		return rand.Uint32(), true
	}
	return 0, true // no queues, hashes or VLANs, and all CPUs are one
}

// size is how many bytes of data there are.
func (d *Packet) size() int { return len(d.Bytes) - d.Start }

// load reads a number at k; not ok behind the end.
func (d *Packet) load(code uint16, k uint32) (v uint32, ok bool) {
	at := d.Start + int(k)
	switch {
	case int32(k) >= 0:
	case k >= netOffset:
		at = d.Net + int(k-netOffset)
	case k >= llOffset:
		at = d.Link + int(k-llOffset)
	default:
		return 0, false
	}
	switch left := len(d.Bytes) - at; {
	case code&0x18 == linux.BPF_B && left >= 1:
		return uint32(d.Bytes[at]), true
	case code&0x18 == linux.BPF_H && left >= 2:
		return uint32(binary.BigEndian.Uint16(d.Bytes[at:])), true
	case code&0x18 == linux.BPF_W && left >= 4:
		return binary.BigEndian.Uint32(d.Bytes[at:]), true
	}
	return 0, false
}

// Run returns what p says of d: how many bytes of it to keep, or a verdict. It ends: jumps go forwards only. A
// load from behind the end and a division by an X of 0 end a program with 0, and shifts take X modulo 32, as Linux's do.
func (p Program) Run(d *Packet) uint32 {
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
		case linux.BPF_LD | linux.BPF_W | linux.BPF_ABS, linux.BPF_LD | linux.BPF_H | linux.BPF_ABS,
			linux.BPF_LD | linux.BPF_B | linux.BPF_ABS:
			ok := false
			if i.K < ancillary {
				a, ok = d.load(i.Code, i.K)
			} else {
				a, ok = d.about(i.K, a, x)
			}
			if !ok {
				return 0
			}
			continue
		case linux.BPF_LD | linux.BPF_W | linux.BPF_IND, linux.BPF_LD | linux.BPF_H | linux.BPF_IND,
			linux.BPF_LD | linux.BPF_B | linux.BPF_IND:
			ok := false
			if a, ok = d.load(i.Code, x+i.K); !ok {
				return 0
			}
			continue
		case linux.BPF_LDX | linux.BPF_B | linux.BPF_MSH: // the length of an IPv4 header
			v, ok := d.load(linux.BPF_B, i.K)
			if !ok {
				return 0
			}
			x = v & 0xf * 4
			continue
		case linux.BPF_LD | linux.BPF_W | linux.BPF_LEN:
			a = uint32(d.size())
			continue
		case linux.BPF_LDX | linux.BPF_W | linux.BPF_LEN:
			x = uint32(d.size())
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
				return 0
			}
			continue
		}
		if taken {
			pc += int(i.Jt)
		} else {
			pc += int(i.Jf)
		}
	}
	return 0 // past the end: Check lets no such program through
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
	case linux.BPF_MOD:
		if operand == 0 {
			return 0, false
		}
		a %= operand
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
