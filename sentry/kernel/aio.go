package kernel

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/fs/eventfd"
	"ringfence/sentry/memfile"
	"ringfence/sentry/mm"
	"ringfence/sentry/pagestore"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// This file and aiowork.go are io_setup(2) and its relatives. A context belongs to an address space and goes with
// its last task. Requests end in a ring of events that lies in guest memory, where the guest may take events itself:
// what it writes there can cost it events, but nobody else anything.
//
// Lock order: aioTable.mu and AIOContext.mu come after all others and are not held together; aioWorkers.mu is a leaf.

// defaultAIOMax is what Kernel.AIOMax begins with.
const defaultAIOMax = 65536

// aioTable is the contexts of an address space.
type aioTable struct {
	users atomic.Int64 // tasks in the address space

	mu       sync.Mutex
	contexts map[addr.Addr]*AIOContext
}

func newAIOTable() *aioTable {
	t := &aioTable{}
	t.users.Store(1)
	return t
}

// AIOContext is what an aio_context_t stands for.
type AIOContext struct {
	// Immutable.
	k    *Kernel
	id   addr.Addr // where the ring is mapped
	ring *aioRing
	nr   uint32 // events that the ring has room for
	max  uint32 // what io_setup asked for

	// events tells of events in the ring, of requests that end, and of the end of the context.
	events wait.Queue

	mu       sync.Mutex
	dead     bool
	tail     uint32 // of the ring; the guest can change only its copy
	inFlight int    // requests that have not ended
	polls    map[*aioPoll]struct{}
}

// aioRing is the memory of a ring, a struct aio_ring and its events. It implements mm.FileRef.
type aioRing struct {
	refs     atomic.Int64
	store    *pagestore.Store
	dev, ino uint64
}

func (r *aioRing) IncRef() { r.refs.Add(1) }
func (r *aioRing) DecRef() {
	if r.refs.Add(-1) == 0 {
		r.store.Release()
	}
}
func (r *aioRing) MapName() string              { return "/[aio] (deleted)" }
func (r *aioRing) MapDevIno() (dev, ino uint64) { return r.dev, r.ino }

// Layout of struct aio_ring (fs/aio.c).
const (
	aioRingHead   = 8
	aioRingTail   = 12
	aioRingHeader = 32
	aioRingMagic  = 0xa10a10a1
	aioEventSize  = 32
)

func (r *aioRing) load(off uint64) uint32 {
	var b [4]byte
	s := usermem.FromBytes(b[:])
	r.store.Read(&s, off)
	return binary.LittleEndian.Uint32(b[:])
}

func (r *aioRing) save(off uint64, v uint32) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], v)
	s := usermem.FromBytes(b[:])
	r.store.Write(&s, off)
}

// SetupAIO is io_setup(2): it makes a context for n requests at least.
func (t *Task) SetupAIO(n uint32) (*AIOContext, error) {
	k := t.k
	// Linux keeps a reserve for every CPU.
	events := max(n, uint32(4*k.CPUs)) * 2
	if events > 0x10000000/aioEventSize {
		return nil, errno.EINVAL
	}
	if int64(n) > k.AIOMax.Load() {
		return nil, errno.EAGAIN
	}
	size, _ := addr.PageRoundUp(aioRingHeader + aioEventSize*uint64(events+2))
	c := &AIOContext{k: k, nr: uint32((size - aioRingHeader) / aioEventSize), max: n, polls: make(map[*aioPoll]struct{})}
	c.ring = &aioRing{store: pagestore.NewSized(k.MemFile, memfile.Shared, size), dev: k.aio.dev, ino: k.aio.inos.Add(1)}
	c.ring.refs.Store(1)
	defer c.ring.DecRef() // the mapping and the table have their own
	// All of it at once, so that a completion never lacks memory.
	if err := c.ring.store.Allocate(0, size, true); err != nil {
		return nil, errno.ENOMEM
	}
	if k.aio.requests.Add(int64(n)) > k.AIOMax.Load() {
		k.aio.requests.Add(-int64(n))
		return nil, errno.EAGAIN
	}
	for i, v := range []uint32{0, c.nr, 0, 0, aioRingMagic, 1, 0, aioRingHeader} {
		c.ring.save(uint64(4*i), v)
	}
	rw := platform.Read | platform.Write
	at, err := t.mm.Map(mm.MapOpts{Length: size, Prot: rw, MaxProt: rw, Mappable: c.ring.store, File: c.ring})
	if err != nil {
		k.aio.requests.Add(-int64(n))
		return nil, err
	}
	c.id = at
	c.ring.IncRef()
	tb := t.aio
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if old := tb.contexts[at]; old != nil {
		// The guest unmapped the ring of another context, whose number now means this one.
		for id := at; ; id++ {
			if tb.contexts[id] == nil {
				tb.contexts[id] = old
				break
			}
		}
	}
	if tb.contexts == nil {
		tb.contexts = make(map[addr.Addr]*AIOContext)
	}
	tb.contexts[at] = c
	return c, nil
}

