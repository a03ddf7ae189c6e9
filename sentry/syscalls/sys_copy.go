package syscalls

import (
	"sync"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

var copyCalls = []line{
	{linux.SYS_SENDFILE, "sendfile", sysSendfile, kernel.Full, "", "bytes are copied"},
	{linux.SYS_COPY_FILE_RANGE, "copy_file_range", sysCopyFileRange, kernel.Full, "", "bytes are copied"},
}

// copyChunk is how much a copy moves at a time.
const copyChunk = 128 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyChunk]byte) }}

// position is where one side of a copy stands: at an offset that the guest gave, or at the file's own.
type position struct {
	f     *vfs.File
	at    addr.Addr // of the offset in guest memory, or 0
	pos   int64
	start int64
}

// readPosition finds where f's side of a copy starts. The file's own position is not locked during the copy, which
// may sleep, and whose other side may be the same file: as in Linux, who uses it at the same time gets one or the other.
func readPosition(t *kernel.Task, f *vfs.File, at addr.Addr) (*position, error) {
	p := &position{f: f, at: at}
	if at != 0 {
		v, err := t.CopyInUint64(at)
		if err != nil {
			return nil, err
		}
		if p.pos = int64(v); p.pos < 0 {
			return nil, errno.EINVAL
		}
	} else if f.Mode&vfs.FModeSeek != 0 {
		f.PosMu.Lock()
		p.pos = f.Pos
		f.PosMu.Unlock()
	}
	p.start = p.pos
	return p, nil
}

// finish stores the new position.
func (p *position) finish(t *kernel.Task) error {
	if p.at != 0 {
		return t.CopyOutUint64(p.at, uint64(p.pos))
	}
	if p.pos != p.start {
		p.f.PosMu.Lock()
		p.f.Pos = p.pos
		p.f.PosMu.Unlock()
	}
	return nil
}

func sysSendfile(t *kernel.Task, a *arch.Args) (uint64, error) {
	in, out, err := filePair(t, a[1].Int(), a[0].Int())
	if err != nil {
		return 0, err
	}
	defer in.DecRef()
	defer out.DecRef()
	if in.Mode&vfs.FModeSeek == 0 {
		if a[2].Addr() != 0 {
			return 0, errno.ESPIPE
		}
		return 0, errno.EINVAL
	}
	if out.Flags()&linux.O_APPEND != 0 || in.Inode().Type() == linux.S_IFDIR {
		return 0, errno.EINVAL
	}
	count := min(a[3].Size(), linux.MAX_RW_COUNT)
	from, err := readPosition(t, in, a[2].Addr())
	if err != nil {
		return 0, err
	}
	done, err := copyFile(t, from, nil, out, count)
	if ferr := from.finish(t); ferr != nil && err == nil {
		err = ferr
	}
	if done > 0 {
		return done, nil
	}
	return 0, raiseFileLimit(t, raiseSigpipe(t, out, err))
}

func sysCopyFileRange(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[5].Uint() != 0 {
		return 0, errno.EINVAL
	}
	in, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer in.DecRef()
	out, err := t.GetFile(a[2].Int())
	if err != nil {
		return 0, err
	}
	defer out.DecRef()
	ti, to := in.Inode().Type(), out.Inode().Type()
	switch {
	case ti == linux.S_IFDIR || to == linux.S_IFDIR:
		return 0, errno.EISDIR
	case ti != linux.S_IFREG || to != linux.S_IFREG:
		return 0, errno.EINVAL
	case in.Readable() != nil || out.Writable() != nil || out.Flags()&linux.O_APPEND != 0:
		return 0, errno.EBADF
	case in.Inode().SB != out.Inode().SB:
		return 0, errno.EXDEV
	}
	if in == out && a[1].Addr() == 0 && a[3].Addr() == 0 {
		return 0, errno.EINVAL // the ranges are the same
	}
	from, err := readPosition(t, in, a[1].Addr())
	if err != nil {
		return 0, err
	}
	to2, err := readPosition(t, out, a[3].Addr())
	if err != nil {
		from.finish(t)
		return 0, err
	}
	count := min(a[4].Size(), linux.MAX_RW_COUNT)
	var done uint64
	if in.Inode() == out.Inode() && from.pos < to2.pos+int64(count) && to2.pos < from.pos+int64(count) {
		err = errno.EINVAL
	} else {
		done, err = copyFile(t, from, to2, out, count)
	}
	err = firstErr(err, from.finish(t), to2.finish(t))
	if done > 0 {
		return done, nil
	}
	return 0, raiseFileLimit(t, err)
}

// copyFile moves count bytes from one file to another, at a position of its own or, with to nil, as write(2) does.
// It stops at the end of the input, and where the output takes no more.
func copyFile(t *kernel.Task, from, to *position, out *vfs.File, count uint64) (done uint64, err error) {
	buf := copyBuffers.Get().(*[copyChunk]byte)
	defer copyBuffers.Put(buf)
	for done < count {
		b := buf[:min(count-done, copyChunk)]
		dst := usermem.FromBytes(b)
		n, err := from.f.PRead(t, &dst, from.pos, 0)
		if err != nil || n == 0 {
			return done, err
		}
		for b = b[:n]; len(b) > 0; {
			m := 0
			err := t.BlockOnFile(out, wait.Out|wait.WrNorm, false, kernel.Forever, func() (err error) {
				src := usermem.FromBytes(b)
				if to != nil {
					m, err = out.PWrite(t, &src, to.pos, 0)
				} else {
					m, err = out.Write(t, &src, 0)
				}
				return err
			})
			if err != nil || m == 0 {
				return done, err
			}
			if to != nil {
				to.pos += int64(m)
			}
			from.pos += int64(m)
			done += uint64(m)
			b = b[m:]
		}
	}
	return done, nil
}
