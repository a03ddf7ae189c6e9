package mm

import (
	"math"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform"
	"ringfence/sentry/base/span"
	"ringfence/sentry/mappable"
)

const maxAddr = math.MaxUint64

// vma is the value of a mapping. Neighbours with equal vmas and continuing offsets are one.
type vma struct {
	obj     *object // nil for private anonymous memory without a name
	prot    platform.Prot
	maxProt platform.Prot
	shared  bool
	flags   VMAFlags
	policy  MemPolicy
	uffd    *Userfault // who looks after it, as flags say; or nil
}

type vmEntry = span.Entry[vma]

// object is what mappings show: a Mappable with its file, or a name. Mappings that
// could be merged share one.
type object struct {
	m    mappable.Mappable // nil for private anonymous memory
	file FileRef           // may be nil; referenced while mapped is not 0
	name string
	// anon tells names that PR_SET_VMA_ANON_NAME gave from others.
	anon bool

	// mapped counts the bytes that show the object, in all address spaces.
	mapped atomic.Int64
}

func (o *object) same(p *object) bool {
	return o.m == p.m && o.file == p.file && o.name == p.name && o.anon == p.anon
}

// mappable returns what v shows, or nil for private anonymous memory.
func (v vma) mappable() mappable.Mappable {
	if v.obj == nil {
		return nil
	}
	return v.obj.m
}

// mayWriteShared reports whether the mapping counts as a writable one of its file.
func (v vma) mayWriteShared() bool { return v.shared && v.maxProt&platform.Write != 0 }

// allows reports whether the protection allows the access. On x86 every page that
// can be written or executed can be read.
func (v vma) allows(access platform.Prot) bool {
	if access&platform.Write != 0 && v.prot&platform.Write == 0 ||
		access&platform.Exec != 0 && v.prot&platform.Exec == 0 {
		return false
	}
	return v.prot != 0
}

func rangeOf(v vmEntry) addr.Range {
	return addr.Range{Start: addr.Addr(v.Start), End: addr.Addr(v.End)}
}

// garbage collects what must be released without locks.
type garbage struct {
	files []FileRef
	ev    *Events // what userfaultfds are to be told of; may be nil
}

func (g *garbage) drop() {
	for _, f := range g.files {
		f.DecRef()
	}
}

// hold registers a new mapping with its object. Preconditions: mapMu is held.
func (m *MM) hold(v vmEntry) error {
	if o := v.V.obj; o != nil {
		if o.m != nil {
			if err := o.m.AddMapping(m, rangeOf(v), v.Off, v.V.mayWriteShared()); err != nil {
				return err
			}
		}
		if o.mapped.Add(int64(v.Len())) == int64(v.Len()) && o.file != nil {
			o.file.IncRef()
		}
	}
	m.sizes.add(v, 1)
	return nil
}

// unhold undoes hold. Preconditions: mapMu is held.
func (m *MM) unhold(v vmEntry, g *garbage) {
	m.sizes.add(v, -1)
	o := v.V.obj
	if o == nil {
		return
	}
	if o.m != nil {
		o.m.RemoveMapping(m, rangeOf(v), v.Off, v.V.mayWriteShared())
	}
	if o.mapped.Add(-int64(v.Len())) == 0 && o.file != nil {
		g.files = append(g.files, o.file)
	}
}

// sizes are the counts of pages that limits and /proc look at.
type sizes struct {
	total, data, stack, exec, locked uint64 // bytes
	peak                             uint64
}

// isData, as the kernel's is_data_mapping says: what RLIMIT_DATA counts.
func (v vma) isData() bool {
	return v.prot&platform.Write != 0 && !v.shared && v.flags&FlagGrowsDown == 0
}

func (s *sizes) add(v vmEntry, sign int64) {
	n := uint64(sign * int64(v.Len()))
	s.total += n
	switch {
	case v.V.flags&FlagGrowsDown != 0:
		s.stack += n
	case v.V.prot&(platform.Exec|platform.Write) == platform.Exec:
		s.exec += n
	case v.V.isData():
		s.data += n
	}
	if v.V.flags&FlagLocked != 0 {
		s.locked += n
	}
	s.peak = max(s.peak, s.total)
}

