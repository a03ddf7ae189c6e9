// Ping sockets and raw sockets.
#include "rawnet.h"

// ---- ping sockets

CASE(ping_is_for_the_groups_of_ping_group_range) {
	network();
	CHECK(ping_groups("5 6"));
	CHECK_ERRNO(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), EACCES);
	CHECK_ERRNO(socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6), EACCES);
	CHECK(ping_groups("0 0"));
	close(sock(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
	CHECK(ping_groups("7 3"));
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_RDONLY);
	CHECK_EQ(read(fd, buf, 100), 4);
	CHECK(memcmp(buf, "1\t0\n", 4) == 0);
	CHECK(!ping_groups("a b"));
	CHECK(!ping_groups("0 4294967295"));
	CHECK(ping_groups("0 2147483647"));
	CHECK_ERRNO(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6), EPROTONOSUPPORT);
	CHECK_ERRNO(socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMP), EPROTONOSUPPORT);
}

CASE(ping_gets_the_reply_with_its_identifier) {
	ping_network();
	int p = sock(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), v;
	struct sockaddr_in lo = v4("127.0.0.1", 9), from, name;
	socklen_t n = sizeof from;
	struct { struct icmphdr h; char text[20]; } m = {echo(77, 5), "hello"}, got;
	CHECK_EQ(sendto(p, &m, sizeof m, 0, SA(lo)), sizeof m);
	CHECK_EQ(recvfrom(p, &got, sizeof got, 0, (void *)&from, &n), sizeof m);
	CHECK_EQ(got.h.type, ICMP_ECHOREPLY);
	CHECK_EQ(got.h.un.echo.sequence, htons(5));
	CHECK(name_of(p, &name) != 0);
	CHECK_EQ(ntohs(got.h.un.echo.id), ntohs(name.sin_port));
	CHECK_EQ(sum(&got, sizeof got, 0), 0xffff);
	CHECK(strcmp(got.text, "hello") == 0);
	CHECK_EQ(from.sin_addr.s_addr, lo.sin_addr.s_addr);
	CHECK_EQ(from.sin_port, 0);
	NOTHING(p);
	n = sizeof v;
	CHECK(getsockopt(p, SOL_SOCKET, SO_PROTOCOL, &v, &n) == 0);
	CHECK_EQ(v, IPPROTO_ICMP);
	CHECK(getsockopt(p, SOL_SOCKET, SO_REUSEADDR, &v, &n) == 0);
	CHECK_EQ(v, 1);
}

