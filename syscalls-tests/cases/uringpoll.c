// io_uring: polls, timeouts, cancellation, futexes, children.
#include "uring.h"
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static struct ring r;
static char buf[4096];

static struct __kernel_timespec brief = {0, 10000000}, later = {20, 0};

CASE(poll_tells_what_a_file_is_ready_for) {
	ring_init(&r, 8, 0);
	int p[2];
	CHECK_EQ(pipe(p), 0);
	sqe(&r, IORING_OP_POLL_ADD, p[1], 0, 0, 0, 1)->poll32_events = POLLOUT;
	CHECK_EQ(run(&r), POLLOUT);
	sqe(&r, IORING_OP_POLL_ADD, p[0], 0, 0, 0, 2)->poll32_events = POLLIN;
	submit(&r, 0);
	CHECK_EQ(ready(&r), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	WANT(&r, 2, POLLIN);
	CHECK_EQ(read(p[0], buf, 1), 1);
	close(p[1]);
	sqe(&r, IORING_OP_POLL_ADD, p[0], 0, 0, 0, 3)->poll32_events = POLLIN;
	CHECK_EQ(run(&r), POLLHUP);
}

CASE(poll_of_a_regular_file_is_always_ready) {
	ring_init(&r, 8, 0);
	sqe(&r, IORING_OP_POLL_ADD, temp(""), 0, 0, 0, 1)->poll32_events = POLLIN | POLLOUT;
	CHECK_EQ(run(&r), POLLIN | POLLOUT);
	sqe(&r, IORING_OP_POLL_ADD, 0, 0, 1 << 9, 0, 1);
	CHECK_EQ(run(&r), -EINVAL);
}

CASE(a_multishot_poll_tells_again_and_again) {
	ring_init(&r, 8, 0);
	int e = eventfd(0, EFD_NONBLOCK);
	unsigned long long n = 1;
	sqe(&r, IORING_OP_POLL_ADD, e, 0, IORING_POLL_ADD_MULTI, 0, 1)->poll32_events = POLLIN;
	submit(&r, 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(write(e, &n, 8), 8);
		struct cqe c = next(&r);
		CHECK_EQ(c.user_data, 1);
		CHECK_EQ(c.res, POLLIN);
		CHECK(c.flags & IORING_CQE_F_MORE);
		CHECK_EQ(read(e, &n, 8), 8);
		n = 1;
	}
	sqe(&r, IORING_OP_POLL_REMOVE, -1, (void *)1, 0, 0, 2);
	submit(&r, 2);
	int res[32];
	results(&r, 2, res);
	CHECK_EQ(res[1], -ECANCELED);
	CHECK_EQ(res[2], 0);
}

CASE(poll_remove_and_update) {
	ring_init(&r, 8, 0);
	int p[2], res[32];
	CHECK_EQ(pipe(p), 0);
	sqe(&r, IORING_OP_POLL_REMOVE, -1, (void *)9, 0, 0, 1);
	CHECK_EQ(run(&r), -ENOENT);
	sqe(&r, IORING_OP_POLL_ADD, p[0], 0, 0, 0, 2)->poll32_events = POLLIN;
	submit(&r, 0);
	sqe(&r, IORING_OP_POLL_REMOVE, -1, (void *)2, IORING_POLL_UPDATE_USER_DATA, 4, 3);
	CHECK_EQ(run(&r), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	WANT(&r, 4, POLLIN);
	sqe(&r, IORING_OP_POLL_ADD, p[1], 0, 0, 0, 5)->poll32_events = POLLPRI;
	submit(&r, 0);
	sqe(&r, IORING_OP_POLL_REMOVE, -1, (void *)5, IORING_POLL_UPDATE_EVENTS, 0, 6)->poll32_events = POLLOUT;
	submit(&r, 2);
	results(&r, 2, res);
	CHECK_EQ(res[5], POLLOUT);
	CHECK_EQ(res[6], 0);
	sqe(&r, IORING_OP_POLL_REMOVE, -1, (void *)5, IORING_POLL_ADD_MULTI, 0, 6);
	CHECK_EQ(run(&r), -EINVAL);
}

CASE(the_ring_itself_can_be_polled) {
	ring_init(&r, 8, 0);
	struct pollfd f = {r.fd, POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(&f, 1, 0), 1);
	CHECK_EQ(f.revents, POLLOUT);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1);
	submit(&r, 0);
	CHECK_EQ(poll(&f, 1, 0), 1);
	CHECK_EQ(f.revents, POLLIN | POLLOUT);
	int ep = epoll_create1(0);
	struct epoll_event ev = {EPOLLIN, {.u32 = 5}};
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, r.fd, &ev), 0);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	WANT(&r, 1, 0);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
}

