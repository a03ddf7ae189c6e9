#include "files.h"
#include <sys/sysmacros.h>

CASE(link_errors) {
	close(make("f", "x"));
	CHECK(mkdir("d", 0755) == 0);
	CHECK(symlink("none", "l") == 0);
	CHECK_ERRNO(link("f", "f"), EEXIST);
	CHECK_ERRNO(link("f", "d"), EEXIST);
	CHECK_ERRNO(link("f", "l"), EEXIST);
	CHECK_ERRNO(link("f", "."), EEXIST);
	CHECK_ERRNO(link("f", "/"), EEXIST);
	CHECK_ERRNO(link("d", "e"), EPERM);
	CHECK_ERRNO(link("none", "e"), ENOENT);
	CHECK_ERRNO(link("f", "none/e"), ENOENT);
	CHECK_ERRNO(link("f", "f/e"), ENOTDIR);
	CHECK_ERRNO(link("f/", "e"), ENOTDIR);
	CHECK_ERRNO(link("f", "e/"), ENOENT);
	CHECK_ERRNO(link("f", ""), ENOENT);
	CHECK_ERRNO(link("", "e"), ENOENT);
	CHECK_ERRNO(link("f", name_of(256)), ENAMETOOLONG);
	CHECK_ERRNO(linkat(AT_FDCWD, "f", AT_FDCWD, "e", AT_SYMLINK_NOFOLLOW), EINVAL);
	CHECK_ERRNO(linkat(77, "f", AT_FDCWD, "e", 0), EBADF);
	CHECK_ERRNO(linkat(AT_FDCWD, "f", 77, "e", 0), EBADF);
	CHECK_EQ(stat_of("f").st_nlink, 1);
}

CASE(link_names_symlinks_themselves) {
	close(make("f", "x"));
	CHECK(symlink("f", "l") == 0);
	CHECK(symlink("none", "dangling") == 0);
	CHECK(link("l", "l2") == 0);
	CHECK(S_ISLNK(stat_of("l2").st_mode));
	CHECK_EQ(stat_of("l").st_nlink, 2);
	CHECK(link("dangling", "d2") == 0);
	CHECK(linkat(AT_FDCWD, "l", AT_FDCWD, "f2", AT_SYMLINK_FOLLOW) == 0);
	CHECK_EQ(stat_of("f2").st_ino, stat_of("f").st_ino);
	CHECK_ERRNO(linkat(AT_FDCWD, "dangling", AT_FDCWD, "f3", AT_SYMLINK_FOLLOW), ENOENT);
}

CASE(link_of_a_descriptor) {
	int fd = make("f", "x");
	CHECK(linkat(fd, "", AT_FDCWD, "g", AT_EMPTY_PATH) == 0);
	CHECK_EQ(stat_of("g").st_nlink, 2);
	CHECK_ERRNO(linkat(fd, "", AT_FDCWD, "h", 0), ENOENT);
	CHECK(unlink("f") == 0);
	CHECK(unlink("g") == 0);
	CHECK_ERRNO(linkat(fd, "", AT_FDCWD, "h", AT_EMPTY_PATH), ENOENT);
	int d = open(".", O_RDONLY);
	CHECK_ERRNO(linkat(d, "", AT_FDCWD, "h", AT_EMPTY_PATH), EPERM);
}

CASE(link_is_refused_for_files_of_others_if_protected) {
	CHECK(chmod(".", 0777) == 0);
	close(make("f", "x"));
	char b[2] = "";
	int fd = open("/proc/sys/fs/protected_hardlinks", O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, b, 1), 1);
	AS(1000, 1000,
		if (b[0] == '1') CHECK_ERRNO(link("f", "g"), EPERM);
		else CHECK(link("f", "g") == 0));
	CHECK(chmod("f", 0666) == 0);
	AS(1000, 1000, CHECK(link("f", "h") == 0));
	CHECK(chmod("f", 04777) == 0);
	AS(1000, 1000,
		if (b[0] == '1') CHECK_ERRNO(link("f", "i"), EPERM);
		else CHECK(link("f", "i") == 0));
}

