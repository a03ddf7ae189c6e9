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

// UID and GID are ids in the sandbox's initial user namespace (Linux's kuid_t and kgid_t). What guests see and say
// is translated by their UserNamespace: see userns.go.
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

// Has reports whether capability number n is effective in the initial user namespace (Linux's capable): what counts
// for the machine as a whole. See HasIn for what belongs to a namespace.
func (c *Credentials) Has(n int) bool { return c.Effective.Has(n) && c.UserNS.Initial() }

// HasOwn reports whether capability number n is effective in the task's own user namespace.
func (c *Credentials) HasOwn(n int) bool { return c.Effective.Has(n) }

// HasIn reports whether capability number n counts in ns (Linux's ns_capable): it is effective, and
// ns is the task's namespace or a descendant, or the task owns such a namespace. Nil is the initial namespace.
func (c *Credentials) HasIn(n int, ns *UserNamespace) bool {
	if ns == nil {
		return c.Has(n)
	}
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

// HasOver reports whether capability number n counts for a file with an owner and a group
// (capable_wrt_inode_uidgid): it is effective, and both have names in the task's user namespace.
func (c *Credentials) HasOver(n int, u UID, g GID) bool {
	return c.Effective.Has(n) && (c.UserNS.Initial() || c.UserNS.HasUID(u) && c.UserNS.HasGID(g))
}

// Owns reports whether the task owns a file of u as far as file system calls go, or has CAP_FOWNER over it.
func (c *Credentials) Owns(u UID) bool {
	return c.FSUID == u || c.Effective.Has(linux.CAP_FOWNER) && (c.UserNS.Initial() || c.UserNS.HasUID(u))
}

// Root reports whether u is the user 0 of the task's user namespace.
func (c *Credentials) Root(u UID) bool {
	if c.UserNS.Initial() {
		return u == 0
	}
	return c.UserNS.FromUID(u) == 0
}

// Enter makes ns the user namespace of c, with all capabilities there and none of what went with the old one
// (Linux's set_cred_user_ns).
func (c *Credentials) Enter(ns *UserNamespace) {
	c.UserNS = ns
	c.Securebits = 0
	c.Permitted, c.Effective, c.Bounding = AllCaps, AllCaps, AllCaps
	c.Inheritable, c.Ambient = 0, 0
}

// Covers reports whether who had c has no more rights with n (Linux's cred_cap_issubset): the capabilities that a task
// gets in a namespace of its own making are none.
func (c *Credentials) Covers(n *Credentials) bool {
	if c.UserNS == n.UserNS {
		return n.Permitted&^c.Permitted == 0
	}
	for ns := n.UserNS; ns != nil; ns = ns.Parent {
		if ns.Parent == c.UserNS && ns.Owner == c.EUID {
			return true
		}
	}
	return false
}
