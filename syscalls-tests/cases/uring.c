// io_uring: rings, chains, files, registered resources.
#include "uring.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

static struct ring r;
static char buf[4096];

CASE(setup_rounds_entries_up_and_doubles_them_for_completions) {
	ring_init(&r, 5, 0);
	CHECK_EQ(r.p.sq_entries, 8);
	CHECK_EQ(r.p.cq_entries, 16);
	CHECK_EQ(*(unsigned *)(r.rings + r.p.sq_off.ring_mask), 7);
	CHECK_EQ(*(unsigned *)(r.rings + r.p.cq_off.ring_mask), 15);
	CHECK_EQ(*(unsigned *)(r.rings + r.p.sq_off.ring_entries), 8);
	CHECK_EQ(*(unsigned *)(r.rings + r.p.cq_off.ring_entries), 16);
	CHECK(r.p.features & IORING_FEAT_SINGLE_MMAP);
	CHECK(r.p.features & IORING_FEAT_NODROP);
	CHECK_EQ(fcntl(r.fd, F_GETFD), FD_CLOEXEC);
}

CASE(setup_errors) {
	struct io_uring_params p = {0};
	CHECK_ERRNO(syscall(SYS_io_uring_setup, 1, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_io_uring_setup, 0, &p), EINVAL);
	CHECK_ERRNO(syscall(SYS_io_uring_setup, 32769, &p), EINVAL);
	p.resv[1] = 1;
	CHECK_ERRNO(syscall(SYS_io_uring_setup, 1, &p), EINVAL);
	CHECK_ERRNO(ring_try(&r, 1, 1u << 31), EINVAL);
	CHECK_ERRNO(ring_try(&r, 1, IORING_SETUP_DEFER_TASKRUN), EINVAL);
	CHECK_ERRNO(ring_try(&r, 1, IORING_SETUP_TASKRUN_FLAG), EINVAL);
	CHECK_ERRNO(ring_try(&r, 1, IORING_SETUP_SQ_AFF), EINVAL);
	CHECK_ERRNO(ring_try(&r, 1, IORING_SETUP_SQPOLL | IORING_SETUP_COOP_TASKRUN), EINVAL);
	CHECK_ERRNO(ring_try(&r, 1, IORING_SETUP_CQSIZE), EINVAL);
}

CASE(setup_sizes_of_the_completion_ring) {
	struct io_uring_params p = {.flags = IORING_SETUP_CQSIZE, .cq_entries = 3};
	CHECK_ERRNO(syscall(SYS_io_uring_setup, 8, &p), EINVAL);
	p = (struct io_uring_params){.flags = IORING_SETUP_CQSIZE, .cq_entries = 33};
	CHECK(syscall(SYS_io_uring_setup, 8, &p) >= 0);
	CHECK_EQ(p.cq_entries, 64);
	p = (struct io_uring_params){.flags = IORING_SETUP_CLAMP};
	int fd = syscall(SYS_io_uring_setup, 100000, &p);
	if (fd < 0) CHECK(errno == ENOMEM); // a limit on locked memory
	else CHECK_EQ(p.sq_entries, 32768);
}

CASE(mmap_of_an_unknown_offset_is_ENOMEM) {
	ring_init(&r, 1, 0);
	CHECK_ERRNO((long)mmap(0, 4096, PROT_READ, MAP_SHARED, r.fd, 0x40000000), ENOMEM);
	char *b = mmap(0, 4096, PROT_READ, MAP_SHARED, r.fd, IORING_OFF_CQ_RING);
	CHECK(b != MAP_FAILED);
	CHECK_EQ(memcmp(b, r.rings, 64), 0);
}

CASE(nop_completes_with_its_user_data) {
	ring_init(&r, 4, 0);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 0x1234567890abcdef);
	submit(&r, 1);
	CHECK_EQ(*r.sq_head, 1);
	WANT(&r, 0x1234567890abcdef, 0);
}

CASE(enter_errors) {
	ring_init(&r, 4, 0);
	CHECK_ERRNO(enter(&r, 0, 0, 1u << 30), EINVAL);
	CHECK_ERRNO(syscall(SYS_io_uring_enter, -1, 0, 0, 0, 0, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_io_uring_enter, 0, 0, 0, 0, 0, 0), EOPNOTSUPP);
	CHECK_ERRNO(syscall(SYS_io_uring_enter, r.fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, buf, 3), EINVAL);
	CHECK_ERRNO(syscall(SYS_io_uring_enter, 3000, 0, 0, IORING_ENTER_REGISTERED_RING, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_io_uring_enter, 3, 0, 0, IORING_ENTER_REGISTERED_RING, 0, 0), EBADF);
	CHECK_EQ(enter(&r, 7, 0, 0), 0);
}

