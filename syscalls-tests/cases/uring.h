// What the cases of io_uring share: a ring without liburing.
#ifndef URING_H
#define URING_H
#include "case.h"
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

// What older headers lack.
enum {
	OP_SENDMSG_ZC = 48, OP_READ_MULTISHOT, OP_WAITID, OP_FUTEX_WAIT, OP_FUTEX_WAKE, OP_FUTEX_WAITV, OP_FIXED_FD_INSTALL,
	OP_FTRUNCATE, OP_BIND, OP_LISTEN,
};
#define SETUP_NO_SQARRAY (1u << 16)
#define REGISTER_PBUF_STATUS 26
#define REGISTER_CLOCK 29
#define ENTER_ABS_TIMER (1u << 5)

struct cqe {
	unsigned long long user_data;
	int res;
	unsigned flags;
};

struct ring {
	int fd;
	struct io_uring_params p;
	char *rings;
	struct io_uring_sqe *sqes;
	unsigned *sq_head, *sq_tail, *sq_flags, *array, *cq_head, *cq_tail, *overflow, *cq_flags;
	struct io_uring_cqe *cqes;
	unsigned tail; // of what is submitted next
};

static int ring_try(struct ring *r, unsigned entries, unsigned flags) {
	memset(r, 0, sizeof *r);
	r->p.flags = flags;
	r->fd = syscall(SYS_io_uring_setup, entries, &r->p);
	return r->fd;
}

static void ring_map(struct ring *r) {
	unsigned sq = r->p.sq_off.array + r->p.sq_entries * 4, cq = r->p.cq_off.cqes + r->p.cq_entries * 16;
	if (r->p.flags & IORING_SETUP_CQE32) cq += r->p.cq_entries * 16;
	r->rings = mmap(0, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	CHECK(r->rings != MAP_FAILED);
	r->sqes = mmap(0, r->p.sq_entries * ((r->p.flags & IORING_SETUP_SQE128) ? 128 : 64), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	CHECK(r->sqes != MAP_FAILED);
#define AT(x) ((unsigned *)(r->rings + r->p.x))
	r->sq_head = AT(sq_off.head), r->sq_tail = AT(sq_off.tail), r->sq_flags = AT(sq_off.flags), r->array = AT(sq_off.array);
	r->cq_head = AT(cq_off.head), r->cq_tail = AT(cq_off.tail), r->overflow = AT(cq_off.overflow), r->cq_flags = AT(cq_off.flags);
	r->cqes = (struct io_uring_cqe *)AT(cq_off.cqes);
}

static void ring_init(struct ring *r, unsigned entries, unsigned flags) {
	CHECK(ring_try(r, entries, flags) >= 0);
	ring_map(r);
}

static long enter(struct ring *r, unsigned submit, unsigned wait, unsigned flags) {
	return syscall(SYS_io_uring_enter, r->fd, submit, wait, flags, 0, 0);
}

__attribute__((unused)) static long reg(struct ring *r, unsigned op, void *arg, unsigned n) {
	return syscall(SYS_io_uring_register, r->fd, op, arg, n);
}

// sqe returns the next submission, filled with what most have.
static struct io_uring_sqe *sqe(struct ring *r, int op, int fd, const void *addr, unsigned len, unsigned long long off, unsigned long long data) {
	unsigned i = r->tail & (r->p.sq_entries - 1);
	struct io_uring_sqe *s = (void *)((char *)r->sqes + i * ((r->p.flags & IORING_SETUP_SQE128) ? 128 : 64));
	memset(s, 0, sizeof *s);
	s->opcode = op, s->fd = fd, s->addr = (unsigned long)addr, s->len = len, s->off = off, s->user_data = data;
	if (!(r->p.flags & SETUP_NO_SQARRAY)) r->array[i] = i;
	r->tail++;
	return s;
}

// push shows the kernel what sqe made.
static unsigned push(struct ring *r) {
	unsigned n = r->tail - *r->sq_tail;
	__atomic_store_n(r->sq_tail, r->tail, __ATOMIC_RELEASE);
	return n;
}

// submit submits all and waits for that many completions.
static void submit(struct ring *r, unsigned wait) {
	unsigned n = push(r);
	CHECK_EQ(enter(r, n, wait, IORING_ENTER_GETEVENTS), n);
}

static unsigned ready(struct ring *r) { return __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) - *r->cq_head; }

// next takes a completion, waiting for it up to some seconds.
static struct cqe next(struct ring *r) {
	struct __kernel_timespec ts = {10, 0};
	struct io_uring_getevents_arg a = {.ts = (unsigned long)&ts};
	if (!ready(r)) CHECK_EQ(syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &a, sizeof a), 0);
	CHECK(ready(r) > 0);
	struct io_uring_cqe *at = &r->cqes[(*r->cq_head & (r->p.cq_entries - 1)) << !!(r->p.flags & IORING_SETUP_CQE32)];
	struct cqe c = {at->user_data, at->res, at->flags};
	__atomic_store_n(r->cq_head, *r->cq_head + 1, __ATOMIC_RELEASE);
	return c;
}

// WANT takes a completion and compares it.
#define WANT(r, data, result)                                                                                            \
	do {                                                                                                             \
		struct cqe c_ = next(r);                                                                        \
		if (c_.user_data != (data) || c_.res != (result))                                                        \
			fail(__FILE__, __LINE__, "completion %llu with %d (flags %#x), want %llu with %lld",             \
			     (unsigned long long)c_.user_data, c_.res, c_.flags, (unsigned long long)(data), (long long)(result)); \
	} while (0)

// results takes n completions, in any order, and stores their results by user data, which is below 32.
__attribute__((unused)) static void results(struct ring *r, int n, int *res) {
	while (n-- > 0) {
		struct cqe c = next(r);
		CHECK(c.user_data < 32);
		res[c.user_data] = c.res;
	}
}

// run submits what sqe made, one request, and returns its result.
static int run(struct ring *r) {
	submit(r, 1);
	return next(r).res;
}

__attribute__((unused)) static int temp(const char *text) {
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

#endif
