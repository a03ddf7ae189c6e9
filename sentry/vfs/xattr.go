package vfs

import (
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// xattrPermission applies the rules of the name spaces of extended attributes (xattr(7)).
func xattrPermission(c Caller, p Path, name string, write bool) error {
	if name == "" || len(name) > linux.XATTR_NAME_MAX {
		return errno.ERANGE
	}
	n := p.Inode()
	cr := c.Creds()
	mask := uint32(MayRead)
	if write {
		mask = MayWrite
		if p.Mount.ReadOnly() {
			return errno.EROFS
		}
		a := n.Attr()
		if err := immutableOrAppend(&a); err != nil {
			return err
		}
	}
	denied := errno.ENODATA
	if write {
		denied = errno.EPERM
	}
	switch {
	case strings.HasPrefix(name, linux.XATTR_SECURITY_PREFIX):
		if write && name == linux.XATTR_NAME_CAPS {
			if a := n.Attr(); !cr.HasOver(linux.CAP_SETFCAP, a.UID, a.GID) {
				return errno.EPERM
			}
		} else if write && !cr.HasIn(linux.CAP_SYS_ADMIN, n.SB.UserNS) {
			return errno.EPERM
		}
		return nil
	case strings.HasPrefix(name, linux.XATTR_SYSTEM_PREFIX):
		return nil
	case strings.HasPrefix(name, linux.XATTR_TRUSTED_PREFIX):
		if !cr.Has(linux.CAP_SYS_ADMIN) {
			return denied
		}
		if name == linux.XATTR_TRUSTED_PREFIX {
			return errno.EINVAL
		}
	case strings.HasPrefix(name, linux.XATTR_USER_PREFIX):
		if t := n.Type(); t != linux.S_IFREG && t != linux.S_IFDIR {
			return denied
		}
		if name == linux.XATTR_USER_PREFIX {
			return errno.EINVAL
		}
		if a := n.Attr(); write && n.Type() == linux.S_IFDIR && a.Mode&linux.S_ISVTX != 0 && !ownerOrCapable(c, &a) {
			return errno.EPERM
		}
	default:
		return errno.EOPNOTSUPP
	}
	return inodePermission(c, n, mask)
}

// GetXattr is getxattr(2).
func (v *VFS) GetXattr(c Caller, p Path, name string) ([]byte, error) {
	if err := xattrPermission(c, p, name, false); err != nil {
		return nil, err
	}
	if is, byDefault := p.Inode().isACL(name); is {
		return p.Inode().getACL(c, byDefault)
	}
	b, err := p.Inode().Ops.GetXattr(c, p.Inode(), name)
	if err == nil && name == linux.XATTR_NAME_CAPS {
		return showFileCaps(c, p.Inode(), b)
	}
	return b, err
}

// SetXattr is setxattr(2) with flags XATTR_CREATE and XATTR_REPLACE.
func (v *VFS) SetXattr(c Caller, p Path, name string, value []byte, flags uint32) error {
	if flags&^(linux.XATTR_CREATE|linux.XATTR_REPLACE) != 0 {
		return errno.EINVAL
	}
	if len(value) > linux.XATTR_SIZE_MAX {
		return errno.E2BIG
	}
	return changeXattr(c, p, name, func(n *Inode) error {
		if is, byDefault := n.isACL(name); is {
			return n.setACL(c, value, byDefault)
		}
		if name == linux.XATTR_NAME_CAPS {
			var err error
			if value, err = storedFileCaps(c, n, value); err != nil {
				return err
			}
		}
		return n.Ops.SetXattr(c, n, name, value, flags)
	})
}

// RemoveXattr is removexattr(2).
func (v *VFS) RemoveXattr(c Caller, p Path, name string) error {
	return changeXattr(c, p, name, func(n *Inode) error {
		if is, byDefault := n.isACL(name); is {
			return n.setACL(c, nil, byDefault)
		}
		return n.Ops.RemoveXattr(c, n, name)
	})
}

func changeXattr(c Caller, p Path, name string, fn func(*Inode) error) error {
	if err := xattrPermission(c, p, name, true); err != nil {
		return err
	}
	n := p.Inode()
	n.rw.Lock()
	err := fn(n)
	n.rw.Unlock()
	if err == nil {
		notifyPath(c, p, linux.IN_ATTRIB)
	}
	return err
}

// ListXattr is listxattr(2).
func (v *VFS) ListXattr(c Caller, p Path) ([]string, error) {
	n := p.Inode()
	names, err := n.Ops.ListXattr(c, n)
	if err != nil {
		if err == errno.EOPNOTSUPP {
			// A file system without attributes has none to list.
			return nil, nil
		}
		return nil, err
	}
	seen := names[:0:0]
	if x := n.lists(); x.access != nil {
		seen = append(seen, linux.XATTR_NAME_POSIX_ACL_ACCESS)
	}
	if x := n.lists(); x.byDefault != nil {
		seen = append(seen, linux.XATTR_NAME_POSIX_ACL_DEFAULT)
	}
	for _, name := range names {
		if strings.HasPrefix(name, linux.XATTR_TRUSTED_PREFIX) && !c.Creds().Has(linux.CAP_SYS_ADMIN) {
			continue
		}
		seen = append(seen, name)
	}
	return seen, nil
}
