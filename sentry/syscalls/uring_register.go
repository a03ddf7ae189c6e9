package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/fs/eventfd"
	"ringfence/sentry/kernel"
	"ringfence/sentry/uring"
)

func sysIoUringRegister(t *kernel.Task, a *arch.Args) (uint64, error) {
	op := a[1].Uint()
	registered := op&linux.IORING_REGISTER_USE_REGISTERED_RING != 0
	op &^= linux.IORING_REGISTER_USE_REGISTERED_RING
	if op >= linux.IORING_REGISTER_LAST {
		return 0, errno.EINVAL
	}
	f, r, err := ioRingAt(t, a[0].Int(), registered)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if err := r.mayUse(t); err != nil {
		return 0, err
	}
	r.submitMu.Lock()
	defer r.submitMu.Unlock()
	if r.limits != nil && !r.disabled && r.limits.registerOps>>op&1 == 0 {
		return 0, errno.EACCES
	}
	n, err := r.register(t, op, a[2].Addr(), a[3].Uint())
	return uint64(n), err
}

// register does one of the calls. Preconditions: submitMu is held.
func (r *ioRing) register(t *kernel.Task, op uint32, arg addr.Addr, n uint32) (int64, error) {
	switch op {
	case linux.IORING_REGISTER_BUFFERS:
		if arg == 0 {
			return 0, errno.EFAULT
		}
		return 0, r.registerBuffers(t, arg, 0, n)
	case linux.IORING_REGISTER_FILES:
		if arg == 0 {
			return 0, errno.EFAULT
		}
		return 0, r.registerFiles(t, arg, 0, n)
	case linux.IORING_UNREGISTER_BUFFERS, linux.IORING_UNREGISTER_FILES, linux.IORING_UNREGISTER_EVENTFD, linux.IORING_REGISTER_ENABLE_RINGS,
		linux.IORING_REGISTER_PERSONALITY, linux.IORING_UNREGISTER_IOWQ_AFF:
		if arg != 0 || n != 0 {
			return 0, errno.EINVAL
		}
		return r.registerPlain(t, op)
	case linux.IORING_REGISTER_EVENTFD, linux.IORING_REGISTER_EVENTFD_ASYNC:
		if n != 1 {
			return 0, errno.EINVAL
		}
		return 0, r.registerEventfd(t, arg, op == linux.IORING_REGISTER_EVENTFD_ASYNC)
	case linux.IORING_REGISTER_FILES_UPDATE:
		return r.registerUpdate(t, arg, n)
	case linux.IORING_REGISTER_FILES2, linux.IORING_REGISTER_BUFFERS2:
		return 0, r.registerRsrc(t, arg, n, op == linux.IORING_REGISTER_FILES2)
	case linux.IORING_REGISTER_FILES_UPDATE2, linux.IORING_REGISTER_BUFFERS_UPDATE:
		return r.updateRsrc(t, arg, n, op == linux.IORING_REGISTER_FILES_UPDATE2)
	case linux.IORING_REGISTER_PROBE:
		if arg == 0 || n > 256 {
			return 0, errno.EINVAL
		}
		return 0, probeIO(t, arg, n)
	case linux.IORING_UNREGISTER_PERSONALITY:
		if arg != 0 {
			return 0, errno.EINVAL
		}
		return 0, r.unregisterPersonality(n)
	case linux.IORING_REGISTER_RESTRICTIONS:
		return 0, r.registerRestrictions(t, arg, n)
	case linux.IORING_REGISTER_IOWQ_AFF:
		if arg == 0 || n == 0 {
			return 0, errno.EINVAL
		}
		// Workers run where the sentry does.
		return 0, t.CopyIn(arg, make([]byte, min(n, 128)))
	case linux.IORING_REGISTER_IOWQ_MAX_WORKERS:
		if arg == 0 || n != 2 {
			return 0, errno.EINVAL
		}
		return 0, r.limitWorkers(t, arg)
	case linux.IORING_REGISTER_RING_FDS, linux.IORING_UNREGISTER_RING_FDS:
		if n == 0 || n > linux.IORING_MAX_RING_FDS {
			return 0, errno.EINVAL
		}
		return r.ringFDs(t, arg, n, op == linux.IORING_REGISTER_RING_FDS)
	case linux.IORING_REGISTER_PBUF_RING, linux.IORING_UNREGISTER_PBUF_RING:
		if arg == 0 || n != 1 {
			return 0, errno.EINVAL
		}
		return 0, r.bufferRing(t, arg, op == linux.IORING_REGISTER_PBUF_RING)
	case linux.IORING_REGISTER_SYNC_CANCEL:
		if arg == 0 || n != 1 {
			return 0, errno.EINVAL
		}
		r.submitMu.Unlock() // it may wait
		defer r.submitMu.Lock()
		return 0, r.syncCancel(t, arg)
	case linux.IORING_REGISTER_FILE_ALLOC_RANGE:
		if arg == 0 || n != 0 {
			return 0, errno.EINVAL
		}
		var b linux.IOUringFilesUpdate // struct io_uring_file_index_range: off, len, resv
		if err := t.CopyInStruct(arg, &b); err != nil {
			return 0, err
		}
		if b.FDs != 0 {
			return 0, errno.EINVAL
		}
		return 0, r.setAllocRange(b.Offset, b.Resv)
	case linux.IORING_REGISTER_PBUF_STATUS:
		if arg == 0 || n != 1 {
			return 0, errno.EINVAL
		}
		return 0, r.bufferStatus(t, arg)
	case linux.IORING_REGISTER_CLOCK:
		if arg == 0 || n != 0 {
			return 0, errno.EINVAL
		}
		return 0, r.registerClock(t, arg)
	case linux.IORING_REGISTER_CLONE_BUFFERS:
		if arg == 0 || n != 1 {
			return 0, errno.EINVAL
		}
		return 0, r.registerClone(t, arg)
	}
	return 0, errno.EINVAL // NAPI
}

