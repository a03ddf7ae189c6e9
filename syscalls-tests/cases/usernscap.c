// What capabilities in a user namespace are good for, and what not: mounts, other namespaces, processes, programs.
#include "userns.h"
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/reboot.h>
#include <sys/xattr.h>

// root makes the caller an unprivileged user who is root in a user namespace of its own.
static void root(int flags) {
	CHECK(chmod(".", 0777) == 0);
	become(1000);
	enter(flags, 0, 0);
}

CASE(what_is_for_the_whole_machine_stays_refused) {
	root(CLONE_NEWNS);
	struct timespec ts = {1000000000, 0};
	struct rlimit r = {100, 100};
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &ts), EPERM);
	CHECK_ERRNO(swapon("/nowhere", 0), EPERM);
	CHECK_ERRNO(syscall(SYS_acct, "/nowhere"), EPERM);
	CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
	r.rlim_max = 200;
	CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &r), EPERM);
	CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, -5), EACCES);
	CHECK_ERRNO(mknod("dev", S_IFCHR | 0600, 0x103), EPERM);
	CHECK_ERRNO(sethostname("other", 5), EPERM);
	struct sched_param p = {1};
	r = (struct rlimit){0, 0};
	CHECK(setrlimit(RLIMIT_RTPRIO, &r) == 0);
	CHECK_ERRNO(sched_setscheduler(0, SCHED_FIFO, &p), EPERM);
	CHECK_ERRNO(syscall(SYS_ioprio_set, 1, 0, 1 << 13), EPERM);
	CHECK_ERRNO(chroot("/nowhere"), ENOENT);
	CHECK(chroot(".") == 0);
}

CASE(mounts_want_a_mount_namespace_of_ones_own) {
	root(0);
	CHECK(mkdir("m", 0755) == 0);
	CHECK_ERRNO(mount("t", "m", "tmpfs", 0, 0), EPERM);
	CHECK_ERRNO(umount("/proc"), EPERM);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("t", "m", "tmpfs", 0, 0) == 0);
	CHECK(close(creat("m/x", 0600)) == 0);
	CHECK(umount("m") == 0);
	CHECK(access("m/x", F_OK) == -1);
}

CASE(only_some_file_systems_are_for_user_namespaces) {
	root(CLONE_NEWNS);
	CHECK(mkdir("m", 0755) == 0);
	CHECK_ERRNO(mount("d", "m", "devtmpfs", 0, 0), EPERM);
	// These show more than what belongs to the namespace.
	CHECK_ERRNO(mount("p", "m", "proc", 0, 0), EPERM);
	CHECK_ERRNO(mount("s", "m", "sysfs", 0, 0), EPERM);
	CHECK(mount("p", "m", "devpts", 0, "newinstance") == 0);
	CHECK(umount("m") == 0);
	CHECK(unshare(CLONE_NEWPID) == 0);
	IN_CHILD({
		CHECK(mount("p", "m", "proc", 0, 0) == 0);
		CHECK(access("m/1", F_OK) == 0);
		CHECK(umount("m") == 0);
	});
}

CASE(a_file_system_of_a_namespace_has_no_devices) {
	root(CLONE_NEWNS);
	CHECK(mkdir("m", 0755) == 0);
	CHECK(mount("t", "m", "tmpfs", 0, 0) == 0);
	CHECK_ERRNO(mknod("m/null", S_IFCHR | 0666, 0x103), EPERM);
	CHECK(close(creat("m/f", 0600)) == 0);
	CHECK(mount("/dev/null", "m/f", 0, MS_BIND, 0) == 0);
	int fd = open("m/f", O_WRONLY);
	CHECK(fd >= 0);
	close(fd);
	CHECK(umount("m/f") == 0);
}

CASE(devices_in_a_file_system_of_a_namespace_cannot_be_opened) {
	int down[2], up[2];
	char c, path[64];
	CHECK(chmod(".", 0777) == 0);
	CHECK(mkdir("m", 0777) == 0);
	CHECK(pipe(down) == 0 && pipe(up) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		enter(CLONE_NEWNS, 0, 0);
		CHECK(mount("t", "m", "tmpfs", 0, 0) == 0);
		CHECK(write(up[1], "x", 1) == 1);
		CHECK(read(down[0], &c, 1) == 1);
		CHECK_ERRNO(open("m/null", O_RDWR), EACCES);
		_exit(0);
	}
	CHECK(read(up[0], &c, 1) == 1);
	char cwd[200];
	CHECK(getcwd(cwd, sizeof cwd) != 0);
	snprintf(path, sizeof path, "/proc/%d/cwd/m/null", pid);
	CHECK(mknod(path, S_IFCHR | 0666, 0x103) == 0);
	CHECK_ERRNO(open(path, O_RDWR), EACCES);
	CHECK(write(down[1], "x", 1) == 1);
	CHECK_CHILD(pid, 0);
}

