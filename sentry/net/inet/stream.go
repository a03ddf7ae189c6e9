package inet

import (
	"sync"

	"ringfence/abi/errno"
	"ringfence/sentry/usermem"
)

// chunkSize is the unit in which a stream holds bytes.
const chunkSize = 32 << 10

// chunk is a piece of a stream: b[r:w] is unread.
type chunk struct {
	next *chunk
	r, w int
	b    [chunkSize]byte
}

var chunkPool = sync.Pool{New: func() any { return new(chunk) }}

// stream is one direction of a connection.
type stream struct {
	mu         sync.Mutex
	head, tail *chunk
	size       int
	read0      uint64 // place in the stream of the first unread byte
	urgent     urgent
	limit      int  // most bytes on the way
	fin        bool // the writer is done
	gone       bool // nobody reads any more: what is written meets a reset
}

// write adds bytes and returns how many. EAGAIN if there is no room for more, EPIPE if nobody reads.
func (s *stream) write(src *usermem.Sequence, h how) (done int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done, err = s.writeLocked(src); h.urgent && done > 0 {
		s.noteUrgentLocked(done, h.inline)
	}
	return done, err
}

// writeLocked is write without the rest. Preconditions: mu is held.
func (s *stream) writeLocked(src *usermem.Sequence) (done int, err error) {
	for src.Len() > 0 {
		if s.gone {
			return done, errno.EPIPE
		}
		room := s.limit - s.size
		if room <= 0 {
			return done, errno.EAGAIN
		}
		c := s.tail
		if c == nil || c.w == chunkSize {
			n := chunkPool.Get().(*chunk)
			n.next, n.r, n.w = nil, 0, 0
			if c == nil {
				s.head = n
			} else {
				c.next = n
			}
			s.tail = n
			c = n
		}
		k := int(min(uint64(min(room, chunkSize-c.w)), src.Len()))
		n, err := src.CopyIn(c.b[c.w : c.w+k])
		c.w += n
		s.size += n
		done += n
		if n < k {
			s.trimLocked()
			if err == nil {
				err = errno.EFAULT
			}
			return done, err
		}
	}
	return done, nil
}

// totalLocked is how many bytes were ever written, as sequence numbers count.
func (s *stream) totalLocked() uint32 { return uint32(s.read0) + uint32(s.size) }

// trimLocked drops empty chunks at the front.
func (s *stream) trimLocked() {
	for c := s.head; c != nil && c.r == c.w; c = s.head {
		s.head = c.next
		if s.head == nil {
			s.tail = nil
		}
		chunkPool.Put(c)
	}
}

// how is what a read does with the bytes, and a write.
type how struct {
	peek   bool // leave them
	drop   bool // forget them (MSG_TRUNC)
	urgent bool // the last one is urgent data
	inline bool // the reader takes urgent data like any other (SO_OOBINLINE)
}

// read moves bytes to dst. more says that the stream may yet bring bytes; wake that a writer who
// had no room has some again.
func (s *stream) read(dst *usermem.Sequence, h how) (n int, more, wake bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tight := !s.roomyLocked()
	pos, from := s.read0, 0 // of the next byte: in the stream, and in c behind c.r
	for c := s.head; c != nil && dst.Len() > 0; {
		k, skip, stop := s.untilUrgentLocked(pos, int(min(uint64(c.w-c.r-from), dst.Len())), n, h.inline)
		if stop {
			break
		}
		m := k
		switch {
		case skip:
			k, m = 1, 1
		case h.drop:
			dst.Skip(uint64(k))
		default:
			m, err = dst.CopyOut(c.b[c.r+from : c.r+from+k])
		}
		if !skip {
			n += m
		}
		pos += uint64(m)
		if h.peek {
			if from += m; c.r+from == c.w {
				c, from = c.next, 0
			}
		} else {
			c.r += m
			s.size -= m
			s.read0 = pos
			s.trimLocked()
			c = s.head
			if s.urgent.on && s.urgent.at < pos {
				s.urgent.on = false
			}
		}
		if m < k {
			if err == nil {
				err = errno.EFAULT
			}
			break
		}
	}
	return n, !s.fin && !s.gone, tight && s.roomyLocked(), err
}

// readAside is read, but where dst may sleep bytes move while nothing is locked that the peer needs.
func (s *stream) readAside(dst *usermem.Sequence, h how) (n int, more, wake bool, err error) {
	if h.drop || !dst.MaySleep() {
		return s.read(dst, h)
	}
	buf := make([]byte, min(dst.Len(), uint64(s.length())))
	piece := usermem.FromBytes(buf)
	n, more, _, _ = s.read(&piece, how{peek: true, inline: h.inline})
	n, err = dst.CopyOut(buf[:n])
	if h.peek || n == 0 {
		return n, more, false, err
	}
	piece = usermem.FromBytes(buf[:n])
	_, more, wake, _ = s.read(&piece, how{drop: true, inline: h.inline})
	return n, more, wake, err
}

// roomyLocked reports whether a writer polls as writable: a third of the limit is free.
func (s *stream) roomyLocked() bool { return s.size <= s.limit/3*2 }

// length returns how many bytes wait to be read.
func (s *stream) length() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// count returns how many bytes were written, with one for the end, and whether that has come.
func (s *stream) count() (n uint32, fin bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fin {
		return s.totalLocked() + 1, true
	}
	return s.totalLocked(), false
}

// left returns how many bytes wait to be read, and whether no more will come.
func (s *stream) left() (n int, fin bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.fin
}

// finish says that the writer is done, and reports whether that was known.
func (s *stream) finish() (again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	again, s.fin = s.fin, true
	return again
}

// abandon says that nobody reads any more and drops what is there. It reports whether that was
// something.
func (s *stream) abandon() (unread bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	unread = s.size > 0
	for c := s.head; c != nil; {
		next := c.next
		chunkPool.Put(c)
		c = next
	}
	s.read0 += uint64(s.size)
	s.head, s.tail, s.size = nil, nil, 0
	return unread
}

// state is what poll(2) wants to know.
func (s *stream) state() (readable, fin, roomy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size > 0, s.fin, s.roomyLocked()
}