CASE(an_index_out_of_range_is_dropped) {
	ring_init(&r, 4, 0);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 2);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 3);
	r.array[1] = 4;
	push(&r);
	CHECK_EQ(enter(&r, 3, 0, 0), 1);
	CHECK_EQ(*(unsigned *)(r.rings + r.p.sq_off.dropped), 1);
	CHECK_EQ(enter(&r, 1, 0, 0), 1);
	WANT(&r, 1, 0);
	WANT(&r, 3, 0);
	CHECK_EQ(ready(&r), 0);
}

CASE(without_an_array_submissions_are_taken_in_order) {
	ring_init(&r, 4, SETUP_NO_SQARRAY);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 2);
	submit(&r, 2);
	WANT(&r, 1, 0);
	WANT(&r, 2, 0);
}

CASE(big_entries) {
	ring_init(&r, 4, IORING_SETUP_SQE128 | IORING_SETUP_CQE32);
	for (int i = 1; i <= 3; i++) sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, i);
	submit(&r, 3);
	for (int i = 1; i <= 3; i++) WANT(&r, i, 0);
}

CASE(a_wrong_submission_is_the_last_that_is_taken) {
	ring_init(&r, 8, 0);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1);
	sqe(&r, 200, -1, 0, 0, 0, 2);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 3);
	push(&r);
	CHECK_EQ(enter(&r, 3, 0, 0), 2);
	WANT(&r, 1, 0);
	WANT(&r, 2, -EINVAL);
	CHECK_EQ(enter(&r, 1, 0, 0), 1);
	WANT(&r, 3, 0);
}

CASE(SUBMIT_ALL_goes_on_after_a_wrong_submission) {
	ring_init(&r, 8, IORING_SETUP_SUBMIT_ALL);
	sqe(&r, 200, -1, 0, 0, 0, 2);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&r, 2);
	WANT(&r, 2, -EINVAL);
	WANT(&r, 3, 0);
}

CASE(flags_of_submissions_are_checked) {
	ring_init(&r, 8, 0);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = 1 << 7;
	CHECK_EQ(run(&r), -EINVAL);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = IOSQE_BUFFER_SELECT;
	CHECK_EQ(run(&r), -EOPNOTSUPP);
	sqe(&r, IORING_OP_FSYNC, 0, 0, 0, 0, 1)->ioprio = 1;
	CHECK_EQ(run(&r), -EINVAL);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1)->personality = 7;
	CHECK_EQ(run(&r), -EINVAL);
	sqe(&r, IORING_OP_READ, 77, buf, 1, 0, 1);
	CHECK_EQ(run(&r), -EBADF);
}

CASE(completions_that_overflow_wait_for_room) {
	ring_init(&r, 2, 0);
	for (int i = 0; i < 8; i++) {
		sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, i);
		submit(&r, 0);
	}
	CHECK(*r.sq_flags & IORING_SQ_CQ_OVERFLOW);
	CHECK_EQ(ready(&r), 4);
	for (int i = 0; i < 4; i++) WANT(&r, i, 0);
	CHECK_EQ(ready(&r), 0);
	for (int i = 4; i < 8; i++) WANT(&r, i, 0);
	CHECK(!(*r.sq_flags & IORING_SQ_CQ_OVERFLOW));
	CHECK_EQ(*r.overflow, 0);
}

CASE(a_wait_can_time_out) {
	ring_init(&r, 2, 0);
	struct __kernel_timespec ts = {0, 10000000};
	struct io_uring_getevents_arg a = {.ts = (unsigned long)&ts};
	long long start = now_ms();
	CHECK_ERRNO(syscall(SYS_io_uring_enter, r.fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &a, sizeof a), ETIME);
	CHECK(now_ms() - start >= 9);
}

static void nothing(int s) {}

CASE(a_signal_interrupts_a_wait) {
	ring_init(&r, 2, 0);
	struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	sigaction(SIGUSR1, &sa, 0);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 200; i++) {
			kill(parent, SIGUSR1);
			msleep(5);
		}
		_exit(0);
	}
	CHECK_ERRNO(enter(&r, 0, 1, IORING_ENTER_GETEVENTS), EINTR);
	kill(pid, SIGKILL);
}

