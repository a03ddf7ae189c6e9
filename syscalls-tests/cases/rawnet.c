// Raw sockets, ping sockets, multicast and broadcast, on a network of one's own that has nothing but
// the loopback interface.
#include "case.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define SA(a) (void *)&(a), sizeof(a)

// network makes the network: where there are no others, it is as it should be.
static void network(void) {
	if (unshare(CLONE_NEWNET) == 0) {
		struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP};
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		CHECK(ioctl(fd, SIOCSIFFLAGS, &r) == 0);
		close(fd);
	}
}

static int ping_groups(const char *v) {
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY);
	CHECK(fd >= 0);
	int ok = write(fd, v, strlen(v)) == (ssize_t)strlen(v);
	close(fd);
	return ok;
}

static void ping_network(void) {
	network();
	CHECK(ping_groups("0 2147483647"));
}

static struct sockaddr_in v4(const char *ip, int port) {
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(ip)};
}

static struct sockaddr_in6 v6(const char *ip, int port) {
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	CHECK(inet_pton(AF_INET6, ip, &a.sin6_addr) == 1);
	return a;
}

static uint16_t sum(const void *b, size_t n, uint32_t s) {
	const uint8_t *p = b;
	for (size_t i = 0; i < n; i++) s += i & 1 ? p[i] : p[i] << 8;
	while (s >> 16) s = (s & 0xffff) + (s >> 16);
	return s;
}

static int sock(int family, int type, int protocol) {
	int fd = socket(family, type, protocol);
	CHECK(fd >= 0);
	return fd;
}

static struct icmphdr echo(int id, int seq) {
	struct icmphdr h = {.type = ICMP_ECHO, .un.echo.id = htons(id), .un.echo.sequence = htons(seq)};
	h.checksum = htons(~sum(&h, sizeof h, 0));
	return h;
}

static int name_of(int fd, struct sockaddr_in *a) {
	socklen_t n = sizeof *a;
	memset(a, 0, sizeof *a);
	CHECK(getsockname(fd, (void *)a, &n) == 0);
	return ntohs(a->sin_port);
}

static int soon(int fd) {
	struct pollfd p = {fd, POLLIN};
	return poll(&p, 1, 3000);
}

#define NOTHING(fd) CHECK_ERRNO(recv(fd, buf, sizeof buf, MSG_DONTWAIT), EAGAIN)
static unsigned char buf[70000];
static int one = 1, zero = 0;

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

// ---- multicast and broadcast

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

// ---- packet sockets

static struct sockaddr_ll ll(int protocol) {
	return (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = 1, .sll_halen = 6};
}

CASE(packet_sees_a_datagram_leave_and_arrive) {
	network();
	int a = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), i = sock(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	int z = sock(AF_PACKET, SOCK_RAW, 0), u = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 5000);
	struct sockaddr_ll from;
	socklen_t n = sizeof from;
	CHECK(bind(u, SA(lo)) == 0);
	CHECK_EQ(sendto(u, "hello", 5, 0, SA(lo)), 5);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 14 + 28 + 5);
	CHECK_EQ(n, sizeof from);
	CHECK_EQ(from.sll_family, AF_PACKET);
	CHECK_EQ(from.sll_protocol, htons(ETH_P_IP));
	CHECK_EQ(from.sll_ifindex, 1);
	CHECK_EQ(from.sll_hatype, 772);
	CHECK_EQ(from.sll_halen, 6);
	CHECK_EQ(from.sll_pkttype, PACKET_OUTGOING);
	CHECK(memcmp(buf, "\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\x45", 15) == 0);
	CHECK(memcmp(buf + 42, "hello", 5) == 0);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 47);
	CHECK_EQ(from.sll_pkttype, PACKET_HOST);
	NOTHING(a);
	CHECK_EQ(recvfrom(i, buf, sizeof buf, 0, (void *)&from, &n), 33);
	CHECK_EQ(from.sll_pkttype, PACKET_HOST);
	CHECK_EQ(buf[0], 0x45);
	NOTHING(i);
	NOTHING(z);
}

