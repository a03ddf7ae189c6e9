#include "uffd.h"
#include <setjmp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/uio.h>

static sigjmp_buf env;
static siginfo_t caught;
static void jump(int sig, siginfo_t *si, void *uc) {
	(void)sig, (void)uc;
	caught = *si;
	siglongjmp(env, 1);
}

// probe touches one byte and returns 0, or the signal that it caused.
static int probe(volatile char *p, int write) {
	struct sigaction sa = {0};
	sa.sa_sigaction = jump;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	if (sigsetjmp(env, 1)) return caught.si_signo;
	if (write) *p = 1;
	else (void)*p;
	return 0;
}

CASE(userfaultfd_refuses_unknown_flags) {
	CHECK_ERRNO(syscall(SYS_userfaultfd, 0x40), EINVAL);
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL), O_NONBLOCK);
	char b[64] = {0}, name[64];
	sprintf(name, "/proc/self/fd/%d", fd);
	CHECK(readlink(name, b, 63) > 0);
	CHECK(!strcmp(b, "anon_inode:[userfaultfd]"));
}

CASE(UFFDIO_API_comes_first_and_once) {
	int fd = syscall(SYS_userfaultfd, O_NONBLOCK);
	struct uffd_msg m;
	struct pollfd p = {fd, POLLIN, 0};
	char *a = anon(1);
	CHECK_ERRNO(read(fd, &m, sizeof m), EINVAL);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLERR);
	CHECK_ERRNO(reg(fd, a, PG, MISSING), EINVAL);
	struct uffdio_api api = {.api = 1};
	CHECK_ERRNO(ioctl(fd, UFFDIO_API, &api), EINVAL);
	api = (struct uffdio_api){.api = UFFD_API, .features = 1ULL << 40};
	CHECK_ERRNO(ioctl(fd, UFFDIO_API, &api), EINVAL);
	CHECK_EQ(api.api, 0);
	CHECK_EQ(api.features, 0);
	api = (struct uffdio_api){.api = UFFD_API};
	CHECK_EQ(ioctl(fd, UFFDIO_API, &api), 0);
	CHECK_EQ(api.api, UFFD_API);
	uint64_t want = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE |
		UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_SIGBUS | UFFD_FEATURE_THREAD_ID |
		UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_EXACT_ADDRESS | UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_UNPOPULATED |
		UFFD_FEATURE_POISON | UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_MOVE;
	CHECK_EQ(api.features & want, want);
	CHECK_EQ(api.ioctls, UFFD_API_IOCTLS);
	CHECK_ERRNO(ioctl(fd, UFFDIO_API, &api), EINVAL);
	CHECK_ERRNO(read(fd, &m, sizeof m), EAGAIN);
	CHECK_ERRNO(read(fd, &m, sizeof m - 1), EINVAL);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_ERRNO(write(fd, &m, sizeof m), EBADF);
	CHECK_ERRNO(ioctl(fd, FIONREAD, &m), EINVAL);
	CHECK_ERRNO(ioctl(fd, UFFDIO_API, (void *)8), EFAULT);
}

CASE(a_blocking_userfaultfd_polls_as_an_error) {
	struct pollfd p = {uffd_open(0, 0), POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLERR);
}

