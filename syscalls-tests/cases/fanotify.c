// fanotify(7): listeners that are told.
#include "fanotify.h"

#include <sys/ioctl.h>
#include <sys/sysmacros.h>

CASE(fanotify_init_checks_its_flags) {
	CHECK_ERRNO(fanotify_init(0x80000000, 0), EINVAL);
	CHECK_ERRNO(fanotify_init(FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT, 0), EINVAL);
	CHECK_ERRNO(fanotify_init(FAN_REPORT_FID | FAN_CLASS_CONTENT, 0), EINVAL);
	CHECK_ERRNO(fanotify_init(FAN_REPORT_NAME, 0), EINVAL);
	CHECK_ERRNO(fanotify_init(FAN_REPORT_TARGET_FID | FAN_REPORT_FID, 0), EINVAL);
	CHECK_ERRNO(fanotify_init(0, O_CREAT), EINVAL);
	CHECK_ERRNO(fanotify_init(0, 3), EINVAL);
	int fd = fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_LARGEFILE);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	char name[64], to[64] = "";
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	CHECK(readlink(name, to, sizeof to - 1) > 0 && !strcmp(to, "anon_inode:[fanotify]"));
}

CASE(fanotify_mark_checks_its_arguments) {
	own();
	touch("f");
	int fan = listens(0), fid = listens(FAN_REPORT_FID);
	CHECK_ERRNO(fanotify_mark(fan, 0, FAN_OPEN, AT_FDCWD, "f"), EINVAL);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, "f"), EINVAL);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD, 0, AT_FDCWD, "f"), EINVAL);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD, 1ULL << 40, AT_FDCWD, "f"), EINVAL);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD | 0x80000000, FAN_OPEN, AT_FDCWD, "f"), EINVAL);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, "f"), EINVAL); // not of that class
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD, FAN_CREATE, AT_FDCWD, "."), EINVAL); // without handles
	CHECK_ERRNO(fanotify_mark(fid, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_CREATE, AT_FDCWD, "."), EINVAL);
	CHECK_ERRNO(fanotify_mark(fid, FAN_MARK_ADD, FAN_RENAME, AT_FDCWD, "."), EINVAL);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_EVICTABLE | FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD, "."), EINVAL);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_FLUSH | FAN_MARK_ONLYDIR, 0, AT_FDCWD, "."), EINVAL);
	CHECK_ERRNO(fanotify_mark(-1, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "f"), EBADF);
	CHECK_ERRNO(fanotify_mark(0, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "f"), EINVAL);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "none"), ENOENT);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_OPEN, AT_FDCWD, "f"), ENOTDIR);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, "f"), ENOENT);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_IGNORE, FAN_OPEN, AT_FDCWD, "."), EISDIR);
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_IGNORE | FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD, "."), EINVAL);
	int f = open("f", O_RDONLY);
	CHECK_EQ(fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN, f, 0), 0); // what the descriptor is of
}

