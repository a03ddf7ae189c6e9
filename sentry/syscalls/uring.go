package syscalls

import (
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
	"ringfence/sentry/fs/eventfd"
	"ringfence/sentry/kernel"
	"ringfence/sentry/mappable"
	"ringfence/sentry/mm"
	"ringfence/sentry/uring"
	"ringfence/sentry/vfs"
)

// The uring files are io_uring(7).
//
//	sys_uring.go        the three calls
//	uring.go            a ring, the life of a request from its start to its completion
//	uring_submit.go     from an entry of the submission ring to a request: chains, drains
//	uring_work.go       who carries requests out when the submitter does not wait
//	uring_sqpoll.go     IORING_SETUP_SQPOLL
//	uring_ops.go        the table of opcodes; what they do is in uring_rw.go, uring_net.go, uring_fs.go and so on
//	uring_cancel.go     who is canceled, and what that does to it
//	uring_register.go   io_uring_register(2); uring_resources.go is what it registers
//
// A request is first tried by its submitter, without waiting. What can wait for its file stands in the file's wait queue, and is
// tried again by the ring's runner when that tells of something; what can only block gets a goroutine and an actor
// (kernel.Task.NewActor) of its own. So a request that waits is data: its entry of the submission ring and what was read from
// guest memory with it.
//
// Lock order:
//
//	ioRing.submitMu (two rings: never)
//	  ioRing.bufferMu
//	    locks of files, while a request is tried
//	ioRing.mu (two rings: never; no file is called with it but the eventfd's and wait queues)
//	  ioRing.workMu

// ioRing is the FileOps of a ring.
type ioRing struct {
	vfs.BaseFile
	// Immutable.
	k       *kernel.Kernel
	flags   uint32       // IORING_SETUP_*
	creator *kernel.Task // who submits, with IORING_SETUP_SINGLE_ISSUER; guarded by mu while the ring is disabled
	layout  uring.Layout
	poller  *ioPoller // of IORING_SETUP_SQPOLL, or nil

	events wait.Queue // completions

	// submitMu lets one submit at a time. It guards the submission ring, and what follows.
	submitMu  sync.Mutex
	chain     ioChain
	drainNext bool // what comes after the chain under way waits for it

	// bufferMu is held from when a request chooses a buffer to when it knows whether it uses it.
	bufferMu sync.Mutex
	groups   map[uint16]*uring.Buffers // guarded by bufferMu

	mu sync.Mutex
	// Guarded by mu.
	ring      *uring.Ring // nil when released; the submission side is submitMu's
	closed    bool        // the file is gone
	disabled  bool        // IORING_SETUP_R_DISABLED
	subs      []*ioSubmitter
	orphans   ioSubmitter // has the timeouts that outlive their task
	first     *ioRequest  // requests that wait or run elsewhere, oldest first
	last      *ioRequest
	active    int          // requests that have begun and not ended
	deferred  []*ioRequest // chains that wait for others to end (IOSQE_IO_DRAIN)
	noDrain   bool         // IOSQE_CQE_SKIP_SUCCESS was used
	timeouts  []*ioRequest // that are armed and wait for completions, too
	expired   uint32       // timeouts that have completed
	workers   int          // goroutines that carry out bounded work
	backlog   []*ioRequest // bounded work that waits for one of them
	busy      int          // goroutines that use the ring
	clock     int32        // that waits are measured by
	eventfd   *vfs.File
	onlyAsync bool // IORING_REGISTER_EVENTFD_ASYNC
	resources ioResources

	// Guarded by submitMu.
	limits     *ioRestrictions
	maxWorkers [2]uint32 // what IORING_REGISTER_IOWQ_MAX_WORKERS set

	workMu  sync.Mutex
	work    []*ioRequest // for the runner
	running bool         // there is a runner
	flagged *uring.Ring  // where IORING_SETUP_TASKRUN_FLAG tells of work; nil without it
}

// maxIOWorkers bounds the goroutines of a ring that carry out what ends soon: each may hold a host thread.
const maxIOWorkers = 16

