// The vDSO: clock calls that a guest answers itself, from the page of parameters
// that the sentry maps in front of this image. Built by tools/vdsogen; see there.
//
// The layout of struct vvar is that of loader.vvar (sentry/loader/vvar_unsafe.go).

typedef unsigned int u32;
typedef unsigned long u64;
typedef long s64;

struct vvar {
	u32 seq;       // odd while the sentry writes
	u32 usable;    // 0: ask the kernel
	u64 base_tsc;  // TSC at which the clocks stood at ...
	u64 base_ns;   // ... this, CLOCK_MONOTONIC
	u64 mult;      // nanoseconds per tick, times 2^32
	s64 real_ns;   // CLOCK_REALTIME minus CLOCK_MONOTONIC
	s64 boot_ns;   // CLOCK_BOOTTIME minus CLOCK_MONOTONIC
	u32 cpus;      // number of CPUs that the guest sees
};

extern const volatile struct vvar vvar_page __attribute__((visibility("hidden")));

struct timespec { s64 sec, nsec; };
struct timeval { s64 sec, usec; };
struct timezone { int minuteswest, dsttime; };

enum {
	SYS_gettimeofday = 96, SYS_time = 201, SYS_clock_gettime = 228,
	SYS_clock_getres = 229, SYS_getcpu = 309,
};

enum {
	REALTIME, MONOTONIC, PROCESS_CPUTIME, THREAD_CPUTIME, MONOTONIC_RAW,
	REALTIME_COARSE, MONOTONIC_COARSE, BOOTTIME,
};

static inline s64 syscall3(s64 nr, u64 a, u64 b, u64 c)
{
	s64 ret;
	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline u64 rdtsc_ordered(void)
{
	u32 lo, hi;
	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return (u64)hi << 32 | lo;
}

// read_clock stores nanoseconds of a clock; 0 if the kernel has to be asked.
static inline int read_clock(int clock, s64 *out)
{
	const volatile struct vvar *v = &vvar_page;
	for (;;) {
		u32 seq = v->seq;
		if (seq & 1) {
			__asm__ volatile("pause");
			continue;
		}
		__asm__ volatile("" ::: "memory");
		if (!v->usable)
			return 0;
		u64 now = rdtsc_ordered();
		u64 base = v->base_tsc;
		u64 ticks = now > base ? now - base : 0;
		s64 ns = v->base_ns + (u64)(((unsigned __int128)ticks * v->mult) >> 32);
		switch (clock) {
		case REALTIME:
		case REALTIME_COARSE:
			ns += v->real_ns;
			break;
		case BOOTTIME:
			ns += v->boot_ns;
			break;
		}
		__asm__ volatile("" ::: "memory");
		if (v->seq != seq)
			continue;
		if (clock == REALTIME_COARSE || clock == MONOTONIC_COARSE)
			ns -= ns % 4000000; // ktime.CoarseResolution
		*out = ns;
		return 1;
	}
}

static inline int known(int clock)
{
	return clock >= 0 && clock <= BOOTTIME &&
		(1 << clock & (1 << REALTIME | 1 << MONOTONIC | 1 << REALTIME_COARSE |
			       1 << MONOTONIC_COARSE | 1 << BOOTTIME));
}

int __vdso_clock_gettime(int clock, struct timespec *ts)
{
	s64 ns;
	if (!known(clock) || !read_clock(clock, &ns))
		return syscall3(SYS_clock_gettime, (u64)(s64)clock, (u64)ts, 0);
	ts->sec = ns / 1000000000;
	ts->nsec = ns % 1000000000;
	return 0;
}

int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	s64 ns;
	if (tz || !read_clock(REALTIME, &ns))
		return syscall3(SYS_gettimeofday, (u64)tv, (u64)tz, 0);
	if (tv) {
		tv->sec = ns / 1000000000;
		tv->usec = ns % 1000000000 / 1000;
	}
	return 0;
}

s64 __vdso_time(s64 *t)
{
	s64 ns;
	if (!read_clock(REALTIME, &ns))
		return syscall3(SYS_time, (u64)t, 0, 0);
	ns /= 1000000000;
	if (t)
		*t = ns;
	return ns;
}

int __vdso_clock_getres(int clock, struct timespec *res)
{
	if (!known(clock) || clock == REALTIME_COARSE || clock == MONOTONIC_COARSE)
		return syscall3(SYS_clock_getres, (u64)(s64)clock, (u64)res, 0);
	if (res) {
		res->sec = 0;
		res->nsec = 1;
	}
	return 0;
}

// The CPU's number stands in the limit of a segment that Linux keeps for this.
int __vdso_getcpu(u32 *cpu, u32 *node, void *unused)
{
	u32 limit, cpus = vvar_page.cpus;
	char ok;
	__asm__ volatile("lsl %2, %0; setz %1" : "=r"(limit), "=q"(ok) : "r"(0x7b) : "cc");
	if (!ok || !cpus)
		return syscall3(SYS_getcpu, (u64)cpu, (u64)node, 0);
	limit &= 0xfff;
	if (limit >= cpus)
		limit %= cpus;
	if (cpu)
		*cpu = limit;
	if (node)
		*node = 0;
	return 0;
}

#define ALIAS(name) \
	extern __typeof__(__vdso_##name) name __attribute__((weak, alias("__vdso_" #name)))

ALIAS(clock_gettime);
ALIAS(gettimeofday);
ALIAS(time);
ALIAS(clock_getres);
ALIAS(getcpu);
