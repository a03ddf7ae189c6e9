package netlink

import (
	"encoding/binary"
	"math"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/bpf"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Socket is a socket of AF_NETLINK. It implements socket.Socket.
type Socket struct {
	socket.Base
	net           *Network
	typ, protocol int32 // immutable

	mu      sync.Mutex
	port    uint32 // 0: not bound
	groups  uint64 // a bit each, the lowest for group 1. Guarded by Network.mu too, when it changes
	peer    uint32 // port that connect chose
	queue   []datagram
	bytes   int      // in queue
	later   [][]byte // the rest of a dump, for which the queue has no room yet
	options uint32
}

// datagram is one or more messages in the queue.
type datagram struct {
	b     []byte
	group uint32 // that it was sent to, 0: to this socket alone
}

// maxGroup is the last group of NETLINK_ROUTE (RTNLGRP_MAX).
const maxGroup = 36

// in reports whether the socket is in a group.
func (s *Socket) in(group uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups>>(group-1)&1 != 0
}

// maxProtocols is how many protocols there could be (MAX_LINKS).
const maxProtocols = 32

// New is socket(2) for the family.
func (n *Network) New(typ, protocol int32) (*Socket, error) {
	if typ != linux.SOCK_RAW && typ != linux.SOCK_DGRAM {
		return nil, errno.ESOCKTNOSUPPORT
	}
	if protocol < 0 || protocol >= maxProtocols {
		return nil, errno.EPROTONOSUPPORT
	}
	switch protocol {
	case linux.NETLINK_ROUTE, linux.NETLINK_KOBJECT_UEVENT, linux.NETLINK_SOCK_DIAG:
	default:
		return nil, errno.EPROTONOSUPPORT
	}
	s := &Socket{net: n, typ: typ, protocol: protocol}
	s.Init(n.net)
	return s, nil
}

// Kind implements socket.Socket.
func (s *Socket) Kind() (family, typ, protocol int32) { return linux.AF_NETLINK, s.typ, s.protocol }

// addrSize is the size of struct sockaddr_nl.
const addrSize = 12

// name encodes a struct sockaddr_nl.
func name(port, groups uint32) []byte {
	b := make([]byte, addrSize)
	binary.LittleEndian.PutUint16(b, linux.AF_NETLINK)
	binary.LittleEndian.PutUint32(b[4:], port)
	binary.LittleEndian.PutUint32(b[8:], groups)
	return b
}

// parseName decodes one.
func parseName(b []byte) (port, groups uint32, err error) {
	if len(b) < addrSize || binary.LittleEndian.Uint16(b) != linux.AF_NETLINK {
		return 0, 0, errno.EINVAL
	}
	return binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]), nil
}

// Bind implements socket.Socket.
func (s *Socket) Bind(c socket.Caller, addr []byte) error {
	id, groups, err := parseName(addr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	old := s.port
	s.mu.Unlock()
	if old != 0 && id != old {
		return errno.EINVAL
	}
	if err := s.bind(c, id); err != nil {
		return err
	}
	if groups != 0 && s.protocol == linux.NETLINK_SOCK_DIAG {
		return errno.EOPNOTSUPP // nobody tells of sockets that end
	}
	s.net.listen(s, func(old uint64) uint64 { return old&^math.MaxUint32 | uint64(groups) })
	return nil
}

// bind gives the socket a port, if it has none. 0 is for one of our choice.
func (s *Socket) bind(c vfs.Caller, id uint32) error {
	s.mu.Lock()
	bound := s.port != 0
	s.mu.Unlock()
	if bound {
		return nil
	}
	var own uint32
	if sc, ok := c.(socket.Caller); ok {
		own = uint32(sc.Process().NumberFor(sc))
	}
	id, ok := s.net.claim(s, id, own)
	if !ok {
		return errno.EADDRINUSE
	}
	s.mu.Lock()
	lost := s.port != 0 // to another thread
	if !lost {
		s.port = id
	}
	s.mu.Unlock()
	if lost {
		s.net.release(s, id)
	}
	return nil
}

// Connect implements socket.Socket: it chooses where send(2) sends to.
func (s *Socket) Connect(c socket.Caller, addr []byte, _ uint32) error {
	if len(addr) < 2 {
		return errno.EINVAL
	}
	if binary.LittleEndian.Uint16(addr) == linux.AF_UNSPEC {
		s.mu.Lock()
		s.peer = 0
		s.mu.Unlock()
		return nil
	}
	id, groups, err := parseName(addr)
	if err != nil {
		return err
	}
	if (id != 0 || groups != 0) && !s.Net().Admin(c) {
		return errno.EPERM
	}
	if err := s.bind(c, 0); err != nil {
		return err
	}
	s.mu.Lock()
	s.peer = id
	s.mu.Unlock()
	return nil
}

// Listen, Accept and Shutdown are not for datagrams.
func (s *Socket) Listen(socket.Caller, int32) error { return errno.EOPNOTSUPP }

func (s *Socket) Accept(socket.Caller, bool) (socket.Socket, error) {
	return nil, errno.EOPNOTSUPP
}

func (s *Socket) Shutdown(int32) error { return errno.EOPNOTSUPP }

// LocalName implements socket.Socket.
func (s *Socket) LocalName() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return name(s.port, uint32(s.groups)), nil
}

