package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/mm"
)

var mmCalls = []line{
	{linux.SYS_MMAP, "mmap", sysMmap, kernel.Full, "MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE MAP_DROPPABLE MAP_FIXED MAP_FIXED_NOREPLACE MAP_ANONYMOUS MAP_32BIT MAP_GROWSDOWN MAP_LOCKED MAP_NORESERVE MAP_POPULATE MAP_NONBLOCK MAP_STACK", "MAP_HUGETLB finds no huge pages"},
	{linux.SYS_MUNMAP, "munmap", sysMunmap, kernel.Full, "", ""},
	{linux.SYS_MPROTECT, "mprotect", sysMprotect, kernel.Full, "PROT_READ PROT_WRITE PROT_EXEC PROT_SEM PROT_GROWSDOWN", ""},
	{linux.SYS_MREMAP, "mremap", sysMremap, kernel.Full, "MREMAP_MAYMOVE MREMAP_FIXED MREMAP_DONTUNMAP", ""},
	{linux.SYS_BRK, "brk", sysBrk, kernel.Full, "", ""},
	{linux.SYS_MADVISE, "madvise", sysMadvise, kernel.Full, "all of Linux 6.12", "MADV_COLLAPSE finds no huge pages; MADV_FREE frees at once"},
	{linux.SYS_MSYNC, "msync", sysMsync, kernel.Full, "MS_ASYNC MS_INVALIDATE MS_SYNC", ""},
	{linux.SYS_MINCORE, "mincore", sysMincore, kernel.Full, "", "files of the host count as in memory"},
	{linux.SYS_MLOCK, "mlock", sysMlock, kernel.Full, "", ""},
	{linux.SYS_MLOCK2, "mlock2", sysMlock2, kernel.Full, "MLOCK_ONFAULT", ""},
	{linux.SYS_MUNLOCK, "munlock", sysMunlock, kernel.Full, "", ""},
	{linux.SYS_MLOCKALL, "mlockall", sysMlockall, kernel.Full, "MCL_CURRENT MCL_FUTURE MCL_ONFAULT", ""},
	{linux.SYS_MUNLOCKALL, "munlockall", sysMunlockall, kernel.Full, "", ""},
	{linux.SYS_MSEAL, "mseal", sysMseal, kernel.Full, "", ""},
	{linux.SYS_REMAP_FILE_PAGES, "remap_file_pages", sysRemapFilePages, kernel.Full, "", ""},
	{linux.SYS_PKEY_MPROTECT, "pkey_mprotect", sysPkeyMprotect, kernel.Partial, "", "only key -1: there are no protection keys"},
	{linux.SYS_PKEY_ALLOC, "pkey_alloc", sysPkeyAlloc, kernel.Partial, "", "ENOSPC: there are no protection keys"},
	{linux.SYS_PKEY_FREE, "pkey_free", sysPkeyFree, kernel.Partial, "", "EINVAL: there are no protection keys"},
}

// protOf reads PROT_* with READ_IMPLIES_EXEC of personality(2) applied.
func protOf(t *kernel.Task, prot uint64) uint64 {
	if prot&linux.PROT_READ != 0 && t.Personality()&linux.READ_IMPLIES_EXEC != 0 {
		prot |= linux.PROT_EXEC
	}
	return prot
}

func sysMmap(t *kernel.Task, a *arch.Args) (uint64, error) {
	prot, flags := protOf(t, a[2].Uint64()), a[3].Uint64()
	off := a[5].Uint64()
	if off&addr.PageMask != 0 {
		return 0, errno.EINVAL
	}
	opts := mm.MapOpts{
		Addr:      a[0].Addr(),
		Length:    a[1].Size(),
		Offset:    off,
		Prot:      platform.Prot(prot & (linux.PROT_READ | linux.PROT_WRITE | linux.PROT_EXEC)),
		Fixed:     flags&(linux.MAP_FIXED|linux.MAP_FIXED_NOREPLACE) != 0,
		NoReplace: flags&linux.MAP_FIXED_NOREPLACE != 0,
		GrowsDown: flags&linux.MAP_GROWSDOWN != 0,
		Populate:  flags&(linux.MAP_POPULATE|linux.MAP_NONBLOCK) == linux.MAP_POPULATE,
		Locked:    flags&linux.MAP_LOCKED != 0,
		Below4G:   flags&linux.MAP_32BIT != 0,
		NoReserve: flags&linux.MAP_NORESERVE != 0,
	}
	opts.Events = t.MemoryEvents()
	defer t.AwaitEvents()
	if flags&linux.MAP_ANONYMOUS == 0 {
		return mmapFile(t, a[4].Int(), flags, opts)
	}
	if flags&linux.MAP_HUGETLB != 0 {
		switch flags >> linux.MAP_HUGE_SHIFT & linux.MAP_HUGE_MASK {
		case 0, 21, 30: // x86 has pages of 2 MB and 1 GB, and here there is none of them
			return 0, errno.ENOMEM
		}
		return 0, errno.EINVAL
	}
	switch flags & linux.MAP_TYPE {
	case linux.MAP_SHARED:
		if opts.GrowsDown {
			return 0, errno.EINVAL
		}
	case linux.MAP_DROPPABLE:
		if opts.Locked || opts.GrowsDown {
			return 0, errno.EINVAL
		}
		opts.Private, opts.Droppable, opts.NoReserve = true, true, true
	case linux.MAP_PRIVATE:
		opts.Private = true
	default:
		return 0, errno.EINVAL
	}
	opts.Offset = 0
	at, err := t.MM().Map(opts)
	return uint64(at), err
}

