package unix

import (
	"cmp"
	"slices"

	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
)

// sockets returns the sockets of ns, the oldest first.
func (fs *FS) sockets(ns *Namespace) []*Socket {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var all []*Socket
	for s := range fs.all {
		if s.ns == ns {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *Socket) int { return cmp.Compare(a.id, b.id) })
	return all
}

// States describes the sockets of ns, but for those that nobody accepted yet.
func (fs *FS) States(ns *Namespace) []socket.UnixState {
	var states []socket.UnixState
	for _, s := range fs.sockets(ns) {
		if _, inode := s.File(); inode != 0 {
			states = append(states, s.describe(inode))
		}
	}
	return states
}

func (s *Socket) describe(inode uint64) socket.UnixState {
	u := socket.UnixState{Type: uint8(s.typ), State: linux.TCP_CLOSE, Inode: inode, Options: s.Options()}
	if f, _ := s.File(); f != nil {
		u.UID = f.Inode().Attr().UID
	}
	if a := s.addr.Load(); a != nil {
		u.Name = a.raw[pathOffset:]
		if a.path.Ok() {
			n := a.path.Inode()
			u.FileInode = n.Ino()
			u.FileDevice = linux.Major(uint32(n.SB.Dev))<<20 | linux.Minor(uint32(n.SB.Dev))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u.Shut = s.shut
	if s.peer != nil {
		u.HasPeer = true
		_, u.Peer = s.peer.File()
	}
	switch s.state {
	case connected:
		u.State = linux.TCP_ESTABLISHED
	case listening:
		u.State = linux.TCP_LISTEN
		u.Recv, u.Send = uint32(len(s.pending)), uint32(s.backlog)
		for _, e := range s.pending {
			e.mu.Lock()
			if e.peer != nil {
				_, client := e.peer.File()
				u.Pending = append(u.Pending, client)
			}
			e.mu.Unlock()
		}
		return u
	}
	u.Recv, u.Send = uint32(s.queue.bytes), uint32(s.wmem.Load())
	return u
}
