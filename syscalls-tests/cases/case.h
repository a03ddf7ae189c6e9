// How a case file looks:
//
//	#include "case.h"
//
//	CASE(pipe_write_after_reader_closed_gives_EPIPE) {
//		int p[2];
//		CHECK(pipe(p) == 0);
//		close(p[0]);
//		CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
//	}
//
//	MAIN()
//
// A case passes if it returns and no CHECK failed. Each runs in a child of its own, in an
// empty directory of its own, in a session of its own, and is killed after CASE_TIMEOUT
// seconds. The program prints TAP; with arguments it runs only the cases named.
#ifndef CASE_H
#define CASE_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CASE_TIMEOUT
#define CASE_TIMEOUT 20
#endif

struct test_case {
	const char *name;
	void (*run)(void);
	struct test_case *next;
};
static struct test_case *first_case, **last_case = &first_case;

#define CASE(n)                                                            \
	static void case_##n(void);                                            \
	static struct test_case tc_##n = {#n, case_##n, 0};                    \
	__attribute__((constructor)) static void add_##n(void) {               \
		*last_case = &tc_##n;                                              \
		last_case = &tc_##n.next;                                          \
	}                                                                      \
	static void case_##n(void)

// fail prints where and why, and ends the case (also from a child that the case forked:
// the parent should then check the exit status).
__attribute__((noreturn, format(printf, 3, 4))) static void
fail(const char *file, int line, const char *fmt, ...) {
	va_list ap;
	char b[1000];
	int n = snprintf(b, sizeof b, "# %s:%d: ", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
	va_start(ap, fmt);
	n += vsnprintf(b + n, sizeof b - n - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof b - 2) n = sizeof b - 2;
	b[n++] = '\n';
	if (write(1, b, n) < 0) {}
	_exit(99);
}

#define CHECK(x)                                                                                        \
	do {                                                                                                \
		errno = 0;                                                                                      \
		if (!(x)) fail(__FILE__, __LINE__, "not true: %s (errno %d, %s)", #x, errno, strerror(errno)); \
	} while (0)

// CHECK_EQ compares two integers.
#define CHECK_EQ(x, want)                                                                                   \
	do {                                                                                                    \
		errno = 0;                                                                                          \
		long long got_ = (long long)(x), want_ = (long long)(want);                                         \
		if (got_ != want_)                                                                                  \
			fail(__FILE__, __LINE__, "%s is %lld, want %lld (errno %d, %s)", #x, got_, want_, errno, strerror(errno)); \
	} while (0)

// CHECK_ERRNO wants x to be -1 with that errno.
#define CHECK_ERRNO(x, e)                                                                                  \
	do {                                                                                                   \
		errno = 0;                                                                                         \
		long long got_ = (long long)(x);                                                                   \
		if (got_ != -1 || errno != (e))                                                                    \
			fail(__FILE__, __LINE__, "%s is %lld with errno %d (%s), want %s", #x, got_, errno, strerror(errno), #e); \
	} while (0)

// CHECK_CHILD waits for a child and wants it to exit with code.
#define CHECK_CHILD(pid, code)                                                        \
	do {                                                                              \
		int st_ = -1;                                                                 \
		CHECK_EQ(waitpid((pid), &st_, 0), (pid));                                     \
		if (!WIFEXITED(st_) || WEXITSTATUS(st_) != (code))                            \
			fail(__FILE__, __LINE__, "child ended with status %#x, want exit code %d", st_, (code)); \
	} while (0)

// msleep sleeps through signals.
__attribute__((unused)) static void msleep(int ms) {
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};
	while (nanosleep(&ts, &ts) && errno == EINTR) {}
}

// now_ms is the monotonic clock in milliseconds.
__attribute__((unused)) static long long now_ms(void) {
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int run_case(struct test_case *c, int n) {
	char dir[] = "/tmp/caseXXXXXX", rm[64];
	fflush(stdout);
	if (!mkdtemp(dir)) { perror("mkdtemp"); exit(2); }
	chmod(dir, 0777);
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		if (chdir(dir)) _exit(98);
		c->run();
		_exit(0);
	}
	int st = 0, timed_out = 0;
	for (long long end = now_ms() + CASE_TIMEOUT * 1000LL; waitpid(pid, &st, WNOHANG) == 0;) {
		if (now_ms() > end) {
			timed_out = 1;
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			waitpid(pid, &st, 0);
			break;
		}
		usleep(500);
	}
	kill(-pid, SIGKILL);
	snprintf(rm, sizeof rm, "rm -rf %s", dir);
	if (system(rm)) {}
	int ok = !timed_out && WIFEXITED(st) && WEXITSTATUS(st) == 0;
	if (timed_out) printf("# timed out after %d s\n", CASE_TIMEOUT);
	else if (WIFSIGNALED(st)) printf("# died of signal %d (%s)\n", WTERMSIG(st), strsignal(WTERMSIG(st)));
	printf("%s %d - %s\n", ok ? "ok" : "not ok", n, c->name);
	fflush(stdout);
	return ok;
}

static int run_cases(int argc, char **argv) {
	int n = 0, bad = 0;
	for (struct test_case *c = first_case; c; c = c->next) {
		int wanted = argc < 2;
		for (int i = 1; i < argc; i++) wanted |= !strcmp(argv[i], c->name);
		if (wanted && !run_case(c, ++n)) bad = 1;
	}
	printf("1..%d\n", n);
	return bad;
}

#define MAIN() \
	int main(int argc, char **argv) { return run_cases(argc, argv); }

#endif
