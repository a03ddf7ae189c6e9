// Linux AIO: io_setup, io_submit, io_getevents and their relatives.
#include "case.h"
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>

struct ring {
	unsigned id, nr, head, tail, magic, compat, incompat, header;
	struct io_event events[];
};

static struct io_event ev[64];
static struct timespec soon = {5, 0}, now = {0, 0}, brief = {0, 50000000};

static aio_context_t setup(unsigned n) {
	aio_context_t c = 0;
	CHECK_EQ(syscall(SYS_io_setup, n, &c), 0);
	CHECK(c != 0);
	return c;
}

static long submit(aio_context_t c, struct iocb *cb) { return syscall(SYS_io_submit, c, 1, &cb); }

static long get(aio_context_t c, long min, long n, struct timespec *ts) {
	return syscall(SYS_io_getevents, c, min, n, ev, ts);
}

static struct iocb request(int op, int fd, const void *buf, size_t n, long off) {
	struct iocb cb;
	memset(&cb, 0, sizeof cb);
	cb.aio_lio_opcode = op;
	cb.aio_fildes = fd;
	cb.aio_buf = (unsigned long)buf;
	cb.aio_nbytes = n;
	cb.aio_offset = off;
	return cb;
}

static struct iocb poll_for(int fd, int events) { return request(IOCB_CMD_POLL, fd, (void *)(long)events, 0, 0); }

// run submits one request, waits for its event and returns the result.
static long long run(aio_context_t c, struct iocb *cb) {
	CHECK_EQ(submit(c, cb), 1);
	CHECK_EQ(get(c, 1, 1, &soon), 1);
	CHECK(ev[0].obj == (unsigned long)cb);
	CHECK(ev[0].data == cb->aio_data);
	CHECK_EQ(ev[0].res2, 0);
	return ev[0].res;
}

static int file(void) {
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	return fd;
}

static int sysctl_value(const char *path) {
	char b[30] = {0};
	int fd = open(path, O_RDONLY);
	CHECK(read(fd, b, 29) > 0);
	close(fd);
	return atoi(b);
}

CASE(io_setup_errors) {
	aio_context_t c = 0;
	CHECK_ERRNO(syscall(SYS_io_setup, 0, &c), EINVAL);
	CHECK_ERRNO(syscall(SYS_io_setup, 1, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_io_setup, sysctl_value("/proc/sys/fs/aio-max-nr") + 1, &c), EAGAIN);
	CHECK_ERRNO(syscall(SYS_io_setup, 4194305, &c), EINVAL);
	c = 1;
	CHECK_ERRNO(syscall(SYS_io_setup, 1, &c), EINVAL);
	CHECK_ERRNO(syscall(SYS_io_destroy, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_io_destroy, 0x1000), EINVAL);
}

CASE(a_context_is_the_address_of_its_ring) {
	aio_context_t c = setup(10);
	volatile struct ring *r = (void *)c;
	CHECK_EQ(r->magic, 0xa10a10a1);
	CHECK_EQ(r->compat, 1);
	CHECK_EQ(r->incompat, 0);
	CHECK_EQ(r->header, 32);
	CHECK_EQ(r->head, 0);
	CHECK_EQ(r->tail, 0);
	CHECK(r->nr >= 21);
	CHECK_EQ((32 + 32 * r->nr + 4095) / 4096 * 4096 - 32 * r->nr - 32, 0); // whole pages
	int fd = file();
	struct iocb cb = request(IOCB_CMD_PWRITE, fd, "hello", 5, 0);
	cb.aio_data = 77;
	CHECK_EQ(submit(c, &cb), 1);
	CHECK_EQ(r->tail, 1);
	CHECK_EQ(r->events[0].data, 77);
	CHECK(r->events[0].obj == (unsigned long)&cb);
	CHECK_EQ(r->events[0].res, 5);
	// The guest may take events itself.
	r->head = 1;
	CHECK_EQ(get(c, 0, 1, &now), 0);
	CHECK_EQ(run(c, &cb), 5);
	CHECK_EQ(r->head, 2);
}