CASE(ping6_gets_the_reply) {
	ping_network();
	int p = sock(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
	struct sockaddr_in6 lo = v6("::1", 5), from;
	socklen_t n = sizeof from;
	struct icmp6_hdr h = {.icmp6_type = ICMP6_ECHO_REQUEST}, got;
	h.icmp6_seq = htons(3);
	CHECK_EQ(sendto(p, &h, sizeof h, 0, SA(lo)), sizeof h);
	CHECK_EQ(recvfrom(p, &got, sizeof got, 0, (void *)&from, &n), sizeof got);
	CHECK_EQ(got.icmp6_type, ICMP6_ECHO_REPLY);
	CHECK_EQ(got.icmp6_seq, htons(3));
	CHECK_EQ(from.sin6_port, 0);
	h.icmp6_type = ICMP_ECHO;
	CHECK_ERRNO(sendto(p, &h, sizeof h, 0, SA(lo)), EINVAL);
}

CASE(ping_sends_echo_requests_only) {
	ping_network();
	int p = sock(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	struct sockaddr_in lo = v4("127.0.0.1", 0), far = v4("8.8.8.8", 0);
	struct icmphdr h = echo(1, 1);
	CHECK_ERRNO(send(p, &h, sizeof h, 0), EDESTADDRREQ);
	CHECK_ERRNO(sendto(p, &h, 7, 0, SA(lo)), EINVAL);
	h.type = ICMP_ECHOREPLY;
	CHECK_ERRNO(sendto(p, &h, sizeof h, 0, SA(lo)), EINVAL);
	h.type = ICMP_ECHO, h.code = 1;
	CHECK_ERRNO(sendto(p, &h, sizeof h, 0, SA(lo)), EINVAL);
	h.code = 0;
	CHECK_ERRNO(sendto(p, &h, sizeof h, 0, SA(far)), ENETUNREACH);
	CHECK_ERRNO(sendto(p, &h, sizeof h, MSG_OOB, SA(lo)), EOPNOTSUPP);
	CHECK_ERRNO(recv(p, buf, 10, MSG_OOB), EOPNOTSUPP);
	CHECK_ERRNO(recv(p, buf, 10, MSG_ERRQUEUE), EAGAIN);
	CHECK_ERRNO(listen(p, 1), EOPNOTSUPP);
	buf[0] = ICMP_ECHO;
	CHECK_ERRNO(sendto(p, buf, 65535, 0, SA(lo)), EMSGSIZE);
	CHECK_EQ(sendto(p, buf, 65507, 0, SA(lo)), 65507);
	lo.sin_family = AF_INET6;
	CHECK_ERRNO(sendto(p, &h, sizeof h, 0, SA(lo)), EAFNOSUPPORT);
	int n;
	CHECK_ERRNO(ioctl(p, FIONREAD, &n), ENOTTY);
}

CASE(ping_bind_chooses_the_identifier) {
	ping_network();
	int p = sock(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), q = sock(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	struct sockaddr_in lo = v4("127.0.0.1", 4321), far = v4("8.8.8.8", 0), name;
	struct icmphdr h = echo(1, 1), got;
	CHECK_ERRNO(bind(p, SA(far)), EADDRNOTAVAIL);
	CHECK(bind(p, SA(lo)) == 0);
	CHECK_EQ(name_of(p, &name), 4321);
	CHECK_ERRNO(bind(p, SA(lo)), EINVAL);
	CHECK(setsockopt(q, SOL_SOCKET, SO_REUSEADDR, &zero, 4) == 0);
	CHECK_ERRNO(bind(q, SA(lo)), EADDRINUSE);
	CHECK_EQ(sendto(p, &h, sizeof h, 0, SA(lo)), sizeof h);
	CHECK_EQ(recv(p, &got, sizeof got, 0), sizeof got);
	CHECK_EQ(got.un.echo.id, htons(4321));
	lo.sin_family = AF_INET6;
	CHECK_ERRNO(bind(q, SA(lo)), EAFNOSUPPORT);
}

CASE(ping_connect_and_disconnect) {
	ping_network();
	int p = sock(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	struct sockaddr_in lo2 = v4("127.0.0.2", 5), a;
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	socklen_t n = sizeof a;
	struct icmphdr h = echo(1, 9), got;
	CHECK(connect(p, SA(lo2)) == 0);
	CHECK(name_of(p, &a) != 0);
	CHECK_EQ(a.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK(getpeername(p, (void *)&a, &n) == 0);
	CHECK_EQ(a.sin_port, htons(5));
	CHECK_EQ(send(p, &h, sizeof h, 0), sizeof h);
	CHECK_EQ(recv(p, &got, sizeof got, 0), sizeof got);
	CHECK(connect(p, SA(none)) == 0);
	CHECK_EQ(name_of(p, &a), 0);
	CHECK_EQ(a.sin_addr.s_addr, 0);
	CHECK_ERRNO(getpeername(p, (void *)&a, &n), ENOTCONN);
}

CASE(ping_tells_the_time_to_live) {
	ping_network();
	int p = sock(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), ttl = -1;
	struct sockaddr_in lo = v4("127.0.0.1", 0);
	struct icmphdr h = echo(1, 1);
	char control[100];
	struct iovec iov = {buf, sizeof buf};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	CHECK(setsockopt(p, IPPROTO_IP, IP_RECVTTL, &one, 4) == 0);
	CHECK(setsockopt(p, IPPROTO_IP, IP_RECVERR, &one, 4) == 0);
	CHECK(setsockopt(p, IPPROTO_IP, IP_RETOPTS, &one, 4) == 0);
	CHECK(setsockopt(p, IPPROTO_IP, IP_TTL, &(int){3}, 4) == 0);
	CHECK_EQ(sendto(p, &h, sizeof h, 0, SA(lo)), sizeof h);
	CHECK_EQ(recvmsg(p, &m, 0), sizeof h);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) memcpy(&ttl, CMSG_DATA(c), 4);
	CHECK_EQ(ttl, 64);
}

// ---- raw sockets

CASE(raw_sockets_and_their_protocols) {
	network();
	int v;
	socklen_t n = sizeof v;
	CHECK_ERRNO(socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
	CHECK_ERRNO(socket(AF_INET6, SOCK_RAW, 0), EPROTONOSUPPORT);
	CHECK_ERRNO(socket(AF_INET, SOCK_RAW, 300), EINVAL);
	CHECK_ERRNO(socket(AF_INET, SOCK_RAW, -1), EINVAL);
	CHECK_ERRNO(socket(AF_INET, SOCK_STREAM, 300), EINVAL);
	close(sock(AF_INET, SOCK_RAW, 256));
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	CHECK(getsockopt(r, SOL_SOCKET, SO_TYPE, &v, &n) == 0);
	CHECK_EQ(v, SOCK_RAW);
	CHECK(getsockopt(r, SOL_SOCKET, SO_PROTOCOL, &v, &n) == 0);
	CHECK_EQ(v, IPPROTO_ICMP);
	CHECK_ERRNO(listen(r, 1), EOPNOTSUPP);
	CHECK_ERRNO(accept(r, 0, 0), EOPNOTSUPP);
	CHECK_ERRNO(shutdown(r, SHUT_WR), ENOTCONN);
}

CASE(raw_needs_a_capability) {
	network();
	CHECK(setuid(1000) == 0);
	CHECK_ERRNO(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
	CHECK_ERRNO(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), EPERM);
	CHECK_ERRNO(socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
}

CASE(raw_icmp_sees_the_request_and_the_reply) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct sockaddr_in lo = v4("127.0.0.1", 77), from;
	socklen_t n = sizeof from;
	struct icmphdr h = echo(1, 2), *got = (void *)(buf + 20);
	struct iphdr *ip = (void *)buf;
	CHECK_EQ(sendto(r, &h, sizeof h, 0, SA(lo)), sizeof h);
	CHECK_EQ(recvfrom(r, buf, sizeof buf, 0, (void *)&from, &n), 28);
	CHECK_EQ(got->type, ICMP_ECHO);
	CHECK_EQ(ip->version, 4);
	CHECK_EQ(ip->ihl, 5);
	CHECK_EQ(ip->tot_len, htons(28));
	CHECK_EQ(ip->ttl, 64);
	CHECK_EQ(ip->protocol, IPPROTO_ICMP);
	CHECK_EQ(ip->frag_off, htons(IP_DF));
	CHECK_EQ(sum(buf, 20, 0), 0xffff);
	CHECK_EQ(ip->saddr, htonl(INADDR_LOOPBACK));
	CHECK_EQ(from.sin_port, 0);
	CHECK_EQ(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 28);
	CHECK_EQ(got->type, ICMP_ECHOREPLY);
	CHECK_EQ(got->un.echo.id, h.un.echo.id);
	CHECK_EQ(sum(got, 8, 0), 0xffff);
	CHECK_EQ(ip->frag_off, 0);
	NOTHING(r);
}

CASE(raw_icmp_with_a_bad_checksum_is_not_answered) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct sockaddr_in lo = v4("127.0.0.1", 0);
	struct icmphdr h = echo(1, 2);
	h.checksum ^= 1;
	CHECK_EQ(sendto(r, &h, sizeof h, 0, SA(lo)), sizeof h);
	CHECK_EQ(sendto(r, &h, 3, 0, SA(lo)), 3); // too short even for raw sockets
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 28);
	NOTHING(r);
}

CASE(raw_names_have_the_protocol_for_a_port) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct sockaddr_in lo = v4("127.0.0.1", 77), a;
	socklen_t n = sizeof a;
	CHECK_EQ(name_of(r, &a), IPPROTO_ICMP);
	CHECK_ERRNO(getpeername(r, (void *)&a, &n), ENOTCONN);
	CHECK(connect(r, SA(lo)) == 0);
	CHECK_EQ(name_of(r, &a), IPPROTO_ICMP);
	CHECK_EQ(a.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK(getpeername(r, (void *)&a, &n) == 0);
	CHECK_EQ(a.sin_port, htons(77));
	r = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	lo.sin_port = 0;
	CHECK(connect(r, SA(lo)) == 0);
	CHECK_ERRNO(getpeername(r, (void *)&a, &n), ENOTCONN);
}

CASE(raw_bind_may_be_repeated_and_filters) {
	network();
	int r = sock(AF_INET, SOCK_RAW, 200), s = sock(AF_INET, SOCK_RAW, 200);
	struct sockaddr_in lo = v4("127.0.0.1", 7), lo2 = v4("127.0.0.2", 7), far = v4("8.8.8.8", 0), a;
	CHECK(bind(r, SA(lo)) == 0);
	CHECK(bind(r, SA(lo2)) == 0);
	CHECK_EQ(name_of(r, &a), 200);
	CHECK_EQ(a.sin_addr.s_addr, lo2.sin_addr.s_addr);
	CHECK_ERRNO(bind(r, SA(far)), EADDRNOTAVAIL);
	CHECK_ERRNO(bind(r, (void *)&lo, 8), EINVAL);
	CHECK_EQ(sendto(s, "one", 3, 0, SA(lo)), 3);
	CHECK_EQ(sendto(s, "second", 6, 0, SA(lo2)), 6);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 26);
	NOTHING(r);
	CHECK_EQ(recv(s, buf, sizeof buf, 0), 23);
	CHECK_EQ(recv(s, buf, sizeof buf, 0), 26);
}

CASE(raw_connect_filters_by_source) {
	network();
	int r = sock(AF_INET, SOCK_RAW, 200), s = sock(AF_INET, SOCK_RAW, 200);
	struct sockaddr_in lo = v4("127.0.0.1", 7), lo2 = v4("127.0.0.2", 7);
	CHECK(connect(r, SA(lo2)) == 0);
	CHECK_EQ(sendto(s, "no", 2, 0, SA(lo)), 2);
	NOTHING(r);
	CHECK(bind(s, SA(lo2)) == 0);
	CHECK_EQ(sendto(s, "yes", 3, 0, SA(lo)), 3);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 23);
	CHECK_EQ(send(r, "to2", 3, 0), 3);
	CHECK_EQ(recv(s, buf, sizeof buf, 0), 22);
	CHECK_EQ(recv(s, buf, sizeof buf, 0), 23);
	CHECK_EQ(((struct iphdr *)buf)->daddr, lo2.sin_addr.s_addr);
}

CASE(raw_disconnected_hears_nothing) {
	network();
	int r = sock(AF_INET, SOCK_RAW, 200), s = sock(AF_INET, SOCK_RAW, 200);
	struct sockaddr_in lo = v4("127.0.0.1", 7), a;
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	CHECK(connect(r, SA(lo)) == 0);
	CHECK(connect(r, SA(none)) == 0);
	CHECK_EQ(name_of(r, &a), 0);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(lo)), 1);
	NOTHING(r);
	CHECK_EQ(recv(s, buf, sizeof buf, 0), 21);
}

