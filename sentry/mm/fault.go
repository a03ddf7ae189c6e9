package mm

import (
	"math/bits"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
)

// How much a fault brings in, in bytes.
const (
	// Anonymous memory: an aligned window, doubled while memory is touched in
	// sequence. The host gives memory to its pages only as they are touched.
	anonWindow    = 256 << 10
	anonWindowMax = 2 << 20
	// Copies of shared pages.
	copyWindow    = 64 << 10
	copyWindowMax = 128 << 10 // while memory is written in sequence
	// For a private mapping of a file it is left open whether it shows later changes of
	// the file (mmap(2)): pages copied early do not. So these are fewer.
	copyFileWindow = 32 << 10
	// Pages that become exclusive again without a copy.
	reuseWindow = 1 << 20
	// Files. Their pages cost nothing until they are touched.
	fileWindow = 16 << 20
	// What the platform maps at once when the pages are there already; not less than
	// any window but the one for files.
	mapWindow = 2 << 20
	// Up to here the host's page tables are filled ahead. That pays for pages which the
	// host has: filling in costs a third of touching. New pages cost four fifths, so those
	// are filled in only where memory is touched in sequence.
	populateMax = 64 << 10
)

// touch says for whom a fault is resolved.
type touch uint8

const (
	byGuest  touch = iota // the guest's instruction faulted
	bySentry              // a system call moves bytes
	byForce               // ptrace and /proc/PID/mem: protections don't matter (FOLL_FORCE)
)

// HandleFault resolves a fault that the platform reported at a. nil means that the
// instruction can be tried again. Otherwise a FaultError says which signal the
// guest gets, and errno.ENOMEM that memory is used up. access may be Read where
// the platform does not know better.
//
// A SIGBUS event that the platform reports (a host file was truncated behind our
// back) is not for HandleFault: the guest gets the signal.
func (m *MM) HandleFault(a addr.Addr, access platform.Prot) error {
	return m.fault(a, access, byGuest)
}

func (m *MM) fault(a addr.Addr, access platform.Prot, by touch) error {
	m.mapMu.RLock()
	v, ok := m.vmas.Find(uint64(a))
	if !ok {
		m.mapMu.RUnlock()
		if err := m.growStack(a); err != nil {
			return err
		}
		m.mapMu.RLock()
		if v, ok = m.vmas.Find(uint64(a)); !ok {
			m.mapMu.RUnlock()
			return SegvMapErr
		}
	}
	err := m.faultIn(v, a, access, by)
	m.mapMu.RUnlock()
	return err
}

// faultIn resolves a fault in v. Preconditions: mapMu is held.
func (m *MM) faultIn(v vmEntry, a addr.Addr, access platform.Prot, by touch) error {
	if by == byForce {
		// Linux: write to what is private, read what could be made readable.
		if access&platform.Write != 0 && v.V.prot&platform.Write == 0 && v.V.shared {
			return SegvAccErr
		}
	} else if !v.V.allows(access) {
		return SegvAccErr
	}
	m.pageMu.Lock()
	defer m.pageMu.Unlock()
	if m.dead || m.broken {
		return errno.ENOMEM
	}
	err := m.faultLocked(v, uint64(a.RoundDown()), access, by)
	if f, ok := err.(*UserFault); ok {
		f.addr = a
	}
	return err
}

func (m *MM) faultLocked(v vmEntry, page uint64, access platform.Prot, by touch) error {
	write := access&platform.Write != 0
	e, ok := m.ptes.Find(page)
	if ok && !write && by == byGuest && v.V.prot&platform.Write != 0 && m.hostProt(&e.V) != 0 {
		write = true // it can be read, so that was no read
	}
	var err error
	populate := false
	if v.V.uffd != nil || m.marks.Len() != 0 {
		if err := m.userfault(v, page, e, ok, write, by); err != nil {
			return err
		}
		e, ok = m.ptes.Find(page) // its protection may be gone
	}
	if !ok {
		if e, populate, err = m.bringIn(v, page, write); err != nil {
			return err
		}
		if m.marks.Len() != 0 {
			e = m.protectMarked(v, e, page)
		}
	}
	if write && !m.canWrite(&e.V) {
		if e, err = m.makeWritable(v, e, page); err != nil {
			m.drainLocked()
			return err
		}
	}
	if v.V.prot != 0 {
		err = m.mapHost(e, page, populate)
	}
	m.drainLocked()
	return err
}