// ID returns the number by which the guest knows the context.
func (c *AIOContext) ID() addr.Addr { return c.id }

// Room returns how many events the ring can hold.
func (c *AIOContext) Room() uint32 { return c.nr }

// AIO finds a context; EINVAL if there is none.
func (t *Task) AIO(id addr.Addr) (*AIOContext, error) {
	t.aio.mu.Lock()
	defer t.aio.mu.Unlock()
	if c := t.aio.contexts[id]; c != nil && c.id == id {
		return c, nil
	}
	return nil, errno.EINVAL
}

// DestroyAIO is io_destroy(2): it cancels what can be canceled and waits for the rest.
func (t *Task) DestroyAIO(id addr.Addr) error {
	c, err := t.AIO(id)
	if err != nil {
		return err
	}
	t.aio.mu.Lock()
	gone := t.aio.contexts[id] != c
	if !gone {
		delete(t.aio.contexts, id)
	}
	t.aio.mu.Unlock()
	if gone {
		return errno.EINVAL
	}
	t.endAIO(c)
	size, _ := addr.PageRoundUp(aioRingHeader + aioEventSize*uint64(c.nr))
	t.mm.Unmap(c.id, size, nil)
	return nil
}

// endAIO ends a context that nobody finds any more.
func (t *Task) endAIO(c *AIOContext) {
	c.mu.Lock()
	c.dead = true
	polls := c.polls
	c.polls = nil
	c.mu.Unlock()
	for p := range polls {
		p.finish(0)
	}
	t.k.aio.cancel(c)
	e := wait.Entry{Waiter: t, Mask: wait.All}
	c.events.Register(&e)
	for c.busy() {
		t.setBlocked(true)
		<-t.blocker.token
		t.setBlocked(false)
	}
	c.events.Unregister(&e)
	c.events.Notify(wait.In)
	t.k.aio.requests.Add(-int64(c.max))
	c.ring.DecRef()
}

func (c *AIOContext) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inFlight > 0
}

// dropAIO lets go of the contexts of an address space that the task is about to leave.
func (t *Task) dropAIO(tb *aioTable) {
	if tb.users.Add(-1) > 0 {
		return
	}
	tb.mu.Lock()
	all := tb.contexts
	tb.contexts = nil
	tb.mu.Unlock()
	for _, c := range all {
		t.endAIO(c)
	}
}

// AIORequest is a request from its submission to its event.
type AIORequest struct {
	c         *AIOContext
	data, obj uint64
	notify    *vfs.File // an eventfd, or nil
}

// Begin takes a place in the ring for the event of a request: EAGAIN if there is none.
func (c *AIOContext) Begin(data, obj uint64) (*AIORequest, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return nil, errno.EINVAL
	}
	if uint32(c.inFlight)+c.waitingLocked(c.headLocked()) >= c.nr-1 {
		return nil, errno.EAGAIN
	}
	c.inFlight++
	return &AIORequest{c: c, data: data, obj: obj}, nil
}