CASE(io_destroy_takes_the_ring_away) {
	aio_context_t c = setup(10);
	unsigned char v;
	CHECK_EQ(syscall(SYS_io_destroy, c), 0);
	CHECK_ERRNO(mincore((void *)c, 4096, &v), ENOMEM);
	CHECK_ERRNO(syscall(SYS_io_destroy, c), EINVAL);
	CHECK_ERRNO(get(c, 0, 1, &now), EINVAL);
	struct iocb cb = poll_for(0, POLLIN);
	CHECK_ERRNO(submit(c, &cb), EINVAL);
}

CASE(what_is_written_can_be_read) {
	aio_context_t c = setup(10);
	int fd = file();
	char b[10] = {0};
	struct iocb w = request(IOCB_CMD_PWRITE, fd, "hello", 5, 100), r = request(IOCB_CMD_PREAD, fd, b, 10, 98);
	r.aio_data = 0x1234567890abcdef;
	CHECK_EQ(run(c, &w), 5);
	CHECK_EQ(run(c, &r), 7);
	CHECK(!memcmp(b, "\0\0hello", 7));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	r.aio_offset = 1000;
	CHECK_EQ(run(c, &r), 0);
}

CASE(vectors_are_read_and_written) {
	aio_context_t c = setup(10);
	int fd = file();
	char a[3] = {0}, b[3] = {0};
	struct iovec out[2] = {{"abc", 3}, {"def", 3}}, in[2] = {{a, 2}, {b, 3}}, bad = {(void *)8, -1};
	struct iocb w = request(IOCB_CMD_PWRITEV, fd, out, 2, 0), r = request(IOCB_CMD_PREADV, fd, in, 2, 1);
	CHECK_EQ(run(c, &w), 6);
	CHECK_EQ(run(c, &r), 5);
	CHECK(!memcmp(a, "bc", 2) && !memcmp(b, "def", 3));
	r.aio_nbytes = 1025;
	CHECK_ERRNO(submit(c, &r), EINVAL);
	r = request(IOCB_CMD_PREADV, fd, &bad, 1, 0);
	CHECK_ERRNO(submit(c, &r), EINVAL);
	r = request(IOCB_CMD_PREADV, fd, (void *)8, 1, 0);
	CHECK_ERRNO(submit(c, &r), EFAULT);
}

CASE(many_requests_at_once) {
	aio_context_t c = setup(64);
	int fd = file();
	struct iocb cb[64], *list[64];
	char b[64];
	for (int i = 0; i < 64; i++) {
		b[i] = i;
		cb[i] = request(IOCB_CMD_PWRITE, fd, b + i, 1, i);
		cb[i].aio_data = i;
		list[i] = cb + i;
	}
	CHECK_EQ(syscall(SYS_io_submit, c, 64, list), 64);
	int seen[64] = {0}, n = 0;
	while (n < 64) {
		long k = get(c, 1, 10, &soon);
		CHECK(k >= 1 && k <= 10);
		for (int i = 0; i < k; i++) {
			CHECK_EQ(ev[i].res, 1);
			CHECK_EQ(seen[ev[i].data]++, 0);
		}
		n += k;
	}
	char got[64];
	CHECK_EQ(pread(fd, got, 64, 0), 64);
	CHECK(!memcmp(b, got, 64));
}

CASE(the_ring_wraps) {
	aio_context_t c = setup(1);
	int fd = file();
	struct iocb w = request(IOCB_CMD_PWRITE, fd, "x", 1, 0);
	for (int i = 0; i < 1000; i++) {
		w.aio_data = i;
		CHECK_EQ(run(c, &w), 1);
	}
}

CASE(a_full_ring_gives_EAGAIN_until_events_are_taken) {
	aio_context_t c = setup(1);
	int fd = file(), n = 0;
	struct iocb w = request(IOCB_CMD_PWRITE, fd, "x", 1, 0);
	while (n < 10000 && submit(c, &w) == 1) n++;
	int e = errno;
	CHECK_EQ(e, EAGAIN);
	CHECK(n >= 1 && n < (int)((struct ring *)c)->nr);
	CHECK_EQ(get(c, 0, 64, &now), n < 64 ? n : 64);
	CHECK_EQ(submit(c, &w), 1);
}

