package tty

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// chunk is how many bytes move at a time between a guest and the terminal.
const chunk = 4096

// Slave is an open file of the slave: vfs.FileOps.
type Slave struct {
	vfs.BaseFile
	p       *PTY
	hangups uint64 // p.hangups when it was opened

	started int64 // of the read that waits for VTIME; guarded by p.mu
}

// PTY returns the pair.
func (s *Slave) PTY() *PTY { return s.p }

// hungUpLocked reports whether the terminal behind the file is gone.
func (s *Slave) hungUpLocked() bool { return s.hangups != s.p.hangups }

// Release implements vfs.FileOps.
func (s *Slave) Release(*vfs.File) { s.p.closeSlave(s.hangups) }

// Read implements vfs.FileOps.
func (s *Slave) Read(c vfs.Caller, f *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	p := s.p
	p.lock()
	hung := s.hungUpLocked()
	p.unlock()
	if hung {
		return 0, nil
	}
	if err := p.checkChange(c, linux.SIGTTIN); err != nil {
		return 0, err
	}
	p.lock()
	if s.hungUpLocked() {
		p.unlock()
		return 0, nil
	}
	b, wake, err := p.readLocked(int(min(dst.Len(), chunk)), f.Flags()&linux.O_NONBLOCK != 0, &s.started)
	p.unlock()
	if err != nil {
		if wake != 0 {
			p.timers.Set(&p.timer, linux.CLOCK_MONOTONIC, wake, 0)
		}
		return 0, err
	}
	return dst.CopyOut(b)
}

// Write implements vfs.FileOps.
func (s *Slave) Write(c vfs.Caller, _ *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	p := s.p
	p.lock()
	stop := p.termios.Lflag&linux.TOSTOP != 0
	hung := s.hungUpLocked()
	p.unlock()
	if hung {
		return 0, errno.EIO
	}
	if stop {
		if err := p.checkChange(c, linux.SIGTTOU); err != nil {
			return 0, err
		}
	}
	return copyIn(src, func(b []byte) (int, error) {
		p.lock()
		defer p.unlock()
		if s.hungUpLocked() {
			return 0, errno.EIO
		}
		return p.writeLocked(b), nil
	})
}

// copyIn gives the bytes of src to put, in pieces, until put takes less than it was given.
// EAGAIN if it takes none.
func copyIn(src *usermem.Sequence, put func(b []byte) (int, error)) (int, error) {
	total := 0
	buf := make([]byte, min(src.Len(), chunk))
	for src.Len() > 0 {
		ahead := *src
		n, err := ahead.CopyIn(buf[:min(uint64(len(buf)), src.Len())])
		if n == 0 {
			return total, err
		}
		took, err := put(buf[:n])
		src.Skip(uint64(took))
		total += took
		if err != nil {
			return total, err
		}
		if took < n {
			break
		}
	}
	if total == 0 && src.Len() > 0 {
		return 0, errno.EAGAIN
	}
	return total, nil
}

// Readiness implements vfs.FileOps.
func (s *Slave) Readiness(*vfs.File) wait.Mask {
	p := s.p
	p.lock()
	defer p.unlock()
	if s.hungUpLocked() {
		return wait.In | wait.Out | wait.Err | wait.Hup | wait.RdNorm | wait.WrNorm
	}
	var m wait.Mask
	if p.available(true) {
		m |= wait.In | wait.RdNorm
	}
	if p.roomLocked() > 0 {
		m |= wait.Out | wait.WrNorm
	}
	return m
}

// Queue implements vfs.FileOps.
func (s *Slave) Queue(*vfs.File) *wait.Queue { return &s.p.slaveQ }

// Seek implements vfs.FileOps.
func (s *Slave) Seek(vfs.Caller, *vfs.File, int64, int) (int64, error) { return 0, errno.ESPIPE }

// Ioctl implements vfs.FileOps.
func (s *Slave) Ioctl(c vfs.Caller, f *vfs.File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	s.p.lock()
	hung := s.hungUpLocked()
	s.p.unlock()
	if hung {
		if cmd == linux.TIOCSPGRP {
			return 0, errno.ENOTTY
		}
		return 0, errno.EIO
	}
	switch cmd {
	case linux.FIONREAD: // TIOCINQ
		return copyOutInt(m, arg, int32(s.p.queued()))
	case linux.TIOCSCTTY:
		return 0, s.p.control(c, f, arg.Int() == 1)
	}
	return s.p.ioctl(c, m, cmd, arg, false)
}

// queued is how many bytes of input there are: of complete lines, in canonical mode.
func (p *PTY) queued() int {
	p.lock()
	defer p.unlock()
	in := &p.in
	if !p.canonical() {
		return int(in.head - in.tail)
	}
	n := 0
	for pos := in.tail; pos < in.canon; pos++ {
		if !(in.isEnd(pos) && in.at(pos) == 0) {
			n++
		}
	}
	return n
}

// control is TIOCSCTTY.
func (p *PTY) control(c vfs.Caller, f *vfs.File, force bool) error {
	proc, ok := c.(Process)
	if !ok {
		return errno.EPERM
	}
	admin := c.Creds().Has(linux.CAP_SYS_ADMIN)
	if s := proc.TTYSession(); s != nil && s.Terminal() == p && proc.LeadsSession() {
		return nil
	}
	if f.Mode&vfs.FModeRead == 0 && !admin {
		return errno.EPERM
	}
	return p.acquire(proc, force && admin)
}
