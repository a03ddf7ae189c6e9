// Signals as they queue, are chosen, are described, and are waited for: rt_sigqueueinfo(2), rt_sigtimedwait(2),
// sigaction(2), sigaltstack(2), kill(2).
#include "case.h"
#include <sys/resource.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <pthread.h>
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static sigset_t set_of(int a, int b) {
	sigset_t s;
	sigemptyset(&s);
	if (a) sigaddset(&s, a);
	if (b) sigaddset(&s, b);
	return s;
}

static void block(int a, int b) {
	sigset_t s = set_of(a, b);
	CHECK(sigprocmask(SIG_BLOCK, &s, 0) == 0);
}

static long queueinfo(pid_t pid, int sig, siginfo_t *si) { return syscall(SYS_rt_sigqueueinfo, pid, sig, si); }
static long tgqueueinfo(pid_t pid, pid_t tid, int sig, siginfo_t *si) {
	return syscall(SYS_rt_tgsigqueueinfo, pid, tid, sig, si);
}

// take is without glibc's wrapper, which shows SI_TKILL as SI_USER.
static int take(int a, int b, siginfo_t *si) {
	sigset_t s = set_of(a, b);
	struct timespec none = {0, 0};
	return syscall(SYS_rt_sigtimedwait, &s, si, &none, 8);
}

static volatile sig_atomic_t hits, last_sig;
static siginfo_t last_info;

static void count(int sig) { hits++, last_sig = sig; }
static void note(int sig, siginfo_t *si, void *u) { hits++, last_sig = sig, last_info = *si; }

static void on(int sig, int flags) {
	struct sigaction sa = {.sa_flags = flags};
	if (flags & SA_SIGINFO) sa.sa_sigaction = note;
	else sa.sa_handler = count;
	CHECK(sigaction(sig, &sa, 0) == 0);
}

CASE(the_lowest_signal_is_taken_first) {
	block(SIGRTMIN + 1, SIGRTMIN + 2);
	block(SIGUSR1, SIGUSR2);
	raise(SIGRTMIN + 2), raise(SIGUSR2), raise(SIGRTMIN + 1), raise(SIGUSR1);
	sigset_t s = set_of(SIGRTMIN + 1, SIGRTMIN + 2);
	sigaddset(&s, SIGUSR1), sigaddset(&s, SIGUSR2);
	struct timespec none = {0, 0};
	int want[] = {SIGUSR1, SIGUSR2, SIGRTMIN + 1, SIGRTMIN + 2};
	for (int i = 0; i < 4; i++) CHECK_EQ(sigtimedwait(&s, 0, &none), want[i]);
	CHECK_ERRNO(sigtimedwait(&s, 0, &none), EAGAIN);
}

CASE(a_signal_of_the_thread_goes_before_one_of_the_process) {
	siginfo_t si;
	block(SIGUSR1, 0);
	CHECK(kill(getpid(), SIGUSR1) == 0);
	CHECK(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1) == 0);
	CHECK_EQ(take(SIGUSR1, 0, &si), SIGUSR1);
	CHECK_EQ(si.si_code, SI_TKILL);
	CHECK_EQ(take(SIGUSR1, 0, &si), SIGUSR1);
	CHECK_EQ(si.si_code, SI_USER);
	CHECK_ERRNO(take(SIGUSR1, 0, &si), EAGAIN);
}

CASE(synchronous_signals_are_delivered_before_others) {
	block(SIGHUP, SIGSEGV);
	on(SIGHUP, 0), on(SIGSEGV, 0);
	raise(SIGHUP), raise(SIGSEGV);
	sigset_t both = set_of(SIGHUP, SIGSEGV);
	CHECK(sigprocmask(SIG_UNBLOCK, &both, 0) == 0);
	// The frame of SIGSEGV is made first, that of SIGHUP on top of it, so SIGHUP's handler runs first.
	CHECK_EQ(hits, 2);
	CHECK_EQ(last_sig, SIGSEGV);
}

