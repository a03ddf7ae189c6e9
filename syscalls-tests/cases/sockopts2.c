// Options of sockets that say how things are, and those that a loopback has no use for.
#include "netns.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

static int value, length;

// option reads an option and returns whether that was possible.
static int option(int fd, int level, int name) {
	static unsigned char b[256];
	socklen_t n = sizeof b;
	memset(b, 0, sizeof b);
	if (getsockopt(fd, level, name, b, &n)) return 0;
	memcpy(&value, b, 4);
	length = n;
	return 1;
}

#define OPTION(fd, level, name, v)              \
	do {                                        \
		CHECK(option(fd, level, name));         \
		CHECK_EQ(length, 4);                    \
		CHECK_EQ(value, v);                     \
	} while (0)

static int set(int fd, int level, int name, int v) { return setsockopt(fd, level, name, &v, sizeof v); }

static int tcp(void) { return sock(AF_INET, SOCK_STREAM, 0); }
static int udp(void) { return sock(AF_INET, SOCK_DGRAM, 0); }

CASE(sockopt_SO_MEMINFO_tells_the_limits) {
	int fd = udp(), m[9];
	socklen_t n = sizeof m;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, m, &n) == 0);
	CHECK_EQ(n, sizeof m);
	CHECK(option(fd, SOL_SOCKET, SO_RCVBUF));
	CHECK_EQ(m[1], value);
	CHECK(option(fd, SOL_SOCKET, SO_SNDBUF));
	CHECK_EQ(m[3], value);
}

CASE(sockopt_SO_BUF_LOCK_tells_what_was_set) {
	int fd = tcp();
	OPTION(fd, SOL_SOCKET, SO_BUF_LOCK, 0);
	CHECK(set(fd, SOL_SOCKET, SO_RCVBUF, 10000) == 0);
	OPTION(fd, SOL_SOCKET, SO_BUF_LOCK, 2);
	CHECK(set(fd, SOL_SOCKET, SO_SNDBUF, 10000) == 0);
	OPTION(fd, SOL_SOCKET, SO_BUF_LOCK, 3);
	CHECK(set(fd, SOL_SOCKET, SO_BUF_LOCK, 1) == 0);
	OPTION(fd, SOL_SOCKET, SO_BUF_LOCK, 1);
	CHECK_ERRNO(set(fd, SOL_SOCKET, SO_BUF_LOCK, 4), EINVAL);
}

CASE(sockopt_SO_BINDTOIFINDEX_is_SO_BINDTODEVICE) {
	own();
	int fd = udp();
	char name[20];
	socklen_t n = sizeof name;
	OPTION(fd, SOL_SOCKET, SO_BINDTOIFINDEX, 0);
	CHECK(set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, 1) == 0);
	OPTION(fd, SOL_SOCKET, SO_BINDTOIFINDEX, 1);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &n) == 0);
	CHECK(n == 3 && strcmp(name, "lo") == 0);
	CHECK(set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, 0) == 0);
	OPTION(fd, SOL_SOCKET, SO_BINDTOIFINDEX, 0);
}

CASE(sockopt_SO_MAX_PACING_RATE_is_a_long) {
	CHECK(option(tcp(), SOL_SOCKET, SO_MAX_PACING_RATE));
	CHECK_EQ(length, 8);
	CHECK_EQ(value, -1);
}

CASE(sockopt_peers_of_those_that_have_none) {
	int fd = sock(AF_NETLINK, SOCK_RAW, 0);
	struct ucred u;
	socklen_t n = sizeof u;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) == 0);
	CHECK(u.pid == 0 && u.uid == (uid_t)-1 && u.gid == (gid_t)-1);
	CHECK(!option(tcp(), SOL_SOCKET, SO_PEERGROUPS) && errno == ENODATA);
}

CASE(sockopt_SO_NETNS_COOKIE_has_8_bytes) {
	uint64_t c[2];
	socklen_t n = 16;
	CHECK_ERRNO(getsockopt(udp(), SOL_SOCKET, 71, c, &n), EINVAL);
	n = 4;
	CHECK_ERRNO(getsockopt(udp(), SOL_SOCKET, 71, c, &n), EINVAL);
}

