package trap

import (
	"bytes"
	"fmt"
	"testing"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
)

// Where the guests of these tests have what.
const (
	textAt  addr.Addr = 0x10000000 // a page
	dataAt  addr.Addr = 0x20000000 // dataPages
	stackAt addr.Addr = 0x30001000 // the end of a page
	nowhere addr.Addr = 0x40000000 // nothing

	dataPages = 16
	textPages = 256
)

// Offsets in a rig's memory file.
const (
	rigData  = 0
	rigStack = dataPages * addr.PageSize
	rigText  = rigStack + addr.PageSize
	rigSize  = rigText + textPages*addr.PageSize
)

// rig is a platform and the memory of guests, whose code is given as bytes.
type rig struct {
	t    testing.TB
	p    *Platform
	file hostcall.FD
	mem  []byte
	used int // text pages
}

func newRig(t testing.TB) *rig {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	r := &rig{t: t, p: p}
	if r.file, err = hostcall.MemfdCreate("guest", hostcall.MFD_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hostcall.Close(r.file) })
	if err = hostcall.Ftruncate(r.file, rigSize); err == nil {
		r.mem, err = hostcall.MapFile(r.file, 0, rigSize, hostcall.PROT_READ|hostcall.PROT_WRITE)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hostcall.UnmapFile(r.mem) })
	return r
}

// data returns the data pages as the sentry sees them.
func (r *rig) data() []byte { return r.mem[:dataPages*addr.PageSize] }

// text is a page of code and, once something was patched, its copy.
type text struct {
	r            *rig
	page, copied uint64 // offsets in the memory file
}

func (r *rig) textPage() uint64 {
	if r.used == textPages {
		r.t.Fatal("out of text pages")
	}
	r.used++
	return uint64(rigText + (r.used-1)*addr.PageSize)
}

// text makes a page that begins with code; the rest are breakpoints.
func (r *rig) text(code []byte) *text {
	x := &text{r: r, page: r.textPage()}
	b := r.mem[x.page : x.page+addr.PageSize]
	copy(b, bytes.Repeat([]byte{0xcc}, len(b)))
	copy(b, code)
	return x
}

// space makes an address space with data, a stack and a page of code.
func (r *rig) space(t testing.TB, x *text) *addressSpace {
	t.Helper()
	as, err := r.p.NewAddressSpace()
	if err != nil {
		t.Fatal(err)
	}
	r.mapAt(t, as, dataAt, rigData, dataPages, platform.Read|platform.Write)
	r.mapAt(t, as, stackAt-addr.PageSize, rigStack, 1, platform.Read|platform.Write)
	x.mapIn(t, as)
	return as.(*addressSpace)
}

func (r *rig) mapAt(t testing.TB, as platform.AddressSpace, at addr.Addr, offset uint64, pages int, prot platform.Prot) {
	t.Helper()
	if err := as.Map(addr.Range{Start: at, End: at + addr.Addr(pages)*addr.PageSize}, r.file, offset, prot, platform.PopulateNone); err != nil {
		t.Fatal(err)
	}
}

// mapIn maps the page, or its copy if it has one.
func (x *text) mapIn(t testing.TB, as platform.AddressSpace) {
	t.Helper()
	page := x.page
	if x.copied != 0 {
		page = x.copied
	}
	x.r.mapAt(t, as, textAt, page, 1, platform.Read|platform.Exec)
}

// patch patches the SYSCALL that ends at offset end, which was executed for call nr.
func (x *text) patch(t testing.TB, as *addressSpace, end int, nr uint64) {
	t.Helper()
	if !x.tryPatch(t, as, end, nr) {
		t.Fatalf("the SYSCALL that ends at %d is not patched", end)
	}
}

// forget makes the copy what the page is, for another address space.
func (x *text) forget() {
	if x.copied != 0 {
		copy(x.r.mem[x.copied:x.copied+addr.PageSize], x.r.mem[x.page:])
	}
}

func (x *text) tryPatch(t testing.TB, as *addressSpace, end int, nr uint64) bool {
	t.Helper()
	if x.copied == 0 {
		x.copied = x.r.textPage()
		copy(x.r.mem[x.copied:x.copied+addr.PageSize], x.r.mem[x.page:])
	}
	ok := as.Patch(x.r.mem[x.copied:x.copied+addr.PageSize], textAt, textAt+addr.Addr(end), nr)
	x.mapIn(t, as)
	return ok
}

