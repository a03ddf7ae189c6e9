// Control groups, version 2: the hierarchy as files, membership, threads, freezing, killing, limits (cgroups(7)).
#include "case.h"
#include <dirent.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

static char top[64]; // a group of the case's own

// setup mounts the hierarchy at "mnt" for this process alone and makes a group in it.
static void setup(void) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("mnt", 0755) == 0);
	CHECK(mount("none", "mnt", "cgroup2", 0, 0) == 0);
	snprintf(top, sizeof top, "mnt/case%d", getpid());
	CHECK(mkdir(top, 0755) == 0);
}

// teardown removes the groups below top that are named, the last first, and top.
static void teardown(const char *names) {
	char list[256], path[512];
	snprintf(list, sizeof list, "%s", names);
	for (char *last; *list; *last = 0) {
		if (!(last = strrchr(list, ' '))) last = list;
		snprintf(path, sizeof path, "%s/%s", top, *last == ' ' ? last + 1 : last);
		CHECK(rmdir(path) == 0);
	}
	CHECK(rmdir(top) == 0);
	CHECK(umount2("mnt", MNT_DETACH) == 0);
}

static const char *at(const char *name) {
	static char b[4][256];
	static int i;
	char *p = b[i++ % 4];
	snprintf(p, 256, "%s/%s", top, name);
	return p;
}

static int put(const char *name, const char *text) {
	int fd = open(at(name), O_WRONLY);
	if (fd < 0) return -1;
	ssize_t n = write(fd, text, strlen(text));
	int e = errno;
	close(fd);
	errno = e;
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int put_number(const char *name, long n) {
	char b[32];
	snprintf(b, sizeof b, "%ld", n);
	return put(name, b);
}

static const char *get(const char *name) {
	static char b[4096];
	int fd = open(at(name), O_RDONLY);
	CHECK(fd >= 0);
	ssize_t n = read(fd, b, sizeof b - 1);
	CHECK(n >= 0);
	b[n] = 0;
	close(fd);
	return b;
}

static int says(const char *name, const char *text) { return !strcmp(get(name), text); }
static int has(const char *name, const char *part) { return strstr(get(name), part) != 0; }

// until waits for a file to contain something.
static void until(const char *name, const char *part) {
	for (int i = 0; i < 4000 && !has(name, part); i++) usleep(1000);
	CHECK(has(name, part));
}

// sleeper makes a child that sleeps.
static pid_t sleeper(void) {
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) for (;;) pause();
	return pid;
}

static void finish(pid_t pid) {
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, 0, 0) == pid);
}

// in returns whether pid's line of the hierarchy ends in path.
static int in(pid_t pid, const char *path) {
	char name[64], line[512], want[512];
	snprintf(name, sizeof name, "/proc/%d/cgroup", pid);
	snprintf(want, sizeof want, "%s\n", path);
	FILE *f = fopen(name, "r");
	CHECK(f != 0);
	int found = 0;
	while (fgets(line, sizeof line, f)) {
		size_t n = strlen(line), m = strlen(want);
		if (!strncmp(line, "0::", 3) && n >= m && !strcmp(line + n - m, want)) found = 1;
	}
	fclose(f);
	return found;
}

CASE(a_group_has_the_files_of_the_core) {
	setup();
	const struct { const char *name; int mode; const char *text; } files[] = {
		{"cgroup.events", 0444, "populated 0\nfrozen 0\n"}, {"cgroup.freeze", 0644, "0\n"}, {"cgroup.max.depth", 0644, "max\n"},
		{"cgroup.max.descendants", 0644, "max\n"}, {"cgroup.procs", 0644, ""}, {"cgroup.threads", 0644, ""},
		{"cgroup.type", 0644, "domain\n"}, {"cgroup.stat.local", 0444, "frozen_usec 0\n"},
	};
	for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
		struct stat st;
		CHECK(stat(at(files[i].name), &st) == 0);
		CHECK_EQ(st.st_mode, S_IFREG | files[i].mode);
		CHECK_EQ(st.st_size, 0);
		CHECK_EQ(st.st_nlink, 1);
		CHECK(says(files[i].name, files[i].text));
	}
	struct stat st;
	CHECK(stat(at("cgroup.kill"), &st) == 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0200);
	char b[8];
	CHECK_ERRNO(read(open(at("cgroup.kill"), O_RDONLY), b, sizeof b), EINVAL);
	CHECK_ERRNO(put("cgroup.events", "1"), EINVAL);
	CHECK(has("cgroup.stat", "nr_descendants 0\n") && has("cgroup.stat", "nr_dying_descendants 0\n"));
	teardown("");
}

