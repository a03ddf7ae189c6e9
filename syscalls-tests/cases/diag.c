// NETLINK_SOCK_DIAG: the sockets of a network as ss(8) asks for them, and /proc/net beside it.
#include "netns.h"
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>

static char b[65536];
static struct { struct nlmsghdr h; struct inet_diag_req_v2 r; char attrs[200]; } q;
static struct { struct nlmsghdr h; struct unix_diag_req r; } uq;

static void about(int family, int protocol, int states) {
	memset(&q, 0, sizeof q);
	q.h = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof q.r), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 5};
	q.r = (struct inet_diag_req_v2){.sdiag_family = family, .sdiag_protocol = protocol, .idiag_states = states};
}

// ask_all sends a request and calls each with the answers; it returns their number or the error, as a negative one.
static int ask_all(void *m, void (*each)(struct nlmsghdr *)) {
	int fd = sock(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG), count = 0;
	struct nlmsghdr *to = m;
	CHECK_EQ(send(fd, m, to->nlmsg_len, 0), to->nlmsg_len);
	for (;;) {
		int n = recv(fd, b, sizeof b, 0);
		CHECK(n > 0);
		for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			CHECK_EQ(h->nlmsg_seq, 5);
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
				int e = *(int *)NLMSG_DATA(h);
				close(fd);
				return e ? e : count;
			}
			CHECK_EQ(h->nlmsg_type, SOCK_DIAG_BY_FAMILY);
			count++;
			if (each) each(h);
			if (!(h->nlmsg_flags & NLM_F_MULTI)) {
				close(fd);
				return count;
			}
		}
	}
}

static struct inet_diag_msg got[64];
static struct tcp_info info;
static int ngot, shut = -1, v6only = -1, tos = -1;
static char cong[32];

static void keep(struct nlmsghdr *h) {
	size_t n;
	struct inet_diag_msg *m = NLMSG_DATA(h);
	CHECK(ngot < 64);
	got[ngot++] = *m;
	uint8_t *a = found(h, sizeof *m, INET_DIAG_SHUTDOWN, &n);
	if (a) shut = *a;
	if ((a = found(h, sizeof *m, INET_DIAG_SKV6ONLY, &n))) v6only = *a;
	if ((a = found(h, sizeof *m, INET_DIAG_TOS, &n))) tos = *a;
	if ((a = found(h, sizeof *m, INET_DIAG_CONG, &n))) memcpy(cong, a, n);
	if ((a = found(h, sizeof *m, INET_DIAG_INFO, &n))) memcpy(&info, a, n < sizeof info ? n : sizeof info);
}

static int all(int family, int protocol, int states) {
	about(family, protocol, states);
	ngot = 0;
	return ask_all(&q, keep);
}

static int bound4(int type, int port) {
	struct sockaddr_in a = v4("127.0.0.1", port);
	int fd = sock(AF_INET, type, 0);
	CHECK(bind(fd, SA(a)) == 0);
	return fd;
}

static int listener4(int port, int backlog) {
	int fd = bound4(SOCK_STREAM, port);
	CHECK(listen(fd, backlog) == 0);
	return fd;
}

static int client4(int port) {
	struct sockaddr_in a = v4("127.0.0.1", port);
	int fd = sock(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(fd, SA(a)) == 0);
	return fd;
}

static ino_t ino_of(int fd) {
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	return st.st_ino;
}

CASE(diag_a_network_without_sockets) {
	own();
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, -1), 0);
	CHECK_EQ(all(AF_INET6, IPPROTO_TCP, -1), 0);
	CHECK_EQ(all(AF_INET, IPPROTO_UDP, -1), 0);
}

CASE(diag_a_listener) {
	own();
	int fd = listener4(7400, 3);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, 1 << TCP_LISTEN), 1);
	CHECK_EQ(got[0].idiag_family, AF_INET);
	CHECK_EQ(got[0].idiag_state, TCP_LISTEN);
	CHECK_EQ(got[0].idiag_timer, 0);
	CHECK_EQ(ntohs(got[0].id.idiag_sport), 7400);
	CHECK_EQ(got[0].id.idiag_dport, 0);
	CHECK_EQ(got[0].id.idiag_src[0], htonl(INADDR_LOOPBACK));
	CHECK_EQ(got[0].id.idiag_dst[0], 0);
	CHECK_EQ(got[0].idiag_rqueue, 0);
	CHECK_EQ(got[0].idiag_wqueue, 3);
	CHECK_EQ(got[0].idiag_uid, getuid());
	CHECK_EQ(got[0].idiag_inode, ino_of(fd));
	CHECK_EQ(shut, 0);
}