// PeerName implements socket.Socket.
func (s *Socket) PeerName() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return name(s.peer, 0), nil
}

// Send implements socket.Socket: the kernel answers before it returns.
func (s *Socket) Send(c vfs.Caller, src *usermem.Sequence, m *socket.Message) (int, error) {
	if m.Flags&linux.MSG_OOB != 0 {
		return 0, errno.EOPNOTSUPP
	}
	if src.Len() == 0 {
		return 0, errno.ENODATA
	}
	s.mu.Lock()
	to := s.peer
	s.mu.Unlock()
	if m.Name != nil {
		id, groups, err := parseName(m.Name)
		if err != nil {
			return 0, err
		}
		if (id != 0 || groups != 0) && !s.Net().Admin(c) {
			return 0, errno.EPERM
		}
		to = id
	}
	if err := s.bind(c, 0); err != nil {
		return 0, err
	}
	size := src.Len()
	if size > uint64(max(s.Options().SndBuf-32, 0)) {
		return 0, errno.EMSGSIZE
	}
	b := make([]byte, size)
	if n, err := src.CopyIn(b); n < len(b) {
		if err == nil {
			err = errno.EFAULT
		}
		return 0, err
	}
	// Programs can't talk to each other here, and the kernel does not listen to this protocol.
	if to != 0 || s.protocol == linux.NETLINK_KOBJECT_UEVENT {
		return 0, errno.ECONNREFUSED
	}
	s.serve(b, asker{admin: s.Net().Admin(c), ns: c.Creds().UserNS})
	return len(b), nil
}

// serve answers all requests of a datagram.
func (s *Socket) serve(b []byte, by asker) {
	s.mu.Lock()
	by.port = s.port
	capped, words := s.options&(1<<linux.NETLINK_CAP_ACK) != 0, s.options&(1<<linux.NETLINK_EXT_ACK) != 0
	s.mu.Unlock()
	for {
		q, rest, ok := next(b)
		if !ok {
			return
		}
		b = rest
		var err error
		answered := false
		if q.Flags&linux.NLM_F_REQUEST != 0 && q.Type >= linux.NLMSG_MIN_TYPE {
			var replies [][]byte
			replies, err = s.answers(&q, by)
			s.postAll(replies)
			// What ends a dump is its acknowledgement.
			answered = err == nil && endsDump(replies)
		}
		e, _ := err.(errno.Errno)
		text := ""
		if r, ok := err.(*refusal); ok {
			e = r.Errno
			if words {
				text = r.text
			}
		}
		if e != 0 || q.Flags&linux.NLM_F_ACK != 0 && !answered {
			s.post(ack(&q, by.port, e, capped, text), 0)
		}
	}
}

// answers are the datagrams that answer a request. EBUSY if it begins a dump while another one is under way.
func (s *Socket) answers(q *request, by asker) ([][]byte, error) {
	s.mu.Lock()
	busy := len(s.later) > 0
	s.mu.Unlock()
	var replies [][]byte
	var err error
	if s.protocol == linux.NETLINK_SOCK_DIAG {
		replies, err = s.net.diagnose(q, by)
	} else {
		replies, err = s.net.route(q, by.port, by.admin)
	}
	if busy && endsDump(replies) {
		return nil, errno.EBUSY
	}
	return replies, err
}

