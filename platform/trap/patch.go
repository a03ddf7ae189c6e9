package trap

import (
	"bytes"
	"encoding/binary"
	"maps"

	"ringfence/abi/addr"
	"ringfence/platform"
)

var _ platform.Patcher = (*addressSpace)(nil)

// sites are the sites of an address space. Guarded by addressSpace.mu.
type sites struct {
	byAddr map[addr.Addr]int // where each begins
	gone   map[addr.Addr]int // the same of those that were unpatched
	bound  map[int]binding   // by number
}

// binding is what a process's table says of a site.
type binding struct {
	ret uint64 // the address behind it
	nr  uint32 // the call of a movSite
}

// Patch implements platform.Patcher.
func (s *addressSpace) Patch(page []byte, start, end addr.Addr, nr uint64) bool {
	k, ok := recognize(page, int(end-start), nr)
	if !ok {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.sites.add(k, end, nr)
	if !ok {
		return false
	}
	if s.proc != nil {
		s.proc.bind(n, s.sites.bound[n])
	}
	at := page[uint64(end-start)-k.before():]
	copy(at, []byte{0xff, 0x24, 0x65})
	binary.LittleEndian.PutUint32(at[3:], jumpWord(n))
	return true
}

// recognize tells what kind of site the SYSCALL that ends at end in page can become. That
// it was executed, for call nr, says where the instruction begins and what follows it, not
// what is before it.
func recognize(page []byte, end int, nr uint64) (siteKind, bool) {
	if end < syscallLen || page[end-2] != 0x0f || page[end-1] != 0x05 {
		return 0, false
	}
	for k := cmp95Site; k < numSiteKinds; k++ {
		if bytes.HasPrefix(page[end:], k.tail()) {
			return k, true
		}
	}
	// Before it must be a MOV to EAX.
	start := end - movLen - syscallLen
	if start < longest || page[start] != 0xb8 || uint64(binary.LittleEndian.Uint32(page[start+1:])) != nr || partOfMore(page[:start]) {
		return 0, false
	}
	return movSite, true
}

// longest is how many bytes before B8 partOfMore looks at.
const longest = 5

// partOfMore reports whether B8 and the four bytes behind it could, after before, be part of a
// longer instruction.
func partOfMore(before []byte) bool {
	at := func(n int) byte { return before[len(before)-n] }
	// imm32 is whether an opcode with ModRM byte has an immediate of four bytes.
	imm32 := func(opcode byte) bool {
		return opcode == 0x69 || opcode == 0x81 || opcode == 0xc7 || opcode == 0xf7
	}
	b := at(1)
	switch {
	case b >= 0x40 && b <= 0x4f, b == 0x64, b == 0x65, b == 0x66, b == 0x67: // a prefix
		return true
	case b == 0x0f: // POPCNT
		return true

	// ModRM: (rax) or, as rax holds the number now, rather (r8), with a displacement.
	case b >= 0x88 && b <= 0x8f, b == 0x63:
		return true
	case at(2)&0xf1 == 0x41, // REX.B
		at(2) == 0x0f && b != 0x05, at(3) == 0x0f && at(2) == 0x38,
		at(4) == 0xc4, at(5) == 0x62: // VEX, EVEX
		return true
	case b&0xc7 == 0x84: // SIB, as this ModRM says
		return true

	// A displacement of one byte, in front of an immediate.
	case b&0xc0 == 0x40 && imm32(at(2)), at(2)&0xc7 == 0x44 && imm32(at(3)):
		return true
	}
	return false
}

// add gives the SYSCALL that ends at end a number.
func (s *sites) add(k siteKind, end addr.Addr, nr uint64) (n int, ok bool) {
	start := uint64(end) - k.before()
	for n = siteRanges[k]; n < siteRanges[k+1]; n++ {
		if _, used := s.bound[n]; used {
			continue
		}
		if s.bound == nil {
			s.byAddr, s.bound = map[addr.Addr]int{}, map[int]binding{}
		}
		s.byAddr[addr.Addr(start)] = n
		s.bound[n] = binding{start + k.len(), uint32(nr)}
		return n, true
	}
	return 0, false
}

// Unpatch implements platform.Patcher. The numbers are not given to others: somebody may
// be in a trampoline.
func (s *addressSpace) Unpatch(r addr.Range) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, n := range s.sites.byAddr {
		if r.Contains(a) {
			if s.sites.gone == nil {
				s.sites.gone = map[addr.Addr]int{}
			}
			s.sites.gone[a] = n
			delete(s.sites.byAddr, a)
		}
	}
}

// Inherit implements platform.Patcher.
func (s *addressSpace) Inherit(from platform.AddressSpace) {
	f := from.(*addressSpace)
	f.mu.Lock()
	byAddr, bound := maps.Clone(f.sites.byAddr), maps.Clone(f.sites.bound)
	f.mu.Unlock()
	s.mu.Lock()
	s.sites = sites{byAddr: byAddr, bound: bound}
	s.mu.Unlock()
}

// bindAll fills the table of a process.
func (s *sites) bindAll(p *process) {
	for n, b := range s.bound {
		p.bind(n, b)
	}
}

// wasSite reports whether a jump into the middle of an earlier site got to a.
func (s *addressSpace) wasSite(a addr.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range [...]struct {
		before addr.Addr
		mov    bool
	}{{movLen, true}, {syscallLen, false}} {
		if n, ok := s.sites.gone[a-k.before]; ok && (kindOf(n) == movSite) == k.mov {
			return true
		}
	}
	return false
}

// siteAt returns the number of the site that begins at a.
func (s *addressSpace) siteAt(a addr.Addr) (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok = s.sites.byAddr[a]
	return n, ok
}

// tailOf returns where a thread that is to go on at pc has to go instead, if pc is in the middle
// of a site: behind a SYSCALL whose place, and that of what follows, a jump has taken.
func (s *addressSpace) tailOf(pc uint64) (tail uint64, ok bool) {
	n, ok := s.siteAt(addr.Addr(pc - syscallLen))
	if !ok || kindOf(n) == movSite {
		return 0, false
	}
	return trampolineAddr + uint64(n)*trampolineSize + tailOffset, true
}