CASE(diag_clients_that_wait_are_the_listeners_queue) {
	own();
	listener4(7401, 3);
	client4(7401), client4(7401);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, 1 << TCP_LISTEN), 1);
	CHECK_EQ(got[0].idiag_rqueue, 2);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, 1 << TCP_ESTABLISHED), 4);
	int without = 0;
	for (int i = 0; i < 4; i++) without += got[i].idiag_inode == 0;
	CHECK_EQ(without, 2);
}

CASE(diag_both_ends_of_a_connection) {
	own();
	int l = listener4(7402, 3), c = client4(7402), s = accept(l, NULL, NULL);
	CHECK_EQ(send(c, "hello", 5, 0), 5);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, 1 << TCP_ESTABLISHED), 2);
	int i = got[0].idiag_inode == ino_of(s) ? 0 : 1;
	CHECK_EQ(got[i].idiag_inode, ino_of(s));
	CHECK_EQ(got[i].idiag_rqueue, 5);
	CHECK_EQ(ntohs(got[i].id.idiag_sport), 7402);
	CHECK_EQ(got[!i].idiag_inode, ino_of(c));
	CHECK_EQ(ntohs(got[!i].id.idiag_dport), 7402);
	CHECK_EQ(got[!i].id.idiag_sport, got[i].id.idiag_dport);
}

CASE(diag_a_half_closed_connection) {
	own();
	int l = listener4(7403, 3), c = client4(7403), s = accept(l, NULL, NULL);
	CHECK(s >= 0 && shutdown(c, SHUT_WR) == 0);
	CHECK_EQ(recv(s, b, 1, 0), 0);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2), 1);
	CHECK_EQ(got[0].idiag_inode, ino_of(c));
	CHECK_EQ(shut, 2);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, 1 << TCP_CLOSE_WAIT), 1);
	CHECK_EQ(got[0].idiag_inode, ino_of(s));
	CHECK_EQ(shut, 1);
}

CASE(diag_families_are_apart) {
	own();
	struct sockaddr_in6 a = v6("::", 7404);
	int fd = sock(AF_INET6, SOCK_STREAM, 0);
	CHECK(bind(fd, SA(a)) == 0 && listen(fd, 1) == 0);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, -1), 0);
	CHECK_EQ(all(AF_INET6, IPPROTO_TCP, -1), 1);
	CHECK_EQ(got[0].idiag_family, AF_INET6);
	CHECK_EQ(v6only, 0);
	client4(7404);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, 1 << TCP_ESTABLISHED), 1);
	CHECK_EQ(all(AF_INET6, IPPROTO_TCP, 1 << TCP_ESTABLISHED), 1);
	CHECK_EQ(got[0].id.idiag_src[2], htonl(0xffff));
	CHECK_EQ(got[0].id.idiag_src[3], htonl(INADDR_LOOPBACK));
}

CASE(diag_bound_and_no_more) {
	own();
	bound4(SOCK_STREAM, 7405);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, 0xfff), 0);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, 1 << TCP_CLOSE), 0);
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, 1 << 13), 1);
	CHECK_EQ(ntohs(got[0].id.idiag_sport), 7405);
}

CASE(diag_udp) {
	own();
	int a = bound4(SOCK_DGRAM, 7406), c = sock(AF_INET, SOCK_DGRAM, 0);
	sock(AF_INET, SOCK_DGRAM, 0); // has no port
	struct sockaddr_in to = v4("127.0.0.1", 7406);
	CHECK(connect(c, SA(to)) == 0);
	CHECK_EQ(send(c, "hello", 5, 0), 5);
	CHECK_EQ(all(AF_INET, IPPROTO_UDP, -1), 2);
	CHECK_EQ(all(AF_INET, IPPROTO_UDP, 1 << TCP_ESTABLISHED), 1);
	CHECK_EQ(got[0].idiag_inode, ino_of(c));
	CHECK_EQ(ntohs(got[0].id.idiag_dport), 7406);
	CHECK_EQ(all(AF_INET, IPPROTO_UDP, 1 << TCP_CLOSE), 1);
	CHECK_EQ(got[0].idiag_inode, ino_of(a));
	CHECK(got[0].idiag_rqueue >= 5);
}

