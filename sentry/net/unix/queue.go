package unix

import (
	"sync"

	"ringfence/sentry/net/socket"
	"ringfence/sentry/vfs"
)

// message is what one send put into a queue; small sends on a stream may share one. The
// bytes buf[r:w] are unread. Readers, one at a time, move r; while the message is in
// a queue, only its sender moves w, under the receiver's mu.
type message struct {
	next  *message
	buf   []byte
	class int // index in classes, or -1
	r, w  int

	owner *Socket // whose SO_SNDBUF it is charged to
	creds socket.Creds
	from  *address // name of the sender
	files []*vfs.File
	stamp int64 // when it was sent, for SO_TIMESTAMP
}

// classes are the capacities of pooled messages, and what they cost a sender. They follow the
// sizes of Linux's socket buffers, so that as much fits as there.
var classes = [...]struct {
	size, charge int
}{
	{192, 768}, {704, 1280}, {1728, 2304}, {3776, 4352}, {7872, 8448}, {16064, 16640}, {32768, 33536},
}

var pools [len(classes)]sync.Pool

func init() {
	for i := range pools {
		size := classes[i].size
		class := i
		pools[i].New = func() any { return &message{buf: make([]byte, size), class: class} }
	}
}

// maxChunk is the most bytes that one message of a stream holds.
const maxChunk = 32768

// newMessage returns a message with room for n bytes.
func newMessage(n int) *message {
	for i := range classes {
		if n <= classes[i].size {
			return pools[i].Get().(*message)
		}
	}
	return &message{buf: make([]byte, n), class: -1}
}

// charge is what the message costs its sender.
func (m *message) charge() int64 {
	if m.class < 0 {
		return int64(len(m.buf)+4095)&^4095 + 576
	}
	return int64(classes[m.class].charge)
}

// len returns how many bytes are unread.
func (m *message) len() int { return m.w - m.r }

// free gives the memory back. The charge and the files are the caller's business.
func (m *message) free() {
	class, buf := m.class, m.buf
	*m = message{buf: buf, class: class}
	if class >= 0 {
		pools[class].Put(m)
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
