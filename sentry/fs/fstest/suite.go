package fstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ringfence/sentry/vfs"
)

// Mount makes a namespace with an empty, writable file system at its root, owned by root with mode 0755.
type Mount func(t *testing.T) (*vfs.VFS, *vfs.Namespace)

// Run runs all cases but those named in except.
func Run(t *testing.T, mount Mount, except ...string) {
	for _, c := range cases {
		if slices.Contains(except, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) { run(t, c.script, mount, 0, nil) })
	}
}

// RunOver runs all cases several times, each time up to another line on what mount makes, and from there on
// on what over puts on top of that.
func RunOver(t *testing.T, mount Mount, over func(t *testing.T, v *vfs.VFS, lower vfs.Path) *vfs.Namespace) {
	for _, c := range cases {
		lines := strings.Count(strings.TrimSpace(c.script), "\n") + 1
		for _, at := range []int{1, lines / 4, lines / 2, lines * 3 / 4} {
			t.Run(fmt.Sprintf("%s from line %d", c.name, at+1), func(t *testing.T) { run(t, c.script, mount, at, over) })
		}
	}
}

// RunRandom runs n random scripts of a given length, on what mount makes or, with over, from the middle on what
// over puts on top.
func RunRandom(t *testing.T, n, length int, seed uint64, mount Mount, over func(*testing.T, *vfs.VFS, vfs.Path) *vfs.Namespace) {
	for i := range n {
		t.Run(fmt.Sprintf("seed %d", seed+uint64(i)), func(t *testing.T) {
			at := 0
			if over != nil {
				at = length / 2
			}
			run(t, randomScript(seed+uint64(i), length), mount, at, over)
		})
	}
}

func run(t *testing.T, script string, mount Mount, at int, over func(*testing.T, *vfs.VFS, vfs.Path) *vfs.Namespace) {
	v, ns := mount(t)
	root := ns.Root()
	g := newGuest(t, v, root)
	compare(t, script, g, newHost(t), at, func() {
		upper := over(t, v, root)
		p := upper.Root()
		g.c.FS.SetRoot(p)
		g.c.FS.SetCwd(p)
		p.DecRef()
		t.Cleanup(upper.DecRef)
	})
	root.DecRef()
	g.c.FS.Release()
	ns.DecRef()
}
