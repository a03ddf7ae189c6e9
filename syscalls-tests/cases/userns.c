// User namespaces: how they are made, what is mapped in them, who may enter (user_namespaces(7)).
#include "userns.h"
#include <pthread.h>
#include <sys/ioctl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>

#define CHECK_TEXT(path, want) CHECK(!strcmp(slurp(path), want))
#define ALL_CAPS 0x1ffffffffffULL

static unsigned long long caps(const char *name) {
	const char *p = strstr(slurp("/proc/self/status"), name);
	CHECK(p != 0);
	return strtoull(p + strlen(name), 0, 16);
}

CASE(a_new_namespace_has_no_ids_and_all_capabilities) {
	become(1000);
	CHECK_EQ(caps("CapEff:\t"), 0);
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK_EQ(getuid(), 65534);
	CHECK_EQ(geteuid(), 65534);
	CHECK_EQ(getgid(), 65534);
	CHECK_EQ(getegid(), 65534);
	CHECK_EQ(caps("CapEff:\t"), ALL_CAPS);
	CHECK_EQ(caps("CapPrm:\t"), ALL_CAPS);
	CHECK_EQ(caps("CapBnd:\t"), ALL_CAPS);
	CHECK_EQ(caps("CapInh:\t"), 0);
	CHECK_EQ(caps("CapAmb:\t"), 0);
	CHECK_TEXT("/proc/self/uid_map", "");
	CHECK_TEXT("/proc/self/gid_map", "");
	CHECK_TEXT("/proc/self/setgroups", "allow\n");
	CHECK_ERRNO(setuid(0), EINVAL);
	CHECK_ERRNO(setgid(0), EINVAL);
	CHECK_ERRNO(setresuid(-1, 1000, -1), EINVAL);
	CHECK_ERRNO(setgroups(0, 0), EPERM);
}

CASE(the_first_map_shows_every_id) {
	CHECK_TEXT("/proc/self/uid_map", "         0          0 4294967295\n");
	CHECK_TEXT("/proc/self/gid_map", "         0          0 4294967295\n");
	CHECK_TEXT("/proc/self/setgroups", "allow\n");
	CHECK_EQ(put("/proc/self/uid_map", "0 0 1"), EPERM);
	CHECK_EQ(put("/proc/self/setgroups", "deny"), EPERM);
}

CASE(the_unprivileged_map_themselves) {
	become(1000);
	enter(0, 0, 0);
	CHECK_EQ(getuid(), 0);
	CHECK_EQ(getgid(), 0);
	CHECK_TEXT("/proc/self/uid_map", "         0       1000          1\n");
	CHECK_TEXT("/proc/self/gid_map", "         0       1000          1\n");
	CHECK_TEXT("/proc/self/setgroups", "deny\n");
	CHECK_ERRNO(setuid(1), EINVAL);
	CHECK_ERRNO(setuid(1000), EINVAL);
	CHECK(setuid(0) == 0);
	CHECK_ERRNO(setgroups(0, 0), EPERM);
}

CASE(the_unprivileged_map_nobody_else) {
	become(1000);
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK_EQ(put("/proc/self/uid_map", "0 1001 1"), EPERM);
	CHECK_EQ(put("/proc/self/uid_map", "0 0 1"), EPERM);
	CHECK_EQ(put("/proc/self/uid_map", "0 1000 2"), EPERM);
	CHECK_EQ(put("/proc/self/uid_map", "0 1000 1\n1 1001 1\n"), EPERM);
	CHECK_EQ(put("/proc/self/uid_map", "77 1000 1\n"), 0);
	CHECK_EQ(getuid(), 77);
	// Groups only once nobody can drop one.
	CHECK_EQ(put("/proc/self/gid_map", "0 1000 1"), EPERM);
	CHECK_EQ(put("/proc/self/setgroups", "deny\n"), 0);
	CHECK_EQ(put("/proc/self/setgroups", "allow"), EPERM);
	CHECK_EQ(put("/proc/self/gid_map", "0 1001 1"), EPERM);
	CHECK_EQ(put("/proc/self/gid_map", "0 1000 1"), 0);
	CHECK_EQ(put("/proc/self/setgroups", "deny"), EPERM);
}

CASE(a_map_is_written_once) {
	enter(0, 0, 0);
	CHECK_EQ(put("/proc/self/uid_map", "0 0 1"), EPERM);
	CHECK_EQ(put("/proc/self/gid_map", "0 0 1"), EPERM);
	CHECK_EQ(put("/proc/self/projid_map", "0 0 1"), 0);
	CHECK_EQ(put("/proc/self/projid_map", "0 0 1"), EPERM);
	CHECK_TEXT("/proc/self/projid_map", "         0          0          1\n");
}