CASE(users_without_a_name_make_no_files_there) {
	int down[2], up[2];
	char c, path[64];
	CHECK(chmod(".", 0777) == 0);
	CHECK(mkdir("m", 0777) == 0);
	CHECK(pipe(down) == 0 && pipe(up) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		become(1000);
		enter(CLONE_NEWNS, 0, 0);
		CHECK(mount("t", "m", "tmpfs", 0, "mode=777") == 0);
		CHECK(close(creat("m/own", 0666)) == 0);
		CHECK(write(up[1], "x", 1) == 1);
		CHECK(read(down[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(read(up[0], &c, 1) == 1);
	snprintf(path, sizeof path, "/proc/%d/cwd/m/file", pid);
	CHECK_ERRNO(creat(path, 0666), EOVERFLOW);
	CHECK_ERRNO(mkdir(path, 0777), EOVERFLOW);
	snprintf(path, sizeof path, "/proc/%d/cwd/m/own", pid);
	CHECK(chown(path, 1000, 1000) == 0);
	CHECK(write(down[1], "x", 1) == 1);
	CHECK_CHILD(pid, 0);
}

CASE(mounts_that_came_along_are_locked) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0 && mkdir("a/hidden", 0755) == 0);
	CHECK(mount("t", "a", "tmpfs", 0, 0) == 0);
	root(CLONE_NEWNS);
	CHECK_ERRNO(umount("a"), EINVAL);
	CHECK_ERRNO(umount2("a", MNT_DETACH), EINVAL);
	CHECK_ERRNO(mount("a", "b", 0, MS_MOVE, 0), EINVAL);
	// A copy of what is around would show what it hides.
	CHECK_ERRNO(mount(".", "b", 0, MS_BIND, 0), EINVAL);
	CHECK(mount(".", "b", 0, MS_BIND | MS_REC, 0) == 0);
	CHECK(access("b/a/hidden", F_OK) == -1);
	CHECK_ERRNO(umount("b/a"), EINVAL);
	CHECK(umount2("b", MNT_DETACH) == 0);
	// A copy of the mount itself is ours.
	CHECK(mount("a", "b", 0, MS_BIND, 0) == 0);
	CHECK(umount("b") == 0);
	CHECK(mount("u", "a", "tmpfs", 0, 0) == 0);
	CHECK(umount("a") == 0);
}

CASE(what_a_locked_mount_hides_stays_hidden_when_all_is_unmounted) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0 && mkdir("a/hidden", 0755) == 0);
	CHECK(mount("t", "a", "tmpfs", 0, 0) == 0);
	root(CLONE_NEWNS);
	CHECK(mount(".", "b", 0, MS_BIND | MS_REC, 0) == 0);
	int fd = open("b", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	CHECK(umount2("b", MNT_DETACH) == 0);
	CHECK(faccessat(fd, "b", F_OK, 0) == 0);
	CHECK(faccessat(fd, "a/hidden", F_OK, 0) == -1);
	CHECK(openat(fd, "a/hidden", O_RDONLY) == -1);
	close(fd);
}

CASE(restrictions_that_came_along_stay) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
	CHECK(mount("t", "a", "tmpfs", MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_NOATIME, 0) == 0);
	root(CLONE_NEWNS);
	const unsigned long all = MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_NOATIME;
	const unsigned long one[] = {MS_RDONLY, MS_NODEV, MS_NOSUID, MS_NOEXEC};
	for (int i = 0; i < 4; i++) CHECK_ERRNO(mount(0, "a", 0, MS_REMOUNT | MS_BIND | (all & ~one[i]), 0), EPERM);
	CHECK_ERRNO(mount(0, "a", 0, MS_REMOUNT | MS_BIND | (all & ~MS_NOATIME) | MS_RELATIME, 0), EPERM);
	CHECK(mount(0, "a", 0, MS_REMOUNT | MS_BIND | all, 0) == 0);
	CHECK_ERRNO(mount(0, "a", 0, MS_REMOUNT | all, 0), EPERM);
	CHECK(mount("a", "b", 0, MS_BIND, 0) == 0);
	CHECK_ERRNO(mount(0, "b", 0, MS_REMOUNT | MS_BIND | (all & ~MS_RDONLY), 0), EPERM);
	// What was not restricted can be, and set free again.
	CHECK(umount("b") == 0);
	CHECK(mount("t", "b", "tmpfs", MS_NOEXEC, 0) == 0);
	CHECK(mount(0, "b", 0, MS_REMOUNT | MS_BIND, 0) == 0);
}

