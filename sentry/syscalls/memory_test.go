package syscalls

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"ringfence/sentry/kernel/kerneltest"
	"ringfence/sentry/memfile"
)

// runCases runs the cases of a family that need no /proc in this process, with files beside the program, and wants
// no frame left of their memory.
func runCases(t *testing.T, family string, files map[string][]byte) *kerneltest.Machine {
	t.Helper()
	file := "../../syscalls-tests/cases/" + family + ".c"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"/bin/case"}
	for _, c := range regexp.MustCompile(`(?ms)^CASE\((\w+)\) \{.*?^\}`).FindAllStringSubmatch(string(src), -1) {
		if !strings.Contains(c[0], "/proc/") {
			args = append(args, c[1])
		}
	}
	m := kerneltest.New(t, Table())
	m.Put("/bin/case", kerneltest.CompileFile(t, file), 0o755)
	for name, b := range files {
		m.Put(name, b, 0o755)
	}
	r := m.Run(args...)
	if r.Status != 0 {
		t.Errorf("status %v:\n%s", r.Status, r.Output)
	}
	if s := m.K.MemFile.Stats(); s.ByKind[memfile.Anonymous] != 0 || s.ByKind[memfile.Shared] != 0 {
		t.Errorf("frames are left: %v", s.ByKind)
	}
	return m
}

// The guest cases about memory and futexes that need no /proc, without a sandbox around
// the kernel.
func TestMemory_cases(t *testing.T) {
	for _, name := range []string{"mm", "thread"} {
		t.Run(name, func(t *testing.T) {
			runCases(t, name, nil)
		})
	}
}

// A process that uses up all memory dies; its parent and the kernel go on.
func TestMemory_that_ends_kills_who_takes_it(t *testing.T) {
	m := kerneltest.New(t, Table())
	m.Put("/bin/eat", kerneltest.Compile(t, "eat", `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
	for (int i = 0; i < 3; i++) {
		int st;
		pid_t p = fork();
		if (p == 0)
			for (;;) memset(malloc(1 << 20), 1, 1 << 20);
		waitpid(p, &st, 0);
		printf("%x\n", st);
	}
	return 0;
}
`), 0o755)
	m.K.MemFile.SetLimit(48 << 20)
	if r := m.Run("/bin/eat"); r.Status != 0 || r.Output != "9\n9\n9\n" {
		t.Errorf("%+v", r)
	}
}

// Threads that map, unmap, protect, move, drop, fork and touch the same range at random
// hurt nobody but themselves, and leave nothing behind.
func TestMemory_stress(t *testing.T) {
	m := kerneltest.New(t, Table())
	m.Put("/bin/stress", kerneltest.Compile(t, "stress", `
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PG 4096UL
#define PAGES 128
#define BASE ((char *)0x10000000000)

static __thread sigjmp_buf env;
static void jump(int sig) { (void)sig; siglongjmp(env, 1); }
static int fd;

static void *work(void *arg) {
	unsigned seed = (long)arg;
	for (int i = 0; i < 3000; i++) {
		char *a = BASE + rand_r(&seed) % PAGES * PG;
		size_t n = (1 + rand_r(&seed) % 8) * PG;
		int prot = rand_r(&seed) % 4;
		char *b = BASE + rand_r(&seed) % PAGES * PG;
		if (sigsetjmp(env, 1)) continue;
		switch (rand_r(&seed) % 12) {
		case 0: mmap(a, n, prot | 2, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); break;
		case 1: mmap(a, n, prot, MAP_FIXED | (prot & 1 ? MAP_SHARED : MAP_PRIVATE), fd, rand_r(&seed) % 16 * PG); break;
		case 2: munmap(a, n); break;
		case 3: mprotect(a, n, prot); break;
		case 4: mremap(a, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, b); break;
		case 5: madvise(a, n, prot & 1 ? MADV_DONTNEED : MADV_REMOVE); break;
		case 6: if (ftruncate(fd, rand_r(&seed) % 20 * PG)) {} break;
		case 7: if (pread(fd, a, n, 0)) {} break;
		case 8: if (pwrite(fd, a, n, rand_r(&seed) % 8 * PG)) {} break;
		case 9: if (i % 40 == 0) {
			pid_t p = fork();
			if (p == 0) {
				if (!sigsetjmp(env, 1)) for (char *q = BASE; q < BASE + 32 * PG; q += PG) *q = 1;
				_exit(0);
			}
			waitpid(p, 0, 0);
		}
		// fall through
		default: *(volatile char *)a = i; *(volatile char *)b += *a;
		}
	}
	return 0;
}

int main(void) {
	struct sigaction sa = {.sa_handler = jump, .sa_flags = SA_NODEFER};
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	fd = open("/tmp/f", O_RDWR | O_CREAT, 0600);
	pthread_t t[4];
	for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, work, (void *)(i + 1));
	for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
	puts("done");
	return 0;
}
`), 0o755)
	if r := m.Run("/bin/stress"); r.Status != 0 || r.Output != "done\n" {
		t.Errorf("%+v", r)
	}
	if s := m.K.MemFile.Stats(); s.ByKind[memfile.Anonymous] != 0 || s.ByKind[memfile.Shared] != 0 {
		t.Errorf("frames are left: %v", s.ByKind)
	}
}
