package proc

import (
	"strconv"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

// nameFor returns p's path as c sees it, as d_path of Linux gives it in links.
func (in *instance) nameFor(c vfs.Caller, p vfs.Path) string {
	root := c.FSContext().Root()
	defer root.DecRef()
	name, reachable := in.k.VFS.PathName(root, p)
	if !reachable {
		return "(unreachable)" + name
	}
	return name
}

// place is /proc/PID/cwd or /proc/PID/root.
type place struct {
	p    *task
	root bool
}

// Follow implements tree.Follower.
func (l place) Follow(c vfs.Caller) (vfs.Path, error) {
	if l.p.gone() {
		return vfs.Path{}, errno.ENOENT
	}
	t := l.p.who()
	if !mayTrace(c, t) {
		return vfs.Path{}, errno.EACCES
	}
	fs := t.AcquireFSContext()
	if fs == nil {
		return vfs.Path{}, errno.ENOENT
	}
	defer fs.Release()
	if l.root {
		return fs.Root(), nil
	}
	return fs.Cwd(), nil
}

// Target implements tree.Link.
func (l place) Target(c vfs.Caller) (string, error) {
	p, err := l.Follow(c)
	if err != nil {
		return "", err
	}
	defer p.DecRef()
	return l.p.in.nameFor(c, p), nil
}

// exe is /proc/PID/exe.
type exe struct{ p *task }

// open returns the executable with a reference.
func (l exe) open(c vfs.Caller) (*vfs.File, error) {
	if l.p.gone() {
		return nil, errno.ENOENT
	}
	if !mayTrace(c, l.p.who()) {
		return nil, errno.EACCES
	}
	m := l.p.mm()
	if m == nil {
		return nil, errno.ENOENT
	}
	defer m.DecUsers()
	ref := m.Exe()
	if ref == nil {
		return nil, errno.ENOENT
	}
	defer ref.DecRef()
	f := kernel.File(ref)
	if f == nil {
		return nil, errno.ENOENT
	}
	f.IncRef()
	return f, nil
}

// Follow implements tree.Follower.
func (l exe) Follow(c vfs.Caller) (vfs.Path, error) {
	f, err := l.open(c)
	if err != nil {
		return vfs.Path{}, err
	}
	defer f.DecRef()
	f.Path.IncRef()
	return f.Path, nil
}

// Target implements tree.Link.
func (l exe) Target(c vfs.Caller) (string, error) {
	f, err := l.open(c)
	if err != nil {
		return "", err
	}
	defer f.DecRef()
	return l.p.in.nameFor(c, f.Path), nil
}

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
	Type string // "uts", "mnt", ...
	ID   uint64
}

// nsInode is the inode of an NSFile.
type nsInode struct {
	vfs.BaseInode
	typ string
	id  uint64
}

// Open implements vfs.InodeOps.
func (n *nsInode) Open(_ vfs.Caller, _ *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	if flags&linux.O_ACCMODE != linux.O_RDONLY {
		return nil, errno.EPERM
	}
	return &NSFile{Type: n.typ, ID: n.id}, nil
}

// Follow implements tree.Follower.
func (l nsLink) Follow(c vfs.Caller) (vfs.Path, error) {
	id, err := l.id(c)
	if err != nil {
		return vfs.Path{}, err
	}
	sb := l.p.in.fs.nsfs(l.p.in.k.VFS)
	n := vfs.NewInode(sb, &nsInode{typ: l.e.typ, id: id}, vfs.Attr{Ino: id, Mode: linux.S_IFREG | 0o444, Nlink: 1, BlkSize: 4096})
	f := l.p.in.k.VFS.NewInodeFile(n, l.e.typ+":["+strconv.FormatUint(id, 10)+"]", &NSFile{}, linux.O_PATH, vfs.FModePath, c.Creds())
	f.Path.IncRef()
	p := f.Path
	f.DecRef()
	return p, nil
}
