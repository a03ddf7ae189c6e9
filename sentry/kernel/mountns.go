package kernel

import (
	"ringfence/sentry/creds"
	"ringfence/sentry/vfs"
)

// MountNamespace returns the mounts that the task sees. Task goroutine only: others use
// AcquireMountNamespace.
func (t *Task) MountNamespace() *vfs.Namespace { return t.mounts }

// AcquireMountNamespace returns the mounts that the task sees, with a reference; nil if it is
// past exit.
func (t *Task) AcquireMountNamespace() *vfs.Namespace {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mounts != nil {
		t.mounts.IncRef()
	}
	return t.mounts
}

// setMountNamespace replaces the mount namespace; it takes over the reference to ns.
func (t *Task) setMountNamespace(ns *vfs.Namespace) {
	t.mu.Lock()
	old := t.mounts
	t.mounts = ns
	t.mu.Unlock()
	if old != nil {
		old.DecRef()
	}
}

// newMountNamespace gives the task a copy of its mounts, which owner owns (CLONE_NEWNS). ENOSPC if there are too many.
// Preconditions: the task shares its root and working directory with nobody.
func (t *Task) newMountNamespace(owner *creds.UserNamespace) error {
	h, err := owner.ChargeNS(t.Creds().EUID, creds.MountNS)
	if err != nil {
		return err
	}
	ns, err := t.mounts.Clone(t.fs.ctx, owner)
	if err != nil {
		return err
	}
	ns.Hold = h
	t.setMountNamespace(ns)
	return nil
}

// MoveRoots moves the root and working directory of every task that stands at from to the path to
// (pivot_root(2)).
func (k *Kernel) MoveRoots(from, to vfs.Path) {
	k.mu.RLock()
	var all []*vfs.FSContext
	for _, t := range k.PIDNS.tasks {
		t.mu.Lock()
		if t.fs != nil {
			all = append(all, t.fs.ctx)
		}
		t.mu.Unlock()
	}
	for _, fs := range all {
		fs.Move(from, to)
	}
	k.mu.RUnlock()
}
