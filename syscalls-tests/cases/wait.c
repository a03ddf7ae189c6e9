#include "case.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static pid_t child(int code) {
	pid_t p = fork();
	if (p == 0) _exit(code);
	return p;
}

CASE(waitpid_returns_exit_code) {
	int st;
	pid_t p = child(7);
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 7);
	CHECK_ERRNO(waitpid(p, &st, 0), ECHILD);
}

CASE(exit_code_is_cut_to_8_bits) {
	int st;
	pid_t p = fork();
	if (p == 0) syscall(SYS_exit_group, 0x1234);
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK_EQ(st, 0x3400);
}

CASE(WNOHANG_returns_0_while_the_child_runs) {
	pid_t p = fork();
	if (p == 0) { pause(); _exit(0); }
	CHECK_EQ(waitpid(p, 0, WNOHANG), 0);
	kill(p, SIGKILL);
	int st;
	CHECK_EQ(waitpid(-1, &st, 0), p);
	CHECK_EQ(st, SIGKILL);
}

CASE(WUNTRACED_and_WCONTINUED_report_job_control) {
	int st;
	pid_t p = fork();
	if (p == 0) { for (;;) pause(); }
	kill(p, SIGTSTP);
	/* An orphaned group would ignore SIGTSTP; ours has a parent in another group of the session. */
	kill(p, SIGSTOP);
	CHECK_EQ(waitpid(p, &st, WUNTRACED), p);
	CHECK(WIFSTOPPED(st));
	CHECK_EQ(waitpid(p, &st, WUNTRACED | WNOHANG), 0);
	kill(p, SIGCONT);
	CHECK_EQ(waitpid(p, &st, WCONTINUED), p);
	CHECK(WIFCONTINUED(st));
	kill(p, SIGKILL);
	CHECK_EQ(waitpid(p, &st, 0), p);
}

CASE(waitid_WNOWAIT_leaves_the_child) {
	siginfo_t si = {0};
	pid_t p = child(3);
	CHECK(waitid(P_PID, p, &si, WEXITED | WNOWAIT) == 0);
	CHECK_EQ(si.si_pid, p);
	CHECK_EQ(si.si_status, 3);
	CHECK_EQ(si.si_code, CLD_EXITED);
	CHECK(waitid(P_ALL, 0, &si, WEXITED) == 0);
	CHECK_ERRNO(waitid(P_ALL, 0, &si, WEXITED), ECHILD);
}

CASE(waitid_with_WNOHANG_and_nothing_clears_the_pid) {
	siginfo_t si;
	memset(&si, 0xff, sizeof si);
	pid_t p = fork();
	if (p == 0) { pause(); _exit(0); }
	CHECK(waitid(P_PID, p, &si, WEXITED | WNOHANG) == 0);
	CHECK_EQ(si.si_pid, 0);
	kill(p, SIGKILL);
	CHECK(waitid(P_PID, p, &si, WEXITED) == 0);
	CHECK_EQ(si.si_code, CLD_KILLED);
}

CASE(waitid_refuses_no_and_unknown_options) {
	siginfo_t si;
	CHECK_ERRNO(waitid(P_ALL, 0, &si, 0), EINVAL);
	CHECK_ERRNO(waitid(P_ALL, 0, &si, 0x100 | WEXITED), EINVAL);
	CHECK_ERRNO(waitid(99, 0, &si, WEXITED), EINVAL);
}

CASE(waitpid_by_process_group) {
	pid_t p = fork();
	if (p == 0) { setpgid(0, 0); _exit(1); }
	setpgid(p, p);
	pid_t q = child(2);
	int st;
	CHECK_EQ(waitpid(0, &st, 0), q);
	CHECK_EQ(waitpid(-p, &st, 0), p);
}

CASE(vfork_child_runs_before_the_parent) {
	volatile int x = 0;
	pid_t p = vfork();
	if (p == 0) { x = 5; _exit(0); }
	CHECK_EQ(x, 5);
	CHECK_CHILD(p, 0);
}

