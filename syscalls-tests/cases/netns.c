// Network namespaces: who is in which, and what each has for itself.
#include "netns.h"
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <sys/mount.h>
#include <sys/mman.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static uint64_t cookie(int fd) {
	uint64_t c = 0;
	socklen_t n = sizeof c;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &c, &n) == 0);
	CHECK_EQ(n, 8);
	return c;
}

// listener returns a listener on a port of 127.0.0.1.
static int listener(int port) {
	int fd = sock(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = v4("127.0.0.1", port);
	CHECK(bind(fd, SA(a)) == 0);
	CHECK(listen(fd, 5) == 0);
	return fd;
}

// ---- making and entering

CASE(netns_unshare_makes_another) {
	int before = net_file();
	alone();
	int after = net_file();
	CHECK(net_ino(before) != net_ino(after));
	CHECK_EQ(ioctl(after, NS_GET_NSTYPE), CLONE_NEWNET);
}

CASE(netns_clone_makes_another_for_the_child) {
	int before = net_file();
	pid_t p = syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0);
	CHECK(p >= 0);
	if (p == 0) _exit(net_ino(net_file()) == net_ino(before) || lo_is() & IFF_UP ? 1 : 5);
	CHECK_CHILD(p, 5);
	CHECK_EQ(net_ino(net_file()), net_ino(before));
}

CASE(netns_clone3_makes_another_for_the_child) {
	int before = net_file();
	struct clone_args a = {.flags = CLONE_NEWNET, .exit_signal = SIGCHLD};
	pid_t p = syscall(SYS_clone3, &a, sizeof a);
	CHECK(p >= 0);
	if (p == 0) _exit(net_ino(net_file()) == net_ino(before) ? 1 : 5);
	CHECK_CHILD(p, 5);
}

