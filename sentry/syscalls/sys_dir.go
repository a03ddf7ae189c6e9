package syscalls

import (
	"encoding/binary"

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
	return getdents(t, a, func(b []byte, d *vfs.Dirent) int {
		n := (linux.DirentHeadSize + len(d.Name) + 2 + 7) &^ 7
		if n > len(b) {
			return 0
		}
		direntHead(b[:n], d)
		copy(b[linux.DirentHeadSize:], d.Name)
		b[n-1] = d.Type
		return n
	})
}

func sysGetdents64(t *kernel.Task, a *arch.Args) (uint64, error) {
	return getdents(t, a, func(b []byte, d *vfs.Dirent) int {
		n := (linux.Dirent64HeadSize + len(d.Name) + 1 + 7) &^ 7
		if n > len(b) {
			return 0
		}
		direntHead(b[:n], d)
		b[18] = d.Type
		copy(b[linux.Dirent64HeadSize:], d.Name)
		return n
	})
}

// direntHead fills in what both layouts begin with, and clears the rest.
func direntHead(b []byte, d *vfs.Dirent) {
	clear(b)
	binary.LittleEndian.PutUint64(b, d.Ino)
	binary.LittleEndian.PutUint64(b[8:], uint64(d.Next))
	binary.LittleEndian.PutUint16(b[16:], uint16(len(b)))
}

// maxDirents bounds what one getdents collects before it copies out.
const maxDirents = 64 << 10

// getdents fills the caller's buffer with entries that put lays out; put returns the length, 0 if there is
// no room.
func getdents(t *kernel.Task, a *arch.Args, put func(b []byte, d *vfs.Dirent) int) (uint64, error) {
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	buf := make([]byte, min(a[2].Uint(), maxDirents))
	n, full := 0, false
	if err := f.ReadDir(t, func(d vfs.Dirent) bool {
		l := put(buf[n:], &d)
		n += l
		full = l == 0
		return l > 0
	}); err != nil && n == 0 {
		return 0, err
	}
	if n == 0 && full {
		return 0, errno.EINVAL
	}
	return uint64(n), t.CopyOut(a[1].Addr(), buf[:n])
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
	if !t.Creds().Has(linux.CAP_SYS_CHROOT) {
		return 0, errno.EPERM
	}
	t.FSContext().SetRoot(p)
	return 0, nil
}

func sysUmask(t *kernel.Task, a *arch.Args) (uint64, error) {
	return uint64(t.FSContext().SetUmask(a[0].Uint())), nil
}
