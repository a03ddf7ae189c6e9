#include "case.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/user.h>
#include <ucontext.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

typedef struct sock_filter insn;

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(v) BPF_STMT(BPF_RET | BPF_K, v)
#define IF_EQ(k, jt, jf) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, jt, jf)
#define ALLOW SECCOMP_RET_ALLOW
#define ERR(e) (SECCOMP_RET_ERRNO | (e))

static long seccomp(unsigned op, unsigned flags, void *args) { return syscall(__NR_seccomp, op, flags, args); }

static long install(unsigned flags, insn *code, unsigned short n) {
	struct sock_fprog p = {n, code};
	return seccomp(SECCOMP_SET_MODE_FILTER, flags, &p);
}

#define INSTALL(flags, ...)                                     \
	({                                                          \
		insn code_[] = {__VA_ARGS__};                           \
		install(flags, code_, sizeof code_ / sizeof code_[0]); \
	})

// filtered gives the call nr a verdict and allows all others.
static long filtered(unsigned flags, int nr, unsigned verdict) {
	return INSTALL(flags, LOAD(nr), IF_EQ(nr, 0, 1), RETURN(verdict), RETURN(ALLOW));
}

// status_field reads a number from /proc/TID/status.
static int status_field(pid_t tid, const char *name) {
	char path[64], line[256];
	int v = -1;
	snprintf(path, sizeof path, "/proc/%d/status", tid);
	FILE *f = fopen(path, "r");
	CHECK(f != NULL);
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':') v = atoi(line + strlen(name) + 1);
	fclose(f);
	return v;
}

static void wants_signal(pid_t p, int sig) {
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	if (!WIFSIGNALED(st) || WTERMSIG(st) != sig) fail(__FILE__, __LINE__, "status %#x, want signal %d", st, sig);
}

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

static void ignore_handler(int sig) {}

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

// ---- SECCOMP_FILTER_FLAG_TSYNC ----

static volatile int stage;
static volatile pid_t other_tid;
static volatile long other_result;

static void await_stage(int s) {
	while (stage < s) msleep(1);
}

// other waits for stage 2 and makes the call 1000.
static void *other(void *filter) {
	other_tid = gettid();
	if (filter) CHECK_EQ(filtered(0, 1001, ERR(3)), 0);
	stage = 1;
	while (stage < 2) {} // the filter comes while it runs
	errno = 0;
	syscall(1000);
	other_result = errno;
	return NULL;
}

CASE(tsync_gives_all_threads_the_filters) {
	pthread_t t;
	CHECK_EQ(filtered(0, 1002, ERR(3)), 0);
	CHECK(pthread_create(&t, NULL, other, NULL) == 0);
	await_stage(1);
	CHECK_EQ(filtered(0, 1000, ERR(2)), 0);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, 1000, ERR(1)), 0);
	CHECK_EQ(status_field(other_tid, "Seccomp_filters"), 3);
	stage = 2;
	CHECK(pthread_join(t, NULL) == 0);
	CHECK_EQ(other_result, 1);
}

static void *spin_getpid(void *arg) {
	other_tid = gettid();
	for (int i = 0; i < 20000; i++) hot_getpid();
	stage = 1;
	while (hot_getpid() > 0) {}
	other_result = errno;
	return NULL;
}

CASE(tsync_reaches_a_thread_whose_calls_are_answered_fast) {
	pthread_t t;
	CHECK(pthread_create(&t, NULL, spin_getpid, NULL) == 0);
	await_stage(1);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, __NR_getpid, ERR(EDOM)), 0);
	CHECK(pthread_join(t, NULL) == 0);
	CHECK_EQ(other_result, EDOM);
}

CASE(tsync_names_a_thread_with_filters_of_its_own) {
	pthread_t t;
	CHECK(pthread_create(&t, NULL, other, (void *)1) == 0);
	await_stage(1);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, 1000, ERR(1)), other_tid);
	CHECK_ERRNO(filtered(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, 1000, ERR(1)), ESRCH);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	stage = 2;
	CHECK(pthread_join(t, NULL) == 0);
	CHECK_EQ(other_result, ENOSYS);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, 1000, ERR(1)), 0); // it is gone
}

