package syscalls

import (
	"math"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/pagestore"
	"ringfence/sentry/vfs"
)

var cachestatCalls = []line{
	{linux.SYS_CACHESTAT, "cachestat", sysCachestat, kernel.Full, "", "files of the host count as cached, and nothing as dirty"},
}

func sysCachestat(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	var r linux.CachestatRange
	if err := t.CopyInStruct(a[1].Addr(), &r); err != nil {
		return 0, err
	}
	if f.Writable() != nil && !mayKnowCached(t, f) {
		return 0, errno.EPERM
	}
	if a[3].Uint() != 0 {
		return 0, errno.EINVAL
	}
	last := uint64(math.MaxUint64) >> addr.PageShift
	if r.Len != 0 {
		last = (r.Off + r.Len - 1) >> addr.PageShift
	}
	cs := linux.Cachestat{Cache: cachedPages(t, f, r.Off>>addr.PageShift, last)}
	return 0, t.CopyOutStruct(a[2].Addr(), &cs)
}

// mayKnowCached reports whether t may know which pages of f are in memory: it says what others have read, so
// only who may write it, or own it, may know.
func mayKnowCached(t *kernel.Task, f *vfs.File) bool {
	return t.Creds().Owns(f.Inode().Attr().UID) || t.Kernel().VFS.Permission(t, f.Path, vfs.MayWrite) == nil
}

// cachedPages returns how many of the pages first to last of f are in memory.
func cachedPages(t *kernel.Task, f *vfs.File, first, last uint64) uint64 {
	if f.Inode().Type() != linux.S_IFREG || first > last {
		return 0
	}
	m, err := f.Ops.Mappable(t, f)
	if err != nil {
		return 0
	}
	if s, ok := m.(*pagestore.Store); ok {
		return s.PagesIn(first, last)
	}
	st, err := t.Kernel().VFS.Stat(t, f.Path)
	if err != nil || st.Size <= 0 {
		return 0
	}
	end := uint64(st.Size-1) >> addr.PageShift
	if first > end {
		return 0
	}
	return min(last, end) - first + 1
}
