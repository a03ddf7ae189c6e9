package strace

import (
	"encoding/binary"
	"math/bits"
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// signalSet prints a set as strace does: short names, inverted if more are in than out.
func (p *printer) signalSet(s linux.SignalSet) {
	if bits.OnesCount64(uint64(s)) >= 64*2/3 {
		p.str("~")
		s = ^s
	}
	p.str("[")
	first := true
	for sig := linux.Signal(1); sig <= linux.SIGRTMAX; sig++ {
		if !s.Has(sig) {
			continue
		}
		if !first {
			p.str(" ")
		}
		first = false
		p.str(sig.String()[len("SIG"):])
	}
	p.str("]")
}

// setAt prints the set at a, whose size stands in an argument.
func (p *printer) setAt(a uint64) {
	v, ok := p.u64(a)
	if !ok {
		p.ptr(a)
		return
	}
	p.signalSet(linux.SignalSet(v))
}

var (
	inSet  = param{show: func(p *printer, i int) { p.setAt(p.arg(i)) }}
	outSet = out(func(p *printer, i int) { p.setAt(p.arg(i)) })
)

func (p *printer) sigaction(v *linux.SigAction) {
	if v.Flags&linux.SA_SIGINFO != 0 {
		p.str("{sa_sigaction=")
	} else {
		p.str("{sa_handler=")
	}
	switch v.Handler {
	case linux.SIG_DFL:
		p.str("SIG_DFL")
	case linux.SIG_IGN:
		p.str("SIG_IGN")
	default:
		p.hex(v.Handler)
	}
	p.str(", sa_mask=")
	p.signalSet(v.Mask)
	p.str(", sa_flags=")
	p.flags(v.Flags, &saFlags)
	if v.Flags&linux.SA_RESTORER != 0 {
		p.str(", sa_restorer=")
		p.ptr(v.Restorer)
	}
	p.str("}")
}

func (p *printer) stack(v *linux.SignalStack) {
	p.str("{ss_sp=")
	p.ptr(v.Addr)
	p.str(", ss_flags=")
	p.flags(uint64(v.Flags), &ssFlags)
	p.str(", ss_size=")
	p.udec(v.Size)
	p.str("}")
}

// siginfo prints a siginfo_t as strace does: what applies to the signal and code.
func (p *printer) siginfo(v *linux.SignalInfo) {
	if v.Signo == 0 {
		p.str("{}")
		return
	}
	p.str("{si_signo=")
	p.signal(uint64(uint32(v.Signo)))
	p.str(", si_code=")
	codes := &siCodes
	sig := linux.Signal(v.Signo)
	if v.Code > 0 && v.Code < linux.SI_KERNEL {
		switch sig {
		case linux.SIGILL:
			codes = &illCodes
		case linux.SIGFPE:
			codes = &fpeCodes
		case linux.SIGSEGV:
			codes = &segvCodes
		case linux.SIGBUS:
			codes = &busCodes
		case linux.SIGTRAP:
			codes = &trapCodes
		case linux.SIGCHLD:
			codes = &cldCodes
		case linux.SIGIO:
			codes = &pollCodes
		case linux.SIGSYS:
			codes = &sysCodes
		}
	}
	if n := codes.find(uint64(uint32(v.Code))); n != "" {
		p.str(n)
	} else {
		p.hex(uint64(uint32(v.Code)))
	}
	if v.Errno != 0 {
		p.str(", si_errno=")
		p.dec(int64(v.Errno))
	}
	sender := func() {
		p.str(", si_pid=")
		p.dec(int64(v.PID()))
		p.str(", si_uid=")
		p.udec(uint64(v.UID()))
	}
	switch {
	case v.Code == linux.SI_USER || v.Code == linux.SI_TKILL:
		sender()
	case v.Code == linux.SI_TIMER:
		p.str(", si_timerid=")
		p.hex(uint64(uint32(v.TimerID())))
		p.str(", si_overrun=")
		p.dec(int64(v.Overrun()))
		p.sigval(v.Value())
	case v.Code < 0:
		sender()
		if v.Value() != 0 {
			p.sigval(v.Value())
		}
	case v.Code == linux.SI_KERNEL && sig != linux.SIGSEGV && sig != linux.SIGBUS && sig != linux.SIGTRAP && sig != linux.SIGILL && sig != linux.SIGFPE:
	default:
		switch sig {
		case linux.SIGCHLD:
			sender()
			p.str(", si_status=")
			if v.Code == linux.CLD_EXITED {
				p.dec(int64(v.Status()))
			} else {
				p.signal(uint64(uint32(v.Status())))
			}
			p.str(", si_utime=")
			p.ticks(v.Utime())
			p.str(", si_stime=")
			p.ticks(v.Stime())
		case linux.SIGILL, linux.SIGFPE, linux.SIGSEGV, linux.SIGBUS, linux.SIGTRAP:
			p.str(", si_addr=")
			p.ptr(v.Addr())
			if sig == linux.SIGSEGV && v.Code == linux.SEGV_PKUERR {
				p.str(", si_pkey=")
				p.udec(uint64(v.PKey()))
			}
		case linux.SIGIO:
			p.str(", si_band=")
			p.dec(v.Band())
			p.str(", si_fd=")
			p.dec(int64(v.FD()))
		case linux.SIGSYS:
			p.str(", si_call_addr=")
			p.ptr(v.CallAddr())
			p.str(", si_syscall=__NR_", linux.SyscallName(uint64(uint32(v.Syscall()))), ", si_arch=")
			if v.Arch() == linux.AUDIT_ARCH_X86_64 {
				p.str("AUDIT_ARCH_X86_64")
			} else {
				p.hex(uint64(v.Arch()))
			}
		}
	}
	p.str("}")
}

var sysCodes = set{"SYS_???", []name{{linux.SI_SYS_SECCOMP, "SYS_SECCOMP"}, {linux.SI_SYS_USER_DISPATCH, "SYS_USER_DISPATCH"}}}

func (p *printer) sigval(v uint64) {
	p.str(", si_int=")
	p.dec(int64(int32(v)))
	p.str(", si_ptr=")
	p.ptr(v)
}

// ticks prints a time in clock ticks, with the seconds it stands for.
func (p *printer) ticks(v int64) {
	p.dec(v)
	if v != 0 {
		p.str(" /* ")
		p.dec(v / linux.UserHZ)
		if r := v % linux.UserHZ; r > 0 {
			p.str(".")
			p.b = append(p.b, '0'+byte(r/10))
			if r%10 != 0 {
				p.b = append(p.b, '0'+byte(r%10))
			}
		}
		p.str(" s */")
	}
}

var (
	inInfo  = structArg((*printer).siginfo)
	outInfo = outStruct((*printer).siginfo)
)

var inSigevent = structArg(func(p *printer, v *linux.Sigevent) {
	p.str("{")
	if v.Value != 0 {
		p.str("sigev_value={sival_int=")
		p.dec(int64(int32(v.Value)))
		p.str(", sival_ptr=")
		p.ptr(v.Value)
		p.str("}, ")
	}
	p.str("sigev_signo=")
	p.signal(uint64(uint32(v.Signo)))
	p.str(", sigev_notify=")
	p.enum(uint64(uint32(v.Notify)), &sigevKinds)
	if v.Notify == linux.SIGEV_THREAD_ID {
		p.str(", sigev_notify_thread_id=")
		p.dec(int64(v.Tid))
	}
	p.str("}")
})

// waitStatus prints the status that wait4(2) stores.
func (p *printer) waitStatus(a uint64) {
	v, ok := p.u32(a)
	if !ok || p.ret == 0 {
		p.ptr(a)
		return
	}
	s := linux.WaitStatus(v)
	p.str("[{")
	switch {
	case s.Continued():
		p.str("WIFCONTINUED(s)")
	case s.Stopped():
		p.str("WIFSTOPPED(s) && WSTOPSIG(s) == ")
		if sig := s.StopSignal(); sig == linux.SIGTRAP|0x80 {
			p.str("SIGTRAP | 0x80")
		} else {
			p.signal(uint64(sig))
		}
	case s.Signaled():
		p.str("WIFSIGNALED(s) && WTERMSIG(s) == ")
		p.signal(uint64(s.TermSignal()))
		if s.CoreDumped() {
			p.str(" && WCOREDUMP(s)")
		}
	default:
		p.str("WIFEXITED(s) && WEXITSTATUS(s) == ")
		p.dec(int64(s.ExitCode()))
	}
	p.str("}")
	if e := s.Event(); e != 0 && s.Stopped() {
		p.str(" | ")
		p.str("PTRACE_EVENT_")
		if n := ptraceEvents.find(uint64(e)); n != "" {
			p.str(n)
		} else {
			p.hex(uint64(e))
		}
		p.str(" << 16")
	}
	p.str("]")
}

var ptraceEvents = set{"", []name{
	{linux.PTRACE_EVENT_FORK, "FORK"}, {linux.PTRACE_EVENT_VFORK, "VFORK"}, {linux.PTRACE_EVENT_CLONE, "CLONE"},
	{linux.PTRACE_EVENT_EXEC, "EXEC"}, {linux.PTRACE_EVENT_VFORK_DONE, "VFORK_DONE"}, {linux.PTRACE_EVENT_EXIT, "EXIT"},
	{linux.PTRACE_EVENT_SECCOMP, "SECCOMP"}, {linux.PTRACE_EVENT_STOP, "STOP"},
}}

var outStatus = out(func(p *printer, i int) { p.waitStatus(p.arg(i)) })

// cloneFlagsOf prints clone(2)'s flags with the exit signal.
func (p *printer) cloneFlagsOf(v uint64) {
	sig := v & linux.CSIGNAL
	if v &^= linux.CSIGNAL; v != 0 {
		p.flags(v, &cloneFlags)
		if sig != 0 {
			p.str("|")
		}
	}
	if sig != 0 {
		p.signal(sig)
	} else if v == 0 {
		p.str("0")
	}
}

// cloneParams are clone(2)'s arguments by name; those that the flags leave out are not shown.
func cloneParams(a *[6]uint64) []param {
	ps := []param{
		{show: func(p *printer, i int) { p.str("child_stack="); p.ptr(p.arg(1)) }},
		{show: func(p *printer, i int) { p.str("flags="); p.cloneFlagsOf(p.arg(0)) }},
	}
	if a[0]&(linux.CLONE_PARENT_SETTID|linux.CLONE_PIDFD) != 0 {
		ps = append(ps, param{out: true, show: func(p *printer, i int) {
			p.str("parent_tid=")
			if p.failed() {
				p.ptr(p.arg(2))
			} else {
				p.word(p.arg(2), func(v uint32) { p.dec(int64(int32(v))) })
			}
		}})
	}
	if a[0]&linux.CLONE_SETTLS != 0 {
		ps = append(ps, param{show: func(p *printer, i int) { p.str("tls="); p.ptr(p.arg(4)) }})
	}
	if a[0]&(linux.CLONE_CHILD_SETTID|linux.CLONE_CHILD_CLEARTID) != 0 {
		ps = append(ps, param{show: func(p *printer, i int) { p.str("child_tidptr="); p.ptr(p.arg(3)) }})
	}
	return ps
}

var inCloneArgs = param{show: func(p *printer, i int) {
	var v linux.CloneArgs
	n := min(p.arg(i+1), uint64(v.SizeBytes()))
	b, ok := p.read(p.arg(i), int(n))
	if !ok || n < linux.CLONE_ARGS_SIZE_VER0 {
		p.ptr(p.arg(i))
		return
	}
	v.UnmarshalBytes(append(b, make([]byte, v.SizeBytes()-len(b))...))
	p.str("{flags=")
	p.flags(v.Flags, &cloneFlags)
	if v.Flags&linux.CLONE_PIDFD != 0 {
		p.str(", pidfd=")
		p.ptr(v.Pidfd)
	}
	if v.Flags&(linux.CLONE_CHILD_SETTID|linux.CLONE_CHILD_CLEARTID) != 0 {
		p.str(", child_tid=")
		p.ptr(v.ChildTID)
	}
	if v.Flags&linux.CLONE_PARENT_SETTID != 0 {
		p.str(", parent_tid=")
		p.ptr(v.ParentTID)
	}
	p.str(", exit_signal=")
	if v.ExitSignal == 0 {
		p.str("0")
	} else {
		p.signal(v.ExitSignal)
	}
	p.str(", stack=")
	p.ptr(v.Stack)
	p.str(", stack_size=")
	p.hex(v.StackSize)
	if v.Flags&linux.CLONE_SETTLS != 0 {
		p.str(", tls=")
		p.ptr(v.TLS)
	}
	if v.SetTIDSize != 0 {
		p.str(", set_tid=")
		p.ptr(v.SetTID)
		p.str(", set_tid_size=")
		p.udec(v.SetTIDSize)
	}
	if v.Flags&linux.CLONE_INTO_CGROUP != 0 {
		p.str(", cgroup=")
		p.udec(v.Cgroup)
	}
	p.str("}")
}}

// rlim prints one limit, in units of 1024 where that is exact.
func (p *printer) rlim(v uint64) {
	switch {
	case v == linux.RLIM_INFINITY:
		p.str("RLIM64_INFINITY")
	case v > 1024 && v%1024 == 0:
		p.udec(v / 1024)
		p.str("*1024")
	default:
		p.udec(v)
	}
}

func (p *printer) rlimit(v *linux.Rlimit) {
	p.str("{rlim_cur=")
	p.rlim(v.Cur)
	p.str(", rlim_max=")
	p.rlim(v.Max)
	p.str("}")
}

func (p *printer) rusage(v *linux.Rusage) {
	p.str("{ru_utime=")
	p.timeval(v.Utime)
	p.str(", ru_stime=")
	p.timeval(v.Stime)
	p.str(", ...}")
}

var outRusage = outStruct((*printer).rusage)

// outWaitRusage is void if no child was waited for.
var outWaitRusage = out(func(p *printer, i int) {
	if p.ret == 0 && p.c.Nr == linux.SYS_WAIT4 {
		p.ptr(p.arg(i))
		return
	}
	outRusage.show(p, i)
})

func (p *printer) timespec(v linux.Timespec) {
	p.str("{tv_sec=")
	p.dec(v.Sec)
	p.str(", tv_nsec=")
	p.dec(v.Nsec)
	p.str("}")
}

func (p *printer) timeval(v linux.Timeval) {
	p.str("{tv_sec=")
	p.dec(v.Sec)
	p.str(", tv_usec=")
	p.dec(v.Usec)
	p.str("}")
}

func (p *printer) itimerspec(v *linux.Itimerspec) {
	p.str("{it_interval=")
	p.timespec(v.Interval)
	p.str(", it_value=")
	p.timespec(v.Value)
	p.str("}")
}

func (p *printer) itimerval(v *linux.Itimerval) {
	p.str("{it_interval=")
	p.timeval(v.Interval)
	p.str(", it_value=")
	p.timeval(v.Value)
	p.str("}")
}

var (
	inTimespec  = structArg(func(p *printer, v *linux.Timespec) { p.timespec(*v) })
	outTimespec = outStruct(func(p *printer, v *linux.Timespec) { p.timespec(*v) })
	inTimeval   = structArg(func(p *printer, v *linux.Timeval) { p.timeval(*v) })
	outTimeval  = outStruct(func(p *printer, v *linux.Timeval) { p.timeval(*v) })
	inITspec    = structArg((*printer).itimerspec)
	outITspec   = outStruct((*printer).itimerspec)
	inITval     = structArg((*printer).itimerval)
	outITval    = outStruct((*printer).itimerval)

	// remaining is written only when a sleep was interrupted.
	remaining = param{out: true, show: func(p *printer, i int) {
		if p.failed() && p.arg(i) != 0 {
			if e, ok := p.err.(errno.Errno); ok && (e == errno.EINTR || e.IsRestart()) {
				object(p, p.arg(i), func(v *linux.Timespec) { p.timespec(*v) })
				return
			}
		}
		p.ptr(p.arg(i))
	}}

	inTimezone = structArg(func(p *printer, v *linux.Timezone) {
		p.str("{tz_minuteswest=")
		p.dec(int64(v.Minuteswest))
		p.str(", tz_dsttime=")
		p.dec(int64(v.Dsttime))
		p.str("}")
	})
)

var clockArg = enumArg(&clocks)

// inTimes prints utimensat(2)'s pair.
var inTimes = param{show: func(p *printer, i int) {
	p.array(p.arg(i), 2, 16, func(b []byte, _ uint64) {
		var v linux.Timespec
		v.UnmarshalBytes(b)
		switch v.Nsec {
		case linux.UTIME_NOW:
			p.str("UTIME_NOW")
		case linux.UTIME_OMIT:
			p.str("UTIME_OMIT")
		default:
			p.timespec(v)
			p.date(v.Sec, v.Nsec)
		}
	})
}}

// date prints a point in time as a comment, in UTC.
func (p *printer) date(sec, nsec int64) {
	layout := "2006-01-02T15:04:05.000000000-0700"
	if nsec == 0 {
		layout = "2006-01-02T15:04:05-0700"
	}
	p.str(" /* ", time.Unix(sec, nsec).UTC().Format(layout), " */")
}

// inTimevals prints utimes(2)'s pair.
var inTimevals = param{show: func(p *printer, i int) {
	p.array(p.arg(i), 2, 16, func(b []byte, _ uint64) {
		var v linux.Timeval
		v.UnmarshalBytes(b)
		p.timeval(v)
		p.date(v.Sec, 1000*v.Usec)
	})
}}

// cpuSet prints the CPUs in a mask of n bytes.
func (p *printer) cpuSet(a, n uint64) {
	b, ok := p.read(a, int(min(n, 1024)))
	if !ok {
		p.ptr(a)
		return
	}
	p.str("[")
	first := true
	for cpu := range len(b) * 8 {
		if b[cpu/8]>>(cpu%8)&1 == 0 {
			continue
		}
		if !first {
			p.str(" ")
		}
		first = false
		p.dec(int64(cpu))
	}
	p.str("]")
}

var (
	inCPUs  = param{show: func(p *printer, i int) { p.cpuSet(p.arg(i), p.arg(i-1)) }}
	outCPUs = out(func(p *printer, i int) { p.cpuSet(p.arg(i), p.ret) })
)

func (p *printer) ids(a, n uint64) {
	p.array(a, n, 4, func(b []byte, _ uint64) { p.id(binary.LittleEndian.Uint32(b)) })
}

var (
	inIDs  = param{show: func(p *printer, i int) { p.ids(p.arg(i), p.arg(i-1)) }}
	outIDs = out(func(p *printer, i int) {
		if p.arg(i-1) == 0 {
			p.ptr(p.arg(i))
			return
		}
		p.ids(p.arg(i), p.ret)
	})
)
