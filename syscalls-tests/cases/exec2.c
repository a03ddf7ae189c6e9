// Running programs: execve(2), execveat(2), and what of a process survives.
#include "case.h"
#include <elf.h>
#include <grp.h>
#include <linux/limits.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sched.h>
#include <sys/resource.h>

// With AS in its environment, the program tells one thing instead of running cases.
static int tell(int argc, char **argv);

static char *none[] = {0};

static void put(const char *path, const char *text, int mode) {
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	CHECK(fchmod(fd, mode) == 0);
	close(fd);
}

// copy copies this program.
static void copy(const char *to, int mode) {
	static char b[65536];
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	ssize_t n;
	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, b, sizeof b)) > 0) CHECK_EQ(write(out, b, n), n);
	CHECK(fchmod(out, mode) == 0);
	close(in), close(out);
}

static long exec_of(const char *path) {
	char *argv[] = {"x", 0};
	return execve(path, argv, none);
}

// output runs a program in a child and returns what it wrote.
static const char *output(const char *path, char **argv, char **envp) {
	static char b[4096];
	int fd[2], n = 0, r;
	CHECK(pipe(fd) == 0);
	pid_t p = fork();
	if (!p) {
		dup2(fd[1], 1);
		close(fd[0]), close(fd[1]);
		execve(path, argv, envp);
		_exit(errno);
	}
	close(fd[1]);
	while ((r = read(fd[0], b + n, sizeof b - 1 - n)) > 0) n += r;
	b[n] = 0;
	close(fd[0]);
	CHECK_CHILD(p, 0);
	return b;
}

static void wants(const char *got, const char *want) {
	if (strcmp(got, want)) fail(__FILE__, __LINE__, "got %s, want %s", got, want);
}

CASE(execve_errors) {
	char longname[PATH_MAX + 10], component[300];
	CHECK_ERRNO(exec_of("missing"), ENOENT);
	CHECK_ERRNO(exec_of(""), ENOENT);
	CHECK_ERRNO(exec_of((void *)8), EFAULT);
	CHECK_ERRNO(exec_of("/"), EACCES);
	CHECK_ERRNO(exec_of("/dev/null"), EACCES);
	put("plain", "#!/bin/true\n", 0600);
	CHECK_ERRNO(exec_of("plain"), EACCES); // root needs one x
	CHECK_ERRNO(exec_of("plain/x"), ENOTDIR);
	memset(longname, 'x', sizeof longname), longname[PATH_MAX + 9] = 0;
	CHECK_ERRNO(exec_of(longname), ENAMETOOLONG);
	memset(component, 'x', 299), component[299] = 0;
	CHECK_ERRNO(exec_of(component), ENAMETOOLONG);
	CHECK(symlink("loop", "loop") == 0);
	CHECK_ERRNO(exec_of("loop"), ELOOP);
	put("bad", "no program at all\n", 0700);
	CHECK_ERRNO(exec_of("bad"), ENOEXEC);
	put("empty", "", 0700);
	CHECK_ERRNO(exec_of("empty"), ENOEXEC);
	put("truncated", "\177ELF\2\1\1", 0700);
	CHECK_ERRNO(exec_of("truncated"), ENOEXEC);
	CHECK(mkfifo("fifo", 0777) == 0);
	CHECK_ERRNO(exec_of("fifo"), EACCES);
	CHECK_ERRNO(execve("/bin/true", (void *)8, none), EFAULT);
	CHECK_ERRNO(execve("/bin/true", none, (void *)8), EFAULT);
	char *argv[] = {"x", (char *)8, 0};
	CHECK_ERRNO(execve("/bin/true", argv, none), EFAULT);
}

CASE(a_directory_that_cannot_be_searched_gives_EACCES) {
	CHECK(mkdir("dir", 0700) == 0);
	copy("dir/prog", 0755);
	CHECK(chmod("dir", 0) == 0);
	CHECK(setgid(1001) == 0 && setuid(1001) == 0);
	CHECK_ERRNO(exec_of("dir/prog"), EACCES);
}

