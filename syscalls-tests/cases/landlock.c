// landlock(7): rulesets, domains and what they restrict of the file system.
#include "landlock.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

CASE(landlock_tells_its_version) {
	CHECK(create(0, 0, 1) >= 6);
	struct ruleset_attr a = {FS_ALL, 0, 0};
	CHECK_ERRNO(create(&a, sizeof a, 1), EINVAL);
	CHECK_ERRNO(create(0, 8, 1), EINVAL);
	CHECK_ERRNO(create(0, 0, 0x80000000), EINVAL);
}

CASE(landlock_create_ruleset_checks_its_argument) {
	struct { struct ruleset_attr a; char more[5000]; } x = {{FS_READ_FILE, 0, 0}, {0}};
	CHECK_ERRNO(create(0, sizeof x.a, 0), EFAULT);
	CHECK_ERRNO(create((void *)8, sizeof x.a, 0), EFAULT);
	CHECK_ERRNO(create(&x, 7, 0), EINVAL);
	CHECK_ERRNO(create(&x, 4097, 0), E2BIG);
	int fd = create(&x, 8, 0); // the first version
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	close(fd);
	CHECK((fd = create(&x, 4096, 0)) >= 0); // zeros
	x.more[4000] = 1;
	CHECK_ERRNO(create(&x, 4096, 0), E2BIG);
	x.a = (struct ruleset_attr){1ULL << 40, 0, 0};
	CHECK_ERRNO(create(&x, sizeof x.a, 0), EINVAL);
	x.a = (struct ruleset_attr){0, 1ULL << 40, 0};
	CHECK_ERRNO(create(&x, sizeof x.a, 0), EINVAL);
	x.a = (struct ruleset_attr){0, 0, 1ULL << 40};
	CHECK_ERRNO(create(&x, sizeof x.a, 0), EINVAL);
	x.a = (struct ruleset_attr){0, 0, 0};
	CHECK_ERRNO(create(&x, sizeof x.a, 0), ENOMSG);
}

CASE(landlock_ruleset_is_no_file_to_read) {
	int rs = ruleset(FS_ALL, 0, 0);
	char c, name[64], to[64] = "";
	CHECK_ERRNO(read(rs, &c, 1), EINVAL);
	CHECK_ERRNO(write(rs, &c, 1), EINVAL);
	snprintf(name, sizeof name, "/proc/self/fd/%d", rs);
	CHECK(readlink(name, to, sizeof to - 1) > 0);
	CHECK(!strcmp(to, "anon_inode:[landlock-ruleset]"));
}

CASE(landlock_add_rule_checks_in_order) {
	int rs = ruleset(FS_READ_FILE | FS_MAKE_REG, NET_BIND, 0), d = open(".", O_PATH), p[2];
	struct path_attr a = {FS_READ_FILE, d};
	CHECK(pipe(p) == 0);
	make("f");
	int f = open("f", O_RDONLY);
	CHECK_ERRNO(add_rule(rs, RULE_PATH, &a, 1), EINVAL);
	CHECK_ERRNO(add_rule(-1, RULE_PATH, &a, 0), EBADF);
	CHECK_ERRNO(add_rule(f, RULE_PATH, &a, 0), EBADFD);
	CHECK_ERRNO(add_rule(d, RULE_PATH, &a, 0), EBADF); // O_PATH
	CHECK_ERRNO(add_rule(rs, 0, &a, 0), EINVAL);
	CHECK_ERRNO(add_rule(rs, 77, &a, 0), EINVAL);
	CHECK_ERRNO(add_rule(rs, RULE_PATH, (void *)8, 0), EFAULT);
	a.allowed = 0;
	CHECK_ERRNO(add_rule(rs, RULE_PATH, &a, 0), ENOMSG);
	a.allowed = FS_READ_FILE | FS_EXECUTE;
	CHECK_ERRNO(add_rule(rs, RULE_PATH, &a, 0), EINVAL);
	a = (struct path_attr){FS_READ_FILE, -1};
	CHECK_ERRNO(add_rule(rs, RULE_PATH, &a, 0), EBADF);
	a.fd = rs;
	CHECK_ERRNO(add_rule(rs, RULE_PATH, &a, 0), EBADFD);
	a.fd = p[0];
	CHECK_ERRNO(add_rule(rs, RULE_PATH, &a, 0), EBADFD);
	a = (struct path_attr){FS_MAKE_REG, f};
	CHECK_ERRNO(add_rule(rs, RULE_PATH, &a, 0), EINVAL); // only a directory has names
	a.allowed = FS_READ_FILE;
	CHECK_EQ(add_rule(rs, RULE_PATH, &a, 0), 0);
	struct port_attr n = {0, 80};
	CHECK_ERRNO(add_rule(rs, RULE_PORT, &n, 0), ENOMSG);
	n.allowed = NET_BIND | NET_CONNECT;
	CHECK_ERRNO(add_rule(rs, RULE_PORT, &n, 0), EINVAL);
	n = (struct port_attr){NET_BIND, 65536};
	CHECK_ERRNO(add_rule(rs, RULE_PORT, &n, 0), EINVAL);
	n.port = 65535;
	CHECK_EQ(add_rule(rs, RULE_PORT, &n, 0), 0);
}

