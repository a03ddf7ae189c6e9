#include "case.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

static struct sockaddr_in loop(int port) {
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int port_of(int fd) {
	struct sockaddr_in a;
	socklen_t n = sizeof a;
	CHECK(getsockname(fd, (void *)&a, &n) == 0);
	return ntohs(a.sin_port);
}

static int listener(void) {
	struct sockaddr_in a = loop(0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(fd >= 0 && bind(fd, (void *)&a, sizeof a) == 0 && listen(fd, 10) == 0);
	return fd;
}

// connected makes a connection: c[0] is the client.
static void connected(int *c) {
	int l = listener();
	struct sockaddr_in a = loop(port_of(l));
	c[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(c[0], (void *)&a, sizeof a) == 0);
	c[1] = accept(l, 0, 0);
	CHECK(c[1] >= 0);
	close(l);
}

CASE(tcp_carries_bytes_both_ways) {
	int c[2];
	char b[20];
	connected(c);
	CHECK_EQ(write(c[0], "ping", 4), 4);
	CHECK_EQ(read(c[1], b, 20), 4);
	CHECK_EQ(write(c[1], "pong!", 5), 5);
	CHECK_EQ(read(c[0], b, 20), 5);
	CHECK(memcmp(b, "pong!", 5) == 0);
	struct sockaddr_in a, p;
	socklen_t n = sizeof a;
	CHECK(getsockname(c[0], (void *)&a, &n) == 0 && getpeername(c[1], (void *)&p, &n) == 0);
	CHECK(a.sin_port == p.sin_port && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	close(c[0]);
	CHECK_EQ(read(c[1], b, 20), 0);
}

CASE(tcp_blocking_write_of_much_is_whole) {
	int c[2];
	static char big[20 << 20], got[65536];
	for (size_t i = 0; i < sizeof big; i++) big[i] = i * 31 + i / 4096;
	connected(c);
	if (fork() == 0) {
		close(c[1]);
		_exit(write(c[0], big, sizeof big) != (ssize_t)sizeof big);
	}
	close(c[0]);
	size_t n = 0;
	for (;;) {
		ssize_t r = read(c[1], got, sizeof got);
		CHECK(r >= 0);
		if (r == 0) break;
		CHECK(memcmp(got, big + n, r) == 0);
		n += r;
	}
	CHECK_EQ(n, sizeof big);
	int st;
	wait(&st);
	CHECK_EQ(st, 0);
}

CASE(connect_to_nobody_is_refused) {
	int l = listener(), fd = socket(AF_INET, SOCK_STREAM, 0), v;
	struct sockaddr_in a = loop(port_of(l));
	socklen_t n = sizeof v;
	close(l);
	CHECK_ERRNO(connect(fd, (void *)&a, sizeof a), ECONNREFUSED);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERRNO(connect(fd, (void *)&a, sizeof a), EINPROGRESS);
	struct pollfd p = {fd, POLLOUT};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(p.revents, POLLOUT | POLLERR | POLLHUP);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &n) == 0);
	CHECK_EQ(v, ECONNREFUSED);
}

CASE(nonblocking_connect_completes) {
	int l = listener(), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), v;
	struct sockaddr_in a = loop(port_of(l));
	socklen_t n = sizeof v;
	CHECK_ERRNO(connect(fd, (void *)&a, sizeof a), EINPROGRESS);
	struct pollfd p = {fd, POLLOUT};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(p.revents, POLLOUT);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &n) == 0);
	CHECK_EQ(v, 0);
	CHECK(connect(fd, (void *)&a, sizeof a) == 0);
	CHECK_ERRNO(connect(fd, (void *)&a, sizeof a), EISCONN);
}

CASE(accept_waits_and_epoll_tells) {
	int l = listener(), ep = epoll_create1(0);
	struct sockaddr_in a = loop(port_of(l));
	struct epoll_event e = {.events = EPOLLIN};
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, l, &e) == 0);
	CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0);
	for (int i = 0; i < 2; i++) {
		if (fork() == 0) {
			usleep(20000);
			int fd = socket(AF_INET, SOCK_STREAM, 0);
			_exit(connect(fd, (void *)&a, sizeof a) != 0);
		}
		if (i == 0) CHECK_EQ(epoll_wait(ep, &e, 1, 5000), 1);
		CHECK(accept(l, 0, 0) >= 0);
		int st;
		wait(&st);
		CHECK_EQ(st, 0);
	}
}

