package trap

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/stub"
)

// Signals and their codes (sigaction(2)).
const (
	sigIll, sigTrap, sigBus, sigFpe     = 4, 5, 7, 8
	sigKill, sigSegv, sigSys            = 9, 11, 31
	siKernel                            = 0x80
	segvMaperr, segvAccer               = 1, 2
	trapUD, trapGP, trapPF, trapAC      = 6, 13, 14, 17
	pfPresent, pfWrite, pfUser, pfFetch = 1, 2, 4, 16
)

// Linux's vsyscall page.
const vsyscallStart, vsyscallEnd = 0xffffffffff600000, 0xffffffffff601000

// archX8664 is AUDIT_ARCH_X86_64 (seccomp(2)).
const archX8664 = 0xc000003e

// noSys is what rax holds when a system call starts.
const noSys = ^uint64(37)

// event reads what the thread posted. ok is false if it was nothing for the caller.
func (c *context) event(t *thread, regs *arch.Registers) (ev platform.Event, ok bool) {
	switch t.area.event {
	case eventCall:
		ds := [4]uint64{regs.Ds, regs.Es, regs.Fs, regs.Gs}
		*regs = t.area.regs
		regs.Eflags = t.area.flags
		regs.Cs, regs.Ss = arch.UserCS, arch.UserDS
		regs.Ds, regs.Es, regs.Fs, regs.Gs = ds[0], ds[1], ds[2], ds[3]
		regs.GsBase = 0
		c.fsBase = regs.FsBase
		c.enterCall(regs, regs.Rip)
		c.called, c.inCall = *regs, regs.Eflags&slowFlags == 0
		return platform.Event{Kind: platform.Syscall}, true
	case eventSignal:
		return c.signalEvent(t, regs)
	case eventInterrupted:
		// The guest has not run since load, or stands at what load was given. Its FS base
		// may not have been set yet.
		c.fsBase = noBase
		if c.kicked.Swap(false) {
			return platform.Event{Kind: platform.Interrupted}, true
		}
	}
	return ev, false
}

// enterCall makes regs those of a system call that returns to pc. OrigRax is set already.
func (c *context) enterCall(regs *arch.Registers, pc uint64) {
	regs.Rax = noSys
	regs.Rip = c.show(pc)
	regs.Eflags &^= resumeFlag // It comes from a fault in place of SYSCALL.
	regs.Rcx, regs.R11 = regs.Rip, regs.Eflags
}

// show returns what the guest may take pc for, where a site's trampoline returns to.
func (c *context) show(pc uint64) uint64 {
	c.shown, c.hidden = pc, pc
	if n, off, ok := trampoline(pc); ok && off == tailOffset && kindOf(n) != movSite {
		c.shown = c.thread.proc.returnOf(n) - uint64(len(kindOf(n).tail()))
	}
	return c.shown
}

// frame is what the host tells of a signal.
type frame struct {
	signo, code            int32
	addr                   uint64 // si_addr, si_call_addr
	nr                     int32  // of SIGSYS
	arch                   uint32 // of SIGSYS
	regs                   arch.Registers
	trapno, errorCode, cr2 uint64
	gs                     uint64
}

// Offsets in struct ucontext (uc_mcontext is struct sigcontext_64) and siginfo.
const (
	ucR8, ucR9, ucR10, ucR11, ucR12, ucR13, ucR14, ucR15   = 40, 48, 56, 64, 72, 80, 88, 96
	ucRdi, ucRsi, ucRbp, ucRbx, ucRdx, ucRax, ucRcx, ucRsp = 104, 112, 120, 128, 136, 144, 152, 160
	ucRip, ucFlags, ucCs                                   = 168, 176, 184
	ucErr, ucTrapno, ucCR2                                 = 192, 200, 216
	ucSize                                                 = 304

	siCode, siAddr, siNr, siArch = 8, 16, 24, 28
	siSize                       = 48
)

// readFrame copies the signal frame that the thread reported.
func (t *thread) readFrame(f *frame) bool {
	a := t.area
	uc, info := a.frame-t.addr, a.info-t.addr
	if uc < stackOffset || uc > areaSize-ucSize || info < stackOffset || info > areaSize-siSize {
		return false
	}
	le := binary.LittleEndian
	b, s := t.mem[uc:uc+ucSize], t.mem[info:info+siSize]
	f.signo, f.code = int32(a.signo), int32(le.Uint32(s[siCode:]))
	f.addr, f.nr, f.arch = le.Uint64(s[siAddr:]), int32(le.Uint32(s[siNr:])), le.Uint32(s[siArch:])
	r := &f.regs
	for _, w := range [...]struct {
		off int
		reg *uint64
	}{
		{ucR8, &r.R8}, {ucR9, &r.R9}, {ucR10, &r.R10}, {ucR11, &r.R11}, {ucR12, &r.R12}, {ucR13, &r.R13},
		{ucR14, &r.R14}, {ucR15, &r.R15}, {ucRdi, &r.Rdi}, {ucRsi, &r.Rsi}, {ucRbp, &r.Rbp}, {ucRbx, &r.Rbx},
		{ucRdx, &r.Rdx}, {ucRax, &r.Rax}, {ucRcx, &r.Rcx}, {ucRsp, &r.Rsp}, {ucRip, &r.Rip}, {ucFlags, &r.Eflags},
		{ucTrapno, &f.trapno}, {ucErr, &f.errorCode}, {ucCR2, &f.cr2},
	} {
		*w.reg = le.Uint64(b[w.off:])
	}
	r.Cs, r.Ss = uint64(le.Uint16(b[ucCs:])), arch.UserDS
	r.FsBase = a.regs.FsBase
	r.OrigRax = ^uint64(0)
	f.gs = a.guestGS
	return true
}

