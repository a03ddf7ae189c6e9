// Tracers of programs whose calls are made often, and may be answered by other means.
#include "hot.h"
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

MOV_SITE(mov_getpid, 39)
MOV_SITE(mov_gettid, 186)
CMP_SITE(cmp_getpid, 39)
CMP_SITE(cmp_getpgrp, 111)

#define CALLS 20

static int stopped(pid_t p) {
	int st;
	CHECK_EQ(waitpid(p, &st, __WALL), p);
	CHECK(WIFSTOPPED(st));
	return WSTOPSIG(st);
}

// heat makes all calls hot, unless they are traced.
static void heat(void) {
	for (int i = 0; i < HOT; i++) mov_getpid(), mov_gettid(), cmp_getpid(), cmp_getpgrp();
}

// traced starts a child that, hot already, stops, calls fn, and exits with 7.
static pid_t traced(void (*fn)(void)) {
	pid_t p = fork();
	if (p == 0) {
		heat();
		if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(90);
		raise(SIGSTOP);
		fn();
		_exit(7);
	}
	CHECK_EQ(stopped(p), SIGSTOP);
	return p;
}

static volatile long sum;
__attribute__((noinline)) static void make_calls(void) {
	for (int i = 0; i < CALLS; i++) {
		sum += mov_getpid();
		sum += cmp_getpgrp();
		sum += mov_gettid();
		sum += cmp_getpid();
	}
}

CASE(every_call_is_seen_though_it_was_hot) {
	pid_t p = traced(make_calls);
	struct user_regs_struct r;
	int seen[400] = {0}, st;
	CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACESYSGOOD) == 0);
	for (;;) {
		CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
		CHECK_EQ(waitpid(p, &st, 0), p);
		if (WIFEXITED(st)) break;
		CHECK_EQ(WSTOPSIG(st), SIGTRAP | 0x80);
		CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
		CHECK(in_program(p, r.rip));
		unsigned char code[2] = {0};
		long word = ptrace(PTRACE_PEEKTEXT, p, r.rip - 2, 0);
		memcpy(code, &word, 2);
		CHECK(code[0] == 0x0f && code[1] == 0x05);
		if (r.orig_rax < 400) seen[r.orig_rax]++;
	}
	CHECK_EQ(WEXITSTATUS(st), 7);
	CHECK_EQ(seen[SYS_getpid], 4 * CALLS);
	CHECK_EQ(seen[SYS_getpgrp], 2 * CALLS);
	// raise may have made one.
	CHECK(seen[SYS_gettid] >= 2 * CALLS && seen[SYS_gettid] <= 2 * CALLS + 2);
}

CASE(single_steps_go_through_hot_calls) {
	pid_t p = traced(make_calls);
	struct user_regs_struct r;
	siginfo_t si;
	int st, calls = 0;
	for (int steps = 0;; steps++) {
		CHECK(steps < 100000);
		CHECK(ptrace(PTRACE_SINGLESTEP, p, 0, 0) == 0);
		CHECK_EQ(waitpid(p, &st, 0), p);
		if (WIFEXITED(st)) break;
		CHECK_EQ(WSTOPSIG(st), SIGTRAP);
		CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
		CHECK(ptrace(PTRACE_GETSIGINFO, p, 0, &si) == 0);
		CHECK_EQ(r.eflags & 0x100, 0);
		CHECK(in_program(p, r.rip));
		unsigned char code[2] = {0};
		long word = ptrace(PTRACE_PEEKTEXT, p, r.rip - 2, 0);
		memcpy(code, &word, 2);
		unsigned long at = r.rip, from = (unsigned long)mov_getpid, to = (unsigned long)cmp_getpgrp + 40;
		if (from > to) from = (unsigned long)cmp_getpgrp, to = (unsigned long)mov_getpid + 40;
		if (at >= from && at < to && code[0] == 0x0f && code[1] == 0x05) {
			calls++;
			CHECK(r.rax != (unsigned long)-ENOSYS);
		}
	}
	CHECK_EQ(WEXITSTATUS(st), 7);
	CHECK_EQ(calls, 4 * CALLS);
}

