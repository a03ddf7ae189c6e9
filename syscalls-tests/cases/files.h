// What the cases about files share.
#ifndef FILES_H
#define FILES_H
#include "case.h"
#include <grp.h>
#include <limits.h>
#include <sys/resource.h>

// make leaves a file with that text and returns it open, at its end.
__attribute__((unused)) static int make(const char *name, const char *text) {
	int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0644);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

__attribute__((unused)) static char *contents(const char *name) {
	static char b[65536];
	int fd = open(name, O_RDONLY);
	CHECK(fd >= 0);
	ssize_t n = read(fd, b, sizeof b - 1);
	CHECK(n >= 0);
	b[n] = 0;
	close(fd);
	return b;
}

__attribute__((unused)) static struct stat stat_of(const char *name) {
	struct stat st;
	CHECK(lstat(name, &st) == 0);
	return st;
}

// become gives up root for good.
__attribute__((unused)) static void become(uid_t uid, gid_t gid) {
	CHECK(setgroups(0, 0) == 0);
	CHECK(setresgid(gid, gid, gid) == 0);
	CHECK(setresuid(uid, uid, uid) == 0);
}

// AS runs statements in a child that is uid and gid, and wants none of its checks to fail.
#define AS(uid, gid, ...)              \
	do {                               \
		pid_t child_ = fork();         \
		if (child_ == 0) {             \
			become(uid, gid);          \
			__VA_ARGS__;               \
			_exit(0);                  \
		}                              \
		CHECK_CHILD(child_, 0);        \
	} while (0)

// name_of is a name of n letters.
__attribute__((unused)) static char *name_of(int n) {
	static char b[8192];
	memset(b, 'n', n);
	b[n] = 0;
	return b;
}

#endif
