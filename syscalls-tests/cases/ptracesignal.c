// What a tracer makes of the signals of its tracee.
#include "case.h"
#include <sys/ptrace.h>

static int stopped(pid_t p) {
	int st;
	CHECK_EQ(waitpid(p, &st, __WALL), p);
	CHECK(WIFSTOPPED(st));
	return st;
}

static volatile siginfo_t seen;
static void note(int sig, siginfo_t *i, void *c) { seen = *i; }
static void handle(int sig) {
	struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(sig, &a, 0) == 0);
}

static void tell(void) { _exit(seen.si_signo); }
static void call_getppid(void) {
	syscall(SYS_getppid);
	tell();
}

// What the handler of a tracee has seen.
static void from_the_tracer(void) {
	raise(SIGUSR1);
	_exit(seen.si_signo == SIGUSR2 && seen.si_code == SI_USER && seen.si_errno == 0 && seen.si_pid == getppid() && seen.si_uid == getuid());
}
static void with_value_9(void) {
	raise(SIGUSR1);
	_exit(seen.si_signo == SIGUSR2 && seen.si_code == SI_QUEUE && seen.si_value.sival_int == 9);
}
static void raise_usr1(void) {
	raise(SIGUSR1);
	tell();
}

// traced makes a child that handles SIGUSR1, SIGUSR2 and SIGTRAP, and stops before fn.
static pid_t traced(void (*fn)(void)) {
	pid_t p = fork();
	if (p == 0) {
		handle(SIGUSR1), handle(SIGUSR2), handle(SIGTRAP);
		if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(90);
		raise(SIGSTOP);
		fn();
		_exit(91);
	}
	CHECK_EQ(WSTOPSIG(stopped(p)), SIGSTOP);
	return p;
}

// next goes on with a request and a signal and returns the signal of the next stop.
static int next(int request, pid_t p, int sig) {
	CHECK(ptrace(request, p, 0, sig) == 0);
	return WSTOPSIG(stopped(p));
}

// at_call goes on to a stop at getppid: its begin, or its end.
static void at_call(pid_t p, int op) {
	CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACESYSGOOD) == 0);
	for (;;) {
		struct __ptrace_syscall_info i;
		CHECK_EQ(next(PTRACE_SYSCALL, p, 0), SIGTRAP | 0x80);
		CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, p, sizeof i, &i) > 0);
		if (i.op == PTRACE_SYSCALL_INFO_ENTRY && i.entry.nr == SYS_getppid) break;
	}
	if (op == PTRACE_SYSCALL_INFO_EXIT) CHECK_EQ(next(PTRACE_SYSCALL, p, 0), SIGTRAP | 0x80);
}

static void from_the_kernel(int op) {
	pid_t p = traced(call_getppid);
	at_call(p, op);
	CHECK_EQ(next(PTRACE_CONT, p, SIGUSR1), SIGUSR1);
	siginfo_t i;
	CHECK(ptrace(PTRACE_GETSIGINFO, p, 0, &i) == 0);
	CHECK_EQ(i.si_signo, SIGUSR1);
	CHECK_EQ(i.si_code, SI_KERNEL);
	CHECK_EQ(i.si_pid, 0);
	CHECK_EQ(i.si_uid, 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, SIGUSR1) == 0);
	CHECK_CHILD(p, SIGUSR1);
}

CASE(a_signal_given_before_a_call_is_the_kernels) { from_the_kernel(PTRACE_SYSCALL_INFO_ENTRY); }
CASE(a_signal_given_behind_a_call_is_the_kernels) { from_the_kernel(PTRACE_SYSCALL_INFO_EXIT); }

CASE(SIGTRAP_can_be_given_behind_a_call) {
	pid_t p = traced(call_getppid);
	at_call(p, PTRACE_SYSCALL_INFO_ENTRY);
	CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, 0) == 0);
	CHECK_EQ(next(PTRACE_SYSCALL, p, 0), SIGTRAP);
	siginfo_t i;
	CHECK_EQ(next(PTRACE_CONT, p, SIGTRAP), SIGTRAP);
	CHECK(ptrace(PTRACE_GETSIGINFO, p, 0, &i) == 0);
	CHECK_EQ(i.si_code, SI_KERNEL);
	CHECK(ptrace(PTRACE_CONT, p, 0, SIGTRAP) == 0);
	CHECK_CHILD(p, SIGTRAP);
}

