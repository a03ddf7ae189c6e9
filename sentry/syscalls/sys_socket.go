package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/net/unix"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

var socketCalls = []line{
	{linux.SYS_SOCKET, "socket", sysSocket, kernel.Partial, "SOCK_CLOEXEC SOCK_NONBLOCK", "AF_UNIX; AF_INET, AF_INET6 and AF_PACKET on the loopback; of AF_NETLINK what describes the network and its sockets"},
	{linux.SYS_SOCKETPAIR, "socketpair", sysSocketpair, kernel.Full, "SOCK_CLOEXEC SOCK_NONBLOCK", ""},
	{linux.SYS_BIND, "bind", sysBind, kernel.Full, "", ""},
	{linux.SYS_LISTEN, "listen", sysListen, kernel.Full, "", ""},
	{linux.SYS_ACCEPT, "accept", sysAccept, kernel.Full, "", ""},
	{linux.SYS_ACCEPT4, "accept4", sysAccept4, kernel.Full, "SOCK_CLOEXEC SOCK_NONBLOCK", ""},
	{linux.SYS_CONNECT, "connect", sysConnect, kernel.Full, "", ""},
	{linux.SYS_GETSOCKNAME, "getsockname", sysGetsockname, kernel.Full, "", ""},
	{linux.SYS_GETPEERNAME, "getpeername", sysGetpeername, kernel.Full, "", ""},
	{linux.SYS_SHUTDOWN, "shutdown", sysShutdown, kernel.Full, "", ""},
	{linux.SYS_SETSOCKOPT, "setsockopt", sysSetsockopt, kernel.Partial, "", "no filters on TCP, no eBPF"},
	{linux.SYS_GETSOCKOPT, "getsockopt", sysGetsockopt, kernel.Partial, "", "no filters on TCP, no eBPF"},
	{linux.SYS_SENDTO, "sendto", sysSendto, kernel.Full, "MSG_DONTWAIT MSG_NOSIGNAL MSG_MORE MSG_EOR MSG_FASTOPEN", "no urgent bytes on unix streams"},
	{linux.SYS_RECVFROM, "recvfrom", sysRecvfrom, kernel.Full, "MSG_DONTWAIT MSG_PEEK MSG_TRUNC MSG_WAITALL", ""},
}

// newSocket makes the socket of socket(2). All that is refused as a whole is refused here.
func newSocket(t *kernel.Task, family, typ, protocol int32) (socket.Socket, error) {
	switch {
	case family < 0 || family >= linux.AF_MAX:
		return nil, errno.EAFNOSUPPORT
	case typ > linux.SOCK_PACKET:
		return nil, errno.EINVAL
	case family == linux.AF_UNIX:
		return t.Kernel().Unix.New(t, t.Net().Unix, typ, protocol)
	case family == linux.AF_INET || family == linux.AF_INET6:
		return t.Net().Inet.New(t, family, typ, protocol)
	case family == linux.AF_PACKET:
		return t.Net().Inet.NewFrames(t, typ, protocol)
	case family == linux.AF_NETLINK:
		s, err := t.Net().Netlink.New(typ, protocol)
		if err != nil {
			return nil, err // no nil *Socket in an interface
		}
		return s, nil
	}
	return nil, errno.EAFNOSUPPORT
}

// socketType splits a type argument into type and flags, which come as O_CLOEXEC and O_NONBLOCK.
func socketType(v uint32) (typ int32, flags uint32, err error) {
	flags = v &^ linux.SOCK_TYPE_MASK
	if flags&^(linux.SOCK_CLOEXEC|linux.SOCK_NONBLOCK) != 0 {
		return 0, 0, errno.EINVAL
	}
	return int32(v & linux.SOCK_TYPE_MASK), flags, nil
}

func sysSocket(t *kernel.Task, a *arch.Args) (uint64, error) {
	typ, flags, err := socketType(a[1].Uint())
	if err != nil {
		return 0, err
	}
	s, err := newSocket(t, a[0].Int(), typ, a[2].Int())
	if err != nil {
		return 0, err
	}
	fd, err := t.InstallNew(t.Kernel().Sockets.NewFile(t, s, flags), flags)
	return uint64(fd), err
}