CASE(diag_extensions_are_what_was_asked_for) {
	own();
	int l = listener4(7407, 3), c = client4(7407), v = 0x10;
	CHECK(l >= 0 && setsockopt(c, SOL_IP, IP_TOS, &v, 4) == 0);
	CHECK(setsockopt(c, SOL_TCP, TCP_CONGESTION, "reno", 4) == 0);
	about(AF_INET, IPPROTO_TCP, 1 << TCP_ESTABLISHED);
	q.r.id.idiag_dport = htons(7407);
	CHECK_EQ(ask_all(&q, keep), 1);
	CHECK_EQ(tos, -1);
	CHECK_EQ(cong[0], 0);
	q.r.idiag_ext = 1 << (INET_DIAG_TOS - 1) | 1 << (INET_DIAG_CONG - 1) | 1 << (INET_DIAG_INFO - 1);
	CHECK_EQ(ask_all(&q, keep), 1);
	CHECK_EQ(tos, 0x10);
	CHECK(strcmp(cong, "reno") == 0);
	CHECK_EQ(info.tcpi_state, TCP_ESTABLISHED);
}

CASE(diag_of_one_socket) {
	own();
	int fd = listener4(7408, 3);
	about(AF_INET, IPPROTO_TCP, -1);
	q.h.nlmsg_flags = NLM_F_REQUEST;
	q.r.id.idiag_sport = htons(7408), q.r.id.idiag_src[0] = htonl(INADDR_LOOPBACK);
	q.r.id.idiag_cookie[0] = q.r.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	CHECK_EQ(ask_all(&q, keep), 1);
	CHECK_EQ(got[0].idiag_inode, ino_of(fd));
	uint64_t cookie;
	socklen_t n = sizeof cookie;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) == 0);
	CHECK_EQ(got[0].id.idiag_cookie[0] | (uint64_t)got[0].id.idiag_cookie[1] << 32, cookie);
	memcpy(q.r.id.idiag_cookie, &cookie, 8);
	CHECK_EQ(ask_all(&q, keep), 1);
	q.r.id.idiag_cookie[0]++;
	CHECK_EQ(ask_all(&q, NULL), -ENOENT);
	q.r.id.idiag_cookie[0]--, q.r.id.idiag_sport = htons(7409);
	CHECK_EQ(ask_all(&q, NULL), -ENOENT);
}

static int programmed(const void *code, size_t n) {
	about(AF_INET, IPPROTO_TCP, -1);
	struct rtattr *a = (void *)q.attrs;
	a->rta_type = INET_DIAG_REQ_BYTECODE, a->rta_len = RTA_LENGTH(n);
	memcpy(RTA_DATA(a), code, n);
	q.h.nlmsg_len += RTA_ALIGN(a->rta_len);
	ngot = 0;
	return ask_all(&q, keep);
}

CASE(diag_programs_choose_by_port) {
	own();
	listener4(7410, 1), listener4(7411, 1), listener4(7412, 1);
	struct inet_diag_bc_op from[] = {{INET_DIAG_BC_S_GE, 8, 12}, {0, 0, 7411}};
	CHECK_EQ(programmed(from, sizeof from), 2);
	struct inet_diag_bc_op one[] = {{INET_DIAG_BC_S_EQ, 8, 12}, {0, 0, 7411}};
	CHECK_EQ(programmed(one, sizeof one), 1);
	CHECK_EQ(ntohs(got[0].id.idiag_sport), 7411);
	// Not: a jump over what fails.
	struct inet_diag_bc_op not[] = {{INET_DIAG_BC_S_EQ, 8, 12}, {0, 0, 7411}, {INET_DIAG_BC_JMP, 4, 8}};
	CHECK_EQ(programmed(not, sizeof not), 2);
	struct inet_diag_bc_op chosen[] = {{INET_DIAG_BC_AUTO, 4, 8}};
	CHECK_EQ(programmed(chosen, sizeof chosen), 0);
}

CASE(diag_programs_choose_by_address) {
	own();
	listener4(7413, 1);
	struct { struct inet_diag_bc_op op; struct inet_diag_hostcond c; uint32_t a; } host = {{INET_DIAG_BC_S_COND, 16, 20}, {AF_INET, 8, -1}, htonl(0x7f050505)};
	CHECK_EQ(programmed(&host, sizeof host), 1);
	host.c.prefix_len = 32;
	CHECK_EQ(programmed(&host, sizeof host), 0);
	host.a = htonl(INADDR_LOOPBACK), host.c.port = 7413;
	CHECK_EQ(programmed(&host, sizeof host), 1);
	host.c.port = 7414;
	CHECK_EQ(programmed(&host, sizeof host), 0);
	host.c.prefix_len = 33;
	CHECK_EQ(programmed(&host, sizeof host), -EINVAL);
}

