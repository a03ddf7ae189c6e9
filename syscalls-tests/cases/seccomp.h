// What the cases of seccomp(2) share.
#ifndef SECCOMP_CASES_H
#define SECCOMP_CASES_H
#include "case.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/user.h>
#include <ucontext.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

typedef struct sock_filter insn;

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(v) BPF_STMT(BPF_RET | BPF_K, v)
#define IF_EQ(k, jt, jf) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, jt, jf)
#define ALLOW SECCOMP_RET_ALLOW
#define ERR(e) (SECCOMP_RET_ERRNO | (e))

#define MAYBE_UNUSED __attribute__((unused))

MAYBE_UNUSED static long seccomp(unsigned op, unsigned flags, void *args) { return syscall(__NR_seccomp, op, flags, args); }

MAYBE_UNUSED static long install(unsigned flags, insn *code, unsigned short n) {
	struct sock_fprog p = {n, code};
	return seccomp(SECCOMP_SET_MODE_FILTER, flags, &p);
}

#define INSTALL(flags, ...)                                     \
	({                                                          \
		insn code_[] = {__VA_ARGS__};                           \
		install(flags, code_, sizeof code_ / sizeof code_[0]); \
	})

// filtered gives the call nr a verdict and allows all others.
MAYBE_UNUSED static long filtered(unsigned flags, int nr, unsigned verdict) {
	return INSTALL(flags, LOAD(nr), IF_EQ(nr, 0, 1), RETURN(verdict), RETURN(ALLOW));
}

// status_field reads a number from /proc/TID/status.
MAYBE_UNUSED static int status_field(pid_t tid, const char *name) {
	char path[64], line[256];
	int v = -1;
	snprintf(path, sizeof path, "/proc/%d/status", tid);
	FILE *f = fopen(path, "r");
	CHECK(f != NULL);
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':') v = atoi(line + strlen(name) + 1);
	fclose(f);
	return v;
}

MAYBE_UNUSED static void wants_signal(pid_t p, int sig) {
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	if (!WIFSIGNALED(st) || WTERMSIG(st) != sig) fail(__FILE__, __LINE__, "status %#x, want signal %d", st, sig);
}

MAYBE_UNUSED static void ignore_handler(int sig) {}

#endif
