package tty

// byteQueue is a first-in first-out queue of bytes. The zero value is empty.
type byteQueue struct {
	buf  []byte
	head int // first byte in use
}

func (q *byteQueue) len() int { return len(q.buf) - q.head }

func (q *byteQueue) bytes() []byte { return q.buf[q.head:] }

func (q *byteQueue) push(b []byte) {
	if q.head > 0 && len(q.buf)+len(b) > cap(q.buf) {
		n := copy(q.buf, q.buf[q.head:])
		q.buf, q.head = q.buf[:n], 0
	}
	q.buf = append(q.buf, b...)
}

func (q *byteQueue) pushByte(c byte) {
	if q.head > 0 && len(q.buf) == cap(q.buf) {
		n := copy(q.buf, q.buf[q.head:])
		q.buf, q.head = q.buf[:n], 0
	}
	q.buf = append(q.buf, c)
}

// drop removes the first n bytes.
func (q *byteQueue) drop(n int) {
	q.head += n
	if q.head == len(q.buf) {
		q.buf, q.head = q.buf[:0], 0
		if cap(q.buf) > 16<<10 {
			q.buf = nil
		}
	}
}

// truncate keeps the first n bytes at most.
func (q *byteQueue) truncate(n int) {
	if q.len() > n {
		q.buf = q.buf[:q.head+n]
	}
}

func (q *byteQueue) clear() { q.drop(q.len()) }
