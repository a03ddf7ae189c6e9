#include "case.h"
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>

static struct sockaddr_un addr_of(const char *path, socklen_t *len) {
	struct sockaddr_un a = {AF_UNIX, {0}};
	memcpy(a.sun_path, path, strlen(path + (path[0] == 0)) + (path[0] == 0));
	*len = offsetof(struct sockaddr_un, sun_path) + strlen(path + (path[0] == 0)) + 1;
	return a;
}

static int listener(int type, const char *path) {
	socklen_t n;
	struct sockaddr_un a = addr_of(path, &n);
	int s = socket(AF_UNIX, type, 0);
	CHECK(s >= 0);
	CHECK(bind(s, (void *)&a, n) == 0);
	if (type != SOCK_DGRAM) CHECK(listen(s, 5) == 0);
	return s;
}

static int dial(int type, const char *path) {
	socklen_t n;
	struct sockaddr_un a = addr_of(path, &n);
	int s = socket(AF_UNIX, type, 0);
	CHECK(s >= 0);
	return connect(s, (void *)&a, n) == 0 ? s : (close(s), -1);
}

CASE(stream_connects_through_a_path) {
	int l = listener(SOCK_STREAM, "sock"), c = dial(SOCK_STREAM, "sock"), s = accept(l, 0, 0);
	char b[10];
	CHECK(c >= 0 && s >= 0);
	CHECK_EQ(write(c, "hello", 5), 5);
	CHECK_EQ(read(s, b, 3), 3);
	CHECK_EQ(read(s, b, 10), 2);
	close(c);
	CHECK_EQ(read(s, b, 10), 0);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(s, "x", 1), EPIPE);
	struct stat st;
	stat("sock", &st);
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_ERRNO(open("sock", O_RDWR), ENXIO);
}

CASE(connect_errors) {
	CHECK_ERRNO(dial(SOCK_STREAM, "nosuch"), ENOENT);
	close(open("file", O_CREAT | O_WRONLY, 0600));
	CHECK_ERRNO(dial(SOCK_STREAM, "file"), ECONNREFUSED);
	int l = listener(SOCK_STREAM, "s");
	CHECK_ERRNO(dial(SOCK_DGRAM, "s"), EPROTOTYPE);
	close(l);
	CHECK_ERRNO(dial(SOCK_STREAM, "s"), ECONNREFUSED);
	socklen_t n;
	struct sockaddr_un a = addr_of("s", &n);
	CHECK_ERRNO(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, n), EADDRINUSE);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERRNO(accept(s, 0, 0), EINVAL);
	CHECK_ERRNO(send(s, "x", 1, MSG_NOSIGNAL), ENOTCONN);
	CHECK_ERRNO(getpeername(s, (void *)&a, &n), ENOTCONN);
	CHECK_ERRNO(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	CHECK_ERRNO(socket(250, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERRNO(accept(0, 0, 0), ENOTSOCK);
}

CASE(abstract_names_need_no_file) {
	char name[64] = {0};
	sprintf(name + 1, "ringfence-%d", getpid());
	int l = listener(SOCK_STREAM, name), c = dial(SOCK_STREAM, name);
	CHECK(c >= 0);
	struct sockaddr_un a = {0};
	socklen_t n = sizeof a;
	CHECK(getpeername(c, (void *)&a, &n) == 0);
	CHECK_EQ(a.sun_path[0], 0);
	CHECK(!strcmp(a.sun_path + 1, name + 1));
	close(l);
	CHECK_ERRNO(dial(SOCK_STREAM, name), ECONNREFUSED);
}

CASE(datagrams_keep_boundaries_and_names) {
	int s = listener(SOCK_DGRAM, "a"), c = listener(SOCK_DGRAM, "b");
	socklen_t n;
	struct sockaddr_un a = addr_of("a", &n), from;
	CHECK_EQ(sendto(c, "first", 5, 0, (void *)&a, n), 5);
	CHECK_EQ(sendto(c, "second", 6, 0, (void *)&a, n), 6);
	char b[20];
	socklen_t fl = sizeof from;
	CHECK_EQ(recvfrom(s, b, 3, MSG_TRUNC, (void *)&from, &fl), 5);
	CHECK(!strcmp(from.sun_path, "b"));
	CHECK_EQ(recv(s, b, 20, MSG_PEEK), 6);
	CHECK_EQ(recv(s, b, 20, 0), 6);
	CHECK_ERRNO(recv(s, b, 20, MSG_DONTWAIT), EAGAIN);
}

CASE(seqpacket_keeps_boundaries_and_ends) {
	int p[2];
	char b[10];
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p) == 0);
	CHECK_EQ(write(p[0], "abc", 3), 3);
	CHECK_EQ(write(p[0], "de", 2), 2);
	CHECK_EQ(read(p[1], b, 10), 3);
	CHECK_EQ(read(p[1], b, 1), 1);
	close(p[0]);
	CHECK_EQ(read(p[1], b, 10), 0);
}

