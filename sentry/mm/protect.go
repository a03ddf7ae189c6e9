package mm

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/sentry/mappable"
)

// Protect sets the protection of [a, a+n) (mprotect(2)). prot may hold
// PROT_GROWSDOWN, PROT_GROWSUP and PROT_SEM besides the permissions.
func (m *MM) Protect(a addr.Addr, n uint64, prot uint64) error {
	const grows = linux.PROT_GROWSDOWN | linux.PROT_GROWSUP
	grow := prot & grows
	prot &^= grows
	if grow == grows || !a.Aligned() {
		return errno.EINVAL
	}
	if n == 0 {
		return nil
	}
	length, ok := addr.PageRoundUp(n)
	if !ok || uint64(a)+length < uint64(a) {
		return errno.ENOMEM
	}
	if prot&^(linux.PROT_READ|linux.PROT_WRITE|linux.PROT_EXEC|linux.PROT_SEM) != 0 {
		return errno.EINVAL
	}
	var fill []addr.Range
	err := m.protect(uint64(a), uint64(a)+length, platform.Prot(prot)&allProt, grow, &fill)
	for _, r := range fill {
		m.populate(r, false)
	}
	return err
}

// protect is Protect for a checked range. fill is what has to be populated then: locked
// memory gets its own copies when it becomes writable, so that no write faults.
func (m *MM) protect(start, end uint64, want platform.Prot, grow uint64, fill *[]addr.Range) error {
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	first, ok := m.vmas.Next(start)
	if !ok {
		return errno.ENOMEM
	}
	switch {
	case grow&linux.PROT_GROWSDOWN != 0:
		if first.Start >= end {
			return errno.ENOMEM
		}
		if first.V.flags&FlagGrowsDown == 0 {
			return errno.EINVAL
		}
		start = first.Start
	case first.Start > start:
		return errno.ENOMEM
	case grow&linux.PROT_GROWSUP != 0:
		return errno.EINVAL // nothing grows up on x86
	}
	return m.changeVMAs(start, end, func(v *vmEntry) error {
		if v.V.flags&FlagSealed != 0 {
			return errno.EPERM
		}
		if want&^v.V.maxProt != 0 {
			return errno.EACCES
		}
		if m.deniesExec(v.V.prot, want) {
			return errno.EACCES
		}
		next := v.V
		next.prot = want
		if next.isData() && !v.V.isData() && m.sizes.data+v.Len() > m.limits.Data {
			return errno.ENOMEM
		}
		old := v.V.prot
		if v.V.flags&FlagLocked != 0 && !v.V.shared && want&platform.Write != 0 && old&platform.Write == 0 {
			*fill = append(*fill, rangeOf(*v))
		}
		v.V = next
		if old != want {
			m.pageMu.Lock()
			m.protectPages(*v)
			m.pageMu.Unlock()
		}
		return nil
	})
}

// changeVMAs applies fn to every mapping in [start, end), cut to it, in order, and stores
// what fn makes of it. It stops with ENOMEM at a hole and with fn's error; what was
// changed before stays, as on Linux. Preconditions: mapMu is held for writing.
func (m *MM) changeVMAs(start, end uint64, fn func(*vmEntry) error) error {
	var buf [8]vmEntry
	for _, old := range m.vmas.Append(buf[:0], start, end) {
		if old.Start > start {
			return errno.ENOMEM
		}
		start = old.End
		m.changing = old
		if err := fn(&m.changing); err != nil {
			return err
		}
		v := m.changing
		if v.V == old.V {
			continue
		}
		if m.vmas.Len() >= MaxMapCount && !m.isWhole(v) {
			return errno.ENOMEM
		}
		m.sizes.add(old, -1)
		m.sizes.add(v, 1)
		var gone [2]vmEntry
		m.vmas.Cut(v.Start, v.End, gone[:0])
		m.vmas.Insert(v)
	}
	if start < end {
		return errno.ENOMEM
	}
	return nil
}

// isWhole reports whether v is a whole mapping and not a part of one.
func (m *MM) isWhole(v vmEntry) bool {
	e, ok := m.vmas.Find(v.Start)
	return ok && e.Start == v.Start && e.End == v.End
}

// protectPages brings the pages of v in line with its protection, at once where the
// platform allows more. Preconditions: pageMu is held for writing.
func (m *MM) protectPages(v vmEntry) {
	var buf [8]ptEntry
	pages := m.ptes.Cut(v.Start, v.End, buf[:0])
	if len(pages) == 0 {
		return
	}
	each := len(pages) <= forkMapMax && v.V.prot != 0
	if !each {
		m.unmapHost(rangeOf(v))
	}
	for _, e := range pages {
		mapped := m.hostProt(&e.V)
		e.V.prot = v.V.prot
		want := m.wantProt(&e.V)
		switch {
		case !each:
			e.V.host, e.V.hostEpoch = 0, 0
		case mapped != 0 && mapped != want:
			if err := m.tellHost(e, want, false); err != nil {
				m.flushHost()
				e.V.host, e.V.hostEpoch = 0, 0
			} else {
				e.V.host = want
			}
		}
		m.ptes.Insert(e)
	}
}

// Invalidate implements mappable.Space.
func (m *MM) Invalidate(mp mappable.Mappable, r addr.Range, private bool) {
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	m.pageMu.Lock()
	defer m.pageMu.Unlock()
	m.vmas.Ascend(uint64(r.Start), uint64(r.End), func(v vmEntry) bool {
		if v.V.mappable() == mp {
			v = v.Clip(uint64(r.Start), uint64(r.End))
			m.dropPages(v.Start, v.End, private)
		}
		return true
	})
	m.drainLocked()
}

// dropPages forgets the pages of [start, end): those of files, and with private the copies too.
func (m *MM) dropPages(start, end uint64, private bool) {
	if private {
		m.cutPtes(start, end)
		return
	}
	var buf [8]ptEntry
	for _, e := range m.ptes.Append(buf[:0], start, end) {
		if !e.V.owned {
			m.cutPtes(e.Start, e.End)
		}
	}
}