CASE(landlock_restrict_self_needs_no_new_privs_or_a_capability) {
	int rs = ruleset(FS_READ_FILE, 0, 0), f = open("/", O_RDONLY);
	CHECK_ERRNO(restrict_self(rs, 1U << 31), EINVAL);
	CHECK_ERRNO(restrict_self(-1, 0), EBADF);
	CHECK_ERRNO(restrict_self(f, 0), EBADFD);
	pid_t pid = fork();
	if (!pid) {
		CHECK(setuid(1234) == 0);
		CHECK_ERRNO(restrict_self(rs, 0), EPERM);
		CHECK_ERRNO(restrict_self(-1, 1), EPERM);
		CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
		CHECK_EQ(restrict_self(rs, 0), 0);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	CHECK_EQ(restrict_self(rs, 0), 0); // root
}

CASE(landlock_allows_sixteen_layers) {
	int rs = ruleset(FS_MAKE_CHAR, 0, 0);
	for (int i = 0; i < 16; i++) CHECK_EQ(restrict_self(rs, 0), 0);
	CHECK_ERRNO(restrict_self(rs, 0), E2BIG);
}

CASE(landlock_opens_only_what_lies_beneath_a_rule) {
	dir("a"), dir("a/b"), dir("c");
	make("a/b/f"), make("c/f");
	int rs = ruleset(FS_READ_FILE | FS_WRITE_FILE | FS_READ_DIR, 0, 0);
	allow(rs, FS_READ_FILE | FS_READ_DIR, "a");
	enforce(rs);
	CHECK_EQ(opens("a/b/f", O_RDONLY), 0);
	CHECK_EQ(opens("a/b/f", O_WRONLY), EACCES);
	CHECK_EQ(opens("a/b/f", O_RDWR), EACCES);
	CHECK_EQ(opens("a/b", O_RDONLY | O_DIRECTORY), 0);
	CHECK_EQ(opens("c/f", O_RDONLY), EACCES);
	CHECK_EQ(opens("c", O_RDONLY | O_DIRECTORY), EACCES);
	CHECK_EQ(opens(".", O_RDONLY | O_DIRECTORY), EACCES);
	CHECK_EQ(opens("a/../c/f", O_RDONLY), EACCES);
	CHECK_EQ(opens("none", O_RDONLY), ENOENT);
	CHECK_EQ(opens("c/f", O_PATH), 0); // opens nothing
	struct stat st;
	CHECK(stat("c/f", &st) == 0); // not restricted
	CHECK(chmod("c/f", 0600) == 0);
	CHECK(access("c/f", R_OK) == 0);
}

CASE(landlock_rules_of_files_count_for_them_alone) {
	make("f"), make("g");
	int rs = ruleset(FS_READ_FILE | FS_WRITE_FILE, 0, 0);
	allow(rs, FS_READ_FILE, "f");
	allow(rs, FS_WRITE_FILE, "f");
	enforce(rs);
	CHECK_EQ(opens("f", O_RDWR), 0);
	CHECK_EQ(opens("g", O_RDONLY), EACCES);
	CHECK(link("f", "h") == 0); // the file counts, not its name
	CHECK_EQ(opens("h", O_RDWR), 0);
}

CASE(landlock_open_files_stay_open) {
	make("f");
	int fd = open("f", O_RDWR);
	enforce(ruleset(FS_ALL, 0, 0));
	char c;
	CHECK(read(fd, &c, 1) == 1);
	CHECK(pwrite(fd, "x", 1, 0) == 1);
	CHECK(ftruncate(fd, 2) == 0); // as it was opened before
	char name[64];
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	CHECK_EQ(opens(name, O_RDONLY), EACCES);
}

CASE(landlock_leaves_pipes_and_memfds_alone) {
	int p[2], m = memfd_create("m", 0);
	char name[64];
	CHECK(pipe(p) == 0);
	enforce(ruleset(FS_ALL, 0, 0));
	snprintf(name, sizeof name, "/proc/self/fd/%d", p[1]);
	CHECK_EQ(opens(name, O_WRONLY), 0);
	snprintf(name, sizeof name, "/proc/self/fd/%d", m);
	CHECK_EQ(opens(name, O_RDWR | O_TRUNC), 0);
	CHECK(ftruncate(m, 10) == 0);
}

CASE(landlock_layers_all_have_to_agree) {
	dir("a"), dir("a/b");
	make("a/f"), make("a/b/f");
	int rs = ruleset(FS_READ_FILE | FS_WRITE_FILE, 0, 0);
	allow(rs, FS_READ_FILE | FS_WRITE_FILE, "a");
	int rs2 = ruleset(FS_READ_FILE, 0, 0);
	allow(rs2, FS_READ_FILE, "a/b");
	enforce(rs);
	CHECK_EQ(opens("a/f", O_RDWR), 0);
	enforce(rs2);
	CHECK_EQ(opens("a/f", O_RDONLY), EACCES);
	CHECK_EQ(opens("a/f", O_WRONLY), 0); // which the second does not handle
	CHECK_EQ(opens("a/b/f", O_RDWR), 0);
}

CASE(landlock_a_ruleset_can_grow_but_not_the_domain) {
	make("f");
	int rs = ruleset(FS_READ_FILE, 0, 0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_EQ(restrict_self(rs, 0), 0);
	CHECK_EQ(opens("f", O_RDONLY), EACCES);
	allow(rs, FS_READ_FILE, "f");
	CHECK_EQ(opens("f", O_RDONLY), EACCES);
}

CASE(landlock_children_and_programs_inherit) {
	make("f");
	int rs = ruleset(FS_READ_FILE, 0, 0);
	allow(rs, FS_READ_FILE, "/usr");
	allow(rs, FS_READ_FILE, "/lib");
	allow(rs, FS_READ_FILE, "/lib64");
	allow(rs, FS_READ_FILE, "/bin");
	allow(rs, FS_READ_FILE, "/dev");
	allow(rs, FS_READ_FILE, "/etc");
	enforce(rs);
	pid_t pid = fork();
	if (!pid) {
		CHECK_EQ(opens("f", O_RDONLY), EACCES);
		close(2);
		execl("/bin/cat", "cat", "f", (char *)0);
		_exit(77);
	}
	CHECK_CHILD(pid, 1);
}

CASE(landlock_execution_needs_its_right) {
	int rs = ruleset(FS_EXECUTE, 0, 0);
	allow(rs, FS_EXECUTE, "/lib");
	allow(rs, FS_EXECUTE, "/lib64");
	allow(rs, FS_EXECUTE, "/usr/lib");
	enforce(rs);
	CHECK_EQ(opens("/bin/true", O_RDONLY), 0);
	CHECK_ERRNO(execl("/bin/true", "true", (char *)0), EACCES);
}

CASE(landlock_execution_also_reads) {
	int rs = ruleset(FS_READ_FILE, 0, 0);
	enforce(rs);
	CHECK_ERRNO(execl("/bin/true", "true", (char *)0), EACCES);
}

CASE(landlock_binds_who_calls_and_not_its_parent) {
	make("f");
	int rs = ruleset(FS_READ_FILE, 0, 0);
	pid_t pid = fork();
	if (!pid) {
		enforce(rs);
		_exit(opens("f", O_RDONLY) == EACCES ? 0 : 1);
	}
	CHECK_CHILD(pid, 0);
	CHECK_EQ(opens("f", O_RDONLY), 0);
}

CASE(landlock_making_takes_the_right_of_the_type) {
	dir("none");
	static const struct { const char *name; uint64_t right; } kinds[] = {
		{"char", FS_MAKE_CHAR}, {"dir", FS_MAKE_DIR}, {"reg", FS_MAKE_REG}, {"sock", FS_MAKE_SOCK},
		{"fifo", FS_MAKE_FIFO}, {"block", FS_MAKE_BLOCK}, {"sym", FS_MAKE_SYM}};
	uint64_t all = 0;
	for (int i = 0; i < 7; i++) all |= kinds[i].right;
	int rs = ruleset(all, 0, 0);
	for (int i = 0; i < 7; i++) {
		dir(kinds[i].name);
		allow(rs, kinds[i].right, kinds[i].name);
	}
	enforce(rs);
	for (int i = 0; i < 7; i++) {
		char p[7][64];
		for (int j = 0; j < 7; j++) snprintf(p[j], sizeof p[j], "%s/%d", kinds[i].name, j);
		errno = 0;
		int e[7];
#define TRY(x) ((x) < 0 ? errno : 0)
		e[0] = TRY(mknod(p[0], S_IFCHR | 0600, 0x103));
		e[1] = TRY(mkdir(p[1], 0700));
		e[2] = TRY(open(p[2], O_CREAT | O_RDWR, 0600));
		e[3] = TRY(mknod(p[3], S_IFSOCK | 0600, 0));
		e[4] = TRY(mkfifo(p[4], 0600));
		e[5] = TRY(mknod(p[5], S_IFBLK | 0600, 0x103));
		e[6] = TRY(symlink("x", p[6]));
		for (int j = 0; j < 7; j++) CHECK_EQ(e[j], i == j ? 0 : EACCES);
	}
	CHECK_EQ(opens("reg/2", O_CREAT | O_RDWR), 0); // exists
	CHECK_ERRNO(mknod("dir/r", S_IFREG | 0600, 0), EACCES);
	CHECK_ERRNO(mkdir("char", 0700), EEXIST);
}

CASE(landlock_binding_a_socket_makes_a_file) {
	dir("ok"), dir("no");
	int rs = ruleset(FS_MAKE_SOCK, 0, 0);
	allow(rs, FS_MAKE_SOCK, "ok");
	enforce(rs);
	struct sockaddr_un a = {AF_UNIX, "no/s"}, b = {AF_UNIX, "ok/s"};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERRNO(bind(s, (void *)&a, sizeof a), EACCES);
	CHECK(bind(s, (void *)&b, sizeof b) == 0);
}

CASE(landlock_tmpfile_needs_no_name) {
	enforce(ruleset(FS_MAKE_REG, 0, 0));
	CHECK_EQ(opens(".", O_TMPFILE | O_RDWR), 0);
	int rs = ruleset(FS_WRITE_FILE, 0, 0);
	enforce(rs);
	CHECK_EQ(opens(".", O_TMPFILE | O_RDWR), EACCES);
}

CASE(landlock_removing_takes_its_right) {
	dir("f"), dir("d"), dir("f/d"), dir("d/d");
	make("f/f"), make("d/f");
	int rs = ruleset(FS_REMOVE_FILE | FS_REMOVE_DIR, 0, 0);
	allow(rs, FS_REMOVE_FILE, "f");
	allow(rs, FS_REMOVE_DIR, "d");
	enforce(rs);
	CHECK_ERRNO(rmdir("f/d"), EACCES);
	CHECK_ERRNO(unlink("d/f"), EACCES);
	CHECK_ERRNO(unlink("d/none"), ENOENT);
	CHECK(unlink("f/f") == 0);
	CHECK(rmdir("d/d") == 0);
	CHECK_ERRNO(rmdir("d"), EACCES); // the parent's matter
}

CASE(landlock_truncation_takes_its_right) {
	dir("ok"), make("ok/f"), make("f");
	int old = open("f", O_RDWR);
	int rs = ruleset(FS_TRUNCATE, 0, 0);
	allow(rs, FS_TRUNCATE, "ok");
	enforce(rs);
	CHECK_ERRNO(truncate("f", 1), EACCES);
	CHECK(truncate("ok/f", 1) == 0);
	CHECK_EQ(opens("f", O_WRONLY | O_TRUNC), EACCES);
	CHECK_EQ(opens("f", O_RDONLY | O_TRUNC), EACCES);
	CHECK_EQ(opens("ok/f", O_WRONLY | O_TRUNC), 0);
	CHECK_EQ(opens("new", O_CREAT | O_WRONLY | O_TRUNC), 0); // nothing to truncate
	int fd = open("f", O_WRONLY), good = open("ok/f", O_WRONLY);
	CHECK_ERRNO(ftruncate(fd, 0), EACCES);
	CHECK(ftruncate(good, 0) == 0);
	CHECK(ftruncate(old, 0) == 0);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_size, 0);
}

CASE(landlock_truncation_right_goes_with_the_open_file) {
	make("f");
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	pid_t pid = fork();
	if (!pid) {
		enforce(ruleset(FS_TRUNCATE, 0, 0));
		int fd = open("f", O_RDWR);
		char c, b[CMSG_SPACE(sizeof fd)];
		struct iovec v = {"x", 1};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = b, .msg_controllen = sizeof b};
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		*h = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(h), &fd, sizeof fd);
		CHECK(sendmsg(s[1], &m, 0) == 1);
		CHECK(read(s[1], &c, 1) == 1);
		_exit(0);
	}
	char c, b[CMSG_SPACE(sizeof(int))];
	struct iovec v = {&c, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = b, .msg_controllen = sizeof b};
	CHECK(recvmsg(s[0], &m, 0) == 1);
	int fd;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	CHECK_ERRNO(ftruncate(fd, 0), EACCES); // though we are free
	CHECK(truncate("f", 0) == 0);
	CHECK(write(s[0], "x", 1) == 1);
	CHECK_CHILD(pid, 0);
}

