package inet

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/vfs"
)

// Stack is the loopback network of one network namespace.
type Stack struct {
	net *socket.Net // immutable

	mu  sync.Mutex
	tcp ports
	udp ports
	// udpLite is UDP's twin with ports of its own (udplite(7)).
	udpLite ports
	// next is where the search for a free port goes on.
	next uint16
	tcps map[*TCP]struct{} // all sockets, for /proc/net
	udps map[*UDP]struct{}

	// raws are the raw sockets of each protocol. A list that was read may be used without mu.
	raws       map[int32][]*Raw
	frames     []*Frames           // likewise
	pings      map[pingKey][]*Ping // that have an identifier
	pingGroups PingGroups
	nextIdent  uint16
	groups     map[netip.Addr]int // how many sockets are in a multicast group

	taps     atomic.Int32  // how many sockets see the traffic of others
	packetID atomic.Uint32 // of IPv4 packets
}

// ports are the sockets bound to each port of a protocol.
type ports map[uint16][]*binding

// binding is a socket's hold on a port. Guarded by Stack.mu.
type binding struct {
	addr      netip.Addr
	port      uint16
	v6only    bool
	reuseAddr bool
	reusePort bool
	listening bool
	connected bool // to remote: matches that alone
	remote    netip.AddrPort
	src       netip.Addr // of a TCP connection: the local address, where addr is a wildcard
	uid       creds.UID
	tcp       *TCP // or
	udp       *UDP
}

// NewStack returns the stack of a network without sockets.
func NewStack(n *socket.Net) *Stack {
	return &Stack{
		net: n,
		tcp: make(ports), udp: make(ports), udpLite: make(ports),
		tcps: make(map[*TCP]struct{}), udps: make(map[*UDP]struct{}),
		raws: make(map[int32][]*Raw), pings: make(map[pingKey][]*Ping), groups: make(map[netip.Addr]int),
		pingGroups: noGroup,
	}
}

// New returns a socket for socket(2); EPROTONOSUPPORT, ESOCKTNOSUPPORT or EPERM for what there is not.
func (st *Stack) New(c vfs.Caller, family, typ, protocol int32) (socket.Socket, error) {
	if protocol < 0 || protocol >= linux.IPPROTO_MAX {
		return nil, errno.EINVAL
	}
	switch typ {
	case linux.SOCK_STREAM:
		if protocol != 0 && protocol != linux.IPPROTO_TCP {
			return nil, errno.EPROTONOSUPPORT
		}
		return st.newTCP(family), nil
	case linux.SOCK_DGRAM:
		switch protocol {
		case 0, linux.IPPROTO_UDP:
			return st.newUDP(family, linux.IPPROTO_UDP), nil
		case linux.IPPROTO_UDPLITE:
			return st.newUDP(family, linux.IPPROTO_UDPLITE), nil
		case linux.IPPROTO_ICMP, linux.IPPROTO_ICMPV6:
			if (family == linux.AF_INET6) == (protocol == linux.IPPROTO_ICMPV6) {
				return st.newPing(c, family, protocol)
			}
		}
		return nil, errno.EPROTONOSUPPORT
	case linux.SOCK_RAW:
		return st.newRaw(c, family, protocol)
	}
	return nil, errno.ESOCKTNOSUPPORT
}

// overlaps reports whether two bindings of one port could receive the same thing.
func (b *binding) overlaps(o *binding) bool {
	if b.addr == o.addr {
		return true
	}
	covers := func(x, y *binding) bool { // x is a wildcard that y falls under
		switch {
		case x.addr == any4:
			return y.addr.Is4() || y.addr == any6 && !y.v6only
		case x.addr == any6:
			return y.addr.Is6() || !x.v6only
		}
		return false
	}
	return covers(b, o) || covers(o, b)
}

// mayShare reports whether two overlapping bindings may have one port.
func (b *binding) mayShare(o *binding, tcp bool) bool {
	if b.reusePort && o.reusePort && b.uid == o.uid {
		return true
	}
	return b.reuseAddr && o.reuseAddr && !(tcp && (b.listening || o.listening))
}

// firstUnreserved is the first port that needs no privilege.
func (st *Stack) firstUnreserved() uint16 {
	return uint16(st.net.Number("ipv4/ip_unprivileged_port_start", 1024))
}

// v6only is what IPV6_V6ONLY is at first.
func (st *Stack) v6only() bool { return st.net.Number("ipv6/bindv6only", 0) != 0 }

// portRange are the ports that connect and bind choose from.
func (st *Stack) portRange() (first, last uint16) {
	r := st.net.Numbers("ipv4/ip_local_port_range", 32768, 60999)
	return uint16(r[0]), uint16(r[1])
}

