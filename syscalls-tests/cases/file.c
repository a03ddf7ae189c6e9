#include "files.h"
#include <dirent.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>

CASE(open_errors) {
	CHECK_ERRNO(open("nosuch", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("/etc", O_WRONLY), EISDIR);
	CHECK_ERRNO(open("/etc/passwd/x", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("/etc/passwd", O_RDONLY | O_DIRECTORY), ENOTDIR);
	close(make("f", "x"));
	CHECK_ERRNO(open("f", O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERRNO(open((char *)1, O_RDONLY), EFAULT);
	char big[5000];
	memset(big, 'a', sizeof big);
	big[4999] = 0;
	CHECK_ERRNO(open(big, O_RDONLY), ENAMETOOLONG);
	big[300] = 0;
	CHECK_ERRNO(open(big, O_RDONLY), ENAMETOOLONG);
	CHECK(symlink("f", "l") == 0);
	CHECK_ERRNO(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERRNO(open("f/", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("new/", O_CREAT | O_WRONLY, 0600), EISDIR);
}

CASE(descriptor_errors_come_before_counts) {
	char b;
	CHECK_ERRNO(read(-1, &b, 0), EBADF);
	CHECK_ERRNO(write(99, &b, 0), EBADF);
	int fd = open("/etc/passwd", O_RDONLY);
	CHECK_ERRNO(write(fd, &b, 1), EBADF);
	CHECK_EQ(read(fd, &b, 0), 0);
	CHECK_ERRNO(read(open(".", O_RDONLY), &b, 1), EISDIR);
	int p = open("/etc/passwd", O_PATH);
	CHECK_ERRNO(read(p, &b, 1), EBADF);
	CHECK_ERRNO(read(fd, (void *)1, 1), EFAULT);
}

CASE(append_writes_go_to_the_end) {
	close(make("f", "abc"));
	int fd = open("f", O_WRONLY | O_APPEND);
	CHECK_EQ(pwrite(fd, "d", 1, 0), 1);
	CHECK_EQ(write(fd, "e", 1), 1);
	CHECK(!strcmp(contents("f"), "abcde"));
}

CASE(lseek_rules) {
	int fd = make("f", "0123456789");
	CHECK_EQ(lseek(fd, 0, SEEK_END), 10);
	CHECK_EQ(lseek(fd, -3, SEEK_CUR), 7);
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, 99), EINVAL);
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
	CHECK_EQ(write(fd, "x", 1), 1);
	struct stat st;
	fstat(fd, &st);
	CHECK_EQ(st.st_size, 101);
}

CASE(holes_are_found_by_SEEK_DATA_and_SEEK_HOLE) {
	int fd = make("f", "");
	CHECK_EQ(pwrite(fd, "x", 1, 1 << 20), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 1 << 20);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 0);
	CHECK_EQ(lseek(fd, 1 << 20, SEEK_HOLE), (1 << 20) + 1);
	CHECK_ERRNO(lseek(fd, (1 << 20) + 1, SEEK_DATA), ENXIO);
}

CASE(rename_replaces_and_checks) {
	close(make("a", "A"));
	close(make("b", "B"));
	CHECK(rename("a", "b") == 0);
	CHECK(!strcmp(contents("b"), "A"));
	CHECK_ERRNO(rename("a", "b"), ENOENT);
	mkdir("d", 0755);
	mkdir("d/e", 0755);
	CHECK_ERRNO(rename("d", "d/e/f"), EINVAL);
	CHECK_ERRNO(rename("b", "d"), EISDIR);
	CHECK_ERRNO(rename("d", "b"), ENOTDIR);
	mkdir("x", 0755);
	CHECK_ERRNO(rename("x", "d"), ENOTEMPTY);
	CHECK_ERRNO(rename("x", "."), EBUSY);
}

CASE(renameat2_flags) {
	close(make("a", "A"));
	close(make("b", "B"));
	CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
	CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == 0);
	CHECK(!strcmp(contents("a"), "B"));
	CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "no", RENAME_EXCHANGE), ENOENT);
	CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", 64), EINVAL);
}

