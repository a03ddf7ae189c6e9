// Packet sockets.
#include "rawnet.h"

static struct sockaddr_ll ll(int protocol) {
	return (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = 1, .sll_halen = 6};
}

CASE(packet_sees_a_datagram_leave_and_arrive) {
	network();
	int a = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), i = sock(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	int z = sock(AF_PACKET, SOCK_RAW, 0), u = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 5000);
	struct sockaddr_ll from;
	socklen_t n = sizeof from;
	CHECK(bind(u, SA(lo)) == 0);
	CHECK_EQ(sendto(u, "hello", 5, 0, SA(lo)), 5);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 14 + 28 + 5);
	CHECK_EQ(n, sizeof from);
	CHECK_EQ(from.sll_family, AF_PACKET);
	CHECK_EQ(from.sll_protocol, htons(ETH_P_IP));
	CHECK_EQ(from.sll_ifindex, 1);
	CHECK_EQ(from.sll_hatype, 772);
	CHECK_EQ(from.sll_halen, 6);
	CHECK_EQ(from.sll_pkttype, PACKET_OUTGOING);
	CHECK(memcmp(buf, "\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\x45", 15) == 0);
	CHECK(memcmp(buf + 42, "hello", 5) == 0);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 47);
	CHECK_EQ(from.sll_pkttype, PACKET_HOST);
	NOTHING(a);
	CHECK_EQ(recvfrom(i, buf, sizeof buf, 0, (void *)&from, &n), 33);
	CHECK_EQ(from.sll_pkttype, PACKET_HOST);
	CHECK_EQ(buf[0], 0x45);
	NOTHING(i);
	NOTHING(z);
}

CASE(packet_sockets_and_their_names) {
	network();
	int a = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), v = -1;
	struct sockaddr_ll l = ll(ETH_P_IP), got;
	socklen_t n = sizeof got;
	CHECK_ERRNO(socket(AF_PACKET, SOCK_STREAM, 0), ESOCKTNOSUPPORT);
	CHECK(getsockname(a, (void *)&got, &n) == 0);
	CHECK_EQ(n, 12);
	CHECK_EQ(got.sll_protocol, htons(ETH_P_ALL));
	CHECK_EQ(got.sll_ifindex, 0);
	l.sll_ifindex = 9;
	CHECK_ERRNO(bind(a, SA(l)), ENODEV);
	CHECK_ERRNO(bind(a, (void *)&l, 10), EINVAL);
	l = ll(0);
	CHECK(bind(a, SA(l)) == 0);
	n = sizeof got;
	CHECK(getsockname(a, (void *)&got, &n) == 0);
	CHECK_EQ(n, 18);
	CHECK_EQ(got.sll_protocol, htons(ETH_P_ALL));
	CHECK_EQ(got.sll_hatype, 772);
	l.sll_family = AF_INET;
	CHECK_ERRNO(bind(a, SA(l)), EINVAL);
	CHECK_ERRNO(getpeername(a, (void *)&got, &n), EOPNOTSUPP);
	CHECK_ERRNO(connect(a, SA(l)), EOPNOTSUPP);
	CHECK_ERRNO(listen(a, 1), EOPNOTSUPP);
	CHECK_ERRNO(accept(a, 0, 0), EOPNOTSUPP);
	CHECK_ERRNO(shutdown(a, 2), EOPNOTSUPP);
	n = sizeof v;
	CHECK(getsockopt(a, SOL_SOCKET, SO_PROTOCOL, &v, &n) == 0);
	CHECK_EQ(v, 0);
	CHECK(setuid(1000) == 0);
	CHECK_ERRNO(socket(AF_PACKET, SOCK_RAW, 0), EPERM);
}

CASE(packet_frames_come_back) {
	network();
	int a = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), b = sock(AF_PACKET, SOCK_DGRAM, htons(0x88b5)), v;
	struct sockaddr_ll l = ll(0x88b5), from;
	socklen_t n = sizeof from;
	unsigned char f[20] = {[12] = 0x88, 0xb5, 1, 2, 3};
	CHECK_EQ(sendto(a, f, 20, 0, SA(l)), 20);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 20); // not its own as it leaves
	CHECK_EQ(from.sll_pkttype, PACKET_HOST);
	NOTHING(a);
	CHECK_EQ(recv(b, buf, sizeof buf, 0), 6);
	CHECK(memcmp(buf, "\1\2\3", 3) == 0);
	CHECK_EQ(sendto(b, "abcd", 4, 0, SA(l)), 4);
	CHECK(ioctl(a, FIONREAD, &v) == 0);
	CHECK_EQ(v, 18);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 18);
	CHECK_EQ(from.sll_pkttype, PACKET_OUTGOING);
	CHECK_EQ(buf[12] << 8 | buf[13], 0x88b5);
	CHECK_EQ(recv(a, buf, sizeof buf, 0), 18);
	f[0] = 2;
	CHECK_EQ(sendto(a, f, 20, 0, SA(l)), 20);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 20);
	CHECK_EQ(from.sll_pkttype, PACKET_OTHERHOST);
	memset(f, 255, 6);
	CHECK_EQ(sendto(a, f, 20, 0, SA(l)), 20);
	CHECK_EQ(recvfrom(a, buf, sizeof buf, 0, (void *)&from, &n), 20);
	CHECK_EQ(from.sll_pkttype, PACKET_MULTICAST); // the loopback has no address for broadcasts
}

