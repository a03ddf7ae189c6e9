// Filters of sockets: SO_ATTACH_FILTER and its relatives.
#include "netns.h"
#include <linux/filter.h>

#ifndef SO_GET_FILTER
#define SO_GET_FILTER SO_ATTACH_FILTER
#endif

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define ABOUT(what) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + (what))
#define RETURN_A BPF_STMT(BPF_RET | BPF_A, 0)
#define RETURN(n) BPF_STMT(BPF_RET | BPF_K, n)

static int attach_program(int fd, const struct sock_filter *f, int n) {
	struct sock_fprog p = {n, (void *)f};
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof p);
}

#define ATTACH(fd, ...)                                        \
	({                                                         \
		const struct sock_filter f_[] = {__VA_ARGS__};         \
		attach_program(fd, f_, COUNT(f_));                     \
	})

// pair makes two UDP sockets, of which s is connected to r.
static void udp_pair(int *r, int *s) {
	own();
	struct sockaddr_in a = v4("127.0.0.1", 7200);
	*r = sock(AF_INET, SOCK_DGRAM, 0), *s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(*r, SA(a)) == 0);
	CHECK(connect(*s, SA(a)) == 0);
}

// got sends text and returns how many bytes of it r receives, -1 if nothing.
static int got(int r, int s, const char *text) {
	CHECK_EQ(send(s, text, strlen(text), 0), strlen(text));
	return recv(r, buf, sizeof buf, MSG_DONTWAIT);
}

// ---- what programs are taken

CASE(sockfilter_bad_programs_are_EINVAL) {
	int fd = sock(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_ERRNO(ATTACH(fd, BPF_STMT(0xffff, 0), RETURN(1)), EINVAL);
	CHECK_ERRNO(ATTACH(fd, BPF_STMT(BPF_LD | BPF_IMM, 1)), EINVAL);
	CHECK_ERRNO(ATTACH(fd, BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0), RETURN(1)), EINVAL);
	CHECK_ERRNO(ATTACH(fd, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RETURN(1)), EINVAL);
	CHECK_ERRNO(ATTACH(fd, BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 0), RETURN(1)), EINVAL);
	CHECK_ERRNO(ATTACH(fd, BPF_STMT(BPF_LD | BPF_MEM, 3), RETURN(1)), EINVAL);
	CHECK_ERRNO(ATTACH(fd, ABOUT(SKF_AD_MAX + 40), RETURN(1)), EINVAL);
	struct sock_filter f = RETURN(1);
	CHECK_ERRNO(attach_program(fd, &f, 0), EINVAL);
	CHECK_ERRNO(attach_program(fd, &f, 5000), EINVAL);
	CHECK_ERRNO(attach_program(fd, NULL, 1), EINVAL);
	CHECK_ERRNO(attach_program(fd, (void *)8, 1), EFAULT);
	struct sock_fprog p = {1, &f};
	CHECK_ERRNO(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, 8), EINVAL);
	CHECK_ERRNO(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &one, 4), ENOENT);
}

CASE(sockfilter_loads_that_seccomp_refuses_are_taken) {
	int fd = sock(AF_UNIX, SOCK_DGRAM, 0);
	CHECK(ATTACH(fd, BPF_STMT(BPF_LD | BPF_B | BPF_IND, 1), BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 77777), BPF_STMT(BPF_ALU | BPF_MOD | BPF_X, 0), RETURN_A) == 0);
}

// ---- of UDP

CASE(sockfilter_udp_drops_what_returns_0) {
	int r, s;
	udp_pair(&r, &s);
	// The data begins with the header of UDP.
	CHECK(ATTACH(r, BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'y', 0, 1), RETURN(0xffff), RETURN(0)) == 0);
	CHECK_EQ(got(r, s, "yes"), 3);
	CHECK_EQ(got(r, s, "no"), -1);
	CHECK_EQ(got(r, s, "y"), 1);
	CHECK(setsockopt(r, SOL_SOCKET, SO_DETACH_FILTER, &one, 4) == 0);
	CHECK_EQ(got(r, s, "no"), 2);
}

