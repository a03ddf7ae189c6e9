#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sched.h>
#include <time.h>
#include <errno.h>
static unsigned rnd(unsigned *s) { return *s = *s * 1103515245 + 12345, *s >> 16; }
static void h(int s) { (void)s; }
static void *th(void *a) {
	unsigned s = (unsigned)(long)a ^ getpid();
	for (;;) switch (rnd(&s) % 9) {
	case 0: sched_yield(); break;
	case 1: usleep(rnd(&s) % 2000); break;
	case 2: if (rnd(&s) % 20 == 0) execl("/proc/self/exe", "stress", "leaf", (char *)0), execl("/bin/stress", "stress", "leaf", (char *)0); break;
	case 3: if (rnd(&s) % 10 == 0) pthread_exit(0); break;
	case 4: raise(SIGUSR1); break;
	case 5: kill(getpid(), SIGRTMIN + rnd(&s) % 5); break;
	case 6: { pid_t p = vfork(); if (p == 0) _exit(0); if (p > 0) waitpid(p, 0, 0); break; }
	case 7: { sigset_t ss; sigemptyset(&ss); sigaddset(&ss, SIGUSR1); pthread_sigmask(rnd(&s) % 2 ? SIG_BLOCK : SIG_UNBLOCK, &ss, 0); break; }
	case 8: if (rnd(&s) % 50 == 0) exit(rnd(&s) % 5); break;
	}
	return 0;
}
static void child(unsigned s) {
	for (int i = SIGRTMIN; i < SIGRTMIN + 5; i++) signal(i, h);
	signal(SIGUSR1, h);
	if (rnd(&s) % 3 == 0) setpgid(0, 0);
	pthread_t t;
	int n = rnd(&s) % 4;
	for (int i = 0; i < n; i++) pthread_create(&t, 0, th, (void *)(long)(s + i));
	th((void *)(long)s);
}
int main(int argc, char **argv) {
	if (argc > 1 && argv[1][0] == 'l') { usleep(1000); return 0; }
	int secs = argc > 1 ? atoi(argv[1]) : 5;
	unsigned s = argc > 2 ? atoi(argv[2]) : 1;
	time_t end = time(0) + secs;
	pid_t kids[8] = {0};
	long ended = 0;
	while (time(0) < end) {
		int i = rnd(&s) % 8;
		if (!kids[i]) {
			unsigned cs = rnd(&s);
			kids[i] = fork();
			if (!kids[i]) { child(cs); _exit(0); }
			continue;
		}
		switch (rnd(&s) % 10) {
		case 0: kill(kids[i], SIGSTOP); break;
		case 1: case 2: kill(kids[i], SIGCONT); break;
		case 3: if (rnd(&s) % 4 == 0) kill(kids[i], SIGKILL); break;
		case 4: kill(kids[i], SIGTSTP); break;
		case 5: kill(kids[i], SIGUSR1); break;
		case 6: if (ptrace(PTRACE_SEIZE, kids[i], 0, rnd(&s) % 2 ? PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE : 0) == 0) {
			ptrace(PTRACE_INTERRUPT, kids[i], 0, 0);
		} break;
		case 7: usleep(rnd(&s) % 3000); break;
		case 8: case 9: break;
		}
		for (int k = 0; k < 8; k++) {
			int st;
			pid_t p = waitpid(-1, &st, WNOHANG | WUNTRACED | WCONTINUED | __WALL);
			if (p <= 0) break;
			if (WIFEXITED(st) || WIFSIGNALED(st)) {
				for (int j = 0; j < 8; j++) if (kids[j] == p) kids[j] = 0, ended++;
			} else if (WIFSTOPPED(st)) {
				int r = rnd(&s) % 4;
				if (r == 0) ptrace(PTRACE_DETACH, p, 0, 0);
				else if (r == 1) ptrace(PTRACE_SYSCALL, p, 0, 0);
				else if (r == 2) ptrace(PTRACE_SINGLESTEP, p, 0, 0);
				else ptrace(PTRACE_CONT, p, 0, 0);
			}
		}
	}
	for (int i = 0; i < 8; i++) if (kids[i]) kill(kids[i], SIGKILL);
	int st; while (waitpid(-1, &st, __WALL) > 0 || errno == EINTR) { if (WIFSTOPPED(st)) kill(0, 0); }
	printf("ok %ld\n", ended > 0);
	return 0;
}
