package linux

// Modes, operations and flags of seccomp(2).
const (
	SECCOMP_MODE_DISABLED                  = 0x0
	SECCOMP_MODE_STRICT                    = 0x1
	SECCOMP_MODE_FILTER                    = 0x2
	SECCOMP_SET_MODE_STRICT                = 0x0
	SECCOMP_SET_MODE_FILTER                = 0x1
	SECCOMP_GET_ACTION_AVAIL               = 0x2
	SECCOMP_GET_NOTIF_SIZES                = 0x3
	SECCOMP_FILTER_FLAG_TSYNC              = 0x1
	SECCOMP_FILTER_FLAG_LOG                = 0x2
	SECCOMP_FILTER_FLAG_SPEC_ALLOW         = 0x4
	SECCOMP_FILTER_FLAG_NEW_LISTENER       = 0x8
	SECCOMP_FILTER_FLAG_TSYNC_ESRCH        = 0x10
	SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 0x20
)

// Actions that a filter returns.
const (
	SECCOMP_RET_KILL_PROCESS = 0x80000000
	SECCOMP_RET_KILL_THREAD  = 0x0
	SECCOMP_RET_KILL         = 0x0
	SECCOMP_RET_TRAP         = 0x30000
	SECCOMP_RET_ERRNO        = 0x50000
	SECCOMP_RET_USER_NOTIF   = 0x7fc00000
	SECCOMP_RET_TRACE        = 0x7ff00000
	SECCOMP_RET_LOG          = 0x7ffc0000
	SECCOMP_RET_ALLOW        = 0x7fff0000
	SECCOMP_RET_ACTION_FULL  = 0xffff0000
	SECCOMP_RET_ACTION       = 0x7fff0000
	SECCOMP_RET_DATA         = 0xffff
)

// SeccompData is struct seccomp_data, what a filter looks at.
type SeccompData struct {
	Nr                 int32
	Arch               uint32
	InstructionPointer uint64
	Args               [6]uint64
}

// SeccompNotifSizes is struct seccomp_notif_sizes (SECCOMP_GET_NOTIF_SIZES).
type SeccompNotifSizes struct {
	Notif     uint16
	NotifResp uint16
	Data      uint16
}

// SeccompNotif is struct seccomp_notif, what SECCOMP_IOCTL_NOTIF_RECV gives.
type SeccompNotif struct {
	ID    uint64
	PID   uint32
	Flags uint32
	Data  SeccompData
}

// SeccompNotifResp is struct seccomp_notif_resp, what SECCOMP_IOCTL_NOTIF_SEND takes.
type SeccompNotifResp struct {
	ID    uint64
	Val   int64
	Error int32
	Flags uint32
}

// SeccompNotifAddfd is struct seccomp_notif_addfd.
type SeccompNotifAddfd struct {
	ID         uint64
	Flags      uint32
	Srcfd      uint32
	Newfd      uint32
	NewfdFlags uint32
}

// Requests and flags of the listener (seccomp_unotify(2)).
const (
	SECCOMP_IOCTL_NOTIF_RECV               = 0xc0502100
	SECCOMP_IOCTL_NOTIF_SEND               = 0xc0182101
	SECCOMP_IOCTL_NOTIF_ID_VALID           = 0x40082102
	SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR = 0x80082102 // as the headers had it before Linux 5.9
	SECCOMP_IOCTL_NOTIF_ADDFD              = 0x40182103
	SECCOMP_IOCTL_NOTIF_SET_FLAGS          = 0x40082104
	SECCOMP_USER_NOTIF_FLAG_CONTINUE       = 0x1
	SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP     = 0x1
	SECCOMP_ADDFD_FLAG_SETFD               = 0x1
	SECCOMP_ADDFD_FLAG_SEND                = 0x2
)

// SockFprog is struct sock_fprog.
type SockFprog struct {
	Len    uint16
	_      [6]byte
	Filter uint64
}

// SockFilter is struct sock_filter, one BPF instruction.
type SockFilter struct {
	Code uint16
	Jt   uint8
	Jf   uint8
	K    uint32
}

// Classes, modes and operations of classic BPF, and its limits.
const (
	BPF_LD                  = 0x0
	BPF_LDX                 = 0x1
	BPF_ST                  = 0x2
	BPF_STX                 = 0x3
	BPF_ALU                 = 0x4
	BPF_JMP                 = 0x5
	BPF_RET                 = 0x6
	BPF_MISC                = 0x7
	BPF_W                   = 0x0
	BPF_H                   = 0x8
	BPF_B                   = 0x10
	BPF_IMM                 = 0x0
	BPF_ABS                 = 0x20
	BPF_IND                 = 0x40
	BPF_MEM                 = 0x60
	BPF_LEN                 = 0x80
	BPF_MSH                 = 0xa0
	BPF_ADD                 = 0x0
	BPF_SUB                 = 0x10
	BPF_MUL                 = 0x20
	BPF_DIV                 = 0x30
	BPF_OR                  = 0x40
	BPF_AND                 = 0x50
	BPF_LSH                 = 0x60
	BPF_RSH                 = 0x70
	BPF_NEG                 = 0x80
	BPF_MOD                 = 0x90
	BPF_XOR                 = 0xa0
	BPF_JA                  = 0x0
	BPF_JEQ                 = 0x10
	BPF_JGT                 = 0x20
	BPF_JGE                 = 0x30
	BPF_JSET                = 0x40
	BPF_K                   = 0x0
	BPF_X                   = 0x8
	BPF_MAXINSNS            = 0x1000
	BPF_A                   = 0x10
	BPF_TAX                 = 0x0
	BPF_TXA                 = 0x80
	BPF_MEMWORDS            = 0x10
	SKF_AD_OFF              = 0xfffff000 // of a uint32
	SKF_AD_PROTOCOL         = 0x0
	SKF_AD_PKTTYPE          = 0x4
	SKF_AD_IFINDEX          = 0x8
	SKF_AD_NLATTR           = 0xc
	SKF_AD_NLATTR_NEST      = 0x10
	SKF_AD_MARK             = 0x14
	SKF_AD_QUEUE            = 0x18
	SKF_AD_HATYPE           = 0x1c
	SKF_AD_RXHASH           = 0x20
	SKF_AD_CPU              = 0x24
	SKF_AD_ALU_XOR_X        = 0x28
	SKF_AD_VLAN_TAG         = 0x2c
	SKF_AD_VLAN_TAG_PRESENT = 0x30
	SKF_AD_PAY_OFFSET       = 0x34
	SKF_AD_RANDOM           = 0x38
	SKF_AD_VLAN_TPID        = 0x3c
	SKF_AD_MAX              = 0x40
	SKF_NET_OFF             = 0xfff00000
	SKF_LL_OFF              = 0xffe00000
)

// Audit values that name the architecture of a system call.
const (
	AUDIT_ARCH_X86_64  = 0xc000003e
	AUDIT_ARCH_I386    = 0x40000003
	AUDIT_ARCH_AARCH64 = 0xc00000b7
)
