package strace

import (
	"encoding/binary"
	"net/netip"

	"ringfence/abi/linux"
)

// sockaddr prints n bytes of a socket address at a.
func (p *printer) sockaddr(a, n uint64) {
	b, ok := p.read(a, int(min(n, linux.SockaddrStorageSize)))
	if !ok || n == 0 {
		p.ptr(a)
		return
	}
	if len(b) < 2 {
		p.quote(b, false)
		return
	}
	family := binary.LittleEndian.Uint16(b)
	p.str("{sa_family=")
	p.enum(uint64(family), &families)
	full := append(b, make([]byte, linux.SockaddrStorageSize-len(b))...)
	port := func(v [2]byte) { p.udec(uint64(v[0])<<8 | uint64(v[1])) }
	switch {
	case family == linux.AF_UNIX && len(b) > 2:
		p.str(", sun_path=")
		path := b[2:]
		if path[0] == 0 { // an abstract name
			p.str("@")
			p.quote(path[1:], false)
		} else {
			p.cstr(path)
		}
	case family == linux.AF_UNIX:
	case family == linux.AF_INET && len(b) >= 16:
		var v linux.SockaddrInet
		v.UnmarshalBytes(full)
		p.str(", sin_port=htons(")
		port(v.Port)
		p.str("), sin_addr=inet_addr(\"", netip.AddrFrom4(v.Addr).String(), "\")")
	case family == linux.AF_INET6 && len(b) >= 24:
		var v linux.SockaddrInet6
		v.UnmarshalBytes(full)
		p.str(", sin6_port=htons(")
		port(v.Port)
		p.str("), sin6_flowinfo=htonl(")
		p.udec(uint64(binary.BigEndian.Uint32(v.Flowinfo[:])))
		p.str("), inet_pton(AF_INET6, \"", netip.AddrFrom16(v.Addr).String(), "\", &sin6_addr), sin6_scope_id=")
		p.udec(uint64(v.ScopeID))
	case family == linux.AF_NETLINK && len(b) >= 12:
		var v linux.SockaddrNetlink
		v.UnmarshalBytes(full)
		p.str(", nl_pid=")
		p.dec(int64(int32(v.PortID)))
		p.str(", nl_groups=")
		p.groups(v.Groups)
	default:
		p.str(", sa_data=")
		p.quote(b[2:], false)
	}
	p.str("}")
}

// groups prints a netlink group mask, with eight digits unless 0.
func (p *printer) groups(v uint32) {
	if v == 0 {
		p.str("00000000")
		return
	}
	const digits = "0123456789abcdef"
	p.str("0x")
	started := false
	for shift := 28; shift >= 0; shift -= 4 {
		d := v >> shift & 15
		if d != 0 || started || shift == 0 {
			p.b = append(p.b, digits[d])
			started = true
		}
	}
}

// saveLength keeps the length that argument n points at, which the call overwrites.
func saveLength(n int) func(*printer) {
	return func(p *printer) {
		if v, ok := p.u32(p.arg(n)); ok {
			p.c.saved = v
		}
	}
}

var (
	inAddr = param{show: func(p *printer, i int) { p.sockaddr(p.arg(i), p.arg(i+1)) }}

	// outAddr's length is behind the next argument.
	outAddr = out(func(p *printer, i int) {
		n, ok := p.u32(p.arg(i + 1))
		if !ok {
			p.ptr(p.arg(i))
			return
		}
		p.sockaddr(p.arg(i), uint64(min(n, p.c.saved)))
	})

	// outLen is a length that the call read and may have changed.
	outLen = param{out: true, show: func(p *printer, i int) {
		if p.arg(i) == 0 {
			p.str("NULL")
			return
		}
		now, ok := p.u32(p.arg(i))
		if !ok {
			p.hex(p.arg(i))
			return
		}
		p.str("[")
		p.dec(int64(int32(p.c.saved)))
		if now != p.c.saved && !p.failed() {
			p.str(" => ")
			p.dec(int64(int32(now)))
		}
		p.str("]")
	}}

	sockTypeArg = param{show: func(p *printer, i int) {
		v := uint64(uint32(p.arg(i)))
		if sockTypes.find(v&linux.SOCK_TYPE_MASK) == "" {
			p.enum(v, &sockTypes)
			return
		}
		p.enum(v&linux.SOCK_TYPE_MASK, &sockTypes)
		if v &^= linux.SOCK_TYPE_MASK; v != 0 {
			p.str("|")
			p.flags(v, &sockFlags)
		}
	}}

	protocolArg = param{show: func(p *printer, i int) {
		v := uint64(uint32(p.arg(i)))
		switch p.arg(0) {
		case linux.AF_INET, linux.AF_INET6:
			p.enum(v, &protocols)
		case linux.AF_NETLINK:
			p.enum(v, &netlinkProtocols)
		default:
			p.udec(v)
		}
	}}

	msgFlagsArg = flagsArg(&msgFlags)
	levelArg    = enumArg(&sockLevels)

	optionArg = param{show: func(p *printer, i int) {
		v := uint64(uint32(p.arg(i)))
		switch uint32(p.arg(i - 1)) {
		case linux.SOL_SOCKET:
			p.enum(v, &sockOptions)
		case linux.SOL_IP:
			p.enum(v, &ipOptions)
		case linux.SOL_IPV6:
			p.enum(v, &ipv6Options)
		case linux.SOL_TCP:
			p.enum(v, &tcpOptions)
		case linux.SOL_NETLINK:
			p.enum(v, &netlinkOptions)
		default:
			p.hex(v)
		}
	}}

	inOption = param{show: func(p *printer, i int) { p.option(p.arg(i), p.arg(i+1)) }}

	outOption = out(func(p *printer, i int) {
		n, ok := p.u32(p.arg(i + 1))
		if !ok {
			p.ptr(p.arg(i))
			return
		}
		p.option(p.arg(i), uint64(n))
	})
)

