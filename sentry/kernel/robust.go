package kernel

import (
	"ringfence/abi/addr"
	"ringfence/abi/linux"
	"ringfence/sentry/futex"
)

// robustPI is a bit of the addresses on a robust list: the futex has an owner that the kernel knows.
const robustPI = 1

// exitRobust releases the locks that the task holds: those on its robust list
// (get_robust_list(2), kernel/futex/core.c), then those that others wait for with
// FUTEX_LOCK_PI. The list is in guest memory: its length is bounded, and a bad
// pointer ends the walk.
func (t *Task) exitRobust() {
	head := t.robustList
	if head != 0 {
		t.walkRobust(head)
	}
	t.k.Futexes.OwnerExited(t.RootTID())
}

func (t *Task) walkRobust(head addr.Addr) {
	var h linux.RobustListHead
	if t.CopyInStruct(head, &h) != nil {
		return
	}
	pending := h.ListOpPending
	entry := h.List
	for range linux.ROBUST_LIST_LIMIT {
		a := addr.Addr(entry &^ robustPI)
		if a == head {
			break
		}
		// The entry may go when its lock is released, so read on first.
		next, err := t.CopyInUint64(a)
		if a != addr.Addr(pending&^robustPI) {
			if t.ownerDied(a+addr.Addr(h.FutexOffset), entry&robustPI != 0, false) != nil {
				return
			}
		}
		if err != nil {
			return
		}
		entry = next
	}
	if a := addr.Addr(pending &^ robustPI); a != 0 {
		t.ownerDied(a+addr.Addr(h.FutexOffset), pending&robustPI != 0, true)
	}
}

// ownerDied marks the futex at a as left by its owner, if the task owns it, and wakes
// a waiter. pending says that the task was about to take or release it.
func (t *Task) ownerDied(a addr.Addr, pi, pending bool) error {
	v, err := t.mm.LoadUint32(a)
	if err != nil {
		return err
	}
	if pending && !pi && v == 0 {
		t.futexWake(a) // it had released the lock but not woken anybody
		return nil
	}
	for {
		if v&linux.FUTEX_TID_MASK != uint32(t.TID()) {
			return nil
		}
		found, err := t.mm.CompareAndSwapUint32(a, v, v&linux.FUTEX_WAITERS|linux.FUTEX_OWNER_DIED)
		if err != nil {
			return err
		}
		if found == v {
			break
		}
		v = found
	}
	if !pi && v&linux.FUTEX_WAITERS != 0 {
		t.futexWake(a)
	}
	return nil
}

// futexWake wakes one waiter of the futex at a.
func (t *Task) futexWake(a addr.Addr) {
	t.k.Futexes.Wake(futex.Word{Mem: t.mm, Addr: a, Shared: true}, 1, linux.FUTEX_BITSET_MATCH_ANY)
}

// FutexLocker returns the task as the owner of locks. Task goroutine only.
func (t *Task) FutexLocker() futex.Locker {
	l := futex.Locker{TID: uint32(t.TID()), ID: t.RootTID()}
	if t.sched.Policy == linux.SCHED_FIFO || t.sched.Policy == linux.SCHED_RR {
		l.Prio = -t.sched.Priority
	}
	return l
}

// OwnerByTID implements futex.Owners in the task's PID namespace.
func (t *Task) OwnerByTID(tid uint32) (id int32, exiting bool) {
	o := t.k.Task(t.PIDNamespace(), int32(tid))
	if o == nil {
		return 0, false
	}
	t.k.mu.RLock()
	gone := o.exitState != alive
	t.k.mu.RUnlock()
	if gone {
		return 0, false
	}
	o.tg.sigMu.Lock()
	exiting = o.exitStarted
	o.tg.sigMu.Unlock()
	return o.RootTID(), exiting
}

// FutexSleep blocks until w, which stands in a queue, is woken: nil. ETIMEDOUT at the
// deadline, ErrInterrupted for signals; w has left its queue then.
func (t *Task) FutexSleep(w *futex.Waiter, deadline int64) error {
	for !w.Woken() {
		if err := t.BlockUntil(deadline); err != nil {
			if !t.k.Futexes.Cancel(w) {
				return nil // woken in the meantime
			}
			return err
		}
	}
	return nil
}

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

var _ futex.Owners = (*Task)(nil)
