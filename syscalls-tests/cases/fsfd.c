#include "files.h"
#include <linux/close_range.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>

CASE(dup2_and_dup3) {
	int fd = make("f", "x");
	CHECK_EQ(dup2(fd, fd), fd);
	CHECK_ERRNO(dup3(fd, fd, 0), EINVAL);
	CHECK_ERRNO(dup2(77, 77), EBADF);
	CHECK_ERRNO(dup2(77, fd), EBADF);
	CHECK_ERRNO(dup2(fd, -1), EBADF);
	CHECK_ERRNO(dup3(fd, 20, O_NONBLOCK), EINVAL);
	CHECK_EQ(dup3(fd, 20, O_CLOEXEC), 20);
	CHECK_EQ(fcntl(20, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(dup2(fd, 20), 20);
	CHECK_EQ(fcntl(20, F_GETFD), 0);
	struct rlimit rl = {30, 30};
	CHECK(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	CHECK_ERRNO(dup2(fd, 30), EBADF);
	CHECK_EQ(dup2(fd, 29), 29);
	CHECK_ERRNO(fcntl(fd, F_DUPFD, 30), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_DUPFD, 29), EMFILE);
	CHECK_ERRNO(fcntl(fd, F_DUPFD, -1), EINVAL);
}

CASE(fcntl_F_DUPFD_takes_the_lowest_from_there) {
	int fd = make("f", "x");
	CHECK_EQ(fcntl(fd, F_DUPFD, 50), 50);
	CHECK_EQ(fcntl(fd, F_DUPFD, 50), 51);
	CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 50), 52);
	CHECK_EQ(fcntl(52, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(51, F_GETFD), 0);
	CHECK(close(50) == 0);
	CHECK_EQ(fcntl(fd, F_DUPFD, 40), 40);
	CHECK_EQ(fcntl(fd, F_DUPFD, 50), 50);
	CHECK_ERRNO(fcntl(fd, 9999), EINVAL);
	CHECK_ERRNO(fcntl(99, 9999), EBADF);
	CHECK_ERRNO(close(99), EBADF);
	CHECK(fcntl(fd, F_SETFD, ~0) == 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(syscall(SYS_fcntl, fd, 1027 /* F_DUPFD_QUERY */, dup(fd)), 1);
	CHECK_EQ(syscall(SYS_fcntl, fd, 1027, open("f", O_RDONLY)), 0);
}

CASE(close_range_errors_and_unsharing) {
	int fd = make("f", "x");
	CHECK_ERRNO(close_range(5, 4, 0), EINVAL);
	CHECK_ERRNO(close_range(5, 6, 8), EINVAL);
	CHECK_EQ(dup2(fd, 40), 40);
	CHECK_EQ(dup2(fd, 42), 42);
	CHECK(close_range(40, 41, 0) == 0);
	CHECK_ERRNO(fcntl(40, F_GETFD), EBADF);
	CHECK_EQ(fcntl(42, F_GETFD), 0);
	CHECK(close_range(41, ~0U, CLOSE_RANGE_CLOEXEC) == 0);
	CHECK_EQ(fcntl(42, F_GETFD), FD_CLOEXEC);
	CHECK(close_range(42, ~0U, CLOSE_RANGE_UNSHARE) == 0);
	CHECK_ERRNO(fcntl(42, F_GETFD), EBADF);
	CHECK(close_range(100, 200, 0) == 0);
}

CASE(flock_rules) {
	int fd = make("f", "x"), other = open("f", O_RDONLY), d = dup(fd);
	CHECK_ERRNO(flock(fd, 0), EINVAL);
	CHECK_ERRNO(flock(fd, LOCK_SH | LOCK_EX), EINVAL);
	CHECK_ERRNO(flock(77, LOCK_EX), EBADF);
	CHECK_ERRNO(flock(open("f", O_PATH), LOCK_EX), EBADF);
	CHECK(flock(fd, LOCK_EX) == 0);
	CHECK(flock(d, LOCK_EX | LOCK_NB) == 0);
	CHECK_ERRNO(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK(close(fd) == 0);
	CHECK_ERRNO(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK(flock(d, LOCK_SH) == 0);
	CHECK(flock(other, LOCK_SH | LOCK_NB) == 0);
	// A change that fails loses the lock that there was.
	CHECK_ERRNO(flock(d, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK(flock(other, LOCK_EX | LOCK_NB) == 0);
	CHECK(flock(d, LOCK_UN) == 0);
	CHECK(flock(open(".", O_RDONLY), LOCK_EX) == 0);
}

CASE(posix_locks_are_checked) {
	int fd = make("f", "0123456789"), ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
	CHECK_ERRNO(fcntl(ro, F_SETLK, &l), EBADF);
	l.l_type = F_RDLCK;
	CHECK_ERRNO(fcntl(wo, F_SETLK, &l), EBADF);
	l.l_type = 7;
	CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_GETLK, &l), EINVAL);
	l.l_type = F_WRLCK;
	l.l_whence = 7;
	CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EINVAL);
	l.l_whence = SEEK_SET;
	l.l_start = -1;
	CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EINVAL);
	l.l_start = 5, l.l_len = -6;
	CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EINVAL);
	l.l_start = INT64_MAX, l.l_len = 2;
	CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EOVERFLOW);
	CHECK_ERRNO(fcntl(fd, F_SETLK, (void *)8), EFAULT);
	l.l_start = 5, l.l_len = -5;
	CHECK(fcntl(fd, F_SETLK, &l) == 0);
	pid_t c = fork();
	if (c == 0) {
		struct flock q = {.l_type = F_RDLCK, .l_whence = SEEK_END, .l_start = -10};
		CHECK(fcntl(fd, F_GETLK, &q) == 0);
		CHECK_EQ(q.l_type, F_WRLCK);
		CHECK_EQ(q.l_start, 0);
		CHECK_EQ(q.l_len, 5);
		CHECK_EQ(q.l_whence, SEEK_SET);
		CHECK_EQ(q.l_pid, getppid());
		q = (struct flock){.l_type = F_WRLCK, .l_start = 5};
		CHECK(fcntl(fd, F_GETLK, &q) == 0);
		CHECK_EQ(q.l_type, F_UNLCK);
		CHECK(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK, .l_start = 5}) == 0);
		CHECK_ERRNO(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_RDLCK, .l_start = 4, .l_len = 1}), EAGAIN);
		_exit(0);
	}
	CHECK_CHILD(c, 0);
}

