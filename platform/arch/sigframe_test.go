package arch

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform/cpu"
)

// memory is a guest stack of one mapping.
type memory struct {
	start addr.Addr
	b     []byte
}

func (m *memory) span(a addr.Addr, n int) ([]byte, error) {
	if a < m.start || uint64(a-m.start)+uint64(n) > uint64(len(m.b)) {
		return nil, errno.EFAULT
	}
	return m.b[a-m.start:][:n], nil
}

func (m *memory) CopyOut(a addr.Addr, b []byte) (int, error) {
	s, err := m.span(a, len(b))
	return copy(s, b), err
}

func (m *memory) CopyIn(a addr.Addr, b []byte) (int, error) {
	s, err := m.span(a, len(b))
	return copy(b, s), err
}

func newMemory(start addr.Addr, size int) *memory {
	return &memory{start, bytes.Repeat([]byte{0xa5}, size)}
}

// hostFrame has the host deliver a signal and returns what testdata/frame.c dumps.
func hostFrame(t *testing.T, args ...string) (m *memory, sp addr.Addr, entry [8]uint64) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "frame")
	if out, err := exec.Command("gcc", "-O1", "-o", bin, "testdata/frame.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	out, err := exec.Command(bin, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(out)
	var head [4]uint64
	binary.Read(r, binary.LittleEndian, &head)
	binary.Read(r, binary.LittleEndian, &entry)
	m = newMemory(addr.Addr(head[0]), int(head[1]))
	if n, _ := r.Read(m.b); n != len(m.b) {
		t.Fatalf("short dump")
	}
	return m, addr.Addr(head[2]), entry
}

func TestFrameEqualsHosts(t *testing.T) {
	for _, args := range [][]string{nil, {"alt"}} {
		name := "stack"
		if args != nil {
			name = "alternate_stack"
		}
		t.Run(name, func(t *testing.T) {
			host, sp, entry := hostFrame(t, args...)
			base := addr.Addr(entry[4])

			// The host's frame is understood.
			regs := Registers{Rsp: uint64(base) + 8, Eflags: 0x202}
			f, err := ReadSignalFrame(host, &regs)
			if err != nil {
				t.Fatal(err)
			}
			want := Registers{Rbx: 1, Rcx: 2, Rdx: 3, Rsi: 4, Rdi: 5, Rbp: 6, R8: 8, R9: 9, R10: 10, R11: 11, R12: 12,
				R13: 13, R14: 14, R15: 15, Rsp: uint64(sp), Cs: UserCS, Ss: UserDS, OrigRax: ^uint64(0),
				Rip: regs.Rip, Eflags: 0x10646}
			if regs != want {
				t.Errorf("restored %+v\nwant %+v", regs, want)
			}
			if f.Mask != 1<<11 || bytes.Count(f.FPU[160+48:160+64], []byte{0xff}) != 16 {
				t.Errorf("mask %#x, xmm3 %x", f.Mask, f.FPU[160+48:160+64])
			}
			if onAlt := f.AltStack.Size != 0; onAlt != (args != nil) || onAlt && f.AltStack.SP != host.start {
				t.Errorf("alternate stack %+v", f.AltStack)
			}

			// The same event gives the same bytes.
			ours := newMemory(host.start, len(host.b))
			frame := &SignalFrame{Signo: 11, HasInfo: true, Handler: 0x4000, Restorer: 0x1234567890, Mask: f.Mask,
				AltStack: f.AltStack, UseAltStack: args != nil, FPU: f.FPU, Trapno: 14, ErrorCode: 6, CR2: 0x7b}
			copy(frame.Info[:], host.b[base+frameInfo-host.start:])
			if err := regs.PushSignalFrame(ours, frame); err != nil {
				t.Fatal(err)
			}
			copyUnwritten(host.b, ours.b, binary.LittleEndian.Uint64(host.b[base-host.start+frameContext+scFPState:])-uint64(host.start))
			for i := range host.b {
				if host.b[i] != ours.b[i] {
					t.Errorf("byte %+d of the frame is %#x, the host has %#x", i-int(base-host.start), ours.b[i], host.b[i])
				}
			}
			got := [8]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.Rax, regs.Rsp, regs.Eflags}
			// Ours are the flags at the handler's first instruction; DF was set.
			if [5]uint64(got[:5]) != [5]uint64(entry[:5]) || regs.Eflags != 0x246 || entry[5] != 0x246 {
				t.Errorf("handler's registers %#x, the host has %#x", got, entry)
			}
			if regs.Rip != 0x4000 {
				t.Errorf("rip %#x", regs.Rip)
			}
		})
	}
}

