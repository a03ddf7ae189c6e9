package trap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/cpu"
)

// stormTime bounds the rounds of one storm.
const stormTime = 200 * time.Millisecond

// stormLoop returns a guest that R12 times adds 1 to (RBX) and XMM1 to XMM0, makes the call of a site, and
// checks its result, which R13 holds, and the red zone. At end is an UD2; it gets elsewhere if something is wrong.
func stormLoop(s site) (code []byte, sites site, end int) {
	head := []byte{
		0xf0, 0x48, 0xff, 0x03, // lock incq (%rbx)
		0x66, 0x0f, 0xd4, 0xc1, // paddq %xmm1, %xmm0
		0x4c, 0x89, 0x64, 0x24, 0xf8, // mov %r12, -8(%rsp)
	}
	tail := []byte{
		0x4c, 0x39, 0xe8, // cmp %r13, %rax
		0x75, 0x0e, // jne bad
		0x4c, 0x39, 0x64, 0x24, 0xf8, // cmp %r12, -8(%rsp)
		0x75, 0x07, // jne bad
		0x49, 0xff, 0xcc, // dec %r12
		0x75, 0xe1 - byte(len(s.code)-1), // jnz loop
		0x0f, 0x0b, // ud2
		0xcc, // bad
	}
	code = concat(head, s.code, tail)
	return code, site{s.code, len(head) + s.end, len(head) + s.next}, len(code) - 3
}

// storm is what one test of interrupts does.
type storm struct {
	nr      uint32 // the call
	result  uint64
	rdi     uint64 // its first argument
	answers bool
	clock   bool

	slowly bool   // the sentry returns by IRETQ
	gs     uint64 // GS base of the guest
	bases  bool   // the FS base changes with each call
	fpu    bool   // the extended state is read and written meanwhile
}

// TestInterruptStorms interrupts guests all the time that they make calls, of every way there is,
// and checks that registers, memory and extended state stay exact.
func TestInterruptStorms(t *testing.T) {
	r := newRig(t)
	r.p.SetClock(clockParams(1, 1, 1))
	for _, c := range []struct {
		name  string
		storm storm
		kinds []siteKind
	}{
		{"answered getpid", storm{nr: 39, result: 1001, answers: true}, []siteKind{movSite, cmp95Site}},
		{"sched_yield", storm{nr: 24, answers: true}, []siteKind{movSite}},
		{"clock_gettime", storm{nr: kindClockNr, rdi: 1, answers: true}, []siteKind{movSite, short96Site}},
		{"clock_gettime that nobody answers", storm{nr: kindClockNr, rdi: 3, answers: true}, []siteKind{movSite}},
		{"call", storm{nr: 500, result: 7}, []siteKind{movSite, cmp95Site, short95Site, noSite}},
		{"call with slow return", storm{nr: 500, result: 7, slowly: true}, []siteKind{movSite, cmp96Site, noSite}},
		{"call with a GS base", storm{nr: 500, result: 7, gs: uint64(nowhere)}, []siteKind{movSite, cmp95Site, noSite}},
		{"call that changes the FS base", storm{nr: 500, result: 7, bases: true}, []siteKind{movSite, noSite}},
		{"call while the extended state is looked at", storm{nr: 500, result: 7, fpu: true}, []siteKind{movSite, noSite}},
	} {
		for _, k := range c.kinds {
			t.Run(fmt.Sprintf("%s/kind_%d", c.name, k), func(t *testing.T) {
				c.storm.run(t, r, k)
			})
		}
	}
}

// extended returns extended state in which everything but XMM0 and XMM1 is random.
func extended(t testing.TB) arch.FPUState {
	f := arch.NewFPUState()
	x := cpu.Host()
	features := uint64(cpu.XFeatureSSE)
	for i := 160; i < 416; i++ {
		f[i] = byte(rand.Uint32())
	}
	for _, bit := range []int{2, 5, 6, 7} { // AVX and AVX-512
		if at, size, ok := x.Component(bit); ok && x.Features&(1<<bit) != 0 {
			features |= 1 << bit
			for i := at; i < at+size; i++ {
				f[i] = byte(rand.Uint32())
			}
		}
	}
	le := binary.LittleEndian
	clear(f[160:192])
	le.PutUint64(f[176:], 1)
	le.PutUint64(f[512:], features)
	return f
}