CASE(errors_of_the_transfer_are_events) {
	aio_context_t c = setup(10);
	int fd = file();
	CHECK_EQ(write(fd, "hello", 5), 5);
	struct iocb cb = request(IOCB_CMD_PREAD, fd, (void *)8, 5, 0);
	CHECK_EQ(run(c, &cb), -EFAULT);
	int p[2];
	CHECK(pipe(p) == 0);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	cb = request(IOCB_CMD_PWRITE, p[1], "x", 1, 0);
	CHECK_EQ(run(c, &cb), -EPIPE);
}

CASE(errors_of_the_request_are_results) {
	aio_context_t c = setup(10);
	int fd = file();
	char b[10];
	struct iocb cb = request(IOCB_CMD_PREAD, 99, b, 1, 0);
	CHECK_ERRNO(submit(c, &cb), EBADF);
	cb.aio_fildes = open("f", O_PATH);
	CHECK_ERRNO(submit(c, &cb), EBADF);
	cb.aio_fildes = open("f", O_WRONLY);
	CHECK_ERRNO(submit(c, &cb), EBADF);
	cb.aio_fildes = open(".", O_RDONLY);
	CHECK_ERRNO(submit(c, &cb), EINVAL);
	cb = request(IOCB_CMD_PWRITE, open("f", O_RDONLY), b, 1, 0);
	CHECK_ERRNO(submit(c, &cb), EBADF);
	cb = request(IOCB_CMD_PREAD, fd, b, -1, 0);
	CHECK_ERRNO(submit(c, &cb), EINVAL);
	cb = request(IOCB_CMD_PREAD, fd, b, 1, -1);
	CHECK_ERRNO(submit(c, &cb), EINVAL);
	cb = request(IOCB_CMD_PREAD, fd, b, 1, 0);
	cb.aio_rw_flags = 1 << 20;
	CHECK_ERRNO(submit(c, &cb), EOPNOTSUPP);
	cb.aio_rw_flags = 0;
	cb.aio_reserved2 = 1;
	CHECK_ERRNO(submit(c, &cb), EINVAL);
	for (int op = 9; op < 12; op++) {
		cb = request(op, fd, b, 1, 0);
		CHECK_ERRNO(submit(c, &cb), EINVAL);
	}
	cb = request(IOCB_CMD_NOOP, fd, 0, 0, 0);
	CHECK_ERRNO(submit(c, &cb), EINVAL); // never done by Linux
	CHECK_EQ(get(c, 0, 10, &now), 0);
}

CASE(io_submit_takes_requests_up_to_the_first_bad_one) {
	aio_context_t c = setup(10);
	int fd = file();
	struct iocb cb = request(IOCB_CMD_PWRITE, fd, "x", 1, 0), bad = cb, *list[4] = {&cb, &cb, &bad, &cb};
	bad.aio_fildes = 99;
	CHECK_EQ(syscall(SYS_io_submit, c, 4, list), 2);
	CHECK_EQ(get(c, 2, 10, &soon), 2);
	list[1] = (void *)8;
	CHECK_EQ(syscall(SYS_io_submit, c, 4, list), 1);
	CHECK_ERRNO(syscall(SYS_io_submit, c, 3, list + 1), EFAULT);
	CHECK_ERRNO(syscall(SYS_io_submit, c, 1, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_io_submit, c, -1L, list), EINVAL);
	CHECK_EQ(syscall(SYS_io_submit, c, 0, list), 0);
	CHECK_ERRNO(syscall(SYS_io_submit, 0, 1, list), EINVAL);
	cb.aio_key = 5;
	CHECK_EQ(submit(c, &cb), 1);
	CHECK_EQ(cb.aio_key, 0); // set by the kernel
}

CASE(files_are_synced) {
	aio_context_t c = setup(10);
	int fd = file(), p[2];
	CHECK_EQ(write(fd, "x", 1), 1);
	struct iocb cb = request(IOCB_CMD_FSYNC, fd, 0, 0, 0);
	CHECK_EQ(run(c, &cb), 0);
	cb.aio_lio_opcode = IOCB_CMD_FDSYNC;
	CHECK_EQ(run(c, &cb), 0);
	cb.aio_nbytes = 1;
	CHECK_ERRNO(submit(c, &cb), EINVAL);
	CHECK(pipe(p) == 0);
	cb = request(IOCB_CMD_FSYNC, p[0], 0, 0, 0);
	CHECK_ERRNO(submit(c, &cb), EINVAL);
	cb.aio_fildes = 99;
	CHECK_ERRNO(submit(c, &cb), EBADF);
}

