package vfs

import (
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
)

// Namespace is a tree of mounts (mount_namespaces(7)), or a detached tree, which stands in none.
type Namespace struct {
	v *VFS
	// ID is the number in statmount(2). Immutable.
	ID uint64
	// Inode is the number in /proc/PID/ns, Owner the user namespace whose capabilities count. Immutable
	// once tasks are in it; detached trees have none.
	Inode uint64
	Owner *creds.UserNamespace
	Hold  *creds.NSHold // as Inode; nil for the initial one
	// detached: only a file holds the tree (detached.go). Immutable.
	detached bool

	refs atomic.Int64
	root *Mount // guarded by VFS.mountMu; holds the tree's reference

	events  atomic.Uint64 // counts changes of the tree
	changes wait.Queue
}

// NSType, NSInode and NSOwner implement kernel.Namespace.
func (ns *Namespace) NSType() uint64                { return linux.CLONE_NEWNS }
func (ns *Namespace) NSInode() uint64               { return ns.Inode }
func (ns *Namespace) NSOwner() *creds.UserNamespace { return ns.Owner }

// NewNSInode returns a new inode number for a namespace of any type, as /proc/PID/ns shows it.
func (v *VFS) NewNSInode() uint64 { return v.lastNSInode.Add(1) }

// Events returns a number that is another one after a mount came or went; Changes tells
// when (poll(2) on /proc/PID/mounts).
func (ns *Namespace) Events() uint64       { return ns.events.Load() }
func (ns *Namespace) Changes() *wait.Queue { return &ns.changes }

// touch notes a change. ns may be nil.
func (ns *Namespace) touch() {
	if ns != nil {
		ns.events.Add(1)
		ns.changes.Notify(wait.Err | wait.Pri)
	}
}

// NewNamespace returns a namespace with one reference, whose root is a new instance of fstype.
func (v *VFS) NewNamespace(c Caller, fstype, source string, flags uint64, data string) (*Namespace, error) {
	m, err := v.mountType(c, fstype, source, flags, data)
	if err != nil {
		return nil, err
	}
	return v.newNamespace(m), nil
}

// NewNamespaceOn returns a namespace with one reference, whose root is root, the root inode of sb, to
// which it takes over a reference.
func (v *VFS) NewNamespaceOn(sb *Superblock, root *Inode, source string, flags uint64) *Namespace {
	return v.newNamespace(v.adopt(sb, root, source, flags))
}

func (v *VFS) newNamespace(root *Mount) *Namespace {
	ns := &Namespace{v: v, ID: v.nextTreeID.Add(1), root: root}
	ns.refs.Store(1)
	v.mountMu.Lock()
	v.trees[ns] = struct{}{}
	root.eachLocked(func(m *Mount) { m.ns = ns })
	v.mountMu.Unlock()
	return ns
}

// adopt makes a mount of a superblock that a file system made.
func (v *VFS) adopt(sb *Superblock, root *Inode, source string, flags uint64) *Mount {
	return v.newMount(sb, v.adoptSuper(sb, root, flags), source, perMountFlags(flags))
}

// adoptSuper completes a superblock that a file system made, and returns the dentry of its root.
func (v *VFS) adoptSuper(sb *Superblock, root *Inode, flags uint64) *Dentry {
	if sb.Dev == 0 {
		sb.Dev = v.NewDev()
	}
	sb.v = v
	if flags&linux.MS_RDONLY != 0 && sb.Flags&SBGlobal == 0 {
		sb.SetReadOnly(true)
	}
	sb.treeMu.Lock()
	if sb.limit == 0 {
		sb.limit = v.DentryLimit
	}
	sb.treeMu.Unlock()
	return NewRootDentry(sb, root, "/")
}

func (v *VFS) mountType(c Caller, fstype, source string, flags uint64, data string) (*Mount, error) {
	t, err := v.Type(fstype)
	if err != nil {
		return nil, err
	}
	owner, err := mayMake(c, t)
	if err != nil {
		return nil, err
	}
	sb, root, err := t.Mount(c, source, flags, data)
	if err != nil {
		return nil, err
	}
	sb.own(t, owner)
	if source == "" {
		source = "none"
	}
	return v.adopt(sb, root, source, flags), nil
}

// perMountFlags are the flags of a new mount: relatime unless said otherwise.
func perMountFlags(flags uint64) uint32 {
	f := uint32(flags)
	if f&linux.MS_NOATIME == 0 {
		f |= linux.MS_RELATIME
	}
	if f&linux.MS_STRICTATIME != 0 {
		f &^= linux.MS_RELATIME | linux.MS_NOATIME
	}
	return f & mountFlags
}

// IncRef takes a reference.
func (ns *Namespace) IncRef() { ns.refs.Add(1) }

// DecRef drops a reference; the last one unmounts everything.
func (ns *Namespace) DecRef() {
	if ns.refs.Add(-1) != 0 {
		return
	}
	var r released
	ns.v.mountMu.Lock()
	delete(ns.v.trees, ns)
	ns.v.dissolveLocked(ns.root, &r)
	ns.v.orphansLocked(r.left)
	ns.v.mountMu.Unlock()
	r.drop()
}

