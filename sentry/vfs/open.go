package vfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// ValidOpenFlags are the O_* flags that openat2(2) accepts; open(2) ignores others.
const ValidOpenFlags = linux.O_ACCMODE | linux.O_CREAT | linux.O_EXCL | linux.O_NOCTTY | linux.O_TRUNC | linux.O_APPEND |
	linux.O_NONBLOCK | linux.O_SYNC | linux.O_DSYNC | linux.FASYNC | linux.O_DIRECT | linux.O_LARGEFILE |
	linux.O_DIRECTORY | linux.O_NOFOLLOW | linux.O_NOATIME | linux.O_CLOEXEC | linux.O_PATH | linux.O_TMPFILE

// ValidResolveFlags are the RESOLVE_* flags that openat2(2) accepts.
const ValidResolveFlags = linux.RESOLVE_NO_XDEV | linux.RESOLVE_NO_MAGICLINKS | linux.RESOLVE_NO_SYMLINKS |
	linux.RESOLVE_BENEATH | linux.RESOLVE_IN_ROOT | linux.RESOLVE_CACHED

func resolveToLookup(resolve uint64) (f LookupFlags) {
	for _, p := range [...]struct {
		r uint64
		f LookupFlags
	}{
		{linux.RESOLVE_NO_XDEV, LookupNoXDev}, {linux.RESOLVE_NO_MAGICLINKS, LookupNoMagicLinks},
		{linux.RESOLVE_NO_SYMLINKS, LookupNoSymlinks}, {linux.RESOLVE_BENEATH, LookupBeneath},
		{linux.RESOLVE_IN_ROOT, LookupInRoot}, {linux.RESOLVE_CACHED, LookupCached},
	} {
		if resolve&p.r != 0 {
			f |= p.f
		}
	}
	return f
}

// OpenAt is openat2(2), without descriptors: O_CLOEXEC is the caller's. mode counts only if a file
// is made, before the umask; resolve holds RESOLVE_* flags. If the file's operations
// are an OpenWaiter, the open is complete only when OpenReady says so, for which the caller waits.
func (v *VFS) OpenAt(c Caller, start Path, path string, flags, mode uint32, resolve uint64) (*File, error) {
	lf := resolveToLookup(resolve)
	if flags&linux.O_NOFOLLOW == 0 {
		lf |= LookupFollow
	}
	if flags&linux.O_DIRECTORY != 0 {
		lf |= LookupDirectory
	}
	if flags&linux.O_PATH != 0 {
		p, err := v.Resolve(c, start, path, lf)
		if err != nil {
			return nil, err
		}
		const keep = linux.O_PATH | linux.O_DIRECTORY | linux.O_NOFOLLOW
		return NewFile(pathOps{}, p, flags&keep, FModePath, c.Creds()), nil
	}
	if flags&linux.O_TMPFILE == linux.O_TMPFILE {
		return v.openTmpfile(c, start, path, flags, mode, lf)
	}
	if flags&linux.O_CREAT == 0 {
		p, err := v.Resolve(c, start, path, lf)
		if err != nil {
			return nil, err
		}
		return v.open(c, p, flags, false)
	}
	if flags&linux.O_EXCL != 0 {
		lf &^= LookupFollow
	}
	return v.openCreate(c, start, path, flags, mode, lf&^LookupDirectory)
}

// OpenPath opens what p leads to, with the permission checks of open(2). It takes a
// reference of its own to p.
func (v *VFS) OpenPath(c Caller, p Path, flags uint32) (*File, error) {
	p.IncRef()
	return v.open(c, p, flags, false)
}

// openExec is in the flags of an open for execution, as Linux's FMODE_EXEC is; no caller of open(2) can set it.
const openExec = 0x20

// OpenExec opens what p leads to for execve(2). It takes a reference of its own to p.
func (v *VFS) OpenExec(c Caller, p Path) (*File, error) {
	return v.OpenPath(c, p, linux.O_RDONLY|openExec)
}

