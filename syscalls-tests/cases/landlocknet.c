// landlock(7): ports, abstract names of unix sockets, and signals.
#include "landlock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SA(a) (void *)&(a), sizeof(a)

static struct sockaddr_in at(int port) {
	return (struct sockaddr_in){AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
}

// listener returns a socket that listens, and its port.
static int listener(int *port) {
	struct sockaddr_in a = at(0);
	socklen_t n = sizeof a;
	int s = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(s, SA(a)) == 0 && listen(s, 5) == 0 && getsockname(s, (void *)&a, &n) == 0);
	*port = ntohs(a.sin_port);
	return s;
}

CASE(landlock_net_bind_takes_its_right) {
	int port;
	close(listener(&port));
	int rs = ruleset(0, NET_BIND, 0), s = socket(AF_INET, SOCK_STREAM, 0);
	allow_port(rs, NET_BIND, port);
	enforce(rs);
	struct sockaddr_in good = at(port), bad = at(port == 4711 ? 4712 : 4711), any = at(0);
	CHECK_ERRNO(bind(s, SA(bad)), EACCES);
	CHECK_ERRNO(bind(s, SA(any)), EACCES); // port 0 has to be allowed as such
	CHECK(bind(s, SA(good)) == 0);
	int u = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(u, SA(any)) == 0); // not TCP
}

CASE(landlock_net_port_0_may_be_allowed) {
	int rs = ruleset(0, NET_BIND, 0), s = socket(AF_INET, SOCK_STREAM, 0);
	allow_port(rs, NET_BIND, 0);
	enforce(rs);
	struct sockaddr_in any = at(0);
	CHECK(bind(s, SA(any)) == 0);
}

CASE(landlock_net_connect_takes_its_right) {
	int p1, p2;
	listener(&p1), listener(&p2);
	int rs = ruleset(0, NET_CONNECT | NET_BIND, 0), s = socket(AF_INET, SOCK_STREAM, 0);
	allow_port(rs, NET_CONNECT, p1);
	enforce(rs);
	struct sockaddr_in good = at(p1), bad = at(p2);
	CHECK_ERRNO(connect(s, SA(bad)), EACCES);
	CHECK(connect(s, SA(good)) == 0);
	CHECK_ERRNO(bind(socket(AF_INET, SOCK_STREAM, 0), SA(good)), EACCES);
	struct sockaddr none = {AF_UNSPEC, {0}};
	CHECK(connect(s, &none, sizeof none) == 0); // takes the connection away
	CHECK_ERRNO(connect(s, SA(bad)), EACCES);
}

CASE(landlock_net_layers_all_have_to_agree) {
	int p1, p2;
	listener(&p1), listener(&p2);
	int rs = ruleset(0, NET_CONNECT, 0), rs2 = ruleset(0, NET_CONNECT, 0), rs3 = ruleset(FS_EXECUTE, 0, 0);
	allow_port(rs, NET_CONNECT, p1), allow_port(rs, NET_CONNECT, p2);
	allow_port(rs2, NET_CONNECT, p2);
	enforce(rs), enforce(rs2), enforce(rs3);
	struct sockaddr_in a = at(p1), b = at(p2);
	CHECK_ERRNO(connect(socket(AF_INET, SOCK_STREAM, 0), SA(a)), EACCES);
	CHECK(connect(socket(AF_INET, SOCK_STREAM, 0), SA(b)) == 0);
}

CASE(landlock_net_checks_addresses_first) {
	int s = socket(AF_INET, SOCK_STREAM, 0), s6 = socket(AF_INET6, SOCK_STREAM, 0);
	enforce(ruleset(0, NET_CONNECT | NET_BIND, 0));
	struct sockaddr_in a = at(80);
	struct sockaddr_in6 b = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
	CHECK_ERRNO(bind(s, (void *)&a, 1), EINVAL);
	CHECK_ERRNO(bind(s, (void *)&a, 15), EINVAL);
	CHECK_ERRNO(bind(s6, (void *)&b, 23), EINVAL);
	CHECK_ERRNO(connect(s, (void *)&a, 15), EINVAL);
	CHECK_ERRNO(bind(s, SA(b)), EINVAL);  // of the other family
	CHECK_ERRNO(connect(s, SA(b)), EINVAL);
	CHECK_ERRNO(bind(s6, SA(b)), EACCES);
	CHECK_ERRNO(connect(s6, SA(b)), EACCES);
	a.sin_family = AF_UNSPEC;
	CHECK_ERRNO(bind(s, SA(a)), EAFNOSUPPORT);
	a.sin_addr.s_addr = 0;
	CHECK_ERRNO(bind(s, SA(a)), EACCES);
}

// named returns a bound socket with an abstract name of the case's own.
static struct sockaddr_un name_of(int i, socklen_t *n) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int len = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "landlock-%d-%d", getsid(0), i);
	*n = offsetof(struct sockaddr_un, sun_path) + 1 + len;
	return a;
}
static int named(int type, int i) {
	socklen_t n;
	struct sockaddr_un a = name_of(i, &n);
	int s = socket(AF_UNIX, type, 0);
	CHECK(bind(s, (void *)&a, n) == 0);
	if (type != SOCK_DGRAM) CHECK(listen(s, 5) == 0);
	return s;
}