CASE(read_and_write_a_file) {
	ring_init(&r, 8, 0);
	int fd = temp("");
	sqe(&r, IORING_OP_WRITE, fd, "hello world", 11, 0, 1);
	CHECK_EQ(run(&r), 11);
	sqe(&r, IORING_OP_READ, fd, buf, 100, 6, 2);
	CHECK_EQ(run(&r), 5);
	CHECK_EQ(memcmp(buf, "world", 5), 0);
	struct iovec v[2] = {{"ab", 2}, {"cd", 2}};
	sqe(&r, IORING_OP_WRITEV, fd, v, 2, 4, 3);
	CHECK_EQ(run(&r), 4);
	struct iovec w[2] = {{buf, 5}, {buf + 100, 5}};
	sqe(&r, IORING_OP_READV, fd, w, 2, 0, 4);
	CHECK_EQ(run(&r), 10);
	CHECK_EQ(memcmp(buf, "hella", 5), 0);
	CHECK_EQ(memcmp(buf + 100, "bcdrl", 5), 0);
	sqe(&r, IORING_OP_READ, fd, (void *)8, 5, 0, 5);
	CHECK_EQ(run(&r), -EFAULT);
	sqe(&r, IORING_OP_READ, fd, buf, 5, -2, 5);
	CHECK_EQ(run(&r), -EINVAL);
	sqe(&r, IORING_OP_READ, fd, buf, 5, 0, 5)->rw_flags = 1 << 20;
	CHECK_EQ(run(&r), -EOPNOTSUPP);
}

CASE(offset_minus_one_is_the_files_position) {
	ring_init(&r, 8, 0);
	int fd = temp("abcdef");
	lseek(fd, 2, SEEK_SET);
	sqe(&r, IORING_OP_READ, fd, buf, 2, -1, 1);
	CHECK_EQ(run(&r), 2);
	CHECK_EQ(memcmp(buf, "cd", 2), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
}

CASE(a_chain_runs_in_order_and_breaks_at_an_error) {
	ring_init(&r, 8, 0);
	int fd = temp("abc");
	sqe(&r, IORING_OP_WRITE, fd, "xyz", 3, 0, 1)->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_READ, fd, buf, 3, 0, 2)->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_READ, 99, buf, 3, 0, 3)->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 4)->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 5);
	submit(&r, 5);
	WANT(&r, 1, 3);
	WANT(&r, 2, 3);
	WANT(&r, 3, -EBADF);
	WANT(&r, 4, -ECANCELED);
	WANT(&r, 5, -ECANCELED);
	CHECK_EQ(memcmp(buf, "xyz", 3), 0);
}

CASE(a_short_read_breaks_a_chain_but_not_a_hard_one) {
	ring_init(&r, 8, 0);
	int fd = temp("abc"), res[32];
	sqe(&r, IORING_OP_READ, fd, buf, 30, 0, 1)->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 2);
	submit(&r, 2);
	results(&r, 2, res);
	CHECK_EQ(res[1], 3);
	CHECK_EQ(res[2], -ECANCELED);
	sqe(&r, IORING_OP_READ, fd, buf, 30, 0, 1)->flags = IOSQE_IO_HARDLINK;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 2);
	submit(&r, 2);
	results(&r, 2, res);
	CHECK_EQ(res[1], 3);
	CHECK_EQ(res[2], 0);
}

CASE(a_wrong_link_fails_its_whole_chain) {
	ring_init(&r, 8, 0);
	int res[32];
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = IOSQE_IO_LINK;
	sqe(&r, 200, -1, 0, 0, 0, 2)->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&r, 3);
	results(&r, 3, res);
	CHECK_EQ(res[1], -ECANCELED);
	CHECK_EQ(res[2], -EINVAL);
	CHECK_EQ(res[3], -ECANCELED);
}

CASE(CQE_SKIP_SUCCESS_leaves_out_what_succeeds) {
	ring_init(&r, 8, 0);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = IOSQE_CQE_SKIP_SUCCESS;
	sqe(&r, IORING_OP_READ, 99, buf, 1, 0, 2)->flags = IOSQE_CQE_SKIP_SUCCESS;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&r, 2);
	WANT(&r, 2, -EBADF);
	WANT(&r, 3, 0);
	CHECK_EQ(ready(&r), 0);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 4)->flags = IOSQE_IO_DRAIN;
	CHECK_EQ(run(&r), -EOPNOTSUPP);
}

