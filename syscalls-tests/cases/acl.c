// POSIX ACLs (acl(5)) on tmpfs, as extended attributes.
#include "mountapi.h"

#include <grp.h>
#include <sys/xattr.h>

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"
enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

struct list {
	uint32_t version;
	struct entry { uint16_t tag, perm; uint32_t id; } e[8];
	int n; // not of the attribute
};
#define LIST(...) {2, {__VA_ARGS__}, sizeof((struct entry[]){__VA_ARGS__}) / sizeof(struct entry)}
#define NOID 0xffffffff

static int set(const char *path, const char *name, struct list *l) { return setxattr(path, name, l, 4 + 8 * l->n, 0); }
static int is(const char *path, const char *name, struct list *l) {
	struct list got;
	int n = getxattr(path, name, &got, sizeof got);
	return n == 4 + 8 * l->n && !memcmp(&got, l, n);
}
static int mode(const char *path) {
	struct stat st;
	CHECK(stat(path, &st) == 0);
	return st.st_mode & 07777;
}

// opens_as is the errno of an open as another user, in a group, or 0.
static int opens_as(int uid, int gid, const char *path, int flags) {
	int st;
	pid_t pid = fork();
	if (!pid) {
		CHECK(setgroups(0, 0) == 0 && setgid(gid) == 0 && setuid(uid) == 0);
		int fd = open(path, flags);
		_exit(fd < 0 ? errno : 0);
	}
	CHECK_EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFEXITED(st));
	return WEXITSTATUS(st);
}

static struct list named = LIST({USER_OBJ, 6, NOID}, {USER, 6, 1001}, {GROUP_OBJ, 4, NOID}, {GROUP, 6, 2001}, {MASK, 6, NOID}, {OTHER, 0, NOID});

CASE(acl_is_kept_and_shows_in_the_mode) {
	own();
	touch("f");
	CHECK_ERRNO(getxattr("f", ACCESS, 0, 0), ENODATA);
	CHECK(set("f", ACCESS, &named) == 0);
	CHECK(is("f", ACCESS, &named));
	CHECK_EQ(mode("f"), 0660); // the mask shows as the group's
	char b[256];
	int n = listxattr("f", b, sizeof b);
	CHECK_EQ(n, sizeof ACCESS);
	CHECK(!strcmp(b, ACCESS));
	CHECK(removexattr("f", ACCESS) == 0);
	CHECK_ERRNO(getxattr("f", ACCESS, 0, 0), ENODATA);
	CHECK_EQ(mode("f"), 0660);
	CHECK(removexattr("f", ACCESS) == 0); // none is fine
}

CASE(acl_that_a_mode_can_say_is_only_a_mode) {
	own();
	touch("f");
	struct list l = LIST({USER_OBJ, 7, NOID}, {GROUP_OBJ, 5, NOID}, {OTHER, 1, NOID});
	CHECK(set("f", ACCESS, &l) == 0);
	CHECK_EQ(mode("f"), 0751);
	CHECK_ERRNO(getxattr("f", ACCESS, 0, 0), ENODATA);
}

CASE(acl_decides_who_opens) {
	own();
	CHECK(chmod(".", 0755) == 0);
	touch("f");
	CHECK_EQ(opens_as(1001, 1001, "f", O_RDWR), EACCES);
	CHECK(set("f", ACCESS, &named) == 0);
	CHECK_EQ(opens_as(1001, 1001, "f", O_RDWR), 0);       // the user
	CHECK_EQ(opens_as(1002, 2001, "f", O_RDWR), 0);       // the group
	CHECK_EQ(opens_as(1002, 0, "f", O_RDONLY), 0);        // the file's group
	CHECK_EQ(opens_as(1002, 0, "f", O_RDWR), EACCES);
	CHECK_EQ(opens_as(1002, 1002, "f", O_RDONLY), EACCES); // others
	CHECK_EQ(opens_as(1001, 1001, "f", O_RDONLY), 0);
}

CASE(acl_mask_limits_all_but_owner_and_others) {
	own();
	CHECK(chmod(".", 0755) == 0);
	touch("f");
	struct list l = LIST({USER_OBJ, 6, NOID}, {USER, 6, 1001}, {GROUP_OBJ, 6, NOID}, {MASK, 4, NOID}, {OTHER, 6, NOID});
	CHECK(set("f", ACCESS, &l) == 0);
	CHECK_EQ(mode("f"), 0646);
	CHECK_EQ(opens_as(1001, 1001, "f", O_RDONLY), 0);
	CHECK_EQ(opens_as(1001, 1001, "f", O_RDWR), EACCES);
	CHECK_EQ(opens_as(1002, 0, "f", O_RDWR), EACCES);
	CHECK_EQ(opens_as(1002, 1002, "f", O_RDWR), 0);
}

CASE(acl_of_a_directory_decides_who_walks) {
	own();
	CHECK(chmod(".", 0755) == 0);
	dir("d"), touch("d/f");
	struct list l = LIST({USER_OBJ, 7, NOID}, {USER, 0, 1001}, {GROUP_OBJ, 5, NOID}, {MASK, 5, NOID}, {OTHER, 5, NOID});
	CHECK(set("d", ACCESS, &l) == 0);
	CHECK_EQ(mode("d"), 0755);
	CHECK_EQ(opens_as(1001, 1001, "d/f", O_RDONLY), EACCES);
	CHECK_EQ(opens_as(1002, 1002, "d/f", O_RDONLY), 0);
}

