// Code that changes, or is read, after its calls were made often.
#include "hot.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define PAGE 4096
#define NUMBER 6 // where in code the number is

// getpid as a function: some NOPs, mov $39, %eax; syscall; ret.
static const unsigned char code[] = {0x90, 0x90, 0x90, 0x90, 0x90, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};

typedef long (*function)(void);

static long heat(void *f) {
	long r = 0;
	for (int i = 0; i < HOT; i++) r = ((function)f)();
	return r;
}

// code_file makes a file whose pages all begin with code.
static int code_file(int pages) {
	static char buf[PAGE];
	int fd = open("code", O_RDWR | O_CREAT | O_TRUNC, 0700);
	CHECK(fd >= 0);
	memset(buf, 0xcc, sizeof buf);
	memcpy(buf, code, sizeof code);
	for (int i = 0; i < pages; i++) CHECK_EQ(write(fd, buf, sizeof buf), sizeof buf);
	return fd;
}

static void *map_code(int fd, int prot, int flags) {
	void *p = mmap(0, PAGE, prot, flags, fd, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

CASE(writable_code_is_rewritten) {
	unsigned char *p = mmap(0, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	memcpy(p, code, sizeof code);
	for (int i = 0; i < 10; i++) {
		p[NUMBER] = SYS_getpid;
		CHECK_EQ(heat(p), getpid());
		p[NUMBER] = SYS_getppid;
		CHECK_EQ(heat(p), getppid());
	}
}

CASE(private_text_is_made_writable_and_rewritten) {
	int fd = code_file(1);
	unsigned char *p = map_code(fd, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(heat(p), i ? getppid() : getpid());
		CHECK(mprotect(p, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
		CHECK_EQ(heat(p), i ? getppid() : getpid());
		p[NUMBER] = SYS_getppid;
		CHECK(!memcmp(p, code, NUMBER) && !memcmp(p + NUMBER + 1, code + NUMBER + 1, sizeof code - NUMBER - 1));
		CHECK_EQ(heat(p), getppid());
		CHECK(mprotect(p, PAGE, PROT_READ | PROT_EXEC) == 0);
	}
	unsigned char b[sizeof code];
	CHECK_EQ(pread(fd, b, sizeof b, 0), sizeof b);
	CHECK(!memcmp(b, code, sizeof b));
}

CASE(another_file_takes_the_place_of_hot_text) {
	int fd = code_file(2);
	unsigned char *p = map_code(fd, PROT_READ | PROT_EXEC, MAP_PRIVATE), other = SYS_getppid;
	CHECK_EQ(pwrite(fd, &other, 1, PAGE + NUMBER), 1);
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(heat(p), i % 2 ? getppid() : getpid());
		CHECK(mmap(p, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, i % 2 ? 0 : PAGE) == p);
	}
}

CASE(hot_text_moves) {
	unsigned char *p = map_code(code_file(1), PROT_READ | PROT_EXEC, MAP_PRIVATE);
	CHECK_EQ(heat(p), getpid());
	unsigned char *q = mmap(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	CHECK_EQ(heat(q), getpid());
	// Something else is where it was.
	CHECK(mmap(p, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	memcpy(p, code, sizeof code);
	p[NUMBER] = SYS_getppid;
	CHECK_EQ(heat(p), getppid());
	CHECK_EQ(heat(q), getpid());
}

CASE(hot_text_is_thrown_away_and_comes_back) {
	unsigned char *p = map_code(code_file(1), PROT_READ | PROT_EXEC, MAP_PRIVATE);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(heat(p), getpid());
		CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0);
	}
	CHECK(mprotect(p, PAGE, PROT_NONE) == 0);
	CHECK(mprotect(p, PAGE, PROT_READ | PROT_EXEC) == 0);
	CHECK_EQ(heat(p), getpid());
}

CASE(a_child_rewrites_hot_text_for_itself) {
	unsigned char *p = map_code(code_file(1), PROT_READ | PROT_EXEC, MAP_PRIVATE);
	CHECK_EQ(heat(p), getpid());
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(heat(p), getpid());
		CHECK(mprotect(p, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
		p[NUMBER] = SYS_getppid;
		CHECK_EQ(heat(p), getppid());
		_exit(7);
	}
	CHECK_EQ(heat(p), getpid());
	CHECK_CHILD(pid, 7);
	CHECK_EQ(heat(p), getpid());
}

CASE(hot_shared_text_is_not_changed) {
	int fd = code_file(1);
	unsigned char *p = map_code(fd, PROT_READ | PROT_EXEC, MAP_SHARED);
	unsigned char *q = map_code(fd, PROT_READ | PROT_WRITE, MAP_SHARED), b[sizeof code];
	CHECK_EQ(heat(p), getpid());
	CHECK(!memcmp(p, code, sizeof code) && !memcmp(q, code, sizeof code));
	CHECK_EQ(pread(fd, b, sizeof b, 0), sizeof b);
	CHECK(!memcmp(b, code, sizeof b));
	q[NUMBER] = SYS_getppid;
	CHECK_EQ(heat(p), getppid());
}

CASE(hot_private_text_is_not_changed_in_the_file) {
	int fd = code_file(1);
	unsigned char *p = map_code(fd, PROT_READ | PROT_EXEC, MAP_PRIVATE), b[sizeof code];
	unsigned char *q = map_code(fd, PROT_READ, MAP_SHARED), *r = map_code(fd, PROT_READ, MAP_PRIVATE);
	CHECK_EQ(heat(p), getpid());
	CHECK(!memcmp(q, code, sizeof code) && !memcmp(r, code, sizeof code));
	CHECK_EQ(pread(fd, b, sizeof b, 0), sizeof b);
	CHECK(!memcmp(b, code, sizeof b));
}

static sigjmp_buf back;
static void on_bus(int sig) { siglongjmp(back, sig); }

CASE(the_file_of_hot_text_is_truncated) {
	int fd = code_file(1);
	unsigned char *p = map_code(fd, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	CHECK_EQ(heat(p), getpid());
	signal(SIGBUS, on_bus);
	CHECK(ftruncate(fd, 0) == 0);
	int sig = sigsetjmp(back, 1);
	if (!sig) heat(p);
	CHECK_EQ(sig, SIGBUS);
}

MOV_SITE(mov_getpid, 39)
CMP_SITE(cmp_getpid, 39)

// program_bytes reads from the file of this program what lies at an address.
static void program_bytes(void *at, void *buf, size_t n) {
	unsigned long from, to, off, a = (unsigned long)at;
	char line[512], prot[8];
	FILE *f = fopen("/proc/self/maps", "r");
	int fd = open("/proc/self/exe", O_RDONLY), found = 0;
	CHECK(f && fd >= 0);
	while (!found && fgets(line, sizeof line, f))
		found = sscanf(line, "%lx-%lx %7s %lx", &from, &to, prot, &off) == 4 && a >= from && a < to;
	CHECK(found);
	CHECK_EQ(pread(fd, buf, n, off + a - from), n);
	fclose(f);
	close(fd);
}

CASE(hot_text_reads_as_the_file) {
	function sites[] = {mov_getpid, cmp_getpid, (function)syscall, (function)getpid};
	for (int i = 0; i < 4; i++) {
		unsigned char *p = (unsigned char *)sites[i], want[64], got[64];
		for (int n = 0; n < HOT; n++) i == 2 ? syscall(SYS_getpid) : sites[i]();
		program_bytes(p, want, sizeof want);

		int mem = open("/proc/self/mem", O_RDONLY);
		CHECK(mem >= 0);
		CHECK_EQ(pread(mem, got, sizeof got, (off_t)p), sizeof got);
		CHECK(!memcmp(got, want, sizeof got));

		memset(got, 0, sizeof got);
		struct iovec local = {got, sizeof got}, remote = {p, sizeof got};
		CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), sizeof got);
		CHECK(!memcmp(got, want, sizeof got));

		int fds[2];
		memset(got, 0, sizeof got);
		CHECK(pipe(fds) == 0);
		CHECK_EQ(write(fds[1], p, sizeof got), sizeof got);
		CHECK_EQ(read(fds[0], got, sizeof got), sizeof got);
		CHECK(!memcmp(got, want, sizeof got));

		int file = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
		CHECK_EQ(pwrite(file, p, sizeof got, 0), sizeof got);
		CHECK_EQ(pread(file, got, sizeof got, 0), sizeof got);
		CHECK(!memcmp(got, want, sizeof got));
	}
}

CASE(proc_mem_writes_hot_text) {
	unsigned char *p = map_code(code_file(1), PROT_READ | PROT_EXEC, MAP_PRIVATE), nr = SYS_getppid;
	CHECK_EQ(heat(p), getpid());
	int mem = open("/proc/self/mem", O_RDWR);
	CHECK(mem >= 0);
	CHECK_EQ(pwrite(mem, &nr, 1, (off_t)p + NUMBER), 1);
	CHECK_EQ(heat(p), getppid());
	CHECK(!memcmp(p + NUMBER + 1, code + NUMBER + 1, sizeof code - NUMBER - 1));
}

MAIN()
