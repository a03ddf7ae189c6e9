package linux

// Options of wait4(2) and waitid(2).
const (
	WNOHANG    = 0x1
	WUNTRACED  = 0x2
	WSTOPPED   = WUNTRACED
	WEXITED    = 0x4
	WCONTINUED = 0x8
	WNOWAIT    = 0x1000000
)

// Exported spellings of the options whose names start with underscores in C.
const (
	WNOTHREAD = 0x20000000
	WALL      = 0x40000000
	WCLONE    = 0x80000000
)

// ID types of waitid(2).
const (
	P_ALL   = 0
	P_PID   = 1
	P_PGID  = 2
	P_PIDFD = 3
)

// WaitStatus is the status word of wait4(2).
type WaitStatus uint32

// ExitStatus is the status of a process that exited with the low byte of code.
func ExitStatus(code int) WaitStatus { return WaitStatus(code&0xff) << 8 }

// SignaledStatus is the status of a process that sig killed.
func SignaledStatus(sig Signal, core bool) WaitStatus {
	s := WaitStatus(sig & 0x7f)
	if core {
		s |= 0x80
	}
	return s
}

// StoppedStatus is the status of a process that sig stopped. For ptrace stops the
// caller adds the event in bits 16 to 23 with WithEvent.
func StoppedStatus(sig Signal) WaitStatus { return WaitStatus(sig&0xff)<<8 | 0x7f }

// WithEvent returns s with a PTRACE_EVENT_* in bits 16 to 23.
func (s WaitStatus) WithEvent(event int) WaitStatus { return s | WaitStatus(event)<<16 }

// ContinuedStatus is the status of a process that SIGCONT continued.
const ContinuedStatus WaitStatus = 0xffff

// Exited reports whether the process exited.
func (s WaitStatus) Exited() bool { return s&0x7f == 0 }

// ExitCode returns the exit code. Preconditions: Exited.
func (s WaitStatus) ExitCode() int { return int(s >> 8 & 0xff) }

// Signaled reports whether a signal killed the process.
func (s WaitStatus) Signaled() bool { return s&0x7f != 0 && s&0x7f != 0x7f && !s.Continued() }

// TermSignal returns the signal that killed. Preconditions: Signaled.
func (s WaitStatus) TermSignal() Signal { return Signal(s & 0x7f) }

// CoreDumped reports whether a core was dumped. Preconditions: Signaled.
func (s WaitStatus) CoreDumped() bool { return s&0x80 != 0 }

// Stopped reports whether the process is stopped.
func (s WaitStatus) Stopped() bool { return s&0xff == 0x7f }

// StopSignal returns the signal that stopped. Preconditions: Stopped.
func (s WaitStatus) StopSignal() Signal { return Signal(s >> 8 & 0xff) }

// Event returns the PTRACE_EVENT_* of a ptrace stop, or 0.
func (s WaitStatus) Event() int { return int(s >> 16 & 0xff) }

// Continued reports whether the process was continued.
func (s WaitStatus) Continued() bool { return s == ContinuedStatus }
