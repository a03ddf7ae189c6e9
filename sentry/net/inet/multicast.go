package inet

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/link"
	"ringfence/sentry/net/socket"
)

var (
	broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	allHosts4  = netip.AddrFrom4([4]byte{224, 0, 0, 1}) // every host is in this group
)

// Limits on the groups of a socket and the sources of a group (net.ipv4.igmp_max_memberships, igmp_max_msf).
const (
	maxGroups  = 20
	maxSources = 10
)

// membership is a socket's place in a group of the loopback interface.
type membership struct {
	include bool         // only sources are heard, else all others
	sources []netip.Addr // nil: none was ever named
}

func (m *membership) hears(src netip.Addr) bool { return slices.Contains(m.sources, src) == m.include }

// route returns what an address stands for as a destination of a socket with these options, and the source
// that goes with it. To groups and to everybody there is a way only if the socket names an interface,
// as the loopback has no routes for them.
func (o *options) route(st *Stack, a, bound netip.Addr, b *socket.Base) (dst, src netip.Addr, err error) {
	if st.unicast(a) {
		return st.route(a)
	}
	opts := b.Options()
	named := opts.Device != "" || st.one(bound) || a.IsMulticast() && o.multicastIf
	first := st.net.Links.State().First(socket.LoopbackIndex)
	typ, src := st.net.Links.State().Find(a)
	switch {
	case a.Is6() && !st.net.Links.State().Six():
		return a, netip.Addr{}, errno.EADDRNOTAVAIL
	case a.Is6(), typ != link.Broadcast && !named, !first.IsValid():
		return a, netip.Addr{}, errno.ENETUNREACH
	case !a.IsMulticast() && !opts.Broadcast:
		return a, netip.Addr{}, errno.EACCES
	case a.IsMulticast() && o.multicastAddr.IsValid():
		return a, o.multicastAddr, nil
	case typ == link.Broadcast:
		return a, src, nil
	}
	return a, first, nil
}

// hears reports whether a socket hears what src sends to a group. Preconditions: the socket's mu.
func (o *options) hears(src, dst netip.Addr) bool {
	if m := o.groups[dst]; m != nil {
		return m.hears(src)
	}
	if dst.Is6() {
		return o.value(linux.SOL_IPV6, linux.IPV6_MULTICAST_ALL) != 0
	}
	return o.value(linux.SOL_IP, linux.IP_MULTICAST_ALL) != 0
}

