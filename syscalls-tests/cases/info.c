// What the kernel tells of its objects, and limits that can be set.
#include "case.h"
#include <linux/kcmp.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 8
#endif
#define PG 4096

static long kcmp(int type, unsigned long a, unsigned long b) { return syscall(SYS_kcmp, getpid(), getpid(), type, a, b); }

CASE(kcmp_finds_what_epoll_watches) {
	int ep = epoll_create1(0), a = eventfd(0, 0), b = eventfd(0, 0);
	struct epoll_event e = {.events = EPOLLIN};
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, a, &e) == 0);
	struct kcmp_epoll_slot s = {.efd = ep, .tfd = a};
	CHECK_EQ(kcmp(KCMP_EPOLL_TFD, a, (long)&s), 0);
	CHECK(kcmp(KCMP_EPOLL_TFD, b, (long)&s) > 0);
	// Two files by one number: the first is kept open by another descriptor.
	int keep = dup(a);
	CHECK_EQ(dup2(b, a), a);
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, a, &e) == 0);
	int zeros = 0;
	for (s.toff = 0; s.toff < 2; s.toff++) {
		long r = kcmp(KCMP_EPOLL_TFD, keep, (long)&s), q = kcmp(KCMP_EPOLL_TFD, b, (long)&s);
		CHECK((r == 0) + (q == 0) == 1);
		zeros += r == 0;
	}
	CHECK_EQ(zeros, 1);
	CHECK_ERRNO(kcmp(KCMP_EPOLL_TFD, a, (long)&s), ENOENT);
	s.toff = 0, s.tfd = 99;
	CHECK_ERRNO(kcmp(KCMP_EPOLL_TFD, a, (long)&s), ENOENT);
	s.efd = a;
	CHECK_ERRNO(kcmp(KCMP_EPOLL_TFD, a, (long)&s), EINVAL);
	s.efd = 99;
	CHECK_ERRNO(kcmp(KCMP_EPOLL_TFD, a, (long)&s), EBADF);
	CHECK_ERRNO(kcmp(KCMP_EPOLL_TFD, 99, (long)&s), EBADF);
	CHECK_ERRNO(kcmp(KCMP_EPOLL_TFD, a, 8), EFAULT);
	CHECK_ERRNO(kcmp(KCMP_TYPES, 0, 0), EINVAL);
}

// fd_line finds a line of /proc/self/fdinfo.
static void fd_line(int fd, const char *field, char *value) {
	char name[64], line[256];
	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(name, "r");
	CHECK(f != 0);
	*value = 0;
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, field, strlen(field))) strcpy(value, line + strlen(field));
	fclose(f);
}

CASE(a_pidfd_tells_of_its_process) {
	char pid[64], ns[64], want[64];
	pid_t p = fork();
	if (p == 0) for (;;) pause();
	int fd = syscall(SYS_pidfd_open, p, 0);
	fd_line(fd, "Pid:", pid);
	fd_line(fd, "NSpid:", ns);
	CHECK_EQ(atoi(pid), p);
	// The last number is the process's own.
	CHECK_EQ(atoi(strrchr(ns, '\t')), p);
	kill(p, SIGKILL);
	CHECK_EQ(waitpid(p, 0, 0), p);
	fd_line(fd, "Pid:", pid);
	fd_line(fd, "NSpid:", ns);
	CHECK_EQ(strcmp(pid, "\t-1\n"), 0);
	CHECK_EQ(strcmp(ns, "\t-1\n"), 0);
}

CASE(a_pidfd_tells_all_numbers_of_a_process_in_a_namespace) {
	char ns[64], want[64];
	struct {
		uint64_t flags, pidfd, rest[9];
	} a = {CLONE_NEWPID | CLONE_PIDFD};
	int fd = -1;
	a.pidfd = (uint64_t)&fd;
	a.rest[2] = SIGCHLD;
	pid_t p = syscall(SYS_clone3, &a, sizeof a);
	if (p == 0) for (;;) pause();
	CHECK(p > 0);
	fd_line(fd, "NSpid:", ns);
	snprintf(want, sizeof want, "\t%d\t1\n", p);
	CHECK_EQ(strcmp(strstr(ns, want) ? strstr(ns, want) : ns, want), 0);
	kill(p, SIGKILL);
	CHECK_EQ(waitpid(p, 0, 0), p);
}

