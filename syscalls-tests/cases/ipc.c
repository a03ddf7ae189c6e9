#include "case.h"
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <linux/sockios.h>
#include <sys/un.h>
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

static void nothing(int sig) { (void)sig; }

static void on(int sig, int flags) {
	struct sigaction sa = {.sa_handler = nothing, .sa_flags = flags};
	sigaction(sig, &sa, 0);
}

static pid_t kill_parent_after(int ms, int sig) {
	pid_t p = fork();
	if (p == 0) {
		usleep(ms * 1000);
		kill(getppid(), sig);
		_exit(0);
	}
	return p;
}

CASE(splice_moves_between_a_file_and_a_pipe) {
	int p[2], fd = open("f", O_RDWR | O_CREAT, 0600);
	char b[100];
	loff_t off = 2;
	CHECK_EQ(write(fd, "0123456789", 10), 10);
	CHECK(pipe(p) == 0);
	CHECK_EQ(splice(fd, &off, p[1], 0, 5, 0), 5);
	CHECK_EQ(off, 7);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK_EQ(read(p[0], b, 100), 5);
	CHECK(memcmp(b, "23456", 5) == 0);
	lseek(fd, 0, SEEK_SET);
	CHECK_EQ(splice(fd, 0, p[1], 0, 100, 0), 10);
	CHECK_EQ(splice(fd, 0, p[1], 0, 100, 0), 0);
	off = 20;
	CHECK_EQ(splice(p[0], 0, fd, &off, 4, 0), 4);
	CHECK_EQ(off, 24);
	CHECK_EQ(pread(fd, b, 10, 20), 4);
	CHECK(memcmp(b, "0123", 4) == 0);
	CHECK_EQ(splice(p[0], 0, fd, 0, 100, 0), 6);
	CHECK_ERRNO(splice(p[0], 0, fd, 0, 100, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERRNO(splice(fd, 0, fd, 0, 1, 0), EINVAL);
	CHECK_ERRNO(splice(p[0], &off, fd, 0, 1, 0), ESPIPE);
	CHECK_ERRNO(splice(p[1], 0, fd, 0, 1, 0), EBADF);
	CHECK_ERRNO(splice(p[0], 0, p[1], 0, 1, 0), EINVAL);
	CHECK_ERRNO(splice(p[0], 0, fd, 0, 1, 0x100), EINVAL);
	CHECK_EQ(splice(-1, 0, -1, 0, 0, 0), 0);
	close(p[1]);
	CHECK_EQ(splice(p[0], 0, fd, 0, 100, 0), 0);
}

CASE(splice_waits_for_data) {
	int p[2], q[2];
	char b[10];
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	if (fork() == 0) { usleep(20000); if (write(p[1], "late", 4)) {} _exit(0); }
	CHECK_EQ(splice(p[0], 0, q[1], 0, 100, 0), 4);
	CHECK_EQ(read(q[0], b, 10), 4);
	wait(0);
}

CASE(splice_between_sockets_and_pipes) {
	int p[2], s[2];
	char b[100];
	CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK_EQ(write(s[0], "through", 7), 7);
	CHECK_EQ(splice(s[1], 0, p[1], 0, 100, 0), 7);
	CHECK_EQ(splice(p[0], 0, s[1], 0, 100, 0), 7);
	CHECK_EQ(read(s[0], b, 100), 7);
	CHECK(memcmp(b, "through", 7) == 0);
}

CASE(tee_copies_and_leaves) {
	int p[2], q[2];
	char b[10];
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	CHECK_ERRNO(tee(p[0], q[1], 10, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(write(p[1], "abcdef", 6), 6);
	CHECK_EQ(tee(p[0], q[1], 4, 0), 4);
	CHECK_EQ(read(q[0], b, 10), 4);
	CHECK_EQ(read(p[0], b, 10), 6);
	CHECK_ERRNO(tee(p[0], p[1], 4, 0), EINVAL);
	CHECK_ERRNO(tee(p[0], 0x7fff, 4, 0), EBADF);
	close(p[1]);
	CHECK_EQ(tee(p[0], q[1], 10, 0), 0);
}

CASE(vmsplice_both_ways) {
	int p[2];
	char b[10] = {0};
	struct iovec v[2] = {{"ab", 2}, {"cd", 2}}, w = {b, 10};
	CHECK(pipe(p) == 0);
	CHECK_EQ(vmsplice(p[1], v, 2, 0), 4);
	CHECK_EQ(vmsplice(p[0], &w, 1, 0), 4);
	CHECK(strcmp(b, "abcd") == 0);
	CHECK_ERRNO(vmsplice(p[0], &w, 1, SPLICE_F_NONBLOCK), EAGAIN);
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK_ERRNO(vmsplice(fd, v, 2, 0), EBADF);
	signal(SIGPIPE, SIG_IGN);
	close(p[0]);
	CHECK_ERRNO(vmsplice(p[1], v, 2, 0), EPIPE);
}

CASE(blocking_write_of_much_to_a_pipe_is_whole) {
	int p[2];
	static char big[1000000], got[1000000];
	for (unsigned i = 0; i < sizeof big; i++) big[i] = i * 7 + i / 1000;
	CHECK(pipe(p) == 0);
	if (fork() == 0) { close(p[0]); _exit(write(p[1], big, sizeof big) != sizeof big); }
	close(p[1]);
	unsigned n = 0;
	for (;;) {
		int r = read(p[0], got + n, 12345);
		CHECK(r >= 0);
		if (r == 0) break;
		n += r;
	}
	CHECK_EQ(n, sizeof big);
	CHECK(memcmp(big, got, n) == 0);
	int st;
	wait(&st);
	CHECK_EQ(st, 0);
}

CASE(interrupted_write_to_a_pipe_returns_what_it_wrote) {
	int p[2];
	static char big[200000];
	CHECK(pipe(p) == 0);
	on(SIGUSR1, 0);
	pid_t c = kill_parent_after(50, SIGUSR1);
	CHECK_EQ(write(p[1], big, sizeof big), 65536);
	waitpid(c, 0, 0);
	on(SIGUSR1, SA_RESTART);
	c = kill_parent_after(50, SIGUSR1);
	int fl = fcntl(p[1], F_GETFL);
	fcntl(p[1], F_SETFL, fl | O_NONBLOCK);
	CHECK_ERRNO(write(p[1], big, 1), EAGAIN);
	waitpid(c, 0, 0);
}

CASE(pipe_reopened_through_proc) {
	int p[2];
	char name[40], b[4];
	CHECK(pipe(p) == 0);
	if (access("/proc/self/fd", F_OK) != 0) return;
	sprintf(name, "/proc/self/fd/%d", p[0]);
	int w = open(name, O_WRONLY);
	CHECK(w >= 0);
	close(p[1]);
	CHECK_EQ(write(w, "abc", 3), 3);
	CHECK_EQ(read(p[0], b, 4), 3);
	char link[64] = {0};
	CHECK(readlink(name, link, 63) > 0);
	CHECK(strncmp(link, "pipe:[", 6) == 0);
}

CASE(fstat_of_pipes_and_sockets) {
	int p[2], s[2];
	struct stat a, b;
	CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK(fstat(p[0], &a) == 0 && fstat(p[1], &b) == 0);
	CHECK_EQ(a.st_mode, S_IFIFO | 0600);
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	CHECK_EQ(a.st_size, 0);
	CHECK(fstat(s[0], &a) == 0);
	CHECK_EQ(a.st_mode, S_IFSOCK | 0777);
	CHECK(lseek(s[0], 0, SEEK_CUR) == -1 && errno == ESPIPE);
	CHECK(fchmod(p[0], 0640) == 0 && fstat(p[1], &b) == 0);
	CHECK_EQ(b.st_mode, S_IFIFO | 0640);
	CHECK_ERRNO(ftruncate(p[1], 0), EINVAL);
	CHECK_ERRNO(fsync(p[1]), EINVAL);
	CHECK(mmap(0, 4096, PROT_READ, MAP_PRIVATE, p[0], 0) == MAP_FAILED && errno == ENODEV);
}

CASE(memfd_grows_and_maps) {
	int fd = syscall(SYS_memfd_create, "name", 0);
	CHECK(fd >= 0);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0777);
	CHECK_EQ(st.st_nlink, 0);
	CHECK(ftruncate(fd, 8192) == 0);
	char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	strcpy(m + 4096, "there");
	char b[6];
	CHECK_EQ(pread(fd, b, 6, 4096), 6);
	CHECK(strcmp(b, "there") == 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERRNO(syscall(SYS_memfd_create, "x", 0x1000), EINVAL);
	char big[300];
	memset(big, 'x', 300);
	big[249] = 0;
	CHECK(syscall(SYS_memfd_create, big, 0) >= 0);
	big[249] = 'x', big[250] = 0;
	CHECK_ERRNO(syscall(SYS_memfd_create, big, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_memfd_create, (char *)1, 0), EFAULT);
}

CASE(memfd_seals) {
	int fd = syscall(SYS_memfd_create, "s", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK(ftruncate(fd, 4096) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK_ERRNO(ftruncate(fd, 0), EPERM);
	CHECK(ftruncate(fd, 8192) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
	CHECK_ERRNO(ftruncate(fd, 10000), EPERM);
	CHECK_ERRNO(pwrite(fd, "x", 1, 8192), EPERM);
	char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	m[0] = 'y';
	CHECK_ERRNO(pwrite(fd, "x", 1, 0), EPERM);
	CHECK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
	char *r = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(r != MAP_FAILED && r[0] == 'y');
	CHECK_ERRNO(mprotect(r, 4096, PROT_READ | PROT_WRITE), EACCES);
	munmap(m, 4096);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), EPERM);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, 0x8000), EINVAL);
	fd = syscall(SYS_memfd_create, "x", MFD_NOEXEC_SEAL);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0666);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_EXEC);
	CHECK_ERRNO(fchmod(fd, 0777), EPERM);
}

CASE(socket_arguments) {
	CHECK_ERRNO(socket(AF_UNIX, 99, 0), EINVAL);
	CHECK_ERRNO(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM, 5), EPROTONOSUPPORT);
	CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM | 0x10000, 0), EINVAL);
	CHECK_ERRNO(socket(99, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERRNO(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
	int fd = socket(AF_UNIX, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), v;
	socklen_t n = sizeof v;
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &n) == 0);
	CHECK_EQ(v, SOCK_DGRAM);
	CHECK_ERRNO(bind(0x7ffe, 0, 0), EBADF);
	int f = open("f", O_CREAT | O_RDWR, 0600);
	CHECK_ERRNO(bind(f, 0, 0), ENOTSOCK);
	CHECK_ERRNO(listen(f, 0), ENOTSOCK);
	CHECK_ERRNO(shutdown(fd, 3), EINVAL);
}

