package trap

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"ringfence/abi/errno"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/clock"
	"ringfence/platform/hostcall"
	"ringfence/platform/place"
)

// errDead is what Switch returns when the host thread is gone.
var errDead = errors.New("guest thread died on the host")

// context implements platform.Context.
type context struct {
	platform *Platform

	// fpu is the extended state that the thread gets before it runs again; nil if its own
	// is current. Owner only.
	fpu arch.FPUState

	space *addressSpace // that thread belongs to; owner only

	place place.Place // owner only
	pace  pace        // owner only

	// hidden is a program counter in a trampoline that the owner of the context was told
	// as shown. Owner only.
	shown, hidden uint64

	// retried is how often this Switch had the guest execute an undefined instruction again:
	// see siteEvent. Owner only.
	retried int

	// fsBase is what the thread has, as far as we know. Owner only.
	fsBase uint64

	// called are the registers of the system call that the thread waits in, as the owner was told, if
	// inCall. Owner only.
	called arch.Registers
	inCall bool

	// kicked is an interrupt that no Switch has reported. sent says that the thread has been
	// sent the signal in this turn: each takes a frame on its stack.
	kicked, sent atomic.Bool

	// mu guards thread against Interrupt and SetAnswers. The owner changes it with mu held,
	// and reads it without.
	mu      sync.Mutex
	thread  *thread
	answers platform.Answers // guarded by mu
}

// Switch implements platform.Context.
func (c *context) Switch(as platform.AddressSpace, regs *arch.Registers) (platform.Event, error) {
	if c.kicked.Load() && c.kicked.Swap(false) {
		return platform.Event{Kind: platform.Interrupted}, nil
	}
	if s := as.(*addressSpace); s != c.space {
		if err := c.move(s); err != nil {
			return platform.Event{}, err
		}
	}
	t := c.thread
	if c.fpu != nil {
		t.setFPU(c.fpu)
		c.fpu = nil
	}
	c.retried = 0
	for {
		how := c.load(regs)
		if err := c.run(t, how, regs.Rax); err != nil {
			return platform.Event{}, err
		}
		if ev, ok := c.event(t, regs); ok {
			return ev, nil
		}
		if c.kicked.Load() && c.kicked.Swap(false) {
			// It stands still, and if others forge its events may never say why.
			return platform.Event{Kind: platform.Interrupted}, nil
		}
	}
}

// load puts regs into the thread's area, as far as a guest may have them and as they are not
// there, and returns how to go back to the guest.
func (c *context) load(regs *arch.Registers) (how uint32) {
	if c.inCall {
		if c.called.Rax = regs.Rax; c.called == *regs {
			return howFast
		}
		c.inCall = false
	}
	a := c.thread.area
	pc := regs.Rip
	if pc == c.shown {
		pc = c.hidden
	} else if tail, is := c.space.tailOf(pc); is {
		pc = tail // as after rt_sigreturn; it would get there by way of an exception
	}
	a.regs = *regs
	a.regs.Rip = pc
	a.regs.Cs, a.regs.Ss = arch.UserCS, arch.UserDS
	a.regs.Eflags = regs.Eflags&userFlags | fixedFlags
	a.flags = a.regs.Eflags
	if a.regs.FsBase >= userEnd {
		a.regs.FsBase = 0
	}
	switch {
	case regs.GsBase != 0 && regs.GsBase < userEnd:
		a.setGS = regs.GsBase
	default:
		a.setGS = c.thread.addr
		if regs.Rcx == regs.Rip && regs.R11 == regs.Eflags && regs.FsBase == c.fsBase && regs.Eflags&slowFlags == 0 && regs.Rip < userEnd {
			how = howFast
		}
	}
	c.fsBase = a.regs.FsBase
	return how
}

const (
	// userFlags are the flags that a guest can set: CF PF AF ZF SF TF DF OF RF AC ID.
	userFlags  = 0x250dd5
	fixedFlags = 0x202
	resumeFlag = 0x10000
	// slowFlags need IRETQ: TF, RF, AC.
	slowFlags = 0x50100

	// userEnd is where the host's user addresses end (TASK_SIZE_MAX).
	userEnd = 1<<47 - 4096
)

const (
	// patience is after what time without an event the sentry sees whether the process
	// has died.
	patience = 200 * time.Millisecond
)

// stubborn is how long a guest may take to heed an interrupt. Tests change it.
var stubborn = 20 * time.Second

// run gives the thread the turn, to go back to the guest with result in RAX if how is howFast, and
// waits until the sentry has it again.
func (c *context) run(t *thread, how uint32, result uint64) error {
	a := t.area
	others := c.platform.running.Add(1) > 1
	c.place.BeforeRun()
	apart := c.choose(t, others)
	spin := uint32(0)
	if apart {
		spin = stubSpins
	}
	if c.sent.Load() {
		c.sent.Store(false)
	}
	// The thread may be looking at this line all the time: write to it once.
	if a.spin != spin {
		a.spin = spin
	}
	a.result, a.how = result, how
	atomic.StoreUint32(&a.turn, turnGuest)
	if atomic.LoadUint32(&a.stubAsleep) != 0 {
		hostcall.FutexWake(&a.turn, 1)
	}
	// An Interrupt from before this point may have found that it was not the guest's turn.
	if c.kicked.Load() {
		c.kick(t)
	}
	var err error
	if !apart {
		start := clock.TSC()
		err = c.sleep(t)
		if c.pace.timed(start) {
			c.place.Computed(int(a.cpu & 0xfff))
		}
	} else if !spinWhile(&a.turn, turnGuest, c.pace.spins()) {
		err = c.sleep(t)
		c.together(t)
	}
	c.place.AfterRun()
	c.platform.running.Add(-1)
	return err
}

