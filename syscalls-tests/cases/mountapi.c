// The mount API by file descriptors: fsopen, fsconfig, fsmount, fspick, move_mount, open_tree,
// mount_setattr, statmount and listmount.
#include "case.h"

#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

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

static int fs_open(const char *type, unsigned flags) { return syscall(SYS_fsopen, type, flags); }
static int fs_config(int fd, unsigned cmd, const void *key, const void *value, int aux) {
	return syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}
static int fs_string(int fd, const char *key, const char *value) {
	return fs_config(fd, FSCONFIG_SET_STRING, key, value, 0);
}
static int fs_flag(int fd, const char *key) { return fs_config(fd, FSCONFIG_SET_FLAG, key, 0, 0); }
static int fs_create(int fd) { return fs_config(fd, FSCONFIG_CMD_CREATE, 0, 0, 0); }
static int fs_mount(int fd, unsigned flags, unsigned attr) { return syscall(SYS_fsmount, fd, flags, attr); }
static int fs_pick(int dfd, const char *path, unsigned flags) { return syscall(SYS_fspick, dfd, path, flags); }
static int move(int fd, const char *from, int tofd, const char *to, unsigned flags) {
	return syscall(SYS_move_mount, fd, from, tofd, to, flags);
}
static int attach(int fd, const char *to) { return move(fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH); }
static int tree(int dfd, const char *path, unsigned flags) { return syscall(SYS_open_tree, dfd, path, flags); }
static int set_attr(int dfd, const char *path, unsigned flags, const void *a, size_t size) {
	return syscall(SYS_mount_setattr, dfd, path, flags, a, size);
}
static int attrs(const char *path, unsigned flags, uint64_t set, uint64_t clr) {
	struct mount_attr a = {.attr_set = set, .attr_clr = clr};
	return set_attr(AT_FDCWD, path, flags, &a, sizeof a);
}
static int propagation(const char *path, unsigned flags, uint64_t p) {
	struct mount_attr a = {.propagation = p};
	return set_attr(AT_FDCWD, path, flags, &a, sizeof a);
}
static int stat_mount(uint64_t id, uint64_t mask, struct sm *s, size_t size) {
	struct id_req r = {sizeof r, 0, id, mask, 0};
	return syscall(NR_statmount, &r, s, size, 0);
}
static long list_mount(uint64_t id, uint64_t last, uint64_t *ids, size_t n, unsigned flags) {
	struct id_req r = {sizeof r, 0, id, last, 0};
	return syscall(NR_listmount, &r, ids, n, flags);
}

// own gives the case mounts of its own: a tmpfs, where it goes.
static void own(void) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("base", 0755) == 0);
	CHECK(mount("base", "base", "tmpfs", 0, 0) == 0);
	CHECK(chdir("base") == 0);
}

static void dir(const char *name) { CHECK(mkdir(name, 0755) == 0); }
static void touch(const char *name) {
	int fd = open(name, O_CREAT | O_RDWR, 0644);
	CHECK(fd >= 0);
	close(fd);
}
static void touchat(int dfd, const char *name) {
	int fd = openat(dfd, name, O_CREAT | O_RDWR, 0644);
	CHECK(fd >= 0);
	close(fd);
}
static void tmpfs(const char *at) {
	dir(at);
	CHECK(mount("none", at, "tmpfs", 0, 0) == 0);
}
static int there(const char *name) { return access(name, F_OK) == 0; }

// ready returns a context with a file system made.
static int ready(void) {
	int fd = fs_open("tmpfs", FSOPEN_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(fs_create(fd) == 0);
	return fd;
}

// detached returns a mount of a new tmpfs that is not attached.
static int detached(unsigned attr) {
	int fs = ready(), fd = fs_mount(fs, FSMOUNT_CLOEXEC, attr);
	CHECK(fd >= 0);
	close(fs);
	return fd;
}

// mntid is the unique number of what is mounted at path.
static uint64_t mntid(int dfd, const char *path) {
	struct statx x;
	CHECK(statx(dfd, path, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, 0x4000, &x) == 0);
	CHECK(x.stx_mask & 0x4000);
	return *(uint64_t *)((char *)&x + 0x90);
}

// line copies the line of mountinfo whose mount point ends in "/base" and point; false if there is none.
static int line(const char *point, char *out, size_t n) {
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
static int mounted(const char *point) { return line(point, 0, 0); }
static int says(const char *point, const char *what) {
	char l[4096];
	CHECK(line(point, l, sizeof l));
	return strstr(l, what) != 0;
}

static void no_admin(void) {
	struct { uint32_t version; int pid; } h = {0x20080522, 0};
	struct { uint32_t e, p, i; } d[2];
	CHECK(syscall(SYS_capget, &h, d) == 0);
	d[0].e &= ~(1U << 21);
	CHECK(syscall(SYS_capset, &h, d) == 0);
}

CASE(fsopen_fsconfig_fsmount_move_mount_make_a_mount) {
	own();
	dir("a");
	int fs = fs_open("tmpfs", 0);
	CHECK(fs >= 0);
	CHECK(fs_string(fs, "source", "tank") == 0);
	CHECK(fs_string(fs, "size", "64k") == 0);
	CHECK(fs_string(fs, "mode", "0750") == 0);
	CHECK(fs_create(fs) == 0);
	int m = fs_mount(fs, 0, MOUNT_ATTR_NODEV);
	CHECK(m >= 0);
	CHECK(!mounted("/a"));
	CHECK(attach(m, "a") == 0);
	CHECK(says("/a", " rw,nodev,relatime - tmpfs tank rw,size=64k,mode=750"));
	struct stat st;
	CHECK(stat("a", &st) == 0);
	CHECK_EQ(st.st_mode & 07777, 0750);
	struct statfs sf;
	CHECK(statfs("a", &sf) == 0);
	CHECK_EQ(sf.f_blocks, 16);
	close(m);
	close(fs);
	CHECK(mounted("/a"));
}

CASE(fsopen_refuses_bad_arguments) {
	CHECK_ERRNO(fs_open("tmpfs", 2), EINVAL);
	CHECK_ERRNO(fs_open("nosuchfs", 0), ENODEV);
	CHECK_ERRNO(fs_open("", 0), ENODEV);
	CHECK_ERRNO(fs_open((char *)8, 0), EFAULT);
	char *big = malloc(8192);
	memset(big, 'x', 8192);
	big[8191] = 0;
	CHECK_ERRNO(fs_open(big, 0), EINVAL);
}

CASE(fsopen_cloexec_and_name_of_the_descriptor) {
	int a = fs_open("tmpfs", FSOPEN_CLOEXEC), b = fs_open("proc", 0);
	CHECK(a >= 0 && b >= 0);
	CHECK_EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(b, F_GETFD), 0);
	CHECK_EQ(fcntl(a, F_GETFL) & O_ACCMODE, O_RDWR);
	char p[64], l[64];
	snprintf(p, sizeof p, "/proc/self/fd/%d", a);
	int n = readlink(p, l, sizeof l);
	CHECK(n == 22 && !memcmp(l, "anon_inode:[fscontext]", 22));
}

CASE(calls_need_CAP_SYS_ADMIN) {
	own();
	tmpfs("a");
	int fs = fs_open("tmpfs", 0), fresh = fs_open("tmpfs", 0), pick = fs_pick(AT_FDCWD, "a", 0);
	CHECK(fs_create(fs) == 0);
	int t = tree(AT_FDCWD, "a", OPEN_TREE_CLONE);
	CHECK(t >= 0);
	no_admin();
	struct mount_attr a = {0};
	CHECK_ERRNO(fs_open("tmpfs", 0), EPERM);
	CHECK_ERRNO(fs_open("nosuchfs", 77), EPERM);
	CHECK_ERRNO(fs_mount(fs, 0, 0), EPERM);
	CHECK_ERRNO(fs_mount(-1, 77, 0), EPERM);
	CHECK_ERRNO(fs_pick(AT_FDCWD, "a", 0), EPERM);
	CHECK_ERRNO(attach(t, "a"), EPERM);
	CHECK_ERRNO(move(-1, "", -1, "", ~0), EPERM);
	CHECK_ERRNO(tree(AT_FDCWD, "a", OPEN_TREE_CLONE), EPERM);
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, &a, sizeof a), EPERM);
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0x40000000, &a, sizeof a), EINVAL);
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, &a, 5000), E2BIG);
	CHECK(fs_string(fresh, "size", "1m") == 0);
	CHECK_ERRNO(fs_create(fresh), EPERM);
	CHECK(fs_string(fresh, "size", "1m") == 0);
	CHECK_ERRNO(fs_config(pick, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0), EPERM);
	// Without a copy it is an open(2).
	CHECK(tree(AT_FDCWD, "a", 0) >= 0);
}

