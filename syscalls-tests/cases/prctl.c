// What a process is and may: prctl(2), capget(2), setresuid(2) and its kin, prlimit(2), getpriority(2), sched_*(2),
// personality(2), uname(2), sysinfo(2), getrandom(2).
#include "case.h"
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

typedef struct __user_cap_header_struct header;
typedef struct __user_cap_data_struct data;

static long capget_(header *h, data *d) { return syscall(SYS_capget, h, d); }
static long capset_(header *h, data *d) { return syscall(SYS_capset, h, d); }

static void become(int id) {
	CHECK(setgroups(0, 0) == 0);
	CHECK(setresgid(id, id, id) == 0);
	CHECK(setresuid(id, id, id) == 0);
}

CASE(capget_tells_the_version_it_prefers) {
	data d[2];
	header h = {0x12345678, 0};
	CHECK_ERRNO(capget_(&h, d), EINVAL);
	CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	h.version = 0;
	CHECK_EQ(capget_(&h, 0), 0); // the way to ask
	CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	CHECK_ERRNO(capget_((void *)8, d), EFAULT);
	CHECK_ERRNO(capget_(&h, (void *)8), EFAULT);
	h.pid = -1;
	CHECK_ERRNO(capget_(&h, d), EINVAL);
	h.pid = 0x3fffffff;
	CHECK_ERRNO(capget_(&h, d), ESRCH);
}

CASE(capget_of_version_1_stores_half) {
	data d[2];
	memset(d, 0x55, sizeof d);
	header h = {_LINUX_CAPABILITY_VERSION_1, 0};
	CHECK_EQ(capget_(&h, d), 0);
	CHECK(d[0].effective != 0x55555555);
	CHECK_EQ(d[1].effective, 0x55555555);
	h.version = _LINUX_CAPABILITY_VERSION_2;
	CHECK_EQ(capget_(&h, d), 0);
	CHECK(d[1].effective != 0x55555555);
}

CASE(capset_errors) {
	data d[2];
	header h = {_LINUX_CAPABILITY_VERSION_3, 0};
	CHECK_EQ(capget_(&h, d), 0);
	h.pid = 1;
	CHECK_ERRNO(capset_(&h, d), EPERM); // others' are not to be set
	h.pid = getpid();
	CHECK_EQ(capset_(&h, d), 0);
	CHECK_ERRNO(capset_(&h, (void *)8), EFAULT);
	h.version = 1;
	CHECK_ERRNO(capset_(&h, d), EINVAL);
	CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	d[0].permitted &= ~(1 << CAP_SETUID);
	CHECK_ERRNO(capset_(&h, d), EPERM); // effective more than permitted
	d[0].effective &= ~(1 << CAP_SETUID);
	CHECK_EQ(capset_(&h, d), 0);
	d[0].permitted |= 1 << CAP_SETUID;
	CHECK_ERRNO(capset_(&h, d), EPERM);
}

static void wants_uids(int r, int e, int s) {
	uid_t a, b, c;
	CHECK(getresuid(&a, &b, &c) == 0);
	CHECK(a == (uid_t)r && b == (uid_t)e && c == (uid_t)s);
}

CASE(setresuid_moves_among_the_three) {
	CHECK(setresuid(1001, 1002, 1003) == 0);
	wants_uids(1001, 1002, 1003);
	CHECK(setresuid(-1, 1003, -1) == 0);
	wants_uids(1001, 1003, 1003);
	CHECK(setresuid(1003, 1001, 1001) == 0);
	wants_uids(1003, 1001, 1001);
	CHECK_ERRNO(setresuid(1002, -1, -1), EPERM);
	CHECK_ERRNO(setresuid(-1, 0, -1), EPERM);
	CHECK_ERRNO(setresuid(-1, -1, 1002), EPERM);
	CHECK(setresuid(-1, -1, -1) == 0);
	CHECK_ERRNO(syscall(SYS_getresuid, 8, 8, 8), EFAULT);
}

