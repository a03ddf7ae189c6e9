package unix

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Send implements socket.Socket.
func (s *Socket) Send(c vfs.Caller, src *usermem.Sequence, m *socket.Message) (int, error) {
	if m.Flags&linux.MSG_OOB != 0 {
		return 0, errno.EOPNOTSUPP
	}
	cr := m.Creds
	if !m.HasCreds {
		cr = socket.CallerCreds(c)
	}
	if s.packets() {
		return s.sendPacket(c, src, m, cr)
	}
	return s.sendStream(c, src, m, cr)
}

// Recv implements socket.Socket.
func (s *Socket) Recv(c vfs.Caller, dst *usermem.Sequence, m *socket.Message) (int, error) {
	if m.Flags&linux.MSG_OOB != 0 {
		if s.packets() {
			return 0, errno.EOPNOTSUPP
		}
		return 0, errno.EINVAL // no urgent byte
	}
	if m.Flags&linux.MSG_ERRQUEUE != 0 {
		return 0, errno.EAGAIN
	}
	if s.packets() {
		return s.recvPacket(dst, m)
	}
	return s.recvStream(dst, m)
}

func (s *Socket) sendStream(c vfs.Caller, src *usermem.Sequence, m *socket.Message, cr socket.Creds) (int, error) {
	s.mu.Lock()
	peer, st, shut := s.peer, s.state, s.shut
	s.mu.Unlock()
	switch {
	case m.Name != nil && st == connected:
		return 0, errno.EISCONN
	case m.Name != nil:
		return 0, errno.EOPNOTSUPP
	case peer == nil:
		return 0, errno.ENOTCONN
	case shut&shutSend != 0:
		return 0, errno.EPIPE
	}
	limit := int64(s.Options().SndBuf)
	done := 0
	for {
		n := int(min(src.Len(), maxChunk, uint64(limit/2-64)))
		if n == 0 {
			return done, nil
		}
		if err := s.TakeError(); err != nil {
			return done, err
		}
		s.mu.Lock()
		shut = s.shut
		s.mu.Unlock()
		if shut&shutSend != 0 {
			return done, errno.EPIPE
		}
		if s.wmem.Load() >= limit {
			return done, errno.EAGAIN
		}
		msg := newMessage(n)
		k, err := src.CopyIn(msg.buf[:n])
		if k < n {
			// Linux drops the part that faults.
			msg.free()
			if err == nil {
				err = errno.EFAULT
			}
			return done, err
		}
		msg.w, msg.owner, msg.charge, msg.creds = n, s, chargeOf(n, true), cr
		if done == 0 {
			msg.files, m.Files = m.Files, nil
		}
		if err := s.deliver(peer, msg); err != nil {
			if done == 0 {
				m.Files, msg.files = msg.files, nil
			}
			msg.free()
			return done, err
		}
		done += n
	}
}

// deliver puts a message of a stream into the peer's queue. On error the message stays
// the caller's.
func (s *Socket) deliver(peer *Socket, msg *message) error {
	peer.mu.Lock()
	if peer.dead || peer.shut&shutRecv != 0 {
		peer.mu.Unlock()
		return errno.EPIPE
	}
	s.wmem.Add(msg.charge)
	s.fs.inflight.Add(int64(len(msg.files)))
	peer.queue.push(msg)
	peer.mu.Unlock()
	peer.Queue.Notify(readable)
	return nil
}

func (s *Socket) recvStream(dst *usermem.Sequence, m *socket.Message) (int, error) {
	s.mu.Lock()
	st := s.state
	s.mu.Unlock()
	if st != connected {
		return 0, errno.EINVAL
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
	s.mu.Unlock()
	done := 0
	want := int(min(dst.Len(), 0x7ffff000))
	for {
		s.mu.Lock()
		for msg != nil && skip >= msg.len() && msg.len() > 0 {
			skip -= msg.len()
			msg = msg.next
		}
		if msg == nil {
			err := s.emptyLocked(done)
			s.mu.Unlock()
			return done, err
		}
		from, to := msg.r+skip, msg.w
		s.mu.Unlock()

		if opts.PassCred || opts.PassPidfd {
			if m.HasCreds && !sameSender(&m.Creds, &msg.creds) {
				return done, nil // Bytes of two senders are never read as one.
			}
			m.Creds, m.HasCreds = msg.creds, true
		}
		if m.Name == nil {
			m.Name = msg.sender()
		}
		n := min(to-from, want-done)
		if k, err := dst.CopyOut(msg.buf[from : from+n]); k < n {
			if done > 0 {
				return done, nil
			}
			if err == nil {
				err = errno.EFAULT
			}
			return 0, err
		}
		done += n
		skip = 0
		if peek {
			if opts.PeekOff >= 0 {
				s.Update(func(o *socket.Options) {
					if o.PeekOff >= 0 {
						o.PeekOff += int32(n)
					}
				})
			}
			if len(msg.files) > 0 {
				m.Files = dupFiles(msg.files)
				return done, nil
			}
			if from+n < to || done == want {
				return done, nil
			}
			s.mu.Lock()
			msg = msg.next
			s.mu.Unlock()
			if msg == nil {
				return done, nil
			}
			continue
		}
		files := s.consume(msg, n)
		if opts.PeekOff > 0 {
			s.Update(func(o *socket.Options) { o.PeekOff = max(0, o.PeekOff-int32(n)) })
		}
		if files != nil {
			m.Files = files
			return done, nil
		}
		if done == want {
			return done, nil
		}
		s.mu.Lock()
		msg = s.queue.head
		s.mu.Unlock()
	}
}

// emptyLocked says how a receive ends that found nothing more, after done bytes. EAGAIN
// after some bytes is for MSG_WAITALL: there may be more.
func (s *Socket) emptyLocked(done int) error {
	if done > 0 {
		if s.HasError() || s.shut&shutRecv != 0 {
			return nil
		}
		return errno.EAGAIN
	}
	if err := s.TakeError(); err != nil {
		return err
	}
	if s.shut&shutRecv != 0 {
		return nil
	}
	return errno.EAGAIN
}

// consume drops n bytes of the first message and returns its files, which come with its first
// byte. Preconditions: recvMu.
func (s *Socket) consume(msg *message, n int) []*vfs.File {
	s.mu.Lock()
	msg.r += n
	s.queue.bytes -= n
	files := msg.files
	msg.files = nil
	last := msg.r == msg.w
	if last {
		s.queue.pop()
	}
	s.mu.Unlock()
	s.fs.inflight.Add(-int64(len(files)))
	if last {
		owner, charge := msg.owner, msg.charge
		msg.free()
		owner.uncharge(charge)
	}
	return files
}

// dupFiles returns the files with references of their own.
func dupFiles(files []*vfs.File) []*vfs.File {
	out := make([]*vfs.File, len(files))
	for i, f := range files {
		f.IncRef()
		out[i] = f
	}
	return out
}
