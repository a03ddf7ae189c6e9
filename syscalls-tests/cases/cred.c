#include "case.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>

// The cases expect to run as root with all capabilities.

static void caps(unsigned long long *eff, unsigned long long *perm, unsigned long long *inh) {
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	CHECK(syscall(SYS_capget, &h, d) == 0);
	*eff = d[0].effective | (unsigned long long)d[1].effective << 32;
	*perm = d[0].permitted | (unsigned long long)d[1].permitted << 32;
	*inh = d[0].inheritable | (unsigned long long)d[1].inheritable << 32;
}

CASE(setuid_drops_all_and_for_good) {
	CHECK(setresgid(100, 100, 100) == 0);
	CHECK(setuid(1000) == 0);
	uid_t r, e, s;
	CHECK(getresuid(&r, &e, &s) == 0);
	CHECK(r == 1000 && e == 1000 && s == 1000);
	CHECK_ERRNO(setuid(0), EPERM);
	CHECK_ERRNO(setgid(0), EPERM);
	CHECK_ERRNO(setgroups(0, 0), EPERM);
	unsigned long long eff, perm, inh;
	caps(&eff, &perm, &inh);
	CHECK_EQ(eff, 0);
	CHECK_EQ(perm, 0);
	CHECK_ERRNO(kill(1, 0), EPERM);
}

CASE(seteuid_keeps_the_way_back) {
	unsigned long long eff, perm, inh, perm0;
	caps(&eff, &perm0, &inh);
	CHECK(seteuid(1000) == 0);
	caps(&eff, &perm, &inh);
	CHECK_EQ(eff, 0);
	CHECK_EQ(perm, perm0);
	CHECK_EQ(setfsuid(-1), 1000);
	CHECK(seteuid(0) == 0);
	caps(&eff, &perm, &inh);
	CHECK_EQ(eff, perm0);
	CHECK(setreuid(1000, 0) == 0);
	CHECK(setreuid(-1, 1000) == 0);
	uid_t r, e, s;
	getresuid(&r, &e, &s);
	CHECK(r == 1000 && e == 1000 && s == 0);
	CHECK(setresuid(-1, 0, -1) == 0);
}

CASE(keepcaps_keeps_permitted) {
	unsigned long long eff, perm, inh, perm0;
	caps(&eff, &perm0, &inh);
	CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0);
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 1);
	CHECK(setuid(1000) == 0);
	caps(&eff, &perm, &inh);
	CHECK_EQ(eff, 0);
	CHECK_EQ(perm, perm0);
}

CASE(capset_only_gives_up) {
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{1 << CAP_CHOWN, 1 << CAP_CHOWN | 1 << CAP_KILL, 0}};
	CHECK(syscall(SYS_capset, &h, d) == 0);
	unsigned long long eff, perm, inh;
	caps(&eff, &perm, &inh);
	CHECK_EQ(eff, 1 << CAP_CHOWN);
	d[0].permitted |= 1 << CAP_SETUID;
	CHECK_ERRNO(syscall(SYS_capset, &h, d), EPERM);
	d[0].permitted = 1 << CAP_KILL;
	CHECK_ERRNO(syscall(SYS_capset, &h, d), EPERM);
	h.version = 1;
	CHECK_ERRNO(syscall(SYS_capget, &h, d), EINVAL);
	CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
}

CASE(bounding_and_ambient_sets) {
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 1);
	CHECK(prctl(PR_CAPBSET_DROP, CAP_CHOWN) == 0);
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 0);
	CHECK_ERRNO(prctl(PR_CAPBSET_READ, 99), EINVAL);
	CHECK_ERRNO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), EPERM);
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	syscall(SYS_capget, &h, d);
	d[0].inheritable |= 1 << CAP_KILL;
	CHECK(syscall(SYS_capset, &h, d) == 0);
	CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) == 0);
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 1);
	CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0);
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 0);
	CHECK(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) == 0);
	CHECK_ERRNO(prctl(PR_SET_SECUREBITS, 0), EPERM);
	CHECK_EQ(prctl(PR_GET_SECUREBITS), SECBIT_NOROOT | SECBIT_NOROOT_LOCKED);
}

