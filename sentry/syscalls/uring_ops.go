package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/usermem"
)

// ioOp is an opcode. prep checks and copies what a submission says, on the submitter's goroutine; issue does it, at once
// or again whenever the file tells of something. EAGAIN from it means to wait for one of mask, unless q.nowait.
type ioOp struct {
	code  uint8
	prep  func(t *kernel.Task, q *ioRequest) error
	issue func(t *kernel.Task, q *ioRequest) (int64, error)
	// woken is what a wake-up does to a request that waits; nil: issue.
	woken func(r *ioRing, t *kernel.Task, q *ioRequest) *ioRequest
	mask  wait.Mask // 0: does not wait for its file

	// blocks says that issue may sleep, and so needs a worker; unbound, that it may do so for as long as others like.
	blocks  bool
	unbound bool

	file    bool // works on sqe.FD
	selects bool // takes IOSQE_BUFFER_SELECT
	ioprio  bool // has a use for sqe.IOPrio
	iopoll  bool // goes with IORING_SETUP_IOPOLL
}

func (o *ioOp) polls(q *ioRequest) bool { return o.mask != 0 && !q.nowait }

const (
	ioReadable = wait.In | wait.RdNorm | wait.RdHup
	ioWritable = wait.Out | wait.WrNorm
)

// ioArgs is what operations know besides the submission.
type ioArgs struct {
	seq     usermem.Sequence
	done    int64 // bytes of earlier tries
	nowait  bool  // EAGAIN is a result
	cflags  uint32
	extra   [2]uint64 // of a big completion
	path    string
	path2   string
	bytes   []byte // a sockaddr, the value of an attribute
	how     linux.OpenHow
	event   linux.EpollEvent
	msg     *userMsg
	timeout *ioTimeout
	poll    ioPollArgs
	futexes []ioFutex
	tried   bool // POLL_FIRST has polled
	shots   int  // completions of a multishot since it last waited
}

// maxShots is how many completions a multishot request posts before others get their turn.
const maxShots = 32

