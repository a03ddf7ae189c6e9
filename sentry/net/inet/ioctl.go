package inet

import (
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
			_, _, n = in.urgency(t.Options().OOBInline)
		}
	case linux.SIOCOUTQ, linux.SIOCOUTQNSD:
		if st == listening {
			return 0, errno.EINVAL
		}
		if out != nil && cmd == linux.SIOCOUTQ {
			n = 0 // what was sent has arrived
		}
	case linux.SIOCATMARK:
		if in != nil {
			if atMark, _, _ := in.urgency(false); atMark {
				n = 1
			}
		}
	default:
		return 0, errno.ENOTTY
	}
	_, err := m.CopyOut(arg.Addr(), socket.Int(int32(n)))
	return 0, err
}

// Ioctl implements socket.Socket.
func (u *UDP) Ioctl(_ vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	u.mu.Lock()
	n := u.head.length()
	u.mu.Unlock()
	return datagramIoctl(m, cmd, arg, n)
}

// length returns how many bytes d has; none if d is nil.
func (d *datagram) length() int {
	if d == nil {
		return 0
	}
	return len(d.data)
}

// datagramIoctl is Ioctl for sockets that receive messages, of which the next has first bytes.
func datagramIoctl(m usermem.IO, cmd uint32, arg arch.Arg, first int) (uint64, error) {
	switch cmd {
	case linux.SIOCINQ:
	case linux.SIOCOUTQ:
		first = 0 // what was sent has arrived
	default:
		return 0, errno.ENOTTY
	}
	_, err := m.CopyOut(arg.Addr(), socket.Int(int32(first)))
	return 0, err
}
