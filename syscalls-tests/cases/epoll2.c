#include "files.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static void ignore(int sig) { (void)sig; }

static int add(int ep, int fd, uint32_t events) {
	struct epoll_event e = {events, {.fd = fd}};
	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

// next is the one event there is at once, or 0.
static uint32_t next(int ep) {
	struct epoll_event e[2];
	int n = epoll_wait(ep, e, 2, 0);
	CHECK(n == 0 || n == 1);
	return n ? e[0].events : 0;
}

CASE(epoll_create_errors) {
	CHECK_ERRNO(epoll_create(0), EINVAL);
	CHECK_ERRNO(epoll_create(-1), EINVAL);
	CHECK_ERRNO(epoll_create1(1), EINVAL);
	int a = epoll_create(1), b = epoll_create1(EPOLL_CLOEXEC);
	CHECK_EQ(fcntl(a, F_GETFD), 0);
	CHECK_EQ(fcntl(b, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(read(a, &b, 4), EINVAL);
	CHECK_ERRNO(write(a, &b, 4), EINVAL);
}

CASE(epoll_wait_errors) {
	int ep = epoll_create1(0), e = eventfd(1, 0);
	struct epoll_event v[2];
	CHECK_ERRNO(epoll_wait(ep, v, 0, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(ep, v, -1, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(ep, v, INT_MAX, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(77, v, 1, 0), EBADF);
	CHECK_ERRNO(epoll_wait(e, v, 1, 0), EINVAL);
	CHECK(add(ep, e, EPOLLIN) == 0);
	CHECK_ERRNO(epoll_wait(ep, (void *)8, 1, 0), EFAULT);
	// The event is not lost.
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_ERRNO(epoll_pwait(ep, v, 1, 0, (void *)8), EFAULT);
	CHECK_ERRNO(syscall(SYS_epoll_pwait, ep, v, 1, 0, v, 7), EINVAL);
	struct timespec bad = {0, 1000000000};
	CHECK_ERRNO(syscall(SYS_epoll_pwait2, ep, v, 1, &bad, 0, 8), EINVAL);
}

CASE(epoll_ctl_refuses_files_and_itself) {
	int ep = epoll_create1(0), e = eventfd(1, 0);
	struct epoll_event v = {EPOLLIN, {.u64 = 1}};
	CHECK_ERRNO(add(ep, make("f", ""), EPOLLIN), EPERM);
	CHECK_ERRNO(add(ep, open(".", O_RDONLY), EPOLLIN), EPERM);
	CHECK_ERRNO(add(ep, open("f", O_PATH), EPOLLIN), EBADF);
	CHECK_ERRNO(add(ep, ep, EPOLLIN), EINVAL);
	CHECK_ERRNO(add(e, ep, EPOLLIN), EINVAL);
	CHECK_ERRNO(add(ep, 77, EPOLLIN), EBADF);
	CHECK_ERRNO(epoll_ctl(ep, 9, e, &v), EINVAL);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, e, (void *)8), EFAULT);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_MOD, e, &v), ENOENT);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, e, 0), ENOENT);
	CHECK(add(ep, e, EPOLLIN) == 0);
	CHECK_ERRNO(add(ep, e, EPOLLIN), EEXIST);
	CHECK(add(ep, dup(e), EPOLLIN) == 0);
	CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, e, (void *)8) == 0);
}

CASE(epoll_exclusive_rules) {
	int ep = epoll_create1(0), in = epoll_create1(0), e = eventfd(1, 0);
	struct epoll_event v = {EPOLLIN | EPOLLEXCLUSIVE, {.fd = e}};
	CHECK_ERRNO(add(ep, e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
	CHECK_ERRNO(add(ep, e, EPOLLPRI | EPOLLEXCLUSIVE), EINVAL);
	CHECK_ERRNO(add(ep, in, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	CHECK(add(ep, e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET) == 0);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_MOD, e, &v), EINVAL);
	v.events = EPOLLIN;
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_MOD, e, &v), EINVAL);
	CHECK_EQ(next(ep), EPOLLIN);
}

CASE(epoll_cycles_give_ELOOP) {
	int a = epoll_create1(0), b = epoll_create1(0), last = a;
	CHECK(add(a, b, EPOLLIN) == 0);
	CHECK_ERRNO(add(b, a, EPOLLIN), ELOOP);
	last = b;
	for (int i = 0; i < 3; i++) {
		int c = epoll_create1(0);
		CHECK(add(last, c, EPOLLIN) == 0);
		last = c;
	}
	CHECK_ERRNO(add(last, a, EPOLLIN), ELOOP);
	int deeper = epoll_create1(0);
	CHECK_ERRNO(add(last, deeper, EPOLLIN) == 0 ? add(deeper, epoll_create1(0), EPOLLIN) : -1, ELOOP);
}

