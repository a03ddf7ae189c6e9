package ptrace

import (
	"errors"

	"ringfence/abi/errno"
	"ringfence/platform/arch"
	"ringfence/platform/cpu"
	"ringfence/platform/hostcall"
	"ringfence/platform/stub"
)

// errDead is what Switch returns when the host thread is gone.
var errDead = errors.New("guest thread died on the host")

// thread is a guest's host thread, traced by the calling host thread, and stopped
// except between resume and wait.
type thread struct {
	tid   int32
	space *addressSpace

	// regs are the registers in the host thread, if valid.
	regs  arch.Registers
	valid bool

	gone bool // waited for
}

// startThread makes a thread in s.
func startThread(s *addressSpace) (*thread, error) {
	tid, err := s.proc.StartThread(stub.ThreadOrder(stub.ParkPC, 0))
	if err != nil {
		return nil, err
	}
	s.refs.Add(1)
	t := &thread{tid: tid, space: s}
	if err := t.attach(); err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

// attach traces the new thread and stops it where it has parked.
func (t *thread) attach() error {
	const options = hostcall.PTRACE_O_TRACESYSGOOD | hostcall.PTRACE_O_EXITKILL
	if err := hostcall.Ptrace(hostcall.PTRACE_SEIZE, t.tid, 0, options); err != nil {
		return err
	}
	for {
		if err := hostcall.Ptrace(hostcall.PTRACE_INTERRUPT, t.tid, 0, 0); err != nil {
			return err
		}
		if _, err := t.wait(); err != nil {
			return err
		}
		if err := getRegs(t.tid, &t.regs); err != nil {
			return err
		}
		if stub.Parked(t.regs.Rip) {
			return unblockSignals(t.tid)
		}
		// It still shares our descriptors: let it go on.
		if err := t.resume(hostcall.PTRACE_CONT, 0); err != nil {
			return err
		}
		hostcall.SchedYield()
	}
}

// resume lets the thread run, with sig delivered to it.
func (t *thread) resume(request int, sig uintptr) error {
	t.valid = false
	return hostcall.Ptrace(request, t.tid, 0, sig)
}

// wait waits until the thread stops. The error is errDead if it ended.
func (t *thread) wait() (hostcall.WaitStatus, error) {
	_, ws, err := hostcall.Wait4(t.tid, hostcall.WALL)
	if err == nil && ws.Stopped() {
		return ws, nil
	}
	if err != nil && err != errno.ECHILD {
		return 0, err
	}
	t.leave()
	return 0, errDead
}

// leave notes that the thread is gone and waited for.
func (t *thread) leave() {
	if !t.gone {
		t.gone = true
		t.space.proc.ThreadGone(t.tid)
		t.space.decRef()
	}
}

// end makes the thread exit and waits for it.
func (t *thread) end() {
	if t.gone {
		return
	}
	r := arch.NewRegisters(stub.ExitPC, 0)
	err := setRegs(t.tid, &r)
	for !t.gone {
		if err == nil {
			err = t.resume(hostcall.PTRACE_CONT, 0)
		}
		if err != nil && err != errno.ESRCH {
			// It is not ours to command. Only the end of the process ends it.
			hostcall.Kill(t.space.proc.PID(), 9)
		}
		err = nil
		t.wait() // A failure means that it is gone.
	}
}

// load puts r into the thread, as far as a guest may have it.
func (t *thread) load(r *arch.Registers) error {
	if t.valid && *r == t.regs {
		return nil
	}
	n := allowed(r)
	return setRegs(t.tid, &n)
}

// allowed returns r without what the host would refuse or a guest may not have:
// selectors other than those of 64-bit user code, and segment bases outside the user
// half.
func allowed(r *arch.Registers) arch.Registers {
	n := *r
	n.Cs, n.Ss = arch.UserCS, arch.UserDS
	n.OrigRax = ^uint64(0) // No system call for the host to restart.
	for _, s := range []*uint64{&n.Ds, &n.Es, &n.Fs, &n.Gs} {
		if *s&^0xffff != 0 || *s&3 != 3 {
			*s = 0
		}
	}
	for _, base := range []*uint64{&n.FsBase, &n.GsBase} {
		if *base >= userEnd {
			*base = 0
		}
	}
	return n
}

// userEnd is where the host's user addresses end (TASK_SIZE_MAX).
const userEnd = 1<<47 - 4096

// save reads the registers of the stopped thread.
func (t *thread) save() error {
	if err := getRegs(t.tid, &t.regs); err != nil {
		return err
	}
	t.valid = true
	return nil
}

// getFPU reads the extended state as the host lays it out.
func (t *thread) getFPU() ([]byte, error) {
	b := make([]byte, cpu.Host().HostSize)
	_, err := hostcall.PtraceRegset(hostcall.PTRACE_GETREGSET, t.tid, hostcall.NT_X86_XSTATE, b)
	return b, err
}

// setFPU replaces the extended state. b has the length that getFPU gives.
func (t *thread) setFPU(b []byte) error {
	_, err := hostcall.PtraceRegset(hostcall.PTRACE_SETREGSET, t.tid, hostcall.NT_X86_XSTATE, b)
	return err
}
