#include "seccomp.h"

struct target {
	pid_t pid;
	int listener;
};

static void send_fd(int s, int fd) {
	char c = 'x', cb[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = sizeof cb};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
	CHECK_EQ(sendmsg(s, &m, 0), 1);
}

static int take_fd(int s) {
	char c, cb[CMSG_SPACE(sizeof(int))];
	int fd = -1;
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = sizeof cb};
	CHECK_EQ(recvmsg(s, &m, 0), 1);
	CHECK(CMSG_FIRSTHDR(&m) != NULL);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

// target starts a child that runs fn; its calls of nr are to be answered by the caller, who has the listener alone.
static struct target target(unsigned flags, int nr, void (*fn)(void)) {
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	struct target t = {fork()};
	if (t.pid == 0) {
		close(s[0]);
		long l = filtered(flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, nr, SECCOMP_RET_USER_NOTIF);
		CHECK(l > 0);
		send_fd(s[1], l);
		close(s[1]);
		close(l);
		fn();
		_exit(7);
	}
	close(s[1]);
	t.listener = take_fd(s[0]);
	close(s[0]);
	return t;
}

static struct seccomp_notif receive(int l) {
	struct seccomp_notif n = {0};
	CHECK_EQ(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n), 0);
	return n;
}

static int answer(int l, uint64_t id, int64_t val, int error, unsigned flags) {
	struct seccomp_notif_resp r = {.id = id, .val = val, .error = error, .flags = flags};
	return ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

static int ready(int l) {
	struct pollfd p = {l, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM, 0};
	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static int await_ready(int l, int events) {
	struct pollfd p = {l, events, 0};
	CHECK(poll(&p, 1, 5000) >= 0);
	return p.revents;
}

// call_1000 exits with the call's result, or 100 and its errno.
static void call_1000(void) {
	errno = 0;
	long r = syscall(1000, 1, 2, 3, 4, 5, 6);
	_exit(r < 0 ? 100 + errno : r);
}

CASE(a_supervisor_answers_a_call) {
	struct target t = target(0, 1000, call_1000);
	struct seccomp_notif n = receive(t.listener);
	CHECK_EQ(answer(t.listener, n.id, 42, 0, 0), 0);
	CHECK_CHILD(t.pid, 42);
	t = target(0, 1000, call_1000);
	n = receive(t.listener);
	CHECK_EQ(answer(t.listener, n.id, 42, -EDOM, 0), 0);
	CHECK_CHILD(t.pid, 100 + EDOM);
}

CASE(a_notification_tells_of_the_call) {
	struct target t = target(0, 1000, call_1000);
	struct seccomp_notif n = receive(t.listener);
	CHECK_EQ(n.pid, t.pid);
	CHECK_EQ(n.flags, 0);
	CHECK_EQ(n.data.nr, 1000);
	CHECK_EQ(n.data.arch, AUDIT_ARCH_X86_64);
	CHECK(n.data.instruction_pointer != 0);
	for (int i = 0; i < 6; i++) CHECK_EQ(n.data.args[i], i + 1);
	CHECK_EQ(answer(t.listener, n.id, 0, 0, 0), 0);
	CHECK_CHILD(t.pid, 0);
}

static void call_512(void) {
	CHECK_ERRNO(syscall(1000), 512);
	CHECK_EQ(syscall(1000), 77);
	_exit(7);
}

CASE(answers_are_taken_literally) {
	struct target t = target(0, 1000, call_512);
	CHECK_EQ(answer(t.listener, receive(t.listener).id, 0, -512, 0), 0);
	CHECK_EQ(answer(t.listener, receive(t.listener).id, 5, 77, 0), 0); // an error that is none
	CHECK_CHILD(t.pid, 7);
}

CASE(receiving_wants_a_zeroed_struct) {
	struct target t = target(0, 1000, call_1000);
	struct seccomp_notif n = {.flags = 1};
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, &n), EINVAL);
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, (void *)8), EFAULT);
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, NULL), EFAULT);
	CHECK_EQ(answer(t.listener, receive(t.listener).id, 5, 0, 0), 0);
	CHECK_CHILD(t.pid, 5);
}

static void call_mkdir(void) { _exit(syscall(__NR_mkdir, "d", 0777) ? 100 + errno : 7); }

