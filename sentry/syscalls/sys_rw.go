package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

var rwCalls = []line{
	{linux.SYS_READ, "read", sysRead, kernel.Full, "", ""},
	{linux.SYS_WRITE, "write", sysWrite, kernel.Full, "", ""},
	{linux.SYS_PREAD64, "pread64", sysPread64, kernel.Full, "", ""},
	{linux.SYS_PWRITE64, "pwrite64", sysPwrite64, kernel.Full, "", ""},
	{linux.SYS_READV, "readv", sysReadv, kernel.Full, "", ""},
	{linux.SYS_WRITEV, "writev", sysWritev, kernel.Full, "", ""},
	{linux.SYS_PREADV, "preadv", sysPreadv, kernel.Full, "", ""},
	{linux.SYS_PWRITEV, "pwritev", sysPwritev, kernel.Full, "", ""},
	{linux.SYS_PREADV2, "preadv2", sysPreadv2, kernel.Full, "RWF_HIPRI RWF_NOWAIT", "RWF_NOWAIT never waits, but may read from the host"},
	{linux.SYS_PWRITEV2, "pwritev2", sysPwritev2, kernel.Full, "RWF_HIPRI RWF_DSYNC RWF_SYNC RWF_NOWAIT RWF_APPEND RWF_NOAPPEND", ""},
	{linux.SYS_LSEEK, "lseek", sysLseek, kernel.Full, "SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE", ""},
	{linux.SYS_FSYNC, "fsync", sysFsync, kernel.Full, "", ""},
	{linux.SYS_FDATASYNC, "fdatasync", sysFdatasync, kernel.Full, "", ""},
	{linux.SYS_SYNC, "sync", sysSync, kernel.Full, "", "files reach the host as they are written"},
	{linux.SYS_SYNCFS, "syncfs", sysSyncfs, kernel.Full, "", ""},
	{linux.SYS_SYNC_FILE_RANGE, "sync_file_range", sysSyncFileRange, kernel.Full, "", "syncs the whole file's data"},
	{linux.SYS_READAHEAD, "readahead", sysReadahead, kernel.Full, "", "a hint that is not taken"},
	{linux.SYS_FADVISE64, "fadvise64", sysFadvise64, kernel.Full, "", "hints that are not taken"},
	{linux.SYS_FALLOCATE, "fallocate", sysFallocate, kernel.Full, "", ""},
	{linux.SYS_TRUNCATE, "truncate", sysTruncate, kernel.Full, "", ""},
	{linux.SYS_FTRUNCATE, "ftruncate", sysFtruncate, kernel.Full, "", ""},
}

// currentPosition stands for the file's own position where an offset is asked for.
const currentPosition = -1

// transfer is what the read and write calls share: the direction, whose memory, from where.
type transfer struct {
	write  bool
	seq    *usermem.Sequence // the task's own: see kernel.Task.Seq
	offset int64             // or currentPosition
	flags  uint32            // RWF_*
}

// run moves bytes between f and memory, once.
func (x *transfer) run(t *kernel.Task, f *vfs.File) (int, error) {
	switch {
	case x.write && x.offset == currentPosition:
		return f.Write(t, x.seq, x.flags)
	case x.write:
		return f.PWrite(t, x.seq, x.offset, x.flags)
	case x.offset == currentPosition:
		return f.Read(t, x.seq, x.flags)
	}
	return f.PRead(t, x.seq, x.offset, x.flags)
}

// moveFile moves x to or from f, waiting where the file is not ready.
func moveFile(t *kernel.Task, f *vfs.File, x *transfer) (uint64, error) {
	n, err := x.run(t, f)
	if err == nil && (!x.write || x.seq.Len() == 0) {
		return uint64(n), nil
	}
	return finishMove(t, f, x, n, err)
}

