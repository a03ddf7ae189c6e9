package hostcall

import "unsafe"

// Bytes returns n bytes of this process's memory at addr as a slice.
//
// Preconditions: the range is mapped, outside Go's heap, and stays mapped as
// long as the slice is used.
func Bytes(addr uintptr, n int) []byte {
	// The detour through a pointer tells vet that addr is no Go pointer gone stale.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), n)
}

// Address returns where a slice that Bytes made lies.
func Address(b []byte) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
}

// Word32 returns the aligned 32-bit word at b[off:], for atomic access and futexes.
func Word32(b []byte, off int) *uint32 {
	_ = b[off : off+4]
	return (*uint32)(unsafe.Pointer(&b[off]))
}

// Word64 returns the aligned 64-bit word at b[off:], for atomic access.
func Word64(b []byte, off int) *uint64 {
	_ = b[off : off+8]
	return (*uint64)(unsafe.Pointer(&b[off]))
}
