package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

var aioCalls = []line{
	{linux.SYS_IO_SETUP, "io_setup", sysIoSetup, kernel.Full, "", "the ring can be read by the guest, but not moved"},
	{linux.SYS_IO_DESTROY, "io_destroy", sysIoDestroy, kernel.Full, "", ""},
	{linux.SYS_IO_SUBMIT, "io_submit", sysIoSubmit, kernel.Full, "PREAD PWRITE PREADV PWRITEV FSYNC FDSYNC POLL IOCB_FLAG_RESFD IOCB_FLAG_IOPRIO", "only O_DIRECT transfers, FSYNC and POLL do not end at once"},
	{linux.SYS_IO_GETEVENTS, "io_getevents", sysIoGetevents, kernel.Full, "", ""},
	{linux.SYS_IO_PGETEVENTS, "io_pgetevents", sysIoPgetevents, kernel.Full, "", ""},
	{linux.SYS_IO_CANCEL, "io_cancel", sysIoCancel, kernel.Full, "", "finds POLL alone, as on Linux"},
}

func sysIoSetup(t *kernel.Task, a *arch.Args) (uint64, error) {
	n, at := a[0].Uint(), a[1].Addr()
	old, err := t.CopyInUint64(at)
	if err != nil {
		return 0, err
	}
	if old != 0 || n == 0 {
		return 0, errno.EINVAL
	}
	c, err := t.SetupAIO(n)
	if err != nil {
		return 0, err
	}
	if err := t.CopyOutUint64(at, uint64(c.ID())); err != nil {
		t.DestroyAIO(c.ID())
		return 0, err
	}
	return 0, nil
}

func sysIoDestroy(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.DestroyAIO(a[0].Addr())
}

func sysIoSubmit(t *kernel.Task, a *arch.Args) (uint64, error) {
	n, list := a[1].Int64(), a[2].Addr()
	if n < 0 {
		return 0, errno.EINVAL
	}
	c, err := t.AIO(a[0].Addr())
	if err != nil {
		return 0, err
	}
	n = min(n, int64(c.Room()))
	done := int64(0)
	for ; done < n && err == nil; done++ {
		var at uint64
		if at, err = t.CopyInUint64(list + addr.Addr(8*done)); err == nil {
			err = submitOne(t, c, addr.Addr(at))
		}
		if err != nil {
			break
		}
	}
	if done > 0 {
		return uint64(done), nil
	}
	return 0, err
}

// submitOne submits one request. An error means that it will have no event.
func submitOne(t *kernel.Task, c *kernel.AIOContext, at addr.Addr) error {
	var b [64]byte
	if err := t.CopyIn(at, b[:]); err != nil {
		return err
	}
	var cb linux.IOCB
	cb.UnmarshalBytes(b[:])
	for _, x := range b[iocbReserved2 : iocbReserved2+8] {
		if x != 0 {
			return errno.EINVAL
		}
	}
	if int64(cb.Nbytes) < 0 {
		return errno.EINVAL
	}
	r, err := c.Begin(cb.Data, uint64(at))
	if err != nil {
		return err
	}
	if err := startIOCB(t, r, &cb, at); err != nil {
		r.Abort()
		return err
	}
	return nil
}

// Offsets in struct iocb.
const (
	iocbKey       = 8
	iocbReserved2 = 48
)

// startIOCB finds the files of a request and starts it.
func startIOCB(t *kernel.Task, r *kernel.AIORequest, cb *linux.IOCB, at addr.Addr) error {
	f, err := t.GetFile(int32(cb.FD))
	if err != nil {
		return err
	}
	defer f.DecRef()
	if cb.Flags&linux.IOCB_FLAG_RESFD != 0 {
		e, err := t.GetFile(int32(cb.Resfd))
		if err != nil {
			return err
		}
		if err := r.NotifyTo(e); err != nil {
			return err
		}
	}
	if err := t.CopyOutUint32(at+iocbKey, 0); err != nil {
		return err
	}
	switch cb.Opcode {
	case linux.IOCB_CMD_PREAD, linux.IOCB_CMD_PREADV:
		return startTransfer(t, r, f, cb, false, cb.Opcode == linux.IOCB_CMD_PREADV)
	case linux.IOCB_CMD_PWRITE, linux.IOCB_CMD_PWRITEV:
		return startTransfer(t, r, f, cb, true, cb.Opcode == linux.IOCB_CMD_PWRITEV)
	case linux.IOCB_CMD_FSYNC, linux.IOCB_CMD_FDSYNC:
		if cb.Buf != 0 || cb.Offset != 0 || cb.Nbytes != 0 || cb.RWFlags != 0 {
			return errno.EINVAL
		}
		switch f.Inode().Type() {
		case linux.S_IFREG, linux.S_IFDIR, linux.S_IFBLK:
		default:
			return errno.EINVAL
		}
		t.StartAIO(r, f, &kernel.AIOWork{Sync: true, DataOnly: cb.Opcode == linux.IOCB_CMD_FDSYNC})
		return nil
	case linux.IOCB_CMD_POLL:
		if cb.Buf>>16 != 0 || cb.Offset != 0 || cb.Nbytes != 0 || cb.RWFlags != 0 {
			return errno.EINVAL
		}
		f.IncRef()
		r.PollAIO(f, kernel.PollMask(uint16(cb.Buf)))
		return nil
	}
	return errno.EINVAL // IOCB_CMD_NOOP as well
}