CASE(unlink_keeps_an_open_file) {
	int fd = make("f", "abc");
	CHECK(unlink("f") == 0);
	char b[4] = {0};
	CHECK_EQ(pread(fd, b, 3, 0), 3);
	CHECK(!strcmp(b, "abc"));
	struct stat st;
	fstat(fd, &st);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_ERRNO(unlink("f"), ENOENT);
	mkdir("d", 0755);
	CHECK_ERRNO(unlink("d"), EISDIR);
	CHECK_ERRNO(rmdir("nosuch"), ENOENT);
	close(make("d/x", ""));
	CHECK_ERRNO(rmdir("d"), ENOTEMPTY);
	CHECK_ERRNO(rmdir("d/x"), ENOTDIR);
	CHECK_ERRNO(rmdir("d/."), EINVAL);
}

CASE(proc_self_fd_shows_deleted_files) {
	int fd = make("f", "abc");
	char p[64], b[4096] = {0};
	unlink("f");
	snprintf(p, sizeof p, "/proc/self/fd/%d", fd);
	CHECK(readlink(p, b, sizeof b) > 0);
	CHECK(strstr(b, "/f (deleted)"));
	int g = open(p, O_RDONLY);
	CHECK(g >= 0);
	CHECK_EQ(read(g, b, 10), 3);
}

CASE(access_follows_proc_self_fd) {
	char p[64];
	snprintf(p, sizeof p, "/proc/self/fd/%d", make("f", "abc"));
	CHECK(access(p, R_OK) == 0);
	CHECK(access("/proc/self/maps", R_OK) == 0);
	CHECK(access("/dev/fd/0", F_OK) == 0);
}

CASE(hard_links_share_the_inode) {
	close(make("a", "x"));
	CHECK(link("a", "b") == 0);
	struct stat s, t;
	stat("a", &s);
	stat("b", &t);
	CHECK_EQ(s.st_ino, t.st_ino);
	CHECK_EQ(s.st_nlink, 2);
	CHECK_ERRNO(link("a", "b"), EEXIST);
	CHECK_ERRNO(link("nosuch", "c"), ENOENT);
	symlink("a", "l");
	CHECK(linkat(AT_FDCWD, "l", AT_FDCWD, "l2", 0) == 0);
	lstat("l2", &s);
	CHECK(S_ISLNK(s.st_mode));
	CHECK(linkat(AT_FDCWD, "l", AT_FDCWD, "l3", AT_SYMLINK_FOLLOW) == 0);
	lstat("l3", &s);
	CHECK(S_ISREG(s.st_mode));
}

CASE(symlinks_loop_and_dangle) {
	char b[10];
	symlink("b", "a");
	symlink("a", "b");
	CHECK_ERRNO(open("a", O_RDONLY), ELOOP);
	symlink("missing", "d");
	CHECK_ERRNO(open("d", O_RDONLY), ENOENT);
	int fd = open("d", O_CREAT | O_WRONLY, 0600);
	CHECK(fd >= 0);
	CHECK(access("missing", F_OK) == 0);
	CHECK_EQ(readlink("a", b, 10), 1);
	CHECK_ERRNO(readlink("missing", b, 10), EINVAL);
	CHECK_ERRNO(readlink("a", b, 0), EINVAL);
	CHECK_ERRNO(symlink("", "e"), ENOENT);
}

CASE(umask_and_modes) {
	umask(027);
	close(open("f", O_CREAT | O_WRONLY, 0666));
	struct stat st;
	stat("f", &st);
	CHECK_EQ(st.st_mode & 07777, 0640);
	mkdir("d", 0777);
	stat("d", &st);
	CHECK_EQ(st.st_mode & 07777, 0750);
	CHECK_EQ(umask(0), 027);
	chmod("d", 02755);
	mkdir("d/e", 0755);
	stat("d/e", &st);
	CHECK(st.st_mode & S_ISGID);
}

