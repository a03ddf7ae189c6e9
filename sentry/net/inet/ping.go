package inet

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/creds"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Ping is a socket that sends echo requests and receives the replies to them (icmp(7)), for programs
// without privileges.
type Ping struct {
	endpoint
	kept bool // the identifier is from bind(2); guarded by mu

	// Of a socket with an identifier. Guarded by Stack.mu.
	addr  netip.Addr
	reuse bool
}

// PingGroups are the groups whose members may have ping sockets (net.ipv4.ping_group_range).
type PingGroups struct{ Low, High creds.GID }

// EveryGroup lets everybody have ping sockets, noGroup nobody, which is how a network begins.
var (
	EveryGroup = PingGroups{Low: 0, High: math.MaxInt32}
	noGroup    = PingGroups{Low: 1, High: 0}
)

// PingGroups returns who may have ping sockets.
func (st *Stack) PingGroups() PingGroups {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.pingGroups
}

// SetPingGroups changes it.
func (st *Stack) SetPingGroups(g PingGroups) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.pingGroups = g
}

// newPing returns a ping socket; EACCES if c is in none of the groups.
func (st *Stack) newPing(c vfs.Caller, family, protocol int32) (socket.Socket, error) {
	r, cr := st.PingGroups(), c.Creds()
	in := func(g creds.GID) bool { return r.Low <= g && g <= r.High }
	ok := in(cr.EGID)
	for _, g := range cr.Groups {
		ok = ok || in(g)
	}
	if !ok {
		return nil, errno.EACCES
	}
	p := new(Ping)
	p.init(c, st, family, protocol)
	return p, nil
}

// Kind implements socket.Socket.
func (p *Ping) Kind() (family, typ, protocol int32) { return p.family, linux.SOCK_DGRAM, p.protocol }

// pingKey is an identifier of one family.
type pingKey struct {
	v6    bool
	ident uint16
}

func (p *Ping) key(ident uint16) pingKey { return pingKey{p.family == linux.AF_INET6, ident} }

// takeLocked gives the socket an identifier, 0 for any that is free. Preconditions: mu.
func (p *Ping) takeLocked(addr netip.Addr, ident uint16) error {
	reuse := p.Options().ReuseAddr
	st := p.st
	st.mu.Lock()
	defer st.mu.Unlock()
	if ident == 0 {
		for range 1 << 16 {
			if st.nextIdent++; st.nextIdent != 0 && len(st.pings[p.key(st.nextIdent)]) == 0 {
				ident = st.nextIdent
				break
			}
		}
		if ident == 0 {
			return errno.EADDRINUSE
		}
	}
	k := p.key(ident)
	for _, o := range st.pings[k] {
		if !o.reuse || !reuse {
			return errno.EADDRINUSE
		}
	}
	p.num = ident
	p.addr, p.reuse = addr, reuse
	st.pings[k] = append(st.pings[k], p)
	return nil
}

// release gives the identifier back.
func (p *Ping) release(ident uint16) {
	k := p.key(ident)
	p.st.mu.Lock()
	defer p.st.mu.Unlock()
	l := p.st.pings[k]
	if i := slices.Index(l, p); i >= 0 {
		l = slices.Delete(l, i, i+1)
	}
	if len(l) == 0 {
		delete(p.st.pings, k)
	} else {
		p.st.pings[k] = l
	}
}

// findPing returns the socket that has the identifier of an echo reply, nil if there is none.
func (st *Stack) findPing(m *packet) *Ping {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, p := range st.pings[pingKey{m.v6(), binary.BigEndian.Uint16(m.body[4:])}] {
		if p.addr.IsUnspecified() || p.addr == m.dst {
			return p
		}
	}
	return nil
}

