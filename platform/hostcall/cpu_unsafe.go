package hostcall

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// CurrentCPU returns the number of the processor that the calling thread runs on, 0 if the host does
// not tell. The pointer passed is to a local that outlives the call.
func CurrentCPU() int {
	var cpu uint32
	if _, _, e := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); e != 0 {
		return 0
	}
	return int(cpu)
}
