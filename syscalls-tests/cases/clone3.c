// Making processes and threads, and waiting for them: clone(2), clone3(2), waitid(2), wait4(2), vfork(2).
#include "case.h"
#include <linux/sched.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/times.h>

#define CLONE_ARGS_SIZE_V0 64

struct args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup, more;
};

static long clone3(struct args *a, size_t n) { return syscall(SYS_clone3, a, n); }
static long refused(struct args a) { return clone3(&a, 88); }

CASE(clone3_makes_a_child_like_fork) {
	struct args a = {.exit_signal = SIGCHLD};
	long p = clone3(&a, 88);
	if (!p) _exit(5);
	CHECK(p > 0);
	CHECK_CHILD(p, 5);
}

CASE(clone3_takes_all_known_sizes_and_no_other) {
	static struct { struct args a; char rest[4096]; } big;
	size_t sizes[] = {64, 80, 88, 96, 4096};
	for (int i = 0; i < 5; i++) {
		memset(&big, 0, sizeof big);
		big.a.exit_signal = SIGCHLD;
		long p = clone3(&big.a, sizes[i]);
		if (!p) _exit(0);
		CHECK(p > 0);
		CHECK_CHILD(p, 0);
	}
	CHECK_ERRNO(clone3(&big.a, 63), EINVAL);
	CHECK_ERRNO(clone3(&big.a, 0), EINVAL);
	CHECK_ERRNO(clone3(&big.a, 4097), E2BIG);
	big.a.more = 1;
	CHECK_ERRNO(clone3(&big.a, 96), E2BIG);
	CHECK_ERRNO(clone3((void *)8, 88), EFAULT);
}

CASE(clone3_refuses_what_contradicts) {
	int fd;
	static char stack[16384];
	CHECK_ERRNO(refused((struct args){.flags = CLONE_DETACHED}), EINVAL);
	CHECK_ERRNO(refused((struct args){.flags = 0x1}), EINVAL); // what was CSIGNAL
	CHECK_ERRNO(refused((struct args){.flags = 1UL << 40}), EINVAL);
	CHECK_ERRNO(refused((struct args){.exit_signal = 65}), EINVAL);
	CHECK_ERRNO(refused((struct args){.exit_signal = 0x101}), EINVAL);
	CHECK_ERRNO(refused((struct args){.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD}), EINVAL);
	CHECK_ERRNO(refused((struct args){.flags = CLONE_PARENT, .exit_signal = SIGCHLD}), EINVAL);
	CHECK_ERRNO(refused((struct args){.flags = CLONE_THREAD | CLONE_VM}), EINVAL);
	CHECK_ERRNO(refused((struct args){.flags = CLONE_SIGHAND}), EINVAL);
	CHECK_ERRNO(refused((struct args){.flags = CLONE_FS | CLONE_NEWNS}), EINVAL);
	CHECK_ERRNO(refused((struct args){.flags = CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND}), EINVAL);
	CHECK_ERRNO(refused((struct args){.stack = (uint64_t)stack}), EINVAL); // size 0
	CHECK_ERRNO(refused((struct args){.stack_size = sizeof stack}), EINVAL);
	CHECK_ERRNO(refused((struct args){.flags = CLONE_PIDFD, .pidfd = 8}), EFAULT);
	CHECK_ERRNO(refused((struct args){.flags = CLONE_PIDFD | CLONE_DETACHED, .pidfd = (uint64_t)&fd}), EINVAL);
	CHECK_ERRNO(waitpid(-1, 0, WNOHANG), ECHILD); // none of them was made
}

CASE(clone3_gives_a_pidfd_that_closes_on_exec) {
	int fd = -1;
	struct args a = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)&fd, .exit_signal = SIGCHLD};
	long p = clone3(&a, 88);
	if (!p) _exit(9);
	CHECK(p > 0);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	struct pollfd pf = {fd, POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 5000), 1);
	CHECK(pf.revents & POLLIN);
	siginfo_t si = {0};
	CHECK_EQ(waitid(P_PIDFD, fd, &si, WEXITED), 0);
	CHECK_EQ(si.si_pid, p);
	CHECK_EQ(si.si_status, 9);
	CHECK_ERRNO(waitid(P_PIDFD, fd, &si, WEXITED), ECHILD);
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0), ESRCH);
}

