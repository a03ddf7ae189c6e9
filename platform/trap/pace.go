package trap

import (
	"sync/atomic"

	"ringfence/platform/clock"
)

// There are two ways for a guest thread and its server to take turns. On one CPU, each
// wakes the other and sleeps: some two microseconds, whatever else goes on. Or apart, on two
// CPUs, where each looks at the turn until it comes: a quarter of that, but it takes an idle
// CPU, one that is woken takes longer than all the calls that were saved, and a change of
// mappings has to be told to the other CPU. So threads go apart when they have made many
// calls in a row with nothing between, alone, and come together when that is over.
type pace struct {
	quick   int    // turns in a row that were short, together
	need    int    // how many it takes to go apart
	length  int    // turns since they went apart
	strikes int    // what speaks against it since then
	crowd   int    // turns while others ran since then, less those alone
	changes uint64 // of the address space, at the last turn
}

const (
	needAtFirst = 32
	needAtMost  = 4096

	// paysAfter is after how many turns to go apart has paid.
	paysAfter = 100

	// quickTicks is what a short turn takes at most, by the TSC: some microseconds.
	quickTicks = 40_000
	// longTicks is what a turn takes in which the guest computed: a millisecond or so.
	longTicks = 2_000_000

	// A change of mappings, or a call so long that the thread fell asleep, counts for several turns
	// without.
	strike, strikesAtMost = 3, 8

	// crowdAtMost is more than it takes others to do something brief.
	crowdAtMost = 64

	// How often who waits apart looks at the turn before he sleeps. A guest that computes takes
	// the CPU for itself; the sentry may have to ask the gofer, some hundred microseconds.
	sentrySpins = 6000
	stubSpins   = 20000
	// Its CPU has to be woken before the first turn.
	firstSpins = 4 * sentrySpins
)

// choose says whether the thread runs apart for the next turn, and puts it there. others
// says that other guest threads run.
func (c *context) choose(t *thread, others bool) bool {
	p := &c.pace
	changes := c.space.changes.Load()
	changed := changes != p.changes
	p.changes = changes
	if !c.place.IsApart() {
		if p.need == 0 {
			p.need = needAtFirst
		}
		if changed {
			p.quick = 0
		}
		if p.quick < p.need || others || !c.place.Apart() {
			return false
		}
		p.length, p.strikes, p.crowd = 0, 0, 0
		return true
	}
	p.length++
	switch {
	case changed, atomic.LoadUint32(&t.area.stubAsleep) != 0:
		p.strikes += strike
	case p.strikes > 0:
		p.strikes--
	}
	if others {
		p.crowd++
	} else if p.crowd > 0 {
		p.crowd--
	}
	// An early end has come too late for the waking to pay.
	if p.crowd > crowdAtMost || p.strikes > strikesAtMost {
		c.together(t)
		return false
	}
	return true
}

// spins is how often the sentry looks at the turn before it sleeps.
func (p *pace) spins() uint32 {
	if p.length == 0 {
		return firstSpins
	}
	return sentrySpins
}

// together ends what choose began. What did not pay is not tried again so soon.
func (c *context) together(t *thread) {
	p := &c.pace
	if p.length > paysAfter {
		p.need = needAtFirst
	} else {
		p.need = min(2*p.need, needAtMost)
	}
	p.quick = 0
	c.place.Together()
}

// timed notes how long a turn together took that began at start. It reports whether the guest
// has computed for long.
func (p *pace) timed(start uint64) bool {
	took := clock.TSC() - start
	if took < quickTicks {
		p.quick++
	} else {
		p.quick = 0
	}
	return took > longTicks
}
