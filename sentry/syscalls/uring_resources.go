package syscalls

import (
	"encoding/binary"
	"slices"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/mm"
	"ringfence/sentry/uring"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// ioResources is what is registered with a ring, guarded by its mu.
type ioResources struct {
	files         []ioFile // nil: none are registered
	allocFrom     uint32   // IORING_REGISTER_FILE_ALLOC_RANGE
	allocTo       uint32
	allocNext     uint32
	buffers       []ioBuffer // nil: none are registered
	personalities map[uint16]*creds.Credentials
	lastPerson    uint16
}

// ioFile is a place for a registered file.
type ioFile struct {
	f   *vfs.File // with a reference; nil if the place is free
	tag uint64    // of the completion that says that the file is let go
}

func (x *ioFile) drop() {
	if x.f != nil {
		x.f.DecRef()
	}
}

// ioBuffer is a registered buffer.
type ioBuffer struct {
	r   addr.Range
	mm  *mm.MM // whose memory it is; only compared
	tag uint64
}

// fileAt returns a file by descriptor, or by its place among those registered, with a reference.
func (r *ioRing) fileAt(t *kernel.Task, fd int32, fixed bool) (*vfs.File, error) {
	if !fixed {
		return t.GetFile(fd)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	files := r.resources.files
	if uint32(fd) >= uint32(len(files)) || files[fd].f == nil {
		return nil, errno.EBADF
	}
	f := files[fd].f
	f.IncRef()
	return f, nil
}

// putFile registers f, whose reference it takes over, at a place that sqe's file_index names: place+1, or any free one. It
// returns what the completion says.
func (r *ioRing) putFile(f *vfs.File, index uint32) (int64, error) {
	r.mu.Lock()
	x := &r.resources
	res, err := int64(0), error(nil)
	place := index - 1
	switch {
	case x.files == nil:
		err = errno.ENXIO
	case index == linux.IORING_FILE_INDEX_ALLOC:
		if place, err = x.freePlace(); err == nil {
			res = int64(place)
		}
	case place >= uint32(len(x.files)):
		err = errno.EINVAL
	}
	if err != nil {
		r.mu.Unlock()
		f.DecRef()
		return 0, err
	}
	old := r.replaceLocked(place, f, 0)
	r.mu.Unlock()
	if old != nil {
		old.DecRef()
	}
	return res, nil
}

// freePlace finds a place in the range that may be given out, from where the last one was found on; ENFILE if all are taken.
func (x *ioResources) freePlace() (uint32, error) {
	n := x.allocTo - x.allocFrom
	for i := range n {
		p := x.allocFrom + (x.allocNext-x.allocFrom+i)%n
		if x.files[p].f == nil {
			x.allocNext = p + 1
			return p, nil
		}
	}
	return 0, errno.ENFILE
}

// replaceLocked puts f at a place and returns what was there, with its reference, when its tag has been posted.
func (r *ioRing) replaceLocked(place uint32, f *vfs.File, tag uint64) (old *vfs.File) {
	p := &r.resources.files[place]
	old = p.f
	if old != nil {
		r.postTagLocked(p.tag)
	}
	*p = ioFile{f, tag}
	if f == nil && place >= r.resources.allocFrom && place < r.resources.allocTo {
		r.resources.allocNext = place
	}
	return old
}

// postTagLocked says that a resource is let go.
func (r *ioRing) postTagLocked(tag uint64) {
	if tag != 0 && r.ring != nil {
		r.ring.Post(&uring.Completion{IOUringCQE: linux.IOUringCQE{UserData: tag}})
		r.signalLocked(true)
	}
}

// closePlace is CLOSE of a registered file.
func (r *ioRing) closePlace(place uint32) error {
	r.mu.Lock()
	files := r.resources.files
	switch {
	case files == nil:
		r.mu.Unlock()
		return errno.ENXIO
	case place >= uint32(len(files)):
		r.mu.Unlock()
		return errno.EINVAL
	case files[place].f == nil:
		r.mu.Unlock()
		return errno.EBADF
	}
	old := r.replaceLocked(place, nil, 0)
	r.mu.Unlock()
	old.DecRef()
	return nil
}

func (r *ioRing) hasFiles() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.resources.files != nil
}

// registerFiles registers n files, whose descriptors lie at a, with tags at tags; all places are free if a is 0.
func (r *ioRing) registerFiles(t *kernel.Task, a, tags addr.Addr, n uint32) error {
	switch {
	case r.hasFiles():
		return errno.EBUSY
	case n == 0:
		return errno.EINVAL
	case n > linux.IORING_MAX_FIXED_FILES || uint64(n) > t.FileLimit():
		return errno.EMFILE
	}
	files := make([]ioFile, n)
	fail := func(err error) error {
		for i := range files {
			files[i].drop()
		}
		return err
	}
	for i := range files {
		fd := int32(-1)
		if a != 0 {
			v, err := t.CopyInUint32(a + addr.Addr(4*i))
			if err != nil {
				return fail(err)
			}
			fd = int32(v)
		}
		if tags != 0 {
			tag, err := t.CopyInUint64(tags + addr.Addr(8*i))
			if err != nil {
				return fail(err)
			}
			if fd == -1 && tag != 0 {
				return fail(errno.EINVAL)
			}
			files[i].tag = tag
		}
		if fd == -1 {
			continue
		}
		f, err := registrable(t, fd)
		if err != nil {
			return fail(err)
		}
		files[i].f = f
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resources.files = files
	r.resources.allocFrom, r.resources.allocTo, r.resources.allocNext = 0, n, 0
	return nil
}

// registrable returns a file that may be registered: no ring, which would keep itself alive.
func registrable(t *kernel.Task, fd int32) (*vfs.File, error) {
	f, err := t.GetFile(fd)
	if err != nil {
		return nil, err
	}
	if ioRingOf(f) != nil {
		f.DecRef()
		return nil, errno.EBADF
	}
	return f, nil
}

func (r *ioRing) unregisterFiles() error {
	r.mu.Lock()
	files := r.resources.files
	if files == nil {
		r.mu.Unlock()
		return errno.ENXIO
	}
	for i := range files {
		if files[i].f != nil {
			r.postTagLocked(files[i].tag)
		}
	}
	r.resources.files = nil
	r.mu.Unlock()
	for i := range files {
		files[i].drop()
	}
	return nil
}

// updateFiles replaces n registered files from place off on and returns how many it replaced.
func (r *ioRing) updateFiles(t *kernel.Task, off uint32, a, tags addr.Addr, n uint32) (int64, error) {
	r.mu.Lock()
	have := uint64(len(r.resources.files))
	none := r.resources.files == nil
	r.mu.Unlock()
	switch {
	case none:
		return 0, errno.ENXIO
	case uint64(off)+uint64(n) > have:
		return 0, errno.EINVAL
	}
	done := int64(0)
	for i := range n {
		err := r.updateFile(t, off+i, a+addr.Addr(4*i), tags, uint64(i))
		if err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
		done++
	}
	return done, nil
}

func (r *ioRing) updateFile(t *kernel.Task, place uint32, a, tags addr.Addr, i uint64) error {
	v, err := t.CopyInUint32(a)
	if err != nil {
		return err
	}
	tag := uint64(0)
	if tags != 0 {
		if tag, err = t.CopyInUint64(tags + addr.Addr(8*i)); err != nil {
			return err
		}
	}
	fd := int32(v)
	if (fd == linux.IORING_REGISTER_FILES_SKIP || fd == -1) && tag != 0 {
		return errno.EINVAL
	}
	if fd == linux.IORING_REGISTER_FILES_SKIP {
		return nil
	}
	var f *vfs.File
	if fd != -1 {
		if f, err = registrable(t, fd); err != nil {
			return err
		}
	}
	r.mu.Lock()
	if uint64(place) >= uint64(len(r.resources.files)) { // unregistered meanwhile
		r.mu.Unlock()
		if f != nil {
			f.DecRef()
		}
		return errno.ENXIO
	}
	old := r.replaceLocked(place, f, tag)
	r.mu.Unlock()
	if old != nil {
		old.DecRef()
	}
	return nil
}

// setAllocRange is IORING_REGISTER_FILE_ALLOC_RANGE.
func (r *ioRing) setAllocRange(off, n uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := uint64(off) + uint64(n)
	switch {
	case end > 1<<32-1:
		return errno.EOVERFLOW
	case end > uint64(len(r.resources.files)):
		return errno.EINVAL
	}
	r.resources.allocFrom, r.resources.allocTo, r.resources.allocNext = off, uint32(end), off
	return nil
}

// copyInBuffer reads the struct iovec of a buffer to register. No address means no buffer.
func copyInBuffer(t *kernel.Task, a addr.Addr) (ioBuffer, error) {
	var v [16]byte
	if err := t.CopyIn(a, v[:]); err != nil {
		return ioBuffer{}, err
	}
	base, size := addr.Addr(binary.LittleEndian.Uint64(v[:])), binary.LittleEndian.Uint64(v[8:])
	if base == 0 {
		if size != 0 {
			return ioBuffer{}, errno.EFAULT
		}
		return ioBuffer{}, nil
	}
	if size == 0 || size > 1<<30 {
		return ioBuffer{}, errno.EFAULT
	}
	seq, err := t.Range(base, size)
	if err != nil {
		return ioBuffer{}, err
	}
	// Linux pins the pages, and so needs them to be there and writable.
	for seq.Len() > 0 {
		var b [1]byte
		at := base + addr.Addr(size-seq.Len())
		if err := t.CopyIn(at, b[:]); err != nil {
			return ioBuffer{}, errno.EFAULT
		}
		seq.Skip(min(seq.Len(), addr.PageSize-uint64(at.Offset())))
	}
	return ioBuffer{r: addr.Range{Start: base, End: base + addr.Addr(size)}, mm: t.MM()}, nil
}

func (r *ioRing) registerBuffers(t *kernel.Task, a, tags addr.Addr, n uint32) error {
	r.mu.Lock()
	busy := r.resources.buffers != nil
	r.mu.Unlock()
	switch {
	case busy:
		return errno.EBUSY
	case n == 0 || n > linux.IORING_MAX_REG_BUFFERS:
		return errno.EINVAL
	}
	buffers := make([]ioBuffer, n)
	for i := range buffers {
		if a != 0 {
			b, err := copyInBuffer(t, a+addr.Addr(16*i))
			if err != nil {
				return err
			}
			buffers[i] = b
		}
		if tags != 0 {
			tag, err := t.CopyInUint64(tags + addr.Addr(8*i))
			if err != nil {
				return err
			}
			if tag != 0 && buffers[i].mm == nil {
				return errno.EINVAL
			}
			buffers[i].tag = tag
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resources.buffers = buffers
	return nil
}

func (r *ioRing) unregisterBuffers() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.resources.buffers == nil {
		return errno.ENXIO
	}
	for _, b := range r.resources.buffers {
		if b.mm != nil {
			r.postTagLocked(b.tag)
		}
	}
	r.resources.buffers = nil
	return nil
}

// updateBuffers replaces n registered buffers from place off on.
func (r *ioRing) updateBuffers(t *kernel.Task, off uint32, a, tags addr.Addr, n uint32) (int64, error) {
	r.mu.Lock()
	have := uint64(len(r.resources.buffers))
	none := r.resources.buffers == nil
	r.mu.Unlock()
	switch {
	case none:
		return 0, errno.ENXIO
	case uint64(off)+uint64(n) > have:
		return 0, errno.EINVAL
	}
	for i := range n {
		b, err := copyInBuffer(t, a+addr.Addr(16*i))
		if err == nil && tags != 0 {
			b.tag, err = t.CopyInUint64(tags + addr.Addr(8*i))
			if b.tag != 0 && b.mm == nil {
				err = errno.EINVAL
			}
		}
		if err != nil {
			if i > 0 {
				return int64(i), nil
			}
			return 0, err
		}
		r.mu.Lock()
		if p := uint64(off + i); p < uint64(len(r.resources.buffers)) {
			if old := r.resources.buffers[p]; old.mm != nil {
				r.postTagLocked(old.tag)
			}
			r.resources.buffers[p] = b
		}
		r.mu.Unlock()
	}
	return int64(n), nil
}

// cloneBuffers is IORING_REGISTER_CLONE_BUFFERS of all buffers of src.
func (r *ioRing) cloneBuffers(src *ioRing) error {
	src.mu.Lock()
	buffers := slices.Clone(src.resources.buffers)
	src.mu.Unlock()
	if buffers == nil {
		return errno.ENXIO
	}
	for i := range buffers {
		buffers[i].tag = 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.resources.buffers != nil {
		return errno.EBUSY
	}
	r.resources.buffers = buffers
	return nil
}

// fixedRange returns n bytes at a of registered buffer i: EFAULT if they are not all its.
func (r *ioRing) fixedRange(t *kernel.Task, i uint16, a addr.Addr, n uint64) (usermem.Sequence, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if int(i) >= len(r.resources.buffers) {
		return usermem.Sequence{}, errno.EFAULT
	}
	b := &r.resources.buffers[i]
	x, ok := a.Range(n)
	if !ok || b.mm == nil || b.mm != t.MM() || x.Start < b.r.Start || x.End > b.r.End {
		return usermem.Sequence{}, errno.EFAULT
	}
	return t.Range(a, n)
}

// personality returns registered credentials, nil if there are none.
func (r *ioRing) personality(id uint16) *creds.Credentials {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.resources.personalities[id]
}

// registerPersonality keeps the credentials of c under a number above 0.
func (r *ioRing) registerPersonality(c *creds.Credentials) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := &r.resources
	if x.personalities == nil {
		x.personalities = make(map[uint16]*creds.Credentials)
	}
	for range 1 << 16 {
		x.lastPerson++
		if id := x.lastPerson; id != 0 && x.personalities[id] == nil {
			x.personalities[id] = c
			return int64(id), nil
		}
	}
	return 0, errno.EBUSY
}

func (r *ioRing) unregisterPersonality(id uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id > 1<<16-1 || r.resources.personalities[uint16(id)] == nil {
		return errno.EINVAL
	}
	delete(r.resources.personalities, uint16(id))
	return nil
}

// ioRestrictions are what a ring that was enabled may still do (IORING_REGISTER_RESTRICTIONS).
type ioRestrictions struct {
	registerOps   uint64
	ops           uint64
	flagsAllowed  uint8
	flagsRequired uint8
}

func (x *ioRestrictions) allows(s *linux.IOUringSQE) bool {
	return x.ops>>s.Opcode&1 != 0 && s.Flags&x.flagsRequired == x.flagsRequired && s.Flags&^(x.flagsAllowed|x.flagsRequired) == 0
}

// copyInRestrictions reads n struct io_uring_restriction.
func copyInRestrictions(t *kernel.Task, a addr.Addr, n uint32) (*ioRestrictions, error) {
	if n > linux.IORING_MAX_RESTRICTION {
		return nil, errno.EINVAL
	}
	x := new(ioRestrictions)
	for i := range n {
		var b [16]byte
		if err := t.CopyIn(a+addr.Addr(16*i), b[:]); err != nil {
			return nil, err
		}
		what := b[2]
		switch binary.LittleEndian.Uint16(b[:]) {
		case linux.IORING_RESTRICTION_REGISTER_OP:
			if what >= linux.IORING_REGISTER_LAST {
				return nil, errno.EINVAL
			}
			x.registerOps |= 1 << what
		case linux.IORING_RESTRICTION_SQE_OP:
			if what >= linux.IORING_OP_LAST {
				return nil, errno.EINVAL
			}
			x.ops |= 1 << what
		case linux.IORING_RESTRICTION_SQE_FLAGS_ALLOWED:
			x.flagsAllowed = what
		case linux.IORING_RESTRICTION_SQE_FLAGS_REQUIRED:
			x.flagsRequired = what
		default:
			return nil, errno.EINVAL
		}
	}
	return x, nil
}
