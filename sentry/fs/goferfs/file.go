package goferfs

import (
	"sync"

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

// transfer moves bytes between a descriptor and guest memory.
type transfer struct {
	fd          hostcall.FD
	off         int64
	read, write func(blocks [][]byte) (int, error) // the methods readBlocks and writeBlocks
}

// transfers keep their callbacks for the next one.
var transfers = sync.Pool{New: func() any {
	t := new(transfer)
	t.read, t.write = t.readBlocks, t.writeBlocks
	return t
}}

func (t *transfer) readBlocks(blocks [][]byte) (n int, err error) {
	if len(blocks) == 1 {
		n, err = hostcall.Pread(t.fd, blocks[0], t.off)
	} else {
		n, err = hostcall.Preadv(t.fd, blocks, t.off)
	}
	t.off += int64(n)
	return n, err
}

func (t *transfer) writeBlocks(blocks [][]byte) (n int, err error) {
	if len(blocks) == 1 {
		n, err = hostcall.Pwrite(t.fd, blocks[0], t.off)
	} else {
		n, err = hostcall.Pwritev(t.fd, blocks, t.off)
	}
	t.off += int64(n)
	return n, err
}

// Read implements vfs.FileOps: the host reads straight into guest memory.
func (o *file) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, off int64, _ uint32) (int, error) {
	t := transfers.Get().(*transfer)
	defer transfers.Put(t)
	t.fd, t.off = o.fd(), off
	return dst.Fill(dst.Len(), t.read)
}

// Write implements vfs.FileOps.
func (o *file) Write(_ vfs.Caller, f *vfs.File, src *usermem.Sequence, off int64, flags uint32) (int, error) {
	t := transfers.Get().(*transfer)
	defer transfers.Put(t)
	t.fd, t.off = o.fd(), off
	total, err := src.Drain(src.Len(), t.write)
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
