package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/uring"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// socketOfRequest returns the socket that q works on.
func socketOfRequest(q *ioRequest) (socket.Socket, error) {
	if s := socket.Of(q.file); s != nil {
		return s, nil
	}
	return nil, errno.ENOTSOCK
}

// pollFirst reports whether q is to wait before it is tried for the first time (IORING_RECVSEND_POLL_FIRST).
func (q *ioRequest) pollFirst(t *kernel.Task, flag uint16) bool {
	if q.sqe.IOPrio&flag == 0 || q.tried {
		return false
	}
	q.tried = true
	// A wake-up that came before would be waited for in vain.
	return q.file.ReadinessTo(t)&(q.op.mask|ioAlways) == 0
}

const ioAlways = linux.POLLERR | linux.POLLHUP

func prepMsgFlags(q *ioRequest, known uint16) error {
	if q.sqe.IOPrio&^known != 0 {
		return errno.EINVAL
	}
	q.nowait = q.sqe.OpFlags&linux.MSG_DONTWAIT != 0
	return nil
}

func prepSend(t *kernel.Task, q *ioRequest) (err error) {
	s := &q.sqe
	if err := prepMsgFlags(q, linux.IORING_RECVSEND_POLL_FIRST); err != nil {
		return err
	}
	if s.Off != 0 {
		if q.bytes, err = copyInAddr(t, addr.Addr(s.Off), int32(uint16(s.SpliceFD))); err != nil {
			return err
		}
	} else if s.SpliceFD != 0 {
		return errno.EINVAL
	}
	if s.Flags&linux.IOSQE_BUFFER_SELECT == 0 {
		q.seq, err = t.Range(addr.Addr(s.Addr), uint64(min(s.Len, linux.MAX_RW_COUNT)))
	}
	return err
}

func prepSendmsg(t *kernel.Task, q *ioRequest) (err error) {
	if err := prepMsgFlags(q, linux.IORING_RECVSEND_POLL_FIRST); err != nil {
		return err
	}
	if err := reserved(q.sqe.Off, uint64(q.sqe.SpliceFD)); err != nil {
		return err
	}
	if q.msg, err = readMsg(t, addr.Addr(q.sqe.Addr)); err != nil {
		return err
	}
	return q.msg.readName(t)
}

// whole finishes a try of a transfer that moved n bytes of want: with MSG_WAITALL on a stream the rest is waited for.
func (q *ioRequest) whole(s socket.Socket, n int64, want uint64, err error) (int64, error) {
	all := q.sqe.OpFlags&linux.MSG_WAITALL != 0
	if err == nil && all && n > 0 && uint64(n) < want && !q.nowait {
		if _, typ, _ := s.Kind(); typ == linux.SOCK_STREAM || typ == linux.SOCK_SEQPACKET {
			q.done += n
			return 0, errno.EAGAIN
		}
	}
	q.failed = err != nil || all && uint64(n) < want
	if q.done > 0 && (err == nil || err != errno.EAGAIN || q.nowait) {
		return n + q.done, nil
	}
	return n, err
}

func issueSend(t *kernel.Task, q *ioRequest) (int64, error) {
	s, err := socketOfRequest(q)
	if err != nil {
		return 0, err
	}
	if q.pollFirst(t, linux.IORING_RECVSEND_POLL_FIRST) {
		return 0, errno.EAGAIN
	}
	if q.sqe.Flags&linux.IOSQE_BUFFER_SELECT != 0 {
		return q.intoBuffer(t, q.sqe.Len, func(seq *usermem.Sequence) (int64, error) { return q.sendOnce(t, s, seq) }, false)
	}
	return q.sendOnce(t, s, &q.seq)
}

