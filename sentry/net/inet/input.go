package inet

import (
	"encoding/binary"
	"net/netip"

	"ringfence/abi/linux"
)

// defaultTTL is the time to live of what the host says by itself (net.ipv4.ip_default_ttl).
const defaultTTL = 64

// tapped reports whether there are sockets that see what others exchange. It is all that TCP and UDP
// sockets pay for them.
func (st *Stack) tapped() bool { return st.taps.Load() != 0 }

// tap shows what TCP and UDP sockets exchange to packet and raw sockets.
func (st *Stack) tap(p *packet) {
	st.watch(p)
	st.toRaws(p)
}

// toRaws gives p to raw sockets, and reports whether one of them took it.
func (st *Stack) toRaws(p *packet) bool {
	st.mu.Lock()
	raws := st.raws[int32(p.proto)]
	st.mu.Unlock()
	took := false
	for _, r := range raws { // nobody changes a list in place
		if r.input(p) {
			took = true
		}
	}
	return took
}

// input sends a packet over the interface.
func (st *Stack) input(p *packet) {
	if !st.up() {
		return
	}
	st.watch(p)
	st.arrive(p)
}

// arrive is the arrival of a packet at the host, which may answer.
func (st *Stack) arrive(p *packet) {
	took := st.toRaws(p)
	switch {
	case p.proto == linux.IPPROTO_ICMP && !p.v6():
		st.icmp(p, linux.ICMP_ECHO, linux.ICMP_ECHOREPLY)
	case p.proto == linux.IPPROTO_ICMPV6 && p.v6():
		st.icmp(p, linux.ICMPV6_ECHO_REQUEST, linux.ICMPV6_ECHO_REPLY)
	case p.proto == linux.IPPROTO_UDP:
		st.udpInput(p)
	case p.proto == linux.IPPROTO_TCP, p.proto == linux.IPPROTO_UDPLITE:
		// Connections take no packets: see the package's doc.
	case !took && p.v6():
		st.unreachable(p, linux.ICMPV6_PARAMPROB, linux.ICMPV6_UNK_NEXTHDR)
	case !took:
		st.unreachable(p, linux.ICMP_DEST_UNREACH, linux.ICMP_PROT_UNREACH)
	}
}

// icmp answers echo requests, and gives replies to the socket that asked.
func (st *Stack) icmp(p *packet, request, reply uint8) {
	if len(p.body) < icmpHeader || !st.local(p.src) || !st.local(p.dst) {
		return // echo requests to everybody are not answered (net.ipv4.icmp_echo_ignore_broadcasts)
	}
	start := uint16(0)
	if p.v6() {
		start = p.pseudo()
	}
	if sum(start, p.body) != 0xffff {
		return
	}
	switch p.body[0] {
	case request:
		body := append([]byte(nil), p.body...)
		body[0] = reply
		head := header{ttl: defaultTTL, tos: p.head.tos}
		if p.v6() {
			head.tos = 0
		}
		st.input(icmpPacket(p.dst, p.src, head, body, p.stamp))
	case reply:
		if g := st.findPing(p); g != nil {
			g.deliver(&datagram{data: p.body, from: netip.AddrPortFrom(p.src, 0), to: p.dst, head: p.head, stamp: p.stamp})
		}
	}
}

// unreachable tells the sender of p, with what p began with, that it was for nobody.
func (st *Stack) unreachable(p *packet, typ, code uint8) {
	if !st.local(p.src) || !st.local(p.dst) {
		return
	}
	var quote []byte
	head := header{ttl: defaultTTL}
	if p.v6() {
		quote = p.whole6()
		quote = quote[:min(len(quote), 1280-ip6Header-icmpHeader)]
	} else {
		quote = p.whole(st)
		quote = quote[:min(len(quote), 576-ipHeader-icmpHeader)]
		head.tos = p.head.tos&0x1e | 0xc0
	}
	body := make([]byte, icmpHeader, icmpHeader+len(quote))
	body[0], body[1] = typ, code
	if p.v6() && typ == linux.ICMPV6_PARAMPROB {
		body[7] = 6 // where the next header is named
	}
	st.input(icmpPacket(p.dst, p.src, head, append(body, quote...), p.stamp))
}

// udpInput gives what a raw socket sent to the socket that has the port.
func (st *Stack) udpInput(p *packet) {
	b := p.body
	if len(b) < udpHeader {
		return
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size < udpHeader || size > len(b) {
		return
	}
	b = b[:size]
	check := binary.BigEndian.Uint16(b[6:])
	if check == 0 && p.v6() || check != 0 && sum(pseudo(p.src, p.dst, p.proto, size), b) != 0xffff {
		return
	}
	from := netip.AddrPortFrom(p.src, binary.BigEndian.Uint16(b))
	to := netip.AddrPortFrom(p.dst, binary.BigEndian.Uint16(b[2:]))
	d := &datagram{data: b[udpHeader:], from: from, to: p.dst, head: p.head, stamp: p.stamp}
	st.udpDeliver(st.udp, d, to, p)
}

// udpDeliver gives a datagram to the socket that has the port. p is the same as a packet, nil if nobody asked.
func (st *Stack) udpDeliver(ports ports, d *datagram, to netip.AddrPort, p *packet) {
	if !st.up() {
		return
	}
	if !st.unicast(d.to) {
		st.spread(ports, d, to)
		return
	}
	b := st.find(ports, d.from, to)
	if b != nil {
		b.udp.deliver(d)
		return
	}
	// The host answers that the port is closed. Whoever talks to it from this port, and is
	// connected, hears of it.
	switch {
	case p == nil:
	case p.v6():
		st.unreachable(p, linux.ICMPV6_DEST_UNREACH, linux.ICMPV6_PORT_UNREACH)
	default:
		st.unreachable(p, linux.ICMP_DEST_UNREACH, linux.ICMP_PORT_UNREACH)
	}
	if e := st.find(ports, to, d.from); e != nil {
		e.udp.portClosed(d, to)
	}
}