CASE(acl_follows_chmod) {
	own();
	touch("f");
	CHECK(set("f", ACCESS, &named) == 0);
	CHECK(chmod("f", 0741) == 0);
	struct list want = named;
	want.e[0].perm = 7, want.e[4].perm = 4, want.e[5].perm = 1;
	CHECK(is("f", ACCESS, &want));
}

CASE(acl_default_is_inherited) {
	own();
	dir("d");
	CHECK(set("d", DEFAULT, &named) == 0);
	CHECK(is("d", DEFAULT, &named));
	CHECK_EQ(mode("d"), 0755); // nothing of that is for the directory itself
	umask(077);                // which does not count there
	int fd = open("d/f", O_CREAT | O_RDWR, 0640);
	CHECK(fd >= 0);
	struct list want = named;
	want.e[4].perm = 4;
	CHECK(is("d/f", ACCESS, &want));
	CHECK_EQ(mode("d/f"), 0640);
	CHECK_ERRNO(getxattr("d/f", DEFAULT, 0, 0), ENODATA);
	CHECK(mkdir("d/sub", 0777) == 0);
	CHECK(is("d/sub", DEFAULT, &named));
	CHECK(is("d/sub", ACCESS, &named));
	CHECK_EQ(mode("d/sub"), 0660);
	CHECK(mkfifo("d/p", 0666) == 0);
	CHECK_EQ(mode("d/p"), 0660);
	CHECK(symlink("x", "d/l") == 0);
	CHECK(removexattr("d", DEFAULT) == 0);
	CHECK((fd = open("d/g", O_CREAT | O_RDWR, 0666)) >= 0);
	CHECK_EQ(mode("d/g"), 0600);
}

CASE(acl_default_that_a_mode_can_say_sets_the_mode) {
	own();
	dir("d");
	struct list l = LIST({USER_OBJ, 7, NOID}, {GROUP_OBJ, 5, NOID}, {OTHER, 0, NOID});
	CHECK(set("d", DEFAULT, &l) == 0);
	umask(0);
	CHECK(open("d/f", O_CREAT | O_RDWR, 0666) >= 0);
	CHECK_EQ(mode("d/f"), 0640);
	CHECK_ERRNO(getxattr("d/f", ACCESS, 0, 0), ENODATA);
}

CASE(acl_is_checked) {
	own();
	touch("f");
	struct list bad[] = {
		LIST({USER_OBJ, 6, NOID}, {GROUP_OBJ, 4, NOID}),                                                // no others
		LIST({USER_OBJ, 6, NOID}, {USER, 6, 1001}, {GROUP_OBJ, 4, NOID}, {OTHER, 0, NOID}),             // no mask
		LIST({GROUP_OBJ, 6, NOID}, {USER_OBJ, 4, NOID}, {OTHER, 0, NOID}),                              // no order
		LIST({USER_OBJ, 8, NOID}, {GROUP_OBJ, 4, NOID}, {OTHER, 0, NOID}),
		LIST({USER_OBJ, 6, NOID}, {GROUP_OBJ, 4, NOID}, {OTHER, 0, NOID}, {64, 0, NOID}),
		LIST({USER_OBJ, 6, NOID}, {USER_OBJ, 6, NOID}, {GROUP_OBJ, 4, NOID}, {OTHER, 0, NOID}),
	};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) CHECK_ERRNO(set("f", ACCESS, &bad[i]), EINVAL);
	struct list l = named;
	CHECK_ERRNO(setxattr("f", ACCESS, &l, 7, 0), EINVAL);
	CHECK_ERRNO(setxattr("f", ACCESS, &l, 3, 0), EINVAL);
	l.version = 1;
	CHECK_ERRNO(set("f", ACCESS, &l), EOPNOTSUPP);
	CHECK_ERRNO(set("f", DEFAULT, &named), EACCES); // no directory
	CHECK(symlink("none", "l") == 0);
	CHECK_ERRNO(lsetxattr("l", ACCESS, &named, 4 + 8 * named.n, 0), EOPNOTSUPP);
	CHECK(chmod(".", 0777) == 0);
	pid_t pid = fork();
	if (!pid) {
		CHECK(setuid(1234) == 0);
		CHECK_ERRNO(set("f", ACCESS, &named), EPERM);
		touch("mine");
		CHECK(set("mine", ACCESS, &named) == 0);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

CASE(acl_ids_are_those_of_the_reader) {
	own();
	touch("f");
	struct list l = LIST({USER_OBJ, 6, NOID}, {USER, 6, 0}, {GROUP_OBJ, 4, NOID}, {GROUP, 6, 2001}, {MASK, 6, NOID}, {OTHER, 0, NOID});
	CHECK(set("f", ACCESS, &l) == 0);
	pid_t pid = fork();
	if (!pid) {
		CHECK(unshare(CLONE_NEWUSER) == 0);
		int fd = open("/proc/self/uid_map", O_WRONLY);
		CHECK(fd >= 0 && write(fd, "5 0 1", 5) == 5);
		struct list here = l;
		here.e[1].id = 5, here.e[3].id = NOID; // which has no name there
		CHECK(is("f", ACCESS, &here));
		CHECK_ERRNO(set("f", ACCESS, &named), EINVAL); // 1001 is nobody
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

MAIN()
