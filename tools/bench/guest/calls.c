/*
 * calls: what single operations cost, in nanoseconds.
 *
 *	calls DIR [NAME...]
 *
 * prints "NAME NANOSECONDS" for every measure, or for those named, and
 * "NAME failed: WHY" for one that can't be made. Files are made in DIR, which must exist.
 *
 * Each measure runs in RUNS processes of its own, one after the other, under an alarm: whatever
 * happens to it, the next one starts clean. In each the operation is repeated until that takes
 * LONG_ENOUGH; then comes the median of SAMPLES such loops; and of the processes again the
 * median, for where the scheduler puts two that talk can make a difference of twenty
 * times. Setting up is not timed.
 *
 * The program that reads this output is tools/bench; the names are in its table.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONG_ENOUGH 8e6 /* ns a loop */
#define SAMPLES 3
#define RUNS 3
#define PATIENCE 30 /* seconds a measure */
#define PAGE 4096
#define LARGE (64 << 20)
#define KNOWN "/usr/bin/env"
#define UNKNOWN "/usr/bin/no-such-program"

static const char *dir;
static FILE *report; /* to the parent: a figure, or "failed: WHY" */
static char buf[1 << 16];
static char path[PAGE]; /* of a file, once file() made it */

static void fail(const char *what)
{
	fprintf(report, "failed: %s: %s", what, strerror(errno));
	fflush(report);
	unlink(path);
	_exit(1);
}

/* must ends the measure if a call failed. */
#define must(call) ({ long r_ = (long)(call); if (r_ < 0) fail(#call); r_; })

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* file makes a file of 64 KiB and returns a descriptor. It is removed when the measure ends. */
static int file(void)
{
	snprintf(path, sizeof path, "%s/calls.%d", dir, getpid());
	int fd = must(open(path, O_CREAT | O_RDWR | O_TRUNC, 0644));
	memset(buf, 1, sizeof buf);
	must(write(fd, buf, sizeof buf));
	return fd;
}

static int zero(void) { return must(open("/dev/zero", O_RDONLY)); }

/* A measure has a function that sets up, or none, and one that does the thing n times. */
static int fd, fds[4];
static char *memory;

static void open_zero(void) { fd = zero(); }
static void open_file(void) { fd = file(); }
static void open_dir(void) { fd = must(open("/etc", O_RDONLY | O_DIRECTORY)); }

#define LOOP(name, ...) \
	static void name(long n) { for (long i = 0; i < n; i++) { __VA_ARGS__; } }

/* Identity and time. */
static struct timespec ts;
LOOP(do_getpid, must(syscall(SYS_getpid)))
LOOP(do_gettid, must(syscall(SYS_gettid)))
LOOP(do_getppid, must(syscall(SYS_getppid)))
LOOP(do_clock, must(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts)))
LOOP(do_clock_vdso, must(clock_gettime(CLOCK_MONOTONIC, &ts)))
LOOP(do_yield, must(sched_yield()))

/* Files. */
static struct stat st;
LOOP(do_read_1, must(read(fd, buf, 1)))
LOOP(do_read_64k, must(read(fd, buf, sizeof buf)))
LOOP(do_pread, must(pread(fd, buf, PAGE, 0)))
LOOP(do_pwrite, must(pwrite(fd, buf, PAGE, 0)))
LOOP(do_fstat, must(fstat(fd, &st)))
LOOP(do_lseek, must(lseek(fd, 100, SEEK_SET)))
LOOP(do_stat, must(stat(KNOWN, &st)))
LOOP(do_stat_missing, if (stat(UNKNOWN, &st) == 0) fail("stat of a missing name"))
LOOP(do_open, close(must(open(KNOWN, O_RDONLY))))
LOOP(do_create,
     snprintf(path, sizeof path, "%s/calls.%d.%ld", dir, getpid(), i);
     close(must(open(path, O_CREAT | O_EXCL | O_WRONLY, 0644)));
     must(unlink(path)))
