package trap

import (
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/hostcall"
)

// FUTEX_WAKE is answered by stub code where nobody waits. It knows by counters in the
// process's table, which guests can only read: one for each of some groups of words.
const (
	waitCounters = siteNumbers + maxSites*4 // place in the table
	numWaits     = 1024
)

// waitBucket is the number of the counter for the word at a.
func waitBucket(a addr.Addr) int { return int(a>>2) % numWaits }

var _ platform.WaitCounter = (*addressSpace)(nil)

// CountWaiters implements platform.WaitCounter. Somebody can wait only where a thread has run, so
// the process is there.
func (s *addressSpace) CountWaiters(a addr.Addr, n int) {
	if table := s.table.Load(); table != nil {
		atomic.AddUint32(hostcall.Word32(*table, waitCounters+4*waitBucket(a)), uint32(n))
	}
}

// setProcLocked gives the address space its process. s.mu is held.
func (s *addressSpace) setProcLocked(p *process) {
	s.proc = p
	table := p.platform.arena.bytes(p.table)
	s.table.Store(&table)
}