CASE(a_drain_waits_for_what_was_submitted_before) {
	ring_init(&r, 8, 0);
	int p[2], res[32];
	CHECK_EQ(pipe(p), 0);
	sqe(&r, IORING_OP_READ, p[0], buf, 1, 0, 1);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 2)->flags = IOSQE_IO_DRAIN;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&r, 0);
	msleep(10);
	CHECK_EQ(ready(&r), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	WANT(&r, 1, 1);
	WANT(&r, 2, 0);
	results(&r, 1, res);
	CHECK_EQ(res[3], 0);
}

CASE(open_read_close_in_a_chain_of_a_registered_file) {
	ring_init(&r, 8, 0);
	close(temp("content"));
	int none[2] = {-1, -1};
	CHECK_EQ(reg(&r, IORING_REGISTER_FILES, none, 2), 0);
	struct io_uring_sqe *s = sqe(&r, IORING_OP_OPENAT, AT_FDCWD, "f", 0, 0, 1);
	s->open_flags = O_RDONLY, s->file_index = 2, s->flags = IOSQE_IO_LINK;
	sqe(&r, IORING_OP_READ, 1, buf, 7, 0, 2)->flags = IOSQE_IO_LINK | IOSQE_FIXED_FILE;
	sqe(&r, IORING_OP_CLOSE, 0, 0, 0, 0, 3)->file_index = 2;
	submit(&r, 3);
	WANT(&r, 1, 0);
	WANT(&r, 2, 7);
	WANT(&r, 3, 0);
	CHECK_EQ(memcmp(buf, "content", 7), 0);
	sqe(&r, IORING_OP_READ, 1, buf, 7, 0, 2)->flags = IOSQE_FIXED_FILE;
	CHECK_EQ(run(&r), -EBADF);
}

CASE(names_in_directories) {
	ring_init(&r, 8, 0);
	sqe(&r, IORING_OP_MKDIRAT, AT_FDCWD, "d", 0700, 0, 1);
	CHECK_EQ(run(&r), 0);
	sqe(&r, IORING_OP_MKDIRAT, AT_FDCWD, "d", 0700, 0, 1);
	CHECK_EQ(run(&r), -EEXIST);
	close(temp("x"));
	sqe(&r, IORING_OP_LINKAT, AT_FDCWD, "f", AT_FDCWD, (unsigned long)"d/g", 1);
	CHECK_EQ(run(&r), 0);
	sqe(&r, IORING_OP_SYMLINKAT, AT_FDCWD, "to", 0, (unsigned long)"d/s", 1);
	CHECK_EQ(run(&r), 0);
	CHECK_EQ(readlink("d/s", buf, 10), 2);
	sqe(&r, IORING_OP_RENAMEAT, AT_FDCWD, "d/g", AT_FDCWD, (unsigned long)"h", 1);
	CHECK_EQ(run(&r), 0);
	CHECK_EQ(access("h", F_OK), 0);
	sqe(&r, IORING_OP_UNLINKAT, AT_FDCWD, "d/s", 0, 0, 1);
	CHECK_EQ(run(&r), 0);
	sqe(&r, IORING_OP_UNLINKAT, AT_FDCWD, "d", 0, 0, 1)->unlink_flags = AT_REMOVEDIR;
	CHECK_EQ(run(&r), 0);
	CHECK_ERRNO(access("d", F_OK), ENOENT);
}