// ioSubmitter is a task that submits to a ring, as long as it is what actor is made of.
type ioSubmitter struct {
	task  *kernel.Task // nil, like actor, of those who have ended
	actor *kernel.Task // the runner's
	users int          // requests and goroutines; guarded by the ring's mu
}

// ioState says where a request is.
type ioState uint8

const (
	ioFresh    ioState = iota // not begun
	ioDeferred                // waits for a drain
	ioQueued                  // waits for a worker
	ioRunning                 // a goroutine has it
	ioArmed                   // waits for a wake-up; whoever claims it may end it
	ioDone
)

// ioRequest is a submission until its last completion. It implements wait.Waiter and ktime.Listener.
type ioRequest struct {
	// Immutable once it has begun.
	ring   *ioRing
	sub    *ioSubmitter // nil as long as only the submitter itself has had it
	op     *ioOp
	sqe    linux.IOUringSQE
	cred   *creds.Credentials // of who submitted it, or of a personality
	asOne  bool               // cred is a personality's
	skip   bool               // IOSQE_CQE_SKIP_SUCCESS
	drain  bool               // waits for all before it
	force  bool               // is not tried by the submitter
	blocks bool               // may sleep, and so needs a worker
	hard   bool               // IOSQE_IO_HARDLINK

	// Whose goroutine has the request.
	file   *vfs.File // with a reference
	queue  *wait.Queue
	entry  wait.Entry
	failed bool  // its end fails the chain
	fine   bool  // even an error does not
	res    int32 // of a request that failed before it began
	ioArgs

	// Guarded by ring.mu.
	link       *ioRequest
	state      ioState
	canceled   bool         // somebody wants it to end
	again      bool         // a wake-up came while it was running
	actor      *kernel.Task // who carries it out, if a worker
	worked     bool         // a worker has had it
	lost       bool         // nobody is left who would post its completion
	listed     bool
	prev, next *ioRequest

	queued bool // in ring.work; guarded by ring.workMu
}

// Results of an operation besides those of Linux.
const (
	// errIOWait says that the request waits for something else than its file, and will be woken or ended by others.
	errIOWait = ioError("waits")
	// errIOMore says that the request has posted completions and wants to be tried again.
	errIOMore = ioError("has more")
)

type ioError string

func (e ioError) Error() string { return "io_uring: " + string(e) }

// Mappable implements vfs.FileOps.
func (r *ioRing) Mappable(vfs.Caller, *vfs.File) (mappable.Mappable, error) { return &r.layout, nil }

// Queue implements vfs.FileOps.
func (r *ioRing) Queue(*vfs.File) *wait.Queue { return &r.events }

// Readiness implements vfs.FileOps.
func (r *ioRing) Readiness(*vfs.File) wait.Mask {
	r.mu.Lock()
	defer r.mu.Unlock()
	var m wait.Mask
	if r.ring == nil {
		return 0
	}
	r.workMu.Lock()
	waits := len(r.work) > 0 && r.flags&linux.IORING_SETUP_DEFER_TASKRUN != 0
	r.workMu.Unlock()
	if st := r.ring.State(); st.SQTail-st.SQHead != st.SQMask+1 {
		m |= wait.Out | wait.WrNorm
	}
	if waits || r.ring.Ready() > 0 || len(r.ring.Overflowed()) > 0 {
		m |= wait.In | wait.RdNorm
	}
	return m
}

// Release implements vfs.FileOps: what is under way is canceled, and the last of it takes the ring along.
func (r *ioRing) Release(*vfs.File) {
	if r.poller != nil {
		r.poller.stop()
	}
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancelMatching(&ioMatch{all: true, any: true})
}

// use notes a goroutine that uses the ring and acts for s, done that it has ended. The last one of a closed ring releases it.
func (r *ioRing) use(s *ioSubmitter) {
	r.mu.Lock()
	r.busy++
	s.users++
	r.mu.Unlock()
}

