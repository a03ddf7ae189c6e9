package syscalls

import (
	"math"
	"sync"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/fs/epoll"
	"ringfence/sentry/kernel"
)

var epollCalls = []line{
	{linux.SYS_EPOLL_CREATE, "epoll_create", sysEpollCreate, kernel.Full, "", ""},
	{linux.SYS_EPOLL_CREATE1, "epoll_create1", sysEpollCreate1, kernel.Full, "EPOLL_CLOEXEC", ""},
	{linux.SYS_EPOLL_CTL, "epoll_ctl", sysEpollCtl, kernel.Full, "EPOLLET EPOLLONESHOT EPOLLEXCLUSIVE EPOLLWAKEUP", ""},
	{linux.SYS_EPOLL_WAIT, "epoll_wait", sysEpollWait, kernel.Full, "", ""},
	{linux.SYS_EPOLL_PWAIT, "epoll_pwait", sysEpollPwait, kernel.Full, "", ""},
	{linux.SYS_EPOLL_PWAIT2, "epoll_pwait2", sysEpollPwait2, kernel.Full, "", ""},
}

func sysEpollCreate(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[0].Int() <= 0 {
		return 0, errno.EINVAL
	}
	return epollCreate(t, 0)
}

func sysEpollCreate1(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[0].Uint()&^linux.EPOLL_CLOEXEC != 0 {
		return 0, errno.EINVAL
	}
	return epollCreate(t, a[0].Uint())
}

func epollCreate(t *kernel.Task, flags uint32) (uint64, error) {
	fd, err := t.InstallNew(t.Kernel().Epolls.New(t), flags)
	return uint64(fd), err
}

func sysEpollCtl(t *kernel.Task, a *arch.Args) (uint64, error) {
	op, fd := a[1].Int(), a[2].Int()
	var ev linux.EpollEvent
	if op != linux.EPOLL_CTL_DEL {
		if err := t.CopyInStruct(a[3].Addr(), &ev); err != nil {
			return 0, err
		}
	}
	return 0, epollCtl(t, a[0].Int(), op, fd, ev)
}

func epollCtl(t *kernel.Task, epfd, op, fd int32, ev linux.EpollEvent) error {
	f, err := t.GetFile(epfd)
	if err != nil {
		return err
	}
	defer f.DecRef()
	target, err := t.GetFile(fd)
	if err != nil {
		return err
	}
	defer target.DecRef()
	if target.Queue() == nil {
		return errno.EPERM
	}
	ep := epoll.Of(f)
	if ep == nil || f == target {
		return errno.EINVAL
	}
	if !t.Creds().Has(linux.CAP_BLOCK_SUSPEND) {
		ev.Events &^= linux.EPOLLWAKEUP
	}
	switch op {
	case linux.EPOLL_CTL_ADD:
		return ep.Add(t, target, fd, ev)
	case linux.EPOLL_CTL_MOD:
		return ep.Modify(t, target, fd, ev)
	case linux.EPOLL_CTL_DEL:
		return ep.Delete(target, fd)
	}
	return errno.EINVAL
}

func sysEpollWait(t *kernel.Task, a *arch.Args) (uint64, error) {
	return epollWait(t, a, epollTimeout(t, a[3].Int()))
}

func sysEpollPwait(t *kernel.Task, a *arch.Args) (uint64, error) {
	if err := setTempMask(t, a[4].Addr(), a[5].Size()); err != nil {
		return 0, err
	}
	return epollWait(t, a, epollTimeout(t, a[3].Int()))
}

func sysEpollPwait2(t *kernel.Task, a *arch.Args) (uint64, error) {
	d, err := timespecTimeout(t, a[3].Addr())
	if err != nil {
		return 0, err
	}
	if err := setTempMask(t, a[4].Addr(), a[5].Size()); err != nil {
		return 0, err
	}
	return epollWait(t, a, d)
}

func epollTimeout(t *kernel.Task, ms int32) timeout {
	if ms < 0 {
		return timeout{forever: true}
	}
	return timeoutAfter(t, int64(ms)*1e6)
}

// eventPool holds the buffers of small waits.
var eventPool = sync.Pool{New: func() any { return new([64]linux.EpollEvent) }}

func epollWait(t *kernel.Task, a *arch.Args, d timeout) (uint64, error) {
	limit := a[2].Int()
	if limit <= 0 || limit > math.MaxInt32/linux.EpollEventSize {
		return 0, errno.EINVAL
	}
	f, err := t.BorrowFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.Return()
	ep := epoll.Of(f.File)
	if ep == nil {
		return 0, errno.EINVAL
	}
	small := eventPool.Get().(*[64]linux.EpollEvent)
	defer eventPool.Put(small)
	events := collect(t, ep, small, int(limit))
	if len(events) == 0 && !d.now {
		events, err = epollBlock(t, ep, small, int(limit), d)
	}
	if len(events) == 0 {
		return 0, err
	}
	if err := copyOutEvents(t, a[1].Addr(), events); err != nil {
		return 0, err
	}
	return uint64(len(events)), nil
}

// collect returns at most limit events, in small if they fit.
func collect(t *kernel.Task, ep *epoll.Epoll, small *[64]linux.EpollEvent, limit int) []linux.EpollEvent {
	events := small[:min(limit, len(small))]
	if limit > len(small) {
		if n := ep.Ready(); n > len(small) {
			events = make([]linux.EpollEvent, min(n, limit))
		}
	}
	return events[:ep.Collect(t, events)]
}

// epollBlock waits until ep has events. epoll_wait is never restarted (signal(7)).
func epollBlock(t *kernel.Task, ep *epoll.Epoll, small *[64]linux.EpollEvent, limit int, d timeout) ([]linux.EpollEvent, error) {
	e := wait.Entry{Waiter: t, Mask: wait.In, Exclusive: true}
	q := ep.Queue(nil)
	q.Register(&e)
	// A wake-up that came to us alone may be for what another waiter can take.
	defer ep.Pass()
	defer q.Unregister(&e)
	for {
		if events := collect(t, ep, small, limit); len(events) > 0 {
			return events, nil
		}
		switch err := t.BlockUntil(d.deadline()); err {
		case nil:
		case errno.ETIMEDOUT:
			return collect(t, ep, small, limit), nil
		default:
			return nil, errno.EINTR
		}
	}
}

func copyOutEvents(t *kernel.Task, at addr.Addr, events []linux.EpollEvent) error {
	var small [32 * linux.EpollEventSize]byte
	b := small[:]
	if len(events) <= 32 {
		b = b[:len(events)*linux.EpollEventSize]
	} else {
		b = make([]byte, len(events)*linux.EpollEventSize)
	}
	for i := range events {
		events[i].MarshalBytes(b[i*linux.EpollEventSize:])
	}
	return t.CopyOut(at, b)
}
