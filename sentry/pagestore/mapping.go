package pagestore

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/span"
	"ringfence/sentry/mappable"
)

var _ mappable.Mappable = (*Store)(nil)

// Translate implements mappable.Mappable. Holes are filled, as Linux's shmem does.
// EFAULT beyond the last page, ENOSPC or ENOMEM when there is no room.
func (s *Store) Translate(off, n, hint uint64, write bool) (mappable.Pages, error) {
	s.mu.RLock()
	end := roundUp(s.size)
	if off >= end {
		s.mu.RUnlock()
		return mappable.Pages{}, errno.EFAULT
	}
	e, ok := s.pages.Next(off)
	if ok && e.Start <= off {
		p := s.pagesOf(e, off, n, hint)
		s.mu.RUnlock()
		return p, nil
	}
	// A hole, from lo to hi: fill an aligned neighbourhood of off.
	lo, hi, after := uint64(0), end, uint64(0)
	if ok {
		hi = min(hi, e.Start)
	}
	if prev, found := s.pages.Prev(off); found {
		lo = prev.End
		if lo == off {
			after = prev.Off + prev.Len()
		}
	}
	s.mu.RUnlock()
	want := roundUp(max(n, addr.PageSize))
	start := off
	if hint > want && !s.exact.Load() {
		start = max(lo, off-min(off, off%hint))
		want = off + hint - start
	}
	length := min(want, hi-start, step)
	if start+length <= off {
		start, length = off, min(hi-off, step)
	}
	frames, got, err := s.allocate(length, after, false)
	if err == nil && start+got <= off {
		s.free(frames, got)
		start = off
		frames, got, err = s.allocate(addr.PageSize, 0, false)
	}
	if err != nil {
		return mappable.Pages{}, err
	}
	b, err := s.mf.Bytes(frames, got, true)
	if err != nil {
		s.free(frames, got)
		return mappable.Pages{}, err
	}
	s.install(start, frames, b, 0, 0)

	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok = s.pages.Find(off)
	if !ok || off >= roundUp(s.size) {
		return mappable.Pages{}, errno.EFAULT // truncated meanwhile
	}
	return s.pagesOf(e, off, n, hint), nil
}

// pagesOf returns the part of e around [off, off+n) with references.
func (s *Store) pagesOf(e span.Entry[none], off, n, hint uint64) mappable.Pages {
	start := off - min(off, hint)
	e = e.Clip(start, max(off+n+hint, off+addr.PageSize))
	s.mf.IncRef(e.Off, e.Len())
	return mappable.Pages{Off: e.Start, Len: e.Len(), Backing: s.mf, Start: e.Off, Writable: true}
}

// SetExact makes the store fill no holes but those that are asked for, from now on: somebody waits to be told
// which ones are touched (userfaultfd(2)).
func (s *Store) SetExact() { s.exact.Store(true) }

// Holds reports whether the page at off is in memory; ok is false behind the end of the file.
func (s *Store) Holds(off uint64) (holds, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, holds = s.pages.Find(off)
	return holds, off < roundUp(s.size)
}

// Put makes page, or zeros if it is nil, the contents of the page at off, which is a hole. EEXIST if it is none, EFAULT behind the end of
// the file.
func (s *Store) Put(off uint64, page []byte) error {
	frames, n, err := s.allocate(addr.PageSize, 0, page != nil)
	if err != nil {
		return err
	}
	b, err := s.mf.Bytes(frames, n, true)
	if err == nil {
		copy(b, page)
		s.mu.Lock()
		switch _, there := s.pages.Find(off); {
		case off >= roundUp(s.size):
			err = errno.EFAULT
		case there:
			err = errno.EEXIST
		default:
			s.pages.Insert(span.Entry[none]{Start: off, End: off + n, Off: frames})
			s.held++
		}
		s.mu.Unlock()
	}
	if err != nil {
		s.free(frames, n)
	}
	return err
}

// AddMapping implements mappable.Mappable. EPERM if a seal forbids a writable one.
func (s *Store) AddMapping(space mappable.Space, r addr.Range, off uint64, writable bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if writable && s.seals&(linux.F_SEAL_WRITE|linux.F_SEAL_FUTURE_WRITE) != 0 {
		return errno.EPERM
	}
	s.mappings.Add(space, r, off, writable)
	return nil
}

// RemoveMapping implements mappable.Mappable.
func (s *Store) RemoveMapping(space mappable.Space, r addr.Range, off uint64, writable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mappings.Remove(space, r, off, writable)
}

// Mapped reports whether any address space maps the file.
func (s *Store) Mapped() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !s.mappings.Empty()
}

// invalidate tells who maps the pages that they are gone. Preconditions: mu is not held.
func (s *Store) invalidate(places []mappable.Place, private bool) {
	for _, p := range places {
		p.Space.Invalidate(s, p.Range, private)
	}
}