CASE(mounts_come_to_a_less_privileged_namespace_but_do_not_leave_it) {
	int down[2], up[2];
	char c;
	CHECK(chmod(".", 0777) == 0);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("top", 0777) == 0);
	CHECK(mount("t", "top", "tmpfs", 0, 0) == 0);
	CHECK(mount(0, "top", 0, MS_SHARED, 0) == 0);
	CHECK(mkdir("top/a", 0777) == 0 && mkdir("top/b", 0777) == 0);
	CHECK(pipe(down) == 0 && pipe(up) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		enter(CLONE_NEWNS, 0, 0);
		CHECK(mount("mine", "top/a", "tmpfs", 0, 0) == 0);
		CHECK(mkdir("top/a/mine", 0777) == 0);
		CHECK(write(up[1], "x", 1) == 1);
		CHECK(read(down[0], &c, 1) == 1);
		CHECK(access("top/b/theirs", F_OK) == 0);
		CHECK(umount("top/b") == 0); // the top of what came may go
		_exit(0);
	}
	CHECK(read(up[0], &c, 1) == 1);
	CHECK(access("top/a/mine", F_OK) == -1);
	CHECK(mount("theirs", "top/b", "tmpfs", 0, 0) == 0);
	CHECK(mkdir("top/b/theirs", 0777) == 0);
	CHECK(write(down[1], "x", 1) == 1);
	CHECK_CHILD(pid, 0);
	CHECK(access("top/b/theirs", F_OK) == 0);
}

CASE(pivot_root_works_in_a_user_namespace) {
	root(CLONE_NEWNS);
	CHECK(mkdir("new", 0755) == 0);
	CHECK(mount("t", "new", "tmpfs", 0, 0) == 0);
	CHECK(mkdir("new/old", 0755) == 0);
	CHECK(mkdir("new/seen", 0755) == 0);
	CHECK(syscall(SYS_pivot_root, "new", "new/old") == 0);
	CHECK(chdir("/") == 0);
	CHECK(access("/seen", F_OK) == 0);
	CHECK(umount2("/old", MNT_DETACH) == 0);
	CHECK(rmdir("/old") == 0);
}

CASE(a_masked_proc_allows_no_other) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mount("/dev/null", "/proc/uptime", 0, MS_BIND, 0) == 0);
	root(CLONE_NEWNS | CLONE_NEWPID);
	CHECK(mkdir("m", 0755) == 0);
	IN_CHILD(CHECK_ERRNO(mount("p", "m", "proc", 0, 0), EPERM));
}

CASE(a_read_only_proc_allows_only_such) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mount(0, "/proc", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0) == 0);
	CHECK(unshare(CLONE_NEWPID) == 0);
	CHECK(mkdir("m", 0755) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		// The maps cannot be written through it, but they need not.
		CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) == 0);
		IN_CHILD({
			CHECK_ERRNO(mount("p", "m", "proc", 0, 0), EPERM);
			CHECK(mount("p", "m", "proc", MS_RDONLY, 0) == 0);
			CHECK_ERRNO(mount(0, "m", 0, MS_REMOUNT | MS_BIND, 0), EPERM);
		});
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

CASE(a_namespace_file_is_bound_only_where_it_makes_no_loop) {
	// Linux tells the older by a number of which each processor has a stock.
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(close(creat("at", 0600)) == 0);
	CHECK_ERRNO(mount("/proc/self/ns/mnt", "at", 0, MS_BIND, 0), EINVAL);
	CHECK(mount("/proc/self/ns/uts", "at", 0, MS_BIND, 0) == 0);
	CHECK(umount("at") == 0);
	struct child c = spawn(CLONE_NEWNS, 0);
	CHECK(mount(proc(c.pid, "ns/mnt"), "at", 0, MS_BIND, 0) == 0);
	finish(c);
	// It holds the namespace, which it does not follow into a copy.
	int fd = open("at", O_RDONLY);
	struct stat st, other;
	CHECK(fstat(fd, &st) == 0);
	IN_CHILD({
		CHECK(unshare(CLONE_NEWNS) == 0);
		CHECK(stat("at", &other) == 0);
		CHECK(other.st_ino != st.st_ino);
		CHECK(setns(fd, CLONE_NEWNS) == 0);
	});
	close(fd);
	CHECK(umount("at") == 0);
}

