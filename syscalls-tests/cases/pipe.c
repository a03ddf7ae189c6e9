#include "case.h"
#include <poll.h>
#include <sys/ioctl.h>

CASE(write_after_reader_closed_gives_EPIPE) {
	int p[2];
	signal(SIGPIPE, SIG_IGN);
	CHECK(pipe(p) == 0);
	close(p[0]);
	CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
}

CASE(write_after_reader_closed_raises_SIGPIPE) {
	pid_t pid = fork();
	if (pid == 0) {
		int p[2];
		CHECK(pipe(p) == 0);
		close(p[0]);
		if (write(p[1], "x", 1)) {}
		_exit(0);
	}
	int st;
	CHECK_EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGPIPE);
}

CASE(read_after_writer_closed_gives_end_of_file) {
	int p[2];
	char b[8];
	CHECK(pipe(p) == 0);
	CHECK_EQ(write(p[1], "abc", 3), 3);
	close(p[1]);
	CHECK_EQ(read(p[0], b, 8), 3);
	CHECK_EQ(read(p[0], b, 8), 0);
}

CASE(nonblocking_read_of_empty_pipe_gives_EAGAIN) {
	int p[2];
	char b;
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	CHECK_ERRNO(read(p[0], &b, 1), EAGAIN);
}

CASE(full_pipe_gives_EAGAIN_and_holds_65536_bytes) {
	int p[2], n = 0;
	char b[4096] = {0};
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	for (ssize_t r; (r = write(p[1], b, sizeof b)) > 0;) n += r;
	int e = errno;
	CHECK_EQ(e, EAGAIN);
	CHECK_EQ(n, 65536);
	int have;
	CHECK(ioctl(p[0], FIONREAD, &have) == 0);
	CHECK_EQ(have, 65536);
}

CASE(atomic_writes_of_PIPE_BUF_do_not_split) {
	int p[2];
	char b[65536 - 100] = {0};
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	CHECK_EQ(write(p[1], b, 65536 - 4096), 65536 - 4096);
	CHECK_EQ(write(p[1], b, 10), 10);
	CHECK_ERRNO(write(p[1], b, 4096), EAGAIN);
}

CASE(blocked_reader_wakes_when_a_child_writes) {
	int p[2];
	char b = 0;
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		msleep(50);
		CHECK_EQ(write(p[1], "z", 1), 1);
		_exit(0);
	}
	CHECK_EQ(read(p[0], &b, 1), 1);
	CHECK_EQ(b, 'z');
	CHECK_CHILD(pid, 0);
}

CASE(poll_reports_hangup_when_the_writer_closes) {
	int p[2];
	CHECK(pipe(p) == 0);
	struct pollfd f = {p[0], POLLIN, 0};
	CHECK_EQ(poll(&f, 1, 0), 0);
	close(p[1]);
	CHECK_EQ(poll(&f, 1, 0), 1);
	CHECK_EQ(f.revents, POLLHUP);
}

CASE(poll_reports_error_when_the_reader_closes) {
	int p[2];
	CHECK(pipe(p) == 0);
	close(p[0]);
	struct pollfd f = {p[1], POLLOUT, 0};
	CHECK_EQ(poll(&f, 1, 0), 1);
	CHECK_EQ(f.revents, POLLOUT | POLLERR);
}

CASE(packet_mode_keeps_boundaries) {
	int p[2];
	char b[100];
	CHECK(pipe2(p, O_DIRECT) == 0);
	CHECK_EQ(write(p[1], "abcdef", 6), 6);
	CHECK_EQ(write(p[1], "gh", 2), 2);
	CHECK_EQ(read(p[0], b, 3), 3);
	CHECK_EQ(read(p[0], b, 100), 2);
}

CASE(F_SETPIPE_SZ_rounds_up_and_refuses_what_would_lose_data) {
	int p[2];
	char b[20000] = {0};
	CHECK(pipe(p) == 0);
	CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 65536);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 5000), 8192);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 131072), 131072);
	CHECK_EQ(write(p[1], b, 20000), 20000);
	CHECK_ERRNO(fcntl(p[0], F_SETPIPE_SZ, 4096), EBUSY);
}

CASE(pipe2_refuses_unknown_flags) {
	int p[2];
	CHECK_ERRNO(pipe2(p, O_TRUNC), EINVAL);
}

CASE(lseek_on_a_pipe_gives_ESPIPE) {
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(lseek(p[0], 0, SEEK_CUR), ESPIPE);
	CHECK_ERRNO(pread(p[0], p, 1, 0), ESPIPE);
}

CASE(opening_a_fifo_waits_for_the_other_end) {
	CHECK(mkfifo("f", 0600) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		msleep(50);
		int w = open("f", O_WRONLY);
		CHECK(w >= 0);
		CHECK_EQ(write(w, "q", 1), 1);
		_exit(0);
	}
	char b;
	int r = open("f", O_RDONLY);
	CHECK(r >= 0);
	CHECK_EQ(read(r, &b, 1), 1);
	CHECK_CHILD(pid, 0);
}

CASE(nonblocking_open_of_a_fifo_for_writing_without_reader_gives_ENXIO) {
	CHECK(mkfifo("f", 0600) == 0);
	CHECK_ERRNO(open("f", O_WRONLY | O_NONBLOCK), ENXIO);
	int r = open("f", O_RDONLY | O_NONBLOCK);
	CHECK(r >= 0);
	CHECK(open("f", O_WRONLY | O_NONBLOCK) >= 0);
}

CASE(an_anonymous_pipe_opened_again_waits_for_nobody) {
	int p[2];
	char path[40], b[4];
	CHECK(pipe(p) == 0);
	CHECK_EQ(write(p[1], "abc", 3), 3);
	close(p[1]);
	snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
	int r = open(path, O_RDONLY);
	CHECK(r >= 0);
	CHECK_EQ(read(r, b, 4), 3);
	CHECK_EQ(read(r, b, 4), 0);
	close(p[0]);
	snprintf(path, sizeof path, "/proc/self/fd/%d", r);
	CHECK(open(path, O_WRONLY) >= 0);
}

CASE(interrupted_read_restarts_with_SA_RESTART) {
	int p[2];
	char b;
	struct sigaction sa = {0};
	sa.sa_handler = (void (*)(int))abs;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, 0);
	CHECK(pipe(p) == 0);
	pid_t me = getpid(), pid = fork();
	if (pid == 0) {
		msleep(50);
		kill(me, SIGUSR1);
		msleep(50);
		CHECK_EQ(write(p[1], "r", 1), 1);
		_exit(0);
	}
	CHECK_EQ(read(p[0], &b, 1), 1);
	CHECK_CHILD(pid, 0);
}

CASE(interrupted_read_gives_EINTR_without_SA_RESTART) {
	int p[2];
	char b;
	struct sigaction sa = {0};
	sa.sa_handler = (void (*)(int))abs;
	sigaction(SIGUSR1, &sa, 0);
	CHECK(pipe(p) == 0);
	pid_t me = getpid(), pid = fork();
	if (pid == 0) {
		msleep(50);
		kill(me, SIGUSR1);
		_exit(0);
	}
	CHECK_ERRNO(read(p[0], &b, 1), EINTR);
	CHECK_CHILD(pid, 0);
}

MAIN()