// postAll puts the datagrams of an answer into the queue. Those of a dump wait until there is room.
func (s *Socket) postAll(all [][]byte) {
	if !endsDump(all) {
		for _, b := range all {
			s.post(b, 0)
		}
		return
	}
	s.mu.Lock()
	s.later = all
	s.dumpLocked()
	s.mu.Unlock()
	s.Queue.Notify(wait.In | wait.RdNorm)
}

// dumpLocked goes on with a dump as far as there is room, but for one datagram at least if the queue is empty.
func (s *Socket) dumpLocked() {
	for len(s.later) > 0 && (len(s.queue) == 0 || s.bytes+len(s.later[0]) <= int(s.Options().RcvBuf)) {
		b := s.later[0]
		s.later = s.later[1:]
		if n, ok := s.Accepts(&bpf.Packet{Bytes: b}); ok {
			s.queue = append(s.queue, datagram{b[:n], 0})
			s.bytes += n
		}
	}
}

// Post puts a datagram of the kernel into the socket's queue, as post does.
func (s *Socket) Post(b []byte) { s.post(b, 0) }

// post puts a datagram into the socket's own queue, of a group if that is not 0. A full queue loses it, and the
// program learns of that.
func (s *Socket) post(b []byte, group uint32) {
	n, ok := s.Accepts(&bpf.Packet{Bytes: b})
	if !ok {
		return
	}
	b = b[:n]
	s.mu.Lock()
	full := s.bytes+len(b) > int(s.Options().RcvBuf)
	if !full {
		s.queue = append(s.queue, datagram{b, group})
		s.bytes += len(b)
	}
	s.mu.Unlock()
	if full {
		s.SetError(errno.ENOBUFS)
	}
	s.Queue.Notify(wait.In | wait.RdNorm)
}

// Recv implements socket.Socket.
func (s *Socket) Recv(_ vfs.Caller, dst *usermem.Sequence, m *socket.Message) (int, error) {
	if m.Flags&linux.MSG_OOB != 0 {
		return 0, errno.EOPNOTSUPP
	}
	if err := s.TakeError(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	if len(s.queue) == 0 {
		s.mu.Unlock()
		return 0, errno.EAGAIN
	}
	b, group := s.queue[0].b, s.queue[0].group
	if m.Flags&linux.MSG_PEEK == 0 {
		s.queue[0] = datagram{}
		s.queue = s.queue[1:]
		s.bytes -= len(b)
		s.dumpLocked()
	}
	told := s.options&(1<<linux.NETLINK_PKTINFO) != 0
	s.mu.Unlock()
	m.Name = name(0, 0)
	if group > 0 && group <= 32 {
		m.Name = name(0, 1<<(group-1))
	}
	if told { // struct nl_pktinfo
		m.Control = []socket.ControlMessage{{Level: linux.SOL_NETLINK, Type: linux.NETLINK_PKTINFO, Data: socket.Int(int32(group))}}
	}
	m.HasCreds = true // the kernel's: all 0
	n := len(b)
	if uint64(n) > dst.Len() {
		n = int(dst.Len())
		m.Out |= linux.MSG_TRUNC
	}
	if k, err := dst.CopyOut(b[:n]); k < n {
		return 0, err
	}
	if m.Flags&linux.MSG_TRUNC != 0 {
		return len(b), nil
	}
	return n, nil
}

// Ioctl implements socket.Socket.
func (s *Socket) Ioctl(vfs.Caller, usermem.IO, uint32, arch.Arg) (uint64, error) {
	return 0, errno.ENOTTY
}

// Readiness implements socket.Socket.
func (s *Socket) Readiness() wait.Mask {
	m := wait.Out | wait.WrNorm | wait.WrBand
	if s.HasError() {
		m |= wait.Err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 {
		m |= wait.In | wait.RdNorm
	}
	return m
}

// Close implements socket.Socket.
func (s *Socket) Close() {
	s.mu.Lock()
	id := s.port
	s.queue, s.bytes, s.later = nil, 0, nil
	s.mu.Unlock()
	s.net.listen(s, func(uint64) uint64 { return 0 })
	if id != 0 {
		s.net.release(s, id)
	}
}
