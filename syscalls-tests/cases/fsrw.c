#include "files.h"
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void ignore(int sig) { (void)sig; }
static volatile sig_atomic_t signals;
static void count_signal(int sig) { signals += sig == SIGXFSZ; }

// edge returns a page that ends where nothing is mapped.
static char *edge(void) {
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK(munmap(p + 4096, 4096) == 0);
	memset(p, 'e', 4096);
	return p;
}

CASE(rw_pread_and_pwrite_leave_the_position) {
	int fd = make("f", "0123456789"), p[2];
	char b[4] = "";
	CHECK_EQ(lseek(fd, 4, SEEK_SET), 4);
	CHECK_EQ(pread(fd, b, 3, 7), 3);
	CHECK(!strcmp(b, "789"));
	CHECK_EQ(pwrite(fd, "ab", 2, 9), 2);
	CHECK_EQ(pread(fd, b, 3, 11), 0);
	CHECK_EQ(pread(fd, b, 3, 1000), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
	CHECK_ERRNO(pread(fd, b, 1, -1), EINVAL);
	CHECK_ERRNO(pwrite(fd, b, 1, -1), EINVAL);
	CHECK_ERRNO(pread(fd, b, 1, INT64_MIN), EINVAL);
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(pread(p[0], b, 1, 0), ESPIPE);
	CHECK_ERRNO(pwrite(p[1], b, 1, 0), ESPIPE);
	CHECK_ERRNO(pread(77, b, 1, -1), EINVAL);
	CHECK_ERRNO(pread(open(".", O_RDONLY), b, 1, 0), EISDIR);
}

CASE(rw_vectors_are_checked_before_anything_moves) {
	int fd = make("f", "0123456789");
	char b[8];
	struct iovec many[1025], v[2] = {{b, 4}, {b, -1}};
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	for (int i = 0; i < 1025; i++) many[i] = (struct iovec){b, 0};
	CHECK_EQ(readv(fd, many, 1024), 0);
	CHECK_ERRNO(readv(fd, many, 1025), EINVAL);
	CHECK_ERRNO(readv(fd, many, -1), EINVAL);
	CHECK_EQ(readv(fd, many, 0), 0);
	CHECK_EQ(writev(fd, (void *)8, 0), 0);
	CHECK_ERRNO(readv(fd, v, 2), EINVAL);
	CHECK_ERRNO(writev(fd, v, 2), EINVAL);
	CHECK_ERRNO(readv(fd, (void *)8, 1), EFAULT);
	CHECK_ERRNO(readv(77, (void *)8, 1), EBADF);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_ERRNO(preadv(fd, v, 1, -1), EINVAL);
	CHECK_ERRNO(preadv(fd, v, 1, -2), EINVAL);
}

CASE(rw_bad_buffer_in_the_middle_cuts_the_vector) {
	char b[8] = "", *e = edge();
	int fd = make("f", "0123456789");
	struct iovec v[3] = {{b, 4}, {(void *)4096, 3}, {b + 4, 3}};
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(readv(fd, v, 3), 4);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
	CHECK(!strcmp(b, "0123"));
	CHECK_ERRNO(readv(fd, v + 1, 2), EFAULT);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
	CHECK_EQ(writev(fd, v, 3), 4);
	CHECK(!strcmp(contents("f"), "0123012389"));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
	CHECK_ERRNO(writev(fd, v + 1, 2), EFAULT);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
	CHECK_EQ(pwrite(fd, e + 4094, 10, 0), 2);
	CHECK(!strcmp(contents("f"), "ee23012389"));
	CHECK_EQ(pread(fd, e + 4093, 10, 2), 3);
	CHECK(!memcmp(e + 4093, "230", 3));
	CHECK_ERRNO(write(fd, e + 4096, 4), EFAULT);
	CHECK_EQ(stat_of("f").st_size, 10);
}

CASE(rw_bad_buffer_and_a_pipe) {
	char b[16] = "", *e = edge();
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(write(p[1], (void *)4096, 4), EFAULT);
	CHECK_ERRNO(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0 ? read(p[0], b, 1) : 0, EAGAIN);
	CHECK_EQ(write(p[1], "abcd", 4), 4);
	CHECK_ERRNO(read(p[0], (void *)4096, 4), EFAULT);
	CHECK_EQ(read(p[0], b, 16), 4);
	CHECK_ERRNO(write(p[1], e + 4094, 10), EFAULT);
	CHECK_ERRNO(write(p[1], e + 4096, 0) == 0 ? read(p[0], b, 1) : 0, EAGAIN);
}

CASE(rw_counts_are_cut_to_less_than_2_GiB) {
	int fd = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR);
	char *p = mmap((void *)0x10000000, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(write(null, p, 1L << 40), 0x7ffff000);
	CHECK_ERRNO(write(null, p, -1), EFAULT);
	CHECK_ERRNO(read(fd, p, -1), EFAULT);
	struct iovec v[2] = {{p, 0x7ffff000}, {p, 1 << 20}};
	CHECK_EQ(writev(null, v, 2), 0x7ffff000);
}

CASE(rw_preadv2_flags) {
	int fd = make("f", "0123456789");
	char b[8] = "";
	struct iovec v = {b, 3};
	CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
	CHECK_EQ(preadv2(fd, &v, 1, -1, 0), 3);
	CHECK(!strcmp(b, "234"));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	CHECK_ERRNO(preadv2(fd, &v, 1, -2, 0), EINVAL);
	CHECK_ERRNO(preadv2(fd, &v, 1, 0, 1 << 20), EOPNOTSUPP);
	CHECK_EQ(pwritev2(fd, &v, 1, 0, RWF_APPEND), 3);
	CHECK(!strcmp(contents("f"), "0123456789234"));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	CHECK_EQ(pwritev2(fd, &v, 1, -1, RWF_APPEND | RWF_DSYNC), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 16);
	CHECK_EQ(pwritev2(fd, &v, 1, 0, RWF_SYNC), 3);
	CHECK_ERRNO(pwritev2(fd, &v, 1, 0, RWF_APPEND | RWF_NOAPPEND), EINVAL);
	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0);
	CHECK_EQ(pwritev2(fd, &v, 1, 0, RWF_NOAPPEND), 3);
	CHECK(!strcmp(contents("f"), "2343456789234234"));
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK_EQ(pwritev2(p[1], &v, 1, -1, 0), 3);
	CHECK_ERRNO(pwritev2(p[1], &v, 1, 0, 0), ESPIPE);
	CHECK_EQ(preadv2(p[0], &v, 1, -1, RWF_NOWAIT), 3);
	CHECK_ERRNO(preadv2(p[0], &v, 1, -1, RWF_NOWAIT), EAGAIN);
}

