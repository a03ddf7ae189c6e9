#include "files.h"
#include <sys/inotify.h>
#include <sys/ioctl.h>

// told wants the next event of in to be of watch wd, with mask and name, and nothing else.
#define TOLD(in, wd_, mask_, name_)                                                      \
	do {                                                                                 \
		struct inotify_event *e_ = next(in);                                             \
		CHECK(e_);                                                                       \
		CHECK_EQ(e_->mask, mask_);                                                       \
		CHECK_EQ(e_->wd, wd_);                                                           \
		CHECK(!strcmp(e_->len ? e_->name : "", name_));                                  \
	} while (0)

// next reads one event, if there is one: read gives only whole ones, so the room is made for one.
static struct inotify_event *next(int in) {
	static char b[4096] __attribute__((aligned(8)));
	for (size_t room = sizeof(struct inotify_event); room <= 512; room += 16) {
		long n = read(in, b, room);
		if (n > 0) return (void *)b;
		if (n == 0 || errno != EINVAL) break;
	}
	if (errno != EAGAIN) fail(__FILE__, __LINE__, "read: %s", strerror(errno));
	return 0;
}

CASE(inotify_errors) {
	CHECK_ERRNO(inotify_init1(1), EINVAL);
	int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	CHECK_EQ(fcntl(in, F_GETFD), FD_CLOEXEC);
	close(make("f", ""));
	CHECK(symlink("f", "l") == 0);
	CHECK_ERRNO(inotify_add_watch(in, "none", IN_ALL_EVENTS), ENOENT);
	CHECK_ERRNO(inotify_add_watch(in, "f", 0), EINVAL);
	CHECK_ERRNO(inotify_add_watch(in, "f", IN_ALL_EVENTS | IN_ONLYDIR), ENOTDIR);
	CHECK_ERRNO(inotify_add_watch(in, (char *)8, IN_ALL_EVENTS), EFAULT);
	CHECK_ERRNO(inotify_add_watch(77, "f", IN_ALL_EVENTS), EBADF);
	CHECK_ERRNO(inotify_add_watch(open("f", O_RDONLY), "f", IN_ALL_EVENTS), EINVAL);
	CHECK_ERRNO(inotify_add_watch(in, "f", IN_MODIFY | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
	int wd = inotify_add_watch(in, "f", IN_MODIFY);
	CHECK(wd >= 1);
	CHECK_ERRNO(inotify_add_watch(in, "f", IN_MODIFY | IN_MASK_CREATE), EEXIST);
	CHECK_EQ(inotify_add_watch(in, "l", IN_MODIFY), wd);
	CHECK(inotify_add_watch(in, "l", IN_MODIFY | IN_DONT_FOLLOW) != wd);
	CHECK_ERRNO(inotify_rm_watch(in, wd + 77), EINVAL);
	CHECK_ERRNO(inotify_rm_watch(open("f", O_RDONLY), wd), EINVAL);
	CHECK_ERRNO(inotify_rm_watch(77, wd), EBADF);
	CHECK_ERRNO(read(in, &wd, 4), EAGAIN);
	CHECK(chmod(".", 0755) == 0);
	CHECK(chmod("f", 0) == 0);
	AS(1000, 1000, CHECK_ERRNO(inotify_add_watch(inotify_init(), "f", IN_MODIFY), EACCES));
}

CASE(inotify_follows_the_life_of_a_file) {
	int in = inotify_init1(IN_NONBLOCK);
	close(make("f", "x"));
	int wd = inotify_add_watch(in, "f", IN_ALL_EVENTS);
	int fd = open("f", O_RDWR);
	TOLD(in, wd, IN_OPEN, "");
	char b;
	CHECK_EQ(read(fd, &b, 1), 1);
	TOLD(in, wd, IN_ACCESS, "");
	CHECK_EQ(read(fd, &b, 1), 0);
	CHECK_EQ(write(fd, "yz", 2), 2);
	TOLD(in, wd, IN_MODIFY, "");
	CHECK(ftruncate(fd, 1) == 0);
	TOLD(in, wd, IN_MODIFY, "");
	CHECK(fchmod(fd, 0600) == 0);
	TOLD(in, wd, IN_ATTRIB, "");
	CHECK(link("f", "g") == 0);
	TOLD(in, wd, IN_ATTRIB, "");
	CHECK(rename("g", "h") == 0);
	TOLD(in, wd, IN_MOVE_SELF, "");
	close(fd);
	TOLD(in, wd, IN_CLOSE_WRITE, "");
	close(open("f", O_RDONLY));
	TOLD(in, wd, IN_OPEN, "");
	TOLD(in, wd, IN_CLOSE_NOWRITE, "");
	CHECK(unlink("h") == 0);
	TOLD(in, wd, IN_ATTRIB, "");
	CHECK(unlink("f") == 0);
	TOLD(in, wd, IN_ATTRIB, "");
	TOLD(in, wd, IN_DELETE_SELF, "");
	TOLD(in, wd, IN_IGNORED, "");
	CHECK(!next(in));
	CHECK_ERRNO(inotify_rm_watch(in, wd), EINVAL);
}

CASE(inotify_of_a_directory_names_its_children) {
	int in = inotify_init1(IN_NONBLOCK);
	CHECK(mkdir("d", 0755) == 0);
	int wd = inotify_add_watch(in, "d", IN_ALL_EVENTS & ~(IN_OPEN | IN_CLOSE));
	CHECK(mkdir("d/sub", 0755) == 0);
	TOLD(in, wd, IN_CREATE | IN_ISDIR, "sub");
	int fd = make("d/f", "x");
	TOLD(in, wd, IN_CREATE, "f");
	TOLD(in, wd, IN_MODIFY, "f");
	CHECK(chmod("d/sub", 0700) == 0);
	TOLD(in, wd, IN_ATTRIB | IN_ISDIR, "sub");
	CHECK(chmod("d", 0700) == 0);
	TOLD(in, wd, IN_ATTRIB | IN_ISDIR, "");
	CHECK(symlink("x", "d/l") == 0);
	TOLD(in, wd, IN_CREATE, "l");
	CHECK(link("d/f", "d/g") == 0);
	struct inotify_event *e = next(in);
	// Of one link the children learn IN_ATTRIB, their parent the new name.
	if (e && e->mask == IN_ATTRIB) e = next(in);
	CHECK(e && e->mask == IN_CREATE && !strcmp(e->name, "g"));
	while (next(in)) {}
	CHECK(unlink("d/g") == 0);
	TOLD(in, wd, IN_DELETE, "g");
	CHECK(rmdir("d/sub") == 0);
	TOLD(in, wd, IN_DELETE | IN_ISDIR, "sub");
	CHECK(close(make("d/sub2", "")) == 0);
	TOLD(in, wd, IN_CREATE, "sub2");
	CHECK(!next(in));
	close(fd);
	CHECK(!next(in));
}

CASE(inotify_moves_share_a_cookie) {
	int in = inotify_init1(IN_NONBLOCK);
	CHECK(mkdir("a", 0755) == 0);
	CHECK(mkdir("b", 0755) == 0);
	close(make("a/f", ""));
	int a = inotify_add_watch(in, "a", IN_MOVE), b = inotify_add_watch(in, "b", IN_MOVE);
	CHECK(rename("a/f", "b/g") == 0);
	struct inotify_event *e = next(in);
	CHECK(e && e->mask == IN_MOVED_FROM && e->wd == a && !strcmp(e->name, "f"));
	uint32_t cookie = e->cookie;
	CHECK(cookie);
	e = next(in);
	CHECK(e && e->mask == IN_MOVED_TO && e->wd == b && !strcmp(e->name, "g"));
	CHECK_EQ(e->cookie, cookie);
	CHECK(mkdir("a/d", 0755) == 0);
	CHECK(rename("a/d", "out") == 0);
	e = next(in);
	CHECK(e && e->mask == (IN_MOVED_FROM | IN_ISDIR) && e->cookie != cookie);
	CHECK(!next(in));
}

CASE(inotify_equal_events_in_a_row_are_one) {
	int in = inotify_init1(IN_NONBLOCK), n;
	int fd = make("f", "");
	int wd = inotify_add_watch(in, "f", IN_MODIFY | IN_ATTRIB);
	for (int i = 0; i < 3; i++) CHECK_EQ(write(fd, "x", 1), 1);
	CHECK(ioctl(in, FIONREAD, &n) == 0);
	CHECK_EQ(n, sizeof(struct inotify_event));
	CHECK(fchmod(fd, 0600) == 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	TOLD(in, wd, IN_MODIFY, "");
	TOLD(in, wd, IN_ATTRIB, "");
	TOLD(in, wd, IN_MODIFY, "");
	CHECK(!next(in));
}

CASE(inotify_masks_replace_add_and_end) {
	int in = inotify_init1(IN_NONBLOCK);
	int fd = make("f", "");
	int wd = inotify_add_watch(in, "f", IN_MODIFY);
	CHECK_EQ(inotify_add_watch(in, "f", IN_ATTRIB), wd);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK(!next(in));
	CHECK_EQ(inotify_add_watch(in, "f", IN_MODIFY | IN_MASK_ADD), wd);
	CHECK_EQ(write(fd, "x", 1), 1);
	TOLD(in, wd, IN_MODIFY, "");
	CHECK(fchmod(fd, 0600) == 0);
	TOLD(in, wd, IN_ATTRIB, "");
	CHECK_EQ(inotify_add_watch(in, "f", IN_MODIFY | IN_ONESHOT), wd);
	CHECK_EQ(write(fd, "x", 1), 1);
	TOLD(in, wd, IN_MODIFY, "");
	TOLD(in, wd, IN_IGNORED, "");
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK(!next(in));
	int other = inotify_add_watch(in, "f", IN_MODIFY);
	CHECK(other > wd);
	CHECK(inotify_rm_watch(in, other) == 0);
	TOLD(in, other, IN_IGNORED, "");
}

CASE(inotify_EXCL_UNLINK_leaves_out_who_is_gone) {
	int in = inotify_init1(IN_NONBLOCK), fd = make("f", "");
	int wd = inotify_add_watch(in, ".", IN_MODIFY | IN_EXCL_UNLINK);
	CHECK_EQ(write(fd, "x", 1), 1);
	TOLD(in, wd, IN_MODIFY, "f");
	CHECK(unlink("f") == 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK(!next(in));
}

CASE(inotify_a_removed_directory_is_ignored_at_last) {
	int in = inotify_init1(IN_NONBLOCK);
	CHECK(mkdir("d", 0755) == 0);
	int wd = inotify_add_watch(in, "d", IN_ALL_EVENTS);
	CHECK(rmdir("d") == 0);
	TOLD(in, wd, IN_DELETE_SELF, "");
	TOLD(in, wd, IN_IGNORED, "");
	CHECK(!next(in));
}

CASE(inotify_names_are_padded) {
	int in = inotify_init1(IN_NONBLOCK), n;
	char b[512];
	inotify_add_watch(in, ".", IN_CREATE);
	close(make("f", ""));
	CHECK(ioctl(in, FIONREAD, &n) == 0);
	CHECK_EQ(n, 32);
	CHECK_ERRNO(read(in, b, 31), EINVAL);
	CHECK_EQ(read(in, b, 32), 32);
	CHECK_EQ(((struct inotify_event *)b)->len, 16);
	close(make("0123456789abcde", ""));
	close(make("0123456789abcdef", ""));
	CHECK_EQ(read(in, b, 512), 32 + 48);
	CHECK_EQ(((struct inotify_event *)(b + 32))->len, 32);
}

MAIN()
