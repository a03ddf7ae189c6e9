package inet

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// maxDatagram is the most bytes that a datagram over IPv4 holds.
const maxDatagram = 65535 - 20 - 8

// datagram is one message in a queue.
type datagram struct {
	next  *datagram
	data  []byte
	from  netip.AddrPort
	to    netip.Addr
	head  header
	stamp int64
	whole int // size of a frame before a filter cut it
	// segment is the size of the datagrams that data is, but for the last one that may be shorter; 0 if it is one.
	segment int
}

// cost is what a datagram takes of SO_RCVBUF, about as much as on Linux.
func (d *datagram) cost() int { return len(d.data) + 768 }

// inbox is the messages that wait to be received, first the oldest. Guarded by the lock of whose it is.
type inbox struct {
	head, tail *datagram
	used       int // cost of the queue
	drops      int
	stamp      int64 // of the message that was received last, 0: none yet (SIOCGSTAMP)
}

// push puts d into the queue, or drops it if that has messages and would then cost more than limit.
func (q *inbox) push(d *datagram, limit int) bool {
	if q.used+d.cost() > limit && q.head != nil {
		q.drops++
		return false
	}
	if q.tail != nil {
		q.tail.next = d
	} else {
		q.head = d
	}
	q.tail = d
	q.used += d.cost()
	return true
}

// pop takes the oldest message out. Preconditions: there is one.
func (q *inbox) pop() {
	d := q.head
	if q.head = d.next; q.head == nil {
		q.tail = nil
	}
	q.used -= d.cost()
	q.stamp = d.stamp
}

// UDP is a datagram socket, of UDP or UDP-Lite.
type UDP struct {
	socket.Base
	st       *Stack
	family   int32
	protocol int32
	ports    ports // of the protocol

	recvMu sync.Mutex // serializes readers

	mu      sync.Mutex
	opts    options
	binding *binding
	bound   bool // to a port by bind(2): it stays when the socket is disconnected
	local   netip.AddrPort
	remote  netip.AddrPort // of a connected socket
	shut    uint8
	inbox
	// coverage are UDPLITE_SEND_CSCOV and UDPLITE_RECV_CSCOV, in bytes, which a loopback does without.
	coverage [2]int32
	failures []*failure // of datagrams that were sent, the oldest first
	segment  int        // UDP_SEGMENT
	gro      bool       // UDP_GRO: segments of one send are received as one
	sentID   uint32     // of the next that is told of (SOF_TIMESTAMPING_OPT_ID)
}

func (st *Stack) newUDP(family, protocol int32) *UDP {
	u := &UDP{st: st, family: family, protocol: protocol, ports: st.udp}
	u.opts.v6only = family == linux.AF_INET6 && st.v6only()
	if protocol == linux.IPPROTO_UDPLITE {
		u.ports = st.udpLite
	}
	u.Init(st.net)
	u.TellsSent = true
	st.mu.Lock()
	st.udps[u] = struct{}{}
	st.mu.Unlock()
	return u
}

// Kind implements socket.Socket.
func (u *UDP) Kind() (family, typ, protocol int32) {
	return u.family, linux.SOCK_DGRAM, u.protocol
}

func (u *UDP) newBinding(c vfs.Caller, a netip.AddrPort) *binding {
	o := u.Options()
	return &binding{
		addr: a.Addr(), port: a.Port(), v6only: u.opts.v6only, udp: u,
		reuseAddr: o.ReuseAddr, reusePort: o.ReusePort, uid: c.Creds().EUID,
	}
}

// Bind implements socket.Socket.
func (u *UDP) Bind(c socket.Caller, addr []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	a, err := u.st.bindArgs(&u.opts, u.family, addr, u.opts.v6only)
	if err != nil {
		return err
	}
	if u.binding != nil {
		return errno.EINVAL
	}
	b := u.newBinding(c, a)
	if err := u.st.bind(c, u.ports, b); err != nil {
		return err
	}
	u.binding, u.bound = b, a.Port() != 0
	u.local = netip.AddrPortFrom(b.addr, b.port)
	return nil
}

// autobindLocked gives the socket a port if it has none. Preconditions: mu.
func (u *UDP) autobindLocked(c vfs.Caller) error {
	if u.binding != nil {
		return nil
	}
	b := u.newBinding(c, netip.AddrPortFrom(wildcard(u.family), 0))
	if err := u.st.bindFree(u.ports, b); err != nil {
		return errno.EAGAIN
	}
	u.binding = b
	u.local = netip.AddrPortFrom(b.addr, b.port)
	return nil
}

