package proc

import (
	"bytes"
	"fmt"
	"strconv"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/mm"
	"ringfence/sentry/vfs"
)

// getFile returns an open file of the task with a reference, and whether it is closed
// on exec.
func (p *task) getFile(fd int32) (f *vfs.File, cloexec bool, err error) {
	if p.gone() {
		return nil, false, errno.ENOENT
	}
	table := p.who().AcquireFiles()
	if table == nil {
		return nil, false, errno.ENOENT
	}
	defer p.in.k.ReleaseFiles(table)
	if f, err = table.Get(fd); err != nil {
		return nil, false, errno.ENOENT
	}
	cloexec, _ = table.Cloexec(fd)
	return f, cloexec, nil
}

// hasFile reports whether fd is open.
func (p *task) hasFile(fd int32) bool {
	f, _, err := p.getFile(fd)
	if err == nil {
		f.DecRef()
	}
	return err == nil
}

// fdNumber parses a descriptor as a name.
func fdNumber(name string) (int32, bool) {
	n, err := strconv.ParseInt(name, 10, 32)
	return int32(n), err == nil && strconv.Itoa(int(n)) == name && n >= 0
}

// listFDs makes the entries of fd and fdinfo.
func (p *task) listFDs(space string, typ uint8) ([]vfs.Dirent, error) {
	if p.gone() {
		return nil, errno.ENOENT
	}
	table := p.who().AcquireFiles()
	if table == nil {
		return nil, nil
	}
	defer p.in.k.ReleaseFiles(table)
	var out []vfs.Dirent
	for _, fd := range table.FDs() {
		out = append(out, vfs.Dirent{Ino: p.fdIno(space, fd), Type: typ, Name: strconv.Itoa(int(fd)), Next: 3 + int64(fd)})
	}
	return out, nil
}

func (p *task) fdIno(space string, fd int32) uint64 { return tree.Ino(space, uint64(p.id), uint64(fd)) }

// fds is /proc/PID/fd.
type fds struct{ p *task }

// Granted implements tree.Granter: a process may always see its own.
func (d fds) Granted(c vfs.Caller) bool {
	t := self(c)
	return t != nil && t.ThreadGroup() == d.p.tg
}

// Lookup implements tree.Dir.
func (d fds) Lookup(c vfs.Caller, sb *vfs.Superblock, name string) (*vfs.Inode, error) {
	fd, ok := fdNumber(name)
	if !ok {
		return nil, errno.ENOENT
	}
	f, _, err := d.p.getFile(fd)
	if err != nil {
		return nil, err
	}
	mode := f.Mode
	f.DecRef()
	n := tree.NewLink(c, sb, d.p.fdIno("fd", fd), fdLink{d.p, fd}, owner{p: d.p})
	n.Update(func(a *vfs.Attr) {
		a.Size = 64
		a.Mode = linux.S_IFLNK | fdPerm(mode)
	})
	return n, nil
}

// fdPerm are the permission bits of an entry: how the file was opened.
func fdPerm(mode uint32) uint32 {
	perm := uint32(0o100)
	if mode&vfs.FModeRead != 0 {
		perm |= 0o400
	}
	if mode&vfs.FModeWrite != 0 {
		perm |= 0o200
	}
	return perm
}

// List implements tree.Dir.
func (d fds) List(c vfs.Caller, _ int64) ([]vfs.Dirent, error) {
	return d.p.listFDs("fd", linux.DT_LNK)
}

// Current implements tree.Reviser.
func (d fds) Current(c vfs.Caller, name string, n *vfs.Inode) bool {
	fd, ok := fdNumber(name)
	if !ok {
		return false
	}
	f, _, err := d.p.getFile(fd)
	if err != nil {
		return false
	}
	defer f.DecRef()
	return n.Attr().Mode&0o777 == fdPerm(f.Mode)
}

// fdLink is one descriptor.
type fdLink struct {
	p  *task
	fd int32
}

func (l fdLink) open(c vfs.Caller) (*vfs.File, error) {
	if t := l.p.who(); t == nil || !mayTrace(c, t) {
		return nil, errno.EACCES
	}
	f, _, err := l.p.getFile(l.fd)
	return f, err
}

// Follow implements tree.Follower.
func (l fdLink) Follow(c vfs.Caller) (vfs.Path, error) {
	f, err := l.open(c)
	if err != nil {
		return vfs.Path{}, err
	}
	defer f.DecRef()
	f.Path.IncRef()
	return f.Path, nil
}

