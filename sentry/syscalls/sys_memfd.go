package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
)

var memfdCalls = []line{
	{linux.SYS_MEMFD_CREATE, "memfd_create", sysMemfdCreate, kernel.Partial, "MFD_CLOEXEC MFD_ALLOW_SEALING MFD_NOEXEC_SEAL MFD_EXEC", "no MFD_HUGETLB"},
}

// memfdNameMax is the longest name of a memfd: NAME_MAX less "memfd:".
const memfdNameMax = linux.NAME_MAX - len("memfd:")

func sysMemfdCreate(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[1].Uint()
	const known = linux.MFD_CLOEXEC | linux.MFD_ALLOW_SEALING | linux.MFD_NOEXEC_SEAL | linux.MFD_EXEC
	if flags&linux.MFD_HUGETLB != 0 {
		if flags&^(known|linux.MFD_HUGETLB|linux.MFD_HUGE_MASK<<linux.MFD_HUGE_SHIFT) != 0 {
			return 0, errno.EINVAL
		}
		return 0, errno.ENOSYS // as without hugetlbfs
	}
	if flags&^known != 0 || flags&linux.MFD_EXEC != 0 && flags&linux.MFD_NOEXEC_SEAL != 0 {
		return 0, errno.EINVAL
	}
	name, err := t.CopyInString(a[0].Addr(), memfdNameMax)
	if err == errno.ENAMETOOLONG {
		err = errno.EINVAL
	}
	if err != nil {
		return 0, err
	}
	mode, sealable := uint32(0o777), flags&linux.MFD_ALLOW_SEALING != 0
	if flags&linux.MFD_NOEXEC_SEAL != 0 {
		mode, sealable = 0o666, true
	}
	f := t.Kernel().Memfds.New(t, name, mode, sealable)
	if flags&linux.MFD_NOEXEC_SEAL != 0 {
		if s, ok := f.Ops.(sealer); ok {
			s.AddSeals(linux.F_SEAL_EXEC)
		}
	}
	var fdFlags uint32
	if flags&linux.MFD_CLOEXEC != 0 {
		fdFlags = linux.O_CLOEXEC
	}
	fd, err := t.InstallNew(f, fdFlags)
	return uint64(fd), err
}