CASE(the_root_lacks_what_only_groups_have) {
	setup();
	struct stat st;
	struct statfs fs;
	CHECK(statfs("mnt", &fs) == 0);
	CHECK_EQ(fs.f_type, 0x63677270);
	CHECK(stat("mnt", &st) == 0);
	CHECK_EQ(st.st_mode & 0777, 0555);
	CHECK(stat("mnt/cgroup.procs", &st) == 0);
	CHECK(stat("mnt/cgroup.controllers", &st) == 0);
	const char *none[] = {"events", "freeze", "kill", "type"};
	for (unsigned i = 0; i < 4; i++) {
		char path[64];
		snprintf(path, sizeof path, "mnt/cgroup.%s", none[i]);
		CHECK_ERRNO(stat(path, &st), ENOENT);
	}
	teardown("");
}

CASE(directories_are_all_that_can_be_made) {
	setup();
	CHECK_ERRNO(open(at("file"), O_CREAT | O_WRONLY, 0644), EACCES);
	CHECK_ERRNO(symlink("x", at("link")), EPERM);
	CHECK_ERRNO(unlink(at("cgroup.procs")), EPERM);
	CHECK_ERRNO(mkdir(at("a\nb"), 0755), EINVAL);
	CHECK_ERRNO(mkdir(at("cgroup.procs"), 0755), EEXIST);
	CHECK(mkdir(at("a"), 0755) == 0);
	CHECK_ERRNO(mkdir(at("a"), 0755), EEXIST);
	CHECK_ERRNO(rename(at("a"), at("b")), EPERM);
	CHECK_ERRNO(rmdir(at("cgroup.procs")), ENOTDIR);
	struct stat st;
	CHECK(stat(top, &st) == 0);
	CHECK_EQ(st.st_nlink, 3);
	CHECK(has("cgroup.stat", "nr_descendants 1\n"));
	teardown("a");
}

CASE(names_are_listed_once_each) {
	setup();
	CHECK(mkdir(at("one"), 0755) == 0);
	CHECK(mkdir(at("two"), 0755) == 0);
	DIR *d = opendir(top);
	CHECK(d != 0);
	int groups = 0, procs = 0, dots = 0;
	for (struct dirent *e; (e = readdir(d));) {
		struct stat st;
		CHECK(fstatat(dirfd(d), e->d_name, &st, 0) == 0);
		if (strcmp(e->d_name, "..")) CHECK_EQ(e->d_ino, st.st_ino);
		groups += e->d_type == DT_DIR && (!strcmp(e->d_name, "one") || !strcmp(e->d_name, "two"));
		procs += e->d_type == DT_REG && !strcmp(e->d_name, "cgroup.procs");
		dots += e->d_name[0] == '.';
	}
	closedir(d);
	CHECK_EQ(groups, 2);
	CHECK_EQ(procs, 1);
	CHECK_EQ(dots, 2);
	teardown("one two");
}

