// userfaultfd(2): write protection, minor faults, shared memory, poison, moving pages, events.
#include "uffd.h"
#include <setjmp.h>

static sigjmp_buf env;
static siginfo_t caught;
static void jump(int sig, siginfo_t *si, void *uc) {
	(void)sig, (void)uc;
	caught = *si;
	siglongjmp(env, 1);
}

#define PROTECT UFFDIO_WRITEPROTECT_MODE_WP

CASE(a_write_to_a_protected_page_waits) {
	int fd = uffd_open(0, UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	char *p = anon(4);
	memset(p, 1, 4 * PG);
	CHECK_EQ(reg(fd, p, 4 * PG, WP), 0);
	CHECK_EQ(writeprotect(fd, p, 4 * PG, PROTECT), 0);
	CHECK_EQ(p[PG], 1);
	struct toucher t;
	touch(&t, p + PG, 'w');
	struct uffd_msg m = fault_at(fd, p + PG);
	CHECK_EQ(m.arg.pagefault.flags, UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);
	CHECK_EQ(p[PG], 1);
	CHECK_EQ(writeprotect(fd, p + PG, PG, 0), 0);
	CHECK_EQ(touched(&t), 'w');
	touch(&t, p + 2 * PG, 'w');
	fault_at(fd, p + 2 * PG);
	CHECK_EQ(range(fd, UFFDIO_UNREGISTER, p, 4 * PG), 0);
	CHECK_EQ(range(fd, UFFDIO_WAKE, p, 4 * PG), 0); // that alone wakes who waits for a missing page only
	CHECK_EQ(touched(&t), 'w');
	p[3 * PG] = 5;
}

CASE(UFFDIO_WRITEPROTECT_errors) {
	int fd = uffd_open(0, 0);
	char *p = anon(2);
	CHECK_ERRNO(writeprotect(fd, p, PG, PROTECT), ENOENT);
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	CHECK_ERRNO(writeprotect(fd, p, PG, PROTECT), ENOENT);
	CHECK_EQ(reg(fd, p, PG, WP), 0);
	CHECK_ERRNO(writeprotect(fd, p, PG, PROTECT | UFFDIO_WRITEPROTECT_MODE_DONTWAKE), EINVAL);
	CHECK_ERRNO(writeprotect(fd, p, PG, 4), EINVAL);
	CHECK_ERRNO(writeprotect(fd, p + 1, PG, PROTECT), EINVAL);
	CHECK_ERRNO(writeprotect(fd, p, 2 * PG, PROTECT), ENOENT);
}

CASE(a_system_call_that_writes_waits_too) {
	int fd = uffd_open(0, 0), q[2];
	char *p = anon(1);
	p[0] = 1;
	CHECK_EQ(reg(fd, p, PG, WP), 0);
	CHECK_EQ(writeprotect(fd, p, PG, PROTECT), 0);
	CHECK_EQ(pipe(q), 0);
	CHECK_EQ(write(q[1], p, 1), 1); // reading is no matter
	pid_t c = fork();
	if (c == 0) {
		fault_at(fd, p);
		CHECK_EQ(writeprotect(fd, p, PG, 0), 0);
		_exit(0);
	}
	CHECK_EQ(read(q[0], p + 9, 1), 1);
	CHECK_EQ(p[9], 1);
	CHECK_CHILD(c, 0);
}

CASE(protection_outlives_a_fork_in_the_parent) {
	int fd = uffd_open(0, 0);
	char *p = anon(2);
	memset(p, 1, 2 * PG);
	CHECK_EQ(reg(fd, p, 2 * PG, WP), 0);
	CHECK_EQ(writeprotect(fd, p, PG, PROTECT), 0);
	pid_t c = fork();
	if (c == 0) {
		p[0] = 3;
		p[PG] = 3;
		_exit(0);
	}
	CHECK_CHILD(c, 0);
	p[PG] = 2;
	struct toucher t;
	touch(&t, p, 'w');
	fault_at(fd, p);
	CHECK_EQ(writeprotect(fd, p, PG, 0), 0);
	CHECK_EQ(touched(&t), 'w');
	CHECK_EQ(p[1], 1);
}

CASE(UFFDIO_COPY_can_protect_what_it_fills) {
	int fd = uffd_open(0, 0);
	char *p = anon(1);
	CHECK_EQ(reg(fd, p, PG, MISSING | WP), 0);
	CHECK_EQ(fill(fd, p, page_a, PG, UFFDIO_COPY_MODE_WP), 0);
	CHECK_EQ(p[0], 'a');
	struct toucher t;
	touch(&t, p, 'w');
	CHECK_EQ(fault_at(fd, p).arg.pagefault.flags, UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);
	CHECK_EQ(writeprotect(fd, p, PG, 0), 0);
	CHECK_EQ(touched(&t), 'w');
}

CASE(pages_that_are_not_there_are_protected_only_if_asked_for) {
	int fd = uffd_open(O_NONBLOCK, 0), gd = uffd_open(O_NONBLOCK, UFFD_FEATURE_WP_UNPOPULATED);
	char *p = anon(1), *q = anon(2);
	CHECK_EQ(reg(fd, p, PG, WP), 0);
	CHECK_EQ(writeprotect(fd, p, PG, PROTECT), 0);
	*p = 1;
	CHECK_EQ(reg(gd, q, 2 * PG, WP), 0);
	CHECK_EQ(writeprotect(gd, q, 2 * PG, PROTECT), 0);
	CHECK_EQ(q[PG], 0);
	struct toucher t, u;
	touch(&t, q, 'w');
	touch(&u, q + PG, 'v');
	struct uffd_msg a = event(gd), b = event(gd);
	CHECK_EQ(a.arg.pagefault.address + b.arg.pagefault.address, 2 * u64(q) + PG);
	CHECK_EQ(a.arg.pagefault.flags & b.arg.pagefault.flags, UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);
	CHECK_EQ(writeprotect(gd, q, 2 * PG, 0), 0);
	CHECK_EQ(touched(&t), 'w');
	CHECK_EQ(touched(&u), 'v');
}

CASE(asynchronous_protection_waits_for_nobody) {
	int fd = uffd_open(O_NONBLOCK, UFFD_FEATURE_WP_ASYNC);
	char *p = anon(2);
	p[0] = 1;
	CHECK_EQ(reg(fd, p, 2 * PG, WP), 0);
	CHECK_EQ(writeprotect(fd, p, 2 * PG, PROTECT), 0);
	p[0] = 2;
	p[PG] = 3;
	struct uffd_msg m;
	CHECK_ERRNO(read(fd, &m, sizeof m), EAGAIN);
	CHECK_EQ(p[0] + p[PG], 5);
}

// wp_bit reads bit 57 of the pagemap.
static int wp_bit(int f, void *p) {
	uint64_t e = 0;
	CHECK_EQ(pread(f, &e, 8, u64(p) / PG * 8), 8);
	return e >> 57 & 1;
}

CASE(pagemap_shows_protection) {
	int fd = uffd_open(O_NONBLOCK, UFFD_FEATURE_WP_ASYNC), f = open("/proc/self/pagemap", O_RDONLY);
	char *p = anon(3);
	p[0] = p[PG] = 1;
	CHECK_EQ(reg(fd, p, 3 * PG, WP), 0);
	CHECK_EQ(wp_bit(f, p), 0);
	CHECK_EQ(writeprotect(fd, p, 3 * PG, PROTECT), 0);
	CHECK_EQ(wp_bit(f, p), 1);
	CHECK_EQ(wp_bit(f, p + 2 * PG), 1);
	p[PG] = 2;
	CHECK_EQ(wp_bit(f, p), 1);
	CHECK_EQ(wp_bit(f, p + PG), 0);
}

CASE(shared_memory_is_missing_where_the_file_has_a_hole) {
	int fd = uffd_open(0, 0), m;
	char *p = shm(4, &m);
	CHECK_EQ(pwrite(m, "f", 1, 2 * PG), 1);
	CHECK_EQ(reg(fd, p, 4 * PG, MISSING), 0);
	CHECK_EQ(p[2 * PG], 'f');
	struct toucher t;
	touch(&t, p + PG, 'w');
	fault_at(fd, p + PG);
	CHECK_EQ(fill(fd, p + PG, page_a, PG, 0), 0);
	CHECK_EQ(touched(&t), 'w');
	char b[2];
	CHECK_EQ(pread(m, b, 2, PG), 2);
	CHECK_EQ(b[0], 'w');
	CHECK_EQ(b[1], 'a');
	CHECK_ERRNO(fill(fd, p + 2 * PG, page_a, PG, 0), EEXIST);
	touch(&t, p + 3 * PG, 0);
	fault_at(fd, p + 3 * PG);
	CHECK_EQ(pwrite(m, "g", 1, 3 * PG), 1);
	CHECK_EQ(range(fd, UFFDIO_WAKE, p + 3 * PG, PG), 0);
	CHECK_EQ(touched(&t), 'g');
}

CASE(another_mapping_fills_only_what_it_touches) {
	int fd = uffd_open(0, 0), m;
	char *p = shm(8, &m), *q = mmap(0, 8 * PG, RW, MAP_SHARED, m, 0);
	CHECK_EQ(reg(fd, p, 8 * PG, MISSING), 0);
	q[3 * PG] = 'q';
	struct filler f;
	filler_start(&f, fd, 'm');
	CHECK_EQ(p[3 * PG], 'q');
	CHECK_EQ(p[2 * PG], 'm');
	CHECK_EQ(p[4 * PG], 'm');
	CHECK_EQ(f.faults, 2);
	CHECK_EQ(q[4 * PG], 'm');
}

CASE(a_private_mapping_of_shared_memory_gets_its_own_page) {
	int fd = uffd_open(0, 0), m;
	char *p = shm(1, &m), *q = mmap(0, PG, RW, MAP_PRIVATE, m, 0);
	CHECK_EQ(reg(fd, q, PG, MISSING), 0);
	CHECK_EQ(fill(fd, q, page_a, PG, 0), 0);
	CHECK_EQ(q[0], 'a');
	CHECK_EQ(p[0], 0);
}

CASE(minor_faults_come_where_the_file_has_the_page) {
	int fd = uffd_open(0, 0), m;
	char *p = shm(4, &m), *q = mmap(0, 4 * PG, RW, MAP_SHARED, m, 0);
	CHECK_EQ(reg(fd, p, 4 * PG, MINOR), 0);
	CHECK_EQ(p[3 * PG], 0); // a hole is no minor fault
	q[PG] = 'q';
	struct toucher t;
	touch(&t, p + PG, 0);
	CHECK_EQ(fault_at(fd, p + PG).arg.pagefault.flags, UFFD_PAGEFAULT_FLAG_MINOR);
	q[PG] = 'r';
	CHECK_EQ(cont(fd, p + PG, PG, 0), 0);
	CHECK_EQ(touched(&t), 'r');
	CHECK_ERRNO(cont(fd, p + PG, PG, 0), EEXIST);
	CHECK_ERRNO(cont(fd, p, PG, 0), EFAULT);
	CHECK_ERRNO(cont(fd, p + 1, PG, 0), EINVAL);
	CHECK_ERRNO(cont(fd, p, PG, 8), EINVAL);
	CHECK_ERRNO(cont(fd, anon(1), PG, 0), ENOENT);
}

CASE(UFFDIO_CONTINUE_needs_shared_memory) {
	int fd = uffd_open(0, 0);
	char *p = anon(1);
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	CHECK_ERRNO(cont(fd, p, PG, 0), EINVAL);
}

CASE(protected_shared_memory_stays_so_when_it_is_dropped) {
	int fd = uffd_open(0, 0), m;
	char *p = shm(2, &m);
	memset(p, 1, 2 * PG);
	CHECK_EQ(reg(fd, p, 2 * PG, WP), 0);
	CHECK_EQ(writeprotect(fd, p, 2 * PG, PROTECT), 0);
	CHECK_EQ(madvise(p, 2 * PG, MADV_DONTNEED), 0);
	CHECK_EQ(p[0], 1);
	struct toucher t;
	touch(&t, p, 'w');
	CHECK_EQ(fault_at(fd, p).arg.pagefault.flags, UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);
	CHECK_EQ(writeprotect(fd, p, PG, 0), 0);
	CHECK_EQ(touched(&t), 'w');
}

CASE(a_poisoned_page_gives_SIGBUS) {
	int fd = uffd_open(0, 0), q[2];
	char *p = anon(4);
	CHECK_EQ(reg(fd, p, 4 * PG, MISSING), 0);
	struct sigaction sa = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO};
	sigaction(SIGBUS, &sa, 0);
	CHECK_EQ(poison(fd, p, 2 * PG), 0);
	if (sigsetjmp(env, 1) == 0) {
		(void)*(volatile char *)(p + 5);
		CHECK(!"poison can be read");
	}
	// The code is another on a kernel without CONFIG_MEMORY_FAILURE.
	CHECK(caught.si_code == BUS_ADRERR || (caught.si_code == BUS_MCEERR_AR && caught.si_addr_lsb == 12));
	CHECK_EQ(pipe(q), 0);
	CHECK_ERRNO(write(q[1], p, 1), EFAULT);
	CHECK_ERRNO(poison(fd, p, PG), EEXIST);
	CHECK_EQ(fill(fd, p + 2 * PG, page_a, PG, 0), 0);
	CHECK_ERRNO(poison(fd, p + 2 * PG, PG), EEXIST);
	pid_t c = fork();
	if (c == 0) {
		if (sigsetjmp(env, 1) == 0) (void)*(volatile char *)(p + PG);
		else _exit(0);
		_exit(1);
	}
	CHECK_CHILD(c, 0);
	CHECK_EQ(fill(fd, p, page_a, PG, 0), 0); // what is filled is poisoned no more
	CHECK_EQ(p[0], 'a');
}

