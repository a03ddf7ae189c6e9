// F_NOTIFY of fcntl(2): signals about a directory.
#include "case.h"

#ifndef POLL_MSG
#define POLL_MSG 3
#endif

static sigset_t set;

// watches opens a directory of the case's own that signals with SIGRTMIN.
static int watches(int mask) {
	CHECK(mkdir("d", 0755) == 0);
	int fd = open("d/f", O_CREAT | O_RDWR, 0644);
	CHECK(fd >= 0 && close(fd) == 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGIO);
	CHECK(sigprocmask(SIG_BLOCK, &set, 0) == 0);
	CHECK((fd = open("d", O_RDONLY)) >= 0);
	CHECK(fcntl(fd, F_SETSIG, SIGRTMIN) == 0);
	CHECK(fcntl(fd, F_NOTIFY, mask) == 0);
	return fd;
}

// signalled waits for a signal about fd.
static int signalled(int fd) {
	siginfo_t i;
	struct timespec ts = {10, 0};
	if (sigtimedwait(&set, &i, &ts) != SIGRTMIN) return 0;
	return i.si_fd == fd && i.si_code == POLL_MSG && (i.si_band & 1);
}
static int quiet(void) {
	struct timespec ts = {0, 30000000};
	return sigtimedwait(&set, 0, &ts) < 0 && errno == EAGAIN;
}

CASE(dnotify_signals_once) {
	int fd = watches(DN_CREATE);
	CHECK(mknod("d/a", S_IFREG | 0644, 0) == 0);
	CHECK(signalled(fd));
	CHECK(mknod("d/b", S_IFREG | 0644, 0) == 0);
	CHECK(quiet());
	CHECK_EQ(fcntl(fd, F_GETOWN), getpid());
}

CASE(dnotify_multishot_goes_on) {
	int fd = watches(DN_CREATE | DN_DELETE | DN_MULTISHOT);
	CHECK(mknod("d/a", S_IFREG | 0644, 0) == 0);
	CHECK(signalled(fd));
	CHECK(unlink("d/a") == 0);
	CHECK(signalled(fd));
	CHECK(fcntl(fd, F_NOTIFY, 0) == 0);
	CHECK(mknod("d/a", S_IFREG | 0644, 0) == 0);
	CHECK(quiet());
}

CASE(dnotify_tells_of_each_kind) {
	int fd = watches(DN_MODIFY | DN_MULTISHOT), f = open("d/f", O_RDWR);
	char c;
	CHECK(write(f, "x", 1) == 1);
	CHECK(signalled(fd));
	CHECK(fcntl(fd, F_NOTIFY, 0) == 0);
	CHECK(fcntl(fd, F_NOTIFY, DN_ACCESS) == 0);
	CHECK(pread(f, &c, 1, 0) == 1);
	CHECK(signalled(fd));
	CHECK(fcntl(fd, F_NOTIFY, DN_ATTRIB) == 0);
	CHECK(fchmod(f, 0600) == 0);
	CHECK(signalled(fd));
	CHECK(fcntl(fd, F_NOTIFY, DN_RENAME) == 0);
	CHECK(rename("d/f", "d/g") == 0);
	CHECK(signalled(fd));
	CHECK(fcntl(fd, F_NOTIFY, DN_DELETE) == 0);
	CHECK(rename("d/g", "g") == 0); // goes away
	CHECK(signalled(fd));
	CHECK(fcntl(fd, F_NOTIFY, DN_CREATE) == 0);
	CHECK(rename("g", "d/g") == 0); // comes
	CHECK(signalled(fd));
	CHECK(quiet());
}

CASE(dnotify_masks_add_up) {
	int fd = watches(DN_CREATE | DN_MULTISHOT);
	CHECK(fcntl(fd, F_NOTIFY, DN_DELETE) == 0);
	CHECK(mknod("d/a", S_IFREG | 0644, 0) == 0);
	CHECK(signalled(fd));
	CHECK(unlink("d/a") == 0);
	CHECK(signalled(fd));
}

CASE(dnotify_ends_with_the_file) {
	int fd = watches(DN_CREATE | DN_MULTISHOT);
	close(fd);
	CHECK(mknod("d/a", S_IFREG | 0644, 0) == 0);
	CHECK(quiet());
}

CASE(dnotify_is_for_directories) {
	int fd = open("f", O_CREAT | O_RDWR, 0644);
	CHECK_ERRNO(fcntl(fd, F_NOTIFY, DN_CREATE), ENOTDIR);
	CHECK(fcntl(fd, F_NOTIFY, 0) == 0);
	CHECK_ERRNO(fcntl(-1, F_NOTIFY, DN_CREATE), EBADF);
	CHECK_ERRNO(fcntl(open(".", O_PATH), F_NOTIFY, DN_CREATE), EBADF);
}

MAIN()