CASE(raw_send_errors) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct sockaddr_in lo = v4("127.0.0.1", 0), far = v4("8.8.8.8", 0);
	CHECK_ERRNO(send(r, "x", 1, 0), EDESTADDRREQ);
	CHECK_ERRNO(sendto(r, "x", 1, 0, SA(lo)), EFAULT); // no type and code
	CHECK_ERRNO(sendto(r, "xy", 2, 0, SA(far)), ENETUNREACH);
	CHECK_ERRNO(connect(r, SA(far)), ENETUNREACH);
	CHECK_ERRNO(sendto(r, "x", 1, MSG_OOB, SA(lo)), EOPNOTSUPP);
	CHECK_ERRNO(recv(r, buf, 1, MSG_OOB), EOPNOTSUPP);
	CHECK_ERRNO(sendto(r, "x", 1, 0, (void *)&lo, 8), EINVAL);
	CHECK_ERRNO(sendto(r, buf, 65536, 0, SA(lo)), EMSGSIZE);
	CHECK_ERRNO(sendto(r, buf, 65516, 0, SA(lo)), EMSGSIZE);
	CHECK_EQ(sendto(r, buf, 65515, 0, SA(lo)), 65515);
	lo.sin_family = AF_INET6;
	CHECK_ERRNO(sendto(r, "x", 1, 0, SA(lo)), EAFNOSUPPORT);
	CHECK_ERRNO(connect(r, SA(lo)), EAFNOSUPPORT);
}

