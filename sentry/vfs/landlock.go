package vfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/landlock"
)

// This file asks the caller's landlock domain, where it has one: openInode, truncation, the makers and removers of
// names and the changes of mounts call it, each in the place where Linux does.

// LandlockObject names p's file for a rule; EBADFD if it has no place under any root.
func (p Path) LandlockObject() (landlock.Object, error) {
	if p.Mount.nowhere(p.Dentry) {
		return landlock.Object{}, errno.EBADFD
	}
	return p.Inode().object(), nil
}

func (n *Inode) object() landlock.Object {
	return landlock.Object{Dev: n.SB.Dev, Ino: n.ino, Born: n.born}
}

// nowhere reports whether d, found through m, is a pipe, a socket or the like, which no rule concerns.
func (m *Mount) nowhere(d *Dentry) bool { return m == m.v.anonMount || d.sb != m.SB }

// landlocked returns EACCES unless c's domain allows the rights at p.
func (v *VFS) landlocked(c Caller, p Path, rights uint64) error {
	d := c.Creds().Landlock
	if d.Handles(rights) && v.landlockMissing(d, p, rights) != 0 {
		return errno.EACCES
	}
	return nil
}

// landlockMissing returns those of the rights that d does not allow at p.
func (v *VFS) landlockMissing(d *landlock.Domain, p Path, rights uint64) uint64 {
	if !d.Handles(rights) || p.Mount.nowhere(p.Dentry) {
		return 0
	}
	var g landlock.Grants
	v.landlockGrants(d, &g, p)
	return d.Missing(&g, rights)
}

// landlockGrants collects what d's rules allow at p: those of every file from there up to the root of everything.
func (v *VFS) landlockGrants(d *landlock.Domain, g *landlock.Grants, p Path) {
	p.IncRef()
	for {
		sb := p.Dentry.sb
		sb.treeMu.RLock()
		for at := p.Dentry; ; at = at.Parent() {
			if n := at.Inode(); n != nil {
				d.Add(g, n.object())
			}
			if at == p.Mount.Root || at.IsRoot() {
				break
			}
		}
		sb.treeMu.RUnlock()
		up, ok := v.mountpointOf(p.Mount)
		p.DecRef()
		if !ok {
			return
		}
		p = up
	}
}

