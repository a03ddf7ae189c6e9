#include "case.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static long futex(volatile void *a, int op, unsigned v, const void *ts, volatile void *b, unsigned v3) {
	return syscall(SYS_futex, a, op, v, ts, b, v3);
}

static struct timespec after_ms(int clock, int ms) {
	struct timespec ts;
	clock_gettime(clock, &ts);
	ts.tv_nsec += ms * 1000000L;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static volatile int word, word2, woken;

// until waits for a thread to get somewhere.
#define until(x) for (int i_ = 0; !(x) && i_ < 5000; i_++) msleep(1)

// asleep reports whether thread tid of this process sleeps.
static int asleep(int tid) {
	char name[64], b[512], *p;
	snprintf(name, sizeof name, "/proc/self/task/%d/stat", tid);
	int fd = open(name, O_RDONLY);
	int n = fd < 0 ? -1 : read(fd, b, sizeof b - 1);
	close(fd);
	if (n <= 0) return 0;
	b[n] = 0;
	return (p = strrchr(b, ')')) && p[2] == 'S';
}

struct waiting {
	pthread_t t;
	volatile int tid;
	int op;
	unsigned v3;
	volatile void *a;
	const struct timespec *ts;
	long result;
	int error;
};

static void *wait_in_thread(void *arg) {
	struct waiting *w = arg;
	w->tid = syscall(SYS_gettid);
	w->result = futex(w->a, w->op, *(int *)w->a, w->ts, 0, w->v3);
	w->error = errno;
	if (w->result == 0) __sync_fetch_and_add(&woken, 1);
	return 0;
}

static void start(struct waiting *w) {
	CHECK(!pthread_create(&w->t, 0, wait_in_thread, w));
	until(w->tid && asleep(w->tid));
}

CASE(timeouts_are_relative_or_absolute_by_operation) {
	struct timespec ts = {0, 30000000};
	long long t = now_ms();
	CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &ts, 0, 0), ETIMEDOUT);
	CHECK(now_ms() - t >= 29);
	t = now_ms();
	ts = after_ms(CLOCK_MONOTONIC, 30);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, 0, -1), ETIMEDOUT);
	CHECK(now_ms() - t >= 29);
	t = now_ms();
	ts = after_ms(CLOCK_REALTIME, 30);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &ts, 0, -1), ETIMEDOUT);
	CHECK(now_ms() - t >= 29);
	ts = (struct timespec){1, 0};
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, 0, -1), ETIMEDOUT);
	ts = (struct timespec){0, 1000000000};
	CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &ts, 0, 0), EINVAL);
	ts = (struct timespec){-1, 0};
	CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &ts, 0, 0), EINVAL);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, (void *)8, 0, 0), EFAULT);
	CHECK_ERRNO(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, 0, 0, 0), ENOSYS);
}

CASE(bitsets_choose_whom_to_wake) {
	struct waiting a = {.op = FUTEX_WAIT_BITSET, .v3 = 1, .a = &word}, b = a;
	b.v3 = 6;
	start(&a);
	start(&b);
	CHECK_ERRNO(futex(&word, FUTEX_WAKE_BITSET, 10, 0, 0, 0), EINVAL);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET, 10, 0, 0, 8), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET, 10, 0, 0, 4), 1);
	pthread_join(b.t, 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET, 10, 0, 0, -1), 1);
	pthread_join(a.t, 0);
}

CASE(a_wake_of_zero_wakes_one) {
	struct waiting a = {.op = FUTEX_WAIT, .a = &word};
	start(&a);
	CHECK_EQ(futex(&word, FUTEX_WAKE, 0, 0, 0, 0), 1);
	pthread_join(a.t, 0);
}

CASE(requeue_checks_its_numbers) {
	CHECK_ERRNO(futex(&word, FUTEX_REQUEUE, -1, (void *)1L, &word2, 0), EINVAL);
	CHECK_ERRNO(futex(&word, FUTEX_REQUEUE, 1, (void *)-1L, &word2, 0), EINVAL);
	CHECK_ERRNO(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1L, &word2, 5), EAGAIN);
	struct waiting w[4];
	for (int i = 0; i < 4; i++) {
		w[i] = (struct waiting){.op = FUTEX_WAIT, .a = &word};
		start(&w[i]);
	}
	CHECK_EQ(futex(&word, FUTEX_REQUEUE, 1, (void *)2L, &word2, 0), 3);
	CHECK_EQ(futex(&word2, FUTEX_WAKE, 10, 0, 0, 0), 2);
	CHECK_EQ(futex(&word, FUTEX_WAKE, 10, 0, 0, 0), 1);
	for (int i = 0; i < 4; i++) pthread_join(w[i].t, 0);
}

CASE(wake_op_refuses_unknown_operations) {
	CHECK_ERRNO(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &word2, 7U << 28), ENOSYS);
	CHECK_ERRNO(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, (void *)8, FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0)), EFAULT);
	word2 = 10;
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &word2, FUTEX_OP(FUTEX_OP_ADD, -3 & 0xfff, FUTEX_OP_CMP_EQ, 0)), 0);
	CHECK_EQ(word2, 7);
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &word2, FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 5, FUTEX_OP_CMP_EQ, 0)), 0);
	CHECK_EQ(word2, 39);
}

