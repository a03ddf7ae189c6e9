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
	"ringfence/sentry/vfs"
)

// state is how far a TCP socket is connected.
type state uint8

const (
	closed state = iota
	listening
	connecting // waits for room in a listener's backlog
	connected
)

// Directions of a shutdown, as bits.
const (
	shutRecv = 1
	shutSend = 2
	shutBoth = 3
)

// Sizes of buffers that TCP sockets begin with (net.ipv4.tcp_wmem, tcp_rmem), and what a direction of
// a connection holds whose ends did not set any: Linux lets it grow further.
const (
	tcpSndBuf    = 16384
	tcpRcvBuf    = 131072
	streamBuffer = 4 << 20
)

// TCP is a stream socket.
type TCP struct {
	socket.Base
	st     *Stack
	family int32

	mu            sync.Mutex
	opts          options
	state         state
	shut          uint8
	dead          bool // closed by its owner
	done          bool // ended by a reset or a refusal; polls as such
	told          bool // connect(2) has reported the connection
	binding       *binding
	bound         bool // by bind(2): the port stays when a connection ends
	local, remote netip.AddrPort
	peer          *TCP
	in, out       *stream

	// Of a listener.
	backlog int
	pending []*TCP // connections that wait to be accepted
	syns    []*TCP // clients that wait for room there
	pruneAt int    // length of syns at which those that have given up are forgotten
}

func (st *Stack) newTCP(family int32) *TCP {
	t := &TCP{st: st, family: family, opts: options{v6only: family == linux.AF_INET6 && st.v6only()}}
	t.Init(st.net)
	t.Update(func(o *socket.Options) { o.SndBuf, o.RcvBuf = tcpSndBuf, tcpRcvBuf })
	st.mu.Lock()
	st.tcps[t] = struct{}{}
	st.mu.Unlock()
	return t
}

// Kind implements socket.Socket.
func (t *TCP) Kind() (family, typ, protocol int32) {
	return t.family, linux.SOCK_STREAM, linux.IPPROTO_TCP
}

// Conditions that waiters are told of.
const (
	readable = wait.In | wait.RdNorm
	writable = wait.Out | wait.WrNorm
	changed  = readable | writable | wait.RdHup | wait.Hup | wait.Err
)