CASE(sockfilter_udp_cuts_to_what_is_returned) {
	int r, s;
	udp_pair(&r, &s);
	CHECK(ATTACH(r, RETURN(10)) == 0);
	CHECK_EQ(got(r, s, "hello"), 2);
	CHECK(memcmp(buf, "he", 2) == 0);
	CHECK(ATTACH(r, RETURN(1)) == 0); // the header stays
	CHECK_EQ(got(r, s, "hello"), 0);
}

CASE(sockfilter_udp_header_and_length) {
	int r, s;
	udp_pair(&r, &s);
	CHECK(ATTACH(r, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7200, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 13, 0, 1), RETURN(0xffff), RETURN(0)) == 0);
	CHECK_EQ(got(r, s, "hello"), 5);
	CHECK_EQ(got(r, s, "hell"), -1);
}

CASE(sockfilter_udp_network_header) {
	int r, s;
	udp_pair(&r, &s);
	// The source address of the IP header.
	CHECK(ATTACH(r, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_NET_OFF + 12), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x7f000001, 0, 1), RETURN(0xffff), RETURN(0)) == 0);
	CHECK_EQ(got(r, s, "x"), 1);
	CHECK(ATTACH(r, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_NET_OFF + 12), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x7f000002, 0, 1), RETURN(0xffff), RETURN(0)) == 0);
	CHECK_EQ(got(r, s, "x"), -1);
}

CASE(sockfilter_load_behind_the_end_drops) {
	int r, s;
	udp_pair(&r, &s);
	CHECK(ATTACH(r, BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 12), RETURN(0xffff)) == 0);
	CHECK_EQ(got(r, s, "long enough"), 11);
	CHECK_EQ(got(r, s, "no"), -1);
}

CASE(sockfilter_division_by_X_0_drops) {
	int r, s;
	udp_pair(&r, &s);
	CHECK(ATTACH(r, BPF_STMT(BPF_LDX | BPF_IMM, 0), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RETURN(0xffff)) == 0);
	CHECK_EQ(got(r, s, "x"), -1);
}

CASE(sockfilter_ancillary_loads) {
	int r, s;
	udp_pair(&r, &s);
	CHECK(ATTACH(r, ABOUT(SKF_AD_PROTOCOL), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 5), ABOUT(SKF_AD_IFINDEX), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 3),
		ABOUT(SKF_AD_HATYPE), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 772, 0, 1), RETURN(0xffff), RETURN(0)) == 0);
	CHECK_EQ(got(r, s, "x"), 1);
	CHECK(ATTACH(r, ABOUT(SKF_AD_PKTTYPE), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 1), RETURN(0xffff), RETURN(0)) == 0);
	CHECK_EQ(got(r, s, "x"), 1);
	CHECK(ATTACH(r, ABOUT(SKF_AD_VLAN_TAG_PRESENT), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), RETURN(0xffff), RETURN(0)) == 0);
	CHECK_EQ(got(r, s, "x"), 1);
	CHECK(ATTACH(r, BPF_STMT(BPF_LDX | BPF_IMM, 6), BPF_STMT(BPF_LD | BPF_IMM, 12), ABOUT(SKF_AD_ALU_XOR_X), RETURN_A) == 0); // 10
	CHECK_EQ(got(r, s, "hello"), 2);
}

CASE(sockfilter_udp_over_IPv6) {
	own();
	struct sockaddr_in6 a = v6("::1", 7201);
	int r = sock(AF_INET6, SOCK_DGRAM, 0), s = sock(AF_INET6, SOCK_DGRAM, 0);
	CHECK(bind(r, SA(a)) == 0 && connect(s, SA(a)) == 0);
	CHECK(ATTACH(r, ABOUT(SKF_AD_PROTOCOL), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 3), BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 1), RETURN(9), RETURN(0)) == 0);
	CHECK_EQ(got(r, s, "hello"), 1);
}