CASE(fanotify_tells_of_an_inode) {
	own();
	touch("f"), touch("g");
	int fan = listens(0);
	struct ev e;
	mark(fan, 0, FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_CLOSE, "f");
	CHECK(!next(fan, &e));
	touch_open("g");
	CHECK(!next(fan, &e));
	int fd = open("f", O_RDWR);
	EXPECT(fan, &e, FAN_OPEN);
	CHECK_EQ(e.pid, getpid());
	CHECK_EQ(fcntl(e.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK(is_file(e.fd, "f")); // whose own close nobody hears of
	CHECK(!next(fan, &e));
	CHECK(write(fd, "x", 1) == 1);
	EXPECT(fan, &e, FAN_MODIFY);
	close(e.fd);
	char c;
	CHECK(pread(fd, &c, 1, 0) == 1);
	EXPECT(fan, &e, FAN_ACCESS);
	close(e.fd);
	close(fd);
	EXPECT(fan, &e, FAN_CLOSE_WRITE);
	CHECK_EQ(e.pid, getpid());
	close(e.fd);
	touch_open("f");
	EXPECT(fan, &e, FAN_OPEN | FAN_CLOSE_NOWRITE); // merged
	close(e.fd);
}

CASE(fanotify_tells_of_children_only_if_asked) {
	own();
	dir("d"), touch("d/f"), dir("d/sub");
	int fan = listens(0);
	struct ev e;
	mark(fan, 0, FAN_OPEN, "d");
	touch_open("d/f");
	touch_open("d");
	CHECK(!next(fan, &e)); // no FAN_ONDIR either
	mark(fan, 0, FAN_OPEN | FAN_EVENT_ON_CHILD, "d");
	touch_open("d/f");
	EXPECT(fan, &e, FAN_OPEN);
	CHECK(is_file(e.fd, "d/f"));
	touch_open("d/sub");
	CHECK(!next(fan, &e));
	mark(fan, 0, FAN_OPEN | FAN_EVENT_ON_CHILD | FAN_ONDIR, "d");
	touch_open("d/sub");
	EXPECT(fan, &e, FAN_OPEN); // FAN_ONDIR is not told without handles
	CHECK(is_file(e.fd, "d/sub"));
	touch_open("d");
	EXPECT(fan, &e, FAN_OPEN);
	CHECK(is_file(e.fd, "d"));
}

CASE(fanotify_tells_of_a_mount) {
	own();
	dir("d"), touch("d/f"), dir("m"), dir("other");
	CHECK(mount("d", "other", 0, MS_BIND, 0) == 0);
	int fan = listens(0);
	struct ev e;
	mark(fan, FAN_MARK_MOUNT, FAN_CLOSE_NOWRITE, ".");
	touch_open("d/f");
	EXPECT(fan, &e, FAN_CLOSE_NOWRITE);
	CHECK(is_file(e.fd, "d/f"));
	touch_open("other/f"); // the same file through another mount
	CHECK(!next(fan, &e));
	CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_REMOVE, FAN_CLOSE_NOWRITE, AT_FDCWD, "."), ENOENT);
	CHECK_EQ(fanotify_mark(fan, FAN_MARK_REMOVE | FAN_MARK_MOUNT, FAN_CLOSE_NOWRITE, AT_FDCWD, "."), 0);
	touch_open("d/f");
	CHECK(!next(fan, &e));
}

CASE(fanotify_tells_of_a_file_system) {
	own();
	dir("d"), touch("d/f"), dir("other");
	CHECK(mount("d", "other", 0, MS_BIND, 0) == 0);
	int fan = listens(0);
	struct ev e;
	mark(fan, FAN_MARK_FILESYSTEM, FAN_OPEN, "d");
	touch_open("other/f");
	EXPECT(fan, &e, FAN_OPEN);
	CHECK(is_file(e.fd, "d/f"));
	touch_open("/proc/self/stat");
	CHECK(!next(fan, &e));
}

CASE(fanotify_flush_ends_marks_of_a_kind) {
	own();
	touch("f");
	int fan = listens(0);
	struct ev e;
	mark(fan, 0, FAN_OPEN, "f");
	mark(fan, FAN_MARK_MOUNT, FAN_CLOSE, ".");
	CHECK_EQ(fanotify_mark(fan, FAN_MARK_FLUSH, 0, AT_FDCWD, 0), 0);
	touch_open("f");
	EXPECT(fan, &e, FAN_CLOSE_NOWRITE);
	close(e.fd);
	CHECK_EQ(fanotify_mark(fan, FAN_MARK_FLUSH | FAN_MARK_MOUNT, 0, AT_FDCWD, 0), 0);
	touch_open("f");
	CHECK(!next(fan, &e));
}

CASE(fanotify_ignored_events_are_not_told) {
	own();
	touch("f"), touch("g");
	int fan = listens(0);
	struct ev e;
	mark(fan, FAN_MARK_MOUNT, FAN_OPEN, ".");
	mark(fan, FAN_MARK_IGNORED_MASK, FAN_OPEN, "f");
	touch_open("f");
	CHECK(!next(fan, &e));
	touch_open("g");
	EXPECT(fan, &e, FAN_OPEN);
	CHECK(is_file(e.fd, "g"));
	int fd = open("f", O_WRONLY);
	CHECK(!next(fan, &e));
	CHECK(write(fd, "x", 1) == 1); // which ends that
	close(fd);
	touch_open("f");
	EXPECT(fan, &e, FAN_OPEN);
	close(e.fd);
	mark(fan, FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_OPEN, "f");
	fd = open("f", O_WRONLY);
	CHECK(write(fd, "x", 1) == 1);
	touch_open("f");
	CHECK(!next(fan, &e));
}

