// Small calls that stand alone: cachestat, process_mrelease, sysfs, the lsm calls, quotactl, acct.
#include "case.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#define SYS_lsm_get_self_attr_ 459
#define SYS_lsm_set_self_attr_ 460
#define SYS_lsm_list_modules_ 461
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

struct range { uint64_t off, len; };
struct cstat { uint64_t cache, dirty, writeback, evicted, recently; };

static uint64_t cached(int fd, uint64_t off, uint64_t len) {
	struct range r = {off, len};
	struct cstat c;
	memset(&c, 0x55, sizeof c);
	CHECK_EQ(syscall(SYS_cachestat, fd, &r, &c, 0), 0);
	CHECK_EQ(c.evicted, 0);
	return c.cache;
}

CASE(cachestat_counts_the_pages_of_a_memfd) {
	int fd = memfd_create("x", 0);
	CHECK_EQ(cached(fd, 0, 0), 0);
	CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
	CHECK_EQ(pwrite(fd, "x", 1, 16384), 1);
	CHECK_EQ(cached(fd, 0, 0), 2);
	CHECK_EQ(cached(fd, 0, 4096), 1);
	CHECK_EQ(cached(fd, 4096, 4096), 0);
	CHECK_EQ(cached(fd, 4095, 12289), 1);
	CHECK_EQ(cached(fd, 4095, 12290), 2);
	CHECK_EQ(cached(fd, 16384, 1), 1);
	CHECK_EQ(cached(fd, 1 << 20, 0), 0);
	CHECK_EQ(cached(fd, ~0ull - 4096, 0), 0);
}

CASE(cachestat_of_what_was_just_written_finds_it_cached) {
	int fd = open("f", O_CREAT | O_RDWR, 0600);
	char b[4096 * 3] = {1};
	CHECK_EQ(write(fd, b, sizeof b), sizeof b);
	CHECK_EQ(cached(fd, 0, 0), 3);
	CHECK_EQ(cached(fd, 8192, 100000), 1);
	CHECK_EQ(cached(fd, 8191, 2), 2);
}

CASE(cachestat_of_a_pipe_finds_nothing) {
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(cached(p[0], 0, 0), 0);
}

CASE(cachestat_errors) {
	int fd = memfd_create("x", 0), path = open(".", O_PATH);
	struct range r = {0, 0};
	struct cstat c;
	CHECK_ERRNO(syscall(SYS_cachestat, 99, &r, &c, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_cachestat, path, &r, &c, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_cachestat, fd, &r, &c, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_cachestat, fd, 0, &c, 1), EFAULT);
	CHECK_ERRNO(syscall(SYS_cachestat, fd, &r, 8, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_cachestat, 99, 0, &c, 1), EBADF);
}

CASE(cachestat_of_a_file_that_one_may_not_write_gives_EPERM) {
	int fd = open("f", O_CREAT | O_RDWR, 0644);
	CHECK_EQ(write(fd, "x", 1), 1);
	int ro = open("f", O_RDONLY);
	CHECK(setresuid(1000, 1000, 1000) == 0);
	struct range r = {0, 0};
	struct cstat c;
	CHECK_ERRNO(syscall(SYS_cachestat, ro, &r, &c, 0), EPERM);
	CHECK_EQ(cached(fd, 0, 0), 1);
}

CASE(process_mrelease_errors) {
	int pfd = syscall(SYS_pidfd_open, getpid(), 0);
	CHECK(pfd >= 0);
	CHECK_ERRNO(syscall(SYS_process_mrelease, pfd, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_process_mrelease, pfd, 0), EINVAL); // not dying
	CHECK_ERRNO(syscall(SYS_process_mrelease, 99, 0), EBADF);
	int fd = open(".", O_RDONLY);
	CHECK_ERRNO(syscall(SYS_process_mrelease, fd, 0), EBADF);
}

