#include "case.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <ucontext.h>

static volatile sig_atomic_t hits, last_sig, last_code, order[64], n_order;
static volatile pid_t last_pid;
static volatile long last_value;
static void *volatile last_addr;

static void on_signal(int sig, siginfo_t *si, void *uc) {
	hits++;
	last_sig = sig;
	last_code = si->si_code;
	last_pid = si->si_pid;
	last_value = si->si_value.sival_int;
	last_addr = si->si_addr;
	if (n_order < 64) order[n_order++] = sig;
	(void)uc;
}

static void handle(int sig, int flags) {
	struct sigaction sa = {0};
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO | flags;
	CHECK(sigaction(sig, &sa, 0) == 0);
}

static sigset_t set_of(int sig) {
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, sig);
	return s;
}

CASE(kill_delivers_SI_USER_with_pid) {
	handle(SIGUSR1, 0);
	CHECK(kill(getpid(), SIGUSR1) == 0);
	CHECK_EQ(hits, 1);
	CHECK_EQ(last_code, SI_USER);
	CHECK_EQ(last_pid, getpid());
}

CASE(tgkill_delivers_SI_TKILL) {
	handle(SIGUSR1, 0);
	CHECK(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1) == 0);
	CHECK_EQ(hits, 1);
	CHECK_EQ(last_code, SI_TKILL);
}

CASE(kill_of_signal_0_checks_existence) {
	CHECK(kill(getpid(), 0) == 0);
	CHECK_ERRNO(kill(0x7ffffff0, 0), ESRCH);
	CHECK_ERRNO(kill(getpid(), 65), EINVAL);
}

CASE(standard_signals_do_not_queue) {
	sigset_t s = set_of(SIGUSR1);
	handle(SIGUSR1, 0);
	sigprocmask(SIG_BLOCK, &s, 0);
	for (int i = 0; i < 5; i++) kill(getpid(), SIGUSR1);
	CHECK_EQ(hits, 0);
	sigprocmask(SIG_UNBLOCK, &s, 0);
	CHECK_EQ(hits, 1);
}

CASE(realtime_signals_queue_in_order_with_values) {
	sigset_t s = set_of(SIGRTMIN + 1);
	sigaddset(&s, SIGRTMIN + 2);
	handle(SIGRTMIN + 1, 0);
	handle(SIGRTMIN + 2, 0);
	sigprocmask(SIG_BLOCK, &s, 0);
	union sigval v;
	for (int i = 0; i < 3; i++) {
		v.sival_int = i;
		CHECK(sigqueue(getpid(), SIGRTMIN + 2, v) == 0);
		CHECK(sigqueue(getpid(), SIGRTMIN + 1, v) == 0);
	}
	siginfo_t si;
	struct timespec zero = {0, 0};
	for (int i = 0; i < 6; i++) {
		CHECK_EQ(sigtimedwait(&s, &si, &zero), SIGRTMIN + (i < 3 ? 1 : 2));
		CHECK_EQ(si.si_value.sival_int, i % 3);
		CHECK_EQ(si.si_code, SI_QUEUE);
	}
	CHECK_ERRNO(sigtimedwait(&s, &si, &zero), EAGAIN);
}

CASE(sigpending_shows_blocked_signals) {
	sigset_t s = set_of(SIGUSR2), p;
	sigprocmask(SIG_BLOCK, &s, 0);
	raise(SIGUSR2);
	CHECK(sigpending(&p) == 0);
	CHECK(sigismember(&p, SIGUSR2));
	CHECK(!sigismember(&p, SIGUSR1));
	signal(SIGUSR2, SIG_IGN);
	CHECK(sigpending(&p) == 0);
	CHECK(!sigismember(&p, SIGUSR2));
}

CASE(handler_runs_with_its_signal_blocked) {
	handle(SIGUSR1, 0);
	raise(SIGUSR1);
	CHECK_EQ(hits, 1);
	sigset_t m;
	sigprocmask(0, 0, &m);
	CHECK(!sigismember(&m, SIGUSR1));
}

static void nested(int sig) {
	hits++;
	if (hits < 3) raise(sig);
}