CASE(orphans_go_to_the_subreaper) {
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	int pp[2];
	CHECK(pipe(pp) == 0);
	pid_t p = fork();
	if (p == 0) {
		if (fork() == 0) {
			while (getppid() == p) msleep(1);
			msleep(30);
			pid_t me = getpid();
			CHECK(write(pp[1], &me, sizeof me) == sizeof me);
			_exit(9);
		}
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	pid_t orphan;
	CHECK_EQ(read(pp[0], &orphan, sizeof orphan), sizeof orphan);
	CHECK_CHILD(orphan, 9);
}

CASE(wait4_fills_in_rusage) {
	struct rusage ru;
	memset(&ru, 0xff, sizeof ru);
	pid_t p = fork();
	if (p == 0) {
		for (volatile long i = 0; i < 30000000; i++) {}
		_exit(0);
	}
	CHECK_EQ(wait4(p, 0, 0, &ru), p);
	CHECK(ru.ru_utime.tv_sec == 0 && ru.ru_utime.tv_usec > 1000);
}

static void *sleeper(void *a) { pause(); return a; }

CASE(exit_group_ends_all_threads) {
	pid_t p = fork();
	if (p == 0) {
		pthread_t t;
		for (int i = 0; i < 5; i++) pthread_create(&t, 0, sleeper, 0);
		_exit(6);
	}
	CHECK_CHILD(p, 6);
}

CASE(exec_by_another_thread_keeps_the_process_id) {
	void *execer(void *a) {
		execl("/bin/sh", "sh", "-c", "exit $(($$ == $PPIDWANT ? 8 : 1))", (char *)0);
		return a;
	}
	pid_t p = fork();
	if (p == 0) {
		char b[40];
		snprintf(b, sizeof b, "%d", getpid());
		setenv("PPIDWANT", b, 1);
		pthread_t t, u;
		pthread_create(&u, 0, sleeper, 0);
		pthread_create(&t, 0, execer, 0);
		pause();
		_exit(1);
	}
	CHECK_CHILD(p, 8);
}

static int go[2];
static void *end_when_told(void *a) {
	char b;
	if (read(go[0], &b, 1)) {}
	_exit(4);
	return a;
}

CASE(leader_exit_leaves_the_process_to_its_threads) {
	CHECK(pipe(go) == 0);
	pid_t p = fork();
	if (p == 0) {
		pthread_t t;
		pthread_create(&t, 0, end_when_told, 0);
		syscall(SYS_exit, 1);
	}
	msleep(30);
	CHECK_EQ(waitpid(p, 0, WNOHANG), 0);
	CHECK_EQ(write(go[1], "x", 1), 1);
	CHECK_CHILD(p, 4);
}

CASE(clone_with_CLONE_PARENT_makes_a_sibling) {
	pid_t p = fork();
	if (p == 0) {
		long q = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
		if (q == 0) _exit(11);
		_exit(10);
	}
	int st, sum = 0;
	for (int i = 0; i < 2; i++) { CHECK(wait(&st) > 0); sum += WEXITSTATUS(st); }
	CHECK_EQ(sum, 21);
}

CASE(clone_refuses_contradicting_flags) {
	CHECK_ERRNO(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0), EINVAL);
}

CASE(clone3_checks_its_argument_size) {
	char b[200] = {0};
	CHECK_ERRNO(syscall(SYS_clone3, b, 10), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone3, b, 5000), E2BIG);
	b[120] = 1;
	CHECK_ERRNO(syscall(SYS_clone3, b, 200), E2BIG);
}

CASE(CLONE_CHILD_SETTID_and_CLEARTID_write_the_tid) {
	pid_t tid = 0, ptid = 0;
	long p = syscall(SYS_clone, CLONE_CHILD_SETTID | CLONE_PARENT_SETTID | SIGCHLD, 0, &ptid, &tid, 0);
	if (p == 0) _exit(tid == getpid() ? 0 : 1);
	CHECK_EQ(ptid, p);
	CHECK_EQ(tid, 0);
	CHECK_CHILD((pid_t)p, 0);
}

