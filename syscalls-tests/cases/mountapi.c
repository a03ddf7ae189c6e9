// File systems that are made and changed by descriptors: fsopen, fsconfig, fsmount and fspick.
#include "mountapi.h"

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
	CHECK(says("/c", " rw,nosymfollow - "));
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

MAIN()