// NotifyTo makes the request count up an eventfd when it ends (IOCB_FLAG_RESFD); it takes over the reference to f. EINVAL if f
// is none.
func (r *AIORequest) NotifyTo(f *vfs.File) error {
	if _, ok := f.Ops.(*eventfd.EventFD); !ok {
		f.DecRef()
		return errno.EINVAL
	}
	r.notify = f
	return nil
}

// Abort ends a request that was not accepted: there is no event.
func (r *AIORequest) Abort() { r.end(nil) }

// Complete ends a request with an event.
func (r *AIORequest) Complete(res int64) {
	r.end(&linux.IOEvent{Data: r.data, Obj: r.obj, Result: res})
}

func (r *AIORequest) end(ev *linux.IOEvent) {
	c := r.c
	c.mu.Lock()
	if ev != nil && !c.dead {
		b := make([]byte, aioEventSize)
		ev.MarshalBytes(b)
		s := usermem.FromBytes(b)
		c.ring.store.Write(&s, aioRingHeader+aioEventSize*uint64(c.tail))
		c.tail = (c.tail + 1) % c.nr
		c.ring.save(aioRingTail, c.tail)
	}
	c.inFlight--
	c.mu.Unlock()
	if r.notify != nil {
		if ev != nil {
			r.notify.Ops.(*eventfd.EventFD).Add(1)
		}
		r.notify.DecRef()
	}
	c.events.Notify(wait.In)
}

// headLocked returns where the events begin that have not been taken, as the guest may have written it.
func (c *AIOContext) headLocked() uint32 { return c.ring.load(aioRingHead) % c.nr }

func (c *AIOContext) waitingLocked(head uint32) uint32 { return (c.tail + c.nr - head) % c.nr }

// peek returns at most n events and where they begin.
func (c *AIOContext) peek(n int) (events []byte, head uint32, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return nil, 0, errno.EINVAL
	}
	head = c.headLocked()
	k := min(n, int(c.waitingLocked(head)))
	events = make([]byte, k*aioEventSize)
	first := min(k, int(c.nr-head)) * aioEventSize
	s := usermem.FromBytes(events[:first])
	c.ring.store.Read(&s, aioRingHeader+aioEventSize*uint64(head))
	s = usermem.FromBytes(events[first:])
	c.ring.store.Read(&s, aioRingHeader)
	return events, head, nil
}

// taken moves the head past n events; false if another thread was first.
func (c *AIOContext) taken(head, n uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || c.headLocked() != head {
		return false
	}
	c.ring.save(aioRingHead, (head+n)%c.nr)
	return true
}

// takeAIO copies at most n events to a and returns how many.
func (t *Task) takeAIO(c *AIOContext, n int, a addr.Addr) (int, error) {
	for n > 0 {
		b, head, err := c.peek(min(n, 128))
		if err != nil || len(b) == 0 {
			return 0, err
		}
		if err := t.CopyOut(a, b); err != nil {
			return 0, err
		}
		if c.taken(head, uint32(len(b)/aioEventSize)) {
			return len(b) / aioEventSize, nil
		}
	}
	return 0, nil
}

// GetAIO is io_getevents(2): it waits for least events until deadline (see BlockUntil) and copies at most n to a. It does not
// wait at all if now. An error is for who got no event.
func (t *Task) GetAIO(c *AIOContext, least, n int64, a addr.Addr, deadline int64, now bool) (int64, error) {
	e := wait.Entry{Waiter: t, Mask: wait.In}
	c.events.Register(&e)
	defer c.events.Unregister(&e)
	got := int64(0)
	for {
		k, err := t.takeAIO(c, int(min(n-got, int64(c.nr))), a+addr.Addr(got*aioEventSize))
		got += int64(k)
		switch {
		case err != nil && got == 0:
			return 0, err
		case err != nil:
			return got, nil
		case k > 0 && got < n:
			continue
		case got >= least || now:
			return got, nil
		}
		switch err := t.BlockUntil(deadline); {
		case err == nil:
		case got > 0 || err == errno.ETIMEDOUT:
			return got, nil
		default:
			return 0, errno.EINTR
		}
	}
}
