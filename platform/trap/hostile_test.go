package trap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
	"ringfence/platform/stub"
)

// A guest that jumps into stub code with any registers, corrupts everything that it can write or
// does whatever it may, harms only itself. Here it does.

// hostView is what the host sees of a stub process. A guest must not change it.
func hostView(t *testing.T, g *guest) string {
	t.Helper()
	pid := g.as.proc.stub.PID()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] != "" {
			fmt.Fprintln(&b, f[0], f[1])
		}
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, len(tasks), "threads")
	for _, task := range tasks {
		fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task/%s/fd", pid, task.Name()))
		if task.Name() != fmt.Sprint(pid) {
			fmt.Fprintln(&b, len(fds), "descriptors")
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, task.Name()))
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Seccomp_filters:") && task.Name() != fmt.Sprint(pid) {
				b.WriteString(line)
			}
		}
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	fmt.Fprintf(&b, "children %q\n", children)
	return b.String()
}

// bystander is a guest in an address space of its own, which must not notice anything.
type bystander struct {
	g    *guest
	code site
	end  int
}

func (r *rig) bystander(t *testing.T) *bystander {
	code, s, end := stormLoop(siteOf(movSite, 500))
	x := r.text(code)
	as := r.space(t, x)
	r.mapAt(t, as, dataAt, rigData+(dataPages-1)*addr.PageSize, 1, platform.Read|platform.Write)
	x.patch(t, as, s.end, 500)
	return &bystander{r.guest(t, as), s, end}
}

// check runs it for a while.
func (b *bystander) check(t *testing.T) {
	t.Helper()
	g := b.g
	g.t = t
	f := extended(t)
	if err := g.c.SetFPU(f); err != nil {
		t.Fatal(err)
	}
	const rounds = 100
	g.again(1, 0)
	g.regs.Rbx, g.regs.R12, g.regs.R13 = uint64(dataAt)+512, rounds, 7
	want := g.regs
	for range rounds {
		g.wantCall(500)
		if d := differ(want, g.regs, "R12", "R11", "Rcx", "Rax", "OrigRax", "Rip", "Eflags"); d != "" {
			t.Fatal("bystander: ", d)
		}
		g.regs.SetReturn(7)
	}
	g.wantEnd(b.end)
	now, err := g.c.FPU()
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(f[160:], rounds)
	if !bytes.Equal(now[160:416], f[160:416]) || !bytes.Equal(now[576:], f[576:]) {
		t.Fatal("bystander: extended state differs")
	}
}

func (b *bystander) release() { b.g.release() }

// odd returns a value that is a good argument, or a bad one.
func odd() uint64 {
	values := [...]uint64{0, 1, 2, 3, 7, 8, 4096, 0x32, 0xffffffff, 1 << 47, 1 << 63, ^uint64(0),
		uint64(dataAt), uint64(dataAt) + 0x800, uint64(nowhere), uint64(textAt), uint64(stackAt) - 64, uint64(stackAt),
		codeAddr, codeAddr + callsOffset, trampolineAddr + 64, areaAddr, areaAddr + 0x10, areaAddr + fpuOffset, areaAddr + stackOffset,
		areaAddr + areaSize, areaAddr + areaSize + 0x4000, stub.Base, stub.Base + 0x1000, siteTable, jumpTable, clockAddr}
	if rand.IntN(8) == 0 {
		return rand.Uint64()
	}
	return values[rand.IntN(len(values))] + uint64(rand.IntN(3)-1)*uint64(rand.IntN(2)*8)
}

// oddRegisters fills all registers but the program counter.
func oddRegisters(r *arch.Registers) {
	for _, reg := range general(r) {
		*reg = odd()
	}
	r.Rax, r.Rcx, r.R11, r.Rsp = odd(), odd(), odd(), odd()
	r.FsBase, r.GsBase = 0, 0
	if rand.IntN(2) == 0 {
		r.FsBase, r.GsBase = odd(), odd()
	}
	r.Eflags = fixedFlags | rand.Uint64()&userFlags&^trapFlag
}

