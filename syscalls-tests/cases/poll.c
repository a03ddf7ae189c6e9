#include "files.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>

static void ignore(int sig) { (void)sig; }

// state is what poll says of fd at once, if asked for all.
static int state(int fd) {
	struct pollfd p = {fd, POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM | POLLWRNORM, 0};
	CHECK_EQ(poll(&p, 1, 0), p.revents != 0);
	return p.revents;
}

CASE(poll_errors) {
	struct pollfd p = {0, POLLIN, 77};
	CHECK_ERRNO(poll((void *)8, 1, 0), EFAULT);
	CHECK_EQ(poll((void *)8, 0, 0), 0);
	struct rlimit rl = {20, 20};
	CHECK(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	CHECK_ERRNO(poll(&p, 21, 0), EINVAL);
	p.fd = -1;
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(p.revents, 0);
	p.fd = 19;
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(p.revents, POLLNVAL);
	struct timespec bad = {0, 1000000000}, neg = {-1, 0};
	CHECK_ERRNO(ppoll(&p, 1, &bad, 0), EINVAL);
	CHECK_ERRNO(ppoll(&p, 1, &neg, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_ppoll, &p, 1, 0, &bad, 7), EINVAL);
}

CASE(poll_counts_descriptors_not_events) {
	int e = eventfd(1, 0), p[2];
	CHECK(pipe(p) == 0);
	struct pollfd v[5] = {{e, POLLIN | POLLOUT, 0}, {e, POLLOUT, 0}, {p[0], POLLIN, 7}, {-5, POLLIN, 7}, {99, 0, 0}};
	CHECK_EQ(poll(v, 5, 0), 3);
	CHECK_EQ(v[0].revents, POLLIN | POLLOUT);
	CHECK_EQ(v[1].revents, POLLOUT);
	CHECK_EQ(v[2].revents, 0);
	CHECK_EQ(v[3].revents, 0);
	CHECK_EQ(v[4].revents, POLLNVAL);
}

CASE(poll_of_files_and_directories_is_always_ready) {
	int rw = make("f", ""), all = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	CHECK_EQ(state(rw), all);
	CHECK_EQ(state(open("f", O_RDONLY)), all);
	CHECK_EQ(state(open(".", O_RDONLY)), all);
	CHECK_EQ(state(open("/dev/null", O_RDONLY)), all);
	CHECK_EQ(state(open("f", O_PATH)), POLLNVAL);
}

CASE(poll_of_pipe_ends) {
	int p[2];
	char b[65536] = "";
	CHECK(pipe(p) == 0);
	CHECK_EQ(state(p[0]), 0);
	CHECK_EQ(state(p[1]), POLLOUT | POLLWRNORM);
	CHECK_EQ(write(p[1], b, 65536), 65536);
	CHECK_EQ(state(p[0]), POLLIN | POLLRDNORM);
	CHECK_EQ(state(p[1]), 0);
	CHECK_EQ(read(p[0], b, 4095), 4095);
	CHECK_EQ(state(p[1]), 0);
	CHECK_EQ(read(p[0], b, 1), 1);
	CHECK_EQ(state(p[1]), POLLOUT | POLLWRNORM);
	close(p[1]);
	CHECK_EQ(state(p[0]), POLLIN | POLLRDNORM | POLLHUP);
	CHECK_EQ(read(p[0], b, 65536), 61440);
	CHECK_EQ(state(p[0]), POLLHUP);
	CHECK(pipe(p) == 0);
	close(p[0]);
	CHECK_EQ(state(p[1]), POLLOUT | POLLWRNORM | POLLERR);
}

CASE(poll_of_a_fifo_hangs_up_after_its_first_writer) {
	CHECK(mkfifo("p", 0600) == 0);
	int r = open("p", O_RDONLY | O_NONBLOCK);
	char b;
	CHECK_EQ(state(r), 0);
	CHECK_EQ(read(r, &b, 1), 0);
	int w = open("p", O_WRONLY);
	CHECK_EQ(state(r), 0);
	close(w);
	CHECK_EQ(state(r), POLLHUP);
	w = open("p", O_WRONLY);
	CHECK_EQ(state(r), 0);
	CHECK_EQ(state(open("p", O_RDWR)), POLLOUT | POLLWRNORM);
}

CASE(poll_of_socket_pairs) {
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	int out = POLLOUT | POLLWRNORM, in = POLLIN | POLLRDNORM;
	CHECK_EQ(state(s[0]), out);
	CHECK_EQ(write(s[1], "x", 1), 1);
	CHECK_EQ(state(s[0]), out | in);
	CHECK(shutdown(s[1], SHUT_WR) == 0);
	CHECK_EQ(state(s[0]), out | in | POLLRDHUP);
	CHECK_EQ(state(s[1]), out);
	close(s[1]);
	CHECK_EQ(state(s[0]), out | in | POLLRDHUP | POLLHUP);
	CHECK_EQ(state(socket(AF_UNIX, SOCK_STREAM, 0)), out | POLLHUP);
	CHECK_EQ(state(socket(AF_UNIX, SOCK_DGRAM, 0)), out);
}

CASE(poll_always_tells_errors_and_hangups) {
	int p[2];
	CHECK(pipe(p) == 0);
	struct pollfd v = {p[0], 0, 0};
	CHECK_EQ(poll(&v, 1, 0), 0);
	close(p[1]);
	CHECK_EQ(poll(&v, 1, -1), 1);
	CHECK_EQ(v.revents, POLLHUP);
}

CASE(poll_is_interrupted_and_never_restarted) {
	struct sigaction sa = {.sa_handler = ignore, .sa_flags = SA_RESTART};
	struct timeval tv = {5, 0};
	sigaction(SIGALRM, &sa, 0);
	ualarm(10000, 10000);
	CHECK_ERRNO(poll(0, 0, 5000), EINTR);
	CHECK_ERRNO(poll(0, 0, -1), EINTR);
	CHECK_ERRNO(select(0, 0, 0, 0, &tv), EINTR);
	// What was left of the time is told.
	CHECK(tv.tv_sec == 4 || (tv.tv_sec == 5 && tv.tv_usec == 0));
	CHECK_ERRNO(pselect(0, 0, 0, 0, 0, 0), EINTR);
}

CASE(ppoll_tells_the_time_left) {
	int e = eventfd(1, 0);
	struct pollfd v = {e, POLLIN, 0};
	struct timespec ts = {5, 0};
	CHECK_EQ(syscall(SYS_ppoll, &v, 1, &ts, 0, 8), 1);
	CHECK(ts.tv_sec == 4 || (ts.tv_sec == 5 && ts.tv_nsec == 0));
	v.events = POLLPRI;
	ts = (struct timespec){0, 2000000};
	CHECK_EQ(syscall(SYS_ppoll, &v, 1, &ts, 0, 8), 0);
	CHECK(ts.tv_sec == 0 && ts.tv_nsec == 0);
}

CASE(select_errors) {
	fd_set s;
	struct timeval bad = {0, -1}, zero = {0, 0}, long_usec = {0, 2000000};
	FD_ZERO(&s);
	CHECK_ERRNO(select(-1, 0, 0, 0, &zero), EINVAL);
	CHECK_ERRNO(select(0, 0, 0, 0, &bad), EINVAL);
	CHECK_ERRNO(syscall(SYS_select, 8, 8, 0, 0, &zero), EFAULT);
	CHECK_ERRNO(syscall(SYS_select, 0, 0, 0, 0, 8), EFAULT);
	// A table of descriptors that has had number 99 looks at it.
	CHECK_EQ(dup2(0, 99), 99);
	CHECK(close(99) == 0);
	FD_SET(99, &s);
	CHECK_ERRNO(select(100, &s, 0, 0, &zero), EBADF);
	CHECK(FD_ISSET(99, &s));
	CHECK_EQ(select(99, &s, 0, 0, &zero), 0);
	FD_SET(eventfd(1, 0), &s);
	CHECK_EQ(select(50, &s, 0, 0, &long_usec), 1);
}

CASE(select_counts_bits_of_all_sets) {
	int e = eventfd(1, 0), p[2];
	CHECK(pipe(p) == 0);
	fd_set in, out, ex;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(e, &in), FD_SET(e, &out), FD_SET(e, &ex);
	FD_SET(p[0], &in), FD_SET(p[1], &out);
	CHECK_EQ(select(p[1] + 1, &in, &out, &ex, 0), 3);
	CHECK(FD_ISSET(e, &in) && FD_ISSET(e, &out) && !FD_ISSET(e, &ex));
	CHECK(!FD_ISSET(p[0], &in) && FD_ISSET(p[1], &out));
	// A hangup reads as input, a broken pipe as both.
	close(p[1]);
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	CHECK_EQ(select(p[0] + 1, &in, 0, 0, 0), 1);
	CHECK(pipe(p) == 0);
	close(p[0]);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(p[1], &in), FD_SET(p[1], &out);
	CHECK_EQ(select(p[1] + 1, &in, &out, 0, 0), 2);
}

CASE(pselect_takes_the_mask_for_the_wait_only) {
	sigset_t block, none, now;
	struct sigaction sa = {.sa_handler = ignore};
	sigaction(SIGUSR1, &sa, 0);
	sigemptyset(&block), sigemptyset(&none), sigaddset(&block, SIGUSR1);
	CHECK(sigprocmask(SIG_SETMASK, &block, 0) == 0);
	raise(SIGUSR1);
	struct timespec zero = {0, 0};
	CHECK_EQ(pselect(0, 0, 0, 0, &zero, 0), 0);
	CHECK_ERRNO(pselect(0, 0, 0, 0, 0, &none), EINTR);
	CHECK(sigprocmask(0, 0, &now) == 0);
	CHECK(sigismember(&now, SIGUSR1));
	struct { const sigset_t *set; size_t n; } arg = {&none, 7};
	CHECK_ERRNO(syscall(SYS_pselect6, 0, 0, 0, 0, &zero, &arg), EINVAL);
}

MAIN()
