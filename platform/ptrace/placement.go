package ptrace

import (
	"sync/atomic"
	"time"

	"ringfence/platform/hostcall"
)

// Where threads run. A guest thread and its tracer take turns: one of them runs, never
// both. The host's scheduler does not know that; it wakes each on an idle CPU, and
// to get that CPU out of its sleep takes longer than all the rest of an event. So we
// keep the two, and the mapper while it works for them, on one CPU.
//
// Which one is left to the host: every so often the tracer is set free before it waits,
// and wherever it then wakes up the two of them stay for a while. Beyond that the keeper
// spreads them, and sets guest threads free that compute for long.

// placeFor is how long a thread stays where it is.
const placeFor = 4 * time.Millisecond

// anywhere stands for all CPUs that this process may use.
const anywhere = -1

// placement says where one context's thread and tracer run. The owner of the context
// uses it, and the keeper where said.
type placement struct {
	keeper *keeper // nil: nothing to choose

	// cpu is where both are held, or anywhere. The owner sets it, the keeper reads it.
	cpu    atomic.Int32
	chosen time.Time // when

	// moving says that the tracer was set free and waits to see where it wakes up.
	moving bool

	// moveTo is a CPU that the keeper wants the two to go to, or anywhere.
	moveTo atomic.Int32

	// entered counts the times that the thread was resumed or stopped. It is odd while
	// the thread runs. The keeper reads it.
	entered atomic.Uint64

	// held says that the thread is confined to cpu. The owner sets it, the keeper
	// clears it when it has set the thread free.
	held atomic.Bool
}

func (p *placement) init(k *keeper) {
	p.keeper = k
	p.cpu.Store(anywhere)
	p.moveTo.Store(anywhere)
}

// beforeRun is called by the tracer before it resumes the thread.
func (p *placement) beforeRun() {
	if p.keeper == nil {
		return
	}
	if now := time.Now(); now.Sub(p.chosen) > placeFor {
		p.chosen = now
		p.moving = true
		hostcall.SchedSetaffinity(0, p.keeper.cpus)
	}
	p.entered.Add(1)
	p.keeper.watch()
}

// afterRun is called by the tracer when thread t has stopped.
func (p *placement) afterRun(t *thread) {
	if p.keeper == nil {
		return
	}
	p.entered.Add(1)
	switch to := p.moveTo.Load(); {
	case to != anywhere:
		p.moveTo.Store(anywhere)
		p.stay(int(to), t)
	case p.moving:
		p.stay(hostcall.Getcpu(), t)
	case !p.held.Load():
		p.hold(t)
	}
}

// stay confines the tracer, which is the caller, and t to a CPU.
func (p *placement) stay(cpu int, t *thread) {
	p.moving = false
	p.chosen = time.Now()
	p.cpu.Store(int32(cpu))
	hostcall.SchedSetaffinity(0, p.keeper.only(cpu))
	p.hold(t)
}

// hold confines t to the CPU of its tracer.
func (p *placement) hold(t *thread) {
	p.held.Store(true)
	hostcall.SchedSetaffinity(t.tid, p.keeper.only(int(p.cpu.Load())))
}

// adopt begins to place a new thread, which is stopped.
func (p *placement) adopt(t *thread) {
	if p.keeper == nil {
		return
	}
	if p.cpu.Load() == anywhere {
		p.stay(p.keeper.pick(hostcall.Getcpu()), t)
	} else {
		p.hold(t)
	}
	p.keeper.add(t, p)
}

// drop ends what adopt began, while the thread is still there.
func (p *placement) drop(t *thread) {
	if p.keeper != nil {
		p.keeper.remove(t)
	}
}

// release sets the tracer free for other work.
func (p *placement) release() {
	if p.keeper != nil && p.cpu.Load() != anywhere {
		hostcall.SchedSetaffinity(0, p.keeper.cpus)
		p.cpu.Store(anywhere)
	}
}
