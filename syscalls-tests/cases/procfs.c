// What /proc says of a process: proc_pid_stat(5), proc_pid_status(5) and the like.
#include "case.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/eventfd.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>

static const char *slurp(const char *path) {
	static char b[65536];
	int fd = open(path, O_RDONLY);
	if (fd < 0) fail(__FILE__, __LINE__, "open %s: %s", path, strerror(errno));
	ssize_t n = 0, r;
	while ((r = read(fd, b + n, sizeof b - 1 - n)) > 0) n += r;
	CHECK(r == 0);
	b[n] = 0;
	close(fd);
	return b;
}

static const char *of(pid_t pid, const char *file) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	return slurp(path);
}

// field returns what stands behind "name:\t" in a status file.
static const char *field(const char *text, const char *name) {
	static char v[200];
	for (const char *l = text; l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : 0)
		if (!strncmp(l, name, strlen(name)) && l[strlen(name)] == ':') {
			snprintf(v, sizeof v, "%.*s", (int)strcspn(l + strlen(name) + 2, "\n"), l + strlen(name) + 2);
			return v;
		}
	fail(__FILE__, __LINE__, "no %s", name);
}

// stat_field returns the nth number of stat, counted from 1 as in proc(5); n > 2.
static long long stat_field(const char *text, int n) {
	const char *p = strrchr(text, ')') + 2;
	while (n-- > 3) p = strchr(p, ' ') + 1;
	return strtoll(p, 0, 10);
}

static pid_t waiting(void) {
	int fd[2];
	char c;
	CHECK(pipe(fd) == 0);
	pid_t p = fork();
	if (!p) {
		if (write(fd[1], "x", 1) != 1) _exit(1);
		for (;;) pause();
	}
	CHECK_EQ(read(fd[0], &c, 1), 1);
	close(fd[0]), close(fd[1]);
	return p;
}

static void end(pid_t p) { kill(p, SIGKILL), waitpid(p, 0, 0); }

CASE(stat_has_52_fields) {
	int n = 2;
	const char *s = slurp("/proc/self/stat");
	CHECK_EQ(atoi(s), getpid());
	for (const char *p = strrchr(s, ')') + 1; *p; p++) n += *p == ' ';
	CHECK_EQ(n, 52);
	CHECK_EQ(stat_field(s, 4), getppid());
	CHECK_EQ(stat_field(s, 5), getpgrp());
	CHECK_EQ(stat_field(s, 6), getsid(0));
	CHECK_EQ(stat_field(s, 7), 0);   // no terminal
	CHECK_EQ(stat_field(s, 8), -1);  // nor a group in front
	CHECK_EQ(stat_field(s, 19), getpriority(PRIO_PROCESS, 0));
	CHECK_EQ(stat_field(s, 20), 1); // threads
	CHECK(stat_field(s, 23) > 0);   // virtual memory
	CHECK(stat_field(s, 24) > 0);
	CHECK_EQ(stat_field(s, 38), SIGCHLD);
}

CASE(stat_tells_priorities) {
	CHECK(setpriority(PRIO_PROCESS, 0, 5) == 0);
	const char *s = slurp("/proc/self/stat");
	CHECK_EQ(stat_field(s, 18), 25);
	CHECK_EQ(stat_field(s, 19), 5);
}

CASE(the_name_may_hold_blanks_and_parentheses) {
	CHECK(prctl(PR_SET_NAME, "a) R (\nb") == 0);
	CHECK(strstr(slurp("/proc/self/stat"), " (a) R (\nb) R "));
	CHECK(!strcmp(field(slurp("/proc/self/status"), "Name"), "a) R (\\nb"));
	CHECK(!strcmp(slurp("/proc/self/comm"), "a) R (\nb\n"));
}

static void put_comm(const char *text, ssize_t n) {
	int fd = open("/proc/self/comm", O_WRONLY);
	CHECK_EQ(write(fd, text, n), n);
	close(fd);
}

CASE(comm_can_be_written_and_is_cut) {
	put_comm("new", 3);
	CHECK(!strcmp(slurp("/proc/self/comm"), "new\n"));
	put_comm("0123456789abcdefgh", 18);
	CHECK(!strcmp(slurp("/proc/self/comm"), "0123456789abcde\n"));
	char name[17] = "";
	prctl(PR_GET_NAME, name);
	CHECK(!strcmp(name, "0123456789abcde"));
}

