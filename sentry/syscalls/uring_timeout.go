package syscalls

import (
	"slices"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/ktime"
)

// ioTimeout is what TIMEOUT and LINK_TIMEOUT wait for.
type ioTimeout struct {
	timer ktime.Timer
	seq   uint64 // of the setting that may expire; guarded by the ring's mu
	clock int32
	abs   bool
	value int64 // nanoseconds

	count   bool       // completions end it as well
	target  uint32     // how many the ring will have had then
	repeats uint32     // that are left; 0: no end
	multi   bool       // IORING_TIMEOUT_MULTISHOT
	head    *ioRequest // of LINK_TIMEOUT: what it ends
}

// set starts the timer. Preconditions: the ring's mu is held.
func (o *ioTimeout) set(k *kernel.Kernel) {
	if o.abs {
		o.seq = k.Timers.Set(&o.timer, o.clock, o.value, 0)
		return
	}
	clock := o.clock
	if clock == linux.CLOCK_REALTIME {
		clock = linux.CLOCK_MONOTONIC // a time to wait does not change when the clock is set
	}
	o.seq = k.Timers.SetAfter(&o.timer, clock, o.value, 0)
}

// TimerExpired implements ktime.Listener.
func (q *ioRequest) TimerExpired(_ *ktime.Timer, seq uint64) {
	r := q.ring
	r.mu.Lock()
	stale := q.state != ioArmed || seq != q.timeout.seq
	r.mu.Unlock()
	if !stale {
		r.enqueue(q)
	}
}

// ioTimeoutClock returns the clock that flags choose; EINVAL if they choose two.
func ioTimeoutClock(flags uint32) (int32, error) {
	switch flags & linux.IORING_TIMEOUT_CLOCK_MASK {
	case 0:
		return linux.CLOCK_MONOTONIC, nil
	case linux.IORING_TIMEOUT_BOOTTIME:
		return linux.CLOCK_BOOTTIME, nil
	case linux.IORING_TIMEOUT_REALTIME:
		return linux.CLOCK_REALTIME, nil
	}
	return 0, errno.EINVAL
}

// copyInWait reads the time of a timeout.
func copyInWait(t *kernel.Task, at uint64) (int64, error) {
	var ts linux.Timespec
	if err := t.CopyInTimespec(addr.Addr(at), &ts); err != nil {
		return 0, errno.EFAULT
	}
	if ts.Sec < 0 || ts.Nsec < 0 {
		return 0, errno.EINVAL
	}
	return ts.Nanoseconds(), nil
}

func prepTimeout(t *kernel.Task, q *ioRequest) error     { return prepAnyTimeout(t, q, false) }
func prepLinkTimeout(t *kernel.Task, q *ioRequest) error { return prepAnyTimeout(t, q, true) }

func prepAnyTimeout(t *kernel.Task, q *ioRequest, link bool) error {
	const known = linux.IORING_TIMEOUT_ABS | linux.IORING_TIMEOUT_CLOCK_MASK | linux.IORING_TIMEOUT_ETIME_SUCCESS |
		linux.IORING_TIMEOUT_MULTISHOT
	s := &q.sqe
	flags, off := s.OpFlags, uint32(s.Off)
	if s.BufIndex != 0 || s.Len != 1 || s.SpliceFD != 0 || off != 0 && link || flags&^known != 0 {
		return errno.EINVAL
	}
	multi := flags&linux.IORING_TIMEOUT_MULTISHOT != 0
	if multi && flags&linux.IORING_TIMEOUT_ABS != 0 {
		return errno.EINVAL
	}
	clock, err := ioTimeoutClock(flags)
	if err != nil {
		return err
	}
	o := &ioTimeout{clock: clock, abs: flags&linux.IORING_TIMEOUT_ABS != 0, count: off != 0 && !multi, multi: multi}
	if multi {
		o.repeats = off
	}
	if o.value, err = copyInWait(t, s.Addr); err != nil {
		return err
	}
	o.timer.Listener = q
	q.timeout = o
	if link {
		last := q.ring.chain.last
		if last == nil || last.op.code == linux.IORING_OP_LINK_TIMEOUT {
			return errno.EINVAL
		}
	}
	return nil
}

func issueTimeout(t *kernel.Task, q *ioRequest) (int64, error) {
	r, o := q.ring, q.timeout
	r.enlist(t, q, ioRunning)
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.count {
		// Timeouts are no completions to wait for.
		o.target = r.ring.Tail() + uint32(len(r.ring.Overflowed())) - r.expired + uint32(q.sqe.Off)
	}
	q.state = ioArmed
	r.timeouts = append(r.timeouts, q)
	o.set(r.k)
	return 0, errIOWait
}

// issueLinkTimeout is reached only by one that follows nothing any more.
func issueLinkTimeout(*kernel.Task, *ioRequest) (int64, error) { return 0, errno.ECANCELED }

