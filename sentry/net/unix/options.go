package unix

import (
	"encoding/binary"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// SetOption implements socket.Socket. unix sockets have no options of their own.
func (s *Socket) SetOption(c socket.Caller, level, name int32, value []byte) error {
	if level != linux.SOL_SOCKET {
		return errno.EOPNOTSUPP
	}
	switch name {
	case linux.SO_PEEK_OFF:
		if len(value) < 4 {
			return errno.EINVAL
		}
		off := int32(binary.LittleEndian.Uint32(value))
		s.Update(func(o *socket.Options) { o.PeekOff = max(off, -1) })
		return nil
	case linux.SO_REUSEPORT:
		// Linux has it for inet sockets alone.
		if len(value) < 4 {
			return errno.EINVAL
		}
		if binary.LittleEndian.Uint32(value) != 0 {
			return errno.EOPNOTSUPP
		}
		return nil
	case linux.SO_ZEROCOPY, linux.SO_BINDTODEVICE:
		return errno.EOPNOTSUPP
	}
	return s.Base.SetOption(c, name, value)
}

// Option implements socket.Socket.
func (s *Socket) Option(c socket.Caller, level, name int32, room int) ([]byte, error) {
	if level != linux.SOL_SOCKET {
		return nil, errno.EOPNOTSUPP
	}
	switch name {
	case linux.SO_ACCEPTCONN:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.state == listening {
			return socket.Int(1), nil
		}
		return socket.Int(0), nil
	case linux.SO_PEERCRED:
		s.mu.Lock()
		cr, ok := s.peerCreds, s.hasCreds
		s.mu.Unlock()
		v := make([]byte, 12)
		u := Ucred(c, &cr)
		if !ok { // pid 0 and ids that are none
			u = linux.Ucred{PID: 0, UID: ^uint32(0), GID: ^uint32(0)}
		}
		u.MarshalBytes(v)
		return v, nil
	case linux.SO_PEERGROUPS:
		s.mu.Lock()
		cr, ok := s.peerCreds, s.hasCreds
		s.mu.Unlock()
		if !ok {
			return nil, errno.ENODATA
		}
		v := make([]byte, 0, 4*len(cr.Groups))
		for _, g := range cr.Groups {
			v = binary.LittleEndian.AppendUint32(v, c.Creds().UserNS.ShowGID(g))
		}
		return v, nil // the caller reports ERANGE if it does not fit
	case linux.SO_PEERSEC:
		return nil, errno.ENOPROTOOPT
	case linux.SO_PEERNAME:
		return s.PeerName()
	}
	return s.Base.Option(s, name)
}

// PeerProcess returns whom SO_PEERPIDFD is about; ENODATA if there is none.
func (s *Socket) PeerProcess() (socket.Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasCreds || s.peerCreds.Process == nil {
		return nil, errno.ENODATA
	}
	return s.peerCreds.Process, nil
}

// Ucred returns credentials as c sees them.
func Ucred(c socket.Caller, cr *socket.Creds) linux.Ucred {
	ns := c.Creds().UserNS
	u := linux.Ucred{UID: ns.ShowUID(cr.UID), GID: ns.ShowGID(cr.GID)}
	if cr.Process != nil {
		u.PID = cr.Process.NumberFor(c)
	}
	return u
}

// Ioctl implements socket.Socket.
func (s *Socket) Ioctl(_ vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	var n int
	switch cmd {
	case linux.SIOCINQ:
		s.mu.Lock()
		if s.state == listening {
			s.mu.Unlock()
			return 0, errno.EINVAL
		}
		n = s.queue.bytes
		if s.typ == linux.SOCK_DGRAM {
			if n = 0; s.queue.head != nil {
				n = s.queue.head.len()
			}
		}
		s.mu.Unlock()
	case linux.SIOCOUTQ:
		s.mu.Lock()
		st := s.state
		s.mu.Unlock()
		if st == listening {
			return 0, errno.EINVAL
		}
		n = int(s.wmem.Load())
	case linux.SIOCATMARK:
		n = 0
	default:
		return 0, errno.ENOTTY
	}
	_, err := m.CopyOut(arg.Addr(), socket.Int(int32(n)))
	return 0, err
}
