package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

func prepFsync(t *kernel.Task, q *ioRequest) error {
	if q.sqe.OpFlags&^linux.IORING_FSYNC_DATASYNC != 0 {
		return errno.EINVAL
	}
	return prepFsyncRange(t, q)
}

func prepFsyncRange(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	return reserved(s.Addr, uint64(s.BufIndex), uint64(s.SpliceFD))
}

func issueFsync(t *kernel.Task, q *ioRequest) (int64, error) {
	return 0, q.file.Sync(t, q.sqe.OpFlags&linux.IORING_FSYNC_DATASYNC != 0)
}

func issueSyncFileRange(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	return 0, syncRange(t, q.file, int64(s.Off), int64(s.Len), s.OpFlags)
}

func prepFallocate(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	return reserved(uint64(s.BufIndex), uint64(s.OpFlags), uint64(s.SpliceFD))
}

func issueFallocate(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	return 0, q.file.Fallocate(t, s.Len, int64(s.Off), int64(s.Addr)) // a worker gets no SIGXFSZ
}

func prepFtruncate(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	return reserved(uint64(s.OpFlags), s.Addr, uint64(s.Len), uint64(s.BufIndex), uint64(s.SpliceFD), s.Addr3)
}

func issueFtruncate(t *kernel.Task, q *ioRequest) (int64, error) {
	return 0, raiseFileLimit(t, q.file.Truncate(t, int64(q.sqe.Off)))
}

func prepFadvise(_ *kernel.Task, q *ioRequest) error {
	return reserved(uint64(q.sqe.BufIndex), uint64(q.sqe.SpliceFD))
}

func issueFadvise(_ *kernel.Task, q *ioRequest) (int64, error) {
	n := int64(q.sqe.Addr)
	if n == 0 {
		n = int64(q.sqe.Len)
	}
	return 0, fadvise(q.file, n, int32(q.sqe.OpFlags))
}

func prepMadvise(_ *kernel.Task, q *ioRequest) error {
	return reserved(uint64(q.sqe.BufIndex), uint64(q.sqe.SpliceFD))
}

func issueMadvise(t *kernel.Task, q *ioRequest) (int64, error) {
	n := q.sqe.Off
	if n == 0 {
		n = uint64(q.sqe.Len)
	}
	return 0, t.MM().Advise(addr.Addr(q.sqe.Addr), n, int32(q.sqe.OpFlags))
}

// prepOpen is what the two opens have in common.
func prepOpen(t *kernel.Task, q *ioRequest) (err error) {
	s := &q.sqe
	if s.BufIndex != 0 {
		return errno.EINVAL
	}
	if err := unusedFD(q); err != nil {
		return err
	}
	if q.path, err = t.CopyInPath(addr.Addr(s.Addr)); err != nil {
		return err
	}
	if s.SpliceFD != 0 && q.how.Flags&linux.O_CLOEXEC != 0 {
		return errno.EINVAL
	}
	// What changes the file system is left to a worker, as on Linux; the rest does not wait.
	q.blocks = q.force || q.how.Flags&(linux.O_CREAT|linux.O_TRUNC) != 0 || q.how.Flags&linux.O_TMPFILE == linux.O_TMPFILE
	return nil
}

func prepOpenat(t *kernel.Task, q *ioRequest) error {
	q.how = linux.OpenHow{Flags: uint64(q.sqe.OpFlags), Mode: uint64(q.sqe.Len) & linux.S_IALLUGO}
	return prepOpen(t, q)
}

func prepOpenat2(t *kernel.Task, q *ioRequest) error {
	if err := copyInExtensible(t, addr.Addr(q.sqe.Off), uint64(q.sqe.Len), uint64(q.how.SizeBytes()), &q.how); err != nil {
		return err
	}
	return prepOpen(t, q)
}

func issueOpenat(t *kernel.Task, q *ioRequest) (int64, error) {
	flags, err := knownOpenFlags(uint32(q.how.Flags))
	if err != nil {
		return 0, err
	}
	return q.open(t, flags)
}

