package platformtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"ringfence/platform"
	"ringfence/platform/cpu"
)

// Where testFPU's guests load vector registers from and store them to.
const (
	fpuFrom, fpuTo = 0, 1024
	fpuBytes       = 208
)

// widths are the vector registers of this host: their width and how much fpuLoop
// moves of them.
func widths() []struct{ width, size int } {
	w := []struct{ width, size int }{{16, 48}}
	f := cpu.Host().Features
	if f&cpu.XFeatureAVX != 0 {
		w = append(w, struct{ width, size int }{32, 96})
	}
	if f&cpu.XFeatureOpmask != 0 && f&cpu.XFeatureHi16ZMM != 0 {
		w = append(w, struct{ width, size int }{64, fpuBytes})
	}
	return w
}

// fillRandom writes new contents for the guest's vector registers.
func (m *machine) fillRandom() []byte {
	b := m.data()[fpuFrom : fpuFrom+fpuBytes]
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return bytes.Clone(b)
}

func (m *machine) fpuGuest(t *testing.T, as platform.AddressSpace, width int) *guest {
	g := m.guest(t, as, fpuLoop)
	g.regs.Rdi, g.regs.Rdx, g.regs.Rbx = uint64(dataAt+fpuFrom), uint64(dataAt+fpuTo), uint64(width)
	return g
}

func testFPU(t *testing.T, m *machine) {
	for _, w := range widths() {
		stored := func() []byte { return m.data()[fpuTo : fpuTo+w.size] }
		check := func(t *testing.T, want []byte) {
			t.Helper()
			if !bytes.Equal(stored(), want[:w.size]) {
				t.Errorf("registers %x\nwant %x", stored(), want[:w.size])
			}
		}
		t.Run(fmt.Sprintf("width_%d/kept_across_Switch", w.width), func(t *testing.T) {
			g := m.fpuGuest(t, m.space(t), w.width)
			defer g.release()
			for range 20 {
				want := m.fillRandom()
				g.want(platform.Syscall)
				burnVectorRegisters()
				clear(stored())
				m.fillRandom()
				g.want(platform.Syscall)
				check(t, want)
			}
		})
		t.Run(fmt.Sprintf("width_%d/moves_to_another_address_space", w.width), func(t *testing.T) {
			g := m.fpuGuest(t, m.space(t), w.width)
			want := m.fillRandom()
			g.want(platform.Syscall)
			old := g.as
			g.as = m.space(t)
			g.want(platform.Syscall)
			check(t, want)
			old.Release()
			g.want(platform.Syscall)
			g.release()
		})
		t.Run(fmt.Sprintf("width_%d/copied_by_FPU_and_SetFPU", w.width), func(t *testing.T) {
			as := m.space(t)
			g, h := m.fpuGuest(t, as, w.width), m.fpuGuest(t, m.space(t), w.width)
			want := m.fillRandom()
			g.want(platform.Syscall)
			f, err := g.c.FPU()
			if err != nil {
				t.Fatal(err)
			}
			if err := h.c.SetFPU(f); err != nil {
				t.Fatal(err)
			}
			// SetFPU took a copy, and what it set can be read before the first Switch.
			f2, err := h.c.FPU()
			if err != nil || !bytes.Equal(f, f2) {
				t.Errorf("FPU before Switch differs (%v)", err)
			}
			clear(f)
			*h.regs = *g.regs // behind the system call, where registers are stored
			m.fillRandom()
			h.want(platform.Syscall)
			check(t, want)
			// And into a context that has run.
			want = m.fillRandom()
			g.want(platform.Syscall)
			m.fillRandom()
			h.want(platform.Syscall)
			if f, err = g.c.FPU(); err != nil {
				t.Fatal(err)
			}
			if err := h.c.SetFPU(f); err != nil {
				t.Fatal(err)
			}
			h.want(platform.Syscall)
			check(t, want)
			g.release()
			h.release()
		})
		t.Run(fmt.Sprintf("width_%d/kept_by_faults_and_interrupts", w.width), func(t *testing.T) {
			g := m.fpuGuest(t, m.space(t), w.width)
			defer g.release()
			want := m.fillRandom()
			g.want(platform.Syscall)
			g.c.Interrupt()
			g.want(platform.Interrupted)
			m.unmap(t, g.as, dataAt, 1)
			ev := g.want(platform.Fault)
			if ev.Access != platform.Write || ev.Addr != dataAt+fpuTo {
				t.Errorf("got %+v", ev)
			}
			resume := *g.regs
			*g.regs = *start(halt)
			g.want(platform.Exception)
			*g.regs = resume
			m.mapPages(t, g.as, dataAt, dataOffset, 1, platform.Read|platform.Write)
			m.fillRandom()
			g.want(platform.Syscall)
			check(t, want)
		})
	}
	t.Run("initial_state", func(t *testing.T) {
		g := m.fpuGuest(t, m.space(t), 16)
		defer g.release()
		// Begin behind the loads and the call, so that what comes from before is stored.
		g.regs.Rbx = 16
		m.fillRandom()
		skipTo(t, m, g)
		for i, b := range m.data()[fpuTo : fpuTo+48] {
			if b != 0 {
				t.Fatalf("byte %d of the vector registers is %#x", i, b)
			}
		}
	})
}

// skipTo starts g behind the system call of fpuLoop's narrowest part and runs it
// to the next one, with registers as a new context has them.
func skipTo(t *testing.T, m *machine, g *guest) {
	t.Helper()
	scout := m.fpuGuest(t, m.space(t), 16)
	scout.want(platform.Syscall)
	g.regs.Rip = scout.regs.Rip
	scout.release()
	clear(m.data()[fpuTo : fpuTo+48])
	for i := range 48 {
		m.data()[fpuTo+i] = 0xee
	}
	g.want(platform.Syscall)
}

// burnVectorRegisters uses the sentry's own vector registers.
func burnVectorRegisters() {
	a, b := make([]byte, 512), make([]byte, 512)
	for i := range a {
		a[i] = byte(i)
	}
	copy(b, a)
	if !bytes.Equal(a, b) {
		panic("platformtest: memory differs")
	}
}
