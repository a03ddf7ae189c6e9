package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var handleCalls = []line{
	{linux.SYS_NAME_TO_HANDLE_AT, "name_to_handle_at", sysNameToHandleAt, kernel.Partial, "", "EOPNOTSUPP: no file system has handles"},
	{linux.SYS_OPEN_BY_HANDLE_AT, "open_by_handle_at", sysOpenByHandleAt, kernel.Partial, "", "ESTALE: no file system has handles"},
}

func sysNameToHandleAt(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[4].Uint()
	if flags&^(linux.AT_SYMLINK_FOLLOW|linux.AT_EMPTY_PATH) != 0 {
		return 0, errno.EINVAL
	}
	var lf vfs.LookupFlags
	if flags&linux.AT_SYMLINK_FOLLOW != 0 {
		lf |= vfs.LookupFollow
	}
	if flags&linux.AT_EMPTY_PATH != 0 {
		lf |= vfs.LookupEmpty
	}
	return 0, atPath(t, a[0].Int(), a[1].Addr(), lf, func(vfs.Path) error { return errno.EOPNOTSUPP })
}

func sysOpenByHandleAt(t *kernel.Task, a *arch.Args) (uint64, error) {
	if !t.Creds().Has(linux.CAP_DAC_READ_SEARCH) {
		return 0, errno.EPERM
	}
	return 0, errno.ESTALE
}
