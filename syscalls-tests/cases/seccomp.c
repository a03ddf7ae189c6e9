#include "seccomp.h"

// ---- setting up ----

CASE(there_is_no_mode_at_first) {
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	CHECK_EQ(status_field(getpid(), "Seccomp"), 0);
	CHECK_EQ(status_field(getpid(), "Seccomp_filters"), 0);
}

CASE(filters_need_privileges_or_none_to_gain) {
	CHECK(setresuid(65534, 65534, 65534) == 0);
	CHECK_ERRNO(INSTALL(0, RETURN(ALLOW)), EACCES);
	insn ok[] = {RETURN(ALLOW)};
	struct sock_fprog p = {1, ok};
	CHECK_ERRNO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p), EACCES);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_EQ(INSTALL(0, RETURN(ALLOW)), 0);
	CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p), 0);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
}

CASE(errors_come_in_the_order_of_linux) {
	insn bad[] = {LOAD(nr)};
	struct sock_fprog none = {0, bad}, null = {1, NULL}, far = {1, (void *)8}, huge = {4097, bad}, p = {1, bad};
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, (void *)8), EFAULT);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &none), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &huge), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &null), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &far), EFAULT);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &p), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 1 << 20, (void *)8), EINVAL);
	CHECK(setresuid(65534, 65534, 65534) == 0);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &none), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &null), EACCES);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &p), EACCES);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
}

CASE(malformed_programs_give_EINVAL) {
	CHECK_ERRNO(INSTALL(0, RETURN(ALLOW), LOAD(nr)), EINVAL);
	CHECK_ERRNO(INSTALL(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RETURN(ALLOW)), EINVAL);
	CHECK_ERRNO(INSTALL(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RETURN(ALLOW)), EINVAL);
	CHECK_ERRNO(INSTALL(0, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), RETURN(ALLOW)), EINVAL);
	CHECK_ERRNO(INSTALL(0, BPF_STMT(BPF_LD | BPF_MEM, 0), RETURN(ALLOW)), EINVAL);
	CHECK_ERRNO(INSTALL(0, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RETURN(ALLOW)), EINVAL);
	CHECK_ERRNO(INSTALL(0, BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 2), RETURN(ALLOW)), EINVAL);
	CHECK_ERRNO(INSTALL(0, IF_EQ(1, 0, 1), RETURN(ALLOW)), EINVAL);
	CHECK_ERRNO(INSTALL(0, BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff), RETURN(ALLOW)), EINVAL);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
}

CASE(operations_and_flags_are_checked) {
	CHECK_ERRNO(seccomp(99, 0, NULL), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_STRICT, 0, &errno), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_SECCOMP, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_SECCOMP, 3, 0), EINVAL);
	CHECK_ERRNO(INSTALL(1 << 6, RETURN(ALLOW)), EINVAL);
	CHECK_ERRNO(INSTALL(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER, RETURN(ALLOW)), EINVAL);
	CHECK_ERRNO(INSTALL(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, RETURN(ALLOW)), EINVAL);
	CHECK_EQ(INSTALL(SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, RETURN(ALLOW)), 0);
	CHECK(INSTALL(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH | SECCOMP_FILTER_FLAG_NEW_LISTENER, RETURN(ALLOW)) > 0);
}

CASE(actions_that_there_are) {
	unsigned known[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
			    SECCOMP_RET_USER_NOTIF, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW};
	for (int i = 0; i < 8; i++) CHECK_EQ(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &known[i]), 0);
	unsigned other = 0x7ffe0000, data = SECCOMP_RET_ERRNO | 1;
	CHECK_ERRNO(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &other), EOPNOTSUPP);
	CHECK_ERRNO(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &data), EOPNOTSUPP);
	CHECK_ERRNO(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &known[0]), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL), EFAULT);
}

CASE(sizes_of_the_structs) {
	struct seccomp_notif_sizes s;
	CHECK_EQ(seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &s), 0);
	CHECK_EQ(s.seccomp_notif, 80);
	CHECK_EQ(s.seccomp_notif_resp, 24);
	CHECK_EQ(s.seccomp_data, 64);
	CHECK_ERRNO(seccomp(SECCOMP_GET_NOTIF_SIZES, 1, &s), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_GET_NOTIF_SIZES, 0, (void *)8), EFAULT);
}

