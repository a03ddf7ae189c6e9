// Package hostfd shows host descriptors that the sentry was given, such as its
// standard input and output, to guests as open files.
//
// A host descriptor is an open file that other host processes share, so its
// O_NONBLOCK is left alone. Instead an operation that could block asks ppoll(2) first and
// moves so little that it does not block after that. Who waits is woken by one
// goroutine of the Set, which sleeps in epoll_wait(2); a descriptor is watched only
// from when an operation found it not ready until it is.
//
// A host file of the regular type has one position, which all processes share; the guest's
// position is written back to it after each read and write.
//
// Lock order: Set.mu is a leaf.
package hostfd

import (
	"fmt"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/hostcall"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// chunk is how much can be written to a pipe or terminal that poll says is
// writable (PIPE_BUF).
const chunk = 4096

// Set holds the host descriptors of one sandbox and wakes those who wait for them.
type Set struct {
	// Immutable after New.
	vfs   *vfs.VFS
	sb    *vfs.Superblock
	epoll hostcall.FD

	mu    sync.Mutex
	hosts map[hostcall.FD]*host // watched by epoll; guarded by mu
}

// New returns an empty set and starts its goroutine, which ends with Close.
func New(v *vfs.VFS) (*Set, error) {
	ep, err := hostcall.EpollCreate()
	if err != nil {
		return nil, fmt.Errorf("make epoll instance: %w", err)
	}
	s := &Set{
		vfs: v, epoll: ep, hosts: make(map[hostcall.FD]*host),
		sb: vfs.NewSuperblock("hostfd", linux.ANON_INODE_FS_MAGIC, vfs.SBDynamicAttr, vfs.BaseSuper{}),
	}
	s.sb.Dev = v.NewDev()
	go s.run(ep)
	return s, nil
}

// Close stops waking waiters.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoll != hostcall.NoFD {
		// The goroutine finds out when the event that this arms has come.
		r, w, err := hostcall.Pipe2(hostcall.O_CLOEXEC)
		if err == nil {
			hostcall.EpollCtl(s.epoll, hostcall.EPOLL_CTL_ADD, r, &hostcall.EpollEvent{Events: hostcall.EPOLLIN, Fd: -1})
			hostcall.Close(w)
		}
		s.epoll = hostcall.NoFD
	}
}

func (s *Set) run(ep hostcall.FD) {
	events := make([]hostcall.EpollEvent, 16)
	for {
		n, err := hostcall.EpollWait(ep, events, hostcall.Forever)
		if err != nil && err != errno.EINTR {
			panic(fmt.Sprintf("hostfd: epoll_wait: %v", err))
		}
		for _, e := range events[:n] {
			if e.Fd == -1 {
				hostcall.Close(ep)
				return
			}
			s.mu.Lock()
			h := s.hosts[hostcall.FD(e.Fd)]
			if h != nil {
				h.armed = 0
			}
			s.mu.Unlock()
			if h != nil {
				h.queue.Notify(fromHost(e.Events))
			}
		}
	}
}

// fromHost converts EPOLL* conditions, whose low bits are POLL*'s.
func fromHost(events uint32) wait.Mask {
	m := wait.Mask(events) & wait.All
	if m&wait.In != 0 {
		m |= wait.RdNorm
	}
	if m&wait.Out != 0 {
		m |= wait.WrNorm
	}
	return m
}

// Open returns a guest file for fd, which it owns from then on. cred is who is said
// to have opened it.
func (s *Set) Open(fd hostcall.FD, cred *creds.Credentials) (*vfs.File, error) {
	st, err := hostcall.Fstat(fd)
	if err != nil {
		return nil, fmt.Errorf("host descriptor %d: %w", fd, err)
	}
	flags, err := hostcall.Fcntl(fd, linux.F_GETFL, 0)
	if err != nil {
		return nil, fmt.Errorf("host descriptor %d: %w", fd, err)
	}
	h := &host{set: s, fd: fd, kind: st.Mode & linux.S_IFMT}
	pos := int64(0)
	switch h.kind {
	case linux.S_IFREG, linux.S_IFBLK:
		h.seekable = true
		if pos, err = hostcall.Lseek(fd, 0, linux.SEEK_CUR); err != nil {
			return nil, fmt.Errorf("host descriptor %d: %w", fd, err)
		}
	case linux.S_IFDIR:
	default:
		_, err := hostcall.Ioctl(fd, linux.TCGETS, make([]byte, termiosSize))
		h.tty = err == nil
	}
	mode := uint32(0)
	switch flags & linux.O_ACCMODE {
	case linux.O_RDONLY:
		mode = vfs.FModeRead
	case linux.O_WRONLY:
		mode = vfs.FModeWrite
	default:
		mode = vfs.FModeRead | vfs.FModeWrite
	}
	h.mode = mode
	if h.seekable {
		mode |= vfs.FModeSeek
	} else if h.kind != linux.S_IFDIR {
		mode |= vfs.FModeStream
	}
	n := vfs.NewInode(s.sb, inode{host: h}, attr(&st))
	h.ino = n.Ino()
	keep := uint32(flags) & (linux.O_ACCMODE | linux.O_APPEND)
	f := s.vfs.NewInodeFile(n, "host", h.open(true), keep, mode, cred)
	f.Pos = pos
	return f, nil
}

