package vfs

import (
	"encoding/binary"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// This file is POSIX ACLs (acl(5)), for file systems with SBPosixACL: who else may use a file, and what new files in a
// directory begin with. They are kept by inodes, and set and read as extended attributes.

// acls are the lists of an inode. Immutable: a change replaces them.
type acls struct{ access, byDefault acl }

// acl is a list in the order of its tags; nil for none.
type acl []aclEntry

type aclEntry struct {
	tag, perm uint16
	id        uint32 // with aclUser and aclGroup
}

// Tags of entries, and the version of the attribute.
const (
	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20

	aclVersion = 2
	aclHead    = 4
	aclSize    = 8
)

// parseACL reads the value of an attribute; nil if it holds no entries. EINVAL if it is none, EOPNOTSUPP of a
// version unknown.
func parseACL(b []byte) (acl, error) {
	le := binary.LittleEndian
	switch {
	case len(b) == 0:
		return nil, nil
	case len(b) < aclHead:
		return nil, errno.EINVAL
	case le.Uint32(b) != aclVersion:
		return nil, errno.EOPNOTSUPP
	case (len(b)-aclHead)%aclSize != 0:
		return nil, errno.EINVAL
	}
	var l acl
	for b = b[aclHead:]; len(b) > 0; b = b[aclSize:] {
		l = append(l, aclEntry{le.Uint16(b), le.Uint16(b[2:]), le.Uint32(b[4:])})
	}
	if len(l) > 0 && !l.valid() {
		return nil, errno.EINVAL
	}
	return l, nil
}

// valid reports whether the entries come in order, and all that there have to be.
func (l acl) valid() bool {
	seen, last, named := uint16(0), uint16(0), false
	for _, e := range l {
		again := e.tag == last && e.tag&(aclUser|aclGroup) != 0
		if e.perm&^7 != 0 || e.tag <= last && !again || e.tag&(e.tag-1) != 0 || e.tag > aclOther {
			return false
		}
		if e.tag&(aclUser|aclGroup) != 0 {
			named = true
			if e.id == creds.NoID {
				return false
			}
		}
		seen |= e.tag
		last = e.tag
	}
	const all = aclUserObj | aclGroupObj | aclOther
	return seen&all == all && (!named || seen&aclMask != 0)
}

// mapped returns l with other ids: EINVAL if one has none.
func (l acl) mapped(uid func(uint32) (uint32, bool), gid func(uint32) (uint32, bool)) (acl, error) {
	n := append(acl(nil), l...)
	for i := range n {
		ok := true
		switch e := &n[i]; e.tag {
		case aclUser:
			e.id, ok = uid(e.id)
		case aclGroup:
			e.id, ok = gid(e.id)
		}
		if !ok {
			return nil, errno.EINVAL
		}
	}
	return n, nil
}

// from returns l, whose ids are those of a user namespace, with ours; to is the way back.
func (l acl) from(ns *creds.UserNamespace) (acl, error) {
	return l.mapped(func(id uint32) (uint32, bool) { u, ok := ns.ToUID(id); return uint32(u), ok },
		func(id uint32) (uint32, bool) { g, ok := ns.ToGID(id); return uint32(g), ok })
}

func (l acl) to(ns *creds.UserNamespace) acl {
	n, _ := l.mapped(func(id uint32) (uint32, bool) { return ns.FromUID(creds.UID(id)), true },
		func(id uint32) (uint32, bool) { return ns.FromGID(creds.GID(id)), true })
	return n
}

// bytes returns the value of the attribute.
func (l acl) bytes() []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, aclVersion)
	for _, e := range l {
		id := e.id
		if e.tag&(aclUser|aclGroup) == 0 {
			id = creds.NoID
		}
		b = le.AppendUint32(le.AppendUint16(le.AppendUint16(b, e.tag), e.perm), id)
	}
	return b
}

// find returns the first entry with a tag, or nil.
func (l acl) find(tag uint16) *aclEntry {
	for i := range l {
		if l[i].tag == tag {
			return &l[i]
		}
	}
	return nil
}

// groupClass returns the entry that the group's bits of the mode show.
func (l acl) groupClass() *aclEntry {
	if m := l.find(aclMask); m != nil {
		return m
	}
	return l.find(aclGroupObj)
}

// mode returns the permission bits that l comes to, and whether they say all.
func (l acl) mode() (perm uint32, all bool) {
	return uint32(l.find(aclUserObj).perm)<<6 | uint32(l.groupClass().perm)<<3 | uint32(l.find(aclOther).perm), len(l) == 3
}

// chmod returns l with the bits of a mode.
func (l acl) chmod(mode uint32) acl {
	n := append(acl(nil), l...)
	n.find(aclUserObj).perm = uint16(mode >> 6 & 7)
	n.groupClass().perm = uint16(mode >> 3 & 7)
	n.find(aclOther).perm = uint16(mode & 7)
	return n
}