CASE(icmp_filter_drops_types) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP), u = sock(AF_INET, SOCK_RAW, IPPROTO_UDP), f;
	struct sockaddr_in lo = v4("127.0.0.1", 0);
	struct icmphdr h = echo(1, 2);
	socklen_t n = sizeof f;
	CHECK(getsockopt(r, SOL_RAW, 1 /* ICMP_FILTER */, &f, &n) == 0);
	CHECK_EQ(f, 0);
	f = 1 << ICMP_ECHO;
	CHECK(setsockopt(r, SOL_RAW, 1 /* ICMP_FILTER */, &f, sizeof f) == 0);
	f = 0, n = 2;
	CHECK(getsockopt(r, SOL_RAW, 1 /* ICMP_FILTER */, &f, &n) == 0);
	CHECK_EQ(n, 2);
	CHECK_EQ(f, 1 << ICMP_ECHO);
	CHECK_EQ(sendto(r, &h, sizeof h, 0, SA(lo)), sizeof h);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 28);
	CHECK_EQ(buf[20], ICMP_ECHOREPLY);
	NOTHING(r);
	CHECK_ERRNO(setsockopt(u, SOL_RAW, 1 /* ICMP_FILTER */, &f, sizeof f), EOPNOTSUPP);
	CHECK_ERRNO(setsockopt(r, SOL_RAW, 2, &f, sizeof f), ENOPROTOOPT);
}

CASE(raw_udp_gets_copies_of_datagrams) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_UDP), s = sock(AF_INET, SOCK_DGRAM, 0), d = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 5000), name;
	struct udphdr *h = (void *)(buf + 20);
	CHECK(bind(d, SA(lo)) == 0);
	CHECK_EQ(sendto(s, "hello", 5, 0, SA(lo)), 5);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 33);
	CHECK_EQ(ntohs(h->source), name_of(s, &name));
	CHECK_EQ(ntohs(h->dest), 5000);
	CHECK_EQ(ntohs(h->len), 13);
	CHECK(memcmp(buf + 28, "hello", 5) == 0);
	CHECK_EQ(((struct iphdr *)buf)->frag_off, htons(IP_DF));
	CHECK_EQ(sum(buf, 20, 0), 0xffff);
	CHECK_EQ(recv(d, buf, sizeof buf, 0), 5);
	NOTHING(r);
}