CASE(clone3_sets_the_tids_asked_for) {
	pid_t *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct args a = {.flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
			 .parent_tid = (uint64_t)&shared[0], .child_tid = (uint64_t)&shared[1], .exit_signal = SIGCHLD};
	long p = clone3(&a, 88);
	if (!p) {
		shared[2] = shared[1];
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(shared[0], p);
	CHECK_EQ(shared[2], p);
}

CASE(clone3_set_tid_chooses_the_pid) {
	pid_t free_pid = fork();
	if (!free_pid) _exit(0);
	CHECK_CHILD(free_pid, 0);
	pid_t want = free_pid + 200;
	struct args a = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)&want, .set_tid_size = 1};
	while (kill(want, 0) == 0) want++;
	long p = clone3(&a, 88);
	if (!p) _exit(getpid() == want ? 0 : 1);
	CHECK_EQ(p, want);
	pid_t me = getpid();
	a.set_tid = (uint64_t)&me;
	CHECK_ERRNO(clone3(&a, 88), EEXIST);
	pid_t zero = 0;
	a.set_tid = (uint64_t)&zero;
	CHECK_ERRNO(clone3(&a, 88), EINVAL);
	a.set_tid = 0;
	CHECK_ERRNO(clone3(&a, 88), EINVAL);
	a.set_tid = (uint64_t)&want, a.set_tid_size = 0;
	CHECK_ERRNO(clone3(&a, 88), EINVAL);
	a.set_tid_size = 33;
	CHECK_ERRNO(clone3(&a, 88), EINVAL);
	a.set_tid = 8, a.set_tid_size = 1;
	CHECK_ERRNO(clone3(&a, 88), EFAULT);
	CHECK_CHILD(p, 0);
}

CASE(set_tid_is_a_privilege) {
	pid_t want = 30000;
	CHECK(setuid(54330) == 0);
	struct args a = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)&want, .set_tid_size = 1};
	CHECK_ERRNO(clone3(&a, 88), EPERM);
}

CASE(CLONE_CLEAR_SIGHAND_resets_handlers_but_not_ignored_signals) {
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, (void (*)(int))_exit);
	struct args a = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	long p = clone3(&a, 88);
	if (!p) {
		struct sigaction sa;
		CHECK(sigaction(SIGUSR1, 0, &sa) == 0);
		CHECK(sa.sa_handler == SIG_IGN);
		CHECK(sigaction(SIGUSR2, 0, &sa) == 0);
		CHECK(sa.sa_handler == SIG_DFL);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(a_child_without_a_signal_is_waited_for_with_WCLONE) {
	struct args a = {0};
	long p = clone3(&a, 88);
	if (!p) _exit(4);
	int st;
	CHECK_ERRNO(waitpid(p, &st, 0), ECHILD);
	CHECK_EQ(waitpid(p, &st, __WCLONE), p);
	CHECK_EQ(WEXITSTATUS(st), 4);
	p = clone3(&a, 88);
	if (!p) _exit(6);
	CHECK_EQ(waitpid(-1, &st, __WALL), p);
	CHECK_EQ(WEXITSTATUS(st), 6);
	p = fork();
	if (!p) _exit(0);
	CHECK_ERRNO(waitpid(p, &st, __WCLONE), ECHILD);
	CHECK_CHILD(p, 0);
}

static volatile int got;
static void got_it(int sig) { got = sig; }

CASE(the_exit_signal_may_be_another) {
	signal(SIGUSR1, got_it);
	struct args a = {.exit_signal = SIGUSR1};
	long p = clone3(&a, 88);
	if (!p) _exit(0);
	int st;
	pid_t r;
	while ((r = waitpid(p, &st, __WALL)) == -1 && errno == EINTR) {}
	CHECK_EQ(r, p);
	CHECK_EQ(got, SIGUSR1);
}

CASE(clone_with_CLONE_FILES_shares_descriptors_and_fork_does_not) {
	struct args a = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
	int fd = open("/dev/null", O_RDONLY);
	long p = clone3(&a, 88);
	if (!p) _exit(close(fd));
	CHECK_CHILD(p, 0);
	CHECK_ERRNO(close(fd), EBADF);
	fd = open("/dev/null", O_RDONLY);
	p = fork();
	if (!p) _exit(close(fd));
	CHECK_CHILD(p, 0);
	CHECK_EQ(close(fd), 0);
}

CASE(clone_with_CLONE_FS_shares_directory_and_umask) {
	struct args a = {.flags = CLONE_FS, .exit_signal = SIGCHLD};
	char dir[100];
	umask(022);
	long p = clone3(&a, 88);
	if (!p) {
		umask(077);
		_exit(chdir("/proc") ? 1 : 0);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(umask(0), 077);
	CHECK(getcwd(dir, sizeof dir));
	CHECK(!strcmp(dir, "/proc"));
}

CASE(CLONE_VFORK_waits_until_the_child_is_done_with_the_memory) {
	struct args a = {.flags = CLONE_VFORK, .exit_signal = SIGCHLD};
	int fd[2];
	char c;
	CHECK(pipe2(fd, O_NONBLOCK) == 0);
	long p = clone3(&a, 88);
	if (!p) {
		msleep(5);
		_exit(write(fd[1], "x", 1) == 1 ? 0 : 1);
	}
	CHECK_EQ(read(fd[0], &c, 1), 1);
	CHECK_CHILD(p, 0);
}

CASE(the_termination_signal_of_clone_is_checked_only_by_clone3) {
	long p = syscall(SYS_clone, 0, 0, 0, 0, 0); // no signal
	if (!p) _exit(0);
	CHECK_EQ(waitpid(p, 0, __WALL), p);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &p, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, 0, &p, 0, 0), EINVAL);
}