CASE(rw_append_moves_the_position_to_the_end) {
	close(make("f", "0123"));
	int fd = open("f", O_RDWR | O_APPEND);
	char b[4] = "";
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_EQ(read(fd, b, 2), 2);
	CHECK_EQ(write(fd, "ab", 2), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
	CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
	CHECK_EQ(write(fd, "", 0), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1);
	int other = open("f", O_WRONLY | O_APPEND);
	CHECK_EQ(write(other, "cd", 2), 2);
	CHECK_EQ(write(fd, "ef", 2), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK(!strcmp(contents("f"), "0123abcdef"));
}

CASE(rw_lseek_corners) {
	int fd = make("f", "0123456789");
	CHECK_ERRNO(lseek(fd, INT64_MAX, SEEK_CUR), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK_ERRNO(lseek(fd, -11, SEEK_END), EINVAL);
	CHECK_ERRNO(lseek(fd, INT64_MIN, SEEK_END), EINVAL);
	CHECK_ERRNO(lseek(fd, -11, SEEK_CUR), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK_ERRNO(lseek(fd, 10, SEEK_DATA), ENXIO);
	CHECK_ERRNO(lseek(fd, 10, SEEK_HOLE), ENXIO);
	CHECK_ERRNO(lseek(fd, -1, SEEK_DATA), ENXIO);
	CHECK_EQ(lseek(fd, 3, SEEK_DATA), 3);
	CHECK_EQ(lseek(fd, 3, SEEK_HOLE), 10);
	CHECK_ERRNO(lseek(fd, 0, 5), EINVAL);
	CHECK_ERRNO(lseek(77, 0, 5), EBADF);
	CHECK_ERRNO(lseek(fd, 0, -1), EINVAL);
	CHECK_ERRNO(lseek(socket(AF_UNIX, SOCK_STREAM, 0), 0, SEEK_SET), ESPIPE);
}

CASE(rw_writing_past_the_end_leaves_zeros) {
	int fd = make("f", "abc");
	char b[20];
	CHECK_EQ(lseek(fd, 10000, SEEK_SET), 10000);
	CHECK_EQ(read(fd, b, 1), 0);
	CHECK_EQ(stat_of("f").st_size, 3);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(stat_of("f").st_size, 10001);
	CHECK_EQ(pread(fd, b, 20, 0), 20);
	for (int i = 3; i < 20; i++) CHECK_EQ(b[i], 0);
	CHECK_EQ(pread(fd, b, 20, 9995), 6);
	CHECK_EQ(b[0] + b[1] + b[2] + b[3] + b[4], 0);
	CHECK_EQ(b[5], 'x');
	// What is cut off does not come back.
	CHECK(ftruncate(fd, 2) == 0);
	CHECK(ftruncate(fd, 10) == 0);
	CHECK_EQ(pread(fd, b, 20, 0), 10);
	CHECK(!memcmp(b, "ab\0\0\0\0\0\0\0\0", 10));
}

CASE(rw_past_the_largest_file_gives_EFBIG) {
	int fd = make("f", "abc");
	signal(SIGXFSZ, count_signal);
	CHECK_ERRNO(pwrite(fd, "x", 1, INT64_MAX), EINVAL);
	CHECK_ERRNO(pread(fd, (char[1]){0}, 1, INT64_MAX), EINVAL);
	CHECK_EQ(pread(fd, (char[1]){0}, 1, INT64_MAX - 1), 0);
	CHECK_ERRNO(ftruncate(fd, -1), EINVAL);
	CHECK_ERRNO(truncate("f", -1), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, INT64_MAX - 1, 10), EFBIG);
	CHECK_EQ(stat_of("f").st_size, 3);
	CHECK_EQ(signals, 0);
}

CASE(rw_RLIMIT_FSIZE_cuts_what_crosses_it) {
	int fd = make("f", "");
	signal(SIGXFSZ, count_signal);
	struct rlimit rl = {10, RLIM_INFINITY};
	CHECK(setrlimit(RLIMIT_FSIZE, &rl) == 0);
	CHECK_EQ(write(fd, "0123456", 7), 7);
	CHECK_EQ(write(fd, "789abc", 6), 3);
	CHECK_EQ(signals, 0);
	CHECK_ERRNO(write(fd, "x", 1), EFBIG);
	CHECK_EQ(signals, 1);
	CHECK_EQ(write(fd, "x", 0), 0);
	CHECK_EQ(pwrite(fd, "x", 1, 9), 1);
	CHECK_ERRNO(ftruncate(fd, 11), EFBIG);
	CHECK_ERRNO(truncate("f", 11), EFBIG);
	CHECK_ERRNO(fallocate(fd, 0, 0, 11), EFBIG);
	CHECK_EQ(signals, 4);
	CHECK(ftruncate(fd, 10) == 0);
	int in = open("/proc/self/exe", O_RDONLY);
	CHECK_EQ(lseek(fd, 5, SEEK_SET), 5);
	CHECK_EQ(sendfile(fd, in, 0, 100), 5);
	CHECK_ERRNO(sendfile(fd, in, 0, 100), EFBIG);
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK_EQ(write(p[1], "0123456789abcdef", 16), 16);
}

CASE(rw_EPIPE_comes_with_SIGPIPE) {
	int s[2], p[2], f = make("f", "x");
	CHECK(pipe(p) == 0);
	close(p[0]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	close(s[0]);
	for (int i = 0; i < 4; i++) {
		pid_t c = fork();
		if (c == 0) {
			struct iovec v = {"x", 1};
			off_t at = 0;
			if (i == 0) CHECK(write(s[1], "x", 1) == 1);
			if (i == 1) CHECK(writev(p[1], &v, 1) == 1);
			if (i == 2) CHECK(sendfile(p[1], f, &at, 1) == 1);
			if (i == 3) CHECK(splice(f, &at, p[1], 0, 1, 0) == 1);
			_exit(0);
		}
		int st;
		CHECK_EQ(waitpid(c, &st, 0), c);
		CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGPIPE);
	}
	CHECK_ERRNO(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	signal(SIGPIPE, ignore);
	CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
	CHECK_ERRNO(vmsplice(p[1], &(struct iovec){"x", 1}, 1, 0), EPIPE);
	CHECK_EQ(write(p[1], "x", 0), 0);
}

CASE(rw_sendfile_errors) {
	int in = make("in", "0123456789"), out = make("out", ""), p[2];
	off_t at = -1;
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(sendfile(out, in, &at, 3), EINVAL);
	CHECK_ERRNO(sendfile(out, in, (off_t *)8, 3), EFAULT);
	CHECK_ERRNO(sendfile(open("out", O_RDONLY), in, 0, 3), EBADF);
	CHECK_ERRNO(sendfile(out, open("in", O_WRONLY), 0, 3), EBADF);
	CHECK_ERRNO(sendfile(out, 77, 0, 3), EBADF);
	CHECK_ERRNO(sendfile(77, in, 0, 3), EBADF);
	CHECK_ERRNO(sendfile(open("out", O_WRONLY | O_APPEND), in, 0, 3), EINVAL);
	at = 0;
	CHECK_ERRNO(sendfile(out, p[0], &at, 3), ESPIPE);
	CHECK_ERRNO(sendfile(out, open(".", O_RDONLY), 0, 3), EINVAL);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 10);
	at = 7;
	CHECK_EQ(sendfile(out, in, &at, 10), 3);
	CHECK_EQ(at, 10);
	CHECK_EQ(sendfile(out, in, &at, 10), 0);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 10);
	CHECK_EQ(lseek(in, 5, SEEK_SET), 5);
	CHECK_EQ(sendfile(out, in, 0, 2), 2);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 7);
	CHECK(!strcmp(contents("out"), "78956"));
	CHECK_EQ(sendfile(out, in, 0, 0), 0);
}

CASE(rw_copy_file_range_errors) {
	int in = make("in", "0123456789"), out = make("out", ""), p[2];
	off_t i = 0, o = 0;
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(copy_file_range(in, &i, out, &o, 3, 1), EINVAL);
	CHECK_ERRNO(copy_file_range(77, &i, out, &o, 3, 0), EBADF);
	CHECK_ERRNO(copy_file_range(in, &i, open("out", O_RDONLY), &o, 3, 0), EBADF);
	CHECK_ERRNO(copy_file_range(in, &i, open("out", O_WRONLY | O_APPEND), 0, 3, 0), EBADF);
	CHECK_ERRNO(copy_file_range(open(".", O_RDONLY), 0, out, &o, 3, 0), EISDIR);
	CHECK_ERRNO(copy_file_range(in, &i, p[1], 0, 3, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(p[0], 0, out, &o, 3, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(in, (off_t *)8, out, &o, 3, 0), EFAULT);
	o = 2;
	CHECK_ERRNO(copy_file_range(in, &i, in, &o, 3, 0), EINVAL);
	i = 8, o = 3;
	CHECK_EQ(copy_file_range(in, &i, out, &o, 100, 0), 2);
	CHECK_EQ(i, 10);
	CHECK_EQ(o, 5);
	CHECK_EQ(copy_file_range(in, &i, out, &o, 100, 0), 0);
	CHECK_EQ(stat_of("out").st_size, 5);
	i = 0, o = 5;
	CHECK_EQ(copy_file_range(in, &i, in, &o, 5, 0), 5);
	CHECK(!strcmp(contents("in"), "0123401234"));
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 10);
}

CASE(rw_splice_errors) {
	int f = make("f", "0123456789"), g = make("g", ""), p[2], q[2];
	off_t at = 0;
	CHECK(pipe(p) == 0);
	CHECK(pipe(q) == 0);
	CHECK_ERRNO(splice(f, 0, g, 0, 3, 0), EINVAL);
	CHECK_ERRNO(splice(p[0], 0, p[1], 0, 3, 0), EINVAL);
	CHECK_ERRNO(splice(open(".", O_RDONLY), 0, p[1], 0, 3, 0), EINVAL);
	CHECK_ERRNO(splice(p[0], &at, g, 0, 3, 0), ESPIPE);
	CHECK_ERRNO(splice(f, 0, p[1], &at, 3, 0), ESPIPE);
	CHECK_ERRNO(splice(f, 0, p[1], 0, 3, 0x100), EINVAL);
	CHECK_ERRNO(splice(f, 0, p[0], 0, 3, 0), EBADF);
	CHECK_ERRNO(splice(p[1], 0, g, 0, 3, 0), EBADF);
	CHECK_ERRNO(splice(f, (off_t *)8, p[1], 0, 3, 0), EFAULT);
	CHECK_EQ(splice(-1, 0, -1, 0, 0, 0), 0);
	CHECK_ERRNO(splice(-1, 0, p[1], 0, 1, 0), EBADF);
	CHECK_ERRNO(splice(p[0], 0, g, 0, 3, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(write(p[1], "abc", 3), 3);
	CHECK_ERRNO(splice(p[0], 0, open("g", O_WRONLY | O_APPEND), 0, 3, 0), EINVAL);
	CHECK_EQ(splice(p[0], 0, q[1], 0, 2, 0), 2);
	at = 4;
	CHECK_EQ(splice(q[0], 0, g, &at, 100, 0), 2);
	CHECK_EQ(at, 6);
	CHECK_EQ(lseek(g, 0, SEEK_CUR), 0);
	CHECK_EQ(stat_of("g").st_size, 6);
	at = 8;
	CHECK_EQ(splice(f, &at, p[1], 0, 100, 0), 2);
	CHECK_EQ(splice(f, &at, p[1], 0, 100, 0), 0);
	char b[8] = "";
	CHECK_EQ(read(p[0], b, 8), 3);
	CHECK(!strcmp(b, "c89"));
	close(p[1]);
	CHECK_EQ(splice(p[0], 0, g, 0, 3, 0), 0);
}

CASE(rw_tee_copies_and_leaves) {
	int p[2], q[2], f = make("f", "");
	char b[8] = "";
	CHECK(pipe(p) == 0);
	CHECK(pipe(q) == 0);
	CHECK_ERRNO(tee(p[0], q[1], 10, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(write(p[1], "abc", 3), 3);
	CHECK_EQ(tee(p[0], q[1], 2, 0), 2);
	CHECK_EQ(tee(p[0], q[1], 10, 0), 3);
	CHECK_EQ(read(p[0], b, 8), 3);
	CHECK_EQ(read(q[0], b, 8), 5);
	CHECK(!strcmp(b, "ababc"));
	CHECK_ERRNO(tee(p[0], p[1], 1, 0), EINVAL);
	CHECK_ERRNO(tee(f, q[1], 1, 0), EINVAL);
	CHECK_ERRNO(tee(p[0], f, 1, 0), EINVAL);
	CHECK_ERRNO(tee(p[1], q[1], 1, 0), EBADF);
	CHECK_ERRNO(tee(p[0], q[1], 1, 0x100), EINVAL);
	CHECK_EQ(tee(-1, -1, 0, 0), 0);
	close(p[1]);
	CHECK_EQ(tee(p[0], q[1], 10, 0), 0);
}

CASE(rw_vmsplice_goes_both_ways) {
	int p[2], f = make("f", "");
	char b[8] = "";
	struct iovec v[2] = {{"abc", 3}, {"de", 2}};
	CHECK(pipe(p) == 0);
	CHECK_EQ(vmsplice(p[1], v, 2, 0), 5);
	struct iovec r[2] = {{b, 2}, {b + 2, 6}};
	CHECK_EQ(vmsplice(p[0], r, 2, 0), 5);
	CHECK(!strcmp(b, "abcde"));
	CHECK_ERRNO(vmsplice(p[0], r, 2, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERRNO(vmsplice(f, v, 1, 0), EBADF);
	CHECK_ERRNO(vmsplice(p[1], v, 1, 0x100), EINVAL);
	CHECK_ERRNO(vmsplice(p[1], (void *)8, 1, 0), EFAULT);
	CHECK_ERRNO(vmsplice(p[1], v, 1025, 0), EINVAL);
	CHECK_EQ(vmsplice(p[1], v, 0, 0), 0);
	CHECK_ERRNO(vmsplice(p[1], &(struct iovec){(void *)8, 4}, 1, 0), EFAULT);
}

CASE(rw_fallocate_errors) {
	int fd = make("f", "0123456789"), p[2];
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, -1, 1), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, 0, -1), EINVAL);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, 0x8000, 0, 1), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(open("f", O_RDONLY), 0, 0, 1), EBADF);
	CHECK_ERRNO(fallocate(p[1], 0, 0, 1), ESPIPE);
	CHECK_ERRNO(fallocate(open(".", O_RDONLY), 0, 0, 1), EBADF);
	CHECK_ERRNO(fallocate(open("/dev/null", O_RDWR), 0, 0, 1), ENODEV);
	CHECK_ERRNO(fallocate(77, 0, 0, 0), EBADF);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 100) == 0);
	CHECK_EQ(stat_of("f").st_size, 10);
	CHECK(!strcmp(contents("f"), "01"));
	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0);
	CHECK(fallocate(fd, 0, 0, 5) == 0);
	CHECK_EQ(stat_of("f").st_size, 10);
}

