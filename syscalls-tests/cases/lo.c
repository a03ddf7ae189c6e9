// The loopback interface of a network of one's own: up and down, its addresses, and who hears of changes.
#include "netns.h"

// ---- down

CASE(lo_is_down_at_first) {
	alone();
	CHECK_EQ(lo_is(), IFF_LOOPBACK);
	lo_flags(IFF_UP);
	CHECK_EQ(lo_is(), IFF_LOOPBACK | IFF_UP | IFF_RUNNING);
	lo_flags(0);
	CHECK_EQ(lo_is(), IFF_LOOPBACK);
}

CASE(lo_down_there_is_no_way) {
	alone();
	struct sockaddr_in a = v4("127.0.0.1", 7100);
	struct sockaddr_in6 b = v6("::1", 7100);
	CHECK_ERRNO(connect(sock(AF_INET, SOCK_STREAM, 0), SA(a)), ENETUNREACH);
	CHECK_ERRNO(connect(sock(AF_INET, SOCK_DGRAM, 0), SA(a)), ENETUNREACH);
	CHECK_ERRNO(sendto(sock(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, SA(a)), ENETUNREACH);
	CHECK_ERRNO(connect(sock(AF_INET6, SOCK_STREAM, 0), SA(b)), EADDRNOTAVAIL);
	CHECK_ERRNO(sendto(sock(AF_INET6, SOCK_DGRAM, 0), "x", 1, 0, SA(b)), EADDRNOTAVAIL);
	CHECK_ERRNO(bind(sock(AF_INET6, SOCK_STREAM, 0), SA(b)), EADDRNOTAVAIL);
}

CASE(lo_down_the_wildcard_can_be_bound) {
	alone();
	struct sockaddr_in a = v4("0.0.0.0", 7101);
	struct sockaddr_in6 b = v6("::", 7102);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
	CHECK(bind(sock(AF_INET6, SOCK_STREAM, 0), SA(b)) == 0);
}

CASE(lo_never_up_any_address_can_be_bound) {
	// Linux has no table of local addresses yet, and takes all for broadcast addresses.
	alone();
	struct sockaddr_in a = v4("127.0.0.1", 7103), b = v4("10.1.2.3", 7103);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(b)) == 0);
}

CASE(lo_down_again_datagrams_are_lost) {
	own();
	struct sockaddr_in a = v4("127.0.0.1", 7104), all = v4("127.255.255.255", 7104);
	int r = sock(AF_INET, SOCK_DGRAM, 0), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(r, SA(a)) == 0);
	lo_flags(0);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(a)), 1);
	NOTHING(r);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(all)), 1); // an address like others now
	lo_flags(IFF_UP);
	NOTHING(r);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(a)), 1);
	CHECK_EQ(recv(r, buf, 9, 0), 1);
}

CASE(lo_down_again_addresses_of_IPv4_stay_local) {
	own();
	lo_flags(0);
	struct sockaddr_in a = v4("127.3.0.1", 7104), b = v4("11.0.0.1", 7104);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
	CHECK_ERRNO(bind(sock(AF_INET, SOCK_STREAM, 0), SA(b)), EADDRNOTAVAIL);
}

CASE(lo_down_an_added_address_is_local_alone) {
	alone();
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), 0);
	struct sockaddr_in a = v4("10.1.2.3", 7104), b = v4("10.1.2.4", 7104);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
	CHECK_ERRNO(bind(sock(AF_INET, SOCK_STREAM, 0), SA(b)), EADDRNOTAVAIL);
	lo_flags(IFF_UP);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(b)) == 0);
}

CASE(lo_up_refuses_connections) {
	own();
	struct sockaddr_in a = v4("127.0.0.1", 7105);
	struct sockaddr_in6 b = v6("::1", 7105);
	CHECK_ERRNO(connect(sock(AF_INET, SOCK_STREAM, 0), SA(a)), ECONNREFUSED);
	CHECK_ERRNO(connect(sock(AF_INET6, SOCK_STREAM, 0), SA(b)), ECONNREFUSED);
	a = v4("10.1.2.3", 7105);
	CHECK_ERRNO(connect(sock(AF_INET, SOCK_STREAM, 0), SA(a)), ENETUNREACH);
}

