package clock

import (
	"testing"
	"time"

	"ringfence/platform/hostcall"
)

// fake is a host whose counter runs at rate ticks per nanosecond and whose clocks
// are read without delay.
type fake struct {
	ns   int64
	rate float64
	real int64
}

func (f *fake) tsc() uint64 { return uint64(float64(f.ns) * f.rate) }
func (f *fake) now(clock int32) int64 {
	if clock == hostcall.CLOCK_REALTIME {
		return f.ns + f.real
	}
	return f.ns
}

func TestCalibratorFollowsTheHost(t *testing.T) {
	h := &fake{ns: 5e9, rate: 2.6, real: 1e18}
	c := &Calibrator{host: h, next: minInterval}
	p, wait := c.Step()
	if p.Usable {
		t.Fatal("usable after one sample")
	}
	last := int64(0)
	for i := range 100 {
		h.ns += int64(wait)
		if i == 50 {
			h.ns += int64(3 * time.Second) // the machine slept
		}
		if i == 70 {
			h.real += int64(time.Hour) // the wall clock was set
		}
		p, wait = c.Step()
		if !p.Usable {
			t.Fatalf("step %d: not usable", i)
		}
		now := p.Monotonic(h.tsc())
		if now < last {
			t.Fatalf("step %d: went back from %d to %d", i, last, now)
		}
		last = now
		if d := now - h.ns; d < -1000 || d > 1000 {
			t.Errorf("step %d: off by %d ns", i, d)
		}
		if p.RealNS != h.real {
			t.Errorf("step %d: real time is %d ahead, want %d", i, p.RealNS, h.real)
		}
	}
}

func TestCalibratorSlewsInsteadOfGoingBack(t *testing.T) {
	h := &fake{ns: 5e9, rate: 2.6}
	c := &Calibrator{host: h, next: minInterval}
	c.Step()
	h.ns += int64(minInterval)
	p, wait := c.Step()
	h.ns += int64(wait)
	c.p.BaseNS += 5000 // as if the rate had been measured badly
	for range 40 {
		before := c.p.Monotonic(h.tsc())
		p, wait = c.Step()
		if after := p.Monotonic(h.tsc()); after < before {
			t.Fatalf("went back from %d to %d", before, after)
		}
		h.ns += int64(wait)
	}
	if d := p.Monotonic(h.tsc()) - h.ns; d < -100 || d > 100 {
		t.Errorf("still off by %d ns", d)
	}
}

func TestCalibratorAgreesWithThisMachine(t *testing.T) {
	c := New()
	if !c.Usable() {
		return // nothing to calibrate on this machine
	}
	p, _ := c.Step()
	for range 4 {
		time.Sleep(5 * time.Millisecond)
		p, _ = c.Step()
	}
	best := int64(1 << 62)
	for range 50 {
		a := machine{}.now(hostcall.CLOCK_MONOTONIC)
		got := p.Monotonic(TSC())
		b := machine{}.now(hostcall.CLOCK_MONOTONIC)
		best = min(best, max(a-got, got-b, 0))
	}
	if best > 2000 {
		t.Errorf("off by %d ns", best)
	}
}
