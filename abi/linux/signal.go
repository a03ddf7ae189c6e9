package linux

import (
	"encoding/binary"
	"strconv"
)

// Signal is a signal number, 1 to 64; 0 stands for no signal (signal(7)).
type Signal int32

// The signals of x86-64.
const (
	SIGHUP    Signal = 1
	SIGINT    Signal = 2
	SIGQUIT   Signal = 3
	SIGILL    Signal = 4
	SIGTRAP   Signal = 5
	SIGABRT   Signal = 6
	SIGBUS    Signal = 7
	SIGFPE    Signal = 8
	SIGKILL   Signal = 9
	SIGUSR1   Signal = 10
	SIGSEGV   Signal = 11
	SIGUSR2   Signal = 12
	SIGPIPE   Signal = 13
	SIGALRM   Signal = 14
	SIGTERM   Signal = 15
	SIGSTKFLT Signal = 16
	SIGCHLD   Signal = 17
	SIGCONT   Signal = 18
	SIGSTOP   Signal = 19
	SIGTSTP   Signal = 20
	SIGTTIN   Signal = 21
	SIGTTOU   Signal = 22
	SIGURG    Signal = 23
	SIGXCPU   Signal = 24
	SIGXFSZ   Signal = 25
	SIGVTALRM Signal = 26
	SIGPROF   Signal = 27
	SIGWINCH  Signal = 28
	SIGIO     Signal = 29
	SIGPWR    Signal = 30
	SIGSYS    Signal = 31
)

// Bounds of signal numbers as the kernel sees them: libc takes 32 and 33 for itself.
const (
	SIGRTMIN Signal = 32
	SIGRTMAX Signal = 64
	NSIG            = 64
	SIGPOLL         = SIGIO
	SIGIOT          = SIGABRT
)

var signalNames = [...]string{
	SIGHUP:    "SIGHUP",
	SIGINT:    "SIGINT",
	SIGQUIT:   "SIGQUIT",
	SIGILL:    "SIGILL",
	SIGTRAP:   "SIGTRAP",
	SIGABRT:   "SIGABRT",
	SIGBUS:    "SIGBUS",
	SIGFPE:    "SIGFPE",
	SIGKILL:   "SIGKILL",
	SIGUSR1:   "SIGUSR1",
	SIGSEGV:   "SIGSEGV",
	SIGUSR2:   "SIGUSR2",
	SIGPIPE:   "SIGPIPE",
	SIGALRM:   "SIGALRM",
	SIGTERM:   "SIGTERM",
	SIGSTKFLT: "SIGSTKFLT",
	SIGCHLD:   "SIGCHLD",
	SIGCONT:   "SIGCONT",
	SIGSTOP:   "SIGSTOP",
	SIGTSTP:   "SIGTSTP",
	SIGTTIN:   "SIGTTIN",
	SIGTTOU:   "SIGTTOU",
	SIGURG:    "SIGURG",
	SIGXCPU:   "SIGXCPU",
	SIGXFSZ:   "SIGXFSZ",
	SIGVTALRM: "SIGVTALRM",
	SIGPROF:   "SIGPROF",
	SIGWINCH:  "SIGWINCH",
	SIGIO:     "SIGIO",
	SIGPWR:    "SIGPWR",
	SIGSYS:    "SIGSYS",
}

// String returns the name, such as "SIGSEGV", "SIGRTMIN" or "SIGRT_3", as strace(1) prints it.
func (s Signal) String() string {
	switch {
	case s > 0 && int(s) < len(signalNames):
		return signalNames[s]
	case s == SIGRTMIN:
		return "SIGRTMIN"
	case s > SIGRTMIN && s <= SIGRTMAX:
		return "SIGRT_" + strconv.Itoa(int(s-SIGRTMIN))
	}
	return strconv.Itoa(int(s))
}

// Valid reports whether s is a signal that can be sent.
func (s Signal) Valid() bool { return s >= 1 && s <= SIGRTMAX }

// IsRealTime reports whether s queues instances in order of sending.
func (s Signal) IsRealTime() bool { return s >= SIGRTMIN && s <= SIGRTMAX }