static void wait_only(void) {}

CASE(what_is_no_map_is_EINVAL) {
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	const char *map = proc(c.pid, "uid_map");
	static const char *const bad[] = {
		"\n", "0", "0 0", "0 0 0", "0 0 1 1", "a 0 1", "0 0 1\n\n", "0 0 1x", "0,0,1", "0 0 -1",
		"4294967295 0 1", "0 4294967295 1", "0 1 4294967295", "1 0 4294967295", "0 4294967294 2",
		"0 0 10\n5 100 1", "0 0 10\n100 9 1", "0 0 10\n0 100 10",
	};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		if (put(map, bad[i]) != EINVAL) fail(__FILE__, __LINE__, "\"%s\" is a map", bad[i]);
	static char big[4097];
	memset(big, ' ', 4096);
	CHECK_EQ(put(map, big), EINVAL);
	CHECK_EQ(put(map, " 0\t0  1 \n"), 0);
	CHECK_TEXT(map, "         0          0          1\n");
	finish(c);
}

CASE(a_map_has_at_most_340_extents) {
	static char text[8000];
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	int n = 0;
	for (int i = 0; i < 341; i++) n += sprintf(text + n, "%d %d 1\n", 3 * i, 2 * i + 1);
	CHECK(n < 4096);
	CHECK_EQ(put(proc(c.pid, "uid_map"), text), EINVAL);
	*strrchr(text, '\n') = 0;
	strrchr(text, '\n')[1] = 0;
	CHECK_EQ(put(proc(c.pid, "uid_map"), text), 0);
	const char *p = slurp(proc(c.pid, "uid_map"));
	int lines = 0;
	while ((p = strchr(p, '\n'))) lines++, p++;
	CHECK_EQ(lines, 340);
	finish(c);
}

static void in_ranges(void) {
	CHECK_EQ(getuid(), 5000);
	struct stat st;
	CHECK(chown("f0", 5010, 5010) == 0);
	CHECK(stat("f0", &st) == 0);
	CHECK_EQ(st.st_uid, 5010);
	CHECK(setresuid(0, 0, 0) == 0);
	CHECK(setresgid(0, 0, 0) == 0);
	int fd = creat("f1", 0600);
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_uid, 0);
	CHECK_ERRNO(chown("f1", 10, 0), EINVAL);
	CHECK(chown("f1", 9, 9) == 0);
	gid_t g[3] = {1, 5003, 7};
	CHECK(setgroups(3, g) == 0);
	gid_t got[3];
	CHECK_EQ(getgroups(3, got), 3);
	CHECK_EQ(got[0] + got[1] + got[2], 1 + 5003 + 7);
	g[0] = 100;
	CHECK_ERRNO(setgroups(3, g), EINVAL);
	CHECK(setuid(5099) == 0);
	CHECK_ERRNO(setuid(5100), EINVAL);
}

CASE(a_parent_with_capabilities_maps_ranges) {
	struct child c = spawn(CLONE_NEWUSER, in_ranges);
	CHECK(close(creat("f0", 0600)) == 0);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "5000 0 100\n0 200000 10\n"), 0);
	CHECK_EQ(put(proc(c.pid, "gid_map"), "5000 0 100\n0 300000 10\n"), 0);
	CHECK_TEXT(proc(c.pid, "uid_map"), "      5000          0        100\n         0     200000         10\n");
	CHECK_EQ(put(proc(c.pid, "setgroups"), "deny"), EPERM);
	finish(c);
	struct stat st;
	CHECK(stat("f0", &st) == 0);
	CHECK_EQ(st.st_uid, 10);
	CHECK_EQ(st.st_gid, 10);
	CHECK(stat("f1", &st) == 0);
	CHECK_EQ(st.st_uid, 200009);
	CHECK_EQ(st.st_gid, 300009);
}

CASE(a_large_map_is_shown_in_order) {
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "50 5 1\n40 4 1\n30 3 1\n20 2 1\n10 1 1\n0 10 1\n"), 0);
	CHECK_TEXT(proc(c.pid, "uid_map"),
		"         0         10          1\n        10          1          1\n        20          2          1\n"
		"        30          3          1\n        40          4          1\n        50          5          1\n");
	CHECK_EQ(put(proc(c.pid, "gid_map"), "50 5 1\n40 4 1\n"), 0);
	CHECK_TEXT(proc(c.pid, "gid_map"), "        50          5          1\n        40          4          1\n");
	finish(c);
}

