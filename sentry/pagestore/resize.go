package pagestore

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Truncate sets the length of the file, and drops the pages behind it from all
// mappings, private copies too (ftruncate(2)). EPERM if a seal forbids it.
func (s *Store) Truncate(n uint64) error {
	if n > MaxSize {
		return errno.EFBIG
	}
	s.mu.Lock()
	if n < s.size && s.seals&linux.F_SEAL_SHRINK != 0 || n > s.size && s.seals&linux.F_SEAL_GROW != 0 {
		s.mu.Unlock()
		return errno.EPERM
	}
	old := s.size
	s.size = n
	if n >= old {
		// What mappings wrote behind the old end must not appear.
		s.zeroLocked(old, min(n, roundUp(old)))
		s.mu.Unlock()
		return nil
	}
	s.zeroLocked(n, roundUp(n))
	gone := s.cutLocked(roundUp(n), MaxSize)
	calls := s.mappings.Places(roundUp(n), MaxSize)
	s.mu.Unlock()
	s.invalidate(calls, true)
	s.drop(gone)
	return nil
}

// PunchHole zeroes [off, off+n) and frees the whole pages in it; the length stays.
func (s *Store) PunchHole(off, n uint64) error {
	end := off + n
	if end < off || end > MaxSize {
		end = MaxSize
	}
	s.mu.Lock()
	if s.seals&(linux.F_SEAL_WRITE|linux.F_SEAL_FUTURE_WRITE) != 0 {
		s.mu.Unlock()
		return errno.EPERM
	}
	first, last := roundUp(off), addr.PageRoundDown(end)
	if first > last { // within one page
		s.zeroLocked(off, end)
		s.mu.Unlock()
		return nil
	}
	s.zeroLocked(off, first)
	s.zeroLocked(last, end)
	gone := s.cutLocked(first, last)
	calls := s.mappings.Places(first, last)
	s.mu.Unlock()
	s.invalidate(calls, false)
	s.drop(gone)
	return nil
}

// Allocate fills the holes of [off, off+n) with zero pages and makes the file that
// long, unless keepSize (fallocate(2)). What it promises must fit into memory, touched or
// not: ENOSPC otherwise.
func (s *Store) Allocate(off, n uint64, keepSize bool) error {
	end := off + n
	if end < off || end > MaxSize {
		return errno.EFBIG
	}
	s.mu.RLock()
	size, seals := s.size, s.seals
	s.mu.RUnlock()
	if end > size && !keepSize && seals&linux.F_SEAL_GROW != 0 {
		return errno.EPERM
	}
	for at := addr.PageRoundDown(off); at < end; {
		s.mu.RLock()
		e, ok := s.pages.Next(at)
		s.mu.RUnlock()
		if ok && e.Start <= at {
			at = e.End
			continue
		}
		length := min(roundUp(end)-at, step)
		if ok {
			length = min(length, e.Start-at)
		}
		if s.mf.Frames()+length > s.mf.Limit() {
			return errno.ENOSPC
		}
		frames, got, err := s.allocate(length, 0, false)
		if err != nil {
			if err == errno.ENOMEM {
				err = errno.ENOSPC
			}
			return err
		}
		b, err := s.mf.Bytes(frames, got, true)
		if err != nil {
			s.free(frames, got)
			return err
		}
		s.install(at, frames, b, 0, 0)
		at += got
	}
	if !keepSize {
		s.grow(end)
	}
	return nil
}

// Seek returns the first data, or with hole the first hole, at or behind off
// (SEEK_DATA, SEEK_HOLE of lseek(2)). ENXIO if there is none before the end.
func (s *Store) Seek(off uint64, hole bool) (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if off >= s.size {
		return 0, errno.ENXIO
	}
	e, ok := s.pages.Next(off)
	if !hole {
		if !ok || e.Start >= s.size {
			return 0, errno.ENXIO
		}
		return max(off, e.Start), nil
	}
	for ok && e.Start <= off {
		off = e.End
		e, ok = s.pages.Next(off)
	}
	return min(off, s.size), nil
}

// zeroLocked clears the bytes of [start, end), within one page, that are no hole.
// Preconditions: mu is held for writing.
func (s *Store) zeroLocked(start, end uint64) {
	if start >= end {
		return
	}
	if e, ok := s.pages.Find(start); ok {
		if b, err := s.mf.Bytes(e.OffAt(start), end-start, true); err == nil {
			clear(b)
		}
	}
}

// Seals returns the seals of the file (F_GET_SEALS of fcntl(2)).
func (s *Store) Seals() uint32 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.seals
}

// SetSeals replaces the seals: F_SEAL_SEAL for files that can't be sealed.
func (s *Store) SetSeals(seals uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seals = seals
}

// AddSeals adds seals (F_ADD_SEALS of fcntl(2)). EPERM if F_SEAL_SEAL is set, EBUSY for F_SEAL_WRITE
// while a shared writable mapping exists.
func (s *Store) AddSeals(seals uint32) error {
	const all = linux.F_SEAL_SEAL | linux.F_SEAL_SHRINK | linux.F_SEAL_GROW | linux.F_SEAL_WRITE |
		linux.F_SEAL_FUTURE_WRITE | linux.F_SEAL_EXEC
	if seals&^all != 0 {
		return errno.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seals&linux.F_SEAL_SEAL != 0 {
		return errno.EPERM
	}
	if seals&linux.F_SEAL_WRITE != 0 && s.seals&linux.F_SEAL_WRITE == 0 {
		if s.mappings.Writable() {
			return errno.EBUSY
		}
	}
	s.seals |= seals
	return nil
}

func roundUp(n uint64) uint64 { return (n + addr.PageMask) &^ addr.PageMask }