// SignalSet is the kernel's sigset_t: bit n-1 stands for signal n. Methods ignore
// signals that are not Valid.
type SignalSet uint64

// SignalSetSize is the sigsetsize that system calls demand.
const SignalSetSize = 8

// UnblockableSignals can be neither blocked, ignored nor caught.
const UnblockableSignals SignalSet = 1<<(SIGKILL-1) | 1<<(SIGSTOP-1)

// MakeSignalSet returns the set of the given signals.
func MakeSignalSet(sigs ...Signal) SignalSet {
	var s SignalSet
	for _, sig := range sigs {
		s.Add(sig)
	}
	return s
}

// Add puts sig into s.
func (s *SignalSet) Add(sig Signal) {
	if sig.Valid() {
		*s |= 1 << (sig - 1)
	}
}

// Remove takes sig out of s.
func (s *SignalSet) Remove(sig Signal) {
	if sig.Valid() {
		*s &^= 1 << (sig - 1)
	}
}

// Has reports whether sig is in s.
func (s SignalSet) Has(sig Signal) bool { return sig.Valid() && s>>(sig-1)&1 != 0 }

// How of rt_sigprocmask(2).
const (
	SIG_BLOCK   = 0
	SIG_UNBLOCK = 1
	SIG_SETMASK = 2
)

// Special values of SigAction.Handler.
const (
	SIG_DFL = 0
	SIG_IGN = 1
)

// Flags of sigaction(2).
const (
	SA_RESTORER       = 0x4000000
	SA_NOCLDSTOP      = 0x1
	SA_NOCLDWAIT      = 0x2
	SA_SIGINFO        = 0x4
	SA_UNSUPPORTED    = 0x400
	SA_EXPOSE_TAGBITS = 0x800
	SA_ONSTACK        = 0x8000000
	SA_RESTART        = 0x10000000
	SA_NODEFER        = 0x40000000
	SA_RESETHAND      = 0x80000000
)

// SigAction is the kernel's struct sigaction on x86-64, as rt_sigaction(2) takes it.
type SigAction struct {
	Handler  uint64 // address, SIG_DFL or SIG_IGN
	Flags    uint64
	Restorer uint64
	Mask     SignalSet
}

// Flags of sigaltstack(2) and its sizes.
const (
	SS_ONSTACK    = 1
	SS_DISABLE    = 2
	SS_AUTODISARM = 1 << 31
	SS_FLAG_BITS  = SS_AUTODISARM
	MINSIGSTKSZ   = 2048
	SIGSTKSZ      = 8192
)

// SignalStack is stack_t.
type SignalStack struct {
	Addr  uint64
	Flags uint32
	_     [4]byte
	Size  uint64
}

// Contains reports whether sp is on the stack.
func (s *SignalStack) Contains(sp uint64) bool {
	return sp > s.Addr && sp-s.Addr <= s.Size
}

// Values of siginfo's si_code. Those above 0 come from the kernel only.
const (
	SI_USER     = 0
	SI_KERNEL   = 0x80
	SI_QUEUE    = -1
	SI_TIMER    = -2
	SI_MESGQ    = -3
	SI_ASYNCIO  = -4
	SI_SIGIO    = -5
	SI_TKILL    = -6
	SI_DETHREAD = -7
	SI_ASYNCNL  = -60
)

