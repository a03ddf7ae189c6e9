// Package stub makes and commands stub processes: host processes whose memory is a
// guest's address space and nothing else. Platforms that run guest code in host
// processes share it.
//
//	sentry --fork--> template --fork--> stub process (the sentry is parent of both)
//	                                      mapper thread, the leader
//	                                      guest threads, cloned by the mapper
//
// A Factory owns the template, a small process that has nothing mapped but the stub
// pages and what the platform adds to them (Image), so that forking it is cheap. A
// Process is a stub process; its mapper executes batches of host calls (Order) that
// the sentry writes to the control page.
//
// Trust. A guest thread can write all guest memory and jump anywhere, but it has no
// descriptors and the stub pages are read-only to it, except for those that a platform
// wants written, which nobody trusts. So:
//
//   - The mapper keeps its state in registers. It uses no stack.
//   - Orders come in the control page, which the stub maps read-only.
//   - Answers go through descriptors, which guest threads lack: the result is the file
//     position of the control page's memfd (lseek), the wake-up a write to an eventfd.
//   - A seccomp filter, inherited from the template, leaves only the calls that mappers make.
//
// No stub process outlives the sentry: each has asked for SIGKILL at the death of the
// thread that made the template (PR_SET_PDEATHSIG), and that thread lives as long as
// the Factory.
//
// Make the Factory after privileges are dropped: a process with more capabilities or
// another user id than the sentry's could be neither traced nor killed.
//
// Lock order: Factory.mu and Process.mu are not held together.
package stub

import (
	"ringfence/abi/addr"
	"ringfence/platform/hostcall"
)

// The stub pages. They lie above all guest pages.
const (
	// Base is the first address of the stub, the page with its code.
	Base = 0x7ffff0000000

	codeAddr    = Base
	controlAddr = Base + 0x1000

	// ScratchStart and ScratchEnd bound the pages that a platform may have a
	// stopped guest thread write to. All guest threads of the process can.
	ScratchStart = Base + 0x2000
	ScratchEnd   = Base + 0x8000

	// ImageStart and ImageEnd bound what an Image may map. Below Base, it may also map
	// what it keeps out of its UserRange.
	ImageStart = Base + 0x10000
	ImageEnd   = userEnd

	// userEnd is where the user half of the address space ends (TASK_SIZE).
	userEnd = 0x7ffffffff000
)

// Places in the code page. Each holds one of the routines of stub_amd64.s.
const (
	mapperAddr = codeAddr
	parkAddr   = codeAddr + 0x400
	exitAddr   = codeAddr + 0x800
)

// The control page, as stub_amd64.s reads it.
const (
	controlSize = 0x1000

	ctlSeq      = 0x00 // uint32: number of the batch; futex that the mapper sleeps on
	ctlAsleep   = 0x04 // uint32: the sentry wants a write to the eventfd
	ctlCount    = 0x08 // uint32: orders in the batch
	ctlSpin     = 0x0c // uint32: how often the mapper looks at ctlSeq before it sleeps
	ctlParent   = 0x10 // uint64: the sentry's process id
	ctlResultFD = 0x18 // uint64: descriptor whose position is the result
	ctlEventFD  = 0x20 // uint64: descriptor to write to when done
	ctlOne      = 0x28 // uint64: 1, which is written to it
	ctlOrders   = 0x40
	ctlData     = 0x840 // structs that orders point to

	orderSize = 64
	maxOrders = (ctlData - ctlOrders) / orderSize
)

// minAddr is the lowest address that guests may map: the usual vm.mmap_min_addr.
const minAddr = 0x10000

// UserRange is the range in which guest pages may be mapped.
func UserRange() addr.Range { return addr.Range{Start: minAddr, End: Base} }

// Parked reports whether a guest thread with this program counter waits where new
// threads wait. By then it has given up its descriptors.
func Parked(pc uint64) bool { return pc >= parkAddr && pc < parkAddr+parkLen() }

// ParkPC is where new threads wait if the platform has no use for them yet.
const ParkPC = parkAddr

// ExitPC is where a guest thread finds code that ends it.
const ExitPC = exitAddr

// HandlerPC is the handler of the signals that exceptions raise. It is there to make
// the host lay out a signal frame; it is not run.
const HandlerPC = exitAddr

// fd returns a descriptor as an argument.
func fd(f hostcall.FD) uint64 { return uint64(uint32(f)) }
