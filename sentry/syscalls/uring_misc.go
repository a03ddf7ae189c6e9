package syscalls

import (
	"math"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/futex"
	"ringfence/sentry/kernel"
	"ringfence/sentry/uring"
)

func prepEpollCtl(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(uint64(s.BufIndex), uint64(s.SpliceFD)); err != nil {
		return err
	}
	if s.Len == linux.EPOLL_CTL_DEL {
		return nil
	}
	return t.CopyInStruct(addr.Addr(s.Addr), &q.event)
}

func issueEpollCtl(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	return 0, epollCtl(t, s.FD, int32(s.Len), int32(s.Off), q.event)
}

func prepFilesUpdate(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if s.Flags&(linux.IOSQE_FIXED_FILE|linux.IOSQE_BUFFER_SELECT) != 0 || s.OpFlags != 0 || s.SpliceFD != 0 || s.Len == 0 {
		return errno.EINVAL
	}
	return nil
}

func issueFilesUpdate(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	a := addr.Addr(s.Addr)
	if uint32(s.Off) != linux.IORING_FILE_INDEX_ALLOC {
		return q.ring.updateFiles(t, uint32(s.Off), a, 0, s.Len)
	}
	// Each file gets any place, whose number takes the place of its descriptor.
	if !q.ring.hasFiles() {
		return 0, errno.ENXIO
	}
	done := int64(0)
	for ; done < int64(s.Len); done++ {
		err := func() error {
			at := a + addr.Addr(4*done)
			fd, err := t.CopyInUint32(at)
			if err != nil {
				return err
			}
			f, err := registrable(t, int32(fd))
			if err != nil {
				return err
			}
			place, err := q.ring.putFile(f, linux.IORING_FILE_INDEX_ALLOC)
			if err != nil {
				return err
			}
			if err := t.CopyOutUint32(at, uint32(place)); err != nil {
				q.ring.closePlace(uint32(place))
				return err
			}
			return nil
		}()
		if err != nil && done == 0 {
			return 0, err
		} else if err != nil {
			break
		}
	}
	return done, nil
}

func prepFixedFDInstall(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(s.Off, s.Addr, uint64(s.Len), uint64(s.BufIndex), uint64(s.SpliceFD), s.Addr3); err != nil {
		return err
	}
	switch {
	case s.Flags&linux.IOSQE_FIXED_FILE == 0:
		return errno.EBADF
	case s.OpFlags&^linux.IORING_FIXED_FD_NO_CLOEXEC != 0:
		return errno.EINVAL
	case q.asOne:
		return errno.EPERM // the descriptor is the task's
	}
	return nil
}

func issueFixedFDInstall(t *kernel.Task, q *ioRequest) (int64, error) {
	flags := uint32(linux.O_CLOEXEC)
	if q.sqe.OpFlags&linux.IORING_FIXED_FD_NO_CLOEXEC != 0 {
		flags = 0
	}
	fd, err := t.InstallFile(q.file, flags)
	return int64(fd), err
}

func prepMsgRing(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(uint64(s.BufIndex), uint64(s.Personality)); err != nil {
		return err
	}
	if s.OpFlags&^(linux.IORING_MSG_RING_CQE_SKIP|linux.IORING_MSG_RING_FLAGS_PASS) != 0 {
		return errno.EINVAL
	}
	return nil
}

func issueMsgRing(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	to := ioRingOf(q.file)
	if to == nil {
		return 0, errno.EBADFD
	}
	switch s.Addr {
	case linux.IORING_MSG_DATA:
		pass := s.OpFlags&linux.IORING_MSG_RING_FLAGS_PASS != 0
		if s.Addr3 != 0 || s.OpFlags&linux.IORING_MSG_RING_CQE_SKIP != 0 || !pass && s.SpliceFD != 0 {
			return 0, errno.EINVAL
		}
		flags := uint32(0)
		if pass {
			flags = uint32(s.SpliceFD)
		}
		return 0, to.message(s.Off, int32(s.Len), flags)
	case linux.IORING_MSG_SEND_FD:
		if s.Len != 0 || to == q.ring {
			return 0, errno.EINVAL
		}
		f, err := q.ring.fileAt(t, int32(s.Addr3), true)
		if err != nil {
			return 0, err
		}
		n, err := to.putFile(f, uint32(s.SpliceFD))
		if err != nil || s.OpFlags&linux.IORING_MSG_RING_CQE_SKIP != 0 {
			return n, err
		}
		// The file is sent, even if nobody is told.
		return n, to.message(s.Off, int32(n), 0)
	}
	return 0, errno.EINVAL
}