CASE(process_mrelease_of_a_zombie_gives_ESRCH) {
	pid_t p = fork();
	if (!p) _exit(0);
	int pfd = syscall(SYS_pidfd_open, p, 0);
	siginfo_t si;
	CHECK_EQ(waitid(P_PID, p, &si, WEXITED | WNOWAIT), 0);
	CHECK_ERRNO(syscall(SYS_process_mrelease, pfd, 0), ESRCH);
	CHECK_CHILD(p, 0);
	CHECK_ERRNO(syscall(SYS_process_mrelease, pfd, 0), ESRCH);
}

CASE(process_mrelease_of_a_process_that_is_ending_succeeds) {
	pid_t p = fork();
	if (!p) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(3);
	}
	int st, pfd = syscall(SYS_pidfd_open, p, 0);
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSTOPPED(st));
	CHECK_ERRNO(syscall(SYS_process_mrelease, pfd, 0), EINVAL);
	CHECK_EQ(ptrace(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACEEXIT), 0);
	CHECK_EQ(ptrace(PTRACE_CONT, p, 0, 0), 0);
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK_EQ(st >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
	CHECK_EQ(syscall(SYS_process_mrelease, pfd, 0), 0);
	CHECK_EQ(ptrace(PTRACE_CONT, p, 0, 0), 0);
	CHECK_CHILD(p, 3);
}