func (q *ioRequest) sendOnce(t *kernel.Task, s socket.Socket, seq *usermem.Sequence) (int64, error) {
	want := seq.Len()
	m := socket.Message{Flags: q.sqe.OpFlags&^linux.MSG_WAITALL | linux.MSG_NOSIGNAL | linux.MSG_DONTWAIT}
	if len(q.bytes) > 0 {
		m.Name = q.bytes
	}
	n, err := send(t, q.file, s, seq, &m)
	return q.whole(s, int64(n), want, err)
}

func issueSendmsg(t *kernel.Task, q *ioRequest) (int64, error) {
	s, err := socketOfRequest(q)
	if err != nil {
		return 0, err
	}
	if q.pollFirst(t, linux.IORING_RECVSEND_POLL_FIRST) {
		return 0, errno.EAGAIN
	}
	want := q.msg.seq.Len()
	n, err := q.msg.send(t, q.file, s, q.sqe.OpFlags&^linux.MSG_WAITALL|linux.MSG_NOSIGNAL|linux.MSG_DONTWAIT)
	return q.whole(s, int64(n), want, err)
}

const ioZCFlags = linux.IORING_RECVSEND_POLL_FIRST | linux.IORING_RECVSEND_FIXED_BUF | linux.IORING_SEND_ZC_REPORT_USAGE

func prepSendZC(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if s.Pad2 != 0 || s.Addr3 != 0 || q.skip || s.IOPrio&^ioZCFlags != 0 {
		return errno.EINVAL
	}
	ioprio := s.IOPrio
	s.IOPrio &= linux.IORING_RECVSEND_POLL_FIRST
	err := prepSend(t, q)
	s.IOPrio = ioprio
	return err
}

func prepSendmsgZC(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if s.Pad2 != 0 || s.Addr3 != 0 || q.skip || s.IOPrio&^(ioZCFlags&^linux.IORING_RECVSEND_FIXED_BUF) != 0 {
		return errno.EINVAL
	}
	ioprio := s.IOPrio
	s.IOPrio &= linux.IORING_RECVSEND_POLL_FIRST
	err := prepSendmsg(t, q)
	s.IOPrio = ioprio
	return err
}

// issueSendZC copies what it sends, so that the buffer is free at once: the result and the notification come together.
func issueSendZC(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	var n int64
	var err error
	switch {
	case s.Opcode == linux.IORING_OP_SENDMSG_ZC:
		n, err = issueSendmsg(t, q)
	case s.IOPrio&linux.IORING_RECVSEND_FIXED_BUF != 0 && q.done == 0:
		if q.seq, err = q.ring.fixedRange(t, s.BufIndex, addr.Addr(s.Addr), uint64(s.Len)); err != nil {
			return 0, err
		}
		fallthrough
	default:
		n, err = issueSend(t, q)
	}
	if err == errno.EAGAIN && !q.nowait || err == errno.ENOTSOCK {
		return n, err
	}
	res := ioResult(n, err)
	q.failed = q.failed || res < 0
	usage := int32(0)
	if s.IOPrio&linux.IORING_SEND_ZC_REPORT_USAGE != 0 {
		usage = -1 << 31 // IORING_NOTIF_USAGE_ZC_COPIED
	}
	q.ring.mu.Lock()
	q.ring.postLocked(q, res, linux.IORING_CQE_F_MORE)
	q.ring.mu.Unlock()
	q.cflags = linux.IORING_CQE_F_NOTIF
	q.fine = !q.failed
	return int64(usage), nil
}

const ioRecvFlags = linux.IORING_RECVSEND_POLL_FIRST | linux.IORING_RECV_MULTISHOT

func prepAnyRecv(q *ioRequest) error {
	s := &q.sqe
	if s.Off != 0 || s.SpliceFD != 0 {
		return errno.EINVAL
	}
	if err := prepMsgFlags(q, ioRecvFlags); err != nil {
		return err
	}
	if s.IOPrio&linux.IORING_RECV_MULTISHOT != 0 && (s.Flags&linux.IOSQE_BUFFER_SELECT == 0 || s.OpFlags&linux.MSG_WAITALL != 0) {
		return errno.EINVAL
	}
	return nil
}