CASE(a_removed_group_has_nothing_to_say) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	int dir = open(at("a"), O_RDONLY | O_DIRECTORY), fd = open(at("a/cgroup.procs"), O_RDWR);
	CHECK(dir >= 0 && fd >= 0);
	CHECK(rmdir(at("a")) == 0);
	char b[16];
	CHECK_ERRNO(read(fd, b, sizeof b), ENODEV);
	CHECK_ERRNO(write(fd, "0", 1), ENODEV);
	CHECK_ERRNO(openat(dir, "cgroup.procs", O_RDONLY), ENOENT);
	CHECK_ERRNO(mkdirat(dir, "b", 0755), ENOENT);
	CHECK_ERRNO(rmdir(at("a")), ENOENT);
	teardown("");
}

CASE(another_mount_shows_the_same_groups) {
	setup();
	CHECK(mkdir("other", 0755) == 0);
	CHECK(mount("none", "other", "cgroup2", 0, 0) == 0);
	CHECK(mkdir(at("a"), 0755) == 0);
	char path[128];
	snprintf(path, sizeof path, "other/case%d/a", getpid());
	struct stat a, b;
	CHECK(stat(at("a"), &a) == 0);
	CHECK(stat(path, &b) == 0);
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(a.st_dev, b.st_dev);
	CHECK(rmdir(path) == 0);
	CHECK_ERRNO(stat(at("a"), &a), ENOENT);
	CHECK(umount("other") == 0);
	teardown("");
}

CASE(an_unknown_mount_option_is_refused) {
	setup();
	CHECK_ERRNO(mount("none", "mnt", "cgroup2", 0, "bogus"), EINVAL);
	teardown("");
}

CASE(writing_a_number_moves_a_process) {
	setup();
	pid_t pid = sleeper();
	CHECK(put_number("cgroup.procs", pid) == 0);
	char line[32];
	snprintf(line, sizeof line, "%d\n", pid);
	CHECK(says("cgroup.procs", line));
	CHECK(says("cgroup.threads", line));
	CHECK(in(pid, top + 3));
	CHECK(has("cgroup.events", "populated 1"));
	CHECK_ERRNO(rmdir(top), EBUSY);
	finish(pid);
	CHECK(has("cgroup.events", "populated 0"));
	CHECK(says("cgroup.procs", ""));
	teardown("");
}

CASE(zero_stands_for_the_writer) {
	setup();
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(put("cgroup.procs", "0\n") == 0);
		CHECK(in(getpid(), top + 3));
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	teardown("");
}

CASE(what_is_no_number_of_a_process_is_refused) {
	setup();
	CHECK_ERRNO(put("cgroup.procs", "x"), EINVAL);
	CHECK_ERRNO(put("cgroup.procs", "-1"), EINVAL);
	CHECK_ERRNO(put("cgroup.procs", "1 2"), EINVAL);
	CHECK_ERRNO(put("cgroup.procs", "4194304"), ESRCH);
	static char big[5000];
	memset(big, '0', sizeof big - 1);
	CHECK_ERRNO(put("cgroup.procs", big), E2BIG);
	teardown("");
}

CASE(children_are_born_where_their_parent_is) {
	setup();
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(put("cgroup.procs", "0") == 0);
		pid_t c = fork();
		if (c == 0) _exit(in(getpid(), top + 3) ? 0 : 1);
		CHECK_CHILD(c, 0);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	teardown("");
}

CASE(a_zombie_stays_in_a_group_that_is_removed) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	pid_t pid = sleeper();
	CHECK(put_number("a/cgroup.procs", pid) == 0);
	CHECK(kill(pid, SIGKILL) == 0);
	siginfo_t si;
	CHECK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT) == 0);
	CHECK(says("a/cgroup.procs", ""));
	char path[128];
	snprintf(path, sizeof path, "%s/a", top + 3);
	CHECK(in(pid, path));
	CHECK(rmdir(at("a")) == 0);
	strcat(path, " (deleted)");
	CHECK(in(pid, path));
	CHECK(waitpid(pid, 0, 0) == pid);
	teardown("");
}

