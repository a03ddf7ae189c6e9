package syscalls

import (
	"math"
	"math/bits"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

// The mount calls that work with descriptors.
var mountFDCalls = []line{
	{linux.SYS_FSOPEN, "fsopen", sysFsopen, kernel.Full, "FSOPEN_CLOEXEC", ""},
	{linux.SYS_FSCONFIG, "fsconfig", sysFsconfig, kernel.Partial, "SET_FLAG SET_STRING CMD_CREATE CMD_CREATE_EXCL CMD_RECONFIGURE", "no file system here takes binary values, paths or descriptors; no effects of sync, dirsync, lazytime"},
	{linux.SYS_FSMOUNT, "fsmount", sysFsmount, kernel.Full, "FSMOUNT_CLOEXEC MOUNT_ATTR_*", ""},
	{linux.SYS_FSPICK, "fspick", sysFspick, kernel.Full, "FSPICK_*", ""},
	{linux.SYS_OPEN_TREE, "open_tree", sysOpenTree, kernel.Full, "OPEN_TREE_CLONE OPEN_TREE_CLOEXEC AT_EMPTY_PATH AT_NO_AUTOMOUNT AT_RECURSIVE AT_SYMLINK_NOFOLLOW", ""},
	{linux.SYS_MOVE_MOUNT, "move_mount", sysMoveMount, kernel.Full, "MOVE_MOUNT_*", ""},
	{linux.SYS_MOUNT_SETATTR, "mount_setattr", sysMountSetattr, kernel.Partial, "MOUNT_ATTR_* AT_EMPTY_PATH AT_NO_AUTOMOUNT AT_RECURSIVE AT_SYMLINK_NOFOLLOW, propagation", "no MOUNT_ATTR_IDMAP"},
}

// copyInText reads a string of less than max bytes; EINVAL if it is longer.
func copyInText(t *kernel.Task, at addr.Addr, max int) (string, error) {
	s, err := t.CopyInString(at, max-1)
	if err == errno.ENAMETOOLONG {
		err = errno.EINVAL
	}
	return s, err
}

// mayMount is the permission that all these calls ask for.
func mayMount(t *kernel.Task) error {
	if !t.Creds().HasIn(linux.CAP_SYS_ADMIN, t.MountNamespace().Owner) {
		return errno.EPERM
	}
	return nil
}

// installContext gives a context a descriptor.
func installContext(t *kernel.Task, mc *vfs.MountContext, cloexec bool) (uint64, error) {
	var flags uint32
	if cloexec {
		flags = linux.O_CLOEXEC
	}
	return installAnon(t, "[fscontext]", mc, flags, 0)
}

func sysFsopen(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[1].Uint()
	if err := mayMount(t); err != nil {
		return 0, err
	}
	if flags&^linux.FSOPEN_CLOEXEC != 0 {
		return 0, errno.EINVAL
	}
	fstype, err := copyInText(t, a[0].Addr(), addr.PageSize)
	if err != nil {
		return 0, err
	}
	mc, err := t.Kernel().VFS.NewContext(fstype)
	if err != nil {
		return 0, err
	}
	return installContext(t, mc, flags&linux.FSOPEN_CLOEXEC != 0)
}

func sysFspick(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[2].Uint()
	if err := mayMount(t); err != nil {
		return 0, err
	}
	if flags&^(linux.FSPICK_CLOEXEC|linux.FSPICK_SYMLINK_NOFOLLOW|linux.FSPICK_NO_AUTOMOUNT|linux.FSPICK_EMPTY_PATH) != 0 {
		return 0, errno.EINVAL
	}
	lf := vfs.LookupFollow
	if flags&linux.FSPICK_SYMLINK_NOFOLLOW != 0 {
		lf = 0
	}
	if flags&linux.FSPICK_EMPTY_PATH != 0 {
		lf |= vfs.LookupEmpty
	}
	var mc *vfs.MountContext
	err := atPath(t, a[0].Int(), a[1].Addr(), lf, func(p vfs.Path) (err error) {
		mc, err = t.Kernel().VFS.PickContext(p)
		return err
	})
	if err != nil {
		return 0, err
	}
	return installContext(t, mc, flags&linux.FSPICK_CLOEXEC != 0)
}

// atContext calls fn with the context that fd stands for: EINVAL if it is another file.
func atContext(t *kernel.Task, fd int32, fn func(mc *vfs.MountContext) error) error {
	return atFile(t, fd, func(f *vfs.File) error {
		mc, ok := f.Ops.(*vfs.MountContext)
		if !ok {
			return errno.EINVAL
		}
		return fn(mc)
	})
}

// Keys and strings of fsconfig(2) have less bytes; binary values no more.
const (
	maxParam  = 256
	maxBinary = 1 << 20
)

func sysFsconfig(t *kernel.Task, a *arch.Args) (uint64, error) {
	fd, cmd, key, value, aux := a[0].Int(), a[1].Uint(), a[2].Addr(), a[3].Addr(), a[4].Int()
	if fd < 0 {
		return 0, errno.EINVAL
	}
	var fits bool
	switch cmd {
	case linux.FSCONFIG_SET_FLAG:
		fits = key != 0 && value == 0 && aux == 0
	case linux.FSCONFIG_SET_STRING:
		fits = key != 0 && value != 0 && aux == 0
	case linux.FSCONFIG_SET_BINARY:
		fits = key != 0 && value != 0 && aux > 0 && aux <= maxBinary
	case linux.FSCONFIG_SET_PATH, linux.FSCONFIG_SET_PATH_EMPTY:
		fits = key != 0 && value != 0 && (aux == linux.AT_FDCWD || aux >= 0)
	case linux.FSCONFIG_SET_FD:
		fits = key != 0 && value == 0 && aux >= 0
	case linux.FSCONFIG_CMD_CREATE, linux.FSCONFIG_CMD_CREATE_EXCL, linux.FSCONFIG_CMD_RECONFIGURE:
		fits = key == 0 && value == 0 && aux == 0
	default:
		return 0, errno.EOPNOTSUPP
	}
	if !fits {
		return 0, errno.EINVAL
	}
	return 0, atContext(t, fd, func(mc *vfs.MountContext) error {
		switch cmd {
		case linux.FSCONFIG_CMD_CREATE, linux.FSCONFIG_CMD_CREATE_EXCL:
			// Each makes a file system of its own.
			return mc.Create(t)
		case linux.FSCONFIG_CMD_RECONFIGURE:
			return mc.Reconfigure(t)
		}
		k, err := copyInText(t, key, maxParam)
		if err != nil {
			return err
		}
		kind, text, err := copyInParam(t, cmd, value, aux)
		if err != nil {
			return err
		}
		return mc.Set(k, kind, text)
	})
}

// copyInParam reads the value of a parameter. Of those that no file system takes it only looks whether they could be
// had.
func copyInParam(t *kernel.Task, cmd uint32, value addr.Addr, aux int32) (vfs.ParamKind, string, error) {
	switch cmd {
	case linux.FSCONFIG_SET_STRING:
		s, err := copyInText(t, value, maxParam)
		return vfs.ParamString, s, err
	case linux.FSCONFIG_SET_BINARY:
		return vfs.ParamObject, "", t.CopyIn(value, make([]byte, aux))
	case linux.FSCONFIG_SET_PATH, linux.FSCONFIG_SET_PATH_EMPTY:
		path, err := t.CopyInPath(value)
		if err == nil && path == "" && cmd == linux.FSCONFIG_SET_PATH {
			err = errno.ENOENT
		}
		return vfs.ParamObject, "", err
	case linux.FSCONFIG_SET_FD:
		f, err := t.GetAnyFile(aux)
		if err == nil {
			f.DecRef()
		}
		return vfs.ParamObject, "", err
	}
	return vfs.ParamFlag, "", nil
}

// mountAttrs are the MOUNT_ATTR_* flags but those of atime, and the MS_* flags that they stand for.
var mountAttrs = [...]struct{ attr, ms uint32 }{
	{linux.MOUNT_ATTR_RDONLY, linux.MS_RDONLY},
	{linux.MOUNT_ATTR_NOSUID, linux.MS_NOSUID},
	{linux.MOUNT_ATTR_NODEV, linux.MS_NODEV},
	{linux.MOUNT_ATTR_NOEXEC, linux.MS_NOEXEC},
	{linux.MOUNT_ATTR_NODIRATIME, linux.MS_NODIRATIME},
	{linux.MOUNT_ATTR_NOSYMFOLLOW, linux.MS_NOSYMFOLLOW},
}

const validMountAttrs = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC |
	linux.MOUNT_ATTR_NODIRATIME | linux.MOUNT_ATTR_NOSYMFOLLOW | linux.MOUNT_ATTR__ATIME

// attrsToFlags turns MOUNT_ATTR_* into MS_*, without those of atime.
func attrsToFlags(attrs uint64) (flags uint32) {
	for _, p := range mountAttrs {
		if attrs&uint64(p.attr) != 0 {
			flags |= p.ms
		}
	}
	return flags
}

// atimeFlags turns the atime setting in attrs, a number, into MS_*; MS_STRICTATIME is neither flag.
func atimeFlags(attrs uint64) (uint32, error) {
	switch attrs & linux.MOUNT_ATTR__ATIME {
	case linux.MOUNT_ATTR_RELATIME:
		return linux.MS_RELATIME, nil
	case linux.MOUNT_ATTR_NOATIME:
		return linux.MS_NOATIME, nil
	case linux.MOUNT_ATTR_STRICTATIME:
		return 0, nil
	}
	return 0, errno.EINVAL
}

func sysFsmount(t *kernel.Task, a *arch.Args) (uint64, error) {
	fd, flags, attrs := a[0].Int(), a[1].Uint(), uint64(a[2].Uint())
	if err := mayMount(t); err != nil {
		return 0, err
	}
	if flags&^linux.FSMOUNT_CLOEXEC != 0 || attrs&^validMountAttrs != 0 {
		return 0, errno.EINVAL
	}
	atime, err := atimeFlags(attrs)
	if err != nil {
		return 0, err
	}
	var f *vfs.File
	err = atContext(t, fd, func(mc *vfs.MountContext) (err error) {
		f, err = mc.Mount(t, attrsToFlags(attrs)|atime)
		return err
	})
	if err != nil {
		return 0, err
	}
	var open uint32
	if flags&linux.FSMOUNT_CLOEXEC != 0 {
		open = linux.O_CLOEXEC
	}
	n, err := t.InstallNew(f, open)
	return uint64(n), err
}

func sysOpenTree(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[2].Uint()
	clone, rec := flags&linux.OPEN_TREE_CLONE != 0, flags&linux.AT_RECURSIVE != 0
	const own = linux.OPEN_TREE_CLONE | linux.OPEN_TREE_CLOEXEC | linux.AT_RECURSIVE
	lf, err := atFlags(flags&^own, linux.AT_EMPTY_PATH|linux.AT_NO_AUTOMOUNT|linux.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return 0, err
	}
	if rec && !clone {
		return 0, errno.EINVAL
	}
	if clone {
		if err := mayMount(t); err != nil {
			return 0, err
		}
	}
	var f *vfs.File
	err = atPath(t, a[0].Int(), a[1].Addr(), lf, func(p vfs.Path) (err error) {
		if clone {
			f, err = t.Kernel().VFS.OpenTree(t, t.MountNamespace(), p, rec)
			return err
		}
		p.IncRef()
		f = vfs.NewPathFile(p, 0, t.Creds())
		return nil
	})
	if err != nil {
		return 0, err
	}
	fd, err := t.InstallNew(f, flags&linux.OPEN_TREE_CLOEXEC)
	return uint64(fd), err
}

func sysMoveMount(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[4].Uint()
	if err := mayMount(t); err != nil {
		return 0, err
	}
	const either = linux.MOVE_MOUNT_BENEATH | linux.MOVE_MOUNT_SET_GROUP
	if flags&^(linux.MOVE_MOUNT__MASK|linux.MOVE_MOUNT_BENEATH) != 0 || flags&either == either {
		return 0, errno.EINVAL
	}
	lookup := func(follow, empty uint32) (lf vfs.LookupFlags) {
		if flags&follow != 0 {
			lf |= vfs.LookupFollow
		}
		if flags&empty != 0 {
			lf |= vfs.LookupEmpty
		}
		return lf
	}
	fromFlags := lookup(linux.MOVE_MOUNT_F_SYMLINKS, linux.MOVE_MOUNT_F_EMPTY_PATH)
	toFlags := lookup(linux.MOVE_MOUNT_T_SYMLINKS, linux.MOVE_MOUNT_T_EMPTY_PATH)
	return 0, atPath(t, a[0].Int(), a[1].Addr(), fromFlags, func(from vfs.Path) error {
		return atPath(t, a[2].Int(), a[3].Addr(), toFlags, func(to vfs.Path) error {
			v := t.Kernel().VFS
			if flags&linux.MOVE_MOUNT_SET_GROUP != 0 {
				return v.SetGroup(from, to)
			}
			return v.MoveMount(t, t.MountNamespace(), from, to, flags&linux.MOVE_MOUNT_BENEATH != 0)
		})
	})
}

func sysMountSetattr(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags, size := a[2].Uint(), a[4].Size()
	lf, err := atFlags(flags&^linux.AT_RECURSIVE, linux.AT_EMPTY_PATH|linux.AT_NO_AUTOMOUNT|linux.AT_SYMLINK_NOFOLLOW)
	switch {
	case err != nil:
		return 0, err
	case size > addr.PageSize:
		return 0, errno.E2BIG
	case size < linux.MOUNT_ATTR_SIZE_VER0:
		return 0, errno.EINVAL
	}
	if err := mayMount(t); err != nil {
		return 0, err
	}
	var attr linux.MountAttr
	if err := copyInExtensible(t, a[3].Addr(), size, linux.MOUNT_ATTR_SIZE_VER0, &attr); err != nil {
		return 0, err
	}
	if attr.Set == 0 && attr.Clr == 0 && attr.Propagation == 0 {
		return 0, nil
	}
	change, err := mountChange(t, &attr)
	if err != nil {
		return 0, err
	}
	change.Recursive = flags&linux.AT_RECURSIVE != 0
	return 0, atPath(t, a[0].Int(), a[1].Addr(), lf, func(p vfs.Path) error {
		return t.Kernel().VFS.SetMountAttr(t.MountNamespace(), p, change)
	})
}

// mountChange checks what mount_setattr(2) is to do.
func mountChange(t *kernel.Task, a *linux.MountAttr) (c vfs.MountAttr, err error) {
	const kinds = linux.MS_SHARED | linux.MS_PRIVATE | linux.MS_SLAVE | linux.MS_UNBINDABLE
	if a.Propagation&^kinds != 0 || bits.OnesCount64(a.Propagation) > 1 {
		return c, errno.EINVAL
	}
	if (a.Set|a.Clr)&^(validMountAttrs|linux.MOUNT_ATTR_IDMAP) != 0 {
		return c, errno.EINVAL
	}
	c = vfs.MountAttr{Set: attrsToFlags(a.Set), Clear: attrsToFlags(a.Clr), Propagation: a.Propagation}
	// The settings of atime are numbers, not flags: all bits are cleared, or none changes.
	switch a.Clr & linux.MOUNT_ATTR__ATIME {
	case linux.MOUNT_ATTR__ATIME:
		atime, err := atimeFlags(a.Set)
		if err != nil {
			return c, err
		}
		c.Clear |= linux.MS_RELATIME | linux.MS_NOATIME
		c.Set |= atime
	case 0:
		if a.Set&linux.MOUNT_ATTR__ATIME != 0 {
			return c, errno.EINVAL
		}
	default:
		return c, errno.EINVAL
	}
	if (a.Set|a.Clr)&linux.MOUNT_ATTR_IDMAP == 0 {
		return c, nil
	}
	return c, refuseIDMap(t, a)
}

// refuseIDMap returns how MOUNT_ATTR_IDMAP fails for file systems that can't do it, as here none can.
func refuseIDMap(t *kernel.Task, a *linux.MountAttr) error {
	if a.Clr&linux.MOUNT_ATTR_IDMAP != 0 || a.UsernsFD > math.MaxInt32 {
		return errno.EINVAL
	}
	return atFile(t, int32(a.UsernsFD), func(f *vfs.File) error {
		if ns, ok := f.Ops.(namespaceFile); ok && ns.Namespace() == kernel.Namespace(t.Kernel().UserNS) {
			return errno.EPERM
		}
		return errno.EINVAL
	})
}
