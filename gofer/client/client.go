// Package client is the sentry's side of gofer/wire: one method a message, with typed
// arguments. Errors are bare errno.Errno values; when the gofer is gone or breaks the
// protocol, every call is EIO and Gone is told.
//
// A call takes a connection of its own for as long as it lasts, so that calls of
// several tasks go on side by side.
//
// Lock order: Client.mu is a leaf.
package client

import (
	"fmt"
	"sync"

	"ringfence/abi/errno"
	"ringfence/gofer/wire"
	"ringfence/platform/hostcall"
)

// numConns is how many calls can be under way.
const numConns = 8

// closeBatch is how many handles are collected before they are given back.
const closeBatch = 256

// Client talks to one gofer. Safe for concurrent use.
type Client struct {
	mounts int // immutable after New

	mu      sync.Mutex
	idle    []*conn       // guarded by mu
	waiting *sync.Cond    // for idle; uses mu
	dead    bool          // guarded by mu
	closing []wire.Handle // to be given back; guarded by mu
	onGone  Gone          // guarded by mu
	holder  Holder        // guarded by mu
}

// Holder can give up handles that it keeps only to be quicker.
type Holder interface {
	// ReleaseHandles calls CloseHandle for them. It is called during a call that found the gofer,
	// or this process, out of descriptors.
	ReleaseHandles()
}

// Gone is told, once, that the gofer can't be reached any more.
type Gone interface {
	GoferGone(err error)
}

// conn is a connection and its buffers, of whoever took it.
type conn struct {
	fd  hostcall.FD
	tag uint16
	out []byte
	in  []byte
}

// New greets the gofer on its first connection, which the client then owns.
func New(fd hostcall.FD) (*Client, error) {
	c := &Client{idle: []*conn{newConn(fd)}}
	c.waiting = sync.NewCond(&c.mu)
	var hello wire.HelloReply
	if err := c.call(wire.KindHello, &wire.HelloRequest{Version: wire.Version}, &hello); err != nil {
		return nil, fmt.Errorf("greet gofer: %w", err)
	}
	c.mounts = int(hello.Mounts)
	return c, nil
}

func newConn(fd hostcall.FD) *conn {
	return &conn{fd: fd, out: make([]byte, 0, 4096), in: make([]byte, wire.MaxPacket)}
}

// Mounts returns how many mounts the gofer serves.
func (c *Client) Mounts() int { return c.mounts }

// OnGone sets who is told that the gofer is gone.
func (c *Client) OnGone(g Gone) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onGone = g
}

// SetHolder sets who is asked to give up handles.
func (c *Client) SetHolder(h Holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holder = h
}

// release makes room for descriptors, and reports whether it is worth trying again.
func (c *Client) release() bool {
	c.mu.Lock()
	h := c.holder
	c.mu.Unlock()
	if h == nil {
		return false
	}
	h.ReleaseHandles()
	c.Flush()
	return true
}

// Close ends the idle connections; calls under way fail with EIO.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onGone = nil
	c.endLocked()
}

// endLocked drops the idle connections for good. Needs mu.
func (c *Client) endLocked() {
	c.dead = true
	for _, k := range c.idle {
		hostcall.Close(k.fd)
	}
	c.idle = nil
	c.waiting.Broadcast()
}

// fail ends the client because the gofer is gone or talks nonsense.
func (c *Client) fail(k *conn, why error) {
	hostcall.Close(k.fd)
	c.mu.Lock()
	first := !c.dead
	gone := c.onGone
	c.endLocked()
	c.mu.Unlock()
	if first && gone != nil {
		gone.GoferGone(why)
	}
}

// take returns an idle connection, the one used last, or waits for one.
func (c *Client) take() (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.idle) == 0 && !c.dead {
		c.waiting.Wait()
	}
	if c.dead {
		return nil, errno.EIO
	}
	n := len(c.idle)
	k := c.idle[n-1]
	c.idle = c.idle[:n-1]
	return k, nil
}

