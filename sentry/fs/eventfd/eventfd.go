// Package eventfd implements eventfd(2): a counter that can be waited for.
//
// Lock order: EventFD.mu comes before guest memory; the queue is notified without it.
package eventfd

import (
	"math"
	"strconv"
	"sync"

	"ringfence/abi/errno"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// EventFD is the FileOps of an eventfd.
type EventFD struct {
	vfs.BaseFile
	semaphore bool
	queue     wait.Queue

	mu    sync.Mutex
	count uint64
}

// New returns an eventfd with a count; semaphore is EFD_SEMAPHORE.
func New(count uint32, semaphore bool) *EventFD {
	return &EventFD{semaphore: semaphore, count: uint64(count)}
}

const (
	readable = wait.In | wait.RdNorm
	writable = wait.Out | wait.WrNorm
)

// Read implements vfs.FileOps: it takes the whole count, or 1 from a semaphore.
func (e *EventFD) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	if dst.Len() < 8 {
		return 0, errno.EINVAL
	}
	e.mu.Lock()
	v := e.count
	if v == 0 {
		e.mu.Unlock()
		return 0, errno.EAGAIN
	}
	if e.semaphore {
		v = 1
	}
	e.count -= v
	e.mu.Unlock()
	e.queue.Notify(wait.Out)
	// As on Linux, the count is gone even if it can't be stored.
	if err := dst.CopyOutUint64(v); err != nil {
		return 0, err
	}
	return 8, nil
}

// Write implements vfs.FileOps: it adds to the count, EAGAIN if that would overflow.
func (e *EventFD) Write(_ vfs.Caller, _ *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	if src.Len() != 8 {
		return 0, errno.EINVAL
	}
	again := *src // what must wait is read again
	v, err := src.CopyInUint64()
	if err != nil {
		return 0, err
	}
	if v == math.MaxUint64 {
		return 0, errno.EINVAL
	}
	e.mu.Lock()
	if math.MaxUint64-e.count <= v {
		e.mu.Unlock()
		*src = again
		return 0, errno.EAGAIN
	}
	e.count += v
	e.mu.Unlock()
	e.queue.Notify(wait.In)
	return 8, nil
}

// Add adds n to the count without blocking, as the kernel itself does for an eventfd that it
// was given (aio, memory pressure). At overflow the count sticks to its greatest value and
// polls as an error.
func (e *EventFD) Add(n uint64) {
	e.mu.Lock()
	e.count += min(n, math.MaxUint64-e.count)
	e.mu.Unlock()
	e.queue.Notify(wait.In)
}

// Readiness implements vfs.FileOps. eventfd has no RdNorm and WrNorm.
func (e *EventFD) Readiness(*vfs.File) wait.Mask {
	e.mu.Lock()
	defer e.mu.Unlock()
	var m wait.Mask
	if e.count > 0 {
		m |= wait.In
	}
	if e.count == math.MaxUint64 {
		m |= wait.Err
	}
	if e.count < math.MaxUint64-1 {
		m |= wait.Out
	}
	return m
}

// Queue implements vfs.FileOps.
func (e *EventFD) Queue(*vfs.File) *wait.Queue { return &e.queue }

// FDInfo returns the lines of /proc/PID/fdinfo.
func (e *EventFD) FDInfo(*vfs.File) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := "0"
	if e.semaphore {
		s = "1"
	}
	return "eventfd-count: " + hex16(e.count) + "\neventfd-semaphore: " + s + "\n"
}

func hex16(v uint64) string {
	s := strconv.FormatUint(v, 16)
	return "                "[:16-len(s)] + s
}
