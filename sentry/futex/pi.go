package futex

import (
	"errors"
	"sync"
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Futexes with an owner (FUTEX_LOCK_PI and the like). The word holds the owner's
// thread id. While somebody waits, the kernel knows the owner too: a piState per key,
// shared by the waiters. Whoever unlocks gives the lock to the waiter with the best
// priority and writes the word for it, so a woken waiter owns the lock.

// Locker is a task that locks.
type Locker struct {
	TID  uint32 // as its own PID namespace numbers it: what the word holds
	ID   int32  // as nobody else has it
	Prio int32  // smaller goes first
}

// Owners says who has a number.
type Owners interface {
	// OwnerByTID returns the ID of the task that the caller's PID namespace numbers tid,
	// 0 if there is none. exiting says that it is past releasing its locks.
	OwnerByTID(tid uint32) (id int32, exiting bool)
}

// piState is a contended lock.
type piState struct {
	key     Key
	owner   int32 // guarded by owners.mu; 0 if the owner has died
	waiters int   // guarded by owners.mu
}

// piWaiter is the part of a Waiter that waits for an owner.
type piWaiter struct {
	state  *piState // nil while it waits for a wake-up only; guarded by bucket.mu
	locker Locker
	word   Word // where to write the new owner

	requeue bool // FUTEX_WAIT_REQUEUE_PI: to be moved to target
	target  Key
	moved   bool // it was moved; guarded by bucket.mu
}

// owners knows which contended locks a task owns.
type owners struct {
	mu   sync.Mutex
	held map[int32]map[*piState]struct{} // guarded by mu
}

// join makes one more waiter of s.
func (o *owners) join(s *piState) {
	o.mu.Lock()
	s.waiters++
	o.mu.Unlock()
}

// leave takes a waiter from s, which ends with the last one.
func (o *owners) leave(s *piState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.waiters--; s.waiters == 0 {
		o.setLocked(s, 0)
	}
}

// set makes id the owner of s.
func (o *owners) set(s *piState, id int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.setLocked(s, id)
}

func (o *owners) setLocked(s *piState, id int32) {
	if s.owner != 0 {
		delete(o.held[s.owner], s)
		if len(o.held[s.owner]) == 0 {
			delete(o.held, s.owner)
		}
	}
	s.owner = id
	if id == 0 {
		return
	}
	if o.held == nil {
		o.held = make(map[int32]map[*piState]struct{})
	}
	if o.held[id] == nil {
		o.held[id] = make(map[*piState]struct{})
	}
	o.held[id][s] = struct{}{}
}

func (o *owners) owner(s *piState) int32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return s.owner
}

// best returns the waiter of k that gets the lock next: the first with the best
// priority. other reports waiters of k that wait for no owner.
func (b *bucket) best(k Key) (best *Waiter, other bool) {
	for w := b.head; w != nil; w = w.next {
		if w.key != k {
			continue
		}
		if w.pi.state == nil {
			other = true
		} else if best == nil || w.pi.locker.Prio < best.pi.locker.Prio {
			best = w
		}
	}
	return best, other
}

// LockPI takes the lock f for who, or puts w into its queue: then acquired is false, and
// when w is woken, who owns the lock. With try EAGAIN is returned instead of waiting.
// EDEADLK if who owns it already, ESRCH if the owner is not there.
func (m *Manager) LockPI(w *Waiter, f Word, who Locker, tids Owners, try bool) (acquired bool, err error) {
	for range maxRetries {
		if acquired, err = m.lockPI(w, f, who, tids, try); err != errRetry {
			return acquired, err
		}
		time.Sleep(retryPause)
	}
	return false, errno.EAGAIN
}

// errRetry says that the owner is about to release the lock because it exits.
var errRetry = errors.New("futex: owner exits")

const (
	maxRetries = 10000
	retryPause = 20 * time.Microsecond
)

func (m *Manager) lockPI(w *Waiter, f Word, who Locker, tids Owners, try bool) (acquired bool, err error) {
	k, err := f.key()
	if err != nil {
		return false, err
	}
	if _, err := f.Mem.LoadUint32(f.Addr); err != nil { // brings the page in
		return false, err
	}
	b := m.bucket(k)
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := m.claim(b, f, k, who, tids, false)
	if err != nil || s == nil {
		return err == nil, err
	}
	m.owners.join(s)
	if try {
		m.owners.leave(s)
		return false, errno.EAGAIN
	}
	w.key, w.mem, w.bitset = k, f.Mem, linux.FUTEX_BITSET_MATCH_ANY
	w.pi = piWaiter{state: s, locker: who, word: f}
	b.push(w)
	return false, nil
}

