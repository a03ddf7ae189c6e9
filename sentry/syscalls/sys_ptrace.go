package syscalls

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
)

var ptraceCalls = []line{
	{linux.SYS_PTRACE, "ptrace", sysPtrace, kernel.Partial, "all requests of x86-64 but SECCOMP_* and GET_RSEQ_CONFIGURATION",
		"hardware breakpoints are refused"},
}

func sysPtrace(t *kernel.Task, a *arch.Args) (uint64, error) {
	request, pid, at, data := a[0].Int64(), a[1].Int(), a[2].Addr(), a[3]
	if request == linux.PTRACE_TRACEME {
		return 0, t.TraceMe()
	}
	x := t.Kernel().Task(t.PIDNamespace(), pid)
	if x == nil {
		return 0, errno.ESRCH
	}
	switch request {
	case linux.PTRACE_ATTACH:
		return 0, t.TraceAttach(x, false, 0)
	case linux.PTRACE_SEIZE:
		if at != 0 || data.Uint64()&^linux.PTRACE_O_MASK != 0 {
			return 0, errno.EIO
		}
		return 0, t.TraceAttach(x, true, data.Uint())
	}
	r, err := t.Tracee(x, request == linux.PTRACE_KILL || request == linux.PTRACE_INTERRUPT)
	if err != nil {
		return 0, err
	}
	switch request {
	case linux.PTRACE_PEEKTEXT, linux.PTRACE_PEEKDATA:
		var b [8]byte
		if err := peek(r, at, b[:]); err != nil {
			return 0, err
		}
		return 0, t.CopyOut(data.Addr(), b[:])
	case linux.PTRACE_POKETEXT, linux.PTRACE_POKEDATA:
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], data.Uint64())
		return 0, poke(r, at, b[:])
	case linux.PTRACE_PEEKUSR:
		v, err := peekUser(r, uint64(at))
		if err != nil {
			return 0, err
		}
		return 0, t.CopyOutUint64(data.Addr(), v)
	case linux.PTRACE_POKEUSR:
		return 0, pokeUser(r, uint64(at), data.Uint64())
	case linux.PTRACE_CONT, linux.PTRACE_SYSCALL, linux.PTRACE_SINGLESTEP, linux.PTRACE_SINGLEBLOCK,
		linux.PTRACE_SYSEMU, linux.PTRACE_SYSEMU_SINGLESTEP:
		return 0, r.Resume(request, data.Uint64())
	case linux.PTRACE_DETACH:
		return 0, r.Detach(data.Uint64())
	case linux.PTRACE_KILL:
		r.Kill()
		return 0, nil
	case linux.PTRACE_INTERRUPT:
		return 0, r.Interrupt()
	case linux.PTRACE_LISTEN:
		return 0, r.Listen()
	case linux.PTRACE_SETOPTIONS, linux.PTRACE_OLDSETOPTIONS:
		if data.Uint64()&^linux.PTRACE_O_MASK != 0 || data.Uint64()&linux.PTRACE_O_SUSPEND_SECCOMP != 0 {
			return 0, errno.EINVAL
		}
		r.SetOptions(data.Uint())
		return 0, nil
	case linux.PTRACE_GETEVENTMSG:
		return 0, t.CopyOutUint64(data.Addr(), r.Message())
	case linux.PTRACE_GETSIGINFO:
		info, err := r.Info()
		if err != nil {
			return 0, err
		}
		return 0, t.CopyOutStruct(data.Addr(), &info)
	case linux.PTRACE_SETSIGINFO:
		var info linux.SignalInfo
		if err := t.CopyInStruct(data.Addr(), &info); err != nil {
			return 0, err
		}
		return 0, r.SetInfo(info)
	case linux.PTRACE_PEEKSIGINFO:
		return peekSigInfo(t, r, at, data.Addr())
	case linux.PTRACE_GETSIGMASK:
		if at != linux.SignalSetSize {
			return 0, errno.EINVAL
		}
		return 0, t.CopyOutUint64(data.Addr(), uint64(r.Mask()))
	case linux.PTRACE_SETSIGMASK:
		if at != linux.SignalSetSize {
			return 0, errno.EINVAL
		}
		v, err := t.CopyInUint64(data.Addr())
		if err == nil {
			r.SetMask(linux.SignalSet(v))
		}
		return 0, err
	case linux.PTRACE_GETREGS:
		regs, err := r.Regs()
		if err != nil {
			return 0, err
		}
		return 0, t.CopyOut(data.Addr(), regs.Bytes())
	case linux.PTRACE_SETREGS:
		return 0, setRegs(t, r, data.Addr(), arch.RegistersSize)
	case linux.PTRACE_GETFPREGS:
		return copyOutFPU(t, r, data.Addr(), fxsaveSize)
	case linux.PTRACE_SETFPREGS:
		return copyInFPU(t, r, data.Addr(), fxsaveSize)
	case linux.PTRACE_GETREGSET, linux.PTRACE_SETREGSET:
		return regset(t, r, request == linux.PTRACE_GETREGSET, uint64(at), data.Addr())
	case linux.PTRACE_GET_SYSCALL_INFO:
		return syscallInfo(t, r, uint64(at), data.Addr())
	case linux.PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, linux.PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG:
		return traceDispatch(t, r, request == linux.PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, uint64(at), data.Addr())
	case linux.PTRACE_ARCH_PRCTL:
		return traceArchPrctl(t, r, data.Int(), uint64(at))
	}
	return 0, errno.EIO
}