CASE(RLIMIT_NPROC_limits_the_children_of_a_user) {
	struct rlimit r = {1, 1};
	CHECK(setgid(54331) == 0 && setuid(54331) == 0);
	CHECK(setrlimit(RLIMIT_NPROC, &r) == 0);
	CHECK_ERRNO(fork(), EAGAIN);
}

CASE(waitid_errors) {
	siginfo_t si;
	CHECK_ERRNO(waitid(P_PID, 0, &si, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_PID, -1, &si, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_PGID, -1, &si, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(4, 0, &si, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_PIDFD, -1, &si, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_PIDFD, 999, &si, WEXITED), EBADF);
	CHECK_ERRNO(waitid(P_PIDFD, 1, &si, WEXITED), EBADF); // not a pidfd
	CHECK_ERRNO(waitid(P_ALL, 0, &si, WEXITED), ECHILD);
	CHECK_ERRNO(waitid(P_PGID, 0, &si, WEXITED), ECHILD);
	CHECK_ERRNO(waitid(P_ALL, 0, &si, WNOHANG), EINVAL);
	CHECK_ERRNO(waitid(P_ALL, 0, &si, WEXITED | 0x100), EINVAL);
}

CASE(waitid_that_fails_stores_zeros) {
	siginfo_t si;
	memset(&si, 0x55, sizeof si);
	CHECK_ERRNO(waitid(P_ALL, 0, &si, WEXITED), ECHILD);
	CHECK(si.si_signo == 0 && si.si_code == 0 && si.si_pid == 0 && si.si_status == 0);
	CHECK_ERRNO(waitid(P_ALL, 0, (void *)8, WEXITED), EFAULT);
	CHECK_ERRNO(waitid(P_ALL, 0, (void *)8, 0), EFAULT);
}

CASE(wait4_errors) {
	CHECK_ERRNO(waitpid(-1, 0, 0x100), EINVAL);
	CHECK_ERRNO(waitpid(-1, 0, WEXITED), EINVAL);
	CHECK_ERRNO(waitpid(-1, 0, WNOWAIT), EINVAL);
	CHECK_ERRNO(waitpid(INT32_MIN, 0, 0), ESRCH);
	CHECK_ERRNO(waitpid(getpid(), 0, 0), ECHILD);
	CHECK_ERRNO(waitpid(1, 0, 0), ECHILD);
	CHECK_ERRNO(waitpid(-1, 0, WNOHANG), ECHILD);
}

CASE(a_status_that_cannot_be_stored_is_lost) {
	pid_t p = fork();
	if (!p) _exit(0);
	CHECK_ERRNO(syscall(SYS_wait4, p, 8, 0, 0), EFAULT);
	CHECK_ERRNO(waitpid(p, 0, 0), ECHILD);
}

CASE(waitid_through_a_nonblocking_pidfd_gives_EAGAIN) {
	pid_t p = fork();
	if (!p) for (;;) pause();
	int fd = syscall(SYS_pidfd_open, p, O_NONBLOCK);
	CHECK(fd >= 0);
	siginfo_t si = {0};
	CHECK_ERRNO(waitid(P_PIDFD, fd, &si, WEXITED), EAGAIN);
	CHECK_EQ(waitid(P_PIDFD, fd, &si, WEXITED | WNOHANG), 0);
	CHECK_EQ(si.si_pid, 0);
	kill(p, SIGKILL);
	CHECK_EQ(waitid(P_PID, p, &si, WEXITED), 0);
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK_EQ(si.si_status, SIGKILL);
}

CASE(waitid_tells_stops_and_continues_once) {
	siginfo_t si = {0};
	pid_t p = fork();
	if (!p) {
		raise(SIGSTOP);
		for (;;) pause();
	}
	CHECK_EQ(waitid(P_PID, p, &si, WSTOPPED | WNOWAIT), 0);
	CHECK_EQ(si.si_code, CLD_STOPPED);
	CHECK_EQ(waitid(P_PID, p, &si, WSTOPPED), 0);
	CHECK_EQ(si.si_status, SIGSTOP);
	CHECK_EQ(waitid(P_PID, p, &si, WSTOPPED | WNOHANG), 0);
	CHECK_EQ(si.si_pid, 0);
	kill(p, SIGCONT);
	CHECK_EQ(waitid(P_PID, p, &si, WCONTINUED | WNOWAIT), 0);
	CHECK_EQ(si.si_code, CLD_CONTINUED);
	CHECK_EQ(waitid(P_PID, p, &si, WCONTINUED), 0);
	CHECK_EQ(si.si_status, SIGCONT);
	CHECK_EQ(waitid(P_PID, p, &si, WCONTINUED | WNOHANG), 0);
	CHECK_EQ(si.si_pid, 0);
	kill(p, SIGKILL);
	CHECK_EQ(waitid(P_PID, p, 0, WEXITED), 0);
}

CASE(waitid_fills_the_rusage_of_the_child) {
	struct rusage ru;
	memset(&ru, 0x55, sizeof ru);
	pid_t p = fork();
	if (!p) {
		char *m = mmap(0, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(m, 1, 4 << 20);
		for (clock_t end = clock() + CLOCKS_PER_SEC / 50; clock() < end;) {}
		_exit(0);
	}
	siginfo_t si;
	CHECK_EQ(syscall(SYS_waitid, P_PID, p, &si, WEXITED, &ru), 0);
	CHECK(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_sec * 1000000 + ru.ru_stime.tv_usec >= 10000);
	CHECK(ru.ru_utime.tv_sec < 20);
	CHECK(ru.ru_maxrss >= 4096);
	CHECK_EQ(ru.ru_nswap, 0);
}

CASE(children_count_in_times_and_getrusage_only_when_waited_for) {
	struct rusage before, after;
	CHECK(getrusage(RUSAGE_CHILDREN, &before) == 0);
	CHECK_EQ(before.ru_utime.tv_sec * 1000000 + before.ru_utime.tv_usec, 0);
	pid_t p = fork();
	if (!p) {
		for (clock_t end = clock() + CLOCKS_PER_SEC / 25; clock() < end;) {}
		_exit(0);
	}
	siginfo_t si;
	CHECK_EQ(waitid(P_PID, p, &si, WEXITED | WNOWAIT), 0);
	CHECK(getrusage(RUSAGE_CHILDREN, &after) == 0);
	CHECK_EQ(after.ru_utime.tv_sec * 1000000 + after.ru_utime.tv_usec + after.ru_stime.tv_usec, 0);
	CHECK_CHILD(p, 0);
	CHECK(getrusage(RUSAGE_CHILDREN, &after) == 0);
	CHECK(after.ru_utime.tv_sec * 1000000 + after.ru_utime.tv_usec + after.ru_stime.tv_sec * 1000000 + after.ru_stime.tv_usec >= 20000);
	struct tms t;
	CHECK(times(&t) != (clock_t)-1);
	CHECK(t.tms_cutime + t.tms_cstime >= 2);
	CHECK_ERRNO(getrusage(7, &after), EINVAL);
	CHECK_ERRNO(getrusage(RUSAGE_SELF, (void *)8), EFAULT);
	CHECK_ERRNO(syscall(SYS_times, 8), EFAULT);
}

CASE(pidfd_open_errors) {
	CHECK_ERRNO(syscall(SYS_pidfd_open, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_pidfd_open, -1, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_pidfd_open, getpid(), 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_pidfd_open, 0x3fffffff, 0), ESRCH);
	pid_t p = fork();
	if (!p) _exit(0);
	siginfo_t si;
	CHECK_EQ(waitid(P_PID, p, &si, WEXITED | WNOWAIT), 0);
	int fd = syscall(SYS_pidfd_open, p, 0); // a zombie still is a process
	CHECK(fd >= 0);
	CHECK_CHILD(p, 0);
	CHECK_ERRNO(syscall(SYS_pidfd_open, p, 0), ESRCH);
}

CASE(pidfd_send_signal_errors_and_siginfo) {
	int fd = syscall(SYS_pidfd_open, getpid(), 0);
	siginfo_t si = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
	si.si_value.sival_int = 42;
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, 65, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, SIGUSR2, &si, 0), EINVAL); // the numbers differ
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &si, 0x100), EINVAL);
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &si, 3), EINVAL); // two scopes
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, 8, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, 1, SIGUSR1, &si, 0), EBADF);
	sigset_t s;
	sigemptyset(&s), sigaddset(&s, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &s, 0) == 0);
	CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &si, 0), 0);
	memset(&si, 0, sizeof si);
	CHECK_EQ(sigwaitinfo(&s, &si), SIGUSR1);
	CHECK_EQ(si.si_value.sival_int, 42);
	CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0), 0);
}

