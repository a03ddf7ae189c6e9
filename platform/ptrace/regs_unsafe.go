package ptrace

import (
	"unsafe"

	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
)

// arch.Registers has the layout of struct user_regs_struct; a test checks it.

func getRegs(tid int32, r *arch.Registers) error {
	return hostcall.PtraceData(hostcall.PTRACE_GETREGS, tid, 0, unsafe.Pointer(r))
}

func setRegs(tid int32, r *arch.Registers) error {
	return hostcall.PtraceData(hostcall.PTRACE_SETREGS, tid, 0, unsafe.Pointer(r))
}

// siginfo is the part of siginfo_t that exceptions fill in (sigaction(2)).
type siginfo struct {
	signo, errno, code int32
	_                  int32
	addr               uint64
	_                  [104]byte
}

func getSiginfo(tid int32, info *siginfo) error {
	return hostcall.PtraceData(hostcall.PTRACE_GETSIGINFO, tid, 0, unsafe.Pointer(info))
}

// peek reads a word of the thread's memory.
func peek(tid int32, a uint64) (word uint64, err error) {
	err = hostcall.PtraceData(hostcall.PTRACE_PEEKDATA, tid, uintptr(a), unsafe.Pointer(&word))
	return word, err
}

// unblockSignals empties the thread's signal mask.
func unblockSignals(tid int32) error {
	var mask uint64
	return hostcall.PtraceData(hostcall.PTRACE_SETSIGMASK, tid, unsafe.Sizeof(mask), unsafe.Pointer(&mask))
}
