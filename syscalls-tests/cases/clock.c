// Clocks, sleeps and timers: clock_gettime(2), clock_nanosleep(2), timer_create(2), timerfd_create(2), setitimer(2),
// alarm(2), time(2).
#include "case.h"
#include <poll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>

#define MAKE_CPUCLOCK(pid, which) ((~(clockid_t)(pid)) << 3 | (which))

typedef struct itimerspec spec;

static long timer_make(clockid_t c, struct sigevent *e, int *id) { return syscall(SYS_timer_create, c, e, id); }
static long timer_set(int id, int flags, spec *new, spec *old) {
	return syscall(SYS_timer_settime, id, flags, new, old);
}
static long timer_get(int id, spec *s) { return syscall(SYS_timer_gettime, id, s); }

static void block(int sig) {
	sigset_t s;
	sigemptyset(&s), sigaddset(&s, sig);
	CHECK(sigprocmask(SIG_BLOCK, &s, 0) == 0);
}

static int wait_for(int sig, int ms, siginfo_t *si) {
	sigset_t s;
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};
	sigemptyset(&s), sigaddset(&s, sig);
	return sigtimedwait(&s, si, &ts);
}

CASE(clocks_refuse_what_they_are_not) {
	struct timespec ts;
	clockid_t bad[] = {12, 10, 99, MAKE_CPUCLOCK(0, 3), MAKE_CPUCLOCK(0x0ffffff, 2)};
	for (int i = 0; i < 5; i++) {
		CHECK_ERRNO(syscall(SYS_clock_gettime, bad[i], &ts), EINVAL);
		CHECK_ERRNO(syscall(SYS_clock_getres, bad[i], &ts), EINVAL);
		CHECK_ERRNO(syscall(SYS_clock_nanosleep, bad[i], 0, &ts, 0), bad[i] == MAKE_CPUCLOCK(0, 3) ? EOPNOTSUPP : EINVAL);
	}
	CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_clock_getres, CLOCK_MONOTONIC, 8), EFAULT);
	CHECK_EQ(syscall(SYS_clock_getres, CLOCK_MONOTONIC, 0), 0);
}

CASE(clock_settime_errors) {
	struct timespec ts = {0, 1000000000};
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &ts), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_clock_settime, 99, &ts), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_PROCESS_CPUTIME_ID, &ts), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_THREAD_CPUTIME_ID, 8), EINVAL);
	CHECK(setuid(1001) == 0);
	ts.tv_nsec = 0, ts.tv_sec = 1700000000;
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts), EPERM);
	struct timeval tv = {1700000000, 0};
	CHECK_ERRNO(syscall(SYS_settimeofday, &tv, 0), EPERM);
	tv.tv_usec = 1000000;
	CHECK_ERRNO(syscall(SYS_settimeofday, &tv, 0), EINVAL);
}

CASE(clock_nanosleep_errors) {
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, none = {0, 0};
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, 0), EINVAL);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &neg, 0), EINVAL);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &neg, 0), EINVAL);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, (void *)8, 0), EFAULT);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC_COARSE, 0, &none, 0), EOPNOTSUPP);
	CHECK_EQ(clock_nanosleep(CLOCK_REALTIME_COARSE, 0, &none, 0), EOPNOTSUPP);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &none, 0), EOPNOTSUPP);
	CHECK_ERRNO(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &none, 0), EOPNOTSUPP);
	CHECK_EQ(clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &none, 0), 0); // long past
	CHECK_EQ(clock_nanosleep(CLOCK_TAI, 0, &none, 0), 0);
	CHECK_ERRNO(nanosleep(&bad, 0), EINVAL);
	CHECK_ERRNO(nanosleep(&neg, 0), EINVAL);
	CHECK_ERRNO(nanosleep((void *)8, 0), EFAULT);
}

static volatile int hits;
static void hit(int sig) { hits++; }

