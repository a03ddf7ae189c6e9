package sys

import (
	"math/bits"

	"ringfence/platform/cpu"
)

// cache is one cache of a processor.
type cache struct {
	level      int
	kind       string // as its file type says
	line       int    // bytes
	partitions int
	ways, sets int
	// shift is how far a processor's number is shifted for the number of the cache: 1<<shift
	// neighbours share it.
	shift int
}

// size is in bytes.
func (c *cache) size() int { return c.line * c.partitions * c.ways * c.sets }

// Leaves of CPUID.
const (
	leafCache     = 4
	leafTopology  = 0xb
	leafExtended  = 0x80000000
	leafFeatures  = 0x80000001
	leafCacheAMD  = 0x8000001d
	topologyExt   = 1 << 22 // ECX of leafFeatures: leafCacheAMD is there
	levelTypeSMT  = 1
	maxCacheLeafs = 16
)

// hostCaches asks the CPU what caches it has (SDM volume 2, CPUID leaf 4; AMD's leaf
// 8000001d says the same). Empty if it does not say.
func hostCaches() []cache {
	highest, _, _, _ := cpu.CPUID(0, 0)
	leaf := uint32(leafCache)
	if top, _, _, _ := cpu.CPUID(leafExtended, 0); top >= leafCacheAMD {
		if _, _, ecx, _ := cpu.CPUID(leafFeatures, 0); ecx&topologyExt != 0 {
			leaf = leafCacheAMD
		}
	}
	if leaf == leafCache && highest < leafCache {
		return nil
	}
	threads := 1 // of a core of the host; a core of the guest's has one
	if highest >= leafTopology {
		if _, ebx, ecx, _ := cpu.CPUID(leafTopology, 0); ecx>>8&0xff == levelTypeSMT && ebx&0xffff > 0 {
			threads = int(ebx & 0xffff)
		}
	}
	var all []cache
	for i := range uint32(maxCacheLeafs) {
		eax, ebx, ecx, _ := cpu.CPUID(leaf, i)
		c, ok := parseCache(eax, ebx, ecx, threads)
		if !ok {
			break
		}
		all = append(all, c)
	}
	return all
}

// parseCache reads one subleaf; false if it describes no cache.
func parseCache(eax, ebx, ecx uint32, threads int) (cache, bool) {
	kinds := [...]string{"", "Data", "Instruction", "Unified"}
	kind := eax & 0x1f
	if kind == 0 || int(kind) >= len(kinds) {
		return cache{}, false
	}
	shared := max(1, (int(eax>>14&0xfff)+1)/threads)
	return cache{
		level: int(eax >> 5 & 7), kind: kinds[kind],
		line: int(ebx&0xfff) + 1, partitions: int(ebx>>12&0x3ff) + 1, ways: int(ebx>>22) + 1,
		sets: int(ecx) + 1, shift: bits.Len(uint(shared - 1)),
	}, true
}