CASE(diag_programs_are_checked) {
	own();
	struct inet_diag_bc_op unknown[] = {{99, 4, 8}};
	CHECK_EQ(programmed(unknown, sizeof unknown), -EINVAL);
	struct inet_diag_bc_op far[] = {{INET_DIAG_BC_JMP, 4, 16}};
	CHECK_EQ(programmed(far, sizeof far), -EINVAL);
	struct inet_diag_bc_op nowhere[] = {{INET_DIAG_BC_AUTO, 0, 8}};
	CHECK_EQ(programmed(nowhere, sizeof nowhere), -EINVAL);
	struct inet_diag_bc_op inside[] = {{INET_DIAG_BC_AUTO, 4, 8}, {INET_DIAG_BC_S_EQ, 8, 12}, {0, 0, 1}};
	CHECK_EQ(programmed(inside, sizeof inside), -EINVAL);
}

CASE(diag_requests_are_checked) {
	own();
	about(AF_INET, IPPROTO_TCP, -1);
	q.h.nlmsg_len = NLMSG_LENGTH(1);
	CHECK_EQ(ask_all(&q, NULL), -EINVAL);
	q.h.nlmsg_len = NLMSG_LENGTH(4);
	CHECK_EQ(ask_all(&q, NULL), -EINVAL);
	about(AF_BLUETOOTH, 0, -1);
	CHECK_EQ(ask_all(&q, NULL), -ENOENT);
	about(200, 0, -1);
	CHECK_EQ(ask_all(&q, NULL), -EINVAL);
	about(AF_INET, IPPROTO_EGP, -1);
	CHECK_EQ(ask_all(&q, NULL), -ENOENT);
	q.h.nlmsg_flags = NLM_F_REQUEST;
	CHECK_EQ(ask_all(&q, NULL), -ENOENT);
	about(AF_INET, IPPROTO_TCP, -1);
	q.h.nlmsg_type = 99;
	CHECK_EQ(ask_all(&q, NULL), -EINVAL);
}

CASE(diag_of_many_sockets_comes_in_pieces) {
	own();
	for (int i = 0; i < 800; i++) {
		struct sockaddr_in a = v4("127.0.0.1", 8000 + i);
		CHECK(bind(sock(AF_INET, SOCK_DGRAM, 0), SA(a)) == 0);
	}
	about(AF_INET, IPPROTO_UDP, -1);
	q.r.idiag_ext = 255;
	CHECK_EQ(ask_all(&q, NULL), 800);
}

CASE(diag_one_dump_at_a_time) {
	own();
	for (int i = 0; i < 800; i++) {
		struct sockaddr_in a = v4("127.0.0.1", 8000 + i);
		CHECK(bind(sock(AF_INET, SOCK_DGRAM, 0), SA(a)) == 0);
	}
	int fd = sock(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG), n = 4096, e = 0, ends = 0;
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, 4) == 0);
	about(AF_INET, IPPROTO_UDP, -1);
	CHECK_EQ(send(fd, &q, q.h.nlmsg_len, 0), q.h.nlmsg_len);
	CHECK_EQ(send(fd, &q, q.h.nlmsg_len, 0), q.h.nlmsg_len);
	while (!ends) {
		n = recv(fd, b, sizeof b, 0);
		if (n < 0 && errno == ENOBUFS) continue;
		CHECK(n > 0);
		for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_ERROR) e = *(int *)NLMSG_DATA(h);
			ends += h->nlmsg_type == NLMSG_DONE;
		}
	}
	CHECK(e == -EBUSY || e == 0); // of which a full queue may lose the word
	CHECK_ERRNO(recv(fd, b, sizeof b, MSG_DONTWAIT), EAGAIN);
}

// ---- unix sockets

static struct { struct unix_diag_msg m; char name[108]; size_t len; uint32_t peer, rq[2], icons[8], vfs[2]; int nicons, shut; } us[64];
static int nus;

