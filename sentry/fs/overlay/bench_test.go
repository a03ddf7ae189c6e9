package overlay

import (
	"testing"

	"ringfence/abi/linux"
	"ringfence/sentry/fs/tmpfs"
	"ringfence/sentry/memfile"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

// benchEnv is an overlay over a tmpfs that holds /usr/share/doc/file.
func benchEnv(b *testing.B) (*vfs.VFS, *vfstest.Caller) {
	mf, err := memfile.New()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(mf.Close)
	v := vfs.New()
	v.AddType("tmpfs", &tmpfs.FS{Memory: mf}, true)
	c := vfstest.Root()
	ns, err := v.NewNamespace(c, "tmpfs", "none", 0, "")
	if err != nil {
		b.Fatal(err)
	}
	root := ns.Root()
	c.FS = vfs.NewFSContext(root, root, 0)
	for _, d := range []string{"/usr", "/usr/share", "/usr/share/doc"} {
		if err := v.MkdirAt(c, vfs.Path{}, d, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	f, err := v.OpenAt(c, vfs.Path{}, "/usr/share/doc/file", linux.O_CREAT|linux.O_WRONLY, 0o644, 0)
	if err != nil {
		b.Fatal(err)
	}
	src := usermem.FromBytes(make([]byte, 65536))
	f.Write(c, &src, 0)
	f.DecRef()
	sb, top := New(Config{Lower: []*vfs.Inode{root.Inode()}, Memory: mf})
	over := v.NewNamespaceOn(sb, top, "overlay", 0)
	p := over.Root()
	c.FS = vfs.NewFSContext(p, p, 0)
	return v, c
}

func BenchmarkStatCached(b *testing.B) {
	v, c := benchEnv(b)
	for b.Loop() {
		p, err := v.Resolve(c, vfs.Path{}, "/usr/share/doc/file", vfs.LookupFollow)
		if err != nil {
			b.Fatal(err)
		}
		v.Stat(c, p)
		p.DecRef()
	}
}

func BenchmarkStatMissing(b *testing.B) {
	v, c := benchEnv(b)
	for b.Loop() {
		if _, err := v.Resolve(c, vfs.Path{}, "/usr/share/doc/none", vfs.LookupFollow); err == nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkOpenReadClose(b *testing.B) {
	v, c := benchEnv(b)
	buf := make([]byte, 4096)
	for b.Loop() {
		f, err := v.OpenAt(c, vfs.Path{}, "/usr/share/doc/file", linux.O_RDONLY, 0, 0)
		if err != nil {
			b.Fatal(err)
		}
		dst := usermem.FromBytes(buf)
		f.Read(c, &dst, 0)
		f.DecRef()
	}
}

func BenchmarkWrite4K(b *testing.B) {
	v, c := benchEnv(b)
	f, err := v.OpenAt(c, vfs.Path{}, "/new", linux.O_CREAT|linux.O_RDWR, 0o644, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.DecRef()
	buf := make([]byte, 4096)
	for b.Loop() {
		src := usermem.FromBytes(buf)
		f.PWrite(c, &src, 0, 0)
	}
}

func BenchmarkCreateUnlink(b *testing.B) {
	v, c := benchEnv(b)
	for b.Loop() {
		f, err := v.OpenAt(c, vfs.Path{}, "/usr/x", linux.O_CREAT|linux.O_RDWR, 0o644, 0)
		if err != nil {
			b.Fatal(err)
		}
		f.DecRef()
		v.UnlinkAt(c, vfs.Path{}, "/usr/x")
	}
}
