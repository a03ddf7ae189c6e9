#include "files.h"
#include <sys/xattr.h>

CASE(xattr_sizes_and_errors) {
	char b[16] = "";
	close(make("f", ""));
	CHECK(setxattr("f", "user.a", "12345", 5, 0) == 0);
	CHECK_EQ(getxattr("f", "user.a", 0, 0), 5);
	CHECK_ERRNO(getxattr("f", "user.a", b, 4), ERANGE);
	CHECK_EQ(getxattr("f", "user.a", b, 16), 5);
	CHECK(!strcmp(b, "12345"));
	CHECK_ERRNO(getxattr("f", "user.none", b, 16), ENODATA);
	CHECK_ERRNO(getxattr("f", "", b, 16), ERANGE);
	CHECK_ERRNO(getxattr("f", "user.", b, 16), EINVAL);
	CHECK_ERRNO(getxattr("f", "nosuch.a", b, 16), EOPNOTSUPP);
	CHECK_ERRNO(getxattr("f", name_of(256), b, 16), ERANGE);
	CHECK_ERRNO(getxattr("f", (char *)8, b, 16), EFAULT);
	CHECK_ERRNO(getxattr("f", "user.a", (void *)8, 16), EFAULT);
	CHECK_ERRNO(getxattr("none", "user.a", b, 16), ENOENT);
	CHECK_ERRNO(setxattr("f", "user.b", b, 65537, 0), E2BIG);
	CHECK_ERRNO(setxattr("f", "user.b", (void *)8, 5, 0), EFAULT);
	CHECK(setxattr("f", "user.empty", 0, 0, 0) == 0);
	CHECK_EQ(getxattr("f", "user.empty", b, 16), 0);
	CHECK_ERRNO(removexattr("f", "user.none"), ENODATA);
	CHECK(removexattr("f", "user.a") == 0);
	CHECK_ERRNO(getxattr("f", "user.a", b, 16), ENODATA);
}

CASE(xattr_create_and_replace) {
	char b[16] = "";
	int fd = make("f", "");
	CHECK_ERRNO(fsetxattr(fd, "user.a", "1", 1, XATTR_REPLACE), ENODATA);
	CHECK(fsetxattr(fd, "user.a", "1", 1, XATTR_CREATE) == 0);
	CHECK_ERRNO(fsetxattr(fd, "user.a", "22", 2, XATTR_CREATE), EEXIST);
	CHECK(fsetxattr(fd, "user.a", "333", 3, XATTR_REPLACE) == 0);
	CHECK_EQ(fgetxattr(fd, "user.a", b, 16), 3);
	CHECK_ERRNO(fsetxattr(fd, "user.a", "1", 1, 4), EINVAL);
	CHECK_ERRNO(fsetxattr(77, "user.a", "1", 1, 0), EBADF);
	CHECK_ERRNO(fsetxattr(fd, "user.b", "1", 1, XATTR_CREATE | XATTR_REPLACE), ENODATA);
}

CASE(xattr_lists_end_with_zeros) {
	char b[100];
	int fd = make("f", "");
	long none = flistxattr(fd, b, sizeof b);
	CHECK_EQ(none, 0);
	CHECK(fsetxattr(fd, "user.a", "1", 1, 0) == 0);
	CHECK(fsetxattr(fd, "user.bc", "1", 1, 0) == 0);
	CHECK_EQ(flistxattr(fd, 0, 0), 15);
	CHECK_ERRNO(flistxattr(fd, b, 14), ERANGE);
	CHECK_EQ(flistxattr(fd, b, sizeof b), 15);
	CHECK((!strcmp(b, "user.a") && !strcmp(b + 7, "user.bc")) || (!strcmp(b, "user.bc") && !strcmp(b + 8, "user.a")));
	CHECK_ERRNO(flistxattr(fd, (void *)8, 100), EFAULT);
	CHECK_ERRNO(listxattr("none", b, 100), ENOENT);
}

