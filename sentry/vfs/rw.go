package vfs

import (
	"math"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/usermem"
)

// Read is read(2): from the file's position, which it moves. rwf are RWF_* flags. EAGAIN means
// wait, whatever O_NONBLOCK says.
func (f *File) Read(c Caller, dst *usermem.Sequence, rwf uint32) (int, error) {
	if err := f.mayAccessFanned(c); err != nil {
		return 0, err
	}
	if f.Mode&FModeSeek == 0 || f.Mode&FModeStream != 0 {
		return f.read(c, dst, 0, rwf)
	}
	f.PosMu.Lock()
	defer f.PosMu.Unlock()
	n, err := f.read(c, dst, f.Pos, rwf)
	f.Pos += int64(n)
	return n, err
}

// PRead is pread(2). ESPIPE if the file has no positions.
func (f *File) PRead(c Caller, dst *usermem.Sequence, off int64, rwf uint32) (int, error) {
	if off < 0 {
		return 0, errno.EINVAL
	}
	if f.Mode&FModeSeek == 0 && f.Mode&FModePath == 0 {
		return 0, errno.ESPIPE
	}
	if err := f.mayAccessFanned(c); err != nil {
		return 0, err
	}
	return f.read(c, dst, off, rwf)
}

func (f *File) read(c Caller, dst *usermem.Sequence, off int64, rwf uint32) (int, error) {
	if f.Mode&FModeRead == 0 {
		return 0, errno.EBADF
	}
	n := f.Inode()
	if n.Type() == linux.S_IFDIR {
		return 0, errno.EISDIR
	}
	l := dst.Len()
	if l > linux.MAX_RW_COUNT {
		dst.Limit(linux.MAX_RW_COUNT)
	}
	if n.Type() == linux.S_IFREG {
		if l == 0 {
			return 0, nil
		}
		if uint64(off)+l > math.MaxInt64 {
			return 0, errno.EINVAL
		}
	}
	done, err := f.Ops.Read(c, f, dst, off, rwf)
	if done > 0 {
		err = nil
		f.notify(c, linux.IN_ACCESS)
	}
	if err == nil && n.Type() == linux.S_IFREG && f.Flags()&linux.O_NOATIME == 0 {
		f.Path.Mount.v.touchAtime(c, f.Path, n)
	}
	return done, err
}

// Write is write(2). EFBIG with c.FileSizeLimit reached wants SIGXFSZ from the caller.
func (f *File) Write(c Caller, src *usermem.Sequence, rwf uint32) (int, error) {
	if f.Mode&FModeSeek == 0 || f.Mode&FModeStream != 0 {
		n, _, err := f.write(c, src, 0, rwf)
		return n, err
	}
	f.PosMu.Lock()
	defer f.PosMu.Unlock()
	n, end, err := f.write(c, src, f.Pos, rwf)
	if n > 0 {
		f.Pos = end
	}
	return n, err
}

// PWrite is pwrite(2). As in Linux, O_APPEND beats the offset.
func (f *File) PWrite(c Caller, src *usermem.Sequence, off int64, rwf uint32) (int, error) {
	if off < 0 {
		return 0, errno.EINVAL
	}
	if f.Mode&FModeSeek == 0 && f.Mode&FModePath == 0 {
		return 0, errno.ESPIPE
	}
	n, _, err := f.write(c, src, off, rwf)
	return n, err
}

// write returns how much it wrote and where that ended.
func (f *File) write(c Caller, src *usermem.Sequence, off int64, rwf uint32) (done int, end int64, err error) {
	if f.Mode&FModeWrite == 0 {
		return 0, 0, errno.EBADF
	}
	n := f.Inode()
	l := src.Len()
	if l > linux.MAX_RW_COUNT {
		src.Limit(linux.MAX_RW_COUNT)
		l = linux.MAX_RW_COUNT
	}
	if n.Type() == linux.S_IFREG {
		if l == 0 {
			return 0, off, nil
		}
		if uint64(off)+l > math.MaxInt64 {
			return 0, 0, errno.EINVAL
		}
		if app := f.Flags()&linux.O_APPEND != 0 && rwf&linux.RWF_NOAPPEND == 0 || rwf&linux.RWF_APPEND != 0; app {
			n.rw.Lock()
			defer n.rw.Unlock()
			a, err := attrOf(c, n)
			if err != nil {
				return 0, 0, err
			}
			off = a.Size
		}
		limit := min(c.FileSizeLimit(), math.MaxInt64)
		if uint64(off) >= limit {
			return 0, 0, errno.EFBIG
		}
		if room := limit - uint64(off); l > room {
			src.Limit(room)
		}
		if n.mode.Load()&(linux.S_ISUID|linux.S_ISGID) != 0 {
			if err := f.dropPrivs(c, n); err != nil {
				return 0, 0, err
			}
		}
	}
	done, err = f.Ops.Write(c, f, src, off, rwf)
	if done > 0 {
		err = nil
		f.notify(c, linux.IN_MODIFY)
		if n.Type() == linux.S_IFREG && (f.Flags()&linux.O_DSYNC != 0 || rwf&(linux.RWF_DSYNC|linux.RWF_SYNC) != 0) {
			err = f.Ops.Sync(c, f, rwf&linux.RWF_SYNC == 0 && f.Flags()&linux.O_SYNC != linux.O_SYNC)
			if err != nil {
				return 0, 0, err
			}
		}
	}
	return done, off + int64(done), err
}

