package boot

import (
	"fmt"
	"strconv"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/hostcall"
	"ringfence/sentry/tty"
	"ringfence/sentry/vfs"
)

// relay connects a terminal of the sandbox to one of the host, which is in raw mode: what is
// typed there is input of the sandbox's, and what that shows is written there.
type relay struct {
	console *tty.Console
	in, out hostcall.FD
	done    chan struct{} // closed when all output was written
}

// newRelay makes the sandbox's terminal, as /dev/pts/0, and starts to relay.
func (s *builder) newRelay() (*relay, error) {
	console, err := s.pts.Console(s)
	if err != nil {
		return nil, err
	}
	fds := s.b.cfg.FDs.Console
	r := &relay{console: console, in: hostcall.FD(fds[0]), out: hostcall.FD(fds[1]), done: make(chan struct{})}
	if p := &s.b.cfg.Process; p.Rows != 0 || p.Cols != 0 {
		console.Resize(p.Rows, p.Cols)
	} else {
		r.resize()
	}
	go r.input()
	go r.output()
	return r, nil
}

func (r *relay) input() {
	buf := make([]byte, 4096)
	for {
		n, err := hostcall.Read(r.in, buf)
		if err != nil || n == 0 {
			break // The host's terminal was hung up.
		}
		if _, err := r.console.Write(buf[:n]); err != nil {
			return
		}
	}
	r.console.Close()
}

func (r *relay) output() {
	defer close(r.done)
	buf := make([]byte, 16<<10)
	for {
		n, err := r.console.Read(buf)
		if err != nil {
			return
		}
		for b := buf[:n]; len(b) > 0; {
			n, err := hostcall.Write(r.out, b)
			if err == errno.EAGAIN {
				// Another process made the terminal non-blocking.
				hostcall.Ppoll([]hostcall.PollFd{{Fd: int32(r.out), Events: hostcall.POLLOUT}}, hostcall.Forever)
				continue
			}
			if err != nil {
				return
			}
			b = b[n:]
		}
	}
}

// drain waits until everything that the sandbox wrote is on the host's terminal. No process
// has the sandbox's terminal open any more.
func (r *relay) drain() { <-r.done }

// resize takes over the size of the host's terminal.
func (r *relay) resize() {
	var ws linux.Winsize
	buf := make([]byte, ws.SizeBytes())
	if _, err := hostcall.Ioctl(r.in, linux.TIOCGWINSZ, buf); err != nil {
		return
	}
	ws.UnmarshalBytes(buf)
	r.console.Resize(ws.Row, ws.Col)
}

// openSlave opens the sandbox's end for its first process.
func (r *relay) openSlave(c vfs.Caller) (*vfs.File, error) {
	path := "/dev/pts/" + strconv.Itoa(r.console.PTY().Index)
	root := c.FSContext().Root()
	defer root.DecRef()
	b := c.(*builder)
	// As a login program would, before it gives up its rights.
	p, err := b.v.Resolve(c, root, path, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, message(err))
	}
	defer p.DecRef()
	return b.v.OpenPath(c, p, linux.O_RDWR|linux.O_NOCTTY)
}
