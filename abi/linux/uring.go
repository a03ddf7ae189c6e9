package linux

// Opcodes of submissions (enum io_uring_op).
const (
	IORING_OP_NOP = iota
	IORING_OP_READV
	IORING_OP_WRITEV
	IORING_OP_FSYNC
	IORING_OP_READ_FIXED
	IORING_OP_WRITE_FIXED
	IORING_OP_POLL_ADD
	IORING_OP_POLL_REMOVE
	IORING_OP_SYNC_FILE_RANGE
	IORING_OP_SENDMSG
	IORING_OP_RECVMSG
	IORING_OP_TIMEOUT
	IORING_OP_TIMEOUT_REMOVE
	IORING_OP_ACCEPT
	IORING_OP_ASYNC_CANCEL
	IORING_OP_LINK_TIMEOUT
	IORING_OP_CONNECT
	IORING_OP_FALLOCATE
	IORING_OP_OPENAT
	IORING_OP_CLOSE
	IORING_OP_FILES_UPDATE
	IORING_OP_STATX
	IORING_OP_READ
	IORING_OP_WRITE
	IORING_OP_FADVISE
	IORING_OP_MADVISE
	IORING_OP_SEND
	IORING_OP_RECV
	IORING_OP_OPENAT2
	IORING_OP_EPOLL_CTL
	IORING_OP_SPLICE
	IORING_OP_PROVIDE_BUFFERS
	IORING_OP_REMOVE_BUFFERS
	IORING_OP_TEE
	IORING_OP_SHUTDOWN
	IORING_OP_RENAMEAT
	IORING_OP_UNLINKAT
	IORING_OP_MKDIRAT
	IORING_OP_SYMLINKAT
	IORING_OP_LINKAT
	IORING_OP_MSG_RING
	IORING_OP_FSETXATTR
	IORING_OP_SETXATTR
	IORING_OP_FGETXATTR
	IORING_OP_GETXATTR
	IORING_OP_SOCKET
	IORING_OP_URING_CMD
	IORING_OP_SEND_ZC
	IORING_OP_SENDMSG_ZC
	IORING_OP_READ_MULTISHOT
	IORING_OP_WAITID
	IORING_OP_FUTEX_WAIT
	IORING_OP_FUTEX_WAKE
	IORING_OP_FUTEX_WAITV
	IORING_OP_FIXED_FD_INSTALL
	IORING_OP_FTRUNCATE
	IORING_OP_BIND
	IORING_OP_LISTEN
	IORING_OP_LAST
)

// Flags of io_uring_setup(2), features that it reports, flags of io_uring_enter(2).
const (
	IORING_SETUP_IOPOLL             = 1 << 0
	IORING_SETUP_SQPOLL             = 1 << 1
	IORING_SETUP_SQ_AFF             = 1 << 2
	IORING_SETUP_CQSIZE             = 1 << 3
	IORING_SETUP_CLAMP              = 1 << 4
	IORING_SETUP_ATTACH_WQ          = 1 << 5
	IORING_SETUP_R_DISABLED         = 1 << 6
	IORING_SETUP_SUBMIT_ALL         = 1 << 7
	IORING_SETUP_COOP_TASKRUN       = 1 << 8
	IORING_SETUP_TASKRUN_FLAG       = 1 << 9
	IORING_SETUP_SQE128             = 1 << 10
	IORING_SETUP_CQE32              = 1 << 11
	IORING_SETUP_SINGLE_ISSUER      = 1 << 12
	IORING_SETUP_DEFER_TASKRUN      = 1 << 13
	IORING_SETUP_NO_MMAP            = 1 << 14
	IORING_SETUP_REGISTERED_FD_ONLY = 1 << 15
	IORING_SETUP_NO_SQARRAY         = 1 << 16

	IORING_FEAT_SINGLE_MMAP     = 1 << 0
	IORING_FEAT_NODROP          = 1 << 1
	IORING_FEAT_SUBMIT_STABLE   = 1 << 2
	IORING_FEAT_RW_CUR_POS      = 1 << 3
	IORING_FEAT_CUR_PERSONALITY = 1 << 4
	IORING_FEAT_FAST_POLL       = 1 << 5
	IORING_FEAT_POLL_32BITS     = 1 << 6
	IORING_FEAT_SQPOLL_NONFIXED = 1 << 7
	IORING_FEAT_EXT_ARG         = 1 << 8
	IORING_FEAT_NATIVE_WORKERS  = 1 << 9
	IORING_FEAT_RSRC_TAGS       = 1 << 10
	IORING_FEAT_CQE_SKIP        = 1 << 11
	IORING_FEAT_LINKED_FILE     = 1 << 12
	IORING_FEAT_REG_REG_RING    = 1 << 13
	IORING_FEAT_RECVSEND_BUNDLE = 1 << 14
	IORING_FEAT_MIN_TIMEOUT     = 1 << 15

	IORING_ENTER_GETEVENTS       = 1 << 0
	IORING_ENTER_SQ_WAKEUP       = 1 << 1
	IORING_ENTER_SQ_WAIT         = 1 << 2
	IORING_ENTER_EXT_ARG         = 1 << 3
	IORING_ENTER_REGISTERED_RING = 1 << 4
	IORING_ENTER_ABS_TIMER       = 1 << 5
)