CASE(UFFDIO_MOVE_moves_pages) {
	int fd = uffd_open(0, 0);
	char *p = anon(4), *s = anon(4);
	long n;
	for (int i = 0; i < 4; i++) s[i * PG] = 'A' + i;
	CHECK_EQ(madvise(s + 2 * PG, PG, MADV_DONTNEED), 0);
	CHECK_EQ(reg(fd, p, 4 * PG, MISSING), 0);
	struct toucher t;
	touch(&t, p, 0);
	fault_at(fd, p);
	CHECK_EQ(move(fd, p, s, PG, 0, &n), 0);
	CHECK_EQ(n, PG);
	CHECK_EQ(touched(&t), 'A');
	CHECK_EQ(s[0], 0); // not registered: it is fresh
	CHECK_ERRNO(move(fd, p, s + PG, PG, 0, &n), EEXIST);
	CHECK_EQ(n, -EEXIST);
	CHECK_ERRNO(move(fd, p + PG, s + 2 * PG, PG, 0, &n), ENOENT);
	CHECK_ERRNO(move(fd, p + PG, s + PG, 3 * PG, 0, &n), EAGAIN); // up to the hole
	CHECK_EQ(n, PG);
	CHECK_EQ(move(fd, p + 2 * PG, s + 2 * PG, 2 * PG, 2 /* ALLOW_SRC_HOLES */, &n), 0);
	CHECK_EQ(n, 2 * PG);
	CHECK_EQ(p[PG], 'B');
	CHECK_EQ(p[3 * PG], 'D');
}