CASE(netns_unshare_is_of_the_thread_alone) {
	pid_t p = fork();
	if (p == 0) {
		int before = net_file();
		static char stack[65536];
		int run(void *arg) {
			alone();
			*(volatile ino_t *)arg = net_ino(net_file());
			return 0;
		}
		ino_t inside = 0;
		pid_t t = clone(run, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, &inside);
		CHECK(t > 0);
		CHECK_CHILD(t, 0);
		CHECK(inside != 0 && inside != net_ino(before));
		CHECK_EQ(net_ino(net_file()), net_ino(before));
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(netns_setns_enters_one_and_goes_back) {
	int first = net_file();
	own();
	int second = net_file();
	CHECK(setns(first, CLONE_NEWNET) == 0);
	CHECK_EQ(net_ino(net_file()), net_ino(first));
	CHECK(setns(second, 0) == 0);
	CHECK_EQ(net_ino(net_file()), net_ino(second));
	CHECK_ERRNO(setns(second, CLONE_NEWUTS), EINVAL);
}

CASE(netns_setns_with_a_pidfd) {
	int first = net_file(), go[2];
	CHECK(pipe(go) == 0);
	pid_t p = fork();
	if (p == 0) {
		alone();
		CHECK(write(go[1], "x", 1) == 1);
		pause();
	}
	CHECK_EQ(read(go[0], buf, 1), 1);
	int pidfd = syscall(SYS_pidfd_open, p, 0);
	CHECK(pidfd >= 0);
	CHECK(setns(pidfd, CLONE_NEWNET) == 0);
	CHECK(net_ino(net_file()) != net_ino(first));
	kill(p, SIGKILL);
}

CASE(netns_needs_CAP_SYS_ADMIN) {
	int f = net_file();
	CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	CHECK_ERRNO(unshare(CLONE_NEWNET), EPERM);
	CHECK_ERRNO(setns(f, CLONE_NEWNET), EPERM);
}

CASE(netns_stays_as_long_as_a_file_stands_for_it) {
	int first = net_file();
	own();
	CHECK_EQ(address(RTM_NEWADDR, "10.77.0.1", 24), 0);
	int second = net_file();
	CHECK(setns(first, 0) == 0); // nobody is in it now
	CHECK(setns(second, 0) == 0);
	int fd = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = v4("10.77.0.1", 0);
	CHECK(bind(fd, SA(a)) == 0);
}

CASE(netns_stays_as_long_as_its_file_is_mounted) {
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	int first = net_file();
	close(open("kept", O_CREAT | O_RDWR, 0600));
	own();
	ino_t ino = net_ino(net_file());
	CHECK(mount("/proc/thread-self/ns/net", "kept", NULL, MS_BIND, NULL) == 0);
	CHECK(setns(first, 0) == 0);
	int again = open("kept", O_RDONLY);
	CHECK_EQ(net_ino(again), ino);
	CHECK(setns(again, CLONE_NEWNET) == 0);
	CHECK(lo_is() & IFF_UP);
	close(again);
	CHECK(setns(first, 0) == 0);
	CHECK(umount2("kept", MNT_DETACH) == 0);
}

// ---- sockets stay where they were made

CASE(netns_socket_stays_where_it_was_made) {
	own();
	int first = net_file(), fd = sock(AF_INET, SOCK_STREAM, 0);
	int l = listener(7001);
	own();
	struct sockaddr_in a = v4("127.0.0.1", 7001);
	int other = sock(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO(connect(other, SA(a)), ECONNREFUSED);
	CHECK(connect(fd, SA(a)) == 0);
	int c = accept(l, NULL, NULL);
	CHECK(c >= 0);
	CHECK_EQ(cookie(c), cookie(fd));
	CHECK(cookie(other) != cookie(fd));
	CHECK(setns(first, 0) == 0);
	other = sock(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(other, SA(a)) == 0);
	CHECK_EQ(cookie(other), cookie(fd));
}

CASE(netns_cookie_is_the_namespaces_for_all_families) {
	own();
	uint64_t c = cookie(sock(AF_INET, SOCK_STREAM, 0));
	CHECK(c != 0);
	CHECK_EQ(cookie(sock(AF_UNIX, SOCK_DGRAM, 0)), c);
	CHECK_EQ(cookie(sock(AF_NETLINK, SOCK_RAW, 0)), c);
	CHECK_EQ(cookie(sock(AF_INET6, SOCK_DGRAM, 0)), c);
	CHECK_EQ(cookie(sock(AF_PACKET, SOCK_RAW, 0)), c);
	alone();
	CHECK(cookie(sock(AF_INET, SOCK_STREAM, 0)) != c);
}

CASE(netns_SIOCGSKNS_opens_the_sockets_namespace) {
	own();
	int here = net_file(), fd = sock(AF_INET, SOCK_DGRAM, 0), u = sock(AF_UNIX, SOCK_STREAM, 0);
	alone();
	int ns = ioctl(fd, SIOCGSKNS);
	CHECK(ns >= 0);
	CHECK_EQ(net_ino(ns), net_ino(here));
	CHECK_EQ(fcntl(ns, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(net_ino(ioctl(u, SIOCGSKNS)), net_ino(here));
	CHECK(setns(ns, CLONE_NEWNET) == 0);
	CHECK(lo_is() & IFF_UP);
	CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	CHECK_ERRNO(ioctl(fd, SIOCGSKNS), EPERM);
}

CASE(netns_ports_are_each_namespaces) {
	own();
	listener(7002);
	struct sockaddr_in a = v4("127.0.0.1", 7002);
	CHECK_ERRNO(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)), EADDRINUSE);
	own();
	listener(7002);
}

CASE(netns_datagrams_stay_inside) {
	own();
	int r = sock(AF_INET, SOCK_DGRAM, 0), s = sock(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = v4("127.0.0.1", 7003);
	CHECK(bind(r, SA(a)) == 0);
	own();
	int r2 = sock(AF_INET, SOCK_DGRAM, 0), s2 = sock(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(r2, SA(a)) == 0);
	CHECK_EQ(sendto(s2, "two", 3, 0, SA(a)), 3);
	CHECK_EQ(recv(r2, buf, 10, 0), 3);
	NOTHING(r);
	CHECK_EQ(sendto(s, "1", 1, 0, SA(a)), 1);
	CHECK_EQ(recv(r, buf, 10, 0), 1);
	NOTHING(r2);
}

CASE(netns_packet_sockets_see_their_own) {
	own();
	int f = sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), s = sock(AF_INET, SOCK_DGRAM, 0);
	own();
	struct sockaddr_in a = v4("127.0.0.1", 7004);
	CHECK_EQ(sendto(sock(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, SA(a)), 1);
	NOTHING(f);
	CHECK_EQ(sendto(s, "x", 1, 0, SA(a)), 1);
	CHECK(recv(f, buf, sizeof buf, MSG_DONTWAIT) > 0);
}

// ---- unix sockets

CASE(netns_abstract_names_are_each_namespaces) {
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0netns case"};
	alone();
	int first = sock(AF_UNIX, SOCK_DGRAM, 0), late = sock(AF_UNIX, SOCK_DGRAM, 0);
	CHECK(bind(first, SA(a)) == 0);
	CHECK_ERRNO(bind(sock(AF_UNIX, SOCK_DGRAM, 0), SA(a)), EADDRINUSE);
	alone();
	int other = sock(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_ERRNO(connect(other, SA(a)), ECONNREFUSED);
	CHECK(bind(other, SA(a)) == 0);
	CHECK(connect(late, SA(a)) == 0); // it was made in the first
	CHECK_EQ(send(late, "x", 1, 0), 1);
	CHECK_EQ(recv(first, buf, 9, MSG_DONTWAIT), 1);
	NOTHING(other);
}

CASE(netns_paths_of_unix_sockets_are_for_all) {
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "here"};
	alone();
	int l = sock(AF_UNIX, SOCK_STREAM, 0);
	CHECK(bind(l, SA(a)) == 0 && listen(l, 1) == 0);
	alone();
	CHECK(connect(sock(AF_UNIX, SOCK_STREAM, 0), SA(a)) == 0);
}

// ---- /proc and /sys

CASE(netns_proc_net_is_the_tasks) {
	own();
	listener(7005);
	CHECK_EQ(lines("/proc/net/tcp"), 2);
	int go[2];
	CHECK(pipe(go) == 0);
	pid_t p = fork();
	if (p == 0) {
		own();
		listener(7006);
		listener(7007);
		CHECK(write(go[1], "x", 1) == 1);
		pause();
	}
	CHECK_EQ(read(go[0], buf, 1), 1);
	char path[50];
	snprintf(path, sizeof path, "/proc/%d/net/tcp", p);
	CHECK_EQ(lines(path), 3);
	CHECK_EQ(lines("/proc/self/net/tcp"), 2);
	CHECK_EQ(lines("/proc/thread-self/net/tcp"), 2);
	kill(p, SIGKILL);
}

CASE(netns_proc_net_unix_lists_the_namespaces) {
	alone();
	CHECK_EQ(lines("/proc/net/unix"), 1);
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0listed"};
	CHECK(bind(sock(AF_UNIX, SOCK_STREAM, 0), SA(a)) == 0);
	CHECK_EQ(lines("/proc/net/unix"), 2);
	alone();
	CHECK_EQ(lines("/proc/net/unix"), 1);
}

CASE(netns_settings_are_each_namespaces) {
	alone();
	put("/proc/sys/net/core/somaxconn", "17\n");
	put("/proc/sys/net/ipv4/ip_unprivileged_port_start", "80");
	CHECK_EQ(number("/proc/sys/net/core/somaxconn"), 17);
	int first = net_file();
	alone();
	CHECK_EQ(number("/proc/sys/net/core/somaxconn"), 4096);
	CHECK_EQ(number("/proc/sys/net/ipv4/ip_unprivileged_port_start"), 1024);
	CHECK_EQ(number("/proc/sys/net/ipv4/ping_group_range"), 1);
	CHECK(setns(first, 0) == 0);
	CHECK_EQ(number("/proc/sys/net/core/somaxconn"), 17);
}

CASE(netns_first_port_without_privilege) {
	own();
	put("/proc/sys/net/ipv4/ip_unprivileged_port_start", "500");
	CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	struct sockaddr_in a = v4("127.0.0.1", 499);
	CHECK_ERRNO(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)), EACCES);
	a = v4("127.0.0.1", 500);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
}

CASE(netns_range_of_free_ports) {
	own();
	put("/proc/sys/net/ipv4/ip_local_port_range", "7100 7103\n");
	int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_RDWR);
	CHECK_ERRNO(write(fd, "9 8", 3), EINVAL);
	CHECK_ERRNO(write(fd, "0 8", 3), EINVAL);
	struct sockaddr_in a = v4("127.0.0.1", 0);
	int seen = 0;
	for (int i = 0; i < 4; i++) {
		int s = sock(AF_INET, SOCK_DGRAM, 0);
		CHECK(bind(s, SA(a)) == 0);
		struct sockaddr_in got;
		int port = name_of(s, &got);
		CHECK(port >= 7100 && port <= 7103);
		seen |= 1 << (port - 7100);
	}
	CHECK_EQ(seen, 15);
	CHECK_ERRNO(bind(sock(AF_INET, SOCK_DGRAM, 0), SA(a)), EADDRINUSE);
}

CASE(netns_bindv6only) {
	own();
	put("/proc/sys/net/ipv6/bindv6only", "1");
	int fd = sock(AF_INET6, SOCK_STREAM, 0), v = 0;
	socklen_t n = sizeof v;
	CHECK(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v, &n) == 0);
	CHECK_EQ(v, 1);
}

