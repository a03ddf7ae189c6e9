package mm

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
)

// holePuncher is a Mappable that can free a part of the file (MADV_REMOVE).
type holePuncher interface {
	PunchHole(off, n uint64) error
}

// syncer is a Mappable that can write a part of the file out (MS_SYNC of msync(2)).
type syncer interface {
	SyncRange(off, n uint64) error
}

// resident is a Mappable that knows which of its pages, from off on, are in memory (mincore(2)).
type resident interface {
	Resident(off uint64, present []byte)
}

// fileCall is a call of a Mappable to be made without locks; file keeps it alive.
type fileCall struct {
	file   FileRef
	v      vma
	at     uint64 // where it is mapped
	off, n uint64
}

// holdCall keeps the file of v for a call. Preconditions: mapMu is held.
func holdCall(v vmEntry) fileCall {
	if v.V.obj.file != nil {
		v.V.obj.file.IncRef()
	}
	return fileCall{v.V.obj.file, v.V, v.Start, v.Off, v.Len()}
}

func (c fileCall) done() {
	if c.file != nil {
		c.file.DecRef()
	}
}

// adviceRange checks the range of madvise(2), mseal(2) and others.
func adviceRange(a addr.Addr, n uint64) (start, end uint64, err error) {
	length, ok := addr.PageRoundUp(n)
	if !a.Aligned() || !ok || uint64(a)+length < uint64(a) {
		return 0, 0, errno.EINVAL
	}
	return uint64(a), uint64(a) + length, nil
}

// Advise is madvise(2), as of Linux 6.12. The order of checks is that of mm/madvise.c. Besides errors of
// Linux MADV_POPULATE_READ and MADV_POPULATE_WRITE return a *UserFault: to be called again once it is resolved.
func (m *MM) Advise(a addr.Addr, n uint64, advice int32) error {
	if !knownAdvice(advice) {
		return errno.EINVAL
	}
	start, end, err := adviceRange(a, n)
	if err != nil || start == end {
		return err
	}
	switch advice {
	case linux.MADV_HWPOISON, linux.MADV_SOFT_OFFLINE:
		return errno.EPERM // there is no machine to inject errors into
	case linux.MADV_POPULATE_READ:
		return m.populateAccess(start, end, platform.Read)
	case linux.MADV_POPULATE_WRITE:
		return m.populateAccess(start, end, platform.Write)
	case linux.MADV_REMOVE:
		return m.adviseRemove(start, end)
	case linux.MADV_DONTNEED, linux.MADV_DONTNEED_LOCKED, linux.MADV_FREE,
		linux.MADV_COLD, linux.MADV_PAGEOUT, linux.MADV_WILLNEED, linux.MADV_COLLAPSE:
		m.mapMu.RLock()
		defer m.mapMu.RUnlock()
		return m.advisePages(start, end, advice)
	}
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	return m.adviseFlags(start, end, advice)
}

func knownAdvice(advice int32) bool {
	switch {
	case advice >= linux.MADV_NORMAL && advice <= linux.MADV_DONTNEED,
		advice >= linux.MADV_FREE && advice <= linux.MADV_COLLAPSE,
		advice == linux.MADV_HWPOISON, advice == linux.MADV_SOFT_OFFLINE:
		return true
	}
	return false
}

// advisePages does what concerns pages and not the mappings.
func (m *MM) advisePages(start, end uint64, advice int32) error {
	at, holes := start, false
	var err error
	m.vmas.Ascend(start, end, func(v vmEntry) bool {
		holes = holes || v.Start > at
		at = v.End
		v = v.Clip(start, end)
		err = m.advisePart(v, advice)
		return err == nil
	})
	if err == nil && (holes || at < end) {
		return errno.ENOMEM
	}
	return err
}

