package inet

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Raw is a raw socket (raw(7)): it receives every packet of its protocol, over IPv4 with the
// IP header, and sends what it is given as a packet, or with IP_HDRINCL with the header.
type Raw struct {
	endpoint
	// Of IPv4. Guarded by mu, as are the following.
	hdrIncl bool
	filter  uint32 // ICMP_FILTER: types that are not received
	// Of IPv6.
	filter6  [8]uint32 // ICMPV6_FILTER
	checksum int32     // where the checksum is (IPV6_CHECKSUM), -1: there is none
}

// newRaw returns a raw socket; EPERM without CAP_NET_RAW.
func (st *Stack) newRaw(c vfs.Caller, family, protocol int32) (socket.Socket, error) {
	if protocol == 0 {
		return nil, errno.EPROTONOSUPPORT
	}
	if !st.net.Has(c, linux.CAP_NET_RAW) {
		return nil, errno.EPERM
	}
	r := &Raw{hdrIncl: protocol == linux.IPPROTO_RAW, checksum: -1}
	r.init(c, st, family, protocol)
	r.num = uint16(protocol)
	if family == linux.AF_INET6 && protocol == linux.IPPROTO_ICMPV6 {
		r.checksum = 2
	}
	st.mu.Lock()
	st.raws[protocol] = append(slices.Clip(st.raws[protocol]), r)
	st.mu.Unlock()
	st.taps.Add(1)
	return r, nil
}

// forget takes the socket out of those that receive.
func (r *Raw) forget() {
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	l := r.st.raws[r.protocol]
	i := slices.Index(l, r)
	if i < 0 {
		return
	}
	r.st.taps.Add(-1)
	if len(l) == 1 {
		delete(r.st.raws, r.protocol)
		return
	}
	r.st.raws[r.protocol] = append(slices.Clone(l[:i]), l[i+1:]...)
}

// Kind implements socket.Socket.
func (r *Raw) Kind() (family, typ, protocol int32) { return r.family, linux.SOCK_RAW, r.protocol }

// Bind implements socket.Socket. It may be called again; the family is not looked at over IPv4.
func (r *Raw) Bind(_ socket.Caller, addr []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := slices.Clone(addr)
	switch {
	case r.family == linux.AF_INET:
		if len(b) < sizeInet {
			return errno.EINVAL
		}
		binary.LittleEndian.PutUint16(b, linux.AF_INET)
	case len(b) < minInet6 || binary.LittleEndian.Uint16(b) != linux.AF_INET6:
		return errno.EINVAL
	case netip.AddrFrom16([16]byte(b[8:24])).Is4In6():
		return errno.EADDRNOTAVAIL
	}
	if r.remote.IsValid() {
		return errno.EINVAL
	}
	a, err := r.st.bindArgs(&r.opts, r.family, b, true)
	if err != nil {
		return err
	}
	r.bound, r.local = a.Addr(), a.Addr()
	return nil
}

// Connect implements socket.Socket. On Linux a raw socket of IPv4 that was disconnected does
// not receive any more.
func (r *Raw) Connect(_ socket.Caller, addr []byte, _ uint32) error {
	f, err := familyOf(addr)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f != linux.AF_UNSPEC {
		return r.connectLocked(addr)
	}
	r.remote = netip.AddrPort{}
	r.bound = wildcard(r.family)
	r.local, r.num = r.bound, 0
	r.forget()
	return nil
}

