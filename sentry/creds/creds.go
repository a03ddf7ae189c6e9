// Package creds holds who a task is: user and group ids, capabilities, and the
// user namespace they count in.
//
// Credentials are immutable once they are shared: a change makes a copy with Clone and
// replaces the pointer, so readers need no lock. See credentials(7), capabilities(7).
package creds

import (
	"slices"

	"ringfence/abi/linux"
	"ringfence/sentry/landlock"
)

// UID and GID are ids in the sandbox's initial user namespace (Linux's kuid_t and kgid_t).
type (
	UID uint32
	GID uint32
)

// NoID is the invalid id (-1) that setresuid(2) and others take for "leave as it is".
const NoID = ^uint32(0)

// Overflow ids stand for ids that have no name in the reader's user namespace.
const (
	OverflowUID UID = 65534
	OverflowGID GID = 65534
)

// CapSet is a set of capabilities; bit n is capability number n.
type CapSet uint64

// LastCap is the highest capability number of Linux 6.12, CAP_CHECKPOINT_RESTORE.
const LastCap = 40

// AllCaps holds every capability.
const AllCaps CapSet = 1<<(LastCap+1) - 1

// Has reports whether capability number c is in s.
func (s CapSet) Has(c int) bool { return s&(1<<uint(c)) != 0 }

// Credentials are the identity of a task. Immutable once shared.
type Credentials struct {
	RUID, EUID, SUID, FSUID UID
	RGID, EGID, SGID, FSGID GID
	Groups                  []GID // supplementary; never changed in place

	Permitted, Inheritable, Effective, Bounding, Ambient CapSet

	// Securebits are the SECBIT_* flags of capabilities(7).
	Securebits uint32
	// NoNewPrivs is PR_SET_NO_NEW_PRIVS.
	NoNewPrivs bool
	// Landlock are the rules of landlock_restrict_self(2); nil without.
	Landlock *landlock.Domain

	UserNS *UserNamespace
}

// UserNamespace is a user namespace. The initial one has no parent and maps every id to itself.
type UserNamespace struct {
	ID     uint64 // inode number in /proc/PID/ns
	Parent *UserNamespace
	Level  int
	Owner  UID
	Group  GID
}

// NSType, NSInode and NSOwner implement kernel.Namespace: what owns a user namespace is its parent.
func (ns *UserNamespace) NSType() uint64          { return linux.CLONE_NEWUSER }
func (ns *UserNamespace) NSInode() uint64         { return ns.ID }
func (ns *UserNamespace) NSOwner() *UserNamespace { return ns.Parent }

// Within reports whether ns is top or below it.
func (ns *UserNamespace) Within(top *UserNamespace) bool {
	for ns != nil && ns != top {
		ns = ns.Parent
	}
	return ns != nil
}

// NewRoot returns root's credentials with all capabilities in ns.
func NewRoot(ns *UserNamespace) *Credentials {
	return &Credentials{Permitted: AllCaps, Effective: AllCaps, Bounding: AllCaps, UserNS: ns}
}

// New returns the credentials of an unprivileged user.
func New(uid UID, gid GID, groups []GID, ns *UserNamespace) *Credentials {
	return &Credentials{
		RUID: uid, EUID: uid, SUID: uid, FSUID: uid,
		RGID: gid, EGID: gid, SGID: gid, FSGID: gid,
		Groups: slices.Clone(groups), Bounding: AllCaps, UserNS: ns,
	}
}

// Clone returns a copy that may be changed until it is shared.
func (c *Credentials) Clone() *Credentials {
	n := *c
	return &n
}

// InGroup reports whether gid is the file system group or a supplementary one.
func (c *Credentials) InGroup(gid GID) bool {
	return c.FSGID == gid || slices.Contains(c.Groups, gid)
}

// InEffectiveGroup is InGroup with the effective group, for checks that are not
// about files.
func (c *Credentials) InEffectiveGroup(gid GID) bool {
	return c.EGID == gid || slices.Contains(c.Groups, gid)
}

// Has reports whether capability number n is effective in the task's own user namespace.
func (c *Credentials) Has(n int) bool { return c.Effective.Has(n) }

// HasIn reports whether capability number n counts in ns: it is effective, and
// ns is the task's namespace or a descendant, or the task owns such a namespace.
func (c *Credentials) HasIn(n int, ns *UserNamespace) bool {
	for ; ns != nil; ns = ns.Parent {
		if ns == c.UserNS {
			return c.Effective.Has(n)
		}
		if ns.Parent == c.UserNS && ns.Owner == c.EUID {
			return true
		}
	}
	return false
}
