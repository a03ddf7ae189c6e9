package ptrace

import (
	"runtime"
	"sync"
	"sync/atomic"

	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/cpu"
	"ringfence/platform/hostcall"
	"ringfence/platform/place"
)

// kickSignal stops a running guest thread for Interrupt. Others may send it to a stub
// process as well, to no effect.
const kickSignal = 12 // SIGUSR2

// context implements platform.Context.
type context struct {
	// fpu is the extended state that the thread gets before it runs again; nil if the
	// thread's own is current. Owner only.
	fpu arch.FPUState

	// locked says that Switch tied the goroutine to its host thread. Owner only.
	locked bool

	place place.Place

	// kicked is an interrupt that no Switch has reported. running says that a Switch
	// is past the point where it looks at kicked without being signaled.
	kicked, running atomic.Bool

	// mu guards thread against Interrupt. The owner changes it with mu held, and
	// reads it without.
	mu     sync.Mutex
	thread *thread
}

// Switch implements platform.Context.
func (c *context) Switch(as platform.AddressSpace, regs *arch.Registers) (platform.Event, error) {
	c.running.Store(true)
	defer c.running.Store(false)
	if c.kicked.Swap(false) {
		return platform.Event{Kind: platform.Interrupted}, nil
	}
	s := as.(*addressSpace)
	if c.thread == nil || c.thread.space != s {
		if err := c.move(s); err != nil {
			return platform.Event{}, err
		}
	}
	t := c.thread
	if t.gone {
		return platform.Event{}, errDead
	}
	if c.fpu != nil {
		if err := t.setFPU(hostFPU(c.fpu)); err != nil {
			return platform.Event{}, err
		}
		c.fpu = nil
	}
	if err := t.load(regs); err != nil {
		return platform.Event{}, err
	}
	ev, err := c.run(t)
	if err == nil {
		*regs = t.regs
	}
	return ev, err
}

// run lets the thread run until there is something to report. Its registers are then
// in t.regs.
func (c *context) run(t *thread) (platform.Event, error) {
	for {
		c.place.BeforeRun()
		if err := t.resume(hostcall.PTRACE_SYSEMU, 0); err != nil {
			// A stopped thread can't be resumed only if it was killed.
			t.wait()
			return platform.Event{}, errDead
		}
		ws, err := t.wait()
		c.place.AfterRun()
		if err != nil {
			return platform.Event{}, err
		}
		switch sig := int32(ws.StopSignal()); {
		case sig == sigTrap|syscallStop:
			return t.syscallEvent()
		case ws>>16 != 0:
			// A stop of the whole process, by SIGSTOP from outside. The other threads
			// of the process, the mapper among them, also have to go on. With SIGTRAP it
			// is SIGCONT that makes itself known.
			if sig != sigTrap {
				hostcall.Kill(t.space.proc.PID(), sigCont)
			}
		case sig == kickSignal:
			if c.kicked.Swap(false) {
				return platform.Event{Kind: platform.Interrupted}, t.save()
			}
		default:
			ev, ok, err := t.exceptionEvent(sig)
			if ok || err != nil {
				return ev, err
			}
		}
	}
}

// move gives the context a thread in s, with the FPU state of the one that it had.
func (c *context) move(s *addressSpace) error {
	if !c.locked {
		runtime.LockOSThread()
		c.locked = true
	}
	if c.thread != nil {
		if c.fpu == nil {
			fpu, err := c.FPU()
			if err != nil {
				fpu = arch.NewFPUState() // It died with the thread.
			}
			c.fpu = fpu
		}
		c.setThread(nil)
	}
	t, err := startThread(s)
	if err != nil {
		return err
	}
	c.setThread(t)
	return nil
}

// setThread replaces the thread, ending the old one.
func (c *context) setThread(t *thread) {
	c.mu.Lock()
	old := c.thread
	c.thread = t
	c.mu.Unlock()
	if old != nil {
		c.place.Drop()
		old.end()
	}
	if t != nil {
		c.place.Adopt(t.tid)
	}
}

// Interrupt implements platform.Context.
func (c *context) Interrupt() {
	c.kicked.Store(true)
	if !c.running.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.thread; t != nil {
		// The thread can have died, and its id have been given away, within this very
		// Switch; then the signal goes to no thread of that process.
		hostcall.Tgkill(t.space.proc.PID(), t.tid, kickSignal)
	}
}

// FPU implements platform.Context.
func (c *context) FPU() (arch.FPUState, error) {
	if c.fpu != nil {
		return c.fpu.Clone(), nil
	}
	if c.thread == nil || c.thread.gone {
		return nil, errDead
	}
	b, err := c.thread.getFPU()
	if err != nil {
		return nil, err
	}
	f := arch.FPUState(b[:arch.FPUSize()])
	f.Sanitize()
	return f, nil
}

// SetFPU implements platform.Context.
func (c *context) SetFPU(f arch.FPUState) error {
	c.fpu = f.Clone()
	return nil
}

// Release implements platform.Context.
func (c *context) Release() {
	c.setThread(nil)
	if c.locked {
		runtime.UnlockOSThread()
		c.locked = false
	}
}

// hostFPU returns a state in the length that the host expects. The host loads MXCSR
// only along with SSE or AVX, so all of the legacy area is marked as present.
func hostFPU(f arch.FPUState) []byte {
	b := make([]byte, cpu.Host().HostSize)
	copy(b, f)
	b[cpu.XLegacySize] |= cpu.XFeatureX87 | cpu.XFeatureSSE
	return b
}
