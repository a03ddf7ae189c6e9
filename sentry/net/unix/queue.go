package unix

import (
	"sync"

	"ringfence/sentry/net/socket"
	"ringfence/sentry/vfs"
)

// message is what one send, or a part of one on a stream, put into a queue. The bytes buf[r:w]
// are unread; readers, one at a time, move r.
type message struct {
	next  *message
	buf   []byte
	class int // index in classes, or -1
	r, w  int

	owner  *Socket // whose SO_SNDBUF it is charged to
	charge int64
	creds  socket.Creds
	files  []*vfs.File
	stamp  int64 // when it was sent, in nanoseconds since 1970
}

// classes are the capacities of pooled messages.
var classes = [...]int{192, 704, 1728, 3776, 7872, 16064, maxChunk}

var pools [len(classes)]sync.Pool

func init() {
	for i := range pools {
		size, class := classes[i], i
		pools[i].New = func() any { return &message{buf: make([]byte, size), class: class} }
	}
}

const (
	page = 4096
	// What Linux's socket buffers add to their bytes: struct sk_buff, struct skb_shared_info.
	bufferSize, infoSize = 256, 320
	// maxHead and maxLinear are what a buffer holds in one page, or in four, without more.
	maxHead, maxLinear = page - infoSize, 4*page - infoSize
	// maxChunk is the most bytes that one message of a stream holds.
	maxChunk = maxHead + 32768
)

// newMessage returns a message with room for n bytes.
func newMessage(n int) *message {
	for i, size := range classes {
		if n <= size {
			return pools[i].Get().(*message)
		}
	}
	return &message{buf: make([]byte, n), class: -1}
}

// chargeOf is what a message of n bytes costs its sender: as much as Linux's buffers take
// (skb->truesize), so that as much fits into a socket as there.
func chargeOf(n int, stream bool) int64 {
	paged := 0
	switch {
	case stream && n > maxHead:
		paged = min(n, (n-maxHead+page-1)&^(page-1))
	case !stream && n > maxLinear:
		paged = min((n-maxLinear+page-1)&^(page-1), 17*page)
	}
	linear := 512
	for linear < n-paged+infoSize {
		linear *= 2
	}
	return int64(linear + bufferSize + (paged+page-1)&^(page-1))
}

// sender returns the name of the sender, nil if it has none. As on Linux it is the name at the
// time of the receive.
func (m *message) sender() []byte {
	if a := m.owner.addr.Load(); a != nil {
		return a.name()
	}
	return nil
}

// len returns how many bytes are unread.
func (m *message) len() int { return m.w - m.r }

// free gives the memory back. The charge and the files are the caller's business.
func (m *message) free() {
	if m.class >= 0 {
		*m = message{buf: m.buf, class: m.class}
		pools[m.class].Put(m)
	}
}

// messageQueue is a list of messages. Guarded by the mu of the socket it belongs to.
type messageQueue struct {
	head, tail *message
	count      int
	bytes      int
}

func (q *messageQueue) push(m *message) {
	if q.tail != nil {
		q.tail.next = m
	} else {
		q.head = m
	}
	q.tail = m
	q.count++
	q.bytes += m.len()
}

// pop takes the first message off, with what it has left to read.
func (q *messageQueue) pop() *message {
	m := q.head
	q.head = m.next
	if q.head == nil {
		q.tail = nil
	}
	m.next = nil
	q.count--
	q.bytes -= m.len()
	return m
}

// sameSender reports whether two messages carry the same credentials.
func sameSender(a, b *socket.Creds) bool {
	return a.Process == b.Process && a.UID == b.UID && a.GID == b.GID
}
