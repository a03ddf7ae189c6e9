package vfs

import (
	"slices"
	"sync"
)

// ReleaseWatcher wants to know when a file goes, without keeping it: epoll's interest in a
// file ends with the file, not with a descriptor (epoll(7)).
type ReleaseWatcher interface {
	// FileReleased is called once, before the file's operations are released.
	FileReleased(f *File)
}

// releaseWatchers are the ReleaseWatchers of a file.
type releaseWatchers struct {
	mu   sync.Mutex
	list []ReleaseWatcher
}

// Watch tells w when f goes. Preconditions: the caller holds a reference to f.
func (f *File) Watch(w ReleaseWatcher) {
	f.watchers.mu.Lock()
	defer f.watchers.mu.Unlock()
	f.watchers.list = append(f.watchers.list, w)
}

// Unwatch undoes one Watch.
func (f *File) Unwatch(w ReleaseWatcher) {
	f.watchers.mu.Lock()
	defer f.watchers.mu.Unlock()
	if i := slices.Index(f.watchers.list, w); i >= 0 {
		f.watchers.list = slices.Delete(f.watchers.list, i, i+1)
	}
}

// tellWatchers is called when f goes.
func (f *File) tellWatchers() {
	f.watchers.mu.Lock()
	list := f.watchers.list
	f.watchers.list = nil
	f.watchers.mu.Unlock()
	for _, w := range list {
		w.FileReleased(f)
	}
}
