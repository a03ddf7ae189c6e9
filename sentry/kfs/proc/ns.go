package proc

import (
	"strconv"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// namespaces is /proc/PID/ns.
type namespaces struct{ p *task }

// nsEntry is one of the links in it.
type nsEntry struct {
	name, typ string
	id        func(t *kernel.Task, n *kernel.Namespaces) uint64
}

// Inode numbers of namespaces that a kernel has one of (include/linux/proc_ns.h).
const (
	initTimeNS = 0xeffffffa
	initUserNS = 0xeffffffd
)

var nsEntries = []nsEntry{
	{"cgroup", "cgroup", func(_ *kernel.Task, n *kernel.Namespaces) uint64 { return n.CgroupID }},
	{"ipc", "ipc", func(_ *kernel.Task, n *kernel.Namespaces) uint64 { return n.IPC.ID }},
	{"mnt", "mnt", mountNS},
	{"net", "net", func(_ *kernel.Task, n *kernel.Namespaces) uint64 { return n.NetID }},
	{"pid", "pid", func(t *kernel.Task, _ *kernel.Namespaces) uint64 { return t.PIDNamespace().ID }},
	{"pid_for_children", "pid", func(_ *kernel.Task, n *kernel.Namespaces) uint64 { return n.ChildPID.ID }},
	{"time", "time", func(_ *kernel.Task, n *kernel.Namespaces) uint64 { return n.TimeID }},
	{"time_for_children", "time", func(_ *kernel.Task, n *kernel.Namespaces) uint64 { return n.TimeID }},
	{"user", "user", func(t *kernel.Task, _ *kernel.Namespaces) uint64 { return initUserNS }},
	{"uts", "uts", func(_ *kernel.Task, n *kernel.Namespaces) uint64 { return n.UTS.ID }},
}

// Lookup implements tree.Dir.
func (d namespaces) Lookup(c vfs.Caller, sb *vfs.Superblock, name string) (*vfs.Inode, error) {
	for i := range nsEntries {
		if nsEntries[i].name == name {
			return tree.NewLink(c, sb, d.ino(name), nsLink{d.p, &nsEntries[i]}, owner{p: d.p}), nil
		}
	}
	return nil, errno.ENOENT
}

// List implements tree.Dir.
func (d namespaces) List(c vfs.Caller, from int64) ([]vfs.Dirent, error) {
	if !mayTrace(c, d.p.who()) {
		return nil, errno.EACCES
	}
	var out []vfs.Dirent
	for i, e := range nsEntries {
		out = append(out, vfs.Dirent{Ino: d.ino(e.name), Type: linux.DT_LNK, Name: e.name, Next: int64(3 + i)})
	}
	return out, nil
}

func (d namespaces) ino(name string) uint64 { return tree.Ino("ns/"+name, uint64(d.p.id)) }

// nsLink is one namespace of a task.
type nsLink struct {
	p *task
	e *nsEntry
}

// Target implements tree.Link.
func (l nsLink) Target(c vfs.Caller) (string, error) {
	id, err := l.id(c)
	if err != nil {
		return "", err
	}
	return l.e.typ + ":[" + strconv.FormatUint(id, 10) + "]", nil
}

func (l nsLink) id(c vfs.Caller) (uint64, error) {
	if l.p.gone() {
		return 0, errno.ENOENT
	}
	t := l.p.who()
	if !mayTrace(c, t) {
		return 0, errno.EACCES
	}
	n := t.AcquireNamespaces()
	if n == nil {
		return 0, errno.ENOENT
	}
	return l.e.id(t, n), nil
}

// mountNSBase is added to the root mount's number to make that of the namespace.
const mountNSBase = 0xf0000000

func mountNS(t *kernel.Task, _ *kernel.Namespaces) uint64 {
	ns := t.AcquireMountNamespace()
	if ns == nil {
		return 0
	}
	defer ns.DecRef()
	return mountNSBase + ns.RootID()
}

// NSFile is an open file of /proc/PID/ns, which stands for a namespace.
type NSFile struct {
	vfs.BaseFile
	fs   *FS
	Type string // "uts", "mnt", ...
	ID   uint64
}

// NamespaceType returns Type, for setns(2).
func (f *NSFile) NamespaceType() string { return f.Type }

// Shows reports whether f stands for the namespace of its type that t is in.
func (f *NSFile) Shows(t *kernel.Task, n *kernel.Namespaces) bool {
	for _, e := range nsEntries {
		if e.name == f.Type {
			return e.id(t, n) == f.ID
		}
	}
	return false
}

// nsInode is the inode of an NSFile.
type nsInode struct {
	vfs.BaseInode
	fs  *FS
	typ string
	id  uint64
}

// Open implements vfs.InodeOps.
func (n *nsInode) Open(_ vfs.Caller, _ *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	if flags&linux.O_ACCMODE != linux.O_RDONLY {
		return nil, errno.EPERM
	}
	return &NSFile{fs: n.fs, Type: n.typ, ID: n.id}, nil
}

// openNS returns an open file that stands for a namespace.
func (fs *FS) openNS(c vfs.Caller, typ string, id uint64, flags, mode uint32) *vfs.File {
	v := fs.Kernel.VFS
	ops := &nsInode{fs: fs, typ: typ, id: id}
	n := vfs.NewInode(fs.nsfs(v), ops, vfs.Attr{Ino: id, Mode: linux.S_IFREG | 0o444, Nlink: 1, BlkSize: 4096})
	name := typ + ":[" + strconv.FormatUint(id, 10) + "]"
	return v.NewInodeFile(n, name, &NSFile{fs: fs, Type: typ, ID: id}, flags, mode, c.Creds())
}

// Follow implements tree.Follower.
func (l nsLink) Follow(c vfs.Caller) (vfs.Path, error) {
	id, err := l.id(c)
	if err != nil {
		return vfs.Path{}, err
	}
	f := l.p.in.fs.openNS(c, l.e.typ, id, linux.O_PATH, vfs.FModePath)
	defer f.DecRef()
	f.Path.IncRef()
	return f.Path, nil
}

// Requests of ioctl_ns(2).
const (
	nsGetUserNS   = 0xb701
	nsGetParent   = 0xb702
	nsGetType     = 0xb703
	nsGetOwnerUID = 0xb704
)

// nsTypes are the CLONE_NEW* flags of namespaces.
var nsTypes = map[string]uint64{
	"cgroup": linux.CLONE_NEWCGROUP, "ipc": linux.CLONE_NEWIPC, "mnt": linux.CLONE_NEWNS, "net": linux.CLONE_NEWNET,
	"pid": linux.CLONE_NEWPID, "time": linux.CLONE_NEWTIME, "user": linux.CLONE_NEWUSER, "uts": linux.CLONE_NEWUTS,
}

// Ioctl implements vfs.FileOps.
func (f *NSFile) Ioctl(c vfs.Caller, _ *vfs.File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	switch cmd {
	case nsGetType:
		return nsTypes[f.Type], nil
	case nsGetOwnerUID:
		if f.Type != "user" {
			return 0, errno.EINVAL
		}
		_, err := m.CopyOut(arg.Addr(), make([]byte, 4))
		return 0, err
	case nsGetParent:
		if f.Type != "user" && f.Type != "pid" {
			return 0, errno.EINVAL
		}
		return 0, errno.EPERM // nobody may see what lies outside
	case nsGetUserNS:
		t := self(c)
		if f.Type == "user" || t == nil {
			return 0, errno.EPERM
		}
		file := f.fs.openNS(c, "user", initUserNS, linux.O_RDONLY, vfs.FModeRead)
		fd, err := t.InstallNew(file, linux.O_CLOEXEC)
		return uint64(fd), err
	}
	return 0, errno.ENOTTY
}
