// Walks that must not leave a directory (openat2(2)) while others move what they pass.
#include "case.h"
#include <linux/openat2.h>

// walk_to returns a descriptor, or a negative errno.
static int walk_to(int dir, const char *path, uint64_t resolve) {
	struct open_how how = {.flags = O_PATH, .resolve = resolve};
	int fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
	return fd < 0 ? -errno : fd;
}

static int refused(int fd) { return fd == -EXDEV || fd == -EAGAIN; }

static int same(int a, int b) {
	struct stat s, t;
	CHECK(fstat(a, &s) == 0);
	CHECK(fstat(b, &t) == 0);
	return s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

// attack swaps in/deep and out all the time, until it is killed.
static pid_t attack(void) {
	CHECK(mkdir("in", 0700) == 0);
	CHECK(mkdir("in/deep", 0700) == 0);
	CHECK(mkdir("out", 0700) == 0);
	pid_t p = fork();
	if (p == 0)
		for (;;) syscall(SYS_renameat2, AT_FDCWD, "in/deep", AT_FDCWD, "out", 2 /* RENAME_EXCHANGE */);
	return p;
}

#define UP "deep/../../deep/../../deep/../../deep/../../deep/../../deep/../../deep/../.."

CASE(beneath_never_leaves_while_directories_move) {
	pid_t p = attack();
	int in = open("in", O_PATH);
	for (int i = 0; i < 5000; i++) {
		int fd = walk_to(in, UP, RESOLVE_BENEATH);
		CHECK(refused(fd));
		fd = walk_to(in, "deep/..", RESOLVE_BENEATH);
		CHECK(fd >= 0 ? same(fd, in) : refused(fd));
		if (fd >= 0) close(fd);
	}
	kill(p, SIGKILL);
}

CASE(in_root_never_leaves_while_directories_move) {
	pid_t p = attack();
	int in = open("in", O_PATH);
	for (int i = 0; i < 5000; i++) {
		int fd = walk_to(in, UP, RESOLVE_IN_ROOT);
		CHECK(fd >= 0 ? same(fd, in) : refused(fd));
		if (fd >= 0) close(fd);
	}
	kill(p, SIGKILL);
}

CASE(a_directory_that_is_moved_away_has_no_way_back) {
	CHECK(mkdir("in", 0700) == 0 && mkdir("in/deep", 0700) == 0 && mkdir("in/deep/er", 0700) == 0);
	int in = open("in", O_PATH), deep = open("in/deep", O_PATH);
	int fd = walk_to(in, "deep/er/../..", RESOLVE_BENEATH);
	CHECK(fd >= 0 && same(fd, in));
	CHECK(symlink("deep/er", "in/link") == 0);
	fd = walk_to(in, "link/../../link/..", RESOLVE_BENEATH);
	CHECK(fd >= 0 && same(fd, deep));
	CHECK(rename("in/deep/er", "er") == 0);
	CHECK_EQ(walk_to(in, "link/..", RESOLVE_BENEATH), -ENOENT);
}

MAIN()
