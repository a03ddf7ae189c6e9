package kernel

import (
	"ringfence/abi/errno"
	"ringfence/platform/arch"
	"ringfence/sentry/mm"
)

// Handler answers one system call: decode, check, call, translate. It returns the
// value for the guest, or an errno.Errno; one of the ERESTART codes asks for a
// restart as on Linux.
type Handler func(t *Task, a *arch.Args) (uint64, error)

// Support says how far a system call is answered as Linux answers it.
type Support uint8

const (
	// Refused calls return Entry.Refusal; also the state of numbers that Linux
	// does not have.
	Refused Support = iota
	// Partial: Note says what is missing.
	Partial
	Full
)

func (s Support) String() string { return [...]string{"refused", "partial", "supported"}[s] }

// Entry is one line of the system call table.
type Entry struct {
	Name    string
	Handler Handler
	Support Support
	// Flags names the flags that are supported, where the call has flags; Note is for the published matrix.
	Flags, Note string
	// Refusal is the errno of a refused call; zero means ENOSYS.
	Refusal errno.Errno
}

// MaxSyscall bounds the numbers that the table knows.
const MaxSyscall = 512

// SyscallTable is the table of system calls by number. Package syscalls makes it.
type SyscallTable [MaxSyscall]Entry

// Tracer is told of every system call, for --strace. Its methods run on the
// task's goroutine.
type Tracer interface {
	Enter(t *Task, nr uint64, a *arch.Args)
	Exit(t *Task, nr uint64, a *arch.Args, ret uint64, err error)
	Signal(t *Task, info *[128]byte)
	End(t *Task)
}

// RestartBlock is what restart_syscall(2) needs to go on: the call and its
// arguments, with a timeout made absolute. Plain data.
type RestartBlock struct {
	Call     uint64
	Args     arch.Args
	Deadline int64 // monotonic nanoseconds, or Forever
}

// SetRestart stores what restart_syscall goes on with and returns
// ERESTART_RESTARTBLOCK for the handler to return. The handler of call is
// run again with the same arguments; it finds the deadline in Restarting.
func (t *Task) SetRestart(call uint64, a *arch.Args, deadline int64) error {
	t.restart = RestartBlock{Call: call, Args: *a, Deadline: deadline}
	return errno.ERESTART_RESTARTBLOCK
}

// Restarting returns the restart block if the running call was reached through
// restart_syscall, else nil.
func (t *Task) Restarting() *RestartBlock {
	if t.inRestart {
		return &t.restart
	}
	return nil
}

// doSyscall runs the system call in the registers and stores its result.
func (t *Task) doSyscall() {
	nr := t.regs.SyscallNo()
	t.args = t.regs.SyscallArgs()
	if t.dispatch.On && t.dispatchToUser(nr) {
		return
	}
	t.inCall = true
	traced, emulated := t.sysTraced(), false
	if traced {
		nr, emulated = t.traceSyscallEnter()
	}
	if s := t.seccomp.Load(); s != nil && !emulated {
		// Behind the tracer, so that what it changed is seen.
		var done bool
		if nr, done = t.filterSyscall(s, nr); done {
			t.inCall = false
			return
		}
	}
	if emulated || traced && int32(nr) == -1 {
		// The registers are as the tracer left them.
		t.traceSyscallExit(nr, &t.args, 0, nil)
		t.inCall = false
		return
	}
	nr = uint64(uint32(nr)) // Linux looks at no more
	if t.k.Tracer != nil {
		t.k.Tracer.Enter(t, nr, &t.args)
	}
	ret, err := t.call(nr, &t.args)
	t.finishSyscall(nr, &t.args, ret, err)
}

// call looks nr up and runs its handler.
func (t *Task) call(nr uint64, a *arch.Args) (uint64, error) {
	if nr >= MaxSyscall {
		return 0, errno.ENOSYS
	}
	e := &t.k.Syscalls[nr]
	if e.Handler == nil {
		if e.Refusal != 0 {
			return 0, e.Refusal
		}
		return 0, errno.ENOSYS
	}
	return e.Handler(t, a)
}

// RestartSyscall is restart_syscall(2).
func (t *Task) RestartSyscall() (uint64, error) {
	if t.restart.Call == 0 {
		return 0, errno.EINTR
	}
	b := t.restart
	t.inRestart = true
	ret, err := t.call(b.Call, &b.Args)
	t.inRestart = false
	return ret, err
}

// finishSyscall stores the result. A restart code stays in the registers, as on Linux, until
// signal delivery has decided.
func (t *Task) finishSyscall(nr uint64, a *arch.Args, ret uint64, err error) {
	if err != nil {
		if _, ok := err.(mm.FaultError); ok {
			err = errno.EFAULT
		}
		e, ok := err.(errno.Errno)
		if !ok {
			panic("kernel: system call " + t.k.Syscalls[min(nr, MaxSyscall-1)].Name + " returned a foreign error: " + err.Error())
		}
		ret = errorReturn(e)
	}
	t.regs.SetReturn(ret)
	if t.maskSaved && !interruptedBy(err) {
		t.restoreMask()
	}
	if t.k.Tracer != nil && !t.dying {
		t.k.Tracer.Exit(t, nr, a, ret, err)
	}
	if t.sysTraced() {
		t.traceSyscallExit(nr, a, ret, err)
	}
	t.inCall = false
}

// interruptedBy reports whether err says that a signal ended a call.
func interruptedBy(err error) bool {
	e, _ := err.(errno.Errno)
	return e == errno.EINTR || e.IsRestart()
}