CASE(setreuid_sets_the_saved_id_when_the_real_one_changes) {
	CHECK(setresuid(1001, 0, 0) == 0);
	CHECK(setreuid(-1, 1001) == 0); // the effective becomes the real: the saved one stays
	wants_uids(1001, 1001, 0);
	CHECK(setresuid(-1, 0, -1) == 0);
	CHECK(setreuid(-1, 1005) == 0); // another than the real: the saved one follows
	wants_uids(1001, 1005, 1005);
	CHECK_ERRNO(setreuid(1006, -1), EPERM);
	CHECK(setreuid(1005, 1001) == 0);
	wants_uids(1005, 1001, 1001);
}

CASE(setuid_of_a_user_changes_only_the_effective_id) {
	CHECK(setresuid(1001, 1001, 1002) == 0);
	CHECK_EQ(setuid(1002), 0);
	wants_uids(1001, 1002, 1002);
	CHECK_ERRNO(setuid(1003), EPERM);
	CHECK_ERRNO(syscall(SYS_setuid, -1), EINVAL);
	CHECK_EQ(setuid(1001), 0);
	wants_uids(1001, 1001, 1002);
}

CASE(setresgid_and_setfsgid) {
	gid_t r, e, s;
	CHECK(setresgid(2001, 2002, 2003) == 0);
	CHECK(getresgid(&r, &e, &s) == 0);
	CHECK(r == 2001 && e == 2002 && s == 2003);
	CHECK_EQ(syscall(SYS_setfsgid, 2001), 2002);
	CHECK_EQ(syscall(SYS_setfsgid, -1), 2001);
	CHECK(setresuid(1001, 1001, 1001) == 0);
	CHECK_ERRNO(setresgid(-1, 2005, -1), EPERM);
	CHECK_ERRNO(setgid(2005), EPERM);
	CHECK_EQ(setgid(2003), 0);
	CHECK_EQ(syscall(SYS_setfsgid, 7777), 2003); // no error, no change
	CHECK_EQ(syscall(SYS_setfsgid, -1), 2003);
	CHECK_ERRNO(syscall(SYS_setgid, -1), EINVAL);
}

CASE(setgroups_and_getgroups_errors) {
	gid_t g[4] = {5, 3, 4, 3};
	CHECK_EQ(syscall(SYS_setgroups, 4, g), 0);
	CHECK_EQ(syscall(SYS_getgroups, 0, 0), 4);
	CHECK_EQ(syscall(SYS_getgroups, 4, g), 4);
	CHECK(g[0] == 3 && g[1] == 3 && g[2] == 4 && g[3] == 5); // sorted
	CHECK_ERRNO(syscall(SYS_getgroups, 3, g), EINVAL);
	CHECK_ERRNO(syscall(SYS_getgroups, -1, g), EINVAL);
	CHECK_ERRNO(syscall(SYS_getgroups, 4, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_setgroups, 65537, g), EINVAL);
	CHECK_ERRNO(syscall(SYS_setgroups, -1, g), EINVAL);
	CHECK_ERRNO(syscall(SYS_setgroups, 4, 8), EFAULT);
	CHECK(setresuid(1001, 1001, 1001) == 0);
	CHECK_ERRNO(syscall(SYS_setgroups, 0, 0), EPERM);
}

CASE(changing_the_user_clears_dumpable_and_the_death_signal) {
	int sig = -1;
	CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK(setresuid(-1, 1001, -1) == 0);
	CHECK(prctl(PR_GET_DUMPABLE) != 1);
	CHECK(prctl(PR_GET_PDEATHSIG, &sig) == 0);
	CHECK_EQ(sig, 0);
}

