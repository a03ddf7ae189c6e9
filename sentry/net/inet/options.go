package inet

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"net/netip"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
)

// options are the options below SOL_SOCKET. Guarded by the socket's mu.
type options struct {
	v6only             bool
	recvErr4, recvErr6 bool // IP_RECVERR, IPV6_RECVERR: the queue of errors is kept, and unconnected sockets hear of closed ports
	pktInfo4, pktInfo6 bool
	inq                bool       // TCP_INQ
	congestion         string     // TCP_CONGESTION if set
	multicastIf        bool       // IP_MULTICAST_IF names the loopback interface,
	multicastAddr      netip.Addr // by this address, if valid
	multicastIf6       int32      // IPV6_MULTICAST_IF
	groups             map[netip.Addr]*membership
	ints               map[option]int32
}

func (o *options) clone() options {
	n := *o
	n.ints = maps.Clone(o.ints)
	return n
}

type option struct{ level, name int32 }

// spec is an option that is an integer: its value at first and what it may be set to.
type spec struct {
	value, low, high int32
	flag             bool // reads back as 0 or 1
}

const many = 1<<31 - 1

// intOptions are the options that are kept and told, and that change nothing on a loopback.
var intOptions = map[option]spec{
	{linux.SOL_TCP, linux.TCP_NODELAY}:              {flag: true},
	{linux.SOL_TCP, linux.TCP_CORK}:                 {flag: true},
	{linux.SOL_TCP, linux.TCP_KEEPIDLE}:             {value: 7200, low: 1, high: 32767},
	{linux.SOL_TCP, linux.TCP_KEEPINTVL}:            {value: 75, low: 1, high: 32767},
	{linux.SOL_TCP, linux.TCP_KEEPCNT}:              {value: 9, low: 1, high: 127},
	{linux.SOL_TCP, linux.TCP_SYNCNT}:               {value: 6, low: 1, high: 127},
	{linux.SOL_TCP, linux.TCP_LINGER2}:              {value: 60, low: -1, high: many},
	{linux.SOL_TCP, linux.TCP_DEFER_ACCEPT}:         {low: 0, high: many},
	{linux.SOL_TCP, linux.TCP_WINDOW_CLAMP}:         {low: 0, high: many},
	{linux.SOL_TCP, linux.TCP_QUICKACK}:             {value: 1, flag: true},
	{linux.SOL_TCP, linux.TCP_USER_TIMEOUT}:         {low: 0, high: many},
	{linux.SOL_TCP, linux.TCP_NOTSENT_LOWAT}:        {value: -1, low: -1, high: many},
	{linux.SOL_TCP, linux.TCP_THIN_LINEAR_TIMEOUTS}: {flag: true},
	// Without cookies, which no server gives out unless net.ipv4.tcp_fastopen says so, it is a connect and a send.
	{linux.SOL_TCP, linux.TCP_FASTOPEN}:         {low: 0, high: many},
	{linux.SOL_TCP, linux.TCP_FASTOPEN_CONNECT}: {low: 0, high: 1},

	{linux.SOL_TCP, linux.TCP_MAXSEG}: {value: 536, low: 88, high: 32767},

	{linux.SOL_IP, linux.IP_TOS}:                  {low: 0, high: 255},
	{linux.SOL_IP, linux.IP_TTL}:                  {value: 64, low: 1, high: 255},
	{linux.SOL_IP, linux.IP_MTU_DISCOVER}:         {value: 1, low: 0, high: 5},
	{linux.SOL_IP, linux.IP_RECVTTL}:              {flag: true},
	{linux.SOL_IP, linux.IP_RETOPTS}:              {flag: true}, // nothing here has IP options
	{linux.SOL_IP, linux.IP_RECVOPTS}:             {flag: true},
	{linux.SOL_IP, linux.IP_RECVTOS}:              {flag: true},
	{linux.SOL_IP, linux.IP_FREEBIND}:             {flag: true},
	{linux.SOL_IP, linux.IP_TRANSPARENT}:          {flag: true},
	{linux.SOL_IP, linux.IP_MINTTL}:               {low: 0, high: 255},
	{linux.SOL_IP, linux.IP_BIND_ADDRESS_NO_PORT}: {flag: true},
	{linux.SOL_IP, linux.IP_MULTICAST_TTL}:        {value: 1, low: 0, high: 255},
	{linux.SOL_IP, linux.IP_MULTICAST_LOOP}:       {value: 1, flag: true},
	{linux.SOL_IP, linux.IP_MULTICAST_ALL}:        {value: 1, flag: true},

	{linux.SOL_IPV6, linux.IPV6_UNICAST_HOPS}:   {value: 64, low: 0, high: 255},
	{linux.SOL_IPV6, linux.IPV6_MULTICAST_HOPS}: {value: 1, low: 0, high: 255},
	{linux.SOL_IPV6, linux.IPV6_MULTICAST_LOOP}: {value: 1, flag: true},
	{linux.SOL_IPV6, linux.IPV6_MULTICAST_ALL}:  {value: 1, flag: true},
	{linux.SOL_IPV6, linux.IPV6_MTU_DISCOVER}:   {value: 1, low: 0, high: 5},
	{linux.SOL_IPV6, linux.IPV6_TCLASS}:         {low: -1, high: 255},
	{linux.SOL_IPV6, linux.IPV6_RECVTCLASS}:     {flag: true},
	{linux.SOL_IPV6, linux.IPV6_RECVHOPLIMIT}:   {flag: true},
	{linux.SOL_IPV6, linux.IPV6_DONTFRAG}:       {flag: true},
	{linux.SOL_IPV6, linux.IPV6_FREEBIND}:       {flag: true},
	{linux.SOL_IPV6, linux.IPV6_TRANSPARENT}:    {flag: true},
	{linux.SOL_IPV6, ip6MinHops}:                {low: 0, high: 255},
}

