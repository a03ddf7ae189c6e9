package vfs_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/fs/tmpfs"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

// env is a vfs with a tmpfs as its root.
type env struct {
	t  testing.TB
	v  *vfs.VFS
	c  *vfstest.Caller
	ns *vfs.Namespace
}

func newEnv(t testing.TB) *env {
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	v := vfs.New()
	v.AddType("tmpfs", &tmpfs.FS{Memory: mf}, true)
	c := vfstest.Root()
	ns, err := v.NewNamespace(c, "tmpfs", "none", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	root := ns.Root()
	c.FS = vfs.NewFSContext(root, root, 0)
	root.DecRef()
	t.Cleanup(func() {
		c.FS.Release()
		ns.DecRef()
		if n := mf.Stats().InUse; n != 0 {
			t.Errorf("%d bytes in use at the end", n)
		}
		mf.Close()
	})
	return &env{t, v, c, ns}
}

func (e *env) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) mkdir(paths ...string) {
	e.t.Helper()
	for _, p := range paths {
		e.must(e.v.MkdirAt(e.c, vfs.Path{}, p, 0o755))
	}
}

func (e *env) touch(paths ...string) {
	e.t.Helper()
	for _, p := range paths {
		f, err := e.v.OpenAt(e.c, vfs.Path{}, p, linux.O_CREAT|linux.O_RDWR, 0o644, 0)
		e.must(err)
		f.DecRef()
	}
}

// at resolves p; the reference is dropped when the test ends.
func (e *env) at(p string) vfs.Path {
	e.t.Helper()
	path, err := e.v.Resolve(e.c, vfs.Path{}, p, vfs.LookupFollow)
	e.must(err)
	return path
}

func (e *env) mount(p string) {
	e.t.Helper()
	at := e.at(p)
	defer at.DecRef()
	e.must(e.v.Mount(e.c, e.ns, "none", at, "tmpfs", 0, ""))
}

func (e *env) umount(p string, flags uint32) error {
	e.t.Helper()
	at := e.at(p)
	defer at.DecRef()
	return e.v.Umount(e.c, e.ns, at, flags)
}

