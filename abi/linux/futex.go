package linux

// Operations of futex(2) and their modifiers.
const (
	FUTEX_WAIT            = 0
	FUTEX_WAKE            = 1
	FUTEX_FD              = 2
	FUTEX_REQUEUE         = 3
	FUTEX_CMP_REQUEUE     = 4
	FUTEX_WAKE_OP         = 5
	FUTEX_LOCK_PI         = 6
	FUTEX_UNLOCK_PI       = 7
	FUTEX_TRYLOCK_PI      = 8
	FUTEX_WAIT_BITSET     = 9
	FUTEX_WAKE_BITSET     = 10
	FUTEX_WAIT_REQUEUE_PI = 11
	FUTEX_CMP_REQUEUE_PI  = 12
	FUTEX_LOCK_PI2        = 13
	FUTEX_PRIVATE_FLAG    = 128
	FUTEX_CLOCK_REALTIME  = 256
	FUTEX_CMD_MASK        = 0xfffffe7f // of a uint32

	FUTEX_BITSET_MATCH_ANY = 0xffffffff
)

// Bits of a priority-inheriting or robust futex word.
const (
	FUTEX_WAITERS    = 0x80000000
	FUTEX_OWNER_DIED = 0x40000000
	FUTEX_TID_MASK   = 0x3fffffff
)

// Operations and comparisons packed into FUTEX_WAKE_OP's last argument.
const (
	FUTEX_OP_SET         = 0
	FUTEX_OP_ADD         = 1
	FUTEX_OP_OR          = 2
	FUTEX_OP_ANDN        = 3
	FUTEX_OP_XOR         = 4
	FUTEX_OP_OPARG_SHIFT = 8
	FUTEX_OP_CMP_EQ      = 0
	FUTEX_OP_CMP_NE      = 1
	FUTEX_OP_CMP_LT      = 2
	FUTEX_OP_CMP_LE      = 3
	FUTEX_OP_CMP_GT      = 4
	FUTEX_OP_CMP_GE      = 5
)

// Flags of futex_waitv(2) and the futex2 calls.
const (
	FUTEX2_SIZE_U8   = 0
	FUTEX2_SIZE_U16  = 1
	FUTEX2_SIZE_U32  = 2
	FUTEX2_SIZE_U64  = 3
	FUTEX2_NUMA      = 4
	FUTEX2_PRIVATE   = FUTEX_PRIVATE_FLAG
	FUTEX2_SIZE_MASK = 3
	FUTEX_WAITV_MAX  = 128
)

// FutexWaitv is struct futex_waitv.
type FutexWaitv struct {
	Val      uint64
	Uaddr    uint64
	Flags    uint32
	Reserved uint32
}

// RobustListHead is struct robust_list_head (set_robust_list(2)); list entries are
// a single pointer each.
type RobustListHead struct {
	List          uint64
	FutexOffset   int64
	ListOpPending uint64
}

// ROBUST_LIST_LIMIT bounds the walk of a robust list at exit.
const ROBUST_LIST_LIMIT = 2048
