// Package clock relates the CPU's time stamp counter to the host's clocks, so
// that a guest can tell the time without a system call.
//
// A Calibrator follows CLOCK_MONOTONIC: each Step measures and returns new Params.
// Whoever publishes them (the vDSO's page) moves them to the moment of publishing
// with Continue, while readers wait, so that the clock never goes back.
package clock

import (
	"math"
	"math/bits"
	"os"
	"strings"
	"time"

	"ringfence/platform/hostcall"
)

// Params turn a TSC value into time: the monotonic clock is
//
//	BaseNS + (tsc - BaseTSC) * Mult >> 32
type Params struct {
	// Usable is false until the clock is calibrated, and for good where the
	// counter can't be trusted.
	Usable  bool
	BaseTSC uint64
	BaseNS  int64
	Mult    uint64 // nanoseconds per tick, times 2^32

	RealNS int64 // CLOCK_REALTIME minus CLOCK_MONOTONIC
	BootNS int64 // CLOCK_BOOTTIME minus CLOCK_MONOTONIC
}

// Monotonic returns the monotonic clock at tsc.
func (p *Params) Monotonic(tsc uint64) int64 {
	if tsc <= p.BaseTSC {
		return p.BaseNS
	}
	hi, lo := bits.Mul64(tsc-p.BaseTSC, p.Mult)
	return p.BaseNS + int64(hi<<32|lo>>32)
}

// Continue returns p with its base moved to tsc, where the clock under old stands.
// Preconditions: nobody reads the clock by old at a later counter value.
func (p Params) Continue(old Params, tsc uint64) Params {
	if !p.Usable {
		return p
	}
	ns := p.Monotonic(tsc)
	if old.Usable {
		ns = max(ns, old.Monotonic(tsc))
	}
	p.BaseTSC, p.BaseNS = tsc, ns
	return p
}

// Limits of the calibration.
const (
	// maxInterval is the time between steps once the clock has settled.
	maxInterval = time.Second
	// minInterval is the first one.
	minInterval = 4 * time.Millisecond
	// jump is the error at which the clock is set rather than slewed: the machine slept.
	jump = 20 * time.Millisecond
	// window is how far back the rate is measured.
	window = 16 * time.Second
)

// sample is one simultaneous reading of counter and clock.
type sample struct {
	tsc uint64
	ns  int64
}

// host is what a Calibrator measures: the counter and the clocks.
type host interface {
	tsc() uint64
	now(clock int32) int64
}

// Calibrator measures the TSC against the host's clocks. It belongs to one goroutine.
type Calibrator struct {
	host   host
	broken bool
	past   []sample // oldest first, at most window apart
	p      Params
	next   time.Duration
}

// New returns a calibrator for this machine.
func New() *Calibrator {
	return &Calibrator{host: machine{}, broken: !trustworthy(), next: minInterval}
}

// Usable reports whether the counter can be trusted at all. If not, Step is useless.
func (c *Calibrator) Usable() bool { return !c.broken }

// Step measures and returns the parameters to use from now on, and when to call again.
func (c *Calibrator) Step() (Params, time.Duration) {
	if c.broken {
		return Params{}, maxInterval
	}
	s := measure(c.host)
	if len(c.past) == 0 {
		c.past = append(c.past, s)
		return Params{}, c.next
	}
	first := c.past[0]
	if s.tsc <= first.tsc || s.ns <= first.ns {
		c.broken = true
		return Params{}, maxInterval
	}
	rate := float64(s.ns-first.ns) / float64(s.tsc-first.tsc)

	base := s.ns
	mult := rate
	if c.p.Usable {
		// Go on from where the readers are, and take the error out over the next
		// interval.
		base = c.p.Monotonic(s.tsc)
		switch off := s.ns - base; {
		case off > int64(jump):
			base = s.ns
			c.past = c.past[:0]
		case off < -int64(jump):
			c.broken = true
			return Params{}, maxInterval
		default:
			ahead := math.Max(float64(c.next), float64(maxInterval)/8)
			mult *= 1 + max(-0.0005, min(0.0005, float64(off)/ahead))
		}
	}
	c.past = append(c.past, s)
	for len(c.past) > 2 && s.ns-c.past[0].ns > int64(window) {
		c.past = c.past[1:]
	}
	if len(c.past) > 64 {
		c.past = append(c.past[:1:1], c.past[len(c.past)-32:]...)
	}
	c.p = Params{
		Usable: true, BaseTSC: s.tsc, BaseNS: base, Mult: uint64(mult * (1 << 32)),
		RealNS: c.offset(hostcall.CLOCK_REALTIME, c.p.RealNS), BootNS: c.offset(hostcall.CLOCK_BOOTTIME, c.p.BootNS),
	}
	c.next = min(c.next*2, maxInterval)
	return c.p, c.next
}

// measure reads counter and monotonic clock together: of several tries, the one whose
// two counter readings lie closest.
func measure(h host) sample {
	var best sample
	gap := uint64(math.MaxUint64)
	for range 8 {
		a := h.tsc()
		ns := h.now(hostcall.CLOCK_MONOTONIC)
		b := h.tsc()
		if b-a < gap {
			gap = b - a
			best = sample{a + gap/2, ns}
		}
	}
	return best
}

// offset returns how far the clock is ahead of the monotonic one: old, if that agrees
// with the clock as well as can be measured.
func (c *Calibrator) offset(clock int32, old int64) int64 {
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	for range 8 {
		a := c.host.now(hostcall.CLOCK_MONOTONIC)
		x := c.host.now(clock)
		b := c.host.now(hostcall.CLOCK_MONOTONIC)
		l, h := max(lo, x-b), min(hi, x-a)
		if l > h {
			// The clock was set while we looked; the last reading counts.
			l, h = x-b, x-a
		}
		lo, hi = l, h
	}
	if lo <= old && old <= hi {
		return old
	}
	return lo + (hi-lo)/2
}

// trustworthy reports whether the TSC ticks at one rate on all CPUs, whatever they do,
// and the host itself relies on it as far as we can see.
func trustworthy() bool {
	if !invariantTSC() {
		return false
	}
	b, err := os.ReadFile("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	if err != nil {
		return true
	}
	switch strings.TrimSpace(string(b)) {
	case "tsc", "kvm-clock", "hyperv_clocksource_tsc_page":
		return true
	}
	return false
}
