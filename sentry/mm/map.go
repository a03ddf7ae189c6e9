package mm

import (
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/pagestore"
)

const allProt = platform.Read | platform.Write | platform.Exec

// Map makes a mapping and returns where (mmap(2)). Errors are Linux's, except for those
// that concern the file's open mode, which the caller has checked.
func (m *MM) Map(o MapOpts) (addr.Addr, error) {
	g := garbage{ev: o.Events}
	a, err := m.mapOne(o, &g)
	g.drop()
	if err == nil && o.Soon && o.Mappable != nil && !isHole(o.Mappable, o.Offset) {
		m.fault(a, platform.Read, bySentry) // failure is no error: the guest's own access will tell
	}
	if err == nil && (o.Populate || o.Locked || m.locksNext()) {
		n, _ := addr.PageRoundUp(o.Length)
		m.populate(addr.Range{Start: a, End: a + addr.Addr(n)}, false)
	}
	return a, err
}

// locksNext reports whether new mappings are locked (MCL_FUTURE).
func (m *MM) locksNext() bool {
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	return m.mlockNext&FlagLocked != 0
}

// isHole reports whether a file has no page at off, and would take memory for one.
func isHole(f mappable.Mappable, off uint64) bool {
	r, ok := f.(resident)
	if !ok {
		return false
	}
	var present [1]byte
	r.Resident(off, present[:])
	return present[0] == 0
}

func (m *MM) mapOne(o MapOpts, g *garbage) (addr.Addr, error) {
	if o.Length == 0 {
		return 0, errno.EINVAL
	}
	n, ok := addr.PageRoundUp(o.Length)
	if !ok || n > uint64(taskSize) {
		return 0, errno.ENOMEM
	}
	if o.Offset&addr.PageMask != 0 {
		return 0, errno.EINVAL
	}
	if o.Offset+n < o.Offset {
		return 0, errno.EOVERFLOW
	}
	v, err := m.newVMA(o, n)
	if err != nil {
		return 0, err
	}
	if m.deniesExec(v.prot, v.prot) {
		return 0, errno.EACCES
	}
	if shm, ok := v.file().(*sharedAnon); ok && o.Mappable == nil {
		defer shm.DecRef() // newVMA's own; remap_file_pages(2) brings one that others hold
	}

	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	if m.vmas.Len() >= MaxMapCount {
		return 0, errno.ENOMEM
	}
	v.flags |= m.mlockNext
	start := uint64(o.Addr)
	if o.Fixed {
		if err := m.checkFixed(start, n); err != nil {
			return 0, err
		}
		if o.NoReplace && m.vmas.Overlaps(start, start+n) {
			return 0, errno.EEXIST
		}
	} else {
		hint := o.Addr
		if hint != 0 {
			hint = max(hint.RoundDown(), m.user.Start)
		}
		a, err := m.findGap(hint, n, o.Below4G)
		if err != nil {
			return 0, err
		}
		start = uint64(a)
	}
	if v.flags&FlagLocked != 0 {
		if err := m.mayLock(n); err != nil {
			return 0, err
		}
	}
	if o.Fixed {
		// What is replaced does not count against the limits.
		if err := m.checkSealed(start, start+n); err != nil {
			return 0, err
		}
		replaced := uint64(0)
		m.vmas.Ascend(start, start+n, func(old vmEntry) bool {
			replaced += old.Clip(start, start+n).Len()
			return true
		})
		if !m.mayExpand(v, n-replaced) {
			return 0, errno.ENOMEM
		}
		m.removeLocked(start, start+n, g)
	} else if !m.mayExpand(v, n) {
		return 0, errno.ENOMEM
	}
	e := vmEntry{Start: start, End: start + n, Off: o.Offset, V: v}
	if v.mappable() == nil {
		e.Off = start
	}
	m.shareObject(&e)
	if err := m.hold(e); err != nil {
		return 0, err
	}
	m.vmas.Insert(e)
	return addr.Addr(start), nil
}

// checkFixed checks a range that the caller insists on.
func (m *MM) checkFixed(start, n uint64) error {
	switch {
	case start&addr.PageMask != 0:
		return errno.EINVAL
	case n > uint64(m.user.End) || start > uint64(m.user.End)-n:
		return errno.ENOMEM
	case start < uint64(m.user.Start):
		return errno.EPERM // vm.mmap_min_addr
	}
	return nil
}

