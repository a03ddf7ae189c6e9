package fstest

import (
	"strings"
	"sync"
	"testing"

	"ringfence/abi/errno"
	"ringfence/sentry/vfs"
)

// RunStress lets several callers run random scripts at once on one file system, whose dentry cache is kept too
// small. Answers can't be foreseen; errors that Linux never gives, panics, races and what is left behind
// can. counted says that the file system's count of inodes is of this file system alone.
func RunStress(t *testing.T, callers, length int, counted bool, mount Mount) {
	v, ns := mount(t)
	root := ns.Root()
	root.Dentry.Superblock().SetDentryLimit(8)
	admin := newGuest(t, v, root)
	inodes := func() uint64 {
		st, err := v.Statfs(admin.c, root)
		if err != nil {
			t.Fatal(err)
		}
		return st.Files - st.Ffree
	}
	before := inodes()
	var wg sync.WaitGroup
	for i := range callers {
		g := newGuest(t, v, root)
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := newRunner(g)
			for _, line := range strings.Split(randomScript(uint64(i), length), "\n") {
				if line = strings.TrimSpace(line); line == "" {
					continue
				}
				switch got := r.do(line); got {
				case errno.EIO.Error(), errno.ENOSYS.Error(), errno.EFAULT.Error(), errno.EBUSY.Error():
					// EBUSY is right for "." only.
					if got != "EBUSY" || !strings.Contains(line, ".") {
						t.Errorf("%s: %s", line, got)
					}
				}
			}
			for _, fd := range r.fds {
				g.close(fd)
			}
			g.c.FS.Release()
		}()
	}
	wg.Wait()
	// What is left must be a tree, and go.
	admin.removeAll(".", 0)
	root.Dentry.Superblock().SetDentryLimit(0)
	if now := inodes(); counted && now != before {
		t.Errorf("%d inodes are in use, %d before", now, before)
	}
	admin.c.FS.Release()
	root.DecRef()
	ns.DecRef()
}

// removeAll removes what is in the directory dir.
func (g *guest) removeAll(dir string, depth int) {
	if depth > 100 {
		g.t.Errorf("the tree has no end at %s", dir)
		return
	}
	names, err := g.ls(dir)
	if err != nil {
		g.t.Errorf("list %s: %v", dir, err)
	}
	for _, name := range names {
		if name == "." || name == ".." {
			continue
		}
		p := dir + "/" + name
		if g.unlink(p) == errno.EISDIR {
			g.removeAll(p, depth+1)
			if err := g.rmdir(p); err != nil {
				g.t.Errorf("rmdir %s: %v", p, err)
			}
		}
	}
}

// Populate runs a random script on root, to have something there.
func Populate(t *testing.T, v *vfs.VFS, root vfs.Path, seed uint64, length int) {
	g := newGuest(t, v, root)
	r := newRunner(g)
	for _, line := range strings.Split(strings.TrimSpace(randomScript(seed, length)), "\n") {
		r.do(strings.TrimSpace(line))
	}
	for _, fd := range r.fds {
		g.close(fd)
	}
	g.unwatchAll()
	g.c.FS.Release()
}