CASE(fsconfig_checks_its_arguments) {
	int fs = fs_open("tmpfs", 0);
	CHECK_ERRNO(fs_config(-1, FSCONFIG_SET_FLAG, "ro", 0, 0), EINVAL);
	CHECK_ERRNO(fs_config(999, FSCONFIG_SET_FLAG, "ro", 0, 0), EBADF);
	CHECK_ERRNO(fs_config(0, 99, "ro", 0, 0), EOPNOTSUPP);
	int null = open("/dev/null", O_RDWR), path = open("/", O_PATH);
	CHECK_ERRNO(fs_config(null, FSCONFIG_SET_FLAG, "ro", 0, 0), EINVAL);
	CHECK_ERRNO(fs_config(path, FSCONFIG_SET_FLAG, "ro", 0, 0), EBADF);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_FLAG, 0, 0, 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_FLAG, "ro", "x", 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_FLAG, "ro", 0, 1), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_STRING, "size", 0, 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_STRING, "size", "1m", 1), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_STRING, (char *)8, "1m", 0), EFAULT);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_STRING, "size", (char *)8, 0), EFAULT);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_BINARY, "size", "1m", 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_BINARY, "size", "1m", -1), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_BINARY, "size", "1m", 1024 * 1024 + 1), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_BINARY, "size", (char *)8, 1), EFAULT);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_PATH, "size", "/", -1), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_PATH, "size", 0, AT_FDCWD), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_FD, "size", "x", 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_FD, "size", 0, -1), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_CMD_CREATE, "x", 0, 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_CMD_CREATE, 0, "x", 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_CMD_CREATE, 0, 0, 1), EINVAL);
	char key[300];
	memset(key, 'k', sizeof key);
	key[299] = 0;
	CHECK_ERRNO(fs_flag(fs, key), EINVAL);
	CHECK_ERRNO(fs_string(fs, "source", key), EINVAL);
}

CASE(fsconfig_refuses_objects_that_the_file_system_does_not_take) {
	int fs = fs_open("tmpfs", 0);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_FD, "size", 0, 999), EBADF);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_FD, "size", 0, 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_FD, "what", 0, 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_FD, "source", 0, 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_PATH, "size", "/", AT_FDCWD), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_PATH, "size", "", AT_FDCWD), ENOENT);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_PATH_EMPTY, "size", "", AT_FDCWD), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_PATH, "size", (char *)8, AT_FDCWD), EFAULT);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_SET_BINARY, "size", "1m", 2), EINVAL);
	// The flags of every file system are known by name alone.
	CHECK(fs_config(fs, FSCONFIG_SET_STRING, "ro", "yes", 0) == 0);
	CHECK(fs_config(fs, FSCONFIG_SET_FD, "rw", 0, 0) == 0);
}

// message reads one message of a context.
static const char *message(int fs) {
	static char b[512];
	int n = read(fs, b, sizeof b - 1);
	if (n < 0) return 0;
	b[n] = 0;
	if (n && b[n - 1] == '\n') b[n - 1] = 0;
	return b;
}

CASE(reading_a_context_gives_its_messages) {
	int fs = fs_open("tmpfs", 0);
	char c[4];
	CHECK_ERRNO(read(fs, c, sizeof c), ENODATA);
	CHECK_ERRNO(fs_string(fs, "what", "ever"), EINVAL);
	CHECK_ERRNO(fs_string(fs, "size", "many"), EINVAL);
	CHECK_ERRNO(fs_flag(fs, "size"), EINVAL);
	const char *m = message(fs);
	CHECK(m && !strcmp(m, "e tmpfs: Unknown parameter 'what'"));
	m = message(fs);
	CHECK(m && !strcmp(m, "e tmpfs: Bad value for 'size'"));
	m = message(fs);
	CHECK(m && !strcmp(m, "e tmpfs: Bad value for 'size'"));
	CHECK_ERRNO(read(fs, c, sizeof c), ENODATA);
	CHECK_ERRNO(fs_flag(fs, "what"), EINVAL);
	CHECK_ERRNO(read(fs, c, sizeof c), EMSGSIZE);
	CHECK_ERRNO(write(fs, "x", 1), EINVAL);
	CHECK_ERRNO(lseek(fs, 0, SEEK_SET), ESPIPE);
}

CASE(a_context_keeps_its_last_eight_messages) {
	int fs = fs_open("tmpfs", 0);
	char k[3] = "k0";
	for (int i = 0; i < 10; i++) {
		k[1] = '0' + i;
		CHECK_ERRNO(fs_flag(fs, k), EINVAL);
	}
	for (int i = 2; i < 10; i++) {
		char want[64];
		snprintf(want, sizeof want, "e tmpfs: Unknown parameter 'k%d'", i);
		const char *m = message(fs);
		CHECK(m && !strcmp(m, want));
	}
	CHECK(!message(fs));
}

CASE(source_may_be_given_once) {
	int fs = fs_open("tmpfs", 0);
	CHECK_ERRNO(fs_flag(fs, "source"), EINVAL);
	CHECK(fs_string(fs, "source", "a,b") == 0);
	CHECK_ERRNO(fs_string(fs, "source", "c"), EINVAL);
	CHECK(fs_create(fs) == 0);
}

CASE(a_used_context_is_busy) {
	own();
	int fs = fs_open("tmpfs", 0);
	CHECK_ERRNO(fs_mount(fs, 0, 0), EINVAL);
	CHECK_ERRNO(fs_config(fs, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0), EBUSY);
	CHECK(fs_create(fs) == 0);
	CHECK_ERRNO(fs_create(fs), EBUSY);
	CHECK_ERRNO(fs_string(fs, "size", "1m"), EBUSY);
	int m = fs_mount(fs, 0, 0);
	CHECK(m >= 0);
	CHECK_ERRNO(fs_mount(fs, 0, 0), EBUSY);
	CHECK_ERRNO(fs_create(fs), EBUSY);
}

CASE(a_mounted_context_can_reconfigure) {
	own();
	dir("a");
	int fs = ready(), m = fs_mount(fs, 0, 0);
	CHECK(m >= 0);
	CHECK(attach(m, "a") == 0);
	CHECK(fs_string(fs, "size", "128k") == 0);
	CHECK(fs_config(fs, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0) == 0);
	CHECK(says("/a", "size=128k"));
	CHECK(fs_flag(fs, "ro") == 0);
	CHECK(fs_config(fs, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0) == 0);
	CHECK(says("/a", " - tmpfs none ro,size=128k"));
	CHECK_ERRNO(mkdir("a/x", 0755), EROFS);
}

CASE(create_excl_makes_a_new_file_system) {
	own();
	int fs = fs_open("tmpfs", 0);
	CHECK_ERRNO(fs_config(fs, CMD_CREATE_EXCL, "x", 0, 0), EINVAL);
	CHECK(fs_config(fs, CMD_CREATE_EXCL, 0, 0, 0) == 0);
	CHECK_ERRNO(fs_config(fs, CMD_CREATE_EXCL, 0, 0, 0), EBUSY);
	CHECK(fs_mount(fs, 0, 0) >= 0);
}