CASE(symlink_errors) {
	close(make("f", "x"));
	CHECK_ERRNO(symlink("", "l"), ENOENT);
	CHECK_ERRNO(symlink("x", ""), ENOENT);
	CHECK_ERRNO(symlink("x", "f"), EEXIST);
	CHECK_ERRNO(symlink("x", "."), EEXIST);
	CHECK_ERRNO(symlink("x", "none/l"), ENOENT);
	CHECK_ERRNO(symlink("x", "f/l"), ENOTDIR);
	CHECK_ERRNO(symlink("x", "l/"), ENOENT);
	CHECK_ERRNO(symlink(name_of(4096), "l"), ENAMETOOLONG);
	CHECK_ERRNO(symlink("x", name_of(256)), ENAMETOOLONG);
	CHECK_ERRNO(symlink((char *)8, "l"), EFAULT);
	CHECK_ERRNO(symlinkat("x", 77, "l"), EBADF);
	CHECK(symlink("x", "l") == 0);
	CHECK_ERRNO(symlink("y", "l"), EEXIST);
}

CASE(symlink_keeps_any_text_up_to_PATH_MAX) {
	char b[5000];
	CHECK(symlink(name_of(4095), "l") == 0);
	CHECK_EQ(stat_of("l").st_size, 4095);
	CHECK_EQ(readlink("l", b, sizeof b), 4095);
	CHECK_EQ(b[4094], 'n');
	CHECK_EQ(stat_of("l").st_mode, S_IFLNK | 0777);
	CHECK(symlink("a//b/../\xff\n/", "m") == 0);
	CHECK_EQ(readlink("m", b, sizeof b), 11);
	CHECK(!memcmp(b, "a//b/../\xff\n/", 11));
	CHECK_ERRNO(open("l", O_RDONLY), ENAMETOOLONG);
}

CASE(readlink_errors_and_cutting) {
	char b[10] = "zzzzzzzzz";
	CHECK(symlink("target", "l") == 0);
	close(make("f", ""));
	CHECK_EQ(readlink("l", b, 3), 3);
	CHECK(!strcmp(b, "tarzzzzzz"));
	CHECK_ERRNO(syscall(SYS_readlink, "l", b, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_readlink, "l", b, -1), EINVAL);
	CHECK_ERRNO(readlink("f", b, 3), EINVAL);
	CHECK_ERRNO(readlink(".", b, 3), EINVAL);
	CHECK_ERRNO(readlink("", b, 3), ENOENT);
	CHECK_ERRNO(readlink("l/", b, 3), ENOENT);
	CHECK_ERRNO(readlink("f/", b, 3), ENOTDIR);
	CHECK_ERRNO(readlink("l", (char *)8, 3), EFAULT);
	int fd = open("f", O_RDONLY);
	CHECK_ERRNO(readlinkat(fd, "", b, 3), ENOENT);
	CHECK_ERRNO(readlinkat(fd, "l", b, 3), ENOTDIR);
	CHECK_ERRNO(readlinkat(77, "l", b, 3), EBADF);
}

CASE(links_are_followed_40_times_and_no_more) {
	char from[8], to[8] = "f";
	close(make("f", "x"));
	for (int i = 1; i <= 41; i++) {
		snprintf(from, sizeof from, "l%d", i);
		CHECK(symlink(to, from) == 0);
		strcpy(to, from);
	}
	CHECK(open("l40", O_RDONLY) >= 0);
	CHECK_ERRNO(open("l41", O_RDONLY), ELOOP);
	CHECK(open("l41", O_PATH | O_NOFOLLOW) >= 0);
	CHECK_ERRNO(truncate("l41", 0), ELOOP);
	// Those of directories on the way count too.
	CHECK(symlink(".", "dot") == 0);
	char path[200] = "";
	for (int i = 0; i < 40; i++) strcat(path, "dot/");
	CHECK(open(path, O_RDONLY) >= 0);
	strcat(path, "dot/");
	CHECK_ERRNO(open(path, O_RDONLY), ELOOP);
}

