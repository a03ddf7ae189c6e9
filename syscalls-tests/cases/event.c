#include "case.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>

CASE(epoll_level_and_edge) {
	int ep = epoll_create1(0), p[2], q[2];
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	struct epoll_event e = {EPOLLIN, {.u32 = 1}}, out[4];
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0);
	e = (struct epoll_event){EPOLLIN | EPOLLET, {.u32 = 2}};
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &e) == 0);
	CHECK_EQ(epoll_wait(ep, out, 4, 0), 0);
	CHECK(write(p[1], "x", 1) == 1 && write(q[1], "x", 1) == 1);
	CHECK_EQ(epoll_wait(ep, out, 4, 0), 2);
	CHECK_EQ(epoll_wait(ep, out, 4, 0), 1);
	CHECK_EQ(out[0].data.u32, 1);
	CHECK(write(q[1], "x", 1) == 1);
	CHECK_EQ(epoll_wait(ep, out, 4, 0), 2);
}

CASE(epoll_oneshot_needs_rearming) {
	int ep = epoll_create1(0), fd = eventfd(1, 0);
	struct epoll_event e = {EPOLLIN | EPOLLONESHOT, {.u64 = 77}}, out;
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
	CHECK_EQ(epoll_wait(ep, &out, 1, 0), 1);
	CHECK_EQ(out.data.u64, 77);
	CHECK_EQ(epoll_wait(ep, &out, 1, 0), 0);
	CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e) == 0);
	CHECK_EQ(epoll_wait(ep, &out, 1, 0), 1);
}

CASE(epoll_ctl_errors) {
	int ep = epoll_create1(0), ep2 = epoll_create1(0), fd = eventfd(0, 0);
	struct epoll_event e = {EPOLLIN, {0}};
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e), ENOENT);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, fd, &e), ENOENT);
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), EEXIST);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e), EINVAL);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, open("/etc/passwd", O_RDONLY), &e), EPERM);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &e), EBADF);
	CHECK_ERRNO(epoll_ctl(fd, EPOLL_CTL_ADD, ep, &e), EINVAL);
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, ep2, &e) == 0);
	CHECK_ERRNO(epoll_ctl(ep2, EPOLL_CTL_ADD, ep, &e), ELOOP);
	CHECK_ERRNO(epoll_wait(ep, &e, 0, 0), EINVAL);
	CHECK_ERRNO(epoll_create1(1), EINVAL);
	CHECK_ERRNO(epoll_create(0), EINVAL);
}

CASE(closing_the_last_descriptor_leaves_epoll) {
	int ep = epoll_create1(0), fd = eventfd(1, 0), d = dup(fd);
	struct epoll_event e = {EPOLLIN, {0}}, out;
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
	close(fd);
	CHECK_EQ(epoll_wait(ep, &out, 1, 0), 1);
	close(d);
	CHECK_EQ(epoll_wait(ep, &out, 1, 0), 0);
}

CASE(nested_epoll_becomes_readable) {
	int in = epoll_create1(0), out = epoll_create1(0), fd = eventfd(0, 0);
	struct epoll_event e = {EPOLLIN, {0}}, got;
	CHECK(epoll_ctl(in, EPOLL_CTL_ADD, fd, &e) == 0);
	CHECK(epoll_ctl(out, EPOLL_CTL_ADD, in, &e) == 0);
	CHECK_EQ(epoll_wait(out, &got, 1, 0), 0);
	eventfd_write(fd, 1);
	CHECK_EQ(epoll_wait(out, &got, 1, 1000), 1);
}

CASE(epoll_wait_is_woken_from_another_process) {
	int ep = epoll_create1(0), p[2];
	CHECK(pipe(p) == 0);
	struct epoll_event e = {EPOLLIN, {0}}, out;
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0);
	pid_t c = fork();
	if (c == 0) { msleep(50); _exit(write(p[1], "x", 1) == 1 ? 0 : 1); }
	CHECK_EQ(epoll_wait(ep, &out, 1, 5000), 1);
	CHECK_CHILD(c, 0);
	char b;
	CHECK_EQ(read(p[0], &b, 1), 1);
	close(p[1]);
	CHECK_EQ(epoll_wait(ep, &out, 1, 5000), 1);
	CHECK_EQ(out.events, EPOLLHUP);
}

