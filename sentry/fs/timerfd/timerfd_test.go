package timerfd

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/ktime"
	"ringfence/sentry/usermem"
)

func newTimer(t *testing.T, clock int32) *TimerFD {
	t.Helper()
	c, err := ktime.HostClocks()
	if err != nil {
		t.Fatal(err)
	}
	tfd, err := New(ktime.NewManager(c), clock)
	if err != nil {
		t.Fatal(err)
	}
	return tfd
}

func read(t *TimerFD) (uint64, error) {
	b := make([]byte, 8)
	s := usermem.FromBytes(b)
	_, err := t.Read(nil, nil, &s, 0, 0)
	return binary.LittleEndian.Uint64(b), err
}

func spec(value, interval time.Duration) linux.Itimerspec {
	return linux.Itimerspec{
		Value:    linux.DurationToTimespec(value),
		Interval: linux.DurationToTimespec(interval),
	}
}

type counter struct{ n int }

func (c *counter) Wake(*wait.Entry, wait.Mask) { c.n++ }

func TestPeriodicTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tfd := newTimer(t, linux.CLOCK_MONOTONIC)
		var woken counter
		e := wait.Entry{Waiter: &woken, Mask: wait.In}
		tfd.Queue(nil).Register(&e)
		if _, err := read(tfd); err != errno.EAGAIN {
			t.Errorf("read of a new timer: %v", err)
		}
		tfd.Set(0, spec(time.Second, 10*time.Second))
		time.Sleep(500 * time.Millisecond)
		if s := tfd.Get(); s.Value.Duration() != 500*time.Millisecond {
			t.Errorf("half of a second left: %v", s)
		}
		time.Sleep(36 * time.Second)
		synctest.Wait()
		if woken.n != 1 || tfd.Readiness(nil) != wait.In {
			t.Errorf("woken %d times, polls as %#x", woken.n, tfd.Readiness(nil))
		}
		// Expired at 1, 11, 21 and 31 seconds; now it is 36.5.
		if n, err := read(tfd); n != 4 || err != nil {
			t.Errorf("read %d %v, want 4", n, err)
		}
		if s := tfd.Get(); s.Value.Duration() != 4500*time.Millisecond || s.Interval.Duration() != 10*time.Second {
			t.Errorf("until the next: %v", s)
		}
		old, err := tfd.Set(0, linux.Itimerspec{})
		if err != nil || old.Interval.Duration() != 10*time.Second {
			t.Errorf("old setting %v, %v", old, err)
		}
		time.Sleep(time.Hour)
		if _, err := read(tfd); err != errno.EAGAIN {
			t.Errorf("read of a stopped timer: %v", err)
		}
		tfd.Release(nil)
	})
}

func TestAbsoluteTimerInThePastExpiresAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tfd := newTimer(t, linux.CLOCK_REALTIME)
		tfd.Set(linux.TFD_TIMER_ABSTIME, spec(time.Second, 0))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n, err := read(tfd); n != 1 || err != nil {
			t.Errorf("read %d %v", n, err)
		}
		// A period since 1970 gives that many expiries.
		tfd.Set(linux.TFD_TIMER_ABSTIME, spec(time.Second, time.Hour))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n, _ := read(tfd); n < 24*365*29 {
			t.Errorf("read %d", n)
		}
		tfd.Release(nil)
	})
}

func TestClockSetCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tfd := newTimer(t, linux.CLOCK_REALTIME)
		far := spec(100*365*24*time.Hour, 0)
		tfd.Set(linux.TFD_TIMER_ABSTIME|linux.TFD_TIMER_CANCEL_ON_SET, far)
		tfd.ClockWasSet()
		if tfd.Readiness(nil) != wait.In {
			t.Error("a canceled timer is not readable")
		}
		if _, err := read(tfd); err != errno.ECANCELED {
			t.Errorf("read: %v", err)
		}
		if _, err := read(tfd); err != errno.EAGAIN {
			t.Errorf("read again: %v", err)
		}
		tfd.ClockWasSet()
		if _, err := tfd.Set(linux.TFD_TIMER_ABSTIME|linux.TFD_TIMER_CANCEL_ON_SET, far); err != errno.ECANCELED {
			t.Errorf("set after the clock was: %v", err)
		}
		tfd.Set(linux.TFD_TIMER_ABSTIME, far)
		tfd.ClockWasSet()
		if _, err := read(tfd); err != errno.EAGAIN {
			t.Errorf("without TFD_TIMER_CANCEL_ON_SET: %v", err)
		}
		tfd.Release(nil)
	})
}

func TestArguments(t *testing.T) {
	c, _ := ktime.HostClocks()
	m := ktime.NewManager(c)
	for _, clock := range []int32{-1, 2, 3, 4, 5, 6, 10, 11, 12} {
		if _, err := New(m, clock); err != errno.EINVAL {
			t.Errorf("clock %d: %v", clock, err)
		}
	}
	tfd := newTimer(t, linux.CLOCK_BOOTTIME)
	if _, err := tfd.Set(4, spec(1, 0)); err != errno.EINVAL {
		t.Errorf("flags: %v", err)
	}
	if _, err := tfd.Set(0, linux.Itimerspec{Value: linux.Timespec{Nsec: 1e9}}); err != errno.EINVAL {
		t.Errorf("nanoseconds: %v", err)
	}
}
