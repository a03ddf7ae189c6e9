package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
)

// ioPollArgs is what POLL_ADD waits for.
type ioPollArgs struct {
	events wait.Mask
	multi  bool
	level  bool
}

// ioPollMask reads the events of a poll. EPOLLONESHOT and EPOLLET are implied.
func ioPollMask(q *ioRequest) wait.Mask {
	return wait.Mask(q.sqe.OpFlags)&wait.All&^linux.POLLNVAL | ioAlways
}

func prepPollAdd(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if s.BufIndex != 0 || s.Off != 0 || s.Addr != 0 || s.Len&^(linux.IORING_POLL_ADD_MULTI|linux.IORING_POLL_ADD_LEVEL) != 0 {
		return errno.EINVAL
	}
	multi := s.Len&linux.IORING_POLL_ADD_MULTI != 0
	if multi && q.skip {
		return errno.EINVAL
	}
	q.poll = ioPollArgs{events: ioPollMask(q), multi: multi, level: s.Len&linux.IORING_POLL_ADD_LEVEL != 0}
	return nil
}

func issuePollAdd(t *kernel.Task, q *ioRequest) (int64, error) {
	r := q.ring
	// What q does not wait for must not wake it: it would tell of the same event twice.
	if !r.stand(t, q, q.poll.events) {
		return int64(q.file.ReadinessTo(t) & q.poll.events), nil // always ready
	}
	r.begin(r.lookPoll(t, q))
	return 0, errIOWait
}

func wokenPoll(r *ioRing, t *kernel.Task, q *ioRequest) *ioRequest { return r.lookPoll(t, q) }

// lookPoll tells what q's file is ready for, and lets q wait if that is nothing or q wants to know of it again.
func (r *ioRing) lookPoll(t *kernel.Task, q *ioRequest) (next *ioRequest) {
	ready := q.file.ReadinessTo(t) & q.poll.events
	if ready != 0 && !(q.poll.multi && r.more(q, int32(ready), 0)) {
		return r.end(q, int32(ready), 0)
	}
	next, waits := r.rest(t, q)
	if waits && ready != 0 && q.poll.level {
		r.enqueue(q)
	}
	return next
}

func prepPollRemove(_ *kernel.Task, q *ioRequest) error {
	const known = linux.IORING_POLL_UPDATE_EVENTS | linux.IORING_POLL_UPDATE_USER_DATA | linux.IORING_POLL_ADD_MULTI
	s := &q.sqe
	flags := s.Len
	events := flags&linux.IORING_POLL_UPDATE_EVENTS != 0
	switch {
	case s.BufIndex != 0, s.SpliceFD != 0, flags&^known != 0, flags == linux.IORING_POLL_ADD_MULTI,
		flags&linux.IORING_POLL_UPDATE_USER_DATA == 0 && s.Off != 0, !events && s.OpFlags != 0:
		return errno.EINVAL
	}
	q.poll = ioPollArgs{events: ioPollMask(q), multi: flags&linux.IORING_POLL_ADD_MULTI != 0}
	return nil
}

func issuePollRemove(t *kernel.Task, q *ioRequest) (int64, error) {
	r, s := q.ring, &q.sqe
	r.mu.Lock()
	var found *ioRequest
	for x := r.first; x != nil; x = x.next {
		if x.op.code == linux.IORING_OP_POLL_ADD && x.sqe.UserData == s.Addr {
			found = x
			break
		}
	}
	if found == nil {
		r.mu.Unlock()
		return 0, errno.ENOENT
	}
	update := s.Len&(linux.IORING_POLL_UPDATE_EVENTS|linux.IORING_POLL_UPDATE_USER_DATA) != 0
	if !r.claimLocked(found) {
		defer r.mu.Unlock()
		if update || found.state != ioRunning {
			return 0, errno.EALREADY
		}
		found.canceled = true // the runner has it for a moment, and then ends it
		return 0, nil
	}
	if !update {
		r.mu.Unlock()
		r.begin(r.end(found, -int32(errno.ECANCELED), 0))
		return 0, nil
	}
	if s.Len&linux.IORING_POLL_UPDATE_USER_DATA != 0 {
		found.sqe.UserData = s.Off
	}
	if s.Len&linux.IORING_POLL_UPDATE_EVENTS != 0 {
		found.queue.Unregister(&found.entry)
		found.poll.events, found.poll.multi = q.poll.events, q.poll.multi
		found.entry.Mask = found.poll.events
		found.queue.Register(&found.entry)
	}
	found.state = ioArmed
	r.mu.Unlock()
	r.enqueue(found) // it may be ready for what it waits for now
	return 0, nil
}
