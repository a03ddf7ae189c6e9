package vfs_test

import (
	"slices"
	"strings"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// points returns the mount points that root sees, in order.
func (e *env) points() string {
	root := e.c.FS.Root()
	defer root.DecRef()
	var s []string
	for _, m := range e.v.Mounts(e.ns, root) {
		s = append(s, m.Point)
	}
	return strings.Join(s, " ")
}

func (e *env) do(source, target string, flags uint64) error {
	e.t.Helper()
	at := e.at(target)
	defer at.DecRef()
	return e.v.Mount(e.c, e.ns, source, at, "tmpfs", flags, "")
}

func TestMountsAndUmounts(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a", "/b", "/c")
	e.touch("/file")
	e.mount("/a")
	e.mkdir("/a/sub")
	e.mount("/a/sub")
	e.touch("/a/sub/deep")
	for _, c := range []struct {
		what string
		err  error
		want error
	}{
		{"directory on file", e.do("none", "/file", 0), errno.ENOTDIR},
		{"bind without what is below", e.do("/a", "/b", linux.MS_BIND), nil},
		{"bind with what is below", e.do("/a", "/c", linux.MS_BIND|linux.MS_REC), nil},
		{"unknown source", e.do("/none", "/c", linux.MS_BIND), errno.ENOENT},
		{"two kinds of propagation", e.do("", "/a", linux.MS_SHARED|linux.MS_PRIVATE), errno.EINVAL},
		{"move into itself", e.do("/a", "/a/sub", linux.MS_MOVE), errno.ELOOP},
		{"move what is no mount", e.do("/file", "/a", linux.MS_MOVE), errno.EINVAL},
		{"umount with a mount below", e.umount("/a", 0), errno.EBUSY},
		{"umount what is no mount", e.umount("/a/sub/deep", 0), errno.EINVAL},
		{"first call with MNT_EXPIRE", e.umount("/b", linux.MNT_EXPIRE), errno.EAGAIN},
		{"MNT_EXPIRE and MNT_DETACH", e.umount("/b", linux.MNT_EXPIRE|linux.MNT_DETACH), errno.EINVAL},
		{"umount the root", e.umount("/", 0), errno.EBUSY},
	} {
		if c.err != c.want {
			t.Errorf("%s: got %v, want %v", c.what, c.err, c.want)
		}
	}
	if got, want := e.points(), "/ /a /a/sub /b /c /c/sub"; got != want {
		t.Errorf("mounts: %s, want %s", got, want)
	}
	e.at("/c/sub/deep").DecRef()
	if _, err := e.v.Resolve(e.c, vfs.Path{}, "/b/sub/deep", 0); err != errno.ENOENT {
		t.Errorf("a plain bind shows what is mounted below: %v", err)
	}
	if err := e.v.RmdirAt(e.c, vfs.Path{}, "/a/sub"); err != errno.EBUSY {
		t.Errorf("rmdir of a mount point: %v", err)
	}
	if err := e.v.RenameAt(e.c, vfs.Path{}, "/a/sub", vfs.Path{}, "/a/other", 0); err != errno.EBUSY {
		t.Errorf("rename of a mount point: %v", err)
	}
	e.must(e.do("/a", "/b", linux.MS_MOVE))
	if got, want := e.points(), "/ /b /b/sub /b /c /c/sub"; got != want {
		t.Errorf("mounts after move: %s, want %s", got, want)
	}
	e.must(e.umount("/c", linux.MNT_DETACH))
	e.must(e.umount("/b/sub", 0))
	e.must(e.umount("/b", 0))
	e.must(e.umount("/b", 0))
	if got := e.points(); got != "/" {
		t.Errorf("mounts at the end: %s", got)
	}
}

func TestReadOnlyMounts(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a", "/b")
	e.mount("/a")
	e.touch("/a/f")
	e.must(e.do("/a", "/b", linux.MS_BIND))
	e.must(e.do("", "/b", linux.MS_REMOUNT|linux.MS_BIND|linux.MS_RDONLY|linux.MS_NOEXEC))
	e.touch("/a/still writable")
	open := func(p string) error {
		f, err := e.v.OpenAt(e.c, vfs.Path{}, p, linux.O_WRONLY, 0, 0)
		if err == nil {
			f.DecRef()
		}
		return err
	}
	if err := open("/b/f"); err != errno.EROFS {
		t.Errorf("open for writing: %v", err)
	}
	for what, err := range map[string]error{
		"mkdir":  e.v.MkdirAt(e.c, vfs.Path{}, "/b/d", 0o755),
		"unlink": e.v.UnlinkAt(e.c, vfs.Path{}, "/b/f"),
		"access": e.v.AccessAt(e.c, vfs.Path{}, "/b/f", 2, 0),
	} {
		if err != errno.EROFS {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := e.v.MkdirAt(e.c, vfs.Path{}, "/b", 0o755); err != errno.EEXIST {
		t.Errorf("mkdir of what exists: %v", err)
	}
	e.must(e.do("", "/b", linux.MS_REMOUNT|linux.MS_BIND))
	e.must(open("/b/f"))
	e.must(e.do("", "/a", linux.MS_REMOUNT|linux.MS_RDONLY))
	if err := open("/b/f"); err != errno.EROFS {
		t.Errorf("open for writing when the file system is read-only: %v", err)
	}
	e.must(e.umount("/b", 0))
	e.must(e.umount("/a", 0))
}

func TestPropagation(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a", "/peer", "/slave")
	e.mount("/a")
	e.mkdir("/a/p", "/a/q")
	e.must(e.do("", "/a", linux.MS_SHARED))
	e.must(e.do("/a", "/peer", linux.MS_BIND))
	e.must(e.do("/a", "/slave", linux.MS_BIND))
	e.must(e.do("", "/slave", linux.MS_SLAVE))
	e.mount("/a/p")
	e.touch("/a/p/x")
	e.at("/peer/p/x").DecRef()
	e.at("/slave/p/x").DecRef()
	e.mount("/slave/q")
	e.touch("/slave/q/mine")
	if _, err := e.v.Resolve(e.c, vfs.Path{}, "/a/q/mine", 0); err != errno.ENOENT {
		t.Errorf("a slave's mount shows at its master: %v", err)
	}
	e.must(e.umount("/peer/p", 0))
	if got, want := e.points(), "/ /a /peer /slave /slave/q"; got != want {
		t.Errorf("mounts: %s, want %s", got, want)
	}
	// A copied namespace is a peer.
	ns, err := e.ns.Clone(nil, nil)
	e.must(err)
	e.mount("/a/p")
	root := ns.Root()
	n := len(e.v.Mounts(ns, root))
	root.DecRef()
	if n != len(e.v.Mounts(e.ns, e.at("/"))) {
		t.Errorf("the copy has %d mounts", n)
	}
	ns.DecRef()
}

func TestPivotRoot(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/new")
	e.mount("/new")
	e.mkdir("/new/old")
	e.touch("/new/inside", "/outside")
	n, o := e.at("/new"), e.at("/new/old")
	old, now, err := e.v.PivotRoot(e.c, e.ns, n, o)
	n.DecRef()
	o.DecRef()
	e.must(err)
	e.c.FS.Move(old, now)
	old.DecRef()
	now.DecRef()
	e.at("/inside").DecRef()
	e.at("/old/outside").DecRef()
	e.at("/../../inside").DecRef()
	e.must(e.umount("/old", 0))
	if got := e.points(); got != "/" {
		t.Errorf("mounts: %s", got)
	}
}

func TestDeadlockDetection(t *testing.T) {
	e := newEnv(t)
	e.touch("/f")
	f, err := e.v.OpenAt(e.c, vfs.Path{}, "/f", linux.O_RDWR, 0, 0)
	e.must(err)
	defer f.DecRef()
	lock := func(table uint64, byteNo int64, wait bool) error {
		return f.SetLock(vfs.Lock{Owner: vfs.LockOwner{Table: table}, PID: int32(table), Write: true, Start: byteNo, End: byteNo}, wait)
	}
	e.must(lock(1, 1, true))
	e.must(lock(2, 2, true))
	e.must(lock(3, 3, true))
	for _, c := range []struct {
		table uint64
		at    int64
		want  error
	}{{1, 2, errno.EAGAIN}, {2, 3, errno.EAGAIN}, {3, 1, errno.EDEADLK}, {4, 1, errno.EAGAIN}} {
		if err := lock(c.table, c.at, true); err != c.want {
			t.Errorf("table %d on byte %d: %v, want %v", c.table, c.at, err, c.want)
		}
	}
	if got := e.v.LocksText(); strings.Count(got, "POSIX  ADVISORY  WRITE") != 3 {
		t.Errorf("/proc/locks: %s", got)
	}
	f.ReleaseLocks(2)
	e.must(lock(1, 2, true))
	f.ReleaseLocks(1)
	f.ReleaseLocks(3)
	if got := e.v.LocksText(); got != "" {
		t.Errorf("/proc/locks at the end: %s", got)
	}
}

func TestTextBusy(t *testing.T) {
	e := newEnv(t)
	e.touch("/prog")
	p := e.at("/prog")
	defer p.DecRef()
	open := func() error {
		f, err := e.v.OpenAt(e.c, vfs.Path{}, "/prog", linux.O_WRONLY, 0, 0)
		if err == nil {
			if err := p.Inode().DenyWrite(); err != errno.ETXTBSY {
				t.Errorf("exec of what is written: %v", err)
			}
			f.DecRef()
		}
		return err
	}
	e.must(open())
	e.must(p.Inode().DenyWrite())
	if err := open(); err != errno.ETXTBSY {
		t.Errorf("write of what runs: %v", err)
	}
	p.Inode().AllowWrite()
	e.must(open())
}

func TestWatchesEndWithTheFileSystem(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a")
	e.mount("/a")
	e.touch("/a/f")
	in := vfs.NewInotify()
	defer in.Release(nil)
	p := e.at("/a/f")
	_, err := in.AddWatch(e.c, p, linux.IN_ALL_EVENTS)
	e.must(err)
	p.DecRef()
	e.must(e.umount("/a", 0))
	b := make([]byte, 256)
	dst := usermem.FromBytes(b)
	n, err := in.Read(e.c, nil, &dst, 0, 0)
	e.must(err)
	var masks []uint32
	for b = b[:n]; len(b) > 0; b = b[linux.InotifyEventHeadSize:] {
		var ev linux.InotifyEvent
		ev.UnmarshalBytes(b)
		masks = append(masks, ev.Mask)
	}
	if !slices.Equal(masks, []uint32{linux.IN_UNMOUNT, linux.IN_IGNORED}) {
		t.Errorf("events %#x", masks)
	}
}

func TestMountsAreLimited(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a")
	var err error
	for i := 0; i < 30 && err == nil; i++ {
		err = e.do("/", "/a", linux.MS_BIND|linux.MS_REC)
	}
	if err != errno.ENOSPC {
		t.Errorf("doubling the mounts again and again: %v", err)
	}
}
