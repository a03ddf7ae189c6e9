package kernel

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/sentry/vfs"
)

// FDTable maps descriptors to open files (Linux's struct files_struct). It is
// shared by tasks cloned with CLONE_FILES.
type FDTable struct {
	id    uint64 // immutable
	users atomic.Int64

	mu    sync.RWMutex
	files []*vfs.File // each holds a reference
	cloex []uint64    // bit set: FD_CLOEXEC
	used  []uint64    // bit set: descriptor taken
	next  int         // no descriptor below is free
}

// NewFDTable returns an empty table with one user.
func NewFDTable() *FDTable {
	ft := &FDTable{id: lastFDTable.Add(1)}
	ft.users.Store(1)
	return ft
}

// lastFDTable makes the ids of tables unique.
var lastFDTable atomic.Uint64

// ID names the table among all there ever were: it owns POSIX locks (vfs.LockOwner).
func (ft *FDTable) ID() uint64 { return ft.id }

// Get returns the file of fd with a reference; EBADF if there is none.
func (ft *FDTable) Get(fd int32) (*vfs.File, error) {
	if ft.private() {
		f, err := ft.at(fd)
		if err == nil {
			f.IncRef()
		}
		return f, err
	}
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	f, err := ft.at(fd)
	if err == nil {
		f.IncRef()
	}
	return f, err
}

// private reports whether the caller is the only user of the table. Until it shares the table itself, nobody
// else changes it: others that get hold of it, as /proc does, only read (Linux's __fget_light).
func (ft *FDTable) private() bool { return ft.users.Load() == 1 }

// at returns the file of fd. Preconditions: mu is held, or the table is the caller's alone.
func (ft *FDTable) at(fd int32) (*vfs.File, error) {
	if uint(fd) >= uint(len(ft.files)) || ft.files[fd] == nil {
		return nil, errno.EBADF
	}
	return ft.files[fd], nil
}

// Install puts f at the lowest free descriptor not below minFD and returns it. It takes its
// own reference. EMFILE at limit (RLIMIT_NOFILE).
func (ft *FDTable) Install(f *vfs.File, minFD int32, limit uint64, cloexec bool) (int32, error) {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	fd, err := ft.findFreeLocked(int(minFD), limit)
	if err != nil {
		return -1, err
	}
	f.IncRef()
	ft.setLocked(fd, f, cloexec)
	return int32(fd), nil
}

// InstallPair installs two files at once or none (pipe, socketpair).
func (ft *FDTable) InstallPair(a, b *vfs.File, limit uint64, cloexec bool) (int32, int32, error) {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	x, err := ft.findFreeLocked(0, limit)
	if err != nil {
		return -1, -1, err
	}
	ft.setLocked(x, a, cloexec)
	y, err := ft.findFreeLocked(0, limit)
	if err != nil {
		ft.clearLocked(x)
		return -1, -1, err
	}
	ft.setLocked(y, b, cloexec)
	a.IncRef()
	b.IncRef()
	return int32(x), int32(y), nil
}

// Replace puts f at fd and returns what was there, with its reference (dup2, dup3).
func (ft *FDTable) Replace(fd int32, f *vfs.File, limit uint64, cloexec bool) (*vfs.File, error) {
	if fd < 0 || uint64(fd) >= limit {
		return nil, errno.EBADF
	}
	ft.mu.Lock()
	defer ft.mu.Unlock()
	ft.growLocked(int(fd) + 1)
	old := ft.files[fd]
	f.IncRef()
	ft.setLocked(int(fd), f, cloexec)
	return old, nil
}

// Remove empties fd and returns its file with the table's reference; EBADF if there is none.
func (ft *FDTable) Remove(fd int32) (*vfs.File, error) {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	if fd < 0 || int(fd) >= len(ft.files) || ft.files[fd] == nil {
		return nil, errno.EBADF
	}
	f := ft.files[fd]
	ft.clearLocked(int(fd))
	return f, nil
}

// Full reports whether there is no free descriptor below limit, as a hint: accept(2) asks before it
// takes a connection that it could not give to anyone.
func (ft *FDTable) Full(limit uint64) bool {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	fd := ft.next
	for w := fd / 64; w < len(ft.used); w++ {
		free := ^ft.used[w]
		if w == fd/64 {
			free &= ^uint64(0) << (fd % 64)
		}
		if free != 0 {
			return uint64(w*64+bits.TrailingZeros64(free)) >= limit
		}
	}
	return uint64(max(fd, len(ft.used)*64)) >= limit
}

// Cloexec and SetCloexec read and write FD_CLOEXEC.
func (ft *FDTable) Cloexec(fd int32) (bool, error) {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	if fd < 0 || int(fd) >= len(ft.files) || ft.files[fd] == nil {
		return false, errno.EBADF
	}
	return ft.cloex[fd/64]&(1<<(fd%64)) != 0, nil
}

