package vfs

import (
	"cmp"
	"slices"

	"ringfence/abi/linux"
)

// How mounts and unmounts spread among peers and to slaves (mount_namespaces(7)).

// propagateAsLocked makes each of ms MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE.
func (v *VFS) propagateAsLocked(ms []*Mount, kind uint64) {
	size := map[int]int{} // of the groups
	if kind == linux.MS_SLAVE {
		v.everyLocked(func(m *Mount) { size[m.group]++ })
	}
	var r released
	for _, m := range ms {
		r.leaveLocked(m)
		v.setKindLocked(m, kind, size)
	}
	v.orphansLocked(r.left)
}

// setKindLocked is propagateAsLocked for one mount. size counts the members of the groups if m is to be a slave.
func (v *VFS) setKindLocked(m *Mount, kind uint64, size map[int]int) {
	switch kind {
	case linux.MS_SHARED:
		v.shareLocked(m)
	case linux.MS_SLAVE:
		if m.propagation == Unbindable {
			return
		}
		// Alone in its group there is nobody to receive from, but for whom it receives from already.
		if size[m.group]--; m.group != 0 && size[m.group] > 0 {
			m.master = m.group
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
	var copies, on []*Mount
	if target.Mount.group != 0 {
		for _, o := range rs {
			if o.ns != nil && !o.ns.detached && below(target.Dentry, o.Root) {
				on = append(on, o)
			}
		}
		kin := v.kinship(target.Mount.group, rs, on)
		m.eachLocked(v.shareLocked)
		for _, o := range on {
			copies = append(copies, v.cloneTreeLocked(m, m.Root, true, func(from, to *Mount) { kin.adopt(o, from, to) }))
		}
	}
	v.slipLocked(m, target, ns, r)
	for i, c := range copies {
		if on[i].ns.Owner != ns.Owner {
			v.lockLocked(c)
		}
		v.slipLocked(c, Path{on[i], target.Dentry}, on[i].ns, r)
	}
}

// kinship says which groups the copies of mounts are in, when they are mounted in one group and in those
// that receive from it: copies are to each other as the mounts that they are mounted on.
type kinship struct {
	v      *VFS
	top    int            // where the originals are mounted
	group  map[*Mount]int // of who gets copies, before the originals were shared: they may be among them
	master map[int]int    // of the groups
	got    map[int]bool
	made   map[[2]int]int // group of copies, by group mounted on and group of the original
}

// kinship is for mounts on a member of the group top, all the receivers rs of which are known; those in on get copies.
func (v *VFS) kinship(top int, rs, on []*Mount) *kinship {
	k := &kinship{v, top, map[*Mount]int{}, map[int]int{}, map[int]bool{0: true, top: true}, map[[2]int]int{}}
	for _, r := range rs {
		k.master[r.group] = r.master
	}
	for _, o := range on {
		k.group[o] = o.group
		k.got[o.group] = true
	}
	return k
}

// adopt gives to, a copy of from that is to be mounted on on, or below that, its groups.
func (k *kinship) adopt(on, from, to *Mount) {
	group, master := k.group[on], on.master
	if group == k.top {
		return // a peer
	}
	// This ends: the master of a group is an older one.
	for !k.got[master] {
		master = k.master[master]
	}
	to.propagation, to.group, to.master = Slave, 0, k.copies(master, from.group)
	if group != 0 {
		to.propagation, to.group = Shared, k.copies(group, from.group)
	}
}

// copies returns the group of the copies of what is in the group original that are mounted in the group on.
func (k *kinship) copies(on, original int) int {
	if on == k.top {
		return original
	}
	g := k.made[[2]int{on, original}]
	if g == 0 {
		k.v.nextGroup++
		g = k.v.nextGroup
		k.made[[2]int{on, original}] = g
	}
	return g
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

// fellowsLocked returns what is mounted in the place of m wherever m's parent has peers or slaves. Preconditions: m has a
// parent.
func (v *VFS) fellowsLocked(g groups, m *Mount) (fs []*Mount) {
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
	if !m.anyLocked(func(o *Mount) bool { return o.parent.group != 0 }) {
		v.dissolveLocked(m, r)
		v.orphansLocked(r.left)
		return
	}
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
	v.orphansLocked(r.left)
}

// orphansLocked finds the slaves of groups that may have lost their last member another master, or none. left
// are these groups and the masters that they had.
func (v *VFS) orphansLocked(left map[int]int) {
	if len(left) == 0 {
		return
	}
	alive := map[int]bool{0: true}
	var slaves []*Mount
	v.everyLocked(func(m *Mount) {
		alive[m.group] = true
		if m.master != 0 {
			slaves = append(slaves, m)
		}
	})
	for _, m := range slaves {
		for range left {
			if alive[m.master] {
				break
			}
			m.master = left[m.master]
		}
		if m.master == 0 && m.propagation == Slave {
			m.propagation = Private
		}
	}
}
