package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var handleCalls = []line{
	{linux.SYS_NAME_TO_HANDLE_AT, "name_to_handle_at", sysNameToHandleAt, kernel.Full, "AT_EMPTY_PATH AT_HANDLE_FID AT_HANDLE_MNT_ID_UNIQUE AT_SYMLINK_FOLLOW", "handles that can be opened on tmpfs, EOPNOTSUPP elsewhere"},
	{linux.SYS_OPEN_BY_HANDLE_AT, "open_by_handle_at", sysOpenByHandleAt, kernel.Partial, openFlags, "on tmpfs; ESTALE for a file without a name, even if it is open"},
}

func sysNameToHandleAt(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags, at, mountID := a[4].Uint(), a[2].Addr(), a[3].Addr()
	if flags&^(linux.AT_SYMLINK_FOLLOW|linux.AT_EMPTY_PATH|linux.AT_HANDLE_FID|linux.AT_HANDLE_MNT_ID_UNIQUE) != 0 {
		return 0, errno.EINVAL
	}
	var lf vfs.LookupFlags
	if flags&linux.AT_SYMLINK_FOLLOW != 0 {
		lf |= vfs.LookupFollow
	}
	if flags&linux.AT_EMPTY_PATH != 0 {
		lf |= vfs.LookupEmpty
	}
	return 0, atPath(t, a[0].Int(), a[1].Addr(), lf, func(p vfs.Path) error {
		h, err := p.Handle(flags&linux.AT_HANDLE_FID != 0)
		if err != nil {
			return err
		}
		var head linux.FileHandle
		if err := t.CopyInStruct(at, &head); err != nil {
			return err
		}
		room := head.Bytes
		if room > linux.MAX_HANDLE_SZ {
			return errno.EINVAL
		}
		if flags&linux.AT_HANDLE_MNT_ID_UNIQUE != 0 {
			err = t.CopyOutUint64(mountID, vfs.UniqueMountID(p.Mount.ID))
		} else {
			err = t.CopyOutUint32(mountID, uint32(p.Mount.ID))
		}
		if err != nil {
			return err
		}
		head = linux.FileHandle{Bytes: vfs.HandleSize, Type: h.Type}
		if room < vfs.HandleSize {
			head.Type = linux.FILEID_INVALID
			return firstErr(t.CopyOutStruct(at, &head), errno.EOVERFLOW)
		}
		if err := t.CopyOutStruct(at, &head); err != nil {
			return err
		}
		return t.CopyOut(at+addr.Addr(head.SizeBytes()), h.Append(nil))
	})
}

func sysOpenByHandleAt(t *kernel.Task, a *arch.Args) (uint64, error) {
	dirfd, at, flags := a[0].Int(), a[1].Addr(), a[2].Uint()&vfs.ValidOpenFlags
	var head linux.FileHandle
	if err := t.CopyInStruct(at, &head); err != nil {
		return 0, err
	}
	if head.Bytes == 0 || head.Bytes > linux.MAX_HANDLE_SZ {
		return 0, errno.EINVAL
	}
	anchor, err := anchorOf(t, dirfd)
	if err != nil {
		return 0, err
	}
	defer anchor.DecRef()
	if !t.Creds().Has(linux.CAP_DAC_READ_SEARCH) {
		return 0, errno.EPERM
	}
	b := make([]byte, head.Bytes)
	if err := t.CopyIn(at+addr.Addr(head.SizeBytes()), b); err != nil {
		return 0, err
	}
	h, err := vfs.ParseHandle(head.Type, b)
	if err != nil {
		return 0, err
	}
	return openAndInstall(t, flags, func() (*vfs.File, error) {
		return t.Kernel().VFS.OpenHandle(t, anchor.Mount, h, flags)
	})
}

// anchorOf returns what says in which mount a handle is looked for, with a reference.
func anchorOf(t *kernel.Task, dirfd int32) (vfs.Path, error) {
	if dirfd == linux.AT_FDCWD {
		return t.FSContext().Cwd(), nil
	}
	f, err := t.GetAnyFile(dirfd)
	if err != nil {
		return vfs.Path{}, err
	}
	defer f.DecRef()
	f.Path.IncRef()
	return f.Path, nil
}
