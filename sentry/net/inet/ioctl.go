package inet

import (
	"encoding/binary"

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
	case linux.SIOCGSTAMP, linux.SIOCGSTAMP_NEW, linux.SIOCGSTAMPNS, linux.SIOCGSTAMPNS_NEW:
		return 0, tellStamp(m, cmd, arg, 0)
	default:
		return 0, errno.ENOTTY
	}
	_, err := m.CopyOut(arg.Addr(), socket.Int(int32(n)))
	return 0, err
}

// Ioctl implements socket.Socket.
func (u *UDP) Ioctl(_ vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	u.mu.Lock()
	n, stamp := u.head.length(), u.stamp
	u.mu.Unlock()
	return datagramIoctl(m, cmd, arg, n, stamp)
}

// length returns how many bytes d has; none if d is nil.
func (d *datagram) length() int {
	if d == nil {
		return 0
	}
	return len(d.data)
}

// datagramIoctl is Ioctl for sockets that receive messages, of which the next has first bytes, and the last was of
// the time stamp.
func datagramIoctl(m usermem.IO, cmd uint32, arg arch.Arg, first int, stamp int64) (uint64, error) {
	switch cmd {
	case linux.SIOCINQ:
	case linux.SIOCOUTQ:
		first = 0 // what was sent has arrived
	case linux.SIOCGSTAMP, linux.SIOCGSTAMP_NEW, linux.SIOCGSTAMPNS, linux.SIOCGSTAMPNS_NEW:
		return 0, tellStamp(m, cmd, arg, stamp)
	default:
		return 0, errno.ENOTTY
	}
	_, err := m.CopyOut(arg.Addr(), socket.Int(int32(first)))
	return 0, err
}

// tellStamp stores the time of the last message that was received, in nanoseconds since 1970, as a struct timeval or
// timespec; ENOENT if there was none.
func tellStamp(m usermem.IO, cmd uint32, arg arch.Arg, stamp int64) error {
	if stamp == 0 {
		return errno.ENOENT
	}
	sec, part := stamp/1e9, stamp%1e9
	if cmd == linux.SIOCGSTAMP || cmd == linux.SIOCGSTAMP_NEW {
		part /= 1e3
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(sec))
	_, err := m.CopyOut(arg.Addr(), binary.LittleEndian.AppendUint64(b, uint64(part)))
	return err
}