// Flags in the rings, and where the rings are mapped.
const (
	IORING_SQ_NEED_WAKEUP      = 1 << 0
	IORING_SQ_CQ_OVERFLOW      = 1 << 1
	IORING_SQ_TASKRUN          = 1 << 2
	IORING_CQ_EVENTFD_DISABLED = 1 << 0

	IORING_OFF_SQ_RING      = 0
	IORING_OFF_CQ_RING      = 0x8000000
	IORING_OFF_SQES         = 0x10000000
	IORING_OFF_PBUF_RING    = 0x80000000
	IORING_OFF_PBUF_SHIFT   = 16
	IORING_OFF_MMAP_MASK    = 0xf8000000
	IORING_MAX_ENTRIES      = 32768
	IORING_MAX_CQ_ENTRIES   = 2 * IORING_MAX_ENTRIES
	IORING_MAX_RING_FDS     = 16
	IORING_MAX_REG_BUFFERS  = 1 << 14
	IORING_MAX_FIXED_FILES  = 1 << 20
	IORING_MAX_RESTRICTION  = IORING_RESTRICTION_LAST + IORING_REGISTER_LAST + IORING_OP_LAST
	IORING_MAX_BIDS_LEGACY  = 1 << 16
	IORING_MAX_BIDS_IN_RING = 1 << 15
)

// Flags of submissions and completions.
const (
	IOSQE_FIXED_FILE       = 1 << 0
	IOSQE_IO_DRAIN         = 1 << 1
	IOSQE_IO_LINK          = 1 << 2
	IOSQE_IO_HARDLINK      = 1 << 3
	IOSQE_ASYNC            = 1 << 4
	IOSQE_BUFFER_SELECT    = 1 << 5
	IOSQE_CQE_SKIP_SUCCESS = 1 << 6

	IORING_CQE_F_BUFFER        = 1 << 0
	IORING_CQE_F_MORE          = 1 << 1
	IORING_CQE_F_SOCK_NONEMPTY = 1 << 2
	IORING_CQE_F_NOTIF         = 1 << 3
	IORING_CQE_F_BUF_MORE      = 1 << 4
	IORING_CQE_BUFFER_SHIFT    = 16

	IORING_FILE_INDEX_ALLOC = 0xffffffff
)

