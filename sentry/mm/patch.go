package mm

import (
	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/sentry/memfile"
)

// Patched pages. Where the platform is a platform.Patcher, pages of program text are shown to the
// guest as changed copies: the platform maps those, while ptes go on to hold the
// original. So whoever reads memory through the sentry (ptrace, /proc/PID/mem, write)
// sees the original, and so does the guest once it has written to the page itself.
// Only clean pages of private mappings of files that are not writable are patched.

const (
	// patchAfter is how often a system call instruction takes the costly way before it is
	// worth a patch.
	patchAfter = 4
	// unpatchable, as such a count, marks what the platform could not patch.
	unpatchable = 255
	// maxPatchSites bounds the instructions that are counted.
	maxPatchSites = 4096
)

// patches are the patched pages of an address space. Guarded by MM.pageMu.
type patches struct {
	by    platform.Patcher    // nil if the platform patches nothing; immutable
	pages map[uint64]uint64   // frames of copies, as offsets in the memory file, by address of the page
	seen  map[addr.Addr]uint8 // how often the instruction that ends here took the costly way
	gone  []addr.Range        // dropped, but the platform may map them until drainLocked
}

// Patch tells that the system call instruction that ends at end was executed for call nr and
// took the platform a costly way. Once it has often enough, it is replaced where that is possible.
func (m *MM) Patch(end addr.Addr, nr uint64) {
	if m.patches.by == nil {
		return
	}
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	m.pageMu.Lock()
	defer m.pageMu.Unlock()
	seen := m.patches.seen[end]
	if seen == unpatchable || seen == 0 && len(m.patches.seen) == maxPatchSites {
		return
	}
	if seen++; seen >= patchAfter {
		m.patchLocked(end, nr)
		seen = unpatchable
	}
	if m.patches.seen == nil {
		m.patches.seen = map[addr.Addr]uint8{}
	}
	m.patches.seen[end] = seen
}

func (m *MM) patchLocked(end addr.Addr, nr uint64) {
	page := uint64((end - 1).RoundDown())
	v, ok := m.vmas.Find(page)
	if !ok || v.V.shared || v.V.prot&(platform.Write|platform.Exec) != platform.Exec || v.V.mappable() == nil {
		return
	}
	e, ok := m.ptes.Find(page)
	if !ok || e.V.owned || m.dead || m.broken {
		return
	}
	off, err := m.mf.Allocate(addr.PageSize, memfile.AllocOpts{Kind: memfile.System, NoZero: true})
	if err != nil {
		return
	}
	old, again := m.patches.pages[page]
	if again {
		err = m.copyFrames(off, m.mf, old, addr.PageSize)
	} else {
		err = m.copyFrames(off, e.V.file, e.OffAt(page), addr.PageSize)
	}
	var copied []byte
	if err == nil {
		copied, err = m.mf.Bytes(off, addr.PageSize, true)
	}
	if err != nil || !m.patches.by.Patch(copied, addr.Addr(page), end, nr) {
		m.mf.DecRef(off, addr.PageSize)
		return
	}
	if m.patches.pages == nil {
		m.patches.pages = map[uint64]uint64{}
	}
	m.patches.pages[page] = off
	if again {
		m.pending = append(m.pending, run{m.mf, old, addr.PageSize})
	}
	if prot := m.hostProt(&e.V); prot != 0 {
		if err := m.mapPatched(page, off, prot); err != nil {
			m.flushHost()
		}
	}
	m.drainLocked()
}

func (m *MM) mapPatched(page, off uint64, prot platform.Prot) error {
	p := patchMapping(page, m.mf, off, prot)
	return m.as.Map(p.Range, p.File, p.Offset, p.Prot, p.Populate)
}

// patchMapping maps the copy at off in mf to a page.
func patchMapping(page uint64, mf *memfile.File, off uint64, prot platform.Prot) platform.Mapping {
	r := addr.Range{Start: addr.Addr(page), End: addr.Addr(page + addr.PageSize)}
	return platform.Mapping{Range: r, File: mf.FD(), Offset: off, Prot: prot, Populate: platform.PopulateRead}
}

// mapPatches maps the patched pages of e, which the platform maps as prot by now.
func (m *MM) mapPatches(e ptEntry, prot platform.Prot) error {
	if len(m.patches.pages) == 0 || e.V.owned || prot&platform.Exec == 0 {
		return nil
	}
	for page, off := range m.patches.pages {
		if page >= e.Start && page < e.End {
			if err := m.mapPatched(page, off, prot); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropPatches forgets the patches of [start, end), whose pages are going to be others. The
// frames go to pending: the caller drains it.
func (m *MM) dropPatches(start, end uint64) {
	for page, off := range m.patches.pages {
		if page >= start && page < end {
			delete(m.patches.pages, page)
			m.pending = append(m.pending, run{m.mf, off, addr.PageSize})
			m.patches.gone = append(m.patches.gone, addr.Range{Start: addr.Addr(page), End: addr.Addr(page + addr.PageSize)})
			clear(m.patches.seen) // They may be worth it again elsewhere.
		}
	}
}

// inherit gives c, a child, the patches of m. Preconditions: pageMu of m is held.
func (p *patches) inherit(m *MM) {
	if len(m.patches.pages) == 0 {
		return
	}
	p.by.Inherit(m.as)
	p.pages = make(map[uint64]uint64, len(m.patches.pages))
	for page, off := range m.patches.pages {
		m.mf.IncRef(off, addr.PageSize)
		p.pages[page] = off
	}
}
