package stub

import "encoding/binary"

// Classic BPF and seccomp(2).
const (
	bpfLoadWord = 0x20 // ld [k]
	bpfJumpEq   = 0x15 // jeq #k, jt, jf
	bpfReturn   = 0x06 // ret #k

	seccompNR, seccompArch = 0, 4 // offsets in struct seccomp_data
	auditArchX8664         = 0xc000003e

	retKillProcess = 0x80000000
	retTrap        = 0x00030000
	retAllow       = 0x7fff0000
)

// allowed are the host calls of mappers and of new guest threads.
var allowed = []uint32{
	1,   // write: the mapper wakes the sentry
	8,   // lseek: the mapper's result
	9,   // mmap: orders
	11,  // munmap: orders
	34,  // pause: new guest threads wait to be traced
	56,  // clone: orders
	60,  // exit: guest threads end
	110, // getppid: a new process sees whether the sentry lives
	157, // prctl: a new process binds its life to the sentry's
	202, // futex: the mapper waits for orders
	219, // restart_syscall: the same after SIGSTOP and SIGCONT
	231, // exit_group: a new process gives up
	436, // close_range: new guest threads drop the descriptors
}

// trapped are the calls that the host's vsyscall page would answer by itself. Trapping
// them turns calls into that page into SIGSYS.
var trapped = []uint32{
	96,  // gettimeofday
	201, // time
	309, // getcpu
}

// filterProgram returns the filter as an array of struct sock_filter.
func (i *Image) filterProgram() []byte {
	other := uint32(retKillProcess)
	if i.Trap {
		other = retTrap
	}
	var b []byte
	emit := func(code uint16, jt, jf uint8, k uint32) {
		b = binary.LittleEndian.AppendUint16(b, code)
		b = append(b, jt, jf)
		b = binary.LittleEndian.AppendUint32(b, k)
	}
	match := func(numbers []uint32, action uint32) {
		for _, nr := range numbers {
			emit(bpfJumpEq, 0, 1, nr)
			emit(bpfReturn, 0, 0, action)
		}
	}
	emit(bpfLoadWord, 0, 0, seccompArch)
	emit(bpfJumpEq, 1, 0, auditArchX8664)
	emit(bpfReturn, 0, 0, other)
	emit(bpfLoadWord, 0, 0, seccompNR)
	match(allowed, retAllow)
	match(i.Allowed, retAllow)
	match(trapped, retTrap)
	emit(bpfReturn, 0, 0, other)
	return b
}