// owns reports whether sockets of a family and type have options of a level; Linux lets IPv6
// sockets set those of IPv4.
func owns(family int32, tcp bool, level int32) bool {
	switch level {
	case linux.SOL_TCP:
		return tcp
	case linux.SOL_IP:
		return true
	case linux.SOL_IPV6:
		return family == linux.AF_INET6
	}
	return false
}

// set sets an option. bound says that the socket has a name.
func (o *options) set(family int32, tcp bool, level, name int32, value []byte, bound bool) error {
	if !owns(family, tcp, level) {
		return errno.ENOPROTOOPT
	}
	key := option{level, name}
	switch key {
	case option{linux.SOL_TCP, linux.TCP_CONGESTION}:
		switch s := string(bytes.TrimRight(value, "\x00")); s {
		case "cubic", "reno":
			o.congestion = s
			return nil
		case "":
			return errno.EINVAL
		}
		return errno.ENOENT
	case option{linux.SOL_TCP, linux.TCP_ULP}:
		if len(value) == 0 {
			return errno.EINVAL
		}
		return errno.ENOENT // there is no TLS
	case option{linux.SOL_IP, linux.IP_ADD_MEMBERSHIP}, option{linux.SOL_IP, linux.IP_DROP_MEMBERSHIP},
		option{linux.SOL_IPV6, linux.IPV6_ADD_MEMBERSHIP}, option{linux.SOL_IPV6, linux.IPV6_DROP_MEMBERSHIP}:
		return errno.EPROTO // of a stream: others are asked first (setGroup)
	case option{linux.SOL_IP, linux.IP_MULTICAST_IF}, option{linux.SOL_IP, linux.IP_MULTICAST_TTL}:
		if tcp {
			return errno.EINVAL
		}
	case option{linux.SOL_IPV6, linux.IPV6_MULTICAST_IF}, option{linux.SOL_IPV6, linux.IPV6_MULTICAST_HOPS}:
		if tcp {
			return errno.ENOPROTOOPT
		}
	}
	var v int32
	switch {
	case len(value) >= 4:
		v = int32(binary.LittleEndian.Uint32(value))
	case len(value) >= 1 && level == linux.SOL_IP:
		v = int32(value[0])
	default:
		return errno.EINVAL
	}
	switch key {
	case option{linux.SOL_IPV6, linux.IPV6_V6ONLY}:
		if bound {
			return errno.EINVAL
		}
		o.v6only = v != 0
		return nil
	case option{linux.SOL_IP, linux.IP_RECVERR}:
		o.recvErr4 = v != 0
		return nil
	case option{linux.SOL_IPV6, linux.IPV6_RECVERR}:
		o.recvErr6 = v != 0
		return nil
	case option{linux.SOL_IP, linux.IP_PKTINFO}:
		o.pktInfo4 = v != 0
		return nil
	case option{linux.SOL_TCP, linux.TCP_INQ}:
		if v < 0 || v > 1 {
			return errno.EINVAL
		}
		o.inq = v != 0
		return nil
	case option{linux.SOL_IPV6, linux.IPV6_RECVPKTINFO}:
		o.pktInfo6 = v != 0
		return nil
	}
	s, ok := intOptions[key]
	if !ok {
		return setTold(key, v)
	}
	switch {
	case s.flag:
		v = flag(v != 0)
	case v == -1 && (level == linux.SOL_IP || level == linux.SOL_IPV6) && s.low >= 0:
		v = s.value // back to the default
	case v < s.low || v > s.high:
		return errno.EINVAL
	}
	if o.ints == nil {
		o.ints = make(map[option]int32)
	}
	o.ints[key] = v
	return nil
}

