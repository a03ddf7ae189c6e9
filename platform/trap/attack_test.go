package trap

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringfence/platform"
	"ringfence/platform/hostcall"
)

// The guests of these tests attack the stub, the sentry and each other.

// TestNewThreadsAreConfined has a guest write to the areas of threads to come, so that they
// give up less than they should.
func TestNewThreadsAreConfined(t *testing.T) {
	r := newRig(t)
	// The program that the attacker wants: everything is allowed.
	le := binary.LittleEndian
	le.PutUint64(r.data()[2048:], 0x7fff0000<<32|bpfReturn)
	code := []byte{
		0x48, 0x89, 0xdf, // again: mov %rbx, %rdi
		0xb9, 29, 0, 0, 0, // mov $29, %ecx
		0x48, 0x89, 0x37, // next: mov %rsi, (%rdi)
		0x48, 0x89, 0x57, 0x08, // mov %rdx, 8(%rdi)
		0x48, 0x83, 0xc7, 0x10, // add $16, %rdi
		0xe2, 0xf3, // loop next
		0xeb, 0xe9, // jmp again
	}
	const victim = 64
	code = concat(code, make([]byte, victim-len(code)), mov(9), syscallBytes, ud2)
	x := r.text(code)
	for start := time.Now(); time.Since(start) < time.Second; {
		as := r.space(t, x)
		ready := make(chan struct{})
		var wg sync.WaitGroup
		attacker := r.guest(t, as)
		wg.Go(func() {
			g := attacker
			// A struct sock_fprog, wherever there could be one.
			g.regs.Rbx, g.regs.Rsi, g.regs.Rdx = areaAddr+areaSize+0x220, 1, uint64(dataAt)+2048
			for i := 0; ; i++ {
				ev, err := g.c.Switch(g.as, &g.regs)
				if err != nil || ev.Kind == platform.Interrupted {
					break
				}
				if i == 3 {
					close(ready)
				}
			}
		})
		<-ready
		g := r.guest(t, as)
		g.regs.Rip += victim
		// mmap of a page without a file.
		g.regs.Rdi, g.regs.Rsi, g.regs.Rdx, g.regs.R10, g.regs.R8 = uint64(nowhere), 4096, 3, 0x32, ^uint64(0)
		if ev, err := g.c.Switch(as, &g.regs); err == nil && ev.Kind != platform.Syscall {
			t.Fatalf("the guest made a host call: %+v, result %#x", ev, g.regs.Rax)
		}
		attacker.c.Interrupt()
		wg.Wait()
		attacker.c.Release()
		g.release()
	}
}

// switchUntil runs Switch until it reports an interrupt, a call or an error, and says so to done.
func (g *guest) switchUntil(done chan<- string) {
	for {
		ev, err := g.c.Switch(g.as, &g.regs)
		switch {
		case err != nil:
			done <- err.Error()
			return
		case ev.Kind == platform.Interrupted:
			done <- "interrupted"
			return
		}
	}
}