// arm watches h until it is ready for one of mask, and reports whether somebody will be
// woken: regular files are always ready.
func (s *Set) arm(h *host, mask uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoll == hostcall.NoFD {
		return false
	}
	if h.armed&mask == mask {
		return true
	}
	mask |= h.armed
	op := hostcall.EPOLL_CTL_MOD
	if s.hosts[h.fd] == nil {
		op = hostcall.EPOLL_CTL_ADD
	}
	ev := hostcall.EpollEvent{Events: mask | hostcall.EPOLLONESHOT, Fd: int32(h.fd)}
	if err := hostcall.EpollCtl(s.epoll, op, h.fd, &ev); err != nil {
		return false
	}
	s.hosts[h.fd] = h
	h.armed = mask
	return true
}

func (s *Set) forget(h *host) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts[h.fd] == h {
		delete(s.hosts, h.fd)
		if s.epoll != hostcall.NoFD {
			hostcall.EpollCtl(s.epoll, hostcall.EPOLL_CTL_DEL, h.fd, nil)
		}
	}
}

// inode asks the host for attributes and changes nothing.
type inode struct {
	vfs.BaseInode
	*host
}

func attr(st *hostcall.Stat) vfs.Attr {
	return vfs.Attr{
		Mode: st.Mode, Nlink: uint32(st.Nlink), UID: creds.UID(st.Uid), GID: creds.GID(st.Gid), Rdev: st.Rdev,
		Size: st.Size, Blocks: st.Blocks, BlkSize: uint32(st.Blksize),
		Atime: st.Atim.Nano(), Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Btime: st.Ctim.Nano(),
	}
}

// GetAttr implements vfs.InodeOps.
func (i inode) GetAttr(_ vfs.Caller, n *vfs.Inode) (vfs.Attr, error) {
	st, err := hostcall.Fstat(i.fd)
	if err != nil {
		return n.Attr(), nil // The file is being closed.
	}
	a := attr(&st)
	a.Ino = n.Ino()
	return a, nil
}

// SetAttr implements vfs.InodeOps: only a length can be set.
func (i inode) SetAttr(_ vfs.Caller, _ *vfs.Inode, s vfs.SetAttr) error {
	if s.Mask&^(vfs.SetSize|vfs.SetMtime|vfs.SetCtime) != 0 {
		return errno.EPERM
	}
	if s.Mask&vfs.SetSize != 0 {
		return hostcall.Ftruncate(i.fd, s.Size)
	}
	return nil
}

// Open implements vfs.InodeOps: /dev/stdin and the like open the descriptor again, for no more
// than it was opened for.
func (i inode) Open(_ vfs.Caller, _ *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	var want uint32
	switch flags & linux.O_ACCMODE {
	case linux.O_RDONLY:
		want = vfs.FModeRead
	case linux.O_WRONLY:
		want = vfs.FModeWrite
	default:
		want = vfs.FModeRead | vfs.FModeWrite
	}
	switch {
	case i.kind == linux.S_IFSOCK:
		return nil, errno.ENXIO
	case want&^i.mode != 0:
		return nil, errno.EACCES
	}
	return i.open(false), nil
}

// host is a host descriptor.
type host struct {
	// Immutable after Open.
	set      *Set
	fd       hostcall.FD
	kind     uint32 // S_IFMT bits
	mode     uint32 // FModeRead and FModeWrite
	tty      bool
	seekable bool
	ino      uint64

	refs  atomic.Int32 // open files
	queue wait.Queue
	armed uint32 // EPOLL* that are watched for; guarded by set.mu
}

// open returns the operations of one more open file. The first shares its position with the host.
func (h *host) open(first bool) *file {
	h.refs.Add(1)
	return &file{host: h, first: first}
}

// file is an open file. It implements vfs.FileOps and vfs.FileIdentity.
type file struct {
	vfs.BaseFile
	*host
	first bool
}

// IdentityName implements vfs.FileIdentity.
func (f *file) IdentityName(*vfs.File) string {
	switch f.kind {
	case linux.S_IFIFO:
		return fmt.Sprintf("pipe:[%d]", f.ino)
	case linux.S_IFSOCK:
		return fmt.Sprintf("socket:[%d]", f.ino)
	}
	return fmt.Sprintf("host:[%d]", f.ino)
}

// Release implements vfs.FileOps.
func (f *file) Release(*vfs.File) {
	if f.refs.Add(-1) == 0 {
		f.set.forget(f.host)
		hostcall.Close(f.fd)
	}
}

// ready returns those of events that hold now.
func (f *file) ready(events int16) int16 {
	p := []hostcall.PollFd{{Fd: int32(f.fd), Events: events}}
	for {
		_, err := hostcall.Ppoll(p, 0)
		if err != errno.EINTR {
			return p[0].Revents
		}
	}
}

