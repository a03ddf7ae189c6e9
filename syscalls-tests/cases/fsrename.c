#include "files.h"
#include <sched.h>
#include <sys/mount.h>

CASE(rename_of_two_names_of_one_file_does_nothing) {
	close(make("a", "x"));
	CHECK(link("a", "b") == 0);
	CHECK(rename("a", "b") == 0);
	CHECK_EQ(stat_of("a").st_nlink, 2);
	CHECK_EQ(stat_of("a").st_ino, stat_of("b").st_ino);
	CHECK(rename("a", "a") == 0);
	CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "a", RENAME_NOREPLACE), EEXIST);
	CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "a", RENAME_EXCHANGE) == 0);
}

CASE(rename_replaces_an_empty_directory) {
	CHECK(mkdir("a", 0755) == 0);
	CHECK(mkdir("b", 0755) == 0);
	close(make("a/f", "x"));
	ino_t ino = stat_of("a").st_ino;
	int old = open("b", O_RDONLY);
	CHECK(rename("a", "b/") == 0);
	CHECK_EQ(stat_of("b").st_ino, ino);
	CHECK(!strcmp(contents("b/f"), "x"));
	CHECK_ERRNO(openat(old, "new", O_CREAT | O_RDWR, 0600), ENOENT);
	struct stat st;
	CHECK(fstat(old, &st) == 0);
	CHECK_EQ(st.st_nlink, 0);
}

CASE(rename_with_trailing_slashes_is_for_directories) {
	CHECK(mkdir("d", 0755) == 0);
	close(make("f", "x"));
	CHECK_ERRNO(rename("f", "new/"), ENOTDIR);
	CHECK_ERRNO(rename("f/", "new"), ENOTDIR);
	CHECK_ERRNO(rename("f/", "d"), ENOTDIR);
	CHECK(rename("d/", "e//") == 0);
	CHECK(symlink("e", "l") == 0);
	CHECK_ERRNO(rename("l/", "m"), ENOTDIR);
	CHECK(rename("l", "m") == 0);
	CHECK(S_ISLNK(stat_of("m").st_mode));
	CHECK_ERRNO(rename("e", "m/"), ENOTDIR);
}

CASE(rename_moves_links_not_what_they_name) {
	close(make("f", "x"));
	CHECK(symlink("f", "l") == 0);
	CHECK(symlink("none", "dangling") == 0);
	CHECK(rename("l", "dangling") == 0);
	CHECK_ERRNO(readlink("l", (char[8]){0}, 8), ENOENT);
	CHECK(!strcmp(contents("dangling"), "x"));
	CHECK(rename("f", "dangling") == 0);
	CHECK(S_ISREG(stat_of("dangling").st_mode));
	CHECK_ERRNO(access("none", F_OK), ENOENT);
}

CASE(rename_of_dots_gives_EBUSY) {
	CHECK(mkdir("d", 0755) == 0);
	CHECK_ERRNO(rename(".", "x"), EBUSY);
	CHECK_ERRNO(rename("d/.", "x"), EBUSY);
	CHECK_ERRNO(rename("d/..", "x"), EBUSY);
	CHECK_ERRNO(rename("d", ".."), EBUSY);
	CHECK_ERRNO(rename("/", "x"), EBUSY);
	CHECK_ERRNO(rename("d", "/"), EBUSY);
	CHECK_ERRNO(renameat2(AT_FDCWD, "d", AT_FDCWD, "..", RENAME_NOREPLACE), EEXIST);
}

CASE(rename_onto_what_holds_it_gives_ENOTEMPTY) {
	CHECK(mkdir("d", 0755) == 0);
	CHECK(mkdir("d/e", 0755) == 0);
	close(make("d/e/f", ""));
	CHECK_ERRNO(rename("d/e", "d"), ENOTEMPTY);
	CHECK_ERRNO(rename("d/e/f", "d"), ENOTEMPTY);
	CHECK_ERRNO(rename("d", "d/e"), EINVAL);
	CHECK(rename("d", "d") == 0);
	CHECK_ERRNO(rename("d", "d/new"), EINVAL);
}