// ---- of others

CASE(sockfilter_unix_datagrams) {
	int p[2];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p) == 0);
	CHECK(ATTACH(p[0], BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'y', 0, 1), RETURN(2), RETURN(0)) == 0);
	CHECK_EQ(got(p[0], p[1], "yes"), 2);
	CHECK_EQ(got(p[0], p[1], "no"), -1);
	CHECK_EQ(got(p[1], p[0], "no"), 2); // the other way
	CHECK(ATTACH(p[0], ABOUT(SKF_AD_IFINDEX), RETURN(9)) == 0);
	CHECK_EQ(got(p[0], p[1], "yes"), -1); // it came over no interface
}

CASE(sockfilter_unix_files_of_dropped_messages_are_closed) {
	int p[2], q[2];
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p) == 0);
	CHECK(pipe(q) == 0);
	CHECK(ATTACH(p[0], RETURN(0)) == 0);
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec v = {"x", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &q[1], sizeof(int));
	CHECK_EQ(sendmsg(p[1], &m, 0), 1);
	close(q[1]);
	NOTHING(p[0]);
	CHECK_EQ(read(q[0], buf, 1), 0);
}

CASE(sockfilter_unix_streams_take_one_and_do_not_use_it) {
	int p[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	CHECK(ATTACH(p[0], RETURN(0)) == 0);
	CHECK_EQ(got(p[0], p[1], "all"), 3);
}

CASE(sockfilter_raw_sockets_see_the_IP_header) {
	own();
	int r = sock(AF_INET, SOCK_RAW, IPPROTO_UDP);
	CHECK(ATTACH(r, BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7202, 0, 1), RETURN(24), RETURN(0)) == 0);
	struct sockaddr_in a = v4("127.0.0.1", 7202), b = v4("127.0.0.1", 7203);
	int s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(sendto(s, "hello", 5, 0, SA(b)), 5);
	NOTHING(r);
	CHECK_EQ(sendto(s, "hello", 5, 0, SA(a)), 5);
	CHECK_EQ(recv(r, buf, sizeof buf, MSG_DONTWAIT), 24);
}

CASE(sockfilter_packet_sockets_see_the_link_header) {
	own();
	int f = sock(AF_PACKET, SOCK_RAW, 0), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(ATTACH(f, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 3), BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + 9),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 1), RETURN(20), RETURN(0)) == 0);
	struct sockaddr_ll l = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1};
	CHECK(bind(f, SA(l)) == 0);
	struct sockaddr_in a = v4("127.0.0.1", 7204);
	CHECK_EQ(sendto(s, "hello", 5, 0, SA(a)), 5);
	CHECK_EQ(recv(f, buf, sizeof buf, MSG_TRUNC), 20); // and not the ICMP that answers
	NOTHING(f);
}

CASE(sockfilter_packet_sockets_without_link_header) {
	own();
	int f = sock(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(ATTACH(f, ABOUT(SKF_AD_PKTTYPE), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 3), BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 1), RETURN(21), RETURN(0)) == 0);
	struct sockaddr_in a = v4("127.0.0.1", 7205);
	CHECK_EQ(sendto(s, "hello", 5, 0, SA(a)), 5);
	CHECK_EQ(recv(f, buf, sizeof buf, 0), 21);
	NOTHING(f);
}

CASE(sockfilter_packet_statistics_count_what_passed) {
	own();
	int f = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(ATTACH(f, RETURN(0)) == 0);
	struct sockaddr_in a = v4("127.0.0.1", 7206);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(a)), 1);
	struct tpacket_stats st;
	socklen_t n = sizeof st;
	CHECK(getsockopt(f, SOL_PACKET, PACKET_STATISTICS, &st, &n) == 0);
	CHECK_EQ(st.tp_packets, 0);
}

