// fanotify(7): listeners that permit.
#include "fanotify.h"

#include <sys/mman.h>

// permits answers events with a response until told to stop by a signal, in a child; it ignores its own.
static pid_t decides(int fan, unsigned (*how)(struct ev *e)) {
	pid_t pid = fork();
	if (pid) {
		close(fan);
		return pid;
	}
	for (;;) {
		struct pollfd p = {fan, POLLIN, 0};
		struct ev e;
		if (poll(&p, 1, -1) < 0) continue;
		while (next(fan, &e)) {
			struct fanotify_response r = {e.fd, how(&e)};
			CHECK_EQ(write(fan, &r, sizeof r), sizeof r);
			close(e.fd);
		}
	}
}
static unsigned yes(struct ev *e) { return (void)e, FAN_ALLOW; }
static unsigned no(struct ev *e) { return (void)e, FAN_DENY; }
static unsigned no_to_exec(struct ev *e) { return e->mask & FAN_OPEN_EXEC_PERM ? FAN_DENY : FAN_ALLOW; }

static void end(pid_t pid) {
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, 0, 0), pid);
}

CASE(fanotify_perm_lets_open) {
	own();
	touch("f");
	int fan = listens(FAN_CLASS_CONTENT);
	mark(fan, 0, FAN_OPEN_PERM, "f");
	pid_t pid = decides(fan, yes);
	touch_open("f");
	end(pid);
}

CASE(fanotify_perm_refuses_open) {
	own();
	touch("f"), touch("g");
	int fan = listens(FAN_CLASS_CONTENT);
	mark(fan, 0, FAN_OPEN_PERM, "f");
	pid_t pid = decides(fan, no);
	CHECK_ERRNO(open("f", O_RDONLY), EPERM);
	CHECK_ERRNO(open("f", O_RDWR | O_TRUNC), EPERM);
	CHECK_ERRNO(open("f", O_RDWR | O_CREAT, 0600), EPERM);
	CHECK(open("f", O_PATH) >= 0); // opens nothing
	touch_open("g");
	end(pid);
	touch_open("f"); // nobody is left to ask
}

CASE(fanotify_perm_refusal_truncates_nothing) {
	own();
	touch("f");
	CHECK(truncate("f", 5) == 0);
	int fan = listens(FAN_CLASS_CONTENT);
	mark(fan, 0, FAN_OPEN_PERM, "f");
	pid_t pid = decides(fan, no);
	CHECK_ERRNO(open("f", O_RDWR | O_TRUNC), EPERM);
	struct stat st;
	CHECK(stat("f", &st) == 0);
	CHECK_EQ(st.st_size, 5);
	end(pid);
}

CASE(fanotify_perm_is_asked_before_reads) {
	own();
	touch("f");
	CHECK(truncate("f", 5) == 0);
	int fan = listens(FAN_CLASS_CONTENT);
	char b[8];
	mark(fan, 0, FAN_ACCESS_PERM, "f");
	int fd = open("f", O_RDWR);
	pid_t pid = decides(fan, no);
	CHECK_ERRNO(read(fd, b, 5), EPERM);
	CHECK_ERRNO(pread(fd, b, 5, 0), EPERM);
	CHECK(write(fd, "hello", 5) == 5);
	end(pid);
	CHECK(pread(fd, b, 5, 0) == 5);
}

CASE(fanotify_perm_is_asked_before_execution) {
	own();
	int fan = listens(FAN_CLASS_CONTENT);
	mark(fan, 0, FAN_OPEN_EXEC_PERM | FAN_OPEN_PERM, "/bin/true");
	pid_t pid = decides(fan, no_to_exec);
	touch_open("/bin/true");
	CHECK_ERRNO(execl("/bin/true", "true", (char *)0), EPERM);
	end(pid);
}

CASE(fanotify_perm_end_of_the_listener_permits) {
	own();
	touch("f");
	int fan = listens(FAN_CLASS_PRE_CONTENT);
	mark(fan, 0, FAN_OPEN_PERM, "f");
	pid_t pid = fork();
	if (!pid) {
		close(fan);
		touch_open("f");
		_exit(0);
	}
	struct pollfd p = {fan, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 10000), 1);
	CHECK_EQ(waitpid(pid, 0, WNOHANG), 0); // it waits
	close(fan);
	CHECK_CHILD(pid, 0);
}

static void nothing(int sig) { (void)sig; }

CASE(fanotify_perm_waits_through_signals_but_not_death) {
	own();
	touch("f");
	int fan = listens(FAN_CLASS_CONTENT);
	mark(fan, 0, FAN_OPEN_PERM, "f");
	pid_t pid = fork();
	if (!pid) {
		struct sigaction sa = {.sa_handler = nothing};
		sigaction(SIGUSR1, &sa, 0);
		touch_open("f");
		_exit(0);
	}
	struct ev e;
	struct pollfd p = {fan, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 10000), 1);
	kill(pid, SIGUSR1);
	msleep(10);
	EXPECT(fan, &e, FAN_OPEN_PERM);
	CHECK_EQ(e.pid, pid);
	CHECK_EQ(waitpid(pid, 0, WNOHANG), 0);
	kill(pid, SIGKILL);
	int st;
	CHECK_EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
}

CASE(fanotify_perm_checks_answers) {
	own();
	touch("f");
	int fan = listens(FAN_CLASS_CONTENT);
	mark(fan, 0, FAN_OPEN_PERM, "f");
	pid_t pid = fork();
	if (!pid) {
		touch_open("f");
		_exit(0);
	}
	struct ev e;
	struct pollfd p = {fan, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 10000), 1);
	EXPECT(fan, &e, FAN_OPEN_PERM);
	struct fanotify_response r = {e.fd, 99};
	CHECK_ERRNO(write(fan, &r, sizeof r), EINVAL);
	CHECK_ERRNO(write(fan, &r, sizeof r - 1), EINVAL);
	r = (struct fanotify_response){e.fd + 1, FAN_ALLOW};
	CHECK_ERRNO(write(fan, &r, sizeof r), ENOENT);
	r = (struct fanotify_response){-1, FAN_ALLOW};
	CHECK_ERRNO(write(fan, &r, sizeof r), EINVAL);
	r = (struct fanotify_response){e.fd, FAN_ALLOW};
	CHECK_EQ(write(fan, &r, sizeof r), sizeof r);
	CHECK_ERRNO(write(fan, &r, sizeof r), ENOENT); // once
	CHECK_CHILD(pid, 0);
}

CASE(fanotify_perm_events_do_not_merge) {
	own();
	touch("f");
	int fan = listens(FAN_CLASS_CONTENT);
	mark(fan, 0, FAN_OPEN_PERM, "f");
	pid_t pids[3];
	for (int i = 0; i < 3; i++) {
		if (!(pids[i] = fork())) {
			touch_open("f");
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++) {
		struct ev e;
		struct pollfd p = {fan, POLLIN, 0};
		if (ev_at >= ev_len) CHECK_EQ(poll(&p, 1, 10000), 1);
		EXPECT(fan, &e, FAN_OPEN_PERM);
		struct fanotify_response r = {e.fd, FAN_ALLOW};
		CHECK_EQ(write(fan, &r, sizeof r), sizeof r);
		close(e.fd);
	}
	for (int i = 0; i < 3; i++) CHECK_CHILD(pids[i], 0);
}

MAIN()
