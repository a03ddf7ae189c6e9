// Ids as user namespaces see them: owners of files, senders of signals and messages, owners of objects.
#include "userns.h"
#include <linux/keyctl.h>
#include <sys/auxv.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/xattr.h>

// map gives a waiting child 0 to 9 for base to base+9.
static void map(struct child c, int base) {
	char text[64];
	snprintf(text, sizeof text, "0 %d 10", base);
	CHECK_EQ(put(proc(c.pid, "uid_map"), text), 0);
	CHECK_EQ(put(proc(c.pid, "gid_map"), text), 0);
}

static void root(void) {
	CHECK(setresgid(0, 0, 0) == 0);
	CHECK(setresuid(0, 0, 0) == 0);
}

// inside runs body as root of a user namespace that calls 200000 and on 0 and on.
static void inside(void (*body)(void)) {
	struct child c = spawn(CLONE_NEWUSER, body);
	map(c, 200000);
	finish(c);
}

static void owners(void) {
	struct stat st;
	struct statx x;
	CHECK(stat("of0", &st) == 0);
	CHECK_EQ(st.st_uid, 65534);
	CHECK_EQ(st.st_gid, 65534);
	CHECK(statx(AT_FDCWD, "of0", 0, STATX_BASIC_STATS, &x) == 0);
	CHECK_EQ(x.stx_uid, 65534);
	CHECK(stat("of3", &st) == 0);
	CHECK_EQ(st.st_uid, 3);
	CHECK_EQ(st.st_gid, 4);
	root();
	int fd = creat("made", 0644);
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_uid, 0);
	CHECK_EQ(st.st_gid, 0);
	CHECK(mkdir("dir", 0755) == 0);
}

CASE(stat_shows_names_of_the_readers_namespace) {
	CHECK(close(creat("of0", 0644)) == 0);
	CHECK(close(creat("of3", 0644)) == 0);
	CHECK(chown("of3", 200003, 200004) == 0);
	CHECK(chmod(".", 0777) == 0);
	inside(owners);
	struct stat st;
	CHECK(stat("made", &st) == 0);
	CHECK_EQ(st.st_uid, 200000);
	CHECK_EQ(st.st_gid, 200000);
	CHECK(stat("dir", &st) == 0);
	CHECK_EQ(st.st_uid, 200000);
}

static void over_files(void) {
	root();
	// Root's capabilities are for files whose owner and group have names here.
	int fd = open("of3", O_RDWR);
	CHECK(fd >= 0);
	CHECK(chmod("of3", 0640) == 0);
	CHECK(chown("of3", 5, 6) == 0);
	CHECK_ERRNO(chown("of3", 10, 6), EINVAL);
	CHECK(chown("of3", -1, -1) == 0);
	CHECK_ERRNO(open("of0", O_RDWR), EACCES);
	CHECK_ERRNO(chmod("of0", 0777), EPERM);
	CHECK_ERRNO(chown("of0", 0, 0), EPERM);
	CHECK_ERRNO(chown("of0", -1, 0), EPERM);
	CHECK_ERRNO(utimensat(AT_FDCWD, "of0", 0, 0), EACCES);
	// One of the two is not enough to read, but its owner it may be.
	CHECK_ERRNO(open("half", O_RDONLY), EACCES);
	CHECK_ERRNO(chown("half", 1, -1), EPERM);
	CHECK(chmod("half", 0611) == 0);
	CHECK(unlink("sticky/of3") == 0);
	CHECK_ERRNO(unlink("sticky/of0"), EPERM);
}

CASE(capabilities_over_files_want_owner_and_group_mapped) {
	CHECK(chmod(".", 0777) == 0);
	umask(0);
	CHECK(mkdir("sticky", 01777) == 0);
	CHECK(close(creat("of0", 0600)) == 0);
	CHECK(close(creat("of3", 0600)) == 0);
	CHECK(chown("of3", 200003, 200003) == 0);
	CHECK(close(creat("sticky/of0", 0600)) == 0);
	CHECK(close(creat("sticky/of3", 0600)) == 0);
	CHECK(chown("sticky/of3", 200003, 200003) == 0);
	CHECK(close(creat("half", 0600)) == 0);
	CHECK(chown("half", 200003, 0) == 0);
	inside(over_files);
	struct stat st;
	CHECK(stat("of3", &st) == 0);
	CHECK_EQ(st.st_uid, 200005);
	CHECK_EQ(st.st_gid, 200006);
}

