// The flags of inodes (ioctl_iflags(2)) on tmpfs.
#include "mountapi.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

static int flags_of(int fd) {
	int fl = -1;
	CHECK(ioctl(fd, FS_IOC_GETFLAGS, &fl) == 0);
	return fl;
}
static int put(int fd, int fl) { return ioctl(fd, FS_IOC_SETFLAGS, &fl); }

CASE(chattr_keeps_flags) {
	own();
	touch("f");
	int fd = open("f", O_RDONLY);
	CHECK_EQ(flags_of(fd), 0);
	const int all = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL;
	CHECK(put(fd, all) == 0);
	CHECK_EQ(flags_of(fd), all);
	struct fsxattr x;
	CHECK(ioctl(fd, FS_IOC_FSGETXATTR, &x) == 0);
	CHECK_EQ(x.fsx_xflags, FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND | FS_XFLAG_NODUMP | FS_XFLAG_NOATIME);
	struct statx sx;
	CHECK(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &sx) == 0);
	const unsigned long long seen = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP;
	CHECK_EQ(sx.stx_attributes & 0xffff, seen);
	CHECK_EQ(sx.stx_attributes_mask & seen, seen);
	CHECK(put(fd, 0) == 0);
	CHECK_ERRNO(put(fd, FS_SYNC_FL), EOPNOTSUPP);
	CHECK_ERRNO(ioctl(fd, FS_IOC_SETFLAGS, 8), EFAULT);
}

CASE(chattr_append_files_only_grow) {
	own();
	touch("f");
	int fd = open("f", O_RDWR);
	CHECK(put(fd, FS_APPEND_FL) == 0);
	CHECK_ERRNO(ftruncate(fd, 0), EPERM);
	CHECK_ERRNO(truncate("f", 0), EPERM);
	CHECK_ERRNO(open("f", O_RDWR), EPERM);
	CHECK_ERRNO(open("f", O_WRONLY | O_APPEND | O_TRUNC), EPERM);
	int app = open("f", O_WRONLY | O_APPEND);
	CHECK(app >= 0);
	CHECK(write(app, "x", 1) == 1);
	CHECK_ERRNO(fcntl(app, F_SETFL, 0), EPERM);
	CHECK_ERRNO(unlink("f"), EPERM);
	CHECK_ERRNO(rename("f", "g"), EPERM);
	CHECK_ERRNO(link("f", "g"), EPERM);
	CHECK_ERRNO(chmod("f", 0600), EPERM);
	touch("h");
	CHECK_ERRNO(rename("h", "f"), EPERM);
	CHECK(put(fd, 0) == 0);
	CHECK(unlink("f") == 0);
}

CASE(chattr_immutable_files_stay) {
	own();
	touch("f");
	int fd = open("f", O_RDWR);
	CHECK(put(fd, FS_IMMUTABLE_FL) == 0);
	CHECK(write(fd, "x", 1) == 1); // who had it open goes on
	CHECK_ERRNO(open("f", O_RDWR), EPERM);
	CHECK_ERRNO(access("f", W_OK), EPERM);
	CHECK(open("f", O_RDONLY) >= 0);
	CHECK_ERRNO(unlink("f"), EPERM);
	CHECK_ERRNO(utimensat(AT_FDCWD, "f", 0, 0), EPERM);
	CHECK_ERRNO(chown("f", 1, 1), EPERM);
	CHECK(put(fd, 0) == 0);
}

CASE(chattr_directories_keep_their_names) {
	own();
	dir("d"), touch("d/f");
	int fd = open("d", O_RDONLY);
	CHECK(put(fd, FS_IMMUTABLE_FL) == 0);
	CHECK_ERRNO(mkdir("d/x", 0755), EPERM);
	CHECK_ERRNO(open("d/y", O_CREAT | O_RDWR, 0644), EPERM);
	CHECK_ERRNO(unlink("d/f"), EPERM);
	CHECK(open("d/f", O_RDWR) >= 0);
	CHECK(put(fd, FS_APPEND_FL) == 0);
	CHECK(mkdir("d/x", 0755) == 0);
	CHECK_ERRNO(rmdir("d/x"), EPERM);
	CHECK_ERRNO(rename("d/x", "d/y"), EPERM);
	CHECK(put(fd, 0) == 0);
}

CASE(chattr_takes_a_capability) {
	own();
	CHECK(chmod(".", 0777) == 0);
	touch("f");
	int f = open("f", O_RDONLY);
	pid_t pid = fork();
	if (!pid) {
		CHECK(setuid(1234) == 0);
		touch("mine");
		int fd = open("mine", O_RDONLY);
		CHECK(put(fd, FS_NODUMP_FL) == 0);
		CHECK_ERRNO(put(fd, FS_IMMUTABLE_FL), EPERM);
		CHECK_ERRNO(put(f, FS_NODUMP_FL), EPERM);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	int p[2], fl;
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(ioctl(p[0], FS_IOC_GETFLAGS, &fl), ENOTTY);
}

MAIN()
