package vfs

import (
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
	if err := mayChangeMounts(c, ns.Owner); err != nil {
		return err
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
	if err == nil && fresh {
		err = v.revealsLocked(m, ns)
	}
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
	// A namespace holds no older one, nor itself, or it would never go away.
	if held := heldNamespace(from.Dentry); held != nil && held.ID <= ns.ID || !rec && m.hidesLocked(from.Dentry) {
		return nil, errno.EINVAL
	}
	if rec && m.anyLocked(func(o *Mount) bool { return o.locked && o.propagation == Unbindable }) {
		return nil, errno.EPERM
	}
	if rec {
		if err := v.roomLocked(m, 1); err != nil {
			return nil, err
		}
		n := v.cloneTreeLocked(m, from.Dentry, true, nil)
		n.locked = false
		return n, nil
	}
	if v.liveMounts.Load() >= maxMounts {
		return nil, errno.ENOSPC
	}
	n := v.cloneLocked(m, from.Dentry)
	n.locked = false
	return n, nil
}

// remount changes the flags of a mount and, unless bindOnly, those and the options of its file system.
func (v *VFS) remount(c Caller, ns *Namespace, p Path, flags uint64, data string, bindOnly bool) error {
	m := p.Mount
	if !ns.Contains(m) || p.Dentry != m.Root {
		return errno.EINVAL
	}
	if !bindOnly {
		if !c.Creds().HasIn(linux.CAP_SYS_ADMIN, m.SB.UserNS) {
			return errno.EPERM
		}
		if err := v.reconfigure(c, m.SB, data, flags&linux.MS_RDONLY != 0); err != nil {
			return err
		}
	}
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	err := changeFlagsLocked([]*Mount{m}, func(old uint32) uint32 {
		f := perMountFlags(flags)
		const atime = linux.MS_NOATIME | linux.MS_NODIRATIME | linux.MS_RELATIME
		if flags&(atime|linux.MS_STRICTATIME) == 0 {
			f = f&^atime | old&atime
		}
		return f
	})
	if err == nil {
		m.ns.touch()
	}
	return err
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
	if err != nil {
		return err
	}
	if a.Propagation != 0 {
		v.propagateAsLocked(ms, a.Propagation)
	}
	if a.Set|a.Clear != 0 {
		p.Mount.ns.touch()
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

// Umount is umount2(2) on p, in ns, with flags MNT_*. The caller's reference to p is taken into account, and
// no other.
func (v *VFS) Umount(c Caller, ns *Namespace, p Path, flags uint32) error {
	if err := mayChangeMounts(c, ns.Owner); err != nil {
		return err
	}
	if flags&linux.MNT_EXPIRE != 0 && flags&(linux.MNT_FORCE|linux.MNT_DETACH) != 0 {
		return errno.EINVAL
	}
	var r released
	defer r.drop()
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	m := p.Mount
	if m.ns != ns || p.Dentry != m.Root || m.locked {
		return errno.EINVAL
	}
	if flags&linux.MNT_FORCE != 0 && !c.Creds().Has(linux.CAP_SYS_ADMIN) {
		return errno.EPERM
	}
	if m.parent == nil {
		// The root of everything stays (Linux keeps a rootfs below it).
		return errno.EBUSY
	}
	if flags&linux.MNT_DETACH == 0 {
		// One reference is the tree's, one the caller's.
		if m.refs.Load() > 2 || v.fellowsBusyLocked(m) {
			return errno.EBUSY
		}
		if flags&linux.MNT_EXPIRE != 0 && !m.expiring.Swap(true) {
			return errno.EAGAIN
		}
	}
	v.umountLocked(m, &r)
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