CASE(the_call_is_made_if_the_supervisor_says_so) {
	struct target t = target(0, __NR_mkdir, call_mkdir);
	struct seccomp_notif n = receive(t.listener);
	CHECK_ERRNO(access("d", F_OK), ENOENT);
	CHECK_ERRNO(answer(t.listener, n.id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), EINVAL);
	CHECK_ERRNO(answer(t.listener, n.id, 0, -1, SECCOMP_USER_NOTIF_FLAG_CONTINUE), EINVAL);
	CHECK_ERRNO(answer(t.listener, n.id, 0, 0, 2), EINVAL);
	CHECK_EQ(answer(t.listener, n.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), 0);
	CHECK_CHILD(t.pid, 7);
	CHECK_EQ(access("d", F_OK), 0);
}

static void stop_after_call(void) {
	syscall(1000);
	pause();
}

CASE(an_id_is_valid_while_the_target_waits) {
	struct target t = target(0, 1000, stop_after_call);
	uint64_t id = 12345;
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), ENOENT);
	CHECK_ERRNO(answer(t.listener, id, 0, 0, 0), ENOENT);
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, (void *)8), EFAULT);
	struct seccomp_notif n = receive(t.listener);
	id = n.id;
	CHECK_EQ(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), 0);
	CHECK_EQ(answer(t.listener, id, 0, 0, 0), 0);
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), ENOENT);
	msleep(50);
	CHECK_ERRNO(answer(t.listener, id, 0, 0, 0), ENOENT);
	kill(t.pid, SIGKILL);
	waitpid(t.pid, NULL, 0);
}

CASE(the_listener_polls) {
	struct target t = target(0, 1000, call_1000);
	CHECK_EQ(await_ready(t.listener, POLLIN), POLLIN);
	CHECK_EQ(ready(t.listener), POLLIN | POLLRDNORM);
	struct seccomp_notif n = receive(t.listener);
	CHECK_EQ(ready(t.listener), POLLOUT | POLLWRNORM);
	CHECK_EQ(answer(t.listener, n.id, 3, 0, 0), 0);
	CHECK_CHILD(t.pid, 3);
	CHECK_EQ(await_ready(t.listener, 0), POLLHUP); // nobody has the filter any more
}

static void fork_after(void) {
	if (fork() == 0) {
		msleep(200);
		_exit(0);
	}
	_exit(7);
}

CASE(the_listener_hangs_up_with_the_last_user) {
	struct target t = target(0, 1000, fork_after);
	CHECK_CHILD(t.pid, 7);
	CHECK_EQ(ready(t.listener), 0);
	CHECK_EQ(await_ready(t.listener, 0), POLLHUP);
	struct seccomp_notif n = {0};
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, &n), ENOENT);
}

static void exit_soon(void) {
	msleep(100);
	_exit(7);
}

CASE(receiving_ends_with_the_last_user) {
	struct target t = target(0, 1000, exit_soon);
	struct seccomp_notif n = {0};
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, &n), ENOENT);
	CHECK_CHILD(t.pid, 7);
}

static void call_twice(void) {
	CHECK_ERRNO(syscall(1000), ENOSYS);
	CHECK_ERRNO(syscall(1000), ENOSYS);
	_exit(7);
}

CASE(a_closed_listener_answers_ENOSYS) {
	struct target t = target(0, 1000, call_twice);
	CHECK_EQ(await_ready(t.listener, POLLIN), POLLIN);
	close(t.listener);
	CHECK_CHILD(t.pid, 7);
	t = target(0, 1000, call_twice);
	receive(t.listener);
	close(t.listener);
	CHECK_CHILD(t.pid, 7);
}

static void call_interrupted(void) {
	struct sigaction sa = {.sa_handler = ignore_handler}; // no SA_RESTART
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	CHECK_ERRNO(syscall(1000), EINTR);
	_exit(7);
}

CASE(a_signal_interrupts_the_target) {
	struct target t = target(0, 1000, call_interrupted);
	struct seccomp_notif n = receive(t.listener);
	kill(t.pid, SIGUSR1);
	CHECK_CHILD(t.pid, 7);
	uint64_t id = n.id;
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), ENOENT);
	CHECK_ERRNO(answer(t.listener, id, 0, 0, 0), ENOENT);
}

