package kernel

import (
	"ringfence/abi/addr"
	"ringfence/abi/linux"
)

// UserDispatch is Syscall User Dispatch (PR_SET_SYSCALL_USER_DISPATCH): the task's calls raise SIGSYS instead of
// being made, unless they come from a range of addresses or a byte of the program's own lets them pass.
// Threads, children and new programs start with it off.
type UserDispatch struct {
	On bool
	// Selector is where that byte is, 0 if there is none.
	Selector addr.Addr
	// Calls pass whose end lies in the Length bytes from Offset, which may wrap around the end of all addresses.
	Offset, Length uint64
}

// SetUserDispatch replaces what holds for t. Task goroutine only.
func (t *Task) SetUserDispatch(d UserDispatch) { t.dispatch = d }

// UserDispatch returns what holds for the tracee.
func (r Tracee) UserDispatch() (UserDispatch, error) {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	if !r.stoppedLocked() {
		return UserDispatch{}, errNotStopped
	}
	return r.x.dispatch, nil
}

// SetUserDispatch replaces it.
func (r Tracee) SetUserDispatch(d UserDispatch) error {
	r.x.tg.sigMu.Lock()
	defer r.x.tg.sigMu.Unlock()
	if !r.stoppedLocked() {
		return errNotStopped
	}
	r.x.dispatch = d
	return nil
}

// dispatchToUser reports whether the call nr is not to be made, and sends the signal instead. Neither tracers nor
// filters see such a call.
func (t *Task) dispatchToUser(nr uint64) bool {
	d := &t.dispatch
	if t.regs.Rip-d.Offset < d.Length {
		return false
	}
	if d.Selector != 0 {
		var state [1]byte
		if err := t.CopyIn(d.Selector, state[:]); err != nil {
			t.dispatchDies(linux.SIGSEGV)
			return true
		}
		switch state[0] {
		case linux.SYSCALL_DISPATCH_FILTER_ALLOW:
			return false
		case linux.SYSCALL_DISPATCH_FILTER_BLOCK:
		default:
			t.dispatchDies(linux.SIGSYS)
			return true
		}
	}
	info := linux.SignalInfo{Signo: int32(linux.SIGSYS), Code: linux.SI_SYS_USER_DISPATCH}
	info.SetCallAddr(t.regs.Rip)
	info.SetSyscall(int32(nr))
	info.SetArch(linux.AUDIT_ARCH_X86_64)
	t.showFiltered(nr)
	t.ForceSignal(&info)
	t.regs.SetReturn(nr)
	t.inSyscall = false
	return true
}

// dispatchDies kills the process by sig, whatever it does about sig.
func (t *Task) dispatchDies(sig linux.Signal) {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	info := KernelInfo(sig)
	t.forceLocked(&info, true)
	t.inSyscall = false
}
