#include "case.h"
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

// stopped waits for a stop of p and returns the status.
static int stopped(pid_t p) {
	int st;
	CHECK_EQ(waitpid(p, &st, __WALL), p);
	CHECK(WIFSTOPPED(st));
	return st;
}

static pid_t traced(void (*fn)(void)) {
	pid_t p = fork();
	if (p == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(90);
		raise(SIGSTOP);
		fn();
		_exit(7);
	}
	CHECK_EQ(WSTOPSIG(stopped(p)), SIGSTOP);
	return p;
}

static volatile long word = 0x1122334455667788;
static void nothing(void) {}
static void call_getpid(void) { syscall(SYS_getpid); }
static void check_word(void) { _exit(word == 5 ? 8 : 9); }

CASE(traceme_stops_and_continues) {
	pid_t p = traced(nothing);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 7);
}

CASE(requests_need_a_stopped_tracee) {
	CHECK_ERRNO(ptrace(PTRACE_CONT, getppid(), 0, 0), ESRCH);
	pid_t p = fork();
	if (p == 0) { for (;;) pause(); }
	CHECK_ERRNO(ptrace(PTRACE_PEEKDATA, p, &word, 0), ESRCH);
	CHECK(ptrace(PTRACE_ATTACH, p, 0, 0) == 0);
	CHECK_ERRNO(ptrace(PTRACE_ATTACH, p, 0, 0), EPERM);
	CHECK_EQ(WSTOPSIG(stopped(p)), SIGSTOP);
	CHECK(ptrace(PTRACE_DETACH, p, 0, 0) == 0);
	kill(p, SIGKILL);
	waitpid(p, 0, 0);
}

CASE(memory_is_read_and_written) {
	pid_t p = traced(check_word);
	CHECK_EQ(ptrace(PTRACE_PEEKDATA, p, &word, 0), 0x1122334455667788);
	CHECK(ptrace(PTRACE_POKEDATA, p, &word, 5) == 0);
	CHECK_ERRNO(ptrace(PTRACE_PEEKDATA, p, 8, 0), EIO);
	// Code is read-only, but a tracer may write it all the same.
	long code = ptrace(PTRACE_PEEKTEXT, p, check_word, 0);
	CHECK(ptrace(PTRACE_POKETEXT, p, check_word, code) == 0);
	ptrace(PTRACE_CONT, p, 0, 0);
	CHECK_CHILD(p, 8);
	CHECK_EQ(word, 0x1122334455667788);
}

CASE(system_calls_stop_twice) {
	pid_t p = traced(call_getpid);
	CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACESYSGOOD) == 0);
	struct user_regs_struct r;
	struct __ptrace_syscall_info info;
	int seen = 0;
	for (;;) {
		CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
		int st;
		CHECK_EQ(waitpid(p, &st, 0), p);
		if (WIFEXITED(st)) break;
		CHECK_EQ(WSTOPSIG(st), SIGTRAP | 0x80);
		CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
		if (r.orig_rax != SYS_getpid) continue;
		CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, p, (void *)sizeof info, &info) > 0);
		if (seen++ == 0) {
			CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_ENTRY);
			CHECK_EQ(info.entry.nr, SYS_getpid);
			CHECK_EQ(r.rax, -ENOSYS);
		} else {
			CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
			CHECK_EQ(info.exit.rval, p);
			CHECK_EQ(r.rax, p);
		}
	}
	CHECK_EQ(seen, 2);
}

static void exit_with_getpid(void) { _exit(syscall(SYS_getpid) == 42 ? 11 : 12); }

