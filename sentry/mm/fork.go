package mm

import (
	"ringfence/abi/addr"
	"ringfence/platform"
)

// forkMapMax is up to how many runs of a mapping Fork makes read-only one by one;
// if there are more it unmaps the whole range, and faults bring back what is used.
const forkMapMax = 16

// childMapMax is up to how many runs of pages Fork maps in the child. One costs a tenth of
// the fault that it saves.
const childMapMax = 96

// Fork returns a copy of m with one user. ev collects what userfaultfds are to be told; it may be nil. Private memory is shared until either side
// writes; both sides lose write permission at once.
func (m *MM) Fork(ev *Events) (*MM, error) {
	as, err := m.platform.NewAddressSpace()
	if err != nil {
		return nil, err
	}
	c := &MM{platform: m.platform, mf: m.mf, as: as, user: m.user, id: epochs.Add(1), copyWindow: m.copyWindow, hot: m.hot}
	c.users.Store(1)
	c.patches.by, _ = as.(platform.Patcher)

	m.pinMu.Lock()
	m.mapMu.Lock()
	m.pageMu.Lock()
	// Mappables know the child before it has its pages: their invalidations must wait for them.
	c.mapMu.Lock()
	c.pageMu.Lock()
	err = m.forkLocked(c, ev)
	c.pageMu.Unlock()
	c.mapMu.Unlock()
	m.pageMu.Unlock()
	m.mapMu.Unlock()
	m.pinMu.Unlock()
	if err != nil {
		c.DecUsers()
		return nil, err
	}
	m.metaMu.Lock()
	c.meta, c.exe = m.meta, m.exe
	c.meta.inherit(&m.meta)
	if c.exe != nil {
		c.exe.IncRef()
	}
	m.metaMu.Unlock()
	return c, nil
}

// forkLocked fills c from m. Preconditions: all locks of m, and mapMu and pageMu of c, are held for
// writing.
func (m *MM) forkLocked(c *MM, ev *Events) error {
	c.layout, c.limits = m.layout, m.limits
	c.brkStart, c.brkEnd = m.brkStart, m.brkEnd
	c.gap = m.gap
	c.exclEpoch, c.hostEpoch = epochs.Add(1), epochs.Add(1)

	// Mappings. Locks are not inherited (mlock(2)).
	var special []vmEntry
	whole := true
	m.vmas.Ascend(0, maxAddr, func(v vmEntry) bool {
		if v.V.flags&(FlagDontFork|FlagWipeOnFork|FlagLocked|FlagLockOnFault|uffdFlags) != 0 {
			special = append(special, v)
		}
		return true
	})
	c.vmas = m.vmas.Clone()
	watched := map[*Userfault]*Userfault{}
	for _, v := range special {
		c.vmas.Cut(v.Start, v.End, nil)
		if v.V.flags&FlagDontFork != 0 {
			c.gap = gapHint{}
			continue
		}
		v.V.flags &^= FlagLocked | FlagLockOnFault
		if v.V.uffd = ev.forked(v, c, watched); v.V.uffd == nil {
			v.V.flags &^= uffdFlags
		}
		c.vmas.Insert(v)
	}
	var failed error
	held := []vmEntry(nil)
	c.vmas.Ascend(0, maxAddr, func(v vmEntry) bool {
		if failed = c.hold(v); failed != nil {
			return false
		}
		held = append(held, v)
		return true
	})
	if failed != nil {
		c.vmas.Clear()
		for _, v := range held {
			c.vmas.Insert(v)
		}
		return failed
	}

	// Pages. What the child does not get is cut before it holds references.
	excl := epochs.Add(1)
	copies := m.copyHot(excl)
	m.protectForFork()
	m.exclEpoch = excl
	c.ptes, c.marks = m.ptes.Clone(), m.marks.Clone()
	c.userfaults.Store(len(watched) > 0)
	c.patches.inherit(m)
	c.rss = m.rss
	for _, v := range special {
		if v.V.flags&(FlagDontFork|FlagWipeOnFork) != 0 {
			for _, e := range c.ptes.Cut(v.Start, v.End, nil) {
				c.count(&e.V, -e.Len())
			}
			whole = false
		}
		if v.V.uffd != nil && watched[v.V.uffd] == nil {
			c.unprotect(v)
		}
	}
	pages := &m.ptes
	if !whole {
		pages = &c.ptes
	}
	pages.Ascend(0, maxAddr, func(e ptEntry) bool {
		e.V.file.IncRef(e.Off, e.Len())
		return true
	})
	c.takeHot(copies)
	c.rss.peak = c.rss.total()
	m.mapForChild(c)
	return nil
}

