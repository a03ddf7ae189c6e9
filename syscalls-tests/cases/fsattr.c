#include "files.h"
#include <linux/stat.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static int statx_of(int dir, const char *path, unsigned flags, unsigned mask, void *out) {
	return syscall(SYS_statx, dir, path, flags, mask, out);
}

static int faccessat2(int dir, const char *path, int mode, int flags) {
	return syscall(SYS_faccessat2, dir, path, mode, flags);
}

static int fchmodat2(int dir, const char *path, int mode, int flags) {
	return syscall(SYS_fchmodat2, dir, path, mode, flags);
}

CASE(chmod_is_for_the_owner) {
	CHECK(chmod(".", 0755) == 0);
	close(make("f", ""));
	close(make("mine", ""));
	CHECK(chown("mine", 1000, 1000) == 0);
	AS(1000, 1000,
		CHECK_ERRNO(chmod("f", 0777), EPERM);
		CHECK_ERRNO(chmod("f", 0644), EPERM);
		CHECK_ERRNO(fchmod(open("f", O_RDONLY), 0644), EPERM);
		CHECK(fchmod(open("mine", O_RDONLY), 0) == 0);
		CHECK(chmod("mine", 04711) == 0));
	CHECK_EQ(stat_of("mine").st_mode, S_IFREG | 04711);
	CHECK(chmod("mine", 0170000 | 0600) == 0);
	CHECK_EQ(stat_of("mine").st_mode, S_IFREG | 0600);
}

CASE(chmod_by_an_outsider_of_the_group_loses_setgid) {
	CHECK(chmod(".", 0755) == 0);
	close(make("f", ""));
	CHECK(mkdir("d", 0755) == 0);
	CHECK(chown("f", 1000, 500) == 0);
	CHECK(chown("d", 1000, 500) == 0);
	AS(1000, 1000,
		CHECK(chmod("f", 06755) == 0);
		CHECK(chmod("d", 02755) == 0));
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 04755);
	CHECK_EQ(stat_of("d").st_mode, S_IFDIR | 0755);
	AS(1000, 500, CHECK(chmod("f", 06755) == 0));
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 06755);
}

CASE(chmod_follows_links_unless_told) {
	close(make("f", ""));
	CHECK(symlink("f", "l") == 0);
	CHECK(symlink("none", "m") == 0);
	CHECK(chmod("l", 0600) == 0);
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 0600);
	CHECK_EQ(stat_of("l").st_mode, S_IFLNK | 0777);
	CHECK_ERRNO(chmod("m", 0600), ENOENT);
	CHECK_ERRNO(fchmodat2(AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
	CHECK(fchmodat2(AT_FDCWD, "f", 0640, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK_ERRNO(fchmodat2(AT_FDCWD, "f", 0640, 1), EINVAL);
	int fd = open("f", O_PATH);
	CHECK(fchmodat2(fd, "", 0604, AT_EMPTY_PATH) == 0);
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 0604);
	CHECK_ERRNO(fchmodat2(fd, "", 0604, 0), ENOENT);
}

CASE(chmod_and_chown_path_errors) {
	close(make("f", ""));
	CHECK_ERRNO(chmod("", 0), ENOENT);
	CHECK_ERRNO(chmod("none", 0), ENOENT);
	CHECK_ERRNO(chmod("f/", 0), ENOTDIR);
	CHECK_ERRNO(chmod(name_of(256), 0), ENAMETOOLONG);
	CHECK_ERRNO(chmod((char *)8, 0), EFAULT);
	CHECK_ERRNO(fchmod(77, 0), EBADF);
	CHECK_ERRNO(chown("none", 0, 0), ENOENT);
	CHECK_ERRNO(chown("f/x", 0, 0), ENOTDIR);
	CHECK_ERRNO(chown((char *)8, 0, 0), EFAULT);
	CHECK_ERRNO(fchown(77, 0, 0), EBADF);
	CHECK_ERRNO(fchownat(AT_FDCWD, "f", 0, 0, 1), EINVAL);
	CHECK_ERRNO(fchownat(77, "f", 0, 0, 0), EBADF);
	CHECK_ERRNO(chmod("/proc/self/stat", 0777), EPERM);
}

CASE(chown_by_the_owner_is_to_own_groups) {
	CHECK(chmod(".", 0755) == 0);
	close(make("f", ""));
	CHECK(chown("f", 1000, 1000) == 0);
	pid_t c = fork();
	if (c == 0) {
		gid_t g[] = {600};
		CHECK(setgroups(1, g) == 0);
		CHECK(setresgid(1000, 1000, 1000) == 0);
		CHECK(setresuid(1000, 1000, 1000) == 0);
		CHECK_ERRNO(chown("f", 1001, -1), EPERM);
		CHECK_ERRNO(chown("f", -1, 601), EPERM);
		CHECK_ERRNO(chown(".", -1, -1) == 0 ? chown(".", -1, 1000) : 0, EPERM);
		CHECK(chown("f", 1000, 600) == 0);
		CHECK(chown("f", -1, 1000) == 0);
		CHECK(chown("f", -1, 600) == 0);
		_exit(0);
	}
	CHECK_CHILD(c, 0);
	CHECK_EQ(stat_of("f").st_gid, 600);
	CHECK_EQ(stat_of("f").st_uid, 1000);
}

CASE(chown_clears_set_id_bits_of_files) {
	CHECK(mkdir("d", 0755) == 0);
	CHECK(chmod("d", 06755) == 0);
	CHECK(chown("d", 5, 5) == 0);
	CHECK_EQ(stat_of("d").st_mode, S_IFDIR | 06755);
	close(make("f", ""));
	CHECK(chmod("f", 06755) == 0);
	CHECK(chown("f", -1, -1) == 0);
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 0755);
	// Without group execution setgid is a mark of mandatory locks, not a privilege.
	CHECK(chmod("f", 06745) == 0);
	CHECK(chown("f", 5, 5) == 0);
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 02745);
	CHECK(symlink("f", "l") == 0);
	CHECK(lchown("l", 7, 8) == 0);
	CHECK_EQ(stat_of("l").st_gid, 8);
	CHECK_EQ(stat_of("f").st_gid, 5);
	CHECK(chown("l", 9, 9) == 0);
	CHECK_EQ(stat_of("f").st_uid, 9);
}

