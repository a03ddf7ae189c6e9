// Multicast and broadcast over UDP, and which addresses IPv6 sockets reach.
#include "rawnet.h"

static struct in_addr lo_addr(void) { return (struct in_addr){htonl(INADDR_LOOPBACK)}; }

static struct ip_mreq mreq(const char *group, const char *at) {
	return (struct ip_mreq){{inet_addr(group)}, {inet_addr(at)}};
}

static int member(int port) {
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = v4("0.0.0.0", port);
	CHECK(bind(fd, SA(a)) == 0);
	return fd;
}

static int multicaster(void) {
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	struct in_addr lo = lo_addr();
	CHECK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo) == 0);
	return fd;
}

CASE(multicast_reaches_members) {
	network();
	int s = multicaster(), q = member(5000), o = member(5001);
	struct sockaddr_in g = v4("239.1.2.3", 5000), from;
	socklen_t n = sizeof from;
	struct ip_mreq m = mreq("239.1.2.3", "127.0.0.1");
	CHECK_EQ(sendto(s, "early", 5, 0, SA(g)), 5);
	CHECK(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK_EQ(sendto(s, "abc", 3, 0, SA(g)), 3);
	CHECK_EQ(recvfrom(q, buf, sizeof buf, 0, (void *)&from, &n), 3);
	CHECK_EQ(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	NOTHING(o);
	CHECK(setsockopt(q, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK_EQ(sendto(s, "late", 4, 0, SA(g)), 4);
	NOTHING(q);
}

CASE(multicast_needs_a_way) {
	network();
	int s = sock(AF_INET, SOCK_DGRAM, 0), x = sock(AF_INET, SOCK_DGRAM, 0), y = sock(AF_INET, SOCK_DGRAM, 0), t = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in g = v4("239.1.2.3", 5000), lo = v4("127.0.0.1", 0);
	CHECK_ERRNO(sendto(s, "x", 1, 0, SA(g)), ENETUNREACH);
	CHECK_ERRNO(connect(s, SA(g)), ENETUNREACH);
	CHECK_ERRNO(connect(t, SA(g)), ENETUNREACH);
	CHECK(bind(x, SA(lo)) == 0);
	CHECK_EQ(sendto(x, "x", 1, 0, SA(g)), 1);
	CHECK(setsockopt(y, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
	CHECK_EQ(sendto(y, "x", 1, 0, SA(g)), 1);
	CHECK(connect(multicaster(), SA(g)) == 0);
}

CASE(multicast_membership_errors) {
	network();
	int q = member(5000), t = sock(AF_INET, SOCK_STREAM, 0);
	struct ip_mreq m = mreq("239.1.2.3", "0.0.0.0");
	struct ip_mreqn n = {.imr_multiaddr.s_addr = inet_addr("239.1.2.3"), .imr_ifindex = 77};
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m), ENODEV);
	m.imr_interface = lo_addr();
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m), EADDRNOTAVAIL);
	CHECK(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m), EADDRINUSE);
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, 4), EINVAL);
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &n, sizeof n), ENODEV);
	CHECK_ERRNO(setsockopt(t, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m), EPROTO);
	CHECK_ERRNO(setsockopt(t, IPPROTO_IP, IP_MULTICAST_TTL, &one, 4), EINVAL);
	CHECK_ERRNO(setsockopt(t, IPPROTO_IP, IP_MULTICAST_IF, &m.imr_interface, 4), EINVAL);
	m.imr_interface.s_addr = inet_addr("8.8.8.8");
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m), ENODEV);
	m = mreq("127.0.0.1", "127.0.0.1");
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m), EINVAL);
	for (int i = 1; i < 20; i++) {
		m = mreq("239.9.0.0", "127.0.0.1");
		m.imr_multiaddr.s_addr |= htonl(i);
		CHECK(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	}
	m = mreq("239.9.1.0", "127.0.0.1");
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m), ENOBUFS);
}

CASE(multicast_interface_option) {
	network();
	int q = sock(AF_INET, SOCK_DGRAM, 0);
	struct in_addr a = lo_addr(), got;
	struct ip_mreqn n = {.imr_ifindex = 1};
	socklen_t k = sizeof got;
	CHECK(setsockopt(q, IPPROTO_IP, IP_MULTICAST_IF, &a, sizeof a) == 0);
	CHECK(getsockopt(q, IPPROTO_IP, IP_MULTICAST_IF, &got, &k) == 0);
	CHECK_EQ(got.s_addr, a.s_addr);
	CHECK(setsockopt(q, IPPROTO_IP, IP_MULTICAST_IF, &n, sizeof n) == 0);
	CHECK(getsockopt(q, IPPROTO_IP, IP_MULTICAST_IF, &got, &k) == 0);
	CHECK_EQ(got.s_addr, 0);
	n.imr_ifindex = 77;
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_MULTICAST_IF, &n, sizeof n), EADDRNOTAVAIL);
	a.s_addr = inet_addr("8.8.8.8");
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_MULTICAST_IF, &a, sizeof a), EADDRNOTAVAIL);
	CHECK_ERRNO(setsockopt(q, IPPROTO_IP, IP_MULTICAST_IF, &a, 2), EINVAL);
}

