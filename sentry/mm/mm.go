package mm

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/sentry/base/span"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/usermem"
)

var (
	_ usermem.IO     = (*MM)(nil)
	_ mappable.Space = (*MM)(nil)
)

// MaxMapCount is how many mappings an address space may have (vm.max_map_count).
const MaxMapCount = 65530

// MM is an address space. Safe for concurrent use.
type MM struct {
	platform platform.Platform
	mf       *memfile.File
	as       platform.AddressSpace
	user     addr.Range // what may be mapped

	id         uint64 // immutable
	copyWindow uint64 // immutable: how much a copy on write copies, in bytes
	hot        *hot   // immutable

	users      atomic.Int32
	userfaults atomic.Bool // memory is, or was, registered with a Userfault

	pinMu sync.RWMutex

	mapMu     sync.RWMutex
	vmas      span.Map[vma] // guarded by mapMu; Off is the file offset, or the address if anonymous
	layout    Layout        // guarded by mapMu
	limits    Limits        // guarded by mapMu
	brkStart  addr.Addr     // guarded by mapMu
	brkEnd    addr.Addr     // guarded by mapMu; not aligned
	sizes     sizes         // guarded by mapMu
	mlockNext VMAFlags      // guarded by mapMu: flags of future mappings (MCL_FUTURE)
	gap       gapHint       // guarded by mapMu
	changing  vmEntry       // guarded by mapMu: the mapping in the hands of changeVMAs' caller

	pageMu    sync.RWMutex
	ptes      span.Map[pte]  // guarded by pageMu; Off is the offset in pte.file
	marks     span.Map[mark] // guarded by pageMu; of pages that are not in ptes; Off is the address
	exclEpoch uint64         // guarded by pageMu: see pte.excl
	hostEpoch uint64         // guarded by pageMu: see pte.hostEpoch
	rss       rss            // guarded by pageMu
	pending   []run          // guarded by pageMu: frames to drop once the platform forgot them
	patches   patches        // guarded by pageMu
	broken    bool           // guarded by pageMu: the platform failed to unmap; frames stay
	dead      bool           // guarded by pageMu: the last user has gone

	metaMu sync.Mutex
	meta   Meta    // guarded by metaMu
	exe    FileRef // guarded by metaMu; may be nil
}

// epochs makes marks that no other address space has.
var epochs atomic.Uint64

// New returns an empty address space with one user, the layout of a process
// without randomization, and no limits.
func New(p platform.Platform, mf *memfile.File) (*MM, error) {
	as, err := p.NewAddressSpace()
	if err != nil {
		return nil, err
	}
	m := &MM{platform: p, mf: mf, as: as, user: userRange(p), id: epochs.Add(1), copyWindow: copyWindow, hot: &hot{}}
	m.users.Store(1)
	m.patches.by, _ = as.(platform.Patcher)
	m.exclEpoch, m.hostEpoch = epochs.Add(1), epochs.Add(1)
	m.limits = Limits{linux.RLIM_INFINITY, linux.RLIM_INFINITY, 8 << 20, linux.RLIM_INFINITY}
	m.layout = NewLayout(m.user, 0, false, m.limits.Stack)
	m.meta.Dumpable = 1
	return m, nil
}

// userRange is the part of what p offers in which Linux would map.
func userRange(p platform.Platform) addr.Range {
	return p.UserRange().Intersect(addr.Range{Start: linux.DefaultMmapMinAddr, End: taskSize})
}

// IncUsers adds a user: a task that runs in m. Preconditions: there is one.
func (m *MM) IncUsers() {
	if m.users.Add(1) <= 1 {
		panic("mm: user of a released address space")
	}
}

// TryIncUsers adds a user unless the last one has gone; for /proc and ptrace, which
// find an address space through a task that may exit.
func (m *MM) TryIncUsers() bool {
	for {
		n := m.users.Load()
		if n == 0 {
			return false
		}
		if m.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Users returns the number of users, a moment ago.
func (m *MM) Users() int { return int(m.users.Load()) }

// DecUsers drops a user. The last one releases all memory and the AddressSpace, in
// which no context may run any more.
func (m *MM) DecUsers() {
	switch n := m.users.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("mm: too many DecUsers")
	}
	var g garbage
	m.pinMu.Lock()
	m.mapMu.Lock()
	m.pageMu.Lock()
	m.dead = true
	m.as.Release()
	m.ptes.Ascend(0, maxAddr, func(e ptEntry) bool {
		e.V.file.DecRef(e.Off, e.Len())
		return true
	})
	m.ptes.Clear()
	m.marks.Clear()
	m.dropPatches(0, maxAddr)
	m.drainLocked()
	m.pageMu.Unlock()
	m.vmas.Ascend(0, maxAddr, func(v vmEntry) bool {
		m.unhold(v, &g)
		return true
	})
	m.vmas.Clear()
	m.mapMu.Unlock()
	m.pinMu.Unlock()
	m.metaMu.Lock()
	exe := m.exe
	m.exe = nil
	m.metaMu.Unlock()
	if exe != nil {
		exe.DecRef()
	}
	g.drop()
}

// AddressSpace is what contexts run in.
func (m *MM) AddressSpace() platform.AddressSpace { return m.as }

// UserRange is where mappings can be.
func (m *MM) UserRange() addr.Range { return m.user }

// SetLayout fixes where mmap places things; exec does it before it maps anything.
func (m *MM) SetLayout(l Layout) {
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	m.layout = l
	m.gap = gapHint{}
}

// RandomLayout returns a layout for m from the host's randomness, or the fixed one.
func (m *MM) RandomLayout(random bool, stackLimit uint64) Layout {
	return NewLayout(m.user, rand.Uint64(), random, stackLimit)
}

// Layout returns what SetLayout set.
func (m *MM) Layout() Layout {
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	return m.layout
}

// SetLimits sets the resource limits that m obeys.
func (m *MM) SetLimits(l Limits) {
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	m.limits = l
}

// Meta returns what is known about the program.
func (m *MM) Meta() Meta {
	m.metaMu.Lock()
	defer m.metaMu.Unlock()
	return m.meta
}

// InheritFrom takes over from old, the address space of the program before, what exec keeps.
func (m *MM) InheritFrom(old *MM) {
	meta := old.Meta()
	m.UpdateMeta(func(now *Meta) { now.inherit(&meta) })
}

// UpdateMeta changes what is known about the program. fn must be brief.
func (m *MM) UpdateMeta(fn func(*Meta)) {
	m.metaMu.Lock()
	defer m.metaMu.Unlock()
	fn(&m.meta)
}

// SetExe makes f, of which it takes a reference, what /proc/PID/exe shows.
func (m *MM) SetExe(f FileRef) {
	if f != nil {
		f.IncRef()
	}
	m.metaMu.Lock()
	old := m.exe
	m.exe = f
	m.metaMu.Unlock()
	if old != nil {
		old.DecRef()
	}
}

// Exe returns the executable with a reference for the caller, or nil.
func (m *MM) Exe() FileRef {
	m.metaMu.Lock()
	defer m.metaMu.Unlock()
	if m.exe != nil {
		m.exe.IncRef()
	}
	return m.exe
}