CASE(mkdir_errors) {
	close(make("f", ""));
	CHECK(mkdir("d", 0755) == 0);
	CHECK(symlink("none", "l") == 0);
	CHECK_ERRNO(mkdir("d", 0755), EEXIST);
	CHECK_ERRNO(mkdir("d/", 0755), EEXIST);
	CHECK_ERRNO(mkdir("f", 0755), EEXIST);
	CHECK_ERRNO(mkdir("f/", 0755), EEXIST);
	CHECK_ERRNO(mkdir("l", 0755), EEXIST);
	CHECK_ERRNO(mkdir("l/", 0755), EEXIST);
	CHECK_ERRNO(mkdir(".", 0755), EEXIST);
	CHECK_ERRNO(mkdir("d/..", 0755), EEXIST);
	CHECK_ERRNO(mkdir("/", 0755), EEXIST);
	CHECK_ERRNO(mkdir("", 0755), ENOENT);
	CHECK_ERRNO(mkdir("none/d", 0755), ENOENT);
	CHECK_ERRNO(mkdir("new/.", 0755), ENOENT);
	CHECK_ERRNO(mkdir("f/d", 0755), ENOTDIR);
	CHECK_ERRNO(mkdir(name_of(256), 0755), ENAMETOOLONG);
	CHECK_ERRNO(mkdir((char *)8, 0755), EFAULT);
	CHECK_ERRNO(mkdirat(77, "x", 0755), EBADF);
	CHECK(mkdir("new//", 0755) == 0);
}

CASE(mkdir_keeps_nine_bits_and_the_sticky_one) {
	umask(0);
	CHECK(mkdir("d", 07777) == 0);
	CHECK_EQ(stat_of("d").st_mode, S_IFDIR | 01777);
	umask(027);
	CHECK(mkdir("e", 0777) == 0);
	CHECK_EQ(stat_of("e").st_mode, S_IFDIR | 0750);
	CHECK(mkdir("g", 0) == 0);
	CHECK_EQ(stat_of("g").st_mode, S_IFDIR);
	CHECK_EQ(stat_of("d").st_nlink, 2);
	CHECK(mkdir("d/e", 0) == 0);
	CHECK_EQ(stat_of("d").st_nlink, 3);
	CHECK(rmdir("d/e") == 0);
	CHECK_EQ(stat_of("d").st_nlink, 2);
}

CASE(rmdir_errors) {
	close(make("f", ""));
	CHECK(mkdir("d", 0755) == 0);
	CHECK(mkdir("d/e", 0755) == 0);
	CHECK(symlink("d", "l") == 0);
	CHECK_ERRNO(rmdir("l"), ENOTDIR);
	CHECK_ERRNO(rmdir("l/"), ENOTDIR);
	CHECK_ERRNO(rmdir("f/"), ENOTDIR);
	CHECK_ERRNO(rmdir("d/e/.."), ENOTEMPTY);
	CHECK_ERRNO(rmdir("d/e/."), EINVAL);
	CHECK_ERRNO(rmdir("."), EINVAL);
	CHECK_ERRNO(rmdir(".."), ENOTEMPTY);
	CHECK_ERRNO(rmdir("/"), EBUSY);
	CHECK_ERRNO(rmdir(""), ENOENT);
	CHECK_ERRNO(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR), ENOTDIR);
	CHECK_ERRNO(unlinkat(AT_FDCWD, "d", 0), EISDIR);
	CHECK_ERRNO(unlinkat(AT_FDCWD, "f", AT_SYMLINK_FOLLOW), EINVAL);
	CHECK_ERRNO(unlinkat(77, "f", 0), EBADF);
	CHECK(rmdir("l/e/") == 0);
}

CASE(rmdir_leaves_a_dead_directory_to_who_is_in_it) {
	CHECK(mkdir("d", 0755) == 0);
	int fd = open("d", O_RDONLY);
	close(make("f", ""));
	CHECK(chdir("d") == 0);
	CHECK(rmdir("../d") == 0);
	char b[1000];
	CHECK_ERRNO(open("x", O_CREAT | O_RDWR, 0600), ENOENT);
	CHECK_ERRNO(mkdir("x", 0700), ENOENT);
	CHECK_ERRNO(symlink("x", "y"), ENOENT);
	CHECK_ERRNO(link("../f", "y"), ENOENT);
	CHECK_ERRNO(rename("../f", "y"), ENOENT);
	CHECK_ERRNO(syscall(SYS_getcwd, b, sizeof b), ENOENT);
	CHECK_ERRNO(syscall(SYS_getdents64, fd, b, sizeof b), ENOENT);
	CHECK(open(".", O_RDONLY) >= 0);
	CHECK_EQ(stat_of(".").st_nlink, 0);
	CHECK(chdir("..") == 0);
	CHECK_ERRNO(access("d", F_OK), ENOENT);
}