// newVMA turns options into the value of a mapping of n bytes.
func (m *MM) newVMA(o MapOpts, n uint64) (vma, error) {
	v := vma{prot: o.Prot & allProt, maxProt: o.MaxProt, shared: !o.Private}
	if v.maxProt == 0 {
		v.maxProt = allProt
	}
	if v.prot&^v.maxProt != 0 {
		return v, errno.EACCES
	}
	for _, f := range []struct {
		on   bool
		flag VMAFlags
	}{{o.GrowsDown, FlagGrowsDown}, {o.Locked, FlagLocked}, {o.NoReserve, FlagNoReserve}, {o.Droppable, FlagDroppable | FlagWipeOnFork | FlagDontDump}} {
		if f.on {
			v.flags |= f.flag
		}
	}
	if o.GrowsDown && (v.shared || o.Mappable != nil) {
		return v, errno.EINVAL
	}
	switch {
	case o.Mappable != nil:
		v.obj = &object{m: o.Mappable, file: o.File, name: o.Name}
	case v.shared:
		s := newSharedAnon(m.mf, n)
		v.obj = &object{m: s.store, file: s}
	case o.Name != "":
		v.obj = &object{name: o.Name}
	}
	return v, nil
}

func (v vma) file() FileRef {
	if v.obj == nil {
		return nil
	}
	return v.obj.file
}

// shareObject gives e the object of a neighbour that shows the same, so that the
// two can be merged. Preconditions: mapMu is held for writing.
func (m *MM) shareObject(e *vmEntry) {
	if e.V.obj == nil {
		return
	}
	if prev, ok := m.vmas.Prev(e.Start); ok && prev.End == e.Start && prev.V.obj != nil && prev.V.obj.same(e.V.obj) {
		e.V.obj = prev.V.obj
	} else if next, ok := m.vmas.Find(e.End); ok && next.V.obj != nil && next.V.obj.same(e.V.obj) {
		e.V.obj = next.V.obj
	}
}

// Unmap removes all mappings of [a, a+n) (munmap(2)). ev collects what userfaultfds are to be told; it may be nil.
func (m *MM) Unmap(a addr.Addr, n uint64, ev *Events) error {
	g := garbage{ev: ev}
	m.mapMu.Lock()
	err := m.unmapLocked(a, n, &g)
	m.mapMu.Unlock()
	g.drop()
	return err
}

func (m *MM) unmapLocked(a addr.Addr, n uint64, g *garbage) error {
	length, ok := addr.PageRoundUp(n)
	if !a.Aligned() || n == 0 || !ok || length > uint64(taskSize) || uint64(a) > uint64(taskSize)-length {
		return errno.EINVAL
	}
	start, end := uint64(a), uint64(a)+length
	if err := m.checkSealed(start, end); err != nil {
		return err
	}
	if v, ok := m.vmas.Find(start); ok && v.Start < start && v.End > end && m.vmas.Len() >= MaxMapCount {
		return errno.ENOMEM // it would become two
	}
	m.removeLocked(start, end, g)
	return nil
}

// deniesExec reports whether PR_SET_MDWE forbids prot to what was old: no memory is executable that is writable
// or was not executable from its beginning.
func (m *MM) deniesExec(old, prot platform.Prot) bool {
	if prot&platform.Exec == 0 || prot&platform.Write == 0 && old&platform.Exec != 0 {
		return false
	}
	return m.Meta().MDWE&linux.PR_MDWE_REFUSE_EXEC_GAIN != 0
}

// checkSealed returns EPERM if mseal(2) protects a mapping of [start, end).
func (m *MM) checkSealed(start, end uint64) (err error) {
	m.vmas.Ascend(start, end, func(v vmEntry) bool {
		if v.V.flags&FlagSealed != 0 {
			err = errno.EPERM
		}
		return err == nil
	})
	return err
}

// removeLocked removes the mappings and pages of [start, end).
// Preconditions: mapMu is held for writing.
func (m *MM) removeLocked(start, end uint64, g *garbage) {
	var buf [4]vmEntry
	gone := m.vmas.Cut(start, end, buf[:0])
	if len(gone) == 0 {
		return
	}
	m.gap.forget(gone[len(gone)-1].End)
	m.pageMu.Lock()
	m.cutPtes(start, end)
	m.marks.Cut(start, end, nil)
	m.drainLocked()
	m.pageMu.Unlock()
	for _, v := range gone {
		g.ev.unmapped(v, start, end)
		m.unhold(v, g)
	}
}

