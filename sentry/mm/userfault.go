package mm

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/pagestore"
)

// Userfault is what stands behind a userfaultfd(2), Linux's userfaultfd_ctx: who touches the memory that is
// registered with it waits here until a reader of the descriptor has been told and has
// filled the page (userfaultfill.go) or undone the registration.
//
// A fault finds under MM.pageMu that it must wait, and returns a UserFault to whoever can: package
// kernel enters it here, looks again, and sleeps. So what fills a page first
// changes the page and then wakes.
type Userfault struct {
	mm       *MM           // immutable
	userOnly bool          // immutable: UFFD_USER_MODE_ONLY
	queue    wait.Queue    // of readers
	features atomic.Uint64 // UFFD_FEATURE_*; 0 before UFFDIO_API

	mu       sync.Mutex     // after all locks of MM
	waiters  []*FaultWaiter // guarded by mu: first come first
	events   []*Event       // guarded by mu
	changing int            // guarded by mu: events under way; nothing is filled meanwhile
	released bool           // guarded by mu: the descriptor is closed
}

// The ways in which a mapping is registered.
const uffdFlags = FlagUffdMissing | FlagUffdWP | FlagUffdMinor

// mark says of pages that are not present what else Linux keeps in a page table: a marker.
type mark uint8

const (
	markWP     mark = 1 + iota // write-protected as soon as it is there
	markPoison                 // whoever touches it gets SIGBUS
)

// NewUserfault returns a Userfault for m. With userOnly system calls fail where they would wait.
func (m *MM) NewUserfault(userOnly bool) *Userfault { return &Userfault{mm: m, userOnly: userOnly} }

// MM is the address space that u was made for. It may be without users.
func (u *Userfault) MM() *MM { return u.mm }

// Features returns what SetFeatures set; 0 before.
func (u *Userfault) Features() uint64 { return u.features.Load() }

// SetFeatures does the handshake of UFFDIO_API, once.
func (u *Userfault) SetFeatures(f uint64) bool {
	return u.features.CompareAndSwap(0, f|linux.UFFD_FEATURE_INITIALIZED)
}

func (u *Userfault) has(feature uint64) bool { return u.features.Load()&feature != 0 }

// Queue is what is told when there is something to read.
func (u *Userfault) Queue() *wait.Queue { return &u.queue }

// UserFault is the error of an access that must wait for a Userfault.
type UserFault struct {
	u      *Userfault
	addr   addr.Addr
	flags  uint64 // UFFD_PAGEFAULT_FLAG_*
	access platform.Prot
	by     touch
}

func (f *UserFault) Error() string { return "a userfaultfd must resolve this fault" }

// FaultWaiter is a place in the queue of a Userfault.
type FaultWaiter struct {
	fault  *UserFault
	tid    int32
	waiter wait.Waiter
	told   bool // guarded by Userfault.mu: a reader knows
	woken  bool // guarded by Userfault.mu
}

// Enter puts the task tid into the queue, for readers to find, and w will be woken. Leave it in any case.
func (f *UserFault) Enter(w wait.Waiter, tid int32) *FaultWaiter {
	n := &FaultWaiter{fault: f, tid: tid, waiter: w}
	f.u.mu.Lock()
	f.u.waiters = append(f.u.waiters, n)
	f.u.mu.Unlock()
	f.u.queue.Notify(wait.In)
	return n
}

// Over reports whether there is nothing to wait for any more: w was woken, or the descriptor is closed.
func (w *FaultWaiter) Over() bool {
	f := w.fault
	f.u.mu.Lock()
	over := w.woken || f.u.released
	f.u.mu.Unlock()
	return over
}

// Stands reports whether the access still has to wait for the same Userfault.
func (f *UserFault) Stands() bool {
	again, ok := f.u.mm.fault(f.addr, f.access, f.by).(*UserFault)
	return ok && again.u == f.u
}

// Leave takes w out of the queue.
func (w *FaultWaiter) Leave() {
	u := w.fault.u
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiters = slices.DeleteFunc(u.waiters, func(x *FaultWaiter) bool { return x == w })
}

// Wake lets those go on who wait for a page of [start, start+n) (UFFDIO_WAKE).
func (u *Userfault) Wake(start addr.Addr, n uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, w := range u.waiters {
		if at := w.fault.addr; at >= start && uint64(at-start) < n {
			w.woken = true
			w.waiter.Wake(nil, wait.In)
		}
	}
}

// Message is what a read returns: the fields of struct uffd_msg.
type Message struct {
	Event byte // UFFD_EVENT_*
	Args  [3]uint64
	// Child is the Userfault of a new process, of UFFD_EVENT_FORK.
	Child *Userfault
}

