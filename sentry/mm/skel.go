package mm

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
)

type MM struct{}

// New returns an empty address space with one user and the default layout.
func New(p platform.Platform, mf *memfile.File) (*MM, error) { return nil, errno.ENOSYS }

// Fork returns a copy with one user whose private memory is shared copy-on-write.
func (m *MM) Fork() (*MM, error) { return nil, errno.ENOSYS }

// IncUsers adds a user: a task that runs in m.
func (m *MM) IncUsers() {}

// TryIncUsers adds a user unless the last one has gone; for /proc and ptrace.
func (m *MM) TryIncUsers() bool { return false }

// DecUsers drops a user; the last one releases all memory and the AddressSpace.
func (m *MM) DecUsers() {}

func (m *MM) AddressSpace() platform.AddressSpace { return nil }

// SetLayout fixes where mmap places things; exec does it before it maps anything.
func (m *MM) SetLayout(l Layout)        {}
func (m *MM) Layout() Layout            { return Layout{} }
func (m *MM) SetLimits(l Limits)        {}
func (m *MM) Meta() Meta                { return Meta{} }
func (m *MM) SetMeta(Meta)              {}
func (m *MM) UpdateMeta(fn func(*Meta)) {}

// SetExe makes f, of which it takes a reference, what /proc/PID/exe shows.
func (m *MM) SetExe(f FileRef) {}

// Exe returns the executable with a reference for the caller, or nil.
func (m *MM) Exe() FileRef { return nil }

func (m *MM) HandleFault(a addr.Addr, access platform.Prot) error { return errno.ENOSYS }

func (m *MM) Map(o MapOpts) (addr.Addr, error)  { return 0, errno.ENOSYS }
func (m *MM) Unmap(a addr.Addr, n uint64) error { return errno.ENOSYS }

// Protect takes PROT_* including PROT_GROWSDOWN.
func (m *MM) Protect(a addr.Addr, n uint64, prot uint64) error { return errno.ENOSYS }
func (m *MM) Remap(o RemapOpts) (addr.Addr, error)             { return 0, errno.ENOSYS }

// SetBrkStart sets where the heap begins; Brk moves its end and returns the end there is.
func (m *MM) SetBrkStart(a addr.Addr)                          {}
func (m *MM) Brk(a addr.Addr) addr.Addr                        { return 0 }
func (m *MM) Advise(a addr.Addr, n uint64, advice int32) error { return errno.ENOSYS }
func (m *MM) Msync(a addr.Addr, n uint64, flags uint32) error  { return errno.ENOSYS }
func (m *MM) Mlock(a addr.Addr, n uint64, onFault bool) error  { return errno.ENOSYS }
func (m *MM) Munlock(a addr.Addr, n uint64) error              { return errno.ENOSYS }
func (m *MM) Mlockall(flags uint32) error                      { return errno.ENOSYS }
func (m *MM) Munlockall() error                                { return errno.ENOSYS }

// Mincore fills vec with one byte a page.
func (m *MM) Mincore(a addr.Addr, vec []byte) error                    { return errno.ENOSYS }
func (m *MM) Mseal(a addr.Addr, n uint64) error                        { return errno.ENOSYS }
func (m *MM) SetVMAName(a addr.Addr, n uint64, name string) error      { return errno.ENOSYS }
func (m *MM) RemapFilePages(a addr.Addr, n uint64, pgoff uint64) error { return errno.ENOSYS }

func (m *MM) Stats() Stats { return Stats{} }

// ForEachVMA calls fn in address order until it returns false; with usage also the sizes are computed.
func (m *MM) ForEachVMA(usage bool, fn func(VMAInfo) bool) {}

// ReadRemote and WriteRemote reach memory as ptrace(2) does (FOLL_FORCE).
func (m *MM) ReadRemote(a addr.Addr, dst []byte) (int, error)  { return 0, errno.ENOSYS }
func (m *MM) WriteRemote(a addr.Addr, src []byte) (int, error) { return 0, errno.ENOSYS }

// FutexKey and usermem.IO, mappable.Space
func (m *MM) CopyIn(a addr.Addr, dst []byte) (int, error)   { return 0, errno.ENOSYS }
func (m *MM) CopyOut(a addr.Addr, src []byte) (int, error)  { return 0, errno.ENOSYS }
func (m *MM) ZeroOut(a addr.Addr, n uint64) (uint64, error) { return 0, errno.ENOSYS }
func (m *MM) Blocks(r addr.Range, write bool, fn func(blocks [][]byte) (int, error)) (int, error) {
	return 0, errno.ENOSYS
}
func (m *MM) LoadUint32(a addr.Addr) (uint32, error)                          { return 0, errno.ENOSYS }
func (m *MM) SwapUint32(a addr.Addr, v uint32) (uint32, error)                { return 0, errno.ENOSYS }
func (m *MM) CompareAndSwapUint32(a addr.Addr, old, v uint32) (uint32, error) { return 0, errno.ENOSYS }
func (m *MM) Invalidate(mp mappable.Mappable, r addr.Range, private bool)     {}
