package pipe

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Sizes of pipes (F_SETPIPE_SZ, /proc/sys/fs/pipe-max-size).
const (
	DefaultSize = 64 << 10
	// MaxSize is what users may ask for.
	MaxSize = 1 << 20
	// hardMaxSize is what users with CAP_SYS_RESOURCE may ask for. Linux gives them 2 GiB.
	hardMaxSize = 64 << 20
)

// Pipe is a pipe or the inside of an open FIFO.
type Pipe struct {
	id uint64 // orders the locks of two pipes
	// Who waits on an end that reads, one that writes, or one that does both.
	rdWait, wrWait, rwWait wait.Queue

	mu   sync.Mutex
	ring ring
	// How many open files read and write, and how many ever did: an open of a
	// FIFO waits for the other end to be opened, even if it was closed again since.
	readers, writers   int
	readOpens, wrOpens uint64
}

var lastID atomic.Uint64

func newPipe() *Pipe {
	return &Pipe{id: lastID.Add(1), ring: ring{slots: make([]slot, DefaultSize/page)}}
}

// Conditions that waiters are told of.
const (
	readable = wait.In | wait.RdNorm
	writable = wait.Out | wait.WrNorm
)

// notifyReaders and notifyWriters tell those who wait on an end. Preconditions: not p.mu.
func (p *Pipe) notifyReaders(m wait.Mask) {
	p.rdWait.Notify(m)
	p.rwWait.Notify(m)
}

func (p *Pipe) notifyWriters(m wait.Mask) {
	p.wrWait.Notify(m)
	p.rwWait.Notify(m)
}

// end is an open end of a pipe, or both ends at once.
type end struct {
	vfs.BaseFile
	fs   *FS
	pipe *Pipe
	ino  *vfs.Inode // identity of a FIFO in fs, or nil

	read, write bool
	// Counters of the other side when this end was opened.
	seenWriters, seenReaders uint64
	// peered says that the other side was open when this end was opened.
	peered bool
	// nonblock says that open(2) did not wait for the other side.
	nonblock bool
}

// open adds an end to p. Preconditions: read or write.
func (p *Pipe) open(fs *FS, ino *vfs.Inode, read, write bool) *end {
	p.mu.Lock()
	e := &end{fs: fs, pipe: p, ino: ino, read: read, write: write}
	if read {
		p.readers++
		p.readOpens++
	}
	if write {
		p.writers++
		p.wrOpens++
	}
	e.seenReaders, e.seenWriters = p.readOpens, p.wrOpens
	e.peered = (read && p.writers > 0) || (write && p.readers > 0)
	p.mu.Unlock()
	// Whoever waits in open(2) for this side looks again.
	if read {
		p.notifyWriters(writable)
	}
	if write {
		p.notifyReaders(readable)
	}
	return e
}

// OpenReady implements vfs.OpenWaiter. Only a FIFO waits for its other end: an anonymous pipe opened again
// through /proc/PID/fd does not (Linux's fifo_open).
func (e *end) OpenReady(*vfs.File) bool {
	p := e.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.ino == nil || e.peered || e.nonblock || e.read && p.wrOpens != e.seenWriters || e.write && p.readOpens != e.seenReaders
}

// Release implements vfs.FileOps.
func (e *end) Release(*vfs.File) {
	p := e.pipe
	if e.ino != nil {
		e.fs.mu.Lock()
	}
	p.mu.Lock()
	if e.read {
		p.readers--
	}
	if e.write {
		p.writers--
	}
	oneSided := (p.readers == 0) != (p.writers == 0)
	last := p.readers == 0 && p.writers == 0
	if last {
		p.ring.reset()
	}
	p.mu.Unlock()
	if e.ino != nil {
		if last {
			delete(e.fs.fifos, e.ino)
		}
		e.fs.mu.Unlock()
	}
	if oneSided {
		p.notifyReaders(readable | wait.Err | wait.Hup)
		p.notifyWriters(writable | wait.Err | wait.Hup)
	}
}

// Read implements vfs.FileOps.
func (e *end) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	n := clampLen(dst)
	if n == 0 {
		return 0, nil
	}
	return e.pipe.read(n, memory{dst})
}

