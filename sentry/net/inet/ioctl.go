package inet

import (
	"bytes"
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Ioctl implements socket.Socket.
func (t *TCP) Ioctl(_ vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	t.mu.Lock()
	st, in, out := t.state, t.in, t.out
	t.mu.Unlock()
	n := 0
	switch cmd {
	case linux.SIOCINQ:
		if st == listening {
			return 0, errno.EINVAL
		}
		if in != nil {
			n = in.length()
		}
	case linux.SIOCOUTQ, linux.SIOCOUTQNSD:
		if st == listening {
			return 0, errno.EINVAL
		}
		if out != nil && cmd == linux.SIOCOUTQ {
			n = 0 // what was sent has arrived
		}
	case linux.SIOCATMARK:
	default:
		return 0, interfaceIoctl(m, cmd, arg)
	}
	_, err := m.CopyOut(arg.Addr(), socket.Int(int32(n)))
	return 0, err
}

// Ioctl implements socket.Socket.
func (u *UDP) Ioctl(_ vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	n := 0
	switch cmd {
	case linux.SIOCINQ:
		u.mu.Lock()
		if u.head != nil {
			n = len(u.head.data)
		}
		u.mu.Unlock()
	case linux.SIOCOUTQ:
	default:
		return 0, interfaceIoctl(m, cmd, arg)
	}
	_, err := m.CopyOut(arg.Addr(), socket.Int(int32(n)))
	return 0, err
}

// loName is the loopback interface's name as struct ifreq holds it.
const loName = "lo"

// interfaceIoctl answers questions about interfaces (netdevice(7)): there is one.
func interfaceIoctl(m usermem.IO, cmd uint32, arg arch.Arg) error {
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
		if binary.LittleEndian.Uint32(data) != loIndex {
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
			binary.LittleEndian.PutUint16(data, arphrdLoopback)
		case linux.SIOCGIFINDEX:
			binary.LittleEndian.PutUint32(data, loIndex)
		}
	}
	r.MarshalBytes(b)
	_, err := m.CopyOut(arg.Addr(), b)
	return err
}

// arphrdLoopback is ARPHRD_LOOPBACK (linux/if_arp.h).
const arphrdLoopback = 772

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
