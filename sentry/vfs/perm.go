package vfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// Bits of a permission mask, as access(2) has them.
const (
	MayExec  = 1
	MayWrite = 2
	MayRead  = 4
)

// searchableByAll reports whether n is a directory with an ordinary permission check in which
// everybody has search permission.
func (n *Inode) searchableByAll() bool {
	const want = linux.S_IFDIR | 0o111
	return n.mode.Load()&(linux.S_IFMT|0o111) == want && !n.ownPermission
}

// inodePermission checks mask against n's mode, owner and group and the caller's fsuid,
// fsgid and capabilities (path_resolution(7)), not mount flags.
func inodePermission(c Caller, n *Inode, mask uint32) error {
	if n.ownPermission {
		return n.Ops.(Permitter).Permission(c, n, mask)
	}
	return GenericPermission(c, n, mask)
}

// GenericPermission is the usual check, for a Permitter that only adds to it.
func GenericPermission(c Caller, n *Inode, mask uint32) error {
	a := n.Attr()
	if n.SB.Flags&SBDynamicAttr != 0 {
		var err error
		if a, err = n.Ops.GetAttr(c, n); err != nil {
			return err
		}
	}
	if mask&MayWrite != 0 && a.Flags&linux.STATX_ATTR_IMMUTABLE != 0 {
		return errno.EPERM
	}
	return attrPermission(c.Creds(), a, n.lists().access, mask)
}

func attrPermission(cr *creds.Credentials, a Attr, l acl, mask uint32) error {
	bits := a.Mode
	switch {
	case cr.FSUID == a.UID:
		bits >>= 6
	case cr.InGroup(a.GID):
		bits >>= 3
	}
	// As on Linux, a list does not count while the group's bits are 0.
	if l != nil && cr.FSUID != a.UID && a.Mode&linux.S_IRWXG != 0 {
		if l.permits(cr, &a, mask) == nil {
			return nil
		}
	} else if mask&^bits&7 == 0 {
		return nil
	}
	if a.Mode&linux.S_IFMT == linux.S_IFDIR {
		if mask&MayWrite == 0 && cr.HasOver(linux.CAP_DAC_READ_SEARCH, a.UID, a.GID) || cr.HasOver(linux.CAP_DAC_OVERRIDE, a.UID, a.GID) {
			return nil
		}
		return errno.EACCES
	}
	if mask == MayRead && cr.HasOver(linux.CAP_DAC_READ_SEARCH, a.UID, a.GID) {
		return nil
	}
	// Execution needs at least one x bit, whoever asks.
	if cr.HasOver(linux.CAP_DAC_OVERRIDE, a.UID, a.GID) && (mask&MayExec == 0 || a.Mode&0o111 != 0) {
		return nil
	}
	return errno.EACCES
}

// Permission checks that c may use p as mask says. EROFS and noexec count too.
func (v *VFS) Permission(c Caller, p Path, mask uint32) error {
	n := p.Inode()
	if mask&MayWrite != 0 && p.Mount.ReadOnly() && writesStorage(n) {
		return errno.EROFS
	}
	if mask&MayExec != 0 && n.Type() == linux.S_IFREG && p.Mount.Flags()&linux.MS_NOEXEC != 0 {
		return errno.EACCES
	}
	return inodePermission(c, n, mask)
}

// writesStorage reports whether writing n changes its file system, rather than a device or a pipe.
func writesStorage(n *Inode) bool {
	switch n.Type() {
	case linux.S_IFREG, linux.S_IFDIR, linux.S_IFLNK:
		return true
	}
	return false
}

// attrOf returns the current attributes of n.
func attrOf(c Caller, n *Inode) (Attr, error) {
	if n.SB.Flags&SBDynamicAttr != 0 {
		return n.Ops.GetAttr(c, n)
	}
	return n.Attr(), nil
}

// ownerOrCapable reports whether c owns a file with attributes a or has CAP_FOWNER.
func ownerOrCapable(c Caller, a *Attr) bool { return c.Creds().Owns(a.UID) }

// mayCreate checks that c may make names in the directory dir. EOVERFLOW if the file system has no name
// for who would own them.
func mayCreate(c Caller, dir Path) error {
	if dir.Dentry.Deleted() || dir.Mount.SB.Flags&SBNoNew != 0 {
		return errno.ENOENT
	}
	if ns := dir.Mount.SB.UserNS; !ns.Initial() && (!ns.HasUID(c.Creds().FSUID) || !ns.HasGID(c.Creds().FSGID)) {
		return errno.EOVERFLOW
	}
	return inodePermission(c, dir.Inode(), MayWrite|MayExec)
}

