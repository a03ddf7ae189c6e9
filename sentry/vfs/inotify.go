package vfs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/usermem"
)

// inodeEvents are the watches on one inode. Lock order: mu before Inotify.mu.
type inodeEvents struct {
	count   atomic.Int32 // of watches and dirs, to be quick without any
	mu      sync.Mutex
	watches []*watch
	dirs    []*dirWatch // F_NOTIFY
}

// recountLocked keeps count true.
func (ev *inodeEvents) recountLocked() { ev.count.Store(int32(len(ev.watches) + len(ev.dirs))) }

// watchTable knows the watched inodes of a superblock. Its lock comes after inodeEvents.mu.
type watchTable struct {
	mu    sync.Mutex
	nodes map[*Inode]bool
}

func (t *watchTable) set(n *Inode, watched bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !watched {
		delete(t.nodes, n)
		return
	}
	if t.nodes == nil {
		t.nodes = make(map[*Inode]bool)
	}
	t.nodes[n] = true
}

// unmounted ends all watches, with IN_UNMOUNT.
func (t *watchTable) unmounted() {
	t.mu.Lock()
	nodes := slices.Collect(maps.Keys(t.nodes))
	t.mu.Unlock()
	for _, n := range nodes {
		n.gone(linux.IN_UNMOUNT)
	}
}

// watch is one inode that an Inotify watches. It holds a reference to the inode.
type watch struct {
	in   *Inotify // immutable
	wd   int32    // immutable
	node *Inode   // immutable
	mask uint32   // guarded by the inode's inodeEvents.mu
}

// Limits of an Inotify, as in /proc/sys/fs/inotify.
const (
	maxQueuedEvents = 16384
	maxUserWatches  = 1048576
)

// Inotify is the queue of inotify_init(2): FileOps of an anonymous file.
type Inotify struct {
	BaseFile
	queue wait.Queue

	mu      sync.Mutex
	watches map[int32]*watch
	lastWD  int32
	events  []inotifyEvent
	closed  bool
}

type inotifyEvent struct {
	wd     int32
	mask   uint32
	cookie uint32
	name   string
}

// size returns how many bytes the event takes in a read: the name is padded with NULs, one at least, to
// a multiple of the head's size.
func (e *inotifyEvent) size() int {
	if e.name == "" {
		return inotifyHead
	}
	return inotifyHead + (len(e.name)+inotifyHead)&^(inotifyHead-1)
}

const inotifyHead = 16

// NewInotify returns an inotify instance.
func NewInotify() *Inotify { return &Inotify{watches: make(map[int32]*watch)} }

// AddWatch is inotify_add_watch(2) on p, resolved by the caller as IN_DONT_FOLLOW and IN_ONLYDIR say.
func (in *Inotify) AddWatch(c Caller, p Path, mask uint32) (int32, error) {
	if mask&(linux.IN_ALL_EVENTS) == 0 || mask&linux.IN_MASK_ADD != 0 && mask&linux.IN_MASK_CREATE != 0 {
		return 0, errno.EINVAL
	}
	n := p.Inode()
	if err := inodePermission(c, n, MayRead); err != nil {
		return 0, err
	}
	const kept = linux.IN_ALL_EVENTS | linux.IN_ONESHOT | linux.IN_EXCL_UNLINK
	ev := n.events()
	ev.mu.Lock()
	defer ev.mu.Unlock()
	if i := slices.IndexFunc(ev.watches, func(w *watch) bool { return w.in == in }); i >= 0 {
		w := ev.watches[i]
		switch {
		case mask&linux.IN_MASK_CREATE != 0:
			return 0, errno.EEXIST
		case mask&linux.IN_MASK_ADD != 0:
			w.mask |= mask & kept
		default:
			w.mask = mask & kept
		}
		return w.wd, nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.watches) >= maxUserWatches {
		return 0, errno.ENOSPC
	}
	in.lastWD++
	w := &watch{in: in, wd: in.lastWD, node: n, mask: mask & kept}
	in.watches[w.wd] = w
	n.IncRef()
	ev.watches = append(ev.watches, w)
	ev.recountLocked()
	n.SB.watches.set(n, true)
	return w.wd, nil
}

