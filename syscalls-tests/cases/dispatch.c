// Syscall User Dispatch: calls that a program takes for itself (PR_SET_SYSCALL_USER_DISPATCH).
#include "hot.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <ucontext.h>

#ifndef PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG
#define PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG 0x4210
#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211
#endif
#define INCLUSIVE_ON 2 // PR_SYS_DISPATCH_INCLUSIVE_ON: only calls from the range are dispatched
#define ALLOW 0
#define BLOCK 1

struct config {
	uint64_t mode, selector, offset, len;
};

MOV_SITE(mov_getpid, 39)
CMP_SITE(cmp_gettid, 186)

// raw_call is a call of its own place, which raw_end follows.
long raw_call(long nr, long a, long b, long c);
extern char raw_end[];
asm(".text; .globl raw_call, raw_end; raw_call: mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx; syscall; raw_end: ret");

static volatile char selector;
static siginfo_t seen;
static volatile int count;
static volatile unsigned long rax, rip;

static int dispatch(long mode, long offset, long len, volatile char *sel) {
	return prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, offset, len, sel);
}

// on_sigsys answers each call with 1000 + its number, and lets the calls that follow pass.
static void on_sigsys(int sig, siginfo_t *info, void *context) {
	ucontext_t *u = context;
	selector = ALLOW;
	seen = *info;
	rax = u->uc_mcontext.gregs[REG_RAX];
	rip = u->uc_mcontext.gregs[REG_RIP];
	u->uc_mcontext.gregs[REG_RAX] = 1000 + info->si_syscall;
	count++;
}

static void handle(void) {
	struct sigaction sa = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(SIGSYS, &sa, 0) == 0);
}

// CHECK_KILLED wants a child to be killed by sig.
#define CHECK_KILLED(pid, sig)                                \
	do {                                                      \
		int st;                                               \
		CHECK_EQ(waitpid((pid), &st, 0), (pid));              \
		CHECK(WIFSIGNALED(st) && WTERMSIG(st) == (sig));      \
	} while (0)

CASE(arguments_are_checked) {
	char s = ALLOW;
	CHECK_ERRNO(dispatch(-1, 0, 0, &s), EINVAL);
	CHECK_ERRNO(dispatch(3, 0, 0, &s), EINVAL);
	CHECK_ERRNO(dispatch(PR_SYS_DISPATCH_OFF, 1, 0, 0), EINVAL);
	CHECK_ERRNO(dispatch(PR_SYS_DISPATCH_OFF, 0, 1, 0), EINVAL);
	CHECK_ERRNO(dispatch(PR_SYS_DISPATCH_OFF, 0, 0, &s), EINVAL);
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_OFF, 0, 0, 0), 0);
	CHECK_ERRNO(dispatch(PR_SYS_DISPATCH_ON, 1, 0, &s), EINVAL);
	CHECK_ERRNO(dispatch(PR_SYS_DISPATCH_ON, 1, -1, &s), EINVAL);
	CHECK_ERRNO(dispatch(PR_SYS_DISPATCH_ON, -1, 1, &s), EINVAL);
	CHECK_ERRNO(dispatch(PR_SYS_DISPATCH_ON, 0, 0, (char *)-1), EFAULT);
	CHECK_ERRNO(dispatch(PR_SYS_DISPATCH_ON, 0, 0, (char *)(1UL << 47)), EFAULT);
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, &s), 0);
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 5, &s), 0);
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 1, -2, &s), 0);
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_OFF, 0, 0, 0), 0);
}