static void keep_unix(struct nlmsghdr *h) {
	size_t n;
	struct unix_diag_msg *m = NLMSG_DATA(h);
	CHECK(nus < 64);
	memset(&us[nus], 0, sizeof us[nus]);
	us[nus].m = *m;
	void *a = found(h, sizeof *m, UNIX_DIAG_NAME, &n);
	if (a) memcpy(us[nus].name, a, us[nus].len = n);
	if ((a = found(h, sizeof *m, UNIX_DIAG_PEER, &n))) us[nus].peer = *(uint32_t *)a;
	if ((a = found(h, sizeof *m, UNIX_DIAG_RQLEN, &n))) memcpy(us[nus].rq, a, 8);
	if ((a = found(h, sizeof *m, UNIX_DIAG_VFS, &n))) memcpy(us[nus].vfs, a, 8);
	if ((a = found(h, sizeof *m, UNIX_DIAG_ICONS, &n))) memcpy(us[nus].icons, a, n), us[nus].nicons = n / 4;
	if ((a = found(h, sizeof *m, UNIX_DIAG_SHUTDOWN, &n))) us[nus].shut = *(uint8_t *)a;
	nus++;
}

static int all_unix(int states) {
	memset(&uq, 0, sizeof uq);
	uq.h = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof uq.r), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 5};
	uq.r = (struct unix_diag_req){.sdiag_family = AF_UNIX, .udiag_states = states, .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_ICONS | UDIAG_SHOW_VFS};
	nus = 0;
	return ask_all(&uq, keep_unix);
}

static int unix_of(int fd) {
	for (int i = 0; i < nus; i++)
		if (us[i].m.udiag_ino == ino_of(fd)) return i;
	fail(__FILE__, __LINE__, "no answer about inode %ld", (long)ino_of(fd));
}

