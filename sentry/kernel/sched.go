package kernel

import "ringfence/abi/linux"

// schedParams are what sched_setattr(2), setpriority(2) and ioprio_set(2) set: data that a
// guest can read back. Guarded by Task.mu.
type schedParams struct {
	policy      uint32
	priority    int32 // of real-time policies
	nice        int32
	resetOnFork bool
	ioprio      int32
	affinity    []uint64 // nil: all processors; never changed in place
}

// forked returns what a child inherits.
func (s schedParams) forked() schedParams {
	if s.resetOnFork {
		s.resetOnFork = false
		if s.policy == linux.SCHED_FIFO || s.policy == linux.SCHED_RR {
			s.policy, s.priority = linux.SCHED_NORMAL, 0
		}
		s.nice = max(s.nice, 0)
	}
	return s
}
