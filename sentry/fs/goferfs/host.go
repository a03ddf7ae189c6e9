package goferfs

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/gofer/wire"
	"ringfence/platform/hostcall"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
)

// Open implements vfs.InodeOps.
func (n *node) Open(_ vfs.Caller, i *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	switch i.Type() {
	case linux.S_IFDIR:
		return &dirFile{n: n}, nil
	case linux.S_IFREG:
		write := flags&linux.O_ACCMODE != linux.O_RDONLY || flags&linux.O_TRUNC != 0
		if err := n.open(write); err != nil {
			return nil, err
		}
		return &n.file, nil
	}
	return nil, errno.ENXIO
}

// open counts an open file and sees to it that there is a descriptor for it.
func (n *node) open(write bool) error {
	if write && n.fs.readOnly {
		return errno.EROFS
	}
	n.mu.Lock()
	n.opens++
	h := n.host.Load()
	n.mu.Unlock()
	if h != nil && (h.Writable() || !write) {
		return nil
	}
	var fd hostcall.FD
	err := n.withRef(func(r wire.Ref) (err error) {
		fd, _, err = n.fs.client.Open(r, write)
		return err
	})
	if err != nil {
		n.close()
		return err
	}
	n.adopt(fd, write)
	return nil
}

// adopt makes fd n's descriptor, unless n has one as good.
func (n *node) adopt(fd hostcall.FD, writable bool) {
	n.mu.Lock()
	old := n.host.Load()
	if old != nil && (old.Writable() || !writable) {
		n.mu.Unlock()
		hostcall.Close(fd)
		return
	}
	n.host.Store(memfile.NewHostFile(fd, writable))
	if old != nil {
		n.retired = append(n.retired, old)
	}
	idle := n.opens == 0
	n.mu.Unlock()
	if idle {
		n.fs.keepIdle(n)
	}
}

// close undoes open. The descriptor stays for the next one, as long as there is room.
func (n *node) close() {
	n.mu.Lock()
	n.opens--
	idle := n.opens == 0
	if idle {
		for _, h := range n.retired {
			h.Release()
		}
		n.retired = nil
	}
	queued := n.queued
	n.mu.Unlock()
	if idle && !queued {
		n.fs.keepIdle(n)
	}
}

// closeHostLocked gives up all descriptors. Needs mu; nobody may have n open.
func (n *node) closeHostLocked() {
	if h := n.host.Swap(nil); h != nil {
		h.Release()
	}
	for _, h := range n.retired {
		h.Release()
	}
	n.retired = nil
}

// keepIdle queues n, which was closed, and closes the descriptors of the files that
// have been in the queue longest.
func (fs *filesystem) keepIdle(n *node) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n.mu.Lock()
	if !n.queued && n.host.Load() != nil {
		n.queued = true
		fs.idle = append(fs.idle, n)
	}
	n.mu.Unlock()
	fs.shrinkIdleLocked(fs.idleMax)
}

// ReleaseIdle closes the descriptors of closed files, of a superblock that New returned.
func ReleaseIdle(sb *vfs.Superblock) {
	fs := sb.Ops.(*filesystem)
	fs.listings.dropAhead()
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.shrinkIdleLocked(0)
}

// shrinkIdleLocked closes descriptors of closed files until at most limit are left. Needs mu.
func (fs *filesystem) shrinkIdleLocked(limit int) {
	for len(fs.idle) > limit {
		o := fs.idle[0]
		fs.idle[0] = nil
		fs.idle = fs.idle[1:]
		o.mu.Lock()
		o.queued = false
		if o.opens == 0 {
			o.closeHostLocked()
		}
		o.mu.Unlock()
	}
}

// refresh takes over what the host says of the open file after it was changed
// through the descriptor.
func (n *node) refresh() {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.host.Load()
	if h == nil {
		return
	}
	st, err := hostcall.Fstat(h.FD())
	if err != nil {
		return
	}
	n.changed.Store(true)
	n.inode.Update(func(a *vfs.Attr) {
		a.Size, a.Blocks = st.Size, st.Blocks
		a.Mode = st.Mode // A write clears set-ID bits.
		a.Mtime, a.Ctime = st.Mtim.Nano(), st.Ctim.Nano()
	})
}

// truncateHost changes the length through a descriptor that is there anyway; done is
// false if there is none.
func (n *node) truncateHost(size int64) (done bool, err error) {
	n.mu.Lock()
	h := n.host.Load()
	if h == nil || !h.Writable() {
		n.mu.Unlock()
		return false, nil
	}
	n.opens++ // Keeps the descriptor.
	n.mu.Unlock()
	defer n.close()
	if err := hostcall.Ftruncate(h.FD(), size); err != nil {
		return true, err
	}
	n.refresh()
	return true, nil
}

// shrunk takes pages that are cut off away from who maps them.
func (n *node) shrunk(old, size int64) {
	if size >= old {
		return
	}
	start, _ := addr.PageRoundUp(uint64(size))
	end, _ := addr.PageRoundUp(uint64(old))
	n.mu.Lock()
	places := n.maps.Places(start, end)
	n.mu.Unlock()
	for _, p := range places {
		p.Space.Invalidate(n, p.Range, true)
	}
}

// Translate implements mappable.Mappable: pages are where the host keeps them. The
// mapping holds a file, and that holds the descriptor.
func (n *node) Translate(off, length, hint uint64, write bool) (mappable.Pages, error) {
	if n.fs.shared {
		n.refresh()
	}
	end, _ := addr.PageRoundUp(uint64(n.inode.Attr().Size))
	if off >= end {
		return mappable.Pages{}, errno.EFAULT
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.host.Load()
	if h == nil {
		return mappable.Pages{}, errno.EFAULT
	}
	if write && !h.Writable() {
		return mappable.Pages{}, errno.EACCES
	}
	start := off - min(off, hint)
	stop := end
	if end-off > length && end-off-length > hint {
		stop = off + length + hint
	}
	h.IncRef(start, stop-start)
	return mappable.Pages{Off: start, Len: stop - start, Backing: h, Start: start, Writable: h.Writable()}, nil
}

// AddMapping implements mappable.Mappable.
func (n *node) AddMapping(space mappable.Space, r addr.Range, off uint64, writable bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.maps.Add(space, r, off, writable)
	return nil
}

// RemoveMapping implements mappable.Mappable.
func (n *node) RemoveMapping(space mappable.Space, r addr.Range, off uint64, writable bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.maps.Remove(space, r, off, writable)
}
