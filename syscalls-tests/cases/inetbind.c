// Which sockets may share a port, and what names sockets have.
#include "rawnet.h"

// What a socket is that tries a port.
struct try { int family, reuse_addr, reuse_port, only6; const char *ip; };

static int trial(int type, struct try t, int port) {
	int fd = sock(t.family, type, 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &t.reuse_addr, 4) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &t.reuse_port, 4) == 0);
	int r;
	if (t.family == AF_INET) {
		struct sockaddr_in a = v4(t.ip, port);
		r = bind(fd, SA(a));
	} else {
		CHECK(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &t.only6, 4) == 0);
		struct sockaddr_in6 a = v6(t.ip, port);
		r = bind(fd, SA(a));
	}
	if (r == 0) return fd;
	r = -errno;
	close(fd);
	return r;
}

// pair reports whether b may have the port that a has.
static int pair(int type, struct try a, struct try b) {
	int x = trial(type, a, 7500);
	CHECK(x >= 0);
	int y = trial(type, b, 7500);
	close(x);
	if (y >= 0) return close(y), 1;
	CHECK_EQ(y, -EADDRINUSE);
	return 0;
}

#define P4(...) (struct try){AF_INET, __VA_ARGS__}
#define P6(...) (struct try){AF_INET6, __VA_ARGS__}

static void plain(int type) {
	CHECK_EQ(pair(type, P4(0, 0, 0, "127.0.0.1"), P4(0, 0, 0, "127.0.0.1")), 0);
	CHECK_EQ(pair(type, P4(0, 0, 0, "127.0.0.1"), P4(0, 0, 0, "127.0.0.2")), 1);
	CHECK_EQ(pair(type, P4(0, 0, 0, "127.0.0.1"), P4(0, 0, 0, "0.0.0.0")), 0);
	CHECK_EQ(pair(type, P4(0, 0, 0, "0.0.0.0"), P4(0, 0, 0, "127.0.0.1")), 0);
}

CASE(bind_one_address_once_tcp) {
	network();
	plain(SOCK_STREAM);
}

CASE(bind_one_address_once_udp) {
	network();
	plain(SOCK_DGRAM);
}

static void reusing(int type) {
	CHECK_EQ(pair(type, P4(1, 0, 0, "127.0.0.1"), P4(0, 0, 0, "127.0.0.1")), 0);
	CHECK_EQ(pair(type, P4(0, 0, 0, "127.0.0.1"), P4(1, 0, 0, "127.0.0.1")), 0);
	CHECK_EQ(pair(type, P4(1, 0, 0, "127.0.0.1"), P4(1, 0, 0, "127.0.0.1")), 1);
	CHECK_EQ(pair(type, P4(0, 1, 0, "127.0.0.1"), P4(0, 1, 0, "127.0.0.1")), 1);
	CHECK_EQ(pair(type, P4(0, 1, 0, "127.0.0.1"), P4(0, 0, 0, "127.0.0.1")), 0);
	CHECK_EQ(pair(type, P4(0, 1, 0, "127.0.0.1"), P4(1, 0, 0, "127.0.0.1")), 0);
	CHECK_EQ(pair(type, P4(1, 1, 0, "127.0.0.1"), P4(1, 0, 0, "127.0.0.1")), 1);
	CHECK_EQ(pair(type, P4(1, 0, 0, "0.0.0.0"), P4(1, 0, 0, "127.0.0.1")), 1);
	CHECK_EQ(pair(type, P4(0, 1, 0, "0.0.0.0"), P4(0, 1, 0, "127.0.0.1")), 1);
}

CASE(bind_reuse_takes_both_tcp) {
	network();
	reusing(SOCK_STREAM);
}

CASE(bind_reuse_takes_both_udp) {
	network();
	reusing(SOCK_DGRAM);
}

