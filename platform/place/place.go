// Package place decides on which CPUs guest threads and the threads of the sentry that
// serve them run.
//
// A guest thread and the one that serves it take turns: one of them runs, never both. The
// host's scheduler does not know that; it wakes each on an idle CPU, and to get that CPU
// out of its sleep takes longer than all the rest of an event. So a Place keeps the two on one CPU.
//
// Which one is left to the host: every so often the server is set free before it waits,
// and wherever it then wakes up the two of them stay for a while. Beyond that a Keeper spreads
// them, and sets guest threads free that compute for long.
//
// Where both wait for each other without sleeping it is the other way round: Apart.
//
// Lock order: Keeper.mu is a leaf.
package place

import (
	"sync/atomic"

	"ringfence/platform/clock"
	"ringfence/platform/hostcall"
)

// placeFor is how long a thread stays where it is, in ticks of the TSC: some milliseconds.
const placeFor = 10_000_000

// anywhere stands for all CPUs that this process may use.
const anywhere = -1

// Place says where the thread of a context runs, and its server, the host thread of the
// goroutine that owns the context, which stays the same. The owner uses it, and the keeper
// where said.
type Place struct {
	keeper *Keeper // nil: nothing to choose

	// cpu is where both are held, or anywhere. The owner sets it, the keeper reads it.
	cpu    atomic.Int32
	chosen uint64 // when, by the TSC

	// apart says that the thread is held on another CPU than its server.
	apart bool

	// moving says that the server was set free and waits to see where it wakes up.
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

// Init makes p ready for use. k may be nil.
func (p *Place) Init(k *Keeper) {
	p.keeper = k
	p.cpu.Store(anywhere)
	p.moveTo.Store(anywhere)
}

// BeforeRun is called by the server before it resumes the thread.
func (p *Place) BeforeRun() {
	if p.keeper == nil {
		return
	}
	if now := clock.TSC(); now-p.chosen > placeFor && !p.apart {
		p.chosen = now
		p.moving = true
		hostcall.SchedSetaffinity(0, p.keeper.cpus)
	}
	p.entered.Add(1)
	p.keeper.watch()
}

// AfterRun is called by the server when the thread has stopped.
func (p *Place) AfterRun(tid int32) {
	if p.keeper == nil {
		return
	}
	p.entered.Add(1)
	switch to := p.moveTo.Load(); {
	case p.apart && p.held.Load():
	case to != anywhere:
		p.moveTo.Store(anywhere)
		p.stay(int(to), tid)
	case p.moving:
		p.stay(hostcall.Getcpu(), tid)
	case !p.held.Load():
		p.hold(tid)
	}
}

// stay confines the server, which is the caller, and the thread to a CPU.
func (p *Place) stay(cpu int, tid int32) {
	p.moving = false
	p.chosen = clock.TSC()
	p.cpu.Store(int32(cpu))
	hostcall.SchedSetaffinity(0, p.keeper.only(cpu))
	p.hold(tid)
}

// hold confines the thread to the CPU of its server.
func (p *Place) hold(tid int32) {
	p.held.Store(true)
	p.apart = false
	hostcall.SchedSetaffinity(tid, p.keeper.only(int(p.cpu.Load())))
}

// Apart moves the thread, which sleeps, to a CPU that is idle, if there is one: for a
// server that is going to wait for it without sleeping, and the other way round.
func (p *Place) Apart(tid int32) bool {
	if p.keeper == nil || p.moving || !p.held.Load() {
		return false
	}
	to, ok := p.keeper.idle(int(p.cpu.Load()))
	if !ok {
		return false
	}
	p.apart = true
	hostcall.SchedSetaffinity(tid, p.keeper.only(to))
	return true
}

// IsApart reports whether the thread is where Apart brought it.
func (p *Place) IsApart() bool { return p.apart }

// Together undoes Apart. The thread sleeps.
func (p *Place) Together(tid int32) {
	if p.apart {
		p.hold(tid)
	}
}

// Adopt begins to place a new thread, which is stopped.
func (p *Place) Adopt(tid int32) {
	if p.keeper == nil {
		return
	}
	if p.cpu.Load() == anywhere {
		p.stay(p.keeper.pick(hostcall.Getcpu()), tid)
	} else {
		p.hold(tid)
	}
	p.keeper.add(tid, p)
}

// Drop ends what Adopt began, while the thread is still there.
func (p *Place) Drop(tid int32) {
	if p.keeper != nil {
		p.keeper.remove(tid)
	}
}

// Release sets the server free for other work.
func (p *Place) Release() {
	if p.keeper != nil && p.cpu.Load() != anywhere {
		hostcall.SchedSetaffinity(0, p.keeper.cpus)
		p.cpu.Store(anywhere)
	}
}