CASE(private_and_shared_are_told_apart_in_a_shared_mapping) {
	volatile int *w = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct waiting a = {.op = FUTEX_WAIT, .a = w};
	start(&a);
	CHECK_EQ(futex(w, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0), 0);
	CHECK_EQ(futex(w, FUTEX_WAKE, 1, 0, 0, 0), 1);
	pthread_join(a.t, 0);
}

CASE(two_mappings_of_a_page_are_one_futex) {
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(ftruncate(fd, 8192) == 0);
	volatile int *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
	volatile int *q = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct waiting a = {.op = FUTEX_WAIT, .a = p + 3};
	start(&a);
	CHECK_EQ(futex(q + 1024 + 3, FUTEX_WAKE, 1, 0, 0, 0), 1);
	pthread_join(a.t, 0);
}

static void nothing(int sig) { (void)sig; }

CASE(a_signal_ends_or_restarts_a_wait) {
	struct sigaction sa = {.sa_handler = nothing};
	sigaction(SIGUSR1, &sa, 0);
	struct waiting a = {.op = FUTEX_WAIT, .a = &word};
	start(&a);
	pthread_kill(a.t, SIGUSR1);
	pthread_join(a.t, 0);
	CHECK_EQ(a.result, -1);
	CHECK_EQ(a.error, EINTR);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, 0);
	struct waiting b = {.op = FUTEX_WAIT, .a = &word};
	start(&b);
	pthread_kill(b.t, SIGUSR1);
	msleep(20);
	until(asleep(b.tid));
	CHECK_EQ(futex(&word, FUTEX_WAKE, 1, 0, 0, 0), 1);
	pthread_join(b.t, 0);
	CHECK_EQ(b.result, 0);
}

CASE(a_lock_with_an_owner_is_handed_on) {
	int me = syscall(SYS_gettid);
	CHECK_EQ(futex(&word, FUTEX_LOCK_PI, 0, 0, 0, 0), 0);
	CHECK_EQ(word, me);
	CHECK_ERRNO(futex(&word, FUTEX_LOCK_PI, 0, 0, 0, 0), EDEADLK);
	CHECK_ERRNO(futex(&word, FUTEX_TRYLOCK_PI, 0, 0, 0, 0), EDEADLK);
	struct waiting a = {.op = FUTEX_LOCK_PI, .a = &word};
	start(&a);
	CHECK_EQ((unsigned)word, me | FUTEX_WAITERS);
	CHECK_ERRNO(futex(&word, FUTEX_WAKE, 1, 0, 0, 0), EINVAL);
	CHECK_EQ(futex(&word, FUTEX_UNLOCK_PI, 0, 0, 0, 0), 0);
	pthread_join(a.t, 0);
	CHECK_EQ(a.result, 0);
	CHECK_EQ(word & FUTEX_TID_MASK, a.tid);
	CHECK_ERRNO(futex(&word, FUTEX_UNLOCK_PI, 0, 0, 0, 0), EPERM);
	// Its owner has ended without a robust list.
	until(syscall(SYS_tgkill, getpid(), a.tid, 0) == -1);
	CHECK_ERRNO(futex(&word, FUTEX_LOCK_PI, 0, 0, 0, 0), ESRCH);
}

CASE(a_lock_with_an_owner_times_out) {
	struct timespec ts = after_ms(CLOCK_REALTIME, 30);
	CHECK_EQ(futex(&word, FUTEX_LOCK_PI, 0, 0, 0, 0), 0);
	struct waiting a = {.op = FUTEX_LOCK_PI, .a = &word, .ts = &ts};
	start(&a);
	pthread_join(a.t, 0);
	CHECK_EQ(a.result, -1);
	CHECK_EQ(a.error, ETIMEDOUT);
	ts = after_ms(CLOCK_MONOTONIC, 30);
	struct waiting b = {.op = FUTEX_LOCK_PI2, .a = &word, .ts = &ts};
	start(&b);
	pthread_join(b.t, 0);
	CHECK_EQ(b.error, ETIMEDOUT);
	CHECK_EQ(futex(&word, FUTEX_UNLOCK_PI, 0, 0, 0, 0), 0);
	CHECK_EQ(word, 0);
}

static pthread_mutex_t pi;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int ready;

static void *die_with_lock(void *a) {
	(void)a;
	pthread_mutex_lock(&pi);
	return 0;
}

CASE(a_robust_lock_with_an_owner_tells_of_its_death) {
	pthread_mutexattr_t at;
	pthread_mutexattr_init(&at);
	pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT);
	pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&pi, &at);
	pthread_t t;
	pthread_create(&t, 0, die_with_lock, 0);
	pthread_join(t, 0);
	CHECK_EQ(pthread_mutex_lock(&pi), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(&pi), 0);
	CHECK_EQ(pthread_mutex_unlock(&pi), 0);
	CHECK_EQ(pthread_mutex_lock(&pi), 0);
}

