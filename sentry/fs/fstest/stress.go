package fstest

import (
	"strings"
	"sync"
	"testing"

	"ringfence/abi/errno"
)

// RunStress lets several callers run random scripts at once on one file system, whose dentry cache is kept too
// small. Answers can't be foreseen; errors that Linux never gives, panics, races and what is left behind
// can.
func RunStress(t *testing.T, callers, length int, mount Mount) {
	v, ns := mount(t)
	root := ns.Root()
	root.Dentry.Superblock().SetDentryLimit(8)
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
	root.DecRef()
	ns.DecRef()
}