CASE(statx_fallocate_fsync_ftruncate_and_advice) {
	ring_init(&r, 8, 0);
	int fd = temp("abc");
	struct statx st;
	sqe(&r, IORING_OP_STATX, AT_FDCWD, "f", STATX_SIZE, (unsigned long)&st, 1);
	CHECK_EQ(run(&r), 0);
	CHECK_EQ(st.stx_size, 3);
	sqe(&r, IORING_OP_FALLOCATE, fd, (void *)100, 0, 0, 1);
	CHECK_EQ(run(&r), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 100);
	sqe(&r, OP_FTRUNCATE, fd, 0, 0, 10, 1);
	CHECK_EQ(run(&r), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 10);
	sqe(&r, IORING_OP_FSYNC, fd, 0, 0, 0, 1)->fsync_flags = IORING_FSYNC_DATASYNC;
	CHECK_EQ(run(&r), 0);
	sqe(&r, IORING_OP_FSYNC, fd, 0, 0, 0, 1)->fsync_flags = 2;
	CHECK_EQ(run(&r), -EINVAL);
	sqe(&r, IORING_OP_SYNC_FILE_RANGE, fd, 0, 0, 0, 1);
	CHECK_EQ(run(&r), 0);
	sqe(&r, IORING_OP_FADVISE, fd, 0, 0, 0, 1)->fadvise_advice = POSIX_FADV_WILLNEED;
	CHECK_EQ(run(&r), 0);
	char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*m = 1;
	sqe(&r, IORING_OP_MADVISE, -1, m, 4096, 0, 1)->fadvise_advice = MADV_DONTNEED;
	CHECK_EQ(run(&r), 0);
	CHECK_EQ(*m, 0);
}

