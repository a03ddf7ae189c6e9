package vfs

import (
	"sync"

	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
	"ringfence/sentry/landlock"
)

// Signals delivers what files send to processes. The kernel supplies it.
type Signals interface {
	// SendIO sends sig, or SIGIO without details if sig is 0, to owner because f, whose descriptor was fd
	// when O_ASYNC was set, became ready. It is called with locks of the file held: it must be brief and
	// must not call f.
	SendIO(owner Owner, sig int32, f *File, fd int32, ready wait.Mask)
}

// Owner is who gets signals of a file: F_OWNER_TID, F_OWNER_PID or F_OWNER_PGRP and an id in
// the kernel's own numbering; ID 0 is nobody. UID and EUID are of who asked for it.
// Landlock is what keeps signals within, of who asked for them of others.
type Owner struct {
	Type      int32
	ID        int32
	UID, EUID creds.UID
	Landlock  *landlock.Domain
}

// fileAsync is what F_SETOWN, F_SETSIG and O_ASYNC set. It waits for the file itself.
type fileAsync struct {
	// Guarded by File.flagsMu.
	entry wait.Entry
	on    bool

	mu    sync.Mutex // guards the rest
	f     *File
	owner Owner
	sig   int32
	fd    int32
}

// Owner returns what SetOwner set.
func (f *File) Owner() Owner {
	f.async.mu.Lock()
	defer f.async.mu.Unlock()
	return f.async.owner
}

// SetOwner says who gets f's signals (F_SETOWN, F_SETOWN_EX).
func (f *File) SetOwner(o Owner) {
	f.async.mu.Lock()
	defer f.async.mu.Unlock()
	f.async.owner = o
}

// Signal returns what SetSignal set; 0 by default.
func (f *File) Signal() int32 {
	f.async.mu.Lock()
	defer f.async.mu.Unlock()
	return f.async.sig
}

// SetSignal chooses the signal (F_SETSIG).
func (f *File) SetSignal(sig int32) {
	f.async.mu.Lock()
	defer f.async.mu.Unlock()
	f.async.sig = sig
}

// setAsyncLocked makes f report readiness by signals, or ends that (O_ASYNC). fd is the descriptor to report.
// Preconditions: flagsMu is held.
func (f *File) setAsyncLocked(on bool, fd int32) {
	q := f.Ops.Queue(f)
	a := &f.async
	if q == nil || on == a.on {
		return
	}
	a.on = on
	if !on {
		q.Unregister(&a.entry)
		return
	}
	a.mu.Lock()
	a.f, a.fd = f, fd
	a.mu.Unlock()
	a.entry.Waiter, a.entry.Mask = a, wait.In|wait.Out|wait.Pri|wait.RdNorm|wait.WrNorm
	q.Register(&a.entry)
}

// SignalOwner sends sig to f's owner, whether or not O_ASYNC is set: news of urgent data.
func (f *File) SignalOwner(sig int32, ready wait.Mask) {
	f.async.mu.Lock()
	fd := f.async.fd
	f.async.mu.Unlock()
	f.signalOwner(sig, fd, ready)
}

func (f *File) signalOwner(sig, fd int32, ready wait.Mask) {
	owner := f.Owner()
	if s := f.Path.Mount.v.Signals; s != nil && owner.ID != 0 {
		s.SendIO(owner, sig, f, fd, ready)
	}
}

// Wake sends the signal.
func (a *fileAsync) Wake(_ *wait.Entry, ready wait.Mask) {
	a.mu.Lock()
	owner, sig, f, fd := a.owner, a.sig, a.f, a.fd
	a.mu.Unlock()
	if s := f.Path.Mount.v.Signals; s != nil && owner.ID != 0 {
		s.SendIO(owner, sig, f, fd, ready)
	}
}