static void nodes(void) {
	root();
	CHECK_ERRNO(mknod("null", S_IFCHR | 0666, 0x103), EPERM);
	CHECK(mknod("fifo", S_IFIFO | 0666, 0) == 0);
	CHECK_ERRNO(setxattr("of3", "trusted.x", "1", 1, 0), EPERM);
}

CASE(the_root_of_a_namespace_makes_no_devices) {
	CHECK(chmod(".", 0777) == 0);
	CHECK(close(creat("of3", 0600)) == 0);
	CHECK(chown("of3", 200003, 200003) == 0);
	inside(nodes);
}

static volatile siginfo_t got;
static void handler(int s, siginfo_t *i, void *u) {
	(void)s, (void)u;
	*(siginfo_t *)&got = *i;
}

static pid_t target;
static void kills(void) {
	CHECK(setresuid(3, 3, 3) == 0);
	CHECK_ERRNO(kill(target, SIGUSR1), EPERM);
	CHECK_ERRNO(kill(target, 0), EPERM);
}

CASE(who_has_other_ids_kills_nobody_outside) {
	target = getpid();
	struct child c = spawn(CLONE_NEWUSER, kills);
	map(c, 200000);
	finish(c);
}

static void killed(void) {
	sigset_t set;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, 0) == 0);
	root();
	CHECK(close(creat("ready", 0644)) == 0);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
	CHECK_EQ(info.si_uid, 65534);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
	CHECK_EQ(info.si_uid, 7);
}

CASE(a_signal_tells_the_sender_as_the_receiver_calls_it) {
	CHECK(chmod(".", 0777) == 0);
	struct child c = spawn(CLONE_NEWUSER, killed);
	map(c, 200000);
	CHECK(write(c.go, "x", 1) == 1);
	while (access("ready", F_OK)) msleep(1);
	CHECK(kill(c.pid, SIGUSR1) == 0);
	msleep(20);
	IN_CHILD({
		CHECK(setresuid(200007, 0, 0) == 0);
		CHECK(kill(c.pid, SIGUSR1) == 0);
	});
	CHECK_CHILD(c.pid, 0);
}

static void leave(void) {
	CHECK(setresuid(4, 4, 4) == 0);
}

CASE(wait_tells_the_child_as_the_parent_calls_it) {
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
	CHECK(sigaction(SIGCHLD, &sa, 0) == 0);
	struct child c = spawn(CLONE_NEWUSER, leave);
	map(c, 200000);
	CHECK(write(c.go, "x", 1) == 1);
	siginfo_t info;
	CHECK(waitid(P_PID, c.pid, &info, WEXITED) == 0);
	CHECK_EQ(info.si_uid, 200004);
	CHECK_EQ(got.si_uid, 200004);
}

static int pair[2];

static void sends(void) {
	root();
	CHECK(setresuid(6, 6, 6) == 0);
	CHECK(send(pair[1], "x", 1, 0) == 1);
	// Only ids that have a name can be claimed.
	struct ucred u = {getpid(), 6, 0};
	union { char b[CMSG_SPACE(sizeof u)]; struct cmsghdr h; } a = {.h = {CMSG_LEN(sizeof u), SOL_SOCKET, SCM_CREDENTIALS}};
	struct iovec v = {"y", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &a, .msg_controllen = sizeof a};
	u.uid = 77;
	memcpy(CMSG_DATA(&a.h), &u, sizeof u);
	CHECK_ERRNO(sendmsg(pair[1], &m, 0), EINVAL);
	u.uid = 7;
	memcpy(CMSG_DATA(&a.h), &u, sizeof u);
	CHECK_ERRNO(sendmsg(pair[1], &m, 0), EPERM);
	u.uid = 6;
	memcpy(CMSG_DATA(&a.h), &u, sizeof u);
	CHECK_EQ(sendmsg(pair[1], &m, 0), 1);
	socklen_t n = sizeof u;
	CHECK(getsockopt(pair[1], SOL_SOCKET, SO_PEERCRED, &u, &n) == 0);
	CHECK_EQ(u.uid, 65534);
	CHECK_EQ(u.gid, 65534);
}

static struct ucred received(void) {
	char c;
	struct ucred u = {0, 0, 0};
	union { char b[CMSG_SPACE(sizeof u)]; struct cmsghdr h; } a;
	struct iovec v = {&c, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &a, .msg_controllen = sizeof a};
	CHECK_EQ(recvmsg(pair[0], &m, 0), 1);
	CHECK_EQ(a.h.cmsg_type, SCM_CREDENTIALS);
	memcpy(&u, CMSG_DATA(&a.h), sizeof u);
	return u;
}