CASE(an_open_of_a_fifo_does_not_wait) {
	ring_init(&r, 8, 0);
	CHECK_EQ(mkfifo("p", 0600), 0);
	sqe(&r, IORING_OP_OPENAT, AT_FDCWD, "p", 0, 0, 1)->open_flags = O_WRONLY;
	CHECK_EQ(run(&r), -ENXIO);
	sqe(&r, IORING_OP_OPENAT, AT_FDCWD, "p", 0, 0, 1)->open_flags = O_RDONLY;
	int fd = run(&r);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

CASE(an_open_of_a_fifo_waits_for_its_peer_if_it_is_async) {
	ring_init(&r, 8, 0);
	CHECK_EQ(mkfifo("p", 0600), 0);
	struct io_uring_sqe *s = sqe(&r, IORING_OP_OPENAT, AT_FDCWD, "p", 0, 0, 1);
	s->open_flags = O_RDONLY, s->flags = IOSQE_ASYNC;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 2);
	submit(&r, 1);
	WANT(&r, 2, 0);
	int fd = open("p", O_WRONLY);
	CHECK(fd >= 0);
	struct cqe c = next(&r);
	CHECK_EQ(c.user_data, 1);
	CHECK(c.res >= 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(read(c.res, buf, 1), 1);
}

CASE(splice_and_tee) {
	ring_init(&r, 8, 0);
	int fd = temp("abcdef"), p[2], q[2];
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(pipe(q), 0);
	struct io_uring_sqe *s = sqe(&r, IORING_OP_SPLICE, p[1], 0, 4, -1, 1);
	s->splice_off_in = 1, s->splice_fd_in = fd;
	CHECK_EQ(run(&r), 4);
	sqe(&r, IORING_OP_TEE, q[1], 0, 2, 0, 2)->splice_fd_in = p[0];
	CHECK_EQ(run(&r), 2);
	CHECK_EQ(read(q[0], buf, 10), 2);
	CHECK_EQ(memcmp(buf, "bc", 2), 0);
	CHECK_EQ(read(p[0], buf, 10), 4);
	CHECK_EQ(memcmp(buf, "bcde", 4), 0);
}

CASE(registered_files) {
	ring_init(&r, 8, 0);
	int fd = temp("abc"), fds[3] = {fd, -1, 99};
	CHECK_ERRNO(reg(&r, IORING_UNREGISTER_FILES, 0, 0), ENXIO);
	CHECK_ERRNO(reg(&r, IORING_REGISTER_FILES, fds, 3), EBADF);
	CHECK_EQ(reg(&r, IORING_REGISTER_FILES, fds, 2), 0);
	CHECK_ERRNO(reg(&r, IORING_REGISTER_FILES, fds, 2), EBUSY);
	close(fd);
	sqe(&r, IORING_OP_READ, 0, buf, 3, 0, 1)->flags = IOSQE_FIXED_FILE;
	CHECK_EQ(run(&r), 3);
	sqe(&r, IORING_OP_READ, 1, buf, 3, 0, 1)->flags = IOSQE_FIXED_FILE;
	CHECK_EQ(run(&r), -EBADF);
	int n = open("/dev/null", O_RDONLY);
	struct io_uring_files_update u = {.offset = 1, .fds = (unsigned long)&n};
	CHECK_EQ(reg(&r, IORING_REGISTER_FILES_UPDATE, &u, 1), 1);
	sqe(&r, IORING_OP_READ, 1, buf, 3, 0, 1)->flags = IOSQE_FIXED_FILE;
	CHECK_EQ(run(&r), 0);
	u.offset = 2;
	CHECK_ERRNO(reg(&r, IORING_REGISTER_FILES_UPDATE, &u, 1), EINVAL);
	CHECK_EQ(reg(&r, IORING_UNREGISTER_FILES, 0, 0), 0);
}

CASE(tags_tell_when_a_file_is_let_go) {
	ring_init(&r, 8, 0);
	int fd = temp("abc");
	unsigned long long tag = 77;
	struct io_uring_rsrc_register x = {.nr = 1, .data = (unsigned long)&fd, .tags = (unsigned long)&tag};
	CHECK_EQ(reg(&r, IORING_REGISTER_FILES2, &x, sizeof x), 0);
	CHECK_EQ(ready(&r), 0);
	CHECK_EQ(reg(&r, IORING_UNREGISTER_FILES, 0, 0), 0);
	WANT(&r, 77, 0);
}

CASE(registered_buffers) {
	ring_init(&r, 8, 0);
	int fd = temp("abcdef");
	struct iovec v[2] = {{buf, 100}, {buf + 1000, 100}};
	CHECK_EQ(reg(&r, IORING_REGISTER_BUFFERS, v, 2), 0);
	CHECK_ERRNO(reg(&r, IORING_REGISTER_BUFFERS, v, 2), EBUSY);
	sqe(&r, IORING_OP_READ_FIXED, fd, buf + 1010, 6, 0, 1)->buf_index = 1;
	CHECK_EQ(run(&r), 6);
	CHECK_EQ(memcmp(buf + 1010, "abcdef", 6), 0);
	sqe(&r, IORING_OP_READ_FIXED, fd, buf + 1098, 6, 0, 1)->buf_index = 1;
	CHECK_EQ(run(&r), -EFAULT);
	sqe(&r, IORING_OP_READ_FIXED, fd, buf, 6, 0, 1)->buf_index = 2;
	CHECK_EQ(run(&r), -EFAULT);
	memcpy(buf, "xyz", 3);
	sqe(&r, IORING_OP_WRITE_FIXED, fd, buf, 3, 0, 1)->buf_index = 0;
	CHECK_EQ(run(&r), 3);
	CHECK_EQ(reg(&r, IORING_UNREGISTER_BUFFERS, 0, 0), 0);
	CHECK_ERRNO(reg(&r, IORING_UNREGISTER_BUFFERS, 0, 0), ENXIO);
}

CASE(provided_buffers) {
	ring_init(&r, 8, 0);
	int p[2];
	CHECK_EQ(pipe(p), 0);
	struct io_uring_sqe *s = sqe(&r, IORING_OP_PROVIDE_BUFFERS, 2, buf, 16, 5, 1);
	s->buf_group = 3;
	CHECK_EQ(run(&r), 0);
	CHECK_EQ(write(p[1], "hello", 5), 5);
	s = sqe(&r, IORING_OP_READ, p[0], 0, 16, 0, 2);
	s->flags = IOSQE_BUFFER_SELECT, s->buf_group = 3;
	submit(&r, 1);
	struct cqe c = next(&r);
	CHECK_EQ(c.res, 5);
	CHECK_EQ(c.flags & IORING_CQE_F_BUFFER, IORING_CQE_F_BUFFER);
	CHECK_EQ(c.flags >> IORING_CQE_BUFFER_SHIFT, 5);
	CHECK_EQ(memcmp(buf, "hello", 5), 0);
	sqe(&r, IORING_OP_REMOVE_BUFFERS, 10, 0, 0, 0, 3)->buf_group = 3;
	CHECK_EQ(run(&r), 1);
	s = sqe(&r, IORING_OP_READ, p[0], 0, 16, 0, 2);
	s->flags = IOSQE_BUFFER_SELECT, s->buf_group = 3;
	CHECK_EQ(run(&r), -ENOBUFS);
}

CASE(a_ring_of_buffers) {
	ring_init(&r, 8, 0);
	int p[2];
	CHECK_EQ(pipe(p), 0);
	struct io_uring_buf_ring *b = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_buf_reg x = {.ring_addr = (unsigned long)b, .ring_entries = 4, .bgid = 1};
	CHECK_EQ(reg(&r, IORING_REGISTER_PBUF_RING, &x, 1), 0);
	CHECK_ERRNO(reg(&r, IORING_REGISTER_PBUF_RING, &x, 1), EEXIST);
	for (int i = 0; i < 2; i++) {
		b->bufs[i].addr = (unsigned long)buf + 100 * i;
		b->bufs[i].len = 100;
		b->bufs[i].bid = 10 + i;
	}
	__atomic_store_n(&b->tail, 2, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(write(p[1], "abc", 3), 3);
		struct io_uring_sqe *s = sqe(&r, IORING_OP_READ, p[0], 0, 0, 0, i);
		s->flags = IOSQE_BUFFER_SELECT, s->buf_group = 1;
		submit(&r, 1);
		struct cqe c = next(&r);
		CHECK_EQ(c.res, i < 2 ? 3 : -ENOBUFS);
		if (i < 2) CHECK_EQ(c.flags >> IORING_CQE_BUFFER_SHIFT, 10 + i);
	}
	struct { unsigned group, head, resv[8]; } st = {.group = 1};
	CHECK_EQ(reg(&r, REGISTER_PBUF_STATUS, &st, 1), 0);
	CHECK_EQ(st.head, 2);
	CHECK_EQ(reg(&r, IORING_UNREGISTER_PBUF_RING, &x, 1), 0);
	CHECK_ERRNO(reg(&r, IORING_UNREGISTER_PBUF_RING, &x, 1), ENOENT);
}

CASE(completions_count_up_an_eventfd) {
	ring_init(&r, 8, 0);
	int e = eventfd(0, EFD_NONBLOCK), p[2];
	unsigned long long n;
	CHECK_ERRNO(reg(&r, IORING_UNREGISTER_EVENTFD, 0, 0), ENXIO);
	CHECK_EQ(reg(&r, IORING_REGISTER_EVENTFD, &e, 1), 0);
	CHECK_ERRNO(reg(&r, IORING_REGISTER_EVENTFD, &e, 1), EBUSY);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1);
	CHECK_EQ(run(&r), 0);
	CHECK_EQ(read(e, &n, 8), 8);
	*r.cq_flags |= IORING_CQ_EVENTFD_DISABLED;
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1);
	CHECK_EQ(run(&r), 0);
	CHECK_ERRNO(read(e, &n, 8), EAGAIN);
	*r.cq_flags = 0;
	CHECK_EQ(reg(&r, IORING_UNREGISTER_EVENTFD, 0, 0), 0);
	CHECK_EQ(reg(&r, IORING_REGISTER_EVENTFD_ASYNC, &e, 1), 0);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1);
	CHECK_EQ(run(&r), 0);
	CHECK_ERRNO(read(e, &n, 8), EAGAIN);
	CHECK_EQ(pipe(p), 0);
	sqe(&r, IORING_OP_READ, p[0], buf, 1, 0, 2);
	submit(&r, 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	WANT(&r, 2, 1);
	CHECK_ERRNO(read(e, &n, 8), EAGAIN);
	sqe(&r, IORING_OP_FSYNC, temp(""), 0, 0, 0, 3)->flags = IOSQE_ASYNC;
	CHECK_EQ(run(&r), 0);
	struct pollfd pf = {e, POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 5000), 1);
}