CASE(SA_NODEFER_lets_a_handler_nest) {
	struct sigaction sa = {0};
	sa.sa_handler = nested;
	sa.sa_flags = SA_NODEFER;
	sigaction(SIGUSR1, &sa, 0);
	raise(SIGUSR1);
	CHECK_EQ(hits, 3);
}

CASE(SA_RESETHAND_resets_to_default) {
	handle(SIGUSR1, SA_RESETHAND);
	raise(SIGUSR1);
	struct sigaction sa;
	sigaction(SIGUSR1, 0, &sa);
	CHECK(sa.sa_handler == SIG_DFL);
}

CASE(SIGKILL_and_SIGSTOP_cannot_be_caught) {
	struct sigaction sa = {0};
	sa.sa_handler = SIG_IGN;
	CHECK_ERRNO(sigaction(SIGKILL, &sa, 0), EINVAL);
	CHECK_ERRNO(sigaction(SIGSTOP, &sa, 0), EINVAL);
	CHECK_ERRNO(sigaction(0, &sa, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, &sa, 0, 4), EINVAL);
}

static sigjmp_buf env;
static void jump(int sig, siginfo_t *si, void *uc) {
	(void)uc;
	last_sig = sig;
	last_code = si->si_code;
	last_addr = si->si_addr;
	siglongjmp(env, 1);
}

static void catch_jump(int sig, int flags) {
	struct sigaction sa = {0};
	sa.sa_sigaction = jump;
	sa.sa_flags = SA_SIGINFO | flags;
	sigaction(sig, &sa, 0);
}

CASE(read_of_unmapped_memory_is_SEGV_MAPERR) {
	catch_jump(SIGSEGV, 0);
	if (!sigsetjmp(env, 1)) {
		*(volatile char *)0x1234;
		CHECK(!"reached");
	}
	CHECK_EQ(last_code, SEGV_MAPERR);
	CHECK_EQ((long)last_addr, 0x1234);
}

CASE(write_of_read_only_memory_is_SEGV_ACCERR) {
	catch_jump(SIGSEGV, 0);
	volatile char *p = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)*p;
	if (!sigsetjmp(env, 1)) {
		p[5] = 1;
		CHECK(!"reached");
	}
	CHECK_EQ(last_code, SEGV_ACCERR);
	CHECK(last_addr == p + 5);
}

CASE(access_behind_the_end_of_a_file_is_SIGBUS) {
	catch_jump(SIGBUS, 0);
	int fd = open("f", O_CREAT | O_RDWR, 0600);
	CHECK(ftruncate(fd, 100) == 0);
	volatile char *p = mmap(0, 8192, PROT_READ, MAP_SHARED, fd, 0);
	CHECK_EQ(p[99], 0);
	if (!sigsetjmp(env, 1)) {
		(void)p[4096];
		CHECK(!"reached");
	}
	CHECK_EQ(last_code, BUS_ADRERR);
	CHECK(last_addr == p + 4096);
}

CASE(noncanonical_address_is_SI_KERNEL) {
	catch_jump(SIGSEGV, 0);
	if (!sigsetjmp(env, 1)) {
		*(volatile char *)0x8000000000000000UL;
		CHECK(!"reached");
	}
	CHECK_EQ(last_code, SI_KERNEL);
	CHECK(last_addr == 0);
}

CASE(division_by_zero_is_FPE_INTDIV) {
	catch_jump(SIGFPE, 0);
	if (!sigsetjmp(env, 1)) {
		__asm__ volatile("idivl %0" : : "r"(0), "a"(1), "d"(0));
		CHECK(!"reached");
	}
	CHECK_EQ(last_code, FPE_INTDIV);
}

CASE(ud2_is_ILL_ILLOPN) {
	catch_jump(SIGILL, 0);
	if (!sigsetjmp(env, 1)) {
		__asm__ volatile("ud2");
		CHECK(!"reached");
	}
	CHECK_EQ(last_code, ILL_ILLOPN);
}

CASE(int3_is_SIGTRAP) {
	handle(SIGTRAP, 0);
	__asm__ volatile("int3");
	CHECK_EQ(hits, 1);
	CHECK_EQ(last_code, SI_KERNEL);
}