// permits returns EACCES unless l, of a file with attributes a that cr does not own, lets cr use it as want says.
func (l acl) permits(cr *creds.Credentials, a *Attr, want uint32) error {
	mask := uint16(7)
	if m := l.find(aclMask); m != nil {
		mask = m.perm
	}
	w := uint16(want & 7)
	inGroup := false
	for _, e := range l {
		switch e.tag {
		case aclUser:
			if e.id == uint32(cr.FSUID) {
				return aclVerdict(e.perm&mask, w)
			}
		case aclGroupObj, aclGroup:
			gid := creds.GID(e.id)
			if e.tag == aclGroupObj {
				gid = a.GID
			}
			if cr.InGroup(gid) {
				inGroup = true
				if e.perm&w == w {
					return aclVerdict(e.perm&mask, w)
				}
			}
		case aclOther:
			if !inGroup {
				return aclVerdict(e.perm, w)
			}
		}
	}
	return errno.EACCES
}

func aclVerdict(perm, want uint16) error {
	if perm&want != want {
		return errno.EACCES
	}
	return nil
}

// setACLs replaces the lists. The walk's copy of the mode follows with the next Update.
func (n *Inode) setACLs(x acls) {
	if x.access == nil && x.byDefault == nil {
		n.acls.Store(nil)
		return
	}
	n.acls.Store(&x)
}

// lists returns n's lists.
func (n *Inode) lists() acls {
	if x := n.acls.Load(); x != nil {
		return *x
	}
	return acls{}
}

// isACL reports whether an attribute of n is one of its lists, and whether it is the default one.
func (n *Inode) isACL(name string) (is, byDefault bool) {
	byDefault = name == linux.XATTR_NAME_POSIX_ACL_DEFAULT
	is = n.SB.Flags&SBPosixACL != 0 && n.Type() != linux.S_IFLNK && (byDefault || name == linux.XATTR_NAME_POSIX_ACL_ACCESS)
	return is, byDefault
}

// getACL is getxattr(2) of a list.
func (n *Inode) getACL(c Caller, byDefault bool) ([]byte, error) {
	l := n.lists().access
	if byDefault {
		l = n.lists().byDefault
	}
	if l == nil {
		return nil, errno.ENODATA
	}
	return l.to(c.Creds().UserNS).bytes(), nil
}

// setACL is setxattr(2) of a list, and removexattr(2) if value is empty. Preconditions: n.rw is held for writing.
func (n *Inode) setACL(c Caller, value []byte, byDefault bool) error {
	l, err := parseACL(value)
	if err == nil {
		l, err = l.from(c.Creds().UserNS)
	}
	if err != nil {
		return err
	}
	a := n.Attr()
	switch {
	case byDefault && n.Type() != linux.S_IFDIR && l != nil:
		return errno.EACCES
	case !ownerOrCapable(c, &a):
		return errno.EPERM
	}
	x := n.lists()
	s := SetAttr{Mask: SetCtime, Ctime: c.Now()}
	if byDefault {
		x.byDefault = l
	} else {
		x.access = l
		if l != nil {
			perm, all := l.mode()
			if all {
				x.access = nil
			}
			s.Mask |= SetMode
			s.Mode = a.Mode&^0o777 | perm
			if !c.Creds().InGroup(a.GID) && !c.Creds().HasOver(linux.CAP_FSETID, a.UID, a.GID) {
				s.Mode &^= linux.S_ISGID
			}
		}
	}
	n.setACLs(x)
	return n.Ops.SetAttr(c, n, s)
}

// chmodACL makes n's list follow a change of its mode. Preconditions: n.rw is held for writing.
func (n *Inode) chmodACL(mode uint32) {
	if x := n.lists(); x.access != nil {
		n.setACLs(acls{x.access.chmod(mode), x.byDefault})
	}
}

// maskFor returns what a new file in dir does not get of the mode asked for: the umask, unless dir has a default list.
func maskFor(c Caller, dir *Inode) uint32 {
	if dir.lists().byDefault != nil {
		return 0
	}
	return c.FSContext().Umask()
}

// inheritACL gives n, just made in dir, what dir's default list says.
func (n *Inode) inheritACL(dir *Inode) {
	def := dir.lists().byDefault
	if def == nil || n.Type() == linux.S_IFLNK {
		return
	}
	var x acls
	mode := n.Attr().Mode
	l := append(acl(nil), def...)
	for _, class := range [...]struct {
		e     *aclEntry
		shift uint
	}{{l.find(aclUserObj), 6}, {l.groupClass(), 3}, {l.find(aclOther), 0}} {
		class.e.perm &= uint16(mode >> class.shift & 7)
	}
	perm, all := l.mode()
	if !all {
		x.access = l
	}
	if n.Type() == linux.S_IFDIR {
		x.byDefault = def
	}
	n.setACLs(x)
	n.Update(func(a *Attr) { a.Mode = a.Mode&^0o777 | perm })
}
