package fstest

import (
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

// guest runs scripts on a vfs.
type guest struct {
	t    *testing.T
	v    *vfs.VFS
	c    *vfstest.Caller
	fds  map[int]*vfs.File
	last int
	in   *vfs.Inotify
}

// newGuest returns a guest whose root is root.
func newGuest(t *testing.T, v *vfs.VFS, root vfs.Path) *guest {
	// The host's settings apply to both sides.
	for name, v := range map[string]*atomic.Int32{"symlinks": &v.Protected.Symlinks, "hardlinks": &v.Protected.Hardlinks,
		"fifos": &v.Protected.FIFOs, "regular": &v.Protected.Regular} {
		b, err := os.ReadFile("/proc/sys/fs/protected_" + name)
		if err != nil {
			t.Fatal(err)
		}
		v.Store(int32(num(strings.TrimSpace(string(b)))))
	}
	c := vfstest.Root()
	c.FS = vfs.NewFSContext(root, root, 0)
	g := &guest{t: t, v: v, c: c, fds: map[int]*vfs.File{}, in: vfs.NewInotify()}
	t.Cleanup(func() { g.in.Release(nil) })
	return g
}

func (g *guest) user(id uint32) {
	g.c.Credentials = creds.NewRoot(&creds.UserNamespace{})
	if id != 0 {
		g.c.Credentials = creds.New(creds.UID(id), creds.GID(id), nil, &creds.UserNamespace{})
	}
}

func (g *guest) umask(m uint32) { g.c.FS.SetUmask(m) }
func (g *guest) mkdir(p string, mode uint32) error {
	return g.v.MkdirAt(g.c, vfs.Path{}, p, mode)
}
func (g *guest) mknod(p string, mode uint32, rdev uint64) error {
	return g.v.MknodAt(g.c, vfs.Path{}, p, mode, rdev)
}
func (g *guest) symlink(target, p string) error { return g.v.SymlinkAt(g.c, target, vfs.Path{}, p) }
func (g *guest) link(a, b string, follow bool) error {
	f := uint32(0)
	if follow {
		f = linux.AT_SYMLINK_FOLLOW
	}
	return g.v.LinkAt(g.c, vfs.Path{}, a, vfs.Path{}, b, f)
}
func (g *guest) unlink(p string) error { return g.v.UnlinkAt(g.c, vfs.Path{}, p) }
func (g *guest) rmdir(p string) error  { return g.v.RmdirAt(g.c, vfs.Path{}, p) }
func (g *guest) rename(a, b string, flags uint32) error {
	return g.v.RenameAt(g.c, vfs.Path{}, a, vfs.Path{}, b, flags)
}

func (g *guest) open(p string, flags, mode uint32) (int, error) {
	f, err := g.v.OpenAt(g.c, vfs.Path{}, p, flags, mode, 0)
	if err != nil {
		return 0, err
	}
	g.last++
	g.fds[g.last] = f
	return g.last, nil
}

func (g *guest) linkfd(fd int, p string) error {
	f := g.fds[fd]
	if f == nil {
		return errno.EBADF
	}
	// As the system call does.
	if f.Cred != g.c.Credentials && !g.c.Credentials.Has(linux.CAP_DAC_READ_SEARCH) {
		return errno.ENOENT
	}
	return g.v.LinkAt(g.c, f.Path, "", vfs.Path{}, p, linux.AT_EMPTY_PATH)
}

func (g *guest) close(fd int) {
	if f := g.fds[fd]; f != nil {
		f.DecRef()
		delete(g.fds, fd)
	}
}

func (g *guest) read(fd, n int) (string, error) {
	f := g.fds[fd]
	if f == nil {
		return "", errno.EBADF
	}
	b := make([]byte, n)
	seq := usermem.FromBytes(b)
	m, err := f.Read(g.c, &seq, 0)
	return string(b[:m]), err
}

func (g *guest) pread(fd, n int, off int64) (string, error) {
	f := g.fds[fd]
	if f == nil {
		return "", errno.EBADF
	}
	b := make([]byte, n)
	seq := usermem.FromBytes(b)
	m, err := f.PRead(g.c, &seq, off, 0)
	return string(b[:m]), err
}

func (g *guest) write(fd int, s string) (int, error) {
	f := g.fds[fd]
	if f == nil {
		return 0, errno.EBADF
	}
	seq := usermem.FromBytes([]byte(s))
	return f.Write(g.c, &seq, 0)
}

func (g *guest) pwrite(fd int, s string, off int64) (int, error) {
	f := g.fds[fd]
	if f == nil {
		return 0, errno.EBADF
	}
	seq := usermem.FromBytes([]byte(s))
	return f.PWrite(g.c, &seq, off, 0)
}

func (g *guest) lseek(fd int, off int64, whence int) (int64, error) {
	f := g.fds[fd]
	if f == nil {
		return 0, errno.EBADF
	}
	return f.Lseek(g.c, off, whence)
}

// at calls fn with the resolved path.
func (g *guest) at(p string, follow bool, fn func(vfs.Path) error) error {
	var lf vfs.LookupFlags
	if follow {
		lf = vfs.LookupFollow
	}
	path, err := g.v.Resolve(g.c, vfs.Path{}, p, lf)
	if err != nil {
		return err
	}
	defer path.DecRef()
	return fn(path)
}

func (g *guest) truncate(p string, n int64) error {
	return g.at(p, true, func(p vfs.Path) error { return g.v.Truncate(g.c, p, n) })
}

func (g *guest) ftruncate(fd int, n int64) error {
	f := g.fds[fd]
	if f == nil {
		return errno.EBADF
	}
	return f.Truncate(g.c, n)
}

func (g *guest) fallocate(fd int, mode uint32, off, n int64) error {
	f := g.fds[fd]
	if f == nil {
		return errno.EBADF
	}
	return f.Fallocate(g.c, mode, off, n)
}

func (g *guest) stat(p string, follow bool) (st linux.Stat, err error) {
	err = g.at(p, follow, func(p vfs.Path) error {
		st, err = g.statPath(p)
		return err
	})
	return st, err
}

func (g *guest) statPath(p vfs.Path) (linux.Stat, error) {
	s, err := g.v.Stat(g.c, p)
	return linux.Stat{Dev: s.Dev, Ino: s.Ino, Mode: s.Mode, Nlink: uint64(s.Nlink), UID: uint32(s.UID), GID: uint32(s.GID),
		Rdev: s.Rdev, Size: s.Size, Blocks: s.Blocks}, err
}

func (g *guest) fstat(fd int) (linux.Stat, error) {
	f := g.fds[fd]
	if f == nil {
		return linux.Stat{}, errno.EBADF
	}
	return g.statPath(f.Path)
}

func (g *guest) ls(p string) ([]string, error) {
	f, err := g.v.OpenAt(g.c, vfs.Path{}, p, linux.O_RDONLY|linux.O_DIRECTORY, 0, 0)
	if err != nil {
		return nil, err
	}
	defer f.DecRef()
	var names []string
	// In pieces, as getdents64 does it.
	for {
		n := 0
		err := f.ReadDir(g.c, func(d vfs.Dirent) bool {
			if n++; n > 3 {
				return false
			}
			names = append(names, d.Name)
			return true
		})
		if err != nil {
			return nil, err
		}
		if n <= 3 {
			break
		}
	}
	slices.Sort(names)
	return names, nil
}

func (g *guest) readlink(p string) (s string, err error) {
	err = g.at(p, false, func(p vfs.Path) error {
		s, err = g.v.Readlink(g.c, p)
		return err
	})
	return s, err
}

func (g *guest) access(p string, mode uint32) error {
	return g.v.AccessAt(g.c, vfs.Path{}, p, mode, linux.AT_EACCESS)
}

func (g *guest) chmod(p string, mode uint32) error {
	return g.at(p, true, func(p vfs.Path) error { return g.v.Chmod(g.c, p, mode) })
}

func (g *guest) chown(p string, uid, gid uint32, follow bool) error {
	return g.at(p, follow, func(p vfs.Path) error { return g.v.Chown(g.c, p, creds.UID(uid), creds.GID(gid)) })
}

func (g *guest) utimes(p string, atime, mtime int64) error {
	return g.at(p, true, func(p vfs.Path) error { return g.v.Utimes(g.c, p, atime, mtime) })
}

func (g *guest) setxattr(p, name, value string, flags uint32) error {
	return g.at(p, true, func(p vfs.Path) error { return g.v.SetXattr(g.c, p, name, []byte(value), flags) })
}

func (g *guest) getxattr(p, name string) (s string, err error) {
	err = g.at(p, true, func(p vfs.Path) error {
		b, err := g.v.GetXattr(g.c, p, name)
		s = string(b)
		return err
	})
	return s, err
}

func (g *guest) listxattr(p string) (names []string, err error) {
	err = g.at(p, true, func(p vfs.Path) error {
		names, err = g.v.ListXattr(g.c, p)
		slices.Sort(names)
		return err
	})
	return names, err
}

func (g *guest) removexattr(p, name string) error {
	return g.at(p, true, func(p vfs.Path) error { return g.v.RemoveXattr(g.c, p, name) })
}

func (g *guest) lock(fd int, kind int16, start, n int64) (*vfs.File, vfs.Lock, error) {
	f := g.fds[fd]
	l := vfs.Lock{Owner: vfs.LockOwner{File: f}, PID: -1, Write: kind == linux.F_WRLCK, Start: start, End: start + n - 1}
	if n == 0 {
		l.End = vfs.LockEOF
	}
	if n < 0 {
		l.Start, l.End = start+n, start-1
	}
	if start < 0 || l.Start < 0 {
		return nil, l, errno.EINVAL
	}
	return f, l, nil
}

func (g *guest) setlk(fd int, kind int16, start, n int64) error {
	f, l, err := g.lock(fd, kind, start, n)
	if err != nil {
		return err
	}
	switch {
	case kind == linux.F_UNLCK:
		return f.Unlock(l.Owner, l.Start, l.End)
	case kind == linux.F_RDLCK && f.Readable() != nil, kind == linux.F_WRLCK && f.Writable() != nil:
		return errno.EBADF
	}
	return f.SetLock(l, false)
}

func (g *guest) getlk(fd int, kind int16, start, n int64) (linux.Flock, error) {
	f, l, err := g.lock(fd, kind, start, n)
	if err != nil {
		return linux.Flock{}, err
	}
	o, blocked := f.TestLock(l)
	if !blocked {
		return linux.Flock{Type: linux.F_UNLCK, Start: start, Len: n}, nil
	}
	fl := linux.Flock{Type: linux.F_RDLCK, Start: o.Start, PID: o.PID}
	if o.Write {
		fl.Type = linux.F_WRLCK
	}
	if o.End != vfs.LockEOF {
		fl.Len = o.End - o.Start + 1
	}
	return fl, nil
}

func (g *guest) flock(fd int, op int) error { return g.fds[fd].Flock(op&^linux.LOCK_NB, 1) }

func (g *guest) watch(p string, mask uint32) (wd int, err error) {
	err = g.at(p, mask&linux.IN_DONT_FOLLOW == 0, func(p vfs.Path) error {
		w, err := g.in.AddWatch(g.c, p, mask)
		wd = int(w)
		return err
	})
	return wd, err
}

func (g *guest) unwatch(wd int) error { return g.in.RemoveWatch(int32(wd)) }

func (g *guest) events() []byte {
	b := make([]byte, 1<<16)
	dst := usermem.FromBytes(b)
	n, _ := g.in.Read(g.c, nil, &dst, 0, 0)
	return b[:n]
}

func (g *guest) unwatchAll() {
	g.in.Release(nil)
	g.in = vfs.NewInotify()
}
