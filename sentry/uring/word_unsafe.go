package uring

import (
	"sync/atomic"
	"unsafe"
)

// Words of shared memory are 32 bits wide, aligned, and loaded and stored whole: the other side does the same on another
// CPU. A store is seen after all that was written before it (x86-64 keeps the order; sync/atomic keeps the compiler from
// changing it).
//
// Contract: off is a multiple of 4 and off+4 <= len(b); b comes from memfile, whose frames are aligned to pages.

func load(b []byte, off int) uint32 {
	_ = b[off+3]
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&b[off])))
}

func store(b []byte, off int, v uint32) {
	_ = b[off+3]
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b[off])), v)
}

// or sets and andNot clears bits of a word.
func or(b []byte, off int, bits uint32) {
	_ = b[off+3]
	atomic.OrUint32((*uint32)(unsafe.Pointer(&b[off])), bits)
}

func andNot(b []byte, off int, bits uint32) {
	_ = b[off+3]
	atomic.AndUint32((*uint32)(unsafe.Pointer(&b[off])), ^bits)
}
