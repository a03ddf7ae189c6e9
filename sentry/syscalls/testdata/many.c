#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#include <poll.h>
#include <string.h>
static pthread_barrier_t b;
static void *th(void *a) { pthread_barrier_wait(&b); return a; }
int main(int argc, char **argv) {
	if (argc > 3) return 0;
	int n = atoi(argv[1]), k = atoi(argv[2]);
	for (int i = 0; i < n; i++) {
		pid_t p = i & 1 ? fork() : vfork();
		if (p == 0) { execl("/proc/self/exe", "x", "1", "1", "1", 0); execl("/bin/many", "x", "1", "1", "1", 0); _exit(1); }
		int st; if (waitpid(p, &st, 0) != p || st) { printf("bad %x\n", st); return 1; }
	}
	pthread_attr_t at; pthread_attr_init(&at); pthread_attr_setstacksize(&at, 65536);
	pthread_t *t = calloc(k, sizeof *t);
	pthread_barrier_init(&b, 0, k + 1);
	for (int i = 0; i < k; i++) { int e = pthread_create(&t[i], &at, th, 0); if (e) { printf("create %d: %s\n", i, strerror(e)); return 1; } }
	pthread_barrier_wait(&b);
	for (int i = 0; i < k; i++) pthread_join(t[i], 0);
	pid_t p = fork();
	if (!p) { usleep(20000); _exit(3); }
	int fd = syscall(SYS_pidfd_open, p, 0);
	struct pollfd pf = {fd, POLLIN, 0};
	if (poll(&pf, 1, 5000) != 1) { perror("poll"); return 1; }
	siginfo_t si; if (waitid(P_PIDFD, fd, &si, WEXITED) || si.si_status != 3) { perror("waitid"); return 1; }
	printf("ok\n"); return 0;
}
