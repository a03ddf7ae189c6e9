package inet

import (
	"net/netip"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// endpoint is what sockets have that send and receive packets without ports: raw sockets and
// ping sockets.
type endpoint struct {
	socket.Base
	st       *Stack
	family   int32
	protocol int32
	uid      creds.UID

	recvMu sync.Mutex // serializes readers

	mu     sync.Mutex
	opts   options
	bound  netip.Addr     // by bind(2), else the wildcard
	local  netip.Addr     // where messages come from: bound, or what connect(2) chose
	num    uint16         // the protocol, or the identifier of a ping socket; the port of getsockname(2)
	remote netip.AddrPort // of a connected socket
	shut   uint8

	inbox
}

func (e *endpoint) init(c vfs.Caller, st *Stack, family, protocol int32) {
	e.st, e.family, e.protocol, e.uid = st, family, protocol, c.Creds().FSUID
	e.bound = wildcard(family)
	e.local = e.bound
	e.Init(st.net)
	e.Update(func(o *socket.Options) { o.ReuseAddr = true }) // INET_PROTOSW_REUSE in Linux
}

// Listen and Accept implement socket.Socket.
func (e *endpoint) Listen(socket.Caller, int32) error { return errno.EOPNOTSUPP }

func (e *endpoint) Accept(socket.Caller, bool) (socket.Socket, error) { return nil, errno.EOPNOTSUPP }

// LocalName implements socket.Socket.
func (e *endpoint) LocalName() ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return encode(e.family, netip.AddrPortFrom(e.local, e.num)), nil
}

// PeerName implements socket.Socket. As on Linux, no port is no peer.
func (e *endpoint) PeerName() ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.remote.IsValid() || e.remote.Port() == 0 {
		return nil, errno.ENOTCONN
	}
	return encode(e.family, e.remote), nil
}

// Shutdown implements socket.Socket. It takes effect even where it reports ENOTCONN.
func (e *endpoint) Shutdown(h int32) error {
	if h < linux.SHUT_RD || h > linux.SHUT_RDWR {
		return errno.EINVAL
	}
	e.mu.Lock()
	e.shut |= uint8(h + 1)
	ok := e.remote.IsValid()
	e.mu.Unlock()
	e.Queue.Notify(changed)
	if !ok {
		return errno.ENOTCONN
	}
	return nil
}

// connectLocked sets whom the socket talks to. Preconditions: mu.
func (e *endpoint) connectLocked(addr []byte) error {
	if e.family == linux.AF_INET6 && len(addr) < minInet6 {
		return errno.EINVAL
	}
	a, err := parse(e.family, addr)
	if err != nil {
		return err
	}
	if e.family == linux.AF_INET6 && a.Addr().Is4() {
		return errno.ENETUNREACH
	}
	dst, src, err := e.routeLocked(a.Addr())
	if err != nil {
		return err
	}
	e.local = src
	e.remote = netip.AddrPortFrom(dst, a.Port())
	return nil
}

// routeLocked returns where a message to a goes and where it comes from. Preconditions: mu.
func (e *endpoint) routeLocked(a netip.Addr) (dst, src netip.Addr, err error) {
	dst, src, err = e.opts.route(e.st, a, e.bound, &e.Base)
	if err == nil && e.st.one(e.bound) {
		src = e.bound
	}
	return dst, src, err
}

// destinationLocked returns the address that a send names, or that of the connection. Preconditions: mu.
func (e *endpoint) destinationLocked(m *socket.Message) (netip.AddrPort, error) {
	if m.Name == nil {
		if !e.remote.IsValid() {
			return netip.AddrPort{}, errno.EDESTADDRREQ
		}
		return e.remote, nil
	}
	if e.family == linux.AF_INET6 && len(m.Name) < minInet6 {
		return netip.AddrPort{}, errno.EINVAL
	}
	a, err := parse(e.family, m.Name)
	if err == nil && e.family == linux.AF_INET6 && a.Addr().Is4() {
		err = errno.ENETUNREACH
	}
	return a, err
}