CASE(O_TMPFILE_can_be_linked) {
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "hi", 2), 2);
	char p[64];
	snprintf(p, sizeof p, "/proc/self/fd/%d", fd);
	CHECK(linkat(AT_FDCWD, p, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
	CHECK(!strcmp(contents("named"), "hi"));
}

CASE(truncate_grows_with_zeros_and_cuts) {
	int fd = make("f", "abcdef");
	CHECK(ftruncate(fd, 3) == 0);
	CHECK(ftruncate(fd, 6) == 0);
	char b[6];
	CHECK_EQ(pread(fd, b, 6, 0), 6);
	CHECK(!memcmp(b, "abc\0\0\0", 6));
	CHECK_ERRNO(truncate("f", -1), EINVAL);
	CHECK_ERRNO(truncate(".", 0), EISDIR);
	CHECK_ERRNO(ftruncate(open("f", O_RDONLY), 0), EINVAL);
}

CASE(fallocate_modes) {
	int fd = make("f", "");
	CHECK(fallocate(fd, 0, 0, 10000) == 0);
	struct stat st;
	fstat(fd, &st);
	CHECK_EQ(st.st_size, 10000);
	CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000) == 0);
	fstat(fd, &st);
	CHECK_EQ(st.st_size, 10000);
	CHECK_EQ(pwrite(fd, "x", 1, 5000), 1);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096) == 0);
	char b;
	CHECK_EQ(pread(fd, &b, 1, 5000), 1);
	CHECK_EQ(b, 0);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, 0, -1, 1), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
}

CASE(getdents_lists_all_once_also_while_unlinking) {
	char n[20];
	for (int i = 0; i < 300; i++) {
		snprintf(n, sizeof n, "f%03d", i);
		close(make(n, ""));
	}
	DIR *d = opendir(".");
	int seen = 0;
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.') continue;
		CHECK_EQ(e->d_type, DT_REG);
		CHECK(unlink(e->d_name) == 0);
		seen++;
	}
	CHECK_EQ(seen, 300);
	char b[8];
	CHECK_ERRNO(syscall(SYS_getdents64, open(".", O_RDONLY), b, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_getdents64, open("/etc/passwd", O_RDONLY), b, 8), ENOTDIR);
}

CASE(statx_and_stat_agree) {
	int fd = make("f", "hello");
	struct statx x;
	struct stat st;
	CHECK(statx(AT_FDCWD, "f", 0, STATX_ALL, &x) == 0);
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(x.stx_size, 5);
	CHECK_EQ(x.stx_ino, st.st_ino);
	CHECK_EQ(x.stx_mode, st.st_mode);
	CHECK_EQ(x.stx_mtime.tv_sec, st.st_mtim.tv_sec);
	CHECK(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x) == 0);
	CHECK_ERRNO(statx(fd, "", 0, STATX_SIZE, &x), ENOENT);
	CHECK_ERRNO(statx(AT_FDCWD, "f", 0x40000000, STATX_SIZE, &x), EINVAL);
}

CASE(newfstatat_with_an_empty_or_null_path_takes_the_descriptor) {
	int fd = make("f", "hello");
	struct stat st, cwd, is;
	CHECK(stat(".", &cwd) == 0);
	CHECK(syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0);
	CHECK_EQ(st.st_size, 5);
	CHECK(syscall(SYS_newfstatat, fd, NULL, &is, AT_EMPTY_PATH) == 0);
	CHECK_EQ(is.st_ino, st.st_ino);
	CHECK(syscall(SYS_newfstatat, AT_FDCWD, "", &is, AT_EMPTY_PATH) == 0);
	CHECK_EQ(is.st_ino, cwd.st_ino);
	CHECK(syscall(SYS_newfstatat, AT_FDCWD, NULL, &is, AT_EMPTY_PATH) == 0);
	CHECK_EQ(is.st_ino, cwd.st_ino);
	int p = open("f", O_PATH);
	CHECK(syscall(SYS_newfstatat, p, "", &is, AT_EMPTY_PATH) == 0);
	CHECK_EQ(is.st_ino, st.st_ino);
	CHECK(syscall(SYS_newfstatat, fd, "f", &is, AT_EMPTY_PATH) == -1 && errno == ENOTDIR);
	CHECK_ERRNO(syscall(SYS_newfstatat, fd, "", &is, 0), ENOENT);
	CHECK_ERRNO(syscall(SYS_newfstatat, fd, NULL, &is, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_newfstatat, 99, "", &is, AT_EMPTY_PATH), EBADF);
	CHECK_ERRNO(syscall(SYS_newfstatat, -5, "", &is, AT_EMPTY_PATH), EBADF);
	CHECK_ERRNO(syscall(SYS_newfstatat, fd, (char *)8, &is, AT_EMPTY_PATH), EFAULT);
}

