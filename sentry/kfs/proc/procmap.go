package proc

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/mm"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// mapsFile is /proc/PID/maps: a text, which can also be asked for single mappings (PROCMAP_QUERY).
type mapsFile struct {
	*tree.TextFileOps
	p *task
}

func openMaps(p *task, _ vfs.Caller, _ uint32) (vfs.FileOps, error) {
	return &mapsFile{tree.NewFile(&file{p, &entry{text: maps}}), p}, nil
}

// Where the fields of struct procmap_query are.
const (
	queryFlags    = 8
	queryAddr     = 16
	queryStart    = 24
	queryEnd      = 32
	queryPerms    = 40
	queryPageSize = 48
	queryOffset   = 56
	queryInode    = 64
	queryMajor    = 72
	queryMinor    = 76
	queryNameSize = 80
	queryIDSize   = 84
	queryName     = 88
	queryID       = 96
	querySize     = 104
	queryLeast    = 24 // the first version, less what is optional
)

// Ioctl implements vfs.FileOps. Mappings have no build IDs here, as if their files had none.
func (f *mapsFile) Ioctl(_ vfs.Caller, _ *vfs.File, io usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	if cmd != linux.PROCMAP_QUERY {
		return 0, errno.ENOTTY
	}
	var b [addr.PageSize]byte
	at := arg.Addr()
	if _, err := io.CopyIn(at, b[:8]); err != nil {
		return 0, err
	}
	size := binary.LittleEndian.Uint64(b[:])
	switch {
	case size > addr.PageSize:
		return 0, errno.E2BIG
	case size < queryLeast:
		return 0, errno.EINVAL
	}
	if _, err := io.CopyIn(at, b[:size]); err != nil {
		return 0, err
	}
	for _, c := range b[min(size, querySize):size] {
		if c != 0 {
			return 0, errno.E2BIG
		}
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	put64 := func(at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
	put32 := func(at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
	name, nameSize := addr.Addr(u64(queryName)), u32(queryNameSize)
	if u64(queryFlags)&^linux.PROCMAP_QUERY_VALID_FLAGS_MASK != 0 ||
		(nameSize == 0) != (name == 0) || (u32(queryIDSize) == 0) != (u64(queryID) == 0) {
		return 0, errno.EINVAL
	}
	m := f.p.mm()
	if m == nil {
		return 0, errno.ESRCH
	}
	defer m.DecUsers()
	v, ok := findMapping(m, addr.Addr(u64(queryAddr)), u64(queryFlags))
	if !ok {
		return 0, errno.ENOENT
	}
	put64(queryStart, uint64(v.Range.Start))
	put64(queryEnd, uint64(v.Range.End))
	put64(queryPerms, permsOf(&v))
	put64(queryPageSize, addr.PageSize)
	put64(queryOffset, 0)
	put64(queryInode, v.Ino)
	if v.Ino != 0 {
		put64(queryOffset, v.Offset)
	}
	put32(queryMajor, linux.Major(uint32(v.Dev)))
	put32(queryMinor, linux.Minor(uint32(v.Dev)))
	put32(queryIDSize, 0)
	if nameSize != 0 {
		n := uint32(0)
		if v.Name != "" {
			n = uint32(len(v.Name)) + 1
		}
		if n > nameSize {
			return 0, errno.ENAMETOOLONG
		}
		put32(queryNameSize, n)
		if n > 0 {
			if _, err := io.CopyOut(name, append([]byte(v.Name), 0)); err != nil {
				return 0, err
			}
		}
	}
	_, err := io.CopyOut(at, b[:min(size, querySize)])
	return 0, err
}

// permsOf returns the PROCMAP_QUERY_VMA_* that hold for v.
func permsOf(v *mm.VMAInfo) (perms uint64) {
	for _, x := range []struct {
		holds bool
		flag  uint64
	}{
		{v.Prot&platform.Read != 0, linux.PROCMAP_QUERY_VMA_READABLE}, {v.Prot&platform.Write != 0, linux.PROCMAP_QUERY_VMA_WRITABLE},
		{v.Prot&platform.Exec != 0, linux.PROCMAP_QUERY_VMA_EXECUTABLE}, {v.Shared, linux.PROCMAP_QUERY_VMA_SHARED},
	} {
		if x.holds {
			perms |= x.flag
		}
	}
	return perms
}

// findMapping finds the mapping at a that is as flags want, or with PROCMAP_QUERY_COVERING_OR_NEXT_VMA the first such one
// above (query_matching_vma of fs/proc/task_mmu.c).
func findMapping(m *mm.MM, a addr.Addr, flags uint64) (mm.VMAInfo, bool) {
	const perms = linux.PROCMAP_QUERY_VMA_READABLE | linux.PROCMAP_QUERY_VMA_WRITABLE | linux.PROCMAP_QUERY_VMA_EXECUTABLE | linux.PROCMAP_QUERY_VMA_SHARED
	next := flags&linux.PROCMAP_QUERY_COVERING_OR_NEXT_VMA != 0
	for {
		v, ok := m.VMAAt(a)
		if !ok {
			return v, false
		}
		fits := permsOf(&v)&flags&perms == flags&perms && (flags&linux.PROCMAP_QUERY_FILE_BACKED_VMA == 0 || v.Ino != 0)
		if fits && (next || v.Range.Start <= a) {
			return v, true
		}
		if !next {
			return v, false
		}
		a = v.Range.End
	}
}
