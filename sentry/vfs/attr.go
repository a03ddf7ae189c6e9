package vfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// Stat is what stat(2) and statx(2) tell.
type Stat struct {
	Attr
	Dev       uint64
	MountID   uint64
	MountRoot bool   // p is where its mount begins
	FlagsMask uint64 // which STATX_ATTR_* flags the file system has
}

// Stat returns the attributes of p. It needs no permission.
func (v *VFS) Stat(c Caller, p Path) (s Stat, err error) {
	n := p.Inode()
	s.Attr, err = attrOf(c, n)
	if n.SB.Flags&SBFileFlags != 0 {
		s.FlagsMask = fileFlags &^ linux.FS_NOATIME_FL
	}
	s.Dev, s.MountID, s.MountRoot = n.SB.Dev, p.Mount.ID, p.Dentry == p.Mount.Root
	return s, err
}

// immutableOrAppend returns EPERM if a's flags forbid changing attributes.
func immutableOrAppend(a *Attr) error {
	if a.Flags&(linux.STATX_ATTR_IMMUTABLE|linux.STATX_ATTR_APPEND) != 0 {
		return errno.EPERM
	}
	return nil
}

// beginChange returns the attributes of p, whose change is about to begin. The inode is locked.
func beginChange(c Caller, p Path) (n *Inode, a Attr, err error) {
	if p.Mount.ReadOnly() {
		return nil, a, errno.EROFS
	}
	n = p.Inode()
	n.rw.Lock()
	a, err = attrOf(c, n)
	if err == nil {
		err = immutableOrAppend(&a)
	}
	if err != nil {
		n.rw.Unlock()
	}
	return n, a, err
}

// Chmod is fchmod(2); mode holds permission bits. EOPNOTSUPP for a symbolic link.
func (v *VFS) Chmod(c Caller, p Path, mode uint32) error {
	n, a, err := beginChange(c, p)
	if err != nil {
		return err
	}
	err = func() error {
		if n.Type() == linux.S_IFLNK {
			return errno.EOPNOTSUPP
		}
		if !ownerOrCapable(c, &a) {
			return errno.EPERM
		}
		mode = mode&linux.S_IALLUGO | n.Type()
		if !c.Creds().InGroup(a.GID) && !c.Creds().HasOver(linux.CAP_FSETID, a.UID, a.GID) {
			mode &^= linux.S_ISGID
		}
		n.chmodACL(mode)
		return n.Ops.SetAttr(c, n, SetAttr{Mask: SetMode | SetCtime, Mode: mode, Ctime: c.Now()})
	}()
	n.rw.Unlock()
	if err == nil {
		notifyPath(c, p, linux.IN_ATTRIB)
	}
	return err
}

// Chown is fchown(2); ids of creds.NoID stay as they are.
func (v *VFS) Chown(c Caller, p Path, uid creds.UID, gid creds.GID) error {
	n, a, err := beginChange(c, p)
	if err != nil {
		return err
	}
	err = chownLocked(c, n, a, uid, gid)
	n.rw.Unlock()
	if err == nil {
		notifyPath(c, p, linux.IN_ATTRIB)
	}
	return err
}

func chownLocked(c Caller, n *Inode, a Attr, uid creds.UID, gid creds.GID) error {
	cr := c.Creds()
	s := SetAttr{Mask: SetCtime, Ctime: c.Now()}
	if uid != creds.UID(creds.NoID) {
		if !cr.HasOver(linux.CAP_CHOWN, a.UID, a.GID) && (cr.FSUID != a.UID || uid != a.UID) {
			return errno.EPERM
		}
		s.Mask |= SetUID
		s.UID = uid
	}
	if gid != creds.GID(creds.NoID) {
		if !cr.HasOver(linux.CAP_CHOWN, a.UID, a.GID) && (cr.FSUID != a.UID || !cr.InGroup(gid) && gid != a.GID) {
			return errno.EPERM
		}
		s.Mask |= SetGID
		s.GID = gid
	}
	if n.Type() != linux.S_IFDIR {
		if mode := withoutPrivs(c, &a, true); mode != a.Mode {
			s.Mask |= SetMode
			s.Mode = mode
		}
		if n.Type() == linux.S_IFREG && s.Mask&(SetUID|SetGID) != 0 {
			// File capabilities go too; most files have none.
			_ = n.Ops.RemoveXattr(c, n, linux.XATTR_NAME_CAPS)
		}
	}
	return n.Ops.SetAttr(c, n, s)
}