CASE(utimensat_sets_now_and_omits) {
	close(make("f", ""));
	struct timespec ts[2] = {{100, 5}, {200, 7}};
	struct stat st;
	CHECK(utimensat(AT_FDCWD, "f", ts, 0) == 0);
	stat("f", &st);
	CHECK_EQ(st.st_atim.tv_sec, 100);
	CHECK_EQ(st.st_mtim.tv_nsec, 7);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_nsec = UTIME_NOW;
	CHECK(utimensat(AT_FDCWD, "f", ts, 0) == 0);
	stat("f", &st);
	CHECK_EQ(st.st_atim.tv_sec, 100);
	CHECK(st.st_mtim.tv_sec > 1600000000);
	ts[0].tv_nsec = 1000000000;
	CHECK_ERRNO(utimensat(AT_FDCWD, "f", ts, 0), EINVAL);
}

CASE(unprivileged_users_are_kept_out) {
	close(make("secret", "x"));
	chmod("secret", 0600);
	mkdir("closed", 0700);
	close(make("closed/f", ""));
	pid_t p = fork();
	if (p == 0) {
		CHECK(setgroups(0, 0) == 0);
		CHECK(setresgid(1000, 1000, 1000) == 0);
		CHECK(setresuid(1000, 1000, 1000) == 0);
		CHECK_ERRNO(open("secret", O_RDONLY), EACCES);
		CHECK_ERRNO(access("closed/f", F_OK), EACCES);
		CHECK_ERRNO(chmod("secret", 0777), EPERM);
		CHECK_ERRNO(chown("secret", 1000, 1000), EPERM);
		CHECK_ERRNO(unlink("/etc/passwd"), EACCES);
		CHECK_ERRNO(mknod("dev", S_IFCHR | 0600, 0x103), EPERM);
		CHECK_ERRNO(setuid(0), EPERM);
		CHECK(mkdir("mine", 0700) == 0);
		CHECK_ERRNO(chroot("mine"), EPERM);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(sticky_directory_protects_names) {
	mkdir("s", 01777);
	chmod("s", 01777);
	close(make("s/f", ""));
	chmod("s/f", 0666);
	pid_t p = fork();
	if (p == 0) {
		CHECK(setresuid(1000, 1000, 1000) == 0);
		CHECK_ERRNO(unlink("s/f"), EPERM);
		CHECK_ERRNO(rename("s/f", "s/g"), EPERM);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(chown_clears_setuid) {
	close(make("f", ""));
	chmod("f", 06755);
	CHECK(chown("f", 5, 6) == 0);
	struct stat st;
	stat("f", &st);
	CHECK_EQ(st.st_mode & 07777, 0755);
	CHECK_EQ(st.st_uid, 5);
	CHECK_EQ(st.st_gid, 6);
}

CASE(posix_locks_conflict_between_processes) {
	int fd = make("f", "0123456789");
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 3};
	CHECK(fcntl(fd, F_SETLK, &l) == 0);
	pid_t me = getpid(), p = fork();
	if (p == 0) {
		struct flock k = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 3};
		CHECK_ERRNO(fcntl(fd, F_SETLK, &k), EAGAIN);
		CHECK(fcntl(fd, F_GETLK, &k) == 0);
		CHECK_EQ(k.l_type, F_WRLCK);
		CHECK_EQ(k.l_start, 2);
		CHECK_EQ(k.l_len, 3);
		CHECK_EQ(k.l_pid, me);
		k = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 0};
		CHECK(fcntl(fd, F_SETLK, &k) == 0);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	close(open("f", O_RDONLY));
	p = fork();
	if (p == 0) {
		struct flock k = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		CHECK(fcntl(fd, F_SETLK, &k) == 0);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(posix_lock_deadlock_is_found) {
	int fd = make("f", "ab"), pp[2];
	CHECK(pipe(pp) == 0);
	struct flock a = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
	struct flock b = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};
	CHECK(fcntl(fd, F_SETLK, &a) == 0);
	pid_t p = fork();
	if (p == 0) {
		CHECK(fcntl(fd, F_SETLK, &b) == 0);
		CHECK(write(pp[1], "x", 1) == 1);
		CHECK(fcntl(fd, F_SETLKW, &a) == 0);
		_exit(0);
	}
	char c;
	CHECK_EQ(read(pp[0], &c, 1), 1);
	msleep(50);
	CHECK_ERRNO(fcntl(fd, F_SETLKW, &b), EDEADLK);
	a.l_type = F_UNLCK;
	CHECK(fcntl(fd, F_SETLK, &a) == 0);
	CHECK_CHILD(p, 0);
}

CASE(ofd_locks_belong_to_the_open_file) {
	close(make("f", "x"));
	int a = open("f", O_RDWR), b = open("f", O_RDWR);
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	CHECK(fcntl(a, F_OFD_SETLK, &l) == 0);
	CHECK_ERRNO(fcntl(b, F_OFD_SETLK, &l), EAGAIN);
	close(a);
	CHECK(fcntl(b, F_OFD_SETLK, &l) == 0);
}

CASE(flock_conflicts_between_open_files) {
	close(make("f", "x"));
	int a = open("f", O_RDWR), b = open("f", O_RDWR);
	CHECK(flock(a, LOCK_EX) == 0);
	CHECK_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK(flock(a, LOCK_SH) == 0);
	CHECK(flock(b, LOCK_SH | LOCK_NB) == 0);
	CHECK_ERRNO(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_ERRNO(flock(a, 16), EINVAL);
}

CASE(xattrs_set_list_and_remove) {
	close(make("f", ""));
	char b[100];
	CHECK(setxattr("f", "user.a", "val", 3, 0) == 0);
	CHECK_EQ(getxattr("f", "user.a", b, 100), 3);
	CHECK_EQ(getxattr("f", "user.a", 0, 0), 3);
	CHECK_ERRNO(getxattr("f", "user.a", b, 2), ERANGE);
	CHECK_ERRNO(getxattr("f", "user.b", b, 100), ENODATA);
	CHECK_ERRNO(setxattr("f", "user.a", "v", 1, XATTR_CREATE), EEXIST);
	CHECK_ERRNO(setxattr("f", "user.c", "v", 1, XATTR_REPLACE), ENODATA);
	CHECK_ERRNO(setxattr("f", "nonsense", "v", 1, 0), EOPNOTSUPP);
	ssize_t n = listxattr("f", b, 100);
	CHECK(n >= 7 && memmem(b, n, "user.a", 7));
	CHECK(removexattr("f", "user.a") == 0);
	CHECK_ERRNO(removexattr("f", "user.a"), ENODATA);
}

CASE(inotify_reports_create_rename_and_delete) {
	int fd = inotify_init1(IN_NONBLOCK);
	int wd = inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE);
	CHECK(wd >= 1);
	char b[4096] __attribute__((aligned(8)));
	CHECK_ERRNO(read(fd, b, sizeof b), EAGAIN);
	close(make("f", "x"));
	rename("f", "g");
	unlink("g");
	ssize_t n = read(fd, b, sizeof b);
	unsigned want[] = {IN_CREATE, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE};
	unsigned cookie = 0;
	int i = 0;
	for (char *p = b; p < b + n; i++) {
		struct inotify_event *e = (void *)p;
		CHECK(i < 5);
		CHECK_EQ(e->mask, want[i]);
		CHECK_EQ(e->wd, wd);
		if (i == 2) cookie = e->cookie;
		if (i == 3) CHECK_EQ(e->cookie, cookie);
		p += sizeof *e + e->len;
	}
	CHECK_EQ(i, 5);
	CHECK(inotify_rm_watch(fd, wd) == 0);
	n = read(fd, b, sizeof b);
	CHECK_EQ(((struct inotify_event *)b)->mask, IN_IGNORED);
	CHECK_ERRNO(inotify_rm_watch(fd, wd), EINVAL);
}

CASE(readv_and_writev_move_vectors) {
	int fd = make("f", "");
	struct iovec v[3] = {{"ab", 2}, {"", 0}, {"cde", 3}};
	CHECK_EQ(writev(fd, v, 3), 5);
	char x[2], y[10];
	struct iovec r[2] = {{x, 2}, {y, 10}};
	CHECK_EQ(preadv(fd, r, 2, 0), 5);
	CHECK(!memcmp(y, "cde", 3));
	CHECK_ERRNO(readv(fd, r, -1), EINVAL);
	CHECK_ERRNO(readv(fd, r, IOV_MAX + 1), EINVAL);
	r[0].iov_len = -1;
	CHECK_ERRNO(readv(fd, r, 2), EINVAL);
}

CASE(sendfile_from_a_file_to_itself_ends) {
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char b[20] = "";
	CHECK_EQ(pwrite(fd, "0123456789", 10, 0), 10);
	CHECK_EQ(lseek(fd, 4, SEEK_SET), 4);
	CHECK_EQ(sendfile(fd, fd, 0, 3), 3); // each byte onto itself
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 7);
	off_t off = 0;
	CHECK_EQ(sendfile(fd, fd, &off, 2), 2);
	CHECK_EQ(off, 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 9);
	CHECK_EQ(pread(fd, b, 20, 0), 10);
	CHECK_EQ(memcmp(b, "0123456019", 10), 0);
}

CASE(a_file_can_be_read_while_sendfile_and_splice_wait_for_room) {
	int fd = open("f", O_RDWR | O_CREAT, 0600), p[2];
	CHECK_EQ(ftruncate(fd, 1 << 20), 0);
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 4096), 4096);
	for (int i = 0; i < 2; i++) {
		pid_t c = fork();
		if (c == 0) {
			if (i) splice(fd, 0, p[1], 0, 1 << 20, 0);
			sendfile(p[1], fd, 0, 1 << 20);
			for (;;) splice(fd, 0, p[1], 0, 1 << 20, 0);
		}
		char b[4097];
		int n = 0;
		while (n < 4096) CHECK(ioctl(p[0], FIONREAD, &n) == 0);
		CHECK_EQ(read(fd, b, 1), 1);
		CHECK_EQ(kill(c, SIGKILL), 0);
		CHECK_EQ(waitpid(c, 0, 0), c);
		CHECK_EQ(read(p[0], b, 4096), 4096);
	}
}

