package syscalls

import (
	"sync/atomic"

	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
)

// ioPoller submits for its ring what the guest puts into it, without being called (IORING_SETUP_SQPOLL). It is an actor of the task
// that made the ring, and goes with it. It looks often as long as there is something to submit, and a while longer; then it asks for
// a call to wake it up.
type ioPoller struct {
	r     *ioRing
	actor *kernel.Task
	idle  int64 // nanoseconds

	room    wait.Queue // submissions were taken
	stopped atomic.Bool
	gone    atomic.Bool
}

const (
	ioPollerIdle = int64(1e9) // sq_thread_idle 0
	ioPollerLook = int64(50e3)
)

// startPoller starts the poller of a new ring.
func (r *ioRing) startPoller(t *kernel.Task, idleMS uint32) {
	p := &ioPoller{r: r, actor: t.NewActor(), idle: int64(idleMS) * 1e6}
	if idleMS == 0 {
		p.idle = ioPollerIdle
	}
	r.poller = p
	t.JoinAsync(r)
	r.busy++
	go p.run()
}

// run submits until the poller is stopped.
func (p *ioPoller) run() {
	r, k := p.r, p.r.k
	last := k.Monotonic()
	for !p.stopped.Load() {
		now := k.Monotonic()
		switch {
		case p.submit() > 0:
			last = now
			p.room.Notify(wait.Out)
		case now-last < p.idle:
			p.actor.BlockUntil(now + min(ioPollerLook, p.idle))
		default:
			r.ring.SetFlag(linux.IORING_SQ_NEED_WAKEUP)
			if r.ring.Submitted() == 0 || r.isDisabled() {
				p.actor.Block()
			}
			r.ring.ClearFlag(linux.IORING_SQ_NEED_WAKEUP)
			last = k.Monotonic()
		}
	}
	// Nothing acts for the task any more when it sees that the poller is gone.
	p.actor.Dismiss()
	p.gone.Store(true)
	p.actor.Principal().Wake(nil, 0)
	p.room.Notify(wait.Out)
	r.done(nil)
}

func (p *ioPoller) submit() uint32 {
	r := p.r
	if r.ring.Submitted() == 0 || r.isDisabled() {
		return 0
	}
	r.submitMu.Lock()
	defer r.submitMu.Unlock()
	n, _ := r.submit(p.actor, r.ring.SQEntries()) // what there is no room for waits
	return n
}

func (r *ioRing) isDisabled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.disabled
}

// wake has the poller look again.
func (p *ioPoller) wake() { p.actor.Wake(nil, 0) }

// stop makes the poller end, wait returns when it has.
func (p *ioPoller) stop() {
	if !p.stopped.Swap(true) {
		p.actor.Interrupt()
	}
}

func (p *ioPoller) wait(t *kernel.Task) { t.SleepUntil(p.gone.Load) }

// waitRoom waits until submissions can be put into the ring.
func (p *ioPoller) waitRoom(t *kernel.Task) error {
	e := wait.Entry{Waiter: t, Mask: wait.Out}
	p.room.Register(&e)
	defer p.room.Unregister(&e)
	for {
		if st := p.r.ring.State(); p.gone.Load() || st.SQTail-st.SQHead != st.SQMask+1 {
			return nil
		}
		if err := t.Block(); err != nil {
			return nil // io_uring_enter(2) does not tell
		}
	}
}
