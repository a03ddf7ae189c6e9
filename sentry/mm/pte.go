package mm

import (
	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/sentry/base/span"
	"ringfence/sentry/mappable"
)

// pte is the value of a run of pages that are present. Off is the offset in file.
type pte struct {
	file mappable.Backing

	// excl equals MM.exclEpoch where owned frames are known to be in no other
	// address space, so that they can be written.
	excl uint64
	// hostEpoch equals MM.hostEpoch where host is valid; else the platform maps nothing.
	hostEpoch uint64

	prot platform.Prot // that of the mapping
	host platform.Prot // what the platform was told last; see hostProt

	owned    bool // private memory: anonymous, or a copy
	fromFile bool // owned, and in a private mapping of a file
	writable bool // not owned: Translate allowed writing
	wp       bool // a Userfault forbids writing
}

type (
	ptEntry   = span.Entry[pte]
	markEntry = span.Entry[mark]
)

// run is a range of pages of a Backing with a reference.
type run struct {
	file   mappable.Backing
	off, n uint64
}

// rss counts present bytes as /proc/PID/status shows them.
type rss struct {
	anon, file, shmem uint64
	peak              uint64
}

func (r *rss) total() uint64 { return r.anon + r.file + r.shmem }

// canWrite reports whether the frames of e may be written in place.
func (m *MM) canWrite(p *pte) bool {
	if p.owned {
		return p.excl == m.exclEpoch && !p.wp
	}
	return p.writable && !p.wp
}

// wantProt is how the platform may map e now.
func (m *MM) wantProt(p *pte) platform.Prot {
	want := p.prot
	if want&platform.Write != 0 && !m.canWrite(p) {
		if want &^= platform.Write; want == 0 {
			want = platform.Read // writable implies readable
		}
	}
	return want
}

// hostProt is how the platform maps e at most.
func (m *MM) hostProt(p *pte) platform.Prot {
	if p.hostEpoch != m.hostEpoch {
		return 0
	}
	if p.owned && p.excl != m.exclEpoch {
		return p.host &^ platform.Write // Fork took it away
	}
	return p.host
}

// count adds n bytes of p to the resident sizes. Preconditions: pageMu is held.
func (m *MM) count(p *pte, n uint64) {
	switch {
	case p.owned:
		m.rss.anon += n
	case p.file == mappable.Backing(m.mf):
		m.rss.shmem += n
	default:
		m.rss.file += n
	}
	m.rss.peak = max(m.rss.peak, m.rss.total())
}

// insertPte adds a run whose reference the map takes over.
func (m *MM) insertPte(e ptEntry) {
	m.ptes.Insert(e)
	m.count(&e.V, e.Len())
}

// replacePte puts e in the place of what is there, whose references the caller drops.
func (m *MM) replacePte(e ptEntry) {
	m.dropPatches(e.Start, e.End)
	var buf [4]ptEntry
	for _, old := range m.ptes.Cut(e.Start, e.End, buf[:0]) {
		m.count(&old.V, -old.Len())
	}
	m.insertPte(e)
}

// cutPtes removes the pages of [start, end) from ptes and, if the platform may map
// them, from the platform. Their references go to pending: the caller drains it.
func (m *MM) cutPtes(start, end uint64) {
	var buf [8]ptEntry
	gone := m.ptes.Cut(start, end, buf[:0])
	if len(gone) == 0 {
		return
	}
	m.dropPatches(start, end)
	mapped := addr.Range{Start: maxAddr}
	for i := range gone {
		e := &gone[i]
		m.count(&e.V, -e.Len())
		m.pending = append(m.pending, run{e.V.file, e.Off, e.Len()})
		if m.hostProt(&e.V) != 0 {
			mapped.Start = min(mapped.Start, addr.Addr(e.Start))
			mapped.End = addr.Addr(e.End)
		}
	}
	if !mapped.Empty() {
		m.unmapHost(mapped)
	}
}

// unmapHost takes r from the platform. It does not change ptes' host fields.
func (m *MM) unmapHost(r addr.Range) {
	if m.dead {
		return
	}
	if err := m.as.Unmap(r); err != nil {
		m.flushHost()
	}
}

// flushHost takes everything from the platform: when it refuses a change because it
// keeps too many mappings. Faults bring back what is used.
func (m *MM) flushHost() {
	m.hostEpoch = epochs.Add(1)
	if m.dead {
		return
	}
	if err := m.as.Unmap(m.platform.UserRange()); err != nil {
		// Stale mappings may be left, so no frame can be given to anyone else.
		m.broken = true
	}
}

// drainLocked drops the references in pending. Preconditions: pageMu is held for writing, and the
// platform maps none of the frames any more.
func (m *MM) drainLocked() {
	for _, r := range m.patches.gone {
		m.patches.by.Unpatch(r)
	}
	m.patches.gone = m.patches.gone[:0]
	if !m.broken || m.dead {
		for _, r := range m.pending {
			r.file.DecRef(r.off, r.n)
		}
	}
	clear(m.pending)
	m.pending = m.pending[:0]
	if cap(m.pending) > 4096 {
		m.pending = nil
	}
}
