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
		return 0, errno.ENOTTY
	}
	_, err := m.CopyOut(arg.Addr(), socket.Int(int32(n)))
	return 0, err
}