CASE(probe_tells_the_opcodes) {
	ring_init(&r, 8, 0);
	static struct { struct io_uring_probe p; struct io_uring_probe_op ops[256]; } x;
	CHECK_EQ(reg(&r, IORING_REGISTER_PROBE, &x, 256), 0);
	CHECK(x.p.last_op >= OP_LISTEN);
	CHECK(x.p.ops_len > OP_LISTEN);
	for (int i = 0; i <= OP_LISTEN; i++) CHECK(x.p.ops[i].flags & IO_URING_OP_SUPPORTED);
	CHECK_ERRNO(reg(&r, IORING_REGISTER_PROBE, &x, 256), EINVAL);
}

CASE(restrictions_hold_once_the_ring_is_enabled) {
	ring_init(&r, 8, IORING_SETUP_R_DISABLED);
	CHECK_ERRNO(enter(&r, 0, 0, 0), EBADFD);
	struct io_uring_restriction x[2] = {
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP},
		{.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_PROBE},
	};
	CHECK_EQ(reg(&r, IORING_REGISTER_RESTRICTIONS, x, 2), 0);
	CHECK_ERRNO(reg(&r, IORING_REGISTER_RESTRICTIONS, x, 2), EBUSY);
	CHECK_EQ(reg(&r, IORING_REGISTER_ENABLE_RINGS, 0, 0), 0);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1);
	CHECK_EQ(run(&r), 0);
	sqe(&r, IORING_OP_READ, 0, buf, 1, 0, 1);
	CHECK_EQ(run(&r), -EACCES);
	CHECK_ERRNO(reg(&r, IORING_REGISTER_PERSONALITY, 0, 0), EACCES);
}

