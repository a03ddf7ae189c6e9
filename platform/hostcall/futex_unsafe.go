package hostcall

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Operations of futex(2), without FUTEX_PRIVATE_FLAG: the words lie in pages that
// the sentry shares with stub processes.
const (
	futexWait = 0
	futexWake = 1
)

// FutexWait sleeps while *word == val, for at most timeout (Forever: no limit).
// It returns nil when woken, else EAGAIN (the value was different), ETIMEDOUT or EINTR.
func FutexWait(word *uint32, val uint32, timeout time.Duration) error {
	var ts *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	_, _, e := syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait,
		uintptr(val), uintptr(unsafe.Pointer(ts)), 0, 0)
	return failed(e)
}

// FutexWake wakes up to n sleepers on word and returns how many.
func FutexWake(word *uint32, n int) (int, error) {
	r, _, e := syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, uintptr(n), 0, 0, 0)
	return int(r), failed(e)
}