// copyUnwritten copies from src to dst what the CPU may leave as it was of the FPU state at fpu:
// features in their initial state, and what belongs to none.
func copyUnwritten(dst, src []byte, fpu uint64) {
	x := cpu.Host()
	parts := slices.Clone(x.Padding)
	present := binary.LittleEndian.Uint64(dst[fpu+fpuXStateBV:])
	for bit := 2; bit < 63; bit++ {
		if off, size, ok := x.Component(bit); ok && off+size <= x.Size && present&(1<<bit) == 0 {
			parts = append(parts, cpu.Part{Offset: off, Size: size})
		}
	}
	for _, p := range parts {
		copy(dst[int(fpu)+p.Offset:][:p.Size], src[int(fpu)+p.Offset:])
	}
}

func testFrame(fpu FPUState) *SignalFrame {
	return &SignalFrame{Signo: 10, Handler: 0x4000, Restorer: 0x5000, Mask: 0xff00, FPU: fpu, AltStack: AltStack{Flags: ssDisable}}
}

func TestFrameRoundTrip(t *testing.T) {
	fpu := NewFPUState()
	for i := range fpu[fpuHeaderEnd:] {
		fpu[fpuHeaderEnd+i] = byte(i)
	}
	binary.LittleEndian.PutUint64(fpu[fpuXStateBV:], cpu.Host().Features)
	fpu.Sanitize()
	m := newMemory(0x10000, 0x10000)
	r := Registers{Rip: 0x1234, Rsp: 0x1f000, Rax: 42, Rcx: 7, Eflags: 0x10f47, Cs: UserCS, Ss: UserDS, FsBase: 99, OrigRax: ^uint64(0)}
	want := r
	if err := r.PushSignalFrame(m, testFrame(fpu)); err != nil {
		t.Fatal(err)
	}
	if (r.Rsp+8)%16 != 0 || r.Rsp >= want.Rsp-redZone || r.Eflags&(eflagsDF|eflagsTF|eflagsRF) != 0 {
		t.Errorf("handler's stack %#x, flags %#x", r.Rsp, r.Eflags)
	}
	r.Rsp += 8 // RET to the restorer
	f, err := ReadSignalFrame(m, &r)
	if err != nil {
		t.Fatal(err)
	}
	if r != want {
		t.Errorf("restored %+v\nwant %+v", r, want)
	}
	if f.Mask != 0xff00 || f.AltStack.Flags != ssDisable || !bytes.Equal(f.FPU[fpuHeaderEnd:], fpu[fpuHeaderEnd:]) {
		t.Errorf("mask %#x, stack %+v", f.Mask, f.AltStack)
	}
}

func TestAlternateStackRules(t *testing.T) {
	alt := AltStack{SP: 0x10000, Size: 0x4000}
	for _, c := range []struct {
		name  string
		sp    uint64
		use   bool
		flags uint32
		size  uint64
		want  string // where the frame goes
	}{
		{"not asked for", 0x1f000, false, 0, 0x4000, "stack"},
		{"asked for", 0x1f000, true, 0, 0x4000, "alt top"},
		{"none there", 0x1f000, true, ssDisable, 0, "stack"},
		{"already on it", 0x13000, true, 0, 0x4000, "nested"},
		{"on it with autodisarm", 0x13000, true, ssAutodisarm, 0x4000, "alt top"},
		{"too small", 0x1f000, true, 0, 512, "fault"},
		{"overflow when nested", 0x10400, true, 0, 0x4000, "fault"},
		{"overflow when nested, not asked for", 0x10400, false, 0, 0x4000, "fault"},
	} {
		m := newMemory(0x8000, 0x20000)
		r := Registers{Rsp: c.sp}
		f := testFrame(NewFPUState())
		f.AltStack, f.UseAltStack = alt, c.use
		f.AltStack.Flags, f.AltStack.Size = c.flags, c.size
		before := r
		err := r.PushSignalFrame(m, f)
		got := "stack"
		switch top := alt.SP + addr.Addr(c.size); {
		case err != nil:
			got = "fault"
			if r != before {
				t.Errorf("%s: registers changed", c.name)
			}
		case r.Rsp > 0x10000 && r.Rsp < 0x13000-redZone && c.sp == 0x13000 && r.Rsi < 0x13000 && c.flags == 0:
			got = "nested"
		case r.Rsp < uint64(top) && uint64(top)-r.Rsp < frameSize+uint64(FPUSize())+200:
			got = "alt top"
		}
		if got != c.want {
			t.Errorf("%s: %s (sp %#x), want %s", c.name, got, r.Rsp, c.want)
		}
	}
}

