package inet

import (
	"encoding/binary"
	"net/netip"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/link"
)

// Addresses of the loopback interface.
var (
	loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	loopback6 = netip.IPv6Loopback()
	any4      = netip.IPv4Unspecified()
	any6      = netip.IPv6Unspecified()
)

const (
	sizeInet  = 16
	sizeInet6 = 28
	// minInet6 is the size of struct sockaddr_in6 without its scope (SIN6_LEN_RFC2133).
	minInet6 = 24
)

// familyOf returns the family of a struct sockaddr; EINVAL if it has none.
func familyOf(b []byte) (uint16, error) {
	if len(b) < 2 {
		return 0, errno.EINVAL
	}
	return binary.LittleEndian.Uint16(b), nil
}

// parse reads the address of a socket of family. An IPv4 address mapped into IPv6 comes out
// as IPv4.
func parse(family int32, b []byte) (netip.AddrPort, error) {
	f, err := familyOf(b)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch {
	case family == linux.AF_INET:
		if len(b) < sizeInet {
			return netip.AddrPort{}, errno.EINVAL
		}
		if f != linux.AF_INET {
			return netip.AddrPort{}, errno.EAFNOSUPPORT
		}
	case f == linux.AF_INET6:
		if len(b) < minInet6 {
			return netip.AddrPort{}, errno.EINVAL
		}
		port := binary.BigEndian.Uint16(b[2:])
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), port), nil
	default:
		if len(b) < minInet6 && f != linux.AF_INET || len(b) < sizeInet {
			return netip.AddrPort{}, errno.EINVAL
		}
		if f != linux.AF_INET {
			return netip.AddrPort{}, errno.EAFNOSUPPORT
		}
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:])), nil
}

// encode returns the struct sockaddr of an address for a socket of family.
func encode(family int32, a netip.AddrPort) []byte {
	if family == linux.AF_INET {
		b := make([]byte, sizeInet)
		binary.LittleEndian.PutUint16(b, linux.AF_INET)
		binary.BigEndian.PutUint16(b[2:], a.Port())
		if a.Addr().Is4() {
			ip := a.Addr().As4()
			copy(b[4:], ip[:])
		}
		return b
	}
	b := make([]byte, sizeInet6)
	binary.LittleEndian.PutUint16(b, linux.AF_INET6)
	binary.BigEndian.PutUint16(b[2:], a.Port())
	if a.Addr().IsValid() {
		ip := a.Addr().As16() // maps IPv4
		copy(b[8:], ip[:])
	}
	return b
}

// wildcard returns the unspecified address of a family.
func wildcard(family int32) netip.Addr {
	if family == linux.AF_INET {
		return any4
	}
	return any6
}

// local reports whether an address is one of this host.
func (st *Stack) local(a netip.Addr) bool {
	typ, _ := st.net.Links.State().Find(a)
	return typ == link.Local
}

// unicast reports whether an address is that of one host.
func (st *Stack) unicast(a netip.Addr) bool { return !a.IsMulticast() && !st.broadcast(a) }

// broadcast reports whether an address is everybody's.
func (st *Stack) broadcast(a netip.Addr) bool {
	if a == broadcast4 {
		return true
	}
	typ, _ := st.net.Links.State().Find(a)
	return typ == link.Broadcast
}

// one reports whether a socket that is bound to a speaks as a.
func (st *Stack) one(a netip.Addr) bool { return !a.IsUnspecified() && st.unicast(a) }

// bindable reports whether a socket may have an address: it is this host's, or everybody's, or
// the socket does not care (IP_FREEBIND).
func (st *Stack) bindable(o *options, a netip.Addr) bool {
	s := st.net.Links.State()
	typ, _ := s.Find(a)
	switch {
	case typ != link.Foreign, a.IsUnspecified(), a.IsMulticast(), a == broadcast4, a.Is4() && !s.Routed:
		return true
	}
	return o.foreign(a.Is6()) || st.net.Number(nonlocalBind(a.Is6()), 0) != 0
}

func nonlocalBind(v6 bool) string {
	if v6 {
		return "ipv6/ip_nonlocal_bind"
	}
	return "ipv4/ip_nonlocal_bind"
}

// mayMeet reports whether a socket bound to an address can talk to another: an IPv6 socket may be bound to
// an address of either family.
func mayMeet(bound, to netip.Addr) error {
	switch {
	case bound == any6 || bound.Is4() == to.Is4():
		return nil
	case to.Is4():
		return errno.ENETUNREACH
	}
	return errno.EAFNOSUPPORT
}

// up reports whether what is sent arrives. It does not while the loopback is down, though addresses stay.
func (st *Stack) up() bool { return st.net.Links.State().LoopbackUp() }

// route returns what an address stands for as a destination, and the source address that goes with it.
// ENETUNREACH beyond the loopback interface; EADDRNOTAVAIL over IPv6 if the host has no address.
func (st *Stack) route(a netip.Addr) (dst, src netip.Addr, err error) {
	switch {
	case a == any4:
		a = loopback4
	case a == any6:
		a = loopback6
	}
	s := st.net.Links.State()
	switch typ, src := s.Find(a); {
	case typ == link.Local:
		return a, src, nil
	case a.Is6() && !s.Six():
		return a, netip.Addr{}, errno.EADDRNOTAVAIL
	}
	return a, netip.Addr{}, errno.ENETUNREACH
}
