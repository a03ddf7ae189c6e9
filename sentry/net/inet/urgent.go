package inet

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
)

// Urgent data (tcp(7), RFC 6093): the last byte of what is sent with MSG_OOB. It stands in the stream, but a
// read stops before it and then leaves it out; it is read by MSG_OOB. With SO_OOBINLINE a read
// stops there too, and goes on with it.

// urgent is the urgent byte of a stream, of which there is one at most.
type urgent struct {
	on   bool   // there is one, which has not been passed
	at   uint64 // its place in the stream
	b    byte
	read bool // by MSG_OOB
}

// noteUrgentLocked makes the last one of n bytes that were just written the urgent one. An older one becomes like
// any other; but if it is the next that would be read, it is lost, as on Linux. Preconditions: mu is held.
func (s *stream) noteUrgentLocked(n int, inline bool) {
	if s.urgent.on && s.urgent.at == s.read0 && !inline && s.size > n {
		s.head.r++
		s.size--
		s.read0++
		s.trimLocked()
	}
	s.urgent = urgent{on: true, at: s.read0 + uint64(s.size) - 1, b: s.tail.b[s.tail.w-1]}
}

// untilUrgentLocked says how many of the next k bytes at pos, of which done were read already, are read next.
// skip says that the next is left out, stop that the read ends here.
func (s *stream) untilUrgentLocked(pos uint64, k, done int, inline bool) (n int, skip, stop bool) {
	u := &s.urgent
	if !u.on || u.at < pos || u.at-pos >= uint64(k) {
		return k, false, false
	}
	if before := int(u.at - pos); before > 0 {
		return before, false, false
	}
	if done > 0 {
		return 0, false, true
	}
	return k, !inline, false
}

// takeUrgent reads the urgent byte. EINVAL if there is none, or it was read.
func (s *stream) takeUrgent(peek, inline bool) (byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &s.urgent
	if !u.on || u.read || inline {
		return 0, errno.EINVAL
	}
	u.read = !peek
	return u.b, nil
}

// urgency says whether the reader is at the mark, whether there is urgent data to read, and how many bytes
// an ordinary read can bring before the mark.
func (s *stream) urgency(inline bool) (atMark, unread bool, before int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &s.urgent
	if !u.on {
		return false, false, s.size
	}
	before = int(u.at - s.read0)
	if inline {
		before = s.size
	}
	return u.at == s.read0, !u.read, before
}

// recvUrgent is Recv with MSG_OOB.
func (t *TCP) recvUrgent(dst *usermem.Sequence, m *socket.Message) (int, error) {
	t.mu.Lock()
	st, in := t.state, t.in
	t.mu.Unlock()
	if in == nil || st != connected {
		if st == closed && in == nil {
			return 0, errno.EINVAL
		}
		return 0, errno.ENOTCONN
	}
	b, err := in.takeUrgent(m.Flags&linux.MSG_PEEK != 0, t.Options().OOBInline)
	if err != nil {
		return 0, err
	}
	m.Out |= linux.MSG_OOB
	if dst.Len() == 0 {
		m.Out |= linux.MSG_TRUNC
		return 0, nil
	}
	if m.Flags&linux.MSG_TRUNC != 0 {
		return 1, nil
	}
	return dst.CopyOut([]byte{b})
}