CASE(process_mrelease_needs_all_who_share_the_memory_to_be_dying) {
	// The child of vfork shares our memory, and we do not die.
	volatile long r = 1;
	volatile int e = 0;
	pid_t me = getpid();
	int pfd = syscall(SYS_pidfd_open, me, 0);
	pid_t p = vfork();
	if (!p) {
		r = syscall(SYS_process_mrelease, pfd, 0);
		e = errno;
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(r, -1);
	CHECK_EQ(e, EINVAL);
}

CASE(sysfs_numbers_the_types_of_proc_filesystems) {
	FILE *f = fopen("/proc/filesystems", "r");
	char line[200], name[200];
	int n = 0;
	while (fgets(line, sizeof line, f)) {
		char *want = strchr(line, '\t') + 1;
		want[strcspn(want, "\n")] = 0;
		memset(name, 'x', sizeof name);
		CHECK_EQ(syscall(SYS_sysfs, 2, n, name), 0);
		CHECK(!strcmp(name, want));
		CHECK_EQ(syscall(SYS_sysfs, 1, want), n);
		n++;
	}
	CHECK_EQ(syscall(SYS_sysfs, 3), n);
}

CASE(sysfs_errors) {
	char name[100];
	CHECK_ERRNO(syscall(SYS_sysfs, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_sysfs, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_sysfs, 1, "nosuchfs"), EINVAL);
	CHECK_ERRNO(syscall(SYS_sysfs, 1, ""), ENOENT);
	CHECK_ERRNO(syscall(SYS_sysfs, 1, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_sysfs, 2, 10000, name), EINVAL);
	CHECK_ERRNO(syscall(SYS_sysfs, 2, -1, name), EINVAL);
	CHECK_ERRNO(syscall(SYS_sysfs, 2, 0, 8), EFAULT);
}

CASE(lsm_list_modules_names_the_capability_module) {
	uint64_t ids[64];
	uint32_t size = 0;
	CHECK_ERRNO(syscall(SYS_lsm_list_modules_, ids, &size, 0), E2BIG);
	CHECK(size >= 8 && size % 8 == 0);
	uint32_t need = size;
	size = sizeof ids;
	CHECK_EQ(syscall(SYS_lsm_list_modules_, ids, &size, 0), need / 8);
	CHECK_EQ(size, need);
	int found = 0;
	for (unsigned i = 0; i < size / 8; i++) found |= ids[i] == 100;
	CHECK(found);
	CHECK_ERRNO(syscall(SYS_lsm_list_modules_, ids, &size, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_lsm_list_modules_, ids, 8, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_lsm_list_modules_, 8, &size, 0), EFAULT);
}

CASE(lsm_get_self_attr_finds_no_attribute) {
	uint64_t b[16] = {0};
	uint32_t size = sizeof b;
	CHECK_ERRNO(syscall(SYS_lsm_get_self_attr_, 100, b, &size, 0), EOPNOTSUPP);
	CHECK_EQ(size, 0);
	CHECK_ERRNO(syscall(SYS_lsm_get_self_attr_, 0, b, &size, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_lsm_get_self_attr_, 100, b, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_lsm_get_self_attr_, 100, b, 8, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_lsm_get_self_attr_, 100, b, &size, 2), EINVAL);
	CHECK_ERRNO(syscall(SYS_lsm_get_self_attr_, 100, 0, &size, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_lsm_get_self_attr_, 100, b, &size, 1), EINVAL);
	b[0] = 100;
	CHECK_ERRNO(syscall(SYS_lsm_get_self_attr_, 100, b, &size, 1), EOPNOTSUPP);
}

CASE(lsm_set_self_attr_checks_lengths_and_then_finds_nobody) {
	uint64_t b[1024] = {100, 0, 0, 0};
	CHECK_ERRNO(syscall(SYS_lsm_set_self_attr_, 100, b, 32, 0), EINVAL); // len does not cover the head
	b[2] = 32;
	CHECK_ERRNO(syscall(SYS_lsm_set_self_attr_, 100, b, 32, 0), EOPNOTSUPP);
	CHECK_ERRNO(syscall(SYS_lsm_set_self_attr_, 100, b, 32, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_lsm_set_self_attr_, 100, b, 31, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_lsm_set_self_attr_, 100, b, 4097, 0), E2BIG);
	CHECK_ERRNO(syscall(SYS_lsm_set_self_attr_, 100, 8, 32, 0), EFAULT);
	b[3] = ~0ull;
	CHECK_ERRNO(syscall(SYS_lsm_set_self_attr_, 100, b, 32, 0), EINVAL);
}

#define QCMD_(cmd, type) ((unsigned)(cmd) << 8 | (type))
#define Q_SYNC_ 0x800001
#define Q_GETINFO_ 0x800005
#define Q_GETQUOTA_ 0x800007

CASE(quotactl_wants_a_block_device) {
	char b[1000];
	CHECK_EQ(syscall(SYS_quotactl, QCMD_(Q_SYNC_, 0), 0, 0, 0), 0);
	CHECK_ERRNO(syscall(SYS_quotactl, QCMD_(Q_SYNC_, 3), 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_quotactl, QCMD_(Q_GETQUOTA_, 0), 0, 0, b), ENODEV);
	CHECK_ERRNO(syscall(SYS_quotactl, QCMD_(Q_GETQUOTA_, 0), "nosuch", 0, b), ENOENT);
	CHECK_ERRNO(syscall(SYS_quotactl, QCMD_(Q_GETQUOTA_, 0), "", 0, b), ENOENT);
	CHECK_ERRNO(syscall(SYS_quotactl, QCMD_(Q_GETQUOTA_, 0), ".", 0, b), ENOTBLK);
	CHECK_ERRNO(syscall(SYS_quotactl, QCMD_(Q_GETQUOTA_, 0), "/dev/null", 0, b), ENOTBLK);
	CHECK_ERRNO(syscall(SYS_quotactl, QCMD_(Q_GETQUOTA_, 0), 8, 0, b), EFAULT);
}

CASE(quotactl_fd_of_a_file_system_without_quotas_gives_ENOSYS) {
	char b[1000];
	int fd = open("/proc", O_RDONLY);
	CHECK_ERRNO(syscall(SYS_quotactl_fd, fd, QCMD_(Q_GETINFO_, 0), 0, b), ENOSYS);
	CHECK_ERRNO(syscall(SYS_quotactl_fd, fd, QCMD_(0x123456, 2), 0, b), ENOSYS);
	CHECK_ERRNO(syscall(SYS_quotactl_fd, fd, QCMD_(Q_GETINFO_, 3), 0, b), EINVAL);
	CHECK_ERRNO(syscall(SYS_quotactl_fd, 99, QCMD_(Q_GETINFO_, 3), 0, b), EBADF);
	CHECK_ERRNO(syscall(SYS_quotactl_fd, open(".", O_PATH), QCMD_(Q_GETINFO_, 3), 0, b), EINVAL);
}

// in_own_pids runs fn in a PID namespace of its own: each has its own accounting.
static void in_own_pids(void (*fn)(void)) {
	CHECK(unshare(CLONE_NEWPID) == 0);
	pid_t p = fork();
	if (!p) {
		fn();
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

static void acct_errors(void) {
	CHECK_ERRNO(syscall(SYS_acct, "nosuch"), ENOENT);
	CHECK_ERRNO(syscall(SYS_acct, "."), EISDIR);
	CHECK_ERRNO(syscall(SYS_acct, "/dev/null"), EACCES);
	CHECK_ERRNO(syscall(SYS_acct, 8), EFAULT);
	CHECK_EQ(syscall(SYS_acct, 0), 0);
	CHECK(setresuid(1000, 1000, 1000) == 0);
	CHECK_ERRNO(syscall(SYS_acct, 0), EPERM);
	CHECK_ERRNO(syscall(SYS_acct, "nosuch"), EPERM);
}

CASE(acct_errors) { in_own_pids(acct_errors); }

struct acct3 {
	uint8_t flag, version;
	uint16_t tty;
	uint32_t exitcode, uid, gid, pid, ppid, btime;
	float etime;
	uint16_t utime, stime, mem, io, rw, minflt, majflt, swaps;
	char comm[16];
};

static struct acct3 find_record(pid_t pid) {
	struct acct3 a;
	int fd = open("acct", O_RDONLY);
	while (read(fd, &a, sizeof a) == sizeof a)
		if (a.pid == (uint32_t)pid) {
			close(fd);
			return a;
		}
	fail(__FILE__, __LINE__, "process %d was not recorded", pid);
}

static void acct_records(void) {
	close(open("acct", O_CREAT | O_RDWR, 0600));
	CHECK_EQ(syscall(SYS_acct, "acct"), 0);
	pid_t a = fork();
	if (!a) {
		if (setresgid(7, 7, 7) || setresuid(6, 6, 6)) _exit(1);
		prctl(PR_SET_NAME, "first");
		_exit(3);
	}
	CHECK_CHILD(a, 3);
	pid_t b = fork();
	if (!b) {
		raise(SIGKILL);
		_exit(0);
	}
	int st;
	CHECK_EQ(waitpid(b, &st, 0), b);
	CHECK_EQ(syscall(SYS_acct, 0), 0);
	pid_t c = fork();
	if (!c) _exit(0);
	CHECK_CHILD(c, 0);

	struct acct3 r = find_record(a);
	CHECK_EQ(r.version, 3);
	CHECK_EQ(r.flag & 0x19, 1); // forked only, no signal
	CHECK_EQ(r.exitcode, 3 << 8);
	CHECK_EQ(r.uid, 6);
	CHECK_EQ(r.gid, 7);
	CHECK_EQ(r.ppid, getpid());
	CHECK(!strcmp(r.comm, "first"));
	CHECK(r.mem > 0);
	time_t now = time(0);
	CHECK(r.btime <= now && r.btime > now - 60);
	CHECK(r.etime < 1000);
	r = find_record(b);
	CHECK_EQ(r.flag & 0x19, 0x11);
	CHECK_EQ(r.exitcode, SIGKILL);
	find_record(getpid()); // who ends the accounting is the last
	struct stat sb;
	CHECK_EQ(stat("acct", &sb), 0);
	CHECK_EQ(sb.st_size, 3 * 64);
}

CASE(acct_records_who_ended_and_how) { in_own_pids(acct_records); }

CASE(acct_ends_with_the_pid_namespace) {
	in_own_pids(acct_records);
	struct stat before, after;
	CHECK_EQ(stat("acct", &before), 0);
	pid_t p = fork(); // in a namespace whose init has ended
	CHECK_EQ(p, -1);
	CHECK_EQ(stat("acct", &after), 0);
	CHECK_EQ(after.st_size, before.st_size);
}

MAIN()
