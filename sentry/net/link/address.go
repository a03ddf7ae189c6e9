package link

import (
	"net/netip"
	"slices"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// maxAddresses bounds the addresses of an interface, all of which each look-up may go through.
const maxAddresses = 1024

// Add gives an interface an address; EEXIST if it has it. Of IPv4, one in a network that has an address
// already is secondary.
func (t *Table) Add(index int32, a Address) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, now, err := t.change(index, func(s *State, l *Link) error {
		if len(l.Addrs) >= maxAddresses {
			return errno.ENOBUFS
		}
		at := len(l.Addrs)
		for i := range l.Addrs {
			b := &l.Addrs[i]
			switch {
			case a.Addr().Is6() && b.Addr() == a.Addr():
				return errno.EEXIST
			case a.Addr().Is6():
			case b.Prefix == a.Prefix && b.Peer == a.Peer:
				return errno.EEXIST
			case b.Network() == a.Network() && b.Flags&linux.IFA_F_SECONDARY == 0:
				a.Flags |= linux.IFA_F_SECONDARY
			}
		}
		// Those of IPv4 come first; of IPv6 those of a wider scope before others.
		for i := range l.Addrs {
			if b := &l.Addrs[i]; b.Addr().Is6() && (a.Addr().Is4() || b.Scope >= a.Scope) {
				at = i
				break
			}
		}
		a.Spread = l.Up()
		l.Addrs = slices.Insert(l.Addrs, at, a)
		if a.Addr().Is4() {
			s.Routed = true
		}
		return nil
	})
	if err == nil {
		t.tell(old, now)
	}
	return err
}

// Network is the network that an address is in.
func (a *Address) Network() netip.Prefix { return a.Peer.Masked() }

// Remove takes an address away; EADDRNOTAVAIL if the interface does not have it. With the first one of a network
// of IPv4 go its secondary ones.
func (t *Table) Remove(index int32, p netip.Prefix) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, now, err := t.change(index, func(_ *State, l *Link) error {
		i := slices.IndexFunc(l.Addrs, func(a Address) bool { return a.Prefix == p })
		if i < 0 {
			return errno.EADDRNOTAVAIL
		}
		gone := l.Addrs[i]
		l.Addrs = slices.Delete(l.Addrs, i, i+1)
		if gone.Addr().Is4() && gone.Flags&linux.IFA_F_SECONDARY == 0 {
			l.Addrs = slices.DeleteFunc(l.Addrs, func(a Address) bool {
				return a.Flags&linux.IFA_F_SECONDARY != 0 && a.Network() == gone.Network()
			})
		}
		return nil
	})
	if err == nil {
		t.tell(old, now)
	}
	return err
}

// Type says what kind of address one is in a namespace.
type Type uint8

const (
	Foreign   Type = iota // none of this namespace
	Local                 // of an interface
	Broadcast             // of a network of an interface that is up
)

// Find says what an IPv4 or IPv6 address is, and as whose packets to it come: the source, which is
// invalid for a foreign one. On a loopback all of an IPv4 network is local. Addresses of IPv4 stay local
// when an interface goes down.
func (s *State) Find(ip netip.Addr) (Type, netip.Addr) {
	typ, src, bits := Foreign, netip.Addr{}, -1
	for i := range s.Links {
		l := &s.Links[i]
		for k := range l.Addrs {
			a := &l.Addrs[k]
			if ip.Is6() {
				if a.Addr() == ip && l.Up() {
					return Local, ip
				}
				continue
			}
			if !a.Addr().Is4() {
				continue
			}
			if l.Up() && (ip == a.Broadcast || a.Bits() < 31 && a.Flags&linux.IFA_F_SECONDARY == 0 && ip == Last(a.Network())) {
				return Broadcast, a.Addr()
			}
			if a.Addr() == ip && bits < 32 {
				typ, src, bits = Local, a.Addr(), 32
				if a.Flags&linux.IFA_F_SECONDARY != 0 {
					src = l.Primary(a)
				}
			}
			if l.Flags&linux.IFF_LOOPBACK != 0 && a.Spread && a.Bits() > bits && a.Network().Contains(ip) {
				typ, src, bits = Local, a.Addr(), a.Bits()
			}
		}
	}
	return typ, src
}

// Primary returns the address that others of its network speak as.
func (l *Link) Primary(a *Address) netip.Addr {
	for i := range l.Addrs {
		if b := &l.Addrs[i]; b.Network() == a.Network() && b.Flags&linux.IFA_F_SECONDARY == 0 {
			return b.Addr()
		}
	}
	return a.Addr()
}

// First returns the first IPv4 address of an interface that is up, which is invalid if it has none.
func (s *State) First(index int32) netip.Addr {
	if l := s.ByIndex(index); l != nil && l.Up() {
		for i := range l.Addrs {
			if a := &l.Addrs[i]; a.Addr().Is4() {
				return a.Addr()
			}
		}
	}
	return netip.Addr{}
}

// Six reports whether there is an IPv6 address to speak as.
func (s *State) Six() bool {
	for i := range s.Links {
		l := &s.Links[i]
		if l.Up() && slices.ContainsFunc(l.Addrs, func(a Address) bool { return a.Addr().Is6() }) {
			return true
		}
	}
	return false
}

// Last returns the last address of an IPv4 network, that of everybody in it.
func Last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := range b {
		switch keep := p.Bits() - 8*i; {
		case keep <= 0:
			b[i] = 0xff
		case keep < 8:
			b[i] |= 0xff >> keep
		}
	}
	return netip.AddrFrom4(b)
}