CASE(landlock_requests_of_devices_take_their_right) {
	int rs = ruleset(FS_IOCTL_DEV, 0, 0), old = open("/dev/null", O_RDONLY), x = 1, p[2];
	make("f");
	enforce(rs);
	int fd = open("/dev/null", O_RDONLY), f = open("f", O_RDONLY);
	CHECK_ERRNO(ioctl(fd, 0x5401 /* TCGETS */, &x), EACCES);
	CHECK_ERRNO(ioctl(fd, FIONREAD, &x), EACCES);
	CHECK_ERRNO(ioctl(old, 0x5401, &x), ENOTTY);
	CHECK(ioctl(fd, FIOCLEX) == 0);
	CHECK(ioctl(fd, FIONBIO, &x) == 0);
	CHECK(ioctl(f, FIONREAD, &x) == 0); // no device
	CHECK(pipe(p) == 0);
	CHECK(ioctl(p[0], FIONREAD, &x) == 0);
}

CASE(landlock_rename_within_a_directory_removes_and_makes) {
	dir("both"), dir("make"), dir("remove");
	make("both/f"), make("make/f"), make("remove/f");
	dir("both/d");
	int rs = ruleset(FS_MAKE_REG | FS_REMOVE_FILE | FS_MAKE_DIR, 0, 0);
	allow(rs, FS_MAKE_REG | FS_REMOVE_FILE, "both");
	allow(rs, FS_MAKE_REG, "make");
	allow(rs, FS_REMOVE_FILE, "remove");
	enforce(rs);
	CHECK(rename("both/f", "both/g") == 0);
	CHECK_ERRNO(rename("make/f", "make/g"), EACCES);
	CHECK_ERRNO(rename("remove/f", "remove/g"), EACCES);
	CHECK_ERRNO(rename("both/d", "both/e"), EACCES);
	CHECK_ERRNO(rename("both/none", "both/e"), ENOENT);
}