static void set(const char *limit, const char *value) {
	char name[64];
	snprintf(name, sizeof name, "/proc/sys/fs/mqueue/%s", limit);
	int fd = open(name, O_WRONLY);
	CHECK_EQ(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

CASE(message_queues_obey_the_limits_of_their_namespace) {
	struct mq_attr attr, want = {.mq_maxmsg = 12, .mq_msgsize = 200};
	CHECK(unshare(CLONE_NEWIPC) == 0);
	set("msg_default", "3");
	set("msgsize_default", "200");
	mqd_t q = mq_open("/info_a", O_RDWR | O_CREAT, 0600, 0);
	CHECK(q >= 0);
	CHECK(mq_getattr(q, &attr) == 0);
	CHECK_EQ(attr.mq_maxmsg, 3);
	CHECK_EQ(attr.mq_msgsize, 200);
	// The default is no more than the limit.
	set("msg_default", "20");
	q = mq_open("/info_b", O_RDWR | O_CREAT, 0600, 0);
	CHECK(mq_getattr(q, &attr) == 0);
	CHECK_EQ(attr.mq_maxmsg, 10);
	pid_t p = fork();
	if (p == 0) {
		CHECK(setresuid(1000, 1000, 1000) == 0);
		CHECK_ERRNO(mq_open("/info_c", O_RDWR | O_CREAT, 0600, &want), EINVAL);
		_exit(7);
	}
	CHECK_CHILD(p, 7);
	set("msg_max", "12");
	p = fork();
	if (p == 0) {
		CHECK(setresuid(1000, 1000, 1000) == 0);
		CHECK(mq_open("/info_c", O_RDWR | O_CREAT, 0600, &want) >= 0);
		_exit(7);
	}
	CHECK_CHILD(p, 7);
	set("queues_max", "3");
	p = fork();
	if (p == 0) {
		CHECK(setresuid(1000, 1000, 1000) == 0);
		CHECK_ERRNO(mq_open("/info_d", O_RDWR | O_CREAT, 0600, &want), ENOSPC);
		_exit(7);
	}
	CHECK_CHILD(p, 7);
	int fd = open("/proc/sys/fs/mqueue/msg_max", O_WRONLY);
	CHECK_ERRNO(write(fd, "65537", 5), EINVAL);
	CHECK_ERRNO(write(fd, "0", 1), EINVAL);
}

CASE(ramfs_has_no_limits_and_no_options_but_mode) {
	struct statfs s;
	struct stat st;
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("m", 0700) == 0);
	CHECK(mount("r", "m", "ramfs", 0, "size=4k,whatever") == 0);
	CHECK(statfs("m", &s) == 0);
	CHECK_EQ(s.f_type, 0x858458f6);
	CHECK_EQ(s.f_blocks, 0);
	CHECK_EQ(s.f_files, 0);
	CHECK(stat("m", &st) == 0);
	CHECK_EQ(st.st_mode, S_IFDIR | 0755);
	int fd = open("m/f", O_CREAT | O_RDWR, 0600);
	char b[3 * PG] = {1};
	CHECK_EQ(write(fd, b, sizeof b), sizeof b);
	close(fd);
	CHECK(umount("m") == 0);
	CHECK(mount("r", "m", "ramfs", 0, "mode=1770") == 0);
	CHECK(stat("m", &st) == 0);
	CHECK_EQ(st.st_mode, S_IFDIR | 01770);
	CHECK(umount("m") == 0);
	CHECK_ERRNO(mount("r", "m", "ramfs", 0, "mode=9"), EINVAL);
}

CASE(droppable_memory_is_dropped_when_it_is_paged_out) {
	char *p = mmap(0, 4 * PG, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	memset(p, 'a', 4 * PG);
	for (int i = 0; i < 200 && memchr(p, 'a', 4 * PG); i++) {
		CHECK(madvise(p, 4 * PG, MADV_PAGEOUT) == 0);
		if (memchr(p, 'a', 4 * PG)) usleep(1000);
	}
	CHECK(!memchr(p, 'a', 4 * PG));
	p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*p = 'a';
	CHECK(madvise(p, PG, MADV_PAGEOUT) == 0);
	CHECK_EQ(*p, 'a');
}

CASE(sealed_memory_is_not_discarded_but_a_file_can_be_read_again) {
	char *anon = mmap(0, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("m", 0);
	CHECK(ftruncate(fd, PG) == 0);
	char *file = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	*file = 1;
	CHECK(mprotect(file, PG, PROT_READ) == 0);
	CHECK(syscall(462 /* mseal */, anon, PG, 0) == 0);
	CHECK(syscall(462 /* mseal */, file, PG, 0) == 0);
	CHECK_ERRNO(madvise(anon, PG, MADV_DONTNEED), EPERM);
	CHECK(madvise(file, PG, MADV_DONTNEED) == 0);
	CHECK_EQ(*file, 0);
}

CASE(a_sealed_mapping_is_not_remapped_wherever_to) {
	char *p = mmap(0, 2 * PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(syscall(462 /* mseal */, p, 2 * PG, 0) == 0);
	CHECK(mremap(p, 2 * PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, (char *)0x10000) == MAP_FAILED && errno == EPERM);
	CHECK(mremap(p, 2 * PG, 4 * PG, MREMAP_MAYMOVE) == MAP_FAILED && errno == EPERM);
	CHECK(mremap(p, 2 * PG, 2 * PG, 0) == MAP_FAILED && errno == EPERM);
	CHECK(mremap(p, 2 * PG, PG, 0) == MAP_FAILED && errno == EPERM);
}

MAIN()
