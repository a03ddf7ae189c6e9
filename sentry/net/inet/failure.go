package inet

import (
	"encoding/binary"
	"net/netip"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
)

// failure is what is told of a datagram that did not arrive (IP_RECVERR): a message of the queue of errors.
type failure struct {
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
	b = append(b, make([]byte, 8)...) // ee_info and ee_data
	if f.by.Is6() {
		return append(b, encode(linux.AF_INET6, netip.AddrPortFrom(f.by, 0))...)
	}
	return append(b, encode(linux.AF_INET, netip.AddrPortFrom(f.by, 0))...)
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
	if len(u.failures) > 0 {
		next = u.failures[0].cause
	} else {
		u.failures = nil
	}
	told4, told6 := u.opts.recvErr4, u.opts.recvErr6
	u.mu.Unlock()
	u.SetError(next)
	if f.by.Is6() && told6 {
		m.Control = []socket.ControlMessage{{Level: linux.SOL_IPV6, Type: linux.IPV6_RECVERR, Data: f.extended()}}
	} else if f.by.Is4() && told4 {
		m.Control = []socket.ControlMessage{{Level: linux.SOL_IP, Type: linux.IP_RECVERR, Data: f.extended()}}
	}
	m.Name = encode(u.family, f.to)
	m.Out |= linux.MSG_ERRQUEUE
	return (&datagram{data: f.payload}).copyOut(dst, m)
}
