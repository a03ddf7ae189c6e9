// Dumps the signal frame that the host lays out: the registers before the signal, the
// address of the frame, and the stack from the frame up to where the stack pointer was.
//
// Usage: frame [alt] > dump
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static char *stack, *alt;
enum { SIZE = 65536 };

// Registers as the handler was entered: rdi rsi rdx rax rsp rip-of-handler eflags.
static uint64_t entry[8];
static uint64_t before_sp;

static void dump(void) {
	char *base = alt ? alt : stack;
	uint64_t head[4] = {(uint64_t)base, SIZE, before_sp, alt != 0};
	write(1, head, sizeof head);
	write(1, entry, sizeof entry);
	write(1, base, SIZE);
	_exit(0);
}

__attribute__((naked)) static void handler(void) {
	__asm__ volatile(
		"mov %%rdi, entry(%%rip)\n mov %%rsi, entry+8(%%rip)\n mov %%rdx, entry+16(%%rip)\n"
		"mov %%rax, entry+24(%%rip)\n mov %%rsp, entry+32(%%rip)\n"
		"lea safe+60000(%%rip), %%rsp\n pushfq\n pop entry+40(%%rip)\n call dump_out\n" ::);
}
char safe[65536];
__attribute__((used)) void dump_out(void) { dump(); }
__attribute__((used)) static void *keep[] = {entry};

int main(int argc, char **argv) {
	stack = mmap(0, SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(stack, 0xa5, SIZE);
	struct { void *h; uint64_t flags; void *restorer; uint64_t mask; } act = {
		handler, SA_SIGINFO | 0x04000000, (void *)0x1234567890, 1ull << 9};
	if (argc > 1) {
		alt = mmap(0, SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(alt, 0xa5, SIZE);
		stack_t ss = {.ss_sp = alt, .ss_size = SIZE};
		sigaltstack(&ss, 0);
		act.flags |= SA_ONSTACK;
	}
	syscall(SYS_rt_sigaction, SIGSEGV, &act, 0, 8);
	uint64_t mask = 1ull << 11;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	before_sp = (uint64_t)stack + 40008;
	__asm__ volatile(
		"mov before_sp(%%rip), %%rsp\n"
		"fninit\n"
		"pcmpeqd %%xmm3, %%xmm3\n"
		"mov $1,%%rbx\n mov $2,%%rcx\n mov $3,%%rdx\n mov $4,%%rsi\n mov $5,%%rdi\n mov $6,%%rbp\n"
		"mov $8,%%r8\n mov $9,%%r9\n mov $10,%%r10\n mov $11,%%r11\n mov $12,%%r12\n mov $13,%%r13\n"
		"mov $14,%%r14\n mov $15,%%r15\n xor %%eax,%%eax\n std\n"
		"movb $7, 0x7b(%%rax)\n" ::: "memory");
}
