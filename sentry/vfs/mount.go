package vfs

import (
	"slices"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
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
	ID     uint64 // in mountinfo and statx; UniqueMountID for statmount
	SB     *Superblock
	Root   *Dentry // what the mount shows; holds a reference
	Source string  // the first field of /proc/mounts
	v      *VFS

	refs     atomic.Int64
	flags    atomic.Uint32 // mountFlags
	expiring atomic.Bool   // umount2(MNT_EXPIRE) came by and nobody used the mount since
	writers  atomic.Int64  // regular files open for writing

	// Guarded by VFS.mountMu.
	ns          *Namespace // nil when unmounted
	parent      *Mount     // nil in the namespace's root; with mountpoint holds references
	mountpoint  *Dentry
	children    []*Mount
	propagation Propagation
	group       int       // peer group, if shared
	master      int       // peer group that a slave receives from
	locked      bool      // cannot be unmounted or moved alone; see mountlock.go
	lockedFlags uint32    // flags that cannot be cleared
	lockedAtime bool      // MS_NOATIME and its like stay as they are
	hidden      []*Dentry // with references: see hideLocked
}

// mountFlags are the MS_* flags that a mount has for itself.
const mountFlags = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC | linux.MS_NOATIME |
	linux.MS_NODIRATIME | linux.MS_RELATIME | linux.MS_NOSYMFOLLOW

// UniqueMountID is the number by which statmount(2) and listmount(2) know the mount with an ID. Linux's begin
// above all old ones, so that nobody takes one for the other.
func UniqueMountID(id uint64) uint64 { return FirstUniqueMountID + id }

// FirstUniqueMountID is below all unique numbers.
const FirstUniqueMountID = 1 << 31

// Flags returns the per-mount MS_* flags.
func (m *Mount) Flags() uint32 { return m.flags.Load() }

// ReadOnly reports whether nothing can be changed through m.
func (m *Mount) ReadOnly() bool {
	return m.flags.Load()&linux.MS_RDONLY != 0 || m.SB.readOnly.Load()
}

// newMount returns a mount with one reference that is in no tree. It takes over the reference to root.
func (v *VFS) newMount(sb *Superblock, root *Dentry, source string, flags uint32) *Mount {
	m := &Mount{ID: v.nextMountID.Add(1), SB: sb, Root: root, Source: source, v: v}
	m.flags.Store(flags)
	m.refs.Store(1)
	sb.active.Add(1)
	v.liveMounts.Add(1)
	return m
}

// IncRef takes a reference. Preconditions: the caller holds one.
func (m *Mount) IncRef() { m.refs.Add(1) }

// DecRef drops a reference.
func (m *Mount) DecRef() { m.decRef() }

func (m *Mount) decRef() {
	switch r := m.refs.Add(-1); {
	case r == 0:
		m.v.liveMounts.Add(-1)
		m.unhide()
		m.Root.DecRef()
		m.SB.decActive()
	case r < 0:
		panic("vfs: mount reference count below zero")
	}
}