static pid_t into(const char *name, int flags, int *err) {
	int fd = open(name, O_PATH | O_CLOEXEC);
	if (fd < 0) fd = 1000;
	struct clone_args a = {.flags = CLONE_INTO_CGROUP | flags, .exit_signal = SIGCHLD, .cgroup = fd};
	pid_t pid = syscall(SYS_clone3, &a, sizeof a);
	*err = errno;
	if (pid) close(fd);
	return pid;
}

CASE(clone_into_cgroup_makes_a_child_in_a_group) {
	setup();
	int err;
	pid_t pid = into(top, 0, &err);
	if (pid == 0) _exit(in(getpid(), top + 3) ? 7 : 1);
	CHECK(pid > 0);
	CHECK_CHILD(pid, 7);
	CHECK(into("nothing", 0, &err) == -1 && err == EBADF);
	CHECK(into(".", 0, &err) == -1 && err == EBADF);
	struct clone_args a = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = 1ull << 31};
	CHECK_ERRNO(syscall(SYS_clone3, &a, sizeof a), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone3, &a, 80), EINVAL);
	teardown("");
}

CASE(clone_into_a_removed_group_fails) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	int fd = open(at("a"), O_RDONLY);
	CHECK(fd >= 0);
	CHECK(rmdir(at("a")) == 0);
	struct clone_args a = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = fd};
	CHECK_ERRNO(syscall(SYS_clone3, &a, sizeof a), ENOENT);
	teardown("");
}

CASE(limits_of_depth_and_number_hold) {
	setup();
	CHECK_ERRNO(put("cgroup.max.depth", "-1"), ERANGE);
	CHECK_ERRNO(put("cgroup.max.depth", "x"), EINVAL);
	CHECK(put("cgroup.max.depth", "1") == 0);
	CHECK(says("cgroup.max.depth", "1\n"));
	CHECK(mkdir(at("a"), 0755) == 0);
	CHECK_ERRNO(mkdir(at("a/b"), 0755), EAGAIN);
	CHECK(put("cgroup.max.depth", "max") == 0);
	CHECK(put("cgroup.max.descendants", "2") == 0);
	CHECK(mkdir(at("a/b"), 0755) == 0);
	CHECK_ERRNO(mkdir(at("c"), 0755), EAGAIN);
	CHECK_ERRNO(mkdir(at("a/b/c"), 0755), EAGAIN);
	CHECK(has("cgroup.stat", "nr_descendants 2\n"));
	teardown("a a/b");
}

CASE(a_group_with_groups_below_cannot_be_removed) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	CHECK_ERRNO(rmdir(top), EBUSY);
	teardown("a");
}

CASE(populated_reaches_up_and_wakes_poll) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	int fd = open(at("cgroup.events"), O_RDONLY);
	char b[64];
	CHECK(read(fd, b, sizeof b) > 0);
	struct pollfd p = {fd, POLLPRI, 0};
	CHECK_EQ(poll(&p, 1, 0), 0);
	pid_t pid = sleeper();
	CHECK(put_number("a/cgroup.procs", pid) == 0);
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK_EQ(p.revents, POLLPRI | POLLERR);
	CHECK(pread(fd, b, sizeof b, 0) > 0);
	CHECK(strstr(b, "populated 1"));
	CHECK_EQ(poll(&p, 1, 0), 0);
	finish(pid);
	CHECK_EQ(poll(&p, 1, 5000), 1);
	teardown("a");
}

CASE(inotify_tells_of_changed_events) {
	setup();
	int fd = inotify_init1(IN_CLOEXEC);
	int wd = inotify_add_watch(fd, at("cgroup.events"), IN_MODIFY);
	CHECK(wd > 0);
	pid_t pid = sleeper();
	CHECK(put_number("cgroup.procs", pid) == 0);
	struct pollfd p = {fd, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 5000), 1);
	struct inotify_event e;
	CHECK_EQ(read(fd, &e, sizeof e), sizeof e);
	CHECK_EQ(e.wd, wd);
	CHECK_EQ(e.mask, IN_MODIFY);
	finish(pid);
	teardown("");
}

