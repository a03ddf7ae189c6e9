package trap

import "encoding/binary"

// Classic BPF and seccomp(2).
const (
	bpfLoad     = 0x20 // ld [k]
	bpfJumpEq   = 0x15 // jeq #k, jt, jf
	bpfJumpGe   = 0x35 // jge #k, jt, jf
	bpfReturn   = 0x06 // ret #k
	retTrap     = 0x00030000
	retAllow    = 0x7fff0000
	auditX86_64 = 0xc000003e

	// Offsets in struct seccomp_data.
	dataNr, dataArch, dataIPLow, dataIPHigh, dataArg1 = 0, 4, 8, 12, 24
)

// guestFilter returns the filter of guest threads, which comes on top of the mapper's, as an
// array of struct sock_filter. From the first codeLen bytes of our code it lets three calls through,
// and everything else becomes SIGSYS:
//
//	futex(WAIT and WAKE)  who waits for the turn sleeps
//	sched_yield           a guest's own
//	rt_sigprocmask        with our empty mask: a new thread takes signals once it has the filter
func guestFilter(codeLen uint32) []byte {
	type insn struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}
	const low, high = uint32(codeAddr & 0xffffffff), uint32(codeAddr >> 32)
	program := []insn{
		{bpfLoad, 0, 0, dataArch},
		{bpfJumpEq, 0, 16, auditX86_64},
		{bpfLoad, 0, 0, dataIPHigh},
		{bpfJumpEq, 0, 14, high},
		{bpfLoad, 0, 0, dataIPLow},
		{bpfJumpGe, 0, 12, low},
		{bpfJumpGe, 11, 0, low + codeLen},
		{bpfLoad, 0, 0, dataNr},
		{bpfJumpEq, 8, 0, sysSchedYield},
		{bpfJumpEq, 3, 0, sysRtSigprocmask},
		{bpfJumpEq, 0, 7, sysFutex},
		{bpfLoad, 0, 0, dataArg1},
		{bpfJumpGe, 5, 4, 2}, // neither FUTEX_WAIT nor FUTEX_WAKE
		{bpfLoad, 0, 0, dataArg1},
		{bpfJumpEq, 0, 3, low + maskOffset},
		{bpfLoad, 0, 0, dataArg1 + 4},
		{bpfJumpEq, 0, 1, high},
		{bpfReturn, 0, 0, retAllow},
		{bpfReturn, 0, 0, retTrap},
	}
	var b []byte
	for _, i := range program {
		b = binary.LittleEndian.AppendUint16(b, i.code)
		b = append(b, i.jt, i.jf)
		b = binary.LittleEndian.AppendUint32(b, i.k)
	}
	return b
}

// filterLength is the number of instructions of the filter.
var filterLength = uint16(len(guestFilter(0)) / 8)
