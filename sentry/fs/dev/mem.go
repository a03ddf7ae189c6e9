package dev

import (
	"crypto/rand"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/pagestore"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// device is what the memory devices have in common: a position that stays at 0.
type device struct{ vfs.BaseFile }

// Seekable implements vfs.Seeker: pread(2) and lseek(2) work.
func (device) Seekable() {}

// Seek implements vfs.FileOps.
func (device) Seek(vfs.Caller, *vfs.File, int64, int) (int64, error) { return 0, nil }

// discard takes all of src (as null(4) does, without looking).
func discard(src *usermem.Sequence) (int, error) {
	n := src.Len()
	src.Skip(n)
	return int(n), nil
}

func zeros(dst *usermem.Sequence) (int, error) { return dst.ZeroOut(dst.Len()) }

// null is /dev/null.
type null struct{ device }

func (null) Read(vfs.Caller, *vfs.File, *usermem.Sequence, int64, uint32) (int, error) {
	return 0, nil
}
func (null) Write(_ vfs.Caller, _ *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	return discard(src)
}

// full is /dev/full.
type full struct{ device }

func (full) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	return zeros(dst)
}
func (full) Write(vfs.Caller, *vfs.File, *usermem.Sequence, int64, uint32) (int, error) {
	return 0, errno.ENOSPC
}

// zero is /dev/zero.
type zero struct {
	device
	memory *memfile.File

	mu     sync.Mutex
	stores []*pagestore.Store // of mappings; a mapping keeps the file open
}

func (*zero) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	return zeros(dst)
}
func (*zero) Write(_ vfs.Caller, _ *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	return discard(src)
}

// maxMapping is as far as a file can be mapped, in bytes.
const maxMapping = 1 << 46

// Mappable implements vfs.FileOps: each mapping gets fresh memory.
func (z *zero) Mappable(vfs.Caller, *vfs.File) (mappable.Mappable, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	live := z.stores[:0]
	for i, s := range z.stores {
		// The last one may be about to be mapped.
		if s.Mapped() || i == len(z.stores)-1 {
			live = append(live, s)
		} else {
			s.Release()
		}
	}
	s := pagestore.NewSized(z.memory, memfile.Shared, maxMapping)
	z.stores = append(live, s)
	return s, nil
}

// Release implements vfs.FileOps.
func (z *zero) Release(*vfs.File) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, s := range z.stores {
		s.Release()
	}
	z.stores = nil
}

// random is /dev/random and /dev/urandom, which are one since Linux 5.6.
type random struct{ device }

// randomChunk is how much is made at a time, in bytes.
const randomChunk = 16 << 10

func (random) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	total := 0
	buf := make([]byte, min(dst.Len(), randomChunk))
	for dst.Len() > 0 {
		b := buf[:min(uint64(len(buf)), dst.Len())]
		if _, err := rand.Read(b); err != nil {
			return total, errno.EIO
		}
		n, err := dst.CopyOut(b)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Write mixes nothing in: the host's pool needs no help.
func (random) Write(_ vfs.Caller, _ *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	return discard(src)
}

// Requests of random(4).
const (
	rndGetEntCnt   = 0x80045200
	rndAddToEntCnt = 0x40045201
	rndAddEntropy  = 0x40085203
	rndClearPool   = 0x5206
	rndReseedCRNG  = 0x5207
)

// entropyBits is what the pool always holds (/proc/sys/kernel/random/entropy_avail).
const entropyBits = 256

// Ioctl implements vfs.FileOps.
func (random) Ioctl(c vfs.Caller, _ *vfs.File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	switch cmd {
	case rndGetEntCnt:
		_, err := m.CopyOut(arg.Addr(), []byte{entropyBits & 0xff, entropyBits >> 8, 0, 0})
		return 0, err
	case rndAddToEntCnt, rndAddEntropy, rndClearPool, rndReseedCRNG:
		if !c.Creds().Has(linux.CAP_SYS_ADMIN) {
			return 0, errno.EPERM
		}
		return 0, nil
	}
	return 0, errno.EINVAL
}