CASE(a_breakpoint_beside_hot_calls) {
	pid_t p = traced(make_calls);
	struct user_regs_struct r;
	// The page is hot; the breakpoint comes and goes.
	unsigned long at = (unsigned long)cmp_getpgrp;
	for (int i = 0; i < 5; i++) {
		long word = ptrace(PTRACE_PEEKTEXT, p, at, 0);
		CHECK(ptrace(PTRACE_POKETEXT, p, at, (word & ~0xffL) | 0xcc) == 0);
		CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
		CHECK_EQ(stopped(p), SIGTRAP);
		CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
		CHECK_EQ(r.rip, at + 1);
		CHECK(ptrace(PTRACE_POKETEXT, p, at, word) == 0);
		r.rip = at;
		CHECK(ptrace(PTRACE_SETREGS, p, 0, &r) == 0);
		CHECK(ptrace(PTRACE_SINGLESTEP, p, 0, 0) == 0);
		CHECK_EQ(stopped(p), SIGTRAP);
	}
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 7);
}

CASE(a_breakpoint_on_a_hot_call) {
	pid_t p = traced(make_calls);
	struct user_regs_struct r;
	// On the SYSCALL of mov_getpid.
	unsigned long at = (unsigned long)mov_getpid;
	unsigned char b[2] = {0};
	while (b[0] != 0x0f || b[1] != 0x05) {
		long word = ptrace(PTRACE_PEEKTEXT, p, ++at, 0);
		memcpy(b, &word, 2);
		CHECK(at < (unsigned long)mov_getpid + 40);
	}
	long word = ptrace(PTRACE_PEEKTEXT, p, at, 0);
	CHECK(ptrace(PTRACE_POKETEXT, p, at, (word & ~0xffL) | 0xcc) == 0);
	for (int i = 0; i < CALLS; i++) {
		CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
		CHECK_EQ(stopped(p), SIGTRAP);
		CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
		CHECK_EQ(r.rip, at + 1);
		CHECK_EQ(r.rax, SYS_getpid);
		r.rip = at + 2;
		r.rax = 1; // skipped
		CHECK(ptrace(PTRACE_SETREGS, p, 0, &r) == 0);
	}
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 7);
}

CASE(a_tracer_comes_to_hot_calls_and_goes) {
	int fds[2];
	char c;
	CHECK(pipe(fds) == 0);
	pid_t p = fork();
	if (p == 0) {
		pid_t me = syscall(SYS_getpid);
		heat();
		if (write(fds[1], "x", 1) != 1) _exit(1);
		for (;;)
			if (mov_getpid() != me || cmp_getpid() != me || cmp_getpgrp() <= 0) _exit(8);
	}
	CHECK_EQ(read(fds[0], &c, 1), 1);
	struct user_regs_struct r;
	for (int i = 0; i < 20; i++) {
		CHECK(ptrace(PTRACE_SEIZE, p, 0, PTRACE_O_TRACESYSGOOD) == 0);
		CHECK(ptrace(PTRACE_INTERRUPT, p, 0, 0) == 0);
		CHECK_EQ(stopped(p), SIGTRAP);
		CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
		CHECK(in_program(p, r.rip));
		int last = 0;
		for (int n = 0; n < 30; n++) {
			CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
			CHECK_EQ(stopped(p), SIGTRAP | 0x80);
			CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
			// Two of getpid, one of getpgrp, each seen twice.
			CHECK(r.orig_rax == SYS_getpid || r.orig_rax == SYS_getpgrp);
			last = r.orig_rax == SYS_getpgrp ? 0 : last + 1;
			CHECK(last <= 4);
		}
		CHECK(ptrace(PTRACE_DETACH, p, 0, 0) == 0);
	}
	kill(p, SIGKILL);
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK_EQ(st, SIGKILL);
}

MAIN()
