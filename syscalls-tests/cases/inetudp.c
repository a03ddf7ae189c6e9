// Datagrams of UDP: whom a socket talks to, what a receive tells, and options that change what is sent.
#include "rawnet.h"
#include <linux/sockios.h>
#include <sys/time.h>

static int bound(int port) {
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = v4("127.0.0.1", port);
	CHECK(bind(fd, SA(a)) == 0);
	return fd;
}

static int talk(int fd, int port) {
	struct sockaddr_in a = v4("127.0.0.1", port);
	return connect(fd, SA(a));
}

static ssize_t to(int fd, int port, const char *text, size_t n) {
	struct sockaddr_in a = v4("127.0.0.1", port);
	return sendto(fd, text, n, 0, SA(a));
}

static int pending(int fd) {
	int e = -1;
	socklen_t n = sizeof e;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) == 0);
	return e;
}

static int events(int fd) {
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0};
	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static char control[400];
static struct msghdr msg;
static struct sockaddr_storage from;

static ssize_t receive(int fd, size_t room, int flags) {
	static struct iovec v;
	v = (struct iovec){buf, room};
	msg = (struct msghdr){.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	return recvmsg(fd, &msg, flags);
}

static void *came(int level, int type) {
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == level && c->cmsg_type == type) return CMSG_DATA(c);
	return NULL;
}

// ---- whom a socket talks to

CASE(udp_connected_hears_of_nobody_else) {
	network();
	int a = bound(7700), b = bound(7701), c = bound(7702);
	CHECK(talk(a, 7701) == 0);
	CHECK_EQ(to(c, 7700, "other", 5), 5);
	NOTHING(a);
	CHECK_EQ(to(b, 7700, "peer", 4), 4);
	CHECK_EQ(recv(a, buf, 9, MSG_DONTWAIT), 4);
	CHECK_EQ(send(a, "x", 1, 0), 1);
	CHECK_EQ(recv(b, buf, 9, MSG_DONTWAIT), 1);
	CHECK_EQ(to(a, 7702, "yy", 2), 2); // still may
	CHECK_EQ(recv(c, buf, 9, MSG_DONTWAIT), 2);
}

CASE(udp_connect_again_and_to_nobody) {
	network();
	int a = bound(7703), b = bound(7704), c = bound(7705);
	CHECK(talk(a, 7704) == 0 && talk(a, 7705) == 0);
	CHECK_EQ(send(a, "x", 1, 0), 1);
	CHECK_EQ(recv(c, buf, 9, MSG_DONTWAIT), 1);
	NOTHING(b);
	struct sockaddr_in none = {.sin_family = AF_UNSPEC}, name;
	CHECK(connect(a, SA(none)) == 0);
	CHECK_ERRNO(send(a, "x", 1, 0), EDESTADDRREQ);
	CHECK_ERRNO(getpeername(a, (void *)&name, &(socklen_t){sizeof name}), ENOTCONN);
	CHECK_EQ(name_of(a, &name), 7703);
	int d = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(talk(d, 7704) == 0);
	CHECK(name_of(d, &name) != 0);
	CHECK_EQ(name.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK(connect(d, SA(none)) == 0);
	CHECK_EQ(name_of(d, &name), 0);
	CHECK_EQ(name.sin_addr.s_addr, 0);
}

CASE(udp_send_without_an_address) {
	network();
	CHECK_ERRNO(send(sock(AF_INET, SOCK_DGRAM, 0), "x", 1, 0), EDESTADDRREQ);
	CHECK_ERRNO(send(sock(AF_INET6, SOCK_DGRAM, 0), "x", 1, 0), EDESTADDRREQ);
	CHECK_ERRNO(write(sock(AF_INET, SOCK_DGRAM, 0), "x", 1), EDESTADDRREQ);
}

CASE(udp_send_errors) {
	network();
	int fd = sock(AF_INET, SOCK_DGRAM, 0), six = sock(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in a = v4("127.0.0.1", 7706), nil = v4("127.0.0.1", 0), all = v4("127.255.255.255", 7706), wrong = a;
	struct sockaddr_in6 b = v6("::1", 7706);
	CHECK_ERRNO(sendto(fd, "x", 1, 0, SA(nil)), EINVAL);
	CHECK_ERRNO(sendto(fd, "x", 1, 0, SA(all)), EACCES);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, 4) == 0);
	CHECK_EQ(sendto(fd, "x", 1, 0, SA(all)), 1);
	wrong.sin_family = AF_UNIX;
	CHECK_ERRNO(sendto(fd, "x", 1, 0, SA(wrong)), EAFNOSUPPORT);
	CHECK_ERRNO(sendto(fd, "x", 1, 0, SA(b)), EAFNOSUPPORT);
	CHECK_ERRNO(sendto(fd, "x", 1, 0, (void *)&a, 15), EINVAL);
	CHECK_ERRNO(sendto(fd, "x", 1, MSG_OOB, SA(a)), EOPNOTSUPP);
	CHECK_ERRNO(sendto(fd, buf, 65508, 0, SA(a)), EMSGSIZE);
	CHECK_ERRNO(sendto(fd, (void *)1, 5, 0, SA(a)), EFAULT);
	CHECK_EQ(sendto(six, "x", 1, 0, SA(a)), 1); // an IPv6 socket takes an address of IPv4
}

