package jail

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// capHeader and capData are what capget(2) and capset(2) point to, version 3.
type capHeader struct {
	version uint32
	pid     int32
}

type capData struct{ effective, permitted, inheritable uint32 }

const capVersion3 = 0x20080522

// capabilities returns the permitted capabilities of the calling thread.
func capabilities() (uint64, error) {
	h := capHeader{version: capVersion3}
	var d [2]capData
	_, _, e := syscall.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&h)), uintptr(unsafe.Pointer(&d)), 0)
	if e != 0 {
		return 0, e
	}
	return uint64(d[0].permitted) | uint64(d[1].permitted)<<32, nil
}

// setCapabilities makes set permitted and effective and nothing inheritable, on all
// threads. The structures outlive the call, as the other threads read them too.
func setCapabilities(set uint64) error {
	h := &capHeader{version: capVersion3}
	d := &[2]capData{
		{effective: uint32(set), permitted: uint32(set)},
		{effective: uint32(set >> 32), permitted: uint32(set >> 32)},
	}
	_, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(h)), uintptr(unsafe.Pointer(d)), 0)
	if e != 0 {
		return e
	}
	return nil
}
