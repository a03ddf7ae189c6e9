// io_uring: sockets.
#include "uring.h"
#include <netinet/in.h>
#include <sys/un.h>

static struct ring r;
static char buf[4096];
static int sv[2];

static void pair(int type) { CHECK_EQ(socketpair(AF_UNIX, type, 0, sv), 0); }

// give hands n buffers of 64 bytes to group 1.
static void give(int n) {
	struct io_uring_sqe *s = sqe(&r, IORING_OP_PROVIDE_BUFFERS, n, buf, 64, 0, 31);
	s->buf_group = 1;
	CHECK_EQ(run(&r), 0);
}

static int listener(struct sockaddr_in *a) {
	socklen_t n = sizeof *a;
	int s = socket(AF_INET, SOCK_STREAM, 0);
	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	CHECK_EQ(bind(s, (void *)a, n), 0);
	CHECK_EQ(listen(s, 8), 0);
	CHECK_EQ(getsockname(s, (void *)a, &n), 0);
	return s;
}

CASE(send_and_recv) {
	ring_init(&r, 8, 0);
	pair(SOCK_STREAM);
	sqe(&r, IORING_OP_SEND, sv[0], "hello", 5, 0, 1);
	CHECK_EQ(run(&r), 5);
	sqe(&r, IORING_OP_RECV, sv[1], buf, 100, 0, 2);
	CHECK_EQ(run(&r), 5);
	CHECK_EQ(memcmp(buf, "hello", 5), 0);
	sqe(&r, IORING_OP_SEND, 1, "x", 1, 0, 1);
	CHECK_EQ(run(&r), -ENOTSOCK);
}

CASE(a_recv_waits_for_data) {
	ring_init(&r, 8, 0);
	pair(SOCK_STREAM);
	sqe(&r, IORING_OP_RECV, sv[1], buf, 100, 0, 2);
	submit(&r, 0);
	CHECK_EQ(ready(&r), 0);
	CHECK_EQ(write(sv[0], "abc", 3), 3);
	WANT(&r, 2, 3);
	sqe(&r, IORING_OP_RECV, sv[1], buf, 100, 0, 2)->msg_flags = MSG_DONTWAIT;
	CHECK_EQ(run(&r), -EAGAIN);
	close(sv[0]);
	sqe(&r, IORING_OP_RECV, sv[1], buf, 100, 0, 2);
	CHECK_EQ(run(&r), 0);
}

CASE(a_send_to_nobody_raises_no_SIGPIPE) {
	ring_init(&r, 8, 0);
	pair(SOCK_STREAM);
	close(sv[1]);
	sqe(&r, IORING_OP_SEND, sv[0], "x", 1, 0, 1);
	CHECK_EQ(run(&r), -EPIPE);
}

CASE(WAITALL_waits_for_all) {
	ring_init(&r, 8, 0);
	pair(SOCK_STREAM);
	sqe(&r, IORING_OP_RECV, sv[1], buf, 6, 0, 1)->msg_flags = MSG_WAITALL;
	submit(&r, 0);
	CHECK_EQ(write(sv[0], "abc", 3), 3);
	msleep(5);
	CHECK_EQ(ready(&r), 0);
	CHECK_EQ(write(sv[0], "def", 3), 3);
	WANT(&r, 1, 6);
	CHECK_EQ(memcmp(buf, "abcdef", 6), 0);
}

CASE(sendmsg_and_recvmsg) {
	ring_init(&r, 8, 0);
	pair(SOCK_DGRAM);
	struct iovec v[2] = {{"ab", 2}, {"cd", 2}}, w = {buf, 3};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2}, g = {.msg_iov = &w, .msg_iovlen = 1};
	sqe(&r, IORING_OP_SENDMSG, sv[0], &m, 1, 0, 1);
	CHECK_EQ(run(&r), 4);
	sqe(&r, IORING_OP_RECVMSG, sv[1], &g, 1, 0, 2);
	CHECK_EQ(run(&r), 3);
	CHECK(g.msg_flags & MSG_TRUNC);
	CHECK_EQ(memcmp(buf, "abc", 3), 0);
}