CASE(exit_ends_a_thread_and_its_code_counts_only_if_it_is_the_last) {
	pid_t p = fork();
	if (!p) syscall(SYS_exit, 0x1ff);
	CHECK_CHILD(p, 0xff);
}

CASE(setpgid_errors) {
	CHECK_ERRNO(setpgid(-1, 1), ESRCH);
	CHECK_ERRNO(setpgid(0, -1), EINVAL);
	CHECK_ERRNO(setpgid(1, 0), ESRCH);
	CHECK_ERRNO(setpgid(0x3fffffff, 0), ESRCH);
	CHECK_ERRNO(setpgid(0, 0), EPERM); // a session leader
	pid_t p = fork();
	if (!p) {
		CHECK_ERRNO(setpgid(0, 0x3fffffff), EPERM);
		CHECK_ERRNO(setpgid(0, 1), EPERM);
		CHECK_EQ(setpgid(0, getpid()), 0);
		CHECK_EQ(getpgrp(), getpid());
		CHECK_EQ(setpgid(0, getppid()), 0);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_ERRNO(getpgid(-1), ESRCH);
	CHECK_ERRNO(getpgid(0x3fffffff), ESRCH);
	CHECK_ERRNO(getsid(0x3fffffff), ESRCH);
	CHECK_ERRNO(setsid(), EPERM);
}

CASE(setpgid_of_a_child_in_another_session_gives_EPERM) {
	int fd[2];
	char c;
	CHECK(pipe(fd) == 0);
	pid_t p = fork();
	if (!p) {
		setsid();
		if (write(fd[1], "x", 1) != 1) _exit(1);
		for (;;) pause();
	}
	CHECK_EQ(read(fd[0], &c, 1), 1);
	CHECK_ERRNO(setpgid(p, 0), EPERM);
	CHECK_EQ(getsid(p), p);
	kill(p, SIGKILL);
}

MAIN()