CASE(poll_ends_when_the_file_is_ready) {
	aio_context_t c = setup(10);
	int p[2];
	CHECK(pipe(p) == 0);
	struct iocb cb = poll_for(p[0], POLLIN), out = poll_for(p[1], POLLOUT);
	CHECK_EQ(run(c, &out), POLLOUT);
	CHECK_EQ(submit(c, &cb), 1);
	CHECK_EQ(get(c, 1, 1, &brief), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(get(c, 1, 1, &soon), 1);
	CHECK_EQ(ev[0].res & ~POLLRDNORM, POLLIN); // Linux tells what the wake-up told
	CHECK(ev[0].obj == (unsigned long)&cb);
	CHECK_EQ(run(c, &cb), POLLIN); // ready at once
	CHECK_EQ(get(c, 0, 1, &now), 0); // once each
	close(p[1]);
	char b[1];
	CHECK_EQ(read(p[0], b, 1), 1);
	CHECK_EQ(run(c, &cb), POLLHUP);
	cb = poll_for(file(), POLLIN | POLLOUT);
	CHECK_EQ(run(c, &cb), POLLIN | POLLOUT);
	cb.aio_buf = 0x10001;
	CHECK_ERRNO(submit(c, &cb), EINVAL);
	cb.aio_buf = POLLIN;
	cb.aio_offset = 1;
	CHECK_ERRNO(submit(c, &cb), EINVAL);
}

static void *write_later(void *arg) {
	msleep(100);
	CHECK_EQ(write(*(int *)arg, "x", 1), 1);
	return 0;
}

CASE(io_getevents_waits_for_an_event) {
	aio_context_t c = setup(10);
	int p[2];
	CHECK(pipe(p) == 0);
	struct iocb cb = poll_for(p[0], POLLIN);
	CHECK_EQ(submit(c, &cb), 1);
	pthread_t t;
	CHECK_EQ(pthread_create(&t, 0, write_later, &p[1]), 0);
	long long start = now_ms();
	CHECK_EQ(get(c, 1, 1, 0), 1);
	CHECK(now_ms() - start >= 50);
	pthread_join(t, 0);
}

CASE(io_getevents_errors_and_timeouts) {
	aio_context_t c = setup(10);
	long long start = now_ms();
	CHECK_EQ(get(c, 1, 1, &brief), 0);
	CHECK(now_ms() - start >= 45);
	CHECK_EQ(get(c, 0, 1, 0), 0);
	CHECK_EQ(get(c, 0, 0, 0), 0);
	CHECK_ERRNO(get(c, 2, 1, &now), EINVAL);
	CHECK_ERRNO(get(c, -1, 1, &now), EINVAL);
	CHECK_ERRNO(get(0, 0, 1, &now), EINVAL);
	CHECK_ERRNO(get(c + 4096, 0, 1, &now), EINVAL);
	CHECK_ERRNO(get(c, 0, 1, (void *)8), EFAULT);
	struct iocb cb = request(IOCB_CMD_PWRITE, file(), "x", 1, 0);
	CHECK_EQ(submit(c, &cb), 1);
	CHECK_ERRNO(syscall(SYS_io_getevents, c, 1, 1, 8, &now), EFAULT);
	CHECK_EQ(get(c, 2, 10, &brief), 1); // fewer than wanted
}

CASE(a_cancelled_poll_has_an_event) {
	aio_context_t c = setup(10);
	int p[2];
	CHECK(pipe(p) == 0);
	struct iocb cb = poll_for(p[0], POLLIN);
	CHECK_EQ(submit(c, &cb), 1);
	CHECK_ERRNO(syscall(SYS_io_cancel, c, &cb, ev), EINPROGRESS);
	CHECK_EQ(get(c, 1, 1, &soon), 1);
	CHECK(ev[0].obj == (unsigned long)&cb);
	CHECK_EQ(ev[0].res, 0);
	CHECK_ERRNO(syscall(SYS_io_cancel, c, &cb, ev), EINVAL);
	CHECK_ERRNO(syscall(SYS_io_cancel, c, 8, ev), EFAULT);
	CHECK_ERRNO(syscall(SYS_io_cancel, 0, &cb, ev), EINVAL);
	cb.aio_key = 1;
	CHECK_ERRNO(syscall(SYS_io_cancel, c, &cb, ev), EINVAL);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(get(c, 0, 1, &brief), 0);
}

CASE(an_eventfd_counts_events) {
	aio_context_t c = setup(10);
	int fd = file(), e = eventfd(0, EFD_NONBLOCK);
	struct iocb cb = request(IOCB_CMD_PWRITE, fd, "x", 1, 0);
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = e;
	for (int i = 0; i < 3; i++) CHECK_EQ(submit(c, &cb), 1);
	eventfd_t n;
	CHECK_EQ(eventfd_read(e, &n), 0);
	CHECK_EQ(n, 3);
	CHECK_EQ(get(c, 3, 10, &soon), 3);
	cb.aio_resfd = fd;
	CHECK_ERRNO(submit(c, &cb), EINVAL);
	cb.aio_resfd = 99;
	CHECK_ERRNO(submit(c, &cb), EBADF);
	int p[2];
	CHECK(pipe(p) == 0);
	cb = poll_for(p[0], POLLIN);
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = e;
	CHECK_EQ(submit(c, &cb), 1);
	CHECK_EQ(write(p[1], "x", 1), 1);
	struct pollfd pf = {e, POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 5000), 1);
	CHECK_EQ(get(c, 1, 1, &now), 1);
}