func TestPushToBadStacks(t *testing.T) {
	for _, sp := range []uint64{0, 8, 100, 1 << 47, 1<<47 - 1, 1 << 63, ^uint64(0), 0x8000 + 600, 0x30000} {
		m := newMemory(0x8000, 0x8000)
		r := Registers{Rsp: sp, Rip: 1}
		if err := r.PushSignalFrame(m, testFrame(NewFPUState())); err != errno.EFAULT || r != (Registers{Rsp: sp, Rip: 1}) {
			t.Errorf("stack %#x: %v", sp, err)
		}
	}
}

// pushed returns a frame on a stack, and registers as rt_sigreturn finds them.
func pushed(t testing.TB) (*memory, Registers) {
	t.Helper()
	m := newMemory(0x10000, 0x10000)
	r := Registers{Rip: 0x1234, Rsp: 0x1f000, Eflags: 0x202, Cs: UserCS, Ss: UserDS}
	if err := r.PushSignalFrame(m, testFrame(NewFPUState())); err != nil {
		t.Fatal(err)
	}
	r.Rsp += 8
	return m, r
}

func TestHostileFrames(t *testing.T) {
	le := binary.LittleEndian
	for _, c := range []struct {
		name  string
		spoil func(m *memory, frame, fpu []byte, r *Registers)
		bad   bool
		check func(r *Registers, f *RestoredFrame) bool
	}{
		{name: "no FPU state", spoil: func(_ *memory, frame, _ []byte, _ *Registers) {
			le.PutUint64(frame[frameContext+scFPState:], 0)
		}, check: func(_ *Registers, f *RestoredFrame) bool { return bytes.Equal(f.FPU, NewFPUState()) }},
		{name: "unaligned FPU state", bad: true, spoil: func(_ *memory, frame, _ []byte, _ *Registers) {
			frame[frameContext+scFPState] += 8
		}},
		{name: "FPU state in the kernel", bad: true, spoil: func(_ *memory, frame, _ []byte, _ *Registers) {
			le.PutUint64(frame[frameContext+scFPState:], 0xffff888000000000)
		}},
		{name: "FPU state across the end", bad: true, spoil: func(_ *memory, frame, _ []byte, _ *Registers) {
			le.PutUint64(frame[frameContext+scFPState:], 1<<47-4096-64)
		}},
		{name: "FPU state unmapped", bad: true, spoil: func(_ *memory, frame, _ []byte, _ *Registers) {
			le.PutUint64(frame[frameContext+scFPState:], 0x40000)
		}},
		{name: "reserved bits of MXCSR", bad: true, spoil: func(_ *memory, _, fpu []byte, _ *Registers) {
			le.PutUint32(fpu[fpuMXCSR:], 0xffff0000)
		}},
		{name: "features that nobody has", bad: true, spoil: func(_ *memory, _, fpu []byte, _ *Registers) {
			le.PutUint64(fpu[fpuXStateBV:], 1<<62)
		}},
		{name: "compacted format", bad: true, spoil: func(_ *memory, _, fpu []byte, _ *Registers) {
			le.PutUint64(fpu[fpuXCompBV:], 1<<63)
		}},
		{name: "reserved header bytes", bad: true, spoil: func(_ *memory, _, fpu []byte, _ *Registers) { fpu[fpuHeaderEnd-1] = 1 }},
		{name: "no magic 1: only FXSAVE counts", spoil: func(_ *memory, _, fpu []byte, _ *Registers) {
			le.PutUint32(fpu[fpuSoftware:], 0)
			fpu[160] = 77
			le.PutUint64(fpu[fpuXStateBV:], ^uint64(0))
		}, check: func(_ *Registers, f *RestoredFrame) bool {
			return f.FPU[160] == 77 && le.Uint64(f.FPU[fpuXStateBV:]) == fpSSE
		}},
		{name: "no magic 2", spoil: func(_ *memory, _, fpu []byte, _ *Registers) {
			le.PutUint32(fpu[FPUSize():], 0)
			le.PutUint64(fpu[fpuXStateBV:], ^uint64(0))
		}, check: func(_ *Registers, f *RestoredFrame) bool { return le.Uint64(f.FPU[fpuXStateBV:]) == fpSSE }},
		{name: "huge size", spoil: func(_ *memory, _, fpu []byte, _ *Registers) {
			le.PutUint32(fpu[fpuSoftware+4:], ^uint32(0))
			le.PutUint32(fpu[fpuSoftware+16:], ^uint32(0))
		}},
		{name: "tiny size", spoil: func(_ *memory, _, fpu []byte, _ *Registers) { le.PutUint32(fpu[fpuSoftware+16:], 1) }},
		{name: "privileged flags", spoil: func(_ *memory, frame, _ []byte, _ *Registers) {
			le.PutUint64(frame[frameContext+scFlags:], ^uint64(0))
		}, check: func(r *Registers, _ *RestoredFrame) bool { return r.Eflags == 0x202|eflagsFromFrame }},
		{name: "segments", spoil: func(_ *memory, frame, _ []byte, _ *Registers) {
			le.PutUint16(frame[frameContext+scCs:], 0x10)
			le.PutUint16(frame[frameContext+scSs:], 0x18)
		}, check: func(r *Registers, _ *RestoredFrame) bool { return r.Cs == UserCS && r.Ss == UserDS }},
		{name: "stack pointer in the kernel", bad: true, spoil: func(_ *memory, _, _ []byte, r *Registers) { r.Rsp = 0xffff888000000008 }},
		{name: "stack pointer 0", bad: true, spoil: func(_ *memory, _, _ []byte, r *Registers) { r.Rsp = 0 }},
	} {
		m, r := pushed(t)
		frame := m.b[r.Rsp-8-uint64(m.start):]
		fpu := m.b[le.Uint64(frame[frameContext+scFPState:])-uint64(m.start):]
		c.spoil(m, frame, fpu, &r)
		before := r
		f, err := ReadSignalFrame(m, &r)
		if c.bad != (err != nil) || err != nil && (err != errno.EFAULT || r != before) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && c.check != nil && !c.check(&r, &f) {
			t.Errorf("%s: restored %+v, %+v", c.name, r, f)
		}
	}
}

