// Files of /proc/PID/ns: what they stand for, how long, and what can be asked of them (namespaces(7), ioctl_nsfs(2)).
#include "case.h"
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <linux/magic.h>
#include <linux/nsfs.h>

#define GET_OWNER_UID _IO(NSIO, 4)
#define MNTNS_ID _IOR(NSIO, 5, uint64_t)
#define PID_FROM_PIDNS _IOR(NSIO, 6, int)
#define TGID_FROM_PIDNS _IOR(NSIO, 7, int)
#define PID_IN_PIDNS _IOR(NSIO, 8, int)
#define TGID_IN_PIDNS _IOR(NSIO, 9, int)

static int ns(const char *name) {
	char path[64];
	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static ino_t number(int fd) {
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	return st.st_ino;
}

static const struct { const char *name; int flag; } types[] = {
	{"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"mnt", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET},
	{"cgroup", CLONE_NEWCGROUP}, {"user", CLONE_NEWUSER}, {"time", 0x80},
};

CASE(a_link_shows_type_and_inode_number) {
	for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
		char path[64], target[64] = "", want[64];
		snprintf(path, sizeof path, "/proc/self/ns/%s", types[i].name);
		CHECK(readlink(path, target, sizeof target - 1) > 0);
		int fd = ns(types[i].name);
		snprintf(want, sizeof want, "%s:[%lu]", types[i].name, (unsigned long)number(fd));
		CHECK(!strcmp(target, want));
		struct statfs f;
		CHECK(fstatfs(fd, &f) == 0);
		CHECK_EQ(f.f_type, NSFS_MAGIC);
		CHECK_EQ(ioctl(fd, NS_GET_NSTYPE), types[i].flag);
		close(fd);
	}
	CHECK_ERRNO(open("/proc/self/ns/uts", O_RDWR), EPERM);
}

CASE(a_namespace_outlives_its_last_task_with_a_file) {
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWUTS) == 0);
		CHECK(sethostname("outlived", 8) == 0);
		CHECK(write(p[1], "x", 1) == 1);
		pause();
	}
	char c, path[64], name[65];
	CHECK(read(p[0], &c, 1) == 1);
	snprintf(path, sizeof path, "/proc/%d/ns/uts", pid);
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, 0, 0) == pid);
	CHECK(setns(fd, CLONE_NEWUTS) == 0);
	CHECK(gethostname(name, sizeof name) == 0);
	CHECK(!strcmp(name, "outlived"));
	CHECK_EQ(number(ns("uts")), number(fd));
}

CASE(a_bind_mount_keeps_a_namespace) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(close(creat("at", 0600)) == 0);
	int old = ns("ipc");
	CHECK(unshare(CLONE_NEWIPC) == 0);
	ino_t id = number(ns("ipc"));
	CHECK(id != number(old));
	CHECK(mount("/proc/self/ns/ipc", "at", 0, MS_BIND, 0) == 0);
	CHECK(setns(old, 0) == 0);
	int fd = open("at", O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(number(fd), id);
	CHECK(setns(fd, CLONE_NEWIPC) == 0);
	CHECK_EQ(number(ns("ipc")), id);
	close(fd);
	CHECK(umount("at") == 0);
}

CASE(a_mount_namespace_outlives_its_last_task_with_a_file) {
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK(mkdir("d", 0755) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWNS) == 0);
		CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
		CHECK(mount("t", "d", "tmpfs", 0, 0) == 0);
		CHECK(mkdir("d/inside", 0755) == 0);
		CHECK(write(p[1], "x", 1) == 1);
		pause();
	}
	char c, path[64], cwd[4096];
	CHECK(getcwd(cwd, sizeof cwd) != 0);
	CHECK(read(p[0], &c, 1) == 1);
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, 0, 0) == pid);
	CHECK(access("d/inside", F_OK) == -1);
	CHECK(setns(fd, CLONE_NEWNS) == 0);
	CHECK(chdir(cwd) == 0);
	CHECK(access("d/inside", F_OK) == 0);
	CHECK(umount2("d", MNT_DETACH) == 0);
}

CASE(setns_wants_the_type_that_the_file_has) {
	int fd = ns("uts");
	CHECK_ERRNO(setns(fd, CLONE_NEWIPC), EINVAL);
	CHECK(setns(fd, 0) == 0);
	CHECK(setns(fd, CLONE_NEWUTS) == 0);
	int other = open("/dev/null", O_RDONLY);
	CHECK_ERRNO(setns(other, 0), EINVAL);
	CHECK_ERRNO(setns(-1, 0), EBADF);
}

