// Package usermem moves bytes between the sentry and guest memory.
//
// IO is the access to one address space; sentry/mm implements it. A Sequence is
// an ordered list of ranges in an IO: what read(2) and writev(2) are given. File
// systems take a *Sequence and never see addresses.
//
// Each guest byte is read once: copy in, then check, then use. A count smaller
// than asked comes with an error that says why it stopped, EFAULT as a rule.
package usermem

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
)

// IO is guest memory. All methods fault pages in as the guest's own access would,
// honour page protections and return how far they came. Safe for concurrent use.
type IO interface {
	CopyIn(a addr.Addr, dst []byte) (int, error)
	CopyOut(a addr.Addr, src []byte) (int, error)
	ZeroOut(a addr.Addr, n uint64) (uint64, error)

	// Blocks calls fn with slices of the sentry's own mapping of r, in order and
	// as many as fit a small fixed array, for a host call (preadv and the like) or
	// for Copy. write says that fn stores to them. fn returns how many bytes it
	// used; Blocks returns that, and how many it lent. The slices are invalid after fn
	// returns. fn must not touch guest memory in any other way and must not block.
	// If the first page can't be had, fn is not called and EFAULT is returned.
	Blocks(r addr.Range, write bool, fn func(blocks [][]byte) (int, error)) (used, lent int, err error)

	// Word operations on aligned 32-bit words, for futexes.
	// EFAULT if a is not mapped, EINVAL if it is not aligned.
	LoadUint32(a addr.Addr) (uint32, error)
	SwapUint32(a addr.Addr, v uint32) (uint32, error)
	CompareAndSwapUint32(a addr.Addr, old, v uint32) (uint32, error) // returns the value found
}

// CopyInString reads a NUL-terminated string of at most max bytes, not counting
// the NUL. ENAMETOOLONG if there is no NUL within max+1 bytes, EFAULT if memory ends.
func CopyInString(m IO, a addr.Addr, max int) (string, error) {
	var buf [256]byte
	var long []byte
	for {
		// Never read across a page end ahead of need: the next page may be unmapped.
		n := min(len(buf), addr.PageSize-int(a.Offset()), max+1-len(long))
		if n <= 0 {
			return "", errno.ENAMETOOLONG
		}
		got, err := m.CopyIn(a, buf[:n])
		for i, c := range buf[:got] {
			if c == 0 {
				if long == nil {
					return string(buf[:i]), nil
				}
				return string(append(long, buf[:i]...)), nil
			}
		}
		if err != nil {
			return "", err
		}
		long = append(long, buf[:got]...)
		a += addr.Addr(got)
	}
}