CASE(sockfilter_netlink_answers) {
	own();
	int fd = netlink_socket(0);
	// Addresses pass, links do not: the type is in the machine's order.
	CHECK(ATTACH(fd, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohs(RTM_NEWADDR), 0, 1), RETURN(20), RETURN(0)) == 0);
	struct request q = request(RTM_GETLINK, 0, sizeof q.link);
	q.link.ifi_index = 1;
	CHECK(send(fd, &q, q.h.nlmsg_len, 0) > 0);
	NOTHING(fd);
	q = request(RTM_GETADDR, NLM_F_DUMP, sizeof q.addr);
	CHECK(send(fd, &q, q.h.nlmsg_len, 0) > 0);
	CHECK_EQ(recv(fd, buf, sizeof buf, MSG_DONTWAIT), 20);
	CHECK_EQ(((struct nlmsghdr *)buf)->nlmsg_type, RTM_NEWADDR);
}

CASE(sockfilter_ping_sockets) {
	own();
	CHECK(ping_groups("0 2147483647"));
	int p = sock(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	struct sockaddr_in a = v4("127.0.0.1", 0);
	struct icmphdr h = echo(0, 1);
	CHECK(ATTACH(p, RETURN(0)) == 0);
	CHECK_EQ(sendto(p, &h, sizeof h, 0, SA(a)), sizeof h);
	NOTHING(p);
}

// ---- options

CASE(sockfilter_SO_GET_FILTER_counts_instructions) {
	int fd = sock(AF_UNIX, SOCK_DGRAM, 0);
	struct sock_filter f[4];
	socklen_t n = 0;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n) == 0);
	CHECK_EQ(n, 0);
	CHECK(ATTACH(fd, BPF_STMT(BPF_LD | BPF_IMM, 7), RETURN_A) == 0);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n) == 0);
	CHECK_EQ(n, 2);
	n = 4;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, f, &n) == 0);
	CHECK_EQ(n, 2);
	CHECK(f[0].code == (BPF_LD | BPF_IMM) && f[0].k == 7 && f[1].code == (BPF_RET | BPF_A));
	n = 1;
	CHECK_ERRNO(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, f, &n), EINVAL);
}

CASE(sockfilter_SO_LOCK_FILTER) {
	int fd = sock(AF_UNIX, SOCK_DGRAM, 0), v = 9;
	socklen_t n = sizeof v;
	CHECK(ATTACH(fd, RETURN(1)) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &zero, 4) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, 4) == 0);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &v, &n) == 0);
	CHECK_EQ(v, 1);
	CHECK_ERRNO(setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &zero, 4), EPERM);
	CHECK_ERRNO(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &one, 4), EPERM);
	CHECK_ERRNO(ATTACH(fd, RETURN(1)), EPERM);
}

CASE(sockfilter_SO_BPF_EXTENSIONS) {
	int fd = sock(AF_UNIX, SOCK_DGRAM, 0), v = 0;
	socklen_t n = sizeof v;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_BPF_EXTENSIONS, &v, &n) == 0);
	CHECK_EQ(v, SKF_AD_MAX);
}

CASE(sockfilter_sniffs_without_copying_all) {
	own();
	int f = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(setsockopt(f, SOL_PACKET, PACKET_AUXDATA, &one, 4) == 0);
	CHECK(ATTACH(f, RETURN(14)) == 0);
	struct sockaddr_in a = v4("127.0.0.1", 7207);
	CHECK_EQ(sendto(s, "hello", 5, 0, SA(a)), 5);
	char control[100];
	struct iovec v = {buf, sizeof buf};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	CHECK_EQ(recvmsg(f, &m, MSG_DONTWAIT), 14);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA);
	struct tpacket_auxdata *x = (void *)CMSG_DATA(c);
	CHECK_EQ(x->tp_len, 14 + 20 + 8 + 5);
	CHECK_EQ(x->tp_snaplen, 14);
}

MAIN()
