package netlink

import (
	"cmp"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"ringfence/abi/linux"
	"ringfence/sentry/net/link"
)

// Attributes of links that abi/linux does not need otherwise (if_link.h).
const (
	iflaPromiscuity = 30
	iflaCarrier     = 33
)

// Sizes of struct rtnl_link_stats and rtnl_link_stats64.
const (
	statsSize   = 24 * 4
	stats64Size = 25 * 8
)

// Operational states of a link (RFC 2863).
const (
	operUnknown = 0
	operDown    = 2
)

// link describes an interface; change are the flags that were others before.
func (r *reply) link(l *link.Link, flags uint16, change uint32) {
	body := make([]byte, infoSize)
	info := linux.IfInfoMsg{Type: l.Kind, Index: l.Index, Flags: l.Told(), Change: change}
	info.MarshalBytes(body)
	state, queue := uint8(operUnknown), "noqueue"
	if !l.Up() {
		state = operDown
	}
	if !l.Queued {
		queue = "noop"
	}
	r.begin(linux.RTM_NEWLINK, flags, body)
	r.attrString(linux.IFLA_IFNAME, l.Name)
	r.attr32(linux.IFLA_TXQLEN, l.Queue)
	r.attr8(linux.IFLA_OPERSTATE, state)
	r.attr8(linux.IFLA_LINKMODE, 0)
	r.attr32(linux.IFLA_MTU, l.MTU)
	r.attr32(linux.IFLA_GROUP, 0)
	r.attr32(iflaPromiscuity, 0)
	r.attr32(linux.IFLA_NUM_TX_QUEUES, 1)
	r.attr32(linux.IFLA_NUM_RX_QUEUES, 1)
	r.attr8(iflaCarrier, 1)
	r.attrString(linux.IFLA_QDISC, queue)
	r.attr(linux.IFLA_ADDRESS, l.Hardware[:])
	r.attr(linux.IFLA_BROADCAST, l.Broadcast[:])
	r.attr(linux.IFLA_STATS64, make([]byte, stats64Size))
	r.attr(linux.IFLA_STATS, make([]byte, statsSize))
	r.end()
}

// familyOf is the AF_* of an address.
func familyOf(a netip.Addr) uint8 {
	if a.Is6() {
		return linux.AF_INET6
	}
	return linux.AF_INET
}

// wants reports whether a dump of a family shows f.
func wants(family, f uint8) bool { return family == linux.AF_UNSPEC || family == f }

// addr describes an address of an interface.
func (r *reply) addr(l *link.Link, a *link.Address, kind, flags uint16) {
	v6 := a.Addr().Is6()
	body := make([]byte, addrInfoSize)
	info := linux.IfAddrMsg{
		Family: familyOf(a.Addr()), Prefixlen: uint8(a.Bits()), Flags: uint8(a.Flags), Scope: a.Scope, Index: uint32(l.Index),
	}
	info.MarshalBytes(body)
	r.begin(kind, flags, body)
	switch {
	case !v6:
		r.attr(linux.IFA_ADDRESS, a.Peer.Addr().AsSlice())
		r.attr(linux.IFA_LOCAL, a.Addr().AsSlice())
		if a.Broadcast.IsValid() {
			r.attr(linux.IFA_BROADCAST, a.Broadcast.AsSlice())
		}
		r.attrString(linux.IFA_LABEL, a.Label)
	case a.Peer.Addr() != a.Addr():
		r.attr(linux.IFA_LOCAL, a.Addr().AsSlice())
		r.attr(linux.IFA_ADDRESS, a.Peer.Addr().AsSlice())
	default:
		r.attr(linux.IFA_ADDRESS, a.Addr().AsSlice())
	}
	r.attr32(linux.IFA_FLAGS, a.Flags)
	// struct ifa_cacheinfo: valid for ever.
	life := binary.LittleEndian.AppendUint32(nil, math.MaxUint32)
	life = binary.LittleEndian.AppendUint32(life, math.MaxUint32)
	r.attr(linux.IFA_CACHEINFO, append(life, make([]byte, 8)...))
	r.end()
}

// route is a way to a destination.
type route struct {
	dst   netip.Prefix
	src   netip.Addr
	index int32
	kind  uint8 // RTN_*
}

// routesOf returns the routes that an interface's addresses make, in order of destinations.
func routesOf(l *link.Link) []route {
	var all []route
	add := func(dst netip.Prefix, src netip.Addr, kind uint8) {
		rt := route{dst.Masked(), src, l.Index, kind}
		if !contains(all, rt) {
			all = append(all, rt)
		}
	}
	for i := range l.Addrs {
		a := &l.Addrs[i]
		ip, bits := a.Addr(), a.Addr().BitLen()
		add(netip.PrefixFrom(ip, bits), l.Primary(a), linux.RTN_LOCAL)
		switch {
		case ip.Is6() && a.Bits() < bits:
			add(a.Prefix, ip, linux.RTN_UNICAST)
		case ip.Is6(), !a.Spread:
		case a.Bits() < bits:
			add(a.Network(), l.Primary(a), linux.RTN_LOCAL)
			if a.Bits() < 31 && l.Up() {
				add(netip.PrefixFrom(link.Last(a.Network()), bits), l.Primary(a), linux.RTN_BROADCAST)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b route) int {
		return cmp.Or(cmp.Compare(a.dst.Addr().BitLen(), b.dst.Addr().BitLen()),
			a.dst.Addr().Compare(b.dst.Addr()), cmp.Compare(a.dst.Bits(), b.dst.Bits()))
	})
	return all
}

func contains(all []route, r route) bool { return slices.Contains(all, r) }

// ip6Metric is the priority of a network's route over IPv6 (IP6_RT_PRIO_ADDRCONF).
const ip6Metric = 256

// route describes a route.
func (r *reply) route(rt *route, kind, flags uint16) {
	scope, table := uint8(linux.RT_SCOPE_HOST), uint8(linux.RT_TABLE_LOCAL)
	v6 := rt.dst.Addr().Is6()
	switch {
	case rt.kind == linux.RTN_BROADCAST:
		scope = linux.RT_SCOPE_LINK
	case v6:
		scope = linux.RT_SCOPE_UNIVERSE
		if rt.kind == linux.RTN_UNICAST {
			table = linux.RT_TABLE_MAIN
		}
	}
	body := make([]byte, routeInfoSize)
	info := linux.RtMsg{
		Family: familyOf(rt.dst.Addr()), DstLen: uint8(rt.dst.Bits()), Table: table, Protocol: linux.RTPROT_KERNEL,
		Scope: scope, Type: rt.kind,
	}
	info.MarshalBytes(body)
	r.begin(kind, flags, body)
	r.attr32(linux.RTA_TABLE, uint32(table))
	r.attr(linux.RTA_DST, rt.dst.Addr().AsSlice())
	switch {
	case !v6:
		r.attr(linux.RTA_PREFSRC, rt.src.AsSlice())
	case rt.kind == linux.RTN_UNICAST:
		r.attr32(linux.RTA_PRIORITY, ip6Metric)
	default:
		r.attr32(linux.RTA_PRIORITY, 0)
	}
	r.attr32(linux.RTA_OIF, uint32(rt.index))
	r.end()
}