// bringIn makes the page present, and a neighbourhood with it. It returns the new run, and
// whether all of it will be touched soon.
func (m *MM) bringIn(v vmEntry, page uint64, write bool) (e ptEntry, soon bool, err error) {
	// The hole around page, within v.
	lo, hi := v.Start, v.End
	prev, hasPrev := m.ptes.Prev(page)
	if hasPrev {
		lo = max(lo, prev.End)
	}
	next, hasNext := m.ptes.Next(page)
	if hasNext {
		hi = min(hi, next.Start)
	}
	if v.V.uffd != nil || m.marks.Len() != 0 {
		lo, hi = m.alone(v, page, lo, hi)
	}
	if mp := v.V.mappable(); mp != nil {
		e, err = m.bringInFile(v, mp, page, lo, hi, write)
		return e, false, err
	}
	window := uint64(anonWindow)
	// Close to a run that is present memory is touched in sequence, upwards or
	// downwards; side by side with it none is left out.
	if hasPrev && page-prev.End < window && prev.V.owned {
		soon = prev.End == page
		window = sequential(window, prev.Len())
	} else if hasNext && next.Start-page <= window && next.V.owned {
		soon = next.Start == page+addr.PageSize
		window = sequential(window, next.Len())
	}
	if v.V.flags&FlagLockOnFault != 0 {
		window, soon = addr.PageSize, false // what is locked is what was touched
	}
	start := max(lo, page&^(window-1))
	end := min(hi, page&^(window-1)+window)
	after := uint64(0)
	if hasPrev && prev.End == start && prev.V.file == mappable.Backing(m.mf) {
		after = prev.Off + prev.Len()
	}
	off, err := m.mf.Allocate(end-start, memfile.AllocOpts{Kind: memfile.Anonymous, After: after})
	if err != nil {
		start, end = page, page+addr.PageSize
		if off, err = m.mf.Allocate(addr.PageSize, memfile.AllocOpts{Kind: memfile.Anonymous}); err != nil {
			return ptEntry{}, false, err
		}
	}
	e = ptEntry{Start: start, End: end, Off: off, V: pte{
		file: m.mf, owned: true, excl: m.exclEpoch, prot: v.V.prot,
	}}
	m.insertPte(e)
	return e, soon, nil
}

// sequential returns the window for memory that continues a run of n bytes.
func sequential(window, n uint64) uint64 {
	if n >= anonWindowMax {
		return anonWindowMax
	}
	return max(window, uint64(1)<<bits.Len64(n))
}

// bringInFile asks the Mappable for the page; [lo, hi) around it is not present yet.
func (m *MM) bringInFile(v vmEntry, mp mappable.Mappable, page, lo, hi uint64, write bool) (ptEntry, error) {
	want := v.OffAt(page)
	p, err := mp.Translate(want, addr.PageSize, fileWindow, write && v.V.shared)
	if err != nil {
		return ptEntry{}, busError(err)
	}
	e, err := m.clipPages(v, p, want, page, lo, hi)
	if err != nil {
		return ptEntry{}, err
	}
	m.insertPte(e)
	return e, nil
}

// busError is what a failed Translate means for who touched the page.
func busError(err error) error {
	if err == errno.ENOMEM {
		return err
	}
	return BusAdrErr
}

