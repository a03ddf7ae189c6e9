package epoll

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"ringfence/abi/errno"
	"ringfence/sentry/vfs"
)

// maxNests is how deep epoll files may watch each other (EP_MAX_NESTS).
const maxNests = 4

// FS makes the epoll files of a kernel.
type FS struct {
	v *vfs.VFS
	// nestMu serializes everything that changes which epoll file watches which.
	nestMu sync.Mutex
}

// NewFS returns a maker of epoll files.
func NewFS(v *vfs.VFS) *FS { return &FS{v: v} }

// New is epoll_create1(2).
func (fs *FS) New(c vfs.Caller) *vfs.File {
	ep := &Epoll{fs: fs, items: make(map[key]*item), watchers: make(map[*Epoll]int)}
	return fs.v.NewAnonFile("[eventpoll]", ep, 2, vfs.FModeRead|vfs.FModeWrite|vfs.FModeStream|vfs.FModeStill, c.Creds())
}

// mayNest checks that ep may watch target: ELOOP if that closes a circle or goes too deep.
// Preconditions: fs.nestMu.
func (ep *Epoll) mayNest(target *Epoll) error {
	if ep == target || target.reaches(ep, 0) || ep.watchedDepth(0)+1+target.depth() > maxNests {
		return errno.ELOOP
	}
	return nil
}

// reaches reports whether ep watches to, directly or not, or more than maxNests deep.
func (ep *Epoll) reaches(to *Epoll, depth int) bool {
	if depth > maxNests {
		return true
	}
	for _, t := range ep.nested() {
		if t == to || t.reaches(to, depth+1) {
			return true
		}
	}
	return false
}

// depth returns how many levels of epoll files ep watches.
func (ep *Epoll) depth() int {
	d := 0
	for _, t := range ep.nested() {
		d = max(d, 1+t.depth())
	}
	return d
}

// watchedDepth returns how many levels of epoll files watch ep.
func (ep *Epoll) watchedDepth(depth int) int {
	d := 0
	if depth > maxNests {
		return depth
	}
	for w := range ep.watchers {
		d = max(d, 1+w.watchedDepth(depth+1))
	}
	return d
}

// nested returns the epoll files that ep watches.
func (ep *Epoll) nested() []*Epoll {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	var l []*Epoll
	for k := range ep.items {
		if t := Of(k.file); t != nil {
			l = append(l, t)
		}
	}
	return l
}

// forget notes that ep no longer watches one descriptor of file.
func (ep *Epoll) forget(file *vfs.File) {
	t := Of(file)
	if t == nil {
		return
	}
	ep.fs.nestMu.Lock()
	defer ep.fs.nestMu.Unlock()
	if t.watchers[ep]--; t.watchers[ep] <= 0 {
		delete(t.watchers, ep)
	}
}

// FDInfo returns the lines of /proc/PID/fdinfo.
func (ep *Epoll) FDInfo(*vfs.File) string {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	items := make([]*item, 0, len(ep.items))
	for _, it := range ep.items {
		items = append(items, it)
	}
	slices.SortFunc(items, func(a, b *item) int { return cmp.Compare(a.key.fd, b.key.fd) })
	var s strings.Builder
	ep.readyMu.Lock()
	defer ep.readyMu.Unlock()
	for _, it := range items {
		n := it.key.file.Inode()
		fmt.Fprintf(&s, "tfd: %8d events: %8x data: %16x  pos:%d ino:%x sdev:%x\n",
			it.key.fd, it.events, it.data, 0, n.Ino(), n.SB.Dev)
	}
	return s.String()
}
