package socket

import (
	"net/netip"

	"ringfence/sentry/creds"
)

// InetState is a socket of AF_INET or AF_INET6 as /proc/net and NETLINK_SOCK_DIAG tell of it (sock_diag(7)).
type InetState struct {
	Family        uint8
	State         uint8 // TCP_*
	Local, Remote netip.AddrPort
	AutoPort      bool // the port is not one that bind(2) named
	Index         int32
	UID           creds.UID
	Inode         uint64
	Recv, Send    int // bytes in queues; of a listener, how many wait to be accepted, and how many may
	Drops         int
	Shut          uint8 // RCV_SHUTDOWN, SEND_SHUTDOWN
	TOS, TClass   uint8
	V6Only        bool
	Switches      uint16 // struct inet_diag_sockopt
	Congestion    string
	Info          []byte // struct tcp_info
	Options       Options
}

// UnixState is a unix socket as NETLINK_SOCK_DIAG tells of it.
type UnixState struct {
	Type, State uint8 // SOCK_*, TCP_*
	Inode       uint64
	Name        []byte // sun_path; nil without a name
	FileInode   uint64 // of a name that is a path
	FileDevice  uint32
	HasPeer     bool
	Peer        uint64   // its inode number; 0 if nobody accepted it yet
	Pending     []uint64 // of a listener: the inode numbers of those who wait
	Recv, Send  uint32   // as in InetState
	Shut        uint8
	UID         creds.UID
	Options     Options
}