CASE(groups) {
	gid_t g[3] = {30, 10, 20}, got[3];
	CHECK(setgroups(3, g) == 0);
	CHECK_EQ(getgroups(0, 0), 3);
	CHECK_ERRNO(getgroups(2, got), EINVAL);
	CHECK_EQ(getgroups(3, got), 3);
	CHECK(got[0] == 10 && got[1] == 20 && got[2] == 30);
}

CASE(kill_follows_the_rules) {
	pid_t p = fork();
	if (p == 0) { for (;;) pause(); }
	pid_t q = fork();
	if (q == 0) {
		if (setresuid(1000, 1000, 1000)) _exit(1);
		if (kill(p, 0) != -1 || errno != EPERM) _exit(2);
		if (kill(p, SIGCONT) != 0) _exit(3); // same session
		if (kill(getpid(), 0) != 0) _exit(4);
		_exit(0);
	}
	CHECK_CHILD(q, 0);
	kill(p, SIGKILL);
	waitpid(p, 0, 0);
}

CASE(prctl_basics) {
	char name[16] = "";
	CHECK(prctl(PR_SET_NAME, "a_name_longer_than_fits") == 0);
	CHECK(prctl(PR_GET_NAME, name) == 0);
	CHECK(!strcmp(name, "a_name_longer_t"));
	int v = -1;
	CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
	CHECK(prctl(PR_GET_PDEATHSIG, &v) == 0);
	CHECK_EQ(v, SIGUSR1);
	CHECK_ERRNO(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	CHECK_ERRNO(prctl(PR_SET_DUMPABLE, 2), EINVAL);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK(prctl(PR_SET_TIMERSLACK, 1000) == 0);
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 1000);
	CHECK_ERRNO(prctl(0x7777), EINVAL);
}

CASE(nice_and_scheduling) {
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
	CHECK_EQ(nice(5), 5);
	CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 15);
	CHECK_ERRNO(getpriority(3, 0), EINVAL);
	CHECK_ERRNO(getpriority(PRIO_PROCESS, 0x7ffffff0), ESRCH);
	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	struct sched_param sp = {5};
	CHECK_ERRNO(sched_setscheduler(0, SCHED_OTHER, &sp), EINVAL);
	sp.sched_priority = 0;
	CHECK(sched_setscheduler(0, SCHED_BATCH, &sp) == 0);
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
	CHECK_EQ(sched_get_priority_min(SCHED_RR), 1);
	CHECK_ERRNO(sched_get_priority_min(77), EINVAL);
	cpu_set_t set;
	CPU_ZERO(&set);
	CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
	CHECK_EQ(CPU_COUNT(&set), sysconf(_SC_NPROCESSORS_ONLN));
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
	CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
	CHECK_EQ(CPU_COUNT(&set), 1);
	CPU_ZERO(&set);
	CHECK_ERRNO(sched_setaffinity(0, sizeof set, &set), EINVAL);
	if (setresuid(1000, 1000, 1000)) {}
	CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, -5), EACCES);
}

CASE(rlimits) {
	struct rlimit rl, old;
	CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	rl = (struct rlimit){10, 20};
	CHECK(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	CHECK_ERRNO(dup2(0, 10), EBADF);
	CHECK_EQ(dup2(1, 9), 9);
	CHECK_ERRNO(fcntl(1, F_DUPFD, 10), EINVAL);
	rl = (struct rlimit){30, 20};
	CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &rl), EINVAL);
	CHECK_ERRNO(getrlimit(99, &rl), EINVAL);
	if (setresuid(1000, 1000, 1000)) {}
	rl = (struct rlimit){10, 30};
	CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &rl), EPERM);
}

