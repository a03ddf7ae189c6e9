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

const (
	etherHeader = 14
	sizeLL      = 20 // struct sockaddr_ll
	sizeMreq    = 16 // struct packet_mreq
)

// Frames is a packet socket (packet(7)): it sees the frames of the loopback interface, those of all protocols
// once as they leave and once as they arrive. What it sends others see; of that the host takes in IPv6
// alone, as Linux holds 127.0.0.1 from a frame for a forgery.
type Frames struct {
	endpoint
	typ int32

	// Guarded by mu.
	ether uint16 // the protocol to receive; 0: none
	toLo  bool   // bound to the interface
	seen  uint32 // for PACKET_STATISTICS
	lost  int    // drops that were told
	flags [32]bool
}

// NewFrames returns a packet socket; EPERM without CAP_NET_RAW.
func (st *Stack) NewFrames(c vfs.Caller, typ, protocol int32) (socket.Socket, error) {
	if !st.net.Has(c, linux.CAP_NET_RAW) {
		return nil, errno.EPERM
	}
	if typ != linux.SOCK_RAW && typ != linux.SOCK_DGRAM {
		return nil, errno.ESOCKTNOSUPPORT
	}
	f := &Frames{typ: typ, ether: swap(uint16(protocol))}
	f.init(c, st, linux.AF_PACKET, 0)
	f.Update(func(o *socket.Options) { o.ReuseAddr = false })
	st.mu.Lock()
	st.frames = append(slices.Clip(st.frames), f)
	st.mu.Unlock()
	st.taps.Add(1)
	return f, nil
}

func swap(v uint16) uint16 { return v<<8 | v>>8 }

// frame is a frame with its Ethernet header on its way.
type frame struct {
	b       []byte
	from    *Frames // that sent it, or nil
	partial bool    // the checksum of what it holds is left to the device
	stamp   int64
}

// watch shows packet sockets an IP packet.
func (st *Stack) watch(p *packet) {
	st.mu.Lock()
	none := len(st.frames) == 0
	st.mu.Unlock()
	if none {
		return
	}
	ether, whole := uint16(linux.ETH_P_IP), []byte(nil)
	if p.v6() {
		ether, whole = linux.ETH_P_IPV6, p.whole6()
	} else {
		whole = p.whole(st)
	}
	b := make([]byte, etherHeader, etherHeader+len(whole))
	binary.BigEndian.PutUint16(b[12:], ether)
	st.showFrame(&frame{
		b: append(b, whole...), stamp: p.stamp,
		partial: p.proto == linux.IPPROTO_UDP || p.proto == linux.IPPROTO_TCP,
	})
}

// showFrame shows packet sockets a frame: first as it leaves, then as it arrives.
func (st *Stack) showFrame(fr *frame) {
	st.mu.Lock()
	all := st.frames // nobody changes a list in place
	st.mu.Unlock()
	kind := uint8(linux.PACKET_OTHERHOST)
	switch dst := [6]byte(fr.b); {
	case dst == [6]byte{}:
		kind = linux.PACKET_HOST
	case dst[0]&1 != 0:
		kind = linux.PACKET_MULTICAST
	}
	ether := binary.BigEndian.Uint16(fr.b[12:])
	for _, kind := range []uint8{linux.PACKET_OUTGOING, kind} {
		for _, f := range all {
			f.see(fr, ether, kind)
		}
	}
}

// see receives a frame that the socket asked for.
func (f *Frames) see(fr *frame, ether uint16, kind uint8) {
	f.mu.Lock()
	out := kind == linux.PACKET_OUTGOING
	ok := f.ether == linux.ETH_P_ALL || f.ether == ether && !out
	if out && (fr.from == f || f.flags[linux.PACKET_IGNORE_OUTGOING]) {
		ok = false
	}
	f.mu.Unlock()
	if !ok {
		return
	}
	data := fr.b
	if f.Filtered() {
		start := 0
		if f.typ == linux.SOCK_DGRAM {
			start = etherHeader
		}
		n, ok := f.Accepts(filterPacket(fr.b, start, etherHeader, ether, kind))
		if !ok {
			return
		}
		data = fr.b[:start+n]
	}
	h := header{kind: kind}
	if fr.partial {
		h.tos = linux.TP_STATUS_CSUMNOTREADY
	}
	f.mu.Lock()
	f.seen++
	f.mu.Unlock()
	f.deliver(&datagram{data: data, whole: len(fr.b), head: h, stamp: fr.stamp})
}