CASE(tsync_takes_the_right_to_gain_privileges_along) {
	pthread_t t;
	CHECK(pthread_create(&t, NULL, other, NULL) == 0);
	await_stage(1);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_EQ(status_field(other_tid, "NoNewPrivs"), 0);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, 1000, ERR(1)), 0);
	CHECK_EQ(status_field(other_tid, "NoNewPrivs"), 1);
	stage = 2;
	CHECK(pthread_join(t, NULL) == 0);
}

// ---- SECCOMP_RET_TRACE ----

static pid_t traced(long options, void (*fn)(void)) {
	pid_t p = fork();
	if (p == 0) {
		CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
		raise(SIGSTOP);
		fn();
		_exit(7);
	}
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK_EQ(WSTOPSIG(st), SIGSTOP);
	CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, options) == 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	return p;
}

static void wants_event(pid_t p) {
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK_EQ(st, (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) << 8 | 0x7f);
}

static void call_traced(void) {
	CHECK_EQ(filtered(0, __NR_mkdir, SECCOMP_RET_TRACE | 0xabc), 0);
	errno = 0;
	long r = syscall(__NR_mkdir, "d", 0777);
	_exit(r < 0 ? errno : r);
}

CASE(trace_stops_for_a_tracer) {
	pid_t p = traced(PTRACE_O_TRACESECCOMP, call_traced);
	wants_event(p);
	unsigned long msg = 0;
	CHECK(ptrace(PTRACE_GETEVENTMSG, p, 0, &msg) == 0);
	CHECK_EQ(msg, 0xabc);
	CHECK_EQ(ptrace(PTRACE_PEEKUSER, p, offsetof(struct user_regs_struct, orig_rax), 0), __NR_mkdir);
	CHECK_ERRNO(access("d", F_OK), ENOENT);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 0);
	CHECK_EQ(access("d", F_OK), 0);
}

CASE(trace_tells_of_the_call_by_GET_SYSCALL_INFO) {
	pid_t p = traced(PTRACE_O_TRACESECCOMP, call_traced);
	wants_event(p);
	struct __ptrace_syscall_info i = {0};
	CHECK_EQ(ptrace(PTRACE_GET_SYSCALL_INFO, p, sizeof i, &i), 84);
	CHECK_EQ(i.op, PTRACE_SYSCALL_INFO_SECCOMP);
	CHECK_EQ(i.seccomp.nr, __NR_mkdir);
	CHECK_EQ(i.seccomp.args[1], 0777);
	CHECK_EQ(i.seccomp.ret_data, 0xabc);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 0);
}

CASE(a_tracer_skips_a_call_with_a_result) {
	pid_t p = traced(PTRACE_O_TRACESECCOMP, call_traced);
	wants_event(p);
	CHECK(ptrace(PTRACE_POKEUSER, p, offsetof(struct user_regs_struct, orig_rax), -1L) == 0);
	CHECK(ptrace(PTRACE_POKEUSER, p, offsetof(struct user_regs_struct, rax), 42L) == 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 42);
	CHECK_ERRNO(access("d", F_OK), ENOENT);
}

CASE(a_tracer_changes_the_call) {
	pid_t p = traced(PTRACE_O_TRACESECCOMP, call_traced);
	wants_event(p);
	CHECK(ptrace(PTRACE_POKEUSER, p, offsetof(struct user_regs_struct, orig_rax), (long)__NR_rmdir) == 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, ENOENT);
}

static void call_changed(void) {
	CHECK_EQ(filtered(0, __NR_rmdir, ERR(EDOM)), 0);
	call_traced();
}

CASE(what_a_tracer_changed_is_filtered_again) {
	pid_t p = traced(PTRACE_O_TRACESECCOMP, call_changed);
	wants_event(p);
	CHECK(ptrace(PTRACE_POKEUSER, p, offsetof(struct user_regs_struct, orig_rax), (long)__NR_rmdir) == 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, EDOM);
}

