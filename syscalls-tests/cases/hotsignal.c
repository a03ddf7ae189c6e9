// Signals that arrive while a program makes calls that it makes often.
#include "hot.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unwind.h>

MOV_SITE(mov_getpid, 39)
MOV_SITE(mov_yield, 24)
CMP_SITE(cmp_getpid, 39)
CMP_SITE(cmp_getpgrp, 111)

// site_read is read with nothing in between: a call that blocks.
__attribute__((noinline)) static long site_read(int fd, void *buf, long n) {
	long r;
	asm volatile("nop; nop; nop; nop; nop; mov $0, %%eax; syscall" : "=a"(r) : "D"(fd), "S"(buf), "d"(n) : "rcx", "r11", "memory");
	return r;
}

static volatile long signals, wrong, in_other_places;
static volatile int jump_armed;
static sigjmp_buf out;

extern char __executable_start, etext;

// storm has SIGALRM come as often as it can for some time.
static void storm(int on) {
	struct itimerval it = {{0, on ? 50 : 0}, {0, on ? 50 : 0}};
	CHECK(setitimer(ITIMER_REAL, &it, 0) == 0);
}

static void handle(int flags, void (*handler)(int, siginfo_t *, void *)) {
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
	CHECK(sigaction(SIGALRM, &sa, 0) == 0);
}

static void calling_handler(int sig, siginfo_t *info, void *uc) {
	signals++;
	pid_t me = mov_getpid();
	if (me != cmp_getpid() || mov_yield() != 0 || cmp_getpgrp() != getpgrp()) wrong++;
	unsigned long rip = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];
	if (rip < (unsigned long)&__executable_start || rip >= (unsigned long)&etext) in_other_places++;
}

// calls makes hot calls of all kinds for some time.
static void calls(int ms) {
	pid_t me = getpid(), group = getpgrp();
	for (long long end = now_ms() + ms; now_ms() < end;)
		for (int i = 0; i < 1000; i++) {
			CHECK_EQ(mov_getpid(), me);
			CHECK_EQ(cmp_getpid(), me);
			CHECK_EQ(cmp_getpgrp(), group);
			if (i % 100 == 0) CHECK_EQ(mov_yield(), 0);
		}
}

CASE(handlers_make_the_call_that_they_interrupt) {
	handle(SA_RESTART, calling_handler);
	storm(1);
	calls(300);
	storm(0);
	CHECK(signals > 0);
	CHECK_EQ(wrong, 0);
}

CASE(handlers_see_the_program_only) {
	for (int i = 0; i < HOT; i++) mov_getpid(), cmp_getpid(), cmp_getpgrp(), mov_yield();
	handle(0, calling_handler);
	storm(1);
	pid_t me = getpid();
	for (long long end = now_ms() + 300; now_ms() < end;)
		for (int i = 0; i < 1000; i++) {
			CHECK_EQ(mov_getpid(), me);
			CHECK_EQ(cmp_getpid(), me);
			cmp_getpgrp();
		}
	storm(0);
	// now_ms may be in the vDSO.
	CHECK(signals > 0);
	CHECK(in_other_places <= signals / 10);
}

static void jumping_handler(int sig, siginfo_t *info, void *uc) {
	signals++;
	if (!in_program(getpid(), ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP])) wrong++;
	if (jump_armed) siglongjmp(out, 1);
}

CASE(handlers_jump_out_of_hot_calls) {
	pid_t me = getpid();
	volatile int jumps = 0;
	handle(0, jumping_handler);
	struct itimerval once = {{0, 0}, {0, 200}};
	while (jumps < 100) {
		if (sigsetjmp(out, 1)) {
			jumps++;
			jump_armed = 0;
			CHECK_EQ(mov_getpid(), me);
			continue;
		}
		jump_armed = 1;
		CHECK(setitimer(ITIMER_REAL, &once, 0) == 0);
		for (;;)
			if (mov_getpid() != me || cmp_getpid() != me || mov_yield() != 0) fail(__FILE__, __LINE__, "wrong answer");
	}
	CHECK_EQ(wrong, 0);
}

static void *slow_writer(void *fd) {
	for (int i = 0; i < 50; i++) {
		msleep(2);
		if (write(*(int *)fd, "x", 1) != 1) break;
	}
	return 0;
}

static void count(int sig, siginfo_t *info, void *uc) { signals++; }

static void blocked_read(int flags, int *eintr) {
	int fds[2];
	char c;
	pthread_t t;
	sigset_t alarm, old;
	CHECK(pipe(fds) == 0);
	for (int i = 0; i < HOT; i++) CHECK(write(fds[1], "x", 1) == 1 && site_read(fds[0], &c, 1) == 1);
	handle(flags, count);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, &old);
	CHECK(pthread_create(&t, 0, slow_writer, &fds[1]) == 0);
	pthread_sigmask(SIG_SETMASK, &old, 0);
	struct itimerval it = {{0, 300}, {0, 300}};
	CHECK(setitimer(ITIMER_REAL, &it, 0) == 0);
	for (int n = 0; n < 50;) {
		long r = site_read(fds[0], &c, 1);
		if (r == -EINTR) ++*eintr;
		else if (r == 1) n++;
		else fail(__FILE__, __LINE__, "read gives %ld", r);
	}
	storm(0);
	pthread_join(t, 0);
	CHECK(signals > 10);
}

CASE(hot_calls_that_block_are_restarted) {
	int eintr = 0;
	blocked_read(SA_RESTART, &eintr);
	CHECK_EQ(eintr, 0);
}

