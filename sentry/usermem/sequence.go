package usermem

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
)

// Sequence is a list of ranges of guest memory, consumed from the front as bytes
// are moved. The zero value is empty. A Sequence may instead stand for a byte slice
// of the sentry (FromBytes), so that kernel code reads and writes files the same way.
//
// A Sequence belongs to one goroutine.
type Sequence struct {
	io    IO
	first addr.Range   // the range under way
	rest  []addr.Range // what follows
	buf   []byte       // instead of the above, if io is nil
	word  [8]byte      // on its way in or out
}

// Single returns the sequence of the one range r in m.
func Single(m IO, r addr.Range) Sequence { return Sequence{io: m, first: r} }

// Multi returns the sequence of ranges in m. It keeps ranges.
func Multi(m IO, ranges []addr.Range) Sequence {
	if len(ranges) == 0 {
		return Sequence{}
	}
	return Sequence{io: m, first: ranges[0], rest: ranges[1:]}
}

// FromBytes returns the sequence that reads or fills b.
func FromBytes(b []byte) Sequence { return Sequence{buf: b} }

// Through makes the ranges be accessed through m, another IO for the same memory.
func (s *Sequence) Through(m IO) {
	if s.io != nil {
		s.io = m
	}
}

// MaySleep reports whether moving bytes may take as long as some program likes (userfaultfd(2)): not with a lock held that
// those need who have nothing to do with that.
func (s *Sequence) MaySleep() bool {
	m, ok := s.io.(interface{ MaySleep() bool })
	return ok && m.MaySleep()
}

// Len returns how many bytes are left.
func (s *Sequence) Len() uint64 {
	if s.io == nil {
		return uint64(len(s.buf))
	}
	n := s.first.Len()
	for _, r := range s.rest {
		n += r.Len()
	}
	return n
}

// Limit cuts the sequence off after n bytes.
func (s *Sequence) Limit(n uint64) {
	if s.io == nil {
		s.buf = s.buf[:min(n, uint64(len(s.buf)))]
		return
	}
	if l := s.first.Len(); n <= l {
		s.first.End = s.first.Start + addr.Addr(n)
		s.rest = nil
		return
	} else {
		n -= l
	}
	for i, r := range s.rest {
		if l := r.Len(); n <= l {
			rest := append([]addr.Range(nil), s.rest[:i+1]...)
			rest[i].End = r.Start + addr.Addr(n)
			s.rest = rest
			return
		} else {
			n -= l
		}
	}
}

// Skip drops the first n bytes.
func (s *Sequence) Skip(n uint64) {
	if s.io == nil {
		s.buf = s.buf[min(n, uint64(len(s.buf))):]
		return
	}
	for {
		l := s.first.Len()
		if n < l {
			s.first.Start += addr.Addr(n)
			return
		}
		n -= l
		s.first.Start = s.first.End
		if len(s.rest) == 0 {
			return
		}
		s.first, s.rest = s.rest[0], s.rest[1:]
	}
}

// CopyOut writes src to the front of the sequence and drops what it wrote. It
// writes less than all of src if the sequence ends (no error) or memory faults.
func (s *Sequence) CopyOut(src []byte) (int, error) {
	return s.each(uint64(len(src)), func(r addr.Range, done int) (int, error) {
		return s.io.CopyOut(r.Start, src[done:done+int(r.Len())])
	}, func(b []byte) int { return copy(b, src) })
}

// CopyIn reads from the front of the sequence into dst, as CopyOut writes.
func (s *Sequence) CopyIn(dst []byte) (int, error) {
	return s.each(uint64(len(dst)), func(r addr.Range, done int) (int, error) {
		return s.io.CopyIn(r.Start, dst[done:done+int(r.Len())])
	}, func(b []byte) int { return copy(dst, b) })
}

// CopyOutUint64 and CopyInUint64 move a little-endian word, or EFAULT.
func (s *Sequence) CopyOutUint64(v uint64) error {
	binary.LittleEndian.PutUint64(s.word[:], v)
	_, err := s.CopyOut(s.word[:])
	return err
}

func (s *Sequence) CopyInUint64() (uint64, error) {
	_, err := s.CopyIn(s.word[:])
	return binary.LittleEndian.Uint64(s.word[:]), err
}

// ZeroOut writes n zero bytes, as CopyOut writes.
func (s *Sequence) ZeroOut(n uint64) (int, error) {
	return s.each(n, func(r addr.Range, _ int) (int, error) {
		m, err := s.io.ZeroOut(r.Start, r.Len())
		return int(m), err
	}, func(b []byte) int {
		b = b[:min(n, uint64(len(b)))]
		clear(b)
		return len(b)
	})
}

// Fill lets fn store up to n bytes at the front of the sequence through slices of
// the sentry's mapping (see IO.Blocks), until fn stores less than it was offered.
func (s *Sequence) Fill(n uint64, fn func(dst [][]byte) (int, error)) (int, error) {
	return s.blocks(n, true, fn)
}

// Drain lets fn take up to n bytes from the front of the sequence, as Fill does.
func (s *Sequence) Drain(n uint64, fn func(src [][]byte) (int, error)) (int, error) {
	return s.blocks(n, false, fn)
}

func (s *Sequence) blocks(n uint64, write bool, fn func([][]byte) (int, error)) (int, error) {
	if s.io == nil {
		b := s.buf[:min(n, uint64(len(s.buf)))]
		m, err := fn([][]byte{b})
		s.Skip(uint64(m))
		return m, err
	}
	total := 0
	for n > 0 {
		r := s.front(n)
		if r.Empty() {
			break
		}
		m, lent, err := s.io.Blocks(r, write, fn)
		s.Skip(uint64(m))
		total += m
		n -= uint64(m)
		if err != nil || m < lent {
			if total > 0 && err == errno.EFAULT {
				err = nil
			}
			return total, err
		}
	}
	return total, nil
}

// front returns the first non-empty range, at most n bytes of it.
func (s *Sequence) front(n uint64) addr.Range {
	for s.first.Empty() && len(s.rest) > 0 {
		s.first, s.rest = s.rest[0], s.rest[1:]
	}
	r := s.first
	if r.Len() > n {
		r.End = r.Start + addr.Addr(n)
	}
	return r
}

func (s *Sequence) each(n uint64, mem func(r addr.Range, done int) (int, error), local func([]byte) int) (int, error) {
	if s.io == nil {
		m := local(s.buf)
		s.buf = s.buf[m:]
		return m, nil
	}
	done := 0
	for n > 0 {
		r := s.front(n)
		if r.Empty() {
			break
		}
		m, err := mem(r, done)
		s.Skip(uint64(m))
		done += m
		n -= uint64(m)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