// Connect implements socket.Socket: it sets whom the socket talks to, AF_UNSPEC nobody.
func (u *UDP) Connect(c socket.Caller, addr []byte, _ uint32) error {
	f, err := familyOf(addr)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if f == linux.AF_UNSPEC {
		u.remote = netip.AddrPort{}
		if b := u.binding; b != nil {
			u.local = netip.AddrPortFrom(b.addr, b.port)
			u.st.change(b, func(b *binding) { b.connected = false })
			if !u.bound {
				u.st.unbind(u.ports, b)
				u.binding = nil
				u.local = netip.AddrPortFrom(b.addr, 0)
			}
		}
		return nil
	}
	a, err := parse(u.family, addr)
	if err != nil {
		return err
	}
	dst, src, err := u.routeLocked(a.Addr())
	if err != nil {
		return err
	}
	if err := u.autobindLocked(c); err != nil {
		return err
	}
	u.local = netip.AddrPortFrom(src, u.binding.port)
	u.remote = netip.AddrPortFrom(dst, a.Port())
	remote := u.remote
	u.st.change(u.binding, func(b *binding) { b.connected, b.remote = true, remote })
	return nil
}

// Listen and Accept implement socket.Socket.
func (u *UDP) Listen(socket.Caller, int32) error { return errno.EOPNOTSUPP }

func (u *UDP) Accept(socket.Caller, bool) (socket.Socket, error) { return nil, errno.EOPNOTSUPP }

// LocalName implements socket.Socket.
func (u *UDP) LocalName() ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	a := u.local
	if !a.IsValid() {
		a = netip.AddrPortFrom(wildcard(u.family), 0)
	}
	return encode(u.family, a), nil
}

// PeerName implements socket.Socket.
func (u *UDP) PeerName() ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.remote.IsValid() {
		return nil, errno.ENOTCONN
	}
	return encode(u.family, u.remote), nil
}

// Shutdown implements socket.Socket. It takes effect even where it reports ENOTCONN.
func (u *UDP) Shutdown(h int32) error {
	if h < linux.SHUT_RD || h > linux.SHUT_RDWR {
		return errno.EINVAL
	}
	u.mu.Lock()
	u.shut |= uint8(h + 1)
	ok := u.remote.IsValid()
	u.mu.Unlock()
	u.Queue.Notify(changed)
	if !ok {
		return errno.ENOTCONN
	}
	return nil
}

// Send implements socket.Socket.
func (u *UDP) Send(c vfs.Caller, src *usermem.Sequence, m *socket.Message) (int, error) {
	if m.Flags&linux.MSG_OOB != 0 {
		return 0, errno.EOPNOTSUPP
	}
	size := src.Len()
	u.mu.Lock()
	to := u.remote
	err := u.autobindLocked(c) // even if nothing comes of it
	if err != nil {
		u.mu.Unlock()
		return 0, err
	}
	if size > maxDatagram {
		err = errno.EMSGSIZE
	} else if m.Name != nil {
		to, err = parse(u.family, m.Name)
		if err == nil && to.Port() == 0 {
			err = errno.EINVAL
		}
	} else if !to.IsValid() {
		err = errno.EDESTADDRREQ
	}
	var from netip.Addr
	if err == nil {
		var dst netip.Addr
		dst, from, err = u.routeLocked(to.Addr())
		to = netip.AddrPortFrom(dst, to.Port())
	}
	if err != nil {
		u.mu.Unlock()
		return 0, err
	}
	source := netip.AddrPortFrom(from, u.binding.port)
	shut, head, segment := u.shut, u.opts.header(to.Addr().Is6()), u.segment
	if to.Addr().IsMulticast() {
		head.ttl = uint8(u.opts.value(linux.SOL_IP, linux.IP_MULTICAST_TTL))
	}
	u.mu.Unlock()
	if err := head.apply(m.Control, to.Addr().Is6()); err != nil {
		return 0, err
	}
	segment, err = u.segmentOf(m.Control, segment, int(size), to.Addr().Is6())
	if err != nil {
		return 0, err
	}
	if err := u.TakeError(); err != nil {
		return 0, err
	}
	if shut&shutSend != 0 {
		return 0, errno.EPIPE
	}
	d := &datagram{data: make([]byte, size), from: source, to: to.Addr(), head: head, stamp: c.Now(), segment: segment}
	if n, err := src.CopyIn(d.data); uint64(n) < size {
		if err == nil {
			err = errno.EFAULT
		}
		return 0, err
	}
	if flags := u.Stamping(); flags&(linux.SOF_TIMESTAMPING_TX_SOFTWARE|linux.SOF_TIMESTAMPING_TX_SCHED) != 0 {
		u.tellSent(d, to.Port(), flags)
	}
	var p *packet
	if u.st.tapped() {
		p = udpPacket(uint8(u.protocol), d, to.Port())
		u.st.tap(p)
	}
	u.st.udpDeliver(u.ports, d, to, p)
	return int(size), nil
}