CASE(prctl_refuses_stray_arguments) {
	CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_THP_DISABLE, 1, 0xf00, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_CAP_AMBIENT, 77, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 64, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_CAPBSET_READ, 64, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_CAPBSET_DROP, 64, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_MCE_KILL, 5, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_TIMING, PR_TIMING_TIMESTAMP, 0, 0, 0), EINVAL);
	CHECK_EQ(prctl(PR_GET_TIMING, 0, 0, 0, 0), PR_TIMING_STATISTICAL);
	CHECK_ERRNO(prctl(PR_GET_PDEATHSIG, 8), EFAULT);
	CHECK_ERRNO(prctl(PR_SET_NAME, 8), EFAULT);
	CHECK_ERRNO(prctl(PR_GET_NAME, 8), EFAULT);
	CHECK_ERRNO(prctl(PR_SET_TSC, 7, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_SECCOMP, 7, 0, 0, 0), EINVAL);
}

CASE(securebits_lock_and_keepcaps_is_one_of_them) {
	CHECK_EQ(prctl(PR_GET_SECUREBITS), 0);
	CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0);
	CHECK_EQ(prctl(PR_GET_SECUREBITS), SECBIT_KEEP_CAPS);
	CHECK_ERRNO(prctl(PR_SET_SECUREBITS, 1 << 20), EPERM);
	CHECK(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED) == 0);
	CHECK_ERRNO(prctl(PR_SET_KEEPCAPS, 1), EPERM);
	CHECK_ERRNO(prctl(PR_SET_SECUREBITS, 0), EPERM);
	CHECK(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_SETUID_FIXUP) == 0);
	CHECK(setresuid(1001, 1001, 1001) == 0);
	header h = {_LINUX_CAPABILITY_VERSION_3, 0};
	data d[2];
	CHECK_EQ(capget_(&h, d), 0);
	CHECK(d[0].effective & 1 << CAP_SETUID); // nothing was fixed up
	CHECK(setresuid(0, 0, 0) == 0);
}

