// Makes system calls whose arguments strace(1) decodes. The test traces it with
// this package and with the host's strace and compares the lines.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static void handler(int sig) { (void)sig; }

static void files(void) {
	char buf[4096];
	struct stat st;
	struct statx stx;
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	write(fd, "hello\n\t\"quoted\\\"\0\1\0012\177\377 and rather a long string", 54);
	pwrite(fd, "x", 1, 100);
	lseek(fd, 0, SEEK_SET);
	read(fd, buf, sizeof buf);
	read(fd, buf, sizeof buf);
	pread(fd, buf, 10, 3);
	struct iovec iov[2] = {{"abc", 3}, {buf, 2}};
	writev(fd, iov, 2);
	struct iovec in[3] = {{buf, 4}, {buf + 4, 100}, {buf + 200, 100}};
	preadv(fd, in, 3, 0);
	preadv2(fd, in, 3, 0, RWF_HIPRI);
	fstat(fd, &st);
	syscall(SYS_stat, "f", &st);
	syscall(SYS_lstat, "nothing", &st);
	fstatat(AT_FDCWD, ".", &st, AT_SYMLINK_NOFOLLOW);
	stat("/dev/null", &st);
	statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx);
	access("f", R_OK | W_OK);
	access("nothing", F_OK);
	faccessat(AT_FDCWD, "f", X_OK, AT_EACCESS);
	open("/nonexistent", O_RDONLY);
	open("d", O_WRONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_SYNC);
	open(".", O_TMPFILE | O_RDWR, 0600);
	open((char *)8, O_RDONLY);
	open(NULL, O_PATH);
	openat(fd, "x", 3 | O_DSYNC | O_DIRECT);
	struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	syscall(SYS_openat2, AT_FDCWD, "f", &how, sizeof how);
	fcntl(fd, F_GETFL);
	fcntl(fd, F_GETFD);
	fcntl(fd, F_SETFD, 0);
	fcntl(fd, F_GETFD);
	fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK);
	fcntl(fd, F_DUPFD_CLOEXEC, 20);
	fcntl(fd, F_DUPFD, 30);
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 2};
	fcntl(fd, F_SETLK, &fl);
	fcntl(fd, F_GETLK, &fl);
	fcntl(fd, F_OFD_SETLK, &fl);
	fcntl(fd, F_SETOWN, 1);
	fcntl(fd, 9999, 1);
	flock(fd, LOCK_EX | LOCK_NB);
	dup2(fd, 50);
	dup3(fd, 51, O_CLOEXEC);
	close(51);
	close(999);
	mkdir("d", 0755);
	mkdirat(AT_FDCWD, "d", 0700);
	rename("f", "g");
	syscall(SYS_renameat2, AT_FDCWD, "g", AT_FDCWD, "f", RENAME_NOREPLACE);
	link("f", "l");
	symlink("target", "s");
	readlink("s", buf, sizeof buf);
	readlink("f", buf, sizeof buf);
	unlink("l");
	unlinkat(AT_FDCWD, "s", 0);
	unlinkat(AT_FDCWD, "d", AT_REMOVEDIR);
	chmod("f", 04751);
	fchmod(fd, 0);
	fchmodat(AT_FDCWD, "f", 07, 0);
	chown("f", -1, -1);
	fchownat(AT_FDCWD, "f", 0, -1, AT_SYMLINK_NOFOLLOW);
	umask(022);
	umask(0);
	mknod("fifo", S_IFIFO | 0600, 0);
	mknod("nul", S_IFCHR | 0600, 0x103);
	unlink("fifo");
	unlink("nul");
	truncate("f", 10);
	ftruncate(fd, 20);
	fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 10);
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
	getcwd(buf, sizeof buf);
	chdir("/");
	int dir = open("/proc/self/attr", O_RDONLY | O_DIRECTORY);
	syscall(SYS_getdents64, dir, buf, sizeof buf);
	syscall(SYS_getdents64, dir, buf, sizeof buf);
	setxattr("/nonexistent", "user.a", "value", 5, XATTR_CREATE);
	getxattr("/nonexistent", "user.a", buf, 100);
	mount("none", "/nonexistent", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m");
	mount(NULL, "/nonexistent", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
	umount2("/nonexistent", MNT_DETACH | UMOUNT_NOFOLLOW);
	struct timespec ts[2] = {{1, 2}, {0, UTIME_OMIT}};
	utimensat(AT_FDCWD, "/nonexistent", ts, AT_SYMLINK_NOFOLLOW);
	utimensat(AT_FDCWD, "/nonexistent", NULL, 0);
	loff_t off = 5;
	copy_file_range(fd, &off, fd, NULL, 0, 0);
	sendfile(fd, 999, NULL, 10);
	int p[2];
	pipe(p);
	pipe2(p, O_NONBLOCK | O_CLOEXEC);
	splice(p[0], NULL, p[1], NULL, 1, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	int in1 = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	inotify_add_watch(in1, "/tmp", IN_CREATE | IN_DELETE | IN_ONLYDIR);
	inotify_rm_watch(in1, 77);
	eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK);
	memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	syscall(SYS_close_range, 500, 600, 0);
}

static void memory(void) {
	void *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mmap(m, 4096, PROT_NONE, MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
	mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 999, 0x1000);
	mprotect(m, 4096, PROT_READ | PROT_EXEC);
	madvise(m, 4096, MADV_DONTNEED);
	msync(m, 4096, MS_SYNC);
	mlock(m, 4096);
	munlock(m, 4096);
	mremap(m, 4096, 8192, MREMAP_MAYMOVE);
	unsigned char vec[2];
	mincore(m + 4096, 4096, vec);
	munmap(m, 8192);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	munlockall();
	syscall(SYS_membarrier, 3, 0, 0);
	syscall(SYS_brk, 0);
}

static void signals(void) {
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_NODEFER}, old;
	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGINT);
	sigaddset(&sa.sa_mask, SIGCHLD);
	sigaddset(&sa.sa_mask, SIGRTMIN + 3);
	sigaction(SIGUSR1, &sa, &old);
	sigaction(SIGUSR1, NULL, &old);
	sigaction(SIGKILL, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGHUP);
	sigprocmask(SIG_SETMASK, &set, &set);
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, &set);
	sigpending(&set);
	for (int n = 38; n < 46; n++) {
		uint64_t m = (1ULL << n) - 1, back;
		syscall(SYS_rt_sigprocmask, SIG_BLOCK, &m, &back, 8);
		m = ~0ULL;
		syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &m, NULL, 8);
	}
	stack_t ss = {.ss_sp = (void *)0x10000, .ss_size = 8192};
	sigaltstack(&ss, NULL);
	ss.ss_flags = SS_DISABLE;
	sigaltstack(&ss, &ss);
	raise(SIGUSR1);
	kill(getpid(), SIGUSR1);
	kill(999999, 0);
	union sigval v = {.sival_int = 5};
	sigqueue(getpid(), SIGUSR1, v);
	// It comes again, should it have come before pause on a busy machine.
	struct itimerval it = {{1, 0}, {0, 100000}};
	signal(SIGALRM, handler);
	setitimer(ITIMER_REAL, &it, NULL);
	pause();
	alarm(0);
	it.it_interval.tv_sec = 0;
	setitimer(ITIMER_REAL, &it, NULL);
	struct timespec ts = {5, 0}, left;
	nanosleep(&ts, &left);
	int sfd = signalfd(-1, &set, SFD_CLOEXEC);
	(void)sfd;
	ts = (struct timespec){0, 1000};
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigtimedwait(&set, NULL, &ts);
	timer_t tm;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	timer_create(CLOCK_MONOTONIC, &ev, &tm);
	struct itimerspec its = {{0, 0}, {100, 0}};
	timer_settime(tm, TIMER_ABSTIME, &its, NULL);
	timer_gettime(tm, &its);
	timer_delete(tm);
}

