// More of memory: what few programs use.
#include "case.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define PG 4096UL
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static char *anon(size_t n, int prot, int flags) {
	char *p = mmap(0, n, prot, flags | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

static sigjmp_buf env;
static volatile int sig_no, sig_code;
static void *volatile sig_addr;
static void jump(int sig, siginfo_t *si, void *uc) {
	(void)uc;
	sig_no = sig, sig_code = si->si_code, sig_addr = si->si_addr;
	siglongjmp(env, 1);
}

// touch reads or writes one byte and returns 0, or the signal.
static int touch(volatile char *p, int write) {
	struct sigaction sa = {0};
	sa.sa_sigaction = jump;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	if (sigsetjmp(env, 1)) return sig_no;
	if (write) *p = 1;
	else (void)*p;
	return 0;
}

// line finds the line of /proc/self/FILE that begins with the mapping at p.
static int line(const char *file, void *p, char *out, int n) {
	char want[32];
	snprintf(want, sizeof want, "%lx-", (long)p);
	FILE *f = fopen(file, "r");
	while (f && fgets(out, n, f))
		if (!strncmp(out, want, strlen(want))) return fclose(f), 1;
	if (f) fclose(f);
	return 0;
}

// smaps returns the number of kB that smaps shows for a key of the mapping at p.
static long smaps(void *p, const char *key) {
	char want[32], l[500];
	long kb = -1;
	int in = 0;
	snprintf(want, sizeof want, "%lx-", (long)p);
	FILE *f = fopen("/proc/self/smaps", "r");
	while (f && fgets(l, sizeof l, f)) {
		if (!strncmp(l, want, strlen(want))) in = 1;
		else if (in && !strncmp(l, key, strlen(key)) && l[strlen(key)] == ':') {
			kb = atol(l + strlen(key) + 1);
			break;
		}
	}
	if (f) fclose(f);
	return kb;
}

CASE(signals_say_where_and_why) {
	char *p = anon(2 * PG, PROT_READ, MAP_PRIVATE);
	munmap(p + PG, PG);
	CHECK_EQ(touch(p + 5, 1), SIGSEGV);
	CHECK_EQ(sig_code, SEGV_ACCERR);
	CHECK(sig_addr == p + 5);
	CHECK_EQ(touch(p + PG + 7, 0), SIGSEGV);
	CHECK_EQ(sig_code, SEGV_MAPERR);
	CHECK(sig_addr == p + PG + 7);
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(ftruncate(fd, 10) == 0);
	char *q = mmap(0, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK_EQ(touch(q + PG - 1, 1), 0);
	CHECK_EQ(touch(q + PG, 0), SIGBUS);
	CHECK_EQ(sig_code, BUS_ADRERR);
	CHECK(sig_addr == q + PG);
}

CASE(truncation_takes_pages_from_mappings) {
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(ftruncate(fd, 3 * PG) == 0);
	char *s = mmap(0, 3 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *p = mmap(0, 3 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	memset(s, 1, 3 * PG);
	memset(p, 2, 3 * PG);
	CHECK(ftruncate(fd, PG + 10) == 0);
	CHECK_EQ(touch(s + 2 * PG, 0), SIGBUS);
	CHECK_EQ(touch(p + 2 * PG, 0), SIGBUS);
	CHECK_EQ(p[0], 2);
	CHECK_EQ(s[PG + 9], 1);
	CHECK_EQ(s[PG + 10], 0);
	CHECK(ftruncate(fd, 3 * PG) == 0);
	CHECK_EQ(s[2 * PG], 0);
	CHECK_EQ(p[2 * PG], 0);
}

CASE(a_read_only_file_maps_shared_but_not_writable) {
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(write(fd, "x", 1) == 1);
	int r = open("f", O_RDONLY);
	char *p = mmap(0, PG, PROT_READ, MAP_SHARED, r, 0);
	CHECK(p != MAP_FAILED);
	CHECK_ERRNO(mprotect(p, PG, PROT_READ | PROT_WRITE), EACCES);
	CHECK(mprotect(p, PG, PROT_READ | PROT_EXEC) == 0);
	CHECK(pwrite(fd, "y", 1, 0) == 1);
	CHECK_EQ(p[0], 'y');
}

CASE(MAP_GROWSDOWN_grows_down) {
	char *top = anon(64 * PG, PROT_NONE, MAP_PRIVATE) + 64 * PG;
	munmap(top - 64 * PG, 64 * PG);
	char *p = mmap(top - PG, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	CHECK(p == top - PG);
	CHECK_EQ(touch(p - 1, 1), 0);
	CHECK_EQ(touch(p - 3 * PG, 1), 0);
	char l[300];
	CHECK(line("/proc/self/maps", p - 3 * PG, l, sizeof l));
	CHECK(mprotect(top - PG, PG, PROT_READ | PROT_GROWSDOWN) == 0);
	CHECK_EQ(touch(p - 3 * PG, 1), SIGSEGV);
	CHECK_ERRNO((long)mmap(0, PG, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0), EINVAL);
}

CASE(MAP_32BIT_maps_low) {
	char *p = anon(PG, PROT_READ, MAP_PRIVATE | MAP_32BIT);
	CHECK((unsigned long)p + PG <= 0x80000000UL);
}

CASE(a_hint_is_taken_if_it_is_free) {
	char *p = anon(4 * PG, PROT_READ, MAP_PRIVATE);
	munmap(p + PG, PG);
	CHECK(mmap(p + PG + 100, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p + PG);
	CHECK(mmap(p, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != p);
}

CASE(mremap_of_a_shared_mapping_of_length_0_doubles_it) {
	char *p = anon(2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *q = mremap(p, 0, 2 * PG, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	q[PG] = 5;
	CHECK_EQ(p[PG], 5);
	char *r = anon(PG, PROT_READ, MAP_PRIVATE);
	CHECK_ERRNO((long)mremap(r, 0, PG, MREMAP_MAYMOVE), EINVAL);
}

CASE(mremap_errors) {
	char *p = anon(4 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	CHECK_ERRNO((long)mremap(p + 1, PG, PG, 0), EINVAL);
	CHECK_ERRNO((long)mremap(p, PG, 0, 0), EINVAL);
	CHECK_ERRNO((long)mremap(p, PG, 2 * PG, 8), EINVAL);
	CHECK_ERRNO((long)mremap(p, PG, PG, MREMAP_FIXED, p + 2 * PG), EINVAL);
	CHECK_ERRNO((long)mremap(p, 2 * PG, PG, MREMAP_FIXED | MREMAP_MAYMOVE, p + PG), EINVAL);
	CHECK_ERRNO((long)mremap(p, PG, 2 * PG, 0), ENOMEM);
	munmap(p + 3 * PG, PG);
	CHECK_ERRNO((long)mremap(p + 3 * PG, PG, 2 * PG, MREMAP_MAYMOVE), EFAULT);
}

CASE(mremap_moves_contents_and_permissions) {
	char *p = anon(3 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	memset(p, 3, 3 * PG);
	mprotect(p + PG, PG, PROT_READ);
	char *to = anon(PG, PROT_NONE, MAP_PRIVATE);
	CHECK(mremap(p + PG, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK_EQ(to[10], 3);
	CHECK_EQ(touch(to, 1), SIGSEGV);
	CHECK_EQ(touch(p + PG, 0), SIGSEGV);
	CHECK_EQ(p[2 * PG], 3);
}

CASE(madvise_POPULATE_brings_pages_in) {
	unsigned char v[4];
	char *p = anon(4 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	CHECK(madvise(p, 4 * PG, MADV_POPULATE_WRITE) == 0);
	CHECK(mincore(p, 4 * PG, v) == 0);
	for (int i = 0; i < 4; i++) CHECK_EQ(v[i] & 1, 1);
	mprotect(p, PG, PROT_NONE);
	CHECK_ERRNO(madvise(p, PG, MADV_POPULATE_READ), EINVAL);
	munmap(p + 2 * PG, PG);
	CHECK_ERRNO(madvise(p + PG, 3 * PG, MADV_POPULATE_READ), ENOMEM);
	CHECK_ERRNO(mincore(p + PG, 2 * PG, v), ENOMEM);
	CHECK_ERRNO(mincore(p + 1, PG, v), EINVAL);
	CHECK_ERRNO(mincore(p, PG, (void *)8), EFAULT);
}

CASE(madvise_FREE_and_REMOVE) {
	char *p = anon(2 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE), *s = anon(2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED);
	memset(p, 1, 2 * PG);
	memset(s, 1, 2 * PG);
	CHECK(madvise(p, PG, MADV_FREE) == 0);
	CHECK(p[0] == 0 || p[0] == 1);
	p[0] = 2;
	CHECK_EQ(p[0], 2);
	CHECK_ERRNO(madvise(s, PG, MADV_FREE), EINVAL);
	CHECK(madvise(s, PG, MADV_REMOVE) == 0);
	CHECK_EQ(s[0], 0);
	CHECK_EQ(s[PG], 1);
	CHECK(madvise(s + PG, PG, MADV_DONTNEED) == 0);
	CHECK_EQ(s[PG], 1);
	CHECK_ERRNO(madvise(p, PG, MADV_REMOVE), EINVAL);
}

CASE(locked_memory_is_not_dropped) {
	char *p = anon(2 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	p[0] = 1;
	CHECK(mlock(p, PG) == 0);
	CHECK_ERRNO(madvise(p, PG, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(msync(p, PG, MS_INVALIDATE), EBUSY);
	CHECK(munlock(p, PG) == 0);
	CHECK(madvise(p, PG, MADV_DONTNEED) == 0);
	CHECK_ERRNO(mlock(p, 1UL << 46), ENOMEM);
	CHECK_ERRNO(mlockall(8), EINVAL);
	CHECK_ERRNO(syscall(SYS_mlock2, p, PG, 4), EINVAL);
	CHECK_ERRNO(msync(p, PG, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERRNO(msync(p + 1, PG, MS_SYNC), EINVAL);
}

CASE(a_sealed_mapping_does_not_change) {
	char *p = anon(2 * PG, PROT_READ, MAP_PRIVATE);
	CHECK_ERRNO(syscall(SYS_mseal, p, PG, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_mseal, p + 1, PG, 0), EINVAL);
	CHECK(syscall(SYS_mseal, p, PG, 0) == 0);
	CHECK_ERRNO(munmap(p, PG), EPERM);
	CHECK_ERRNO(mprotect(p, PG, PROT_READ | PROT_WRITE), EPERM);
	CHECK_ERRNO((long)mmap(p, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EPERM);
	CHECK_ERRNO(madvise(p, PG, MADV_DONTNEED), EPERM);
	CHECK(munmap(p + PG, PG) == 0);
}

CASE(names_of_anonymous_memory_show) {
	char *p = anon(3 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE), l[300];
	mprotect(p, PG, PROT_NONE);
	if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p + PG, PG, "a name") == -1 && errno == EINVAL) return; // not configured
	CHECK(line("/proc/self/maps", p + PG, l, sizeof l));
	CHECK(strstr(l, "[anon:a name]"));
	CHECK(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p + PG, PG, 0) == 0);
	CHECK(line("/proc/self/maps", p + PG, l, sizeof l));
	CHECK(!strstr(l, "anon"));
	CHECK_ERRNO(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, PG, "bad[name"), EINVAL);
}

CASE(smaps_counts_pages) {
	char *p = anon(64 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	mprotect(p, PG, PROT_NONE);
	p += PG;
	memset(p, 1, 63 * PG);
	CHECK_EQ(smaps(p, "Size"), 63 * 4);
	CHECK_EQ(smaps(p, "Rss"), 63 * 4);
	CHECK_EQ(smaps(p, "Anonymous"), 63 * 4);
	CHECK_EQ(smaps(p, "Private_Dirty"), 63 * 4);
	int sync[2];
	CHECK(pipe(sync) == 0);
	pid_t c = fork();
	if (c == 0) {
		char b;
		close(sync[1]);
		_exit(read(sync[0], &b, 1));
	}
	CHECK_EQ(smaps(p, "Shared_Dirty"), 63 * 4);
	CHECK_EQ(smaps(p, "Pss"), 63 * 2);
	close(sync[1]);
	CHECK_CHILD(c, 0);
	CHECK_EQ(smaps(p, "Private_Dirty"), 63 * 4);
}

CASE(remap_file_pages_shows_other_pages) {
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(ftruncate(fd, 4 * PG) == 0);
	char *p = mmap(0, 4 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (int i = 0; i < 4; i++) p[i * PG] = i;
	CHECK(remap_file_pages(p, PG, 0, 3, 0) == 0);
	CHECK_EQ(p[0], 3);
	CHECK_EQ(p[PG], 1);
	CHECK_ERRNO(remap_file_pages(p, PG, PROT_READ, 3, 0), EINVAL);
}

CASE(process_vm_calls_reach_a_child) {
	char *p = anon(3 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	strcpy(p, "parent");
	mprotect(p + PG, PG, PROT_READ);
	munmap(p + 2 * PG, PG);
	int go[2];
	CHECK(pipe(go) == 0);
	pid_t c = fork();
	if (c == 0) {
		char b;
		close(go[1]);
		if (read(go[0], &b, 1)) {}
		_exit(strcmp(p, "from above"));
	}
	char text[] = "from above", back[16];
	struct iovec l = {text, sizeof text}, r = {p, sizeof text};
	CHECK_EQ(process_vm_writev(c, &l, 1, &r, 1, 0), sizeof text);
	CHECK(!strcmp(p, "parent"));
	l = (struct iovec){back, 16}, r = (struct iovec){p, 16};
	CHECK_EQ(process_vm_readv(c, &l, 1, &r, 1, 0), 16);
	CHECK(!strcmp(back, text));
	r.iov_base = p + PG;
	CHECK_ERRNO(process_vm_writev(c, &l, 1, &r, 1, 0), EFAULT);
	r.iov_base = p + 2 * PG - 4;
	CHECK_EQ(process_vm_readv(c, &l, 1, &r, 1, 0), 4);
	r.iov_base = p + 2 * PG;
	CHECK_ERRNO(process_vm_readv(c, &l, 1, &r, 1, 0), EFAULT);
	CHECK_ERRNO(process_vm_readv(c, &l, 1, &r, 1, 1), EINVAL);
	CHECK_ERRNO(process_vm_readv(999999, &l, 1, &r, 1, 0), ESRCH);
	close(go[1]);
	CHECK_CHILD(c, 0);
}

CASE(memory_policies_can_be_read_back) {
	int mode = -1;
	unsigned long mask = 1, got[16] = {0};
	if (syscall(SYS_get_mempolicy, &mode, 0, 0, 0, 0) == -1 && errno == ENOSYS) return; // no NUMA here
	CHECK_EQ(mode, 0);
	CHECK(syscall(SYS_set_mempolicy, 2, &mask, 64) == 0);
	CHECK(syscall(SYS_get_mempolicy, &mode, got, 64 * 16, 0, 0) == 0);
	CHECK_EQ(mode, 2);
	CHECK_EQ(got[0], 1);
	char *p = anon(2 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	CHECK(syscall(SYS_mbind, p, PG, 3, &mask, 64, 0) == 0);
	CHECK(syscall(SYS_get_mempolicy, &mode, 0, 0, p, 2) == 0);
	CHECK_EQ(mode, 3);
	CHECK(syscall(SYS_get_mempolicy, &mode, 0, 0, p + PG, 2) == 0);
	CHECK_EQ(mode, 0);
	CHECK_ERRNO(syscall(SYS_mbind, p + 1, PG, 3, &mask, 64, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_set_mempolicy, 77, &mask, 64), EINVAL);
	CHECK_ERRNO(syscall(SYS_set_mempolicy, 2, 0, 0), EINVAL);
	CHECK(syscall(SYS_set_mempolicy, 0, 0, 0) == 0);
}

CASE(system_calls_move_bytes_across_pages_of_all_kinds) {
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char *p = anon(4 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	memset(p, 'a', 4 * PG);
	CHECK_EQ(write(fd, p, 4 * PG), 4 * PG);
	char *s = mmap(p + PG, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, PG);
	CHECK(s == p + PG);
	CHECK(mmap(p + 2 * PG, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 2 * PG) == p + 2 * PG);
	int zero = open("/dev/zero", O_RDONLY);
	CHECK_EQ(read(zero, p + 100, 3 * PG), 3 * PG);
	CHECK_EQ(p[99], 'a');
	CHECK_EQ(p[100], 0);
	CHECK_EQ(p[3 * PG + 99], 0);
	CHECK_EQ(p[3 * PG + 100], 'a');
	char b[2];
	CHECK_EQ(pread(fd, b, 1, PG), 1);
	CHECK_EQ(b[0], 0);
	CHECK_EQ(pread(fd, b, 1, 2 * PG), 1);
	CHECK_EQ(b[0], 'a');
	mprotect(p + 2 * PG, PG, PROT_READ);
	CHECK_EQ(read(zero, p + PG, 3 * PG), PG);
	CHECK_ERRNO(read(zero, p + 2 * PG, PG), EFAULT);
}

CASE(a_thousand_mappings_come_and_go) {
	char *p = anon(2000 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	for (int i = 0; i < 2000; i += 2) CHECK(mprotect(p + i * PG, PG, PROT_READ) == 0);
	for (int i = 1; i < 2000; i += 2) p[i * PG] = i;
	pid_t c = fork();
	if (c == 0) {
		for (int i = 1; i < 2000; i += 2)
			if (p[i * PG] != (char)i) _exit(1);
		for (int i = 0; i < 2000; i += 2) munmap(p + i * PG, PG);
		for (int i = 1; i < 2000; i += 2) p[i * PG]++;
		_exit(0);
	}
	CHECK_CHILD(c, 0);
	for (int i = 1; i < 2000; i += 2) CHECK_EQ(p[i * PG], (char)i);
}

CASE(remap_file_pages_keeps_shared_anonymous_memory) {
	enum { N = 8 };
	size_t page = 4096;
	char *p = mmap(0, N * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	for (int i = 0; i < N; i++) p[i * page] = 'a' + i;
	for (int i = 0; i < N; i++) CHECK(syscall(SYS_remap_file_pages, p + i * page, page, 0, N - 1 - i, 0) == 0);
	for (int i = 0; i < N; i++) CHECK(p[i * page] == 'a' + N - 1 - i);
	for (int i = 0; i < N; i++) CHECK(syscall(SYS_remap_file_pages, p + i * page, page, 0, i, 0) == 0);
	for (int i = 0; i < N; i++) CHECK(p[i * page] == 'a' + i);
	CHECK(munmap(p, N * page) == 0);
}

MAIN()