CASE(blocked_calls_raise_SIGSYS) {
	handle();
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, &selector), 0);
	selector = BLOCK;
	long r = raw_call(SYS_getppid, 0, 0, 0);
	CHECK_EQ(r, 1000 + SYS_getppid);
	CHECK_EQ(count, 1);
	CHECK_EQ(seen.si_signo, SIGSYS);
	CHECK_EQ(seen.si_code, 2);
	CHECK_EQ(seen.si_errno, 0);
	CHECK_EQ(seen.si_syscall, SYS_getppid);
	CHECK_EQ(seen.si_arch, AUDIT_ARCH_X86_64);
	CHECK(seen.si_call_addr == (void *)raw_end);
	CHECK_EQ(rax, SYS_getppid);
	CHECK(rip == (unsigned long)raw_end);
	// Numbers that Linux does not have are as good.
	selector = BLOCK;
	r = raw_call(0xff00, 0, 0, 0);
	CHECK_EQ(r, 1000 + 0xff00);
	selector = BLOCK;
	r = raw_call(-1, 0, 0, 0);
	CHECK_EQ(seen.si_syscall, -1);
	CHECK_EQ(r, 999);
	CHECK_EQ(getppid(), raw_call(SYS_getppid, 0, 0, 0));
}

CASE(a_call_that_is_hot_is_dispatched) {
	for (int i = 0; i < HOT; i++) mov_getpid(), cmp_gettid(), raw_call(SYS_getuid, 0, 0, 0);
	handle();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, &selector), 0);
		selector = BLOCK;
		long r = mov_getpid();
		CHECK_EQ(r, 1039);
		selector = BLOCK;
		r = cmp_gettid();
		CHECK_EQ(r, 1186);
		selector = BLOCK;
		r = raw_call(SYS_getuid, 0, 0, 0);
		CHECK_EQ(r, 1102);
		CHECK(rip == (unsigned long)raw_end);
		CHECK_EQ(mov_getpid(), getpid());
		CHECK_EQ(dispatch(PR_SYS_DISPATCH_OFF, 0, 0, 0), 0);
		selector = BLOCK;
		CHECK_EQ(mov_getpid(), getpid());
		selector = ALLOW;
	}
	CHECK_EQ(count, 9);
}

CASE(a_call_becomes_hot_while_dispatch_is_on) {
	handle();
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, &selector), 0);
	for (int i = 0; i < HOT; i++) {
		selector = BLOCK;
		long a = mov_getpid();
		long b = mov_getpid();
		if (a != 1039 || b == 1039) CHECK_EQ(i, -1);
	}
	CHECK_EQ(count, HOT);
}

CASE(the_range_is_exempt) {
	handle();
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, (long)raw_call, raw_end + 1 - (char *)raw_call, &selector), 0);
	selector = BLOCK;
	long in = raw_call(SYS_getpid, 0, 0, 0), out = mov_getpid();
	CHECK_EQ(in, getpid());
	CHECK_EQ(out, 1039);
	// What counts is where the call ends.
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, (long)raw_call, raw_end - (char *)raw_call, &selector), 0);
	selector = BLOCK;
	in = raw_call(SYS_getpid, 0, 0, 0);
	CHECK_EQ(in, 1039);
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, (long)raw_end, 1, &selector), 0);
	selector = BLOCK;
	in = raw_call(SYS_getpid, 0, 0, 0);
	selector = ALLOW;
	CHECK_EQ(in, getpid());
	CHECK_EQ(count, 2);
}

CASE(inclusive_dispatches_only_the_range) {
	handle();
	CHECK_ERRNO(dispatch(INCLUSIVE_ON, (long)raw_call, 0, &selector), EINVAL);
	CHECK_ERRNO(dispatch(INCLUSIVE_ON, 0, 0, &selector), EINVAL);
	CHECK_ERRNO(dispatch(INCLUSIVE_ON, -1, 1, &selector), EINVAL);
	CHECK_EQ(dispatch(INCLUSIVE_ON, (long)raw_end, 1, &selector), 0);
	selector = BLOCK;
	long in = raw_call(SYS_getpid, 0, 0, 0);
	selector = BLOCK;
	long out = mov_getpid();
	CHECK_EQ(in, 1039);
	CHECK_EQ(out, getpid());
	CHECK_EQ(count, 1);
}