// bindArgs checks an address to bind to.
func (st *Stack) bindArgs(o *options, family int32, addr []byte, v6only bool) (netip.AddrPort, error) {
	f, err := familyOf(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var a netip.AddrPort
	switch {
	case family == linux.AF_INET && f == linux.AF_UNSPEC && len(addr) >= sizeInet:
		// Linux takes AF_UNSPEC for AF_INET with the wildcard address.
		fixed := append([]byte{linux.AF_INET, 0}, addr[2:]...)
		if a, err = parse(family, fixed); err == nil && a.Addr() != any4 {
			err = errno.EAFNOSUPPORT
		}
	case family == linux.AF_INET6 && f != linux.AF_INET6:
		if len(addr) < minInet6 {
			return a, errno.EINVAL
		}
		return a, errno.EAFNOSUPPORT
	default:
		a, err = parse(family, addr)
	}
	if err != nil {
		return a, err
	}
	if family == linux.AF_INET6 && a.Addr().Is4() && v6only {
		return a, errno.EINVAL
	}
	switch ip := a.Addr(); {
	case ip.Is6() && (ip.IsInterfaceLocalMulticast() || ip.IsLinkLocalMulticast()):
		// The interface must be said (ipv6(7)).
		if len(addr) < sizeInet6 || binary.LittleEndian.Uint32(addr[24:]) == 0 {
			return a, errno.EINVAL
		}
	case !st.bindable(o, ip):
		return a, errno.EADDRNOTAVAIL
	}
	return a, nil
}

// landlocked asks c's domain, if it restricts right, whether it may use the port of addr. Addresses that have none
// it refuses as Linux does there.
func (t *TCP) landlocked(c socket.Caller, addr []byte, right uint64) error {
	d := c.Creds().Landlock
	if !d.HandlesPorts(right) {
		return nil
	}
	f, err := familyOf(addr)
	switch {
	case err != nil:
		return err
	case f == linux.AF_UNSPEC && right == linux.LANDLOCK_ACCESS_NET_CONNECT_TCP:
		return nil // disconnects
	case (f == linux.AF_INET || f == linux.AF_UNSPEC) && len(addr) < sizeInet, f == linux.AF_INET6 && len(addr) < minInet6:
		return errno.EINVAL
	case f == linux.AF_UNSPEC:
		if a := [4]byte(addr[4:8]); t.family != linux.AF_INET || a != any4.As4() {
			return errno.EAFNOSUPPORT
		}
	case f != linux.AF_INET && f != linux.AF_INET6:
		return nil // refused for that
	case int32(f) != t.family:
		return errno.EINVAL
	}
	return d.MayUsePort(binary.BigEndian.Uint16(addr[2:]), right)
}

// newBinding returns what the socket would hold of a port.
func (t *TCP) newBinding(c vfs.Caller, a netip.AddrPort) *binding {
	o := t.Options()
	return &binding{
		addr: a.Addr(), port: a.Port(), v6only: t.opts.v6only, tcp: t,
		reuseAddr: o.ReuseAddr, reusePort: o.ReusePort, uid: c.Creds().EUID,
	}
}

// Bind implements socket.Socket.
func (t *TCP) Bind(c socket.Caller, addr []byte) error {
	if err := t.landlocked(c, addr, linux.LANDLOCK_ACCESS_NET_BIND_TCP); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.st.bindArgs(&t.opts, t.family, addr, t.opts.v6only)
	if err != nil {
		return err
	}
	if t.binding != nil || t.state != closed && !t.done {
		return errno.EINVAL
	}
	b := t.newBinding(c, a)
	if err := t.st.bind(c, t.st.tcp, b); err != nil {
		return err
	}
	t.binding, t.bound = b, a.Port() != 0
	t.local = netip.AddrPortFrom(b.addr, b.port)
	return nil
}

// Listen implements socket.Socket. An unbound socket gets a port.
func (t *TCP) Listen(c socket.Caller, backlog int32) error {
	if most := t.Net().Somaxconn(); backlog < 0 || backlog > most {
		backlog = most
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.state {
	case listening:
		t.backlog = int(backlog)
		return nil
	case closed:
		if t.done && !t.told {
			return errno.EINVAL // an attempt to connect is not yet reported
		}
	default:
		return errno.EINVAL
	}
	if t.binding == nil {
		b := t.newBinding(c, netip.AddrPortFrom(wildcard(t.family), 0))
		if err := t.st.bindFree(t.st.tcp, b); err != nil {
			return err
		}
		t.binding = b
		t.local = netip.AddrPortFrom(b.addr, b.port)
	}
	o := t.Options()
	t.st.change(t.binding, func(b *binding) { b.reuseAddr, b.reusePort = o.ReuseAddr, o.ReusePort })
	if err := t.st.listen(t.binding); err != nil {
		return err
	}
	t.state, t.backlog, t.done = listening, int(backlog), false
	return nil
}

// Connect implements socket.Socket. As on Linux, a socket that does not wait gets EINPROGRESS even
// though all is decided by then.
func (t *TCP) Connect(c socket.Caller, addr []byte, flags uint32) error {
	f, err := familyOf(addr)
	if err == nil {
		err = t.landlocked(c, addr, linux.LANDLOCK_ACCESS_NET_CONNECT_TCP)
	}
	if err != nil {
		return err
	}
	if f == linux.AF_UNSPEC {
		return t.disconnect()
	}
	nonblock := flags&linux.O_NONBLOCK != 0
	t.mu.Lock()
	switch t.state {
	case listening:
		t.mu.Unlock()
		return errno.EISCONN
	case connected:
		if t.done && !t.told {
			t.state = closed // reset before anybody asked
			break
		}
		defer t.mu.Unlock()
		if t.told {
			return errno.EISCONN
		}
		t.told = true
		return nil
	case connecting:
		defer t.mu.Unlock()
		if nonblock {
			return errno.EALREADY
		}
		return errno.EAGAIN
	}
	if t.done && !t.told {
		// The attempt under way has failed meanwhile.
		t.failedLocked()
		t.mu.Unlock()
		if err := t.TakeError(); err != nil {
			return err
		}
		return errno.ECONNABORTED
	}
	a, err := parse(t.family, addr)
	if err == nil && t.family == linux.AF_INET6 && a.Addr().Is4() && t.opts.v6only {
		err = errno.ENETUNREACH
	}
	if err != nil {
		t.mu.Unlock()
		return err
	}
	dst, src, err := t.st.route(a.Addr())
	if err == nil && !t.st.up() {
		err = errno.ENETUNREACH // Linux tries until it is tired
	}
	if err == nil && t.binding != nil {
		err = mayMeet(t.binding.addr, dst)
	}
	if err != nil {
		t.mu.Unlock()
		return err
	}
	if t.binding == nil {
		b := t.newBinding(c, netip.AddrPortFrom(src, 0))
		if err := t.st.bindFree(t.st.tcp, b); err != nil {
			t.mu.Unlock()
			return errno.EADDRNOTAVAIL
		}
		t.binding = b
	}
	if ip := t.binding.addr; ip != any4 && ip != any6 {
		src = ip
	}
	if err := t.st.claim(t.binding, src, netip.AddrPortFrom(dst, a.Port())); err != nil {
		t.releasePortLocked()
		t.mu.Unlock()
		return err
	}
	t.local = netip.AddrPortFrom(src, t.binding.port)
	t.remote = netip.AddrPortFrom(dst, a.Port())
	t.done, t.told = false, false
	t.state = connecting
	t.TakeError() // of what the socket was before
	remote, from := t.remote, t.local
	t.mu.Unlock()

	if t.st.tapped() {
		t.st.showSegment(from, remote, tcpSYN, 0, 0, nil, c.Now())
	}
	b := t.st.find(t.st.tcp, from, remote)
	switch {
	case b == nil && from == remote:
		t.meetSelf()
	case b != nil && !b.tcp.inReach(t, remote.Addr().Is6()):
		// What is sent is dropped, and nobody answers.
	case b == nil || !b.tcp.admit(t):
		if t.st.tapped() {
			t.st.showSegment(remote, from, tcpRST|tcpACK, 0, 1, nil, c.Now())
		}
		t.refused()
		if nonblock {
			return errno.EINPROGRESS
		}
		t.mu.Lock()
		t.failedLocked()
		t.mu.Unlock()
		return t.TakeError()
	}
	if nonblock {
		return errno.EINPROGRESS
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == connecting {
		return errno.EAGAIN
	}
	t.told = true
	return nil
}

// meetSelf connects a socket to its own address: what it sends it receives.
func (t *TCP) meetSelf() {
	t.mu.Lock()
	o := t.Options()
	t.in = &stream{limit: streamLimit(o.RcvBuf, o.SndBuf)}
	t.out, t.peer, t.state = t.in, t, connected
	t.mu.Unlock()
	t.Queue.Notify(writable)
}

// failedLocked forgets an attempt to connect of whose failure connect(2) tells now.
func (t *TCP) failedLocked() {
	t.done, t.told, t.shut = false, false, 0
	if !t.bound {
		t.local = netip.AddrPortFrom(wildcard(t.family), t.local.Port())
	}
}

// refused ends an attempt to connect.
func (t *TCP) refused() {
	t.SetError(errno.ECONNREFUSED)
	t.mu.Lock()
	t.state, t.done, t.told = closed, true, false
	t.releasePortLocked()
	t.mu.Unlock()
	t.Queue.Notify(changed)
}

// releasePortLocked gives back a port that bind(2) did not ask for; one that it did is connected to nobody.
func (t *TCP) releasePortLocked() {
	if t.bound {
		t.st.change(t.binding, func(b *binding) { b.connected = false })
		return
	}
	t.st.unbind(t.st.tcp, t.binding)
	t.binding = nil
}

// inReach reports whether what the listener and a client send passes the other's IP_MINTTL.
func (l *TCP) inReach(client *TCP, v6 bool) bool {
	l.mu.Lock()
	ttl, least := l.opts.hops(v6)
	l.mu.Unlock()
	client.mu.Lock()
	defer client.mu.Unlock()
	theirs, must := client.opts.hops(v6)
	return theirs >= least && ttl >= must
}

// admit takes a client in, or lets it wait for room; false if l does not listen any more.
func (l *TCP) admit(client *TCP) bool {
	l.mu.Lock()
	if l.state != listening {
		l.mu.Unlock()
		return false
	}
	if len(l.pending) > l.backlog {
		l.pruneLocked()
		l.syns = append(l.syns, client)
		l.mu.Unlock()
		return true
	}
	ok := l.establishLocked(client)
	l.mu.Unlock()
	if ok {
		client.showHandshake(0)
		client.Queue.Notify(writable)
		l.Queue.Notify(readable)
	}
	return true
}

// pruneLocked forgets clients that have given up, now and then.
func (l *TCP) pruneLocked() {
	if len(l.syns) < max(l.pruneAt, 64) {
		return
	}
	l.syns = slices.DeleteFunc(l.syns, func(c *TCP) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.state != connecting
	})
	l.pruneAt = 2*len(l.syns) + 64
}

// establishLocked connects a client to a new end of l's; false if the client has given up.
// Preconditions: l.mu.
func (l *TCP) establishLocked(client *TCP) bool {
	client.mu.Lock()
	defer client.mu.Unlock()
	if client.state != connecting {
		return false
	}
	e := l.st.newTCP(l.family)
	e.mu.Lock()
	defer e.mu.Unlock()
	lo, co := l.Options(), client.Options()
	e.Update(func(o *socket.Options) { *o = lo; o.PeekOff = -1 })
	e.opts = l.opts.clone()
	e.in = &stream{limit: streamLimit(lo.RcvBuf, co.SndBuf)}
	e.out = &stream{limit: streamLimit(co.RcvBuf, lo.SndBuf)}
	e.state, e.told, e.peer = connected, true, client
	if e.shut = l.shut; e.shut&shutSend != 0 {
		e.out.finish()
	}
	e.local, e.remote = client.remote, client.local
	e.binding = &binding{
		addr: e.local.Addr(), port: e.local.Port(), tcp: e, connected: true, remote: e.remote, src: e.local.Addr(),
		reuseAddr: lo.ReuseAddr, reusePort: lo.ReusePort, uid: l.binding.uid,
	}
	l.st.mu.Lock()
	l.st.tcp[e.binding.port] = append(l.st.tcp[e.binding.port], e.binding)
	l.st.mu.Unlock()
	client.in, client.out = e.out, e.in
	client.state, client.peer = connected, e
	l.pending = append(l.pending, e)
	return true
}

// streamLimit is how much a direction holds, given the buffers of its ends.
func streamLimit(rcvBuf, sndBuf int32) int {
	if rcvBuf == tcpRcvBuf && sndBuf == tcpSndBuf {
		return streamBuffer
	}
	return int(rcvBuf) + int(sndBuf)
}

// Accept implements socket.Socket.
func (t *TCP) Accept(socket.Caller, bool) (socket.Socket, error) {
	t.mu.Lock()
	if t.state != listening {
		t.mu.Unlock()
		return nil, errno.EINVAL
	}
	if len(t.pending) == 0 {
		t.mu.Unlock()
		return nil, errno.EAGAIN
	}
	e := t.pending[0]
	t.pending[0] = nil
	if t.pending = t.pending[1:]; len(t.pending) == 0 {
		t.pending = nil
	}
	var let *TCP
	for let == nil && len(t.syns) > 0 {
		client := t.syns[0]
		t.syns = t.syns[1:]
		if t.establishLocked(client) {
			let = client
		}
	}
	t.mu.Unlock()
	if let != nil {
		let.showHandshake(0)
		let.Queue.Notify(writable)
		t.Queue.Notify(readable)
	}
	return e, nil
}

// LocalName implements socket.Socket.
func (t *TCP) LocalName() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.local
	if !a.IsValid() {
		a = netip.AddrPortFrom(wildcard(t.family), 0)
	}
	return encode(t.family, a), nil
}

// PeerName implements socket.Socket.
func (t *TCP) PeerName() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != connected || t.done {
		return nil, errno.ENOTCONN
	}
	return encode(t.family, t.remote), nil
}

