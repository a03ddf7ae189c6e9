package syscalls

import (
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
)

var processCalls = []line{
	{linux.SYS_GETPID, "getpid", sysGetpid, kernel.Full, "", ""},
	{linux.SYS_GETTID, "gettid", sysGettid, kernel.Full, "", ""},
}

func sysGetpid(t *kernel.Task, _ *arch.Args) (uint64, error) { return uint64(t.TGID()), nil }

func sysGettid(t *kernel.Task, _ *arch.Args) (uint64, error) { return uint64(t.TID()), nil }
