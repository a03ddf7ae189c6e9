package vfs

import (
	"cmp"
	"slices"

	"ringfence/abi/linux"
)

// How mounts and unmounts spread among peers and to slaves (mount_namespaces(7)).

// propagateAsLocked makes m MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE.
func (v *VFS) propagateAsLocked(m *Mount, kind uint64) {
	switch kind {
	case linux.MS_SHARED:
		v.shareLocked(m)
	case linux.MS_SLAVE:
		if m.propagation == Unbindable {
			return
		}
		// Alone in its group there is nobody to receive from.
		if m.propagation == Shared {
			m.master = 0
			if v.hasPeerLocked(m) {
				m.master = m.group
			}
		}
		m.group = 0
		if m.propagation = Slave; m.master == 0 {
			m.propagation = Private
		}
	case linux.MS_PRIVATE:
		m.propagation, m.group, m.master = Private, 0, 0
	case linux.MS_UNBINDABLE:
		m.propagation, m.group, m.master = Unbindable, 0, 0
	}
}

// shareLocked puts m into a peer group of its own if it is in none.
func (v *VFS) shareLocked(m *Mount) {
	if m.propagation != Shared {
		v.nextGroup++
		m.propagation, m.group = Shared, v.nextGroup
	}
}

func (v *VFS) hasPeerLocked(m *Mount) (found bool) {
	v.everyLocked(func(o *Mount) { found = found || o != m && o.group == m.group })
	return found
}

// groups knows which mounts are in a peer group, and which receive from it.
type groups struct{ peers, slaves map[int][]*Mount }

func (v *VFS) groupsLocked() groups {
	g := groups{make(map[int][]*Mount), make(map[int][]*Mount)}
	v.everyLocked(func(m *Mount) {
		if m.group != 0 {
			g.peers[m.group] = append(g.peers[m.group], m)
		}
		if m.master != 0 {
			g.slaves[m.master] = append(g.slaves[m.master], m)
		}
	})
	return g
}

// receivers returns the mounts that see what happens in m: its peers and their slaves, oldest first.
func (g groups) receivers(m *Mount) (rs []*Mount) {
	if m.group == 0 {
		return nil
	}
	seen := map[*Mount]bool{m: true}
	for todo := []int{m.group}; len(todo) > 0; todo = todo[1:] {
		for _, ms := range [...][]*Mount{g.peers[todo[0]], g.slaves[todo[0]]} {
			for _, o := range ms {
				if seen[o] {
					continue
				}
				seen[o] = true
				rs = append(rs, o)
				if o.group != 0 && o.group != todo[0] {
					todo = append(todo, o.group)
				}
			}
		}
	}
	slices.SortFunc(rs, func(a, b *Mount) int { return cmp.Compare(a.ID, b.ID) })
	return rs
}

func (v *VFS) receiversLocked(m *Mount) []*Mount {
	if m.group == 0 {
		return nil
	}
	return v.groupsLocked().receivers(m)
}

// graftLocked puts m on target in ns and repeats that in rs, the receivers of target's mount when m was not
// there yet. Where the parent is shared, m and its copies form a peer group, as does each mount below. What is mounted
// there already stays on top.
func (v *VFS) graftLocked(m *Mount, target Path, ns *Namespace, rs []*Mount, r *released) {
	type graft struct {
		m  *Mount
		on *Mount
	}
	var copies []graft
	if target.Mount.propagation == Shared {
		m.eachLocked(v.shareLocked)
		for _, on := range rs {
			if on.ns == nil || on.ns.detached || !below(target.Dentry, on.Root) {
				continue
			}
			c := v.cloneTreeLocked(m, m.Root, true, func(from, to *Mount) {
				if on.propagation != Shared {
					to.propagation, to.group, to.master = Slave, 0, from.group
				}
			})
			copies = append(copies, graft{c, on})
		}
	}
	v.slipLocked(m, target, ns, r)
	for _, c := range copies {
		v.slipLocked(c.m, Path{c.on, target.Dentry}, c.on.ns, r)
	}
}

// slipLocked is attachLocked, but what is mounted on p goes on top of m.
func (v *VFS) slipLocked(m *Mount, p Path, ns *Namespace, r *released) {
	over := v.mounts[mountKey{p.Mount, p.Dentry}]
	if over != nil {
		r.paths = append(r.paths, v.unhookLocked(over))
	}
	v.attachLocked(m, p, ns)
	if over != nil {
		v.attachLocked(over, v.topLocked(Path{m, m.Root}), ns)
	}
}

// fellowsLocked returns what is mounted in the place of m wherever m's parent has peers or slaves.
func (v *VFS) fellowsLocked(g groups, m *Mount) (fs []*Mount) {
	if m.parent == nil {
		return nil
	}
	for _, on := range g.receivers(m.parent) {
		if o := v.mounts[mountKey{on, m.mountpoint}]; o != nil {
			fs = append(fs, o)
		}
	}
	return fs
}

// fellowsBusyLocked reports whether somebody uses one of the mounts that would go with m. Those that have others
// below would not.
func (v *VFS) fellowsBusyLocked(m *Mount) bool {
	if m.parent.group == 0 {
		return false
	}
	for _, o := range v.fellowsLocked(v.groupsLocked(), m) {
		covered := len(o.children) == 1 && o.children[0].mountpoint == o.Root
		used := int64(1)
		if covered {
			used++
		}
		if (covered || len(o.children) == 0) && o.refs.Load() > used {
			return true
		}
	}
	return false
}

// umountLocked takes m apart, with all below it, and what is mounted in the place of each of them at peers and
// slaves. A mount there stays if one that stays is below it; one that covers its root does not count
// and takes its place.
func (v *VFS) umountLocked(m *Mount, r *released) {
	g := v.groupsLocked()
	own, gone := map[*Mount]bool{}, map[*Mount]bool{}
	m.eachLocked(func(o *Mount) { own[o] = true })
	var fellows []*Mount
	m.eachLocked(func(o *Mount) {
		for _, f := range v.fellowsLocked(g, o) {
			if !own[f] && !gone[f] {
				gone[f] = true
				fellows = append(fellows, f)
			}
		}
	})
	stays := func(f *Mount) bool {
		return slices.ContainsFunc(f.children, func(c *Mount) bool {
			return c.mountpoint != f.Root && !gone[c] && !own[c]
		})
	}
	for _, f := range fellows {
		for ; f != nil && gone[f] && stays(f); f = f.parent {
			delete(gone, f)
		}
	}
	v.dissolveLocked(m, r)

	type move struct {
		m  *Mount
		to Path
	}
	var covers []move
	for _, f := range fellows {
		c := v.mounts[mountKey{f, f.Root}]
		if !gone[f] || c == nil || gone[c] {
			continue
		}
		to := Path{f.parent, f.mountpoint}
		for gone[to.Mount] {
			to = Path{to.Mount.parent, to.Mount.mountpoint}
		}
		covers = append(covers, move{c, to})
	}
	for _, c := range covers {
		r.paths = append(r.paths, v.unhookLocked(c.m))
	}
	for _, f := range fellows {
		// Some went with those above them.
		if gone[f] && f.ns != nil {
			v.dissolveLocked(f, r)
		}
	}
	for _, c := range covers {
		v.attachLocked(c.m, v.topLocked(c.to), c.to.Mount.ns)
	}
}