LOOP(do_getdents,
     must(lseek(fd, 0, SEEK_SET));
     while (must(syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0);)

/* Waiting and waking. */
static _Atomic uint32_t turn;

static long futex(int op, uint32_t val) { return syscall(SYS_futex, &turn, op | FUTEX_PRIVATE_FLAG, val, NULL); }

LOOP(do_wake, must(futex(FUTEX_WAKE, 1)))

/* pass gives the turn to the other thread and take waits for it; nobody spins. */
static void pass(uint32_t to)
{
	turn = to;
	must(futex(FUTEX_WAKE, 1));
}

static void take(uint32_t mine)
{
	for (uint32_t t; (t = turn) != mine;)
		if (futex(FUTEX_WAIT, t) < 0 && errno != EAGAIN && errno != EINTR)
			fail("futex wait");
}

static void *partner(void *arg)
{
	for (;;) {
		take(1);
		pass(0);
	}
	return arg;
}

static void start_partner(void)
{
	pthread_t t;
	if ((errno = pthread_create(&t, NULL, partner, NULL)))
		fail("pthread_create");
}

LOOP(do_handoff, pass(1); take(0))

static struct epoll_event event = {.events = EPOLLIN};

static void open_epoll(void)
{
	fd = must(epoll_create1(0));
	must(epoll_ctl(fd, EPOLL_CTL_ADD, must(eventfd(1, 0)), &event));
}

LOOP(do_epoll, if (must(epoll_wait(fd, &event, 1, -1)) != 1) fail("epoll_wait: not ready"))

/* Pipes and sockets. What is written to fds[1] comes back from fds[0]. */
static void open_pipe(void) { must(pipe(fds)); }

/* echo is the process at the other end: it sends every byte back until there are no more. */
static void echo(int in, int out, int close_a, int close_b)
{
	if (must(fork()) > 0)
		return;
	close(close_a);
	close(close_b);
	while (read(in, buf, 1) == 1)
		if (write(out, buf, 1) != 1)
			break;
	_exit(0);
}

static void open_echo_pipe(void)
{
	int there[2], back[2];
	must(pipe(there));
	must(pipe(back));
	echo(there[0], back[1], there[1], back[0]);
	close(there[0]);
	close(back[1]);
	fds[0] = back[0];
	fds[1] = there[1];
}

static void open_echo_socket(void)
{
	int ends[2];
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	echo(ends[1], ends[1], ends[0], -1);
	close(ends[1]);
	fds[0] = fds[1] = ends[0];
}

LOOP(do_write_read, must(write(fds[1], buf, 1)); if (must(read(fds[0], buf, 1)) != 1) fail("the other end is gone"))

/* Memory. */
static char *map(size_t size)
{
	char *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		fail("mmap");
	return m;
}

static void touch(char *m, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE)
		((volatile char *)m)[at] = 1;
}

LOOP(do_mmap, char *m = map(1 << 16); touch(m, 1 << 16); must(munmap(m, 1 << 16)))

static void touch_large(void)
{
	memory = map(LARGE);
	touch(memory, LARGE);
}

/* Processes. */
static void reap(pid_t child)
{
	int status;
	must(waitpid(child, &status, 0));
	if (status != 0) {
		errno = ECHILD;
		fail("the child ended badly");
	}
}

LOOP(do_fork, pid_t c = must(fork()); if (c == 0) _exit(0); reap(c))