func (m *MM) advisePart(v vmEntry, advice int32) error {
	locked := v.V.flags&FlagLocked != 0
	anonymous := v.V.mappable() == nil
	switch advice {
	case linux.MADV_WILLNEED:
		return nil
	case linux.MADV_COLLAPSE:
		return errno.EINVAL // no huge pages
	case linux.MADV_COLD, linux.MADV_PAGEOUT:
		if locked {
			return errno.EINVAL
		}
		if advice == linux.MADV_COLD || v.V.flags&FlagDroppable == 0 {
			return nil
		}
		// There is nowhere to page it out to.
	case linux.MADV_FREE:
		if !anonymous || locked {
			return errno.EINVAL
		}
	case linux.MADV_DONTNEED:
		if locked {
			return errno.EINVAL
		}
	}
	m.pageMu.Lock()
	defer m.pageMu.Unlock()
	if v.V.flags&FlagSealed != 0 && !v.V.shared && v.V.prot&platform.Write == 0 && anonymous {
		return errno.EPERM // that would change what reads return
	}
	m.dropAdvised(v)
	m.drainLocked()
	return nil
}

// dropAdvised drops the pages of v, and their markers in private anonymous memory. In that of files
// write protection stays, with markers where pages had it (zap_install_uffd_wp_if_needed of mm/memory.c).
func (m *MM) dropAdvised(v vmEntry) {
	if v.V.mappable() == nil {
		m.marks.Cut(v.Start, v.End, nil)
	} else if v.V.flags&FlagUffdWP != 0 {
		var buf [8]ptEntry
		for _, e := range m.ptes.Append(buf[:0], v.Start, v.End) {
			if e = e.Clip(v.Start, v.End); e.V.wp {
				m.setMark(e.Start, e.End, markWP)
			}
		}
	}
	m.cutPtes(v.Start, v.End)
}

// adviseFlags does what is remembered with the mappings.
func (m *MM) adviseFlags(start, end uint64, advice int32) error {
	holes := false
	for start < end {
		next, ok := m.vmas.Next(start)
		if !ok || next.Start >= end {
			holes = true
			break
		}
		if next.Start > start {
			holes = true
			start = next.Start
		}
		stop := min(end, next.End)
		err := m.changeVMAs(start, stop, func(v *vmEntry) error {
			f := &v.V.flags
			plain := v.V.mappable() == nil && !v.V.shared
			switch advice {
			case linux.MADV_NORMAL:
				*f &^= FlagRandom | FlagSequential
			case linux.MADV_RANDOM:
				*f = *f&^FlagSequential | FlagRandom
			case linux.MADV_SEQUENTIAL:
				*f = *f&^FlagRandom | FlagSequential
			case linux.MADV_DONTFORK:
				*f |= FlagDontFork
			case linux.MADV_DOFORK:
				*f &^= FlagDontFork
			case linux.MADV_WIPEONFORK:
				if !plain {
					return errno.EINVAL
				}
				*f |= FlagWipeOnFork
			case linux.MADV_KEEPONFORK:
				if *f&FlagDroppable != 0 {
					return errno.EINVAL
				}
				*f &^= FlagWipeOnFork
			case linux.MADV_DONTDUMP:
				*f |= FlagDontDump
			case linux.MADV_DODUMP:
				if *f&FlagDroppable != 0 {
					return errno.EINVAL
				}
				*f &^= FlagDontDump
			case linux.MADV_MERGEABLE:
				*f |= FlagMergeable
			case linux.MADV_UNMERGEABLE:
				*f &^= FlagMergeable
			case linux.MADV_HUGEPAGE:
				*f = *f&^FlagNoHugePage | FlagHugePage
			case linux.MADV_NOHUGEPAGE:
				*f = *f&^FlagHugePage | FlagNoHugePage
			}
			return nil
		})
		if err != nil {
			return err
		}
		start = stop
	}
	if holes {
		return errno.ENOMEM
	}
	return nil
}