CASE(sigqueue_carries_pid_uid_and_value) {
	siginfo_t si;
	block(SIGRTMIN, 0);
	CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 77}) == 0);
	CHECK_EQ(take(SIGRTMIN, 0, &si), SIGRTMIN);
	CHECK_EQ(si.si_code, SI_QUEUE);
	CHECK_EQ(si.si_pid, getpid());
	CHECK_EQ(si.si_uid, getuid());
	CHECK_EQ(si.si_value.sival_int, 77);
	CHECK_EQ(si.si_errno, 0);
}

CASE(rt_sigqueueinfo_errors) {
	siginfo_t si = {.si_code = SI_QUEUE};
	CHECK_ERRNO(queueinfo(getpid(), 65, &si), EINVAL);
	CHECK_ERRNO(queueinfo(getpid(), -1, &si), EINVAL);
	CHECK_ERRNO(queueinfo(getpid(), SIGUSR1, (void *)8), EFAULT);
	CHECK_ERRNO(queueinfo(0x3fffffff, SIGUSR1, &si), ESRCH);
	CHECK_ERRNO(queueinfo(-1, SIGUSR1, &si), ESRCH);
	CHECK_EQ(queueinfo(getpid(), 0, &si), 0);
	CHECK_ERRNO(tgqueueinfo(0, getpid(), SIGUSR1, &si), EINVAL);
	CHECK_ERRNO(tgqueueinfo(getpid(), 0, SIGUSR1, &si), EINVAL);
	CHECK_ERRNO(tgqueueinfo(getpid(), getppid(), SIGUSR1, &si), ESRCH);
	CHECK_ERRNO(tgqueueinfo(1, getpid(), SIGUSR1, &si), ESRCH);
}

CASE(codes_of_the_kernel_are_for_oneself_alone) {
	siginfo_t si = {.si_code = SI_USER};
	block(SIGUSR1, 0);
	CHECK_EQ(queueinfo(getpid(), SIGUSR1, &si), 0);
	CHECK_EQ(take(SIGUSR1, 0, &si), SIGUSR1);
	CHECK_EQ(si.si_code, SI_USER);
	CHECK_EQ(si.si_signo, SIGUSR1);
	pid_t p = fork();
	if (!p) pause();
	si.si_code = SI_USER;
	CHECK_ERRNO(queueinfo(p, SIGUSR1, &si), EPERM);
	si.si_code = SI_TKILL;
	CHECK_ERRNO(queueinfo(p, SIGUSR1, &si), EPERM);
	si.si_code = SI_KERNEL;
	CHECK_ERRNO(queueinfo(p, SIGUSR1, &si), EPERM);
	si.si_code = SI_MESGQ;
	CHECK_EQ(queueinfo(p, 0, &si), 0);
	kill(p, SIGKILL);
	waitpid(p, 0, 0);
}

CASE(the_number_in_the_siginfo_is_replaced_by_that_of_the_call) {
	siginfo_t si = {.si_code = SI_QUEUE, .si_signo = SIGUSR2, .si_errno = 5};
	si.si_pid = 1234, si.si_uid = 4321;
	block(SIGUSR1, SIGUSR2);
	CHECK_EQ(queueinfo(getpid(), SIGUSR1, &si), 0);
	CHECK_EQ(take(SIGUSR1, SIGUSR2, &si), SIGUSR1);
	CHECK_EQ(si.si_signo, SIGUSR1);
	CHECK_EQ(si.si_errno, 5);
	CHECK_EQ(si.si_pid, 1234);
	CHECK_EQ(si.si_uid, 4321);
}

CASE(RLIMIT_SIGPENDING_limits_what_queues_with_a_value) {
	struct rlimit r = {2, 2};
	block(SIGRTMIN, SIGUSR1);
	CHECK(setgid(54321) == 0 && setuid(54321) == 0); // a user with nothing pending elsewhere
	CHECK(setrlimit(RLIMIT_SIGPENDING, &r) == 0);
	union sigval v = {.sival_int = 1};
	CHECK_EQ(sigqueue(getpid(), SIGRTMIN, v), 0);
	CHECK_EQ(sigqueue(getpid(), SIGRTMIN, v), 0);
	CHECK_ERRNO(sigqueue(getpid(), SIGRTMIN, v), EAGAIN);
	// Standard signals, and those of kill, come through without.
	CHECK_EQ(sigqueue(getpid(), SIGUSR1, v), 0);
	siginfo_t si;
	CHECK_EQ(take(SIGUSR1, 0, &si), SIGUSR1);
	CHECK_EQ(take(SIGRTMIN, 0, &si), SIGRTMIN);
	CHECK_EQ(sigqueue(getpid(), SIGRTMIN, v), 0);
	CHECK_ERRNO(sigqueue(getpid(), SIGRTMIN, v), EAGAIN);
}

