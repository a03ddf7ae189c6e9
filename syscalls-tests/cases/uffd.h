// What cases of userfaultfd(2) share.
#ifndef UFFD_H
#define UFFD_H
#include "case.h"
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PG 4096UL

// What older headers lack.
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_POISON
#define UFFD_FEATURE_POISON (1 << 14)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)
#endif

#define RW (PROT_READ | PROT_WRITE)
#define MISSING UFFDIO_REGISTER_MODE_MISSING
#define WP UFFDIO_REGISTER_MODE_WP
#define MINOR UFFDIO_REGISTER_MODE_MINOR

static uint64_t u64(const void *p) { return (uint64_t)p; }

__attribute__((unused)) static char *anon(size_t pages) {
	char *p = mmap(0, pages * PG, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

// shm maps a memfd, whose descriptor is *fd.
__attribute__((unused)) static char *shm(size_t pages, int *fd) {
	*fd = memfd_create("shm", 0);
	CHECK(ftruncate(*fd, pages * PG) == 0);
	char *p = mmap(0, pages * PG, RW, MAP_SHARED, *fd, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

// uffd_open makes a userfaultfd with features.
__attribute__((unused)) static int uffd_open(int flags, uint64_t features) {
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | flags);
	CHECK(fd >= 0);
	struct uffdio_api api = {.api = UFFD_API, .features = features};
	CHECK_EQ(ioctl(fd, UFFDIO_API, &api), 0);
	return fd;
}

__attribute__((unused)) static int reg(int fd, void *p, size_t n, uint64_t mode) {
	struct uffdio_register r = {{u64(p), n}, mode, 0};
	return ioctl(fd, UFFDIO_REGISTER, &r);
}

__attribute__((unused)) static int range(int fd, unsigned long cmd, void *p, size_t n) {
	struct uffdio_range r = {u64(p), n};
	return ioctl(fd, cmd, &r);
}

// fill is UFFDIO_COPY.
__attribute__((unused)) static int fill(int fd, void *dst, const void *src, size_t n, uint64_t mode) {
	struct uffdio_copy c = {u64(dst), u64(src), n, mode, 0};
	return ioctl(fd, UFFDIO_COPY, &c);
}

__attribute__((unused)) static int zeropage(int fd, void *dst, size_t n) {
	struct uffdio_zeropage c = {{u64(dst), n}, 0, 0};
	return ioctl(fd, UFFDIO_ZEROPAGE, &c);
}

__attribute__((unused)) static int writeprotect(int fd, void *p, size_t n, uint64_t mode) {
	struct uffdio_writeprotect w = {{u64(p), n}, mode};
	return ioctl(fd, UFFDIO_WRITEPROTECT, &w);
}

__attribute__((unused)) static int cont(int fd, void *p, size_t n, uint64_t mode) {
	struct uffdio_continue c = {{u64(p), n}, mode, 0};
	return ioctl(fd, UFFDIO_CONTINUE, &c);
}

#define IOC_POISON _IOWR(UFFDIO, 0x08, uint64_t[4])
#define IOC_MOVE _IOWR(UFFDIO, 0x05, uint64_t[5])

__attribute__((unused)) static int poison(int fd, void *p, size_t n) {
	uint64_t w[4] = {u64(p), n};
	return ioctl(fd, IOC_POISON, w);
}

// move returns what UFFDIO_MOVE does and, in moved, what it answers.
__attribute__((unused)) static int move(int fd, void *dst, void *src, size_t n, uint64_t mode, long *moved) {
	uint64_t w[5] = {u64(dst), u64(src), n, mode};
	int r = ioctl(fd, IOC_MOVE, w);
	*moved = w[4];
	return r;
}

// event reads one message, waiting for it.
__attribute__((unused)) static struct uffd_msg event(int fd) {
	struct uffd_msg m;
	for (;;) {
		ssize_t n = read(fd, &m, sizeof m);
		if (n == sizeof m) return m;
		if (n != -1 || errno != EAGAIN) fail(__FILE__, __LINE__, "read of a userfaultfd: %zd, errno %d", n, errno);
		struct pollfd p = {fd, POLLIN, 0};
		poll(&p, 1, 1000);
	}
}

__attribute__((unused)) static struct uffd_msg fault_at(int fd, void *p) {
	struct uffd_msg m = event(fd);
	CHECK_EQ(m.event, UFFD_EVENT_PAGEFAULT);
	CHECK_EQ(m.arg.pagefault.address, u64(p));
	return m;
}

// A filler thread answers each fault for a missing page with a page full of the letter.
struct filler {
	int fd;
	char letter;
	int faults;
	pthread_t thread;
};

__attribute__((unused)) static void *filler_run(void *a) {
	struct filler *f = a;
	static __thread char page[PG];
	memset(page, f->letter, PG);
	for (;;) {
		struct uffd_msg m = event(f->fd);
		f->faults++;
		fill(f->fd, (void *)(m.arg.pagefault.address & -PG), page, PG, 0);
	}
	return 0;
}

__attribute__((unused)) static void filler_start(struct filler *f, int fd, char letter) {
	*f = (struct filler){.fd = fd, .letter = letter};
	CHECK(pthread_create(&f->thread, 0, filler_run, f) == 0);
}

// A toucher thread reads or writes one byte.
struct toucher {
	volatile char *p;
	int write;
	char got;
	volatile int done;
	pid_t tid;
	pthread_t thread;
};

__attribute__((unused)) static void *toucher_run(void *a) {
	struct toucher *t = a;
	t->tid = syscall(SYS_gettid);
	if (t->write) *t->p = t->write;
	t->got = *t->p;
	t->done = 1;
	return 0;
}

__attribute__((unused)) static void touch(struct toucher *t, void *p, int write) {
	*t = (struct toucher){.p = p, .write = write};
	CHECK(pthread_create(&t->thread, 0, toucher_run, t) == 0);
}

__attribute__((unused)) static char touched(struct toucher *t) {
	CHECK(pthread_join(t->thread, 0) == 0);
	return t->got;
}

static char page_a[PG], page_b[PG];

__attribute__((constructor, unused)) static void fill_pages(void) {
	memset(page_a, 'a', PG);
	memset(page_b, 'b', PG);
}

#endif
