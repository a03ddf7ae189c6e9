// Package hostcall makes raw host system calls and holds typed host descriptors.
//
// It is the only user of x/sys/unix in the sentry and gofer processes, so that
// "what do we ask of the host?" has one answer: the functions of this package.
// Each does one host call and keeps its name; the files group them by subject.
//
// Errors are bare errno.Errno values. Calls that only an unrelated signal can
// interrupt (reads, writes, waits for children) are made again on EINTR; calls
// with a timeout (futex, ppoll, epoll_pwait) report it.
//
// Neighbours: platform/seccomp lists the same calls as filter rules.
package hostcall

import (
	"syscall"

	"ringfence/abi/errno"
)

// FD is a host file descriptor that this process owns or was lent. Closing is
// up to whoever owns it.
type FD int32

// NoFD is the descriptor of nothing.
const NoFD FD = -1

// failed turns a host error number into what callers see.
func failed(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return errno.Errno(e)
}

// wrap turns the error of an x/sys/unix function into what callers see.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(syscall.Errno); ok {
		return errno.Errno(e)
	}
	return errno.EINVAL
}

// again repeats f while a signal interrupts it.
func again(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err == syscall.EINTR {
			continue
		}
		return max(n, 0), wrap(err)
	}
}

// Errno turns the negative result of a raw host call into an error.
func Errno(result int64) error { return errno.Errno(-result) }
