package goferfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/hostcall"
	"ringfence/sentry/mappable"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// file is an open regular file. It has no state of its own: all open files of a node
// share one, and one descriptor.
type file struct {
	vfs.BaseFile
	n *node
}

// fd returns the descriptor, which is there as long as the file is open.
func (o *file) fd() hostcall.FD { return o.n.host.Load().FD() }

// Release implements vfs.FileOps.
func (o *file) Release(f *vfs.File) {
	if f.Mode&vfs.FModeWrite != 0 {
		o.n.refresh() // Stores to a mapping change times too.
	}
	o.n.close()
}

// Read implements vfs.FileOps: the host reads straight into guest memory.
func (o *file) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, off int64, _ uint32) (int, error) {
	fd := o.fd()
	return dst.Fill(dst.Len(), func(blocks [][]byte) (int, error) {
		var n int
		var err error
		if len(blocks) == 1 {
			n, err = hostcall.Pread(fd, blocks[0], off)
		} else {
			n, err = hostcall.Preadv(fd, blocks, off)
		}
		off += int64(n)
		return n, err
	})
}

// Write implements vfs.FileOps.
func (o *file) Write(_ vfs.Caller, f *vfs.File, src *usermem.Sequence, off int64, flags uint32) (int, error) {
	fd := o.fd()
	total, err := src.Drain(src.Len(), func(blocks [][]byte) (int, error) {
		var n int
		var err error
		if len(blocks) == 1 {
			n, err = hostcall.Pwrite(fd, blocks[0], off)
		} else {
			n, err = hostcall.Pwritev(fd, blocks, off)
		}
		off += int64(n)
		return n, err
	})
	if total > 0 {
		o.n.refresh()
		if s := f.Flags(); s&linux.O_DSYNC != 0 || flags&(linux.RWF_DSYNC|linux.RWF_SYNC) != 0 {
			dataOnly := s&linux.O_SYNC != linux.O_SYNC && flags&linux.RWF_SYNC == 0
			if serr := o.Sync(nil, f, dataOnly); err == nil {
				err = serr
			}
		}
	}
	return total, err
}

// Seek implements vfs.FileOps. The descriptor's own position means nothing: nobody uses it.
func (o *file) Seek(c vfs.Caller, f *vfs.File, off int64, whence int) (int64, error) {
	if whence != linux.SEEK_DATA && whence != linux.SEEK_HOLE {
		return o.BaseFile.Seek(c, f, off, whence)
	}
	if off < 0 {
		return 0, errno.ENXIO
	}
	return hostcall.Lseek(o.fd(), off, whence)
}

// Mappable implements vfs.FileOps.
func (o *file) Mappable(vfs.Caller, *vfs.File) (mappable.Mappable, error) { return o.n, nil }

// Sync implements vfs.FileOps.
func (o *file) Sync(_ vfs.Caller, _ *vfs.File, dataOnly bool) error {
	if dataOnly {
		return hostcall.Fdatasync(o.fd())
	}
	return hostcall.Fsync(o.fd())
}

// Fallocate implements vfs.FileOps.
func (o *file) Fallocate(_ vfs.Caller, _ *vfs.File, mode uint32, off, n int64) error {
	err := hostcall.Fallocate(o.fd(), mode, off, n)
	if err == nil {
		o.n.refresh()
	}
	return err
}