CASE(unlink_errors) {
	close(make("f", ""));
	CHECK(mkdir("d", 0755) == 0);
	CHECK(symlink("d", "l") == 0);
	CHECK_ERRNO(unlink("f/"), ENOTDIR);
	CHECK_ERRNO(unlink("d/"), EISDIR);
	CHECK_ERRNO(unlink("l/"), ENOTDIR);
	CHECK_ERRNO(unlink("."), EISDIR);
	CHECK_ERRNO(unlink(".."), EISDIR);
	CHECK_ERRNO(unlink("/"), EISDIR);
	CHECK_ERRNO(unlink("none/"), ENOENT);
	CHECK_ERRNO(unlink("f/x"), ENOTDIR);
	CHECK_ERRNO(unlink(""), ENOENT);
	CHECK_ERRNO(unlink(name_of(256)), ENAMETOOLONG);
	CHECK_ERRNO(unlink((char *)8), EFAULT);
	CHECK(unlink("l") == 0);
	CHECK_EQ(stat_of("d").st_nlink, 2);
}

CASE(unlink_needs_to_write_the_directory_not_the_file) {
	CHECK(chmod(".", 0777) == 0);
	CHECK(mkdir("d", 0755) == 0);
	close(make("d/f", ""));
	close(make("g", ""));
	CHECK(chmod("g", 0) == 0);
	CHECK(chmod("d/f", 0777) == 0);
	AS(1000, 1000,
		CHECK_ERRNO(unlink("d/f"), EACCES);
		CHECK_ERRNO(unlink("d/none"), ENOENT);
		CHECK_ERRNO(mkdir("d/new", 0700), EACCES);
		CHECK_ERRNO(mkdir("d/f", 0700), EEXIST);
		CHECK_ERRNO(open("d/new", O_CREAT | O_RDWR, 0600), EACCES);
		CHECK(open("d/f", O_CREAT | O_RDWR, 0600) >= 0);
		CHECK(unlink("g") == 0));
}

CASE(mknod_makes_each_kind) {
	umask(0);
	CHECK(mknod("f", 0640, 0) == 0);
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 0640);
	CHECK(mknod("f2", S_IFREG | 06755, 0) == 0);
	CHECK_EQ(stat_of("f2").st_mode, S_IFREG | 06755);
	CHECK(mknod("p", S_IFIFO | 0600, 0) == 0);
	CHECK_EQ(stat_of("p").st_mode, S_IFIFO | 0600);
	CHECK(mknod("s", S_IFSOCK | 0600, 0) == 0);
	CHECK_EQ(stat_of("s").st_mode, S_IFSOCK | 0600);
	CHECK(mknod("c", S_IFCHR | 0600, makedev(300, 70000)) == 0);
	CHECK_EQ(stat_of("c").st_rdev, makedev(300, 70000));
	CHECK(mknod("b", S_IFBLK | 0600, makedev(7, 3)) == 0);
	CHECK_EQ(stat_of("b").st_mode, S_IFBLK | 0600);
	CHECK_ERRNO(mknod("d", S_IFDIR | 0700, 0), EPERM);
	CHECK_ERRNO(mknod("l", S_IFLNK | 0700, 0), EINVAL);
	CHECK_ERRNO(mknod("x", 0110000 | 0700, 0), EINVAL);
	CHECK_ERRNO(mknod("f", S_IFREG | 0600, 0), EEXIST);
	CHECK_ERRNO(mknod("none/f", S_IFREG | 0600, 0), ENOENT);
	CHECK_ERRNO(mknod("new/", S_IFREG | 0600, 0), ENOENT);
}

CASE(mknod_of_devices_is_for_root) {
	CHECK(chmod(".", 0777) == 0);
	AS(1000, 1000,
		CHECK_ERRNO(mknod("c", S_IFCHR | 0600, makedev(1, 3)), EPERM);
		CHECK_ERRNO(mknod("b", S_IFBLK | 0600, makedev(7, 0)), EPERM);
		CHECK(mknod("whiteout", S_IFCHR, 0) == 0);
		CHECK(mknod("f", S_IFREG | 0600, 0) == 0);
		CHECK(mkfifo("p", 0600) == 0));
	CHECK_EQ(stat_of("p").st_uid, 1000);
}

