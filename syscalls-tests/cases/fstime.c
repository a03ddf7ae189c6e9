#include "files.h"
#include <sys/mman.h>
#include <sys/time.h>
#include <utime.h>

static const struct timespec old[2] = {{1000, 1}, {2000, 2}};

// age gives name times long past.
static void age(const char *name) { CHECK(utimensat(AT_FDCWD, name, old, AT_SYMLINK_NOFOLLOW) == 0); }

// tick waits until the clock of files has moved on.
static struct timespec tick(void) {
	struct timespec ts;
	msleep(12);
	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return ts;
}

static int before(struct timespec a, struct timespec b) {
	return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

// TOUCHES wants do to set the times of name that what names among "amc", and no others.
#define TOUCHES(name, what, ...)                                             \
	do {                                                                     \
		age(name);                                                           \
		struct stat was_ = stat_of(name);                                    \
		struct timespec now_ = tick();                                       \
		__VA_ARGS__;                                                         \
		struct stat is_ = stat_of(name);                                     \
		CHECK_EQ(is_.st_atim.tv_sec != 1000, !!strchr(what, 'a'));           \
		CHECK_EQ(is_.st_mtim.tv_sec != 2000, !!strchr(what, 'm'));           \
		CHECK_EQ(before(was_.st_ctim, is_.st_ctim), !!strchr(what, 'c'));    \
		if (strchr(what, 'c')) CHECK(!before(is_.st_ctim, now_));            \
	} while (0)

CASE(times_reading_touches_atime) {
	char b[4];
	int fd = make("f", "abc");
	TOUCHES("f", "a", CHECK_EQ(pread(fd, b, 3, 0), 3));
	TOUCHES("f", "", CHECK_EQ(pread(fd, b, 0, 0), 0));
	TOUCHES("f", "", CHECK(open("f", O_RDONLY) >= 0));
	int quiet = open("f", O_RDONLY | O_NOATIME);
	TOUCHES("f", "", CHECK_EQ(pread(quiet, b, 3, 0), 3));
	// With relatime a time newer than the others stays for a day.
	CHECK_EQ(pread(fd, b, 3, 0), 3);
	struct stat st = stat_of("f");
	tick();
	CHECK_EQ(pread(fd, b, 3, 0), 3);
	CHECK(!before(st.st_atim, stat_of("f").st_atim));
}

CASE(times_writing_touches_mtime_and_ctime) {
	int fd = make("f", "abc");
	TOUCHES("f", "mc", CHECK_EQ(pwrite(fd, "x", 1, 0), 1));
	TOUCHES("f", "", CHECK_EQ(pwrite(fd, "x", 0, 0), 0));
	TOUCHES("f", "mc", CHECK(ftruncate(fd, 1) == 0));
	TOUCHES("f", "mc", CHECK(truncate("f", 9) == 0));
	TOUCHES("f", "mc", CHECK(open("f", O_WRONLY | O_TRUNC) >= 0));
	TOUCHES("f", "mc", CHECK(fallocate(fd, 0, 0, 8192) == 0));
	TOUCHES("f", "mc", CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0));
}

CASE(times_attributes_touch_ctime) {
	close(make("f", "abc"));
	TOUCHES("f", "c", CHECK(chmod("f", 0600) == 0));
	TOUCHES("f", "c", CHECK(chmod("f", 0600) == 0));
	TOUCHES("f", "c", CHECK(chown("f", 5, 5) == 0));
	TOUCHES("f", "c", CHECK(link("f", "g") == 0));
	TOUCHES("f", "c", CHECK(unlink("g") == 0));
	TOUCHES("f", "c", CHECK(rename("f", "h") == 0 && rename("h", "f") == 0));
	TOUCHES("f", "", CHECK(access("f", R_OK) == 0));
	TOUCHES("f", "", CHECK_ERRNO(link("f", "f"), EEXIST));
}