CASE(credentials_of_messages_are_translated) {
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	int one = 1;
	CHECK(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0);
	inside(sends);
	for (int i = 0; i < 2; i++) {
		struct ucred u = received();
		CHECK_EQ(u.uid, 200006);
		CHECK_EQ(u.gid, 200000);
	}
}

static int msg, shm;

static void ipc(void) {
	struct msqid_ds q;
	struct shmid_ds s;
	root();
	CHECK(msgctl(msg, IPC_STAT, &q) == 0);
	CHECK_EQ(q.msg_perm.uid, 5);
	CHECK_EQ(q.msg_perm.gid, 6);
	CHECK_EQ(q.msg_perm.cuid, 65534);
	CHECK_ERRNO(msgctl(msg, IPC_SET, &q), EPERM);
	CHECK(setresuid(5, 5, 5) == 0);
	q.msg_perm.uid = 7;
	CHECK(msgctl(msg, IPC_SET, &q) == 0);
	q.msg_perm.uid = 70;
	CHECK_ERRNO(msgctl(msg, IPC_SET, &q), EPERM);
	CHECK(shmctl(shm, IPC_STAT, &s) == 0);
	CHECK_EQ(s.shm_perm.uid, 65534);
	// Capabilities count where the IPC namespace belongs.
	CHECK_ERRNO(shmctl(shm, IPC_RMID, 0), EPERM);
}

CASE(system_v_objects_show_translated_owners) {
	struct msqid_ds q;
	CHECK((msg = msgget(IPC_PRIVATE, 0666)) >= 0);
	CHECK((shm = shmget(IPC_PRIVATE, 4096, 0666)) >= 0);
	CHECK(msgctl(msg, IPC_STAT, &q) == 0);
	q.msg_perm.uid = 200005;
	q.msg_perm.gid = 200006;
	CHECK(msgctl(msg, IPC_SET, &q) == 0);
	inside(ipc);
	CHECK(msgctl(msg, IPC_STAT, &q) == 0);
	CHECK_EQ(q.msg_perm.uid, 200007);
	CHECK(msgctl(msg, IPC_RMID, 0) == 0);
	CHECK(shmctl(shm, IPC_RMID, 0) == 0);
}

static void own_ipc(void) {
	root();
	CHECK(unshare(CLONE_NEWIPC) == 0);
	CHECK((shm = shmget(IPC_PRIVATE, 4096, 0600)) >= 0);
	CHECK(setresuid(5, 5, -1) == 0);
	CHECK_ERRNO(shmctl(shm, IPC_RMID, 0), EPERM);
	CHECK(setresuid(0, 0, 0) == 0);
	struct shmid_ds s;
	CHECK(shmctl(shm, IPC_STAT, &s) == 0);
	CHECK_EQ(s.shm_perm.cuid, 0);
	CHECK(shmctl(shm, IPC_RMID, 0) == 0);
}

CASE(the_root_of_a_namespace_owns_its_ipc_namespace) { inside(own_ipc); }

static void status(void) {
	root();
	gid_t g[2] = {3, 4};
	CHECK(setgroups(2, g) == 0);
	CHECK(setresuid(1, 2, 3) == 0);
	const char *s = slurp("/proc/self/status");
	CHECK(strstr(s, "\nUid:\t1\t2\t3\t2\n") != 0);
	CHECK(strstr(s, "\nGid:\t0\t0\t0\t0\n") != 0);
	CHECK(strstr(s, "\nGroups:\t3 4 \n") != 0);
	s = slurp(proc(getppid(), "status"));
	CHECK(strstr(s, "\nUid:\t65534\t65534\t65534\t65534\n") != 0);
	uid_t r, e, sv;
	CHECK(getresuid(&r, &e, &sv) == 0);
	CHECK(r == 1 && e == 2 && sv == 3);
	CHECK_EQ(syscall(SYS_setfsuid, -1), 2);
	CHECK_EQ(syscall(SYS_setfsuid, 99), 2);
	CHECK_EQ(syscall(SYS_setfsgid, -1), 0);
}

CASE(proc_status_shows_names_of_the_readers_namespace) { inside(status); }

static void aux(void) {
	root();
	CHECK(setresuid(4, 4, 4) == 0);
	char *argv[] = {"od", "-An", "-tu8", "-w16", "-v", "/proc/self/auxv", 0};
	int fd = creat("auxv", 0666);
	CHECK(fd >= 0);
	dup2(fd, 1);
	execvp(argv[0], argv);
	_exit(1);
}