CASE(posix_locks_split_join_and_end_with_any_close) {
	int fd = make("f", "0123456789");
	CHECK(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK, .l_len = 10}) == 0);
	CHECK(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_UNLCK, .l_start = 3, .l_len = 2}) == 0);
	CHECK(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_RDLCK, .l_start = 7, .l_len = 1}) == 0);
	int go[2], tried[2];
	CHECK(pipe(go) == 0);
	CHECK(pipe(tried) == 0);
	pid_t c = fork();
	if (c == 0) {
		struct flock q = {.l_type = F_WRLCK, .l_start = 3, .l_len = 2};
		CHECK(fcntl(fd, F_SETLK, &q) == 0);
		CHECK(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_RDLCK, .l_start = 7, .l_len = 1}) == 0);
		q.l_start = 5;
		CHECK_ERRNO(fcntl(fd, F_SETLK, &q), EAGAIN);
		char b;
		close(tried[1]);
		CHECK_EQ(read(go[0], &b, 1), 1);
		CHECK(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK}) == 0);
		_exit(0);
	}
	close(tried[1]);
	CHECK_EQ(read(tried[0], &(char){0}, 1), 0);
	close(open("f", O_RDONLY));
	CHECK_EQ(write(go[1], "x", 1), 1);
	CHECK_CHILD(c, 0);
}