static void processes(void) {
	int status;
	sigset_t chld; // its delivery would race with the wait
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	pid_t pid = fork();
	if (pid == 0) _exit(3);
	wait4(pid, &status, 0, NULL);
	pid = fork();
	if (pid == 0) { raise(SIGKILL); }
	waitpid(pid, &status, WUNTRACED);
	siginfo_t info;
	pid = vfork();
	if (pid == 0) _exit(0);
	waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
	waitpid(-1, &status, WNOHANG);
	waitpid(-1, NULL, WNOHANG);
	struct rlimit r;
	getrlimit(RLIMIT_STACK, &r);
	setrlimit(RLIMIT_CORE, &r);
	prlimit(0, RLIMIT_NOFILE, NULL, &r);
	syscall(SYS_getrlimit, RLIMIT_STACK, &r);
	syscall(SYS_getrlimit, RLIMIT_CPU, &r);
	getpriority(PRIO_PROCESS, 0);
	setpriority(PRIO_PROCESS, 0, 0);
	struct utsname u;
	uname(&u);
	getuid(); getegid();
	uid_t a, b, c;
	getresuid(&a, &b, &c);
	setresuid(-1, -1, -1);
	gid_t g[10];
	syscall(SYS_getgroups, 0, NULL);
	char comm[16];
	prctl(PR_SET_NAME, "name");
	prctl(PR_GET_NAME, comm);
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_GET_DUMPABLE);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_CAPBSET_READ, CAP_NET_RAW);
	sched_yield();
	cpu_set_t cpus;
	sched_getaffinity(0, sizeof cpus, &cpus);
	struct sched_param sp = {0};
	sched_setscheduler(0, SCHED_OTHER, &sp);
	sched_getparam(0, &sp);
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	syscall(SYS_capget, &h, d);
	uint32_t word = 1;
	syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
	syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
	struct timespec ts = {0, 1000};
	syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 1, &ts, NULL, -1);
	syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 1, 2, &status, 1);
	unshare(CLONE_FS);
	getpgid(0);
	setpgid(0, 0);
	syscall(SYS_gettid);
	syscall(SYS_kcmp, 1, 1, 0, 1, 2);
	syscall(SYS_personality, 0xffffffff);
	syscall(1000, 1, 2, 3, 4, 5, 6);
	syscall(SYS_clone3, NULL, 0);
	char *av[] = {"prog", "arg \"1\"", NULL}, *ev[] = {"A=b", "C=d", NULL};
	execve("/nonexistent", av, ev);
	execve("/nonexistent", NULL, NULL);
}

