package platformtest

import (
	"sync"
	"unsafe"

	"ringfence/abi/addr"
)

// A routine is a piece of guest code (guest_amd64.s). Its value is its place in the
// table of addresses.
type routine int

const (
	callLoop routine = iota
	spinLoop
	countdown
	load
	store
	modify
	jump
	callDI
	push
	copyBytes
	poll
	divide
	breakpoint
	undefined
	halt
	int80
	int40
	floatDivide
	x87Divide
	singleStep
	misalign
	fpuLoop
	farJump
	setBases
	sysenter
	numRoutines
)

// addresses stores where the routines lie and returns their number.
func addresses(out *[32]uintptr) int

// routineSlot is the room that each routine has in a guest's code pages.
const routineSlot = 256

// codeBytes returns the guest's code: each routine in its slot.
var codeBytes = sync.OnceValue(func() []byte {
	var at [32]uintptr
	if addresses(&at) != int(numRoutines) {
		panic("platformtest: the table of routines differs from guest_amd64.s")
	}
	code := make([]byte, addr.PageRoundDown(uint64(numRoutines)*routineSlot+addr.PageSize-1))
	for i := range numRoutines {
		b := unsafe.Slice(*(**byte)(unsafe.Pointer(&at[i])), routineSlot)
		copy(code[int(i)*routineSlot:], b[:routineLen(b)])
	}
	return code
})

// routineLen finds the INT3 bytes at the end of a routine.
func routineLen(b []byte) int {
	for n := 0; n+8 <= len(b); n++ {
		if [8]byte(b[n:]) == [8]byte{0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc} {
			return n + 8
		}
	}
	panic("platformtest: a routine of guest_amd64.s is too long")
}
