// fcntl(2): what it tells of locks and of how a file came to be.
#include "case.h"

#ifndef F_CREATED_QUERY
#define F_CREATED_QUERY 1028
#endif

static void lock(int fd, int type, off_t start, off_t len) {
	struct flock l = {.l_type = type, .l_start = start, .l_len = len};
	CHECK(fcntl(fd, F_OFD_SETLK, &l) == 0);
}

static struct flock get(int fd, int type, off_t start, off_t len) {
	struct flock l = {.l_type = type, .l_start = start, .l_len = len};
	CHECK(fcntl(fd, F_OFD_GETLK, &l) == 0);
	return l;
}

CASE(getlk_with_unlck_tells_of_own_locks) {
	int a = open("f", O_RDWR | O_CREAT, 0600), b = open("f", O_RDWR);
	lock(a, F_RDLCK, 5, 3);
	lock(a, F_WRLCK, 20, 3);
	struct flock l = get(a, F_UNLCK, 0, 0);
	CHECK_EQ(l.l_type, F_RDLCK);
	CHECK_EQ(l.l_start, 5);
	CHECK_EQ(l.l_len, 3);
	CHECK_EQ(l.l_pid, -1);
	l = get(a, F_UNLCK, 10, 0);
	CHECK_EQ(l.l_type, F_WRLCK);
	CHECK_EQ(l.l_start, 20);
	l = get(a, F_UNLCK, 10, 5);
	CHECK_EQ(l.l_type, F_UNLCK);
	CHECK_EQ(l.l_start, 10);
	CHECK_EQ(l.l_len, 5);
	// Others' do not count, and neither do those of the process.
	CHECK_EQ(get(b, F_UNLCK, 0, 0).l_type, F_UNLCK);
	struct flock p = {.l_type = F_WRLCK, .l_start = 50, .l_len = 5};
	CHECK(fcntl(b, F_SETLK, &p) == 0);
	CHECK_EQ(get(b, F_UNLCK, 50, 1).l_type, F_UNLCK);
	CHECK_EQ(get(b, F_RDLCK, 50, 1).l_pid, getpid());
}

CASE(created_query) {
	int a = open("f", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(fcntl(a, F_CREATED_QUERY, 0), 1);
	CHECK_EQ(fcntl(dup(a), F_CREATED_QUERY, 77), 1);
	CHECK_EQ(fcntl(open("f", O_RDWR | O_CREAT, 0600), F_CREATED_QUERY, 0), 0);
	CHECK_EQ(fcntl(open("f", O_PATH), F_CREATED_QUERY, 0), 0);
	CHECK_EQ(fcntl(open(".", O_TMPFILE | O_RDWR, 0600), F_CREATED_QUERY, 0), 0);
	CHECK(symlink("new", "link") == 0);
	CHECK_EQ(fcntl(open("link", O_RDWR | O_CREAT, 0600), F_CREATED_QUERY, 0), 1);
	CHECK_ERRNO(fcntl(99, F_CREATED_QUERY, 0), EBADF);
}

// script makes a script whose first line is "#!", fill to size bytes less end, and end.
static int script(size_t size, const char *start, const char *end) {
	char line[300], *argv[] = {"script", 0};
	size_t n = snprintf(line, sizeof line, "#!%s/", start);
	memset(line + n, '/', size - n);
	strcpy(line + size - strlen("/bin/true") - strlen(end), "/bin/true");
	strcat(line, end);
	int fd = open("script", O_CREAT | O_WRONLY | O_TRUNC, 0700);
	CHECK_EQ(write(fd, line, size), size);
	close(fd);
	pid_t p = fork();
	if (p == 0) {
		execv("./script", argv);
		_exit(errno == ENOEXEC ? 8 : 9);
	}
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFEXITED(st));
	return WEXITSTATUS(st);
}

CASE(the_first_line_of_a_script_has_256_bytes) {
	CHECK_EQ(script(255, "", "\n"), 0);
	CHECK_EQ(script(256, "", "\n"), 0);
	CHECK_EQ(script(256, "  ", "\n"), 0);
	CHECK_EQ(script(256, "", " "), 0);
	CHECK_EQ(script(256, "", " \n"), 0);
	CHECK_EQ(script(255, "", ""), 0);
	CHECK_EQ(script(257, "", "\n"), 8);
	CHECK_EQ(script(257, "", " \n"), 0);
	CHECK_EQ(script(256, "", ""), 8);
}

MAIN()