CASE(accept_without_a_free_descriptor_leaves_the_client) {
	int l = listener(), c = socket(AF_INET, SOCK_STREAM, 0), d;
	struct sockaddr_in a = loop(port_of(l));
	CHECK(connect(c, (void *)&a, sizeof a) == 0);
	struct rlimit old, r;
	CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	r = old, r.rlim_cur = 20;
	CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
	while ((d = dup(0)) >= 0) {}
	CHECK_ERRNO(accept(l, 0, 0), EMFILE);
	CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
	CHECK(accept(l, 0, 0) >= 0);
}

CASE(half_close_and_reset) {
	int c[2];
	char b[10];
	connected(c);
	CHECK(shutdown(c[0], SHUT_WR) == 0);
	CHECK_EQ(read(c[1], b, 10), 0);
	CHECK_EQ(write(c[1], "late", 4), 4);
	CHECK_EQ(read(c[0], b, 10), 4);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(c[0], "x", 1), EPIPE);
	connected(c);
	CHECK_EQ(write(c[0], "unread", 6), 6);
	usleep(1000);
	close(c[1]);
	CHECK_ERRNO(read(c[0], b, 10), ECONNRESET);
	CHECK_EQ(read(c[0], b, 10), 0);
	CHECK_ERRNO(write(c[0], "x", 1), EPIPE);
	connected(c);
	struct linger lg = {1, 0};
	CHECK(setsockopt(c[1], SOL_SOCKET, SO_LINGER, &lg, sizeof lg) == 0);
	close(c[1]);
	CHECK_ERRNO(read(c[0], b, 10), ECONNRESET);
}

CASE(bind_conflicts) {
	int l = listener(), one = 1;
	struct sockaddr_in a = loop(port_of(l)), any = a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO(bind(fd, (void *)&a, sizeof a), EADDRINUSE);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, 4) == 0);
	CHECK_ERRNO(bind(fd, (void *)&a, sizeof a), EADDRINUSE);
	any.sin_addr.s_addr = 0;
	CHECK_ERRNO(bind(fd, (void *)&any, sizeof any), EADDRINUSE);
	a.sin_addr.s_addr = htonl(0x7f000002);
	CHECK(bind(fd, (void *)&a, sizeof a) == 0);
	CHECK_ERRNO(bind(fd, (void *)&a, sizeof a), EINVAL);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_addr.s_addr = htonl(0x08080808);
	CHECK_ERRNO(bind(fd, (void *)&a, sizeof a), EADDRNOTAVAIL);
	CHECK_ERRNO(bind(fd, (void *)&a, 8), EINVAL);
	a.sin_family = AF_INET6;
	CHECK_ERRNO(bind(fd, (void *)&a, sizeof a), EAFNOSUPPORT);
	a = loop(0);
	int x = socket(AF_INET, SOCK_STREAM, 0), y = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(setsockopt(x, SOL_SOCKET, SO_REUSEPORT, &one, 4) == 0 && setsockopt(y, SOL_SOCKET, SO_REUSEPORT, &one, 4) == 0);
	CHECK(bind(x, (void *)&a, sizeof a) == 0 && listen(x, 1) == 0);
	a = loop(port_of(x));
	CHECK(bind(y, (void *)&a, sizeof a) == 0 && listen(y, 1) == 0);
	close(l);
	l = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(listen(l, 1) == 0);
	CHECK(port_of(l) != 0);
}