CASE(socket_options_have_linux_defaults) {
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), v;
	socklen_t n = sizeof v;
#define OPT(o, want) do { n = sizeof v; CHECK(getsockopt(fd, SOL_SOCKET, o, &v, &n) == 0); CHECK_EQ(v, want); } while (0)
	OPT(SO_SNDBUF, 212992);
	OPT(SO_RCVBUF, 212992);
	OPT(SO_ERROR, 0);
	OPT(SO_ACCEPTCONN, 0);
	OPT(SO_DOMAIN, AF_UNIX);
	OPT(SO_PROTOCOL, 0);
	OPT(SO_PASSCRED, 0);
	OPT(SO_REUSEADDR, 0);
	OPT(SO_KEEPALIVE, 0);
	OPT(SO_RCVLOWAT, 1);
	OPT(SO_PEEK_OFF, -1);
	OPT(SO_PRIORITY, 0);
	v = 1000;
	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &v, 4) == 0);
	OPT(SO_SNDBUF, 4608);
	v = 10000;
	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &v, 4) == 0);
	OPT(SO_SNDBUF, 20000);
	v = 100;
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, 4) == 0);
	OPT(SO_RCVBUF, 2304);
	v = 1;
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 4) == 0);
	OPT(SO_REUSEADDR, 1);
	CHECK_ERRNO(setsockopt(fd, SOL_SOCKET, SO_TYPE, &v, 4), ENOPROTOOPT);
	CHECK_ERRNO(setsockopt(fd, SOL_SOCKET, 9999, &v, 4), ENOPROTOOPT);
	CHECK_ERRNO(getsockopt(fd, SOL_SOCKET, 9999, &v, &n), ENOPROTOOPT);
	CHECK_ERRNO(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 2), EINVAL);
	CHECK_ERRNO(setsockopt(fd, 6, 1, &v, 4), EOPNOTSUPP);
	CHECK_ERRNO(getsockopt(fd, 6, 1, &v, &n), EOPNOTSUPP);
	struct timeval tv = {1, 2000000}, got;
	CHECK_ERRNO(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), EDOM);
	tv.tv_usec = 500000;
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	n = sizeof got;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &n) == 0);
	CHECK(got.tv_sec == 1 && got.tv_usec == 500000);
	struct linger l = {5, 7}, lg;
	CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l) == 0);
	n = sizeof lg;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, &n) == 0);
	CHECK(lg.l_onoff == 1 && lg.l_linger == 7);
	struct ucred u;
	n = sizeof u;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) == 0);
	CHECK(u.pid == 0 && u.uid == (uid_t)-1 && u.gid == (gid_t)-1);
	n = 1;
	v = 0x11111111;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &v, &n) == 0);
	CHECK(n == 1 && v == 0x11111101);
}

