package uring

import (
	"sync"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
)

// Region is a run of frames that a guest may map. Its frames never move.
type Region struct {
	mf    *memfile.File
	frame uint64
	bytes []byte // the sentry's mapping
}

// NewRegion returns n zeroed bytes at least; ENOMEM if there is no memory.
func NewRegion(mf *memfile.File, n uint64) (*Region, error) {
	size, ok := addr.PageRoundUp(n)
	if !ok || size == 0 || size > memfile.MaxRun {
		return nil, errno.ENOMEM
	}
	frame, err := mf.Allocate(size, memfile.AllocOpts{Kind: memfile.Shared})
	if err != nil {
		return nil, errno.ENOMEM
	}
	b, err := mf.Bytes(frame, size, true)
	if err != nil {
		mf.DecRef(frame, size)
		return nil, errno.ENOMEM
	}
	return &Region{mf: mf, frame: frame, bytes: b}, nil
}

// Release drops the frames. Who maps them keeps them.
func (r *Region) Release() {
	r.mf.DecRef(r.frame, uint64(len(r.bytes)))
	r.bytes = nil
}

// Layout is what a ring's file maps: regions at the IORING_OFF_* offsets. It implements mappable.Mappable.
type Layout struct {
	mu      sync.Mutex
	regions map[uint64]*Region // by offset
}

// Put says what is mapped at off; nil takes it away.
func (l *Layout) Put(off uint64, r *Region) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r == nil {
		delete(l.regions, off)
		return
	}
	if l.regions == nil {
		l.regions = make(map[uint64]*Region)
	}
	l.regions[off] = r
}

// baseOf splits an offset into that of a region and what is left.
func baseOf(off uint64) (base, rest uint64) {
	switch base := off & linux.IORING_OFF_MMAP_MASK; base {
	case linux.IORING_OFF_CQ_RING:
		return linux.IORING_OFF_SQ_RING, off - base // one mapping serves both rings
	case linux.IORING_OFF_PBUF_RING:
		const group = 1<<linux.IORING_OFF_PBUF_SHIFT - 1
		return off &^ group, off & group
	default:
		return base, off - base
	}
}

func (l *Layout) findLocked(off uint64) (r *Region, rest uint64) {
	base, rest := baseOf(off)
	return l.regions[base], rest
}

// Translate implements mappable.Mappable.
func (l *Layout) Translate(off, n, hint uint64, _ bool) (mappable.Pages, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, rest := l.findLocked(off)
	if r == nil || rest >= uint64(len(r.bytes)) {
		return mappable.Pages{}, errno.EFAULT
	}
	left := uint64(len(r.bytes)) - rest
	n = min(max(n, addr.PageSize)+hint, left)
	r.mf.IncRef(r.frame+rest, n)
	return mappable.Pages{Off: off, Len: n, Backing: r.mf, Start: r.frame + rest, Writable: true}, nil
}

// AddMapping implements mappable.Mappable: ENOMEM, as on Linux, for an offset that means nothing.
func (l *Layout) AddMapping(_ mappable.Space, _ addr.Range, off uint64, _ bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r, rest := l.findLocked(off); r == nil || rest >= uint64(len(r.bytes)) {
		return errno.ENOMEM
	}
	return nil
}

// RemoveMapping implements mappable.Mappable.
func (l *Layout) RemoveMapping(mappable.Space, addr.Range, uint64, bool) {}
