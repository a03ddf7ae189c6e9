// Package cpu asks the CPU what it is: CPUID, and the sizes of the extended
// state that XSAVE keeps (Intel SDM volume 1 chapter 13, AMD APM volume 2
// section 11.5).
//
// Everything here is fixed while the machine runs. The kernel shows it to
// guests; platform/arch lays out FPU state by it.
package cpu

import (
	"slices"
	"sync"
)

// Features of the extended state: bits of XCR0 and of XSTATE_BV.
const (
	XFeatureX87      = 1 << 0
	XFeatureSSE      = 1 << 1
	XFeatureAVX      = 1 << 2
	XFeatureOpmask   = 1 << 5
	XFeatureZMMHi256 = 1 << 6
	XFeatureHi16ZMM  = 1 << 7
	XFeaturePKRU     = 1 << 9
	XFeatureTileCfg  = 1 << 17
	XFeatureTileData = 1 << 18
)

// Sizes of the parts of the XSAVE area that are always there.
const (
	XLegacySize = 512
	XHeaderSize = 64
)

// xDynamic are features that a process must ask the kernel for (arch_prctl(2),
// ARCH_REQ_XCOMP_PERM). Guests can't, so signal frames never hold them.
const xDynamic = XFeatureTileData

// XState describes the extended state of this host.
type XState struct {
	// HostFeatures is XCR0, HostSize the length of an XSAVE area of all of it:
	// what ptrace(2) reads and writes.
	HostFeatures uint64
	HostSize     int

	// Features and Size are those that a guest can use.
	Features uint64
	Size     int

	// MXCSRMask are the bits of MXCSR that may be set.
	MXCSRMask uint32

	// Padding are the parts of an area of Size bytes, behind the header, that belong to no
	// feature.
	Padding []Part

	// components holds what CPUID says of each feature: asking is slow in a virtual
	// machine.
	components [63]Part
}

// Part is a part of an XSAVE area.
type Part struct{ Offset, Size int }

// Component returns where a feature's state lies in the standard format. ok is
// false if the host lacks the feature.
func (x *XState) Component(bit int) (offset, size int, ok bool) {
	if bit >= len(x.components) || x.HostFeatures&(1<<bit) == 0 {
		return 0, 0, false
	}
	c := x.components[bit]
	return c.Offset, c.Size, true
}

// Host returns the extended state that this host's kernel enables.
var Host = sync.OnceValue(func() *XState {
	x := &XState{HostFeatures: XFeatureX87 | XFeatureSSE, MXCSRMask: mxcsrMask()}
	x.HostSize = XLegacySize + XHeaderSize
	x.Size = x.HostSize
	const osxsave = 1 << 27
	if _, _, ecx, _ := CPUID(1, 0); ecx&osxsave != 0 {
		x.HostFeatures = xgetbv(0)
		_, ebx, _, _ := CPUID(0xd, 0)
		x.HostSize = int(ebx)
	}
	x.Features = x.HostFeatures &^ xDynamic
	x.components[0], x.components[1] = Part{0, 160}, Part{160, 256}
	for bit := 2; bit < len(x.components); bit++ {
		if x.HostFeatures&(1<<bit) == 0 {
			continue
		}
		eax, ebx, _, _ := CPUID(0xd, uint32(bit))
		x.components[bit] = Part{int(ebx), int(eax)}
		if x.Features&(1<<bit) != 0 {
			x.Size = max(x.Size, int(ebx)+int(eax))
		}
	}
	x.Padding = x.padding()
	return x
})

// padding finds what Padding holds.
func (x *XState) padding() []Part {
	var parts, gaps []Part
	for bit, c := range x.components {
		if bit >= 2 && c.Size > 0 && x.Features&(1<<bit) != 0 {
			parts = append(parts, c)
		}
	}
	slices.SortFunc(parts, func(a, b Part) int { return a.Offset - b.Offset })
	at := XLegacySize + XHeaderSize
	for _, c := range parts {
		if c.Offset > at {
			gaps = append(gaps, Part{at, c.Offset - at})
		}
		at = c.Offset + c.Size
	}
	return gaps
}
