package vfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// The flags of chattr(1) that inodes have (ioctl_iflags(2)), where the file system has SBFileFlags. They stand in
// Attr.Flags: the bits are those of statx(2), which knows all but FS_NOATIME_FL.
const fileFlags = linux.FS_IMMUTABLE_FL | linux.FS_APPEND_FL | linux.FS_NODUMP_FL | linux.FS_NOATIME_FL

// HasFileFlags reports whether f is of a file that can have flags.
func (f *File) HasFileFlags() bool {
	n := f.Inode()
	t := n.Type()
	return n.SB.Flags&SBFileFlags != 0 && f.Path.Mount.SB == n.SB && (t == linux.S_IFREG || t == linux.S_IFDIR)
}

// FileFlags is FS_IOC_GETFLAGS.
func (f *File) FileFlags() uint32 { return uint32(f.Inode().Attr().Flags & fileFlags) }

// SetFileFlags is FS_IOC_SETFLAGS.
func (f *File) SetFileFlags(c Caller, flags uint32) error {
	if f.Path.Mount.ReadOnly() {
		return errno.EROFS
	}
	n := f.Inode()
	n.rw.Lock()
	defer n.rw.Unlock()
	a := n.Attr()
	const guarded = linux.FS_IMMUTABLE_FL | linux.FS_APPEND_FL
	switch {
	case !ownerOrCapable(c, &a):
		return errno.EPERM
	case (uint32(a.Flags)^flags)&guarded != 0 && !c.Creds().Has(linux.CAP_LINUX_IMMUTABLE):
		return errno.EPERM
	case flags&^fileFlags != 0:
		return errno.EOPNOTSUPP
	}
	now := c.Now()
	n.Update(func(a *Attr) {
		a.Flags = a.Flags&^fileFlags | uint64(flags)
		a.Ctime = now
	})
	return nil
}

// mayChangeName returns EPERM if dir, or a file with flags in it, keeps its names.
func mayChangeName(dir *Attr, flags uint64) error {
	const kept = linux.STATX_ATTR_IMMUTABLE | linux.STATX_ATTR_APPEND
	if dir.Flags&linux.STATX_ATTR_APPEND != 0 || flags&kept != 0 {
		return errno.EPERM
	}
	return nil
}