// mountOn returns what is mounted on p, with a reference, or nil; then p may be hidden.
func (v *VFS) mountOn(p Path) (m *Mount, hidden bool) {
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	m = v.mounts[mountKey{p.Mount, p.Dentry}]
	if m == nil {
		return nil, slices.Contains(p.Mount.hidden, p.Dentry)
	}
	m.refs.Add(1)
	if m.expiring.Load() {
		m.expiring.Store(false)
	}
	return m, false
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

// attachLocked puts m, which is in no tree and whose reference the tree takes over, on p in ns, with
// all that is below it. It takes references of its own to p. Preconditions: mountMu is held for writing.
func (v *VFS) attachLocked(m *Mount, p Path, ns *Namespace) {
	p.IncRef()
	p.Dentry.mounted.Add(1)
	m.parent, m.mountpoint = p.Mount, p.Dentry
	p.Mount.children = append(p.Mount.children, m)
	v.mounts[mountKey{p.Mount, p.Dentry}] = m
	m.eachLocked(func(m *Mount) { m.ns = ns })
	ns.touch()
}

// unhookLocked takes m out of its parent. The reference that the tree held passes to the caller, as
// do those to the returned path. Preconditions: mountMu is held for writing; m has a parent.
func (v *VFS) unhookLocked(m *Mount) Path {
	p := Path{m.parent, m.mountpoint}
	delete(v.mounts, mountKey{p.Mount, p.Dentry})
	p.Dentry.mounted.Add(-1)
	i := slices.Index(p.Mount.children, m)
	p.Mount.children = slices.Delete(p.Mount.children, i, i+1)
	m.parent, m.mountpoint = nil, nil
	m.ns.touch()
	return p
}

// maxMounts bounds the mounts of all namespaces together: binds can double what there is (/proc/sys/fs/mount-max).
const maxMounts = 100000

// everyLocked calls fn for every mount that is in a tree.
func (v *VFS) everyLocked(fn func(*Mount)) {
	for ns := range v.trees {
		fn(ns.root)
	}
	for _, m := range v.mounts {
		fn(m)
	}
}

// changeFlagsLocked gives mounts other flags, all of them or, with an error, none: EBUSY if one that becomes
// read-only has files open for writing, EPERM if one may not have the flags.
func changeFlagsLocked(ms []*Mount, change func(uint32) uint32) error {
	old := make([]uint32, len(ms))
	for i, m := range ms {
		old[i] = m.Flags()
		now := change(old[i])
		if !m.mayHaveLocked(old[i], now) {
			for j := range i {
				ms[j].flags.Store(old[j])
			}
			return errno.EPERM
		}
		// First the flag, then the count: who opens does it the other way round.
		m.flags.Store(now)
		if now&^old[i]&linux.MS_RDONLY != 0 && m.writers.Load() > 0 {
			for j := range i + 1 {
				ms[j].flags.Store(old[j])
			}
			return errno.EBUSY
		}
	}
	return nil
}

// roomLocked returns ENOSPC if there may not be so many copies of m, with all below it, more.
func (v *VFS) roomLocked(m *Mount, copies int) error {
	n := 0
	m.eachLocked(func(*Mount) { n++ })
	if int64(n)*int64(copies)+v.liveMounts.Load() > maxMounts {
		return errno.ENOSPC
	}
	return nil
}

// eachLocked calls fn for m and all mounts below it, parents first.
func (m *Mount) eachLocked(fn func(*Mount)) {
	fn(m)
	for _, c := range m.children {
		c.eachLocked(fn)
	}
}

// released collects references to be dropped when mountMu is free again.
type released struct {
	mounts []*Mount
	paths  []Path
	// left are the peer groups that mounts were in, with their masters, for orphansLocked.
	left map[int]int
}

// leaveLocked notes that m is to leave its group.
func (r *released) leaveLocked(m *Mount) {
	if m.group != 0 {
		if r.left == nil {
			r.left = make(map[int]int)
		}
		r.left[m.group] = m.master
	}
}

func (r *released) drop() {
	for _, p := range r.paths {
		p.DecRef()
	}
	for _, m := range r.mounts {
		m.decRef()
	}
}

// dissolveLocked takes m and all below it apart, and out of their namespace.
func (v *VFS) dissolveLocked(m *Mount, r *released) {
	for len(m.children) > 0 {
		v.dissolveLocked(m.children[len(m.children)-1], r)
	}
	if m.parent != nil {
		if m.locked {
			m.parent.hideLocked(m.mountpoint)
		}
		r.paths = append(r.paths, v.unhookLocked(m))
	}
	m.ns = nil
	r.leaveLocked(m)
	m.group, m.master, m.propagation = 0, 0, Private
	r.mounts = append(r.mounts, m)
}

// cloneLocked copies m alone, showing root.
func (v *VFS) cloneLocked(m *Mount, root *Dentry) *Mount {
	root.IncRef()
	n := v.newMount(m.SB, root, m.Source, m.Flags())
	n.propagation, n.group, n.master = m.propagation, m.group, m.master
	n.locked, n.lockedFlags, n.lockedAtime = m.locked, m.lockedFlags, m.lockedAtime
	return n
}

// cloneTreeLocked copies m, showing root, and the mounts below root. seen, if not nil, is told of
// each copy. Unbindable mounts are left out if bind is set, files that hold mount namespaces if it is not.
func (v *VFS) cloneTreeLocked(m *Mount, root *Dentry, bind bool, seen func(from, to *Mount)) *Mount {
	n := v.cloneLocked(m, root)
	if seen != nil {
		seen(m, n)
	}
	for _, c := range m.children {
		if bind && c.propagation == Unbindable || !bind && heldNamespace(c.Root) != nil || !below(c.mountpoint, root) {
			continue
		}
		v.attachLocked(v.cloneTreeLocked(c, c.Root, bind, seen), Path{n, c.mountpoint}, nil)
	}
	return n
}
