package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
)

// Wake implements wait.Waiter. Files call it with locks held: the runner looks.
func (q *ioRequest) Wake(*wait.Entry, wait.Mask) { q.ring.enqueue(q) }

// enqueue hands q to the ring's runner, which carries on with it if it waits, or begins it.
func (r *ioRing) enqueue(q *ioRequest) {
	r.workMu.Lock()
	defer r.workMu.Unlock()
	if q.queued {
		return
	}
	q.queued = true
	r.work = append(r.work, q)
	if r.flags&linux.IORING_SETUP_DEFER_TASKRUN != 0 {
		if r.flagged != nil {
			r.flagged.SetFlag(linux.IORING_SQ_TASKRUN)
		}
		if len(r.work) == 1 {
			go r.tellWork() // the caller may hold the lock of a queue that is to be told
		}
		return
	}
	if !r.running {
		r.running = true
		go r.runWork()
	}
}

// tellWork tells that there is something to do for the submitter of a ring with IORING_SETUP_DEFER_TASKRUN, who is its own runner.
func (r *ioRing) tellWork() {
	r.mu.Lock()
	r.workMu.Lock()
	waits := len(r.work) > 0
	r.workMu.Unlock()
	if r.ring != nil && waits {
		r.signalLocked(true)
	}
	r.mu.Unlock()
	r.events.Notify(wait.In | wait.RdNorm)
}

// runOwnWork is the turn of such a submitter. It reports whether there is more.
func (r *ioRing) runOwnWork() (more bool) {
	r.workMu.Lock()
	work := r.work
	if len(work) > 0 && r.flagged != nil {
		r.flagged.ClearFlag(linux.IORING_SQ_TASKRUN)
	}
	r.work = nil
	for _, q := range work {
		q.queued = false
	}
	r.workMu.Unlock()
	for _, q := range work {
		r.carryOn(q)
	}
	r.workMu.Lock()
	defer r.workMu.Unlock()
	return len(r.work) > 0
}

// runWork is the runner: it takes requests in the order of their wake-ups, and never waits for anything.
func (r *ioRing) runWork() {
	for {
		r.workMu.Lock()
		if len(r.work) == 0 {
			r.work = nil
			r.running = false
			r.workMu.Unlock()
			return
		}
		q := r.work[0]
		r.work[0] = nil
		r.work = r.work[1:]
		q.queued = false
		r.workMu.Unlock()
		r.carryOn(q)
	}
}

// carryOn is the runner's turn at q.
func (r *ioRing) carryOn(q *ioRequest) {
	r.mu.Lock()
	begun := q.state != ioFresh
	switch q.state {
	case ioFresh, ioArmed:
		q.state = ioRunning
	case ioRunning:
		q.again = true
		r.mu.Unlock()
		return
	default: // ended meanwhile, or not to be woken yet
		r.mu.Unlock()
		return
	}
	s := q.sub
	r.busy++
	s.users++
	r.mu.Unlock()
	defer r.done(s)
	if s.actor == nil {
		q.op.woken(r, nil, q)
		return
	}
	s.actor.ActWith(q.cred)
	if begun && q.op.woken != nil {
		q = q.op.woken(r, s.actor, q)
	}
	r.follow(s.actor, q)
}

// follow runs a chain on an actor, which takes on the credentials of each request.
func (r *ioRing) follow(a *kernel.Task, q *ioRequest) {
	for q != nil {
		a.ActWith(q.cred)
		q = r.try(a, q)
	}
}

// claim takes a request that waits away from whoever would wake it; false if it has ended or somebody has it.
func (r *ioRing) claim(q *ioRequest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.claimLocked(q)
}

func (r *ioRing) claimLocked(q *ioRequest) bool {
	if q.state != ioArmed {
		return false
	}
	q.state = ioRunning
	return true
}

// startWork leaves q to a worker. What may wait for long gets one of its own.
func (r *ioRing) startWork(t *kernel.Task, q *ioRequest) {
	r.enlist(t, q, ioQueued)
	if q.op.unbound {
		go r.workOn(q)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.backlog = append(r.backlog, q)
	if r.workers < maxIOWorkers {
		r.workers++
		go r.workOff()
	}
}

// workOff carries out the backlog.
func (r *ioRing) workOff() {
	for {
		r.mu.Lock()
		if len(r.backlog) == 0 {
			r.backlog = nil
			r.workers--
			r.mu.Unlock()
			return
		}
		q := r.backlog[0]
		r.backlog[0] = nil
		r.backlog = r.backlog[1:]
		r.mu.Unlock()
		r.workOn(q)
	}
}

// workOn carries out one request, unless it was canceled before.
func (r *ioRing) workOn(q *ioRequest) {
	r.mu.Lock()
	if q.state != ioQueued {
		r.mu.Unlock()
		return
	}
	s := q.sub
	r.busy++
	s.users++
	r.mu.Unlock()
	defer r.done(s)
	a := s.actor.NewActor()
	defer a.Dismiss()
	a.ActWith(q.cred)

	r.mu.Lock()
	if q.state != ioQueued {
		r.mu.Unlock()
		return
	}
	q.state, q.actor, q.worked = ioRunning, a, true
	r.mu.Unlock()
	var next *ioRequest
	if q.blocks {
		n, err := q.op.issue(a, q)
		r.mu.Lock()
		q.actor = nil
		r.mu.Unlock()
		next = r.end(q, ioResult(n, err), q.cflags)
	} else {
		r.mu.Lock()
		q.actor = nil
		r.mu.Unlock()
		next = r.try(a, q)
	}
	a.Resume()
	r.follow(a, next)
}

// begin starts a chain from where no task can run it.
func (r *ioRing) begin(q *ioRequest) {
	if q != nil {
		r.enqueue(q)
	}
}

// undeferLocked begins what waited for others to end, as far as they have (IOSQE_IO_DRAIN).
func (r *ioRing) undeferLocked() {
	for len(r.deferred) > 0 {
		q := r.deferred[0]
		if q.drain && r.active > 0 {
			return
		}
		r.deferred[0] = nil
		r.deferred = r.deferred[1:]
		for x := q; x != nil; x = x.link {
			r.active++
		}
		q.state = ioFresh
		r.enqueue(q)
	}
}

// dropDeferredLocked takes q from the requests that wait for a drain, to be ended.
func (r *ioRing) dropDeferredLocked(q *ioRequest) {
	for i, x := range r.deferred {
		if x == q {
			r.deferred = append(r.deferred[:i:i], r.deferred[i+1:]...)
			break
		}
	}
	for x := q; x != nil; x = x.link {
		r.active++
	}
	q.state = ioRunning
	if q.res == 0 {
		q.res = -int32(errno.ECANCELED)
	}
}