CASE(UFFDIO_MOVE_errors) {
	int fd = uffd_open(0, 0), m;
	char *p = anon(2), *s = anon(2), *sh = shm(1, &m);
	long n;
	s[0] = sh[0] = 1;
	CHECK_ERRNO(move(fd, p, s, PG, 0, &n), EINVAL); // not registered
	CHECK_EQ(reg(fd, p, 2 * PG, MISSING), 0);
	CHECK_ERRNO(move(fd, p, sh, PG, 0, &n), EINVAL);
	CHECK_ERRNO(move(fd, p, s, PG, 4, &n), EINVAL);
	CHECK_ERRNO(move(fd, p, s + 1, PG, 0, &n), EINVAL);
	CHECK_EQ(mprotect(s, PG, PROT_READ), 0);
	CHECK_ERRNO(move(fd, p, s, PG, 0, &n), EINVAL);
	CHECK_EQ(mprotect(s, PG, RW), 0);
	int q[2];
	CHECK_EQ(pipe(q), 0);
	pid_t c = fork(); // now the page is shared
	if (c == 0) {
		char b;
		close(q[1]);
		if (read(q[0], &b, 1) < 0) {}
		_exit(0);
	}
	CHECK_ERRNO(move(fd, p, s, PG, 0, &n), EBUSY);
	close(q[1]);
	CHECK_CHILD(c, 0);
}