// Next returns the next message and marks it as told.
func (u *Userfault) Next() (Message, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, w := range u.waiters {
		if !w.told && !w.woken {
			w.told = true
			msg := Message{Event: linux.UFFD_EVENT_PAGEFAULT, Args: [3]uint64{w.fault.flags, uint64(w.fault.addr)}}
			if !u.has(linux.UFFD_FEATURE_EXACT_ADDRESS) {
				msg.Args[1] &^= addr.PageMask
			}
			if u.has(linux.UFFD_FEATURE_THREAD_ID) {
				msg.Args[2] = uint64(uint32(w.tid))
			}
			return msg, true
		}
	}
	if len(u.events) == 0 {
		return Message{}, false
	}
	e := u.events[0]
	u.events = slices.Delete(u.events, 0, 1)
	e.told = true
	if e.waiter != nil {
		e.waiter.Wake(nil, wait.In)
	}
	return e.msg, true
}

// Waiting returns how many faults no reader knows of, and how many there are.
func (u *Userfault) Waiting() (untold, all int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, w := range u.waiters {
		if !w.told {
			untold++
		}
	}
	return untold, len(u.waiters)
}

// Ready reports whether there is something to read.
func (u *Userfault) Ready() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.events) > 0 || slices.ContainsFunc(u.waiters, func(w *FaultWaiter) bool { return !w.told && !w.woken })
}

// Release undoes all registrations and lets everybody go: the descriptor is closed.
func (u *Userfault) Release() {
	u.mu.Lock()
	u.released = true
	u.mu.Unlock()
	if u.mm.TryIncUsers() {
		u.mm.dropUserfault(u)
		u.mm.DecUsers()
	}
	u.mu.Lock()
	var children []*Userfault
	for _, w := range u.waiters {
		w.waiter.Wake(nil, wait.In)
	}
	for _, e := range u.events {
		e.told = true
		if e.waiter != nil {
			e.waiter.Wake(nil, wait.In)
		}
		if e.msg.Child != nil {
			children = append(children, e.msg.Child)
		}
	}
	u.events = nil
	u.mu.Unlock()
	for _, c := range children {
		c.Release()
	}
}

// userfault says what else a fault at page meets, whose run is present if ok. Nil means that the
// fault goes on as any other. Preconditions: mapMu is held, and pageMu for writing.
func (m *MM) userfault(v vmEntry, page uint64, e ptEntry, ok, write bool, by touch) error {
	k, marked := m.marks.Find(page)
	if marked && k.V == markPoison {
		return BusPoisonErr
	}
	u := v.V.uffd
	if u == nil {
		return nil
	}
	flags := v.V.flags
	reason := uint64(0)
	switch {
	case ok && e.V.wp && write:
		if u.has(linux.UFFD_FEATURE_WP_ASYNC) {
			m.setWP(v, page, page+addr.PageSize, false)
			return nil
		}
		reason = linux.UFFD_PAGEFAULT_FLAG_WP
	case ok:
		return nil
	default:
		wp := marked && write && !u.has(linux.UFFD_FEATURE_WP_ASYNC)
		store, shmem := v.V.mappable().(*pagestore.Store)
		there, inFile := false, true
		if shmem {
			there, inFile = store.Holds(v.OffAt(page))
		}
		switch {
		case !inFile:
			return nil // SIGBUS
		case there && flags&FlagUffdMinor != 0:
			reason = linux.UFFD_PAGEFAULT_FLAG_MINOR
		case !there && flags&FlagUffdMissing != 0 && (shmem || v.V.mappable() == nil):
		case wp:
			reason = linux.UFFD_PAGEFAULT_FLAG_WP
		default:
			if marked && write {
				m.marks.Cut(page, page+addr.PageSize, nil) // asynchronous: the write is noted so
			}
			return nil
		}
	}
	switch {
	case u.has(linux.UFFD_FEATURE_SIGBUS), by == byForce, by == bySentry && u.userOnly:
		return BusAdrErr
	}
	access := platform.Read
	if write {
		reason |= linux.UFFD_PAGEFAULT_FLAG_WRITE
		access = platform.Write
	}
	return &UserFault{u: u, flags: reason, access: access, by: by}
}

// alone narrows [lo, hi), what a fault may bring in around page: nothing else where somebody wants to hear of each
// touch, and nothing that is marked.
func (m *MM) alone(v vmEntry, page, lo, hi uint64) (uint64, uint64) {
	k, ok := m.marks.Next(page)
	if v.V.uffd != nil || ok && k.Start <= page {
		return page, page + addr.PageSize
	}
	if ok {
		hi = min(hi, k.Start)
	}
	if k, ok = m.marks.Prev(page); ok {
		lo = max(lo, k.End)
	}
	return lo, hi
}

