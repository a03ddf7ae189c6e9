package main

import (
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The parts of an arena, as offsets. What follows the part to spoil is reserved, so that
// calls with sizes too large seldom meet the Go runtime.
const (
	scratchPages = 16
	noAccessAt   = scratchPages * 4096
	readOnlyAt   = noAccessAt + 2*4096
	outAt        = readOnlyAt + 2*4096
	outPages     = 48
	pastEndAt    = outAt + (outPages+2)*4096
	stackAt      = pastEndAt + 2*4096
	sharedAt     = stackAt + 4*4096
	spoilAt      = sharedAt + 4096
	spoilPages   = 64
	arenaSize    = spoilAt + spoilPages*4096 + 64<<20
)

// arena is the memory that the calls of one thread are about. It lies outside the Go
// heap: the collector knows nothing of it, and calls may unmap it.
type arena struct {
	base  uint64
	bytes []byte // the scratch pages
	code  uint64
}

// code is where threads and signal handlers run that have no Go stack.
var code = [...][]byte{
	{0xc3},                          // handler: ret
	{0xb8, 15, 0, 0, 0, 0x0f, 0x05}, // restorer: rt_sigreturn
	{0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}, // thread: getpid, exit(0)
	{0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7},                                // helper: pause for ever
}

func (a *arena) handler() uint64  { return a.code }
func (a *arena) restorer() uint64 { return a.code + 64 }
func (a *arena) shared() uint64   { return a.base + sharedAt }

// stack is a stack from which a system call returns to the thread's code.
func (a *arena) stack() uint64 { return a.base + stackAt + 4096 + 2048 }

// newArena maps an arena; the words in shared are a page of file.
func newArena(file int) *arena {
	base := must(mmap(0, arenaSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE, -1))
	part := func(at, pages uint64, prot, flags, fd int) {
		must(mmap(base+at, pages*4096, prot, flags|unix.MAP_FIXED, fd))
	}
	const rw = unix.PROT_READ | unix.PROT_WRITE
	const anon = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	part(0, scratchPages, rw, anon, -1)
	part(readOnlyAt, 1, unix.PROT_READ, anon, -1)
	part(outAt, outPages, rw, anon, -1)
	part(pastEndAt, 2, rw, unix.MAP_SHARED, file) // the file has one page
	part(stackAt, 4, rw, anon, -1)
	part(sharedAt, 1, rw, unix.MAP_SHARED, file)
	part(spoilAt, spoilPages/2, rw, anon, -1)
	part(spoilAt+spoilPages/2*4096, spoilPages/4, rw, unix.MAP_SHARED|unix.MAP_ANONYMOUS, -1)
	a := &arena{base: base, bytes: memory(base, scratchPages*4096)}
	a.code = must(mmap(0, 4096, rw, anon, -1))
	text := memory(a.code, 4096)
	for i, c := range code {
		copy(text[64*i:], c)
	}
	must(mprotect(a.code, 4096, unix.PROT_READ|unix.PROT_EXEC))
	stacks := memory(base+stackAt, 4*4096)
	for i := 0; i < len(stacks); i += 8 {
		entry := a.code + 128
		if i >= 2*4096 {
			entry = a.code + 192
		}
		binary.LittleEndian.PutUint64(stacks[i:], entry)
	}
	return a
}

// helper starts a process that pauses for ever.
func (a *arena) helper() int {
	return int(must(raw(unix.SYS_CLONE, uint64(unix.SIGCHLD), a.base+stackAt+3*4096)))
}

// catch makes signals 10 and 12 interrupt calls, without restart.
func (a *arena) catch() {
	b := a.bytes[:32] // a struct sigaction: SA_RESTORER, SA_ONSTACK
	for i, v := range []uint64{a.handler(), 0x04000000 | 0x08000000, a.restorer(), 0} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	for _, sig := range []uint64{uint64(unix.SIGUSR1), uint64(unix.SIGUSR2)} {
		must(raw(unix.SYS_RT_SIGACTION, sig, a.base, 0, 8))
	}
}

// memory is the n bytes at address a, which must be mapped and stay so.
func memory(a uint64, n int) []byte {
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&a))), n)
}

func mmap(a, n uint64, prot, flags, fd int) (uint64, unix.Errno) {
	return raw(unix.SYS_MMAP, a, n, uint64(prot), uint64(flags), uint64(fd), 0)
}

func mprotect(a, n uint64, prot int) (uint64, unix.Errno) {
	return raw(unix.SYS_MPROTECT, a, n, uint64(prot))
}

// raw makes a system call that the Go runtime learns nothing of.
func raw(nr uint64, args ...uint64) (uint64, unix.Errno) {
	var a [6]uintptr
	for i, v := range args {
		a[i] = uintptr(v)
	}
	r, _, e := unix.RawSyscall6(uintptr(nr), a[0], a[1], a[2], a[3], a[4], a[5])
	return uint64(r), e
}

// must is for what the batch can't start without.
func must(v uint64, e unix.Errno) uint64 {
	if e != 0 {
		println("sysfuzz guest: setting up:", e.Error())
		os.Exit(setupFailed)
	}
	return v
}

// sharedWord maps the eight bytes of a file and closes it.
func sharedWord(file int) []byte {
	a := must(mmap(0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, file))
	unix.Close(file)
	return memory(a, 8)
}