// Send implements socket.Socket.
func (r *Raw) Send(c vfs.Caller, src *usermem.Sequence, m *socket.Message) (int, error) {
	size := src.Len()
	switch {
	case size > maxPacket:
		return 0, errno.EMSGSIZE
	case m.Flags&linux.MSG_OOB != 0:
		return 0, errno.EOPNOTSUPP
	}
	if err := r.TakeError(); err != nil {
		return 0, err
	}
	v6 := r.family == linux.AF_INET6
	r.mu.Lock()
	to, err := r.destinationLocked(m)
	proto := r.protocol
	if err == nil && v6 && m.Name != nil {
		// The port names the protocol.
		if n := int32(to.Port()); n != 0 && n != proto && proto != linux.IPPROTO_RAW || n > 255 {
			err = errno.EINVAL
		} else if n != 0 {
			proto = n
		}
	}
	if err == nil && !r.hdrIncl && (proto == linux.IPPROTO_ICMP && !v6 || proto == linux.IPPROTO_ICMPV6 && v6) && size < 2 {
		err = errno.EFAULT // Linux looks for the type and the code
	}
	var dst, from netip.Addr
	if err == nil {
		dst, from, err = r.routeLocked(to.Addr())
	}
	head, incl, check := r.opts.header(v6), r.hdrIncl, r.checksum
	df := r.opts.value(linux.SOL_IP, linux.IP_MTU_DISCOVER) != linux.IP_PMTUDISC_DONT
	if !r.st.unicast(dst) && !v6 {
		head.ttl = uint8(r.opts.value(linux.SOL_IP, linux.IP_MULTICAST_TTL))
	}
	r.mu.Unlock()
	if err == nil {
		err = head.apply(m.Control, v6)
	}
	if err != nil {
		return 0, err
	}
	if !v6 && !incl && size > maxPacket-ipHeader {
		return 0, errno.EMSGSIZE
	}
	b, err := copyIn(src)
	if err != nil {
		return 0, err
	}
	p := &packet{src: from, dst: dst, proto: uint8(proto), head: head, df: df, body: b, stamp: c.Now()}
	switch {
	case incl && v6:
		err = r.st.sendHeader6(b, c.Now())
	case incl:
		err = r.st.sendHeader4(b, from, c.Now())
	case v6 && check >= 0:
		if int(check)+1 >= len(b) {
			return 0, errno.EINVAL
		}
		// As on Linux, what stands in the place counts.
		s := ^sum(p.pseudo(), b)
		if s == 0 && proto == linux.IPPROTO_UDP {
			s = 0xffff
		}
		binary.BigEndian.PutUint16(b[check:], s)
		r.st.input(p)
	default:
		r.st.input(p)
	}
	if err != nil {
		return 0, err
	}
	return int(size), nil
}

// sendHeader4 sends a packet that a guest made with its header, of which the kernel fills in
// the length, the checksum, and where they are 0 the source and the id (raw(7)).
func (st *Stack) sendHeader4(b []byte, from netip.Addr, now int64) error {
	if len(b) < ipHeader {
		return errno.EINVAL
	}
	hl := int(b[0]&0xf) * 4
	if hl > len(b) {
		return errno.EINVAL
	}
	if hl >= ipHeader {
		if binary.LittleEndian.Uint32(b[12:]) == 0 {
			src := as4(from)
			copy(b[12:], src[:])
		}
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		if binary.BigEndian.Uint16(b[4:]) == 0 {
			binary.BigEndian.PutUint16(b[4:], uint16(st.packetID.Add(1)))
		}
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], ^sum(0, b[:hl]))
	}
	if p, ok := parseHeader(b); ok {
		p.stamp = now
		st.input(p)
	}
	return nil
}

// sendHeader6 sends a packet that a guest made with its IPv6 header.
func (st *Stack) sendHeader6(b []byte, now int64) error {
	if len(b) < ip6Header {
		return errno.EINVAL
	}
	if p, ok := parseHeader6(b, now); ok {
		st.input(p)
	}
	return nil // what is wrong is dropped where it arrives
}

// input receives a packet of the socket's protocol, if it is for the socket's addresses. It reports
// whether it is, even if the socket's filter stops it.
func (r *Raw) input(p *packet) bool {
	if (r.family == linux.AF_INET6) != p.v6() {
		return false
	}
	r.mu.Lock()
	local, remote, filter, filter6, check := r.local, r.remote, r.filter, r.filter6, r.checksum
	hears := r.opts.hears(p.src, p.dst)
	r.mu.Unlock()
	if !local.IsUnspecified() && local != p.dst || remote.IsValid() && remote.Addr() != p.src {
		return false
	}
	if p.dst.IsMulticast() && !hears {
		return false
	}
	d := &datagram{data: p.body, from: netip.AddrPortFrom(p.src, 0), to: p.dst, head: p.head, stamp: p.stamp}
	if !p.v6() {
		if r.protocol == linux.IPPROTO_ICMP && (len(p.body) < icmpHeader || p.body[0] < 32 && filter>>p.body[0]&1 != 0) {
			return true
		}
		d.data = p.whole(r.st)
		r.deliver(d)
		return true
	}
	if r.protocol == linux.IPPROTO_ICMPV6 && (len(p.body) < 4 || filter6[p.body[0]>>5]>>(p.body[0]&31)&1 != 0) {
		return true
	}
	if check >= 0 && sum(p.pseudo(), p.body) != 0xffff {
		return true
	}
	r.deliver(d)
	return true
}