CASE(a_tracer_can_skip_and_answer_a_call) {
	pid_t p = traced(exit_with_getpid);
	struct user_regs_struct r;
	int skipped = 0;
	for (;;) {
		CHECK(ptrace(PTRACE_SYSCALL, p, 0, 0) == 0);
		int st;
		CHECK_EQ(waitpid(p, &st, 0), p);
		if (WIFEXITED(st)) { CHECK_EQ(WEXITSTATUS(st), 11); break; }
		CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
		if (r.orig_rax == SYS_getpid && !skipped++) {
			r.orig_rax = -1;
			CHECK(ptrace(PTRACE_SETREGS, p, 0, &r) == 0);
		} else if (skipped == 1 && r.orig_rax == (unsigned long)-1) {
			skipped++;
			r.rax = 42;
			CHECK(ptrace(PTRACE_SETREGS, p, 0, &r) == 0);
		}
	}
}

CASE(single_steps_advance) {
	pid_t p = traced(nothing);
	struct user_regs_struct a, b;
	CHECK(ptrace(PTRACE_GETREGS, p, 0, &a) == 0);
	for (int i = 0; i < 10; i++) {
		CHECK(ptrace(PTRACE_SINGLESTEP, p, 0, 0) == 0);
		CHECK_EQ(WSTOPSIG(stopped(p)), SIGTRAP);
		siginfo_t si;
		CHECK(ptrace(PTRACE_GETSIGINFO, p, 0, &si) == 0);
		CHECK_EQ(si.si_signo, SIGTRAP);
		CHECK(ptrace(PTRACE_GETREGS, p, 0, &b) == 0);
		CHECK_EQ(b.eflags & 0x100, 0);
		CHECK(b.rip != a.rip);
		a = b;
	}
	ptrace(PTRACE_CONT, p, 0, 0);
	CHECK_CHILD(p, 7);
}

static volatile int got;
static void on_usr1(int s) { got = s; }
static void raise_usr1(void) {
	signal(SIGUSR1, on_usr1);
	signal(SIGUSR2, on_usr1);
	raise(SIGUSR1);
	_exit(got);
}

CASE(signals_are_shown_changed_and_dropped) {
	for (int with = 0; with < 3; with++) {
		pid_t p = traced(raise_usr1);
		CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
		CHECK_EQ(WSTOPSIG(stopped(p)), SIGUSR1);
		siginfo_t si;
		CHECK(ptrace(PTRACE_GETSIGINFO, p, 0, &si) == 0);
		CHECK_EQ(si.si_code, SI_TKILL);
		CHECK_EQ(si.si_pid, p);
		int send[] = {0, SIGUSR1, SIGUSR2};
		CHECK(ptrace(PTRACE_CONT, p, 0, send[with]) == 0);
		CHECK_CHILD(p, send[with]);
	}
}

static void fork_and_wait(void) {
	pid_t p = fork();
	if (p == 0) _exit(3);
	int st;
	waitpid(p, &st, 0);
	_exit(WEXITSTATUS(st) + 10);
}

CASE(forks_are_followed) {
	pid_t p = traced(fork_and_wait);
	CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT) == 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_EQ(stopped(p) >> 8, SIGTRAP | PTRACE_EVENT_FORK << 8);
	unsigned long child;
	CHECK(ptrace(PTRACE_GETEVENTMSG, p, 0, &child) == 0);
	CHECK_EQ(WSTOPSIG(stopped(child)), SIGSTOP);
	CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_EQ(stopped(child) >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
	unsigned long code;
	CHECK(ptrace(PTRACE_GETEVENTMSG, child, 0, &code) == 0);
	CHECK_EQ(code, 3 << 8);
	CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
	CHECK_CHILD(child, 3);
	int st = stopped(p);
	if (WSTOPSIG(st) == SIGCHLD) {
		CHECK(ptrace(PTRACE_CONT, p, 0, SIGCHLD) == 0);
		st = stopped(p);
	}
	CHECK_EQ(st >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_CHILD(p, 13);
}

CASE(seize_interrupt_and_listen) {
	pid_t p = fork();
	if (p == 0) { for (;;) pause(); }
	CHECK(ptrace(PTRACE_SEIZE, p, 0, 0) == 0);
	CHECK(ptrace(PTRACE_INTERRUPT, p, 0, 0) == 0);
	CHECK_EQ(stopped(p) >> 8, SIGTRAP | PTRACE_EVENT_STOP << 8);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	kill(p, SIGSTOP);
	CHECK_EQ(stopped(p) >> 8, SIGSTOP);
	CHECK(ptrace(PTRACE_CONT, p, 0, SIGSTOP) == 0);
	CHECK_EQ(stopped(p) >> 8, SIGSTOP | PTRACE_EVENT_STOP << 8);
	CHECK(ptrace(PTRACE_LISTEN, p, 0, 0) == 0);
	kill(p, SIGCONT);
	CHECK_EQ(stopped(p) >> 8, SIGTRAP | PTRACE_EVENT_STOP << 8);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_EQ(stopped(p) >> 8, SIGCONT);
	kill(p, SIGKILL);
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSIGNALED(st));
}