CASE(fsmount_refuses_bad_arguments) {
	int fs = ready(), null = open("/dev/null", O_RDWR);
	CHECK_ERRNO(fs_mount(fs, 2, 0), EINVAL);
	CHECK_ERRNO(fs_mount(fs, 0, 0x40000000), EINVAL);
	CHECK_ERRNO(fs_mount(fs, 0, MOUNT_ATTR_IDMAP), EINVAL);
	CHECK_ERRNO(fs_mount(fs, 0, 0x30), EINVAL);
	CHECK_ERRNO(fs_mount(-1, 0, 0), EBADF);
	CHECK_ERRNO(fs_mount(null, 0, 0), EINVAL);
}

CASE(fsmount_sets_the_attributes_of_the_mount) {
	own();
	dir("a"), dir("b"), dir("c");
	CHECK(attach(detached(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC), "a") == 0);
	CHECK(says("/a", " ro,nosuid,nodev,noexec,relatime - tmpfs none rw"));
	CHECK(attach(detached(MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME), "b") == 0);
	CHECK(says("/b", " rw,noatime,nodiratime - "));
	CHECK(attach(detached(MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NOSYMFOLLOW), "c") == 0);
	CHECK(says("/c", " rw,nosymfollow - ") );
	CHECK_ERRNO(mkdir("a/x", 0755), EROFS);
}

CASE(a_read_only_file_system_is_so_below_a_writable_mount) {
	own();
	dir("a");
	int fs = fs_open("tmpfs", 0);
	CHECK(fs_flag(fs, "ro") == 0);
	CHECK(fs_create(fs) == 0);
	int m = fs_mount(fs, 0, 0);
	CHECK_ERRNO(mkdirat(m, "x", 0755), EROFS);
	CHECK(attach(m, "a") == 0);
	CHECK(says("/a", " rw,relatime - tmpfs none ro"));
}

CASE(a_detached_mount_can_be_used_through_its_descriptor) {
	own();
	int m = detached(0);
	struct statfs sf;
	CHECK_EQ(fcntl(m, F_GETFL) & O_PATH, O_PATH);
	CHECK_EQ(fcntl(m, F_GETFD), FD_CLOEXEC);
	CHECK(fstatfs(m, &sf) == 0);
	CHECK_EQ(sf.f_type, 0x01021994);
	CHECK(mkdirat(m, "d", 0755) == 0);
	touchat(m, "d/f");
	CHECK(faccessat(m, "d/f", F_OK, 0) == 0);
	// Its root has no parent.
	CHECK(faccessat(m, "../../d/f", F_OK, 0) == 0);
	char b[4];
	CHECK_ERRNO(read(m, b, 4), EBADF);
	dir("a");
	CHECK(attach(m, "a") == 0);
	CHECK(there("a/d/f"));
}

CASE(a_detached_mount_is_dissolved_with_its_last_descriptor) {
	own();
	dir("a");
	int m = detached(0), d = dup(m);
	touchat(m, "f");
	char p[64];
	snprintf(p, sizeof p, "/proc/self/fd/%d", m);
	int again = open(p, O_PATH);
	CHECK(again >= 0);
	close(m);
	CHECK(faccessat(d, "f", F_OK, 0) == 0);
	close(d);
	// What else was open there stays usable, but is mounted no more.
	CHECK(faccessat(again, "f", F_OK, 0) == 0);
	CHECK_ERRNO(attach(again, "a"), EINVAL);
	CHECK_ERRNO(set_attr(again, "", AT_EMPTY_PATH, &(struct mount_attr){.attr_set = 1}, 32), EINVAL);
}

CASE(an_attached_mount_outlives_its_descriptor) {
	own();
	dir("a"), dir("b");
	int m = detached(0);
	CHECK(attach(m, "a") == 0);
	// The descriptor stands for the mount, which moves.
	CHECK(attach(m, "b") == 0);
	CHECK(!mounted("/a") && mounted("/b"));
	close(m);
	CHECK(mounted("/b"));
	touch("b/f");
}

CASE(an_unmounted_mount_cannot_be_attached_again) {
	own();
	dir("a");
	int m = detached(0);
	CHECK(attach(m, "a") == 0);
	CHECK(umount2("a", MNT_DETACH) == 0);
	CHECK_ERRNO(attach(m, "a"), EINVAL);
}

CASE(mount_can_move_a_detached_mount_but_umount_can_not_take_it) {
	own();
	dir("a");
	int m = detached(0);
	char p[64];
	CHECK(mkdirat(m, "d", 0755) == 0);
	snprintf(p, sizeof p, "/proc/self/fd/%d", m);
	CHECK_ERRNO(umount2(p, MNT_DETACH), EINVAL);
	CHECK_ERRNO(mount(0, p, 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0), EINVAL);
	CHECK(mount(p, "a", 0, MS_MOVE, 0) == 0);
	CHECK(there("a/d"));
}

CASE(move_mount_refuses_bad_arguments) {
	own();
	dir("a"), dir("b"), dir("b/c");
	touch("f");
	tmpfs("t");
	dir("t/in");
	int m = detached(0);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "a", 0x80000000), EINVAL);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "a", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH | MOVE_MOUNT_SET_GROUP), EINVAL);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "a", 0), ENOENT);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "", MOVE_MOUNT_F_EMPTY_PATH), ENOENT);
	CHECK_ERRNO(move(999, "", AT_FDCWD, "a", MOVE_MOUNT_F_EMPTY_PATH), EBADF);
	CHECK_ERRNO(move(m, "", 999, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), EBADF);
	CHECK_ERRNO(attach(m, "none"), ENOENT);
	CHECK_ERRNO(attach(m, "f"), EINVAL);
	// No mount's root.
	CHECK_ERRNO(move(AT_FDCWD, "b", AT_FDCWD, "a", 0), EINVAL);
	CHECK_ERRNO(move(AT_FDCWD, "t/in", AT_FDCWD, "a", 0), EINVAL);
	CHECK_ERRNO(move(AT_FDCWD, "t", AT_FDCWD, "t/in", 0), ELOOP);
	CHECK_ERRNO(move(AT_FDCWD, "/", AT_FDCWD, "a", 0), ELOOP);
	CHECK(attach(m, "a") == 0);
}

CASE(move_mount_moves_between_directories_of_descriptors) {
	own();
	dir("a"), dir("b");
	tmpfs("a/m");
	touch("a/m/f");
	dir("b/to");
	int a = open("a", O_RDONLY), b = open("b/to", O_PATH);
	CHECK(move(a, "m", b, "", MOVE_MOUNT_T_EMPTY_PATH) == 0);
	CHECK(there("b/to/f") && !there("a/m/f"));
}

CASE(move_mount_follows_links_if_told) {
	own();
	dir("a");
	tmpfs("t");
	CHECK(symlink("t", "lt") == 0 && symlink("a", "la") == 0);
	CHECK_ERRNO(move(AT_FDCWD, "lt", AT_FDCWD, "a", 0), EINVAL);
	CHECK_ERRNO(move(AT_FDCWD, "t", AT_FDCWD, "la", 0), EINVAL);
	CHECK(move(AT_FDCWD, "lt", AT_FDCWD, "la", MOVE_MOUNT_F_SYMLINKS | MOVE_MOUNT_T_SYMLINKS) == 0);
	CHECK(mounted("/a") && !mounted("/t"));
}

CASE(move_mount_out_of_a_shared_mount_gives_EINVAL) {
	own();
	dir("a");
	tmpfs("s");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	dir("s/in");
	CHECK(mount("none", "s/in", "tmpfs", 0, 0) == 0);
	CHECK_ERRNO(move(AT_FDCWD, "s/in", AT_FDCWD, "a", 0), EINVAL);
}

