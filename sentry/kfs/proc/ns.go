package proc

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

// namespaces is /proc/PID/ns.
type namespaces struct{ p *task }

// nsEntry is one of the links in it.
type nsEntry struct {
	name string
	// get returns the namespace, with a reference if it is one of mounts; nil if the task is past exit.
	get func(t *kernel.Task, n *kernel.Namespaces) kernel.Namespace
}

var nsEntries = []nsEntry{
	{"cgroup", func(_ *kernel.Task, n *kernel.Namespaces) kernel.Namespace { return n.Cgroup }},
	{"ipc", func(_ *kernel.Task, n *kernel.Namespaces) kernel.Namespace { return n.IPC }},
	{"mnt", mountNS},
	{"net", func(_ *kernel.Task, n *kernel.Namespaces) kernel.Namespace { return n.Net }},
	{"pid", func(t *kernel.Task, _ *kernel.Namespaces) kernel.Namespace { return t.PIDNamespace() }},
	{"pid_for_children", childPIDNS},
	{"time", func(_ *kernel.Task, n *kernel.Namespaces) kernel.Namespace { return n.Time }},
	{"time_for_children", func(_ *kernel.Task, n *kernel.Namespaces) kernel.Namespace { return n.ChildTime }},
	{"user", func(t *kernel.Task, _ *kernel.Namespaces) kernel.Namespace { return t.Creds().UserNS }},
	{"uts", func(_ *kernel.Task, n *kernel.Namespaces) kernel.Namespace { return n.UTS }},
}

// childPIDNS is nil as long as nobody has been in the namespace.
func childPIDNS(t *kernel.Task, n *kernel.Namespaces) kernel.Namespace {
	if !t.Kernel().Inhabited(n.ChildPID) {
		return nil
	}
	return n.ChildPID
}

func mountNS(t *kernel.Task, _ *kernel.Namespaces) kernel.Namespace {
	if ns := t.AcquireMountNamespace(); ns != nil {
		return ns
	}
	return nil
}

// releaseNS drops the reference of a namespace that nsEntry.get returned.
func releaseNS(ns kernel.Namespace) {
	if m, ok := ns.(*vfs.Namespace); ok {
		m.DecRef()
	}
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
	ns, err := l.get(c)
	if err != nil {
		return "", err
	}
	defer releaseNS(ns)
	return nsName(ns), nil
}

// Follow implements tree.Follower.
func (l nsLink) Follow(c vfs.Caller) (vfs.Path, error) {
	ns, err := l.get(c)
	if err != nil {
		return vfs.Path{}, err
	}
	f := l.p.in.fs.openNS(c, ns, linux.O_PATH, vfs.FModePath)
	defer f.DecRef()
	f.Path.IncRef()
	return f.Path, nil
}

func (l nsLink) get(c vfs.Caller) (kernel.Namespace, error) {
	if l.p.gone() {
		return nil, errno.ENOENT
	}
	t := l.p.who()
	if !mayTrace(c, t) {
		return nil, errno.EACCES
	}
	n := t.AcquireNamespaces()
	if n == nil {
		return nil, errno.ENOENT
	}
	ns := l.e.get(t, n)
	if ns == nil {
		return nil, errno.ENOENT
	}
	return ns, nil
}