CASE(kill_ends_everybody_below) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	pid_t one = sleeper(), two = sleeper(), out = sleeper();
	CHECK(put_number("cgroup.procs", one) == 0);
	CHECK(put_number("a/cgroup.procs", two) == 0);
	CHECK_ERRNO(put("cgroup.kill", "0"), ERANGE);
	CHECK_ERRNO(put("cgroup.kill", "x"), EINVAL);
	CHECK(put("cgroup.kill", "1") == 0);
	int st;
	CHECK(waitpid(one, &st, 0) == one && WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	CHECK(waitpid(two, &st, 0) == two && WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	CHECK_EQ(waitpid(out, &st, WNOHANG), 0);
	finish(out);
	teardown("a");
}

// counter makes a child that counts in shared memory.
static volatile long *count;
static pid_t counter(void) {
	count = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(count != MAP_FAILED);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) for (;;) ++*count;
	return pid;
}

CASE(a_frozen_process_stands_still_and_goes_on) {
	setup();
	pid_t pid = counter();
	CHECK(put_number("cgroup.procs", pid) == 0);
	CHECK_ERRNO(put("cgroup.freeze", "2"), ERANGE);
	CHECK(put("cgroup.freeze", "1") == 0);
	until("cgroup.events", "frozen 1");
	long was = *count;
	msleep(10);
	CHECK_EQ(*count, was);
	CHECK_EQ(waitpid(pid, 0, WNOHANG | WUNTRACED), 0);
	CHECK(put("cgroup.freeze", "0") == 0);
	CHECK(has("cgroup.events", "frozen 0"));
	for (int i = 0; i < 4000 && *count == was; i++) usleep(1000);
	CHECK(*count != was);
	CHECK(!says("cgroup.stat.local", "frozen_usec 0\n"));
	finish(pid);
	teardown("");
}

static long usage(const char *name) {
	long n = -1;
	CHECK(sscanf(get(name), "usage_usec %ld\n", &n) == 1);
	return n;
}

CASE(cpu_stat_counts_what_was_used_in_the_group) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	CHECK_EQ(usage("a/cpu.stat"), 0);
	pid_t pid = counter();
	CHECK(put_number("a/cgroup.procs", pid) == 0);
	for (int i = 0; i < 4000 && usage("a/cpu.stat") < 1000; i++) usleep(1000);
	CHECK(usage("a/cpu.stat") >= 1000);
	finish(pid);
	long was = usage("a/cpu.stat");
	CHECK(was >= 1000);
	CHECK(rmdir(at("a")) == 0);
	CHECK(usage("cpu.stat") >= was);
	teardown("");
}

CASE(freezing_reaches_groups_below) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	pid_t pid = sleeper();
	CHECK(put_number("a/cgroup.procs", pid) == 0);
	CHECK(put("cgroup.freeze", "1") == 0);
	until("cgroup.events", "frozen 1");
	CHECK(has("a/cgroup.events", "frozen 1"));
	CHECK(says("a/cgroup.freeze", "0\n"));
	CHECK(mkdir(at("b"), 0755) == 0);
	CHECK(has("b/cgroup.events", "frozen 1"));
	CHECK(put("a/cgroup.freeze", "1") == 0);
	CHECK(put("cgroup.freeze", "0") == 0);
	CHECK(has("cgroup.events", "frozen 0"));
	CHECK(has("a/cgroup.events", "frozen 1"));
	finish(pid);
	teardown("a b");
}

CASE(a_frozen_process_can_be_killed) {
	setup();
	pid_t pid = sleeper();
	CHECK(put_number("cgroup.procs", pid) == 0);
	CHECK(put("cgroup.freeze", "1") == 0);
	until("cgroup.events", "frozen 1");
	finish(pid);
	teardown("");
}

static volatile sig_atomic_t caught;
static void catch(int sig) { caught = sig; }