func prepRecv(t *kernel.Task, q *ioRequest) error {
	if err := prepAnyRecv(q); err != nil {
		return err
	}
	s := &q.sqe
	if s.IOPrio&linux.IORING_RECV_MULTISHOT != 0 && s.Len != 0 {
		return errno.EINVAL
	}
	var err error
	if s.Flags&linux.IOSQE_BUFFER_SELECT == 0 {
		q.seq, err = t.Range(addr.Addr(s.Addr), uint64(min(s.Len, linux.MAX_RW_COUNT)))
	}
	return err
}

func prepRecvmsg(t *kernel.Task, q *ioRequest) (err error) {
	if err := prepAnyRecv(q); err != nil {
		return err
	}
	s := &q.sqe
	if s.Flags&linux.IOSQE_BUFFER_SELECT == 0 {
		q.msg, err = readMsg(t, addr.Addr(s.Addr))
		return err
	}
	u := &userMsg{at: addr.Addr(s.Addr)}
	if err := t.CopyInStruct(u.at, &u.hdr); err != nil {
		return err
	}
	q.msg = u
	// The vector says at most how much a buffer should take, unless there are many.
	switch {
	case int32(u.hdr.Namelen) < 0 || u.hdr.Iovlen > 1:
		return errno.EINVAL
	case u.hdr.Iovlen == 1:
		n, err := t.CopyInUint64(addr.Addr(u.hdr.Iov) + 8)
		if err != nil {
			return err
		}
		s.Len = uint32(min(n, linux.MAX_RW_COUNT))
	default:
		s.Len = 0
	}
	return nil
}

// received finishes a receive: whether more waits is told with the completion.
func (q *ioRequest) received(s socket.Socket, n int64, err error) (int64, error) {
	if family, typ, _ := s.Kind(); err == nil && n > 0 && typ == linux.SOCK_STREAM && family != linux.AF_UNIX && s.Readiness()&(ioReadable|ioAlways) == linux.POLLIN|linux.POLLRDNORM {
		q.cflags |= linux.IORING_CQE_F_SOCK_NONEMPTY
	}
	return n, err
}

func issueRecv(t *kernel.Task, q *ioRequest) (int64, error) {
	s, err := socketOfRequest(q)
	if err != nil {
		return 0, err
	}
	if q.pollFirst(t, linux.IORING_RECVSEND_POLL_FIRST) {
		return 0, errno.EAGAIN
	}
	if q.sqe.Flags&linux.IOSQE_BUFFER_SELECT == 0 {
		q.cflags = 0
		n, err := q.recvOnce(t, s, &q.seq)
		return q.received(s, n, err)
	}
	one := func() (int64, error) {
		n, err := q.intoBuffer(t, q.sqe.Len, func(seq *usermem.Sequence) (int64, error) { return q.recvOnce(t, s, seq) }, false)
		return q.received(s, n, err)
	}
	if q.sqe.IOPrio&linux.IORING_RECV_MULTISHOT != 0 {
		return q.multishot(t, one)
	}
	return one()
}

func (q *ioRequest) recvOnce(t *kernel.Task, s socket.Socket, seq *usermem.Sequence) (int64, error) {
	want := seq.Len()
	m := socket.Message{Flags: q.sqe.OpFlags&^linux.MSG_WAITALL | linux.MSG_DONTWAIT}
	n, err := recv(t, q.file, s, seq, &m)
	dropFiles(m.Files)
	return q.whole(s, int64(n), want, err)
}

