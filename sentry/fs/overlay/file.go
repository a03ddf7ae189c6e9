package overlay

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/mappable"
	"ringfence/sentry/pagestore"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

func (n *node) Open(c vfs.Caller, _ *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	switch n.inode.Type() {
	case linux.S_IFREG:
		f := &file{n: n}
		if l := n.lower(); l != nil && n.store.Load() == nil {
			var err error
			if f.lower, err = n.openLower(c, l); err != nil {
				return nil, err
			}
		}
		return f, nil
	case linux.S_IFDIR:
		return &dirFile{n: n}, nil
	}
	return nil, errno.ENXIO
}

// lowerFile is an open file of a lower file system.
type lowerFile struct {
	ops vfs.FileOps // nil if it is not open
	f   *vfs.File
}

func (l *lowerFile) open(c vfs.Caller, i *vfs.Inode, flags uint32) error {
	ops, err := i.Ops.Open(c, i, flags)
	if err != nil {
		return err
	}
	l.ops = ops
	// This dentry and this file are only looked at, by the operations; they are never
	// released, so they need no references of their own.
	l.f = vfs.NewFile(ops, vfs.Path{Dentry: vfs.NewRootDentry(i.SB, i, "/")}, flags, vfs.FModeRead|vfs.FModeSeek, c.Creds())
	return nil
}

// openLower opens the lower file l of n for reading. It shows the operations of all its open files the
// same vfs.File, which tells them no more than inode and mode.
func (n *node) openLower(c vfs.Caller, l *vfs.Inode) (lowerFile, error) {
	shown := n.shown.Load()
	if shown == nil {
		var lf lowerFile
		err := lf.open(c, l, linux.O_RDONLY)
		if err == nil {
			n.shown.Store(lf.f)
		}
		return lf, err
	}
	ops, err := l.Ops.Open(c, l, linux.O_RDONLY)
	return lowerFile{ops, shown}, err
}

func (l *lowerFile) close() {
	if l.ops != nil {
		l.ops.Release(l.f)
	}
}

// file is an open regular file. It reads from the lower file until the node has a store.
type file struct {
	vfs.BaseFile
	n     *node
	lower lowerFile
}

func (o *file) Release(*vfs.File) { o.lower.close() }

func (o *file) Read(c vfs.Caller, _ *vfs.File, dst *usermem.Sequence, off int64, flags uint32) (int, error) {
	if st := o.n.store.Load(); st != nil {
		return st.Read(dst, uint64(off))
	}
	if o.lower.ops == nil {
		return 0, nil // made here, and nothing written yet
	}
	return o.lower.ops.Read(c, o.lower.f, dst, off, flags)
}

// change calls fn with the store and notes the change.
func (o *file) change(c vfs.Caller, fn func(st *pagestore.Store) (int, error)) (int, error) {
	n := o.n
	n.write.Lock()
	defer n.write.Unlock()
	st, err := n.copyUp(c, math.MaxInt64)
	if err != nil {
		return 0, err
	}
	done, err := fn(st)
	if done > 0 {
		now := c.Now()
		n.inode.Update(func(a *vfs.Attr) {
			a.Mtime, a.Ctime = now, now
			n.size(a)
		})
	}
	return done, err
}

func (o *file) Write(c vfs.Caller, _ *vfs.File, src *usermem.Sequence, off int64, _ uint32) (int, error) {
	return o.change(c, func(st *pagestore.Store) (int, error) { return st.Write(src, uint64(off)) })
}

func (o *file) Fallocate(c vfs.Caller, _ *vfs.File, mode uint32, off, l int64) error {
	_, err := o.change(c, func(st *pagestore.Store) (int, error) {
		switch mode {
		case 0, linux.FALLOC_FL_KEEP_SIZE:
			return 1, st.Allocate(uint64(off), uint64(l), mode != 0)
		case linux.FALLOC_FL_PUNCH_HOLE | linux.FALLOC_FL_KEEP_SIZE:
			return 1, st.PunchHole(uint64(off), uint64(l))
		}
		return 0, errno.EOPNOTSUPP
	})
	return err
}

func (o *file) Seek(c vfs.Caller, f *vfs.File, off int64, whence int) (int64, error) {
	if whence != linux.SEEK_DATA && whence != linux.SEEK_HOLE {
		return o.BaseFile.Seek(c, f, off, whence)
	}
	if off < 0 {
		return 0, errno.ENXIO
	}
	if st := o.n.store.Load(); st != nil {
		pos, err := st.Seek(uint64(off), whence == linux.SEEK_HOLE)
		return int64(pos), err
	}
	if o.lower.ops == nil {
		return 0, errno.ENXIO
	}
	return o.lower.ops.Seek(c, o.lower.f, off, whence)
}

// Mappable returns the store, or, of a file that is only read and was not changed, what the lower file has:
// such a mapping goes on showing the old contents if the file is written later, as on Linux.
func (o *file) Mappable(c vfs.Caller, f *vfs.File) (mappable.Mappable, error) {
	if st := o.n.store.Load(); st != nil {
		return st, nil
	}
	if f.Mode&vfs.FModeWrite == 0 && o.lower.ops != nil {
		return o.lower.ops.Mappable(c, o.lower.f)
	}
	o.n.write.Lock()
	defer o.n.write.Unlock()
	return o.n.copyUp(c, math.MaxInt64)
}