static void families(int type) {
	CHECK_EQ(pair(type, P6(0, 0, 0, "::"), P4(0, 0, 0, "0.0.0.0")), 0);
	CHECK_EQ(pair(type, P6(0, 0, 0, "::"), P4(0, 0, 0, "127.0.0.1")), 0);
	CHECK_EQ(pair(type, P4(0, 0, 0, "0.0.0.0"), P6(0, 0, 0, "::")), 0);
	CHECK_EQ(pair(type, P4(0, 0, 0, "127.0.0.1"), P6(0, 0, 0, "::")), 0);
	CHECK_EQ(pair(type, P6(0, 0, 1, "::"), P4(0, 0, 0, "0.0.0.0")), 1);
	CHECK_EQ(pair(type, P4(0, 0, 0, "0.0.0.0"), P6(0, 0, 1, "::")), 1);
	CHECK_EQ(pair(type, P6(0, 0, 0, "::1"), P4(0, 0, 0, "0.0.0.0")), 1);
	CHECK_EQ(pair(type, P6(0, 0, 0, "::1"), P6(0, 0, 0, "::")), 0);
	CHECK_EQ(pair(type, P6(0, 0, 1, "::"), P6(0, 0, 0, "::")), 0);
	CHECK_EQ(pair(type, P6(0, 0, 0, "::ffff:127.0.0.1"), P4(0, 0, 0, "127.0.0.1")), 0);
	CHECK_EQ(pair(type, P6(0, 0, 0, "::ffff:127.0.0.1"), P4(0, 0, 0, "127.0.0.2")), 1);
	CHECK_EQ(pair(type, P6(0, 0, 0, "::ffff:0.0.0.0"), P6(0, 0, 1, "::")), 1);
	CHECK_EQ(pair(type, P6(0, 0, 0, "::ffff:0.0.0.0"), P6(0, 0, 0, "::1")), 1);
	CHECK_EQ(pair(type, P6(0, 1, 0, "::"), P4(0, 1, 0, "0.0.0.0")), 1);
	CHECK_EQ(pair(type, P6(1, 0, 0, "::"), P4(1, 0, 0, "0.0.0.0")), 1);
}

CASE(bind_the_two_families_tcp) {
	network();
	families(SOCK_STREAM);
}

CASE(bind_the_two_families_udp) {
	network();
	families(SOCK_DGRAM);
}

CASE(bind_reuse_is_not_for_listeners) {
	network();
	int a = trial(SOCK_STREAM, P4(1, 0, 0, "127.0.0.1"), 7501), b = trial(SOCK_STREAM, P4(1, 0, 0, "127.0.0.1"), 7501);
	CHECK(a >= 0 && b >= 0);
	CHECK(listen(a, 1) == 0);
	CHECK_ERRNO(listen(b, 1), EADDRINUSE);
	CHECK_EQ(trial(SOCK_STREAM, P4(1, 0, 0, "127.0.0.1"), 7501), -EADDRINUSE);
	close(a);
	CHECK(listen(b, 1) == 0);
}

CASE(bind_reuse_port_is_for_listeners) {
	network();
	int a = trial(SOCK_STREAM, P4(0, 1, 0, "127.0.0.1"), 7502), b = trial(SOCK_STREAM, P4(0, 1, 0, "127.0.0.1"), 7502);
	CHECK(a >= 0 && b >= 0);
	CHECK(listen(a, 1) == 0 && listen(b, 1) == 0);
	CHECK(trial(SOCK_STREAM, P4(0, 1, 0, "127.0.0.1"), 7502) >= 0);
}

CASE(bind_reuse_port_is_for_one_user) {
	network();
	int a = trial(SOCK_STREAM, P4(0, 1, 0, "127.0.0.1"), 7503);
	CHECK(a >= 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(syscall(SYS_setresuid, 1000, 1000, 1000) == 0);
		_exit(trial(SOCK_STREAM, P4(0, 1, 0, "127.0.0.1"), 7503) == -EADDRINUSE ? 0 : 1);
	}
	CHECK_CHILD(pid, 0);
}