func issueOpenat2(t *kernel.Task, q *ioRequest) (int64, error) {
	if err := checkOpenHow(&q.how); err != nil {
		return 0, err
	}
	return q.open(t, uint32(q.how.Flags))
}

func (q *ioRequest) open(t *kernel.Task, flags uint32) (int64, error) {
	ask := flags
	if !q.blocks {
		ask |= linux.O_NONBLOCK
	}
	f, err := openName(t, q.sqe.FD, q.path, ask, uint32(q.how.Mode), q.how.Resolve)
	if err == nil {
		err = completeOpen(t, f)
	}
	if err != nil {
		return 0, err
	}
	if ask != flags {
		if err := f.SetFlags(t, f.Flags()&^linux.O_NONBLOCK, -1); err != nil {
			f.DecRef()
			return 0, err
		}
	}
	return q.giveFile(t, f, flags)
}

func prepClose(_ *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(s.Off, s.Addr, uint64(s.Len), uint64(s.OpFlags), uint64(s.BufIndex)); err != nil {
		return err
	}
	if s.SpliceFD != 0 && s.FD != 0 {
		return errno.EINVAL
	}
	return unusedFD(q)
}

func issueClose(t *kernel.Task, q *ioRequest) (int64, error) {
	if q.sqe.SpliceFD != 0 {
		return 0, q.ring.closePlace(uint32(q.sqe.SpliceFD) - 1)
	}
	f, err := t.GetAnyFile(q.sqe.FD)
	if err != nil {
		return 0, err
	}
	isRing := ioRingOf(f) != nil
	f.DecRef()
	if isRing {
		return 0, errno.EBADF
	}
	return 0, t.CloseFD(q.sqe.FD)
}

func prepStatx(t *kernel.Task, q *ioRequest) (err error) {
	s := &q.sqe
	if err := reserved(uint64(s.BufIndex), uint64(s.SpliceFD)); err != nil {
		return err
	}
	if err := unusedFD(q); err != nil {
		return err
	}
	if s.Addr != 0 || s.OpFlags&linux.AT_EMPTY_PATH == 0 {
		q.path, err = t.CopyInPath(addr.Addr(s.Addr))
	}
	return err
}

func issueStatx(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	lf, err := statxFlags(s.OpFlags, s.Len)
	if err != nil {
		return 0, err
	}
	return 0, statx(t, s.FD, q.path, s.OpFlags, s.Len, lf, addr.Addr(s.Off))
}

// prepPaths reads one path, or two.
func prepPaths(t *kernel.Task, q *ioRequest, first, second uint64) (err error) {
	if err := unusedFD(q); err != nil {
		return err
	}
	if q.path, err = t.CopyInPath(addr.Addr(first)); err != nil || second == 0 {
		return err
	}
	q.path2, err = t.CopyInPath(addr.Addr(second))
	return err
}

func prepRenameat(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(uint64(s.BufIndex), uint64(s.SpliceFD)); err != nil {
		return err
	}
	return prepTwoPaths(t, q)
}

func prepTwoPaths(t *kernel.Task, q *ioRequest) error {
	if q.sqe.Off == 0 {
		return errno.EFAULT
	}
	return prepPaths(t, q, q.sqe.Addr, q.sqe.Off)
}

// betweenPaths calls fn with both paths of q. flags are for the first.
func (q *ioRequest) betweenPaths(t *kernel.Task, flags vfs.LookupFlags, fn func(s1 vfs.Path, p1 string, s2 vfs.Path, p2 string) error) error {
	return fromStart(t, q.sqe.FD, q.path, flags, func(s1 vfs.Path, p1 string) error {
		return fromStart(t, int32(q.sqe.Len), q.path2, 0, func(s2 vfs.Path, p2 string) error { return fn(s1, p1, s2, p2) })
	})
}