CASE(an_absolute_sleep_does_not_touch_the_remainder) {
	struct sigaction sa = {.sa_handler = hit};
	CHECK(sigaction(SIGALRM, &sa, 0) == 0);
	struct timespec end, rem = {77, 77};
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 50;
	ualarm(2000, 2000);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, &rem), EINTR);
	CHECK(rem.tv_sec == 77 && rem.tv_nsec == 77);
	end = (struct timespec){50, 0};
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &end, &rem), EINTR);
	CHECK(rem.tv_sec >= 40 && rem.tv_sec < 50);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &end, (void *)8), EFAULT);
	CHECK(hits >= 3);
}

CASE(a_process_cpu_clock_by_pid_is_that_of_the_process) {
	clockid_t c;
	struct timespec a, b;
	CHECK_EQ(clock_getcpuclockid(getpid(), &c), 0);
	CHECK(clock_gettime(c, &a) == 0);
	CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b) == 0);
	CHECK((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec >= 0);
	CHECK((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec < 1000000000);
	pid_t p = fork();
	if (!p) _exit(0);
	siginfo_t si;
	CHECK(waitid(P_PID, p, &si, WEXITED | WNOWAIT) == 0);
	CHECK(syscall(SYS_clock_gettime, MAKE_CPUCLOCK(p, 2), &a) == 0); // a zombie has used time
	CHECK_CHILD(p, 0);
	CHECK_ERRNO(syscall(SYS_clock_gettime, MAKE_CPUCLOCK(p, 2), &a), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_gettime, MAKE_CPUCLOCK(getppid(), 6), &a), EINVAL); // no thread of ours
}

CASE(adjtimex_tells_and_setting_is_a_privilege) {
	struct timex t = {0};
	CHECK(adjtimex(&t) >= 0);
	CHECK(t.tick >= 9000 && t.tick <= 11000);
	CHECK_ERRNO(adjtimex((void *)8), EFAULT);
	CHECK_ERRNO(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &t), EOPNOTSUPP);
	CHECK_ERRNO(syscall(SYS_clock_adjtime, 99, &t), EINVAL);
	CHECK(setuid(1001) == 0);
	t.modes = ADJ_FREQUENCY;
	CHECK_ERRNO(adjtimex(&t), EPERM);
}

CASE(timer_create_errors) {
	int id;
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	CHECK_ERRNO(timer_make(99, &e, &id), EINVAL);
	CHECK_ERRNO(timer_make(CLOCK_MONOTONIC_RAW, &e, &id), EOPNOTSUPP);
	CHECK_ERRNO(timer_make(CLOCK_MONOTONIC_COARSE, &e, &id), EOPNOTSUPP);
	CHECK_ERRNO(timer_make(CLOCK_MONOTONIC, (void *)8, &id), EFAULT);
	CHECK_ERRNO(timer_make(99, (void *)8, &id), EFAULT); // before the clock is looked at
	CHECK_ERRNO(timer_make(CLOCK_MONOTONIC, &e, (void *)8), EFAULT);
	e.sigev_signo = 65;
	CHECK_ERRNO(timer_make(CLOCK_MONOTONIC, &e, &id), EINVAL);
	e.sigev_signo = 0;
	CHECK_ERRNO(timer_make(CLOCK_MONOTONIC, &e, &id), EINVAL);
	e.sigev_signo = SIGUSR1, e.sigev_notify = 77;
	CHECK_ERRNO(timer_make(CLOCK_MONOTONIC, &e, &id), EINVAL);
	e.sigev_notify = SIGEV_THREAD_ID, e._sigev_un._tid = getppid();
	CHECK_ERRNO(timer_make(CLOCK_MONOTONIC, &e, &id), EINVAL);
	e._sigev_un._tid = 0;
	CHECK_ERRNO(timer_make(CLOCK_MONOTONIC, &e, &id), EINVAL);
	e.sigev_notify = SIGEV_NONE, e.sigev_signo = 99; // not looked at
	CHECK_EQ(timer_make(CLOCK_MONOTONIC, &e, &id), 0);
}