// openCreate is OpenAt with O_CREAT.
func (v *VFS) openCreate(c Caller, start Path, path string, flags, mode uint32, lf LookupFlags) (*File, error) {
	if path == "" {
		return nil, errno.ENOENT
	}
	w := new(walk)
	if err := w.begin(v, c, start, path, lf); err != nil {
		return nil, err
	}
	defer w.release()
	for {
		if err := w.run(true); err != nil {
			return nil, err
		}
		if w.lastType != lastNorm {
			return nil, w.openDots(flags)
		}
		if w.slash {
			return nil, errno.EISDIR
		}
		d, created, err := v.createLast(c, w, flags, mode)
		if err != nil {
			return nil, err
		}
		n := d.Inode()
		if n.Type() != linux.S_IFLNK || created {
			if !created && flags&linux.O_EXCL != 0 {
				d.DecRef()
				return nil, errno.EEXIST
			}
			dir := w.at.Inode()
			w.at.Mount.refs.Add(1)
			w.moveTo(Path{w.at.Mount, d})
			if err := w.enterMounts(); err != nil {
				return nil, err
			}
			p := w.at
			if !created && p.Inode().Type() != linux.S_IFDIR {
				if err := v.mayOpenSticky(c, dir, p.Inode()); err != nil {
					return nil, err
				}
			}
			w.at = Path{}
			f, err := v.open(c, p, flags, created)
			if err == nil && created {
				f.Mode |= FModeCreated
			}
			return f, err
		}
		if flags&linux.O_EXCL != 0 {
			d.DecRef()
			return nil, errno.EEXIST
		}
		if flags&linux.O_NOFOLLOW != 0 {
			d.DecRef()
			return nil, errno.ELOOP
		}
		w.rest, w.last = "", ""
		err = w.follow(d, n)
		d.DecRef()
		if err != nil {
			return nil, err
		}
		if w.rest == "" && w.at.Inode() != nil && w.at.Inode().Type() != linux.S_IFDIR {
			// A magic link led straight to the file.
			p := w.at
			w.at = Path{}
			return v.open(c, p, flags, false)
		}
	}
}

// createLast returns the dentry of the last component, which it makes if there is none.
func (v *VFS) createLast(c Caller, w *walk, flags, mode uint32) (d *Dentry, created bool, err error) {
	dir := w.at.Dentry
	// Most files that are opened with O_CREAT exist.
	d, err = v.lookup(c, dir, w.last, "")
	if err != nil {
		return nil, false, err
	}
	if d.Inode() != nil {
		return d, false, nil
	}
	d.DecRef()
	if w.at.Mount.ReadOnly() {
		return nil, false, errno.EROFS
	}
	n := dir.Inode()
	n.rw.Lock()
	defer n.rw.Unlock()
	d, err = lookupLocked(c, dir, w.last, "")
	if err != nil {
		return nil, false, err
	}
	if d.Inode() != nil {
		return d, false, nil
	}
	d.DecRef()
	if err := v.landlocked(c, w.at, linux.LANDLOCK_ACCESS_FS_MAKE_REG); err != nil {
		return nil, false, err
	}
	if err := mayCreate(c, w.at); err != nil {
		return nil, false, err
	}
	mode = mode&linux.S_IALLUGO&^maskFor(c, n) | linux.S_IFREG
	name := cloneName(w.last)
	fn, err := n.Ops.Create(c, n, name, mode)
	if err == errno.EEXIST && flags&linux.O_EXCL == 0 {
		// The host made it meanwhile.
		if d, err = lookupLocked(c, dir, name, ""); err == nil && d.Inode() == nil {
			d.DecRef()
			err = errno.EEXIST
		}
		return d, false, err
	}
	if err != nil {
		return nil, false, err
	}
	fn.inheritACL(n)
	d = dir.sb.instantiate(dir, name, fn)
	notifyDir(dir, linux.IN_CREATE, name, 0, false)
	v.fanName(c, n, linux.IN_CREATE, name, fn)
	return d, true, nil
}

// openDots returns how O_CREAT of "/", "." or ".." fails.
func (w *walk) openDots(flags uint32) error {
	if w.lastType == lastDotDot {
		if err := w.up(); err != nil {
			return err
		}
	}
	if flags&linux.O_EXCL != 0 {
		return errno.EEXIST
	}
	return errno.EISDIR
}