func issueRenameat(t *kernel.Task, q *ioRequest) (int64, error) {
	return 0, q.betweenPaths(t, 0, func(s1 vfs.Path, p1 string, s2 vfs.Path, p2 string) error {
		return t.Kernel().VFS.RenameAt(t, s1, p1, s2, p2, q.sqe.OpFlags)
	})
}

func prepLinkat(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(uint64(s.BufIndex), uint64(s.SpliceFD)); err != nil {
		return err
	}
	return prepTwoPaths(t, q)
}

func issueLinkat(t *kernel.Task, q *ioRequest) (int64, error) {
	flags := q.sqe.OpFlags
	lf, err := atFlags(flags, linux.AT_SYMLINK_FOLLOW|linux.AT_EMPTY_PATH)
	if err != nil {
		return 0, err
	}
	return 0, q.betweenPaths(t, lf, func(s1 vfs.Path, p1 string, s2 vfs.Path, p2 string) error {
		return link(t, q.sqe.FD, s1, p1, s2, p2, flags)
	})
}

func prepUnlinkat(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(s.Off, uint64(s.Len), uint64(s.BufIndex), uint64(s.SpliceFD)); err != nil {
		return err
	}
	if s.OpFlags&^linux.AT_REMOVEDIR != 0 {
		return errno.EINVAL
	}
	return prepPaths(t, q, s.Addr, 0)
}

func issueUnlinkat(t *kernel.Task, q *ioRequest) (int64, error) {
	return 0, fromStart(t, q.sqe.FD, q.path, 0, func(start vfs.Path, path string) error {
		if q.sqe.OpFlags&linux.AT_REMOVEDIR != 0 {
			return t.Kernel().VFS.RmdirAt(t, start, path)
		}
		return t.Kernel().VFS.UnlinkAt(t, start, path)
	})
}

func prepMkdirat(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(s.Off, uint64(s.OpFlags), uint64(s.BufIndex), uint64(s.SpliceFD)); err != nil {
		return err
	}
	return prepPaths(t, q, s.Addr, 0)
}

func issueMkdirat(t *kernel.Task, q *ioRequest) (int64, error) {
	return 0, fromStart(t, q.sqe.FD, q.path, 0, func(start vfs.Path, path string) error {
		return t.Kernel().VFS.MkdirAt(t, start, path, q.sqe.Len)
	})
}

func prepSymlinkat(t *kernel.Task, q *ioRequest) error {
	s := &q.sqe
	if err := reserved(uint64(s.Len), uint64(s.OpFlags), uint64(s.BufIndex), uint64(s.SpliceFD)); err != nil {
		return err
	}
	return prepTwoPaths(t, q)
}

func issueSymlinkat(t *kernel.Task, q *ioRequest) (int64, error) {
	return 0, fromStart(t, q.sqe.FD, q.path2, 0, func(start vfs.Path, path string) error {
		return t.Kernel().VFS.SymlinkAt(t, q.path, start, path)
	})
}

// prepXattr reads the name of an attribute, and with path of what.
func prepXattr(t *kernel.Task, q *ioRequest, path bool) (err error) {
	if path {
		if err := unusedFD(q); err != nil {
			return err
		}
	}
	if q.path2, err = xattrName(t, addr.Addr(q.sqe.Addr)); err != nil {
		return err
	}
	if path {
		q.path, err = t.CopyInPath(addr.Addr(q.sqe.Addr3))
	}
	return err
}

func prepAnySetxattr(t *kernel.Task, q *ioRequest, path bool) error {
	s := &q.sqe
	if s.OpFlags&^(linux.XATTR_CREATE|linux.XATTR_REPLACE) != 0 {
		return errno.EINVAL
	}
	if err := prepXattr(t, q, path); err != nil {
		return err
	}
	if s.Len > linux.XATTR_SIZE_MAX {
		return errno.E2BIG
	}
	q.bytes = make([]byte, s.Len)
	return t.CopyIn(addr.Addr(s.Off), q.bytes)
}