// fxsaveSize is the size of struct user_fpregs_struct.
const fxsaveSize = 512

// peek and poke reach the tracee's memory; EIO if it is not there.
func peek(r kernel.Tracee, at addr.Addr, b []byte) error {
	m := r.MM()
	if m == nil {
		return errno.ESRCH
	}
	defer m.DecUsers()
	if _, err := m.ReadRemote(at, b); err != nil {
		return errno.EIO
	}
	return nil
}

func poke(r kernel.Tracee, at addr.Addr, b []byte) error {
	m := r.MM()
	if m == nil {
		return errno.ESRCH
	}
	defer m.DecUsers()
	if _, err := m.WriteRemote(at, b); err != nil {
		return errno.EIO
	}
	return nil
}

// peekUser reads a word of struct user: registers, debug registers, zeros.
func peekUser(r kernel.Tracee, off uint64) (uint64, error) {
	switch {
	case off&7 != 0 || off >= linux.UserSize:
		return 0, errno.EIO
	case off < arch.RegistersSize:
		regs, err := r.Regs()
		if err != nil {
			return 0, err
		}
		return binary.LittleEndian.Uint64(regs.Bytes()[off:]), nil
	case off >= linux.UserDebugRegsBase:
		return r.Debug(int(off-linux.UserDebugRegsBase) / 8), nil
	}
	return 0, nil
}

func pokeUser(r kernel.Tracee, off, v uint64) error {
	switch {
	case off&7 != 0 || off >= linux.UserSize:
		return errno.EIO
	case off < arch.RegistersSize:
		regs, err := r.Regs()
		if err != nil {
			return err
		}
		b := regs.Bytes()
		binary.LittleEndian.PutUint64(b[off:], v)
		regs.SetBytes(b)
		return r.SetRegs(regs)
	case off >= linux.UserDebugRegsBase:
		return r.SetDebug(int(off-linux.UserDebugRegsBase)/8, v)
	}
	return errno.EIO
}

// setRegs replaces the first n bytes of the registers.
func setRegs(t *kernel.Task, r kernel.Tracee, at addr.Addr, n int) error {
	regs, err := r.Regs()
	if err != nil {
		return err
	}
	b := regs.Bytes()
	if err := t.CopyIn(at, b[:n]); err != nil {
		return err
	}
	regs.SetBytes(b)
	return r.SetRegs(regs)
}

func copyOutFPU(t *kernel.Task, r kernel.Tracee, at addr.Addr, n int) (uint64, error) {
	f, err := r.FPU()
	if err != nil {
		return 0, err
	}
	return 0, t.CopyOut(at, f[:min(n, len(f))])
}

func copyInFPU(t *kernel.Task, r kernel.Tracee, at addr.Addr, n int) (uint64, error) {
	b := make([]byte, n)
	if err := t.CopyIn(at, b); err != nil {
		return 0, err
	}
	return 0, r.SetFPU(b)
}

// regset is PTRACE_GETREGSET and PTRACE_SETREGSET: at is a struct iovec, whose length becomes what was moved.
func regset(t *kernel.Task, r kernel.Tracee, get bool, which uint64, at addr.Addr) (uint64, error) {
	var iov [16]byte
	if err := t.CopyIn(at, iov[:]); err != nil {
		return 0, err
	}
	base := addr.Addr(binary.LittleEndian.Uint64(iov[:]))
	size := binary.LittleEndian.Uint64(iov[8:])
	full, unit := uint64(arch.RegistersSize), uint64(8)
	switch which {
	case linux.NT_PRSTATUS:
	case linux.NT_PRFPREG:
		full = fxsaveSize
	case linux.NT_X86_XSTATE:
		full = uint64(arch.FPUSize())
	default:
		return 0, errno.EINVAL
	}
	if size%unit != 0 {
		return 0, errno.EINVAL
	}
	n := int(min(size, full))
	var err error
	switch {
	case which == linux.NT_PRSTATUS && get:
		var regs arch.Registers
		if regs, err = r.Regs(); err == nil {
			err = t.CopyOut(base, regs.Bytes()[:n])
		}
	case which == linux.NT_PRSTATUS:
		err = setRegs(t, r, base, n)
	case get:
		_, err = copyOutFPU(t, r, base, n)
	case which == linux.NT_X86_XSTATE && size != full:
		err = errno.EFAULT
	default:
		_, err = copyInFPU(t, r, base, n)
	}
	if err != nil {
		return 0, err
	}
	return 0, t.CopyOutUint64(at+8, uint64(n))
}