CASE(raw_udp_reaches_a_port) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_UDP), d = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 5000), to = v4("127.0.0.1", 0), from;
	socklen_t n = sizeof from;
	struct { struct udphdr h; char text[4]; } m = {{.source = htons(99), .dest = htons(5000), .len = htons(12)}, "abcd"};
	CHECK(bind(d, SA(lo)) == 0);
	CHECK_EQ(sendto(r, &m, 12, 0, SA(to)), 12);
	CHECK_EQ(recvfrom(d, buf, sizeof buf, 0, (void *)&from, &n), 4);
	CHECK_EQ(from.sin_port, htons(99));
	CHECK(memcmp(buf, "abcd", 4) == 0);
	m.h.check = htons(1); // wrong
	CHECK_EQ(sendto(r, &m, 12, 0, SA(to)), 12);
	m.h.check = 0, m.h.len = htons(13); // too long
	CHECK_EQ(sendto(r, &m, 12, 0, SA(to)), 12);
	m.h.len = htons(10); // shorter than what is there
	CHECK_EQ(sendto(r, &m, 12, 0, SA(to)), 12);
	CHECK_EQ(recv(d, buf, sizeof buf, 0), 2);
	NOTHING(d);
}

CASE(raw_icmp_sees_that_a_port_is_closed) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP), s = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 9), name;
	CHECK(connect(s, SA(lo)) == 0);
	CHECK_EQ(send(s, "hello", 5, 0), 5);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 20 + 8 + 33);
	CHECK_EQ(buf[1], 0xc0);
	CHECK_EQ(buf[20], ICMP_DEST_UNREACH);
	CHECK_EQ(buf[21], ICMP_PORT_UNREACH);
	CHECK_EQ(sum(buf + 20, 41, 0), 0xffff);
	CHECK_EQ(ntohs(((struct udphdr *)(buf + 48))->source), name_of(s, &name));
	CHECK(memcmp(buf + 56, "hello", 5) == 0);
	CHECK_ERRNO(send(s, "x", 1, 0), ECONNREFUSED);
}

CASE(raw_icmp_sees_that_a_protocol_is_unknown) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_ICMP), s = sock(AF_INET, SOCK_RAW, IPPROTO_RAW), k = sock(AF_INET, SOCK_RAW, 200);
	struct sockaddr_in lo = v4("127.0.0.1", 0);
	unsigned char p[24] = {0x45, 0, 0, 0, 0, 0, 0, 0, 9, 201, 0, 0, 0, 0, 0, 0, 127, 0, 0, 1, 'a', 'b', 'c', 'd'};
	CHECK_EQ(sendto(s, p, 24, 0, SA(lo)), 24);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 52);
	CHECK_EQ(buf[20], ICMP_DEST_UNREACH);
	CHECK_EQ(buf[21], ICMP_PROT_UNREACH);
	p[9] = 200; // one that a socket takes
	CHECK_EQ(sendto(s, p, 24, 0, SA(lo)), 24);
	NOTHING(r);
	CHECK_EQ(recv(k, buf, sizeof buf, 0), 24);
}

CASE(raw_hdrincl_fills_in_the_header) {
	network();
	int s = sock(AF_INET, SOCK_RAW, IPPROTO_RAW), k = sock(AF_INET, SOCK_RAW, 200), v;
	struct sockaddr_in lo = v4("127.0.0.1", 0), from;
	struct iphdr *ip = (void *)buf;
	socklen_t n = sizeof v;
	unsigned char p[24] = {0x45, 0, 9, 9, 0, 0, 0, 0, 9, 200, 3, 3, 0, 0, 0, 0, 127, 0, 0, 1, 'a', 'b', 'c', 'd'};
	CHECK(getsockopt(s, IPPROTO_IP, IP_HDRINCL, &v, &n) == 0);
	CHECK_EQ(v, 1);
	CHECK_EQ(sendto(s, p, 24, 0, SA(lo)), 24);
	CHECK_EQ(recv(k, buf, sizeof buf, 0), 24);
	CHECK_EQ(ip->tot_len, htons(24));
	CHECK(ip->id != 0);
	CHECK_EQ(ip->ttl, 9);
	CHECK_EQ(ip->saddr, htonl(INADDR_LOOPBACK));
	CHECK_EQ(sum(buf, 20, 0), 0xffff);
	p[12] = 1, p[13] = 2, p[14] = 3, p[15] = 4; // whoever it says
	CHECK_EQ(sendto(s, p, 24, 0, SA(lo)), 24);
	n = sizeof from;
	CHECK_EQ(recvfrom(k, buf, sizeof buf, 0, (void *)&from, &n), 24);
	CHECK_EQ(from.sin_addr.s_addr, inet_addr("1.2.3.4"));
	CHECK_ERRNO(sendto(s, p, 19, 0, SA(lo)), EINVAL);
	p[0] = 0x4f;
	CHECK_ERRNO(sendto(s, p, 24, 0, SA(lo)), EINVAL);
	p[0] = 0x65; // sent, and nobody's
	CHECK_EQ(sendto(s, p, 24, 0, SA(lo)), 24);
	NOTHING(k);
	NOTHING(s);
}

