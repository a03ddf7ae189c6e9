// Corners of address spaces: mremap, madvise, mlock, brk, limits, and what /proc says of them.
#include "case.h"
#include <setjmp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#define MSEAL 462

static char *anon(size_t pages) {
	char *p = mmap(0, pages * PG, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

static char *shared(size_t pages) {
	char *p = mmap(0, pages * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

static char *file(size_t pages, int *fd) {
	*fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(ftruncate(*fd, pages * PG) == 0);
	char *p = mmap(0, pages * PG, RW, MAP_SHARED, *fd, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

static sigjmp_buf env;
static siginfo_t caught;
static void jump(int sig, siginfo_t *si, void *uc) {
	(void)sig, (void)uc;
	caught = *si;
	siglongjmp(env, 1);
}

static int touch(volatile char *p, int write) {
	struct sigaction sa = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	if (sigsetjmp(env, 1)) return caught.si_signo;
	if (write) *p = 1;
	else (void)*p;
	return 0;
}

// smaps returns the lines of the mapping at p.
static char *smaps(void *p) {
	static char b[1 << 20];
	char name[32];
	int f = open("/proc/self/smaps", O_RDONLY);
	ssize_t n, len = 0;
	while ((n = read(f, b + len, sizeof b - 1 - len)) > 0) len += n;
	close(f);
	b[len] = 0;
	sprintf(name, "%lx-", (unsigned long)p);
	char *at = strstr(b, name);
	CHECK(at != 0);
	char *end = strstr(at, "VmFlags:");
	CHECK(end != 0);
	*strchr(end, '\n') = 0;
	return at;
}

static long field(char *lines, const char *name) {
	char *at = strstr(lines, name);
	CHECK(at != 0);
	return atol(at + strlen(name));
}

static int has_flag(void *p, const char *flag) {
	char want[8];
	sprintf(want, " %s", flag);
	return strstr(strstr(smaps(p), "VmFlags:"), want) != 0;
}

static long status(const char *name) {
	char b[8192];
	int f = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(f, b, sizeof b - 1);
	close(f);
	b[n > 0 ? n : 0] = 0;
	return field(b, name);
}

CASE(mremap_DONTUNMAP_wants_MAYMOVE_and_equal_sizes) {
	char *p = anon(2);
	CHECK_ERRNO((long)mremap(p, PG, PG, MREMAP_DONTUNMAP), EINVAL);
	CHECK_ERRNO((long)mremap(p, PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), EINVAL);
	char *to = anon(1);
	p[0] = 5;
	CHECK(mremap(p, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == to);
	CHECK_EQ(to[0], 5);
	CHECK_EQ(p[0], 0);
	p[0] = 6;
	CHECK_EQ(to[0], 5);
}

CASE(mremap_DONTUNMAP_of_shared_memory_shows_it_twice) {
	char *s = shared(1);
	s[0] = 7;
	char *q = mremap(s, PG, PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	CHECK(q != MAP_FAILED);
	CHECK_EQ(q[0], 7);
	CHECK_EQ(s[0], 7);
	q[0] = 8;
	CHECK_EQ(s[0], 8);
}

CASE(mremap_across_two_mappings_is_EFAULT) {
	char *p = anon(2);
	CHECK(mprotect(p + PG, PG, PROT_READ) == 0);
	CHECK_ERRNO((long)mremap(p, 2 * PG, 4 * PG, MREMAP_MAYMOVE), EFAULT);
	CHECK(mremap(p, 2 * PG, PG, 0) == p); // shrinking may cross
	CHECK_EQ(touch(p + PG, 0), SIGSEGV);
}

CASE(mremap_in_place_grows_into_a_hole) {
	char *p = anon(4);
	munmap(p + PG, 3 * PG);
	p[0] = 1;
	CHECK(mremap(p, PG, 3 * PG, 0) == p);
	p[2 * PG] = 2;
	CHECK(mmap(p + 3 * PG, PG, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p + 3 * PG);
	CHECK_EQ(p[0] + p[2 * PG], 3);
}

CASE(mremap_of_a_file_shows_more_of_it) {
	int fd;
	char *p = file(4, &fd);
	CHECK_EQ(pwrite(fd, "z", 1, 2 * PG), 1);
	CHECK(munmap(p + PG, 3 * PG) == 0);
	char *q = mremap(p, PG, 4 * PG, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	CHECK_EQ(q[2 * PG], 'z');
	CHECK_EQ(touch(q + 3 * PG, 0), 0);
	CHECK(ftruncate(fd, PG) == 0);
	CHECK_EQ(touch(q + 3 * PG, 0), SIGBUS);
}

CASE(mremap_obeys_RLIMIT_AS_and_RLIMIT_MEMLOCK) {
	char *p = anon(4);
	CHECK(mlock(p, 4 * PG) == 0);
	struct rlimit l = {64 << 10, 64 << 10};
	CHECK(setrlimit(RLIMIT_MEMLOCK, &l) == 0);
	CHECK(setuid(65534) == 0);
	CHECK_ERRNO((long)mremap(p, 4 * PG, 40 * PG, MREMAP_MAYMOVE), EAGAIN);
	l.rlim_cur = l.rlim_max = status("VmSize:") * 1024 + (1 << 20);
	CHECK(setrlimit(RLIMIT_AS, &l) == 0);
	char *q = anon(1);
	CHECK_ERRNO((long)mremap(q, PG, 4 << 20, MREMAP_MAYMOVE), ENOMEM);
}

CASE(mremap_keeps_a_sealed_mapping_where_it_is) {
	char *p = anon(2);
	CHECK(syscall(MSEAL, p, 2 * PG, 0) == 0);
	CHECK_ERRNO((long)mremap(p, 2 * PG, 4 * PG, MREMAP_MAYMOVE), EPERM);
	CHECK_ERRNO((long)mremap(p, 2 * PG, PG, 0), EPERM);
	CHECK_ERRNO((long)mremap(anon(1), PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, p), EPERM);
	CHECK_ERRNO(munmap(p, PG), EPERM);
	CHECK_ERRNO(mprotect(p, PG, PROT_READ), EPERM);
	CHECK_ERRNO((long)mmap(p, PG, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EPERM);
	p[0] = 1; // writing is not sealed
	CHECK(madvise(p, PG, MADV_DONTNEED) == 0);
	CHECK_EQ(p[0], 0);
	CHECK(mlock(p, PG) == 0);
	CHECK_ERRNO(syscall(MSEAL, p, PG, 1), EINVAL);
	CHECK_ERRNO(syscall(MSEAL, p + 1, PG, 0), EINVAL);
	CHECK(syscall(MSEAL, p, 2 * PG, 0) == 0);
}

CASE(a_sealed_read_only_mapping_is_not_dropped) {
	char *p = anon(1);
	p[0] = 3;
	CHECK(mprotect(p, PG, PROT_READ) == 0);
	CHECK(syscall(MSEAL, p, PG, 0) == 0);
	CHECK_ERRNO(madvise(p, PG, MADV_DONTNEED), EPERM);
	CHECK_EQ(p[0], 3);
}

CASE(madvise_flags_show_in_smaps) {
	char *p = anon(1);
	struct { int on, off; const char *flag; } k[] = {
		{MADV_SEQUENTIAL, MADV_NORMAL, "sr"}, {MADV_RANDOM, MADV_NORMAL, "rr"}, {MADV_DONTFORK, MADV_DOFORK, "dc"},
		{MADV_DONTDUMP, MADV_DODUMP, "dd"}, {MADV_WIPEONFORK, MADV_KEEPONFORK, "wf"}, {MADV_MERGEABLE, MADV_UNMERGEABLE, "mg"},
	};
	for (unsigned i = 0; i < sizeof k / sizeof *k; i++) {
		CHECK(!has_flag(p, k[i].flag));
		CHECK(madvise(p, PG, k[i].on) == 0);
		CHECK(has_flag(p, k[i].flag));
		CHECK(madvise(p, PG, k[i].off) == 0);
		CHECK(!has_flag(p, k[i].flag));
	}
}

CASE(madvise_WIPEONFORK_wants_private_anonymous_memory) {
	int fd;
	CHECK_ERRNO(madvise(shared(1), PG, MADV_WIPEONFORK), EINVAL);
	CHECK_ERRNO(madvise(file(1, &fd), PG, MADV_WIPEONFORK), EINVAL);
	CHECK_ERRNO(madvise(mmap(0, PG, RW, MAP_PRIVATE, fd, 0), PG, MADV_WIPEONFORK), EINVAL);
}

CASE(madvise_splits_and_merges_mappings) {
	char *p = anon(3), name[32];
	CHECK(madvise(p + PG, PG, MADV_DONTFORK) == 0);
	CHECK(field(smaps(p + PG), "Size:") == 4);
	CHECK(madvise(p + PG, PG, MADV_DOFORK) == 0);
	sprintf(name, "%lx-", (unsigned long)p + PG);
	CHECK(field(smaps(p), "Size:") >= 12 || !strstr(smaps(p), name));
}

CASE(madvise_goes_on_behind_a_hole) {
	char *p = anon(3);
	memset(p, 1, 3 * PG);
	munmap(p + PG, PG);
	CHECK_ERRNO(madvise(p, 3 * PG, MADV_DONTNEED), ENOMEM);
	CHECK_EQ(p[0], 0);
	CHECK_EQ(p[2 * PG], 0);
	CHECK_ERRNO(madvise(p, 3 * PG, MADV_DONTFORK), ENOMEM);
	CHECK(has_flag(p + 2 * PG, "dc"));
	CHECK(madvise(p, 0, MADV_DONTNEED) == 0);
	CHECK_ERRNO(madvise(p, -PG, MADV_DONTNEED), EINVAL);
}

CASE(madvise_FREE_keeps_what_is_written_afterwards) {
	char *p = anon(1);
	memset(p, 1, PG);
	CHECK(madvise(p, PG, MADV_FREE) == 0);
	p[5] = 9;
	CHECK_EQ(p[5], 9);
	CHECK(p[6] == 0 || p[6] == 1);
	CHECK(mlock(p, PG) == 0);
	CHECK_ERRNO(madvise(p, PG, MADV_FREE), EINVAL);
	CHECK_ERRNO(madvise(p, PG, MADV_COLD), EINVAL);
	CHECK_ERRNO(madvise(p, PG, MADV_PAGEOUT), EINVAL);
	CHECK(madvise(p, PG, 24 /* MADV_DONTNEED_LOCKED */) == 0);
	CHECK_EQ(p[5], 0);
}

CASE(madvise_COLD_and_PAGEOUT_lose_nothing) {
	char *p = anon(4), *s = shared(4);
	memset(p, 1, 4 * PG);
	memset(s, 2, 4 * PG);
	CHECK(madvise(p, 4 * PG, MADV_COLD) == 0);
	CHECK(madvise(p, 4 * PG, MADV_PAGEOUT) == 0);
	CHECK(madvise(s, 4 * PG, MADV_PAGEOUT) == 0);
	CHECK(madvise(s, 4 * PG, MADV_WILLNEED) == 0);
	CHECK_EQ(p[3 * PG] + s[3 * PG], 3);
}

CASE(madvise_DONTNEED_of_a_private_file_mapping_shows_the_file_again) {
	int fd;
	char *s = file(1, &fd), *p = mmap(0, PG, RW, MAP_PRIVATE, fd, 0);
	s[0] = 'f';
	p[0] = 'm';
	CHECK_EQ(s[0], 'f');
	CHECK(madvise(p, PG, MADV_DONTNEED) == 0);
	CHECK_EQ(p[0], 'f');
	CHECK_ERRNO(madvise(p, PG, MADV_REMOVE), EACCES);
}

CASE(madvise_REMOVE_punches_a_hole) {
	int m = memfd_create("m", 0);
	CHECK(ftruncate(m, 2 * PG) == 0);
	char *p = mmap(0, 2 * PG, RW, MAP_SHARED, m, 0);
	memset(p, 1, 2 * PG);
	CHECK(madvise(p, PG, MADV_REMOVE) == 0);
	CHECK_EQ(lseek(m, 0, SEEK_DATA), PG);
	CHECK_EQ(p[0], 0);
	CHECK_EQ(p[PG], 1);
	CHECK(mlock(p, PG) == 0);
	CHECK_ERRNO(madvise(p, PG, MADV_REMOVE), EINVAL);
}

CASE(madvise_POPULATE_says_what_is_in_the_way) {
	int fd;
	char *f = file(2, &fd);
	CHECK(ftruncate(fd, PG) == 0);
	CHECK_ERRNO(madvise(f, 2 * PG, MADV_POPULATE_READ), EFAULT);
	CHECK(madvise(f, PG, MADV_POPULATE_WRITE) == 0);
	char *p = anon(2);
	CHECK(mprotect(p, PG, PROT_READ) == 0);
	CHECK(madvise(p, PG, MADV_POPULATE_READ) == 0);
	CHECK_ERRNO(madvise(p, PG, MADV_POPULATE_WRITE), EINVAL);
	CHECK(mprotect(p, PG, PROT_NONE) == 0);
	CHECK_ERRNO(madvise(p, 2 * PG, MADV_POPULATE_READ), EINVAL);
}

CASE(mlock_counts_and_shows) {
	long before = status("VmLck:");
	char *p = anon(4);
	CHECK(mlock(p + 1, PG) == 0); // rounds both ends
	CHECK_EQ(status("VmLck:"), before + 8);
	CHECK(has_flag(p, "lo"));
	CHECK(mlock2(p, 4 * PG, MLOCK_ONFAULT) == 0);
	CHECK_EQ(status("VmLck:"), before + 16);
	CHECK(munlock(p, 4 * PG) == 0);
	CHECK_EQ(status("VmLck:"), before);
	CHECK_ERRNO(mlock2(p, PG, 2), EINVAL);
	CHECK(mlock(p, 0) == 0);
}

CASE(mlock_obeys_RLIMIT_MEMLOCK) {
	struct rlimit l = {16 * PG, 16 * PG};
	CHECK(setrlimit(RLIMIT_MEMLOCK, &l) == 0);
	CHECK(setuid(65534) == 0);
	char *p = anon(32);
	CHECK(mlock(p, 16 * PG) == 0);
	CHECK(mlock(p, 16 * PG) == 0); // counts once
	CHECK_ERRNO(mlock(p, 17 * PG), ENOMEM);
	CHECK_ERRNO((long)mmap(0, PG, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0), EAGAIN);
	CHECK_ERRNO(mlockall(MCL_CURRENT), ENOMEM);
	CHECK(munlockall() == 0);
	l.rlim_cur = 0;
	CHECK(setrlimit(RLIMIT_MEMLOCK, &l) == 0);
	CHECK_ERRNO(mlock(p, PG), EPERM);
	CHECK_ERRNO(mlockall(MCL_FUTURE), EPERM);
}

CASE(mlockall_FUTURE_locks_what_comes) {
	CHECK(mlockall(MCL_FUTURE) == 0);
	char *p = anon(4);
	unsigned char v[4];
	CHECK(has_flag(p, "lo"));
	CHECK(mincore(p, 4 * PG, v) == 0);
	for (int i = 0; i < 4; i++) CHECK_EQ(v[i] & 1, 1);
	CHECK(munlockall() == 0);
	CHECK(!has_flag(p, "lo"));
	CHECK(mlockall(MCL_FUTURE | MCL_ONFAULT) == 0);
	CHECK_ERRNO(mlockall(MCL_ONFAULT), EINVAL);
}

CASE(locks_are_not_inherited) {
	char *p = anon(1);
	CHECK(mlock(p, PG) == 0);
	pid_t c = fork();
	if (c == 0) {
		CHECK_EQ(status("VmLck:"), 0);
		CHECK(!has_flag(p, "lo"));
		_exit(0);
	}
	CHECK_CHILD(c, 0);
}

CASE(msync_errors) {
	char *p = anon(3);
	CHECK_ERRNO(msync(p + 1, PG, MS_SYNC), EINVAL);
	CHECK_ERRNO(msync(p, PG, 8), EINVAL);
	CHECK(msync(p, 3 * PG, MS_ASYNC) == 0);
	munmap(p + PG, PG);
	CHECK_ERRNO(msync(p, 3 * PG, MS_SYNC), ENOMEM);
	CHECK(msync(p, 0, MS_SYNC) == 0);
	CHECK(msync(p, -1, MS_SYNC) == 0); // rounded up that is 0
}

CASE(mmap_flags_that_say_no) {
	int fd;
	char *p = file(1, &fd);
	CHECK_ERRNO((long)mmap(0, PG, RW, MAP_SHARED_VALIDATE | 0x80000 /* MAP_SYNC */, fd, 0), EOPNOTSUPP);
	CHECK_ERRNO((long)mmap(0, PG, RW, MAP_SHARED_VALIDATE | 0x200000, fd, 0), EOPNOTSUPP);
	CHECK(mmap(0, PG, RW, MAP_SHARED | 0x200000, fd, 0) != MAP_FAILED);
	CHECK_ERRNO((long)mmap(0, PG, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0), ENOMEM);
	CHECK_ERRNO((long)mmap(0, 2 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << 26, -1, 0), ENOMEM);
	CHECK_ERRNO((long)mmap(0, 2 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 13 << 26, -1, 0), EINVAL);
	CHECK_ERRNO((long)mmap(0, PG, RW, MAP_SHARED, fd, -PG), EOVERFLOW);
	CHECK_ERRNO((long)mmap(p + 1, PG, RW, MAP_SHARED | MAP_FIXED, fd, 0), EINVAL);
	CHECK_ERRNO((long)mmap((void *)(1UL << 47), PG, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), ENOMEM);
	CHECK_ERRNO((long)mmap(p, PG, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
}

CASE(mprotect_GROWSDOWN_reaches_the_start) {
	char *p = anon(4);
	CHECK_ERRNO(mprotect(p + PG, PG, PROT_READ | PROT_GROWSDOWN), EINVAL);
	CHECK_ERRNO(mprotect(p, PG, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP), EINVAL);
	CHECK_ERRNO(mprotect(p, PG, PROT_READ | PROT_GROWSUP), EINVAL);
	CHECK_ERRNO(mprotect(p, PG, 0x100), EINVAL);
	CHECK(mprotect(p, 0, RW) == 0);
	munmap(p + 2 * PG, PG);
	CHECK_ERRNO(mprotect(p, 4 * PG, PROT_READ), ENOMEM);
	CHECK_EQ(touch(p, 1), SIGSEGV); // what came before the hole has changed
	CHECK_EQ(touch(p + 3 * PG, 1), 0);
}

CASE(a_growing_stack_keeps_its_distance) {
	char *top = mmap(0, 2048 * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(top != MAP_FAILED);
	munmap(top, 2048 * PG);
	CHECK(mmap(top, PG, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == top);
	char *s = top + 400 * PG;
	CHECK(mmap(s, PG, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == s);
	CHECK_EQ(touch(top + 300 * PG, 1), 0);
	CHECK_EQ(touch(top + 100 * PG, 1), SIGSEGV); // less than 256 pages above another mapping
}

CASE(brk_obeys_RLIMIT_DATA) {
	struct rlimit l = {1 << 20, 1 << 20};
	char *a = sbrk(0);
	CHECK(setrlimit(RLIMIT_DATA, &l) == 0);
	CHECK(brk(a + (4 << 20)) == -1);
	CHECK(sbrk(0) == a);
	CHECK_ERRNO((long)mmap(0, 4 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK(mmap(0, 4 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	CHECK(mmap(0, 4 << 20, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

CASE(brk_stops_at_a_mapping) {
	char *a = (char *)(((unsigned long)sbrk(0) + PG - 1) & -PG);
	CHECK(brk(a) == 0);
	CHECK(mmap(a + 4 * PG, PG, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == a + 4 * PG);
	CHECK(brk(a + 8 * PG) == -1);
	CHECK(brk(a + 2 * PG) == 0);
	CHECK_EQ(touch(a + PG, 1), 0);
	CHECK(brk(a) == 0);
	CHECK_EQ(touch(a + PG, 1), SIGSEGV);
}

CASE(smaps_adds_up) {
	char *p = anon(8);
	for (int i = 0; i < 4; i++) p[i * PG] = 1;
	CHECK(madvise(p, PG, MADV_DONTFORK) == 0); // its own entry, apart from others
	CHECK(madvise(p, 8 * PG, MADV_DONTDUMP) == 0);
	CHECK(madvise(p, PG, MADV_DOFORK) == 0);
	char *s = smaps(p);
	CHECK_EQ(field(s, "Size:"), 32);
	CHECK_EQ(field(s, "KernelPageSize:"), 4);
	CHECK(field(s, "Rss:") >= 16);
	CHECK_EQ(field(s, "Anonymous:"), field(s, "Rss:"));
	CHECK_EQ(field(s, "Private_Dirty:"), field(s, "Rss:"));
	CHECK_EQ(field(s, "Shared_Dirty:") + field(s, "Shared_Clean:"), 0);
	CHECK_EQ(field(s, "THPeligible:"), 0);
	CHECK_EQ(field(s, "Locked:"), 0);
}

CASE(smaps_rollup_sums_all) {
	char b[4096];
	int f = open("/proc/self/smaps_rollup", O_RDONLY);
	ssize_t n = read(f, b, sizeof b - 1);
	CHECK(n > 0);
	b[n] = 0;
	CHECK(strstr(b, "[rollup]"));
	CHECK(field(b, "Rss:") > 0);
	CHECK(field(b, "Pss:") <= field(b, "Rss:"));
	CHECK(strstr(b, "Pss_Anon:") && strstr(b, "Pss_File:") && strstr(b, "Pss_Shmem:"));
}

CASE(pagemap_shows_what_is_present) {
	char *p = anon(2);
	uint64_t e[3];
	p[0] = 1;
	munmap(p + PG, PG);
	int f = open("/proc/self/pagemap", O_RDONLY);
	CHECK_EQ(pread(f, e, 16, (unsigned long)p / PG * 8), 16);
	CHECK_EQ(e[0] >> 63, 1);
	CHECK_EQ(e[1] >> 63, 0);
	CHECK_ERRNO(pread(f, e, 4, 0), EINVAL);
	CHECK_ERRNO(pread(f, e, 8, 4), EINVAL);
	CHECK_EQ(pread(f, e, 8, (1UL << 47) / PG * 8), 0);
}

CASE(clear_refs_takes_what_Linux_takes) {
	int f = open("/proc/self/clear_refs", O_WRONLY);
	CHECK(f >= 0);
	for (const char *c = "1235"; *c; c++) CHECK_EQ(write(f, c, 1), 1);
	CHECK_ERRNO(write(f, "0", 1), EINVAL);
	CHECK_ERRNO(write(f, "9", 1), EINVAL);
	CHECK_ERRNO(write(f, "x", 1), EINVAL);
}

CASE(map_files_names_what_is_mapped) {
	int fd;
	char *p = file(2, &fd), name[80], b[300] = {0}, want[300];
	sprintf(name, "/proc/self/map_files/%lx-%lx", (unsigned long)p, (unsigned long)p + 2 * PG);
	CHECK(readlink(name, b, sizeof b - 1) > 0);
	CHECK(getcwd(want, sizeof want - 2) != 0);
	strcat(want, "/f");
	CHECK(!strcmp(b, want));
	sprintf(name, "/proc/self/map_files/%lx-%lx", (unsigned long)p, (unsigned long)p + PG);
	CHECK_ERRNO(readlink(name, b, sizeof b), ENOENT);
}

CASE(process_vm_readv_stops_at_a_hole) {
	char *p = anon(3), b[3 * PG];
	memset(p, 4, 3 * PG);
	munmap(p + PG, PG);
	struct iovec l = {b, 3 * PG}, r = {p, 3 * PG};
	CHECK_EQ(process_vm_readv(getpid(), &l, 1, &r, 1, 0), PG);
	struct iovec two[2] = {{p + PG, 1}, {p, 1}};
	CHECK_ERRNO(process_vm_readv(getpid(), &l, 1, two, 2, 0), EFAULT);
	CHECK_ERRNO(process_vm_readv(getpid(), &l, 1, &r, 1, 1), EINVAL);
	CHECK_ERRNO(process_vm_readv(getpid(), &l, 2000, &r, 1, 0), EINVAL);
	CHECK_EQ(process_vm_readv(getpid(), &l, 1, &r, 0, 0), 0);
	CHECK(mprotect(p, PG, PROT_READ) == 0);
	CHECK_ERRNO(process_vm_writev(getpid(), &l, 1, &r, 1, 0), EFAULT);
}

struct query {
	uint64_t size, flags, addr, start, end, perms, page_size, offset, inode;
	uint32_t major, minor, name_size, id_size;
	uint64_t name, id;
};
#define PROCMAP_QUERY _IOWR('f', 17, struct query)

CASE(PROCMAP_QUERY_finds_mappings) {
	int fd, maps = open("/proc/self/maps", O_RDONLY);
	char *f = file(2, &fd), *p = anon(4), name[300], want[300];
	munmap(p, PG);
	munmap(p + 2 * PG, PG);
	CHECK(mprotect(p + 3 * PG, PG, PROT_READ) == 0);
	p += PG;
	struct stat st;
	CHECK(fstat(fd, &st) == 0 && getcwd(want, sizeof want - 2) != 0);
	strcat(want, "/f");
	struct query q = {.size = sizeof q, .addr = (uint64_t)f + PG, .name_size = sizeof name, .name = (uint64_t)name};
	CHECK_EQ(ioctl(maps, PROCMAP_QUERY, &q), 0);
	CHECK_EQ(q.start, (uint64_t)f);
	CHECK_EQ(q.end, (uint64_t)f + 2 * PG);
	CHECK_EQ(q.perms, 1 | 2 | 8);
	CHECK_EQ(q.page_size, PG);
	CHECK_EQ(q.inode, st.st_ino);
	CHECK_EQ(q.name_size, strlen(want) + 1);
	CHECK(!strcmp(name, want));
	q = (struct query){.size = sizeof q, .addr = (uint64_t)f, .name_size = 5, .name = (uint64_t)name};
	CHECK_ERRNO(ioctl(maps, PROCMAP_QUERY, &q), ENAMETOOLONG);
	q = (struct query){.size = sizeof q, .addr = (uint64_t)p, .name_size = sizeof name, .name = (uint64_t)name};
	CHECK_EQ(ioctl(maps, PROCMAP_QUERY, &q), 0);
	CHECK_EQ(q.start, (uint64_t)p);
	CHECK_EQ(q.perms, 1 | 2);
	CHECK_EQ(q.name_size, 0);
	CHECK_EQ(q.inode + q.offset + q.major + q.minor, 0);
	q = (struct query){.size = sizeof q, .addr = (uint64_t)p + PG};
	CHECK_ERRNO(ioctl(maps, PROCMAP_QUERY, &q), ENOENT); // a hole
	q = (struct query){.size = sizeof q, .addr = (uint64_t)p + PG, .flags = 0x10};
	CHECK_EQ(ioctl(maps, PROCMAP_QUERY, &q), 0);
	CHECK_EQ(q.start, (uint64_t)p + 2 * PG);
	q = (struct query){.size = sizeof q, .addr = (uint64_t)p + 2 * PG, .flags = 2};
	CHECK_ERRNO(ioctl(maps, PROCMAP_QUERY, &q), ENOENT); // it can't be written
	q = (struct query){.size = sizeof q, .flags = 0x30};
	CHECK_EQ(ioctl(maps, PROCMAP_QUERY, &q), 0);
	CHECK(q.inode != 0); // the program
	q = (struct query){.size = 24, .addr = (uint64_t)f};
	CHECK_EQ(ioctl(maps, PROCMAP_QUERY, &q), 0);
	CHECK_EQ(q.start, 0);
}

CASE(PROCMAP_QUERY_errors) {
	int maps = open("/proc/self/maps", O_RDONLY);
	struct { struct query q; uint64_t more; } x = {{.size = sizeof x, .addr = (uint64_t)&x}, 1};
	char name[10];
	CHECK_ERRNO(ioctl(maps, PROCMAP_QUERY, &x), E2BIG);
	x.more = 0;
	CHECK_EQ(ioctl(maps, PROCMAP_QUERY, &x), 0);
	struct query q = {.size = 16};
	CHECK_ERRNO(ioctl(maps, PROCMAP_QUERY, &q), EINVAL);
	q = (struct query){.size = 5000};
	CHECK_ERRNO(ioctl(maps, PROCMAP_QUERY, &q), E2BIG);
	q = (struct query){.size = sizeof q, .flags = 0x40};
	CHECK_ERRNO(ioctl(maps, PROCMAP_QUERY, &q), EINVAL);
	q = (struct query){.size = sizeof q, .name = (uint64_t)name};
	CHECK_ERRNO(ioctl(maps, PROCMAP_QUERY, &q), EINVAL);
	q = (struct query){.size = sizeof q, .id_size = 20};
	CHECK_ERRNO(ioctl(maps, PROCMAP_QUERY, &q), EINVAL);
	CHECK_ERRNO(ioctl(maps, PROCMAP_QUERY, (void *)8), EFAULT);
	CHECK_ERRNO(ioctl(maps, TIOCGWINSZ, &q), ENOTTY);
}

CASE(remap_file_pages_errors) {
	char *s = shared(4), *p = anon(1);
	CHECK_ERRNO(remap_file_pages(p, PG, 0, 0, 0), EINVAL);
	CHECK_ERRNO(remap_file_pages(s, PG, PROT_READ, 0, 0), EINVAL);
	CHECK_ERRNO(remap_file_pages(s, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(remap_file_pages(s, 8 * PG, 0, 0, 0), EINVAL);
	s[3 * PG] = 3;
	CHECK(remap_file_pages(s, PG, 0, 3, 0) == 0);
	CHECK_EQ(s[0], 3);
}

CASE(a_private_mapping_sees_the_file_until_it_writes) {
	int fd;
	char *s = file(2, &fd), *p = mmap(0, 2 * PG, RW, MAP_PRIVATE, fd, 0);
	s[0] = 'a';
	CHECK_EQ(p[0], 'a');
	s[PG] = 'c';
	p[PG + 1] = 'm';
	CHECK_EQ(p[PG], 'c');
	s[PG] = 'd';
	CHECK_EQ(p[PG], 'c');
	CHECK_EQ(s[PG + 1], 0);
}

CASE(overcommit_refuses_what_can_never_be) {
	CHECK_ERRNO((long)mmap(0, 1UL << 45, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK(mmap(0, 1UL << 45, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED);
	CHECK(mmap(0, 1UL << 44, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

CASE(process_madvise_checks_its_arguments) {
	int fd = syscall(434 /* pidfd_open */, getpid(), 0);
	char *p = anon(2);
	struct iovec v[2] = {{p, PG}, {p + PG, PG}};
	CHECK_EQ(syscall(440, fd, v, 2, MADV_COLD, 0), 2 * PG);
	CHECK_ERRNO(syscall(440, fd, v, 2, MADV_COLD, 1), EINVAL);
	CHECK_ERRNO(syscall(440, -1, v, 2, MADV_COLD, 0), EBADF);
	munmap(p + PG, PG);
	CHECK_EQ(syscall(440, fd, v, 2, MADV_COLD, 0), PG);
	CHECK_ERRNO(syscall(440, fd, v + 1, 1, MADV_COLD, 0), ENOMEM);
}

MAIN()
