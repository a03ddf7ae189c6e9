package linux

// Address families (socket(2)).
const (
	AF_UNSPEC  = 0
	AF_UNIX    = 1
	AF_LOCAL   = AF_UNIX
	AF_INET    = 2
	AF_INET6   = 10
	AF_NETLINK = 16
	AF_PACKET  = 17
	AF_ALG     = 38
	AF_VSOCK   = 40
	AF_MAX     = 46
)

// Types of sockets and flags beside them.
const (
	SOCK_STREAM    = 1
	SOCK_DGRAM     = 2
	SOCK_RAW       = 3
	SOCK_RDM       = 4
	SOCK_SEQPACKET = 5
	SOCK_DCCP      = 6
	SOCK_PACKET    = 10
	SOCK_TYPE_MASK = 0xf
	SOCK_CLOEXEC   = O_CLOEXEC
	SOCK_NONBLOCK  = O_NONBLOCK
)

// Protocols.
const (
	IPPROTO_IP      = 0
	IPPROTO_ICMP    = 1
	IPPROTO_IGMP    = 2
	IPPROTO_TCP     = 6
	IPPROTO_UDP     = 17
	IPPROTO_IPV6    = 41
	IPPROTO_UDPLITE = 136
	IPPROTO_SCTP    = 132
	IPPROTO_RAW     = 255
	IPPROTO_MPTCP   = 262
	IPPROTO_ICMPV6  = 58
)

// Levels of setsockopt(2).
const (
	SOL_SOCKET  = 1
	SOL_IP      = 0
	SOL_TCP     = 6
	SOL_UDP     = 17
	SOL_UDPLITE = 136
	SOL_IPV6    = 41
	SOL_ICMPV6  = 58
	SOL_RAW     = 255
	SOL_PACKET  = 263
	SOL_NETLINK = 270
)

// Options at SOL_SOCKET (socket(7)).
const (
	SO_DEBUG                         = 1
	SO_REUSEADDR                     = 2
	SO_TYPE                          = 3
	SO_ERROR                         = 4
	SO_DONTROUTE                     = 5
	SO_BROADCAST                     = 6
	SO_SNDBUF                        = 7
	SO_RCVBUF                        = 8
	SO_SNDBUFFORCE                   = 32
	SO_RCVBUFFORCE                   = 33
	SO_KEEPALIVE                     = 9
	SO_OOBINLINE                     = 10
	SO_NO_CHECK                      = 11
	SO_PRIORITY                      = 12
	SO_LINGER                        = 13
	SO_BSDCOMPAT                     = 14
	SO_REUSEPORT                     = 15
	SO_PASSCRED                      = 16
	SO_PEERCRED                      = 17
	SO_RCVLOWAT                      = 18
	SO_SNDLOWAT                      = 19
	SO_RCVTIMEO_OLD                  = 20
	SO_SNDTIMEO_OLD                  = 21
	SO_SECURITY_AUTHENTICATION       = 22
	SO_SECURITY_ENCRYPTION_TRANSPORT = 23
	SO_SECURITY_ENCRYPTION_NETWORK   = 24
	SO_BINDTODEVICE                  = 25
	SO_ATTACH_FILTER                 = 26
	SO_DETACH_FILTER                 = 27
	SO_GET_FILTER                    = 26
	SO_PEERNAME                      = 28
	SO_ACCEPTCONN                    = 30
	SO_PEERSEC                       = 31
	SO_PASSSEC                       = 34
	SO_MARK                          = 36
	SO_PROTOCOL                      = 38
	SO_DOMAIN                        = 39
	SO_RXQ_OVFL                      = 40
	SO_WIFI_STATUS                   = 41
	SO_PEEK_OFF                      = 42
	SO_NOFCS                         = 43
	SO_LOCK_FILTER                   = 44
	SO_SELECT_ERR_QUEUE              = 45
	SO_BUSY_POLL                     = 46
	SO_MAX_PACING_RATE               = 47
	SO_BPF_EXTENSIONS                = 48
	SO_INCOMING_CPU                  = 49
	SO_ATTACH_BPF                    = 50
	SO_DETACH_BPF                    = 27
	SO_ATTACH_REUSEPORT_CBPF         = 51
	SO_ATTACH_REUSEPORT_EBPF         = 52
	SO_CNX_ADVICE                    = 53
	SO_MEMINFO                       = 55
	SO_INCOMING_NAPI_ID              = 56
	SO_COOKIE                        = 57
	SO_PEERGROUPS                    = 59
	SO_ZEROCOPY                      = 60
	SO_TXTIME                        = 61
	SO_BINDTOIFINDEX                 = 62
	SO_TIMESTAMP_OLD                 = 29
	SO_TIMESTAMPNS_OLD               = 35
	SO_TIMESTAMPING_OLD              = 37
	SO_TIMESTAMP_NEW                 = 63
	SO_TIMESTAMPNS_NEW               = 64
	SO_TIMESTAMPING_NEW              = 65
	SO_RCVTIMEO_NEW                  = 66
	SO_SNDTIMEO_NEW                  = 67
	SO_DETACH_REUSEPORT_BPF          = 68
	SO_PREFER_BUSY_POLL              = 69
	SO_BUSY_POLL_BUDGET              = 70
	SO_NETNS_COOKIE                  = 71
	SO_BUF_LOCK                      = 72
	SO_RESERVE_MEM                   = 73
	SO_TXREHASH                      = 74
	SO_RCVMARK                       = 75
	SO_RCVTIMEO                      = 20
	SO_SNDTIMEO                      = 21
	SO_TIMESTAMP                     = 29
	SO_TIMESTAMPNS                   = 35
	SO_TIMESTAMPING                  = 37
	SO_PASSPIDFD                     = 76
	SO_PEERPIDFD                     = 77
)

