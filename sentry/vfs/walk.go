package vfs

import (
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// LookupFlags say how a path is resolved.
type LookupFlags uint32

const (
	// LookupFollow follows a symbolic link in the last component too.
	LookupFollow LookupFlags = 1 << iota
	// LookupDirectory fails with ENOTDIR if the path does not lead to a directory.
	LookupDirectory
	// LookupEmpty lets the empty path stand for the start (AT_EMPTY_PATH).
	LookupEmpty
	// The rest are the RESOLVE_* flags of openat2(2).
	LookupNoXDev
	LookupNoMagicLinks
	LookupNoSymlinks
	LookupBeneath
	LookupInRoot
	LookupCached
)

const (
	maxSymlinks = 40
	maxBatch    = 16 // names in one Walker call
	pathMax     = linux.PATH_MAX
)

// Resolve walks path from start, or from the working directory if start is the zero
// Path, and returns a referenced path to an existing file (path_resolution(7)).
func (v *VFS) Resolve(c Caller, start Path, path string, flags LookupFlags) (Path, error) {
	if path == "" {
		if flags&LookupEmpty == 0 {
			return Path{}, errno.ENOENT
		}
		if !start.Ok() {
			return c.FSContext().Cwd(), nil
		}
		start.IncRef()
		return start, nil
	}
	var w walk
	if err := w.begin(v, c, start, path, flags); err != nil {
		return Path{}, err
	}
	if err := w.run(false); err != nil {
		w.release()
		return Path{}, err
	}
	p := w.at
	if p.Dentry.Inode() == nil {
		w.release()
		return Path{}, errno.ENOENT
	}
	if (flags&LookupDirectory != 0 || w.slash) && p.Dentry.Inode().Type() != linux.S_IFDIR {
		w.release()
		return Path{}, errno.ENOTDIR
	}
	w.at = Path{}
	w.release()
	return p, nil
}

// lastType says what the last component of a path is.
type lastType uint8

const (
	lastNorm lastType = iota
	lastDot
	lastDotDot
	lastRoot
)

// walk is one resolution under way. It holds references to at and root.
type walk struct {
	v     *VFS
	c     Caller
	flags LookupFlags

	at   Path
	root Path // where ".." ends and "/" leads; the zero Path until needed
	// scoped: root is where LookupBeneath or LookupInRoot started.
	scoped bool

	rest  string   // what is left; never starts with a slash
	stack []string // what is left of paths that were left for symbolic links
	links int
	// slash: slashes follow the last component, which must be a directory.
	slash bool
	// What a walk to the parent ends with.
	last     string
	lastType lastType
}

// begin sets w up, with references that release drops.
func (w *walk) begin(v *VFS, c Caller, start Path, path string, flags LookupFlags) error {
	if len(path) >= pathMax {
		return errno.ENAMETOOLONG
	}
	*w = walk{v: v, c: c, flags: flags}
	abs := path[0] == '/'
	switch {
	case flags&(LookupBeneath|LookupInRoot) != 0:
		if abs && flags&LookupBeneath != 0 {
			return errno.EXDEV
		}
		w.at = start
		if !start.Ok() {
			w.at = c.FSContext().Cwd()
		} else {
			start.IncRef()
		}
		w.root, w.scoped = w.at, true
		w.root.IncRef()
	case abs:
		w.at = c.FSContext().Root()
	case start.Ok():
		w.at = start
		start.IncRef()
	default:
		w.at = c.FSContext().Cwd()
	}
	w.rest = strings.TrimLeft(path, "/")
	return nil
}

func (w *walk) release() {
	w.at.DecRef()
	w.root.DecRef()
	w.at, w.root = Path{}, Path{}
}

func (w *walk) needRoot() Path {
	if !w.root.Ok() {
		w.root = w.c.FSContext().Root()
	}
	return w.root
}

// moveTo replaces at; it takes over the reference to p.
func (w *walk) moveTo(p Path) {
	old := w.at
	w.at = p
	old.DecRef()
}

// peek splits the next component off rest: name, and what rest is after it. ok is false at the end of everything. final says that nothing
// but slashes follows, in the outermost path too.
func (w *walk) peek() (name string, after string, final, ok bool) {
	for w.rest == "" {
		if len(w.stack) == 0 {
			return "", "", true, false
		}
		w.rest = w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
	}
	i := strings.IndexByte(w.rest, '/')
	if i < 0 {
		return w.rest, "", len(w.stack) == 0, true
	}
	name = w.rest[:i]
	after = strings.TrimLeft(w.rest[i:], "/")
	return name, after, after == "" && len(w.stack) == 0, true
}

// run walks to the end, or to the parent of the last component, which it leaves in last and
// lastType. The result is in at; its dentry may be negative only if the walk is
// not to the parent and the miss is the last component.
func (w *walk) run(parent bool) error {
	err := w.steps(parent)
	if err == nil && w.scoped && !w.contained() {
		return errno.EXDEV // it was moved away meanwhile
	}
	return err
}

func (w *walk) steps(parent bool) error {
	for {
		w.fast(parent)
		name, after, final, ok := w.peek()
		if !ok {
			if parent {
				w.lastType = lastRoot
			}
			return nil
		}
		if final && after == "" && strings.HasSuffix(w.rest, "/") {
			w.slash = true
		}
		if err := w.search(); err != nil {
			return err
		}
		if len(name) > linux.NAME_MAX {
			return errno.ENAMETOOLONG
		}
		if final && parent {
			w.last = name
			switch name {
			case ".":
				w.lastType = lastDot
			case "..":
				w.lastType = lastDotDot
			}
			return nil
		}
		w.rest = after
		switch name {
		case ".":
			continue
		case "..":
			if err := w.up(); err != nil {
				return err
			}
			continue
		}
		if err := w.step(name, final); err != nil {
			return err
		}
	}
}

// search checks that at is a directory that the caller may search.
func (w *walk) search() error {
	n := w.at.Dentry.Inode()
	if n == nil {
		return errno.ENOENT
	}
	if n.Type() != linux.S_IFDIR {
		return errno.ENOTDIR
	}
	return inodePermission(w.c, n, MayExec)
}

// up follows "..".
func (w *walk) up() error {
	root := w.needRoot()
	for {
		if w.at == root {
			if w.flags&LookupBeneath != 0 {
				return errno.EXDEV
			}
			break
		}
		if w.at.Dentry != w.at.Mount.Root {
			if w.scoped {
				if err := w.upScoped(); err != nil {
					return err
				}
				break
			}
			p := Path{w.at.Mount, w.at.Dentry.lockedParent()}
			p.Mount.refs.Add(1)
			w.moveTo(p)
			break
		}
		// At the root of a mount: go on from where it is mounted.
		p, ok := w.v.mountpointOf(w.at.Mount)
		if !ok {
			break
		}
		if w.flags&LookupNoXDev != 0 {
			p.DecRef()
			return errno.EXDEV
		}
		w.moveTo(p)
	}
	return w.enterMounts()
}

// upScoped follows ".." within a mount for a walk that must not leave its root: EAGAIN if at was moved
// away from below it (openat2(2)).
func (w *walk) upScoped() error {
	sb := w.at.Dentry.sb
	sb.treeMu.RLock()
	below := w.root.Mount != w.at.Mount || below(w.at.Dentry, w.root.Dentry)
	parent := w.at.Dentry.parent.Load()
	if below {
		parent.IncRef()
	}
	sb.treeMu.RUnlock()
	if !below {
		return errno.EAGAIN
	}
	w.at.Mount.refs.Add(1)
	w.moveTo(Path{w.at.Mount, parent})
	return nil
}

// contained reports whether at is the root of the walk or lies below it, through whatever mounts.
func (w *walk) contained() bool {
	p := w.at
	p.IncRef()
	for {
		top := p.Mount.Root
		if p.Mount == w.root.Mount {
			top = w.root.Dentry
		}
		sb := p.Dentry.sb
		sb.treeMu.RLock()
		in := below(p.Dentry, top)
		sb.treeMu.RUnlock()
		up, ok := Path{}, false
		if in && p.Mount != w.root.Mount {
			up, ok = w.v.mountpointOf(p.Mount)
		}
		p.DecRef()
		if !ok {
			return in && p.Mount == w.root.Mount
		}
		p = up
	}
}

// enterMounts moves at to what is mounted on it.
func (w *walk) enterMounts() error {
	for w.at.Dentry.mounted.Load() > 0 {
		m, hidden := w.v.mountOn(w.at)
		if hidden {
			return errno.EACCES
		}
		if m == nil {
			return nil
		}
		if w.flags&LookupNoXDev != 0 {
			m.decRef()
			return errno.EXDEV
		}
		m.Root.IncRef()
		w.moveTo(Path{m, m.Root})
	}
	return nil
}

// step goes down to name, through mounts, and follows a symbolic link where it must.
// Preconditions: search permitted it.
func (w *walk) step(name string, final bool) error {
	if w.flags&LookupCached != 0 {
		return errno.EAGAIN
	}
	d, err := w.v.lookup(w.c, w.at.Dentry, name, w.rest)
	if err != nil {
		return err
	}
	n := d.Inode()
	if n == nil {
		if !final {
			d.DecRef()
			return errno.ENOENT
		}
		w.at.Mount.refs.Add(1)
		w.moveTo(Path{w.at.Mount, d})
		return nil
	}
	if n.Type() == linux.S_IFLNK && (!final || w.slash || w.flags&LookupFollow != 0) {
		err := w.follow(d, n)
		d.DecRef()
		return err
	}
	w.at.Mount.refs.Add(1)
	w.moveTo(Path{w.at.Mount, d})
	return w.enterMounts()
}

// follow goes on with the target of link n, whose dentry d lies in at.
func (w *walk) follow(d *Dentry, n *Inode) error {
	if w.flags&LookupNoSymlinks != 0 || w.at.Mount.Flags()&linux.MS_NOSYMFOLLOW != 0 {
		return errno.ELOOP
	}
	if w.links++; w.links > maxSymlinks {
		return errno.ELOOP
	}
	if err := w.mayFollow(n); err != nil {
		return err
	}
	w.v.touchAtime(w.c, Path{w.at.Mount, d}, n)
	if ml, ok := n.Ops.(MagicLink); ok {
		if w.flags&LookupNoMagicLinks != 0 {
			return errno.ELOOP
		}
		p, err := ml.Follow(w.c, n)
		if err != nil {
			return err
		}
		if p.Ok() {
			if w.scoped || w.flags&LookupNoXDev != 0 && p.Mount != w.at.Mount {
				p.DecRef()
				return errno.EXDEV
			}
			w.moveTo(p)
			return nil
		}
	}
	target, err := n.readlink(w.c)
	if err != nil {
		return err
	}
	return w.enterLink(target)
}

// enterLink puts target in front of the rest.
func (w *walk) enterLink(target string) error {
	if target == "" {
		return errno.ENOENT
	}
	if target[0] == '/' {
		if w.flags&LookupBeneath != 0 {
			return errno.EXDEV
		}
		root := w.needRoot()
		if w.flags&LookupNoXDev != 0 && root.Mount != w.at.Mount {
			return errno.EXDEV
		}
		root.IncRef()
		w.moveTo(root)
	}
	if w.rest != "" {
		w.stack = append(w.stack, w.rest)
	}
	w.rest = strings.TrimLeft(target, "/")
	return nil
}

// mayFollow applies Protected.Symlinks.
func (w *walk) mayFollow(n *Inode) error {
	if w.v.Protected.Symlinks.Load() == 0 {
		return nil
	}
	dir := w.at.Dentry.Inode().Attr()
	if dir.Mode&(linux.S_ISVTX|linux.S_IWOTH) != linux.S_ISVTX|linux.S_IWOTH {
		return nil
	}
	link := n.Attr()
	if link.UID == w.c.Creds().FSUID || link.UID == dir.UID {
		return nil
	}
	return errno.EACCES
}

// fast walks as far as the dentry cache answers everything, without a lock as long as names stay where
// they are, and without touching reference counts on the way. It stops, always in front of a whole
// component, wherever the file system or a rule has to be asked.
func (w *walk) fast(parent bool) {
	for w.fastRun(parent) {
	}
}

// fastRun walks within one file system. It reports whether it is worth going on: a mount
// was entered or a link followed.
func (w *walk) fastRun(parent bool) (again bool) {
	at := w.at
	sb := at.Dentry.sb
	if sb.Flags&(SBRevalidate|SBDynamicAttr) != 0 {
		return false
	}
	rest, stack, links := w.rest, w.stack, w.links
	mark, free := sb.treeMu.begin()
	var to descent
	if free {
		to = w.descend(parent)
		if free = sb.treeMu.same(mark); !free {
			to.undo(at)
			w.rest, w.stack, w.links = rest, stack, links
		}
	}
	if !free {
		sb.treeMu.RLock()
		to = w.descend(parent)
		sb.treeMu.RUnlock()
	}
	switch {
	case to.mount != nil:
		to.mount.Root.IncRef()
		w.moveTo(Path{to.mount, to.mount.Root})
		w.enterMounts()
	case to.d != at.Dentry:
		// The reference to the mount stays.
		w.at.Dentry = to.d
		at.Dentry.DecRef()
	}
	if to.link != "" {
		w.enterLink(to.link)
	}
	return to.mount != nil || to.link != ""
}

// descent is where descend came to.
type descent struct {
	d     *Dentry // with a reference, unless it is where the walk was already, or mount counts
	mount *Mount  // what is mounted on the last name, with a reference
	link  string  // target of the link that is to be followed
}

// undo drops the references of a descent from at.
func (to *descent) undo(at Path) {
	switch {
	case to.mount != nil:
		to.mount.decRef()
	case to.d != at.Dentry:
		to.d.DecRef()
	}
}

// descend walks from at down the cached names and takes what it passed off rest. It changes nothing
// else of the walk. Preconditions: treeMu is held for reading, or the caller looks afterwards whether
// the tree has changed.
func (w *walk) descend(parent bool) (to descent) {
	at := w.at
	d := at.Dentry
	for {
		name, after, final, ok := w.peek()
		if !ok || final && (parent || after == "" && w.rest[len(w.rest)-1] == '/') || len(name) > linux.NAME_MAX {
			break
		}
		n := d.Inode()
		if n == nil || !n.searchableByAll() && (n.Type() != linux.S_IFDIR || n.ownPermission || inodePermission(w.c, n, MayExec) != nil) {
			break
		}
		if name == "." {
			w.rest = after
			continue
		}
		if name == ".." {
			up := d.parent.Load()
			if d == at.Mount.Root || w.scoped || up.mounted.Load() > 0 || d == w.needRoot().Dentry {
				break
			}
			d = up
			w.rest = after
			continue
		}
		child := d.children.get(name)
		if child == nil {
			break
		}
		cn := child.Inode()
		if cn == nil && !final {
			break
		}
		if cn != nil && cn.Type() == linux.S_IFLNK && (!final || w.slash || w.flags&LookupFollow != 0) {
			// Links that need no rule and no atime are followed right here.
			t := cn.link.Load()
			if t == nil || *t == "" || w.flags&^(LookupFollow|LookupDirectory|LookupEmpty) != 0 || w.links >= maxSymlinks ||
				n.mode.Load()&linux.S_ISVTX != 0 || at.Mount.Flags()&linux.MS_NOSYMFOLLOW != 0 || !cn.atimeFresh.Load() {
				break
			}
			w.links++
			w.rest = after
			to.link = *t
			break
		}
		if child.mounted.Load() > 0 {
			if w.flags&LookupNoXDev != 0 {
				break
			}
			m, hidden := w.v.mountOn(Path{at.Mount, child})
			if hidden {
				break
			}
			if m != nil {
				w.rest = after
				return descent{mount: m}
			}
		}
		if !child.used.Load() {
			child.used.Store(true)
		}
		w.rest = after
		d = child
	}
	if d != at.Dentry {
		d.IncRef()
	}
	to.d = d
	return to
}