CASE(rename_exchanges_files_with_directories) {
	CHECK(mkdir("d", 0755) == 0);
	CHECK(mkdir("d/sub", 0755) == 0);
	close(make("f", "x"));
	CHECK(mkdir("p", 0755) == 0);
	CHECK(renameat2(AT_FDCWD, "f", AT_FDCWD, "d/sub", RENAME_EXCHANGE) == 0);
	CHECK(S_ISDIR(stat_of("f").st_mode));
	CHECK(S_ISREG(stat_of("d/sub").st_mode));
	CHECK(symlink("none", "l") == 0);
	CHECK(renameat2(AT_FDCWD, "l", AT_FDCWD, "d/sub", RENAME_EXCHANGE) == 0);
	CHECK(S_ISLNK(stat_of("d/sub").st_mode));
	CHECK_ERRNO(renameat2(AT_FDCWD, "d", AT_FDCWD, "d/sub", RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO(renameat2(AT_FDCWD, "d/sub", AT_FDCWD, "d", RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO(renameat2(AT_FDCWD, "none", AT_FDCWD, "d", RENAME_EXCHANGE), ENOENT);
	CHECK_ERRNO(renameat2(AT_FDCWD, "d", AT_FDCWD, "p", RENAME_EXCHANGE | RENAME_WHITEOUT), EINVAL);
}

CASE(rename_counts_the_links_of_parents) {
	CHECK(mkdir("a", 0755) == 0);
	CHECK(mkdir("b", 0755) == 0);
	CHECK(mkdir("a/d", 0755) == 0);
	CHECK_EQ(stat_of("a").st_nlink, 3);
	CHECK(rename("a/d", "b/d") == 0);
	CHECK_EQ(stat_of("a").st_nlink, 2);
	CHECK_EQ(stat_of("b").st_nlink, 3);
	CHECK(mkdir("a/d", 0755) == 0);
	CHECK(rename("a/d", "b/d") == 0);
	CHECK_EQ(stat_of("a").st_nlink, 2);
	CHECK_EQ(stat_of("b").st_nlink, 3);
	close(make("f", ""));
	CHECK(renameat2(AT_FDCWD, "b/d", AT_FDCWD, "f", RENAME_EXCHANGE) == 0);
	CHECK_EQ(stat_of("b").st_nlink, 2);
}

CASE(rename_between_file_systems_gives_EXDEV) {
	char shm[64];
	snprintf(shm, sizeof shm, "/dev/shm/case%d", getpid());
	close(make("f", "x"));
	CHECK_ERRNO(rename("f", shm), EXDEV);
	CHECK_ERRNO(link("f", shm), EXDEV);
	CHECK_ERRNO(rename("none", shm), EXDEV);
	CHECK_ERRNO(rename("f", "/proc/self/x"), EXDEV);
	CHECK(!strcmp(contents("f"), "x"));
}

CASE(rename_over_an_open_file_leaves_it_to_who_has_it) {
	int fd = make("b", "old");
	close(make("a", "new"));
	CHECK(rename("a", "b") == 0);
	char b[4] = "";
	CHECK_EQ(pread(fd, b, 3, 0), 3);
	CHECK(!strcmp(b, "old"));
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_nlink, 0);
	char proc[40], l[300] = "";
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	CHECK(readlink(proc, l, sizeof l - 1) > 0);
	CHECK(strstr(l, "/b (deleted)"));
}

CASE(rename_needs_to_write_both_directories) {
	CHECK(chmod(".", 0755) == 0);
	for (int i = 0; i < 2; i++) CHECK(mkdir(i ? "mine" : "roots", 0755) == 0);
	CHECK(chown("mine", 1000, 1000) == 0);
	close(make("roots/f", ""));
	close(make("mine/f", ""));
	CHECK(mkdir("mine/d", 0755) == 0);
	CHECK(mkdir("mine/to", 0777) == 0);
	CHECK(chmod("mine/to", 0777) == 0);
	AS(1000, 1000,
		CHECK_ERRNO(rename("mine/f", "roots/g"), EACCES);
		CHECK_ERRNO(rename("roots/f", "mine/g"), EACCES);
		CHECK_ERRNO(rename("roots/f", "roots/g"), EACCES);
		CHECK(rename("mine/f", "mine/g") == 0);
		CHECK(rename("mine/g", "mine/to/g") == 0);
		// A directory that moves has its ".." rewritten.
		CHECK_ERRNO(rename("mine/d", "mine/to/d"), EACCES);
		CHECK(rename("mine/d", "mine/e") == 0));
}

CASE(rename_in_a_sticky_directory_is_for_owners) {
	CHECK(chmod(".", 0755) == 0);
	CHECK(mkdir("t", 0777) == 0);
	CHECK(chmod("t", 01777) == 0);
	close(make("t/roots", "r"));
	close(make("t/mine", "m"));
	CHECK(chown("t/mine", 1000, 1000) == 0);
	AS(1000, 1000,
		CHECK_ERRNO(rename("t/roots", "t/x"), EPERM);
		CHECK_ERRNO(rename("t/mine", "t/roots"), EPERM);
		CHECK_ERRNO(renameat2(AT_FDCWD, "t/mine", AT_FDCWD, "t/roots", RENAME_EXCHANGE), EPERM);
		CHECK_ERRNO(unlink("t/roots"), EPERM);
		CHECK(rename("t/mine", "t/x") == 0));
	CHECK(chown("t", 1000, 0) == 0);
	AS(1000, 1000, CHECK(unlink("t/roots") == 0));
}

CASE(rename_takes_the_working_directory_along) {
	char was[PATH_MAX], is[PATH_MAX];
	CHECK(mkdir("a", 0755) == 0);
	CHECK(mkdir("b", 0755) == 0);
	CHECK(mkdir("a/d", 0755) == 0);
	CHECK(getcwd(was, sizeof was) != 0);
	CHECK(chdir("a/d") == 0);
	CHECK(rename("../../a/d", "../../b/e") == 0);
	CHECK(getcwd(is, sizeof is) != 0);
	CHECK(!strcmp(is + strlen(was), "/b/e"));
	CHECK_EQ(stat_of("..").st_ino, stat_of("../../b").st_ino);
}

CASE(rename_path_errors) {
	close(make("f", "x"));
	CHECK_ERRNO(rename("", "x"), ENOENT);
	CHECK_ERRNO(rename("f", ""), ENOENT);
	CHECK_ERRNO(rename("none/f", "x"), ENOENT);
	CHECK_ERRNO(rename("f", "none/x"), ENOENT);
	CHECK_ERRNO(rename("f/x", "x"), ENOTDIR);
	CHECK_ERRNO(rename("f", "f/x"), ENOTDIR);
	CHECK_ERRNO(rename("f", name_of(256)), ENAMETOOLONG);
	CHECK_ERRNO(rename(name_of(256), "f"), ENAMETOOLONG);
	CHECK_ERRNO(rename(name_of(4096), "f"), ENAMETOOLONG);
	CHECK_ERRNO(rename("f", (char *)8), EFAULT);
	CHECK_ERRNO(rename((char *)8, "f"), EFAULT);
	CHECK_ERRNO(renameat(77, "f", AT_FDCWD, "g"), EBADF);
	CHECK_ERRNO(renameat(AT_FDCWD, "f", 77, "g"), EBADF);
	int fd = open("f", O_RDONLY);
	CHECK_ERRNO(renameat(AT_FDCWD, "f", fd, "g"), ENOTDIR);
	CHECK(symlink("m", "l") == 0);
	CHECK(symlink("l", "m") == 0);
	CHECK_ERRNO(rename("f", "l/x"), ELOOP);
}

CASE(rename_and_removal_leave_mount_points_alone) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("m", 0755) == 0);
	CHECK(mkdir("d", 0755) == 0);
	CHECK(mount("none", "m", "tmpfs", 0, 0) == 0);
	CHECK_ERRNO(rename("m", "n"), EBUSY);
	CHECK_ERRNO(rename("d", "m"), EBUSY);
	CHECK_ERRNO(rmdir("m"), EBUSY);
	CHECK_ERRNO(unlink("m"), EISDIR);
	CHECK_ERRNO(rename("d", "m/d"), EXDEV);
	CHECK(umount("m") == 0);
	CHECK(rename("d", "m") == 0);
	CHECK(rmdir("m") == 0);
}

MAIN()
