package place

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ringfence/platform/hostcall"
)

// How often the keeper looks at the threads: less and less while it finds nothing to do.
const (
	shortPeriod = 5 * time.Millisecond
	longPeriod  = 40 * time.Millisecond
)

// Keeper does for threads that are confined to a CPU what the host's scheduler can't do:
// it moves them when CPUs are unequally busy, and sets free those that have run for
// a period without an event. It works only while threads run.
type Keeper struct {
	cpus   []int   // all that this process may use; immutable
	single [][]int // single[c] is just c; immutable

	// servers is a hash table by key. Records stay: host threads of the Go runtime do too.
	servers [maxServers]atomic.Pointer[server]

	mu      sync.Mutex
	threads map[*Place]*kept // guarded by mu
	load    []int            // guarded by mu: load[c] is how many threads kept c busy of late
	closed  bool             // guarded by mu

	awake atomic.Bool
	wake  chan struct{}
}

// kept is what the keeper knows of a thread.
type kept struct {
	seen uint64 // entered in the last period
}

// allowed are the CPUs that this process could use when it started, before any of its threads
// was confined to one.
var allowed = func() []int {
	cpus, err := hostcall.SchedGetaffinity(0)
	if err != nil {
		return nil
	}
	return cpus
}()

// NewKeeper returns nil if there is nothing to choose.
func NewKeeper() *Keeper {
	cpus := allowed
	if len(cpus) < 2 {
		return nil
	}
	n := slices.Max(cpus) + 1
	k := &Keeper{cpus: cpus, single: make([][]int, n), load: make([]int, n),
		threads: map[*Place]*kept{}, wake: make(chan struct{}, 1)}
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

// pick returns where a new server goes that runs on cpu: there, unless another
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

func (k *Keeper) add(p *Place) {
	k.mu.Lock()
	k.threads[p] = &kept{}
	k.mu.Unlock()
}

func (k *Keeper) remove(p *Place) {
	k.mu.Lock()
	delete(k.threads, p)
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
		for period := shortPeriod; ; {
			time.Sleep(period)
			l := k.look()
			if l.closed {
				return
			}
			if !l.busy {
				break
			}
			if period = min(2*period, longPeriod); l.acted {
				period = shortPeriod
			}
		}
		// A thread that is resumed from here on wakes us; one that was resumed just
		// before did not.
		k.awake.Store(false)
		l := k.look()
		if l.closed {
			return
		}
		if l.busy {
			k.watch()
		}
	}
}

// looked is what a look brought.
type looked struct {
	busy   bool // there is a reason to look again
	acted  bool // something was moved, set free, or new
	closed bool
}

// look goes over all threads.
func (k *Keeper) look() (l looked) {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.load)
	for p, t := range k.threads {
		if p.busy(t.seen) {
			if cpu := p.server.Load().where(); cpu != anywhere {
				k.load[cpu]++
			}
		}
	}
	for p, t := range k.threads {
		n := p.entered.Load()
		if p.active(t.seen) {
			held := p.cpu.Load() != anywhere
			l.busy = l.busy || held
			l.acted = l.acted || t.seen == 0
			s := p.server.Load()
			from, to := s.where(), k.idlest()
			moves := from != anywhere && k.load[from]-k.load[to] > 1
			if moves {
				k.load[from]--
				k.load[to]++
				s.moveTo.Store(int32(to))
				l.acted = true
			}
			if n == t.seen && (held || moves) {
				k.free(p, to, moves)
				l.acted = true
			}
		}
		t.seen = n
	}
	l.closed = k.closed
	return l
}

// busy reports whether the thread computes, or has made many calls since it was seen.
func (p *Place) busy(seen uint64) bool {
	const many = 100
	n := p.entered.Load()
	return n&1 != 0 || n-seen > many
}

// active reports whether the thread has run since it was seen. It may be in its server's
// hands at the moment; then that is busy for it.
func (p *Place) active(seen uint64) bool {
	n := p.entered.Load()
	return n&1 != 0 || n != seen
}

// where returns the CPU of the server, or the one that it has been told to go to.
func (s *server) where() int {
	if to := s.moveTo.Load(); to != anywhere {
		return int(to)
	}
	return int(s.cpu.Load())
}

// free lets a thread that has run for the whole period go wherever the host wants, by
// way of CPU to if it moves: not every host takes a running thread elsewhere by itself.
// It follows its server again when that has served it. k.mu is held.
func (k *Keeper) free(p *Place, to int, moves bool) {
	if moves {
		hostcall.SchedSetaffinity(p.tid, k.only(to))
	}
	hostcall.SchedSetaffinity(p.tid, k.cpus)
	p.cpu.Store(anywhere)
}