static void call_restarted(void) {
	signal(SIGUSR1, ignore_handler);
	call_1000();
}

CASE(a_restarted_call_notifies_again) {
	struct target t = target(0, 1000, call_restarted);
	struct seccomp_notif n = receive(t.listener);
	kill(t.pid, SIGUSR1);
	struct seccomp_notif again = receive(t.listener);
	CHECK(n.id != again.id);
	CHECK_ERRNO(answer(t.listener, n.id, 1, 0, 0), ENOENT);
	CHECK_EQ(answer(t.listener, again.id, 2, 0, 0), 0);
	CHECK_CHILD(t.pid, 2);
}

static void call_interrupted_and_stay(void) {
	struct sigaction sa = {.sa_handler = ignore_handler}; // no SA_RESTART
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	CHECK_ERRNO(syscall(1000), EINTR);
	call_1000();
}

CASE(a_notification_that_is_over_gives_ENOENT_once) {
	struct target t = target(0, 1000, call_interrupted_and_stay);
	CHECK_EQ(await_ready(t.listener, POLLIN), POLLIN);
	kill(t.pid, SIGUSR1);
	msleep(100);
	struct seccomp_notif n = receive(t.listener);
	CHECK_EQ(answer(t.listener, n.id, 6, 0, 0), 0);
	CHECK_CHILD(t.pid, 6);
	n = (struct seccomp_notif){0};
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, &n), ENOENT);
}

CASE(a_killed_target_is_gone) {
	struct target t = target(0, 1000, call_1000);
	struct seccomp_notif n = receive(t.listener);
	kill(t.pid, SIGKILL);
	wants_signal(t.pid, SIGKILL);
	CHECK_ERRNO(answer(t.listener, n.id, 0, 0, 0), ENOENT);
	CHECK_EQ(ready(t.listener), POLLHUP);
}

CASE(a_received_call_can_be_made_deaf_to_signals) {
	struct target t = target(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 1000, call_restarted);
	struct seccomp_notif n = receive(t.listener);
	kill(t.pid, SIGUSR1);
	msleep(50);
	uint64_t id = n.id;
	CHECK_EQ(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), 0);
	CHECK_EQ(answer(t.listener, n.id, 9, 0, 0), 0);
	CHECK_CHILD(t.pid, 9);

	t = target(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 1000, call_interrupted);
	CHECK_EQ(await_ready(t.listener, POLLIN), POLLIN); // nobody has received it
	kill(t.pid, SIGUSR1);
	CHECK_CHILD(t.pid, 7);

	t = target(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 1000, call_1000);
	receive(t.listener);
	kill(t.pid, SIGKILL);
	wants_signal(t.pid, SIGKILL);
}

CASE(one_listener_for_a_chain) {
	long l = filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER, 1000, SECCOMP_RET_USER_NOTIF);
	CHECK(l > 0);
	CHECK_ERRNO(filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER, 1001, SECCOMP_RET_USER_NOTIF), EBUSY);
	CHECK_EQ(filtered(0, 1002, ERR(1)), 0);
	close(l);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER, 1001, SECCOMP_RET_USER_NOTIF), l);
	CHECK_EQ(status_field(getpid(), "Seccomp_filters"), 3);
}

CASE(the_listener_is_closed_on_exec) {
	long l = filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER, 1000, SECCOMP_RET_USER_NOTIF);
	char path[64], name[64] = "";
	CHECK_EQ(fcntl(l, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(l, F_GETFL) & O_ACCMODE, O_RDWR);
	snprintf(path, sizeof path, "/proc/self/fd/%ld", l);
	CHECK(readlink(path, name, sizeof name - 1) > 0);
	CHECK(!strcmp(name, "anon_inode:seccomp notify"));
	char b[8];
	CHECK_ERRNO(read(l, b, 8), EINVAL);
}

CASE(there_must_be_room_for_the_listener) {
	struct rlimit r = {3, 100};
	for (int fd = 3; fd < 20; fd++) close(fd);
	CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
	CHECK_ERRNO(filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER, 1000, SECCOMP_RET_USER_NOTIF), EMFILE);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
}