CASE(epoll_ctl_in_a_request) {
	ring_init(&r, 8, 0);
	int ep = epoll_create1(0), e = eventfd(1, 0);
	struct epoll_event ev = {EPOLLIN, {.u32 = 5}};
	sqe(&r, IORING_OP_EPOLL_CTL, ep, &ev, EPOLL_CTL_ADD, e, 1);
	CHECK_EQ(run(&r), 0);
	sqe(&r, IORING_OP_EPOLL_CTL, ep, &ev, EPOLL_CTL_ADD, e, 1);
	CHECK_EQ(run(&r), -EEXIST);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	sqe(&r, IORING_OP_EPOLL_CTL, ep, 0, EPOLL_CTL_DEL, e, 1);
	CHECK_EQ(run(&r), 0);
}

CASE(a_read_waits_for_its_file_though_it_is_nonblocking) {
	ring_init(&r, 8, 0);
	int p[2];
	CHECK_EQ(pipe2(p, O_NONBLOCK), 0);
	sqe(&r, IORING_OP_READ, p[0], buf, 10, 0, 1);
	submit(&r, 0);
	CHECK_EQ(ready(&r), 0);
	CHECK_EQ(write(p[1], "abc", 3), 3);
	WANT(&r, 1, 3);
	sqe(&r, IORING_OP_READ, p[0], buf, 10, 0, 1)->rw_flags = RWF_NOWAIT;
	CHECK_EQ(run(&r), -EAGAIN);
}

CASE(a_timeout_expires) {
	ring_init(&r, 8, 0);
	long long start = now_ms();
	sqe(&r, IORING_OP_TIMEOUT, -1, &brief, 1, 0, 1);
	submit(&r, 1);
	WANT(&r, 1, -ETIME);
	CHECK(now_ms() - start >= 9);
}

CASE(an_absolute_timeout) {
	ring_init(&r, 8, 0);
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	struct __kernel_timespec ts = {now.tv_sec, now.tv_nsec};
	sqe(&r, IORING_OP_TIMEOUT, -1, &ts, 1, 0, 1)->timeout_flags = IORING_TIMEOUT_ABS | IORING_TIMEOUT_REALTIME;
	CHECK_EQ(run(&r), -ETIME);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ts.tv_sec = now.tv_sec + 100;
	sqe(&r, IORING_OP_TIMEOUT, -1, &ts, 1, 0, 1)->timeout_flags = IORING_TIMEOUT_ABS;
	submit(&r, 0);
	CHECK_EQ(ready(&r), 0);
}

CASE(timeout_errors) {
	ring_init(&r, 8, 0);
	struct __kernel_timespec bad = {-1, 0};
	sqe(&r, IORING_OP_TIMEOUT, -1, &brief, 0, 0, 1);
	CHECK_EQ(run(&r), -EINVAL);
	sqe(&r, IORING_OP_TIMEOUT, -1, &bad, 1, 0, 1);
	CHECK_EQ(run(&r), -EINVAL);
	sqe(&r, IORING_OP_TIMEOUT, -1, (void *)8, 1, 0, 1);
	CHECK_EQ(run(&r), -EFAULT);
	sqe(&r, IORING_OP_TIMEOUT, -1, &brief, 1, 0, 1)->timeout_flags = IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME;
	CHECK_EQ(run(&r), -EINVAL);
	sqe(&r, IORING_OP_LINK_TIMEOUT, -1, &brief, 1, 0, 1);
	CHECK_EQ(run(&r), -EINVAL);
}

CASE(a_timeout_ends_after_so_many_completions) {
	ring_init(&r, 8, 0);
	sqe(&r, IORING_OP_TIMEOUT, -1, &later, 1, 2, 1);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 2);
	submit(&r, 1);
	WANT(&r, 2, 0);
	CHECK_EQ(ready(&r), 0);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&r, 2);
	WANT(&r, 3, 0);
	WANT(&r, 1, 0);
}

