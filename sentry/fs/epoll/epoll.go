package epoll

import (
	"cmp"
	"slices"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/vfs"
)

// Bits of an item's events that are not conditions.
const (
	private   = linux.EPOLLWAKEUP | linux.EPOLLONESHOT | linux.EPOLLET | linux.EPOLLEXCLUSIVE
	exclusive = linux.EPOLLIN | linux.EPOLLOUT | linux.EPOLLERR | linux.EPOLLHUP |
		linux.EPOLLWAKEUP | linux.EPOLLET | linux.EPOLLEXCLUSIVE
)

// Epoll is the FileOps of an epoll file.
type Epoll struct {
	vfs.BaseFile
	fs    *FS
	queue wait.Queue // of those who wait for the epoll file

	mu       sync.Mutex
	items    map[key]*item
	watchers map[*Epoll]int // epoll files that watch this one; guarded by fs.nestMu

	readyMu    sync.Mutex
	head, tail *item // the ready list
	count      int   // its length
}

type key struct {
	file *vfs.File
	fd   int32
}

// item is the interest in one descriptor.
type item struct {
	ep    *Epoll
	key   key
	entry wait.Entry  // immutable but for its place in the queue
	queue *wait.Queue // where the entry is; immutable

	// Guarded by ep.readyMu.
	events     uint32
	data       uint64
	next, prev *item
	ready      bool // on the ready list
	dead       bool // removed, never to be on it again
}

// Of returns the epoll that f is, or nil.
func Of(f *vfs.File) *Epoll {
	ep, _ := f.Ops.(*Epoll)
	return ep
}

// Target returns the nth file, from 0, that ep watches as fd, without a reference; nil if there is none. There is more
// than one if fd was closed and the file lives on.
func (ep *Epoll) Target(fd int32, nth int) *vfs.File {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	var all []*vfs.File
	for k := range ep.items {
		if k.fd == fd {
			all = append(all, k.file)
		}
	}
	if nth < 0 || nth >= len(all) {
		return nil
	}
	slices.SortFunc(all, func(a, b *vfs.File) int { return cmp.Compare(a.Inode().Ino(), b.Inode().Ino()) })
	return all[nth]
}

// Wake implements wait.Waiter.
func (it *item) Wake(e *wait.Entry, ready wait.Mask) {
	ep := it.ep
	// An epoll file for which nobody waits does not keep the event from the next.
	e.Pass = e.Exclusive && ep.queue.Empty()
	ep.readyMu.Lock()
	if it.dead || it.events&^private == 0 || it.events&uint32(ready) == 0 {
		ep.readyMu.Unlock()
		return
	}
	if !it.ready {
		ep.pushLocked(it)
	}
	ep.readyMu.Unlock()
	ep.queue.Notify(wait.In | wait.RdNorm)
}

// Add is EPOLL_CTL_ADD. The file is watched as c sees it.
func (ep *Epoll) Add(c vfs.Caller, file *vfs.File, fd int32, ev linux.EpollEvent) error {
	q := file.QueueOf(c)
	if q == nil {
		return errno.EPERM
	}
	target := Of(file)
	if ev.Events&linux.EPOLLEXCLUSIVE != 0 && (target != nil || ev.Events&^exclusive != 0) {
		return errno.EINVAL
	}
	if target != nil {
		ep.fs.nestMu.Lock()
		defer ep.fs.nestMu.Unlock()
		if err := ep.mayNest(target); err != nil {
			return err
		}
	}
	k := key{file, fd}
	it := &item{ep: ep, key: k, queue: q, events: ev.Events | linux.EPOLLERR | linux.EPOLLHUP, data: ev.Data}
	it.entry = wait.Entry{Waiter: it, Mask: wait.All}
	if ev.Events&linux.EPOLLEXCLUSIVE != 0 {
		// Only one exclusive waiter is woken, so it must be one that wants this.
		it.entry.Exclusive = true
		it.entry.Mask = wait.Mask(ev.Events &^ private)
	}

	ep.mu.Lock()
	if ep.items[k] != nil {
		ep.mu.Unlock()
		return errno.EEXIST
	}
	if target != nil {
		target.watchers[ep]++
	}
	ep.items[k] = it
	file.Watch(it)
	q.Register(&it.entry)
	notify := it.check(c)
	ep.mu.Unlock()
	if notify {
		ep.queue.Notify(wait.In | wait.RdNorm)
	}
	return nil
}