// Shutdown implements socket.Socket.
func (t *TCP) Shutdown(h int32) error {
	if h < linux.SHUT_RD || h > linux.SHUT_RDWR {
		return errno.EINVAL
	}
	bits := uint8(h + 1)
	t.mu.Lock()
	switch {
	case t.state == listening:
		if bits&shutRecv == 0 {
			t.mu.Unlock()
			return nil
		}
		// Linux: the socket stops listening and keeps its port.
		pending, syns := t.stopListeningLocked()
		t.mu.Unlock()
		endAll(pending, syns)
		t.Queue.Notify(changed)
		return nil
	case t.state != connected || t.done:
		// It counts all the same.
		t.shut |= bits
		t.mu.Unlock()
		t.Queue.Notify(changed)
		return errno.ENOTCONN
	}
	t.shut |= bits
	t.told = true
	peer, in, out, local, remote := t.peer, t.in, t.out, t.local, t.remote
	t.mu.Unlock()
	if bits&shutSend != 0 {
		if !out.finish() {
			t.showEnd(local, remote, in, out, tcpFIN)
		}
		peer.Queue.Notify(readable | wait.RdHup | wait.Hup)
	}
	t.Queue.Notify(changed)
	return nil
}

func (t *TCP) stopListeningLocked() (pending, syns []*TCP) {
	pending, syns = t.pending, t.syns
	t.pending, t.syns, t.state, t.shut = nil, nil, closed, 0
	b := t.binding
	t.st.change(b, func(b *binding) { b.listening = false })
	t.releasePortLocked()
	return pending, syns
}