CASE(lo_down_frames_go_nowhere) {
	alone();
	int f = sock(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1};
	CHECK_ERRNO(sendto(f, "x", 1, 0, SA(a)), ENETDOWN);
}

// ---- netlink

static struct ifinfomsg link_seen;
static char link_name[20], link_qdisc[20];
static int link_state, link_mtu;

static void see_link(struct nlmsghdr *h) {
	CHECK_EQ(h->nlmsg_type, RTM_NEWLINK);
	link_seen = *(struct ifinfomsg *)NLMSG_DATA(h);
	if (link_seen.ifi_index != 1) return;
	strcpy(link_name, found(h, sizeof link_seen, IFLA_IFNAME, NULL));
	strcpy(link_qdisc, found(h, sizeof link_seen, IFLA_QDISC, NULL));
	link_state = *(uint8_t *)found(h, sizeof link_seen, IFLA_OPERSTATE, NULL);
	link_mtu = *(int *)found(h, sizeof link_seen, IFLA_MTU, NULL);
}

CASE(lo_link_tells_its_state) {
	alone();
	CHECK_EQ(dumped(RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), see_link), 1);
	CHECK(strcmp(link_name, "lo") == 0 && strcmp(link_qdisc, "noop") == 0);
	CHECK_EQ(link_seen.ifi_flags, IFF_LOOPBACK);
	CHECK_EQ(link_state, 2);
	CHECK_EQ(link_mtu, 65536);
	lo_flags(IFF_UP);
	dumped(RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), see_link);
	CHECK(strcmp(link_qdisc, "noqueue") == 0);
	CHECK_EQ(link_state, 0);
	CHECK_EQ(link_seen.ifi_flags, IFF_LOOPBACK | IFF_UP | IFF_RUNNING | 0x10000);
}

static int set_link(unsigned flags, unsigned change) {
	struct request q = request(RTM_NEWLINK, 0, sizeof q.link);
	q.link.ifi_index = 1, q.link.ifi_flags = flags, q.link.ifi_change = change;
	return ask(&q);
}

CASE(lo_set_up_by_netlink) {
	alone();
	CHECK_EQ(set_link(IFF_UP, IFF_UP), 0);
	CHECK(lo_is() & IFF_UP);
	CHECK_EQ(set_link(0, IFF_DEBUG), 0);
	CHECK(lo_is() & IFF_UP);
	CHECK_EQ(set_link(0, IFF_UP), 0);
	CHECK(!(lo_is() & IFF_UP));
}

CASE(lo_set_by_name) {
	alone();
	struct request q = request(RTM_NEWLINK, 0, sizeof q.link);
	q.link.ifi_flags = q.link.ifi_change = IFF_UP;
	attr(&q, IFLA_IFNAME, "lo", 3);
	CHECK_EQ(ask(&q), 0);
	CHECK(lo_is() & IFF_UP);
	q = request(RTM_NEWLINK, 0, sizeof q.link);
	attr(&q, IFLA_IFNAME, "nobody", 7);
	CHECK_EQ(ask(&q), ENODEV);
}

CASE(lo_mtu_and_queue) {
	own();
	int v = 1500;
	struct request q = request(RTM_NEWLINK, 0, sizeof q.link);
	q.link.ifi_index = 1;
	attr(&q, IFLA_MTU, &v, 4);
	CHECK_EQ(ask(&q), 0);
	struct ifreq r = {.ifr_name = "lo"};
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(ioctl(fd, SIOCGIFMTU, &r) == 0);
	CHECK_EQ(r.ifr_mtu, 1500);
	r.ifr_mtu = 9000;
	CHECK(ioctl(fd, SIOCSIFMTU, &r) == 0);
	r.ifr_mtu = -1;
	CHECK_ERRNO(ioctl(fd, SIOCSIFMTU, &r), EINVAL);
	dumped(RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), see_link);
	CHECK_EQ(link_mtu, 9000);
	r.ifr_qlen = 5;
	CHECK(ioctl(fd, SIOCSIFTXQLEN, &r) == 0);
	r.ifr_qlen = 0;
	CHECK(ioctl(fd, SIOCGIFTXQLEN, &r) == 0);
	CHECK_EQ(r.ifr_qlen, 5);
}