CASE(sendfile_and_copy_file_range_copy) {
	int a = make("a", "0123456789"), b = make("b", "");
	off_t off = 2;
	CHECK_EQ(sendfile(b, a, &off, 3), 3);
	CHECK_EQ(off, 5);
	CHECK(!strcmp(contents("b"), "234"));
	loff_t in = 5, out = 3;
	CHECK_EQ(copy_file_range(a, &in, b, &out, 100, 0), 5);
	CHECK(!strcmp(contents("b"), "23456789"));
	CHECK_ERRNO(copy_file_range(a, &in, b, &out, 1, 1), EINVAL);
}

CASE(dup_shares_the_offset_and_cloexec_does_not) {
	int fd = make("f", "abcdef");
	int g = dup(fd);
	lseek(fd, 2, SEEK_SET);
	CHECK_EQ(lseek(g, 0, SEEK_CUR), 2);
	CHECK_EQ(dup2(fd, 50), 50);
	CHECK_EQ(dup2(fd, fd), fd);
	CHECK_ERRNO(dup3(fd, fd, 0), EINVAL);
	CHECK_ERRNO(dup2(fd, 1 << 30), EBADF);
	CHECK_EQ(dup3(fd, 51, O_CLOEXEC), 51);
	CHECK_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(50, F_GETFD), 0);
	CHECK_EQ(fcntl(fd, F_DUPFD, 100), 100);
	CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 100), 101);
	CHECK(syscall(SYS_close_range, 50, 101, 0) == 0);
	CHECK_ERRNO(fcntl(50, F_GETFD), EBADF);
}

