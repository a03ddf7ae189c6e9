package syscalls

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var pipeCalls = []line{
	{linux.SYS_PIPE, "pipe", sysPipe, kernel.Full, "", ""},
	{linux.SYS_PIPE2, "pipe2", sysPipe2, kernel.Full, "O_CLOEXEC O_DIRECT O_NONBLOCK", "no O_NOTIFICATION_PIPE"},
}

func sysPipe(t *kernel.Task, a *arch.Args) (uint64, error) {
	return pipe2(t, a[0].Addr(), 0)
}

func sysPipe2(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[1].Uint()
	switch {
	case flags&^(linux.O_CLOEXEC|linux.O_NONBLOCK|linux.O_DIRECT|linux.O_EXCL) != 0:
		return 0, errno.EINVAL
	case flags&linux.O_EXCL != 0: // O_NOTIFICATION_PIPE
		return 0, errno.ENOPKG
	}
	return pipe2(t, a[0].Addr(), flags)
}

func pipe2(t *kernel.Task, fds addr.Addr, flags uint32) (uint64, error) {
	r, w := t.Kernel().Pipes.New(t, flags&(linux.O_NONBLOCK|linux.O_DIRECT))
	return installPair(t, r, w, flags, fds)
}

// installPair gives two new files descriptors and stores those at fds, or undoes both. It takes
// over the references.
func installPair(t *kernel.Task, a, b *vfs.File, flags uint32, fds addr.Addr) (uint64, error) {
	x, y, err := t.InstallPair(a, b, flags)
	a.DecRef()
	b.DecRef()
	if err != nil {
		return 0, err
	}
	var buf [8]byte
	binary.LittleEndian.PutUint32(buf[:], uint32(x))
	binary.LittleEndian.PutUint32(buf[4:], uint32(y))
	if err := t.CopyOut(fds, buf[:]); err != nil {
		t.CloseFD(x)
		t.CloseFD(y)
		return 0, err
	}
	return 0, nil
}