CASE(UFFDIO_REGISTER_checks_its_range) {
	int fd = uffd_open(0, 0), ro = open("f", O_CREAT | O_RDWR, 0600);
	CHECK_EQ(ftruncate(ro, PG), 0);
	char *p = anon(4), *f = mmap(0, PG, RW, MAP_SHARED, ro, 0);
	CHECK_ERRNO(reg(fd, p, PG, 0), EINVAL);
	CHECK_ERRNO(reg(fd, p, PG, 8), EINVAL);
	CHECK_ERRNO(reg(fd, p, 0, MISSING), EINVAL);
	CHECK_ERRNO(reg(fd, p + 1, PG, MISSING), EINVAL);
	CHECK_ERRNO(reg(fd, p, PG + 1, MISSING), EINVAL);
	CHECK_ERRNO(reg(fd, 0, PG, MISSING), EINVAL);
	CHECK_ERRNO(reg(fd, (void *)-PG, PG, MISSING), EINVAL);
	CHECK_ERRNO(reg(fd, p, PG, MINOR), EINVAL);
	munmap(p, PG);
	CHECK_ERRNO(reg(fd, p, PG, MISSING), EINVAL);
	CHECK_EQ(reg(fd, p, 4 * PG, MISSING), 0); // a hole in front does no harm
	CHECK_EQ(reg(fd, p, 4 * PG, MISSING), 0);
	CHECK_ERRNO(reg(uffd_open(0, 0), p, 4 * PG, MISSING), EBUSY);
	CHECK_EQ(range(fd, UFFDIO_UNREGISTER, p + PG, PG), 0);
	CHECK_EQ(reg(uffd_open(0, 0), p + PG, PG, MISSING), 0);
	(void)f;
}

CASE(UFFDIO_REGISTER_says_what_can_be_done) {
	int fd = uffd_open(0, 0), m;
	char *p = anon(1), *s = shm(1, &m);
	struct uffdio_register r = {{u64(p), PG}, MISSING, 0};
	CHECK_EQ(ioctl(fd, UFFDIO_REGISTER, &r), 0);
	CHECK_EQ(r.ioctls, 0x13c);
	r = (struct uffdio_register){{u64(p), PG}, MISSING | WP, 0};
	CHECK_EQ(ioctl(fd, UFFDIO_REGISTER, &r), 0);
	CHECK_EQ(r.ioctls, 0x17c);
	r = (struct uffdio_register){{u64(s), PG}, MISSING | WP | MINOR, 0};
	CHECK_EQ(ioctl(fd, UFFDIO_REGISTER, &r), 0);
	CHECK_EQ(r.ioctls, 0x1fc);
}

CASE(memory_that_can_never_be_written_is_not_registered) {
	int w = open("/dev/shm/uffd-ro", O_CREAT | O_RDWR, 0600);
	CHECK(w >= 0 && ftruncate(w, PG) == 0);
	int fd = uffd_open(0, 0), ro = open("/dev/shm/uffd-ro", O_RDONLY);
	unlink("/dev/shm/uffd-ro");
	char *p = mmap(0, PG, PROT_READ, MAP_SHARED, ro, 0);
	CHECK(p != MAP_FAILED);
	CHECK_ERRNO(reg(fd, p, PG, MISSING), EPERM);
	CHECK_EQ(reg(fd, mmap(0, PG, PROT_READ, MAP_PRIVATE, ro, 0), PG, MISSING), 0);
}

CASE(a_missing_page_is_filled_by_UFFDIO_COPY) {
	int fd = uffd_open(0, 0);
	char *p = anon(4);
	CHECK_EQ(reg(fd, p, 4 * PG, MISSING), 0);
	struct toucher t;
	touch(&t, p + PG + 5, 0);
	struct uffd_msg m = fault_at(fd, p + PG);
	CHECK_EQ(m.arg.pagefault.flags, 0);
	CHECK(!t.done);
	CHECK_EQ(fill(fd, p + PG, page_a, PG, 0), 0);
	CHECK_EQ(touched(&t), 'a');
	touch(&t, p, 'w');
	m = fault_at(fd, p);
	CHECK_EQ(m.arg.pagefault.flags, UFFD_PAGEFAULT_FLAG_WRITE);
	CHECK_EQ(fill(fd, p, page_b, PG, 0), 0);
	CHECK_EQ(touched(&t), 'w');
	CHECK_EQ(p[1], 'b');
}

CASE(UFFDIO_ZEROPAGE_fills_with_zeros) {
	int fd = uffd_open(0, 0);
	char *p = anon(2);
	CHECK_EQ(reg(fd, p, 2 * PG, MISSING), 0);
	struct toucher t;
	touch(&t, p + 5, 0);
	fault_at(fd, p);
	CHECK_EQ(zeropage(fd, p, 2 * PG), 0);
	CHECK_EQ(touched(&t), 0);
	p[PG] = 1;
	CHECK_EQ(p[PG], 1);
}