CASE(signals_wait_until_a_process_is_thawed) {
	setup();
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGUSR1, catch);
		CHECK(write(p[1], "r", 1) == 1);
		while (!caught) usleep(500);
		CHECK(write(p[1], "c", 1) == 1);
		_exit(0);
	}
	char c;
	CHECK(read(p[0], &c, 1) == 1);
	CHECK(put_number("cgroup.procs", pid) == 0);
	CHECK(put("cgroup.freeze", "1") == 0);
	until("cgroup.events", "frozen 1");
	CHECK(kill(pid, SIGUSR1) == 0);
	struct pollfd q = {p[0], POLLIN, 0};
	CHECK_EQ(poll(&q, 1, 10), 0);
	CHECK(put("cgroup.freeze", "0") == 0);
	CHECK_EQ(poll(&q, 1, 5000), 1);
	CHECK_CHILD(pid, 0);
	teardown("");
}

CASE(a_call_goes_on_when_its_caller_is_thawed) {
	setup();
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		_exit(read(p[0], &c, 1) == 1 ? c : 99);
	}
	CHECK(put_number("cgroup.procs", pid) == 0);
	CHECK(put("cgroup.freeze", "1") == 0);
	until("cgroup.events", "frozen 1");
	CHECK(write(p[1], "\5", 1) == 1);
	CHECK_EQ(waitpid(pid, 0, WNOHANG), 0);
	CHECK(put("cgroup.freeze", "0") == 0);
	CHECK_CHILD(pid, 5);
	teardown("");
}

CASE(who_moves_into_a_frozen_group_freezes_and_out_of_it_thaws) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	CHECK(put("a/cgroup.freeze", "1") == 0);
	CHECK(has("a/cgroup.events", "frozen 1"));
	pid_t pid = counter();
	CHECK(put_number("a/cgroup.procs", pid) == 0);
	until("a/cgroup.events", "frozen 1");
	long was = *count;
	msleep(5);
	CHECK_EQ(*count, was);
	CHECK(put_number("cgroup.procs", pid) == 0);
	for (int i = 0; i < 4000 && *count == was; i++) usleep(1000);
	CHECK(*count != was);
	finish(pid);
	teardown("a");
}

CASE(a_stopped_process_counts_as_frozen) {
	setup();
	pid_t pid = sleeper();
	CHECK(put_number("cgroup.procs", pid) == 0);
	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK(waitpid(pid, 0, WUNTRACED) == pid);
	CHECK(put("cgroup.freeze", "1") == 0);
	until("cgroup.events", "frozen 1");
	CHECK(kill(pid, SIGCONT) == 0);
	until("cgroup.events", "frozen 1");
	finish(pid);
	teardown("");
}

CASE(a_child_made_in_a_frozen_group_does_not_run) {
	setup();
	CHECK(put("cgroup.freeze", "1") == 0);
	int err, p[2];
	CHECK(pipe(p) == 0);
	pid_t pid = into(top, 0, &err);
	if (pid == 0) {
		if (write(p[1], "x", 1) < 0) {}
		_exit(0);
	}
	CHECK(pid > 0);
	struct pollfd q = {p[0], POLLIN, 0};
	CHECK_EQ(poll(&q, 1, 10), 0);
	CHECK(put("cgroup.freeze", "0") == 0);
	CHECK_EQ(poll(&q, 1, 5000), 1);
	CHECK_CHILD(pid, 0);
	teardown("");
}

CASE(a_vfork_parent_counts_as_frozen_with_its_child) {
	setup();
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(put("cgroup.procs", "0") == 0);
		if (vfork() == 0) {
			if (write(p[1], "v", 1) < 0) {}
			for (;;) pause();
		}
		_exit(0);
	}
	char c;
	CHECK(read(p[0], &c, 1) == 1);
	CHECK(put("cgroup.freeze", "1") == 0);
	until("cgroup.events", "frozen 1");
	CHECK(put("cgroup.kill", "1") == 0);
	CHECK(waitpid(pid, 0, 0) == pid);
	until("cgroup.events", "populated 0");
	teardown("");
}