var ioOps = [linux.IORING_OP_LAST]ioOp{
	linux.IORING_OP_NOP:              {prep: prepNop, issue: issueNop, iopoll: true},
	linux.IORING_OP_READV:            {prep: prepReadv, issue: issueRead, mask: ioReadable, file: true, selects: true, ioprio: true, iopoll: true},
	linux.IORING_OP_WRITEV:           {prep: prepWritev, issue: issueWrite, mask: ioWritable, file: true, ioprio: true, iopoll: true},
	linux.IORING_OP_FSYNC:            {prep: prepFsync, issue: issueFsync, file: true, blocks: true},
	linux.IORING_OP_READ_FIXED:       {prep: prepFixed, issue: issueRead, mask: ioReadable, file: true, ioprio: true, iopoll: true},
	linux.IORING_OP_WRITE_FIXED:      {prep: prepFixed, issue: issueWrite, mask: ioWritable, file: true, ioprio: true, iopoll: true},
	linux.IORING_OP_POLL_ADD:         {prep: prepPollAdd, issue: issuePollAdd, woken: wokenPoll, file: true},
	linux.IORING_OP_POLL_REMOVE:      {prep: prepPollRemove, issue: issuePollRemove},
	linux.IORING_OP_SYNC_FILE_RANGE:  {prep: prepFsyncRange, issue: issueSyncFileRange, file: true, blocks: true},
	linux.IORING_OP_SENDMSG:          {prep: prepSendmsg, issue: issueSendmsg, mask: ioWritable, file: true, ioprio: true},
	linux.IORING_OP_RECVMSG:          {prep: prepRecvmsg, issue: issueRecvmsg, mask: ioReadable, file: true, selects: true, ioprio: true},
	linux.IORING_OP_TIMEOUT:          {prep: prepTimeout, issue: issueTimeout, woken: wokenTimeout},
	linux.IORING_OP_TIMEOUT_REMOVE:   {prep: prepTimeoutRemove, issue: issueTimeoutRemove},
	linux.IORING_OP_ACCEPT:           {prep: prepAccept, issue: issueAccept, mask: ioReadable, file: true, ioprio: true},
	linux.IORING_OP_ASYNC_CANCEL:     {prep: prepAsyncCancel, issue: issueAsyncCancel},
	linux.IORING_OP_LINK_TIMEOUT:     {prep: prepLinkTimeout, issue: issueLinkTimeout, woken: wokenLinkTimeout},
	linux.IORING_OP_CONNECT:          {prep: prepConnect, issue: issueConnect, mask: ioWritable, file: true},
	linux.IORING_OP_FALLOCATE:        {prep: prepFallocate, issue: issueFallocate, file: true, blocks: true},
	linux.IORING_OP_OPENAT:           {prep: prepOpenat, issue: issueOpenat, unbound: true},
	linux.IORING_OP_CLOSE:            {prep: prepClose, issue: issueClose},
	linux.IORING_OP_FILES_UPDATE:     {prep: prepFilesUpdate, issue: issueFilesUpdate, iopoll: true},
	linux.IORING_OP_STATX:            {prep: prepStatx, issue: issueStatx},
	linux.IORING_OP_READ:             {prep: prepRead, issue: issueRead, mask: ioReadable, file: true, selects: true, ioprio: true, iopoll: true},
	linux.IORING_OP_WRITE:            {prep: prepWrite, issue: issueWrite, mask: ioWritable, file: true, ioprio: true, iopoll: true},
	linux.IORING_OP_FADVISE:          {prep: prepFadvise, issue: issueFadvise, file: true},
	linux.IORING_OP_MADVISE:          {prep: prepMadvise, issue: issueMadvise},
	linux.IORING_OP_SEND:             {prep: prepSend, issue: issueSend, mask: ioWritable, file: true, selects: true, ioprio: true},
	linux.IORING_OP_RECV:             {prep: prepRecv, issue: issueRecv, mask: ioReadable, file: true, selects: true, ioprio: true},
	linux.IORING_OP_OPENAT2:          {prep: prepOpenat2, issue: issueOpenat2, unbound: true},
	linux.IORING_OP_EPOLL_CTL:        {prep: prepEpollCtl, issue: issueEpollCtl},
	linux.IORING_OP_SPLICE:           {prep: prepSplice, issue: issueSplice, file: true, blocks: true, unbound: true},
	linux.IORING_OP_PROVIDE_BUFFERS:  {prep: prepProvideBuffers, issue: issueProvideBuffers, iopoll: true},
	linux.IORING_OP_REMOVE_BUFFERS:   {prep: prepRemoveBuffers, issue: issueRemoveBuffers, iopoll: true},
	linux.IORING_OP_TEE:              {prep: prepTee, issue: issueTee, file: true, blocks: true, unbound: true},
	linux.IORING_OP_SHUTDOWN:         {prep: prepShutdown, issue: issueShutdown, file: true},
	linux.IORING_OP_RENAMEAT:         {prep: prepRenameat, issue: issueRenameat},
	linux.IORING_OP_UNLINKAT:         {prep: prepUnlinkat, issue: issueUnlinkat},
	linux.IORING_OP_MKDIRAT:          {prep: prepMkdirat, issue: issueMkdirat},
	linux.IORING_OP_SYMLINKAT:        {prep: prepSymlinkat, issue: issueSymlinkat},
	linux.IORING_OP_LINKAT:           {prep: prepLinkat, issue: issueLinkat},
	linux.IORING_OP_MSG_RING:         {prep: prepMsgRing, issue: issueMsgRing, file: true, iopoll: true},
	linux.IORING_OP_FSETXATTR:        {prep: prepFsetxattr, issue: issueSetxattr, file: true},
	linux.IORING_OP_SETXATTR:         {prep: prepSetxattr, issue: issueSetxattr},
	linux.IORING_OP_FGETXATTR:        {prep: prepFgetxattr, issue: issueGetxattr, file: true},
	linux.IORING_OP_GETXATTR:         {prep: prepGetxattr, issue: issueGetxattr},
	linux.IORING_OP_SOCKET:           {prep: prepSocket, issue: issueSocket},
	linux.IORING_OP_URING_CMD:        {prep: prepNothing, issue: issueUringCmd, file: true, iopoll: true},
	linux.IORING_OP_SEND_ZC:          {prep: prepSendZC, issue: issueSendZC, mask: ioWritable, file: true, ioprio: true},
	linux.IORING_OP_SENDMSG_ZC:       {prep: prepSendmsgZC, issue: issueSendZC, mask: ioWritable, file: true, ioprio: true},
	linux.IORING_OP_READ_MULTISHOT:   {prep: prepReadMultishot, issue: issueReadMultishot, mask: ioReadable, file: true, selects: true},
	linux.IORING_OP_WAITID:           {prep: prepWaitid, issue: issueWaitid, mask: wait.In},
	linux.IORING_OP_FUTEX_WAIT:       {prep: prepFutexWait, issue: issueFutexWait, woken: wokenFutex},
	linux.IORING_OP_FUTEX_WAKE:       {prep: prepFutexWait, issue: issueFutexWake},
	linux.IORING_OP_FUTEX_WAITV:      {prep: prepFutexWaitv, issue: issueFutexWait, woken: wokenFutex},
	linux.IORING_OP_FIXED_FD_INSTALL: {prep: prepFixedFDInstall, issue: issueFixedFDInstall, file: true},
	linux.IORING_OP_FTRUNCATE:        {prep: prepFtruncate, issue: issueFtruncate, file: true},
	linux.IORING_OP_BIND:             {prep: prepBind, issue: issueBind, file: true},
	linux.IORING_OP_LISTEN:           {prep: prepListen, issue: issueListen, file: true},
}

func init() {
	for i := range ioOps {
		ioOps[i].code = uint8(i)
	}
}

func prepNothing(*kernel.Task, *ioRequest) error { return nil }

func prepNop(_ *kernel.Task, q *ioRequest) error {
	if q.sqe.OpFlags&^linux.IORING_NOP_INJECT_RESULT != 0 {
		return errno.EINVAL
	}
	return nil
}

func issueNop(_ *kernel.Task, q *ioRequest) (int64, error) {
	if q.sqe.OpFlags&linux.IORING_NOP_INJECT_RESULT == 0 {
		return 0, nil
	}
	n := int32(q.sqe.Len)
	q.failed = n < 0
	return int64(n), nil
}

// issueUringCmd is for files that have commands of their own: none has.
func issueUringCmd(*kernel.Task, *ioRequest) (int64, error) { return 0, errno.EOPNOTSUPP }

// unusedFD says that an operation has no use for a registered file in place of a descriptor.
func unusedFD(q *ioRequest) error {
	if q.sqe.Flags&linux.IOSQE_FIXED_FILE != 0 {
		return errno.EBADF
	}
	return nil
}

// reserved returns EINVAL unless all values are zero.
func reserved(values ...uint64) error {
	for _, v := range values {
		if v != 0 {
			return errno.EINVAL
		}
	}
	return nil
}
