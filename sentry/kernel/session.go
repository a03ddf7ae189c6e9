package kernel

import (
	"slices"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/tty"
)

// Session is a set of process groups that can share a controlling terminal
// (credentials(7), setsid(2)).
type Session struct {
	k   *Kernel // immutable
	pid *PID    // immutable

	// Guarded by Kernel.mu.
	leader *ThreadGroup  // nil when it has exited
	groups int           // process groups in it
	hungUp *ProcessGroup // was in the foreground when the terminal hung up

	tty atomic.Pointer[tty.PTY] // controlling terminal, or nil
}

// ProcessGroup is a job: a set of processes of one session.
type ProcessGroup struct {
	pid     *PID     // immutable
	session *Session // immutable

	members []*ThreadGroup // guarded by Kernel.mu
}

// PID returns the session's number.
func (s *Session) PID() *PID { return s.pid }

// PID returns the process group's number.
func (pg *ProcessGroup) PID() *PID { return pg.pid }

// Session returns the session that the group is in.
func (pg *ProcessGroup) Session() *Session { return pg.session }

// newSessionLocked puts tg into a session and a process group of its own.
func (k *Kernel) newSessionLocked(tg *ThreadGroup) *Session {
	s := &Session{k: k, pid: tg.pid, leader: tg}
	for ns := s.pid.ns; ns != nil; ns = ns.parent {
		ns.sessions[s.pid.nums[ns.level]] = s
	}
	tg.joinLocked(k.newGroupLocked(tg.pid, s))
	return s
}

func (k *Kernel) newGroupLocked(p *PID, s *Session) *ProcessGroup {
	pg := &ProcessGroup{pid: p, session: s}
	s.groups++
	for ns := p.ns; ns != nil; ns = ns.parent {
		ns.groups[p.nums[ns.level]] = pg
	}
	return pg
}

// joinLocked moves tg into pg; leaveLocked takes it out of its group. A group without members
// and a session without groups are gone.
func (tg *ThreadGroup) joinLocked(pg *ProcessGroup) {
	pg.members = append(pg.members, tg)
	if tg.pgrp != nil {
		tg.leaveLocked()
	}
	tg.pgrp = pg
}

func (tg *ThreadGroup) leaveLocked() {
	pg := tg.pgrp
	i := slices.Index(pg.members, tg)
	pg.members = slices.Delete(pg.members, i, i+1)
	tg.pgrp = nil
	if len(pg.members) > 0 {
		return
	}
	for ns := pg.pid.ns; ns != nil; ns = ns.parent {
		delete(ns.groups, pg.pid.nums[ns.level])
	}
	if pg.session.groups--; pg.session.groups == 0 {
		for ns := pg.session.pid.ns; ns != nil; ns = ns.parent {
			delete(ns.sessions, pg.session.pid.nums[ns.level])
		}
	}
}

// Setsid is setsid(2).
func (t *Task) Setsid() (int32, error) {
	k, tg := t.k, t.tg
	k.mu.Lock()
	defer k.mu.Unlock()
	if tg.pid.ns.groups[tg.pid.Own()] != nil || tg.pgrp.session.leader == tg {
		return 0, errno.EPERM
	}
	k.newSessionLocked(tg)
	return tg.pid.Own(), nil
}

// Setpgid is setpgid(2).
func (t *Task) Setpgid(pid, pgid int32) error {
	k, self, ns := t.k, t.tg, t.PIDNamespace()
	if pgid < 0 {
		return errno.EINVAL
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	tg := self
	if pid != 0 {
		x := ns.tasks[pid]
		if x == nil {
			return errno.ESRCH
		}
		if x.tg.leader != x {
			return errno.EINVAL
		}
		tg = x.tg
	}
	if pgid == 0 {
		pgid = tg.pid.In(ns)
	}
	if tg != self {
		if tg.parentGroupLocked() != self {
			return errno.ESRCH
		}
		if tg.pgrp == nil || tg.pgrp.session != self.pgrp.session {
			return errno.EPERM
		}
		if tg.execed {
			return errno.EACCES
		}
	}
	if tg.pgrp.session.leader == tg {
		return errno.EPERM
	}
	pg := ns.groups[pgid]
	if pgid != tg.pid.In(ns) {
		if pg == nil || pg.session != self.pgrp.session {
			return errno.EPERM
		}
	}
	if pg == nil {
		pg = k.newGroupLocked(tg.pid, tg.pgrp.session)
	}
	if pg != tg.pgrp {
		tg.joinLocked(pg)
	}
	return nil
}

// orphaned reports whether tg is in an orphaned process group.
func (tg *ThreadGroup) orphaned() bool {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	return tg.pgrp == nil || tg.pgrp.orphanedLocked(nil)
}

// orphanedLocked is Orphaned without regard to one member.
func (pg *ProcessGroup) orphanedLocked(without *ThreadGroup) bool {
	for _, m := range pg.members {
		if m == without {
			continue
		}
		if _, gone := m.exitedLocked(); gone {
			continue
		}
		// Linux leaves the host's init out. Ours is a container's, and often a shell with job
		// control.
		p := m.parentGroupLocked()
		if p == nil || p.pgrp == nil {
			continue
		}
		if p.pgrp != pg && p.pgrp.session == pg.session {
			return false
		}
	}
	return true
}

// hasStoppedLocked reports whether a member is stopped.
func (pg *ProcessGroup) hasStoppedLocked() bool {
	for _, m := range pg.members {
		m.sigMu.Lock()
		stopped := m.stops.stopped
		m.sigMu.Unlock()
		if stopped {
			return true
		}
	}
	return false
}

// hupOrphanLocked sends SIGHUP and SIGCONT to tg's process group if the end of tg's tie to
// parent orphaned it while it has stopped members (kernel/exit.c).
func (tg *ThreadGroup) hupOrphanLocked(parent, ignored *ThreadGroup) {
	pg := tg.pgrp
	if pg == nil || parent == nil || parent.pgrp == nil || parent.pgrp == pg || parent.pgrp.session != pg.session {
		return
	}
	if pg.orphanedLocked(ignored) && pg.hasStoppedLocked() {
		pg.signalLocked(KernelInfo(linux.SIGHUP))
		pg.signalLocked(KernelInfo(linux.SIGCONT))
	}
}

func (pg *ProcessGroup) signalLocked(info linux.SignalInfo) {
	for _, m := range pg.members {
		m.signalLocked(&info)
	}
}