CASE(landlock_scope_keeps_from_abstract_names_outside) {
	socklen_t n;
	int made = socket(AF_UNIX, SOCK_STREAM, 0);
	named(SOCK_STREAM, 0);
	struct sockaddr_un out = name_of(0, &n);
	int path = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un file = {AF_UNIX, "s"};
	CHECK(bind(path, SA(file)) == 0 && listen(path, 5) == 0);
	enforce(ruleset(0, 0, SCOPE_ABSTRACT));
	CHECK_ERRNO(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&out, n), EPERM);
	CHECK_ERRNO(connect(made, (void *)&out, n), EPERM); // who calls counts
	CHECK(connect(socket(AF_UNIX, SOCK_STREAM, 0), SA(file)) == 0);
	named(SOCK_STREAM, 1);
	struct sockaddr_un in = name_of(1, &n);
	CHECK(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&in, n) == 0);
	pid_t pid = fork();
	if (!pid) {
		enforce(ruleset(0, 0, SCOPE_ABSTRACT));
		CHECK_ERRNO(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&in, n), EPERM);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

CASE(landlock_scope_lets_outer_tasks_in) {
	int p[2], q[2];
	char c;
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	enforce(ruleset(0, 0, SCOPE_ABSTRACT));
	pid_t pid = fork();
	if (!pid) {
		enforce(ruleset(0, 0, SCOPE_ABSTRACT));
		named(SOCK_STREAM, 2);
		CHECK(write(p[1], "x", 1) == 1);
		close(q[1]);
		if (read(q[0], &c, 1)) {}
		_exit(0);
	}
	CHECK(read(p[0], &c, 1) == 1);
	socklen_t n;
	struct sockaddr_un in = name_of(2, &n);
	CHECK(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&in, n) == 0);
	close(q[1]);
	CHECK_CHILD(pid, 0);
}

CASE(landlock_scope_counts_for_datagrams_unless_connected) {
	socklen_t n;
	int s = socket(AF_UNIX, SOCK_DGRAM, 0), old = socket(AF_UNIX, SOCK_DGRAM, 0);
	named(SOCK_DGRAM, 0);
	struct sockaddr_un out = name_of(0, &n);
	CHECK(connect(old, (void *)&out, n) == 0);
	enforce(ruleset(0, 0, SCOPE_ABSTRACT));
	CHECK_ERRNO(sendto(s, "x", 1, 0, (void *)&out, n), EPERM);
	CHECK_ERRNO(connect(s, (void *)&out, n), EPERM);
	CHECK(send(old, "x", 1, 0) == 1);
	CHECK(sendto(old, "x", 1, 0, (void *)&out, n) == 1);
}

CASE(landlock_scope_keeps_signals_within) {
	int q[2];
	char c;
	CHECK(pipe(q) == 0);
	pid_t out = fork();
	if (!out) {
		close(q[1]);
		if (read(q[0], &c, 1)) {}
		_exit(0);
	}
	enforce(ruleset(0, 0, SCOPE_SIGNAL));
	CHECK_ERRNO(kill(out, 0), EPERM);
	CHECK_ERRNO(kill(out, SIGKILL), EPERM);
	CHECK_ERRNO(kill(out, SIGCONT), EPERM); // though of our session
	CHECK_ERRNO(syscall(SYS_tgkill, out, out, SIGKILL), EPERM);
	CHECK(kill(getpid(), 0) == 0);
	pid_t in = fork();
	if (!in) {
		enforce(ruleset(0, 0, SCOPE_SIGNAL));
		CHECK_ERRNO(kill(getppid(), 0), EPERM);
		close(q[1]);
		if (read(q[0], &c, 1)) {}
		_exit(0);
	}
	CHECK(kill(in, 0) == 0);
	close(q[1]);
	CHECK_CHILD(in, 0);
	CHECK_CHILD(out, 0);
}

CASE(landlock_scope_of_another_kind_does_not_matter) {
	pid_t parent = getppid();
	enforce(ruleset(0, 0, SCOPE_ABSTRACT));
	CHECK(kill(parent, 0) == 0);
}

static void *binds(void *arg) {
	enforce(ruleset(0, 0, SCOPE_SIGNAL));
	CHECK(syscall(SYS_tgkill, getpid(), getpid(), 0) == 0);
	CHECK(kill(getpid(), 0) == 0);
	return arg;
}

CASE(landlock_scope_lets_threads_signal_each_other) {
	pthread_t t;
	CHECK(pthread_create(&t, 0, binds, 0) == 0);
	CHECK(pthread_join(t, 0) == 0);
	CHECK(kill(getppid(), 0) == 0); // only the thread is bound
}

static volatile sig_atomic_t got;
static void note(int sig) { got = sig; }

CASE(landlock_scope_keeps_files_from_signalling_others) {
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	signal(SIGIO, note);
	pid_t pid = fork();
	if (!pid) {
		pid_t out = getppid();
		enforce(ruleset(0, 0, SCOPE_SIGNAL));
		CHECK(fcntl(s[0], F_SETOWN, out) == 0);
		CHECK(fcntl(s[0], F_SETFL, O_ASYNC) == 0);
		CHECK(write(s[1], "x", 1) == 1);
		CHECK(fcntl(s[0], F_SETOWN, getpid()) == 0);
		CHECK(write(s[1], "x", 1) == 1);
		for (int i = 0; i < 2000 && !got; i++) msleep(1);
		CHECK_EQ(got, SIGIO);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	CHECK_EQ(got, 0);
}

MAIN()
