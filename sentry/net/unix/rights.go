package unix

import (
	"ringfence/sentry/net/socket"
	"ringfence/sentry/vfs"
)

// InFlight returns how many files are in queues, for the limit of sendmsg(2).
func (fs *FS) InFlight() int64 { return fs.inflight.Load() }

// drop drops files that were in a queue. A socket among them may hold files in turn, and
// so on: they are put on a list, so that no chain of them is as deep as the guest likes.
func (fs *FS) drop(files []*vfs.File) {
	if len(files) == 0 {
		return
	}
	fs.inflight.Add(-int64(len(files)))
	fs.dropMu.Lock()
	fs.dropping = append(fs.dropping, files...)
	if fs.dropActive {
		fs.dropMu.Unlock()
		return
	}
	fs.dropActive = true
	for len(fs.dropping) > 0 {
		last := len(fs.dropping) - 1
		f := fs.dropping[last]
		fs.dropping[last] = nil
		fs.dropping = fs.dropping[:last]
		fs.dropMu.Unlock()
		f.DecRef()
		fs.dropMu.Lock()
	}
	fs.dropping, fs.dropActive = nil, false
	fs.dropMu.Unlock()
}

// collect frees sockets in flight that nobody can receive: those to which only files in
// the queues of each other refer. Linux calls it unix_gc. It runs when a socket is closed
// while files are in flight.
//
// A socket is live if its file has references other than from queues, or if it lies in the
// queue or backlog of a live socket. Queues change while they are looked at, one by
// one, so a verdict is looked at once more: what is garbage does not change any more.
func (fs *FS) collect() {
	if fs.inflight.Load() == 0 || !fs.gcMu.TryLock() {
		return
	}
	defer fs.gcMu.Unlock()
	fs.mu.Lock()
	all := make([]*Socket, 0, len(fs.all))
	for s := range fs.all {
		all = append(all, s)
	}
	fs.mu.Unlock()
	dead := unreachable(all)
	if len(dead) == 0 || len(unreachable(dead)) != len(dead) {
		return
	}
	var files []*vfs.File
	for _, s := range dead {
		s.mu.Lock()
		for m := s.queue.head; m != nil; m = m.next {
			files = append(files, m.files...)
			m.files = nil
		}
		s.mu.Unlock()
	}
	fs.drop(files)
}

// node is a socket as collect sees it.
type node struct {
	inQueues int64     // references from queues and backlogs
	holds    []*Socket // sockets in its own
	live     bool
}

// unreachable returns those of all to which only queues and backlogs of each other refer.
func unreachable(all []*Socket) []*Socket {
	nodes := make(map[*Socket]*node, len(all))
	for _, s := range all {
		nodes[s] = &node{holds: s.holds()}
	}
	for _, n := range nodes {
		for _, o := range n.holds {
			if k := nodes[o]; k != nil {
				k.inQueues++
			}
		}
	}
	var work []*node
	for s, n := range nodes {
		if s.references() != n.inQueues || n.inQueues == 0 {
			n.live = true
			work = append(work, n)
		}
	}
	for len(work) > 0 {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		for _, o := range n.holds {
			if k := nodes[o]; k != nil && !k.live {
				k.live = true
				work = append(work, k)
			}
		}
	}
	var out []*Socket
	for s, n := range nodes {
		if !n.live {
			out = append(out, s)
		}
	}
	return out
}

// holds returns the sockets in the queue and the backlog.
func (s *Socket) holds() []*Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Socket
	for m := s.queue.head; m != nil; m = m.next {
		for _, f := range m.files {
			if o, ok := socket.Of(f).(*Socket); ok {
				out = append(out, o)
			}
		}
	}
	return append(out, s.pending...)
}

// references returns how many references the socket has. One that waits to be accepted has
// its listener's.
func (s *Socket) references() int64 {
	f, _ := s.File()
	if f == nil {
		return 1
	}
	return f.Refs()
}
