package platformtest

import (
	"runtime"
	"sync/atomic"
	"testing"

	"ringfence/platform"
	"ringfence/platform/hostcall"
)

func testInterrupt(t *testing.T, m *machine) {
	t.Run("before_the_first_Switch", func(t *testing.T) {
		g := m.guest(t, m.space(t), callLoop)
		defer g.release()
		before := *g.regs
		g.c.Interrupt()
		g.c.Interrupt()
		g.want(platform.Interrupted)
		if *g.regs != before {
			t.Errorf("registers changed: %+v", *g.regs)
		}
		g.want(platform.Syscall)
	})
	t.Run("between", func(t *testing.T) {
		g := m.guest(t, m.space(t), callLoop)
		defer g.release()
		for range 100 {
			g.want(platform.Syscall)
			g.c.Interrupt()
			g.want(platform.Interrupted)
		}
		g.want(platform.Syscall)
	})
	t.Run("while_the_guest_spins", func(t *testing.T) {
		g := m.guest(t, m.space(t), spinLoop)
		g.regs.Rdi = uint64(dataAt)
		counter := hostcall.Word64(m.data(), 0)
		const rounds = 50
		done := make(chan struct{})
		var seen atomic.Int32
		go func() {
			defer close(done)
			defer g.release()
			for range rounds {
				ev, err := g.c.Switch(g.as, g.regs)
				if err != nil || ev.Kind != platform.Interrupted {
					t.Errorf("%+v, %v", ev, err)
					return
				}
				if pc := g.regs.PC(); pc < spinLoop.at() || pc >= spinLoop.at()+routineSlot {
					t.Errorf("interrupted at %#x", uint64(pc))
				}
				seen.Add(1)
			}
		}()
		for i := range int32(rounds) {
			before := atomic.LoadUint64(counter)
			for atomic.LoadUint64(counter) == before && seen.Load() < rounds {
				runtime.Gosched()
			}
			g.c.Interrupt()
			for seen.Load() <= i {
				select {
				case <-done:
					return
				default:
					runtime.Gosched()
				}
			}
		}
		<-done
		g.c.Interrupt() // Nothing to interrupt any more.
	})
	t.Run("while_the_guest_makes_calls", func(t *testing.T) {
		g := m.guest(t, m.space(t), callLoop)
		var stop atomic.Bool
		done := make(chan int)
		go func() {
			n := 0
			for !stop.Load() {
				g.c.Interrupt()
				n++
				runtime.Gosched()
			}
			done <- n
		}()
		calls, interrupts := uint64(0), 0
		// The other goroutine may take its time to begin.
		for calls < 2000 || interrupts == 0 && calls < 1_000_000 {
			g.regs.Rdi = calls
			g.regs.Rax = 39
			switch ev := g.run(); ev.Kind {
			case platform.Syscall:
				if g.regs.SyscallNo() != 39 || g.regs.Rdi != calls {
					t.Errorf("call %d has number %d, argument %d", calls, g.regs.SyscallNo(), g.regs.Rdi)
				}
				calls++
			case platform.Interrupted:
				interrupts++
				if g.regs.PC() != callLoop.at() && g.regs.PC() != callLoop.at()+2 {
					t.Errorf("interrupted at %#x", g.regs.Rip)
				}
			default:
				t.Fatalf("%+v", ev)
			}
		}
		stop.Store(true)
		<-done
		if interrupts == 0 {
			t.Error("no interrupt arrived")
		}
		g.release()
	})
}

// Busy starts guests that spin, make calls or have stopped, in several address spaces,
// and leaves them to their fate. It is for tests of what happens to them when the
// sentry dies.
func Busy(p platform.Platform) {
	m := newMachine(noTest{}, p)
	for _, r := range []routine{spinLoop, callLoop, load} {
		as := m.space(noTest{})
		for range 2 {
			started := make(chan struct{})
			go func() {
				g := m.guest(noTest{}, as, callLoop)
				g.run()
				close(started)
				g.regs.Rip, g.regs.Rdi = uint64(r.at()), uint64(dataAt)
				if r == load {
					select {}
				}
				for {
					g.run()
				}
			}()
			<-started
		}
	}
}

// noTest stands in for a test where none runs: failures panic.
type noTest struct{ testing.TB }

func (noTest) Helper()                   {}
func (noTest) Cleanup(func())            {}
func (noTest) Fatal(a ...any)            { panic(a) }
func (noTest) Fatalf(f string, a ...any) { panic(a) }
