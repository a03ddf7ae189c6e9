package stub

import (
	"encoding/binary"

	"ringfence/abi/addr"
)

// Classic BPF and seccomp(2).
const (
	bpfLoad   = 0x20 // ld [k]
	bpfJumpEq = 0x15 // jeq #k, jt, jf
	bpfJumpGe = 0x35 // jge #k, jt, jf
	bpfReturn = 0x06 // ret #k

	// Offsets in struct seccomp_data.
	dataNR, dataArch, dataIPLow, dataIPHigh, dataArg1 = 0, 4, 8, 12, 24

	auditArchX8664 = 0xc000003e

	retKillProcess = 0x80000000
	retTrap        = 0x00030000
	retAllow       = 0x7fff0000
)

// Rule lets calls through that are made from a part of the stub's code.
type Rule struct {
	Code  addr.Range
	Calls []Call
}

// Call is a host call that a Rule lets through.
type Call struct {
	NR uint32
	// Below is what the second argument has to be below, as a 32-bit number, if it is not 0.
	Below uint32
	// Is is what the second argument has to be, if it is not 0.
	Is uint64
}

// mapperRule are the host calls of mappers and of new guest threads.
var mapperRule = Rule{
	Code: addr.Range{Start: codeAddr, End: controlAddr},
	Calls: []Call{
		{NR: 1},   // write: the mapper wakes the sentry
		{NR: 8},   // lseek: the mapper's result
		{NR: 9},   // mmap: orders
		{NR: 11},  // munmap: orders
		{NR: 28},  // madvise: orders
		{NR: 34},  // pause: new guest threads wait to be traced
		{NR: 56},  // clone: orders
		{NR: 60},  // exit: guest threads end
		{NR: 110}, // getppid: a new process sees whether the sentry lives
		{NR: 157}, // prctl: a new process binds its life to the sentry's
		{NR: 202}, // futex: the mapper waits for orders
		{NR: 219}, // restart_syscall: the same after SIGSTOP and SIGCONT
		{NR: 231}, // exit_group: a new process gives up
		{NR: 436}, // close_range: new guest threads drop the descriptors
	},
}

// trapped are the calls that the host's vsyscall page would answer by itself. Trapping
// them turns calls into that page into SIGSYS.
var trapped = []uint32{
	96,  // gettimeofday
	201, // time
	309, // getcpu
}

// Filter returns the seccomp filter of stub processes as an array of struct sock_filter.
func (i *Image) Filter() []byte {
	var b []byte
	emit := func(code uint16, jt, jf uint8, k uint32) {
		b = binary.LittleEndian.AppendUint16(b, code)
		b = append(b, jt, jf)
		b = binary.LittleEndian.AppendUint32(b, k)
	}
	other := func() {
		if i.Trap {
			emit(bpfReturn, 0, 0, retTrap)
			return
		}
		emit(bpfLoad, 0, 0, dataNR)
		for _, nr := range trapped {
			emit(bpfJumpEq, 0, 1, nr)
			emit(bpfReturn, 0, 0, retTrap)
		}
		emit(bpfReturn, 0, 0, retKillProcess)
	}
	// unless ends the program if what is loaded from a place is not k.
	unless := func(place, k uint32) {
		n := len(b)
		other()
		length := uint8((len(b) - n) / 8)
		b = b[:n]
		emit(bpfLoad, 0, 0, place)
		emit(bpfJumpEq, length, 0, k)
		other()
	}
	unless(dataArch, auditArchX8664)
	unless(dataIPHigh, Base>>32) // All of our code has the same upper half of its address.
	for _, r := range append([]Rule{mapperRule}, i.Rules...) {
		program := b
		b = nil
		emit(bpfLoad, 0, 0, dataNR)
		for _, c := range r.Calls {
			switch {
			case c.Below != 0:
				emit(bpfJumpEq, 0, 4, c.NR)
				emit(bpfLoad, 0, 0, dataArg1)
				emit(bpfJumpGe, 1, 0, c.Below)
				emit(bpfReturn, 0, 0, retAllow)
				emit(bpfLoad, 0, 0, dataNR)
			case c.Is != 0:
				emit(bpfJumpEq, 0, 6, c.NR)
				emit(bpfLoad, 0, 0, dataArg1)
				emit(bpfJumpEq, 0, 3, uint32(c.Is&0xffffffff))
				emit(bpfLoad, 0, 0, dataArg1+4)
				emit(bpfJumpEq, 0, 1, uint32(c.Is>>32))
				emit(bpfReturn, 0, 0, retAllow)
				emit(bpfLoad, 0, 0, dataNR)
			default:
				emit(bpfJumpEq, 0, 1, c.NR)
				emit(bpfReturn, 0, 0, retAllow)
			}
		}
		other()
		calls := b
		b = program
		n := uint8(len(calls) / 8)
		emit(bpfLoad, 0, 0, dataIPLow)
		emit(bpfJumpGe, 0, n+1, uint32(uint64(r.Code.Start)&0xffffffff))
		emit(bpfJumpGe, n, 0, uint32(uint64(r.Code.End)&0xffffffff))
		b = append(b, calls...)
	}
	other()
	return b
}