CASE(priorities_are_checked) {
	aio_context_t c = setup(10);
	struct iocb cb = request(IOCB_CMD_PWRITE, file(), "x", 1, 0);
	cb.aio_flags = IOCB_FLAG_IOPRIO;
	cb.aio_reqprio = 2 << 13 | 3;
	CHECK_EQ(run(c, &cb), 1);
	cb.aio_reqprio = 1 << 13;
	CHECK_EQ(run(c, &cb), 1);
	cb.aio_reqprio = 4 << 13;
	CHECK_ERRNO(submit(c, &cb), EINVAL);
	CHECK(setresuid(1000, 1000, 1000) == 0);
	cb.aio_reqprio = 1 << 13;
	CHECK_ERRNO(submit(c, &cb), EPERM);
}

CASE(a_pipe_has_no_offsets) {
	aio_context_t c = setup(10);
	int p[2];
	char b[10];
	CHECK(pipe(p) == 0);
	struct iocb w = request(IOCB_CMD_PWRITE, p[1], "hello", 5, 4096), r = request(IOCB_CMD_PREAD, p[0], b, 10, 77);
	CHECK_EQ(run(c, &w), 5);
	CHECK_EQ(run(c, &r), 5);
	r.aio_rw_flags = 8; // RWF_NOWAIT
	CHECK_EQ(run(c, &r), -EAGAIN);
}

static void on_alarm(int s) {}

CASE(a_signal_interrupts_io_getevents) {
	aio_context_t c = setup(10);
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &sa, 0);
	ualarm(50000, 0);
	CHECK_ERRNO(get(c, 1, 1, &soon), EINTR);
}

CASE(io_pgetevents_waits_with_another_mask) {
	aio_context_t c = setup(10);
	struct { void *mask; size_t size; } arg = {0, 0};
	sigset_t block, none;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	signal(SIGUSR1, on_alarm);
	sigprocmask(SIG_BLOCK, &block, 0);
	raise(SIGUSR1);
	CHECK_EQ(syscall(SYS_io_pgetevents, c, 1, 1, ev, &brief, &arg), 0);
	arg.mask = &none;
	arg.size = 8;
	CHECK_ERRNO(syscall(SYS_io_pgetevents, c, 1, 1, ev, &soon, &arg), EINTR);
	sigset_t is;
	sigprocmask(SIG_BLOCK, 0, &is);
	CHECK(sigismember(&is, SIGUSR1));
	arg.size = 4;
	CHECK_ERRNO(syscall(SYS_io_pgetevents, c, 1, 1, ev, &now, &arg), EINVAL);
	CHECK_ERRNO(syscall(SYS_io_pgetevents, c, 1, 1, ev, &now, 8), EFAULT);
	struct iocb cb = request(IOCB_CMD_PWRITE, file(), "x", 1, 0);
	CHECK_EQ(submit(c, &cb), 1);
	CHECK_EQ(syscall(SYS_io_pgetevents, c, 1, 1, ev, 0, 0), 1);
}

