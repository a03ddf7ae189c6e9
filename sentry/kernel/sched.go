package kernel

import "ringfence/abi/linux"

// Sched is what sched_setattr(2), setpriority(2), sched_setaffinity(2) and ioprio_set(2) set: data that
// a guest can read back. The host schedules.
type Sched struct {
	Policy      uint32
	Priority    int32 // of real-time policies
	Nice        int32
	ResetOnFork bool
	IOPrio      int32
	affinity    []uint64 // nil: all processors; never changed in place
}

// forked returns what a child inherits.
func (s Sched) forked() Sched {
	if s.ResetOnFork {
		s.ResetOnFork = false
		if s.Policy == linux.SCHED_FIFO || s.Policy == linux.SCHED_RR {
			s.Policy, s.Priority = linux.SCHED_NORMAL, 0
		}
		s.Nice = max(s.Nice, 0)
	}
	return s
}

// Affinity returns the processors that the task may use, of a machine with cpus of them, 64 a word.
func (s Sched) Affinity(cpus int) []uint64 {
	if s.affinity != nil {
		return s.affinity
	}
	return AllCPUs(cpus)
}

// SetAffinity changes that; set belongs to s from then on.
func (s *Sched) SetAffinity(set []uint64) { s.affinity = set }

// AllCPUs returns the set of the first n processors.
func AllCPUs(n int) []uint64 {
	set := make([]uint64, (n+63)/64)
	for i := range n {
		set[i/64] |= 1 << (i % 64)
	}
	return set
}

// Sched and SetSched read and write the task's scheduling.
func (t *Task) Sched() Sched {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sched
}

func (t *Task) SetSched(s Sched) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sched = s
}
