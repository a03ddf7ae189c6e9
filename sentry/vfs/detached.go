package vfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// A detached tree is a Namespace that nobody lives in (Linux's anonymous mount namespace). fsmount(2) and
// open_tree(2) make one, with a file that holds it: when that is released, the tree is dissolved,
// unless its root was attached somewhere by then.

// detachedOps are the operations of the file that holds a detached tree.
type detachedOps struct{ pathOps }

// Release implements FileOps.
func (detachedOps) Release(f *File) {
	m := f.Path.Mount
	v := m.v
	var r released
	v.mountMu.Lock()
	if m.ns != nil && m.ns.detached {
		delete(v.trees, m.ns)
		v.dissolveLocked(m, &r)
		v.orphansLocked(r.left)
	}
	v.mountMu.Unlock()
	r.drop()
}

// hold makes m, which is in no tree, the root of a detached one, and returns the file that holds it.
func (v *VFS) hold(c Caller, m *Mount) *File {
	tree := &Namespace{v: v, ID: v.nextTreeID.Add(1), detached: true, root: m}
	v.mountMu.Lock()
	v.trees[tree] = struct{}{}
	m.eachLocked(func(m *Mount) { m.ns = tree })
	v.mountMu.Unlock()
	p := Path{m, m.Root}
	p.IncRef()
	return NewFile(detachedOps{}, p, linux.O_PATH, FModePath, c.Creds())
}

// OpenTree is open_tree(2) with OPEN_TREE_CLONE: a copy of the mount at p, and of those below if rec, is held by the
// O_PATH file returned.
func (v *VFS) OpenTree(c Caller, ns *Namespace, p Path, rec bool) (*File, error) {
	m, err := v.copyMount(ns, p, rec)
	if err != nil {
		return nil, err
	}
	return v.hold(c, m), nil
}

// MoveMount is move_mount(2), and mount(2) with MS_MOVE: the mount at from, in ns or detached, goes to
// the place to in ns, beneath what is mounted there already if beneath.
func (v *VFS) MoveMount(c Caller, ns *Namespace, from, to Path, beneath bool) error {
	if err := mayChangeMounts(c, ns.Owner); err != nil {
		return err
	}
	root := c.FSContext().Root()
	defer root.DecRef()
	var r released
	defer r.drop()
	// The directory must not go away in between.
	tn := to.Inode()
	tn.rw.RLock()
	defer tn.rw.RUnlock()
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	m := from.Mount
	to = v.topLocked(to)
	switch {
	case to.Dentry.Deleted():
		return errno.ENOENT
	case to.Mount.ns != ns, !mayChangeLocked(m, ns), from.Dentry != m.Root:
		return errno.EINVAL
	case (m.Root.Inode().Type() == linux.S_IFDIR) != (to.Inode().Type() == linux.S_IFDIR):
		return errno.EINVAL
	case m.parent != nil && m.parent.propagation == Shared, m.locked:
		return errno.EINVAL
	}
	if m.ns.detached {
		if err := v.revealsLocked(m, ns); err != nil {
			return err
		}
	}
	if beneath {
		if err := v.mayGoBeneathLocked(m, to, root); err != nil {
			return err
		}
		to = Path{to.Mount.parent, to.Mount.mountpoint}
	}
	if to.Mount.propagation == Shared && m.anyLocked(func(m *Mount) bool { return m.propagation == Unbindable }) {
		return errno.EINVAL
	}
	if to.Mount.isBelowLocked(m) {
		return errno.ELOOP
	}
	rs := v.receiversLocked(to.Mount)
	if err := v.roomLocked(m, len(rs)); err != nil {
		return err
	}
	if m.parent != nil {
		r.paths = append(r.paths, v.unhookLocked(m))
	} else {
		delete(v.trees, m.ns)
	}
	v.graftLocked(m, to, ns, rs, &r)
	return nil
}

// mayGoBeneathLocked checks that m can go beneath the mount whose root is at.
func (v *VFS) mayGoBeneathLocked(m *Mount, at, root Path) error {
	top := at.Mount
	switch {
	case at.Dentry != top.Root, top.parent == nil, top == root.Mount:
		return errno.EINVAL
	case v.mounts[mountKey{m, m.Root}] != nil: // would be hidden
		return errno.EINVAL
	case m.isBelowLocked(top):
		return errno.EINVAL
	case top.parent.propagation == Shared && (overmounts(top, top) || m.ns == top.ns && overmounts(m, top)):
		return errno.EINVAL
	}
	return nil
}

// overmounts reports whether what comes to where top is mounted would come to the root of m too, by propagation.
func overmounts(m, top *Mount) bool {
	return m.group == top.parent.group && m.Root == top.mountpoint
}

// isBelowLocked reports whether m is top or is mounted below it.
func (m *Mount) isBelowLocked(top *Mount) bool {
	for ; m != nil; m = m.parent {
		if m == top {
			return true
		}
	}
	return false
}

// anyLocked reports whether test holds for m or a mount below it.
func (m *Mount) anyLocked(test func(*Mount) bool) (found bool) {
	m.eachLocked(func(m *Mount) { found = found || test(m) })
	return found
}

// SetGroup is move_mount(2) with MOVE_MOUNT_SET_GROUP: the private mount at to joins the peer group of the mount at
// from, and receives from where that one does.
func (v *VFS) SetGroup(from, to Path) error {
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	f, t := from.Mount, to.Mount
	switch {
	case f.ns == nil, t.ns == nil, from.Dentry != f.Root, to.Dentry != t.Root:
		return errno.EINVAL
	case f.SB != t.SB, !below(t.Root, f.Root):
		return errno.EINVAL
	case t.group != 0, t.master != 0, f.group == 0 && f.master == 0:
		return errno.EINVAL
	}
	t.propagation, t.group, t.master = f.propagation, f.group, f.master
	return nil
}