func peekSigInfo(t *kernel.Task, r kernel.Tracee, at, out addr.Addr) (uint64, error) {
	var a linux.PtracePeekSigInfoArgs
	if err := t.CopyInStruct(at, &a); err != nil {
		return 0, err
	}
	if a.Flags&^linux.PTRACE_PEEKSIGINFO_SHARED != 0 || a.Nr < 0 {
		return 0, errno.EINVAL
	}
	infos := r.PeekInfos(a.Flags != 0, a.Off, int(a.Nr))
	for i := range infos {
		if err := t.CopyOutStruct(out+addr.Addr(i*linux.SignalInfoSize), &infos[i]); err != nil {
			if i > 0 {
				return uint64(i), nil
			}
			return 0, err
		}
	}
	return uint64(len(infos)), nil
}

// auditArch is AUDIT_ARCH_X86_64.
const auditArch = 0xc000003e

// syscallInfo is PTRACE_GET_SYSCALL_INFO; it returns how long the whole is, however much fits.
func syscallInfo(t *kernel.Task, r kernel.Tracee, size uint64, at addr.Addr) (uint64, error) {
	regs, err := r.Regs()
	if err != nil {
		return 0, err
	}
	s := linux.PtraceSyscallInfo{Op: r.SyscallStop(), Arch: auditArch, InstructionPointer: regs.Rip, StackPointer: regs.Rsp}
	n := uint64(24)
	switch s.Op {
	case linux.PTRACE_SYSCALL_INFO_ENTRY, linux.PTRACE_SYSCALL_INFO_SECCOMP:
		s.Data[0] = regs.SyscallNo()
		for i, a := range regs.SyscallArgs() {
			s.Data[1+i] = uint64(a)
		}
		n += 7 * 8
		if s.Op == linux.PTRACE_SYSCALL_INFO_SECCOMP {
			s.Data[7] = r.Message() & linux.SECCOMP_RET_DATA
			n += 4
		}
	case linux.PTRACE_SYSCALL_INFO_EXIT:
		s.Data[0] = regs.Return()
		if v := int64(regs.Return()); v < 0 && v >= -4095 {
			s.Data[1] = 1
		}
		n += 8 + 1
	}
	b := make([]byte, s.SizeBytes())
	s.MarshalBytes(b)
	return n, t.CopyOut(at, b[:min(n, size)])
}

func traceArchPrctl(t *kernel.Task, r kernel.Tracee, code int32, v uint64) (uint64, error) {
	regs, err := r.Regs()
	if err != nil {
		return 0, err
	}
	switch code {
	case linux.ARCH_GET_FS:
		return 0, t.CopyOutUint64(addr.Addr(v), regs.FsBase)
	case linux.ARCH_GET_GS:
		return 0, t.CopyOutUint64(addr.Addr(v), regs.GsBase)
	case linux.ARCH_SET_FS:
		regs.FsBase = v
	case linux.ARCH_SET_GS:
		regs.GsBase = v
	default:
		return 0, errno.EINVAL
	}
	if v >= uint64(taskSize) {
		return 0, errno.EPERM
	}
	return 0, r.SetRegs(regs)
}

// traceDispatch reads or changes what the tracee's PR_SET_SYSCALL_USER_DISPATCH did.
func traceDispatch(t *kernel.Task, r kernel.Tracee, get bool, size uint64, at addr.Addr) (uint64, error) {
	var c linux.PtraceSudConfig
	if size != uint64(c.SizeBytes()) {
		return 0, errno.EINVAL
	}
	if get {
		d, err := r.UserDispatch()
		if err != nil {
			return 0, err
		}
		c = linux.PtraceSudConfig{Mode: linux.PR_SYS_DISPATCH_OFF, Selector: uint64(d.Selector), Offset: d.Offset, Len: d.Length}
		if d.On {
			c.Mode = linux.PR_SYS_DISPATCH_ON
		}
		return 0, t.CopyOutStruct(at, &c)
	}
	if err := t.CopyInStruct(at, &c); err != nil {
		return 0, err
	}
	d, err := userDispatch(c.Mode, addr.Addr(c.Selector), c.Offset, c.Len)
	if err != nil {
		return 0, err
	}
	return 0, r.SetUserDispatch(d)
}