CASE(SigQ_in_status_counts_what_is_pending) {
	char line[200];
	int q = -1, lim;
	block(SIGRTMIN, 0);
	CHECK(setgid(54322) == 0 && setuid(54322) == 0);
	for (int i = 0; i < 3; i++) CHECK_EQ(sigqueue(getpid(), SIGRTMIN, (union sigval){0}), 0);
	FILE *f = fopen("/proc/self/status", "r");
	CHECK(f);
	while (fgets(line, sizeof line, f)) sscanf(line, "SigQ: %d/%d", &q, &lim);
	CHECK_EQ(q, 3);
	struct rlimit r;
	CHECK(getrlimit(RLIMIT_SIGPENDING, &r) == 0);
	CHECK_EQ(lim, r.rlim_cur);
}

CASE(ignoring_a_pending_signal_discards_it) {
	block(SIGUSR1, SIGCHLD);
	raise(SIGUSR1), raise(SIGCHLD);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); // ignored by default
	sigset_t s;
	CHECK(sigpending(&s) == 0);
	CHECK(!sigismember(&s, SIGUSR1));
	CHECK(!sigismember(&s, SIGCHLD));
}

CASE(a_blocked_signal_is_kept_even_if_ignored) {
	signal(SIGUSR1, SIG_IGN);
	block(SIGUSR1, 0);
	raise(SIGUSR1);
	sigset_t s;
	CHECK(sigpending(&s) == 0);
	CHECK(sigismember(&s, SIGUSR1));
	siginfo_t si;
	CHECK_EQ(take(SIGUSR1, 0, &si), SIGUSR1);
}

CASE(SIGCONT_discards_stops_and_a_stop_discards_SIGCONT) {
	block(SIGTSTP, SIGCONT);
	raise(SIGTSTP);
	raise(SIGCONT);
	sigset_t s;
	CHECK(sigpending(&s) == 0);
	CHECK(!sigismember(&s, SIGTSTP) && sigismember(&s, SIGCONT));
	raise(SIGTSTP);
	CHECK(sigpending(&s) == 0);
	CHECK(sigismember(&s, SIGTSTP) && !sigismember(&s, SIGCONT));
}

CASE(rt_sigtimedwait_errors) {
	sigset_t s = set_of(SIGUSR1, 0);
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, none = {0, 0};
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &s, 0, &bad, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &s, 0, &neg, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &s, 0, &none, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, (void *)8, 0, &none, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &s, 0, (void *)8, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &s, 0, &none, 8), EAGAIN);
}

CASE(rt_sigtimedwait_is_interrupted_by_another_signal) {
	on(SIGUSR2, SA_RESTART);
	pid_t me = getpid(), p = fork();
	if (!p) for (;;) kill(me, SIGUSR2), msleep(2);
	sigset_t s = set_of(SIGUSR1, 0);
	CHECK_ERRNO(sigwaitinfo(&s, 0), EINTR);
	CHECK(hits > 0);
	kill(p, SIGKILL);
}

CASE(rt_sigtimedwait_never_waits_for_SIGKILL_or_SIGSTOP) {
	sigset_t s;
	sigfillset(&s);
	struct timespec none = {0, 0};
	CHECK_ERRNO(sigtimedwait(&s, 0, &none), EAGAIN);
	pid_t p = fork();
	if (!p) for (;;) syscall(SYS_rt_sigtimedwait, &s, 0, 0, 8);
	kill(p, SIGKILL);
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
}

CASE(rt_sigtimedwait_that_cannot_store_has_taken_the_signal) {
	block(SIGUSR1, 0);
	raise(SIGUSR1);
	sigset_t s = set_of(SIGUSR1, 0), left;
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &s, (void *)8, 0, 8), EFAULT);
	CHECK(sigpending(&left) == 0);
	CHECK(!sigismember(&left, SIGUSR1));
}

