package kernel

import (
	"math"
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/vfs"
)

// ErrInterrupted is what Block returns when a signal, a stop or the task's death
// wants it back: ERESTARTSYS, which callers translate where Linux gives another
// restart code (poll, nanosleep, futex, ...).
const ErrInterrupted = errno.ERESTARTSYS

// Forever is the deadline that never comes.
const Forever = int64(0)

// blocker is where a task sleeps. Only wakeups pass through it: that it holds a
// token means "look again", never more, so it is not part of the task's state.
type blocker struct {
	token chan struct{} // capacity 1
	timer *time.Timer   // made at the first timed block; task goroutine only
}

func newBlocker() blocker { return blocker{token: make(chan struct{}, 1)} }

// DeadlineAfter returns the deadline for BlockUntil that is ns nanoseconds away.
func (k *Kernel) DeadlineAfter(ns int64) int64 {
	now := k.Monotonic()
	if d := now + max(ns, 0); d > now {
		return d
	} else if ns <= 0 {
		return now
	}
	return math.MaxInt64
}

// Wake makes the current Block return, or the next one.
func (b *blocker) wake() {
	select {
	case b.token <- struct{}{}:
	default:
	}
}

// Wake implements wait.Waiter: an entry with the task as its waiter ends its Block.
func (t *Task) Wake(*wait.Entry, wait.Mask) { t.blocker.wake() }

// Block sleeps until something wakes the task. Wake-ups can be spurious: callers
// register with a queue, look at the state, and Block in a loop. It returns
// ErrInterrupted if the task has something to do on its way to the guest.
// Task goroutine only; no lock may be held.
func (t *Task) Block() error { return t.BlockUntil(Forever) }

// BlockUntil is Block with a deadline on the monotonic clock, in nanoseconds
// (ktime.Manager.Monotonic); ETIMEDOUT when it has passed.
func (t *Task) BlockUntil(deadline int64) error {
	if t.interrupted() {
		return ErrInterrupted
	}
	select {
	case <-t.blocker.token:
		return nil
	default:
	}
	if deadline == Forever {
		t.setBlocked(true)
		<-t.blocker.token
		t.setBlocked(false)
	} else {
		left := time.Duration(deadline - t.k.Monotonic())
		if left <= 0 {
			return errno.ETIMEDOUT
		}
		if t.blocker.timer == nil {
			t.blocker.timer = time.NewTimer(left)
		} else {
			t.blocker.timer.Reset(left)
		}
		t.setBlocked(true)
		expired := false
		select {
		case <-t.blocker.token:
		case <-t.blocker.timer.C:
			expired = true
		}
		t.setBlocked(false)
		t.blocker.timer.Stop()
		if expired {
			if t.interrupted() {
				return ErrInterrupted
			}
			return errno.ETIMEDOUT
		}
	}
	if t.interrupted() {
		return ErrInterrupted
	}
	return nil
}

// blockKillable is Block that only death ends early (Linux's killable wait).
func (t *Task) blockKillable() error {
	if t.doomed() {
		return ErrInterrupted
	}
	t.setBlocked(true)
	<-t.blocker.token
	t.setBlocked(false)
	if t.doomed() {
		return ErrInterrupted
	}
	return nil
}

// AwaitAnswer implements vfs.Actor.
func (t *Task) AwaitAnswer(q *wait.Queue, done func() bool) error {
	e := wait.Entry{Waiter: t, Mask: wait.In}
	q.Register(&e)
	defer q.Unregister(&e)
	for !done() {
		if err := t.blockKillable(); err != nil {
			return err
		}
	}
	return nil
}

// doomed reports whether the task will end on its way to the guest.
func (t *Task) doomed() bool {
	if !t.pending.Load() {
		return false
	}
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	return t.fatal
}

// BlockOnFile calls op until it returns something other than EAGAIN, sleeping in
// between until f may be ready for one of mask. With O_NONBLOCK set on the file,
// or nonblock, EAGAIN is the result. deadline is as for BlockUntil and yields
// EAGAIN as well (SO_RCVTIMEO).
func (t *Task) BlockOnFile(f *vfs.File, mask wait.Mask, nonblock bool, deadline int64, op func() error) error {
	err := op()
	if err != errno.EAGAIN || nonblock || f.Flags()&linux.O_NONBLOCK != 0 {
		return err
	}
	q := f.QueueOf(t)
	if q == nil {
		return err
	}
	e := &t.fileEntry
	e.Waiter, e.Mask = t, mask
	q.Register(e)
	defer q.Unregister(e)
	for {
		if err := op(); err != errno.EAGAIN {
			return err
		}
		switch err := t.BlockUntil(deadline); err {
		case nil:
		case errno.ETIMEDOUT:
			return errno.EAGAIN
		default:
			return err
		}
	}
}
