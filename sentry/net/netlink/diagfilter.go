package netlink

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
)

// bytecode is a program that says which sockets of AF_INET and AF_INET6 a dump shows: a row of operations, each
// of which says how far on the next one is, if its condition holds and if not (inet_diag.h).
type bytecode []byte

// Operations.
const (
	bcNop = iota
	bcJmp
	bcLocalAtLeast
	bcLocalAtMost
	bcRemoteAtLeast
	bcRemoteAtMost
	bcAuto
	bcLocal
	bcRemote
	bcDevice
	bcMark
	bcLocalPort
	bcRemotePort
)

// Sizes of struct inet_diag_bc_op and inet_diag_hostcond.
const (
	opSize   = 4
	hostSize = 8
)

func (p bytecode) yes() int    { return int(p[1]) }
func (p bytecode) no() int     { return int(binary.LittleEndian.Uint16(p[2:])) }
func (p bytecode) arg() int    { return int(binary.LittleEndian.Uint16(p[opSize+2:])) }
func (p bytecode) word() int32 { return int32(binary.LittleEndian.Uint32(p[opSize:])) }

// check reports EINVAL for a program that would run out of its bytes, and EPERM for one that asks what is not
// for everybody.
func (p bytecode) check(admin bool) error {
	for rest := p; len(rest) > 0; rest = rest[rest.yes():] {
		if len(rest) < opSize {
			return errno.EINVAL
		}
		size := opSize
		switch rest[0] {
		case bcNop, bcJmp, bcAuto:
		case bcLocalAtLeast, bcLocalAtMost, bcRemoteAtLeast, bcRemoteAtMost, bcLocalPort, bcRemotePort, bcDevice:
			size += 4
		case bcLocal, bcRemote:
			if size += hostSize; len(rest) < size {
				return errno.EINVAL
			}
			n := 0
			switch rest[opSize] {
			case linux.AF_UNSPEC:
			case linux.AF_INET:
				n = 4
			case linux.AF_INET6:
				n = 16
			default:
				return errno.EINVAL
			}
			if size += n; int(rest[opSize+1]) > 8*n {
				return errno.EINVAL
			}
		case bcMark:
			if !admin {
				return errno.EPERM
			}
			size += 8
		default:
			return errno.EINVAL
		}
		if len(rest) < size || rest.yes() < size || rest.yes() > len(rest)+opSize || rest.yes()%4 != 0 {
			return errno.EINVAL
		}
		if no := rest.no(); rest[0] != bcNop &&
			(no < size || no > len(rest)+opSize || no%4 != 0 || no < len(rest) && !p.begins(len(p)-len(rest)+no)) {
			return errno.EINVAL
		}
		if rest.yes() > len(rest) {
			return errno.EINVAL
		}
	}
	return nil
}

// begins reports whether an operation begins at a place.
func (p bytecode) begins(at int) bool {
	for i := 0; i <= at && len(p)-i >= opSize; i += p[i:].yes() {
		if i == at {
			return true
		}
		if p[i:].yes() < opSize {
			return false
		}
	}
	return false
}

// matches runs the program on a socket. Preconditions: check.
func (p bytecode) matches(s *socket.InetState) bool {
	local, remote := int(s.Local.Port()), int(s.Remote.Port())
	for len(p) > 0 {
		ok := true
		switch p[0] {
		case bcJmp:
			ok = false
		case bcLocalPort:
			ok = local == p.arg()
		case bcRemotePort:
			ok = remote == p.arg()
		case bcLocalAtLeast:
			ok = local >= p.arg()
		case bcLocalAtMost:
			ok = local <= p.arg()
		case bcRemoteAtLeast:
			ok = remote >= p.arg()
		case bcRemoteAtMost:
			ok = remote <= p.arg()
		case bcAuto:
			ok = s.AutoPort
		case bcLocal:
			ok = p[opSize:].host(s.Family, s.Local)
		case bcRemote:
			ok = p[opSize:].host(s.Family, s.Remote)
		case bcDevice:
			ok = p.word() == s.Index
		case bcMark: // struct inet_diag_markcond
			ok = s.Options.Mark&int32(binary.LittleEndian.Uint32(p[opSize+4:])) == p.word()
		}
		n := p.no()
		if ok {
			n = p.yes()
		}
		if n > len(p) {
			return false // it was rejected
		}
		p = p[n:]
	}
	return true
}

// host reports whether a matches a struct inet_diag_hostcond.
func (p bytecode) host(family uint8, a netip.AddrPort) bool {
	want, bits := p[0], int(p[1])
	if port := p.word(); port != -1 && port != int32(a.Port()) {
		return false
	}
	b := make([]byte, 16)
	put(b, family, a.Addr())
	if want != linux.AF_UNSPEC && want != family {
		if family != linux.AF_INET6 || want != linux.AF_INET || !bytes.Equal(b[:12], mapped) {
			return false
		}
		b = b[12:]
	}
	return prefixed(b, p[hostSize:], bits)
}

// mapped is the beginning of IPv6 addresses that stand for IPv4 ones.
var mapped = []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}

// prefixed reports whether the first bits of a and b are the same.
func prefixed(a, b []byte, bits int) bool {
	n := bits / 8
	if !bytes.Equal(a[:n], b[:n]) {
		return false
	}
	return bits%8 == 0 || (a[n]^b[n])>>(8-bits%8) == 0
}