// signalEvent tells what a signal of the host means.
func (c *context) signalEvent(t *thread, regs *arch.Registers) (platform.Event, bool) {
	var f frame
	if !t.readFrame(&f) {
		return lost(), true
	}
	if f.gs != t.addr {
		f.regs.GsBase = f.gs
	}
	f.regs.Ds, f.regs.Es, f.regs.Fs, f.regs.Gs = regs.Ds, regs.Es, regs.Fs, regs.Gs
	saved := t.area.regs
	*regs = f.regs
	c.fsBase = regs.FsBase
	c.shown, c.hidden = 0, 0
	c.inCall = false
	if pc := regs.Rip; pc >= codeAddr && pc < trampolineAddr+maxSites*trampolineSize {
		if ev, ok, done := c.untangle(regs, &saved, &f); done {
			return ev, ok
		}
	}
	switch f.signo {
	case kickSignal:
		return platform.Event{Kind: platform.Interrupted}, c.kicked.Swap(false)
	case sigSys:
		return c.sysEvent(regs, &f), true
	}
	if f.code <= 0 {
		return platform.Event{}, false // kill(2) and its like
	}
	if ev, ok, done := c.siteEvent(regs, &f); done {
		return ev, ok
	}
	return exceptionEvent(regs, &f), true
}

// lost is for a thread whose area makes no sense: the guest has destroyed it.
func lost() platform.Event {
	return platform.Event{Kind: platform.Exception, Signal: sigSegv, Code: siKernel, Trapno: trapGP}
}

// sysEvent reports a call that our filter caught.
func (c *context) sysEvent(regs *arch.Registers, f *frame) platform.Event {
	switch {
	case f.addr >= vsyscallStart && f.addr < vsyscallEnd:
		// The host has a vsyscall page, and our filter kept it from answering. It has
		// popped the return address by now.
		regs.Rip = f.addr
		regs.Rsp -= 8
		return vsyscallFault(f.addr)
	case f.arch != archX8664 || regs.Cs != arch.UserCS:
		// INT 0x80 or SYSENTER. Guests have no 32-bit calls: answer as a CPU without that
		// gate.
		const gate = 0x80<<3 | 2
		regs.Rip -= 2
		if regs.Rip >= stub.Base {
			regs.Rip = 0 // SYSENTER: the host's idea of where to return is none of the guest's business.
		}
		return platform.Event{Kind: platform.Exception, Signal: sigSegv, Code: siKernel, Trapno: trapGP, ErrorCode: gate}
	}
	regs.OrigRax = regs.Rax
	if int32(regs.Rax) != f.nr {
		// The host took it for one of its restart codes and made it something else.
		regs.OrigRax = uint64(int64(f.nr))
	}
	regs.Rip = f.addr
	regs.Rax = noSys
	regs.Rcx, regs.R11 = regs.Rip, regs.Eflags
	return platform.Event{Kind: platform.Syscall, Trapped: true}
}

// vsyscallFault is a fetch from the vsyscall page, where nothing is mapped for guests.
func vsyscallFault(pc uint64) platform.Event {
	return platform.Event{Kind: platform.Fault, Access: platform.Exec, Signal: sigSegv, Code: segvMaperr,
		Addr: addr.Addr(pc), Trapno: trapPF, ErrorCode: pfUser | pfFetch}
}

// exceptionEvent reports a fault or another exception of the guest's own.
func exceptionEvent(regs *arch.Registers, f *frame) platform.Event {
	ev := platform.Event{Kind: platform.Exception, Signal: f.signo, Code: f.code, Addr: addr.Addr(f.addr),
		Trapno: f.trapno, ErrorCode: f.errorCode}
	pc := regs.Rip
	switch {
	case f.signo == sigSegv && pc >= vsyscallStart && pc < vsyscallEnd:
		// The host has a vsyscall page, but we do not let it answer.
		return vsyscallFault(pc)
	case f.signo == sigSegv && f.trapno == trapPF:
		ev.Kind = platform.Fault
		if f.code == segvAccer {
			// The host's page may be missing. The guest's is not.
			ev.ErrorCode |= pfPresent
		}
		switch {
		case f.errorCode&pfFetch != 0:
			ev.Access = platform.Exec
		case f.errorCode&pfWrite != 0:
			ev.Access = platform.Write
		default:
			ev.Access = platform.Read
		}
	}
	if ev.Code == siKernel {
		ev.Addr = 0
	}
	return ev
}
