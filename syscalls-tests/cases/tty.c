#include "case.h"
#include <sys/ioctl.h>
#include <asm/termbits.h>

CASE(locked_termios_bits_stay_as_they_are) {
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), unlock = 0;
	CHECK(m >= 0);
	CHECK(ioctl(m, TIOCSPTLCK, &unlock) == 0);
	int s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	CHECK(s >= 0);
	struct termios t, lock, now;
	memset(&lock, 0xff, sizeof lock);
	CHECK(ioctl(s, TIOCGLCKTRMIOS, &lock) == 0);
	CHECK(lock.c_lflag == 0 && lock.c_cc[VINTR] == 0);
	lock.c_lflag = ECHO;
	lock.c_cc[VINTR] = 1;
	CHECK(ioctl(s, TIOCSLCKTRMIOS, &lock) == 0);
	CHECK(ioctl(s, TCGETS, &t) == 0);
	CHECK(t.c_lflag & ECHO);
	t.c_lflag &= ~(ECHO | ICANON);
	t.c_cc[VINTR] = 7;
	t.c_cc[VQUIT] = 8;
	CHECK(ioctl(s, TCSETS, &t) == 0);
	CHECK(ioctl(s, TCGETS, &now) == 0);
	CHECK(now.c_lflag & ECHO && !(now.c_lflag & ICANON));
	CHECK(now.c_cc[VINTR] == 3 && now.c_cc[VQUIT] == 8);
	memset(&lock, 0, sizeof lock);
	CHECK(ioctl(s, TIOCSLCKTRMIOS, &lock) == 0);
	CHECK(ioctl(s, TCSETS, &t) == 0);
	CHECK(ioctl(s, TCGETS, &now) == 0);
	CHECK(!(now.c_lflag & ECHO) && now.c_cc[VINTR] == 7);
}

MAIN()