static void nested(void) {
	CHECK(setresgid(0, 0, 0) == 0);
	CHECK(setresuid(0, 0, 0) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	CHECK_EQ(getuid(), 0);
	CHECK_TEXT("/proc/self/uid_map", "         0       1000         50\n");
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	// Ids that the parent does not have can't be mapped, nor a range across its extents.
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 50 1"), EPERM);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 49 2"), EPERM);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "7 10 3"), 0);
	CHECK_TEXT(proc(c.pid, "uid_map"), "         7         10          3\n");
	finish(c);
}

CASE(maps_of_nested_namespaces_refer_to_the_parent) {
	struct child c = spawn(CLONE_NEWUSER, nested);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 1000 50"), 0);
	CHECK_EQ(put(proc(c.pid, "gid_map"), "0 0 50"), 0);
	finish(c);
}

CASE(maps_refer_to_the_readers_namespace) {
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 1000 10"), 0);
	IN_CHILD({
		CHECK(unshare(CLONE_NEWUSER) == 0);
		CHECK_TEXT(proc(c.pid, "uid_map"), "         0 4294967295         10\n");
	});
	finish(c);
}

static void *idle(void *p) {
	char c;
	return (void *)read(*(int *)p, &c, 1);
}

CASE(a_process_with_threads_stays_in_its_namespace) {
	int p[2];
	pthread_t t;
	int fd = open("/proc/self/ns/user", O_RDONLY);
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	CHECK(pipe(p) == 0);
	int other = open(proc(c.pid, "ns/user"), O_RDONLY);
	CHECK(pthread_create(&t, 0, idle, p) == 0);
	CHECK_ERRNO(unshare(CLONE_NEWUSER), EINVAL);
	CHECK_ERRNO(setns(other, CLONE_NEWUSER), EINVAL);
	CHECK_ERRNO(setns(fd, CLONE_NEWUSER), EINVAL);
	close(p[1]);
	CHECK(pthread_join(t, 0) == 0);
	CHECK_ERRNO(setns(fd, CLONE_NEWUSER), EINVAL); // where it is already
	CHECK(setns(other, CLONE_NEWUSER) == 0);
	CHECK_ERRNO(setns(fd, CLONE_NEWUSER), EPERM);
	kill(c.pid, SIGKILL);
}

CASE(clone_refuses_threads_and_shared_roots_in_a_new_namespace) {
	struct clone_args a = {.flags = CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM};
	CHECK_ERRNO(syscall(SYS_clone3, &a, sizeof a), EINVAL);
	a.flags = CLONE_NEWUSER | CLONE_FS;
	CHECK_ERRNO(syscall(SYS_clone3, &a, sizeof a), EINVAL);
	a.flags = CLONE_NEWUSER;
	a.exit_signal = SIGCHLD;
	become(1000);
	pid_t pid = syscall(SYS_clone3, &a, sizeof a);
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK_EQ(getuid(), 65534);
		_exit(has(CAP_SYS_ADMIN) ? 7 : 8);
	}
	CHECK_CHILD(pid, 7);
	CHECK_EQ(getuid(), 1000);
	CHECK(!has(CAP_SYS_ADMIN));
	pid = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(sethostname("inside", 6) == 0);
		_exit(9);
	}
	CHECK_CHILD(pid, 9);
}

CASE(namespaces_nest_to_a_depth_of_32) {
	for (int i = 0; i < 33; i++) enter(0, 0, 0);
	CHECK_ERRNO(unshare(CLONE_NEWUSER), ENOSPC);
}

CASE(who_has_no_name_makes_no_namespace) {
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK_ERRNO(unshare(CLONE_NEWUSER), EPERM);
	CHECK_EQ(put("/proc/self/uid_map", "0 0 1"), 0);
	CHECK_ERRNO(unshare(CLONE_NEWUSER), EPERM);
	CHECK_EQ(put("/proc/self/setgroups", "deny"), 0);
	CHECK_EQ(put("/proc/self/gid_map", "0 0 1"), 0);
	CHECK(unshare(CLONE_NEWUSER) == 0);
}

CASE(who_is_chrooted_makes_no_namespace) {
	CHECK(mkdir("root", 0755) == 0);
	CHECK(chroot("root") == 0);
	CHECK_ERRNO(unshare(CLONE_NEWUSER), EPERM);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
}