CASE(move_mount_into_a_shared_mount_reaches_its_peers) {
	own();
	tmpfs("s");
	dir("s/in"), dir("peer"), dir("slave");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "peer", 0, MS_BIND, 0) == 0);
	CHECK(mount("s", "slave", 0, MS_BIND, 0) == 0);
	CHECK(propagation("slave", 0, MS_SLAVE) == 0);
	int m = detached(0);
	touchat(m, "f");
	CHECK(attach(m, "s/in") == 0);
	CHECK(there("peer/in/f") && there("slave/in/f"));
	CHECK(says("/s/in", " shared:") && says("/peer/in", " shared:") && says("/slave/in", " master:"));
	CHECK(!says("/slave/in", " shared:"));
}

CASE(move_mount_beneath_puts_a_mount_below_another) {
	own();
	tmpfs("a");
	touch("a/top");
	int m = detached(0);
	touchat(m, "below");
	CHECK(move(m, "", AT_FDCWD, "a", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH) == 0);
	CHECK(there("a/top"));
	close(m);
	CHECK(umount2("a", 0) == 0);
	CHECK(there("a/below"));
	CHECK(umount2("a", 0) == 0);
	CHECK(!there("a/below"));
}

CASE(move_mount_beneath_needs_a_mount_to_go_beneath) {
	own();
	dir("a");
	tmpfs("t");
	dir("t/in");
	int m = detached(0);
	const unsigned f = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH;
	CHECK_ERRNO(move(m, "", AT_FDCWD, "a", f), EINVAL);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "/", f), EINVAL);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "t/in", f), EINVAL);
}

CASE(move_mount_set_group_joins_a_peer_group) {
	own();
	tmpfs("a");
	dir("b"), dir("c"), dir("a/in");
	CHECK(mount("a", "b", 0, MS_BIND, 0) == 0);
	const unsigned f = MOVE_MOUNT_SET_GROUP;
	// Neither is shared.
	CHECK_ERRNO(move(AT_FDCWD, "a", AT_FDCWD, "b", f), EINVAL);
	CHECK(propagation("a", 0, MS_SHARED) == 0);
	CHECK_ERRNO(move(AT_FDCWD, "a", AT_FDCWD, "c", f), EINVAL);
	CHECK_ERRNO(move(AT_FDCWD, "a", AT_FDCWD, "a/in", f), EINVAL);
	CHECK(mount("none", "c", "tmpfs", 0, 0) == 0);
	CHECK_ERRNO(move(AT_FDCWD, "a", AT_FDCWD, "c", f), EINVAL);
	CHECK(!says("/b", " shared:"));
	CHECK(move(AT_FDCWD, "a", AT_FDCWD, "b", f) == 0);
	CHECK(says("/b", " shared:"));
	// It is no private mount any more.
	CHECK_ERRNO(move(AT_FDCWD, "a", AT_FDCWD, "b", f), EINVAL);
	CHECK(mount("none", "a/in", "tmpfs", 0, 0) == 0);
	touch("a/in/f");
	CHECK(there("b/in/f"));
}

