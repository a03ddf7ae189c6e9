package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/vfs"
)

// SetnsOf is setns(2) with a pidfd: t enters the namespaces of tg that flags name.
func (t *Task) SetnsOf(tg *ThreadGroup, flags uint64) error {
	x := tg.Leader()
	if !t.MayTrace(x, true) {
		return errno.EPERM
	}
	n, m := x.AcquireNamespaces(), x.AcquireMountNamespace()
	if m != nil {
		defer m.DecRef()
	}
	if n == nil || m == nil {
		return errno.ESRCH
	}
	var into []Namespace
	for _, ns := range [...]Namespace{x.Creds().UserNS, m, n.UTS, n.IPC, x.PIDNamespace(), n.Cgroup, n.Net, n.Time} {
		if flags&ns.NSType() != 0 {
			into = append(into, ns)
		}
	}
	return t.Setns(into...)
}

// Setns is setns(2): t enters namespaces, all of them or, with an error, none.
func (t *Task) Setns(into ...Namespace) error {
	c, n, mounts := t.Creds(), *t.ns, (*vfs.Namespace)(nil)
	now := c // after the user namespace, which comes first
	for _, ns := range into {
		owner := ns.NSOwner()
		if u, ok := ns.(*creds.UserNamespace); ok {
			owner = u
			if u == c.UserNS || !t.alone() || t.fs.users.Load() > 1 {
				return errno.EINVAL
			}
			now = c.Clone()
			now.Enter(u)
		}
		if _, ok := ns.(*TimeNamespace); ok && !t.alone() {
			return errno.EUSERS
		}
		if !c.HasIn(linux.CAP_SYS_ADMIN, owner) || !c.HasIn(linux.CAP_SYS_ADMIN, now.UserNS) {
			return errno.EPERM
		}
		switch ns := ns.(type) {
		case *UTSNamespace:
			n.UTS = ns
		case *IPCNamespace:
			n.IPC = ns
		case *NetNamespace:
			n.Net = ns
		case *CgroupNamespace:
			n.Cgroup = ns
		case *TimeNamespace:
			ns.freeze()
			n.Time, n.ChildTime = ns, ns
		case *PIDNamespace:
			if !ns.Within(t.PIDNamespace()) {
				return errno.EINVAL
			}
			n.ChildPID = ns
		case *vfs.Namespace:
			if !c.HasIn(linux.CAP_SYS_CHROOT, now.UserNS) {
				return errno.EPERM
			}
			if t.fs.users.Load() > 1 {
				return errno.EINVAL
			}
			mounts = ns
		}
	}
	if mounts != nil {
		mounts.IncRef()
		mounts.Enter(t.fs.ctx)
		t.setMountNamespace(mounts)
	}
	if n.IPC != t.ns.IPC {
		t.dropUndo()
	}
	t.mu.Lock()
	t.ns = &n
	t.mu.Unlock()
	t.retime()
	if now != c {
		t.SetCreds(now)
	}
	return nil
}

// alone reports whether t is the only thread of its process.
func (t *Task) alone() bool {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	return t.tg.onlyLeaderLocked()
}