CASE(setgid_directories_hand_their_group_down) {
	CHECK(chmod(".", 0777) == 0);
	CHECK(mkdir("d", 0777) == 0);
	CHECK(chown("d", 0, 500) == 0);
	CHECK(chmod("d", 02777) == 0);
	umask(0);
	AS(1000, 1000,
		umask(0);
		CHECK(mkdir("d/e", 0755) == 0);
		CHECK(open("d/f", O_CREAT | O_RDWR, 02755) >= 0);
		CHECK(open("d/g", O_CREAT | O_RDWR, 02745) >= 0);
		CHECK(mknod("d/p", S_IFIFO | 0600, 0) == 0);
		CHECK(symlink("x", "d/l") == 0);
		CHECK(open("d", O_TMPFILE | O_RDWR, 0600) >= 0));
	CHECK_EQ(stat_of("d/e").st_gid, 500);
	CHECK_EQ(stat_of("d/e").st_mode, S_IFDIR | 02755);
	CHECK_EQ(stat_of("d/f").st_gid, 500);
	// Who is not of the group makes no programs of it.
	CHECK_EQ(stat_of("d/f").st_mode, S_IFREG | 0755);
	CHECK_EQ(stat_of("d/g").st_mode, S_IFREG | 02745);
	CHECK_EQ(stat_of("d/p").st_gid, 500);
	CHECK_EQ(stat_of("d/l").st_gid, 500);
	CHECK_EQ(stat_of("d/l").st_uid, 1000);
	AS(1000, 500,
		umask(0);
		CHECK(open("d/h", O_CREAT | O_RDWR, 02755) >= 0));
	CHECK_EQ(stat_of("d/h").st_mode, S_IFREG | 02755);
}

CASE(names_are_bytes_up_to_NAME_MAX) {
	CHECK(mkdir(name_of(255), 0755) == 0);
	CHECK_ERRNO(access(name_of(256), F_OK), ENAMETOOLONG);
	CHECK(rmdir(name_of(255)) == 0);
	for (int c = 1; c < 256; c++) {
		char n[] = {'x', c, 0};
		if (c == '/') continue;
		CHECK(mkdir(n, 0755) == 0);
		CHECK_ERRNO(mkdir(n, 0755), EEXIST);
	}
	CHECK(mkdir("...", 0755) == 0);
	CHECK(mkdir(".../ ", 0755) == 0);
}

CASE(paths_are_shorter_than_PATH_MAX) {
	char path[5000] = "";
	for (int i = 0; i < 2046; i++) strcat(path, "./");
	strcpy(path + 4092, "f");
	close(make("f", "x"));
	CHECK_EQ(strlen(path), 4093);
	CHECK(open(path, O_RDONLY) >= 0);
	strcpy(path + 4092, "../");
	CHECK_EQ(strlen(path), 4095);
	CHECK(open(path, O_RDONLY) >= 0);
	strcpy(path + 4092, ".././");
	CHECK_ERRNO(open(path, O_RDONLY), ENAMETOOLONG);
	memset(path, '/', sizeof path);
	path[4095] = 0;
	CHECK(open(path, O_RDONLY) >= 0);
	path[4095] = '/';
	path[4096] = 0;
	CHECK_ERRNO(open(path, O_RDONLY), ENAMETOOLONG);
}

CASE(directories_nest_deeper_than_PATH_MAX) {
	char b[8192];
	for (int i = 0; i < 20; i++) {
		CHECK(mkdir(name_of(250), 0755) == 0);
		CHECK(chdir(name_of(250)) == 0);
	}
	close(make("f", "deep"));
	CHECK(!strcmp(contents("f"), "deep"));
	CHECK_ERRNO(syscall(SYS_getcwd, b, sizeof b), ENAMETOOLONG);
	CHECK(unlink("f") == 0);
	for (int i = 0; i < 20; i++) {
		CHECK(chdir("..") == 0);
		CHECK(rmdir(name_of(250)) == 0);
	}
}

MAIN()
