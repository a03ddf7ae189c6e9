package ptrace

import (
	"sync"
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
// and wherever it then wakes up the two of them stay for a while. A guest thread that
// computes for long without an event is set free as well (keeper).
const (
	// placeFor is how long a thread stays where it is.
	placeFor = 4 * time.Millisecond

	// freeAfter is after how long without an event, at least, a thread is set free.
	freeAfter = 5 * time.Millisecond
)

// anywhere stands for all CPUs that this process may use.
const anywhere = -1

// placement says where one context's thread and tracer run. Owner only, except where
// said otherwise.
type placement struct {
	keeper *keeper

	cpu    int       // where both are held, or anywhere
	chosen time.Time // when

	// moving says that the tracer was set free and waits to see where it wakes up.
	moving bool

	// entered counts the times that the thread was resumed or stopped. It is odd while
	// the thread runs. The keeper reads it.
	entered atomic.Uint64

	// held says that the thread is confined to cpu. The owner sets it, the keeper
	// clears it when it has set the thread free.
	held atomic.Bool
}

// beforeRun is called by the tracer before it resumes the thread.
func (p *placement) beforeRun() {
	if p.keeper == nil {
		return
	}
	if now := time.Now(); now.Sub(p.chosen) > placeFor {
		p.chosen = now
		p.moving = true
		if p.cpu != anywhere {
			hostcall.SchedSetaffinity(0, p.keeper.cpus)
		}
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
	if p.moving {
		p.moving = false
		p.cpu = hostcall.Getcpu()
		hostcall.SchedSetaffinity(0, p.keeper.only(p.cpu))
		p.hold(t)
	} else if !p.held.Load() {
		p.hold(t)
	}
}

// hold confines t to the CPU of its tracer.
func (p *placement) hold(t *thread) {
	p.held.Store(true)
	hostcall.SchedSetaffinity(t.tid, p.keeper.only(p.cpu))
}

// adopt begins to place a new thread, which is stopped.
func (p *placement) adopt(t *thread) {
	if p.keeper == nil {
		return
	}
	if p.cpu == anywhere {
		p.chosen = time.Now()
		p.cpu = hostcall.Getcpu()
		hostcall.SchedSetaffinity(0, p.keeper.only(p.cpu))
	}
	p.hold(t)
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
	if p.keeper != nil && p.cpu != anywhere {
		hostcall.SchedSetaffinity(0, p.keeper.cpus)
		p.cpu = anywhere
	}
}

// keeper sets free the threads that run for long. It works only while threads run.
type keeper struct {
	cpus   []int   // all that this process may use; immutable
	single [][]int // single[c] is just c; immutable

	mu      sync.Mutex
	threads map[*thread]*placement
	closed  bool

	awake atomic.Bool
	wake  chan struct{}
}

// newKeeper returns nil if there is nothing to choose.
func newKeeper() *keeper {
	cpus, err := hostcall.SchedGetaffinity(0)
	if err != nil || len(cpus) < 2 {
		return nil
	}
	k := &keeper{cpus: cpus, threads: map[*thread]*placement{}, wake: make(chan struct{}, 1)}
	k.single = make([][]int, cpus[len(cpus)-1]+1)
	for _, c := range cpus {
		k.single[c] = []int{c}
	}
	go k.run()
	return k
}

// only returns the set of one CPU.
func (k *keeper) only(cpu int) []int {
	if cpu < len(k.single) && k.single[cpu] != nil {
		return k.single[cpu]
	}
	return k.cpus
}

func (k *keeper) add(t *thread, p *placement) {
	k.mu.Lock()
	k.threads[t] = p
	k.mu.Unlock()
}

func (k *keeper) remove(t *thread) {
	k.mu.Lock()
	delete(k.threads, t)
	k.mu.Unlock()
}

// watch makes sure that the keeper looks at the threads.
func (k *keeper) watch() {
	if !k.awake.Load() && k.awake.CompareAndSwap(false, true) {
		k.wake <- struct{}{}
	}
}

func (k *keeper) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.watch()
}

func (k *keeper) run() {
	seen := map[*thread]uint64{}
	for range k.wake {
		for busy := true; busy; {
			time.Sleep(freeAfter)
			var closed bool
			if busy, closed = k.look(seen); closed {
				return
			}
		}
		// Threads that are resumed from here on wake us again.
		clear(seen)
		k.awake.Store(false)
		busy, closed := k.look(seen)
		if closed {
			return
		}
		if busy {
			k.watch()
		}
	}
}

// look sets free the threads that have run since the last look. busy reports whether
// there are others that run.
func (k *keeper) look(seen map[*thread]uint64) (busy, closed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for t, p := range k.threads {
		n := p.entered.Load()
		if n&1 == 0 || !p.held.Load() {
			delete(seen, t)
			continue
		}
		if seen[t] != n {
			seen[t] = n
			busy = true
			continue
		}
		// Its tracer will hold it again when it stops.
		p.held.Store(false)
		hostcall.SchedSetaffinity(t.tid, k.cpus)
		delete(seen, t)
	}
	for t := range seen {
		if k.threads[t] == nil {
			delete(seen, t)
		}
	}
	return busy, k.closed
}