CASE(raw_hdrincl_is_an_option_of_raw_sockets) {
	network();
	int s = sock(AF_INET, SOCK_DGRAM, 0), k = sock(AF_INET, SOCK_RAW, 200), v;
	struct sockaddr_in lo = v4("127.0.0.1", 0);
	socklen_t n = sizeof v;
	CHECK_ERRNO(setsockopt(s, IPPROTO_IP, IP_HDRINCL, &one, 4), ENOPROTOOPT);
	CHECK(getsockopt(k, IPPROTO_IP, IP_HDRINCL, &v, &n) == 0);
	CHECK_EQ(v, 0);
	CHECK(setsockopt(k, IPPROTO_IP, IP_HDRINCL, &one, 4) == 0);
	CHECK_ERRNO(sendto(k, "abc", 3, 0, SA(lo)), EINVAL);
}

CASE(raw_tcp_sees_a_connection) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_TCP), l = sock(AF_INET, SOCK_STREAM, 0), c = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 5000), name;
	struct tcphdr *h = (void *)(buf + 20);
	CHECK(bind(l, SA(lo)) == 0 && listen(l, 1) == 0);
	CHECK(connect(c, SA(lo)) == 0);
	CHECK(recv(r, buf, sizeof buf, 0) >= 40);
	CHECK(h->syn && !h->ack);
	CHECK_EQ(ntohs(h->source), name_of(c, &name));
	CHECK_EQ(ntohs(h->dest), 5000);
	uint32_t seq = ntohl(h->seq);
	CHECK(recv(r, buf, sizeof buf, 0) >= 40);
	CHECK(h->syn && h->ack);
	CHECK_EQ(ntohl(h->ack_seq), seq + 1);
	CHECK(recv(r, buf, sizeof buf, 0) >= 40);
	CHECK(!h->syn && h->ack);
	CHECK_EQ(write(c, "hello", 5), 5);
	ssize_t n = recv(r, buf, sizeof buf, 0);
	CHECK(h->psh && h->ack);
	CHECK_EQ(ntohl(h->seq), seq + 1);
	CHECK_EQ(n - 20 - 4 * h->doff, 5);
	CHECK(memcmp(buf + n - 5, "hello", 5) == 0);
	int s = accept(l, 0, 0);
	CHECK_EQ(read(s, buf, 10), 5);
	close(c);
	do CHECK(recv(r, buf, sizeof buf, 0) >= 40); while (!h->fin);
	CHECK_EQ(ntohl(h->seq), seq + 6);
	CHECK_EQ(read(s, buf, 10), 0);
}

CASE(raw_tcp_sees_a_refusal) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_TCP), c = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 9);
	struct tcphdr *h = (void *)(buf + 20);
	CHECK_ERRNO(connect(c, SA(lo)), ECONNREFUSED);
	CHECK(recv(r, buf, sizeof buf, 0) >= 40);
	CHECK(h->syn && !h->ack);
	uint32_t seq = ntohl(h->seq);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 40);
	CHECK(h->rst && h->ack);
	CHECK_EQ(ntohl(h->ack_seq), seq + 1);
}

CASE(raw_tcp_does_not_spoil_much_data) {
	network();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_TCP), l = sock(AF_INET, SOCK_STREAM, 0), c = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 5000);
	static unsigned char big[6 << 20];
	for (size_t i = 0; i < sizeof big; i++) big[i] = i * 31 + i / 4096;
	CHECK(bind(l, SA(lo)) == 0 && listen(l, 1) == 0);
	CHECK(connect(c, SA(lo)) == 0);
	int s = accept(l, 0, 0);
	pid_t pid = fork();
	if (pid == 0) _exit(write(c, big, sizeof big) != sizeof big);
	close(c);
	size_t n = 0;
	for (ssize_t k; (k = read(s, buf, sizeof buf)) > 0; n += k) CHECK(memcmp(buf, big + n, k) == 0);
	CHECK_EQ(n, sizeof big);
	CHECK_CHILD(pid, 0);
	close(r);
}

