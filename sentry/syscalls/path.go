package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

// startAt returns where a relative path begins for the *at calls: the file of dirfd with a
// reference, or the zero Path for AT_FDCWD. An absolute path needs no descriptor.
func startAt(t *kernel.Task, dirfd int32, path string) (vfs.Path, error) {
	if dirfd == linux.AT_FDCWD || path != "" && path[0] == '/' {
		return vfs.Path{}, nil
	}
	f, err := t.GetAnyFile(dirfd)
	if err != nil {
		return vfs.Path{}, err
	}
	defer f.DecRef()
	p := f.Path
	if path != "" && p.Inode().Type() != linux.S_IFDIR {
		return vfs.Path{}, errno.ENOTDIR
	}
	p.IncRef()
	return p, nil
}

// withPath reads the path at a and calls fn with it and with where it begins.
func withPath(t *kernel.Task, dirfd int32, a addr.Addr, fn func(start vfs.Path, path string) error) error {
	path, err := t.CopyInPath(a)
	if err != nil {
		return err
	}
	start, err := startAt(t, dirfd, path)
	if err != nil {
		return err
	}
	defer start.DecRef()
	return fn(start, path)
}

// resolveAt reads the path at a and resolves it.
func resolveAt(t *kernel.Task, dirfd int32, a addr.Addr, flags vfs.LookupFlags) (p vfs.Path, err error) {
	err = withPath(t, dirfd, a, func(start vfs.Path, path string) error {
		p, err = t.Kernel().VFS.Resolve(t, start, path, flags)
		return err
	})
	return p, err
}

// atFlags turns AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH into how to resolve; EINVAL if flags holds others
// than those in known.
func atFlags(flags, known uint32) (vfs.LookupFlags, error) {
	if flags&^known != 0 {
		return 0, errno.EINVAL
	}
	var lf vfs.LookupFlags
	if flags&linux.AT_SYMLINK_NOFOLLOW == 0 {
		lf |= vfs.LookupFollow
	}
	if flags&linux.AT_EMPTY_PATH != 0 {
		lf |= vfs.LookupEmpty
	}
	return lf, nil
}

// raiseFileLimit sends SIGXFSZ if err says that RLIMIT_FSIZE was hit.
func raiseFileLimit(t *kernel.Task, err error) error {
	if err == errno.EFBIG && t.FileSizeLimit() != linux.RLIM_INFINITY {
		t.SignalSelf(linux.SIGXFSZ)
	}
	return err
}