// few runs the guest for up to n events, and not for long. It reports whether the process lives.
func (g *guest) few(n int) bool {
	timer := time.AfterFunc(3*time.Millisecond, g.c.Interrupt)
	defer timer.Stop()
	for range n {
		ev, err := g.c.Switch(g.as, &g.regs)
		if err != nil {
			return false
		}
		if ev.Kind != platform.Syscall {
			break
		}
		g.regs.SetReturn(odd())
	}
	return true
}

// attacker returns a guest that has run in an address space of its own.
func (r *rig) attacker(t *testing.T, x *text) *guest {
	g := r.guest(t, r.space(t, x))
	g.few(1)
	return g
}

func TestHostileJumps(t *testing.T) {
	defer func(d time.Duration) { stubborn = d }(stubborn)
	stubborn = time.Second
	r := newRig(t)
	good := r.bystander(t)
	defer good.release()
	x := r.text(concat(syscallBytes, ud2))
	for _, c := range []struct {
		name       string
		start, end uint64
		step       uint64
	}{
		{"code", codeAddr, codeAddr + uint64(len(codeBytes())), 1},
		{"behind the code", codeAddr + uint64(len(codeBytes())), codeAddr + codeSize, 5},
		{"code of the mapper", stub.Base, stub.Base + 0x1000, 1},
		{"trampolines", trampolineAddr, trampolineAddr + maxSites*trampolineSize, 331},
		{"areas", areaAddr, areaAddr + areaSize, 0x555},
		{"tables", siteTable, jumpTable + tableSize, 0xfff},
	} {
		t.Run(c.name, func(t *testing.T) {
			good.check(t)
			g := r.attacker(t, x)
			before := hostView(t, g)
			dead := 0
			for at := c.start; at < c.end; at += c.step {
				oddRegisters(&g.regs)
				g.regs.Rip = at
				start := time.Now()
				lives := g.few(3)
				if !lives || time.Since(start) > patience/2 {
					// It is dead, or has spoilt its area so that it hears no interrupt.
					dead++
					g.release()
					g = r.attacker(t, x)
					continue
				}
				if at%64 == 0 {
					if now := hostView(t, g); now != before {
						t.Fatalf("at %#x the host sees\n%s\nbefore\n%s", at, now, before)
					}
				}
			}
			if now := hostView(t, g); now != before {
				t.Fatalf("the host sees\n%s\nbefore\n%s", now, before)
			}
			g.release()
			t.Logf("%d processes died or went deaf", dead)
			good.check(t)
		})
	}
}

// syscallsIn returns where a stub process has SYSCALL instructions of ours.
func syscallsIn(t *testing.T, g *guest) (at []uint64) {
	t.Helper()
	for _, page := range []uint64{codeAddr, stub.Base} {
		b := make([]byte, addr.PageSize)
		if n := hostcall.ReadProcess(g.as.proc.stub.PID(), uintptr(page), b); n != len(b) {
			t.Fatalf("%d bytes of the code page", n)
		}
		for i := range len(b) - 1 {
			if b[i] == 0x0f && b[i+1] == 0x05 {
				at = append(at, page+uint64(i))
			}
		}
	}
	return at
}

func TestHostileCalls(t *testing.T) {
	defer func(d time.Duration) { stubborn = d }(stubborn)
	stubborn = time.Second
	r := newRig(t)
	good := r.bystander(t)
	defer good.release()
	x := r.text(concat(syscallBytes, ud2))
	g := r.attacker(t, x)
	before := hostView(t, g)
	places := syscallsIn(t, g)
	if len(places) < 10 {
		t.Fatalf("%d SYSCALL instructions in the stub", len(places))
	}
	const numbers = 600
	dead := 0
	for _, at := range append(places, uint64(textAt)) {
		own := at == uint64(textAt)
		for nr := range uint64(numbers) {
			if !own && nr > 10 && nr%3 != uint64(rand.IntN(3)) && nr != sysFutex && nr != sysRtSigprocmask && nr != 157 {
				continue // a third of them, to save time
			}
			oddRegisters(&g.regs)
			g.regs.Rip, g.regs.Rax = at, nr
			if own {
				g.regs.Eflags &^= alignmentCheck
				g.regs.Rsp = uint64(stackAt) - 256
				g.wantCall(nr)
				continue
			}
			if !g.few(1) {
				dead++
				g.release()
				g = r.attacker(t, x)
			}
		}
		if now := hostView(t, g); now != before {
			t.Fatalf("after calls at %#x the host sees\n%s\nbefore\n%s", at, now, before)
		}
		good.check(t)
	}
	t.Logf("%d places, %d processes died", len(places), dead)
	g.release()
}

