package vfs

import (
	"slices"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

// dirWatch is a directory whose open file signals what happens to the names in it (F_NOTIFY of fcntl(2)).
type dirWatch struct {
	f    *File // not a reference: the watch ends with it
	fd   int32
	mask uint32 // DN_* flags
}

// renamed is in the events of the directory that a name is moved from: DN_RENAME has no other.
const renamed = 0x10000000

// dirEvents are the DN_* flags and what they stand for.
var dirEvents = [...]struct{ dn, in uint32 }{
	{linux.DN_ACCESS, linux.IN_ACCESS},
	{linux.DN_MODIFY, linux.IN_MODIFY},
	{linux.DN_ATTRIB, linux.IN_ATTRIB},
	{linux.DN_CREATE, linux.IN_CREATE | linux.IN_MOVED_TO},
	{linux.DN_DELETE, linux.IN_DELETE | linux.IN_MOVED_FROM},
	{linux.DN_RENAME, renamed},
}

// WatchDir makes f, whose descriptor is fd, signal the events in mask, beside those it signals already; without
// any, it signals no more.
func (f *File) WatchDir(fd int32, mask uint32) error {
	if mask&^linux.DN_MULTISHOT == 0 {
		f.unwatchDir()
		return nil
	}
	n := f.Inode()
	if n.Type() != linux.S_IFDIR {
		return errno.ENOTDIR
	}
	ev := n.events()
	ev.mu.Lock()
	defer ev.mu.Unlock()
	if i := slices.IndexFunc(ev.dirs, func(w *dirWatch) bool { return w.f == f }); i >= 0 {
		ev.dirs[i].fd = fd
		ev.dirs[i].mask |= mask
		return nil
	}
	ev.dirs = append(ev.dirs, &dirWatch{f, fd, mask})
	ev.recountLocked()
	return nil
}

// unwatchDir undoes WatchDir.
func (f *File) unwatchDir() {
	ev := f.Inode().watchState.Load()
	if ev == nil {
		return
	}
	ev.mu.Lock()
	defer ev.mu.Unlock()
	ev.dirs = slices.DeleteFunc(ev.dirs, func(w *dirWatch) bool { return w.f == f })
	ev.recountLocked()
}

// signalDirsLocked tells those who watch by signals of the IN_* events in mask. Without DN_MULTISHOT that ends the watch.
func (ev *inodeEvents) signalDirsLocked(mask uint32) {
	if len(ev.dirs) == 0 {
		return
	}
	ev.dirs = slices.DeleteFunc(ev.dirs, func(w *dirWatch) bool {
		for _, e := range dirEvents {
			if w.mask&e.dn != 0 && mask&e.in != 0 {
				w.f.signalOwner(w.f.Signal(), w.fd, wait.Msg)
				return w.mask&linux.DN_MULTISHOT == 0
			}
		}
		return false
	})
	ev.recountLocked()
}
