package strace

import (
	"syscall"
	"unsafe"

	"ringfence/abi/linux"
)

// ptraceSignalInfo returns the siginfo of the signal that pid stopped for. The
// kernel writes exactly SignalInfoSize bytes to the array, which outlives the call.
func ptraceSignalInfo(pid int) (linux.SignalInfo, error) {
	var raw [linux.SignalInfoSize]byte
	_, _, e := syscall.Syscall6(syscall.SYS_PTRACE, linux.PTRACE_GETSIGINFO, uintptr(pid), 0, uintptr(unsafe.Pointer(&raw)), 0, 0)
	if e != 0 {
		return linux.SignalInfo{}, e
	}
	var info linux.SignalInfo
	info.UnmarshalBytes(raw[:])
	return info, nil
}
