package vfs

import (
	"slices"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// MountStat is what statmount(2) tells of a mount. IDs are the old ones: UniqueMountID makes those of the call.
type MountStat struct {
	ID, ParentID  uint64 // the same in the root
	Mount         *Mount // with a reference
	Point         string // as seen from the root; empty if it can't be seen
	Root          string // the mounted part of the file system
	Propagation   uint64 // MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE
	Group, Master int
	// From is the group in sight that changes come from: Master's, or one that it receives from.
	From int
}

// MountNamespace returns the namespace with an ID, with a reference, or nil.
func (v *VFS) MountNamespace(id uint64) *Namespace {
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	for ns := range v.trees {
		if ns.ID != id || ns.detached {
			continue
		}
		for r := ns.refs.Load(); r > 0; r = ns.refs.Load() {
			if ns.refs.CompareAndSwap(r, r+1) {
				return ns
			}
		}
	}
	return nil
}

// rootFor is where ns is seen from: the caller's root if own, else its own root.
func (ns *Namespace) rootFor(c Caller, own bool) Path {
	if own {
		return c.FSContext().Root()
	}
	return ns.Root()
}

// findLocked returns the mount in ns with a unique number, or nil.
func (ns *Namespace) findLocked(unique uint64) (found *Mount) {
	ns.root.eachLocked(func(m *Mount) {
		if UniqueMountID(m.ID) == unique {
			found = m
		}
	})
	return found
}

// StatMount describes the mount in ns with a unique number, as c sees it; own says that ns is c's. ENOENT if there is
// none, EPERM if c can't see it and may not see everything.
func (v *VFS) StatMount(c Caller, ns *Namespace, own bool, unique uint64) (MountStat, error) {
	root := ns.rootFor(c, own)
	defer root.DecRef()
	s, err := v.statMount(c, ns, root, unique)
	if err != nil {
		return s, err
	}
	p := Path{s.Mount, s.Mount.Root}
	if point, ok := v.pathName(root, p); ok {
		s.Point = point
	}
	s.Root = s.Mount.shownRoot(c, p.Dentry.fsPath())
	return s, nil
}

func (v *VFS) statMount(c Caller, ns *Namespace, root Path, unique uint64) (s MountStat, err error) {
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	m := ns.findLocked(unique)
	if m == nil {
		return s, errno.ENOENT
	}
	if !v.reachableLocked(Path{m, m.Root}, root) && !c.Creds().HasIn(linux.CAP_SYS_ADMIN, ns.Owner) {
		return s, errno.EPERM
	}
	s = MountStat{ID: m.ID, ParentID: m.ID, Mount: m, Group: m.group, Master: m.master}
	if m.parent != nil {
		s.ParentID = m.parent.ID
	}
	if m.group != 0 {
		s.Propagation |= linux.MS_SHARED
	}
	if m.master != 0 {
		s.Propagation |= linux.MS_SLAVE
		s.From = v.dominatingLocked(m, ns, root)
	}
	if m.propagation == Unbindable {
		s.Propagation |= linux.MS_UNBINDABLE
	}
	if s.Propagation == 0 {
		s.Propagation = linux.MS_PRIVATE
	}
	m.refs.Add(1)
	return s, nil
}

// dominatingLocked returns the nearest peer group that m receives from and that has a member in ns below root, or 0.
func (v *VFS) dominatingLocked(m *Mount, ns *Namespace, root Path) int {
	masters := map[int]int{} // of each group
	seen := map[int]bool{}
	v.everyLocked(func(o *Mount) {
		if o.group == 0 {
			return
		}
		masters[o.group] = o.master
		if !seen[o.group] && o.ns == ns && v.reachableLocked(Path{o, o.Root}, root) {
			seen[o.group] = true
		}
	})
	g := m.master
	for range masters {
		if g == 0 || seen[g] {
			return g
		}
		g = masters[g]
	}
	return 0
}

// ListMounts returns at most n unique numbers, in order, of the mounts in ns below the mount with number unique, or
// below what is c's root for LSMT_ROOT. With last they go on behind it.
func (v *VFS) ListMounts(c Caller, ns *Namespace, own bool, unique, last uint64, n int, reverse bool) ([]uint64, error) {
	root := ns.rootFor(c, own)
	defer root.DecRef()
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	top := root
	if unique != linux.LSMT_ROOT {
		m := ns.findLocked(unique)
		if m == nil {
			return nil, errno.ENOENT
		}
		top = Path{m, m.Root}
	}
	if !v.reachableLocked(top, root) && !c.Creds().HasIn(linux.CAP_SYS_ADMIN, ns.Owner) {
		return nil, errno.EPERM
	}
	var ids []uint64
	ns.root.eachLocked(func(m *Mount) {
		id := UniqueMountID(m.ID)
		behind := last == 0 || !reverse && id > last || reverse && id < last
		if behind && id != unique && v.reachableLocked(Path{m, m.Root}, top) {
			ids = append(ids, id)
		}
	})
	slices.Sort(ids)
	if reverse {
		slices.Reverse(ids)
	}
	return ids[:min(n, len(ids))], nil
}
