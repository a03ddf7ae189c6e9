package place

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ringfence/platform/hostcall"
)

// keeperPeriod is how often the keeper looks at the threads.
const keeperPeriod = 5 * time.Millisecond

// Keeper does for threads that are held on one CPU what the host's scheduler can't do:
// it moves them when CPUs are unequally busy, and sets free those that have run for
// a period without an event. It works only while threads run.
type Keeper struct {
	cpus   []int   // all that this process may use; immutable
	single [][]int // single[c] is just c; immutable

	mu      sync.Mutex
	threads map[int32]*kept
	load    []int // load[c] is how many threads kept c busy in the last period
	closed  bool

	awake atomic.Bool
	wake  chan struct{}
}

// kept is what the keeper knows of a thread.
type kept struct {
	*Place
	seen uint64 // entered in the last period
}

// NewKeeper returns nil if there is nothing to choose.
func NewKeeper() *Keeper {
	cpus, err := hostcall.SchedGetaffinity(0)
	if err != nil || len(cpus) < 2 {
		return nil
	}
	n := slices.Max(cpus) + 1
	k := &Keeper{cpus: cpus, single: make([][]int, n), load: make([]int, n),
		threads: map[int32]*kept{}, wake: make(chan struct{}, 1)}
	for _, c := range cpus {
		k.single[c] = []int{c}
	}
	go k.run()
	return k
}

// only returns the set of one CPU.
func (k *Keeper) only(cpu int) []int {
	if cpu >= 0 && cpu < len(k.single) && k.single[cpu] != nil {
		return k.single[cpu]
	}
	return k.cpus
}

// pick returns where a new thread goes whose tracer runs on cpu: there, unless another
// CPU is much less busy.
func (k *Keeper) pick(cpu int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if cpu < 0 || cpu >= len(k.load) {
		return k.cpus[0]
	}
	if to := k.idlest(); k.load[cpu]-k.load[to] > 1 {
		cpu = to
	}
	k.load[cpu]++
	return cpu
}

// idlest returns the CPU with the least load. k.mu is held.
func (k *Keeper) idlest() int {
	return slices.MinFunc(k.cpus, func(a, b int) int { return k.load[a] - k.load[b] })
}

// idle returns a CPU other than cpu that no thread keeps busy.
func (k *Keeper) idle(cpu int) (to int, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.cpus {
		if c != cpu && k.load[c] == 0 {
			return c, true
		}
	}
	return 0, false
}

func (k *Keeper) add(tid int32, p *Place) {
	k.mu.Lock()
	k.threads[tid] = &kept{Place: p}
	k.mu.Unlock()
}

func (k *Keeper) remove(tid int32) {
	k.mu.Lock()
	delete(k.threads, tid)
	k.mu.Unlock()
}

// watch makes sure that the keeper looks at the threads.
func (k *Keeper) watch() {
	if !k.awake.Load() && k.awake.CompareAndSwap(false, true) {
		k.wake <- struct{}{}
	}
}

// Close ends the keeper.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.watch()
}

func (k *Keeper) run() {
	for range k.wake {
		for {
			time.Sleep(keeperPeriod)
			busy, closed := k.look()
			if closed {
				return
			}
			if !busy {
				break
			}
		}
		// A thread that is resumed from here on wakes us; one that was resumed just
		// before did not.
		k.awake.Store(false)
		busy, closed := k.look()
		if closed {
			return
		}
		if busy {
			k.watch()
		}
	}
}

// look goes over all threads. busy reports whether there is a reason to look again.
func (k *Keeper) look() (busy, closed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.load)
	for _, p := range k.threads {
		if cpu := p.where(); p.active() && cpu != anywhere {
			k.load[cpu]++
		}
	}
	for tid, p := range k.threads {
		n := p.entered.Load()
		if p.active() {
			busy = busy || p.held.Load()
			to := k.idlest()
			from := p.where()
			moves := from != anywhere && k.load[from]-k.load[to] > 1
			if moves {
				k.load[from]--
				k.load[to]++
				p.moveTo.Store(int32(to))
			}
			if n == p.seen {
				k.free(tid, p, to, moves)
			}
		}
		p.seen = n
	}
	return busy, k.closed
}

// active reports whether the thread has run in this period. It may be in the tracer's
// hands at the moment; then its tracer is busy for it.
func (p *kept) active() bool {
	n := p.entered.Load()
	return n&1 != 0 || n != p.seen
}

// where returns the CPU of the thread, or the one that it has been told to go to.
func (p *kept) where() int {
	if to := p.moveTo.Load(); to != anywhere {
		return int(to)
	}
	return int(p.cpu.Load())
}

// free lets a thread that has run for the whole period go wherever the host wants, by
// way of CPU to if it moves: not every host takes a running thread elsewhere by itself.
// Its tracer will hold it again when it stops. k.mu is held.
func (k *Keeper) free(tid int32, p *kept, to int, moves bool) {
	if !p.held.Swap(false) && !moves {
		return
	}
	if moves {
		hostcall.SchedSetaffinity(tid, k.only(to))
	}
	hostcall.SchedSetaffinity(tid, k.cpus)
}