CASE(memfd_seals_stop_what_they_name) {
	int fd = memfd_create("m", MFD_ALLOW_SEALING);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_EQ(write(fd, "0123", 4), 4);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK_ERRNO(ftruncate(fd, 3), EPERM);
	CHECK(ftruncate(fd, 8) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
	CHECK_ERRNO(ftruncate(fd, 9), EPERM);
	CHECK_ERRNO(pwrite(fd, "xx", 2, 8), EPERM);
	CHECK_ERRNO(fallocate(fd, 0, 0, 9), EPERM);
	CHECK_EQ(pwrite(fd, "xx", 2, 6), 2);
	char *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK(munmap(map, 4096) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	CHECK_ERRNO(pwrite(fd, "x", 1, 0), EPERM);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1), EPERM);
	CHECK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
	CHECK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
	int plain = memfd_create("n", 0);
	CHECK_EQ(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERRNO(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	// Files of a tmpfs are of memory too, but not to be sealed.
	struct statfs sf;
	int f = make("f", "");
	CHECK(fstatfs(f, &sf) == 0);
	if (sf.f_type == 0x01021994) CHECK_EQ(fcntl(f, F_GET_SEALS), F_SEAL_SEAL);
	else CHECK_ERRNO(fcntl(f, F_GET_SEALS), EINVAL);
	CHECK_ERRNO(memfd_create("x", 0x800), EINVAL);
	CHECK_ERRNO(memfd_create(name_of(250), 0), EINVAL);
}

CASE(eventfd_rules) {
	uint64_t v;
	CHECK_ERRNO(eventfd(0, 8), EINVAL);
	int fd = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
	CHECK_ERRNO(read(fd, &v, 7), EINVAL);
	CHECK_EQ(read(fd, &v, 8), 8);
	CHECK_EQ(v, 1);
	v = UINT64_MAX;
	CHECK_ERRNO(write(fd, &v, 8), EINVAL);
	CHECK_ERRNO(write(fd, &v, 7), EINVAL);
	v = UINT64_MAX - 3;
	CHECK_EQ(write(fd, &v, 8), 8);
	v = 1;
	CHECK_ERRNO(write(fd, &v, 8), EAGAIN);
	CHECK_ERRNO(read(fd, (void *)8, 8), EFAULT);
	CHECK_EQ(lseek(fd, 5, SEEK_SET), 0);
	CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	v = 0;
	CHECK_EQ(write(fd, &v, 8), 8);
}

CASE(files_without_positions_say_so_in_two_ways) {
	sigset_t none;
	char b[64];
	sigemptyset(&none);
	int still[] = {epoll_create1(0), eventfd(1, 0), timerfd_create(CLOCK_MONOTONIC, 0), signalfd(-1, &none, 0), inotify_init()};
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(lseek(still[i], 5, SEEK_SET), 0);
		CHECK_EQ(lseek(still[i], -5, SEEK_END), 0);
		CHECK_ERRNO(lseek(still[i], 0, 9), EINVAL);
		CHECK_ERRNO(pread(still[i], b, 64, 0), ESPIPE);
		CHECK_ERRNO(pwrite(still[i], b, 64, 0), ESPIPE);
	}
	int p[2], s[2];
	CHECK(pipe(p) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK_ERRNO(lseek(p[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERRNO(lseek(p[0], 0, 9), EINVAL);
	CHECK_ERRNO(pwrite(p[0], b, 1, 0), ESPIPE);
	CHECK_ERRNO(pread(p[1], b, 1, 0), ESPIPE);
	CHECK_ERRNO(lseek(s[0], 0, SEEK_SET), ESPIPE);
}

CASE(pipe_sizes_and_flags) {
	int p[2], q[2];
	CHECK(pipe2(p, O_CLOEXEC | O_NONBLOCK) == 0);
	CHECK_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(p[0], F_GETFL), O_RDONLY | O_NONBLOCK);
	CHECK_EQ(fcntl(p[1], F_GETFL), O_WRONLY | O_NONBLOCK);
	CHECK_ERRNO(read(p[1], q, 1), EBADF);
	CHECK_ERRNO(write(p[0], q, 1), EBADF);
	CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 65536);
	CHECK_ERRNO(syscall(SYS_pipe2, 8, 0), EFAULT);
	CHECK_ERRNO(fcntl(make("f", ""), F_GETPIPE_SZ), EBADF);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 0), 4096);
	CHECK_ERRNO(fcntl(p[0], F_SETPIPE_SZ, -1), EINVAL);
	struct stat a, b;
	CHECK(fstat(p[0], &a) == 0);
	CHECK(fstat(p[1], &b) == 0);
	CHECK(S_ISFIFO(a.st_mode));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(a.st_mode & 07777, 0600);
	CHECK_EQ(a.st_size, 0);
	CHECK(pipe(q) == 0);
	CHECK(fstat(q[0], &b) == 0);
	CHECK(a.st_ino != b.st_ino);
	struct rlimit rl = {q[1] + 2, q[1] + 2};
	CHECK(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	CHECK_ERRNO(pipe(p), EMFILE);
	CHECK_EQ(dup(0), q[1] + 1);
}

MAIN()
