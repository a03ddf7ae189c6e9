package cgroup

import (
	"slices"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

// group is the directory of a group.
type group struct {
	vfs.BaseInode

	// Immutable.
	fs     *FS
	cg     *kernel.Cgroup
	parent *group
	inode  *vfs.Inode // holds a reference until the group is removed
	uid    creds.UID  // of who made it
	gid    creds.GID
	born   int64
	events [2]watcher

	// Guarded by FS.mu.
	children map[string]*group
	files    map[string]*file // that somebody has looked up
}

// watcher has those who watch a file by inotify(7) told of its changes.
type watcher struct {
	g     *group
	name  string
	entry wait.Entry
}

func (fs *FS) newGroup(parent *group, cg *kernel.Cgroup, a vfs.Attr) *group {
	g := &group{fs: fs, cg: cg, parent: parent, uid: a.UID, gid: a.GID, born: a.Btime, files: make(map[string]*file)}
	a.Nlink, a.BlkSize, a.Atime, a.Mtime, a.Ctime = 2, 4096, a.Btime, a.Btime, a.Btime
	g.inode = vfs.NewInode(fs.sb, g, a)
	for i, name := range [...]string{"cgroup.events", "pids.events"} {
		w := &g.events[i]
		w.g, w.name = g, name
		w.entry = wait.Entry{Waiter: w, Mask: wait.Pri}
		changes(cg, name).Queue.Register(&w.entry)
	}
	return g
}

// Wake implements wait.Waiter.
func (w *watcher) Wake(*wait.Entry, wait.Mask) {
	w.g.fs.mu.Lock()
	f := w.g.files[w.name]
	w.g.fs.mu.Unlock()
	if f != nil {
		f.inode.Modified(w.g.inode, w.name)
	} else {
		w.g.inode.NameModified(w.name)
	}
}

// file returns the file of the group with a name, which must be in the table.
func (g *group) file(name string) *file {
	g.fs.mu.Lock()
	defer g.fs.mu.Unlock()
	f := g.files[name]
	if f == nil {
		k := kinds[name]
		f = &file{g: g, kind: k}
		f.inode = vfs.NewInode(g.fs.sb, f, vfs.Attr{
			Mode: linux.S_IFREG | k.mode, Nlink: 1, UID: g.uid, GID: g.gid, BlkSize: 4096,
			Atime: g.born, Mtime: g.born, Ctime: g.born, Btime: g.born,
		})
		g.files[name] = f
	}
	return f
}

// has reports whether the group has the file of a kind.
func (g *group) has(k *kind) bool {
	if k.below && g.parent == nil {
		return false
	}
	if k.pids {
		own, _ := g.cg.HasPids()
		return own
	}
	return true
}

// SetAttr implements vfs.InodeOps.
func (g *group) SetAttr(_ vfs.Caller, n *vfs.Inode, s vfs.SetAttr) error {
	n.Update(func(a *vfs.Attr) { s.Apply(a) })
	return nil
}

// Lookup implements vfs.InodeOps.
func (g *group) Lookup(_ vfs.Caller, _ *vfs.Inode, name string) (*vfs.Inode, error) {
	n := g.lookup(name)
	if n == nil || g.cg.Gone() {
		return nil, errno.ENOENT
	}
	n.IncRef()
	return n, nil
}

func (g *group) lookup(name string) *vfs.Inode {
	if k := kinds[name]; k != nil && g.has(k) {
		return g.file(name).inode
	}
	g.fs.mu.Lock()
	defer g.fs.mu.Unlock()
	if c := g.children[name]; c != nil {
		return c.inode
	}
	return nil
}

// Revalidate implements vfs.Revalidator: other mounts have names of their own for what is gone.
func (g *group) Revalidate(_ vfs.Caller, _ *vfs.Inode, name string, n *vfs.Inode) bool {
	return n != nil && g.lookup(name) == n && !g.cg.Gone()
}

// Mkdir implements vfs.InodeOps.
func (g *group) Mkdir(c vfs.Caller, _ *vfs.Inode, name string, mode uint32) (*vfs.Inode, error) {
	if strings.Contains(name, "\n") {
		return nil, errno.EINVAL // a line of /proc/PID/cgroup
	}
	if k := kinds[name]; k != nil && g.has(k) {
		return nil, errno.EEXIST
	}
	cg, err := g.cg.Mkdir(name)
	if err != nil {
		return nil, err
	}
	now := c.Now()
	n := g.fs.newGroup(g, cg, vfs.Attr{Mode: linux.S_IFDIR | mode&linux.S_IALLUGO, UID: c.Creds().FSUID, GID: c.Creds().FSGID, Btime: now})
	g.fs.mu.Lock()
	if g.children == nil {
		g.children = make(map[string]*group)
	}
	g.children[name] = n
	g.fs.mu.Unlock()
	g.changed(now, +1)
	n.inode.IncRef()
	return n.inode, nil
}

// changed notes that a group below was made or, with d below zero, removed.
func (g *group) changed(now int64, d int) {
	g.inode.Update(func(a *vfs.Attr) {
		a.Nlink = uint32(int(a.Nlink) + d)
		a.Mtime, a.Ctime = now, now
	})
}

// Rmdir implements vfs.InodeOps.
func (g *group) Rmdir(c vfs.Caller, _ *vfs.Inode, name string, n *vfs.Inode) error {
	x, ok := n.Ops.(*group)
	if !ok {
		return errno.ENOTDIR
	}
	if err := x.cg.Remove(); err != nil {
		return err
	}
	g.fs.mu.Lock()
	delete(g.children, name)
	files := x.files
	x.files = make(map[string]*file)
	g.fs.mu.Unlock()
	g.changed(c.Now(), -1)
	for i := range x.events {
		changes(x.cg, x.events[i].name).Queue.Unregister(&x.events[i].entry)
	}
	for _, f := range files {
		f.inode.Update(func(a *vfs.Attr) { a.Nlink = 0 })
		f.inode.DecRef()
	}
	n.Update(func(a *vfs.Attr) { a.Nlink = 0 })
	n.DecRef()
	return nil
}

// Open implements vfs.InodeOps.
func (g *group) Open(vfs.Caller, *vfs.Inode, uint32) (vfs.FileOps, error) { return &dirFile{g: g}, nil }

// dirFile is an open directory.
type dirFile struct {
	vfs.BaseFile
	g *group
}

// ReadDir implements vfs.FileOps. Positions of files are those of the table, those of groups their ids behind them.
func (d *dirFile) ReadDir(_ vfs.Caller, f *vfs.File, emit func(vfs.Dirent) bool) error {
	if d.g.cg.Gone() {
		return nil
	}
	if !vfs.EmitDots(f, emit) {
		return nil
	}
	for i := range table {
		k := &table[i]
		at := int64(3 + i)
		if at > f.Pos && d.g.has(k) &&
			!emit(vfs.Dirent{Ino: d.g.file(k.name).inode.Ino(), Type: linux.DT_REG, Name: k.name, Next: at}) {
			return nil
		}
	}
	d.g.fs.mu.Lock()
	below := make([]*group, 0, len(d.g.children))
	for _, c := range d.g.children {
		below = append(below, c)
	}
	d.g.fs.mu.Unlock()
	slices.SortFunc(below, func(a, b *group) int { return int(int64(a.cg.ID()) - int64(b.cg.ID())) })
	for _, c := range below {
		at := int64(3+len(table)) + int64(c.cg.ID())
		if at > f.Pos && !emit(vfs.Dirent{Ino: c.inode.Ino(), Type: linux.DT_DIR, Name: c.cg.Name(), Next: at}) {
			return nil
		}
	}
	return nil
}

// Seek implements vfs.FileOps.
func (d *dirFile) Seek(_ vfs.Caller, _ *vfs.File, off int64, whence int) (int64, error) {
	if whence != linux.SEEK_SET || off < 0 {
		return 0, errno.EINVAL
	}
	return off, nil
}
