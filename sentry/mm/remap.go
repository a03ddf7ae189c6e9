package mm

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
)

// Remap moves or resizes a mapping and returns where it is (mremap(2)).
func (m *MM) Remap(o RemapOpts) (addr.Addr, error) {
	g := garbage{ev: o.Events}
	m.mapMu.Lock()
	a, fill, err := m.remapLocked(o, &g)
	m.mapMu.Unlock()
	g.drop()
	if err == nil && !fill.Empty() {
		m.populate(fill, false)
	}
	return a, err
}

// remapLocked also returns what has to be populated because it is locked. The
// order of its checks is that of mm/mremap.c.
func (m *MM) remapLocked(o RemapOpts, g *garbage) (at addr.Addr, fill addr.Range, err error) {
	if o.Fixed && !o.MayMove || o.DontUnmap && (!o.MayMove || o.OldLength != o.NewLength) || !o.Old.Aligned() {
		return 0, fill, errno.EINVAL
	}
	oldLen, ok1 := addr.PageRoundUp(o.OldLength)
	newLen, ok2 := addr.PageRoundUp(o.NewLength)
	if !ok1 || !ok2 || newLen == 0 {
		return 0, fill, errno.EINVAL
	}
	old := uint64(o.Old)
	v, ok := m.vmas.Find(old)
	if !ok || old+oldLen < old {
		return 0, fill, errno.EFAULT
	}
	if v.V.flags&FlagSealed != 0 {
		return 0, fill, errno.EPERM
	}
	if o.Fixed || o.DontUnmap {
		if o.Fixed {
			to := uint64(o.New)
			if !o.New.Aligned() || newLen > uint64(taskSize) || to > uint64(taskSize)-newLen {
				return 0, fill, errno.EINVAL
			}
			if old < to+newLen && to < old+oldLen {
				return 0, fill, errno.EINVAL
			}
		}
		if m.vmas.Len()+2 >= MaxMapCount {
			return 0, fill, errno.ENOMEM
		}
		if o.Fixed {
			if err := m.checkFixed(uint64(o.New), newLen); err != nil {
				return 0, fill, err
			}
			if err := m.checkSealed(uint64(o.New), uint64(o.New)+newLen); err != nil {
				return 0, fill, err
			}
			m.removeLocked(uint64(o.New), uint64(o.New)+newLen, g)
		}
		if oldLen > newLen {
			if err := m.unmapLocked(o.Old+addr.Addr(newLen), oldLen-newLen, g); err != nil {
				return 0, fill, err
			}
			oldLen = newLen
		}
		if v, ok = m.vmas.Find(old); !ok {
			return 0, fill, errno.EFAULT
		}
		if err := m.checkResize(v, old, oldLen, newLen, o.DontUnmap); err != nil {
			return 0, fill, err
		}
		to := o.New
		if !o.Fixed {
			if to, err = m.findGap(o.New, newLen, false); err != nil {
				return 0, fill, err
			}
		}
		return m.moveLocked(v, old, oldLen, uint64(to), newLen, o.DontUnmap, g)
	}
	if oldLen >= newLen {
		if oldLen > newLen {
			if err := m.unmapLocked(o.Old+addr.Addr(newLen), oldLen-newLen, g); err != nil {
				return 0, fill, err
			}
		}
		return o.Old, fill, nil
	}
	if err := m.checkResize(v, old, oldLen, newLen, false); err != nil {
		return 0, fill, err
	}
	if oldLen != 0 && v.End == old+oldLen && old+newLen <= uint64(m.user.End) && m.free(v.End, old+newLen) {
		more := vmEntry{Start: v.End, End: old + newLen, Off: v.OffAt(v.End), V: v.V}
		if err := m.hold(more); err != nil {
			return 0, fill, err
		}
		m.vmas.Insert(more)
		if v.V.flags&FlagLocked != 0 {
			fill = rangeOf(more)
		}
		return o.Old, fill, nil
	}
	if !o.MayMove {
		return 0, fill, errno.ENOMEM
	}
	if m.vmas.Len()+2 >= MaxMapCount {
		return 0, fill, errno.ENOMEM
	}
	to, err := m.findGap(0, newLen, false)
	if err != nil {
		return 0, fill, err
	}
	return m.moveLocked(v, old, oldLen, uint64(to), newLen, false, g)
}

// checkResize is the kernel's vma_to_resize.
func (m *MM) checkResize(v vmEntry, old, oldLen, newLen uint64, dontUnmap bool) error {
	if v.V.flags&FlagSealed != 0 {
		return errno.EPERM
	}
	if oldLen == 0 && !v.V.shared {
		return errno.EINVAL // that would duplicate private memory
	}
	if oldLen > v.End-old {
		return errno.EFAULT
	}
	if newLen == oldLen && !dontUnmap {
		return nil
	}
	if v.OffAt(old)+newLen < newLen {
		return errno.EINVAL
	}
	grow := newLen - min(oldLen, newLen)
	if v.V.flags&FlagLocked != 0 && m.sizes.locked+grow > m.limits.MemLock {
		return errno.EAGAIN
	}
	if dontUnmap {
		grow = newLen
	}
	if !m.mayExpand(v.V, grow) {
		return errno.ENOMEM
	}
	return nil
}

// moveLocked moves [old, old+oldLen) of v to [to, to+newLen), which is free. With dontUnmap,
// or with oldLen 0, the old mapping stays.
func (m *MM) moveLocked(v vmEntry, old, oldLen, to, newLen uint64, dontUnmap bool, g *garbage) (addr.Addr, addr.Range, error) {
	n := vmEntry{Start: to, End: to + newLen, Off: v.OffAt(old), V: v.V}
	watched := g.ev.remapped(v, old, to, oldLen)
	if !watched {
		n.V.uffd, n.V.flags = nil, n.V.flags&^uffdFlags
	}
	if v.V.mappable() == nil {
		n.Off = to
	}
	if err := m.hold(n); err != nil {
		return 0, addr.Range{}, err
	}
	m.vmas.Insert(n)

	m.pageMu.Lock()
	var buf [8]ptEntry
	m.dropPatches(old, old+oldLen)
	pages := m.ptes.Cut(old, old+min(oldLen, newLen), buf[:0])
	for i := range pages {
		if m.hostProt(&pages[i].V) != 0 {
			m.unmapHost(addr.Range{Start: addr.Addr(old), End: addr.Addr(old + oldLen)})
			break
		}
	}
	for _, e := range pages {
		e.Start, e.End = e.Start-old+to, e.End-old+to
		e.V.host, e.V.hostEpoch, e.V.wp = 0, 0, e.V.wp && watched
		m.ptes.Insert(e)
	}
	for _, k := range m.marks.Cut(old, old+min(oldLen, newLen), nil) {
		if watched || k.V != markWP {
			m.setMark(k.Start-old+to, k.End-old+to, k.V)
		}
	}
	m.pageMu.Unlock()

	var fill addr.Range
	if v.V.flags&FlagLocked != 0 {
		fill = rangeOf(n)
	}
	switch {
	case dontUnmap:
		// The old mapping stays, empty where it was moved, and all of it unlocked.
		rest := v
		if rest.V.flags&(FlagLocked|FlagLockOnFault) != 0 {
			m.sizes.add(rest, -1)
			m.vmas.Cut(rest.Start, rest.End, nil)
			rest.V.flags &^= FlagLocked | FlagLockOnFault
			m.sizes.add(rest, 1)
			m.vmas.Insert(rest)
		}
	case oldLen > 0:
		m.removeLocked(old, old+oldLen, g)
	}
	return addr.Addr(to), fill, nil
}