// Options at SOL_IP, SOL_IPV6 and SOL_TCP (ip(7), ipv6(7), tcp(7)).
const (
	IP_TOS                                   = 1
	IP_TTL                                   = 2
	IP_HDRINCL                               = 3
	IP_OPTIONS                               = 4
	IP_RECVOPTS                              = 6
	IP_RETOPTS                               = 7
	IP_PKTINFO                               = 8
	IP_PKTOPTIONS                            = 9
	IP_MTU_DISCOVER                          = 10
	IP_RECVERR                               = 11
	IP_RECVTTL                               = 12
	IP_RECVTOS                               = 13
	IP_MTU                                   = 14
	IP_FREEBIND                              = 15
	IP_PASSSEC                               = 18
	IP_TRANSPARENT                           = 19
	IP_ORIGDSTADDR                           = 20
	IP_RECVORIGDSTADDR                       = 20
	IP_MINTTL                                = 21
	IP_NODEFRAG                              = 22
	IP_BIND_ADDRESS_NO_PORT                  = 24
	IP_RECVFRAGSIZE                          = 25
	IP_PMTUDISC_DONT                         = 0
	IP_PMTUDISC_WANT                         = 1
	IP_PMTUDISC_DO                           = 2
	IP_PMTUDISC_PROBE                        = 3
	IP_PMTUDISC_INTERFACE                    = 4
	IP_PMTUDISC_OMIT                         = 5
	IP_MULTICAST_IF                          = 32
	IP_MULTICAST_TTL                         = 33
	IP_MULTICAST_LOOP                        = 34
	IP_ADD_MEMBERSHIP                        = 35
	IP_DROP_MEMBERSHIP                       = 36
	IP_MULTICAST_ALL                         = 49
	IP_UNICAST_IF                            = 50
	IP_LOCAL_PORT_RANGE                      = 51
	IP_PROTOCOL                              = 52
	IPV6_ADDRFORM                            = 1
	IPV6_2292PKTINFO                         = 2
	IPV6_CHECKSUM                            = 7
	IPV6_UNICAST_HOPS                        = 16
	IPV6_MULTICAST_IF                        = 17
	IPV6_MULTICAST_HOPS                      = 18
	IPV6_MULTICAST_LOOP                      = 19
	IPV6_ADD_MEMBERSHIP                      = 20
	IPV6_DROP_MEMBERSHIP                     = 21
	IPV6_MTU_DISCOVER                        = 23
	IPV6_MTU                                 = 24
	IPV6_RECVERR                             = 25
	IPV6_V6ONLY                              = 26
	IPV6_MULTICAST_ALL                       = 29
	IPV6_PMTUDISC_DONT                       = 0
	IPV6_PMTUDISC_WANT                       = 1
	IPV6_PMTUDISC_DO                         = 2
	IPV6_PMTUDISC_PROBE                      = 3
	IPV6_PMTUDISC_INTERFACE                  = 4
	IPV6_PMTUDISC_OMIT                       = 5
	IPV6_RECVPKTINFO                         = 49
	IPV6_PKTINFO                             = 50
	IPV6_RECVHOPLIMIT                        = 51
	IPV6_HOPLIMIT                            = 52
	IPV6_HOPOPTS                             = 54
	IPV6_DONTFRAG                            = 62
	IPV6_RECVTCLASS                          = 66
	IPV6_TCLASS                              = 67
	IPV6_AUTOFLOWLABEL                       = 70
	IPV6_ADDR_PREFERENCES                    = 72
	IPV6_TRANSPARENT                         = 75
	IPV6_UNICAST_IF                          = 76
	IPV6_FREEBIND                            = 78
	TCP_MSS_DEFAULT                          = 536
	TCP_MSS_DESIRED                          = 1220
	TCP_NODELAY                              = 1
	TCP_MAXSEG                               = 2
	TCP_CORK                                 = 3
	TCP_KEEPIDLE                             = 4
	TCP_KEEPINTVL                            = 5
	TCP_KEEPCNT                              = 6
	TCP_SYNCNT                               = 7
	TCP_LINGER2                              = 8
	TCP_DEFER_ACCEPT                         = 9
	TCP_WINDOW_CLAMP                         = 10
	TCP_INFO                                 = 11
	TCP_QUICKACK                             = 12
	TCP_CONGESTION                           = 13
	TCP_THIN_LINEAR_TIMEOUTS                 = 16
	TCP_THIN_DUPACK                          = 17
	TCP_USER_TIMEOUT                         = 18
	TCP_REPAIR                               = 19
	TCP_QUEUE_SEQ                            = 21
	TCP_FASTOPEN                             = 23
	TCP_TIMESTAMP                            = 24
	TCP_NOTSENT_LOWAT                        = 25
	TCP_CC_INFO                              = 26
	TCP_SAVE_SYN                             = 27
	TCP_SAVED_SYN                            = 28
	TCP_REPAIR_WINDOW                        = 29
	TCP_FASTOPEN_CONNECT                     = 30
	TCP_ULP                                  = 31
	TCP_FASTOPEN_KEY                         = 33
	TCP_FASTOPEN_NO_COOKIE                   = 34
	TCP_ZEROCOPY_RECEIVE                     = 35
	TCP_INQ                                  = 36
	TCP_CM_INQ                               = 36
	TCP_TX_DELAY                             = 37
	TCP_RECEIVE_ZEROCOPY_FLAG_TLB_CLEAN_HINT = 1
)