// clipPages turns the pages that a Mappable returned for offset want, which page
// shows, into a run within [lo, hi), and drops the references to the rest.
func (m *MM) clipPages(v vmEntry, p mappable.Pages, want, page, lo, hi uint64) (ptEntry, error) {
	if p.Off > want || want-p.Off >= p.Len || (p.Off|p.Len|p.Start)&addr.PageMask != 0 {
		p.Backing.DecRef(p.Start, p.Len)
		return ptEntry{}, BusAdrErr
	}
	start := page - min(want-p.Off, page-lo)
	end := page + min(p.Off+p.Len-want, hi-page)
	off := p.Start + (want - p.Off) - (page - start)
	if before := off - p.Start; before > 0 {
		p.Backing.DecRef(p.Start, before)
	}
	if after := p.Start + p.Len - (off + end - start); after > 0 {
		p.Backing.DecRef(off+end-start, after)
	}
	return ptEntry{Start: start, End: end, Off: off, V: pte{
		file: p.Backing, writable: p.Writable && v.V.shared, prot: v.V.prot,
	}}, nil
}

// makeWritable makes the page of the present run e writable, by taking it over, copying
// it, or asking the Mappable. It returns the run that replaced it, which may be more or less.
func (m *MM) makeWritable(v vmEntry, e ptEntry, page uint64) (ptEntry, error) {
	if v.V.shared {
		want := v.OffAt(page)
		p, err := v.V.mappable().Translate(want, addr.PageSize, fileWindow, true)
		if err != nil {
			return ptEntry{}, busError(err)
		}
		// Not more than mapHost will map anew: the frames may be others than before.
		around := e.Clip(v.Start, v.End)
		around = around.Clip(page&^(mapWindow-1), page&^(mapWindow-1)+mapWindow)
		n, err := m.clipPages(v, p, want, page, around.Start, around.End)
		if err != nil {
			return ptEntry{}, err
		}
		if !n.V.writable {
			m.pending = append(m.pending, run{n.V.file, n.Off, n.Len()})
			return ptEntry{}, BusAdrErr
		}
		m.retire(e.Clip(n.Start, n.End))
		m.replacePte(n)
		return n, nil
	}
	if e.V.owned {
		m.hot.note(page)
	}
	e = e.Clip(v.Start, v.End)
	if e.V.owned && m.mf.Refs(e.OffAt(page)) == 1 {
		return m.takeOver(e, page), nil
	}
	return m.copyPages(v, e, page)
}

// retire puts the frames of e, which will be replaced, into pending.
func (m *MM) retire(e ptEntry) {
	m.pending = append(m.pending, run{e.V.file, e.Off, e.Len()})
}

// takeOver makes frames around page that nobody shares any more exclusive.
func (m *MM) takeOver(e ptEntry, page uint64) ptEntry {
	around := e.Clip(page&^(reuseWindow-1), page&^(reuseWindow-1)+reuseWindow)
	start, end := page, page+addr.PageSize
	for start > around.Start && m.mf.Refs(e.OffAt(start-addr.PageSize)) == 1 {
		start -= addr.PageSize
	}
	for end < around.End && m.mf.Refs(e.OffAt(end)) == 1 {
		end += addr.PageSize
	}
	e = e.Clip(start, end)
	e.V.excl = m.exclEpoch
	e.V.host &^= platform.Write // it was not mapped for writing while it was shared
	m.replacePte(e)
	return e
}

// copyPages gives the address space copies of pages around page.
func (m *MM) copyPages(v vmEntry, e ptEntry, page uint64) (ptEntry, error) {
	window := m.copyWindow
	if prev, ok := m.ptes.Prev(page); ok && prev.End == page && prev.V.owned && prev.V.excl == m.exclEpoch &&
		window == copyWindow && prev.Len() >= window {
		window = copyWindowMax
	}
	if !e.V.owned {
		window = min(window, copyFileWindow)
	}
	old := e.Clip(page&^(window-1), page&^(window-1)+window)
	if e.V.owned {
		// Leave out what needs no copy.
		start, end := page, page+addr.PageSize
		for start > old.Start && m.mf.Refs(e.OffAt(start-addr.PageSize)) > 1 {
			start -= addr.PageSize
		}
		for end < old.End && m.mf.Refs(e.OffAt(end)) > 1 {
			end += addr.PageSize
		}
		old = old.Clip(start, end)
	}
	after := uint64(0)
	if prev, ok := m.ptes.Prev(old.Start); ok && prev.End == old.Start && prev.V.owned {
		after = prev.Off + prev.Len()
	}
	opts := memfile.AllocOpts{Kind: memfile.Anonymous, NoZero: true, After: after}
	off, err := m.mf.Allocate(old.Len(), opts)
	if err != nil {
		old = e.Clip(page, page+addr.PageSize)
		if off, err = m.mf.Allocate(addr.PageSize, opts); err != nil {
			return ptEntry{}, err
		}
	}
	if err := m.copyFrames(off, old.V.file, old.Off, old.Len()); err != nil {
		m.mf.DecRef(off, old.Len())
		return ptEntry{}, BusAdrErr
	}
	m.retire(old)
	e = ptEntry{Start: old.Start, End: old.End, Off: off, V: pte{
		file: m.mf, owned: true, fromFile: v.V.mappable() != nil, excl: m.exclEpoch, prot: v.V.prot,
		hostEpoch: old.V.hostEpoch, host: m.hostProt(&old.V) &^ platform.Write,
	}}
	m.replacePte(e)
	return e, nil
}