// wouldBlock reports whether the caller has to wait for events, and sees to it that it is woken.
// The file may have become ready just before it was armed; then epoll reports it at once.
func (f *file) wouldBlock(events int16) bool {
	return !f.seekable && f.ready(events) == 0 && f.set.arm(f.host, uint32(events))
}

// Read implements vfs.FileOps.
func (f *file) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, off int64, _ uint32) (int, error) {
	if f.kind == linux.S_IFDIR {
		return 0, errno.EISDIR
	}
	if dst.Len() == 0 {
		return 0, nil
	}
	if f.wouldBlock(hostcall.POLLIN) {
		return 0, errno.EAGAIN
	}
	if f.seekable {
		n, err := dst.Fill(dst.Len(), func(b [][]byte) (int, error) {
			n, err := hostcall.Preadv(f.fd, b, off)
			off += int64(n)
			return n, err
		})
		f.syncPos(off)
		return n, err
	}
	// One call moves what is there; a second one could block.
	total := 0
	_, err := dst.Fill(dst.Len(), func(b [][]byte) (int, error) {
		if total > 0 {
			return 0, nil
		}
		n, err := hostcall.Readv(f.fd, b)
		total = n
		return n, err
	})
	return total, err
}

// Write implements vfs.FileOps.
func (f *file) Write(_ vfs.Caller, _ *vfs.File, src *usermem.Sequence, off int64, _ uint32) (int, error) {
	if f.seekable {
		n, err := src.Drain(src.Len(), func(b [][]byte) (int, error) {
			n, err := hostcall.Pwritev(f.fd, b, off)
			off += int64(n)
			return n, err
		})
		f.syncPos(off)
		return n, err
	}
	if f.kind == linux.S_IFSOCK {
		return f.send(src)
	}
	total := 0
	for src.Len() > 0 {
		if f.wouldBlock(hostcall.POLLOUT) {
			if total == 0 {
				return 0, errno.EAGAIN
			}
			break
		}
		limit := src.Len()
		if f.kind == linux.S_IFIFO || f.tty {
			limit = min(limit, chunk)
		}
		done := false
		n, err := src.Drain(limit, func(b [][]byte) (int, error) {
			if done {
				return 0, nil
			}
			done = true
			return hostcall.Writev(f.fd, b)
		})
		total += n
		if err != nil {
			return total, err
		}
		if n == 0 {
			break
		}
	}
	return total, nil
}

// send writes to a socket, which can be told not to block.
func (f *file) send(src *usermem.Sequence) (int, error) {
	n, err := src.Drain(src.Len(), func(b [][]byte) (int, error) {
		return hostcall.SendmsgBuffers(f.fd, b, nil, hostcall.MSG_DONTWAIT)
	})
	if err == errno.EAGAIN && n == 0 {
		f.set.arm(f.host, hostcall.EPOLLOUT)
	}
	return n, err
}

// syncPos moves the host's position to where the guest's is.
func (f *file) syncPos(off int64) {
	if f.first {
		hostcall.Lseek(f.fd, off, linux.SEEK_SET)
	}
}

// Seek implements vfs.FileOps.
func (f *file) Seek(_ vfs.Caller, _ *vfs.File, off int64, whence int) (int64, error) {
	if !f.seekable {
		return 0, errno.ESPIPE
	}
	return hostcall.Lseek(f.fd, off, whence)
}

// Readiness implements vfs.FileOps.
func (f *file) Readiness(vf *vfs.File) wait.Mask {
	if f.seekable || f.kind == linux.S_IFDIR {
		return f.BaseFile.Readiness(vf)
	}
	var want int16
	if vf.Mode&vfs.FModeRead != 0 {
		want |= hostcall.POLLIN | hostcall.POLLPRI | hostcall.POLLRDHUP
	}
	if vf.Mode&vfs.FModeWrite != 0 {
		want |= hostcall.POLLOUT
	}
	got := f.ready(want)
	if missing := want &^ got; missing != 0 {
		f.set.arm(f.host, uint32(missing))
	}
	return fromHost(uint32(uint16(got)))
}

// Queue implements vfs.FileOps.
func (f *file) Queue(*vfs.File) *wait.Queue {
	if f.seekable || f.kind == linux.S_IFDIR {
		return nil
	}
	return &f.queue
}

// Sync implements vfs.FileOps.
func (f *file) Sync(_ vfs.Caller, _ *vfs.File, dataOnly bool) error {
	if dataOnly {
		return hostcall.Fdatasync(f.fd)
	}
	return hostcall.Fsync(f.fd)
}

// Fallocate implements vfs.FileOps.
func (f *file) Fallocate(_ vfs.Caller, _ *vfs.File, mode uint32, off, n int64) error {
	if !f.seekable {
		return errno.ESPIPE
	}
	return hostcall.Fallocate(f.fd, mode, off, n)
}
