// Job control and terminals, as a log that must be the same everywhere.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int out = 1;
static void say(const char *what, long ret)
{
	char b[200];
	int n = snprintf(b, sizeof b, "%s: %ld%s%s\n", what, ret, ret < 0 ? " " : "", ret < 0 ? strerrorname_np(errno) : "");
	write(out, b, n);
}
#define SAY(x) say(#x, x)

static volatile int got[65];
static void handler(int sig) { got[sig]++; }
static void catch(int sig) { struct sigaction a = { .sa_handler = handler }; sigaction(sig, &a, 0); }

static int master, slave;
static char name[64];

static void open_pair(void)
{
	int unlock = 0, n;
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (master < 0) { say("ptmx", -1); exit(1); }
	ioctl(master, TIOCSPTLCK, &unlock);
	ioctl(master, TIOCGPTN, &n);
	snprintf(name, sizeof name, "/dev/pts/%d", n);
	slave = open(name, O_RDWR | O_NOCTTY);
}
static void close_pair(void) { close(master); close(slave); }

// run calls f in a child that leads a session, and waits.
static void run(const char *title, void (*f)(void))
{
	char b[100];
	write(out, b, snprintf(b, sizeof b, "-- %s\n", title));
	open_pair();
	pid_t pid = fork();
	if (pid == 0) { setsid(); f(); _exit(0); }
	int status;
	waitpid(pid, &status, 0);
	close_pair();
	say("status", status);
}

static void settle(void) { usleep(20000); }

static void controlling(void)
{
	SAY(open("/dev/tty", O_RDWR));
	SAY(tcgetpgrp(slave));
	SAY(ioctl(slave, TIOCSCTTY, 0));
	SAY(ioctl(slave, TIOCSCTTY, 0));
	SAY(tcgetpgrp(slave) == getpgrp());
	SAY(tcgetsid(slave) == getpid());
	SAY(tcgetpgrp(master) == getpgrp());
	SAY(open("/dev/tty", O_RDWR) >= 0);
	SAY(tcsetpgrp(slave, 1));
	SAY(tcsetpgrp(slave, -1));
	SAY(tcsetpgrp(slave, 99999));
	SAY(tcsetpgrp(slave, getpgrp()));
	catch(SIGHUP); catch(SIGCONT);
	SAY(ioctl(slave, TIOCNOTTY));
	SAY(got[SIGHUP]); SAY(got[SIGCONT]);
	SAY(ioctl(slave, TIOCNOTTY));
	SAY(open("/dev/tty", O_RDWR));
}

static void by_open(void)
{
	close(slave);
	slave = open(name, O_RDWR);
	SAY(tcgetsid(slave) == getpid());
}

static void stolen(void)
{
	ioctl(slave, TIOCSCTTY, 0);
	if (fork() == 0) {
		SAY(ioctl(slave, TIOCSCTTY, 0));
		setsid();
		SAY(tcgetpgrp(slave));
		SAY(ioctl(slave, TIOCSCTTY, 0));
		SAY(ioctl(slave, TIOCSCTTY, 1));
		_exit(0);
	}
	wait(0);
	SAY(tcgetpgrp(slave));
}

static void keys(void)
{
	ioctl(slave, TIOCSCTTY, 0);
	catch(SIGINT); catch(SIGQUIT); catch(SIGTSTP); catch(SIGWINCH);
	write(master, "\003", 1); settle(); SAY(got[SIGINT]);
	write(master, "\034", 1); settle(); SAY(got[SIGQUIT]);
	write(master, "\032", 1); settle(); SAY(got[SIGTSTP]);
	struct winsize w = { 24, 80 };
	SAY(ioctl(master, TIOCSWINSZ, &w)); SAY(got[SIGWINCH]);
	SAY(ioctl(slave, TIOCSWINSZ, &w)); SAY(got[SIGWINCH]);
	w.ws_row = 25;
	SAY(ioctl(slave, TIOCSWINSZ, &w)); SAY(got[SIGWINCH]);
	SAY(ioctl(slave, TIOCGWINSZ, &w)); SAY(w.ws_row); SAY(w.ws_col);
}