CASE(groups_may_be_set_only_where_they_are_mapped_and_allowed) {
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	CHECK_EQ(put(proc(c.pid, "setgroups"), "nothing"), EINVAL);
	CHECK_EQ(put(proc(c.pid, "setgroups"), "denyy"), EINVAL);
	CHECK_EQ(put(proc(c.pid, "setgroups"), "allow \n"), 0);
	CHECK_EQ(put(proc(c.pid, "setgroups"), "deny \n"), 0);
	CHECK_TEXT(proc(c.pid, "setgroups"), "deny\n");
	finish(c);
}

static void denied(void) { CHECK_TEXT("/proc/self/setgroups", "deny\n"); CHECK(unshare(CLONE_NEWUSER) == 0); CHECK_TEXT("/proc/self/setgroups", "deny\n"); }

CASE(a_denial_of_setgroups_is_inherited) {
	struct child c = spawn(CLONE_NEWUSER, denied);
	CHECK_EQ(put(proc(c.pid, "setgroups"), "deny"), 0);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 0 1"), 0);
	CHECK_EQ(put(proc(c.pid, "gid_map"), "0 0 1"), 0);
	finish(c);
}

CASE(others_write_no_maps) {
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	IN_CHILD({
		become(1000);
		CHECK_EQ(put(proc(c.pid, "uid_map"), "0 1000 1"), EACCES);
		CHECK_EQ(put(proc(c.pid, "setgroups"), "deny"), EACCES);
	});
	// One who is in another namespace below is neither in it nor in its parent.
	IN_CHILD({
		CHECK(unshare(CLONE_NEWUSER) == 0);
		int e = put(proc(c.pid, "uid_map"), "0 0 1");
		CHECK(e == EPERM || e == EACCES);
	});
	finish(c);
}

CASE(what_counts_is_who_opened_the_map) {
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	int fd = open(proc(c.pid, "uid_map"), O_WRONLY);
	CHECK(fd >= 0);
	IN_CHILD({
		// The writer must be able to, too.
		become(1000);
		CHECK_ERRNO(write(fd, "0 0 10", 6), EPERM);
	});
	CHECK_EQ(write(fd, "0 0 10", 6), 6);
	finish(c);
}

CASE(mapping_root_wants_CAP_SETFCAP) {
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	drop(CAP_SETFCAP);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 0 10"), EPERM);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 1 10"), 0);
	CHECK_EQ(put(proc(c.pid, "gid_map"), "0 0 10"), 0);
	finish(c);
	IN_CHILD({
		CHECK(unshare(CLONE_NEWUSER) == 0);
		CHECK_EQ(put("/proc/self/uid_map", "0 0 1"), EPERM);
	});
}

CASE(mapping_others_wants_CAP_SETUID_in_the_parent) {
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	IN_CHILD({
		drop(CAP_SETUID);
		CHECK_EQ(put(proc(c.pid, "uid_map"), "0 0 2"), EPERM);
		CHECK_EQ(put(proc(c.pid, "gid_map"), "0 0 2"), 0);
	});
	IN_CHILD({
		drop(CAP_SETGID);
		CHECK_EQ(put(proc(c.pid, "uid_map"), "0 0 2"), 0);
	});
	finish(c);
}

static void entered(void) {
	CHECK_EQ(getuid(), 0);
	CHECK(sethostname("both", 4) == 0);
}

CASE(setns_enters_a_namespace_below_with_all_capabilities) {
	struct child c = spawn(CLONE_NEWUSER | CLONE_NEWUTS, entered);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 0 10"), 0);
	CHECK_EQ(put(proc(c.pid, "gid_map"), "0 0 10"), 0);
	IN_CHILD({
		int user = open(proc(c.pid, "ns/user"), O_RDONLY);
		int uts = open(proc(c.pid, "ns/uts"), O_RDONLY);
		CHECK(setns(user, 0) == 0);
		CHECK(has(CAP_SYS_ADMIN));
		CHECK_ERRNO(setgid(11), EINVAL);
		CHECK(setgid(5) == 0);
		CHECK(setns(uts, CLONE_NEWUTS) == 0);
		CHECK(sethostname("from-outside", 12) == 0);
	});
	finish(c);
}

CASE(setns_with_a_pidfd_enters_user_and_other_namespaces_at_once) {
	struct child c = spawn(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNS, wait_only);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 0 10"), 0);
	CHECK_EQ(put(proc(c.pid, "gid_map"), "0 0 10"), 0);
	int fd = syscall(SYS_pidfd_open, c.pid, 0);
	CHECK(fd >= 0);
	CHECK(setns(fd, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS) == 0);
	CHECK(sethostname("x", 1) == 0);
	CHECK(mount("t", "/tmp", "tmpfs", 0, 0) == 0);
	CHECK(write(c.go, "x", 1) == 1);
	CHECK_CHILD(c.pid, 0);
}