CASE(names_of_the_machine_are_for_the_root_of_their_namespace) {
	root(CLONE_NEWUTS);
	CHECK(sethostname("inside", 6) == 0);
	CHECK(setdomainname("domain", 6) == 0);
	IN_CHILD({
		CHECK(unshare(CLONE_NEWUSER) == 0);
		CHECK_ERRNO(sethostname("deeper", 6), EPERM);
		CHECK(unshare(CLONE_NEWUTS) == 0);
		CHECK(sethostname("deeper", 6) == 0);
	});
}

CASE(a_parent_has_all_capabilities_over_namespaces_that_it_made) {
	CHECK(setgroups(0, 0) == 0);
	CHECK(setresgid(1000, 1000, 1000) == 0);
	CHECK(setresuid(1000, 1000, 1000) == 0);
	prctl(PR_SET_DUMPABLE, 1);
	struct child c = spawn(CLONE_NEWUSER, 0);
	CHECK_EQ(put(proc(c.pid, "setgroups"), "deny"), 0);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 1000 1"), 0);
	CHECK(ptrace(PTRACE_SEIZE, c.pid, 0, 0) == 0);
	CHECK(kill(c.pid, 0) == 0);
	CHECK(write(c.go, "x", 1) == 1);
	int st;
	CHECK_EQ(waitpid(c.pid, &st, 0), c.pid);
	CHECK(WIFEXITED(st));
}

CASE(nobody_traces_out_of_a_namespace) {
	pid_t outside = fork();
	if (outside == 0) { become(1000); for (;;) pause(); }
	while (!strstr(slurp(proc(outside, "status")), "Uid:\t1000")) msleep(1);
	root(0);
	// The same user, but more privileged.
	CHECK_ERRNO(ptrace(PTRACE_SEIZE, outside, 0, 0), EPERM);
	CHECK_ERRNO(open(proc(outside, "ns/user"), O_RDONLY), EACCES);
	CHECK(kill(outside, SIGKILL) == 0);
}

CASE(an_inner_root_controls_an_inner_process) {
	root(0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWUSER) == 0);
		for (;;) pause();
	}
	msleep(10);
	CHECK(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0);
	CHECK(setpriority(PRIO_PROCESS, pid, 5) == 0);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK_EQ(waitpid(pid, 0, 0), pid);
}

CASE(an_exec_by_root_of_a_namespace_keeps_its_capabilities) {
	root(0);
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execlp("grep", "grep", "CapEff", "/proc/self/status", (char *)0);
		_exit(1);
	}
	char b[100] = "";
	CHECK(read(p[0], b, sizeof b - 1) > 0);
	CHECK_CHILD(pid, 0);
	CHECK(!strcmp(b, "CapEff:\t000001ffffffffff\n"));
}

CASE(an_exec_by_others_loses_them) {
	CHECK(chmod(".", 0777) == 0);
	become(1000);
	enter(0, 5, 5);
	CHECK(has(CAP_SYS_ADMIN));
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execlp("grep", "grep", "CapEff", "/proc/self/status", (char *)0);
		_exit(1);
	}
	char b[100] = "";
	CHECK(read(p[0], b, sizeof b - 1) > 0);
	CHECK_CHILD(pid, 0);
	CHECK(!strcmp(b, "CapEff:\t0000000000000000\n"));
}

// copy makes a copy of id(1) with an owner and a mode.
static void copy(const char *to, int uid, int gid, int mode) {
	char cmd[100];
	snprintf(cmd, sizeof cmd, "cp /usr/bin/id %s", to);
	CHECK(system(cmd) == 0);
	CHECK(chown(to, uid, gid) == 0);
	CHECK(chmod(to, mode) == 0);
}

static const char *said(const char *prog) {
	static char b[300];
	int p[2];
	memset(b, 0, sizeof b);
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execl(prog, prog, "-u", (char *)0);
		_exit(1);
	}
	CHECK(read(p[0], b, sizeof b - 1) > 0);
	CHECK_CHILD(pid, 0);
	close(p[0]);
	close(p[1]);
	return b;
}

static void runs(void) {
	CHECK(setresgid(0, 0, 0) == 0);
	CHECK(setresuid(0, 0, 0) == 0);
	CHECK(!strcmp(said("./plain"), "0\n"));
	CHECK(!strcmp(said("./as5"), "5\n"));
	CHECK(!strcmp(said("./as0"), "0\n")); // the real root has no name here
}

