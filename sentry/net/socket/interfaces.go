package socket

import (
	"bytes"
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/usermem"
)

// LoopbackIndex is the index of the loopback interface.
const LoopbackIndex = 1

// loName is the loopback interface's name as struct ifreq holds it.
const loName = "lo"

// InterfaceIoctl answers questions about interfaces (netdevice(7)), on a
// socket of whatever family: there is one interface.
func InterfaceIoctl(m usermem.IO, cmd uint32, arg arch.Arg) error {
	if cmd == linux.SIOCGIFCONF {
		return listInterfaces(m, arg.Addr())
	}
	switch cmd {
	case linux.SIOCGIFNAME, linux.SIOCGIFFLAGS, linux.SIOCGIFADDR, linux.SIOCGIFDSTADDR, linux.SIOCGIFBRDADDR,
		linux.SIOCGIFNETMASK, linux.SIOCGIFMETRIC, linux.SIOCGIFMTU, linux.SIOCGIFHWADDR, linux.SIOCGIFINDEX,
		linux.SIOCGIFTXQLEN, linux.SIOCGIFMAP:
	case linux.SIOCSIFFLAGS, linux.SIOCSIFADDR, linux.SIOCSIFNETMASK, linux.SIOCSIFMTU:
		return errno.EPERM
	default:
		return errno.ENOTTY
	}
	var r linux.Ifreq
	b := make([]byte, r.SizeBytes())
	if _, err := m.CopyIn(arg.Addr(), b); err != nil {
		return err
	}
	r.UnmarshalBytes(b)
	data := r.Data[:]
	if cmd == linux.SIOCGIFNAME {
		if binary.LittleEndian.Uint32(data) != LoopbackIndex {
			return errno.ENODEV
		}
		r.Name = [linux.IFNAMSIZ]byte{}
		copy(r.Name[:], loName)
	} else {
		name, _, _ := bytes.Cut(r.Name[:], []byte{0})
		if string(name) != loName {
			return errno.ENODEV
		}
		clear(data)
		putAddr := func(ip ...byte) {
			binary.LittleEndian.PutUint16(data, linux.AF_INET)
			copy(data[4:], ip)
		}
		switch cmd {
		case linux.SIOCGIFFLAGS:
			binary.LittleEndian.PutUint16(data, linux.IFF_UP|linux.IFF_LOOPBACK|linux.IFF_RUNNING)
		case linux.SIOCGIFADDR, linux.SIOCGIFDSTADDR:
			putAddr(127, 0, 0, 1)
		case linux.SIOCGIFBRDADDR:
			putAddr(0, 0, 0, 0)
		case linux.SIOCGIFNETMASK:
			putAddr(255, 0, 0, 0)
		case linux.SIOCGIFMTU:
			binary.LittleEndian.PutUint32(data, 65536)
		case linux.SIOCGIFTXQLEN:
			binary.LittleEndian.PutUint32(data, 1000)
		case linux.SIOCGIFHWADDR:
			binary.LittleEndian.PutUint16(data, linux.ARPHRD_LOOPBACK)
		case linux.SIOCGIFINDEX:
			binary.LittleEndian.PutUint32(data, LoopbackIndex)
		}
	}
	r.MarshalBytes(b)
	_, err := m.CopyOut(arg.Addr(), b)
	return err
}

// listInterfaces is SIOCGIFCONF: without a buffer it tells how much room is needed.
func listInterfaces(m usermem.IO, at addr.Addr) error {
	var c linux.Ifconf
	b := make([]byte, c.SizeBytes())
	if _, err := m.CopyIn(at, b); err != nil {
		return err
	}
	c.UnmarshalBytes(b)
	var r linux.Ifreq
	size := int32(r.SizeBytes())
	if c.Req != 0 {
		if c.Len < size {
			c.Len = 0
		} else {
			copy(r.Name[:], loName)
			binary.LittleEndian.PutUint16(r.Data[:], linux.AF_INET)
			copy(r.Data[4:], []byte{127, 0, 0, 1})
			rb := make([]byte, size)
			r.MarshalBytes(rb)
			if _, err := m.CopyOut(addr.Addr(c.Req), rb); err != nil {
				return err
			}
			c.Len = size
		}
	} else {
		c.Len = size
	}
	c.MarshalBytes(b)
	_, err := m.CopyOut(at, b)
	return err
}