func issueRecvmsg(t *kernel.Task, q *ioRequest) (int64, error) {
	s, err := socketOfRequest(q)
	if err != nil {
		return 0, err
	}
	if q.pollFirst(t, linux.IORING_RECVSEND_POLL_FIRST) {
		return 0, errno.EAGAIN
	}
	flags := q.sqe.OpFlags&^linux.MSG_WAITALL | linux.MSG_DONTWAIT
	if q.sqe.IOPrio&linux.IORING_RECV_MULTISHOT != 0 {
		return q.multishot(t, func() (int64, error) { return q.recvmsgInBuffer(t, s, flags) })
	}
	if q.sqe.Flags&linux.IOSQE_BUFFER_SELECT != 0 {
		n, err := q.intoBuffer(t, q.sqe.Len, func(seq *usermem.Sequence) (int64, error) {
			u := *q.msg
			u.seq = *seq
			want := seq.Len()
			n, err := u.receive(t, q.file, s, flags)
			return q.whole(s, int64(n), want, err)
		}, false)
		return q.received(s, n, err)
	}
	q.cflags = 0
	want := q.msg.seq.Len()
	m, err := q.msg.receive(t, q.file, s, flags)
	n, err := q.whole(s, int64(m), want, err)
	return q.received(s, n, err)
}

// recvmsgInBuffer is one shot of a multishot RECVMSG: all of the message goes into the buffer, behind a header.
func (q *ioRequest) recvmsgInBuffer(t *kernel.Task, s socket.Socket, flags uint32) (int64, error) {
	h := &q.msg.hdr
	var out linux.IOUringRecvmsgOut
	head := uint64(out.SizeBytes())
	n, err := q.inBuffer(t, q.sqe.Len, func(b uring.Buffer, seq *usermem.Sequence) (int64, error) {
		before := head + uint64(h.Namelen) + h.Controllen
		if h.Controllen > 1<<31 || seq.Len() < before {
			return 0, errno.EFAULT
		}
		payload := *seq
		payload.Skip(before)
		room := payload.Len()
		m := socket.Message{Flags: flags}
		got, err := recv(t, q.file, s, &payload, &m)
		defer func() { dropFiles(m.Files) }()
		if err != nil {
			return 0, err
		}
		c := control{t: t, at: b.Addr + addr.Addr(head+uint64(h.Namelen)), left: h.Controllen, flags: m.Out}
		if err := c.receive(s, &m, flags); err != nil {
			return 0, err
		}
		out = linux.IOUringRecvmsgOut{Namelen: uint32(len(m.Name)), Controllen: uint32(c.used), Payloadlen: uint32(got), Flags: c.flags}
		front := make([]byte, head, head+uint64(len(m.Name)))
		out.MarshalBytes(front)
		front = append(front, m.Name[:min(len(m.Name), int(h.Namelen))]...)
		if _, err := seq.CopyOut(front); err != nil {
			return 0, err
		}
		if got == 0 && len(m.Name) == 0 {
			if _, typ, _ := s.Kind(); typ == linux.SOCK_STREAM {
				return 0, nil // the end
			}
		}
		return int64(before + min(got, room)), nil
	}, false)
	return q.received(s, n, err)
}

func prepAccept(_ *kernel.Task, q *ioRequest) error {
	const known = linux.IORING_ACCEPT_MULTISHOT | linux.IORING_ACCEPT_DONTWAIT | linux.IORING_ACCEPT_POLL_FIRST
	s := &q.sqe
	if s.Len != 0 || s.BufIndex != 0 || s.IOPrio&^known != 0 || s.OpFlags&^(linux.SOCK_CLOEXEC|linux.SOCK_NONBLOCK) != 0 {
		return errno.EINVAL
	}
	if s.SpliceFD != 0 && (s.OpFlags&linux.SOCK_CLOEXEC != 0 || s.IOPrio&linux.IORING_ACCEPT_MULTISHOT != 0 && uint32(s.SpliceFD) != linux.IORING_FILE_INDEX_ALLOC) {
		return errno.EINVAL
	}
	q.nowait = s.IOPrio&linux.IORING_ACCEPT_DONTWAIT != 0
	return nil
}