func (ft *FDTable) SetCloexec(fd int32, on bool) error {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	if fd < 0 || int(fd) >= len(ft.files) || ft.files[fd] == nil {
		return errno.EBADF
	}
	ft.setCloexecLocked(int(fd), on)
	return nil
}

// RemoveRange empties [first, last] and returns the files with the table's
// references (close_range(2)).
func (ft *FDTable) RemoveRange(first, last uint32) []*vfs.File {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	var out []*vfs.File
	for fd := uint64(first); fd <= uint64(last) && fd < uint64(len(ft.files)); fd++ {
		if f := ft.files[fd]; f != nil {
			out = append(out, f)
			ft.clearLocked(int(fd))
		}
	}
	return out
}

// CloexecRange sets FD_CLOEXEC on [first, last] (CLOSE_RANGE_CLOEXEC).
func (ft *FDTable) CloexecRange(first, last uint32) {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	for fd := uint64(first); fd <= uint64(last) && fd < uint64(len(ft.files)); fd++ {
		if ft.files[fd] != nil {
			ft.setCloexecLocked(int(fd), true)
		}
	}
}

// removeCloexec empties the descriptors that exec closes and returns their files.
func (ft *FDTable) removeCloexec() []*vfs.File {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	var out []*vfs.File
	for w, set := range ft.cloex {
		for ; set != 0; set &= set - 1 {
			fd := w*64 + bits.TrailingZeros64(set)
			if f := ft.files[fd]; f != nil {
				out = append(out, f)
				ft.clearLocked(fd)
			}
		}
	}
	return out
}

// Fork returns a copy with one user.
func (ft *FDTable) Fork() *FDTable {
	n := NewFDTable()
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	top := len(ft.files)
	for top > 0 && ft.files[top-1] == nil {
		top--
	}
	n.growLocked(top)
	copy(n.files, ft.files[:top])
	copy(n.cloex, ft.cloex)
	copy(n.used, ft.used)
	n.next = ft.next
	for _, f := range n.files {
		if f != nil {
			f.IncRef()
		}
	}
	return n
}

// IncUsers and decUsers count the tasks that share the table. The last one gets
// the files to drop.
func (ft *FDTable) IncUsers() { ft.users.Add(1) }

func (ft *FDTable) decUsers() []*vfs.File {
	if ft.users.Add(-1) != 0 {
		return nil
	}
	return ft.RemoveRange(0, ^uint32(0))
}

// Shared reports whether more than one task uses the table.
func (ft *FDTable) Shared() bool { return ft.users.Load() > 1 }

// FDs returns the descriptors in use, in ascending order (for /proc/PID/fd).
func (ft *FDTable) FDs() []int32 {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	var out []int32
	for w, set := range ft.used {
		for ; set != 0; set &= set - 1 {
			out = append(out, int32(w*64+bits.TrailingZeros64(set)))
		}
	}
	return out
}

// Size returns how many descriptors the table has room for (FDSize in /proc/PID/status).
func (ft *FDTable) Size() int {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	return max(len(ft.files), 64)
}

func (ft *FDTable) findFreeLocked(minFD int, limit uint64) (int, error) {
	fd := max(minFD, ft.next)
	for w := fd / 64; w < len(ft.used); w++ {
		free := ^ft.used[w]
		if w == fd/64 {
			free &= ^uint64(0) << (fd % 64)
		}
		if free != 0 {
			fd = w*64 + bits.TrailingZeros64(free)
			return fd, ft.admitLocked(fd, minFD, limit)
		}
	}
	fd = max(fd, len(ft.used)*64)
	return fd, ft.admitLocked(fd, minFD, limit)
}

func (ft *FDTable) admitLocked(fd, minFD int, limit uint64) error {
	if uint64(fd) >= limit {
		return errno.EMFILE
	}
	if minFD <= ft.next {
		ft.next = fd + 1
	}
	ft.growLocked(fd + 1)
	return nil
}

func (ft *FDTable) growLocked(n int) {
	if n <= len(ft.files) {
		return
	}
	n = max((n+63)&^63, len(ft.files)*2)
	ft.files = append(ft.files, make([]*vfs.File, n-len(ft.files))...)
	ft.cloex = append(ft.cloex, make([]uint64, n/64-len(ft.cloex))...)
	ft.used = append(ft.used, make([]uint64, n/64-len(ft.used))...)
}

func (ft *FDTable) setLocked(fd int, f *vfs.File, cloexec bool) {
	ft.files[fd] = f
	ft.used[fd/64] |= 1 << (fd % 64)
	ft.setCloexecLocked(fd, cloexec)
}

func (ft *FDTable) clearLocked(fd int) {
	ft.files[fd] = nil
	ft.used[fd/64] &^= 1 << (fd % 64)
	ft.setCloexecLocked(fd, false)
	ft.next = min(ft.next, fd)
}

func (ft *FDTable) setCloexecLocked(fd int, on bool) {
	if on {
		ft.cloex[fd/64] |= 1 << (fd % 64)
	} else {
		ft.cloex[fd/64] &^= 1 << (fd % 64)
	}
}
