package sys

import "ringfence/platform/cpu"

// cache is one cache of a processor.
type cache struct {
	level                        uint32
	kind                         string
	line, partitions, ways, sets uint32
}

func (c *cache) size() uint32 { return c.line * c.partitions * c.ways * c.sets }

// hostCaches asks the processor, on which guests run directly.
func hostCaches() []cache {
	// Intel's leaf, or AMD's with the same layout.
	leaf := uint32(4)
	if _, b, _, _ := cpu.CPUID(0, 0); b == 0x68747541 || b == 0x6f677948 { // "Auth", "Hygo"
		leaf = 0x8000001d
	}
	if top, _, _, _ := cpu.CPUID(leaf&0x80000000, 0); top < leaf {
		return nil
	}
	var out []cache
	for sub := range uint32(8) {
		a, b, c, _ := cpu.CPUID(leaf, sub)
		kind := map[uint32]string{1: "Data", 2: "Instruction", 3: "Unified"}[a&0x1f]
		if kind == "" {
			break
		}
		out = append(out, cache{
			level: a >> 5 & 7, kind: kind,
			line: b&0xfff + 1, partitions: b>>12&0x3ff + 1, ways: b>>22 + 1, sets: c + 1,
		})
	}
	return out
}