CASE(landlock_rename_elsewhere_needs_refer_even_if_unhandled) {
	dir("a"), dir("b");
	make("a/f");
	enforce(ruleset(FS_EXECUTE, 0, 0));
	CHECK(rename("a/f", "a/g") == 0);
	CHECK_ERRNO(rename("a/g", "b/g"), EXDEV);
	CHECK_ERRNO(link("a/g", "b/g"), EXDEV);
	CHECK(link("a/g", "a/h") == 0);
}

CASE(landlock_ports_alone_do_not_restrict_renames) {
	dir("a"), dir("b");
	make("a/f");
	enforce(ruleset(0, NET_BIND, 0));
	CHECK(rename("a/f", "b/f") == 0);
}

CASE(landlock_refer_lets_files_move) {
	dir("a"), dir("b"), dir("c");
	make("a/f"), make("a/g");
	int rs = ruleset(FS_REFER | FS_MAKE_REG | FS_REMOVE_FILE, 0, 0);
	allow(rs, FS_REFER | FS_MAKE_REG | FS_REMOVE_FILE, "a");
	allow(rs, FS_REFER | FS_MAKE_REG | FS_REMOVE_FILE, "b");
	allow(rs, FS_REFER, "c");
	enforce(rs);
	CHECK(rename("a/f", "b/f") == 0);
	CHECK(link("b/f", "a/f") == 0);
	CHECK_ERRNO(rename("a/g", "c/g"), EACCES); // nothing is made there
	CHECK_ERRNO(link("a/g", "c/g"), EACCES);
	CHECK_ERRNO(rename("a/g", "g"), EACCES); // before EXDEV
}

