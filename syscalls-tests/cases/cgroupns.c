// Cgroup namespaces: what is the root of the hierarchy to whom (cgroup_namespaces(7)).
#include "case.h"
#include <sched.h>
#include <sys/mount.h>

static char top[64], own[64]; // the case's group: its path below "mnt", and in the hierarchy

static void setup(void) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("mnt", 0755) == 0);
	CHECK(mount("none", "mnt", "cgroup2", 0, 0) == 0);
	snprintf(top, sizeof top, "mnt/casens%d", getpid());
	snprintf(own, sizeof own, "%s", top + 3);
	CHECK(mkdir(top, 0755) == 0);
}

static void join(const char *dir) {
	char path[128];
	snprintf(path, sizeof path, "%s/cgroup.procs", dir);
	int fd = open(path, O_WRONLY);
	CHECK(fd >= 0);
	CHECK(write(fd, "0", 1) == 1);
	close(fd);
}

// where copies what pid's line of the hierarchy says.
static const char *where(pid_t pid) {
	static char line[512];
	char name[64];
	snprintf(name, sizeof name, "/proc/%d/cgroup", pid);
	FILE *f = fopen(name, "r");
	CHECK(f != 0);
	while (fgets(line, sizeof line, f) && strncmp(line, "0::", 3)) {}
	fclose(f);
	CHECK(!strncmp(line, "0::", 3));
	line[strcspn(line, "\n")] = 0;
	return line + 3;
}

// shown returns the root of the mount whose place ends in the name, as mountinfo has it.
static const char *shown(const char *name) {
	static char line[1024], root[256];
	char place[256];
	FILE *f = fopen("/proc/self/mountinfo", "r");
	CHECK(f != 0);
	root[0] = 0;
	while (fgets(line, sizeof line, f)) {
		char r[256];
		CHECK(sscanf(line, "%*d %*d %*s %255s %255s", r, place) == 2);
		const char *end = strrchr(place, '/');
		if (end && !strcmp(end + 1, name)) strcpy(root, r);
	}
	fclose(f);
	return root;
}

// run calls fn in a child and removes the group afterwards.
static void run(void (*fn)(void)) {
	setup();
	pid_t pid = fork();
	if (pid == 0) {
		fn();
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	char path[128];
	snprintf(path, sizeof path, "%s/below", top);
	if (access(path, F_OK) == 0) CHECK(rmdir(path) == 0);
	CHECK(rmdir(top) == 0);
	CHECK(umount2("mnt", MNT_DETACH) == 0);
}

static void below(void) {
	char path[128];
	snprintf(path, sizeof path, "%s/below", top);
	CHECK(mkdir(path, 0755) == 0);
}

static void own_group_is_root(void) {
	join(top);
	CHECK(!strcmp(where(getpid()), own));
	CHECK(unshare(CLONE_NEWCGROUP) == 0);
	CHECK(!strcmp(where(getpid()), "/"));
}
CASE(the_group_of_who_makes_a_namespace_is_its_root) { run(own_group_is_root); }

static void outside_shows(void) {
	pid_t parent = getppid();
	join(top);
	CHECK(unshare(CLONE_NEWCGROUP) == 0);
	CHECK(!strncmp(where(parent), "/..", 3));
}
CASE(groups_outside_begin_with_dots) { run(outside_shows); }

static void below_shows(void) {
	join(top);
	CHECK(unshare(CLONE_NEWCGROUP) == 0);
	below();
	char path[128];
	snprintf(path, sizeof path, "%s/below", top);
	join(path);
	CHECK(!strcmp(where(getpid()), "/below"));
	join(top);
}
CASE(groups_below_are_named_from_the_root) { run(below_shows); }

static void leaves(void) {
	join(top);
	CHECK(unshare(CLONE_NEWCGROUP) == 0);
	join("mnt");
	CHECK(!strcmp(where(getpid()), "/.."));
}
CASE(who_leaves_the_root_sees_itself_outside) { run(leaves); }

static void reader_counts(void) {
	int p[2], q[2];
	char c;
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		join(top);
		CHECK(unshare(CLONE_NEWCGROUP) == 0);
		CHECK(write(p[1], "x", 1) == 1);
		CHECK(read(q[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(read(p[0], &c, 1) == 1);
	CHECK(!strcmp(where(pid), own));
	CHECK(write(q[1], "x", 1) == 1);
	CHECK_CHILD(pid, 0);
}
CASE(the_readers_namespace_counts) { run(reader_counts); }

static void mount_inside(void) {
	join(top);
	CHECK(unshare(CLONE_NEWCGROUP) == 0);
	CHECK(mkdir("inside", 0755) == 0);
	CHECK(mount("none", "inside", "cgroup2", 0, 0) == 0);
	below();
	CHECK(access("inside/below/cgroup.procs", F_OK) == 0);
	CHECK(access("inside/cgroup.events", F_OK) == 0);
	CHECK(!strcmp(shown("inside"), "/"));
	CHECK(umount("inside") == 0);
}
CASE(a_mount_inside_shows_the_root_of_the_namespace) { run(mount_inside); }

static void mountinfo_outside(void) {
	CHECK(!strcmp(shown("mnt"), "/"));
	join(top);
	CHECK(unshare(CLONE_NEWCGROUP) == 0);
	CHECK(!strcmp(shown("mnt"), "/.."));
	CHECK(mkdir("bound", 0755) == 0);
	CHECK(mount(top, "bound", 0, MS_BIND, 0) == 0);
	CHECK(!strcmp(shown("bound"), "/"));
	CHECK(umount("bound") == 0);
}
CASE(mountinfo_shows_roots_from_the_readers_root) { run(mountinfo_outside); }

static void enters(void) {
	int outer = open("/proc/self/ns/cgroup", O_RDONLY);
	CHECK(outer >= 0);
	join(top);
	CHECK(unshare(CLONE_NEWCGROUP) == 0);
	CHECK(!strcmp(where(getpid()), "/"));
	CHECK(setns(outer, CLONE_NEWCGROUP) == 0);
	CHECK(!strcmp(where(getpid()), own));
}
CASE(setns_changes_the_view_and_not_the_group) { run(enters); }

static void in_userns(void) {
	join(top);
	CHECK(mkdir("inside", 0755) == 0);
	CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP) == 0);
	CHECK(mount("none", "inside", "cgroup2", 0, 0) == 0);
	CHECK(access("inside/cgroup.events", F_OK) == 0);
	CHECK(mkdir("inside/below", 0755) == 0); // by the owner of the group
}
CASE(root_of_a_user_namespace_mounts_its_part) { run(in_userns); }

static void init_ns_refused(void) {
	CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
	CHECK_ERRNO(mount("none", "mnt", "cgroup2", 0, 0), EPERM);
}
CASE(a_mount_needs_power_over_the_cgroup_namespace) { run(init_ns_refused); }

MAIN()