CASE(netns_somaxconn_bounds_the_backlog) {
	own();
	put("/proc/sys/net/core/somaxconn", "1");
	int l = sock(AF_INET, SOCK_STREAM, 0), got = 0;
	struct sockaddr_in a = v4("127.0.0.1", 7008);
	CHECK(bind(l, SA(a)) == 0 && listen(l, 100) == 0);
	for (int i = 0; i < 6; i++) {
		int c = sock(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(c, SA(a)) == 0) {
			got++;
			continue;
		}
		int e = errno;
		CHECK_EQ(e, EINPROGRESS);
		struct pollfd p = {c, POLLOUT, 0};
		got += poll(&p, 1, 10) == 1;
	}
	CHECK_EQ(got, 2); // one more than the backlog
}

// ---- privileges count in the namespace

CASE(netns_capabilities_are_needed_inside) {
	own();
	CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	CHECK_ERRNO(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
	CHECK_ERRNO(socket(AF_PACKET, SOCK_RAW, 0), EPERM);
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = 0};
	CHECK_ERRNO(ioctl(sock(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &r), EPERM);
	CHECK_EQ(address(RTM_NEWADDR, "10.0.0.1", 8), EPERM);
	struct sockaddr_in a = v4("127.0.0.1", 80);
	CHECK_ERRNO(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)), EACCES);
}

