package trap

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/clock"
	"ringfence/platform/hostcall"
)

// callSite returns a guest whose code is a patched site of kind k for call nr, and UD2.
func (r *rig) callSite(t *testing.T, k siteKind, nr uint32) (*guest, site) {
	t.Helper()
	s := siteOf(k, nr)
	x := r.text(concat(s.code, ud2))
	as := r.space(t, x)
	x.patch(t, as, s.end, uint64(nr))
	return r.guest(t, as), s
}

// again starts the guest anew.
func (g *guest) again(seed, flags uint64) {
	g.regs = arch.NewRegisters(textAt, stackAt-256)
	g.fill(seed, flags)
}

// wantAnswer wants the call to be answered with v, all other registers kept.
func (g *guest) wantAnswer(s site, v uint64) {
	g.t.Helper()
	before := g.regs
	ev := g.want(platform.Exception)
	if ev.Signal != sigIll {
		g.t.Fatalf("event %+v at %#x", ev, g.regs.Rip)
	}
	g.regs.Eflags &^= resumeFlag // of the UD2
	before.Rax, before.Rip = v, uint64(textAt)+uint64(s.next)
	but := []string{"Rcx", "R11"} // which calls destroy
	if s.end != s.next {
		but = append(but, "Eflags") // which the CMP sets
	}
	if d := differ(before, g.regs, but...); d != "" {
		g.t.Error(d)
	}
}

var answered1 = platform.Answers{On: true, PID: 1001, TID: 1002, PPID: 1003, UID: 0xfffffff5, EUID: 1006, GID: 1007, EGID: 1 << 31}

func TestAnswers(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		name string
		nr   uint32
		want uint64
	}{
		{"getpid", 39, 1001}, {"gettid", 186, 1002}, {"getppid", 110, 1003},
		{"getuid", 102, 0xfffffff5}, {"geteuid", 107, 1006}, {"getgid", 104, 1007}, {"getegid", 108, 1 << 31},
		{"sched_yield", 24, 0},
	} {
		for _, k := range siteKinds[:2] {
			t.Run(c.name+"/"+k.name, func(t *testing.T) {
				g, s := r.callSite(t, k.kind, c.nr)
				defer g.release()
				g.again(1, carry|direction)
				g.wantCall(uint64(c.nr)) // Nobody has given answers.
				for i := range 3 {
					// Before and after it has a thread.
					g.c.SetAnswers(answered1)
					g.again(2, carry|direction|sign)
					g.wantAnswer(s, c.want)
					if i == 2 {
						break
					}
					g.c.SetAnswers(platform.Answers{})
					g.again(3, overflow)
					g.wantCall(uint64(c.nr))
				}
				// They stay with the context when it moves to another address space, as in exec.
				old := g.as
				x := r.text(concat(s.code, ud2))
				g.as = r.space(t, x)
				x.patch(t, g.as, s.end, uint64(c.nr))
				g.again(4, 0)
				g.wantAnswer(s, c.want)
				old.Release()
				g.again(5, 0)
				g.wantAnswer(s, c.want)
			})
		}
	}
}

func TestAnswersAreOfOneContext(t *testing.T) {
	r := newRig(t)
	g, s := r.callSite(t, movSite, 39)
	h := r.guest(t, g.as)
	g.c.SetAnswers(answered1)
	h.again(1, 0)
	h.wantCall(39)
	g.again(1, 0)
	g.wantAnswer(s, 1001)
	// A thread that goes to another context takes no answers along.
	g.c.Release()
	g = r.guest(t, h.as)
	g.again(1, 0)
	g.wantCall(39)
	h.c.Release()
	g.release()
}

// TestOtherNumbersAreNotAnswered makes calls whose numbers are near those that are answered.
func TestOtherNumbersAreNotAnswered(t *testing.T) {
	r := newRig(t)
	g, _ := r.callSite(t, cmp95Site, 0)
	defer g.release()
	g.c.SetAnswers(answered1)
	answers := map[uint64]bool{}
	for _, k := range answerKinds {
		answers[uint64(k.nr)] = true
	}
	for nr := range uint64(600) {
		for _, nr := range []uint64{nr, nr | 1<<32, nr | 1<<31, nr | 1<<63, nr + 0x200, -nr} {
			if answers[nr] {
				continue
			}
			g.again(nr, 0)
			g.regs.Rip, g.regs.Rax = uint64(textAt)+longest+movLen, nr
			g.wantCall(nr)
		}
	}
}

// clockParams are those of a clock that stands still: each tick takes no time.
func clockParams(mono, realtime, boot time.Duration) clock.Params {
	return clock.Params{Usable: true, BaseTSC: 1, BaseNS: int64(mono), RealNS: int64(realtime), BootNS: int64(boot)}
}

