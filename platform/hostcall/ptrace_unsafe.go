package hostcall

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests, options and register sets of ptrace(2).
const (
	PTRACE_GETREGS           = unix.PTRACE_GETREGS
	PTRACE_SETREGS           = unix.PTRACE_SETREGS
	PTRACE_CONT              = unix.PTRACE_CONT
	PTRACE_SYSEMU            = unix.PTRACE_SYSEMU
	PTRACE_SYSEMU_SINGLESTEP = unix.PTRACE_SYSEMU_SINGLESTEP
	PTRACE_PEEKDATA          = unix.PTRACE_PEEKDATA
	PTRACE_GETSIGINFO        = unix.PTRACE_GETSIGINFO
	PTRACE_SEIZE             = unix.PTRACE_SEIZE
	PTRACE_INTERRUPT         = unix.PTRACE_INTERRUPT
	PTRACE_DETACH            = unix.PTRACE_DETACH
	PTRACE_GETREGSET         = unix.PTRACE_GETREGSET
	PTRACE_SETREGSET         = unix.PTRACE_SETREGSET
	PTRACE_SETSIGMASK        = unix.PTRACE_SETSIGMASK

	PTRACE_O_TRACESYSGOOD = unix.PTRACE_O_TRACESYSGOOD
	PTRACE_O_EXITKILL     = unix.PTRACE_O_EXITKILL

	NT_X86_XSTATE = 0x202
)

// Ptrace is ptrace(2) for requests whose data is an integer.
func Ptrace(request int, tid int32, addr, data uintptr) error {
	_, _, e := syscall.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0)
	return failed(e)
}

// PtraceData is ptrace(2) for requests that read or write what data points to.
func PtraceData(request int, tid int32, addr uintptr, data unsafe.Pointer) error {
	_, _, e := syscall.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, uintptr(data), 0, 0)
	return failed(e)
}

// PtraceRegset reads or writes (by request) the register set nt and returns its length.
func PtraceRegset(request int, tid int32, nt uintptr, b []byte) (int, error) {
	iov := unix.Iovec{Base: unsafe.SliceData(b), Len: uint64(len(b))}
	_, _, e := syscall.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), nt, uintptr(unsafe.Pointer(&iov)), 0, 0)
	return int(iov.Len), failed(e)
}
