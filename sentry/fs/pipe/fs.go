package pipe

import (
	"fmt"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/vfs"
)

// FS is pipefs: the superblock of anonymous pipes, and the pipes of open FIFOs.
type FS struct {
	v  *vfs.VFS
	sb *vfs.Superblock

	mu sync.Mutex
	// fifos holds the pipe of each FIFO that is open. The open files refer to the inodes.
	fifos map[*vfs.Inode]*Pipe
}

// NewFS returns the pipefs of v.
func NewFS(v *vfs.VFS) *FS {
	sb := vfs.NewSuperblock("pipefs", linux.PIPEFS_MAGIC, 0, vfs.BaseSuper{})
	sb.Dev = v.NewDev()
	return &FS{v: v, sb: sb, fifos: make(map[*vfs.Inode]*Pipe)}
}

// inodeOps is the InodeOps of an anonymous pipe: opened through /proc/PID/fd, it gives
// another end of the same pipe.
type inodeOps struct {
	vfs.BaseInode
	fs   *FS
	pipe *Pipe
}

func (o *inodeOps) Open(c vfs.Caller, _ *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	return openEnd(o.fs, o.pipe, nil, flags)
}

// SetAttr lets fchmod and fchown have their way, as Linux does.
func (o *inodeOps) SetAttr(_ vfs.Caller, n *vfs.Inode, s vfs.SetAttr) error {
	n.Update(func(a *vfs.Attr) {
		if s.Mask&vfs.SetMode != 0 {
			a.Mode = a.Mode&linux.S_IFMT | s.Mode&^linux.S_IFMT
		}
		if s.Mask&vfs.SetUID != 0 {
			a.UID = s.UID
		}
		if s.Mask&vfs.SetGID != 0 {
			a.GID = s.GID
		}
		if s.Mask&vfs.SetAtime != 0 {
			a.Atime = s.Atime
		}
		if s.Mask&vfs.SetMtime != 0 {
			a.Mtime = s.Mtime
		}
		if s.Mask&vfs.SetCtime != 0 {
			a.Ctime = s.Ctime
		}
	})
	return nil
}

// New is pipe2(2): it makes a pipe and opens its ends. flags may hold O_NONBLOCK and O_DIRECT.
func (fs *FS) New(c vfs.Caller, flags uint32) (r, w *vfs.File) {
	p := newPipe()
	now, cred := c.Now(), c.Creds()
	n := vfs.NewInode(fs.sb, &inodeOps{fs: fs, pipe: p}, vfs.Attr{
		Mode: linux.S_IFIFO | 0o600, Nlink: 1, UID: cred.FSUID, GID: cred.FSGID, BlkSize: page,
		Atime: now, Mtime: now, Ctime: now, Btime: now,
	})
	re := p.open(fs, nil, true, false)
	we := p.open(fs, nil, false, true)
	re.peered = true
	n.IncRef()
	r = fs.v.NewInodeFile(n, "", re, flags|linux.O_RDONLY, vfs.FModeRead|vfs.FModeStream, cred)
	w = fs.v.NewInodeFile(n, "", we, flags|linux.O_WRONLY, vfs.FModeWrite|vfs.FModeStream, cred)
	return r, w
}

// OpenFIFO opens the FIFO n, as vfs.SpecialFiles does. See fifo(7).
func (fs *FS) OpenFIFO(_ vfs.Caller, n *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	p := fs.fifos[n]
	if p == nil {
		p = newPipe()
	}
	e, err := openEnd(fs, p, n, flags)
	if err != nil {
		return nil, err
	}
	fs.fifos[n] = p
	return e, nil
}

func openEnd(fs *FS, p *Pipe, n *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	var read, write bool
	switch flags & linux.O_ACCMODE {
	case linux.O_RDONLY:
		read = true
	case linux.O_WRONLY:
		write = true
	case linux.O_RDWR:
		read, write = true, true
	default:
		return nil, errno.EINVAL
	}
	if n != nil && write && !read && flags&linux.O_NONBLOCK != 0 {
		p.mu.Lock()
		none := p.readers == 0
		p.mu.Unlock()
		if none {
			return nil, errno.ENXIO
		}
	}
	e := p.open(fs, n, read, write)
	e.nonblock = flags&linux.O_NONBLOCK != 0
	return e, nil
}

func identity(n *vfs.Inode) string { return fmt.Sprintf("pipe:[%d]", n.Ino()) }
