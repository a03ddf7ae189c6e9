#include "case.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/time.h>

static long futex(volatile void *a, int op, unsigned v, const struct timespec *ts, volatile void *b, unsigned v3) {
	return syscall(SYS_futex, a, op, v, ts, b, v3);
}

static volatile int word, word2, count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *add(void *n) {
	for (long i = 0; i < (long)n; i++) {
		pthread_mutex_lock(&lock);
		count++;
		pthread_mutex_unlock(&lock);
	}
	return 0;
}

CASE(a_contended_mutex_excludes) {
	pthread_t t[8];
	for (int i = 0; i < 8; i++) CHECK(!pthread_create(&t[i], 0, add, (void *)5000L));
	for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
	CHECK_EQ(count, 40000);
}

CASE(futex_wait_checks_the_value_and_times_out) {
	struct timespec ts = {0, 20000000};
	word = 1;
	CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, 0, 0, 0), EAGAIN);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT, 1, &ts, 0, 0), ETIMEDOUT);
	CHECK_EQ(futex(&word, FUTEX_WAKE, 10, 0, 0, 0), 0);
	CHECK_ERRNO(futex((char *)&word + 1, FUTEX_WAIT, 1, 0, 0, 0), EINVAL);
	CHECK_ERRNO(futex((void *)8, FUTEX_WAIT, 1, 0, 0, 0), EFAULT);
	CHECK_ERRNO(futex(&word, 99, 0, 0, 0, 0), ENOSYS);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET, 1, 0, 0, 0), EINVAL);
}

static volatile int woken;
static void *waiter(void *a) {
	if (futex(a, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0) == 0) __sync_fetch_and_add(&woken, 1);
	return 0;
}

CASE(futex_requeue_moves_waiters) {
	pthread_t t[4];
	for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, waiter, (void *)&word);
	msleep(80);
	CHECK_ERRNO(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10, &word2, 7), EAGAIN);
	CHECK_EQ(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10, &word2, 0), 4);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 10, 0, 0, 0), 0);
	CHECK_EQ(futex(&word2, FUTEX_WAKE_PRIVATE, 10, 0, 0, 0), 3);
	for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
	CHECK_EQ(woken, 4);
}

CASE(futex_wake_op_changes_and_wakes) {
	pthread_t t[2];
	pthread_create(&t[0], 0, waiter, (void *)&word);
	pthread_create(&t[1], 0, waiter, (void *)&word2);
	msleep(50);
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word2, FUTEX_OP(FUTEX_OP_SET, 5, FUTEX_OP_CMP_EQ, 0)), 2);
	CHECK_EQ(word2, 5);
	for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
}

CASE(a_shared_futex_wakes_another_process) {
	volatile int *w = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t p = fork();
	if (p == 0) _exit(futex(w, FUTEX_WAIT, 0, 0, 0, 0) == 0 || errno == EAGAIN ? 0 : 1);
	msleep(50);
	*w = 1;
	CHECK_EQ(futex(w, FUTEX_WAKE, 1, 0, 0, 0), 1);
	CHECK_CHILD(p, 0);
}

static pthread_mutex_t robust;
static void *die_with_lock(void *a) { pthread_mutex_lock(&robust); return a; }

CASE(a_robust_mutex_tells_of_its_dead_owner) {
	pthread_mutexattr_t at;
	pthread_t t;
	pthread_mutexattr_init(&at);
	pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &at);
	pthread_create(&t, 0, die_with_lock, 0);
	pthread_join(t, 0);
	CHECK_EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(&robust), 0);
	CHECK_EQ(pthread_mutex_unlock(&robust), 0);
}

CASE(a_priority_inheriting_mutex_excludes) {
	pthread_mutexattr_t at;
	pthread_t t[4];
	pthread_mutexattr_init(&at);
	pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&lock, &at);
	for (int i = 0; i < 4; i++) CHECK(!pthread_create(&t[i], 0, add, (void *)2000L));
	for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
	CHECK_EQ(count, 8000);
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static void *signaller(void *a) {
	msleep(20);
	pthread_mutex_lock(&lock);
	word = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	return a;
}