// get returns an option of a socket of a protocol. mtu is that of where it is connected to, 0 if it is not.
func (o *options) get(family, protocol int32, tcp bool, mtu uint32, level, name int32) ([]byte, error) {
	if !owns(family, tcp, level) {
		if family == linux.AF_INET {
			return nil, errno.EOPNOTSUPP
		}
		return nil, errno.ENOPROTOOPT
	}
	key := option{level, name}
	switch key {
	case option{linux.SOL_TCP, linux.TCP_CONGESTION}:
		v := make([]byte, 16)
		copy(v, o.congestionControl())
		return v, nil
	case option{linux.SOL_IPV6, linux.IPV6_V6ONLY}:
		return socket.Int(flag(o.v6only)), nil
	case option{linux.SOL_IP, linux.IP_RECVERR}:
		return socket.Int(flag(o.recvErr4)), nil
	case option{linux.SOL_IPV6, linux.IPV6_RECVERR}:
		return socket.Int(flag(o.recvErr6)), nil
	case option{linux.SOL_IP, linux.IP_PKTINFO}:
		return socket.Int(flag(o.pktInfo4)), nil
	case option{linux.SOL_TCP, linux.TCP_INQ}:
		return socket.Int(flag(o.inq)), nil
	case option{linux.SOL_IP, linux.IP_MULTICAST_IF}, option{linux.SOL_IPV6, linux.IPV6_MULTICAST_IF}:
		return o.getInterface(level), nil
	case option{linux.SOL_IPV6, linux.IPV6_RECVPKTINFO}:
		return socket.Int(flag(o.pktInfo6)), nil
	}
	if v, ok := o.ints[key]; ok {
		return socket.Int(v), nil
	}
	if s, ok := intOptions[key]; ok {
		return socket.Int(s.value), nil
	}
	return o.getTold(key, protocol, mtu)
}

// congestionControl is what TCP_CONGESTION tells.
func (o *options) congestionControl() string {
	if o.congestion == "" {
		return "cubic"
	}
	return o.congestion
}

func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// header is what a datagram's IP header would say beside its addresses.
type header struct {
	ttl, tos uint8
	kind     uint8 // PACKET_*, of a frame
}

// value returns an option that is an integer.
func (o *options) value(level, name int32) int32 {
	key := option{level, name}
	if v, ok := o.ints[key]; ok {
		return v
	}
	return intOptions[key].value
}

// foreign reports whether the socket may be bound to an address that the host does not have.
func (o *options) foreign(v6 bool) bool {
	if v6 && (o.value(linux.SOL_IPV6, linux.IPV6_FREEBIND) != 0 || o.value(linux.SOL_IPV6, linux.IPV6_TRANSPARENT) != 0) {
		return true
	}
	return o.value(linux.SOL_IP, linux.IP_FREEBIND) != 0 || o.value(linux.SOL_IP, linux.IP_TRANSPARENT) != 0
}

// mayBeTransparent reports whether c may set an option: IP_TRANSPARENT is for who has a say in the network. EPERM.
func mayBeTransparent(c socket.Caller, n *socket.Net, level, name int32, value []byte) error {
	if level == linux.SOL_IP && name == linux.IP_TRANSPARENT || level == linux.SOL_IPV6 && name == linux.IPV6_TRANSPARENT {
		on := len(value) > 0 && value[0] != 0 || len(value) >= 4 && binary.LittleEndian.Uint32(value) != 0
		if on && !n.Has(c, linux.CAP_NET_RAW) && !n.Admin(c) {
			return errno.EPERM
		}
	}
	return nil
}