CASE(udp_the_largest_datagram) {
	network();
	int r = bound(7707), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(to(s, 7707, (char *)buf, 65507), 65507);
	CHECK_EQ(recv(r, buf, sizeof buf, 0), 65507);
}

CASE(udp_an_empty_datagram) {
	network();
	int r = bound(7708), s = sock(AF_INET, SOCK_DGRAM, 0), n = -1;
	CHECK_EQ(to(s, 7708, "", 0), 0);
	CHECK_EQ(events(r), POLLIN | POLLOUT);
	CHECK(ioctl(r, FIONREAD, &n) == 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(recv(r, buf, 9, MSG_DONTWAIT), 0);
	NOTHING(r);
}

// ---- errors

CASE(udp_refused_once_each) {
	network();
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(talk(fd, 7709) == 0);
	CHECK_EQ(send(fd, "x", 1, 0), 1);
	CHECK_EQ(events(fd), POLLOUT | POLLERR);
	CHECK_ERRNO(send(fd, "x", 1, 0), ECONNREFUSED);
	CHECK_EQ(events(fd), POLLOUT);
	CHECK_EQ(send(fd, "x", 1, 0), 1);
	CHECK_ERRNO(recv(fd, buf, 1, 0), ECONNREFUSED);
	CHECK_EQ(send(fd, "x", 1, 0), 1);
	CHECK_EQ(pending(fd), ECONNREFUSED);
	CHECK_EQ(pending(fd), 0);
	NOTHING(fd);
}

CASE(udp_unconnected_is_not_refused) {
	network();
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(to(fd, 7710, "x", 1), 1);
	CHECK_EQ(to(fd, 7710, "x", 1), 1);
	CHECK_EQ(pending(fd), 0);
}

CASE(udp_refused_before_what_came) {
	network();
	int a = bound(7711), b = bound(7712);
	CHECK(talk(a, 7712) == 0);
	CHECK_EQ(to(b, 7711, "first", 5), 5);
	close(b);
	CHECK_EQ(send(a, "x", 1, 0), 1);
	CHECK_ERRNO(recv(a, buf, 9, 0), ECONNREFUSED);
	CHECK_EQ(recv(a, buf, 9, 0), 5);
}

CASE(udp_shutdown) {
	network();
	int a = bound(7713), b = bound(7714);
	CHECK_ERRNO(shutdown(a, SHUT_RD), ENOTCONN);
	CHECK(talk(b, 7713) == 0);
	CHECK(shutdown(b, SHUT_WR) == 0);
	CHECK_ERRNO(send(b, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK(shutdown(b, SHUT_RD) == 0);
	CHECK_EQ(recv(b, buf, 9, 0), 0);
	CHECK_EQ(events(b), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	CHECK_ERRNO(shutdown(b, 3), EINVAL);
}

CASE(udp_what_it_cannot_do) {
	network();
	int fd = bound(7715);
	CHECK_ERRNO(listen(fd, 1), EOPNOTSUPP);
	CHECK_ERRNO(accept(fd, NULL, NULL), EOPNOTSUPP);
	CHECK_ERRNO(recv(fd, buf, 1, MSG_OOB | MSG_DONTWAIT), EAGAIN);
}

// ---- receiving

CASE(udp_truncation) {
	network();
	int r = bound(7716), s = sock(AF_INET, SOCK_DGRAM, 0);
	for (int i = 0; i < 4; i++) CHECK_EQ(to(s, 7716, "abcdef", 6), 6);
	CHECK_EQ(receive(r, 2, 0), 2);
	CHECK_EQ(msg.msg_flags, MSG_TRUNC);
	CHECK_EQ(receive(r, 2, MSG_TRUNC), 6);
	CHECK_EQ(msg.msg_flags, MSG_TRUNC);
	CHECK_EQ(receive(r, 2, MSG_TRUNC | MSG_PEEK), 6);
	CHECK_EQ(receive(r, 6, 0), 6);
	CHECK_EQ(msg.msg_flags, 0);
	CHECK_EQ(receive(r, 0, 0), 0);
	CHECK_EQ(msg.msg_flags, MSG_TRUNC);
	NOTHING(r);
}

CASE(udp_peek) {
	network();
	int r = bound(7717), s = sock(AF_INET, SOCK_DGRAM, 0), n;
	CHECK_EQ(to(s, 7717, "ab", 2), 2);
	CHECK_EQ(to(s, 7717, "cde", 3), 3);
	CHECK_EQ(recv(r, buf, 9, MSG_PEEK), 2);
	CHECK_EQ(recv(r, buf, 9, MSG_PEEK), 2);
	CHECK(ioctl(r, FIONREAD, &n) == 0);
	CHECK_EQ(n, 2); // of the next alone
	CHECK_EQ(recv(r, buf, 9, MSG_WAITALL), 2);
	CHECK_EQ(recv(r, buf, 9, 0), 3);
}

CASE(udp_waits_as_long_as_it_may) {
	network();
	int r = bound(7718);
	struct timeval tv = {0, 30000}, got;
	socklen_t n = sizeof got;
	CHECK(setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	CHECK(getsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &got, &n) == 0);
	CHECK(got.tv_sec == 0 && got.tv_usec >= 30000 && got.tv_usec < 45000);
	long long start = now_ms();
	CHECK_ERRNO(recv(r, buf, 9, 0), EAGAIN);
	CHECK(now_ms() - start >= 29);
	tv.tv_usec = 1000000;
	CHECK_ERRNO(setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), EDOM);
	CHECK_ERRNO(setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, 8), EINVAL);
}

CASE(udp_low_mark_does_not_count) {
	network();
	int r = bound(7719), s = sock(AF_INET, SOCK_DGRAM, 0), v = 100;
	CHECK(setsockopt(r, SOL_SOCKET, SO_RCVLOWAT, &v, 4) == 0);
	CHECK_EQ(to(s, 7719, "ab", 2), 2);
	CHECK_EQ(events(r), POLLIN | POLLOUT);
	CHECK_EQ(recv(r, buf, 9, 0), 2);
}

CASE(udp_names_of_senders) {
	network();
	int r = bound(7720), s = bound(7721);
	struct sockaddr_in a;
	socklen_t n = 6;
	CHECK_EQ(to(s, 7720, "ab", 2), 2);
	memset(&a, 0x55, sizeof a);
	CHECK_EQ(recvfrom(r, buf, 9, 0, (void *)&a, &n), 2);
	CHECK_EQ(n, 16);
	CHECK_EQ(ntohs(a.sin_port), 7721);
	CHECK_EQ(a.sin_addr.s_addr >> 16, 0x5555);
	int six = sock(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 b = v6("::", 7722);
	CHECK(bind(six, SA(b)) == 0);
	CHECK_EQ(to(s, 7722, "ab", 2), 2);
	CHECK_EQ(receive(six, 9, 0), 2);
	CHECK_EQ(msg.msg_namelen, 28);
	CHECK(IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *)&from)->sin6_addr));
}

