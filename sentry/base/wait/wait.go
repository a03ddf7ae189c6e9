// Package wait lets something be waited for: a Queue holds Entries, and whoever
// changes the state calls Notify with what became ready.
//
// The rule that loses no wake-up: register first, then look at the state, then
// sleep. A Queue says nothing about the state itself.
//
// Lock order: Queue.mu is a leaf, but for what a Waiter's Wake takes.
package wait

import (
	"sync"
	"sync/atomic"
)

// Mask is a set of POLL* conditions (poll(2)); their numbers are Linux's.
type Mask uint32

const (
	In     Mask = 0x001
	Pri    Mask = 0x002
	Out    Mask = 0x004
	Err    Mask = 0x008
	Hup    Mask = 0x010
	RdNorm Mask = 0x040
	RdBand Mask = 0x080
	WrNorm Mask = 0x100
	WrBand Mask = 0x200
	Msg    Mask = 0x400
	RdHup  Mask = 0x2000

	// Always is what every waiter is told, asked for or not.
	Always = Err | Hup
	// All is every condition.
	All = In | Pri | Out | Err | Hup | RdNorm | RdBand | WrNorm | WrBand | RdHup
)

// Waiter is woken through an Entry.
type Waiter interface {
	// Wake is called with the queue's lock held: it must be brief, must not block
	// and must not call the queue.
	Wake(e *Entry, ready Mask)
}

// Entry is one waiter's place in one Queue. The zero value, with Waiter and Mask
// set, can be registered; after Unregister it can be used again.
type Entry struct {
	Waiter Waiter
	Mask   Mask
	// Exclusive entries stand behind the others and only the first of them whose
	// mask matches is woken (EPOLLEXCLUSIVE, accept).
	Exclusive bool
	// Pass is set by the Wake of an exclusive entry that does not take the wake-up, so that the
	// next exclusive entry is woken, too.
	Pass bool
	// Key is for the waiter's own use, such as an index.
	Key uint64

	next, prev *Entry
	queue      *Queue
}

// Queue is a list of waiters. The zero value is ready.
type Queue struct {
	// entries counts what is registered, so that telling nobody takes no lock.
	entries atomic.Int32

	mu         sync.Mutex
	head, tail *Entry // guarded by mu
}

// Register adds e, which must not be registered anywhere.
func (q *Queue) Register(e *Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.queue != nil {
		panic("wait: entry registered twice")
	}
	e.queue = q
	q.entries.Add(1)
	if e.Exclusive || q.head == nil {
		e.prev, e.next = q.tail, nil
		if q.tail != nil {
			q.tail.next = e
		} else {
			q.head = e
		}
		q.tail = e
		return
	}
	e.prev, e.next = nil, q.head
	q.head.prev = e
	q.head = e
}

// Unregister removes e. When it returns, no Wake for e is under way. It does
// nothing if e is not registered here.
func (q *Queue) Unregister(e *Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.queue != q {
		return
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.tail = e.prev
	}
	e.next, e.prev, e.queue = nil, nil, nil
	q.entries.Add(-1)
}

// Notify wakes every entry that waits for one of ready, and one exclusive entry.
func (q *Queue) Notify(ready Mask) {
	if q.entries.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for e := q.head; e != nil; e = e.next {
		if (e.Mask|Always)&ready == 0 {
			continue
		}
		e.Pass = false
		e.Waiter.Wake(e, ready)
		if e.Exclusive && !e.Pass {
			return
		}
	}
}

// Empty reports whether nobody waits, as a hint.
func (q *Queue) Empty() bool { return q.entries.Load() == 0 }