// claim takes the free lock f for who, or returns the state of its owner
// and marks the word as contended. With contended the word is marked in either case.
// Preconditions: b is the bucket of k and locked.
func (m *Manager) claim(b *bucket, f Word, k Key, who Locker, tids Owners, contended bool) (*piState, error) {
	for {
		v, err := f.Mem.LoadUint32(f.Addr)
		if err != nil {
			return nil, err
		}
		owner := v & linux.FUTEX_TID_MASK
		if owner == who.TID {
			return nil, errno.EDEADLK
		}
		top, other := b.best(k)
		if top == nil && other {
			return nil, errno.EINVAL // the word is used as a plain futex too
		}
		if top != nil {
			s := top.pi.state
			id := m.owners.owner(s)
			if owner == 0 && v&linux.FUTEX_OWNER_DIED != 0 && id != 0 {
				return nil, errRetry // the owner's locks are being handed on
			}
			if owner == 0 || id == 0 {
				return nil, errno.EINVAL // user space meddles with a contended word
			}
			if have, _ := tids.OwnerByTID(owner); have != id {
				return nil, errno.EINVAL
			}
			if v&linux.FUTEX_WAITERS == 0 {
				if found, err := f.Mem.CompareAndSwapUint32(f.Addr, v, v|linux.FUTEX_WAITERS); err != nil {
					return nil, err
				} else if found != v {
					continue
				}
			}
			return s, nil
		}
		if owner == 0 {
			n := v&linux.FUTEX_OWNER_DIED | who.TID
			if contended {
				n |= linux.FUTEX_WAITERS
			}
			found, err := f.Mem.CompareAndSwapUint32(f.Addr, v, n)
			if err != nil {
				return nil, err
			}
			if found == v {
				return nil, nil
			}
			continue
		}
		id, exiting := tids.OwnerByTID(owner)
		if id == 0 || exiting {
			// It may have released the lock just now.
			again, err := f.Mem.LoadUint32(f.Addr)
			if err != nil {
				return nil, err
			}
			if again != v {
				continue
			}
			if exiting {
				return nil, errRetry
			}
			return nil, errno.ESRCH
		}
		found, err := f.Mem.CompareAndSwapUint32(f.Addr, v, v|linux.FUTEX_WAITERS)
		if err != nil {
			return nil, err
		}
		if found != v {
			continue
		}
		s := &piState{key: k}
		m.owners.set(s, id)
		return s, nil
	}
}

// UnlockPI releases the lock f that who owns and gives it to the next waiter. EPERM if who does not own it.
func (m *Manager) UnlockPI(f Word, who Locker) error {
	k, err := f.key()
	if err != nil {
		return err
	}
	v, err := f.Mem.LoadUint32(f.Addr)
	if err != nil {
		return err
	}
	if v&linux.FUTEX_TID_MASK != who.TID {
		return errno.EPERM
	}
	b := m.bucket(k)
	b.mu.Lock()
	defer b.mu.Unlock()
	top, other := b.best(k)
	if top != nil {
		if m.owners.owner(top.pi.state) != who.ID {
			return errno.EINVAL
		}
		return m.handOver(b, top, 0)
	}
	if other {
		return errno.EINVAL
	}
	for {
		v, err := f.Mem.LoadUint32(f.Addr)
		if err != nil {
			return err
		}
		if v&linux.FUTEX_TID_MASK != who.TID {
			return errno.EPERM
		}
		found, err := f.Mem.CompareAndSwapUint32(f.Addr, v, 0)
		if err != nil || found == v {
			return err
		}
	}
}

// handOver makes w the owner of the lock that it waits for, and wakes it. flags are set in
// the word besides its number. Preconditions: b is locked and holds w.
func (m *Manager) handOver(b *bucket, w *Waiter, flags uint32) error {
	if _, err := w.pi.word.Mem.SwapUint32(w.pi.word.Addr, w.pi.locker.TID|linux.FUTEX_WAITERS|flags); err != nil {
		return err
	}
	s := w.pi.state
	m.owners.set(s, w.pi.locker.ID)
	m.owners.leave(s)
	b.wake(w)
	return nil
}

