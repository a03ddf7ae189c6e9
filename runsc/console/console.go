// Package console puts the terminal that runsc was started from into raw mode, and
// back: a terminal inside the sandbox does the line editing then.
package console

import (
	"os"

	"golang.org/x/sys/unix"
)

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Terminal is a terminal in raw mode. A nil Terminal is none: its methods do nothing.
type Terminal struct {
	f     *os.File
	saved unix.Termios
}

// Raw puts f into raw mode (cfmakeraw in termios(3)).
func Raw(f *os.File) (*Terminal, error) {
	t := &Terminal{f: f}
	old, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	t.saved = *old
	raw := *old
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag &^= unix.CSIZE | unix.PARENB
	raw.Cflag |= unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &raw); err != nil {
		return nil, err
	}
	return t, nil
}

// Restore leaves raw mode, after what was written has been shown.
func (t *Terminal) Restore() {
	if t != nil {
		unix.IoctlSetTermios(int(t.f.Fd()), unix.TCSETSW, &t.saved)
	}
}

// Size returns the terminal's size, 0 by 0 if it is unknown.
func (t *Terminal) Size() (rows, cols uint16) {
	ws, err := unix.IoctlGetWinsize(int(t.f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return ws.Row, ws.Col
}