CASE(a_chain_is_no_longer_than_on_linux) {
	int n = 0;
	while (n < 10000 && INSTALL(0, RETURN(ALLOW)) == 0) n++;
	CHECK_EQ(n, 3641);
	CHECK_ERRNO(INSTALL(0, RETURN(ALLOW)), ENOMEM);
	CHECK_EQ(status_field(getpid(), "Seccomp_filters"), 3641);
}

// ---- verdicts ----

CASE(errno_is_what_the_call_gives) {
	CHECK_EQ(filtered(0, __NR_mkdir, ERR(EXDEV)), 0);
	CHECK_ERRNO(syscall(__NR_mkdir, "d", 0777), EXDEV);
	CHECK_ERRNO(access("d", F_OK), ENOENT);
	CHECK_EQ(syscall(__NR_mkdirat, AT_FDCWD, "d", 0777), 0);
}

CASE(errno_is_at_most_4095_and_may_be_0) {
	CHECK_EQ(filtered(0, 1000, ERR(0xffff)), 0);
	CHECK_EQ(filtered(0, 1001, ERR(0)), 0);
	CHECK_EQ(filtered(0, 1002, ERR(512)), 0);
	CHECK_ERRNO(syscall(1000), 4095);
	CHECK_EQ(syscall(1001), 0);
	CHECK_ERRNO(syscall(1002), 512); // not a restart
}

CASE(calls_that_are_answered_fast_are_filtered_too) {
	int calls[] = {__NR_getpid, __NR_gettid, __NR_getppid, __NR_getuid, __NR_geteuid, __NR_getgid, __NR_getegid,
		       __NR_sched_yield, __NR_clock_gettime, __NR_getcpu, __NR_time, __NR_gettimeofday};
	struct timespec ts[4];
	for (int i = 0; i < 12; i++) CHECK(syscall(calls[i], 0, ts, ts) >= 0);
	for (int i = 0; i < 12; i++) CHECK_EQ(filtered(0, calls[i], ERR(100 + i)), 0);
	for (int i = 0; i < 12; i++) CHECK_ERRNO(syscall(calls[i], 0, ts, ts), 100 + i);
}

static long hot_getpid(void) { return syscall(__NR_getpid); }

CASE(a_call_made_often_before_is_filtered) {
	for (int i = 0; i < 20000; i++) CHECK(hot_getpid() > 0);
	CHECK_EQ(filtered(0, __NR_getpid, ERR(EDOM)), 0);
	for (int i = 0; i < 20000; i++) CHECK_ERRNO(hot_getpid(), EDOM);
}

CASE(filters_see_all_bits_of_the_arguments) {
	CHECK_EQ(INSTALL(0, LOAD(nr), IF_EQ(1000, 1, 0), RETURN(ALLOW), LOAD(args[2]), IF_EQ(0x55667788, 0, 5),
			 BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]) + 4), IF_EQ(0x11223344, 0, 3),
			 LOAD(args[5]), IF_EQ(6, 0, 1), RETURN(ERR(1)), RETURN(ERR(2))),
		 0);
	CHECK_ERRNO(syscall(1000, 0, 0, 0x1122334455667788, 0, 0, 6), 1);
	CHECK_ERRNO(syscall(1000, 0, 0, 0x0122334455667788, 0, 0, 6), 2);
	CHECK_ERRNO(syscall(1000, 0, 0, 0x1122334455667788, 0, 0, 7), 2);
}

CASE(filters_see_the_architecture) {
	CHECK_EQ(INSTALL(0, LOAD(nr), IF_EQ(1000, 1, 0), RETURN(ALLOW), LOAD(arch), IF_EQ(AUDIT_ARCH_X86_64, 0, 1), RETURN(ERR(1)),
			 RETURN(ERR(2))),
		 0);
	CHECK_ERRNO(syscall(1000), 1);
}

extern char after_call[];
// raw_call is one system call at a known place, with a first argument of 0.
__attribute__((noinline)) static long raw_call(long nr) {
	long ret;
	asm volatile("syscall\n.globl after_call\nafter_call:" : "=a"(ret) : "a"(nr), "D"(0L) : "rcx", "r11", "memory");
	return ret;
}

CASE(filters_see_where_the_call_was_made) {
	uint64_t ip = (uint64_t)after_call;
	for (int i = 0; i < 20000; i++) CHECK(raw_call(__NR_getsid) >= 0);
	CHECK_EQ(INSTALL(0, LOAD(nr), IF_EQ(__NR_getsid, 1, 0), RETURN(ALLOW), LOAD(instruction_pointer), IF_EQ((uint32_t)ip, 0, 3),
			 BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
			 IF_EQ(ip >> 32, 0, 1), RETURN(ERR(1)), RETURN(ERR(2))),
		 0);
	for (int i = 0; i < 1000; i++) CHECK_EQ(raw_call(__NR_getsid), -1);
	CHECK_ERRNO(syscall(__NR_getsid, 0), 2);
}

