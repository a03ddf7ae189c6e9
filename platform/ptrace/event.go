package ptrace

import (
	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
	"ringfence/platform/stub"
)

// Signals and their codes (sigaction(2)).
const (
	sigIll, sigTrap, sigBus, sigFpe, sigSegv = 4, 5, 7, 8, 11
	sigCont, sigSys                          = 18, 31

	syscallStop = 0x80 // in a stop signal, with PTRACE_O_TRACESYSGOOD

	siKernel              = 0x80
	segvMaperr, segvAccer = 1, 2
	busAdraln, busAdrerr  = 1, 2
	fpeIntdiv             = 1
	trapTrace             = 2
)

// CPU exceptions and the bits of a page fault's error code (SDM volume 3, chapter 6).
const (
	trapDE, trapDB, trapBP, trapUD = 0, 1, 3, 6
	trapNP, trapSS, trapGP, trapPF = 11, 12, 13, 14
	trapMF, trapAC, trapXF         = 16, 17, 19

	pfPresent, pfWrite, pfUser, pfFetch = 1, 2, 4, 16
)

// Linux's vsyscall page.
const vsyscallStart, vsyscallEnd = 0xffffffffff600000, 0xffffffffff601000

// maxInstruction is the length of the longest x86 instruction.
const maxInstruction = 15

// syscallEvent reports a system call.
func (t *thread) syscallEvent() (platform.Event, error) {
	if err := t.save(); err != nil {
		return platform.Event{}, err
	}
	t.valid = false // The host thread's orig_rax must not stay.
	r := &t.regs
	if r.Rcx != r.Rip || r.Cs != arch.UserCS {
		// Not SYSCALL, which leaves the return address in rcx, but INT 0x80 or
		// SYSENTER. Guests have no 32-bit calls: answer as a CPU without that gate.
		const gate = 0x80<<3 | 2
		r.Rip -= 2
		if r.Rip >= stub.Base {
			r.Rip = 0 // SYSENTER: the host's idea of where to return is none of the guest's business.
		}
		r.Rax = r.OrigRax
		r.OrigRax = ^uint64(0)
		return platform.Event{Kind: platform.Exception, Signal: sigSegv, Code: siKernel,
			Trapno: trapGP, ErrorCode: gate}, nil
	}
	return platform.Event{Kind: platform.Syscall}, nil
}

// exceptionEvent reports the signal that the thread was about to get. ok is false if
// no exception of its own raised it: it then goes no further.
func (t *thread) exceptionEvent(sig int32) (ev platform.Event, ok bool, err error) {
	switch sig {
	case sigIll, sigTrap, sigBus, sigFpe, sigSegv, sigSys:
	default:
		return ev, false, nil
	}
	var info siginfo
	if err := getSiginfo(t.tid, &info); err != nil {
		return ev, false, err
	}
	if info.code <= 0 {
		return ev, false, nil // kill(2) and its like
	}
	if err := t.save(); err != nil {
		return ev, false, err
	}
	ev = platform.Event{Kind: platform.Exception, Signal: sig, Code: info.code, Addr: addr.Addr(info.addr)}
	switch sig {
	case sigSegv:
		if info.code == segvMaperr || info.code == segvAccer {
			return ev, true, t.faultEvent(&ev)
		}
		if pc := t.regs.Rip; pc >= vsyscallStart && pc < vsyscallEnd {
			// The host has a vsyscall page, but no entry there.
			ev = vsyscallFault(pc)
			return ev, true, nil
		}
	case sigSys:
		if pc := info.addr; pc >= vsyscallStart && pc < vsyscallEnd {
			// The host has a vsyscall page, and our filter kept it from answering. It has
			// popped the return address by now.
			t.regs.Rip = pc
			t.regs.Rsp -= 8
			t.regs.OrigRax = ^uint64(0)
			t.valid = false
			ev = vsyscallFault(pc)
		}
		return ev, true, nil
	case sigIll:
		ev.Trapno = trapUD
		return ev, true, nil
	case sigTrap:
		ev.Trapno = trapDB
		if info.code == siKernel {
			ev.Trapno = trapBP
			ev.Addr = 0
		}
		return ev, true, nil
	case sigFpe:
		if info.code == fpeIntdiv {
			ev.Trapno = trapDE
			return ev, true, nil
		}
	case sigBus:
		switch info.code {
		case busAdraln:
			ev.Trapno = trapAC
			return ev, true, nil
		case busAdrerr:
			ev.Trapno = trapPF
			ev.ErrorCode = pfUser
			return ev, true, nil
		}
	}
	// What is left is rare and can have several causes: ask.
	f, err := t.probe(sig)
	ev.Trapno, ev.ErrorCode = f.trapno, f.errorCode
	return ev, true, err
}

