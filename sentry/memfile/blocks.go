package memfile

import (
	"math"
	"math/bits"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/platform/hostcall"
)

// The buddy allocator. A block of order n is 1<<n pages, aligned to its size; free
// blocks of an order form a doubly linked list, newest first, whose links lie in the
// chunk beside the pages. Pages are numbered from the start of the file.

const (
	chunkPages = 1 << maxOrder // 64 MiB
	maxOrder   = 14
	none       = math.MaxUint32

	// A page's state is its Kind, whether it may hold old bytes, and whether it was
	// a hole of the host's file when it was allocated. It belongs to whoever holds the
	// page, so that it needs no lock.
	dirtyShift = 7
	stateDirty = 1 << dirtyShift
	stateHole  = 1 << 6
	kindMask   = stateHole - 1

	// punchPages is from where on giving pages back to the host is cheaper than
	// zeroing them.
	punchPages = 128

	// reclaimOrder is the smallest block worth a host call of its own.
	reclaimOrder = 4
	// keepDirty is how many used pages we keep, besides an eighth of those in use.
	keepDirty = 128 << 20 >> addr.PageShift
)

// chunk describes 64 MiB of pages.
type chunk struct {
	refs  [chunkPages]atomic.Int32
	state [chunkPages]uint8

	// Guarded by File.mu. order is 1 + the order of the free block that starts at a
	// page, 0 elsewhere; next and prev are valid there.
	order      [chunkPages]uint8
	next, prev [chunkPages]uint32
}

func (f *File) chunk(page uint32) *chunk {
	return (*f.chunks.Load())[page/chunkPages]
}

// take removes a run from the free blocks, growing the file if there is none.
// after is the page that it should start at, or 0.
func (f *File) take(pages, after uint32) (uint32, bool) {
	want := order(pages)
	f.mu.Lock()
	defer f.mu.Unlock()
	if after != 0 && f.takeAtLocked(after, pages) {
		return after, true
	}
	o := want
	for o <= maxOrder && f.free[o] == none {
		o++
	}
	if o > maxOrder {
		if !f.growLocked() {
			return 0, false
		}
		o = maxOrder
	}
	start := f.free[o]
	f.unlinkLocked(start, o)
	for o > want {
		o--
		f.linkLocked(start+1<<o, o)
	}
	if rest := uint32(1)<<want - pages; rest > 0 {
		f.putLocked(start+pages, rest)
	}
	f.takenLocked(start, pages)
	return start, true
}

// takeAtLocked removes the run at start from the free blocks if all of it is free and
// in one chunk.
func (f *File) takeAtLocked(start, pages uint32) bool {
	end := start + pages
	if start/chunkPages != (end-1)/chunkPages || start/chunkPages >= uint32(len(*f.chunks.Load())) {
		return false
	}
	for p := start; p < end; {
		b, o := f.freeBlockLocked(p)
		if b == none {
			return false
		}
		p = b + 1<<o
	}
	for p := start; p < end; {
		b, o := f.freeBlockLocked(p)
		f.unlinkLocked(b, o)
		next := b + 1<<o
		if b < start {
			f.putLocked(b, start-b)
		}
		if next > end {
			f.putLocked(end, next-end)
		}
		p = next
	}
	f.takenLocked(start, pages)
	return true
}

// freeBlockLocked returns the free block that contains page, or none.
func (f *File) freeBlockLocked(page uint32) (uint32, int) {
	c := f.chunk(page)
	for o := range maxOrder + 1 {
		b := page &^ (1<<o - 1)
		if c.order[b%chunkPages] == uint8(o+1) {
			return b, o
		}
	}
	return none, 0
}

// takenLocked accounts for a run that left the free blocks.
func (f *File) takenLocked(start, pages uint32) {
	c, i := f.chunk(start), start%chunkPages
	for _, s := range c.state[i : i+pages] {
		f.dirtyFree -= uint64(s >> dirtyShift)
	}
}

// give puts a run of dirty pages into the free blocks.
func (f *File) give(start, pages uint32) {
	f.mu.Lock()
	f.putLocked(start, pages)
	f.dirtyFree += uint64(pages)
	if f.dirtyFree > 2*f.keep() && !f.reclaiming {
		f.reclaiming = true
		go f.reclaim()
	}
	f.mu.Unlock()
}