// endAll resets connections that nobody accepted and refuses those that waited to be.
func endAll(pending, syns []*TCP) {
	for _, e := range pending {
		e.abort()
		e.Close()
	}
	for _, s := range syns {
		s.mu.Lock()
		waits := s.state == connecting
		s.mu.Unlock()
		if waits {
			s.refused()
		}
	}
}

// disconnect is connect(2) with AF_UNSPEC.
func (t *TCP) disconnect() error {
	t.mu.Lock()
	if t.state == listening {
		pending, syns := t.stopListeningLocked()
		t.mu.Unlock()
		endAll(pending, syns)
		t.Queue.Notify(changed)
		return nil
	}
	cut := t.state == connecting || t.state == connected && !t.done
	t.mu.Unlock()
	t.abort()
	t.mu.Lock()
	b := t.binding
	t.binding, t.bound = nil, false
	t.state, t.done, t.told, t.shut = closed, false, false, 0
	t.local, t.remote, t.peer, t.in, t.out = netip.AddrPort{}, netip.AddrPort{}, nil, nil, nil
	t.mu.Unlock()
	t.st.unbind(t.st.tcp, b)
	if cut {
		t.SetError(errno.ECONNRESET) // as if the peer had done it
	}
	t.Queue.Notify(changed)
	return nil
}

