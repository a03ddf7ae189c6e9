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

// withPath reads the path at a and calls fn with it and with where it begins. As fromStart it wants
// vfs.LookupEmpty in flags if the path may be empty.
func withPath(t *kernel.Task, dirfd int32, a addr.Addr, flags vfs.LookupFlags, fn func(start vfs.Path, path string) error) error {
	path, err := t.CopyInPath(a)
	if err != nil {
		return err
	}
	return fromStart(t, dirfd, path, flags, fn)
}

// fromStart calls fn with path and with where it begins. That an empty path names nothing is found
// before dirfd is looked at.
func fromStart(t *kernel.Task, dirfd int32, path string, flags vfs.LookupFlags, fn func(start vfs.Path, path string) error) error {
	if path == "" && flags&vfs.LookupEmpty == 0 {
		return errno.ENOENT
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
	err = withPath(t, dirfd, a, flags, func(start vfs.Path, path string) error {
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

// atPath resolves the path at a and calls fn with what it leads to.
func atPath(t *kernel.Task, dirfd int32, a addr.Addr, flags vfs.LookupFlags, fn func(p vfs.Path) error) error {
	p, err := resolveAt(t, dirfd, a, flags)
	if err != nil {
		return err
	}
	defer p.DecRef()
	return fn(p)
}

// atFile calls fn with an open file, but not one opened with O_PATH.
func atFile(t *kernel.Task, fd int32, fn func(f *vfs.File) error) error {
	f, err := t.GetFile(fd)
	if err != nil {
		return err
	}
	defer f.DecRef()
	return fn(f)
}

// firstErr returns the first error that is not nil.
func firstErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
