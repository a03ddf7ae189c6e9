package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/fs/pipe"
	"ringfence/sentry/kernel"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

var spliceCalls = []line{
	{linux.SYS_SPLICE, "splice", sysSplice, kernel.Full, "SPLICE_F_NONBLOCK SPLICE_F_MOVE SPLICE_F_MORE SPLICE_F_GIFT", "bytes are copied"},
	{linux.SYS_TEE, "tee", sysTee, kernel.Full, "SPLICE_F_NONBLOCK", "bytes are copied"},
	{linux.SYS_VMSPLICE, "vmsplice", sysVmsplice, kernel.Full, "SPLICE_F_NONBLOCK SPLICE_F_GIFT", "bytes are copied"},
}

const spliceFlags = linux.SPLICE_F_MOVE | linux.SPLICE_F_NONBLOCK | linux.SPLICE_F_MORE | linux.SPLICE_F_GIFT

// maxSplice bounds one step of a splice.
const maxSplice = pipe.MaxSize

// filePair returns the files that a splice or tee reads and writes.
func filePair(t *kernel.Task, in, out int32) (from, to *vfs.File, err error) {
	if from, err = t.GetFile(in); err != nil {
		return nil, nil, err
	}
	if to, err = t.GetFile(out); err != nil {
		from.DecRef()
		return nil, nil, err
	}
	if from.Readable() != nil || to.Writable() != nil {
		from.DecRef()
		to.DecRef()
		return nil, nil, errno.EBADF
	}
	return from, to, nil
}

// blockOnPair calls op until it returns something other than EAGAIN, sleeping until from may
// be readable or to writable.
func blockOnPair(t *kernel.Task, from, to *vfs.File, op func() error) error {
	in := wait.Entry{Waiter: t, Mask: wait.In | wait.RdNorm | wait.Always}
	out := wait.Entry{Waiter: t, Mask: wait.Out | wait.WrNorm | wait.Always}
	if q := from.Queue(); q != nil {
		q.Register(&in)
		defer q.Unregister(&in)
	}
	if q := to.Queue(); q != nil {
		q.Register(&out)
		defer q.Unregister(&out)
	}
	for {
		if err := op(); err != errno.EAGAIN {
			return err
		}
		if err := t.Block(); err != nil {
			return err
		}
	}
}

func sysSplice(t *kernel.Task, a *arch.Args) (uint64, error) {
	size, flags := a[4].Size(), a[5].Uint()
	if flags&^spliceFlags != 0 {
		return 0, errno.EINVAL
	}
	if size == 0 {
		return 0, nil
	}
	from, to, err := filePair(t, a[0].Int(), a[2].Int())
	if err != nil {
		return 0, err
	}
	defer from.DecRef()
	defer to.DecRef()
	src, dst := pipe.Of(from), pipe.Of(to)
	in, out := spliceOffset{at: a[1].Addr()}, spliceOffset{at: a[3].Addr()}
	if src != nil && in.at != 0 || dst != nil && out.at != 0 {
		return 0, errno.ESPIPE
	}
	if err := firstErr(in.load(t), out.load(t)); err != nil {
		return 0, err
	}
	n, err := splice(t, from, to, in.pos, out.pos, size, flags)
	if err != nil {
		return 0, err
	}
	return n, firstErr(in.store(t), out.store(t))
}

// spliceOffset is an offset in guest memory; pos is nil if there is none.
type spliceOffset struct {
	at  addr.Addr
	pos *int64
}

func (o *spliceOffset) load(t *kernel.Task) error {
	if o.at == 0 {
		return nil
	}
	v, err := t.CopyInUint64(o.at)
	pos := int64(v)
	o.pos = &pos
	return err
}

func (o *spliceOffset) store(t *kernel.Task) error {
	if o.at == 0 {
		return nil
	}
	return t.CopyOutUint64(o.at, uint64(*o.pos))
}

// splice moves at most size bytes between a pipe and another file, at an offset if there is one, and moves the offset.
func splice(t *kernel.Task, from, to *vfs.File, offIn, offOut *int64, size uint64, flags uint32) (uint64, error) {
	src, dst := pipe.Of(from), pipe.Of(to)
	if src != nil && offIn != nil || dst != nil && offOut != nil {
		return 0, errno.ESPIPE
	}
	n := int(min(size, maxSplice))
	nonblock := flags&linux.SPLICE_F_NONBLOCK != 0
	switch {
	case src != nil && dst != nil:
		if src == dst {
			return 0, errno.EINVAL
		}
		packet := to.Flags()&linux.O_DIRECT != 0
		nonblock = nonblock || from.Nonblocking() || to.Nonblocking()
		return transferPipes(t, from, to, nonblock, func() (int, error) {
			m, _, err := pipe.Splice(src, dst, n, packet)
			return m, err
		})
	case src != nil:
		return spliceFile(to, offOut, true, func(off *int64) (m int, err error) {
			err = spliceStep(t, from, to, nonblock, func() (ofPipe bool, err error) {
				m, ofPipe, err = src.DrainTo(t, to, off, n)
				return ofPipe, err
			}, from)
			return m, err
		})
	case dst != nil:
		packet := to.Flags()&linux.O_DIRECT != 0
		return spliceFile(from, offIn, false, func(off *int64) (m int, err error) {
			err = spliceStep(t, from, to, nonblock, func() (ofPipe bool, err error) {
				m, ofPipe, err = dst.FillFrom(t, from, off, n, packet)
				return ofPipe, err
			}, to)
			return m, err
		})
	}
	return 0, errno.EINVAL
}