// RemoveWatch is inotify_rm_watch(2).
func (in *Inotify) RemoveWatch(wd int32) error {
	in.mu.Lock()
	w := in.watches[wd]
	in.mu.Unlock()
	if w == nil {
		return errno.EINVAL
	}
	ev := w.node.events()
	ev.mu.Lock()
	ok := ev.dropLocked(w)
	ev.mu.Unlock()
	if !ok {
		return errno.EINVAL
	}
	w.node.DecRef()
	return nil
}

// dropLocked ends w, with IN_IGNORED. It returns false if w has ended already; otherwise the caller
// drops the reference to the inode, without locks.
func (ev *inodeEvents) dropLocked(w *watch) bool {
	i := slices.Index(ev.watches, w)
	if i < 0 {
		return false
	}
	ev.watches = slices.Delete(ev.watches, i, i+1)
	ev.recountLocked()
	if len(ev.watches) == 0 {
		w.node.SB.watches.set(w.node, false)
	}
	w.in.put(inotifyEvent{wd: w.wd, mask: linux.IN_IGNORED})
	w.in.mu.Lock()
	delete(w.in.watches, w.wd)
	w.in.mu.Unlock()
	return true
}

// put queues e, unless it equals the last event.
func (in *Inotify) put(e inotifyEvent) {
	in.mu.Lock()
	switch n := len(in.events); {
	case in.closed || n > 0 && in.events[n-1] == e:
		in.mu.Unlock()
		return
	case n < maxQueuedEvents:
		in.events = append(in.events, e)
	case n == maxQueuedEvents:
		in.events = append(in.events, inotifyEvent{wd: -1, mask: linux.IN_Q_OVERFLOW})
	}
	in.mu.Unlock()
	in.queue.Notify(wait.In | wait.RdNorm)
}

// send tells the watches of n. unlinked says that the name is gone from its directory.
func (n *Inode) send(mask uint32, name string, cookie uint32, unlinked bool) {
	if !n.watched() {
		return
	}
	ev := n.events()
	var ended []*watch
	ev.mu.Lock()
	if name != "" {
		ev.signalDirsLocked(mask)
	}
	mask &^= renamed
	for _, w := range slices.Clone(ev.watches) {
		if (w.mask&linux.IN_ALL_EVENTS|linux.IN_UNMOUNT)&mask == 0 || unlinked && w.mask&linux.IN_EXCL_UNLINK != 0 {
			continue
		}
		w.in.put(inotifyEvent{wd: w.wd, mask: mask, cookie: cookie, name: name})
		if w.mask&linux.IN_ONESHOT != 0 && ev.dropLocked(w) {
			ended = append(ended, w)
		}
	}
	ev.mu.Unlock()
	for range ended {
		n.DecRef()
	}
}

// notifySelf tells those who watch n itself.
func (n *Inode) notifySelf(mask uint32, isDir bool) {
	if isDir {
		mask |= linux.IN_ISDIR
	}
	n.send(mask, "", 0, false)
}

// Modified tells those who watch n, or the directory in which its name is, that the kernel changed what it holds.
func (n *Inode) Modified(dir *Inode, name string) {
	n.notifySelf(linux.IN_MODIFY, false)
	dir.NameModified(name)
}

// NameModified is Modified for those who watch the directory.
func (dir *Inode) NameModified(name string) { dir.send(linux.IN_MODIFY, name, 0, false) }

// notifyDir tells those who watch directory d what happened to a name in it.
func notifyDir(d *Dentry, mask uint32, name string, cookie uint32, isDir bool) {
	if n := d.Inode(); n.watched() {
		if isDir {
			mask |= linux.IN_ISDIR
		}
		n.send(mask, name, cookie, false)
	}
}

// notifyPath tells those who watch p's inode, and those who watch its directory.
func notifyPath(c Caller, p Path, mask uint32) {
	p.Dentry.notify(mask, false)
	p.Mount.v.fanPath(c, p, uint64(mask), 0)
}

// notify tells watches of d, and of its directory. viaFile says that it happened through an open file: that is what
// IN_EXCL_UNLINK leaves out once the name is gone.
func (d *Dentry) notify(mask uint32, viaFile bool) {
	n := d.Inode()
	unlinked := viaFile && d.Deleted()
	if n.Type() == linux.S_IFDIR {
		mask |= linux.IN_ISDIR
	}
	if p := d.Parent(); p != d {
		if pn := p.Inode(); pn != nil && pn.watched() {
			pn.send(mask, d.Name(), 0, unlinked)
		}
	}
	n.send(mask, "", 0, unlinked)
}