CASE(open_tree_without_clone_is_a_path_descriptor) {
	own();
	dir("a");
	touch("a/f");
	int t = tree(AT_FDCWD, "a", OPEN_TREE_CLOEXEC);
	CHECK(t >= 0);
	CHECK_EQ(fcntl(t, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(t, F_GETFL) & O_PATH, O_PATH);
	CHECK(faccessat(t, "f", F_OK, 0) == 0);
	CHECK(symlink("a", "l") == 0);
	struct stat st;
	int l = tree(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW);
	CHECK(fstat(l, &st) == 0 && S_ISLNK(st.st_mode));
	int e = tree(t, "", AT_EMPTY_PATH);
	CHECK(faccessat(e, "f", F_OK, 0) == 0);
}

CASE(open_tree_refuses_bad_arguments) {
	own();
	dir("a");
	CHECK_ERRNO(tree(AT_FDCWD, "a", 0x40000000), EINVAL);
	CHECK_ERRNO(tree(AT_FDCWD, "a", AT_RECURSIVE), EINVAL);
	CHECK_ERRNO(tree(AT_FDCWD, "b", OPEN_TREE_CLONE), ENOENT);
	CHECK_ERRNO(tree(AT_FDCWD, "", OPEN_TREE_CLONE), ENOENT);
	CHECK_ERRNO(tree(999, "", AT_EMPTY_PATH), EBADF);
	CHECK_ERRNO(tree(AT_FDCWD, (char *)8, 0), EFAULT);
}

CASE(open_tree_clones_a_part_of_a_mount) {
	own();
	dir("a"), dir("a/in"), dir("b");
	touch("a/in/f");
	int t = tree(AT_FDCWD, "a/in", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	CHECK(t >= 0);
	CHECK(faccessat(t, "f", F_OK, 0) == 0);
	CHECK(!mounted("/b"));
	CHECK(attach(t, "b") == 0);
	CHECK(there("b/f"));
	CHECK(says("/b", " /a/in "));
	touch("a/in/g");
	CHECK(there("b/g"));
}

CASE(open_tree_clones_a_file) {
	own();
	touch("f"), touch("g");
	dir("d");
	int t = tree(AT_FDCWD, "f", OPEN_TREE_CLONE);
	CHECK(t >= 0);
	CHECK_ERRNO(attach(t, "d"), EINVAL);
	CHECK(attach(t, "g") == 0);
	CHECK(says("/g", " /f "));
}

CASE(open_tree_recursive_takes_what_is_mounted_below) {
	own();
	tmpfs("a");
	tmpfs("a/in");
	touch("a/in/f");
	dir("plain"), dir("all");
	int t = tree(AT_FDCWD, "a", OPEN_TREE_CLONE), r = tree(AT_FDCWD, "a", OPEN_TREE_CLONE | AT_RECURSIVE);
	CHECK(t >= 0 && r >= 0);
	CHECK_ERRNO(faccessat(t, "in/f", F_OK, 0), ENOENT);
	CHECK(faccessat(r, "in/f", F_OK, 0) == 0);
	CHECK(attach(t, "plain") == 0 && attach(r, "all") == 0);
	CHECK(there("all/in/f") && !there("plain/in/f"));
	CHECK(mounted("/all/in") && !mounted("/plain/in"));
}

CASE(open_tree_leaves_unbindable_mounts_out) {
	own();
	tmpfs("a");
	tmpfs("a/in");
	touch("a/in/f");
	CHECK(propagation("a/in", 0, MS_UNBINDABLE) == 0);
	CHECK_ERRNO(tree(AT_FDCWD, "a/in", OPEN_TREE_CLONE), EINVAL);
	int r = tree(AT_FDCWD, "a", OPEN_TREE_CLONE | AT_RECURSIVE);
	CHECK(r >= 0);
	CHECK_ERRNO(faccessat(r, "in/f", F_OK, 0), ENOENT);
}

CASE(a_detached_tree_is_dissolved_as_a_whole) {
	own();
	tmpfs("a");
	tmpfs("a/in");
	int r = tree(AT_FDCWD, "a", OPEN_TREE_CLONE | AT_RECURSIVE);
	CHECK(r >= 0);
	CHECK_ERRNO(umount2("a", 0), EBUSY);
	close(r);
	CHECK(umount2("a/in", 0) == 0);
	CHECK(umount2("a", 0) == 0);
}

CASE(a_detached_mount_goes_to_another_mount_namespace) {
	own();
	dir("a");
	int m = detached(0);
	touchat(m, "f");
	pid_t pid = fork();
	if (!pid) {
		CHECK(unshare(CLONE_NEWNS) == 0);
		CHECK(attach(m, "a") == 0);
		CHECK(there("a/f"));
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	CHECK(!there("a/f"));
}

CASE(fspick_changes_a_mounted_file_system) {
	own();
	dir("a");
	CHECK(mount("none", "a", "tmpfs", 0, "size=64k") == 0);
	int p = fs_pick(AT_FDCWD, "a", FSPICK_CLOEXEC);
	CHECK(p >= 0);
	CHECK_EQ(fcntl(p, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(fs_create(p), EBUSY);
	CHECK_ERRNO(fs_mount(p, 0, 0), EBUSY);
	CHECK_ERRNO(fs_string(p, "what", "ever"), EINVAL);
	const char *m = message(p);
	CHECK(m && !strcmp(m, "e tmpfs: Unknown parameter 'what'"));
	CHECK(fs_string(p, "size", "256k") == 0);
	CHECK(says("/a", "size=64k"));
	CHECK(fs_config(p, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0) == 0);
	CHECK(says("/a", "size=256k"));
	CHECK(fs_flag(p, "ro") == 0);
	CHECK(fs_config(p, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0) == 0);
	CHECK_ERRNO(mkdir("a/x", 0755), EROFS);
	CHECK(fs_flag(p, "rw") == 0);
	CHECK(fs_config(p, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0) == 0);
	CHECK(mkdir("a/x", 0755) == 0);
}

CASE(fspick_refuses_bad_arguments) {
	own();
	tmpfs("a");
	dir("a/in");
	CHECK(symlink("a", "l") == 0);
	CHECK_ERRNO(fs_pick(AT_FDCWD, "a", 0x100), EINVAL);
	CHECK_ERRNO(fs_pick(AT_FDCWD, "a/in", 0), EINVAL);
	CHECK_ERRNO(fs_pick(AT_FDCWD, "none", 0), ENOENT);
	CHECK_ERRNO(fs_pick(AT_FDCWD, "", 0), ENOENT);
	CHECK_ERRNO(fs_pick(999, "", FSPICK_EMPTY_PATH), EBADF);
	CHECK_ERRNO(fs_pick(AT_FDCWD, "l", FSPICK_SYMLINK_NOFOLLOW), EINVAL);
	CHECK(fs_pick(AT_FDCWD, "l", 0) >= 0);
	int t = tree(AT_FDCWD, "a", 0);
	CHECK(fs_pick(t, "", FSPICK_EMPTY_PATH) >= 0);
}

CASE(mount_setattr_sets_and_clears_flags) {
	own();
	tmpfs("a");
	CHECK(attrs("a", 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0) == 0);
	CHECK(says("/a", " ro,nosuid,nodev,relatime - tmpfs none rw"));
	CHECK_ERRNO(mkdir("a/x", 0755), EROFS);
	CHECK(attrs("a", 0, MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV) == 0);
	CHECK(says("/a", " rw,nosuid,noexec,nodiratime,relatime,nosymfollow - "));
	CHECK(mkdir("a/x", 0755) == 0);
	// What is both cleared and set is set.
	CHECK(attrs("a", 0, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW) == 0);
	CHECK(says("/a", " rw,nosuid,relatime - "));
}

CASE(mount_setattr_changes_atime_only_as_a_group) {
	own();
	tmpfs("a");
	CHECK_ERRNO(attrs("a", 0, MOUNT_ATTR_NOATIME, 0), EINVAL);
	CHECK_ERRNO(attrs("a", 0, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NOATIME), EINVAL);
	CHECK_ERRNO(attrs("a", 0, 0, MOUNT_ATTR_STRICTATIME), EINVAL);
	CHECK_ERRNO(attrs("a", 0, MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME), EINVAL);
	CHECK(attrs("a", 0, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME) == 0);
	CHECK(says("/a", " rw,noatime - "));
	CHECK(attrs("a", 0, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME) == 0);
	CHECK(says("/a", " rw - "));
	CHECK(attrs("a", 0, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME) == 0);
	CHECK(says("/a", " rw,relatime - "));
}

CASE(mount_setattr_refuses_bad_arguments) {
	own();
	tmpfs("a");
	dir("a/in");
	CHECK_ERRNO(attrs("a", 0, 0x40000000, 0), EINVAL);
	CHECK_ERRNO(attrs("a", 0, 0, 0x40000000), EINVAL);
	CHECK_ERRNO(attrs("a", 0, 1ULL << 40, 0), EINVAL);
	CHECK_ERRNO(attrs("a", 1, MOUNT_ATTR_RDONLY, 0), EINVAL);
	CHECK_ERRNO(attrs("a/in", 0, MOUNT_ATTR_RDONLY, 0), EINVAL);
	CHECK_ERRNO(attrs("none", 0, MOUNT_ATTR_RDONLY, 0), ENOENT);
	CHECK_ERRNO(attrs("", 0, MOUNT_ATTR_RDONLY, 0), ENOENT);
	CHECK_ERRNO(propagation("a", 0, MS_SHARED | MS_PRIVATE), EINVAL);
	CHECK_ERRNO(propagation("a", 0, MS_RDONLY), EINVAL);
	CHECK_ERRNO(attrs("a", 0, 0, MOUNT_ATTR_IDMAP), EINVAL);
	struct mount_attr idmap = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = 999};
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, &idmap, sizeof idmap), EBADF);
	idmap.userns_fd = -1;
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, &idmap, sizeof idmap), EINVAL);
	idmap.userns_fd = open("/dev/null", O_RDONLY);
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, &idmap, sizeof idmap), EINVAL);
	idmap.userns_fd = open("/proc/self/ns/user", O_RDONLY);
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, &idmap, sizeof idmap), EPERM);
	// Nothing to do is done whatever the path is.
	CHECK(attrs("none", 0, 0, 0) == 0);
}

CASE(mount_setattr_checks_the_size_of_its_structure) {
	own();
	tmpfs("a");
	struct { struct mount_attr a; uint64_t more[600]; } x = {.a.attr_set = MOUNT_ATTR_NOSUID};
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, &x, 0), EINVAL);
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, &x, 31), EINVAL);
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, &x, 4097), E2BIG);
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, (void *)8, 32), EFAULT);
	CHECK(set_attr(AT_FDCWD, "a", 0, &x, 4096) == 0);
	CHECK(says("/a", "nosuid"));
	x.more[3] = 1;
	CHECK_ERRNO(set_attr(AT_FDCWD, "a", 0, &x, 4096), E2BIG);
	CHECK(set_attr(AT_FDCWD, "a", 0, &x, 32) == 0);
}

CASE(mount_setattr_recursive_reaches_what_is_below) {
	own();
	tmpfs("a");
	tmpfs("a/b");
	tmpfs("a/b/c");
	CHECK(attrs("a", 0, MOUNT_ATTR_NOSUID, 0) == 0);
	CHECK(says("/a", "nosuid") && !says("/a/b", "nosuid"));
	CHECK(attrs("a", AT_RECURSIVE, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID) == 0);
	CHECK(says("/a", " ro,relatime") && says("/a/b", " ro,relatime") && says("/a/b/c", " ro,relatime"));
	CHECK(!says("/a", "nosuid"));
	CHECK(propagation("a", AT_RECURSIVE, MS_SHARED) == 0);
	CHECK(says("/a", " shared:") && says("/a/b/c", " shared:"));
}

CASE(mount_setattr_recursive_is_all_or_nothing) {
	own();
	tmpfs("a");
	tmpfs("a/b");
	int fd = open("a/b/f", O_CREAT | O_RDWR, 0644);
	CHECK(fd >= 0);
	CHECK_ERRNO(attrs("a/b", 0, MOUNT_ATTR_RDONLY, 0), EBUSY);
	CHECK_ERRNO(attrs("a", AT_RECURSIVE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0), EBUSY);
	CHECK(says("/a", " rw,relatime - ") && says("/a/b", " rw,relatime - "));
	CHECK(attrs("a", AT_RECURSIVE, MOUNT_ATTR_NOSUID, 0) == 0);
	close(fd);
	CHECK(attrs("a", AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0) == 0);
	CHECK(says("/a", " ro,nosuid") && says("/a/b", " ro,nosuid"));
}

