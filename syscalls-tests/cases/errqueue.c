// The queue of errors of UDP sockets: IP_RECVERR and MSG_ERRQUEUE.
#include "netns.h"
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#ifndef SO_SELECT_ERR_QUEUE
#define SO_SELECT_ERR_QUEUE 45
#endif

static char control[300], data[2000];
static struct sockaddr_storage name;
static struct msghdr msg;

// failure receives from the queue of errors, and returns how many bytes.
static ssize_t failure(int fd, int flags) {
	static struct iovec v;
	v = (struct iovec){data, sizeof data};
	msg = (struct msghdr){.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	return recvmsg(fd, &msg, MSG_ERRQUEUE | flags);
}

static struct sock_extended_err *error_of(int level, int type) {
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	CHECK(c != NULL);
	CHECK_EQ(c->cmsg_level, level);
	CHECK_EQ(c->cmsg_type, type);
	return (void *)CMSG_DATA(c);
}

static int pending(int fd) {
	int e = 0;
	socklen_t n = sizeof e;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) == 0);
	return e;
}

static int events(int fd, int want) {
	struct pollfd p = {fd, want, 0};
	poll(&p, 1, 0);
	return p.revents;
}

static struct sockaddr_in nobody;

// sender makes a socket that keeps errors and that has sent text to nobody.
static int sender(const char *text) {
	own();
	nobody = v4("127.0.0.1", 7300);
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(setsockopt(fd, SOL_IP, IP_RECVERR, &one, 4) == 0);
	CHECK_EQ(sendto(fd, text, strlen(text), 0, SA(nobody)), strlen(text));
	return fd;
}

