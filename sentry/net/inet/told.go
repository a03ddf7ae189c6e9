package inet

import (
	"encoding/binary"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
)

// Options without a name in abi/linux: those of RFC 2292, and of extension headers (ipv6.h, in6.h).
const (
	ipRouterAlert   = 5
	ipChecksum      = 23
	ipRecvErrICMP   = 26
	ip6Info2292     = 2
	ip6HopOpts2292  = 3
	ip6DstOpts2292  = 4
	ip6RtHdr2292    = 5
	ip6HopLim2292   = 8
	ip6FlowInfo     = 11
	ip6RecvErrICMP  = 31
	ip6FlowInfoSend = 33
	ip6RecvHopOpts  = 53
	ip6RtHdrDst     = 55
	ip6RecvRtHdr    = 56
	ip6RtHdr        = 57
	ip6RecvDstOpts  = 58
	ip6DstOpts      = 59
	ip6RecvPathMTU  = 60
	ip6PathMTU      = 61
	ip6MinHops      = 73
	ip6OrigDstAddr  = 74
	ip6RecvFragSize = 77
)

// told are options that are told, and that cannot be set to anything else: what they are about there is not on a
// loopback.
var told = map[option]int32{
	{linux.SOL_IP, linux.IP_HDRINCL}:         0,
	{linux.SOL_IP, ipRouterAlert}:            0,
	{linux.SOL_IP, linux.IP_PASSSEC}:         0,
	{linux.SOL_IP, linux.IP_NODEFRAG}:        0,
	{linux.SOL_IP, ipChecksum}:               0,
	{linux.SOL_IP, linux.IP_RECVFRAGSIZE}:    0,
	{linux.SOL_IP, ipRecvErrICMP}:            0,
	{linux.SOL_IP, linux.IP_RECVORIGDSTADDR}: 0,

	{linux.SOL_IPV6, ip6Info2292}:                 0,
	{linux.SOL_IPV6, ip6HopOpts2292}:              0,
	{linux.SOL_IPV6, ip6DstOpts2292}:              0,
	{linux.SOL_IPV6, ip6RtHdr2292}:                0,
	{linux.SOL_IPV6, ip6HopLim2292}:               0,
	{linux.SOL_IPV6, ip6FlowInfo}:                 0,
	{linux.SOL_IPV6, ip6RecvErrICMP}:              0,
	{linux.SOL_IPV6, ip6FlowInfoSend}:             0,
	{linux.SOL_IPV6, ip6RecvHopOpts}:              0,
	{linux.SOL_IPV6, ip6RecvRtHdr}:                0,
	{linux.SOL_IPV6, ip6RecvDstOpts}:              0,
	{linux.SOL_IPV6, ip6RecvPathMTU}:              0,
	{linux.SOL_IPV6, linux.IPV6_AUTOFLOWLABEL}:    1,
	{linux.SOL_IPV6, linux.IPV6_ADDR_PREFERENCES}: 0x500,
	{linux.SOL_IPV6, ip6OrigDstAddr}:              0,
	{linux.SOL_IPV6, ip6RecvFragSize}:             0,

	{linux.SOL_TCP, linux.TCP_THIN_DUPACK}:        0,
	{linux.SOL_TCP, linux.TCP_REPAIR}:             0,
	{linux.SOL_TCP, linux.TCP_SAVE_SYN}:           0,
	{linux.SOL_TCP, linux.TCP_FASTOPEN_NO_COOKIE}: 0,
	{linux.SOL_TCP, linux.TCP_TX_DELAY}:           0,
}

// empty are options that have no value.
var empty = map[option]bool{
	{linux.SOL_IP, linux.IP_OPTIONS}:     true,
	{linux.SOL_IPV6, linux.IPV6_HOPOPTS}: true,
	{linux.SOL_IPV6, ip6RtHdrDst}:        true,
	{linux.SOL_IPV6, ip6RtHdr}:           true,
	{linux.SOL_IPV6, ip6DstOpts}:         true,
	{linux.SOL_TCP, linux.TCP_ULP}:       true,
	{linux.SOL_TCP, linux.TCP_SAVED_SYN}: true,
}

// getTold answers options that tell of the socket and its way. mtu is that of the way, 0 if it has none.
func (o *options) getTold(key option, protocol int32, mtu uint32) ([]byte, error) {
	switch key {
	case option{linux.SOL_IP, linux.IP_MTU}, option{linux.SOL_IPV6, linux.IPV6_MTU}:
		switch {
		case mtu == 0:
			return nil, errno.ENOTCONN
		case key.level == linux.SOL_IP:
			mtu = min(mtu, maxPacket)
		}
		return socket.Int(int32(mtu)), nil
	case option{linux.SOL_IPV6, ip6PathMTU}: // struct ip6_mtuinfo
		if mtu == 0 {
			return nil, errno.ENOTCONN
		}
		return binary.LittleEndian.AppendUint32(make([]byte, sizeInet6), mtu), nil
	case option{linux.SOL_IP, linux.IP_PROTOCOL}:
		return socket.Int(protocol), nil
	case option{linux.SOL_TCP, linux.TCP_REPAIR_WINDOW}:
		return nil, errno.EPERM
	}
	if empty[key] {
		return nil, nil
	}
	if v, ok := told[key]; ok {
		return socket.Int(v), nil
	}
	return nil, errno.ENOPROTOOPT
}

// setTold refuses to set options that are only told, but for what they are.
func setTold(key option, v int32) error {
	switch key {
	case option{linux.SOL_TCP, linux.TCP_REPAIR}:
		return errno.EPERM // connections are not to be made up
	case option{linux.SOL_TCP, linux.TCP_FASTOPEN_NO_COOKIE}:
		return errno.EOPNOTSUPP
	case option{linux.SOL_TCP, linux.TCP_THIN_DUPACK}: // Linux ignores it
		if v != 0 && v != 1 {
			return errno.EINVAL
		}
		return nil
	}
	if now, ok := told[key]; ok && key.level != linux.SOL_TCP && v == now && key.name != linux.IP_HDRINCL {
		return nil
	}
	return errno.ENOPROTOOPT
}

// wayMTU is what a packet to where a socket is connected holds, 0 if it is not.
func (st *Stack) wayMTU(connected bool) uint32 {
	if !connected {
		return 0
	}
	return st.net.Links.State().ByIndex(socket.LoopbackIndex).MTU
}