CASE(rt_sigprocmask_errors) {
	unsigned long m = 0;
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &m, 0, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, 3, &m, 0, 8), EINVAL);
	CHECK_EQ(syscall(SYS_rt_sigprocmask, 77, 0, &m, 8), 0); // how counts only with a set
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, 0, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, (void *)8, 8), EFAULT);
}

CASE(a_mask_that_cannot_be_stored_is_set_anyway) {
	unsigned long m = 1UL << (SIGUSR1 - 1), now = 0;
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &m, (void *)8, 8), EFAULT);
	CHECK_EQ(syscall(SYS_rt_sigprocmask, 0, 0, &now, 8), 0);
	CHECK_EQ(now, m);
}

CASE(SIGKILL_and_SIGSTOP_are_never_blocked) {
	unsigned long all = ~0UL, now = 0;
	CHECK_EQ(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8), 0);
	CHECK_EQ(syscall(SYS_rt_sigprocmask, 0, 0, &now, 8), 0);
	CHECK_EQ(now, ~(1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1)));
}

CASE(rt_sigaction_errors) {
	struct { void *h; unsigned long flags; void *restorer; unsigned long mask; } a = {SIG_DFL}, old;
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, &a, 0, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, 0, &a, 0, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, 65, &a, 0, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGKILL, &a, 0, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGSTOP, &a, 0, 8), EINVAL);
	CHECK_EQ(syscall(SYS_rt_sigaction, SIGKILL, 0, &old, 8), 0);
	CHECK(old.h == (void *)SIG_DFL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, 0, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, 0, (void *)8, 8), EFAULT);
}

CASE(rt_sigaction_drops_unknown_flags_and_keeps_the_mask) {
	struct { void *h; unsigned long flags; void *restorer; unsigned long mask; } a = {(void *)SIG_IGN, 0, 0, ~0UL}, old;
	a.flags = ~0x04000000UL & 0xffffffff; // all but SA_RESTORER
	CHECK_EQ(syscall(SYS_rt_sigaction, SIGUSR1, &a, 0, 8), 0);
	CHECK_EQ(syscall(SYS_rt_sigaction, SIGUSR1, 0, &old, 8), 0);
	CHECK_EQ(old.mask, ~(1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1)));
	CHECK(!(old.flags & 0x400)); // SA_UNSUPPORTED: what a kernel does not know, it clears
	CHECK(old.flags & 0x800);    // SA_EXPOSE_TAGBITS
	CHECK((old.flags & (SA_RESTART | SA_NODEFER | SA_SIGINFO)) == (SA_RESTART | SA_NODEFER | SA_SIGINFO));
}

CASE(SA_RESTART_restarts_a_read_and_its_absence_does_not) {
	int fd[2];
	char c;
	CHECK(pipe(fd) == 0);
	pid_t me = getpid();
	for (int restart = 0; restart < 2; restart++) {
		on(SIGUSR1, restart ? SA_RESTART : 0);
		hits = 0;
		pid_t p = fork();
		if (!p) {
			for (int i = 0; i < 8; i++) msleep(4), kill(me, SIGUSR1);
			if (write(fd[1], "x", 1) != 1) _exit(1);
			_exit(0);
		}
		if (restart) {
			CHECK_EQ(read(fd[0], &c, 1), 1);
			CHECK(hits >= 1);
			CHECK_CHILD(p, 0);
		} else {
			CHECK_ERRNO(read(fd[0], &c, 1), EINTR);
			while (waitpid(p, 0, 0) != p) {}
			CHECK_EQ(read(fd[0], &c, 1), 1);
		}
	}
}

CASE(pause_and_sigsuspend_give_EINTR_even_with_SA_RESTART) {
	on(SIGALRM, SA_RESTART);
	block(SIGALRM, 0);
	sigset_t none;
	sigemptyset(&none);
	ualarm(1000, 0);
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	CHECK_ERRNO(syscall(SYS_rt_sigsuspend, &none, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigsuspend, (void *)8, 8), EFAULT);
	CHECK_EQ(hits, 1);
}