CASE(xattr_of_user_is_for_files_and_directories) {
	char b[8];
	CHECK(symlink("none", "l") == 0);
	CHECK(mkfifo("p", 0666) == 0);
	CHECK(mkdir("d", 0755) == 0);
	CHECK_ERRNO(lsetxattr("l", "user.a", "1", 1, 0), EPERM);
	CHECK_ERRNO(lgetxattr("l", "user.a", b, 8), ENODATA);
	CHECK_ERRNO(setxattr("p", "user.a", "1", 1, 0), EPERM);
	CHECK_ERRNO(getxattr("p", "user.a", b, 8), ENODATA);
	CHECK_ERRNO(setxattr("l", "user.a", "1", 1, 0), ENOENT);
	CHECK(setxattr("d", "user.a", "1", 1, 0) == 0);
	CHECK(lsetxattr("l", "trusted.a", "1", 1, 0) == 0);
	CHECK_EQ(lgetxattr("l", "trusted.a", b, 8), 1);
}

CASE(xattr_permissions) {
	char b[100];
	CHECK(chmod(".", 0755) == 0);
	close(make("f", ""));
	CHECK(mkdir("t", 01777) == 0);
	CHECK(chmod("t", 01777) == 0);
	CHECK(setxattr("f", "user.a", "1", 1, 0) == 0);
	CHECK(setxattr("f", "trusted.a", "1", 1, 0) == 0);
	AS(1000, 1000,
		CHECK_EQ(getxattr("f", "user.a", b, 8), 1);
		CHECK_ERRNO(setxattr("f", "user.a", "1", 1, 0), EACCES);
		CHECK_ERRNO(removexattr("f", "user.a"), EACCES);
		CHECK_ERRNO(getxattr("f", "trusted.a", b, 8), ENODATA);
		CHECK_ERRNO(setxattr("f", "trusted.a", b, 1, 0), EPERM);
		CHECK_ERRNO(setxattr("f", "security.x", b, 1, 0), EPERM);
		// In a sticky directory only the owner of it sets any.
		CHECK_ERRNO(setxattr("t", "user.a", "1", 1, 0), EPERM);
		CHECK_EQ(listxattr("f", b, 100), 7));
	CHECK(chmod("f", 0602) == 0);
	AS(1000, 1000,
		CHECK_ERRNO(getxattr("f", "user.a", b, 8), EACCES);
		CHECK(setxattr("f", "user.a", "22", 2, 0) == 0);
		CHECK_EQ(listxattr("f", b, 100), 7));
}

CASE(xattr_setting_touches_ctime_only) {
	struct timespec old[2] = {{1000, 0}, {2000, 0}};
	int fd = make("f", "");
	CHECK(futimens(fd, old) == 0);
	struct stat a = stat_of("f");
	msleep(12);
	CHECK(fsetxattr(fd, "user.a", "1", 1, 0) == 0);
	struct stat b = stat_of("f");
	CHECK(b.st_ctim.tv_sec > a.st_ctim.tv_sec || b.st_ctim.tv_nsec > a.st_ctim.tv_nsec);
	CHECK_EQ(b.st_mtim.tv_sec, 2000);
	CHECK_EQ(b.st_atim.tv_sec, 1000);
}

CASE(xattrs_belong_to_the_inode) {
	char b[8];
	close(make("f", ""));
	CHECK(setxattr("f", "user.a", "1", 1, 0) == 0);
	CHECK(link("f", "g") == 0);
	CHECK_EQ(getxattr("g", "user.a", b, 8), 1);
	CHECK(rename("g", "h") == 0);
	CHECK(removexattr("h", "user.a") == 0);
	CHECK_ERRNO(getxattr("f", "user.a", b, 8), ENODATA);
	int fd = open("f", O_RDONLY);
	CHECK(unlink("f") == 0);
	CHECK(unlink("h") == 0);
	CHECK(fsetxattr(fd, "user.b", "1", 1, 0) == 0);
	CHECK_EQ(fgetxattr(fd, "user.b", b, 8), 1);
}

MAIN()