func TestClocks(t *testing.T) {
	r := newRig(t)
	le := binary.LittleEndian
	at := uint64(dataAt) + 64
	const mono, realtime, boot = 1234567890123456789, 987654321, 5 * time.Second
	for _, k := range siteKinds[:2] {
		g, s := r.callSite(t, k.kind, kindClockNr)
		g.c.SetAnswers(answered1)
		// start begins a call.
		start := func(id, ts uint64) {
			g.again(id, carry|direction|overflow)
			g.regs.Rdi, g.regs.Rsi = id, ts
			copy(r.data()[64:], "0123456789abcdef")
		}
		r.p.SetClock(clock.Params{})
		t.Run(k.name+"/nobody_knows", func(t *testing.T) {
			g.t = t
			for _, id := range []uint64{0, 1, 7} {
				start(id, at)
				before := g.regs
				g.wantCall(kindClockNr)
				if d := differ(before, g.regs, "Rax", "OrigRax", "Rip", "Rcx", "R11"); d != "" {
					t.Errorf("clock %d: %s", id, d)
				}
			}
		})
		r.p.SetClock(clockParams(mono, realtime, boot))
		t.Run(k.name+"/answered", func(t *testing.T) {
			g.t = t
			for id, want := range map[uint64]time.Duration{1: mono, 0: mono + realtime, 7: mono + boot} {
				start(id, at)
				g.wantAnswer(s, 0)
				sec, nsec := le.Uint64(r.data()[64:]), le.Uint64(r.data()[72:])
				if sec != uint64(want/time.Second) || nsec != uint64(want%time.Second) {
					t.Errorf("clock %d: %d s, %d ns, want %d", id, sec, nsec, want)
				}
			}
		})
		t.Run(k.name+"/not_answered", func(t *testing.T) {
			g.t = t
			for _, id := range []uint64{2, 3, 4, 5, 6, 8, 9, 11, 32, 33, 39, 64, 1<<32 | 2, 1 << 31, ^uint64(0), ^uint64(5)} {
				start(id, at)
				before := g.regs
				g.wantCall(kindClockNr)
				if d := differ(before, g.regs, "Rax", "OrigRax", "Rip", "Rcx", "R11"); d != "" {
					t.Errorf("clock %#x: %s", id, d)
				}
			}
		})
		// Read-only data, and data at whose end there is nothing.
		r.mapAt(t, g.as, 0x50000000, rigData, 1, platform.Read)
		r.mapAt(t, g.as, 0x60000000, rigData, 1, platform.Read|platform.Write)
		for name, ts := range map[string]uint64{"null": 0, "unmapped": uint64(nowhere), "read-only": 0x50000040,
			"half": 0x60000000 + addr.PageSize - 8, "non-canonical": 1 << 47, "of the kernel": 0xffff888000000000,
			"of the stub": codeAddr, "jump table": jumpTable} {
			t.Run(k.name+"/bad_pointer/"+name, func(t *testing.T) {
				g.t = t
				start(1, ts)
				before := g.regs
				g.wantCall(kindClockNr)
				if d := differ(before, g.regs, "Rax", "OrigRax", "Rip", "Rcx", "R11"); d != "" {
					t.Error(d)
				}
				if uint64(textAt)+uint64(s.end) != g.regs.Rip || g.regs.Rcx != g.regs.Rip || g.regs.R11 != g.regs.Eflags {
					t.Errorf("rip %#x, rcx %#x, r11 %#x", g.regs.Rip, g.regs.Rcx, g.regs.R11)
				}
				g.regs.SetReturn(^uint64(13))
				g.wantEnd(s.next)
			})
		}
		g.release()
	}
}

// kindClockNr is clock_gettime.
const kindClockNr = 228

// TestClockGoesOn compares what guests read with what the sentry reads.
func TestClockGoesOn(t *testing.T) {
	params, _ := clock.New().Step()
	if !params.Usable {
		t.Skip("this machine's counter can't be trusted")
	}
	r := newRig(t)
	r.p.SetClock(params)
	g, s := r.callSite(t, movSite, kindClockNr)
	defer g.release()
	g.c.SetAnswers(answered1)
	le := binary.LittleEndian
	for range 1000 {
		before := params.Monotonic(clock.TSC())
		g.again(1, 0)
		g.regs.Rdi, g.regs.Rsi = 1, uint64(dataAt)
		g.wantAnswer(s, 0)
		after := params.Monotonic(clock.TSC())
		if ns := int64(le.Uint64(r.data()))*1e9 + int64(le.Uint64(r.data()[8:])); ns < before || ns > after {
			t.Fatal(fmt.Sprintf("%d ns, not from %d to %d", ns, before, after))
		}
	}
}