CASE(times_names_touch_their_directory) {
	CHECK(mkdir("d", 0755) == 0);
	CHECK(mkdir("e", 0755) == 0);
	TOUCHES("d", "mc", close(make("d/f", "")));
	TOUCHES("d", "", close(make("d/f", "more")));
	TOUCHES("d", "mc", CHECK(link("d/f", "d/g") == 0));
	TOUCHES("d", "mc", CHECK(rename("d/g", "d/h") == 0));
	TOUCHES("d", "mc", CHECK(rename("d/h", "e/h") == 0));
	TOUCHES("d", "mc", CHECK(rename("e/h", "d/i") == 0));
	TOUCHES("e", "mc", CHECK(rename("d/i", "e/i") == 0));
	TOUCHES("d", "mc", CHECK(unlink("d/f") == 0));
	TOUCHES("d", "mc", CHECK(mkdir("d/s", 0755) == 0));
	TOUCHES("d", "mc", CHECK(rmdir("d/s") == 0));
	TOUCHES("d", "mc", CHECK(symlink("x", "d/l") == 0));
	TOUCHES("d", "mc", CHECK(mkfifo("d/p", 0600) == 0));
	TOUCHES("d", "", CHECK_ERRNO(mkdir("d/l", 0755), EEXIST));
	TOUCHES("d", "", CHECK_ERRNO(unlink("d/none"), ENOENT));
	TOUCHES("d", "a", CHECK(syscall(SYS_getdents64, open("d", O_RDONLY), (char[500]){0}, 500) > 0));
}

CASE(times_of_links_are_touched_by_readlink) {
	char b[8];
	close(make("f", "x"));
	CHECK(symlink("f", "l") == 0);
	TOUCHES("l", "a", CHECK_EQ(readlink("l", b, 8), 1));
	TOUCHES("l", "", CHECK(lchown("f", 5, 5) == 0));
	TOUCHES("l", "c", CHECK(lchown("l", 5, 5) == 0));
	TOUCHES("f", "a", CHECK_EQ(read(open("l", O_RDONLY), b, 1), 1));
}

CASE(times_of_copies) {
	int in = make("in", "abc"), out = make("out", ""), p[2];
	off_t i = 0, o = 0;
	CHECK(pipe(p) == 0);
	TOUCHES("in", "a", CHECK_EQ(copy_file_range(in, &i, out, &o, 3, 0), 3));
	i = 0;
	TOUCHES("out", "mc", CHECK_EQ(copy_file_range(in, &i, out, &o, 3, 0), 3));
	i = 0;
	TOUCHES("in", "a", CHECK_EQ(splice(in, &i, p[1], 0, 3, 0), 3));
	o = 0;
	TOUCHES("out", "mc", CHECK_EQ(splice(p[0], 0, out, &o, 3, 0), 3));
}

CASE(utimensat_errors) {
	struct timespec bad[2] = {{0, 1000000000}, {0, 0}}, neg[2] = {{0, 0}, {0, -1}}, omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
	int fd = make("f", "");
	CHECK_ERRNO(utimensat(AT_FDCWD, "f", bad, 0), EINVAL);
	CHECK_ERRNO(utimensat(AT_FDCWD, "f", neg, 0), EINVAL);
	CHECK_ERRNO(utimensat(AT_FDCWD, "f", 0, 1), EINVAL);
	CHECK_ERRNO(utimensat(AT_FDCWD, "none", 0, 0), ENOENT);
	CHECK_ERRNO(utimensat(AT_FDCWD, "", 0, 0), ENOENT);
	CHECK_ERRNO(utimensat(77, "f", 0, 0), EBADF);
	CHECK_ERRNO(utimensat(fd, "f", 0, 0), ENOTDIR);
	CHECK_ERRNO(syscall(SYS_utimensat, AT_FDCWD, "f", 8, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_utimensat, AT_FDCWD, 0, 0, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_utimensat, 77, 0, 0, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_utimensat, fd, 0, 0, AT_SYMLINK_NOFOLLOW), EINVAL);
	CHECK(syscall(SYS_utimensat, fd, 0, old, 0) == 0);
	CHECK_EQ(stat_of("f").st_mtim.tv_nsec, 2);
	// When nothing is to change, nothing is looked at.
	CHECK(utimensat(AT_FDCWD, "none", omit, 0) == 0);
	CHECK(syscall(SYS_utimensat, 77, 0, omit, 0) == 0);
	int path = open("f", O_PATH);
	CHECK(utimensat(path, "", old, AT_EMPTY_PATH) == 0);
	CHECK_ERRNO(futimens(path, old), EBADF);
}