CASE(only_untouched_pages_are_missing) {
	int fd = uffd_open(0, 0);
	char *p = anon(64);
	p[0] = 1;
	p[20 * PG] = 2;
	CHECK_EQ(reg(fd, p, 64 * PG, MISSING), 0);
	struct filler f;
	filler_start(&f, fd, 'm');
	CHECK_EQ(p[0], 1);
	CHECK_EQ(p[20 * PG], 2);
	CHECK_EQ(p[PG], 'm');
	CHECK_EQ(p[19 * PG], 'm');
	CHECK_EQ(p[63 * PG], 'm');
	CHECK_EQ(f.faults, 3);
}

CASE(dropped_pages_are_missing_again) {
	int fd = uffd_open(0, 0);
	char *p = anon(8);
	memset(p, 1, 8 * PG);
	CHECK_EQ(reg(fd, p, 8 * PG, MISSING), 0);
	struct filler f;
	filler_start(&f, fd, 'm');
	CHECK_EQ(p[PG], 1);
	CHECK_EQ(madvise(p + PG, PG, MADV_DONTNEED), 0);
	CHECK_EQ(p[PG], 'm');
	CHECK_EQ(p[2 * PG], 1);
	CHECK_EQ(f.faults, 1);
}

CASE(UFFDIO_COPY_errors) {
	int fd = uffd_open(0, 0);
	char *p = anon(4), *other = anon(1);
	CHECK_ERRNO(fill(fd, p, page_a, PG, 0), ENOENT);
	CHECK_EQ(reg(fd, p, 3 * PG, MISSING), 0);
	CHECK_ERRNO(fill(fd, p + 1, page_a, PG, 0), EINVAL);
	CHECK_ERRNO(fill(fd, p, page_a, 0, 0), EINVAL);
	CHECK_ERRNO(fill(fd, p, page_a, PG, 4), EINVAL);
	CHECK_ERRNO(fill(fd, p, page_a, PG, UFFDIO_COPY_MODE_WP), EINVAL);
	CHECK_ERRNO(fill(fd, p + 2 * PG, p, 2 * PG, 0), ENOENT);
	munmap(other, PG);
	struct uffdio_copy c = {u64(p), u64(other), PG, 0, 0};
	CHECK_ERRNO(ioctl(fd, UFFDIO_COPY, &c), EFAULT);
	CHECK_EQ(c.copy, -EFAULT);
	CHECK_EQ(fill(fd, p + PG, page_a, PG, 0), 0);
	c = (struct uffdio_copy){u64(p + PG), u64(page_a), PG, 0, 0};
	CHECK_ERRNO(ioctl(fd, UFFDIO_COPY, &c), EEXIST);
	CHECK_EQ(c.copy, -EEXIST);
	char *two = anon(2);
	memset(two, 't', 2 * PG);
	c = (struct uffdio_copy){u64(p), u64(two), 2 * PG, 0, 0};
	CHECK_ERRNO(ioctl(fd, UFFDIO_COPY, &c), EAGAIN); // the second page is there
	CHECK_EQ(c.copy, PG);
	CHECK_EQ(p[0], 't');
}

CASE(a_source_need_not_be_aligned) {
	int fd = uffd_open(0, 0);
	char *p = anon(1), *s = anon(2);
	memset(s, 's', 2 * PG);
	s[100] = 'S';
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	CHECK_EQ(fill(fd, p, s + 100, PG, 0), 0);
	CHECK_EQ(p[0], 'S');
	CHECK_EQ(p[PG - 1], 's');
}