// Target implements tree.Link.
func (l fdLink) Target(c vfs.Caller) (string, error) {
	f, err := l.open(c)
	if err != nil {
		return "", err
	}
	defer f.DecRef()
	root := c.FSContext().Root()
	defer root.DecRef()
	return l.p.in.k.VFS.FileName(root, f), nil
}

// Describer is a FileOps with lines of its own in /proc/PID/fdinfo/N, such as
// "eventfd-count: ...\n" (proc(5)).
type Describer interface {
	FDInfo(f *vfs.File) string
}

// pidDescriber is a Describer whose lines hold numbers of processes.
type pidDescriber interface {
	FDInfoIn(ns *kernel.PIDNamespace) string
}

// fdinfos is /proc/PID/fdinfo.
type fdinfos struct{ p *task }

// Lookup implements tree.Dir.
func (d fdinfos) Lookup(c vfs.Caller, sb *vfs.Superblock, name string) (*vfs.Inode, error) {
	fd, ok := fdNumber(name)
	if !ok || !d.p.hasFile(fd) {
		return nil, errno.ENOENT
	}
	return tree.NewText(c, sb, d.p.fdIno("fdinfo", fd), 0o400, fdinfo{d.p, fd}, owner{p: d.p}), nil
}

// List implements tree.Dir.
func (d fdinfos) List(c vfs.Caller, _ int64) ([]vfs.Dirent, error) {
	if t := d.p.who(); t == nil || !mayTrace(c, t) {
		return nil, errno.EACCES
	}
	return d.p.listFDs("fdinfo", linux.DT_REG)
}

// Current implements tree.Reviser.
func (d fdinfos) Current(_ vfs.Caller, name string, _ *vfs.Inode) bool {
	fd, ok := fdNumber(name)
	return ok && d.p.hasFile(fd)
}

// fdinfo is what is said of one descriptor.
type fdinfo struct {
	p  *task
	fd int32
}

// Text implements tree.Text.
func (i fdinfo) Text(c vfs.Caller) ([]byte, error) {
	if t := i.p.who(); t == nil || !mayTrace(c, t) {
		return nil, errno.EACCES
	}
	f, cloexec, err := i.p.getFile(i.fd)
	if err != nil {
		return nil, err
	}
	defer f.DecRef()
	flags := f.Flags()
	if cloexec {
		flags |= linux.O_CLOEXEC
	}
	f.PosMu.Lock()
	pos := f.Pos
	f.PosMu.Unlock()
	var b bytes.Buffer
	fmt.Fprintf(&b, "pos:\t%d\nflags:\t0%o\nmnt_id:\t%d\nino:\t%d\n", pos, flags, f.Path.Mount.ID, f.Inode().Ino())
	switch d := f.Ops.(type) {
	case Describer:
		b.WriteString(d.FDInfo(f))
	case pidDescriber:
		b.WriteString(d.FDInfoIn(i.p.in.ns))
	}
	return b.Bytes(), nil
}

// mapFiles is /proc/PID/map_files: the files that are mapped, by address range.
type mapFiles struct{ p *task }

func (d mapFiles) name(v *mm.VMAInfo) string {
	return fmt.Sprintf("%x-%x", uint64(v.Range.Start), uint64(v.Range.End))
}

// Lookup implements tree.Dir.
func (d mapFiles) Lookup(c vfs.Caller, sb *vfs.Superblock, name string) (*vfs.Inode, error) {
	if !mayTrace(c, d.p.who()) {
		return nil, errno.EACCES
	}
	var n *vfs.Inode
	d.p.eachVMA(false, func(v *mm.VMAInfo) {
		if n == nil && v.Ino != 0 && d.name(v) == name {
			n = tree.NewLink(c, sb, tree.Ino("map/"+name, uint64(d.p.id)), tree.StaticLink(v.Name), owner{p: d.p})
		}
	})
	if n == nil {
		return nil, errno.ENOENT
	}
	return n, nil
}

// List implements tree.Dir.
func (d mapFiles) List(c vfs.Caller, _ int64) ([]vfs.Dirent, error) {
	if !mayTrace(c, d.p.who()) {
		return nil, errno.EACCES
	}
	var out []vfs.Dirent
	d.p.eachVMA(false, func(v *mm.VMAInfo) {
		if v.Ino != 0 {
			name := d.name(v)
			out = append(out, vfs.Dirent{Ino: tree.Ino("map/"+name, uint64(d.p.id)), Type: linux.DT_LNK, Name: name, Next: 3 + int64(v.Range.Start>>12)})
		}
	})
	return out, nil
}

// Current implements tree.Reviser.
func (d mapFiles) Current(vfs.Caller, string, *vfs.Inode) bool { return false }
