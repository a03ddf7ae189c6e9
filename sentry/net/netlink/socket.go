package netlink

import (
	"encoding/binary"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
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
	groups  uint32 // joined by bind; nothing is ever sent to any
	peer    uint32 // port that connect chose
	queue   [][]byte
	bytes   int // in queue
	options uint32
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
	if protocol != linux.NETLINK_ROUTE && protocol != linux.NETLINK_KOBJECT_UEVENT {
		return nil, errno.EPROTONOSUPPORT
	}
	s := &Socket{net: n, typ: typ, protocol: protocol}
	s.Init()
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
	s.mu.Lock()
	s.groups = groups
	s.mu.Unlock()
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
	if (id != 0 || groups != 0) && !c.Creds().Has(linux.CAP_NET_ADMIN) {
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
	return name(s.port, s.groups), nil
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
		if (id != 0 || groups != 0) && !c.Creds().Has(linux.CAP_NET_ADMIN) {
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
	// Programs can't talk to each other here, and the kernel listens on one protocol.
	if to != 0 || s.protocol != linux.NETLINK_ROUTE {
		return 0, errno.ECONNREFUSED
	}
	s.serve(b, c.Creds().Has(linux.CAP_NET_ADMIN))
	return len(b), nil
}

// serve answers all requests of a datagram.
func (s *Socket) serve(b []byte, admin bool) {
	s.mu.Lock()
	to, capped := s.port, s.options&(1<<linux.NETLINK_CAP_ACK) != 0
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
			replies, err = s.net.route(&q, to, admin)
			for _, r := range replies {
				s.Post(r)
			}
			// What ends a dump is its acknowledgement.
			answered = err == nil && len(replies) > 1
		}
		e, _ := err.(errno.Errno)
		if e != 0 || q.Flags&linux.NLM_F_ACK != 0 && !answered {
			s.Post(ack(&q, to, e, capped))
		}
	}
}

// Post puts a datagram of the kernel into the socket's queue. A full queue loses it, and the
// program learns of that.
func (s *Socket) Post(b []byte) {
	s.mu.Lock()
	full := s.bytes+len(b) > int(s.Options().RcvBuf)
	if !full {
		s.queue = append(s.queue, b)
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
	b := s.queue[0]
	if m.Flags&linux.MSG_PEEK == 0 {
		s.queue[0] = nil
		s.queue = s.queue[1:]
		s.bytes -= len(b)
	}
	s.mu.Unlock()
	m.Name = name(0, 0)
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

// settable are the options of SOL_NETLINK that are switches.
const settable = 1<<linux.NETLINK_PKTINFO | 1<<linux.NETLINK_BROADCAST_ERROR | 1<<linux.NETLINK_NO_ENOBUFS |
	1<<linux.NETLINK_CAP_ACK | 1<<linux.NETLINK_EXT_ACK | 1<<linux.NETLINK_GET_STRICT_CHK

// SetOption implements socket.Socket.
func (s *Socket) SetOption(c socket.Caller, level, name int32, value []byte) error {
	switch {
	case level == linux.SOL_SOCKET:
		return s.Base.SetOption(c, name, value)
	case level != linux.SOL_NETLINK:
		return errno.ENOPROTOOPT
	case len(value) < 4:
		return errno.EINVAL
	case name == linux.NETLINK_ADD_MEMBERSHIP || name == linux.NETLINK_DROP_MEMBERSHIP:
		if g := binary.LittleEndian.Uint32(value); g == 0 || g > 1024 {
			return errno.EINVAL
		}
		return nil // nothing is ever sent to a group
	case name < 0 || name >= 32 || settable&(1<<name) == 0:
		return errno.ENOPROTOOPT
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options &^= 1 << name
	if binary.LittleEndian.Uint32(value) != 0 {
		s.options |= 1 << name
	}
	return nil
}

// Option implements socket.Socket.
func (s *Socket) Option(_ socket.Caller, level, name int32, _ int) ([]byte, error) {
	switch {
	case level == linux.SOL_SOCKET && name == linux.SO_ACCEPTCONN:
		return socket.Int(0), nil
	case level == linux.SOL_SOCKET:
		return s.Base.Option(s, name)
	case level != linux.SOL_NETLINK, name < 0, name >= 32, settable&(1<<name) == 0:
		return nil, errno.ENOPROTOOPT
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return socket.Int(int32(s.options >> name & 1)), nil
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
	s.queue, s.bytes = nil, 0
	s.mu.Unlock()
	if id != 0 {
		s.net.release(s, id)
	}
}
