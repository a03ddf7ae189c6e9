package netlink

import (
	"encoding/binary"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
)

// settable are the options of SOL_NETLINK that are switches.
const settable = 1<<linux.NETLINK_PKTINFO | 1<<linux.NETLINK_BROADCAST_ERROR | 1<<linux.NETLINK_NO_ENOBUFS |
	1<<linux.NETLINK_CAP_ACK | 1<<linux.NETLINK_EXT_ACK | 1<<linux.NETLINK_GET_STRICT_CHK

// SetOption implements socket.Socket.
func (s *Socket) SetOption(c socket.Caller, level, name int32, value []byte) error {
	switch {
	case level == linux.SOL_SOCKET:
		return s.Base.SetOption(c, name, value)
	case level != linux.SOL_NETLINK:
		return errno.ENOPROTOOPT
	case len(value) < 4:
		return errno.EINVAL
	case name == linux.NETLINK_ADD_MEMBERSHIP || name == linux.NETLINK_DROP_MEMBERSHIP:
		g := binary.LittleEndian.Uint32(value)
		if g == 0 || g > maxGroup {
			return errno.EINVAL
		}
		if s.protocol == linux.NETLINK_SOCK_DIAG {
			return errno.EOPNOTSUPP
		}
		s.net.listen(s, func(groups uint64) uint64 {
			groups &^= 1 << (g - 1)
			if name == linux.NETLINK_ADD_MEMBERSHIP {
				groups |= 1 << (g - 1)
			}
			return groups
		})
		return nil
	case name < 0 || name >= 32 || settable&(1<<name) == 0:
		return errno.ENOPROTOOPT
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options &^= 1 << name
	if binary.LittleEndian.Uint32(value) != 0 {
		s.options |= 1 << name
	}
	return nil
}

// Option implements socket.Socket.
func (s *Socket) Option(_ socket.Caller, level, name int32, _ int) ([]byte, error) {
	switch {
	case level == linux.SOL_SOCKET && name == linux.SO_ACCEPTCONN:
		return socket.Int(0), nil
	case level == linux.SOL_SOCKET:
		return s.Base.Option(s, name)
	case level == linux.SOL_NETLINK && name == linux.NETLINK_LIST_MEMBERSHIPS:
		s.mu.Lock()
		defer s.mu.Unlock()
		return binary.LittleEndian.AppendUint64(nil, s.groups), nil
	case level == linux.SOL_NETLINK && name == linux.NETLINK_LISTEN_ALL_NSID:
		return socket.Int(0), nil
	case level != linux.SOL_NETLINK, name < 0, name >= 32, settable&(1<<name) == 0:
		return nil, errno.ENOPROTOOPT
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return socket.Int(int32(s.options >> name & 1)), nil
}
