package usermem

import (
	"runtime/debug"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform/hostcall"
)

// Copy copies src to dst, the shorter of both, where either may lie in a mapping
// that can fault: a host file that was truncated. It returns how much was copied for certain,
// with EFAULT if that is not all.
func Copy(dst, src []byte) (int, error) {
	n := min(len(dst), len(src))
	dst, src = dst[:n], src[:n]
	if try(dst, src) {
		return n, nil
	}
	// memmove copies in any order, so find out by pages how far it is possible.
	done := 0
	for done < n {
		m := min(n-done, pageRest(dst[done:]), pageRest(src[done:]))
		if !try(dst[done:done+m], src[done:done+m]) {
			return done, errno.EFAULT
		}
		done += m
	}
	return n, nil
}

// Zero clears dst, which may fault as in Copy.
func Zero(dst []byte) (int, error) {
	done := 0
	for done < len(dst) {
		m := min(len(dst)-done, len(zeros))
		n, err := Copy(dst[done:done+m], zeros[:m])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

var zeros [64 << 10]byte

func try(dst, src []byte) (ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recovered(&ok)
	copy(dst, src)
	return true
}

// recovered ends a memory fault; every other panic goes on.
func recovered(ok *bool) {
	switch r := recover().(type) {
	case nil:
	case interface{ Addr() uintptr }: // what runtime/debug.SetPanicOnFault promises
		*ok = false
	default:
		panic(r)
	}
}

func pageRest(b []byte) int {
	return addr.PageSize - int(hostcall.Address(b)%addr.PageSize)
}

// Load32, Swap32 and CompareAndSwap32 operate on the aligned word at the start of
// b, which may fault as in Copy.
func Load32(b []byte) (v uint32, err error) {
	return word(b, func(p *uint32) uint32 { return atomic.LoadUint32(p) })
}

// Swap32 stores v and returns what was there.
func Swap32(b []byte, v uint32) (uint32, error) {
	return word(b, func(p *uint32) uint32 { return atomic.SwapUint32(p, v) })
}

// CompareAndSwap32 stores v if the word is old, and returns what was there.
func CompareAndSwap32(b []byte, old, v uint32) (uint32, error) {
	return word(b, func(p *uint32) uint32 {
		for {
			if found := atomic.LoadUint32(p); found != old {
				return found
			}
			if atomic.CompareAndSwapUint32(p, old, v) {
				return old
			}
		}
	})
}

func word(b []byte, op func(*uint32) uint32) (v uint32, err error) {
	ok := false
	func() {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer recovered(&ok)
		ok = true
		v = op(hostcall.Word32(b, 0))
	}()
	if !ok {
		return 0, errno.EFAULT
	}
	return v, nil
}
