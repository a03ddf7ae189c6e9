package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
)

var rlimitCalls = []line{
	{linux.SYS_GETRLIMIT, "getrlimit", sysGetrlimit, kernel.Full, "", ""},
	{linux.SYS_SETRLIMIT, "setrlimit", sysSetrlimit, kernel.Full, "", ""},
	{linux.SYS_PRLIMIT64, "prlimit64", sysPrlimit64, kernel.Full, "", ""},
}

func sysGetrlimit(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1] == 0 && a[0].Uint() < linux.RLIM_NLIMITS {
		return 0, errno.EFAULT
	}
	return prlimit(t, t, a[0].Uint(), 0, a[1].Addr())
}

func sysSetrlimit(t *kernel.Task, a *arch.Args) (uint64, error) {
	if _, err := t.CopyInUint64(a[1].Addr()); err != nil {
		return 0, err
	}
	return prlimit(t, t, a[0].Uint(), a[1].Addr(), 0)
}

func sysPrlimit64(t *kernel.Task, a *arch.Args) (uint64, error) {
	x, err := findTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	if x.ThreadGroup() != t.ThreadGroup() {
		c, o := t.Creds(), x.Creds()
		same := c.RUID == o.EUID && c.RUID == o.SUID && c.RUID == o.RUID &&
			c.RGID == o.EGID && c.RGID == o.SGID && c.RGID == o.RGID
		if !same && !c.HasIn(linux.CAP_SYS_RESOURCE, o.UserNS) {
			return 0, errno.EPERM
		}
	}
	return prlimit(t, x, a[1].Uint(), a[2].Addr(), a[3].Addr())
}

func prlimit(t, x *kernel.Task, resource uint32, set, get addr.Addr) (uint64, error) {
	var l *linux.Rlimit
	if set != 0 {
		l = new(linux.Rlimit)
		if err := t.CopyInStruct(set, l); err != nil {
			return 0, err
		}
	}
	old, err := x.Limits().Change(resource, l, t.Creds().Has(linux.CAP_SYS_RESOURCE))
	if err != nil {
		return 0, err
	}
	if l != nil {
		x.ThreadGroup().LimitChanged(int(resource))
	}
	if get != 0 {
		return 0, t.CopyOutStruct(get, &old)
	}
	return 0, nil
}