// routeLocked returns where a datagram to a goes and where it comes from. Preconditions: mu.
func (u *UDP) routeLocked(a netip.Addr) (dst, src netip.Addr, err error) {
	bound := any4
	if u.binding != nil {
		bound = u.binding.addr
	}
	dst, src, err = u.opts.route(u.st, a, bound, &u.Base)
	if err == nil && u.binding != nil {
		err = mayMeet(bound, dst)
	}
	if err == nil && u.st.one(bound) {
		src = bound
	}
	return dst, src, err
}

// maxSegments is how many datagrams one send may make (UDP_MAX_SEGMENTS).
const maxSegments = 128

// segmentOf returns the size of the datagrams that a send of size bytes makes, 0 if it makes one: what a control
// message says, or else what is set.
func (u *UDP) segmentOf(msgs []socket.ControlMessage, set, size int, v6 bool) (int, error) {
	if u.protocol != linux.IPPROTO_UDP {
		return 0, nil
	}
	for _, m := range msgs {
		switch {
		case m.Level != linux.SOL_UDP:
		case m.Type != linux.UDP_SEGMENT || len(m.Data) != 2:
			return 0, errno.EINVAL
		default:
			set = int(binary.LittleEndian.Uint16(m.Data))
		}
	}
	if set == 0 {
		return 0, nil
	}
	headers := ipHeader + udpHeader
	if v6 {
		headers = ip6Header + udpHeader
	}
	if uint32(headers+set) > u.st.wayMTU(true) || size > set*maxSegments {
		return 0, errno.EINVAL
	}
	if size <= set {
		return 0, nil
	}
	return set, nil
}

// deliver puts a datagram into the queue, or drops it if that is full.
func (u *UDP) deliver(d *datagram) {
	if d.segment != 0 {
		u.mu.Lock()
		whole := u.gro
		u.mu.Unlock()
		if !whole {
			for b := range slices.Chunk(d.data, d.segment) {
				each := *d
				each.data, each.segment = b, 0
				u.deliver(&each)
			}
			return
		}
	}
	limit := int(u.Options().RcvBuf)
	if u.Filtered() {
		u.mu.Lock()
		port := u.local.Port()
		u.mu.Unlock()
		var ok bool
		if d, ok = u.filterDatagram(d, port); !ok {
			return
		}
	}
	u.mu.Lock()
	took := u.push(d, limit)
	u.mu.Unlock()
	if took {
		u.Queue.Notify(readable)
	}
}

// Recv implements socket.Socket.
func (u *UDP) Recv(_ vfs.Caller, dst *usermem.Sequence, m *socket.Message) (int, error) {
	if m.Flags&linux.MSG_ERRQUEUE != 0 {
		return u.recvFailure(dst, m)
	}
	if err := u.TakeError(); err != nil {
		return 0, err
	}
	u.recvMu.Lock()
	defer u.recvMu.Unlock()
	u.mu.Lock()
	d := u.head
	if d == nil {
		defer u.mu.Unlock()
		if u.shut&shutRecv != 0 && m.Flags&linux.MSG_DONTWAIT == 0 {
			return 0, nil
		}
		return 0, errno.EAGAIN
	}
	if m.Flags&linux.MSG_PEEK == 0 {
		u.pop()
	}
	control := u.opts.control(u.st, d.to, d.head)
	if d.segment != 0 && u.gro {
		size := socket.ControlMessage{Level: linux.SOL_UDP, Type: linux.UDP_GRO, Data: socket.Int(int32(d.segment))}
		control = slices.Insert(control, 0, size)
	}
	u.mu.Unlock()
	m.Name = encode(u.family, d.from)
	m.Stamp = d.stamp
	m.Control = control
	return d.copyOut(dst, m)
}

// Readiness implements socket.Socket, as datagram_poll does in Linux.
func (u *UDP) Readiness() wait.Mask {
	m := writable | wait.WrBand
	if u.HasError() {
		m |= wait.Err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.shut&shutRecv != 0 {
		m |= wait.RdHup | readable
	}
	if u.shut == shutBoth {
		m |= wait.Hup
	}
	if u.head != nil {
		m |= readable
	}
	if len(u.failures) > 0 {
		m |= wait.Err
		if u.Options().SelectErr {
			m |= wait.Pri
		}
	}
	return m
}

// Close implements socket.Socket.
func (u *UDP) Close() {
	u.mu.Lock()
	b := u.binding
	u.opts.leaveAll(u.st)
	u.binding, u.head, u.tail, u.used, u.failures = nil, nil, nil, 0, nil
	u.mu.Unlock()
	u.st.unbind(u.ports, b)
	u.st.mu.Lock()
	delete(u.st.udps, u)
	u.st.mu.Unlock()
}