CASE(a_file_that_others_may_not_execute_gives_EACCES) {
	copy("prog", 0700);
	CHECK(setgid(1001) == 0 && setuid(1001) == 0);
	CHECK_ERRNO(exec_of("prog"), EACCES);
}

CASE(scripts_run_their_interpreter_with_one_argument) {
	put("s", "#! /bin/echo  a b\tc  \nrest", 0700);
	char *argv[] = {"zero", "one", 0};
	wants(output("./s", argv, none), "a b\tc ./s one\n");
	put("s", "#!/bin/echo", 0700); // no end of line
	wants(output("./s", argv, none), "./s one\n");
	put("s", "#!/bin/echo   \n", 0700);
	wants(output("./s", argv, none), "./s one\n");
}

CASE(scripts_errors) {
	put("nothing", "#!\n", 0700);
	CHECK_ERRNO(exec_of("./nothing"), ENOEXEC);
	put("nothing", "#!    \n", 0700);
	CHECK_ERRNO(exec_of("./nothing"), ENOEXEC);
	put("missing", "#!/no/such/interpreter\n", 0700);
	CHECK_ERRNO(exec_of("./missing"), ENOENT);
	put("denied", "#!/dev/null\n", 0700);
	CHECK_ERRNO(exec_of("./denied"), EACCES);
	char text[400];
	memset(text, 'x', sizeof text), text[0] = '#', text[1] = '!', text[2] = '/', text[399] = 0;
	put("cut", text, 0700); // the name goes on behind what is read
	CHECK_ERRNO(exec_of("./cut"), ENOEXEC);
}

CASE(interpreters_nest_to_some_depth) {
	char name[16], text[64];
	put("s0", "#!/bin/echo\n", 0700);
	for (int i = 1; i <= 6; i++) {
		sprintf(name, "s%d", i);
		sprintf(text, "#!./s%d\n", i - 1);
		put(name, text, 0700);
	}
	char *argv[] = {"zero", 0};
	wants(output("./s4", argv, none), "./s0 ./s1 ./s2 ./s3 ./s4\n");
	CHECK_ERRNO(exec_of("./s6"), ELOOP);
}

CASE(a_long_first_line_is_cut_in_its_argument) {
	char text[400];
	memset(text, 'a', sizeof text), text[399] = 0;
	memcpy(text, "#!/bin/echo ", 12);
	put("s", text, 0700);
	char *argv[] = {"zero", 0};
	const char *got = output("./s", argv, none);
	CHECK_EQ(strspn(got, "a"), 256 - 1 - 12); // BINPRM_BUF_SIZE
}

CASE(a_set_user_id_script_gains_nothing) {
	copy("prog", 0755);
	put("s", "#!./prog\n", 0755);
	CHECK(chown("s", 1002, 1003) == 0);
	CHECK(chmod("s", 06755) == 0);
	char *argv[] = {"x", 0}, *env[] = {"AS=ids", 0};
	CHECK(setgroups(0, 0) == 0 && setgid(1001) == 0 && setuid(1001) == 0);
	wants(output("./s", argv, env), "uid 1001 1001 1001 gid 1001 1001 1001 secure 0 dumpable 1\n");
}

CASE(an_empty_argv_becomes_one_empty_string) {
	char *env[] = {"AS=argc", 0};
	wants(output("/proc/self/exe", none, env), "1 ''\n");
}

