package unix

import (
	"encoding/binary"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
)

// Listen implements socket.Socket.
func (s *Socket) Listen(c socket.Caller, backlog int32) error {
	if s.typ == linux.SOCK_DGRAM {
		return errno.EOPNOTSUPP
	}
	s.mu.Lock()
	if s.addr.Load() == nil || s.state == connected {
		s.mu.Unlock()
		return errno.EINVAL
	}
	if most := s.Net().Somaxconn(); backlog < 0 || backlog > most {
		backlog = most
	}
	s.backlog = int(backlog)
	s.state = listening
	s.peerCreds, s.hasCreds = socket.PeerCreds(c), true
	waiters := s.takeWaitersLocked()
	s.mu.Unlock()
	notifyAll(waiters, writable)
	return nil
}

// Connect implements socket.Socket. EAGAIN if the listener's backlog is full.
func (s *Socket) Connect(c socket.Caller, addr []byte, _ uint32) error {
	if s.typ == linux.SOCK_DGRAM {
		return s.connectDgram(c, addr)
	}
	if err := checkAddr(addr); err != nil {
		return err
	}
	if s.Options().PassCred {
		if err := s.autobind(); err != nil {
			return err
		}
	}
	for {
		other, err := s.find(c, addr)
		if err != nil {
			return err
		}
		again, err := s.connectTo(c, other)
		if !again {
			return err
		}
	}
}

// connectTo connects to a listener; again says that the listener has gone meanwhile.
func (s *Socket) connectTo(c socket.Caller, other *Socket) (again bool, err error) {
	e := s.fs.newSocket(s.ns, s.typ)
	lockPair(s, other)
	err = s.mayConnectLocked(other)
	if err != nil {
		gone := other.dead
		unlockPair(s, other)
		e.Close()
		return gone, err
	}
	e.mu.Lock() // the youngest of the three
	e.state, e.peer = connected, s
	e.peerCreds, e.hasCreds = socket.PeerCreds(c), true
	e.inherited = true
	e.addr.Store(other.addr.Load())
	e.mu.Unlock()
	s.state, s.peer = connected, e
	s.peerCreds, s.hasCreds = other.peerCreds, true
	other.pending = append(other.pending, e)
	unlockPair(s, other)
	other.Queue.Notify(readable)
	s.Queue.Notify(writable)
	return false, nil
}

func (s *Socket) mayConnectLocked(other *Socket) error {
	if other.dead || other.state != listening || other.shut&shutRecv != 0 {
		return errno.ECONNREFUSED
	}
	if len(other.pending) > other.backlog {
		other.addWaiterLocked(s)
		return errno.EAGAIN
	}
	switch s.state {
	case connected:
		return errno.EISCONN
	case listening:
		return errno.EINVAL
	}
	return nil
}

// Accept implements socket.Socket.
func (s *Socket) Accept(_ socket.Caller, nonblock bool) (socket.Socket, error) {
	if s.typ == linux.SOCK_DGRAM {
		return nil, errno.EOPNOTSUPP
	}
	s.mu.Lock()
	if s.state != listening {
		s.mu.Unlock()
		return nil, errno.EINVAL
	}
	if len(s.pending) == 0 {
		defer s.mu.Unlock()
		if s.shut&shutRecv != 0 && !nonblock {
			return nil, errno.EINVAL
		}
		return nil, errno.EAGAIN
	}
	e := s.pending[0]
	s.pending[0] = nil
	s.pending = s.pending[1:]
	if len(s.pending) == 0 {
		s.pending = nil
	}
	waiters := s.takeWaitersLocked()
	s.mu.Unlock()
	notifyAll(waiters, writable)
	return e, nil
}

// connectDgram sets the peer of a datagram socket; AF_UNSPEC takes it away.
func (s *Socket) connectDgram(c socket.Caller, addr []byte) error {
	if len(addr) < 2 {
		return errno.EINVAL
	}
	var other *Socket
	if binary.LittleEndian.Uint16(addr) != linux.AF_UNSPEC {
		if err := checkAddr(addr); err != nil {
			return err
		}
		if s.Options().PassCred {
			if err := s.autobind(); err != nil {
				return err
			}
		}
		var err error
		if other, err = s.find(c, addr); err != nil {
			return err
		}
		lockPair(s, other)
		if other.peer != nil && other.peer != s {
			unlockPair(s, other)
			return errno.EPERM
		}
	} else {
		s.mu.Lock()
		other = nil
	}
	old := s.peer
	s.peer = other
	s.state = closed
	if other != nil {
		s.state = connected
		if s != other {
			other.mu.Unlock()
		}
	}
	s.mu.Unlock()
	if old != nil && old != other {
		s.disconnected(old)
	}
	s.Queue.Notify(writable)
	return nil
}

// disconnected does what follows when a datagram socket loses its old peer: what came
// from it is dropped, and if it was connected back it gets an error.
func (s *Socket) disconnected(old *Socket) {
	s.recvMu.Lock()
	s.mu.Lock()
	q := s.queue
	s.queue = messageQueue{}
	waiters := s.takeWaitersLocked()
	s.mu.Unlock()
	s.recvMu.Unlock()
	if q.head != nil {
		old.mu.Lock()
		back := !old.dead && old.peer == s
		old.mu.Unlock()
		if back {
			old.SetError(errno.ECONNRESET)
			old.Queue.Notify(changed)
		}
	}
	for m := q.head; m != nil; {
		next := m.next
		s.discard(m)
		m = next
	}
	notifyAll(waiters, writable)
}
