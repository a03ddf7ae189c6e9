package linux

// Flags of clone(2), clone3(2), unshare(2) and setns(2).
const (
	CSIGNAL              = 0xff
	CLONE_VM             = 0x100
	CLONE_FS             = 0x200
	CLONE_FILES          = 0x400
	CLONE_SIGHAND        = 0x800
	CLONE_PIDFD          = 0x1000
	CLONE_PTRACE         = 0x2000
	CLONE_VFORK          = 0x4000
	CLONE_PARENT         = 0x8000
	CLONE_THREAD         = 0x10000
	CLONE_NEWNS          = 0x20000
	CLONE_SYSVSEM        = 0x40000
	CLONE_SETTLS         = 0x80000
	CLONE_PARENT_SETTID  = 0x100000
	CLONE_CHILD_CLEARTID = 0x200000
	CLONE_DETACHED       = 0x400000
	CLONE_UNTRACED       = 0x800000
	CLONE_CHILD_SETTID   = 0x1000000
	CLONE_NEWCGROUP      = 0x2000000
	CLONE_NEWUTS         = 0x4000000
	CLONE_NEWIPC         = 0x8000000
	CLONE_NEWUSER        = 0x10000000
	CLONE_NEWPID         = 0x20000000
	CLONE_NEWNET         = 0x40000000
	CLONE_IO             = 0x80000000
	CLONE_CLEAR_SIGHAND  = 0x100000000
	CLONE_INTO_CGROUP    = 0x200000000
	CLONE_NEWTIME        = 0x80
)

// CloneArgs is struct clone_args of clone3(2).
type CloneArgs struct {
	Flags      uint64
	Pidfd      uint64
	ChildTID   uint64
	ParentTID  uint64
	ExitSignal uint64
	Stack      uint64
	StackSize  uint64
	TLS        uint64
	SetTID     uint64
	SetTIDSize uint64
	Cgroup     uint64
}

// Sizes of CloneArgs that programs pass.
const (
	CLONE_ARGS_SIZE_VER0 = 64
	CLONE_ARGS_SIZE_VER1 = 80
	CLONE_ARGS_SIZE_VER2 = 88
)

// Scheduling policies and flags (sched(7)).
const (
	SCHED_NORMAL              = 0x0
	SCHED_OTHER               = SCHED_NORMAL // POSIX name
	SCHED_FIFO                = 0x1
	SCHED_RR                  = 0x2
	SCHED_BATCH               = 0x3
	SCHED_IDLE                = 0x5
	SCHED_DEADLINE            = 0x6
	SCHED_RESET_ON_FORK       = 0x40000000
	SCHED_FLAG_RESET_ON_FORK  = 0x1
	SCHED_FLAG_RECLAIM        = 0x2
	SCHED_FLAG_DL_OVERRUN     = 0x4
	SCHED_FLAG_KEEP_POLICY    = 0x8
	SCHED_FLAG_KEEP_PARAMS    = 0x10
	SCHED_FLAG_UTIL_CLAMP_MIN = 0x20
	SCHED_FLAG_UTIL_CLAMP_MAX = 0x40
	SCHED_FLAG_KEEP_ALL       = 0x18
	SCHED_FLAG_UTIL_CLAMP     = 0x60
	SCHED_FLAG_ALL            = 0x7f
	SCHED_EXT                 = 7
)

// SchedParam is struct sched_param.
type SchedParam struct {
	Priority int32
}

// SchedAttr is struct sched_attr of sched_setattr(2).
type SchedAttr struct {
	Size     uint32
	Policy   uint32
	Flags    uint64
	Nice     int32
	Priority uint32
	Runtime  uint64
	Deadline uint64
	Period   uint64
	UtilMin  uint32
	UtilMax  uint32
}

// Sizes of SchedAttr that programs pass.
const (
	SCHED_ATTR_SIZE_VER0 = 48
	SCHED_ATTR_SIZE_VER1 = 56
)

// Bounds of real-time priorities and nice values.
const (
	MaxRTPriority = 99
	MinNice       = -20
	MaxNice       = 19
)

// Rseq is struct rseq (rseq(2)) without the extensible tail.
type Rseq struct {
	CPUIDStart uint32
	CPUID      uint32
	RseqCS     uint64
	Flags      uint32
	NodeID     uint32
	MMCID      uint32
	_          [4]byte
}

// RseqCS is struct rseq_cs, the description of a critical section.
type RseqCS struct {
	Version          uint32
	Flags            uint32
	StartIP          uint64
	PostCommitOffset uint64
	AbortIP          uint64
}

// Constants of rseq(2).
const (
	RSEQ_FLAG_UNREGISTER            = 1
	RSEQ_CPU_ID_UNINITIALIZED       = -1
	RSEQ_CPU_ID_REGISTRATION_FAILED = -2
	RSEQ_ORIG_SIZE                  = 32
	RSEQ_ALIGN                      = 32
)

// PIDFD flags of pidfd_open(2), pidfd_send_signal(2) and pidfd_getfd(2).
const (
	PIDFD_NONBLOCK             = O_NONBLOCK
	PIDFD_THREAD               = O_EXCL
	PIDFD_SIGNAL_THREAD        = 1
	PIDFD_SIGNAL_THREAD_GROUP  = 2
	PIDFD_SIGNAL_PROCESS_GROUP = 4
)

// Types of kcmp(2).
const (
	KCMP_FILE      = 0
	KCMP_VM        = 1
	KCMP_FILES     = 2
	KCMP_FS        = 3
	KCMP_SIGHAND   = 4
	KCMP_IO        = 5
	KCMP_SYSVSEM   = 6
	KCMP_EPOLL_TFD = 7
)

// KcmpEpollSlot is struct kcmp_epoll_slot.
type KcmpEpollSlot struct {
	EFD  uint32
	TFD  uint32
	Toff uint32
}

// I/O priorities (ioprio_set(2)).
const (
	IOPRIO_CLASS_NONE  = 0
	IOPRIO_CLASS_RT    = 1
	IOPRIO_CLASS_BE    = 2
	IOPRIO_CLASS_IDLE  = 3
	IOPRIO_CLASS_SHIFT = 13
	IOPRIO_WHO_PROCESS = 1
	IOPRIO_WHO_PGRP    = 2
	IOPRIO_WHO_USER    = 3
)

// TaskCommLen is the size of a task's name with its NUL (PR_SET_NAME).
const TaskCommLen = 16