CASE(peek_offset_walks_the_stream) {
	int s[2], off = 2;
	char b[20] = {0};
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK_EQ(write(s[0], "0123", 4), 4);
	CHECK_EQ(write(s[0], "4567", 4), 4);
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, 4) == 0);
	CHECK_EQ(recv(s[1], b, 3, MSG_PEEK), 3);
	CHECK(memcmp(b, "234", 3) == 0);
	CHECK_EQ(recv(s[1], b, 20, MSG_PEEK), 3);
	CHECK(memcmp(b, "567", 3) == 0);
	CHECK_EQ(recv(s[1], b, 5, 0), 5);
	CHECK(memcmp(b, "01234", 5) == 0);
	socklen_t n = 4;
	CHECK(getsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, &n) == 0);
	CHECK_EQ(off, 3);
	CHECK_ERRNO(recv(s[1], b, 20, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(recv(s[1], b, 20, 0), 3);
}

CASE(MSG_WAITALL_waits_for_all) {
	int s[2];
	char b[20];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	if (fork() == 0) {
		for (int i = 0; i < 5; i++) { if (write(s[0], "ab", 2)) {} usleep(5000); }
		_exit(0);
	}
	CHECK_EQ(recv(s[1], b, 10, MSG_WAITALL), 10);
	close(s[0]);
	wait(0);
	CHECK_EQ(recv(s[1], b, 10, MSG_WAITALL), 0);
}

CASE(sendmsg_gathers_and_recvmsg_scatters) {
	int s[2];
	char a[3], b[10];
	struct iovec out[3] = {{"abc", 3}, {"", 0}, {"defgh", 5}}, in[2] = {{a, 3}, {b, 10}};
	struct msghdr m = {.msg_iov = out, .msg_iovlen = 3}, r = {.msg_iov = in, .msg_iovlen = 2, .msg_flags = -1};
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) == 0);
	CHECK_EQ(sendmsg(s[0], &m, 0), 8);
	CHECK_EQ(recvmsg(s[1], &r, 0), 8);
	CHECK(memcmp(a, "abc", 3) == 0 && memcmp(b, "defgh", 5) == 0);
	CHECK_EQ(r.msg_flags & ~MSG_EOR, 0);
	CHECK_EQ(r.msg_controllen, 0);
	in[1].iov_len = 1;
	CHECK_EQ(sendmsg(s[0], &m, 0), 8);
	CHECK_EQ(recvmsg(s[1], &r, 0), 4);
	CHECK(r.msg_flags & MSG_TRUNC);
	CHECK_EQ(sendmsg(s[0], &m, 0), 8);
	CHECK_EQ(recvmsg(s[1], &r, MSG_TRUNC), 8);
	m.msg_iovlen = 2000;
	CHECK_ERRNO(sendmsg(s[0], &m, 0), EMSGSIZE);
	CHECK_ERRNO(sendmsg(s[0], (void *)8, 0), EFAULT);
}

