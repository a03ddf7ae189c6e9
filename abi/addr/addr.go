// Package addr does arithmetic on guest addresses.
//
// An Addr is foreign input: everything that can overflow says so in a second
// result, and callers turn that into EFAULT, EINVAL or ENOMEM as the call demands.
package addr

import "fmt"

// Page geometry of amd64 with 4 KiB pages.
const (
	PageShift    = 12
	PageSize     = 1 << PageShift
	PageMask     = PageSize - 1
	HugePageSize = 2 << 20
)

// Addr is an address in a guest's address space. It is never dereferenced by the sentry.
type Addr uint64

// Offset returns the position of a within its page.
func (a Addr) Offset() uint64 { return uint64(a) & PageMask }

// Aligned reports whether a is at the start of a page.
func (a Addr) Aligned() bool { return a.Offset() == 0 }

// RoundDown returns the start of a's page.
func (a Addr) RoundDown() Addr { return a &^ PageMask }

// RoundUp returns the first page start at or above a; ok is false on overflow.
func (a Addr) RoundUp() (r Addr, ok bool) {
	r = (a + PageMask).RoundDown()
	return r, r >= a
}

// Add returns a+n; ok is false on overflow.
func (a Addr) Add(n uint64) (r Addr, ok bool) {
	r = a + Addr(n)
	return r, r >= a
}

// Range returns [a, a+n); ok is false if the end overflows.
func (a Addr) Range(n uint64) (r Range, ok bool) {
	end, ok := a.Add(n)
	return Range{a, end}, ok
}

// Range is the half-open interval [Start, End).
type Range struct {
	Start, End Addr
}

// Len returns the length in bytes.
func (r Range) Len() uint64 { return uint64(r.End - r.Start) }

// Empty reports whether r holds no address.
func (r Range) Empty() bool { return r.Start >= r.End }

// Contains reports whether a lies in r.
func (r Range) Contains(a Addr) bool { return r.Start <= a && a < r.End }

// ContainsRange reports whether all of o lies in r.
func (r Range) ContainsRange(o Range) bool { return r.Start <= o.Start && o.End <= r.End }

// Overlaps reports whether r and o share an address.
func (r Range) Overlaps(o Range) bool { return r.Start < o.End && o.Start < r.End }

// Intersect returns the addresses common to r and o, or an empty range.
func (r Range) Intersect(o Range) Range {
	r.Start = max(r.Start, o.Start)
	r.End = max(min(r.End, o.End), r.Start)
	return r
}

// Aligned reports whether both ends are page starts.
func (r Range) Aligned() bool { return r.Start.Aligned() && r.End.Aligned() }

func (r Range) String() string { return fmt.Sprintf("[%#x, %#x)", uint64(r.Start), uint64(r.End)) }

// PageRoundUp rounds a length or file offset up to whole pages; ok is false on overflow.
func PageRoundUp(n uint64) (r uint64, ok bool) {
	r = (n + PageMask) &^ PageMask
	return r, r >= n
}

// PageRoundDown rounds a length or file offset down to whole pages.
func PageRoundDown(n uint64) uint64 { return n &^ PageMask }
