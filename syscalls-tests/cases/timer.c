#include "case.h"
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

static volatile sig_atomic_t hits, last_code, last_value, last_overrun;

static void on_signal(int sig, siginfo_t *si, void *uc) {
	(void)sig, (void)uc;
	hits++;
	last_code = si->si_code;
	last_value = si->si_value.sival_int;
	last_overrun = si->si_overrun;
}

static void handle(int sig) {
	struct sigaction sa = {0};
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO;
	CHECK(sigaction(sig, &sa, 0) == 0);
}

static void burn(int ms) {
	struct timespec ts;
	long long end;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	end = ts.tv_sec * 1000LL + ts.tv_nsec / 1000000 + ms;
	do {
		for (volatile int i = 0; i < 100000; i++) {}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	} while (ts.tv_sec * 1000LL + ts.tv_nsec / 1000000 < end);
}

CASE(itimer_real_repeats) {
	struct itimerval it = {{0, 10000}, {0, 5000}}, old;
	handle(SIGALRM);
	CHECK(setitimer(ITIMER_REAL, &it, 0) == 0);
	while (hits < 3) pause();
	CHECK_EQ(last_code, SI_KERNEL);
	CHECK(getitimer(ITIMER_REAL, &old) == 0);
	CHECK_EQ(old.it_interval.tv_usec, 10000);
	memset(&it, 0, sizeof it);
	CHECK(setitimer(ITIMER_REAL, &it, &old) == 0);
	CHECK(getitimer(ITIMER_REAL, &old) == 0);
	CHECK_EQ(old.it_value.tv_usec, 0);
	it.it_value.tv_usec = 1000000;
	CHECK_ERRNO(setitimer(ITIMER_REAL, &it, 0), EINVAL);
	CHECK_ERRNO(setitimer(3, &old, 0), EINVAL);
}

CASE(alarm_returns_what_was_left) {
	CHECK_EQ(alarm(100), 0);
	CHECK_EQ(alarm(0), 100);
	CHECK_EQ(alarm(0), 0);
}

CASE(alarm_kills_by_default) {
	pid_t p = fork();
	if (p == 0) { ualarm(10000, 0); for (;;) pause(); }
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGALRM);
}

CASE(timers_are_not_inherited_by_fork_but_kept_by_exec) {
	pid_t p = fork();
	if (p == 0) {
		alarm(50);
		pid_t q = fork();
		if (q == 0) _exit(alarm(0) != 0);
		CHECK_CHILD(q, 0);
		_exit(alarm(0) == 0);
	}
	CHECK_CHILD(p, 0);
}

CASE(itimer_virtual_and_prof_count_cpu_time) {
	handle(SIGVTALRM);
	struct itimerval it = {{0, 0}, {0, 30000}};
	CHECK(setitimer(ITIMER_VIRTUAL, &it, 0) == 0);
	msleep(60);
	CHECK_EQ(hits, 0);
	burn(200);
	CHECK_EQ(hits, 1);
	handle(SIGPROF);
	CHECK(setitimer(ITIMER_PROF, &it, 0) == 0);
	burn(200);
	CHECK_EQ(hits, 2);
}

CASE(posix_timer_signals_with_its_value) {
	handle(SIGRTMIN);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 31};
	timer_t t;
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &t) == 0);
	struct itimerspec its = {{0, 0}, {0, 5000000}}, old;
	CHECK(timer_settime(t, 0, &its, 0) == 0);
	CHECK(timer_gettime(t, &old) == 0);
	CHECK(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 5000000);
	while (!hits) pause();
	CHECK_EQ(last_code, SI_TIMER);
	CHECK_EQ(last_value, 31);
	CHECK(timer_gettime(t, &old) == 0);
	CHECK_EQ(old.it_value.tv_nsec, 0);
	CHECK(timer_delete(t) == 0);
}

CASE(posix_timer_counts_overruns) {
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &s, 0);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	timer_t t;
	CHECK(timer_create(CLOCK_REALTIME, &ev, &t) == 0);
	struct itimerspec its = {{0, 1000000}, {0, 1000000}};
	CHECK(timer_settime(t, 0, &its, 0) == 0);
	msleep(50);
	siginfo_t si;
	CHECK_EQ(sigwaitinfo(&s, &si), SIGRTMIN);
	CHECK(si.si_overrun >= 30);
	CHECK_EQ(timer_getoverrun(t), si.si_overrun);
	CHECK(timer_delete(t) == 0);
}

CASE(posix_timer_absolute_and_bad_arguments) {
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};
	timer_t t;
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &t) == 0);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	struct itimerspec its = {{0, 0}, {now.tv_sec + 100, 0}}, got;
	CHECK(timer_settime(t, TIMER_ABSTIME, &its, 0) == 0);
	CHECK(timer_gettime(t, &got) == 0);
	CHECK(got.it_value.tv_sec >= 98 && got.it_value.tv_sec <= 100);
	its.it_value.tv_nsec = 1000000000;
	CHECK_ERRNO(timer_settime(t, 0, &its, 0), EINVAL);
	CHECK(timer_delete(t) == 0);
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = 65;
	CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
	ev.sigev_signo = SIGUSR1;
	CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, &ev, &t), EOPNOTSUPP);
	CHECK_ERRNO(syscall(SYS_timer_create, 77, &ev, &t), EINVAL);
	CHECK_ERRNO(syscall(SYS_timer_delete, 1234), EINVAL);
}

CASE(cpu_clock_timer_fires_on_cpu_time) {
	handle(SIGUSR1);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	timer_t t;
	CHECK(timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &t) == 0);
	struct itimerspec its = {{0, 0}, {0, 30000000}};
	CHECK(timer_settime(t, 0, &its, 0) == 0);
	msleep(50);
	CHECK_EQ(hits, 0);
	burn(200);
	CHECK_EQ(hits, 1);
}

CASE(RLIMIT_CPU_sends_SIGXCPU_then_kills) {
	pid_t p = fork();
	if (p == 0) {
		struct rlimit rl = {1, 2};
		handle(SIGXCPU);
		setrlimit(RLIMIT_CPU, &rl);
		burn(1200);
		if (hits != 1) _exit(3);
		for (;;) {}
	}
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	struct rusage ru;
	CHECK(getrusage(RUSAGE_CHILDREN, &ru) == 0);
	CHECK(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec >= 1);
	struct tms tms;
	times(&tms);
	CHECK(tms.tms_cutime + tms.tms_cstime >= 150);
}

MAIN()
