package memfile

import (
	"fmt"
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform/hostcall"
)

const (
	windowSize = 4 << 20
	// idleWindows is how many windows a file without users of its pages keeps.
	idleWindows = 1
)

// HostFile is the Backing of a host file whose descriptor the sentry owns. The
// descriptor is closed when Release was called and no page has a user left.
// Offsets are those of the file. Safe for concurrent use.
type HostFile struct {
	fd       hostcall.FD
	writable bool

	// users is the number of page references, plus one until Release.
	users atomic.Int64

	mu       sync.Mutex
	windows  map[uint64][]byte // guarded by mu: by offset / windowSize
	released bool              // guarded by mu
}

// NewHostFile returns a Backing that owns fd; writable says that fd may be mapped
// for writing.
func NewHostFile(fd hostcall.FD, writable bool) *HostFile {
	h := &HostFile{fd: fd, writable: writable}
	h.users.Store(1)
	return h
}

// Release ends the owner's use: no new references may be taken from then on other
// than by those who hold one.
func (h *HostFile) Release() {
	h.mu.Lock()
	again := h.released
	h.released = true
	h.mu.Unlock()
	if again {
		panic("memfile: HostFile released twice")
	}
	h.drop(1)
}

// FD returns the host descriptor.
func (h *HostFile) FD() hostcall.FD { return h.fd }

// Writable reports whether the descriptor may be mapped for writing.
func (h *HostFile) Writable() bool { return h.writable }

// IncRef adds a user to the pages of [off, off+n).
func (h *HostFile) IncRef(off, n uint64) { h.users.Add(int64(n >> addr.PageShift)) }

// DecRef drops a user from the pages of [off, off+n).
func (h *HostFile) DecRef(off, n uint64) { h.drop(int64(n >> addr.PageShift)) }

func (h *HostFile) drop(n int64) {
	left := h.users.Add(-n)
	if left > 1 {
		return
	}
	if left < 0 {
		panic(fmt.Sprintf("memfile: host file %d has %d users", h.fd, left))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// Someone may have come in the meantime, so look again: whoever wants Bytes has
	// taken a reference first and needs mu.
	switch users := h.users.Load(); {
	case users == 0 && h.released && h.fd != hostcall.NoFD:
		h.unmapLocked()
		hostcall.Close(h.fd)
		h.fd = hostcall.NoFD
	case users == 1 && !h.released && len(h.windows) > idleWindows:
		h.unmapLocked()
	}
}

func (h *HostFile) unmapLocked() {
	for i, w := range h.windows {
		hostcall.UnmapFile(w)
		delete(h.windows, i)
	}
}

// Bytes returns the sentry's mapping of [off, off+n), up to the end of a window.
// Touching what lies beyond the end of the file faults. EACCES if write is set and
// the file is not writable.
func (h *HostFile) Bytes(off, n uint64, write bool) ([]byte, error) {
	if write && !h.writable {
		return nil, errno.EACCES
	}
	i := off / windowSize
	h.mu.Lock()
	w, ok := h.windows[i]
	if !ok {
		prot := hostcall.PROT_READ
		if h.writable {
			prot |= hostcall.PROT_WRITE
		}
		var err error
		w, err = hostcall.MapFile(h.fd, i*windowSize, windowSize, prot)
		if err != nil {
			h.mu.Unlock()
			return nil, err
		}
		if h.windows == nil {
			h.windows = make(map[uint64][]byte)
		}
		h.windows[i] = w
	}
	h.mu.Unlock()
	w = w[off%windowSize:]
	n = min(n, uint64(len(w)))
	return w[:n:n], nil
}

// ReadAt reads from the file without mapping it. What lies beyond its end reads as
// zeros, as in a mapping of the last page.
func (h *HostFile) ReadAt(b []byte, off uint64) error {
	for len(b) > 0 {
		n, err := hostcall.Pread(h.fd, b, int64(off))
		if err != nil {
			return err
		}
		if n == 0 {
			clear(b)
			return nil
		}
		b = b[n:]
		off += uint64(n)
	}
	return nil
}