CASE(the_strongest_verdict_counts) {
	CHECK_EQ(filtered(0, 1000, ERR(5)), 0);
	CHECK_EQ(filtered(0, 1000, ALLOW), 0);
	CHECK_EQ(filtered(0, 1000, SECCOMP_RET_TRACE | 3), 0);
	CHECK_EQ(filtered(0, 1000, SECCOMP_RET_LOG), 0);
	CHECK_ERRNO(syscall(1000), 5);
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(filtered(0, 1000, SECCOMP_RET_KILL_PROCESS), 0);
		CHECK_EQ(filtered(0, 1000, SECCOMP_RET_TRAP), 0);
		syscall(1000);
		_exit(0);
	}
	wants_signal(p, SIGSYS);
}

CASE(of_equal_verdicts_the_last_installed_counts) {
	CHECK_EQ(filtered(0, 1000, ERR(5)), 0);
	CHECK_EQ(filtered(0, 1000, ERR(9)), 0);
	CHECK_ERRNO(syscall(1000), 9);
	CHECK_EQ(filtered(0, 1000, ERR(3)), 0);
	CHECK_ERRNO(syscall(1000), 3);
}

CASE(log_allows) {
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_LOG, __NR_mkdir, SECCOMP_RET_LOG), 0);
	CHECK_EQ(syscall(__NR_mkdir, "d", 0777), 0);
}

CASE(trace_without_tracer_gives_ENOSYS) {
	CHECK_EQ(filtered(0, __NR_mkdir, SECCOMP_RET_TRACE), 0);
	CHECK_ERRNO(syscall(__NR_mkdir, "d", 0777), ENOSYS);
}

CASE(user_notif_without_listener_gives_ENOSYS) {
	CHECK_EQ(filtered(0, __NR_mkdir, SECCOMP_RET_USER_NOTIF), 0);
	CHECK_ERRNO(syscall(__NR_mkdir, "d", 0777), ENOSYS);
}

CASE(division_by_zero_kills) {
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(INSTALL(0, LOAD(nr), IF_EQ(1000, 1, 0), RETURN(ALLOW), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RETURN(ALLOW)), 0);
		CHECK_ERRNO(syscall(1001), ENOSYS);
		syscall(1000);
		_exit(0);
	}
	wants_signal(p, SIGSYS);
}

CASE(kill_process_can_not_be_caught) {
	for (int how = 0; how < 3; how++) {
		pid_t p = fork();
		if (p == 0) {
			signal(SIGSYS, how == 0 ? ignore_handler : how == 1 ? SIG_IGN : SIG_DFL);
			if (how == 2) {
				sigset_t s;
				sigfillset(&s);
				sigprocmask(SIG_SETMASK, &s, NULL);
			}
			CHECK_EQ(filtered(0, 1000, SECCOMP_RET_KILL_PROCESS), 0);
			syscall(1000);
			_exit(0);
		}
		siginfo_t si;
		CHECK_EQ(waitid(P_PID, p, &si, WEXITED | WNOWAIT), 0);
		CHECK(si.si_code == CLD_KILLED || si.si_code == CLD_DUMPED);
		CHECK_EQ(si.si_status, SIGSYS);
		wants_signal(p, SIGSYS);
	}
}

CASE(unknown_actions_kill_the_process) {
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(filtered(0, 1000, 0x7ffe0000), 0);
		syscall(1000);
		_exit(0);
	}
	wants_signal(p, SIGSYS);
}

static void *make_call(void *nr) { return (void *)syscall((long)nr); }

static void *sleeper(void *arg) {
	for (;;) pause();
	return NULL;
}

CASE(kill_process_takes_all_threads) {
	pid_t p = fork();
	if (p == 0) {
		pthread_t t;
		CHECK_EQ(filtered(0, 1000, SECCOMP_RET_KILL_PROCESS), 0);
		CHECK(pthread_create(&t, NULL, make_call, (void *)1000L) == 0);
		for (;;) pause();
	}
	wants_signal(p, SIGSYS);
}

