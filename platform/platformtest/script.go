package platformtest

import (
	"sync"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
)

// Script is a platform without a CPU: its guest threads make the system calls and faults that
// a test hands them, and nothing else. It tests and measures what a sentry does between
// two Switches, with no host process and no hand-over. Its address spaces map whatever
// they are told and remember nothing; a test reaches guest memory through the sentry.
//
// Signal handlers and restarts of system calls need a CPU: a thread that is sent there goes on with its
// next step.
type Script struct{ threads chan *ScriptThread }

// NewScript returns a platform for a test that takes every thread made with Thread.
func NewScript() *Script { return &Script{make(chan *ScriptThread, 64)} }

// Thread returns the context made next, waiting for it: the oldest that was not returned yet.
func (s *Script) Thread() *ScriptThread { return <-s.threads }

func (*Script) Name() string { return "script" }
func (*Script) UserRange() addr.Range {
	return addr.Range{Start: 0x1000, End: 0x7ffff0000000}
}
func (*Script) NewAddressSpace() (platform.AddressSpace, error) { return scriptSpace{}, nil }
func (*Script) Close()                                          {}

func (s *Script) NewContext() platform.Context {
	t := &ScriptThread{
		work: make(chan script), done: make(chan struct{}, 1), gone: make(chan struct{}),
		kick: make(chan struct{}, 1),
	}
	s.threads <- t
	return t
}

// Step is one thing that a thread does: a system call, or with Touch a fault.
type Step struct {
	Call uint64
	Args [6]uint64

	Touch platform.Prot // the access that faults; 0 for a system call
	Addr  addr.Addr     // where
}

// script is steps to be done several times.
type script struct {
	steps  []Step
	rounds int
}

// ScriptThread is a guest thread. It is a platform.Context.
type ScriptThread struct {
	work chan script
	done chan struct{} // a script has ended
	gone chan struct{} // closed by Release
	kick chan struct{} // Interrupt
	once sync.Once

	// Of who is in Switch; of the tester between Wait and Start.
	script
	at      int // the step under way
	busy    bool
	results []uint64
	fpu     arch.FPUState
}

// Do makes the thread do steps so many times, and returns what the calls of the last
// round returned; nil if the thread ended instead.
func (t *ScriptThread) Do(rounds int, steps ...Step) []uint64 {
	t.Start(rounds, steps...)
	return t.Wait()
}

// Start is Do without waiting for the end. Preconditions: nothing is under way.
func (t *ScriptThread) Start(rounds int, steps ...Step) {
	select {
	case t.work <- script{steps, rounds}:
	case <-t.gone:
	}
}

// Wait waits for the end of what Start started.
func (t *ScriptThread) Wait() []uint64 {
	select {
	case <-t.done:
		return t.results
	case <-t.gone:
		return nil
	}
}

// Switch implements platform.Context.
func (t *ScriptThread) Switch(_ platform.AddressSpace, regs *arch.Registers) (platform.Event, error) {
	if t.busy {
		t.results[t.at] = regs.Rax
		if t.at++; t.at == len(t.steps) {
			t.at = 0
			if t.rounds--; t.rounds == 0 {
				t.busy = false
				t.done <- struct{}{}
			}
		}
	}
	if !t.busy {
		select {
		case t.script = <-t.work:
			t.busy, t.at = true, 0
			t.results = make([]uint64, len(t.steps))
		case <-t.kick:
			return platform.Event{Kind: platform.Interrupted}, nil
		}
	}
	s := &t.steps[t.at]
	if s.Touch != 0 {
		return platform.Event{Kind: platform.Fault, Access: s.Touch, Addr: s.Addr}, nil
	}
	regs.OrigRax, regs.Rax = s.Call, ^uint64(37) // -ENOSYS
	regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9 = s.Args[0], s.Args[1], s.Args[2], s.Args[3], s.Args[4], s.Args[5]
	return platform.Event{Kind: platform.Syscall}, nil
}

// Interrupt implements platform.Context. It ends only the wait for a script.
func (t *ScriptThread) Interrupt() {
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

func (t *ScriptThread) FPU() (arch.FPUState, error)  { return t.fpu, nil }
func (t *ScriptThread) SetFPU(f arch.FPUState) error { t.fpu = f; return nil }
func (t *ScriptThread) Release()                     { t.once.Do(func() { close(t.gone) }) }

// scriptSpace is an address space of a Script.
type scriptSpace struct{}

func (scriptSpace) Map(addr.Range, hostcall.FD, uint64, platform.Prot, platform.Populate) error {
	return nil
}
func (scriptSpace) MapAll([]platform.Mapping) error { return nil }
func (scriptSpace) Unmap(addr.Range) error          { return nil }
func (scriptSpace) Release()                        {}