// finishMove goes on with a transfer that did not end at once. A write to a file that fills up goes on
// until all is written, as to a pipe (pipe(7)); a read is content with anything.
func finishMove(t *kernel.Task, f *vfs.File, x *transfer, n int, err error) (uint64, error) {
	total := n
	mask := wait.In | wait.RdNorm
	if x.write {
		mask = wait.Out | wait.WrNorm
	}
	short := err == nil && x.write && f.Queue() != nil && f.Inode().Type() != linux.S_IFREG
	if err == errno.EAGAIN || short {
		nonblock := x.flags&linux.RWF_NOWAIT != 0
		err = t.BlockOnFile(f, mask, nonblock, f.Deadline(t.Kernel().Monotonic(), x.write), func() error {
			n, err := x.run(t, f)
			total += n
			if err == nil && x.write && n > 0 && x.seq.Len() > 0 {
				return errno.EAGAIN
			}
			return err
		})
	}
	if x.write && err != nil {
		raiseSigpipe(t, f, err)
		raiseFileLimit(t, err)
	}
	if total > 0 {
		return uint64(total), nil
	}
	return 0, err
}

func sysRead(t *kernel.Task, a *arch.Args) (uint64, error) {
	return single(t, a, false, currentPosition)
}

func sysWrite(t *kernel.Task, a *arch.Args) (uint64, error) {
	return single(t, a, true, currentPosition)
}

func sysPread64(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[3].Int64() < 0 {
		return 0, errno.EINVAL
	}
	return single(t, a, false, a[3].Int64())
}

func sysPwrite64(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[3].Int64() < 0 {
		return 0, errno.EINVAL
	}
	return single(t, a, true, a[3].Int64())
}

// mayMove checks that f was opened for it. That a file has no offsets is told first.
func mayMove(f *vfs.File, write bool, offset int64) error {
	switch {
	case offset != currentPosition && f.Mode&(vfs.FModeSeek|vfs.FModePath) == 0:
		return errno.ESPIPE
	case write:
		return f.Writable()
	}
	return f.Readable()
}

// single is read and write with one buffer.
func single(t *kernel.Task, a *arch.Args, write bool, offset int64) (uint64, error) {
	f, err := t.BorrowFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.Return()
	if err := mayMove(f.File, write, offset); err != nil {
		return 0, err
	}
	// The whole count must fit the address space, though the file will cut it to MAX_RW_COUNT.
	t.Seq, err = t.Range(a[1].Addr(), a[2].Uint64())
	if err != nil {
		return 0, err
	}
	return moveFile(t, f.File, &transfer{write: write, seq: &t.Seq, offset: offset})
}

func sysReadv(t *kernel.Task, a *arch.Args) (uint64, error) {
	return vector(t, a, false, currentPosition, 0)
}

func sysWritev(t *kernel.Task, a *arch.Args) (uint64, error) {
	return vector(t, a, true, currentPosition, 0)
}

func sysPreadv(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[3].Int64() < 0 {
		return 0, errno.EINVAL
	}
	return vector(t, a, false, a[3].Int64(), 0)
}

func sysPwritev(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[3].Int64() < 0 {
		return 0, errno.EINVAL
	}
	return vector(t, a, true, a[3].Int64(), 0)
}

func sysPreadv2(t *kernel.Task, a *arch.Args) (uint64, error) {
	return vector2(t, a, false, linux.RWF_HIPRI|linux.RWF_NOWAIT)
}

func sysPwritev2(t *kernel.Task, a *arch.Args) (uint64, error) {
	return vector2(t, a, true, linux.RWF_HIPRI|linux.RWF_DSYNC|linux.RWF_SYNC|linux.RWF_NOWAIT|linux.RWF_APPEND|linux.RWF_NOAPPEND)
}

func vector2(t *kernel.Task, a *arch.Args, write bool, known uint32) (uint64, error) {
	off, flags := a[3].Int64(), a[5].Uint()
	if off < currentPosition {
		return 0, errno.EINVAL
	}
	if flags&^known != 0 {
		return 0, errno.EOPNOTSUPP
	}
	if flags&linux.RWF_APPEND != 0 && flags&linux.RWF_NOAPPEND != 0 {
		return 0, errno.EINVAL
	}
	return vector(t, a, write, off, flags)
}