static pid_t spawn(void)
{
	pid_t c = vfork();
	if (c == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	return c;
}

LOOP(do_exec, reap(must(spawn())))

static void *nothing(void *arg) { return arg; }

LOOP(do_thread,
     pthread_t t;
     if ((errno = pthread_create(&t, NULL, nothing, NULL))) fail("pthread_create");
     pthread_join(t, NULL))

static volatile sig_atomic_t handled;
static void handler(int sig) { handled = sig; }

static void catch_signal(void) { signal(SIGUSR1, handler); }

LOOP(do_signal, handled = 0; must(kill(getpid(), SIGUSR1)); if (!handled) fail("the signal did not come"))

static const struct measure {
	const char *name;
	void (*setup)(void);
	void (*loop)(long n);
} measures[] = {
	{"getpid", NULL, do_getpid},
	{"gettid", NULL, do_gettid},
	{"getppid", NULL, do_getppid},
	{"clock_gettime", NULL, do_clock},
	{"clock_gettime-vdso", NULL, do_clock_vdso},
	{"sched_yield", NULL, do_yield},
	{"read-1", open_zero, do_read_1},
	{"read-64k", open_zero, do_read_64k},
	{"pread-4k", open_file, do_pread},
	{"pwrite-4k", open_file, do_pwrite},
	{"fstat", open_file, do_fstat},
	{"lseek", open_file, do_lseek},
	{"stat", NULL, do_stat},
	{"stat-missing", NULL, do_stat_missing},
	{"open-close", NULL, do_open},
	{"create-unlink", NULL, do_create},
	{"getdents", open_dir, do_getdents},
	{"futex-wake", NULL, do_wake},
	{"futex-handoff", start_partner, do_handoff},
	{"epoll_wait", open_epoll, do_epoll},
	{"pipe-write-read", open_pipe, do_write_read},
	{"pipe-pingpong", open_echo_pipe, do_write_read},
	{"socket-pingpong", open_echo_socket, do_write_read},
	{"mmap-touch-munmap", NULL, do_mmap},
	{"first-touch", NULL, NULL},
	{"fork-exit-wait", NULL, do_fork},
	{"fork-exit-wait-64m", touch_large, do_fork},
	{"vfork-exec", NULL, do_exec},
	{"thread", NULL, do_thread},
	{"signal", catch_signal, do_signal},
};

#define COUNT (sizeof measures / sizeof *measures)

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;
	return (d > 0) - (d < 0);
}

static double median(double *v, int n)
{
	qsort(v, n, sizeof *v, compare);
	return v[n / 2];
}

static double timed(const struct measure *m, long n)
{
	double start = now();
	m->loop(n);
	return now() - start;
}

static double measure(const struct measure *m)
{
	double samples[SAMPLES], t;
	long n = 1;
	if (m->setup)
		m->setup();
	for (; (t = timed(m, n)) < LONG_ENOUGH; n *= 2)
		;
	for (int i = 0; i < SAMPLES; i++)
		samples[i] = timed(m, n) / n;
	return median(samples, SAMPLES);
}

/* first_touch is the cost of a page that was never touched. What was touched stays mapped: so
   a sandbox has to find new memory each time too. */
static double first_touch(void)
{
	double samples[3];
	for (int i = 0; i < 3; i++) {
		char *m = map(LARGE);
		double start = now();
		touch(m, LARGE);
		samples[i] = (now() - start) / (LARGE / PAGE);
	}
	return median(samples, 3);
}

/* child makes the measure once and tells the parent. */
static void child(const struct measure *m, int out)
{
	alarm(PATIENCE);
	report = fdopen(out, "w");
	fprintf(report, "%f", m->loop ? measure(m) : first_touch());
	fflush(report);
	unlink(path);
	_exit(0);
}

static void run(const struct measure *m)
{
	double ns[RUNS];
	for (int i = 0; i < RUNS; i++) {
		char said[512] = "";
		int ends[2], status;
		if (pipe(ends) < 0) {
			perror("calls: pipe");
			exit(1);
		}
		pid_t pid = fork();
		if (pid < 0) {
			perror("calls: fork");
			exit(1);
		}
		if (pid == 0)
			child(m, ends[1]);
		close(ends[1]);
		waitpid(pid, &status, 0);
		/* What it said fits into the pipe; its own children may still hold the other end. */
		ssize_t len = read(ends[0], said, sizeof said - 1);
		close(ends[0]);
		if (WIFSIGNALED(status)) {
			printf("%s failed: killed by %s\n", m->name, strsignal(WTERMSIG(status)));
			return;
		}
		if (len <= 0 || sscanf(said, "%lf", &ns[i]) != 1) {
			printf("%s %s\n", m->name, said);
			return;
		}
	}
	printf("%s %.1f\n", m->name, median(ns, RUNS));
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: calls DIR [NAME...]\n");
		return 2;
	}
	dir = argv[1];
	for (size_t i = 0; i < COUNT; i++) {
		int wanted = argc == 2;
		for (int a = 2; a < argc; a++)
			wanted |= !strcmp(argv[a], measures[i].name);
		if (wanted) {
			run(&measures[i]);
			fflush(stdout);
		}
	}
	return 0;
}