static volatile unsigned long frame_rax, frame_sp_ok;
static void edit_frame(int sig, siginfo_t *si, void *v) {
	(void)sig, (void)si;
	ucontext_t *uc = v;
	frame_sp_ok = ((unsigned long)__builtin_frame_address(0) & 15) == 0;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RBX] = 0x1234567890;
}

CASE(handler_can_change_registers_through_its_frame) {
	struct sigaction sa = {0};
	sa.sa_sigaction = edit_frame;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGILL, &sa, 0);
	unsigned long rbx = 1;
	__asm__ volatile("ud2" : "+b"(rbx) : : "memory");
	CHECK_EQ(rbx, 0x1234567890);
	CHECK(frame_sp_ok);
}

static volatile uintptr_t handler_sp;
static void note_stack(int sig) {
	handler_sp = (uintptr_t)__builtin_frame_address(0);
	(void)sig;
}

CASE(SA_ONSTACK_uses_the_alternate_stack) {
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack}, old;
	CHECK(sigaltstack(&ss, 0) == 0);
	struct sigaction sa = {0};
	sa.sa_handler = note_stack;
	sa.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR1, &sa, 0);
	raise(SIGUSR1);
	CHECK(handler_sp > (uintptr_t)stack && handler_sp < (uintptr_t)stack + sizeof stack);
	CHECK(sigaltstack(0, &old) == 0);
	CHECK_EQ(old.ss_flags, 0);
	CHECK(old.ss_sp == stack);
}

CASE(sigaltstack_refuses_small_stacks_and_bad_flags) {
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = 100};
	CHECK_ERRNO(sigaltstack(&ss, 0), ENOMEM);
	ss.ss_size = sizeof stack;
	ss.ss_flags = 0x40;
	CHECK_ERRNO(sigaltstack(&ss, 0), EINVAL);
}

CASE(stack_overflow_is_caught_on_the_alternate_stack) {
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
	sigaltstack(&ss, 0);
	catch_jump(SIGSEGV, SA_ONSTACK);
	if (!sigsetjmp(env, 1)) {
		for (volatile char *p = (char *)&ss;; p -= 4096) *p = 1;
	}
	CHECK_EQ(last_sig, SIGSEGV);
}

CASE(sigsuspend_waits_with_another_mask_and_restores_it) {
	sigset_t block = set_of(SIGUSR1), none, now;
	sigemptyset(&none);
	handle(SIGUSR1, 0);
	sigprocmask(SIG_BLOCK, &block, 0);
	raise(SIGUSR1);
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	CHECK_EQ(hits, 1);
	sigprocmask(0, 0, &now);
	CHECK(sigismember(&now, SIGUSR1));
}

CASE(sigtimedwait_times_out) {
	sigset_t s = set_of(SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, 0);
	struct timespec ts = {0, 30000000};
	long long a = now_ms();
	CHECK_ERRNO(sigtimedwait(&s, 0, &ts), EAGAIN);
	CHECK(now_ms() - a >= 29);
}

CASE(sigwaitinfo_takes_a_signal_from_a_child) {
	sigset_t s = set_of(SIGCHLD);
	sigprocmask(SIG_BLOCK, &s, 0);
	pid_t pid = fork();
	if (pid == 0) _exit(5);
	siginfo_t si;
	CHECK_EQ(sigwaitinfo(&s, &si), SIGCHLD);
	CHECK_EQ(si.si_code, CLD_EXITED);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_status, 5);
	CHECK_CHILD(pid, 5);
}

CASE(nanosleep_reports_what_is_left_when_interrupted) {
	handle(SIGALRM, 0);
	struct timespec ts = {10, 0}, left = {0, 0};
	ualarm(50000, 0);
	CHECK_ERRNO(nanosleep(&ts, &left), EINTR);
	CHECK(left.tv_sec == 9 && left.tv_nsec > 0);
}

CASE(stopped_and_continued_nanosleep_goes_on) {
	pid_t pid = fork();
	if (pid == 0) {
		struct timespec ts = {0, 200000000};
		long long a = now_ms();
		CHECK(nanosleep(&ts, 0) == 0);
		CHECK(now_ms() - a >= 200);
		_exit(0);
	}
	msleep(50);
	kill(pid, SIGSTOP);
	int st;
	CHECK_EQ(waitpid(pid, &st, WUNTRACED), pid);
	CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGSTOP);
	kill(pid, SIGCONT);
	CHECK_CHILD(pid, 0);
}