CASE(setns_by_others_is_EPERM) {
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	int fd = open(proc(c.pid, "ns/user"), O_RDONLY);
	IN_CHILD({
		become(1000);
		CHECK_ERRNO(setns(fd, CLONE_NEWUSER), EPERM);
		CHECK_ERRNO(open(proc(c.pid, "ns/user"), O_RDONLY), EACCES);
	});
	finish(c);
}

CASE(the_owner_of_a_namespace_may_enter_without_capabilities) {
	CHECK(setgroups(0, 0) == 0);
	CHECK(setresgid(1000, 1000, 1000) == 0);
	CHECK(setresuid(1000, 1000, 1000) == 0);
	prctl(PR_SET_DUMPABLE, 1);
	struct child c = spawn(CLONE_NEWUSER, wait_only);
	int fd = open(proc(c.pid, "ns/user"), O_RDONLY);
	CHECK(fd >= 0);
	unsigned uid = 0;
	CHECK(ioctl(fd, _IO(NSIO, 4), &uid) == 0);
	CHECK_EQ(uid, 1000);
	int up = ioctl(fd, NS_GET_PARENT);
	CHECK(up >= 0);
	IN_CHILD({
		CHECK(setns(fd, CLONE_NEWUSER) == 0);
		CHECK(has(CAP_SYS_ADMIN));
		CHECK_ERRNO(ioctl(fd, NS_GET_PARENT), EPERM);
		CHECK(ioctl(fd, _IO(NSIO, 4), &uid) == 0);
		CHECK_EQ(uid, 65534);
	});
	finish(c);
}

CASE(a_namespace_made_along_belongs_to_the_new_user_namespace) {
	become(1000);
	CHECK(unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS) == 0);
	struct stat user, owner;
	int fd = open("/proc/self/ns/uts", O_RDONLY);
	int u = ioctl(fd, NS_GET_USERNS);
	CHECK(u >= 0);
	CHECK(fstat(u, &owner) == 0 && stat("/proc/self/ns/user", &user) == 0);
	CHECK_EQ(owner.st_ino, user.st_ino);
	CHECK(sethostname("mine", 4) == 0);
	// Those that were there before stay those of the parent.
	fd = open("/proc/self/ns/pid", O_RDONLY);
	CHECK_ERRNO(ioctl(fd, NS_GET_USERNS), EPERM);
}

CASE(unshare_without_a_user_namespace_wants_capabilities) {
	become(1000);
	CHECK_ERRNO(unshare(CLONE_NEWUTS), EPERM);
	CHECK_ERRNO(unshare(CLONE_NEWNS), EPERM);
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(unshare(CLONE_NEWUTS) == 0);
	CHECK(unshare(CLONE_NEWPID) == 0);
}

CASE(a_forked_child_is_in_the_namespace_of_its_parent) {
	enter(0, 10, 20);
	CHECK_EQ(getuid(), 10);
	CHECK_EQ(getgid(), 20);
	IN_CHILD({
		CHECK_EQ(getuid(), 10);
		CHECK_EQ(getegid(), 20);
		CHECK(has(CAP_SETUID));
	});
}

CASE(getuid_tells_of_a_map_as_soon_as_it_is_there) {
	int up[2], down[2];
	CHECK(pipe(up) == 0);
	CHECK(pipe(down) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		CHECK(unshare(CLONE_NEWUSER) == 0);
		for (int i = 0; i < 100; i++) CHECK_EQ(syscall(SYS_getuid), 65534);
		CHECK(write(up[1], "x", 1) == 1);
		CHECK(read(down[0], &c, 1) == 1);
		for (int i = 0; i < 100; i++) CHECK_EQ(syscall(SYS_getuid), 42);
		CHECK(write(up[1], "x", 1) == 1);
		CHECK(read(down[0], &c, 1) == 1);
		for (int i = 0; i < 100; i++) CHECK_EQ(syscall(SYS_getgid), 43);
		_exit(0);
	}
	char c;
	CHECK(read(up[0], &c, 1) == 1);
	CHECK_EQ(put(proc(pid, "uid_map"), "42 0 1"), 0);
	CHECK(write(down[1], "x", 1) == 1);
	CHECK(read(up[0], &c, 1) == 1);
	CHECK_EQ(put(proc(pid, "gid_map"), "43 0 1"), 0);
	CHECK(write(down[1], "x", 1) == 1);
	CHECK_CHILD(pid, 0);
}

MAIN()
