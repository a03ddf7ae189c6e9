// Rulesets of landlock(7), and what their cases share. The C library lacks the calls, and older headers the rights.
#ifndef LANDLOCK_H
#define LANDLOCK_H
#include "case.h"

#include <sys/prctl.h>

#define NR_create_ruleset 444
#define NR_add_rule 445
#define NR_restrict_self 446

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_DIR (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_CHAR (1ULL << 6)
#define FS_MAKE_DIR (1ULL << 7)
#define FS_MAKE_REG (1ULL << 8)
#define FS_MAKE_SOCK (1ULL << 9)
#define FS_MAKE_FIFO (1ULL << 10)
#define FS_MAKE_BLOCK (1ULL << 11)
#define FS_MAKE_SYM (1ULL << 12)
#define FS_REFER (1ULL << 13)
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEV (1ULL << 15)
#define FS_ALL ((1ULL << 16) - 1)
#define NET_BIND 1ULL
#define NET_CONNECT 2ULL
#define SCOPE_ABSTRACT 1ULL
#define SCOPE_SIGNAL 2ULL

#define RULE_PATH 1
#define RULE_PORT 2

#define MAYBE __attribute__((unused))

struct ruleset_attr { uint64_t fs, net, scoped; };
struct path_attr { uint64_t allowed; int32_t fd; } __attribute__((packed));
struct port_attr { uint64_t allowed, port; };

MAYBE static int create(const void *attr, size_t size, unsigned flags) { return syscall(NR_create_ruleset, attr, size, flags); }
MAYBE static int add_rule(int rs, unsigned type, const void *attr, unsigned flags) {
	return syscall(NR_add_rule, rs, type, attr, flags);
}
MAYBE static int restrict_self(int rs, unsigned flags) { return syscall(NR_restrict_self, rs, flags); }

MAYBE static int ruleset(uint64_t fs, uint64_t net, uint64_t scoped) {
	struct ruleset_attr a = {fs, net, scoped};
	int rs = create(&a, sizeof a, 0);
	CHECK(rs >= 0);
	return rs;
}

// allow lets the ruleset do what is beneath path.
MAYBE static void allow(int rs, uint64_t rights, const char *path) {
	struct path_attr p = {rights, open(path, O_PATH | O_CLOEXEC)};
	CHECK(p.fd >= 0);
	CHECK_EQ(add_rule(rs, RULE_PATH, &p, 0), 0);
	close(p.fd);
}

MAYBE static void allow_port(int rs, uint64_t rights, int port) {
	struct port_attr p = {rights, port};
	CHECK_EQ(add_rule(rs, RULE_PORT, &p, 0), 0);
}

// enforce puts the ruleset on the caller, and closes it.
MAYBE static void enforce(int rs) {
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_EQ(restrict_self(rs, 0), 0);
	close(rs);
}

MAYBE static void make(const char *name) {
	int fd = open(name, O_CREAT | O_RDWR, 0666);
	CHECK(fd >= 0);
	CHECK(write(fd, "data", 4) == 4);
	close(fd);
}
MAYBE static void dir(const char *name) { CHECK(mkdir(name, 0777) == 0); }

// opens is the errno of an open, or 0.
MAYBE static int opens(const char *name, int flags) {
	int fd = open(name, flags, 0666);
	if (fd < 0) return errno;
	close(fd);
	return 0;
}
#endif
