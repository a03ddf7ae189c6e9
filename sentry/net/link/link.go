// Package link holds the interfaces of a network namespace and what their addresses make local
// (netdevice(7), ip-address(8)).
//
//	Table    the interfaces of one namespace, and who is told of changes
//	State    all of them at one moment, which never changes
//	Link     one interface
//	Address  an address of an interface
//	Route    how a destination is reached
//
// There is one interface so far, the loopback: whatever is reached is reached within the namespace. Readers
// take a State and need no lock; writers make a new one.
//
// Lock order: Table.mu, then those of the Watcher.
package link

import (
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Loopback is the index of the loopback interface, which every namespace has, and Name how it is called.
const (
	Loopback = 1
	Name     = "lo"
)

// Link is an interface. Immutable as part of a State.
type Link struct {
	Index     int32
	Name      string
	Kind      uint16 // ARPHRD_*
	Flags     uint32 // IFF_* that were set, without those that follow from them
	MTU       uint32
	Queue     uint32 // length of the transmit queue
	Queued    bool   // it was up once and has got a queueing discipline
	Hardware  [6]byte
	Broadcast [6]byte
	Addrs     []Address // in the order in which they are told
}

// Address is an address of an interface with the length of its network's prefix.
type Address struct {
	netip.Prefix
	Peer      netip.Prefix // whose network it is: the address itself, unless IFA_ADDRESS said otherwise
	Broadcast netip.Addr   // of IPv4, if valid
	Scope     uint8
	Flags     uint32 // IFA_F_*
	Label     string // of IPv4
	// Spread says that the interface was up since it has the address: before, Linux takes of an IPv4 network
	// only the address itself for local.
	Spread bool
}

// State is the interfaces of a namespace. Immutable.
type State struct {
	Links []Link
	// Routed says that there has been an address of IPv4. Before that, Linux has no table of local
	// addresses and takes every one for a broadcast address.
	Routed bool
}

// Watcher is told of changes, in order.
type Watcher interface {
	// Changed tells of an interface that was old.
	Changed(old, now *Link)
}

// Table is the interfaces of one namespace.
type Table struct {
	mu      sync.Mutex // serializes changes
	state   atomic.Pointer[State]
	watcher Watcher // may be nil; set before the first change
}

// NewTable returns the interfaces of a new namespace: the loopback, which is down.
func NewTable() *Table {
	t := &Table{}
	t.state.Store(&State{Links: []Link{{
		Index: Loopback, Name: Name, Kind: linux.ARPHRD_LOOPBACK, Flags: linux.IFF_LOOPBACK, MTU: 65536, Queue: 1000,
	}}})
	return t
}

// Watch makes w the one who is told of changes.
func (t *Table) Watch(w Watcher) { t.watcher = w }

// State returns the interfaces as they are.
func (t *Table) State() *State { return t.state.Load() }

// ByIndex and ByName return an interface, nil if there is none.
func (s *State) ByIndex(i int32) *Link {
	for k := range s.Links {
		if s.Links[k].Index == i {
			return &s.Links[k]
		}
	}
	return nil
}

func (s *State) ByName(name string) *Link {
	for k := range s.Links {
		if s.Links[k].Name == name {
			return &s.Links[k]
		}
	}
	return nil
}

// LoopbackUp reports whether what the namespace sends to itself arrives.
func (s *State) LoopbackUp() bool { return s.ByIndex(Loopback).Up() }

// Up reports whether the interface is in use.
func (l *Link) Up() bool { return l.Flags&linux.IFF_UP != 0 }

// Told returns the flags as programs are told: a loopback that is up has a carrier, too.
func (l *Link) Told() uint32 {
	if l.Up() {
		return l.Flags | linux.IFF_RUNNING | linux.IFF_LOWER_UP
	}
	return l.Flags
}

// settable are the flags that can be changed (dev_change_flags in Linux).
const settable = linux.IFF_UP | linux.IFF_DEBUG | linux.IFF_NOTRAILERS | linux.IFF_NOARP | linux.IFF_DYNAMIC |
	linux.IFF_MULTICAST | linux.IFF_PORTSEL | linux.IFF_AUTOMEDIA | linux.IFF_PROMISC | linux.IFF_ALLMULTI

// change replaces the interface of an index by what fn makes of a copy. Nothing happens if fn fails.
func (t *Table) change(index int32, fn func(s *State, l *Link) error) (old, now *Link, err error) {
	s := *t.state.Load()
	s.Links = slices.Clone(s.Links)
	i := slices.IndexFunc(s.Links, func(l Link) bool { return l.Index == index })
	if i < 0 {
		return nil, nil, errno.ENODEV
	}
	was := s.Links[i]
	l := was
	l.Addrs = slices.Clone(l.Addrs)
	if err := fn(&s, &l); err != nil {
		return nil, nil, err
	}
	s.Links[i] = l
	t.state.Store(&s)
	return &was, &s.Links[i], nil
}

// SetFlags gives an interface those of flags that mask names. A loopback that comes up has its addresses, and loses
// those of IPv6 when it goes down.
func (t *Table) SetFlags(index int32, flags, mask uint32) error {
	mask &= settable
	t.mu.Lock()
	defer t.mu.Unlock()
	old, now, err := t.change(index, func(s *State, l *Link) error {
		was := l.Up()
		l.Flags = l.Flags&^mask | flags&mask
		switch {
		case l.Up() && !was:
			l.Queued = true
			s.Routed = true
			if !slices.ContainsFunc(l.Addrs, func(a Address) bool { return a.Addr().Is4() }) {
				l.Addrs = append([]Address{permanent("127.0.0.1/8", l.Name)}, l.Addrs...)
			}
			if one := permanent("::1/128", ""); !l.Holds(&one) {
				l.Addrs = append(l.Addrs, one)
			}
		case !l.Up() && was:
			l.Addrs = slices.DeleteFunc(l.Addrs, func(a Address) bool { return a.Addr().Is6() })
		}
		for i := range l.Addrs {
			l.Addrs[i].Spread = l.Addrs[i].Spread || l.Up()
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.tell(old, now)
	return nil
}

func permanent(p, label string) Address {
	a := Address{Prefix: netip.MustParsePrefix(p), Scope: linux.RT_SCOPE_HOST, Flags: linux.IFA_F_PERMANENT, Label: label}
	a.Peer = a.Prefix
	return a
}

func (t *Table) tell(old, now *Link) {
	if t.watcher != nil {
		t.watcher.Changed(old, now)
	}
}

// Holds reports whether the interface has an address.
func (l *Link) Holds(a *Address) bool {
	return slices.ContainsFunc(l.Addrs, func(b Address) bool { return a.Prefix == b.Prefix && a.Peer == b.Peer })
}

// SetMTU changes how much a packet holds; EINVAL for what no packet can be.
func (t *Table) SetMTU(index int32, mtu int32) error {
	if mtu < 0 {
		return errno.EINVAL
	}
	return t.set(index, func(l *Link) { l.MTU = uint32(mtu) })
}

// SetQueue changes the length of the transmit queue, which a loopback does not use.
func (t *Table) SetQueue(index int32, n uint32) error {
	if n > math.MaxInt32 {
		return errno.ERANGE
	}
	return t.set(index, func(l *Link) { l.Queue = n })
}

func (t *Table) set(index int32, fn func(l *Link)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, now, err := t.change(index, func(_ *State, l *Link) error { fn(l); return nil })
	if err == nil {
		t.tell(old, now)
	}
	return err
}