func (o *file) Sync(vfs.Caller, *vfs.File, bool) error { return nil }

// copyChunk is how much is copied up at a time.
const copyChunk = 256 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyChunk]byte) }}

// fill copies the first size bytes of the file l to st. Pages of zeros become holes.
func fill(c vfs.Caller, st *pagestore.Store, l *vfs.Inode, size int64) error {
	if size <= 0 {
		return nil
	}
	var lf lowerFile
	if err := lf.open(c, l, linux.O_RDONLY); err != nil {
		return err
	}
	defer lf.close()
	buf := copyBuffers.Get().(*[copyChunk]byte)
	defer copyBuffers.Put(buf)
	for off := int64(0); off < size; {
		b := buf[:min(copyChunk, size-off)]
		dst := usermem.FromBytes(b)
		n, err := lf.ops.Read(c, lf.f, &dst, off, 0)
		if err != nil {
			return err
		}
		if n == 0 {
			break // shorter than it said
		}
		for b = b[:n]; len(b) > 0; {
			// A run of pages that are all zeros, or all not.
			zero := isZero(b[:min(addr.PageSize, len(b))])
			end := min(addr.PageSize, len(b))
			for end < len(b) && isZero(b[end:min(end+addr.PageSize, len(b))]) == zero {
				end = min(end+addr.PageSize, len(b))
			}
			if !zero {
				src := usermem.FromBytes(b[:end])
				if m, err := st.Write(&src, uint64(off)); m < end {
					if err == nil {
						err = errno.EIO
					}
					return err
				}
			}
			off += int64(end)
			b = b[end:]
		}
	}
	return st.Truncate(uint64(size))
}

func isZero(b []byte) bool {
	for len(b) >= 8 {
		if b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7] != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// dirFile is an open directory. It shows the names that were there when reading began at the start.
type dirFile struct {
	vfs.BaseFile
	n    *node
	list []vfs.Dirent // guarded by the file's position lock
	read bool
}

// firstPos is where names begin, behind "." and "..".
const firstPos = 2

func (d *dirFile) ReadDir(c vfs.Caller, f *vfs.File, emit func(vfs.Dirent) bool) error {
	if f.Pos == 0 || !d.read {
		list, err := d.n.names(c)
		if err != nil {
			return err
		}
		d.list, d.read = list, true
	}
	if !vfs.EmitDots(f, emit) {
		return nil
	}
	for i := f.Pos - firstPos; i < int64(len(d.list)); i++ {
		e := d.list[i]
		e.Next = firstPos + i + 1
		if !emit(e) {
			break
		}
	}
	return nil
}

func (d *dirFile) Sync(vfs.Caller, *vfs.File, bool) error { return nil }

// maxListed is the longest list that a directory keeps.
const maxListed = 1000

// names returns all entries but "." and "..". Nobody may change the list.
func (n *node) names(c vfs.Caller) ([]vfs.Dirent, error) {
	n.mu.RLock()
	list, seq := n.listed, n.seq
	n.mu.RUnlock()
	if list != nil {
		return list, nil
	}
	list, err := n.lowerNames(c)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	type named struct {
		name string
		addition
	}
	added := make([]named, 0, len(n.added))
	for name, a := range n.added {
		added = append(added, named{name, a})
	}
	slices.SortFunc(added, func(a, b named) int { return cmp.Compare(a.seq, b.seq) })
	for _, a := range added {
		list = append(list, vfs.Dirent{Ino: a.n.inode.Ino(), Type: linux.ModeToDT(a.n.inode.Type()), Name: a.name})
	}
	if seq == n.seq && len(list) <= maxListed {
		n.listed = list
	}
	return list, nil
}

// lowerNames returns the entries of the lowers that show.
func (n *node) lowerNames(c vfs.Caller) ([]vfs.Dirent, error) {
	var list []vfs.Dirent
	var seen map[string]bool
	for _, l := range n.lowers {
		var lf lowerFile
		if err := lf.open(c, l, linux.O_RDONLY|linux.O_DIRECTORY); err != nil {
			return nil, err
		}
		if len(n.lowers) > 1 && seen == nil {
			seen = make(map[string]bool)
		}
		whiteouts := false
		from := len(list)
		n.mu.RLock()
		err := lf.ops.ReadDir(c, lf.f, func(e vfs.Dirent) bool {
			lf.f.Pos = e.Next
			if e.Name == "." || e.Name == ".." || n.hidden[e.Name] || seen[e.Name] {
				return true
			}
			whiteouts = whiteouts || e.Type == linux.DT_CHR
			e.Ino = n.fs.ino(l.SB, e.Ino)
			list = append(list, e)
			return true
		})
		n.mu.RUnlock()
		lf.close()
		if err != nil {
			return nil, err
		}
		if seen == nil {
			continue
		}
		for _, e := range list[from:] {
			seen[e.Name] = true
		}
		if whiteouts {
			kept := list[:from]
			for _, e := range list[from:] {
				if e.Type == linux.DT_CHR {
					w, err := l.Ops.Lookup(c, l, e.Name)
					if err == nil {
						hides := isWhiteout(w)
						w.DecRef()
						if hides {
							continue
						}
					}
				}
				kept = append(kept, e)
			}
			list = kept
		}
	}
	return list, nil
}
