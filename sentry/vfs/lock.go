package vfs

import (
	"math"
	"slices"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

// LockOwner says whose a byte-range lock is: a process's (POSIX locks, fcntl(2)), by the number
// that the kernel gives to each descriptor table, or an open file's (OFD locks).
type LockOwner struct {
	Table uint64
	File  *File
}

// Lock is a byte-range lock.
type Lock struct {
	Owner LockOwner
	PID   int32 // of who took it, for F_GETLK; -1 for OFD locks
	Write bool
	// Start and End are the first and the last byte; LockEOF stands for all that follow.
	Start, End int64
}

// LockEOF is the End of a lock without end.
const LockEOF = math.MaxInt64

// maxLocks bounds the locks on one inode.
const maxLocks = 1 << 16

func (l *Lock) overlaps(o *Lock) bool { return l.Start <= o.End && o.Start <= l.End }

// fileLocks are the locks on one inode. Lock order: mu before lockTable.mu.
type fileLocks struct {
	mu     sync.Mutex
	ranges []Lock  // by Start
	flocks []flock // by flock(2)
	queue  wait.Queue
}

type flock struct {
	f         *File
	exclusive bool
	pid       int32
}

// LockQueue is what waiters for locks on f's inode wait on.
func (f *File) LockQueue() *wait.Queue { return &f.Inode().locks().queue }

// conflict returns a lock that stands in the way of l. Preconditions: mu is held.
func (fl *fileLocks) conflict(l *Lock) (Lock, bool) {
	for i := range fl.ranges {
		o := &fl.ranges[i]
		if o.Owner != l.Owner && o.overlaps(l) && (o.Write || l.Write) {
			return *o, true
		}
	}
	return Lock{}, false
}

// TestLock returns a lock that keeps l from being taken (F_GETLK).
func (f *File) TestLock(l Lock) (Lock, bool) {
	fl := f.Inode().locks()
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.conflict(&l)
}

// OwnLock returns a lock of l's owner that overlaps l (F_OFD_GETLK with F_UNLCK).
func (f *File) OwnLock(l Lock) (Lock, bool) {
	fl := f.Inode().locks()
	fl.mu.Lock()
	defer fl.mu.Unlock()
	for i := range fl.ranges {
		if o := &fl.ranges[i]; o.Owner == l.Owner && o.overlaps(&l) {
			return *o, true
		}
	}
	return Lock{}, false
}

// SetLock takes l, in place of what its owner holds there (F_SETLK). It returns EAGAIN if another owner is in
// the way. With wait the caller means to wait then, on LockQueue, and try again, until it gets the
// lock or calls LockWaitDone; EDEADLK if that could last forever.
func (f *File) SetLock(l Lock, wait bool) error {
	n := f.Inode()
	v := f.Path.Mount.v
	fl := n.locks()
	fl.mu.Lock()
	if o, blocked := fl.conflict(&l); blocked {
		fl.mu.Unlock()
		if wait && l.Owner.File == nil {
			return v.waitsFor(l.Owner, o.Owner)
		}
		return errno.EAGAIN
	}
	if len(fl.ranges) >= maxLocks {
		fl.mu.Unlock()
		return errno.ENOLCK
	}
	fl.cut(l.Owner, l.Start, l.End)
	fl.insert(l)
	v.trackLocks(n, fl)
	fl.mu.Unlock()
	if wait {
		v.lockWaitDone(l.Owner)
	}
	// A write lock may have become a read lock.
	fl.queue.Notify(waitAll)
	return nil
}

const waitAll = wait.All

// Unlock gives up what owner holds between start and end.
func (f *File) Unlock(owner LockOwner, start, end int64) error {
	n := f.Inode()
	fl := n.locks()
	fl.mu.Lock()
	if len(fl.ranges) == 0 {
		fl.mu.Unlock()
		return nil
	}
	if len(fl.ranges) >= 2*maxLocks {
		fl.mu.Unlock()
		return errno.ENOLCK
	}
	fl.cut(owner, start, end)
	f.Path.Mount.v.trackLocks(n, fl)
	fl.mu.Unlock()
	fl.queue.Notify(waitAll)
	return nil
}

// LockWaitDone tells that owner, a process, waits no more.
func (f *File) LockWaitDone(owner LockOwner) { f.Path.Mount.v.lockWaitDone(owner) }

// ReleaseLocks gives up all POSIX locks of a descriptor table on f's inode: what close(2) does, whichever
// descriptor it closes.
func (f *File) ReleaseLocks(table uint64) {
	fl := f.Inode().lockState.Load()
	if fl == nil {
		return
	}
	fl.mu.Lock()
	none := len(fl.ranges) == 0
	fl.mu.Unlock()
	if !none {
		f.Unlock(LockOwner{Table: table}, 0, LockEOF)
	}
}

// cut removes [start, end] from what owner holds. Preconditions: mu is held.
func (fl *fileLocks) cut(owner LockOwner, start, end int64) {
	kept := fl.ranges[:0:0]
	for _, o := range fl.ranges {
		if o.Owner != owner || o.End < start || o.Start > end {
			kept = append(kept, o)
			continue
		}
		if o.Start < start {
			left := o
			left.End = start - 1
			kept = append(kept, left)
		}
		if o.End > end {
			right := o
			right.Start = end + 1
			kept = append(kept, right)
		}
	}
	fl.ranges = kept
	fl.sort()
}

// insert adds l, merged with neighbours of the same owner and kind. Preconditions: mu is held; the owner
// holds nothing in l's range.
func (fl *fileLocks) insert(l Lock) {
	kept := fl.ranges[:0:0]
	for _, o := range fl.ranges {
		if o.Owner == l.Owner && o.Write == l.Write {
			if o.End != LockEOF && o.End+1 == l.Start {
				l.Start = o.Start
				continue
			}
			if l.End != LockEOF && l.End+1 == o.Start {
				l.End = o.End
				continue
			}
		}
		kept = append(kept, o)
	}
	fl.ranges = append(kept, l)
	fl.sort()
}

func (fl *fileLocks) sort() {
	slices.SortStableFunc(fl.ranges, func(a, b Lock) int {
		switch {
		case a.Start < b.Start:
			return -1
		case a.Start > b.Start:
			return 1
		}
		return 0
	})
}

// Flock is flock(2) with LOCK_SH, LOCK_EX or LOCK_UN; EAGAIN means wait on LockQueue, or EWOULDBLOCK. A
// failed change of the kind loses the lock, as in Linux.
func (f *File) Flock(op int, pid int32) error {
	n := f.Inode()
	fl := n.locks()
	fl.mu.Lock()
	own := slices.IndexFunc(fl.flocks, func(l flock) bool { return l.f == f })
	exclusive := op == linux.LOCK_EX
	if own >= 0 {
		if op != linux.LOCK_UN && fl.flocks[own].exclusive == exclusive {
			fl.mu.Unlock()
			return nil
		}
		fl.flocks = slices.Delete(fl.flocks, own, own+1)
	}
	var err error
	if op != linux.LOCK_UN {
		if slices.ContainsFunc(fl.flocks, func(l flock) bool { return exclusive || l.exclusive }) {
			err = errno.EAGAIN
		} else {
			fl.flocks = append(fl.flocks, flock{f, exclusive, pid})
		}
	}
	f.Path.Mount.v.trackLocks(n, fl)
	fl.mu.Unlock()
	if own >= 0 {
		fl.queue.Notify(waitAll)
	}
	return err
}

// releaseFile gives up what f holds as an open file.
func (fl *fileLocks) releaseFile(f *File) {
	fl.mu.Lock()
	none := len(fl.ranges) == 0 && len(fl.flocks) == 0
	fl.mu.Unlock()
	if none {
		return
	}
	f.Unlock(LockOwner{File: f}, 0, LockEOF)
	f.Flock(linux.LOCK_UN, 0)
}

// lockTable knows all locked inodes, for /proc/locks, and which process waits for which.
type lockTable struct {
	mu     sync.Mutex
	inodes map[*Inode]bool
	waits  map[LockOwner]LockOwner
}

// trackLocks notes whether n has locks. Preconditions: fl.mu is held.
func (v *VFS) trackLocks(n *Inode, fl *fileLocks) {
	t := &v.locks
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(fl.ranges) == 0 && len(fl.flocks) == 0 {
		delete(t.inodes, n)
		return
	}
	if t.inodes == nil {
		t.inodes = make(map[*Inode]bool)
	}
	t.inodes[n] = true
}

// waitsFor notes that owner waits for blocker, and returns EAGAIN; EDEADLK if blocker waits for
// owner, maybe through others. Like Linux it looks no further than ten owners.
func (v *VFS) waitsFor(owner, blocker LockOwner) error {
	t := &v.locks
	t.mu.Lock()
	defer t.mu.Unlock()
	o, ok := blocker, true
	for i := 0; i < 10 && ok; i++ {
		if o == owner {
			return errno.EDEADLK
		}
		o, ok = t.waits[o]
	}
	if t.waits == nil {
		t.waits = make(map[LockOwner]LockOwner)
	}
	t.waits[owner] = blocker
	return errno.EAGAIN
}

func (v *VFS) lockWaitDone(owner LockOwner) {
	v.locks.mu.Lock()
	defer v.locks.mu.Unlock()
	delete(v.locks.waits, owner)
}
