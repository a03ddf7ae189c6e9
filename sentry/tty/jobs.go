package tty

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/vfs"
)

// Process is a vfs.Caller with a place in a session; the kernel's Task is one. Its
// methods are called on the caller's own goroutine, without locks of this package.
type Process interface {
	vfs.Caller

	// TTYSession and TTYGroup are the caller's session and process group.
	TTYSession() Session
	TTYGroup() Group
	// LeadsSession reports whether the caller's process is a session leader.
	LeadsSession() bool
	// IgnoresSignal reports whether sig is blocked or ignored.
	IgnoresSignal(sig linux.Signal) bool

	// SessionID and GroupID are the numbers as the caller sees them, 0 outside of its PID namespace.
	SessionID(s Session) int32
	GroupID(g Group) int32
	// FindGroup finds a process group of the caller's session by number: ESRCH if there is
	// none, EPERM if it belongs to another session.
	FindGroup(pgid int32) (Group, error)
}

// Session is a session (setsid(2)). Values are compared.
type Session interface {
	// Terminal is the controlling terminal, or nil.
	Terminal() *PTY
	// SetTerminal makes p the controlling terminal, nil for none.
	SetTerminal(p *PTY)
	// HungUp says that the controlling terminal is gone (SetTerminal(nil) was called): the
	// leader gets SIGHUP and SIGCONT, and when it ends, so does foreground (which may be nil).
	HungUp(foreground Group)
}

// Group is a process group. Values are compared.
type Group interface {
	// Signal sends sig to all members, as the kernel does.
	Signal(sig linux.Signal)
	// Orphaned reports whether no member has a parent in another group of the session.
	Orphaned() bool
}

// checkChange is the rule for processes in the background that want to change the
// terminal or, with SIGTTIN, read it: they are stopped by sig, unless they ignore
// it or nobody would continue them.
func (p *PTY) checkChange(c vfs.Caller, sig linux.Signal) error {
	proc, ok := c.(Process)
	if !ok {
		return nil
	}
	s := proc.TTYSession()
	if s == nil || s.Terminal() != p {
		return nil
	}
	p.mu.Lock()
	foreground := p.foreground
	p.mu.Unlock()
	g := proc.TTYGroup()
	if foreground == nil || foreground == g {
		return nil
	}
	if proc.IgnoresSignal(sig) {
		if sig == linux.SIGTTIN {
			return errno.EIO
		}
		return nil
	}
	if g.Orphaned() {
		return errno.EIO
	}
	g.Signal(sig)
	return errno.ERESTARTSYS
}

// acquire makes p the controlling terminal of the caller, a session leader without
// one, unless another session has it. With steal it is taken away from that.
func (p *PTY) acquire(proc Process, steal bool) error {
	s := proc.TTYSession()
	if !proc.LeadsSession() || s == nil {
		return errno.EPERM
	}
	if t := s.Terminal(); t == p {
		return nil
	} else if t != nil {
		return errno.EPERM
	}
	p.mu.Lock()
	old := p.session
	if old != nil && !steal {
		p.mu.Unlock()
		return errno.EPERM
	}
	p.session, p.foreground = s, proc.TTYGroup()
	p.mu.Unlock()
	if old != nil {
		old.SetTerminal(nil)
	}
	s.SetTerminal(p)
	return nil
}

// Disassociate ends p's being the controlling terminal of s: the leader gives it up
// (TIOCNOTTY) or exits. The foreground group hears of it.
func (p *PTY) Disassociate(s Session, exiting bool) {
	p.mu.Lock()
	if p.session != s {
		p.mu.Unlock()
		return
	}
	g := p.foreground
	p.session, p.foreground = nil, nil
	p.mu.Unlock()
	s.SetTerminal(nil)
	if g != nil {
		g.Signal(linux.SIGHUP)
		if !exiting {
			g.Signal(linux.SIGCONT)
		}
	}
}

// ControllingTerminal returns the caller's controlling terminal, ENXIO if it has none
// (open of /dev/tty).
func ControllingTerminal(c vfs.Caller) (*PTY, error) {
	if proc, ok := c.(Process); ok {
		if s := proc.TTYSession(); s != nil {
			if p := s.Terminal(); p != nil {
				return p, nil
			}
		}
	}
	return nil, errno.ENXIO
}

// Foreground returns the session that p controls and the group in its foreground, nil
// if there are none (tty_nr and tpgid in /proc/PID/stat).
func (p *PTY) Foreground() (Session, Group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session, p.foreground
}

// Acquire makes p the controlling terminal of proc, a session leader without one, taking it from
// another session if need be: how a sandbox's first process gets its terminal.
func (p *PTY) Acquire(proc Process) error { return p.acquire(proc, true) }