CASE(chdir_getcwd_and_removed_directories) {
	char b[4096];
	mkdir("d", 0755);
	CHECK(chdir("d") == 0);
	CHECK(getcwd(b, sizeof b) != 0);
	CHECK(!strcmp(strrchr(b, '/'), "/d"));
	CHECK_ERRNO(syscall(SYS_getcwd, b, 2), ERANGE);
	CHECK(rmdir("../d") == 0);
	CHECK_ERRNO(syscall(SYS_getcwd, b, sizeof b), ENOENT);
	CHECK_ERRNO(open("x", O_CREAT | O_WRONLY, 0600), ENOENT);
	CHECK(chdir("..") == 0);
	CHECK_ERRNO(chdir("/etc/passwd"), ENOTDIR);
}

CASE(executing_a_file_open_for_writing_gives_ETXTBSY) {
	int in = open("/bin/true", O_RDONLY), fd = open("t", O_CREAT | O_RDWR, 0755);
	while (sendfile(fd, in, 0, 1 << 20) > 0) {}
	pid_t p = fork();
	if (p == 0) {
		execl("./t", "t", (char *)0);
		_exit(errno == ETXTBSY ? 0 : 1);
	}
	CHECK_CHILD(p, 0);
	close(fd);
	p = fork();
	if (p == 0) {
		execl("./t", "t", (char *)0);
		_exit(1);
	}
	CHECK_CHILD(p, 0);
}