CASE(death_signal_of_the_parent_arrives) {
	int pp[2];
	CHECK(pipe(pp) == 0);
	pid_t p = fork();
	if (p == 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGUSR1);
			signal(SIGUSR1, SIG_DFL);
			sigset_t s;
			sigemptyset(&s);
			sigaddset(&s, SIGUSR1);
			sigprocmask(SIG_BLOCK, &s, 0);
			if (write(pp[1], "r", 1)) {}
			int sig = sigwaitinfo(&s, 0);
			if (write(pp[1], sig == SIGUSR1 ? "y" : "n", 1)) {}
			_exit(0);
		}
		char b;
		if (read(pp[0], &b, 1)) {}
		_exit(0);
	}
	char b;
	CHECK_CHILD(p, 0);
	CHECK_EQ(read(pp[0], &b, 1), 1);
	CHECK_EQ(b, 'y');
}

CASE(setsid_and_setpgid_rules) {
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(setsid(), getpid());
		CHECK_ERRNO(setsid(), EPERM);
		CHECK_EQ(getsid(0), getpid());
		CHECK_EQ(getpgrp(), getpid());
		CHECK_ERRNO(setpgid(0, 0), EPERM);
		pid_t q = fork();
		if (q == 0) {
			CHECK_EQ(setpgid(0, 0), 0);
			CHECK_EQ(getpgrp(), getpid());
			CHECK_ERRNO(setpgid(0, 0x7ffffff0), EPERM);
			_exit(0);
		}
		CHECK_CHILD(q, 0);
		CHECK_ERRNO(setpgid(0x7ffffff0, 0), ESRCH);
		CHECK_ERRNO(setpgid(0, -1), EINVAL);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(setpgid_after_exec_gives_EACCES) {
	pid_t p = fork();
	if (p == 0) { execl("/bin/sleep", "sleep", "5", (char *)0); _exit(1); }
	msleep(200);
	CHECK_ERRNO(setpgid(p, p), EACCES);
	kill(p, SIGKILL);
	waitpid(p, 0, 0);
}

CASE(orphaned_stopped_group_gets_SIGHUP_and_SIGCONT) {
	int pp[2];
	char b = 0;
	CHECK(pipe(pp) == 0);
	pid_t p = fork();
	if (p == 0) {
		pid_t q = fork();
		if (q == 0) {
			setpgid(0, 0);
			signal(SIGHUP, SIG_DFL);
			sigset_t s;
			sigemptyset(&s);
			sigaddset(&s, SIGHUP);
			sigprocmask(SIG_BLOCK, &s, 0);
			raise(SIGSTOP);
			if (write(pp[1], sigwaitinfo(&s, 0) == SIGHUP ? "h" : "x", 1)) {}
			_exit(0);
		}
		int st;
		waitpid(q, &st, WUNTRACED);
		_exit(WIFSTOPPED(st) ? 0 : 1);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(read(pp[0], &b, 1), 1);
	CHECK_EQ(b, 'h');
}

CASE(getppid_of_an_orphan_changes) {
	int pp[2];
	CHECK(pipe(pp) == 0);
	pid_t p = fork();
	if (p == 0) {
		pid_t me = getpid();
		if (fork() == 0) {
			while (getppid() == me) msleep(1);
			if (write(pp[1], "k", 1)) {}
			_exit(0);
		}
		_exit(0);
	}
	char b;
	CHECK_CHILD(p, 0);
	CHECK_EQ(read(pp[0], &b, 1), 1);
}

static long call(long nr, long a, long b) {
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return r;
}

CASE(a_call_is_the_low_half_of_its_number) {
	CHECK_EQ(call(0x100000000 | SYS_getpid, 0, 0), getpid());
	CHECK_EQ(call(0xffffffff00000000 | SYS_getppid, 0, 0), getppid());
	CHECK_EQ(call(0x80000000 | SYS_getpid, 0, 0), -ENOSYS);
	CHECK_EQ(call(0x40000000 | SYS_getpid, 0, 0), -ENOSYS);
	CHECK_EQ(call(1000, 0, 0), -ENOSYS);
	CHECK_EQ(call(-1, 0, 0), -ENOSYS);
}

CASE(reboot_wants_its_magic_and_the_right) {
	CHECK_ERRNO(syscall(SYS_reboot, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_reboot, 0xfee1dead, 1, 0, 0), EINVAL);
	CHECK(setuid(1000) == 0);
	CHECK_ERRNO(syscall(SYS_reboot, 0, 0, 0, 0), EPERM);
}

MAIN()
