// What connections of TCP tell: connect(2) and its states, ends and resets, options, backlogs.
#include "rawnet.h"
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/time.h>

static int listener(int port, int backlog) {
	int fd = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = v4("127.0.0.1", port);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, 4) == 0);
	CHECK(bind(fd, SA(a)) == 0 && listen(fd, backlog) == 0);
	return fd;
}

static int nonblocking(void) { return sock(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); }

static int try(int fd, int port) {
	struct sockaddr_in a = v4("127.0.0.1", port);
	return connect(fd, SA(a));
}

static struct { int l, c, s; } t;

// connection makes both ends.
static void connection(int port) {
	network();
	t.l = listener(port, 5);
	t.c = sock(AF_INET, SOCK_STREAM, 0);
	CHECK(try(t.c, port) == 0);
	t.s = accept(t.l, NULL, NULL);
	CHECK(t.s >= 0);
}

static int events(int fd) {
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0};
	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

// until waits for events to be as wanted, as what a peer does comes later on the host.
#define UNTIL(fd, want)                                       \
	do {                                                      \
		for (long long end_ = now_ms() + 3000; events(fd) != (want) && now_ms() < end_;) msleep(1); \
		CHECK_EQ(events(fd), want);                           \
	} while (0)

static int opt(int fd, int level, int name) {
	int v = -1;
	socklen_t n = sizeof v;
	CHECK(getsockopt(fd, level, name, &v, &n) == 0);
	return v;
}

static int state(int fd) {
	struct tcp_info i;
	socklen_t n = sizeof i;
	CHECK(getsockopt(fd, SOL_TCP, TCP_INFO, &i, &n) == 0);
	return i.tcpi_state;
}

static void reset(int fd) {
	struct linger l = {1, 0};
	CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l) == 0);
	close(fd);
}

// ---- connect

CASE(tcp_events_of_a_fresh_socket) {
	network();
	CHECK_EQ(events(sock(AF_INET, SOCK_STREAM, 0)), POLLOUT | POLLHUP);
}

CASE(tcp_connect_that_succeeds_without_waiting) {
	network();
	listener(7600, 5);
	int fd = nonblocking();
	CHECK_ERRNO(try(fd, 7600), EINPROGRESS);
	UNTIL(fd, POLLOUT);
	CHECK_EQ(opt(fd, SOL_SOCKET, SO_ERROR), 0);
	CHECK(try(fd, 7600) == 0); // tells of it once
	CHECK_ERRNO(try(fd, 7600), EISCONN);
}

