package socket

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/net/link"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// interfaceIoctl answers questions about interfaces and changes them (netdevice(7)), on a socket of whatever family.
func (n *Net) interfaceIoctl(c vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg) error {
	set := false
	switch cmd {
	case linux.SIOCGIFCONF:
		return n.listInterfaces(m, arg.Addr())
	case linux.SIOCGIFNAME, linux.SIOCGIFFLAGS, linux.SIOCGIFADDR, linux.SIOCGIFDSTADDR, linux.SIOCGIFBRDADDR,
		linux.SIOCGIFNETMASK, linux.SIOCGIFMETRIC, linux.SIOCGIFMTU, linux.SIOCGIFHWADDR, linux.SIOCGIFINDEX,
		linux.SIOCGIFTXQLEN, linux.SIOCGIFMAP:
	case linux.SIOCSIFFLAGS, linux.SIOCSIFADDR, linux.SIOCSIFNETMASK, linux.SIOCSIFMTU, linux.SIOCSIFTXQLEN:
		set = true
	default:
		return errno.ENOTTY
	}
	var r linux.Ifreq
	b := make([]byte, r.SizeBytes())
	if _, err := m.CopyIn(arg.Addr(), b); err != nil {
		return err
	}
	r.UnmarshalBytes(b)
	s := n.Links.State()
	var l *link.Link
	if cmd == linux.SIOCGIFNAME {
		l = s.ByIndex(int32(binary.LittleEndian.Uint32(r.Data[:])))
	} else {
		name, _, _ := bytes.Cut(r.Name[:], []byte{0})
		l = s.ByName(string(name))
	}
	switch {
	case l == nil:
		return errno.ENODEV
	case !set:
		if err := describe(l, cmd, &r); err != nil {
			return err
		}
		r.MarshalBytes(b)
		_, err := m.CopyOut(arg.Addr(), b)
		return err
	case !n.Admin(c):
		return errno.EPERM
	}
	v := int32(binary.LittleEndian.Uint32(r.Data[:]))
	switch cmd {
	case linux.SIOCSIFFLAGS:
		return n.Links.SetFlags(l.Index, uint32(uint16(v)), linux.IFF_UP|linux.IFF_DEBUG|linux.IFF_PROMISC|linux.IFF_ALLMULTI)
	case linux.SIOCSIFMTU:
		return n.Links.SetMTU(l.Index, v)
	case linux.SIOCSIFTXQLEN:
		return n.Links.SetQueue(l.Index, uint32(v))
	}
	if binary.LittleEndian.Uint16(r.Data[:]) != linux.AF_INET {
		return errno.EINVAL
	}
	return n.setAddress(l, netip.AddrFrom4([4]byte(r.Data[4:8])), cmd == linux.SIOCSIFNETMASK)
}

// first returns the first IPv4 address of an interface, which is the one that ioctls see; nil if there is none.
func first(l *link.Link) *link.Address {
	for i := range l.Addrs {
		if a := &l.Addrs[i]; a.Addr().Is4() {
			return a
		}
	}
	return nil
}

// setAddress replaces the first IPv4 address of an interface by ip, or gives it ip as mask.
func (n *Net) setAddress(l *link.Link, ip netip.Addr, mask bool) error {
	old := first(l)
	var p netip.Prefix
	switch {
	case mask && old == nil:
		return errno.EADDRNOTAVAIL
	case mask:
		b := ip.As4()
		v := binary.BigEndian.Uint32(b[:])
		ones := bits.LeadingZeros32(^v)
		if v<<ones != 0 {
			return errno.EINVAL
		}
		p = netip.PrefixFrom(old.Addr(), ones)
	default:
		size := classBits(ip)
		if size < 0 {
			return errno.EINVAL
		}
		p = netip.PrefixFrom(ip, size)
	}
	if old != nil && old.Prefix == p {
		return nil
	}
	if old != nil {
		if err := n.Links.Remove(l.Index, old.Prefix); err != nil {
			return err
		}
	}
	if ip.IsUnspecified() && !mask {
		return nil
	}
	a := link.Address{Prefix: p, Peer: p, Flags: linux.IFA_F_PERMANENT, Label: l.Name}
	if p.Addr().IsLoopback() {
		a.Scope = linux.RT_SCOPE_HOST
	}
	return n.Links.Add(l.Index, a)
}

