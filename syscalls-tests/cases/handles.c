// name_to_handle_at(2) and open_by_handle_at(2).
#include "mountapi.h"

#include <sys/prctl.h>

struct handle {
	struct file_handle h;
	unsigned char b[128];
};

static int handle_of(int dfd, const char *path, struct handle *h, int flags) {
	int id;
	memset(h, 0, sizeof *h);
	h->h.handle_bytes = sizeof h->b;
	return name_to_handle_at(dfd, path, &h->h, &id, flags);
}
static int same(struct handle *a, struct handle *b) {
	return a->h.handle_type == b->h.handle_type && a->h.handle_bytes == b->h.handle_bytes &&
		!memcmp(a->h.f_handle, b->h.f_handle, a->h.handle_bytes);
}
static int by_handle(int dfd, struct handle *h, int flags) { return open_by_handle_at(dfd, &h->h, flags); }

CASE(handle_leads_back_to_the_file) {
	own();
	dir("d"), touch("d/f");
	struct handle h;
	CHECK_EQ(handle_of(AT_FDCWD, "d/f", &h, 0), 0);
	int at = open(".", O_RDONLY), fd = by_handle(at, &h, O_RDWR);
	CHECK(fd >= 0);
	struct stat a, b;
	CHECK(stat("d/f", &a) == 0 && fstat(fd, &b) == 0);
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK(write(fd, "x", 1) == 1);
	CHECK(rename("d", "e") == 0);
	CHECK((fd = by_handle(AT_FDCWD, &h, O_RDONLY)) >= 0); // whatever its name
	char c;
	CHECK(read(fd, &c, 1) == 1);
}

CASE(handle_of_a_directory_opens_it) {
	own();
	dir("a"), dir("a/b"), touch("a/b/f");
	struct handle h;
	CHECK_EQ(handle_of(AT_FDCWD, "a/b", &h, 0), 0);
	int fd = by_handle(AT_FDCWD, &h, O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	struct stat st, up, want;
	CHECK(fstatat(fd, "f", &st, 0) == 0);
	CHECK(fstatat(fd, "..", &up, 0) == 0 && stat("a", &want) == 0);
	CHECK_EQ(up.st_ino, want.st_ino);
	CHECK_EQ(handle_of(fd, "", &h, AT_EMPTY_PATH), 0);
	CHECK_EQ(handle_of(AT_FDCWD, ".", &h, 0), 0); // the root
	CHECK((fd = by_handle(AT_FDCWD, &h, O_PATH)) >= 0);
	CHECK(fcntl(fd, F_GETFL) & O_PATH);
}

CASE(handle_of_a_file_that_is_gone_is_stale) {
	own();
	touch("f");
	struct handle h;
	CHECK_EQ(handle_of(AT_FDCWD, "f", &h, 0), 0);
	CHECK(unlink("f") == 0);
	touch("f");
	CHECK_ERRNO(by_handle(AT_FDCWD, &h, O_RDONLY), ESTALE);
	h.h.handle_type = 99;
	CHECK_ERRNO(by_handle(AT_FDCWD, &h, O_RDONLY), ESTALE);
}

CASE(handle_needs_room) {
	own();
	touch("f");
	struct handle h = {.h = {0, 0}};
	int id = -1;
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "f", &h.h, &id, 0), EOVERFLOW);
	CHECK(h.h.handle_bytes > 0 && h.h.handle_bytes <= 128);
	CHECK(id > 0);
	unsigned need = h.h.handle_bytes;
	h.h.handle_bytes = need;
	CHECK_EQ(name_to_handle_at(AT_FDCWD, "f", &h.h, &id, 0), 0);
	CHECK_EQ(h.h.handle_bytes, need);
	h.h.handle_bytes = 129;
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "f", &h.h, &id, 0), EINVAL);
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "none", &h.h, &id, 0), ENOENT);
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "f", &h.h, &id, 0x80000), EINVAL);
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "f", (void *)8, &id, 0), EFAULT);
	h.h.handle_bytes = 128;
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "f", &h.h, (void *)8, 0), EFAULT);
}

CASE(handle_names_the_mount) {
	own();
	touch("f");
	struct handle h = {.h = {128, 0}};
	int id = -1;
	struct statx x;
	CHECK_EQ(name_to_handle_at(AT_FDCWD, "f", &h.h, &id, 0), 0);
	CHECK(statx(AT_FDCWD, "f", 0, 0x1000 /* STATX_MNT_ID */, &x) == 0);
	CHECK_EQ(*(uint64_t *)((char *)&x + 0x90), id);
	uint64_t unique = 0;
	h.h.handle_bytes = 128;
	CHECK_EQ(name_to_handle_at(AT_FDCWD, "f", &h.h, (int *)&unique, 1 /* AT_HANDLE_MNT_ID_UNIQUE */), 0);
	CHECK_EQ(unique, mntid(AT_FDCWD, "f"));
}

CASE(handle_of_a_link_is_its_own_unless_followed) {
	own();
	touch("f");
	CHECK(symlink("f", "l") == 0);
	struct handle f, l, via;
	CHECK_EQ(handle_of(AT_FDCWD, "f", &f, 0), 0);
	CHECK_EQ(handle_of(AT_FDCWD, "l", &l, 0), 0);
	CHECK_EQ(handle_of(AT_FDCWD, "l", &via, AT_SYMLINK_FOLLOW), 0);
	CHECK(same(&f, &via) && !same(&f, &l));
	CHECK_ERRNO(by_handle(AT_FDCWD, &l, O_RDONLY), ELOOP);
	CHECK(by_handle(AT_FDCWD, &l, O_PATH | O_NOFOLLOW) >= 0);
	CHECK(link("f", "g") == 0);
	CHECK_EQ(handle_of(AT_FDCWD, "g", &via, 0), 0);
	CHECK(same(&f, &via));
}

CASE(handle_to_tell_files_apart_is_to_be_had_everywhere) {
	struct handle a, b;
	CHECK_ERRNO(handle_of(AT_FDCWD, "/proc/self/stat", &a, 0), EOPNOTSUPP);
	CHECK_EQ(handle_of(AT_FDCWD, "/proc/self/stat", &a, 0x200 /* AT_HANDLE_FID */), 0);
	CHECK_EQ(handle_of(AT_FDCWD, "/proc/self/status", &b, 0x200), 0);
	CHECK(!same(&a, &b));
	CHECK_EQ(handle_of(AT_FDCWD, "/proc/self/stat", &b, 0x200), 0);
	CHECK(same(&a, &b));
}

CASE(handle_opening_checks_in_order) {
	own();
	touch("f");
	struct handle h;
	CHECK_EQ(handle_of(AT_FDCWD, "f", &h, 0), 0);
	CHECK_ERRNO(open_by_handle_at(AT_FDCWD, (void *)8, O_RDONLY), EFAULT);
	CHECK_ERRNO(by_handle(-1, &h, O_RDONLY), EBADF);
	struct handle bad = h;
	bad.h.handle_bytes = 0;
	CHECK_ERRNO(by_handle(-1, &bad, O_RDONLY), EINVAL);
	bad.h.handle_bytes = 129;
	CHECK_ERRNO(by_handle(-1, &bad, O_RDONLY), EINVAL);
	CHECK(chmod("f", 0600) == 0);
	pid_t pid = fork();
	if (!pid) {
		CHECK(setuid(1234) == 0);
		CHECK_ERRNO(by_handle(AT_FDCWD, &h, O_RDONLY), EPERM);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

MAIN()
