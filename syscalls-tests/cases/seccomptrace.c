#include "seccomp.h"

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
	int st, seen = 0;
	pid_t p = fork();
	if (p == 0) {
		CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
		CHECK_EQ(filtered(0, 1001, ERR(EDOM)), 0);
		raise(SIGSTOP);
		errno = 0;
		syscall(1000);
		_exit(errno);
	}
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
	while (waitpid(p, &st, 0) == p && WIFSTOPPED(st)) {
		long nr = ptrace(PTRACE_PEEKUSER, p, offsetof(struct user_regs_struct, orig_rax), 0);
		if (nr == 1000 && !seen++)
			CHECK(ptrace(PTRACE_POKEUSER, p, offsetof(struct user_regs_struct, orig_rax), 1001L) == 0);
		CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
	}
	CHECK_EQ(seen, 1);
	CHECK_EQ(WEXITSTATUS(st), EDOM);
}

CASE(what_a_tracer_skips_at_entry_is_filtered_as_call_minus_1) {
	int st;
	pid_t p = fork();
	if (p == 0) {
		CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
		CHECK_EQ(filtered(0, 1000, ERR(EXDEV)), 0);
		raise(SIGSTOP);
		if (syscall(1001) != 42) _exit(1);
		CHECK_EQ(filtered(0, -1, ERR(EDOM)), 0);
		CHECK_ERRNO(syscall(1001), EDOM);
		_exit(7);
	}
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
	while (waitpid(p, &st, 0) == p && WIFSTOPPED(st)) {
		if (ptrace(PTRACE_PEEKUSER, p, offsetof(struct user_regs_struct, orig_rax), 0) == 1001) {
			CHECK(ptrace(PTRACE_POKEUSER, p, offsetof(struct user_regs_struct, orig_rax), -1L) == 0);
			CHECK(ptrace(PTRACE_POKEUSER, p, offsetof(struct user_regs_struct, rax), 42L) == 0);
		}
		CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
	}
	CHECK_EQ(WEXITSTATUS(st), 7);
}

CASE(emulated_calls_are_not_filtered) {
	int st;
	pid_t p = fork();
	if (p == 0) {
		CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
		CHECK_EQ(filtered(0, 1000, SECCOMP_RET_KILL_PROCESS), 0);
		raise(SIGSTOP);
		if (syscall(1000) != 42) _exit(1);
		_exit(7);
	}
	CHECK_EQ(waitpid(p, &st, 0), p);
	for (;;) { // until raise has returned
		CHECK(ptrace(PTRACE_SYSEMU, p, 0, 0) == 0);
		CHECK_EQ(waitpid(p, &st, 0), p);
		CHECK(WIFSTOPPED(st));
		if (ptrace(PTRACE_PEEKUSER, p, offsetof(struct user_regs_struct, orig_rax), 0) == 1000) break;
	}
	CHECK(ptrace(PTRACE_POKEUSER, p, offsetof(struct user_regs_struct, rax), 42L) == 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 7);
}

MAIN()