CASE(the_stop_at_entry_comes_before_filters) {
	pid_t p = traced(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD, call_changed);
	int st, seen[3] = {0};
	// To the call mkdir, first by the event alone.
	wants_event(p);
	CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0); // from there it goes to the exit
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK_EQ(WSTOPSIG(st), SIGTRAP | 0x80);
	CHECK_EQ(ptrace(PTRACE_PEEKUSER, p, offsetof(struct user_regs_struct, rax), 0), 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 0);

	p = fork();
	if (p == 0) {
		CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
		CHECK_EQ(filtered(0, 1000, SECCOMP_RET_TRACE | 1), 0);
		CHECK_EQ(filtered(0, 1001, ERR(EDOM)), 0);
		raise(SIGSTOP);
		errno = 0;
		syscall(1000);
		_exit(errno);
	}
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD) == 0);
	int n = 0;
	CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
	while (waitpid(p, &st, 0) == p && WIFSTOPPED(st)) {
		if (ptrace(PTRACE_PEEKUSER, p, offsetof(struct user_regs_struct, orig_rax), 0) >= 1000 && n < 3) seen[n++] = st >> 8;
		if (n == 2) CHECK(ptrace(PTRACE_POKEUSER, p, offsetof(struct user_regs_struct, orig_rax), 1001L) == 0);
		CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
	}
	CHECK_EQ(WEXITSTATUS(st), EDOM);
	CHECK_EQ(seen[0], SIGTRAP | 0x80);
	CHECK_EQ(seen[1], SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
	CHECK_EQ(seen[2], SIGTRAP | 0x80);
}

CASE(what_a_tracer_changes_at_entry_is_filtered) {
	pid_t p = traced(PTRACE_O_TRACESYSGOOD, call_changed);
	int st, seen = 0;
	kill(p, SIGSTOP);
	while (waitpid(p, &st, 0) == p && WIFSTOPPED(st)) {
		long nr = ptrace(PTRACE_PEEKUSER, p, offsetof(struct user_regs_struct, orig_rax), 0);
		if (nr == __NR_mkdir && !seen++)
			CHECK(ptrace(PTRACE_POKEUSER, p, offsetof(struct user_regs_struct, orig_rax), (long)__NR_rmdir) == 0);
		CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
	}
	// The event is not asked for: a call that was not caught in time is refused.
	CHECK(WEXITSTATUS(st) == (seen ? EDOM : ENOSYS));
}

// ---- SECCOMP_RET_USER_NOTIF ----

struct target {
	pid_t pid;
	int listener;
};

static void send_fd(int s, int fd) {
	char c = 'x', cb[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = sizeof cb};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
	CHECK_EQ(sendmsg(s, &m, 0), 1);
}

static int take_fd(int s) {
	char c, cb[CMSG_SPACE(sizeof(int))];
	int fd = -1;
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = sizeof cb};
	CHECK_EQ(recvmsg(s, &m, 0), 1);
	CHECK(CMSG_FIRSTHDR(&m) != NULL);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

// target starts a child that runs fn; its calls of nr are to be answered by the caller, who has the listener alone.
static struct target target(unsigned flags, int nr, void (*fn)(void)) {
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	struct target t = {fork()};
	if (t.pid == 0) {
		close(s[0]);
		long l = filtered(flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, nr, SECCOMP_RET_USER_NOTIF);
		CHECK(l > 0);
		send_fd(s[1], l);
		close(s[1]);
		close(l);
		fn();
		_exit(7);
	}
	close(s[1]);
	t.listener = take_fd(s[0]);
	close(s[0]);
	return t;
}

static struct seccomp_notif receive(int l) {
	struct seccomp_notif n = {0};
	CHECK_EQ(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n), 0);
	return n;
}

