#include "files.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

// tmpfs mounts one at "m" in a namespace of its own, filled with a file, a directory and a device, and
// then gives it flags.
static void tmpfs(unsigned long flags) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("m", 0755) == 0);
	CHECK(mount("none", "m", "tmpfs", 0, 0) == 0);
	close(make("m/f", "abc"));
	CHECK(mkdir("m/d", 0755) == 0);
	CHECK(mknod("m/null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	CHECK(mkfifo("m/p", 0666) == 0);
	CHECK(mount(0, "m", 0, MS_REMOUNT | MS_BIND | flags, 0) == 0);
}

CASE(mount_read_only_gives_EROFS_to_all_who_change) {
	tmpfs(MS_RDONLY);
	CHECK_ERRNO(open("m/f", O_WRONLY), EROFS);
	CHECK_ERRNO(open("m/f", O_RDONLY | O_TRUNC), EROFS);
	CHECK_ERRNO(open("m/new", O_CREAT | O_RDWR, 0600), EROFS);
	CHECK_ERRNO(open("m/f", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	CHECK(open("m/f", O_CREAT | O_RDONLY, 0600) >= 0);
	CHECK_ERRNO(open("m", O_TMPFILE | O_RDWR, 0600), EROFS);
	CHECK_ERRNO(unlink("m/f"), EROFS);
	CHECK_ERRNO(rmdir("m/d"), EROFS);
	CHECK_ERRNO(mkdir("m/new", 0700), EROFS);
	CHECK_ERRNO(mkdir("m/d", 0700), EEXIST);
	CHECK_ERRNO(symlink("x", "m/l"), EROFS);
	CHECK_ERRNO(mknod("m/n", S_IFREG | 0600, 0), EROFS);
	CHECK_ERRNO(link("m/f", "m/g"), EROFS);
	CHECK_ERRNO(rename("m/f", "m/g"), EROFS);
	CHECK_ERRNO(chmod("m/f", 0600), EROFS);
	CHECK_ERRNO(chown("m/f", 0, 0), EROFS);
	CHECK_ERRNO(truncate("m/f", 0), EROFS);
	CHECK_ERRNO(utimensat(AT_FDCWD, "m/f", 0, 0), EROFS);
	CHECK_ERRNO(setxattr("m/f", "trusted.x", "1", 1, 0), EROFS);
	CHECK_ERRNO(access("m/f", W_OK), EROFS);
	CHECK(access("m/f", R_OK) == 0);
	CHECK_ERRNO(unlink("m/none"), EROFS);
	CHECK_ERRNO(fchmod(open("m/f", O_RDONLY), 0600), EROFS);
}

CASE(mount_read_only_lets_devices_and_fifos_be_written) {
	tmpfs(MS_RDONLY);
	CHECK_EQ(write(open("m/null", O_RDWR), "x", 1), 1);
	int p = open("m/p", O_RDWR);
	CHECK(p >= 0);
	CHECK_EQ(write(p, "x", 1), 1);
	CHECK(access("m/null", W_OK) == 0);
	CHECK(access("m/p", W_OK) == 0);
	CHECK_ERRNO(access("m/d", W_OK), EROFS);
}

CASE(mount_goes_read_only_only_without_writers) {
	tmpfs(0);
	int fd = open("m/f", O_RDWR);
	CHECK_ERRNO(mount(0, "m", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0), EBUSY);
	CHECK_ERRNO(umount("m"), EBUSY);
	close(fd);
	CHECK(mount(0, "m", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0) == 0);
	struct statvfs v;
	CHECK(statvfs("m", &v) == 0);
	CHECK(v.f_flag & ST_RDONLY);
	CHECK(umount("m") == 0);
	CHECK_ERRNO(umount("m"), EINVAL);
}

CASE(mount_nodev_opens_no_devices) {
	tmpfs(MS_NODEV);
	CHECK_ERRNO(open("m/null", O_RDWR), EACCES);
	CHECK(open("m/null", O_PATH) >= 0);
	CHECK(access("m/null", R_OK) == 0);
	CHECK(open("m/p", O_RDWR) >= 0);
}

CASE(mount_noexec_runs_nothing) {
	tmpfs(MS_NOEXEC);
	CHECK_EQ(system("cp /bin/true m/true"), 0);
	CHECK_ERRNO(access("m/true", X_OK), EACCES);
	CHECK(access("m/d", X_OK) == 0);
	CHECK_ERRNO(execl("m/true", "true", (char *)0), EACCES);
}

CASE(mount_nosymfollow_follows_no_links) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("m", 0755) == 0);
	CHECK(mount("none", "m", "tmpfs", 256 /* MS_NOSYMFOLLOW */, 0) == 0);
	close(make("m/f", ""));
	CHECK(symlink("f", "m/l") == 0);
	CHECK(symlink("m/f", "l") == 0);
	char b[4];
	CHECK_ERRNO(open("m/l", O_RDONLY), ELOOP);
	CHECK(open("l", O_RDONLY) >= 0);
	CHECK_EQ(readlink("m/l", b, 4), 1);
}

CASE(mount_noatime_keeps_atime) {
	struct timespec old[2] = {{1000, 0}, {2000, 0}};
	tmpfs(MS_NOATIME);
	CHECK(utimensat(AT_FDCWD, "m/f", old, 0) == 0);
	CHECK(!strcmp(contents("m/f"), "abc"));
	CHECK_EQ(stat_of("m/f").st_atim.tv_sec, 1000);
}

CASE(tmpfs_of_a_size_fills_up) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("m", 0755) == 0);
	CHECK(mount("none", "m", "tmpfs", 0, "size=16k,nr_inodes=4") == 0);
	char b[32768] = "";
	int fd = open("m/f", O_CREAT | O_RDWR, 0600);
	CHECK_EQ(write(fd, b, sizeof b), 16384);
	CHECK_ERRNO(write(fd, b, 1), ENOSPC);
	CHECK_ERRNO(fallocate(fd, 0, 0, 32768), ENOSPC);
	CHECK_EQ(pwrite(fd, b, 100, 0), 100);
	CHECK(ftruncate(fd, 1 << 20) == 0);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK_EQ(write(fd, b, 4096), 4096);
	CHECK(mkdir("m/a", 0755) == 0);
	CHECK(mkdir("m/b", 0755) == 0);
	CHECK_ERRNO(mkdir("m/c", 0755), ENOSPC);
	CHECK_ERRNO(open("m/g", O_CREAT | O_RDWR, 0600), ENOSPC);
	CHECK(rmdir("m/a") == 0);
	CHECK(mkdir("m/c", 0755) == 0);
}

