package vfs

import (
	"cmp"
	"slices"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Remounter is a SuperOps that can change its options (mount(2) with MS_REMOUNT).
type Remounter interface {
	Remount(c Caller, sb *Superblock, data string) error
}

const propagationFlags = linux.MS_SHARED | linux.MS_PRIVATE | linux.MS_SLAVE | linux.MS_UNBINDABLE

// Mount is mount(2) on target, in ns. source is looked up for MS_BIND and MS_MOVE.
func (v *VFS) Mount(c Caller, ns *Namespace, source string, target Path, fstype string, flags uint64, data string) error {
	if flags&linux.MS_MGC_MSK == linux.MS_MGC_VAL {
		flags &^= linux.MS_MGC_MSK
	}
	if !c.Creds().Has(linux.CAP_SYS_ADMIN) {
		return errno.EPERM
	}
	switch {
	case flags&(linux.MS_REMOUNT|linux.MS_BIND) == linux.MS_REMOUNT|linux.MS_BIND:
		return v.remount(c, ns, target, flags, data, true)
	case flags&linux.MS_REMOUNT != 0:
		return v.remount(c, ns, target, flags, data, false)
	case flags&linux.MS_BIND != 0:
		return v.withSource(c, source, func(from Path) error { return v.bind(ns, from, target, flags&linux.MS_REC != 0) })
	case flags&propagationFlags != 0:
		return v.setPropagation(ns, target, flags)
	case flags&linux.MS_MOVE != 0:
		return v.withSource(c, source, func(from Path) error { return v.MoveMount(c, ns, from, target, false) })
	}
	if fstype == "" {
		return errno.EINVAL
	}
	m, err := v.mountType(c, fstype, source, flags, data)
	if err != nil {
		return err
	}
	return v.place(m, target, ns, true)
}

// MountOn mounts root, the root inode of sb, on target in ns, as mount(2) does. It takes over the
// reference to root. boot uses it for what the sandbox starts with.
func (v *VFS) MountOn(ns *Namespace, sb *Superblock, root *Inode, source string, target Path, flags uint64) error {
	return v.place(v.adopt(sb, root, source, flags), target, ns, false)
}

func (v *VFS) withSource(c Caller, source string, fn func(Path) error) error {
	if source == "" {
		return errno.EINVAL
	}
	p, err := v.Resolve(c, Path{}, source, LookupFollow)
	if err != nil {
		return err
	}
	defer p.DecRef()
	return fn(p)
}

// place attaches m to target, or drops it. fresh refuses a file system on top of itself.
func (v *VFS) place(m *Mount, target Path, ns *Namespace, fresh bool) error {
	var r released
	defer r.drop()
	// The directory must not go away in between.
	tn := target.Inode()
	tn.rw.RLock()
	defer tn.rw.RUnlock()
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	target = v.topLocked(target)
	err := v.mayPlaceLocked(m, target, ns)
	if err == nil && fresh && target.Dentry == target.Mount.Root && target.Mount.SB == m.SB {
		err = errno.EBUSY
	}
	rs := v.receiversLocked(target.Mount)
	if err == nil {
		err = v.roomLocked(m, len(rs))
	}
	if err != nil {
		v.dissolveLocked(m, &r)
		return err
	}
	v.graftLocked(m, target, ns, rs, &r)
	return nil
}

// topLocked goes on to what was mounted on p since it was resolved.
func (v *VFS) topLocked(p Path) Path {
	for {
		m := v.mounts[mountKey{p.Mount, p.Dentry}]
		if m == nil {
			return p
		}
		p = Path{m, m.Root}
	}
}

func (v *VFS) mayPlaceLocked(m *Mount, target Path, ns *Namespace) error {
	switch {
	case target.Mount.ns != ns:
		return errno.EINVAL
	case target.Dentry.Deleted():
		return errno.ENOENT
	case (m.Root.Inode().Type() == linux.S_IFDIR) != (target.Inode().Type() == linux.S_IFDIR):
		return errno.ENOTDIR
	}
	return nil
}

func (v *VFS) bind(ns *Namespace, from, target Path, rec bool) error {
	m, err := v.copyMount(ns, from, rec)
	if err != nil {
		return err
	}
	return v.place(m, target, ns, false)
}

// copyMount returns a copy of the mount at from, showing what is there, and of what is mounted below if rec.
// It is in no tree.
func (v *VFS) copyMount(ns *Namespace, from Path, rec bool) (*Mount, error) {
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	m := from.Mount
	if m.propagation == Unbindable || m.ns != ns && (m.ns != nil || m != v.anonMount) {
		return nil, errno.EINVAL
	}
	if rec {
		if err := v.roomLocked(m, 1); err != nil {
			return nil, err
		}
		return v.cloneTreeLocked(m, from.Dentry, true, nil), nil
	}
	if v.liveMounts.Load() >= maxMounts {
		return nil, errno.ENOSPC
	}
	return v.cloneLocked(m, from.Dentry), nil
}

// remount changes the flags of a mount and, unless bindOnly, those and the options of its file system.
func (v *VFS) remount(c Caller, ns *Namespace, p Path, flags uint64, data string, bindOnly bool) error {
	m := p.Mount
	if !ns.Contains(m) || p.Dentry != m.Root {
		return errno.EINVAL
	}
	if !bindOnly {
		if err := v.reconfigure(c, m.SB, data, flags&linux.MS_RDONLY != 0); err != nil {
			return err
		}
	}
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	return changeFlagsLocked([]*Mount{m}, func(old uint32) uint32 {
		f := perMountFlags(flags)
		const atime = linux.MS_NOATIME | linux.MS_NODIRATIME | linux.MS_RELATIME
		if flags&(atime|linux.MS_STRICTATIME) == 0 {
			f = f&^atime | old&atime
		}
		return f
	})
}

// reconfigure changes the options of a file system, if data holds any, and whether it is read-only: EBUSY
// if files are open for writing.
func (v *VFS) reconfigure(c Caller, sb *Superblock, data string, ro bool) error {
	was := sb.ReadOnly()
	if ro && !was {
		if sb.SetReadOnly(true); sb.writers.Load() > 0 {
			sb.SetReadOnly(false)
			return errno.EBUSY
		}
	}
	if data != "" {
		r, ok := sb.Ops.(Remounter)
		if !ok {
			sb.SetReadOnly(was)
			return errno.EINVAL
		}
		if err := r.Remount(c, sb, data); err != nil {
			sb.SetReadOnly(was)
			return err
		}
	}
	sb.SetReadOnly(ro)
	return nil
}

// mayChangeLocked reports whether m can be changed from ns: it is mounted there, or the root of a detached tree.
func mayChangeLocked(m *Mount, ns *Namespace) bool {
	return m.ns == ns || m.ns != nil && m.ns.detached && m.parent == nil
}

// MountAttr is a change of mounts (mount_setattr(2)).
type MountAttr struct {
	Set, Clear  uint32 // MS_*; what is in both is set
	Propagation uint64 // MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE, or 0 to leave it
	Recursive   bool   // the mounts below too
}

// SetMountAttr changes the mount at p, and those below if a says so: all or none of them.
func (v *VFS) SetMountAttr(ns *Namespace, p Path, a MountAttr) error {
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	if p.Dentry != p.Mount.Root || !mayChangeLocked(p.Mount, ns) {
		return errno.EINVAL
	}
	ms := []*Mount{p.Mount}
	if a.Recursive {
		ms = ms[:0]
		p.Mount.eachLocked(func(m *Mount) { ms = append(ms, m) })
	}
	err := changeFlagsLocked(ms, func(old uint32) uint32 { return old&^a.Clear | a.Set&mountFlags })
	if err != nil || a.Propagation == 0 {
		return err
	}
	for _, m := range ms {
		v.propagateAsLocked(m, a.Propagation)
	}
	return nil
}

// setPropagation is mount(2) with one of MS_SHARED, MS_PRIVATE, MS_SLAVE and MS_UNBINDABLE.
func (v *VFS) setPropagation(ns *Namespace, p Path, flags uint64) error {
	kind := flags & propagationFlags
	if kind&(kind-1) != 0 || flags&^(propagationFlags|linux.MS_REC|linux.MS_SILENT) != 0 {
		return errno.EINVAL
	}
	return v.SetMountAttr(ns, p, MountAttr{Propagation: kind, Recursive: flags&linux.MS_REC != 0})
}

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

// receiversLocked returns the mounts that see what happens in m: its peers and their slaves.
func (v *VFS) receiversLocked(m *Mount) (rs []*Mount) {
	if m.group == 0 {
		return nil
	}
	seen := map[*Mount]bool{m: true}
	groups := []int{m.group}
	consider := func(o *Mount, g int) {
		if !seen[o] && (o.group == g || o.master == g) {
			seen[o] = true
			rs = append(rs, o)
			if o.group != 0 && o.group != g {
				groups = append(groups, o.group)
			}
		}
	}
	for len(groups) > 0 {
		g := groups[0]
		groups = groups[1:]
		v.everyLocked(func(o *Mount) { consider(o, g) })
	}
	slices.SortFunc(rs, func(a, b *Mount) int { return cmp.Compare(a.ID, b.ID) })
	return rs
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

// Umount is umount2(2) on p, in ns, with flags MNT_*. The caller's reference to p is taken into account, and
// no other.
func (v *VFS) Umount(c Caller, ns *Namespace, p Path, flags uint32) error {
	if !c.Creds().Has(linux.CAP_SYS_ADMIN) {
		return errno.EPERM
	}
	if flags&linux.MNT_EXPIRE != 0 && flags&(linux.MNT_FORCE|linux.MNT_DETACH) != 0 {
		return errno.EINVAL
	}
	var r released
	defer r.drop()
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	m := p.Mount
	if m.ns != ns || p.Dentry != m.Root {
		return errno.EINVAL
	}
	if m.parent == nil {
		// The root of everything stays (Linux keeps a rootfs below it).
		return errno.EBUSY
	}
	if flags&linux.MNT_DETACH == 0 {
		// One reference is the tree's, one the caller's.
		if m.refs.Load() > 2 {
			return errno.EBUSY
		}
		if flags&linux.MNT_EXPIRE != 0 && !m.expiring.Swap(true) {
			return errno.EAGAIN
		}
	}
	at := Path{m.parent, m.mountpoint}
	if at.Mount.propagation == Shared {
		for _, rc := range v.receiversLocked(at.Mount) {
			o := v.mounts[mountKey{rc, at.Dentry}]
			if o != nil && (flags&linux.MNT_DETACH != 0 || o.refs.Load() == 1 && len(o.children) == 0) {
				v.dissolveLocked(o, &r)
			}
		}
	}
	v.dissolveLocked(m, &r)
	return nil
}

// SyncAll is sync(2): every mounted file system writes out what it holds.
func (v *VFS) SyncAll(c Caller) {
	sbs := make(map[*Superblock]*Mount)
	v.mountMu.RLock()
	add := func(m *Mount) {
		if sbs[m.SB] == nil {
			m.refs.Add(1)
			sbs[m.SB] = m
		}
	}
	for _, m := range v.mounts {
		add(m)
		for ; m.parent != nil; m = m.parent {
			add(m.parent)
		}
	}
	v.mountMu.RUnlock()
	for sb, m := range sbs {
		sb.Ops.Sync(c, sb)
		m.decRef()
	}
}
