package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/vfs"
)

// CgroupDir is the vfs.InodeOps of a group's directory.
type CgroupDir interface {
	Cgroup() *Cgroup
	// MayAttach says whether c may move tasks from a group to this one: EACCES if not.
	MayAttach(c vfs.Caller, from *Cgroup) error
}

// Attach moves the task with number tid in ns to cg, or with whole its process, if may agrees: ESRCH if there is none.
func (cg *Cgroup) Attach(ns *PIDNamespace, tid int32, whole bool, may func(from *Cgroup) error) error {
	k := cg.k
	k.mu.Lock()
	defer k.mu.Unlock()
	x := ns.tasks[tid]
	if x == nil {
		return errno.ESRCH
	}
	if whole {
		x = x.tg.leader
	}
	if err := may(x.cgroup); err != nil {
		return err
	}
	if err := cg.vetLocked(x.cgroup, whole); err != nil {
		return err
	}
	if !whole {
		x.moveLocked(cg)
		return nil
	}
	for _, y := range x.tg.threads {
		y.moveLocked(cg)
	}
	return nil
}

// vetLocked says whether cg can take tasks from a group: whole processes, or single threads.
func (cg *Cgroup) vetLocked(from *Cgroup, whole bool) error {
	switch {
	case cg.gone:
		return errno.ENODEV
	case !cg.domainLocked().validDomainLocked():
		return errno.EOPNOTSUPP
	case cg.parent != nil && cg.pids.below && !cg.threaded && !cg.canBeThreadRootLocked():
		// Groups below would compete with the tasks.
		return errno.EBUSY
	case !whole && from.domainLocked() != cg.domainLocked():
		return errno.EOPNOTSUPP
	}
	return nil
}

// moveLocked moves one task. One that has ended stays where it was.
func (t *Task) moveLocked(cg *Cgroup) {
	if t.cgroup == cg || t.exitState != alive {
		return
	}
	t.leaveCgroupLocked()
	t.cgroup.chargePidsLocked(-1)
	cg.chargePidsLocked(+1) // over the limit, too: that only stops forks
	t.enterCgroupLocked(cg)
}

// cgroupOfChildLocked returns the group of a task that t makes: t's, or the one that was asked for.
func (t *Task) cgroupOfChildLocked(a *CloneArgs) (*Cgroup, error) {
	cg := t.cgroup
	if a.Cgroup != nil {
		if cg = a.Cgroup.Cgroup(); cg.gone {
			return nil, errno.ENOENT
		}
		if err := a.Cgroup.MayAttach(t, t.cgroup); err != nil {
			return nil, err
		}
		if err := cg.vetLocked(t.cgroup, a.Flags&linux.CLONE_THREAD == 0); err != nil {
			return nil, err
		}
	}
	return cg, cg.mayForkLocked()
}