CASE(the_child_subreaper_is_not_inherited) {
	int v = -1;
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	CHECK(prctl(PR_GET_CHILD_SUBREAPER, &v) == 0);
	CHECK_EQ(v, 1);
	CHECK_ERRNO(prctl(PR_GET_CHILD_SUBREAPER, 8), EFAULT);
	pid_t p = fork();
	if (!p) {
		CHECK(prctl(PR_GET_CHILD_SUBREAPER, &v) == 0);
		CHECK_EQ(v, 0);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(the_death_signal_is_not_inherited_by_fork) {
	int v = -1;
	CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
	pid_t p = fork();
	if (!p) {
		CHECK(prctl(PR_GET_PDEATHSIG, &v) == 0);
		CHECK_EQ(v, 0);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(prlimit_errors) {
	struct rlimit r;
	CHECK_ERRNO(prlimit(0, 16, 0, &r), EINVAL);
	CHECK_ERRNO(prlimit(0, -1, 0, &r), EINVAL);
	CHECK_ERRNO(prlimit(0x3fffffff, RLIMIT_NOFILE, 0, &r), ESRCH);
	CHECK_ERRNO(prlimit(0, RLIMIT_NOFILE, (void *)8, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, 8), EFAULT);
	CHECK_EQ(prlimit(0, RLIMIT_NOFILE, 0, 0), 0);
	CHECK_ERRNO(syscall(SYS_getrlimit, RLIMIT_NOFILE, 0), EFAULT);
	r = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	CHECK_ERRNO(prlimit(0, RLIMIT_NOFILE, &r, 0), EPERM); // more than nr_open, whoever asks
	r = (struct rlimit){2, 1};
	CHECK_ERRNO(prlimit(0, RLIMIT_CORE, &r, 0), EINVAL);
}

CASE(prlimit_reaches_other_processes_of_the_same_user) {
	struct rlimit r = {100, 200}, old;
	int fd[2];
	char c;
	CHECK(pipe(fd) == 0);
	pid_t p = fork();
	if (!p) {
		if (read(fd[0], &c, 1) != 1 || getrlimit(RLIMIT_NOFILE, &old)) _exit(1);
		_exit(old.rlim_cur == 100 && old.rlim_max == 200 ? 0 : 2);
	}
	CHECK_EQ(prlimit(p, RLIMIT_NOFILE, &r, &old), 0);
	struct rlimit mine;
	CHECK(getrlimit(RLIMIT_NOFILE, &mine) == 0);
	CHECK(old.rlim_cur == mine.rlim_cur && old.rlim_max == mine.rlim_max);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_CHILD(p, 0);
	p = fork();
	if (!p) for (;;) pause();
	pid_t q = fork();
	if (!q) {
		become(1001);
		CHECK_ERRNO(prlimit(p, RLIMIT_NOFILE, 0, &old), EPERM);
		_exit(0);
	}
	CHECK_CHILD(q, 0);
	kill(p, SIGKILL);
}

CASE(limits_of_a_process_stand_in_proc) {
	struct rlimit r = {123456, 234567};
	char line[200];
	unsigned long soft = 0, hard = 0;
	CHECK(setrlimit(RLIMIT_FSIZE, &r) == 0);
	FILE *f = fopen("/proc/self/limits", "r");
	CHECK(f);
	CHECK(fgets(line, sizeof line, f));
	CHECK(!strcmp(line, "Limit                     Soft Limit           Hard Limit           Units     \n"));
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, "Max file size", 13)) {
			CHECK_EQ(sscanf(line, "Max file size %lu %lu bytes", &soft, &hard), 2);
			CHECK_EQ(strlen(line), 79);
		}
	CHECK_EQ(soft, 123456);
	CHECK_EQ(hard, 234567);
}

CASE(priorities_are_set_by_process_group_and_user) {
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 100), 0); // cut to 19
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, -100), 0);
	CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 40);
	CHECK_EQ(setpriority(PRIO_PGRP, 0, 3), 0);
	CHECK_EQ(getpriority(PRIO_PGRP, 0), 3);
	int fd[2];
	char c;
	CHECK(pipe(fd) == 0);
	pid_t p = fork();
	if (!p) {
		setpriority(PRIO_PROCESS, 0, 7);
		if (write(fd[1], "x", 1) != 1) _exit(1);
		for (;;) pause();
	}
	CHECK_EQ(read(fd[0], &c, 1), 1);
	CHECK_EQ(getpriority(PRIO_PGRP, 0), 3); // the highest of the group
	CHECK_EQ(setpriority(PRIO_PGRP, getpgrp(), 5), 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, p), 5);
	CHECK_ERRNO(setpriority(3, 0, 0), EINVAL);
	CHECK_ERRNO(setpriority(PRIO_PROCESS, 0x3fffffff, 0), ESRCH);
	CHECK_ERRNO(setpriority(PRIO_PGRP, 0x3fffffff, 0), ESRCH);
	CHECK_ERRNO(getpriority(PRIO_USER, 54399), ESRCH);
	pid_t q = fork();
	if (!q) {
		become(1001);
		CHECK_ERRNO(setpriority(PRIO_PROCESS, p, 6), EPERM);
		CHECK_EQ(setpriority(PRIO_PROCESS, 0, 6), 0);
		CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, 5), EACCES);
		CHECK_EQ(getpriority(PRIO_PROCESS, p), 5);
		_exit(0);
	}
	CHECK_CHILD(q, 0);
	kill(p, SIGKILL);
}