CASE(diag_unix_pair) {
	own();
	int p[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	CHECK_EQ(send(p[0], "hello", 5, 0), 5);
	CHECK_EQ(all_unix(-1), 2);
	int i = unix_of(p[0]), k = unix_of(p[1]);
	CHECK_EQ(us[i].m.udiag_family, AF_UNIX);
	CHECK_EQ(us[i].m.udiag_type, SOCK_STREAM);
	CHECK_EQ(us[i].m.udiag_state, TCP_ESTABLISHED);
	CHECK_EQ(us[i].peer, ino_of(p[1]));
	CHECK_EQ(us[i].len, 0);
	CHECK_EQ(us[k].peer, ino_of(p[0]));
	CHECK_EQ(us[k].rq[0], 5);
	CHECK(us[i].rq[1] >= 5);
	CHECK(shutdown(p[0], SHUT_WR) == 0);
	CHECK_EQ(all_unix(1 << TCP_ESTABLISHED), 2);
	CHECK_EQ(us[unix_of(p[0])].shut, 2);
	CHECK_EQ(us[unix_of(p[1])].shut, 1);
	CHECK_EQ(all_unix(1 << TCP_LISTEN), 0);
}

CASE(diag_unix_listener_and_who_waits) {
	own();
	struct sockaddr_un a = {AF_UNIX, "s"};
	struct stat st;
	int l = sock(AF_UNIX, SOCK_STREAM, 0), c = sock(AF_UNIX, SOCK_STREAM, 0);
	CHECK(bind(l, SA(a)) == 0 && listen(l, 5) == 0 && connect(c, SA(a)) == 0);
	CHECK(stat("s", &st) == 0);
	CHECK_EQ(all_unix(-1), 2); // not the end that nobody accepted
	int i = unix_of(l);
	CHECK_EQ(us[i].m.udiag_state, TCP_LISTEN);
	CHECK_EQ(us[i].len, 2);
	CHECK(strcmp(us[i].name, "s") == 0);
	CHECK_EQ(us[i].vfs[0], (uint32_t)st.st_ino);
	CHECK_EQ(us[i].rq[0], 1);
	CHECK_EQ(us[i].rq[1], 5);
	CHECK_EQ(us[i].nicons, 1);
	CHECK_EQ(us[i].icons[0], ino_of(c));
	CHECK_EQ(us[unix_of(c)].peer, 0);
}

CASE(diag_unix_datagrams_and_abstract_names) {
	own();
	struct sockaddr_un a = {AF_UNIX, "\0ab"};
	int fd = sock(AF_UNIX, SOCK_DGRAM, 0);
	CHECK(bind(fd, (void *)&a, 5) == 0);
	CHECK_EQ(all_unix(1 << TCP_CLOSE), 1);
	CHECK_EQ(us[0].m.udiag_type, SOCK_DGRAM);
	CHECK_EQ(us[0].len, 3);
	CHECK(memcmp(us[0].name, "\0ab", 3) == 0);
}

CASE(diag_unix_of_one_socket) {
	own();
	int fd = sock(AF_UNIX, SOCK_SEQPACKET, 0);
	all_unix(-1);
	uq.h.nlmsg_flags = NLM_F_REQUEST;
	CHECK_EQ(ask_all(&uq, NULL), -EINVAL);
	uq.r.udiag_ino = ino_of(fd);
	uq.r.udiag_cookie[0] = uq.r.udiag_cookie[1] = -1;
	nus = 0;
	CHECK_EQ(ask_all(&uq, keep_unix), 1);
	CHECK_EQ(us[0].m.udiag_type, SOCK_SEQPACKET);
	uq.r.udiag_cookie[0] = us[0].m.udiag_cookie[0] + 1, uq.r.udiag_cookie[1] = us[0].m.udiag_cookie[1];
	CHECK_EQ(ask_all(&uq, NULL), -ESTALE);
	close(fd);
	CHECK_EQ(ask_all(&uq, NULL), -ENOENT);
}

CASE(diag_of_another_network) {
	own();
	listener4(7420, 1), sock(AF_UNIX, SOCK_DGRAM, 0);
	own();
	CHECK_EQ(all(AF_INET, IPPROTO_TCP, -1), 0);
	CHECK_EQ(all_unix(-1), 0);
}

// ---- /proc/net

static long counted(const char *file, const char *line, const char *word) {
	char text[300];
	FILE *f = fopen(file, "r");
	CHECK(f != NULL);
	while (fgets(text, sizeof text, f))
		if (strncmp(text, line, strlen(line)) == 0) {
			fclose(f);
			char *at = strstr(text, word);
			CHECK(at != NULL);
			return atol(at + strlen(word));
		}
	fail(__FILE__, __LINE__, "%s has no line %s", file, line);
}

CASE(diag_proc_counts_of_sockets) {
#define SOCKSTAT "/proc/thread-self/net/sockstat"
	own();
	CHECK_EQ(counted(SOCKSTAT, "sockets:", "used "), 0);
	listener4(7421, 1), bound4(SOCK_STREAM, 7422), sock(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(counted(SOCKSTAT, "TCP:", "inuse "), 1); // neither bound nor fresh ones
	bound4(SOCK_DGRAM, 7423), sock(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(counted(SOCKSTAT, "UDP:", "inuse "), 1);
	CHECK_EQ(counted(SOCKSTAT "6", "UDP6:", "inuse "), 0);
	struct sockaddr_in6 a = v6("::1", 7424);
	int six = sock(AF_INET6, SOCK_DGRAM, 0);
	CHECK(bind(six, SA(a)) == 0);
	CHECK_EQ(counted(SOCKSTAT "6", "UDP6:", "inuse "), 1);
	CHECK_EQ(counted(SOCKSTAT, "UDP:", "inuse "), 1);
	sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	CHECK_EQ(counted(SOCKSTAT, "RAW:", "inuse "), 1);
	int p[2];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p) == 0);
	netlink_socket(0);
	CHECK_EQ(counted(SOCKSTAT, "sockets:", "used "), 10);
	close(p[0]), close(p[1]);
	CHECK_EQ(counted(SOCKSTAT, "sockets:", "used "), 8);
}

CASE(diag_proc_netlink) {
	own();
	int fd = netlink_socket(RTMGRP_LINK);
	struct sockaddr_nl a;
	socklen_t n = sizeof a;
	CHECK(getsockname(fd, (void *)&a, &n) == 0);
	sock(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); // has no port
	FILE *f = fopen("/proc/thread-self/net/netlink", "r");
	char text[300];
	int mine = 0;
	CHECK(f && fgets(text, sizeof text, f));
	while (fgets(text, sizeof text, f)) {
		unsigned long sk, inode;
		unsigned eth, pid, groups;
		CHECK(sscanf(text, "%lx %u %u %x %*d %*d %*d %*d %*d %lu", &sk, &eth, &pid, &groups, &inode) == 5);
		if (inode != ino_of(fd)) continue;
		CHECK_EQ(eth, NETLINK_ROUTE);
		CHECK_EQ(pid, a.nl_pid);
		CHECK_EQ(groups, RTMGRP_LINK);
		mine++;
	}
	CHECK_EQ(mine, 1);
}

MAIN()
