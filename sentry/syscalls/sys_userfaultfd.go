package syscalls

import (
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/userfaultfd"
)

var userfaultfdCalls = []line{
	{linux.SYS_USERFAULTFD, "userfaultfd", sysUserfaultfd, kernel.Full, "O_CLOEXEC O_NONBLOCK UFFD_USER_MODE_ONLY", "no huge pages; memory that held nothing but zeros when it was registered counts as missing"},
}

func sysUserfaultfd(t *kernel.Task, a *arch.Args) (uint64, error) {
	return userfaultfd.New(t, a[0].Uint())
}
