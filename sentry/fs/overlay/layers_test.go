package overlay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/fs/tmpfs"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

// tree is a file system for tests with whole-file helpers.
type tree struct {
	t *testing.T
	v *vfs.VFS
	c *vfstest.Caller
}

func (tr tree) write(path, text string) {
	tr.t.Helper()
	f, err := tr.v.OpenAt(tr.c, vfs.Path{}, path, linux.O_CREAT|linux.O_WRONLY|linux.O_TRUNC, 0o644, 0)
	if err != nil {
		tr.t.Fatalf("open %s: %v", path, err)
	}
	src := usermem.FromBytes([]byte(text))
	if _, err := f.Write(tr.c, &src, 0); err != nil {
		tr.t.Fatalf("write %s: %v", path, err)
	}
	f.DecRef()
}

func (tr tree) read(path string) string {
	f, err := tr.v.OpenAt(tr.c, vfs.Path{}, path, linux.O_RDONLY, 0, 0)
	if err != nil {
		return err.Error()
	}
	defer f.DecRef()
	b := make([]byte, 100)
	dst := usermem.FromBytes(b)
	n, err := f.Read(tr.c, &dst, 0)
	if err != nil {
		return err.Error()
	}
	return string(b[:n])
}

func (tr tree) ls(path string) string {
	f, err := tr.v.OpenAt(tr.c, vfs.Path{}, path, linux.O_RDONLY|linux.O_DIRECTORY, 0, 0)
	if err != nil {
		return err.Error()
	}
	defer f.DecRef()
	var names []string
	f.ReadDir(tr.c, func(d vfs.Dirent) bool {
		if d.Name != "." && d.Name != ".." {
			p, err := tr.v.Resolve(tr.c, vfs.Path{}, path+"/"+d.Name, 0)
			if err != nil || p.Inode().Ino() != d.Ino || linux.ModeToDT(p.Inode().Type()) != d.Type {
				tr.t.Errorf("%s/%s: listed as inode %d type %d; %v", path, d.Name, d.Ino, d.Type, err)
			}
			p.DecRef()
			names = append(names, d.Name)
		}
		return true
	})
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (tr tree) mkdir(paths ...string) {
	tr.t.Helper()
	for _, p := range paths {
		if err := tr.v.MkdirAt(tr.c, vfs.Path{}, p, 0o755); err != nil {
			tr.t.Fatalf("mkdir %s: %v", p, err)
		}
	}
}

func TestLayersAreMerged(t *testing.T) {
	e := newEnv(t)
	v := vfs.New()
	v.AddType("tmpfs", &tmpfs.FS{Memory: e.mf}, true)
	layer := func(fill func(tree)) *vfs.Inode {
		tr := tree{t, v, vfstest.Root()}
		ns, err := v.NewNamespace(tr.c, "tmpfs", "none", 0, "mode=755")
		if err != nil {
			t.Fatal(err)
		}
		root := ns.Root()
		tr.c.FS = vfs.NewFSContext(root, root, 0)
		fill(tr)
		i := root.Inode()
		i.IncRef()
		t.Cleanup(func() {
			tr.c.FS.Release()
			root.DecRef()
			ns.DecRef()
		})
		return i
	}
	bottom := layer(func(tr tree) {
		tr.mkdir("/d", "/opaque", "/becomesfile", "/gone")
		tr.write("/d/both", "bottom")
		tr.write("/d/low", "low")
		tr.write("/opaque/hidden", "x")
		tr.write("/white", "x")
		tr.write("/becomesdir", "x")
		tr.write("/gone/x", "x")
	})
	top := layer(func(tr tree) {
		tr.mkdir("/d", "/opaque", "/becomesdir")
		tr.write("/d/both", "top")
		tr.write("/d/high", "high")
		tr.write("/opaque/seen", "y")
		tr.write("/becomesfile", "file")
		p, _ := tr.v.Resolve(tr.c, vfs.Path{}, "/opaque", 0)
		if err := tr.v.SetXattr(tr.c, p, "trusted.overlay.opaque", []byte("y"), 0); err != nil {
			t.Fatal(err)
		}
		p.DecRef()
		for _, w := range []string{"/white", "/gone"} {
			if err := tr.v.MknodAt(tr.c, vfs.Path{}, w, linux.S_IFCHR, 0); err != nil {
				t.Fatal(err)
			}
		}
	})
	sb, root := New(Config{Lower: []*vfs.Inode{top, bottom}, Memory: e.mf})
	ns := v.NewNamespaceOn(sb, root, "overlay", 0)
	p := ns.Root()
	tr := tree{t, v, vfstest.Root()}
	tr.c.FS = vfs.NewFSContext(p, p, 0)
	p.DecRef()
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("root", tr.ls("/"), "becomesdir becomesfile d opaque")
	check("merged", tr.ls("/d"), "both high low")
	check("the upper of two", tr.read("/d/both"), "top")
	check("from below", tr.read("/d/low"), "low")
	check("opaque", tr.ls("/opaque"), "seen")
	check("behind opaque", tr.read("/opaque/hidden"), errno.ENOENT.Error())
	check("behind a whiteout", tr.read("/gone/x"), errno.ENOENT.Error())
	check("directory over a file", tr.ls("/becomesdir"), "")
	check("file over a directory", tr.read("/becomesfile"), "file")

	// Changes on top of both.
	tr.write("/d/low", "changed")
	check("changed", tr.read("/d/low"), "changed")
	if err := v.UnlinkAt(tr.c, vfs.Path{}, "/d/both"); err != nil {
		t.Error(err)
	}
	check("unlinked in both", tr.ls("/d"), "high low")
	if err := v.RenameAt(tr.c, vfs.Path{}, "/d", vfs.Path{}, "/e", 0); err != nil {
		t.Error(err)
	}
	check("moved", tr.ls("/e"), "high low")
	tr.mkdir("/d", "/gone")
	check("made anew", tr.ls("/d"), "")
	check("made over a whiteout", tr.ls("/gone"), "")
	check("root at the end", tr.ls("/"), "becomesdir becomesfile d e gone opaque")
	tr.c.FS.Release()
	ns.DecRef()
}

// TestIdentityOutlivesChange: inode numbers, links and open files stay what they are when a file is changed.
func TestIdentityOutlivesChange(t *testing.T) {
	e := newEnv(t)
	v, ns := e.mount(t)
	root := ns.Root()
	tr := tree{t, v, vfstest.Root()}
	tr.c.FS = vfs.NewFSContext(root, root, 0)
	tr.mkdir("/d")
	for i := range 5 {
		tr.write(fmt.Sprintf("/d/%d", i), "before")
	}
	if err := v.LinkAt(tr.c, vfs.Path{}, "/d/0", vfs.Path{}, "/link", 0); err != nil {
		t.Fatal(err)
	}
	upper := e.over(t, v, root)
	tr.c.FS.Release()
	p := upper.Root()
	tr.c.FS = vfs.NewFSContext(p, p, 0)
	ino := func(path string) uint64 {
		p, err := v.Resolve(tr.c, vfs.Path{}, path, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer p.DecRef()
		return p.Inode().Ino()
	}
	before := ino("/d/0")
	reader, err := v.OpenAt(tr.c, vfs.Path{}, "/d/0", linux.O_RDONLY, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	tr.write("/link", "after")
	// Nothing of this may depend on what the cache still holds.
	p.Dentry.Superblock().SetDentryLimit(1)
	if got := tr.read("/d/0"); got != "after" {
		t.Errorf("through the other name: %q", got)
	}
	if ino("/d/0") != before || ino("/link") != before {
		t.Error("the inode number changed")
	}
	b := make([]byte, 10)
	dst := usermem.FromBytes(b)
	if n, _ := reader.Read(tr.c, &dst, 0); string(b[:n]) != "after" {
		t.Errorf("through a file that was open: %q", b[:n])
	}
	reader.DecRef()
	if got := tr.ls("/d"); got != "0 1 2 3 4" {
		t.Errorf("names: %s", got)
	}
	p.DecRef()
	tr.c.FS.Release()
	upper.DecRef()
	root.DecRef()
	ns.DecRef()
}
