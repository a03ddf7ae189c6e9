package cpu

import "encoding/binary"

// CPUID executes CPUID for a leaf and subleaf.
func CPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// xgetbv reads an extended control register. Preconditions: CPUID says OSXSAVE.
func xgetbv(index uint32) uint64

// fxsave stores the legacy area of the calling thread.
//
//go:noescape
func fxsave(area *[512]byte)

func mxcsrMask() uint32 {
	var area [512]byte
	fxsave(&area)
	if m := binary.LittleEndian.Uint32(area[28:]); m != 0 {
		return m
	}
	return 0xffbf // What a mask of zero means (SDM volume 1, 11.6.6).
}