func sysSocketpair(t *kernel.Task, a *arch.Args) (uint64, error) {
	typ, flags, err := socketType(a[1].Uint())
	if err != nil {
		return 0, err
	}
	if a[0].Int() != linux.AF_UNIX {
		s, err := newSocket(t, a[0].Int(), typ, a[2].Int())
		if err != nil {
			return 0, err
		}
		s.Close()
		return 0, errno.EOPNOTSUPP
	}
	k := t.Kernel()
	x, y, err := k.Unix.NewPair(t, t.Net().Unix, typ, a[2].Int())
	if err != nil {
		return 0, err
	}
	return installPair(t, k.Sockets.NewFile(t, x, flags), k.Sockets.NewFile(t, y, flags), flags, a[3].Addr())
}

// socketOf returns the socket of a descriptor and its file, which is the caller's to drop.
func socketOf(t *kernel.Task, fd int32) (*vfs.File, socket.Socket, error) {
	f, err := t.GetFile(fd)
	if err != nil {
		return nil, nil, err
	}
	s := socket.Of(f)
	if s == nil {
		f.DecRef()
		return nil, nil, errno.ENOTSOCK
	}
	return f, s, nil
}

// copyInAddr reads a struct sockaddr.
func copyInAddr(t *kernel.Task, at addr.Addr, n int32) ([]byte, error) {
	if n < 0 || n > linux.SockaddrStorageSize {
		return nil, errno.EINVAL
	}
	b := make([]byte, n)
	if n == 0 {
		return b, nil
	}
	return b, t.CopyIn(at, b)
}

// copyOutAddr writes as much of an address as the guest has room for, and its whole length.
func copyOutAddr(t *kernel.Task, name []byte, at, lenAt addr.Addr) error {
	room, err := t.CopyInUint32(lenAt)
	if err != nil {
		return err
	}
	if int32(room) < 0 {
		return errno.EINVAL
	}
	if n := min(int(room), len(name)); n > 0 {
		if err := t.CopyOut(at, name[:n]); err != nil {
			return err
		}
	}
	return t.CopyOutUint32(lenAt, uint32(len(name)))
}

func sysBind(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	name, err := copyInAddr(t, a[1].Addr(), a[2].Int())
	if err != nil {
		return 0, err
	}
	return 0, s.Bind(t, name)
}

func sysListen(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, s.Listen(t, a[1].Int())
}

func sysAccept(t *kernel.Task, a *arch.Args) (uint64, error) { return accept4(t, a, 0) }

func sysAccept4(t *kernel.Task, a *arch.Args) (uint64, error) { return accept4(t, a, a[3].Uint()) }

func accept4(t *kernel.Task, a *arch.Args, flags uint32) (uint64, error) {
	if flags&^(linux.SOCK_CLOEXEC|linux.SOCK_NONBLOCK) != 0 {
		return 0, errno.EINVAL
	}
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if t.Files().Full(t.FileLimit()) {
		return 0, errno.EMFILE
	}
	nf, err := acceptFile(t, f, s, false, flags, a[1].Addr(), a[2].Addr())
	if err != nil {
		return 0, err
	}
	fd, err := t.InstallNew(nf, flags)
	return uint64(fd), err
}

// acceptFile returns the file of a connection, and stores whose it is at name, if that is not 0.
func acceptFile(t *kernel.Task, f *vfs.File, s socket.Socket, nonblock bool, flags uint32, name, nameLen addr.Addr) (*vfs.File, error) {
	var got socket.Socket
	err := blockOnSocket(t, f, false, nonblock, func() error {
		var err error
		got, err = s.Accept(t, nonblock || f.Nonblocking())
		return err
	})
	if err != nil {
		return nil, err
	}
	nf := t.Kernel().Sockets.NewFile(t, got, flags)
	if name != 0 {
		peer, err := got.PeerName()
		if err != nil {
			nf.DecRef()
			return nil, errno.ECONNABORTED
		}
		if err := copyOutAddr(t, peer, name, nameLen); err != nil {
			nf.DecRef()
			return nil, err
		}
	}
	return nf, nil
}

