package hostcall

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// IgnoreChildStops asks the host not to send SIGCHLD when a child or traced thread
// stops: with ptrace that would be one for every guest system call. The handler of the
// Go runtime stays.
func IgnoreChildStops() error {
	const saNocldstop = 1
	var act struct{ handler, flags, restorer, mask uint64 } // struct kernel_sigaction
	_, _, e := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), 0, uintptr(unsafe.Pointer(&act)), 8, 0, 0)
	if e != 0 {
		return failed(e)
	}
	act.flags |= saNocldstop
	_, _, e = syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
	return failed(e)
}
