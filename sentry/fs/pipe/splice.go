package pipe

import (
	"ringfence/abi/errno"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// splice(2), tee(2) and vmsplice(2). Bytes are copied; what a guest can tell of pages
// that move, it can tell from their bytes alone. None of these wait: they return EAGAIN
// and the caller waits on the queue of the pipe or the file that was not ready.

// fileSide is the other file of a splice, as source and sink of a ring.
type fileSide struct {
	c   vfs.Caller
	f   *vfs.File
	off *int64 // moved along, or nil for a file without a position
}

func (s *fileSide) fill(dst []byte) (int, error) {
	seq := usermem.FromBytes(dst)
	if s.off != nil {
		n, err := s.f.PRead(s.c, &seq, *s.off, 0)
		return s.moved(n, err)
	}
	return s.moved(s.f.Read(s.c, &seq, 0))
}

func (s *fileSide) take(src []byte) (int, error) {
	seq := usermem.FromBytes(src)
	if s.off != nil {
		n, err := s.f.PWrite(s.c, &seq, *s.off, 0)
		return s.moved(n, err)
	}
	return s.moved(s.f.Write(s.c, &seq, 0))
}

func (s *fileSide) moved(n int, err error) (int, error) {
	if n > 0 {
		err = nil // What was moved counts; the error comes again if it lasts.
	}
	if s.off != nil {
		*s.off += int64(n)
	}
	return n, err
}

// FillFrom moves up to n bytes from f into the pipe, once, and returns how many: 0 at the end of f.
// off is f's position and moves along; nil for files that have none. EAGAIN if the pipe
// is full (full is true then) or f has nothing yet.
func (p *Pipe) FillFrom(c vfs.Caller, f *vfs.File, off *int64, n int, packet bool) (moved int, full bool, err error) {
	p.mu.Lock()
	switch {
	case p.readers == 0:
		p.mu.Unlock()
		return 0, false, errno.EPIPE
	case p.ring.full():
		p.mu.Unlock()
		return 0, true, errno.EAGAIN
	}
	side := fileSide{c, f, off}
	moved, err = p.ring.append(n, packet, &side)
	p.mu.Unlock()
	if moved > 0 {
		p.notifyReaders(readable)
		return moved, false, nil
	}
	return 0, false, err
}

// DrainTo moves up to n bytes out of the pipe into f and returns how many: 0 if the pipe is
// empty and has no writers. EAGAIN if the pipe is empty (empty is true then) or f
// takes nothing.
func (p *Pipe) DrainTo(c vfs.Caller, f *vfs.File, off *int64, n int) (moved int, empty bool, err error) {
	p.mu.Lock()
	if p.ring.empty() {
		defer p.mu.Unlock()
		if p.writers == 0 {
			return 0, false, nil
		}
		return 0, true, errno.EAGAIN
	}
	wasFull := p.ring.full()
	side := fileSide{c, f, off}
	// What follows a packet is a message of its own to f, too.
	for moved < n && !p.ring.empty() {
		var m int
		m, err = p.ring.read(n-moved, &side)
		moved += m
		if err != nil || m == 0 {
			break
		}
	}
	tell := wasFull && !p.ring.full()
	p.mu.Unlock()
	if tell {
		p.notifyWriters(writable)
	}
	if moved > 0 {
		err = nil
	}
	return moved, false, err
}

// Blocked says which pipe of a Splice or Tee was not ready.
type Blocked int

const (
	NotBlocked Blocked = iota
	SourceEmpty
	TargetFull
)

// Splice moves up to n bytes from src to dst, as splice(2) does between two pipes.
// EINVAL if they are the same. EAGAIN comes with what to wait for.
func Splice(src, dst *Pipe, n int, packet bool) (int, Blocked, error) {
	return transfer(src, dst, n, packet, false)
}

// Tee copies up to n bytes from src to dst and leaves them in src.
func Tee(src, dst *Pipe, n int) (int, Blocked, error) {
	return transfer(src, dst, n, false, true)
}

func transfer(src, dst *Pipe, n int, packet, keep bool) (int, Blocked, error) {
	if src == dst {
		return 0, NotBlocked, errno.EINVAL
	}
	first, second := src, dst
	if dst.id < src.id {
		first, second = dst, src
	}
	first.mu.Lock()
	second.mu.Lock()
	done, blocked, err := transferLocked(src, dst, n, packet, keep)
	second.mu.Unlock()
	first.mu.Unlock()
	if done > 0 {
		dst.notifyReaders(readable)
		if !keep {
			src.notifyWriters(writable)
		}
	}
	return done, blocked, err
}

func transferLocked(src, dst *Pipe, n int, packet, keep bool) (int, Blocked, error) {
	switch {
	case dst.readers == 0:
		return 0, NotBlocked, errno.EPIPE
	case src.ring.empty() && src.writers == 0:
		return 0, NotBlocked, nil
	case src.ring.empty():
		return 0, SourceEmpty, errno.EAGAIN
	case dst.ring.full():
		return 0, TargetFull, errno.EAGAIN
	}
	done, slots := 0, 0
	for done < n && !dst.ring.full() {
		b, k := src.ring.run(slots, n-done)
		if k == 0 {
			break
		}
		isPacket := src.ring.slots[src.ring.index(slots)].packet
		m, err := dst.ring.append(len(b), packet || isPacket, &bytesSource{b})
		if err != nil {
			break // Impossible: bytes do not fail.
		}
		done += m
		if keep {
			slots += k
		} else {
			src.ring.consume(m, false)
		}
	}
	return done, NotBlocked, nil
}

// bytesSource is the source of bytes at hand.
type bytesSource struct{ b []byte }

func (s *bytesSource) fill(dst []byte) (int, error) {
	n := copy(dst, s.b)
	s.b = s.b[n:]
	return n, nil
}
