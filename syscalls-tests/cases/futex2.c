// Futexes, barriers and memory calls, as they refuse: futex(2), futex_waitv(2), membarrier(2), set_robust_list(2),
// mmap(2), mprotect(2), mremap(2), msync(2), mincore(2), mlock2(2), madvise(2).
#include "case.h"
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef FUTEX_32
#define FUTEX_32 2
#endif
#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)

static long futex(void *a, int op, unsigned v, const void *ts, void *b, unsigned v3) {
	return syscall(SYS_futex, a, op, v, ts, b, v3);
}

static char *anon(size_t pages, int prot) {
	char *p = mmap(0, pages * PG, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

// A mapping with a hole behind it.
static char *before_hole(size_t pages) {
	char *p = anon(pages + 1, RW);
	CHECK(munmap(p + pages * PG, PG) == 0);
	return p;
}

CASE(futex_errors) {
	static unsigned w[4];
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, none = {0, 0};
	CHECK_ERRNO(futex((char *)w + 1, FUTEX_WAIT, 0, &none, 0, 0), EINVAL);
	CHECK_ERRNO(futex((char *)w + 2, FUTEX_WAKE, 1, 0, 0, 0), EINVAL);
	CHECK_ERRNO(futex((void *)8, FUTEX_WAIT, 0, &none, 0, 0), EFAULT);
	CHECK_ERRNO(futex((void *)8, FUTEX_WAKE, 1, 0, 0, 0), EFAULT);
	CHECK_EQ(futex((void *)8, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0), 0); // nobody waits there
	CHECK_ERRNO(futex((void *)-4096L, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0), EFAULT);
	CHECK_ERRNO(futex(w, FUTEX_WAIT, 0, &bad, 0, 0), EINVAL);
	CHECK_ERRNO(futex(w, FUTEX_WAIT, 0, &neg, 0, 0), EINVAL);
	CHECK_ERRNO(futex(w, FUTEX_WAIT, 0, (void *)8, 0, 0), EFAULT);
	CHECK_ERRNO(futex(w, FUTEX_WAIT, 1, &none, 0, 0), EAGAIN);
	CHECK_ERRNO(futex(w, FUTEX_WAIT, 0, &none, 0, 0), ETIMEDOUT);
	CHECK_ERRNO(futex(w, FUTEX_WAIT_BITSET, 0, &none, 0, 0), EINVAL);
	CHECK_ERRNO(futex(w, FUTEX_WAKE_BITSET, 1, 0, 0, 0), EINVAL);
	CHECK_ERRNO(futex(w, 77, 0, 0, 0, 0), ENOSYS);
	CHECK_ERRNO(futex(w, FUTEX_FD, 0, 0, 0, 0), ENOSYS);
	CHECK_ERRNO(futex(w, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, 0, 0, 0), ENOSYS);
	CHECK_ERRNO(futex(w, FUTEX_CMP_REQUEUE, 1, (void *)1, w + 1, 77), EAGAIN);
	CHECK_ERRNO(futex(w, FUTEX_CMP_REQUEUE, -1, (void *)1, w + 1, 0), EINVAL);
	CHECK_ERRNO(futex(w, FUTEX_CMP_REQUEUE, 1, (void *)-1, w + 1, 0), EINVAL);
	CHECK_ERRNO(futex(w, FUTEX_CMP_REQUEUE, 1, (void *)1, (char *)w + 5, 0), EINVAL);
	CHECK_EQ(futex(w, FUTEX_CMP_REQUEUE, 1, (void *)1, w + 1, 0), 0);
}

CASE(futexes_with_owners_refuse) {
	static unsigned w[2];
	unsigned me = syscall(SYS_gettid);
	struct timespec past = {1, 0};
	CHECK_ERRNO(futex(w, FUTEX_UNLOCK_PI, 0, 0, 0, 0), EPERM);
	CHECK_EQ(futex(w, FUTEX_LOCK_PI, 0, 0, 0, 0), 0);
	CHECK_EQ(w[0], me);
	CHECK_ERRNO(futex(w, FUTEX_LOCK_PI, 0, 0, 0, 0), EDEADLK);
	CHECK_ERRNO(futex(w, FUTEX_TRYLOCK_PI, 0, 0, 0, 0), EDEADLK);
	CHECK_EQ(futex(w, FUTEX_UNLOCK_PI, 0, 0, 0, 0), 0);
	CHECK_EQ(w[0], 0);
	w[0] = 0x3fffffff; // an owner that does not live
	CHECK_ERRNO(futex(w, FUTEX_LOCK_PI, 0, 0, 0, 0), ESRCH);
	CHECK_ERRNO(futex(w, FUTEX_TRYLOCK_PI, 0, 0, 0, 0), ESRCH);
	CHECK_ERRNO(futex(w, FUTEX_LOCK_PI2, 0, &past, 0, 0), ESRCH);
	CHECK_ERRNO(futex((char *)w + 1, FUTEX_LOCK_PI, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(futex((void *)8, FUTEX_LOCK_PI, 0, 0, 0, 0), EFAULT);
	CHECK_ERRNO(futex(w, FUTEX_WAIT_REQUEUE_PI, 0, 0, w, 0), EINVAL); // from one to itself
	CHECK_ERRNO(futex(w, FUTEX_CMP_REQUEUE_PI, 2, (void *)1, w + 1, w[0]), EINVAL); // wakes one, no more
}

struct waiter { uint64_t val, uaddr; uint32_t flags, reserved; };

CASE(futex_waitv_errors) {
	static unsigned w[2];
	struct waiter v[129] = {{0, (uint64_t)w, FUTEX_32 | FUTEX_PRIVATE_FLAG, 0}};
	struct timespec past = {0, 0};
	CHECK_ERRNO(syscall(449, v, 0, 0, &past, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERRNO(syscall(449, v, 129, 0, &past, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERRNO(syscall(449, 0, 1, 0, &past, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERRNO(syscall(449, 8, 1, 0, &past, CLOCK_MONOTONIC), EFAULT);
	CHECK_ERRNO(syscall(449, v, 1, 1, &past, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERRNO(syscall(449, v, 1, 0, &past, CLOCK_TAI), EINVAL);
	CHECK_ERRNO(syscall(449, v, 1, 0, 8, CLOCK_MONOTONIC), EFAULT);
	CHECK_ERRNO(syscall(449, v, 1, 0, &past, CLOCK_MONOTONIC), ETIMEDOUT);
	v[0].val = 1;
	CHECK_ERRNO(syscall(449, v, 1, 0, &past, CLOCK_MONOTONIC), EAGAIN);
	v[0].val = 0, v[0].reserved = 1;
	CHECK_ERRNO(syscall(449, v, 1, 0, &past, CLOCK_MONOTONIC), EINVAL);
	v[0].reserved = 0, v[0].flags = 0; // no size
	CHECK_ERRNO(syscall(449, v, 1, 0, &past, CLOCK_MONOTONIC), EINVAL);
	v[0].flags = FUTEX_32 | 0x40;
	CHECK_ERRNO(syscall(449, v, 1, 0, &past, CLOCK_MONOTONIC), EINVAL);
	v[0].flags = FUTEX_32, v[0].uaddr++;
	CHECK_ERRNO(syscall(449, v, 1, 0, &past, CLOCK_MONOTONIC), EINVAL);
}

CASE(robust_list_errors) {
	static struct robust_list_head h;
	void *head;
	size_t n;
	CHECK_ERRNO(syscall(SYS_set_robust_list, &h, sizeof h - 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_set_robust_list, &h, sizeof h + 1), EINVAL);
	CHECK_EQ(syscall(SYS_set_robust_list, 8, sizeof h), 0); // looked at only at the end
	CHECK_EQ(syscall(SYS_get_robust_list, 0, &head, &n), 0);
	CHECK(head == (void *)8 && n == sizeof h);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 0x3fffffff, &head, &n), ESRCH);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 0, 8, &n), EFAULT);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 0, &head, 8), EFAULT);
	pid_t parent = getpid(), p = fork();
	if (!p) {
		CHECK_EQ(syscall(SYS_get_robust_list, 0, &head, &n), 0);
		CHECK(head != (void *)8); // not inherited
		CHECK(setgid(1001) == 0 && setuid(1001) == 0);
		CHECK_ERRNO(syscall(SYS_get_robust_list, parent, &head, &n), EPERM);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(membarrier_errors_and_registration) {
	long q = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	CHECK(q & MEMBARRIER_CMD_GLOBAL && q & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	CHECK_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 1, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_membarrier, 1 << 20, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_membarrier, -1, 0, 0), EINVAL);
	CHECK_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), 0);
	pid_t p = fork();
	if (!p) {
		CHECK_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
		CHECK_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0), 0);
		CHECK_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), 0);
		CHECK_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0), EPERM);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(mmap_refuses) {
	int fd = open("f", O_RDWR | O_CREAT, 0600), ro = open("f", O_RDONLY), wo = open("f", O_WRONLY), p[2];
	CHECK(pipe(p) == 0);
	CHECK_ERRNO((long)mmap(0, 0, PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, 0, fd, 0), EINVAL);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_PRIVATE, fd, 1), EINVAL);
	CHECK_ERRNO((long)mmap((void *)1, PG, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0), EINVAL);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
	CHECK_ERRNO((long)mmap(0, PG, PROT_WRITE, MAP_SHARED, ro, 0), EACCES);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_SHARED, p[0], 0), ENODEV);
	CHECK_ERRNO((long)mmap(0, -1UL, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK_ERRNO((long)mmap(0, 1UL << 50, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_SHARED_VALIDATE | 1 << 25, fd, 0), EOPNOTSUPP);
	CHECK_ERRNO((long)mmap((void *)0x10000, PG, PROT_READ, MAP_SHARED_VALIDATE | MAP_FIXED_NOREPLACE, fd, 0), EOPNOTSUPP);
	CHECK(mmap(0, PG, PROT_READ, MAP_SHARED_VALIDATE | 1 << 27, fd, 0) != MAP_FAILED); // of a size of huge pages
	CHECK_ERRNO((long)mmap(0, 2 * PG, PROT_READ, MAP_PRIVATE, fd, -(long)PG), EOVERFLOW);
	CHECK(mmap(0, PG, PROT_WRITE, MAP_PRIVATE, ro, 0) != MAP_FAILED); // a copy of its own
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0), ENODEV);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_PRIVATE, open("f", O_PATH), 0), EBADF);
}

