package inet

import (
	"ringfence/abi/linux"
	"ringfence/sentry/bpf"
	"ringfence/sentry/net/socket"
)

// Filters of sockets (SO_ATTACH_FILTER) see a packet from the header of the socket's protocol on: of UDP its own, of
// a raw socket over IPv4 the IP header, of a packet socket the link's.

// ethertype is the ETH_P_* of an IP packet.
func ethertype(v6 bool) uint16 {
	if v6 {
		return linux.ETH_P_IPV6
	}
	return linux.ETH_P_IP
}

// filterPacket describes a packet for a filter; start is where its data begins in b, net its IP header.
func filterPacket(b []byte, start, net int, ether uint16, kind uint8) *bpf.Packet {
	return &bpf.Packet{
		Bytes: b, Start: start, Net: net,
		Index: socket.LoopbackIndex, Hardware: linux.ARPHRD_LOOPBACK, Protocol: ether, Kind: kind,
	}
}

// filterDatagram runs the filter of a UDP socket on d and cuts d; not ok if the socket does not receive it.
func (u *UDP) filterDatagram(d *datagram, port uint16) (*datagram, bool) {
	p := udpPacket(uint8(u.protocol), d, port)
	var whole []byte
	if p.v6() {
		whole = p.whole6()
	} else {
		whole = p.whole(u.st)
	}
	n, ok := u.Accepts(filterPacket(whole, len(whole)-len(p.body), 0, ethertype(p.v6()), 0))
	cut := *d
	cut.data = d.data[:max(0, min(len(d.data), n-udpHeader))]
	return &cut, ok
}

// filter runs the filter of a raw or ping socket on d, of which the bytes are what the filter sees.
func (e *endpoint) filter(d *datagram, v6 bool) bool {
	n, ok := e.Accepts(filterPacket(d.data, 0, 0, ethertype(v6), 0))
	d.data = d.data[:n]
	return ok
}
