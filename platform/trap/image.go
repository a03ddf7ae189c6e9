package trap

import (
	"encoding/binary"
	"fmt"

	"ringfence/abi/addr"
	"ringfence/platform/hostcall"
	"ringfence/platform/stub"
)

// image is what all stub processes map alike: code, trampolines, and the table of jumps.
type image struct {
	file  hostcall.FD
	page  []byte           // the page of the clocks
	clock *clockPage       // in it
	marks [numMarks]uint64 // addresses in stub processes
}

// Places in the image's file.
const (
	imageTrampolines = codeSize
	imageJumps       = imageTrampolines + maxSites*trampolineSize
	imageClock       = imageJumps + tableSize
	imageSize        = imageClock + addr.PageSize
)

func newImage() (*image, error) {
	b := make([]byte, imageSize)
	for i := range b[:codeSize] {
		b[i] = 0xcc
	}
	code := codeBytes()
	if len(code) > callsOffset {
		return nil, fmt.Errorf("%d bytes of code", len(code))
	}
	copy(b, code)
	i := &image{marks: codeMarks(code)}
	le := binary.LittleEndian
	le.PutUint64(b[callsOffset:], i.marks[common])
	le.PutUint64(b[callsOffset+8:], i.marks[postedEnd]-i.marks[common])
	le.PutUint64(b[maskOffset:], 0)
	i.fillTrampolines(b[imageTrampolines:imageJumps], b[imageJumps:imageClock])
	var err error
	if i.file, err = hostcall.MemfdCreate("ringfence-stub", hostcall.MFD_CLOEXEC); err != nil {
		return nil, err
	}
	if _, err = hostcall.Pwrite(i.file, b, 0); err == nil {
		i.page, err = hostcall.MapFile(i.file, imageClock, addr.PageSize, hostcall.PROT_READ|hostcall.PROT_WRITE)
	}
	if err != nil {
		hostcall.Close(i.file)
		return nil, err
	}
	i.clock = clockPageOf(i.page)
	return i, nil
}

// codeMarks finds the marks in the code: long NOPs with a number.
func codeMarks(code []byte) (marks [numMarks]uint64) {
	for i := range len(code) - 6 {
		if code[i] != 0x0f || code[i+1] != 0x1f || code[i+2] != 0x80 || code[i+6] != 0x52 || code[i+5] != 0x46 {
			continue
		}
		m := mark(binary.LittleEndian.Uint16(code[i+3:]))
		if m < 1 || m >= numMarks || marks[m] != 0 {
			panic(fmt.Sprintf("trap: mark %d", m))
		}
		marks[m] = codeAddr + uint64(i)
	}
	for m := mark(1); m < numMarks; m++ {
		if marks[m] <= marks[m-1] {
			panic(fmt.Sprintf("trap: mark %d is missing or out of order", m))
		}
	}
	return marks
}

// regions are the image's mappings.
func (i *image) regions() []stub.Region {
	region := func(at addr.Addr, size, offset uint64, prot int) stub.Region {
		return stub.Region{Range: addr.Range{Start: at, End: at + addr.Addr(size)}, File: i.file, Offset: offset, Prot: prot}
	}
	const rx = hostcall.PROT_READ | hostcall.PROT_EXEC
	return []stub.Region{
		region(codeAddr, codeSize, 0, rx),
		region(trampolineAddr, maxSites*trampolineSize, imageTrampolines, rx),
		region(jumpTable, tableSize, imageJumps, hostcall.PROT_READ),
		region(clockAddr, addr.PageSize, imageClock, hostcall.PROT_READ),
	}
}

func (i *image) close() {
	hostcall.UnmapFile(i.page)
	hostcall.Close(i.file)
}

// in reports whether an address lies between two marks.
func (i *image) in(pc uint64, from, to mark) bool { return pc >= i.marks[from] && pc < i.marks[to] }