CASE(rw_syncing_errors) {
	int fd = make("f", "x"), ro = open("f", O_RDONLY), p[2], d = open(".", O_RDONLY);
	CHECK(pipe(p) == 0);
	CHECK(fsync(fd) == 0);
	CHECK(fsync(ro) == 0);
	CHECK(fdatasync(d) == 0);
	CHECK_ERRNO(fsync(p[0]), EINVAL);
	CHECK_ERRNO(fdatasync(socket(AF_UNIX, SOCK_STREAM, 0)), EINVAL);
	CHECK_ERRNO(fsync(77), EBADF);
	CHECK_ERRNO(fsync(open("/dev/null", O_RDWR)), EINVAL);
	CHECK(syncfs(ro) == 0);
	CHECK(syncfs(p[0]) == 0);
	CHECK_ERRNO(syncfs(77), EBADF);
	CHECK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) == 0);
	CHECK_ERRNO(sync_file_range(fd, 0, 0, 8), EINVAL);
	CHECK_ERRNO(sync_file_range(fd, -1, 1, 0), EINVAL);
	CHECK_ERRNO(sync_file_range(fd, 0, -1, 0), EINVAL);
	CHECK_ERRNO(sync_file_range(p[1], 0, 1, 0), ESPIPE);
	CHECK_ERRNO(sync_file_range(77, 0, 1, 8), EBADF);
}