// withoutPrivs returns a's mode without the set-id bits that a change of contents or owner takes.
func withoutPrivs(c Caller, a *Attr, owner bool) uint32 {
	mode := a.Mode
	if mode&(linux.S_ISUID|linux.S_ISGID) == 0 || !owner && c.Creds().HasOver(linux.CAP_FSETID, a.UID, a.GID) {
		return mode
	}
	mode &^= linux.S_ISUID
	// Without group execution, S_ISGID once meant mandatory locking; it stays for members.
	if mode&linux.S_IXGRP != 0 || !c.Creds().InGroup(a.GID) && !c.Creds().HasOver(linux.CAP_FSETID, a.UID, a.GID) {
		mode &^= linux.S_ISGID
	}
	return mode
}

// What Utimes takes for UTIME_NOW and UTIME_OMIT.
const (
	UtimeNow  = -1 << 63
	UtimeOmit = -1<<63 + 1
)

// Utimes sets times; each is nanoseconds, UtimeNow or UtimeOmit (utimensat(2)).
func (v *VFS) Utimes(c Caller, p Path, atime, mtime int64) error {
	if atime == UtimeOmit && mtime == UtimeOmit {
		return nil
	}
	if p.Mount.ReadOnly() {
		return errno.EROFS
	}
	n := p.Inode()
	n.rw.Lock()
	mask, err := utimesLocked(c, n, atime, mtime)
	n.rw.Unlock()
	if err == nil {
		notifyPath(c, p, mask)
	}
	return err
}

func utimesLocked(c Caller, n *Inode, atime, mtime int64) (event uint32, err error) {
	a, err := attrOf(c, n)
	if err != nil {
		return 0, err
	}
	if a.Flags&linux.STATX_ATTR_IMMUTABLE != 0 {
		return 0, errno.EPERM
	}
	if atime == UtimeNow && mtime == UtimeNow {
		// Whoever may write may touch.
		if !ownerOrCapable(c, &a) {
			if err := inodePermission(c, n, MayWrite); err != nil {
				return 0, err
			}
		}
	} else if a.Flags&linux.STATX_ATTR_APPEND != 0 || !ownerOrCapable(c, &a) {
		return 0, errno.EPERM
	}
	now := c.Now()
	s := SetAttr{Mask: SetCtime, Ctime: now}
	if atime != UtimeOmit {
		s.Mask |= SetAtime
		s.Atime = atime
		if atime == UtimeNow {
			s.Atime = now
		}
	}
	if mtime != UtimeOmit {
		s.Mask |= SetMtime
		s.Mtime = mtime
		if mtime == UtimeNow {
			s.Mtime = now
		}
	}
	switch s.Mask & (SetAtime | SetMtime) {
	case SetAtime:
		event = linux.IN_ACCESS
	case SetMtime:
		event = linux.IN_MODIFY
	default:
		event = linux.IN_ATTRIB
	}
	return event, n.Ops.SetAttr(c, n, s)
}

// Truncate is truncate(2) on p. EFBIG with c.FileSizeLimit reached wants SIGXFSZ from the caller.
func (v *VFS) Truncate(c Caller, p Path, size int64) error {
	n := p.Inode()
	switch {
	case size < 0:
		return errno.EINVAL
	case n.Type() == linux.S_IFDIR:
		return errno.EISDIR
	case n.Type() != linux.S_IFREG:
		return errno.EINVAL
	}
	if err := v.Permission(c, p, MayWrite); err != nil {
		return err
	}
	if err := v.landlocked(c, p, linux.LANDLOCK_ACCESS_FS_TRUNCATE); err != nil {
		return err
	}
	if n.Attr().Flags&linux.STATX_ATTR_APPEND != 0 {
		return errno.EPERM
	}
	if err := n.getWrite(); err != nil {
		return err
	}
	defer n.putWrite()
	return v.truncate(c, p, n, size, false)
}

// truncate changes the size. opened says that it comes from an open file, which sets the times even
// if the size stays.
func (v *VFS) truncate(c Caller, p Path, n *Inode, size int64, opened bool) error {
	event := uint32(linux.IN_MODIFY)
	n.rw.Lock()
	err := func() error {
		a, err := attrOf(c, n)
		if err != nil {
			return err
		}
		if a.Flags&linux.STATX_ATTR_IMMUTABLE != 0 {
			return errno.EPERM
		}
		if size > a.Size && uint64(size) > c.FileSizeLimit() {
			return errno.EFBIG
		}
		s := SetAttr{Mask: SetSize, Size: size}
		if opened || size != a.Size {
			s.Mask |= SetMtime | SetCtime
			s.Mtime = c.Now()
			s.Ctime = s.Mtime
		}
		if mode := withoutPrivs(c, &a, false); mode != a.Mode {
			s.Mask |= SetMode
			s.Mode = mode
			event |= linux.IN_ATTRIB
		}
		return n.Ops.SetAttr(c, n, s)
	}()
	n.rw.Unlock()
	if err == nil {
		notifyPath(c, p, event)
	}
	return err
}

