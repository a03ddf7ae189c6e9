package mm

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/sentry/creds"
	"ringfence/sentry/mappable"
)

// FileRef is an open file as a mapping holds it: it keeps the file alive and says
// what /proc/PID/maps shows. Implementations are comparable.
type FileRef interface {
	IncRef()
	DecRef()
	// MapName is the path of the file as /proc/PID/maps shows it.
	MapName() string
	// MapDevIno are the device and inode numbers that /proc/PID/maps shows.
	MapDevIno() (dev, ino uint64)
}

// FaultError says which signal an access raises, with the si_code. It is
// comparable; the address is the one that HandleFault was given.
type FaultError struct {
	Signal int32
	Code   int32
}

func (e FaultError) Error() string {
	switch e {
	case SegvMapErr:
		return "SIGSEGV: address not mapped"
	case SegvAccErr:
		return "SIGSEGV: access forbidden"
	case BusAdrErr:
		return "SIGBUS: no such page"
	case BusPoisonErr:
		return "SIGBUS: poisoned page"
	}
	return "fault"
}

// What HandleFault returns, besides nil and errno.ENOMEM (out of memory: the caller
// kills a task).
var (
	SegvMapErr = FaultError{int32(linux.SIGSEGV), linux.SEGV_MAPERR}
	SegvAccErr = FaultError{int32(linux.SIGSEGV), linux.SEGV_ACCERR}
	BusAdrErr  = FaultError{int32(linux.SIGBUS), linux.BUS_ADRERR}
	// BusPoisonErr comes with si_addr_lsb, the page.
	BusPoisonErr = FaultError{int32(linux.SIGBUS), linux.BUS_MCEERR_AR}
)

// Limits are the resource limits that concern memory, in bytes (getrlimit(2)). The
// kernel sets them when they change; linux.RLIM_INFINITY is no limit.
type Limits struct {
	AS, Data, Stack uint64
	// MemLock is infinite for a process with CAP_IPC_LOCK.
	MemLock uint64
}

// MapOpts describe a new mapping (mmap(2)).
type MapOpts struct {
	Addr   addr.Addr // hint, or the place itself with Fixed
	Length uint64    // bytes, rounded up to pages
	Offset uint64    // in Mappable; page-aligned

	Prot platform.Prot
	// MaxProt is the most that mprotect(2) may grant: without Write for a shared
	// mapping of a file that is open for reading. Zero means everything.
	MaxProt platform.Prot

	Private   bool
	Fixed     bool // replace what is there
	NoReplace bool // with Fixed: EEXIST if something is there
	GrowsDown bool
	Populate  bool
	Locked    bool
	Below4G   bool // MAP_32BIT: below 2 GiB, in fact
	NoReserve bool
	Droppable bool
	// Soon says that a file will be read here soon: a neighbourhood of the start is
	// brought in at once, where Populate would bring in everything.
	Soon bool

	// Mappable is what to map; nil maps anonymous memory, shared unless Private.
	Mappable mappable.Mappable
	// File is the file that Mappable belongs to, or nil. Map takes references of its own.
	File FileRef
	// Name is what /proc/PID/maps shows for a mapping without File: "[stack]", "[vdso]".
	Name string

	// Events collects what userfaultfds are to be told; may be nil.
	Events *Events
}

// RemapOpts describe mremap(2).
type RemapOpts struct {
	Old       addr.Addr
	OldLength uint64
	NewLength uint64
	New       addr.Addr // with Fixed
	MayMove   bool
	Fixed     bool
	DontUnmap bool

	// Events collects what userfaultfds are to be told; may be nil.
	Events *Events
}

// Meta is what struct mm_struct keeps about the program for /proc and prctl(2).
type Meta struct {
	StartCode, EndCode addr.Addr
	StartData, EndData addr.Addr
	StartStack         addr.Addr
	ArgStart, ArgEnd   addr.Addr
	EnvStart, EnvEnd   addr.Addr
	Auxv               []byte               // as on the stack, with AT_NULL; immutable
	Dumpable           int32                // SUID_DUMP_*: 0 no, 1 yes, 2 root only
	UserNS             *creds.UserNamespace // where the program was started: what a tracer must be root of if it is not dumpable
	Membarrier         uint32               // registered MEMBARRIER_CMD_*
	VDSO               addr.Addr
	ThpDisable         bool
	MemoryMerge        bool
	MDWE               uint32 // PR_SET_MDWE bits
}

// inherit takes over from old what a child and a new program keep.
func (m *Meta) inherit(old *Meta) {
	m.ThpDisable, m.MemoryMerge, m.MDWE = old.ThpDisable, old.MemoryMerge, old.MDWE
	if m.MDWE&linux.PR_MDWE_NO_INHERIT != 0 {
		m.MDWE = 0
	}
}

// VMAInfo describes one mapping for /proc/PID/maps and smaps. Sizes are in bytes.
type VMAInfo struct {
	Range     addr.Range
	Prot      platform.Prot
	MaxProt   platform.Prot
	Shared    bool
	Offset    uint64 // of the file; 0 for anonymous memory
	Dev, Ino  uint64
	Name      string // path, "[heap]", "[anon:NAME]", ...; may be empty
	GrowsDown bool
	Flags     VMAFlags

	// The following are zero unless asked for (ForEachVMA's usage).
	Rss, Pss                   uint64
	SharedClean, SharedDirty   uint64
	PrivateClean, PrivateDirty uint64
	Referenced, Anonymous      uint64
	LazyFree, Locked           uint64
}

// VMAFlags are properties of a mapping besides its protection.
type VMAFlags uint32

const (
	FlagGrowsDown VMAFlags = 1 << iota
	FlagLocked
	FlagLockOnFault
	FlagDontFork
	FlagWipeOnFork
	FlagDontDump
	FlagSequential
	FlagRandom
	FlagHugePage
	FlagNoHugePage
	FlagMergeable
	FlagNoReserve
	FlagSealed
	FlagDroppable
	FlagUffdMissing
	FlagUffdWP
	FlagUffdMinor
)

// Stats are the sizes that /proc/PID/status and statm show, in bytes.
type Stats struct {
	VmPeak, VmSize, VmLck, VmPin uint64
	VmHWM, VmRSS                 uint64
	RssAnon, RssFile, RssShmem   uint64
	VmData, VmStk, VmExe, VmLib  uint64
	VmPTE, VmSwap                uint64
	MapCount                     int
}

// errFault turns the error of an access by the sentry into what a system call returns.
func errFault(err error) error {
	switch err.(type) {
	case FaultError, *UserFault:
		return errno.EFAULT
	}
	return err
}