CASE(the_auxiliary_vector_holds_translated_ids) {
	CHECK(chmod(".", 0777) == 0);
	struct child c = spawn(CLONE_NEWUSER, aux);
	map(c, 200000);
	finish(c);
	int found = 0;
	for (char *p = (char *)slurp("auxv"); *p;) {
		unsigned long long k = strtoull(p, &p, 10), v = strtoull(p, &p, 10);
		if (k == 0) break;
		if (k != AT_UID && k != AT_EUID && k != AT_GID) continue;
		CHECK_EQ(v, k == AT_GID ? 0 : 4);
		found++;
	}
	CHECK_EQ(found, 3);
}

static void priorities(void) {
	root();
	CHECK(setresuid(8, 8, 0) == 0);
	CHECK_ERRNO(getpriority(PRIO_USER, 50), ESRCH);
	errno = 0;
	CHECK_EQ(getpriority(PRIO_USER, 8), 0);
	CHECK_EQ(errno, 0);
	CHECK(setpriority(PRIO_USER, 8, 3) == 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 3);
}

CASE(getpriority_takes_users_of_the_namespace) { inside(priorities); }

static void keys(void) {
	char b[200] = "";
	root();
	CHECK(setresuid(0, 5, 0) == 0);
	int id = syscall(SYS_add_key, "user", "k", "v", 1, KEY_SPEC_PROCESS_KEYRING);
	CHECK(id > 0);
	CHECK(syscall(SYS_keyctl, KEYCTL_DESCRIBE, id, b, sizeof b) > 0);
	CHECK(!strncmp(b, "user;5;0;", 9));
	CHECK_ERRNO(syscall(SYS_keyctl, KEYCTL_CHOWN, id, 40, -1), EINVAL);
	CHECK_ERRNO(syscall(SYS_keyctl, KEYCTL_CHOWN, id, 6, -1), EACCES);
}

CASE(keys_show_translated_owners) { inside(keys); }

static void tmpfs(void) {
	struct stat st;
	root();
	CHECK(mkdir("m", 0755) == 0);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("t", "m", "tmpfs", 0, "uid=3,gid=4,mode=700") == 0);
	CHECK(stat("m", &st) == 0);
	CHECK_EQ(st.st_uid, 3);
	CHECK_EQ(st.st_gid, 4);
	CHECK_ERRNO(mount("t", "m", "tmpfs", 0, "uid=30"), EINVAL);
	CHECK(umount("m") == 0);
	CHECK(mount("t", "m", "tmpfs", 0, 0) == 0);
	CHECK(stat("m", &st) == 0);
	CHECK_EQ(st.st_uid, 0);
}

CASE(tmpfs_takes_ids_of_the_namespace) {
	CHECK(chmod(".", 0777) == 0);
	inside(tmpfs);
}

static void filecaps(void) {
	unsigned char v3[24] = {1, 0, 0, 3, 0, 4}, got3[24];
	unsigned char v2[20] = {1, 0, 0, 2, 0, 4};
	root();
	// As if written outside: with the name of the root here. Seen from here it is a plain one.
	CHECK(setxattr("prog", "security.capability", v2, 20, 0) == 0);
	CHECK_EQ(getxattr("prog", "security.capability", got3, 24), 20);
	CHECK(!memcmp(got3, v2, 20));
	CHECK_ERRNO(setxattr("of0", "security.capability", v2, 20, 0), EPERM);
	v3[20] = 50;
	CHECK_ERRNO(setxattr("prog", "security.capability", v3, 24, 0), EINVAL);
	CHECK_ERRNO(setxattr("prog", "security.other", "1", 1, 0), EPERM);
	// What the root above may do is for its namespaces below, too.
	CHECK_EQ(getxattr("of0", "security.capability", got3, 24), 20);
}

CASE(file_capabilities_name_the_root_they_are_for) {
	unsigned char v2[20] = {1, 0, 0, 2, 0, 4}, got3[24];
	CHECK(chmod(".", 0777) == 0);
	CHECK(close(creat("prog", 0755)) == 0);
	CHECK(chown("prog", 200000, 200000) == 0);
	CHECK(close(creat("of0", 0755)) == 0);
	CHECK(chown("of0", 200001, 0) == 0);
	CHECK(setxattr("of0", "security.capability", v2, 20, 0) == 0);
	inside(filecaps);
	CHECK_EQ(getxattr("prog", "security.capability", got3, 24), 24);
	CHECK_EQ(got3[3], 3);
	unsigned rootid;
	memcpy(&rootid, got3 + 20, 4);
	CHECK_EQ(rootid, 200000);
}

MAIN()
