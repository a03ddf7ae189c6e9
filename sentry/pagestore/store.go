// Package pagestore keeps the contents of a file in memory: a sparse map from
// pages to frames of the memory file.
//
// A Store is what lies behind a tmpfs file, a memfd, a System V segment and shared
// anonymous memory. It is a Mappable: address spaces map its frames directly, and
// it tells them when pages go away. Holes take no memory until they are written,
// or touched through a mapping.
//
// Callers (file systems) hold whatever lock makes their own writes atomic; a
// Store is safe without one. Bytes behind the end of the last page's data read as
// zeros after the file grows.
//
// Neighbours: memfile gives the frames, usermem moves the bytes, sentry/mm maps.
//
// Lock order: Store.mu, then memfile's. Store.mu is never held while guest memory
// is touched or a Space is called: pages under way are kept alive by references.
package pagestore

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/span"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/usermem"
)

// Quota limits how many pages the stores of a file system hold. Charge returns
// ENOSPC when there is no room.
type Quota interface {
	Charge(pages uint64) error
	Uncharge(pages uint64)
}

// step is the most that one round of a read or write moves, in bytes.
const step = 1 << 20

// fillMin is from where on one host call is cheaper than faults on new pages.
const fillMin = 2 << addr.PageShift

// MaxSize is the largest size of a Store (MAX_LFS_FILESIZE).
const MaxSize = 1<<63 - 1

type none = struct{}

// Store is the contents of one file. Make it with New.
type Store struct {
	mf    *memfile.File
	kind  memfile.Kind
	quota Quota       // may be nil
	exact atomic.Bool // see SetExact

	mu       sync.RWMutex
	size     uint64            // bytes
	pages    span.Map[none]    // file offset -> frame offset
	held     uint64            // pages in the map
	seals    uint32            // linux.F_SEAL_*
	mappings mappable.Mappings // who maps what
}

// New returns an empty store whose frames come from mf. quota may be nil.
func New(mf *memfile.File, kind memfile.Kind, quota Quota) *Store {
	return &Store{mf: mf, kind: kind, quota: quota}
}

// NewSized returns a store of n zero bytes without a quota.
func NewSized(mf *memfile.File, kind memfile.Kind, n uint64) *Store {
	return &Store{mf: mf, kind: kind, size: n}
}

// Release drops all pages. Nobody maps the store or uses it afterwards.
func (s *Store) Release() {
	s.mu.Lock()
	gone := s.pages.Append(nil, 0, MaxSize)
	s.pages.Clear()
	s.size = 0
	s.mu.Unlock()
	s.drop(gone)
}

// Size returns the length of the file in bytes.
func (s *Store) Size() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.size
}

// Pages returns how many pages of memory the file takes.
func (s *Store) Pages() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.held
}

// PagesIn returns how many of the pages from number first to last take memory.
func (s *Store) PagesIn(first, last uint64) uint64 {
	const highest = MaxSize >> addr.PageShift
	if first > last || first > highest {
		return 0
	}
	start, end := first<<addr.PageShift, (min(last, highest)+1)<<addr.PageShift
	n := uint64(0)
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.pages.Ascend(start, end, func(e span.Entry[none]) bool {
		n += min(e.End, end) - max(e.Start, start)
		return true
	})
	return n >> addr.PageShift
}

// Resident marks in present, for each page from off on, whether it takes memory.
func (s *Store) Resident(off uint64, present []byte) {
	end := off + uint64(len(present))<<addr.PageShift
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.pages.Ascend(off, end, func(e span.Entry[none]) bool {
		e = e.Clip(off, end)
		for p := e.Start; p < e.End; p += addr.PageSize {
			present[(p-off)>>addr.PageShift] = 1
		}
		return true
	})
}

