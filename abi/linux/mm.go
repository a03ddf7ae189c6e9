package linux

// Protections and flags of mmap(2) and mprotect(2).
const (
	MAP_32BIT           = 0x40
	PROT_READ           = 0x1
	PROT_WRITE          = 0x2
	PROT_EXEC           = 0x4
	PROT_SEM            = 0x8
	PROT_NONE           = 0x0
	PROT_GROWSDOWN      = 0x1000000
	PROT_GROWSUP        = 0x2000000
	MAP_SHARED          = 0x1
	MAP_PRIVATE         = 0x2
	MAP_SHARED_VALIDATE = 0x3
	MAP_TYPE            = 0xf
	MAP_FIXED           = 0x10
	MAP_ANONYMOUS       = 0x20
	MAP_POPULATE        = 0x8000
	MAP_NONBLOCK        = 0x10000
	MAP_STACK           = 0x20000
	MAP_HUGETLB         = 0x40000
	MAP_HUGE_SHIFT      = 26
	MAP_HUGE_MASK       = 0x3f
	MAP_HUGE_2MB        = 21 << MAP_HUGE_SHIFT
	MAP_HUGE_1GB        = 30 << MAP_HUGE_SHIFT
	MAP_ABOVE4G         = 0x80
	MAP_SYNC            = 0x80000
	MAP_FIXED_NOREPLACE = 0x100000
	MAP_UNINITIALIZED   = 0x4000000
	MAP_FILE            = 0x0
	MAP_GROWSDOWN       = 0x100
	MAP_DENYWRITE       = 0x800
	MAP_EXECUTABLE      = 0x1000
	MAP_LOCKED          = 0x2000
	MAP_NORESERVE       = 0x4000
	MAP_DROPPABLE       = 0x8
)

// Flags of mremap(2), msync(2), mlock2(2), mlockall(2), and memory protection keys.
const (
	MLOCK_ONFAULT       = 0x1
	MS_ASYNC            = 0x1
	MS_INVALIDATE       = 0x2
	MS_SYNC             = 0x4
	PKEY_DISABLE_ACCESS = 0x1
	PKEY_DISABLE_WRITE  = 0x2
	PKEY_ACCESS_MASK    = 0x3
	MCL_CURRENT         = 0x1
	MCL_FUTURE          = 0x2
	MCL_ONFAULT         = 0x4
	MREMAP_MAYMOVE      = 0x1
	MREMAP_FIXED        = 0x2
	MREMAP_DONTUNMAP    = 0x4
)

// Advice of madvise(2).
const (
	MADV_NORMAL          = 0
	MADV_RANDOM          = 1
	MADV_SEQUENTIAL      = 2
	MADV_WILLNEED        = 3
	MADV_DONTNEED        = 4
	MADV_FREE            = 8
	MADV_REMOVE          = 9
	MADV_DONTFORK        = 10
	MADV_DOFORK          = 11
	MADV_HWPOISON        = 100
	MADV_SOFT_OFFLINE    = 101
	MADV_MERGEABLE       = 12
	MADV_UNMERGEABLE     = 13
	MADV_HUGEPAGE        = 14
	MADV_NOHUGEPAGE      = 15
	MADV_DONTDUMP        = 16
	MADV_DODUMP          = 17
	MADV_WIPEONFORK      = 18
	MADV_KEEPONFORK      = 19
	MADV_COLD            = 20
	MADV_PAGEOUT         = 21
	MADV_POPULATE_READ   = 22
	MADV_POPULATE_WRITE  = 23
	MADV_DONTNEED_LOCKED = 24
	MADV_COLLAPSE        = 25
	MADV_GUARD_INSTALL   = 102
	MADV_GUARD_REMOVE    = 103
)

// Flags of memfd_create(2) and memfd_secret(2).
const (
	MFD_CLOEXEC       = 0x1
	MFD_ALLOW_SEALING = 0x2
	MFD_HUGETLB       = 0x4
	MFD_HUGE_SHIFT    = 0x1a
	MFD_HUGE_MASK     = 0x3f
	MFD_NOEXEC_SEAL   = 0x8
	MFD_EXEC          = 0x10
)

// Commands and flags of membarrier(2).
const (
	MEMBARRIER_CMD_QUERY                                = 0
	MEMBARRIER_CMD_GLOBAL                               = 1 << 0
	MEMBARRIER_CMD_GLOBAL_EXPEDITED                     = 1 << 1
	MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED            = 1 << 2
	MEMBARRIER_CMD_PRIVATE_EXPEDITED                    = 1 << 3
	MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED           = 1 << 4
	MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE          = 1 << 5
	MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 1 << 6
	MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ               = 1 << 7
	MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ      = 1 << 8
	MEMBARRIER_CMD_GET_REGISTRATIONS                    = 1 << 9
	MEMBARRIER_CMD_FLAG_CPU                             = 1
)

// Memory policies and their flags (mbind(2), set_mempolicy(2)).
const (
	MPOL_DEFAULT             = 0
	MPOL_PREFERRED           = 1
	MPOL_BIND                = 2
	MPOL_INTERLEAVE          = 3
	MPOL_LOCAL               = 4
	MPOL_PREFERRED_MANY      = 5
	MPOL_WEIGHTED_INTERLEAVE = 6
	MPOL_F_STATIC_NODES      = 0x8000
	MPOL_F_RELATIVE_NODES    = 0x4000
	MPOL_F_NUMA_BALANCING    = 0x2000
	MPOL_F_NODE              = 0x1
	MPOL_F_ADDR              = 0x2
	MPOL_F_MEMS_ALLOWED      = 0x4
	MPOL_MF_STRICT           = 0x1
	MPOL_MF_MOVE             = 0x2
	MPOL_MF_MOVE_ALL         = 0x4
	MPOL_MF_LAZY             = 0x8
)

// DefaultMmapMinAddr is what /proc/sys/vm/mmap_min_addr holds.
const DefaultMmapMinAddr = 65536

// VSyscallAddr is the page of the obsolete vsyscall entry points.
const VSyscallAddr = 0xffffffffff600000

// CachestatRange is struct cachestat_range of cachestat(2).
type CachestatRange struct {
	Off uint64
	Len uint64
}

// Cachestat is struct cachestat.
type Cachestat struct {
	Cache           uint64
	Dirty           uint64
	Writeback       uint64
	Evicted         uint64
	RecentlyEvicted uint64
}

// Flags of PROCMAP_QUERY, which /proc/PID/maps serves.
const (
	PROCMAP_QUERY_VMA_READABLE         = 0x01
	PROCMAP_QUERY_VMA_WRITABLE         = 0x02
	PROCMAP_QUERY_VMA_EXECUTABLE       = 0x04
	PROCMAP_QUERY_VMA_SHARED           = 0x08
	PROCMAP_QUERY_COVERING_OR_NEXT_VMA = 0x10
	PROCMAP_QUERY_FILE_BACKED_VMA      = 0x20
	PROCMAP_QUERY_VALID_FLAGS_MASK     = 0x3f
)
