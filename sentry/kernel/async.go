package kernel

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/vfs"
)

// This file is how requests act for the task that submitted them, on other goroutines: io_uring(7). An actor is
// a Task that no number finds and no signal reaches. It has its principal's address space, descriptors, root, namespaces
// and credentials, so that the handlers of system calls work for it as for any other. Who makes actors is an AsyncUser of the
// principal, and sees to it that none is left when the principal is gone.
//
// Lock order: asyncState.mu is a leaf.

// AsyncUser acts for tasks.
type AsyncUser interface {
	// Leave is called on t's goroutine when t ends or, with exec, becomes another program. When it returns nothing acts for t
	// any more: what did acts for heir, another task of the process, if that is not nil.
	Leave(t, heir *Task, exec bool)
}

// asyncState is what acts for a task.
type asyncState struct {
	mu    sync.Mutex
	users map[AsyncUser]struct{}
	ended bool // the task is past where it leaves them

	// rings are the files of IORING_REGISTER_RING_FDS; task goroutine only.
	rings [linux.IORING_MAX_RING_FDS]*vfs.File
}

// JoinAsync says that u acts for t, PartAsync that it does not do so any more. It is too late for a task that has ended.
func (t *Task) JoinAsync(u AsyncUser) bool {
	t.async.mu.Lock()
	defer t.async.mu.Unlock()
	if t.async.ended {
		return false
	}
	if t.async.users == nil {
		t.async.users = make(map[AsyncUser]struct{})
	}
	t.async.users[u] = struct{}{}
	return true
}

func (t *Task) PartAsync(u AsyncUser) {
	t.async.mu.Lock()
	defer t.async.mu.Unlock()
	delete(t.async.users, u)
}

// RegisteredRing returns place i of the task's registered rings, for the caller to read and write. Task goroutine only.
func (t *Task) RegisteredRing(i int) **vfs.File { return &t.async.rings[i] }

// leaveAsync ends all that acts for t.
func (t *Task) leaveAsync(exec bool) {
	for {
		var u AsyncUser
		t.async.mu.Lock()
		for u = range t.async.users {
			break
		}
		t.async.ended = u == nil && !exec
		t.async.mu.Unlock()
		if u == nil {
			break
		}
		var heir *Task
		if !exec {
			heir = t.heirFor(u)
		}
		u.Leave(t, heir, exec)
		t.PartAsync(u)
	}
	for i, f := range t.async.rings {
		if f != nil {
			t.async.rings[i] = nil
			f.DecRef()
		}
	}
}

// heirFor finds another task of the process for whom u can act from now on, nil if there is none.
func (t *Task) heirFor(u AsyncUser) *Task {
	for {
		t.k.mu.RLock()
		x := t.tg.aliveLocked(t)
		t.k.mu.RUnlock()
		if x == nil || x.JoinAsync(u) {
			return x
		}
	}
}

// SleepUntil sleeps, whatever signals come, until done says true. Who makes it true calls Wake.
func (t *Task) SleepUntil(done func() bool) {
	for !done() {
		t.setBlocked(true)
		<-t.blocker.token
		t.setBlocked(false)
	}
}

// NewActor returns a task that acts for t, or for whom t acts for, until Dismiss. It belongs to one goroutine at a time.
// Preconditions: t is the calling task, or an actor that nobody dismisses meanwhile.
func (t *Task) NewActor() *Task {
	a := &Task{
		k: t.k, tg: t.tg, blocker: newBlocker(), principal: t.principal, mm: t.mm, files: t.files, fs: t.fs, ns: t.ns,
		mounts: t.mounts, comm: t.Comm(), sigMask: ^linux.SignalSet(0),
	}
	if a.principal == nil {
		a.principal = new(atomic.Pointer[Task])
		a.principal.Store(t)
	}
	a.cred.Store(t.Creds())
	a.pid.Store(t.pid.Load())
	a.personality.Store(t.personality.Load())
	a.timerSlack.Store(t.timerSlack.Load())
	a.mm.IncUsers()
	a.files.IncUsers()
	a.fs.users.Add(1)
	a.fs.actors.Add(1)
	a.mounts.IncRef()
	return a
}

// Dismiss ends an actor.
func (a *Task) Dismiss() {
	a.fs.actors.Add(-1)
	a.dropFiles()
	m := a.mm
	a.mm = nil
	m.DecUsers()
}

// Principal returns whom a task acts for: itself, unless it is an actor.
func (t *Task) Principal() *Task {
	if t.principal != nil {
		return t.principal.Load()
	}
	return t
}

// PassTo makes an actor, and those made of it, act for heir.
func (a *Task) PassTo(heir *Task) { a.principal.Store(heir) }

// ActWith gives an actor the credentials of a request.
func (a *Task) ActWith(c *creds.Credentials) { a.cred.Store(c) }

// Fits reports whether a still is what NewActor would make of t, but for credentials. Task goroutine of t only.
func (a *Task) Fits(t *Task) bool {
	return a.mm == t.mm && a.files == t.files && a.fs == t.fs && a.ns == t.ns && a.mounts == t.mounts
}

// Interrupt makes what an actor waits for fail as a signal would.
func (a *Task) Interrupt() {
	a.tg.sigMu.Lock()
	a.fatal = true
	a.pending.Store(true)
	a.tg.sigMu.Unlock()
	a.blocker.wake()
}

// Resume takes an Interrupt back, when an actor turns to another request.
func (a *Task) Resume() {
	a.tg.sigMu.Lock()
	a.fatal = false
	a.pending.Store(false)
	a.tg.sigMu.Unlock()
	select {
	case <-a.blocker.token:
	default:
	}
}

// IOUringPolicy is who may make rings of io_uring(7): /proc/sys/kernel/io_uring_disabled and io_uring_group.
type IOUringPolicy struct {
	// Disabled: 0 all, 1 those in Group and those with CAP_SYS_ADMIN, 2 nobody.
	Disabled atomic.Int64
	Group    atomic.Int64 // -1: none
}

// Allows reports whether t may make a ring.
func (p *IOUringPolicy) Allows(t *Task) bool {
	switch p.Disabled.Load() {
	case 0:
		return true
	case 1:
		c := t.Creds()
		return c.Has(linux.CAP_SYS_ADMIN) || p.Group.Load() >= 0 && c.InEffectiveGroup(creds.GID(p.Group.Load()))
	}
	return false
}