// AccessAt is faccessat2(2) with flags AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH.
func (v *VFS) AccessAt(c Caller, start Path, path string, mode, flags uint32) error {
	if mode&^7 != 0 || flags&^(linux.AT_EACCESS|linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH) != 0 {
		return errno.EINVAL
	}
	if flags&linux.AT_EACCESS == 0 {
		c = realCreds(c)
	}
	var lf LookupFlags
	if flags&linux.AT_SYMLINK_NOFOLLOW == 0 {
		lf |= LookupFollow
	}
	if flags&linux.AT_EMPTY_PATH != 0 {
		lf |= LookupEmpty
	}
	p, err := v.Resolve(c, start, path, lf)
	if err != nil {
		return err
	}
	defer p.DecRef()
	if mode == 0 {
		return nil
	}
	if mode&MayExec != 0 && p.Inode().Type() == linux.S_IFREG && p.Mount.Flags()&linux.MS_NOEXEC != 0 {
		return errno.EACCES
	}
	// A read-only file system is told of last (access(2)).
	if err := inodePermission(c, p.Inode(), mode); err != nil {
		return err
	}
	if mode&MayWrite != 0 && p.Mount.ReadOnly() && writesStorage(p.Inode()) {
		return errno.EROFS
	}
	return nil
}

// Statfs is statfs(2) on p.
func (v *VFS) Statfs(c Caller, p Path) (linux.Statfs, error) {
	sb := p.Dentry.sb
	s, err := sb.Ops.Statfs(c, sb)
	if err != nil {
		return linux.Statfs{}, err
	}
	return linux.Statfs{
		Type: sb.Magic, Bsize: s.BlockSize, Frsize: s.BlockSize,
		Blocks: s.Blocks, Bfree: s.Free, Bavail: s.Avail,
		Files: s.Files, Ffree: s.FilesFree, Namelen: s.NameLen,
		FSID:  [2]int32{int32(sb.Dev), int32(sb.Dev >> 32)},
		Flags: statfsFlags(p.Mount) | linux.ST_VALID,
	}, nil
}

func statfsFlags(m *Mount) (f int64) {
	mf := m.Flags()
	if m.ReadOnly() {
		f |= linux.ST_RDONLY
	}
	for _, p := range [...][2]uint32{
		{linux.MS_NOSUID, linux.ST_NOSUID}, {linux.MS_NODEV, linux.ST_NODEV}, {linux.MS_NOEXEC, linux.ST_NOEXEC},
		{linux.MS_NOATIME, linux.ST_NOATIME}, {linux.MS_NODIRATIME, linux.ST_NODIRATIME},
		{linux.MS_RELATIME, linux.ST_RELATIME}, {linux.MS_NOSYMFOLLOW, linux.ST_NOSYMFOLLOW},
	} {
		if mf&p[0] != 0 {
			f |= int64(p[1])
		}
	}
	return f
}

const day = 24 * 3600 * 1e9

// touchAtime sets the access time of n, read through p, if the mount's rules want it:
// relatime by default. It is kept in memory only.
func (v *VFS) touchAtime(c Caller, p Path, n *Inode) {
	mf := p.Mount.Flags()
	if mf&linux.MS_NOATIME != 0 || mf&linux.MS_NODIRATIME != 0 && n.Type() == linux.S_IFDIR ||
		n.SB.Flags&SBDynamicAttr != 0 || p.Mount.ReadOnly() {
		n.atimeFresh.Store(true)
		return
	}
	now := c.Now()
	if mf&linux.MS_RELATIME != 0 && now < n.atimeUntil.Load() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	a := &n.attr
	if a.Flags&linux.FS_NOATIME_FL != 0 {
		return
	}
	if mf&linux.MS_RELATIME == 0 || a.Atime <= a.Mtime || a.Atime <= a.Ctime || now-a.Atime >= day {
		a.Atime = now
	}
	if mf&linux.MS_RELATIME != 0 && a.Atime > a.Mtime && a.Atime > a.Ctime {
		n.atimeUntil.Store(a.Atime + day)
	}
	// A cached link is not asked again: its atime may lag behind by more than a day.
	n.atimeFresh.Store(mf&linux.MS_RELATIME != 0)
}
