package arch

import (
	"encoding/binary"

	"ringfence/platform/cpu"
)

// FPUState is the extended state of a thread in XSAVE's standard (not compacted)
// format: 512 bytes of FXSAVE area, 64 bytes of header, then the components that
// the host enables. Its length is FPUSize.
type FPUState []byte

// Offsets in the XSAVE area (Intel SDM volume 1, 13.4).
const (
	fpuFCW       = 0
	fpuMXCSR     = 24
	fpuMXCSRMask = 28
	fpuSoftware  = 464 // 48 bytes that the CPU leaves to software
	fpuXStateBV  = 512
	fpuXCompBV   = 520
	fpuHeaderEnd = 576

	initFCW   = 0x37f
	initMXCSR = 0x1f80
)

// fpSSE are the features that every CPU of the architecture has.
const fpSSE = cpu.XFeatureX87 | cpu.XFeatureSSE

func hostFeatures() uint64 { return cpu.Host().Features }

// FPUSize returns the length of an FPUState in bytes.
func FPUSize() int { return cpu.Host().Size }

// NewFPUState returns the state in which a program starts.
func NewFPUState() FPUState {
	f := make(FPUState, FPUSize())
	f.Reset()
	return f
}

// Reset puts f into the state in which a program starts.
func (f FPUState) Reset() {
	clear(f)
	binary.LittleEndian.PutUint16(f[fpuFCW:], initFCW)
	binary.LittleEndian.PutUint32(f[fpuMXCSR:], initMXCSR)
	binary.LittleEndian.PutUint32(f[fpuMXCSRMask:], cpu.Host().MXCSRMask)
}

// Clone returns a copy.
func (f FPUState) Clone() FPUState { return append(FPUState(nil), f...) }

// Sanitize makes a state that a guest may have written safe to load: bits of MXCSR
// and features that the host lacks are dropped, reserved header bytes cleared, and
// components that XSTATE_BV calls initial made so.
// Preconditions: len(f) == FPUSize().
func (f FPUState) Sanitize() {
	x := cpu.Host()
	le := binary.LittleEndian
	le.PutUint32(f[fpuMXCSR:], le.Uint32(f[fpuMXCSR:])&x.MXCSRMask)
	clear(f[fpuSoftware:fpuXStateBV])
	clear(f[fpuXCompBV:fpuHeaderEnd])
	f.keepOnly(x.Features)
}

// loadable reports whether XRSTOR would take f as it is.
func (f FPUState) loadable() bool {
	x := cpu.Host()
	le := binary.LittleEndian
	if le.Uint32(f[fpuMXCSR:])&^x.MXCSRMask != 0 || le.Uint64(f[fpuXStateBV:])&^x.Features != 0 {
		return false
	}
	for _, b := range f[fpuXCompBV:fpuHeaderEnd] {
		if b != 0 {
			return false
		}
	}
	return true
}

// keepOnly puts every component that mask or XSTATE_BV lacks into its initial state,
// bytes included: XRSTOR would not look at them, but other readers do.
func (f FPUState) keepOnly(mask uint64) {
	x := cpu.Host()
	le := binary.LittleEndian
	bv := le.Uint64(f[fpuXStateBV:]) & mask & x.Features
	le.PutUint64(f[fpuXStateBV:], bv)
	// MXCSR comes along when SSE or AVX is restored, even to initial registers.
	mxcsr := uint32(initMXCSR)
	if mask&(cpu.XFeatureSSE|cpu.XFeatureAVX) != 0 {
		mxcsr = le.Uint32(f[fpuMXCSR:])
	}
	if bv&cpu.XFeatureX87 == 0 {
		clear(f[:160])
		le.PutUint16(f[fpuFCW:], initFCW)
	}
	le.PutUint32(f[fpuMXCSR:], mxcsr)
	le.PutUint32(f[fpuMXCSRMask:], x.MXCSRMask)
	if bv&cpu.XFeatureSSE == 0 {
		clear(f[160:416])
	}
	for bit := 2; bit < 63; bit++ {
		if bv&(1<<bit) != 0 {
			continue
		}
		if off, size, ok := x.Component(bit); ok && off+size <= len(f) {
			clear(f[off : off+size])
		}
	}
	for _, p := range x.Padding {
		clear(f[p.Offset : p.Offset+p.Size])
	}
}

// SetSoftwareFeatures stores XCR0 in the bytes that the CPU leaves to software, where debuggers look for it
// (PTRACE_GETREGSET with NT_X86_XSTATE). Sanitize removes it again.
func (f FPUState) SetSoftwareFeatures(features uint64) {
	binary.LittleEndian.PutUint64(f[fpuSoftware:], features)
}