CASE(kill_thread_leaves_the_others) {
	pid_t p = fork();
	if (p == 0) {
		pthread_t t;
		CHECK_EQ(filtered(0, 1000, SECCOMP_RET_KILL_THREAD), 0);
		CHECK(pthread_create(&t, NULL, make_call, (void *)1000L) == 0);
		CHECK(pthread_join(t, NULL) == 0);
		_exit(7);
	}
	CHECK_CHILD(p, 7);
}

CASE(kill_thread_of_the_last_thread_kills_the_process) {
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(filtered(0, 1000, SECCOMP_RET_KILL_THREAD), 0);
		syscall(1000);
		_exit(7);
	}
	wants_signal(p, SIGSYS);
}

static void *exit_later(void *arg) {
	msleep(100);
	_exit(5);
}

CASE(kill_thread_of_the_leader_leaves_the_process) {
	pid_t p = fork();
	if (p == 0) {
		pthread_t t;
		CHECK_EQ(filtered(0, 1000, SECCOMP_RET_KILL_THREAD), 0);
		CHECK(pthread_create(&t, NULL, exit_later, NULL) == 0);
		syscall(1000);
		_exit(7);
	}
	CHECK_CHILD(p, 5);
}

// ---- SECCOMP_RET_TRAP ----

static siginfo_t trapped;
static volatile long trapped_rax;

static void on_trap(int sig, siginfo_t *si, void *uc) {
	trapped = *si;
	greg_t *r = ((ucontext_t *)uc)->uc_mcontext.gregs;
	trapped_rax = r[REG_RAX];
	r[REG_RAX] = 4711;
}

static void catch_trap(void) {
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(SIGSYS, &sa, NULL) == 0);
}

CASE(trap_tells_the_handler_of_the_call) {
	catch_trap();
	CHECK_EQ(filtered(0, __NR_getsid, SECCOMP_RET_TRAP | 0x1234), 0);
	CHECK_EQ(raw_call(__NR_getsid), 4711);
	CHECK_EQ(trapped.si_signo, SIGSYS);
	CHECK_EQ(trapped.si_code, SYS_SECCOMP);
	CHECK_EQ(trapped.si_errno, 0x1234);
	CHECK_EQ(trapped.si_syscall, __NR_getsid);
	CHECK_EQ(trapped.si_arch, AUDIT_ARCH_X86_64);
	CHECK((char *)trapped.si_call_addr == after_call);
	CHECK_EQ(trapped_rax, __NR_getsid);
}

CASE(trap_of_a_call_that_was_answered_fast) {
	for (int i = 0; i < 20000; i++) CHECK(raw_call(__NR_getpid) > 0);
	catch_trap();
	CHECK_EQ(filtered(0, __NR_getpid, SECCOMP_RET_TRAP), 0);
	for (int i = 0; i < 2000; i++) {
		CHECK_EQ(raw_call(__NR_getpid), 4711);
		CHECK((char *)trapped.si_call_addr == after_call);
	}
}

CASE(trap_kills_when_blocked_or_ignored) {
	for (int ignored = 0; ignored < 2; ignored++) {
		pid_t p = fork();
		if (p == 0) {
			catch_trap();
			if (ignored) {
				signal(SIGSYS, SIG_IGN);
			} else {
				sigset_t s;
				sigemptyset(&s);
				sigaddset(&s, SIGSYS);
				sigprocmask(SIG_BLOCK, &s, NULL);
			}
			CHECK_EQ(filtered(0, 1000, SECCOMP_RET_TRAP), 0);
			syscall(1000);
			_exit(7);
		}
		wants_signal(p, SIGSYS);
	}
}

// ---- strict mode ----

CASE(strict_mode_allows_reading_writing_and_leaving) {
	int fd[2];
	CHECK(pipe(fd) == 0);
	pid_t p = fork();
	if (p == 0) {
		char c;
		signal(SIGALRM, ignore_handler);
		CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), 0);
		if (write(fd[1], "x", 1) != 1 || read(fd[0], &c, 1) != 1 || c != 'x') syscall(__NR_exit, 1);
		syscall(__NR_exit, 7);
	}
	CHECK_CHILD(p, 7);
}

CASE(strict_mode_kills_for_other_calls) {
	long calls[] = {__NR_getpid, __NR_exit_group, __NR_mmap, __NR_prctl, 1000, -1};
	for (int i = 0; i < 6; i++) {
		pid_t p = fork();
		if (p == 0) {
			CHECK_EQ(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL), 0);
			syscall(calls[i], PR_GET_SECCOMP);
			syscall(__NR_exit, 7);
		}
		wants_signal(p, SIGKILL);
	}
}