// mayOpenSticky applies Protected.FIFOs and Protected.Regular to O_CREAT of n in dir. Like Linux it is as
// strict with what is neither.
func (v *VFS) mayOpenSticky(c Caller, dir, n *Inode) error {
	fifos, regular := v.Protected.FIFOs.Load(), v.Protected.Regular.Load()
	fifo, reg := n.Type() == linux.S_IFIFO, n.Type() == linux.S_IFREG
	da := dir.Attr()
	if fifo && fifos == 0 || reg && regular == 0 || da.Mode&linux.S_ISVTX == 0 {
		return nil
	}
	a := n.Attr()
	if a.UID == c.Creds().FSUID || a.UID == da.UID {
		return nil
	}
	if da.Mode&linux.S_IWOTH != 0 || da.Mode&linux.S_IWGRP != 0 && (fifo && fifos >= 2 || reg && regular >= 2) {
		return errno.EACCES
	}
	return nil
}

func (v *VFS) openTmpfile(c Caller, start Path, path string, flags, mode uint32, lf LookupFlags) (*File, error) {
	if flags&linux.O_ACCMODE == linux.O_RDONLY {
		return nil, errno.EINVAL
	}
	dir, err := v.Resolve(c, start, path, lf|LookupDirectory)
	if err != nil {
		return nil, err
	}
	defer dir.DecRef()
	if dir.Mount.ReadOnly() {
		return nil, errno.EROFS
	}
	if err := mayCreate(c, dir); err != nil {
		return nil, err
	}
	dn := dir.Inode()
	n, err := dn.Ops.Tmpfile(c, dn, mode&linux.S_IALLUGO&^maskFor(c, dn)|linux.S_IFREG)
	if err != nil {
		return nil, err
	}
	n.inheritACL(dn)
	n.tmpfile.Store(true)
	n.noLink.Store(flags&linux.O_EXCL != 0)
	d := newDentry(dn.SB, n)
	name := tmpfileName(n.Ino())
	d.name.Store(&name)
	d.parent.Store(dir.Dentry)
	dir.Dentry.IncRef()
	d.detached.Store(true)
	dir.Mount.refs.Add(1)
	return v.open(c, Path{dir.Mount, d}, flags&^(linux.O_TMPFILE|linux.O_CREAT|linux.O_EXCL)|linux.O_TMPFILE, true)
}

// open opens p, whose reference it takes over. A created file is opened whatever its permissions are.
func (v *VFS) open(c Caller, p Path, flags uint32, created bool) (*File, error) {
	f, err := v.openInode(c, p, flags, created)
	if err != nil {
		p.DecRef()
		return nil, err
	}
	if err := f.mayOpenFanned(c, flags); err != nil {
		f.DecRef()
		return nil, err
	}
	event := uint32(linux.IN_OPEN)
	if flags&openExec != 0 {
		event |= linux.FAN_OPEN_EXEC
	}
	f.notify(c, event)
	if flags&linux.O_TRUNC != 0 && !created && p.Inode().Type() == linux.S_IFREG {
		if err := v.truncate(c, p, p.Inode(), 0, true); err != nil {
			f.DecRef()
			return nil, err
		}
	}
	return f, nil
}

