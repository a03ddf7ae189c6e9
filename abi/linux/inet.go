package linux

// Levels and options of raw sockets (raw(7), linux/icmp.h, linux/icmpv6.h).
const (
	ICMP_FILTER    = 1
	ICMPV6_FILTER  = 1
	IPV6_HDRINCL   = 36
	ICMPFilterSize = 4  // struct icmp_filter
	ICMP6FiltSize  = 32 // struct icmp6_filter
)

// Types and codes of ICMP.
const (
	ICMP_ECHOREPLY    = 0
	ICMP_DEST_UNREACH = 3
	ICMP_ECHO         = 8
	NR_ICMP_TYPES     = 18
	ICMP_PROT_UNREACH = 2
	ICMP_PORT_UNREACH = 3

	ICMPV6_DEST_UNREACH = 1
	ICMPV6_PARAMPROB    = 4
	ICMPV6_PORT_UNREACH = 4
	ICMPV6_UNK_NEXTHDR  = 1
	ICMPV6_ECHO_REQUEST = 128
	ICMPV6_ECHO_REPLY   = 129
)

// Options that choose the sources of a group, and the groups of either family (ip(7)).
const (
	IP_UNBLOCK_SOURCE         = 37
	IP_BLOCK_SOURCE           = 38
	IP_ADD_SOURCE_MEMBERSHIP  = 39
	IP_DROP_SOURCE_MEMBERSHIP = 40
	MCAST_JOIN_GROUP          = 42
	MCAST_LEAVE_GROUP         = 45
)

// IPPROTO_MAX is the first number that is no protocol of socket(2).
const IPPROTO_MAX = 263

// Packet sockets (packet(7), linux/if_packet.h, linux/if_ether.h).
const (
	ETH_P_ALL  = 0x0003
	ETH_P_IP   = 0x0800
	ETH_P_IPV6 = 0x86dd

	PACKET_HOST      = 0
	PACKET_MULTICAST = 2
	PACKET_OTHERHOST = 3
	PACKET_OUTGOING  = 4

	PACKET_ADD_MEMBERSHIP  = 1
	PACKET_DROP_MEMBERSHIP = 2
	PACKET_STATISTICS      = 6
	PACKET_AUXDATA         = 8
	PACKET_ORIGDEV         = 9
	PACKET_IGNORE_OUTGOING = 23

	TP_STATUS_USER         = 1
	TP_STATUS_CSUMNOTREADY = 8
)
