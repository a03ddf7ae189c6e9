// Package futex matches waiters to wakers by memory key.
//
// A Key names a word of memory: (address space, address) when it is private to
// one, (mapping identity, offset) when it is shared. See futex(2), futex(7).
//
// A Waiter is data: it stands in the queue of its key and is woken through a
// wait.Entry. The task that owns it blocks elsewhere: it prepares the Waiter,
// sleeps until Woken, and calls Cancel when it gives up. pi.go holds the operations
// with an owner (priority-inheriting locks): there the kernel keeps who owns a
// contended word, and hands it on itself.
//
// Lock order:
//
//	bucket.mu (two buckets: lower index first)
//	  owners.mu
//	  locks of the address space, while the word is read or written
//	  what the Waiter's Wake takes
package futex

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/mappable"
	"ringfence/sentry/usermem"
)

// Memory is an address space as futexes need it; sentry/mm implements it.
type Memory interface {
	usermem.IO
	// ID is a number that no other address space has or had.
	ID() uint64
	// SharedKey names the word at a by what is mapped there; a nil Mappable says
	// that it belongs to this address space only.
	SharedKey(a addr.Addr) (mappable.Mappable, uint64, error)
	// CountWaiters adds n to the number of those who wait for the word at a that belongs to this
	// address space only, or are about to: who is about to is counted before the word is read.
	CountWaiters(a addr.Addr, n int)
}

// Key names a word of memory. Keys are compared with ==.
type Key struct {
	space uint64            // address space, or 0
	file  mappable.Mappable // or nil
	off   uint64            // address or offset
}

// KeyOf returns the key of the word at a. With shared it is looked up by mapping: EFAULT if there is
// none. EINVAL if a is not aligned.
func KeyOf(m Memory, a addr.Addr, shared bool) (Key, error) {
	if a&3 != 0 {
		return Key{}, errno.EINVAL
	}
	if a >= userEnd {
		return Key{}, errno.EFAULT
	}
	if shared {
		file, off, err := m.SharedKey(a)
		if err != nil {
			return Key{}, err
		}
		if file != nil {
			return Key{file: file, off: off}, nil
		}
	}
	return Key{space: m.ID(), off: uint64(a)}, nil
}

const userEnd = addr.Addr(1<<47 - addr.PageSize)

// Word is a futex as a task names it.
type Word struct {
	Mem    Memory
	Addr   addr.Addr
	Shared bool
}

func (w Word) key() (Key, error) { return KeyOf(w.Mem, w.Addr, w.Shared) }

// Waiter is one place in a queue. Its task sets Entry.Waiter, whose Wake is called
// without an Entry, and keeps the Waiter until it is woken or Cancel has returned;
// then it can be used again.
type Waiter struct {
	Entry wait.Entry

	// bucket is where the waiter stands; nil once it is woken. It is written with
	// the bucket's lock held.
	bucket     atomic.Pointer[bucket]
	next, prev *Waiter // guarded by bucket.mu
	key        Key     // guarded by bucket.mu
	mem        Memory  // of whom key names a word; guarded by bucket.mu
	bitset     uint32

	pi piWaiter // see pi.go
}

// Woken reports whether somebody woke the waiter since it was put into a queue.
func (w *Waiter) Woken() bool { return w.bucket.Load() == nil }

const buckets = 256

// Manager holds all queues of a kernel. The zero value is ready. Safe for concurrent use.
type Manager struct {
	buckets [buckets]bucket
	owners  owners
}

// bucket is the list of waiters whose keys hash alike, oldest first.
type bucket struct {
	// waiters counts those in the list and those about to be: a waiter is counted before it looks
	// at its word, and a waker looks here after the word was changed, without the lock.
	waiters atomic.Int32

	mu         sync.Mutex
	head, tail *Waiter // guarded by mu
}

var seed = maphash.MakeSeed()

func (m *Manager) bucket(k Key) *bucket {
	h := k.space*0x9e3779b97f4a7c15 ^ k.off*0xff51afd7ed558ccd
	if k.file != nil {
		h ^= maphash.Comparable(seed, k.file)
	}
	h ^= h >> 32
	return &m.buckets[(h^h>>16)%buckets]
}

