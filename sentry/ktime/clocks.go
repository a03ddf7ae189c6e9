package ktime

import (
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/hostcall"
)

// CoarseResolution is the resolution of the *_COARSE clocks: a tick of 250 Hz.
const CoarseResolution = int64(4 * time.Millisecond)

// hostTAI is CLOCK_TAI.
const hostTAI = 11

// Clocks are the host's clocks as guests see them. The monotonic ones count from the
// host's boot. Immutable, safe for concurrent use.
type Clocks struct {
	base time.Time // when the following was measured
	mono int64     // CLOCK_MONOTONIC at base
	boot int64     // CLOCK_BOOTTIME - CLOCK_MONOTONIC
	tai  int64     // CLOCK_TAI - CLOCK_REALTIME
}

// HostClocks reads the host's clocks.
func HostClocks() (*Clocks, error) {
	c := &Clocks{}
	// Go reads CLOCK_MONOTONIC through the vDSO but does not tell its zero. Of
	// several tries, the quickest has the least error.
	best := time.Duration(1<<63 - 1)
	for range 16 {
		before, err := hostcall.ClockGettime(hostcall.CLOCK_MONOTONIC)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		after, err := hostcall.ClockGettime(hostcall.CLOCK_MONOTONIC)
		if err != nil {
			return nil, err
		}
		if d := after - before; d < best {
			best, c.base, c.mono = d, now, int64(before+d/2)
		}
	}
	boot, err := hostcall.ClockGettime(hostcall.CLOCK_BOOTTIME)
	if err != nil {
		return nil, err
	}
	mono, err := hostcall.ClockGettime(hostcall.CLOCK_MONOTONIC)
	if err != nil {
		return nil, err
	}
	// The difference is how long the host was suspended; what is less than a
	// millisecond is the time between the two calls.
	c.boot = max(0, int64((boot - mono + time.Millisecond/2).Truncate(time.Millisecond)))
	if tai, err := hostcall.ClockGettime(hostTAI); err == nil {
		real, err := hostcall.ClockGettime(hostcall.CLOCK_REALTIME)
		if err == nil {
			c.tai = int64((tai - real).Round(time.Second))
		}
	}
	return c, nil
}

// Realtime returns CLOCK_REALTIME: nanoseconds since 1970.
func (c *Clocks) Realtime() int64 { return time.Now().UnixNano() }

// Monotonic returns CLOCK_MONOTONIC: nanoseconds since the host's boot, without suspension.
func (c *Clocks) Monotonic() int64 { return c.mono + int64(time.Since(c.base)) }

// Boottime returns CLOCK_BOOTTIME: Monotonic with suspension.
func (c *Clocks) Boottime() int64 { return c.Monotonic() + c.boot }

// Now returns the time of a clock, a CLOCK_* number. EINVAL for those it does not have;
// CPU-time clocks are not among them.
func (c *Clocks) Now(clock int32) (int64, error) {
	switch clock {
	case linux.CLOCK_REALTIME, linux.CLOCK_REALTIME_ALARM:
		return c.Realtime(), nil
	case linux.CLOCK_MONOTONIC:
		return c.Monotonic(), nil
	case linux.CLOCK_MONOTONIC_RAW:
		d, err := hostcall.ClockGettime(hostcall.CLOCK_MONOTONIC_RAW)
		return int64(d), err
	case linux.CLOCK_REALTIME_COARSE:
		now := c.Realtime()
		return now - now%CoarseResolution, nil
	case linux.CLOCK_MONOTONIC_COARSE:
		now := c.Monotonic()
		return now - now%CoarseResolution, nil
	case linux.CLOCK_BOOTTIME, linux.CLOCK_BOOTTIME_ALARM:
		return c.Boottime(), nil
	case linux.CLOCK_TAI:
		return c.Realtime() + c.tai, nil
	}
	return 0, errno.EINVAL
}

// Resolution returns the resolution of a clock in nanoseconds (clock_getres(2)).
func (c *Clocks) Resolution(clock int32) (int64, error) {
	switch clock {
	case linux.CLOCK_REALTIME, linux.CLOCK_REALTIME_ALARM, linux.CLOCK_MONOTONIC,
		linux.CLOCK_MONOTONIC_RAW, linux.CLOCK_BOOTTIME, linux.CLOCK_BOOTTIME_ALARM, linux.CLOCK_TAI:
		return 1, nil
	case linux.CLOCK_REALTIME_COARSE, linux.CLOCK_MONOTONIC_COARSE:
		return CoarseResolution, nil
	}
	return 0, errno.EINVAL
}

// CanSet reports whether timers can be set on a clock; for other clocks that can be
// read, Linux gives EOPNOTSUPP (timer_create(2), clock_nanosleep(2)).
func CanSet(clock int32) bool {
	switch clock {
	case linux.CLOCK_REALTIME, linux.CLOCK_REALTIME_ALARM, linux.CLOCK_MONOTONIC,
		linux.CLOCK_BOOTTIME, linux.CLOCK_BOOTTIME_ALARM, linux.CLOCK_TAI:
		return true
	}
	return false
}

// base returns which of the two clocks that timers are kept by serves clock, and
// what to subtract from a time of clock to get one of that.
func (c *Clocks) baseOf(clock int32) (realtime bool, offset int64) {
	switch clock {
	case linux.CLOCK_REALTIME, linux.CLOCK_REALTIME_ALARM:
		return true, 0
	case linux.CLOCK_TAI:
		return true, c.tai
	case linux.CLOCK_BOOTTIME, linux.CLOCK_BOOTTIME_ALARM:
		return false, c.boot
	}
	return false, 0
}