// header returns the header of a datagram that is sent over IPv4 or IPv6.
func (o *options) header(v6 bool) header {
	if v6 {
		return header{
			ttl: uint8(o.value(linux.SOL_IPV6, linux.IPV6_UNICAST_HOPS)),
			tos: uint8(max(0, o.value(linux.SOL_IPV6, linux.IPV6_TCLASS))),
		}
	}
	return header{
		ttl: uint8(o.value(linux.SOL_IP, linux.IP_TTL)),
		tos: uint8(o.value(linux.SOL_IP, linux.IP_TOS)),
	}
}

// apply changes a header as the control messages of a send ask; EINVAL for those that Linux
// does not take. A source address is not for the guest to choose on a loopback.
func (h *header) apply(msgs []socket.ControlMessage, v6 bool) error {
	for _, m := range msgs {
		if v6 != (m.Level == linux.SOL_IPV6) || !v6 && m.Level != linux.SOL_IP {
			continue
		}
		v := int32(-1)
		switch len(m.Data) {
		case 4:
			v = int32(binary.LittleEndian.Uint32(m.Data))
		case 1:
			v = int32(m.Data[0])
		}
		switch (option{m.Level, m.Type}) {
		case option{linux.SOL_IP, linux.IP_PKTINFO}, option{linux.SOL_IPV6, linux.IPV6_PKTINFO}:
			continue
		case option{linux.SOL_IP, linux.IP_TTL}:
			if v < 1 || v > 255 {
				return errno.EINVAL
			}
			h.ttl = uint8(v)
		case option{linux.SOL_IPV6, linux.IPV6_HOPLIMIT}:
			if v < -1 || v > 255 || len(m.Data) != 4 {
				return errno.EINVAL
			}
			if v >= 0 {
				h.ttl = uint8(v)
			}
		case option{linux.SOL_IP, linux.IP_TOS}, option{linux.SOL_IPV6, linux.IPV6_TCLASS}:
			if v < -1 || v > 255 {
				return errno.EINVAL
			}
			h.tos = uint8(max(v, 0))
		default:
			return errno.EINVAL
		}
	}
	return nil
}

// control returns the control messages that come with a datagram, in Linux's order.
func (o *options) control(st *Stack, to netip.Addr, h header) []socket.ControlMessage {
	var out []socket.ControlMessage
	add := func(level, kind int32, data []byte) {
		out = append(out, socket.ControlMessage{Level: level, Type: kind, Data: data})
	}
	if to.Is4() {
		if o.pktInfo4 {
			b := binary.LittleEndian.AppendUint32(nil, socket.LoopbackIndex)
			ip, at := to.As4(), to.As4()
			if !st.unicast(to) {
				at = as4(st.net.Links.State().First(socket.LoopbackIndex))
			}
			add(linux.SOL_IP, linux.IP_PKTINFO, append(append(b, at[:]...), ip[:]...))
		}
		if o.value(linux.SOL_IP, linux.IP_RECVTTL) != 0 {
			add(linux.SOL_IP, linux.IP_TTL, socket.Int(int32(h.ttl)))
		}
		if o.value(linux.SOL_IP, linux.IP_RECVTOS) != 0 {
			add(linux.SOL_IP, linux.IP_TOS, []byte{h.tos})
		}
	}
	if o.pktInfo6 {
		ip := to.As16()
		b := append([]byte(nil), ip[:]...)
		add(linux.SOL_IPV6, linux.IPV6_PKTINFO, binary.LittleEndian.AppendUint32(b, socket.LoopbackIndex))
	}
	if to.Is6() {
		if o.value(linux.SOL_IPV6, linux.IPV6_RECVHOPLIMIT) != 0 {
			add(linux.SOL_IPV6, linux.IPV6_HOPLIMIT, socket.Int(int32(h.ttl)))
		}
		if o.value(linux.SOL_IPV6, linux.IPV6_RECVTCLASS) != 0 {
			add(linux.SOL_IPV6, linux.IPV6_TCLASS, socket.Int(int32(h.tos)))
		}
	}
	return out
}

// commonOption answers the options of SOL_SOCKET that all inet sockets have beside Base's.
func commonOption(b *socket.Base, s socket.Socket, name int32, accepts bool) ([]byte, error) {
	switch name {
	case linux.SO_ACCEPTCONN:
		return socket.Int(flag(accepts)), nil
	case linux.SO_PEEK_OFF:
		return nil, errno.EOPNOTSUPP
	}
	return b.Option(s, name)
}

