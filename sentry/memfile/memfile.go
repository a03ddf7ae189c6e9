// Package memfile holds guest memory: page frames in one memfd, and pages of
// donated host files.
//
// File is the memfd. Allocate gives contiguous zeroed frames with one reference
// each; IncRef and DecRef count further users per page; the last DecRef frees.
// HostFile is the same interface (mappable.Backing) over a host descriptor.
//
// The sentry maps the whole file once, so Bytes is arithmetic. Free frames form
// buddy blocks of up to 64 MiB (blocks.go); frames that were used before are zeroed
// when they are allocated again, and given back to the host in large pieces when
// many of them pile up.
//
// Neighbours: sentry/mm and sentry/pagestore hold references; platforms map FD.
//
// Lock order: File.mu and HostFile.mu are leaves. Reference counts are atomics and
// take no lock until one reaches zero.
package memfile

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform/hostcall"
)

// Kind says what frames are used for, for accounting only.
type Kind uint8

const (
	Anonymous Kind = iota // private memory of processes
	Shared                // shared anonymous memory, memfds and System V segments
	FileData              // contents of in-memory file systems
	System                // vDSO and the like
	numKinds
)

// MaxRun is the most that one Allocate gives, in bytes.
const MaxRun = chunkPages << addr.PageShift

// capacity is how much of the memfd is mapped, in bytes. It costs address space only.
const capacity = 512 << 30

// File is the memory file. Safe for concurrent use.
type File struct {
	fd  hostcall.FD
	mem []byte // the mapping of the whole file; immutable after New

	limit  atomic.Uint64 // pages
	inUse  atomic.Uint64 // pages with a reference, and those being handed out
	byKind [numKinds]atomic.Int64

	// chunks is replaced, never changed, when the file grows, so look-ups take no lock.
	chunks atomic.Pointer[[]*chunk]

	mu         sync.Mutex
	free       [maxOrder + 1]uint32 // guarded by mu: first block of each order, or none
	dirtyFree  uint64               // guarded by mu: free pages that are not known to be zero
	reclaiming bool                 // guarded by mu: a reclaim is under way
	closed     bool                 // guarded by mu
}

// AllocOpts modify Allocate.
type AllocOpts struct {
	Kind Kind
	// NoZero leaves old contents in place: the caller overwrites all of them.
	NoZero bool
	// After is an offset that the run should start at, if it is free there: a run
	// that continues another one takes fewer mappings. Zero is no wish.
	After uint64
}

// New returns an empty memory file without a limit.
func New() (*File, error) {
	fd, err := hostcall.MemfdCreate("ringfence-memory", hostcall.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create the memory file: %w", err)
	}
	size := uint64(capacity)
	for {
		if err = hostcall.Ftruncate(fd, int64(size)); err == nil {
			var mem []byte
			if mem, err = hostcall.MapFile(fd, 0, int(size), hostcall.PROT_READ|hostcall.PROT_WRITE); err == nil {
				f := &File{fd: fd, mem: mem}
				f.limit.Store(size >> addr.PageShift)
				f.chunks.Store(&[]*chunk{})
				for i := range f.free {
					f.free[i] = none
				}
				return f, nil
			}
		}
		// A limit on address space or file size may be lower than we like.
		if size /= 2; size < 1<<30 {
			hostcall.Close(fd)
			return nil, fmt.Errorf("map the memory file: %w", err)
		}
	}
}

// Close unmaps and closes the file. Nothing may use it afterwards.
func (f *File) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.reclaiming { // it holds blocks, not the lock, while it calls the host
		f.mu.Unlock()
		f.mu.Lock()
	}
	f.closed = true
	hostcall.UnmapFile(f.mem)
	hostcall.Close(f.fd)
}

// resident returns about how many pages of the host's memory the frames in use take. That
// is less than there are frames: the host gives memory to a page when it is touched.
// Free pages that we keep are taken to have memory, so it may be too low by those.
func (f *File) resident() uint64 {
	st, err := hostcall.Fstat(f.fd)
	if err != nil {
		return f.inUse.Load()
	}
	f.mu.Lock()
	cached := f.dirtyFree
	f.mu.Unlock()
	n := uint64(st.Blocks) * 512 >> addr.PageShift
	return min(n-min(n, cached), f.inUse.Load())
}

// SetLimit sets how many bytes of the host's memory the frames in use may take; Allocate
// gives ENOMEM beyond.
func (f *File) SetLimit(n uint64) {
	f.limit.Store(min(n, uint64(len(f.mem))) >> addr.PageShift)
}

// Limit is what SetLimit set, or the capacity.
func (f *File) Limit() uint64 { return f.limit.Load() << addr.PageShift }

// FD returns the memfd.
func (f *File) FD() hostcall.FD { return f.fd }

// Bytes returns the sentry's mapping of [off, off+n).
func (f *File) Bytes(off, n uint64, write bool) ([]byte, error) {
	return f.mem[off : off+n : off+n], nil
}

// Frames returns how many bytes of frames have a reference, touched or not; for leak checks.
func (f *File) Frames() uint64 { return f.inUse.Load() << addr.PageShift }

