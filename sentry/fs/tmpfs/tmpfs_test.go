package tmpfs

import (
	"testing"

	"ringfence/sentry/fs/fstest"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

func mount(t *testing.T) fstest.Mount {
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mf.Close)
	return func(t *testing.T) (*vfs.VFS, *vfs.Namespace) {
		v := vfs.New()
		v.AddType("tmpfs", &FS{Memory: mf, Total: 1 << 30}, true)
		ns, err := v.NewNamespace(vfstest.Root(), "tmpfs", "none", 0, "mode=755")
		if err != nil {
			t.Fatal(err)
		}
		before := mf.Stats().InUse
		t.Cleanup(func() {
			if n := mf.Stats().InUse; n != before {
				t.Errorf("%d bytes in use at the end, %d before", n, before)
			}
		})
		return v, ns
	}
}

func TestTmpfsAnswersLikeLinux(t *testing.T) { fstest.Run(t, mount(t)) }

func TestTmpfsAnswersRandomCallsLikeLinux(t *testing.T) {
	fstest.RunRandom(t, 40, 400, 1, mount(t), nil)
}

func TestTmpfsStandsManyCallers(t *testing.T) { fstest.RunStress(t, 8, 1500, true, mount(t)) }
