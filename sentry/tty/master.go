package tty

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Master is an open file of the master: vfs.FileOps.
type Master struct {
	vfs.BaseFile
	p *PTY
}

// PTY returns the pair.
func (m *Master) PTY() *PTY { return m.p }

// Release implements vfs.FileOps.
func (m *Master) Release(*vfs.File) { m.p.closeMaster() }

// Read implements vfs.FileOps.
func (m *Master) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	total := 0
	buf := make([]byte, min(dst.Len(), chunk))
	for dst.Len() > 0 {
		n, more, err := m.p.takeOutput(buf[:min(uint64(len(buf)), dst.Len())])
		if n > 0 {
			copied, err := dst.CopyOut(buf[:n])
			total += copied
			if err != nil {
				return total, err
			}
		}
		if err != nil {
			if total > 0 {
				err = nil
			}
			return total, err
		}
		if !more {
			break
		}
	}
	return total, nil
}

// takeOutput moves output of the slave into b; more says that there is more to be had
// in the same read. EAGAIN if there is none yet, EIO if no slave is open any more.
func (p *PTY) takeOutput(b []byte) (n int, more bool, err error) {
	p.lock()
	defer p.unlock()
	if p.packet && len(b) > 0 {
		if s := p.packetStatus; s != 0 {
			p.packetStatus = 0
			b[0] = s
			return 1, false, nil
		}
		if p.out.q.len() > 0 {
			b[0] = linux.TIOCPKT_DATA
			n, b = 1, b[1:]
		}
	}
	p.flushEchoLocked()
	if p.out.q.len() == 0 {
		if p.opened {
			return 0, false, errno.EIO
		}
		return 0, false, errno.EAGAIN
	}
	full := p.out.q.len() >= outputSize
	k := copy(b, p.out.q.bytes())
	p.out.q.drop(k)
	p.flushEchoLocked()
	if full || p.out.q.len() < outputSize/2 {
		p.wakeWriter()
	}
	return n + k, !p.packet && p.out.q.len() > 0, nil
}

// Write implements vfs.FileOps.
func (m *Master) Write(_ vfs.Caller, _ *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	return copyIn(src, m.p.typeInput)
}

// typeInput gives b to the slave's line discipline and returns how much was taken. EIO if no
// slave is open.
func (p *PTY) typeInput(b []byte) (int, error) {
	p.lock()
	defer p.unlock()
	if p.slaves == 0 {
		return 0, errno.EIO
	}
	return p.receiveLocked(b), nil
}

// Readiness implements vfs.FileOps.
func (m *Master) Readiness(*vfs.File) wait.Mask {
	p := m.p
	p.lock()
	defer p.unlock()
	var mask wait.Mask
	p.flushEchoLocked()
	if p.out.q.len() > 0 {
		mask |= wait.In | wait.RdNorm
	}
	if p.packet && p.packetStatus != 0 {
		mask |= wait.Pri | wait.In | wait.RdNorm
	}
	if p.opened {
		mask |= wait.Hup
	}
	if p.in.pending.len() < pendingSize {
		mask |= wait.Out | wait.WrNorm
	}
	return mask
}

// Queue implements vfs.FileOps.
func (m *Master) Queue(*vfs.File) *wait.Queue { return &m.p.masterQ }

// Seek implements vfs.FileOps.
func (m *Master) Seek(vfs.Caller, *vfs.File, int64, int) (int64, error) { return 0, errno.ESPIPE }

// Ioctl implements vfs.FileOps. TIOCGPTPEER, which opens a file, is devpts's.
func (m *Master) Ioctl(c vfs.Caller, f *vfs.File, mem usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	p := m.p
	switch cmd {
	case linux.TIOCGPTN:
		return copyOutInt(mem, arg, int32(p.Index))
	case linux.TIOCSPTLCK:
		v, err := copyInInt(mem, arg)
		if err != nil {
			return 0, err
		}
		p.lock()
		p.locked = v != 0
		p.unlock()
		return 0, nil
	case linux.TIOCGPTLCK:
		return copyOutInt(mem, arg, flag(p.Locked()))
	case linux.TIOCPKT:
		v, err := copyInInt(mem, arg)
		if err != nil {
			return 0, err
		}
		p.lock()
		if v != 0 && !p.packet {
			p.packetStatus = 0
		}
		p.packet = v != 0
		p.unlock()
		return 0, nil
	case linux.TIOCGPKT:
		p.lock()
		on := p.packet
		p.unlock()
		return copyOutInt(mem, arg, flag(on))
	case linux.TIOCSIG:
		sig := linux.Signal(arg.Int())
		if sig != linux.SIGINT && sig != linux.SIGQUIT && sig != linux.SIGTSTP {
			return 0, errno.EINVAL
		}
		p.lock()
		p.signalLocked(sig)
		p.unlock()
		return 0, nil
	case linux.FIONREAD:
		p.lock()
		n := p.out.q.len()
		p.unlock()
		return copyOutInt(mem, arg, int32(n))
	case linux.TIOCSCTTY: // of the slave, as everything here
		return 0, p.control(c, f, arg.Int() == 1)
	}
	return p.ioctl(c, mem, cmd, arg, true)
}

func flag(on bool) int32 {
	if on {
		return 1
	}
	return 0
}