static void *wait_for_ready(void *a) {
	(void)a;
	pthread_mutex_lock(&pi);
	while (!ready) pthread_cond_wait(&cond, &pi);
	woken++;
	pthread_mutex_unlock(&pi);
	return 0;
}

CASE(conditions_with_owned_locks_wake_everybody) {
	pthread_mutexattr_t at;
	pthread_mutexattr_init(&at);
	pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&pi, &at);
	pthread_t t[6];
	for (int i = 0; i < 6; i++) pthread_create(&t[i], 0, wait_for_ready, 0);
	msleep(50);
	pthread_mutex_lock(&pi);
	ready = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&pi);
	for (int i = 0; i < 6; i++) pthread_join(t[i], 0);
	CHECK_EQ(woken, 6);
}

static void *requeued(void *arg) {
	struct waiting *w = arg;
	w->tid = syscall(SYS_gettid);
	w->result = futex(&word, FUTEX_WAIT_REQUEUE_PI, 0, w->ts, &word2, 0);
	w->error = errno;
	return 0;
}

CASE(waiters_move_to_a_lock_with_an_owner) {
	struct waiting w[3] = {{0}};
	for (int i = 0; i < 3; i++) {
		pthread_create(&w[i].t, 0, requeued, &w[i]);
		until(w[i].tid && asleep(w[i].tid));
	}
	CHECK_ERRNO(futex(&word, FUTEX_CMP_REQUEUE_PI, 2, (void *)5L, &word2, 0), EINVAL);
	CHECK_ERRNO(futex(&word, FUTEX_CMP_REQUEUE_PI, 1, (void *)5L, &word2, 9), EAGAIN);
	CHECK_EQ(futex(&word2, FUTEX_LOCK_PI, 0, 0, 0, 0), 0);
	CHECK_EQ(futex(&word, FUTEX_CMP_REQUEUE_PI, 1, (void *)5L, &word2, 0), 3);
	CHECK_EQ(futex(&word2, FUTEX_UNLOCK_PI, 0, 0, 0, 0), 0);
	until(word2 != 0);
	for (int n = 0; n < 3; n++) {
		until((word2 & FUTEX_TID_MASK) == w[n].tid);
		CHECK_EQ(word2 & FUTEX_TID_MASK, w[n].tid);
		pthread_join(w[n].t, 0);
		CHECK_EQ(w[n].result, 0);
		break; // it ended with the lock; the next one is told of that
	}
}

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
struct waitv { uint64_t val, uaddr; uint32_t flags, reserved; };

static void *wait_for_many(void *arg) {
	struct waiting *w = arg;
	struct waitv v[3] = {{0, (uint64_t)&word, 2, 0}, {0, (uint64_t)&word2, 2, 0}, {0, (uint64_t)&ready, 2, 0}};
	w->tid = syscall(SYS_gettid);
	w->result = syscall(SYS_futex_waitv, v, 3, 0, 0, 0);
	w->error = errno;
	return 0;
}

CASE(futex_waitv_waits_for_several) {
	struct waiting w = {0};
	pthread_create(&w.t, 0, wait_for_many, &w);
	until(w.tid && asleep(w.tid));
	CHECK_EQ(futex(&word2, FUTEX_WAKE, 1, 0, 0, 0), 1);
	pthread_join(w.t, 0);
	CHECK_EQ(w.result, 1);
	struct waitv v[2] = {{0, (uint64_t)&word, 2, 0}, {5, (uint64_t)&word2, 2, 0}};
	CHECK_ERRNO(syscall(SYS_futex_waitv, v, 2, 0, 0, 0), EAGAIN);
	CHECK_ERRNO(syscall(SYS_futex_waitv, v, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_futex_waitv, v, 129, 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_futex_waitv, v, 2, 1, 0, 0), EINVAL);
	v[1].flags = 1;
	CHECK_ERRNO(syscall(SYS_futex_waitv, v, 2, 0, 0, 0), EINVAL);
	v[1] = (struct waitv){0, (uint64_t)&word2, 2, 1};
	CHECK_ERRNO(syscall(SYS_futex_waitv, v, 2, 0, 0, 0), EINVAL);
	v[1].reserved = 0;
	struct timespec ts = after_ms(CLOCK_MONOTONIC, 20);
	CHECK_ERRNO(syscall(SYS_futex_waitv, v, 2, 0, &ts, CLOCK_MONOTONIC), ETIMEDOUT);
	CHECK_ERRNO(syscall(SYS_futex_waitv, v, 2, 0, &ts, CLOCK_BOOTTIME), EINVAL);
}

CASE(robust_list_is_what_was_set) {
	void *head;
	size_t len;
	CHECK(syscall(SYS_get_robust_list, 0, &head, &len) == 0);
	CHECK_EQ(len, 24);
	CHECK_ERRNO(syscall(SYS_set_robust_list, head, 23), EINVAL);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 999999, &head, &len), ESRCH);
}

MAIN()
