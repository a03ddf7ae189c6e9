#include "files.h"
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

static int openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
	return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

CASE(open_O_EXCL_does_not_follow_a_dangling_link) {
	CHECK(symlink("target", "l") == 0);
	CHECK_ERRNO(open("l", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
	CHECK_ERRNO(access("target", F_OK), ENOENT);
	CHECK_ERRNO(open("l", O_CREAT | O_NOFOLLOW | O_WRONLY, 0600), ELOOP);
	CHECK_ERRNO(open("l", O_WRONLY), ENOENT);
}

CASE(open_O_CREAT_makes_what_a_dangling_link_names) {
	CHECK(mkdir("d", 0755) == 0);
	CHECK(symlink("d/target", "l") == 0);
	int fd = open("l", O_CREAT | O_RDWR, 0640);
	CHECK(fd >= 0);
	CHECK_EQ(stat_of("d/target").st_mode, S_IFREG | 0640);
	CHECK(S_ISLNK(stat_of("l").st_mode));
	CHECK(symlink("nodir/target", "m") == 0);
	CHECK_ERRNO(open("m", O_CREAT | O_RDWR, 0640), ENOENT);
}

CASE(open_O_NOFOLLOW_looks_at_the_last_name_only) {
	CHECK(mkdir("d", 0755) == 0);
	close(make("d/f", "x"));
	CHECK(symlink("d", "l") == 0);
	CHECK(open("l/f", O_RDONLY | O_NOFOLLOW) >= 0);
	CHECK_ERRNO(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERRNO(open("l", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
	CHECK(open("l/", O_RDONLY | O_NOFOLLOW | O_DIRECTORY) >= 0);
	CHECK(open("l/.", O_RDONLY | O_NOFOLLOW) >= 0);
}

CASE(open_O_PATH_of_a_link_is_the_link) {
	CHECK(symlink("target", "l") == 0);
	int fd = open("l", O_PATH | O_NOFOLLOW);
	CHECK(fd >= 0);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK(S_ISLNK(st.st_mode));
	char b[20] = "";
	CHECK_EQ(readlinkat(fd, "", b, sizeof b), 6);
	CHECK(!strcmp(b, "target"));
	char proc[40];
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	CHECK_ERRNO(open(proc, O_RDONLY), ELOOP);
	CHECK(fchownat(fd, "", 5, 6, AT_EMPTY_PATH) == 0);
	CHECK_EQ(stat_of("l").st_uid, 5);
}

CASE(open_O_PATH_gives_a_place_and_no_contents) {
	close(make("f", "abc"));
	int fd = open("f", O_PATH | O_RDWR | O_APPEND);
	char b[8];
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL), O_PATH);
	CHECK_ERRNO(read(fd, b, 1), EBADF);
	CHECK_ERRNO(write(fd, b, 1), EBADF);
	CHECK_ERRNO(lseek(fd, 0, SEEK_SET), EBADF);
	CHECK_ERRNO(ftruncate(fd, 0), EBADF);
	CHECK_ERRNO(fchmod(fd, 0600), EBADF);
	CHECK_ERRNO(fchown(fd, 0, 0), EBADF);
	CHECK_ERRNO(fsync(fd), EBADF);
	CHECK_ERRNO(fallocate(fd, 0, 0, 1), EBADF);
	CHECK_ERRNO(ioctl(fd, FIONREAD, b), EBADF);
	CHECK_ERRNO(fgetxattr(fd, "user.x", b, 1), EBADF);
	CHECK_ERRNO(syscall(SYS_getdents64, fd, b, 1), EBADF);
	CHECK_ERRNO(fcntl(fd, F_SETFL, 0), EBADF);
	CHECK_ERRNO(fcntl(fd, F_GETLK, &(struct flock){0}), EBADF);
	CHECK(mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EBADF);
	int d = dup(fd);
	CHECK(d >= 0);
	CHECK(fcntl(d, F_SETFD, FD_CLOEXEC) == 0);
	CHECK_EQ(fcntl(d, F_GETFD), FD_CLOEXEC);
	struct stat st;
	CHECK(fstat(d, &st) == 0);
	CHECK_EQ(st.st_size, 3);
}

CASE(open_O_PATH_needs_no_permission_of_the_file) {
	CHECK(chmod(".", 0755) == 0);
	close(make("f", "abc"));
	CHECK(chmod("f", 0) == 0);
	CHECK(mkdir("d", 0700) == 0);
	close(make("d/f", ""));
	AS(1000, 1000,
		CHECK(open("f", O_PATH) >= 0);
		CHECK_ERRNO(open("f", O_RDONLY), EACCES);
		int d = open("d", O_PATH);
		CHECK(d >= 0);
		CHECK_ERRNO(openat(d, "f", O_PATH), EACCES);
		CHECK_ERRNO(fchdir(d), EACCES));
}

CASE(open_O_TRUNC_empties_also_what_is_opened_for_reading) {
	close(make("f", "abc"));
	ino_t ino = stat_of("f").st_ino;
	int fd = open("f", O_RDONLY | O_TRUNC);
	CHECK(fd >= 0);
	CHECK_EQ(stat_of("f").st_size, 0);
	CHECK_EQ(stat_of("f").st_ino, ino);
	close(make("g", "abc"));
	CHECK(chmod("g", 0444) == 0);
	AS(1000, 1000, CHECK_ERRNO(open("g", O_RDONLY | O_TRUNC), EACCES));
	CHECK_EQ(stat_of("g").st_size, 3);
}

CASE(open_that_makes_a_file_asks_not_for_its_mode) {
	CHECK(chmod(".", 0777) == 0);
	AS(1000, 1000,
		int fd = open("f", O_CREAT | O_RDWR, 0);
		CHECK(fd >= 0);
		CHECK_EQ(write(fd, "abc", 3), 3);
		CHECK_ERRNO(open("f", O_RDONLY), EACCES);
		CHECK_ERRNO(open("f", O_CREAT | O_RDONLY, 0666), EACCES));
	CHECK_EQ(stat_of("f").st_mode, S_IFREG);
	CHECK_EQ(stat_of("f").st_uid, 1000);
}

CASE(open_refuses_O_CREAT_with_directories) {
	CHECK(mkdir("d", 0755) == 0);
	CHECK_ERRNO(open("d", O_RDONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERRNO(open("d", O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERRNO(open("d", O_RDONLY | O_TRUNC), EISDIR);
	CHECK_ERRNO(open("d", O_RDWR), EISDIR);
	CHECK_ERRNO(open("new", O_CREAT | O_DIRECTORY | O_RDONLY, 0600), EINVAL);
	CHECK_ERRNO(access("new", F_OK), ENOENT);
	CHECK_ERRNO(creat("d", 0600), EISDIR);
	CHECK_ERRNO(open(".", O_CREAT | O_RDONLY, 0600), EISDIR);
	CHECK_ERRNO(open("d/..", O_CREAT | O_RDONLY, 0600), EISDIR);
}

CASE(open_with_a_trailing_slash_wants_a_directory) {
	close(make("f", ""));
	CHECK(mkdir("d", 0755) == 0);
	CHECK(symlink("d", "ld") == 0);
	CHECK(symlink("f", "lf") == 0);
	CHECK(symlink("none", "ln") == 0);
	CHECK(open("ld/", O_RDONLY) >= 0);
	CHECK_ERRNO(open("lf/", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("ln/", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("f/", O_CREAT | O_RDONLY, 0600), EISDIR);
	CHECK_ERRNO(open("f/.", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("f/..", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("none/..", O_RDONLY), ENOENT);
	CHECK(open("d//..///d/./", O_RDONLY) >= 0);
}

CASE(openat_takes_the_directory_only_for_relative_paths) {
	close(make("f", ""));
	int fd = open("f", O_RDONLY);
	CHECK_ERRNO(openat(fd, "f", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(openat(fd, "", O_RDONLY), ENOENT);
	CHECK_ERRNO(openat(77, "f", O_RDONLY), EBADF);
	CHECK_ERRNO(openat(77, "", O_RDONLY), ENOENT);
	CHECK_ERRNO(openat(77, 0, O_RDONLY), EFAULT);
	CHECK(openat(77, "/etc/passwd", O_RDONLY) >= 0);
	CHECK(openat(fd, "/", O_RDONLY) >= 0);
	int d = open(".", O_PATH);
	CHECK(openat(d, "f", O_RDONLY) >= 0);
	CHECK(openat(d, "..", O_RDONLY) >= 0);
}

CASE(open_ignores_flags_that_nobody_knows) {
	close(make("f", "x"));
	int fd = open("f", O_RDONLY | 1 << 30);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & 1 << 30, 0);
	CHECK_ERRNO(openat2(AT_FDCWD, "f", 1 << 30, 0, 0), EINVAL);
	CHECK_ERRNO(openat2(AT_FDCWD, "f", 1ULL << 40, 0, 0), EINVAL);
}

CASE(openat2_judges_its_struct_by_size) {
	close(make("f", "x"));
	struct { struct open_how how; uint64_t more; } big = {{0}, 0};
	CHECK(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof big) >= 0);
	big.more = 1;
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof big), E2BIG);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof big.how - 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "f", &big, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "f", &big, 4097), E2BIG);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "f", (void *)8, sizeof big.how), EFAULT);
}

CASE(openat2_judges_mode_and_resolve) {
	close(make("f", "x"));
	CHECK_ERRNO(openat2(AT_FDCWD, "f", O_RDONLY, 0600, 0), EINVAL);
	CHECK_ERRNO(openat2(AT_FDCWD, "g", O_CREAT | O_RDWR, 010000, 0), EINVAL);
	CHECK_ERRNO(openat2(AT_FDCWD, "f", O_RDONLY, 0, 1 << 20), EINVAL);
	CHECK_ERRNO(openat2(AT_FDCWD, "f", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
	CHECK_ERRNO(openat2(AT_FDCWD, "f", O_PATH | O_RDWR, 0, 0), EINVAL);
	CHECK_ERRNO(openat2(AT_FDCWD, "f", O_TRUNC | O_RDWR, 0, RESOLVE_CACHED), EAGAIN);
	CHECK_ERRNO(openat2(AT_FDCWD, "f", O_CREAT | O_RDWR, 0, RESOLVE_CACHED), EAGAIN);
	CHECK(openat2(AT_FDCWD, "f", O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, 0) >= 0);
}

CASE(openat2_resolves_without_links_and_mounts) {
	close(make("f", "x"));
	CHECK(mkdir("d", 0755) == 0);
	CHECK(symlink("d", "ld") == 0);
	CHECK(symlink("../f", "d/l") == 0);
	CHECK_ERRNO(openat2(AT_FDCWD, "d/l", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK_ERRNO(openat2(AT_FDCWD, "ld/l", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK(openat2(AT_FDCWD, "d/l", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS) >= 0);
	CHECK(openat2(AT_FDCWD, "d/l", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS) >= 0);
	CHECK_ERRNO(openat2(AT_FDCWD, "/proc/self/cwd/f", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS), ELOOP);
	CHECK_ERRNO(openat2(AT_FDCWD, "/proc/self/cwd", O_RDONLY, 0, RESOLVE_NO_XDEV), EXDEV);
	CHECK_ERRNO(openat2(AT_FDCWD, "/proc/self", O_PATH, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(openat2(AT_FDCWD, "..", O_PATH, 0, RESOLVE_BENEATH), EXDEV);
	int d = open("d", O_PATH);
	CHECK_ERRNO(openat2(d, "l", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(openat2(d, "l", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);
	CHECK(openat2(d, "/..", O_RDONLY, 0, RESOLVE_IN_ROOT) >= 0);
}

CASE(open_with_access_mode_3_gives_neither) {
	close(make("f", "x"));
	int fd = open("f", O_ACCMODE);
	char b;
	CHECK(fd >= 0);
	CHECK_ERRNO(read(fd, &b, 1), EBADF);
	CHECK_ERRNO(write(fd, &b, 1), EBADF);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_ACCMODE);
	CHECK(chmod("f", 0444) == 0);
	AS(1000, 1000, CHECK_ERRNO(open("f", O_ACCMODE), EACCES));
}

CASE(open_O_TMPFILE_rules) {
	close(make("f", "x"));
	CHECK_ERRNO(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	CHECK_ERRNO(open("f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
	CHECK_ERRNO(open("none", O_TMPFILE | O_RDWR, 0600), ENOENT);
	CHECK_ERRNO(open(".", O_TMPFILE | O_CREAT | O_RDWR, 0600), EINVAL);
	umask(022);
	int fd = open(".", O_TMPFILE | O_WRONLY, 0666);
	CHECK(fd >= 0);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0644);
	CHECK_EQ(st.st_nlink, 0);
	fd = open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0);
	char proc[40];
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	CHECK_ERRNO(linkat(AT_FDCWD, proc, AT_FDCWD, "kept", AT_SYMLINK_FOLLOW), ENOENT);
}

CASE(open_O_NOATIME_is_for_the_owner) {
	CHECK(chmod(".", 0755) == 0);
	close(make("f", "x"));
	close(make("mine", "x"));
	CHECK(chown("mine", 1000, 1000) == 0);
	CHECK(open("f", O_RDONLY | O_NOATIME) >= 0);
	AS(1000, 1000,
		CHECK_ERRNO(open("f", O_RDONLY | O_NOATIME), EPERM);
		CHECK(open("mine", O_RDONLY | O_NOATIME) >= 0);
		int fd = open("f", O_RDONLY);
		CHECK_ERRNO(fcntl(fd, F_SETFL, O_NOATIME), EPERM);
		CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0));
}

CASE(fcntl_F_SETFL_changes_status_flags_only) {
	close(make("f", "abc"));
	int fd = open("f", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & ~0100000, O_RDONLY);
	CHECK(fcntl(fd, F_SETFL, O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC) == 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & ~0100000, O_RDONLY | O_APPEND | O_NONBLOCK);
	CHECK_ERRNO(write(fd, "x", 1), EBADF);
	CHECK_EQ(stat_of("f").st_size, 3);
	int d = dup(fd);
	CHECK(fcntl(d, F_SETFL, 0) == 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & ~0100000, O_RDONLY);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(d, F_GETFD), 0);
}

CASE(open_of_a_fifo_never_waits_for_O_RDWR) {
	CHECK(mkfifo("p", 0644) == 0);
	int fd = open("p", O_RDWR);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "abc", 3), 3);
	char b[4];
	int r = open("p", O_RDONLY | O_TRUNC);
	CHECK_EQ(read(r, b, 4), 3);
	CHECK_ERRNO(lseek(r, 0, SEEK_SET), ESPIPE);
	CHECK_ERRNO(pread(r, b, 1, 0), ESPIPE);
	CHECK(fcntl(r, F_SETFL, O_NONBLOCK) == 0);
	CHECK_ERRNO(read(r, b, 1), EAGAIN);
	close(fd);
	CHECK_EQ(read(r, b, 1), 0);
	CHECK_ERRNO(open("p", O_RDWR | O_DIRECTORY), ENOTDIR);
	CHECK_EQ(stat_of("p").st_size, 0);
}

CASE(open_of_a_fifo_is_interrupted_by_a_signal) {
	CHECK(mkfifo("p", 0644) == 0);
	pid_t c = fork();
	if (c == 0) {
		struct sigaction sa = {.sa_handler = (void (*)(int))abs};
		sigaction(SIGALRM, &sa, 0);
		ualarm(10000, 10000);
		CHECK_ERRNO(open("p", O_WRONLY), EINTR);
		CHECK_ERRNO(open("p", O_RDONLY), EINTR);
		_exit(0);
	}
	CHECK_CHILD(c, 0);
}

CASE(open_of_a_socket_gives_ENXIO) {
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un a = {AF_UNIX, "s"};
	CHECK(bind(s, (void *)&a, sizeof a) == 0);
	CHECK_ERRNO(open("s", O_RDWR), ENXIO);
	CHECK_ERRNO(open("s", O_RDONLY), ENXIO);
	CHECK(open("s", O_PATH) >= 0);
	char proc[40];
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", s);
	CHECK_ERRNO(open(proc, O_RDWR), ENXIO);
	CHECK_ERRNO(open("s", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
}

CASE(open_of_a_device_nobody_drives_gives_ENXIO) {
	CHECK(mknod("c", S_IFCHR | 0666, makedev(240, 77)) == 0);
	CHECK_ERRNO(open("c", O_RDWR), ENXIO);
	CHECK(mknod("null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	int fd = open("null", O_RDWR | O_TRUNC);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "abc", 3), 3);
	char b;
	CHECK_EQ(read(fd, &b, 1), 0);
	CHECK_ERRNO(open("null", O_RDONLY | O_DIRECTORY), ENOTDIR);
}

CASE(open_of_a_running_program_for_writing_gives_ETXTBSY) {
	CHECK_EQ(system("cp /bin/cat prog"), 0);
	int in[2], ready[2];
	CHECK(pipe2(in, O_CLOEXEC) == 0);
	CHECK(pipe2(ready, O_CLOEXEC) == 0);
	pid_t c = fork();
	if (c == 0) {
		dup2(in[0], 0);
		execl("./prog", "prog", (char *)0);
		_exit(1);
	}
	close(ready[1]);
	char b;
	CHECK_EQ(read(ready[0], &b, 1), 0);
	CHECK_ERRNO(open("prog", O_WRONLY), ETXTBSY);
	CHECK_ERRNO(open("prog", O_RDWR | O_TRUNC), ETXTBSY);
	CHECK_ERRNO(truncate("prog", 0), ETXTBSY);
	CHECK(open("prog", O_RDONLY) >= 0);
	CHECK(unlink("prog") == 0);
	close(in[1]);
	CHECK_CHILD(c, 0);
}

CASE(open_through_proc_self_fd_is_a_new_open_file) {
	int fd = make("f", "abc");
	char proc[40], b[4] = "";
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	CHECK(unlink("f") == 0);
	int again = open(proc, O_RDONLY);
	CHECK(again >= 0);
	CHECK_EQ(read(again, b, 4), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
	int w = open(proc, O_WRONLY | O_TRUNC);
	CHECK(w >= 0);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_size, 0);
	CHECK_ERRNO(open(proc, O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERRNO(open("f", O_RDONLY), ENOENT);
}

CASE(open_through_proc_self_fd_asks_for_permission_again) {
	CHECK(chmod(".", 0777) == 0);
	close(make("f", "abc"));
	AS(1000, 1000,
		int fd = open("f", O_RDONLY);
		char proc[40];
		snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
		CHECK(open(proc, O_RDONLY) >= 0);
		CHECK_ERRNO(open(proc, O_WRONLY), EACCES);
		CHECK_ERRNO(open(proc, O_RDONLY | O_TRUNC), EACCES));
}

MAIN()