CASE(multicast_all_hears_what_others_joined) {
	network();
	int p = multicaster(), q = member(5000), o = member(5001);
	struct sockaddr_in g = v4("239.1.2.3", 5001), all = v4("224.0.0.1", 5001), none = v4("239.9.9.9", 5001);
	struct ip_mreq m = mreq("239.1.2.3", "127.0.0.1");
	CHECK(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK_EQ(sendto(p, "y", 1, 0, SA(g)), 1);
	CHECK_EQ(recv(o, buf, sizeof buf, 0), 1);
	CHECK_EQ(sendto(p, "y", 1, 0, SA(all)), 1);
	CHECK_EQ(recv(o, buf, sizeof buf, 0), 1);
	CHECK_EQ(sendto(p, "y", 1, 0, SA(none)), 1);
	NOTHING(o);
	CHECK(setsockopt(o, IPPROTO_IP, IP_MULTICAST_ALL, &zero, 4) == 0);
	CHECK_EQ(sendto(p, "y", 1, 0, SA(g)), 1);
	NOTHING(o);
	close(q);
	CHECK(setsockopt(o, IPPROTO_IP, IP_MULTICAST_ALL, &one, 4) == 0);
	CHECK_EQ(sendto(p, "y", 1, 0, SA(g)), 1);
	NOTHING(o);
}

CASE(multicast_reaches_all_who_share_the_port) {
	network();
	int p = multicaster(), q[2];
	struct sockaddr_in g = v4("239.1.2.3", 5000), any = v4("0.0.0.0", 5000);
	struct ip_mreq m = mreq("239.1.2.3", "127.0.0.1");
	for (int i = 0; i < 2; i++) {
		q[i] = sock(AF_INET, SOCK_DGRAM, 0);
		CHECK(setsockopt(q[i], SOL_SOCKET, SO_REUSEADDR, &one, 4) == 0);
		if (i == 0) CHECK(bind(q[i], SA(g)) == 0);
		else CHECK(bind(q[i], SA(any)) == 0);
		CHECK(setsockopt(q[i], IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	}
	CHECK_EQ(sendto(p, "both", 4, 0, SA(g)), 4);
	CHECK_EQ(recv(q[0], buf, sizeof buf, 0), 4);
	CHECK_EQ(recv(q[1], buf, sizeof buf, 0), 4);
	NOTHING(q[0]);
}

CASE(multicast_loop_and_ttl_change_nothing_on_the_loopback) {
	network();
	int p = multicaster(), q = member(5000);
	struct sockaddr_in g = v4("239.1.2.3", 5000);
	struct ip_mreq m = mreq("239.1.2.3", "127.0.0.1");
	CHECK(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK(setsockopt(p, IPPROTO_IP, IP_MULTICAST_LOOP, &zero, 4) == 0);
	CHECK(setsockopt(p, IPPROTO_IP, IP_MULTICAST_TTL, &zero, 4) == 0);
	CHECK_EQ(sendto(p, "abc", 3, 0, SA(g)), 3);
	CHECK_EQ(recv(q, buf, sizeof buf, 0), 3);
}

CASE(multicast_sources) {
	network();
	int p = multicaster(), o = member(5001);
	struct sockaddr_in g = v4("239.1.2.3", 5001);
	struct ip_mreq m = mreq("239.1.2.3", "127.0.0.1");
	struct ip_mreq_source s = {.imr_multiaddr = m.imr_multiaddr, .imr_interface = m.imr_interface, .imr_sourceaddr = lo_addr()};
#define SET(name) setsockopt(o, IPPROTO_IP, name, &s, sizeof s)
	CHECK_ERRNO(SET(IP_BLOCK_SOURCE), EINVAL);
	CHECK_ERRNO(SET(IP_UNBLOCK_SOURCE), EINVAL);
	CHECK_ERRNO(SET(IP_DROP_SOURCE_MEMBERSHIP), EINVAL);
	CHECK(SET(IP_ADD_SOURCE_MEMBERSHIP) == 0);
	CHECK_ERRNO(SET(IP_ADD_SOURCE_MEMBERSHIP), EADDRNOTAVAIL);
	CHECK_EQ(sendto(p, "y", 1, 0, SA(g)), 1);
	CHECK_EQ(recv(o, buf, sizeof buf, 0), 1);
	CHECK_ERRNO(SET(IP_BLOCK_SOURCE), EINVAL);
	CHECK(SET(IP_DROP_SOURCE_MEMBERSHIP) == 0);
	CHECK_ERRNO(SET(IP_DROP_SOURCE_MEMBERSHIP), EINVAL);
	s.imr_sourceaddr.s_addr = inet_addr("127.0.0.9");
	CHECK(SET(IP_ADD_SOURCE_MEMBERSHIP) == 0);
	CHECK_EQ(sendto(p, "y", 1, 0, SA(g)), 1);
	NOTHING(o);
	CHECK(SET(IP_DROP_SOURCE_MEMBERSHIP) == 0);
	s.imr_sourceaddr = lo_addr();
	CHECK(setsockopt(o, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK(SET(IP_BLOCK_SOURCE) == 0);
	CHECK_ERRNO(SET(IP_BLOCK_SOURCE), EADDRNOTAVAIL);
	CHECK_EQ(sendto(p, "y", 1, 0, SA(g)), 1);
	NOTHING(o);
	CHECK(SET(IP_UNBLOCK_SOURCE) == 0);
	CHECK_ERRNO(SET(IP_UNBLOCK_SOURCE), EADDRNOTAVAIL);
	CHECK_EQ(sendto(p, "y", 1, 0, SA(g)), 1);
	CHECK_EQ(recv(o, buf, sizeof buf, 0), 1);
	CHECK_ERRNO(setsockopt(o, IPPROTO_IP, IP_BLOCK_SOURCE, &s, 8), EINVAL);
	s.imr_multiaddr = lo_addr();
	CHECK_ERRNO(SET(IP_BLOCK_SOURCE), EINVAL);
}

CASE(multicast_group_requests) {
	network();
	int p = multicaster(), o = member(5001), e = sock(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in g = v4("239.1.2.3", 5001);
	struct sockaddr_in6 g6 = v6("ff05::1234", 0);
	struct group_req r = {.gr_interface = 1};
	memcpy(&r.gr_group, &g, sizeof g);
	CHECK(setsockopt(o, IPPROTO_IP, MCAST_JOIN_GROUP, &r, sizeof r) == 0);
	CHECK_ERRNO(setsockopt(o, IPPROTO_IP, MCAST_JOIN_GROUP, &r, sizeof r), EADDRINUSE);
	CHECK_EQ(sendto(p, "y", 1, 0, SA(g)), 1);
	CHECK_EQ(recv(o, buf, sizeof buf, 0), 1);
	CHECK(setsockopt(o, IPPROTO_IP, MCAST_LEAVE_GROUP, &r, sizeof r) == 0);
	CHECK_ERRNO(setsockopt(o, IPPROTO_IP, MCAST_JOIN_GROUP, &r, 8), EINVAL);
	CHECK_ERRNO(setsockopt(e, IPPROTO_IPV6, MCAST_JOIN_GROUP, &r, sizeof r), EADDRNOTAVAIL);
	memcpy(&r.gr_group, &g6, sizeof g6);
	CHECK(setsockopt(e, IPPROTO_IPV6, MCAST_JOIN_GROUP, &r, sizeof r) == 0);
	CHECK_ERRNO(setsockopt(o, IPPROTO_IP, MCAST_JOIN_GROUP, &r, sizeof r), EINVAL);
}

CASE(multicast6_groups) {
	network();
	int e = sock(AF_INET6, SOCK_DGRAM, 0), f = sock(AF_INET6, SOCK_DGRAM, 0), t = sock(AF_INET6, SOCK_STREAM, 0), v;
	struct sockaddr_in6 g = v6("ff05::1234", 6000);
	struct ipv6_mreq m = {.ipv6mr_multiaddr = g.sin6_addr};
	socklen_t n = sizeof v;
#define SET6(name) setsockopt(e, IPPROTO_IPV6, name, &m, sizeof m)
	CHECK_ERRNO(SET6(IPV6_JOIN_GROUP), ENODEV);
	m.ipv6mr_interface = 1;
	CHECK(SET6(IPV6_JOIN_GROUP) == 0);
	CHECK_ERRNO(SET6(IPV6_JOIN_GROUP), EADDRINUSE);
	CHECK_ERRNO(setsockopt(t, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m), EPROTO);
	m.ipv6mr_interface = 77;
	CHECK_ERRNO(SET6(IPV6_JOIN_GROUP), ENODEV);
	CHECK_ERRNO(SET6(IPV6_LEAVE_GROUP), EADDRNOTAVAIL);
	m.ipv6mr_interface = 1;
	CHECK(SET6(IPV6_LEAVE_GROUP) == 0);
	CHECK_ERRNO(SET6(IPV6_LEAVE_GROUP), EADDRNOTAVAIL);
	m.ipv6mr_multiaddr = in6addr_loopback;
	CHECK_ERRNO(SET6(IPV6_JOIN_GROUP), EINVAL);
	CHECK_ERRNO(SET6(IPV6_LEAVE_GROUP), EINVAL);
	CHECK_ERRNO(setsockopt(e, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, 16), EINVAL);
	CHECK(setsockopt(f, IPPROTO_IPV6, IPV6_MULTICAST_IF, &one, 4) == 0);
	CHECK_ERRNO(setsockopt(f, IPPROTO_IPV6, IPV6_MULTICAST_IF, &(int){77}, 4), ENODEV);
	CHECK(getsockopt(f, IPPROTO_IPV6, IPV6_MULTICAST_IF, &v, &n) == 0);
	CHECK_EQ(v, 1);
	CHECK_ERRNO(setsockopt(f, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &(int){2}, 4), EINVAL);
	CHECK_ERRNO(sendto(f, "x", 1, 0, SA(g)), ENETUNREACH); // the loopback has no route
	CHECK_ERRNO(connect(f, SA(g)), ENETUNREACH);
	g = v6("ff02::1", 0);
	CHECK_ERRNO(bind(e, SA(g)), EINVAL);
	g.sin6_scope_id = 1;
	CHECK(bind(e, SA(g)) == 0);
}

CASE(igmp_lists_groups) {
	network();
	int q = member(5000);
	struct ip_mreq m = mreq("239.1.2.3", "127.0.0.1");
	CHECK(setsockopt(q, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	int fd = open("/proc/net/igmp", O_RDONLY);
	ssize_t n = read(fd, buf, 2000);
	CHECK(n > 0);
	buf[n] = 0;
	CHECK(strstr((char *)buf, "1\tlo        :     2      V3\n"));
	CHECK(strstr((char *)buf, "\t\t\t\t030201EF     1 0:00000000\t\t0\n"));
	CHECK(strstr((char *)buf, "\t\t\t\t010000E0     1 0:00000000\t\t0\n"));
}

CASE(broadcast_needs_the_option) {
	network();
	int s = sock(AF_INET, SOCK_DGRAM, 0), q = member(5000), r = sock(AF_INET, SOCK_RAW, 200);
	struct sockaddr_in b = v4("127.255.255.255", 5000), all = v4("255.255.255.255", 5000), from;
	socklen_t n = sizeof from;
	CHECK_ERRNO(sendto(s, "x", 1, 0, SA(b)), EACCES);
	CHECK_ERRNO(connect(s, SA(b)), EACCES);
	CHECK_ERRNO(sendto(r, "x", 1, 0, SA(b)), EACCES);
	CHECK(setsockopt(s, SOL_SOCKET, SO_BROADCAST, &one, 4) == 0);
	CHECK_EQ(sendto(s, "abc", 3, 0, SA(b)), 3);
	CHECK_EQ(recvfrom(q, buf, sizeof buf, 0, (void *)&from, &n), 3);
	CHECK_EQ(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK_ERRNO(sendto(s, "x", 1, 0, SA(all)), ENETUNREACH);
	CHECK(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
	CHECK_EQ(sendto(s, "abcd", 4, 0, SA(all)), 4);
	CHECK_EQ(recv(q, buf, sizeof buf, 0), 4);
	int t = sock(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO(connect(t, SA(b)), ENETUNREACH);
	CHECK(bind(t, SA(b)) == 0);
}

CASE(broadcast_echo_is_not_answered) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct sockaddr_in b = v4("127.255.255.255", 0);
	struct icmphdr h = echo(1, 1);
	CHECK(setsockopt(r, SOL_SOCKET, SO_BROADCAST, &one, 4) == 0);
	CHECK_EQ(sendto(r, &h, sizeof h, 0, SA(b)), sizeof h);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 28);
	NOTHING(r);
}

CASE(ipv6_bound_to_one_family_does_not_reach_the_other) {
	network();
	struct sockaddr_in6 lo = v6("::1", 0), mapped = v6("::ffff:127.0.0.1", 0), to = v6("::1", 4000), to4 = v6("::ffff:127.0.0.1", 4000);
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		int s = sock(AF_INET6, type, 0);
		CHECK(bind(s, SA(lo)) == 0);
		CHECK_ERRNO(connect(s, SA(to4)), ENETUNREACH);
		s = sock(AF_INET6, type, 0);
		CHECK(bind(s, SA(mapped)) == 0);
		CHECK_ERRNO(connect(s, SA(to)), EAFNOSUPPORT);
	}
}

MAIN()
