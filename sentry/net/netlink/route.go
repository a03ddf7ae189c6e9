package netlink

import (
	"net/netip"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/link"
)

// What a request's type asks for: its two lowest bits (rtnetlink.h).
const kindGet = 2

// Sizes of what requests begin with: struct ifinfomsg, ifaddrmsg and rtmsg.
const (
	infoSize      = 16
	addrInfoSize  = 8
	routeInfoSize = 12
)

// rtmMax is the greatest type there is (RTM_MAX).
const rtmMax = 123

// route answers a request of NETLINK_ROUTE: messages to be queued, each a datagram. to is the
// asker's port.
func (n *Network) route(q *request, to uint32, admin bool) ([][]byte, error) {
	if q.Type > rtmMax {
		return nil, errno.EOPNOTSUPP
	}
	if len(q.body) < 1 {
		return nil, nil
	}
	switch kind := q.Type & 3; {
	case kind != kindGet && !admin:
		return nil, errno.EPERM
	case kind != kindGet:
		return nil, n.change(q)
	}
	r := newReply(q, to)
	if q.Flags&linux.NLM_F_DUMP != 0 { // either bit
		if err := n.dump(q, &r); err != nil {
			return nil, err
		}
		return dumped(r.b, q, to), nil
	}
	switch q.Type {
	case linux.RTM_GETLINK:
		_, l, err := n.find(q)
		if err != nil {
			return nil, err
		}
		r.link(l, 0, 0)
	case linux.RTM_GETROUTE:
		if err := n.way(q, &r); err != nil {
			return nil, err
		}
	default:
		return nil, errno.EOPNOTSUPP
	}
	return [][]byte{r.b}, nil
}

// dump adds all of a kind to a reply.
func (n *Network) dump(q *request, r *reply) error {
	family := q.body[0]
	s := n.net.Links.State()
	switch q.Type {
	case linux.RTM_GETLINK:
		for i := range s.Links {
			r.link(&s.Links[i], linux.NLM_F_MULTI, 0)
		}
	case linux.RTM_GETADDR:
		for i := range s.Links {
			l := &s.Links[i]
			for k := range l.Addrs {
				if a := &l.Addrs[k]; wants(family, familyOf(a.Addr())) {
					r.addr(l, a, linux.RTM_NEWADDR, linux.NLM_F_MULTI)
				}
			}
		}
	case linux.RTM_GETROUTE:
		for i := range s.Links {
			for _, rt := range routesOf(&s.Links[i]) {
				if wants(family, familyOf(rt.dst.Addr())) {
					r.route(&rt, linux.RTM_NEWROUTE, linux.NLM_F_MULTI)
				}
			}
		}
	case linux.RTM_GETNEIGH:
	default:
		return errno.EOPNOTSUPP
	}
	return nil
}

// find returns the interface that a request names by index or name.
func (n *Network) find(q *request) (linux.IfInfoMsg, *link.Link, error) {
	var info linux.IfInfoMsg
	if len(q.body) < infoSize {
		return info, nil, errno.EINVAL
	}
	info.UnmarshalBytes(q.body)
	name := strings.TrimRight(string(attribute(q.body[infoSize:], linux.IFLA_IFNAME)), "\x00")
	var l *link.Link
	switch s := n.net.Links.State(); {
	case info.Index > 0:
		l = s.ByIndex(info.Index)
	case name != "":
		l = s.ByName(name)
	default:
		return info, nil, errno.EINVAL
	}
	if l == nil {
		return info, nil, errno.ENODEV
	}
	return info, l, nil
}

// addressOf makes an address of a family from an attribute; not ok if it is none.
func addressOf(family uint8, b []byte) (a netip.Addr, ok bool) {
	if family == linux.AF_INET && len(b) != 4 || family == linux.AF_INET6 && len(b) != 16 {
		return a, false
	}
	return netip.AddrFromSlice(b)
}

// Attributes and flags of the answer to where a packet would go (rtnetlink.h).
const (
	rtaUID     = 25
	rtmFCloned = 0x200
)

// way tells which way a packet to RTA_DST goes.
func (n *Network) way(q *request, r *reply) error {
	if len(q.body) < routeInfoSize {
		return errno.EINVAL
	}
	var info linux.RtMsg
	info.UnmarshalBytes(q.body)
	dst, ok := addressOf(info.Family, attribute(q.body[routeInfoSize:], linux.RTA_DST))
	if info.Family != linux.AF_INET && info.Family != linux.AF_INET6 {
		return errno.EOPNOTSUPP
	}
	if !ok {
		return errno.EINVAL
	}
	typ, src := n.net.Links.State().Find(dst)
	if typ == link.Foreign {
		return errno.ENETUNREACH
	}
	kind, table := uint8(linux.RTN_LOCAL), uint8(linux.RT_TABLE_MAIN)
	if typ == link.Broadcast {
		kind = linux.RTN_BROADCAST
	}
	out := linux.RtMsg{Family: info.Family, DstLen: uint8(dst.BitLen()), Type: kind, Flags: rtmFCloned}
	if dst.Is6() {
		out.Flags, out.Protocol = 0, linux.RTPROT_KERNEL
		table = linux.RT_TABLE_LOCAL
	}
	out.Table = table
	body := make([]byte, routeInfoSize)
	out.MarshalBytes(body)
	r.begin(linux.RTM_NEWROUTE, 0, body)
	r.attr32(linux.RTA_TABLE, uint32(table))
	r.attr(linux.RTA_DST, dst.AsSlice())
	r.attr32(linux.RTA_OIF, link.Loopback)
	r.attr(linux.RTA_PREFSRC, src.AsSlice())
	if dst.Is4() {
		r.attr32(rtaUID, 0)
	}
	r.end()
	return nil
}
