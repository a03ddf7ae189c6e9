package mm

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/pagestore"
)

// mayUserfault reports whether v can be registered in the ways of flags (vma_can_userfault of
// linux/userfaultfd_k.h).
func (u *Userfault) mayUserfault(v vma, flags VMAFlags) bool {
	_, shmem := v.mappable().(*pagestore.Store)
	switch {
	case v.flags&FlagDroppable != 0, flags&FlagUffdMinor != 0 && !shmem:
		return false
	case flags == FlagUffdWP && u.has(linux.UFFD_FEATURE_WP_ASYNC):
		return true
	}
	return shmem || v.mappable() == nil
}

// Register has u look after the mappings in [a, a+n) in the ways of mode, UFFDIO_REGISTER_MODE_*. ENOMEM if the
// address space is gone; EBUSY if another one looks after a part.
func (u *Userfault) Register(a addr.Addr, n, mode uint64) error {
	var flags VMAFlags
	for _, k := range []struct {
		mode uint64
		flag VMAFlags
	}{{linux.UFFDIO_REGISTER_MODE_MISSING, FlagUffdMissing}, {linux.UFFDIO_REGISTER_MODE_WP, FlagUffdWP}, {linux.UFFDIO_REGISTER_MODE_MINOR, FlagUffdMinor}} {
		if mode&k.mode != 0 {
			flags |= k.flag
		}
	}
	return u.change(a, n, flags, func(m *MM, v vmEntry) error {
		if v.V.uffd == u && v.V.flags&flags == flags {
			return nil
		}
		m.userfaults.Store(true)
		return m.setUserfault(v.Start, v.End, u, flags)
	})
}

// Unregister undoes Register for [a, a+n), whoever looks after it, and lets those go on who wait there.
func (u *Userfault) Unregister(a addr.Addr, n uint64) error {
	return u.change(a, n, 0, func(m *MM, v vmEntry) error {
		if v.V.uffd == nil {
			return nil
		}
		err := m.setUserfault(v.Start, v.End, nil, 0)
		v.V.uffd.Wake(addr.Addr(v.Start), v.Len())
		return err
	})
}

// change checks all mappings of [a, a+n) for flags, 0 for none, and applies fn to each. There may be holes between them.
func (u *Userfault) change(a addr.Addr, n uint64, flags VMAFlags, fn func(m *MM, v vmEntry) error) error {
	m := u.mm
	if !m.TryIncUsers() {
		return errno.ENOMEM
	}
	defer m.DecUsers()
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	start, end := uint64(a), uint64(a)+n
	vmas := m.vmas.Append(nil, start, end)
	if len(vmas) == 0 {
		return errno.EINVAL
	}
	for _, v := range vmas {
		switch {
		case !u.mayUserfault(v.V, flags):
			return errno.EINVAL
		case flags == 0:
		case v.V.maxProt&platform.Write == 0:
			return errno.EPERM // filling writes to the file
		case v.V.uffd != nil && v.V.uffd != u:
			return errno.EBUSY
		}
	}
	for _, v := range vmas {
		if err := fn(m, v.Clip(start, end)); err != nil {
			return err
		}
	}
	return nil
}

// busy reports whether mappings change in a way that readers are yet to hear of: nothing is filled meanwhile.
func (u *Userfault) busy() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.changing > 0
}

// MayFill reports whether [a, a+n) is memory that can be filled so, filled by now or not.
func (u *Userfault) MayFill(a addr.Addr, n uint64, f Filling) error {
	_, done, err := u.target(a, n, f)
	if err == nil {
		done()
	}
	return err
}

// target finds the registered mapping that covers [a, a+n) and can be filled with f. On success mapMu is held for
// reading and pageMu for writing, and the caller calls done.
func (u *Userfault) target(a addr.Addr, n uint64, f Filling) (v vmEntry, done func(), err error) {
	m := u.mm
	if !m.TryIncUsers() {
		return v, nil, errno.ESRCH
	}
	m.mapMu.RLock()
	v, ok := m.vmas.Find(uint64(a))
	_, shmem := v.V.mappable().(*pagestore.Store)
	switch {
	case u.busy():
		err = errno.EAGAIN
	case !ok || v.End-uint64(a) < n || v.V.uffd == nil:
		err = errno.ENOENT
	case f.Protected && v.V.flags&FlagUffdWP == 0, !shmem && (f.Found || v.V.mappable() != nil):
		err = errno.EINVAL
	}
	if err != nil {
		m.mapMu.RUnlock()
		m.DecUsers()
		return v, nil, err
	}
	m.pageMu.Lock()
	return v, func() {
		m.drainLocked()
		m.pageMu.Unlock()
		m.mapMu.RUnlock()
		m.DecUsers()
	}, nil
}