// Values of si_code for signals that the kernel generates.
const (
	ILL_ILLOPC    = 1
	ILL_ILLOPN    = 2
	ILL_ILLADR    = 3
	ILL_ILLTRP    = 4
	ILL_PRVOPC    = 5
	ILL_PRVREG    = 6
	ILL_COPROC    = 7
	ILL_BADSTK    = 8
	ILL_BADIADDR  = 9
	FPE_INTDIV    = 1
	FPE_INTOVF    = 2
	FPE_FLTDIV    = 3
	FPE_FLTOVF    = 4
	FPE_FLTUND    = 5
	FPE_FLTRES    = 6
	FPE_FLTINV    = 7
	FPE_FLTSUB    = 8
	FPE_FLTUNK    = 14
	FPE_CONDTRAP  = 15
	SEGV_MAPERR   = 1
	SEGV_ACCERR   = 2
	SEGV_BNDERR   = 3
	SEGV_PKUERR   = 4
	SEGV_ACCADI   = 5
	SEGV_ADIDERR  = 6
	SEGV_ADIPERR  = 7
	SEGV_MTEAERR  = 8
	SEGV_MTESERR  = 9
	BUS_ADRALN    = 1
	BUS_ADRERR    = 2
	BUS_OBJERR    = 3
	BUS_MCEERR_AR = 4
	BUS_MCEERR_AO = 5
	TRAP_BRKPT    = 1
	TRAP_TRACE    = 2
	TRAP_BRANCH   = 3
	TRAP_HWBKPT   = 4
	TRAP_UNK      = 5
	TRAP_PERF     = 6
	CLD_EXITED    = 1
	CLD_KILLED    = 2
	CLD_DUMPED    = 3
	CLD_TRAPPED   = 4
	CLD_STOPPED   = 5
	CLD_CONTINUED = 6
	POLL_IN       = 1
	POLL_OUT      = 2
	POLL_MSG      = 3
	POLL_ERR      = 4
	POLL_PRI      = 5
	POLL_HUP      = 6
	SEGV_CPERR    = 10

	// C calls these SYS_SECCOMP and SYS_USER_DISPATCH; here SYS_ is for system calls.
	SI_SYS_SECCOMP       = 1
	SI_SYS_USER_DISPATCH = 2
)

// SignalInfo is siginfo_t: 128 bytes, of which the first twelve are common and the
// rest is a union that the accessors read and write. Which of them apply follows
// from Signo and Code (sigaction(2)).
type SignalInfo struct {
	Signo  int32
	Errno  int32
	Code   int32
	_      [4]byte
	Fields [112]byte
}

// SignalInfoSize is the size of siginfo_t.
const SignalInfoSize = 128

// Signal returns Signo as a Signal.
func (i *SignalInfo) Signal() Signal { return Signal(i.Signo) }

func (i *SignalInfo) u32(off int) uint32       { return binary.LittleEndian.Uint32(i.Fields[off:]) }
func (i *SignalInfo) u64(off int) uint64       { return binary.LittleEndian.Uint64(i.Fields[off:]) }
func (i *SignalInfo) putU32(off int, v uint32) { binary.LittleEndian.PutUint32(i.Fields[off:], v) }
func (i *SignalInfo) putU64(off int, v uint64) { binary.LittleEndian.PutUint64(i.Fields[off:], v) }

// PID returns si_pid (kill, tkill, sigqueue, SIGCHLD).
func (i *SignalInfo) PID() int32 { return int32(i.u32(0)) }

// SetPID sets si_pid.
func (i *SignalInfo) SetPID(v int32) { i.putU32(0, uint32(v)) }

// UID returns si_uid (kill, tkill, sigqueue, SIGCHLD).
func (i *SignalInfo) UID() uint32 { return i.u32(4) }

// SetUID sets si_uid.
func (i *SignalInfo) SetUID(v uint32) { i.putU32(4, v) }

// Value returns si_value, an int or a pointer (sigqueue, timers, message queues).
func (i *SignalInfo) Value() uint64 { return i.u64(8) }

// SetValue sets si_value.
func (i *SignalInfo) SetValue(v uint64) { i.putU64(8, v) }

// TimerID returns si_timerid (SI_TIMER).
func (i *SignalInfo) TimerID() int32 { return int32(i.u32(0)) }

// SetTimerID sets si_timerid.
func (i *SignalInfo) SetTimerID(v int32) { i.putU32(0, uint32(v)) }

// Overrun returns si_overrun (SI_TIMER).
func (i *SignalInfo) Overrun() int32 { return int32(i.u32(4)) }

// SetOverrun sets si_overrun.
func (i *SignalInfo) SetOverrun(v int32) { i.putU32(4, uint32(v)) }

// Status returns si_status: exit code or signal (SIGCHLD).
func (i *SignalInfo) Status() int32 { return int32(i.u32(8)) }

// SetStatus sets si_status.
func (i *SignalInfo) SetStatus(v int32) { i.putU32(8, uint32(v)) }