// protectMarked write-protects page, which was just brought in, if it is marked so, and returns its run.
func (m *MM) protectMarked(v vmEntry, e ptEntry, page uint64) ptEntry {
	if _, marked := m.marks.Find(page); !marked {
		return e
	}
	m.marks.Cut(page, page+addr.PageSize, nil)
	m.setWP(v, page, page+addr.PageSize, true)
	e, _ = m.ptes.Find(page)
	return e
}

// setWP sets or takes away the write protection of the present pages of [start, end) in v.
// Preconditions: pageMu is held for writing.
func (m *MM) setWP(v vmEntry, start, end uint64, wp bool) {
	var buf [8]ptEntry
	for _, e := range m.ptes.Cut(start, end, buf[:0]) {
		e.V.wp = wp
		m.ptes.Insert(e)
	}
	m.protectPages(v.Clip(start, end))
}

// WriteProtected reports whether a Userfault forbids to write to the page at a.
func (m *MM) WriteProtected(a addr.Addr) bool {
	if !m.Watched() {
		return false
	}
	m.pageMu.RLock()
	defer m.pageMu.RUnlock()
	if e, ok := m.ptes.Find(uint64(a)); ok {
		return e.V.wp
	}
	k, ok := m.marks.Find(uint64(a))
	return ok && k.V == markWP
}

// Watched reports whether a Userfault looks, or looked, after memory of m.
func (m *MM) Watched() bool { return m.userfaults.Load() }

// Resolve brings in the page at a for a system call, as CopyIn and the like do on their way. Those answer
// EFAULT where this returns a *UserFault: who can sleep asks here, waits, and tries again. Nil
// means that the access may succeed now.
func (m *MM) Resolve(a addr.Addr, access platform.Prot) error {
	if !m.Watched() {
		return errno.EFAULT
	}
	return m.fault(a, access, bySentry)
}

// dropUserfault undoes all registrations with u.
func (m *MM) dropUserfault(u *Userfault) {
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	for _, v := range m.vmas.Append(nil, 0, maxAddr) {
		if v.V.uffd == u {
			m.setUserfault(v.Start, v.End, nil, 0)
		}
	}
}

// setUserfault registers the mappings of [start, end), which have no holes, with u in the ways of flags, or with nil
// undoes that. Preconditions: mapMu is held for writing.
func (m *MM) setUserfault(start, end uint64, u *Userfault, flags VMAFlags) error {
	return m.changeVMAs(start, end, func(v *vmEntry) error {
		old := v.V.flags
		v.V.uffd, v.V.flags = u, v.V.flags&^uffdFlags|flags
		m.pageMu.Lock()
		defer m.pageMu.Unlock()
		if old&FlagUffdWP != 0 && flags&FlagUffdWP == 0 {
			m.unprotect(*v)
		}
		if flags&^old&(FlagUffdMissing|FlagUffdMinor) != 0 {
			m.forgetAhead(*v)
		}
		m.drainLocked()
		return nil
	})
}

// unprotect takes all write protection from v, present or marked.
func (m *MM) unprotect(v vmEntry) {
	m.setWP(v, v.Start, v.End, false)
	for _, k := range m.marks.Cut(v.Start, v.End, nil) {
		if k.V != markWP {
			m.marks.Insert(k)
		}
	}
}

// forgetAhead drops from v what faults brought in around what was touched: who registers memory wants to hear of the
// first touch. Of private memory it is not known what was touched; what holds
// nothing but zeros is taken not to be.
func (m *MM) forgetAhead(v vmEntry) {
	if store, ok := v.V.mappable().(*pagestore.Store); ok {
		store.SetExact()
		m.dropPages(v.Start, v.End, false)
		return
	}
	for _, e := range m.ptes.Append(nil, v.Start, v.End) {
		e = e.Clip(v.Start, v.End)
		b, err := m.mf.Bytes(e.Off, e.Len(), false)
		if err != nil || !e.V.owned {
			continue
		}
		for at := e.Start; at < e.End; {
			end := at
			for end < e.End && bytes.Equal(b[end-e.Start:][:addr.PageSize], zeroPage[:]) {
				end += addr.PageSize
			}
			if end > at {
				m.cutPtes(at, end)
			}
			at = end + addr.PageSize
		}
	}
}

var zeroPage [addr.PageSize]byte
