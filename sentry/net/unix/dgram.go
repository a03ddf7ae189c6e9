package unix

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/bpf"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

func (s *Socket) sendPacket(c vfs.Caller, src *usermem.Sequence, m *socket.Message, cr socket.Creds) (int, error) {
	s.mu.Lock()
	peer, st := s.peer, s.state
	s.mu.Unlock()
	if s.typ == linux.SOCK_SEQPACKET {
		if err := s.TakeError(); err != nil {
			return 0, err
		}
		if st != connected {
			return 0, errno.ENOTCONN
		}
		m.Name = nil
	}
	if m.Name != nil {
		if err := checkAddr(m.Name); err != nil {
			return 0, err
		}
	}
	opts := s.Options()
	if opts.PassCred || opts.PassPidfd {
		if err := s.autobind(); err != nil {
			return 0, err
		}
	}
	size := src.Len()
	if size > uint64(max(opts.SndBuf-32, 0)) {
		return 0, errno.EMSGSIZE
	}
	if err := s.TakeError(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	shut := s.shut
	s.mu.Unlock()
	if shut&shutSend != 0 {
		return 0, errno.EPIPE
	}
	if s.wmem.Load() >= int64(opts.SndBuf) {
		return 0, errno.EAGAIN
	}
	msg := newMessage(int(size))
	whole := *src // a send that must wait is made again from the start
	if k, err := src.CopyIn(msg.buf[:size]); k < int(size) {
		msg.free()
		if err == nil {
			err = errno.EFAULT
		}
		return 0, err
	}
	msg.w, msg.owner, msg.charge, msg.creds = int(size), s, chargeOf(int(size), false), cr
	msg.stamp = c.Now()
	err := s.post(c, peer, m, msg)
	if err != nil {
		msg.files = nil
		msg.free()
		*src = whole
		return 0, err
	}
	return int(size), nil
}

// post finds the receiver of a datagram and puts it into its queue.
func (s *Socket) post(c vfs.Caller, peer *Socket, m *socket.Message, msg *message) error {
	for {
		other := peer
		if m.Name != nil {
			var err error
			if other, err = s.find(c, m.Name); err != nil {
				return err
			}
		} else if other == nil {
			return errno.ENOTCONN
		}
		other.mu.Lock()
		switch {
		case other.peer != nil && other.peer != s:
			other.mu.Unlock()
			return errno.EPERM
		case other.dead:
			other.mu.Unlock()
			if s.typ == linux.SOCK_SEQPACKET {
				return errno.EPIPE
			}
			if m.Name != nil {
				continue // It has gone since it was found.
			}
			s.mu.Lock()
			if s.peer == other {
				s.peer, s.state = nil, closed
			}
			s.mu.Unlock()
			s.disconnected(other)
			return errno.ECONNREFUSED
		case other.shut&shutRecv != 0:
			other.mu.Unlock()
			return errno.EPIPE
		case other != s && other.peer != s && other.queue.count > other.backlog:
			other.addWaiterLocked(s)
			other.mu.Unlock()
			return errno.EAGAIN
		}
		n, ok := other.Accepts(&bpf.Packet{Bytes: msg.buf[:msg.w]})
		if !ok { // The sender learns nothing, and keeps its files.
			other.mu.Unlock()
			msg.free()
			return nil
		}
		msg.w = n
		s.wmem.Add(msg.charge)
		s.fs.inflight.Add(int64(len(m.Files)))
		msg.files, m.Files = m.Files, nil
		other.queue.push(msg)
		other.mu.Unlock()
		other.Queue.Notify(readable)
		return nil
	}
}

func (s *Socket) recvPacket(dst *usermem.Sequence, m *socket.Message) (int, error) {
	s.mu.Lock()
	st := s.state
	s.mu.Unlock()
	if s.typ == linux.SOCK_SEQPACKET && st != connected {
		return 0, errno.ENOTCONN
	}
	if err := s.TakeError(); err != nil {
		return 0, err
	}
	opts := s.Options()
	peek := m.Flags&linux.MSG_PEEK != 0
	skip := 0
	if peek && opts.PeekOff > 0 {
		skip = int(opts.PeekOff)
	}
	s.recvMu.Lock()
	defer s.recvMu.Unlock()
	s.mu.Lock()
	msg := s.queue.head
	for msg != nil && skip > 0 && skip >= msg.len() {
		skip -= msg.len()
		msg = msg.next
	}
	if msg == nil {
		defer s.mu.Unlock()
		// Linux: a datagram socket that must not wait says EAGAIN even at its end.
		if s.shut&shutRecv != 0 && (s.typ == linux.SOCK_SEQPACKET || m.Flags&linux.MSG_DONTWAIT == 0) {
			return 0, nil
		}
		return 0, errno.EAGAIN
	}
	var waiters map[*Socket]struct{}
	if !peek {
		s.queue.pop()
		waiters = s.takeWaitersLocked()
	}
	s.mu.Unlock()
	notifyAll(waiters, writable)

	m.Name = msg.sender()
	size := msg.len() - skip
	n := int(min(dst.Len(), uint64(size)))
	if n < size {
		m.Out |= linux.MSG_TRUNC
	}
	k, err := dst.CopyOut(msg.buf[msg.r+skip : msg.r+skip+n])
	if k < n && err == nil {
		err = errno.EFAULT
	} else if k == n {
		err = nil
	}
	m.Stamp = msg.stamp
	m.Creds, m.HasCreds = msg.creds, opts.PassCred || opts.PassPidfd
	if peek {
		if err != nil {
			return 0, err
		}
		m.Files = dupFiles(msg.files)
		if opts.PeekOff >= 0 {
			s.Update(func(o *socket.Options) {
				if o.PeekOff >= 0 {
					o.PeekOff += int32(n)
				}
			})
		}
	} else {
		if opts.PeekOff > 0 {
			s.Update(func(o *socket.Options) { o.PeekOff = max(0, o.PeekOff-int32(msg.len())) })
		}
		if err == nil {
			s.fs.inflight.Add(-int64(len(msg.files)))
			m.Files, msg.files = msg.files, nil
		}
		s.discard(msg)
		if err != nil {
			return 0, err
		}
	}
	if m.Flags&linux.MSG_TRUNC != 0 {
		return size, nil
	}
	return n, nil
}