func issueAccept(t *kernel.Task, q *ioRequest) (int64, error) {
	s, err := socketOfRequest(q)
	if err != nil {
		return 0, err
	}
	if q.pollFirst(t, linux.IORING_ACCEPT_POLL_FIRST) {
		return 0, errno.EAGAIN
	}
	e := &q.sqe
	one := func() (int64, error) {
		if e.SpliceFD == 0 && t.Files().Full(t.FileLimit()) {
			return 0, errno.EMFILE
		}
		f, err := acceptFile(t, q.file, s, true, e.OpFlags, addr.Addr(e.Addr), addr.Addr(e.Off))
		if err != nil {
			return 0, err
		}
		return q.giveFile(t, f, e.OpFlags)
	}
	if e.IOPrio&linux.IORING_ACCEPT_MULTISHOT != 0 {
		return q.multishot(t, one)
	}
	return one()
}

// giveFile gives a new file a descriptor, or the registered place that the submission names.
func (q *ioRequest) giveFile(t *kernel.Task, f *vfs.File, flags uint32) (int64, error) {
	if q.sqe.SpliceFD != 0 {
		return q.ring.putFile(f, uint32(q.sqe.SpliceFD))
	}
	fd, err := t.InstallNew(f, flags)
	return int64(fd), err
}

func prepConnect(t *kernel.Task, q *ioRequest) (err error) {
	s := &q.sqe
	if err := reserved(uint64(s.Len), uint64(s.BufIndex), uint64(s.OpFlags), uint64(s.SpliceFD)); err != nil {
		return err
	}
	q.bytes, err = copyInAddr(t, addr.Addr(s.Addr), int32(s.Off))
	return err
}

func issueConnect(t *kernel.Task, q *ioRequest) (int64, error) {
	s, err := socketOfRequest(q)
	if err != nil {
		return 0, err
	}
	return 0, s.Connect(t, q.bytes, q.file.Flags()&^linux.O_NONBLOCK)
}

func prepSocket(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(s.Addr, uint64(s.OpFlags), uint64(s.BufIndex)); err != nil {
		return err
	}
	_, flags, err := socketType(uint32(s.Off))
	if err == nil && s.SpliceFD != 0 && flags&linux.SOCK_CLOEXEC != 0 {
		return errno.EINVAL
	}
	return err
}

func issueSocket(t *kernel.Task, q *ioRequest) (int64, error) {
	typ, flags, err := socketType(uint32(q.sqe.Off))
	if err != nil {
		return 0, err
	}
	s, err := newSocket(t, q.sqe.FD, typ, int32(q.sqe.Len))
	if err != nil {
		return 0, err
	}
	return q.giveFile(t, t.Kernel().Sockets.NewFile(t, s, flags), flags)
}

func prepShutdown(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	return reserved(s.Off, s.Addr, uint64(s.OpFlags), uint64(s.BufIndex), uint64(s.SpliceFD))
}

func issueShutdown(_ *kernel.Task, q *ioRequest) (int64, error) {
	s, err := socketOfRequest(q)
	if err != nil {
		return 0, err
	}
	return 0, s.Shutdown(int32(q.sqe.Len))
}

func prepBind(t *kernel.Task, q *ioRequest) (err error) { return prepConnect(t, q) }

func issueBind(t *kernel.Task, q *ioRequest) (int64, error) {
	s, err := socketOfRequest(q)
	if err != nil {
		return 0, err
	}
	return 0, s.Bind(t, q.bytes)
}

func prepListen(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	return reserved(s.Addr, uint64(s.BufIndex), uint64(s.OpFlags), uint64(s.SpliceFD), s.Off)
}

func issueListen(t *kernel.Task, q *ioRequest) (int64, error) {
	s, err := socketOfRequest(q)
	if err != nil {
		return 0, err
	}
	return 0, s.Listen(t, int32(q.sqe.Len))
}