// mayDelete checks that c may remove n from the directory dir, which is sticky maybe.
func mayDelete(c Caller, dir *Dentry, n *Inode, isDir bool) error {
	if dir.Deleted() {
		return errno.ENOENT
	}
	dn := dir.Inode()
	if err := inodePermission(c, dn, MayWrite|MayExec); err != nil {
		return err
	}
	da, err := attrOf(c, dn)
	if err != nil {
		return err
	}
	if err := mayChangeName(&da, n.Attr().Flags); err != nil {
		return err
	}
	if da.Mode&linux.S_ISVTX != 0 {
		a, err := attrOf(c, n)
		if err != nil {
			return err
		}
		if cr := c.Creds(); cr.FSUID != a.UID && cr.FSUID != da.UID && !cr.HasOver(linux.CAP_FOWNER, a.UID, a.GID) {
			return errno.EPERM
		}
	}
	if isDir {
		if n.Type() != linux.S_IFDIR {
			return errno.ENOTDIR
		}
	} else if n.Type() == linux.S_IFDIR {
		return errno.EISDIR
	}
	return nil
}

// asReal is a Caller that uses the real ids, as access(2) does.
type asReal struct {
	Caller
	cr *creds.Credentials
}

func (a asReal) Creds() *creds.Credentials { return a.cr }

// Lent is a Caller that another package lends other credentials.
type Lent interface{ Borrower() Caller }

// Who returns the caller itself where c only lends it other credentials, for file systems that
// show each caller something else.
func Who(c Caller) Caller {
	switch x := c.(type) {
	case asReal:
		return x.Caller
	case Lent:
		return x.Borrower()
	}
	return c
}

func realCreds(c Caller) Caller {
	cr := c.Creds()
	if cr.RUID == cr.FSUID && cr.RGID == cr.FSGID && cr.Securebits&linux.SECBIT_NO_SETUID_FIXUP == 0 &&
		(cr.Effective == cr.Permitted && cr.Root(cr.RUID) || cr.Effective == 0 && !cr.Root(cr.RUID)) {
		return c
	}
	cr = cr.Clone()
	cr.FSUID, cr.FSGID = cr.RUID, cr.RGID
	// Root's real id has all that is permitted, another has nothing (access_override_creds).
	if cr.Securebits&linux.SECBIT_NO_SETUID_FIXUP == 0 {
		if cr.Root(cr.RUID) {
			cr.Effective = cr.Permitted
		} else {
			cr.Effective = 0
		}
	}
	return asReal{c, cr}
}

// InitOwner returns owner, group and mode of a file that c makes in dir: it belongs to the caller's fsuid and
// fsgid, or to dir's group if that has S_ISGID (Linux's inode_init_owner).
func InitOwner(c Caller, dir *Inode, mode uint32) (creds.UID, creds.GID, uint32) {
	cr := c.Creds()
	a := dir.Attr()
	if a.Mode&linux.S_ISGID == 0 {
		return cr.FSUID, cr.FSGID, mode
	}
	if mode&linux.S_IFMT == linux.S_IFDIR {
		mode |= linux.S_ISGID
	} else if mode&(linux.S_ISGID|linux.S_IXGRP) == linux.S_ISGID|linux.S_IXGRP && !cr.InGroup(a.GID) && !cr.HasOver(linux.CAP_FSETID, a.UID, a.GID) {
		mode &^= linux.S_ISGID
	}
	return cr.FSUID, a.GID, mode
}

// Apply makes the change in a, but for the size.
func (s *SetAttr) Apply(a *Attr) {
	if s.Mask&SetMode != 0 {
		a.Mode = a.Mode&linux.S_IFMT | s.Mode&linux.S_IALLUGO
	}
	if s.Mask&SetUID != 0 {
		a.UID = s.UID
	}
	if s.Mask&SetGID != 0 {
		a.GID = s.GID
	}
	if s.Mask&SetAtime != 0 {
		a.Atime = s.Atime
	}
	if s.Mask&SetMtime != 0 {
		a.Mtime = s.Mtime
	}
	if s.Mask&SetCtime != 0 {
		a.Ctime = s.Ctime
	}
}