CASE(lo_cannot_be_made_again_nor_deleted) {
	own();
	struct request q = request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof q.link);
	attr(&q, IFLA_IFNAME, "lo", 3);
	CHECK_EQ(ask(&q), EEXIST);
	q = request(RTM_DELLINK, 0, sizeof q.link);
	q.link.ifi_index = 1;
	CHECK_EQ(ask(&q), EOPNOTSUPP);
}

static int addresses(int family) { return dumped(RTM_GETADDR, family, sizeof(struct ifaddrmsg), NULL); }
static int routes(int family) { return dumped(RTM_GETROUTE, family, sizeof(struct rtmsg), NULL); }

CASE(lo_addresses_come_when_it_is_up) {
	alone();
	CHECK_EQ(addresses(AF_UNSPEC), 0);
	CHECK_EQ(routes(AF_INET), 0);
	CHECK(lines("/proc/net/if_inet6") == 0);
	lo_flags(IFF_UP);
	CHECK_EQ(addresses(AF_INET), 1);
	CHECK_EQ(addresses(AF_INET6), 1);
	CHECK_EQ(routes(AF_INET), 3);
	CHECK_EQ(lines("/proc/net/if_inet6"), 1);
	lo_flags(0);
	CHECK_EQ(addresses(AF_INET), 1); // which stay
	CHECK_EQ(addresses(AF_INET6), 0);
	CHECK_EQ(routes(AF_INET), 2);
}

static char seen[1000];
static void see_address(struct nlmsghdr *h) {
	struct ifaddrmsg *m = NLMSG_DATA(h);
	char ip[50];
	inet_ntop(m->ifa_family, found(h, sizeof *m, IFA_ADDRESS, NULL), ip, sizeof ip);
	CHECK_EQ(*(unsigned *)found(h, sizeof *m, IFA_FLAGS, NULL) & 0xff, m->ifa_flags);
	if (m->ifa_family == AF_INET) CHECK(strcmp(found(h, sizeof *m, IFA_LABEL, NULL), "lo") == 0);
	sprintf(seen + strlen(seen), "%s/%d/%d/%s ", ip, m->ifa_prefixlen, m->ifa_scope, m->ifa_flags & IFA_F_SECONDARY ? "secondary" : "first");
}

CASE(lo_address_added_is_told) {
	own();
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), 0);
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.4", 8), 0);
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.5", 16), 0);
	dumped(RTM_GETADDR, AF_INET, sizeof(struct ifaddrmsg), see_address);
	const char *want = "127.0.0.1/8/254/first 10.1.2.3/8/0/first 10.1.2.5/16/0/first 10.1.2.4/8/0/secondary ";
	const char *also = "127.0.0.1/8/254/first 10.1.2.3/8/0/first 10.1.2.4/8/0/secondary 10.1.2.5/16/0/first ";
	if (strcmp(seen, want) && strcmp(seen, also)) fail(__FILE__, __LINE__, "%s", seen);
}

CASE(lo_address_added_makes_its_network_local) {
	own();
	struct sockaddr_in a = v4("10.1.2.3", 7106), any = v4("10.9.9.9", 7106), got;
	CHECK_ERRNO(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)), EADDRNOTAVAIL);
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), 0);
	int l = sock(AF_INET, SOCK_STREAM, 0), c = sock(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(l, SA(any)) == 0 && listen(l, 1) == 0);
	CHECK(connect(c, SA(any)) == 0);
	name_of(c, &got);
	CHECK(got.sin_addr.s_addr == a.sin_addr.s_addr);
	CHECK_EQ(address(RTM_DELADDR, "10.1.2.3", 8), 0);
	CHECK_ERRNO(connect(sock(AF_INET, SOCK_STREAM, 0), SA(any)), ENETUNREACH);
}