func (r *ioRing) done(s *ioSubmitter) {
	r.mu.Lock()
	r.busy--
	if s != nil {
		r.leaveLocked(s)
	}
	last := r.closed && r.busy == 0 && r.first == nil && r.ring != nil
	var ring *uring.Ring
	if last {
		ring, r.ring = r.ring, nil
	}
	r.mu.Unlock()
	if !last {
		return
	}
	r.workMu.Lock()
	r.flagged = nil
	r.workMu.Unlock()
	ring.Release()
	r.bufferMu.Lock()
	for _, g := range r.groups {
		if m := g.Region(); m != nil {
			m.Release()
		}
	}
	r.groups = nil
	r.bufferMu.Unlock()
	r.mu.Lock()
	subs, files, fd := r.subs, r.resources.files, r.eventfd
	r.subs, r.resources, r.eventfd = nil, ioResources{}, nil
	r.mu.Unlock()
	for _, s := range subs {
		s.task.PartAsync(r)
		s.actor.Dismiss()
	}
	for i := range files {
		files[i].drop()
	}
	if fd != nil {
		fd.DecRef()
	}
}

// leaveLocked drops a user of s.
func (r *ioRing) leaveLocked(s *ioSubmitter) {
	s.users--
	if s.users == 0 && s.task != nil {
		s.task.Wake(nil, 0)
	}
}

// Leave implements kernel.AsyncUser. As on Linux, what a thread submitted goes on when the thread ends, and what a process
// submitted is never heard of again when it has ended.
func (r *ioRing) Leave(t, heir *kernel.Task, exec bool) {
	if heir != nil {
		r.passTo(t, heir)
		return
	}
	if p := r.poller; p != nil && p.actor.Principal() == t {
		p.stop()
		p.wait(t)
	}
	var gone []*kernel.Task
	t.SleepUntil(func() bool {
		r.cancelMatching(&ioMatch{all: true, any: true, leaves: t, exec: exec})
		r.mu.Lock()
		defer r.mu.Unlock()
		left := r.subs[:0]
		idle := true
		for _, s := range r.subs {
			if s.task == t && s.users == 0 {
				gone = append(gone, s.actor)
				continue
			}
			idle = idle && s.task != t
			left = append(left, s)
		}
		clear(r.subs[len(left):])
		r.subs = left
		return idle
	})
	for _, a := range gone {
		a.Dismiss()
	}
}

// passTo makes heir the submitter of what t submitted.
func (r *ioRing) passTo(t, heir *kernel.Task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.subs {
		if s.task == t {
			s.task = heir
			s.actor.PassTo(heir)
		}
	}
	if p := r.poller; p != nil && p.actor.Principal() == t {
		p.actor.PassTo(heir)
	}
}

