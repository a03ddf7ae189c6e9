package proc

import (
	"encoding/binary"
	"strconv"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// nsInode is the inode of a file that stands for a namespace, in the file system nsfs. It holds a reference to
// one of mounts.
type nsInode struct {
	vfs.BaseInode
	fs *FS
	ns kernel.Namespace
}

// Open implements vfs.InodeOps.
func (n *nsInode) Open(_ vfs.Caller, _ *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	if flags&linux.O_ACCMODE != linux.O_RDONLY {
		return nil, errno.EPERM
	}
	return &nsFile{n: n}, nil
}

// MountNamespace returns the namespace if it is one of mounts, else nil.
func (n *nsInode) MountNamespace() *vfs.Namespace {
	m, _ := n.ns.(*vfs.Namespace)
	return m
}

// Evict implements vfs.InodeOps.
func (n *nsInode) Evict(*vfs.Inode) { releaseNS(n.ns) }

// nsFile is an open file that stands for a namespace.
type nsFile struct {
	vfs.BaseFile
	n *nsInode
}

// Namespace returns it, for setns(2).
func (f *nsFile) Namespace() kernel.Namespace { return f.n.ns }

// openNS returns an open file that stands for ns, and takes over a reference to one of mounts.
func (fs *FS) openNS(c vfs.Caller, ns kernel.Namespace, flags, mode uint32) *vfs.File {
	v := fs.Kernel.VFS
	ops := &nsInode{fs: fs, ns: ns}
	n := vfs.NewInode(fs.nsfs(v), ops, vfs.Attr{Ino: ns.NSInode(), Mode: linux.S_IFREG | 0o444, Nlink: 1, BlkSize: 4096})
	return v.NewInodeFile(n, nsName(ns), &nsFile{n: ops}, flags, mode, c.Creds())
}

// OpenNS implements kernel.NamespaceFiles.
func (fs *FS) OpenNS(c vfs.Caller, ns kernel.Namespace) *vfs.File {
	return fs.openNS(c, ns, linux.O_RDONLY, vfs.FModeRead)
}

var nsTypes = map[uint64]string{
	linux.CLONE_NEWCGROUP: "cgroup", linux.CLONE_NEWIPC: "ipc", linux.CLONE_NEWNS: "mnt", linux.CLONE_NEWNET: "net",
	linux.CLONE_NEWPID: "pid", linux.CLONE_NEWTIME: "time", linux.CLONE_NEWUSER: "user", linux.CLONE_NEWUTS: "uts",
}

// nsName is what the links in /proc/PID/ns show.
func nsName(ns kernel.Namespace) string {
	return nsTypes[ns.NSType()] + ":[" + strconv.FormatUint(ns.NSInode(), 10) + "]"
}

// Ioctl implements vfs.FileOps (ioctl_nsfs(2)).
func (f *nsFile) Ioctl(c vfs.Caller, _ *vfs.File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	switch cmd {
	case linux.NS_GET_NSTYPE:
		return f.n.ns.NSType(), nil
	case linux.NS_GET_OWNER_UID:
		ns, ok := f.n.ns.(*creds.UserNamespace)
		if !ok {
			return 0, errno.EINVAL
		}
		_, err := m.CopyOut(arg.Addr(), binary.LittleEndian.AppendUint32(nil, c.Creds().UserNS.ShowUID(ns.Owner)))
		return 0, err
	case linux.NS_GET_PARENT:
		switch ns := f.n.ns.(type) {
		case *creds.UserNamespace:
			return f.relative(c, visible(c, ns.Parent))
		case *kernel.PIDNamespace:
			t := self(c)
			if p := ns.Parent(); p != nil && t != nil && p.Within(t.PIDNamespace()) {
				return f.relative(c, p)
			}
			return 0, errno.EPERM
		}
		return 0, errno.EINVAL
	case linux.NS_GET_USERNS:
		return f.relative(c, visible(c, f.n.ns.NSOwner()))
	case linux.NS_GET_MNTNS_ID:
		ns, ok := f.n.ns.(*vfs.Namespace)
		if !ok {
			return 0, errno.EINVAL
		}
		_, err := m.CopyOut(arg.Addr(), binary.LittleEndian.AppendUint64(nil, ns.ID))
		return 0, err
	case linux.NS_GET_PID_FROM_PIDNS, linux.NS_GET_TGID_FROM_PIDNS, linux.NS_GET_PID_IN_PIDNS, linux.NS_GET_TGID_IN_PIDNS:
		ns, ok := f.n.ns.(*kernel.PIDNamespace)
		t := self(c)
		if !ok || t == nil {
			return 0, errno.EINVAL
		}
		from, to := t.PIDNamespace(), ns
		if cmd == linux.NS_GET_PID_FROM_PIDNS || cmd == linux.NS_GET_TGID_FROM_PIDNS {
			from, to = to, from
		}
		x := t.Kernel().Task(from, arg.Int())
		if x == nil {
			return 0, errno.ESRCH
		}
		n := x.TIDIn(to)
		if cmd == linux.NS_GET_TGID_FROM_PIDNS || cmd == linux.NS_GET_TGID_IN_PIDNS {
			n = x.ThreadGroup().PID().In(to)
		}
		if n == 0 {
			return 0, errno.ESRCH
		}
		return uint64(n), nil
	}
	return 0, errno.ENOTTY
}

// visible returns ns, but nil if it is neither the caller's user namespace nor below it.
func visible(c vfs.Caller, ns *creds.UserNamespace) kernel.Namespace {
	if ns == nil || !ns.Within(c.Creds().UserNS) {
		return nil
	}
	return ns
}

// relative opens ns, for one who asked for a relative of f's. EPERM if ns is nil.
func (f *nsFile) relative(c vfs.Caller, ns kernel.Namespace) (uint64, error) {
	t := self(c)
	if ns == nil || t == nil {
		return 0, errno.EPERM
	}
	fd, err := t.InstallNew(f.n.fs.openNS(c, ns, linux.O_RDONLY, vfs.FModeRead), linux.O_CLOEXEC)
	return uint64(fd), err
}
