package uring

import (
	"encoding/binary"
	"math/bits"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/memfile"
)

// Where the words of struct io_rings lie, which guests learn from struct io_uring_params.
const (
	sqHead     = 0
	sqTail     = 4
	cqHead     = 8
	cqTail     = 12
	sqMask     = 16
	cqMask     = 20
	sqEntries  = 24
	cqEntries  = 28
	sqDropped  = 32
	sqFlags    = 36
	cqFlags    = 40
	cqOverflow = 44
	cqesOff    = 64
)

const sqeSize, cqeSize = 64, 16

// Completion is an entry of the completion ring; Extra is for IORING_SETUP_CQE32.
type Completion struct {
	linux.IOUringCQE
	Extra [2]uint64
}

// maxOverflow bounds what waits for room in a completion ring. What comes later is lost, and counted, as on a Linux
// without memory.
const maxOverflow = 1 << 16

// Ring is the two rings and the array of submissions. Its owner serializes Take among itself, and the methods of completions
// among themselves.
type Ring struct {
	// Immutable.
	flags      uint32 // IORING_SETUP_*
	sq, cq     uint32 // entries
	array      int    // where the indices lie; unused with IORING_SETUP_NO_SQARRAY
	sqeStride  int
	cqeStride  int
	rings, sqe *Region

	taken uint32 // the head of the submission ring

	tail     uint32 // of the completion ring
	overflow []Completion
	lost     bool // a completion was lost since TakeLost
}

// Sizes checks and completes the sizes in p (io_uring_setup(2)): EINVAL if there can be no such ring.
func Sizes(entries uint32, p *linux.IOUringParams) error {
	roundUp := func(n uint32) uint32 { return 1 << bits.Len32(n-1) }
	clamp := p.Flags&linux.IORING_SETUP_CLAMP != 0
	if entries == 0 {
		return errno.EINVAL
	}
	if entries > linux.IORING_MAX_ENTRIES {
		if !clamp {
			return errno.EINVAL
		}
		entries = linux.IORING_MAX_ENTRIES
	}
	p.SQEntries = roundUp(entries)
	if p.Flags&linux.IORING_SETUP_CQSIZE == 0 {
		p.CQEntries = 2 * p.SQEntries
		return nil
	}
	if p.CQEntries == 0 {
		return errno.EINVAL
	}
	if p.CQEntries > linux.IORING_MAX_CQ_ENTRIES {
		if !clamp {
			return errno.EINVAL
		}
		p.CQEntries = linux.IORING_MAX_CQ_ENTRIES
	}
	p.CQEntries = roundUp(p.CQEntries)
	if p.CQEntries < p.SQEntries {
		return errno.EINVAL
	}
	return nil
}

// New makes the rings that p describes, maps them through l and says in p where things are. Preconditions: Sizes.
func New(mf *memfile.File, p *linux.IOUringParams, l *Layout) (*Ring, error) {
	r := &Ring{flags: p.Flags, sq: p.SQEntries, cq: p.CQEntries, sqeStride: sqeSize, cqeStride: cqeSize}
	if p.Flags&linux.IORING_SETUP_SQE128 != 0 {
		r.sqeStride *= 2
	}
	if p.Flags&linux.IORING_SETUP_CQE32 != 0 {
		r.cqeStride *= 2
	}
	size := cqesOff + int(r.cq)*r.cqeStride
	if p.Flags&linux.IORING_SETUP_NO_SQARRAY == 0 {
		r.array = size
		size += 4 * int(r.sq)
	}
	var err error
	if r.rings, err = NewRegion(mf, uint64(size)); err != nil {
		return nil, err
	}
	if r.sqe, err = NewRegion(mf, uint64(int(r.sq)*r.sqeStride)); err != nil {
		r.rings.Release()
		return nil, err
	}
	b := r.rings.bytes
	store(b, sqMask, r.sq-1)
	store(b, sqEntries, r.sq)
	store(b, cqMask, r.cq-1)
	store(b, cqEntries, r.cq)
	l.Put(linux.IORING_OFF_SQ_RING, r.rings)
	l.Put(linux.IORING_OFF_SQES, r.sqe)
	p.SQOff = linux.IOUringSQOffsets{
		Head: sqHead, Tail: sqTail, RingMask: sqMask, RingEntries: sqEntries, Flags: sqFlags, Dropped: sqDropped, Array: uint32(r.array),
	}
	p.CQOff = linux.IOUringCQOffsets{
		Head: cqHead, Tail: cqTail, RingMask: cqMask, RingEntries: cqEntries, Overflow: cqOverflow, CQEs: cqesOff, Flags: cqFlags,
	}
	return r, nil
}

