#include "case.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define PG 4096UL

static char *anon(size_t n, int prot) {
	char *p = mmap(0, n, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

static sigjmp_buf env;
static volatile sig_atomic_t code;
static void jump(int sig, siginfo_t *si, void *uc) {
	(void)sig, (void)uc;
	code = si->si_code;
	siglongjmp(env, 1);
}

// touch reads or writes one byte and returns 0, or the si_code of the signal it caused.
static int touch(volatile char *p, int write) {
	struct sigaction sa = {0};
	sa.sa_sigaction = jump;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	if (sigsetjmp(env, 1)) return code;
	if (write) *p = 1;
	else (void)*p;
	return 0;
}

CASE(fresh_memory_is_zero_and_writable) {
	char *p = anon(1 << 20, PROT_READ | PROT_WRITE);
	for (int i = 0; i < 1 << 20; i += 512) CHECK_EQ(p[i], 0);
	memset(p, 7, 1 << 20);
	CHECK_EQ(p[(1 << 20) - 1], 7);
}

CASE(mmap_errors) {
	CHECK_ERRNO((long)mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERRNO((long)mmap((void *)1, PG, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
	int fd = open("f", O_CREAT | O_WRONLY, 0600);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_PRIVATE, fd, 0), EACCES);
	int r = open("f", O_RDONLY);
	CHECK_ERRNO((long)mmap(0, PG, PROT_WRITE, MAP_SHARED, r, 0), EACCES);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_SHARED, r, 100), EINVAL);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_SHARED, open(".", O_RDONLY), 0), ENODEV);
	CHECK_ERRNO((long)mmap(0, -PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
}

CASE(munmap_makes_a_hole) {
	char *p = anon(3 * PG, PROT_READ | PROT_WRITE);
	memset(p, 1, 3 * PG);
	CHECK(munmap(p + PG, PG) == 0);
	CHECK_EQ(touch(p, 0), 0);
	CHECK_EQ(touch(p + PG, 0), SEGV_MAPERR);
	CHECK_EQ(touch(p + 2 * PG, 1), 0);
	CHECK(munmap(p + PG, PG) == 0);
	CHECK_ERRNO(munmap(p + 1, PG), EINVAL);
	CHECK_ERRNO(munmap(p, 0), EINVAL);
}

CASE(mprotect_takes_and_gives) {
	char *p = anon(3 * PG, PROT_READ | PROT_WRITE);
	p[PG] = 5;
	CHECK(mprotect(p + PG, PG, PROT_READ) == 0);
	CHECK_EQ(touch(p + PG, 1), SEGV_ACCERR);
	CHECK_EQ(touch(p + PG, 0), 0);
	CHECK(mprotect(p + PG, PG, PROT_NONE) == 0);
	CHECK_EQ(touch(p + PG, 0), SEGV_ACCERR);
	CHECK(mprotect(p, 3 * PG, PROT_READ | PROT_WRITE) == 0);
	CHECK_EQ(p[PG], 5);
	munmap(p + 2 * PG, PG);
	CHECK_ERRNO(mprotect(p + PG, 2 * PG, PROT_READ), ENOMEM);
	CHECK_ERRNO(mprotect(p + 1, PG, PROT_READ), EINVAL);
}

CASE(private_file_mapping_does_not_change_the_file) {
	int fd = open("f", O_CREAT | O_RDWR, 0600);
	CHECK_EQ(write(fd, "hello", 5), 5);
	char *p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	p[0] = 'J';
	char b[6] = {0};
	CHECK_EQ(pread(fd, b, 5, 0), 5);
	CHECK(!strcmp(b, "hello"));
	CHECK(!strcmp(p, "Jello"));
	CHECK_EQ(pwrite(fd, "y", 1, 4), 1);
	CHECK_EQ(p[0], 'J');
}

CASE(shared_file_mapping_and_file_are_one) {
	int fd = open("f", O_CREAT | O_RDWR, 0600);
	CHECK(ftruncate(fd, 2 * PG) == 0);
	char *p = mmap(0, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *q = mmap(0, PG, PROT_READ, MAP_SHARED, fd, PG);
	p[PG + 3] = 'x';
	CHECK_EQ(q[3], 'x');
	char b;
	CHECK_EQ(pread(fd, &b, 1, PG + 3), 1);
	CHECK_EQ(b, 'x');
	CHECK_EQ(pwrite(fd, "w", 1, 0), 1);
	CHECK_EQ(p[0], 'w');
	CHECK(msync(p, 2 * PG, MS_SYNC) == 0);
	CHECK_ERRNO(msync(p, PG, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK_EQ(touch(p, 0), BUS_ADRERR);
	CHECK(ftruncate(fd, PG) == 0);
	CHECK_EQ(p[0], 0);
}

CASE(fork_copies_private_memory_and_shares_shared) {
	char *priv = anon(PG, PROT_READ | PROT_WRITE);
	char *shared = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*priv = 1;
	*shared = 1;
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(*priv, 1);
		*priv = 2;
		*shared = 2;
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(*priv, 1);
	CHECK_EQ(*shared, 2);
}

CASE(many_forks_keep_their_own_copies) {
	unsigned char *p = (unsigned char *)anon(64 * PG, PROT_READ | PROT_WRITE);
	for (int i = 0; i < 64; i++) p[i * PG] = i;
	pid_t kids[8];
	for (int k = 0; k < 8; k++) {
		if ((kids[k] = fork()) == 0) {
			for (int i = k; i < 64; i += 2) p[i * PG] = 100 + k;
			pid_t g = fork();
			if (g == 0) {
				for (int i = 0; i < 64; i++) CHECK_EQ(p[i * PG], i >= k && (i - k) % 2 == 0 ? 100 + k : i);
				_exit(0);
			}
			CHECK_CHILD(g, 0);
			_exit(0);
		}
	}
	for (int k = 0; k < 8; k++) CHECK_CHILD(kids[k], 0);
	for (int i = 0; i < 64; i++) CHECK_EQ(p[i * PG], i);
}

CASE(mremap_grows_shrinks_and_moves) {
	char *p = anon(4 * PG, PROT_READ | PROT_WRITE);
	memset(p, 3, 4 * PG);
	CHECK(mremap(p, 4 * PG, 2 * PG, 0) == p);
	CHECK_EQ(touch(p + 3 * PG, 0), SEGV_MAPERR);
	char *q = mremap(p, 2 * PG, 64 * PG, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	CHECK_EQ(q[2 * PG - 1], 3);
	CHECK_EQ(q[2 * PG], 0);
	char *to = anon(64 * PG, PROT_NONE);
	CHECK(mremap(q, 64 * PG, 64 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK_EQ(to[0], 3);
	CHECK_ERRNO((long)mremap(q, PG, 2 * PG, MREMAP_MAYMOVE), EFAULT);
	CHECK_ERRNO((long)mremap(to, PG, 0, 0), EINVAL);
	CHECK_ERRNO((long)mremap(to + 1, PG, PG, 0), EINVAL);
}

CASE(MREMAP_DONTUNMAP_leaves_an_empty_range) {
	char *p = anon(PG, PROT_READ | PROT_WRITE);
	p[0] = 9;
	char *q = mremap(p, PG, PG, MREMAP_MAYMOVE | 4, 0);
	CHECK(q != MAP_FAILED && q != p);
	CHECK_EQ(q[0], 9);
	CHECK_EQ(p[0], 0);
}

CASE(madvise_DONTNEED_drops_and_refuses_bad_advice) {
	char *p = anon(2 * PG, PROT_READ | PROT_WRITE);
	memset(p, 1, 2 * PG);
	CHECK(madvise(p, PG, MADV_DONTNEED) == 0);
	CHECK_EQ(p[0], 0);
	CHECK_EQ(p[PG], 1);
	CHECK_ERRNO(madvise(p, PG, 999), EINVAL);
	CHECK_ERRNO(madvise(p + 1, PG, MADV_DONTNEED), EINVAL);
	munmap(p + PG, PG);
	CHECK_ERRNO(madvise(p, 2 * PG, MADV_DONTNEED), ENOMEM);
}

CASE(madvise_WIPEONFORK_and_DONTFORK) {
	char *w = anon(PG, PROT_READ | PROT_WRITE), *d = anon(PG, PROT_READ | PROT_WRITE);
	*w = 1;
	*d = 1;
	CHECK(madvise(w, PG, MADV_WIPEONFORK) == 0);
	CHECK(madvise(d, PG, MADV_DONTFORK) == 0);
	pid_t p = fork();
	if (p == 0) {
		CHECK_EQ(*w, 0);
		CHECK_EQ(touch(d, 0), SEGV_MAPERR);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(brk_grows_and_shrinks_the_heap) {
	char *a = sbrk(0);
	CHECK(sbrk(10 * PG) == a);
	memset(a, 1, 10 * PG);
	CHECK(sbrk(-10 * PG) == a + 10 * PG);
	CHECK(sbrk(10 * PG) == a);
	CHECK_EQ(a[0], 0);
}

CASE(MAP_FIXED_NOREPLACE_refuses_what_is_taken) {
	char *p = anon(2 * PG, PROT_READ);
	CHECK_ERRNO((long)mmap(p, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	munmap(p, PG);
	CHECK(mmap(p, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p);
}

CASE(mincore_shows_what_is_present) {
	char *p = anon(3 * PG, PROT_READ | PROT_WRITE);
	unsigned char v[3];
	p[PG] = 1;
	CHECK(mincore(p, 3 * PG, v) == 0);
	CHECK(v[1] & 1);
	munmap(p + 2 * PG, PG);
	CHECK_ERRNO(mincore(p, 3 * PG, v), ENOMEM);
	CHECK_ERRNO(mincore(p + 1, PG, v), EINVAL);
}

CASE(mincore_shows_what_a_file_keeps_in_memory) {
	int fd = memfd_create("m", 0);
	CHECK(ftruncate(fd, 4 * PG) == 0);
	CHECK_EQ(pwrite(fd, "x", 1, 2 * PG), 1);
	for (int flags = MAP_SHARED; flags <= MAP_PRIVATE; flags++) {
		unsigned char v[4];
		char *p = mmap(0, 4 * PG, PROT_READ | PROT_WRITE, flags, fd, 0);
		CHECK(mincore(p, 4 * PG, v) == 0);
		CHECK_EQ(v[0] << 3 | v[1] << 2 | v[2] << 1 | v[3], 2);
		CHECK(mincore(p + 2 * PG, 2 * PG, v) == 0);
		CHECK_EQ(v[0] << 1 | v[1], 2);
		CHECK(munmap(p, 4 * PG) == 0);
	}
	// What a private mapping has of its own counts too; behind the file there is nothing.
	unsigned char v[6];
	char *p = mmap(0, 6 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	p[0] = 1;
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * PG) == 0);
	CHECK(mincore(p, 6 * PG, v) == 0);
	CHECK_EQ(v[0] & 1, 1);
	CHECK_EQ(v[2] | v[3] | v[4] | v[5], 0);
}

CASE(mincore_tells_of_foreign_files_nothing) {
	unsigned char v[4];
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	CHECK(ftruncate(fd, 4 * PG) == 0);
	CHECK_EQ(pwrite(fd, "x", 1, PG), 1);
	char *p = mmap(0, 4 * PG, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(mincore(p, 4 * PG, v) == 0);
	CHECK_EQ(v[0] << 3 | v[1] << 2 | v[2] << 1 | v[3], 4);
	CHECK(setresuid(1000, 1000, 1000) == 0);
	CHECK(mincore(p, 4 * PG, v) == 0);
	CHECK_EQ(v[0] << 3 | v[1] << 2 | v[2] << 1 | v[3], 15);
}

CASE(mlock_family) {
	char *p = anon(2 * PG, PROT_READ | PROT_WRITE);
	CHECK(mlock(p, PG) == 0);
	CHECK(munlock(p, PG) == 0);
	munmap(p, PG);
	CHECK_ERRNO(mlock(p, 2 * PG), ENOMEM);
	CHECK_ERRNO(mlockall(0), EINVAL);
	CHECK(munlockall() == 0);
}

CASE(memfd_seals_forbid_what_they_say) {
	int fd = memfd_create("m", MFD_ALLOW_SEALING);
	CHECK(fd >= 0);
	CHECK(ftruncate(fd, PG) == 0);
	char *p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	munmap(p, PG);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	CHECK_ERRNO(write(fd, "x", 1), EPERM);
	CHECK_ERRNO(ftruncate(fd, 0), EPERM);
	CHECK_ERRNO(ftruncate(fd, 2 * PG), EPERM);
	CHECK_ERRNO((long)mmap(0, PG, PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
	CHECK_ERRNO(fcntl(memfd_create("n", 0), F_ADD_SEALS, F_SEAL_WRITE), EPERM);
}

CASE(code_can_be_written_and_run) {
	unsigned char ret42[] = {0xb8, 42, 0, 0, 0, 0xc3}, ret43[] = {0xb8, 43, 0, 0, 0, 0xc3};
	char *p = anon(PG, PROT_READ | PROT_WRITE);
	memcpy(p, ret42, sizeof ret42);
	CHECK_EQ(touch(p, 0), 0);
	CHECK(mprotect(p, PG, PROT_READ | PROT_EXEC) == 0);
	CHECK_EQ(((int (*)(void))p)(), 42);
	CHECK(mprotect(p, PG, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
	memcpy(p, ret43, sizeof ret43);
	CHECK_EQ(((int (*)(void))p)(), 43);
}

CASE(system_calls_with_bad_memory_give_EFAULT) {
	char *p = anon(2 * PG, PROT_READ | PROT_WRITE);
	munmap(p + PG, PG);
	int fd = open("f", O_CREAT | O_RDWR, 0600);
	CHECK_EQ(write(fd, p, PG), PG);
	CHECK_EQ(pread(fd, p + PG - 10, 100, 0), 10);
	CHECK_ERRNO(pread(fd, p + PG, 100, 0), EFAULT);
	CHECK_ERRNO(pipe((int *)(p + PG)), EFAULT);
	CHECK(mprotect(p, PG, PROT_READ) == 0);
	CHECK_ERRNO(pread(fd, p, 10, 0), EFAULT);
	CHECK_ERRNO(write(fd, (void *)-1UL, 1), EFAULT);
}

CASE(proc_self_maps_shows_mappings) {
	char *p = mmap((void *)0x10000000, 3 * PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(mprotect(p + PG, PG, PROT_READ | PROT_EXEC) == 0);
	static char b[65536];
	int fd = open("/proc/self/maps", O_RDONLY);
	ssize_t n, len = 0;
	while ((n = read(fd, b + len, sizeof b - 1 - len)) > 0) len += n;
	CHECK(strstr(b, "10000000-10001000 r--p 00000000 00:00 0"));
	CHECK(strstr(b, "10001000-10002000 r-xp 00000000 00:00 0"));
	CHECK(strstr(b, "[heap]"));
	CHECK(strstr(b, "[stack]"));
}

CASE(proc_self_mem_reads_and_writes) {
	char *p = anon(PG, PROT_READ);
	int fd = open("/proc/self/mem", O_RDWR);
	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, "hey", 3, (off_t)p), 3);
	CHECK(!strcmp(p, "hey"));
	char b[4] = {0};
	CHECK_EQ(pread(fd, b, 3, (off_t)p), 3);
	CHECK(!strcmp(b, "hey"));
	munmap(p, PG);
	CHECK_ERRNO(pread(fd, b, 3, (off_t)p), EIO);
}

CASE(process_vm_readv_reads_a_child) {
	char *p = anon(PG, PROT_READ | PROT_WRITE);
	pid_t c = fork();
	if (c == 0) { strcpy(p, "child"); pause(); _exit(0); }
	char b[6] = {0};
	struct iovec l = {b, 5}, r = {p, 5};
	for (int i = 0; i < 200 && strcmp(b, "child"); i++) {
		CHECK_EQ(process_vm_readv(c, &l, 1, &r, 1, 0), 5);
		msleep(5);
	}
	CHECK(!strcmp(b, "child"));
	kill(c, SIGKILL);
	waitpid(c, 0, 0);
	CHECK_ERRNO(process_vm_readv(c, &l, 1, &r, 1, 0), ESRCH);
}

CASE(a_growing_stack_grows) {
	volatile char big[4 << 20];
	for (long i = sizeof big - 1; i >= 0; i -= 1000) big[i] = i;
	CHECK_EQ(big[sizeof big - 1], (char)(sizeof big - 1));
}

CASE(RLIMIT_AS_limits_mappings) {
	unsigned long lim[2] = {64 << 20, 64 << 20};
	CHECK(syscall(SYS_setrlimit, 9, lim) == 0);
	CHECK_ERRNO((long)mmap(0, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK(mmap(0, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

MAIN()