CASE(exec_resets_handlers_and_keeps_ignored_and_blocked) {
	handle(SIGUSR1, 0);
	signal(SIGUSR2, SIG_IGN);
	sigset_t s = set_of(SIGHUP);
	sigprocmask(SIG_BLOCK, &s, 0);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c",
			  "set -- $(grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status); "
			  "[ $2 = 0000000000000001 ] && [ $((0x$4 & 0x800)) -ne 0 ] && [ $((0x$6 & 0x200)) -eq 0 ]", (char *)0);
		_exit(1);
	}
	CHECK_CHILD(pid, 0);
}

CASE(sigqueue_refuses_a_negative_code_from_another_kind) {
	siginfo_t si = {0};
	si.si_code = SI_USER;
	pid_t pid = fork();
	if (pid == 0) { pause(); _exit(0); }
	CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si), EPERM);
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
}

CASE(signal_to_a_process_group_reaches_all) {
	pid_t kids[3], leader = 0;
	for (int i = 0; i < 3; i++) {
		if ((kids[i] = fork()) == 0) { setpgid(0, leader); pause(); _exit(0); }
		setpgid(kids[i], leader);
		if (!leader) leader = kids[i];
	}
	CHECK(kill(-leader, SIGTERM) == 0);
	for (int i = 0; i < 3; i++) {
		int st;
		CHECK_EQ(waitpid(kids[i], &st, 0), kids[i]);
		CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM);
	}
	CHECK_ERRNO(kill(-leader, SIGTERM), ESRCH);
}

CASE(an_ignored_SIGCHLD_reaps_children) {
	signal(SIGCHLD, SIG_IGN);
	pid_t pid = fork();
	if (pid == 0) _exit(0);
	CHECK_ERRNO(waitpid(pid, 0, 0), ECHILD);
}

CASE(signalfd_reads_a_pending_signal) {
	sigset_t s = set_of(SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, 0);
	int fd = signalfd(-1, &s, SFD_NONBLOCK);
	struct signalfd_siginfo si;
	CHECK_ERRNO(read(fd, &si, sizeof si), EAGAIN);
	raise(SIGUSR1);
	CHECK_EQ(read(fd, &si, sizeof si), sizeof si);
	CHECK_EQ(si.ssi_signo, SIGUSR1);
	CHECK_EQ(si.ssi_pid, getpid());
}

CASE(sse_and_avx_registers_survive_a_handler) {
	handle(SIGUSR1, 0);
	double x = 3.25, y;
	__asm__ volatile("movq %1, %%xmm7\n mov %2, %%eax\n mov %3, %%edi\n mov %4, %%esi\n syscall\n movq %%xmm7, %0"
					 : "=r"(y) : "r"(x), "i"(SYS_kill), "r"(getpid()), "i"(SIGUSR1) : "rax", "rdi", "rsi", "rcx", "r11", "xmm7", "memory");
	CHECK_EQ(hits, 1);
	CHECK(y == 3.25);
}

CASE(SIGEV_and_alarm_replace_each_other) {
	CHECK_EQ(alarm(100), 0);
	CHECK_EQ(alarm(0), 100);
}

CASE(pidfd_send_signal_takes_a_directory_of_proc) {
	char dir[64], task[64];
	sprintf(dir, "/proc/%d", getpid());
	sprintf(task, "/proc/%d/task/%d", getpid(), getpid());
	int fd = open(dir, O_RDONLY | O_DIRECTORY), tfd = open(task, O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0 && tfd >= 0);
	CHECK(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) == 0);
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, tfd, 0, NULL, 0), EBADF);
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(1);
	}
	sprintf(dir, "/proc/%d", pid);
	int cfd = open(dir, O_RDONLY | O_DIRECTORY), st;
	CHECK(cfd >= 0);
	CHECK(syscall(SYS_pidfd_send_signal, cfd, SIGTERM, NULL, 0) == 0);
	CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM);
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, cfd, SIGTERM, NULL, 0), ESRCH);
}

MAIN()
