// Package platform defines how guest code runs: the interfaces Platform,
// AddressSpace and Context that package ptrace implements and that trap and kvm
// will. Package platformtest holds the suite that each of them passes.
//
// The kernel owns page tables and invalidation: a platform maps what it is told,
// and everything it says about a guest (registers, fault addresses) is hostile
// input. Nothing here knows tasks, files or signals' dispositions.
//
// One AddressSpace stands for one guest mm, one Context for one guest thread.
package platform

import (
	"ringfence/abi/addr"
	"ringfence/platform/arch"
	"ringfence/platform/clock"
	"ringfence/platform/hostcall"
)

// Prot is a set of page permissions, with the values of PROT_* in mmap(2).
type Prot uint8

const (
	Read  Prot = 1
	Write Prot = 2
	Exec  Prot = 4
)

// Platform makes address spaces and contexts. Safe for concurrent use.
type Platform interface {
	// Name is what --platform calls it.
	Name() string

	// UserRange is the range of addresses in which guest pages may be mapped.
	// Everything the platform keeps in a guest's process lies outside it.
	UserRange() addr.Range

	// NewAddressSpace returns an address space in which nothing is mapped.
	NewAddressSpace() (AddressSpace, error)

	// NewContext returns a context that has not run yet, with initial FPU state.
	NewContext() Context

	// Close ends all host processes of the platform. No AddressSpace or Context
	// may be used afterwards.
	Close()
}

// AddressSpace is the memory that guest threads see. Safe for concurrent use,
// also while contexts run in it: a change is visible to all of them when the
// call returns.
//
// Errors are the host's (ENOMEM, for example) and leave the range in an
// undefined mixture of old and new mappings; callers then unmap it.
type AddressSpace interface {
	// Map maps r to the pages of file that start at offset, replacing what was
	// there. The mapping is shared: several ranges can map the same page.
	//
	// Preconditions: r is page-aligned, not empty and within UserRange; offset is
	// page-aligned.
	Map(r addr.Range, file hostcall.FD, offset uint64, prot Prot, populate Populate) error

	// MapAll maps ms one after the other, at less cost than Map would. It stops at the first
	// that fails.
	MapAll(ms []Mapping) error

	// Unmap removes all mappings from r. Touching r afterwards yields a Fault event.
	// Preconditions: as for Map.
	Unmap(r addr.Range) error

	// Release ends the address space. Preconditions: no Context runs in it or will.
	Release()
}

// Mapping is what AddressSpace.Map is told.
type Mapping struct {
	Range    addr.Range
	File     hostcall.FD
	Offset   uint64
	Prot     Prot // not zero
	Populate Populate
}

// Populate says how far the host's page tables are filled ahead, so that touching a range takes
// no host fault. It is done as far as the host can.
type Populate uint8

const (
	PopulateNone Populate = iota
	PopulateRead          // for accesses that change nothing
	// PopulateWrite also gives memory to pages that have none, and makes them count as changed:
	// not for files whose times mean something.
	PopulateWrite
)

// Patcher is implemented by an AddressSpace whose platform can replace SYSCALL instructions
// by code that costs less. The owner of the address space decides which, and maps a
// changed copy of the page that holds one. Safe for concurrent use.
type Patcher interface {
	// Patch changes page, a copy of the guest's page at start, so that the SYSCALL
	// instruction that ends at end costs less. It was executed for call nr a moment ago.
	// It reports whether it could; else page is as it was. From then on the copy, or a
	// later one, may be mapped for execution at start, until Unpatch.
	Patch(page []byte, start, end addr.Addr, nr uint64) bool

	// Unpatch says that no patched copies of the pages in r are mapped any more. A guest
	// thread may still be on its way through one.
	Unpatch(r addr.Range)

	// Inherit makes the patches of another address space those of this one, which has none:
	// the copies may be mapped here at the same places, as after fork(2).
	Inherit(from AddressSpace)
}

