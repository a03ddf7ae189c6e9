package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
)

// ioChain is the chain of linked requests that a submission is putting together.
type ioChain struct {
	head, last *ioRequest
}

const (
	ioLinkFlags  = linux.IOSQE_IO_LINK | linux.IOSQE_IO_HARDLINK
	ioKnownFlags = linux.IOSQE_FIXED_FILE | linux.IOSQE_IO_DRAIN | ioLinkFlags | linux.IOSQE_ASYNC | linux.IOSQE_BUFFER_SELECT |
		linux.IOSQE_CQE_SKIP_SUCCESS
)

// maxIORequests bounds the requests of a ring that have not ended.
const maxIORequests = 1 << 17

// submit takes at most n submissions from the ring and begins them; it returns how many it took. One that is wrong in itself is
// taken, completes with its error and is the last, unless IORING_SETUP_SUBMIT_ALL is set. EAGAIN if too many are under way.
// Preconditions: submitMu is held.
func (r *ioRing) submit(t *kernel.Task, n uint32) (uint32, error) {
	r.mu.Lock()
	room := maxIORequests - min(maxIORequests, r.active+len(r.deferred))
	r.mu.Unlock()
	n = min(n, r.ring.Submitted())
	if n > uint32(room) {
		return 0, errno.EAGAIN
	}
	taken := uint32(0)
	for taken < n {
		q := &ioRequest{ring: r}
		if !r.ring.Take(&q.sqe) {
			break
		}
		taken++
		if err := r.submitOne(t, q); err != nil && r.flags&linux.IORING_SETUP_SUBMIT_ALL == 0 {
			break
		}
	}
	if q := r.chain.head; q != nil { // it ends with the submission
		r.chain = ioChain{}
		q.force = true
		r.start(t, q)
	}
	r.ring.Commit()
	return taken, nil
}

// submitOne makes a request of q.sqe and begins it, or the chain that it ends. The error is what its completion says.
func (r *ioRing) submitOne(t *kernel.Task, q *ioRequest) error {
	err := r.prepare(t, q)
	c := &r.chain
	if err != nil {
		// The chain is put together to its end, and fails from its head on.
		q.res = ioResult(0, err)
		q.hard = false
		if c.head != nil && c.head.res == 0 {
			c.head.res = -int32(errno.ECANCELED)
			c.head.hard = false
		}
	}
	linked := q.sqe.Flags&ioLinkFlags != 0
	switch {
	case c.head == nil && !linked:
		r.start(t, q)
		return err
	case c.head == nil:
		*c = ioChain{q, q}
		return nil
	}
	c.last.link = q
	c.last = q
	if linked {
		return nil
	}
	q = c.head
	*c = ioChain{}
	r.start(t, q)
	return err
}

// prepare checks what all requests have in common and has the operation check and copy the rest.
func (r *ioRing) prepare(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	q.op = &ioOps[linux.IORING_OP_NOP]
	if s.Opcode >= linux.IORING_OP_LAST {
		return errno.EINVAL
	}
	q.op = &ioOps[s.Opcode]
	if s.Flags&^ioKnownFlags != 0 {
		return errno.EINVAL
	}
	q.hard = s.Flags&linux.IOSQE_IO_HARDLINK != 0
	q.skip = s.Flags&linux.IOSQE_CQE_SKIP_SUCCESS != 0
	q.force = s.Flags&linux.IOSQE_ASYNC != 0
	q.blocks = q.op.blocks
	if s.Flags&linux.IOSQE_BUFFER_SELECT != 0 && !q.op.selects {
		return errno.EOPNOTSUPP
	}
	if q.skip && !r.noDrain {
		r.mu.Lock()
		r.noDrain = true
		r.mu.Unlock()
	}
	if s.Flags&linux.IOSQE_IO_DRAIN != 0 {
		if r.noDrain {
			return errno.EOPNOTSUPP
		}
		q.drain = true
		if h := r.chain.head; h != nil { // all of the chain waits, and the next one for it
			h.drain = true
			r.drainNext = true
		}
	}
	if r.limits != nil && !r.limits.allows(s) {
		return errno.EACCES
	}
	if r.drainNext && r.chain.head == nil {
		r.drainNext = false
		q.drain = true
	}
	if s.IOPrio != 0 && !q.op.ioprio {
		return errno.EINVAL
	}
	if r.flags&linux.IORING_SETUP_IOPOLL != 0 && !q.op.iopoll {
		return errno.EINVAL
	}
	if s.Personality != 0 {
		c := r.personality(s.Personality)
		if c == nil {
			return errno.EINVAL
		}
		q.cred, q.asOne = c, true
	}
	return q.op.prep(t, q)
}

// start begins a chain, or lets it wait for others to end.
func (r *ioRing) start(t *kernel.Task, q *ioRequest) {
	r.mu.Lock()
	if len(r.deferred) > 0 || q.drain && r.active > 0 {
		r.mu.Unlock()
		r.enlist(t, q, ioDeferred)
		r.mu.Lock()
		r.deferred = append(r.deferred, q)
		r.undeferLocked() // the others may have ended meanwhile
		r.mu.Unlock()
		return
	}
	for x := q; x != nil; x = x.link {
		r.active++
	}
	r.mu.Unlock()
	r.run(t, q)
}
