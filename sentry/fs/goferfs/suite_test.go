package goferfs

import (
	"os"
	"testing"

	"ringfence/sentry/fs/fstest"
	"ringfence/sentry/vfs"
)

// TestGoferfsAnswersLikeLinux runs the suite on a directory of the host's tmpfs.
func TestGoferfsAnswersLikeLinux(t *testing.T) {
	for _, o := range []struct {
		name string
		Options
	}{{"exclusive", Options{}}, {"shared", Options{Shared: true}}} {
		mount := func(t *testing.T) (*vfs.VFS, *vfs.Namespace) {
			dir, err := os.MkdirTemp("/dev/shm", "goferfs")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			e := mountDir(t, dir, o.Options, false)
			return e.v, e.v.NewNamespaceOn(e.fs.sb, e.root, "gofer", 0)
		}
		t.Run(o.name, func(t *testing.T) {
			fstest.Run(t, mount, "devices", "whiteouts")
			t.Run("random", func(t *testing.T) { fstest.RunRandom(t, 15, 300, 1, mount, nil) })
			t.Run("stress", func(t *testing.T) { fstest.RunStress(t, 6, 300, false, mount) })
		})
	}
}