CASE(a_multishot_timeout) {
	ring_init(&r, 8, 0);
	struct __kernel_timespec ts = {0, 2000000};
	sqe(&r, IORING_OP_TIMEOUT, -1, &ts, 1, 3, 1)->timeout_flags = 1 << 6;
	submit(&r, 1);
	for (int i = 0; i < 3; i++) {
		struct cqe c = next(&r);
		CHECK_EQ(c.res, -ETIME);
		CHECK_EQ(!!(c.flags & IORING_CQE_F_MORE), i < 2);
	}
}

CASE(timeouts_are_removed_and_updated) {
	ring_init(&r, 8, 0);
	int res[32];
	sqe(&r, IORING_OP_TIMEOUT, -1, &later, 1, 0, 1);
	sqe(&r, IORING_OP_TIMEOUT_REMOVE, -1, (void *)1, 0, 0, 2);
	submit(&r, 2);
	results(&r, 2, res);
	CHECK_EQ(res[1], -ECANCELED);
	CHECK_EQ(res[2], 0);
	sqe(&r, IORING_OP_TIMEOUT_REMOVE, -1, (void *)1, 0, 0, 2);
	CHECK_EQ(run(&r), -ENOENT);
	sqe(&r, IORING_OP_TIMEOUT, -1, &later, 1, 0, 3);
	sqe(&r, IORING_OP_TIMEOUT_REMOVE, -1, (void *)3, 0, (unsigned long)&brief, 4)->timeout_flags = IORING_TIMEOUT_UPDATE;
	submit(&r, 2);
	results(&r, 2, res);
	CHECK_EQ(res[3], -ETIME);
	CHECK_EQ(res[4], 0);
}

CASE(a_link_timeout_ends_what_it_follows) {
	ring_init(&r, 8, 0);
	int p[2], res[32];
	CHECK_EQ(pipe(p), 0);
	sqe(&r, IORING_OP_READ, p[0], buf, 1, 0, 1)->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_LINK_TIMEOUT, -1, &brief, 1, 0, 2)->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&r, 3);
	results(&r, 3, res);
	CHECK_EQ(res[1], -ECANCELED);
	CHECK_EQ(res[2], -ETIME);
	CHECK_EQ(res[3], -ECANCELED);
}

CASE(a_link_timeout_goes_when_what_it_follows_ends) {
	ring_init(&r, 8, 0);
	int p[2], res[32];
	CHECK_EQ(pipe(p), 0);
	sqe(&r, IORING_OP_READ, p[0], buf, 1, 0, 1)->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_LINK_TIMEOUT, -1, &later, 1, 0, 2)->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&r, 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	results(&r, 3, res);
	CHECK_EQ(res[1], 1);
	CHECK_EQ(res[2], -ECANCELED);
	CHECK_EQ(res[3], 0);
}

CASE(cancel_by_user_data) {
	ring_init(&r, 8, 0);
	int p[2], res[32];
	CHECK_EQ(pipe(p), 0);
	sqe(&r, IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 0, 2);
	CHECK_EQ(run(&r), -ENOENT);
	sqe(&r, IORING_OP_READ, p[0], buf, 1, 0, 1);
	sqe(&r, IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 0, 2);
	submit(&r, 2);
	results(&r, 2, res);
	CHECK_EQ(res[1], -ECANCELED);
	CHECK_EQ(res[2], 0);
	sqe(&r, IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 7, 2);
	CHECK_EQ(run(&r), -EINVAL);
}