// gone tells that n has no names and no users left, which ends all watches.
func (n *Inode) gone(mask uint32) {
	if !n.watched() {
		return
	}
	ev := n.events()
	// The watches may hold the last references.
	n.IncRef()
	defer n.DecRef()
	n.send(mask, "", 0, false)
	ev.mu.Lock()
	ended := 0
	for len(ev.watches) > 0 {
		ev.dropLocked(ev.watches[len(ev.watches)-1])
		ended++
	}
	ev.mu.Unlock()
	for ; ended > 0; ended-- {
		n.DecRef()
	}
}

// notify tells of something done through f.
func (f *File) notify(c Caller, mask uint32) {
	if f.Mode&FModePath == 0 && !f.untold {
		f.Path.Dentry.notify(mask&linux.IN_ALL_EVENTS, true)
		f.Path.Mount.v.fanPath(c, f.Path, uint64(mask), f.closer.Load())
	}
}

// Read returns whole events; EINVAL if not even the first fits (inotify(7)).
func (in *Inotify) Read(c Caller, f *File, dst *usermem.Sequence, off int64, flags uint32) (int, error) {
	in.mu.Lock()
	room := dst.Len()
	var buf []byte
	n := 0
	for n < len(in.events) {
		e := &in.events[n]
		if uint64(len(buf)+e.size()) > room || len(buf) > 1<<20 {
			break
		}
		start := len(buf)
		buf = append(buf, make([]byte, e.size())...)
		h := linux.InotifyEvent{WD: e.wd, Mask: e.mask, Cookie: e.cookie, Len: uint32(e.size() - inotifyHead)}
		h.MarshalBytes(buf[start:])
		copy(buf[start+inotifyHead:], e.name)
		n++
	}
	empty := len(in.events) == 0
	if n == len(in.events) {
		in.events = nil
	} else {
		in.events = in.events[n:]
	}
	in.mu.Unlock()
	if empty {
		return 0, errno.EAGAIN
	}
	if n == 0 {
		return 0, errno.EINVAL
	}
	return dst.CopyOut(buf)
}

func (in *Inotify) Readiness(*File) wait.Mask {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.events) > 0 {
		return wait.In | wait.RdNorm
	}
	return 0
}

func (in *Inotify) Queue(*File) *wait.Queue { return &in.queue }

// Ioctl serves FIONREAD.
func (in *Inotify) Ioctl(c Caller, f *File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	if cmd != linux.FIONREAD {
		return 0, errno.ENOTTY
	}
	in.mu.Lock()
	n := 0
	for i := range in.events {
		n += in.events[i].size()
	}
	in.mu.Unlock()
	_, err := m.CopyOut(arg.Addr(), []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
	return 0, err
}

// FDInfo returns the lines of /proc/PID/fdinfo: the watches, newest first.
func (in *Inotify) FDInfo(*File) string {
	in.mu.Lock()
	ws := slices.Collect(maps.Values(in.watches))
	for _, w := range ws {
		w.node.IncRef()
	}
	in.mu.Unlock()
	slices.SortFunc(ws, func(a, b *watch) int { return int(b.wd - a.wd) })
	var s strings.Builder
	for _, w := range ws {
		n := w.node
		ev := n.events()
		ev.mu.Lock()
		mask := w.mask
		ev.mu.Unlock()
		h := n.handle()
		fmt.Fprintf(&s, "inotify wd:%x ino:%x sdev:%x mask:%x ignored_mask:0 fhandle-bytes:%x fhandle-type:%x f_handle:%x\n",
			w.wd, n.ino, sdev(n.SB), mask, HandleSize, h.Type, h.Append(nil))
		n.DecRef()
	}
	return s.String()
}

func (in *Inotify) Release(*File) {
	in.mu.Lock()
	in.closed = true
	in.events = nil
	ws := make([]*watch, 0, len(in.watches))
	for _, w := range in.watches {
		ws = append(ws, w)
	}
	in.mu.Unlock()
	for _, w := range ws {
		ev := w.node.events()
		ev.mu.Lock()
		ok := ev.dropLocked(w)
		ev.mu.Unlock()
		if ok {
			w.node.DecRef()
		}
	}
}
