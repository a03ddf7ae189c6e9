package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/mm"
)

var prctlCalls = []line{
	{linux.SYS_PRCTL, "prctl", sysPrctl, kernel.Partial, "PDEATHSIG DUMPABLE KEEPCAPS NAME CAPBSET SECUREBITS TIMERSLACK " +
		"SECCOMP SYSCALL_USER_DISPATCH CHILD_SUBREAPER NO_NEW_PRIVS TID_ADDRESS THP_DISABLE CAP_AMBIENT SPECULATION SET_VMA SET_MM MDWE MEMORY_MERGE AUXV MCE_KILL TSC",
		""},
}

// boolArg is an argument that must be 0 or 1 while the rest are 0.
func boolArg(a *arch.Args) (bool, error) {
	if a[1] > 1 || a[2] != 0 || a[3] != 0 || a[4] != 0 {
		return false, errno.EINVAL
	}
	return a[1] == 1, nil
}

// noArgs is EINVAL unless all arguments from the n-th on are 0.
func noArgs(a *arch.Args, n int) error {
	for _, v := range a[n:5] {
		if v != 0 {
			return errno.EINVAL
		}
	}
	return nil
}

func asInt(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

func sysPrctl(t *kernel.Task, a *arch.Args) (uint64, error) {
	arg := a[1]
	switch int64(a[0].Int()) {
	case linux.PR_SET_PDEATHSIG:
		if arg != 0 && (arg > arch.Arg(linux.SIGRTMAX)) {
			return 0, errno.EINVAL
		}
		t.SetParentDeath(linux.Signal(arg.Int()))
		return 0, nil
	case linux.PR_GET_PDEATHSIG:
		return 0, t.CopyOutUint32(arg.Addr(), uint32(t.ParentDeath()))
	case linux.PR_GET_DUMPABLE:
		return uint64(t.MM().Meta().Dumpable), nil
	case linux.PR_SET_DUMPABLE:
		if arg > linux.SUID_DUMP_USER {
			return 0, errno.EINVAL
		}
		t.SetDumpable(arg.Int())
		return 0, nil
	case linux.PR_SET_NAME:
		var b [linux.TaskCommLen]byte
		// Up to the NUL: what lies behind need not be readable.
		s, err := t.CopyInString(arg.Addr(), linux.TaskCommLen-1)
		if err == errno.ENAMETOOLONG {
			if err = t.CopyIn(arg.Addr(), b[:linux.TaskCommLen-1]); err == nil {
				s = string(b[:linux.TaskCommLen-1])
			}
		}
		if err != nil {
			return 0, err
		}
		t.SetComm(s)
		return 0, nil
	case linux.PR_GET_NAME:
		var b [linux.TaskCommLen]byte
		copy(b[:linux.TaskCommLen-1], t.Comm())
		return 0, t.CopyOut(arg.Addr(), b[:])
	case linux.PR_GET_TIMING:
		return linux.PR_TIMING_STATISTICAL, nil
	case linux.PR_SET_TIMING:
		if arg != linux.PR_TIMING_STATISTICAL {
			return 0, errno.EINVAL
		}
		return 0, nil
	case linux.PR_SET_TIMERSLACK:
		t.SetTimerSlack(arg.Int64())
		return 0, nil
	case linux.PR_GET_TIMERSLACK:
		return uint64(t.TimerSlack()), nil
	case linux.PR_SET_CHILD_SUBREAPER:
		t.SetSubreaper(arg != 0)
		return 0, nil
	case linux.PR_GET_CHILD_SUBREAPER:
		return 0, t.CopyOutUint32(arg.Addr(), uint32(asInt(t.Subreaper())))
	case linux.PR_SET_NO_NEW_PRIVS:
		if on, err := boolArg(a); err != nil || !on {
			return 0, errno.EINVAL
		}
		c := t.Creds().Clone()
		c.NoNewPrivs = true
		t.SetCreds(c)
		return 0, nil
	case linux.PR_GET_NO_NEW_PRIVS:
		return asInt(t.NoNewPrivs()), noArgs(a, 1)
	case linux.PR_GET_TID_ADDRESS:
		return 0, t.CopyOutUint64(arg.Addr(), uint64(t.ClearTID()))
	case linux.PR_SET_THP_DISABLE:
		if err := noArgs(a, 2); err != nil {
			return 0, err
		}
		t.MM().UpdateMeta(func(m *mm.Meta) { m.ThpDisable = arg != 0 })
		return 0, nil
	case linux.PR_GET_THP_DISABLE:
		return asInt(t.MM().Meta().ThpDisable), noArgs(a, 1)
	case linux.PR_SET_MEMORY_MERGE:
		if err := noArgs(a, 2); err != nil {
			return 0, err
		}
		t.MM().UpdateMeta(func(m *mm.Meta) { m.MemoryMerge = arg != 0 })
		return 0, nil
	case linux.PR_GET_MEMORY_MERGE:
		return asInt(t.MM().Meta().MemoryMerge), noArgs(a, 1)
	case linux.PR_SET_MDWE:
		if err := noArgs(a, 2); err != nil || arg&^(linux.PR_MDWE_REFUSE_EXEC_GAIN|linux.PR_MDWE_NO_INHERIT) != 0 ||
			arg&linux.PR_MDWE_NO_INHERIT != 0 && arg&linux.PR_MDWE_REFUSE_EXEC_GAIN == 0 {
			return 0, errno.EINVAL
		}
		if old := t.MM().Meta().MDWE; old != 0 && old != arg.Uint() {
			return 0, errno.EPERM
		}
		t.MM().UpdateMeta(func(m *mm.Meta) { m.MDWE = arg.Uint() })
		return 0, nil
	case linux.PR_GET_MDWE:
		return uint64(t.MM().Meta().MDWE), noArgs(a, 1)
	case linux.PR_GET_AUXV:
		if err := noArgs(a, 3); err != nil {
			return 0, err
		}
		v := t.MM().Meta().Auxv
		n := min(uint64(len(v)), a[2].Uint64())
		return uint64(len(v)), t.CopyOut(arg.Addr(), v[:n])
	case linux.PR_SET_VMA:
		return prctlVMA(t, a)
	case linux.PR_SET_MM:
		return prctlMM(t, a)
	case linux.PR_GET_KEEPCAPS, linux.PR_SET_KEEPCAPS, linux.PR_CAPBSET_READ, linux.PR_CAPBSET_DROP,
		linux.PR_GET_SECUREBITS, linux.PR_SET_SECUREBITS, linux.PR_CAP_AMBIENT:
		return prctlCaps(t, a)
	case linux.PR_GET_SPECULATION_CTRL:
		if err := noArgs(a, 2); err != nil {
			return 0, err
		}
		if arg > linux.PR_SPEC_L1D_FLUSH {
			return 0, errno.ENODEV
		}
		return linux.PR_SPEC_NOT_AFFECTED, nil
	case linux.PR_SET_SPECULATION_CTRL:
		if err := noArgs(a, 3); err != nil {
			return 0, err
		}
		if arg > linux.PR_SPEC_L1D_FLUSH {
			return 0, errno.ENODEV
		}
		return 0, errno.ENXIO
	case linux.PR_MCE_KILL:
		if a[3] != 0 || a[4] != 0 || arg > linux.PR_MCE_KILL_SET || arg == linux.PR_MCE_KILL_CLEAR && a[2] != 0 ||
			a[2] > linux.PR_MCE_KILL_DEFAULT {
			return 0, errno.EINVAL
		}
		return 0, nil
	case linux.PR_MCE_KILL_GET:
		return linux.PR_MCE_KILL_DEFAULT, noArgs(a, 1)
	case linux.PR_GET_TSC:
		return 0, t.CopyOutUint32(arg.Addr(), linux.PR_TSC_ENABLE)
	case linux.PR_SET_TSC:
		if arg != linux.PR_TSC_ENABLE {
			return 0, errno.EINVAL
		}
		return 0, nil
	case linux.PR_GET_SECCOMP:
		return uint64(t.SeccompMode()), nil
	case linux.PR_SET_SECCOMP:
		switch arg {
		case linux.SECCOMP_MODE_STRICT:
			return 0, t.SetSeccompStrict()
		case linux.SECCOMP_MODE_FILTER:
			return setSeccompFilter(t, 0, a[2].Addr())
		}
		return 0, errno.EINVAL
	case linux.PR_SET_SYSCALL_USER_DISPATCH:
		d, err := userDispatch(arg.Uint64(), a[4].Addr(), a[2].Uint64(), a[3].Uint64())
		if err == nil {
			t.SetUserDispatch(d)
		}
		return 0, err
	case linux.PR_GET_IO_FLUSHER, linux.PR_SET_IO_FLUSHER:
		if !t.Creds().Has(linux.CAP_SYS_RESOURCE) {
			return 0, errno.EPERM
		}
		return 0, errno.EINVAL
	case linux.PR_TASK_PERF_EVENTS_DISABLE, linux.PR_TASK_PERF_EVENTS_ENABLE:
		return 0, nil
	}
	return 0, errno.EINVAL
}

// prctlCaps serves what concerns capabilities (capabilities(7)).
func prctlCaps(t *kernel.Task, a *arch.Args) (uint64, error) {
	old, arg := t.Creds(), a[1]
	c := old.Clone()
	switch a[0].Int() {
	case linux.PR_GET_KEEPCAPS:
		return asInt(old.Securebits&linux.SECBIT_KEEP_CAPS != 0), nil
	case linux.PR_SET_KEEPCAPS:
		if arg > 1 {
			return 0, errno.EINVAL
		}
		if old.Securebits&linux.SECBIT_KEEP_CAPS_LOCKED != 0 {
			return 0, errno.EPERM
		}
		c.Securebits &^= linux.SECBIT_KEEP_CAPS
		if arg == 1 {
			c.Securebits |= linux.SECBIT_KEEP_CAPS
		}
	case linux.PR_CAPBSET_READ:
		if arg > creds.LastCap {
			return 0, errno.EINVAL
		}
		return asInt(old.Bounding.Has(int(arg))), nil
	case linux.PR_CAPBSET_DROP:
		if !old.HasOwn(linux.CAP_SETPCAP) {
			return 0, errno.EPERM
		}
		if arg > creds.LastCap {
			return 0, errno.EINVAL
		}
		c.Bounding &^= 1 << arg
	case linux.PR_GET_SECUREBITS:
		return uint64(old.Securebits), nil
	case linux.PR_SET_SECUREBITS:
		bits := arg.Uint()
		locks := old.Securebits & linux.SECURE_ALL_LOCKS
		switch {
		case locks>>1&(old.Securebits^bits) != 0, // a locked bit would change
			locks&^bits != 0, // a lock would open
			arg.Uint64()&^(linux.SECURE_ALL_LOCKS|linux.SECURE_ALL_BITS) != 0,
			!old.HasOwn(linux.CAP_SETPCAP):
			return 0, errno.EPERM
		}
		c.Securebits = bits
	case linux.PR_CAP_AMBIENT:
		if arg == linux.PR_CAP_AMBIENT_CLEAR_ALL {
			if err := noArgs(a, 2); err != nil {
				return 0, err
			}
			c.Ambient = 0
			break
		}
		if a[2] > creds.LastCap || a[3] != 0 || a[4] != 0 {
			return 0, errno.EINVAL
		}
		n := int(a[2])
		switch arg {
		case linux.PR_CAP_AMBIENT_IS_SET:
			return asInt(old.Ambient.Has(n)), nil
		case linux.PR_CAP_AMBIENT_RAISE:
			if !old.Permitted.Has(n) || !old.Inheritable.Has(n) || old.Securebits&linux.SECBIT_NO_CAP_AMBIENT_RAISE != 0 {
				return 0, errno.EPERM
			}
			c.Ambient |= 1 << n
		case linux.PR_CAP_AMBIENT_LOWER:
			c.Ambient &^= 1 << n
		default:
			return 0, errno.EINVAL
		}
	}
	t.SetCreds(c)
	return 0, nil
}

// prctlVMA names anonymous memory.
func prctlVMA(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1] != linux.PR_SET_VMA_ANON_NAME {
		return 0, errno.EINVAL
	}
	name := ""
	if p := a[4].Addr(); p != 0 {
		s, err := t.CopyInString(p, 79)
		if err == errno.ENAMETOOLONG {
			return 0, errno.EINVAL
		}
		if err != nil {
			return 0, err
		}
		for _, c := range []byte(s) {
			if c < 0x20 || c > 0x7e || c == '\\' || c == '`' || c == '$' || c == '[' || c == ']' {
				return 0, errno.EINVAL
			}
		}
		name = s
	}
	return 0, t.MM().SetVMAName(a[2].Addr(), a[3].Size(), name)
}