CASE(cancel_by_descriptor_or_all_or_any) {
	ring_init(&r, 16, 0);
	int p[2], q[2], res[32];
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(pipe(q), 0);
	for (int i = 0; i < 3; i++) sqe(&r, IORING_OP_POLL_ADD, p[0], 0, 0, 0, i)->poll32_events = POLLIN;
	sqe(&r, IORING_OP_POLL_ADD, q[0], 0, 0, 0, 3)->poll32_events = POLLIN;
	sqe(&r, IORING_OP_ASYNC_CANCEL, p[0], 0, 0, 0, 4)->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
	submit(&r, 4);
	results(&r, 4, res);
	CHECK_EQ(res[4], 3);
	for (int i = 0; i < 3; i++) CHECK_EQ(res[i], -ECANCELED);
	CHECK_EQ(ready(&r), 0);
	sqe(&r, IORING_OP_ASYNC_CANCEL, -1, 0, 0, 0, 5)->cancel_flags = IORING_ASYNC_CANCEL_ANY;
	submit(&r, 2);
	results(&r, 2, res);
	CHECK_EQ(res[3], -ECANCELED);
	CHECK_EQ(res[5], 1);
}

CASE(sync_cancel) {
	ring_init(&r, 8, 0);
	int p[2];
	CHECK_EQ(pipe(p), 0);
	struct io_uring_sync_cancel_reg c = {.addr = 1, .timeout = {-1, -1}};
	CHECK_ERRNO(reg(&r, IORING_REGISTER_SYNC_CANCEL, &c, 1), ENOENT);
	sqe(&r, IORING_OP_READ, p[0], buf, 1, 0, 1);
	submit(&r, 0);
	CHECK_EQ(reg(&r, IORING_REGISTER_SYNC_CANCEL, &c, 1), 0);
	WANT(&r, 1, -ECANCELED);
}

CASE(waitid_of_a_child) {
	ring_init(&r, 8, 0);
	siginfo_t si = {0};
	int p[2];
	CHECK_EQ(pipe(p), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (read(p[0], buf, 1) < 0) {}
		_exit(7);
	}
	struct io_uring_sqe *s = sqe(&r, OP_WAITID, pid, 0, P_PID, (unsigned long)&si, 1);
	s->file_index = WEXITED;
	submit(&r, 0);
	CHECK_EQ(ready(&r), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	WANT(&r, 1, 0);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_status, 7);
	s = sqe(&r, OP_WAITID, pid, 0, P_PID, (unsigned long)&si, 1);
	s->file_index = WEXITED;
	CHECK_EQ(run(&r), -ECHILD);
}

#define PRIVATE_U32 (2 | 128)

CASE(futexes) {
	ring_init(&r, 8, 0);
	static unsigned word;
	struct io_uring_sqe *s = sqe(&r, OP_FUTEX_WAIT, PRIVATE_U32, &word, 0, 1, 1);
	s->addr3 = -1U;
	CHECK_EQ(run(&r), -EAGAIN);
	s = sqe(&r, OP_FUTEX_WAIT, PRIVATE_U32, &word, 0, 0, 2);
	s->addr3 = -1U;
	submit(&r, 0);
	CHECK_EQ(ready(&r), 0);
	CHECK_EQ(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0), 1);
	WANT(&r, 2, 0);
	s = sqe(&r, OP_FUTEX_WAIT, PRIVATE_U32, &word, 0, 0, 3);
	s->addr3 = -1U;
	s = sqe(&r, OP_FUTEX_WAKE, PRIVATE_U32, &word, 0, 1, 4);
	s->addr3 = -1U;
	submit(&r, 2);
	int res[32];
	results(&r, 2, res);
	CHECK_EQ(res[3], 0);
	CHECK_EQ(res[4], 1);
}

CASE(a_futex_wait_is_canceled) {
	ring_init(&r, 8, 0);
	static unsigned word;
	struct io_uring_sqe *s = sqe(&r, OP_FUTEX_WAIT, PRIVATE_U32, &word, 0, 0, 1);
	s->addr3 = -1U;
	sqe(&r, IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 0, 2);
	submit(&r, 2);
	int res[32];
	results(&r, 2, res);
	CHECK_EQ(res[1], -ECANCELED);
	CHECK_EQ(res[2], 1);
	CHECK_EQ(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0), 0);
}

CASE(a_timeout_ends_a_wait_for_more) {
	ring_init(&r, 8, 0);
	sqe(&r, IORING_OP_TIMEOUT, -1, &brief, 1, 0, 1);
	push(&r);
	CHECK_EQ(enter(&r, 1, 5, IORING_ENTER_GETEVENTS), 1);
	CHECK_EQ(ready(&r), 1);
	WANT(&r, 1, -ETIME);
}

MAIN()
