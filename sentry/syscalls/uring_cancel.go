package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

// ioMatch says which requests to cancel.
type ioMatch struct {
	all  bool // not only the first
	any  bool // whatever they are
	data uint64
	file *vfs.File  // on this file, if not nil
	op   int        // of this opcode, if not negative
	free bool       // whatever their user data
	not  *ioRequest // never this one
	// leaves is a submitter that ends, if not nil: only what it submitted is meant.
	leaves *kernel.Task
	exec   bool // it becomes another program

	found uint8 // the opcode of the last that matched
}

const ioCancelFlags = linux.IORING_ASYNC_CANCEL_ALL | linux.IORING_ASYNC_CANCEL_FD | linux.IORING_ASYNC_CANCEL_ANY |
	linux.IORING_ASYNC_CANCEL_FD_FIXED | linux.IORING_ASYNC_CANCEL_USERDATA | linux.IORING_ASYNC_CANCEL_OP

// newMatch makes an ioMatch of what IORING_OP_ASYNC_CANCEL is told. The caller drops its file.
func (r *ioRing) newMatch(t *kernel.Task, data uint64, fd int32, flags uint32, op uint8) (*ioMatch, error) {
	m := &ioMatch{
		all: flags&(linux.IORING_ASYNC_CANCEL_ALL|linux.IORING_ASYNC_CANCEL_ANY) != 0,
		any: flags&linux.IORING_ASYNC_CANCEL_ANY != 0, data: data, op: -1,
		// Another criterion takes the place of the user data, unless both are asked for.
		free: flags&(linux.IORING_ASYNC_CANCEL_FD|linux.IORING_ASYNC_CANCEL_OP) != 0 && flags&linux.IORING_ASYNC_CANCEL_USERDATA == 0,
	}
	if flags&linux.IORING_ASYNC_CANCEL_OP != 0 {
		m.op = int(op)
	}
	if flags&linux.IORING_ASYNC_CANCEL_FD != 0 {
		f, err := r.fileAt(t, fd, flags&linux.IORING_ASYNC_CANCEL_FD_FIXED != 0)
		if err != nil {
			return nil, err
		}
		m.file = f
	}
	return m, nil
}

func (m *ioMatch) drop() {
	if m.file != nil {
		m.file.DecRef()
	}
}

func (m *ioMatch) matches(q *ioRequest) bool {
	switch {
	case q == m.not || q.op.code == linux.IORING_OP_LINK_TIMEOUT:
		return false
	case m.leaves != nil && q.sub.task != m.leaves:
		return false
	case m.any:
		return true
	case m.file != nil && q.file != m.file:
		return false
	case m.op >= 0 && int(q.op.code) != m.op:
		return false
	}
	return m.free || q.sqe.UserData == m.data
}

// cancelMatching cancels what m says and returns how many it found, and how it went with the last: nil, ENOENT, or EALREADY for
// one that can no longer be stopped, though what it waits for is interrupted.
func (r *ioRing) cancelMatching(m *ioMatch) (found int, err error) {
	r.mu.Lock()
	r.busy++
	var ended []*ioRequest
	err = errno.ENOENT
	for q := r.first; q != nil; {
		next := q.next
		if m.matches(q) && !(m.leaves != nil && !m.exec && r.orphanLocked(q)) {
			found++
			m.found = q.op.code
			q.lost = q.lost || m.leaves != nil && !m.exec && (q.file == nil || ioRingOf(q.file) == nil)
			switch err = r.cancelLocked(q); {
			case err == nil:
				ended = append(ended, q)
			case q.repeats():
				err = nil // it is being looked at for a moment, and ends then
			}
			if !m.all {
				break
			}
		}
		q = next
	}
	r.mu.Unlock()
	for _, q := range ended {
		r.begin(r.end(q, -int32(errno.ECANCELED), q.cflags))
	}
	r.done(nil)
	return found, err
}

// orphanLocked lets a timeout outlive the task that it belongs to: it needs nobody.
func (r *ioRing) orphanLocked(q *ioRequest) bool {
	if q.op.code != linux.IORING_OP_TIMEOUT || q.state != ioArmed || q.link != nil {
		return false
	}
	r.leaveLocked(q.sub)
	q.sub = &r.orphans
	q.sub.users++
	return true
}