// States of a TCP connection (tcp_info.tcpi_state, /proc/net/tcp).
const (
	TCP_ESTABLISHED = iota + 1
	TCP_SYN_SENT
	TCP_SYN_RECV
	TCP_FIN_WAIT1
	TCP_FIN_WAIT2
	TCP_TIME_WAIT
	TCP_CLOSE
	TCP_CLOSE_WAIT
	TCP_LAST_ACK
	TCP_LISTEN
	TCP_CLOSING
	TCP_NEW_SYN_RECV
)

// Flags of send(2) and recv(2).
const (
	MSG_OOB              = 0x1
	MSG_PEEK             = 0x2
	MSG_DONTROUTE        = 0x4
	MSG_CTRUNC           = 0x8
	MSG_PROBE            = 0x10
	MSG_TRUNC            = 0x20
	MSG_DONTWAIT         = 0x40
	MSG_EOR              = 0x80
	MSG_WAITALL          = 0x100
	MSG_FIN              = 0x200
	MSG_SYN              = 0x400
	MSG_CONFIRM          = 0x800
	MSG_RST              = 0x1000
	MSG_ERRQUEUE         = 0x2000
	MSG_NOSIGNAL         = 0x4000
	MSG_MORE             = 0x8000
	MSG_WAITFORONE       = 0x10000
	MSG_SENDPAGE_NOTLAST = 0x20000
	MSG_BATCH            = 0x40000
	MSG_ZEROCOPY         = 0x4000000
	MSG_FASTOPEN         = 0x20000000
	MSG_CMSG_CLOEXEC     = 0x40000000
)