// enlist puts q among the requests that others can find, in a state. t is the submitter itself, or an actor for it.
func (r *ioRing) enlist(t *kernel.Task, q *ioRequest, state ioState) {
	if q.sub == nil {
		q.sub = r.submitter(t)
		if q.cred == nil {
			q.cred = t.Creds()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	q.state = state
	r.enlistLocked(q)
}

func (r *ioRing) enlistLocked(q *ioRequest) {
	if q.listed {
		return
	}
	q.listed = true
	q.sub.users++
	q.prev, q.next = r.last, nil
	if r.last != nil {
		r.last.next = q
	} else {
		r.first = q
	}
	r.last = q
}

func (r *ioRing) unlistLocked(q *ioRequest) {
	if !q.listed {
		return
	}
	q.listed = false
	if q.prev != nil {
		q.prev.next = q.next
	} else {
		r.first = q.next
	}
	if q.next != nil {
		q.next.prev = q.prev
	} else {
		r.last = q.prev
	}
	q.prev, q.next = nil, nil
	r.leaveLocked(q.sub)
}

// submitter returns who acts for t, which is the calling task or an actor in use.
func (r *ioRing) submitter(t *kernel.Task) *ioSubmitter {
	p := t.Principal()
	r.mu.Lock()
	for _, s := range r.subs {
		if s.task == p && s.actor.Fits(t) {
			r.mu.Unlock()
			return s
		}
	}
	r.mu.Unlock()
	s := &ioSubmitter{task: p, actor: t.NewActor()}
	p.JoinAsync(r)
	r.mu.Lock()
	r.subs = append(r.subs, s)
	r.mu.Unlock()
	return s
}

// run carries out q and then what follows it in its chain, as far as nothing waits.
func (r *ioRing) run(t *kernel.Task, q *ioRequest) {
	for q != nil {
		q = r.try(t, q)
	}
}

// try carries out q, if it need not wait, and returns what comes next in its chain, if q has ended. Preconditions: nobody else
// can find q, or it is ioRunning.
func (r *ioRing) try(t *kernel.Task, q *ioRequest) (next *ioRequest) {
	if q.res != 0 {
		return r.end(q, q.res, 0)
	}
	if q.op.file && q.file == nil {
		f, err := r.fileAt(t, q.sqe.FD, q.sqe.Flags&linux.IOSQE_FIXED_FILE != 0)
		if err != nil {
			return r.end(q, ioResult(0, err), 0)
		}
		q.file = f
	}
	if q.blocks || q.force && !q.listed {
		r.startWork(t, q)
		r.armLinkTimeout(q)
		return nil
	}
	for {
		n, err := q.issue(t)
		switch {
		case err == errIOWait:
			r.armLinkTimeout(q)
			return nil
		case err == errIOMore:
			r.enlist(t, q, ioArmed)
			r.enqueue(q)
			r.armLinkTimeout(q)
			return nil
		case err != errno.EAGAIN || !q.op.polls(q):
			return r.end(q, ioResult(n, err), q.cflags)
		case q.queue == nil:
			// In the queue first, then another look: nothing is missed.
			if !r.stand(t, q, q.op.mask) {
				return r.end(q, ioResult(n, err), q.cflags)
			}
		default:
			next, waits := r.rest(t, q)
			if waits {
				r.armLinkTimeout(q)
			}
			return next
		}
	}
}

// issue tries q as its submitter, or with the credentials of a personality.
func (q *ioRequest) issue(t *kernel.Task) (int64, error) {
	if q.asOne && t.Creds() != q.cred {
		a := t.NewActor()
		a.ActWith(q.cred)
		defer a.Dismiss()
		t = a
	}
	return q.op.issue(t, q)
}

// queueOf is where q waits: in the queue of its file, or where children tell of themselves.
func (q *ioRequest) queueOf(t *kernel.Task) *wait.Queue {
	if q.file == nil {
		return &t.ThreadGroup().ChildEvents
	}
	return q.file.QueueOf(t)
}

// stand puts q into the wait queue of its file; false if it has none.
func (r *ioRing) stand(t *kernel.Task, q *ioRequest, mask wait.Mask) bool {
	queue := q.queueOf(t)
	if queue == nil {
		return false
	}
	r.enlist(t, q, ioRunning)
	q.entry = wait.Entry{Waiter: q, Mask: mask}
	q.queue = queue
	queue.Register(&q.entry)
	return true
}

// rest lets q wait for the next wake-up, unless it was canceled meanwhile.
func (r *ioRing) rest(t *kernel.Task, q *ioRequest) (next *ioRequest, waits bool) {
	r.enlist(t, q, ioRunning)
	r.mu.Lock()
	if q.canceled || r.closed {
		r.mu.Unlock()
		return r.end(q, -int32(errno.ECANCELED), 0), false
	}
	q.state = ioArmed
	again := q.again
	q.again = false
	r.mu.Unlock()
	if again {
		r.enqueue(q)
	}
	return nil, true
}

// ioResult is what a completion says of what an operation returned.
func ioResult(n int64, err error) int32 {
	if err == nil {
		return int32(n)
	}
	e, ok := err.(errno.Errno)
	switch _, fault := err.(mm.FaultError); {
	case fault:
		e = errno.EFAULT
	case !ok:
		panic("io_uring: foreign error: " + err.Error())
	case e.IsRestart():
		e = errno.EINTR // a request can't be restarted
	}
	return -int32(e)
}

// end completes q and what its end takes along, and returns what is to begin now: the next of its chain.
// Preconditions: q is the caller's.
func (r *ioRing) end(q *ioRequest, res int32, flags uint32) (next *ioRequest) {
	q.failed = q.failed || res < 0 && !q.fine
	if q.queue != nil {
		q.queue.Unregister(&q.entry)
		q.queue = nil
	}
	q.leaveFutexes()
	file := q.file
	q.file = nil
	r.mu.Lock()
	next = r.endLocked(q, res, flags)
	r.mu.Unlock()
	r.events.Notify(wait.In | wait.RdNorm)
	if file != nil {
		file.DecRef()
	}
	return next
}

func (r *ioRing) endLocked(q *ioRequest, res int32, flags uint32) (next *ioRequest) {
	if q.canceled && q.op.code == linux.IORING_OP_POLL_ADD {
		res, flags, q.failed = -int32(errno.ECANCELED), 0, true // as whoever canceled it was told
	}
	failed := q.failed
	r.closeLocked(q, res, flags, q.skip && !failed)
	next = q.link
	q.link = nil
	if timeout := next; timeout != nil && timeout.op.code == linux.IORING_OP_LINK_TIMEOUT && timeout.res == 0 {
		next = timeout.link
		timeout.link = nil
		if timeout.state == ioFresh || timeout.state == ioArmed {
			r.k.Timers.Stop(&timeout.timeout.timer)
			r.closeLocked(timeout, -int32(errno.ECANCELED), 0, timeout.skip)
		} // or else it is on its way to end by itself
	}
	if failed && !q.hard {
		for next != nil {
			x := next
			next = x.link
			x.link = nil
			if x.res == 0 {
				x.res = -int32(errno.ECANCELED)
			}
			// Who wants no completion of success wants none of what its failure takes along.
			r.closeLocked(x, x.res, 0, q.skip)
		}
	}
	if next != nil {
		next.sub = q.sub
		if next.cred == nil {
			next.cred = q.cred
		}
	}
	r.undeferLocked()
	r.flushTimeoutsLocked()
	return next
}

// closeLocked takes q off the books and posts its last completion, unless silent.
func (r *ioRing) closeLocked(q *ioRequest, res int32, flags uint32, silent bool) {
	if q.state == ioDone {
		panic("io_uring: request ended twice")
	}
	q.state = ioDone
	r.active--
	if q.timeout != nil {
		r.forgetTimeoutLocked(q)
	}
	if !silent && !q.lost {
		r.postLocked(q, res, flags)
	}
	r.unlistLocked(q)
}

// postLocked posts a completion of q and tells the eventfd.
func (r *ioRing) postLocked(q *ioRequest, res int32, flags uint32) {
	if r.ring == nil {
		return
	}
	r.ring.Post(&uring.Completion{IOUringCQE: linux.IOUringCQE{UserData: q.sqe.UserData, Res: res, Flags: flags}, Extra: q.extra})
	r.signalLocked(q.worked)
}

// signalLocked counts up the eventfd; async says that a worker does.
func (r *ioRing) signalLocked(async bool) {
	if r.eventfd != nil && (async || !r.onlyAsync) && r.ring.CQFlags()&linux.IORING_CQ_EVENTFD_DISABLED == 0 {
		r.eventfd.Ops.(*eventfd.EventFD).Add(1)
	}
}

// more posts a completion of q that others will follow; false if there is no room, whereupon q ends.
func (r *ioRing) more(q *ioRequest, res int32, flags uint32) bool {
	r.mu.Lock()
	if r.ring == nil || r.ring.Full() || q.canceled {
		r.mu.Unlock()
		return false
	}
	r.postLocked(q, res, flags|linux.IORING_CQE_F_MORE)
	r.flushTimeoutsLocked()
	r.mu.Unlock()
	r.events.Notify(wait.In | wait.RdNorm)
	return true
}

// armLinkTimeout starts the timeout that follows q in its chain, as q waits.
func (r *ioRing) armLinkTimeout(q *ioRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := q.link
	if x == nil || x.op.code != linux.IORING_OP_LINK_TIMEOUT || x.state != ioFresh || x.res != 0 || q.state == ioDone {
		return
	}
	x.sub = q.sub
	x.state = ioArmed
	x.timeout.head = q
	r.enlistLocked(x)
	x.timeout.set(r.k)
}