CASE(shutdown_closes_one_direction) {
	int p[2];
	char b;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	CHECK(shutdown(p[0], SHUT_WR) == 0);
	CHECK_EQ(read(p[1], &b, 1), 0);
	CHECK_ERRNO(send(p[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(write(p[1], "y", 1), 1);
	CHECK_EQ(read(p[0], &b, 1), 1);
	struct pollfd f = {p[1], POLLIN | POLLRDHUP, 0};
	CHECK_EQ(poll(&f, 1, 0), 1);
	CHECK_EQ(f.revents, POLLIN | POLLRDHUP);
	CHECK_ERRNO(shutdown(p[0], 9), EINVAL);
}

static void send_fds(int s, int *fds, int n) {
	char c[CMSG_SPACE(sizeof(int) * 8)] = {0}, x = 'x';
	struct iovec v = {&x, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
	CHECK_EQ(sendmsg(s, &m, 0), 1);
}

static int recv_fds(int s, int *fds, int room, int flags, int *mflags) {
	char c[CMSG_SPACE(sizeof(int) * 8)] = {0}, x;
	struct iovec v = {&x, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = CMSG_SPACE(sizeof(int) * room)};
	CHECK_EQ(recvmsg(s, &m, flags), 1);
	if (mflags) *mflags = m.msg_flags;
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (!h) return 0;
	CHECK_EQ(h->cmsg_type, SCM_RIGHTS);
	int n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(h), n * sizeof(int));
	return n;
}

CASE(SCM_RIGHTS_passes_descriptors_between_processes) {
	int p[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	pid_t c = fork();
	if (c == 0) {
		int q[2];
		CHECK(pipe(q) == 0);
		send_fds(p[1], q, 2);
		_exit(0);
	}
	int fds[8];
	char b;
	CHECK_EQ(recv_fds(p[0], fds, 2, MSG_CMSG_CLOEXEC, 0), 2);
	CHECK_CHILD(c, 0);
	CHECK_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(fds[1], "z", 1), 1);
	CHECK_EQ(read(fds[0], &b, 1), 1);
}

CASE(SCM_RIGHTS_without_room_is_cut_off) {
	int p[2], fds[8], flags;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	int three[3] = {0, 1, 2};
	send_fds(p[0], three, 3);
	CHECK(recv_fds(p[1], fds, 1, 0, &flags) >= 1);
	CHECK(flags & MSG_CTRUNC);
}

CASE(a_socket_can_be_sent_through_itself_without_leaking) {
	for (int i = 0; i < 50; i++) {
		int p[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
		send_fds(p[0], &p[1], 1);
		send_fds(p[1], &p[0], 1);
		close(p[0]);
		close(p[1]);
	}
}

CASE(SO_PEERCRED_and_SCM_CREDENTIALS_name_the_peer) {
	int p[2], on = 1;
	struct ucred u;
	socklen_t n = sizeof u;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	CHECK(getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &u, &n) == 0);
	CHECK_EQ(u.pid, getpid());
	CHECK(setsockopt(p[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
	pid_t c = fork();
	if (c == 0) { CHECK_EQ(write(p[1], "x", 1), 1); _exit(0); }
	char ctl[CMSG_SPACE(sizeof u)], x;
	struct iovec v = {&x, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	CHECK_EQ(recvmsg(p[0], &m, 0), 1);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	CHECK(h && h->cmsg_type == SCM_CREDENTIALS);
	memcpy(&u, CMSG_DATA(h), sizeof u);
	CHECK_EQ(u.pid, c);
	CHECK_CHILD(c, 0);
}

CASE(nonblocking_stream_fills_up_and_drains) {
	int p[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) == 0);
	char b[4096] = {0};
	long sent = 0, got = 0;
	for (ssize_t n; (n = write(p[0], b, sizeof b)) > 0;) sent += n;
	CHECK(sent >= 65536);
	struct pollfd f = {p[0], POLLOUT, 0};
	CHECK_EQ(poll(&f, 1, 0), 0);
	for (ssize_t n; (n = read(p[1], b, sizeof b)) > 0;) got += n;
	CHECK_EQ(got, sent);
	CHECK_EQ(poll(&f, 1, 0), 1);
}

CASE(closing_with_unread_data_resets) {
	int p[2];
	char b;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	CHECK_EQ(write(p[0], "x", 1), 1);
	close(p[1]);
	CHECK_ERRNO(read(p[0], &b, 1), ECONNRESET);
}

CASE(receive_timeout_gives_EAGAIN) {
	int p[2];
	char b;
	struct timeval tv = {0, 30000};
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	CHECK(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	long long a = now_ms();
	CHECK_ERRNO(read(p[0], &b, 1), EAGAIN);
	CHECK(now_ms() - a >= 29);
}

CASE(accept_waits_for_a_client) {
	int l = listener(SOCK_STREAM, "s");
	pid_t c = fork();
	if (c == 0) {
		msleep(50);
		int s = dial(SOCK_STREAM, "s");
		CHECK_EQ(write(s, "q", 1), 1);
		_exit(0);
	}
	int s = accept4(l, 0, 0, SOCK_CLOEXEC);
	CHECK(s >= 0);
	CHECK_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
	char b;
	CHECK_EQ(recv(s, &b, 1, MSG_WAITALL), 1);
	CHECK_CHILD(c, 0);
}

CASE(recvmmsg_takes_several_messages) {
	int p[2];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p) == 0);
	for (int i = 0; i < 3; i++) CHECK_EQ(write(p[0], "abc", i + 1), i + 1);
	char b[4][10];
	struct iovec v[4];
	struct mmsghdr m[4] = {0};
	for (int i = 0; i < 4; i++) {
		v[i] = (struct iovec){b[i], 10};
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK_EQ(recvmmsg(p[1], m, 4, MSG_DONTWAIT, 0), 3);
	for (int i = 0; i < 3; i++) CHECK_EQ(m[i].msg_len, i + 1);
}

CASE(sockets_tell_the_name_of_their_protocol) {
	struct { int family, type, protocol; const char *name; } all[] = {
		{AF_UNIX, SOCK_STREAM, 0, "UNIX-STREAM"}, {AF_UNIX, SOCK_DGRAM, 0, "UNIX"}, {AF_UNIX, SOCK_SEQPACKET, 0, "UNIX"},
		{AF_INET, SOCK_STREAM, 0, "TCP"}, {AF_INET, SOCK_DGRAM, 0, "UDP"}, {AF_INET, SOCK_RAW, 255, "RAW"},
		{AF_INET6, SOCK_STREAM, 0, "TCPv6"}, {AF_INET6, SOCK_DGRAM, 0, "UDPv6"}, {AF_INET6, SOCK_RAW, 58, "RAWv6"},
		{AF_NETLINK, SOCK_RAW, 0, "NETLINK"}, {AF_PACKET, SOCK_RAW, 0, "PACKET"},
	};
	const char *attr = "system.sockprotoname";
	for (int i = 0; i < sizeof all / sizeof all[0]; i++) {
		char path[40], v[64];
		int s = socket(all[i].family, all[i].type, all[i].protocol), n = strlen(all[i].name) + 1;
		CHECK(s >= 0);
		CHECK_EQ(fgetxattr(s, attr, v, sizeof v), n);
		CHECK_EQ(memcmp(v, all[i].name, n), 0);
		sprintf(path, "/proc/self/fd/%d", s);
		CHECK_EQ(getxattr(path, attr, 0, 0), n);
		CHECK_ERRNO(fgetxattr(s, attr, v, 2), ERANGE);
		CHECK_EQ(flistxattr(s, v, sizeof v), strlen(attr) + 1);
		CHECK_EQ(strcmp(v, attr), 0);
		CHECK_ERRNO(fsetxattr(s, attr, "X", 2, 0), EOPNOTSUPP);
		CHECK_ERRNO(fremovexattr(s, attr), EOPNOTSUPP);
		CHECK_ERRNO(fgetxattr(s, "system.other", v, sizeof v), EOPNOTSUPP);
		CHECK_ERRNO(fgetxattr(s, "user.x", v, sizeof v), ENODATA);
		close(s);
	}
}

MAIN()