CASE(hot_calls_that_block_are_interrupted) {
	int eintr = 0;
	blocked_read(0, &eintr);
	CHECK(eintr > 10);
}

// elsewhere is where the next handler goes on.
__attribute__((noinline, naked)) static long elsewhere(void) { asm("mov %rbx, %rax; pop %rbx; ret"); }

// call_and_raise makes a hot call of kill(self, SIGUSR1) with a mark in rbx; the handler has it go on in elsewhere.
__attribute__((noinline, naked)) static long call_and_raise(pid_t self __attribute__((unused))) {
	asm("push %rbx; mov $0x5ca1ab1e, %ebx; mov $10, %esi; nop; nop; nop; nop; nop; mov $62, %eax; syscall; mov %rax, %rax; pop %rbx; ret");
}

static volatile int how;
static void changing_handler(int sig, siginfo_t *info, void *ucv) {
	ucontext_t *uc = ucv;
	signals++;
	if (!in_program(getpid(), uc->uc_mcontext.gregs[REG_RIP])) wrong++;
	if (uc->uc_mcontext.gregs[REG_RAX] != 0) wrong++;
	switch (how) {
	case 1: uc->uc_mcontext.gregs[REG_RIP] = (greg_t)elsewhere; break;
	case 2: uc->uc_mcontext.gregs[REG_RAX] = 4711; break;
	case 3: // once more
		how = 0;
		uc->uc_mcontext.gregs[REG_RIP] -= 2;
		uc->uc_mcontext.gregs[REG_RAX] = SYS_getppid;
	}
}

CASE(handlers_change_where_a_hot_call_returns) {
	struct sigaction sa = {.sa_sigaction = changing_handler, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(SIGUSR1, &sa, 0) == 0);
	for (int i = 0; i < HOT; i++) {
		how = 0;
		CHECK_EQ(call_and_raise(getpid()), 0);
		how = 1;
		CHECK_EQ(call_and_raise(getpid()), 0x5ca1ab1e);
		how = 2;
		CHECK_EQ(call_and_raise(getpid()), 4711);
		how = 3;
		CHECK_EQ(call_and_raise(getpid()), getppid());
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(signals, 4 * HOT);
}

static void *frames[64];
static volatile int depth;
static _Unwind_Reason_Code frame(struct _Unwind_Context *c, void *arg) {
	if (depth < 64) frames[depth++] = (void *)_Unwind_GetIP(c);
	return _URC_NO_REASON;
}

__attribute__((noinline)) static long hot_caller(int n) {
	long r = 0;
	for (int i = 0; i < n; i++) {
		r += mov_getpid();
		r += cmp_getpgrp();
	}
	asm volatile("");
	return r;
}

static volatile int unwound, complete;
static void unwinding_handler(int sig, siginfo_t *info, void *uc) {
	unsigned long from = (unsigned long)hot_caller, rip = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];
	int there = (rip >= from && rip < from + 100) || (rip >= (unsigned long)mov_getpid && rip < (unsigned long)mov_getpid + 20) ||
		(rip >= (unsigned long)cmp_getpgrp && rip < (unsigned long)cmp_getpgrp + 20);
	if (!there) return;
	depth = 0;
	_Unwind_Backtrace(frame, 0);
	unwound++;
	int seen = 0;
	for (int i = 0; i < depth; i++) seen |= (unsigned long)frames[i] >= from && (unsigned long)frames[i] < from + 100;
	complete += seen && depth > 3;
}

CASE(the_stack_of_a_hot_call_can_be_unwound) {
	hot_caller(HOT);
	handle(0, unwinding_handler);
	storm(1);
	for (long long end = now_ms() + 300; now_ms() < end;) hot_caller(1000);
	storm(0);
	CHECK(unwound > 0);
	CHECK_EQ(complete, unwound);
}

static void *busy(void *stop) {
	pid_t me = syscall(SYS_getpid);
	while (!*(volatile int *)stop)
		if (mov_getpid() != me || cmp_getpid() != me || mov_yield() != 0) return "wrong answer";
	return 0;
}

CASE(threads_are_signalled_during_hot_calls) {
	pthread_t t[4];
	volatile int stop = 0;
	struct sigaction sa = {.sa_sigaction = calling_handler, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(SIGUSR1, &sa, 0) == 0);
	for (int i = 0; i < 4; i++) CHECK(pthread_create(&t[i], 0, busy, (void *)&stop) == 0);
	for (int i = 0; i < 4000; i++) {
		CHECK(pthread_kill(t[i % 4], SIGUSR1) == 0);
		if (i % 50 == 0) msleep(1);
	}
	stop = 1;
	for (int i = 0; i < 4; i++) {
		void *bad;
		pthread_join(t[i], &bad);
		if (bad) fail(__FILE__, __LINE__, "%s", (char *)bad);
	}
	CHECK(signals > 0);
	CHECK_EQ(wrong, 0);
}

// tls_user starts as thread and uses its thread pointer at once.
static __thread int mine = 17;
static void *tls_user(void *arg) { return mine == 17 ? 0 : "no TLS"; }

CASE(threads_are_signalled_in_their_first_moments) {
	handle(0, count);
	storm(1);
	for (int i = 0; i < 500; i++) {
		pthread_t t;
		void *bad;
		CHECK(pthread_create(&t, 0, tls_user, 0) == 0);
		pthread_kill(t, SIGALRM);
		pthread_join(t, &bad);
		CHECK(bad == 0);
	}
	storm(0);
}

MAIN()