// option prints a socket option of n bytes: an int unless the option is known otherwise.
func (p *printer) option(a, n uint64) {
	if uint32(p.arg(1)) == linux.SOL_SOCKET {
		switch uint32(p.arg(2)) {
		case linux.SO_LINGER:
			object(p, a, func(v *linux.Linger) {
				p.str("{l_onoff=")
				p.dec(int64(v.Onoff))
				p.str(", l_linger=")
				p.dec(int64(v.Linger))
				p.str("}")
			})
			return
		case linux.SO_PEERCRED:
			object(p, a, p.ucred)
			return
		case linux.SO_RCVTIMEO, linux.SO_SNDTIMEO:
			object(p, a, func(v *linux.Timeval) { p.timeval(*v) })
			return
		case linux.SO_BINDTODEVICE, linux.SO_PEERSEC:
			p.data(a, n)
			return
		}
	}
	if n == 4 {
		p.word(a, func(v uint32) { p.dec(int64(int32(v))) })
		return
	}
	p.data(a, n)
}

func (p *printer) ucred(v *linux.Ucred) {
	p.str("{pid=")
	p.dec(int64(v.PID))
	p.str(", uid=")
	p.udec(uint64(v.UID))
	p.str(", gid=")
	p.udec(uint64(v.GID))
	p.str("}")
}

// msghdr prints a message header at a; got is how many bytes of data it holds.
func (p *printer) msghdr(v *linux.Msghdr, got uint64) {
	p.str("{msg_name=")
	p.sockaddr(v.Name, uint64(v.Namelen))
	p.str(", msg_namelen=")
	p.dec(int64(int32(v.Namelen)))
	p.str(", msg_iov=")
	p.iovecs(v.Iov, v.Iovlen, got)
	p.str(", msg_iovlen=")
	p.udec(v.Iovlen)
	if v.Controllen != 0 {
		p.str(", msg_control=")
		p.control(v.Control, v.Controllen)
	}
	p.str(", msg_controllen=")
	p.udec(v.Controllen)
	p.str(", msg_flags=")
	p.flags(uint64(v.Flags), &msgFlags)
	p.str("}")
}

// control prints the control messages in n bytes at a.
func (p *printer) control(a, n uint64) {
	b, ok := p.read(a, int(min(n, 4096)))
	if !ok {
		p.ptr(a)
		return
	}
	p.str("[")
	for first := true; len(b) >= linux.CmsgHdrSize; first = false {
		var h linux.Cmsghdr
		h.UnmarshalBytes(b)
		if h.Len < linux.CmsgHdrSize || h.Len > uint64(len(b)) {
			break
		}
		if !first {
			p.str(", ")
		}
		p.str("{cmsg_len=")
		p.udec(h.Len)
		p.str(", cmsg_level=")
		p.enum(uint64(uint32(h.Level)), &sockLevels)
		p.str(", cmsg_type=")
		data := b[linux.CmsgHdrSize:h.Len]
		if h.Level == linux.SOL_SOCKET {
			p.enum(uint64(uint32(h.Type)), &scmTypes)
		} else {
			p.hex(uint64(uint32(h.Type)))
		}
		p.controlData(&h, data)
		p.str("}")
		b = b[min(linux.CmsgAlign(h.Len), uint64(len(b))):]
	}
	p.str("]")
}

func (p *printer) controlData(h *linux.Cmsghdr, data []byte) {
	if len(data) == 0 {
		return
	}
	p.str(", cmsg_data=")
	switch {
	case h.Level == linux.SOL_SOCKET && h.Type == linux.SCM_RIGHTS:
		p.str("[")
		for i := 0; i+4 <= len(data); i += 4 {
			if i > 0 {
				p.str(", ")
			}
			p.dec(int64(int32(binary.LittleEndian.Uint32(data[i:]))))
		}
		p.str("]")
	case h.Level == linux.SOL_SOCKET && h.Type == linux.SCM_CREDENTIALS && len(data) >= 12:
		var v linux.Ucred
		v.UnmarshalBytes(data)
		p.ucred(&v)
	default:
		p.quoteHex(data[:min(len(data), maxString)], len(data) > maxString)
	}
}

var (
	inMsghdr  = structArg(func(p *printer, v *linux.Msghdr) { p.msghdr(v, 1<<63) })
	outMsghdr = outStruct(func(p *printer, v *linux.Msghdr) { p.msghdr(v, p.ret) })
)

func (p *printer) mmsghdrs(a, n uint64, received bool) {
	p.array(a, n, 64, func(b []byte, _ uint64) {
		var v linux.Mmsghdr
		v.UnmarshalBytes(b)
		got := uint64(1 << 63)
		if received {
			got = uint64(v.Len)
		}
		p.str("{msg_hdr=")
		p.msghdr(&v.Hdr, got)
		if received {
			p.str(", msg_len=")
			p.udec(uint64(v.Len))
		}
		p.str("}")
	})
}

var (
	inMmsghdrs  = param{show: func(p *printer, i int) { p.mmsghdrs(p.arg(i), p.arg(i+1), false) }}
	outMmsghdrs = out(func(p *printer, i int) { p.mmsghdrs(p.arg(i), p.ret, true) })
)