CASE(udp_packet_information) {
	network();
	int r = sock(AF_INET, SOCK_DGRAM, 0), s = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in any = v4("0.0.0.0", 7723), a = v4("127.0.0.5", 7723);
	CHECK(bind(r, SA(any)) == 0);
	CHECK(setsockopt(r, SOL_IP, IP_PKTINFO, &one, 4) == 0 && setsockopt(r, SOL_IP, IP_RECVTTL, &one, 4) == 0 && setsockopt(r, SOL_IP, IP_RECVTOS, &one, 4) == 0);
	int ttl = 9, tos = 0x10;
	CHECK(setsockopt(s, SOL_IP, IP_TTL, &ttl, 4) == 0 && setsockopt(s, SOL_IP, IP_TOS, &tos, 4) == 0);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(a)), 1);
	CHECK_EQ(receive(r, 9, 0), 1);
	struct in_pktinfo *p = came(SOL_IP, IP_PKTINFO);
	CHECK(p != NULL);
	CHECK_EQ(p->ipi_ifindex, 1);
	CHECK_EQ(p->ipi_addr.s_addr, a.sin_addr.s_addr);
	CHECK_EQ(p->ipi_spec_dst.s_addr, a.sin_addr.s_addr);
	CHECK_EQ(*(int *)came(SOL_IP, IP_TTL), 9);
	CHECK_EQ(*(uint8_t *)came(SOL_IP, IP_TOS), 0x10);
}