// dropPrivs takes the set-id bits off a file that is written to (Linux's file_remove_privs).
func (f *File) dropPrivs(c Caller, n *Inode) error {
	a := n.Attr()
	mode := withoutPrivs(c, &a, false)
	if mode == a.Mode {
		return nil
	}
	err := n.Ops.SetAttr(c, n, SetAttr{Mask: SetMode | SetCtime, Mode: mode, Ctime: c.Now()})
	if err == nil {
		notifyPath(c, f.Path, linux.IN_ATTRIB)
	}
	return err
}

// Lseek is lseek(2).
func (f *File) Lseek(c Caller, off int64, whence int) (int64, error) {
	switch {
	case f.Mode&FModePath != 0:
		return 0, errno.EBADF
	case whence < 0 || whence > linux.SEEK_MAX:
		return 0, errno.EINVAL
	case f.Mode&FModeStill != 0:
		return 0, nil
	case f.Mode&FModeSeek == 0:
		return 0, errno.ESPIPE
	}
	f.PosMu.Lock()
	defer f.PosMu.Unlock()
	n := f.Inode()
	pos := off
	switch whence {
	case linux.SEEK_CUR:
		pos = f.Pos + off
	case linux.SEEK_END:
		if n.Type() != linux.S_IFREG && n.Type() != linux.S_IFBLK {
			break
		}
		a, err := attrOf(c, n)
		if err != nil {
			return 0, err
		}
		pos = a.Size + off
		whence = linux.SEEK_SET
	case linux.SEEK_DATA, linux.SEEK_HOLE:
		pos, err := f.Ops.Seek(c, f, off, whence)
		if err == errno.EINVAL && n.Type() == linux.S_IFREG {
			pos, err = seekWithoutHoles(c, n, off, whence)
		}
		if err == nil {
			f.Pos = pos
		}
		return pos, err
	}
	if whence == linux.SEEK_CUR {
		whence = linux.SEEK_SET
	}
	// Character devices decide for themselves: /dev/null and its like take any position.
	if pos < 0 && whence == linux.SEEK_SET && n.Type() != linux.S_IFCHR {
		return 0, errno.EINVAL
	}
	pos, err := f.Ops.Seek(c, f, pos, whence)
	if err != nil {
		return 0, err
	}
	f.Pos = pos
	return pos, nil
}

// seekWithoutHoles is SEEK_DATA and SEEK_HOLE where all is data.
func seekWithoutHoles(c Caller, n *Inode, off int64, whence int) (int64, error) {
	a, err := attrOf(c, n)
	if err != nil {
		return 0, err
	}
	if off < 0 || off >= a.Size {
		return 0, errno.ENXIO
	}
	if whence == linux.SEEK_HOLE {
		return a.Size, nil
	}
	return off, nil
}

// ReadDir calls emit for the entries from the file's position on, until emit returns false. ENOTDIR
// if f is no directory, ENOENT if it was removed. emit must not touch guest memory.
func (f *File) ReadDir(c Caller, emit func(Dirent) bool) error {
	n := f.Inode()
	if f.Mode&FModePath != 0 {
		return errno.EBADF
	}
	if n.Type() != linux.S_IFDIR {
		return errno.ENOTDIR
	}
	if err := f.fanAsk(c, linux.FAN_ACCESS_PERM); err != nil {
		return err
	}
	f.PosMu.Lock()
	defer f.PosMu.Unlock()
	n.rw.RLock()
	defer n.rw.RUnlock()
	if f.Path.Dentry.Deleted() {
		return errno.ENOENT
	}
	e := emitters.Get().(*emitter)
	e.f, e.emit = f, emit
	err := f.Ops.ReadDir(c, f, e.each)
	e.f, e.emit = nil, nil
	emitters.Put(e)
	f.notify(c, linux.IN_ACCESS)
	if f.Flags()&linux.O_NOATIME == 0 {
		f.Path.Mount.v.touchAtime(c, f.Path, n)
	}
	return err
}

// emitter moves the position of a directory behind what a reader has taken.
type emitter struct {
	f    *File
	emit func(Dirent) bool
	each func(Dirent) bool // the method one
}