// Filling is what to put where pages are missing: of Data one page after the other, or zeros. With Found it is what
// the file has by now. With Poison it is nothing, ever.
type Filling struct {
	Data          []byte
	Found, Poison bool
	Protected     bool // UFFD write protection on top
}

// Fill fills [a, a+n) and returns how far it came. EEXIST where a page is present. Data, if there is any,
// has n bytes.
func (u *Userfault) Fill(a addr.Addr, n uint64, f Filling) (uint64, error) {
	v, done, err := u.target(a, n, f)
	if err != nil {
		return 0, err
	}
	defer done()
	m := u.mm
	store, shmem := v.V.mappable().(*pagestore.Store)
	if m.dead || m.broken {
		return 0, errno.ENOMEM
	}
	for at := uint64(0); at < n; at += addr.PageSize {
		page := uint64(a) + at
		data := f.Data
		if data != nil {
			data = data[at:][:addr.PageSize]
		}
		if m.ptes.Overlaps(page, page+addr.PageSize) {
			return at, errno.EEXIST
		}
		marked := m.marks.Overlaps(page, page+addr.PageSize)
		if f.Poison {
			if marked {
				return at, errno.EEXIST
			}
			m.setMark(page, page+addr.PageSize, markPoison)
			continue
		}
		if shmem && (v.V.shared || f.Found) {
			err = m.fillFile(v, store, page, data, f.Found)
		} else {
			err = m.fillPrivate(v, page, data)
		}
		if err != nil {
			return at, err
		}
		if marked { // what fills a page takes the marker's place, poison too
			m.marks.Cut(page, page+addr.PageSize, nil)
		}
		if f.Protected {
			m.setWP(v, page, page+addr.PageSize, true)
		}
	}
	return n, nil
}

// fillPrivate makes a page of private memory that holds data, or zeros.
func (m *MM) fillPrivate(v vmEntry, page uint64, data []byte) error {
	after := uint64(0)
	if prev, ok := m.ptes.Prev(page); ok && prev.End == page && prev.V.owned {
		after = prev.Off + prev.Len()
	}
	off, err := m.mf.Allocate(addr.PageSize, memfile.AllocOpts{Kind: memfile.Anonymous, NoZero: data != nil, After: after})
	if err != nil {
		return err
	}
	if data != nil {
		b, err := m.mf.Bytes(off, addr.PageSize, true)
		if err != nil {
			m.mf.DecRef(off, addr.PageSize)
			return errno.ENOMEM
		}
		copy(b, data)
	}
	m.insertPte(ptEntry{Start: page, End: page + addr.PageSize, Off: off, V: pte{
		file: mappable.Backing(m.mf), owned: true, fromFile: v.V.mappable() != nil, excl: m.exclEpoch, prot: v.V.prot,
	}})
	return nil
}

// fillFile maps the page of the file, into which it puts data, or zeros, unless it is to be found there.
func (m *MM) fillFile(v vmEntry, store *pagestore.Store, page uint64, data []byte, found bool) error {
	off := v.OffAt(page)
	holds, ok := store.Holds(off)
	switch {
	case found && !(holds && ok):
		return errno.EFAULT
	case !found:
		if err := store.Put(off, data); err != nil {
			return err
		}
	}
	p, err := store.Translate(off, addr.PageSize, 0, v.V.shared)
	if err != nil {
		return errno.EFAULT
	}
	e, err := m.clipPages(v, p, off, page, page, page+addr.PageSize)
	if err != nil {
		return errno.EFAULT
	}
	m.insertPte(e)
	return nil
}

// setMark marks the pages of [start, end), which are not present.
func (m *MM) setMark(start, end uint64, k mark) {
	m.marks.Cut(start, end, nil)
	m.marks.Insert(markEntry{Start: start, End: end, Off: start, V: k})
}

