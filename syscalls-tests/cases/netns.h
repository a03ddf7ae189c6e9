// What the cases of network namespaces share: talking to the kernel about its interfaces.
#ifndef NETNS_H
#define NETNS_H
#include "rawnet.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/un.h>

// lo_flags sets the flags of lo.
__attribute__((unused)) static void lo_flags(int flags) {
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = flags};
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(ioctl(fd, SIOCSIFFLAGS, &r) == 0);
	close(fd);
}

__attribute__((unused)) static int lo_is(void) {
	struct ifreq r = {.ifr_name = "lo"};
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(ioctl(fd, SIOCGIFFLAGS, &r) == 0);
	close(fd);
	return r.ifr_flags;
}

// alone makes a network of one's own whose lo is down, own one whose lo is up.
__attribute__((unused)) static void alone(void) { CHECK(unshare(CLONE_NEWNET) == 0); }

__attribute__((unused)) static void own(void) {
	alone();
	lo_flags(IFF_UP);
}

__attribute__((unused)) static int net_file(void) {
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

__attribute__((unused)) static ino_t net_ino(int fd) {
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	return st.st_ino;
}

__attribute__((unused)) static int netlink_socket(int groups) {
	int fd = sock(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = groups};
	CHECK(bind(fd, SA(a)) == 0);
	return fd;
}

struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
	};
	char attrs[200];
};

__attribute__((unused)) static struct request request(int type, int flags, size_t fixed) {
	struct request q = {.h = {.nlmsg_len = NLMSG_LENGTH(fixed), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = 7}};
	return q;
}

__attribute__((unused)) static void attr(struct request *q, int type, const void *v, size_t n) {
	struct rtattr *a = (void *)((char *)q + NLMSG_ALIGN(q->h.nlmsg_len));
	a->rta_type = type, a->rta_len = RTA_LENGTH(n);
	memcpy(RTA_DATA(a), v, n);
	q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

// ask sends a request that is to be acknowledged and returns the error, as a positive number.
__attribute__((unused)) static int ask(struct request *q) {
	static char b[4096];
	int fd = netlink_socket(0);
	q->h.nlmsg_flags |= NLM_F_ACK;
	CHECK_EQ(send(fd, q, q->h.nlmsg_len, 0), q->h.nlmsg_len);
	ssize_t n = recv(fd, b, sizeof b, 0);
	CHECK(n >= (ssize_t)(sizeof(struct nlmsghdr) + 4));
	struct nlmsghdr *h = (void *)b;
	CHECK_EQ(h->nlmsg_type, NLMSG_ERROR);
	CHECK_EQ(h->nlmsg_seq, 7);
	close(fd);
	return -((struct nlmsgerr *)NLMSG_DATA(h))->error;
}

// address adds or deletes an address of lo and returns the error.
__attribute__((unused)) static int address(int type, const char *ip, int prefix) {
	struct request q = request(type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof q.addr);
	char b[16];
	q.addr.ifa_family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	q.addr.ifa_prefixlen = prefix, q.addr.ifa_index = 1;
	CHECK(inet_pton(q.addr.ifa_family, ip, b) == 1);
	int n = q.addr.ifa_family == AF_INET ? 4 : 16;
	attr(&q, IFA_LOCAL, b, n);
	attr(&q, IFA_ADDRESS, b, n);
	return ask(&q);
}

// dumped calls each with every message of a dump and returns how many there were.
__attribute__((unused)) static int dumped(int type, int family, size_t fixed, void (*each)(struct nlmsghdr *)) {
	static char b[65536];
	struct request q = request(type, NLM_F_DUMP, fixed);
	q.addr.ifa_family = family;
	int fd = netlink_socket(0), count = 0;
	CHECK_EQ(send(fd, &q, q.h.nlmsg_len, 0), q.h.nlmsg_len);
	for (;;) {
		int n = recv(fd, b, sizeof b, 0);
		CHECK(n > 0);
		for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE) {
				close(fd);
				return count;
			}
			CHECK(h->nlmsg_type != NLMSG_ERROR);
			count++;
			if (each) each(h);
		}
	}
}

// found returns an attribute of a message.
__attribute__((unused)) static void *found(struct nlmsghdr *h, size_t fixed, int type, size_t *size) {
	int n = h->nlmsg_len - NLMSG_SPACE(fixed);
	for (struct rtattr *a = (void *)((char *)NLMSG_DATA(h) + NLMSG_ALIGN(fixed)); RTA_OK(a, n); a = RTA_NEXT(a, n))
		if (a->rta_type == type) {
			if (size) *size = RTA_PAYLOAD(a);
			return RTA_DATA(a);
		}
	return NULL;
}

// lines counts the lines of a file.
__attribute__((unused)) static int lines(const char *path) {
	FILE *f = fopen(path, "r");
	CHECK(f != NULL);
	int n = 0;
	for (int c; (c = getc(f)) != EOF;) n += c == '\n';
	fclose(f);
	return n;
}

__attribute__((unused)) static void put(const char *path, const char *text) {
	int fd = open(path, O_WRONLY);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

__attribute__((unused)) static long number(const char *path) {
	char b[100] = {0};
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	CHECK(read(fd, b, sizeof b - 1) > 0);
	close(fd);
	return atol(b);
}
#endif