CASE(DONTWAKE_lets_sleep_until_UFFDIO_WAKE) {
	int fd = uffd_open(O_NONBLOCK, 0);
	char *p = anon(1);
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	struct toucher t;
	touch(&t, p, 0);
	fault_at(fd, p);
	CHECK_EQ(fill(fd, p, page_a, PG, UFFDIO_COPY_MODE_DONTWAKE), 0);
	CHECK_EQ(p[0], 'a');
	msleep(20);
	CHECK(!t.done);
	CHECK_EQ(range(fd, UFFDIO_WAKE, p, PG), 0);
	CHECK_EQ(touched(&t), 'a');
	CHECK_ERRNO(range(fd, UFFDIO_WAKE, p + 1, PG), EINVAL);
}

CASE(UFFDIO_WAKE_alone_makes_the_fault_come_again) {
	int fd = uffd_open(0, 0);
	char *p = anon(1);
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	struct toucher t;
	touch(&t, p, 0);
	fault_at(fd, p);
	CHECK_EQ(range(fd, UFFDIO_WAKE, p, PG), 0);
	fault_at(fd, p);
	CHECK_EQ(zeropage(fd, p, PG), 0);
	CHECK_EQ(touched(&t), 0);
}

CASE(unregistering_and_closing_let_go) {
	int fd = uffd_open(0, 0);
	char *p = anon(2);
	CHECK_EQ(reg(fd, p, 2 * PG, MISSING), 0);
	struct toucher t, u;
	touch(&t, p, 0);
	fault_at(fd, p);
	CHECK_EQ(range(fd, UFFDIO_UNREGISTER, p, PG), 0);
	CHECK_EQ(touched(&t), 0);
	touch(&u, p + PG, 'x');
	fault_at(fd, p + PG);
	close(fd);
	CHECK_EQ(touched(&u), 'x');
}

CASE(a_signal_interrupts_the_wait_and_the_fault_comes_again) {
	int fd = uffd_open(0, 0);
	char *p = anon(1);
	struct sigaction sa = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &sa, 0);
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	pid_t me = getpid(), c = fork(); // the child's memory is not registered; the descriptor is ours
	if (c == 0) {
		fault_at(fd, p);
		kill(me, SIGUSR1);
		fault_at(fd, p);
		CHECK_EQ(fill(fd, p, page_a, PG, 0), 0);
		_exit(0);
	}
	volatile int times = 0;
	if (sigsetjmp(env, 1) == 0) (void)*(volatile char *)p;
	else times = 1;
	CHECK_EQ(times, 1);
	CHECK_EQ(p[0], 'a');
	CHECK_CHILD(c, 0);
}

CASE(a_waiting_thread_can_be_killed) {
	pid_t c = fork();
	if (c == 0) {
		int fd = uffd_open(0, 0), q[2];
		char *p = anon(1);
		CHECK_EQ(reg(fd, p, PG, MISSING), 0);
		struct toucher t;
		touch(&t, p, 0);
		fault_at(fd, p);
		CHECK_EQ(pipe(q), 0);
		CHECK_EQ(write(q[1], "x", 1), 1);
		pid_t d = fork();
		if (d == 0) _exit(0);
		CHECK_CHILD(d, 0);
		kill(getpid(), SIGKILL);
	}
	int st;
	CHECK_EQ(waitpid(c, &st, 0), c);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
}

CASE(a_system_call_waits_for_its_buffer) {
	int fd = uffd_open(0, 0), q[2];
	char *p = anon(8), b[PG];
	CHECK_EQ(reg(fd, p, 8 * PG, MISSING), 0);
	struct filler f;
	filler_start(&f, fd, 'k');
	CHECK_EQ(pipe(q), 0);
	CHECK_EQ(write(q[1], p, PG + 10), PG + 10); // two pages in
	CHECK_EQ(read(q[0], b, PG), PG);
	CHECK_EQ(b[0], 'k');
	CHECK_EQ(b[PG - 1], 'k');
	CHECK_EQ(read(q[0], p + 3 * PG - 5, 10), 10); // two pages out
	CHECK_EQ(p[3 * PG + 4], 'k');
	CHECK_EQ(p[3 * PG + 6], 'k');
	CHECK_EQ(f.faults, 4);
	struct timespec *ts = (void *)(p + 5 * PG);
	CHECK_EQ(clock_getres(CLOCK_MONOTONIC, ts), 0);
	CHECK_EQ(p[5 * PG + 100], 'k');
	int file = open("f", O_CREAT | O_RDWR, 0600);
	CHECK_EQ(write(file, p + 6 * PG, PG), PG);
	CHECK_EQ(pread(file, p + 7 * PG, PG, 0), PG);
	CHECK_EQ(p[7 * PG + 9], 'k');
}

