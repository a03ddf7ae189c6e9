package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// nsTypes are the types of namespaces that setns(2) can enter, as /proc/PID/ns names them.
var nsTypes = map[string]uint64{
	"uts": linux.CLONE_NEWUTS, "ipc": linux.CLONE_NEWIPC, "mnt": linux.CLONE_NEWNS, "pid": linux.CLONE_NEWPID,
	"net": linux.CLONE_NEWNET, "cgroup": linux.CLONE_NEWCGROUP, "user": linux.CLONE_NEWUSER, "time": linux.CLONE_NEWTIME,
}

// NamespaceType returns the CLONE_NEW* flag of a type of namespace, 0 for an unknown name.
func NamespaceType(name string) uint64 { return nsTypes[name] }

// SetnsOf is setns(2) with a pidfd: t enters the namespaces of tg that flags name.
func (t *Task) SetnsOf(tg *ThreadGroup, flags uint64) error {
	x := tg.Leader()
	if !t.MayTrace(x, true) {
		return errno.EPERM
	}
	return t.enter(x, flags)
}

// Setns is setns(2) with a file of /proc/PID/ns: t enters the namespace of a type that is shows. A
// namespace that no task is in any more is gone: EINVAL.
func (t *Task) Setns(kind uint64, is func(x *Task, n *Namespaces) bool) error {
	for _, tg := range t.k.ThreadGroups(t.k.PIDNS) {
		for _, x := range tg.Tasks() {
			if n := x.AcquireNamespaces(); n != nil && is(x, n) {
				return t.enter(x, kind)
			}
		}
	}
	return errno.EINVAL
}

// enter makes x's namespaces of the given kinds t's.
func (t *Task) enter(x *Task, kinds uint64) error {
	from := x.AcquireNamespaces()
	if from == nil {
		return errno.ESRCH
	}
	if kinds&linux.CLONE_NEWUSER != 0 {
		return errno.EINVAL // there is one, and t is in it
	}
	c := t.Creds()
	if !c.Has(linux.CAP_SYS_ADMIN) {
		return errno.EPERM
	}
	n := *t.ns
	if kinds&linux.CLONE_NEWUTS != 0 {
		n.UTS = from.UTS
	}
	if kinds&linux.CLONE_NEWIPC != 0 {
		n.IPC = from.IPC
	}
	if kinds&linux.CLONE_NEWCGROUP != 0 {
		n.CgroupID = from.CgroupID
	}
	if kinds&linux.CLONE_NEWPID != 0 {
		ns := x.PIDNamespace()
		for p := ns; p != t.PIDNamespace(); p = p.parent {
			if p == nil {
				return errno.EINVAL // only downwards
			}
		}
		n.ChildPID = ns
	}
	if kinds&linux.CLONE_NEWNS != 0 {
		if !c.Has(linux.CAP_SYS_CHROOT) {
			return errno.EPERM
		}
		if t.fs.users.Load() > 1 {
			return errno.EINVAL
		}
		m := x.AcquireMountNamespace()
		if m == nil {
			return errno.ESRCH
		}
		m.Enter(t.fs.ctx)
		t.setMountNamespace(m)
	}
	if kinds&linux.CLONE_NEWIPC != 0 {
		t.dropUndo()
	}
	t.mu.Lock()
	t.ns = &n
	t.mu.Unlock()
	return nil
}