CASE(requests_that_a_listener_does_not_know) {
	struct target t = target(0, 1000, call_1000);
	CHECK_ERRNO(ioctl(t.listener, _IO('!', 77), 0), EINVAL);
	CHECK_ERRNO(ioctl(t.listener, 0x5413, 0), EINVAL);
	CHECK_ERRNO(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 2), EINVAL);
	CHECK_EQ(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1), 0);
	CHECK_EQ(ioctl(t.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 0), 0);
	CHECK_EQ(answer(t.listener, receive(t.listener).id, 1, 0, 0), 0);
	CHECK_CHILD(t.pid, 1);
}

static int ask_addfd(int l, uint64_t id, int src, int dst, unsigned flags, unsigned fdflags) {
	struct seccomp_notif_addfd a = {.id = id, .flags = flags, .srcfd = src, .newfd = dst, .newfd_flags = fdflags};
	return ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
}

// use_fd writes to the descriptor that the call gave.
static void use_fd(void) {
	long fd = syscall(1000);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "hello", 5), 5);
	_exit(fcntl(fd, F_GETFD) + 7);
}

CASE(a_supervisor_gives_the_target_a_file) {
	int fd[2];
	char b[6] = "";
	CHECK(pipe(fd) == 0);
	struct target t = target(0, 1000, use_fd);
	struct seccomp_notif n = receive(t.listener);
	int got = ask_addfd(t.listener, n.id, fd[1], 0, 0, 0);
	CHECK(got > 0);
	CHECK_EQ(answer(t.listener, n.id, got, 0, 0), 0);
	CHECK_CHILD(t.pid, 7);
	CHECK_EQ(read(fd[0], b, 5), 5);

	// At a place of its choice, to be closed on exec.
	t = target(0, 1000, use_fd);
	n = receive(t.listener);
	CHECK_EQ(ask_addfd(t.listener, n.id, fd[1], 55, SECCOMP_ADDFD_FLAG_SETFD, O_CLOEXEC), 55);
	CHECK_EQ(answer(t.listener, n.id, 55, 0, 0), 0);
	CHECK_CHILD(t.pid, 8);
	CHECK_EQ(read(fd[0], b, 5), 5);
}

CASE(a_file_can_be_the_answer) {
	int fd[2];
	char b[6] = "";
	CHECK(pipe(fd) == 0);
	struct target t = target(0, 1000, use_fd);
	struct seccomp_notif n = receive(t.listener);
	CHECK(ask_addfd(t.listener, n.id, fd[1], 0, SECCOMP_ADDFD_FLAG_SEND, 0) > 0);
	CHECK_CHILD(t.pid, 7);
	CHECK_EQ(read(fd[0], b, 5), 5);
	CHECK_ERRNO(answer(t.listener, n.id, 0, 0, 0), ENOENT);
}

static void use_replaced(void) {
	CHECK_EQ(syscall(1000), 0);
	CHECK_EQ(write(2, "hello", 5), 5);
	_exit(7);
}

CASE(a_file_can_replace_one_of_the_target) {
	int fd[2];
	char b[6] = "";
	CHECK(pipe(fd) == 0);
	struct target t = target(0, 1000, use_replaced);
	struct seccomp_notif n = receive(t.listener);
	CHECK_EQ(ask_addfd(t.listener, n.id, fd[1], 2, SECCOMP_ADDFD_FLAG_SETFD, 0), 2);
	CHECK_EQ(answer(t.listener, n.id, 0, 0, 0), 0);
	CHECK_CHILD(t.pid, 7);
	CHECK_EQ(read(fd[0], b, 5), 5);
}

static void few_files(void) {
	struct rlimit r = {3, 100};
	CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
	for (int fd = 3; fd < 50; fd++) close(fd);
	call_1000();
}

CASE(giving_a_file_fails) {
	struct target t = target(0, 1000, few_files);
	struct seccomp_notif n = receive(t.listener);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 0, 4, 0), EINVAL);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 0, 0, O_APPEND), EINVAL);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 5, 0, 0), EINVAL);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 999, 0, 0, 0), EBADF);
	CHECK_ERRNO(ask_addfd(t.listener, n.id + 1000, 0, 0, 0, 0), ENOENT);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 0, 0, 0), EMFILE);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 30, SECCOMP_ADDFD_FLAG_SETFD, 0), EBADF);
	CHECK_ERRNO(ask_addfd(t.listener, n.id, 0, 0, SECCOMP_ADDFD_FLAG_SEND, 0), EMFILE);
	CHECK_EQ(answer(t.listener, n.id, 8, 0, 0), 0); // it still waits
	CHECK_CHILD(t.pid, 8);
}