CASE(timer_settime_errors) {
	int id;
	struct sigevent e = {.sigev_notify = SIGEV_NONE};
	spec s = {{0, 0}, {0, 1000000000}}, old;
	CHECK_EQ(timer_make(CLOCK_MONOTONIC, &e, &id), 0);
	CHECK_ERRNO(timer_set(id, 0, &s, 0), EINVAL);
	s = (spec){{0, -1}, {0, 1}};
	CHECK_ERRNO(timer_set(id, 0, &s, 0), EINVAL);
	s = (spec){{0, 0}, {-1, 0}};
	CHECK_ERRNO(timer_set(id, 0, &s, 0), EINVAL);
	CHECK_ERRNO(timer_set(id, 0, 0, 0), EINVAL);
	CHECK_ERRNO(timer_set(id, 0, (void *)8, 0), EFAULT);
	s = (spec){{0, 0}, {100, 0}};
	CHECK_ERRNO(timer_set(id + 77, 0, &s, 0), EINVAL);
	CHECK_ERRNO(timer_set(-1, 0, &s, 0), EINVAL);
	CHECK_ERRNO(timer_get(id + 77, &old), EINVAL);
	CHECK_ERRNO(timer_get(id, (void *)8), EFAULT);
	CHECK_ERRNO(syscall(SYS_timer_getoverrun, id + 77), EINVAL);
	CHECK_EQ(syscall(SYS_timer_getoverrun, id), 0);
	CHECK_EQ(timer_set(id, 0, &s, 0), 0);
	CHECK_EQ(timer_set(id, 0, &s, &old), 0);
	CHECK(old.it_value.tv_sec >= 98);
	CHECK_EQ(syscall(SYS_timer_delete, id), 0);
	CHECK_ERRNO(syscall(SYS_timer_delete, id), EINVAL);
}

CASE(a_timer_without_an_event_sends_SIGALRM_with_its_id) {
	int a, b;
	siginfo_t si;
	block(SIGALRM);
	CHECK_EQ(timer_make(CLOCK_MONOTONIC, 0, &a), 0);
	CHECK_EQ(timer_make(CLOCK_MONOTONIC, 0, &b), 0);
	CHECK(a != b);
	spec s = {{0, 0}, {0, 1000000}};
	CHECK_EQ(timer_set(b, 0, &s, 0), 0);
	CHECK_EQ(wait_for(SIGALRM, 5000, &si), SIGALRM);
	CHECK_EQ(si.si_code, SI_TIMER);
	CHECK_EQ(si.si_timerid, b);
	CHECK_EQ(si.si_value.sival_int, b);
	CHECK_EQ(si.si_overrun, 0);
	spec left;
	CHECK_EQ(timer_get(b, &left), 0);
	CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0); // it was for once
}

CASE(SIGEV_NONE_is_silent_and_counts_down) {
	int id;
	struct sigevent e = {.sigev_notify = SIGEV_NONE};
	spec s = {{0, 0}, {0, 1000000}}, left;
	CHECK_EQ(timer_make(CLOCK_MONOTONIC, &e, &id), 0);
	CHECK_EQ(timer_set(id, 0, &s, 0), 0);
	msleep(5);
	CHECK_EQ(timer_get(id, &left), 0);
	CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
	s = (spec){{100, 0}, {50, 0}};
	CHECK_EQ(timer_set(id, 0, &s, 0), 0);
	CHECK_EQ(timer_get(id, &left), 0);
	CHECK(left.it_value.tv_sec >= 48 && left.it_value.tv_sec < 50 && left.it_interval.tv_sec == 100);
}

