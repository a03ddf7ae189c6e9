package platformtest

import (
	"sync/atomic"
	"testing"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
)

// What a platform's own tests run.

// UnusedRange is where the guests of Caller and Spinner have nothing.
var UnusedRange = pageRange(nothing, 1)

// Caller returns an address space and registers with which a context makes system
// calls for ever. mapMore maps a page there.
func Caller(t testing.TB, p platform.Platform) (as platform.AddressSpace, regs arch.Registers, mapMore func() error) {
	t.Helper()
	m := newMachine(t, p)
	as = m.space(t)
	return as, *start(callLoop), func() error { return as.Map(UnusedRange, m.file, 0, rw, platform.PopulateNone) }
}

// Spinner returns an address space and registers with which contexts run without
// system calls for ever. spinning reports whether one has done so.
func Spinner(t testing.TB, p platform.Platform) (as platform.AddressSpace, regs arch.Registers, spinning func() bool) {
	t.Helper()
	m := newMachine(t, p)
	as = m.space(t)
	regs = *start(spinLoop)
	regs.Rdi = uint64(dataAt)
	counter := hostcall.Word64(m.data(), 0)
	return as, regs, func() bool { return atomic.LoadUint64(counter) > 10*addr.PageSize }
}