CASE(packet_send_errors) {
	network();
	int a = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	struct sockaddr_ll l = ll(0x88b5);
	struct sockaddr_in lo = v4("127.0.0.1", 0);
	CHECK_ERRNO(send(a, buf, 20, 0), ENXIO);
	CHECK_ERRNO(sendto(a, buf, 20, 0, SA(lo)), EINVAL);
	CHECK_ERRNO(sendto(a, buf, 13, 0, SA(l)), EINVAL);
	CHECK_EQ(sendto(a, buf, 14, 0, SA(l)), 14);
	l.sll_ifindex = 9;
	CHECK_ERRNO(sendto(a, buf, 20, 0, SA(l)), ENXIO);
	l = ll(ETH_P_ALL);
	CHECK(bind(a, SA(l)) == 0);
	CHECK_EQ(send(a, buf, 20, 0), 20);
	CHECK_EQ(send(a, buf, 65536 + 14, 0), 65536 + 14);
	CHECK_ERRNO(send(a, buf, 65536 + 15, 0), EMSGSIZE);
}

CASE(packet_frames_of_the_loopback_address_are_forgeries) {
	network();
	int a = sock(AF_PACKET, SOCK_DGRAM, 0), u = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_ll l = ll(ETH_P_IP);
	struct sockaddr_in lo = v4("127.0.0.1", 9);
	unsigned char f[32] = {0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 7, 0, 9, 0, 12, 0, 0, 'a', 'b', 'c', 'd'};
	uint16_t s = ~sum(f, 20, 0);
	f[10] = s >> 8, f[11] = s;
	CHECK(bind(u, SA(lo)) == 0);
	CHECK_EQ(sendto(a, f, 32, 0, SA(l)), 32);
	NOTHING(u);
}

CASE(packet_options) {
	network();
	int a = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), u = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 5000);
	struct tpacket_stats st;
	struct packet_mreq m = {.mr_ifindex = 1, .mr_type = PACKET_MR_PROMISC};
	socklen_t n = sizeof st;
	char control[100];
	struct iovec iov = {buf, 20};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	CHECK(setsockopt(a, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK(setsockopt(a, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK_ERRNO(setsockopt(a, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, 4), EINVAL);
	m.mr_ifindex = 9;
	CHECK_ERRNO(setsockopt(a, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m), ENODEV);
	CHECK_ERRNO(setsockopt(a, SOL_PACKET, 99, &m, sizeof m), ENOPROTOOPT);
	CHECK_ERRNO(setsockopt(a, IPPROTO_IP, 1, &m, sizeof m), ENOPROTOOPT);
	CHECK(setsockopt(a, SOL_PACKET, PACKET_AUXDATA, &one, 4) == 0);
	CHECK(bind(u, SA(lo)) == 0);
	CHECK_EQ(sendto(u, "hello", 5, 0, SA(lo)), 5);
	CHECK_EQ(recvmsg(a, &h, 0), 20);
	CHECK(h.msg_flags & MSG_TRUNC);
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	CHECK(c && c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA);
	struct tpacket_auxdata *x = (void *)CMSG_DATA(c);
	CHECK_EQ(x->tp_len, 47);
	CHECK_EQ(x->tp_net, 14);
	CHECK(x->tp_status & TP_STATUS_USER);
	CHECK(getsockopt(a, SOL_PACKET, PACKET_STATISTICS, &st, &n) == 0);
	CHECK_EQ(st.tp_packets, 2);
	CHECK_EQ(st.tp_drops, 0);
	CHECK(getsockopt(a, SOL_PACKET, PACKET_STATISTICS, &st, &n) == 0);
	CHECK_EQ(st.tp_packets, 0);
	CHECK(setsockopt(a, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, 4) == 0);
	CHECK_EQ(recv(a, buf, sizeof buf, 0), 47);
	CHECK_EQ(sendto(u, "hello", 5, 0, SA(lo)), 5);
	CHECK_EQ(recv(a, buf, sizeof buf, 0), 47);
	NOTHING(a);
}

CASE(packet_sees_tcp_and_icmp6) {
	network();
	int a = sock(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP)), b = sock(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IPV6));
	int r = sock(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), c = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in lo = v4("127.0.0.1", 9);
	struct sockaddr_in6 lo6 = v6("::1", 0);
	struct icmp6_hdr h = {.icmp6_type = ICMP6_ECHO_REQUEST};
	CHECK_ERRNO(connect(c, SA(lo)), ECONNREFUSED);
	CHECK(recv(a, buf, sizeof buf, 0) >= 40);
	CHECK_EQ(buf[9], IPPROTO_TCP);
	CHECK_EQ(recv(a, buf, sizeof buf, 0), 40);
	CHECK_EQ(sendto(r, &h, sizeof h, 0, SA(lo6)), sizeof h);
	CHECK_EQ(recv(b, buf, sizeof buf, 0), 48);
	CHECK_EQ(buf[0] >> 4, 6);
	CHECK_EQ(buf[6], IPPROTO_ICMPV6);
	CHECK_EQ(buf[40], ICMP6_ECHO_REQUEST);
	CHECK_EQ(recv(b, buf, sizeof buf, 0), 48);
	CHECK_EQ(buf[40], ICMP6_ECHO_REPLY);
}

MAIN()