CASE(bind_reuse_port_shares_connections_out) {
	network();
	int l[4], from[4] = {0};
	for (int i = 0; i < 4; i++) {
		l[i] = trial(SOCK_STREAM, P4(0, 1, 0, "127.0.0.1"), 7504);
		CHECK(l[i] >= 0 && listen(l[i], 200) == 0);
	}
	struct sockaddr_in a = v4("127.0.0.1", 7504);
	for (int i = 0; i < 160; i++) CHECK(connect(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
	int total = 0;
	for (int i = 0; i < 4; i++) {
		CHECK(fcntl(l[i], F_SETFL, O_NONBLOCK) == 0);
		while (accept(l[i], NULL, NULL) >= 0) total++, from[i]++;
		CHECK(from[i] > 0);
	}
	CHECK_EQ(total, 160);
}

CASE(bind_reuse_port_keeps_a_sender_with_one_receiver) {
	network();
	int r[3], got[3] = {0};
	for (int i = 0; i < 3; i++) CHECK((r[i] = trial(SOCK_DGRAM, P4(0, 1, 0, "127.0.0.1"), 7505)) >= 0);
	struct sockaddr_in a = v4("127.0.0.1", 7505);
	int s = sock(AF_INET, SOCK_DGRAM, 0);
	for (int i = 0; i < 20; i++) CHECK_EQ(sendto(s, "x", 1, 0, SA(a)), 1);
	for (int i = 0; i < 3; i++) while (recv(r[i], buf, 9, MSG_DONTWAIT) == 1) got[i]++;
	CHECK(got[0] == 20 || got[1] == 20 || got[2] == 20);
	for (int k = 0; k < 100; k++) {
		int o = sock(AF_INET, SOCK_DGRAM, 0);
		CHECK_EQ(sendto(o, "x", 1, 0, SA(a)), 1);
		close(o);
	}
	for (int i = 0; i < 3; i++) {
		got[i] = 0;
		while (recv(r[i], buf, 9, MSG_DONTWAIT) == 1) got[i]++;
		CHECK(got[i] > 0);
	}
}

CASE(bind_a_connected_udp_socket_is_found_first) {
	network();
	int a = trial(SOCK_DGRAM, P4(1, 0, 0, "127.0.0.1"), 7506), b = trial(SOCK_DGRAM, P4(1, 0, 0, "127.0.0.1"), 7506);
	int s = trial(SOCK_DGRAM, P4(0, 0, 0, "127.0.0.1"), 7507);
	struct sockaddr_in from = v4("127.0.0.1", 7507), to = v4("127.0.0.1", 7506);
	CHECK(connect(a, SA(from)) == 0);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(to)), 1);
	CHECK_EQ(recv(a, buf, 9, MSG_DONTWAIT), 1);
	NOTHING(b);
	CHECK_EQ(sendto(sock(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, SA(to)), 1);
	NOTHING(a);
	CHECK_EQ(recv(b, buf, 9, MSG_DONTWAIT), 1);
}

CASE(bind_the_more_specific_address_is_found_first) {
	network();
	int any = trial(SOCK_DGRAM, P4(1, 0, 0, "0.0.0.0"), 7508), own = trial(SOCK_DGRAM, P4(1, 0, 0, "127.0.0.1"), 7508);
	struct sockaddr_in to = v4("127.0.0.1", 7508), other = v4("127.0.0.2", 7508);
	int s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(to)), 1);
	CHECK_EQ(sendto(s, "yy", 2, 0, SA(other)), 2);
	CHECK_EQ(recv(own, buf, 9, MSG_DONTWAIT), 1);
	CHECK_EQ(recv(any, buf, 9, MSG_DONTWAIT), 2);
}