// Utime returns si_utime in clock ticks (SIGCHLD).
func (i *SignalInfo) Utime() int64 { return int64(i.u64(16)) }

// SetUtime sets si_utime.
func (i *SignalInfo) SetUtime(v int64) { i.putU64(16, uint64(v)) }

// Stime returns si_stime in clock ticks (SIGCHLD).
func (i *SignalInfo) Stime() int64 { return int64(i.u64(24)) }

// SetStime sets si_stime.
func (i *SignalInfo) SetStime(v int64) { i.putU64(24, uint64(v)) }

// Addr returns si_addr (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP).
func (i *SignalInfo) Addr() uint64 { return i.u64(0) }

// SetAddr sets si_addr.
func (i *SignalInfo) SetAddr(v uint64) { i.putU64(0, v) }

// AddrLSB returns si_addr_lsb (BUS_MCEERR_*).
func (i *SignalInfo) AddrLSB() int16 { return int16(i.u32(8)) }

// SetAddrLSB sets si_addr_lsb.
func (i *SignalInfo) SetAddrLSB(v int16) { i.putU32(8, uint32(v)) }

// Bounds returns si_lower and si_upper (SEGV_BNDERR).
func (i *SignalInfo) Bounds() (lower, upper uint64) { return i.u64(16), i.u64(24) }

// PKey returns si_pkey (SEGV_PKUERR).
func (i *SignalInfo) PKey() uint32 { return i.u32(16) }

// Band returns si_band (SIGPOLL).
func (i *SignalInfo) Band() int64 { return int64(i.u64(0)) }

// SetBand sets si_band.
func (i *SignalInfo) SetBand(v int64) { i.putU64(0, uint64(v)) }

// FD returns si_fd (SIGPOLL).
func (i *SignalInfo) FD() int32 { return int32(i.u32(8)) }

// SetFD sets si_fd.
func (i *SignalInfo) SetFD(v int32) { i.putU32(8, uint32(v)) }

// CallAddr returns si_call_addr (SIGSYS).
func (i *SignalInfo) CallAddr() uint64 { return i.u64(0) }

// SetCallAddr sets si_call_addr.
func (i *SignalInfo) SetCallAddr(v uint64) { i.putU64(0, v) }

// Syscall returns si_syscall (SIGSYS).
func (i *SignalInfo) Syscall() int32 { return int32(i.u32(8)) }

// SetSyscall sets si_syscall.
func (i *SignalInfo) SetSyscall(v int32) { i.putU32(8, uint32(v)) }

// Arch returns si_arch (SIGSYS).
func (i *SignalInfo) Arch() uint32 { return i.u32(12) }

// SetArch sets si_arch.
func (i *SignalInfo) SetArch(v uint32) { i.putU32(12, v) }

// Values of Sigevent.Notify.
const (
	SIGEV_SIGNAL    = 0
	SIGEV_NONE      = 1
	SIGEV_THREAD    = 2
	SIGEV_THREAD_ID = 4
)

// Sigevent is struct sigevent, 64 bytes: how timer_create(2) and mq_notify(2) tell
// of expiry or arrival.
type Sigevent struct {
	Value  uint64
	Signo  int32
	Notify int32
	Tid    int32 // SIGEV_THREAD_ID
	_      [44]byte
}

// Flags of signalfd4(2).
const (
	SFD_CLOEXEC  = O_CLOEXEC
	SFD_NONBLOCK = O_NONBLOCK
)

// SignalfdSiginfo is struct signalfd_siginfo, what read(2) on a signalfd gives.
type SignalfdSiginfo struct {
	Signo    uint32
	Errno    int32
	Code     int32
	PID      uint32
	UID      uint32
	FD       int32
	TID      uint32
	Band     uint32
	Overrun  uint32
	Trapno   uint32
	Status   int32
	Int      int32
	Ptr      uint64
	Utime    uint64
	Stime    uint64
	Addr     uint64
	AddrLSB  uint16
	_        [2]byte
	Syscall  int32
	CallAddr uint64
	Arch     uint32
	_        [28]byte
}