// blockOnSocket is BlockOnFile with the socket's own timeout, with which an interrupted
// call is not restarted (signal(7)).
func blockOnSocket(t *kernel.Task, f *vfs.File, write, nonblock bool, op func() error) error {
	err := op()
	if err != errno.EAGAIN || nonblock || f.Nonblocking() {
		return err
	}
	mask := wait.In | wait.RdNorm | wait.RdHup
	if write {
		mask = wait.Out | wait.WrNorm
	}
	deadline := f.Deadline(t.Kernel().Monotonic(), write)
	err = t.BlockOnFile(f, mask, false, deadline, op)
	if err == kernel.ErrInterrupted && deadline != kernel.Forever {
		return errno.EINTR
	}
	return err
}

func sysConnect(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	name, err := copyInAddr(t, a[1].Addr(), a[2].Int())
	if err != nil {
		return 0, err
	}
	return 0, blockOnSocket(t, f, true, false, func() error { return s.Connect(t, name, f.Flags()) })
}

func sysGetsockname(t *kernel.Task, a *arch.Args) (uint64, error) {
	return sockName(t, a, socket.Socket.LocalName)
}

func sysGetpeername(t *kernel.Task, a *arch.Args) (uint64, error) {
	return sockName(t, a, socket.Socket.PeerName)
}

func sockName(t *kernel.Task, a *arch.Args, of func(socket.Socket) ([]byte, error)) (uint64, error) {
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	name, err := of(s)
	if err != nil {
		return 0, err
	}
	return 0, copyOutAddr(t, name, a[1].Addr(), a[2].Addr())
}

func sysShutdown(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, s.Shutdown(a[1].Int())
}

// maxOption bounds the values of setsockopt; longer ones are cut.
const maxOption = 4096

func sysSetsockopt(t *kernel.Task, a *arch.Args) (uint64, error) {
	n := a[4].Int()
	if n < 0 {
		return 0, errno.EINVAL
	}
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	value := make([]byte, min(n, maxOption))
	if n > 0 {
		if err := t.CopyIn(a[3].Addr(), value); err != nil {
			return 0, err
		}
	}
	level, name := a[1].Int(), a[2].Int()
	if level == linux.SOL_SOCKET && name == linux.SO_ATTACH_FILTER {
		if value, err = copyInFilter(t, value); err != nil {
			return 0, err
		}
	}
	return 0, s.SetOption(t, level, name, value)
}

// copyInFilter reads the instructions that a struct sock_fprog leads to.
func copyInFilter(t *kernel.Task, value []byte) ([]byte, error) {
	var p linux.SockFprog
	if len(value) != p.SizeBytes() {
		return nil, errno.EINVAL
	}
	if p.UnmarshalBytes(value); p.Filter == 0 || p.Len == 0 || p.Len > linux.BPF_MAXINSNS {
		return nil, errno.EINVAL
	}
	return copyInProgram(t, &p)
}

// getFilter is SO_GET_FILTER, which counts in instructions.
func getFilter(t *kernel.Task, program []byte, at, lenAt addr.Addr, room int) (uint64, error) {
	size := (*linux.SockFilter)(nil).SizeBytes()
	n := len(program) / size
	if room > 0 && room < n {
		return 0, errno.EINVAL
	}
	if room > 0 {
		if err := t.CopyOut(at, program); err != nil {
			return 0, err
		}
	}
	return 0, t.CopyOutUint32(lenAt, uint32(n))
}

func sysGetsockopt(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	room, err := t.CopyInUint32(a[4].Addr())
	if err != nil {
		return 0, err
	}
	if int32(room) < 0 {
		return 0, errno.EINVAL
	}
	level, name := a[1].Int(), a[2].Int()
	if level == linux.SOL_SOCKET && name == linux.SO_PEERPIDFD {
		return peerPidfd(t, s, a[3].Addr(), a[4].Addr(), int(room))
	}
	if level == linux.SOL_SOCKET && name == linux.SO_NETNS_COOKIE && room != 8 {
		return 0, errno.EINVAL
	}
	value, err := s.Option(t, level, name, int(room))
	if err != nil {
		return 0, err
	}
	if level == linux.SOL_SOCKET && name == linux.SO_PEERGROUPS && int(room) < len(value) {
		if err := t.CopyOutUint32(a[4].Addr(), uint32(len(value))); err != nil {
			return 0, err
		}
		return 0, errno.ERANGE
	}
	if level == linux.SOL_SOCKET && name == linux.SO_GET_FILTER {
		return getFilter(t, value, a[3].Addr(), a[4].Addr(), int(room))
	}
	n := min(int(room), len(value))
	if n > 0 {
		if err := t.CopyOut(a[3].Addr(), value[:n]); err != nil {
			return 0, err
		}
	}
	return 0, t.CopyOutUint32(a[4].Addr(), uint32(n))
}