func (c *Client) put(k *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		hostcall.Close(k.fd)
		return
	}
	c.idle = append(c.idle, k)
	c.waiting.Signal()
}

// call makes one request that brings no descriptor.
func (c *Client) call(kind wire.Kind, req, reply wire.Body) error {
	_, err := c.callFD(kind, req, reply)
	return err
}

// callFD makes one request, once more if there was no room for descriptors.
func (c *Client) callFD(kind wire.Kind, req, reply wire.Body) (hostcall.FD, error) {
	fd, err := c.callOnce(kind, req, reply)
	if (err == errno.ENFILE || err == errno.EMFILE) && c.release() {
		fd, err = c.callOnce(kind, req, reply)
	}
	return fd, err
}

func (c *Client) callOnce(kind wire.Kind, req, reply wire.Body) (hostcall.FD, error) {
	k, err := c.take()
	if err != nil {
		return hostcall.NoFD, err
	}
	fd, err := k.exchange(kind, req, reply)
	if b, broken := err.(brokenError); broken {
		c.fail(k, b)
		return hostcall.NoFD, errno.EIO
	}
	c.put(k)
	return fd, err
}

// brokenError is the end of a connection.
type brokenError struct {
	kind wire.Kind
	why  error
}

func (b brokenError) Error() string { return fmt.Sprintf("gofer, %v: %v", b.kind, b.why) }
func (b brokenError) Unwrap() error { return b.why }

// exchange sends one request and receives its reply. The error is the gofer's
// errno.Errno, EINVAL or ENAMETOOLONG if the request has no valid form, or a brokenError.
func (k *conn) exchange(kind wire.Kind, req, reply wire.Body) (hostcall.FD, error) {
	m := wire.Messages[kind]
	k.tag++
	h := wire.Header{Kind: kind, Tag: k.tag, CPU: uint16(hostcall.Getcpu())}
	e := wire.NewEncoder(k.out)
	h.Encode(&e)
	req.Encode(&e)
	packet, ok := e.Bytes()
	k.out = packet
	if !ok || len(packet) > m.MaxRequest {
		return hostcall.NoFD, errno.ENAMETOOLONG
	}
	if _, err := hostcall.Sendmsg(k.fd, packet, nil, 0); err != nil {
		return hostcall.NoFD, brokenError{kind, err}
	}
	n, fds, flags, err := hostcall.Recvmsg(k.fd, k.in, m.ReplyFDs, 0)
	if err != nil {
		return hostcall.NoFD, brokenError{kind, err}
	}
	fd := hostcall.NoFD
	if len(fds) == 1 {
		fd = fds[0]
	}
	fail := func(err error) (hostcall.FD, error) {
		if fd != hostcall.NoFD {
			hostcall.Close(fd)
		}
		return hostcall.NoFD, err
	}
	if n == 0 {
		return fail(brokenError{kind, errno.ECONNRESET})
	}
	d := wire.NewDecoder(k.in[:n])
	var got wire.Header
	got.Decode(&d)
	if d.Bad() || flags&hostcall.MSG_TRUNC != 0 || got.Kind != kind || got.Tag != h.Tag {
		return fail(brokenError{kind, wire.ErrMalformed})
	}
	if got.Errno != 0 {
		return fail(errno.Errno(got.Errno))
	}
	if flags&hostcall.MSG_CTRUNC != 0 && m.ReplyFDs > 0 && len(fds) == 0 {
		// This process has no room for the descriptor, and the host dropped it.
		return hostcall.NoFD, errno.ENFILE
	}
	if len(fds) != m.ReplyFDs || n > m.MaxReply {
		return fail(brokenError{kind, wire.ErrMalformed})
	}
	reply.Decode(&d)
	if err := d.Done(); err != nil {
		return fail(brokenError{kind, err})
	}
	return fd, nil
}
