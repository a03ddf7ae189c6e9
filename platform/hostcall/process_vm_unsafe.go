package hostcall

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReadProcess reads the memory of a process that we may trace (process_vm_readv(2))
// and returns how much of b it filled: less at a page that can't be read.
func ReadProcess(pid int32, a uintptr, b []byte) int {
	if len(b) == 0 {
		return 0
	}
	local := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	// Two pieces, split where a page ends: the host reads a piece wholly or not at all.
	first := min(4096-int(a&4095), len(b))
	remote := [2]unix.RemoteIovec{{Base: a, Len: first}, {Base: a + uintptr(first), Len: len(b) - first}}
	r, _, e := syscall.RawSyscall6(unix.SYS_PROCESS_VM_READV, uintptr(pid), uintptr(unsafe.Pointer(&local)), 1,
		uintptr(unsafe.Pointer(&remote)), 2, 0)
	if e != 0 {
		return 0
	}
	return int(r)
}
