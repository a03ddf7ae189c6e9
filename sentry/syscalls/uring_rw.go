package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/uring"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

const ioRWFlags = linux.RWF_HIPRI | linux.RWF_DSYNC | linux.RWF_SYNC | linux.RWF_NOWAIT | linux.RWF_APPEND | linux.RWF_NOAPPEND

func prepRW(t *kernel.Task, q *ioRequest) error {
	q.nowait = q.sqe.OpFlags&linux.RWF_NOWAIT != 0
	if q.sqe.IOPrio != 0 {
		return checkIOPrio(t, int16(q.sqe.IOPrio))
	}
	return nil
}

func prepRead(t *kernel.Task, q *ioRequest) (err error) {
	if err := prepRW(t, q); err != nil {
		return err
	}
	if q.sqe.Flags&linux.IOSQE_BUFFER_SELECT == 0 {
		q.seq, err = t.Range(addr.Addr(q.sqe.Addr), uint64(min(q.sqe.Len, linux.MAX_RW_COUNT)))
	}
	return err
}

func prepWrite(t *kernel.Task, q *ioRequest) error { return prepRead(t, q) }

func prepReadv(t *kernel.Task, q *ioRequest) (err error) {
	if err := prepRW(t, q); err != nil {
		return err
	}
	if q.sqe.Flags&linux.IOSQE_BUFFER_SELECT != 0 {
		// The vector says only how much the buffer should take.
		if q.sqe.Len != 1 {
			return errno.EINVAL
		}
		n, err := t.CopyInUint64(addr.Addr(q.sqe.Addr) + 8)
		if err != nil {
			return err
		}
		if int64(n) < 0 {
			return errno.EINVAL
		}
		q.sqe.Len = uint32(min(n, linux.MAX_RW_COUNT))
		return nil
	}
	q.seq, err = t.CopyInIovecs(addr.Addr(q.sqe.Addr), uint64(q.sqe.Len))
	return err
}

func prepWritev(t *kernel.Task, q *ioRequest) error { return prepReadv(t, q) }

// prepFixed leaves the buffer to be looked up when it is used.
func prepFixed(t *kernel.Task, q *ioRequest) error { return prepRW(t, q) }

// checkRW checks what reads and writes have in common when they begin.
func checkRW(t *kernel.Task, q *ioRequest, mode error) error {
	s := &q.sqe
	switch {
	case mode != nil:
		return errno.EBADF
	case s.OpFlags&^ioRWFlags != 0:
		return errno.EOPNOTSUPP
	case s.OpFlags&linux.RWF_APPEND != 0 && s.OpFlags&linux.RWF_NOAPPEND != 0:
		return errno.EINVAL
	case q.ring.flags&linux.IORING_SETUP_IOPOLL != 0:
		return errno.EOPNOTSUPP // no file polls for completions
	case int64(s.Off) < currentPosition && q.file.Mode&vfs.FModeSeek != 0:
		return errno.EINVAL
	}
	if s.Opcode == linux.IORING_OP_READ_FIXED || s.Opcode == linux.IORING_OP_WRITE_FIXED {
		var err error
		q.seq, err = q.ring.fixedRange(t, s.BufIndex, addr.Addr(s.Addr), uint64(s.Len))
		return err
	}
	return nil
}

// transferOf is what q moves.
func transferOf(q *ioRequest, seq *usermem.Sequence, write bool) transfer {
	x := transfer{write: write, seq: seq, offset: int64(q.sqe.Off), flags: q.sqe.OpFlags}
	if q.file.Mode&vfs.FModeSeek == 0 {
		x.offset = currentPosition
	}
	return x
}

func issueRead(t *kernel.Task, q *ioRequest) (int64, error) {
	if err := checkRW(t, q, q.file.Readable()); err != nil {
		return 0, err
	}
	if q.sqe.Flags&linux.IOSQE_BUFFER_SELECT != 0 {
		return q.intoBuffer(t, q.sqe.Len, func(seq *usermem.Sequence) (int64, error) {
			want := seq.Len()
			x := transferOf(q, seq, false)
			n, err := x.run(t, q.file)
			q.failed = uint64(n) != want
			return int64(n), err
		}, true)
	}
	want := q.seq.Len()
	x := transferOf(q, &q.seq, false)
	n, err := x.run(t, q.file)
	q.failed = uint64(n) != want
	return int64(n), err
}

func issueWrite(t *kernel.Task, q *ioRequest) (int64, error) {
	if err := checkRW(t, q, q.file.Writable()); err != nil {
		return 0, err
	}
	want := q.seq.Len()
	x := transferOf(q, &q.seq, true)
	n, err := x.run(t, q.file)
	q.failed = uint64(n) != want
	if err != nil && !q.worked {
		raiseSigpipe(t, q.file, err)
		raiseFileLimit(t, err)
	}
	return int64(n), err
}

// intoBuffer lets fill store at most limit bytes, or as many as there is room for if limit is 0, in a buffer of the group that q
// names: ENOBUFS if there is none. The buffer is used up, and named in q.cflags, if fill has stored something, or with emptyToo
// nothing.
func (q *ioRequest) intoBuffer(t *kernel.Task, limit uint32, fill func(seq *usermem.Sequence) (int64, error), emptyToo bool) (int64, error) {
	return q.inBuffer(t, limit, func(_ uring.Buffer, seq *usermem.Sequence) (int64, error) { return fill(seq) }, emptyToo)
}