CASE(register_sets) {
	pid_t p = traced(nothing);
	struct user_regs_struct r, set;
	struct iovec v = {&set, sizeof set};
	CHECK(ptrace(PTRACE_GETREGS, p, 0, &r) == 0);
	CHECK(ptrace(PTRACE_GETREGSET, p, 1, &v) == 0);
	CHECK_EQ(v.iov_len, sizeof set);
	CHECK(!memcmp(&r, &set, sizeof r));
	CHECK_EQ(ptrace(PTRACE_PEEKUSER, p, offsetof(struct user, regs.rip), 0), (long)r.rip);
	CHECK_ERRNO(ptrace(PTRACE_PEEKUSER, p, 3, 0), EIO);
	struct user_fpregs_struct f;
	CHECK(ptrace(PTRACE_GETFPREGS, p, 0, &f) == 0);
	CHECK_EQ(f.mxcsr, 0x1f80);
	f.xmm_space[0] = 0x1234;
	CHECK(ptrace(PTRACE_SETFPREGS, p, 0, &f) == 0);
	f.xmm_space[0] = 0;
	CHECK(ptrace(PTRACE_GETFPREGS, p, 0, &f) == 0);
	CHECK_EQ(f.xmm_space[0], 0x1234);
	char big[8192];
	v = (struct iovec){big, sizeof big};
	CHECK(ptrace(PTRACE_GETREGSET, p, 0x202, &v) == 0);
	CHECK(v.iov_len >= 576);
	ptrace(PTRACE_CONT, p, 0, 0);
	CHECK_CHILD(p, 7);
}

CASE(exec_is_told) {
	pid_t p = fork();
	if (p == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execl("/proc/self/exe", "ptrace", "no_such_case", (char *)0);
		_exit(90);
	}
	stopped(p);
	CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACEEXEC) == 0);
	CHECK(ptrace(PTRACE_CONT, p, 0, 0) == 0);
	CHECK_EQ(stopped(p) >> 8, SIGTRAP | PTRACE_EVENT_EXEC << 8);
	CHECK(ptrace(PTRACE_DETACH, p, 0, 0) == 0);
	CHECK_CHILD(p, 0);
}

CASE(EXITKILL_kills_with_the_tracer) {
	int fd[2];
	CHECK(pipe(fd) == 0);
	pid_t tracer = fork();
	if (tracer == 0) {
		pid_t p = fork();
		if (p == 0) { for (;;) pause(); }
		ptrace(PTRACE_SEIZE, p, 0, PTRACE_O_EXITKILL);
		if (write(fd[1], &p, sizeof p) < 0) {}
		_exit(0);
	}
	pid_t p;
	CHECK_EQ(read(fd[0], &p, sizeof p), sizeof p);
	CHECK_CHILD(tracer, 0);
	for (int i = 0; i < 2000 && kill(p, 0) == 0; i++) {
		char path[40], state = 0;
		sprintf(path, "/proc/%d/stat", p);
		FILE *f = fopen(path, "r");
		if (!f) break;
		if (fscanf(f, "%*d %*s %c", &state) != 1) state = 0;
		fclose(f);
		if (state == 'Z' || state == 0) break;
		msleep(1);
		CHECK(i < 1999);
	}
}

MAIN()