// guest is a context with its registers.
type guest struct {
	t    testing.TB
	c    *context
	as   *addressSpace
	regs arch.Registers
}

func (r *rig) guest(t testing.TB, as *addressSpace) *guest {
	return &guest{t, r.p.NewContext().(*context), as, arch.NewRegisters(textAt, stackAt-256)}
}

func (g *guest) run() platform.Event {
	g.t.Helper()
	ev, err := g.c.Switch(g.as, &g.regs)
	if err != nil {
		g.t.Fatalf("Switch at %#x: %v", g.regs.Rip, err)
	}
	return ev
}

func (g *guest) want(kind platform.EventKind) platform.Event {
	g.t.Helper()
	ev := g.run()
	if ev.Kind != kind {
		g.t.Fatalf("event %+v at %#x, want kind %d", ev, g.regs.Rip, kind)
	}
	return ev
}

// wantCall wants the guest to make call nr.
func (g *guest) wantCall(nr uint64) platform.Event {
	g.t.Helper()
	ev := g.want(platform.Syscall)
	if g.regs.OrigRax != nr {
		g.t.Fatalf("call %d at %#x, want %d", g.regs.OrigRax, g.regs.Rip, nr)
	}
	return ev
}

// wantEnd wants the guest to get to the UD2 at offset at.
func (g *guest) wantEnd(at int) {
	g.t.Helper()
	ev := g.want(platform.Exception)
	if ev.Signal != sigIll || g.regs.Rip != uint64(textAt)+uint64(at) {
		g.t.Fatalf("event %+v at %#x, want the UD2 at %#x", ev, g.regs.Rip, uint64(textAt)+uint64(at))
	}
}

func (g *guest) release() {
	g.c.Release()
	g.as.Release()
}

// fill gives the general registers but SP values that are easy to tell apart, and flags.
func (g *guest) fill(seed, flags uint64) {
	for i, reg := range general(&g.regs) {
		*reg = seed<<56 ^ uint64(i+1)*0x0101010101010101
	}
	g.regs.Eflags = fixedFlags | flags
}

// general are the registers that a system call leaves alone, without SP.
func general(r *arch.Registers) []*uint64 {
	return []*uint64{&r.R15, &r.R14, &r.R13, &r.R12, &r.Rbp, &r.Rbx, &r.R10, &r.R9, &r.R8, &r.Rdx, &r.Rsi, &r.Rdi}
}

// differ names the first registers in which two sets differ, except for those in but.
func differ(a, b arch.Registers, but ...string) string {
	names := []string{"R15", "R14", "R13", "R12", "Rbp", "Rbx", "R11", "R10", "R9", "R8", "Rax", "Rcx", "Rdx", "Rsi", "Rdi",
		"OrigRax", "Rip", "Cs", "Eflags", "Rsp", "Ss", "FsBase", "GsBase"}
	x, y := a.Bytes(), b.Bytes()
	for i, name := range names {
		if u, v := x[8*i:8*i+8], y[8*i:8*i+8]; !bytes.Equal(u, v) && !contains(but, name) {
			return fmt.Sprintf("%s: %x, %x (bytes as in memory)", name, u, v)
		}
	}
	return ""
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

// site is code with a SYSCALL.
type site struct {
	code []byte
	end  int // where the SYSCALL ends
	next int // where the guest goes on when what belongs to the site is done
}

// siteOf returns a site of kind k for call nr. There is room before it. A kind of noSite is a
// SYSCALL that cannot be patched.
func siteOf(k siteKind, nr uint32) site {
	s := site{code: concat(bytes.Repeat(nop, longest), mov(nr), syscallBytes)}
	if k == noSite {
		s.code = concat(mov(nr), nop, syscallBytes)
	}
	s.end = len(s.code)
	if k != noSite {
		s.code = append(s.code, k.tail()...)
	}
	s.next = len(s.code)
	return s
}

var siteKinds = []struct {
	name string
	kind siteKind
}{
	{"mov", movSite}, {"cmp95", cmp95Site}, {"cmp96", cmp96Site}, {"short95", short95Site}, {"short96", short96Site},
}

var ud2 = []byte{0x0f, 0x0b}
