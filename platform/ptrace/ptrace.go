// Package ptrace is the platform that runs guest code in traced host processes. It
// works wherever ptrace(2) does, costs some ten microseconds an event, and is the
// reference for the other platforms.
//
// An addressSpace is a stub process (package stub). A context is a guest thread in
// the stub process of the address space that it last ran in, traced by the host thread
// of the goroutine that calls Switch:
//
//	Switch: PTRACE_SETREGS, PTRACE_SYSEMU, wait4, PTRACE_GETREGS -> Event
//
// PTRACE_SYSEMU stops the thread at each system call before the host looks at the
// number, so the host never makes one for a guest.
//
// Neighbours: platform/stub makes the processes; platform/platformtest tests this.
//
// Lock order:
//
//	context.mu
//	locks of package place
//	addressSpace.probeMu
//	  locks of package stub
package ptrace

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
	"ringfence/platform/place"
	"ringfence/platform/stub"
)

// Platform implements platform.Platform.
type Platform struct {
	factory *stub.Factory
	keeper  *place.Keeper // nil on a single CPU
}

var _ platform.Platform = (*Platform)(nil)

// New starts the platform. It must follow the dropping of privileges (see package
// stub), and changes how this process takes SIGCHLD: no longer for stopped children.
func New() (*Platform, error) {
	if err := hostcall.IgnoreChildStops(); err != nil {
		return nil, fmt.Errorf("SIGCHLD: %w", err)
	}
	f, err := stub.New(stub.Image{
		Signals: []int32{sigIll, sigTrap, sigBus, sigFpe, sigSegv}, Handler: stub.HandlerPC, Scratch: true,
	})
	if err != nil {
		return nil, err
	}
	p := &Platform{factory: f, keeper: place.NewKeeper()}
	if err := p.try(); err != nil {
		p.Close()
		return nil, fmt.Errorf("trace a stub process: %w", err)
	}
	return p, nil
}

// try traces a thread, so that a host that forbids it is found out now.
func (p *Platform) try() error {
	as, err := p.NewAddressSpace()
	if err != nil {
		return err
	}
	defer as.Release()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	t, err := startThread(as.(*addressSpace))
	if err == nil {
		t.end()
	}
	return err
}

// Name implements platform.Platform.
func (*Platform) Name() string { return "ptrace" }

// UserRange implements platform.Platform.
func (*Platform) UserRange() addr.Range { return stub.UserRange() }

// NewAddressSpace implements platform.Platform.
func (p *Platform) NewAddressSpace() (platform.AddressSpace, error) {
	proc, err := p.factory.Get()
	switch err {
	case nil:
	case errno.EMFILE, errno.ENFILE, errno.EAGAIN:
		// What the host is short of is not what a guest would understand.
		return nil, errno.ENOMEM
	default:
		return nil, err
	}
	s := &addressSpace{factory: p.factory, proc: proc}
	s.refs.Store(1)
	return s, nil
}

// NewContext implements platform.Platform.
func (p *Platform) NewContext() platform.Context {
	c := &context{fpu: arch.NewFPUState()}
	c.place.Init(p.keeper)
	return c
}

// Close implements platform.Platform.
func (p *Platform) Close() {
	if p.keeper != nil {
		p.keeper.Close()
	}
	p.factory.Close()
}

// addressSpace implements platform.AddressSpace by a stub process.
type addressSpace struct {
	factory *stub.Factory
	proc    *stub.Process

	// refs counts the owner and the threads in the process. The last one puts the
	// process back.
	refs atomic.Int32

	// probeMu guards the scratch pages of the process (thread.probe).
	probeMu sync.Mutex
}

// Map implements platform.AddressSpace.
func (s *addressSpace) Map(r addr.Range, file hostcall.FD, offset uint64, prot platform.Prot, populate platform.Populate) error {
	if prot == 0 {
		return s.proc.Do(stub.UnmapOrder(r))
	}
	return s.proc.Do(stub.GuestOrders(platform.Mapping{Range: r, File: file, Offset: offset, Prot: prot, Populate: populate})...)
}

// MapAll implements platform.AddressSpace.
func (s *addressSpace) MapAll(ms []platform.Mapping) error {
	return s.proc.Do(stub.GuestOrders(ms...)...)
}

// Unmap implements platform.AddressSpace.
func (s *addressSpace) Unmap(r addr.Range) error { return s.proc.Do(stub.UnmapOrder(r)) }

// Release implements platform.AddressSpace.
func (s *addressSpace) Release() { s.decRef() }

func (s *addressSpace) decRef() {
	if s.refs.Add(-1) == 0 {
		s.factory.Put(s.proc)
	}
}