CASE(ipv6_takes_ipv4) {
	int l = socket(AF_INET6, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6}, from;
	socklen_t n = sizeof from;
	if (l < 0) return;
	CHECK(bind(l, (void *)&a6, sizeof a6) == 0 && listen(l, 5) == 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = loop(port_of(l));
	CHECK(connect(fd, (void *)&a, sizeof a) == 0);
	int s = accept(l, (void *)&from, &n);
	CHECK(s >= 0);
	CHECK_EQ(n, sizeof from);
	CHECK(IN6_IS_ADDR_V4MAPPED(&from.sin6_addr));
	a6.sin6_addr = in6addr_loopback;
	a6.sin6_port = htons(port_of(l));
	int f6 = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(connect(f6, (void *)&a6, sizeof a6) == 0);
	l = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &one, 4) == 0);
	a6.sin6_port = 0, a6.sin6_addr = in6addr_any;
	CHECK(bind(l, (void *)&a6, sizeof a6) == 0 && listen(l, 5) == 0);
	CHECK_ERRNO(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &one, 4), EINVAL);
	a = loop(port_of(l));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO(connect(fd, (void *)&a, sizeof a), ECONNREFUSED);
}

CASE(udp_datagrams) {
	int r = socket(AF_INET, SOCK_DGRAM, 0), s = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = loop(0), from;
	socklen_t n = sizeof from;
	char b[100];
	CHECK(bind(r, (void *)&a, sizeof a) == 0);
	a = loop(port_of(r));
	CHECK_EQ(sendto(s, "one", 3, 0, (void *)&a, sizeof a), 3);
	CHECK_EQ(sendto(s, "", 0, 0, (void *)&a, sizeof a), 0);
	CHECK_EQ(recvfrom(r, b, 100, 0, (void *)&from, &n), 3);
	CHECK_EQ(ntohs(from.sin_port), port_of(s));
	CHECK_EQ(recv(r, b, 100, 0), 0);
	CHECK_ERRNO(send(s, "x", 1, 0), EDESTADDRREQ);
	CHECK(connect(s, (void *)&a, sizeof a) == 0);
	CHECK_EQ(send(s, "long one", 8, 0), 8);
	struct pollfd p = {r, POLLIN};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(recv(r, b, 4, MSG_TRUNC), 8);
	static char big[70000];
	CHECK_ERRNO(send(s, big, sizeof big, 0), EMSGSIZE);
	CHECK_EQ(send(s, big, 65507, 0), 65507);
	close(r);
	send(s, "x", 1, 0);
	CHECK_ERRNO(send(s, "x", 1, 0), ECONNREFUSED);
	CHECK_ERRNO(listen(s, 1), EOPNOTSUPP);
}

CASE(udplite_has_ports_of_its_own_and_coverage) {
	int r = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	int u = socket(AF_INET, SOCK_DGRAM, 0), v;
	struct sockaddr_in a = loop(0);
	socklen_t n = sizeof v;
	char b[10];
	CHECK(r >= 0 && s >= 0);
	CHECK(bind(r, (void *)&a, sizeof a) == 0);
	a = loop(port_of(r));
	CHECK(bind(u, (void *)&a, sizeof a) == 0);
	CHECK_EQ(sendto(s, "x", 1, 0, (void *)&a, sizeof a), 1);
	CHECK_EQ(recv(r, b, sizeof b, 0), 1);
	CHECK_ERRNO(recv(u, b, sizeof b, MSG_DONTWAIT), EAGAIN);
	CHECK(getsockopt(r, SOL_SOCKET, SO_PROTOCOL, &v, &n) == 0);
	CHECK_EQ(v, IPPROTO_UDPLITE);
	v = 5;
	CHECK(setsockopt(s, 136, 10, &v, sizeof v) == 0);
	CHECK(getsockopt(s, 136, 10, &v, &n) == 0);
	CHECK_EQ(v, 8);
	v = 70000;
	CHECK(setsockopt(s, 136, 11, &v, sizeof v) == 0);
	CHECK(getsockopt(s, 136, 11, &v, &n) == 0);
	CHECK_EQ(v, 65535);
	CHECK_ERRNO(setsockopt(u, 136, 10, &v, sizeof v), ENOPROTOOPT);
}

