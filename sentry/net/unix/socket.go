package unix

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/landlock"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/vfs"
)

// FS is what all unix sockets of a kernel share.
type FS struct {
	v *vfs.VFS

	mu    sync.Mutex
	bound map[*vfs.Inode]*Socket // sockets bound to files
	all   map[*Socket]struct{}   // all that are not closed

	gcMu     sync.Mutex
	inflight atomic.Int64 // files in queues

	dropMu     sync.Mutex
	dropping   []*vfs.File // to be dropped, by whom set dropActive
	dropActive bool
}

// NewFS returns the FS of v.
func NewFS(v *vfs.VFS) *FS {
	return &FS{v: v, bound: make(map[*vfs.Inode]*Socket), all: make(map[*Socket]struct{})}
}

// state is how far a socket is connected.
type state uint8

const (
	closed state = iota
	listening
	connected
)

// Directions of a shutdown, as bits.
const (
	shutRecv = 1
	shutSend = 2
	shutBoth = 3
)

// Socket is a unix socket.
type Socket struct {
	socket.Base
	fs  *FS
	ns  *Namespace
	typ int32
	id  uint64 // orders the locks of two sockets

	// wmem is what the socket's messages in the queues of others are charged.
	wmem atomic.Int64

	// domain is what who made it was bound by: its abstract name is found only by those who reach that. Immutable.
	domain *landlock.Domain

	// recvMu serializes readers.
	recvMu sync.Mutex

	// addr is the name, nil before bind; set once, under mu.
	addr atomic.Pointer[address]

	mu        sync.Mutex
	state     state
	shut      uint8
	dead      bool
	inherited bool    // addr is the listener's
	peer      *Socket // a dead peer stays, as on Linux
	peerCreds socket.Creds
	hasCreds  bool
	queue     messageQueue
	// backlog is the most connections that wait, less one, or the most datagrams.
	backlog int
	pending []*Socket // connections that wait to be accepted
	// waiters wait for room in queue or pending; they are notified once. At pruneAt of
	// them, those that are closed are forgotten.
	waiters map[*Socket]struct{}
	pruneAt int

	gone atomic.Bool // dead, for those who do not hold mu
}

var lastID atomic.Uint64

// New returns a socket of a type; ESOCKTNOSUPPORT, EPROTONOSUPPORT for what AF_UNIX does not have.
func (fs *FS) New(c vfs.Caller, ns *Namespace, typ, protocol int32) (*Socket, error) {
	if protocol != 0 && protocol != linux.AF_UNIX {
		return nil, errno.EPROTONOSUPPORT
	}
	switch typ {
	case linux.SOCK_STREAM, linux.SOCK_DGRAM, linux.SOCK_SEQPACKET:
	case linux.SOCK_RAW: // BSD compatibility, says Linux
		typ = linux.SOCK_DGRAM
	default:
		return nil, errno.ESOCKTNOSUPPORT
	}
	s := fs.newSocket(ns, typ)
	s.domain = c.Creds().Landlock
	return s, nil
}

func (fs *FS) newSocket(ns *Namespace, typ int32) *Socket {
	s := &Socket{fs: fs, ns: ns, typ: typ, id: lastID.Add(1)}
	s.Init(ns.net)
	s.backlog = int(ns.net.Number("unix/max_dgram_qlen", 10))
	fs.mu.Lock()
	fs.all[s] = struct{}{}
	fs.mu.Unlock()
	return s
}

// NewPair is socketpair(2).
func (fs *FS) NewPair(c vfs.Caller, ns *Namespace, typ, protocol int32) (a, b *Socket, err error) {
	if a, err = fs.New(c, ns, typ, protocol); err != nil {
		return nil, nil, err
	}
	b, _ = fs.New(c, ns, typ, protocol)
	cr := socket.PeerCreds(c)
	lockPair(a, b)
	defer unlockPair(a, b)
	a.peer, b.peer = b, a
	a.state, b.state = connected, connected
	a.peerCreds, b.peerCreds = cr, cr
	a.hasCreds, b.hasCreds = true, true
	return a, b, nil
}

// Kind implements socket.Socket.
func (s *Socket) Kind() (family, typ, protocol int32) { return linux.AF_UNIX, s.typ, 0 }

// packets reports whether messages keep their bounds.
func (s *Socket) packets() bool { return s.typ != linux.SOCK_STREAM }

// lockPair locks two sockets; they may be the same.
func lockPair(a, b *Socket) {
	switch {
	case a == b:
		a.mu.Lock()
	case a.id < b.id:
		a.mu.Lock()
		b.mu.Lock()
	default:
		b.mu.Lock()
		a.mu.Lock()
	}
}

func unlockPair(a, b *Socket) {
	a.mu.Unlock()
	if a != b {
		b.mu.Unlock()
	}
}

// Conditions that waiters are told of.
const (
	readable = wait.In | wait.RdNorm
	writable = wait.Out | wait.WrNorm | wait.WrBand
	changed  = readable | writable | wait.RdHup | wait.Hup
)

