package hostcall

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Wait4 waits for a child or traced thread; the Go scheduler goes on meanwhile.
func Wait4(pid int32, options int) (int32, WaitStatus, error) {
	var ws WaitStatus
	for {
		r, _, e := syscall.Syscall6(unix.SYS_WAIT4, uintptr(pid), uintptr(unsafe.Pointer(&ws)), uintptr(options), 0, 0, 0)
		if e != syscall.EINTR {
			return int32(r), ws, failed(e)
		}
	}
}

func getcpu() (int, syscall.Errno) {
	var cpu uint32
	_, _, e := syscall.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0)
	return int(cpu), e
}