CASE(sched_setscheduler_errors) {
	struct sched_param sp = {0};
	CHECK_ERRNO(sched_setscheduler(-1, SCHED_OTHER, &sp), EINVAL);
	CHECK_ERRNO(sched_setscheduler(0x3fffffff, SCHED_OTHER, &sp), ESRCH);
	CHECK_ERRNO(sched_setscheduler(0, 77, &sp), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setscheduler, 0, -1, &sp), EINVAL);
	CHECK_ERRNO(sched_setscheduler(0, SCHED_OTHER, 0), EINVAL);
	CHECK_ERRNO(sched_setscheduler(0, SCHED_OTHER, (void *)8), EFAULT);
	CHECK_ERRNO(sched_setscheduler(0, SCHED_FIFO, &sp), EINVAL); // priority 0
	sp.sched_priority = 100;
	CHECK_ERRNO(sched_setscheduler(0, SCHED_RR, &sp), EINVAL);
	CHECK_ERRNO(sched_getscheduler(-1), EINVAL);
	CHECK_ERRNO(sched_getscheduler(0x3fffffff), ESRCH);
	CHECK_ERRNO(sched_getparam(0, 0), EINVAL);
	CHECK_ERRNO(sched_getparam(-1, &sp), EINVAL);
	CHECK_ERRNO(sched_getparam(0x3fffffff, &sp), ESRCH);
	CHECK_ERRNO(sched_setparam(0, 0), EINVAL);
	CHECK_ERRNO(sched_setparam(-1, (void *)8), EINVAL);
	CHECK_ERRNO(sched_setparam(0x3fffffff, &sp), ESRCH);
	struct timespec ts;
	CHECK_ERRNO(sched_rr_get_interval(-1, &ts), EINVAL);
	CHECK_ERRNO(sched_rr_get_interval(0x3fffffff, &ts), ESRCH);
	CHECK_ERRNO(syscall(SYS_sched_rr_get_interval, 0, 8), EFAULT);
	CHECK_ERRNO(sched_get_priority_max(-1), EINVAL);
	CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
	CHECK_EQ(sched_get_priority_max(SCHED_BATCH), 0);
	CHECK_EQ(sched_get_priority_max(SCHED_IDLE), 0);
	CHECK_EQ(sched_get_priority_min(SCHED_FIFO), 1);
}

CASE(SCHED_RESET_ON_FORK_shows_and_resets) {
	struct sched_param sp = {0};
	CHECK_EQ(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &sp), 0);
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH | SCHED_RESET_ON_FORK);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, -5), 0);
	pid_t p = fork();
	if (!p) {
		CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
		CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	become(1001);
	CHECK_ERRNO(sched_setscheduler(0, SCHED_BATCH, &sp), EPERM); // to take it back is a privilege
}

CASE(affinity_errors) {
	unsigned long m[32] = {0};
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 7, m), EINVAL); // no multiple of a word
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 0, m), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 256, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0x3fffffff, 256, m), ESRCH);
	CHECK_ERRNO(syscall(SYS_sched_setaffinity, 0, 256, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_sched_setaffinity, 0x3fffffff, 256, m), ESRCH);
	CHECK_ERRNO(syscall(SYS_sched_setaffinity, 0, 0, m), EINVAL);
	pid_t p = fork();
	if (!p) for (;;) pause();
	pid_t q = fork();
	if (!q) {
		become(1001);
		m[0] = 1;
		CHECK_ERRNO(syscall(SYS_sched_setaffinity, p, 256, m), EPERM);
		CHECK(syscall(SYS_sched_getaffinity, p, 256, m) > 0);
		_exit(0);
	}
	CHECK_CHILD(q, 0);
	kill(p, SIGKILL);
}

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

CASE(sched_setattr_errors_and_sizes) {
	struct attr a = {0};
	CHECK_EQ(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0), 0);
	CHECK_EQ(a.size, sizeof a);
	CHECK_EQ(a.policy, SCHED_OTHER);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0, &a, 47, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0, &a, 4097, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0, &a, sizeof a, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0, 0, sizeof a, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, -1, &a, sizeof a, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0x3fffffff, &a, sizeof a, 0), ESRCH);
	a = (struct attr){.size = 48, .policy = SCHED_BATCH, .nice = 4};
	CHECK_EQ(syscall(SYS_sched_setattr, 0, &a, 0), 0);
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 4);
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &a, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, 8, 0), EFAULT);
	a.size = 47;
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG);
	CHECK_EQ(a.size, sizeof a); // it tells what it knows
	a.size = 0; // the first version
	CHECK_EQ(syscall(SYS_sched_setattr, 0, &a, 0), 0);
	a = (struct attr){.size = 48, .policy = 77};
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL);
	a = (struct attr){.size = 48, .flags = 1UL << 40};
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setattr, -1, &a, 0), EINVAL);
}