// adviseRemove frees the part of the file that is mapped (MADV_REMOVE).
func (m *MM) adviseRemove(start, end uint64) error {
	holes := false
	for start < end {
		m.mapMu.RLock()
		v, ok := m.vmas.Next(start)
		if !ok || v.Start >= end {
			m.mapMu.RUnlock()
			return errno.ENOMEM
		}
		holes = holes || v.Start > start
		v = v.Clip(start, end)
		start = v.End
		puncher, can := v.V.mappable().(holePuncher)
		switch {
		case v.V.flags&FlagLocked != 0, v.V.mappable() == nil:
			m.mapMu.RUnlock()
			return errno.EINVAL
		case !v.V.mayWriteShared():
			m.mapMu.RUnlock()
			return errno.EACCES
		case !can:
			m.mapMu.RUnlock()
			return errno.EOPNOTSUPP
		}
		c := holdCall(v)
		m.mapMu.RUnlock()
		err := puncher.PunchHole(c.off, c.n)
		c.done()
		if err != nil {
			return err
		}
	}
	if holes {
		return errno.ENOMEM
	}
	return nil
}

// populateAccess faults pages in as an access would (MADV_POPULATE_READ and
// MADV_POPULATE_WRITE). EINVAL if the protection forbids it, EFAULT for SIGBUS.
func (m *MM) populateAccess(start, end uint64, access platform.Prot) error {
	for start < end {
		m.mapMu.RLock()
		v, ok := m.vmas.Find(start)
		if !ok {
			m.mapMu.RUnlock()
			return errno.ENOMEM
		}
		if v.V.prot&access == 0 { // a page that can only be written is not to be read here
			m.mapMu.RUnlock()
			return errno.EINVAL
		}
		err := m.faultIn(v, addr.Addr(start), access, bySentry)
		m.mapMu.RUnlock()
		switch err.(type) {
		case nil:
		case *UserFault:
			return err
		default:
			return errFault(err)
		}
		m.pageMu.RLock()
		e, ok := m.ptes.Find(start)
		if ok && (access&platform.Write == 0 || m.canWrite(&e.V)) {
			start = min(e.End, v.End)
		}
		m.pageMu.RUnlock()
	}
	return nil
}

// Msync is msync(2). With MS_SYNC files are written out.
func (m *MM) Msync(a addr.Addr, n uint64, flags uint32) error {
	const all = linux.MS_ASYNC | linux.MS_INVALIDATE | linux.MS_SYNC
	if flags&^all != 0 || !a.Aligned() || flags&linux.MS_ASYNC != 0 && flags&linux.MS_SYNC != 0 {
		return errno.EINVAL
	}
	length := (n + addr.PageMask) &^ addr.PageMask // the largest lengths come to nothing, as in mm/msync.c
	if uint64(a)+length < uint64(a) {
		return errno.ENOMEM
	}
	start, end := uint64(a), uint64(a)+length
	var calls []fileCall
	var err error
	at := start
	m.mapMu.RLock()
	m.vmas.Ascend(start, end, func(v vmEntry) bool {
		if v.Start > at {
			err = errno.ENOMEM // and go on
		}
		at = v.End
		if flags&linux.MS_INVALIDATE != 0 && v.V.flags&FlagLocked != 0 {
			err = errno.EBUSY
			return false
		}
		if _, ok := v.V.mappable().(syncer); ok && flags&linux.MS_SYNC != 0 && v.V.shared {
			calls = append(calls, holdCall(v.Clip(start, end)))
		}
		return true
	})
	if at < end && err == nil {
		err = errno.ENOMEM
	}
	m.mapMu.RUnlock()
	for _, c := range calls {
		if e := c.v.mappable().(syncer).SyncRange(c.off, c.n); e != nil && err == nil {
			err = e
		}
		c.done()
	}
	return err
}