CASE(SIGCHLD_tells_how_a_child_ended) {
	siginfo_t si;
	block(SIGCHLD, 0);
	sigset_t s = set_of(SIGCHLD, 0);
	pid_t p = fork();
	if (!p) _exit(7);
	CHECK_EQ(sigwaitinfo(&s, &si), SIGCHLD);
	CHECK_EQ(si.si_code, CLD_EXITED);
	CHECK_EQ(si.si_status, 7);
	CHECK_EQ(si.si_pid, p);
	CHECK_EQ(si.si_uid, getuid());
	waitpid(p, 0, 0);
	p = fork();
	if (!p) kill(getpid(), SIGTERM), pause();
	CHECK_EQ(sigwaitinfo(&s, &si), SIGCHLD);
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK_EQ(si.si_status, SIGTERM);
	waitpid(p, 0, 0);
	p = fork();
	if (!p) raise(SIGSTOP), _exit(0);
	CHECK_EQ(sigwaitinfo(&s, &si), SIGCHLD);
	CHECK_EQ(si.si_code, CLD_STOPPED);
	CHECK_EQ(si.si_status, SIGSTOP);
	kill(p, SIGCONT);
	CHECK_EQ(sigwaitinfo(&s, &si), SIGCHLD);
	if (si.si_code == CLD_CONTINUED) CHECK_EQ(si.si_status, SIGCONT);
	else CHECK_EQ(si.si_code, CLD_EXITED);
	CHECK_CHILD(p, 0);
}

CASE(SA_NOCLDSTOP_tells_nothing_of_stops) {
	on(SIGCHLD, SA_NOCLDSTOP);
	int st;
	pid_t p = fork();
	if (!p) raise(SIGSTOP), _exit(0);
	while (waitpid(p, &st, WUNTRACED) != p) {}
	CHECK(WIFSTOPPED(st));
	CHECK_EQ(hits, 0);
	kill(p, SIGCONT);
	while (waitpid(p, &st, 0) != p) {}
	CHECK_EQ(hits, 1);
}

CASE(SA_NOCLDWAIT_leaves_no_zombie_and_still_signals) {
	on(SIGCHLD, SA_NOCLDWAIT | SA_SIGINFO);
	pid_t p = fork();
	if (!p) _exit(3);
	while (waitpid(p, 0, 0) == -1 && errno == EINTR) {}
	CHECK_ERRNO(waitpid(p, 0, 0), ECHILD);
	CHECK_EQ(hits, 1);
	CHECK_EQ(last_info.si_status, 3);
}

CASE(kill_errors) {
	CHECK_ERRNO(kill(getpid(), 65), EINVAL);
	CHECK_ERRNO(kill(getpid(), -1), EINVAL);
	CHECK_ERRNO(kill(0x3fffffff, SIGUSR1), ESRCH);
	CHECK_ERRNO(kill(INT32_MIN, SIGUSR1), ESRCH);
	CHECK_ERRNO(kill(-0x3fffffff, SIGUSR1), ESRCH);
	CHECK_ERRNO(syscall(SYS_tkill, 0, SIGUSR1), EINVAL);
	CHECK_ERRNO(syscall(SYS_tkill, -1, SIGUSR1), EINVAL);
	CHECK_ERRNO(syscall(SYS_tkill, 0x3fffffff, SIGUSR1), ESRCH);
	CHECK_ERRNO(syscall(SYS_tkill, getpid(), 65), EINVAL);
	CHECK_ERRNO(syscall(SYS_tgkill, getppid(), getpid(), 0), ESRCH);
	CHECK_ERRNO(syscall(SYS_tgkill, -1, getpid(), 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_tgkill, getpid(), 0, 0), EINVAL);
	CHECK_EQ(syscall(SYS_tgkill, getpid(), getpid(), 0), 0);
}

CASE(kill_of_a_zombie_succeeds) {
	pid_t p = fork();
	if (!p) _exit(0);
	siginfo_t si;
	CHECK_EQ(waitid(P_PID, p, &si, WEXITED | WNOWAIT), 0);
	CHECK_EQ(kill(p, SIGKILL), 0);
	CHECK_CHILD(p, 0);
	CHECK_ERRNO(kill(p, 0), ESRCH);
}

