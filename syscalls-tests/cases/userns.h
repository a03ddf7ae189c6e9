// What the cases of namespaces share.
#ifndef USERNS_H
#define USERNS_H
#include "case.h"
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

// put writes a text to a file with one write(2), and returns 0 or the error.
__attribute__((unused)) static int put(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return errno;
	int e = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : errno;
	close(fd);
	return e;
}

// slurp reads a file.
__attribute__((unused)) static const char *slurp(const char *path) {
	static char b[20000];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	ssize_t n = 0, r;
	while ((r = read(fd, b + n, sizeof b - 1 - n)) > 0) n += r;
	CHECK(r == 0);
	b[n] = 0;
	close(fd);
	return b;
}

__attribute__((unused)) static const char *proc(pid_t pid, const char *file) {
	static char path[2][64];
	static int i;
	i = !i;
	snprintf(path[i], sizeof path[i], "/proc/%d/%s", pid, file);
	return path[i];
}

// become gives up root for a user.
__attribute__((unused)) static void become(int id) {
	CHECK(setgroups(0, 0) == 0);
	CHECK(setresgid(id, id, id) == 0);
	CHECK(setresuid(id, id, id) == 0);
	prctl(PR_SET_DUMPABLE, 1);
}

// enter makes a user namespace with flags, in which the caller's ids are called uid and gid.
__attribute__((unused)) static void enter(int flags, int uid, int gid) {
	char map[64];
	int u = geteuid(), g = getegid();
	CHECK(unshare(CLONE_NEWUSER | flags) == 0);
	if (strcmp(slurp("/proc/self/setgroups"), "deny\n")) CHECK_EQ(put("/proc/self/setgroups", "deny"), 0);
	snprintf(map, sizeof map, "%d %d 1", uid, u);
	CHECK_EQ(put("/proc/self/uid_map", map), 0);
	snprintf(map, sizeof map, "%d %d 1", gid, g);
	CHECK_EQ(put("/proc/self/gid_map", map), 0);
}

// A child that waits in a new user namespace until it is let go.
struct child { pid_t pid; int go; };

// spawn starts a child in namespaces of its own, which does body when the parent says so, and exits 0.
__attribute__((unused)) static struct child spawn(int flags, void (*body)(void)) {
	int down[2], up[2];
	CHECK(pipe(down) == 0);
	CHECK(pipe(up) == 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		char c;
		CHECK(close(down[1]) == 0);
		CHECK(unshare(flags) == 0);
		CHECK(write(up[1], "x", 1) == 1);
		CHECK(read(down[0], &c, 1) == 1);
		if (body) body();
		_exit(0);
	}
	char c;
	close(down[0]);
	close(up[1]);
	CHECK(read(up[0], &c, 1) == 1);
	close(up[0]);
	return (struct child){pid, down[1]};
}

// finish lets the child do its part and wants it to succeed.
__attribute__((unused)) static void finish(struct child c) {
	CHECK(write(c.go, "x", 1) == 1);
	close(c.go);
	CHECK_CHILD(c.pid, 0);
}

// has reports whether a capability is effective.
__attribute__((unused)) static int has(int cap) {
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	CHECK(syscall(SYS_capget, &h, d) == 0);
	return d[cap / 32].effective >> cap % 32 & 1;
}

// drop takes a capability out of all sets.
__attribute__((unused)) static void drop(int cap) {
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	CHECK(syscall(SYS_capget, &h, d) == 0);
	d[cap / 32].effective &= ~(1U << cap % 32);
	d[cap / 32].permitted &= ~(1U << cap % 32);
	CHECK(syscall(SYS_capset, &h, d) == 0);
}

// IN runs the code that follows in a child of its own, and wants it to end well.
#define IN_CHILD(...)                       \
	do {                                    \
		pid_t pid_ = fork();                \
		CHECK(pid_ >= 0);                   \
		if (pid_ == 0) { __VA_ARGS__; _exit(0); } \
		CHECK_CHILD(pid_, 0);               \
	} while (0)

#endif