CASE(contexts_do_not_pass_to_a_child) {
	aio_context_t c = setup(10);
	pid_t p = fork();
	if (!p) {
		CHECK_ERRNO(get(c, 0, 1, &now), EINVAL);
		CHECK_ERRNO(syscall(SYS_io_destroy, c), EINVAL);
		aio_context_t own = setup(10);
		CHECK_EQ(get(own, 0, 1, &now), 0);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(get(c, 0, 1, &now), 0);
}

CASE(exit_and_exec_end_what_is_in_flight) {
	int p[2];
	CHECK(pipe(p) == 0);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		if (!pid) {
			aio_context_t c = setup(10);
			struct iocb cb = poll_for(p[0], POLLIN), sync = request(IOCB_CMD_FSYNC, file(), 0, 0, 0);
			CHECK_EQ(submit(c, &cb), 1);
			CHECK_EQ(submit(c, &sync), 1);
			if (i == 0) _exit(0);
			if (i == 1) execl("/bin/true", "true", NULL);
			raise(SIGKILL);
		}
		int st;
		CHECK_EQ(waitpid(pid, &st, 0), pid);
		CHECK_EQ(st, i == 2 ? SIGKILL : 0);
	}
	close(p[0]); // nobody else holds it any more
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
}

static void *destroy_later(void *arg) {
	msleep(100);
	CHECK_EQ(syscall(SYS_io_destroy, *(aio_context_t *)arg), 0);
	return 0;
}

CASE(io_destroy_ends_waiting_and_polls) {
	aio_context_t c = setup(10);
	int p[2];
	CHECK(pipe(p) == 0);
	struct iocb cb = poll_for(p[0], POLLIN);
	CHECK_EQ(submit(c, &cb), 1);
	pthread_t t;
	CHECK_EQ(pthread_create(&t, 0, destroy_later, &c), 0);
	CHECK_ERRNO(get(c, 2, 2, &soon), EINVAL);
	pthread_join(t, 0);
}

CASE(the_limit_counts_all_contexts) {
	aio_context_t c = setup(1000), d = 0;
	CHECK(sysctl_value("/proc/sys/fs/aio-nr") >= 1000);
	CHECK_ERRNO(syscall(SYS_io_setup, sysctl_value("/proc/sys/fs/aio-max-nr"), &d), EAGAIN);
	CHECK_EQ(syscall(SYS_io_destroy, c), 0);
}

CASE(direct_transfers_end_later) {
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0600);
	if (fd < 0) fd = file(); // not every file system has it
	aio_context_t c = setup(32);
	char *b = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(b, 'x', 65536);
	struct iocb cb[16], *list[16];
	for (int i = 0; i < 16; i++) {
		b[i * 4096] = i;
		cb[i] = request(IOCB_CMD_PWRITE, fd, b + i * 4096, 4096, i * 4096);
		list[i] = cb + i;
	}
	CHECK_EQ(syscall(SYS_io_submit, c, 16, list), 16);
	CHECK_EQ(get(c, 16, 64, &soon), 16);
	for (int i = 0; i < 16; i++) CHECK_EQ(ev[i].res, 4096);
	memset(b, 0, 65536);
	for (int i = 0; i < 16; i++) cb[i].aio_lio_opcode = IOCB_CMD_PREAD;
	CHECK_EQ(syscall(SYS_io_submit, c, 16, list), 16);
	CHECK_EQ(get(c, 16, 64, &soon), 16);
	for (int i = 0; i < 16; i++) {
		CHECK_EQ(ev[i].res, 4096);
		CHECK_EQ(b[i * 4096], i);
		CHECK_EQ(b[i * 4096 + 4095], 'x');
	}
}

MAIN()