CASE(raw_proc_lists_sockets) {
	network();
	int r = sock(AF_INET, SOCK_RAW, 200), r6 = sock(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	struct sockaddr_in lo = v4("127.0.0.2", 0);
	CHECK(bind(r, SA(lo)) == 0);
	int fd = open("/proc/net/raw", O_RDONLY);
	ssize_t n = read(fd, buf, 2000);
	CHECK(n > 0);
	buf[n] = 0;
	CHECK(strncmp((char *)buf, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n", 110) == 0);
	CHECK(strstr((char *)buf, ": 0200007F:00C8 00000000:0000 07 00000000:00000000 "));
	fd = open("/proc/net/raw6", O_RDONLY);
	n = read(fd, buf, 2000);
	CHECK(n > 0);
	buf[n] = 0;
	CHECK(strstr((char *)buf, ": 00000000000000000000000000000000:003A 00000000000000000000000000000000:0000 07 "));
	close(r6);
}

CASE(raw_ioctls_tell_what_waits) {
	network();
	int r = sock(AF_INET, SOCK_RAW, 200), n = -1;
	struct sockaddr_in lo = v4("127.0.0.1", 0);
	CHECK(ioctl(r, FIONREAD, &n) == 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(sendto(r, "abc", 3, 0, SA(lo)), 3);
	CHECK_EQ(soon(r), 1);
	CHECK(ioctl(r, FIONREAD, &n) == 0);
	CHECK_EQ(n, 23);
	CHECK_EQ(recv(r, buf, 10, MSG_PEEK | MSG_TRUNC), 23);
	CHECK_EQ(recv(r, buf, 10, 0), 10);
	NOTHING(r);
}

// ---- raw sockets of IPv6

CASE(raw6_icmp_has_no_header_and_a_checksum) {
	network();
	int r = sock(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	struct sockaddr_in6 lo = v6("::1", 0), from;
	socklen_t n = sizeof from;
	struct icmp6_hdr h = {.icmp6_type = ICMP6_ECHO_REQUEST}, got;
	h.icmp6_id = htons(1), h.icmp6_seq = htons(2);
	CHECK_EQ(sendto(r, &h, sizeof h, 0, SA(lo)), sizeof h);
	CHECK_EQ(recvfrom(r, &got, sizeof got, 0, (void *)&from, &n), 8);
	CHECK_EQ(got.icmp6_type, ICMP6_ECHO_REQUEST);
	CHECK(got.icmp6_cksum != 0);
	CHECK_EQ(from.sin6_port, 0);
	CHECK(IN6_IS_ADDR_LOOPBACK(&from.sin6_addr));
	CHECK_EQ(recv(r, &got, sizeof got, 0), 8);
	CHECK_EQ(got.icmp6_type, ICMP6_ECHO_REPLY);
	CHECK_EQ(got.icmp6_seq, h.icmp6_seq);
	CHECK_ERRNO(sendto(r, &h, 3, 0, SA(lo)), EINVAL);
}

CASE(raw6_port_names_the_protocol) {
	network();
	int r = sock(AF_INET6, SOCK_RAW, 150), any = sock(AF_INET6, SOCK_RAW, IPPROTO_RAW);
	struct sockaddr_in6 lo = v6("::1", 7), mapped = v6("::ffff:127.0.0.1", 0);
	struct sockaddr_in lo4 = v4("127.0.0.1", 0);
	CHECK_ERRNO(sendto(r, "abc", 3, 0, SA(lo)), EINVAL);
	lo.sin6_port = htons(150);
	CHECK_EQ(sendto(r, "abc", 3, 0, SA(lo)), 3);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 3);
	CHECK(setsockopt(any, IPPROTO_IPV6, 36 /* IPV6_HDRINCL */, &zero, 4) == 0);
	CHECK_EQ(sendto(any, "abcd", 4, 0, SA(lo)), 4);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 4);
	lo.sin6_port = htons(256);
	CHECK_ERRNO(sendto(any, "abcd", 4, 0, SA(lo)), EINVAL);
	CHECK_ERRNO(bind(r, SA(mapped)), EADDRNOTAVAIL);
	CHECK_ERRNO(bind(r, SA(lo4)), EINVAL);
	CHECK_ERRNO(sendto(r, "abc", 3, 0, SA(mapped)), ENETUNREACH);
	CHECK_ERRNO(sendto(r, "abc", 3, 0, SA(lo4)), EINVAL);
}

CASE(raw6_hdrincl_sends_a_whole_packet) {
	network();
	int r = sock(AF_INET6, SOCK_RAW, 150), s = sock(AF_INET6, SOCK_RAW, IPPROTO_RAW), v;
	struct sockaddr_in6 lo = v6("::1", 0);
	socklen_t n = sizeof v;
	unsigned char p[43] = {0x60, 0, 0, 0, 0, 3, 150, 9, [23] = 1, [39] = 1, 'a', 'b', 'c'};
	CHECK(getsockopt(s, IPPROTO_IPV6, 36, &v, &n) == 0);
	CHECK_EQ(v, 1);
	CHECK_EQ(sendto(s, p, 43, 0, SA(lo)), 43);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 3);
	CHECK(memcmp(buf, "abc", 3) == 0);
	CHECK_ERRNO(sendto(s, p, 39, 0, SA(lo)), EINVAL);
}

CASE(raw6_icmp_filter) {
	network();
	int r = sock(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), k = sock(AF_INET6, SOCK_RAW, 150);
	struct sockaddr_in6 lo = v6("::1", 0);
	struct icmp6_hdr h = {.icmp6_type = ICMP6_ECHO_REQUEST}, got;
	struct icmp6_filter f;
	socklen_t n = sizeof f;
	CHECK(getsockopt(r, IPPROTO_ICMPV6, ICMP6_FILTER, &f, &n) == 0);
	CHECK_EQ(n, 32);
	CHECK(ICMP6_FILTER_WILLPASS(1, &f));
	ICMP6_FILTER_SETBLOCKALL(&f);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &f);
	CHECK(setsockopt(r, IPPROTO_ICMPV6, ICMP6_FILTER, &f, sizeof f) == 0);
	CHECK_EQ(sendto(r, &h, sizeof h, 0, SA(lo)), sizeof h);
	CHECK_EQ(recv(r, &got, sizeof got, 0), 8);
	CHECK_EQ(got.icmp6_type, ICMP6_ECHO_REPLY);
	NOTHING(r);
	CHECK_ERRNO(setsockopt(k, IPPROTO_ICMPV6, ICMP6_FILTER, &f, sizeof f), EOPNOTSUPP);
	CHECK_ERRNO(setsockopt(r, IPPROTO_ICMPV6, 2, &f, sizeof f), ENOPROTOOPT);
}

CASE(raw6_checksum_option) {
	network();
	int r = sock(AF_INET6, SOCK_RAW, 150), i = sock(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), s = sock(AF_INET6, SOCK_RAW, 150), v;
	struct sockaddr_in6 lo = v6("::1", 0);
	socklen_t n = sizeof v;
	CHECK(getsockopt(r, IPPROTO_IPV6, IPV6_CHECKSUM, &v, &n) == 0);
	CHECK_EQ(v, -1);
	CHECK_ERRNO(setsockopt(r, IPPROTO_IPV6, IPV6_CHECKSUM, &(int){5}, 4), EINVAL);
	CHECK(setsockopt(r, IPPROTO_IPV6, IPV6_CHECKSUM, &(int){2}, 4) == 0);
	CHECK_EQ(sendto(r, "\1\2\0\0", 4, 0, SA(lo)), 4);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 4);
	CHECK_EQ(buf[2] << 8 | buf[3], 0xfe61);
	CHECK_ERRNO(sendto(r, "\1\2\0", 3, 0, SA(lo)), EINVAL);
	CHECK_EQ(sendto(s, "\1\2\0\0", 4, 0, SA(lo)), 4); // wrong: r does not get it
	NOTHING(r);
	CHECK_EQ(recv(s, buf, sizeof buf, 0), 4);
	CHECK_EQ(buf[2] << 8 | buf[3], 0xfe61);
	CHECK_EQ(recv(s, buf, sizeof buf, 0), 4);
	CHECK_EQ(buf[2] << 8 | buf[3], 0);
	CHECK(setsockopt(r, IPPROTO_IPV6, IPV6_CHECKSUM, &(int){-1}, 4) == 0);
	CHECK(getsockopt(i, IPPROTO_IPV6, IPV6_CHECKSUM, &v, &n) == 0);
	CHECK_EQ(v, 2);
	CHECK_ERRNO(setsockopt(i, IPPROTO_IPV6, IPV6_CHECKSUM, &(int){4}, 4), EINVAL);
	CHECK_ERRNO(setsockopt(sock(AF_INET6, SOCK_DGRAM, 0), IPPROTO_IPV6, IPV6_CHECKSUM, &v, 4), ENOPROTOOPT);
}

