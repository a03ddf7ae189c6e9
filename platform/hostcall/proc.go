package hostcall

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// WaitStatus is what wait4(2) says of a child.
type WaitStatus = unix.WaitStatus

// Rusage is struct rusage.
type Rusage = unix.Rusage

// Options of Wait4.
const (
	WNOHANG    = unix.WNOHANG
	WUNTRACED  = unix.WUNTRACED
	WCONTINUED = unix.WCONTINUED
	WALL       = unix.WALL
	WCLONE     = unix.WCLONE
	WNOTHREAD  = unix.WNOTHREAD
)

// Getcpu returns the CPU that the calling thread runs on.
func Getcpu() int {
	cpu, err := getcpu()
	if err != 0 {
		return 0
	}
	return cpu
}

// Getpid returns the calling process.
func Getpid() int32 { return int32(unix.Getpid()) }

// Gettid returns the calling thread. Meaningful while the goroutine is locked to it.
func Gettid() int32 { return int32(unix.Gettid()) }

// Kill sends a signal to a process or group (kill(2)).
func Kill(pid int32, sig int) error { return wrap(unix.Kill(int(pid), syscall.Signal(sig))) }

// Tgkill sends a signal to one thread.
func Tgkill(tgid, tid int32, sig int) error {
	_, _, e := syscall.RawSyscall(unix.SYS_TGKILL, uintptr(tgid), uintptr(tid), uintptr(sig))
	return failed(e)
}

// PidfdOpen is pidfd_open(2).
func PidfdOpen(pid int32, flags int) (FD, error) {
	fd, err := unix.PidfdOpen(int(pid), flags)
	if err != nil {
		return NoFD, wrap(err)
	}
	return FD(fd), nil
}

// PidfdSendSignal is pidfd_send_signal(2) without a siginfo.
func PidfdSendSignal(fd FD, sig int) error {
	return wrap(unix.PidfdSendSignal(int(fd), syscall.Signal(sig), nil, 0))
}

// Prctl is prctl(2) for options with integer arguments.
func Prctl(option int, a, b, c, d uintptr) (int, error) {
	r, _, e := syscall.RawSyscall6(unix.SYS_PRCTL, uintptr(option), a, b, c, d, 0)
	return int(r), failed(e)
}

// SchedGetaffinity returns how many CPUs a thread may run on, and which; 0 is the caller.
func SchedGetaffinity(tid int32) (cpus []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(int(tid), &set); err != nil {
		return nil, wrap(err)
	}
	for i := range 8 * 128 {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// SchedSetaffinity says on which CPUs a thread may run; 0 is the caller.
func SchedSetaffinity(tid int32, cpus []int) error {
	var set unix.CPUSet
	for _, c := range cpus {
		set.Set(c)
	}
	return wrap(unix.SchedSetaffinity(int(tid), &set))
}

// SchedYield is sched_yield(2).
func SchedYield() { syscall.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// Getrandom fills b with random bytes, all of it.
func Getrandom(b []byte) error {
	for len(b) > 0 {
		n, err := again(func() (int, error) { return unix.Getrandom(b, 0) })
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Exited reports whether a child or traced thread has ended and not been waited for.
func Exited(tid int32) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, int(tid), &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil)
	return err == nil && info.Signo != 0
}