// How of shutdown(2).
const (
	SHUT_RD   = 0
	SHUT_WR   = 1
	SHUT_RDWR = 2
)

// SOMAXCONN is the default of /proc/sys/net/core/somaxconn.
const SOMAXCONN = 4096

// Types of control messages at SOL_SOCKET (unix(7)).
const (
	SCM_RIGHTS      = 1
	SCM_CREDENTIALS = 2
	SCM_SECURITY    = 3
	SCM_PIDFD       = 4
	SCM_TIMESTAMP   = SO_TIMESTAMP
	SCM_TIMESTAMPNS = SO_TIMESTAMPNS
)

// SCM_MAX_FD is the most descriptors that one SCM_RIGHTS message carries.
const SCM_MAX_FD = 253

// UnixPathMax is the size of SockaddrUnix.Path.
const UnixPathMax = 108

// SockaddrStorageSize is the most bytes that an address has.
const SockaddrStorageSize = 128

// SockaddrUnix is struct sockaddr_un.
type SockaddrUnix struct {
	Family uint16
	Path   [UnixPathMax]byte
}

// SockaddrInet is struct sockaddr_in. Port is in network byte order.
type SockaddrInet struct {
	Family uint16
	Port   [2]byte
	Addr   [4]byte
	_      [8]byte
}

// SockaddrInet6 is struct sockaddr_in6. Port is in network byte order.
type SockaddrInet6 struct {
	Family   uint16
	Port     [2]byte
	Flowinfo [4]byte
	Addr     [16]byte
	ScopeID  uint32
}

// SockaddrNetlink is struct sockaddr_nl.
type SockaddrNetlink struct {
	Family uint16
	_      [2]byte
	PortID uint32
	Groups uint32
}

// Iovec is struct iovec.
type Iovec struct {
	Base uint64
	Len  uint64
}

// Msghdr is struct user_msghdr, as sendmsg(2) and recvmsg(2) take it.
type Msghdr struct {
	Name       uint64
	Namelen    uint32
	_          [4]byte
	Iov        uint64
	Iovlen     uint64
	Control    uint64
	Controllen uint64
	Flags      uint32
	_          [4]byte
}

// Mmsghdr is struct mmsghdr of sendmmsg(2) and recvmmsg(2).
type Mmsghdr struct {
	Hdr Msghdr
	Len uint32
	_   [4]byte
}

// Cmsghdr is struct cmsghdr. Its data follows, and the next header stands at a
// multiple of 8.
type Cmsghdr struct {
	Len   uint64
	Level int32
	Type  int32
}

// CmsgHdrSize is the size of a Cmsghdr.
const CmsgHdrSize = 16

// CmsgAlign rounds a control message's length up to where the next one starts.
func CmsgAlign(n uint64) uint64 { return (n + 7) &^ 7 }