CASE(control_messages_are_checked) {
	int s[2], p[2];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0 && pipe(p) == 0);
	char buf[2000] = {0};
	struct iovec v = {"x", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = CMSG_SPACE(4)};
	struct cmsghdr *c = (void *)buf;
	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(4)};
	*(int *)CMSG_DATA(c) = 0x7ffe;
	CHECK_ERRNO(sendmsg(s[0], &m, 0), EBADF);
	c->cmsg_len = 3;
	CHECK_ERRNO(sendmsg(s[0], &m, 0), EINVAL);
	c->cmsg_len = 1000;
	CHECK_ERRNO(sendmsg(s[0], &m, 0), EINVAL);
	c->cmsg_len = CMSG_LEN(4);
	c->cmsg_type = 99;
	CHECK_ERRNO(sendmsg(s[0], &m, 0), EINVAL);
	c->cmsg_level = 99;
	CHECK_EQ(sendmsg(s[0], &m, 0), 1);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(254 * 4);
	m.msg_controllen = CMSG_SPACE(254 * 4);
	for (int i = 0; i < 254; i++) ((int *)CMSG_DATA(c))[i] = p[0];
	CHECK_ERRNO(sendmsg(s[0], &m, 0), EINVAL);
	c->cmsg_len = CMSG_LEN(253 * 4);
	m.msg_controllen = CMSG_SPACE(253 * 4);
	CHECK_EQ(sendmsg(s[0], &m, 0), 1);
	m.msg_controllen = 1 << 30;
	CHECK_ERRNO(sendmsg(s[0], &m, 0), ENOBUFS);
}

static int send_fd(int s, int fd) {
	char buf[CMSG_SPACE(4)] = {0};
	struct iovec v = {"f", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(4)};
	memcpy(CMSG_DATA(c), &fd, 4);
	return sendmsg(s, &m, MSG_DONTWAIT);
}

static int recv_fd(int s, int flags) {
	char buf[CMSG_SPACE(4)], b[8];
	struct iovec v = {b, 8};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf};
	if (recvmsg(s, &m, flags) < 0) return -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS) return -2;
	int fd;
	memcpy(&fd, CMSG_DATA(c), 4);
	return fd;
}

CASE(files_split_what_a_stream_reads) {
	int s[2], p[2];
	char b[20];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(p) == 0);
	CHECK_EQ(write(s[0], "ab", 2), 2);
	CHECK_EQ(send_fd(s[0], p[1]), 1);
	CHECK_EQ(write(s[0], "cd", 2), 2);
	CHECK_EQ(read(s[1], b, 20), 3);
	CHECK_EQ(read(s[1], b, 20), 2);
	CHECK_EQ(send_fd(s[0], p[1]), 1);
	int fd = recv_fd(s[1], MSG_CMSG_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(send_fd(s[0], fd), 1);
	int peeked = recv_fd(s[1], MSG_PEEK);
	CHECK(peeked >= 0);
	CHECK(recv_fd(s[1], 0) >= 0);
	close(p[1]); close(fd);
	CHECK_EQ(write(peeked, "x", 1), 1);
}

CASE(a_pipe_in_flight_keeps_open_until_its_socket_is_closed) {
	int s[2], p[2];
	char b;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe2(p, O_NONBLOCK) == 0);
	CHECK_EQ(send_fd(s[0], p[1]), 1);
	close(p[1]);
	CHECK_ERRNO(read(p[0], &b, 1), EAGAIN);
	close(s[1]);
	close(s[0]);
	CHECK_EQ(read(p[0], &b, 1), 0);
}

CASE(circles_of_sockets_in_flight_are_collected) {
	int p[2];
	char b;
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	int x[2], y[2];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, x) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, y) == 0);
	CHECK_EQ(send_fd(x[0], p[1]), 1);
	CHECK_EQ(send_fd(x[0], y[1]), 1); // y1 lies in x1
	CHECK_EQ(send_fd(y[0], x[1]), 1); // x1 lies in y1
	CHECK_EQ(send_fd(x[0], x[1]), 1); // and x1 in itself
	close(p[1]);
	close(x[0]), close(x[1]), close(y[0]), close(y[1]);
	/* Linux collects in the background. */
	for (int i = 0; i < 200; i++) {
		if (read(p[0], &b, 1) == 0) return;
		int t = socket(AF_UNIX, SOCK_STREAM, 0);
		close(t);
		usleep(10000);
	}
	CHECK(!"the pipe in the circle was closed");
}