func (s storm) run(t *testing.T, r *rig, k siteKind) {
	code, sites, end := stormLoop(siteOf(k, s.nr))
	x := r.text(code)
	as := r.space(t, x)
	if k != noSite {
		x.patch(t, as, sites.end, uint64(s.nr))
	}
	g := r.guest(t, as)
	defer g.release()
	if s.answers {
		g.c.SetAnswers(answered1)
	}
	f := extended(t)
	if err := g.c.SetFPU(f); err != nil {
		t.Fatal(err)
	}

	var stop atomic.Bool
	stopped := make(chan int)
	go func() {
		n := 0
		for ; !stop.Load(); n++ {
			g.c.Interrupt()
			for range rand.IntN(2000) { // up to some microseconds
				runtime.KeepAlive(n)
			}
			if n%64 == 0 {
				runtime.Gosched()
			}
		}
		stopped <- n
	}()
	defer func() {
		stop.Store(true)
		<-stopped
	}()

	le := binary.LittleEndian
	counter := r.data()[512:]
	le.PutUint64(counter, 0)
	total, interrupts, calls := uint64(0), 0, 0
	for start := time.Now(); time.Since(start) < stormTime || interrupts == 0; {
		const each = 250
		total += each
		g.regs = arch.NewRegisters(textAt, stackAt-256)
		g.fill(total, 0)
		g.regs.Rdi, g.regs.Rsi = s.rdi, uint64(dataAt)
		g.regs.Rbx, g.regs.R12, g.regs.R13 = uint64(dataAt)+512, each, s.result
		g.regs.GsBase = s.gs
		want := g.regs
		check := func(what string) {
			t.Helper()
			if d := differ(want, g.regs, "R12", "R11", "Rcx", "Rax", "OrigRax", "Rip", "Eflags"); d != "" {
				t.Fatalf("%s at %#x: %s", what, g.regs.Rip, d)
			}
			if pc := g.regs.Rip - uint64(textAt); pc > uint64(end) {
				t.Fatalf("%s at %#x", what, g.regs.Rip)
			}
		}
	round:
		for {
			ev := g.run()
			switch ev.Kind {
			case platform.Interrupted:
				interrupts++
				check("interrupted")
				// As a kernel does that has nothing to tell.
				g.regs.OrigRax = ^uint64(0)
			case platform.Syscall:
				calls++
				check("call")
				if g.regs.OrigRax != uint64(s.nr) || g.regs.Rip != uint64(textAt)+uint64(sites.end) || g.regs.Rcx != g.regs.Rip || g.regs.R11 != g.regs.Eflags {
					t.Fatalf("call: %+v", g.regs)
				}
				g.regs.SetReturn(s.result)
				if s.slowly {
					g.regs.Rcx = 5
				}
				if s.bases {
					g.regs.FsBase = uint64(calls) << 12
					want.FsBase = g.regs.FsBase
				}
				if s.fpu {
					now, err := g.c.FPU()
					if err == nil && calls%2 == 0 {
						err = g.c.SetFPU(now)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			case platform.Exception:
				check("end")
				if ev.Signal != sigIll || g.regs.Rip != uint64(textAt)+uint64(end) || g.regs.R12 != 0 {
					t.Fatalf("end with %+v: %+v", ev, g.regs)
				}
				break round
			default:
				t.Fatalf("event %+v at %#x", ev, g.regs.Rip)
			}
		}
		if n := le.Uint64(counter); n != total {
			t.Fatalf("counted %d in memory, want %d", n, total)
		}
		now, err := g.c.FPU()
		if err != nil {
			t.Fatal(err)
		}
		le.PutUint64(f[160:], total)
		if !bytes.Equal(now[160:416], f[160:416]) || !bytes.Equal(now[576:], f[576:]) {
			t.Fatalf("extended state differs:\n% x\n% x", now[160:], f[160:])
		}
	}
	t.Logf("%d rounds, %d interrupts, %d calls", total, interrupts, calls)
}

// TestNewThreadsAreInterrupted interrupts threads in their first moments.
func TestNewThreadsAreInterrupted(t *testing.T) {
	r := newRig(t)
	x := r.text(concat(mov(39), syscallBytes, ud2))
	as := r.space(t, x)
	first := r.guest(t, as)
	first.wantCall(39)
	defer first.release()
	var guests []*guest
	defer func() {
		for _, g := range guests {
			g.c.Release()
		}
	}()
	var stop atomic.Bool
	var current atomic.Pointer[guest]
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			if g := current.Load(); g != nil {
				g.c.Interrupt()
			}
			runtime.Gosched()
		}
	}()
	defer func() { stop.Store(true); <-done }()
	for range 300 {
		g := r.guest(t, as)
		guests = append(guests, g)
		g.fill(uint64(len(guests)), carry)
		g.regs.FsBase = 0x123000
		want := g.regs
		current.Store(g)
		for {
			ev := g.run()
			if ev.Kind != platform.Interrupted && ev.Kind != platform.Syscall {
				t.Fatalf("thread %d: event %+v at %#x", len(guests), ev, g.regs.Rip)
			}
			if d := differ(want, g.regs, "Rip", "Rax", "OrigRax", "Rcx", "R11"); d != "" || g.regs.Rip-uint64(textAt) > 7 {
				t.Fatalf("thread %d at %#x: %s", len(guests), g.regs.Rip, d)
			}
			if ev.Kind == platform.Syscall {
				break
			}
		}
		current.Store(nil)
	}
}

// TestAnswersEndWhileTheyAreGiven takes answers away, and gives them back, while the guest makes the call.
func TestAnswersEndWhileTheyAreGiven(t *testing.T) {
	r := newRig(t)
	code, s, end := stormLoop(siteOf(movSite, 39))
	x := r.text(code)
	as := r.space(t, x)
	x.patch(t, as, s.end, 39)
	g := r.guest(t, as)
	defer g.release()
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			g.c.SetAnswers(answered1)
			for range rand.IntN(200) {
				runtime.KeepAlive(g)
			}
			g.c.SetAnswers(platform.Answers{})
		}
	}()
	defer func() { stop.Store(true); <-done }()
	calls := 0
	for start := time.Now(); time.Since(start) < stormTime; {
		g.again(1, 0)
		g.regs.Rbx, g.regs.R12, g.regs.R13 = uint64(dataAt)+512, 10000, 1001
		for {
			ev := g.run()
			if ev.Kind != platform.Syscall {
				if g.regs.Rip != uint64(textAt)+uint64(end) {
					t.Fatalf("call is answered with %d: %+v", g.regs.Rax, ev)
				}
				break
			}
			calls++
			g.regs.SetReturn(1001)
		}
	}
	t.Logf("%d calls got through", calls)
}