// Close implements socket.Socket.
func (s *Socket) Close() {
	s.fs.mu.Lock()
	delete(s.fs.all, s)
	s.fs.mu.Unlock()

	s.recvMu.Lock()
	s.mu.Lock()
	s.dead = true
	s.gone.Store(true)
	s.shut = shutBoth
	s.state = closed
	path := s.unbindLocked()
	peer := s.peer
	s.peer = nil
	queue := s.queue
	s.queue = messageQueue{}
	pending := s.pending
	s.pending = nil
	waiters := s.takeWaitersLocked()
	s.mu.Unlock()
	s.recvMu.Unlock()

	if peer != nil && s.typ != linux.SOCK_DGRAM {
		peer.hangUp(queue.bytes > 0)
	} else if peer != nil {
		peer.forget(s)
	}
	for _, p := range pending {
		p.refuse()
	}
	for m := queue.head; m != nil; {
		next := m.next
		s.discard(m)
		m = next
	}
	notifyAll(waiters, writable|wait.Err|wait.Hup)
	path.DecRef()
	s.fs.collect()
}

// hangUp tells a connected socket that its peer has gone; reset says that it left data unread.
func (s *Socket) hangUp(reset bool) {
	s.mu.Lock()
	s.shut = shutBoth
	s.mu.Unlock()
	if reset {
		s.SetError(errno.ECONNRESET)
	}
	s.Queue.Notify(changed | wait.Err)
}

// forget takes a datagram socket that has gone off the lists of s.
func (s *Socket) forget(gone *Socket) {
	s.mu.Lock()
	delete(s.waiters, gone)
	s.mu.Unlock()
}

// refuse ends a connection that nobody accepted: its client is reset.
func (s *Socket) refuse() {
	s.mu.Lock()
	peer := s.peer
	s.mu.Unlock()
	if peer != nil {
		peer.hangUp(true)
	}
	s.Close()
}

// discard frees a message unread. No lock may be held: files may be released.
func (s *Socket) discard(m *message) {
	owner, charge, files := m.owner, m.charge, m.files
	m.files = nil
	m.free()
	owner.uncharge(charge)
	s.fs.drop(files)
}

// uncharge returns room to a sender and wakes it when there is enough again.
func (s *Socket) uncharge(n int64) {
	limit := int64(s.Options().SndBuf)
	now := s.wmem.Add(-n)
	if roomy(now, limit) && !roomy(now+n, limit) {
		s.Queue.Notify(writable)
	}
}

// roomy reports whether a socket with wmem bytes in flight polls as writable: a quarter of
// SO_SNDBUF is not used. The 1 is Linux's own (sk_wmem_alloc).
func roomy(wmem, sndBuf int64) bool { return (wmem+1)*4 <= sndBuf }

// takeWaitersLocked empties the list of those who wait for room.
func (s *Socket) takeWaitersLocked() map[*Socket]struct{} {
	w := s.waiters
	s.waiters = nil
	return w
}

func (s *Socket) addWaiterLocked(w *Socket) {
	if s.waiters == nil {
		s.waiters = make(map[*Socket]struct{})
		s.pruneAt = 64
	}
	if len(s.waiters) >= s.pruneAt {
		for w := range s.waiters {
			if w.gone.Load() {
				delete(s.waiters, w)
			}
		}
		s.pruneAt = 2*len(s.waiters) + 64
	}
	s.waiters[w] = struct{}{}
}

func notifyAll(waiters map[*Socket]struct{}, m wait.Mask) {
	for w := range waiters {
		w.Queue.Notify(m)
	}
}

// Shutdown implements socket.Socket. An unconnected socket may be shut down, too.
func (s *Socket) Shutdown(how int32) error {
	if how < linux.SHUT_RD || how > linux.SHUT_RDWR {
		return errno.EINVAL
	}
	bits := uint8(how + 1)
	s.mu.Lock()
	s.shut |= bits
	peer := s.peer
	waiters := s.takeWaitersLocked()
	s.mu.Unlock()
	if peer != nil && s.typ != linux.SOCK_DGRAM {
		var theirs uint8
		if bits&shutRecv != 0 {
			theirs |= shutSend
		}
		if bits&shutSend != 0 {
			theirs |= shutRecv
		}
		peer.mu.Lock()
		peer.shut |= theirs
		peer.mu.Unlock()
		peer.Queue.Notify(changed)
	}
	s.Queue.Notify(changed)
	notifyAll(waiters, writable)
	return nil
}

// Readiness implements socket.Socket, as unix_poll and unix_dgram_poll do in Linux.
func (s *Socket) Readiness() wait.Mask {
	var m wait.Mask
	if s.HasError() {
		m |= wait.Err
	}
	s.mu.Lock()
	shut, st, peer := s.shut, s.state, s.peer
	if s.queue.head != nil || len(s.pending) > 0 {
		m |= readable
	}
	s.mu.Unlock()
	if shut == shutBoth {
		m |= wait.Hup
	}
	if shut&shutRecv != 0 {
		m |= wait.RdHup | readable
	}
	if s.typ != linux.SOCK_DGRAM && st == closed {
		m |= wait.Hup
	}
	if st == listening || !roomy(s.wmem.Load(), int64(s.Options().SndBuf)) {
		return m
	}
	if s.packets() && peer != nil && peer != s && peer.fullFor(s) {
		return m
	}
	return m | writable
}

// fullFor reports whether s, the peer of sender, has no room for its datagrams, and if so
// notes that sender waits.
func (s *Socket) fullFor(sender *Socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead || s.peer == sender || s.queue.count <= s.backlog {
		return false
	}
	s.addWaiterLocked(sender)
	return true
}

// LocalName implements socket.Socket.
func (s *Socket) LocalName() ([]byte, error) {
	return s.addr.Load().name(), nil
}

// PeerName implements socket.Socket.
func (s *Socket) PeerName() ([]byte, error) {
	s.mu.Lock()
	peer := s.peer
	s.mu.Unlock()
	if peer == nil {
		return nil, errno.ENOTCONN
	}
	return peer.LocalName()
}