CASE(mount_setattr_changes_propagation) {
	own();
	tmpfs("a");
	dir("b");
	CHECK(propagation("a", 0, MS_SHARED) == 0);
	CHECK(says("/a", " shared:"));
	CHECK(mount("a", "b", 0, MS_BIND, 0) == 0);
	CHECK(propagation("b", 0, MS_SLAVE) == 0);
	CHECK(says("/b", " master:"));
	CHECK(propagation("b", 0, MS_PRIVATE) == 0);
	CHECK(!says("/b", " master:"));
	CHECK(propagation("b", 0, MS_UNBINDABLE) == 0);
	CHECK(says("/b", " unbindable"));
}

CASE(mount_setattr_works_on_a_detached_mount) {
	own();
	dir("a");
	int m = detached(0);
	struct mount_attr x = {.attr_set = MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY};
	CHECK(set_attr(m, "", AT_EMPTY_PATH, &x, sizeof x) == 0);
	CHECK_ERRNO(mkdirat(m, "x", 0755), EROFS);
	CHECK(attach(m, "a") == 0);
	CHECK(says("/a", " ro,noexec,relatime - "));
}

CASE(statmount_tells_of_a_mount) {
	own();
	dir("a");
	int fs = fs_open("tmpfs", 0);
	CHECK(fs_string(fs, "size", "64k") == 0 && fs_create(fs) == 0);
	CHECK(attach(fs_mount(fs, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME), "a") == 0);
	uint64_t id = mntid(AT_FDCWD, "a"), up = mntid(AT_FDCWD, ".");
	CHECK(id > 1ULL << 31 && up > 1ULL << 31);
	struct sm s;
	memset(&s, 0xff, sizeof s);
	CHECK(stat_mount(id, 0xff, &s, sizeof s) == 0);
	CHECK_EQ(s.mask, 0xff);
	struct stat st;
	CHECK(stat("a", &st) == 0);
	CHECK_EQ(s.sb_dev_major, st.st_dev >> 8 & 0xfff);
	CHECK_EQ(s.sb_dev_minor, st.st_dev & 0xff);
	CHECK_EQ(s.sb_magic, 0x01021994);
	CHECK_EQ(s.sb_flags, 0);
	CHECK_EQ(s.mnt_id, id);
	CHECK_EQ(s.mnt_parent_id, up);
	CHECK_EQ(s.mnt_attr, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
	CHECK_EQ(s.mnt_propagation, MS_PRIVATE);
	CHECK_EQ(s.mnt_peer_group, 0);
	CHECK_EQ(s.mnt_master, 0);
	CHECK_EQ(s.propagate_from, 0);
	CHECK(s.mnt_ns_id != 0);
	CHECK(!strcmp(s.str + s.fs_type, "tmpfs"));
	CHECK(!strcmp(s.str + s.mnt_root, "/"));
	char cwd[4096];
	CHECK(getcwd(cwd, sizeof cwd));
	strcat(cwd, "/a");
	CHECK(!strcmp(s.str + s.mnt_point, cwd));
	CHECK(strstr(s.str + s.mnt_opts, "size=64k") == s.str + s.mnt_opts);
	CHECK_EQ(s.size, 512 + 1 + strlen("tmpfs") + 1 + 2 + strlen(cwd) + 1 + strlen(s.str + s.mnt_opts) + 1);
	char l[4096];
	CHECK(line("/a", l, sizeof l));
	CHECK_EQ(s.mnt_id_old, atoi(l));
	CHECK_EQ(s.mnt_parent_id_old, atoi(strchr(l, ' ')));
}

CASE(statmount_tells_of_propagation) {
	own();
	tmpfs("a");
	dir("b"), dir("c");
	CHECK(propagation("a", 0, MS_SHARED) == 0);
	CHECK(mount("a", "b", 0, MS_BIND, 0) == 0 && propagation("b", 0, MS_SLAVE) == 0);
	struct sm a, b;
	CHECK(stat_mount(mntid(AT_FDCWD, "a"), SM_MNT_BASIC, &a, sizeof a) == 0);
	CHECK_EQ(a.mask, SM_MNT_BASIC);
	CHECK_EQ(a.size, 512);
	CHECK_EQ(a.mnt_propagation, MS_SHARED);
	CHECK(a.mnt_peer_group != 0);
	CHECK(stat_mount(mntid(AT_FDCWD, "b"), SM_MNT_BASIC | SM_PROPAGATE_FROM, &b, sizeof b) == 0);
	CHECK_EQ(b.mnt_propagation, MS_SLAVE);
	CHECK_EQ(b.mnt_master, a.mnt_peer_group);
	CHECK_EQ(b.propagate_from, a.mnt_peer_group);
	CHECK_EQ(b.mnt_peer_group, 0);
	CHECK(propagation("b", 0, MS_SHARED) == 0);
	CHECK(stat_mount(mntid(AT_FDCWD, "b"), SM_MNT_BASIC, &b, sizeof b) == 0);
	CHECK_EQ(b.mnt_propagation, MS_SHARED | MS_SLAVE);
	CHECK(b.mnt_peer_group != 0 && b.mnt_peer_group != a.mnt_peer_group);
	CHECK(attrs("a", 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME) == 0);
	CHECK(stat_mount(mntid(AT_FDCWD, "a"), SM_MNT_BASIC, &a, sizeof a) == 0);
	CHECK_EQ(a.mnt_attr, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR_STRICTATIME);
}

CASE(statmount_fits_its_answer_to_the_buffer) {
	own();
	tmpfs("a");
	uint64_t id = mntid(AT_FDCWD, "a");
	struct sm s;
	memset(&s, 0xff, sizeof s);
	// Without strings any size will do.
	CHECK(stat_mount(id, SM_MNT_BASIC, &s, 0) == 0);
	CHECK_EQ(s.size, 0xffffffff);
	CHECK(stat_mount(id, SM_MNT_BASIC, &s, 24) == 0);
	CHECK_EQ(s.size, 24);
	CHECK_EQ(s.mask, SM_MNT_BASIC);
	CHECK_EQ(s.sb_magic, 0xffffffffffffffffULL);
	CHECK_ERRNO(stat_mount(id, SM_FS_TYPE, &s, 512), EOVERFLOW);
	// The first string is the empty one, for what is not told.
	CHECK_ERRNO(stat_mount(id, SM_FS_TYPE, &s, 512 + 6), EOVERFLOW);
	CHECK(stat_mount(id, SM_FS_TYPE, &s, 512 + 7) == 0);
	CHECK_EQ(s.size, 512 + 7);
	CHECK_EQ(s.fs_type, 1);
	CHECK(!memcmp(s.str, "\0tmpfs", 7));
	CHECK_ERRNO(stat_mount(id, SM_FS_TYPE | SM_MNT_ROOT, &s, 512 + 8), EOVERFLOW);
	CHECK(stat_mount(id, SM_FS_TYPE | SM_MNT_ROOT, &s, 512 + 9) == 0);
	// An unknown field is no error.
	CHECK(stat_mount(id, SM_SB_BASIC | 1ULL << 62, &s, 512) == 0);
	CHECK_EQ(s.mask, SM_SB_BASIC);
	CHECK_ERRNO(stat_mount(id, SM_MNT_BASIC, (void *)8, 512), EFAULT);
}

CASE(statmount_refuses_bad_arguments) {
	own();
	tmpfs("a");
	uint64_t id = mntid(AT_FDCWD, "a");
	struct { struct id_req r; uint64_t more[600]; } x = {.r = {sizeof x.r, 0, id, SM_MNT_BASIC, 0}};
	struct sm s;
	CHECK_ERRNO(syscall(NR_statmount, &x, &s, sizeof s, 0x80000000), EINVAL);
	CHECK_ERRNO(syscall(NR_statmount, 8, &s, sizeof s, 0), EFAULT);
	x.r.size = 23;
	CHECK_ERRNO(syscall(NR_statmount, &x, &s, sizeof s, 0), EINVAL);
	x.r.size = 4097;
	CHECK_ERRNO(syscall(NR_statmount, &x, &s, sizeof s, 0), E2BIG);
	x.r.size = 4096;
	CHECK(syscall(NR_statmount, &x, &s, sizeof s, 0) == 0);
	x.more[0] = 1;
	CHECK_ERRNO(syscall(NR_statmount, &x, &s, sizeof s, 0), E2BIG);
	x.r.size = 24;
	CHECK(syscall(NR_statmount, &x, &s, sizeof s, 0) == 0);
	CHECK_ERRNO(stat_mount(12, SM_MNT_BASIC, &s, sizeof s), EINVAL);
	CHECK_ERRNO(stat_mount(id + 1000000, SM_MNT_BASIC, &s, sizeof s), ENOENT);
	CHECK_ERRNO(stat_mount(mntid(detached(0), ""), SM_MNT_BASIC, &s, sizeof s), ENOENT);
	x.r = (struct id_req){sizeof x.r, 0, id, SM_MNT_BASIC, 1ULL << 60};
	CHECK_ERRNO(syscall(NR_statmount, &x, &s, sizeof s, 0), ENOENT);
	CHECK(umount2("a", 0) == 0);
	CHECK_ERRNO(stat_mount(id, SM_MNT_BASIC, &s, sizeof s), ENOENT);
}

CASE(statmount_finds_mounts_by_namespace) {
	own();
	tmpfs("a");
	uint64_t id = mntid(AT_FDCWD, "a");
	struct sm s;
	CHECK(stat_mount(id, SM_MNT_NS_ID, &s, sizeof s) == 0);
	uint64_t ns = s.mnt_ns_id;
	pid_t pid = fork();
	if (!pid) {
		CHECK(unshare(CLONE_NEWNS) == 0);
		CHECK(stat_mount(mntid(AT_FDCWD, "/"), SM_MNT_NS_ID, &s, sizeof s) == 0);
		CHECK(s.mnt_ns_id != ns);
		// The copies have numbers of their own.
		CHECK_ERRNO(stat_mount(id, SM_MNT_BASIC, &s, sizeof s), ENOENT);
		struct id_req r = {sizeof r, 0, id, SM_MNT_NS_ID | SM_FS_TYPE, ns};
		CHECK(syscall(NR_statmount, &r, &s, sizeof s, 0) == 0);
		CHECK_EQ(s.mnt_ns_id, ns);
		CHECK(!strcmp(s.str + s.fs_type, "tmpfs"));
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

static int among(uint64_t id, uint64_t *ids, long n) {
	for (long i = 0; i < n; i++)
		if (ids[i] == id) return 1;
	return 0;
}

CASE(listmount_lists_what_is_below) {
	own();
	tmpfs("a");
	tmpfs("a/b");
	tmpfs("a/b/c");
	tmpfs("d");
	uint64_t base = mntid(AT_FDCWD, "."), a = mntid(AT_FDCWD, "a"), b = mntid(AT_FDCWD, "a/b"), c = mntid(AT_FDCWD, "a/b/c"),
		d = mntid(AT_FDCWD, "d"), ids[1000];
	long n = list_mount(LSMT_ROOT, 0, ids, 1000, 0);
	CHECK(n >= 6);
	CHECK(among(mntid(AT_FDCWD, "/"), ids, n) && among(base, ids, n) && among(a, ids, n) && among(b, ids, n) && among(c, ids, n) && among(d, ids, n));
	for (long i = 1; i < n; i++) CHECK(ids[i - 1] < ids[i]);
	CHECK_EQ(list_mount(base, 0, ids, 1000, 0), 4);
	CHECK(ids[0] == a && ids[1] == b && ids[2] == c && ids[3] == d);
	CHECK_EQ(list_mount(a, 0, ids, 1000, 0), 2);
	CHECK(ids[0] == b && ids[1] == c);
	CHECK_EQ(list_mount(c, 0, ids, 1000, 0), 0);
	CHECK_EQ(list_mount(base, 0, ids, 1000, LISTMOUNT_REVERSE), 4);
	CHECK(ids[0] == d && ids[1] == c && ids[2] == b && ids[3] == a);
}

CASE(listmount_goes_on_after_the_last) {
	own();
	tmpfs("a");
	tmpfs("b");
	tmpfs("c");
	uint64_t base = mntid(AT_FDCWD, "."), a = mntid(AT_FDCWD, "a"), b = mntid(AT_FDCWD, "b"), c = mntid(AT_FDCWD, "c"), ids[8];
	CHECK_EQ(list_mount(base, 0, ids, 0, 0), 0);
	CHECK_EQ(list_mount(base, 0, ids, 2, 0), 2);
	CHECK(ids[0] == a && ids[1] == b);
	CHECK_EQ(list_mount(base, b, ids, 2, 0), 1);
	CHECK(ids[0] == c);
	CHECK_EQ(list_mount(base, c, ids, 2, 0), 0);
	CHECK_EQ(list_mount(base, 0, ids, 1, LISTMOUNT_REVERSE), 1);
	CHECK(ids[0] == c);
	CHECK_EQ(list_mount(base, c, ids, 8, LISTMOUNT_REVERSE), 2);
	CHECK(ids[0] == b && ids[1] == a);
	CHECK_EQ(list_mount(base, a, ids, 8, LISTMOUNT_REVERSE), 0);
}

CASE(listmount_refuses_bad_arguments) {
	own();
	tmpfs("a");
	uint64_t base = mntid(AT_FDCWD, "."), ids[8];
	CHECK_ERRNO(list_mount(base, 0, ids, 8, 2), EINVAL);
	CHECK_ERRNO(list_mount(base, 0, ids, 1000001, 0), EOVERFLOW);
	CHECK_ERRNO(list_mount(base, 5, ids, 8, 0), EINVAL);
	CHECK_ERRNO(list_mount(5, 0, ids, 8, 0), EINVAL);
	CHECK_ERRNO(list_mount(base + 1000000, 0, ids, 8, 0), ENOENT);
	CHECK_ERRNO(list_mount(base, 0, (uint64_t *)8, 8, 0), EFAULT);
	CHECK_ERRNO(syscall(NR_listmount, 8, ids, 8, 0), EFAULT);
	struct id_req r = {23, 0, base, 0, 0};
	CHECK_ERRNO(syscall(NR_listmount, &r, ids, 8, 0), EINVAL);
	r.size = 5000;
	CHECK_ERRNO(syscall(NR_listmount, &r, ids, 8, 0), E2BIG);
}

CASE(listmount_and_statmount_see_what_the_root_shows) {
	own();
	tmpfs("a");
	tmpfs("a/b");
	tmpfs("c");
	uint64_t a = mntid(AT_FDCWD, "a"), b = mntid(AT_FDCWD, "a/b"), c = mntid(AT_FDCWD, "c"), ids[8];
	struct sm s;
	CHECK(chroot("a") == 0 && chdir("/") == 0);
	CHECK_EQ(list_mount(LSMT_ROOT, 0, ids, 8, 0), 2);
	CHECK(ids[0] == a && ids[1] == b);
	CHECK(stat_mount(b, SM_MNT_POINT, &s, sizeof s) == 0);
	CHECK(!strcmp(s.str + s.mnt_point, "/b"));
	CHECK(stat_mount(c, SM_MNT_BASIC, &s, sizeof s) == 0);
	no_admin();
	CHECK_ERRNO(stat_mount(c, SM_MNT_BASIC, &s, sizeof s), EPERM);
	CHECK_ERRNO(list_mount(c, 0, ids, 8, 0), EPERM);
	CHECK(stat_mount(b, SM_MNT_BASIC, &s, sizeof s) == 0);
}

CASE(file_systems_of_the_kernel_mount_by_descriptors) {
	own();
	const char *types[] = {"proc", "sysfs", "devpts", "tmpfs"};
	const char *shows[] = {"p/self/stat", "p/kernel", "p/ptmx", "p"};
	dir("p");
	for (int i = 0; i < 4; i++) {
		int fs = fs_open(types[i], 0);
		CHECK(fs >= 0);
		CHECK(fs_string(fs, "source", "it") == 0);
		CHECK(fs_create(fs) == 0);
		int m = fs_mount(fs, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		CHECK(m >= 0);
		CHECK(attach(m, "p") == 0);
		CHECK(there(shows[i]));
		close(m);
		close(fs);
		CHECK(umount2("p", 0) == 0);
	}
}

CASE(devpts_takes_its_options) {
	own();
	dir("p");
	int fs = fs_open("devpts", 0);
	CHECK(fs_string(fs, "mode", "620") == 0);
	CHECK(fs_string(fs, "ptmxmode", "666") == 0);
	CHECK(fs_string(fs, "gid", "5") == 0);
	CHECK(fs_create(fs) == 0);
	CHECK(attach(fs_mount(fs, 0, 0), "p") == 0);
	struct stat st;
	CHECK(stat("p/ptmx", &st) == 0);
	CHECK_EQ(st.st_mode & 07777, 0666);
	CHECK(says("/p", "gid=5,mode=620,ptmxmode=666"));
}

CASE(mount_and_mount_setattr_agree_on_remounting_read_only) {
	own();
	tmpfs("a");
	int fd = open("a/f", O_CREAT | O_RDWR, 0644);
	CHECK(fd >= 0);
	CHECK_ERRNO(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0), EBUSY);
	CHECK_ERRNO(mount(0, "a", 0, MS_REMOUNT | MS_RDONLY, 0), EBUSY);
	int p = fs_pick(AT_FDCWD, "a", 0);
	CHECK(fs_flag(p, "ro") == 0);
	CHECK_ERRNO(fs_config(p, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0), EBUSY);
	// Who failed can't go on.
	CHECK_ERRNO(fs_flag(p, "ro"), EBUSY);
	close(fd);
	CHECK(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0) == 0);
	CHECK_ERRNO(open("a/f", O_RDWR), EROFS);
	CHECK(attrs("a", 0, 0, MOUNT_ATTR_RDONLY) == 0);
	CHECK(open("a/f", O_RDWR) >= 0);
}

CASE(move_mount_onto_a_mount_covers_it) {
	own();
	tmpfs("a");
	touch("a/old");
	int m = detached(0);
	touchat(m, "new");
	CHECK(attach(m, "a") == 0);
	CHECK(there("a/new") && !there("a/old"));
	close(m);
	CHECK(umount2("a", 0) == 0);
	CHECK(there("a/old"));
}

CASE(move_mount_to_a_removed_directory_gives_ENOENT) {
	own();
	dir("a");
	int d = open("a", O_PATH), m = detached(0);
	CHECK(rmdir("a") == 0);
	CHECK_ERRNO(move(m, "", d, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), ENOENT);
}

// changed reports whether mountinfo has changed since the last call.
static int changed(int fd) {
	struct pollfd p = {.fd = fd, .events = POLLPRI};
	CHECK(poll(&p, 1, 0) >= 0);
	return (p.revents & POLLPRI) != 0;
}

CASE(poll_on_mountinfo_tells_of_what_is_attached_and_changed) {
	own();
	dir("a");
	int fd = open("/proc/self/mountinfo", O_RDONLY);
	CHECK(!changed(fd));
	int m = detached(0);
	CHECK(!changed(fd));
	CHECK(attach(m, "a") == 0);
	CHECK(changed(fd) && !changed(fd));
	CHECK(attrs("a", 0, MOUNT_ATTR_NODEV, 0) == 0);
	CHECK(changed(fd) && !changed(fd));
	CHECK(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_NOSUID, 0) == 0);
	CHECK(changed(fd) && !changed(fd));
}

CASE(move_mount_beneath_reaches_the_peers_of_the_parent) {
	own();
	tmpfs("s");
	dir("s/in"), dir("peer");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "peer", 0, MS_BIND, 0) == 0);
	CHECK(mount("none", "s/in", "tmpfs", 0, 0) == 0);
	touch("s/in/top");
	int m = detached(0);
	touchat(m, "below");
	CHECK(move(m, "", AT_FDCWD, "s/in", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH) == 0);
	close(m);
	CHECK(there("s/in/top") && there("peer/in/top"));
	CHECK(umount2("s/in", 0) == 0);
	CHECK(there("s/in/below") && there("peer/in/below"));
	CHECK(umount2("peer/in", 0) == 0);
	CHECK(!there("s/in/below") && !there("peer/in/below"));
}