CASE(arguments_are_limited_one_by_one_and_together) {
	static char big[131072 + 1];
	memset(big, 'x', 131072);
	char *argv[] = {"x", big, 0};
	CHECK_ERRNO(execve("/bin/true", argv, none), E2BIG); // MAX_ARG_STRLEN with its end
	big[131071] = 0;
	pid_t p = fork();
	if (!p) execve("/bin/true", argv, none), _exit(1);
	CHECK_CHILD(p, 0);
	struct rlimit r;
	CHECK(getrlimit(RLIMIT_STACK, &r) == 0);
	r.rlim_cur = 1 << 20; // a quarter is for arguments
	p = fork();
	if (!p) {
		static char *many[5] = {big, big, big, 0};
		CHECK(setrlimit(RLIMIT_STACK, &r) == 0);
		CHECK_ERRNO(execve("/bin/true", many, none), E2BIG);
		many[1] = 0;
		execve("/bin/true", many, none);
		_exit(1);
	}
	CHECK_CHILD(p, 0);
}

CASE(execveat_with_directories_and_empty_paths) {
	copy("prog", 0700);
	char *argv[] = {"x", 0}, *env[] = {"AS=exit7", 0};
	int dir = open(".", O_RDONLY | O_DIRECTORY), fd = open("prog", O_PATH);
	CHECK(dir >= 0 && fd >= 0);
	CHECK_ERRNO(execveat(999, "prog", argv, env, 0), EBADF);
	CHECK_ERRNO(execveat(fd, "prog", argv, env, 0), ENOTDIR);
	CHECK_ERRNO(execveat(dir, "", argv, env, 0), ENOENT);
	CHECK_ERRNO(execveat(dir, "", argv, env, AT_EMPTY_PATH), EACCES);
	CHECK_ERRNO(execveat(dir, "prog", argv, env, 0x8000000), EINVAL);
	CHECK(symlink("prog", "link") == 0);
	CHECK_ERRNO(execveat(dir, "link", argv, env, AT_SYMLINK_NOFOLLOW), ELOOP);
	CHECK_ERRNO(execveat(dir, "missing", argv, env, 0), ENOENT);
	pid_t p = fork();
	if (!p) execveat(dir, "link", argv, env, 0), _exit(1);
	CHECK_CHILD(p, 7);
	p = fork();
	if (!p) execveat(fd, "", argv, env, AT_EMPTY_PATH), _exit(1);
	CHECK_CHILD(p, 7);
	unlink("prog"); // who has it open may still run it
	p = fork();
	if (!p) execveat(fd, "", argv, env, AT_EMPTY_PATH), _exit(1);
	CHECK_CHILD(p, 7);
}

CASE(execveat_of_a_script_names_it_by_descriptor) {
	put("s", "#!/bin/echo\n", 0700);
	int fd = open("s", O_RDONLY | O_CLOEXEC), keep = open("s", O_RDONLY);
	char *argv[] = {"x", 0}, want[64];
	CHECK_ERRNO(execveat(fd, "", argv, none, AT_EMPTY_PATH), ENOENT); // nothing to open it by afterwards
	int out[2];
	CHECK(pipe(out) == 0);
	pid_t p = fork();
	if (!p) {
		dup2(out[1], 1);
		execveat(keep, "", argv, none, AT_EMPTY_PATH);
		_exit(1);
	}
	CHECK_CHILD(p, 0);
	char b[100];
	int n = read(out[0], b, 99);
	CHECK(n > 0);
	b[n] = 0;
	sprintf(want, "/dev/fd/%d\n", keep);
	wants(b, want);
}