// Flags of single opcodes.
const (
	IORING_FSYNC_DATASYNC = 1 << 0

	IORING_TIMEOUT_ABS           = 1 << 0
	IORING_TIMEOUT_UPDATE        = 1 << 1
	IORING_TIMEOUT_BOOTTIME      = 1 << 2
	IORING_TIMEOUT_REALTIME      = 1 << 3
	IORING_LINK_TIMEOUT_UPDATE   = 1 << 4
	IORING_TIMEOUT_ETIME_SUCCESS = 1 << 5
	IORING_TIMEOUT_MULTISHOT     = 1 << 6
	IORING_TIMEOUT_CLOCK_MASK    = IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME
	IORING_TIMEOUT_UPDATE_MASK   = IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE

	IORING_POLL_ADD_MULTI        = 1 << 0
	IORING_POLL_UPDATE_EVENTS    = 1 << 1
	IORING_POLL_UPDATE_USER_DATA = 1 << 2
	IORING_POLL_ADD_LEVEL        = 1 << 3

	IORING_ASYNC_CANCEL_ALL      = 1 << 0
	IORING_ASYNC_CANCEL_FD       = 1 << 1
	IORING_ASYNC_CANCEL_ANY      = 1 << 2
	IORING_ASYNC_CANCEL_FD_FIXED = 1 << 3
	IORING_ASYNC_CANCEL_USERDATA = 1 << 4
	IORING_ASYNC_CANCEL_OP       = 1 << 5

	IORING_RECVSEND_POLL_FIRST   = 1 << 0
	IORING_RECV_MULTISHOT        = 1 << 1
	IORING_RECVSEND_FIXED_BUF    = 1 << 2
	IORING_SEND_ZC_REPORT_USAGE  = 1 << 3
	IORING_RECVSEND_BUNDLE       = 1 << 4
	IORING_NOTIF_USAGE_ZC_COPIED = 1 << 31

	IORING_ACCEPT_MULTISHOT  = 1 << 0
	IORING_ACCEPT_DONTWAIT   = 1 << 1
	IORING_ACCEPT_POLL_FIRST = 1 << 2

	IORING_MSG_DATA            = 0
	IORING_MSG_SEND_FD         = 1
	IORING_MSG_RING_CQE_SKIP   = 1 << 0
	IORING_MSG_RING_FLAGS_PASS = 1 << 1

	IORING_FIXED_FD_NO_CLOEXEC = 1 << 0

	IORING_NOP_INJECT_RESULT = 1 << 0

	SPLICE_F_FD_IN_FIXED = 1 << 31
)

// Opcodes of io_uring_register(2).
const (
	IORING_REGISTER_BUFFERS = iota
	IORING_UNREGISTER_BUFFERS
	IORING_REGISTER_FILES
	IORING_UNREGISTER_FILES
	IORING_REGISTER_EVENTFD
	IORING_UNREGISTER_EVENTFD
	IORING_REGISTER_FILES_UPDATE
	IORING_REGISTER_EVENTFD_ASYNC
	IORING_REGISTER_PROBE
	IORING_REGISTER_PERSONALITY
	IORING_UNREGISTER_PERSONALITY
	IORING_REGISTER_RESTRICTIONS
	IORING_REGISTER_ENABLE_RINGS
	IORING_REGISTER_FILES2
	IORING_REGISTER_FILES_UPDATE2
	IORING_REGISTER_BUFFERS2
	IORING_REGISTER_BUFFERS_UPDATE
	IORING_REGISTER_IOWQ_AFF
	IORING_UNREGISTER_IOWQ_AFF
	IORING_REGISTER_IOWQ_MAX_WORKERS
	IORING_REGISTER_RING_FDS
	IORING_UNREGISTER_RING_FDS
	IORING_REGISTER_PBUF_RING
	IORING_UNREGISTER_PBUF_RING
	IORING_REGISTER_SYNC_CANCEL
	IORING_REGISTER_FILE_ALLOC_RANGE
	IORING_REGISTER_PBUF_STATUS
	IORING_REGISTER_NAPI
	IORING_UNREGISTER_NAPI
	IORING_REGISTER_CLOCK
	IORING_REGISTER_CLONE_BUFFERS
	IORING_REGISTER_LAST

	IORING_REGISTER_USE_REGISTERED_RING = 1 << 31
)

// What io_uring_register(2) takes besides.
const (
	IORING_REGISTER_FILES_SKIP  = -2
	IORING_RSRC_REGISTER_SPARSE = 1 << 0
	IO_URING_OP_SUPPORTED       = 1 << 0
	IOU_PBUF_RING_MMAP          = 1 << 0
	IOU_PBUF_RING_INC           = 1 << 1

	IORING_RESTRICTION_REGISTER_OP        = 0
	IORING_RESTRICTION_SQE_OP             = 1
	IORING_RESTRICTION_SQE_FLAGS_ALLOWED  = 2
	IORING_RESTRICTION_SQE_FLAGS_REQUIRED = 3
	IORING_RESTRICTION_LAST               = 4
)