// Modify is EPOLL_CTL_MOD.
func (ep *Epoll) Modify(c vfs.Caller, file *vfs.File, fd int32, ev linux.EpollEvent) error {
	if file.Queue() == nil {
		return errno.EPERM
	}
	if ev.Events&linux.EPOLLEXCLUSIVE != 0 {
		return errno.EINVAL
	}
	ep.mu.Lock()
	it := ep.items[key{file, fd}]
	if it == nil {
		ep.mu.Unlock()
		return errno.ENOENT
	}
	ep.readyMu.Lock()
	if it.events&linux.EPOLLEXCLUSIVE != 0 {
		ep.readyMu.Unlock()
		ep.mu.Unlock()
		return errno.EINVAL
	}
	it.events = ev.Events | linux.EPOLLERR | linux.EPOLLHUP
	it.data = ev.Data
	ep.readyMu.Unlock()
	notify := it.check(c)
	ep.mu.Unlock()
	if notify {
		ep.queue.Notify(wait.In | wait.RdNorm)
	}
	return nil
}

// Delete is EPOLL_CTL_DEL.
func (ep *Epoll) Delete(file *vfs.File, fd int32) error {
	if file.Queue() == nil {
		return errno.EPERM
	}
	ep.mu.Lock()
	it := ep.items[key{file, fd}]
	if it != nil {
		ep.removeLocked(it)
	}
	ep.mu.Unlock()
	if it == nil {
		return errno.ENOENT
	}
	file.Unwatch(it)
	ep.forget(file)
	return nil
}

// FileReleased implements vfs.ReleaseWatcher.
func (it *item) FileReleased(*vfs.File) {
	it.ep.mu.Lock()
	if !it.dead { // dead changes under mu, too
		it.ep.removeLocked(it)
	}
	it.ep.mu.Unlock()
	// If f is an epoll file it takes its watchers with it.
}

// removeLocked ends the interest. Preconditions: ep.mu.
func (ep *Epoll) removeLocked(it *item) {
	delete(ep.items, it.key)
	it.queue.Unregister(&it.entry)
	ep.readyMu.Lock()
	it.dead = true
	if it.ready {
		ep.unlinkLocked(it)
	}
	ep.readyMu.Unlock()
}

// check puts the item on the ready list if its file is ready, and reports
// whether waiters are to be told. Preconditions: ep.mu.
func (it *item) check(c vfs.Caller) bool {
	if it.poll(c) == 0 {
		return false
	}
	it.ep.readyMu.Lock()
	defer it.ep.readyMu.Unlock()
	if it.ready {
		return false
	}
	it.ep.pushLocked(it)
	return true
}

// poll returns which of the wanted conditions hold for c. Preconditions: ep.mu.
func (it *item) poll(c vfs.Caller) uint32 {
	it.ep.readyMu.Lock()
	want := it.events &^ private
	it.ep.readyMu.Unlock()
	if want == 0 {
		return 0
	}
	return uint32(it.key.file.ReadinessTo(c)) & want
}