static int answer(int l, uint64_t id, int64_t val, int error, unsigned flags) {
	struct seccomp_notif_resp r = {.id = id, .val = val, .error = error, .flags = flags};
	return ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

static int ready(int l) {
	struct pollfd p = {l, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM, 0};
	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static int await_ready(int l, int events) {
	struct pollfd p = {l, events, 0};
	CHECK(poll(&p, 1, 5000) >= 0);
	return p.revents;
}

// call_1000 exits with the call's result, or 100 and its errno.
static void call_1000(void) {
	errno = 0;
	long r = syscall(1000, 1, 2, 3, 4, 5, 6);
	_exit(r < 0 ? 100 + errno : r);
}

CASE(a_supervisor_answers_a_call) {
	struct target t = target(0, 1000, call_1000);
	struct seccomp_notif n = receive(t.listener);
	CHECK_EQ(answer(t.listener, n.id, 42, 0, 0), 0);
	CHECK_CHILD(t.pid, 42);
	t = target(0, 1000, call_1000);
	n = receive(t.listener);
	CHECK_EQ(answer(t.listener, n.id, 42, -EDOM, 0), 0);
	CHECK_CHILD(t.pid, 100 + EDOM);
}

CASE(a_notification_tells_of_the_call) {
	struct target t = target(0, 1000, call_1000);
	struct seccomp_notif n = receive(t.listener);
	CHECK_EQ(n.pid, t.pid);
	CHECK_EQ(n.flags, 0);
	CHECK_EQ(n.data.nr, 1000);
	CHECK_EQ(n.data.arch, AUDIT_ARCH_X86_64);
	CHECK(n.data.instruction_pointer != 0);
	for (int i = 0; i < 6; i++) CHECK_EQ(n.data.args[i], i + 1);
	CHECK_EQ(answer(t.listener, n.id, 0, 0, 0), 0);
	CHECK_CHILD(t.pid, 0);
}

static void call_512(void) {
	CHECK_ERRNO(syscall(1000), 512);
	CHECK_EQ(syscall(1000), 77);
	_exit(7);
}

CASE(answers_are_taken_literally) {
	struct target t = target(0, 1000, call_512);
	CHECK_EQ(answer(t.listener, receive(t.listener).id, 0, -512, 0), 0);
	CHECK_EQ(answer(t.listener, receive(t.listener).id, 5, 77, 0), 0); // an error that is none
	CHECK_CHILD(t.pid, 7);
}

CASE(receiving_wants_a_zeroed_struct) {
	struct target t = target(0, 1000, call_1000);
	struct seccomp_notif n = {.flags = 1};
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, &n), EINVAL);
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, (void *)8), EFAULT);
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, NULL), EFAULT);
	CHECK_EQ(answer(t.listener, receive(t.listener).id, 5, 0, 0), 0);
	CHECK_CHILD(t.pid, 5);
}

static void call_mkdir(void) { _exit(syscall(__NR_mkdir, "d", 0777) ? 100 + errno : 7); }

CASE(the_call_is_made_if_the_supervisor_says_so) {
	struct target t = target(0, __NR_mkdir, call_mkdir);
	struct seccomp_notif n = receive(t.listener);
	CHECK_ERRNO(access("d", F_OK), ENOENT);
	CHECK_ERRNO(answer(t.listener, n.id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), EINVAL);
	CHECK_ERRNO(answer(t.listener, n.id, 0, -1, SECCOMP_USER_NOTIF_FLAG_CONTINUE), EINVAL);
	CHECK_ERRNO(answer(t.listener, n.id, 0, 0, 2), EINVAL);
	CHECK_EQ(answer(t.listener, n.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), 0);
	CHECK_CHILD(t.pid, 7);
	CHECK_EQ(access("d", F_OK), 0);
}

static void stop_after_call(void) {
	syscall(1000);
	pause();
}

CASE(an_id_is_valid_while_the_target_waits) {
	struct target t = target(0, 1000, stop_after_call);
	uint64_t id = 12345;
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), ENOENT);
	CHECK_ERRNO(answer(t.listener, id, 0, 0, 0), ENOENT);
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, (void *)8), EFAULT);
	struct seccomp_notif n = receive(t.listener);
	id = n.id;
	CHECK_EQ(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), 0);
	CHECK_EQ(answer(t.listener, id, 0, 0, 0), 0);
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), ENOENT);
	msleep(50);
	CHECK_ERRNO(answer(t.listener, id, 0, 0, 0), ENOENT);
	kill(t.pid, SIGKILL);
	waitpid(t.pid, NULL, 0);
}

CASE(the_listener_polls) {
	struct target t = target(0, 1000, call_1000);
	CHECK_EQ(await_ready(t.listener, POLLIN), POLLIN);
	CHECK_EQ(ready(t.listener), POLLIN | POLLRDNORM);
	struct seccomp_notif n = receive(t.listener);
	CHECK_EQ(ready(t.listener), POLLOUT | POLLWRNORM);
	CHECK_EQ(answer(t.listener, n.id, 3, 0, 0), 0);
	CHECK_CHILD(t.pid, 3);
	CHECK_EQ(await_ready(t.listener, 0), POLLHUP); // nobody has the filter any more
}

static void fork_after(void) {
	if (fork() == 0) {
		msleep(200);
		_exit(0);
	}
	_exit(7);
}