var emitters = sync.Pool{New: func() any {
	e := new(emitter)
	e.each = e.one
	return e
}}

func (e *emitter) one(d Dirent) bool {
	if !e.emit(d) {
		return false
	}
	e.f.Pos = d.Next
	return true
}

// EmitDots emits "." and ".." for a file system's ReadDir, if the position is in front
// of them; they end at positions 1 and 2. It reports whether emit wants more.
func EmitDots(f *File, emit func(Dirent) bool) bool {
	d := f.Path.Dentry
	if f.Pos < 1 && !emit(Dirent{Ino: d.Inode().Ino(), Type: linux.DT_DIR, Name: ".", Next: 1}) {
		return false
	}
	if f.Pos < 2 && !emit(Dirent{Ino: f.Path.parentIno(), Type: linux.DT_DIR, Name: "..", Next: 2}) {
		return false
	}
	return true
}

// parentIno returns the inode number of "..".
func (p Path) parentIno() uint64 { return p.Dentry.Parent().Inode().Ino() }

// Truncate is ftruncate(2). EFBIG with c.FileSizeLimit reached wants SIGXFSZ from the caller.
func (f *File) Truncate(c Caller, size int64) error {
	n := f.Inode()
	if f.Mode&FModePath != 0 {
		return errno.EBADF
	}
	if size < 0 || n.Type() != linux.S_IFREG || f.Mode&FModeWrite == 0 {
		return errno.EINVAL
	}
	if n.Attr().Flags&linux.STATX_ATTR_APPEND != 0 {
		return errno.EPERM
	}
	if f.lacks&linux.LANDLOCK_ACCESS_FS_TRUNCATE != 0 {
		return errno.EACCES
	}
	return f.Path.Mount.v.truncate(c, f.Path, n, size, true)
}

// Fallocate is fallocate(2). EFBIG with c.FileSizeLimit reached wants SIGXFSZ from the caller.
func (f *File) Fallocate(c Caller, mode uint32, off, l int64) error {
	n := f.Inode()
	if off < 0 || l <= 0 {
		return errno.EINVAL
	}
	const known = linux.FALLOC_FL_KEEP_SIZE | linux.FALLOC_FL_PUNCH_HOLE | linux.FALLOC_FL_COLLAPSE_RANGE |
		linux.FALLOC_FL_ZERO_RANGE | linux.FALLOC_FL_INSERT_RANGE | linux.FALLOC_FL_UNSHARE_RANGE
	if mode&^known != 0 {
		return errno.EOPNOTSUPP
	}
	// The operations exclude each other, and punching keeps the size (vfs_fallocate).
	switch mode &^ linux.FALLOC_FL_KEEP_SIZE {
	case 0, linux.FALLOC_FL_ZERO_RANGE, linux.FALLOC_FL_UNSHARE_RANGE:
	case linux.FALLOC_FL_PUNCH_HOLE:
		if mode&linux.FALLOC_FL_KEEP_SIZE == 0 {
			return errno.EOPNOTSUPP
		}
	case linux.FALLOC_FL_COLLAPSE_RANGE, linux.FALLOC_FL_INSERT_RANGE:
		if mode&linux.FALLOC_FL_KEEP_SIZE != 0 {
			return errno.EINVAL
		}
	default:
		return errno.EOPNOTSUPP
	}
	if f.Mode&FModeWrite == 0 {
		return errno.EBADF
	}
	a := n.Attr()
	switch {
	case mode&^linux.FALLOC_FL_KEEP_SIZE != 0 && a.Flags&linux.STATX_ATTR_APPEND != 0, a.Flags&linux.STATX_ATTR_IMMUTABLE != 0:
		return errno.EPERM
	case n.Type() == linux.S_IFIFO:
		return errno.ESPIPE
	case n.Type() == linux.S_IFDIR:
		return errno.EISDIR
	case n.Type() != linux.S_IFREG:
		return errno.ENODEV
	case off > math.MaxInt64-l:
		return errno.EFBIG
	case mode&(linux.FALLOC_FL_KEEP_SIZE|linux.FALLOC_FL_PUNCH_HOLE) == 0 && uint64(off+l) > c.FileSizeLimit() && off+l > a.Size:
		return errno.EFBIG
	}
	n.rw.Lock()
	err := f.Ops.Fallocate(c, f, mode, off, l)
	n.rw.Unlock()
	if err == nil {
		f.notify(c, linux.IN_MODIFY)
	}
	return err
}

// Sync is fsync(2), or fdatasync(2) if dataOnly.
func (f *File) Sync(c Caller, dataOnly bool) error {
	if f.Mode&FModePath != 0 {
		return errno.EBADF
	}
	return f.Ops.Sync(c, f, dataOnly)
}
