// FAN_REPORT_PIDFD: listeners get a pidfd of who did something (fanotify(7)).
#include "fanotify.h"
#include <poll.h>

#ifndef FAN_REPORT_PIDFD
#define FAN_REPORT_PIDFD 0x80
#endif

// pidfd_of reads one event and returns the pidfd that comes with it, behind infos other records.
static int pidfd_of(int fan, int infos, int *pid) {
	char b[1024];
	ssize_t n = read(fan, b, sizeof b);
	struct fanotify_event_metadata *m = (void *)b;
	CHECK(n >= (ssize_t)sizeof *m);
	CHECK_EQ(n, m->event_len);
	*pid = m->pid;
	if (m->fd >= 0) close(m->fd);
	char *p = b + m->metadata_len;
	for (; infos > 0; infos--) p += *(uint16_t *)(p + 2);
	CHECK_EQ(p[0], 4); // FAN_EVENT_INFO_TYPE_PIDFD
	CHECK_EQ(*(uint16_t *)(p + 2), 8);
	CHECK_EQ(p + 8 - b, n);
	return *(int *)(p + 4);
}

static void opened(void) { CHECK(close(open("f", O_RDONLY)) == 0); }

static void watched(int fan) {
	CHECK(close(creat("f", 0644)) == 0);
	CHECK_EQ(fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "f"), 0);
}

CASE(an_event_comes_with_a_pidfd_of_who_caused_it) {
	int fan = listens(FAN_REPORT_PIDFD), pid;
	watched(fan);
	pid_t c = fork();
	if (c == 0) {
		opened();
		pause();
	}
	struct pollfd p = {fan, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 5000), 1);
	int fd = pidfd_of(fan, 0, &pid);
	CHECK(fd >= 0);
	CHECK_EQ(pid, c);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(kill(c, SIGKILL) == 0);
	siginfo_t si;
	CHECK(waitid(3 /* P_PIDFD */, fd, &si, WEXITED) == 0);
	CHECK_EQ(si.si_pid, c);
}

CASE(a_process_that_was_waited_for_has_no_pidfd) {
	int fan = listens(FAN_REPORT_PIDFD), pid;
	watched(fan);
	pid_t c = fork();
	if (c == 0) {
		opened();
		_exit(0);
	}
	CHECK_CHILD(c, 0);
	CHECK_EQ(pidfd_of(fan, 0, &pid), -1); // FAN_NOPIDFD
}

CASE(the_pidfd_stands_behind_the_file_handle) {
	int fan = listens(FAN_REPORT_PIDFD | FAN_REPORT_FID), pid;
	watched(fan);
	opened();
	int fd = pidfd_of(fan, 1, &pid);
	CHECK(fd >= 0);
	CHECK_EQ(pid, getpid());
}

CASE(a_buffer_must_have_room_for_the_pidfd) {
	int fan = listens(FAN_REPORT_PIDFD);
	watched(fan);
	opened();
	char b[24];
	CHECK_ERRNO(read(fan, b, sizeof b), EINVAL);
}

CASE(threads_have_no_pidfd) {
	CHECK_ERRNO(fanotify_init(FAN_REPORT_PIDFD | FAN_REPORT_TID, O_RDONLY), EINVAL);
}

MAIN()