// Bind implements socket.Socket: the port is the identifier.
func (p *Ping) Bind(_ socket.Caller, addr []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, err := p.st.bindArgs(&p.opts, p.family, addr, true)
	if err != nil {
		return err
	}
	if p.num != 0 {
		return errno.EINVAL
	}
	if err := p.takeLocked(a.Addr(), a.Port()); err != nil {
		return err
	}
	p.bound, p.local, p.kept = a.Addr(), a.Addr(), a.Port() != 0
	return nil
}

// Connect implements socket.Socket.
func (p *Ping) Connect(_ socket.Caller, addr []byte, _ uint32) error {
	f, err := familyOf(addr)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f == linux.AF_UNSPEC {
		p.remote = netip.AddrPort{}
		p.local = p.bound
		if !p.kept {
			p.release(p.num)
			p.num = 0
		}
		return nil
	}
	if p.num == 0 {
		if err := p.takeLocked(p.bound, 0); err != nil {
			return errno.EAGAIN
		}
	}
	return p.connectLocked(addr)
}

// Send implements socket.Socket. The kernel fills in the identifier and the checksum.
func (p *Ping) Send(c vfs.Caller, src *usermem.Sequence, m *socket.Message) (int, error) {
	p.mu.Lock()
	if p.num == 0 {
		if err := p.takeLocked(p.bound, 0); err != nil {
			p.mu.Unlock()
			return 0, errno.EAGAIN
		}
	}
	p.mu.Unlock()
	size := src.Len()
	switch {
	case size > 65535:
		return 0, errno.EMSGSIZE
	case m.Flags&linux.MSG_OOB != 0:
		return 0, errno.EOPNOTSUPP
	case size < icmpHeader:
		return 0, errno.EINVAL
	}
	body, err := copyIn(src)
	if err != nil {
		return 0, err
	}
	v6 := p.family == linux.AF_INET6
	request := uint8(linux.ICMP_ECHO)
	if v6 {
		request = linux.ICMPV6_ECHO_REQUEST
	}
	if body[0] != request || body[1] != 0 {
		return 0, errno.EINVAL
	}
	p.mu.Lock()
	to, err := p.destinationLocked(m)
	var dst, from netip.Addr
	if err == nil {
		dst, from, err = p.routeLocked(to.Addr())
	}
	shut, head, num := p.shut, p.opts.header(v6), p.num
	p.mu.Unlock()
	if err == nil {
		err = head.apply(m.Control, v6)
	}
	switch {
	case err != nil:
		return 0, err
	case !v6 && size > maxPacket-ipHeader:
		return 0, errno.EMSGSIZE
	}
	if err := p.TakeError(); err != nil {
		return 0, err
	}
	if shut&shutSend != 0 {
		return 0, errno.EPIPE
	}
	binary.BigEndian.PutUint16(body[4:], num)
	msg := icmpPacket(from, dst, head, body, c.Now())
	msg.df = true
	p.st.input(msg)
	return int(size), nil
}

// SetOption implements socket.Socket.
func (p *Ping) SetOption(c socket.Caller, level, name int32, value []byte) error {
	if level == linux.SOL_SOCKET {
		return setCommonOption(c, &p.Base, name, value)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if ok, err := p.opts.setGroup(p.st, p.family, level, name, value); ok {
		return err
	}
	return p.opts.set(p.family, false, level, name, value, p.num != 0)
}

// Option implements socket.Socket.
func (p *Ping) Option(_ socket.Caller, level, name int32, _ int) ([]byte, error) {
	if level == linux.SOL_SOCKET {
		return commonOption(&p.Base, p, name, false)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opts.get(p.family, p.protocol, false, p.st.wayMTU(p.remote.IsValid()), level, name)
}

// Ioctl implements socket.Socket: Linux has none for ping sockets.
func (p *Ping) Ioctl(vfs.Caller, usermem.IO, uint32, arch.Arg) (uint64, error) {
	return 0, errno.ENOTTY
}

// Close implements socket.Socket.
func (p *Ping) Close() {
	p.shutDown()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(p.num)
	p.num = 0
}
