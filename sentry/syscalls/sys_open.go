package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

const openFlags = "O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_SYNC O_DSYNC O_DIRECT O_DIRECTORY O_NOFOLLOW O_NOATIME O_CLOEXEC O_PATH O_TMPFILE O_ASYNC"

var openCalls = []line{
	{linux.SYS_OPEN, "open", sysOpen, kernel.Full, openFlags, ""},
	{linux.SYS_OPENAT, "openat", sysOpenat, kernel.Full, openFlags, ""},
	{linux.SYS_OPENAT2, "openat2", sysOpenat2, kernel.Full, openFlags + " RESOLVE_*", ""},
	{linux.SYS_CREAT, "creat", sysCreat, kernel.Full, "", ""},
}

func sysOpen(t *kernel.Task, a *arch.Args) (uint64, error) {
	return openat(t, linux.AT_FDCWD, a[0], a[1].Uint(), a[2].Uint())
}

func sysOpenat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return openat(t, a[0].Int(), a[1], a[2].Uint(), a[3].Uint())
}

func sysCreat(t *kernel.Task, a *arch.Args) (uint64, error) {
	return openat(t, linux.AT_FDCWD, a[0], linux.O_CREAT|linux.O_WRONLY|linux.O_TRUNC, a[1].Uint())
}

// openat is open(2), which ignores flags and mode bits that it does not know.
func openat(t *kernel.Task, dirfd int32, path arch.Arg, flags, mode uint32) (uint64, error) {
	flags, err := knownOpenFlags(flags)
	if err != nil {
		return 0, err
	}
	return open(t, dirfd, path, flags, mode&linux.S_IALLUGO, 0)
}

// knownOpenFlags returns the flags that open(2) heeds; EINVAL if they make no sense together.
func knownOpenFlags(flags uint32) (uint32, error) {
	flags &= vfs.ValidOpenFlags
	if flags&linux.O_PATH != 0 {
		flags &= linux.O_DIRECTORY | linux.O_NOFOLLOW | linux.O_PATH | linux.O_CLOEXEC
	}
	if flags&linux.O_TMPFILE != linux.O_TMPFILE && flags&(linux.O_TMPFILE&^linux.O_DIRECTORY) != 0 {
		return 0, errno.EINVAL
	}
	if flags&linux.O_TMPFILE == linux.O_TMPFILE && flags&linux.O_ACCMODE == linux.O_RDONLY {
		return 0, errno.EINVAL
	}
	if flags&(linux.O_CREAT|linux.O_DIRECTORY) == linux.O_CREAT|linux.O_DIRECTORY {
		return 0, errno.EINVAL
	}
	return flags, nil
}

func sysOpenat2(t *kernel.Task, a *arch.Args) (uint64, error) {
	var how linux.OpenHow
	if err := copyInExtensible(t, a[2].Addr(), a[3].Size(), uint64(how.SizeBytes()), &how); err != nil {
		return 0, err
	}
	if err := checkOpenHow(&how); err != nil {
		return 0, err
	}
	return open(t, a[0].Int(), a[1], uint32(how.Flags), uint32(how.Mode), how.Resolve)
}

// checkOpenHow checks what openat2(2) is told.
func checkOpenHow(how *linux.OpenHow) error {
	flags := uint32(how.Flags)
	tmpfile := flags&linux.O_TMPFILE == linux.O_TMPFILE
	makes := tmpfile || flags&linux.O_CREAT != 0
	switch {
	case how.Flags&^vfs.ValidOpenFlags != 0, how.Resolve&^vfs.ValidResolveFlags != 0,
		how.Mode&^linux.S_IALLUGO != 0, how.Mode != 0 && !makes,
		how.Resolve&linux.RESOLVE_BENEATH != 0 && how.Resolve&linux.RESOLVE_IN_ROOT != 0,
		!tmpfile && flags&(linux.O_TMPFILE&^linux.O_DIRECTORY) != 0,
		tmpfile && flags&linux.O_ACCMODE == linux.O_RDONLY,
		flags&(linux.O_CREAT|linux.O_DIRECTORY) == linux.O_CREAT|linux.O_DIRECTORY,
		flags&linux.O_PATH != 0 && flags&^(linux.O_DIRECTORY|linux.O_NOFOLLOW|linux.O_PATH|linux.O_CLOEXEC) != 0:
		return errno.EINVAL
	}
	if how.Resolve&linux.RESOLVE_CACHED != 0 && (makes || flags&linux.O_TRUNC != 0) {
		return errno.EAGAIN
	}
	return nil
}

// open opens and installs a file.
func open(t *kernel.Task, dirfd int32, path arch.Arg, flags, mode uint32, resolve uint64) (uint64, error) {
	return openAndInstall(t, flags, func() (*vfs.File, error) {
		name, err := t.CopyInPath(path.Addr())
		if err != nil {
			return nil, err
		}
		return openName(t, dirfd, name, flags, mode, resolve)
	})
}

// openName opens a file, though the open may not be complete.
func openName(t *kernel.Task, dirfd int32, path string, flags, mode uint32, resolve uint64) (f *vfs.File, err error) {
	err = fromStart(t, dirfd, path, 0, func(start vfs.Path, path string) (err error) {
		if resolve&(linux.RESOLVE_BENEATH|linux.RESOLVE_IN_ROOT) != 0 && !start.Ok() && dirfd != linux.AT_FDCWD {
			// An absolute path is scoped to dirfd too.
			if start, err = startAt(t, dirfd, ""); err != nil {
				return err
			}
			defer start.DecRef()
		}
		f, err = t.Kernel().VFS.OpenAt(t, start, path, flags, mode, resolve)
		return err
	})
	return f, err
}

// openAndInstall gives the file that open makes a descriptor, once the open is complete.
func openAndInstall(t *kernel.Task, flags uint32, open func() (*vfs.File, error)) (uint64, error) {
	f, err := open()
	if err == nil {
		err = completeOpen(t, f)
	}
	if err != nil {
		return 0, err
	}
	fd, err := t.InstallNew(f, flags)
	return uint64(fd), err
}

// completeOpen waits until the open of f is complete, or drops f.
func completeOpen(t *kernel.Task, f *vfs.File) error {
	w, ok := f.Ops.(vfs.OpenWaiter)
	if !ok || w.OpenReady(f) {
		return nil
	}
	err := t.BlockOnFile(f, wait.All, false, kernel.Forever, func() error {
		if w.OpenReady(f) {
			return nil
		}
		return errno.EAGAIN
	})
	if err != nil {
		f.DecRef()
	}
	return err
}
