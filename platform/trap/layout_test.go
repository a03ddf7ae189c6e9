package trap

import (
	"bytes"
	"encoding/binary"
	"testing"

	"ringfence/abi/addr"
	"ringfence/platform/hostcall"
	"ringfence/platform/stub"
)

// testImage returns an image and the bytes of its file.
func testImage(t *testing.T) (*image, []byte) {
	t.Helper()
	i, err := newImage()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.close)
	b, err := hostcall.MapFile(i.file, 0, imageSize, hostcall.PROT_READ)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hostcall.UnmapFile(b) })
	return i, b
}

func TestMarks(t *testing.T) {
	code := codeBytes()
	if len(code) > callsOffset {
		t.Fatalf("%d bytes of code, what new threads read lies at %#x", len(code), callsOffset)
	}
	marks := codeMarks(code)
	for m := mark(1); m < numMarks; m++ {
		at := marks[m] - codeAddr
		want := binary.LittleEndian.AppendUint32([]byte{0x0f, 0x1f, 0x80}, 0x52460000+uint32(m))
		if at >= uint64(len(code)) || m > 1 && marks[m] < marks[m-1]+7 {
			t.Errorf("mark %d is at %#x, mark %d at %#x", m, at, m-1, marks[m-1]-codeAddr)
		} else if !bytes.HasPrefix(code[at:], want) {
			t.Errorf("mark %d: % x", m, code[at:at+7])
		}
	}
	// What stands at a mark, behind it or before it.
	for _, c := range []struct {
		name   string
		at     uint64
		before bool
		code   []byte
	}{
		{"RDGSBASE R8 and WRGSBASE BX before GS_TAKEN", codeAddr + defines(t)["GS_TAKEN"], true, []byte{0xf3, 0x49, 0x0f, 0xae, 0xc8, 0xf3, 0x48, 0x0f, 0xae, 0xdb}},
		{"UD2 at slow", marks[slow] + 7, false, []byte{0x0f, 0x0b}},
		{"PUSHFQ before flagsSaved", marks[flagsSaved], true, []byte{0x9c}},
		{"POPFQ at answered", marks[answered] + 7, false, []byte{0x9d}},
		{"JMP CX before answeredEnd", marks[answeredEnd], true, []byte{0xff, 0xe1}},
		{"XCHG with TURN(BX) before handlerEnd", marks[handlerEnd], true, []byte{0x87, 0x43, 0x10}},
		{"MOV R10, SP at handlerEnd", marks[handlerEnd] + 7, false, []byte{0x4c, 0x89, 0xd4}},
		{"XCHG with TURN(GS) before posted", marks[posted], true, []byte{0x65, 0x87, 0x0c, 0x25, 0x10, 0, 0, 0}},
	} {
		at := c.at - codeAddr
		if c.before {
			at -= uint64(len(c.code))
		}
		if got := code[at : at+uint64(len(c.code))]; !bytes.Equal(got, c.code) {
			t.Errorf("%s: % x, want % x", c.name, got, c.code)
		}
	}
}

// undefinedOpcodes are the one-byte opcodes that 64-bit mode lacks (Intel SDM volume 2,
// appendix A).
var undefinedOpcodes = []byte{0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
	0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd5, 0xd6, 0xea}

// TestWhatNewThreadsRead looks at what follows the code.
func TestWhatNewThreadsRead(t *testing.T) {
	img, file := testImage(t)
	le := binary.LittleEndian
	at, n := le.Uint64(file[callsOffset:]), le.Uint64(file[callsOffset+8:])
	if at != img.marks[common] || at+n != img.marks[postedEnd] {
		t.Errorf("calls are made from %#x, %d bytes", at, n)
	}
	if mask := le.Uint64(file[maskOffset:]); mask != 0 {
		t.Errorf("signals %#x stay blocked", mask)
	}
}

func TestJumpTable(t *testing.T) {
	_, file := testImage(t)
	jumps := file[imageJumps:imageClock]
	owner := make([]int, tableSize)
	for n := range maxSites {
		w := jumpWord(n)
		b := binary.LittleEndian.AppendUint32(nil, w)
		if bytes.IndexByte(undefinedOpcodes, b[0]) < 0 {
			t.Errorf("site %d: behind the SYSCALL stands opcode %#x", n, b[0])
		}
		if b[2] != 0x06 {
			t.Errorf("site %d: behind the MOV stands opcode %#x", n, b[2])
		}
		if w&0x7 == 0 {
			t.Errorf("site %d: alignment checks do not catch the jump by way of %#x", n, w)
		}
		at := int(w) - jumpTable
		if at < 0 || at+8 > tableSize {
			t.Fatalf("site %d: word at %#x", n, w)
		}
		for i := at; i < at+8; i++ {
			if owner[i] != 0 {
				t.Fatalf("sites %d and %d share byte %#x of the table", n, owner[i]-1, i)
			}
			owner[i] = n + 1
		}
		if to := binary.LittleEndian.Uint64(jumps[at:]); to != uint64(trampolineAddr+n*trampolineSize) {
			t.Errorf("site %d jumps to %#x", n, to)
		}
	}
	for i, b := range jumps {
		if owner[i] == 0 && b != 0 {
			t.Errorf("byte %#x of the table is %#x and belongs to no site", i, b)
		}
	}
}