CASE(eventfd_counts_and_overflows) {
	int fd = eventfd(3, EFD_NONBLOCK);
	uint64_t v = 4;
	CHECK_EQ(write(fd, &v, 8), 8);
	CHECK_EQ(read(fd, &v, 8), 8);
	CHECK_EQ(v, 7);
	CHECK_ERRNO(read(fd, &v, 8), EAGAIN);
	CHECK_ERRNO(read(fd, &v, 4), EINVAL);
	v = -1;
	CHECK_ERRNO(write(fd, &v, 8), EINVAL);
	v = -2;
	CHECK_EQ(write(fd, &v, 8), 8);
	v = 1;
	CHECK_ERRNO(write(fd, &v, 8), EAGAIN);
	int s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	CHECK(read(s, &v, 8) == 8 && v == 1 && read(s, &v, 8) == 8 && v == 1);
	CHECK_ERRNO(read(s, &v, 8), EAGAIN);
}

CASE(timerfd_expires_and_counts) {
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec it = {{0, 10000000}, {0, 10000000}}, got;
	uint64_t n;
	CHECK(timerfd_settime(fd, 0, &it, 0) == 0);
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	msleep(55);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(n >= 4 && n <= 200);
	CHECK(timerfd_gettime(fd, &got) == 0);
	CHECK_EQ(got.it_interval.tv_nsec, 10000000);
	struct pollfd p = {fd, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	it.it_value.tv_nsec = 1000000000;
	CHECK_ERRNO(timerfd_settime(fd, 0, &it, 0), EINVAL);
	CHECK_ERRNO(timerfd_create(99, 0), EINVAL);
}

CASE(poll_waits_and_times_out) {
	int p[2];
	CHECK(pipe(p) == 0);
	struct pollfd f[3] = {{p[0], POLLIN, 0}, {-5, POLLIN, 7}, {999, POLLIN, 0}};
	CHECK_EQ(poll(f, 2, 0), 0);
	CHECK_EQ(f[1].revents, 0);
	CHECK_EQ(poll(f, 3, 1000), 1);
	CHECK_EQ(f[2].revents, POLLNVAL);
	long long a = now_ms();
	CHECK_EQ(poll(f, 1, 50), 0);
	CHECK(now_ms() - a >= 49);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(poll(f, 1, -1), 1);
	CHECK_EQ(f[0].revents, POLLIN);
}

CASE(select_rewrites_sets_and_the_timeout) {
	int p[2];
	CHECK(pipe(p) == 0);
	fd_set r, w;
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	struct timeval tv = {1, 0};
	CHECK_EQ(select(p[1] + 1, &r, &w, 0, &tv), 1);
	CHECK(!FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	tv = (struct timeval){0, 20000};
	CHECK_EQ(syscall(SYS_select, p[0] + 1, &r, 0, 0, &tv), 0);
	CHECK_EQ(tv.tv_sec + tv.tv_usec, 0);
	close(p[0]);
	FD_SET(p[0], &r);
	CHECK_ERRNO(select(p[1] + 1, &r, 0, 0, 0), EBADF);
	CHECK_ERRNO(select(-1, 0, 0, 0, 0), EINVAL);
}

CASE(ppoll_swaps_the_signal_mask) {
	sigset_t block, none;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	signal(SIGALRM, (void (*)(int))abs);
	sigprocmask(SIG_BLOCK, &block, 0);
	raise(SIGALRM);
	struct timespec ts = {5, 0};
	CHECK_ERRNO(ppoll(0, 0, &ts, &none), EINTR);
}

CASE(clocks_advance_and_agree) {
	struct timespec a, b, res;
	CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a) == 0);
	for (int i = 0; i < 1000; i++) {
		CHECK(clock_gettime(CLOCK_MONOTONIC, &b) == 0);
		CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
		CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a) == 0);
		CHECK(a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec + 20000 >= b.tv_nsec));
		a = b;
	}
	CHECK(clock_getres(CLOCK_REALTIME, &res) == 0);
	CHECK_EQ(res.tv_nsec, 1);
	CHECK_ERRNO(syscall(SYS_clock_gettime, 77, &a), EINVAL);
	struct timeval tv;
	gettimeofday(&tv, 0);
	clock_gettime(CLOCK_REALTIME, &a);
	CHECK(a.tv_sec - tv.tv_sec <= 1 && a.tv_sec >= tv.tv_sec);
}

