package stub

import (
	"sync"
	"unsafe"
)

// forkArgs is used by forkTemplate (stub_amd64.s); a test checks the offsets.
type forkArgs struct {
	mask, old uint64    // all signals; the caller's mask
	helper    [8]uint64 // struct clone_args
	clone     [8]uint64 // struct clone_args
	code      uint64    // memfd of the code page
	control   uint64    // memfd of the control page
	parent    uint64    // the sentry's process id
	pid       int64     // the result: the template's id, or an error number
}

// forkTemplate forks a mapper by way of a helper, whose process id, or an error number,
// it returns. The helper has ended but nobody has waited for it.
//
//go:noescape
func forkTemplate(a *forkArgs) (helper int64)

// routines returns where the code that runs in stub processes lies.
func routines() (mapper, park, exit uintptr)

// routineAt returns the code of a routine, up to the INT3 bytes at its end.
func routineAt(p uintptr) []byte {
	for n := 0; ; n++ {
		b := unsafe.Slice(*(**byte)(unsafe.Pointer(&p)), n+8)
		if [8]byte(b[n:]) == [8]byte{0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc} {
			return b[:n+8]
		}
	}
}

// parkLen is the length of the code in which new guest threads wait.
var parkLen = sync.OnceValue(func() uint64 {
	_, park, _ := routines()
	return uint64(len(routineAt(park)))
})

// codePage returns the contents of the code page.
func codePage() []byte {
	page := make([]byte, controlAddr-codeAddr)
	for i := range page {
		page[i] = 0xcc
	}
	mapper, park, exit := routines()
	place := func(at int, end int, p uintptr) {
		code := routineAt(p)
		if at+len(code) > end {
			panic("stub: a routine does not fit into its place")
		}
		copy(page[at:], code)
	}
	place(mapperAddr-codeAddr, parkAddr-codeAddr, mapper)
	place(parkAddr-codeAddr, exitAddr-codeAddr, park)
	place(exitAddr-codeAddr, len(page), exit)
	return page
}