CASE(epoll_edges_come_with_each_write) {
	int ep = epoll_create1(0), p[2];
	char b[8];
	CHECK(pipe(p) == 0);
	CHECK(add(ep, p[0], EPOLLIN | EPOLLET) == 0);
	CHECK_EQ(next(ep), 0);
	CHECK_EQ(write(p[1], "ab", 2), 2);
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_EQ(next(ep), 0);
	CHECK_EQ(write(p[1], "c", 1), 1);
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_EQ(read(p[0], b, 1), 1);
	CHECK_EQ(next(ep), 0);
	// Setting it anew looks anew.
	struct epoll_event v = {EPOLLIN | EPOLLET, {.fd = p[0]}};
	CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &v) == 0);
	CHECK_EQ(next(ep), EPOLLIN);
	close(p[1]);
	CHECK_EQ(next(ep), EPOLLIN | EPOLLHUP);
	CHECK_EQ(next(ep), 0);
}

CASE(epoll_tells_hangup_and_error_unasked) {
	int ep = epoll_create1(0), p[2], s[2];
	CHECK(pipe(p) == 0);
	CHECK(add(ep, p[0], 0) == 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(next(ep), 0);
	close(p[1]);
	CHECK_EQ(next(ep), EPOLLHUP);
	close(p[0]);
	CHECK_EQ(next(ep), 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK(add(ep, s[0], EPOLLIN | EPOLLRDHUP) == 0);
	CHECK(shutdown(s[1], SHUT_WR) == 0);
	CHECK_EQ(next(ep), EPOLLIN | EPOLLRDHUP);
	close(s[1]);
	CHECK_EQ(next(ep), EPOLLIN | EPOLLRDHUP | EPOLLHUP);
}

CASE(epoll_takes_turns_when_there_is_no_room_for_all) {
	int ep = epoll_create1(0), fds[3], seen[3] = {0};
	for (int i = 0; i < 3; i++) {
		fds[i] = eventfd(1, 0);
		struct epoll_event v = {EPOLLIN, {.u32 = i}};
		CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &v) == 0);
	}
	for (int i = 0; i < 6; i++) {
		struct epoll_event v;
		CHECK_EQ(epoll_wait(ep, &v, 1, 0), 1);
		seen[v.data.u32]++;
	}
	CHECK(seen[0] == 2 && seen[1] == 2 && seen[2] == 2);
}

CASE(epoll_keeps_what_a_duplicate_keeps_open) {
	int ep = epoll_create1(0), e = eventfd(1, 0), d = dup(e);
	CHECK(add(ep, e, EPOLLIN) == 0);
	close(e);
	CHECK_EQ(next(ep), EPOLLIN);
	// The name is gone, so that nobody can take it out.
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, e, 0), EBADF);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, d, 0), ENOENT);
	CHECK_EQ(dup2(d, e), e);
	CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, e, 0) == 0);
	CHECK_EQ(next(ep), 0);
}

CASE(epoll_wait_ends_with_time_or_a_signal) {
	int ep = epoll_create1(0);
	struct epoll_event v;
	struct sigaction sa = {.sa_handler = ignore, .sa_flags = SA_RESTART};
	long long t = now_ms();
	CHECK_EQ(epoll_wait(ep, &v, 1, 20), 0);
	CHECK(now_ms() - t >= 19);
	struct timespec ts = {0, 2000000};
	CHECK_EQ(syscall(SYS_epoll_pwait2, ep, &v, 1, &ts, 0, 8), 0);
	sigaction(SIGALRM, &sa, 0);
	ualarm(10000, 10000);
	CHECK_ERRNO(epoll_wait(ep, &v, 1, -1), EINTR);
	CHECK_ERRNO(syscall(SYS_epoll_pwait2, ep, &v, 1, 0, 0, 8), EINTR);
}

CASE(epoll_is_readable_when_it_has_events) {
	int ep = epoll_create1(0), e = eventfd(0, 0);
	struct pollfd p = {ep, POLLIN | POLLOUT, 0};
	uint64_t one = 1;
	CHECK(add(ep, e, EPOLLIN) == 0);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(write(e, &one, 8), 8);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	CHECK_EQ(read(e, &one, 8), 8);
	CHECK_EQ(poll(&p, 1, 0), 0);
}

CASE(epoll_oneshot_tells_nothing_until_set_again) {
	int ep = epoll_create1(0), p[2];
	CHECK(pipe(p) == 0);
	CHECK(add(ep, p[0], EPOLLIN | EPOLLONESHOT) == 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(next(ep), EPOLLIN);
	close(p[1]);
	CHECK_EQ(next(ep), 0);
	struct epoll_event v = {EPOLLOUT | EPOLLONESHOT, {.fd = p[0]}};
	CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &v) == 0);
	CHECK_EQ(next(ep), EPOLLHUP);
	CHECK_EQ(next(ep), 0);
}

MAIN()
