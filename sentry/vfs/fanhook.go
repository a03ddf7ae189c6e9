package vfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// This file tells the listeners of fanotify(7) what happens. Its functions are called where inotify's watches are told;
// without any mark they cost one look.

// fanned reports whether anybody listens.
func (v *VFS) fanned() bool { return v.fan.active.Load() != 0 }

// Fanned is fanned, for those who must note who closes a file.
func (f *File) Fanned() bool { return f.Path.Mount.v.fanned() }

// ClosedBy notes the process that closes f, for the event.
func (f *File) ClosedBy(a Actor) { f.closer.Store(a.ActorID(false)) }

// news returns what is to be told of something that happened to p.
func (p Path) news(mask uint64) fanNews {
	d := p.Dentry
	n := d.Inode()
	w := fanNews{mask: mask, node: n, sb: n.SB, path: p, isDir: n.Type() == linux.S_IFDIR}
	if up := d.Parent(); up != d {
		if dir := up.Inode(); dir != nil {
			w.dir, w.name = dir, d.Name()
		}
	}
	return w
}

// fanPath tells of an event of p.
func (v *VFS) fanPath(c Caller, p Path, mask uint64, pid int32) {
	if !v.fanned() || p.Mount == v.anonMount {
		return
	}
	w := p.news(mask)
	w.pid = pid
	v.tell(c, &w)
}

// fanAsk asks those who have to permit what mask names. EPERM if one does not.
func (f *File) fanAsk(c Caller, mask uint64) error {
	v := f.Path.Mount.v
	if !v.fanned() || f.untold || f.Path.Mount == v.anonMount {
		return nil
	}
	w := f.Path.news(mask)
	return v.tell(c, &w)
}

// mayOpenFanned asks whether f may be opened. If not, nobody learns of its end.
func (f *File) mayOpenFanned(c Caller, flags uint32) error {
	err := f.fanAsk(c, linux.FAN_OPEN_PERM)
	if err == nil && flags&openExec != 0 {
		err = f.fanAsk(c, linux.FAN_OPEN_EXEC_PERM)
	}
	f.untold = f.untold || err != nil
	return err
}

// mayAccessFanned asks whether f may be read.
func (f *File) mayAccessFanned(c Caller) error {
	if f.Mode&FModeRead == 0 {
		return errno.EBADF
	}
	return f.fanAsk(c, linux.FAN_ACCESS_PERM)
}

// fanName tells what happened to a name in dir.
func (v *VFS) fanName(c Caller, dir *Inode, mask uint64, name string, child *Inode) {
	if v.fanned() {
		v.tell(c, &fanNews{mask: mask, node: dir, sb: dir.SB, dir: dir, name: name, child: child, isDir: child.Type() == linux.S_IFDIR})
	}
}

// fanMove tells of a rename, to the directory that the name leaves and to the one that it comes to.
func (v *VFS) fanMove(c Caller, n, from *Inode, fromName string, to *Inode, toName string) {
	if !v.fanned() {
		return
	}
	v.fanName(c, from, linux.IN_MOVED_FROM, fromName, n)
	v.fanName(c, to, linux.IN_MOVED_TO, toName, n)
	v.tell(c, &fanNews{mask: linux.FAN_RENAME, node: from, sb: from.SB, dir: from, name: fromName, to: to, toName: toName,
		child: n, isDir: n.Type() == linux.S_IFDIR})
}

// fanSelf tells of an event of n that came through none of its names.
func (v *VFS) fanSelf(c Caller, n *Inode, mask uint64) {
	if v.fanned() {
		v.tell(c, &fanNews{mask: mask, node: n, sb: n.SB, isDir: n.Type() == linux.S_IFDIR})
	}
}

// fanGone tells of n's end, with which its marks end.
func (n *Inode) fanGone() {
	if v := n.SB.v; v != nil && v.fanned() && n.Attr().Nlink == 0 {
		v.fanSelf(nil, n, linux.IN_DELETE_SELF)
		v.fan.forget(n)
	}
}