CASE(strict_mode_lets_handlers_return) {
	pid_t p = fork();
	if (p == 0) {
		signal(SIGUSR1, ignore_handler);
		int fd[2];
		CHECK(pipe(fd) == 0);
		if (write(fd[1], "ready", 5)) {}
		pid_t me = getpid();
		if (fork() == 0) {
			msleep(100);
			kill(me, SIGUSR1);
			msleep(100);
			if (write(fd[1], "x", 1)) {}
			_exit(0);
		}
		char b[8];
		CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), 0);
		if (read(fd[0], b, 5) != 5) syscall(__NR_exit, 1);
		if (read(fd[0], b, 1) != 1) syscall(__NR_exit, 2);
		syscall(__NR_exit, 7);
	}
	CHECK_CHILD(p, 7);
}

CASE(strict_mode_of_a_thread_kills_the_thread) {
	pid_t p = fork();
	if (p == 0) {
		pthread_t t;
		CHECK_EQ(filtered(0, 1001, ALLOW), 0);
		CHECK_ERRNO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), EINVAL); // filters stay
		CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL), EINVAL);
		CHECK(pthread_create(&t, NULL, sleeper, NULL) == 0);
		_exit(7);
	}
	CHECK_CHILD(p, 7);
}

// ---- who has filters ----

CASE(children_and_threads_inherit) {
	pthread_t t;
	void *r;
	CHECK_EQ(filtered(0, __NR_getpid, ERR(0)), 0);
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(syscall(__NR_getpid), 0);
		CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
		CHECK_EQ(filtered(0, __NR_gettid, ERR(0)), 0);
		_exit(syscall(__NR_gettid));
	}
	CHECK_CHILD(p, 0);
	CHECK(syscall(__NR_gettid) > 0);
	CHECK(pthread_create(&t, NULL, make_call, (void *)(long)__NR_getpid) == 0);
	CHECK(pthread_join(t, &r) == 0);
	CHECK(r == NULL);
}

CASE(exec_keeps_filters) {
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(filtered(0, __NR_mkdir, ERR(EXDEV)), 0);
		CHECK_EQ(filtered(0, __NR_mkdirat, ERR(EXDEV)), 0);
		execl("/bin/sh", "sh", "-c", "mkdir d 2>/dev/null; [ ! -d d ] && grep -q '^Seccomp:.2$' /proc/self/status && "
		      "grep -q '^Seccomp_filters:.2$' /proc/self/status", NULL);
		_exit(1);
	}
	CHECK_CHILD(p, 0);
}

CASE(exec_of_many_programs_under_a_filter) {
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(filtered(0, __NR_ptrace, ERR(EPERM)), 0);
		execl("/bin/sh", "sh", "-c", "i=0; while [ $i -lt 20 ]; do /bin/true || exit 1; i=$((i+1)); done; exit 7", NULL);
		_exit(1);
	}
	CHECK_CHILD(p, 7);
}

CASE(status_shows_mode_and_count) {
	CHECK_EQ(filtered(0, 1000, ALLOW), 0);
	CHECK_EQ(filtered(0, 1000, ALLOW), 0);
	CHECK_EQ(status_field(getpid(), "Seccomp"), 2);
	CHECK_EQ(status_field(getpid(), "Seccomp_filters"), 2);
	int fd[2];
	CHECK(pipe(fd) == 0);
	pid_t p = fork();
	if (p == 0) syscall(__NR_exit, 0);
	siginfo_t si;
	CHECK_EQ(waitid(P_PID, p, &si, WEXITED | WNOWAIT), 0);
	CHECK_EQ(status_field(p, "Seccomp"), 2); // of a zombie, too
	CHECK_CHILD(p, 0);
}

CASE(a_restarted_call_is_restart_syscall) {
	pid_t p = fork();
	if (p == 0) {
		struct timespec ts = {0, 300000000};
		CHECK_EQ(filtered(0, __NR_restart_syscall, ERR(EDOM)), 0);
		CHECK_ERRNO(syscall(__NR_nanosleep, &ts, NULL), EDOM);
		_exit(7);
	}
	msleep(100);
	kill(p, SIGSTOP);
	CHECK_EQ(waitpid(p, NULL, WUNTRACED), p);
	kill(p, SIGCONT);
	CHECK_CHILD(p, 7);
}

MAIN()