func prepFsetxattr(t *kernel.Task, q *ioRequest) error { return prepAnySetxattr(t, q, false) }
func prepSetxattr(t *kernel.Task, q *ioRequest) error  { return prepAnySetxattr(t, q, true) }

func prepFgetxattr(t *kernel.Task, q *ioRequest) error {
	if q.sqe.OpFlags != 0 {
		return errno.EINVAL
	}
	return prepXattr(t, q, false)
}

func prepGetxattr(t *kernel.Task, q *ioRequest) error {
	if q.sqe.OpFlags != 0 {
		return errno.EINVAL
	}
	return prepXattr(t, q, true)
}

// onXattr calls fn with the path whose attribute q means.
func (q *ioRequest) onXattr(t *kernel.Task, fn func(p vfs.Path) error) error {
	if q.op.file {
		return fn(q.file.Path)
	}
	return fromStart(t, linux.AT_FDCWD, q.path, 0, func(start vfs.Path, path string) error {
		p, err := t.Kernel().VFS.Resolve(t, start, path, vfs.LookupFollow)
		if err != nil {
			return err
		}
		defer p.DecRef()
		return fn(p)
	})
}

func issueSetxattr(t *kernel.Task, q *ioRequest) (int64, error) {
	return 0, q.onXattr(t, func(p vfs.Path) error {
		return t.Kernel().VFS.SetXattr(t, p, q.path2, q.bytes, q.sqe.OpFlags)
	})
}

func issueGetxattr(t *kernel.Task, q *ioRequest) (int64, error) {
	var value []byte
	err := q.onXattr(t, func(p vfs.Path) (err error) {
		value, err = t.Kernel().VFS.GetXattr(t, p, q.path2)
		return err
	})
	if err != nil {
		return 0, err
	}
	n, err := copyOutSized(t, addr.Addr(q.sqe.Off), uint64(q.sqe.Len), value)
	return int64(n), err
}

// spliceFrom returns the file that a splice or tee reads, which is the caller's to drop.
func (q *ioRequest) spliceFrom(t *kernel.Task) (*vfs.File, error) {
	f, err := q.ring.fileAt(t, q.sqe.SpliceFD, q.sqe.OpFlags&linux.SPLICE_F_FD_IN_FIXED != 0)
	if err != nil {
		return nil, err
	}
	if f.Readable() != nil || q.file.Writable() != nil {
		f.DecRef()
		return nil, errno.EBADF
	}
	return f, nil
}

func prepSplice(_ *kernel.Task, q *ioRequest) error {
	if q.sqe.OpFlags&^(spliceFlags|linux.SPLICE_F_FD_IN_FIXED) != 0 {
		return errno.EINVAL
	}
	return nil
}

func prepTee(t *kernel.Task, q *ioRequest) error {
	if err := reserved(q.sqe.Addr, q.sqe.Off); err != nil {
		return err
	}
	return prepSplice(t, q)
}

func issueSplice(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	from, err := q.spliceFrom(t)
	if err != nil {
		return 0, err
	}
	defer from.DecRef()
	var in, out *int64
	if v := int64(s.Addr); v != -1 {
		in = &v
	}
	if v := int64(s.Off); v != -1 {
		out = &v
	}
	n := uint64(0)
	if s.Len > 0 {
		n, err = splice(t, from, q.file, in, out, uint64(s.Len), s.OpFlags&^linux.SPLICE_F_FD_IN_FIXED)
	}
	q.failed = n != uint64(s.Len)
	return int64(n), err
}

func issueTee(t *kernel.Task, q *ioRequest) (int64, error) {
	s := &q.sqe
	from, err := q.spliceFrom(t)
	if err != nil {
		return 0, err
	}
	defer from.DecRef()
	n := uint64(0)
	if s.Len > 0 {
		n, err = tee(t, from, q.file, uint64(s.Len), s.OpFlags&^linux.SPLICE_F_FD_IN_FIXED)
	}
	q.failed = n != uint64(s.Len)
	return int64(n), err
}
