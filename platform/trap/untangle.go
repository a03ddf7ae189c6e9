package trap

import (
	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
)

// untangle turns the registers of a thread that was in our code when the signal f came
// into those of a guest: either as if the call had not begun, or as if it had been made. saved are
// those in the area. done is false if it was not our code that brought it there.
func (c *context) untangle(regs, saved *arch.Registers, f *frame) (ev platform.Event, ok, done bool) {
	pc := regs.Rip
	if n, off, ok := trampoline(pc); ok {
		return c.inTrampoline(regs, f, n, off)
	}
	code := c.platform.code
	switch {
	case code.in(pc, common, posted):
	case code.in(pc, handlerEnd, enter), code.in(pc, posted, postedEnd):
		// We could not load what we were given. The kick is dealt with in the stub.
		*regs = *saved
		c.fpu = arch.NewFPUState()
		return lost(), true, true
	default:
		return ev, false, false
	}
	nr, ret := regs.Rax, regs.R11
	switch {
	case pc >= code.marks[spSaved]:
		regs.Rsp = saved.Rsp
	case pc >= code.marks[spTaken]:
		regs.Rsp = regs.Rcx
	}
	if pc >= code.marks[flagsSaved] {
		regs.Eflags = c.thread.area.flagsIn
	}
	if pc >= code.marks[callSaved] {
		nr, ret = saved.OrigRax, saved.Rip
	}
	if code.in(pc, clockSaved, clockRestored) {
		regs.Rdx, regs.Rbx, regs.R8 = saved.Rdx, saved.Rbx, saved.R8
	}
	switch {
	case code.in(pc, answered, answeredEnd):
		regs.Rip = c.show(ret)
		return platform.Event{Kind: platform.Interrupted}, c.kicked.Swap(false), true
	case f.signo == kickSignal:
		regs.Rax = nr
		regs.Rip = ret - syscallLen
		if n, _, ok := trampoline(ret); ok {
			regs.Rip = c.thread.proc.returnOf(n) - kindOf(n).len()
		}
		return platform.Event{Kind: platform.Interrupted}, c.kicked.Swap(false), true
	}
	regs.OrigRax = nr
	c.enterCall(regs, ret)
	return platform.Event{Kind: platform.Syscall}, true, true
}

// inTrampoline is untangle for a thread in the trampoline of site n.
func (c *context) inTrampoline(regs *arch.Registers, f *frame, n int, off uint64) (ev platform.Event, ok, done bool) {
	k, ret := kindOf(n), c.thread.proc.returnOf(n)
	switch {
	case k != movSite && off == tailOffset:
		regs.Rip = c.show(trampolineAddr + uint64(n)*trampolineSize + tailOffset)
	case k != movSite && off > tailOffset:
		regs.Rip = ret
	default:
		regs.Rip = ret - k.len()
		if f.signo == sigTrap {
			// Single steps go from instruction to instruction of the guest.
			regs.OrigRax = regs.Rax
			if k == movSite {
				regs.OrigRax = c.thread.proc.numberOf(n)
			}
			c.enterCall(regs, ret-uint64(len(k.tail())))
			return platform.Event{Kind: platform.Syscall}, true, true
		}
	}
	if f.signo == kickSignal {
		return platform.Event{Kind: platform.Interrupted}, c.kicked.Swap(false), true
	}
	f.addr = regs.Rip // that of a single step
	return ev, false, false
}

// siteEvent deals with threads that came to a site by another way than its start.
func (c *context) siteEvent(regs *arch.Registers, f *frame) (ev platform.Event, ok, done bool) {
	pc := regs.Rip
	if f.trapno == trapUD {
		if n, is := c.space.siteAt(addr.Addr(pc - movLen)); is && kindOf(n) == movSite {
			regs.OrigRax = regs.Rax
			c.enterCall(regs, pc+syscallLen)
			return platform.Event{Kind: platform.Syscall}, true, true
		}
		if tail, is := c.space.tailOf(pc); is {
			c.shown, c.hidden = pc, tail
			return ev, false, true
		}
		if c.retried < 10 && c.space.wasSite(addr.Addr(pc)) {
			// It was one when the thread got there. Look again what is there now.
			c.retried++
			return ev, false, true
		}
	}
	if f.trapno == trapAC {
		// With alignment checks on, not even the jump can be made.
		if n, is := c.space.siteAt(addr.Addr(pc)); is {
			regs.OrigRax = regs.Rax
			if kindOf(n) == movSite {
				regs.OrigRax = c.thread.proc.numberOf(n)
			}
			c.enterCall(regs, pc+kindOf(n).before())
			return platform.Event{Kind: platform.Syscall}, true, true
		}
	}
	return ev, false, false
}