// spliceStep runs op, which tells by EAGAIN that it would wait, and whether for the pipe or for
// the other file: SPLICE_F_NONBLOCK is about the pipe, the other file has its O_NONBLOCK.
func spliceStep(t *kernel.Task, from, to *vfs.File, nonblock bool, op func() (ofPipe bool, err error), pipeFile *vfs.File) error {
	other := from
	if other == pipeFile {
		other = to
	}
	var final error
	err := blockOnPair(t, from, to, func() error {
		ofPipe, err := op()
		if err == errno.EAGAIN {
			if nonblock || ofPipe && pipeFile.Nonblocking() || !ofPipe && other.Nonblocking() {
				final = err
				return nil
			}
		}
		return err
	})
	if final != nil {
		err = final
	}
	return raiseSigpipe(t, to, err)
}

// raiseSigpipe sends the caller SIGPIPE if err, of a write to f, says that nobody reads. Of
// sockets only streams do that.
func raiseSigpipe(t *kernel.Task, f *vfs.File, err error) error {
	if err != errno.EPIPE {
		return err
	}
	if s := socket.Of(f); s != nil {
		if _, typ, _ := s.Kind(); typ != linux.SOCK_STREAM {
			return err
		}
	}
	t.SignalSelf(linux.SIGPIPE)
	return err
}

// spliceFile runs move with the position of the file that is not a pipe: off, or the file's own, or none.
func spliceFile(f *vfs.File, off *int64, write bool, move func(off *int64) (int, error)) (uint64, error) {
	seekable := f.Mode&vfs.FModeSeek != 0
	if write && f.Flags()&linux.O_APPEND != 0 || f.Inode().Type() == linux.S_IFDIR {
		return 0, errno.EINVAL
	}
	switch {
	case off == nil && !seekable:
		n, err := move(nil)
		return uint64(n), err
	case off == nil:
		f.PosMu.Lock()
		defer f.PosMu.Unlock()
		n, err := move(&f.Pos)
		return uint64(n), err
	case !seekable || *off < 0:
		return 0, errno.EINVAL
	}
	n, err := move(off)
	return uint64(n), err
}

// transferPipes runs op between two pipes.
func transferPipes(t *kernel.Task, from, to *vfs.File, nonblock bool, op func() (int, error)) (uint64, error) {
	n, err := op()
	if err == errno.EAGAIN && !nonblock {
		err = blockOnPair(t, from, to, func() error {
			var err error
			n, err = op()
			return err
		})
	}
	return uint64(n), raiseSigpipe(t, to, err)
}

func sysTee(t *kernel.Task, a *arch.Args) (uint64, error) {
	size, flags := a[2].Size(), a[3].Uint()
	if flags&^spliceFlags != 0 {
		return 0, errno.EINVAL
	}
	if size == 0 {
		return 0, nil
	}
	from, to, err := filePair(t, a[0].Int(), a[1].Int())
	if err != nil {
		return 0, err
	}
	defer from.DecRef()
	defer to.DecRef()
	return tee(t, from, to, size, flags)
}

// tee copies at most size bytes from one pipe to another.
func tee(t *kernel.Task, from, to *vfs.File, size uint64, flags uint32) (uint64, error) {
	src, dst := pipe.Of(from), pipe.Of(to)
	if src == nil || dst == nil || src == dst {
		return 0, errno.EINVAL
	}
	nonblock := flags&linux.SPLICE_F_NONBLOCK != 0 || from.Nonblocking() || to.Nonblocking()
	n := int(min(size, maxSplice))
	return transferPipes(t, from, to, nonblock, func() (int, error) {
		m, _, err := pipe.Tee(src, dst, n)
		return m, err
	})
}

func sysVmsplice(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[3].Uint()&^spliceFlags != 0 {
		return 0, errno.EINVAL
	}
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if pipe.Of(f) == nil {
		return 0, errno.EBADF
	}
	seq, err := t.CopyInIovecs(a[1].Addr(), a[2].Size())
	if err != nil {
		return 0, err
	}
	if seq.Len() == 0 {
		return 0, nil
	}
	nonblock := a[3].Uint()&linux.SPLICE_F_NONBLOCK != 0
	mask, move := wait.In, func(s *usermem.Sequence) (int, error) { return f.Ops.Read(t, f, s, 0, 0) }
	if f.Writable() == nil {
		mask, move = wait.Out, func(s *usermem.Sequence) (int, error) { return f.Ops.Write(t, f, s, 0, 0) }
	}
	n := 0
	err = t.BlockOnFile(f, mask, nonblock, kernel.Forever, func() error {
		var err error
		if n, err = move(&seq); n > 0 {
			return nil
		}
		return err
	})
	return uint64(n), raiseSigpipe(t, f, err)
}
