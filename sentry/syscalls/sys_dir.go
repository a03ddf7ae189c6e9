package syscalls

import (
	"encoding/binary"
	"sync"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var dirCalls = []line{
	{linux.SYS_GETDENTS, "getdents", sysGetdents, kernel.Full, "", ""},
	{linux.SYS_GETDENTS64, "getdents64", sysGetdents64, kernel.Full, "", ""},
	{linux.SYS_GETCWD, "getcwd", sysGetcwd, kernel.Full, "", ""},
	{linux.SYS_CHDIR, "chdir", sysChdir, kernel.Full, "", ""},
	{linux.SYS_FCHDIR, "fchdir", sysFchdir, kernel.Full, "", ""},
	{linux.SYS_CHROOT, "chroot", sysChroot, kernel.Full, "", ""},
	{linux.SYS_UMASK, "umask", sysUmask, kernel.Full, "", ""},
}

func sysGetdents(t *kernel.Task, a *arch.Args) (uint64, error) {
	return getdents(t, a, false)
}

func sysGetdents64(t *kernel.Task, a *arch.Args) (uint64, error) {
	return getdents(t, a, true)
}

// maxDirents bounds what one getdents collects before it copies out.
const maxDirents = 64 << 10

// dirents collects what getdents copies out.
type dirents struct {
	buf  [maxDirents]byte
	size int  // of the caller's buffer, within buf
	n    int  // how much is filled
	long bool // the layout of getdents64
	full bool // an entry found no room

	emit func(vfs.Dirent) bool // the method add
}

var direntPool = sync.Pool{New: func() any {
	d := new(dirents)
	d.emit = d.add
	return d
}}

// add lays out an entry and reports whether there was room for it.
func (d *dirents) add(e vfs.Dirent) bool {
	head, more := linux.DirentHeadSize, 2 // the type stands last
	if d.long {
		head, more = linux.Dirent64HeadSize, 1
	}
	l := (head + len(e.Name) + more + 7) &^ 7
	if d.full = l > d.size-d.n; d.full {
		return false
	}
	b := d.buf[d.n : d.n+l]
	binary.LittleEndian.PutUint64(b, e.Ino)
	binary.LittleEndian.PutUint64(b[8:], uint64(e.Next))
	binary.LittleEndian.PutUint16(b[16:], uint16(l))
	clear(b[head+copy(b[head:], e.Name):])
	if d.long {
		b[18] = e.Type
	} else {
		b[l-1] = e.Type
	}
	d.n += l
	return true
}

// getdents fills the caller's buffer with entries.
func getdents(t *kernel.Task, a *arch.Args, long bool) (uint64, error) {
	f, err := t.BorrowFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.Return()
	d := direntPool.Get().(*dirents)
	defer direntPool.Put(d)
	d.size, d.n, d.long, d.full = int(min(a[2].Uint(), maxDirents)), 0, long, false
	f.PosMu.Lock()
	start := f.Pos
	f.PosMu.Unlock()
	if err := f.ReadDir(t, d.emit); err != nil && d.n == 0 {
		return 0, err
	}
	if d.n == 0 && d.full {
		return 0, errno.EINVAL
	}
	if err := t.CopyOut(a[1].Addr(), d.buf[:d.n]); err != nil {
		return d.copyWhole(t, f.File, a[1].Addr(), start)
	}
	return uint64(d.n), nil
}

// copyWhole copies out the entries in front of the one that faults, and moves f, which was at start,
// back to that one.
func (d *dirents) copyWhole(t *kernel.Task, f *vfs.File, out addr.Addr, start int64) (uint64, error) {
	done, pos := 0, start
	for done < d.n {
		e := d.buf[done:]
		l := int(binary.LittleEndian.Uint16(e[16:]))
		if t.CopyOut(out+addr.Addr(done), e[:l]) != nil {
			break
		}
		done, pos = done+l, int64(binary.LittleEndian.Uint64(e[8:]))
	}
	f.PosMu.Lock()
	f.Pos = pos
	f.PosMu.Unlock()
	if done == 0 {
		return 0, errno.EFAULT
	}
	return uint64(done), nil
}

func sysGetcwd(t *kernel.Task, a *arch.Args) (uint64, error) {
	root, cwd := t.FSContext().Root(), t.FSContext().Cwd()
	defer root.DecRef()
	defer cwd.DecRef()
	if cwd.Dentry.Deleted() {
		return 0, errno.ENOENT
	}
	name, reachable := t.Kernel().VFS.PathName(root, cwd)
	if !reachable {
		name = "(unreachable)" + name
	}
	b := append([]byte(name), 0)
	if len(b) > linux.PATH_MAX {
		return 0, errno.ENAMETOOLONG
	}
	if uint64(len(b)) > a[1].Size() {
		return 0, errno.ERANGE
	}
	return uint64(len(b)), t.CopyOut(a[0].Addr(), b)
}

func sysChdir(t *kernel.Task, a *arch.Args) (uint64, error) {
	p, err := resolveAt(t, linux.AT_FDCWD, a[0].Addr(), vfs.LookupFollow|vfs.LookupDirectory)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return 0, chdir(t, p)
}

func sysFchdir(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := t.GetAnyFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if f.Inode().Type() != linux.S_IFDIR {
		return 0, errno.ENOTDIR
	}
	return 0, chdir(t, f.Path)
}

func chdir(t *kernel.Task, p vfs.Path) error {
	if err := t.Kernel().VFS.Permission(t, p, vfs.MayExec); err != nil {
		return err
	}
	t.FSContext().SetCwd(p)
	return nil
}

func sysChroot(t *kernel.Task, a *arch.Args) (uint64, error) {
	p, err := resolveAt(t, linux.AT_FDCWD, a[0].Addr(), vfs.LookupFollow|vfs.LookupDirectory)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	if err := t.Kernel().VFS.Permission(t, p, vfs.MayExec); err != nil {
		return 0, err
	}
	if !t.Creds().HasOwn(linux.CAP_SYS_CHROOT) {
		return 0, errno.EPERM
	}
	t.FSContext().SetRoot(p)
	return 0, nil
}

func sysUmask(t *kernel.Task, a *arch.Args) (uint64, error) {
	return uint64(t.FSContext().SetUmask(a[0].Uint())), nil
}