CASE(a_peer_goes_on_while_a_socket_waits_for_its_buffer) {
	int fd = uffd_open(0, 0), l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	CHECK_EQ(bind(l, (void *)&a, n), 0);
	CHECK_EQ(listen(l, 1), 0);
	CHECK_EQ(getsockname(l, (void *)&a, &n), 0);
	CHECK_EQ(connect(s, (void *)&a, n), 0);
	int c = accept(l, 0, 0);
	char *p = anon(2), b[3 * PG];
	CHECK_EQ(reg(fd, p, 2 * PG, MISSING), 0);
	CHECK_EQ(write(c, "hello", 5), 5);
	pid_t child = fork();
	if (child == 0) {
		fault_at(fd, p); // the parent's read
		CHECK_EQ(write(c, "world", 5), 5);
		struct pollfd pf = {c, POLLIN | POLLOUT, 0};
		CHECK_EQ(poll(&pf, 1, 1000), 1);
		CHECK_EQ(pf.revents, POLLOUT);
		CHECK_EQ(zeropage(fd, p, PG), 0);
		fault_at(fd, p + PG); // its write
		CHECK_EQ(poll(&pf, 1, 0), 1);
		CHECK_EQ(pf.revents, POLLOUT);
		CHECK_EQ(fill(fd, p + PG, page_a, PG, 0), 0);
		_exit(0);
	}
	CHECK_EQ(recv(s, p, 5, 0), 5);
	CHECK(!memcmp(p, "hello", 5));
	CHECK_EQ(recv(s, p, PG, MSG_PEEK), 5);
	CHECK(!memcmp(p, "world", 5));
	CHECK_EQ(recv(s, p, 2, 0), 2);
	CHECK_EQ(recv(s, p, PG, 0), 3);
	CHECK(!memcmp(p, "rld", 3));
	CHECK_EQ(write(s, p + PG, PG), PG);
	CHECK_CHILD(child, 0);
	CHECK_EQ(recv(c, b, sizeof b, MSG_WAITALL | MSG_DONTWAIT), PG);
	CHECK_EQ(b[PG - 1], 'a');
}

CASE(futexes_wait_for_their_word) {
	int fd = uffd_open(0, 0);
	char *p = anon(3);
	CHECK_EQ(reg(fd, p, 3 * PG, MISSING), 0);
	struct filler f;
	filler_start(&f, fd, 0);
	CHECK_ERRNO(syscall(SYS_futex, p, 0 /* WAIT */, 7, 0, 0, 0), EAGAIN);
	CHECK_EQ(f.faults, 1);
	struct { uint64_t val, addr; uint32_t flags, reserved; } v = {7, u64(p + 2 * PG), 2 | 128, 0};
	CHECK_ERRNO(syscall(449 /* futex_waitv */, &v, 1, 0, 0, 0), EAGAIN);
	CHECK_EQ(f.faults, 2);
	// A word that is to be changed is not waited for.
	CHECK_ERRNO(syscall(SYS_futex, p + PG, 6 | 128 /* LOCK_PI, private */, 0, 0, 0, 0), EFAULT);
	CHECK_EQ(f.faults, 2);
}