CASE(a_long_chain_of_sockets_in_flight_is_freed) {
	int prev = -1, p[2];
	char b;
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	for (int i = 0; i < 400; i++) {
		int s[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
		int r = send_fd(s[0], prev < 0 ? p[1] : prev);
		if (r < 0) { CHECK_EQ(errno, ETOOMANYREFS); close(s[0]), close(s[1]); break; }
		if (prev >= 0) close(prev);
		close(s[0]);
		prev = s[1];
	}
	close(p[1]);
	CHECK_ERRNO(read(p[0], &b, 1), EAGAIN);
	close(prev);
	for (int i = 0; i < 200; i++) {
		if (read(p[0], &b, 1) == 0) return;
		usleep(10000);
	}
	CHECK(!"the chain was freed");
}

CASE(credentials_can_be_claimed_only_if_true) {
	int s[2], one = 1;
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, 4) == 0);
	pid_t c = fork();
	if (c == 0) {
		if (geteuid() == 0 && (setgid(1000) || setuid(1000))) _exit(9);
		struct ucred u = {getpid(), getuid(), getgid()};
		char buf[CMSG_SPACE(sizeof u)] = {0};
		struct iovec v = {"x", 1};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf};
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		*h = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS, .cmsg_len = CMSG_LEN(sizeof u)};
		memcpy(CMSG_DATA(h), &u, sizeof u);
		if (sendmsg(s[0], &m, 0) != 1) _exit(1);
		u.uid = 7;
		memcpy(CMSG_DATA(h), &u, sizeof u);
		if (sendmsg(s[0], &m, 0) != -1 || errno != EPERM) _exit(2);
		u.uid = getuid(), u.pid = 1;
		memcpy(CMSG_DATA(h), &u, sizeof u);
		if (u.pid != getpid() && (sendmsg(s[0], &m, 0) != -1 || errno != EPERM)) _exit(3);
		h->cmsg_len = CMSG_LEN(8);
		if (sendmsg(s[0], &m, 0) != -1 || errno != EINVAL) _exit(4);
		_exit(0);
	}
	int st;
	waitpid(c, &st, 0);
	CHECK_EQ(st, 0);
	char buf[100], b[4];
	struct iovec v = {b, 4};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf};
	CHECK_EQ(recvmsg(s[1], &m, 0), 1);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	CHECK(h && h->cmsg_type == SCM_CREDENTIALS && h->cmsg_len == CMSG_LEN(sizeof(struct ucred)));
	struct ucred u;
	memcpy(&u, CMSG_DATA(h), sizeof u);
	CHECK_EQ(u.pid, c);
	CHECK_EQ(m.msg_controllen, CMSG_SPACE(sizeof u));
	CHECK_EQ(write(s[0], "y", 1), 1);
	m.msg_controllen = 4;
	CHECK_EQ(recvmsg(s[1], &m, 0), 1);
	CHECK(m.msg_flags & MSG_CTRUNC);
}

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif
CASE(pidfds_of_peers_and_senders) {
	int s[2], one = 1, fd = -1;
	socklen_t n = sizeof fd;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK(getsockopt(s[0], SOL_SOCKET, SO_PEERPIDFD, &fd, &n) == 0);
	CHECK(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0) == 0);
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSPIDFD, &one, 4) == 0);
	CHECK_EQ(write(s[0], "x", 1), 1);
	char buf[100], b[4];
	struct iovec v = {b, 4};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf};
	CHECK_EQ(recvmsg(s[1], &m, 0), 1);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	CHECK(h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == 4 && h->cmsg_len == CMSG_LEN(4));
	memcpy(&fd, CMSG_DATA(h), 4);
	CHECK(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0) == 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

CASE(owner_of_a_socket) {
	int s[2], id = getpid();
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK(ioctl(s[0], FIOSETOWN, &id) == 0);
	id = 0;
	CHECK(ioctl(s[0], SIOCGPGRP, &id) == 0);
	CHECK_EQ(id, getpid());
	CHECK_EQ(fcntl(s[0], F_GETOWN), getpid());
}

CASE(autobind_gives_five_digits) {
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t n = sizeof a;
	CHECK(bind(fd, (void *)&a, sizeof a.sun_family) == 0);
	CHECK(getsockname(fd, (void *)&a, &n) == 0);
	CHECK_EQ(n, offsetof(struct sockaddr_un, sun_path) + 6);
	CHECK_EQ(a.sun_path[0], 0);
	n = 2;
	CHECK(getsockname(fd, (void *)&a, &n) == 0);
	CHECK_EQ(n, offsetof(struct sockaddr_un, sun_path) + 6);
	n = -1;
	CHECK_ERRNO(getsockname(fd, (void *)&a, &n), EINVAL);
}

