package inet

import (
	"encoding/binary"
	"net/netip"

	"ringfence/abi/linux"
)

// Sizes of headers, and the most that an IPv4 packet holds.
const (
	ipHeader   = 20
	ip6Header  = 40
	udpHeader  = 8
	tcpHeader  = 20
	icmpHeader = 8
	maxPacket  = 65535
)

// packet is an IP packet as raw sockets send and see them. Nobody changes one that was sent.
type packet struct {
	src, dst netip.Addr // both of one family
	proto    uint8
	head     header
	df       bool   // IPv4: may not be fragmented
	ip       []byte // the whole IPv4 packet, once somebody has asked or if the sender made it
	body     []byte // what follows the IP header
	stamp    int64
}

func (p *packet) v6() bool { return p.dst.Is6() }

// as4 returns the bytes of an IPv4 address, zeros for another: IPv6 sockets may be bound to one family and
// talk to the other.
func as4(a netip.Addr) (b [4]byte) {
	if a.Is4() {
		b = a.As4()
	}
	return b
}

// whole returns an IPv4 packet with its header.
func (p *packet) whole(st *Stack) []byte {
	if p.ip != nil {
		return p.ip
	}
	b := make([]byte, ipHeader+len(p.body))
	b[0] = 4<<4 | ipHeader/4
	b[1] = p.head.tos
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[4:], uint16(st.packetID.Add(1)))
	if p.df {
		b[6] = 0x40
	}
	b[8], b[9] = p.head.ttl, p.proto
	src, dst := as4(p.src), as4(p.dst)
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	binary.BigEndian.PutUint16(b[10:], ^sum(0, b[:ipHeader]))
	copy(b[ipHeader:], p.body)
	p.ip, p.body = b, b[ipHeader:]
	return b
}

// whole6 returns an IPv6 packet with its header.
func (p *packet) whole6() []byte {
	b := make([]byte, ip6Header, ip6Header+len(p.body))
	b[0], b[1] = 6<<4|p.head.tos>>4, p.head.tos<<4
	binary.BigEndian.PutUint16(b[4:], uint16(len(p.body)))
	b[6], b[7] = p.proto, p.head.ttl
	src, dst := p.src.As16(), p.dst.As16()
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	return append(b, p.body...)
}

// parseHeader reads an IPv4 packet that a guest made whole, as ip_rcv does in Linux; false if a host would
// drop it. It keeps b.
func parseHeader(b []byte) (*packet, bool) {
	if len(b) < ipHeader || b[0]>>4 != 4 {
		return nil, false
	}
	hl := int(b[0]&0xf) * 4
	size := int(binary.BigEndian.Uint16(b[2:]))
	if hl < ipHeader || hl > len(b) || size < hl || size > len(b) || sum(0, b[:hl]) != 0xffff {
		return nil, false
	}
	if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return nil, false // a fragment, which nobody puts together
	}
	return &packet{
		src: netip.AddrFrom4([4]byte(b[12:16])), dst: netip.AddrFrom4([4]byte(b[16:20])),
		proto: b[9], head: header{ttl: b[8], tos: b[1]}, ip: b[:size], body: b[hl:size],
	}, true
}

// sum adds b to an Internet checksum (RFC 1071), not yet complemented.
func sum(start uint16, b []byte) uint16 {
	s := uint64(start)
	for ; len(b) >= 4; b = b[4:] {
		s += uint64(binary.BigEndian.Uint32(b))
	}
	if len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// pseudo is the sum of the pseudo header of what p carries.
func (p *packet) pseudo() uint16 { return pseudo(p.src, p.dst, p.proto, len(p.body)) }

func pseudo(src, dst netip.Addr, proto uint8, size int) uint16 {
	var b [40]byte
	n := 0
	if dst.Is6() {
		s, d := src.As16(), dst.As16()
		copy(b[:], s[:])
		copy(b[16:], d[:])
		n = 32
	} else {
		s, d := as4(src), as4(dst)
		copy(b[:], s[:])
		copy(b[4:], d[:])
		n = 8
	}
	binary.BigEndian.PutUint32(b[n:], uint32(size))
	b[n+7] = proto
	return sum(0, b[:n+8])
}

// udpPacket is what d is as a packet. Its checksum is of the pseudo header alone, as where Linux leaves
// the rest to the loopback device.
func udpPacket(proto uint8, d *datagram, port uint16) *packet {
	p := &packet{src: d.from.Addr(), dst: d.to, proto: proto, head: d.head, df: true, stamp: d.stamp}
	p.body = make([]byte, udpHeader, udpHeader+len(d.data))
	binary.BigEndian.PutUint16(p.body[0:], d.from.Port())
	binary.BigEndian.PutUint16(p.body[2:], port)
	p.body = append(p.body, d.data...)
	binary.BigEndian.PutUint16(p.body[4:], uint16(len(p.body)))
	binary.BigEndian.PutUint16(p.body[6:], p.pseudo())
	return p
}

// icmpPacket returns a message of ICMP or ICMPv6 whose checksum is yet to be set in body.
func icmpPacket(src, dst netip.Addr, h header, body []byte, stamp int64) *packet {
	p := &packet{src: src, dst: dst, proto: linux.IPPROTO_ICMP, head: h, body: body, stamp: stamp}
	body[2], body[3] = 0, 0
	start := uint16(0)
	if p.v6() {
		p.proto = linux.IPPROTO_ICMPV6
		start = p.pseudo()
	}
	binary.BigEndian.PutUint16(body[2:], ^sum(start, body))
	return p
}