static void *waits(void *fd) {
	char c;
	if (read(*(int *)fd, &c, 1) < 0) {}
	return 0;
}

CASE(threads_of_a_process_move_together) {
	setup();
	int p[2], q[2];
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t th;
		CHECK(pthread_create(&th, 0, waits, &p[0]) == 0);
		CHECK(write(q[1], "r", 1) == 1);
		pthread_join(th, 0);
		_exit(0);
	}
	char c;
	CHECK(read(q[0], &c, 1) == 1);
	CHECK(put_number("cgroup.procs", pid) == 0);
	int lines = 0;
	for (const char *s = get("cgroup.threads"); (s = strchr(s, '\n')); s++) lines++;
	CHECK_EQ(lines, 2);
	CHECK(mkdir(at("a"), 0755) == 0);
	CHECK_ERRNO(put_number("a/cgroup.threads", pid), EOPNOTSUPP);
	CHECK(write(p[1], "x", 1) == 1);
	CHECK_CHILD(pid, 0);
	teardown("a");
}

CASE(threads_of_a_process_can_be_in_different_threaded_groups) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	CHECK(mkdir(at("b"), 0755) == 0);
	CHECK_ERRNO(put("a/cgroup.type", "domain"), EINVAL);
	CHECK(put("a/cgroup.type", "threaded") == 0);
	CHECK(says("a/cgroup.type", "threaded\n"));
	CHECK(says("cgroup.type", "domain threaded\n"));
	CHECK(says("b/cgroup.type", "domain invalid\n"));
	CHECK_ERRNO(put("b/cgroup.procs", "0"), EOPNOTSUPP);
	CHECK(put("b/cgroup.type", "threaded") == 0);
	int p[2], q[2];
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(put("cgroup.procs", "0") == 0);
		pthread_t th;
		CHECK(pthread_create(&th, 0, waits, &p[0]) == 0);
		CHECK(put("a/cgroup.threads", "0") == 0);
		CHECK(write(q[1], "r", 1) == 1);
		pthread_join(th, 0);
		_exit(0);
	}
	char c, line[32];
	CHECK(read(q[0], &c, 1) == 1);
	snprintf(line, sizeof line, "%d\n", pid);
	CHECK(says("a/cgroup.threads", line));
	CHECK(says("cgroup.procs", line));
	int fd = open(at("a/cgroup.procs"), O_RDONLY);
	CHECK(fd >= 0);
	CHECK_ERRNO(read(fd, line, sizeof line), EOPNOTSUPP);
	CHECK(!has("cgroup.threads", line));
	CHECK_ERRNO(put("a/cgroup.kill", "1"), EOPNOTSUPP);
	CHECK(write(p[1], "x", 1) == 1);
	CHECK_CHILD(pid, 0);
	teardown("a b");
}

CASE(a_populated_group_cannot_be_made_threaded) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	pid_t pid = sleeper();
	CHECK(put_number("a/cgroup.procs", pid) == 0);
	CHECK_ERRNO(put("a/cgroup.type", "threaded"), EOPNOTSUPP);
	finish(pid);
	teardown("a");
}

CASE(an_unknown_controller_is_refused) {
	setup();
	CHECK_ERRNO(put("cgroup.subtree_control", "+bogus"), EINVAL);
	CHECK_ERRNO(put("cgroup.subtree_control", "pids"), EINVAL);
	CHECK(says("cgroup.subtree_control", ""));
	teardown("");
}