// registerPlain does the calls without arguments.
func (r *ioRing) registerPlain(t *kernel.Task, op uint32) (int64, error) {
	switch op {
	case linux.IORING_UNREGISTER_BUFFERS:
		return 0, r.unregisterBuffers()
	case linux.IORING_UNREGISTER_FILES:
		return 0, r.unregisterFiles()
	case linux.IORING_REGISTER_PERSONALITY:
		return r.registerPersonality(t.Creds())
	case linux.IORING_UNREGISTER_EVENTFD:
		r.mu.Lock()
		f := r.eventfd
		r.eventfd = nil
		r.mu.Unlock()
		if f == nil {
			return 0, errno.ENXIO
		}
		f.DecRef()
	case linux.IORING_REGISTER_ENABLE_RINGS:
		r.mu.Lock()
		was := r.disabled
		r.disabled = false
		if was && r.flags&linux.IORING_SETUP_SINGLE_ISSUER != 0 {
			r.creator = t
		}
		r.mu.Unlock()
		if !was {
			return 0, errno.EBADFD
		}
		if r.poller != nil {
			r.poller.wake()
		}
	}
	return 0, nil
}

func (r *ioRing) registerEventfd(t *kernel.Task, arg addr.Addr, async bool) error {
	fd, err := t.CopyInUint32(arg)
	if err != nil {
		return err
	}
	r.mu.Lock()
	busy := r.eventfd != nil
	r.mu.Unlock()
	if busy {
		return errno.EBUSY
	}
	f, err := t.GetFile(int32(fd))
	if err != nil {
		return err
	}
	if _, ok := f.Ops.(*eventfd.EventFD); !ok {
		f.DecRef()
		return errno.EINVAL
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.eventfd, r.onlyAsync = f, async
	return nil
}

func (r *ioRing) registerUpdate(t *kernel.Task, arg addr.Addr, n uint32) (int64, error) {
	if n == 0 {
		return 0, errno.EINVAL
	}
	var u linux.IOUringFilesUpdate
	if err := t.CopyInStruct(arg, &u); err != nil {
		return 0, err
	}
	if u.Resv != 0 {
		return 0, errno.EINVAL
	}
	return r.updateFiles(t, u.Offset, addr.Addr(u.FDs), 0, n)
}

func (r *ioRing) registerRsrc(t *kernel.Task, arg addr.Addr, size uint32, files bool) error {
	var x linux.IOUringRsrcRegister
	if size != uint32(x.SizeBytes()) {
		return errno.EINVAL
	}
	if err := t.CopyInStruct(arg, &x); err != nil {
		return err
	}
	sparse := x.Flags&linux.IORING_RSRC_REGISTER_SPARSE != 0
	if x.Nr == 0 || x.Resv2 != 0 || x.Flags&^linux.IORING_RSRC_REGISTER_SPARSE != 0 || sparse && x.Data != 0 {
		return errno.EINVAL
	}
	if !sparse && x.Data == 0 {
		return errno.EFAULT
	}
	if files {
		return r.registerFiles(t, addr.Addr(x.Data), addr.Addr(x.Tags), x.Nr)
	}
	return r.registerBuffers(t, addr.Addr(x.Data), addr.Addr(x.Tags), x.Nr)
}

func (r *ioRing) updateRsrc(t *kernel.Task, arg addr.Addr, size uint32, files bool) (int64, error) {
	var x linux.IOUringRsrcUpdate2
	if size != uint32(x.SizeBytes()) {
		return 0, errno.EINVAL
	}
	if err := t.CopyInStruct(arg, &x); err != nil {
		return 0, err
	}
	if x.Nr == 0 || x.Resv != 0 || x.Resv2 != 0 {
		return 0, errno.EINVAL
	}
	if files {
		return r.updateFiles(t, x.Offset, addr.Addr(x.Data), addr.Addr(x.Tags), x.Nr)
	}
	return r.updateBuffers(t, x.Offset, addr.Addr(x.Data), addr.Addr(x.Tags), x.Nr)
}

// probeIO tells which opcodes there are (struct io_uring_probe).
func probeIO(t *kernel.Task, arg addr.Addr, n uint32) error {
	n = min(n, linux.IORING_OP_LAST)
	b := make([]byte, 16+8*n)
	if err := t.CopyIn(arg, b); err != nil {
		return err
	}
	for _, x := range b {
		if x != 0 {
			return errno.EINVAL
		}
	}
	b[0], b[1] = linux.IORING_OP_LAST-1, uint8(n)
	for i := range n {
		b[16+8*i] = uint8(i)
		b[16+8*i+2] = linux.IO_URING_OP_SUPPORTED
	}
	return t.CopyOut(arg, b)
}

func (r *ioRing) registerRestrictions(t *kernel.Task, arg addr.Addr, n uint32) error {
	if !r.isDisabled() {
		return errno.EBADFD
	}
	if r.limits != nil {
		return errno.EBUSY
	}
	if arg == 0 {
		return errno.EINVAL
	}
	x, err := copyInRestrictions(t, arg, n)
	if err == nil {
		r.limits = x
	}
	return err
}

// limitWorkers is IORING_REGISTER_IOWQ_MAX_WORKERS: it returns the limits, and takes new ones for what they are, wishes.
func (r *ioRing) limitWorkers(t *kernel.Task, arg addr.Addr) error {
	v, err := t.CopyInUint64(arg)
	if err != nil {
		return err
	}
	old := r.maxWorkers
	for i := range old {
		if want := uint32(v >> (32 * i)); want > 1<<31-1 {
			return errno.EINVAL
		} else if want != 0 {
			r.maxWorkers[i] = want
		}
		if old[i] == 0 {
			old[i] = [2]uint32{maxIOWorkers, uint32(min(t.Limits().Cur(linux.RLIMIT_NPROC), 1<<15))}[i]
		}
	}
	return t.CopyOutUint64(arg, uint64(old[0])|uint64(old[1])<<32)
}

// ringFDs gives rings places among the task's registered ones, or empties such places. It returns how many it did.
func (r *ioRing) ringFDs(t *kernel.Task, arg addr.Addr, n uint32, add bool) (int64, error) {
	done := int64(0)
	for ; done < int64(n); done++ {
		at := arg + addr.Addr(16*done)
		var u linux.IOUringFilesUpdate
		err := t.CopyInStruct(at, &u)
		if err == nil && add {
			err = addRing(t, at, &u)
		} else if err == nil {
			err = dropRing(t, &u)
		}
		if err != nil && done == 0 {
			return 0, err
		} else if err != nil {
			break
		}
	}
	return done, nil
}

func addRing(t *kernel.Task, at addr.Addr, u *linux.IOUringFilesUpdate) error {
	if u.Resv != 0 {
		return errno.EINVAL
	}
	place := u.Offset
	if place == ^uint32(0) {
		for place = 0; place < linux.IORING_MAX_RING_FDS && *t.RegisteredRing(int(place)) != nil; place++ {
		}
		if place == linux.IORING_MAX_RING_FDS {
			return errno.EBUSY
		}
	}
	if place >= linux.IORING_MAX_RING_FDS {
		return errno.EINVAL
	}
	x := t.RegisteredRing(int(place))
	if *x != nil {
		return errno.EBUSY
	}
	f, err := t.GetFile(int32(u.FDs))
	if err != nil {
		return err
	}
	if ioRingOf(f) == nil {
		f.DecRef()
		return errno.EOPNOTSUPP
	}
	if err := t.CopyOutUint32(at, place); err != nil {
		f.DecRef()
		return err
	}
	*x = f
	return nil
}

func dropRing(t *kernel.Task, u *linux.IOUringFilesUpdate) error {
	if u.Resv != 0 || u.FDs != 0 || u.Offset >= linux.IORING_MAX_RING_FDS {
		return errno.EINVAL
	}
	if x := t.RegisteredRing(int(u.Offset)); *x != nil {
		(*x).DecRef()
		*x = nil
	}
	return nil
}

// bufferRing makes a ring of buffers, or takes it away.
func (r *ioRing) bufferRing(t *kernel.Task, arg addr.Addr, add bool) error {
	var b linux.IOUringBufReg
	if err := t.CopyInStruct(arg, &b); err != nil {
		return err
	}
	if b.Resv != [3]uint64{} {
		return errno.EINVAL
	}
	r.bufferMu.Lock()
	defer r.bufferMu.Unlock()
	old := r.groups[b.Bgid]
	offset := uint64(linux.IORING_OFF_PBUF_RING) | uint64(b.Bgid)<<linux.IORING_OFF_PBUF_SHIFT
	if !add {
		switch {
		case b.Flags != 0:
			return errno.EINVAL
		case old == nil:
			return errno.ENOENT
		case !old.IsRing():
			return errno.EINVAL
		}
		r.dropGroupLocked(offset, b.Bgid, old)
		return nil
	}
	mapped := b.Flags&linux.IOU_PBUF_RING_MMAP != 0
	n := b.RingEntries
	switch {
	case b.Flags&^(linux.IOU_PBUF_RING_MMAP|linux.IOU_PBUF_RING_INC) != 0, mapped && b.RingAddr != 0:
		return errno.EINVAL
	case !mapped && b.RingAddr == 0:
		return errno.EFAULT
	case !mapped && b.RingAddr&addr.PageMask != 0, n == 0 || n&(n-1) != 0, n >= 1<<16:
		return errno.EINVAL
	case old != nil && (old.IsRing() || old.Len() > 0):
		return errno.EEXIST
	}
	var region *uring.Region
	if mapped {
		var err error
		if region, err = uring.NewRegion(r.k.MemFile, uring.BufferRingSize(n)); err != nil {
			return err
		}
		r.layout.Put(offset, region)
	} else if _, err := t.Range(addr.Addr(b.RingAddr), uring.BufferRingSize(n)); err != nil {
		return err
	} else if err := t.CopyIn(addr.Addr(b.RingAddr), make([]byte, uring.BufferRingSize(n))); err != nil {
		return errno.EFAULT
	}
	r.putGroupLocked(b.Bgid, uring.NewBufferRing(n, addr.Addr(b.RingAddr), region, b.Flags&linux.IOU_PBUF_RING_INC != 0))
	return nil
}

func (r *ioRing) dropGroupLocked(offset uint64, id uint16, g *uring.Buffers) {
	delete(r.groups, id)
	if m := g.Region(); m != nil {
		r.layout.Put(offset, nil)
		m.Release()
	}
}

func (r *ioRing) bufferStatus(t *kernel.Task, arg addr.Addr) error {
	var b linux.IOUringBufStatus
	if err := t.CopyInStruct(arg, &b); err != nil {
		return err
	}
	if b.Resv != [8]uint32{} {
		return errno.EINVAL
	}
	r.bufferMu.Lock()
	g := r.groups[uint16(b.BufGroup)]
	r.bufferMu.Unlock()
	switch {
	case g == nil || b.BufGroup > 1<<16-1:
		return errno.ENOENT
	case !g.IsRing():
		return errno.EINVAL
	}
	b.Head = uint32(g.Head())
	return t.CopyOutStruct(arg, &b)
}

func (r *ioRing) registerClock(t *kernel.Task, arg addr.Addr) error {
	var b [16]byte
	if err := t.CopyIn(arg, b[:]); err != nil {
		return err
	}
	if b[4]|b[5]|b[6]|b[7]|b[8]|b[9]|b[10]|b[11]|b[12]|b[13]|b[14]|b[15] != 0 {
		return errno.EINVAL
	}
	clock, err := t.CopyInUint32(arg)
	if err != nil {
		return err
	}
	if clock != linux.CLOCK_MONOTONIC && clock != linux.CLOCK_BOOTTIME {
		return errno.EINVAL
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock = int32(clock)
	return nil
}

func (r *ioRing) registerClone(t *kernel.Task, arg addr.Addr) error {
	const registeredSource = 1 << 0 // IORING_REGISTER_SRC_REGISTERED
	var c linux.IOUringCloneBuffers
	if err := t.CopyInStruct(arg, &c); err != nil {
		return err
	}
	if c.Flags&^registeredSource != 0 || c.SrcOff|c.DstOff|c.Nr != 0 || c.Pad != [3]uint32{} {
		return errno.EINVAL
	}
	f, src, err := ioRingAt(t, int32(c.SrcFD), c.Flags&registeredSource != 0)
	if err != nil {
		return err
	}
	defer f.DecRef()
	if src == r {
		return errno.EINVAL
	}
	return r.cloneBuffers(src)
}
