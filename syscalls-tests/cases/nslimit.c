// How many namespaces users may have: /proc/sys/user/max_*_namespaces (namespaces(7)).
#include "case.h"
#include <sched.h>
#include <sys/mount.h>

static long limit(const char *kind, const char *set) {
	char path[96], b[32] = "";
	snprintf(path, sizeof path, "/proc/sys/user/max_%s_namespaces", kind);
	int fd = open(path, set ? O_RDWR : O_RDONLY);
	if (fd < 0) return -1;
	if (set) CHECK(write(fd, set, strlen(set)) == (ssize_t)strlen(set));
	CHECK(pread(fd, b, sizeof b - 1, 0) > 0);
	close(fd);
	return atol(b);
}

// own makes this process root of a user namespace of its own.
static void own(void) {
	const struct { const char *name, *text; } maps[] = {{"uid_map", "0 0 1"}, {"setgroups", "deny"}, {"gid_map", "0 0 1"}};
	CHECK(unshare(CLONE_NEWUSER) == 0);
	for (int i = 0; i < 3; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/self/%s", maps[i].name);
		int fd = open(path, O_WRONLY);
		CHECK(fd >= 0 && write(fd, maps[i].text, strlen(maps[i].text)) == (ssize_t)strlen(maps[i].text));
		close(fd);
	}
}

CASE(a_new_user_namespace_has_the_greatest_limits) {
	own();
	CHECK_EQ(limit("user", 0), 2147483647);
	CHECK_EQ(limit("net", 0), 2147483647);
}

CASE(a_limit_of_a_user_namespace_is_its_own) {
	long was = limit("uts", 0);
	pid_t pid = fork();
	if (pid == 0) {
		own();
		CHECK_EQ(limit("uts", "7"), 7);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	CHECK_EQ(limit("uts", 0), was);
}

static const struct { const char *name; int flag; } kinds[] = {
	{"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"mnt", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET},
	{"cgroup", CLONE_NEWCGROUP}, {"user", CLONE_NEWUSER}, {"time", 0x80},
};

CASE(nothing_can_be_made_with_a_limit_of_zero) {
	own();
	for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		CHECK_EQ(limit(kinds[i].name, "0"), 0);
		CHECK_ERRNO(unshare(kinds[i].flag), ENOSPC);
	}
}

CASE(as_many_can_be_made_as_the_limit_says) {
	own();
	limit("uts", "1");
	CHECK(unshare(CLONE_NEWUTS) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_ERRNO(unshare(CLONE_NEWUTS), ENOSPC);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

CASE(what_has_ended_counts_no_longer) {
	own();
	limit("uts", "1");
	for (int i = 0; i < 3; i++) {
		int made = 0;
		for (int n = 0; n < 1000 && !made; n++) { // a namespace ends a little after its last task
			pid_t pid = fork();
			if (pid == 0) _exit(unshare(CLONE_NEWUTS) == 0 ? 0 : 1);
			int st;
			CHECK(waitpid(pid, &st, 0) == pid);
			made = st == 0;
			if (!made) usleep(1000);
		}
		CHECK(made);
	}
}

CASE(namespaces_below_count_above) {
	own();
	limit("uts", "0");
	own();
	CHECK_EQ(limit("uts", 0), 2147483647);
	CHECK_ERRNO(unshare(CLONE_NEWUTS), ENOSPC);
}

CASE(a_nested_user_namespace_can_be_the_last) {
	own();
	limit("user", "1"); // as bwrap --disable-userns does
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK_ERRNO(unshare(CLONE_NEWUSER), ENOSPC);
}

CASE(others_may_not_change_a_limit) {
	own();
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWUSER) == 0); // with no ids mapped, and then without capabilities
		char *const argv[] = {"sh", "-c", "test -r /proc/sys/user/max_user_namespaces && ! echo 3 2>/dev/null > /proc/sys/user/max_user_namespaces", 0};
		execv("/bin/sh", argv);
		_exit(98);
	}
	CHECK_CHILD(pid, 0);
}

MAIN()