CASE(utimensat_permissions) {
	struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}}, one[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
	CHECK(chmod(".", 0755) == 0);
	close(make("f", ""));
	close(make("mine", ""));
	CHECK(chown("mine", 1000, 1000) == 0);
	CHECK(chmod("mine", 0) == 0);
	CHECK(chmod("f", 0606) == 0);
	AS(1000, 1000,
		CHECK(utimensat(AT_FDCWD, "f", 0, 0) == 0);
		CHECK(utimensat(AT_FDCWD, "f", now, 0) == 0);
		CHECK_ERRNO(utimensat(AT_FDCWD, "f", one, 0), EPERM);
		CHECK_ERRNO(utimensat(AT_FDCWD, "f", old, 0), EPERM);
		CHECK(utimensat(AT_FDCWD, "mine", old, 0) == 0);
		CHECK(utimensat(AT_FDCWD, "mine", 0, 0) == 0));
	CHECK(chmod("f", 0604) == 0);
	AS(1000, 1000,
		CHECK_ERRNO(utimensat(AT_FDCWD, "f", 0, 0), EACCES);
		CHECK_ERRNO(utimensat(AT_FDCWD, "f", now, 0), EACCES));
}

CASE(utime_and_utimes_set_and_check) {
	struct utimbuf ub = {3000, 4000};
	struct timeval tv[2] = {{5, 7}, {6, 8}}, bad[2] = {{5, 1000000}, {6, 8}};
	close(make("f", ""));
	CHECK(symlink("f", "l") == 0);
	CHECK(syscall(SYS_utime, "f", &ub) == 0);
	CHECK_EQ(stat_of("f").st_atim.tv_sec, 3000);
	CHECK_EQ(stat_of("f").st_mtim.tv_sec, 4000);
	CHECK(syscall(SYS_utimes, "l", tv) == 0);
	CHECK_EQ(stat_of("f").st_atim.tv_nsec, 7000);
	CHECK_EQ(stat_of("f").st_mtim.tv_sec, 6);
	CHECK_ERRNO(syscall(SYS_utimes, "f", bad), EINVAL);
	CHECK_ERRNO(syscall(SYS_utime, "none", 0), ENOENT);
	CHECK_ERRNO(syscall(SYS_utime, "f", 8), EFAULT);
	CHECK(syscall(SYS_futimesat, AT_FDCWD, "f", tv) == 0);
	CHECK_ERRNO(syscall(SYS_futimesat, AT_FDCWD, "f", bad), EINVAL);
	CHECK(syscall(SYS_utime, "f", 0) == 0);
	CHECK(stat_of("f").st_mtim.tv_sec > 1000000000);
}

CASE(birth_stays_when_all_else_moves) {
	struct statx a, b;
	int fd = make("f", "");
	CHECK(statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &a) == 0);
	CHECK(a.stx_mask & STATX_BTIME);
	age("f");
	tick();
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK(rename("f", "g") == 0);
	CHECK(statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &b) == 0);
	CHECK(a.stx_btime.tv_sec == b.stx_btime.tv_sec && a.stx_btime.tv_nsec == b.stx_btime.tv_nsec);
}

MAIN()