CASE(packet_sockets_and_their_names) {
	network();
	int a = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), v = -1;
	struct sockaddr_ll l = ll(ETH_P_IP), got;
	socklen_t n = sizeof got;
	CHECK_ERRNO(socket(AF_PACKET, SOCK_STREAM, 0), ESOCKTNOSUPPORT);
	CHECK(getsockname(a, (void *)&got, &n) == 0);
	CHECK_EQ(n, 12);
	CHECK_EQ(got.sll_protocol, htons(ETH_P_ALL));
	CHECK_EQ(got.sll_ifindex, 0);
	l.sll_ifindex = 9;
	CHECK_ERRNO(bind(a, SA(l)), ENODEV);
	CHECK_ERRNO(bind(a, (void *)&l, 10), EINVAL);
	l = ll(0);
	CHECK(bind(a, SA(l)) == 0);
	n = sizeof got;
	CHECK(getsockname(a, (void *)&got, &n) == 0);
	CHECK_EQ(n, 18);
	CHECK_EQ(got.sll_protocol, htons(ETH_P_ALL));
	CHECK_EQ(got.sll_hatype, 772);
	l.sll_family = AF_INET;
	CHECK_ERRNO(bind(a, SA(l)), EINVAL);
	CHECK_ERRNO(getpeername(a, (void *)&got, &n), EOPNOTSUPP);
	CHECK_ERRNO(connect(a, SA(l)), EOPNOTSUPP);
	CHECK_ERRNO(listen(a, 1), EOPNOTSUPP);
	CHECK_ERRNO(accept(a, 0, 0), EOPNOTSUPP);
	CHECK_ERRNO(shutdown(a, 2), EOPNOTSUPP);
	n = sizeof v;
	CHECK(getsockopt(a, SOL_SOCKET, SO_PROTOCOL, &v, &n) == 0);
	CHECK_EQ(v, 0);
	CHECK(setuid(1000) == 0);
	CHECK_ERRNO(socket(AF_PACKET, SOCK_RAW, 0), EPERM);
}

CASE(packet_frames_come_back) {
	network();
	int a = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), b = sock(AF_PACKET, SOCK_DGRAM, htons(0x88b5)), v;
	struct sockaddr_ll l = ll(0x88b5), from;
	socklen_t n = sizeof from;
	unsigned char f[20] = {[12] = 0x88, 0xb5, 1, 2, 3};
	CHECK_EQ(sendto(a, f, 20, 0, SA(l)), 20);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 20); // not its own as it leaves
	CHECK_EQ(from.sll_pkttype, PACKET_HOST);
	NOTHING(a);
	CHECK_EQ(recv(b, buf, sizeof buf, 0), 6);
	CHECK(memcmp(buf, "\1\2\3", 3) == 0);
	CHECK_EQ(sendto(b, "abcd", 4, 0, SA(l)), 4);
	CHECK(ioctl(a, FIONREAD, &v) == 0);
	CHECK_EQ(v, 18);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 18);
	CHECK_EQ(from.sll_pkttype, PACKET_OUTGOING);
	CHECK_EQ(buf[12] << 8 | buf[13], 0x88b5);
	CHECK_EQ(recv(a, buf, sizeof buf, 0), 18);
	f[0] = 2;
	CHECK_EQ(sendto(a, f, 20, 0, SA(l)), 20);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 20);
	CHECK_EQ(from.sll_pkttype, PACKET_OTHERHOST);
	memset(f, 255, 6);
	CHECK_EQ(sendto(a, f, 20, 0, SA(l)), 20);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 20);
	CHECK_EQ(from.sll_pkttype, PACKET_MULTICAST); // the loopback has no address for broadcasts
}

CASE(packet_send_errors) {
	network();
	int a = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	struct sockaddr_ll l = ll(0x88b5);
	struct sockaddr_in lo = v4("127.0.0.1", 0);
	CHECK_ERRNO(send(a, buf, 20, 0), ENXIO);
	CHECK_ERRNO(sendto(a, buf, 20, 0, SA(lo)), EINVAL);
	CHECK_ERRNO(sendto(a, buf, 13, 0, SA(l)), EINVAL);
	CHECK_EQ(sendto(a, buf, 14, 0, SA(l)), 14);
	l.sll_ifindex = 9;
	CHECK_ERRNO(sendto(a, buf, 20, 0, SA(l)), ENXIO);
	l = ll(ETH_P_ALL);
	CHECK(bind(a, SA(l)) == 0);
	CHECK_EQ(send(a, buf, 20, 0), 20);
	CHECK_EQ(send(a, buf, 65536 + 14, 0), 65536 + 14);
	CHECK_ERRNO(send(a, buf, 65536 + 15, 0), EMSGSIZE);
}

