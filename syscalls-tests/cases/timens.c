// Time namespaces (time_namespaces(7)).
#include "userns.h"
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#define OFFSETS "/proc/self/timens_offsets"
#define DAY 86400LL

static long long at(clockid_t clock) {
	struct timespec ts;
	CHECK(clock_gettime(clock, &ts) == 0);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long long asked(clockid_t clock) {
	struct timespec ts;
	CHECK(syscall(SYS_clock_gettime, clock, &ts) == 0);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

// AHEAD wants a clock to be n seconds ahead of what it was at a time before.
#define AHEAD(clock, before, n)                                          \
	do {                                                                 \
		long long d_ = (clock) - (before) - (n) * 1000000000LL;          \
		CHECK(d_ >= 0 && d_ < 10 * 1000000000LL);                        \
	} while (0)

CASE(the_first_offsets_are_none_and_cannot_be_changed) {
	CHECK(!strcmp(slurp(OFFSETS), "monotonic           0         0\nboottime            0         0\n"));
	CHECK_EQ(put(OFFSETS, "monotonic 1 0"), EACCES);
}

CASE(children_go_to_the_new_namespace) {
	struct stat own, now, later;
	CHECK(stat("/proc/self/ns/time", &own) == 0);
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK(stat("/proc/self/ns/time", &now) == 0);
	CHECK(stat("/proc/self/ns/time_for_children", &later) == 0);
	CHECK_EQ(own.st_ino, now.st_ino);
	CHECK(own.st_ino != later.st_ino);
	IN_CHILD({
		CHECK(stat("/proc/self/ns/time", &now) == 0);
		CHECK_EQ(now.st_ino, later.st_ino);
		CHECK(stat("/proc/self/ns/time_for_children", &now) == 0);
		CHECK_EQ(now.st_ino, later.st_ino);
	});
}

CASE(offsets_are_applied_to_clocks) {
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK_EQ(put(OFFSETS, "monotonic 172800 0\nboottime 604800 5\n"), 0);
	CHECK(!strcmp(slurp(OFFSETS), "monotonic      172800         0\nboottime       604800         5\n"));
	long long mono = at(CLOCK_MONOTONIC), boot = at(CLOCK_BOOTTIME), real = at(CLOCK_REALTIME);
	long long raw = at(CLOCK_MONOTONIC_RAW), coarse = at(CLOCK_MONOTONIC_COARSE);
	AHEAD(asked(CLOCK_MONOTONIC), mono, 0);
	IN_CHILD({
		AHEAD(at(CLOCK_MONOTONIC), mono, 2 * DAY);
		AHEAD(asked(CLOCK_MONOTONIC), mono, 2 * DAY);
		AHEAD(at(CLOCK_MONOTONIC_RAW), raw, 2 * DAY);
		AHEAD(at(CLOCK_MONOTONIC_COARSE), coarse, 2 * DAY);
		AHEAD(at(CLOCK_BOOTTIME), boot, 7 * DAY);
		AHEAD(asked(CLOCK_BOOTTIME), boot, 7 * DAY);
		AHEAD(at(CLOCK_REALTIME), real, 0);
		// And those of grandchildren.
		IN_CHILD({
			AHEAD(at(CLOCK_MONOTONIC), mono, 2 * DAY);
			AHEAD(asked(CLOCK_BOOTTIME), boot, 7 * DAY);
		});
		// The process still knows how to compute.
		long long last = at(CLOCK_MONOTONIC);
		for (int i = 0; i < 1000; i++) {
			long long now = at(CLOCK_MONOTONIC);
			CHECK(now >= last);
			last = now;
		}
	});
	AHEAD(at(CLOCK_MONOTONIC), mono, 0);
}

CASE(offsets_may_be_negative_but_not_below_zero) {
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK_EQ(put(OFFSETS, "monotonic -9999999999 0"), ERANGE);
	CHECK_EQ(put(OFFSETS, "monotonic 9223372036 0"), ERANGE);
	CHECK_EQ(put(OFFSETS, "7 -1 0"), 0);
	CHECK_EQ(put(OFFSETS, "1 -1 500000000"), 0);
	CHECK(!strcmp(slurp(OFFSETS), "monotonic          -1 500000000\nboottime           -1         0\n"));
}

CASE(what_are_no_offsets_is_EINVAL) {
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK_EQ(put(OFFSETS, "realtime 1 0"), EINVAL);
	CHECK_EQ(put(OFFSETS, "monotonic 1"), EINVAL);
	CHECK_EQ(put(OFFSETS, "monotonic 1 1000000000"), EINVAL);
	CHECK_EQ(put(OFFSETS, "monotonic x 0"), EINVAL);
	CHECK_EQ(put(OFFSETS, "monotonic 1 0\n\n"), EINVAL);
	// A third line is left for another write.
	int fd = open(OFFSETS, O_WRONLY);
	CHECK_EQ(write(fd, "monotonic 1 0\nboottime 2 0\nrubbish", 34), 27);
}

CASE(offsets_are_frozen_when_somebody_enters) {
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK_EQ(put(OFFSETS, "monotonic 10 0"), 0);
	CHECK_EQ(put(OFFSETS, "monotonic 20 0"), 0);
	IN_CHILD(CHECK_EQ(put(OFFSETS, "monotonic 30 0"), EACCES));
	CHECK_EQ(put(OFFSETS, "monotonic 40 0"), EACCES);
}

CASE(absolute_sleeps_go_by_the_offset_clock) {
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK_EQ(put(OFFSETS, "monotonic 172800 0\nboottime 604800 0\n"), 0);
	IN_CHILD({
		for (int i = 0; i < 2; i++) {
			clockid_t clock = i ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;
			long long t = at(clock) + 20000000;
			struct timespec ts = {t / 1000000000, t % 1000000000};
			CHECK_EQ(clock_nanosleep(clock, TIMER_ABSTIME, &ts, 0), 0);
			CHECK(at(clock) >= t);
			CHECK(at(clock) < t + 10000000000LL);
		}
		// What is past for the kernel's clock is past here.
		struct timespec past = {3600, 0};
		CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, 0), 0);
	});
}