// pair makes a connection.
static void pair(int fd[2]) {
	int l = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = loop(0);
	CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 1) == 0);
	a = loop(port_of(l));
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(fd[0], (void *)&a, sizeof a) == 0);
	fd[1] = accept(l, NULL, NULL);
	CHECK(fd[1] >= 0);
	close(l);
}

static int at_mark(int fd) {
	int m = -1;
	CHECK(ioctl(fd, SIOCATMARK, &m) == 0);
	return m;
}

CASE(urgent_data_stands_apart) {
	int fd[2], n;
	char b[20];
	pair(fd);
	CHECK_ERRNO(recv(fd[1], b, 1, MSG_OOB), EINVAL);
	CHECK_EQ(send(fd[0], "abc", 3, 0), 3);
	CHECK_EQ(send(fd[0], "deF", 3, MSG_OOB), 3);
	CHECK_EQ(send(fd[0], "gh", 2, 0), 2);
	struct pollfd p = {fd[1], POLLIN | POLLPRI};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(p.revents, POLLIN | POLLPRI);
	CHECK(ioctl(fd[1], FIONREAD, &n) == 0);
	CHECK_EQ(n, 5);
	CHECK_EQ(at_mark(fd[1]), 0);
	CHECK_EQ(recv(fd[1], b, sizeof b, MSG_PEEK), 5);
	CHECK_EQ(recv(fd[1], b, sizeof b, 0), 5);
	CHECK(!memcmp(b, "abcde", 5));
	CHECK_EQ(at_mark(fd[1]), 1);
	struct msghdr m = {.msg_iov = &(struct iovec){b, 5}, .msg_iovlen = 1};
	CHECK_EQ(recvmsg(fd[1], &m, MSG_OOB | MSG_PEEK), 1);
	CHECK_EQ(recvmsg(fd[1], &m, MSG_OOB), 1);
	CHECK(b[0] == 'F' && (m.msg_flags & MSG_OOB));
	CHECK_ERRNO(recv(fd[1], b, 1, MSG_OOB), EINVAL);
	CHECK_EQ(at_mark(fd[1]), 1);
	p.revents = 0;
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(p.revents, POLLIN);
	CHECK_EQ(recv(fd[1], b, sizeof b, 0), 2);
	CHECK(!memcmp(b, "gh", 2));
	CHECK_EQ(at_mark(fd[1]), 0);
}

CASE(urgent_data_alone_is_not_readable) {
	int fd[2];
	char b[4];
	pair(fd);
	CHECK_EQ(send(fd[0], "!", 1, MSG_OOB), 1);
	struct pollfd p = {fd[1], POLLIN | POLLPRI};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(p.revents, POLLPRI);
	CHECK_EQ(at_mark(fd[1]), 1);
	CHECK_ERRNO(recv(fd[1], b, 4, MSG_DONTWAIT), EAGAIN);
	CHECK_ERRNO(recv(fd[1], b, 1, MSG_OOB), EINVAL);
}

CASE(newer_urgent_data_takes_the_place_of_older) {
	int fd[2];
	char b[10];
	pair(fd);
	CHECK_EQ(send(fd[0], "a1", 2, MSG_OOB), 2);
	CHECK_EQ(send(fd[0], "2", 1, MSG_OOB), 1);
	CHECK_EQ(recv(fd[1], b, 1, MSG_OOB), 1);
	CHECK_EQ(b[0], '2');
	CHECK_EQ(recv(fd[1], b, sizeof b, 0), 2);
	CHECK(!memcmp(b, "a1", 2));
	// One that would be read next is lost.
	pair(fd);
	CHECK_EQ(send(fd[0], "1", 1, MSG_OOB), 1);
	CHECK_EQ(send(fd[0], "2", 1, MSG_OOB), 1);
	CHECK_EQ(recv(fd[1], b, 1, MSG_OOB), 1);
	CHECK_EQ(b[0], '2');
	CHECK_ERRNO(recv(fd[1], b, sizeof b, MSG_DONTWAIT), EAGAIN);
}