// Kind implements socket.Socket. As on Linux, the protocol is not told.
func (f *Frames) Kind() (family, typ, protocol int32) { return linux.AF_PACKET, f.typ, 0 }

// Bind implements socket.Socket.
func (f *Frames) Bind(_ socket.Caller, addr []byte) error {
	if len(addr) < sizeLL || binary.LittleEndian.Uint16(addr) != linux.AF_PACKET {
		return errno.EINVAL
	}
	index := binary.LittleEndian.Uint32(addr[4:])
	if index > socket.LoopbackIndex {
		return errno.ENODEV
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := binary.BigEndian.Uint16(addr[2:]); p != 0 {
		f.ether = p
	}
	f.toLo = index != 0
	return nil
}

// Connect, PeerName and Shutdown implement socket.Socket.
func (f *Frames) Connect(socket.Caller, []byte, uint32) error { return errno.EOPNOTSUPP }

func (f *Frames) PeerName() ([]byte, error) { return nil, errno.EOPNOTSUPP }

func (f *Frames) Shutdown(int32) error { return errno.EOPNOTSUPP }

// llName returns a struct sockaddr_ll.
func llName(ether uint16, kind uint8, hw []byte) []byte {
	b := make([]byte, sizeLL)
	binary.LittleEndian.PutUint16(b, linux.AF_PACKET)
	binary.BigEndian.PutUint16(b[2:], ether)
	binary.LittleEndian.PutUint32(b[4:], socket.LoopbackIndex)
	binary.LittleEndian.PutUint16(b[8:], linux.ARPHRD_LOOPBACK)
	b[10], b[11] = kind, 6
	copy(b[12:18], hw)
	return b
}

// LocalName implements socket.Socket.
func (f *Frames) LocalName() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := llName(f.ether, 0, nil)
	if f.toLo {
		return b[:18], nil
	}
	clear(b[4:])
	return b[:12], nil
}

// Send implements socket.Socket.
func (f *Frames) Send(c vfs.Caller, src *usermem.Sequence, m *socket.Message) (int, error) {
	f.mu.Lock()
	ether, ok := f.ether, f.toLo
	f.mu.Unlock()
	var hw [6]byte
	if m.Name != nil {
		if len(m.Name) < sizeLL || len(m.Name) < int(m.Name[11])+12 {
			return 0, errno.EINVAL
		}
		ether = binary.BigEndian.Uint16(m.Name[2:])
		ok = binary.LittleEndian.Uint32(m.Name[4:]) == socket.LoopbackIndex
		copy(hw[:], m.Name[12:min(18, 12+int(m.Name[11]))])
	}
	lo := f.st.net.Links.State().ByIndex(socket.LoopbackIndex)
	size := src.Len()
	head := uint64(0) // what comes before what the guest gives
	if f.typ == linux.SOCK_DGRAM {
		head = etherHeader
	}
	switch {
	case !ok:
		return 0, errno.ENXIO
	case !lo.Up():
		return 0, errno.ENETDOWN
	case head+size > uint64(lo.MTU)+etherHeader:
		return 0, errno.EMSGSIZE
	case head+size < etherHeader:
		return 0, errno.EINVAL
	}
	b := make([]byte, head+size)
	if head > 0 {
		copy(b, hw[:])
		binary.BigEndian.PutUint16(b[12:], ether)
	}
	if n, err := src.CopyIn(b[head:]); uint64(n) < size {
		if err == nil {
			err = errno.EFAULT
		}
		return 0, err
	}
	f.st.showFrame(&frame{b: b, from: f, stamp: c.Now()})
	if binary.BigEndian.Uint16(b[12:]) == linux.ETH_P_IPV6 && [6]byte(b) == [6]byte{} {
		if p, ok := parseHeader6(b[etherHeader:], c.Now()); ok {
			f.st.arrive(p)
		}
	}
	return int(size), nil
}