CASE(timers_and_timerfds_go_by_the_offset_clock) {
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK_EQ(put(OFFSETS, "monotonic 172800 0\nboottime 604800 0\n"), 0);
	IN_CHILD({
		for (int i = 0; i < 2; i++) {
			clockid_t clock = i ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;
			long long t = at(clock) + 20000000;
			struct itimerspec its = {.it_value = {t / 1000000000, t % 1000000000}};
			int fd = timerfd_create(clock, 0);
			CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, 0) == 0);
			struct itimerspec left;
			CHECK(timerfd_gettime(fd, &left) == 0);
			CHECK_EQ(left.it_value.tv_sec, 0);
			uint64_t n;
			CHECK_EQ(read(fd, &n, 8), 8);
			CHECK(at(clock) >= t);

			timer_t id;
			sigset_t set;
			siginfo_t info;
			sigemptyset(&set);
			sigaddset(&set, SIGRTMIN);
			CHECK(sigprocmask(SIG_BLOCK, &set, 0) == 0);
			struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
			CHECK(timer_create(clock, &ev, &id) == 0);
			t = at(clock) + 20000000;
			its.it_value = (struct timespec){t / 1000000000, t % 1000000000};
			CHECK(timer_settime(id, TIMER_ABSTIME, &its, 0) == 0);
			CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
			CHECK(at(clock) >= t);
		}
	});
}

CASE(futex_deadlines_go_by_the_offset_clock) {
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK_EQ(put(OFFSETS, "monotonic 172800 0\n"), 0);
	IN_CHILD({
		int word = 0;
		long long t = at(CLOCK_MONOTONIC) + 20000000;
		struct timespec ts = {t / 1000000000, t % 1000000000};
		CHECK_ERRNO(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &ts, 0, -1), ETIMEDOUT);
		CHECK(at(CLOCK_MONOTONIC) >= t);
		CHECK(at(CLOCK_MONOTONIC) < t + 10000000000LL);
	});
}

CASE(uptime_goes_by_the_boot_time_offset) {
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK_EQ(put(OFFSETS, "boottime 604800 0\n"), 0);
	double before = atof(slurp("/proc/uptime"));
	struct sysinfo si, now;
	CHECK(sysinfo(&si) == 0);
	IN_CHILD({
		double d = atof(slurp("/proc/uptime")) - before - 604800;
		CHECK(d >= 0 && d < 10);
		CHECK(sysinfo(&now) == 0);
		CHECK(now.uptime - si.uptime >= 604800 && now.uptime - si.uptime < 604810);
	});
}

CASE(setns_enters_a_time_namespace) {
	int own = open("/proc/self/ns/time", O_RDONLY);
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK_EQ(put(OFFSETS, "monotonic 172800 0\n"), 0);
	int fd = open("/proc/self/ns/time_for_children", O_RDONLY);
	long long mono = at(CLOCK_MONOTONIC);
	CHECK(setns(fd, CLONE_NEWTIME) == 0);
	AHEAD(at(CLOCK_MONOTONIC), mono, 2 * DAY);
	AHEAD(asked(CLOCK_MONOTONIC), mono, 2 * DAY);
	CHECK(setns(own, CLONE_NEWTIME) == 0);
	AHEAD(at(CLOCK_MONOTONIC), mono, 0);
	AHEAD(asked(CLOCK_MONOTONIC), mono, 0);
}

CASE(an_exec_enters_the_namespace_for_children) {
	CHECK(unshare(CLONE_NEWTIME) == 0);
	CHECK_EQ(put(OFFSETS, "boottime 604800 0\n"), 0);
	double before = atof(slurp("/proc/uptime"));
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t pid = vfork();
	if (pid == 0) {
		dup2(p[1], 1);
		execlp("cat", "cat", "/proc/uptime", (char *)0);
		_exit(1);
	}
	char b[100] = "";
	CHECK(read(p[0], b, sizeof b - 1) > 0);
	CHECK_CHILD(pid, 0);
	double d = atof(b) - before - 604800;
	CHECK(d >= 0 && d < 10);
}

CASE(clone3_makes_a_child_in_a_new_time_namespace) {
	struct clone_args a = {.flags = CLONE_NEWTIME, .exit_signal = SIGCHLD};
	struct stat own, now;
	CHECK(stat("/proc/self/ns/time", &own) == 0);
	pid_t pid = syscall(SYS_clone3, &a, sizeof a);
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(stat("/proc/self/ns/time", &now) == 0);
		CHECK(own.st_ino != now.st_ino);
		CHECK_EQ(put(OFFSETS, "monotonic 1 0"), EACCES);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

CASE(the_root_of_a_user_namespace_makes_time_namespaces) {
	become(1000);
	CHECK_ERRNO(unshare(CLONE_NEWTIME), EPERM);
	enter(CLONE_NEWTIME, 0, 0);
	CHECK_EQ(put(OFFSETS, "monotonic 100 0"), 0);
	long long mono = at(CLOCK_MONOTONIC);
	IN_CHILD(AHEAD(at(CLOCK_MONOTONIC), mono, 100));
}

MAIN()
