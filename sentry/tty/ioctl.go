package tty

import (
	"encoding/binary"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// ioctl serves the requests that both ends know; a master means its slave's settings
// (ioctl_tty(2)).
func (p *PTY) ioctl(c vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg, master bool) (uint64, error) {
	switch cmd {
	case linux.TCSETS, linux.TCSETSW, linux.TCSETSF, linux.TCSETS2, linux.TCSETSW2, linux.TCSETSF2,
		linux.TCSETA, linux.TCSETAW, linux.TCSETAF, linux.TCFLSH, linux.TCXONC, linux.TCSBRK, linux.TCSBRKP,
		linux.TIOCSBRK, linux.TIOCCBRK:
		// For a master this asks nothing, as it never is a controlling terminal.
		if !master {
			if err := p.checkChange(c, linux.SIGTTOU); err != nil {
				return 0, err
			}
		}
	}
	switch cmd {
	case linux.TCGETS, linux.TCGETS2, linux.TCGETA, linux.TCSETS, linux.TCSETSW, linux.TCSETSF,
		linux.TCSETS2, linux.TCSETSW2, linux.TCSETSF2, linux.TCSETA, linux.TCSETAW, linux.TCSETAF:
		return 0, p.ioctlTermios(m, cmd, arg)
	case linux.TIOCGLCKTRMIOS, linux.TIOCSLCKTRMIOS:
		return 0, p.ioctlFrozen(c, m, cmd, arg)
	case linux.TIOCGWINSZ:
		w := p.Window()
		var b [8]byte
		w.MarshalBytes(b[:])
		return 0, copyOut(m, arg, b[:])
	case linux.TIOCSWINSZ:
		var b [8]byte
		if _, err := m.CopyIn(arg.Addr(), b[:]); err != nil {
			return 0, err
		}
		var w linux.Winsize
		w.UnmarshalBytes(b[:])
		p.SetWindow(w)
		return 0, nil
	case linux.TIOCGPGRP, linux.TIOCSPGRP, linux.TIOCGSID, linux.TIOCNOTTY:
		return p.ioctlJobs(c, m, cmd, arg, master)
	case linux.TCFLSH:
		return 0, p.flush(arg.Uint64(), master)
	case linux.TCXONC:
		return 0, p.flow(arg.Uint64())
	case linux.TCSBRK, linux.TCSBRKP, linux.TIOCSBRK, linux.TIOCCBRK:
		return 0, nil // a break means nothing here, and output needs no draining
	case linux.TIOCOUTQ:
		return copyOutInt(m, arg, 0)
	case linux.TIOCEXCL, linux.TIOCNXCL:
		p.lock()
		p.exclusive = cmd == linux.TIOCEXCL
		p.unlock()
		return 0, nil
	case linux.TIOCGEXCL:
		p.lock()
		on := p.exclusive
		p.unlock()
		return copyOutInt(m, arg, flag(on))
	case linux.TIOCGETD:
		return copyOutInt(m, arg, linux.N_TTY)
	case linux.TIOCSETD:
		v, err := copyInInt(m, arg)
		if err == nil && v != linux.N_TTY {
			err = errno.EINVAL
		}
		return 0, err
	case linux.TIOCSTI:
		// As with the sysctl dev.tty.legacy_tiocsti at 0.
		return 0, errno.EIO
	case linux.TIOCGSOFTCAR:
		return copyOutInt(m, arg, 0)
	case linux.TIOCGDEV:
		major := uint32(linux.UNIX98_PTY_SLAVE_MAJOR)
		if master {
			major = linux.UNIX98_PTY_MASTER_MAJOR
		}
		return copyOutInt(m, arg, int32(linux.MakeDev(major, uint32(p.Index))))
	case linux.TIOCVHANGUP:
		if !c.Creds().Has(linux.CAP_SYS_ADMIN) {
			return 0, errno.EPERM
		}
		p.Hangup()
		return 0, nil
	}
	return 0, errno.ENOTTY
}

// Hangup is vhangup(2): open files of the slave are dead from now on.
func (p *PTY) Hangup() {
	p.lock()
	p.hangups++
	if p.slaves > 0 {
		p.slaves = 0
		p.opened = true
	}
	p.in.reset()
	p.setTermiosLocked(New(0, nil).termios)
	s, g := p.session, p.foreground
	p.session, p.foreground = nil, nil
	p.events.slave |= pollAll
	p.events.master |= pollAll
	p.unlock()
	if s != nil {
		s.SetTerminal(nil)
		s.HungUp(g)
	}
}

func (p *PTY) ioctlTermios(m usermem.IO, cmd uint32, arg arch.Arg) error {
	p.lock()
	t := p.termios
	p.unlock()
	var buf [64]byte
	switch cmd {
	case linux.TCGETS:
		t.MarshalBytes(buf[:])
		return copyOut(m, arg, buf[:t.SizeBytes()])
	case linux.TCGETS2:
		t2 := linux.Termios2{Iflag: t.Iflag, Oflag: t.Oflag, Cflag: t.Cflag, Lflag: t.Lflag, Line: t.Line, CC: t.CC}
		t2.Ospeed = speed(t.Cflag)
		t2.Ispeed = t2.Ospeed
		t2.MarshalBytes(buf[:])
		return copyOut(m, arg, buf[:t2.SizeBytes()])
	case linux.TCGETA:
		o := linux.Termio{Iflag: uint16(t.Iflag), Oflag: uint16(t.Oflag), Cflag: uint16(t.Cflag), Lflag: uint16(t.Lflag), Line: t.Line}
		copy(o.CC[:], t.CC[:])
		o.MarshalBytes(buf[:])
		return copyOut(m, arg, buf[:o.SizeBytes()])
	}

	flush := false
	switch cmd {
	case linux.TCSETS, linux.TCSETSW, linux.TCSETSF:
		flush = cmd == linux.TCSETSF
		if _, err := m.CopyIn(arg.Addr(), buf[:t.SizeBytes()]); err != nil {
			return err
		}
		t.UnmarshalBytes(buf[:])
	case linux.TCSETS2, linux.TCSETSW2, linux.TCSETSF2:
		flush = cmd == linux.TCSETSF2
		var t2 linux.Termios2
		if _, err := m.CopyIn(arg.Addr(), buf[:t2.SizeBytes()]); err != nil {
			return err
		}
		t2.UnmarshalBytes(buf[:])
		t = linux.Termios{Iflag: t2.Iflag, Oflag: t2.Oflag, Cflag: t2.Cflag, Lflag: t2.Lflag, Line: t2.Line, CC: t2.CC}
	default:
		flush = cmd == linux.TCSETAF
		var o linux.Termio
		if _, err := m.CopyIn(arg.Addr(), buf[:o.SizeBytes()]); err != nil {
			return err
		}
		o.UnmarshalBytes(buf[:])
		low := func(old uint32, v uint16) uint32 { return old&^0xffff | uint32(v) }
		t.Iflag, t.Oflag = low(t.Iflag, o.Iflag), low(t.Oflag, o.Oflag)
		t.Cflag, t.Lflag, t.Line = low(t.Cflag, o.Cflag), low(t.Lflag, o.Lflag), o.Line
		copy(t.CC[:], o.CC[:])
	}
	p.lock()
	defer p.unlock()
	if flush {
		p.flushInputLocked()
	}
	p.setTermiosLocked(p.keepFrozenLocked(t))
	return nil
}

// ioctlFrozen is TIOCGLCKTRMIOS and TIOCSLCKTRMIOS.
func (p *PTY) ioctlFrozen(c vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg) error {
	var t linux.Termios
	buf := make([]byte, t.SizeBytes())
	if cmd == linux.TIOCGLCKTRMIOS {
		p.lock()
		t = p.frozen
		p.unlock()
		t.MarshalBytes(buf)
		return copyOut(m, arg, buf)
	}
	if !c.Creds().Has(linux.CAP_SYS_ADMIN) {
		return errno.EPERM
	}
	if _, err := m.CopyIn(arg.Addr(), buf); err != nil {
		return err
	}
	t.UnmarshalBytes(buf)
	p.lock()
	p.frozen = t
	p.unlock()
	return nil
}

// keepFrozenLocked returns t with what is frozen as it was.
func (p *PTY) keepFrozenLocked(t linux.Termios) linux.Termios {
	keep := func(now, old, frozen uint32) uint32 { return now&^frozen | old&frozen }
	old, frozen := &p.termios, &p.frozen
	t.Iflag = keep(t.Iflag, old.Iflag, frozen.Iflag)
	t.Oflag = keep(t.Oflag, old.Oflag, frozen.Oflag)
	t.Cflag = keep(t.Cflag, old.Cflag, frozen.Cflag)
	t.Lflag = keep(t.Lflag, old.Lflag, frozen.Lflag)
	if frozen.Line != 0 {
		t.Line = old.Line
	}
	for i := range t.CC {
		if frozen.CC[i] != 0 {
			t.CC[i] = old.CC[i]
		}
	}
	return t
}

// ioctlJobs serves the requests about sessions and groups.
func (p *PTY) ioctlJobs(c vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg, master bool) (uint64, error) {
	proc, ok := c.(Process)
	if !ok {
		return 0, errno.ENOTTY
	}
	s := proc.TTYSession()
	mine := s != nil && s.Terminal() == p
	session, foreground := p.Foreground()
	switch cmd {
	case linux.TIOCGPGRP:
		if !mine && !master {
			return 0, errno.ENOTTY
		}
		var id int32
		if foreground != nil {
			id = proc.GroupID(foreground)
		}
		return copyOutInt(m, arg, id)
	case linux.TIOCGSID:
		if !mine && !master || session == nil {
			return 0, errno.ENOTTY
		}
		return copyOutInt(m, arg, proc.SessionID(session))
	case linux.TIOCSPGRP:
		if err := p.checkChange(c, linux.SIGTTOU); err != nil {
			return 0, err
		}
		if !mine || session != s {
			return 0, errno.ENOTTY
		}
		id, err := copyInInt(m, arg)
		if err != nil {
			return 0, err
		}
		if id < 0 {
			return 0, errno.EINVAL
		}
		g, err := proc.FindGroup(id)
		if err != nil {
			return 0, err
		}
		p.lock()
		if p.session == s {
			p.foreground = g
		}
		p.unlock()
		return 0, nil
	}
	// TIOCNOTTY
	if !mine || master {
		return 0, errno.ENOTTY
	}
	if proc.LeadsSession() {
		p.Disassociate(s, false)
	}
	return 0, nil
}

// flush is TCFLSH.
func (p *PTY) flush(what uint64, master bool) error {
	if what > linux.TCIOFLUSH {
		return errno.EINVAL
	}
	p.lock()
	defer p.unlock()
	in, out := what != linux.TCOFLUSH, what != linux.TCIFLUSH
	if master {
		// A master's input is what the slave wrote.
		if in {
			p.out.q.clear()
			p.wakeWriter()
		}
		if out {
			p.in.pending.clear()
		}
		return nil
	}
	if in {
		p.flushInputLocked()
	}
	if out {
		p.flushOutputLocked()
	}
	return nil
}

// flow is TCXONC.
func (p *PTY) flow(action uint64) error {
	p.lock()
	defer p.unlock()
	switch action {
	case linux.TCOOFF:
		p.out.held = true
	case linux.TCOON:
		if p.out.held {
			p.out.held = false
			p.flushEchoLocked()
			p.wakeWriter()
		}
	case linux.TCIOFF, linux.TCION:
		cc := linux.VSTOP
		if action == linux.TCION {
			cc = linux.VSTART
		}
		if c := p.termios.CC[cc]; c != 0 {
			p.out.q.pushByte(c)
			p.events.master |= pollIn
		}
	default:
		return errno.EINVAL
	}
	return nil
}

// speeds are the baud rates of CBAUD's values, without and with CBAUDEX.
var speeds = [2][16]uint32{
	{0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400},
	{0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000},
}

func speed(cflag uint32) uint32 {
	return speeds[cflag&linux.CBAUDEX/linux.CBAUDEX][cflag&0xf]
}

func copyOut(m usermem.IO, arg arch.Arg, b []byte) error {
	_, err := m.CopyOut(arg.Addr(), b)
	return err
}

func copyOutInt(m usermem.IO, arg arch.Arg, v int32) (uint64, error) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(v))
	return 0, copyOut(m, arg, b[:])
}

func copyInInt(m usermem.IO, arg arch.Arg) (int32, error) {
	var b [4]byte
	if _, err := m.CopyIn(arg.Addr(), b[:]); err != nil {
		return 0, err
	}
	return int32(binary.LittleEndian.Uint32(b[:])), nil
}