CASE(landlock_moving_must_not_gain_rights) {
	dir("less"), dir("more");
	make("less/f"), make("more/f"), make("less/own");
	dir("less/d"), dir("more/d");
	int rs = ruleset(FS_REFER | FS_READ_FILE | FS_WRITE_FILE | FS_READ_DIR, 0, 0);
	allow(rs, FS_REFER | FS_READ_FILE, "less");
	allow(rs, FS_REFER | FS_READ_FILE | FS_WRITE_FILE, "more");
	allow(rs, FS_WRITE_FILE, "less/own");
	enforce(rs);
	CHECK_ERRNO(rename("less/f", "more/g"), EXDEV);
	CHECK_ERRNO(rename("less/d", "more/e"), EXDEV);
	CHECK_ERRNO(link("less/f", "more/g"), EXDEV);
	CHECK_ERRNO(syscall(SYS_renameat2, AT_FDCWD, "more/f", AT_FDCWD, "less/f", 2 /* RENAME_EXCHANGE */), EXDEV);
	CHECK(rename("more/f", "less/g") == 0);
	CHECK(rename("more/d", "less/e") == 0);
	CHECK(rename("less/own", "more/own") == 0); // it could be written anyway
}

CASE(landlock_rights_to_directories_do_not_matter_to_files) {
	dir("less"), dir("more");
	make("less/f"), dir("less/d");
	int rs = ruleset(FS_REFER | FS_READ_DIR, 0, 0);
	allow(rs, FS_REFER, "less");
	allow(rs, FS_REFER | FS_READ_DIR, "more");
	enforce(rs);
	CHECK(rename("less/f", "more/f") == 0);
	CHECK_ERRNO(rename("less/d", "more/d"), EXDEV);
}