CASE(urgent_data_inline_is_like_any_other_but_for_the_mark) {
	int fd[2], one = 1;
	char b[10];
	pair(fd);
	CHECK(setsockopt(fd[1], SOL_SOCKET, SO_OOBINLINE, &one, sizeof one) == 0);
	CHECK_EQ(send(fd[0], "abC", 3, MSG_OOB), 3);
	CHECK_EQ(send(fd[0], "d", 1, 0), 1);
	CHECK_ERRNO(recv(fd[1], b, 1, MSG_OOB), EINVAL);
	CHECK_EQ(recv(fd[1], b, sizeof b, 0), 2);
	CHECK_EQ(at_mark(fd[1]), 1);
	CHECK_EQ(recv(fd[1], b, sizeof b, 0), 2);
	CHECK(!memcmp(b, "Cd", 2));
}

static volatile sig_atomic_t urged;
static void on_urg(int s) { urged = s; }

CASE(urgent_data_signals_the_owner) {
	int fd[2];
	pair(fd);
	signal(SIGURG, on_urg);
	CHECK(fcntl(fd[1], F_SETOWN, getpid()) == 0);
	CHECK_EQ(send(fd[0], "!", 1, MSG_OOB), 1);
	for (int i = 0; i < 1000 && !urged; i++) usleep(1000);
	CHECK_EQ(urged, SIGURG);
}

CASE(inet_options) {
	int fd = socket(AF_INET, SOCK_STREAM, 0), v;
	socklen_t n;
#define OPT(l, o, want) do { n = sizeof v; CHECK(getsockopt(fd, l, o, &v, &n) == 0); CHECK_EQ(v, want); } while (0)
	OPT(SOL_SOCKET, SO_PROTOCOL, IPPROTO_TCP);
	OPT(SOL_SOCKET, SO_DOMAIN, AF_INET);
	OPT(SOL_SOCKET, SO_SNDBUF, 16384);
	OPT(SOL_SOCKET, SO_RCVBUF, 131072);
	OPT(IPPROTO_TCP, TCP_NODELAY, 0);
	OPT(IPPROTO_TCP, TCP_KEEPIDLE, 7200);
	OPT(IPPROTO_TCP, TCP_KEEPINTVL, 75);
	OPT(IPPROTO_TCP, TCP_KEEPCNT, 9);
	OPT(IPPROTO_IP, IP_TTL, 64);
	v = 1;
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, 4) == 0);
	OPT(IPPROTO_TCP, TCP_NODELAY, 1);
	v = 0;
	CHECK_ERRNO(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, 4), EINVAL);
	CHECK_ERRNO(setsockopt(fd, IPPROTO_TCP, 999, &v, 4), ENOPROTOOPT);
	CHECK_ERRNO(setsockopt(fd, 999, 1, &v, 4), ENOPROTOOPT);
	struct tcp_info ti;
	n = sizeof ti;
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &n) == 0);
	CHECK_EQ(ti.tcpi_state, TCP_CLOSE);
	CHECK_ERRNO(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	CHECK_ERRNO(socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
	CHECK_EQ(if_nametoindex("lo"), 1);
	struct ifreq r = {.ifr_name = "lo"};
	CHECK(ioctl(fd, SIOCGIFADDR, &r) == 0);
	CHECK_EQ(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK_ERRNO(ioctl(fd, SIOCGIFADDR, &(struct ifreq){.ifr_name = "none"}), ENODEV);
}

CASE(the_backlog_makes_clients_wait) {
	struct sockaddr_in a = loop(0);
	int l = socket(AF_INET, SOCK_STREAM, 0), c[3];
	CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 0) == 0);
	a = loop(port_of(l));
	CHECK(connect(c[0] = socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof a) == 0);
	if (fork() == 0) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		_exit(connect(fd, (void *)&a, sizeof a) != 0 || write(fd, "2", 1) != 1);
	}
	usleep(20000);
	CHECK(accept(l, 0, 0) >= 0);
	int s = accept(l, 0, 0);
	char b;
	CHECK(s >= 0);
	CHECK_EQ(read(s, &b, 1), 1);
	CHECK_EQ(b, '2');
	int st;
	wait(&st);
	CHECK_EQ(st, 0);
}

MAIN()