// Release gives the memory back. Nobody uses the ring afterwards.
func (r *Ring) Release() {
	r.rings.Release()
	r.sqe.Release()
}

// SQEntries and CQEntries return how many entries the rings have.
func (r *Ring) SQEntries() uint32 { return r.sq }
func (r *Ring) CQEntries() uint32 { return r.cq }

// Submitted returns how many submissions wait, as the guest says: at most as many as there are entries.
func (r *Ring) Submitted() uint32 {
	return min(load(r.rings.bytes, sqTail)-r.taken, r.sq)
}

// Take copies the next submission; false if its index is invalid, in which case it is skipped, and counted as dropped.
// Preconditions: Submitted is not zero.
func (r *Ring) Take(sqe *linux.IOUringSQE) bool {
	b := r.rings.bytes
	i := r.taken & (r.sq - 1)
	r.taken++
	if r.array != 0 {
		i = load(b, r.array+4*int(i))
		if i >= r.sq {
			store(b, sqDropped, load(b, sqDropped)+1)
			return false
		}
	}
	var own [sqeSize]byte
	copy(own[:], r.sqe.bytes[int(i)*r.sqeStride:])
	sqe.UnmarshalBytes(own[:])
	return true
}

// Commit lets the guest reuse the entries taken so far.
func (r *Ring) Commit() { store(r.rings.bytes, sqHead, r.taken) }

// SetFlag and ClearFlag change the flags that the guest sees in the submission ring (IORING_SQ_*).
func (r *Ring) SetFlag(f uint32)   { or(r.rings.bytes, sqFlags, f) }
func (r *Ring) ClearFlag(f uint32) { andNot(r.rings.bytes, sqFlags, f) }

// CQFlags returns the flags that the guest sets in the completion ring.
func (r *Ring) CQFlags() uint32 { return load(r.rings.bytes, cqFlags) }

// Ready returns how many completions the guest has not taken, overflow not counted.
func (r *Ring) Ready() uint32 { return min(r.tail-load(r.rings.bytes, cqHead), r.cq) }

// Tail returns how many completions the ring has had.
func (r *Ring) Tail() uint32 { return r.tail }

// Full reports whether a completion would overflow.
func (r *Ring) Full() bool { return len(r.overflow) > 0 || r.Ready() == r.cq }

// Post adds a completion; without room it waits in memory of the sentry (IORING_FEAT_NODROP).
func (r *Ring) Post(c *Completion) {
	if !r.Full() {
		r.write(c)
		return
	}
	if len(r.overflow) >= maxOverflow {
		r.lost = true
		b := r.rings.bytes
		store(b, cqOverflow, load(b, cqOverflow)+1)
		return
	}
	r.overflow = append(r.overflow, *c)
	r.SetFlag(linux.IORING_SQ_CQ_OVERFLOW)
}

func (r *Ring) write(c *Completion) {
	b := r.rings.bytes
	at := b[cqesOff+int(r.tail&(r.cq-1))*r.cqeStride:]
	c.MarshalBytes(at)
	if r.cqeStride > cqeSize {
		binary.LittleEndian.PutUint64(at[16:], c.Extra[0])
		binary.LittleEndian.PutUint64(at[24:], c.Extra[1])
	}
	r.tail++
	store(b, cqTail, r.tail)
}

// Flush moves what overflowed to the ring as far as there is room, and reports whether it moved anything.
func (r *Ring) Flush() bool {
	n := 0
	for n < len(r.overflow) && r.Ready() < r.cq {
		r.write(&r.overflow[n])
		n++
	}
	if n == 0 {
		return false
	}
	if r.overflow = r.overflow[n:]; len(r.overflow) == 0 {
		r.overflow = nil
		r.ClearFlag(linux.IORING_SQ_CQ_OVERFLOW)
	}
	return true
}

// Overflowed returns what waits for room. The caller must not change it.
func (r *Ring) Overflowed() []Completion { return r.overflow }

// TakeLost reports whether completions were lost since it was last called.
func (r *Ring) TakeLost() bool {
	lost := r.lost
	r.lost = false
	return lost
}

// State is what /proc/PID/fdinfo shows.
type State struct {
	SQMask, SQHead, SQTail, SQTaken uint32
	CQMask, CQHead, CQTail, CQOwn   uint32
}

// State returns the heads and tails, those that the guest sees and our own.
func (r *Ring) State() State {
	b := r.rings.bytes
	return State{
		SQMask: r.sq - 1, SQHead: load(b, sqHead), SQTail: load(b, sqTail), SQTaken: r.taken,
		CQMask: r.cq - 1, CQHead: load(b, cqHead), CQTail: load(b, cqTail), CQOwn: r.tail,
	}
}