// Recv implements socket.Socket.
func (f *Frames) Recv(_ vfs.Caller, dst *usermem.Sequence, m *socket.Message) (int, error) {
	if m.Flags&linux.MSG_OOB != 0 {
		return 0, errno.EINVAL
	}
	f.recvMu.Lock()
	defer f.recvMu.Unlock()
	d, err := f.take(m)
	if d == nil {
		return 0, err
	}
	shown := *d
	m.Name = llName(binary.BigEndian.Uint16(d.data[12:]), d.head.kind, d.data[6:12])
	net := uint16(etherHeader)
	if f.typ == linux.SOCK_DGRAM {
		shown.data, net = d.data[etherHeader:], 0
	}
	f.mu.Lock()
	aux := f.flags[linux.PACKET_AUXDATA]
	f.mu.Unlock()
	if aux { // struct tpacket_auxdata
		b := binary.LittleEndian.AppendUint32(nil, linux.TP_STATUS_USER|uint32(d.head.tos))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(shown.data)+d.whole-len(d.data)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(shown.data)))
		b = binary.LittleEndian.AppendUint16(b, 0)
		b = binary.LittleEndian.AppendUint16(b, net)
		b = binary.LittleEndian.AppendUint32(b, 0) // no VLAN
		m.Control = []socket.ControlMessage{{Level: linux.SOL_PACKET, Type: linux.PACKET_AUXDATA, Data: b}}
	}
	return shown.copyOut(dst, m)
}

// SetOption implements socket.Socket.
func (f *Frames) SetOption(c socket.Caller, level, name int32, value []byte) error {
	if level == linux.SOL_SOCKET {
		return setCommonOption(c, &f.Base, name, value)
	}
	if level != linux.SOL_PACKET {
		return errno.ENOPROTOOPT
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch name {
	case linux.PACKET_ADD_MEMBERSHIP, linux.PACKET_DROP_MEMBERSHIP:
		// The interface shows all that there is in any case.
		if len(value) < sizeMreq {
			return errno.EINVAL
		}
		if name == linux.PACKET_ADD_MEMBERSHIP && binary.LittleEndian.Uint32(value) != socket.LoopbackIndex {
			return errno.ENODEV
		}
		return nil
	case linux.PACKET_AUXDATA, linux.PACKET_ORIGDEV, linux.PACKET_IGNORE_OUTGOING:
		if len(value) < 4 {
			return errno.EINVAL
		}
		f.flags[name] = binary.LittleEndian.Uint32(value) != 0
		return nil
	}
	return errno.ENOPROTOOPT
}

// Option implements socket.Socket.
func (f *Frames) Option(_ socket.Caller, level, name int32, _ int) ([]byte, error) {
	if level == linux.SOL_SOCKET {
		return commonOption(&f.Base, f, name, false)
	}
	if level != linux.SOL_PACKET {
		return nil, errno.ENOPROTOOPT
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch name {
	case linux.PACKET_STATISTICS: // since the last time: struct tpacket_stats
		b := binary.LittleEndian.AppendUint32(nil, f.seen)
		b = binary.LittleEndian.AppendUint32(b, uint32(f.drops-f.lost))
		f.seen, f.lost = 0, f.drops
		return b, nil
	case linux.PACKET_AUXDATA, linux.PACKET_ORIGDEV, linux.PACKET_IGNORE_OUTGOING:
		return socket.Int(flag(f.flags[name])), nil
	}
	return nil, errno.ENOPROTOOPT
}

// Ioctl implements socket.Socket.
func (f *Frames) Ioctl(_ vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	f.mu.Lock()
	n, stamp := f.head.length(), f.stamp
	if n > 0 && f.typ == linux.SOCK_DGRAM {
		n -= etherHeader
	}
	f.mu.Unlock()
	return datagramIoctl(m, cmd, arg, n, stamp)
}

// Close implements socket.Socket.
func (f *Frames) Close() {
	f.st.mu.Lock()
	i := slices.Index(f.st.frames, f)
	f.st.frames = append(slices.Clone(f.st.frames[:i]), f.st.frames[i+1:]...)
	f.st.mu.Unlock()
	f.st.taps.Add(-1)
	f.shutDown()
}

// parseHeader6 reads a whole IPv6 packet; false if a host would drop it. It keeps b.
func parseHeader6(b []byte, now int64) (*packet, bool) {
	if len(b) < ip6Header || b[0]>>4 != 6 {
		return nil, false
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	src, dst := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	if size > len(b)-ip6Header || src.Is4In6() || dst.Is4In6() {
		return nil, false
	}
	return &packet{
		src: src, dst: dst, proto: b[6], head: header{ttl: b[7], tos: b[0]<<4 | b[1]>>4},
		body: b[ip6Header : ip6Header+size], stamp: now,
	}, true
}