// Read moves bytes from offset off to dst until dst or the file ends. With a
// count above zero the error says why it stopped early.
func (s *Store) Read(dst *usermem.Sequence, off uint64) (int, error) {
	done := 0
	left := dst.Len()
	for left > 0 {
		s.mu.RLock()
		if off >= s.size {
			s.mu.RUnlock()
			break
		}
		n := min(left, s.size-off, step)
		e, ok := s.pages.Next(off)
		if !ok || e.Start > off {
			if ok {
				n = min(n, e.Start-off)
			}
			s.mu.RUnlock()
			m, err := dst.ZeroOut(n)
			done += m
			off += uint64(m)
			left -= uint64(m)
			if err != nil || uint64(m) < n {
				return done, err
			}
			continue
		}
		n = min(n, e.End-off)
		frame := e.OffAt(off)
		first := frame &^ addr.PageMask
		length := (frame + n - first + addr.PageMask) &^ addr.PageMask
		s.mf.IncRef(first, length)
		s.mu.RUnlock()
		b, err := s.mf.Bytes(frame, n, false)
		m := 0
		if err == nil {
			m, err = dst.CopyOut(b)
		}
		s.mf.DecRef(first, length)
		done += m
		off += uint64(m)
		left -= uint64(m)
		if err != nil || uint64(m) < n {
			return done, err
		}
	}
	return done, nil
}

// Write moves all of src to offset off, growing the file. With a count above zero the
// error says why it stopped early: ENOSPC or ENOMEM, EFAULT, EFBIG, EPERM (a seal).
func (s *Store) Write(src *usermem.Sequence, off uint64) (int, error) {
	done := 0
	left := src.Len()
	if left == 0 {
		return 0, nil
	}
	if off > MaxSize || left > MaxSize-off {
		if off >= MaxSize {
			return 0, errno.EFBIG
		}
		left = MaxSize - off
	}
	if err := s.mayWrite(off + left); err != nil {
		return 0, err
	}
	for left > 0 {
		n := min(left, step-off%step)
		m, err := s.writeRun(src, off, n)
		if m > 0 {
			s.grow(off + uint64(m))
		}
		done += m
		off += uint64(m)
		left -= uint64(m)
		if err != nil {
			return done, err
		}
		if m == 0 {
			break
		}
	}
	return done, nil
}

func (s *Store) mayWrite(end uint64) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.seals&(linux.F_SEAL_WRITE|linux.F_SEAL_FUTURE_WRITE) != 0 ||
		s.seals&linux.F_SEAL_GROW != 0 && end > s.size {
		return errno.EPERM
	}
	return nil
}

// writeRun writes up to n bytes to the run of pages or the hole at off.
func (s *Store) writeRun(src *usermem.Sequence, off, n uint64) (int, error) {
	s.mu.RLock()
	e, ok := s.pages.Next(off)
	if ok && e.Start <= off {
		n = min(n, e.End-off)
		frame := e.OffAt(off)
		first := frame &^ addr.PageMask
		length := (frame + n - first + addr.PageMask) &^ addr.PageMask
		s.mf.IncRef(first, length)
		s.mu.RUnlock()
		b, err := s.mf.Bytes(frame, n, true)
		m := 0
		if err == nil {
			m, err = src.CopyIn(b)
		}
		s.mf.DecRef(first, length)
		return m, err
	}
	after := uint64(0)
	if prev, found := s.pages.Prev(addr.PageRoundDown(off)); found && prev.End == addr.PageRoundDown(off) {
		after = prev.Off + prev.Len()
	}
	s.mu.RUnlock()
	if ok {
		n = min(n, e.Start-off)
	}
	return s.writeHole(src, off, n, after)
}