// Flags of SO_TIMESTAMPING (linux/net_tstamp.h).
const (
	SOF_TIMESTAMPING_TX_HARDWARE  = 1 << 0
	SOF_TIMESTAMPING_TX_SOFTWARE  = 1 << 1
	SOF_TIMESTAMPING_RX_HARDWARE  = 1 << 2
	SOF_TIMESTAMPING_RX_SOFTWARE  = 1 << 3
	SOF_TIMESTAMPING_SOFTWARE     = 1 << 4
	SOF_TIMESTAMPING_SYS_HARDWARE = 1 << 5
	SOF_TIMESTAMPING_RAW_HARDWARE = 1 << 6
	SOF_TIMESTAMPING_OPT_ID       = 1 << 7
	SOF_TIMESTAMPING_TX_SCHED     = 1 << 8
	SOF_TIMESTAMPING_TX_ACK       = 1 << 9
	SOF_TIMESTAMPING_OPT_CMSG     = 1 << 10
	SOF_TIMESTAMPING_OPT_TSONLY   = 1 << 11
	SOF_TIMESTAMPING_OPT_STATS    = 1 << 12
	SOF_TIMESTAMPING_OPT_ID_TCP   = 1 << 16
	SOF_TIMESTAMPING_MASK         = 1<<18 - 1
	SCM_TSTAMP_SND                = 0
	SCM_TSTAMP_SCHED              = 1
)

// Origins of errors in the queue of errors (struct sock_extended_err).
const (
	SO_EE_ORIGIN_NONE         = 0
	SO_EE_ORIGIN_LOCAL        = 1
	SO_EE_ORIGIN_ICMP         = 2
	SO_EE_ORIGIN_ICMP6        = 3
	SO_EE_ORIGIN_TIMESTAMPING = 4
	SO_EE_ORIGIN_ZEROCOPY     = 5
)

// Ucred is struct ucred (SO_PEERCRED, SCM_CREDENTIALS).
type Ucred struct {
	PID int32
	UID uint32
	GID uint32
}

// Linger is struct linger (SO_LINGER).
type Linger struct {
	Onoff  int32
	Linger int32
}

