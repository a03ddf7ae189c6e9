package hostcall

import "golang.org/x/sys/unix"

// Socket types and message flags.
const (
	SOCK_STREAM    = unix.SOCK_STREAM
	SOCK_DGRAM     = unix.SOCK_DGRAM
	SOCK_SEQPACKET = unix.SOCK_SEQPACKET
	SOCK_CLOEXEC   = unix.SOCK_CLOEXEC
	SOCK_NONBLOCK  = unix.SOCK_NONBLOCK

	MSG_DONTWAIT     = unix.MSG_DONTWAIT
	MSG_NOSIGNAL     = unix.MSG_NOSIGNAL
	MSG_PEEK         = unix.MSG_PEEK
	MSG_TRUNC        = unix.MSG_TRUNC
	MSG_CTRUNC       = unix.MSG_CTRUNC
	MSG_WAITALL      = unix.MSG_WAITALL
	MSG_CMSG_CLOEXEC = unix.MSG_CMSG_CLOEXEC

	SHUT_RD   = unix.SHUT_RD
	SHUT_WR   = unix.SHUT_WR
	SHUT_RDWR = unix.SHUT_RDWR
)

// MaxMsgFDs is the number of descriptors that one message can carry (unix(7), SCM_MAX_FD).
const MaxMsgFDs = 253

// Socketpair returns two connected unix sockets.
func Socketpair(typ int) (a, b FD, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, typ, 0)
	if err != nil {
		return NoFD, NoFD, wrap(err)
	}
	return FD(p[0]), FD(p[1]), nil
}

// Shutdown is shutdown(2).
func Shutdown(fd FD, how int) error { return wrap(unix.Shutdown(int(fd), how)) }

// Sendmsg sends b and lends fds to the peer of a unix socket. SIGPIPE is never raised.
func Sendmsg(fd FD, b []byte, fds []FD, flags int) (int, error) {
	return SendmsgBuffers(fd, [][]byte{b}, fds, flags)
}

// SendmsgBuffers is Sendmsg with the message in several pieces.
func SendmsgBuffers(fd FD, iov [][]byte, fds []FD, flags int) (int, error) {
	var oob []byte
	if len(fds) > 0 {
		ints := make([]int, len(fds))
		for i, f := range fds {
			ints[i] = int(f)
		}
		oob = unix.UnixRights(ints...)
	}
	return again(func() (int, error) {
		return unix.SendmsgBuffers(int(fd), iov, oob, nil, flags|unix.MSG_NOSIGNAL)
	})
}

// Recvmsg receives into b, and at most maxFDs descriptors, which are closed on exec and
// belong to the caller. If the peer sent more than maxFDs, the kernel drops the rest
// and msgFlags has MSG_CTRUNC. msgFlags has MSG_TRUNC if b was too short for a packet.
func Recvmsg(fd FD, b []byte, maxFDs int, flags int) (n int, fds []FD, msgFlags int, err error) {
	return RecvmsgBuffers(fd, [][]byte{b}, maxFDs, flags)
}

// RecvmsgBuffers is Recvmsg into several pieces.
func RecvmsgBuffers(fd FD, iov [][]byte, maxFDs int, flags int) (n int, fds []FD, msgFlags int, err error) {
	var oob []byte
	if maxFDs > 0 {
		oob = make([]byte, unix.CmsgSpace(4*min(maxFDs, MaxMsgFDs)))
	}
	var oobn int
	n, err = again(func() (int, error) {
		var n int
		var err error
		n, oobn, msgFlags, _, err = unix.RecvmsgBuffers(int(fd), iov, oob, flags|unix.MSG_CMSG_CLOEXEC)
		return n, err
	})
	if err != nil {
		return 0, nil, 0, err
	}
	return n, parseRights(oob[:oobn], maxFDs), msgFlags, nil
}

// parseRights collects the descriptors of a control message. It closes those beyond
// limit, which fit because control messages are padded to eight bytes.
func parseRights(oob []byte, limit int) []FD {
	if len(oob) == 0 {
		return nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fds []FD
	for i := range msgs {
		ints, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			continue // Other control messages carry no descriptors.
		}
		for _, f := range ints {
			if len(fds) == limit {
				unix.Close(f)
				continue
			}
			fds = append(fds, FD(f))
		}
	}
	return fds
}

// Accept takes a connection from a listening socket; it is closed on exec.
func Accept(fd FD) (FD, error) {
	n, err := again(func() (int, error) {
		n, _, err := unix.Accept4(int(fd), unix.SOCK_CLOEXEC)
		return n, err
	})
	if err != nil {
		return NoFD, err
	}
	return FD(n), nil
}