static void sockets(void) {
	int s[2];
	char buf[200];
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s);
	send(s[0], "hi", 2, MSG_NOSIGNAL);
	recv(s[1], buf, sizeof buf, MSG_DONTWAIT | MSG_PEEK);
	recvfrom(s[1], buf, 1, 0, NULL, NULL);
	struct iovec iov = {"data", 4};
	union { struct cmsghdr h; char b[CMSG_SPACE(sizeof(int))]; } c = {0};
	c.h.cmsg_len = CMSG_LEN(sizeof(int));
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	*(int *)CMSG_DATA(&c.h) = 1;
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c};
	sendmsg(s[0], &m, 0);
	m.msg_iov->iov_base = buf;
	m.msg_iov->iov_len = sizeof buf;
	recvmsg(s[1], &m, MSG_CMSG_CLOEXEC);
	shutdown(s[0], SHUT_RDWR);
	int u = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un su = {.sun_family = AF_UNIX, .sun_path = "sock"};
	bind(u, (void *)&su, sizeof su);
	unlink("sock");
	su.sun_path[0] = 0;
	strcpy(su.sun_path + 1, "abstract");
	connect(u, (void *)&su, offsetof(struct sockaddr_un, sun_path) + 9);
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	getsockname(u, (void *)&ss, &len);
	len = sizeof ss;
	getpeername(u, (void *)&ss, &len);
	int t = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
	int one = 1;
	setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(t, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	len = sizeof one;
	getsockopt(t, SOL_SOCKET, SO_ERROR, &one, &len);
	struct linger lg = {1, 2};
	setsockopt(t, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
	len = 12;
	getsockopt(s[0], SOL_SOCKET, SO_TYPE, &one, &len);
	bind(t, (void *)&in, sizeof in);
	listen(t, 5);
	len = sizeof ss;
	accept(t, (void *)&ss, &len);
	accept4(t, NULL, NULL, SOCK_CLOEXEC);
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int t6 = socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP);
	sendto(t6, "x", 1, 0, (void *)&in6, 10);
	connect(999, (void *)&in6, sizeof in6);
	socket(AF_NETLINK, SOCK_RAW, 0);
	socket(77, 88, 99);
}

