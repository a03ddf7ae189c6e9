package inet

import (
	"encoding/binary"
	"net/netip"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
)

// failure is what is told of a datagram that did not arrive (IP_RECVERR), or of one that was sent: a message
// of the queue of errors.
type failure struct {
	info    uint32 // SCM_TSTAMP_*, of a datagram that was sent (SO_TIMESTAMPING)
	id      uint32 // which one, if that was asked
	stamp   int64  // when
	cause   errno.Errno
	origin  uint8 // SO_EE_ORIGIN_*
	typ     uint8 // of the ICMP message, as is code
	code    uint8
	by      netip.Addr     // who answered
	to      netip.AddrPort // where the datagram went
	payload []byte         // what it began with
}

// maxFailures bounds the queue of errors. What does not fit is lost.
const maxFailures = 64

// Most bytes of a datagram that the answer to it quotes: what an ICMP message has room for.
const (
	quote4 = 576 - 2*ipHeader - icmpHeader - udpHeader
	quote6 = 1280 - 2*ip6Header - icmpHeader - udpHeader
)

// closedPort is the failure of a datagram that went to a port of nobody's.
func closedPort(d *datagram, to netip.AddrPort) *failure {
	f := &failure{cause: errno.ECONNREFUSED, by: to.Addr(), to: to}
	if to.Addr().Is6() {
		f.origin, f.typ, f.code = linux.SO_EE_ORIGIN_ICMP6, linux.ICMPV6_DEST_UNREACH, linux.ICMPV6_PORT_UNREACH
		f.payload = d.data[:min(len(d.data), quote6)]
	} else {
		f.origin, f.typ, f.code = linux.SO_EE_ORIGIN_ICMP, linux.ICMP_DEST_UNREACH, linux.ICMP_PORT_UNREACH
		f.payload = d.data[:min(len(d.data), quote4)]
	}
	return f
}

// extended is struct sock_extended_err with the address of who answered behind it.
func (f *failure) extended() []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(f.cause))
	b = append(b, f.origin, f.typ, f.code, 0)
	b = binary.LittleEndian.AppendUint32(b, f.info)
	b = binary.LittleEndian.AppendUint32(b, f.id)
	if f.origin == linux.SO_EE_ORIGIN_TIMESTAMPING { // nobody answered
		if f.by.Is6() {
			return append(b, make([]byte, sizeInet6)...)
		}
		return append(b, make([]byte, sizeInet)...)
	}
	if f.by.Is6() {
		return append(b, encode(linux.AF_INET6, netip.AddrPortFrom(f.by, 0))...)
	}
	return append(b, encode(linux.AF_INET, netip.AddrPortFrom(f.by, 0))...)
}

// sent reports whether f tells of a datagram that was sent.
func (f *failure) sent() bool { return f.origin == linux.SO_EE_ORIGIN_TIMESTAMPING }

// tellSent tells of a datagram that is being sent to a port, as flags of SO_TIMESTAMPING ask.
func (u *UDP) tellSent(d *datagram, port uint16, flags uint32) {
	f := failure{cause: errno.ENOMSG, origin: linux.SO_EE_ORIGIN_TIMESTAMPING, by: d.to, stamp: d.stamp}
	if flags&linux.SOF_TIMESTAMPING_OPT_TSONLY == 0 { // all of the frame
		p := udpPacket(uint8(u.protocol), d, port)
		f.payload = make([]byte, etherHeader)
		binary.BigEndian.PutUint16(f.payload[12:], ethertype(p.v6()))
		if p.v6() {
			f.payload = append(f.payload, p.whole6()...)
		} else {
			f.payload = append(f.payload, p.whole(u.st)...)
		}
	}
	u.mu.Lock()
	if flags&linux.SOF_TIMESTAMPING_OPT_ID != 0 {
		f.id = u.sentID
		u.sentID++
	}
	for _, at := range [...]struct{ flag, info uint32 }{
		{linux.SOF_TIMESTAMPING_TX_SCHED, linux.SCM_TSTAMP_SCHED}, {linux.SOF_TIMESTAMPING_TX_SOFTWARE, linux.SCM_TSTAMP_SND},
	} {
		if flags&at.flag != 0 && len(u.failures) < maxFailures {
			one := f
			one.info = at.info
			u.failures = append(u.failures, &one)
		}
	}
	u.mu.Unlock()
	u.Queue.Notify(wait.Err | wait.Pri)
}

// portClosed is told that nobody listens at to, where d went.
func (u *UDP) portClosed(d *datagram, to netip.AddrPort) {
	u.mu.Lock()
	told := u.opts.recvErr4
	if to.Addr().Is6() {
		told = u.opts.recvErr6
	}
	hears := u.remote == to || !u.remote.IsValid() && told
	if hears && told && len(u.failures) < maxFailures {
		u.failures = append(u.failures, closedPort(d, to))
	}
	u.mu.Unlock()
	if hears {
		u.SetError(errno.ECONNREFUSED)
		u.Queue.Notify(changed)
	}
}

// recvFailure is Recv with MSG_ERRQUEUE. The error that is pending becomes that of the next failure.
func (u *UDP) recvFailure(dst *usermem.Sequence, m *socket.Message) (int, error) {
	u.mu.Lock()
	if len(u.failures) == 0 {
		u.mu.Unlock()
		return 0, errno.EAGAIN
	}
	f := u.failures[0]
	u.failures = u.failures[1:]
	next := errno.Errno(0)
	if len(u.failures) == 0 {
		u.failures = nil
	} else if n := u.failures[0]; !n.sent() {
		next = n.cause
	}
	u.mu.Unlock()
	if f.by.Is6() {
		m.Control = []socket.ControlMessage{{Level: linux.SOL_IPV6, Type: linux.IPV6_RECVERR, Data: f.extended()}}
	} else {
		m.Control = []socket.ControlMessage{{Level: linux.SOL_IP, Type: linux.IP_RECVERR, Data: f.extended()}}
	}
	if f.sent() {
		m.Stamp = f.stamp
		if next != 0 {
			u.SetError(next)
		}
	} else {
		m.Name = encode(u.family, f.to)
		u.SetError(next)
	}
	m.Out |= linux.MSG_ERRQUEUE
	return (&datagram{data: f.payload}).copyOut(dst, m)
}
