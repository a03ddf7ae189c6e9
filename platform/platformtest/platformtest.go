// Package platformtest is the suite that every platform passes. It knows nothing of
// how a platform works: it maps pages of its own memory file, runs small routines of
// machine code (guest_amd64.s) in them, and looks at events, registers and memory.
//
//	func TestPlatform(t *testing.T) {
//		platformtest.Run(t, func() (platform.Platform, error) { return New() })
//	}
package platformtest

import (
	"testing"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
)

// Run runs the whole suite against platforms that newPlatform makes.
func Run(t *testing.T, newPlatform func() (platform.Platform, error)) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *machine)
	}{
		{"Syscall", testSyscall},
		{"Registers", testRegisters},
		{"SegmentBases", testSegmentBases},
		{"FPU", testFPU},
		{"Fault", testFaults},
		{"Exception", testExceptions},
		{"Sysenter", testSysenter},
		{"SingleStep", testSingleStep},
		{"Vsyscall", testVsyscall},
		{"Map", testMap},
		{"Threads", testThreads},
		{"AddressSpaces", testAddressSpaces},
		{"Interrupt", testInterrupt},
		{"Release", testRelease},
		{"Hostile", testHostile},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := newPlatform()
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			c.test(t, newMachine(t, p))
		})
	}
	t.Run("Leaks", func(t *testing.T) { testLeaks(t, newPlatform) })
}

// Where the suite maps its pages, unless a test wants them elsewhere.
const (
	codeAt  addr.Addr = 0x10000000
	dataAt  addr.Addr = 0x20000000
	stackAt addr.Addr = 0x30001000 // the end of the stack page
	nothing addr.Addr = 0x40000000 // never mapped

	dataPages = 16
	stackPage = dataPages // page number in the memory file
)

// Places in the memory file.
const (
	dataOffset  = 0
	stackOffset = stackPage * addr.PageSize
	codeOffset  = stackOffset + addr.PageSize
)

// machine is a platform and the memory file of its guests.
type machine struct {
	p    platform.Platform
	file hostcall.FD
	mem  []byte // the whole file
}

func newMachine(t testing.TB, p platform.Platform) *machine {
	t.Helper()
	m := &machine{p: p}
	var err error
	if m.file, err = hostcall.MemfdCreate("guest", hostcall.MFD_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hostcall.Close(m.file) })
	code := codeBytes()
	size := codeOffset + len(code)
	if err := hostcall.Ftruncate(m.file, int64(size)); err != nil {
		t.Fatal(err)
	}
	if m.mem, err = hostcall.MapFile(m.file, 0, size, hostcall.PROT_READ|hostcall.PROT_WRITE); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hostcall.UnmapFile(m.mem) })
	copy(m.mem[codeOffset:], code)
	return m
}

// data returns the data pages as the sentry sees them.
func (m *machine) data() []byte { return m.mem[:dataPages*addr.PageSize] }

// space is an address space in which code, data and a stack are mapped.
func (m *machine) space(t testing.TB) platform.AddressSpace {
	t.Helper()
	as := m.emptySpace(t)
	m.mapPages(t, as, codeAt, codeOffset, len(codeBytes())/addr.PageSize, platform.Read|platform.Exec)
	m.mapPages(t, as, dataAt, dataOffset, dataPages, platform.Read|platform.Write)
	m.mapPages(t, as, stackAt-addr.PageSize, stackOffset, 1, platform.Read|platform.Write)
	return as
}

func (m *machine) emptySpace(t testing.TB) platform.AddressSpace {
	t.Helper()
	as, err := m.p.NewAddressSpace()
	if err != nil {
		t.Fatal(err)
	}
	return as
}

func (m *machine) mapPages(t testing.TB, as platform.AddressSpace, at addr.Addr, offset uint64, pages int, prot platform.Prot) {
	t.Helper()
	if err := as.Map(pageRange(at, pages), m.file, offset, prot, platform.PopulateNone); err != nil {
		t.Fatalf("map %#x: %v", uint64(at), err)
	}
}

func (m *machine) unmap(t testing.TB, as platform.AddressSpace, at addr.Addr, pages int) {
	t.Helper()
	if err := as.Unmap(pageRange(at, pages)); err != nil {
		t.Fatalf("unmap %#x: %v", uint64(at), err)
	}
}

func pageRange(at addr.Addr, pages int) addr.Range {
	return addr.Range{Start: at, End: at + addr.Addr(pages)*addr.PageSize}
}

// at returns where a routine lies in the guest.
func (r routine) at() addr.Addr { return codeAt + addr.Addr(r)*routineSlot }

// start returns registers that run a routine.
func start(r routine) *arch.Registers {
	regs := arch.NewRegisters(r.at(), stackAt)
	return &regs
}

// guest is a context with its registers.
type guest struct {
	t    testing.TB
	c    platform.Context
	as   platform.AddressSpace
	regs *arch.Registers
}

func (m *machine) guest(t testing.TB, as platform.AddressSpace, r routine) *guest {
	return &guest{t: t, c: m.p.NewContext(), as: as, regs: start(r)}
}

// run runs the guest to the next event, whatever it is.
func (g *guest) run() platform.Event {
	g.t.Helper()
	ev, err := g.c.Switch(g.as, g.regs)
	if err != nil {
		g.t.Fatalf("Switch at %#x: %v", g.regs.Rip, err)
	}
	return ev
}

// want runs the guest to the next event, which must be of a kind.
func (g *guest) want(kind platform.EventKind) platform.Event {
	g.t.Helper()
	ev := g.run()
	if ev.Kind != kind {
		g.t.Fatalf("event %+v at %#x, want kind %d", ev, g.regs.Rip, kind)
	}
	return ev
}

// release ends the guest, and its address space with it.
func (g *guest) release() {
	g.c.Release()
	g.as.Release()
}