// mayExpand says whether n bytes of v fit RLIMIT_AS and RLIMIT_DATA, and whether they
// are not more than all memory: the one thing that Linux refuses with
// vm.overcommit_memory 0, unless it is told that most will stay untouched.
func (m *MM) mayExpand(v vma, n uint64) bool {
	if !v.shared && v.prot&platform.Write != 0 && v.flags&FlagNoReserve == 0 && n > m.mf.Limit() {
		return false
	}
	if m.sizes.total+n > m.limits.AS || m.sizes.total+n < n {
		return false
	}
	return !v.isData() || m.sizes.data+n <= m.limits.Data
}

// mayLock says whether n more bytes may be locked: EAGAIN if they exceed
// RLIMIT_MEMLOCK, EPERM if nothing may be locked at all.
func (m *MM) mayLock(n uint64) error {
	if m.limits.MemLock == 0 {
		return errno.EPERM
	}
	if m.sizes.locked+n > m.limits.MemLock {
		return errno.EAGAIN
	}
	return nil
}

// startGap is the lowest address that a mapping keeps others from.
func startGap(v vmEntry) uint64 {
	if v.V.flags&FlagGrowsDown == 0 {
		return v.Start
	}
	if v.Start < guardGap {
		return 0
	}
	return v.Start - guardGap
}

// gapHint remembers that no hole of size or more lies in [addr, MmapBase). The zero
// value knows nothing.
type gapHint struct {
	addr, size uint64
}

// forget drops the hint if the removal of what ends at end may have made a hole.
func (h *gapHint) forget(end uint64) {
	if end >= h.addr {
		*h = gapHint{}
	}
}

// findGap returns a free range of n bytes as mmap(2) chooses it.
// Preconditions: mapMu is held; n is a multiple of the page size.
func (m *MM) findGap(hint addr.Addr, n uint64, low bool) (addr.Addr, error) {
	if n > m.user.Len() {
		return 0, errno.ENOMEM
	}
	if h, ok := hint.RoundUp(); hint != 0 && ok && h >= m.user.Start && uint64(h) <= uint64(m.user.End)-n {
		if m.free(uint64(h), uint64(h)+n) {
			return h, nil
		}
	}
	if low {
		// MAP_32BIT looks upwards in the second gigabyte (arch/x86/kernel/sys_x86_64.c).
		return m.findUp(0x40000000, 0x80000000, n)
	}
	limit := uint64(m.layout.MmapBase)
	h := m.gap
	if h.size != 0 && n >= h.size {
		limit = min(limit, h.addr)
	}
	// The mapping above may reach below limit, or keep a gap there.
	if v, ok := m.vmas.Next(limit); ok {
		limit = min(limit, startGap(v))
	}
	found := uint64(0)
	m.vmas.Descend(limit, func(v vmEntry) bool {
		if v.End <= limit && limit-v.End >= n {
			found = limit - n
			return false
		}
		limit = min(limit, startGap(v))
		return limit >= uint64(m.user.Start)+n
	})
	if found == 0 && limit >= uint64(m.user.Start)+n {
		found = limit - n
	}
	if found >= uint64(m.user.Start) && found != 0 {
		if h.size == 0 || n <= h.size || found < h.addr {
			// No hole of n bytes lies above found+n: remember the smallest such n.
			m.gap = gapHint{found + n, n}
		}
		return addr.Addr(found), nil
	}
	// Bottom-up, above the base too (TASK_UNMAPPED_BASE).
	return m.findUp(uint64(taskSize/3+addr.PageMask)&^addr.PageMask, uint64(m.user.End), n)
}

// free reports whether [start, end) is free, guard gaps included.
func (m *MM) free(start, end uint64) bool {
	v, ok := m.vmas.Next(start)
	return !ok || startGap(v) >= end
}

// findUp looks for n free bytes in [start, end), upwards.
func (m *MM) findUp(start, end, n uint64) (addr.Addr, error) {
	at := max(start, uint64(m.user.Start))
	end = min(end, uint64(m.user.End))
	for {
		if end < n || at > end-n {
			return 0, errno.ENOMEM
		}
		v, ok := m.vmas.Next(at)
		if !ok || startGap(v) >= at+n {
			return addr.Addr(at), nil
		}
		at = v.End
	}
}
