package netlink

import (
	"encoding/binary"
	"net/netip"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/net/socket"
)

// Sockets are what NETLINK_SOCK_DIAG tells of (sock_diag(7)).
type Sockets struct {
	// Inet describes the sockets of a protocol; ok is false if there is no such protocol.
	Inet func(protocol int32) (states []socket.InetState, ok bool)
	Unix func() []socket.UnixState
}

// Types of requests and answers (sock_diag.h, inet_diag.h).
const (
	tcpDiagGetSock   = 18
	dccpDiagGetSock  = 19
	sockDiagByFamily = 20
	sockDestroy      = 21
)

// Sizes of struct inet_diag_req_v2, inet_diag_msg, unix_diag_req and unix_diag_msg.
const (
	inetRequestSize = 56
	inetAnswerSize  = 72
	unixRequestSize = 24
	unixAnswerSize  = 16
)

// Attributes of requests and answers (inet_diag.h).
const (
	inetDiagReqBytecode = 1
	inetDiagReqProtocol = 3

	inetDiagMemInfo   = 1
	inetDiagInfo      = 2
	inetDiagCong      = 4
	inetDiagTOS       = 5
	inetDiagTClass    = 6
	inetDiagSkMemInfo = 7
	inetDiagShutdown  = 8
	inetDiagSkV6Only  = 11
	inetDiagMark      = 15
	inetDiagSockOpt   = 22
)

// Attributes of answers about unix sockets, and the bits that ask for them (unix_diag.h).
const (
	unixDiagName     = 0
	unixDiagVFS      = 1
	unixDiagPeer     = 2
	unixDiagIcons    = 3
	unixDiagRQLen    = 4
	unixDiagMemInfo  = 5
	unixDiagShutdown = 6
	unixDiagUID      = 7

	showName    = 1 << 0
	showVFS     = 1 << 1
	showPeer    = 1 << 2
	showIcons   = 1 << 3
	showRQLen   = 1 << 4
	showMemInfo = 1 << 5
	showUID     = 1 << 6
)

// stateBound is the state that asks for TCP sockets that are bound and no more (TCP_BOUND_INACTIVE).
const stateBound = 13

// asker is who sent a request.
type asker struct {
	port  uint32
	admin bool
	ns    *creds.UserNamespace
}

// diagnose answers a request of NETLINK_SOCK_DIAG.
func (n *Network) diagnose(q *request, by asker) ([][]byte, error) {
	switch q.Type {
	case sockDiagByFamily:
	case tcpDiagGetSock, dccpDiagGetSock, sockDestroy:
		return nil, errno.EOPNOTSUPP
	default:
		return nil, errno.EINVAL
	}
	if len(q.body) < 2 {
		return nil, errno.EINVAL
	}
	switch family := q.body[0]; {
	case family >= linux.AF_MAX:
		return nil, errno.EINVAL
	case family == linux.AF_INET || family == linux.AF_INET6:
		return n.diagnoseInet(q, by)
	case family == linux.AF_UNIX:
		return n.diagnoseUnix(q, by)
	}
	return nil, errno.ENOENT
}

// inetRequest is struct inet_diag_req_v2.
type inetRequest struct {
	family, ext   uint8
	protocol      int32
	states        uint32 // a bit each
	local, remote netip.AddrPort
	index         uint32
	cookie        uint64
	filter        bytecode // nil: none
}

// noCookie is the cookie of a request for whatever socket has the addresses (INET_DIAG_NOCOOKIE twice).
const noCookie = ^uint64(0)

func parseInetRequest(q *request, admin bool) (r inetRequest, err error) {
	b := q.body
	if len(b) < inetRequestSize {
		return r, errno.EINVAL
	}
	addr := func(b []byte) netip.Addr {
		if r.family == linux.AF_INET6 {
			return netip.AddrFrom16([16]byte(b)).Unmap()
		}
		return netip.AddrFrom4([4]byte(b))
	}
	r.family, r.protocol, r.ext = b[0], int32(b[1]), b[2]
	r.states = binary.LittleEndian.Uint32(b[4:])
	id := b[8:]
	r.local = netip.AddrPortFrom(addr(id[4:]), binary.BigEndian.Uint16(id))
	r.remote = netip.AddrPortFrom(addr(id[20:]), binary.BigEndian.Uint16(id[2:]))
	r.index = binary.LittleEndian.Uint32(id[36:])
	r.cookie = binary.LittleEndian.Uint64(id[40:])
	attrs := b[inetRequestSize:]
	if p := attribute(attrs, inetDiagReqProtocol); len(p) == 4 {
		r.protocol = int32(binary.LittleEndian.Uint32(p))
	}
	if r.filter = attribute(attrs, inetDiagReqBytecode); r.filter != nil {
		err = r.filter.check(admin)
	}
	return r, err
}