static void waiting(void) {
	int p[2];
	pipe(p);
	struct pollfd pf[2] = {{p[0], POLLIN, 0}, {p[1], POLLOUT | POLLPRI, 0}};
	poll(pf, 2, 0);
	poll(pf, 1, 1);
	poll(NULL, 0, 0);
	struct timespec ts = {0, 1000000};
	syscall(SYS_ppoll, pf, 1, &ts, NULL, 8);
	fd_set r, w;
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	FD_ZERO(&w);
	FD_SET(p[1], &w);
	struct timeval tv = {1, 0};
	syscall(SYS_select, p[1] + 1, &r, NULL, NULL, &(struct timeval){0, 10});
	FD_SET(p[0], &r);
	syscall(SYS_select, p[1] + 1, &r, &w, NULL, NULL);
	syscall(SYS_pselect6, p[1] + 1, NULL, &w, NULL, NULL, NULL);
	(void)tv;
	int e = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = {EPOLLOUT | EPOLLET | EPOLLONESHOT, {.u64 = 0x100000002}}, out[4];
	epoll_ctl(e, EPOLL_CTL_ADD, p[1], &ev);
	epoll_wait(e, out, 4, 100);
	epoll_wait(e, out, 4, 0);
	epoll_ctl(e, EPOLL_CTL_DEL, p[1], NULL);
	int t = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK);
	struct itimerspec its = {{0, 5}, {6, 7}};
	timerfd_settime(t, 0, &its, NULL);
	clock_getres(CLOCK_REALTIME, &ts);
	clock_gettime(-6, &ts);
	ts = (struct timespec){0, 100};
	clock_nanosleep(CLOCK_REALTIME, 0, &ts, NULL);
	ioctl(p[0], FIONREAD, &e);
	ioctl(p[0], FIONBIO, &e);
	ioctl(p[0], TIOCGWINSZ, &its);
	struct termios tio;
	ioctl(p[0], TCGETS, &tio);
	ioctl(p[0], FIOCLEX);
	int pt = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	int n = 0;
	ioctl(pt, TIOCSPTLCK, &n);
	ioctl(pt, TCGETS, &tio);
	struct winsize ws = {24, 80};
	ioctl(pt, TIOCSWINSZ, &ws);
	ioctl(pt, TIOCGWINSZ, &ws);
	ioctl(pt, TIOCGPGRP, &n);
	ioctl(pt, _IOC(_IOC_READ, 'q', 0x7f, 4), 5);
}

static void ipc(void) {
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	void *m = shmat(id, NULL, SHM_RDONLY);
	shmdt(m);
	shmctl(id, IPC_RMID, NULL);
	int q = msgget(IPC_PRIVATE, IPC_CREAT | 0666);
	struct { long t; char b[4]; } msg = {1, "abc"};
	msgsnd(q, &msg, 3, IPC_NOWAIT);
	msgrcv(q, &msg, 3, 0, MSG_NOERROR);
	msgctl(q, IPC_RMID, NULL);
	int s = semget(0x1234, 1, IPC_CREAT | 0600);
	struct sembuf op = {0, -1, IPC_NOWAIT | SEM_UNDO};
	semop(s, &op, 1);
	semctl(s, 0, IPC_RMID);
}

int main(int argc, char **argv) {
	(void)argc;
	write(1, "begin", 5);
	switch (argv[1][0]) {
	case 'f': files(); break;
	case 'm': memory(); break;
	case 's': signals(); break;
	case 'p': processes(); break;
	case 'n': sockets(); break;
	case 'w': waiting(); break;
	case 'i': ipc(); break;
	case 'k': *(volatile int *)0x123 = 1; break;
	}
	return 7;
}
