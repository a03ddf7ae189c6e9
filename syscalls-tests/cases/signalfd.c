#include "case.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

static sigset_t block(int a, int b) {
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, a);
	if (b) sigaddset(&s, b);
	CHECK(sigprocmask(SIG_BLOCK, &s, 0) == 0);
	return s;
}

CASE(signalfd_reads_several_at_once) {
	sigset_t s = block(SIGUSR1, SIGUSR2);
	int fd = signalfd(-1, &s, SFD_NONBLOCK);
	struct signalfd_siginfo si[4];
	CHECK_ERRNO(read(fd, si, sizeof si), EAGAIN);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(read(fd, si, sizeof si), 2 * sizeof si[0]);
	CHECK_EQ(si[0].ssi_signo, SIGUSR1);
	CHECK_EQ(si[1].ssi_signo, SIGUSR2);
	CHECK_EQ(si[0].ssi_pid, getpid());
	CHECK_EQ(si[0].ssi_code, SI_USER);
	CHECK_ERRNO(read(fd, si, sizeof si), EAGAIN);
}

CASE(signalfd_gives_only_what_fits) {
	sigset_t s = block(SIGRTMIN, 0);
	int fd = signalfd(-1, &s, SFD_NONBLOCK);
	struct signalfd_siginfo si[2];
	union sigval v = {.sival_int = 11};
	for (; v.sival_int < 14; v.sival_int++) sigqueue(getpid(), SIGRTMIN, v);
	CHECK_ERRNO(read(fd, si, sizeof si[0] - 1), EINVAL);
	CHECK_EQ(read(fd, si, sizeof si), sizeof si);
	CHECK_EQ(si[0].ssi_int, 11);
	CHECK_EQ(si[1].ssi_int, 12);
	CHECK_EQ(si[1].ssi_code, SI_QUEUE);
	CHECK_EQ(read(fd, si, sizeof si), sizeof si[0]);
	CHECK_EQ(si[0].ssi_int, 13);
}

CASE(signalfd_polls_readable_while_a_signal_is_pending) {
	sigset_t s = block(SIGUSR1, SIGUSR2);
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	int fd = signalfd(-1, &one, 0);
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 0), 0);
	kill(getpid(), SIGUSR2);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(signalfd(fd, &s, 0), fd);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	struct signalfd_siginfo si;
	CHECK_EQ(read(fd, &si, sizeof si), sizeof si);
	CHECK_EQ(si.ssi_signo, SIGUSR2);
	CHECK_EQ(poll(&p, 1, 0), 0);
}

CASE(signalfd_waits_for_a_child) {
	sigset_t s = block(SIGCHLD, 0);
	int fd = signalfd(-1, &s, SFD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		_exit(3);
	}
	struct signalfd_siginfo si;
	CHECK_EQ(read(fd, &si, sizeof si), sizeof si);
	CHECK_EQ(si.ssi_signo, SIGCHLD);
	CHECK_EQ(si.ssi_pid, pid);
	CHECK_EQ(si.ssi_status, 3);
	CHECK_EQ(si.ssi_code, CLD_EXITED);
	CHECK_EQ(waitpid(pid, 0, 0), pid);
}

CASE(signalfd_belongs_to_the_reader_after_fork) {
	sigset_t s = block(SIGUSR1, 0);
	int fd = signalfd(-1, &s, SFD_NONBLOCK);
	kill(getpid(), SIGUSR1);
	pid_t pid = fork();
	if (pid == 0) {
		struct signalfd_siginfo si;
		struct pollfd p = {fd, POLLIN, 0};
		CHECK_EQ(poll(&p, 1, 0), 0);
		CHECK_ERRNO(read(fd, &si, sizeof si), EAGAIN);
		kill(getpid(), SIGUSR1);
		CHECK_EQ(poll(&p, 1, 0), 1);
		CHECK_EQ(read(fd, &si, sizeof si), sizeof si);
		CHECK_EQ(si.ssi_pid, getpid());
		_exit(0);
	}
	int st;
	CHECK_EQ(waitpid(pid, &st, 0), pid);
	CHECK_EQ(st, 0);
	struct pollfd p = {fd, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
}

CASE(signalfd_wakes_epoll) {
	sigset_t s = block(SIGUSR1, 0);
	int fd = signalfd(-1, &s, SFD_NONBLOCK), ep = epoll_create1(0), outer = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 5}, got;
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	CHECK(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &ev) == 0);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
	pid_t me = getpid(), pid = fork();
	if (pid == 0) {
		usleep(20000);
		kill(me, SIGUSR1);
		_exit(0);
	}
	CHECK_EQ(epoll_wait(outer, &got, 1, 5000), 1);
	CHECK_EQ(epoll_wait(ep, &got, 1, 5000), 1);
	CHECK_EQ(got.data.u32, 5);
	struct signalfd_siginfo si;
	CHECK_EQ(read(fd, &si, sizeof si), sizeof si);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
	CHECK_EQ(waitpid(pid, 0, 0), pid);
}

static void *send_to_self(void *fd) {
	struct pollfd p = {*(int *)fd, POLLIN, 0};
	pthread_kill(pthread_self(), SIGUSR1);
	return (void *)(long)poll(&p, 1, 0);
}

CASE(signalfd_of_a_thread_sees_its_own_signals) {
	sigset_t s = block(SIGUSR1, 0);
	int fd = signalfd(-1, &s, SFD_NONBLOCK);
	pthread_t t;
	void *r;
	CHECK(pthread_create(&t, 0, send_to_self, &fd) == 0);
	CHECK(pthread_join(t, &r) == 0);
	CHECK_EQ((long)r, 1);
	struct pollfd p = {fd, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 0);
}

CASE(signalfd_refuses) {
	sigset_t s;
	sigemptyset(&s);
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(signalfd(p[0], &s, 0), EINVAL);
	CHECK_ERRNO(signalfd(99, &s, 0), EBADF);
	CHECK_ERRNO(signalfd(-1, &s, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_signalfd4, -1, &s, 4, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_signalfd4, -1, 8, 8, 0), EFAULT);
	int fd = signalfd(-1, &s, 0);
	CHECK_ERRNO(write(fd, p, 8), EINVAL);
}

CASE(memfd_create_names_and_flags) {
	char name[300];
	memset(name, 'x', sizeof name);
	name[250] = 0;
	CHECK_ERRNO(memfd_create(name, 0), EINVAL);
	name[249] = 0;
	int fd = memfd_create(name, MFD_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(memfd_create("x", 0x100), EINVAL);
	CHECK_ERRNO(memfd_create("x", 0x8 | 0x10), EINVAL);
	CHECK_ERRNO(memfd_create((char *)8, 0), EFAULT);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0777);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
}

CASE(memfd_noexec_seal) {
	int fd = memfd_create("n", 0x8);
	if (fd < 0 && errno == EINVAL) return; // before Linux 6.3
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0666);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0x20);
	CHECK_ERRNO(fchmod(fd, 0777), EPERM);
	CHECK(fchmod(fd, 0600) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
}

MAIN()
