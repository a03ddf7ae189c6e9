package platformtest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"ringfence/abi/addr"
	"ringfence/platform"
)

func testRelease(t *testing.T, m *machine) {
	t.Run("context_that_never_ran", func(t *testing.T) {
		c := m.p.NewContext()
		c.Interrupt()
		c.Release()
		m.emptySpace(t).Release()
	})
	t.Run("address_space_first", func(t *testing.T) {
		for range 20 {
			g := m.guest(t, m.space(t), callLoop)
			g.want(platform.Syscall)
			g.as.Release()
			g.c.Release()
			g.c.Interrupt()
		}
	})
	t.Run("context_first", func(t *testing.T) {
		for range 20 {
			g := m.guest(t, m.space(t), callLoop)
			g.want(platform.Syscall)
			g.c.Release()
			g.as.Release()
		}
	})
	t.Run("moved_away_from_a_released_address_space", func(t *testing.T) {
		g := m.guest(t, m.space(t), callLoop)
		g.want(platform.Syscall)
		for range 20 {
			g.as.Release()
			g.as = m.space(t)
			g.want(platform.Syscall)
		}
		g.release()
	})
	t.Run("one_of_several_contexts", func(t *testing.T) {
		as := m.space(t)
		a, b := m.guest(t, as, callLoop), m.guest(t, as, callLoop)
		a.want(platform.Syscall)
		b.want(platform.Syscall)
		a.c.Release()
		b.want(platform.Syscall)
		b.c.Release()
		as.Release()
	})
}

// testHostile has a guest do its worst and checks that another still works.
func testHostile(t *testing.T, m *machine) {
	others := m.space(t)
	defer others.Release()
	check := func(t *testing.T, bad *guest) {
		t.Helper()
		good := m.guest(t, others, callLoop)
		defer good.c.Release()
		good.want(platform.Syscall)
		// The bad guest's own address space still obeys.
		m.mapPages(t, bad.as, 0x70000000, 0, 1, rw)
		m.unmap(t, bad.as, 0x70000000, 1)
		m.mapPages(t, bad.as, codeAt, codeOffset, len(codeBytes())/addr.PageSize, platform.Read|platform.Exec)
		*bad.regs = *start(callLoop)
		bad.want(platform.Syscall)
	}
	end := m.p.UserRange().End
	t.Run("jumps_to_everything_above_the_user_range", func(t *testing.T) {
		g := m.guest(t, m.space(t), callLoop)
		defer g.release()
		step := addr.Addr(1)
		for at := end; at < end+0x10000; at += step {
			*g.regs = *start(jump)
			g.regs.Rdi = uint64(at)
			// Values that make good arguments of munmap, exit_group and kill.
			g.regs.Rsi, g.regs.Rbx, g.regs.R12, g.regs.R13, g.regs.R14 = 4096, uint64(dataAt), 1, uint64(dataAt), 1
			// It may run on for long; a call, a fault or an interrupt ends it.
			timer := time.AfterFunc(20*time.Millisecond, g.c.Interrupt)
			for range 4 {
				if ev := g.run(); ev.Kind != platform.Syscall {
					break
				}
				g.regs.SetReturn(0)
			}
			timer.Stop()
			if at-end >= 0x1000 {
				step = 0x800
			}
		}
		check(t, g)
	})
	t.Run("writes_to_everything_above_the_user_range", func(t *testing.T) {
		g := m.guest(t, m.space(t), copyBytes)
		defer g.release()
		for at := end; at < end+0x10000; at += addr.PageSize {
			*g.regs = *start(copyBytes)
			g.regs.Rsi, g.regs.Rdi, g.regs.Rcx = uint64(codeAt), uint64(at), addr.PageSize
			g.run()
		}
		check(t, g)
	})
	t.Run("odd_stack_pointers", func(t *testing.T) {
		g := m.guest(t, m.space(t), callLoop)
		defer g.release()
		for _, sp := range []uint64{0, 1, 7, ^uint64(0), 1 << 47, uint64(end) - 1, uint64(nothing)} {
			for _, r := range []routine{callLoop, load, jump, divide, undefined, halt, int80} {
				*g.regs = *start(r)
				g.regs.Rsp = sp
				g.regs.Rdi = uint64(nothing)
				g.run()
			}
		}
		check(t, g)
	})
	t.Run("odd_registers", func(t *testing.T) {
		g := m.guest(t, m.space(t), callLoop)
		defer g.release()
		for _, v := range []uint64{0, 3, 0x10, 0x23, 0x2b, 0x33, 0xffff, 1 << 47, 1 << 63, ^uint64(0)} {
			*g.regs = *start(callLoop)
			r := g.regs
			r.Cs, r.Ss, r.Ds, r.Es, r.Fs, r.Gs, r.FsBase, r.GsBase = v, v, v, v, v, v, v, v
			r.Eflags, r.OrigRax = v&^0x100, v
			g.want(platform.Syscall)
			*g.regs = *start(callLoop)
			g.regs.Rip = v
			g.run()
		}
		check(t, g)
	})
	t.Run("32-bit_code", func(t *testing.T) {
		g := m.guest(t, m.space(t), farJump)
		defer g.release()
		for _, r := range []routine{callLoop, int80, load, undefined} {
			*g.regs = *start(farJump)
			g.regs.Rdi, g.regs.Rsi = uint64(r.at()), 0x23
			timer := time.AfterFunc(20*time.Millisecond, g.c.Interrupt)
			ev := g.run()
			timer.Stop()
			if ev.Kind == platform.Syscall {
				t.Errorf("routine %d made a system call: %+v", r, ev)
			}
		}
		check(t, g)
	})
	t.Run("bad_return_addresses_to_the_host", func(t *testing.T) {
		g := m.guest(t, m.space(t), callLoop)
		defer g.release()
		g.want(platform.Syscall)
		for _, pc := range []uint64{1 << 47, 1<<47 - 1, 0x8000000000000000, 0xffff888000000000, uint64(end)} {
			*g.regs = *start(callLoop)
			g.regs.Rip = pc
			g.run()
		}
		check(t, g)
	})
}

