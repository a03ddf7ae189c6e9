// Calls that are made often: registers, flags and stack, and threads and processes that make them.
#include "hot.h"
#include <sched.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

MOV_SITE(mov_getpid, 39)
MOV_SITE(mov_gettid, 186)
MOV_SITE(mov_getppid, 110)
MOV_SITE(mov_getuid, 102)
MOV_SITE(mov_geteuid, 107)
CMP_SITE(cmp_gettid, 186)
CMP_SITE(cmp_getpid, 39)

#define ALL_FLAGS 0xcd5 // CF PF AF ZF SF DF OF
#define AC_FLAG 0x40000

// with_flags makes the call of a site with flags set and returns those that there are afterwards.
#define WITH_FLAGS(name, site)                                                                            \
	__attribute__((noinline)) static unsigned long name(unsigned long flags, unsigned long nr) {          \
		unsigned long after;                                                                              \
		asm volatile("sub $128, %%rsp; pushf; push %1; popf; nop; nop; nop; nop; nop; " site "; pushf; pop %0; popf; add $128, %%rsp" \
			: "=&r"(after) : "r"(flags), "a"(nr) : "rcx", "r11", "memory", "cc");                         \
		return after;                                                                                     \
	}
WITH_FLAGS(mov_flags, "mov $186, %%eax; syscall")
WITH_FLAGS(plain_flags, "syscall")
WITH_FLAGS(cmp_flags, "syscall; cmp $-4096, %%rax")

CASE(flags_are_kept) {
	for (int i = 0; i < HOT; i++) {
		for (int bit = -1; bit < 13; bit++) {
			unsigned long flags = 0x202 | (bit == 12 ? ALL_FLAGS : bit < 0 ? 0 : 1UL << bit & ALL_FLAGS);
			CHECK_EQ(mov_flags(flags, 0), flags);
			CHECK_EQ(plain_flags(flags, SYS_gettid), flags);
			// Those of the comparison: a small number below a huge one.
			CHECK_EQ(cmp_flags(flags, SYS_gettid) & 0x8c1, 0x01);
			CHECK_EQ(cmp_flags(flags, SYS_gettid) & 0x400, flags & 0x400);
		}
		if (i > HOT - 10) CHECK_EQ(mov_flags(0x202 | AC_FLAG, 0) & 0x50000, AC_FLAG);
	}
}

