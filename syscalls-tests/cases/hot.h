// Call sites that are used often. A platform may rewrite them; programs must not notice.
#ifndef HOT_H
#define HOT_H
#include "case.h"

// HOT is how often a site is used to make it hot.
#define HOT 200

#define HOT_STR_(x) #x
#define HOT_STR(x) HOT_STR_(x)

// MOV_SITE and CMP_SITE define functions that make one call without arguments; the call is written as
// compilers and C libraries write it.
#define MOV_SITE(name, nr)                                                                                    \
	__attribute__((noinline)) static long name(void) {                                                        \
		long r;                                                                                               \
		asm volatile("nop; nop; nop; nop; nop; mov $" HOT_STR(nr) ", %%eax; syscall" : "=a"(r)::"rcx", "r11", "memory"); \
		return r;                                                                                             \
	}
#define CMP_SITE(name, nr)                                                                                    \
	__attribute__((noinline)) static long name(void) {                                                        \
		long r;                                                                                               \
		asm volatile("syscall; cmp $-4095, %%rax" : "=a"(r) : "a"((long)(nr)) : "rcx", "r11", "memory", "cc"); \
		return r;                                                                                             \
	}

// in_program reports whether an address lies in a mapping that /proc/PID/maps shows.
__attribute__((unused)) static int in_program(pid_t pid, unsigned long at) {
	char name[64], line[512];
	snprintf(name, sizeof name, "/proc/%d/maps", pid);
	FILE *f = fopen(name, "r");
	int found = 0;
	while (f && fgets(line, sizeof line, f)) {
		unsigned long from, to;
		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && at >= from && at < to) found = 1;
	}
	if (f) fclose(f);
	return found;
}
#endif