// startTransfer reads or writes. As on Linux, only what goes past the page cache is left to others; the rest is done at once,
// and waits where read(2) would.
func startTransfer(t *kernel.Task, r *kernel.AIORequest, f *vfs.File, cb *linux.IOCB, write, vector bool) error {
	const known = linux.RWF_HIPRI | linux.RWF_DSYNC | linux.RWF_SYNC | linux.RWF_NOWAIT | linux.RWF_APPEND | linux.RWF_NOAPPEND
	if cb.Flags&linux.IOCB_FLAG_IOPRIO != 0 {
		if err := checkIOPrio(t, cb.Reqprio); err != nil {
			return err
		}
	}
	flags := uint32(cb.RWFlags)
	if flags&^uint32(known) != 0 {
		return errno.EOPNOTSUPP
	}
	if flags&linux.RWF_APPEND != 0 && flags&linux.RWF_NOAPPEND != 0 {
		return errno.EINVAL
	}
	err := f.Readable()
	if write {
		err = f.Writable()
	}
	switch {
	case err != nil:
		return err
	case f.Inode().Type() == linux.S_IFDIR:
		return errno.EINVAL
	}
	var seq usermem.Sequence
	if vector {
		seq, err = t.CopyInIovecs(addr.Addr(cb.Buf), cb.Nbytes)
	} else {
		seq, err = t.Range(addr.Addr(cb.Buf), min(cb.Nbytes, linux.MAX_RW_COUNT))
	}
	if err != nil {
		return err
	}
	if cb.Offset < 0 {
		return errno.EINVAL
	}
	if f.Flags()&linux.O_DIRECT != 0 && f.Inode().Type() == linux.S_IFREG && f.Mode&vfs.FModeSeek != 0 {
		t.StartAIO(r, f, &kernel.AIOWork{Write: write, Seq: seq, Offset: cb.Offset, Flags: flags})
		return nil
	}
	off := cb.Offset
	if f.Mode&vfs.FModeSeek == 0 {
		off = currentPosition
	}
	t.Seq = seq
	n, err := moveFile(t, f, &transfer{write: write, seq: &t.Seq, offset: off, flags: flags})
	r.Complete(kernel.AIOResult(int(n), err))
	return nil
}

// checkIOPrio checks the priority of a request (ioprio_set(2)).
func checkIOPrio(t *kernel.Task, prio int16) error {
	switch uint16(prio) >> linux.IOPRIO_CLASS_SHIFT {
	case linux.IOPRIO_CLASS_NONE:
		if prio&7 != 0 {
			return errno.EINVAL
		}
	case linux.IOPRIO_CLASS_RT:
		if c := t.Creds(); !c.Has(linux.CAP_SYS_ADMIN) && !c.Has(linux.CAP_SYS_NICE) {
			return errno.EPERM
		}
	case linux.IOPRIO_CLASS_BE, linux.IOPRIO_CLASS_IDLE:
	default:
		return errno.EINVAL
	}
	return nil
}

func sysIoGetevents(t *kernel.Task, a *arch.Args) (uint64, error) {
	d, err := aioTimeout(t, a[4].Addr())
	if err != nil {
		return 0, err
	}
	return getEvents(t, a, d)
}

// aioTimeout reads a relative timeout; no address means forever. Linux does not check it.
func aioTimeout(t *kernel.Task, at addr.Addr) (timeout, error) {
	if at == 0 {
		return timeout{forever: true}, nil
	}
	var ts linux.Timespec
	if err := t.CopyInTimespec(at, &ts); err != nil {
		return timeout{}, err
	}
	return timeoutAfter(t, max(0, ts.Nanoseconds())), nil
}

func getEvents(t *kernel.Task, a *arch.Args, d timeout) (uint64, error) {
	least, n := a[1].Int64(), a[2].Int64()
	c, err := t.AIO(a[0].Addr())
	if err != nil {
		return 0, err
	}
	if least < 0 || least > n {
		return 0, errno.EINVAL
	}
	got, err := t.GetAIO(c, least, n, a[3].Addr(), d.deadline(), d.now)
	return uint64(got), err
}

func sysIoPgetevents(t *kernel.Task, a *arch.Args) (uint64, error) {
	d, err := aioTimeout(t, a[4].Addr())
	if err != nil {
		return 0, err
	}
	if p := a[5].Addr(); p != 0 {
		mask, err := t.CopyInUint64(p)
		if err != nil {
			return 0, err
		}
		size, err := t.CopyInUint64(p + 8)
		if err != nil {
			return 0, err
		}
		if err := setTempMask(t, addr.Addr(mask), size); err != nil {
			return 0, err
		}
	}
	n, err := getEvents(t, a, d)
	if err == errno.EINTR {
		err = errno.ERESTARTNOHAND
	}
	return n, err
}

func sysIoCancel(t *kernel.Task, a *arch.Args) (uint64, error) {
	at := a[1].Addr()
	key, err := t.CopyInUint32(at + iocbKey)
	if err != nil {
		return 0, err
	}
	if key != 0 {
		return 0, errno.EINVAL
	}
	c, err := t.AIO(a[0].Addr())
	if err != nil {
		return 0, err
	}
	if err := c.CancelAIO(uint64(at)); err != nil {
		return 0, err
	}
	return 0, errno.EINPROGRESS // the event tells the rest
}
