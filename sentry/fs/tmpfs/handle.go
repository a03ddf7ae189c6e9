package tmpfs

import (
	"slices"

	"ringfence/sentry/vfs"
)

// PathOf implements vfs.HandleOpener. Nobody keeps a table of numbers for the few who ask: all names are searched.
func (s *super) PathOf(root *vfs.Inode, ino uint64) ([]string, bool) {
	if ino == root.Ino() {
		return nil, true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	names, ok := root.Ops.(*node).dir.pathTo(ino)
	slices.Reverse(names)
	return names, ok
}

// pathTo searches d and all below it, and returns the names that lead to a file, the last first.
// Preconditions: fs.mu is held.
func (d *directory) pathTo(ino uint64) ([]string, bool) {
	for _, e := range d.order {
		if e.n == nil {
			continue
		}
		if e.n.inode.Ino() == ino {
			return []string{e.name}, true
		}
		if names, ok := e.n.dir.pathTo(ino); ok {
			return append(names, e.name), true
		}
	}
	return nil, false
}