CASE(netns_settings_of_a_user_namespace_are_its_owners) {
	CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	CHECK_ERRNO(open("/proc/sys/net/core/somaxconn", O_WRONLY), EACCES);
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK_ERRNO(open("/proc/sys/net/core/somaxconn", O_WRONLY), EACCES);
	CHECK(unshare(CLONE_NEWNET) == 0);
	put("/proc/sys/net/core/somaxconn", "12");
	CHECK_EQ(number("/proc/sys/net/core/somaxconn"), 12);
}

// A user has all capabilities in a network of a user namespace of his own, and none elsewhere.
CASE(netns_of_a_user_namespace_is_its_owners) {
	int outside = socket(AF_INET, SOCK_DGRAM, 0), first = net_file();
	CHECK(outside >= 0);
	CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0);
	lo_flags(IFF_UP);
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), 0);
	close(sock(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	close(sock(AF_PACKET, SOCK_RAW, 0));
	struct sockaddr_in a = v4("127.0.0.1", 80);
	CHECK(bind(sock(AF_INET, SOCK_STREAM, 0), SA(a)) == 0);
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = 0};
	CHECK_ERRNO(ioctl(outside, SIOCSIFFLAGS, &r), EPERM);
	CHECK_ERRNO(setsockopt(outside, SOL_SOCKET, SO_RCVBUFFORCE, &one, 4), EPERM);
	CHECK(setsockopt(sock(AF_INET, SOCK_DGRAM, 0), SOL_SOCKET, SO_MARK, &one, 4) == 0);
	CHECK_ERRNO(setns(first, 0), EPERM);
}

CASE(netns_of_others_cannot_be_changed_from_a_user_namespace) {
	CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), EPERM);
	CHECK_ERRNO(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
	CHECK_ERRNO(socket(AF_PACKET, SOCK_RAW, 0), EPERM);
	CHECK(unshare(CLONE_NEWNET) == 0);
	CHECK_EQ(address(RTM_NEWADDR, "10.1.2.3", 8), 0);
}

MAIN()