func (v *VFS) openInode(c Caller, p Path, flags uint32, created bool) (*File, error) {
	n := p.Inode()
	acc := flags & linux.O_ACCMODE
	mask := [4]uint32{MayRead, MayWrite, MayRead | MayWrite, MayRead | MayWrite}[acc]
	write := mask&MayWrite != 0
	trunc := flags&linux.O_TRUNC != 0 && !created
	if trunc {
		mask |= MayWrite
	}
	switch n.Type() {
	case linux.S_IFLNK:
		return nil, errno.ELOOP
	case linux.S_IFDIR:
		if flags&linux.O_CREAT != 0 || mask&MayWrite != 0 {
			return nil, errno.EISDIR
		}
	case linux.S_IFBLK, linux.S_IFCHR:
		if p.Mount.Flags()&linux.MS_NODEV != 0 || !p.Mount.SB.UserNS.Initial() && p.Mount.SB.Flags&SBDevices == 0 {
			return nil, errno.EACCES
		}
		trunc = false
	case linux.S_IFREG:
	default:
		trunc = false
	}
	if flags&linux.O_DIRECTORY != 0 && n.Type() != linux.S_IFDIR && flags&linux.O_TMPFILE != linux.O_TMPFILE {
		return nil, errno.ENOTDIR
	}
	if !created {
		if err := v.Permission(c, p, mask); err != nil {
			return nil, err
		}
	}
	if write || trunc || flags&linux.O_NOATIME != 0 {
		a := n.Attr()
		if a.Flags&linux.STATX_ATTR_APPEND != 0 && (write && flags&linux.O_APPEND == 0 || trunc) {
			return nil, errno.EPERM
		}
		if flags&linux.O_NOATIME != 0 && !ownerOrCapable(c, &a) {
			return nil, errno.EPERM
		}
	}
	if n.Type() == linux.S_IFSOCK {
		return nil, errno.ENXIO
	}

	lacks, err := v.mayOpenLandlocked(c, p, flags)
	if err != nil {
		return nil, err
	}
	if trunc && lacks&linux.LANDLOCK_ACCESS_FS_TRUNCATE != 0 {
		return nil, errno.EACCES
	}

	var fmode uint32
	if acc == linux.O_RDONLY || acc == linux.O_RDWR {
		fmode |= FModeRead
	}
	if acc == linux.O_WRONLY || acc == linux.O_RDWR {
		fmode |= FModeWrite
	}
	counted := n.Type() == linux.S_IFREG && (write || trunc)
	if counted {
		if err := getWrite(p); err != nil {
			return nil, err
		}
	}
	ops, special, err := v.openOps(c, n, flags)
	if err != nil {
		if counted {
			putWrite(p)
		}
		return nil, err
	}
	if !special {
		fmode |= FModeSeek
	} else if _, ok := ops.(Seeker); ok {
		fmode |= FModeSeek
	}
	if counted && !write {
		// O_RDONLY|O_TRUNC writes once, right now.
		putWrite(p)
		counted = false
	}
	// O_TMPFILE stays: F_GETFL shows it.
	const gone = linux.O_CREAT | linux.O_EXCL | linux.O_NOCTTY | linux.O_TRUNC | linux.O_CLOEXEC
	f := NewFile(ops, p, flags&ValidOpenFlags&^gone|linux.O_LARGEFILE, fmode, c.Creds())
	f.counted, f.lacks = counted, lacks
	return f, nil
}

// getWrite counts a writer of p, a regular file, in its inode, its mount and its file system: EROFS if that was made
// read-only meanwhile.
func getWrite(p Path) error {
	p.Mount.writers.Add(1)
	p.Mount.SB.writers.Add(1)
	err := p.Inode().getWrite()
	if err == nil && p.Mount.ReadOnly() {
		p.Inode().putWrite()
		err = errno.EROFS
	}
	if err != nil {
		p.Mount.writers.Add(-1)
		p.Mount.SB.writers.Add(-1)
	}
	return err
}

func putWrite(p Path) {
	p.Inode().putWrite()
	p.Mount.SB.writers.Add(-1)
	p.Mount.writers.Add(-1)
}

// Seeker is a FileOps of a device that has a position after all (/dev/mem, not a tty).
type Seeker interface{ Seekable() }

// openOps asks the file system, or SpecialFiles, for the operations of an open file.
func (v *VFS) openOps(c Caller, n *Inode, flags uint32) (ops FileOps, special bool, err error) {
	ops, err = n.Ops.Open(c, n, flags)
	if err != errno.ENXIO {
		return ops, n.Type() != linux.S_IFREG && n.Type() != linux.S_IFDIR, err
	}
	t := n.Type()
	if v.Special == nil {
		return nil, false, errno.ENXIO
	}
	switch t {
	case linux.S_IFCHR, linux.S_IFBLK:
		ops, err = v.Special.OpenDevice(c, n, n.Rdev(), t == linux.S_IFCHR, flags)
	case linux.S_IFIFO:
		ops, err = v.Special.OpenFIFO(c, n, flags)
	}
	return ops, true, err
}

// pathOps are the operations of an O_PATH file: none. The system call layer refuses
// most calls with EBADF before it comes here.
type pathOps struct{ BaseFile }

// NewPathFile returns an O_PATH file on p. It takes over the reference to p.
func NewPathFile(p Path, flags uint32, cred *creds.Credentials) *File {
	return NewFile(pathOps{}, p, flags|linux.O_PATH, FModePath, cred)
}