// mayOpenLandlocked returns EACCES unless c may open p with flags, and otherwise what it lacks of the rights
// that count when the open file is used.
func (v *VFS) mayOpenLandlocked(c Caller, p Path, flags uint32) (lacks uint64, err error) {
	d := c.Creds().Landlock
	if d == nil {
		return 0, nil
	}
	var need uint64
	acc := flags & linux.O_ACCMODE
	typ := p.Inode().Type()
	switch {
	case typ == linux.S_IFDIR:
		need = linux.LANDLOCK_ACCESS_FS_READ_DIR
	case acc == linux.O_RDONLY || acc == linux.O_RDWR:
		need = linux.LANDLOCK_ACCESS_FS_READ_FILE
	}
	if acc == linux.O_WRONLY || acc == linux.O_RDWR {
		need |= linux.LANDLOCK_ACCESS_FS_WRITE_FILE
	}
	if flags&openExec != 0 {
		need |= linux.LANDLOCK_ACCESS_FS_EXECUTE
	}
	later := uint64(linux.LANDLOCK_ACCESS_FS_TRUNCATE)
	if typ == linux.S_IFCHR || typ == linux.S_IFBLK {
		later |= linux.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	missing := v.landlockMissing(d, p, need|later)
	if missing&need != 0 {
		return 0, errno.EACCES
	}
	return missing, nil
}

// LandlockedIoctl returns EACCES if whoever opened f may not make requests of devices, and cmd is one.
func (f *File) LandlockedIoctl(cmd uint32) error {
	if f.lacks&linux.LANDLOCK_ACCESS_FS_IOCTL_DEV == 0 {
		return nil
	}
	switch cmd {
	case linux.FIOCLEX, linux.FIONCLEX, linux.FIONBIO, linux.FIOASYNC, linux.FIOQSIZE, linux.FIGETBSZ, linux.FIFREEZE,
		linux.FITHAW, linux.FS_IOC_FIEMAP, linux.FICLONE, linux.FICLONERANGE, linux.FIDEDUPERANGE,
		linux.FS_IOC_GETFSUUID, linux.FS_IOC_GETFSSYSFSPATH:
		return nil // what the vfs answers itself, and what has nothing to do with the device
	}
	return errno.EACCES
}

// mayChangeMounts returns EPERM if c may not change mounts that belong to owner, or its domain restricts files: moving
// them about would change what its rules mean.
func mayChangeMounts(c Caller, owner *creds.UserNamespace) error {
	if !c.Creds().HasIn(linux.CAP_SYS_ADMIN, owner) || c.Creds().Landlock.Handles(landlock.AllFS) {
		return errno.EPERM
	}
	return nil
}

// rightToMake returns the right that making a file of a type takes.
func rightToMake(typ uint32) uint64 {
	switch typ & linux.S_IFMT {
	case linux.S_IFDIR:
		return linux.LANDLOCK_ACCESS_FS_MAKE_DIR
	case linux.S_IFLNK:
		return linux.LANDLOCK_ACCESS_FS_MAKE_SYM
	case linux.S_IFCHR:
		return linux.LANDLOCK_ACCESS_FS_MAKE_CHAR
	case linux.S_IFBLK:
		return linux.LANDLOCK_ACCESS_FS_MAKE_BLOCK
	case linux.S_IFIFO:
		return linux.LANDLOCK_ACCESS_FS_MAKE_FIFO
	case linux.S_IFSOCK:
		return linux.LANDLOCK_ACCESS_FS_MAKE_SOCK
	}
	return linux.LANDLOCK_ACCESS_FS_MAKE_REG
}

// rightToRemove returns the right that removing n takes.
func rightToRemove(n *Inode) uint64 {
	if n.Type() == linux.S_IFDIR {
		return linux.LANDLOCK_ACCESS_FS_REMOVE_DIR
	}
	return linux.LANDLOCK_ACCESS_FS_REMOVE_FILE
}

// reparenting is a link or a rename, as rules see it: src, a name in from, comes into to, and if the two
// change places, dst comes into from.
type reparenting struct {
	src, dst     Path // dst is the zero Path unless they change places
	from, to     Path
	atFrom, atTo uint64 // rights that it takes there, but for REFER
	sameDir      bool
}

// mayReparent returns EACCES if c's domain does not allow what happens in either directory, and EXDEV if it does not
// allow that files change the directory: they must not gain rights by it. See LANDLOCK_ACCESS_FS_REFER.
func (v *VFS) mayReparent(c Caller, r *reparenting) error {
	d := c.Creds().Landlock
	if r.sameDir {
		return v.landlocked(c, r.to, r.atFrom|r.atTo)
	}
	if !d.Handles(landlock.AllFS) || r.to.Mount.nowhere(r.to.Dentry) {
		return nil
	}
	var from, to landlock.Grants
	v.landlockGrants(d, &from, r.from)
	v.landlockGrants(d, &to, r.to)
	if d.Missing(&from, r.atFrom)|d.Missing(&to, r.atTo) != 0 {
		return errno.EACCES
	}
	if d.Missing(&from, linux.LANDLOCK_ACCESS_FS_REFER)|d.Missing(&to, linux.LANDLOCK_ACCESS_FS_REFER) != 0 ||
		gainsByMove(d, r.src, from, &to) || r.dst.Ok() && gainsByMove(d, r.dst, to, &from) {
		return errno.EXDEV
	}
	return nil
}

// mayLinkLandlocked is mayReparent for another name of the file at p, in the directory to.
func (v *VFS) mayLinkLandlocked(c Caller, p, to Path) error {
	if c.Creds().Landlock == nil {
		return nil
	}
	parent := p.Dentry.lockedParent()
	defer parent.DecRef()
	return v.mayReparent(c, &reparenting{
		src: p, from: Path{p.Mount, parent}, to: to, sameDir: parent == to.Dentry, atTo: rightToMake(p.Inode().Type()),
	})
}

// gainsByMove reports whether what is at p has more rights under to than under from, where its own rules go along.
func gainsByMove(d *landlock.Domain, p Path, from landlock.Grants, to *landlock.Grants) bool {
	n := p.Inode()
	d.Add(&from, n.object())
	rights := uint64(landlock.AllFS)
	if n.Type() != linux.S_IFDIR {
		rights = landlock.FileFS
	}
	return d.Gains(&from, to, rights)
}
