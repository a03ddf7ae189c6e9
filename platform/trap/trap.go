// Package trap is the platform that runs guest code in untraced host processes. A
// system call of a guest costs no stop and, where its SYSCALL instruction could be
// patched, not even a signal: guest and sentry take turns over a page that they share.
//
// An addressSpace is a stub process (package stub). A context is a guest thread: a
// host thread in that process, which is either in guest code or in ours
// (stub_amd64.s). It has an area: some pages shared with the sentry, with its
// registers, its FPU state and the stack on which host signals are handled.
//
//	guest: SYSCALL -> SIGSYS, by our seccomp filter, or a jump to a trampoline
//	stub:  registers -> area; turn = sentry; wait for turn = guest
//	sentry, in Switch: area -> registers -> Event ... registers -> area; turn = guest
//
// Whoever waits sleeps on the turn, as a futex, or looks at it for a while first: see pace.
//
// Trust. A guest thread can write its area, and those of the other threads of its
// process, and jump anywhere in the stub's code. It can make no host call but futex and
// sched_yield, and one that unblocks all signals, and these from our code only: the host's
// dispatcher of system calls catches all others of guest threads, also those of the
// mapper's code, and the filter knows from where each may come. So it can forge events
// and registers, its own, and nothing else; the sentry copies what it reads from an area
// once and then checks it. That a thread waits is only its word: so a process is not
// given to another guest. It is emptied and ended with its address space. exec is the
// exception: a process with one thread goes on with the new program.
//
// Neighbours: platform/stub makes the processes; platform/platformtest tests this.
//
// Lock order:
//
//	locks of package place
//	context.mu
//	addressSpace.mu
//	  process.mu
//	    locks of package stub
//	    arena.mu
//	pool.mu
//	Platform.clockMu
package trap

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
	"ringfence/platform/place"
	"ringfence/platform/stub"
)

// Platform implements platform.Platform.
type Platform struct {
	factory *stub.Factory
	code    *image
	arena   *arena
	pool    *pool

	keeper *place.Keeper // nil on a single CPU

	clockMu sync.Mutex
	clock   *clockPage // guarded by clockMu; nil once closed

	// running is how many guest threads run.
	running atomic.Int32
}

var _ platform.Platform = (*Platform)(nil)

// New starts the platform. It must follow the dropping of privileges (see package stub).
// The error says so if the host lacks what it takes.
func New() (*Platform, error) {
	if hostcall.Auxval(hostcall.AT_HWCAP2)&hostcall.HWCAP2_FSGSBASE == 0 {
		return nil, errors.New("the host does not let programs set FS and GS (FSGSBASE)")
	}
	if arch.FPUSize() > fpuSize {
		return nil, fmt.Errorf("the FPU state of this CPU takes %d bytes, more than we keep", arch.FPUSize())
	}
	p := &Platform{keeper: place.NewKeeper()}
	var err error
	if p.arena, err = newArena(); err != nil {
		return nil, fmt.Errorf("areas of guest threads: %w", err)
	}
	if p.code, err = newImage(); err != nil {
		p.arena.close()
		return nil, fmt.Errorf("stub code: %w", err)
	}
	p.clock = p.code.clock
	p.factory, err = stub.New(stub.Image{
		Regions: p.code.regions(),
		Signals: []int32{sigIll, sigTrap, sigBus, sigFpe, sigSegv, sigSys, kickSignal},
		Handler: codeAddr,
		Rules:   p.code.rules(),
		Trap:    true,
	})
	if err != nil {
		p.code.close()
		p.arena.close()
		return nil, err
	}
	p.pool = newPool(p)
	if err := p.try(); err != nil {
		p.Close()
		return nil, fmt.Errorf("run a stub process: %w", err)
	}
	return p, nil
}

// try has a stub process run into a fault, so that a host that does not let it is found
// out now.
func (p *Platform) try() error {
	as, err := p.NewAddressSpace()
	if err != nil {
		return err
	}
	defer as.Release()
	c := p.NewContext()
	defer c.Release()
	regs := arch.NewRegisters(userStart, userStart)
	ev, err := c.Switch(as, &regs)
	if err == nil && ev.Kind != platform.Fault {
		err = fmt.Errorf("unexpected event %+v", ev)
	}
	return err
}

// Name implements platform.Platform.
func (*Platform) Name() string { return "trap" }

// UserRange implements platform.Platform.
func (*Platform) UserRange() addr.Range { return addr.Range{Start: userStart, End: stub.Base} }

// NewAddressSpace implements platform.Platform.
func (p *Platform) NewAddressSpace() (platform.AddressSpace, error) {
	s := &addressSpace{platform: p}
	s.refs.Store(1)
	return s, nil
}

// NewContext implements platform.Platform.
func (p *Platform) NewContext() platform.Context {
	c := &context{platform: p, fpu: arch.NewFPUState()}
	c.place.Init(p.keeper)
	return c
}

// Close implements platform.Platform.
func (p *Platform) Close() {
	if p.keeper != nil {
		p.keeper.Close()
	}
	p.pool.close()
	p.factory.Close()
	p.clockMu.Lock()
	p.clock = nil
	p.clockMu.Unlock()
	p.code.close()
	p.arena.close()
}

// kickSignal stops a running guest thread for Interrupt. Others may send it to a stub
// process as well, to no effect.
const kickSignal = 12 // SIGUSR2
