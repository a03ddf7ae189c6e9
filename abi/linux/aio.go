package linux

// Commands of io_submit(2).
const (
	IOCB_CMD_PREAD   = 0
	IOCB_CMD_PWRITE  = 1
	IOCB_CMD_FSYNC   = 2
	IOCB_CMD_FDSYNC  = 3
	IOCB_CMD_POLL    = 5
	IOCB_CMD_NOOP    = 6
	IOCB_CMD_PREADV  = 7
	IOCB_CMD_PWRITEV = 8
	IOCB_FLAG_RESFD  = 1
	IOCB_FLAG_IOPRIO = 2
)

// IOEvent is struct io_event.
type IOEvent struct {
	Data   uint64
	Obj    uint64
	Result int64
	Res2   int64
}

// IOCB is struct iocb.
type IOCB struct {
	Data    uint64
	Key     uint32
	RWFlags int32
	Opcode  uint16
	Reqprio int16
	FD      uint32
	Buf     uint64
	Nbytes  uint64
	Offset  int64
	_       [8]byte
	Flags   uint32
	Resfd   uint32
}