// sleep waits for the turn without using a CPU.
func (c *context) sleep(t *thread) error {
	a := t.area
	atomic.StoreUint32(&a.sentryAsleep, 1)
	defer atomic.StoreUint32(&a.sentryAsleep, 0)
	var last time.Time // when we looked at the process, if we have been woken for nothing since
	var unheeded time.Duration
	for atomic.LoadUint32(&a.turn) == turnGuest {
		err := hostcall.FutexWait(&a.turn, turnGuest, patience)
		if atomic.LoadUint32(&a.turn) != turnGuest {
			break
		}
		passed := patience
		if now := time.Now(); err != errno.ETIMEDOUT || !last.IsZero() {
			// Other threads of the guest can wake us as often as they like.
			if last.IsZero() {
				last = now
			}
			if passed = now.Sub(last); passed < patience {
				continue
			}
			last = now
		}
		if hostcall.Exited(t.proc.stub.PID()) {
			return errDead
		}
		if c.kicked.Load() {
			// Lost, or the guest does not let it through.
			c.sent.Store(false)
			c.kick(t)
			unheeded += min(passed, 2*patience) // We may have been stopped ourselves.
			if unheeded >= stubborn {
				hostcall.Kill(t.proc.stub.PID(), sigKill)
				return errDead
			}
		}
	}
	return nil
}

// move gives the context a thread in s, with the FPU state of the one that it had.
func (c *context) move(s *addressSpace) error {
	old := c.thread
	if old != nil && c.fpu == nil {
		fpu, err := c.FPU()
		if err != nil {
			fpu = arch.NewFPUState() // It died with the thread.
		}
		c.fpu = fpu
	}
	if old != nil {
		c.place.Drop()
	}
	t, err := s.enter(old, c.space)
	if err != nil {
		return err
	}
	c.setThread(t, s)
	c.place.Adopt(t.tid)
	if c.fpu == nil {
		c.fpu = arch.NewFPUState()
	}
	return nil
}

func (c *context) setThread(t *thread, s *addressSpace) {
	c.mu.Lock()
	c.thread = t
	if t != nil {
		t.area.setAnswers(&c.answers)
	}
	c.mu.Unlock()
	c.space = s
	c.shown, c.hidden = 0, 0
	c.fsBase = noBase
	c.inCall = false
}

// noBase is no base that a guest can have.
const noBase = ^uint64(0)

// Interrupt implements platform.Context.
func (c *context) Interrupt() {
	c.kicked.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.thread
	switch {
	case t == nil:
	case atomic.LoadUint32(&t.area.turn) == turnGuest:
		c.kick(t)
	case atomic.LoadUint32(&t.area.sentryAsleep) != 0:
		// The guest gave up its turn without a word. The thread may sleep there too.
		hostcall.FutexWake(&t.area.turn, 2)
	}
}

// kick has the thread report that it was interrupted.
func (c *context) kick(t *thread) {
	if c.sent.CompareAndSwap(false, true) {
		hostcall.Tgkill(t.proc.stub.PID(), t.tid, kickSignal)
	}
}

// FPU implements platform.Context.
func (c *context) FPU() (arch.FPUState, error) {
	if c.fpu != nil {
		return c.fpu.Clone(), nil
	}
	t := c.thread
	if t == nil {
		return nil, errDead
	}
	if t.area.fpu == 0 {
		t.area.command = commandSave
		err := c.run(t, 0, 0)
		t.area.command = 0
		if err != nil {
			return nil, err
		}
	}
	return t.getFPU(), nil
}

// SetFPU implements platform.Context.
func (c *context) SetFPU(f arch.FPUState) error {
	c.fpu = f.Clone()
	return nil
}

// Release implements platform.Context.
func (c *context) Release() {
	t, s := c.thread, c.space
	if t == nil {
		return
	}
	c.place.Drop()
	c.setThread(nil, nil)
	t.proc.giveThread(t)
	s.decRef()
}

// setFPU has the thread load f before it runs again.
func (t *thread) setFPU(f arch.FPUState) {
	copy(t.mem[fpuOffset:stackOffset], f)
	atomic.StoreUint64(&t.area.fpu, t.addr+fpuOffset)
}

// getFPU returns the state that the thread has stored.
func (t *thread) getFPU() arch.FPUState {
	at := t.area.fpu - t.addr
	size := uint64(arch.FPUSize())
	if at < fpuOffset || at > areaSize-size {
		at = fpuOffset // also where a thread was told to save it
	}
	f := arch.FPUState(t.mem[at : at+size]).Clone()
	f.Sanitize()
	return f
}