CASE(raw6_icmp_sees_errors) {
	network();
	int r = sock(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), u = sock(AF_INET6, SOCK_DGRAM, 0), s = sock(AF_INET6, SOCK_RAW, IPPROTO_RAW);
	struct sockaddr_in6 lo = v6("::1", 9);
	CHECK_EQ(sendto(u, "hello", 5, 0, SA(lo)), 5);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 8 + 40 + 13);
	CHECK_EQ(buf[0], ICMP6_DST_UNREACH);
	CHECK_EQ(buf[1], ICMP6_DST_UNREACH_NOPORT);
	CHECK_EQ(buf[8] >> 4, 6);
	CHECK_EQ(buf[8 + 6], IPPROTO_UDP);
	CHECK(memcmp(buf + 56, "hello", 5) == 0);
	CHECK(setsockopt(s, IPPROTO_IPV6, 36, &zero, 4) == 0);
	lo.sin6_port = htons(151);
	CHECK_EQ(sendto(s, "abcd", 4, 0, SA(lo)), 4);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 52);
	CHECK_EQ(buf[0], ICMP6_PARAM_PROB);
	CHECK_EQ(buf[1], ICMP6_PARAMPROB_NEXTHEADER);
	CHECK_EQ(buf[7], 6);
}

MAIN()