CASE(mprotect_refuses) {
	char *p = before_hole(2);
	CHECK_ERRNO(mprotect(p + 1, PG, PROT_READ), EINVAL);
	CHECK_ERRNO(mprotect(p, PG, 0x100), EINVAL);
	CHECK_ERRNO(mprotect(p, PG, PROT_GROWSUP | PROT_GROWSDOWN), EINVAL);
	CHECK_ERRNO(mprotect(p + 2 * PG, PG, PROT_READ), ENOMEM);
	CHECK_ERRNO(mprotect(p, -PG, PROT_READ), ENOMEM);
	CHECK_EQ(mprotect(p + 2 * PG, 0, PROT_READ), 0);
	CHECK_ERRNO(mprotect(p, 3 * PG, PROT_READ), ENOMEM); // and what stands before the hole has changed
	pid_t c = fork();
	if (!c) p[PG] = 1, _exit(0);
	int st;
	CHECK_EQ(waitpid(c, &st, 0), c);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(ftruncate(fd, PG) == 0);
	char *q = mmap(0, PG, PROT_READ, MAP_SHARED, open("f", O_RDONLY), 0);
	CHECK_ERRNO(mprotect(q, PG, RW), EACCES);
}

CASE(munmap_and_mremap_refuse) {
	char *p = before_hole(3);
	CHECK_ERRNO(munmap(p + 1, PG), EINVAL);
	CHECK_ERRNO(munmap(p, 0), EINVAL);
	CHECK_ERRNO(munmap(p, -PG), EINVAL);
	CHECK_EQ(munmap(p + 3 * PG, PG), 0); // nothing there is no error
	CHECK_ERRNO((long)mremap(p + 1, PG, PG, 0), EINVAL);
	CHECK_ERRNO((long)mremap(p, PG, 0, 0), EINVAL);
	CHECK_ERRNO((long)mremap(p, PG, PG, 0x100), EINVAL);
	CHECK_ERRNO((long)mremap(p, PG, PG, MREMAP_FIXED, p + PG), EINVAL);
	CHECK_ERRNO((long)mremap(p, 2 * PG, PG, MREMAP_FIXED | MREMAP_MAYMOVE, p + PG), EINVAL); // they overlap
	CHECK_ERRNO((long)mremap(p, PG, PG, MREMAP_FIXED | MREMAP_MAYMOVE, p + 1), EINVAL);
	CHECK_ERRNO((long)mremap(p + 3 * PG, PG, 2 * PG, MREMAP_MAYMOVE), EFAULT);
	CHECK_ERRNO((long)mremap(p, 4 * PG, 5 * PG, MREMAP_MAYMOVE), EFAULT);
	CHECK_ERRNO((long)mremap(p, PG, 2 * PG, 0), ENOMEM); // its neighbour is in the way
	CHECK(mremap(p, 3 * PG, PG, 0) == p);
	CHECK_ERRNO((long)mremap(p, 0, PG, MREMAP_MAYMOVE), EINVAL); // private memory is not doubled
}

