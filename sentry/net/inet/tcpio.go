package inet

import (
	"math"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Send implements socket.Socket. An address is ignored, as by Linux, but for MSG_FASTOPEN.
func (t *TCP) Send(c vfs.Caller, src *usermem.Sequence, m *socket.Message) (int, error) {
	if m.Flags&linux.MSG_FASTOPEN != 0 {
		if err := t.connectToSend(c, m); err != nil {
			return 0, err
		}
	}
	urgent := m.Flags&linux.MSG_OOB != 0
	size := src.Len()
	t.mu.Lock()
	st, shut, in, out, peer := t.state, t.shut, t.in, t.out, t.peer
	t.mu.Unlock()
	switch {
	case st == connecting:
		return 0, errno.EAGAIN
	case st != connected || shut&shutSend != 0 || t.HasError():
		if err := t.TakeError(); err != nil {
			return 0, err
		}
		if st == connected && shut&shutSend == 0 {
			break
		}
		return 0, errno.EPIPE
	}
	if src.Len() > 0 && peer.deaf() {
		src.Skip(src.Len())
		peer.wasReset(errno.ECONNRESET, in)
		t.wasReset(errno.EPIPE, out)
		return int(size), nil
	}
	var h how
	if urgent {
		h = how{urgent: true, inline: peer.Options().OOBInline}
	}
	var n int
	var err error
	if t.st.tapped() || src.MaySleep() {
		n, err = t.writeShown(in, out, src, h, c.Now())
	} else {
		n, err = out.write(src, h)
	}
	if err == errno.EPIPE {
		// The peer has closed: what is sent is answered by a reset, which the next call
		// will meet.
		n += int(src.Len())
		src.Skip(src.Len())
		t.wasReset(errno.EPIPE, out)
		return n, nil
	}
	if n > 0 {
		peer.Queue.Notify(readable)
	}
	if n > 0 && urgent {
		if f, _ := peer.File(); f != nil {
			f.SignalOwner(int32(linux.SIGURG), wait.Pri)
		}
		peer.Queue.Notify(wait.Pri)
	}
	return n, err
}

// connectToSend connects to where a message with MSG_FASTOPEN goes.
func (t *TCP) connectToSend(c vfs.Caller, m *socket.Message) error {
	sc, ok := c.(socket.Caller)
	if f, err := familyOf(m.Name); !ok || err == nil && f == linux.AF_UNSPEC {
		return errno.EOPNOTSUPP
	}
	var flags uint32
	if m.Flags&linux.MSG_DONTWAIT != 0 {
		flags = linux.O_NONBLOCK
	}
	err := t.Connect(sc, m.Name, flags)
	if err == nil {
		m.Flags &^= linux.MSG_FASTOPEN // the rest is sent as ever
	}
	return err
}

// deaf reports whether both directions were shut down here: what arrives then is answered by
// a reset (RFC 1122, 4.2.2.13).
func (t *TCP) deaf() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shut == shutBoth && !t.done && !t.dead
}

// Recv implements socket.Socket.
func (t *TCP) Recv(_ vfs.Caller, dst *usermem.Sequence, m *socket.Message) (int, error) {
	n, tell, err := t.recv(dst, m)
	if tell != nil && (n > 0 || err == nil) {
		left, fin := tell.left()
		if fin {
			left++ // there is something to learn yet
		}
		m.Control = []socket.ControlMessage{{Level: linux.SOL_TCP, Type: linux.TCP_CM_INQ, Data: socket.Int(int32(left))}}
	}
	return n, err
}

// recv is Recv. tell is the stream of which the program wants to know how much is left (TCP_INQ), if any.
func (t *TCP) recv(dst *usermem.Sequence, m *socket.Message) (n int, tell *stream, err error) {
	if m.Flags&linux.MSG_ERRQUEUE != 0 {
		return 0, nil, errno.EAGAIN
	}
	if m.Flags&linux.MSG_OOB != 0 {
		n, err = t.recvUrgent(dst, m)
		return n, nil, err
	}
	t.mu.Lock()
	st, shut, in, peer, done := t.state, t.shut, t.in, t.peer, t.done
	if t.opts.inq {
		tell = in
	}
	t.mu.Unlock()
	switch {
	case st == connecting:
		return 0, nil, errno.EAGAIN
	case st == closed && (done || shut&shutRecv != 0):
		if err := t.TakeError(); err != nil {
			return 0, tell, err
		}
		return 0, tell, nil
	case st != connected:
		return 0, tell, errno.ENOTCONN
	}
	n, more, wake, err := in.readAside(dst, how{
		peek:   m.Flags&linux.MSG_PEEK != 0,
		drop:   m.Flags&linux.MSG_TRUNC != 0,
		inline: t.Options().OOBInline,
	})
	if wake {
		peer.Queue.Notify(writable)
	}
	switch {
	case err != nil && n > 0:
		return n, tell, nil
	case err != nil:
		return 0, tell, err
	case n > 0:
		if more && !done && shut&shutRecv == 0 && dst.Len() > 0 {
			return n, tell, errno.EAGAIN // for MSG_WAITALL
		}
		return n, tell, nil
	case dst.Len() == 0 && in.length() > 0:
		return 0, tell, nil // Without bytes, Linux waits even for none.
	case !more:
		return 0, tell, nil
	}
	if err := t.TakeError(); err != nil {
		return 0, tell, err
	}
	if done || shut&shutRecv != 0 {
		return 0, tell, nil
	}
	return 0, tell, errno.EAGAIN
}

// Readiness implements socket.Socket, as tcp_poll does in Linux.
func (t *TCP) Readiness() wait.Mask {
	t.mu.Lock()
	st, shut, in, out, done, pending := t.state, t.shut, t.in, t.out, t.done, len(t.pending)
	t.mu.Unlock()
	var m wait.Mask
	if st == listening {
		if pending > 0 {
			m = readable
		}
		return m
	}
	if t.HasError() {
		m |= wait.Err
	}
	if st == connecting {
		return m
	}
	var bytes, fin, roomy bool
	if in != nil && st == connected {
		bytes, fin, _ = in.state()
		_, _, roomy = out.state()
	}
	if fin {
		shut |= shutRecv
	}
	if done {
		shut = shutBoth
	}
	if shut == shutBoth || st == closed {
		m |= wait.Hup
	}
	if shut&shutRecv != 0 {
		m |= readable | wait.RdHup
	}
	if bytes {
		o := t.Options()
		_, unread, before := in.urgency(o.OOBInline)
		want := int(o.RcvLowat)
		if before == 0 && want < math.MaxInt32 {
			want++ // behind the mark
		}
		if in.length() >= want {
			m |= readable
		}
		if unread {
			m |= wait.Pri
		}
	}
	if roomy || shut&shutSend != 0 || st == closed {
		m |= writable
	}
	return m
}
