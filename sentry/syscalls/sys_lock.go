package syscalls

import (
	"math"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var lockCalls = []line{
	{linux.SYS_FLOCK, "flock", sysFlock, kernel.Full, "all", ""},
}

func sysFlock(t *kernel.Task, a *arch.Args) (uint64, error) {
	op := a[1].Uint()
	nonblock := op&linux.LOCK_NB != 0
	op &^= linux.LOCK_NB
	if op != linux.LOCK_SH && op != linux.LOCK_EX && op != linux.LOCK_UN {
		return 0, errno.EINVAL
	}
	return 0, atFile(t, a[0].Int(), func(f *vfs.File) error {
		return waitForLock(t, f, nonblock, func() error { return f.Flock(int(op), t.TGID()) })
	})
}

// waitForLock calls try until it returns something other than EAGAIN, sleeping until other locks change.
func waitForLock(t *kernel.Task, f *vfs.File, nonblock bool, try func() error) error {
	err := try()
	if err != errno.EAGAIN || nonblock {
		return err
	}
	e := wait.Entry{Waiter: t, Mask: wait.All}
	q := f.LockQueue()
	q.Register(&e)
	defer q.Unregister(&e)
	for {
		if err := try(); err != errno.EAGAIN {
			return err
		}
		if err := t.Block(); err != nil {
			return err
		}
	}
}

// fcntlLock is fcntl(2) with F_GETLK, F_SETLK, F_SETLKW and the F_OFD_* commands.
func fcntlLock(t *kernel.Task, f *vfs.File, cmd int32, at addr.Addr) error {
	var fl linux.Flock
	if err := t.CopyInStruct(at, &fl); err != nil {
		return err
	}
	l := vfs.Lock{Owner: vfs.LockOwner{Table: t.Files().ID()}, PID: t.TGID(), Write: fl.Type == linux.F_WRLCK}
	switch cmd {
	case linux.F_OFD_GETLK, linux.F_OFD_SETLK, linux.F_OFD_SETLKW:
		if fl.PID != 0 {
			return errno.EINVAL
		}
		l.Owner, l.PID = vfs.LockOwner{File: f}, -1
	}
	if err := lockRange(t, f, &fl, &l); err != nil {
		return err
	}
	get := cmd == linux.F_GETLK || cmd == linux.F_OFD_GETLK
	switch fl.Type {
	case linux.F_UNLCK:
		if get && cmd != linux.F_OFD_GETLK {
			return errno.EINVAL
		}
		if !get {
			return f.Unlock(l.Owner, l.Start, l.End)
		}
	case linux.F_RDLCK:
		if !get && f.Readable() != nil {
			return errno.EBADF
		}
	case linux.F_WRLCK:
		if !get && f.Writable() != nil {
			return errno.EBADF
		}
	default:
		return errno.EINVAL
	}
	if get {
		test := f.TestLock
		if fl.Type == linux.F_UNLCK {
			test = f.OwnLock
		}
		o, found := test(l)
		if !found {
			fl.Type = linux.F_UNLCK
			return t.CopyOutStruct(at, &fl)
		}
		fl = linux.Flock{Type: linux.F_RDLCK, Start: o.Start, PID: o.PID}
		if o.Write {
			fl.Type = linux.F_WRLCK
		}
		if o.End != vfs.LockEOF {
			fl.Len = o.End - o.Start + 1
		}
		return t.CopyOutStruct(at, &fl)
	}
	nonblock := cmd == linux.F_SETLK || cmd == linux.F_OFD_SETLK
	err := waitForLock(t, f, nonblock, func() error { return f.SetLock(l, !nonblock) })
	if !nonblock && err != nil {
		f.LockWaitDone(l.Owner)
	}
	return err
}

// lockRange turns l_whence, l_start and l_len into the first and last byte.
func lockRange(t *kernel.Task, f *vfs.File, fl *linux.Flock, l *vfs.Lock) error {
	start := fl.Start
	switch fl.Whence {
	case linux.SEEK_SET:
	case linux.SEEK_CUR:
		f.PosMu.Lock()
		pos := f.Pos
		f.PosMu.Unlock()
		if start > math.MaxInt64-pos {
			return errno.EOVERFLOW
		}
		start += pos
	case linux.SEEK_END:
		s, err := t.Kernel().VFS.Stat(t, f.Path)
		if err != nil {
			return err
		}
		if start > math.MaxInt64-s.Size {
			return errno.EOVERFLOW
		}
		start += s.Size
	default:
		return errno.EINVAL
	}
	if start < 0 {
		return errno.EINVAL
	}
	switch {
	case fl.Len == 0:
		l.Start, l.End = start, vfs.LockEOF
	case fl.Len > 0:
		if fl.Len-1 > math.MaxInt64-start {
			return errno.EOVERFLOW
		}
		l.Start, l.End = start, start+fl.Len-1
	default:
		if start+fl.Len < 0 {
			return errno.EINVAL
		}
		l.Start, l.End = start+fl.Len, start-1
	}
	return nil
}