CASE(msync_mincore_and_mlock_refuse) {
	char *p = before_hole(2);
	unsigned char v[4];
	CHECK_ERRNO(msync(p + 1, PG, MS_SYNC), EINVAL);
	CHECK_ERRNO(msync(p, PG, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERRNO(msync(p, PG, 0x100), EINVAL);
	CHECK_ERRNO(msync(p, 3 * PG, MS_SYNC), ENOMEM);
	CHECK_EQ(msync(p, 0, MS_SYNC), 0);
	CHECK_ERRNO(mincore(p + 1, PG, v), EINVAL);
	CHECK_ERRNO(mincore(p, 3 * PG, v), ENOMEM);
	CHECK_ERRNO(mincore(p, PG, (void *)8), EFAULT);
	CHECK_ERRNO(mincore((void *)(1UL << 48), PG, v), ENOMEM);
	CHECK_ERRNO(mlock(p, 3 * PG), ENOMEM);
	CHECK_ERRNO(munlock(p + 2 * PG, PG), ENOMEM);
	CHECK_ERRNO(mlock(p, -PG), EINVAL);
	CHECK_ERRNO(syscall(SYS_mlock2, p, PG, 2), EINVAL);
	CHECK_EQ(syscall(SYS_mlock2, p, PG, MLOCK_ONFAULT), 0);
	CHECK_ERRNO(msync(p, PG, MS_INVALIDATE), EBUSY); // it is locked
	CHECK_ERRNO(mlockall(0), EINVAL);
	CHECK_ERRNO(mlockall(MCL_ONFAULT), EINVAL);
	CHECK_ERRNO(mlockall(8), EINVAL);
	struct rlimit none = {0, 0};
	CHECK_EQ(munlock(p, PG), 0);
	CHECK(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
	CHECK(setgid(1001) == 0 && setuid(1001) == 0);
	CHECK_ERRNO(mlock(p, PG), EPERM);
	CHECK_ERRNO(mlockall(MCL_CURRENT), EPERM);
}

CASE(madvise_refuses) {
	char *p = before_hole(2);
	CHECK_ERRNO(madvise(p + 1, PG, MADV_NORMAL), EINVAL);
	CHECK_ERRNO(madvise(p, PG, 77), EINVAL);
	CHECK_ERRNO(madvise(p, -PG, MADV_NORMAL), EINVAL);
	CHECK_EQ(madvise(p, 0, MADV_DONTNEED), 0);
	CHECK_ERRNO(madvise(p, 3 * PG, MADV_NORMAL), ENOMEM);
	CHECK_ERRNO(madvise(p, PG, MADV_REMOVE), EINVAL); // private
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(ftruncate(fd, PG) == 0);
	char *q = mmap(0, PG, RW, MAP_SHARED, fd, 0);
	CHECK_ERRNO(madvise(q, PG, MADV_FREE), EINVAL);
	CHECK_ERRNO(madvise(q, PG, MADV_WIPEONFORK), EINVAL);
	CHECK_EQ(madvise(q, PG, MADV_DONTNEED), 0);
}

CASE(RLIMIT_DATA_and_RLIMIT_STACK_are_felt) {
	struct rlimit r = {1 << 20, 1 << 20};
	pid_t p = fork();
	if (!p) {
		CHECK(setrlimit(RLIMIT_DATA, &r) == 0);
		CHECK_ERRNO((long)mmap(0, 4 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
		CHECK(mmap(0, 4 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED); // what cannot be written is no data
		CHECK(mmap(0, 4 << 20, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
		void *now = sbrk(0);
		CHECK_EQ(syscall(SYS_brk, (char *)now + (8 << 20)), (long)now);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	p = fork();
	if (!p) {
		r = (struct rlimit){256 << 10, 256 << 10};
		CHECK(setrlimit(RLIMIT_STACK, &r) == 0);
		volatile char *at = (volatile char *)&r;
		for (int i = 0; i < 1024; i++) at -= PG, *at = 1;
		_exit(0);
	}
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
}

MAIN()