CASE(kill_of_a_group_with_one_permitted_succeeds) {
	int ready[2];
	CHECK(pipe(ready) == 0);
	pid_t a = fork();
	if (!a) {
		setpgid(0, 0);
		if (setuid(54323) || write(ready[1], "x", 1) != 1) _exit(1);
		for (;;) pause();
	}
	char c;
	CHECK_EQ(read(ready[0], &c, 1), 1);
	pid_t b = fork();
	if (!b) {
		setpgid(0, a);
		if (write(ready[1], "x", 1) != 1) _exit(1);
		for (;;) pause();
	}
	CHECK_EQ(read(ready[0], &c, 1), 1);
	pid_t k = fork();
	if (!k) {
		CHECK(setuid(54323) == 0);
		CHECK_ERRNO(kill(b, SIGTERM), EPERM);
		CHECK_EQ(kill(-a, SIGTERM), 0);
		_exit(0);
	}
	CHECK_CHILD(k, 0);
	int st;
	CHECK_EQ(waitpid(a, &st, 0), a);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM);
	CHECK_EQ(waitpid(b, &st, WNOHANG), 0);
	kill(b, SIGKILL);
}

CASE(sigaltstack_errors_and_what_it_tells) {
	static char mem[65536];
	stack_t ss = {.ss_sp = mem, .ss_size = sizeof mem}, old;
	CHECK_EQ(sigaltstack(0, &old), 0);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	CHECK_EQ(sigaltstack(&ss, 0), 0);
	CHECK_EQ(sigaltstack(0, &old), 0);
	CHECK(old.ss_sp == mem && old.ss_size == sizeof mem && old.ss_flags == 0);
	ss.ss_size = 100;
	CHECK_ERRNO(sigaltstack(&ss, 0), ENOMEM);
	ss.ss_flags = 77;
	CHECK_ERRNO(sigaltstack(&ss, 0), EINVAL);
	CHECK_ERRNO(sigaltstack((void *)8, 0), EFAULT);
	CHECK_ERRNO(sigaltstack(0, (void *)8), EFAULT);
	ss.ss_flags = SS_DISABLE;
	CHECK_EQ(sigaltstack(&ss, &old), 0);
	CHECK_EQ(sigaltstack(0, &old), 0);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	CHECK(old.ss_sp == 0 && old.ss_size == 0);
	ss = (stack_t){mem, SS_ONSTACK, sizeof mem}; // accepted, and means nothing
	CHECK_EQ(sigaltstack(&ss, 0), 0);
}

static volatile int in_errno, in_flags;
static void on_the_stack(int sig) {
	static char other[65536];
	stack_t ss = {.ss_sp = other, .ss_size = sizeof other}, now = {0};
	in_errno = sigaltstack(&ss, &now) ? errno : 0;
	in_flags = now.ss_flags;
	if (in_errno) {
		sigaltstack(0, &now);
		in_flags = now.ss_flags;
	}
}

CASE(a_stack_in_use_cannot_be_replaced) {
	static char mem[65536];
	stack_t ss = {.ss_sp = mem, .ss_size = sizeof mem};
	CHECK_EQ(sigaltstack(&ss, 0), 0);
	struct sigaction sa = {.sa_handler = on_the_stack, .sa_flags = SA_ONSTACK};
	CHECK(sigaction(SIGUSR1, &sa, 0) == 0);
	raise(SIGUSR1);
	CHECK_EQ(in_errno, EPERM);
	CHECK_EQ(in_flags, SS_ONSTACK);
}

CASE(SS_AUTODISARM_disarms_in_the_handler_and_restores) {
	static char mem[65536];
	stack_t ss = {.ss_sp = mem, .ss_size = sizeof mem, .ss_flags = SS_AUTODISARM}, now;
	CHECK_EQ(sigaltstack(&ss, 0), 0);
	struct sigaction sa = {.sa_handler = on_the_stack, .sa_flags = SA_ONSTACK};
	CHECK(sigaction(SIGUSR1, &sa, 0) == 0);
	raise(SIGUSR1);
	CHECK_EQ(in_errno, 0);
	CHECK_EQ(in_flags, SS_DISABLE);
	CHECK_EQ(sigaltstack(0, &now), 0); // the frame brings back what was
	CHECK(now.ss_sp == mem && now.ss_size == sizeof mem);
	CHECK_EQ((unsigned)now.ss_flags, SS_AUTODISARM);
}

