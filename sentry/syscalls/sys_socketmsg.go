package syscalls

import (
	"encoding/binary"
	"math"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/net/unix"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

var socketMsgCalls = []line{
	{linux.SYS_SENDMSG, "sendmsg", sysSendmsg, kernel.Full, "MSG_DONTWAIT MSG_NOSIGNAL MSG_MORE MSG_EOR MSG_FASTOPEN", "SCM_RIGHTS SCM_CREDENTIALS"},
	{linux.SYS_RECVMSG, "recvmsg", sysRecvmsg, kernel.Full, "MSG_CMSG_CLOEXEC MSG_DONTWAIT MSG_PEEK MSG_TRUNC MSG_WAITALL", "SCM_RIGHTS SCM_CREDENTIALS SCM_PIDFD SCM_TIMESTAMP SCM_TIMESTAMPING; MSG_ERRQUEUE on UDP"},
	{linux.SYS_SENDMMSG, "sendmmsg", sysSendmmsg, kernel.Full, "", ""},
	{linux.SYS_RECVMMSG, "recvmmsg", sysRecvmmsg, kernel.Full, "MSG_WAITFORONE", ""},
}

// maxControl is how many bytes of control messages a send takes (net.core.optmem_max).
const maxControl = 131072

// userMsg is a struct msghdr of the guest and what it leads to.
type userMsg struct {
	at   addr.Addr
	hdr  linux.Msghdr
	seq  usermem.Sequence
	name []byte // of a send
}

func readMsg(t *kernel.Task, at addr.Addr) (*userMsg, error) {
	u := &userMsg{at: at}
	if err := t.CopyInStruct(at, &u.hdr); err != nil {
		return nil, err
	}
	if u.hdr.Name == 0 {
		u.hdr.Namelen = 0
	}
	if int32(u.hdr.Namelen) < 0 {
		return nil, errno.EINVAL
	}
	u.hdr.Namelen = min(u.hdr.Namelen, linux.SockaddrStorageSize)
	if u.hdr.Iovlen > linux.IOV_MAX {
		return nil, errno.EMSGSIZE
	}
	var err error
	u.seq, err = t.CopyInIovecs(addr.Addr(u.hdr.Iov), u.hdr.Iovlen)
	return u, err
}

func sysSendmsg(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return sendMsg(t, f, s, a[1].Addr(), a[2].Uint())
}

func sendMsg(t *kernel.Task, f *vfs.File, s socket.Socket, at addr.Addr, flags uint32) (uint64, error) {
	u, err := readMsg(t, at)
	if err != nil {
		return 0, err
	}
	if err := u.readName(t); err != nil {
		return 0, err
	}
	return u.send(t, f, s, flags)
}

// readName reads the address that a message goes to.
func (u *userMsg) readName(t *kernel.Task) (err error) {
	if u.hdr.Namelen > 0 {
		u.name, err = copyInAddr(t, addr.Addr(u.hdr.Name), int32(u.hdr.Namelen))
	}
	return err
}

func (u *userMsg) send(t *kernel.Task, f *vfs.File, s socket.Socket, flags uint32) (uint64, error) {
	m := socket.Message{Flags: flags, Name: u.name}
	if n := u.hdr.Controllen; n > 0 {
		if n > maxControl {
			return 0, errno.ENOBUFS
		}
		b := make([]byte, n)
		if err := t.CopyIn(addr.Addr(u.hdr.Control), b); err != nil {
			return 0, err
		}
		family, _, _ := s.Kind()
		if err := parseControl(t, b, family, &m); err != nil {
			dropFiles(m.Files)
			return 0, err
		}
	}
	n, err := send(t, f, s, &u.seq, &m)
	dropFiles(m.Files) // what was sent is gone from m
	return n, err
}

// parseControl reads the control messages of a send into m (cmsg(3), unix(7)). The caller drops
// the files of m, even if it fails.
func parseControl(t *kernel.Task, b []byte, family int32, m *socket.Message) error {
	msgs, err := socket.ParseControl(b)
	if err != nil {
		return err
	}
	for _, c := range msgs {
		data := c.Data
		if c.Level != linux.SOL_SOCKET {
			m.Control = append(m.Control, c)
			continue
		}
		switch c.Type {
		case linux.SCM_RIGHTS:
			if family != linux.AF_UNIX {
				return errno.EINVAL
			}
			if err := takeFiles(t, data, m); err != nil {
				return err
			}
		case linux.SCM_CREDENTIALS:
			if len(data) != 12 {
				return errno.EINVAL
			}
			var u linux.Ucred
			u.UnmarshalBytes(data)
			cr, err := claimCreds(t, u)
			if err != nil {
				return err
			}
			m.Creds, m.HasCreds = cr, true
		default:
			return errno.EINVAL
		}
	}
	return nil
}

// takeFiles looks the descriptors of SCM_RIGHTS up.
func takeFiles(t *kernel.Task, data []byte, m *socket.Message) error {
	n := len(data) / 4
	if len(m.Files)+n > linux.SCM_MAX_FD {
		return errno.EINVAL
	}
	for i := range n {
		f, err := t.GetAnyFile(int32(binary.LittleEndian.Uint32(data[4*i:])))
		if err != nil {
			return err
		}
		if ioRingOf(f) != nil { // it could keep the socket that it is in
			f.DecRef()
			return errno.EINVAL
		}
		m.Files = append(m.Files, f)
	}
	cr := t.Creds()
	if uint64(t.Kernel().Unix.InFlight()) > t.FileLimit() && !cr.Has(linux.CAP_SYS_RESOURCE) && !cr.Has(linux.CAP_SYS_ADMIN) {
		return errno.ETOOMANYREFS
	}
	return nil
}

// claimCreds checks what a sender says it is: EPERM if it may not.
func claimCreds(t *kernel.Task, u linux.Ucred) (socket.Creds, error) {
	c := t.Creds()
	uid, uok := c.UserNS.ToUID(u.UID)
	gid, gok := c.UserNS.ToGID(u.GID)
	if !uok || !gok {
		return socket.Creds{}, errno.EINVAL
	}
	if u.PID != t.TGID() && !c.HasIn(linux.CAP_SYS_ADMIN, t.PIDNamespace().Owner) ||
		uid != c.RUID && uid != c.EUID && uid != c.SUID && !c.HasOwn(linux.CAP_SETUID) ||
		gid != c.RGID && gid != c.EGID && gid != c.SGID && !c.HasOwn(linux.CAP_SETGID) {
		return socket.Creds{}, errno.EPERM
	}
	out := socket.Creds{Process: t.Process(), UID: uid, GID: gid}
	if u.PID != t.TGID() {
		tg := t.Kernel().ThreadGroup(t.PIDNamespace(), u.PID)
		if tg == nil {
			return socket.Creds{}, errno.ESRCH
		}
		out.Process = tg.PID()
	}
	return out, nil
}

func sysRecvmsg(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return recvMsg(t, f, s, a[1].Addr(), a[2].Uint())
}

func recvMsg(t *kernel.Task, f *vfs.File, s socket.Socket, at addr.Addr, flags uint32) (uint64, error) {
	u, err := readMsg(t, at)
	if err != nil {
		return 0, err
	}
	return u.receive(t, f, s, flags)
}

func (u *userMsg) receive(t *kernel.Task, f *vfs.File, s socket.Socket, flags uint32) (uint64, error) {
	m := socket.Message{Flags: flags}
	n, err := recv(t, f, s, &u.seq, &m)
	if err != nil {
		dropFiles(m.Files)
		return 0, err
	}
	c := control{t: t, at: addr.Addr(u.hdr.Control), left: min(u.hdr.Controllen, math.MaxInt32), flags: m.Out}
	err = c.receive(s, &m, flags)
	dropFiles(m.Files)
	if err != nil {
		return 0, err
	}
	if u.hdr.Name != 0 {
		if k := min(int(u.hdr.Namelen), len(m.Name)); k > 0 {
			if err := t.CopyOut(addr.Addr(u.hdr.Name), m.Name[:k]); err != nil {
				return 0, err
			}
		}
		if err := t.CopyOutUint32(u.at+8, uint32(len(m.Name))); err != nil {
			return 0, err
		}
	}
	// msg_flags and msg_controllen; Linux leaves MSG_CMSG_CLOEXEC in the flags.
	if err := t.CopyOutUint64(u.at+40, c.used); err != nil {
		return 0, err
	}
	return n, t.CopyOutUint32(u.at+48, c.flags|flags&linux.MSG_CMSG_CLOEXEC)
}

// control is the buffer for control messages of a receive.
type control struct {
	t     *kernel.Task
	at    addr.Addr
	left  uint64
	used  uint64
	flags uint32 // msg_flags
}

// receive stores what came with a message, in Linux's order.
func (c *control) receive(s socket.Socket, m *socket.Message, flags uint32) error {
	opts := s.Common().Options()
	if m.Stamp != 0 && (opts.Timestamp || opts.TimestampNS) {
		ts := linux.NsecToTimespec(m.Stamp)
		b := make([]byte, 16)
		kind := int32(linux.SCM_TIMESTAMPNS)
		if !opts.TimestampNS {
			ts.Nsec /= 1000
			kind = linux.SCM_TIMESTAMP
		}
		ts.MarshalBytes(b)
		if err := c.put(linux.SOL_SOCKET, kind, b); err != nil {
			return err
		}
	}
	if err := c.stamping(m, s.Common().Stamping(), opts.StampingNew); err != nil {
		return err
	}
	for _, x := range m.Control {
		if err := c.put(x.Level, x.Type, x.Data); err != nil {
			return err
		}
	}
	if opts.PassCred && m.HasCreds {
		b := make([]byte, 12)
		u := unix.Ucred(c.t, &m.Creds)
		u.MarshalBytes(b)
		if err := c.put(linux.SOL_SOCKET, linux.SCM_CREDENTIALS, b); err != nil {
			return err
		}
	}
	if len(m.Files) > 0 {
		if err := c.putFiles(m.Files, flags); err != nil {
			return err
		}
	}
	if opts.PassPidfd && m.HasCreds && m.Creds.Process != nil {
		if c.at == 0 || c.left < linux.CmsgHdrSize {
			c.flags |= linux.MSG_CTRUNC
			return nil
		}
		// The error takes the place of a descriptor, if there can be none.
		fd, err := c.t.OpenPIDFD(m.Creds.Process.NumberFor(c.t), false, 0)
		if e, ok := err.(errno.Errno); ok {
			fd = -int32(e)
		}
		return c.put(linux.SOL_SOCKET, linux.SCM_PIDFD, socket.Int(fd))
	}
	return nil
}

// stamping tells when a message arrived or was sent, if SO_TIMESTAMPING asks for it: struct scm_timestamping.
func (c *control) stamping(m *socket.Message, flags uint32, asNew bool) error {
	if m.Stamp == 0 || flags&linux.SOF_TIMESTAMPING_SOFTWARE == 0 ||
		flags&linux.SOF_TIMESTAMPING_RX_SOFTWARE == 0 && m.Out&linux.MSG_ERRQUEUE == 0 {
		return nil
	}
	kind := int32(linux.SO_TIMESTAMPING_OLD)
	if asNew {
		kind = linux.SO_TIMESTAMPING_NEW
	}
	ts := linux.NsecToTimespec(m.Stamp)
	b := make([]byte, 3*ts.SizeBytes())
	ts.MarshalBytes(b)
	return c.put(linux.SOL_SOCKET, kind, b)
}

// put stores one control message, cut if there is no room (put_cmsg in Linux).
func (c *control) put(level, kind int32, data []byte) error {
	if c.at == 0 || c.left < linux.CmsgHdrSize {
		c.flags |= linux.MSG_CTRUNC
		return nil
	}
	size := linux.CmsgHdrSize + uint64(len(data))
	if c.left < size {
		c.flags |= linux.MSG_CTRUNC
		size = c.left
	}
	b := make([]byte, linux.CmsgHdrSize+len(data))
	h := linux.Cmsghdr{Len: size, Level: level, Type: kind}
	h.MarshalBytes(b)
	copy(b[linux.CmsgHdrSize:], data)
	if err := c.t.CopyOut(c.at, b[:size]); err != nil {
		return err
	}
	c.advance(linux.CmsgAlign(linux.CmsgHdrSize + uint64(len(data))))
	return nil
}

func (c *control) advance(n uint64) {
	n = min(n, c.left)
	c.at += addr.Addr(n)
	c.left -= n
	c.used += n
}

// putFiles gives as many files descriptors as there is room for (scm_detach_fds in Linux).
func (c *control) putFiles(files []*vfs.File, flags uint32) error {
	room := 0
	if c.at != 0 && c.left > linux.CmsgHdrSize {
		room = int((c.left - linux.CmsgHdrSize) / 4)
	}
	var cloexec uint32
	if flags&linux.MSG_CMSG_CLOEXEC != 0 {
		cloexec = linux.O_CLOEXEC
	}
	var fds []byte
	n := 0
	for ; n < min(room, len(files)); n++ {
		fd, err := c.t.InstallFile(files[n], cloexec)
		if err != nil {
			break
		}
		fds = binary.LittleEndian.AppendUint32(fds, uint32(fd))
	}
	if n < len(files) {
		c.flags |= linux.MSG_CTRUNC
	}
	if n == 0 {
		return nil
	}
	return c.put(linux.SOL_SOCKET, linux.SCM_RIGHTS, fds)
}

// maxBatch is UIO_MAXIOV: how many messages one sendmmsg takes.
const maxBatch = 1024

// mmsgLen is where msg_len lies in struct mmsghdr, mmsgSize its size.
const (
	mmsgLen  = 56
	mmsgSize = 64
)

func sysSendmmsg(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	count := uint64(min(a[2].Uint(), maxBatch))
	at := a[1].Addr()
	for i := uint64(0); i < count; i++ {
		n, err := sendMsg(t, f, s, at, a[3].Uint())
		if err == nil {
			err = t.CopyOutUint32(at+mmsgLen, uint32(n))
		}
		if err != nil {
			if i > 0 {
				return i, nil
			}
			return 0, err
		}
		at += mmsgSize
	}
	return count, nil
}

func sysRecvmmsg(t *kernel.Task, a *arch.Args) (uint64, error) {
	var end timeout
	if a[4] != 0 {
		var err error
		if end, err = timespecTimeout(t, a[4].Addr()); err != nil {
			return 0, err
		}
	}
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if err := s.Common().TakeError(); err != nil {
		return 0, err
	}
	flags, at, count := a[3].Uint(), a[1].Addr(), uint64(a[2].Uint())
	got := uint64(0)
	for got < count {
		n, rerr := recvMsg(t, f, s, at, flags&^linux.MSG_WAITFORONE)
		if rerr == nil {
			rerr = t.CopyOutUint32(at+mmsgLen, uint32(n))
		}
		if rerr != nil {
			err = rerr
			break
		}
		got++
		at += mmsgSize
		if flags&linux.MSG_WAITFORONE != 0 {
			flags |= linux.MSG_DONTWAIT
		}
		// As Linux does, the timeout is looked at only between messages.
		if a[4] != 0 && (end.now || !end.forever && end.left(t) == 0) {
			break
		}
	}
	if a[4] != 0 && got > 0 && !end.forever {
		ts := linux.NsecToTimespec(end.left(t))
		if err := t.CopyOutTimespec(a[4].Addr(), &ts); err != nil {
			return 0, err
		}
	}
	if got == 0 {
		return 0, err
	}
	if e, ok := err.(errno.Errno); ok && e != errno.EAGAIN && !e.IsRestart() && e != errno.EINTR {
		s.Common().SetError(e) // for the next call
	}
	return got, nil
}
