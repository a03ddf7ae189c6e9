package ptrace

import (
	"runtime"
	"testing"
	"time"

	"ringfence/platform"
	"ringfence/platform/hostcall"
	"ringfence/platform/platformtest"
)

// TestForeignSignals sends stub processes signals as anybody on the host might.
func TestForeignSignals(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, sig := range []int{1, 2, 4, 5, 7, 8, 10, 11, kickSignal, 13, 14, 15, 17, 18, 19, 20, 21, 31, 33, 34, 64} {
		as, regs, more := platformtest.Caller(t, p)
		c := p.NewContext()
		pid := as.(*addressSpace).proc.PID()
		call := func() {
			t.Helper()
			ev, err := c.Switch(as, &regs)
			if err != nil || ev.Kind != platform.Syscall {
				t.Fatalf("after signal %d: %+v, %v", sig, ev, err)
			}
		}
		call()
		for range 3 {
			if err := hostcall.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
			if sig != 19 {
				hostcall.Tgkill(pid, c.(*context).thread.tid, sig)
			}
			call()
			if err := more(); err != nil {
				t.Errorf("map after signal %d: %v", sig, err)
			}
		}
		c.Release()
		as.Release()
	}
}

// TestKilledGuest checks that the death of a stub process ends what its contexts do,
// and nothing else.
func TestKilledGuest(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	t.Run("while_it_runs", func(t *testing.T) {
		as, regs, spinning := platformtest.Spinner(t, p)
		s := as.(*addressSpace)
		failed := make(chan error)
		for range 3 {
			go func() {
				c, r := p.NewContext(), regs
				_, err := c.Switch(as, &r)
				if err == nil {
					t.Error("Switch in a killed process succeeded")
				}
				_, again := c.Switch(as, &r)
				if again == nil {
					t.Error("second Switch in a killed process succeeded")
				}
				c.Interrupt()
				c.Release()
				failed <- err
			}()
		}
		for !spinning() {
			runtime.Gosched()
		}
		hostcall.Kill(s.proc.PID(), 9)
		for range 3 {
			select {
			case <-failed:
			case <-time.After(10 * time.Second):
				t.Fatal("Switch does not return")
			}
		}
		if err := as.Unmap(platformtest.UnusedRange); err == nil {
			t.Error("Unmap in a killed process succeeded")
		}
		as.Release()
	})
	t.Run("while_it_is_stopped", func(t *testing.T) {
		as, regs, more := platformtest.Caller(t, p)
		c := p.NewContext()
		if _, err := c.Switch(as, &regs); err != nil {
			t.Fatal(err)
		}
		hostcall.Kill(as.(*addressSpace).proc.PID(), 9)
		// Nobody waits for the dead thread before this: the answer must not take for ever.
		if err := more(); err == nil {
			t.Error("Map in a killed process succeeded")
		}
		if _, err := c.Switch(as, &regs); err == nil {
			t.Error("Switch in a killed process succeeded")
		}
		// The context can go on in another address space.
		as2, regs, _ := platformtest.Caller(t, p)
		if ev, err := c.Switch(as2, &regs); err != nil || ev.Kind != platform.Syscall {
			t.Errorf("%+v, %v", ev, err)
		}
		as.Release()
		c.Release()
		as2.Release()
	})
	if n := len(stubPIDs(int(hostcall.Getpid()))); n > maxStubs {
		t.Errorf("%d stub processes are left", n)
	}
}

// maxStubs are the template and the idle processes that a factory keeps.
const maxStubs = 17
