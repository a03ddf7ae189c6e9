// The mount calls by descriptors, and what their cases share. The C library lacks some of them, and of the structures
// knows only old versions.
#ifndef MOUNTAPI_H
#define MOUNTAPI_H
#include "case.h"

#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x200
#endif
#define CMD_CREATE_EXCL 8
#define NR_statmount 457
#define NR_listmount 458

#define LSMT_ROOT 0xffffffffffffffffULL
#define LISTMOUNT_REVERSE 1
#define SM_SB_BASIC 0x1
#define SM_MNT_BASIC 0x2
#define SM_PROPAGATE_FROM 0x4
#define SM_MNT_ROOT 0x8
#define SM_MNT_POINT 0x10
#define SM_FS_TYPE 0x20
#define SM_MNT_NS_ID 0x40
#define SM_MNT_OPTS 0x80

#define MAYBE __attribute__((unused))

struct id_req {
	uint32_t size, spare;
	uint64_t mnt_id, param, mnt_ns_id;
};

// sm is struct statmount of Linux 6.12.
struct sm {
	uint32_t size, mnt_opts;
	uint64_t mask;
	uint32_t sb_dev_major, sb_dev_minor;
	uint64_t sb_magic;
	uint32_t sb_flags, fs_type;
	uint64_t mnt_id, mnt_parent_id;
	uint32_t mnt_id_old, mnt_parent_id_old;
	uint64_t mnt_attr, mnt_propagation, mnt_peer_group, mnt_master, propagate_from;
	uint32_t mnt_root, mnt_point;
	uint64_t mnt_ns_id, spare[49];
	char str[1024];
};

MAYBE static int fs_open(const char *type, unsigned flags) { return syscall(SYS_fsopen, type, flags); }
MAYBE static int fs_config(int fd, unsigned cmd, const void *key, const void *value, int aux) {
	return syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}
MAYBE static int fs_string(int fd, const char *key, const char *value) {
	return fs_config(fd, FSCONFIG_SET_STRING, key, value, 0);
}
MAYBE static int fs_flag(int fd, const char *key) { return fs_config(fd, FSCONFIG_SET_FLAG, key, 0, 0); }
MAYBE static int fs_create(int fd) { return fs_config(fd, FSCONFIG_CMD_CREATE, 0, 0, 0); }
MAYBE static int fs_mount(int fd, unsigned flags, unsigned attr) { return syscall(SYS_fsmount, fd, flags, attr); }
MAYBE static int fs_pick(int dfd, const char *path, unsigned flags) { return syscall(SYS_fspick, dfd, path, flags); }
MAYBE static int move(int fd, const char *from, int tofd, const char *to, unsigned flags) {
	return syscall(SYS_move_mount, fd, from, tofd, to, flags);
}
MAYBE static int attach(int fd, const char *to) { return move(fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH); }
MAYBE static int tree(int dfd, const char *path, unsigned flags) { return syscall(SYS_open_tree, dfd, path, flags); }
MAYBE static int set_attr(int dfd, const char *path, unsigned flags, const void *a, size_t size) {
	return syscall(SYS_mount_setattr, dfd, path, flags, a, size);
}
MAYBE static int attrs(const char *path, unsigned flags, uint64_t set, uint64_t clr) {
	struct mount_attr a = {.attr_set = set, .attr_clr = clr};
	return set_attr(AT_FDCWD, path, flags, &a, sizeof a);
}
MAYBE static int propagation(const char *path, unsigned flags, uint64_t p) {
	struct mount_attr a = {.propagation = p};
	return set_attr(AT_FDCWD, path, flags, &a, sizeof a);
}
MAYBE static int stat_mount(uint64_t id, uint64_t mask, struct sm *s, size_t size) {
	struct id_req r = {sizeof r, 0, id, mask, 0};
	return syscall(NR_statmount, &r, s, size, 0);
}
MAYBE static long list_mount(uint64_t id, uint64_t last, uint64_t *ids, size_t n, unsigned flags) {
	struct id_req r = {sizeof r, 0, id, last, 0};
	return syscall(NR_listmount, &r, ids, n, flags);
}

// own gives the case mounts of its own: a tmpfs, where it goes.
MAYBE static void own(void) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("base", 0755) == 0);
	CHECK(mount("base", "base", "tmpfs", 0, 0) == 0);
	CHECK(chdir("base") == 0);
}

MAYBE static void dir(const char *name) { CHECK(mkdir(name, 0755) == 0); }
MAYBE static void touch(const char *name) {
	int fd = open(name, O_CREAT | O_RDWR, 0644);
	CHECK(fd >= 0);
	close(fd);
}
MAYBE static void touchat(int dfd, const char *name) {
	int fd = openat(dfd, name, O_CREAT | O_RDWR, 0644);
	CHECK(fd >= 0);
	close(fd);
}
MAYBE static void tmpfs(const char *at) {
	dir(at);
	CHECK(mount("none", at, "tmpfs", 0, 0) == 0);
}
MAYBE static int there(const char *name) { return access(name, F_OK) == 0; }

// ready returns a context with a file system made.
MAYBE static int ready(void) {
	int fd = fs_open("tmpfs", FSOPEN_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(fs_create(fd) == 0);
	return fd;
}

// detached returns a mount of a new tmpfs that is not attached.
MAYBE static int detached(unsigned attr) {
	int fs = ready(), fd = fs_mount(fs, FSMOUNT_CLOEXEC, attr);
	CHECK(fd >= 0);
	close(fs);
	return fd;
}

// mntid is the unique number of what is mounted at path.
MAYBE static uint64_t mntid(int dfd, const char *path) {
	struct statx x;
	CHECK(statx(dfd, path, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, 0x4000, &x) == 0);
	CHECK(x.stx_mask & 0x4000);
	return *(uint64_t *)((char *)&x + 0x90);
}

// line copies the line of mountinfo whose mount point ends in "/base" and point; false if there is none.
MAYBE static int line(const char *point, char *out, size_t n) {
	char b[65536], want[PATH_MAX + 64], cwd[PATH_MAX];
	int fd = open("/proc/self/mountinfo", O_RDONLY), len = 0, r;
	CHECK(fd >= 0);
	while ((r = read(fd, b + len, sizeof b - 1 - len)) > 0) len += r;
	b[len] = 0;
	close(fd);
	CHECK(getcwd(cwd, sizeof cwd));
	snprintf(want, sizeof want, " %s%s ", cwd, point);
	char *last = 0, *save;
	for (char *l = strtok_r(b, "\n", &save); l; l = strtok_r(0, "\n", &save))
		if (strstr(l, want)) last = l;
	if (last && out) snprintf(out, n, "%s", last);
	return last != 0;
}
MAYBE static int mounted(const char *point) { return line(point, 0, 0); }
MAYBE static int says(const char *point, const char *what) {
	char l[4096];
	CHECK(line(point, l, sizeof l));
	return strstr(l, what) != 0;
}

MAYBE static void no_admin(void) {
	struct { uint32_t version; int pid; } h = {0x20080522, 0};
	struct { uint32_t e, p, i; } d[2];
	CHECK(syscall(SYS_capget, &h, d) == 0);
	d[0].e &= ~(1U << 21);
	CHECK(syscall(SYS_capset, &h, d) == 0);
}

#endif