func TestTrampolines(t *testing.T) {
	img, file := testImage(t)
	le := binary.LittleEndian
	// jumpTarget decodes the JMP rel32 that lies at off of a trampoline at at.
	jumpTarget := func(code []byte, at uint64, off int) uint64 {
		if code[off] != 0xe9 {
			t.Errorf("no jump at %#x: % x", at+uint64(off), code)
		}
		return at + uint64(off) + 5 + uint64(int64(int32(le.Uint32(code[off+1:]))))
	}
	for n := range maxSites {
		at := uint64(trampolineAddr + n*trampolineSize)
		code := file[imageTrampolines+n*trampolineSize:][:trampolineSize]
		returns := uint32(siteTable + siteReturns + 8*n)
		k := kindOf(n)
		if n < siteRanges[k] || n >= siteRanges[k+1] {
			t.Fatalf("site %d is of kind %d", n, k)
		}
		if k == movSite {
			if !bytes.Equal(code[:3], []byte{0x8b, 0x04, 0x25}) || le.Uint32(code[3:]) != uint32(siteTable+siteNumbers+4*n) {
				t.Errorf("site %d: EAX is loaded by % x", n, code[:7])
			}
			if !bytes.Equal(code[7:11], []byte{0x4c, 0x8b, 0x1c, 0x25}) || le.Uint32(code[11:]) != returns {
				t.Errorf("site %d: R11 is loaded by % x", n, code[7:15])
			}
			if to := jumpTarget(code, at, 15); to != img.marks[common] {
				t.Errorf("site %d goes to %#x", n, to)
			}
		} else {
			if !bytes.Equal(code[:2], []byte{0x49, 0xbb}) || le.Uint64(code[2:]) != at+tailOffset {
				t.Errorf("site %d: R11 is loaded by % x", n, code[:10])
			}
			if to := jumpTarget(code, at, 10); to != img.marks[common] {
				t.Errorf("site %d goes to %#x", n, to)
			}
			tail := k.tail()
			end := code[tailOffset+len(tail):]
			if !bytes.HasPrefix(code[tailOffset:], tail) || !bytes.Equal(end[:3], []byte{0xff, 0x24, 0x25}) || le.Uint32(end[3:]) != returns {
				t.Errorf("site %d ends in % x", n, code[tailOffset:])
			}
		}
		for off := range uint64(trampolineSize) {
			if m, o, ok := trampoline(at + off); !ok || m != n || o != off {
				t.Fatalf("%#x is in trampoline %d at %d (%t)", at+off, m, o, ok)
			}
		}
	}
	for _, pc := range []uint64{0, trampolineAddr - 1, trampolineAddr + maxSites*trampolineSize} {
		if _, _, ok := trampoline(pc); ok {
			t.Errorf("%#x is in a trampoline", pc)
		}
	}
}

// TestPlaces checks that nothing lies on something else, and where guests can't map.
func TestPlaces(t *testing.T) {
	img, _ := testImage(t)
	ranges := []addr.Range{
		{Start: siteTable, End: siteTable + areaSize},
		{Start: areaAddr, End: areaAddr + maxThreads*areaSize},
		{Start: stub.Base, End: stub.ImageStart},
	}
	for _, r := range img.regions() {
		ranges = append(ranges, r.Range)
		if r.Prot&hostcall.PROT_WRITE != 0 {
			t.Errorf("%v is writable", r.Range)
		}
	}
	user := new(Platform).UserRange()
	for i, r := range ranges {
		if r.Start < user.End && user.Start < r.End {
			t.Errorf("%v lies in the user range %v", r, user)
		}
		if r.End > stub.ImageEnd {
			t.Errorf("%v is too high", r)
		}
		for _, s := range ranges[:i] {
			if r.Start < s.End && s.Start < r.End {
				t.Errorf("%v lies on %v", r, s)
			}
		}
	}
	if siteNumbers+4*maxSites > areaSize || siteReturns+8*maxSites > siteNumbers {
		t.Error("a table of sites has no room for them")
	}
	for n := range 3 {
		if r := areaRange(n); r.Len() != areaSize || uint64(r.Start)%areaSize != 0 {
			t.Errorf("area %d is %v", n, r)
		}
	}
}