func (f *File) keep() uint64 { return keepDirty + f.inUse.Load()/8 }

// putLocked frees a run within a chunk, as the largest blocks that it is made of.
func (f *File) putLocked(start, pages uint32) {
	for pages > 0 {
		o := min(bits.TrailingZeros32(start|chunkPages), bits.Len32(pages)-1)
		f.mergeLocked(start, o)
		start += 1 << o
		pages -= 1 << o
	}
}

// mergeLocked frees a block, together with its buddy where that is free.
func (f *File) mergeLocked(start uint32, o int) {
	c := f.chunk(start)
	for o < maxOrder {
		buddy := start ^ 1<<o
		if c.order[buddy%chunkPages] != uint8(o+1) {
			break
		}
		f.unlinkLocked(buddy, o)
		start &= buddy
		o++
	}
	f.linkLocked(start, o)
}

func (f *File) linkLocked(start uint32, o int) {
	c, i := f.chunk(start), start%chunkPages
	head := f.free[o]
	c.order[i] = uint8(o + 1)
	c.next[i], c.prev[i] = head, none
	if head != none {
		f.chunk(head).prev[head%chunkPages] = start
	}
	f.free[o] = start
}

func (f *File) unlinkLocked(start uint32, o int) {
	c, i := f.chunk(start), start%chunkPages
	next, prev := c.next[i], c.prev[i]
	if next != none {
		f.chunk(next).prev[next%chunkPages] = prev
	}
	if prev != none {
		f.chunk(prev).next[prev%chunkPages] = next
	} else {
		f.free[o] = next
	}
	c.order[i] = 0
}

// growLocked adds a chunk of pages that the host has not allocated yet.
func (f *File) growLocked() bool {
	old := *f.chunks.Load()
	n := len(old)
	if uint64(n+1)<<(maxOrder+addr.PageShift) > uint64(len(f.mem)) {
		return false
	}
	chunks := append(old[:n:n], new(chunk))
	f.chunks.Store(&chunks)
	f.linkLocked(uint32(n)<<maxOrder, maxOrder)
	return true
}

// reclaim gives free pages back to the host, the largest blocks first, until few
// enough are left. It goes through the file once for each order: what it punched is
// not looked at again, however large the file became.
func (f *File) reclaim() {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.reclaiming = false }()
	for o := maxOrder; o >= reclaimOrder; o-- {
		for n := 0; n < len(*f.chunks.Load()) && f.dirtyFree > f.keep(); n++ {
			first := uint32(n) * chunkPages
			for start := first; start-first < chunkPages; start += 1 << o {
				if !f.dirtyBlockLocked(start, o) {
					continue
				}
				if f.reclaimBlockLocked(start, o) != nil {
					return
				}
				if f.dirtyFree <= f.keep() {
					return
				}
			}
			// Those who wait for pages go first.
			f.mu.Unlock()
			f.mu.Lock()
		}
	}
}

// reclaimBlockLocked gives one free block back to the host. It releases mu meanwhile.
func (f *File) reclaimBlockLocked(start uint32, o int) error {
	f.unlinkLocked(start, o)
	f.mu.Unlock()
	err := f.punch(start, 1<<o)
	f.mu.Lock()
	if err == nil {
		state := f.chunk(start).state[start%chunkPages:][:1<<o]
		for i, s := range state {
			f.dirtyFree -= uint64(s >> dirtyShift)
			state[i] = 0
		}
	}
	f.mergeLocked(start, o)
	return err
}

// dirtyBlockLocked reports whether a free block of order o begins at start and its
// better part is dirty.
func (f *File) dirtyBlockLocked(start uint32, o int) bool {
	c, i := f.chunk(start), start%chunkPages
	if c.order[i] != uint8(o+1) {
		return false
	}
	dirty := 0
	for _, s := range c.state[i : i+1<<o] {
		dirty += int(s >> dirtyShift)
	}
	return dirty > 1<<o/2
}

// punch gives a run back to the host: it reads as zeros afterwards.
func (f *File) punch(start, pages uint32) error {
	return hostcall.Fallocate(f.fd, hostcall.FALLOC_FL_PUNCH_HOLE|hostcall.FALLOC_FL_KEEP_SIZE,
		int64(start)<<addr.PageShift, int64(pages)<<addr.PageShift)
}