CASE(setting_a_timer_drops_its_pending_signal) {
	int id;
	siginfo_t si;
	block(SIGUSR1);
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	spec s = {{0, 0}, {0, 1000000}}, off = {{0, 0}, {0, 0}};
	CHECK_EQ(timer_make(CLOCK_MONOTONIC, &e, &id), 0);
	CHECK_EQ(timer_set(id, 0, &s, 0), 0);
	sigset_t p;
	do sigpending(&p);
	while (!sigismember(&p, SIGUSR1));
	CHECK_EQ(timer_set(id, 0, &off, 0), 0);
	CHECK_ERRNO(wait_for(SIGUSR1, 0, &si), EAGAIN);
}

CASE(deleting_a_timer_drops_its_pending_signal) {
	int id;
	siginfo_t si;
	block(SIGUSR1);
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	spec s = {{0, 0}, {0, 1000000}};
	CHECK_EQ(timer_make(CLOCK_MONOTONIC, &e, &id), 0);
	CHECK_EQ(timer_set(id, 0, &s, 0), 0);
	sigset_t p;
	do sigpending(&p);
	while (!sigismember(&p, SIGUSR1));
	CHECK_EQ(syscall(SYS_timer_delete, id), 0);
	CHECK_ERRNO(wait_for(SIGUSR1, 0, &si), EAGAIN);
}

CASE(an_absolute_timer_in_the_past_fires_at_once) {
	int id;
	siginfo_t si;
	block(SIGUSR1);
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	spec s = {{0, 0}, {0, 1}};
	CHECK_EQ(timer_make(CLOCK_REALTIME, &e, &id), 0);
	CHECK_EQ(timer_set(id, TIMER_ABSTIME, &s, 0), 0);
	CHECK_EQ(wait_for(SIGUSR1, 5000, &si), SIGUSR1);
}

CASE(a_timer_per_thread_signals_that_thread) {
	int id;
	siginfo_t si;
	block(SIGUSR1);
	struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	e._sigev_un._tid = syscall(SYS_gettid);
	e.sigev_value.sival_int = 5;
	spec s = {{0, 0}, {0, 1000000}};
	CHECK_EQ(timer_make(CLOCK_MONOTONIC, &e, &id), 0);
	CHECK_EQ(timer_set(id, 0, &s, 0), 0);
	CHECK_EQ(wait_for(SIGUSR1, 5000, &si), SIGUSR1);
	CHECK_EQ(si.si_value.sival_int, 5);
}

CASE(exec_deletes_timers_of_a_process) {
	int id;
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	spec s = {{0, 0}, {0, 30000000}};
	pid_t p = fork();
	if (!p) {
		CHECK_EQ(timer_make(CLOCK_MONOTONIC, &e, &id), 0);
		CHECK_EQ(timer_set(id, 0, &s, 0), 0);
		execl("/bin/sleep", "sleep", "0.1", (char *)0);
		_exit(1);
	}
	CHECK_CHILD(p, 0);
}

