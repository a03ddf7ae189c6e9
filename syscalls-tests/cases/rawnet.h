// What the cases of rawnet*.c share: a network of one's own that has nothing but the loopback interface.
#ifndef RAWNET_H
#define RAWNET_H
#include "case.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define SA(a) (void *)&(a), sizeof(a)

// network makes the network: where there are no others, it is as it should be.
__attribute__((unused)) static void network(void) {
	if (unshare(CLONE_NEWNET) == 0) {
		struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP};
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		CHECK(ioctl(fd, SIOCSIFFLAGS, &r) == 0);
		close(fd);
	}
}

__attribute__((unused)) static int ping_groups(const char *v) {
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY);
	CHECK(fd >= 0);
	int ok = write(fd, v, strlen(v)) == (ssize_t)strlen(v);
	close(fd);
	return ok;
}

__attribute__((unused)) static void ping_network(void) {
	network();
	CHECK(ping_groups("0 2147483647"));
}

__attribute__((unused)) static struct sockaddr_in v4(const char *ip, int port) {
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(ip)};
}

__attribute__((unused)) static struct sockaddr_in6 v6(const char *ip, int port) {
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	CHECK(inet_pton(AF_INET6, ip, &a.sin6_addr) == 1);
	return a;
}

__attribute__((unused)) static uint16_t sum(const void *b, size_t n, uint32_t s) {
	const uint8_t *p = b;
	for (size_t i = 0; i < n; i++) s += i & 1 ? p[i] : p[i] << 8;
	while (s >> 16) s = (s & 0xffff) + (s >> 16);
	return s;
}

__attribute__((unused)) static int sock(int family, int type, int protocol) {
	int fd = socket(family, type, protocol);
	CHECK(fd >= 0);
	return fd;
}

__attribute__((unused)) static struct icmphdr echo(int id, int seq) {
	struct icmphdr h = {.type = ICMP_ECHO, .un.echo.id = htons(id), .un.echo.sequence = htons(seq)};
	h.checksum = htons(~sum(&h, sizeof h, 0));
	return h;
}

__attribute__((unused)) static int name_of(int fd, struct sockaddr_in *a) {
	socklen_t n = sizeof *a;
	memset(a, 0, sizeof *a);
	CHECK(getsockname(fd, (void *)a, &n) == 0);
	return ntohs(a->sin_port);
}

__attribute__((unused)) static int soon(int fd) {
	struct pollfd p = {fd, POLLIN};
	return poll(&p, 1, 3000);
}

#define NOTHING(fd) CHECK_ERRNO(recv(fd, buf, sizeof buf, MSG_DONTWAIT), EAGAIN)
__attribute__((unused)) static unsigned char buf[70000];
__attribute__((unused)) static int one = 1, zero = 0;

#endif