CASE(cpu_clocks_count_only_work) {
	struct timespec a, b;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	msleep(100);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	CHECK((b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec < 60000000);
	for (volatile long i = 0; i < 50000000; i++) {}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	CHECK((a.tv_sec - b.tv_sec) * 1000000000LL + a.tv_nsec - b.tv_nsec > 5000000);
}

static volatile sig_atomic_t ticks;
static void tick(int s) { (void)s; ticks++; }

CASE(itimer_repeats) {
	signal(SIGALRM, tick);
	struct itimerval it = {{0, 10000}, {0, 10000}}, old;
	CHECK(setitimer(ITIMER_REAL, &it, 0) == 0);
	for (int i = 0; i < 200 && ticks < 5; i++) msleep(5);
	CHECK(ticks >= 5);
	it = (struct itimerval){0};
	CHECK(setitimer(ITIMER_REAL, &it, &old) == 0);
	CHECK_EQ(old.it_interval.tv_usec, 10000);
}

CASE(virtual_itimer_counts_user_time) {
	signal(SIGVTALRM, tick);
	struct itimerval it = {{0, 0}, {0, 20000}};
	CHECK(setitimer(ITIMER_VIRTUAL, &it, 0) == 0);
	long long a = now_ms();
	while (!ticks && now_ms() - a < 5000) {}
	CHECK_EQ(ticks, 1);
}

CASE(posix_timer_sends_its_value_and_counts_overruns) {
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &s, 0);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 55};
	timer_t t;
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &t) == 0);
	struct itimerspec it = {{0, 5000000}, {0, 5000000}};
	CHECK(timer_settime(t, 0, &it, 0) == 0);
	msleep(60);
	siginfo_t si;
	CHECK_EQ(sigwaitinfo(&s, &si), SIGRTMIN);
	CHECK_EQ(si.si_code, SI_TIMER);
	CHECK_EQ(si.si_value.sival_int, 55);
	CHECK(timer_getoverrun(t) >= 5);
	CHECK(timer_delete(t) == 0);
	CHECK_ERRNO(syscall(SYS_timer_delete, 12345), EINVAL);
}

CASE(clock_nanosleep_absolute) {
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	long long a = now_ms();
	ts.tv_nsec += 40000000;
	if (ts.tv_nsec >= 1000000000) ts.tv_sec++, ts.tv_nsec -= 1000000000;
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, 0), 0);
	CHECK(now_ms() - a >= 39);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, 0), 0);
	ts.tv_nsec = -1;
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, 0), EINVAL);
}

CASE(kcmp_compares_what_epoll_watches) {
	int ep = epoll_create1(0), p[2], q[2];
	CHECK(ep >= 0 && pipe(p) == 0 && pipe(q) == 0);
	struct epoll_event e = {.events = EPOLLIN};
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0);
	struct { uint32_t efd, tfd, toff; } slot = {ep, p[0], 0};
	pid_t me = getpid();
	CHECK_EQ(syscall(SYS_kcmp, me, me, 7 /* KCMP_EPOLL_TFD */, p[0], &slot), 0);
	CHECK_EQ(syscall(SYS_kcmp, me, me, 7, dup(p[0]), &slot), 0);
	CHECK(syscall(SYS_kcmp, me, me, 7, q[0], &slot) > 0);
	CHECK_ERRNO(syscall(SYS_kcmp, me, me, 7, -1, &slot), EBADF);
	slot.toff = 1;
	CHECK_ERRNO(syscall(SYS_kcmp, me, me, 7, p[0], &slot), ENOENT);
	slot.toff = 0, slot.tfd = q[0];
	CHECK_ERRNO(syscall(SYS_kcmp, me, me, 7, p[0], &slot), ENOENT);
	slot.efd = p[0];
	CHECK_ERRNO(syscall(SYS_kcmp, me, me, 7, p[0], &slot), EINVAL);
	slot.efd = 999;
	CHECK_ERRNO(syscall(SYS_kcmp, me, me, 7, p[0], &slot), EBADF);
	CHECK_ERRNO(syscall(SYS_kcmp, me, me, 7, p[0], 8), EFAULT);
}

CASE(lseek_of_what_counts_and_waits_moves_nothing) {
	int fds[] = {eventfd(0, 0), timerfd_create(CLOCK_MONOTONIC, 0), epoll_create1(0)};
	for (int i = 0; i < 3; i++) {
		char b[8];
		CHECK_EQ(lseek(fds[i], 5, SEEK_SET), 0);
		CHECK_EQ(lseek(fds[i], 0, SEEK_CUR), 0);
		CHECK_ERRNO(lseek(fds[i], 0, 99), EINVAL);
		CHECK_ERRNO(pread(fds[i], b, 8, 0), ESPIPE);
	}
}

MAIN()