// IOUringSQE is struct io_uring_sqe, with one name for each place that has many.
type IOUringSQE struct {
	Opcode      uint8
	Flags       uint8
	IOPrio      uint16
	FD          int32
	Off         uint64 // addr2
	Addr        uint64 // splice_off_in
	Len         uint32
	OpFlags     uint32 // rw_flags, msg_flags, poll32_events, ...
	UserData    uint64
	BufIndex    uint16 // buf_group
	Personality uint16
	SpliceFD    int32 // splice_fd_in, file_index, addr_len
	Addr3       uint64
	Pad2        uint64
}

// IOUringCQE is struct io_uring_cqe; with IORING_SETUP_CQE32 sixteen bytes follow.
type IOUringCQE struct {
	UserData uint64
	Res      int32
	Flags    uint32
}

// IOUringSQOffsets is struct io_sqring_offsets, IOUringCQOffsets struct io_cqring_offsets.
type IOUringSQOffsets struct {
	Head        uint32
	Tail        uint32
	RingMask    uint32
	RingEntries uint32
	Flags       uint32
	Dropped     uint32
	Array       uint32
	Resv1       uint32
	UserAddr    uint64
}

type IOUringCQOffsets struct {
	Head        uint32
	Tail        uint32
	RingMask    uint32
	RingEntries uint32
	Overflow    uint32
	CQEs        uint32
	Flags       uint32
	Resv1       uint32
	UserAddr    uint64
}

// IOUringParams is struct io_uring_params.
type IOUringParams struct {
	SQEntries    uint32
	CQEntries    uint32
	Flags        uint32
	SQThreadCPU  uint32
	SQThreadIdle uint32
	Features     uint32
	WQFD         uint32
	Resv         [3]uint32
	SQOff        IOUringSQOffsets
	CQOff        IOUringCQOffsets
}

// IOUringGeteventsArg is struct io_uring_getevents_arg.
type IOUringGeteventsArg struct {
	Sigmask     uint64
	SigmaskSz   uint32
	MinWaitUsec uint32
	TS          uint64
}

// IOUringFilesUpdate is struct io_uring_files_update, and the head of io_uring_rsrc_update.
type IOUringFilesUpdate struct {
	Offset uint32
	Resv   uint32
	FDs    uint64
}

// IOUringRsrcRegister is struct io_uring_rsrc_register.
type IOUringRsrcRegister struct {
	Nr    uint32
	Flags uint32
	Resv2 uint64
	Data  uint64
	Tags  uint64
}

// IOUringRsrcUpdate2 is struct io_uring_rsrc_update2.
type IOUringRsrcUpdate2 struct {
	Offset uint32
	Resv   uint32
	Data   uint64
	Tags   uint64
	Nr     uint32
	Resv2  uint32
}

// IOUringBufReg is struct io_uring_buf_reg.
type IOUringBufReg struct {
	RingAddr    uint64
	RingEntries uint32
	Bgid        uint16
	Flags       uint16
	Resv        [3]uint64
}

// IOUringBufStatus is struct io_uring_buf_status.
type IOUringBufStatus struct {
	BufGroup uint32
	Head     uint32
	Resv     [8]uint32
}

// IOUringSyncCancelReg is struct io_uring_sync_cancel_reg.
type IOUringSyncCancelReg struct {
	Addr    uint64
	FD      int32
	Flags   uint32
	Timeout Timespec
	Opcode  uint8
	Pad     [7]uint8
	Pad2    [3]uint64
}

// IOUringRecvmsgOut is struct io_uring_recvmsg_out, which comes before the name in the buffer of a multishot RECVMSG.
type IOUringRecvmsgOut struct {
	Namelen    uint32
	Controllen uint32
	Payloadlen uint32
	Flags      uint32
}

// IOUringCloneBuffers is struct io_uring_clone_buffers.
type IOUringCloneBuffers struct {
	SrcFD  uint32
	Flags  uint32
	SrcOff uint32
	DstOff uint32
	Nr     uint32
	Pad    [3]uint32
}