CASE(another_signal_is_from_the_tracer) {
	pid_t p = traced(from_the_tracer);
	CHECK_EQ(next(PTRACE_CONT, p, 0), SIGUSR1);
	CHECK(ptrace(PTRACE_CONT, p, 0, SIGUSR2) == 0);
	CHECK_CHILD(p, 1);
}

CASE(a_signal_that_fits_the_siginfo_keeps_it) {
	pid_t p = traced(with_value_9);
	CHECK_EQ(next(PTRACE_CONT, p, 0), SIGUSR1);
	siginfo_t i = {.si_signo = SIGUSR2, .si_code = SI_QUEUE};
	i.si_value.sival_int = 9;
	CHECK(ptrace(PTRACE_SETSIGINFO, p, 0, &i) == 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, SIGUSR2) == 0);
	CHECK_CHILD(p, 1);
}

CASE(no_signal_can_be_given_at_the_start_of_a_handler) {
	pid_t p = traced(raise_usr1);
	CHECK_EQ(next(PTRACE_CONT, p, 0), SIGUSR1);
	CHECK_EQ(next(PTRACE_SINGLESTEP, p, SIGUSR1), SIGTRAP);
	siginfo_t i;
	CHECK(ptrace(PTRACE_GETSIGINFO, p, 0, &i) == 0);
	CHECK_EQ(i.si_code, SIGTRAP);
	CHECK(ptrace(PTRACE_CONT, p, 0, SIGUSR2) == 0);
	CHECK_CHILD(p, SIGUSR1);
}

CASE(no_signal_can_be_given_at_an_event) {
	pid_t p = traced(raise_usr1);
	CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACEEXIT) == 0);
	CHECK_EQ(next(PTRACE_CONT, p, 0), SIGUSR1);
	CHECK_EQ(next(PTRACE_CONT, p, SIGUSR1), SIGTRAP);
	CHECK(ptrace(PTRACE_CONT, p, 0, SIGKILL) == 0);
	CHECK_CHILD(p, SIGUSR1);
}

CASE(a_blocked_signal_that_is_given_waits) {
	pid_t p = fork();
	if (p == 0) {
		handle(SIGUSR1), handle(SIGUSR2);
		sigset_t s;
		sigemptyset(&s);
		sigaddset(&s, SIGUSR2);
		sigprocmask(SIG_BLOCK, &s, 0);
		if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(90);
		raise(SIGUSR1);
		sigpending(&s);
		int ok = seen.si_signo == 0 && sigismember(&s, SIGUSR2);
		sigemptyset(&s);
		sigprocmask(SIG_SETMASK, &s, 0);
		_exit(ok && seen.si_signo == SIGUSR2 && seen.si_pid == getppid());
	}
	CHECK_EQ(WSTOPSIG(stopped(p)), SIGUSR1);
	CHECK_EQ(next(PTRACE_CONT, p, SIGUSR2), SIGUSR2);
	CHECK(ptrace(PTRACE_CONT, p, 0, SIGUSR2) == 0);
	CHECK_CHILD(p, 1);
}

// abandoned returns how a tracee ends whose tracer ends at a stop at a call, of which it was told or not.
static int abandoned(int options, int told) {
	pid_t p = fork();
	if (p == 0) {
		for (;;) {
			syscall(SYS_getppid);
			if (seen.si_signo) _exit(93);
			if (access("go", F_OK) == 0) _exit(7);
		}
	}
	pid_t tracer = fork();
	if (tracer == 0) {
		siginfo_t i;
		CHECK(ptrace(PTRACE_ATTACH, p, 0, 0) == 0);
		CHECK_EQ(WSTOPSIG(stopped(p)), SIGSTOP);
		CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, options) == 0);
		CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
		CHECK(waitid(P_PID, p, &i, WSTOPPED | WEXITED | (told ? 0 : WNOWAIT)) == 0);
		_exit(0);
	}
	CHECK_CHILD(tracer, 0);
	close(open("go", O_CREAT, 0600));
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	unlink("go");
	return st;
}

CASE(a_tracer_that_ends_at_a_call_leaves_what_was_not_told) {
	CHECK_EQ(abandoned(0, 1), 7 << 8);
	CHECK_EQ(abandoned(PTRACE_O_TRACESYSGOOD, 0), 7 << 8);
	CHECK_EQ(abandoned(0, 0), SIGTRAP);
}

MAIN()
