#include "case.h"
#include "seccomp.h"
#include <sys/time.h>

// The page of calls at a fixed address that programs used before the vDSO (vsyscall=xonly, Linux's default).
#define ENTRY(n) (0xffffffffff600000 + 0x400 * (n))
static int (*const gettime)(struct timeval *, struct timezone *) = (void *)ENTRY(0);
static time_t (*const get_seconds)(time_t *) = (void *)ENTRY(1);
static long (*const get_cpu)(unsigned *, unsigned *, void *) = (void *)ENTRY(2);

static void near(time_t s) {
	time_t now = time(0);
	CHECK(s >= now - 1 && s <= now);
}

CASE(gettimeofday_tells_the_time) {
	struct timeval tv = {0};
	CHECK_EQ(gettime(&tv, 0), 0);
	near(tv.tv_sec);
	CHECK(tv.tv_usec < 1000000);
}

CASE(time_returns_and_stores_the_seconds) {
	time_t s = 0;
	near(get_seconds(0));
	CHECK_EQ(get_seconds(&s), s);
	near(s);
}

CASE(getcpu_tells_a_cpu) {
	unsigned cpu = ~0u, node = ~0u;
	CHECK_EQ(get_cpu(&cpu, &node, 0), 0);
	CHECK(cpu < sysconf(_SC_NPROCESSORS_CONF));
	CHECK(node != ~0u);
}

static void signalled(void (*fn)(void)) {
	int st;
	pid_t p = fork();
	if (p == 0) {
		fn();
		_exit(0);
	}
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSIGNALED(st));
	CHECK_EQ(WTERMSIG(st), SIGSEGV);
}

static void bad_pointer(void) { gettime((void *)1, 0); }
static void no_entry(void) { ((void (*)(void))ENTRY(3))(); }
static void inside_an_entry(void) { ((void (*)(void))(ENTRY(1) + 1))(); }
static volatile char byte;
static void read_it(void) { byte = *(volatile char *)ENTRY(0); }

CASE(a_bad_pointer_gives_SIGSEGV) { signalled(bad_pointer); }
CASE(a_place_that_is_no_entry_gives_SIGSEGV) { signalled(no_entry); }
CASE(the_middle_of_an_entry_gives_SIGSEGV) { signalled(inside_an_entry); }
CASE(the_page_cannot_be_read) { signalled(read_it); }

CASE(a_filter_answers_an_entry_as_the_call) {
	CHECK_EQ(filtered(0, __NR_time, ERR(EDOM)), 0);
	CHECK_EQ(get_seconds(0), -EDOM);
	struct timeval tv;
	CHECK_EQ(gettime(&tv, 0), 0); // the others are made
}

CASE(the_page_is_the_last_line_of_maps) {
	char b[1 << 16], *last = b;
	int f = open("/proc/self/maps", O_RDONLY);
	ssize_t n, all = 0;
	while ((n = read(f, b + all, sizeof b - 1 - all)) > 0) all += n;
	b[all] = 0;
	for (char *p = b; (p = strchr(p, '\n')) && p[1]; p++) last = p + 1;
	CHECK(!strncmp(last, "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 ", 56));
	CHECK(strstr(last, "[vsyscall]\n"));
}

MAIN()