CASE(the_state_is_one_letter) {
	CHECK(!strcmp(field(slurp("/proc/self/status"), "State"), "R (running)"));
	pid_t p = waiting();
	while (strcmp(field(of(p, "status"), "State"), "S (sleeping)")) msleep(1);
	kill(p, SIGSTOP);
	CHECK_EQ(waitpid(p, 0, WUNTRACED), p);
	CHECK(!strcmp(field(of(p, "status"), "State"), "T (stopped)"));
	CHECK(strstr(of(p, "stat"), ") T "));
	kill(p, SIGKILL);
	siginfo_t si;
	CHECK(waitid(P_PID, p, &si, WEXITED | WNOWAIT) == 0);
	CHECK(!strcmp(field(of(p, "status"), "State"), "Z (zombie)"));
	CHECK(!strcmp(of(p, "cmdline"), ""));
	char path[64], b[10];
	sprintf(path, "/proc/%d/exe", p);
	CHECK_ERRNO(readlink(path, b, 10), ENOENT);
	waitpid(p, 0, 0);
	sprintf(path, "/proc/%d", p);
	CHECK_ERRNO(access(path, F_OK), ENOENT);
}

CASE(status_tells_ids_and_groups) {
	gid_t g[] = {7, 5};
	CHECK(syscall(SYS_setgroups, 2, g) == 0);
	CHECK(setresgid(11, 12, 13) == 0);
	CHECK(setresuid(21, 0, 23) == 0);
	CHECK(syscall(SYS_setfsuid, 24) == 0);
	const char *s = slurp("/proc/thread-self/status");
	CHECK(!strcmp(field(s, "Uid"), "21\t0\t23\t24"));
	CHECK(!strcmp(field(s, "Gid"), "11\t12\t13\t12"));
	CHECK(!strcmp(field(s, "Groups"), "5 7 "));
	CHECK_EQ(atoi(field(s, "Pid")), getpid());
	CHECK_EQ(atoi(field(s, "Tgid")), getpid());
	CHECK_EQ(atoi(field(s, "PPid")), getppid());
	CHECK_EQ(atoi(field(s, "TracerPid")), 0);
	CHECK_EQ(atoi(field(s, "Threads")), 1);
}

CASE(status_tells_signals) {
	sigset_t b;
	sigemptyset(&b), sigaddset(&b, SIGUSR1), sigaddset(&b, SIGUSR2);
	CHECK(sigprocmask(SIG_BLOCK, &b, 0) == 0);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, (void (*)(int))_exit);
	kill(getpid(), SIGUSR1);
	syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2);
	const char *s = slurp("/proc/self/status");
	unsigned long caught;
	CHECK(!strcmp(field(s, "SigBlk"), "0000000000000a00"));
	CHECK(!strcmp(field(s, "ShdPnd"), "0000000000000200"));
	CHECK(!strcmp(field(s, "SigPnd"), "0000000000000800"));
	CHECK(strtoul(field(s, "SigIgn"), 0, 16) & 1UL << (SIGHUP - 1));
	caught = strtoul(field(s, "SigCgt"), 0, 16);
	CHECK(caught & 1UL << (SIGTERM - 1));
	CHECK(!(caught & 1UL << (SIGHUP - 1)));
}