// Collect is the heart of epoll_wait(2): it stores what is ready to events, at most its
// length, and returns how many. It does not wait; who does registers with
// the file's queue, exclusively, and calls Pass in the end.
func (ep *Epoll) Collect(c vfs.Caller, events []linux.EpollEvent) int {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.readyMu.Lock()
	// Items that stay ready go to the end of the list: each is asked once.
	left := ep.count
	ep.readyMu.Unlock()
	n := 0
	for ; left > 0 && n < len(events); left-- {
		ep.readyMu.Lock()
		it := ep.head
		if it == nil {
			ep.readyMu.Unlock()
			break
		}
		// Off the list first: a wake-up from here on puts it back.
		ep.unlinkLocked(it)
		ep.readyMu.Unlock()
		got := it.poll(c)
		if got == 0 {
			continue
		}
		ep.readyMu.Lock()
		events[n] = linux.EpollEvent{Events: got, Data: it.data}
		n++
		if it.events&linux.EPOLLONESHOT != 0 {
			it.events &= private
		} else if it.events&linux.EPOLLET == 0 && !it.ready {
			ep.pushLocked(it)
		}
		ep.readyMu.Unlock()
	}
	return n
}

// Ready returns how many files are on the ready list: no Collect returns more.
func (ep *Epoll) Ready() int {
	ep.readyMu.Lock()
	defer ep.readyMu.Unlock()
	return ep.count
}

// Pass wakes another waiter if something is left on the ready list. Waiters are
// woken one at a time; each calls Pass when it no longer waits.
func (ep *Epoll) Pass() {
	ep.readyMu.Lock()
	any := ep.head != nil
	ep.readyMu.Unlock()
	if any {
		ep.queue.Notify(wait.In | wait.RdNorm)
	}
}

// Readiness implements vfs.FileOps.
func (ep *Epoll) Readiness(f *vfs.File) wait.Mask { return ep.ReadinessTo(nil, f) }

// QueueOf implements vfs.Beholder.
func (ep *Epoll) QueueOf(vfs.Caller, *vfs.File) *wait.Queue { return &ep.queue }

// ReadinessTo implements vfs.Beholder: an epoll file is readable if a wait would return something.
func (ep *Epoll) ReadinessTo(c vfs.Caller, _ *vfs.File) wait.Mask {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	for {
		ep.readyMu.Lock()
		it := ep.head
		if it == nil {
			ep.readyMu.Unlock()
			return 0
		}
		ep.unlinkLocked(it)
		ep.readyMu.Unlock()
		if it.poll(c) == 0 {
			continue
		}
		ep.readyMu.Lock()
		if !it.ready {
			ep.pushFrontLocked(it)
		}
		ep.readyMu.Unlock()
		return wait.In | wait.RdNorm
	}
}

// Queue implements vfs.FileOps.
func (ep *Epoll) Queue(*vfs.File) *wait.Queue { return &ep.queue }

// Release implements vfs.FileOps.
func (ep *Epoll) Release(*vfs.File) {
	ep.mu.Lock()
	items := make([]*item, 0, len(ep.items))
	for _, it := range ep.items {
		items = append(items, it)
	}
	for _, it := range items {
		ep.removeLocked(it)
	}
	ep.mu.Unlock()
	nested := false
	for _, it := range items {
		it.key.file.Unwatch(it)
		nested = nested || Of(it.key.file) != nil
	}
	if !nested {
		return
	}
	ep.fs.nestMu.Lock()
	defer ep.fs.nestMu.Unlock()
	for _, it := range items {
		if t := Of(it.key.file); t != nil {
			delete(t.watchers, ep)
		}
	}
}

// pushLocked and pushFrontLocked put an item on the ready list, unlinkLocked takes it off.
// Preconditions: readyMu.
func (ep *Epoll) pushLocked(it *item) {
	if it.dead {
		return
	}
	it.ready = true
	it.prev, it.next = ep.tail, nil
	if ep.tail != nil {
		ep.tail.next = it
	} else {
		ep.head = it
	}
	ep.tail = it
	ep.count++
}

func (ep *Epoll) pushFrontLocked(it *item) {
	if it.dead {
		return
	}
	it.ready = true
	it.prev, it.next = nil, ep.head
	if ep.head != nil {
		ep.head.prev = it
	} else {
		ep.tail = it
	}
	ep.head = it
	ep.count++
}

func (ep *Epoll) unlinkLocked(it *item) {
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		ep.head = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		ep.tail = it.prev
	}
	it.next, it.prev, it.ready = nil, nil, false
	ep.count--
}