CASE(openat2_resolves_beneath) {
	struct { uint64_t flags, mode, resolve; } how = {O_RDONLY, 0, 8 /* RESOLVE_BENEATH */};
	mkdir("d", 0755);
	int d = open("d", O_RDONLY);
	close(make("d/f", "x"));
	symlink("/etc/passwd", "d/abs");
	symlink("f", "d/rel");
	CHECK(syscall(SYS_openat2, d, "f", &how, sizeof how) >= 0);
	CHECK(syscall(SYS_openat2, d, "rel", &how, sizeof how) >= 0);
	CHECK_ERRNO(syscall(SYS_openat2, d, "abs", &how, sizeof how), EXDEV);
	CHECK_ERRNO(syscall(SYS_openat2, d, "../d/f", &how, sizeof how), EXDEV);
	how.resolve = 4; /* RESOLVE_NO_SYMLINKS */
	CHECK_ERRNO(syscall(SYS_openat2, d, "rel", &how, sizeof how), ELOOP);
	CHECK_ERRNO(syscall(SYS_openat2, d, "f", &how, 8), EINVAL);
}

CASE(RLIMIT_FSIZE_raises_SIGXFSZ) {
	pid_t p = fork();
	if (p == 0) {
		unsigned long lim[2] = {10, 10};
		CHECK(syscall(SYS_setrlimit, 1, lim) == 0);
		int fd = make("f", "12345");
		CHECK_EQ(write(fd, "6789012345", 10), 5);
		if (write(fd, "x", 1)) {}
		_exit(0);
	}
	int st;
	CHECK_EQ(waitpid(p, &st, 0), p);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGXFSZ);
}

CASE(descriptors_are_the_lowest_free_and_limited) {
	int a = dup(0), b = dup(0);
	close(a);
	CHECK_EQ(dup(0), a);
	CHECK_EQ(b, a + 1);
	unsigned long lim[2] = {20, 20};
	CHECK(syscall(SYS_setrlimit, 7, lim) == 0);
	while (dup(0) >= 0) {}
	int e = errno;
	CHECK_EQ(e, EMFILE);
	CHECK(fcntl(19, F_GETFD) == 0);
	CHECK_ERRNO(fcntl(20, F_GETFD), EBADF);
}

CASE(lseek_of_null_zero_full_goes_anywhere_and_stays_at_0) {
	const char *dev[] = {"/dev/null", "/dev/zero", "/dev/full"};
	for (int i = 0; i < 3; i++) {
		int fd = open(dev[i], O_RDWR);
		CHECK(fd >= 0);
		CHECK(lseek(fd, -7, SEEK_SET) == 0);
		CHECK(lseek(fd, -7, SEEK_CUR) == 0);
		CHECK(lseek(fd, 4096, SEEK_SET) == 0);
		CHECK_ERRNO(lseek(fd, 0, 99), EINVAL);
		close(fd);
	}
}

MAIN()