// Root returns a referenced path to the root of the tree, with what is mounted over it.
func (ns *Namespace) Root() Path {
	v := ns.v
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	m := ns.root
	for {
		over := v.mounts[mountKey{m, m.Root}]
		if over == nil {
			break
		}
		m = over
	}
	p := Path{m, m.Root}
	p.IncRef()
	return p
}

// Clone copies the namespace (CLONE_NEWNS). fs, the context of who gets it, is moved to the copies of
// the mounts where it was. owner is the user namespace that the copy belongs to: if it is another, what
// was shared only receives. ENOSPC if there are too many mounts.
func (ns *Namespace) Clone(fs *FSContext, owner *creds.UserNamespace) (*Namespace, error) {
	v := ns.v
	userNS := owner != ns.Owner
	copies := make(map[*Mount]*Mount)
	v.mountMu.Lock()
	if err := v.roomLocked(ns.root, 1); err != nil {
		v.mountMu.Unlock()
		return nil, err
	}
	root := v.cloneTreeLocked(ns.root, ns.root.Root, false, func(from, to *Mount) {
		copies[from] = to
		if userNS && to.propagation == Shared {
			to.propagation, to.group, to.master = Slave, 0, to.group
		}
	})
	if userNS {
		v.lockLocked(root)
	}
	v.mountMu.Unlock()
	n := v.newNamespace(root)
	n.Inode, n.Owner = v.NewNSInode(), owner
	if fs != nil {
		fs.translate(copies)
	}
	return n, nil
}

// translate moves root and working directory to the copies of their mounts.
func (f *FSContext) translate(copies map[*Mount]*Mount) {
	f.mu.Lock()
	var old []*Mount
	for _, p := range [...]*Path{&f.root, &f.cwd} {
		if m := copies[p.Mount]; m != nil {
			m.refs.Add(1)
			old = append(old, p.Mount)
			p.Mount = m
		}
	}
	f.mu.Unlock()
	for _, m := range old {
		m.decRef()
	}
}

// Contains reports whether m is mounted in ns.
func (ns *Namespace) Contains(m *Mount) bool {
	ns.v.mountMu.RLock()
	defer ns.v.mountMu.RUnlock()
	return m.ns == ns
}

// Enter returns fresh root and working directory paths for setns(2): the root of ns.
func (ns *Namespace) Enter(fs *FSContext) {
	p := ns.Root()
	fs.SetRoot(p)
	fs.SetCwd(p)
	p.DecRef()
}

// PivotRoot is pivot_root(2): newRoot becomes the root of ns and the caller's root moves to putOld. The caller
// then moves every FSContext that stands at old to now (FSContext.Move).
// Both are returned with references.
func (v *VFS) PivotRoot(c Caller, ns *Namespace, newRoot, putOld Path) (old, now Path, err error) {
	if err := mayChangeMounts(c, ns.Owner); err != nil {
		return old, now, err
	}
	if newRoot.Inode().Type() != linux.S_IFDIR || putOld.Inode().Type() != linux.S_IFDIR {
		return old, now, errno.ENOTDIR
	}
	root := c.FSContext().Root()
	var r released
	defer func() {
		r.drop()
		if err != nil {
			root.DecRef()
		}
	}()
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	nm := newRoot.Mount
	switch {
	case nm.ns != ns || putOld.Mount.ns != ns || root.Mount.ns != ns || nm.locked:
		return old, now, errno.EINVAL
	case newRoot.Dentry.Deleted():
		return old, now, errno.ENOENT
	case nm == root.Mount || putOld.Mount == root.Mount:
		return old, now, errno.EBUSY
	case root.Dentry != root.Mount.Root || newRoot.Dentry != nm.Root || nm.parent == nil:
		return old, now, errno.EINVAL
	case nm.parent.propagation == Shared || putOld.Mount.propagation == Shared:
		return old, now, errno.EINVAL
	case !v.reachableLocked(putOld, newRoot) || !v.reachableLocked(newRoot, root):
		return old, now, errno.EINVAL
	}
	r.paths = append(r.paths, v.unhookLocked(nm))
	if root.Mount.parent != nil {
		at := v.unhookLocked(root.Mount)
		v.attachLocked(nm, at, ns)
		r.paths = append(r.paths, at)
	} else {
		ns.root = nm
	}
	v.attachLocked(root.Mount, putOld, ns)
	nm.locked, root.Mount.locked = root.Mount.locked, false
	newRoot.IncRef()
	return root, newRoot, nil
}

// reachableLocked reports whether p lies below top.
func (v *VFS) reachableLocked(p, top Path) bool {
	m, d := p.Mount, p.Dentry
	for m != top.Mount {
		if m.parent == nil {
			return false
		}
		m, d = m.parent, m.mountpoint
	}
	return below(d, top.Dentry)
}