// hostState is what must not grow: our descriptors, children and their threads, once a
// platform has tidied up and prepared what it does in the background.
func hostState(t *testing.T) string {
	t.Helper()
	last := countHost(t)
	for calm := 0; calm < 10; {
		time.Sleep(20 * time.Millisecond)
		now := countHost(t)
		if now == last {
			calm++
		} else {
			calm = 0
		}
		last = now
	}
	return last
}

func countHost(t *testing.T) string {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	self, children := fmt.Sprint(os.Getpid()), 0
	procs, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		b, err := os.ReadFile("/proc/" + p.Name() + "/stat")
		if err != nil {
			continue
		}
		// The name can hold anything up to the last parenthesis.
		rest := string(b)[strings.LastIndexByte(string(b), ')')+1:]
		if f := strings.Fields(rest); len(f) > 1 && f[1] == self {
			tasks, _ := os.ReadDir("/proc/" + p.Name() + "/task")
			children += 1000 + len(tasks)
		}
	}
	return fmt.Sprintf("%d descriptors, %d children and threads", len(fds), children)
}

func testLeaks(t *testing.T, newPlatform func() (platform.Platform, error)) {
	if _, err := newPlatform(); err == nil {
		// The first of a process may start things that stay, such as the runtime's
		// own descriptors. Close below is checked on another one.
		p, _ := newPlatform()
		p.Close()
	}
	before := hostState(t)
	p, err := newPlatform()
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, p)
	round := func() {
		for i := range 40 {
			g := m.guest(t, m.space(t), callLoop)
			g.want(platform.Syscall)
			as := g.as
			if i%3 == 0 {
				g.as = m.space(t)
				g.want(platform.Syscall)
				g.as.Release()
			}
			if i%2 == 0 {
				as.Release()
				g.c.Release()
			} else {
				g.c.Release()
				as.Release()
			}
		}
	}
	round()
	middle := hostState(t)
	for range 25 {
		round()
	}
	if s := hostState(t); s != middle {
		t.Errorf("after use: %s, before: %s", s, middle)
	}
	// Close also ends what was not released.
	for range 5 {
		g := m.guest(t, m.space(t), callLoop)
		g.want(platform.Syscall)
		runtime.UnlockOSThread() // what Release would have done
	}
	p.Close()
	if s := hostState(t); s != withOneMore(before) {
		t.Errorf("after Close: %s, before: %s", s, withOneMore(before))
	}
}

// withOneMore counts the memory file of a machine that was made meanwhile.
func withOneMore(state string) string {
	var fds, children int
	fmt.Sscanf(state, "%d descriptors, %d", &fds, &children)
	return fmt.Sprintf("%d descriptors, %d children and threads", fds+1, children)
}
