package hostcall

import (
	"time"

	"golang.org/x/sys/unix"
)

// PollFd is struct pollfd, EpollEvent struct epoll_event.
type (
	PollFd     = unix.PollFd
	EpollEvent = unix.EpollEvent
)

// Conditions of Ppoll and operations of EpollCtl.
const (
	POLLIN    = unix.POLLIN
	POLLPRI   = unix.POLLPRI
	POLLOUT   = unix.POLLOUT
	POLLERR   = unix.POLLERR
	POLLHUP   = unix.POLLHUP
	POLLNVAL  = unix.POLLNVAL
	POLLRDHUP = unix.POLLRDHUP

	EPOLLIN      = unix.EPOLLIN
	EPOLLPRI     = unix.EPOLLPRI
	EPOLLOUT     = unix.EPOLLOUT
	EPOLLERR     = unix.EPOLLERR
	EPOLLHUP     = unix.EPOLLHUP
	EPOLLRDHUP   = unix.EPOLLRDHUP
	EPOLLET      = 1 << 31
	EPOLLONESHOT = unix.EPOLLONESHOT

	EPOLL_CTL_ADD = unix.EPOLL_CTL_ADD
	EPOLL_CTL_DEL = unix.EPOLL_CTL_DEL
	EPOLL_CTL_MOD = unix.EPOLL_CTL_MOD
)

// Forever as a timeout means none.
const Forever time.Duration = -1

// Ppoll waits until one of fds is ready or timeout has passed (ppoll(2)). EINTR is reported.
func Ppoll(fds []PollFd, timeout time.Duration) (int, error) {
	var ts *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	n, err := unix.Ppoll(fds, ts, nil)
	return max(n, 0), wrap(err)
}

// EpollCreate makes an epoll instance, closed on exec.
func EpollCreate() (FD, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return NoFD, wrap(err)
	}
	return FD(fd), nil
}

// EpollCtl is epoll_ctl(2). ev may be nil for EPOLL_CTL_DEL.
func EpollCtl(ep FD, op int, fd FD, ev *EpollEvent) error {
	return wrap(unix.EpollCtl(int(ep), op, int(fd), ev))
}

// EpollWait waits for events; the timeout is rounded up to milliseconds. EINTR is reported.
func EpollWait(ep FD, events []EpollEvent, timeout time.Duration) (int, error) {
	ms := -1
	if timeout >= 0 {
		ms = int(min((timeout+time.Millisecond-1)/time.Millisecond, 1<<30))
	}
	n, err := unix.EpollWait(int(ep), events, ms)
	return max(n, 0), wrap(err)
}
