package linux

// Events of poll(2).
const (
	POLLIN     = 0x1
	POLLPRI    = 0x2
	POLLOUT    = 0x4
	POLLERR    = 0x8
	POLLHUP    = 0x10
	POLLNVAL   = 0x20
	POLLRDNORM = 0x40
	POLLRDBAND = 0x80
	POLLWRNORM = 0x100
	POLLWRBAND = 0x200
	POLLMSG    = 0x400
	POLLREMOVE = 0x1000
	POLLRDHUP  = 0x2000
)

// PollFD is struct pollfd.
type PollFD struct {
	FD      int32
	Events  int16
	Revents int16
}

// Operations, flags and events of epoll (epoll_ctl(2)).
const (
	EPOLL_CLOEXEC = O_CLOEXEC
	EPOLL_CTL_ADD = 1
	EPOLL_CTL_DEL = 2
	EPOLL_CTL_MOD = 3

	EPOLLIN        = 0x1
	EPOLLPRI       = 0x2
	EPOLLOUT       = 0x4
	EPOLLERR       = 0x8
	EPOLLHUP       = 0x10
	EPOLLNVAL      = 0x20
	EPOLLRDNORM    = 0x40
	EPOLLRDBAND    = 0x80
	EPOLLWRNORM    = 0x100
	EPOLLWRBAND    = 0x200
	EPOLLMSG       = 0x400
	EPOLLRDHUP     = 0x2000
	EPOLLEXCLUSIVE = 1 << 28
	EPOLLWAKEUP    = 1 << 29
	EPOLLONESHOT   = 1 << 30
	EPOLLET        = 1 << 31
)

// EpollEvent is struct epoll_event, which x86-64 packs into 12 bytes.
//
// abigen:packed
type EpollEvent struct {
	Events uint32
	Data   uint64
}

// EpollEventSize is the size of an EpollEvent in guest memory.
const EpollEventSize = 12

// FDSetSize is the number of descriptors in libc's fd_set; select(2) itself takes more.
const FDSetSize = 1024

// SigsetArg is the pair that pselect6(2) and io_pgetevents(2) point at.
type SigsetArg struct {
	Addr uint64
	Size uint64
}

// Flags of eventfd2(2).
const (
	EFD_SEMAPHORE = 1
	EFD_CLOEXEC   = O_CLOEXEC
	EFD_NONBLOCK  = O_NONBLOCK
)