CASE(fanotify_modes_of_marks_add_up) {
	own();
	touch("f");
	int fan = listens(0);
	struct ev e;
	mark(fan, 0, FAN_OPEN, "f");
	mark(fan, 0, FAN_CLOSE, "f");
	touch_open("f");
	EXPECT(fan, &e, FAN_OPEN | FAN_CLOSE_NOWRITE);
	close(e.fd);
	CHECK_EQ(fanotify_mark(fan, FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, "f"), 0);
	touch_open("f");
	EXPECT(fan, &e, FAN_CLOSE_NOWRITE);
	close(e.fd);
}

CASE(fanotify_reads_whole_events) {
	own();
	touch("f");
	int fan = listens(0), n;
	char b[100];
	mark(fan, 0, FAN_OPEN, "f");
	CHECK_ERRNO(read(fan, b, sizeof b), EAGAIN);
	touch_open("f");
	CHECK(ioctl(fan, FIONREAD, &n) == 0);
	CHECK_EQ(n, 24);
	struct pollfd p = {fan, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_ERRNO(read(fan, b, 23), EINVAL);
	CHECK_EQ(read(fan, b, 24), 24);
	CHECK_EQ(poll(&p, 1, 0), 0);
}

CASE(fanotify_event_files_are_open_as_asked) {
	own();
	touch("f");
	int fan = fanotify_init(FAN_NONBLOCK, O_RDWR | O_CLOEXEC);
	struct ev e;
	mark(fan, 0, FAN_OPEN, "f");
	touch_open("f");
	EXPECT(fan, &e, FAN_OPEN);
	CHECK_EQ(fcntl(e.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_EQ(fcntl(e.fd, F_GETFD), FD_CLOEXEC);
	CHECK(write(e.fd, "x", 1) == 1);
	CHECK(!next(fan, &e));
}

CASE(fanotify_tells_of_execution) {
	own();
	int fan = listens(0), st;
	struct ev e;
	mark(fan, 0, FAN_OPEN_EXEC, "/bin/true");
	touch_open("/bin/true");
	CHECK(!next(fan, &e));
	pid_t pid = fork();
	if (!pid) {
		execl("/bin/true", "true", (char *)0);
		_exit(1);
	}
	CHECK_EQ(waitpid(pid, &st, 0), pid);
	EXPECT(fan, &e, FAN_OPEN_EXEC);
	CHECK_EQ(e.pid, pid);
	close(e.fd);
}

CASE(fanotify_handles_stand_for_files) {
	own();
	dir("d"), touch("d/f");
	int fan = listens(FAN_REPORT_FID);
	struct ev e;
	mark(fan, 0, FAN_OPEN | FAN_CLOSE | FAN_ATTRIB | FAN_ONDIR, "d/f");
	int fd = open("d/f", O_RDONLY);
	EXPECT(fan, &e, FAN_OPEN);
	CHECK_EQ(e.fd, FAN_NOFD);
	CHECK_EQ(e.infos, 1);
	CHECK(is_fid(&e, 0, INFO_FID, "d/f", ""));
	struct statfs sf;
	CHECK(statfs("d/f", &sf) == 0);
	CHECK(!memcmp(e.info[0].fid, &sf.f_fsid, 8));
	CHECK(fchmod(fd, 0600) == 0);
	EXPECT(fan, &e, FAN_ATTRIB);
	mark(fan, 0, FAN_OPEN | FAN_ONDIR, "d");
	touch_open("d");
	EXPECT(fan, &e, FAN_OPEN | FAN_ONDIR);
	CHECK(is_fid(&e, 0, INFO_FID, "d", ""));
}

CASE(fanotify_names_are_made_and_removed) {
	own();
	dir("d");
	int fan = listens(FAN_REPORT_DIR_FID | FAN_REPORT_NAME);
	struct ev e;
	mark(fan, 0, FAN_CREATE | FAN_DELETE | FAN_MOVE, "d");
	touch("d/f");
	EXPECT(fan, &e, FAN_CREATE);
	CHECK_EQ(e.infos, 1);
	CHECK(is_fid(&e, 0, INFO_DFID_NAME, "d", "f"));
	dir("d/sub");
	CHECK(!next(fan, &e));
	mark(fan, 0, FAN_CREATE | FAN_ONDIR, "d");
	dir("d/sub2");
	EXPECT(fan, &e, FAN_CREATE | FAN_ONDIR);
	CHECK(is_fid(&e, 0, INFO_DFID_NAME, "d", "sub2"));
	CHECK(rename("d/f", "d/g") == 0);
	EXPECT(fan, &e, FAN_MOVED_FROM);
	CHECK(is_fid(&e, 0, INFO_DFID_NAME, "d", "f"));
	EXPECT(fan, &e, FAN_MOVED_TO);
	CHECK(is_fid(&e, 0, INFO_DFID_NAME, "d", "g"));
	CHECK(unlink("d/g") == 0);
	EXPECT(fan, &e, FAN_DELETE);
	CHECK(is_fid(&e, 0, INFO_DFID_NAME, "d", "g"));
	CHECK(!next(fan, &e));
}

CASE(fanotify_names_of_children_and_of_oneself) {
	own();
	dir("d"), touch("d/f");
	int fan = listens(FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_FID);
	struct ev e;
	mark(fan, 0, FAN_OPEN | FAN_EVENT_ON_CHILD | FAN_ONDIR, "d");
	touch_open("d/f");
	EXPECT(fan, &e, FAN_OPEN);
	CHECK_EQ(e.infos, 2);
	CHECK(is_fid(&e, 0, INFO_DFID_NAME, "d", "f"));
	CHECK(is_fid(&e, 1, INFO_FID, "d/f", ""));
	touch_open("d");
	EXPECT(fan, &e, FAN_OPEN | FAN_ONDIR);
	CHECK_EQ(e.infos, 1);
	CHECK(is_fid(&e, 0, INFO_DFID_NAME, "d", "."));
}

CASE(fanotify_targets_are_told_if_asked) {
	own();
	dir("d");
	int fan = listens(FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_FID | FAN_REPORT_TARGET_FID);
	struct ev e;
	mark(fan, 0, FAN_CREATE | FAN_ONDIR, "d");
	touch("d/f");
	EXPECT(fan, &e, FAN_CREATE);
	CHECK_EQ(e.infos, 2);
	CHECK(is_fid(&e, 0, INFO_DFID_NAME, "d", "f"));
	CHECK(is_fid(&e, 1, INFO_FID, "d/f", ""));
}

CASE(fanotify_rename_has_both_names) {
	own();
	dir("a"), dir("b"), touch("a/f");
	int fan = listens(FAN_REPORT_DIR_FID | FAN_REPORT_NAME);
	struct ev e;
	mark(fan, FAN_MARK_FILESYSTEM, FAN_RENAME, ".");
	CHECK(rename("a/f", "b/g") == 0);
	EXPECT(fan, &e, FAN_RENAME);
	CHECK_EQ(e.infos, 2);
	CHECK(is_fid(&e, 0, INFO_OLD, "a", "f"));
	CHECK(is_fid(&e, 1, INFO_NEW, "b", "g"));
}

CASE(fanotify_rename_tells_of_what_is_marked) {
	own();
	dir("a"), dir("b"), touch("a/f");
	int from = listens(FAN_REPORT_DIR_FID | FAN_REPORT_NAME), to = listens(FAN_REPORT_DIR_FID | FAN_REPORT_NAME);
	int both = listens(FAN_REPORT_DIR_FID | FAN_REPORT_NAME);
	struct ev e;
	mark(from, 0, FAN_RENAME, "a");
	mark(to, 0, FAN_RENAME, "b");
	mark(both, 0, FAN_RENAME, "a");
	mark(both, 0, FAN_RENAME, "b");
	CHECK(rename("a/f", "b/g") == 0);
	EXPECT(from, &e, FAN_RENAME);
	CHECK_EQ(e.infos, 1);
	CHECK(is_fid(&e, 0, INFO_OLD, "a", "f"));
	EXPECT(to, &e, FAN_RENAME);
	CHECK_EQ(e.infos, 1);
	CHECK(is_fid(&e, 0, INFO_NEW, "b", "g"));
	EXPECT(both, &e, FAN_RENAME);
	CHECK_EQ(e.infos, 2);
	mark(from, FAN_MARK_ADD, FAN_RENAME, "a");
	CHECK(rename("b/g", "b/h") == 0);
	EXPECT(to, &e, FAN_RENAME);
	CHECK_EQ(e.infos, 2);
}

CASE(fanotify_tells_of_the_end) {
	own();
	touch("f"), touch("g");
	int fan = listens(FAN_REPORT_FID);
	struct ev e;
	mark(fan, 0, FAN_DELETE_SELF | FAN_MOVE_SELF, "f");
	CHECK(rename("f", "h") == 0);
	EXPECT(fan, &e, FAN_MOVE_SELF);
	CHECK(unlink("h") == 0);
	EXPECT(fan, &e, FAN_DELETE_SELF);
	CHECK(!next(fan, &e));
}

CASE(fanotify_unprivileged_listeners_see_less) {
	own();
	touch("f");
	CHECK(chmod(".", 0777) == 0 && chmod("f", 0666) == 0);
	touch("secret");
	CHECK(chmod("secret", 0600) == 0);
	pid_t pid = fork();
	if (!pid) {
		CHECK(setgid(1234) == 0 && setuid(1234) == 0);
		CHECK_ERRNO(fanotify_init(0, 0), EPERM);
		CHECK_ERRNO(fanotify_init(FAN_REPORT_FID | FAN_UNLIMITED_QUEUE, 0), EPERM);
		CHECK_ERRNO(fanotify_init(FAN_REPORT_FID | FAN_REPORT_TID, 0), EPERM);
		int fan = listens(FAN_REPORT_FID);
		struct ev e;
		CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD, "."), EPERM);
		CHECK_ERRNO(fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "secret"), EACCES);
		mark(fan, 0, FAN_OPEN, "f");
		touch_open("f");
		EXPECT(fan, &e, FAN_OPEN);
		CHECK_EQ(e.pid, getpid());
		pid_t other = fork();
		if (!other) {
			touch_open("f");
			_exit(0);
		}
		CHECK_CHILD(other, 0);
		EXPECT(fan, &e, FAN_OPEN);
		CHECK_EQ(e.pid, 0);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

CASE(fanotify_queue_overflows) {
	own();
	dir("d");
	int fan = fanotify_init(FAN_NONBLOCK | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, O_RDONLY), seen = 0, over = 0;
	struct ev e;
	mark(fan, 0, FAN_CREATE, "d");
	int max = 0;
	FILE *f = fopen("/proc/sys/fs/fanotify/max_queued_events", "r");
	CHECK(f && fscanf(f, "%d", &max) == 1);
	fclose(f);
	char name[64];
	for (int i = 0; i < max + 10; i++) {
		snprintf(name, sizeof name, "d/%d", i);
		CHECK(mknod(name, S_IFREG | 0600, 0) == 0 && unlink(name) == 0);
	}
	while (next(fan, &e)) {
		seen++;
		if (e.mask == FAN_Q_OVERFLOW) {
			over++;
			CHECK_EQ(e.fd, FAN_NOFD);
		}
	}
	CHECK_EQ(over, 1);
	CHECK_EQ(seen, max + 1);
}

CASE(fanotify_listeners_are_told_apart) {
	own();
	touch("f");
	int a = listens(0), b = listens(0);
	struct ev e;
	mark(a, 0, FAN_OPEN, "f");
	mark(b, 0, FAN_CLOSE, "f");
	touch_open("f");
	EXPECT(a, &e, FAN_OPEN);
	close(e.fd);
	EXPECT(b, &e, FAN_CLOSE_NOWRITE);
	close(e.fd);
	close(a);
	touch_open("f");
	EXPECT(b, &e, FAN_CLOSE_NOWRITE);
	close(e.fd);
}

CASE(fanotify_fdinfo_lists_marks) {
	own();
	touch("f");
	int fan = listens(FAN_REPORT_FID);
	mark(fan, 0, FAN_OPEN, "f");
	mark(fan, FAN_MARK_FILESYSTEM, FAN_CLOSE, ".");
	mark(fan, FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_CLOSE_WRITE, "f");
	char name[64], b[4096], want[256];
	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fan);
	int fd = open(name, O_RDONLY), n = read(fd, b, sizeof b - 1);
	CHECK(n > 0);
	b[n] = 0;
	snprintf(want, sizeof want, "fanotify flags:%x event-flags:8000\n", FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK);
	CHECK(strstr(b, want));
	struct stat st;
	CHECK(stat("f", &st) == 0);
	snprintf(want, sizeof want, "fanotify ino:%lx sdev:%x mflags:40 mask:20 ignored_mask:8 fhandle-bytes:", (long)st.st_ino,
		(unsigned)(major(st.st_dev) << 20 | minor(st.st_dev)));
	CHECK(strstr(b, want));
	snprintf(want, sizeof want, "fanotify sdev:%x mflags:0 mask:18 ignored_mask:0\n",
		(unsigned)(major(st.st_dev) << 20 | minor(st.st_dev)));
	CHECK(strstr(b, want));
}

MAIN()
