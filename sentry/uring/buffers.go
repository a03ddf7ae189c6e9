package uring

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/usermem"
)

// Buffer is one buffer of a group.
type Buffer struct {
	Addr addr.Addr
	Len  uint32
	ID   uint16
}

// Buffers is a group of buffers: a list that IORING_OP_PROVIDE_BUFFERS extends, or a ring in memory that the guest writes
// (IORING_REGISTER_PBUF_RING).
type Buffers struct {
	list []Buffer

	// Of a ring.
	entries uint32    // 0: a list
	at      addr.Addr // in the guest's memory, if region is nil
	region  *Region
	head    uint16
	inc     bool   // IOU_PBUF_RING_INC
	used    uint32 // bytes of the first buffer that are consumed, if inc
}

// bufSize is the size of struct io_uring_buf, tailOff where the first one holds the ring's tail.
const (
	bufSize = 16
	tailOff = 14
)

// NewBufferRing returns a ring of entries buffers, in region or else at a.
func NewBufferRing(entries uint32, a addr.Addr, region *Region, inc bool) *Buffers {
	return &Buffers{entries: entries, at: a, region: region, inc: inc}
}

// BufferRingSize returns how many bytes a ring of n buffers takes.
func BufferRingSize(n uint32) uint64 { return bufSize * uint64(n) }

// IsRing tells a ring from a list.
func (g *Buffers) IsRing() bool { return g.entries != 0 }

// Region returns the memory of a ring that the guest maps, or nil.
func (g *Buffers) Region() *Region { return g.region }

// Head returns the place of a ring from which the next buffer comes.
func (g *Buffers) Head() uint16 { return g.head }

// Len returns how many buffers a list holds.
func (g *Buffers) Len() int { return len(g.list) }

// Provide adds n buffers of size bytes each that lie one behind the other, numbered from id on.
func (g *Buffers) Provide(a addr.Addr, size, n uint32, id uint16) {
	for range n {
		g.list = append(g.list, Buffer{a, size, id})
		a += addr.Addr(size)
		id++
	}
}

// Remove takes at most n buffers from a list and returns how many it took.
func (g *Buffers) Remove(n int) int {
	n = min(n, len(g.list))
	g.list = g.list[n:]
	return n
}

// First returns the buffer that Take would take; false if there is none. m is the guest's memory.
func (g *Buffers) First(m usermem.IO) (Buffer, bool) {
	if g.entries == 0 {
		if len(g.list) == 0 {
			return Buffer{}, false
		}
		return g.list[0], true
	}
	var tail [2]byte
	if g.read(m, tailOff, tail[:]) != nil || binary.LittleEndian.Uint16(tail[:]) == g.head {
		return Buffer{}, false
	}
	var b [bufSize]byte
	if g.read(m, bufSize*uint64(uint32(g.head)&(g.entries-1)), b[:]) != nil {
		return Buffer{}, false
	}
	x := Buffer{
		Addr: addr.Addr(binary.LittleEndian.Uint64(b[:])), Len: binary.LittleEndian.Uint32(b[8:]), ID: binary.LittleEndian.Uint16(b[12:]),
	}
	if g.inc {
		used := min(g.used, x.Len)
		x.Addr += addr.Addr(used)
		x.Len -= used
	}
	return x, true
}

func (g *Buffers) read(m usermem.IO, off uint64, b []byte) error {
	if g.region != nil {
		copy(b, g.region.bytes[off:])
		return nil
	}
	n, err := m.CopyIn(g.at+addr.Addr(off), b)
	if n < len(b) && err == nil {
		err = errno.EFAULT
	}
	return err
}

// Take consumes n bytes of x, which First returned. It reports whether the buffer stays with the kernel, which only a ring with
// IOU_PBUF_RING_INC can do.
func (g *Buffers) Take(x Buffer, n uint32) (more bool) {
	switch {
	case g.entries == 0:
		g.list = g.list[1:]
	case g.inc && n < x.Len:
		g.used += n
		return true
	default:
		g.head++
		g.used = 0
	}
	return false
}

// MaxBufferRing is the most entries of a ring.
const MaxBufferRing = linux.IORING_MAX_BIDS_IN_RING
