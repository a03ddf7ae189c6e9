package tmpfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// regular is an open regular file.
type regular struct {
	vfs.BaseFile
	n *node
}

func (r *regular) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, off int64, _ uint32) (int, error) {
	return r.n.store.Read(dst, uint64(off))
}

func (r *regular) Write(c vfs.Caller, _ *vfs.File, src *usermem.Sequence, off int64, _ uint32) (int, error) {
	n := r.n
	n.mu.Lock()
	defer n.mu.Unlock()
	m, err := n.store.Write(src, uint64(off))
	if m > 0 {
		now := c.Now()
		n.inode.Update(func(a *vfs.Attr) {
			a.Mtime, a.Ctime = now, now
			n.sizeLocked(a)
		})
	}
	return m, err
}

func (r *regular) Seek(_ vfs.Caller, _ *vfs.File, off int64, whence int) (int64, error) {
	switch whence {
	case linux.SEEK_DATA, linux.SEEK_HOLE:
		if off < 0 {
			return 0, errno.ENXIO
		}
		pos, err := r.n.store.Seek(uint64(off), whence == linux.SEEK_HOLE)
		return int64(pos), err
	}
	return off, nil
}

func (r *regular) Mappable(vfs.Caller, *vfs.File) (mappable.Mappable, error) { return r.n.store, nil }

func (r *regular) Sync(vfs.Caller, *vfs.File, bool) error { return nil }

func (r *regular) Fallocate(c vfs.Caller, _ *vfs.File, mode uint32, off, l int64) error {
	n := r.n
	n.mu.Lock()
	defer n.mu.Unlock()
	var err error
	switch mode {
	case 0, linux.FALLOC_FL_KEEP_SIZE:
		err = n.store.Allocate(uint64(off), uint64(l), mode != 0)
	case linux.FALLOC_FL_PUNCH_HOLE | linux.FALLOC_FL_KEEP_SIZE:
		err = n.store.PunchHole(uint64(off), uint64(l))
	default:
		return errno.EOPNOTSUPP
	}
	now := c.Now()
	n.inode.Update(func(a *vfs.Attr) {
		a.Mtime, a.Ctime = now, now
		n.sizeLocked(a)
	})
	return err
}

// Seals and AddSeals are F_GET_SEALS and F_ADD_SEALS of fcntl(2).
func (r *regular) Seals() uint32 { return r.n.store.Seals() }

func (r *regular) AddSeals(seals uint32) error {
	if seals&linux.F_SEAL_EXEC != 0 && r.n.inode.Attr().Mode&0o111 != 0 {
		// No x bit may be changed any more; what is executable can't be written either.
		seals |= linux.F_SEAL_SHRINK | linux.F_SEAL_GROW | linux.F_SEAL_WRITE | linux.F_SEAL_FUTURE_WRITE
	}
	return r.n.store.AddSeals(seals)
}

// Memfds makes files for memfd_create(2). One per kernel.
type Memfds struct {
	v *vfs.VFS
	s *super
}

// NewMemfds returns a Memfds whose pages come from mf.
func NewMemfds(v *vfs.VFS, mf *memfile.File) *Memfds {
	s := newSuper("tmpfs", mf, options{mode: 0o1777})
	s.sb.Dev = v.NewDev()
	return &Memfds{v, s}
}

// New returns an open memfd. With sealable it has no seals yet, else F_SEAL_SEAL. mode holds the
// permission bits: 0777, or 0666 with MFD_NOEXEC_SEAL.
func (m *Memfds) New(c vfs.Caller, name string, mode uint32, sealable bool) *vfs.File {
	m.s.inodes.Add(1)
	cr := c.Creds()
	n := m.s.newNode(c, vfs.Attr{Mode: mode&linux.S_IRWXUGO | linux.S_IFREG, UID: cr.FSUID, GID: cr.FSGID})
	if sealable {
		n.store.SetSeals(0)
	}
	return m.v.NewInodeFile(n.inode, "/memfd:"+name+" (deleted)", &n.file,
		linux.O_RDWR|linux.O_LARGEFILE, vfs.FModeRead|vfs.FModeWrite|vfs.FModeSeek, c.Creds())
}
