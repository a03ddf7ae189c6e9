package ktime

import (
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/hostcall"
)

// log collects expiries of timers by key.
type log struct {
	mu   sync.Mutex
	got  []uint64
	seqs []uint64
	sets int
}

func (l *log) TimerExpired(t *Timer, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, t.Key)
	l.seqs = append(l.seqs, seq)
}

func (l *log) ClockWasSet() { l.sets++ }

func (l *log) keys() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

func newManager(t *testing.T) *Manager {
	t.Helper()
	c, err := HostClocks()
	if err != nil {
		t.Fatal(err)
	}
	return NewManager(c)
}

func TestClocksAgreeWithHost(t *testing.T) {
	c, err := HostClocks()
	if err != nil {
		t.Fatal(err)
	}
	for _, clock := range []int32{linux.CLOCK_REALTIME, linux.CLOCK_MONOTONIC, linux.CLOCK_MONOTONIC_RAW,
		linux.CLOCK_REALTIME_COARSE, linux.CLOCK_MONOTONIC_COARSE, linux.CLOCK_BOOTTIME, linux.CLOCK_TAI} {
		before, err := hostcall.ClockGettime(clock)
		if err != nil {
			t.Fatal(err)
		}
		now, err := c.Now(clock)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := hostcall.ClockGettime(clock)
		slack := int64(time.Millisecond)
		if clock == linux.CLOCK_REALTIME_COARSE || clock == linux.CLOCK_MONOTONIC_COARSE {
			slack += CoarseResolution + int64(10*time.Millisecond)
		}
		if now < int64(before)-slack || now > int64(after)+slack {
			t.Errorf("clock %d: %d not between %d and %d", clock, now, before, after)
		}
	}
	for _, clock := range []int32{-1, 2, 3, 10, 12, 100} {
		if _, err := c.Now(clock); err != errno.EINVAL {
			t.Errorf("clock %d: %v", clock, err)
		}
	}
}

func TestTimersFireInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t)
		var l log
		timers := make([]Timer, 40)
		for i := range timers {
			timers[i] = Timer{Listener: &l, Key: uint64(i)}
			clock := []int32{linux.CLOCK_MONOTONIC, linux.CLOCK_REALTIME, linux.CLOCK_BOOTTIME, linux.CLOCK_TAI}[i%4]
			m.SetAfter(&timers[i], clock, int64(time.Duration(1+(i*7)%40)*time.Minute), 0)
		}
		m.Stop(&timers[3])
		m.SetAfter(&timers[5], linux.CLOCK_MONOTONIC, int64(100*time.Minute), 0)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		var want []uint64
		for at := 1; at <= 40; at++ {
			for i := range timers {
				if 1+(i*7)%40 == at && i != 3 && i != 5 {
					want = append(want, uint64(i))
				}
			}
		}
		want = append(want, 5)
		if got := l.keys(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestPastExpiryFiresAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t)
		var l log
		tm := Timer{Listener: &l}
		seq := m.Set(&tm, linux.CLOCK_MONOTONIC, 1, 0)
		synctest.Wait()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if len(l.seqs) != 1 || l.seqs[0] != seq {
			t.Errorf("got %v, want one expiry of %d", l.seqs, seq)
		}
		if s := m.Get(&tm); s != (Setting{}) {
			t.Errorf("after a single expiry: %+v", s)
		}
	})
}

func TestPeriodicTimerCountsMissedPeriods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t)
		var l log
		tm := Timer{Listener: &l}
		sec := int64(time.Second)
		m.SetAfter(&tm, linux.CLOCK_MONOTONIC, sec, 10*sec)
		time.Sleep(36 * time.Second)
		synctest.Wait()
		if len(l.keys()) != 1 {
			t.Fatalf("fired %d times without Forward", len(l.keys()))
		}
		if s := m.Get(&tm); s.Remaining != 5*sec || s.Interval != 10*sec {
			t.Errorf("after an unnoticed expiry: %+v", s)
		}
		missed, seq := m.Forward(&tm)
		if missed != 3 {
			t.Errorf("missed %d periods, want 3", missed)
		}
		if again, seq2 := m.Forward(&tm); again != 0 || seq2 != seq {
			t.Errorf("second Forward: %d, %d", again, seq2)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		synctest.Wait()
		if l.seqs[len(l.seqs)-1] != seq || len(l.seqs) != 2 {
			t.Errorf("expiries %v, want last %d", l.seqs, seq)
		}
		m.Stop(&tm)
		if n, _ := m.Forward(&tm); n != 0 || m.Armed(&tm) {
			t.Error("Forward set a stopped timer")
		}
	})
}

func TestFarFutureNeverFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t)
		var l log
		a, b := Timer{Listener: &l}, Timer{Listener: &l}
		m.SetAfter(&a, linux.CLOCK_MONOTONIC, math.MaxInt64, 0)
		m.SetAfter(&b, linux.CLOCK_REALTIME, math.MaxInt64, math.MaxInt64)
		time.Sleep(1000 * time.Hour)
		synctest.Wait()
		if len(l.keys()) != 0 {
			t.Error("fired")
		}
		if s := m.Get(&a); s.Remaining <= 0 {
			t.Errorf("%+v", s)
		}
		m.Stop(&a)
		m.Stop(&b)
	})
}

func TestClockSetIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t)
		var l log
		m.WatchClock(&l)
		time.Sleep(5 * time.Second)
		if l.sets != 0 {
			t.Error("told of a set clock that was not")
		}
		m.mu.Lock()
		m.offset -= int64(time.Hour)
		m.mu.Unlock()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if l.sets != 1 {
			t.Errorf("told %d times, want 1", l.sets)
		}
		m.UnwatchClock(&l)
	})
}

func BenchmarkSetStop(b *testing.B) {
	c, _ := HostClocks()
	m := NewManager(c)
	var l log
	tm := Timer{Listener: &l}
	b.ReportAllocs()
	for b.Loop() {
		m.SetAfter(&tm, linux.CLOCK_MONOTONIC, int64(time.Hour), 0)
		m.Stop(&tm)
	}
}
