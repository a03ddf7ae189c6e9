package linux

// Protocols of AF_NETLINK sockets (netlink(7)).
const (
	NETLINK_ROUTE            = 0
	NETLINK_UNUSED           = 1
	NETLINK_USERSOCK         = 2
	NETLINK_FIREWALL         = 3
	NETLINK_SOCK_DIAG        = 4
	NETLINK_NFLOG            = 5
	NETLINK_XFRM             = 6
	NETLINK_SELINUX          = 7
	NETLINK_ISCSI            = 8
	NETLINK_AUDIT            = 9
	NETLINK_FIB_LOOKUP       = 10
	NETLINK_CONNECTOR        = 11
	NETLINK_NETFILTER        = 12
	NETLINK_IP6_FW           = 13
	NETLINK_DNRTMSG          = 14
	NETLINK_KOBJECT_UEVENT   = 15
	NETLINK_GENERIC          = 16
	NETLINK_SCSITRANSPORT    = 18
	NETLINK_ECRYPTFS         = 19
	NETLINK_RDMA             = 20
	NETLINK_CRYPTO           = 21
	NETLINK_SMC              = 22
	NETLINK_INET_DIAG        = 4
	NETLINK_LIST_MEMBERSHIPS = 9
)

// Options at SOL_NETLINK.
const (
	NETLINK_ADD_MEMBERSHIP  = 1
	NETLINK_DROP_MEMBERSHIP = 2
	NETLINK_PKTINFO         = 3
	NETLINK_BROADCAST_ERROR = 4
	NETLINK_NO_ENOBUFS      = 5
	NETLINK_LISTEN_ALL_NSID = 8
	NETLINK_CAP_ACK         = 10
	NETLINK_EXT_ACK         = 11
	NETLINK_GET_STRICT_CHK  = 12
)

// NlMsghdr is struct nlmsghdr.
type NlMsghdr struct {
	Len   uint32
	Type  uint16
	Flags uint16
	Seq   uint32
	PID   uint32
}

// NlMsgerr is struct nlmsgerr.
type NlMsgerr struct {
	Error int32
	Msg   NlMsghdr
}

// Types and flags of netlink messages.
const (
	NLM_F_REQUEST       = 0x1
	NLM_F_MULTI         = 0x2
	NLM_F_ACK           = 0x4
	NLM_F_ECHO          = 0x8
	NLM_F_DUMP_INTR     = 0x10
	NLM_F_DUMP_FILTERED = 0x20
	NLM_F_ROOT          = 0x100
	NLM_F_MATCH         = 0x200
	NLM_F_ATOMIC        = 0x400
	NLM_F_DUMP          = 0x300
	NLM_F_REPLACE       = 0x100
	NLM_F_EXCL          = 0x200
	NLM_F_CREATE        = 0x400
	NLM_F_APPEND        = 0x800
	NLM_F_NONREC        = 0x100
	NLM_F_BULK          = 0x200
	NLM_F_CAPPED        = 0x100
	NLM_F_ACK_TLVS      = 0x200
	NLMSG_NOOP          = 0x1
	NLMSG_ERROR         = 0x2
	NLMSG_DONE          = 0x3
	NLMSG_OVERRUN       = 0x4
	NLMSG_MIN_TYPE      = 0x10
	NLA_F_NESTED        = 0x8000
	NLA_F_NET_BYTEORDER = 0x4000
	RTM_NEWLINK         = 16
	RTM_DELLINK         = 17
	RTM_GETLINK         = 18
	RTM_SETLINK         = 19
	RTM_NEWADDR         = 20
	RTM_DELADDR         = 21
	RTM_GETADDR         = 22
	RTM_NEWROUTE        = 24
	RTM_DELROUTE        = 25
	RTM_GETROUTE        = 26
	RTM_NEWNEIGH        = 28
	RTM_GETNEIGH        = 30
	RTM_NEWRULE         = 32
	RTM_GETRULE         = 34
	RT_TABLE_MAIN       = 254
	RT_TABLE_LOCAL      = 255
	RT_TABLE_UNSPEC     = 0
	RT_SCOPE_UNIVERSE   = 0
	RT_SCOPE_LINK       = 253
	RT_SCOPE_HOST       = 254
	RTN_UNICAST         = 1
	RTN_LOCAL           = 2
	RTN_BROADCAST       = 3
	RTPROT_KERNEL       = 2
	RTPROT_BOOT         = 3
	RTA_DST             = 1
	RTA_SRC             = 2
	RTA_OIF             = 4
	RTA_GATEWAY         = 5
	RTA_PREFSRC         = 7
	RTA_TABLE           = 15
	RTA_PRIORITY        = 6
	IFA_ADDRESS         = 1
	IFA_LOCAL           = 2
	IFA_LABEL           = 3
	IFA_BROADCAST       = 4
	IFA_CACHEINFO       = 6
	IFA_FLAGS           = 8
	IFLA_ADDRESS        = 1
	IFLA_BROADCAST      = 2
	IFLA_IFNAME         = 3
	IFLA_MTU            = 4
	IFLA_LINK           = 5
	IFLA_QDISC          = 6
	IFLA_STATS          = 7
	IFLA_TXQLEN         = 13
	IFLA_OPERSTATE      = 16
	IFLA_LINKMODE       = 17
	IFLA_GROUP          = 27
	IFLA_STATS64        = 23
	IFLA_EXT_MASK       = 29
	IFLA_NUM_TX_QUEUES  = 31
	IFLA_NUM_RX_QUEUES  = 32
	IFA_F_SECONDARY     = 1
	IFA_F_NODAD         = 2
	IFA_F_PERMANENT     = 128
	RTNLGRP_LINK        = 1
	RTNLGRP_IPV4_IFADDR = 5
	RTNLGRP_IPV4_ROUTE  = 7
	RTNLGRP_IPV6_IFADDR = 9
	RTNLGRP_IPV6_ROUTE  = 11
	ARPHRD_ETHER        = 1
	ARPHRD_LOOPBACK     = 772
	ARPHRD_VOID         = 65535
	ARPHRD_NONE         = 65534
)

// RtGenMsg is struct rtgenmsg.
type RtGenMsg struct {
	Family uint8
}

// IfInfoMsg is struct ifinfomsg.
type IfInfoMsg struct {
	Family uint8
	_      [1]byte
	Type   uint16
	Index  int32
	Flags  uint32
	Change uint32
}

// IfAddrMsg is struct ifaddrmsg.
type IfAddrMsg struct {
	Family    uint8
	Prefixlen uint8
	Flags     uint8
	Scope     uint8
	Index     uint32
}

// RtMsg is struct rtmsg.
type RtMsg struct {
	Family   uint8
	DstLen   uint8
	SrcLen   uint8
	Tos      uint8
	Table    uint8
	Protocol uint8
	Scope    uint8
	Type     uint8
	Flags    uint32
}

// RtAttr is struct rtattr; attributes are aligned to 4 bytes.
type RtAttr struct {
	Len  uint16
	Type uint16
}