// setCommonOption sets the same.
func setCommonOption(c socket.Caller, b *socket.Base, name int32, value []byte) error {
	switch name {
	case linux.SO_BINDTODEVICE:
		s := string(bytes.TrimRight(value, "\x00"))
		if s != "" && s != "lo" {
			return errno.ENODEV
		}
		b.Update(func(o *socket.Options) { o.Device = s })
		return nil
	case linux.SO_ZEROCOPY, linux.SO_PEEK_OFF:
		return errno.EOPNOTSUPP
	}
	return b.SetOption(c, name, value)
}

// SetOption implements socket.Socket.
func (t *TCP) SetOption(c socket.Caller, level, name int32, value []byte) error {
	if level == linux.SOL_SOCKET {
		switch name {
		case linux.SO_ATTACH_FILTER, linux.SO_TIMESTAMPING_OLD, linux.SO_TIMESTAMPING_NEW:
			return errno.EOPNOTSUPP // there are no packets to look at
		}
	}
	if level == linux.SOL_SOCKET {
		err := setCommonOption(c, &t.Base, name, value)
		if err == nil {
			t.mu.Lock()
			if b := t.binding; b != nil {
				o := t.Options()
				t.st.change(b, func(b *binding) { b.reuseAddr, b.reusePort = o.ReuseAddr, o.ReusePort })
			}
			t.mu.Unlock()
		}
		return err
	}
	if err := mayBeTransparent(c, t.Net(), level, name, value); err != nil {
		return err
	}
	if level == linux.SOL_IP && name == linux.IP_MINTTL || level == linux.SOL_IPV6 && name == ip6MinHops {
		if err := t.mayDrop(level == linux.SOL_IPV6, value); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if level == linux.SOL_TCP && (name == linux.TCP_FASTOPEN && t.state != listening || name == linux.TCP_FASTOPEN_CONNECT) &&
		t.state != closed {
		return errno.EINVAL
	}
	return t.opts.set(t.family, true, level, name, value, t.binding != nil)
}

// Option implements socket.Socket.
func (t *TCP) Option(_ socket.Caller, level, name int32, _ int) ([]byte, error) {
	t.mu.Lock()
	st := t.state
	if level != linux.SOL_SOCKET {
		defer t.mu.Unlock()
		if level == linux.SOL_TCP && name == linux.TCP_INFO {
			return t.infoLocked(), nil
		}
		return t.opts.get(t.family, linux.IPPROTO_TCP, true, t.st.wayMTU(t.state == connected), level, name)
	}
	t.mu.Unlock()
	return commonOption(&t.Base, t, name, st == listening)
}

// mayDrop refuses an IP_MINTTL that would cut an existing connection, as streams have no packets to drop.
func (t *TCP) mayDrop(v6 bool, value []byte) error {
	t.mu.Lock()
	peer := t.peer
	if t.state != connected || peer == t || t.remote.Addr().Is6() != v6 {
		peer = nil
	}
	t.mu.Unlock()
	if peer == nil || len(value) == 0 {
		return nil
	}
	peer.mu.Lock()
	ttl, _ := peer.opts.hops(v6)
	peer.mu.Unlock()
	least := int32(value[0])
	if len(value) >= 4 {
		least = int32(binary.LittleEndian.Uint32(value))
	}
	if least <= 255 && least > ttl {
		return errno.EOPNOTSUPP
	}
	return nil
}

// hops returns how far packets go, and how far those must be able to go yet that arrive (IP_MINTTL).
func (o *options) hops(v6 bool) (ttl, least int32) {
	if v6 {
		return o.value(linux.SOL_IPV6, linux.IPV6_UNICAST_HOPS), o.value(linux.SOL_IPV6, ip6MinHops)
	}
	return o.value(linux.SOL_IP, linux.IP_TTL), o.value(linux.SOL_IP, linux.IP_MINTTL)
}

// tcpState is the state of the socket as TCP_INFO and /proc/net/tcp tell it. Preconditions: mu.
func (t *TCP) tcpStateLocked() byte {
	switch t.state {
	case listening:
		return linux.TCP_LISTEN
	case connecting:
		return linux.TCP_SYN_SENT
	case connected:
		if t.done {
			return linux.TCP_CLOSE
		}
		_, fin, _ := t.in.state()
		sent := t.shut&shutSend != 0
		switch {
		case fin && sent:
			return linux.TCP_LAST_ACK
		case fin:
			return linux.TCP_CLOSE_WAIT
		case sent:
			return linux.TCP_FIN_WAIT2
		}
		return linux.TCP_ESTABLISHED
	}
	return linux.TCP_CLOSE
}

// infoLocked is struct tcp_info (linux/tcp.h), of which only what a loopback knows is filled in.
func (t *TCP) infoLocked() []byte {
	b := make([]byte, 232)
	b[0] = t.tcpStateLocked()
	binary.LittleEndian.PutUint32(b[8:], 200000) // rto in microseconds
	binary.LittleEndian.PutUint32(b[16:], 32768) // snd_mss
	binary.LittleEndian.PutUint32(b[20:], 32768) // rcv_mss
	binary.LittleEndian.PutUint32(b[68:], 20)    // rtt in microseconds
	binary.LittleEndian.PutUint32(b[72:], 10)    // rttvar
	binary.LittleEndian.PutUint32(b[80:], 10)    // snd_cwnd
	if t.state == listening {
		binary.LittleEndian.PutUint32(b[24:], uint32(len(t.pending))) // unacked: what waits
		binary.LittleEndian.PutUint32(b[28:], uint32(t.backlog))      // sacked: the most
	}
	return b
}

// SetOption implements socket.Socket.
func (u *UDP) SetOption(c socket.Caller, level, name int32, value []byte) error {
	if level == linux.SOL_SOCKET {
		had := u.Stamping()
		err := setCommonOption(c, &u.Base, name, value)
		if u.Stamping()&^had&linux.SOF_TIMESTAMPING_OPT_ID != 0 { // they count from now
			u.mu.Lock()
			u.sentID = 0
			u.mu.Unlock()
		}
		return err
	}
	if err := mayBeTransparent(c, u.Net(), level, name, value); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if i, ok := u.coverageOption(level, name); ok {
		if len(value) < 4 {
			return errno.EINVAL
		}
		// The header is always covered (udplite(7)).
		const header = 8
		v := int32(binary.LittleEndian.Uint32(value))
		if v != 0 && v < header {
			v = header
		}
		u.coverage[i] = min(v, math.MaxUint16)
		return nil
	}
	if level == linux.SOL_UDP && u.protocol == linux.IPPROTO_UDP {
		return u.setSegments(name, value)
	}
	if ok, err := u.opts.setGroup(u.st, u.family, level, name, value); ok {
		return err
	}
	err := u.opts.set(u.family, false, level, name, value, u.binding != nil)
	if err == nil && (level == linux.SOL_IP && name == linux.IP_RECVERR && !u.opts.recvErr4 ||
		level == linux.SOL_IPV6 && name == linux.IPV6_RECVERR && !u.opts.recvErr6) {
		u.failures = nil
	}
	return err
}

// Option implements socket.Socket.
func (u *UDP) Option(_ socket.Caller, level, name int32, _ int) ([]byte, error) {
	if level == linux.SOL_SOCKET {
		return commonOption(&u.Base, u, name, false)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if i, ok := u.coverageOption(level, name); ok {
		return binary.LittleEndian.AppendUint32(nil, uint32(u.coverage[i])), nil
	}
	if level == linux.SOL_UDP && u.protocol == linux.IPPROTO_UDP {
		switch name {
		case linux.UDP_SEGMENT:
			return socket.Int(int32(u.segment)), nil
		case linux.UDP_GRO:
			return socket.Int(flag(u.gro)), nil
		}
		return nil, errno.ENOPROTOOPT
	}
	return u.opts.get(u.family, u.protocol, false, u.st.wayMTU(u.remote.IsValid()), level, name)
}

// setSegments sets an option of SOL_UDP. Preconditions: mu.
func (u *UDP) setSegments(name int32, value []byte) error {
	if len(value) < 4 {
		return errno.EINVAL
	}
	v := int32(binary.LittleEndian.Uint32(value))
	switch name {
	case linux.UDP_SEGMENT:
		if v < 0 || v > math.MaxUint16 {
			return errno.EINVAL
		}
		u.segment = int(v)
	case linux.UDP_GRO:
		u.gro = v != 0
	default:
		return errno.ENOPROTOOPT
	}
	return nil
}

// coverageOption says which of the options of UDP-Lite it is, if it is one and the socket has them.
func (u *UDP) coverageOption(level, name int32) (i int, ok bool) {
	i = int(name - linux.UDPLITE_SEND_CSCOV)
	return i, u.protocol == linux.IPPROTO_UDPLITE && level == linux.SOL_UDPLITE && i >= 0 && i < len(u.coverage)
}