CASE(a_personality_acts_with_other_credentials) {
	ring_init(&r, 8, 0);
	close(temp("secret"));
	int id = reg(&r, IORING_REGISTER_PERSONALITY, 0, 0);
	CHECK(id > 0);
	CHECK_EQ(seteuid(65534), 0);
	sqe(&r, IORING_OP_OPENAT, AT_FDCWD, "f", 0, 0, 1);
	CHECK_EQ(run(&r), -EACCES);
	sqe(&r, IORING_OP_OPENAT, AT_FDCWD, "f", 0, 0, 1)->personality = id;
	CHECK(run(&r) >= 0);
	CHECK_EQ(reg(&r, IORING_UNREGISTER_PERSONALITY, 0, id), 0);
	CHECK_ERRNO(reg(&r, IORING_UNREGISTER_PERSONALITY, 0, id), EINVAL);
}

CASE(registered_rings) {
	ring_init(&r, 8, 0);
	struct io_uring_rsrc_update u = {.offset = -1U, .data = r.fd};
	CHECK_EQ(reg(&r, IORING_REGISTER_RING_FDS, &u, 1), 1);
	CHECK_EQ(u.offset, 0);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 1);
	push(&r);
	CHECK_EQ(syscall(SYS_io_uring_enter, 0, 1, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, 0, 0), 1);
	WANT(&r, 1, 0);
	u = (struct io_uring_rsrc_update){.offset = 0};
	CHECK_EQ(reg(&r, IORING_UNREGISTER_RING_FDS, &u, 1), 1);
	CHECK_ERRNO(syscall(SYS_io_uring_enter, 0, 0, 0, IORING_ENTER_REGISTERED_RING, 0, 0), EBADF);
}

CASE(a_message_to_another_ring) {
	static struct ring q;
	ring_init(&r, 8, 0);
	ring_init(&q, 8, 0);
	sqe(&r, IORING_OP_MSG_RING, q.fd, 0, 123, 456, 1);
	CHECK_EQ(run(&r), 0);
	WANT(&q, 456, 123);
	sqe(&r, IORING_OP_MSG_RING, 1, 0, 123, 456, 1);
	CHECK_EQ(run(&r), -EBADFD);
}

CASE(a_registered_file_gets_a_descriptor) {
	ring_init(&r, 8, 0);
	int fd = temp("abc");
	CHECK_EQ(reg(&r, IORING_REGISTER_FILES, &fd, 1), 0);
	sqe(&r, OP_FIXED_FD_INSTALL, 0, 0, 0, 0, 1)->flags = IOSQE_FIXED_FILE;
	int got = run(&r);
	CHECK(got > fd);
	CHECK_EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(pread(got, buf, 3, 0), 3);
}

CASE(sqpoll_submits_by_itself) {
	struct io_uring_params p = {.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 20};
	memset(&r, 0, sizeof r);
	r.fd = syscall(SYS_io_uring_setup, 8, &p);
	CHECK(r.fd >= 0);
	r.p = p;
	ring_map(&r);
	for (int i = 0; i < 3; i++) {
		sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, i);
		push(&r);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (*r.sq_flags & IORING_SQ_NEED_WAKEUP) CHECK_EQ(enter(&r, 1, 0, IORING_ENTER_SQ_WAKEUP), 1);
		WANT(&r, i, 0);
	}
	for (int i = 0; i < 400 && !(*(volatile unsigned *)r.sq_flags & IORING_SQ_NEED_WAKEUP); i++) msleep(5);
	CHECK(*r.sq_flags & IORING_SQ_NEED_WAKEUP);
	sqe(&r, IORING_OP_NOP, -1, 0, 0, 0, 7);
	push(&r);
	CHECK_EQ(enter(&r, 1, 0, IORING_ENTER_SQ_WAKEUP), 1);
	WANT(&r, 7, 0);
}

MAIN()