CASE(socket_files_follow_permissions_and_names) {
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "./sock"}, got;
	socklen_t n = sizeof got, len = offsetof(struct sockaddr_un, sun_path) + 7;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	umask(027);
	CHECK(bind(fd, (void *)&a, sizeof a) == 0);
	struct stat st;
	CHECK(stat("sock", &st) == 0);
	CHECK_EQ(st.st_mode, S_IFSOCK | 0750);
	CHECK(getsockname(fd, (void *)&got, &n) == 0);
	CHECK_EQ(n, len);
	CHECK(strcmp(got.sun_path, "./sock") == 0);
	int other = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERRNO(bind(other, (void *)&a, sizeof a), EADDRINUSE);
	CHECK_ERRNO(open("sock", O_RDWR), ENXIO);
	CHECK_ERRNO(connect(other, (void *)&a, sizeof a), ECONNREFUSED);
	CHECK(listen(fd, 1) == 0);
	CHECK(link("sock", "other") == 0);
	CHECK(unlink("sock") == 0);
	CHECK_ERRNO(connect(other, (void *)&a, sizeof a), ENOENT);
	strcpy(a.sun_path, "other");
	CHECK(connect(other, (void *)&a, sizeof a) == 0);
	n = sizeof got;
	CHECK(getpeername(other, (void *)&got, &n) == 0);
	CHECK(strcmp(got.sun_path, "./sock") == 0);
	int dg = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_ERRNO(connect(dg, (void *)&a, sizeof a), EPROTOTYPE);
	int reg = open("plain", O_CREAT | O_RDWR, 0600);
	CHECK(reg >= 0);
	strcpy(a.sun_path, "plain");
	CHECK_ERRNO(connect(dg, (void *)&a, sizeof a), ECONNREFUSED);
	strcpy(a.sun_path, "missing/x");
	CHECK_ERRNO(bind(dg, (void *)&a, sizeof a), ENOENT);
	a.sun_family = AF_INET;
	CHECK_ERRNO(bind(dg, (void *)&a, sizeof a), EINVAL);
	CHECK_ERRNO(bind(dg, (void *)&a, 200), EINVAL);
}

CASE(connect_waits_for_room_in_the_backlog) {
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "s"};
	int l = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 0) == 0);
	int c1 = socket(AF_UNIX, SOCK_STREAM, 0), c2 = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(connect(c1, (void *)&a, sizeof a) == 0);
	CHECK_ERRNO(connect(c2, (void *)&a, sizeof a), EAGAIN);
	if (fork() == 0) {
		int c3 = socket(AF_UNIX, SOCK_STREAM, 0);
		_exit(connect(c3, (void *)&a, sizeof a) != 0 || write(c3, "3", 1) != 1);
	}
	usleep(30000);
	char b;
	CHECK_EQ(write(c1, "1", 1), 1);
	int s1 = accept(l, 0, 0);
	CHECK(s1 >= 0);
	CHECK_EQ(read(s1, &b, 1), 1);
	CHECK_EQ(b, '1');
	int s3 = accept(l, 0, 0);
	CHECK(s3 >= 0);
	CHECK_EQ(read(s3, &b, 1), 1);
	CHECK_EQ(b, '3');
	int st;
	wait(&st);
	CHECK_EQ(st, 0);
}

CASE(datagram_sender_waits_for_room) {
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "d"};
	int r = socket(AF_UNIX, SOCK_DGRAM, 0), s = socket(AF_UNIX, SOCK_DGRAM, 0), n = 0;
	CHECK(bind(r, (void *)&a, sizeof a) == 0 && connect(s, (void *)&a, sizeof a) == 0);
	while (send(s, "x", 1, MSG_DONTWAIT) == 1) n++;
	CHECK_ERRNO(send(s, "x", 1, MSG_DONTWAIT), EAGAIN);
	CHECK(n > 1);
	struct pollfd p = {s, POLLOUT};
	CHECK_EQ(poll(&p, 1, 0), 0);
	if (fork() == 0) { usleep(20000); char b; _exit(read(r, &b, 1) != 1); }
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK_EQ(send(s, "y", 1, 0), 1);
	wait(0);
	if (fork() == 0) { usleep(20000); char b; _exit(read(r, &b, 1) != 1); }
	CHECK_EQ(send(s, "z", 1, 0), 1);
	wait(0);
	close(r);
	CHECK_ERRNO(send(s, "x", 1, 0), ECONNREFUSED);
	CHECK_ERRNO(send(s, "x", 1, 0), ENOTCONN);
}

CASE(SIGPIPE_comes_from_streams_alone) {
	int s[2];
	signal(SIGPIPE, SIG_DFL);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	close(s[1]);
	CHECK_ERRNO(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	pid_t c = fork();
	if (c == 0) { if (write(s[0], "x", 1)) {} _exit(0); }
	int st;
	waitpid(c, &st, 0);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGPIPE);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) == 0);
	close(s[1]);
	CHECK_ERRNO(write(s[0], "x", 1), EPIPE);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	CHECK(shutdown(s[0], SHUT_WR) == 0);
	CHECK_ERRNO(write(s[0], "x", 1), EPIPE);
}

CASE(socket_ioctls) {
	int s[2], n;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK_EQ(write(s[0], "hello", 5), 5);
	CHECK(ioctl(s[1], FIONREAD, &n) == 0);
	CHECK_EQ(n, 5);
	CHECK(ioctl(s[0], TIOCOUTQ, &n) == 0);
	CHECK(n > 0);
	n = 1;
	CHECK(ioctl(s[0], FIONBIO, &n) == 0);
	CHECK(fcntl(s[0], F_GETFL) & O_NONBLOCK);
	CHECK_ERRNO(ioctl(s[0], TCGETS, &n), ENOTTY);
}

