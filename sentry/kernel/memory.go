package kernel

import (
	"encoding/binary"
	"hash/maphash"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/usermem"
)

// Unmarshaler and Marshaler are the structs of abi/linux.
type Unmarshaler interface {
	SizeBytes() int
	UnmarshalBytes(src []byte)
}

type Marshaler interface {
	SizeBytes() int
	MarshalBytes(dst []byte)
}

// CopyIn reads len(dst) bytes of guest memory or fails with EFAULT.
func (t *Task) CopyIn(a addr.Addr, dst []byte) error {
	_, err := (*memory)(t).CopyIn(a, dst)
	return err
}

// CopyOut writes src to guest memory or fails with EFAULT.
func (t *Task) CopyOut(a addr.Addr, src []byte) error {
	_, err := (*memory)(t).CopyOut(a, src)
	return err
}

// CopyInStruct reads a struct of abi/linux from guest memory. It allocates, as
// CopyOutStruct does: what programs do all the time encodes for itself.
func (t *Task) CopyInStruct(a addr.Addr, x Unmarshaler) error {
	var small [256]byte
	b := small[:]
	if n := x.SizeBytes(); n <= len(b) {
		b = b[:n]
	} else {
		b = make([]byte, n)
	}
	if err := t.CopyIn(a, b); err != nil {
		return err
	}
	x.UnmarshalBytes(b)
	return nil
}

// CopyOutStruct writes a struct of abi/linux to guest memory.
func (t *Task) CopyOutStruct(a addr.Addr, x Marshaler) error {
	var small [256]byte
	b := small[:]
	if n := x.SizeBytes(); n <= len(b) {
		b = b[:n]
	} else {
		b = make([]byte, n)
	}
	x.MarshalBytes(b)
	return t.CopyOut(a, b)
}

// CopyInTimespec and CopyOutTimespec move what the calls about time take and give.
func (t *Task) CopyInTimespec(a addr.Addr, ts *linux.Timespec) error {
	b := make([]byte, ts.SizeBytes())
	err := t.CopyIn(a, b)
	if err == nil {
		ts.UnmarshalBytes(b)
	}
	return err
}

func (t *Task) CopyOutTimespec(a addr.Addr, ts *linux.Timespec) error {
	b := make([]byte, ts.SizeBytes())
	ts.MarshalBytes(b)
	return t.CopyOut(a, b)
}

// CopyInUint32 and the like move single little-endian words.
func (t *Task) CopyInUint32(a addr.Addr) (uint32, error) {
	var b [4]byte
	err := t.CopyIn(a, b[:])
	return binary.LittleEndian.Uint32(b[:]), err
}

func (t *Task) CopyInUint64(a addr.Addr) (uint64, error) {
	var b [8]byte
	err := t.CopyIn(a, b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

func (t *Task) CopyOutUint32(a addr.Addr, v uint32) error {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], v)
	return t.CopyOut(a, b[:])
}

func (t *Task) CopyOutUint64(a addr.Addr, v uint64) error {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	return t.CopyOut(a, b[:])
}

// CopyInString reads a NUL-terminated string of at most max bytes.
func (t *Task) CopyInString(a addr.Addr, max int) (string, error) {
	return usermem.CopyInString(t.Memory(), a, max)
}

// CopyInPath reads a path: ENAMETOOLONG if it does not fit PATH_MAX with its NUL.
// An empty path is for the caller to judge.
func (t *Task) CopyInPath(a addr.Addr) (string, error) {
	var b [256]byte
	switch n, err := t.mm.CopyInString(a, b[:]); err {
	case nil:
		return t.paths.intern(b[:n]), nil
	case errno.ENAMETOOLONG, errno.EFAULT:
		return usermem.CopyInString(t.Memory(), a, linux.PATH_MAX-1)
	default:
		return "", err
	}
}

// pathCache holds the strings of paths that a task named lately, by hash: programs name the same ones
// again and again.
type pathCache [16]string

var pathSeed = maphash.MakeSeed()

// intern returns b as a string.
func (c *pathCache) intern(b []byte) string {
	s := &c[maphash.Bytes(pathSeed, b)%uint64(len(c))]
	if *s != string(b) {
		*s = string(b)
	}
	return *s
}

// Range returns n bytes from a as a Sequence. EFAULT if the range is not within user memory.
func (t *Task) Range(a addr.Addr, n uint64) (usermem.Sequence, error) {
	r, ok := a.Range(n)
	if !ok || n != 0 && r.End > userTop {
		return usermem.Sequence{}, errno.EFAULT
	}
	return usermem.Single(t.Memory(), r), nil
}

// userTop is TASK_SIZE_MAX: where user addresses end with four-level page tables.
const userTop = 1<<47 - addr.PageSize

// CopyInIovecs reads n struct iovec as readv(2) does: EINVAL if there are more than IOV_MAX or
// a length is negative, EFAULT if an address is not the user's. What exceeds MAX_RW_COUNT is cut.
func (t *Task) CopyInIovecs(a addr.Addr, n uint64) (usermem.Sequence, error) {
	if n > linux.IOV_MAX {
		return usermem.Sequence{}, errno.EINVAL
	}
	if n == 0 {
		return usermem.Single(t.Memory(), addr.Range{}), nil
	}
	var small [16 * 8]byte
	b := small[:]
	if n <= 8 {
		b = b[:16*n]
	} else {
		b = make([]byte, 16*n)
	}
	if err := t.CopyIn(a, b); err != nil {
		return usermem.Sequence{}, errno.EFAULT
	}
	var one addr.Range
	var ranges []addr.Range
	if n > 1 {
		ranges = make([]addr.Range, 0, n)
	}
	left := uint64(linux.MAX_RW_COUNT)
	for i := uint64(0); i < n; i++ {
		base := addr.Addr(binary.LittleEndian.Uint64(b[16*i:]))
		size := binary.LittleEndian.Uint64(b[16*i+8:])
		if int64(size) < 0 {
			return usermem.Sequence{}, errno.EINVAL
		}
		if r, ok := base.Range(size); !ok || r.End > userTop {
			return usermem.Sequence{}, errno.EFAULT
		}
		size = min(size, left)
		left -= size
		one = addr.Range{Start: base, End: base + addr.Addr(size)}
		if n > 1 && size > 0 {
			ranges = append(ranges, one)
		}
	}
	if n == 1 {
		return usermem.Single(t.Memory(), one), nil
	}
	return usermem.Multi(t.Memory(), ranges), nil
}