CASE(a_killed_task_leaves_a_system_call_that_waits) {
	int q[2], full[2];
	CHECK_EQ(pipe(q), 0);
	CHECK_EQ(pipe(full), 0);
	pid_t c = fork();
	if (c == 0) {
		int fd = uffd_open(0, 0);
		char *p = anon(1);
		CHECK_EQ(reg(fd, p, PG, MISSING), 0);
		if (fork() == 0) {
			fault_at(fd, p);
			CHECK_EQ(write(q[1], "x", 1), 1);
			pause();
		}
		if (write(full[1], p, PG) < 0) {}
		_exit(1);
	}
	char b;
	CHECK_EQ(read(q[0], &b, 1), 1);
	kill(c, SIGKILL);
	int st;
	CHECK_EQ(waitpid(c, &st, 0), c);
	CHECK(WIFSIGNALED(st));
}

CASE(USER_MODE_ONLY_makes_system_calls_fail) {
	int fd = uffd_open(UFFD_USER_MODE_ONLY, 0), q[2];
	char *p = anon(1);
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	CHECK_EQ(pipe(q), 0);
	CHECK_ERRNO(write(q[1], p, 1), EFAULT);
	struct toucher t;
	touch(&t, p, 0);
	fault_at(fd, p);
	CHECK_EQ(fill(fd, p, page_a, PG, 0), 0);
	CHECK_EQ(touched(&t), 'a');
	CHECK_EQ(write(q[1], p, 1), 1);
}

CASE(FEATURE_SIGBUS_sends_a_signal_instead) {
	int fd = uffd_open(O_NONBLOCK, UFFD_FEATURE_SIGBUS), q[2];
	char *p = anon(2);
	CHECK_EQ(reg(fd, p, 2 * PG, MISSING), 0);
	CHECK_EQ(probe(p + 7, 0), SIGBUS);
	CHECK_EQ(caught.si_code, BUS_ADRERR);
	CHECK_EQ(u64(caught.si_addr), u64(p + 7));
	CHECK_EQ(pipe(q), 0);
	CHECK_ERRNO(write(q[1], p, 1), EFAULT);
	struct uffd_msg m;
	CHECK_ERRNO(read(fd, &m, sizeof m), EAGAIN);
	CHECK_EQ(zeropage(fd, p, PG), 0);
	CHECK_EQ(probe(p + 7, 1), 0);
}

CASE(THREAD_ID_and_EXACT_ADDRESS_say_who_and_where) {
	int fd = uffd_open(0, UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_EXACT_ADDRESS);
	char *p = anon(1);
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	struct toucher t;
	touch(&t, p + 123, 0);
	struct uffd_msg m = fault_at(fd, p + 123);
	CHECK_EQ(m.arg.pagefault.feat.ptid, t.tid);
	CHECK_EQ(zeropage(fd, p, PG), 0);
	CHECK_EQ(touched(&t), 0);
}

CASE(several_faults_are_read_at_once) {
	int fd = uffd_open(O_NONBLOCK, 0);
	char *p = anon(4);
	CHECK_EQ(reg(fd, p, 4 * PG, MISSING), 0);
	struct toucher t[3];
	for (int i = 0; i < 3; i++) touch(&t[i], p + i * PG, 0);
	struct uffd_msg m[8];
	int n = 0;
	char name[64], b[400];
	sprintf(name, "/proc/self/fdinfo/%d", fd);
	for (int tries = 0; tries < 1000; tries++, msleep(1)) {
		int info = open(name, O_RDONLY);
		ssize_t k = read(info, b, sizeof b - 1);
		b[k > 0 ? k : 0] = 0;
		close(info);
		if (strstr(b, "pending:\t3\ntotal:\t3\n")) break;
	}
	CHECK(strstr(b, "pending:\t3\ntotal:\t3\nAPI:\taa:80000000:80000000000001ff\n"));
	n = read(fd, m, sizeof m);
	CHECK_EQ(n, 3 * sizeof m[0]);
	uint64_t sum = 0;
	for (int i = 0; i < 3; i++) sum += m[i].arg.pagefault.address;
	CHECK_EQ(sum, 3 * u64(p) + 3 * PG);
	CHECK_EQ(zeropage(fd, p, 4 * PG), 0);
	for (int i = 0; i < 3; i++) touched(&t[i]);
}