CASE(moving_needs_write_access_to_the_common_ancestor) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	CHECK(mkdir(at("b"), 0755) == 0);
	CHECK(chmod(".", 0777) == 0);
	CHECK(chown(at("a/cgroup.procs"), 1000, 1000) == 0);
	CHECK(chown(at("b/cgroup.procs"), 1000, 1000) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(put("a/cgroup.procs", "0") == 0);
		CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
		CHECK_ERRNO(put("cgroup.procs", "0"), EACCES);
		CHECK_ERRNO(put("b/cgroup.procs", "0"), EACCES);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	CHECK(chown(at("cgroup.procs"), 1000, 1000) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(put("a/cgroup.procs", "0") == 0);
		CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
		CHECK(put("b/cgroup.procs", "0") == 0);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	teardown("a b");
}

CASE(who_opened_the_file_counts_and_not_who_writes) {
	setup();
	CHECK(mkdir(at("a"), 0755) == 0);
	CHECK(chown(at("a/cgroup.procs"), 1000, 1000) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(seteuid(1000) == 0);
		int fd = open(at("a/cgroup.procs"), O_WRONLY);
		CHECK(fd >= 0);
		CHECK(seteuid(0) == 0);
		CHECK_ERRNO(write(fd, "0", 1), EACCES);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	teardown("a");
}

CASE(a_directory_belongs_to_who_made_it) {
	setup();
	CHECK(chown(top, 1000, 1000) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
		CHECK(mkdir(at("a"), 0750) == 0);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	struct stat st;
	CHECK(stat(at("a"), &st) == 0);
	CHECK_EQ(st.st_uid, 1000);
	CHECK_EQ(st.st_mode & 0777, 0750);
	CHECK(stat(at("a/cgroup.procs"), &st) == 0);
	CHECK_EQ(st.st_gid, 1000);
	teardown("a");
}

// pids makes top a group that the pids controller limits, in whichever hierarchy has it.
static void pids(void) {
	setup();
	FILE *f = fopen("mnt/cgroup.controllers", "r");
	char line[256] = "";
	CHECK(f != 0);
	if (!fgets(line, sizeof line, f)) line[0] = 0;
	fclose(f);
	if (strstr(line, "pids")) {
		int fd = open("mnt/cgroup.subtree_control", O_WRONLY);
		CHECK(write(fd, "+pids", 5) == 5);
		close(fd);
		return;
	}
	CHECK(rmdir(top) == 0);
	CHECK(umount("mnt") == 0);
	CHECK(mount("none", "mnt", "cgroup", 0, "pids") == 0);
	CHECK(mkdir(top, 0755) == 0);
}

CASE(a_fork_past_pids_max_fails) {
	pids();
	CHECK(says("pids.current", "0\n"));
	CHECK(says("pids.max", "max\n"));
	CHECK_ERRNO(put("pids.max", "-1"), EINVAL);
	CHECK_ERRNO(put("pids.max", "x"), EINVAL);
	CHECK(put("pids.max", "2") == 0);
	CHECK(says("pids.max", "2\n"));
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(put("cgroup.procs", "0") == 0);
		pid_t c = fork();
		if (c == 0) for (;;) pause();
		CHECK(c > 0);
		CHECK(says("pids.current", "2\n"));
		CHECK_ERRNO(fork(), EAGAIN);
		CHECK(has("pids.events", "max 1\n"));
		kill(c, SIGKILL);
		siginfo_t si;
		CHECK(waitid(P_PID, c, &si, WEXITED | WNOWAIT) == 0);
		CHECK_ERRNO(fork(), EAGAIN); // the zombie counts
		CHECK(waitpid(c, 0, 0) == c);
		CHECK((c = fork()) >= 0);
		if (c == 0) _exit(0);
		CHECK(waitpid(c, 0, 0) == c);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	CHECK(says("pids.current", "0\n"));
	CHECK(says("pids.peak", "2\n"));
	teardown("");
}

CASE(the_limit_of_a_group_above_counts) {
	pids();
	CHECK(put("pids.max", "1") == 0);
	CHECK(mkdir(at("a"), 0755) == 0);
	if (access(at("cgroup.subtree_control"), F_OK) == 0) CHECK(put("cgroup.subtree_control", "+pids") == 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(put("a/cgroup.procs", "0") == 0);
		CHECK(says("a/pids.max", "max\n"));
		CHECK_ERRNO(fork(), EAGAIN);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	teardown("a");
}

MAIN()
