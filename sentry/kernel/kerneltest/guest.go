package kerneltest

import (
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/platformtest"
	"ringfence/sentry/kernel"
	"ringfence/sentry/mm"
	"ringfence/sentry/usermem"
)

// Guest is the only thread of the only process of a machine, whose system calls the test makes.
type Guest struct {
	*platformtest.ScriptThread
	*Machine
	Task *kernel.Task

	script *platformtest.Script
	mm     *mm.MM
	top    addr.Addr // of the scratch memory that is free
}

// scratch is how much memory Put and Room give away.
const scratch = 1 << 20

// NewScript boots a machine on platformtest.Script and starts a process that does nothing
// by itself.
func NewScript(t testing.TB, table *kernel.SyscallTable) *Guest {
	t.Helper()
	p := platformtest.NewScript()
	m := boot(t, p, table)
	m.Put("/bin/nothing", emptyProgram(), 0o755)
	tg := m.Start(&Buffer{}, "/bin/nothing")
	g := &Guest{ScriptThread: p.Thread(), Machine: m, Task: tg.Leader(), script: p}
	// The task sits in Switch now, or will: nobody else changes its address space.
	g.mm = g.Task.AcquireMM()
	t.Cleanup(g.mm.DecUsers)
	g.top = addr.Addr(g.Call(linux.SYS_MMAP, 0, scratch, linux.PROT_READ|linux.PROT_WRITE,
		linux.MAP_PRIVATE|linux.MAP_ANONYMOUS, ^uint64(0), 0))
	if _, err := g.mm.ZeroOut(g.top, scratch); err != nil {
		t.Fatalf("scratch memory: %v", err)
	}
	return g
}

// Syscall returns the step that makes a system call.
func Syscall(nr uint64, args ...uint64) platformtest.Step {
	s := platformtest.Step{Call: nr}
	copy(s.Args[:], args)
	return s
}

// Call makes a system call, which must succeed.
func (g *Guest) Call(nr uint64, args ...uint64) uint64 {
	g.T.Helper()
	ret, err := g.Try(nr, args...)
	if err != nil {
		g.T.Fatalf("system call %d %#x: %v", nr, args, err)
	}
	return ret
}

// Try makes a system call.
func (g *Guest) Try(nr uint64, args ...uint64) (uint64, error) {
	g.T.Helper()
	r := g.Do(1, Syscall(nr, args...))
	if r == nil {
		g.T.Fatalf("the guest ended in system call %d", nr)
	}
	if e := int64(r[0]); e < 0 && e > -4096 {
		return 0, errno.Errno(-e)
	}
	return r[0], nil
}

// Thread makes another thread (clone(2) as pthread_create(3) calls it).
func (g *Guest) Thread() *platformtest.ScriptThread {
	g.T.Helper()
	const flags = linux.CLONE_VM | linux.CLONE_FS | linux.CLONE_FILES | linux.CLONE_SIGHAND | linux.CLONE_THREAD | linux.CLONE_SYSVSEM
	g.Call(linux.SYS_CLONE, flags, 0, 0, 0, 0)
	return g.script.Thread()
}

// Room returns n bytes of guest memory that nobody else uses, for good, aligned to 64 bytes.
func (g *Guest) Room(n uint64) uint64 {
	a := g.top
	g.top += addr.Addr(n+63) &^ 63
	return uint64(a)
}

// String returns where in guest memory s stands, with a NUL behind it.
func (g *Guest) String(s string) uint64 { return g.Bytes(append([]byte(s), 0)) }

// Bytes returns where in guest memory a copy of b stands.
func (g *Guest) Bytes(b []byte) uint64 {
	g.T.Helper()
	a := g.Room(uint64(len(b)))
	if _, err := g.mm.CopyOut(addr.Addr(a), b); err != nil {
		g.T.Fatal(err)
	}
	return a
}

// Struct returns where in guest memory x stands.
func (g *Guest) Struct(x kernel.Marshaler) uint64 {
	b := make([]byte, x.SizeBytes())
	x.MarshalBytes(b)
	return g.Bytes(b)
}

// Memory is the guest's memory. Preconditions of its use: the guest is not changing it.
func (g *Guest) Memory() usermem.IO { return g.mm }

// emptyProgram returns an executable of one page of nothing.
func emptyProgram() []byte {
	const at, heads = 0x400000, 64 + 56
	b := make([]byte, addr.PageSize)
	eh := linux.Elf64Ehdr{
		Type: linux.ET_EXEC, Machine: linux.EM_X86_64, Version: linux.EV_CURRENT, Entry: at + heads,
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	copy(eh.Ident[:], linux.ELFMAG)
	eh.Ident[linux.EI_CLASS], eh.Ident[linux.EI_DATA], eh.Ident[linux.EI_VERSION] = linux.ELFCLASS64, linux.ELFDATA2LSB, linux.EV_CURRENT
	ph := linux.Elf64Phdr{
		Type: linux.PT_LOAD, Flags: linux.PF_R | linux.PF_X, Vaddr: at,
		Filesz: addr.PageSize, Memsz: addr.PageSize, Align: addr.PageSize,
	}
	eh.MarshalBytes(b)
	ph.MarshalBytes(b[64:])
	return b
}