CASE(poll_and_epoll_tell_of_faults) {
	int fd = uffd_open(O_NONBLOCK, 0), ep = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN};
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	char *p = anon(1);
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0);
	struct toucher t;
	touch(&t, p, 0);
	CHECK_EQ(epoll_wait(ep, &e, 1, 5000), 1);
	CHECK_EQ(e.events, EPOLLIN);
	fault_at(fd, p);
	CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0);
	CHECK_EQ(zeropage(fd, p, PG), 0);
	touched(&t);
}

CASE(a_child_of_fork_is_not_registered) {
	int fd = uffd_open(O_NONBLOCK, 0);
	char *p = anon(2);
	p[0] = 7;
	CHECK_EQ(reg(fd, p, 2 * PG, MISSING | WP), 0);
	CHECK_EQ(writeprotect(fd, p, 2 * PG, UFFDIO_WRITEPROTECT_MODE_WP), 0);
	pid_t c = fork();
	if (c == 0) {
		CHECK_EQ(p[PG], 0);
		CHECK_EQ(p[0], 7);
		p[0] = 8;
		struct uffd_msg m;
		CHECK_ERRNO(read(fd, &m, sizeof m), EAGAIN);
		CHECK_EQ(fill(fd, p + PG, page_a, PG, 0), 0); // that fills the parent's
		CHECK_EQ(p[PG], 0);
		_exit(0);
	}
	CHECK_CHILD(c, 0);
	CHECK_EQ(p[PG], 'a');
	CHECK_EQ(p[0], 7);
}

CASE(after_exec_the_address_space_is_gone) {
	int fd = syscall(SYS_userfaultfd, 0), go[2], back[2];
	struct uffdio_api api = {.api = UFFD_API};
	CHECK_EQ(ioctl(fd, UFFDIO_API, &api), 0);
	close(fd);
	CHECK_EQ(pipe(go), 0);
	CHECK_EQ(pipe2(back, O_CLOEXEC), 0);
	// A child makes one, passes nothing on but the descriptor itself, by CLONE_FILES, and is replaced by cat.
	char *p = anon(1);
	pid_t c = syscall(SYS_clone, 0x400 /* CLONE_FILES */ | SIGCHLD, 0, 0, 0, 0);
	if (c == 0) {
		int u = syscall(SYS_userfaultfd, 0);
		if (ioctl(u, UFFDIO_API, &(struct uffdio_api){.api = UFFD_API})) _exit(1);
		if (reg(u, p, PG, MISSING)) _exit(1);
		if (write(back[1], &u, sizeof u) != sizeof u) _exit(1);
		_exit(0);
	}
	CHECK_EQ(read(back[0], &fd, sizeof fd), sizeof fd);
	CHECK_CHILD(c, 0);
	CHECK_ERRNO(fill(fd, p, page_a, PG, 0), ESRCH);
	CHECK_ERRNO(reg(fd, p, PG, MISSING), ENOMEM);
}

CASE(ptrace_and_proc_mem_do_not_wait) {
	int fd = uffd_open(O_NONBLOCK, 0), mem = open("/proc/self/mem", O_RDWR);
	char *p = anon(1), b;
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	CHECK_ERRNO(pread(mem, &b, 1, (off_t)p), EIO);
	struct uffd_msg m;
	CHECK_ERRNO(read(fd, &m, sizeof m), EAGAIN);
}

CASE(process_vm_readv_waits_for_the_other_process) {
	int q[2];
	CHECK_EQ(pipe(q), 0);
	char *p = anon(1), b[10];
	pid_t c = fork();
	if (c == 0) {
		int fd = uffd_open(0, 0);
		CHECK_EQ(reg(fd, p, PG, MISSING), 0);
		CHECK_EQ(write(q[1], "x", 1), 1);
		fault_at(fd, p);
		CHECK_EQ(fill(fd, p, page_a, PG, 0), 0);
		pause();
	}
	CHECK_EQ(read(q[0], b, 1), 1);
	struct iovec l = {b, 10}, r = {p + 50, 10};
	CHECK_EQ(process_vm_readv(c, &l, 1, &r, 1, 0), 10);
	CHECK_EQ(b[9], 'a');
	kill(c, SIGKILL);
}

