package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
)

var utsCalls = []line{
	{linux.SYS_UNAME, "uname", sysUname, kernel.Full, "", ""},
	{linux.SYS_SETHOSTNAME, "sethostname", sysSethostname, kernel.Full, "", ""},
	{linux.SYS_SETDOMAINNAME, "setdomainname", sysSetdomainname, kernel.Full, "", ""},
}

func sysUname(t *kernel.Task, a *arch.Args) (uint64, error) {
	host, domain := t.Namespaces().UTS.Names()
	var u linux.Utsname
	copy(u.Sysname[:], "Linux")
	copy(u.Nodename[:], host)
	copy(u.Release[:], kernel.Release)
	if t.Personality()&linux.UNAME26 != 0 {
		u.Release = [len(u.Release)]byte{}
		copy(u.Release[:], kernel.Release26)
	}
	copy(u.Version[:], kernel.Version)
	copy(u.Machine[:], "x86_64")
	copy(u.Domainname[:], domain)
	return 0, t.CopyOutStruct(a[0].Addr(), &u)
}

// copyInName reads what sethostname(2) and setdomainname(2) set.
func copyInName(t *kernel.Task, p addr.Addr, n int32) (string, error) {
	if !t.Creds().HasIn(linux.CAP_SYS_ADMIN, t.Namespaces().UTS.Owner) {
		return "", errno.EPERM
	}
	if n < 0 || n > linux.UTSLen {
		return "", errno.EINVAL
	}
	b := make([]byte, n)
	if err := t.CopyIn(p, b); err != nil {
		return "", err
	}
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	return string(b), nil
}

func sysSethostname(t *kernel.Task, a *arch.Args) (uint64, error) {
	s, err := copyInName(t, a[0].Addr(), a[1].Int())
	if err == nil {
		t.Namespaces().UTS.SetHostname(s)
	}
	return 0, err
}

func sysSetdomainname(t *kernel.Task, a *arch.Args) (uint64, error) {
	s, err := copyInName(t, a[0].Addr(), a[1].Int())
	if err == nil {
		t.Namespaces().UTS.SetDomainname(s)
	}
	return 0, err
}
