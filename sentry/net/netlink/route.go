package netlink

import (
	"encoding/binary"
	"math"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
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

// What a request's type asks for: its two lowest bits (rtnetlink.h).
const (
	kindNew = 0
	kindGet = 2
	kindSet = 3
)

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
	r := reply{to: q.NlMsghdr}
	r.to.PID = to
	family := q.body[0]
	if q.Flags&linux.NLM_F_DUMP != 0 { // either bit
		switch q.Type {
		case linux.RTM_GETLINK:
			for i := range n.devices {
				r.link(&n.devices[i], linux.NLM_F_MULTI)
			}
		case linux.RTM_GETADDR:
			for i := range n.devices {
				r.addrs(&n.devices[i], family)
			}
		case linux.RTM_GETROUTE:
			for i := range n.devices {
				r.routes(&n.devices[i], family)
			}
		case linux.RTM_GETNEIGH:
		default:
			return nil, errno.EOPNOTSUPP
		}
		if len(r.b) == 0 {
			return [][]byte{done(q, to)}, nil
		}
		return [][]byte{r.b, done(q, to)}, nil
	}
	if q.Type != linux.RTM_GETLINK {
		return nil, errno.EOPNOTSUPP
	}
	d, err := n.find(q)
	if err != nil {
		return nil, err
	}
	r.link(d, 0)
	return [][]byte{r.b}, nil
}

// rtmMax is the greatest type there is (RTM_MAX).
const rtmMax = 123

// infoSize is the size of struct ifinfomsg.
const infoSize = 16

// find returns the interface that a request names by index or name.
func (n *Network) find(q *request) (*device, error) {
	if len(q.body) < infoSize {
		return nil, errno.EINVAL
	}
	var info linux.IfInfoMsg
	info.UnmarshalBytes(q.body)
	name := strings.TrimRight(string(attribute(q.body[infoSize:], linux.IFLA_IFNAME)), "\x00")
	if info.Index <= 0 && name == "" {
		return nil, errno.EINVAL
	}
	for i := range n.devices {
		if d := &n.devices[i]; info.Index > 0 && d.index == info.Index || info.Index <= 0 && d.name == name {
			return d, nil
		}
	}
	return nil, errno.ENODEV
}

// change serves requests that change something: only what is so already can be had, which
// is what programs ask that set up a network of their own ("ip link set lo up").
func (n *Network) change(q *request) error {
	if q.Type != linux.RTM_NEWLINK && q.Type != linux.RTM_SETLINK {
		return errno.EOPNOTSUPP
	}
	d, err := n.find(q)
	if err != nil {
		return err
	}
	var info linux.IfInfoMsg
	info.UnmarshalBytes(q.body)
	if (info.Flags^d.flags)&info.Change != 0 || q.Flags&linux.NLM_F_CREATE != 0 {
		return errno.EOPNOTSUPP
	}
	return nil
}

// link describes an interface.
func (r *reply) link(d *device, flags uint16) {
	body := make([]byte, infoSize)
	info := linux.IfInfoMsg{Type: d.kind, Index: d.index, Flags: d.flags}
	info.MarshalBytes(body)
	r.begin(linux.RTM_NEWLINK, flags, body)
	r.attrString(linux.IFLA_IFNAME, d.name)
	r.attr32(linux.IFLA_TXQLEN, d.queue)
	r.attr8(linux.IFLA_OPERSTATE, 0)
	r.attr8(linux.IFLA_LINKMODE, 0)
	r.attr32(linux.IFLA_MTU, d.mtu)
	r.attr32(linux.IFLA_GROUP, 0)
	r.attr32(iflaPromiscuity, 0)
	r.attr32(linux.IFLA_NUM_TX_QUEUES, 1)
	r.attr32(linux.IFLA_NUM_RX_QUEUES, 1)
	r.attr8(iflaCarrier, 1)
	r.attrString(linux.IFLA_QDISC, "noqueue")
	r.attr(linux.IFLA_ADDRESS, d.address)
	r.attr(linux.IFLA_BROADCAST, d.broadcast)
	r.attr(linux.IFLA_STATS64, make([]byte, stats64Size))
	r.attr(linux.IFLA_STATS, make([]byte, statsSize))
	r.end()
}