// Events: another thread makes the change, which waits until this one has read of it.

struct change {
	char *p;
	int what;
	char *result;
	volatile int done;
	pthread_t thread;
};

enum { DROP, UNMAP, REMAP, FORK };

static void *change_run(void *a) {
	struct change *c = a;
	switch (c->what) {
	case DROP: madvise(c->p, PG, MADV_DONTNEED); break;
	case UNMAP: munmap(c->p, PG); break;
	case REMAP: c->result = mremap(c->p, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, c->result); break;
	case FORK: {
		pid_t pid = fork();
		if (pid == 0) {
			c->p[1] = c->p[0] + 1; // missing: somebody has to fill it
			_exit(c->p[1] == 'b' ? 0 : 1);
		}
		int st = -1;
		waitpid(pid, &st, 0);
		c->result = (char *)(long)st;
		break;
	}
	}
	c->done = 1;
	return 0;
}

static void change(struct change *c, char *p, int what, char *to) {
	*c = (struct change){.p = p, .what = what, .result = to};
	CHECK(pthread_create(&c->thread, 0, change_run, c) == 0);
}

CASE(EVENT_REMOVE_is_told_before_pages_go) {
	int fd = uffd_open(O_NONBLOCK, UFFD_FEATURE_EVENT_REMOVE);
	char *p = anon(2);
	memset(p, 1, 2 * PG);
	CHECK_EQ(reg(fd, p, 2 * PG, MISSING), 0);
	struct change c;
	change(&c, p, DROP, 0);
	struct pollfd pf = {fd, POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 5000), 1);
	CHECK(!c.done);
	CHECK_ERRNO(fill(fd, p, page_a, PG, 0), EAGAIN); // what is there changes
	struct uffd_msg m = event(fd);
	CHECK_EQ(m.event, UFFD_EVENT_REMOVE);
	CHECK_EQ(m.arg.remove.start, u64(p));
	CHECK_EQ(m.arg.remove.end, u64(p + PG));
	pthread_join(c.thread, 0);
	CHECK_EQ(fill(fd, p, page_a, PG, 0), 0);
	CHECK_EQ(p[0], 'a');
}