// Mincore stores for each page from a on whether it is in memory (mincore(2)): mapped, or kept by the file.
// A file that can't tell counts as in memory, and so does one of which mayTell says no. ENOMEM where nothing is
// mapped.
func (m *MM) Mincore(a addr.Addr, vec []byte, mayTell func(FileRef) bool) error {
	if !a.Aligned() {
		return errno.EINVAL
	}
	start := uint64(a)
	end := start + uint64(len(vec))<<addr.PageShift
	var calls []fileCall
	m.mapMu.RLock()
	if end < start || !m.vmas.Covered(start, end) {
		m.mapMu.RUnlock()
		return errno.ENOMEM
	}
	m.vmas.Ascend(start, end, func(v vmEntry) bool {
		if v.V.mappable() != nil {
			calls = append(calls, holdCall(v.Clip(start, end)))
		}
		return true
	})
	clear(vec)
	m.pageMu.RLock()
	m.ptes.Ascend(start, end, func(e ptEntry) bool {
		e = e.Clip(start, end)
		fill(vec[(e.Start-start)>>addr.PageShift : (e.End-start)>>addr.PageShift])
		return true
	})
	m.pageMu.RUnlock()
	m.mapMu.RUnlock()
	for _, c := range calls {
		part := vec[(c.at-start)>>addr.PageShift:][:c.n>>addr.PageShift]
		f, ok := c.v.mappable().(resident)
		if ok && (c.file == nil || mayTell(c.file)) {
			f.Resident(c.off, part)
		} else {
			fill(part)
		}
		c.done()
	}
	return nil
}

func fill(vec []byte) {
	for i := range vec {
		vec[i] = 1
	}
}

// Mseal forbids all changes of the mappings in [a, a+n) (mseal(2)).
func (m *MM) Mseal(a addr.Addr, n uint64) error {
	start, end, err := adviceRange(a, n)
	if err != nil || start == end {
		return err
	}
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	if !m.vmas.Covered(start, end) {
		return errno.ENOMEM
	}
	return m.changeVMAs(start, end, func(v *vmEntry) error {
		v.V.flags |= FlagSealed
		return nil
	})
}

// SetVMAName names anonymous memory, or takes the name away if it is empty
// (PR_SET_VMA_ANON_NAME of prctl(2)). The caller has checked the characters.
func (m *MM) SetVMAName(a addr.Addr, n uint64, name string) error {
	start, end, err := adviceRange(a, n)
	if err != nil || start == end {
		return err
	}
	var g garbage
	defer g.drop()
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	var buf [8]vmEntry
	holes := false
	for _, v := range m.vmas.Append(buf[:0], start, end) {
		holes = holes || v.Start > start
		start = v.End
		o := v.V.obj
		next := &object{name: name, anon: true}
		if o != nil {
			_, shm := o.file.(*sharedAnon)
			if o.m != nil && !shm {
				return errno.EBADF
			}
			next.m, next.file = o.m, o.file
		}
		if name == "" && next.m == nil {
			next = nil
		}
		old := v
		v.V.obj = next
		m.vmas.Cut(v.Start, v.End, nil)
		m.shareObject(&v)
		if err := m.hold(v); err != nil {
			m.vmas.Insert(old)
			return err
		}
		m.unhold(old, &g)
		m.vmas.Insert(v)
	}
	if holes || start < end {
		return errno.ENOMEM
	}
	return nil
}

// RemapFilePages makes [a, a+n) of a shared mapping show other pages of its file
// (remap_file_pages(2), which Linux too does with a mapping of its own).
func (m *MM) RemapFilePages(a addr.Addr, n uint64, pgoff uint64) error {
	start, length := uint64(a.RoundDown()), addr.PageRoundDown(n)
	if start+length <= start || pgoff<<addr.PageShift>>addr.PageShift != pgoff ||
		pgoff+length>>addr.PageShift < pgoff {
		return errno.EINVAL
	}
	var g garbage
	defer g.drop()
	m.mapMu.Lock()
	v, ok := m.vmas.Find(start)
	if !ok || !v.V.shared || v.End < start+length {
		m.mapMu.Unlock()
		return errno.EINVAL
	}
	c := holdCall(v)
	m.mapMu.Unlock()
	defer c.done()
	_, err := m.mapOne(MapOpts{
		Addr: addr.Addr(start), Length: length, Offset: pgoff << addr.PageShift,
		Prot: c.v.prot, MaxProt: c.v.maxProt, Fixed: true,
		Mappable: c.v.obj.m, File: c.v.obj.file, Name: c.v.obj.name, Locked: c.v.flags&FlagLocked != 0,
	}, &g)
	return err
}