CASE(registers_are_kept) {
	unsigned long in[12], out[12];
	for (int i = 0; i < 12; i++) in[i] = 0x0101010101010101UL * (i + 1);
	for (int n = 0; n < HOT; n++) {
		memset(out, 0, sizeof out);
		asm volatile(
			"push %%rbp; push %%rbx; push %0; push %1; mov %0, %%rax;"
			"mov (%%rax), %%rbx; mov 8(%%rax), %%rdx; mov 16(%%rax), %%rsi; mov 24(%%rax), %%rdi; mov 32(%%rax), %%rbp; mov 40(%%rax), %%r8;"
			"mov 48(%%rax), %%r9; mov 56(%%rax), %%r10; mov 64(%%rax), %%r12; mov 72(%%rax), %%r13; mov 80(%%rax), %%r14; mov 88(%%rax), %%r15;"
			"movq %%rbx, %%xmm0; movq %%r15, %%xmm15;"
			"mov $39, %%eax; syscall;"
			"pop %%rax;"
			"mov %%rbx, (%%rax); mov %%rdx, 8(%%rax); mov %%rsi, 16(%%rax); mov %%rdi, 24(%%rax); mov %%rbp, 32(%%rax); mov %%r8, 40(%%rax);"
			"mov %%r9, 48(%%rax); mov %%r10, 56(%%rax); mov %%r12, 64(%%rax); mov %%r13, 72(%%rax); mov %%r14, 80(%%rax); mov %%r15, 88(%%rax);"
			"movq %%xmm0, %%rcx; sub %%rcx, %%rbx; or %%rbx, (%%rax); movq %%xmm15, %%rcx; sub %%rcx, %%r15; or %%r15, 88(%%rax);"
			"pop %%rcx; pop %%rbx; pop %%rbp"
			: : "c"(in), "d"(out)
			: "rax", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm15", "memory", "cc");
		CHECK(!memcmp(in, out, sizeof in));
	}
}

// red_zone keeps a value below the stack pointer during a call, and returns it.
__attribute__((noinline, naked)) static unsigned long red_zone(unsigned long v __attribute__((unused))) {
	asm("mov %rdi, -8(%rsp); mov %rdi, -64(%rsp); mov %rdi, -128(%rsp);"
		"mov $39, %eax; syscall;"
		"mov -8(%rsp), %rax; cmp -64(%rsp), %rax; jne 1f; cmp -128(%rsp), %rax; jne 1f; ret;"
		"1: xor %eax, %eax; ret");
}

CASE(the_red_zone_is_kept) {
	for (unsigned long i = 1; i < 10 * HOT; i++) CHECK_EQ(red_zone(i), i);
}

// in_the_middle jumps to the SYSCALL behind the MOV; behind_it to what follows a SYSCALL.
__attribute__((noinline)) static long in_the_middle(long nr, int jump) {
	long r = nr;
	asm volatile("test %1, %1; jnz 1f; nop; nop; nop; nop; mov $39, %%eax; 1: syscall" : "+a"(r) : "r"(jump) : "rcx", "r11", "memory", "cc");
	return r;
}
__attribute__((noinline)) static int behind_it(long v, int jump) {
	unsigned char above;
	asm volatile("test %2, %2; jnz 1f; mov $186, %%eax; syscall; 1: cmp $-4095, %%rax; setae %0" : "=q"(above), "+a"(v) : "r"(jump) : "rcx", "r11", "memory", "cc");
	return above;
}

CASE(jumps_into_a_hot_site) {
	for (int i = 0; i < HOT; i++) {
		CHECK_EQ(in_the_middle(SYS_getppid, 0), getpid());
		CHECK_EQ(behind_it(0, 0), 0);
		if (i < 10 || i > HOT - 10) {
			CHECK_EQ(in_the_middle(SYS_getppid, 1), getppid());
			CHECK_EQ(in_the_middle(-1, 1), -ENOSYS);
			CHECK_EQ(in_the_middle(SYS_close, 1), -EBADF); // edi holds anything but a descriptor
			CHECK_EQ(behind_it(-4095, 1), 1);
			CHECK_EQ(behind_it(-4096, 1), 0);
			CHECK_EQ(behind_it(5, 1), 0);
			CHECK_EQ(behind_it(-1, 1), 1);
		}
	}
}

#define THREADS 8
static pthread_barrier_t start;
static void *ask(void *bad) {
	pthread_barrier_wait(&start);
	pid_t tid = 0;
	for (int i = 0; i < 2000; i++) {
		pid_t a = mov_gettid(), b = cmp_gettid();
		if (!tid) tid = a;
		if (a != tid || b != tid || mov_getpid() != getpid() || cmp_getpid() != getpid()) *(int *)bad = 1;
	}
	if (tid != syscall(SYS_gettid) || tid == getpid()) *(int *)bad = 2;
	return 0;
}

CASE(eight_threads_make_cold_calls_hot_at_once) {
	pthread_t t[THREADS];
	int bad[THREADS] = {0};
	pthread_barrier_init(&start, 0, THREADS);
	for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], 0, ask, &bad[i]) == 0);
	for (int i = 0; i < THREADS; i++) pthread_join(t[i], 0);
	for (int i = 0; i < THREADS; i++) CHECK_EQ(bad[i], 0);
}

// vm_child makes hot calls in a process of its own that shares our memory.
static int vm_child(void *arg) {
	pid_t me = syscall(SYS_getpid);
	for (int i = 0; i < 5 * HOT; i++)
		if (mov_getpid() != me || mov_gettid() != me || mov_getppid() != (long)arg) return 1;
	return 7;
}

CASE(processes_that_share_memory_make_hot_calls) {
	static char stacks[THREADS][16384] __attribute__((aligned(16)));
	pid_t pids[THREADS];
	for (int i = 0; i < THREADS; i++) CHECK((pids[i] = clone(vm_child, stacks[i] + sizeof stacks[i], CLONE_VM | SIGCHLD, (void *)(long)getpid())) > 0);
	for (int i = 0; i < THREADS; i++) CHECK_CHILD(pids[i], 7);
	CHECK_EQ(mov_getpid(), getpid());
}

CASE(vfork_children_make_hot_calls) {
	for (int i = 0; i < 20; i++) {
		pid_t parent = getpid(), p = vfork();
		if (p == 0) _exit(vm_child((void *)(long)parent));
		CHECK_CHILD(p, 7);
		CHECK_EQ(mov_getpid(), parent);
	}
}

