// What mounts are like: mount_setattr, statmount and listmount.
#include "mountapi.h"

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

MAIN()