// TestInterruptIsHeeded has threads keep each other from reporting anything, one way or another.
// An interrupt must get through, or end them.
func TestInterruptIsHeeded(t *testing.T) {
	defer func(d time.Duration) { stubborn = d }(stubborn)
	stubborn = time.Second
	r := newRig(t)
	loop := func(code ...[]byte) []byte {
		c := concat(code...)
		return concat(c, []byte{0xeb, byte(-2 - len(c))})
	}
	// Stores to the area at RDI.
	event := func(v byte) []byte { return []byte{0xc7, 0x47, 0x20, v, 0, 0, 0} }
	turn := func(v byte) []byte { return []byte{0xc7, 0x47, 0x10, v, 0, 0, 0} }
	marks := r.p.code.marks
	for _, c := range []struct {
		name string
		code []byte
	}{
		{"event that does not exist", loop(event(99), turn(turnSentry))},
		{"no event", loop(event(0), turn(turnSentry))},
		{"interrupt", loop(event(eventInterrupted), turn(turnSentry))},
		{"saved", loop(event(eventSaved), turn(turnSentry))},
		{"signal", loop(event(eventSignal), turn(turnSentry))},
		{"call", loop(event(eventCall), turn(turnSentry))},
		{"turn of the guest", loop(turn(turnGuest))},
		{"turns", loop(turn(turnGuest), turn(turnSentry))},
		{"waking the sentry", concat(
			[]byte{0xf3, 0x48, 0x0f, 0xae, 0xdf}, // wrgsbase %rdi
			turn(turnGuest),
			[]byte{0xc7, 0x47, 0x18, 1, 0, 0, 0}, // the sentry sleeps
			[]byte{0xff, 0xe6},                   // jmp *%rsi: wake it; it goes on where the area says
		)},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := r.text(concat(syscallBytes, c.code))
			as := r.space(t, x)
			guests := []*guest{r.guest(t, as), r.guest(t, as)}
			done := make(chan string, len(guests))
			for _, g := range guests {
				g.want(platform.Syscall) // It has its area now.
			}
			for i, g := range guests {
				other := guests[(i+1)%len(guests)].c.thread
				g.regs.Rdi, g.regs.Rsi = other.addr, marks[posted]
				go g.switchUntil(done)
			}
			for _, g := range guests {
				time.AfterFunc(100*time.Millisecond, g.c.Interrupt)
			}
			var ends []string
			for range guests {
				select {
				case how := <-done:
					ends = append(ends, how)
				case <-time.After(10 * time.Second):
					t.Fatalf("nobody heeds; so far %q", ends)
				}
			}
			t.Log(fmt.Sprintf("%q", ends))
			for _, g := range guests {
				g.c.Release()
			}
			as.Release()
		})
	}
}

// TestInterruptIsHeededWhateverTheAreaSays is the same with an attacker who always wins the race: the
// sentry sees another area than the thread.
func TestInterruptIsHeededWhateverTheAreaSays(t *testing.T) {
	defer func(d time.Duration) { stubborn = d }(stubborn)
	stubborn = 500 * time.Millisecond
	r := newRig(t)
	for _, c := range []struct {
		name   string
		attack func(a *area)
	}{
		{"nothing", func(*area) { time.Sleep(time.Millisecond) }},
		{"event that does not exist", func(a *area) { a.event = 99; atomic.StoreUint32(&a.turn, turnSentry) }},
		{"signals of others", func(a *area) {
			a.event = eventSignal
			a.frame, a.info = a.self+stackOffset, a.self+stackOffset
			atomic.StoreUint32(&a.turn, turnSentry)
		}},
		{"wakes", func(a *area) { hostcall.FutexWake(&a.turn, 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := r.text(concat(syscallBytes, []byte{0xeb, 0xfe}))
			g := r.guest(t, r.space(t, x))
			g.want(platform.Syscall)
			real := g.c.thread.mem
			forged := r.mem[rigData : rigData+areaSize] // not Go's, for the race detector
			copy(forged, real)
			setArea := func(b []byte) {
				g.c.mu.Lock()
				defer g.c.mu.Unlock()
				g.c.thread.mem, g.c.thread.area = b, areaOf(b)
			}
			setArea(forged)
			var stop atomic.Bool
			var wg sync.WaitGroup
			wg.Go(func() {
				for !stop.Load() {
					c.attack(areaOf(forged))
				}
			})
			done := make(chan string, 1)
			go g.switchUntil(done)
			time.AfterFunc(10*time.Millisecond, g.c.Interrupt)
			select {
			case how := <-done:
				t.Log(how)
			case <-time.After(10 * time.Second):
				t.Error("nobody heeds")
				stop.Store(true)
				hostcall.Kill(g.c.thread.proc.stub.PID(), sigKill)
				<-done
			}
			stop.Store(true)
			wg.Wait()
			setArea(real)
			g.release()
		})
	}
}