// wants reports whether a dump of a family shows f.
func wants(family, f uint8) bool { return family == linux.AF_UNSPEC || family == f }

// addrs describes the addresses of an interface.
func (r *reply) addrs(d *device, family uint8) {
	for _, a := range d.addrs {
		if !wants(family, a.family) {
			continue
		}
		body := make([]byte, 8)
		info := linux.IfAddrMsg{Family: a.family, Prefixlen: a.prefix, Flags: linux.IFA_F_PERMANENT, Scope: a.scope, Index: uint32(d.index)}
		info.MarshalBytes(body)
		r.begin(linux.RTM_NEWADDR, linux.NLM_F_MULTI, body)
		r.attr(linux.IFA_ADDRESS, a.ip)
		if a.family == linux.AF_INET {
			r.attr(linux.IFA_LOCAL, a.ip)
			r.attrString(linux.IFA_LABEL, d.name)
		}
		r.attr32(linux.IFA_FLAGS, linux.IFA_F_PERMANENT)
		// struct ifa_cacheinfo: valid for ever.
		info4 := binary.LittleEndian.AppendUint32(nil, math.MaxUint32)
		info4 = binary.LittleEndian.AppendUint32(info4, math.MaxUint32)
		r.attr(linux.IFA_CACHEINFO, append(info4, make([]byte, 8)...))
		r.end()
	}
}

// routes describes how the addresses of an interface are reached: from the local table.
func (r *reply) routes(d *device, family uint8) {
	for _, a := range d.addrs {
		if !wants(family, a.family) {
			continue
		}
		full := uint8(len(a.ip) * 8)
		if a.prefix < full {
			r.local(d, &a, a.prefix, network(a.ip, a.prefix), linux.RTN_LOCAL)
		}
		r.local(d, &a, full, a.ip, linux.RTN_LOCAL)
		if a.prefix < full {
			r.local(d, &a, full, broadcast(a.ip, a.prefix), linux.RTN_BROADCAST)
		}
	}
}

func (r *reply) local(d *device, a *ifAddr, prefix uint8, dst []byte, kind uint8) {
	scope := uint8(linux.RT_SCOPE_HOST)
	if kind == linux.RTN_BROADCAST {
		scope = linux.RT_SCOPE_LINK
	}
	body := make([]byte, 12)
	info := linux.RtMsg{Family: a.family, DstLen: prefix, Table: linux.RT_TABLE_LOCAL, Protocol: linux.RTPROT_KERNEL,
		Scope: scope, Type: kind}
	info.MarshalBytes(body)
	r.begin(linux.RTM_NEWROUTE, linux.NLM_F_MULTI, body)
	r.attr32(linux.RTA_TABLE, linux.RT_TABLE_LOCAL)
	r.attr(linux.RTA_DST, dst)
	if a.family == linux.AF_INET {
		r.attr(linux.RTA_PREFSRC, a.ip)
	}
	r.attr32(linux.RTA_OIF, uint32(d.index))
	r.end()
}

// network clears the bits of an address behind a prefix.
func network(ip []byte, prefix uint8) []byte {
	out := make([]byte, len(ip))
	for i := range out {
		switch keep := int(prefix) - 8*i; {
		case keep >= 8:
			out[i] = ip[i]
		case keep > 0:
			out[i] = ip[i] & ^byte(0xff>>keep)
		}
	}
	return out
}

// broadcast sets them.
func broadcast(ip []byte, prefix uint8) []byte {
	out := network(ip, prefix)
	for i := range out {
		if keep := max(0, int(prefix)-8*i); keep < 8 {
			out[i] |= 0xff >> keep
		}
	}
	return out
}