func (b *bucket) push(w *Waiter) {
	w.next, w.prev = nil, b.tail
	if b.tail != nil {
		b.tail.next = w
	} else {
		b.head = w
	}
	b.tail = w
	b.waiters.Add(1)
	count(w.mem, w.key, 1)
	w.bucket.Store(b)
}

func (b *bucket) remove(w *Waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		b.head = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		b.tail = w.prev
	}
	w.next, w.prev = nil, nil
	b.waiters.Add(-1)
	count(w.mem, w.key, -1)
}

// count tells m that n more wait for what k names, if that is m's own.
func count(m Memory, k Key, n int) {
	if k.file == nil {
		m.CountWaiters(addr.Addr(k.off), n)
	}
}

// wake takes w out and wakes it; nobody touches it afterwards.
func (b *bucket) wake(w *Waiter) {
	b.remove(w)
	waiter := w.Entry.Waiter
	w.bucket.Store(nil)
	// From here on w is its task's again, which may put it to other use.
	waiter.Wake(nil, wait.In)
}

// lockTwo locks the buckets of two keys, in order.
func (m *Manager) lockTwo(a, b Key) (x, y *bucket, unlock func()) {
	x, y = m.bucket(a), m.bucket(b)
	if x == y {
		x.mu.Lock()
		return x, y, x.mu.Unlock
	}
	first, second := x, y
	if m.index(y) < m.index(x) {
		first, second = y, x
	}
	first.mu.Lock()
	second.mu.Lock()
	return x, y, func() { second.mu.Unlock(); first.mu.Unlock() }
}

func (m *Manager) index(b *bucket) int {
	for i := range m.buckets {
		if &m.buckets[i] == b {
			return i
		}
	}
	panic("futex: foreign bucket")
}

