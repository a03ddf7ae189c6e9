package socket

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/vfs"
)

// protoName is the name of a socket's protocol as the attribute system.sockprotoname tells it, by which lsfd(1)
// and others know the sockets of /proc/PID/fd.
func protoName(s Socket) string {
	family, typ, protocol := s.Kind()
	name := ""
	switch family {
	case linux.AF_UNIX:
		if typ == linux.SOCK_STREAM {
			return "UNIX-STREAM"
		}
		return "UNIX"
	case linux.AF_NETLINK:
		return "NETLINK"
	case linux.AF_PACKET:
		return "PACKET"
	case linux.AF_INET, linux.AF_INET6:
		switch {
		case typ == linux.SOCK_STREAM:
			name = "TCP"
		case typ == linux.SOCK_RAW:
			name = "RAW"
		case protocol == linux.IPPROTO_ICMP || protocol == linux.IPPROTO_ICMPV6:
			name = "PING"
		default:
			name = "UDP"
		}
	}
	if family == linux.AF_INET6 {
		name += "v6"
	}
	return name
}

// GetXattr implements vfs.InodeOps. The value ends with a zero byte.
func (o inodeOps) GetXattr(_ vfs.Caller, _ *vfs.Inode, name string) ([]byte, error) {
	if name != linux.XATTR_NAME_SOCKPROTONAME {
		return nil, errno.EOPNOTSUPP
	}
	return append([]byte(protoName(o.s)), 0), nil
}

// ListXattr implements vfs.InodeOps.
func (inodeOps) ListXattr(vfs.Caller, *vfs.Inode) ([]string, error) {
	return []string{linux.XATTR_NAME_SOCKPROTONAME}, nil
}
