package clock

import (
	"math/bits"
	"sync"
	"time"

	"ringfence/platform/hostcall"
)

// Counter is the cheapest clock there is, for times that are taken all the time and rarely
// looked at: the TSC where it can be trusted, else CLOCK_MONOTONIC. It counts ticks, whose
// length it learns by the time somebody asks. Safe for concurrent use.
type Counter struct {
	// Immutable.
	usesTSC bool
	first   sample // when the counter was made

	once sync.Once
	mult uint64 // nanoseconds per tick, times 2^32; guarded by once
}

// learn is how long a Counter watches the TSC: its rate is then known to some millionths.
const learn = 5 * time.Millisecond

// NewCounter returns a counter for this machine.
func NewCounter() *Counter {
	c := &Counter{usesTSC: trustworthy()}
	if c.usesTSC {
		c.first = measure(machine{})
	}
	return c
}

// Now returns the ticks now. They only mean something to Duration.
func (c *Counter) Now() int64 {
	if c.usesTSC {
		return int64(ticks())
	}
	return machine{}.now(hostcall.CLOCK_MONOTONIC)
}

// Duration returns how long it takes to count so many ticks. It sleeps if the counter is too young to know.
func (c *Counter) Duration(n int64) time.Duration {
	if !c.usesTSC {
		return time.Duration(n)
	}
	c.once.Do(c.calibrate)
	hi, lo := bits.Mul64(uint64(max(n, 0)), c.mult)
	return time.Duration(hi<<32 | lo>>32)
}

func (c *Counter) calibrate() {
	now := measure(machine{})
	if wait := learn - time.Duration(now.ns-c.first.ns); wait > 0 {
		time.Sleep(wait)
		now = measure(machine{})
	}
	c.mult = uint64(float64(now.ns-c.first.ns) / float64(now.tsc-c.first.tsc) * (1 << 32))
}
