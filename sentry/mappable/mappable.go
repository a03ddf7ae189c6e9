// Package mappable says what an address space can map: a Mappable, such as an
// open file, whose pages live in a Backing, such as the memory file or a host
// descriptor that the gofer donated.
//
// It stands between sentry/mm, which knows no files, and the file systems,
// which know no address spaces.
//
// Lock order: an address space calls a Mappable with its own locks held. So a
// Mappable may take its own locks in any of its methods, but holds none of them
// while it calls a Space, and no method of a Mappable calls a Space (Translate may
// not move pages that are mapped; open, truncate and write may).
package mappable

import (
	"ringfence/abi/addr"
	"ringfence/platform/hostcall"
)

// Backing is a host file in which pages of guest memory live, with the sentry's
// own mapping of it. Offsets and lengths are multiples of the page size.
// Safe for concurrent use.
type Backing interface {
	// FD is the descriptor that address spaces map.
	FD() hostcall.FD

	// IncRef and DecRef count users of pages; a page without users may be reclaimed.
	IncRef(off, n uint64)
	DecRef(off, n uint64)

	// Bytes returns the sentry's mapping of at most n bytes from off: fewer where
	// the mapping is not contiguous, at least one page. Touching the slice can
	// fault (a host file may have been truncated), so only usermem.Copy and host
	// calls may touch it, and only while a reference to the page is held.
	Bytes(off, n uint64, write bool) ([]byte, error)
}

// Pages says where [Off, Off+Len) of a Mappable is found: at Start in Backing.
// Writable is false where a write needs another Translate with write set first
// (copy on write, dirty tracking, holes).
type Pages struct {
	Off, Len uint64
	Backing  Backing
	Start    uint64
	Writable bool
}

// Mappable is what mmap(2) can map, private or shared. Offsets are bytes.
// Implementations must be comparable, as an address space compares them to merge neighbouring
// mappings and to key shared futexes.
type Mappable interface {
	// Translate returns the pages that hold the page-aligned range [off, off+n),
	// allocating where a hole is written or (for memory-backed files) read. The
	// result holds at least the first page, may start before off and may be longer
	// or shorter than asked; hint is how much more on each side the caller could use
	// (fault-around). The pages carry a reference that the caller drops with DecRef.
	// Errors: EIO or EFAULT beyond the end of the file (a guest gets SIGBUS),
	// ENOMEM, ENOSPC.
	Translate(off, n, hint uint64, write bool) (Pages, error)

	// AddMapping tells that space maps [off, off+r.Len()) at r; RemoveMapping
	// undoes it, whole or in part. The Mappable calls space.Invalidate when pages
	// move or vanish (truncate, hole punch). With writable a shared mapping may
	// write; EPERM if a seal forbids that.
	AddMapping(space Space, r addr.Range, off uint64, writable bool) error
	RemoveMapping(space Space, r addr.Range, off uint64, writable bool)
}

// Space is an address space as a Mappable sees it.
type Space interface {
	// Invalidate forgets translations of m's pages in r: the next touch faults and
	// asks Translate again. With private also copies that private mappings made are
	// dropped (truncate does that; mere relocation does not). Where r maps something
	// else than m by now, nothing happens.
	Invalidate(m Mappable, r addr.Range, private bool)
}