static void *other_thread(void *a) {
	stack_t now;
	return (void *)(long)(sigaltstack(0, &now) == 0 && now.ss_flags == SS_DISABLE);
}

CASE(fork_keeps_the_stack_and_threads_and_exec_do_not) {
	static char mem[65536];
	stack_t ss = {.ss_sp = mem, .ss_size = sizeof mem}, now;
	CHECK_EQ(sigaltstack(&ss, 0), 0);
	pid_t p = fork();
	if (!p) {
		CHECK_EQ(sigaltstack(0, &now), 0);
		CHECK(now.ss_sp == mem && now.ss_flags == 0);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	pthread_t t;
	void *ok;
	CHECK(pthread_create(&t, 0, other_thread, 0) == 0);
	CHECK(pthread_join(t, &ok) == 0);
	CHECK(ok);
}

CASE(a_fault_while_its_signal_is_blocked_kills) {
	pid_t p = fork();
	if (!p) {
		on(SIGSEGV, 0);
		block(SIGSEGV, 0);
		*(volatile int *)8 = 1;
		_exit(0);
	}
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
}

CASE(a_frame_that_does_not_fit_kills) {
	pid_t p = fork();
	if (!p) {
		char *mem = mmap(0, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		stack_t ss = {.ss_sp = mem, .ss_size = 65536};
		sigaltstack(&ss, 0);
		on(SIGUSR1, SA_ONSTACK);
		raise(SIGUSR1);
		_exit(0);
	}
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
}

static void set_mask_in_frame(int sig, siginfo_t *si, void *u) { sigaddset(&((ucontext_t *)u)->uc_sigmask, SIGUSR2); }

CASE(the_mask_in_the_frame_becomes_the_mask) {
	struct sigaction sa = {.sa_sigaction = set_mask_in_frame, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(SIGUSR1, &sa, 0) == 0);
	raise(SIGUSR1);
	sigset_t now;
	CHECK(sigprocmask(SIG_BLOCK, 0, &now) == 0);
	CHECK(sigismember(&now, SIGUSR2));
	CHECK(!sigismember(&now, SIGUSR1));
}

CASE(rt_sigpending_checks_its_size) {
	unsigned long m = 0;
	CHECK_EQ(syscall(SYS_rt_sigpending, &m, 8), 0);
	CHECK_EQ(syscall(SYS_rt_sigpending, &m, 4), 0);
	CHECK_ERRNO(syscall(SYS_rt_sigpending, &m, 16), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigpending, (void *)8, 8), EFAULT);
}

CASE(pending_signals_are_not_inherited_by_fork) {
	block(SIGUSR1, 0);
	raise(SIGUSR1);
	pid_t p = fork();
	if (!p) {
		sigset_t s;
		CHECK(sigpending(&s) == 0);
		CHECK(!sigismember(&s, SIGUSR1));
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(signalfd_fields_of_a_queued_signal) {
	block(SIGRTMIN, 0);
	sigset_t s = set_of(SIGRTMIN, 0);
	int fd = signalfd(-1, &s, SFD_NONBLOCK);
	CHECK(fd >= 0);
	struct signalfd_siginfo si;
	CHECK_ERRNO(read(fd, &si, sizeof si), EAGAIN);
	CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_ptr = (void *)0x123456789abcUL}) == 0);
	CHECK_ERRNO(read(fd, &si, sizeof si - 1), EINVAL);
	CHECK_EQ(read(fd, &si, sizeof si), sizeof si);
	CHECK_EQ(si.ssi_signo, SIGRTMIN);
	CHECK_EQ(si.ssi_code, SI_QUEUE);
	CHECK_EQ(si.ssi_pid, getpid());
	CHECK_EQ(si.ssi_uid, getuid());
	CHECK_EQ(si.ssi_ptr, 0x123456789abcUL);
	CHECK_EQ(si.ssi_int, 0x56789abc);
	CHECK_ERRNO(write(fd, &si, sizeof si), EINVAL);
}

MAIN()
