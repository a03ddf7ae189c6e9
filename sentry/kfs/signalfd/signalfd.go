// Package signalfd is the file of signalfd(2): reading it takes pending signals.
//
// Whose signals those are depends on who reads and who polls, not on who made
// the file: a SignalFD holds no more than a set of signals, and is a
// vfs.Beholder.
//
// Neighbours: kernel keeps the pending signals and tells of arrivals
// (ThreadGroup.SignalEvents). No locks of its own.
package signalfd

import (
	"fmt"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// infoSize is the size of struct signalfd_siginfo.
const infoSize = 128

// SignalFD is the FileOps of a signalfd.
type SignalFD struct {
	vfs.BaseFile
	set atomic.Uint64 // a linux.SignalSet
	// queue is for those who are no task, and have no signals: nothing happens there.
	queue wait.Queue
}

// New returns a SignalFD for the signals of set.
func New(set linux.SignalSet) *SignalFD {
	s := &SignalFD{}
	s.set.Store(uint64(set &^ linux.UnblockableSignals))
	return s
}

// Of returns the SignalFD that f is, or nil.
func Of(f *vfs.File) *SignalFD {
	s, _ := f.Ops.(*SignalFD)
	return s
}

// Set replaces the set, and makes t's process look at its signals again.
func (s *SignalFD) Set(t *kernel.Task, set linux.SignalSet) {
	s.set.Store(uint64(set &^ linux.UnblockableSignals))
	t.ThreadGroup().SignalEvents.Notify(wait.In)
}

func (s *SignalFD) signals() linux.SignalSet { return linux.SignalSet(s.set.Load()) }

// Read implements vfs.FileOps: it takes as many of the reader's signals as there are and
// dst has room for.
func (s *SignalFD) Read(c vfs.Caller, _ *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	t, ok := c.(*kernel.Task)
	if !ok || dst.Len() < infoSize {
		return 0, errno.EINVAL
	}
	n := 0
	for dst.Len() >= infoSize {
		info := t.TakeSignal(s.signals())
		if info == nil {
			break
		}
		var b [infoSize]byte
		x := describe(info)
		x.MarshalBytes(b[:])
		// As on Linux, the signal is gone even if it can't be stored.
		if _, err := dst.CopyOut(b[:]); err != nil {
			if n > 0 {
				break
			}
			return 0, err
		}
		n += infoSize
	}
	if n == 0 {
		return 0, errno.EAGAIN
	}
	return n, nil
}

// ReadinessTo implements vfs.Beholder.
func (s *SignalFD) ReadinessTo(c vfs.Caller, _ *vfs.File) wait.Mask {
	if t, ok := c.(*kernel.Task); ok {
		if own, process := t.PendingSignals(); (own|process)&s.signals() != 0 {
			return wait.In
		}
	}
	return 0
}

// QueueOf implements vfs.Beholder.
func (s *SignalFD) QueueOf(c vfs.Caller, _ *vfs.File) *wait.Queue {
	if t, ok := c.(*kernel.Task); ok {
		return &t.ThreadGroup().SignalEvents
	}
	return &s.queue
}

// Readiness implements vfs.FileOps, for those who have no signals.
func (s *SignalFD) Readiness(*vfs.File) wait.Mask { return 0 }

// Queue implements vfs.FileOps.
func (s *SignalFD) Queue(*vfs.File) *wait.Queue { return &s.queue }

// FDInfo returns the lines of /proc/PID/fdinfo.
func (s *SignalFD) FDInfo(*vfs.File) string {
	return fmt.Sprintf("sigmask:\t%016x\n", uint64(s.signals()))
}

// describe translates a siginfo_t. Which of its fields are there depends on the signal and
// on who sent it (siginfo_layout in kernel/signal.c).
func describe(i *linux.SignalInfo) linux.SignalfdSiginfo {
	x := linux.SignalfdSiginfo{Signo: uint32(i.Signo), Errno: i.Errno, Code: i.Code}
	byKernel := i.Code > linux.SI_USER && i.Code < linux.SI_KERNEL
	switch sig := i.Signal(); {
	case i.Code == linux.SI_TIMER:
		x.TID, x.Overrun = uint32(i.TimerID()), uint32(i.Overrun())
		x.Ptr, x.Int = i.Value(), int32(i.Value())
	case i.Code == linux.SI_SIGIO, byKernel && sig == linux.SIGPOLL:
		x.Band, x.FD = uint32(i.Band()), i.FD()
	case i.Code < 0:
		x.PID, x.UID = uint32(i.PID()), i.UID()
		x.Ptr, x.Int = i.Value(), int32(i.Value())
	case !byKernel:
		x.PID, x.UID = uint32(i.PID()), i.UID()
	case sig == linux.SIGCHLD:
		x.PID, x.UID = uint32(i.PID()), i.UID()
		x.Status, x.Utime, x.Stime = i.Status(), uint64(i.Utime()), uint64(i.Stime())
	case sig == linux.SIGSYS:
		x.CallAddr, x.Syscall, x.Arch = i.CallAddr(), i.Syscall(), i.Arch()
	case sig == linux.SIGBUS && i.Code >= linux.BUS_MCEERR_AR:
		x.Addr, x.AddrLSB = i.Addr(), uint16(i.AddrLSB())
	case sig == linux.SIGSEGV, sig == linux.SIGBUS, sig == linux.SIGILL, sig == linux.SIGFPE, sig == linux.SIGTRAP:
		x.Addr = i.Addr()
	default:
		// F_SETSIG sends what SIGPOLL would say with any signal.
		x.Band, x.FD = uint32(i.Band()), i.FD()
	}
	return x
}