CASE(condition_variables_wake_and_time_out) {
	pthread_t t;
	pthread_create(&t, 0, signaller, 0);
	pthread_mutex_lock(&lock);
	while (!word) pthread_cond_wait(&cond, &lock);
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec -= 1;
	CHECK_EQ(pthread_cond_timedwait(&cond, &lock, &ts), ETIMEDOUT);
	pthread_mutex_unlock(&lock);
	pthread_join(t, 0);
}

static __thread int tls = 5;
static void *check_tls(void *a) {
	CHECK_EQ(tls, 5);
	tls = (int)(long)a;
	sched_yield();
	CHECK_EQ(tls, (int)(long)a);
	return 0;
}

CASE(thread_local_storage_is_local) {
	pthread_t t[10];
	for (long i = 0; i < 10; i++) pthread_create(&t[i], 0, check_tls, (void *)i);
	for (int i = 0; i < 10; i++) pthread_join(t[i], 0);
	CHECK_EQ(tls, 5);
}

static volatile int stop;
static void *spin(void *a) { while (!stop) {} return a; }

CASE(a_signal_interrupts_a_spinning_thread) {
	pthread_t t;
	signal(SIGUSR1, (void (*)(int))abs);
	void set_stop(int s) { (void)s; stop = 1; }
	signal(SIGUSR1, set_stop);
	pthread_create(&t, 0, spin, 0);
	msleep(30);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	pthread_join(t, 0);
	CHECK_EQ(stop, 1);
}

static void *unmapper(void *a) {
	(void)a;
	for (int i = 0; i < 300; i++) {
		char *p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(p != MAP_FAILED);
		for (int k = 0; k < 65536; k += 4096) { CHECK_EQ(p[k], 0); p[k] = k >> 12; }
		if (i % 3 == 0) mprotect(p, 4096, PROT_READ);
		munmap(p, 65536);
	}
	return 0;
}

CASE(threads_map_and_unmap_at_once) {
	pthread_t t[6];
	for (int i = 0; i < 6; i++) pthread_create(&t[i], 0, unmapper, 0);
	for (int i = 0; i < 6; i++) pthread_join(t[i], 0);
}

CASE(fork_in_a_threaded_process_copies_one_thread) {
	pthread_t t;
	pthread_create(&t, 0, spin, 0);
	pid_t p = fork();
	if (p == 0) {
		char b[64];
		int fd = open("/proc/self/stat", O_RDONLY);
		_exit(fd >= 0 && read(fd, b, 64) > 0 ? 0 : 1);
	}
	CHECK_CHILD(p, 0);
	stop = 1;
	pthread_join(t, 0);
}

CASE(semaphores_between_processes) {
	sem_t *s = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sem_init(s, 1, 0);
	pid_t p = fork();
	if (p == 0) { msleep(20); sem_post(s); _exit(0); }
	CHECK(sem_wait(s) == 0);
	CHECK_CHILD(p, 0);
}

CASE(thread_ids_differ_and_the_process_id_does_not) {
	pid_t ids[2];
	void *get(void *a) { ids[0] = gettid(); ids[1] = getpid(); return a; }
	pthread_t t;
	pthread_create(&t, 0, get, 0);
	pthread_join(t, 0);
	CHECK(ids[0] != gettid());
	CHECK_EQ(ids[1], getpid());
	/* join is told a little before the id is free. */
	for (int i = 0; i < 1000 && syscall(SYS_tgkill, getpid(), ids[0], 0) == 0; i++) msleep(1);
	CHECK_ERRNO(syscall(SYS_tgkill, getpid(), ids[0], 0), ESRCH);
}

MAIN()
