package hostfd

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Sizes of what terminal ioctls point to.
const (
	termiosSize  = 36
	termios2Size = 44
	winsizeSize  = 8
)

// Ioctl implements vfs.FileOps: what a program asks of its terminal goes to the host's,
// but for what concerns processes or could inject input.
func (f *file) Ioctl(_ vfs.Caller, _ *vfs.File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	if cmd == linux.FIONREAD && !f.seekable {
		return f.get(m, cmd, arg, 4)
	}
	if !f.tty {
		return 0, errno.ENOTTY
	}
	switch cmd {
	case linux.TCGETS:
		return f.get(m, cmd, arg, termiosSize)
	case linux.TCSETS, linux.TCSETSW, linux.TCSETSF:
		return f.put(m, cmd, arg, termiosSize)
	case linux.TCGETS2:
		return f.get(m, cmd, arg, termios2Size)
	case linux.TCSETS2, linux.TCSETSW2, linux.TCSETSF2:
		return f.put(m, cmd, arg, termios2Size)
	case linux.TIOCGWINSZ:
		return f.get(m, cmd, arg, winsizeSize)
	case linux.TIOCSWINSZ:
		return f.put(m, cmd, arg, winsizeSize)
	case linux.TIOCOUTQ:
		return f.get(m, cmd, arg, 4)
	case linux.TCSBRK, linux.TCSBRKP, linux.TCXONC, linux.TCFLSH:
		_, err := hostcall.IoctlInt(f.fd, cmd, uintptr(arg.Int()))
		return 0, err
	}
	return 0, errno.ENOTTY
}

func (f *file) get(m usermem.IO, cmd uint32, arg arch.Arg, size int) (uint64, error) {
	buf := make([]byte, size)
	if _, err := hostcall.Ioctl(f.fd, cmd, buf); err != nil {
		return 0, err
	}
	_, err := m.CopyOut(arg.Addr(), buf)
	return 0, err
}

func (f *file) put(m usermem.IO, cmd uint32, arg arch.Arg, size int) (uint64, error) {
	buf := make([]byte, size)
	if _, err := m.CopyIn(arg.Addr(), buf); err != nil {
		return 0, err
	}
	_, err := hostcall.Ioctl(f.fd, cmd, buf)
	return 0, err
}
