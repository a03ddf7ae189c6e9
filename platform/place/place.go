// Package place decides on which CPUs guest threads and the sentry's threads that serve
// them run.
//
// A guest thread and its server, the host thread of the goroutine that runs it, take turns:
// one of them runs, never both. The host's scheduler does not know that; it wakes each on
// an idle CPU, and to get that CPU out of its sleep takes longer than all the rest of an
// event. So servers are confined to a CPU, and guest threads follow their servers. The
// goroutine may have another server each time: when one guest waits for another, a server
// goes from one to the other without leaving its CPU.
//
// Which CPU a server is on is left to the host: every so often it is set free before it
// waits, and wherever it then wakes up it stays for a while. Beyond that a Keeper spreads
// servers, and sets guest threads free that compute for long.
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

// placeFor is how long a server stays where it is, in ticks of the TSC: some milliseconds.
const placeFor = 10_000_000

// anywhere stands for all CPUs that this process may use.
const anywhere = -1

// Place says where a guest thread runs. The owner of its context uses it, and the keeper
// where said. The thread sleeps or is stopped in every call but AfterRun and Drop.
type Place struct {
	keeper *Keeper // nil: nothing to choose
	tid    int32

	// cpu is where the thread is confined to, or anywhere: the keeper may set it free.
	cpu atomic.Int32

	// apart says that the thread is on another CPU than its server.
	apart bool

	// server is who serves the thread, or did last. The keeper reads it.
	server atomic.Pointer[server]

	// entered counts the times that the thread was resumed or stopped. It is odd while
	// the thread runs. The keeper reads it.
	entered atomic.Uint64
}

// Init makes p ready for use. k may be nil.
func (p *Place) Init(k *Keeper) {
	p.keeper = k
	p.cpu.Store(anywhere)
}

// Adopt begins to place a new thread.
func (p *Place) Adopt(tid int32) {
	if p.keeper == nil {
		return
	}
	p.tid = tid
	p.cpu.Store(anywhere)
	p.apart = false
	p.keeper.add(p)
}

// Drop ends what Adopt began, while the thread is still there.
func (p *Place) Drop() {
	if p.keeper != nil {
		p.keeper.remove(p)
	}
}

// BeforeRun is called by the server before it resumes the thread.
func (p *Place) BeforeRun() {
	if p.keeper == nil {
		return
	}
	if !p.apart {
		s := p.keeper.server()
		if p.server.Load() != s {
			p.server.Store(s)
		}
		s.settle(p.keeper)
		if cpu := s.cpu.Load(); p.cpu.Load() != cpu {
			p.hold(int(cpu))
		}
	}
	p.entered.Add(1)
	p.keeper.watch()
}

// AfterRun is called by the server when the thread has stopped.
func (p *Place) AfterRun() {
	if p.keeper == nil {
		return
	}
	p.entered.Add(1)
	if s := p.server.Load(); s.moving.Load() {
		s.stay(p.keeper, hostcall.Getcpu())
	}
}

// Computed is called by the server, before AfterRun, when the thread has run for long, on cpu at
// the end. What it works on is in that CPU's caches, so now it is the server that follows.
func (p *Place) Computed(cpu int) {
	if p.keeper == nil || cpu >= len(p.keeper.single) || p.keeper.single[cpu] == nil {
		return
	}
	if s := p.server.Load(); s.moving.Load() || int(s.cpu.Load()) != cpu {
		s.stay(p.keeper, cpu)
	}
}

// hold confines the thread to a CPU.
func (p *Place) hold(cpu int) {
	p.cpu.Store(int32(cpu))
	hostcall.SchedSetaffinity(p.tid, p.keeper.only(cpu))
}

// Apart moves the thread to a CPU that is idle, if there is one: for a server that is going
// to wait for it without sleeping, and the other way round.
func (p *Place) Apart() bool {
	if p.keeper == nil || p.cpu.Load() == anywhere || p.server.Load().moving.Load() {
		return false
	}
	to, ok := p.keeper.idle(int(p.cpu.Load()))
	if !ok {
		return false
	}
	p.apart = true
	p.hold(to)
	return true
}

// IsApart reports whether the thread is where Apart brought it.
func (p *Place) IsApart() bool { return p.apart }

// Together undoes Apart: the thread follows its server from the next BeforeRun on.
func (p *Place) Together() {
	if p.apart {
		p.apart = false
		p.hold(int(p.server.Load().cpu.Load()))
	}
}

// server is a host thread that serves guests. It alone changes it, but where said; but a
// goroutine may lose its thread at any time, so all of it is atomic.
type server struct {
	key uint64 // immutable

	// cpu is where it is confined to, or anywhere. The keeper reads it.
	cpu    atomic.Int32
	chosen atomic.Uint64 // when, by the TSC

	// moving says that it was set free and waits to see where it wakes up.
	moving atomic.Bool

	// moveTo is a CPU that the keeper wants it to go to, or anywhere.
	moveTo atomic.Int32
}

// settle confines the server, which is the caller, to a CPU, or sets it free to choose
// another when it wakes up next.
func (s *server) settle(k *Keeper) {
	if to := s.moveTo.Load(); to != anywhere {
		s.moveTo.Store(anywhere)
		s.stay(k, int(to))
		return
	}
	cpu := s.cpu.Load()
	if cpu == anywhere {
		s.stay(k, k.pick(hostcall.Getcpu()))
		return
	}
	if now := clock.TSC(); now-s.chosen.Load() > placeFor {
		s.chosen.Store(now)
		s.moving.Store(true)
		hostcall.SchedSetaffinity(0, k.cpus)
	}
}

func (s *server) stay(k *Keeper, cpu int) {
	s.moving.Store(false)
	s.chosen.Store(clock.TSC())
	s.cpu.Store(int32(cpu))
	hostcall.SchedSetaffinity(0, k.only(cpu))
}
