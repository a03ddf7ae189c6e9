package mm

import (
	"slices"

	"ringfence/abi/addr"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

// Event is a change of mappings that a Userfault asked to be told of. Who made the change waits until a reader
// knows of it, for which see Events.
type Event struct {
	u      *Userfault
	msg    Message
	waiter wait.Waiter // guarded by u.mu
	told   bool        // guarded by u.mu
}

// Events collects what a call changed. The caller has each told without locks: Post, sleep until
// Over, Leave. Nil collects nothing, and then nobody is told.
type Events struct{ List []*Event }

// add notes an event for u. While it is under way, u fills nothing.
func (ev *Events) add(u *Userfault, e Event) {
	if ev == nil {
		return
	}
	e.u = u
	u.mu.Lock()
	u.changing++
	u.mu.Unlock()
	ev.List = append(ev.List, &e)
}

// Post lets readers find e; w is woken when one did.
func (e *Event) Post(w wait.Waiter) {
	e.u.mu.Lock()
	e.waiter = w
	if e.u.released {
		e.told = true
	} else {
		e.u.events = append(e.u.events, e)
	}
	e.u.mu.Unlock()
	e.u.queue.Notify(wait.In)
}

// Over reports whether nothing is to be waited for any more.
func (e *Event) Over() bool {
	e.u.mu.Lock()
	defer e.u.mu.Unlock()
	return e.told
}

// Leave ends e, heard or not.
func (e *Event) Leave() {
	u := e.u
	u.mu.Lock()
	u.events = slices.DeleteFunc(u.events, func(x *Event) bool { return x == e })
	unheard := e.msg.Child != nil && (!e.told || u.released)
	u.changing--
	u.mu.Unlock()
	if unheard {
		e.msg.Child.Release()
	}
}

// unmapped notes that v, in whole or in part, goes with [start, end).
func (ev *Events) unmapped(v vmEntry, start, end uint64) {
	u := v.V.uffd
	if u == nil || ev == nil || !u.has(linux.UFFD_FEATURE_EVENT_UNMAP) {
		return
	}
	msg := Message{Event: linux.UFFD_EVENT_UNMAP, Args: [3]uint64{start, end}}
	if !slices.ContainsFunc(ev.List, func(e *Event) bool { return e.u == u && e.msg == msg }) {
		ev.add(u, Event{msg: msg})
	}
}

// remapped notes that n bytes of v moved, and reports whether they stay registered.
func (ev *Events) remapped(v vmEntry, from, to, n uint64) bool {
	u := v.V.uffd
	if u == nil || ev == nil || !u.has(linux.UFFD_FEATURE_EVENT_REMAP) {
		return false
	}
	ev.add(u, Event{msg: Message{Event: linux.UFFD_EVENT_REMAP, Args: [3]uint64{from, to, n}}})
	return true
}

// AnnounceRemoval collects whom to tell, before it happens, that Advise is going to drop pages of [a, a+n).
func (m *MM) AnnounceRemoval(a addr.Addr, n uint64, advice int32, ev *Events) {
	if !m.Watched() || advice != linux.MADV_DONTNEED && advice != linux.MADV_FREE &&
		advice != linux.MADV_REMOVE && advice != linux.MADV_DONTNEED_LOCKED {
		return
	}
	start, end, err := adviceRange(a, n)
	if err != nil {
		return
	}
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	m.vmas.Ascend(start, end, func(v vmEntry) bool {
		if u := v.V.uffd; u != nil && u.has(linux.UFFD_FEATURE_EVENT_REMOVE) {
			v = v.Clip(start, end)
			ev.add(u, Event{msg: Message{Event: linux.UFFD_EVENT_REMOVE, Args: [3]uint64{v.Start, v.End}}})
		}
		return true
	})
}

// forked gives c, a child that starts with a copy of v, a Userfault of its own if v's wants to hear of children.
// known holds those made so far. Nil if c's memory is not registered.
func (ev *Events) forked(v vmEntry, c *MM, known map[*Userfault]*Userfault) *Userfault {
	u := v.V.uffd
	if u == nil || ev == nil || !u.has(linux.UFFD_FEATURE_EVENT_FORK) {
		return nil
	}
	n := known[u]
	if n == nil {
		n = c.NewUserfault(u.userOnly)
		n.features.Store(u.features.Load())
		known[u] = n
		ev.add(u, Event{msg: Message{Event: linux.UFFD_EVENT_FORK, Child: n}})
	}
	return n
}