// abort ends a connection with a reset: the peer is told, what is on the way is lost.
func (t *TCP) abort() {
	t.mu.Lock()
	st, peer, in, out, local, remote := t.state, t.peer, t.in, t.out, t.local, t.remote
	if st != connected {
		t.mu.Unlock()
		return
	}
	t.done = true
	t.mu.Unlock()
	t.showEnd(local, remote, in, out, tcpRST)
	in.abandon()
	peer.wasReset(errno.ECONNRESET, in)
}

// wasReset is what a reset from the peer does to the connection that sends into out; e is ECONNRESET, or
// EPIPE if the peer was done sending before. It comes too late if the socket has begun something new.
func (t *TCP) wasReset(e errno.Errno, out *stream) {
	t.mu.Lock()
	if t.state != connected || t.out != out || t.done || t.dead {
		t.mu.Unlock()
		return
	}
	t.done = true
	t.shut = shutBoth
	t.releasePortLocked()
	t.mu.Unlock()
	t.SetError(e)
	t.Queue.Notify(changed)
}

// Close implements socket.Socket.
func (t *TCP) Close() {
	t.mu.Lock()
	t.dead = true
	st, peer, in, out, b := t.state, t.peer, t.in, t.out, t.binding
	var pending, syns []*TCP
	if st == listening {
		pending, syns = t.stopListeningLocked()
		b = t.binding
	}
	t.state, t.binding = closed, nil
	done, local, remote := t.done, t.local, t.remote
	t.mu.Unlock()

	t.st.unbind(t.st.tcp, b)
	t.st.mu.Lock()
	delete(t.st.tcps, t)
	t.st.mu.Unlock()
	endAll(pending, syns)
	if st != connected {
		return
	}
	linger := t.Options().Linger
	unread := in.abandon()
	switch {
	case done:
	case unread || linger.Onoff != 0 && linger.Linger == 0:
		t.showEnd(local, remote, in, out, tcpRST)
		peer.wasReset(errno.ECONNRESET, in)
	default:
		if !out.finish() {
			t.showEnd(local, remote, in, out, tcpFIN)
		}
		peer.Queue.Notify(readable | wait.RdHup | wait.Hup)
	}
}