CASE(lo_address_of_32_bits_is_one) {
	own();
	CHECK_EQ(address(RTM_NEWADDR, "192.168.5.1", 32), 0);
	struct sockaddr_in a = v4("192.168.5.1", 7107), b = v4("192.168.5.2", 7107);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
	CHECK_ERRNO(bind(sock(AF_INET, SOCK_STREAM, 0), SA(b)), EADDRNOTAVAIL);
}

CASE(lo_datagrams_between_its_addresses) {
	own();
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), 0);
	struct sockaddr_in a = v4("10.1.2.3", 7108), from;
	int r = sock(AF_INET, SOCK_DGRAM, 0), s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(r, SA(a)) == 0);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(a)), 1);
	socklen_t n = sizeof from;
	CHECK_EQ(recvfrom(r, buf, 9, 0, (void *)&from, &n), 1);
	CHECK(from.sin_addr.s_addr == a.sin_addr.s_addr);
	struct sockaddr_in b = v4("127.0.0.1", 0);
	int t = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(t, SA(b)) == 0);
	CHECK_EQ(sendto(t, "x", 1, 0, SA(a)), 1);
	CHECK_EQ(recvfrom(r, buf, 9, 0, (void *)&from, &n), 1);
	CHECK(from.sin_addr.s_addr == b.sin_addr.s_addr);
}

CASE(lo_broadcast_address_of_an_added_network) {
	own();
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), 0);
	struct sockaddr_in a = v4("10.255.255.255", 7109);
	int s = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK_ERRNO(sendto(s, "x", 1, 0, SA(a)), EACCES);
	CHECK(setsockopt(s, SOL_SOCKET, SO_BROADCAST, &one, 4) == 0);
	int r = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in any = v4("0.0.0.0", 7109);
	CHECK(bind(r, SA(any)) == 0);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(a)), 1);
	CHECK_EQ(recv(r, buf, 9, MSG_DONTWAIT), 1);
}

CASE(lo_address_twice_is_EEXIST) {
	own();
	CHECK_EQ(address(RTM_NEWADDR, "127.0.0.1", 8), EEXIST);
	CHECK_EQ(address(RTM_NEWADDR, "10.0.0.1", 8), 0);
	CHECK_EQ(address(RTM_NEWADDR, "10.0.0.1", 8), EEXIST);
	CHECK_EQ(address(RTM_NEWADDR, "10.0.0.1", 16), 0);
	CHECK_EQ(address(RTM_NEWADDR, "::1", 128), EEXIST);
}

CASE(lo_address_that_is_none) {
	own();
	CHECK_EQ(address(RTM_NEWADDR, "10.0.0.1", 33), EINVAL);
	CHECK_EQ(address(RTM_NEWADDR, "fd00::1", 129), EINVAL);
	CHECK_EQ(address(RTM_DELADDR, "10.0.0.1", 8), EADDRNOTAVAIL);
	CHECK_EQ(address(RTM_DELADDR, "127.0.0.1", 16), EADDRNOTAVAIL);
	CHECK_EQ(address(RTM_DELADDR, "fd00::1", 64), EADDRNOTAVAIL);
	struct request q = request(RTM_NEWADDR, NLM_F_CREATE, sizeof q.addr);
	q.addr.ifa_family = AF_INET, q.addr.ifa_prefixlen = 8, q.addr.ifa_index = 1;
	CHECK_EQ(ask(&q), EINVAL);
	q.addr.ifa_index = 99;
	uint32_t ip = inet_addr("10.0.0.1");
	attr(&q, IFA_LOCAL, &ip, 4);
	CHECK_EQ(ask(&q), ENODEV);
}