CASE(udp_packet_information_of_ipv6) {
	network();
	int r = sock(AF_INET6, SOCK_DGRAM, 0), s = sock(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 any = v6("::", 7724), a = v6("::1", 7724);
	CHECK(bind(r, SA(any)) == 0);
	CHECK(setsockopt(r, SOL_IPV6, IPV6_RECVPKTINFO, &one, 4) == 0 && setsockopt(r, SOL_IPV6, IPV6_RECVHOPLIMIT, &one, 4) == 0);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(a)), 1);
	CHECK_EQ(receive(r, 9, 0), 1);
	struct in6_pktinfo *p = came(SOL_IPV6, IPV6_PKTINFO);
	CHECK(p && p->ipi6_ifindex == 1 && memcmp(&p->ipi6_addr, &a.sin6_addr, 16) == 0);
	CHECK_EQ(*(int *)came(SOL_IPV6, IPV6_HOPLIMIT), 64);
	CHECK_EQ(to(sock(AF_INET, SOCK_DGRAM, 0), 7724, "y", 1), 1);
	CHECK_EQ(receive(r, 9, 0), 1);
	p = came(SOL_IPV6, IPV6_PKTINFO);
	CHECK(p && IN6_IS_ADDR_V4MAPPED(&p->ipi6_addr));
}

CASE(udp_control_that_does_not_fit) {
	network();
	int r = bound(7725), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(setsockopt(r, SOL_IP, IP_PKTINFO, &one, 4) == 0);
	CHECK_EQ(to(s, 7725, "x", 1), 1);
	struct iovec v = {buf, 9};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 8};
	CHECK_EQ(recvmsg(r, &m, 0), 1);
	CHECK_EQ(m.msg_flags, MSG_CTRUNC);
	CHECK_EQ(m.msg_controllen, 0);
}

CASE(udp_time_of_arrival) {
	network();
	int r = bound(7726), s = sock(AF_INET, SOCK_DGRAM, 0);
	struct timeval before, after;
	CHECK(setsockopt(r, SOL_SOCKET, SO_TIMESTAMP, &one, 4) == 0);
	gettimeofday(&before, NULL);
	CHECK_EQ(to(s, 7726, "x", 1), 1);
	CHECK_EQ(receive(r, 9, 0), 1);
	gettimeofday(&after, NULL);
	struct timeval *tv = came(SOL_SOCKET, SCM_TIMESTAMP);
	CHECK(tv && !timercmp(tv, &before, <) && !timercmp(tv, &after, >));
	CHECK(setsockopt(r, SOL_SOCKET, SO_TIMESTAMPNS, &one, 4) == 0);
	CHECK_EQ(to(s, 7726, "x", 1), 1);
	CHECK_EQ(receive(r, 9, 0), 1);
	struct timespec *ts = came(SOL_SOCKET, SCM_TIMESTAMPNS);
	CHECK(ts && ts->tv_sec >= before.tv_sec);
	CHECK(came(SOL_SOCKET, SCM_TIMESTAMP) == NULL);
}