// bind gives b its port, or one that is free if that is 0. EADDRINUSE, EACCES for a reserved port.
func (st *Stack) bind(c vfs.Caller, p ports, b *binding) error {
	if b.port != 0 && b.port < st.firstUnreserved() && !st.net.Has(c, linux.CAP_NET_BIND_SERVICE) {
		return errno.EACCES
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if b.port == 0 {
		return st.bindFreeLocked(p, b)
	}
	for _, o := range p[b.port] {
		if b.overlaps(o) && !b.mayShare(o, b.tcp != nil) {
			return errno.EADDRINUSE
		}
	}
	p[b.port] = append(p[b.port], b)
	return nil
}

// bindFree gives b a port that nobody else has.
func (st *Stack) bindFree(p ports, b *binding) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.bindFreeLocked(p, b)
}

func (st *Stack) bindFreeLocked(p ports, b *binding) error {
	first, last := st.portRange()
	for range int(last) - int(first) + 1 {
		if st.next++; st.next < first || st.next > last {
			st.next = first
		}
		if len(p[st.next]) == 0 {
			b.port = st.next
			p[st.next] = []*binding{b}
			return nil
		}
	}
	return errno.EADDRINUSE
}

// unbind gives b's port back.
func (st *Stack) unbind(p ports, b *binding) {
	if b == nil {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	l := p[b.port]
	for i, o := range l {
		if o == b {
			l = slices.Delete(l, i, i+1) // the order counts
			break
		}
	}
	if len(l) == 0 {
		delete(p, b.port)
	} else {
		p[b.port] = l
	}
}

// change changes a binding in place.
func (st *Stack) change(b *binding, fn func(*binding)) {
	st.mu.Lock()
	defer st.mu.Unlock()
	fn(b)
}

// claim notes that b is the local end of a connection from src to remote; EADDRNOTAVAIL if there
// is one already between the two.
func (st *Stack) claim(b *binding, src netip.Addr, remote netip.AddrPort) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, o := range st.tcp[b.port] {
		if o != b && o.connected && o.remote == remote && o.src == src {
			return errno.EADDRNOTAVAIL
		}
	}
	b.connected, b.remote, b.src = true, remote, src
	return nil
}

// listen makes b a listener; EADDRINUSE if another one has the port.
func (st *Stack) listen(b *binding) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b.listening = true
	for _, o := range st.tcp[b.port] {
		if o != b && o.listening && b.overlaps(o) && !b.mayShare(o, true) {
			b.listening = false
			return errno.EADDRINUSE
		}
	}
	return nil
}

// score says how well a binding fits a message from src to dst: 0 not at all.
func (b *binding) score(src, dst netip.AddrPort) int {
	s := 1
	switch {
	case b.addr == dst.Addr():
		s = 3
	case b.addr == any4 && dst.Addr().Is4():
		s = 2
	case b.addr == any6 && (dst.Addr().Is6() || !b.v6only):
	default:
		return 0
	}
	if b.connected {
		if b.remote != src {
			return 0
		}
		s += 4
	}
	return s
}

// find returns the binding that receives what src sends to dst, nil if there is none. For TCP
// only listeners count.
func (st *Stack) find(p ports, src, dst netip.AddrPort) *binding {
	st.mu.Lock()
	defer st.mu.Unlock()
	var best *binding
	most, equals := 0, 0
	for _, b := range p[dst.Port()] {
		if b.tcp != nil && !b.listening {
			continue
		}
		// Of equals the one bound last is found, as on Linux.
		if s := b.score(src, dst); s >= max(most, 1) {
			if s > most || !b.reusePort {
				equals = 0
			}
			best, most = b, s
			if b.reusePort && !b.connected {
				equals++
			}
		}
	}
	if equals < 2 {
		return best
	}
	// Those that share the port take turns, but for one sender it is always the same one (SO_REUSEPORT in socket(7)).
	turn := int(mix(src, dst) % uint32(equals))
	for _, b := range p[dst.Port()] {
		if !b.reusePort || b.connected || b.tcp != nil && !b.listening || b.score(src, dst) != most {
			continue
		}
		if turn == 0 {
			return b
		}
		turn--
	}
	return best
}

// mix is a number that is another one for most pairs of addresses (FNV-1a).
func mix(src, dst netip.AddrPort) uint32 {
	h := uint32(2166136261)
	for _, a := range [...]netip.AddrPort{src, dst} {
		ip := a.Addr().As16()
		for _, b := range ip {
			h = (h ^ uint32(b)) * 16777619
		}
		h = (h ^ uint32(a.Port()&0xff)) * 16777619
		h = (h ^ uint32(a.Port()>>8)) * 16777619
	}
	return h ^ h>>16
}