CASE(the_auxiliary_vector_tells_of_the_process) {
	CHECK_EQ(getauxval(AT_PAGESZ), 4096);
	CHECK_EQ(getauxval(AT_UID), getuid());
	CHECK_EQ(getauxval(AT_EUID), geteuid());
	CHECK_EQ(getauxval(AT_GID), getgid());
	CHECK_EQ(getauxval(AT_SECURE), 0);
	CHECK_EQ(getauxval(AT_CLKTCK), 100);
	CHECK(getauxval(AT_RANDOM) != 0);
	CHECK(getauxval(AT_SYSINFO_EHDR) != 0);
	CHECK_EQ(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
	CHECK(!strcmp((char *)getauxval(AT_PLATFORM), "x86_64"));
	char *argv[] = {"x", 0}, *env[] = {"AS=execfn", 0};
	copy("prog", 0700);
	wants(output("./prog", argv, env), "./prog\n");
}

CASE(a_set_user_id_program_is_secure_and_not_dumpable) {
	copy("prog", 0755);
	CHECK(chown("prog", 1002, 1003) == 0);
	CHECK(chmod("prog", 06755) == 0);
	char *argv[] = {"x", 0}, *env[] = {"AS=ids", 0};
	pid_t p = fork();
	if (!p) {
		CHECK(setgroups(0, 0) == 0 && setgid(1001) == 0 && setuid(1001) == 0);
		wants(output("./prog", argv, env), "uid 1001 1002 1002 gid 1001 1003 1003 secure 1 dumpable 0\n");
		CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
		wants(output("./prog", argv, env), "uid 1001 1001 1001 gid 1001 1001 1001 secure 0 dumpable 1\n");
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(a_set_group_id_bit_without_execute_means_nothing) {
	copy("prog", 0755);
	CHECK(chown("prog", 1002, 1003) == 0);
	CHECK(chmod("prog", 02745) == 0);
	char *argv[] = {"x", 0}, *env[] = {"AS=ids", 0};
	CHECK(setgroups(0, 0) == 0 && setgid(1001) == 0 && setuid(1001) == 0);
	wants(output("./prog", argv, env), "uid 1001 1001 1001 gid 1001 1001 1001 secure 0 dumpable 1\n");
}

CASE(the_saved_ids_follow_the_effective_at_exec) {
	char *argv[] = {"x", 0}, *env[] = {"AS=ids", 0};
	copy("prog", 0755);
	CHECK(setresgid(1001, 1002, 1003) == 0);
	CHECK(setresuid(1001, 1002, 1003) == 0);
	wants(output("./prog", argv, env), "uid 1001 1002 1002 gid 1001 1002 1002 secure 1 dumpable 0\n");
}

CASE(exec_changes_the_name_and_the_command_line) {
	copy("averyveryverylongname", 0755);
	char *argv[] = {"zero", "one two", "", 0}, *env[] = {"AS=comm", 0};
	wants(output("./averyveryverylongname", argv, env), "averyveryverylo zero|one two||\n");
}

CASE(exec_keeps_pending_signals_mask_and_nice_but_not_locks_in_memory) {
	sigset_t s;
	sigemptyset(&s), sigaddset(&s, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &s, 0) == 0);
	copy("prog", 0755);
	pid_t p = fork();
	if (!p) {
		char *argv[] = {"x", 0}, *env[] = {"AS=pending", 0};
		setpriority(PRIO_PROCESS, 0, 3);
		raise(SIGUSR1);
		CHECK(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
		execve("./prog", argv, env);
		_exit(1);
	}
	CHECK_CHILD(p, 0);
}

CASE(close_on_exec_closes_only_in_the_new_program) {
	copy("prog", 0755);
	int a = open("/dev/null", O_RDONLY | O_CLOEXEC), b = open("/dev/null", O_RDONLY);
	char *argv[] = {"x", 0}, *env[] = {"AS=fds", 0}, want[64];
	sprintf(want, "%d closed %d open\n", a, b);
	CHECK(a == 3 && b == 4);
	wants(output("./prog", argv, env), want);
	CHECK_EQ(fcntl(a, F_GETFD), FD_CLOEXEC); // and not if it fails
	CHECK_ERRNO(exec_of("missing"), ENOENT);
	CHECK_EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
}

CASE(exec_unshares_descriptors_shared_with_another_process) {
	copy("prog", 0755);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	long p = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!p) {
		char *argv[] = {"x", 0}, *env[] = {"AS=exit7", 0};
		execve("./prog", argv, env);
		_exit(1);
	}
	CHECK_CHILD(p, 7);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC); // still open here
}

CASE(a_mount_without_exec_or_set_id_refuses_them) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("m", 0755) == 0);
	CHECK(mount("t", "m", "tmpfs", MS_NOEXEC, "mode=755") == 0);
	copy("m/prog", 0755);
	CHECK_ERRNO(exec_of("m/prog"), EACCES);
	CHECK(mount("t", "m", "tmpfs", MS_REMOUNT | MS_NOSUID, 0) == 0);
	CHECK(chown("m/prog", 1002, 1003) == 0);
	CHECK(chmod("m/prog", 06755) == 0);
	char *argv[] = {"x", 0}, *env[] = {"AS=ids", 0};
	CHECK(setgroups(0, 0) == 0 && setgid(1001) == 0 && setuid(1001) == 0);
	wants(output("m/prog", argv, env), "uid 1001 1001 1001 gid 1001 1001 1001 secure 0 dumpable 1\n");
}

