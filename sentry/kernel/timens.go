package kernel

import (
	"math"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// TimeNamespace is what CLOCK_MONOTONIC and CLOCK_BOOTTIME count from (time_namespaces(7)). The platform and the vDSO
// know no offsets: calls of tasks that have some all come to the kernel.
type TimeNamespace struct {
	identity

	mu sync.Mutex
	// frozen: a task was in the namespace, and the offsets stay as they are. Guarded by mu.
	frozen bool
	// Nanoseconds ahead of the kernel's clocks. Guarded by mu until frozen.
	mono, boot int64
}

// maxSeconds bounds what a clock can show: half of what nanoseconds in 64 bits hold.
const maxSeconds = math.MaxInt64 / 1000000000 / 2

// TimeOffset is one of those that /proc/PID/timens_offsets shows, in nanoseconds.
type TimeOffset struct {
	Clock int32 // CLOCK_MONOTONIC or CLOCK_BOOTTIME
	Sec   int64
	Nsec  int64
}

// Offsets returns them.
func (ns *TimeNamespace) Offsets() (mono, boot int64) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.mono, ns.boot
}

// clone returns a namespace with the same offsets, which may still be changed.
func (ns *TimeNamespace) clone(id identity) *TimeNamespace {
	mono, boot := ns.Offsets()
	return &TimeNamespace{identity: id, mono: mono, boot: boot}
}

// SetOffsets changes some: ERANGE if a clock would show times that it can't, EACCES if a task has seen the old ones.
func (ns *TimeNamespace) SetOffsets(k *Kernel, list []TimeOffset) error {
	for _, o := range list {
		now := k.Monotonic() / 1e9
		if o.Clock == linux.CLOCK_BOOTTIME {
			now = k.Timers.Clocks.Boottime() / 1e9
		}
		if o.Sec > maxSeconds || o.Sec < -maxSeconds || now+o.Sec < 0 || now+o.Sec > maxSeconds {
			return errno.ERANGE
		}
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.frozen {
		return errno.EACCES
	}
	for _, o := range list {
		if v := o.Sec*1e9 + o.Nsec; o.Clock == linux.CLOCK_BOOTTIME {
			ns.boot = v
		} else {
			ns.mono = v
		}
	}
	return nil
}

// freeze is called before a task enters.
func (ns *TimeNamespace) freeze() {
	ns.mu.Lock()
	ns.frozen = true
	ns.mu.Unlock()
}

// Ahead returns how far a clock is ahead of the kernel's for tasks in the namespace, which have frozen it.
func (ns *TimeNamespace) Ahead(clock int32) int64 {
	switch clock {
	case linux.CLOCK_MONOTONIC, linux.CLOCK_MONOTONIC_RAW, linux.CLOCK_MONOTONIC_COARSE:
		return ns.mono
	case linux.CLOCK_BOOTTIME, linux.CLOCK_BOOTTIME_ALARM:
		return ns.boot
	}
	return 0
}

// ToKernel returns the time of the kernel's clock at which that of the namespace shows at: not before 0.
func (ns *TimeNamespace) ToKernel(clock int32, at int64) int64 {
	ahead := ns.Ahead(clock)
	if ahead == 0 {
		return at
	}
	if ahead < 0 && at > math.MaxInt64+ahead {
		return math.MaxInt64
	}
	return max(at-ahead, 0)
}

// own reports whether the clocks differ from the kernel's.
func (ns *TimeNamespace) own() bool { return ns.mono != 0 || ns.boot != 0 }

// enteringTime returns n with the time namespace for children as the task's own, which freezes it.
func (n *Namespaces) enteringTime() *Namespaces {
	if n.Time == n.ChildTime {
		return n
	}
	n.ChildTime.freeze()
	entered := *n
	entered.Time = n.ChildTime
	return &entered
}

// retime makes t's program ask for the time as its namespace wants: the vDSO computes it only by the kernel's clocks.
// Task goroutine only, or before the task runs.
func (t *Task) retime() {
	t.answersStale.Store(true)
	if t.k.VDSO != nil {
		t.k.VDSO.Retime(t.mm, t.ns.Time.own())
	}
}

// Ahead returns how far a clock is ahead of the kernel's for t.
func (t *Task) Ahead(clock int32) int64 { return t.ns.Time.Ahead(clock) }

// ToKernelTime returns the time of the kernel's clock at which t's shows at.
func (t *Task) ToKernelTime(clock int32, at int64) int64 { return t.ns.Time.ToKernel(clock, at) }
