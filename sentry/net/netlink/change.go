package netlink

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/link"
)

// refusal is an error with the words that NETLINK_EXT_ACK asks for.
type refusal struct {
	errno.Errno
	text string
}

// change serves requests that change something: the flags, the MTU and the queue of a link, and its addresses.
func (n *Network) change(q *request) error {
	switch q.Type {
	case linux.RTM_NEWLINK, linux.RTM_SETLINK:
		return n.setLink(q)
	case linux.RTM_NEWADDR:
		return n.newAddress(q)
	case linux.RTM_DELADDR:
		return n.deleteAddress(q)
	}
	return errno.EOPNOTSUPP
}

// setLink changes an interface. There is no way to make one.
func (n *Network) setLink(q *request) error {
	info, l, err := n.find(q)
	switch {
	case err == errno.ENODEV && info.Index <= 0 && q.Flags&linux.NLM_F_CREATE != 0 && q.Type == linux.RTM_NEWLINK:
		return &refusal{errno.EOPNOTSUPP, "Unknown device type"}
	case err != nil:
		return err
	case q.Flags&linux.NLM_F_EXCL != 0:
		return errno.EEXIST
	case q.Flags&linux.NLM_F_REPLACE != 0:
		return errno.EOPNOTSUPP
	}
	// All is looked at before anything is changed.
	var mtu, queue []byte
	for kind, v := range attributes(q.body[infoSize:]) {
		switch kind {
		case linux.IFLA_MTU:
			mtu = v
		case linux.IFLA_TXQLEN:
			queue = v
		case linux.IFLA_IFNAME:
			if strings.TrimRight(string(v), "\x00") != l.Name {
				return errno.EOPNOTSUPP
			}
		case linux.IFLA_EXT_MASK:
		default:
			return errno.EOPNOTSUPP
		}
	}
	if mtu != nil && len(mtu) != 4 || queue != nil && len(queue) != 4 {
		return errno.ERANGE
	}
	links := n.net.Links
	if mtu != nil {
		if err := links.SetMTU(l.Index, int32(binary.LittleEndian.Uint32(mtu))); err != nil {
			return err
		}
	}
	if info.Flags != 0 || info.Change != 0 {
		mask := info.Change
		if mask == 0 {
			mask = ^uint32(0)
		}
		if err := links.SetFlags(l.Index, info.Flags, mask); err != nil {
			return err
		}
	}
	if queue != nil {
		return links.SetQueue(l.Index, binary.LittleEndian.Uint32(queue))
	}
	return nil
}

// parseAddress reads what RTM_NEWADDR and RTM_DELADDR have in common: the interface and the address, of
// which Prefix is invalid if there is none.
func (n *Network) parseAddress(q *request) (a link.Address, index int32, err error) {
	if len(q.body) < addrInfoSize {
		return a, 0, errno.EINVAL
	}
	var info linux.IfAddrMsg
	info.UnmarshalBytes(q.body)
	family, bits, proto := info.Family, 32, "ipv4"
	switch family {
	case linux.AF_INET:
	case linux.AF_INET6:
		bits, proto = 128, "ipv6"
	default:
		return a, 0, errno.EOPNOTSUPP
	}
	if int(info.Prefixlen) > bits {
		return a, 0, &refusal{errno.EINVAL, proto + ": Invalid prefix length"}
	}
	a.Scope, a.Flags = info.Scope, uint32(info.Flags)
	var own, peer netip.Addr
	for kind, v := range attributes(q.body[addrInfoSize:]) {
		ok := true
		switch kind {
		case linux.IFA_LOCAL:
			own, ok = addressOf(family, v)
		case linux.IFA_ADDRESS:
			peer, ok = addressOf(family, v)
		case linux.IFA_BROADCAST:
			a.Broadcast, ok = addressOf(family, v)
		case linux.IFA_LABEL:
			a.Label = strings.TrimRight(string(v), "\x00")
			ok = len(a.Label) < linux.IFNAMSIZ
		case linux.IFA_FLAGS:
			if ok = len(v) == 4; ok {
				a.Flags = binary.LittleEndian.Uint32(v)
			}
		case linux.IFA_CACHEINFO:
			// Addresses are for ever here (struct ifa_cacheinfo).
			if ok = len(v) >= 8; ok && binary.LittleEndian.Uint64(v) != ^uint64(0) {
				return a, 0, errno.EOPNOTSUPP
			}
		default:
			return a, 0, errno.EOPNOTSUPP
		}
		if !ok {
			return a, 0, errno.ERANGE
		}
	}
	switch {
	case !own.IsValid() && family == linux.AF_INET6:
		own = peer
	case !peer.IsValid():
		peer = own
	}
	if own.IsValid() {
		a.Prefix = netip.PrefixFrom(own, int(info.Prefixlen))
		a.Peer = netip.PrefixFrom(peer, int(info.Prefixlen))
	}
	return a, int32(info.Index), nil
}

// newAddress is RTM_NEWADDR.
func (n *Network) newAddress(q *request) error {
	a, index, err := n.parseAddress(q)
	if err != nil {
		return err
	}
	if !a.Prefix.IsValid() {
		return &refusal{errno.EINVAL, "ipv4: Local address is not supplied"}
	}
	l := n.net.Links.State().ByIndex(index)
	ip := a.Addr()
	switch {
	case l == nil:
		return errno.ENODEV
	case ip.Is6() && (ip.IsUnspecified() || ip.IsMulticast()):
		return &refusal{errno.EADDRNOTAVAIL, "ipv6: Invalid address"}
	case ip.Is4() && a.Label == "":
		a.Label = l.Name
	case ip.Is6():
		a.Label, a.Broadcast = "", netip.Addr{}
		a.Scope = scope6(ip)
	}
	a.Flags = a.Flags&^linux.IFA_F_SECONDARY | linux.IFA_F_PERMANENT
	err = n.net.Links.Add(index, a)
	switch {
	case err == errno.EEXIST && q.Flags&linux.NLM_F_REPLACE != 0 && q.Flags&linux.NLM_F_EXCL == 0:
		return nil // nothing of it can be different
	case err == errno.EEXIST && ip.Is6():
		return &refusal{errno.EEXIST, "ipv6: address already assigned"}
	case err == errno.EEXIST:
		return &refusal{errno.EEXIST, "ipv4: Address already assigned"}
	}
	return err
}

// scope6 is how far an IPv6 address is known.
func scope6(ip netip.Addr) uint8 {
	switch {
	case ip.IsLoopback():
		return linux.RT_SCOPE_HOST
	case ip.IsLinkLocalUnicast():
		return linux.RT_SCOPE_LINK
	}
	return linux.RT_SCOPE_UNIVERSE
}

// deleteAddress is RTM_DELADDR.
func (n *Network) deleteAddress(q *request) error {
	a, index, err := n.parseAddress(q)
	if err != nil {
		return err
	}
	if n.net.Links.State().ByIndex(index) == nil {
		return errno.ENODEV
	}
	if !a.Prefix.IsValid() {
		return errno.EINVAL
	}
	if err := n.net.Links.Remove(index, a.Prefix); err == errno.EADDRNOTAVAIL {
		proto := "ipv4: Address not found"
		if a.Addr().Is6() {
			proto = "ipv6: address not found"
		}
		return &refusal{errno.EADDRNOTAVAIL, proto}
	} else if err != nil {
		return err
	}
	return nil
}
