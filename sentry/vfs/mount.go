package vfs

import (
	"sync/atomic"
)

// Propagation is how mounts and unmounts spread (mount_namespaces(7)).
type Propagation uint8

const (
	Private Propagation = iota
	Shared
	Slave
	Unbindable
)

// Mount is one place where a file system, or a part of it, is mounted.
type Mount struct {
	// Immutable.
	ID   uint64 // in mountinfo and statx
	SB   *Superblock
	Root *Dentry // what the mount shows; holds a reference

	// Source is the first field of /proc/mounts. Immutable.
	Source string

	refs  atomic.Int64
	flags atomic.Uint32 // MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_NODIRATIME, MS_RELATIME, MS_NOSYMFOLLOW

	v *VFS // immutable

	// Guarded by VFS.mountMu.
	ns          *Namespace // nil when unmounted
	parent      *Mount     // nil in the namespace's root; with mountpoint holds references
	mountpoint  *Dentry
	children    []*Mount
	propagation Propagation
	group       int // peer group, if shared
	master      int // peer group that a slave receives from
	expiring    bool
}

// Flags returns the per-mount MS_* flags.
func (m *Mount) Flags() uint32 { return m.flags.Load() }

// ReadOnly reports whether nothing can be changed through m.
func (m *Mount) ReadOnly() bool { return m.flags.Load()&1 != 0 || m.SB.readOnly.Load() }

func (m *Mount) decRef() {
	switch r := m.refs.Add(-1); {
	case r == 0:
		m.Root.DecRef()
		m.SB.decActive()
	case r < 0:
		panic("vfs: mount reference count below zero")
	}
}

func (v *VFS) newMount(sb *Superblock, root *Dentry, source string, flags uint32) *Mount {
	m := &Mount{ID: v.nextMountID.Add(1), SB: sb, Root: root, Source: source, v: v}
	m.flags.Store(flags)
	m.refs.Store(1)
	sb.active.Add(1)
	return m
}

// Namespace is a tree of mounts (mount_namespaces(7)).
type Namespace struct {
	v    *VFS
	refs atomic.Int64
	root *Mount // guarded by VFS.mountMu
}

// mountOn returns what is mounted on p, with a reference, or nil.
func (v *VFS) mountOn(p Path) *Mount {
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	m := v.mounts[mountKey{p.Mount, p.Dentry}]
	if m != nil {
		m.refs.Add(1)
	}
	return m
}

// mountpointOf returns a referenced path to where m is mounted; false if m is the root of
// a namespace or not mounted.
func (v *VFS) mountpointOf(m *Mount) (Path, bool) {
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	if m.parent == nil {
		return Path{}, false
	}
	p := Path{m.parent, m.mountpoint}
	p.IncRef()
	return p, true
}