CASE(bind_errors) {
	network();
	struct sockaddr_in a = v4("127.0.0.1", 7509), far = v4("192.0.2.1", 7509), family = a;
	struct sockaddr_in6 b = v6("::1", 7509), mapped = v6("::ffff:127.0.0.1", 7509), far6 = v6("2001:db8::1", 7509);
	int s4 = sock(AF_INET, SOCK_STREAM, 0), s6 = sock(AF_INET6, SOCK_STREAM, 0);
	CHECK_ERRNO(bind(s4, (void *)&a, 15), EINVAL);
	CHECK_ERRNO(bind(s4, (void *)&a, -1), EINVAL);
	CHECK_ERRNO(bind(s4, (void *)&a, 200), EINVAL);
	CHECK_ERRNO(bind(s4, (void *)1, sizeof a), EFAULT);
	CHECK_ERRNO(bind(s4, SA(far)), EADDRNOTAVAIL);
	CHECK_ERRNO(bind(s4, SA(b)), EAFNOSUPPORT);
	family.sin_family = AF_UNIX;
	CHECK_ERRNO(bind(s4, SA(family)), EAFNOSUPPORT);
	family.sin_family = AF_UNSPEC;
	CHECK_ERRNO(bind(s4, SA(family)), EAFNOSUPPORT);
	CHECK_ERRNO(bind(s6, SA(a)), EINVAL);
	CHECK_ERRNO(bind(s6, (void *)&b, 23), EINVAL);
	CHECK_ERRNO(bind(s6, SA(far6)), EADDRNOTAVAIL);
	CHECK(setsockopt(s6, SOL_IPV6, IPV6_V6ONLY, &one, 4) == 0);
	CHECK_ERRNO(bind(s6, SA(mapped)), EINVAL);
	CHECK(bind(s4, SA(a)) == 0);
	CHECK_ERRNO(bind(s4, SA(a)), EINVAL);
	CHECK_ERRNO(bind(1000, SA(a)), EBADF);
	CHECK_ERRNO(bind(open("/", O_RDONLY), SA(a)), ENOTSOCK);
}

CASE(bind_v6only_cannot_change_afterwards) {
	network();
	int fd = trial(SOCK_STREAM, P6(0, 0, 0, "::"), 7510);
	CHECK_ERRNO(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &one, 4), EINVAL);
}

CASE(bind_v6only_does_not_take_ipv4) {
	network();
	int fd = trial(SOCK_STREAM, P6(0, 0, 1, "::"), 7511);
	struct sockaddr_in a = v4("127.0.0.1", 7511);
	CHECK(listen(fd, 1) == 0);
	CHECK_ERRNO(connect(sock(AF_INET, SOCK_STREAM, 0), SA(a)), ECONNREFUSED);
	struct sockaddr_in6 mapped = v6("::ffff:127.0.0.1", 7511);
	int c = sock(AF_INET6, SOCK_STREAM, 0);
	CHECK(setsockopt(c, SOL_IPV6, IPV6_V6ONLY, &one, 4) == 0);
	CHECK_ERRNO(connect(c, SA(mapped)), ENETUNREACH);
}

CASE(bind_names_of_mapped_peers) {
	network();
	int l = trial(SOCK_STREAM, P6(0, 0, 0, "::"), 7512), c = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = v4("127.0.0.1", 7512);
	struct sockaddr_in6 who;
	socklen_t n = sizeof who;
	CHECK(listen(l, 1) == 0 && connect(c, SA(a)) == 0);
	int s = accept(l, (void *)&who, &n);
	CHECK_EQ(n, sizeof who);
	CHECK_EQ(who.sin6_family, AF_INET6);
	CHECK(IN6_IS_ADDR_V4MAPPED(&who.sin6_addr));
	CHECK(getsockname(s, (void *)&who, &n) == 0);
	CHECK(IN6_IS_ADDR_V4MAPPED(&who.sin6_addr));
	CHECK_EQ(ntohs(who.sin6_port), 7512);
}