// sharedFlags are what MAP_SHARED_VALIDATE accepts (LEGACY_MAP_MASK of linux/mman.h).
const sharedFlags = linux.MAP_TYPE | linux.MAP_FIXED | linux.MAP_ANONYMOUS | linux.MAP_32BIT | linux.MAP_GROWSDOWN |
	linux.MAP_DENYWRITE | linux.MAP_EXECUTABLE | linux.MAP_LOCKED | linux.MAP_NORESERVE | linux.MAP_POPULATE |
	linux.MAP_NONBLOCK | linux.MAP_STACK | linux.MAP_HUGETLB | linux.MAP_UNINITIALIZED | linux.MAP_ABOVE4G |
	(linux.MAP_HUGE_2MB | linux.MAP_HUGE_1GB)

// mmapFile checks what the descriptor allows and maps the file.
func mmapFile(t *kernel.Task, fd int32, flags uint64, opts mm.MapOpts) (uint64, error) {
	f, err := t.GetFile(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if flags&linux.MAP_HUGETLB != 0 || opts.Length == 0 {
		return 0, errno.EINVAL
	}
	readable, writable := f.Readable() == nil, f.Writable() == nil
	opts.MaxProt = platform.Read | platform.Write | platform.Exec
	switch flags & linux.MAP_TYPE {
	case linux.MAP_SHARED_VALIDATE:
		if flags&^sharedFlags != 0 {
			return 0, errno.EOPNOTSUPP
		}
		fallthrough
	case linux.MAP_SHARED:
		if opts.Prot&platform.Write != 0 && !writable {
			return 0, errno.EACCES
		}
		if !writable {
			opts.MaxProt &^= platform.Write
		}
		if s, ok := f.Ops.(sealer); ok && s.Seals()&(linux.F_SEAL_WRITE|linux.F_SEAL_FUTURE_WRITE) != 0 {
			if opts.Prot&platform.Write != 0 {
				return 0, errno.EPERM
			}
			opts.MaxProt &^= platform.Write
		}
	case linux.MAP_PRIVATE:
		opts.Private = true
	default:
		return 0, errno.EINVAL
	}
	if !readable {
		return 0, errno.EACCES
	}
	if f.Path.Mount.Flags()&linux.MS_NOEXEC != 0 {
		if opts.Prot&platform.Exec != 0 {
			return 0, errno.EPERM
		}
		opts.MaxProt &^= platform.Exec
	}
	if opts.Mappable, err = f.Ops.Mappable(t, f); err != nil {
		return 0, err
	}
	opts.File = f
	// Programs map files to read them: save the fault. The dynamic linker first maps all of a
	// library, with MAP_DENYWRITE, and then replaces most of that.
	opts.Soon = opts.Prot&platform.Write == 0 && opts.Prot != 0 && (opts.Fixed || flags&linux.MAP_DENYWRITE == 0)
	at, err := t.MM().Map(opts)
	return uint64(at), err
}

func sysMunmap(t *kernel.Task, a *arch.Args) (uint64, error) {
	defer t.AwaitEvents()
	return 0, t.MM().Unmap(a[0].Addr(), a[1].Size(), t.MemoryEvents())
}

func sysMprotect(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.MM().Protect(a[0].Addr(), a[1].Size(), protOf(t, a[2].Uint64()))
}

func sysMremap(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[3].Uint64()
	if flags&^(linux.MREMAP_MAYMOVE|linux.MREMAP_FIXED|linux.MREMAP_DONTUNMAP) != 0 {
		return 0, errno.EINVAL
	}
	defer t.AwaitEvents()
	at, err := t.MM().Remap(mm.RemapOpts{
		Events: t.MemoryEvents(),
		Old:    a[0].Addr(), OldLength: a[1].Size(), NewLength: a[2].Size(), New: a[4].Addr(),
		MayMove:   flags&linux.MREMAP_MAYMOVE != 0,
		Fixed:     flags&linux.MREMAP_FIXED != 0,
		DontUnmap: flags&linux.MREMAP_DONTUNMAP != 0,
	})
	return uint64(at), err
}

func sysBrk(t *kernel.Task, a *arch.Args) (uint64, error) {
	defer t.AwaitEvents()
	return uint64(t.MM().Brk(a[0].Addr(), t.MemoryEvents())), nil
}

func sysMadvise(t *kernel.Task, a *arch.Args) (uint64, error) {
	t.MM().AnnounceRemoval(a[0].Addr(), a[1].Size(), a[2].Int(), t.MemoryEvents())
	t.AwaitEvents()
	return 0, awaitFaults(t, func() error { return t.MM().Advise(a[0].Addr(), a[1].Size(), a[2].Int()) })
}

// awaitFaults calls op, which touches memory, until it meets nothing that a userfaultfd has to resolve first.
func awaitFaults(t *kernel.Task, op func() error) error {
	for {
		err := op()
		if _, ok := err.(*mm.UserFault); !ok {
			return err
		}
		if !t.AwaitFault(err) {
			return errno.EFAULT
		}
	}
}

func sysMsync(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.MM().Msync(a[0].Addr(), a[1].Size(), a[2].Uint())
}

func sysMincore(t *kernel.Task, a *arch.Args) (uint64, error) {
	start := a[0].Addr()
	if !start.Aligned() {
		return 0, errno.EINVAL
	}
	n, ok := addr.PageRoundUp(a[1].Size())
	if r, in := start.Range(n); !ok || !in || n > 0 && r.End > t.MM().UserRange().End {
		return 0, errno.ENOMEM
	}
	vec := a[2].Addr()
	mayTell := func(r mm.FileRef) bool {
		f := kernel.File(r)
		return f == nil || mayKnowCached(t, f)
	}
	var buf [4096]byte
	for pages := n >> addr.PageShift; pages > 0; {
		b := buf[:min(pages, uint64(len(buf)))]
		if err := t.MM().Mincore(start, b, mayTell); err != nil {
			return 0, err
		}
		if err := t.CopyOut(vec, b); err != nil {
			return 0, err
		}
		pages -= uint64(len(b))
		start += addr.Addr(len(b)) << addr.PageShift
		vec += addr.Addr(len(b))
	}
	return 0, nil
}

func sysMlock(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, awaitFaults(t, func() error { return t.MM().Mlock(a[0].Addr(), a[1].Size(), false) })
}

func sysMlock2(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[2].Uint()
	if flags&^linux.MLOCK_ONFAULT != 0 {
		return 0, errno.EINVAL
	}
	return 0, awaitFaults(t, func() error { return t.MM().Mlock(a[0].Addr(), a[1].Size(), flags != 0) })
}

func sysMunlock(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.MM().Munlock(a[0].Addr(), a[1].Size())
}

func sysMlockall(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.MM().Mlockall(a[0].Uint())
}

func sysMunlockall(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.MM().Munlockall()
}

func sysMseal(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[2] != 0 {
		return 0, errno.EINVAL
	}
	return 0, t.MM().Mseal(a[0].Addr(), a[1].Size())
}

func sysRemapFilePages(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[2] != 0 {
		return 0, errno.EINVAL
	}
	return 0, t.MM().RemapFilePages(a[0].Addr(), a[1].Size(), a[3].Uint64())
}

// sysPkeyMprotect is mprotect for the key that stands for none.
func sysPkeyMprotect(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[3].Int() != -1 {
		return 0, errno.EINVAL
	}
	return sysMprotect(t, a)
}

// sysPkeyAlloc answers as Linux does on a CPU without protection keys.
func sysPkeyAlloc(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[0] != 0 || a[1].Uint64()&^linux.PKEY_ACCESS_MASK != 0 {
		return 0, errno.EINVAL
	}
	return 0, errno.ENOSPC
}

func sysPkeyFree(t *kernel.Task, a *arch.Args) (uint64, error) { return 0, errno.EINVAL }