func TestResolveFlags(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a", "/a/b", "/a/b/c", "/m")
	e.touch("/a/f", "/top")
	e.must(e.v.SymlinkAt(e.c, "/top", vfs.Path{}, "/a/abs"))
	e.must(e.v.SymlinkAt(e.c, "../top", vfs.Path{}, "/a/up"))
	e.must(e.v.SymlinkAt(e.c, "f", vfs.Path{}, "/a/in"))
	e.must(e.v.SymlinkAt(e.c, "/f", vfs.Path{}, "/a/inroot"))
	e.mount("/m")
	a, m := e.at("/a"), e.at("/m")
	defer a.DecRef()
	defer m.DecRef()
	for _, c := range []struct {
		name  string
		start vfs.Path
		path  string
		flags vfs.LookupFlags
		want  error
	}{
		{"beneath stays", a, "b/../f", vfs.LookupBeneath, nil},
		{"beneath refuses to go up", a, "../top", vfs.LookupBeneath, errno.EXDEV},
		{"beneath refuses to go up later", a, "b/../../top", vfs.LookupBeneath, errno.EXDEV},
		{"beneath refuses an absolute path", a, "/a/f", vfs.LookupBeneath, errno.EXDEV},
		{"beneath refuses an absolute link", a, "abs", vfs.LookupBeneath | vfs.LookupFollow, errno.EXDEV},
		{"beneath refuses a link that goes up", a, "up", vfs.LookupBeneath | vfs.LookupFollow, errno.EXDEV},
		{"beneath follows a link inside", a, "in", vfs.LookupBeneath | vfs.LookupFollow, nil},
		{"in root keeps .. inside", a, "../../b", vfs.LookupInRoot, nil},
		{"in root takes / for the start", a, "/b/c", vfs.LookupInRoot, nil},
		{"in root takes links' / for the start", a, "inroot", vfs.LookupInRoot | vfs.LookupFollow, nil},
		{"in root has no outside", a, "abs", vfs.LookupInRoot | vfs.LookupFollow, errno.ENOENT},
		{"no links at all", a, "in", vfs.LookupNoSymlinks | vfs.LookupFollow, errno.ELOOP},
		{"no links but the last is not followed", a, "in", vfs.LookupNoSymlinks, nil},
		{"no other mount down", vfs.Path{}, "/m", vfs.LookupNoXDev, errno.EXDEV},
		{"no other mount up", m, "..", vfs.LookupNoXDev, errno.EXDEV},
		{"empty", a, "", 0, errno.ENOENT},
		{"empty stands for the start", a, "", vfs.LookupEmpty, nil},
		{"a directory is asked for", a, "f", vfs.LookupDirectory, errno.ENOTDIR},
		{"too long", a, strings.Repeat("b/../", 1000), 0, errno.ENAMETOOLONG},
		{"above the root is the root", vfs.Path{}, "/../../a", 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := e.v.Resolve(e.c, c.start, c.path, c.flags)
			p.DecRef()
			if err != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	if _, err := e.v.Resolve(e.c, vfs.Path{}, "/a/b/c/never", vfs.LookupCached); err != errno.EAGAIN {
		t.Errorf("cached only, not cached: got %v", err)
	}
}

func TestPathNames(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a", "/a/b", "/m", "/gone")
	e.mount("/m")
	e.mkdir("/m/x")
	root, a := e.at("/"), e.at("/a")
	gone, x := e.at("/gone"), e.at("/m/x")
	defer func() {
		for _, p := range []vfs.Path{root, a, gone, x} {
			p.DecRef()
		}
	}()
	e.must(e.v.RmdirAt(e.c, vfs.Path{}, "/gone"))
	for _, c := range []struct {
		root, p   vfs.Path
		want      string
		reachable bool
	}{
		{root, root, "/", true},
		{root, a, "/a", true},
		{a, a, "/", true},
		{root, x, "/m/x", true},
		{a, x, "/m/x", false},
		{root, gone, "/gone (deleted)", true},
	} {
		if name, ok := e.v.PathName(c.root, c.p); name != c.want || ok != c.reachable {
			t.Errorf("got %q, %v, want %q, %v", name, ok, c.want, c.reachable)
		}
	}
}

// FuzzWalk resolves arbitrary paths in a tree with links, and uses them in calls. Nothing may panic or go on
// for ever.
func FuzzWalk(f *testing.F) {
	for _, s := range []string{"/a/l/../f", "loop/x", "a//./b/", "../../a/up/up/f", "m/../m/x", "/proc/self", "a/l/l/l/f/", "\x00", "."} {
		f.Add(s, uint32(0), byte(0))
	}
	f.Fuzz(func(t *testing.T, path string, flags uint32, op byte) {
		e := newEnv(t)
		e.mkdir("/a", "/a/b", "/m")
		e.touch("/a/f")
		for _, l := range [][2]string{{"..", "/a/up"}, {"/a", "/a/l"}, {"loop", "/loop"}, {path, "/path"}} {
			e.v.SymlinkAt(e.c, l[0], vfs.Path{}, l[1])
		}
		e.mount("/m")
		for _, p := range []string{path, "/path", "/path/" + path, path + "/" + path} {
			at, err := e.v.Resolve(e.c, vfs.Path{}, p, vfs.LookupFlags(flags))
			if err == nil && at.Inode() == nil {
				t.Errorf("%q led to nothing without an error", p)
			}
			at.DecRef()
			switch op % 8 {
			case 0:
				e.v.MkdirAt(e.c, vfs.Path{}, p, 0o777)
			case 1:
				e.v.RmdirAt(e.c, vfs.Path{}, p)
			case 2:
				e.v.UnlinkAt(e.c, vfs.Path{}, p)
			case 3:
				e.v.RenameAt(e.c, vfs.Path{}, p, vfs.Path{}, "/a/"+path, flags%4)
			case 4:
				e.v.LinkAt(e.c, vfs.Path{}, p, vfs.Path{}, "/a/x", 0)
			case 5, 6, 7:
				if f, err := e.v.OpenAt(e.c, vfs.Path{}, p, flags&vfs.ValidOpenFlags, 0o644, uint64(flags>>24)); err == nil {
					f.DecRef()
				}
			}
		}
		e.umount("/m", linux.MNT_DETACH)
	})
}

// TestWalk_sees_the_tree_as_it_was_at_one_time exchanges directories, moves them about and empties the cache
// while others walk: what is there all the time is always found.
func TestWalk_sees_the_tree_as_it_was_at_one_time(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a", "/a/sub", "/b", "/b/sub", "/b/sub/deep")
	e.touch("/a/sub/file", "/b/sub/file")
	var stop atomic.Bool
	var wg sync.WaitGroup
	walker := func(paths ...string) {
		defer wg.Done()
		for !stop.Load() {
			for _, path := range paths {
				p, err := e.v.Resolve(e.c, vfs.Path{}, path, vfs.LookupFollow)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					stop.Store(true)
					return
				}
				if p.Dentry.Name() != path[strings.LastIndexByte(path, '/')+1:] {
					t.Errorf("%s led to %s", path, p.Dentry.Name())
				}
				p.DecRef()
			}
		}
	}
	wg.Add(2)
	go walker("/a/sub/file", "/b/sub/file", "/b/sub/../sub/file")
	go walker("/a/../b/sub/file", "/b/sub")
	for i := range 500 {
		e.must(e.v.RenameAt(e.c, vfs.Path{}, "/a", vfs.Path{}, "/b", linux.RENAME_EXCHANGE))
		p := e.at("/a")
		if i%10 == 0 {
			p.Dentry.Superblock().SetDentryLimit(1)
			p.Dentry.Superblock().SetDentryLimit(1000)
		}
		p.DecRef()
	}
	stop.Store(true)
	wg.Wait()
}