CASE(populating_and_locking_wait) {
	int fd = uffd_open(0, 0);
	char *p = anon(4);
	unsigned char v[4];
	CHECK_EQ(reg(fd, p, 4 * PG, MISSING), 0);
	struct filler f;
	filler_start(&f, fd, 'p');
	CHECK_EQ(madvise(p, 2 * PG, 22 /* MADV_POPULATE_READ */), 0);
	CHECK_EQ(f.faults, 2);
	CHECK_EQ(mlock(p, 4 * PG), 0);
	CHECK_EQ(f.faults, 4);
	CHECK_EQ(mincore(p, 4 * PG, v), 0);
	CHECK_EQ(v[3] & 1, 1);
	CHECK_EQ(p[3 * PG], 'p');
}

CASE(mprotect_and_mmap_keep_and_undo_registrations) {
	int fd = uffd_open(0, 0);
	char *p = anon(4);
	CHECK_EQ(reg(fd, p, 4 * PG, MISSING), 0);
	CHECK_EQ(mprotect(p + PG, PG, PROT_READ), 0);
	CHECK_EQ(probe(p + PG, 1), SIGSEGV);
	CHECK(mmap(p + 2 * PG, PG, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + 2 * PG);
	CHECK_EQ(p[2 * PG], 0);
	struct toucher t;
	touch(&t, p + PG, 0);
	fault_at(fd, p + PG);
	CHECK_EQ(fill(fd, p + PG, page_a, PG, 0), 0);
	CHECK_EQ(touched(&t), 'a');
	char *q = mremap(p + 3 * PG, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, anon(1));
	CHECK(q != MAP_FAILED);
	CHECK_EQ(q[0], 0); // moved memory is not registered any more
}

CASE(smaps_shows_registrations) {
	int fd = uffd_open(0, 0), m;
	char *p = shm(1, &m), *b = malloc(1 << 20), name[40];
	CHECK_EQ(reg(fd, p, PG, MISSING | WP | MINOR), 0);
	int f = open("/proc/self/smaps", O_RDONLY);
	ssize_t n, len = 0;
	while ((n = read(f, b + len, (1 << 20) - 1 - len)) > 0) len += n;
	b[len] = 0;
	sprintf(name, "%lx-", u64(p));
	char *at = strstr(b, name);
	CHECK(at != 0);
	at = strstr(at, "VmFlags:");
	CHECK(at != 0);
	*strchr(at, '\n') = 0;
	CHECK(strstr(at, " um"));
	CHECK(strstr(at, " uw"));
	CHECK(strstr(at, " ui"));
}

CASE(unprivileged_users_need_USER_MODE_ONLY) {
	int s = open("/proc/sys/vm/unprivileged_userfaultfd", O_RDONLY);
	char b = '?';
	CHECK_EQ(read(s, &b, 1), 1);
	CHECK_EQ(b, '0');
	CHECK(setuid(65534) == 0);
	CHECK_ERRNO(syscall(SYS_userfaultfd, 0), EPERM);
	int fd = syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY);
	CHECK(fd >= 0);
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK};
	CHECK_ERRNO(ioctl(fd, UFFDIO_API, &api), EPERM);
}

CASE(dev_userfaultfd_makes_them) {
	int d = open("/dev/userfaultfd", O_RDWR);
	CHECK(d >= 0);
	int fd = ioctl(d, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(ioctl(d, USERFAULTFD_IOC_NEW, 0x40), EINVAL);
	CHECK_ERRNO(ioctl(d, UFFDIO_API, 0), EINVAL);
	CHECK_EQ(ioctl(fd, UFFDIO_API, &(struct uffdio_api){.api = UFFD_API}), 0);
}

MAIN()