// writeHole fills new pages and puts them where there were none.
func (s *Store) writeHole(src *usermem.Sequence, off, n, after uint64) (int, error) {
	start := addr.PageRoundDown(off)
	length := (off + n - start + addr.PageMask) &^ addr.PageMask
	frames, got, err := s.allocate(length, after, true)
	if err != nil {
		return 0, err
	}
	if got < length {
		length = got
		n = start + got - off
	}
	b, err := s.mf.Bytes(frames, length, true)
	if err != nil {
		s.free(frames, length)
		return 0, err
	}
	head := off - start
	var m int
	used := length
	if n >= fillMin && s.mf.Hole(frames, length) {
		at := frames + head
		m, err = src.Drain(n, func(blocks [][]byte) (int, error) {
			k, err := s.mf.Fill(at, blocks)
			at += uint64(k)
			return k, err
		})
		used = (head + uint64(m) + addr.PageMask) &^ addr.PageMask
	} else if m, err = src.CopyIn(b[head : head+n]); m > 0 {
		clear(b[:head])
		used = (head + uint64(m) + addr.PageMask) &^ addr.PageMask
		clear(b[head+uint64(m) : used])
	}
	if m == 0 {
		s.free(frames, length)
		return 0, err
	}
	if used < length {
		s.free(frames+used, length-used)
		b = b[:used]
	}
	s.install(start, frames, b, head, head+uint64(m))
	return m, err
}

// install puts filled frames at start. Where someone else was faster, b[from:to] is
// copied to the pages that are there.
func (s *Store) install(start, frames uint64, b []byte, from, to uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := uint64(len(b))
	if !s.pages.Overlaps(start, start+n) {
		s.pages.Insert(span.Entry[none]{Start: start, End: start + n, Off: frames})
		s.held += n >> addr.PageShift
		return
	}
	for at := uint64(0); at < n; at += addr.PageSize {
		e, ok := s.pages.Find(start + at)
		if !ok {
			s.pages.Insert(span.Entry[none]{Start: start + at, End: start + at + addr.PageSize, Off: frames + at})
			s.held++
			continue
		}
		lo, hi := max(at, from), min(at+addr.PageSize, to)
		if old, err := s.mf.Bytes(e.OffAt(start+at), addr.PageSize, true); err == nil && lo < hi {
			copy(old[lo-at:hi-at], b[lo:hi])
		}
		s.free(frames+at, addr.PageSize)
	}
}

// grow makes the file at least n bytes long.
func (s *Store) grow(n uint64) {
	s.mu.RLock()
	ok := n <= s.size
	s.mu.RUnlock()
	if ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.size {
		s.size = n
	}
}

// allocate returns charged frames: length bytes, or less where the quota or memory
// ends. after is where they would best lie.
func (s *Store) allocate(length, after uint64, noZero bool) (off, got uint64, err error) {
	for {
		pages := length >> addr.PageShift
		err = nil
		if s.quota != nil {
			err = s.quota.Charge(pages)
		}
		if err == nil {
			off, err = s.mf.Allocate(length, memfile.AllocOpts{Kind: s.kind, NoZero: noZero, After: after})
			if err == nil {
				return off, length, nil
			}
			if s.quota != nil {
				s.quota.Uncharge(pages)
			}
		}
		if pages == 1 {
			return 0, 0, err
		}
		length = pages / 2 << addr.PageShift
	}
}

// free returns frames that allocate gave.
func (s *Store) free(off, n uint64) {
	s.mf.DecRef(off, n)
	if s.quota != nil {
		s.quota.Uncharge(n >> addr.PageShift)
	}
}

// cutLocked removes the pages of [start, end); the caller passes them to drop
// without the lock.
func (s *Store) cutLocked(start, end uint64) []span.Entry[none] {
	return s.pages.Cut(start, end, nil)
}

// drop frees pages that are out of the map.
func (s *Store) drop(gone []span.Entry[none]) {
	if len(gone) == 0 {
		return
	}
	n := uint64(0)
	for _, e := range gone {
		s.free(e.Off, e.Len())
		n += e.Len() >> addr.PageShift
	}
	s.mu.Lock()
	s.held -= n
	s.mu.Unlock()
}