// SetBrkStart sets where the heap begins; it is empty then.
func (m *MM) SetBrkStart(a addr.Addr) {
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	m.brkStart, m.brkEnd = a, a
}

// Brk moves the end of the heap to a, if that is possible, and returns where it is
// (brk(2)).
func (m *MM) Brk(a addr.Addr, ev *Events) addr.Addr {
	g := garbage{ev: ev}
	m.mapMu.Lock()
	end, grown := m.brkLocked(a, &g)
	m.mapMu.Unlock()
	g.drop()
	if !grown.Empty() {
		m.populate(grown, false)
	}
	return end
}

// brkLocked returns the end of the heap, and what was added if that has to be
// populated because it is locked.
func (m *MM) brkLocked(a addr.Addr, g *garbage) (end addr.Addr, grown addr.Range) {
	old := m.brkEnd
	if a < m.brkStart || m.brkStart == 0 {
		return old, grown
	}
	data := m.Meta()
	if uint64(a-m.brkStart)+uint64(data.EndData-data.StartData) > m.limits.Data {
		return old, grown
	}
	newEnd, ok := a.RoundUp()
	oldEnd, _ := old.RoundUp()
	if !ok || newEnd > m.user.End {
		return old, grown
	}
	switch {
	case newEnd < oldEnd:
		if m.unmapLocked(newEnd, uint64(oldEnd-newEnd), g) != nil {
			return old, grown
		}
	case newEnd > oldEnd:
		n := uint64(newEnd - oldEnd)
		v := vma{prot: platform.Read | platform.Write, maxProt: allProt, flags: m.mlockNext}
		if !m.free(uint64(oldEnd), uint64(newEnd)+addr.PageSize) || !m.mayExpand(v, n) || m.vmas.Len() >= MaxMapCount {
			return old, grown
		}
		if v.flags&FlagLocked != 0 {
			if m.mayLock(n) != nil {
				return old, grown
			}
			grown = addr.Range{Start: oldEnd, End: newEnd}
		}
		e := vmEntry{Start: uint64(oldEnd), End: uint64(newEnd), Off: uint64(oldEnd), V: v}
		if m.hold(e) != nil {
			return old, addr.Range{}
		}
		m.vmas.Insert(e)
	}
	m.brkEnd = a
	return a, grown
}

// populate faults r in. If strict it stops at the first error, else it goes on with
// the next mapping (mm_populate of mm/gup.c).
func (m *MM) populate(r addr.Range, strict bool) error {
	for a := r.Start; a < r.End; {
		next, err := m.populateAt(a, r.End)
		if err != nil && (strict || next <= a) {
			return err
		}
		a = next
	}
	return nil
}

// populateAt faults in the page at a and returns where to go on: after an error at the
// end of the mapping, if there is one.
func (m *MM) populateAt(a, end addr.Addr) (addr.Addr, error) {
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	v, ok := m.vmas.Find(uint64(a))
	if !ok {
		return 0, errno.ENOMEM
	}
	access := platform.Read
	if v.V.prot&platform.Write != 0 && !v.V.shared {
		access = platform.Write
	}
	if v.V.flags&FlagLockOnFault != 0 {
		return addr.Addr(v.End), nil
	}
	if err := m.faultIn(v, a, access, bySentry); err != nil {
		return addr.Addr(v.End), err
	}
	m.pageMu.RLock()
	defer m.pageMu.RUnlock()
	e, ok := m.ptes.Find(uint64(a))
	if !ok || access&platform.Write != 0 && !m.canWrite(&e.V) {
		return a + addr.PageSize, nil
	}
	return min(addr.Addr(e.End), addr.Addr(v.End), end), nil
}

// sharedAnon is the file of a shared anonymous mapping, as Linux's "/dev/zero"
// inode of shmem.
type sharedAnon struct {
	users atomic.Int64
	store *pagestore.Store
	ino   uint64
}

func newSharedAnon(mf *memfile.File, n uint64) *sharedAnon {
	s := &sharedAnon{store: pagestore.NewSized(mf, memfile.Shared, n), ino: epochs.Add(1)}
	s.users.Store(1)
	return s
}

func (s *sharedAnon) IncRef() { s.users.Add(1) }

func (s *sharedAnon) DecRef() {
	if s.users.Add(-1) == 0 {
		s.store.Release()
	}
}

func (s *sharedAnon) MapName() string              { return "/dev/zero (deleted)" }
func (s *sharedAnon) MapDevIno() (dev, ino uint64) { return 1, s.ino }