// classBits is how many bits of an address name its network by class, -1 if it is of none.
func classBits(ip netip.Addr) int {
	switch b := ip.As4()[0]; {
	case ip.IsUnspecified():
		return 0
	case b < 128:
		return 8
	case b < 192:
		return 16
	case b < 224:
		return 24
	}
	return -1
}

// putAddr stores a struct sockaddr_in.
func putAddr(data []byte, ip netip.Addr) {
	binary.LittleEndian.PutUint16(data, linux.AF_INET)
	b := ip.As4()
	copy(data[4:], b[:])
}

// describe answers a question about an interface.
func describe(l *link.Link, cmd uint32, r *linux.Ifreq) error {
	data := r.Data[:]
	clear(data)
	a := first(l)
	switch cmd {
	case linux.SIOCGIFADDR, linux.SIOCGIFDSTADDR, linux.SIOCGIFBRDADDR, linux.SIOCGIFNETMASK:
		if a == nil {
			return errno.EADDRNOTAVAIL
		}
	}
	switch cmd {
	case linux.SIOCGIFNAME:
		r.Name = [linux.IFNAMSIZ]byte{}
		copy(r.Name[:], l.Name)
	case linux.SIOCGIFFLAGS:
		binary.LittleEndian.PutUint16(data, uint16(l.Told()))
	case linux.SIOCGIFADDR:
		putAddr(data, a.Addr())
	case linux.SIOCGIFDSTADDR:
		putAddr(data, a.Peer.Addr())
	case linux.SIOCGIFBRDADDR:
		ip := netip.IPv4Unspecified()
		if a.Broadcast.IsValid() {
			ip = a.Broadcast
		}
		putAddr(data, ip)
	case linux.SIOCGIFNETMASK:
		var mask [4]byte
		binary.BigEndian.PutUint32(mask[:], ^uint32(0)<<(32-a.Bits()))
		putAddr(data, netip.AddrFrom4(mask))
	case linux.SIOCGIFMTU:
		binary.LittleEndian.PutUint32(data, l.MTU)
	case linux.SIOCGIFTXQLEN:
		binary.LittleEndian.PutUint32(data, l.Queue)
	case linux.SIOCGIFHWADDR:
		binary.LittleEndian.PutUint16(data, l.Kind)
		copy(data[2:], l.Hardware[:])
	case linux.SIOCGIFINDEX:
		binary.LittleEndian.PutUint32(data, uint32(l.Index))
	}
	return nil
}

// listInterfaces is SIOCGIFCONF: without a buffer it tells how much room is needed.
func (n *Net) listInterfaces(m usermem.IO, at addr.Addr) error {
	var c linux.Ifconf
	b := make([]byte, c.SizeBytes())
	if _, err := m.CopyIn(at, b); err != nil {
		return err
	}
	c.UnmarshalBytes(b)
	var all []byte
	for _, l := range n.Links.State().Links {
		for i := range l.Addrs {
			a := &l.Addrs[i]
			if !a.Addr().Is4() {
				continue
			}
			var r linux.Ifreq
			copy(r.Name[:], l.Name)
			putAddr(r.Data[:], a.Addr())
			rb := make([]byte, r.SizeBytes())
			r.MarshalBytes(rb)
			all = append(all, rb...)
		}
	}
	if c.Req != 0 {
		size := (&linux.Ifreq{}).SizeBytes()
		all = all[:min(len(all), int(max(c.Len, 0))/size*size)]
		if _, err := m.CopyOut(addr.Addr(c.Req), all); err != nil {
			return err
		}
	}
	c.Len = int32(len(all))
	c.MarshalBytes(b)
	_, err := m.CopyOut(at, b)
	return err
}