// protected is the value of a file of /proc/sys/fs.
static int protected(const char *what) {
	char path[100], b[4] = "";
	snprintf(path, sizeof path, "/proc/sys/fs/protected_%s", what);
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	CHECK(read(fd, b, 3) > 0);
	return atoi(b);
}

// sticky leaves a directory "t" for all to write, root's and sticky.
static void sticky(void) {
	CHECK(chmod(".", 0755) == 0);
	CHECK(mkdir("t", 0777) == 0);
	CHECK(chmod("t", 01777) == 0);
}

CASE(protected_symlinks_of_others_are_not_followed) {
	sticky();
	close(make("f", "x"));
	CHECK(symlink("../f", "t/roots") == 0);
	CHECK(symlink("../f", "t/mine") == 0);
	CHECK(symlink("../f", "t/others") == 0);
	CHECK(lchown("t/mine", 1000, 1000) == 0);
	CHECK(lchown("t/others", 1001, 1001) == 0);
	AS(1000, 1000,
		CHECK(open("t/roots", O_RDONLY) >= 0);
		CHECK(open("t/mine", O_RDONLY) >= 0);
		if (protected("symlinks")) CHECK_ERRNO(open("t/others", O_RDONLY), EACCES);
		else CHECK(open("t/others", O_RDONLY) >= 0));
	// Root is no exception.
	if (protected("symlinks")) CHECK_ERRNO(open("t/others", O_RDONLY), EACCES);
	CHECK(chmod("t", 0777) == 0);
	AS(1000, 1000, CHECK(open("t/others", O_RDONLY) >= 0));
}

CASE(protected_files_and_fifos_are_not_opened_by_O_CREAT) {
	sticky();
	close(make("t/f", "x"));
	CHECK(mkfifo("t/p", 0666) == 0);
	CHECK(chmod("t/f", 0666) == 0);
	CHECK(chmod("t/p", 0666) == 0);
	CHECK(chown("t/f", 1001, 1001) == 0);
	CHECK(chown("t/p", 1001, 1001) == 0);
	AS(1000, 1000,
		if (protected("regular")) CHECK_ERRNO(open("t/f", O_CREAT | O_RDWR, 0600), EACCES);
		else CHECK(open("t/f", O_CREAT | O_RDWR, 0600) >= 0);
		if (protected("fifos")) CHECK_ERRNO(open("t/p", O_CREAT | O_RDWR, 0600), EACCES);
		else CHECK(open("t/p", O_CREAT | O_RDWR, 0600) >= 0);
		CHECK(open("t/f", O_RDWR) >= 0);
		CHECK(open("t/p", O_RDWR) >= 0));
	AS(1001, 1001, CHECK(open("t/f", O_CREAT | O_RDWR, 0600) >= 0));
}

MAIN()