CASE(nanosleep_reports_what_is_left) {
	on(SIGALRM, 0);
	struct itimerval it = {.it_value = {0, 50000}};
	setitimer(ITIMER_REAL, &it, 0);
	struct timespec t = {10, 0}, left = {0};
	CHECK_ERRNO(nanosleep(&t, &left), EINTR);
	CHECK(left.tv_sec == 9 && left.tv_nsec > 500000000);
	t.tv_nsec = 1000000000;
	CHECK_ERRNO(nanosleep(&t, 0), EINVAL);
	t = (struct timespec){-1, 0};
	CHECK_ERRNO(nanosleep(&t, 0), EINVAL);
	CHECK_ERRNO(nanosleep((void *)8, 0), EFAULT);
	CHECK_EQ(clock_nanosleep(99, 0, &left, 0), EINVAL);
}

CASE(stopped_sleep_goes_on) {
	pid_t c = fork();
	if (c == 0) {
		struct timespec t = {1, 0};
		_exit(nanosleep(&t, 0) != 0);
	}
	usleep(50000);
	kill(c, SIGSTOP);
	int st;
	waitpid(c, &st, WUNTRACED);
	kill(c, SIGCONT);
	CHECK_EQ(waitpid(c, &st, 0), c);
	CHECK_EQ(st, 0);
}

CASE(poll_goes_on_after_a_stop_and_ends_at_a_handler) {
	pid_t c = fork();
	if (c == 0) _exit(poll(0, 0, 1000) != 0);
	usleep(50000);
	kill(c, SIGSTOP);
	int st;
	waitpid(c, &st, WUNTRACED);
	kill(c, SIGCONT);
	CHECK_EQ(waitpid(c, &st, 0), c);
	CHECK_EQ(st, 0);
	on(SIGUSR1, SA_RESTART);
	c = kill_parent_after(30, SIGUSR1);
	CHECK_ERRNO(poll(0, 0, 5000), EINTR);
	waitpid(c, 0, 0);
	c = kill_parent_after(30, SIGUSR1);
	struct timeval tv = {5, 0};
	CHECK_ERRNO(select(0, 0, 0, 0, &tv), EINTR);
	CHECK(tv.tv_sec == 4);
	waitpid(c, 0, 0);
	int ep = epoll_create1(0);
	struct epoll_event e;
	c = kill_parent_after(30, SIGUSR1);
	CHECK_ERRNO(epoll_wait(ep, &e, 1, 5000), EINTR);
	waitpid(c, 0, 0);
}

CASE(poll_of_many_kinds) {
	int p[2], s[2], f = open("f", O_CREAT | O_RDWR, 0600);
	CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	struct pollfd v[] = {{f, POLLIN | POLLOUT}, {p[0], POLLIN}, {p[1], POLLOUT}, {s[0], POLLIN | POLLOUT}, {-1, POLLIN}, {0x7ffe, POLLIN}};
	CHECK_EQ(poll(v, 6, -1), 4);
	CHECK_EQ(v[0].revents, POLLIN | POLLOUT);
	CHECK_EQ(v[1].revents, 0);
	CHECK_EQ(v[2].revents, POLLOUT);
	CHECK_EQ(v[3].revents, POLLOUT);
	CHECK_EQ(v[4].revents, 0);
	CHECK_EQ(v[5].revents, POLLNVAL);
	CHECK_ERRNO(poll(v, 1u << 30, 0), EINVAL);
	CHECK_ERRNO(poll((void *)8, 1, 0), EFAULT);
	shutdown(s[1], SHUT_WR);
	v[3].events = POLLIN | POLLRDHUP;
	CHECK_EQ(poll(v + 3, 1, 0), 1);
	CHECK_EQ(v[3].revents, POLLIN | POLLRDHUP);
}

CASE(select_checks_its_sets) {
	int p[2];
	CHECK(pipe(p) == 0);
	fd_set r, w, x;
	FD_ZERO(&r); FD_ZERO(&w); FD_ZERO(&x);
	FD_SET(p[0], &r); FD_SET(p[1], &w); FD_SET(p[0], &x);
	CHECK_EQ(select(p[1] + 1, &r, &w, &x, 0), 1);
	CHECK(!FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w) && !FD_ISSET(p[0], &x));
	close(p[1]);
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	CHECK_EQ(select(p[0] + 1, &r, 0, 0, 0), 1);
	FD_ZERO(&x);
	FD_SET(p[0], &x);
	struct timeval tv = {0, 10000};
	CHECK_EQ(select(p[0] + 1, 0, 0, &x, &tv), 0);
	CHECK(tv.tv_sec == 0 && tv.tv_usec == 0);
	CHECK_ERRNO(select(-1, 0, 0, 0, &tv), EINVAL);
	FD_SET(p[1], &r);
	CHECK_ERRNO(select(p[1] + 1, &r, 0, 0, &tv), EBADF);
	tv.tv_sec = -1;
	CHECK_ERRNO(select(0, 0, 0, 0, &tv), EINVAL);
}