// background runs in a group of its own, and reports how it stops.
static void background(const char *title, void (*f)(void))
{
	pid_t pid = fork();
	if (pid == 0) { setpgid(0, 0); settle(); f(); _exit(0); }
	setpgid(pid, pid);
	for (;;) {
		int status;
		if (waitpid(pid, &status, WUNTRACED) < 0) break;
		char b[100];
		write(out, b, snprintf(b, sizeof b, "%s: %s %d\n", title, WIFSTOPPED(status) ? "stopped" : WIFSIGNALED(status) ? "killed" : "exited",
			WIFSTOPPED(status) ? WSTOPSIG(status) : WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
		if (!WIFSTOPPED(status)) break;
		tcsetpgrp(slave, pid);
		kill(-pid, SIGCONT);
	}
}
static void reads(void) { char c[10]; SAY(read(slave, c, 10)); }
static void writes(void) { SAY(write(slave, "x", 1)); }
static void sets(void) { struct termios t; tcgetattr(slave, &t); SAY(tcsetattr(slave, TCSANOW, &t)); }
static void groups(void) { SAY(tcsetpgrp(slave, getpgrp())); }
static void reads_ignoring(void) { signal(SIGTTIN, SIG_IGN); reads(); }
static void groups_ignoring(void) { signal(SIGTTOU, SIG_IGN); groups(); }
static void groups_blocking(void) { sigset_t s; sigemptyset(&s); sigaddset(&s, SIGTTOU); sigprocmask(SIG_BLOCK, &s, 0); groups(); }

static void in_background(void)
{
	ioctl(slave, TIOCSCTTY, 0);
	signal(SIGTTOU, SIG_IGN);
	write(master, "line\n", 5); settle();
	void back(const char *t, void (*f)(void)) { tcsetpgrp(slave, getpgrp()); signal(SIGTTOU, SIG_DFL); void g(void) { f(); } signal(SIGTTOU, SIG_IGN); background(t, g); }
	struct { const char *t; void (*f)(void); } all[] = {
		{ "read", reads }, { "read ignoring", reads_ignoring }, { "write", writes },
	};
	for (int i = 0; i < 3; i++) back(all[i].t, all[i].f);
	tcsetpgrp(slave, getpgrp());
	back("set ignoring", sets);
	back("group ignoring", groups_ignoring);
	struct termios t;
	tcgetattr(slave, &t); t.c_lflag |= TOSTOP; tcsetattr(slave, TCSANOW, &t);
	back("write tostop ignoring", writes);
}

static void dfl_writes(void) { signal(SIGTTOU, SIG_DFL); writes(); }
static void dfl_sets(void) { signal(SIGTTOU, SIG_DFL); sets(); }
static void dfl_groups(void) { signal(SIGTTOU, SIG_DFL); groups(); }
static void stops(void)
{
	ioctl(slave, TIOCSCTTY, 0);
	signal(SIGTTOU, SIG_IGN);
	struct termios t;
	tcgetattr(slave, &t); t.c_lflag |= TOSTOP; tcsetattr(slave, TCSANOW, &t);
	void (*f[])(void) = { dfl_writes, dfl_sets, dfl_groups, groups_blocking };
	for (int i = 0; i < 4; i++) {
		tcsetpgrp(slave, getpgrp());
		background("stop", f[i]);
	}
}

static void orphans(void)
{
	ioctl(slave, TIOCSCTTY, 0);
	int p[2];
	pipe(p);
	if (fork() == 0) {
		if (fork() == 0) {
			setpgid(0, 0);
			settle(); settle();
			SAY(read(slave, p, 1)); // nobody would continue it
			struct termios t;
			SAY(tcgetattr(slave, &t));
			SAY(tcsetattr(slave, TCSANOW, &t));
			_exit(0);
		}
		_exit(0);
	}
	wait(0);
	close(p[1]);
	char c;
	read(p[0], &c, 1);
}

static void hangup(void)
{
	ioctl(slave, TIOCSCTTY, 0);
	catch(SIGHUP); catch(SIGCONT);
	pid_t pid = fork();
	if (pid == 0) {
		close(master);
		settle(); settle(); settle();
		SAY(got[SIGHUP]);
		char c;
		SAY(read(slave, &c, 1));
		SAY(write(slave, &c, 1));
		struct termios t;
		SAY(tcgetattr(slave, &t));
		struct pollfd f = { slave, POLLIN | POLLOUT };
		SAY(poll(&f, 1, 0)); SAY(f.revents);
		SAY(open("/dev/tty", O_RDWR));
		struct stat st;
		SAY(stat(name, &st));
		_exit(0);
	}
	settle();
	// The parent of the test has the master too, so this tells it to close.
	say("master closed", 0);
	wait(0);
	SAY(got[SIGHUP]);
	SAY(got[SIGCONT]);
}

static void run_hangup(void)
{
	write(out, "-- hangup\n", 10);
	open_pair();
	pid_t pid = fork();
	if (pid == 0) { setsid(); close(master); hangup(); _exit(0); }
	settle();
	close(master);
	int status;
	waitpid(pid, &status, 0);
	close(slave);
	say("status", status);
}

static void leader_exits(void)
{
	ioctl(slave, TIOCSCTTY, 0);
	catch(SIGHUP);
	pid_t pid = fork();
	if (pid == 0) {
		while (!got[SIGHUP]) pause();
		settle();
		say("foreground got SIGHUP", 0);
		SAY(open("/dev/tty", O_RDWR));
		_exit(0);
	}
	settle();
}

static void packets(void)
{
	int on = 1;
	unsigned char b[100];
	SAY(ioctl(master, TIOCPKT, &on));
	write(slave, "hi", 2); settle();
	SAY(read(master, b, 100)); SAY(b[0]);
	tcflush(slave, TCIFLUSH);
	SAY(read(master, b, 100)); SAY(b[0]);
	write(master, "\023", 1); settle();
	SAY(read(master, b, 100)); SAY(b[0]);
	write(master, "\021", 1); settle();
	SAY(read(master, b, 100)); SAY(b[0]);
	struct termios t;
	tcgetattr(slave, &t);
	t.c_iflag &= ~IXON; tcsetattr(slave, TCSANOW, &t);
	struct pollfd f = { master, POLLIN | POLLPRI };
	SAY(poll(&f, 1, 0)); SAY(f.revents);
	SAY(read(master, b, 100)); SAY(b[0]);
	t.c_iflag |= IXON; tcsetattr(slave, TCSANOW, &t);
	SAY(read(master, b, 100)); SAY(b[0]);
	tcflush(slave, TCOFLUSH);
	SAY(read(master, b, 100)); SAY(b[0]);
	SAY(ioctl(slave, TIOCPKT, &on));
}

static void timing(void)
{
	struct termios t;
	char c[10];
	tcgetattr(slave, &t);
	t.c_lflag &= ~(ICANON | ECHO);
	t.c_cc[VMIN] = 0; t.c_cc[VTIME] = 1;
	tcsetattr(slave, TCSANOW, &t);
	SAY(read(slave, c, 10));
	write(master, "ab", 2); settle();
	SAY(read(slave, c, 10));
	t.c_cc[VMIN] = 5; tcsetattr(slave, TCSANOW, &t);
	write(master, "abc", 3); settle();
	SAY(read(slave, c, 10));
	write(master, "abcdefg", 7); settle();
	SAY(read(slave, c, 6));
	SAY(read(slave, c, 6));
}

static void requests(void)
{
	int n, u = 0;
	struct termios t;
	SAY(ioctl(slave, TIOCGPTN, &n));
	SAY(ioctl(master, TIOCGPTLCK, &n)); SAY(n);
	SAY(ioctl(slave, TIOCEXCL)); SAY(ioctl(slave, TIOCGEXCL, &n)); SAY(n); SAY(ioctl(slave, TIOCNXCL));
	SAY(ioctl(slave, TIOCOUTQ, &n)); SAY(n);
	SAY(ioctl(slave, TIOCGETD, &n)); SAY(n);
	SAY(ioctl(slave, TIOCSETD, &u));
	SAY(ioctl(slave, TCXONC, 99)); SAY(ioctl(slave, TCFLSH, 99)); SAY(ioctl(slave, TCSBRK, 1));
	SAY(ioctl(master, TIOCSCTTY, 0));
	SAY(ioctl(master, TCGETS, &t));
	SAY(ioctl(slave, 0x5499, &t));
	SAY(lseek(slave, 0, SEEK_SET)); SAY(pread(slave, &n, 1, 0));
	SAY(isatty(slave)); SAY(isatty(master));
	SAY(cfgetospeed((tcgetattr(slave, &t), &t)) == B38400);
	cfmakeraw(&t); SAY(tcsetattr(slave, TCSAFLUSH, &t));
	write(master, "abc", 3); settle();
	SAY(ioctl(slave, FIONREAD, &n)); SAY(n);
	write(slave, "abcd", 4); settle();
	SAY(ioctl(master, FIONREAD, &n)); SAY(n);
	int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	SAY(peer >= 0); SAY(isatty(peer)); close(peer);
	struct stat st;
	SAY(fstat(slave, &st)); SAY(S_ISCHR(st.st_mode)); SAY(st.st_rdev >> 8);
	char link[64], got[64] = "";
	snprintf(link, sizeof link, "/proc/self/fd/%d", slave);
	(void)link; (void)got;
	u = 1; SAY(ioctl(master, TIOCSPTLCK, &u)); SAY(open(name, O_RDWR | O_NOCTTY));
}

int main(void)
{
	if (getpid() == 1) {
		mkdir("/dev", 0755); mkdir("/dev/pts", 0755);
		if (mount("devtmpfs", "/dev", "devtmpfs", 0, 0) || mount("devpts", "/dev/pts", "devpts", 0, "gid=5,mode=620,ptmxmode=666")) { perror("mount"); return 1; }
	}
	signal(SIGHUP, SIG_DFL);
	run("controlling", controlling);
	run("by open", by_open);
	run("stolen", stolen);
	run("keys", keys);
	run("in background", in_background);
	run("stops", stops);
	run("orphans", orphans);
	run_hangup();
	run("leader exits", leader_exits);
	settle(); settle();
	run("packets", packets);
	run("timing", timing);
	run("requests", requests);
	return 0;
}