CASE(errqueue_port_unreachable) {
	int fd = sender("hello");
	CHECK_EQ(failure(fd, 0), 5);
	CHECK(memcmp(data, "hello", 5) == 0);
	CHECK_EQ(msg.msg_flags, MSG_ERRQUEUE);
	struct sock_extended_err *e = error_of(SOL_IP, IP_RECVERR);
	CHECK_EQ(e->ee_errno, ECONNREFUSED);
	CHECK_EQ(e->ee_origin, SO_EE_ORIGIN_ICMP);
	CHECK_EQ(e->ee_type, ICMP_DEST_UNREACH);
	CHECK_EQ(e->ee_code, ICMP_PORT_UNREACH);
	CHECK_EQ(e->ee_info, 0);
	CHECK_EQ(e->ee_data, 0);
	struct sockaddr_in *by = (void *)SO_EE_OFFENDER(e), *to = (void *)&name;
	CHECK_EQ(by->sin_family, AF_INET);
	CHECK(by->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK_EQ(by->sin_port, 0);
	CHECK_EQ(msg.msg_namelen, sizeof nobody);
	CHECK(to->sin_family == AF_INET && to->sin_addr.s_addr == nobody.sin_addr.s_addr && to->sin_port == nobody.sin_port);
}

CASE(errqueue_is_empty_at_first_and_never_waits) {
	own();
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK_ERRNO(failure(fd, 0), EAGAIN);
	CHECK(setsockopt(fd, SOL_IP, IP_RECVERR, &one, 4) == 0);
	CHECK_ERRNO(failure(fd, 0), EAGAIN);
	fd = sock(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO(failure(fd, 0), EAGAIN);
}

CASE(errqueue_next_call_reports_the_error) {
	int fd = sender("x");
	CHECK_ERRNO(recv(fd, buf, 10, MSG_DONTWAIT), ECONNREFUSED);
	CHECK_ERRNO(recv(fd, buf, 10, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(failure(fd, 0), 1); // which stays in the queue
	CHECK_ERRNO(failure(fd, 0), EAGAIN);
}

CASE(errqueue_receiving_it_settles_the_error) {
	int fd = sender("x");
	CHECK_EQ(failure(fd, 0), 1);
	CHECK_EQ(pending(fd), 0);
	CHECK_ERRNO(recv(fd, buf, 10, MSG_DONTWAIT), EAGAIN);
}

CASE(errqueue_the_next_ones_error_is_pending) {
	int fd = sender("one");
	CHECK_EQ(pending(fd), ECONNREFUSED);
	CHECK_EQ(sendto(fd, "two", 3, 0, SA(nobody)), 3);
	CHECK_EQ(pending(fd), ECONNREFUSED);
	CHECK_EQ(failure(fd, 0), 3);
	CHECK(memcmp(data, "one", 3) == 0);
	CHECK_EQ(pending(fd), ECONNREFUSED);
	CHECK_EQ(failure(fd, 0), 3);
	CHECK(memcmp(data, "two", 3) == 0);
	CHECK_EQ(pending(fd), 0);
}

CASE(errqueue_polls_as_an_error) {
	int fd = sender("x");
	CHECK_EQ(events(fd, POLLIN), POLLERR);
	CHECK_EQ(pending(fd), ECONNREFUSED);
	CHECK_EQ(events(fd, POLLIN), POLLERR);
	CHECK_EQ(events(fd, POLLPRI), POLLERR);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, &one, 4) == 0);
	CHECK_EQ(events(fd, POLLPRI), POLLERR | POLLPRI);
	CHECK_EQ(failure(fd, 0), 1);
	CHECK_EQ(events(fd, POLLIN | POLLPRI), 0);
}

CASE(errqueue_without_the_option) {
	own();
	nobody = v4("127.0.0.1", 7301);
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(sendto(fd, "x", 1, 0, SA(nobody)), 1);
	CHECK_EQ(pending(fd), 0);
	CHECK(connect(fd, SA(nobody)) == 0);
	CHECK_EQ(send(fd, "x", 1, 0), 1);
	CHECK_EQ(pending(fd), ECONNREFUSED);
	CHECK_ERRNO(failure(fd, 0), EAGAIN);
}

CASE(errqueue_of_a_connected_socket) {
	own();
	nobody = v4("127.0.0.9", 7302);
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(setsockopt(fd, SOL_IP, IP_RECVERR, &one, 4) == 0);
	CHECK(connect(fd, SA(nobody)) == 0);
	CHECK_EQ(send(fd, "connected", 9, 0), 9);
	CHECK_ERRNO(send(fd, "x", 1, 0), ECONNREFUSED);
	CHECK_EQ(failure(fd, 0), 9);
	struct sock_extended_err *e = error_of(SOL_IP, IP_RECVERR);
	CHECK(((struct sockaddr_in *)SO_EE_OFFENDER(e))->sin_addr.s_addr == nobody.sin_addr.s_addr);
}

CASE(errqueue_turned_off_is_emptied) {
	int fd = sender("x");
	CHECK(setsockopt(fd, SOL_IP, IP_RECVERR, &zero, 4) == 0);
	CHECK_ERRNO(failure(fd, 0), EAGAIN);
	CHECK_EQ(pending(fd), ECONNREFUSED);
}

CASE(errqueue_quotes_what_the_answer_holds) {
	own();
	nobody = v4("127.0.0.1", 7303);
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(setsockopt(fd, SOL_IP, IP_RECVERR, &one, 4) == 0);
	memset(buf, 'q', 1500);
	CHECK_EQ(sendto(fd, buf, 1500, 0, SA(nobody)), 1500);
	CHECK_EQ(failure(fd, 0), 520);
	CHECK(memcmp(data, buf, 520) == 0);
}

CASE(errqueue_cut_to_the_buffer) {
	int fd = sender("longer than that");
	struct iovec v = {data, 4};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	CHECK_EQ(recvmsg(fd, &m, MSG_ERRQUEUE), 4);
	CHECK_EQ(m.msg_flags, MSG_ERRQUEUE | MSG_TRUNC | MSG_CTRUNC);
}

CASE(errqueue_over_IPv6) {
	own();
	struct sockaddr_in6 a = v6("::1", 7304);
	int fd = sock(AF_INET6, SOCK_DGRAM, 0);
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, 4) == 0);
	CHECK_EQ(sendto(fd, "six", 3, 0, SA(a)), 3);
	CHECK_EQ(failure(fd, 0), 3);
	struct sock_extended_err *e = error_of(IPPROTO_IPV6, IPV6_RECVERR);
	CHECK_EQ(e->ee_errno, ECONNREFUSED);
	CHECK_EQ(e->ee_origin, SO_EE_ORIGIN_ICMP6);
	CHECK_EQ(e->ee_type, ICMP6_DST_UNREACH);
	CHECK_EQ(e->ee_code, ICMP6_DST_UNREACH_NOPORT);
	struct sockaddr_in6 *by = (void *)SO_EE_OFFENDER(e), *to = (void *)&name;
	CHECK(by->sin6_family == AF_INET6 && memcmp(&by->sin6_addr, &a.sin6_addr, 16) == 0);
	CHECK(to->sin6_family == AF_INET6 && to->sin6_port == a.sin6_port);
	CHECK_EQ(msg.msg_namelen, sizeof a);
}

CASE(errqueue_the_families_options_are_two) {
	own();
	struct sockaddr_in6 a = v6("::1", 7305);
	int fd = sock(AF_INET6, SOCK_DGRAM, 0), v = 9;
	socklen_t n = sizeof v;
	CHECK(setsockopt(fd, SOL_IP, IP_RECVERR, &one, 4) == 0);
	CHECK(getsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &v, &n) == 0);
	CHECK_EQ(v, 0);
	CHECK_EQ(sendto(fd, "six", 3, 0, SA(a)), 3);
	CHECK_ERRNO(failure(fd, 0), EAGAIN);
	CHECK_EQ(pending(fd), 0);
}