func vector(t *kernel.Task, a *arch.Args, write bool, off int64, flags uint32) (uint64, error) {
	f, err := t.BorrowFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.Return()
	if err := mayMove(f.File, write, off); err != nil {
		return 0, err
	}
	t.Seq, err = t.CopyInIovecs(a[1].Addr(), a[2].Uint64())
	if err != nil {
		return 0, err
	}
	return moveFile(t, f.File, &transfer{write: write, seq: &t.Seq, offset: off, flags: flags})
}

func sysLseek(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := t.BorrowFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.Return()
	pos, err := f.Lseek(t, a[1].Int64(), int(a[2].Int()))
	return uint64(pos), err
}

func sysFsync(t *kernel.Task, a *arch.Args) (uint64, error) { return 0, syncFD(t, a[0].Int(), false) }

func sysFdatasync(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, syncFD(t, a[0].Int(), true)
}

func syncFD(t *kernel.Task, fd int32, dataOnly bool) error {
	f, err := t.GetFile(fd)
	if err != nil {
		return err
	}
	defer f.DecRef()
	return f.Sync(t, dataOnly)
}

func sysSync(t *kernel.Task, _ *arch.Args) (uint64, error) {
	t.Kernel().VFS.SyncAll(t)
	return 0, nil
}

func sysSyncfs(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	sb := f.Inode().SB
	return 0, sb.Ops.Sync(t, sb)
}

func sysSyncFileRange(t *kernel.Task, a *arch.Args) (uint64, error) {
	off, n, flags := a[1].Int64(), a[2].Int64(), a[3].Uint()
	return 0, atFile(t, a[0].Int(), func(f *vfs.File) error { return syncRange(t, f, off, n, flags) })
}

func syncRange(t *kernel.Task, f *vfs.File, off, n int64, flags uint32) error {
	if flags&^(linux.SYNC_FILE_RANGE_WAIT_BEFORE|linux.SYNC_FILE_RANGE_WRITE|linux.SYNC_FILE_RANGE_WAIT_AFTER) != 0 ||
		off < 0 || n < 0 || off+n < off {
		return errno.EINVAL
	}
	switch f.Inode().Type() {
	case linux.S_IFREG, linux.S_IFBLK, linux.S_IFDIR, linux.S_IFLNK:
	default:
		return errno.ESPIPE
	}
	if flags == 0 {
		return nil
	}
	return f.Sync(t, true)
}

func sysReadahead(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if err := f.Readable(); err != nil {
		return 0, err
	}
	if f.Inode().Type() != linux.S_IFREG {
		return 0, errno.EINVAL
	}
	return 0, nil
}

func sysFadvise64(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, atFile(t, a[0].Int(), func(f *vfs.File) error { return fadvise(f, a[2].Int64(), a[3].Int()) })
}

func fadvise(f *vfs.File, n int64, advice int32) error {
	if f.Inode().Type() == linux.S_IFIFO {
		return errno.ESPIPE
	}
	if n < 0 || advice < linux.POSIX_FADV_NORMAL || advice > linux.POSIX_FADV_NOREUSE {
		return errno.EINVAL
	}
	return nil
}

func sysFallocate(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, raiseFileLimit(t, f.Fallocate(t, a[1].Uint(), a[2].Int64(), a[3].Int64()))
}

func sysTruncate(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1].Int64() < 0 {
		return 0, errno.EINVAL
	}
	p, err := resolveAt(t, linux.AT_FDCWD, a[0].Addr(), vfs.LookupFollow)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return 0, raiseFileLimit(t, t.Kernel().VFS.Truncate(t, p, a[1].Int64()))
}

func sysFtruncate(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1].Int64() < 0 {
		return 0, errno.EINVAL
	}
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, raiseFileLimit(t, f.Truncate(t, a[1].Int64()))
}
