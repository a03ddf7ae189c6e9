package mm

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform"
	"ringfence/sentry/mappable"
)

// SetMeta replaces what is known about the program.
func (m *MM) SetMeta(meta Meta) { m.UpdateMeta(func(old *Meta) { *old = meta }) }

// Stats returns the sizes that /proc/PID/status shows.
func (m *MM) Stats() Stats {
	meta := m.Meta()
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	m.pageMu.RLock()
	defer m.pageMu.RUnlock()
	text := uint64(0)
	if end, ok := meta.EndCode.RoundUp(); ok && end > meta.StartCode {
		text = min(uint64(end-meta.StartCode.RoundDown()), m.sizes.exec)
	}
	return Stats{
		VmPeak: m.sizes.peak, VmSize: m.sizes.total, VmLck: m.sizes.locked,
		VmHWM: m.rss.peak, VmRSS: m.rss.total(),
		RssAnon: m.rss.anon, RssFile: m.rss.file, RssShmem: m.rss.shmem,
		VmData: m.sizes.data, VmStk: m.sizes.stack, VmExe: text, VmLib: m.sizes.exec - text,
		VmPTE:    addr.PageSize * (1 + m.rss.total()>>21),
		MapCount: m.vmas.Len(),
	}
}

// ForEachVMA calls fn with the mappings in order of address until fn returns false;
// with usage also the sizes of smaps are computed. fn is called without locks, on a
// snapshot of the mappings.
func (m *MM) ForEachVMA(usage bool, fn func(VMAInfo) bool) {
	stack := uint64(m.Meta().StartStack)
	m.mapMu.RLock()
	vmas := m.vmas.Append(nil, 0, maxAddr)
	for _, v := range vmas {
		if f := v.V.file(); f != nil {
			f.IncRef()
		}
	}
	heap := addr.Range{Start: m.brkStart, End: m.brkEnd}
	m.mapMu.RUnlock()
	defer func() {
		for _, v := range vmas {
			if f := v.V.file(); f != nil {
				f.DecRef()
			}
		}
	}()
	for _, v := range vmas {
		info := m.describe(v, heap, stack)
		if usage {
			m.usage(v, &info)
		}
		if !fn(info) {
			return
		}
	}
}

// VMAAt describes the mapping that contains a, or the first one above it.
func (m *MM) VMAAt(a addr.Addr) (VMAInfo, bool) {
	stack := uint64(m.Meta().StartStack)
	m.mapMu.RLock()
	v, ok := m.vmas.Next(uint64(a))
	heap := addr.Range{Start: m.brkStart, End: m.brkEnd}
	if ok && v.V.file() != nil {
		v.V.file().IncRef()
		defer v.V.file().DecRef()
	}
	m.mapMu.RUnlock()
	if !ok {
		return VMAInfo{}, false
	}
	return m.describe(v, heap, stack), true
}

// describe is what /proc/PID/maps says about v.
func (m *MM) describe(v vmEntry, heap addr.Range, stack uint64) VMAInfo {
	info := VMAInfo{
		Range: rangeOf(v), Prot: v.V.prot, MaxProt: v.V.maxProt, Shared: v.V.shared,
		GrowsDown: v.V.flags&FlagGrowsDown != 0, Flags: v.V.flags,
	}
	o := v.V.obj
	if o != nil && o.m != nil {
		info.Offset = v.Off
		if o.file != nil {
			info.Name = o.file.MapName()
			info.Dev, info.Ino = o.file.MapDevIno()
		}
	}
	switch {
	case o != nil && o.anon && o.m != nil:
		if o.name != "" {
			info.Name = "[anon_shmem:" + o.name + "]"
		}
	case o != nil && o.anon:
		info.Name = "[anon:" + o.name + "]"
	case o != nil && o.name != "":
		info.Name = o.name
	case o == nil && !heap.Empty() && v.Start < uint64(heap.End) && v.End > uint64(heap.Start):
		info.Name = "[heap]"
	case o == nil && stack != 0 && v.Start <= stack && stack < v.End:
		info.Name = "[stack]"
	}
	return info
}

// usage fills in the sizes of smaps.
func (m *MM) usage(v vmEntry, info *VMAInfo) {
	m.pageMu.RLock()
	defer m.pageMu.RUnlock()
	if m.dead {
		return
	}
	m.ptes.Ascend(v.Start, v.End, func(e ptEntry) bool {
		e = e.Clip(v.Start, v.End)
		info.Rss += e.Len()
		if e.V.owned {
			info.Anonymous += e.Len()
		}
		if e.V.file != mappable.Backing(m.mf) {
			// The host does not say who else maps a page of its files.
			info.PrivateClean += e.Len()
			info.Pss += e.Len()
			return true
		}
		for p := e.Start; p < e.End; p += addr.PageSize {
			users := uint64(max(m.mf.Refs(e.OffAt(p)), 1))
			if !e.V.owned && users > 1 {
				users-- // the file itself
			}
			info.Pss += addr.PageSize / users
			if users > 1 {
				info.SharedDirty += addr.PageSize
			} else {
				info.PrivateDirty += addr.PageSize
			}
		}
		return true
	})
	info.Referenced = info.Rss
	if v.V.flags&FlagLocked != 0 {
		info.Locked = info.Pss
	}
}

// CountWaiters adds n to the number of those who wait, or are about to, for the futex at a that is
// private to m: the platform may answer those who would wake them.
func (m *MM) CountWaiters(a addr.Addr, n int) {
	if w, ok := m.as.(platform.WaitCounter); ok {
		w.CountWaiters(a, n)
	}
}

// SharedKey says what a shared futex at a is named by (futex(2)): a Mappable and an
// offset if the mapping is shared, else the address space itself, which is told by a nil
// Mappable. EFAULT if the word can't be read.
func (m *MM) SharedKey(a addr.Addr) (mp mappable.Mappable, off uint64, err error) {
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	v, ok := m.vmas.Find(uint64(a))
	if !ok || !v.V.allows(platform.Read) {
		return nil, 0, errno.EFAULT
	}
	if !v.V.shared {
		return nil, uint64(a), nil
	}
	return v.V.mappable(), v.OffAt(uint64(a)), nil
}

// BrkStart returns where the heap begins.
func (m *MM) BrkStart() addr.Addr {
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	return m.brkStart
}

// ID is a number that no other address space has or had.
func (m *MM) ID() uint64 { return m.id }