CASE(the_size_of_addfd_may_grow) {
	struct target t = target(0, 1000, call_1000);
	struct seccomp_notif n = receive(t.listener);
	struct {
		struct seccomp_notif_addfd a;
		uint64_t more[2];
	} big = {{.id = n.id, .srcfd = 0, .newfd = 0}, {0, 0}};
	unsigned sized(int size) { return _IOC(_IOC_WRITE, '!', 3, size); }
	CHECK(ioctl(t.listener, sized(40), &big) > 0);
	big.more[1] = 1;
	CHECK_ERRNO(ioctl(t.listener, sized(40), &big), E2BIG);
	CHECK(ioctl(t.listener, sized(32), &big) > 0);
	CHECK_ERRNO(ioctl(t.listener, sized(23), &big), EINVAL);
	CHECK_ERRNO(ioctl(t.listener, sized(4096), &big), EINVAL);
	CHECK_ERRNO(ioctl(t.listener, sized(24), (void *)8), EFAULT);
	CHECK_EQ(answer(t.listener, n.id, 8, 0, 0), 0);
	CHECK_CHILD(t.pid, 8);
}

static void many_calls(void) {
	for (int i = 0; i < 300; i++) CHECK_EQ(syscall(1000, i), 2 * i);
	_exit(7);
}

CASE(many_calls_are_answered) {
	struct target t = target(0, 1000, many_calls);
	for (int i = 0; i < 300; i++) {
		struct seccomp_notif n = receive(t.listener);
		CHECK_EQ(answer(t.listener, n.id, 2 * n.data.args[0], 0, 0), 0);
	}
	CHECK_CHILD(t.pid, 7);
}

static void calls_among_signals(void) {
	struct sigaction sa = {.sa_handler = ignore_handler, .sa_flags = SA_RESTART};
	struct itimerval it = {{0, 5000}, {0, 5000}};
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
	for (int i = 0; i < 200; i++) CHECK_EQ(syscall(1000, i), 2 * i);
	_exit(7);
}

CASE(signals_do_not_confuse_target_and_supervisor) {
	for (int deaf = 0; deaf < 2; deaf++) {
		struct target t = target(deaf ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0, 1000, calls_among_signals);
		int st, i = 0;
		for (; waitpid(t.pid, &st, WNOHANG) == 0; i++) {
			struct seccomp_notif n = {0};
			int r = ioctl(t.listener, SECCOMP_IOCTL_NOTIF_RECV, &n);
			int gone = r != 0 && errno == ENOENT;
			if (i % 16 == 0) msleep(6);
			if (r == 0) {
				r = answer(t.listener, n.id, 2 * n.data.args[0], 0, 0);
				gone = !deaf && errno == ENOENT;
			}
			CHECK(r == 0 || gone);
		}
		CHECK_EQ(st, 7 << 8);
		close(t.listener);
	}
}

static void *thread_calls(void *arg) {
	for (long i = 0; i < 100; i++) CHECK_EQ(syscall(1000, (long)arg + i), (long)arg + i + 1);
	return NULL;
}

static void many_threads(void) {
	pthread_t t[4];
	for (long i = 0; i < 4; i++) CHECK(pthread_create(&t[i], NULL, thread_calls, (void *)(i * 1000)) == 0);
	for (int i = 0; i < 4; i++) CHECK(pthread_join(t[i], NULL) == 0);
	_exit(7);
}

CASE(threads_wait_for_one_supervisor) {
	struct target t = target(0, 1000, many_threads);
	for (int i = 0; i < 400; i++) {
		struct seccomp_notif n = receive(t.listener);
		CHECK_EQ(answer(t.listener, n.id, n.data.args[0] + 1, 0, 0), 0);
	}
	CHECK_CHILD(t.pid, 7);
}

MAIN()