CASE(status_tells_memory_as_it_is_used) {
	long before = atol(field(slurp("/proc/self/status"), "VmRSS")), size = atol(field(slurp("/proc/self/status"), "VmSize"));
	char *m = mmap(0, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_EQ(atol(field(slurp("/proc/self/status"), "VmSize")), size + 8192);
	memset(m, 1, 8 << 20);
	CHECK(atol(field(slurp("/proc/self/status"), "VmRSS")) >= before + 8000);
	CHECK(atol(field(slurp("/proc/self/status"), "RssAnon")) >= 8000);
	CHECK(munmap(m, 8 << 20) == 0);
	CHECK(atol(field(slurp("/proc/self/status"), "VmRSS")) < before + 2000);
	CHECK(atol(field(slurp("/proc/self/status"), "VmHWM")) >= before + 8000);
	CHECK(atol(field(slurp("/proc/self/status"), "VmPeak")) >= size + 8192);
	CHECK_EQ(atol(field(slurp("/proc/self/status"), "VmSize")), size);
}

CASE(statm_counts_pages) {
	long size, rss, shared, text, lib, data, dt;
	CHECK_EQ(sscanf(slurp("/proc/self/statm"), "%ld %ld %ld %ld %ld %ld %ld", &size, &rss, &shared, &text, &lib, &data, &dt), 7);
	CHECK(size >= rss && rss >= shared && text > 0 && data > 0);
	CHECK(lib == 0 && dt == 0);
	CHECK_EQ(atol(field(slurp("/proc/self/status"), "VmSize")), size * 4);
}

CASE(environ_and_cmdline_show_the_memory_as_it_is) {
	extern char **environ;
	char *argv[] = {"sleep", "100", 0}, *env[] = {"A=1", "B=22", 0};
	int fd[2];
	char c;
	CHECK(pipe2(fd, O_CLOEXEC) == 0);
	pid_t p = fork();
	if (!p) execve("/bin/sleep", argv, env), _exit(1);
	close(fd[1]);
	CHECK_EQ(read(fd[0], &c, 1), 0); // the exec has happened
	CHECK(!memcmp(of(p, "environ"), "A=1\0B=22", 9));
	CHECK(!memcmp(of(p, "cmdline"), "sleep\000100", 10));
	end(p);
	char *at = strchr(environ[0], '=');
	char was = environ[0][0];
	CHECK(at);
	environ[0][0] = '!'; // what is written shows
	CHECK_EQ(slurp("/proc/self/environ")[0], '!');
	environ[0][0] = was;
}

CASE(the_links_of_a_process) {
	char b[300], d[300];
	ssize_t n;
	CHECK((n = readlink("/proc/self", b, 299)) > 0);
	b[n] = 0;
	CHECK_EQ(atoi(b), getpid());
	CHECK((n = readlink("/proc/thread-self", b, 299)) > 0);
	b[n] = 0;
	sprintf(d, "%d/task/%d", getpid(), getpid());
	CHECK(!strcmp(b, d));
	CHECK(mkdir("here", 0700) == 0 && chdir("here") == 0);
	CHECK((n = readlink("/proc/self/cwd", b, 299)) > 0);
	b[n] = 0;
	CHECK(getcwd(d, sizeof d) && !strcmp(b, d));
	CHECK(rmdir("../here") == 0);
	CHECK((n = readlink("/proc/self/cwd", b, 299)) > 0);
	b[n] = 0;
	CHECK(!strcmp(b, strcat(d, " (deleted)")));
	CHECK((n = readlink("/proc/self/root", b, 299)) == 1 && b[0] == '/');
	struct stat x, y;
	CHECK(stat("/proc/self/exe", &x) == 0);
	CHECK(lstat("/proc/self/exe", &y) == 0);
	CHECK(S_ISREG(x.st_mode) && S_ISLNK(y.st_mode));
	CHECK_EQ(y.st_mode & 0777, 0777);
	CHECK_ERRNO(open("/proc/self/exe", O_WRONLY), ETXTBSY);
}

__attribute__((noreturn)) static void *sleeper(void *a) {
	*(volatile pid_t *)a = syscall(SYS_gettid);
	for (;;) pause();
}

CASE(task_lists_threads_each_with_its_own_name) {
	volatile pid_t tid = 0;
	pthread_t t;
	char path[100];
	int n = 0;
	CHECK(pthread_create(&t, 0, sleeper, (void *)&tid) == 0);
	while (!tid) sched_yield();
	DIR *d = opendir("/proc/self/task");
	for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
	CHECK_EQ(n, 2);
	struct stat st;
	CHECK(stat("/proc/self/task", &st) == 0);
	CHECK_EQ(st.st_nlink, 4);
	sprintf(path, "/proc/self/task/%d/comm", tid);
	int fd = open(path, O_RDWR);
	CHECK_EQ(write(fd, "helper", 6), 6);
	CHECK(!strcmp(slurp(path), "helper\n"));
	CHECK(strcmp(slurp("/proc/self/comm"), "helper\n"));
	sprintf(path, "/proc/%d/status", tid); // reached, though not listed
	CHECK_EQ(atoi(field(slurp(path), "Tgid")), getpid());
	CHECK_EQ(atoi(field(slurp(path), "Pid")), tid);
	sprintf(path, "/proc/self/task/%d", getppid());
	CHECK_ERRNO(access(path, F_OK), ENOENT);
}

CASE(children_lists_children) {
	char path[100], want[40];
	pid_t p = waiting(), q = waiting();
	sprintf(path, "/proc/self/task/%d/children", getpid());
	sprintf(want, "%d %d ", p, q);
	CHECK(!strcmp(slurp(path), want));
	end(p);
	sprintf(want, "%d ", q);
	CHECK(!strcmp(slurp(path), want));
	end(q);
}

CASE(oom_score_adj_is_inherited_and_bounded) {
	int fd = open("/proc/self/oom_score_adj", O_RDWR);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "500", 3), 3);
	CHECK(!strcmp(slurp("/proc/self/oom_score_adj"), "500\n"));
	CHECK_ERRNO(write(fd, "1001", 4), EINVAL);
	CHECK_ERRNO(write(fd, "x", 1), EINVAL);
	pid_t p = waiting();
	CHECK(!strcmp(of(p, "oom_score_adj"), "500\n"));
	end(p);
	CHECK(setuid(1001) == 0);
	CHECK_ERRNO(write(fd, "-1000", 5), EACCES);
}