CASE(landlock_exchange_takes_the_rights_of_both) {
	dir("a"), dir("b");
	make("a/f"), dir("b/d");
	int rs = ruleset(FS_REFER | FS_MAKE_REG | FS_MAKE_DIR | FS_REMOVE_FILE | FS_REMOVE_DIR, 0, 0);
	allow(rs, FS_REFER | FS_MAKE_DIR | FS_REMOVE_FILE, "a");
	allow(rs, FS_REFER | FS_MAKE_REG, "b");
	enforce(rs);
	CHECK_ERRNO(syscall(SYS_renameat2, AT_FDCWD, "a/f", AT_FDCWD, "b/d", 2), EACCES);
}

CASE(landlock_rename_onto_a_file_removes_it) {
	dir("a");
	make("a/f"), make("a/g");
	int rs = ruleset(FS_REFER | FS_REMOVE_FILE, 0, 0);
	enforce(rs);
	CHECK_ERRNO(rename("a/f", "a/g"), EACCES);
	CHECK_ERRNO(rename("a/f", "a/f"), EACCES); // even that
}

CASE(landlock_mounts_stay_as_they_are) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	dir("m"), dir("n");
	CHECK(mount("none", "m", "tmpfs", 0, 0) == 0);
	pid_t pid = fork();
	if (!pid) {
		enforce(ruleset(0, NET_BIND, 0));
		CHECK(mount("none", "n", "tmpfs", 0, 0) == 0); // files are not handled
		CHECK(umount("n") == 0);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	enforce(ruleset(FS_EXECUTE, 0, 0));
	CHECK_ERRNO(mount("none", "n", "tmpfs", 0, 0), EPERM);
	CHECK_ERRNO(mount("m", "n", 0, MS_BIND, 0), EPERM);
	CHECK_ERRNO(mount("none", "m", 0, MS_REMOUNT | MS_RDONLY, 0), EPERM);
	CHECK_ERRNO(mount("none", "/", 0, MS_REC | MS_SHARED, 0), EPERM);
	CHECK_ERRNO(umount("m"), EPERM);
	CHECK_ERRNO(syscall(SYS_move_mount, AT_FDCWD, "m", AT_FDCWD, "n", 0), EPERM);
	CHECK_ERRNO(syscall(SYS_pivot_root, "m", "m"), EPERM);
	CHECK(chroot("m") == 0);
}