// Allocate returns the offset of n bytes of contiguous zeroed frames with one
// reference each. Runs are aligned to the power of two at or above n.
// ENOMEM if the limit is reached.
//
// Preconditions: n is a multiple of the page size, not zero and at most MaxRun.
func (f *File) Allocate(n uint64, o AllocOpts) (uint64, error) {
	pages := n >> addr.PageShift
	if pages == 0 || pages > chunkPages || n&addr.PageMask != 0 {
		panic(fmt.Sprintf("memfile: allocation of %d bytes", n))
	}
	if f.inUse.Add(pages) > f.limit.Load() && f.resident()+pages > f.limit.Load() {
		f.inUse.Add(-pages)
		return 0, errno.ENOMEM
	}
	start, ok := f.take(uint32(pages), uint32(o.After>>addr.PageShift))
	if !ok {
		f.inUse.Add(-pages)
		return 0, errno.ENOMEM
	}
	f.byKind[o.Kind].Add(int64(pages))
	f.prepare(start, uint32(pages), o)
	return uint64(start) << addr.PageShift, nil
}

// prepare turns a run taken from the free blocks into zeroed frames with one reference.
func (f *File) prepare(start, pages uint32, o AllocOpts) {
	c := f.chunk(start)
	i := start % chunkPages
	state := c.state[i : i+pages]
	dirty := uint32(0)
	for j := range state {
		dirty += uint32(state[j] >> dirtyShift)
	}
	if dirty > 0 && !o.NoZero {
		off := uint64(start) << addr.PageShift
		if dirty > punchPages && f.punch(start, pages) == nil {
			// The host's zero pages come when they are touched.
			clear(state)
		} else if dirty == pages {
			clear(f.mem[off : off+uint64(pages)<<addr.PageShift])
		} else {
			for j := range state {
				if state[j]&stateDirty != 0 {
					p := off + uint64(j)<<addr.PageShift
					clear(f.mem[p : p+addr.PageSize])
				}
			}
		}
	}
	for j := range state {
		s := uint8(o.Kind)
		if state[j]&stateDirty == 0 {
			s |= stateHole
		}
		state[j] = s
	}
	for j := i; j < i+pages; j++ {
		c.refs[j].Store(1)
	}
}

// Hole reports whether the host has no memory for [off, off+n), which Allocate just gave: then
// Fill is a cheaper way to store there than the mapping, as the host neither zeroes
// pages nor takes faults.
func (f *File) Hole(off, n uint64) bool {
	p := uint32(off >> addr.PageShift)
	i := p % chunkPages
	for _, s := range f.chunk(p).state[i : i+uint32(n>>addr.PageShift)] {
		if s&stateHole == 0 {
			return false
		}
	}
	return true
}

// Fill writes blocks to off, which need not be at the start of a page, through the
// descriptor. It returns how many bytes it wrote.
func (f *File) Fill(off uint64, blocks [][]byte) (int, error) {
	return hostcall.Pwritev(f.fd, blocks, int64(off))
}

// IncRef adds a reference to each page of [off, off+n), which have one already.
func (f *File) IncRef(off, n uint64) {
	p, end := uint32(off>>addr.PageShift), uint32((off+n)>>addr.PageShift)
	for p < end {
		c := f.chunk(p)
		stop := min(end, (p|(chunkPages-1))+1)
		for ; p < stop; p++ {
			if c.refs[p%chunkPages].Add(1) <= 1 {
				panic(fmt.Sprintf("memfile: reference to the free page %#x", p))
			}
		}
	}
}

// DecRef drops a reference from each page of [off, off+n); pages without one are freed.
func (f *File) DecRef(off, n uint64) {
	p, end := uint32(off>>addr.PageShift), uint32((off+n)>>addr.PageShift)
	for p < end {
		c := f.chunk(p)
		stop := min(end, (p|(chunkPages-1))+1)
		free := p // [free, p) have no reference left
		for ; p < stop; p++ {
			switch refs := c.refs[p%chunkPages].Add(-1); {
			case refs < 0:
				panic(fmt.Sprintf("memfile: the free page %#x loses a reference", p))
			case refs > 0:
				if free < p {
					f.release(c, free, p-free)
				}
				free = p + 1
			}
		}
		if free < p {
			f.release(c, free, p-free)
		}
	}
}

// release frees a run without references within one chunk.
func (f *File) release(c *chunk, start, pages uint32) {
	i := start % chunkPages
	state := c.state[i : i+pages]
	kind, from := state[0]&kindMask, 0
	for j, s := range state {
		if s &= kindMask; s != kind {
			f.byKind[kind].Add(int64(from - j))
			kind, from = s, j
		}
		state[j] = stateDirty
	}
	f.byKind[kind].Add(int64(from - len(state)))
	f.give(start, pages)
	f.inUse.Add(^uint64(pages) + 1)
}

// Refs returns how many references the page at off has, a moment ago.
func (f *File) Refs(off uint64) int32 {
	p := uint32(off >> addr.PageShift)
	return f.chunk(p).refs[p%chunkPages].Load()
}

// Stats is what a File holds, in bytes.
type Stats struct {
	Limit uint64
	// InUse is the host's memory behind frames with a reference; ByKind counts the
	// frames themselves, touched or not.
	InUse  uint64
	ByKind [numKinds]uint64
	// Cached are free frames that the host has not got back.
	Cached uint64
}

// Stats returns the current counts.
func (f *File) Stats() Stats {
	s := Stats{
		Limit: f.limit.Load() << addr.PageShift,
		InUse: f.resident() << addr.PageShift,
	}
	for k := range s.ByKind {
		s.ByKind[k] = uint64(max(f.byKind[k].Load(), 0)) << addr.PageShift
	}
	f.mu.Lock()
	s.Cached = f.dirtyFree << addr.PageShift
	f.mu.Unlock()
	return s
}

// order returns the smallest order of a block that holds pages.
func order(pages uint32) int { return bits.Len32(pages - 1) }