CASE(EVENT_UNMAP_is_told_afterwards) {
	int fd = uffd_open(0, UFFD_FEATURE_EVENT_UNMAP);
	char *p = anon(2);
	CHECK_EQ(reg(fd, p, 2 * PG, MISSING), 0);
	struct change c;
	change(&c, p, UNMAP, 0);
	struct uffd_msg m = event(fd);
	CHECK_EQ(m.event, UFFD_EVENT_UNMAP);
	CHECK_EQ(m.arg.remove.start, u64(p));
	CHECK_EQ(m.arg.remove.end, u64(p + PG));
	pthread_join(c.thread, 0);
	CHECK_ERRNO(fill(fd, p, page_a, PG, 0), ENOENT);
}

CASE(EVENT_REMAP_keeps_the_registration) {
	int fd = uffd_open(0, UFFD_FEATURE_EVENT_REMAP);
	char *p = anon(1), *q = anon(1);
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	struct change c;
	change(&c, p, REMAP, q);
	struct uffd_msg m = event(fd);
	CHECK_EQ(m.event, UFFD_EVENT_REMAP);
	CHECK_EQ(m.arg.remap.from, u64(p));
	CHECK_EQ(m.arg.remap.to, u64(q));
	CHECK_EQ(m.arg.remap.len, PG);
	pthread_join(c.thread, 0);
	CHECK(c.result == q);
	CHECK_EQ(fill(fd, q, page_a, PG, 0), 0);
	CHECK_EQ(q[0], 'a');
}

CASE(EVENT_FORK_brings_the_child_s_own_userfaultfd) {
	int fd = uffd_open(0, UFFD_FEATURE_EVENT_FORK);
	char *p = anon(1);
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	struct change c;
	change(&c, p, FORK, 0);
	struct uffd_msg m = event(fd);
	CHECK_EQ(m.event, UFFD_EVENT_FORK);
	int child = m.arg.fork.ufd;
	CHECK(child > 2 && child != fd);
	CHECK_EQ(fcntl(child, F_GETFD), FD_CLOEXEC);
	fault_at(child, p);
	CHECK_EQ(fill(child, p, page_a, PG, 0), 0);
	pthread_join(c.thread, 0);
	CHECK_EQ((long)c.result, 0);
	struct toucher t;
	touch(&t, p, 0);
	fault_at(fd, p);
	CHECK_EQ(fill(fd, p, page_b, PG, 0), 0);
	CHECK_EQ(touched(&t), 'b');
}

CASE(closing_the_descriptor_ends_the_wait_for_events) {
	int fd = uffd_open(O_NONBLOCK, UFFD_FEATURE_EVENT_REMOVE);
	char *p = anon(1);
	p[0] = 1;
	CHECK_EQ(reg(fd, p, PG, MISSING), 0);
	struct change c;
	change(&c, p, DROP, 0);
	struct pollfd pf = {fd, POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 5000), 1);
	close(fd);
	pthread_join(c.thread, 0);
	CHECK_EQ(p[0], 0);
}

MAIN()