CASE(ids_are_those_of_the_child_after_fork) {
	pid_t me = getpid();
	for (int i = 0; i < HOT; i++) CHECK(mov_getpid() == me && mov_gettid() == me);
	for (int i = 0; i < 10; i++) {
		pid_t p = fork();
		if (p == 0) _exit(vm_child((void *)(long)me));
		CHECK_CHILD(p, 7);
		CHECK_EQ(mov_getpid(), me);
	}
}

CASE(the_parent_changes_when_it_dies) {
	int fds[2];
	char c;
	CHECK(pipe(fds) == 0);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	pid_t p = fork();
	if (p == 0) {
		pid_t me = getpid();
		if (fork() == 0) {
			for (int i = 0; i < HOT; i++) CHECK_EQ(mov_getppid(), me);
			if (write(fds[1], "x", 1) != 1) _exit(1);
			while (mov_getppid() == me) {}
			CHECK_EQ(mov_getppid(), getppid());
			_exit(8);
		}
		_exit(read(fds[0], &c, 1) == 1 ? 7 : 1);
	}
	CHECK_CHILD(p, 7);
	int st;
	CHECK(waitpid(-1, &st, 0) > 0);
	CHECK_EQ(st, 8 << 8);
}

static void *become(void *arg) {
	if (geteuid() != 0) return 0;
	long uid = (long)arg;
	for (int i = 0; i < HOT; i++) if (mov_getuid() != 0) return "before";
	if (syscall(SYS_setresuid, uid, uid + 1, 0)) return "setresuid";
	for (int i = 0; i < HOT; i++) if (mov_getuid() != uid || mov_geteuid() != uid + 1) return "after";
	if (syscall(SYS_setresuid, 0, 0, 0)) return "back";
	for (int i = 0; i < HOT; i++) if (mov_getuid() != 0 || mov_geteuid() != 0) return "at the end";
	return 0;
}

CASE(a_thread_changes_its_user) {
	pthread_t t[THREADS];
	void *bad;
	for (long i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], 0, become, (void *)(1000 * (i + 1))) == 0);
	for (int i = 0; i < HOT; i++) CHECK_EQ(mov_getuid(), getuid());
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &bad);
		if (bad) fail(__FILE__, __LINE__, "thread %d: %s", i, (char *)bad);
	}
	CHECK_EQ(mov_getuid(), getuid());
}

// clock_of is clock_gettime with nothing in between.
__attribute__((noinline)) static long clock_of(long clock, void *ts) {
	long r;
	asm volatile("nop; nop; nop; nop; nop; mov $228, %%eax; syscall" : "=a"(r) : "D"(clock), "S"(ts) : "rcx", "r11", "memory");
	return r;
}

CASE(hot_clocks_fail_as_cold_ones) {
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && mprotect(p + 4096, 4096, PROT_READ) == 0);
	struct timespec last = {0}, ts;
	for (int i = 0; i < HOT; i++) {
		CHECK_EQ(clock_of(CLOCK_MONOTONIC, &ts), 0);
		CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
		CHECK(ts.tv_sec > last.tv_sec || (ts.tv_sec == last.tv_sec && ts.tv_nsec >= last.tv_nsec));
		last = ts;
		CHECK_EQ(clock_of(CLOCK_REALTIME, &ts), 0);
		CHECK(labs(ts.tv_sec - time(0)) <= 1);
		CHECK_EQ(clock_of(CLOCK_MONOTONIC, 0), -EFAULT);
		CHECK_EQ(clock_of(CLOCK_MONOTONIC, p + 4096), -EFAULT);
		CHECK_EQ(clock_of(CLOCK_MONOTONIC, p + 4096 - 8), -EFAULT);
		CHECK_EQ(clock_of(1000, &ts), -EINVAL);
		CHECK_EQ(clock_of(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
		// Pages that nobody has touched yet, and that fork shares.
		CHECK_EQ(clock_of(CLOCK_MONOTONIC, p), 0);
	}
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(clock_of(CLOCK_MONOTONIC, p), 0);
		_exit(7);
	}
	CHECK_EQ(clock_of(CLOCK_MONOTONIC, p), 0);
	CHECK_CHILD(pid, 7);
}

MAIN()