// Context is the execution state of one guest thread.
//
// A context is owned by one goroutine, except for Interrupt. The ptrace platform
// ties the goroutine to its host thread in the first Switch, until Release.
type Context interface {
	// Switch loads regs, runs the guest in as until something happens, stores
	// the registers back to regs and says what happened. as may differ from the
	// call before (after exec); the FPU state moves along.
	//
	// An error means the host thread or process died or could not be made, not
	// anything the guest did through a system call; the guest thread can't go on.
	Switch(as AddressSpace, regs *arch.Registers) (Event, error)

	// Interrupt makes the current Switch return an Interrupted event soon, or
	// the next one if none is under way. Extra interrupts may be lost, never all
	// of them. Safe to call from any goroutine, also after Release.
	Interrupt()

	// FPU returns a copy of the extended state (x87, SSE, AVX, AVX-512) in
	// XSAVE's standard format, as it stands in a signal frame (arch.FPUState).
	FPU() (arch.FPUState, error)

	// SetFPU replaces the extended state. The state must have been through
	// arch.FPUState.Sanitize if a guest could have written it.
	SetFPU(arch.FPUState) error

	// Release ends the guest thread.
	Release()
}

// Answerer is implemented by a Context that can answer some system calls without
// returning from Switch.
type Answerer interface {
	// SetAnswers says what to answer. It holds when SetAnswers returns, except for a
	// call that is being answered. Safe to call from any goroutine, also after Release.
	SetAnswers(Answers)
}

// Answers are the results of calls that a guest thread may as well know. None of them tells it
// of anybody else.
type Answers struct {
	// On allows the platform to answer: getpid, gettid, getppid, getuid, geteuid,
	// getgid and getegid as follows, sched_yield, clock_gettime by the
	// parameters that a ClockReader was given, getcpu, and futex by what a WaitCounter was told.
	On bool

	PID, TID, PPID       int32
	UID, EUID, GID, EGID uint32
	// CPUs is how many processors there are: the host's number of one is the guest's if it is below.
	CPUs uint32
}

// ClockReader is implemented by a Platform that can tell the time to guests.
type ClockReader interface {
	// SetClock says how the clocks go from now on. Params that are not usable, as at the
	// beginning, mean that nobody knows.
	SetClock(clock.Params)
}

// WaitCounter is implemented by an AddressSpace whose platform answers FUTEX_WAKE where nobody
// waits. Safe for concurrent use.
type WaitCounter interface {
	// CountWaiters adds n to the number of those who wait, or are about to, for the futex at a
	// that is private to the address space. Who is about to is counted before the word is read.
	CountWaiters(a addr.Addr, n int)
}

// EventKind says why Switch returned.
type EventKind uint8

const (
	// Syscall: the guest executed SYSCALL. Its number is in regs.OrigRax, its
	// arguments in the argument registers; regs.Rip points behind the
	// instruction, regs.Rax holds -ENOSYS, and rcx and r11 are as the
	// instruction leaves them.
	Syscall EventKind = iota + 1

	// Fault: a page fault at Event.Addr that the host could not resolve (nothing
	// is mapped there, or the protection forbids the access).
	Fault

	// Exception: a CPU exception other than a page fault. Signal, Code and Addr
	// are what Linux would put into siginfo; Trapno and ErrorCode go into the
	// signal frame.
	Exception

	// Interrupted: Interrupt was called. Registers are at some user instruction.
	Interrupted
)

// Event says what the guest did. It is hostile input like the registers.
type Event struct {
	Kind EventKind

	// Trapped says of a Syscall that it took a costly way, which a Patcher may spare the next one.
	Trapped bool

	// Access is the access that faulted, as far as the CPU told: Write or Exec,
	// else Read.
	Access Prot

	// Signal, Code and Addr describe a Fault or Exception as siginfo does:
	// SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGTRAP. For a Fault, Addr is the faulting
	// address.
	Signal int32
	Code   int32
	Addr   addr.Addr

	// Trapno and ErrorCode are the CPU's vector and error code (sigcontext).
	Trapno    uint64
	ErrorCode uint64
}