// peerPidfd is SO_PEERPIDFD: a pidfd of whom SO_PEERCRED names.
func peerPidfd(t *kernel.Task, s socket.Socket, at, lenAt addr.Addr, room int) (uint64, error) {
	u, ok := s.(*unix.Socket)
	if !ok {
		return 0, errno.ENODATA
	}
	p, err := u.PeerProcess()
	if err != nil {
		return 0, err
	}
	if room > 4 {
		room = 4
	}
	fd, err := t.OpenPIDFD(p.NumberFor(t), false, 0)
	if err != nil {
		return 0, err
	}
	if err := t.CopyOut(at, socket.Int(fd)[:room]); err != nil {
		t.CloseFD(fd)
		return 0, err
	}
	return 0, t.CopyOutUint32(lenAt, uint32(room))
}

// send moves seq and what m holds to a socket, waiting for room: a stream takes all.
func send(t *kernel.Task, f *vfs.File, s socket.Socket, seq *usermem.Sequence, m *socket.Message) (uint64, error) {
	if f.Nonblocking() {
		m.Flags |= linux.MSG_DONTWAIT
	}
	total := 0
	err := blockOnSocket(t, f, true, m.Flags&linux.MSG_DONTWAIT != 0, func() error {
		n, err := s.Send(t, seq, m)
		total += n
		return err
	})
	if total > 0 {
		return uint64(total), nil
	}
	if err == errno.EPIPE && m.Flags&linux.MSG_NOSIGNAL == 0 {
		if _, typ, _ := s.Kind(); typ == linux.SOCK_STREAM {
			t.SignalSelf(linux.SIGPIPE)
		}
	}
	return 0, err
}

// recv fills seq and m from a socket, waiting for something, or with MSG_WAITALL on a
// stream for all, and on a stream for as much as SO_RCVLOWAT says.
func recv(t *kernel.Task, f *vfs.File, s socket.Socket, seq *usermem.Sequence, m *socket.Message) (uint64, error) {
	if f.Nonblocking() {
		m.Flags |= linux.MSG_DONTWAIT
	}
	peek := m.Flags&linux.MSG_PEEK != 0
	all := m.Flags&linux.MSG_WAITALL != 0 && !peek
	total := 0
	// Nobody waits for an error.
	err := blockOnSocket(t, f, false, m.Flags&(linux.MSG_DONTWAIT|linux.MSG_ERRQUEUE) != 0, func() error {
		n, err := s.Recv(t, seq, m)
		total += n
		if n > 0 && err == errno.EAGAIN && !all && (peek || total >= int(s.Common().Options().RcvLowat)) || m.Files != nil {
			return nil
		}
		return err
	})
	if total > 0 {
		return uint64(total), nil
	}
	return 0, err
}

func sysSendto(t *kernel.Task, a *arch.Args) (uint64, error) {
	seq, err := t.Range(a[1].Addr(), min(a[2].Size(), linux.MAX_RW_COUNT))
	if err != nil {
		return 0, err
	}
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	m := socket.Message{Flags: a[3].Uint()}
	if a[4] != 0 {
		if m.Name, err = copyInAddr(t, a[4].Addr(), a[5].Int()); err != nil {
			return 0, err
		}
		if len(m.Name) == 0 {
			m.Name = nil
		}
	}
	return send(t, f, s, &seq, &m)
}

func sysRecvfrom(t *kernel.Task, a *arch.Args) (uint64, error) {
	seq, err := t.Range(a[1].Addr(), min(a[2].Size(), linux.MAX_RW_COUNT))
	if err != nil {
		return 0, err
	}
	f, s, err := socketOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	m := socket.Message{Flags: a[3].Uint()}
	n, err := recv(t, f, s, &seq, &m)
	dropFiles(m.Files)
	if err != nil {
		return 0, err
	}
	if a[4] != 0 {
		if err := copyOutAddr(t, m.Name, a[4].Addr(), a[5].Addr()); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func dropFiles(files []*vfs.File) {
	for _, f := range files {
		f.DecRef()
	}
}
