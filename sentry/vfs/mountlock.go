package vfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// What a less privileged mount namespace may not do with the mounts that came from a more privileged one
// (mount_namespaces(7)): see what lies under them, or take restrictions away.

// lockableFlags are the flags that may not be cleared then.
const lockableFlags = linux.MS_RDONLY | linux.MS_NODEV | linux.MS_NOSUID | linux.MS_NOEXEC

const atimeFlags = linux.MS_NOATIME | linux.MS_NODIRATIME | linux.MS_RELATIME

// lockLocked locks top and all mounts below it, as they are. Top itself can be unmounted, as it is what
// its place shows at first.
func (v *VFS) lockLocked(top *Mount) {
	top.eachLocked(func(m *Mount) {
		m.lockedFlags |= m.Flags() & lockableFlags
		m.lockedAtime = true
		m.locked = m != top
	})
}

// mayHaveLocked reports whether m may have flags instead of old.
func (m *Mount) mayHaveLocked(old, flags uint32) bool {
	return m.lockedFlags&old&^flags == 0 && !(m.lockedAtime && (old^flags)&atimeFlags != 0)
}

// hidesLocked reports whether mounts below d, in m, are locked: a copy of m without them would show what they hide.
func (m *Mount) hidesLocked(d *Dentry) bool {
	for _, c := range m.children {
		if c.locked && below(c.mountpoint, d) {
			return true
		}
	}
	return false
}

// hideLocked hides d, on which a locked mount was, from who still uses m when both are gone from the tree
// (umount2(2) with MNT_DETACH): what lies there must not be seen. Linux leaves the mount there.
func (m *Mount) hideLocked(d *Dentry) {
	d.IncRef()
	d.mounted.Add(1) // so that a walk asks
	m.hidden = append(m.hidden, d)
}

// unhide undoes that when nobody uses m any more.
func (m *Mount) unhide() {
	for _, d := range m.hidden {
		d.mounted.Add(-1)
		d.DecRef()
	}
	m.hidden = nil
}

// UserMounter is an FSType that the roots of user namespaces may mount.
type UserMounter interface {
	// MountOwner is the namespace whose root c has to be, and that the file system will belong to.
	MountOwner(c Caller) *creds.UserNamespace
	// Revealing reports whether the file system shows all that others of its type show: if the namespace has none
	// that is fully visible, it shall not get one.
	Revealing() bool
}

// emptyDir is an InodeOps of a directory. If that never has any entries, a mount there hides nothing.
type emptyDir interface{ AlwaysEmpty() bool }

// mayMake checks that c may mount a file system of type t, and returns the namespace that it will belong to.
func mayMake(c Caller, t FSType) (*creds.UserNamespace, error) {
	var owner *creds.UserNamespace
	if u, ok := t.(UserMounter); ok {
		owner = u.MountOwner(c)
	}
	if !c.Creds().HasIn(linux.CAP_SYS_ADMIN, owner) {
		return nil, errno.EPERM
	}
	return owner, nil
}

// revealsLocked is EPERM if m, a new mount for ns, would reveal what is hidden in all mounts of its kind there, else
// m is as restricted as those.
func (v *VFS) revealsLocked(m *Mount, ns *Namespace) error {
	if ns.Owner.Initial() || !m.SB.Revealing {
		return nil
	}
	found := false
	ns.root.eachLocked(func(o *Mount) {
		switch {
		case found, o.SB.Type != m.SB.Type, !o.Root.IsRoot():
			return
		case o.lockedFlags&linux.MS_RDONLY != 0 && !m.ReadOnly():
			return
		case o.lockedAtime && (o.Flags()^m.Flags())&atimeFlags != 0:
			return
		}
		for _, c := range o.children {
			if e, ok := c.mountpoint.Inode().Ops.(emptyDir); c.locked && !(ok && e.AlwaysEmpty()) {
				return
			}
		}
		m.lockedFlags |= o.lockedFlags & linux.MS_RDONLY
		m.lockedAtime = o.lockedAtime
		found = true
	})
	if !found {
		return errno.EPERM
	}
	return nil
}

// mountNSHolder is an InodeOps of a file that holds a mount namespace.
type mountNSHolder interface{ MountNamespace() *Namespace }

// heldNamespace returns the mount namespace that a file holds, nil if none.
func heldNamespace(d *Dentry) *Namespace {
	if h, ok := d.Inode().Ops.(mountNSHolder); ok {
		return h.MountNamespace()
	}
	return nil
}