CASE(the_listener_hangs_up_with_the_last_user) {
	struct target t = target(0, 1000, fork_after);
	CHECK_CHILD(t.pid, 7);
	CHECK_EQ(ready(t.listener), 0);
	CHECK_EQ(await_ready(t.listener, 0), POLLHUP);
	struct seccomp_notif n = {0};
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, &n), ENOENT);
}

static void exit_soon(void) {
	msleep(100);
	_exit(7);
}

CASE(receiving_ends_with_the_last_user) {
	struct target t = target(0, 1000, exit_soon);
	struct seccomp_notif n = {0};
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, &n), ENOENT);
	CHECK_CHILD(t.pid, 7);
}

static void call_twice(void) {
	CHECK_ERRNO(syscall(1000), ENOSYS);
	CHECK_ERRNO(syscall(1000), ENOSYS);
	_exit(7);
}

CASE(a_closed_listener_answers_ENOSYS) {
	struct target t = target(0, 1000, call_twice);
	CHECK_EQ(await_ready(t.listener, POLLIN), POLLIN);
	close(t.listener);
	CHECK_CHILD(t.pid, 7);
	t = target(0, 1000, call_twice);
	receive(t.listener);
	close(t.listener);
	CHECK_CHILD(t.pid, 7);
}

static void call_interrupted(void) {
	struct sigaction sa = {.sa_handler = ignore_handler}; // no SA_RESTART
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	CHECK_ERRNO(syscall(1000), EINTR);
	_exit(7);
}

CASE(a_signal_interrupts_the_target) {
	struct target t = target(0, 1000, call_interrupted);
	struct seccomp_notif n = receive(t.listener);
	kill(t.pid, SIGUSR1);
	CHECK_CHILD(t.pid, 7);
	uint64_t id = n.id;
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), ENOENT);
	CHECK_ERRNO(answer(t.listener, id, 0, 0, 0), ENOENT);
}

static void call_restarted(void) {
	signal(SIGUSR1, ignore_handler);
	call_1000();
}

CASE(a_restarted_call_notifies_again) {
	struct target t = target(0, 1000, call_restarted);
	struct seccomp_notif n = receive(t.listener);
	kill(t.pid, SIGUSR1);
	struct seccomp_notif again = receive(t.listener);
	CHECK(n.id != again.id);
	CHECK_ERRNO(answer(t.listener, n.id, 1, 0, 0), ENOENT);
	CHECK_EQ(answer(t.listener, again.id, 2, 0, 0), 0);
	CHECK_CHILD(t.pid, 2);
}

static void call_interrupted_and_stay(void) {
	struct sigaction sa = {.sa_handler = ignore_handler}; // no SA_RESTART
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	CHECK_ERRNO(syscall(1000), EINTR);
	call_1000();
}

CASE(a_notification_that_is_over_gives_ENOENT_once) {
	struct target t = target(0, 1000, call_interrupted_and_stay);
	CHECK_EQ(await_ready(t.listener, POLLIN), POLLIN);
	kill(t.pid, SIGUSR1);
	msleep(100);
	struct seccomp_notif n = receive(t.listener);
	CHECK_EQ(answer(t.listener, n.id, 6, 0, 0), 0);
	CHECK_CHILD(t.pid, 6);
	n = (struct seccomp_notif){0};
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, &n), ENOENT);
}

CASE(a_killed_target_is_gone) {
	struct target t = target(0, 1000, call_1000);
	struct seccomp_notif n = receive(t.listener);
	kill(t.pid, SIGKILL);
	wants_signal(t.pid, SIGKILL);
	CHECK_ERRNO(answer(t.listener, n.id, 0, 0, 0), ENOENT);
	CHECK_EQ(ready(t.listener), POLLHUP);
}

CASE(a_received_call_can_be_made_deaf_to_signals) {
	struct target t = target(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 1000, call_restarted);
	struct seccomp_notif n = receive(t.listener);
	kill(t.pid, SIGUSR1);
	msleep(50);
	uint64_t id = n.id;
	CHECK_EQ(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), 0);
	CHECK_EQ(answer(t.listener, n.id, 9, 0, 0), 0);
	CHECK_CHILD(t.pid, 9);

	t = target(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 1000, call_interrupted);
	CHECK_EQ(await_ready(t.listener, POLLIN), POLLIN); // nobody has received it
	kill(t.pid, SIGUSR1);
	CHECK_CHILD(t.pid, 7);

	t = target(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 1000, call_1000);
	receive(t.listener);
	kill(t.pid, SIGKILL);
	wants_signal(t.pid, SIGKILL);
}