// mapHost makes the platform map the neighbourhood of page in e, as far as its
// protection allows. With populate its page tables are filled whatever the size.
func (m *MM) mapHost(e ptEntry, page uint64, populate bool) error {
	window := uint64(mapWindow)
	if !e.V.owned {
		window = fileWindow
	}
	e = e.Clip(page&^(window-1), page&^(window-1)+window)
	want := m.wantProt(&e.V)
	err := m.tellHost(e, want, populate)
	if err != nil {
		m.flushHost()
		if m.broken {
			return errno.ENOMEM
		}
		e = e.Clip(page, page+addr.PageSize)
		if err = m.tellHost(e, want, false); err != nil {
			m.unmapHost(rangeOfPte(e))
			return errno.ENOMEM
		}
	}
	if e.V.host != want || e.V.hostEpoch != m.hostEpoch {
		e.V.host, e.V.hostEpoch = want, m.hostEpoch
		var buf [4]ptEntry
		m.ptes.Cut(e.Start, e.End, buf[:0])
		m.ptes.Insert(e)
	}
	return nil
}

// tellHost makes the platform map e.
func (m *MM) tellHost(e ptEntry, prot platform.Prot, populate bool) error {
	how := platform.PopulateNone
	switch {
	case populate:
		how = platform.PopulateWrite
	case e.Len() <= populateMax:
		how = platform.PopulateRead
	}
	err := m.as.Map(rangeOfPte(e), e.V.file.FD(), e.Off, prot, how)
	if err == nil {
		err = m.mapPatches(e, prot)
	}
	return err
}

func rangeOfPte(e ptEntry) addr.Range {
	return addr.Range{Start: addr.Addr(e.Start), End: addr.Addr(e.End)}
}

// growStack extends the mapping above a, which grows down, to a (expand_stack of
// mm/mmap.c).
func (m *MM) growStack(a addr.Addr) error {
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	page := uint64(a.RoundDown())
	v, ok := m.vmas.Next(uint64(a))
	if ok && v.Start <= uint64(a) {
		return nil // someone else was faster
	}
	if !ok || v.V.flags&FlagGrowsDown == 0 || page < uint64(m.user.Start) {
		return SegvMapErr
	}
	grow := v.Start - page
	if v.End-page > m.limits.Stack || !m.mayExpand(v.V, grow) {
		return SegvMapErr
	}
	if v.V.flags&FlagLocked != 0 && m.sizes.locked+grow > m.limits.MemLock {
		return SegvMapErr
	}
	if prev, ok := m.vmas.Prev(page); ok && prev.V.prot != 0 && prev.V.flags&FlagGrowsDown == 0 &&
		prev.End+guardGap > page {
		return SegvMapErr
	}
	more := vmEntry{Start: page, End: v.Start, Off: page, V: v.V}
	if v.Off != v.Start {
		more.Off = v.Off - grow
	}
	if err := m.hold(more); err != nil {
		return SegvMapErr
	}
	m.vmas.Insert(more)
	return nil
}
