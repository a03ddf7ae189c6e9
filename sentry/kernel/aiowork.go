package kernel

import (
	"slices"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// maxAIOWorkers bounds the goroutines that carry out requests: each may hold a host thread.
const maxAIOWorkers = 16

// aioWorkers carries out what io_submit(2) does not do at once. Workers are made when there is work, and end
// when there is none.
type aioWorkers struct {
	dev      uint64 // of rings; immutable
	inos     atomic.Uint64
	requests atomic.Int64 // that all contexts may have

	mu      sync.Mutex
	queue   []*AIOWork
	workers int
}

// AIORequests returns how many requests the contexts may have (/proc/sys/fs/aio-nr).
func (k *Kernel) AIORequests() int64 { return k.aio.requests.Load() }

// AIOWork is a request that another goroutine carries out. Exactly one of its kinds is set.
type AIOWork struct {
	r *AIORequest
	f *vfs.File
	// The caller that the file sees: what the task was at the time.
	k     *Kernel
	cred  *creds.Credentials
	limit uint64

	Sync, DataOnly bool // fsync, fdatasync

	Write  bool
	Seq    usermem.Sequence
	Offset int64
	Flags  uint32 // RWF_*
}

// Creds, FSContext, Now and FileSizeLimit implement vfs.Caller.
func (w *AIOWork) Creds() *creds.Credentials { return w.cred }
func (w *AIOWork) FSContext() *vfs.FSContext { return nil }
func (w *AIOWork) Now() int64                { return w.k.Now() }
func (w *AIOWork) FileSizeLimit() uint64     { return w.limit }

// StartAIO has w carried out on f, which it takes a reference to, as the request r.
func (t *Task) StartAIO(r *AIORequest, f *vfs.File, w *AIOWork) {
	f.IncRef()
	w.r, w.f, w.k, w.cred, w.limit = r, f, t.k, t.Creds(), t.FileSizeLimit()
	w.Seq.Through(t.mm) // t's Memory is for t alone: it may sleep
	q := &t.k.aio
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, w)
	if q.workers < maxAIOWorkers {
		q.workers++
		go q.run()
	}
}

// run carries out work until there is none.
func (q *aioWorkers) run() {
	for {
		q.mu.Lock()
		if len(q.queue) == 0 {
			q.workers--
			q.mu.Unlock()
			return
		}
		w := q.queue[0]
		q.queue = slices.Delete(q.queue, 0, 1)
		q.mu.Unlock()
		w.run()
	}
}

// run does the work. The address space is there as long as the request is in flight.
func (w *AIOWork) run() {
	var n int
	var err error
	switch {
	case w.Sync:
		err = w.f.Sync(w, w.DataOnly)
	case w.Write:
		n, err = w.f.PWrite(w, &w.Seq, w.Offset, w.Flags)
	default:
		n, err = w.f.PRead(w, &w.Seq, w.Offset, w.Flags)
	}
	w.f.DecRef()
	w.r.Complete(AIOResult(n, err))
}

// AIOResult is what the event of a request says.
func AIOResult(n int, err error) int64 {
	if n > 0 || err == nil {
		return int64(n)
	}
	e, ok := err.(errno.Errno)
	switch {
	case !ok:
		e = errno.EFAULT
	case e.IsRestart():
		e = errno.EINTR // a request can't be restarted
	}
	return -int64(e)
}

// cancel drops the work of c that has not begun.
func (q *aioWorkers) cancel(c *AIOContext) {
	var dropped []*AIOWork
	q.mu.Lock()
	q.queue = slices.DeleteFunc(q.queue, func(w *AIOWork) bool {
		if w.r.c == c {
			dropped = append(dropped, w)
			return true
		}
		return false
	})
	q.mu.Unlock()
	for _, w := range dropped {
		w.f.DecRef()
		w.r.Abort()
	}
}

// aioPoll is a request that waits for a file to be ready (IOCB_CMD_POLL). It implements wait.Waiter.
type aioPoll struct {
	r     *AIORequest
	f     *vfs.File
	entry wait.Entry
	// looking says that a goroutine looks, or will look, at the file.
	looking atomic.Bool
}

// PollAIO waits for one of the conditions of mask as the request r. It takes over the reference to f.
func (r *AIORequest) PollAIO(f *vfs.File, mask wait.Mask) {
	p := &aioPoll{r: r, f: f}
	p.entry = wait.Entry{Waiter: p, Mask: mask}
	c := r.c
	c.mu.Lock()
	dead := c.dead
	if !dead {
		c.polls[p] = struct{}{}
	}
	c.mu.Unlock()
	if dead {
		p.finish(0)
		return
	}
	// Until it stands in the queue nobody else ends it: whoever wants to cancel it is told to come again by the look below.
	f.IncRef()
	defer f.DecRef()
	if q := f.Queue(); q != nil {
		q.Register(&p.entry)
		c.mu.Lock()
		_, pending := c.polls[p]
		c.mu.Unlock()
		if !pending {
			q.Unregister(&p.entry) // canceled meanwhile
			return
		}
	}
	p.look()
}

// look ends the request if the file is ready.
func (p *aioPoll) look() {
	for {
		ready := p.f.Readiness() & (p.entry.Mask | wait.Always)
		if ready != 0 {
			if p.claim() {
				p.finish(ready)
			}
			return
		}
		p.looking.Store(false)
		// What became ready before that woke nobody.
		if p.f.Readiness()&(p.entry.Mask|wait.Always) == 0 || !p.looking.CompareAndSwap(false, true) {
			return
		}
	}
}

// claim reports whether the caller is who ends the request.
func (p *aioPoll) claim() bool {
	c := p.r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	_, pending := c.polls[p]
	delete(c.polls, p)
	return pending
}

// finish ends the request. Preconditions: the caller has claimed it.
func (p *aioPoll) finish(ready wait.Mask) {
	if q := p.f.Queue(); q != nil {
		q.Unregister(&p.entry)
	}
	p.f.DecRef()
	p.r.Complete(int64(ready))
}

// Wake implements wait.Waiter. As files call it with locks held, another goroutine looks.
func (p *aioPoll) Wake(*wait.Entry, wait.Mask) {
	if p.looking.CompareAndSwap(false, true) {
		p.f.IncRef()
		go func() {
			p.look()
			p.f.DecRef()
		}()
	}
}

// CancelAIO is io_cancel(2): it ends the request for the iocb at obj, whose event tells so. EINVAL if there is none that can be
// canceled.
func (c *AIOContext) CancelAIO(obj uint64) error {
	c.mu.Lock()
	var found *aioPoll
	for p := range c.polls {
		if p.r.obj == obj {
			found = p
			delete(c.polls, p)
			break
		}
	}
	c.mu.Unlock()
	if found == nil {
		return errno.EINVAL
	}
	found.finish(0)
	return nil
}

// PollMask is what IOCB_CMD_POLL waits for, besides errors, in the words of poll(2).
func PollMask(events uint16) wait.Mask { return wait.Mask(events) & wait.All &^ linux.POLLNVAL }