CASE(files_of_others_are_closed_to_users) {
	pid_t p = waiting();
	char path[64], b[64];
	CHECK(setgid(1001) == 0 && setuid(1001) == 0);
	const char *closed[] = {"environ", "maps", "mem", "auxv", "io", "pagemap", "personality", "stack", "syscall"};
	for (int i = 0; i < 9; i++) {
		sprintf(path, "/proc/%d/%s", p, closed[i]);
		int fd = open(path, O_RDONLY);
		if (fd >= 0 && read(fd, b, 1) >= 0) fail(__FILE__, __LINE__, "%s can be read", path);
		if (errno != EACCES && errno != EPERM) fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	}
	sprintf(path, "/proc/%d/exe", p);
	CHECK_ERRNO(readlink(path, b, 64), EACCES);
	sprintf(path, "/proc/%d/fd", p);
	CHECK_ERRNO(open(path, O_RDONLY), EACCES);
	CHECK_EQ(atoi(of(p, "stat")), p); // what ps needs is open
	CHECK(*of(p, "cmdline"));
	CHECK(*of(p, "limits"));
}

CASE(a_process_that_is_not_dumpable_belongs_to_root) {
	struct stat st;
	CHECK(setgid(1001) == 0 && setuid(1001) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	CHECK(stat("/proc/self/environ", &st) == 0);
	CHECK_EQ(st.st_uid, 1001);
	CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
	CHECK(stat("/proc/self/environ", &st) == 0);
	CHECK_EQ(st.st_uid, 0);
	CHECK(stat("/proc/self", &st) == 0);
	CHECK_EQ(st.st_uid, 1001); // the directory stays with its owner
}

static long info(int fd, const char *format) {
	char path[64];
	long v = -1;
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	for (const char *l = slurp(path); l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : 0) sscanf(l, format, &v);
	return v;
}

CASE(fdinfo_tells_position_and_flags) {
	int fd = open("f", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	CHECK_EQ(write(fd, "12345", 5), 5);
	CHECK_EQ(info(fd, "pos: %li"), 5);
	CHECK_EQ(info(fd, "flags: %lo"), O_RDWR | O_APPEND | O_CLOEXEC | 0100000);
	CHECK(info(fd, "mnt_id: %ld") >= 0);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(info(fd, "ino: %ld"), st.st_ino);
	CHECK_ERRNO(open("/proc/self/fdinfo/999", O_RDONLY), ENOENT);
}

CASE(fdinfo_tells_what_special_files_hold) {
	int e = eventfd(0x2a, 0), ep = epoll_create1(0), in = inotify_init();
	CHECK_EQ(info(e, "eventfd-count: %lx"), 0x2a);
	struct epoll_event ev = {EPOLLIN, {.u64 = 0x77}};
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev) == 0);
	CHECK_EQ(info(ep, "tfd: %ld"), e);
	CHECK_EQ(info(ep, "tfd: %*d events: %lx"), EPOLLIN | EPOLLERR | EPOLLHUP);
	CHECK_EQ(info(ep, "tfd: %*d events: %*x data: %lx"), 0x77);
	CHECK(inotify_add_watch(in, ".", IN_CREATE) == 1);
	CHECK_EQ(info(in, "inotify wd:%ld"), 1);
	CHECK_EQ(info(in, "inotify wd:%*d ino:%*x sdev:%*x mask:%lx"), IN_CREATE);
	sigset_t s;
	sigemptyset(&s), sigaddset(&s, SIGUSR1);
	CHECK_EQ(info(signalfd(-1, &s, 0), "sigmask: %lx"), 1 << (SIGUSR1 - 1));
	pid_t p = waiting();
	CHECK_EQ(info(syscall(SYS_pidfd_open, p, 0), "Pid: %ld"), p);
	end(p);
}

CASE(writes_to_files_that_only_tell_are_refused) {
	const char *ro[] = {"stat", "status", "maps", "cmdline", "environ", "limits", "statm"};
	char path[64];
	CHECK_ERRNO(mkdir("/proc/self/new", 0700), ENOENT); // it isn't there, not even to be made
	CHECK(setuid(1001) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	for (int i = 0; i < 7; i++) {
		sprintf(path, "/proc/self/%s", ro[i]);
		if (open(path, O_WRONLY) != -1 || errno != EACCES) fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	}
	CHECK_ERRNO(mkdir("/proc/new", 0700), ENOENT);
	CHECK_ERRNO(open("/proc/new", O_WRONLY | O_CREAT, 0600), ENOENT);
	CHECK(unlink("/proc/self/stat") == -1 && (errno == EPERM || errno == EACCES));
}

MAIN()