CASE(the_owner_of_a_namespace_is_a_user_namespace) {
	ino_t user = number(ns("user"));
	for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
		if (types[i].flag == CLONE_NEWUSER) continue;
		int fd = ioctl(ns(types[i].name), NS_GET_USERNS);
		CHECK(fd >= 0);
		CHECK_EQ(number(fd), user);
		CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
		CHECK_EQ(ioctl(fd, NS_GET_NSTYPE), CLONE_NEWUSER);
		close(fd);
	}
	int fd = ns("user");
	CHECK_ERRNO(ioctl(fd, NS_GET_USERNS), EPERM);
	CHECK_ERRNO(ioctl(fd, NS_GET_PARENT), EPERM);
	unsigned uid = 99;
	CHECK(ioctl(fd, GET_OWNER_UID, &uid) == 0);
	CHECK_EQ(uid, 0);
	CHECK_ERRNO(ioctl(fd, GET_OWNER_UID, 8), EFAULT);
	CHECK_ERRNO(ioctl(ns("uts"), GET_OWNER_UID, &uid), EINVAL);
	CHECK_ERRNO(ioctl(ns("uts"), NS_GET_PARENT), EINVAL);
	CHECK_ERRNO(ioctl(ns("uts"), _IO(NSIO, 99)), ENOTTY);
}

CASE(the_parent_of_a_pid_namespace_is_shown_from_above_only) {
	int own = ns("pid");
	CHECK_ERRNO(ioctl(own, NS_GET_PARENT), EPERM);
	CHECK(unshare(CLONE_NEWPID) == 0);
	CHECK_ERRNO(open("/proc/self/ns/pid_for_children", O_RDONLY), ENOENT);
	pid_t pid = fork();
	if (pid == 0) {
		int inner = ns("pid");
		CHECK(number(inner) != number(own));
		CHECK_ERRNO(ioctl(inner, NS_GET_PARENT), EPERM);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

CASE(the_parent_of_a_pid_namespace_below_is_ours) {
	CHECK(unshare(CLONE_NEWPID) == 0);
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(close(p[1]) == 0);
		char c;
		_exit(read(p[0], &c, 1));
	}
	int below = ns("pid_for_children");
	int fd = ioctl(below, NS_GET_PARENT);
	CHECK(fd >= 0);
	CHECK_EQ(number(fd), number(ns("pid")));
	close(p[1]);
	CHECK_CHILD(pid, 0);
}

CASE(a_pid_namespace_whose_init_is_dead_takes_nobody) {
	CHECK(unshare(CLONE_NEWPID) == 0);
	pid_t pid = fork();
	if (pid == 0) _exit(3);
	CHECK_CHILD(pid, 3);
	CHECK_ERRNO(fork(), ENOMEM);
	int old = ns("pid");
	CHECK(setns(old, CLONE_NEWPID) == 0);
	pid = fork();
	if (pid == 0) _exit(4);
	CHECK_CHILD(pid, 4);
}

CASE(numbers_of_processes_are_translated) {
	int up[2], down[2];
	char c;
	CHECK(pipe(up) == 0 && pipe(down) == 0);
	int own = ns("pid");
	CHECK(unshare(CLONE_NEWPID) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(getpid(), 1);
		CHECK_ERRNO(ioctl(own, PID_FROM_PIDNS, 999999999), ESRCH);
		CHECK(ioctl(own, PID_IN_PIDNS, 1) > 1);
		CHECK(write(up[1], "x", 1) == 1);
		_exit(read(down[0], &c, 1) != 1);
	}
	CHECK(read(up[0], &c, 1) == 1);
	int inner = ns("pid_for_children");
	CHECK_EQ(ioctl(inner, PID_FROM_PIDNS, 1), pid);
	CHECK_EQ(ioctl(inner, TGID_FROM_PIDNS, 1), pid);
	CHECK_EQ(ioctl(inner, PID_IN_PIDNS, pid), 1);
	CHECK_EQ(ioctl(inner, TGID_IN_PIDNS, pid), 1);
	CHECK_ERRNO(ioctl(inner, PID_IN_PIDNS, getpid()), ESRCH);
	CHECK_ERRNO(ioctl(inner, PID_FROM_PIDNS, 2), ESRCH);
	CHECK_ERRNO(ioctl(ns("uts"), PID_IN_PIDNS, 1), EINVAL);
	CHECK(write(down[1], "x", 1) == 1);
	CHECK_CHILD(pid, 0);
}

CASE(mount_namespaces_have_a_number_of_their_own) {
	uint64_t a = 0, b = 0;
	int fd = ns("mnt");
	CHECK(ioctl(fd, MNTNS_ID, &a) == 0);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(ioctl(ns("mnt"), MNTNS_ID, &b) == 0);
	CHECK(a != 0 && b != 0 && a != b);
	CHECK_ERRNO(ioctl(ns("uts"), MNTNS_ID, &b), EINVAL);
	CHECK_ERRNO(ioctl(fd, MNTNS_ID, 8), EFAULT);
}

CASE(a_new_cgroup_namespace_begins_at_the_own_group) {
	char line[300];
	ino_t old = number(ns("cgroup"));
	CHECK(unshare(CLONE_NEWCGROUP) == 0);
	CHECK(number(ns("cgroup")) != old);
	FILE *f = fopen("/proc/self/cgroup", "r");
	int n = 0;
	for (; fgets(line, sizeof line, f); n++) CHECK(!strcmp(strrchr(line, ':'), ":/\n"));
	CHECK(n > 0);
	fclose(f);
}

CASE(setns_needs_CAP_SYS_ADMIN) {
	int fd = ns("uts");
	CHECK(setresuid(1000, 1000, 1000) == 0);
	CHECK_ERRNO(setns(fd, CLONE_NEWUTS), EPERM);
}

MAIN()