CASE(without_a_selector_every_call_is_dispatched) {
	handle();
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, 0), 0);
		// The handler's own return is a call: it finds SIGSYS blocked.
		raw_call(SYS_getpid, 0, 0, 0);
		raw_call(SYS_exit_group, 1, 0, 0);
	}
	CHECK_KILLED(p, SIGSYS);
}

CASE(a_bad_selector_kills) {
	char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	handle();
	signal(SIGSEGV, SIG_IGN);
	for (int v = 2; v < 256; v += 253) {
		pid_t p = fork();
		if (p == 0) {
			CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, page), 0);
			*page = v;
			raw_call(SYS_exit_group, 1, 0, 0);
		}
		CHECK_KILLED(p, SIGSYS);
		*page = ALLOW;
	}
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, page), 0);
		munmap(page, 4096);
		raw_call(SYS_exit_group, 1, 0, 0);
	}
	CHECK_KILLED(p, SIGSEGV);
}

CASE(a_blocked_or_ignored_SIGSYS_kills) {
	for (int i = 0; i < 2; i++) {
		pid_t p = fork();
		if (p == 0) {
			sigset_t s;
			sigemptyset(&s);
			sigaddset(&s, SIGSYS);
			if (i) signal(SIGSYS, SIG_IGN);
			else handle(), sigprocmask(SIG_BLOCK, &s, 0);
			CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, &selector), 0);
			selector = BLOCK;
			raw_call(SYS_exit_group, 1, 0, 0);
		}
		CHECK_KILLED(p, SIGSYS);
	}
}

static void *calls(void *unused) { return (void *)raw_call(SYS_getpid, 0, 0, 0); }

CASE(children_and_threads_start_without) {
	handle();
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, (long)raw_call, 100, &selector), 0);
	pid_t p = fork();
	if (p == 0) {
		selector = BLOCK;
		_exit(mov_getpid() == getpid() && count == 0 ? 7 : 1);
	}
	CHECK_CHILD(p, 7);
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, &selector), 0);
	pthread_t t;
	void *r;
	CHECK_EQ(pthread_create(&t, 0, calls, 0), 0);
	CHECK_EQ(pthread_join(t, &r), 0);
	CHECK_EQ((long)r, getpid());
}

CASE(exec_turns_it_off) {
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, (long)raw_call, raw_end + 1 - (char *)raw_call, 0), 0);
		char *argv[] = {"true", 0};
		raw_call(SYS_execve, (long)"/bin/true", (long)argv, 0);
		raw_call(SYS_exit_group, 1, 0, 0);
	}
	CHECK_CHILD(p, 0);
}

CASE(filters_do_not_see_dispatched_calls) {
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {4, insns};
	handle();
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, &selector), 0);
	selector = BLOCK;
	long r = raw_call(SYS_getuid, 0, 0, 0);
	CHECK_EQ(r, 1000 + SYS_getuid);
}

static int stopped(pid_t p) {
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSTOPPED(st));
	return WSTOPSIG(st);
}

static int get_config(pid_t p, struct config *c) {
	return ptrace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, p, sizeof *c, c);
}

static int set_config(pid_t p, struct config c) {
	return ptrace(PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, p, sizeof c, &c);
}