// deliver puts a message into the queue, or drops it if that is full.
func (e *endpoint) deliver(d *datagram) {
	if e.family != linux.AF_PACKET && e.Filtered() && !e.filter(d, e.family == linux.AF_INET6) {
		return
	}
	limit := int(e.Options().RcvBuf)
	e.mu.Lock()
	took := e.push(d, limit)
	e.mu.Unlock()
	if took {
		e.Queue.Notify(readable)
	}
}

// Recv implements socket.Socket.
func (e *endpoint) Recv(_ vfs.Caller, dst *usermem.Sequence, m *socket.Message) (int, error) {
	if m.Flags&linux.MSG_OOB != 0 {
		return 0, errno.EOPNOTSUPP
	}
	if m.Flags&linux.MSG_ERRQUEUE != 0 {
		return 0, errno.EAGAIN
	}
	e.recvMu.Lock()
	defer e.recvMu.Unlock()
	d, err := e.take(m)
	if d == nil {
		return 0, err
	}
	e.mu.Lock()
	m.Control = e.opts.control(e.st, d.to, d.head)
	e.mu.Unlock()
	m.Name = encode(e.family, d.from)
	return d.copyOut(dst, m)
}

// take takes the first message from the queue, or with MSG_PEEK leaves it; nil if there will be none.
// Preconditions: recvMu.
func (e *endpoint) take(m *socket.Message) (*datagram, error) {
	if err := e.TakeError(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.head
	if d == nil {
		if e.shut&shutRecv != 0 && m.Flags&linux.MSG_DONTWAIT == 0 {
			return nil, nil
		}
		return nil, errno.EAGAIN
	}
	if m.Flags&linux.MSG_PEEK == 0 {
		e.pop()
	}
	m.Stamp = d.stamp
	return d, nil
}

// copyOut moves a datagram to a receiver.
func (d *datagram) copyOut(dst *usermem.Sequence, m *socket.Message) (int, error) {
	n := int(min(dst.Len(), uint64(len(d.data))))
	if n < len(d.data) {
		m.Out |= linux.MSG_TRUNC
	}
	if k, err := dst.CopyOut(d.data[:n]); k < n {
		if err == nil {
			err = errno.EFAULT
		}
		return 0, err
	}
	if m.Flags&linux.MSG_TRUNC != 0 {
		return len(d.data), nil
	}
	return n, nil
}

// copyIn takes what a send is given.
func copyIn(src *usermem.Sequence) ([]byte, error) {
	b := make([]byte, src.Len())
	if n, err := src.CopyIn(b); n < len(b) {
		if err == nil {
			err = errno.EFAULT
		}
		return nil, err
	}
	return b, nil
}

// Readiness implements socket.Socket, as datagram_poll does in Linux.
func (e *endpoint) Readiness() wait.Mask {
	m := writable | wait.WrBand
	if e.HasError() {
		m |= wait.Err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shut&shutRecv != 0 {
		m |= wait.RdHup | readable
	}
	if e.shut == shutBoth {
		m |= wait.Hup
	}
	if e.head != nil {
		m |= readable
	}
	return m
}

// shutDown forgets what waits to be received, and leaves all groups.
func (e *endpoint) shutDown() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.head, e.tail, e.used = nil, nil, 0
	e.opts.leaveAll(e.st)
}

// entry is the socket's line in /proc/net.
func (e *endpoint) entry() socket.InetState {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := socket.InetState{
		Local: netip.AddrPortFrom(e.local, e.num), Remote: e.remote, State: linux.TCP_CLOSE, UID: e.uid, Recv: e.used, Drops: e.drops,
	}
	if e.remote.IsValid() {
		l.State = linux.TCP_ESTABLISHED
	}
	_, l.Inode = e.File()
	return l
}