CASE(udp_time_of_the_last_receive) {
	network();
	int r = bound(7727), s = sock(AF_INET, SOCK_DGRAM, 0);
	struct timeval before, tv;
	struct timespec ts;
	CHECK_ERRNO(ioctl(r, SIOCGSTAMP, &tv), ENOENT);
	gettimeofday(&before, NULL);
	CHECK_EQ(to(s, 7727, "x", 1), 1);
	CHECK_EQ(recv(r, buf, 9, 0), 1);
	CHECK(ioctl(r, SIOCGSTAMP, &tv) == 0);
	CHECK(tv.tv_sec - before.tv_sec >= 0 && tv.tv_sec - before.tv_sec < 20);
	CHECK_EQ(to(s, 7727, "x", 1), 1);
	CHECK_EQ(recv(r, buf, 9, 0), 1);
	CHECK(ioctl(r, SIOCGSTAMPNS, &ts) == 0);
	CHECK(ts.tv_sec - before.tv_sec >= 0 && ts.tv_sec - before.tv_sec < 20);
	CHECK_ERRNO(ioctl(r, SIOCGSTAMP, (void *)1), EFAULT);
}

CASE(udp_a_full_queue_loses_the_newest) {
	network();
	int r = bound(7728), s = sock(AF_INET, SOCK_DGRAM, 0), v = 2304, n = 0;
	CHECK(setsockopt(r, SOL_SOCKET, SO_RCVBUF, &v, 4) == 0);
	for (int i = 0; i < 100; i++) {
		char c = i;
		CHECK_EQ(to(s, 7728, &c, 1), 1);
	}
	while (recv(r, buf, 9, MSG_DONTWAIT) == 1) CHECK_EQ(buf[0], n++);
	CHECK(n > 0 && n < 100);
}

// ---- several at once

CASE(udp_several_messages) {
	network();
	int r = bound(7729), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(talk(s, 7729) == 0);
	struct iovec v[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}}, w[4];
	struct mmsghdr m[3] = {{{.msg_iov = v, .msg_iovlen = 1}}, {{.msg_iov = v + 1, .msg_iovlen = 1}}, {{.msg_iov = v + 2, .msg_iovlen = 1}}}, g[4] = {0};
	CHECK_EQ(sendmmsg(s, m, 3, 0), 3);
	CHECK(m[0].msg_len == 1 && m[1].msg_len == 2 && m[2].msg_len == 3);
	for (int i = 0; i < 4; i++) w[i] = (struct iovec){buf + 100 * i, 100}, g[i].msg_hdr.msg_iov = w + i, g[i].msg_hdr.msg_iovlen = 1;
	CHECK_EQ(recvmmsg(r, g, 4, MSG_DONTWAIT, NULL), 3);
	CHECK(g[0].msg_len == 1 && g[1].msg_len == 2 && g[2].msg_len == 3);
	CHECK_ERRNO(recvmmsg(r, g, 4, MSG_DONTWAIT, NULL), EAGAIN);
	CHECK_EQ(sendmmsg(s, m, 1, 0), 1);
	CHECK_EQ(recvmmsg(r, g, 4, MSG_WAITFORONE, NULL), 1);
	CHECK_EQ(recvmmsg(r, g, 0, 0, NULL), 0);
}

CASE(udp_several_messages_for_a_time) {
	network();
	int r = bound(7730), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(talk(s, 7730) == 0);
	struct iovec w[2] = {{buf, 9}, {buf + 9, 9}};
	struct mmsghdr g[2] = {{{.msg_iov = w, .msg_iovlen = 1}}, {{.msg_iov = w + 1, .msg_iovlen = 1}}};
	struct timespec ts = {0, 10000000}, bad = {0, 1000000000};
	CHECK_ERRNO(recvmmsg(r, g, 2, 0, &bad), EINVAL);
	CHECK_EQ(send(s, "x", 1, 0), 1);
	pid_t pid = fork();
	if (pid == 0) {
		msleep(30);
		_exit(send(s, "yy", 2, 0) != 2);
	}
	// The time is looked at after each message.
	CHECK_EQ(recvmmsg(r, g, 2, 0, &ts), 2);
	CHECK(ts.tv_sec == 0 && ts.tv_nsec == 0);
	CHECK_CHILD(pid, 0);
}