// Wait puts w into the queue of f if the word there is val, else it returns EAGAIN.
// Only wakers with a common bit in bitset wake it.
func (m *Manager) Wait(w *Waiter, f Word, val, bitset uint32) error {
	if bitset == 0 {
		return errno.EINVAL
	}
	k, err := f.key()
	if err != nil {
		return err
	}
	// The first look needs no lock and brings the page in.
	if v, err := f.Mem.LoadUint32(f.Addr); err != nil {
		return err
	} else if v != val {
		return errno.EAGAIN
	}
	w.key, w.mem, w.bitset, w.pi = k, f.Mem, bitset, piWaiter{}
	b := m.bucket(k)
	b.waiters.Add(1)
	defer b.waiters.Add(-1)
	count(f.Mem, k, 1)
	defer count(f.Mem, k, -1)
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

// Cancel takes w out of its queue and reports whether it was there; if not, it has been
// woken.
func (m *Manager) Cancel(w *Waiter) bool {
	for {
		b := w.bucket.Load()
		if b == nil {
			return false
		}
		b.mu.Lock()
		if w.bucket.Load() == b { // else it was moved to another queue
			b.remove(w)
			w.bucket.Store(nil)
			if w.pi.state != nil {
				m.owners.leave(w.pi.state)
			}
			b.mu.Unlock()
			return true
		}
		b.mu.Unlock()
	}
}

// Wake wakes up to n waiters of f with a common bit in bitset, oldest first, and
// returns how many. As on Linux n below one counts as one.
func (m *Manager) Wake(f Word, n int, bitset uint32) (int, error) {
	if bitset == 0 {
		return 0, errno.EINVAL
	}
	k, err := f.key()
	if err != nil {
		return 0, err
	}
	b := m.bucket(k)
	if b.waiters.Load() == 0 {
		return 0, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wakeKey(k, max(n, 1), bitset)
}

// wakeKey wakes waiters of k. EINVAL if one of them waits for an owner.
func (b *bucket) wakeKey(k Key, n int, bitset uint32) (int, error) {
	woken := 0
	for w := b.head; w != nil && woken < n; {
		next := w.next
		if w.key == k {
			if w.pi.state != nil || w.pi.requeue {
				return woken, errno.EINVAL
			}
			if w.bitset&bitset != 0 {
				b.wake(w)
				woken++
			}
		}
		w = next
	}
	return woken, nil
}

// Requeue wakes up to wake waiters of from and moves up to move of the others to to
// (FUTEX_REQUEUE). With cmp not nil the word at from must hold *cmp, or EAGAIN is
// returned (FUTEX_CMP_REQUEUE). It returns how many were woken or moved.
func (m *Manager) Requeue(from, to Word, wake, move int, cmp *uint32) (int, error) {
	if wake < 0 || move < 0 {
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
	if cmp != nil {
		if _, err := from.Mem.LoadUint32(from.Addr); err != nil {
			return 0, err
		}
	}
	b1, b2, unlock := m.lockTwo(k1, k2)
	defer unlock()
	if cmp != nil {
		v, err := from.Mem.LoadUint32(from.Addr)
		if err != nil {
			return 0, err
		}
		if v != *cmp {
			return 0, errno.EAGAIN
		}
	}
	done := 0
	var moved []*Waiter
	for w := b1.head; w != nil && done-wake < move; {
		next := w.next
		if w.key == k1 {
			if w.pi.state != nil || w.pi.requeue {
				return done, errno.EINVAL
			}
			if done++; done <= wake {
				b1.wake(w)
			} else if k1 != k2 {
				b1.remove(w)
				moved = append(moved, w)
			}
		}
		w = next
	}
	for _, w := range moved {
		w.key, w.mem = k2, to.Mem
		b2.push(w)
	}
	return done, nil
}

// WakeOp changes the word at second as op says, wakes up to n1 waiters of first, and, if
// the comparison in op holds for the old value, up to n2 of second (FUTEX_WAKE_OP).
func (m *Manager) WakeOp(first, second Word, n1, n2 int, op uint32) (int, error) {
	k1, err := first.key()
	if err != nil {
		return 0, err
	}
	k2, err := second.key()
	if err != nil {
		return 0, err
	}
	if err := checkOp(op); err != nil {
		return 0, err
	}
	if _, err := second.Mem.LoadUint32(second.Addr); err != nil {
		return 0, err
	}
	b1, b2, unlock := m.lockTwo(k1, k2)
	defer unlock()
	hit, err := applyOp(second, op)
	if err != nil {
		return 0, err
	}
	woken, err := b1.wakeKey(k1, max(n1, 1), math.MaxUint32)
	if err == nil && hit {
		var more int
		more, err = b2.wakeKey(k2, max(n2, 1), math.MaxUint32)
		woken += more
	}
	return woken, err
}

// The fields of FUTEX_WAKE_OP's last argument: op, cmp, oparg and cmparg.
func opOf(op uint32) uint32   { return op >> 28 & 7 }
func cmpOf(op uint32) uint32  { return op >> 24 & 15 }
func cmpArg(op uint32) uint32 { return uint32(int32(op<<20) >> 20) }

func opArg(op uint32) uint32 {
	arg := uint32(int32(op<<8) >> 20)
	if op>>28&linux.FUTEX_OP_OPARG_SHIFT != 0 {
		return 1 << (arg & 31)
	}
	return arg
}

func checkOp(op uint32) error {
	if opOf(op) > linux.FUTEX_OP_XOR || cmpOf(op) > linux.FUTEX_OP_CMP_GE {
		return errno.ENOSYS
	}
	return nil
}

// applyOp does the operation and returns the result of the comparison.
func applyOp(f Word, op uint32) (bool, error) {
	arg := opArg(op)
	old, err := f.Mem.LoadUint32(f.Addr)
	for err == nil {
		v := old
		switch opOf(op) {
		case linux.FUTEX_OP_SET:
			v = arg
		case linux.FUTEX_OP_ADD:
			v += arg
		case linux.FUTEX_OP_OR:
			v |= arg
		case linux.FUTEX_OP_ANDN:
			v &^= arg
		case linux.FUTEX_OP_XOR:
			v ^= arg
		}
		var found uint32
		found, err = f.Mem.CompareAndSwapUint32(f.Addr, old, v)
		if err == nil && found == old {
			break
		}
		old = found
	}
	if err != nil {
		return false, err
	}
	a, b := int32(old), int32(cmpArg(op))
	switch cmpOf(op) {
	case linux.FUTEX_OP_CMP_EQ:
		return a == b, nil
	case linux.FUTEX_OP_CMP_NE:
		return a != b, nil
	case linux.FUTEX_OP_CMP_LT:
		return a < b, nil
	case linux.FUTEX_OP_CMP_LE:
		return a <= b, nil
	case linux.FUTEX_OP_CMP_GT:
		return a > b, nil
	}
	return a >= b, nil
}