// message posts a completion that another ring sends.
func (r *ioRing) message(data uint64, res int32, flags uint32) error {
	r.mu.Lock()
	switch {
	case r.disabled || r.ring == nil:
		r.mu.Unlock()
		return errno.EBADFD
	case r.ring.Full():
		r.mu.Unlock()
		return errno.EOVERFLOW
	}
	r.ring.Post(&uring.Completion{IOUringCQE: linux.IOUringCQE{UserData: data, Res: res, Flags: flags}})
	r.signalLocked(true)
	r.mu.Unlock()
	r.events.Notify(wait.In | wait.RdNorm)
	return nil
}

func prepWaitid(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	return reserved(s.Addr, uint64(s.BufIndex), s.Addr3, uint64(s.OpFlags))
}

func issueWaitid(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	w, err := waitidArgs(t, int32(s.Len), s.FD, uint32(s.SpliceFD))
	if err != nil {
		return 0, err
	}
	again := w.Options&linux.WNOHANG == 0
	w.Options |= linux.WNOHANG
	res, err := t.Wait(&w)
	if err != nil {
		return 0, err
	}
	if res.PID == 0 && again {
		return 0, errno.EAGAIN
	}
	return 0, copyOutWaitid(t, &res, addr.Addr(s.Off))
}

// ioFutex is a futex that a request waits for.
type ioFutex struct {
	word   futex.Word
	val    uint32
	mask   uint32
	waiter futex.Waiter
	queued bool
}

func prepFutexWait(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(uint64(s.Len), uint64(s.OpFlags), uint64(s.BufIndex), uint64(s.SpliceFD)); err != nil {
		return err
	}
	w, err := futex2Word(t, addr.Addr(s.Addr), uint32(s.FD))
	if err != nil {
		return err
	}
	if s.Opcode == linux.IORING_OP_FUTEX_WAIT && s.Off > math.MaxUint32 || s.Addr3 > math.MaxUint32 {
		return errno.EINVAL
	}
	q.futexes = []ioFutex{{word: w, val: uint32(s.Off), mask: uint32(s.Addr3)}}
	return nil
}

func prepFutexWaitv(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(uint64(s.FD), uint64(s.BufIndex), uint64(s.SpliceFD), s.Off, uint64(s.OpFlags), s.Addr3); err != nil {
		return err
	}
	if s.Len == 0 || s.Len > linux.FUTEX_WAITV_MAX {
		return errno.EINVAL
	}
	words, vals, err := copyInWaitv(t, addr.Addr(s.Addr), s.Len)
	if err != nil {
		return err
	}
	q.futexes = make([]ioFutex, len(words))
	for i := range words {
		q.futexes[i] = ioFutex{word: words[i], val: vals[i], mask: linux.FUTEX_BITSET_MATCH_ANY}
	}
	return nil
}

func issueFutexWait(t *kernel.Task, q *ioRequest) (int64, error) {
	r := q.ring
	r.enlist(t, q, ioRunning)
	for i := range q.futexes {
		f := &q.futexes[i]
		f.waiter.Entry.Waiter = q
		if err := t.Kernel().Futexes.Wait(&f.waiter, f.word, f.val, f.mask); err != nil {
			if woken := q.leaveFutexes(); woken >= 0 {
				return int64(woken), nil
			}
			return 0, err
		}
		f.queued = true
	}
	r.begin(r.lookFutex(t, q))
	return 0, errIOWait
}

func wokenFutex(r *ioRing, t *kernel.Task, q *ioRequest) *ioRequest { return r.lookFutex(t, q) }

func (r *ioRing) lookFutex(t *kernel.Task, q *ioRequest) (next *ioRequest) {
	for i := range q.futexes {
		if q.futexes[i].waiter.Woken() {
			woken := max(q.leaveFutexes(), i)
			return r.end(q, int32(woken), 0)
		}
	}
	next, _ = r.rest(t, q)
	return next
}

// leaveFutexes takes q out of the queues of futexes and returns the last that woke it, or -1.
func (q *ioRequest) leaveFutexes() (woken int) {
	woken = -1
	for i := range q.futexes {
		if f := &q.futexes[i]; f.queued {
			f.queued = false
			if !q.ring.k.Futexes.Cancel(&f.waiter) {
				woken = i
			}
		}
	}
	return woken
}

func issueFutexWake(t *kernel.Task, q *ioRequest) (int64, error) {
	f := &q.futexes[0]
	n, err := t.Kernel().Futexes.Wake(f.word, int(min(q.sqe.Off, math.MaxInt32)), f.mask)
	return int64(n), err
}
