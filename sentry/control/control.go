// Package control is the protocol between the CLI and a running sentry: one JSON
// object a packet, over a SOCK_SEQPACKET unix socket. The CLI sends a Request and
// gets a Reply; requests on one connection are answered in order.
//
// The CLI is trusted by the sentry, and what the sentry says is shown to the
// operator only.
//
// Neighbours: sentry/boot serves it, runsc speaks it.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"ringfence/abi/errno"
	"ringfence/platform/hostcall"
)

// Op is what a Request asks for.
type Op string

const (
	// OpStart lets a held process run; the reply says whether it could be executed.
	OpStart Op = "start"
	// OpWait is answered when the first process has ended.
	OpWait Op = "wait"
	// OpSignal sends Signal to the first process, its foreground group or everybody.
	OpSignal Op = "signal"
	// OpState says how far the sandbox is.
	OpState Op = "state"
	// OpResize says that the host terminal changed its size.
	OpResize Op = "resize"
)

// Target says who gets a signal.
type Target string

const (
	ToInit  Target = "init"  // the first process
	ToGroup Target = "group" // the process group of the first process
	ToAll   Target = "all"   // every process
)

// Request is what the CLI says.
type Request struct {
	Op     Op
	Signal int    `json:",omitempty"`
	Target Target `json:",omitempty"`
}

// Reply is what the sentry answers.
type Reply struct {
	// Error is empty if the request succeeded.
	Error string `json:",omitempty"`
	// ExitCode is what a shell's exit code would be if the command could not be run: 126
	// or 127. 0 otherwise.
	ExitCode int `json:",omitempty"`
	// Status is the wait status of the first process (wait(2)), for OpWait.
	Status uint32 `json:",omitempty"`
	// State is "created", "running" or "stopped", for OpState.
	State string `json:",omitempty"`
}

// maxPacket bounds a Request or Reply.
const maxPacket = 64 << 10

// Conn is one connection. Call is safe for concurrent use.
type Conn struct {
	fd hostcall.FD
	mu sync.Mutex // one call at a time
}

// NewConn returns a connection over fd, which it owns.
func NewConn(fd hostcall.FD) *Conn { return &Conn{fd: fd} }

// Close ends the connection.
func (c *Conn) Close() { hostcall.Close(c.fd) }

// ErrClosed is that the other side hung up.
var ErrClosed = errors.New("the sandbox is gone")

// Call sends a request and waits for the reply. The error is about the connection; what
// the sentry says of the request is in the reply.
func (c *Conn) Call(r Request) (Reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var reply Reply
	if err := c.send(r); err != nil {
		return reply, err
	}
	return reply, c.receive(&reply)
}

// Receive waits for a request, on the sentry's side. ErrClosed at the end.
func (c *Conn) Receive() (Request, error) {
	var r Request
	return r, c.receive(&r)
}

// Reply answers a request.
func (c *Conn) Reply(r Reply) error { return c.send(r) }

func (c *Conn) send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxPacket {
		return fmt.Errorf("control message of %d bytes is too long", len(b))
	}
	_, err = hostcall.Sendmsg(c.fd, b, nil, 0)
	if err == errno.EPIPE || err == errno.ECONNRESET {
		return ErrClosed
	}
	return err
}

func (c *Conn) receive(v any) error {
	b := make([]byte, maxPacket)
	n, _, flags, err := hostcall.Recvmsg(c.fd, b, 0, 0)
	switch {
	case err == errno.ECONNRESET || err == nil && n == 0:
		return ErrClosed
	case err != nil:
		return err
	case flags&hostcall.MSG_TRUNC != 0:
		return errors.New("control message is too long")
	}
	if err := json.Unmarshal(b[:n], v); err != nil {
		return fmt.Errorf("control message: %w", err)
	}
	return nil
}

// FromInt returns a connection over a descriptor that another package opened.
func FromInt(fd int) *Conn { return NewConn(hostcall.FD(fd)) }