CASE(a_descriptor_travels_in_a_message) {
	ring_init(&r, 8, 0);
	pair(SOCK_STREAM);
	union { struct cmsghdr h; char b[CMSG_SPACE(4)]; } c = {.h = {CMSG_LEN(4), SOL_SOCKET, SCM_RIGHTS}}, d;
	*(int *)CMSG_DATA(&c.h) = temp("abc");
	struct iovec v = {"x", 1}, w = {buf, 10};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c};
	struct msghdr g = {.msg_iov = &w, .msg_iovlen = 1, .msg_control = &d, .msg_controllen = sizeof d};
	sqe(&r, IORING_OP_RECVMSG, sv[1], &g, 1, 0, 2);
	submit(&r, 0);
	sqe(&r, IORING_OP_SENDMSG, sv[0], &m, 1, 0, 1);
	submit(&r, 2);
	int res[32];
	results(&r, 2, res);
	CHECK_EQ(res[1], 1);
	CHECK_EQ(res[2], 1);
	CHECK_EQ(d.h.cmsg_type, SCM_RIGHTS);
	CHECK_EQ(pread(*(int *)CMSG_DATA(&d.h), buf, 3, 0), 3);
}

CASE(a_ring_does_not_travel) {
	ring_init(&r, 8, 0);
	pair(SOCK_STREAM);
	union { struct cmsghdr h; char b[CMSG_SPACE(4)]; } c = {.h = {CMSG_LEN(4), SOL_SOCKET, SCM_RIGHTS}};
	*(int *)CMSG_DATA(&c.h) = r.fd;
	struct iovec v = {"x", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c};
	CHECK_ERRNO(sendmsg(sv[0], &m, 0), EINVAL);
	int none = -1;
	CHECK_EQ(reg(&r, IORING_REGISTER_FILES, &none, 1), 0);
	struct io_uring_files_update u = {.fds = (unsigned long)&r.fd};
	CHECK_ERRNO(reg(&r, IORING_REGISTER_FILES_UPDATE, &u, 1), EBADF);
}