CASE(a_mount_that_propagates_goes_beneath_what_is_there) {
	own();
	tmpfs("s");
	dir("s/in"), dir("peer");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "peer", 0, MS_BIND, 0) == 0 && propagation("peer", 0, MS_SLAVE) == 0);
	CHECK(mount("none", "peer/in", "tmpfs", 0, 0) == 0);
	touch("peer/in/top");
	int m = detached(0);
	touchat(m, "below");
	CHECK(attach(m, "s/in") == 0);
	close(m);
	CHECK(there("peer/in/top") && there("s/in/below"));
	// It goes from there too, and what covers it takes its place.
	CHECK(umount2("s/in", 0) == 0);
	CHECK(there("peer/in/top"));
	CHECK(umount2("peer/in", 0) == 0);
	CHECK(!there("peer/in/top") && !there("peer/in/below"));
}

CASE(umount_reaches_the_peers_of_what_is_below) {
	own();
	tmpfs("s");
	tmpfs("s/in");
	dir("s/in/deep"), dir("peer");
	CHECK(propagation("s", AT_RECURSIVE, MS_SHARED) == 0);
	CHECK(mount("s/in", "peer", 0, MS_BIND, 0) == 0);
	CHECK(mount("none", "peer/deep", "tmpfs", 0, 0) == 0);
	CHECK(mounted("/s/in/deep"));
	CHECK(umount2("s", MNT_DETACH) == 0);
	CHECK(mounted("/peer") && !mounted("/peer/deep"));
}

CASE(umount_is_refused_while_a_peer_of_the_mount_is_in_use) {
	own();
	tmpfs("s");
	dir("s/in"), dir("peer");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "peer", 0, MS_BIND, 0) == 0);
	CHECK(mount("none", "s/in", "tmpfs", 0, 0) == 0);
	int fd = open("peer/in", O_RDONLY);
	CHECK_ERRNO(umount2("s/in", 0), EBUSY);
	close(fd);
	CHECK(umount2("s/in", 0) == 0);
	CHECK(!mounted("/peer/in"));
}

CASE(umount_below_a_copy_of_the_same_mount) {
	own();
	tmpfs("s");
	dir("s/in"), dir("s/in/in");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "s/in", 0, MS_BIND, 0) == 0);
	CHECK(mount("none", "s/in/in", "tmpfs", 0, 0) == 0);
	CHECK(umount2("s/in/in", MNT_DETACH) == 0);
	CHECK(mounted("/s/in") && !mounted("/s/in/in"));
	CHECK(umount2("s", MNT_DETACH) == 0);
	CHECK(!mounted("/s"));
}

MAIN()