func (p *Pipe) read(n int, to sink) (int, error) {
	p.mu.Lock()
	if p.ring.empty() {
		defer p.mu.Unlock()
		if p.writers == 0 {
			return 0, nil
		}
		return 0, errno.EAGAIN
	}
	wasFull := p.ring.full()
	n, err := p.ring.read(n, to)
	tell := wasFull && !p.ring.full()
	p.mu.Unlock()
	if tell {
		p.notifyWriters(writable)
	}
	if n > 0 {
		err = nil
	}
	return n, err
}

// Write implements vfs.FileOps.
func (e *end) Write(_ vfs.Caller, f *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	n := clampLen(src)
	if n == 0 {
		return 0, nil
	}
	return e.pipe.write(n, f.Flags()&linux.O_DIRECT != 0, memory{src})
}

// write adds up to n bytes. Like FileOps.Write it returns EAGAIN with what it wrote.
func (p *Pipe) write(n int, packet bool, from source) (int, error) {
	p.mu.Lock()
	done, err := p.writeLocked(n, packet, from)
	p.mu.Unlock()
	// Not only if the pipe was empty: an edge-triggered epoll is told of each write, and on
	// Linux even of those that fail.
	p.notifyReaders(readable)
	return done, err
}

func (p *Pipe) writeLocked(n int, packet bool, from source) (int, error) {
	if p.readers == 0 {
		return 0, errno.EPIPE
	}
	done := 0
	if tail := n & (page - 1); tail != 0 && p.ring.used > 0 {
		ok, err := p.ring.merge(tail, from)
		if err != nil {
			return 0, err
		}
		if ok {
			done = tail
		}
	}
	m, err := p.ring.append(n-done, packet, from)
	done += m
	if err == nil && done < n && p.ring.full() {
		err = errno.EAGAIN
	}
	return done, err
}

// Readiness implements vfs.FileOps, as pipe_poll does in Linux.
func (e *end) Readiness(*vfs.File) wait.Mask {
	p := e.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	var m wait.Mask
	if e.read {
		if !p.ring.empty() {
			m |= readable
		}
		// A reader that opened a FIFO before any writer is not told that they hung up.
		if p.writers == 0 && (e.peered || p.wrOpens != e.seenWriters) {
			m |= wait.Hup
		}
	}
	if e.write {
		if !p.ring.full() {
			m |= writable
		}
		if p.readers == 0 {
			m |= wait.Err
		}
	}
	return m
}

// Queue implements vfs.FileOps.
func (e *end) Queue(*vfs.File) *wait.Queue {
	switch {
	case !e.write:
		return &e.pipe.rdWait
	case !e.read:
		return &e.pipe.wrWait
	}
	return &e.pipe.rwWait
}

// Ioctl implements vfs.FileOps.
func (e *end) Ioctl(_ vfs.Caller, _ *vfs.File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	if cmd != linux.FIONREAD {
		return 0, errno.ENOTTY
	}
	e.pipe.mu.Lock()
	n := uint32(e.pipe.ring.bytes)
	e.pipe.mu.Unlock()
	b := [4]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
	_, err := m.CopyOut(arg.Addr(), b[:])
	return 0, err
}

// IdentityName implements vfs.FileIdentity.
func (e *end) IdentityName(f *vfs.File) string {
	if e.ino != nil {
		return ""
	}
	return identity(f.Inode())
}

// Of returns the pipe that f is an end of, or nil.
func Of(f *vfs.File) *Pipe {
	if e, ok := f.Ops.(*end); ok {
		return e.pipe
	}
	return nil
}

// Size is F_GETPIPE_SZ.
func (p *Pipe) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ring.size()
}

// SetSize is F_SETPIPE_SZ: it makes room for at least n bytes and returns for how many.
// privileged says that the caller has CAP_SYS_RESOURCE.
func (p *Pipe) SetSize(n uint32, privileged bool) (int, error) {
	if n > 1<<31 {
		return 0, errno.EINVAL
	}
	size := page
	for size < int(n) {
		size *= 2
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if size > p.ring.size() {
		if size > MaxSize && !privileged {
			return 0, errno.EPERM
		}
		if size > hardMaxSize {
			return 0, errno.ENOMEM
		}
	}
	wasFull := p.ring.full()
	if err := p.ring.resize(size / page); err != nil {
		return 0, err
	}
	if wasFull && !p.ring.full() {
		defer p.notifyWriters(writable)
	}
	return size, nil
}

// clampLen is how much one read or write of s moves at most.
func clampLen(s *usermem.Sequence) int {
	return int(min(s.Len(), linux.MAX_RW_COUNT))
}
