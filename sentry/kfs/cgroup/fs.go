// Package cgroup is cgroup2: the hierarchy of control groups as directories (cgroups(7)).
//
//	fs.go      the file system, and who may move tasks
//	group.go   a group's directory
//	file.go    the files in it: how they are opened, read, written, polled
//	files.go   what is in them
//
// There is one hierarchy, and one instance of the file system, of which each mount shows what is below the root of the mounter's
// cgroup namespace. What groups are and do is in sentry/kernel (cgroup.go); here they have names, owners and modes.
//
// Lock order: Kernel.mu, then FS.mu, a leaf.
package cgroup

import (
	"strings"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

// FS is the file system type, and its one superblock's vfs.SuperOps.
type FS struct {
	vfs.BaseSuper
	k        *kernel.Kernel
	sb       *vfs.Superblock
	root     *group
	delegate atomic.Bool // nsdelegate: cgroup namespaces are borders that tasks don't cross

	mu sync.Mutex // guards group.children and group.files
}

// New returns the file system of k's groups.
func New(k *kernel.Kernel) *FS {
	fs := &FS{k: k}
	fs.sb = vfs.NewSuperblock("cgroup2", linux.CGROUP2_SUPER_MAGIC, vfs.SBNoNegative|vfs.SBRevalidate|vfs.SBGlobal, fs)
	fs.sb.Dev = k.VFS.NewDev()
	fs.sb.Hold() // groups stay without a mount
	fs.root = fs.newGroup(nil, k.RootCgroup(), vfs.Attr{Mode: linux.S_IFDIR | 0o555, Btime: k.Now()})
	return fs
}

// Mount implements vfs.FSType.
func (fs *FS) Mount(c vfs.Caller, _ string, _ uint64, data string) (*vfs.Superblock, *vfs.Inode, error) {
	ns := namespace(c)
	root := fs.root
	if ns != nil {
		if root = fs.find(ns.Root); root == nil {
			return nil, nil, errno.ENOENT
		}
	}
	switch data {
	case "":
	case "nsdelegate":
		if root == fs.root {
			fs.delegate.Store(true)
		}
	default:
		return nil, nil, errno.EINVAL
	}
	root.inode.IncRef()
	return fs.sb, root.inode, nil
}

// CheckOption implements vfs.OptionChecker.
func (*FS) CheckOption(key, _ string, hasValue bool) (known, good bool) {
	return key == "nsdelegate", !hasValue
}

// MountOwner implements vfs.UserMounter.
func (fs *FS) MountOwner(c vfs.Caller) *creds.UserNamespace {
	if ns := namespace(c); ns != nil {
		return ns.NSOwner()
	}
	return nil
}

// Revealing implements vfs.UserMounter.
func (*FS) Revealing() bool { return false }

// Options implements vfs.SuperOps.
func (fs *FS) Options(*vfs.Superblock) string {
	if fs.delegate.Load() {
		return "nsdelegate"
	}
	return ""
}

// ShowRoot implements vfs.RootShower: paths begin at the root of c's cgroup namespace.
func (fs *FS) ShowRoot(c vfs.Caller, n *vfs.Inode) string {
	top := fs.root.cg
	if ns := namespace(c); ns != nil {
		top = ns.Root
	}
	if f, ok := n.Ops.(*file); ok {
		return strings.TrimSuffix(f.g.cg.PathFrom(top), "/") + "/" + f.kind.name
	}
	return n.Ops.(*group).cg.PathFrom(top)
}

// namespace returns c's cgroup namespace; nil if c is no task.
func namespace(c vfs.Caller) *kernel.CgroupNamespace {
	if t, ok := vfs.Who(c).(*kernel.Task); ok {
		return t.Namespaces().Cgroup
	}
	return nil
}

// find returns the directory of a group; nil if it has been removed.
func (fs *FS) find(cg *kernel.Cgroup) *group {
	if cg == fs.root.cg {
		return fs.root
	}
	above := fs.find(cg.Parent())
	if above == nil {
		return nil
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if g := above.children[cg.Name()]; g != nil && g.cg == cg {
		return g
	}
	return nil
}

// withCreds is a caller with the credentials of who opened a file.
type withCreds struct {
	vfs.Caller
	cred *creds.Credentials
}

// Creds implements vfs.Caller.
func (w withCreds) Creds() *creds.Credentials { return w.cred }

// Borrower implements vfs.Lent.
func (w withCreds) Borrower() vfs.Caller { return vfs.Who(w.Caller) }

// mayAttach says whether c, who is in ns, may move tasks from a group to g: it must be allowed to write cgroup.procs of the
// nearest group that both are within, and with nsdelegate see both.
func (g *group) mayAttach(c vfs.Caller, ns *kernel.CgroupNamespace, from *kernel.Cgroup) error {
	common := g.cg.Common(from)
	top := g
	for top.cg != common {
		top = top.parent
	}
	if err := vfs.GenericPermission(c, top.file("cgroup.procs").inode, vfs.MayWrite); err != nil {
		return err
	}
	if g.fs.delegate.Load() && ns != nil && !(from.Within(ns.Root) && g.cg.Within(ns.Root)) {
		return errno.ENOENT
	}
	return nil
}

// Cgroup implements kernel.CgroupDir.
func (g *group) Cgroup() *kernel.Cgroup { return g.cg }

// MayAttach implements kernel.CgroupDir.
func (g *group) MayAttach(c vfs.Caller, from *kernel.Cgroup) error {
	if err := vfs.GenericPermission(c, g.file("cgroup.procs").inode, vfs.MayWrite); err != nil {
		return err
	}
	return g.mayAttach(c, namespace(c), from)
}