// ---- SO_TIMESTAMPING

static int stamping(int fd, int flags) { return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags); }

// stamped makes a sender and a receiver, of which the first tells when it sends.
static int stamped(int flags, int *r) {
	own();
	nobody = v4("127.0.0.1", 7310);
	*r = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(*r, SA(nobody)) == 0);
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(connect(fd, SA(nobody)) == 0);
	CHECK(stamping(fd, flags) == 0);
	return fd;
}

// sent checks that what is in the queue of errors tells of a datagram that was sent.
static struct sock_extended_err *sent(int info, int id) {
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	CHECK(c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING);
	CHECK_EQ(c->cmsg_len, CMSG_LEN(3 * sizeof(struct timespec)));
	struct timespec *t = (void *)CMSG_DATA(c), now;
	clock_gettime(CLOCK_REALTIME, &now);
	CHECK(t[0].tv_sec > now.tv_sec - 60 && t[0].tv_sec <= now.tv_sec);
	CHECK(t[1].tv_sec == 0 && t[2].tv_sec == 0);
	c = CMSG_NXTHDR(&msg, c);
	CHECK(c && c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR);
	struct sock_extended_err *e = (void *)CMSG_DATA(c);
	CHECK_EQ(e->ee_errno, ENOMSG);
	CHECK_EQ(e->ee_origin, SO_EE_ORIGIN_TIMESTAMPING);
	CHECK_EQ(e->ee_info, info);
	CHECK_EQ(e->ee_data, id);
	CHECK_EQ(msg.msg_namelen, 0);
	return e;
}

CASE(stamping_tells_when_it_was_sent) {
	int r, fd = stamped(SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, &r);
	CHECK_EQ(send(fd, "hello", 5, 0), 5);
	CHECK_EQ(events(fd, POLLIN), POLLERR);
	CHECK_EQ(failure(fd, 0), 14 + 20 + 8 + 5); // all of the frame
	CHECK(memcmp(data + 42, "hello", 5) == 0);
	CHECK(data[14] == 0x45 && data[12] == 8 && data[13] == 0);
	sent(SCM_TSTAMP_SND, 0);
	CHECK_ERRNO(failure(fd, 0), EAGAIN);
	CHECK_EQ(pending(fd), 0);
	CHECK_EQ(recv(r, buf, 9, 0), 5);
}

CASE(stamping_without_the_datagram_and_with_its_number) {
	int r, fd = stamped(SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY, &r);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(send(fd, "hello", 5, 0), 5);
		CHECK_EQ(failure(fd, 0), 0);
		sent(SCM_TSTAMP_SND, i);
	}
}

CASE(stamping_scheduled_and_sent) {
	int r, fd = stamped(SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY, &r);
	CHECK_EQ(send(fd, "hello", 5, 0), 5);
	CHECK_EQ(failure(fd, 0), 0);
	sent(SCM_TSTAMP_SCHED, 0);
	CHECK_EQ(failure(fd, 0), 0);
	sent(SCM_TSTAMP_SND, 0);
}

CASE(stamping_not_reported_is_no_stamp) {
	int r, fd = stamped(SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY, &r);
	CHECK_EQ(send(fd, "hello", 5, 0), 5);
	CHECK_EQ(failure(fd, 0), 0);
	CHECK_EQ(error_of(SOL_IP, IP_RECVERR)->ee_errno, ENOMSG);
}

CASE(stamping_tells_when_it_arrived) {
	int r, fd = stamped(0, &r), found = 0;
	CHECK(stamping(r, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE) == 0);
	for (int i = 0; i < 200 && !found; i++) { // Linux begins a moment later
		struct iovec v = {data, sizeof data};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
		CHECK_EQ(send(fd, "x", 1, 0), 1);
		CHECK_EQ(recvmsg(r, &m, 0), 1);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		found = c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING && c->cmsg_len == CMSG_LEN(3 * sizeof(struct timespec));
		if (!found) msleep(1);
	}
	CHECK(found);
}

CASE(stamping_flags_are_checked) {
	own();
	int fd = sock(AF_INET, SOCK_DGRAM, 0), v[2];
	socklen_t n = sizeof v;
	CHECK_ERRNO(stamping(fd, 1 << 25), EINVAL);
	CHECK_ERRNO(stamping(fd, SOF_TIMESTAMPING_OPT_STATS), EINVAL);
	CHECK(stamping(fd, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE) == 0);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, v, &n) == 0);
	CHECK_EQ(n, 8);
	CHECK_EQ(v[0], SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
	CHECK_EQ(v[1], 0);
}

MAIN()