CASE(packet_frames_of_the_loopback_address_are_forgeries) {
	network();
	int a = sock(AF_PACKET, SOCK_DGRAM, 0), u = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_ll l = ll(ETH_P_IP);
	struct sockaddr_in lo = v4("127.0.0.1", 9);
	unsigned char f[32] = {0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 7, 0, 9, 0, 12, 0, 0, 'a', 'b', 'c', 'd'};
	uint16_t s = ~sum(f, 20, 0);
	f[10] = s >> 8, f[11] = s;
	CHECK(bind(u, SA(lo)) == 0);
	CHECK_EQ(sendto(a, f, 32, 0, SA(l)), 32);
	NOTHING(u);
}

CASE(packet_options) {
	network();
	int a = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), u = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 5000);
	struct tpacket_stats st;
	struct packet_mreq m = {.mr_ifindex = 1, .mr_type = PACKET_MR_PROMISC};
	socklen_t n = sizeof st;
	char control[100];
	struct iovec iov = {buf, 20};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	CHECK(setsockopt(a, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK(setsockopt(a, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK_ERRNO(setsockopt(a, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, 4), EINVAL);
	m.mr_ifindex = 9;
	CHECK_ERRNO(setsockopt(a, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m), ENODEV);
	CHECK_ERRNO(setsockopt(a, SOL_PACKET, 99, &m, sizeof m), ENOPROTOOPT);
	CHECK_ERRNO(setsockopt(a, IPPROTO_IP, 1, &m, sizeof m), ENOPROTOOPT);
	CHECK(setsockopt(a, SOL_PACKET, PACKET_AUXDATA, &one, 4) == 0);
	CHECK(bind(u, SA(lo)) == 0);
	CHECK_EQ(sendto(u, "hello", 5, 0, SA(lo)), 5);
	CHECK_EQ(recvmsg(a, &h, 0), 20);
	CHECK(h.msg_flags & MSG_TRUNC);
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	CHECK(c && c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA);
	struct tpacket_auxdata *x = (void *)CMSG_DATA(c);
	CHECK_EQ(x->tp_len, 47);
	CHECK_EQ(x->tp_net, 14);
	CHECK(x->tp_status & TP_STATUS_USER);
	CHECK(getsockopt(a, SOL_PACKET, PACKET_STATISTICS, &st, &n) == 0);
	CHECK_EQ(st.tp_packets, 2);
	CHECK_EQ(st.tp_drops, 0);
	CHECK(getsockopt(a, SOL_PACKET, PACKET_STATISTICS, &st, &n) == 0);
	CHECK_EQ(st.tp_packets, 0);
	CHECK(setsockopt(a, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, 4) == 0);
	CHECK_EQ(recv(a, buf, sizeof buf, 0), 47);
	CHECK_EQ(sendto(u, "hello", 5, 0, SA(lo)), 5);
	CHECK_EQ(recv(a, buf, sizeof buf, 0), 47);
	NOTHING(a);
}

CASE(packet_sees_tcp_and_icmp6) {
	network();
	int a = sock(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP)), b = sock(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IPV6));
	int r = sock(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), c = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 9);
	struct sockaddr_in6 lo6 = v6("::1", 0);
	struct icmp6_hdr h = {.icmp6_type = ICMP6_ECHO_REQUEST};
	CHECK_ERRNO(connect(c, SA(lo)), ECONNREFUSED);
	CHECK(recv(a, buf, sizeof buf, 0) >= 40);
	CHECK_EQ(buf[9], IPPROTO_TCP);
	CHECK_EQ(recv(a, buf, sizeof buf, 0), 40);
	CHECK_EQ(sendto(r, &h, sizeof h, 0, SA(lo6)), sizeof h);
	CHECK_EQ(recv(b, buf, sizeof buf, 0), 48);
	CHECK_EQ(buf[0] >> 4, 6);
	CHECK_EQ(buf[6], IPPROTO_ICMPV6);
	CHECK_EQ(buf[40], ICMP6_ECHO_REQUEST);
	CHECK_EQ(recv(b, buf, sizeof buf, 0), 48);
	CHECK_EQ(buf[40], ICMP6_ECHO_REPLY);
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