CASE(epoll_pwait2_and_timeouts) {
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e;
	struct timespec t = {0, 20000000}, a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	CHECK_EQ(syscall(441, ep, &e, 1, &t, 0, 8), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	long us = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
	CHECK(us >= 20000);
	t.tv_nsec = -1;
	CHECK_ERRNO(syscall(441, ep, &e, 1, &t, 0, 8), EINVAL);
	CHECK_ERRNO(epoll_wait(ep, &e, 0, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(ep, &e, -1, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(0x7ffe, &e, 1, 0), EBADF);
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(epoll_wait(p[0], &e, 1, 0), EINVAL);
	e.events = EPOLLOUT;
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &e) == 0);
	CHECK_ERRNO(epoll_wait(ep, (void *)8, 1, 0), EFAULT);
	sigset_t mask;
	sigfillset(&mask);
	CHECK_ERRNO(syscall(SYS_epoll_pwait, ep, &e, 1, 0, &mask, 4), EINVAL);
}

static void *waiter(void *arg) {
	struct epoll_event e;
	return (void *)(long)epoll_wait(*(int *)arg, &e, 1, 5000);
}

CASE(each_event_wakes_one_waiter_of_many) {
	int ep = epoll_create1(0), fd[4];
	pthread_t t[4];
	for (int i = 0; i < 4; i++) {
		struct epoll_event e = {.events = EPOLLIN | EPOLLET};
		fd[i] = eventfd(0, 0);
		CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e) == 0);
	}
	for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, waiter, &ep);
	usleep(20000);
	for (int i = 0; i < 4; i++) CHECK(eventfd_write(fd[i], 1) == 0);
	for (int i = 0; i < 4; i++) {
		void *r;
		pthread_join(t[i], &r);
		CHECK_EQ((long)r, 1);
	}
}

CASE(timerfd_settings) {
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	CHECK(fd >= 0);
	uint64_t n;
	struct itimerspec s = {{0, 10000000}, {0, 1}}, old;
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	CHECK_ERRNO(read(fd, &n, 4), EINVAL);
	CHECK_ERRNO(write(fd, &n, 8), EINVAL);
	CHECK(timerfd_settime(fd, 0, &s, 0) == 0);
	usleep(55000);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(n >= 5);
	CHECK(timerfd_gettime(fd, &old) == 0);
	CHECK(old.it_interval.tv_nsec == 10000000 && old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 10000000);
	memset(&s, 0, sizeof s);
	CHECK(timerfd_settime(fd, 0, &s, &old) == 0);
	CHECK(old.it_interval.tv_nsec == 10000000);
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	s.it_value.tv_nsec = 1000000000;
	CHECK_ERRNO(timerfd_settime(fd, 0, &s, 0), EINVAL);
	s.it_value.tv_nsec = 1;
	CHECK_ERRNO(timerfd_settime(fd, 0x80, &s, 0), EINVAL);
	CHECK_ERRNO(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	CHECK_ERRNO(timerfd_create(CLOCK_MONOTONIC, 0x80), EINVAL);
	CHECK_ERRNO(timerfd_gettime(0x7ffe, &s), EBADF);
	fd = timerfd_create(CLOCK_REALTIME, 0);
	s = (struct itimerspec){{0, 0}, {1, 0}};
	CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &s, 0) == 0);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
	struct pollfd p = {fd, POLLIN};
	CHECK_EQ(poll(&p, 1, 0), 0);
	s.it_value = (struct timespec){0, 30000000};
	CHECK(timerfd_settime(fd, 0, &s, 0) == 0);
	CHECK_EQ(poll(&p, 1, 5000), 1);
}

CASE(eventfd_blocks_and_wakes) {
	int fd = eventfd(0, EFD_SEMAPHORE);
	uint64_t v = 2;
	if (fork() == 0) { usleep(20000); _exit(write(fd, &v, 8) != 8); }
	CHECK_EQ(read(fd, &v, 8), 8);
	CHECK_EQ(v, 1);
	CHECK_EQ(read(fd, &v, 8), 8);
	wait(0);
	fd = eventfd(0, EFD_NONBLOCK);
	v = UINT64_MAX - 1;
	CHECK_EQ(write(fd, &v, 8), 8);
	v = 1;
	CHECK_ERRNO(write(fd, &v, 8), EAGAIN);
	v = UINT64_MAX;
	CHECK_ERRNO(write(fd, &v, 8), EINVAL);
	CHECK_ERRNO(write(fd, &v, 4), EINVAL);
	CHECK_ERRNO(read(fd, &v, 7), EINVAL);
	struct pollfd p = {fd, POLLIN | POLLOUT};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	CHECK_ERRNO(eventfd(0, 0x10), EINVAL);
}

CASE(clock_resolutions_and_errors) {
	struct timespec t;
	CHECK(clock_getres(CLOCK_MONOTONIC, &t) == 0 && t.tv_sec == 0 && t.tv_nsec == 1);
	CHECK(clock_getres(CLOCK_REALTIME, 0) == 0);
	CHECK(clock_getres(CLOCK_THREAD_CPUTIME_ID, &t) == 0 && t.tv_nsec == 1);
	CHECK_ERRNO(syscall(SYS_clock_gettime, 99, &t), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_REALTIME, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &t), EINVAL);
	struct timespec a, b;
	CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a) == 0);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &b) == 0);
	long d = (b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec;
	CHECK(d > -1000000 && d < 1000000000);
	time_t s = time(0);
	CHECK(syscall(SYS_time, 0) - s <= 1);
	struct timex x = {0};
	CHECK(adjtimex(&x) >= 0);
}

MAIN()