CASE(landlock_rules_hold_through_mounts) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	dir("a"), dir("a/m"), dir("b");
	CHECK(mount("none", "a/m", "tmpfs", 0, 0) == 0);
	make("a/m/f"), make("b/f");
	dir("bound");
	CHECK(mount("b", "bound", 0, MS_BIND, 0) == 0);
	int rs = ruleset(FS_READ_FILE, 0, 0);
	allow(rs, FS_READ_FILE, "a"); // what is mounted below is beneath it
	enforce(rs);
	CHECK_EQ(opens("a/m/f", O_RDONLY), 0);
	CHECK_EQ(opens("b/f", O_RDONLY), EACCES);
	CHECK_EQ(opens("bound/f", O_RDONLY), EACCES);
}

CASE(landlock_rules_follow_the_directory_to_other_mounts_of_it) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	dir("a"), dir("bound");
	make("a/f");
	CHECK(mount("a", "bound", 0, MS_BIND, 0) == 0);
	int rs = ruleset(FS_READ_FILE, 0, 0);
	allow(rs, FS_READ_FILE, "bound"); // the same directory
	enforce(rs);
	CHECK_EQ(opens("a/f", O_RDONLY), 0);
	CHECK_EQ(opens("bound/f", O_RDONLY), 0);
}

