package mm

import "ringfence/abi/addr"

// Layout says where Linux places the parts of a program (arch/x86/mm/mmap.c,
// fs/binfmt_elf.c). The loader reads the places that it needs.
type Layout struct {
	// MmapBase is where mmap starts to look, downwards.
	MmapBase addr.Addr
	// StackTop is the end of the stack, page-aligned; what lies within the first
	// 16 bytes is further randomized by the loader if it likes.
	StackTop addr.Addr
	// PIEBase is where position-independent programs go.
	PIEBase addr.Addr
	// BrkGap is the random distance from the end of a program's data to its heap.
	BrkGap uint64
	// Random says whether addresses are randomized; also the loader's own choices.
	Random bool
}

const (
	taskSize = addr.Addr(0x7ffffffff000)
	// stackGapMin and stackGapMax bound the space kept for the stack.
	stackGapMin = 128 << 20
	stackGapMax = uint64(taskSize) / 6 * 5
	// stackRandom is the most that the top of the stack moves: 16 GiB, as on Linux.
	stackRandom = 16 << 30
	// mmapRandomBits is /proc/sys/vm/mmap_rnd_bits.
	mmapRandomBits = 28
	brkRandom      = 32 << 20
)

// NewLayout returns a layout within user. seed holds random bits; with random false (the
// personality ADDR_NO_RANDOMIZE) it is ignored. stackLimit is RLIMIT_STACK in bytes.
func NewLayout(user addr.Range, seed uint64, random bool, stackLimit uint64) Layout {
	top := min(taskSize, user.End.RoundDown())
	l := Layout{StackTop: top, Random: random}
	bits := func(n uint64) uint64 { // n random pages at most, as bytes
		seed = seed*6364136223846793005 + 1442695040888963407
		return (seed >> 20 % n) << addr.PageShift
	}
	if !random {
		bits = func(uint64) uint64 { return 0 }
	}
	l.StackTop -= addr.Addr(bits(stackRandom >> addr.PageShift))
	gap := min(max(stackLimit, stackGapMin), stackGapMax)
	// The stack's randomization and its guard gap come out of the gap's pad.
	pad := uint64(guardGap)
	if random {
		pad += stackRandom
	}
	if gap+pad > gap {
		gap += pad
	}
	gap = min(max(gap, stackGapMin), stackGapMax)
	base := top - addr.Addr(gap) - addr.Addr(bits(1<<mmapRandomBits))
	l.MmapBase = base.RoundDown()
	l.PIEBase = (taskSize / 3 * 2).RoundDown() + addr.Addr(bits(1<<mmapRandomBits))
	l.BrkGap = bits(brkRandom >> addr.PageShift)
	return l
}

// guardGap is what stays free below a mapping that grows down (stack_guard_gap).
const guardGap = 256 << addr.PageShift
