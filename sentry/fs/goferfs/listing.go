package goferfs

import (
	"slices"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/gofer/wire"
	"ringfence/sentry/vfs"
)

// listing is what a directory held when it was read. Immutable once made, but for near.
type listing struct {
	changes uint64 // filesystem.changes before it was read
	entries []wire.Entry
	// near is where the next look-up is likely to hit: programs ask in the order of the listing.
	near   atomic.Int32
	once   sync.Once
	byName map[string]int32 // index into entries; of a long listing, after once
}

// smallListing is up to how many entries a listing is searched from end to end.
const smallListing = 8

// find returns the entry called name, or nil.
func (l *listing) find(name string) *wire.Entry {
	near := l.near.Load()
	for i := near; i < min(near+smallListing, int32(len(l.entries))); i++ {
		if l.entries[i].Name == name {
			l.near.Store(i + 1)
			return &l.entries[i]
		}
	}
	if len(l.entries) <= smallListing {
		near = int32(slices.IndexFunc(l.entries, func(e wire.Entry) bool { return e.Name == name }))
		if near < 0 {
			return nil
		}
		return &l.entries[near]
	}
	l.once.Do(func() {
		l.byName = make(map[string]int32, len(l.entries))
		for i := range l.entries {
			l.byName[l.entries[i].Name] = int32(i)
		}
	})
	i, ok := l.byName[name]
	if !ok {
		return nil
	}
	l.near.Store(i + 1)
	return &l.entries[i]
}

// listings are the directory listings of an exclusive mount.
type listings struct {
	fs *filesystem
	// changes counts what makes listings stale.
	changes atomic.Uint64
	// descent counts the directories in a row that were listed after the directory that
	// they are in: somebody walks a tree.
	descent atomic.Int32

	mu     sync.Mutex
	known  map[*node]*listing // guarded by mu
	ahead  map[key]aheadOf    // guarded by mu: of directories that nobody has listed yet
	listed int                // entries in all of them; guarded by mu
	gone   []wire.Handle      // guarded by mu: to be given back by unlock
}

// unlock unlocks mu and then gives handles back, which may take a message.
func (s *listings) unlock() {
	gone := s.gone
	s.gone = nil
	s.mu.Unlock()
	for _, h := range gone {
		s.fs.client.CloseHandle(h)
	}
}

// aheadOf is what the gofer told of a directory unasked.
type aheadOf struct {
	handle wire.Handle
	list   *listing
}

// get returns the listing of n if it still holds, else nil.
func (s *listings) get(n *node) *listing {
	s.mu.Lock()
	l := s.known[n]
	s.mu.Unlock()
	if l == nil || l.changes != s.changes.Load() {
		return nil
	}
	return l
}

// take is get for one that was told ahead, with the handle that came with it.
func (s *listings) take(n *node) (*listing, wire.Handle) {
	s.mu.Lock()
	defer s.unlock()
	a, ok := s.ahead[n.key]
	if !ok {
		return nil, 0
	}
	if a.list.changes != s.changes.Load() {
		s.dropAheadLocked()
		return nil, 0
	}
	delete(s.ahead, n.key)
	s.listed -= len(a.list.entries)
	s.putLocked(n, a.list)
	return a.list, a.handle
}

// put remembers what was read of n, and ahead of what was asked for.
func (s *listings) put(n *node, l *listing, ahead []wire.Listing) {
	s.mu.Lock()
	defer s.unlock()
	s.putLocked(n, l)
	for _, a := range ahead {
		k := key{a.Dev, a.Ino}
		if old, ok := s.ahead[k]; ok {
			s.gone = append(s.gone, old.handle)
			s.listed -= len(old.list.entries)
		}
		s.ahead[k] = aheadOf{a.Handle, &listing{changes: l.changes, entries: a.Entries}}
		s.listed += len(a.Entries)
	}
}

// putLocked remembers the listing of n. s.mu is held.
func (s *listings) putLocked(n *node, l *listing) {
	s.dropLocked(n)
	if s.listed+len(l.entries) > maxListed {
		clear(s.known)
		s.dropAheadLocked()
		s.listed = 0
	}
	s.known[n] = l
	s.listed += len(l.entries)
}

// drop forgets n.
func (s *listings) drop(n *node) {
	s.mu.Lock()
	s.dropLocked(n)
	s.mu.Unlock()
}

func (s *listings) dropLocked(n *node) {
	if l := s.known[n]; l != nil {
		delete(s.known, n)
		s.listed -= len(l.entries)
	}
}

// dropAhead forgets what nobody asked for.
func (s *listings) dropAhead() {
	s.mu.Lock()
	s.dropAheadLocked()
	s.unlock()
}

func (s *listings) dropAheadLocked() {
	for k, a := range s.ahead {
		delete(s.ahead, k)
		s.listed -= len(a.list.entries)
		s.gone = append(s.gone, a.handle)
	}
}

// remembered returns the listing of n if it still holds, else nil.
func (n *node) remembered() *listing {
	if n.fs.shared {
		return nil
	}
	return n.fs.listings.get(n)
}

// list reads the whole directory, with attributes where they can be kept.
func (n *node) list() (*listing, error) {
	fs := n.fs
	if !fs.shared {
		l, handle := fs.listings.get(n), wire.Handle(0)
		if l == nil {
			l, handle = fs.listings.take(n)
		}
		if l != nil {
			n.setHandle(handle)
			return l, nil
		}
	}
	ahead := n.walked()
	changes := fs.listings.changes.Load()
	var entries []wire.Entry
	var below []wire.Listing
	pos := int64(0)
	for end := false; !end; {
		err := n.withRef(func(r wire.Ref) error {
			batch, err := fs.client.ReadDir(r, pos, !fs.shared, ahead)
			if err != nil {
				return err
			}
			n.setHandle(batch.Handle)
			entries, below, end = append(entries, batch.Entries...), batch.Ahead, batch.End
			if len(entries) > 0 {
				pos = entries[len(entries)-1].Next
			} else if !end {
				return errno.EIO
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	l := &listing{changes: changes, entries: entries}
	if !fs.shared {
		fs.listings.put(n, l, below)
	}
	return l, nil
}

// walked notes that the directory n is going to be listed, and reports whether that looks
// like a walk through a tree.
func (n *node) walked() bool {
	const severalInARow = 3
	d := &n.fs.listings.descent
	if n.fs.shared || !n.fromListing {
		d.Store(0)
		return false
	}
	return d.Add(1) > severalInARow
}

// recall looks name up in what a listing remembers: it returns the inode, ENOENT, or
// nil and no error if the gofer must be asked.
func (n *node) recall(dir *vfs.Inode, name string) (*vfs.Inode, error) {
	l := n.remembered()
	if l == nil {
		return nil, nil
	}
	e := l.find(name)
	if e == nil {
		return nil, errno.ENOENT
	}
	if e.HasNode {
		return n.fs.inode(&e.Node, dir, name, true), nil
	}
	return nil, nil
}