// TestGetcpu runs the thread on one CPU after the other.
func TestGetcpu(t *testing.T) {
	r := newRig(t)
	g, s := r.callSite(t, movSite, 309)
	defer g.release()
	le := binary.LittleEndian
	at := uint64(dataAt) + 64
	answers := answered1
	answers.CPUs = 1 << 12
	g.c.SetAnswers(answers)
	cpus, err := hostcall.SchedGetaffinity(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, cpu := range cpus {
		g.again(1, 0)
		g.regs.Rdi, g.regs.Rsi = at, at+8
		le.PutUint64(r.data()[72:], ^uint64(0))
		if g.c.thread != nil {
			hostcall.SchedSetaffinity(g.c.thread.tid, []int{cpu})
		}
		g.wantAnswer(s, 0)
		got, node := le.Uint32(r.data()[64:]), le.Uint64(r.data()[72:])
		if int(got) >= len(cpus) && int(got) != cpu || node != 0xffffffff00000000 {
			t.Errorf("cpu %d, node %#x", got, node)
		}
	}
	for _, p := range [][2]uint64{{0, at}, {at, 0}, {0, 0}} {
		g.again(2, carry)
		g.regs.Rdi, g.regs.Rsi = p[0], p[1]
		g.wantAnswer(s, 0)
	}
	// The sentry answers where a pointer is bad, and where guests see fewer processors.
	for _, p := range [][2]uint64{{uint64(nowhere), at}, {at, uint64(nowhere)}, {codeAddr, 0}, {0, 1 << 47}} {
		g.again(3, overflow)
		g.regs.Rdi, g.regs.Rsi = p[0], p[1]
		before := g.regs
		g.wantCall(309)
		if d := differ(before, g.regs, "Rax", "OrigRax", "Rip", "Rcx", "R11"); d != "" {
			t.Error(d)
		}
	}
	answers.CPUs = 0
	g.c.SetAnswers(answers)
	g.again(4, sign)
	g.regs.Rdi, g.regs.Rsi = at, at
	before := g.regs
	g.wantCall(309)
	if d := differ(before, g.regs, "Rax", "OrigRax", "Rip", "Rcx", "R11"); d != "" {
		t.Error(d)
	}
}

func TestFutexWake(t *testing.T) {
	r := newRig(t)
	g, s := r.callSite(t, movSite, 202)
	defer g.release()
	g.c.SetAnswers(answered1)
	as := g.as
	const word = 0x1234568
	call := func(a, op uint64) {
		g.again(a, carry|sign)
		g.regs.Rdi, g.regs.Rsi, g.regs.Rdx = a, op, 1
	}
	answered := func(a uint64) {
		t.Helper()
		call(a, 129)
		g.wantAnswer(s, 0)
	}
	asked := func(a, op uint64) {
		t.Helper()
		call(a, op)
		before := g.regs
		g.wantCall(202)
		if d := differ(before, g.regs, "Rax", "OrigRax", "Rip", "Rcx", "R11"); d != "" {
			t.Errorf("futex %#x, %d: %s", a, op, d)
		}
	}
	answered(word) // mapped or not, as long as it could be
	as.CountWaiters(word, 1)
	asked(word, 129)
	asked(word+4*numWaits, 129) // which shares the counter
	answered(word + 4)
	as.CountWaiters(word, 1)
	as.CountWaiters(word, -1)
	asked(word, 129)
	as.CountWaiters(word, -1)
	answered(word)
	for _, op := range []uint64{0, 1, 128, 130, 1 | 256, 129 | 256, 137} {
		asked(word, op)
	}
	for _, a := range []uint64{word + 1, word + 2, userEnd, 1 << 47, 1<<63 + 4, ^uint64(3)} {
		asked(a, 129)
	}
	answered(userEnd - 4)
	// Another address space has waiters of its own.
	h, hs := r.callSite(t, movSite, 202)
	defer h.release()
	h.c.SetAnswers(answered1)
	h.again(1, 0)
	h.regs.Rdi, h.regs.Rsi = word, 129
	h.wantAnswer(hs, 0)
	as.CountWaiters(word, 1)
	h.again(2, 0)
	h.regs.Rdi, h.regs.Rsi = word, 129
	h.wantAnswer(hs, 0)
	as.CountWaiters(word, -1)
}

func TestClockIsSetAfterClose(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	p.SetClock(clockParams(1, 1, 1))
	p.Close()
	p.SetClock(clockParams(2, 2, 2))
}