// Interface requests (netdevice(7)) and socket ioctls.
const (
	FIOSETOWN              = 0x8901
	SIOCSPGRP              = 0x8902
	FIOGETOWN              = 0x8903
	SIOCGPGRP              = 0x8904
	SIOCATMARK             = 0x8905
	SIOCADDRT              = 0x890b
	SIOCDELRT              = 0x890c
	SIOCRTMSG              = 0x890d
	SIOCGIFNAME            = 0x8910
	SIOCSIFLINK            = 0x8911
	SIOCGIFCONF            = 0x8912
	SIOCGIFFLAGS           = 0x8913
	SIOCSIFFLAGS           = 0x8914
	SIOCGIFADDR            = 0x8915
	SIOCSIFADDR            = 0x8916
	SIOCGIFDSTADDR         = 0x8917
	SIOCSIFDSTADDR         = 0x8918
	SIOCGIFBRDADDR         = 0x8919
	SIOCSIFBRDADDR         = 0x891a
	SIOCGIFNETMASK         = 0x891b
	SIOCSIFNETMASK         = 0x891c
	SIOCGIFMETRIC          = 0x891d
	SIOCSIFMETRIC          = 0x891e
	SIOCGIFMEM             = 0x891f
	SIOCSIFMEM             = 0x8920
	SIOCGIFMTU             = 0x8921
	SIOCSIFMTU             = 0x8922
	SIOCSIFNAME            = 0x8923
	SIOCSIFHWADDR          = 0x8924
	SIOCGIFENCAP           = 0x8925
	SIOCSIFENCAP           = 0x8926
	SIOCGIFHWADDR          = 0x8927
	SIOCGIFSLAVE           = 0x8929
	SIOCSIFSLAVE           = 0x8930
	SIOCADDMULTI           = 0x8931
	SIOCDELMULTI           = 0x8932
	SIOCGIFINDEX           = 0x8933
	SIOCSIFPFLAGS          = 0x8934
	SIOCGIFPFLAGS          = 0x8935
	SIOCDIFADDR            = 0x8936
	SIOCSIFHWBROADCAST     = 0x8937
	SIOCGIFCOUNT           = 0x8938
	SIOCGIFBR              = 0x8940
	SIOCSIFBR              = 0x8941
	SIOCGIFTXQLEN          = 0x8942
	SIOCSIFTXQLEN          = 0x8943
	SIOCETHTOOL            = 0x8946
	SIOCGMIIPHY            = 0x8947
	SIOCGMIIREG            = 0x8948
	SIOCSMIIREG            = 0x8949
	SIOCWANDEV             = 0x894a
	SIOCOUTQNSD            = 0x894b
	SIOCGSKNS              = 0x894c
	SIOCDARP               = 0x8953
	SIOCGARP               = 0x8954
	SIOCSARP               = 0x8955
	SIOCDRARP              = 0x8960
	SIOCGRARP              = 0x8961
	SIOCSRARP              = 0x8962
	SIOCGIFMAP             = 0x8970
	SIOCSIFMAP             = 0x8971
	SIOCADDDLCI            = 0x8980
	SIOCDELDLCI            = 0x8981
	SIOCGIFVLAN            = 0x8982
	SIOCSIFVLAN            = 0x8983
	SIOCBONDENSLAVE        = 0x8990
	SIOCBONDRELEASE        = 0x8991
	SIOCBONDSETHWADDR      = 0x8992
	SIOCBONDSLAVEINFOQUERY = 0x8993
	SIOCBONDINFOQUERY      = 0x8994
	SIOCBONDCHANGEACTIVE   = 0x8995
	SIOCBRADDBR            = 0x89a0
	SIOCBRDELBR            = 0x89a1
	SIOCBRADDIF            = 0x89a2
	SIOCBRDELIF            = 0x89a3
	SIOCSHWTSTAMP          = 0x89b0
	SIOCGHWTSTAMP          = 0x89b1
	SIOCGSTAMP             = 0x8906
	SIOCGSTAMPNS           = 0x8907
	SIOCGSTAMP_NEW         = 0x80108906
	SIOCGSTAMPNS_NEW       = 0x80108907
	SIOCINQ                = FIONREAD
	SIOCOUTQ               = TIOCOUTQ
)

// IFNAMSIZ is the size of an interface's name with its NUL.
const IFNAMSIZ = 16

// Ifreq is struct ifreq: a name and a union that the request gives a meaning.
type Ifreq struct {
	Name [IFNAMSIZ]byte
	Data [24]byte
}

// Ifconf is struct ifconf (SIOCGIFCONF).
type Ifconf struct {
	Len int32
	_   [4]byte
	Req uint64
}

// Flags of an interface (SIOCGIFFLAGS).
const (
	IFF_UP          = 0x1
	IFF_BROADCAST   = 0x2
	IFF_DEBUG       = 0x4
	IFF_LOOPBACK    = 0x8
	IFF_POINTOPOINT = 0x10
	IFF_NOTRAILERS  = 0x20
	IFF_RUNNING     = 0x40
	IFF_NOARP       = 0x80
	IFF_PROMISC     = 0x100
	IFF_ALLMULTI    = 0x200
	IFF_MULTICAST   = 0x1000
	IFF_PORTSEL     = 0x2000
	IFF_AUTOMEDIA   = 0x4000
	IFF_DYNAMIC     = 0x8000
	IFF_LOWER_UP    = 0x10000
)

// Options at SOL_UDP (udp(7)).
const (
	UDP_SEGMENT = 103
	UDP_GRO     = 104
)

// Options at SOL_UDPLITE (udplite(7)): how many bytes of a datagram its checksum covers.
const (
	UDPLITE_SEND_CSCOV = 10
	UDPLITE_RECV_CSCOV = 11
)