CASE(landlock_rule_moves_with_its_directory) {
	dir("a"), make("a/f"), dir("x");
	int rs = ruleset(FS_READ_FILE, 0, 0);
	allow(rs, FS_READ_FILE, "a");
	CHECK(rename("a", "x/b") == 0);
	dir("a"), make("a/f");
	enforce(rs);
	CHECK_EQ(opens("x/b/f", O_RDONLY), 0);
	CHECK_EQ(opens("a/f", O_RDONLY), EACCES);
}

CASE(landlock_removed_directories_take_their_rule_along) {
	dir("a"), make("a/f");
	int rs = ruleset(FS_READ_FILE | FS_READ_DIR, 0, 0);
	allow(rs, FS_READ_FILE | FS_READ_DIR, "a");
	CHECK(unlink("a/f") == 0 && rmdir("a") == 0);
	dir("a"), make("a/f");
	enforce(rs);
	CHECK_EQ(opens("a/f", O_RDONLY), EACCES);
}

CASE(landlock_only_tasks_within_may_be_traced) {
	int p[2], q[2];
	char c;
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	pid_t free = fork();
	if (!free) {
		close(q[1]);
		if (read(q[0], &c, 1)) {}
		_exit(0);
	}
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	enforce(ruleset(FS_EXECUTE, 0, 0));
	pid_t same = fork();
	if (!same) {
		enforce(ruleset(FS_EXECUTE, 0, 0));
		if (write(p[1], "x", 1)) {}
		// Who has more rules may not look at who has fewer.
		CHECK_ERRNO(ptrace(PTRACE_ATTACH, getppid(), 0, 0), EPERM);
		CHECK_ERRNO(ptrace(PTRACE_ATTACH, free, 0, 0), EPERM);
		if (write(p[1], "x", 1)) {}
		close(q[1]);
		if (read(q[0], &c, 1)) {}
		_exit(0);
	}
	CHECK(read(p[0], &c, 1) == 1 && read(p[0], &c, 1) == 1);
	CHECK_ERRNO(ptrace(PTRACE_ATTACH, free, 0, 0), EPERM);
	CHECK_EQ(ptrace(PTRACE_ATTACH, same, 0, 0), 0);
	int st;
	CHECK_EQ(waitpid(same, &st, 0), same);
	CHECK_EQ(ptrace(PTRACE_DETACH, same, 0, 0), 0);
	char name[64], to[64];
	snprintf(name, sizeof name, "/proc/%d/exe", free);
	CHECK_ERRNO(readlink(name, to, sizeof to), EACCES);
	snprintf(name, sizeof name, "/proc/%d/exe", same);
	CHECK(readlink(name, to, sizeof to) > 0);
	close(q[1]);
	CHECK_CHILD(same, 0);
	CHECK_CHILD(free, 0);
}

CASE(landlock_traceme_asks_for_the_parent) {
	enforce(ruleset(FS_EXECUTE, 0, 0));
	pid_t pid = fork();
	if (!pid) {
		CHECK_EQ(ptrace(PTRACE_TRACEME, 0, 0, 0), 0);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	int p[2];
	char c;
	CHECK(pipe(p) == 0);
	if (!(pid = fork())) {
		pid_t inner = fork();
		if (!inner) {
			CHECK(read(p[0], &c, 1) == 1);
			CHECK_ERRNO(ptrace(PTRACE_TRACEME, 0, 0, 0), EPERM);
			_exit(0);
		}
		// The parent is bound by more than the child.
		enforce(ruleset(FS_EXECUTE, 0, 0));
		CHECK(write(p[1], "x", 1) == 1);
		CHECK_CHILD(inner, 0);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

MAIN()