CASE(pidfds) {
	pid_t p = fork();
	if (p == 0) { for (;;) pause(); }
	int fd = syscall(SYS_pidfd_open, p, 0);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	struct pollfd pf = {fd, POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 0), 0);
	CHECK(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0) == 0);
	CHECK(syscall(SYS_pidfd_send_signal, fd, SIGKILL, 0, 0) == 0);
	CHECK_EQ(poll(&pf, 1, 5000), 1);
	CHECK_EQ(pf.revents & POLLIN, POLLIN);
	siginfo_t si;
	CHECK(waitid(P_PIDFD, fd, &si, WEXITED | WNOWAIT) == 0);
	CHECK_EQ(si.si_pid, p);
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK_EQ(waitpid(p, 0, 0), p);
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0), ESRCH);
	CHECK_ERRNO(syscall(SYS_pidfd_open, p, 0), ESRCH);
	CHECK_ERRNO(syscall(SYS_pidfd_open, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, 0, 0, 0, 0), EBADF);
}

CASE(pidfd_getfd_copies_a_descriptor) {
	int pp[2];
	CHECK(pipe(pp) == 0);
	pid_t p = fork();
	if (p == 0) {
		int fd = dup2(pp[1], 50);
		close(pp[1]);
		(void)fd;
		for (;;) pause();
	}
	close(pp[1]);
	int fd = syscall(SYS_pidfd_open, p, 0), got = -1;
	for (int i = 0; i < 1000 && got < 0; i++) { got = syscall(SYS_pidfd_getfd, fd, 50, 0); msleep(1); }
	CHECK(got >= 0);
	CHECK_EQ(write(got, "x", 1), 1);
	char c;
	CHECK_EQ(read(pp[0], &c, 1), 1);
	CHECK_ERRNO(syscall(SYS_pidfd_getfd, fd, 99, 0), EBADF);
	kill(p, SIGKILL);
	waitpid(p, 0, 0);
}

CASE(close_range_closes_and_marks) {
	dup2(1, 100);
	dup2(1, 101);
	dup2(1, 102);
	CHECK(syscall(SYS_close_range, 101, 101, 0) == 0);
	CHECK_ERRNO(fcntl(101, F_GETFD), EBADF);
	CHECK(syscall(SYS_close_range, 100, ~0u, 4) == 0);
	CHECK_EQ(fcntl(100, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(102, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(syscall(SYS_close_range, 5, 4, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_close_range, 5, 6, 8), EINVAL);
}

CASE(fcntl_owner_and_flags) {
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
	CHECK(fcntl(p[0], F_SETOWN, getpid()) == 0);
	CHECK_EQ(fcntl(p[0], F_GETOWN), getpid());
	CHECK_ERRNO(fcntl(p[0], F_SETOWN, 0x7ffffff0), ESRCH);
	struct f_owner_ex ow;
	CHECK(fcntl(p[0], F_GETOWN_EX, &ow) == 0);
	CHECK_EQ(ow.type, F_OWNER_PID);
	CHECK(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0);
	CHECK_EQ(fcntl(p[0], F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK);
	int fd = fcntl(p[1], F_DUPFD_CLOEXEC, 70);
	CHECK_EQ(fd, 70);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(fcntl(p[0], 12345, 0), EINVAL);
	CHECK_ERRNO(fcntl(999, F_GETFD), EBADF);
}

CASE(uname_and_personality) {
	struct utsname u;
	CHECK(uname(&u) == 0);
	CHECK(!strcmp(u.sysname, "Linux") && !strcmp(u.machine, "x86_64"));
	CHECK_EQ(syscall(SYS_personality, 0xffffffff), 0);
	CHECK_EQ(syscall(SYS_personality, 0x0040000), 0);
	CHECK_EQ(syscall(SYS_personality, 0xffffffff), 0x0040000);
	CHECK_ERRNO(sethostname("x", -1), EINVAL);
}

MAIN()