CASE(lo_deleting_the_first_takes_the_secondary_along) {
	own();
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), 0);
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.4", 8), 0);
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.5", 24), 0);
	CHECK_EQ(addresses(AF_INET), 4);
	CHECK_EQ(address(RTM_DELADDR, "10.1.2.3", 8), 0);
	CHECK_EQ(addresses(AF_INET), 2);
}

CASE(lo_without_127_0_0_1) {
	own();
	CHECK_EQ(address(RTM_DELADDR, "127.0.0.1", 8), 0);
	struct sockaddr_in a = v4("127.0.0.1", 7110);
	CHECK_ERRNO(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)), EADDRNOTAVAIL);
	struct ifreq r = {.ifr_name = "lo"};
	CHECK_ERRNO(ioctl(sock(AF_INET, SOCK_DGRAM, 0), SIOCGIFADDR, &r), EADDRNOTAVAIL);
}

CASE(lo_address_of_IPv6) {
	own();
	struct sockaddr_in6 a = v6("fd00::1", 7111), got;
	CHECK_ERRNO(bind(sock(AF_INET6, SOCK_STREAM, 0), SA(a)), EADDRNOTAVAIL);
	CHECK_EQ(address(RTM_NEWADDR, "fd00::1", 64), 0);
	CHECK_EQ(lines("/proc/net/if_inet6"), 2);
	int l = sock(AF_INET6, SOCK_STREAM, 0), c = sock(AF_INET6, SOCK_STREAM, 0);
	for (int i = 0; i < 200 && bind(l, SA(a)); i++) msleep(5); // as long as it is tentative
	CHECK(listen(l, 1) == 0);
	CHECK(connect(c, SA(a)) == 0);
	socklen_t n = sizeof got;
	CHECK(getsockname(c, (void *)&got, &n) == 0);
	CHECK(memcmp(&got.sin6_addr, &a.sin6_addr, 16) == 0);
	CHECK_EQ(address(RTM_DELADDR, "fd00::1", 64), 0);
	CHECK_EQ(addresses(AF_INET6), 1);
}

CASE(lo_addresses_survive_its_going_down) {
	own();
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), 0);
	lo_flags(0);
	struct sockaddr_in a = v4("10.1.2.3", 7112);
	lo_flags(IFF_UP);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
	CHECK_EQ(addresses(AF_INET), 2);
}

CASE(lo_way_to_an_address) {
	own();
	struct request q = request(RTM_GETROUTE, 0, sizeof q.route);
	uint32_t ip = inet_addr("127.3.3.3");
	q.route.rtm_family = AF_INET, q.route.rtm_dst_len = 32;
	attr(&q, RTA_DST, &ip, 4);
	int fd = netlink_socket(0);
	CHECK(send(fd, &q, q.h.nlmsg_len, 0) > 0);
	CHECK(recv(fd, buf, sizeof buf, 0) > 0);
	struct nlmsghdr *h = (void *)buf;
	CHECK_EQ(h->nlmsg_type, RTM_NEWROUTE);
	CHECK_EQ(((struct rtmsg *)NLMSG_DATA(h))->rtm_type, RTN_LOCAL);
	CHECK_EQ(*(int *)found(h, sizeof(struct rtmsg), RTA_OIF, NULL), 1);
	CHECK_EQ(*(uint32_t *)found(h, sizeof(struct rtmsg), RTA_PREFSRC, NULL), inet_addr("127.0.0.1"));
	ip = inet_addr("8.8.8.8");
	q = request(RTM_GETROUTE, 0, sizeof q.route);
	q.route.rtm_family = AF_INET, q.route.rtm_dst_len = 32;
	attr(&q, RTA_DST, &ip, 4);
	CHECK_EQ(ask(&q), ENETUNREACH);
}

// ---- ioctls