CASE(personality_is_told_inherited_and_kept) {
	CHECK_EQ(personality(0xffffffff), PER_LINUX);
	CHECK_EQ(personality(ADDR_NO_RANDOMIZE | UNAME26), 0);
	CHECK_EQ(personality(0xffffffff), ADDR_NO_RANDOMIZE | UNAME26);
	struct utsname u;
	CHECK(uname(&u) == 0);
	CHECK(!strncmp(u.release, "2.6.", 4));
	pid_t p = fork();
	if (!p) _exit(personality(0xffffffff) == (ADDR_NO_RANDOMIZE | UNAME26) ? 0 : 1);
	CHECK_CHILD(p, 0);
	CHECK_ERRNO(uname((void *)8), EFAULT);
}

CASE(sethostname_and_setdomainname_errors) {
	CHECK_ERRNO(sethostname("x", 65), EINVAL);
	CHECK_ERRNO(syscall(SYS_sethostname, "x", -1), EINVAL);
	CHECK_ERRNO(sethostname((void *)8, 4), EFAULT);
	CHECK_ERRNO(setdomainname("x", 65), EINVAL);
	CHECK_ERRNO(setdomainname((void *)8, 4), EFAULT);
	become(1001);
	CHECK_ERRNO(sethostname("x", 1), EPERM);
	CHECK_ERRNO(setdomainname("x", 1), EPERM);
}

CASE(sysinfo_adds_up) {
	struct sysinfo s;
	CHECK(sysinfo(&s) == 0);
	CHECK(s.mem_unit >= 1);
	CHECK(s.totalram > 0 && s.freeram <= s.totalram);
	CHECK(s.procs >= 1);
	CHECK(s.uptime > 0);
	double up = 0;
	FILE *f = fopen("/proc/uptime", "r");
	CHECK(f && fscanf(f, "%lf", &up) == 1);
	CHECK(up - s.uptime >= -2 && up - s.uptime <= 5);
	CHECK_ERRNO(sysinfo((void *)8), EFAULT);
}

CASE(getrandom_flags) {
	char a[32] = {0}, b[32] = {0};
	CHECK_EQ(getrandom(a, sizeof a, 0), sizeof a);
	CHECK_EQ(getrandom(b, sizeof b, GRND_NONBLOCK | GRND_RANDOM), sizeof b);
	CHECK(memcmp(a, b, sizeof a));
	CHECK_EQ(getrandom(b, sizeof b, GRND_INSECURE), sizeof b);
	CHECK_ERRNO(getrandom(b, sizeof b, GRND_INSECURE | GRND_RANDOM), EINVAL);
	CHECK_ERRNO(getrandom(b, sizeof b, 8), EINVAL);
	CHECK_ERRNO(getrandom((void *)8, 32, 0), EFAULT);
	CHECK_EQ(getrandom((void *)8, 0, 0), 0);
}

CASE(getcpu_and_its_errors) {
	unsigned cpu = -1, node = -1;
	CHECK_EQ(syscall(SYS_getcpu, &cpu, &node, 0), 0);
	CHECK(cpu < (unsigned)sysconf(_SC_NPROCESSORS_CONF));
	CHECK_EQ(node, 0);
	CHECK_EQ(syscall(SYS_getcpu, 0, 0, 0), 0);
	CHECK_ERRNO(syscall(SYS_getcpu, 8, 0, 0), EFAULT);
}

MAIN()