// Protect write-protects [a, a+n), or takes that away (UFFDIO_WRITEPROTECT).
func (u *Userfault) Protect(a addr.Addr, n uint64, wp bool) error {
	m := u.mm
	if !m.TryIncUsers() {
		return errno.ESRCH
	}
	defer m.DecUsers()
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	if u.busy() {
		return errno.EAGAIN
	}
	start, end := uint64(a), uint64(a)+n
	err := error(errno.ENOENT)
	m.pageMu.Lock()
	defer m.pageMu.Unlock()
	m.vmas.Ascend(start, end, func(v vmEntry) bool {
		if v.V.flags&FlagUffdWP == 0 {
			err = errno.ENOENT
			return false
		}
		err = nil
		v = v.Clip(start, end)
		if !wp {
			m.unprotect(v)
			return true
		}
		m.setWP(v, v.Start, v.End, true)
		if v.V.mappable() != nil || u.has(linux.UFFD_FEATURE_WP_UNPOPULATED) {
			m.markMissing(v)
		}
		return true
	})
	m.drainLocked()
	return err
}

// markMissing write-protects the pages of v that are not present.
func (m *MM) markMissing(v vmEntry) {
	at := v.Start
	fill := func(end uint64) {
		for at < end {
			k, ok := m.marks.Next(at)
			stop := end
			if ok && k.Start < end {
				stop = max(k.Start, at)
			}
			if stop > at {
				m.marks.Insert(markEntry{Start: at, End: stop, Off: at, V: markWP})
			}
			at = stop
			if ok && k.Start < end {
				at = min(k.End, end)
			}
		}
	}
	for _, e := range m.ptes.Append(nil, v.Start, v.End) {
		fill(max(e.Start, v.Start))
		at = max(at, e.End)
	}
	fill(v.End)
}

// Move moves n bytes of private pages from src to dst in the same address space and returns how far it came
// (UFFDIO_MOVE). EBUSY where another process shares a page, ENOENT at a hole unless holes are
// allowed.
func (u *Userfault) Move(dst, src addr.Addr, n uint64, holes bool) (uint64, error) {
	m := u.mm
	if !m.TryIncUsers() {
		return 0, errno.ESRCH
	}
	defer m.DecUsers()
	m.pinMu.Lock() // nobody works on a page that goes away
	defer m.pinMu.Unlock()
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	if u.busy() {
		return 0, errno.EAGAIN
	}
	to, ok := m.vmas.Find(uint64(dst))
	from, ok2 := m.vmas.Find(uint64(src))
	if !ok || !ok2 {
		return 0, errno.ENOENT
	}
	const locked = FlagLocked | FlagLockOnFault
	private := func(v vma) bool { return v.mappable() == nil && !v.shared }
	if from.End-uint64(src) < n || to.End-uint64(dst) < n || !private(from.V) || !private(to.V) ||
		from.V.prot != to.V.prot || from.V.prot&platform.Write == 0 || (from.V.flags^to.V.flags)&locked != 0 || to.V.uffd != u {
		return 0, errno.EINVAL
	}
	m.pageMu.Lock()
	defer m.pageMu.Unlock()
	defer m.drainLocked()
	for at := uint64(0); at < n; at += addr.PageSize {
		page, old := uint64(dst)+at, uint64(src)+at
		_, marked := m.marks.Find(page)
		if marked || m.ptes.Overlaps(page, page+addr.PageSize) {
			return at, errno.EEXIST
		}
		e, ok := m.ptes.Find(old)
		switch {
		case !ok && !holes:
			return at, errno.ENOENT
		case !ok:
			continue
		case !m.canWrite(&e.V) && m.mf.Refs(e.OffAt(old)) != 1:
			return at, errno.EBUSY
		}
		e = e.Clip(old, old+addr.PageSize)
		e.V.file.IncRef(e.Off, addr.PageSize)
		m.cutPtes(old, old+addr.PageSize)
		e.Start, e.End = page, page+addr.PageSize
		e.V.host, e.V.hostEpoch, e.V.excl, e.V.wp = 0, 0, m.exclEpoch, false
		m.insertPte(e)
	}
	return n, nil
}