CASE(writing_clears_set_id_bits_unless_root_does_it) {
	CHECK(chmod(".", 0777) == 0);
	for (int i = 0; i < 3; i++) {
		char n[] = {'a' + i, 0};
		close(make(n, "abc"));
		CHECK(chmod(n, 06777) == 0);
	}
	int fd = open("a", O_RDWR);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(stat_of("a").st_mode, S_IFREG | 06777);
	AS(1000, 1000,
		CHECK_EQ(write(open("a", O_WRONLY), "x", 1), 1);
		CHECK(truncate("b", 1) == 0);
		CHECK(open("c", O_WRONLY | O_TRUNC) >= 0));
	CHECK_EQ(stat_of("a").st_mode, S_IFREG | 0777);
	CHECK_EQ(stat_of("b").st_mode, S_IFREG | 0777);
	CHECK_EQ(stat_of("c").st_mode, S_IFREG | 0777);
}

CASE(access_asks_for_the_real_ids) {
	CHECK(chmod(".", 0755) == 0);
	close(make("f", ""));
	CHECK(chmod("f", 0600) == 0);
	pid_t c = fork();
	if (c == 0) {
		CHECK(setgroups(0, 0) == 0);
		CHECK(setresuid(1000, 0, 0) == 0);
		CHECK_ERRNO(access("f", R_OK), EACCES);
		CHECK(faccessat2(AT_FDCWD, "f", R_OK | W_OK, AT_EACCESS) == 0);
		CHECK(open("f", O_RDWR) >= 0);
		CHECK(setresuid(0, 1000, 0) == 0);
		CHECK(access("f", R_OK | W_OK) == 0);
		CHECK_ERRNO(faccessat2(AT_FDCWD, "f", R_OK, AT_EACCESS), EACCES);
		_exit(0);
	}
	CHECK_CHILD(c, 0);
}

