package linux

// Linux security modules and their attributes (linux/lsm.h).
const (
	LSM_ID_UNDEF      = 0
	LSM_ID_CAPABILITY = 100
	LSM_ID_LANDLOCK   = 110
	LSM_ATTR_UNDEF    = 0
	LSM_FLAG_SINGLE   = 1
)

// LSMCtx is the head of struct lsm_ctx.
type LSMCtx struct {
	ID     uint64
	Flags  uint64
	Len    uint64
	CtxLen uint64
}