CASE(sockopt_IP_MTU_of_the_way) {
	own();
	int fd = udp();
	CHECK(!option(fd, SOL_IP, IP_MTU) && errno == ENOTCONN);
	struct sockaddr_in a = v4("127.0.0.1", 7400);
	CHECK(connect(fd, SA(a)) == 0);
	OPTION(fd, SOL_IP, IP_MTU, 65535);
	struct sockaddr_in6 b = v6("::1", 7400);
	fd = sock(AF_INET6, SOCK_DGRAM, 0);
	CHECK(!option(fd, IPPROTO_IPV6, IPV6_MTU) && errno == ENOTCONN);
	CHECK(connect(fd, SA(b)) == 0);
	OPTION(fd, IPPROTO_IPV6, IPV6_MTU, 65536);
}

CASE(sockopt_IP_PROTOCOL_and_IP_OPTIONS) {
	int fd = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	OPTION(fd, SOL_IP, IP_PROTOCOL, IPPROTO_ICMP);
	CHECK(option(udp(), SOL_IP, IP_OPTIONS));
	CHECK_EQ(length, 0);
}

CASE(sockopt_that_are_off) {
	int fd = udp(), six = sock(AF_INET6, SOCK_DGRAM, 0);
	OPTION(fd, SOL_IP, IP_HDRINCL, 0);
	OPTION(fd, SOL_IP, IP_ROUTER_ALERT, 0);
	OPTION(fd, SOL_IP, IP_PASSSEC, 0);
	OPTION(fd, SOL_IP, IP_RECVORIGDSTADDR, 0);
	OPTION(six, IPPROTO_IPV6, IPV6_RECVHOPOPTS, 0);
	OPTION(six, IPPROTO_IPV6, IPV6_RECVRTHDR, 0);
	OPTION(six, IPPROTO_IPV6, IPV6_RECVDSTOPTS, 0);
	OPTION(six, IPPROTO_IPV6, IPV6_RECVPATHMTU, 0);
	OPTION(six, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 1);
}

CASE(sockopt_IP_TRANSPARENT_is_privileged) {
	own();
	int fd = tcp();
	OPTION(fd, SOL_IP, IP_TRANSPARENT, 0);
	CHECK(set(fd, SOL_IP, IP_TRANSPARENT, 1) == 0);
	OPTION(fd, SOL_IP, IP_TRANSPARENT, 1);
	struct sockaddr_in a = v4("10.9.8.7", 7401);
	CHECK(bind(fd, SA(a)) == 0);
	fd = tcp();
	CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	CHECK_ERRNO(set(fd, SOL_IP, IP_TRANSPARENT, 1), EPERM);
	CHECK(set(fd, SOL_IP, IP_TRANSPARENT, 0) == 0);
}

CASE(sockopt_TCP_ULP_has_none) {
	int fd = tcp();
	CHECK(option(fd, IPPROTO_TCP, TCP_ULP));
	CHECK_EQ(length, 0);
	CHECK_ERRNO(setsockopt(fd, IPPROTO_TCP, TCP_ULP, "nobody", 6), ENOENT);
}

CASE(sockopt_TCP_CONGESTION) {
	int fd = tcp();
	char name[16];
	socklen_t n = sizeof name;
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &n) == 0);
	CHECK(n == 16 && strcmp(name, "reno") == 0);
	CHECK_ERRNO(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nobody", 6), ENOENT);
}

CASE(sockopt_TCP_that_are_off) {
	int fd = tcp();
	OPTION(fd, IPPROTO_TCP, TCP_REPAIR, 0);
	OPTION(fd, IPPROTO_TCP, TCP_FASTOPEN, 0);
	OPTION(fd, IPPROTO_TCP, TCP_SAVE_SYN, 0);
	CHECK(option(fd, IPPROTO_TCP, TCP_SAVED_SYN));
	CHECK_EQ(length, 0);
}

CASE(sockopt_TCP_REPAIR_is_not_for_users) {
	int fd = tcp();
	CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	CHECK_ERRNO(set(fd, IPPROTO_TCP, TCP_REPAIR, 1), EPERM);
}

CASE(sockopt_families_without_a_module) {
	CHECK_ERRNO(socket(AF_AX25, SOCK_DGRAM, 0), EAFNOSUPPORT);
	CHECK_ERRNO(socket(AF_DECnet, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERRNO(socket(200, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERRNO(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
}

MAIN()