CASE(set_user_id_counts_if_the_owner_has_a_name) {
	CHECK(chmod(".", 0777) == 0);
	copy("plain", 0, 0, 0755);
	copy("as5", 200005, 200005, 04755);
	copy("as0", 0, 0, 04755);
	struct child c = spawn(CLONE_NEWUSER, runs);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 200000 10"), 0);
	CHECK_EQ(put(proc(c.pid, "gid_map"), "0 200000 10"), 0);
	finish(c);
}

CASE(set_user_id_in_a_file_system_of_a_namespace_counts_only_there) {
	int down[2], up[2];
	char c, path[64];
	CHECK(chmod(".", 0777) == 0);
	CHECK(mkdir("m", 0777) == 0);
	copy("m/x", 0, 0, 0755);
	CHECK(pipe(down) == 0 && pipe(up) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
		CHECK(write(up[1], "x", 1) == 1);
		CHECK(read(down[0], &c, 1) == 1);
		CHECK(setresuid(0, 0, 0) == 0);
		CHECK(mount("t", "m", "tmpfs", 0, "mode=777") == 0);
		copy("m/x", 7, 7, 06755);
		CHECK(!strcmp(said("m/x"), "7\n"));
		CHECK(write(up[1], "x", 1) == 1);
		CHECK(read(down[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(read(up[0], &c, 1) == 1);
	CHECK_EQ(put(proc(pid, "uid_map"), "0 0 10"), 0);
	CHECK_EQ(put(proc(pid, "gid_map"), "0 0 10"), 0);
	CHECK(write(down[1], "x", 1) == 1);
	CHECK(read(up[0], &c, 1) == 1);
	snprintf(path, sizeof path, "/proc/%d/cwd/m/x", pid);
	CHECK(!strcmp(said(path), "0\n"));
	CHECK(write(down[1], "x", 1) == 1);
	CHECK_CHILD(pid, 0);
}

static int capable(const char *prog) {
	char line[100] = "";
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execl(prog, "grep", "CapPrm", "/proc/self/status", (char *)0);
		_exit(1);
	}
	CHECK(read(p[0], line, sizeof line - 1) > 0);
	CHECK_CHILD(pid, 0);
	return strtoull(line + 8, 0, 16) >> CAP_NET_BIND_SERVICE & 1;
}

static void uses(void) {
	unsigned char v2[20] = {1, 0, 0, 2, 0, 4};
	CHECK(setresgid(0, 0, 0) == 0);
	CHECK(setresuid(0, 0, 0) == 0);
	CHECK(setxattr("ours", "security.capability", v2, 20, 0) == 0);
	IN_CHILD({
		CHECK(setresuid(5, 5, 5) == 0);
		CHECK(capable("./ours"));
		CHECK(capable("./theirs"));
		CHECK(!capable("./others"));
	});
}

CASE(file_capabilities_count_for_the_namespaces_of_their_root) {
	unsigned char v2[20] = {1, 0, 0, 2, 0, 4}, v3[24] = {1, 0, 0, 3, 0, 4};
	unsigned other = 300000;
	memcpy(v3 + 20, &other, 4);
	CHECK(chmod(".", 0777) == 0);
	CHECK(system("cp /bin/grep ours; cp /bin/grep theirs; cp /bin/grep others") == 0);
	CHECK(chown("ours", 200000, 200000) == 0);
	CHECK(setxattr("theirs", "security.capability", v2, 20, 0) == 0);
	CHECK(setxattr("others", "security.capability", v3, 24, 0) == 0);
	struct child c = spawn(CLONE_NEWUSER, uses);
	CHECK_EQ(put(proc(c.pid, "uid_map"), "0 200000 10"), 0);
	CHECK_EQ(put(proc(c.pid, "gid_map"), "0 200000 10"), 0);
	finish(c);
	// Those given in a namespace are none outside.
	become(1000);
	CHECK(!capable("./ours"));
	CHECK(capable("./theirs"));
}

CASE(secure_bits_and_no_new_privs_are_reset_or_kept) {
	CHECK(prctl(PR_SET_SECUREBITS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK_EQ(prctl(PR_GET_SECUREBITS), 0);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN), 1);
}

CASE(a_pid_namespace_of_a_user_namespace_has_its_own_reboot) {
	root(CLONE_NEWPID);
	CHECK_ERRNO(reboot(RB_DISABLE_CAD), EPERM);
}

MAIN()
