package clock

import (
	"testing"
	"time"
)

func TestCounter_agrees_with_the_monotonic_clock(t *testing.T) {
	c := NewCounter()
	for range 3 {
		begin, ticks := time.Now(), c.Now()
		time.Sleep(20 * time.Millisecond)
		most, ticks := time.Since(begin), c.Now()-ticks
		if got := c.Duration(ticks); got < 20*time.Millisecond || got > most+time.Millisecond {
			t.Errorf("slept 20ms to %v, and counted %v", most, got)
		}
	}
	if c.Duration(-5) != 0 || c.Duration(0) != 0 {
		t.Error("no ticks take time")
	}
}

func BenchmarkCounter(b *testing.B) {
	c := NewCounter()
	for b.Loop() {
		c.Now()
	}
}