CASE(lo_ioctls_set_its_address) {
	own();
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	struct ifreq r = {.ifr_name = "lo"};
	struct sockaddr_in *a = (void *)&r.ifr_addr;
	*a = v4("10.5.5.5", 0);
	CHECK(ioctl(fd, SIOCSIFADDR, &r) == 0);
	CHECK(ioctl(fd, SIOCGIFNETMASK, &r) == 0);
	CHECK(a->sin_addr.s_addr == inet_addr("255.0.0.0"));
	*a = v4("255.255.0.0", 0);
	CHECK(ioctl(fd, SIOCSIFNETMASK, &r) == 0);
	memset(a, 0, sizeof *a);
	CHECK(ioctl(fd, SIOCGIFNETMASK, &r) == 0);
	CHECK(a->sin_addr.s_addr == inet_addr("255.255.0.0"));
	CHECK(ioctl(fd, SIOCGIFADDR, &r) == 0);
	CHECK(a->sin_addr.s_addr == inet_addr("10.5.5.5"));
	*a = v4("255.0.255.0", 0);
	CHECK_ERRNO(ioctl(fd, SIOCSIFNETMASK, &r), EINVAL);
	a->sin_family = AF_INET6;
	CHECK_ERRNO(ioctl(fd, SIOCSIFADDR, &r), EINVAL);
}

CASE(lo_SIOCGIFCONF_lists_all_addresses) {
	own();
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), 0);
	struct ifreq r[5];
	struct ifconf c = {.ifc_len = sizeof r, .ifc_req = r};
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(ioctl(fd, SIOCGIFCONF, &c) == 0);
	CHECK_EQ(c.ifc_len, 2 * sizeof r[0]);
	CHECK(((struct sockaddr_in *)&r[1].ifr_addr)->sin_addr.s_addr == inet_addr("10.1.2.3"));
	c.ifc_req = NULL;
	CHECK(ioctl(fd, SIOCGIFCONF, &c) == 0);
	CHECK_EQ(c.ifc_len, 2 * sizeof r[0]);
	c.ifc_req = r, c.ifc_len = sizeof r[0] + 3;
	CHECK(ioctl(fd, SIOCGIFCONF, &c) == 0);
	CHECK_EQ(c.ifc_len, sizeof r[0]);
}

CASE(lo_ioctls_know_no_others) {
	alone();
	struct ifreq r = {.ifr_name = "eth7", .ifr_flags = IFF_UP};
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK_ERRNO(ioctl(fd, SIOCSIFFLAGS, &r), ENODEV);
	CHECK_ERRNO(ioctl(fd, SIOCGIFFLAGS, &r), ENODEV);
	CHECK_ERRNO(ioctl(fd, SIOCGIFADDR, &r), ENODEV);
}

// ---- groups of netlink

static int message(int fd, int *type) {
	struct sockaddr_nl a;
	socklen_t n = sizeof a;
	ssize_t k = recvfrom(fd, buf, sizeof buf, MSG_DONTWAIT, (void *)&a, &n);
	if (k < 0) return 0;
	*type = ((struct nlmsghdr *)buf)->nlmsg_type;
	CHECK_EQ(a.nl_pid, 0);
	return a.nl_groups;
}

CASE(lo_changes_are_told_to_groups) {
	alone();
	int fd = netlink_socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE), type;
	lo_flags(IFF_UP);
	CHECK_EQ(message(fd, &type), RTMGRP_LINK);
	CHECK_EQ(type, RTM_NEWLINK);
	CHECK_EQ(message(fd, &type), RTMGRP_IPV4_IFADDR);
	CHECK_EQ(type, RTM_NEWADDR);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(message(fd, &type), RTMGRP_IPV4_ROUTE);
		CHECK_EQ(type, RTM_NEWROUTE);
	}
	CHECK_EQ(message(fd, &type), 0);
	CHECK_EQ(address(RTM_NEWADDR, "10.0.0.1", 32), 0);
	CHECK_EQ(message(fd, &type), RTMGRP_IPV4_IFADDR);
	CHECK_EQ(message(fd, &type), RTMGRP_IPV4_ROUTE);
	CHECK_EQ(message(fd, &type), 0);
	CHECK_EQ(address(RTM_DELADDR, "10.0.0.1", 32), 0);
	CHECK_EQ(message(fd, &type), RTMGRP_IPV4_IFADDR);
	CHECK_EQ(type, RTM_DELADDR);
	CHECK_EQ(message(fd, &type), RTMGRP_IPV4_ROUTE);
	CHECK_EQ(type, RTM_DELROUTE);
}

