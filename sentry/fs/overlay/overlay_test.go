package overlay

import (
	"testing"

	"ringfence/sentry/fs/fstest"
	"ringfence/sentry/fs/tmpfs"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

// env makes overlays over a tmpfs.
type env struct{ mf *memfile.File }

func newEnv(t *testing.T) *env {
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := mf.Stats().InUse; n != 0 {
			t.Errorf("%d bytes in use at the end", n)
		}
		mf.Close()
	})
	return &env{mf}
}

func (e *env) mount(t *testing.T) (*vfs.VFS, *vfs.Namespace) {
	v := vfs.New()
	v.AddType("tmpfs", &tmpfs.FS{Memory: e.mf}, true)
	ns, err := v.NewNamespace(vfstest.Root(), "tmpfs", "none", 0, "mode=755")
	if err != nil {
		t.Fatal(err)
	}
	return v, ns
}

func (e *env) over(t *testing.T, v *vfs.VFS, lower vfs.Path) *vfs.Namespace {
	lower.Inode().IncRef()
	sb, root := New(Config{Lower: []*vfs.Inode{lower.Inode()}, Memory: e.mf})
	return v.NewNamespaceOn(sb, root, "overlay", 0)
}

func TestOverlayAnswersLikeLinux(t *testing.T) {
	e := newEnv(t)
	t.Run("alone", func(t *testing.T) {
		fstest.Run(t, func(t *testing.T) (*vfs.VFS, *vfs.Namespace) {
			v, ns := e.mount(t)
			root := ns.Root()
			upper := e.over(t, v, root)
			root.DecRef()
			ns.DecRef()
			return v, upper
		})
	})
	t.Run("over files", func(t *testing.T) { fstest.RunOver(t, e.mount, e.over) })
}

func TestOverlayAnswersRandomCallsLikeLinux(t *testing.T) {
	e := newEnv(t)
	fstest.RunRandom(t, 40, 400, 1, e.mount, e.over)
}

func TestOverlayStandsManyCallers(t *testing.T) {
	e := newEnv(t)
	for seed := range uint64(6) {
		fstest.RunStress(t, 8, 500, true, func(t *testing.T) (*vfs.VFS, *vfs.Namespace) {
			v, ns := e.mount(t)
			root := ns.Root()
			if seed > 0 {
				fstest.Populate(t, v, root, seed, 300)
			}
			upper := e.over(t, v, root)
			root.DecRef()
			ns.DecRef()
			return v, upper
		})
	}
}