// inBuffer is intoBuffer for who wants to know the buffer.
func (q *ioRequest) inBuffer(t *kernel.Task, limit uint32, fill func(b uring.Buffer, seq *usermem.Sequence) (int64, error), emptyToo bool) (int64, error) {
	r := q.ring
	r.bufferMu.Lock()
	defer r.bufferMu.Unlock()
	g := r.groups[q.sqe.BufIndex]
	if g == nil {
		return 0, errno.ENOBUFS
	}
	b, ok := g.First(t.MM())
	if !ok {
		return 0, errno.ENOBUFS
	}
	n := min(b.Len, linux.MAX_RW_COUNT)
	if limit != 0 {
		n = min(n, limit)
	}
	seq, err := t.Range(b.Addr, uint64(n))
	if err != nil {
		return 0, err
	}
	got, err := fill(b, &seq)
	q.cflags = 0
	if err == nil && (got > 0 || emptyToo) {
		q.cflags = uint32(b.ID)<<linux.IORING_CQE_BUFFER_SHIFT | linux.IORING_CQE_F_BUFFER
		if g.Take(b, uint32(got)) {
			q.cflags |= linux.IORING_CQE_F_BUF_MORE
		}
	}
	return got, err
}

func prepReadMultishot(t *kernel.Task, q *ioRequest) error {
	if q.sqe.Flags&linux.IOSQE_BUFFER_SELECT == 0 || q.sqe.Addr != 0 || q.sqe.Len != 0 {
		return errno.EINVAL
	}
	return prepRW(t, q)
}

func issueReadMultishot(t *kernel.Task, q *ioRequest) (int64, error) {
	if q.file.QueueOf(t) == nil {
		return 0, errno.EBADFD
	}
	return q.multishot(t, func() (int64, error) {
		n, err := issueRead(t, q)
		q.failed = err != nil
		return n, err
	})
}

// multishot lets one post completions until there is nothing to have for now, or nothing at all.
func (q *ioRequest) multishot(t *kernel.Task, one func() (int64, error)) (int64, error) {
	for q.shots = 0; q.shots < maxShots; q.shots++ {
		q.cflags = 0
		n, err := one()
		if err != nil || n <= 0 && q.op.selects {
			return n, err
		}
		if !q.ring.more(q, int32(n), q.cflags) {
			return n, nil // the last one
		}
	}
	return 0, errIOMore
}

func prepProvideBuffers(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if s.OpFlags != 0 || s.SpliceFD != 0 {
		return errno.EINVAL
	}
	n := uint64(uint32(s.FD))
	if s.FD <= 0 || n > linux.IORING_MAX_BIDS_LEGACY {
		return errno.E2BIG
	}
	if s.Len == 0 {
		return errno.EINVAL
	}
	size := n * uint64(s.Len)
	r, ok := addr.Addr(s.Addr).Range(size)
	if !ok {
		return errno.EOVERFLOW
	}
	if r.End > 1<<47-addr.PageSize {
		return errno.EFAULT
	}
	if s.Off > 1<<16-1 {
		return errno.E2BIG
	}
	if s.Off+n > linux.IORING_MAX_BIDS_LEGACY {
		return errno.EINVAL
	}
	return nil
}

func issueProvideBuffers(_ *kernel.Task, q *ioRequest) (int64, error) {
	r, s := q.ring, &q.sqe
	r.bufferMu.Lock()
	defer r.bufferMu.Unlock()
	g := r.groups[s.BufIndex]
	if g == nil {
		g = new(uring.Buffers)
		r.putGroupLocked(s.BufIndex, g)
	}
	if g.IsRing() {
		return 0, errno.EINVAL
	}
	if g.Len()+int(s.FD) > linux.IORING_MAX_BIDS_LEGACY {
		return 0, errno.EOVERFLOW
	}
	g.Provide(addr.Addr(s.Addr), s.Len, uint32(s.FD), uint16(s.Off))
	return 0, nil
}

func (r *ioRing) putGroupLocked(id uint16, g *uring.Buffers) {
	if r.groups == nil {
		r.groups = make(map[uint16]*uring.Buffers)
	}
	r.groups[id] = g
}

func prepRemoveBuffers(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if s.FD <= 0 || uint32(s.FD) > linux.IORING_MAX_BIDS_LEGACY {
		return errno.EINVAL
	}
	return reserved(uint64(s.OpFlags), s.Addr, uint64(s.Len), s.Off, uint64(s.SpliceFD))
}

func issueRemoveBuffers(_ *kernel.Task, q *ioRequest) (int64, error) {
	r := q.ring
	r.bufferMu.Lock()
	defer r.bufferMu.Unlock()
	g := r.groups[q.sqe.BufIndex]
	switch {
	case g == nil:
		return 0, errno.ENOENT
	case g.IsRing():
		return 0, errno.EINVAL
	}
	return int64(g.Remove(int(q.sqe.FD))), nil
}
