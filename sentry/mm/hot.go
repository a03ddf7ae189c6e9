package mm

import (
	"slices"
	"sync"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
)

// Hot pages. After a fork both sides write to the same few pages at once: the end of the
// stack, the C library's variables, the thread's own. To share those only to copy them a
// moment later costs two faults each. So it is remembered which pages an address space had to
// copy or take back when it wrote to them, and the next Fork copies them right away: they stay
// writable for the parent and are so for the child. What a child wrote to its next sibling will
// write to as well, so parents and children remember together.

// maxHot is how many pages are remembered, the last ones.
const maxHot = 24

// hot are the hot pages of an address space and of those forked from it, oldest first.
type hot struct {
	mu    sync.Mutex     // a leaf
	pages [maxHot]uint64 // addresses; 0 is none; guarded by mu
}

// note remembers a page.
func (h *hot) note(page uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := max(slices.Index(h.pages[:], page), 0)
	copy(h.pages[i:], h.pages[i+1:])
	h.pages[maxHot-1] = page
}

// all returns the pages.
func (h *hot) all() [maxHot]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pages
}

// hotCopy is a copy of a hot page, made for a child.
type hotCopy struct {
	page, off uint64
}

// copyHot copies the hot pages that are m's alone, which take the mark excl, the next exclEpoch.
func (m *MM) copyHot(excl uint64) []hotCopy {
	copies := make([]hotCopy, 0, maxHot)
	for _, page := range m.hot.all() {
		e, ok := m.ptes.Find(page)
		if page == 0 || !ok || !e.V.owned || m.hostProt(&e.V)&platform.Write == 0 {
			continue
		}
		off, err := m.mf.Allocate(addr.PageSize, memfile.AllocOpts{Kind: memfile.Anonymous, NoZero: true})
		if err != nil {
			break
		}
		if err := m.copyFrames(off, e.V.file, e.OffAt(page), addr.PageSize); err != nil {
			m.mf.DecRef(off, addr.PageSize)
			break
		}
		e = e.Clip(page, page+addr.PageSize)
		e.V.excl = excl
		var buf [1]ptEntry
		m.ptes.Cut(e.Start, e.End, buf[:0])
		m.ptes.Insert(e)
		copies = append(copies, hotCopy{page, off})
	}
	return copies
}

// takeHot puts the copies in the place of the pages that c, a child, shares with its parent.
func (c *MM) takeHot(copies []hotCopy) {
	for _, h := range copies {
		e, ok := c.ptes.Find(h.page)
		if !ok {
			c.mf.DecRef(h.off, addr.PageSize) // The child does not get the page.
			continue
		}
		e = e.Clip(h.page, h.page+addr.PageSize)
		e.V.file.DecRef(e.Off, addr.PageSize)
		e.Off = h.off
		e.V.file = mappable.Backing(c.mf)
		e.V.excl = c.exclEpoch
		var buf [1]ptEntry
		c.ptes.Cut(e.Start, e.End, buf[:0])
		c.ptes.Insert(e)
	}
}