// protectForFork takes write permission on private memory from the platform.
func (m *MM) protectForFork() {
	var writable []ptEntry
	m.ptes.Ascend(0, maxAddr, func(e ptEntry) bool {
		if e.V.owned && m.hostProt(&e.V)&platform.Write != 0 {
			writable = append(writable, e)
		}
		return true
	})
	var protect []platform.Mapping
	for len(writable) > 0 {
		// The runs that lie in one mapping, or side by side.
		n := 1
		for n < len(writable) && writable[n].Start-writable[n-1].End < mapWindow && m.sameVMA(writable[0].Start, writable[n].End) {
			n++
		}
		if n > forkMapMax {
			m.forgetHost(writable[0].Start, writable[n-1].End)
		} else {
			for _, e := range writable[:n] {
				prot := e.V.host &^ platform.Write
				if prot == 0 {
					prot = platform.Read
				}
				protect = append(protect, mappingOf(e, prot))
			}
		}
		writable = writable[n:]
	}
	if len(protect) > 0 && m.as.MapAll(protect) != nil {
		m.flushHost()
	}
}

func mappingOf(e ptEntry, prot platform.Prot) platform.Mapping {
	return platform.Mapping{Range: rangeOfPte(e), File: e.V.file.FD(), Offset: e.Off, Prot: prot}
}

// childProt is how the platform is to map p in c, a child of m.
func (c *MM) childProt(m *MM, p *pte) platform.Prot {
	if p.hostEpoch == m.hostEpoch && p.owned && p.excl == c.exclEpoch {
		return p.host
	}
	return m.hostProt(p) // p is not m's alone any more
}

// mapForChild makes the platform map in c, a child, what it maps in m: a child of fork(2) mostly
// goes on where its parent was. If that is much, it maps what is the most likely to be used: code,
// then what the child has for itself, then other private memory. Preconditions: Fork is done
// but for this.
func (m *MM) mapForChild(c *MM) {
	const code, own, private, rest = 0, 1, 2, 3
	var kinds [rest + 1][]ptEntry
	total := 0
	c.ptes.Ascend(0, maxAddr, func(e ptEntry) bool {
		e.V.host = c.childProt(m, &e.V)
		kind := rest
		switch {
		case e.V.host == 0:
			return true
		case e.V.host&platform.Exec != 0:
			kind = code
		case e.V.host&platform.Write != 0:
			kind = own
		case e.V.owned:
			kind = private
		}
		total++
		if len(kinds[kind]) < childMapMax {
			kinds[kind] = append(kinds[kind], e)
		}
		return true
	})
	if total == 0 {
		return
	}
	chosen := make([]ptEntry, 0, childMapMax)
	for _, k := range kinds {
		chosen = append(chosen, k[:min(len(k), childMapMax-len(chosen))]...)
	}
	if len(chosen) == total {
		c.hostEpoch = m.hostEpoch
	}
	mapped := make([]platform.Mapping, 0, len(chosen)+len(c.patches.pages))
	for _, e := range chosen {
		mapped = append(mapped, mappingOf(e, e.V.host))
		if len(chosen) < total {
			e.V.hostEpoch = c.hostEpoch
			var buf [2]ptEntry
			c.ptes.Cut(e.Start, e.End, buf[:0])
			c.ptes.Insert(e)
		}
	}
	for page, off := range c.patches.pages {
		if e, ok := c.ptes.Find(page); ok && c.hostProt(&e.V)&platform.Exec != 0 {
			mapped = append(mapped, patchMapping(page, m.mf, off, c.hostProt(&e.V)))
		}
	}
	if c.as.MapAll(mapped) != nil {
		c.flushHost()
	}
}

// sameVMA reports whether one mapping covers [start, end).
func (m *MM) sameVMA(start, end uint64) bool {
	v, ok := m.vmas.Find(start)
	return ok && v.End >= end
}

// forgetHost unmaps [start, end) from the platform; the pages stay present.
func (m *MM) forgetHost(start, end uint64) {
	m.unmapHost(addr.Range{Start: addr.Addr(start), End: addr.Addr(end)})
	for _, e := range m.ptes.Cut(start, end, nil) {
		e.V.host, e.V.hostEpoch = 0, 0
		m.ptes.Insert(e)
	}
}