CASE(access_of_root_wants_one_x_bit) {
	close(make("f", ""));
	CHECK(mkdir("d", 0) == 0);
	CHECK(chmod("f", 0) == 0);
	CHECK(access("f", R_OK | W_OK) == 0);
	CHECK_ERRNO(access("f", X_OK), EACCES);
	CHECK(access("d", R_OK | W_OK | X_OK) == 0);
	CHECK(chmod("f", 0001) == 0);
	CHECK(access("f", X_OK) == 0);
	CHECK_ERRNO(access("f", 8), EINVAL);
	CHECK_ERRNO(access("f", -1), EINVAL);
	CHECK_ERRNO(access("none", 8), EINVAL);
	CHECK_ERRNO(faccessat2(AT_FDCWD, "f", 0, 1), EINVAL);
	CHECK(symlink("none", "l") == 0);
	CHECK_ERRNO(access("l", F_OK), ENOENT);
	CHECK(faccessat2(AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	int fd = open("f", O_PATH);
	CHECK(faccessat2(fd, "", X_OK, AT_EMPTY_PATH) == 0);
	CHECK_ERRNO(faccessat2(fd, "", X_OK, 0), ENOENT);
	CHECK_ERRNO(access("/proc/self/stat/x", F_OK), ENOTDIR);
}

CASE(permission_is_by_the_first_class_that_fits) {
	CHECK(chmod(".", 0755) == 0);
	close(make("f", ""));
	CHECK(chown("f", 1000, 500) == 0);
	CHECK(chmod("f", 0046) == 0);
	AS(1000, 500, CHECK_ERRNO(access("f", R_OK), EACCES));
	AS(1001, 500,
		CHECK(access("f", R_OK) == 0);
		CHECK_ERRNO(open("f", O_WRONLY), EACCES));
	AS(1001, 1001, CHECK(open("f", O_RDWR) >= 0));
	pid_t c = fork();
	if (c == 0) {
		gid_t g[] = {7, 500};
		CHECK(setgroups(2, g) == 0);
		CHECK(setresgid(9, 9, 9) == 0);
		CHECK(setresuid(9, 9, 9) == 0);
		CHECK(open("f", O_RDONLY) >= 0);
		CHECK_ERRNO(open("f", O_WRONLY), EACCES);
		_exit(0);
	}
	CHECK_CHILD(c, 0);
}

CASE(search_permission_is_asked_on_the_way) {
	CHECK(chmod(".", 0755) == 0);
	CHECK(mkdir("d", 0755) == 0);
	CHECK(mkdir("d/e", 0755) == 0);
	close(make("d/e/f", "x"));
	CHECK(symlink("d/e/f", "l") == 0);
	CHECK(chmod("d", 0744) == 0);
	AS(1000, 1000,
		CHECK(open("d", O_RDONLY) >= 0);
		CHECK_ERRNO(access("d/e", F_OK), EACCES);
		CHECK_ERRNO(open("d/e/f", O_RDONLY), EACCES);
		CHECK_ERRNO(open("l", O_RDONLY), EACCES);
		CHECK_ERRNO(open("d/none", O_RDONLY), EACCES);
		CHECK_ERRNO(open("d/..", O_RDONLY), EACCES);
		CHECK_ERRNO(chdir("d"), EACCES);
		struct stat st;
		CHECK_ERRNO(stat("d/.", &st), EACCES);
		CHECK(stat("d", &st) == 0));
	CHECK(chmod("d", 0711) == 0);
	AS(1000, 1000,
		CHECK_ERRNO(open("d", O_RDONLY), EACCES);
		CHECK(open("d/e/f", O_RDONLY) >= 0);
		CHECK(chdir("d") == 0);
		CHECK_ERRNO(open(".", O_RDONLY), EACCES));
}

CASE(stat_errors) {
	struct stat st;
	close(make("f", ""));
	CHECK(symlink("l", "l") == 0);
	CHECK_ERRNO(stat("", &st), ENOENT);
	CHECK_ERRNO(stat("none", &st), ENOENT);
	CHECK_ERRNO(stat("f/", &st), ENOTDIR);
	CHECK_ERRNO(stat("f/.", &st), ENOTDIR);
	CHECK_ERRNO(stat("l", &st), ELOOP);
	CHECK_ERRNO(lstat("l/", &st), ELOOP);
	CHECK(lstat("l", &st) == 0);
	CHECK_EQ(st.st_size, 1);
	CHECK_ERRNO(stat(name_of(256), &st), ENAMETOOLONG);
	CHECK_ERRNO(stat((char *)8, &st), EFAULT);
	CHECK_ERRNO(syscall(SYS_stat, "f", 8), EFAULT);
	CHECK_ERRNO(fstat(77, &st), EBADF);
	CHECK_ERRNO(fstatat(AT_FDCWD, "f", &st, 1), EINVAL);
	CHECK_ERRNO(fstatat(77, "f", &st, 0), EBADF);
}

CASE(statx_errors_and_masks) {
	struct statx sx;
	int fd = make("f", "abc");
	CHECK_ERRNO(statx_of(AT_FDCWD, "f", 0, 0x80000000, &sx), EINVAL);
	CHECK_ERRNO(statx_of(AT_FDCWD, "f", 1, STATX_ALL, &sx), EINVAL);
	CHECK_ERRNO(statx_of(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_ALL, &sx), EINVAL);
	CHECK_ERRNO(statx_of(AT_FDCWD, "f", 0, STATX_ALL, (void *)8), EFAULT);
	CHECK_ERRNO(statx_of(AT_FDCWD, "", 0, STATX_ALL, &sx), ENOENT);
	CHECK_ERRNO(statx_of(77, "", AT_EMPTY_PATH, STATX_ALL, &sx), EBADF);
	CHECK_ERRNO(statx_of(AT_FDCWD, 0, 0, STATX_ALL, &sx), EFAULT);
	memset(&sx, 0xff, sizeof sx);
	CHECK(statx_of(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx) == 0);
	CHECK_EQ(sx.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	CHECK_EQ(sx.stx_size, 3);
	CHECK_EQ(sx.stx_nlink, 1);
	CHECK(statx_of(fd, 0, AT_EMPTY_PATH, STATX_BTIME | STATX_MNT_ID, &sx) == 0);
	CHECK_EQ(sx.stx_mask & STATX_MNT_ID, STATX_MNT_ID);
	CHECK_EQ(sx.stx_attributes & STATX_ATTR_MOUNT_ROOT, 0);
	CHECK_EQ(sx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT, STATX_ATTR_MOUNT_ROOT);
	CHECK(statx_of(AT_FDCWD, "/proc", 0, STATX_ALL, &sx) == 0);
	CHECK_EQ(sx.stx_attributes & STATX_ATTR_MOUNT_ROOT, STATX_ATTR_MOUNT_ROOT);
}

CASE(truncate_errors) {
	int fd = make("f", "abc"), p[2];
	CHECK(mkdir("d", 0755) == 0);
	CHECK(mkfifo("p", 0600) == 0);
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(truncate("d", 0), EISDIR);
	CHECK_ERRNO(truncate("p", 0), EINVAL);
	CHECK_ERRNO(truncate("none", 0), ENOENT);
	CHECK_ERRNO(truncate("none", -1), EINVAL);
	CHECK_ERRNO(truncate("f/", 0), ENOTDIR);
	CHECK_ERRNO(truncate("/dev/null", 0), EINVAL);
	CHECK_ERRNO(ftruncate(open("f", O_RDONLY), 0), EINVAL);
	CHECK_ERRNO(ftruncate(p[1], 0), EINVAL);
	CHECK_ERRNO(ftruncate(socket(AF_UNIX, SOCK_STREAM, 0), 0), EINVAL);
	CHECK_ERRNO(ftruncate(open("d", O_RDONLY), 0), EINVAL);
	CHECK_ERRNO(ftruncate(77, 0), EBADF);
	CHECK_ERRNO(ftruncate(77, -1), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
	CHECK(ftruncate(fd, 1) == 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
	CHECK(chmod(".", 0755) == 0);
	AS(1000, 1000, CHECK_ERRNO(truncate("f", 0), EACCES));
}

CASE(umask_takes_nine_bits_and_tells_the_old) {
	umask(0);
	CHECK_EQ(umask(07777), 0);
	CHECK_EQ(umask(022), 0777);
	CHECK_EQ(umask(-1), 022);
	close(open("f", O_CREAT | O_RDWR, 07777));
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 07000);
	CHECK(symlink("x", "l") == 0);
	CHECK_EQ(stat_of("l").st_mode, S_IFLNK | 0777);
}

CASE(statfs_tells_kinds_and_errors) {
	struct statfs sf;
	int p[2];
	close(make("f", ""));
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(statfs("none", &sf), ENOENT);
	CHECK_ERRNO(statfs("f/x", &sf), ENOTDIR);
	CHECK_ERRNO(statfs("", &sf), ENOENT);
	CHECK_ERRNO(statfs("f", (void *)8), EFAULT);
	CHECK_ERRNO(fstatfs(77, &sf), EBADF);
	CHECK(statfs("f", &sf) == 0);
	CHECK_EQ(sf.f_namelen, 255);
	CHECK(sf.f_bsize > 0 && sf.f_blocks >= sf.f_bfree && sf.f_bfree >= sf.f_bavail);
	CHECK(fstatfs(p[0], &sf) == 0);
	CHECK_EQ(sf.f_type, 0x50495045);
	CHECK(statfs("/proc/self/stat", &sf) == 0);
	CHECK_EQ(sf.f_type, 0x9fa0);
	CHECK(fstatfs(socket(AF_UNIX, SOCK_STREAM, 0), &sf) == 0);
	CHECK_EQ(sf.f_type, 0x534F434B);
	CHECK(fstatfs(open("/dev/shm", O_PATH), &sf) == 0);
	CHECK_EQ(sf.f_type, 0x01021994);
}

CASE(blocks_are_counted_as_they_are_written) {
	int fd = make("f", "");
	char b[65536] = {1};
	CHECK_EQ(stat_of("f").st_blocks, 0);
	CHECK(ftruncate(fd, 1 << 24) == 0);
	CHECK(stat_of("f").st_blocks < 64);
	CHECK_EQ(pwrite(fd, b, sizeof b, 1 << 20), sizeof b);
	CHECK(fsync(fd) == 0);
	long n = stat_of("f").st_blocks;
	CHECK(n >= 128 && n < 512);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK_EQ(stat_of("f").st_blocks, 0);
	CHECK(stat_of("f").st_blksize >= 512);
}

MAIN()