// diagnoseInet tells of sockets of AF_INET and AF_INET6: all that match, or the one that has the addresses.
func (n *Network) diagnoseInet(q *request, by asker) ([][]byte, error) {
	r, err := parseInetRequest(q, by.admin)
	if err != nil {
		return nil, err
	}
	states, ok := n.sockets.Inet(r.protocol)
	dump := q.Flags&linux.NLM_F_DUMP != 0
	a := newReply(q, by.port)
	switch {
	case !ok && dump:
		return [][]byte{done(q, by.port, errno.ENOENT)}, nil
	case !ok:
		return nil, errno.ENOENT
	case !dump:
		s := r.find(states)
		if s == nil || r.cookie != noCookie && r.cookie != s.Inode {
			return nil, errno.ENOENT
		}
		a.inet(s, r.ext, 0, by)
		return [][]byte{a.b}, nil
	}
	for i := range states {
		if s := &states[i]; r.wants(s) {
			a.inet(s, r.ext, linux.NLM_F_MULTI, by)
		}
	}
	return dumped(a.b, q, by.port), nil
}

// wants reports whether a dump shows s.
func (r *inetRequest) wants(s *socket.InetState) bool {
	state := s.State
	if r.protocol == linux.IPPROTO_TCP && state == linux.TCP_CLOSE {
		state = stateBound
	}
	return r.states>>state&1 != 0 && s.Family == r.family &&
		(r.local.Port() == 0 || r.local.Port() == s.Local.Port()) &&
		(r.remote.Port() == 0 || r.remote.Port() == s.Remote.Port()) &&
		(r.filter == nil || r.filter.matches(s))
}

// find returns the socket between the two addresses, or else the one that would receive what comes to the local one.
func (r *inetRequest) find(states []socket.InetState) *socket.InetState {
	var open *socket.InetState
	for i := range states {
		s := &states[i]
		switch {
		case s.Local.Port() != r.local.Port() || r.index != 0 && s.Index != 0 && r.index != uint32(s.Index):
		case s.Local == r.local && s.Remote == r.remote && s.Remote.IsValid():
			return s
		case s.Remote.IsValid() || r.protocol == linux.IPPROTO_TCP && s.State != linux.TCP_LISTEN:
		case s.Local == r.local, open == nil && s.Local.Addr().IsUnspecified():
			open = s
		}
	}
	return open
}

// put stores an address as struct inet_diag_sockid has it.
func put(b []byte, family uint8, a netip.Addr) {
	switch {
	case !a.IsValid() || a.IsUnspecified():
	case family == linux.AF_INET6:
		ip := a.As16()
		copy(b, ip[:])
	default:
		copy(b, a.AsSlice())
	}
}

