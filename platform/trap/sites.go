package trap

import "encoding/binary"

// A site is a SYSCALL instruction that was replaced by a jump to its trampoline. Each
// site of a process has a number. With it come
//
//	a word of the jump table, the address of the trampoline
//	the trampoline: it loads R11, and EAX, and goes to stubCode
//	in the process's table, the address behind the site, and the call's number
//
// The jump goes through the table: jmp *abs32, seven bytes, FF 24 65 and the address. Two
// kinds of code have room for that:
//
//	mov $nr, %eax; syscall              B8 nr nr nr nr 0F 05
//	syscall; cmp $-4095, %rax           0F 05 48 3D 01 F0 FF FF
//
// Somebody may come, or still be, in the middle: behind the MOV, or behind the SYSCALL.
// There the bytes of the jump are read as another instruction, which has to be an
// undefined one, so that we learn of it. Behind the MOV that is the third byte of the
// address: 06, as the table lies there. Behind the SYSCALL it is 65, a prefix (the scaled
// index that is none can be written in four ways), and the first byte of the address. So
// the table's words lie at addresses whose low byte is an undefined opcode.
type siteKind uint8

const (
	movSite     siteKind = iota // mov $nr, %eax; syscall
	cmp95Site                   // syscall; cmp $-4095, %rax
	cmp96Site                   // syscall; cmp $-4096, %rax
	short95Site                 // syscall; cmp $-4095, %eax
	short96Site                 // syscall; cmp $-4096, %eax
	numSiteKinds
)

// maxSites is how many sites a process can have.
const maxSites = 2048

// siteRanges says which numbers are whose: siteRanges[k] to siteRanges[k+1].
var siteRanges = [numSiteKinds + 1]int{0, 1024, 1408, 1792, 1920, maxSites}

// lowBytes are undefined opcodes in 64-bit mode, eight bytes or more apart.
var lowBytes = [8]byte{0x06, 0x0e, 0x16, 0x1e, 0x27, 0x2f, 0x37, 0x3f}

// kindOf returns the kind of site number n.
func kindOf(n int) siteKind {
	k := movSite
	for n >= siteRanges[k+1] {
		k++
	}
	return k
}

// tail returns the instruction behind the SYSCALL that became part of the site.
func (k siteKind) tail() []byte {
	switch k {
	case cmp95Site:
		return []byte{0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff}
	case cmp96Site:
		return []byte{0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff}
	case short95Site:
		return []byte{0x3d, 0x01, 0xf0, 0xff, 0xff}
	case short96Site:
		return []byte{0x3d, 0x00, 0xf0, 0xff, 0xff}
	}
	return nil
}

const (
	syscallLen = 2
	movLen     = 5

	// tailOffset is where in a trampoline the tail is.
	tailOffset = 16
)

// before returns the length of the site up to and with its SYSCALL, and len all of it.
func (k siteKind) before() uint64 {
	if k == movSite {
		return movLen + syscallLen
	}
	return syscallLen
}

func (k siteKind) len() uint64 { return k.before() + uint64(len(k.tail())) }

// jumpWord returns where the word of site n lies.
func jumpWord(n int) uint32 {
	return uint32(jumpTable + n/len(lowBytes)*256 + int(lowBytes[n%len(lowBytes)]))
}

// Places in a process's table.
const (
	siteReturns = 0            // uint64 by number: the address behind the site
	siteNumbers = maxSites * 8 // uint32 by number: the call of a movSite
)

// fillTrampolines writes the trampolines and the words of the jump table.
func (i *image) fillTrampolines(code, jumps []byte) {
	le := binary.LittleEndian
	for n := range maxSites {
		at := uint64(trampolineAddr + n*trampolineSize)
		t := code[n*trampolineSize : n*trampolineSize : (n+1)*trampolineSize]
		ret := uint32(siteTable + siteReturns + 8*n)
		if k := kindOf(n); k == movSite {
			t = le.AppendUint32(append(t, 0x8b, 0x04, 0x25), uint32(siteTable+siteNumbers+4*n)) // mov number, %eax
			t = le.AppendUint32(append(t, 0x4c, 0x8b, 0x1c, 0x25), ret)                         // mov return, %r11
			t = jumpTo(t, at, i.marks[common])
		} else {
			t = le.AppendUint64(append(t, 0x49, 0xbb), at+tailOffset) // mov $tail, %r11
			t = jumpTo(t, at, i.marks[common])
			t = append(t, 0xcc)
			t = append(t, k.tail()...)
			t = le.AppendUint32(append(t, 0xff, 0x24, 0x25), ret) // jmp *return
		}
		le.PutUint64(jumps[jumpWord(n)-jumpTable:], at)
	}
}

// jumpTo appends a jump to code that starts at at.
func jumpTo(code []byte, at, to uint64) []byte {
	from := at + uint64(len(code)) + 5
	return binary.LittleEndian.AppendUint32(append(code, 0xe9), uint32(to-from))
}

// trampoline returns the number of the site and the offset in its trampoline if pc lies in one.
func trampoline(pc uint64) (n int, off uint64, ok bool) {
	if d := pc - trampolineAddr; d < maxSites*trampolineSize {
		return int(d / trampolineSize), d % trampolineSize, true
	}
	return 0, 0, false
}