// TestHostileWait has threads wait in stub code where nobody gives them the turn.
func TestHostileWait(t *testing.T) {
	r := newRig(t)
	good := r.bystander(t)
	defer good.release()
	x := r.text(concat(syscallBytes, ud2))
	for _, spin := range []uint32{0, 1 << 31} {
		g := r.attacker(t, x)
		own := areaOf(r.mem[rigData : rigData+areaSize])
		clear(r.mem[rigData : rigData+areaSize])
		own.self, own.magic, own.spin = uint64(dataAt), magicValue, spin
		for range 5 {
			g.regs = arch.NewRegisters(addr.Addr(r.p.code.marks[posted]), stackAt)
			g.regs.GsBase = uint64(dataAt)
			time.AfterFunc(5*time.Millisecond, g.c.Interrupt)
			g.want(platform.Interrupted)
			// It can be put to better use.
			g.regs = arch.NewRegisters(textAt, stackAt)
			g.want(platform.Syscall)
		}
		good.check(t)
		g.release()
	}
}

// TestHostileAreas has a thread write to all areas of its process while others make calls.
func TestHostileAreas(t *testing.T) {
	defer func(d time.Duration) { stubborn = d }(stubborn)
	stubborn = 500 * time.Millisecond
	r := newRig(t)
	good := r.bystander(t)
	defer good.release()
	const threads = 3
	const callAt = 64
	// The attacker copies data to the areas, or stores what a list of addresses and values says.
	copier := []byte{
		0xfc,                   // again: cld
		0xbe, 0, 0, 0x01, 0x20, // mov $data+0x10000, %esi
		0x48, 0x89, 0xdf, // mov %rbx, %rdi
		0x48, 0x89, 0xd1, // mov %rdx, %rcx
		0xf3, 0xa4, // rep movsb
		0xeb, 0xf0, // jmp again
	}
	lister := []byte{
		0xbe, 0, 0, 0x01, 0x20, // again: mov $data+0x10000, %esi
		0xb9, 64, 0, 0, 0, // mov $64, %ecx
		0x48, 0x8b, 0x3e, // next: mov (%rsi), %rdi
		0x8b, 0x46, 0x08, // mov 8(%rsi), %eax
		0x89, 0x07, // mov %eax, (%rdi)
		0x48, 0x83, 0xc6, 0x10, // add $16, %rsi
		0xe2, 0xf2, // loop next
		0xeb, 0xe6, // jmp again
	}
	if len(copier) > callAt {
		t.Fatal("no room")
	}
	const listAt = 8 * addr.PageSize // in the data: 0x8000 bytes
	source := r.mem[listAt : listAt+areaSize]
	le := binary.LittleEndian
	list := func(entry func() (offset, value uint64)) func() {
		return func() {
			for i := range 64 {
				off, v := entry()
				le.PutUint64(source[16*i:], areaAddr+uint64(rand.IntN(threads))*areaSize+off)
				le.PutUint64(source[16*i+8:], v)
			}
		}
	}
	pick := func(v ...uint64) uint64 { return v[rand.IntN(len(v))] }
	for _, c := range []struct {
		name string
		code []byte
		fill func()
	}{
		{"zeros", copier, func() { clear(source) }},
		{"ones", copier, func() { copy(source, bytes.Repeat([]byte{0xff}, areaSize)) }},
		{"random bytes", copier, func() {
			for i := range source {
				source[i] = byte(rand.Uint32())
			}
		}},
		{"turns", lister, list(func() (uint64, uint64) { return 0x10, uint64(rand.IntN(3)) })},
		{"events", lister, list(func() (uint64, uint64) {
			return pick(0x10, 0x20, 0x24, 0x2c), uint64(rand.IntN(6))
		})},
		{"pointers", lister, list(func() (uint64, uint64) {
			return pick(0x10, 0x20, 0x30, 0x34, 0x38, 0x3c, 0x40, 0x44, 0x50, 0x58, 0x28), pick(0, 1, 2, 3, uint64(rand.Uint32()),
				areaAddr&0xffffffff+stackOffset+uint64(rand.IntN(stackSize)), areaAddr&0xffffffff+uint64(rand.IntN(areaSize)), 0x7fff)
		})},
		{"registers", lister, list(func() (uint64, uint64) { return 0x100 + 4*uint64(rand.IntN(54)), odd() })},
		{"frames", lister, list(func() (uint64, uint64) {
			return pick(0x10, 0x20, stackOffset+4*uint64(rand.IntN(stackSize/4))), odd()
		})},
		{"FPU states", lister, list(func() (uint64, uint64) {
			return pick(0x10, 0x40, 0x48, 0x4c, fpuOffset+4*uint64(rand.IntN(150))), odd()
		})},
		{"stub's words", lister, list(func() (uint64, uint64) {
			return pick(0, 8, 0x14, 0x18, 0x1c, 0x60, 0x68, 0x70, 0x78, 0x80, 0x88), odd()
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Others than the attacker make calls, patched and not, some of them answered.
			s := siteOf(movSite, 39)
			code := concat(c.code, bytes.Repeat(nop, callAt-len(c.code)), s.code, []byte{0xb8, 0xf4, 1, 0, 0, 0x0f, 0x05},
				[]byte{0xeb, byte(-(len(s.code) + 7 + 2))})
			x := r.text(code)
			dead, events := 0, 0
			for start := time.Now(); time.Since(start) < 250*time.Millisecond; {
				x.forget()
				as := r.space(t, x)
				r.mapAt(t, as, dataAt+0x10000, listAt, areaSize/addr.PageSize, platform.Read|platform.Write)
				x.patch(t, as, callAt+s.end, 39)
				guests := make([]*guest, threads)
				for i := range guests {
					g := r.guest(t, as)
					g.regs.Rip += callAt
					g.want(platform.Syscall) // It has its area.
					g.c.SetAnswers(platform.Answers{On: i%2 == 0})
					guests[i] = g
				}
				var before string
				if dead == 0 && events == 0 {
					before = hostView(t, guests[0])
				}
				guests[0].regs = arch.NewRegisters(textAt, stackAt-256)
				guests[0].regs.Rbx, guests[0].regs.Rdx = areaAddr, threads*areaSize
				var stop atomic.Bool
				var wg sync.WaitGroup
				var died, seen atomic.Int32
				for i, g := range guests {
					wg.Go(func() {
						for !stop.Load() {
							_, err := g.c.Switch(as, &g.regs)
							if err == nil && rand.IntN(10) == 0 {
								_, err = g.c.FPU()
							}
							if err != nil {
								died.Store(1)
								return
							}
							seen.Add(1)
							// Whatever it was: back to work.
							g.regs = arch.NewRegisters(textAt+callAt, stackAt-256)
							if i == 0 {
								g.regs = arch.NewRegisters(textAt, stackAt-256)
								g.regs.Rbx, g.regs.Rdx = areaAddr, threads*areaSize
							}
						}
					})
				}
				c.fill()
				for range 30 {
					c.fill()
					time.Sleep(time.Millisecond)
					for _, g := range guests {
						g.c.Interrupt()
					}
					if died.Load() != 0 {
						break
					}
				}
				stop.Store(true)
				for _, g := range guests {
					g.c.Interrupt()
				}
				wg.Wait()
				dead += int(died.Load())
				events += int(seen.Load())
				if before != "" && died.Load() == 0 {
					if now := hostView(t, guests[0]); now != before {
						t.Errorf("the host sees\n%s\nbefore\n%s", now, before)
					}
				}
				for _, g := range guests {
					g.c.Release()
				}
				as.Release()
			}
			t.Logf("%d processes died, %d events", dead, events)
			good.check(t)
		})
	}
}
