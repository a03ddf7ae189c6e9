package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/bpf"
	"ringfence/sentry/kernel"
	"ringfence/sentry/seccomp"
)

var seccompCalls = []line{
	{linux.SYS_SECCOMP, "seccomp", sysSeccomp, kernel.Full, "TSYNC LOG SPEC_ALLOW NEW_LISTENER TSYNC_ESRCH WAIT_KILLABLE_RECV",
		"there is no log; RDTSC works in strict mode"},
}

func sysSeccomp(t *kernel.Task, a *arch.Args) (uint64, error) {
	op, flags, at := a[0].Uint(), a[1].Uint(), a[2].Addr()
	if op == linux.SECCOMP_SET_MODE_FILTER {
		return setSeccompFilter(t, flags, at)
	}
	if flags != 0 {
		return 0, errno.EINVAL
	}
	switch op {
	case linux.SECCOMP_SET_MODE_STRICT:
		if at != 0 {
			return 0, errno.EINVAL
		}
		return 0, t.SetSeccompStrict()
	case linux.SECCOMP_GET_ACTION_AVAIL:
		action, err := t.CopyInUint32(at)
		if err == nil && !seccomp.Known(action) {
			err = errno.EOPNOTSUPP
		}
		return 0, err
	case linux.SECCOMP_GET_NOTIF_SIZES:
		return 0, t.CopyOutStruct(at, &linux.SeccompNotifSizes{
			Notif:     uint16((&linux.SeccompNotif{}).SizeBytes()),
			NotifResp: uint16((&linux.SeccompNotifResp{}).SizeBytes()),
			Data:      uint16((&linux.SeccompData{}).SizeBytes()),
		})
	}
	return 0, errno.EINVAL
}

const seccompFilterFlags = linux.SECCOMP_FILTER_FLAG_TSYNC | linux.SECCOMP_FILTER_FLAG_LOG | linux.SECCOMP_FILTER_FLAG_SPEC_ALLOW |
	linux.SECCOMP_FILTER_FLAG_NEW_LISTENER | linux.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | linux.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV

// copyInProgram reads the instructions that p leads to. Preconditions: their number was checked.
func copyInProgram(t *kernel.Task, p *linux.SockFprog) ([]byte, error) {
	b := make([]byte, int(p.Len)*(*linux.SockFilter)(nil).SizeBytes())
	return b, t.CopyIn(addr.Addr(p.Filter), b)
}

// setSeccompFilter installs the program of the struct sock_fprog at an address.
func setSeccompFilter(t *kernel.Task, flags uint32, at addr.Addr) (uint64, error) {
	has := func(bits uint32) bool { return flags&bits == bits }
	switch {
	case flags&^seccompFilterFlags != 0,
		// A descriptor and the number of a thread could not be told apart.
		has(linux.SECCOMP_FILTER_FLAG_TSYNC|linux.SECCOMP_FILTER_FLAG_NEW_LISTENER) && !has(linux.SECCOMP_FILTER_FLAG_TSYNC_ESRCH),
		has(linux.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) && !has(linux.SECCOMP_FILTER_FLAG_NEW_LISTENER):
		return 0, errno.EINVAL
	}
	var p linux.SockFprog
	if err := t.CopyInStruct(at, &p); err != nil {
		return 0, err
	}
	if p.Len == 0 || p.Len > linux.BPF_MAXINSNS {
		return 0, errno.EINVAL
	}
	if !t.NoNewPrivs() && !t.Creds().HasOwn(linux.CAP_SYS_ADMIN) {
		return 0, errno.EACCES
	}
	if p.Filter == 0 {
		return 0, errno.EINVAL
	}
	b, err := copyInProgram(t, &p)
	if err != nil {
		return 0, err
	}
	prog, err := seccomp.Check(bpf.Unmarshal(b))
	if err != nil {
		return 0, err
	}
	return t.AddSeccompFilter(prog, flags)
}
