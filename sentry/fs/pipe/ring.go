package pipe

import (
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/usermem"
)

// page is the unit in which a pipe holds bytes. What a guest can see of that - how much fits,
// when a pipe is full, that PIPE_BUF bytes are written whole - follows from it.
const page = linux.PIPE_BUF

// slot describes the bytes in one page of a ring.
type slot struct {
	off, len uint16
	packet   bool // written with O_DIRECT: read alone, never added to
}

// ring is the bytes in a pipe. Slot i lies in page i of buf, so that a run of full
// slots is one slice, and big transfers are one copy. buf is taken from a pool
// with the first byte and given back with the last: pipes in turn use the same
// memory, which is in the cache. Not safe for concurrent use.
type ring struct {
	slots []slot // a power of two
	head  int    // first slot in use
	used  int    // how many are
	bytes int
	buf   *buffer // nil if empty; has len(slots) pages or, if only slot 0 was ever used, one
}

type buffer struct{ b []byte }

var (
	smallPool = sync.Pool{New: func() any { return &buffer{make([]byte, page)} }}
	largePool = sync.Pool{New: func() any { return &buffer{make([]byte, DefaultSize)} }}
)

func newBuffer(n int) *buffer {
	switch n {
	case page:
		return smallPool.Get().(*buffer)
	case DefaultSize:
		return largePool.Get().(*buffer)
	}
	return &buffer{make([]byte, n)}
}

func (b *buffer) free() {
	switch len(b.b) {
	case page:
		smallPool.Put(b)
	case DefaultSize:
		largePool.Put(b)
	}
}

func (r *ring) size() int   { return len(r.slots) * page }
func (r *ring) empty() bool { return r.used == 0 }
func (r *ring) full() bool  { return r.used == len(r.slots) }

// room returns how many bytes fit new slots.
func (r *ring) room() int { return (len(r.slots) - r.used) * page }

// index returns the place of the nth slot in use.
func (r *ring) index(n int) int { return (r.head + n) & (len(r.slots) - 1) }

// need makes buf hold n slots from head on.
func (r *ring) need(n int) {
	whole := r.size()
	if r.buf == nil {
		if n == 1 && r.head == 0 {
			whole = page
		}
		r.buf = newBuffer(whole)
		return
	}
	if len(r.buf.b) == whole || n == 1 && r.head == 0 {
		return
	}
	b := newBuffer(whole)
	copy(b.b, r.buf.b)
	r.buf.free()
	r.buf = b
}

// reset forgets the buffer of an empty ring.
func (r *ring) reset() {
	if r.buf != nil {
		r.buf.free()
	}
	r.buf, r.head, r.used, r.bytes = nil, 0, 0, 0
}

// source fills dst and returns how much; less than len(dst) means that there is no
// more or that it failed.
type source interface {
	fill(dst []byte) (int, error)
}

// sink takes src and returns how much; less than len(src) means that it failed or wants no more.
type sink interface {
	take(src []byte) (int, error)
}

// memory is the source and sink of read(2) and write(2).
type memory struct{ s *usermem.Sequence }

func (m memory) fill(dst []byte) (int, error) { return m.s.CopyIn(dst) }
func (m memory) take(src []byte) (int, error) { return m.s.CopyOut(src) }

// merge adds to the last slot if all of n bytes fit there, and reports whether
// it did. Linux does so for the part of a write that fills no page.
func (r *ring) merge(n int, from source) (bool, error) {
	if r.used == 0 || n == 0 {
		return false, nil
	}
	i := r.index(r.used - 1)
	s := &r.slots[i]
	end := int(s.off) + int(s.len)
	if s.packet || end+n > page {
		return false, nil
	}
	at := i*page + end
	m, err := from.fill(r.buf.b[at : at+n])
	if m < n {
		// Nothing was added: Linux drops a part that faults.
		return false, orFault(err)
	}
	s.len += uint16(n)
	r.bytes += n
	return true, nil
}

// append adds up to n bytes in new slots and returns how many. It keeps whole pages and
// the end of what was asked for, but no page that came short for an error.
func (r *ring) append(n int, packet bool, from source) (int, error) {
	n = min(n, r.room())
	total := 0
	for n > 0 {
		pages := (n + page - 1) / page
		r.need(r.used + pages)
		first := r.index(r.used)
		want := min(n, len(r.buf.b)-first*page)
		m, err := from.fill(r.buf.b[first*page : first*page+want])
		kept := m
		if m < want && err != nil {
			kept = m &^ (page - 1)
		}
		for at := 0; at < kept; at += page {
			r.slots[first+at/page] = slot{0, uint16(min(page, kept-at)), packet}
			r.used++
		}
		r.bytes += kept
		total += kept
		n -= kept
		if m < want {
			if r.used == 0 {
				r.reset()
			}
			return total, err
		}
	}
	return total, nil
}

// run returns the bytes at the front as far as they lie side by side, at most n, of
// slots from the nth on; slots is how many slots that touches. A packet stands alone.
func (r *ring) run(from, n int) (b []byte, slots int) {
	if from >= r.used {
		return nil, 0
	}
	i := r.index(from)
	s := r.slots[i]
	start, end := i*page+int(s.off), i*page+int(s.off)+int(s.len)
	slots = 1
	for !s.packet && end == (i+1)*page && end-start < n && from+slots < r.used && i+1 < len(r.slots) {
		i++
		s = r.slots[i]
		if s.packet || s.off != 0 {
			break
		}
		end += int(s.len)
		slots++
	}
	return r.buf.b[start:min(end, start+n)], slots
}

// consume drops n bytes at the front, and with packet the rest of the first slot.
func (r *ring) consume(n int, packet bool) {
	for n > 0 || packet {
		s := &r.slots[r.head]
		m := min(n, int(s.len))
		if packet {
			r.bytes -= int(s.len) - m
			s.len = uint16(m)
			packet = false
		}
		s.off += uint16(m)
		s.len -= uint16(m)
		r.bytes -= m
		n -= m
		if s.len == 0 {
			r.head = r.index(1)
			r.used--
		}
	}
	if r.used == 0 {
		r.reset()
	}
}

// read moves up to n bytes out through to, as read(2) does: a packet ends it.
func (r *ring) read(n int, to sink) (int, error) {
	total := 0
	for n > 0 && r.used > 0 {
		packet := r.slots[r.head].packet
		b, _ := r.run(0, n)
		m, err := to.take(b)
		total += m
		n -= m
		if m < len(b) {
			r.consume(m, false)
			return total, orFault(err)
		}
		r.consume(m, packet)
		if packet {
			break
		}
	}
	return total, nil
}

// resize changes the number of slots; EBUSY if more are in use.
func (r *ring) resize(slots int) error {
	if slots < r.used {
		return errno.EBUSY
	}
	old := *r
	*r = ring{slots: make([]slot, slots)}
	if old.used == 0 {
		old.reset()
		return nil
	}
	r.need(max(old.used, 2))
	for i := range old.used {
		j := old.index(i)
		r.slots[i] = old.slots[j]
		copy(r.buf.b[i*page:(i+1)*page], old.buf.b[j*page:])
	}
	r.used, r.bytes = old.used, old.bytes
	old.buf.free()
	return nil
}

// orFault returns err, or EFAULT for what stopped without saying why.
func orFault(err error) error {
	if err == nil {
		return errno.EFAULT
	}
	return err
}
