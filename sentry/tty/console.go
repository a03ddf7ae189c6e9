package tty

import (
	"io"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

const (
	pollIn  = wait.In | wait.RdNorm
	pollAll = wait.All
)

// Console is a master for code of the sentry: an io.ReadWriteCloser that blocks. One
// goroutine may read and one write at a time; Close ends both.
type Console struct {
	p      *PTY
	rd, wr waiter
	closed chan struct{}
}

// waiter wakes a goroutine.
type waiter struct{ token chan struct{} }

// Wake implements wait.Waiter.
func (w waiter) Wake(*wait.Entry, wait.Mask) {
	select {
	case w.token <- struct{}{}:
	default:
	}
}

// OpenConsole returns the master's end for the sentry, and unlocks the slave.
func (p *PTY) OpenConsole() *Console {
	p.lock()
	defer p.unlock()
	p.masters++
	p.locked = false
	return &Console{p: p, rd: waiter{make(chan struct{}, 1)}, wr: waiter{make(chan struct{}, 1)}, closed: make(chan struct{})}
}

// PTY returns the pair.
func (t *Console) PTY() *PTY { return t.p }

// Read implements io.Reader. io.EOF comes when the slave was open and no file of it is any more.
func (t *Console) Read(b []byte) (n int, err error) {
	err = t.block(t.rd, pollIn, func() error {
		n, _, err = t.p.takeOutput(b)
		return err
	})
	if err == errno.EIO {
		err = io.EOF
	}
	return n, err
}

// Write implements io.Writer. It types b. Input that comes before a slave was opened
// waits for one.
func (t *Console) Write(b []byte) (int, error) {
	total := 0
	err := t.block(t.wr, wait.Out, func() error {
		for total < len(b) {
			t.p.lock()
			n := t.p.receiveLocked(b[total:])
			t.p.unlock()
			if n == 0 {
				return errno.EAGAIN
			}
			total += n
		}
		return nil
	})
	return total, err
}

// Resize changes the size of the window.
func (t *Console) Resize(rows, cols uint16) {
	w := t.p.Window()
	w.Row, w.Col = rows, cols
	t.p.SetWindow(w)
}

// SetTermios replaces the terminal's settings.
func (t *Console) SetTermios(s linux.Termios) {
	t.p.lock()
	defer t.p.unlock()
	t.p.setTermiosLocked(s)
}

// Close implements io.Closer: the slave is hung up.
func (t *Console) Close() error {
	close(t.closed)
	t.p.closeMaster()
	return nil
}

// block calls op until it returns something other than EAGAIN.
func (t *Console) block(w waiter, mask wait.Mask, op func() error) error {
	e := wait.Entry{Waiter: w, Mask: mask}
	t.p.masterQ.Register(&e)
	defer t.p.masterQ.Unregister(&e)
	for {
		if err := op(); err != errno.EAGAIN {
			return err
		}
		select {
		case <-w.token:
		case <-t.closed:
			return io.ErrClosedPipe
		}
	}
}