CASE(tracers_see_the_signal_and_not_the_call) {
	handle();
	pid_t p = fork();
	if (p == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 0, 0, &selector), 0);
		raise(SIGSTOP);
		selector = BLOCK;
		_exit(raw_call(SYS_getpid, 0, 0, 0) == 1039 ? 7 : 1);
	}
	CHECK_EQ(stopped(p), SIGSTOP);
	CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACESYSGOOD) == 0);
	struct config c;
	CHECK_EQ(get_config(p, &c), 0);
	CHECK_EQ(c.mode, PR_SYS_DISPATCH_ON);
	CHECK(c.selector == (uint64_t)&selector);
	CHECK_EQ(c.offset, 0);
	CHECK_EQ(c.len, 0);
	struct user_regs_struct r;
	int st;
	do { // the end of raise
		CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
		st = stopped(p);
		CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
		CHECK(st != (SIGTRAP | 0x80) || r.orig_rax != SYS_getpid);
	} while (st != SIGSYS);
	CHECK_EQ(r.rax, SYS_getpid);
	CHECK(r.rip == (unsigned long)raw_end);
	siginfo_t info;
	CHECK(ptrace(PTRACE_GETSIGINFO, p, 0, &info) == 0);
	CHECK_EQ(info.si_code, 2);
	CHECK(ptrace(PTRACE_SYSCALL, p, 0, SIGSYS) == 0);
	CHECK_EQ(stopped(p), SIGTRAP | 0x80);
	CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
	CHECK_EQ(r.orig_rax, SYS_rt_sigreturn);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 7);
}

CASE(tracers_configure_it) {
	handle();
	pid_t p = fork();
	if (p == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		selector = BLOCK;
		_exit(raw_call(SYS_getpid, 0, 0, 0) == 1039 && count == 1 ? 7 : 1);
	}
	CHECK_EQ(stopped(p), SIGSTOP);
	struct config c = {9, 9, 9, 9};
	CHECK_ERRNO(ptrace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, p, sizeof c - 1, &c), EINVAL);
	CHECK_ERRNO(ptrace(PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, p, sizeof c + 1, &c), EINVAL);
	CHECK_ERRNO(ptrace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, p, sizeof c, 8), EFAULT);
	CHECK_ERRNO(ptrace(PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, p, sizeof c, 8), EFAULT);
	CHECK_ERRNO(set_config(p, c), EINVAL);
	CHECK_EQ(get_config(p, &c), 0);
	CHECK_EQ(c.mode, PR_SYS_DISPATCH_OFF);
	CHECK_EQ(c.selector, 0);
	CHECK_EQ(c.offset, 0);
	CHECK_EQ(c.len, 0);
	CHECK_ERRNO(set_config(p, (struct config){PR_SYS_DISPATCH_OFF, 0, 1, 0}), EINVAL);
	CHECK_ERRNO(set_config(p, (struct config){PR_SYS_DISPATCH_ON, 0, 1, 0}), EINVAL);
	CHECK_ERRNO(set_config(p, (struct config){PR_SYS_DISPATCH_ON, 1UL << 47, 0, 0}), EFAULT);
	CHECK_EQ(set_config(p, (struct config){INCLUSIVE_ON, (uint64_t)&selector, 4096, 4096}), 0);
	CHECK_EQ(get_config(p, &c), 0);
	CHECK_EQ(c.mode, PR_SYS_DISPATCH_ON);
	CHECK_EQ(c.offset, 8192);
	CHECK_EQ(c.len, -4096L);
	CHECK_EQ(set_config(p, (struct config){PR_SYS_DISPATCH_ON, (uint64_t)&selector, 1, 2}), 0);
	CHECK_EQ(get_config(p, &c), 0);
	CHECK(c.selector == (uint64_t)&selector);
	CHECK_EQ(c.offset, 1);
	CHECK_EQ(c.len, 2);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_EQ(stopped(p), SIGSYS);
	CHECK(ptrace(PTRACE_CONT, p, 0, SIGSYS) == 0);
	CHECK_CHILD(p, 7);
}

CASE(a_child_inherits_where_but_not_that) {
	CHECK_EQ(dispatch(PR_SYS_DISPATCH_ON, 5, 6, &selector), 0);
	pid_t p = fork();
	if (p == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(7);
	}
	CHECK_EQ(stopped(p), SIGSTOP);
	struct config c;
	CHECK_EQ(get_config(p, &c), 0);
	CHECK_EQ(c.mode, PR_SYS_DISPATCH_OFF);
	CHECK_EQ(c.offset, 5);
	CHECK_EQ(c.len, 6);
	CHECK(c.selector == (uint64_t)&selector);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 7);
}

MAIN()