CASE(rw_advice_errors) {
	int fd = make("f", "x"), wo = open("f", O_WRONLY), p[2], d = open(".", O_RDONLY);
	CHECK(pipe(p) == 0);
	for (int i = 0; i <= 5; i++) CHECK_EQ(posix_fadvise(fd, 0, 0, i), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, 6), EINVAL);
	CHECK_EQ(posix_fadvise(fd, 0, -1, 0), EINVAL);
	CHECK_EQ(posix_fadvise(fd, -5, 1, 0), 0);
	CHECK_EQ(posix_fadvise(p[0], 0, 0, 0), ESPIPE);
	CHECK_EQ(posix_fadvise(77, 0, 0, 0), EBADF);
	CHECK(readahead(fd, 0, 4096) == 0);
	CHECK_ERRNO(readahead(wo, 0, 1), EBADF);
	CHECK_ERRNO(readahead(p[0], 0, 1), EINVAL);
	CHECK_ERRNO(readahead(d, 0, 1), EINVAL);
	CHECK_ERRNO(readahead(77, 0, 1), EBADF);
}

CASE(rw_errors_leave_the_position) {
	int fd = make("f", "0123456789");
	char b;
	CHECK_EQ(lseek(fd, 5, SEEK_SET), 5);
	CHECK_ERRNO(read(fd, (void *)8, 3), EFAULT);
	CHECK_ERRNO(write(fd, (void *)8, 3), EFAULT);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	CHECK_EQ(read(fd, &b, 0), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	int full = open("/dev/full", O_RDWR);
	CHECK_ERRNO(write(full, "x", 1), ENOSPC);
	CHECK_EQ(read(full, &b, 1), 1);
	CHECK_EQ(b, 0);
}

CASE(rw_a_shared_offset_moves_for_all) {
	int fd = make("f", "0123456789");
	char b[4] = "";
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	pid_t c = fork();
	if (c == 0) {
		CHECK_EQ(read(fd, b, 3), 3);
		CHECK_EQ(lseek(dup(fd), 2, SEEK_CUR), 5);
		_exit(0);
	}
	CHECK_CHILD(c, 0);
	CHECK_EQ(read(fd, b, 3), 3);
	CHECK(!strcmp(b, "567"));
	CHECK_EQ(lseek(open("f", O_RDONLY), 0, SEEK_CUR), 0);
}

MAIN()