// prctlMM changes what /proc shows about the program. Linux wants CAP_SYS_RESOURCE for all of it.
func prctlMM(t *kernel.Task, a *arch.Args) (uint64, error) {
	what, v := a[1].Int(), a[2].Addr()
	if what == linux.PR_SET_MM_MAP_SIZE {
		return 0, t.CopyOutUint32(v, uint32((&linux.PrctlMmMap{}).SizeBytes()))
	}
	if !t.Creds().Has(linux.CAP_SYS_RESOURCE) {
		return 0, errno.EPERM
	}
	if what != linux.PR_SET_MM_AUXV && (v >= taskSize || v < addr.PageSize) {
		return 0, errno.EINVAL
	}
	var field func(m *mm.Meta) *addr.Addr
	switch what {
	case linux.PR_SET_MM_START_CODE:
		field = func(m *mm.Meta) *addr.Addr { return &m.StartCode }
	case linux.PR_SET_MM_END_CODE:
		field = func(m *mm.Meta) *addr.Addr { return &m.EndCode }
	case linux.PR_SET_MM_START_DATA:
		field = func(m *mm.Meta) *addr.Addr { return &m.StartData }
	case linux.PR_SET_MM_END_DATA:
		field = func(m *mm.Meta) *addr.Addr { return &m.EndData }
	case linux.PR_SET_MM_START_STACK:
		field = func(m *mm.Meta) *addr.Addr { return &m.StartStack }
	case linux.PR_SET_MM_ARG_START:
		field = func(m *mm.Meta) *addr.Addr { return &m.ArgStart }
	case linux.PR_SET_MM_ARG_END:
		field = func(m *mm.Meta) *addr.Addr { return &m.ArgEnd }
	case linux.PR_SET_MM_ENV_START:
		field = func(m *mm.Meta) *addr.Addr { return &m.EnvStart }
	case linux.PR_SET_MM_ENV_END:
		field = func(m *mm.Meta) *addr.Addr { return &m.EnvEnd }
	default:
		return 0, errno.EINVAL // brk, auxv and exe stay as they are
	}
	t.MM().UpdateMeta(func(m *mm.Meta) { *field(m) = v })
	return 0, nil
}

// userDispatch is what mode, one of linux.PR_SYS_DISPATCH_*, and the others ask for.
func userDispatch(mode uint64, selector addr.Addr, offset, length uint64) (d kernel.UserDispatch, err error) {
	end := offset + length
	switch mode {
	case linux.PR_SYS_DISPATCH_OFF:
		if offset != 0 || length != 0 || selector != 0 {
			return d, errno.EINVAL
		}
		return d, nil
	case linux.PR_SYS_DISPATCH_ON:
		if offset != 0 && end <= offset {
			return d, errno.EINVAL
		}
	case linux.PR_SYS_DISPATCH_INCLUSIVE_ON:
		if end <= offset {
			return d, errno.EINVAL
		}
		offset, length = end, -length // all the rest passes
	default:
		return d, errno.EINVAL
	}
	if selector >= taskSize {
		return d, errno.EFAULT
	}
	return kernel.UserDispatch{On: true, Selector: selector, Offset: offset, Length: length}, nil
}
