package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var quotaCalls = []line{
	{linux.SYS_QUOTACTL, "quotactl", sysQuotactl, kernel.Full, "", "no file system has quotas, and none is on a block device"},
	{linux.SYS_QUOTACTL_FD, "quotactl_fd", sysQuotactlFD, kernel.Full, "", "no file system has quotas"},
	{linux.SYS_ACCT, "acct", sysAcct, kernel.Full, "", "version 3 records; free space is not watched"},
}

func sysQuotactl(t *kernel.Task, a *arch.Args) (uint64, error) {
	cmd, special := a[0].Uint(), a[1].Addr()
	if cmd&linux.SUBCMDMASK >= linux.MAXQUOTAS {
		return 0, errno.EINVAL
	}
	if special == 0 {
		if cmd>>linux.SUBCMDSHIFT == linux.Q_SYNC {
			return 0, nil
		}
		return 0, errno.ENODEV
	}
	return 0, atPath(t, linux.AT_FDCWD, special, vfs.LookupFollow, func(p vfs.Path) error {
		switch {
		case p.Inode().Type() != linux.S_IFBLK:
			return errno.ENOTBLK
		case p.Mount.Flags()&linux.MS_NODEV != 0:
			return errno.EACCES
		}
		return errno.ENODEV
	})
}

func sysQuotactlFD(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := t.GetAnyFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if a[1].Uint()&linux.SUBCMDMASK >= linux.MAXQUOTAS {
		return 0, errno.EINVAL
	}
	return 0, errno.ENOSYS
}

func sysAcct(t *kernel.Task, a *arch.Args) (uint64, error) {
	if !t.Creds().Has(linux.CAP_SYS_PACCT) {
		return 0, errno.EPERM
	}
	if a[0] == 0 {
		t.StopAccounting()
		return 0, nil
	}
	path, err := t.CopyInPath(a[0].Addr())
	if err != nil {
		return 0, err
	}
	return 0, t.StartAccounting(path)
}