CASE(bind_lengths_of_names) {
	network();
	struct sockaddr_in a;
	int fd = trial(SOCK_STREAM, P4(0, 0, 0, "127.0.0.1"), 7513);
	socklen_t n = 4;
	memset(&a, 0x55, sizeof a);
	CHECK(getsockname(fd, (void *)&a, &n) == 0);
	CHECK_EQ(n, 16); // the whole, though only so much was stored
	CHECK_EQ(ntohs(a.sin_port), 7513);
	CHECK_EQ(a.sin_addr.s_addr, 0x55555555);
	n = 0;
	CHECK(getsockname(fd, NULL, &n) == 0);
	CHECK_EQ(n, 16);
	n = -1;
	CHECK_ERRNO(getsockname(fd, (void *)&a, &n), EINVAL);
	n = 16;
	CHECK_ERRNO(getsockname(fd, (void *)1, &n), EFAULT);
	CHECK_ERRNO(getsockname(fd, (void *)&a, (void *)1), EFAULT);
	CHECK_ERRNO(getpeername(fd, (void *)&a, &n), ENOTCONN);
	n = -1;
	CHECK_ERRNO(getpeername(fd, (void *)&a, &n), ENOTCONN);
}

CASE(bind_an_unbound_socket_has_the_wildcard) {
	network();
	struct sockaddr_in a;
	CHECK_EQ(name_of(sock(AF_INET, SOCK_STREAM, 0), &a), 0);
	CHECK_EQ(a.sin_family, AF_INET);
	CHECK_EQ(a.sin_addr.s_addr, 0);
	int fd = sock(AF_INET, SOCK_STREAM, 0);
	CHECK(listen(fd, 1) == 0);
	CHECK(name_of(fd, &a) >= 32768);
	CHECK_EQ(a.sin_addr.s_addr, 0);
}

CASE(bind_port_zero_chooses_one) {
	network();
	struct sockaddr_in a = v4("127.0.0.1", 0), got;
	int seen[20];
	for (int i = 0; i < 20; i++) {
		int fd = sock(AF_INET, SOCK_DGRAM, 0);
		CHECK(bind(fd, SA(a)) == 0);
		seen[i] = name_of(fd, &got);
		CHECK(seen[i] >= 32768 && seen[i] <= 60999);
		for (int k = 0; k < i; k++) CHECK(seen[i] != seen[k]);
	}
}

CASE(bind_reserved_ports_are_privileged) {
	network();
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(syscall(SYS_setresuid, 1000, 1000, 1000) == 0);
		struct sockaddr_in a = v4("127.0.0.1", 80);
		CHECK_ERRNO(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)), EACCES);
		CHECK_ERRNO(bind(sock(AF_INET, SOCK_DGRAM, 0), SA(a)), EACCES);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

CASE(bind_a_port_of_a_closed_listener_is_free) {
	network();
	for (int i = 0; i < 3; i++) {
		int fd = trial(SOCK_STREAM, P4(0, 0, 0, "127.0.0.1"), 7514);
		CHECK(fd >= 0 && listen(fd, 1) == 0);
		close(fd);
	}
}

CASE(bind_a_port_with_accepted_connections_is_taken) {
	network();
	int l = trial(SOCK_STREAM, P4(0, 0, 0, "127.0.0.1"), 7515), c = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = v4("127.0.0.1", 7515);
	CHECK(listen(l, 1) == 0 && connect(c, SA(a)) == 0);
	int s = accept(l, NULL, NULL);
	close(l);
	CHECK_EQ(trial(SOCK_STREAM, P4(0, 0, 0, "127.0.0.1"), 7515), -EADDRINUSE);
	CHECK_EQ(trial(SOCK_STREAM, P4(1, 0, 0, "127.0.0.1"), 7515), -EADDRINUSE);
	close(s);
}

CASE(bind_reuse_takes_the_port_of_connections_that_reuse) {
	network();
	int l = trial(SOCK_STREAM, P4(1, 0, 0, "127.0.0.1"), 7516), c = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = v4("127.0.0.1", 7516);
	CHECK(listen(l, 1) == 0 && connect(c, SA(a)) == 0);
	int s = accept(l, NULL, NULL);
	CHECK(s >= 0);
	close(l);
	l = trial(SOCK_STREAM, P4(1, 0, 0, "127.0.0.1"), 7516);
	CHECK(l >= 0 && listen(l, 1) == 0);
	CHECK(connect(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
}

MAIN()