// wokenTimeout is the expiry of q.
func wokenTimeout(r *ioRing, t *kernel.Task, q *ioRequest) *ioRequest {
	o := q.timeout
	if r.unexpired(q) {
		return nil
	}
	if o.multi && o.repeats != 1 && r.more(q, -int32(errno.ETIME), 0) {
		r.mu.Lock()
		if o.repeats > 0 {
			o.repeats--
		}
		canceled := q.canceled
		if !canceled {
			q.state = ioArmed
			o.set(r.k)
		}
		r.mu.Unlock()
		if !canceled {
			return nil
		}
		return r.end(q, -int32(errno.ECANCELED), 0)
	}
	r.mu.Lock()
	r.expired++
	r.mu.Unlock()
	q.fine = q.sqe.OpFlags&linux.IORING_TIMEOUT_ETIME_SUCCESS != 0
	return r.end(q, -int32(errno.ETIME), 0)
}

// unexpired lets q wait on if it was set anew after it expired.
func (r *ioRing) unexpired(q *ioRequest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.k.Timers.Armed(&q.timeout.timer) && !q.canceled {
		q.state = ioArmed
		return true
	}
	return false
}

// wokenLinkTimeout cancels what q follows.
func wokenLinkTimeout(r *ioRing, t *kernel.Task, q *ioRequest) *ioRequest {
	if r.unexpired(q) {
		return nil
	}
	r.mu.Lock()
	h := q.timeout.head
	err := error(errno.ENOENT)
	over := h.state == ioDone
	if !over {
		err = r.cancelLocked(h)
	}
	r.mu.Unlock()
	if err == nil {
		r.begin(r.end(h, -int32(errno.ECANCELED), h.cflags))
	}
	res := -int32(errno.ETIME)
	if !over && err != nil {
		res = ioResult(0, err)
	}
	q.fine = true
	return r.end(q, res, 0)
}

// forgetTimeoutLocked takes q, which ends, from the timeouts.
func (r *ioRing) forgetTimeoutLocked(q *ioRequest) {
	if i := slices.Index(r.timeouts, q); i >= 0 {
		r.timeouts = slices.Delete(r.timeouts, i, i+1)
	}
}

// flushTimeoutsLocked ends the timeouts that have seen as many completions as they wait for.
func (r *ioRing) flushTimeoutsLocked() {
	if len(r.timeouts) == 0 || r.ring == nil {
		return
	}
	had := r.ring.Tail() + uint32(len(r.ring.Overflowed())) - r.expired
	for _, q := range slices.Clone(r.timeouts) {
		if o := q.timeout; o.count && int32(had-o.target) >= 0 && r.claimLocked(q) {
			r.k.Timers.Stop(&o.timer)
			r.expired++
			r.begin(r.endLocked(q, 0, 0))
		}
	}
}

func prepTimeoutRemove(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if s.Flags&(linux.IOSQE_FIXED_FILE|linux.IOSQE_BUFFER_SELECT) != 0 || s.BufIndex != 0 || s.Len != 0 || s.SpliceFD != 0 {
		return errno.EINVAL
	}
	f := s.OpFlags
	if f&linux.IORING_TIMEOUT_UPDATE_MASK == 0 {
		if f != 0 {
			return errno.EINVAL
		}
		return nil
	}
	if f&linux.IORING_TIMEOUT_UPDATE_MASK == linux.IORING_TIMEOUT_UPDATE_MASK || f&^(linux.IORING_TIMEOUT_UPDATE_MASK|linux.IORING_TIMEOUT_ABS|linux.IORING_TIMEOUT_CLOCK_MASK) != 0 {
		return errno.EINVAL
	}
	clock, err := ioTimeoutClock(f)
	if err != nil {
		return err
	}
	v, err := copyInWait(t, s.Off)
	q.timeout = &ioTimeout{clock: clock, abs: f&linux.IORING_TIMEOUT_ABS != 0, value: v}
	return err
}

func issueTimeoutRemove(t *kernel.Task, q *ioRequest) (int64, error) {
	r, s := q.ring, &q.sqe
	code := uint8(linux.IORING_OP_TIMEOUT)
	if s.OpFlags&linux.IORING_LINK_TIMEOUT_UPDATE != 0 {
		code = linux.IORING_OP_LINK_TIMEOUT
	}
	r.mu.Lock()
	var found *ioRequest
	for x := r.first; x != nil; x = x.next {
		if x.op.code == code && x.sqe.UserData == s.Addr && x.timeout != nil {
			found = x
			break
		}
	}
	if found == nil {
		r.mu.Unlock()
		return 0, errno.ENOENT
	}
	if !r.claimLocked(found) {
		r.mu.Unlock()
		return 0, errno.EALREADY
	}
	o := found.timeout
	r.k.Timers.Stop(&o.timer)
	if u := q.timeout; u != nil {
		o.clock, o.abs, o.value = u.clock, u.abs, u.value
		if code == linux.IORING_OP_TIMEOUT {
			o.count = false
		}
		found.state = ioArmed
		o.set(r.k)
		r.mu.Unlock()
		return 0, nil
	}
	r.mu.Unlock()
	r.begin(r.end(found, -int32(errno.ECANCELED), 0))
	return 0, nil
}