CASE(udp_several_messages_until_one_fails) {
	network();
	int r = bound(7731), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(talk(s, 7731) == 0);
	struct iovec v[3] = {{"a", 1}, {buf, 65508}, {"c", 1}};
	struct mmsghdr m[3] = {{{.msg_iov = v, .msg_iovlen = 1}}, {{.msg_iov = v + 1, .msg_iovlen = 1}}, {{.msg_iov = v + 2, .msg_iovlen = 1}}};
	CHECK_EQ(sendmmsg(s, m, 3, 0), 1);
	CHECK_ERRNO(sendmmsg(s, m + 1, 2, 0), EMSGSIZE);
	CHECK_EQ(recv(r, buf, 9, 0), 1);
	NOTHING(r);
}

// ---- segments

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

CASE(udp_one_send_of_many_segments) {
	network();
	int r = bound(7732), s = sock(AF_INET, SOCK_DGRAM, 0), size = 4, n;
	socklen_t len = sizeof n;
	CHECK(setsockopt(s, SOL_UDP, UDP_SEGMENT, &size, 4) == 0);
	CHECK(getsockopt(s, SOL_UDP, UDP_SEGMENT, &n, &len) == 0);
	CHECK_EQ(n, 4);
	CHECK_EQ(to(s, 7732, "aaaabbbbcc", 10), 10);
	CHECK_EQ(recv(r, buf, 99, 0), 4);
	CHECK_EQ(recv(r, buf, 99, 0), 4);
	CHECK(memcmp(buf, "bbbb", 4) == 0);
	CHECK_EQ(recv(r, buf, 99, 0), 2);
	NOTHING(r);
	CHECK_EQ(to(s, 7732, "aaa", 3), 3); // less than a segment
	CHECK_EQ(recv(r, buf, 99, 0), 3);
	CHECK_ERRNO(to(s, 7732, (char *)buf, 4 * 200), EINVAL); // too many
	size = 70000;
	CHECK_ERRNO(setsockopt(s, SOL_UDP, UDP_SEGMENT, &size, 4), EINVAL);
}

CASE(udp_segments_by_message) {
	network();
	int r = bound(7733), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(talk(s, 7733) == 0);
	struct iovec v = {"aabbc", 5};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(2)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*c = (struct cmsghdr){.cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(2)};
	*(uint16_t *)CMSG_DATA(c) = 2;
	CHECK_EQ(sendmsg(s, &m, 0), 5);
	CHECK_EQ(recv(r, buf, 99, 0), 2);
	CHECK_EQ(recv(r, buf, 99, 0), 2);
	CHECK_EQ(recv(r, buf, 99, 0), 1);
	c->cmsg_len = CMSG_LEN(4);
	m.msg_controllen = CMSG_SPACE(4);
	CHECK_ERRNO(sendmsg(s, &m, 0), EINVAL);
}

CASE(udp_segments_received_as_one) {
	network();
	int r = bound(7734), s = sock(AF_INET, SOCK_DGRAM, 0), size = 4;
	CHECK(setsockopt(r, SOL_UDP, UDP_GRO, &one, 4) == 0);
	CHECK(setsockopt(s, SOL_UDP, UDP_SEGMENT, &size, 4) == 0);
	CHECK_EQ(to(s, 7734, "aaaabbbbcc", 10), 10);
	CHECK_EQ(receive(r, 99, 0), 10);
	int *got = came(SOL_UDP, UDP_GRO);
	CHECK(got && *got == 4);
	CHECK_EQ(to(s, 7734, "aaa", 3), 3);
	CHECK_EQ(receive(r, 99, 0), 3);
	CHECK(came(SOL_UDP, UDP_GRO) == NULL);
}

MAIN()