CASE(running_code_cannot_be_written_and_is_released_at_exit) {
	copy("prog", 0755);
	int fd[2];
	char c;
	CHECK(pipe(fd) == 0);
	pid_t p = fork();
	if (!p) {
		char *argv[] = {"x", 0}, *env[] = {"AS=wait", 0};
		dup2(fd[1], 1);
		execve("./prog", argv, env);
		_exit(1);
	}
	CHECK_EQ(read(fd[0], &c, 1), 1);
	CHECK_ERRNO(open("prog", O_WRONLY), ETXTBSY);
	CHECK_ERRNO(truncate("prog", 0), ETXTBSY);
	int r = open("prog", O_RDONLY);
	CHECK(r >= 0);
	CHECK_EQ(unlink("prog"), 0);
	kill(p, SIGKILL);
	waitpid(p, 0, 0);
}

static int tell(int argc, char **argv) {
	const char *as = getenv("AS");
	char b[200];
	if (!strcmp(as, "exit7")) return 7;
	if (!strcmp(as, "argc")) printf("%d '%s'\n", argc, argv[0]);
	if (!strcmp(as, "execfn")) printf("%s\n", (char *)getauxval(AT_EXECFN));
	if (!strcmp(as, "fds")) printf("3 %s 4 %s\n", fcntl(3, F_GETFD) < 0 ? "closed" : "open", fcntl(4, F_GETFD) < 0 ? "closed" : "open");
	if (!strcmp(as, "ids")) {
		uid_t r, e, s;
		gid_t g, h, i;
		getresuid(&r, &e, &s), getresgid(&g, &h, &i);
		printf("uid %d %d %d gid %d %d %d secure %ld dumpable %d\n", r, e, s, g, h, i, getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE) == 1);
	}
	if (!strcmp(as, "comm")) {
		char comm[20] = "";
		prctl(PR_GET_NAME, comm);
		int fd = open("/proc/self/cmdline", O_RDONLY), n = read(fd, b, sizeof b - 1);
		for (int i = 0; i < n; i++) if (!b[i]) b[i] = '|';
		b[n] = 0;
		printf("%s %s\n", comm, b);
	}
	if (!strcmp(as, "pending")) {
		sigset_t p, m;
		sigpending(&p), sigprocmask(SIG_BLOCK, 0, &m);
		char line[200];
		long locked = -1;
		FILE *f = fopen("/proc/self/status", "r");
		while (fgets(line, sizeof line, f)) sscanf(line, "VmLck: %ld", &locked);
		return !(sigismember(&p, SIGUSR1) && sigismember(&m, SIGUSR1) && getpriority(PRIO_PROCESS, 0) == 3 && locked == 0);
	}
	if (!strcmp(as, "wait")) {
		if (write(1, "x", 1) != 1) return 1;
		for (;;) pause();
	}
	return 0;
}

int main(int argc, char **argv) {
	if (getenv("AS")) return tell(argc, argv);
	return run_cases(argc, argv);
}
