package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var mountCalls = []line{
	{linux.SYS_MOUNT, "mount", sysMount, kernel.Partial, "MS_BIND MS_MOVE MS_REC MS_REMOUNT, propagation, per-mount flags", "no MS_SYNCHRONOUS, MS_DIRSYNC, MS_LAZYTIME effects"},
	{linux.SYS_UMOUNT2, "umount2", sysUmount2, kernel.Full, "MNT_DETACH MNT_EXPIRE MNT_FORCE UMOUNT_NOFOLLOW", ""},
	{linux.SYS_PIVOT_ROOT, "pivot_root", sysPivotRoot, kernel.Full, "", ""},
}

// mountString reads an argument of mount(2) that may be null.
func mountString(t *kernel.Task, at addr.Addr) (string, error) {
	if at == 0 {
		return "", nil
	}
	return t.CopyInPath(at)
}

func sysMount(t *kernel.Task, a *arch.Args) (uint64, error) {
	fstype, err := mountString(t, a[2].Addr())
	if err != nil {
		return 0, err
	}
	source, err := mountString(t, a[0].Addr())
	if err != nil {
		return 0, err
	}
	flags := a[3].Uint64()
	data := ""
	if at := a[4].Addr(); at != 0 {
		// A page of anything; what counts is the string at its start.
		if data, err = t.CopyInString(at, addr.PageSize-1); err == errno.ENAMETOOLONG {
			err = errno.EINVAL
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, atPath(t, linux.AT_FDCWD, a[1].Addr(), vfs.LookupFollow, func(p vfs.Path) error {
		return t.Kernel().VFS.Mount(t, t.MountNamespace(), source, p, fstype, flags, data)
	})
}

func sysUmount2(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[1].Uint()
	if flags&^(linux.MNT_FORCE|linux.MNT_DETACH|linux.MNT_EXPIRE|linux.UMOUNT_NOFOLLOW) != 0 {
		return 0, errno.EINVAL
	}
	lf := vfs.LookupFollow
	if flags&linux.UMOUNT_NOFOLLOW != 0 {
		lf = 0
	}
	return 0, atPath(t, linux.AT_FDCWD, a[0].Addr(), lf, func(p vfs.Path) error {
		return t.Kernel().VFS.Umount(t, t.MountNamespace(), p, flags)
	})
}

func sysPivotRoot(t *kernel.Task, a *arch.Args) (uint64, error) {
	if !t.Creds().HasIn(linux.CAP_SYS_ADMIN, t.MountNamespace().Owner) {
		return 0, errno.EPERM
	}
	const lf = vfs.LookupFollow | vfs.LookupDirectory
	return 0, atPath(t, linux.AT_FDCWD, a[0].Addr(), lf, func(newRoot vfs.Path) error {
		return atPath(t, linux.AT_FDCWD, a[1].Addr(), lf, func(putOld vfs.Path) error {
			old, now, err := t.Kernel().VFS.PivotRoot(t, t.MountNamespace(), newRoot, putOld)
			if err != nil {
				return err
			}
			t.Kernel().MoveRoots(old, now)
			old.DecRef()
			now.DecRef()
			return nil
		})
	})
}
