package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/tty"
)

// The following make tasks, sessions and process groups what package tty needs.

var (
	_ tty.Process = (*Task)(nil)
	_ tty.Session = (*Session)(nil)
	_ tty.Group   = (*ProcessGroup)(nil)
)

// TTYSession and TTYGroup implement tty.Process.
func (t *Task) TTYSession() tty.Session {
	if s := t.tg.Session(); s != nil {
		return s
	}
	return nil
}

func (t *Task) TTYGroup() tty.Group {
	if pg := t.tg.ProcessGroup(); pg != nil {
		return pg
	}
	return nil
}

// LeadsSession implements tty.Process.
func (t *Task) LeadsSession() bool {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	return t.tg.pgrp != nil && t.tg.pgrp.session.leader == t.tg
}

// IgnoresSignal implements tty.Process.
func (t *Task) IgnoresSignal(sig linux.Signal) bool {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	return t.sigMask.Has(sig) || t.tg.handlers.get(sig).Handler == linux.SIG_IGN
}

// SessionID and GroupID implement tty.Process.
func (t *Task) SessionID(s tty.Session) int32 {
	if s, ok := s.(*Session); ok && s != nil {
		return s.pid.In(t.PIDNamespace())
	}
	return 0
}

func (t *Task) GroupID(g tty.Group) int32 {
	if g, ok := g.(*ProcessGroup); ok && g != nil {
		return g.pid.In(t.PIDNamespace())
	}
	return 0
}

// FindGroup implements tty.Process.
func (t *Task) FindGroup(pgid int32) (tty.Group, error) {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	pg := t.PIDNamespace().groups[pgid]
	if pg == nil {
		return nil, errno.ESRCH
	}
	if t.tg.pgrp == nil || pg.session != t.tg.pgrp.session {
		return nil, errno.EPERM
	}
	return pg, nil
}

// Terminal implements tty.Session.
func (s *Session) Terminal() *tty.PTY { return s.tty.Load() }

// SetTerminal implements tty.Session.
func (s *Session) SetTerminal(p *tty.PTY) { s.tty.Store(p) }

// HungUp implements tty.Session.
func (s *Session) HungUp(foreground tty.Group) {
	k := s.k
	k.mu.Lock()
	defer k.mu.Unlock()
	if pg, ok := foreground.(*ProcessGroup); ok {
		s.hungUp = pg
	}
	if l := s.leader; l != nil {
		for _, sig := range []linux.Signal{linux.SIGHUP, linux.SIGCONT} {
			info := KernelInfo(sig)
			l.signalLocked(&info)
		}
	}
}

// Signal implements tty.Group.
func (pg *ProcessGroup) Signal(sig linux.Signal) {
	k := pg.session.k
	k.mu.RLock()
	defer k.mu.RUnlock()
	pg.signalLocked(KernelInfo(sig))
}

// Orphaned implements tty.Group: no member has a parent in another group of the same
// session, who could continue the group if it stopped.
func (pg *ProcessGroup) Orphaned() bool {
	k := pg.session.k
	k.mu.RLock()
	defer k.mu.RUnlock()
	return pg.orphanedLocked(nil)
}

// leaveTerminal ends a session's hold of its terminal when its leader exits (kernel's
// disassociate_ctty). It is called by the last task of a process.
func (t *Task) leaveTerminal() {
	k := t.k
	k.mu.Lock()
	var s *Session
	if pg := t.tg.pgrp; pg != nil && pg.session.leader == t.tg {
		s = pg.session
	}
	var hungUp *ProcessGroup
	if s != nil {
		s.leader = nil
		hungUp, s.hungUp = s.hungUp, nil
	}
	k.mu.Unlock()
	if s == nil {
		return
	}
	if p := s.Terminal(); p != nil {
		p.Disassociate(s, true)
	} else if hungUp != nil {
		hungUp.Signal(linux.SIGHUP)
		hungUp.Signal(linux.SIGCONT)
	}
}