// OwnerExited gives the contended locks of a task that ends to their next waiters, with
// FUTEX_OWNER_DIED set. The task's robust list has been walked.
func (m *Manager) OwnerExited(id int32) {
	for {
		m.owners.mu.Lock()
		var s *piState
		for s = range m.owners.held[id] {
			break
		}
		m.owners.mu.Unlock()
		if s == nil {
			return
		}
		b := m.bucket(s.key)
		b.mu.Lock()
		if m.owners.owner(s) == id {
			top, _ := b.best(s.key)
			if top == nil || top.pi.state != s || m.handOver(b, top, linux.FUTEX_OWNER_DIED) != nil {
				m.owners.set(s, 0) // waiters that can't be told; their words are gone
			}
		}
		b.mu.Unlock()
	}
}

// WaitRequeuePI is Wait for a waiter that RequeuePI will move to the lock target
// (FUTEX_WAIT_REQUEUE_PI). When it is woken, who owns target.
func (m *Manager) WaitRequeuePI(w *Waiter, f, target Word, who Locker, val, bitset uint32) error {
	if bitset == 0 {
		return errno.EINVAL
	}
	k, err := f.key()
	if err != nil {
		return err
	}
	k2, err := target.key()
	if err != nil {
		return err
	}
	if k == k2 {
		return errno.EINVAL
	}
	if v, err := f.Mem.LoadUint32(f.Addr); err != nil {
		return err
	} else if v != val {
		return errno.EAGAIN
	}
	w.key, w.mem, w.bitset = k, f.Mem, bitset
	w.pi = piWaiter{locker: who, word: target, requeue: true, target: k2}
	b := m.bucket(k)
	b.mu.Lock()
	defer b.mu.Unlock()
	v, err := f.Mem.LoadUint32(f.Addr)
	if err != nil {
		return err
	}
	if v != val {
		return errno.EAGAIN
	}
	b.push(w)
	return nil
}

// Moved reports, after Cancel returned true, whether w had been moved to its target.
func (w *Waiter) Moved() bool { return w.pi.moved }

// RequeuePI takes the lock to for the first waiter of from, or moves it into its
// queue, and moves up to move others (FUTEX_CMP_REQUEUE_PI). It returns how many were woken or moved.
func (m *Manager) RequeuePI(from, to Word, move int, cmp uint32, tids Owners) (int, error) {
	for range maxRetries {
		if n, err := m.requeuePI(from, to, move, cmp, tids); err != errRetry {
			return n, err
		}
		time.Sleep(retryPause)
	}
	return 0, errno.EAGAIN
}

func (m *Manager) requeuePI(from, to Word, move int, cmp uint32, tids Owners) (int, error) {
	if move < 0 {
		return 0, errno.EINVAL
	}
	k1, err := from.key()
	if err != nil {
		return 0, err
	}
	k2, err := to.key()
	if err != nil {
		return 0, err
	}
	if k1 == k2 {
		return 0, errno.EINVAL
	}
	for _, f := range []Word{from, to} { // brings the pages in
		if _, err := f.Mem.LoadUint32(f.Addr); err != nil {
			return 0, err
		}
	}
	b1, b2, unlock := m.lockTwo(k1, k2)
	defer unlock()
	v, err := from.Mem.LoadUint32(from.Addr)
	if err != nil {
		return 0, err
	}
	if v != cmp {
		return 0, errno.EAGAIN
	}
	var list []*Waiter
	for w := b1.head; w != nil && len(list) < move+1; w = w.next {
		if w.key != k1 {
			continue
		}
		if !w.pi.requeue || w.pi.target != k2 {
			return 0, errno.EINVAL
		}
		list = append(list, w)
	}
	if len(list) == 0 {
		return 0, nil
	}
	s, err := m.claim(b2, to, k2, list[0].pi.locker, tids, len(list) > 1)
	if err != nil {
		return 0, err
	}
	rest := list
	if s == nil { // it has the lock
		rest = list[1:]
		if len(rest) > 0 {
			s = &piState{key: k2}
			m.owners.set(s, list[0].pi.locker.ID)
		}
		b1.wake(list[0])
	}
	for _, w := range rest {
		b1.remove(w)
		w.key, w.mem = k2, to.Mem
		w.pi.state, w.pi.requeue, w.pi.moved = s, false, true
		m.owners.join(s)
		b2.push(w)
	}
	return len(list), nil
}