CASE(timerfd_create_and_settime_errors) {
	spec s = {{0, 0}, {0, 1000000000}}, old;
	CHECK_ERRNO(timerfd_create(99, 0), EINVAL);
	CHECK_ERRNO(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	CHECK_ERRNO(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK_ERRNO(timerfd_settime(fd, 0, &s, 0), EINVAL);
	s.it_value = (struct timespec){-1, 0};
	CHECK_ERRNO(timerfd_settime(fd, 0, &s, 0), EINVAL);
	CHECK_ERRNO(timerfd_settime(fd, 4, &s, 0), EINVAL);
	CHECK_ERRNO(timerfd_settime(fd, 0, (void *)8, 0), EFAULT);
	s.it_value = (struct timespec){100, 0};
	CHECK_ERRNO(timerfd_settime(1, 0, &s, 0), EINVAL);
	CHECK_ERRNO(timerfd_settime(999, 0, &s, 0), EBADF);
	CHECK_ERRNO(timerfd_gettime(1, &old), EINVAL);
	CHECK_ERRNO(timerfd_gettime(999, &old), EBADF);
	CHECK_ERRNO(timerfd_gettime(fd, (void *)8), EFAULT);
	uint64_t n;
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	CHECK_ERRNO(read(fd, &n, 7), EINVAL);
	CHECK_ERRNO(write(fd, &n, 8), EINVAL);
	CHECK_EQ(timerfd_settime(fd, TFD_TIMER_CANCEL_ON_SET, &s, 0), 0); // says nothing on this clock
}

CASE(settime_of_a_timerfd_clears_what_had_expired) {
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	spec s = {{0, 1000000}, {0, 1000000}}, far = {{0, 0}, {100, 0}};
	uint64_t n;
	CHECK_EQ(timerfd_settime(fd, 0, &s, 0), 0);
	struct pollfd p = {fd, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK_EQ(timerfd_settime(fd, 0, &far, 0), 0);
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	s = (spec){{0, 0}, {1, 0}};
	CHECK_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, 0), 0);
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
}

CASE(fdinfo_of_a_timerfd_tells_its_setting) {
	int fd = timerfd_create(CLOCK_MONOTONIC, 0), clock = -1, flags = -1;
	spec s = {{3, 5}, {100, 0}};
	CHECK_EQ(timerfd_settime(fd, 0, &s, 0), 0);
	char path[64], line[200];
	long ticks = -1, vs = -1, is = -1, in = -1;
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof line, f)) {
		sscanf(line, "clockid: %d", &clock);
		sscanf(line, "ticks: %ld", &ticks);
		sscanf(line, "settime flags: %o", &flags);
		sscanf(line, "it_value: (%ld,", &vs);
		sscanf(line, "it_interval: (%ld, %ld)", &is, &in);
	}
	CHECK_EQ(clock, CLOCK_MONOTONIC);
	CHECK_EQ(ticks, 0);
	CHECK_EQ(flags, 0);
	CHECK(vs >= 98 && vs <= 100);
	CHECK(is == 3 && in == 5);
}

CASE(setitimer_errors) {
	struct itimerval v = {{0, 0}, {0, 1000000}}, old;
	CHECK_ERRNO(setitimer(3, &v, 0), EINVAL);
	CHECK_ERRNO(setitimer(ITIMER_REAL, &v, 0), EINVAL);
	v.it_value = (struct timeval){-1, 0};
	CHECK_ERRNO(setitimer(ITIMER_REAL, &v, 0), EINVAL);
	v = (struct itimerval){{0, 1000000}, {1, 0}};
	CHECK_ERRNO(setitimer(ITIMER_REAL, &v, 0), EINVAL);
	CHECK_ERRNO(setitimer(ITIMER_REAL, (void *)8, 0), EFAULT);
	CHECK_ERRNO(getitimer(3, &old), EINVAL);
	CHECK_ERRNO(getitimer(ITIMER_REAL, (void *)8), EFAULT);
	v = (struct itimerval){{2, 0}, {100, 0}};
	CHECK_EQ(setitimer(ITIMER_REAL, &v, 0), 0);
	CHECK_EQ(alarm(0), 100); // one timer; what is left is rounded, never to 0
	CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
	CHECK(old.it_value.tv_sec == 0 && old.it_interval.tv_sec == 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &v, 0), 0);
	CHECK_EQ(syscall(SYS_setitimer, ITIMER_REAL, 0, &old), 0); // no value is a value of 0
	CHECK(old.it_value.tv_sec >= 98 && old.it_interval.tv_sec == 2);
}

CASE(time_and_gettimeofday_agree) {
	time_t t, u;
	struct timeval tv;
	CHECK((t = syscall(SYS_time, &u)) > 0);
	CHECK_EQ(t, u);
	CHECK(syscall(SYS_gettimeofday, &tv, 0) == 0);
	CHECK(tv.tv_sec - t >= 0 && tv.tv_sec - t < 10);
	CHECK_ERRNO(syscall(SYS_time, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_gettimeofday, 8, 0), EFAULT);
	struct timezone tz = {1, 1};
	CHECK(syscall(SYS_gettimeofday, 0, &tz) == 0);
	CHECK_EQ(tz.tz_minuteswest, 0);
}

MAIN()