// inet describes a socket in a struct inet_diag_msg.
func (r *reply) inet(s *socket.InetState, ext uint8, flags uint16, by asker) {
	body := make([]byte, inetAnswerSize)
	body[0], body[1] = s.Family, s.State
	id := body[4:]
	binary.BigEndian.PutUint16(id, s.Local.Port())
	binary.BigEndian.PutUint16(id[2:], s.Remote.Port())
	put(id[4:], s.Family, s.Local.Addr())
	put(id[20:], s.Family, s.Remote.Addr())
	binary.LittleEndian.PutUint32(id[36:], uint32(s.Index))
	binary.LittleEndian.PutUint64(id[40:], s.Inode)
	for i, v := range []uint32{uint32(s.Recv), uint32(s.Send), by.ns.ShowUID(s.UID), uint32(s.Inode)} {
		binary.LittleEndian.PutUint32(body[56+4*i:], v)
	}
	asked := func(kind int) bool { return ext>>(kind-1)&1 != 0 }
	r.begin(sockDiagByFamily, flags, body)
	r.attr8(inetDiagShutdown, s.Shut)
	if asked(inetDiagTOS) {
		r.attr8(inetDiagTOS, s.TOS)
	}
	if s.Family == linux.AF_INET6 {
		if asked(inetDiagTClass) {
			r.attr8(inetDiagTClass, s.TClass)
		}
		if s.State == linux.TCP_LISTEN || s.State == linux.TCP_CLOSE {
			only := uint8(0)
			if s.V6Only {
				only = 1
			}
			r.attr8(inetDiagSkV6Only, only)
		}
	}
	if by.admin {
		r.attr32(inetDiagMark, uint32(s.Options.Mark))
	}
	r.attr(inetDiagSockOpt, binary.LittleEndian.AppendUint16(nil, s.Switches))
	if asked(inetDiagMemInfo) {
		r.attr(inetDiagMemInfo, make([]byte, 16)) // struct inet_diag_meminfo
	}
	if asked(inetDiagSkMemInfo) {
		r.attr(inetDiagSkMemInfo, s.Options.MemInfo())
	}
	if asked(inetDiagInfo) && s.Info != nil {
		r.attr(inetDiagInfo, s.Info)
	}
	if asked(inetDiagCong) && s.Congestion != "" {
		r.attrString(inetDiagCong, s.Congestion)
	}
	r.end()
}

// diagnoseUnix tells of unix sockets: all that are in some states, or the one of an inode number.
func (n *Network) diagnoseUnix(q *request, by asker) ([][]byte, error) {
	if len(q.body) < unixRequestSize {
		return nil, errno.EINVAL
	}
	states := binary.LittleEndian.Uint32(q.body[4:])
	inode := binary.LittleEndian.Uint32(q.body[8:])
	show := binary.LittleEndian.Uint32(q.body[12:])
	cookie := binary.LittleEndian.Uint64(q.body[16:])
	a, dump := newReply(q, by.port), q.Flags&linux.NLM_F_DUMP != 0
	if !dump && inode == 0 {
		return nil, errno.EINVAL
	}
	all := n.sockets.Unix()
	for i := range all {
		s := &all[i]
		switch {
		case dump && states>>s.State&1 != 0:
			a.unix(s, show, linux.NLM_F_MULTI, by)
		case dump || uint32(s.Inode) != inode:
		case cookie != noCookie && cookie != s.Inode:
			return nil, errno.ESTALE
		default:
			a.unix(s, show, 0, by)
			return [][]byte{a.b}, nil
		}
	}
	if !dump {
		return nil, errno.ENOENT
	}
	return dumped(a.b, q, by.port), nil
}

// unix describes a socket in a struct unix_diag_msg.
func (r *reply) unix(s *socket.UnixState, show uint32, flags uint16, by asker) {
	body := make([]byte, unixAnswerSize)
	body[0], body[1], body[2] = linux.AF_UNIX, s.Type, s.State
	binary.LittleEndian.PutUint32(body[4:], uint32(s.Inode))
	binary.LittleEndian.PutUint64(body[8:], s.Inode)
	pair := func(a, b uint32) []byte {
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, a), b)
	}
	r.begin(sockDiagByFamily, flags, body)
	if show&showName != 0 && s.Name != nil {
		r.attr(unixDiagName, s.Name)
	}
	if show&showVFS != 0 && s.FileInode != 0 {
		r.attr(unixDiagVFS, pair(uint32(s.FileInode), s.FileDevice))
	}
	if show&showPeer != 0 && s.HasPeer {
		r.attr32(unixDiagPeer, uint32(s.Peer))
	}
	if show&showIcons != 0 && s.State == linux.TCP_LISTEN {
		var b []byte
		for _, inode := range s.Pending {
			b = binary.LittleEndian.AppendUint32(b, uint32(inode))
		}
		r.attr(unixDiagIcons, b)
	}
	if show&showRQLen != 0 {
		r.attr(unixDiagRQLen, pair(s.Recv, s.Send))
	}
	if show&showMemInfo != 0 {
		r.attr(unixDiagMemInfo, s.Options.MemInfo())
	}
	r.attr8(unixDiagShutdown, s.Shut)
	if show&showUID != 0 {
		r.attr32(unixDiagUID, by.ns.ShowUID(s.UID))
	}
	r.end()
}