// joined reports whether the host is in a group: somebody is.
func (st *Stack) joined(a netip.Addr) bool {
	if a == allHosts4 {
		return true
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.groups[a] > 0
}

// leaveAll ends the memberships of a socket that closes. Preconditions: the socket's mu.
func (o *options) leaveAll(st *Stack) {
	for a := range o.groups {
		o.leave(st, a)
	}
}

func (o *options) join(st *Stack, a netip.Addr, m *membership) error {
	switch {
	case o.groups[a] != nil:
		return errno.EADDRINUSE
	case len(o.groups) >= maxGroups:
		return errno.ENOBUFS
	}
	if o.groups == nil {
		o.groups = make(map[netip.Addr]*membership)
	}
	o.groups[a] = m
	st.mu.Lock()
	defer st.mu.Unlock()
	st.groups[a]++
	return nil
}

func (o *options) leave(st *Stack, a netip.Addr) error {
	if o.groups[a] == nil {
		return errno.EADDRNOTAVAIL
	}
	delete(o.groups, a)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.groups[a]--; st.groups[a] == 0 {
		delete(st.groups, a)
	}
	return nil
}

// setGroup sets the options of multicast that are not mere integers; ok says that it is one of them.
// Preconditions: the socket's mu.
func (o *options) setGroup(st *Stack, family, level, name int32, v []byte) (ok bool, err error) {
	switch level {
	case linux.SOL_IP:
		switch name {
		case linux.IP_ADD_MEMBERSHIP, linux.IP_DROP_MEMBERSHIP:
			return true, o.setMembership4(st, name == linux.IP_ADD_MEMBERSHIP, v)
		case linux.IP_ADD_SOURCE_MEMBERSHIP, linux.IP_DROP_SOURCE_MEMBERSHIP, linux.IP_BLOCK_SOURCE, linux.IP_UNBLOCK_SOURCE:
			return true, o.setSource4(st, name, v)
		case linux.IP_MULTICAST_IF:
			return true, o.setInterface4(st, v)
		}
	case linux.SOL_IPV6:
		if family != linux.AF_INET6 {
			return false, nil
		}
		switch name {
		case linux.IPV6_ADD_MEMBERSHIP, linux.IPV6_DROP_MEMBERSHIP:
			const size = 20 // struct ipv6_mreq
			if len(v) < size {
				return true, errno.EINVAL
			}
			index := binary.LittleEndian.Uint32(v[16:])
			return true, o.setMembership6(st, name == linux.IPV6_ADD_MEMBERSHIP, netip.AddrFrom16([16]byte(v)), index)
		case linux.IPV6_MULTICAST_IF:
			if len(v) < 4 {
				return true, errno.EINVAL
			}
			index := binary.LittleEndian.Uint32(v)
			if index > socket.LoopbackIndex {
				return true, errno.ENODEV
			}
			o.multicastIf6 = int32(index)
			return true, nil
		case linux.IPV6_MULTICAST_LOOP:
			if len(v) >= 4 && binary.LittleEndian.Uint32(v) > 1 {
				return true, errno.EINVAL
			}
		}
	default:
		return false, nil
	}
	if name != linux.MCAST_JOIN_GROUP && name != linux.MCAST_LEAVE_GROUP {
		return false, nil
	}
	// struct group_req: an index and a struct sockaddr_storage.
	const size = 8 + linux.SockaddrStorageSize
	if len(v) < size {
		return true, errno.EINVAL
	}
	index, f := binary.LittleEndian.Uint32(v), int32(binary.LittleEndian.Uint16(v[8:]))
	join := name == linux.MCAST_JOIN_GROUP
	switch {
	case level == linux.SOL_IP && f == linux.AF_INET:
		return true, o.setGroup4(st, join, netip.AddrFrom4([4]byte(v[12:16])), index, any4)
	case level == linux.SOL_IP:
		return true, errno.EINVAL
	case f != linux.AF_INET6:
		return true, errno.EADDRNOTAVAIL
	}
	return true, o.setMembership6(st, join, netip.AddrFrom16([16]byte(v[16:32])), index)
}

// onLoopback reports whether an index or an address names the loopback interface.
func (st *Stack) onLoopback(index uint32, a netip.Addr) bool {
	if index != 0 {
		return index == socket.LoopbackIndex
	}
	return st.local(a)
}

// setMembership4 takes struct ip_mreq or ip_mreqn.
func (o *options) setMembership4(st *Stack, join bool, v []byte) error {
	if len(v) < 8 {
		return errno.EINVAL
	}
	var index uint32
	if len(v) >= 12 {
		index = binary.LittleEndian.Uint32(v[8:])
	}
	return o.setGroup4(st, join, netip.AddrFrom4([4]byte(v)), index, netip.AddrFrom4([4]byte(v[4:])))
}

func (o *options) setGroup4(st *Stack, join bool, a netip.Addr, index uint32, at netip.Addr) error {
	if !join {
		if index == 0 && at == any4 {
			return errno.ENODEV
		}
		if !st.onLoopback(index, at) {
			return errno.EADDRNOTAVAIL
		}
		return o.leave(st, a)
	}
	switch {
	case !a.IsMulticast():
		return errno.EINVAL
	case !st.onLoopback(index, at):
		return errno.ENODEV
	}
	return o.join(st, a, &membership{})
}

func (o *options) setMembership6(st *Stack, join bool, a netip.Addr, index uint32) error {
	if !a.IsMulticast() {
		return errno.EINVAL
	}
	if !join {
		if index > socket.LoopbackIndex {
			return errno.EADDRNOTAVAIL
		}
		return o.leave(st, a)
	}
	if index != socket.LoopbackIndex {
		return errno.ENODEV
	}
	return o.join(st, a, &membership{})
}

// setInterface4 is IP_MULTICAST_IF, which takes an address or either of the structs above.
func (o *options) setInterface4(st *Stack, v []byte) error {
	var index uint32
	var at netip.Addr
	switch {
	case len(v) >= 12:
		index, at = binary.LittleEndian.Uint32(v[8:]), netip.AddrFrom4([4]byte(v[4:]))
	case len(v) >= 8:
		at = netip.AddrFrom4([4]byte(v[4:]))
	case len(v) >= 4:
		at = netip.AddrFrom4([4]byte(v))
	default:
		return errno.EINVAL
	}
	if index == 0 && at == any4 {
		o.multicastIf, o.multicastAddr = false, netip.Addr{}
		return nil
	}
	if !st.onLoopback(index, at) {
		return errno.EADDRNOTAVAIL
	}
	o.multicastIf, o.multicastAddr = true, netip.Addr{}
	if st.local(at) {
		o.multicastAddr = at
	}
	return nil
}

// setSource4 takes struct ip_mreq_source.
func (o *options) setSource4(st *Stack, name int32, v []byte) error {
	if len(v) != 12 {
		return errno.EINVAL
	}
	a, at, src := netip.AddrFrom4([4]byte(v)), netip.AddrFrom4([4]byte(v[4:])), netip.AddrFrom4([4]byte(v[8:]))
	include := name == linux.IP_ADD_SOURCE_MEMBERSHIP || name == linux.IP_DROP_SOURCE_MEMBERSHIP
	add := name == linux.IP_ADD_SOURCE_MEMBERSHIP || name == linux.IP_BLOCK_SOURCE
	switch {
	case !a.IsMulticast():
		return errno.EINVAL
	case !st.onLoopback(0, at):
		return errno.ENODEV
	}
	if name == linux.IP_ADD_SOURCE_MEMBERSHIP && o.groups[a] == nil {
		if err := o.join(st, a, &membership{include: true}); err != nil {
			return err
		}
	}
	m := o.groups[a]
	switch {
	case m == nil, m.include != include && m.sources != nil:
		return errno.EINVAL
	case !add && !slices.Contains(m.sources, src), add && slices.Contains(m.sources, src):
		m.include = include // the way may change as long as there is no source
		return errno.EADDRNOTAVAIL
	case add && len(m.sources) >= maxSources:
		return errno.ENOBUFS
	}
	m.include = include
	switch {
	case add:
		m.sources = append(m.sources, src)
	case include && len(m.sources) == 1:
		return o.leave(st, a)
	default:
		m.sources = slices.DeleteFunc(m.sources, func(x netip.Addr) bool { return x == src })
	}
	return nil
}

// getInterface answers IP_MULTICAST_IF and IPV6_MULTICAST_IF.
func (o *options) getInterface(level int32) []byte {
	if level == linux.SOL_IPV6 {
		return socket.Int(o.multicastIf6)
	}
	b := make([]byte, 4)
	if o.multicastAddr.IsValid() {
		a := o.multicastAddr.As4()
		copy(b, a[:])
	}
	return b
}

// spread gives a datagram to every socket bound to its port that takes part: of a group those that hear
// its source, else all.
func (st *Stack) spread(ports ports, d *datagram, to netip.AddrPort) {
	multi := to.Addr().IsMulticast()
	if multi && !st.joined(to.Addr()) {
		return
	}
	var all []*UDP
	st.mu.Lock()
	for _, b := range ports[to.Port()] {
		if b.score(d.from, to) > 0 {
			all = append(all, b.udp)
		}
	}
	st.mu.Unlock()
	for _, u := range all {
		u.mu.Lock()
		ok := !multi || u.opts.hears(d.from.Addr(), to.Addr())
		u.mu.Unlock()
		if ok {
			each := *d // the bytes are shared: nobody changes them
			u.deliver(&each)
		}
	}
}