CASE(accept_and_connect) {
	ring_init(&r, 8, 0);
	struct sockaddr_in a, from;
	socklen_t n = sizeof from;
	int l = listener(&a), c = socket(AF_INET, SOCK_STREAM, 0), res[32];
	sqe(&r, IORING_OP_ACCEPT, l, &from, 0, (unsigned long)&n, 1)->accept_flags = SOCK_CLOEXEC;
	submit(&r, 0);
	CHECK_EQ(ready(&r), 0);
	sqe(&r, IORING_OP_CONNECT, c, &a, 0, sizeof a, 2);
	submit(&r, 2);
	results(&r, 2, res);
	CHECK(res[1] >= 0);
	CHECK_EQ(res[2], 0);
	CHECK_EQ(from.sin_family, AF_INET);
	CHECK_EQ(fcntl(res[1], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(c, "hi", 2), 2);
	sqe(&r, IORING_OP_RECV, res[1], buf, 10, 0, 3);
	CHECK_EQ(run(&r), 2);
}

CASE(connect_to_nobody_is_refused) {
	ring_init(&r, 8, 0);
	struct sockaddr_in a;
	close(listener(&a));
	sqe(&r, IORING_OP_CONNECT, socket(AF_INET, SOCK_STREAM, 0), &a, 0, sizeof a, 2);
	CHECK_EQ(run(&r), -ECONNREFUSED);
}

CASE(a_multishot_accept) {
	ring_init(&r, 8, 0);
	struct sockaddr_in a;
	int l = listener(&a), res[32];
	sqe(&r, IORING_OP_ACCEPT, l, 0, 0, 0, 1)->ioprio = IORING_ACCEPT_MULTISHOT;
	submit(&r, 0);
	for (int i = 0; i < 3; i++) {
		int c = socket(AF_INET, SOCK_STREAM, 0);
		CHECK_EQ(connect(c, (void *)&a, sizeof a), 0);
		struct cqe x = next(&r);
		CHECK(x.res >= 0);
		CHECK(x.flags & IORING_CQE_F_MORE);
	}
	sqe(&r, IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 0, 2);
	submit(&r, 2);
	results(&r, 2, res);
	CHECK_EQ(res[1], -ECANCELED);
	CHECK_EQ(res[2], 0);
}

CASE(accept_into_registered_files) {
	ring_init(&r, 8, 0);
	struct sockaddr_in a;
	int l = listener(&a), none[2] = {-1, -1};
	CHECK_EQ(reg(&r, IORING_REGISTER_FILES, none, 2), 0);
	for (int i = 0; i < 3; i++) {
		int c = socket(AF_INET, SOCK_STREAM, 0);
		CHECK_EQ(connect(c, (void *)&a, sizeof a), 0);
		sqe(&r, IORING_OP_ACCEPT, l, 0, 0, 0, 1)->file_index = IORING_FILE_INDEX_ALLOC;
		CHECK_EQ(run(&r), i < 2 ? i : -ENFILE);
	}
	struct io_uring_sqe *s = sqe(&r, IORING_OP_SEND, 1, "x", 1, 0, 2);
	s->flags = IOSQE_FIXED_FILE;
	CHECK_EQ(run(&r), 1);
}

CASE(socket_bind_listen_shutdown) {
	ring_init(&r, 8, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	sqe(&r, IORING_OP_SOCKET, AF_INET, 0, 0, SOCK_STREAM, 1);
	int s = run(&r);
	CHECK(s >= 0);
	sqe(&r, OP_BIND, s, &a, 0, sizeof a, 2);
	CHECK_EQ(run(&r), 0);
	sqe(&r, OP_LISTEN, s, 0, 5, 0, 3);
	CHECK_EQ(run(&r), 0);
	socklen_t n = sizeof a;
	CHECK_EQ(getsockname(s, (void *)&a, &n), 0);
	int c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(connect(c, (void *)&a, n), 0);
	sqe(&r, IORING_OP_SHUTDOWN, c, 0, SHUT_WR, 0, 4);
	CHECK_EQ(run(&r), 0);
	sqe(&r, IORING_OP_SOCKET, 99, 0, 0, SOCK_STREAM, 1);
	CHECK_EQ(run(&r), -EAFNOSUPPORT);
}

CASE(recv_takes_a_provided_buffer) {
	ring_init(&r, 8, 0);
	pair(SOCK_STREAM);
	give(1);
	struct io_uring_sqe *s = sqe(&r, IORING_OP_RECV, sv[1], 0, 0, 0, 1);
	s->flags = IOSQE_BUFFER_SELECT, s->buf_group = 1;
	submit(&r, 0);
	CHECK_EQ(write(sv[0], "abc", 3), 3);
	struct cqe c = next(&r);
	CHECK_EQ(c.res, 3);
	CHECK(c.flags & IORING_CQE_F_BUFFER);
	CHECK_EQ(memcmp(buf, "abc", 3), 0);
}

CASE(a_multishot_recv_goes_on_until_buffers_end) {
	ring_init(&r, 8, 0);
	pair(SOCK_STREAM);
	give(2);
	struct io_uring_sqe *s = sqe(&r, IORING_OP_RECV, sv[1], 0, 0, 0, 1);
	s->flags = IOSQE_BUFFER_SELECT, s->buf_group = 1, s->ioprio = IORING_RECV_MULTISHOT;
	submit(&r, 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(write(sv[0], "abc", 3), 3);
		struct cqe c = next(&r);
		CHECK_EQ(c.res, 3);
		CHECK(c.flags & IORING_CQE_F_MORE);
		CHECK_EQ(c.flags >> IORING_CQE_BUFFER_SHIFT, i);
	}
	CHECK_EQ(write(sv[0], "abc", 3), 3);
	struct cqe c = next(&r);
	CHECK_EQ(c.res, -ENOBUFS);
	CHECK(!(c.flags & IORING_CQE_F_MORE));
}

CASE(a_multishot_recv_ends_at_the_end) {
	ring_init(&r, 8, 0);
	pair(SOCK_STREAM);
	give(2);
	struct io_uring_sqe *s = sqe(&r, IORING_OP_RECV, sv[1], 0, 0, 0, 1);
	s->flags = IOSQE_BUFFER_SELECT, s->buf_group = 1, s->ioprio = IORING_RECV_MULTISHOT;
	submit(&r, 0);
	close(sv[0]);
	struct cqe c = next(&r);
	CHECK_EQ(c.res, 0);
	CHECK(!(c.flags & IORING_CQE_F_MORE));
}

CASE(a_multishot_recvmsg_stores_a_header) {
	ring_init(&r, 8, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	int in = socket(AF_INET, SOCK_DGRAM, 0), out = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(bind(in, (void *)&a, n), 0);
	CHECK_EQ(getsockname(in, (void *)&a, &n), 0);
	give(2);
	struct msghdr m = {.msg_namelen = sizeof a};
	struct io_uring_sqe *s = sqe(&r, IORING_OP_RECVMSG, in, &m, 1, 0, 1);
	s->flags = IOSQE_BUFFER_SELECT, s->buf_group = 1, s->ioprio = IORING_RECV_MULTISHOT;
	submit(&r, 0);
	CHECK_EQ(sendto(out, "hello", 5, 0, (void *)&a, n), 5);
	struct cqe c = next(&r);
	CHECK_EQ(c.res, 16 + sizeof a + 5);
	CHECK(c.flags & IORING_CQE_F_MORE);
	struct io_uring_recvmsg_out *o = (void *)buf;
	CHECK_EQ(o->namelen, sizeof a);
	CHECK_EQ(o->payloadlen, 5);
	CHECK_EQ(o->controllen, 0);
	CHECK_EQ(((struct sockaddr_in *)(buf + 16))->sin_family, AF_INET);
	CHECK_EQ(memcmp(buf + 16 + sizeof a, "hello", 5), 0);
}

CASE(send_zc_has_a_notification) {
	ring_init(&r, 8, 0);
	struct sockaddr_in a;
	int l = listener(&a), c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(connect(c, (void *)&a, sizeof a), 0);
	int s = accept(l, 0, 0);
	sqe(&r, IORING_OP_SEND_ZC, c, "hello", 5, 0, 1);
	submit(&r, 1);
	struct cqe x = next(&r);
	CHECK_EQ(x.res, 5);
	CHECK_EQ(x.flags & IORING_CQE_F_MORE, IORING_CQE_F_MORE);
	CHECK_EQ(read(s, buf, 10), 5);
	x = next(&r);
	CHECK_EQ(x.user_data, 1);
	CHECK_EQ(x.flags & IORING_CQE_F_NOTIF, IORING_CQE_F_NOTIF);
	CHECK(!(x.flags & IORING_CQE_F_MORE));
}

CASE(a_datagram_to_an_address) {
	ring_init(&r, 8, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	int in = socket(AF_INET, SOCK_DGRAM, 0), out = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(bind(in, (void *)&a, n), 0);
	CHECK_EQ(getsockname(in, (void *)&a, &n), 0);
	struct io_uring_sqe *s = sqe(&r, IORING_OP_SEND, out, "hello", 5, (unsigned long)&a, 1);
	s->addr_len = sizeof a;
	CHECK_EQ(run(&r), 5);
	sqe(&r, IORING_OP_RECV, in, buf, 100, 0, 2);
	CHECK_EQ(run(&r), 5);
}

CASE(POLL_FIRST_waits_before_it_looks) {
	ring_init(&r, 8, 0);
	pair(SOCK_STREAM);
	sqe(&r, IORING_OP_RECV, sv[1], buf, 10, 0, 1)->ioprio = IORING_RECVSEND_POLL_FIRST;
	submit(&r, 0);
	CHECK_EQ(write(sv[0], "abc", 3), 3);
	WANT(&r, 1, 3);
	sqe(&r, IORING_OP_RECV, sv[1], buf, 10, 0, 1)->ioprio = 1 << 12;
	CHECK_EQ(run(&r), -EINVAL);
}

MAIN()