// faultEvent makes ev a page fault.
func (t *thread) faultEvent(ev *platform.Event) error {
	ev.Kind = platform.Fault
	access, err := t.faultAccess(ev)
	if err != nil {
		return err
	}
	ev.Access = access
	ev.Trapno = trapPF
	ev.ErrorCode = pfUser
	if ev.Code == segvAccer {
		ev.ErrorCode |= pfPresent
	}
	switch access {
	case platform.Write:
		ev.ErrorCode |= pfWrite
	case platform.Exec:
		ev.ErrorCode |= pfFetch
	}
	return nil
}

// faultAccess finds out what the thread tried at ev.Addr. ptrace does not tell, but
// mostly it follows from what is known, or from the instruction.
func (t *thread) faultAccess(ev *platform.Event) (platform.Prot, error) {
	pc, at := t.regs.Rip, uint64(ev.Addr)
	nearPC := at-pc < maxInstruction
	switch {
	case ev.Code == segvAccer && !nearPC:
		return platform.Write, nil // All that is mapped can be read, and this is no fetch.
	case ev.Code == segvMaperr && at == pc:
		return platform.Exec, nil
	}
	if !nearPC {
		var code [maxInstruction]byte
		n := hostcall.ReadProcess(t.space.proc.PID(), uintptr(pc), code[:])
		if access, ok := accessOf(code[:n], t.regs.Rdi, t.regs.Rsi, at); ok {
			return access, nil
		}
	}
	f, err := t.probe(sigSegv)
	switch {
	case err != nil:
		return 0, err
	case f.errorCode&pfFetch != 0:
		return platform.Exec, nil
	case f.errorCode&pfWrite != 0:
		return platform.Write, nil
	}
	return platform.Read, nil
}

// vsyscallFault is a fetch from the vsyscall page, where nothing is mapped for guests.
func vsyscallFault(pc uint64) platform.Event {
	return platform.Event{Kind: platform.Fault, Access: platform.Exec, Signal: sigSegv, Code: segvMaperr,
		Addr: addr.Addr(pc), Trapno: trapPF, ErrorCode: pfUser | pfFetch}
}

// exceptionFrame is what a signal frame says of an exception.
type exceptionFrame struct {
	trapno, errorCode uint64
}

// Places in struct rt_sigframe: see platform/arch.
const frameErr, frameTrapno = 200, 208

// probe finds the vector and error code of the exception whose signal the thread is
// about to get, which only a signal frame tells: it lets the host deliver the signal
// to a handler, with the stack pointer at the scratch pages, stops the thread before
// the handler's first instruction, and reads the frame. Other threads of the process
// may write there meanwhile; their guest then deceives itself.
//
// Registers and FPU state are as before afterwards.
func (t *thread) probe(sig int32) (f exceptionFrame, err error) {
	t.space.probeMu.Lock()
	defer t.space.probeMu.Unlock()
	fpu, err := t.getFPU()
	if err != nil {
		return f, err
	}
	r := allowed(&t.regs)
	r.Rsp = stub.ScratchEnd
	if err := setRegs(t.tid, &r); err != nil {
		return f, err
	}
	// SYSEMU, so that not even one system call could slip through.
	if err := t.resume(hostcall.PTRACE_SYSEMU_SINGLESTEP, uintptr(sig)); err != nil {
		return f, err
	}
	if _, err := t.wait(); err != nil {
		return f, err
	}
	var after arch.Registers
	if err := getRegs(t.tid, &after); err != nil {
		return f, err
	}
	if after.Rip == stub.HandlerPC {
		if f.errorCode, err = peek(t.tid, after.Rsp+frameErr); err != nil {
			return f, err
		}
		if f.trapno, err = peek(t.tid, after.Rsp+frameTrapno); err != nil {
			return f, err
		}
	}
	return f, t.setFPU(fpu)
}