CASE(one_listener_for_a_chain) {
	long l = filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER, 1000, SECCOMP_RET_USER_NOTIF);
	CHECK(l > 0);
	CHECK_ERRNO(filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER, 1001, SECCOMP_RET_USER_NOTIF), EBUSY);
	CHECK_EQ(filtered(0, 1002, ERR(1)), 0);
	close(l);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER, 1001, SECCOMP_RET_USER_NOTIF), l);
	CHECK_EQ(status_field(getpid(), "Seccomp_filters"), 3);
}

CASE(the_listener_is_closed_on_exec) {
	long l = filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER, 1000, SECCOMP_RET_USER_NOTIF);
	char path[64], name[64] = "";
	CHECK_EQ(fcntl(l, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(l, F_GETFL) & O_ACCMODE, O_RDWR);
	snprintf(path, sizeof path, "/proc/self/fd/%ld", l);
	CHECK(readlink(path, name, sizeof name - 1) > 0);
	CHECK(!strcmp(name, "anon_inode:seccomp notify"));
	char b[8];
	CHECK_ERRNO(read(l, b, 8), EINVAL);
}

CASE(there_must_be_room_for_the_listener) {
	struct rlimit r = {3, 100};
	for (int fd = 3; fd < 20; fd++) close(fd);
	CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
	CHECK_ERRNO(filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER, 1000, SECCOMP_RET_USER_NOTIF), EMFILE);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
}

CASE(requests_that_a_listener_does_not_know) {
	struct target t = target(0, 1000, call_1000);
	CHECK_ERRNO(ioctl(t.listener, _IO('!', 77), 0), EINVAL);
	CHECK_ERRNO(ioctl(t.listener, 0x5413, 0), EINVAL);
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 2), EINVAL);
	CHECK_EQ(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1), 0);
	CHECK_EQ(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 0), 0);
	CHECK_EQ(answer(t.listener, receive(t.listener).id, 1, 0, 0), 0);
	CHECK_CHILD(t.pid, 1);
}

static int ask_addfd(int l, uint64_t id, int src, int dst, unsigned flags, unsigned fdflags) {
	struct seccomp_notif_addfd a = {.id = id, .flags = flags, .srcfd = src, .newfd = dst, .newfd_flags = fdflags};
	return ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
}

// use_fd writes to the descriptor that the call gave.
static void use_fd(void) {
	long fd = syscall(1000);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "hello", 5), 5);
	_exit(fcntl(fd, F_GETFD) + 7);
}

CASE(a_supervisor_gives_the_target_a_file) {
	int fd[2];
	char b[6] = "";
	CHECK(pipe(fd) == 0);
	struct target t = target(0, 1000, use_fd);
	struct seccomp_notif n = receive(t.listener);
	int got = ask_addfd(t.listener, n.id, fd[1], 0, 0, 0);
	CHECK(got > 0);
	CHECK_EQ(answer(t.listener, n.id, got, 0, 0), 0);
	CHECK_CHILD(t.pid, 7);
	CHECK_EQ(read(fd[0], b, 5), 5);

	// At a place of its choice, to be closed on exec.
	t = target(0, 1000, use_fd);
	n = receive(t.listener);
	CHECK_EQ(ask_addfd(t.listener, n.id, fd[1], 55, SECCOMP_ADDFD_FLAG_SETFD, O_CLOEXEC), 55);
	CHECK_EQ(answer(t.listener, n.id, 55, 0, 0), 0);
	CHECK_CHILD(t.pid, 8);
	CHECK_EQ(read(fd[0], b, 5), 5);
}

CASE(a_file_can_be_the_answer) {
	int fd[2];
	char b[6] = "";
	CHECK(pipe(fd) == 0);
	struct target t = target(0, 1000, use_fd);
	struct seccomp_notif n = receive(t.listener);
	CHECK(ask_addfd(t.listener, n.id, fd[1], 0, SECCOMP_ADDFD_FLAG_SEND, 0) > 0);
	CHECK_CHILD(t.pid, 7);
	CHECK_EQ(read(fd[0], b, 5), 5);
	CHECK_ERRNO(answer(t.listener, n.id, 0, 0, 0), ENOENT);
}