CASE(lo_groups_are_joined_and_left) {
	alone();
	int fd = netlink_socket(0), g = RTNLGRP_LINK, type;
	CHECK(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &g, 4) == 0);
	uint64_t all = 0;
	socklen_t n = sizeof all;
	CHECK(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, &all, &n) == 0);
	CHECK_EQ(all, 1);
	lo_flags(IFF_UP);
	CHECK_EQ(message(fd, &type), RTMGRP_LINK);
	CHECK(setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &g, 4) == 0);
	lo_flags(0);
	CHECK_EQ(message(fd, &type), 0);
	g = 0;
	CHECK_ERRNO(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &g, 4), EINVAL);
	g = 1000;
	CHECK_ERRNO(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &g, 4), EINVAL);
}

CASE(lo_changes_elsewhere_are_not_told) {
	alone();
	int fd = netlink_socket(RTMGRP_LINK), type;
	int first = net_file();
	own();
	CHECK_EQ(message(fd, &type), 0);
	CHECK(setns(first, 0) == 0);
	lo_flags(IFF_UP);
	CHECK_EQ(message(fd, &type), RTMGRP_LINK);
}

CASE(lo_NETLINK_PKTINFO_tells_the_group) {
	alone();
	int fd = netlink_socket(RTMGRP_LINK);
	CHECK(setsockopt(fd, SOL_NETLINK, NETLINK_PKTINFO, &one, 4) == 0);
	lo_flags(IFF_UP);
	char control[100];
	struct iovec v = {buf, sizeof buf};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	CHECK(recvmsg(fd, &m, MSG_DONTWAIT) > 0);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_PKTINFO);
	CHECK_EQ(*(int *)CMSG_DATA(c), RTNLGRP_LINK);
}

CASE(lo_NETLINK_EXT_ACK_says_why) {
	own();
	int fd = netlink_socket(0);
	CHECK(setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, 4) == 0);
	CHECK(setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, 4) == 0);
	struct request q = request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, sizeof q.addr);
	uint32_t ip = inet_addr("127.0.0.1");
	q.addr.ifa_family = AF_INET, q.addr.ifa_prefixlen = 8, q.addr.ifa_index = 1;
	attr(&q, IFA_LOCAL, &ip, 4);
	CHECK(send(fd, &q, q.h.nlmsg_len, 0) > 0);
	ssize_t n = recv(fd, buf, sizeof buf, 0);
	struct nlmsghdr *h = (void *)buf;
	CHECK(n > 0 && h->nlmsg_flags & NLM_F_ACK_TLVS);
	CHECK_EQ(((struct nlmsgerr *)NLMSG_DATA(h))->error, -EEXIST);
	struct rtattr *a = (void *)(buf + NLMSG_SPACE(sizeof(struct nlmsgerr)));
	CHECK_EQ(a->rta_type, NLMSGERR_ATTR_MSG);
	CHECK(strstr(RTA_DATA(a), "already assigned"));
}

// ---- foreign addresses

CASE(lo_FREEBIND_takes_any_address) {
	own();
	struct sockaddr_in a = v4("10.1.2.3", 7113);
	int fd = sock(AF_INET, SOCK_STREAM, 0);
	CHECK(setsockopt(fd, SOL_IP, IP_FREEBIND, &one, 4) == 0);
	CHECK(bind(fd, SA(a)) == 0 && listen(fd, 1) == 0);
	CHECK_ERRNO(connect(sock(AF_INET, SOCK_STREAM, 0), SA(a)), ENETUNREACH);
}

CASE(lo_ip_nonlocal_bind) {
	own();
	put("/proc/sys/net/ipv4/ip_nonlocal_bind", "1");
	struct sockaddr_in a = v4("10.1.2.3", 7114);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
}

MAIN()