// SetOption implements socket.Socket.
func (r *Raw) SetOption(c socket.Caller, level, name int32, value []byte) error {
	if level == linux.SOL_SOCKET {
		return setCommonOption(c, &r.Base, name, value)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok, err := r.opts.setGroup(r.st, r.family, level, name, value); ok {
		return err
	}
	v6 := r.family == linux.AF_INET6
	switch key := (option{level, name}); {
	case key == option{linux.SOL_RAW, linux.ICMP_FILTER} && !v6:
		if r.protocol != linux.IPPROTO_ICMP {
			return errno.EOPNOTSUPP
		}
		b := binary.LittleEndian.AppendUint32(nil, r.filter)
		copy(b, value)
		r.filter = binary.LittleEndian.Uint32(b)
		return nil
	case level == linux.SOL_RAW && !v6:
		return errno.ENOPROTOOPT
	case level == linux.SOL_ICMPV6 && v6:
		if r.protocol != linux.IPPROTO_ICMPV6 {
			return errno.EOPNOTSUPP
		}
		if name != linux.ICMPV6_FILTER {
			return errno.ENOPROTOOPT
		}
		for i := range r.filter6 {
			b := binary.LittleEndian.AppendUint32(nil, r.filter6[i])
			copy(b, value[min(4*i, len(value)):])
			r.filter6[i] = binary.LittleEndian.Uint32(b)
		}
		return nil
	case name == linux.IPV6_CHECKSUM && v6 && (level == linux.SOL_RAW || level == linux.SOL_IPV6),
		key == option{linux.SOL_IPV6, linux.IPV6_HDRINCL} && v6,
		key == option{linux.SOL_IP, linux.IP_HDRINCL}:
		n := int32(0)
		switch {
		case len(value) >= 4:
			n = int32(binary.LittleEndian.Uint32(value))
		case len(value) >= 1 && level == linux.SOL_IP:
			n = int32(value[0])
		default:
			return errno.EINVAL
		}
		if name != linux.IPV6_CHECKSUM {
			r.hdrIncl = n != 0
			return nil
		}
		if r.protocol == linux.IPPROTO_ICMPV6 && level == linux.SOL_IPV6 || n > 0 && n&1 != 0 {
			return errno.EINVAL
		}
		r.checksum = max(n, -1)
		return nil
	}
	return r.opts.set(r.family, false, level, name, value, false)
}

// Option implements socket.Socket.
func (r *Raw) Option(_ socket.Caller, level, name int32, _ int) ([]byte, error) {
	if level == linux.SOL_SOCKET {
		return commonOption(&r.Base, r, name, false)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	v6 := r.family == linux.AF_INET6
	switch key := (option{level, name}); {
	case level == linux.SOL_RAW && !v6:
		if name != linux.ICMP_FILTER {
			return nil, errno.ENOPROTOOPT
		}
		if r.protocol != linux.IPPROTO_ICMP {
			return nil, errno.EOPNOTSUPP
		}
		return binary.LittleEndian.AppendUint32(nil, r.filter), nil
	case level == linux.SOL_ICMPV6 && v6:
		if r.protocol != linux.IPPROTO_ICMPV6 {
			return nil, errno.EOPNOTSUPP
		}
		if name != linux.ICMPV6_FILTER {
			return nil, errno.ENOPROTOOPT
		}
		var b []byte
		for _, w := range r.filter6 {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b, nil
	case name == linux.IPV6_CHECKSUM && v6 && (level == linux.SOL_RAW || level == linux.SOL_IPV6):
		return socket.Int(r.checksum), nil
	case key == option{linux.SOL_IPV6, linux.IPV6_HDRINCL} && v6, key == option{linux.SOL_IP, linux.IP_HDRINCL}:
		return socket.Int(flag(r.hdrIncl)), nil
	}
	return r.opts.get(r.family, r.protocol, false, r.st.wayMTU(r.remote.IsValid()), level, name)
}

// Ioctl implements socket.Socket.
func (r *Raw) Ioctl(_ vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	r.mu.Lock()
	n, stamp := r.head.length(), r.stamp
	r.mu.Unlock()
	return datagramIoctl(m, cmd, arg, n, stamp)
}

// Close implements socket.Socket.
func (r *Raw) Close() {
	r.forget()
	r.shutDown()
}
