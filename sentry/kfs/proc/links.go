package proc

import (
	"ringfence/abi/errno"
	"ringfence/sentry/kernel"
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