func TestSanitize(t *testing.T) {
	f := FPUState(bytes.Repeat([]byte{0xff}, FPUSize()))
	f.Sanitize()
	if !f.loadable() {
		t.Error("not loadable")
	}
	f = FPUState(bytes.Repeat([]byte{0xff}, FPUSize()))
	binary.LittleEndian.PutUint64(f[fpuXStateBV:], 0)
	f.Sanitize()
	want := NewFPUState()
	binary.LittleEndian.PutUint32(want[fpuMXCSR:], cpu.Host().MXCSRMask)
	if !bytes.Equal(f[:416], want[:416]) || !bytes.Equal(f[fpuXStateBV:], want[fpuXStateBV:]) {
		t.Error("components that are not there were not cleared")
	}
}

func FuzzReadSignalFrame(f *testing.F) {
	m, r := pushed(f)
	f.Add(m.b[r.Rsp-8-uint64(m.start):], r.Rsp)
	f.Fuzz(func(t *testing.T, b []byte, sp uint64) {
		m := &memory{0x10000, b}
		r := Registers{Rsp: sp, Eflags: 0x202}
		got, err := ReadSignalFrame(m, &r)
		if err != nil {
			return
		}
		if r.Cs != UserCS || r.Ss != UserDS || r.Eflags&^(0x202|eflagsFromFrame) != 0 {
			t.Errorf("restored %+v", r)
		}
		if len(got.FPU) != FPUSize() || !got.FPU.loadable() {
			t.Error("FPU state can't be loaded")
		}
	})
}
