// Calls the functions of a vDSO image: argv[1] is a file with the page of parameters and
// the image behind it. Prints how far each clock is from the kernel's.
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static char *image;

static void *find(const char *name)
{
	Elf64_Ehdr *h = (void *)image;
	Elf64_Phdr *p = (void *)(image + h->e_phoff);
	Elf64_Dyn *dyn = 0;
	for (int i = 0; i < h->e_phnum; i++)
		if (p[i].p_type == PT_DYNAMIC)
			dyn = (void *)(image + p[i].p_vaddr);
	Elf64_Sym *sym = 0;
	char *str = 0;
	unsigned *hash = 0;
	for (; dyn->d_tag; dyn++) {
		if (dyn->d_tag == DT_SYMTAB) sym = (void *)(image + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB) str = image + dyn->d_un.d_ptr;
		if (dyn->d_tag == DT_HASH) hash = (void *)(image + dyn->d_un.d_ptr);
	}
	for (unsigned i = 0; i < hash[1]; i++)
		if (!strcmp(str + sym[i].st_name, name) && sym[i].st_shndx)
			return image + sym[i].st_value;
	return 0;
}

static long long ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

int main(int argc, char **argv)
{
	int fd = open(argv[1], O_RDONLY);
	char *map = mmap(0, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
	mprotect(map + 4096, 4096, PROT_READ | PROT_EXEC);
	image = map + 4096;
	int (*gettime)(int, struct timespec *) = find("__vdso_clock_gettime");
	int (*getres)(int, struct timespec *) = find("__vdso_clock_getres");
	int (*tod)(struct timeval *, void *) = find("gettimeofday");
	time_t (*now)(time_t *) = find("time");
	int (*cpu)(unsigned *, unsigned *, void *) = find("__vdso_getcpu");
	int clocks[] = { 0, 1, 4, 5, 6, 7, 11, 99, -1 };
	for (int i = 0; i < 9; i++) {
		long long best = 1LL << 62, last = 0;
		int back = 0, ret = 0;
		for (int n = 0; n < 200; n++) {
			struct timespec a = {0}, b = {0}, c = {0};
			syscall(SYS_clock_gettime, clocks[i], &a);
			ret = gettime(clocks[i], &b);
			syscall(SYS_clock_gettime, clocks[i], &c);
			long long low = ns(a) - ns(b), high = ns(b) - ns(c), off = low > high ? low : high;
			if (off < best) best = off;
			if (ns(b) < last) back = 1;
			last = ns(b);
		}
		printf("clock %d ret %d back %d off %lld\n", clocks[i], ret, back, best < 0 ? 0 : best);
	}
	struct timespec r;
	getres(1, &r);
	struct timeval tv;
	tod(&tv, 0);
	time_t t1 = time(0), t2 = now(0), t3;
	now(&t3);
	unsigned c, n;
	cpu(&c, &n, 0);
	printf("res %ld tod %d time %d %d cpu %d node %u\n", r.tv_nsec, (int)(tv.tv_sec - t1) / 2, (int)(t2 - t1) / 2, (int)(t3 - t2) / 2, c < 4096, n);
	return 0;
}