CASE(tcp_connect_that_fails_without_waiting) {
	network();
	int fd = nonblocking();
	CHECK_ERRNO(try(fd, 7601), EINPROGRESS);
	UNTIL(fd, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_EQ(opt(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	CHECK_EQ(opt(fd, SOL_SOCKET, SO_ERROR), 0);
	CHECK_EQ(events(fd), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	CHECK_ERRNO(try(fd, 7601), ECONNABORTED);
	CHECK_ERRNO(try(fd, 7601), EINPROGRESS);
}

CASE(tcp_connect_tells_of_the_failure) {
	network();
	int fd = nonblocking();
	CHECK_ERRNO(try(fd, 7602), EINPROGRESS);
	UNTIL(fd, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_ERRNO(try(fd, 7602), ECONNREFUSED);
	listener(7602, 1);
	CHECK_ERRNO(try(fd, 7602), EINPROGRESS);
	UNTIL(fd, POLLOUT);
}

CASE(tcp_a_refused_socket_can_try_again) {
	network();
	int fd = sock(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO(try(fd, 7603), ECONNREFUSED);
	CHECK_EQ(opt(fd, SOL_SOCKET, SO_ERROR), 0);
	CHECK_ERRNO(recv(fd, buf, 1, MSG_DONTWAIT), ENOTCONN);
	listener(7603, 1);
	CHECK(try(fd, 7603) == 0);
}

CASE(tcp_reading_tells_of_the_failure) {
	network();
	int fd = nonblocking();
	CHECK_ERRNO(try(fd, 7604), EINPROGRESS);
	UNTIL(fd, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_ERRNO(recv(fd, buf, 1, 0), ECONNREFUSED);
	CHECK_EQ(recv(fd, buf, 1, 0), 0);
	CHECK_ERRNO(send(fd, buf, 1, MSG_NOSIGNAL), EPIPE);
}

CASE(tcp_edges_of_a_connect) {
	network();
	int l = listener(7605, 5), fd = nonblocking(), ep = epoll_create1(0);
	struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.fd = fd}}, got[4];
	CHECK(l >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
	CHECK_EQ(epoll_wait(ep, got, 4, 0), 1);
	CHECK_EQ(got[0].events, EPOLLOUT | EPOLLHUP);
	CHECK_ERRNO(try(fd, 7605), EINPROGRESS);
	CHECK_EQ(epoll_wait(ep, got, 4, 3000), 1);
	CHECK_EQ(got[0].events, EPOLLOUT);
	CHECK_EQ(epoll_wait(ep, got, 4, 0), 0);
}

CASE(tcp_errors_of_connect) {
	network();
	int fd = sock(AF_INET, SOCK_STREAM, 0), l = listener(7606, 1);
	struct sockaddr_in a = v4("127.0.0.1", 7606), group = v4("224.0.0.1", 7606), all = v4("255.255.255.255", 7606);
	struct sockaddr_in6 b = v6("::1", 7606);
	CHECK_ERRNO(connect(fd, (void *)&a, 15), EINVAL);
	CHECK_ERRNO(connect(fd, (void *)&a, 1), EINVAL);
	CHECK_ERRNO(connect(fd, SA(b)), EAFNOSUPPORT);
	CHECK_ERRNO(connect(fd, SA(all)), ENETUNREACH);
	CHECK_ERRNO(connect(fd, SA(group)), ENETUNREACH);
	CHECK_ERRNO(connect(l, SA(a)), EISCONN);
	CHECK(connect(fd, SA(a)) == 0);
	CHECK_ERRNO(connect(fd, SA(a)), EISCONN);
	CHECK_ERRNO(listen(fd, 1), EINVAL);
	CHECK_ERRNO(accept(fd, NULL, NULL), EINVAL);
}

CASE(tcp_connect_to_unspec_dissolves) {
	connection(7607);
	struct sockaddr_in a = {.sin_family = AF_UNSPEC};
	CHECK(connect(t.c, SA(a)) == 0);
	CHECK_ERRNO(send(t.c, "x", 1, MSG_NOSIGNAL), ECONNRESET);
	CHECK_ERRNO(send(t.c, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_ERRNO(getpeername(t.c, (void *)&a, &(socklen_t){sizeof a}), ENOTCONN);
	UNTIL(t.s, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_ERRNO(recv(t.s, buf, 1, 0), ECONNRESET);
	CHECK(try(t.c, 7607) == 0);
}

CASE(tcp_connect_to_the_wildcard_is_to_oneself) {
	network();
	listener(7608, 1);
	int fd = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = v4("0.0.0.0", 7608), peer;
	socklen_t n = sizeof peer;
	CHECK(connect(fd, SA(a)) == 0);
	CHECK(getpeername(fd, (void *)&peer, &n) == 0);
	CHECK_EQ(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

CASE(tcp_a_bound_socket_connects_from_there) {
	network();
	int l = listener(7609, 1), fd = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = v4("127.0.0.9", 7610), who;
	socklen_t n = sizeof who;
	CHECK(bind(fd, SA(a)) == 0 && try(fd, 7609) == 0);
	CHECK(accept(l, (void *)&who, &n) >= 0);
	CHECK_EQ(who.sin_addr.s_addr, a.sin_addr.s_addr);
	CHECK_EQ(who.sin_port, a.sin_port);
	int again = sock(AF_INET, SOCK_STREAM, 0);
	CHECK(setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &one, 4) == 0);
	CHECK_ERRNO(bind(again, SA(a)), EADDRINUSE);
}

CASE(tcp_the_same_four_numbers_twice) {
	network();
	listener(7611, 5);
	int a = sock(AF_INET, SOCK_STREAM, 0), b = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in from = v4("127.0.0.1", 7612);
	CHECK(setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &one, 4) == 0 && setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &one, 4) == 0);
	CHECK(bind(a, SA(from)) == 0 && bind(b, SA(from)) == 0);
	CHECK(try(a, 7611) == 0);
	CHECK_ERRNO(try(b, 7611), EADDRNOTAVAIL);
}

// ---- listening

CASE(tcp_accept_flags) {
	network();
	int l = listener(7613, 5);
	for (int flags = 0; flags < 4; flags++) {
		CHECK(try(sock(AF_INET, SOCK_STREAM, 0), 7613) == 0);
		int fd = accept4(l, NULL, NULL, (flags & 1 ? SOCK_NONBLOCK : 0) | (flags & 2 ? SOCK_CLOEXEC : 0));
		CHECK(fd >= 0);
		CHECK_EQ(!!(fcntl(fd, F_GETFL) & O_NONBLOCK), flags & 1);
		CHECK_EQ(fcntl(fd, F_GETFD), flags & 2 ? FD_CLOEXEC : 0);
	}
	CHECK_ERRNO(accept4(l, NULL, NULL, 1), EINVAL);
}

CASE(tcp_accept_without_waiting) {
	network();
	int l = listener(7614, 5);
	CHECK(fcntl(l, F_SETFL, O_NONBLOCK) == 0);
	CHECK_ERRNO(accept(l, NULL, NULL), EAGAIN);
	CHECK_EQ(events(l), 0);
	CHECK(try(sock(AF_INET, SOCK_STREAM, 0), 7614) == 0);
	UNTIL(l, POLLIN);
	int fd = accept(l, NULL, NULL);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0); // not inherited
}

CASE(tcp_accept_waits_as_long_as_it_may) {
	network();
	int l = listener(7615, 5);
	struct timeval tv = {0, 30000};
	CHECK(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	long long start = now_ms();
	CHECK_ERRNO(accept(l, NULL, NULL), EAGAIN);
	CHECK(now_ms() - start >= 29);
}

CASE(tcp_accepted_sockets_have_the_listeners_options) {
	network();
	int l = listener(7616, 5), v = 7;
	CHECK(setsockopt(l, SOL_SOCKET, SO_KEEPALIVE, &one, 4) == 0 && setsockopt(l, SOL_TCP, TCP_NODELAY, &one, 4) == 0);
	CHECK(setsockopt(l, SOL_TCP, TCP_KEEPCNT, &v, 4) == 0 && setsockopt(l, SOL_TCP, TCP_USER_TIMEOUT, &v, 4) == 0);
	CHECK(try(sock(AF_INET, SOCK_STREAM, 0), 7616) == 0);
	int s = accept(l, NULL, NULL);
	CHECK_EQ(opt(s, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_EQ(opt(s, SOL_TCP, TCP_NODELAY), 1);
	CHECK_EQ(opt(s, SOL_TCP, TCP_KEEPCNT), 7);
	CHECK_EQ(opt(s, SOL_TCP, TCP_USER_TIMEOUT), 7);
	CHECK_EQ(opt(s, SOL_SOCKET, SO_ACCEPTCONN), 0);
	CHECK_EQ(opt(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
}

CASE(tcp_backlog_that_is_full_makes_clients_wait) {
	network();
	int l = listener(7617, 1), c[5], done = 0;
	for (int i = 0; i < 5; i++) {
		CHECK((c[i] = nonblocking()) >= 0);
		CHECK_ERRNO(try(c[i], 7617), EINPROGRESS);
	}
	msleep(20);
	for (int i = 0; i < 5; i++) done += events(c[i]) == POLLOUT;
	CHECK_EQ(done, 2); // one more than it says
	CHECK_ERRNO(try(c[4], 7617), EALREADY);
	CHECK_EQ(state(c[4]), TCP_SYN_SENT);
	close(l);
}

CASE(tcp_who_waits_is_reset_with_the_listener) {
	network();
	int l = listener(7618, 5), c = sock(AF_INET, SOCK_STREAM, 0);
	CHECK(try(c, 7618) == 0);
	UNTIL(l, POLLIN);
	close(l);
	UNTIL(c, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_ERRNO(recv(c, buf, 1, 0), ECONNRESET);
}

CASE(tcp_shutdown_of_a_listener) {
	network();
	int l = listener(7619, 5);
	CHECK(shutdown(l, SHUT_WR) == 0);
	CHECK(try(sock(AF_INET, SOCK_STREAM, 0), 7619) == 0);
	CHECK(shutdown(l, SHUT_RD) == 0);
	CHECK_ERRNO(try(sock(AF_INET, SOCK_STREAM, 0), 7619), ECONNREFUSED);
	CHECK_ERRNO(accept(l, NULL, NULL), EINVAL);
	CHECK_EQ(events(l), POLLOUT | POLLHUP);
	CHECK(listen(l, 5) == 0);
	CHECK(try(sock(AF_INET, SOCK_STREAM, 0), 7619) == 0);
}

CASE(tcp_listen_again_changes_the_backlog) {
	network();
	int l = listener(7620, 0);
	struct tcp_info i;
	socklen_t n = sizeof i;
	CHECK(listen(l, 17) == 0);
	CHECK(getsockopt(l, SOL_TCP, TCP_INFO, &i, &n) == 0);
	CHECK_EQ(i.tcpi_sacked, 17);
	CHECK_EQ(i.tcpi_state, TCP_LISTEN);
}

CASE(tcp_what_a_listener_cannot_do) {
	network();
	int l = listener(7621, 1);
	CHECK_ERRNO(recv(l, buf, 1, 0), ENOTCONN);
	CHECK_ERRNO(send(l, buf, 1, MSG_NOSIGNAL), EPIPE);
	CHECK_ERRNO(ioctl(l, FIONREAD, buf), EINVAL);
}

// ---- ends

CASE(tcp_half_close_keeps_the_other_half) {
	connection(7622);
	CHECK(shutdown(t.c, SHUT_WR) == 0);
	CHECK_EQ(recv(t.s, buf, 9, 0), 0);
	CHECK_EQ(events(t.s), POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(send(t.s, "after", 5, 0), 5);
	CHECK_EQ(recv(t.c, buf, 9, 0), 5);
	CHECK_EQ(state(t.s), TCP_CLOSE_WAIT);
	CHECK_EQ(state(t.c), TCP_FIN_WAIT2);
	CHECK_EQ(events(t.c), POLLOUT);
	CHECK_ERRNO(send(t.c, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK(shutdown(t.s, SHUT_WR) == 0);
	UNTIL(t.c, POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	CHECK_EQ(recv(t.c, buf, 9, 0), 0);
	CHECK(shutdown(t.c, SHUT_RDWR) == 0 || errno == ENOTCONN);
}

CASE(tcp_shut_for_reading_ends_it) {
	connection(7623);
	CHECK(shutdown(t.s, SHUT_RD) == 0);
	CHECK_EQ(recv(t.s, buf, 9, 0), 0);
	CHECK_EQ(events(t.s), POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(send(t.c, "late", 4, 0), 4); // and comes
	msleep(5);
	CHECK_EQ(recv(t.s, buf, 9, 0), 4);
	CHECK_EQ(recv(t.s, buf, 9, 0), 0);
}

CASE(tcp_bytes_come_before_the_end) {
	connection(7624);
	CHECK_EQ(send(t.c, "bytes", 5, 0), 5);
	close(t.c);
	UNTIL(t.s, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(recv(t.s, buf, 9, MSG_WAITALL), 5);
	CHECK_EQ(recv(t.s, buf, 9, 0), 0);
	CHECK_EQ(recv(t.s, buf, 9, 0), 0);
}

CASE(tcp_writing_to_who_is_gone) {
	connection(7625);
	close(t.c);
	UNTIL(t.s, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(send(t.s, "x", 1, MSG_NOSIGNAL), 1); // answered by a reset
	UNTIL(t.s, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_ERRNO(send(t.s, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(opt(t.s, SOL_SOCKET, SO_ERROR), 0);
	CHECK_EQ(recv(t.s, buf, 1, 0), 0);
}

CASE(tcp_a_reset_is_told_once) {
	connection(7626);
	reset(t.c);
	UNTIL(t.s, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_ERRNO(recv(t.s, buf, 1, 0), ECONNRESET);
	CHECK_EQ(recv(t.s, buf, 1, 0), 0);
	CHECK_ERRNO(send(t.s, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(events(t.s), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	CHECK_EQ(state(t.s), TCP_CLOSE);
	struct sockaddr_in a;
	CHECK_ERRNO(getpeername(t.s, (void *)&a, &(socklen_t){sizeof a}), ENOTCONN);
	CHECK_ERRNO(shutdown(t.s, SHUT_WR), ENOTCONN);
}

CASE(tcp_a_reset_is_told_to_the_writer) {
	connection(7627);
	reset(t.c);
	UNTIL(t.s, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_ERRNO(send(t.s, "x", 1, MSG_NOSIGNAL), ECONNRESET);
	CHECK_ERRNO(send(t.s, "x", 1, MSG_NOSIGNAL), EPIPE);
}

CASE(tcp_a_reset_takes_unread_bytes_along) {
	connection(7628);
	CHECK_EQ(send(t.c, "bytes", 5, 0), 5);
	UNTIL(t.s, POLLIN | POLLOUT);
	reset(t.c);
	UNTIL(t.s, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_EQ(recv(t.s, buf, 9, MSG_DONTWAIT), 5); // they had arrived
	CHECK_ERRNO(recv(t.s, buf, 9, MSG_DONTWAIT), ECONNRESET);
}

CASE(tcp_pipe_signal) {
	connection(7629);
	CHECK(shutdown(t.c, SHUT_WR) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		send(t.c, "x", 1, 0);
		_exit(0);
	}
	int st;
	CHECK_EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGPIPE);
}

CASE(tcp_linger_with_time_waits_for_nobody_who_has_read) {
	connection(7630);
	struct linger l = {1, 5}, got;
	socklen_t n = sizeof got;
	CHECK(setsockopt(t.c, SOL_SOCKET, SO_LINGER, &l, sizeof l) == 0);
	CHECK(getsockopt(t.c, SOL_SOCKET, SO_LINGER, &got, &n) == 0);
	CHECK(got.l_onoff == 1 && got.l_linger == 5);
	CHECK_EQ(send(t.c, "x", 1, 0), 1);
	CHECK_EQ(recv(t.s, buf, 9, 0), 1);
	close(t.s);
	UNTIL(t.c, POLLIN | POLLOUT | POLLRDHUP);
	long long start = now_ms();
	close(t.c);
	CHECK(now_ms() - start < 3000);
}

// ---- receiving

CASE(tcp_wait_all) {
	connection(7631);
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 5; i++) {
			CHECK_EQ(send(t.c, "xy", 2, 0), 2);
			msleep(3);
		}
		_exit(0);
	}
	CHECK_EQ(recv(t.s, buf, 10, MSG_WAITALL), 10);
	CHECK_CHILD(pid, 0);
	CHECK_EQ(send(t.c, "abc", 3, 0), 3);
	UNTIL(t.s, POLLIN | POLLOUT);
	CHECK_EQ(recv(t.s, buf, 10, MSG_WAITALL | MSG_DONTWAIT), 3);
}

CASE(tcp_wait_all_for_a_time) {
	connection(7632);
	struct timeval tv = {0, 30000};
	CHECK(setsockopt(t.s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	CHECK_EQ(send(t.c, "abc", 3, 0), 3);
	CHECK_EQ(recv(t.s, buf, 10, MSG_WAITALL), 3);
	CHECK_ERRNO(recv(t.s, buf, 10, MSG_WAITALL), EAGAIN);
}

CASE(tcp_peek_and_drop) {
	connection(7633);
	CHECK_EQ(send(t.c, "abcdef", 6, 0), 6);
	CHECK_EQ(recv(t.s, buf, 4, MSG_PEEK), 4);
	CHECK_EQ(recv(t.s, buf, 4, MSG_PEEK), 4);
	CHECK(memcmp(buf, "abcd", 4) == 0);
	CHECK_EQ(recv(t.s, NULL, 2, MSG_TRUNC), 2); // forgets them
	CHECK_EQ(recv(t.s, buf, 9, 0), 4);
	CHECK(memcmp(buf, "cdef", 4) == 0);
	CHECK_ERRNO(recv(t.s, buf, 9, MSG_DONTWAIT | MSG_PEEK), EAGAIN);
}

CASE(tcp_low_mark) {
	connection(7634);
	int v = 5;
	CHECK(setsockopt(t.s, SOL_SOCKET, SO_RCVLOWAT, &v, 4) == 0);
	CHECK_EQ(send(t.c, "abc", 3, 0), 3);
	msleep(5);
	CHECK_EQ(events(t.s), POLLOUT);
	CHECK_EQ(send(t.c, "de", 2, 0), 2);
	UNTIL(t.s, POLLIN | POLLOUT);
	CHECK_EQ(recv(t.s, buf, 1, 0), 1);
	CHECK_EQ(events(t.s), POLLOUT);
	CHECK_EQ(recv(t.s, buf, 9, MSG_DONTWAIT), 4);
	CHECK_EQ(send(t.c, "a", 1, 0), 1);
	CHECK(shutdown(t.c, SHUT_WR) == 0);
	UNTIL(t.s, POLLIN | POLLOUT | POLLRDHUP);
}

CASE(tcp_low_mark_makes_readers_wait) {
	connection(7635);
	int v = 5;
	CHECK(setsockopt(t.s, SOL_SOCKET, SO_RCVLOWAT, &v, 4) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(send(t.c, "abc", 3, 0), 3);
		msleep(20);
		CHECK_EQ(send(t.c, "def", 3, 0), 3);
		_exit(0);
	}
	CHECK_EQ(recv(t.s, buf, 9, 0), 6);
	CHECK_CHILD(pid, 0);
}

CASE(tcp_send_waits_as_long_as_it_may) {
	connection(7636);
	struct timeval tv = {0, 30000};
	CHECK(setsockopt(t.c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) == 0);
	long long total = 0, n;
	while ((n = send(t.c, buf, sizeof buf, 0)) > 0) total += n;
	int e = errno;
	CHECK_EQ(e, EAGAIN);
	CHECK(total > 0);
	CHECK_EQ(events(t.c) & POLLOUT, 0);
	for (long long got = 0; got < total; got += n) CHECK((n = recv(t.s, buf, sizeof buf, 0)) > 0);
	UNTIL(t.c, POLLOUT);
}

CASE(tcp_bytes_to_read_and_to_send) {
	connection(7637);
	int n = -1;
	CHECK_EQ(send(t.c, "abcdef", 6, 0), 6);
	UNTIL(t.s, POLLIN | POLLOUT);
	CHECK(ioctl(t.s, FIONREAD, &n) == 0);
	CHECK_EQ(n, 6);
	CHECK(ioctl(t.s, TIOCOUTQ, &n) == 0);
	CHECK_EQ(n, 0);
}

CASE(tcp_inq_tells_what_is_left) {
	connection(7638);
	CHECK(setsockopt(t.s, SOL_TCP, TCP_INQ, &one, 4) == 0);
	CHECK_EQ(opt(t.s, SOL_TCP, TCP_INQ), 1);
	CHECK_EQ(send(t.c, "abcdef", 6, 0), 6);
	UNTIL(t.s, POLLIN | POLLOUT);
	char control[100];
	struct iovec v = {buf, 2};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	CHECK_EQ(recvmsg(t.s, &m, 0), 2);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_level == SOL_TCP && c->cmsg_type == TCP_CM_INQ);
	CHECK_EQ(*(int *)CMSG_DATA(c), 4);
	CHECK(shutdown(t.c, SHUT_WR) == 0);
	UNTIL(t.s, POLLIN | POLLOUT | POLLRDHUP);
	v.iov_len = 4, m.msg_controllen = sizeof control;
	CHECK_EQ(recvmsg(t.s, &m, 0), 4);
	CHECK_EQ(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&m)), 1); // the end
	int two = 2;
	CHECK_ERRNO(setsockopt(t.s, SOL_TCP, TCP_INQ, &two, 4), EINVAL);
}

// ---- options

CASE(tcp_keepalive_options) {
	connection(7639);
	CHECK_EQ(opt(t.c, SOL_TCP, TCP_KEEPIDLE), 7200);
	CHECK_EQ(opt(t.c, SOL_TCP, TCP_KEEPINTVL), 75);
	CHECK_EQ(opt(t.c, SOL_TCP, TCP_KEEPCNT), 9);
	static const int names[] = {TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT}, most[] = {32767, 32767, 127};
	for (int i = 0; i < 3; i++) {
		int v = 0, over = most[i] + 1;
		CHECK_ERRNO(setsockopt(t.c, SOL_TCP, names[i], &v, 4), EINVAL);
		CHECK_ERRNO(setsockopt(t.c, SOL_TCP, names[i], &over, 4), EINVAL);
		CHECK(setsockopt(t.c, SOL_TCP, names[i], &most[i], 4) == 0);
		CHECK_EQ(opt(t.c, SOL_TCP, names[i]), most[i]);
		CHECK_ERRNO(setsockopt(t.c, SOL_TCP, names[i], &most[i], 3), EINVAL);
	}
}

CASE(tcp_user_timeout) {
	connection(7640);
	int v = 1234, minus = -1;
	CHECK_EQ(opt(t.c, SOL_TCP, TCP_USER_TIMEOUT), 0);
	CHECK(setsockopt(t.c, SOL_TCP, TCP_USER_TIMEOUT, &v, 4) == 0);
	CHECK_EQ(opt(t.c, SOL_TCP, TCP_USER_TIMEOUT), 1234);
	CHECK_ERRNO(setsockopt(t.c, SOL_TCP, TCP_USER_TIMEOUT, &minus, 4), EINVAL);
}

CASE(tcp_states) {
	network();
	int l = listener(7641, 1), c = sock(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(state(c), TCP_CLOSE);
	CHECK_EQ(state(l), TCP_LISTEN);
	CHECK(try(c, 7641) == 0);
	int s = accept(l, NULL, NULL);
	CHECK(state(c) == TCP_ESTABLISHED && state(s) == TCP_ESTABLISHED);
	struct linger g = {1, 0};
	CHECK(setsockopt(c, SOL_SOCKET, SO_LINGER, &g, sizeof g) == 0);
	CHECK(shutdown(c, SHUT_WR) == 0);
	UNTIL(s, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(state(s), TCP_CLOSE_WAIT);
}

CASE(tcp_info_is_cut_to_the_buffer) {
	connection(7642);
	socklen_t n = 1;
	buf[1] = 0x77;
	CHECK(getsockopt(t.c, SOL_TCP, TCP_INFO, buf, &n) == 0);
	CHECK_EQ(n, 1);
	CHECK_EQ(buf[0], TCP_ESTABLISHED);
	CHECK_EQ(buf[1], 0x77);
}

CASE(tcp_saved_syn_is_not_kept_unless_asked_for) {
	connection(7643);
	socklen_t n = 100;
	CHECK_EQ(opt(t.l, SOL_TCP, TCP_SAVE_SYN), 0);
	CHECK(getsockopt(t.s, SOL_TCP, TCP_SAVED_SYN, buf, &n) == 0);
	CHECK_EQ(n, 0);
}

CASE(tcp_packets_that_came_too_far) {
	network();
	int l = listener(7644, 5), least = 200, ttl = 255, a = nonblocking(), b = nonblocking();
	CHECK(setsockopt(l, SOL_IP, IP_MINTTL, &least, 4) == 0);
	CHECK_ERRNO(try(a, 7644), EINPROGRESS);
	CHECK(setsockopt(b, SOL_IP, IP_TTL, &ttl, 4) == 0);
	CHECK_ERRNO(try(b, 7644), EINPROGRESS);
	UNTIL(b, POLLOUT);
	CHECK_EQ(events(a), 0);
	CHECK_EQ(state(a), TCP_SYN_SENT);
	CHECK_ERRNO(try(a, 7644), EALREADY);
	int over = 256;
	CHECK_ERRNO(setsockopt(l, SOL_IP, IP_MINTTL, &over, 4), EINVAL);
}

#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

CASE(tcp_packets_that_came_too_far_over_ipv6) {
	network();
	int l = sock(AF_INET6, SOCK_STREAM, 0), c = sock(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), least = 65;
	struct sockaddr_in6 a = v6("::1", 7645);
	CHECK(bind(l, SA(a)) == 0 && listen(l, 1) == 0);
	CHECK(setsockopt(c, SOL_IPV6, IPV6_MINHOPCOUNT, &least, 4) == 0); // the client hears no answer
	CHECK_ERRNO(connect(c, SA(a)), EINPROGRESS);
	msleep(5);
	CHECK_EQ(events(c), 0);
}

CASE(tcp_send_that_connects) {
	network();
	int l = listener(7646, 5), c = sock(AF_INET, SOCK_STREAM, 0), n = nonblocking(), v = 5;
	struct sockaddr_in a = v4("127.0.0.1", 7646), none = {.sin_family = AF_UNSPEC}, nobody = v4("127.0.0.1", 7647);
	CHECK(setsockopt(l, SOL_TCP, TCP_FASTOPEN, &v, 4) == 0);
	CHECK_EQ(opt(l, SOL_TCP, TCP_FASTOPEN), 5);
	CHECK_ERRNO(sendto(c, "hello", 5, MSG_FASTOPEN, SA(none)), EOPNOTSUPP);
	CHECK_ERRNO(sendto(c, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL, SA(nobody)), ECONNREFUSED);
	CHECK_EQ(sendto(c, "hello", 5, MSG_FASTOPEN, SA(a)), 5);
	int s = accept(l, NULL, NULL);
	CHECK_EQ(recv(s, buf, 9, 0), 5);
	CHECK_ERRNO(sendto(c, "hello", 5, MSG_FASTOPEN, SA(a)), EISCONN);
	CHECK_ERRNO(sendto(n, "hello", 5, MSG_FASTOPEN, SA(a)), EINPROGRESS);
	UNTIL(n, POLLOUT);
	CHECK_ERRNO(setsockopt(c, SOL_TCP, TCP_FASTOPEN, &v, 4), EINVAL);
	CHECK_ERRNO(setsockopt(c, SOL_TCP, TCP_FASTOPEN_CONNECT, &one, 4), EINVAL);
	v = -1;
	CHECK_ERRNO(setsockopt(l, SOL_TCP, TCP_FASTOPEN, &v, 4), EINVAL);
}

CASE(tcp_connect_that_may_be_fast) {
	network();
	int l = listener(7648, 5), c = sock(AF_INET, SOCK_STREAM, 0);
	CHECK(setsockopt(c, SOL_TCP, TCP_FASTOPEN_CONNECT, &one, 4) == 0);
	CHECK_EQ(opt(c, SOL_TCP, TCP_FASTOPEN_CONNECT), 1);
	CHECK(try(c, 7648) == 0);
	CHECK_EQ(send(c, "hello", 5, 0), 5);
	CHECK_EQ(recv(accept(l, NULL, NULL), buf, 9, 0), 5);
}

CASE(tcp_no_time_of_a_last_receive) {
	connection(7649);
	struct timeval tv;
	CHECK_ERRNO(ioctl(t.c, 0x8906, &tv), ENOENT); // SIOCGSTAMP
}

MAIN()