static void use_replaced(void) {
	CHECK_EQ(syscall(1000), 0);
	CHECK_EQ(write(2, "hello", 5), 5);
	_exit(7);
}

CASE(a_file_can_replace_one_of_the_target) {
	int fd[2];
	char b[6] = "";
	CHECK(pipe(fd) == 0);
	struct target t = target(0, 1000, use_replaced);
	struct seccomp_notif n = receive(t.listener);
	CHECK_EQ(ask_addfd(t.listener, n.id, fd[1], 2, SECCOMP_ADDFD_FLAG_SETFD, 0), 2);
	CHECK_EQ(answer(t.listener, n.id, 0, 0, 0), 0);
	CHECK_CHILD(t.pid, 7);
	CHECK_EQ(read(fd[0], b, 5), 5);
}

static void few_files(void) {
	struct rlimit r = {3, 100};
	CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
	for (int fd = 3; fd < 50; fd++) close(fd);
	call_1000();
}

CASE(giving_a_file_fails) {
	struct target t = target(0, 1000, few_files);
	struct seccomp_notif n = receive(t.listener);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 0, 4, 0), EINVAL);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 0, 0, O_APPEND), EINVAL);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 5, 0, 0), EINVAL);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 999, 0, 0, 0), EBADF);
	CHECK_ERRNO(ask_addfd(t.listener, n.id + 1000, 0, 0, 0, 0), ENOENT);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 0, 0, 0), EMFILE);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 30, SECCOMP_ADDFD_FLAG_SETFD, 0), EBADF);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 0, SECCOMP_ADDFD_FLAG_SEND, 0), EMFILE);
	CHECK_EQ(answer(t.listener, n.id, 8, 0, 0), 0); // it still waits
	CHECK_CHILD(t.pid, 8);
}

CASE(the_size_of_addfd_may_grow) {
	struct target t = target(0, 1000, call_1000);
	struct seccomp_notif n = receive(t.listener);
	struct {
		struct seccomp_notif_addfd a;
		uint64_t more[2];
	} big = {{.id = n.id, .srcfd = 0, .newfd = 0}, {0, 0}};
	unsigned sized(int size) { return _IOC(_IOC_WRITE, '!', 3, size); }
	CHECK(ioctl(t.listener, sized(40), &big) > 0);
	big.more[1] = 1;
	CHECK_ERRNO(ioctl(t.listener, sized(40), &big), E2BIG);
	CHECK(ioctl(t.listener, sized(32), &big) > 0);
	CHECK_ERRNO(ioctl(t.listener, sized(23), &big), EINVAL);
	CHECK_ERRNO(ioctl(t.listener, sized(4096), &big), EINVAL);
	CHECK_ERRNO(ioctl(t.listener, sized(24), (void *)8), EFAULT);
	CHECK_EQ(answer(t.listener, n.id, 8, 0, 0), 0);
	CHECK_CHILD(t.pid, 8);
}

static void many_calls(void) {
	for (int i = 0; i < 300; i++) CHECK_EQ(syscall(1000, i), 2 * i);
	_exit(7);
}

CASE(many_calls_are_answered) {
	struct target t = target(0, 1000, many_calls);
	for (int i = 0; i < 300; i++) {
		struct seccomp_notif n = receive(t.listener);
		CHECK_EQ(answer(t.listener, n.id, 2 * n.data.args[0], 0, 0), 0);
	}
	CHECK_CHILD(t.pid, 7);
}

static void *thread_calls(void *arg) {
	for (long i = 0; i < 100; i++) CHECK_EQ(syscall(1000, (long)arg + i), (long)arg + i + 1);
	return NULL;
}

static void many_threads(void) {
	pthread_t t[4];
	for (long i = 0; i < 4; i++) CHECK(pthread_create(&t[i], NULL, thread_calls, (void *)(i * 1000)) == 0);
	for (int i = 0; i < 4; i++) CHECK(pthread_join(t[i], NULL) == 0);
	_exit(7);
}

CASE(threads_wait_for_one_supervisor) {
	struct target t = target(0, 1000, many_threads);
	for (int i = 0; i < 400; i++) {
		struct seccomp_notif n = receive(t.listener);
		CHECK_EQ(answer(t.listener, n.id, n.data.args[0] + 1, 0, 0), 0);
	}
	CHECK_CHILD(t.pid, 7);
}

MAIN()
