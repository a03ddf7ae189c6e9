package hostcall

import (
	"time"

	"golang.org/x/sys/unix"
)

// Host clocks.
const (
	CLOCK_REALTIME           = unix.CLOCK_REALTIME
	CLOCK_MONOTONIC          = unix.CLOCK_MONOTONIC
	CLOCK_PROCESS_CPUTIME_ID = unix.CLOCK_PROCESS_CPUTIME_ID
	CLOCK_THREAD_CPUTIME_ID  = unix.CLOCK_THREAD_CPUTIME_ID
	CLOCK_MONOTONIC_RAW      = unix.CLOCK_MONOTONIC_RAW
	CLOCK_BOOTTIME           = unix.CLOCK_BOOTTIME
)

// ClockGettime returns the time of a host clock since its zero.
func ClockGettime(clock int32) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0, wrap(err)
	}
	return time.Duration(ts.Nano()), nil
}