// repeats reports whether q is done over and over, or only looked at: when it is canceled it ends after that.
func (q *ioRequest) repeats() bool {
	switch q.op.code {
	case linux.IORING_OP_POLL_ADD, linux.IORING_OP_READ_MULTISHOT:
		return true
	case linux.IORING_OP_ACCEPT:
		return q.sqe.IOPrio&linux.IORING_ACCEPT_MULTISHOT != 0
	case linux.IORING_OP_RECV, linux.IORING_OP_RECVMSG:
		return q.sqe.IOPrio&linux.IORING_RECV_MULTISHOT != 0
	}
	return false
}

// cancelLocked stops q: if the result is nil the caller, who then owns q, ends it.
func (r *ioRing) cancelLocked(q *ioRequest) error {
	switch q.state {
	case ioDeferred:
		r.dropDeferredLocked(q)
	case ioQueued, ioArmed, ioFresh:
		q.state = ioRunning
		if q.timeout != nil {
			r.k.Timers.Stop(&q.timeout.timer)
		}
	default:
		q.canceled = true
		if q.actor != nil {
			q.actor.Interrupt()
		}
		return errno.EALREADY
	}
	return nil
}

func prepAsyncCancel(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	f := s.OpFlags
	if s.Flags&linux.IOSQE_BUFFER_SELECT != 0 || s.Off != 0 || s.SpliceFD != 0 || f&^ioCancelFlags != 0 {
		return errno.EINVAL
	}
	if f&linux.IORING_ASYNC_CANCEL_ANY != 0 && f&(linux.IORING_ASYNC_CANCEL_FD|linux.IORING_ASYNC_CANCEL_OP) != 0 {
		return errno.EINVAL
	}
	return nil
}

func issueAsyncCancel(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	flags := s.OpFlags
	if s.Flags&linux.IOSQE_FIXED_FILE != 0 {
		flags |= linux.IORING_ASYNC_CANCEL_FD_FIXED
	}
	m, err := q.ring.newMatch(t, s.Addr, s.FD, flags, uint8(s.Len))
	if err != nil {
		return 0, err
	}
	defer m.drop()
	m.not = q
	n, err := q.ring.cancelMatching(m)
	if m.all {
		return int64(n), nil
	}
	switch m.found {
	case linux.IORING_OP_WAITID, linux.IORING_OP_FUTEX_WAIT, linux.IORING_OP_FUTEX_WAITV:
		// Of these Linux tells how many it canceled.
		if err == nil {
			return 1, nil
		}
	}
	return 0, err
}

// syncCancel is IORING_REGISTER_SYNC_CANCEL: it also waits until what it canceled has ended.
func (r *ioRing) syncCancel(t *kernel.Task, at addr.Addr) error {
	var c linux.IOUringSyncCancelReg
	if err := t.CopyInStruct(at, &c); err != nil {
		return err
	}
	if c.Flags&^ioCancelFlags != 0 || c.Pad != [7]uint8{} || c.Pad2 != [3]uint64{} {
		return errno.EINVAL
	}
	deadline := kernel.Forever
	if c.Timeout.Sec != -1 || c.Timeout.Nsec != -1 {
		if !c.Timeout.Valid() {
			return errno.EINVAL
		}
		deadline = t.Kernel().DeadlineAfter(c.Timeout.Nanoseconds())
	}
	m, err := r.newMatch(t, c.Addr, c.FD, c.Flags, c.Opcode)
	if err != nil {
		return err
	}
	defer m.drop()
	e := wait.Entry{Waiter: t, Mask: wait.In}
	r.events.Register(&e)
	defer r.events.Unregister(&e)
	found := false
	for {
		n, err := r.cancelMatching(m)
		switch {
		case n == 0 && found:
			return nil
		case n == 0:
			return errno.ENOENT
		case err == nil && !m.all:
			return nil
		}
		found = true
		switch err := t.BlockUntil(deadline); err {
		case nil:
		case errno.ETIMEDOUT:
			return errno.ETIME
		default:
			return errno.EINTR
		}
	}
}
