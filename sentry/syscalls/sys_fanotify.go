package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var fanotifyCalls = []line{
	{linux.SYS_FANOTIFY_INIT, "fanotify_init", sysFanotifyInit, kernel.Full, "FAN_CLOEXEC FAN_NONBLOCK FAN_CLASS_* FAN_UNLIMITED_* FAN_ENABLE_AUDIT FAN_REPORT_*", ""},
	{linux.SYS_FANOTIFY_MARK, "fanotify_mark", sysFanotifyMark, kernel.Full, "FAN_MARK_*", "FAN_MARK_EVICTABLE marks are never evicted"},
}

const (
	fanFIDs     = linux.FAN_REPORT_FID | linux.FAN_REPORT_DIR_FID | linux.FAN_REPORT_NAME | linux.FAN_REPORT_TARGET_FID
	fanClasses  = linux.FAN_CLASS_CONTENT | linux.FAN_CLASS_PRE_CONTENT
	fanAdmin    = fanClasses | linux.FAN_REPORT_TID | linux.FAN_REPORT_PIDFD | linux.FAN_UNLIMITED_QUEUE | linux.FAN_UNLIMITED_MARKS
	fanInit     = fanFIDs | fanAdmin | linux.FAN_CLOEXEC | linux.FAN_NONBLOCK | linux.FAN_ENABLE_AUDIT
	fanNames    = linux.FAN_REPORT_DIR_FID | linux.FAN_REPORT_NAME
	fanTargets  = fanNames | linux.FAN_REPORT_FID
	fanOpenable = linux.O_ACCMODE | linux.O_APPEND | linux.O_NONBLOCK | linux.O_SYNC | linux.O_DSYNC | linux.O_CLOEXEC |
		linux.O_LARGEFILE | linux.O_NOATIME
)

func sysFanotifyInit(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags, eventFlags := a[0].Uint(), a[1].Uint()
	admin := t.Creds().Has(linux.CAP_SYS_ADMIN)
	switch {
	case !admin && (flags&fanAdmin != 0 || flags&fanFIDs == 0):
		return 0, errno.EPERM
	case flags&^fanInit != 0,
		eventFlags&^fanOpenable != 0, eventFlags&linux.O_ACCMODE == linux.O_ACCMODE,
		flags&fanFIDs != 0 && flags&fanClasses != 0,
		flags&linux.FAN_REPORT_PIDFD != 0 && flags&linux.FAN_REPORT_TID != 0,
		flags&linux.FAN_REPORT_NAME != 0 && flags&fanNames != fanNames,
		flags&linux.FAN_REPORT_TARGET_FID != 0 && flags&fanTargets != fanTargets,
		flags&fanClasses == fanClasses:
		return 0, errno.EINVAL
	case flags&linux.FAN_ENABLE_AUDIT != 0 && !t.Creds().Has(linux.CAP_AUDIT_WRITE):
		return 0, errno.EPERM
	}
	var open uint32 = linux.O_RDWR
	if flags&linux.FAN_NONBLOCK != 0 {
		open |= linux.O_NONBLOCK
	}
	var install uint32
	if flags&linux.FAN_CLOEXEC != 0 {
		install = linux.O_CLOEXEC
	}
	v := t.Kernel().VFS
	f := v.NewAnonFile("[fanotify]", v.NewFanotify(t, flags, eventFlags|linux.O_LARGEFILE, !admin), open, vfs.FModeRead|vfs.FModeWrite|vfs.FModeStream|vfs.FModeStill, t.Creds())
	fd, err := t.InstallNew(f, install)
	return uint64(fd), err
}

const (
	fanMarkTypes = linux.FAN_MARK_MOUNT | linux.FAN_MARK_FILESYSTEM
	fanMarkVerbs = linux.FAN_MARK_ADD | linux.FAN_MARK_REMOVE | linux.FAN_MARK_FLUSH
	fanMarkFlags = fanMarkTypes | fanMarkVerbs | linux.FAN_MARK_DONT_FOLLOW | linux.FAN_MARK_ONLYDIR | linux.FAN_MARK_IGNORED_MASK |
		linux.FAN_MARK_IGNORED_SURV_MODIFY | linux.FAN_MARK_EVICTABLE | linux.FAN_MARK_IGNORE
)

func sysFanotifyMark(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags, mask, dirfd, path := a[1].Uint(), a[2].Uint64(), a[3].Int(), a[4].Addr()
	verb := flags & fanMarkVerbs
	switch {
	case mask>>32 != 0, flags&^fanMarkFlags != 0, flags&fanMarkTypes == fanMarkTypes,
		verb != linux.FAN_MARK_ADD && verb != linux.FAN_MARK_REMOVE && verb != linux.FAN_MARK_FLUSH,
		verb != linux.FAN_MARK_FLUSH && mask == 0,
		verb == linux.FAN_MARK_FLUSH && flags&^(fanMarkTypes|linux.FAN_MARK_FLUSH) != 0:
		return 0, errno.EINVAL
	}
	return 0, atFile(t, a[0].Int(), func(f *vfs.File) error {
		g, ok := f.Ops.(*vfs.Fanotify)
		if !ok {
			return errno.EINVAL
		}
		if g.Unprivileged() && flags&fanMarkTypes != 0 {
			return errno.EPERM
		}
		if verb == linux.FAN_MARK_FLUSH {
			g.Flush(flags)
			return nil
		}
		if err := g.Check(flags, mask); err != nil {
			return err
		}
		mark := func(p vfs.Path) error { return g.Mark(t, p, flags, mask) }
		if path == 0 {
			p, err := anchorOf(t, dirfd)
			if err != nil {
				return err
			}
			defer p.DecRef()
			if flags&linux.FAN_MARK_ONLYDIR != 0 && p.Inode().Type() != linux.S_IFDIR {
				return errno.ENOTDIR
			}
			return mark(p)
		}
		lf := vfs.LookupFollow
		if flags&linux.FAN_MARK_DONT_FOLLOW != 0 {
			lf = 0
		}
		if flags&linux.FAN_MARK_ONLYDIR != 0 {
			lf |= vfs.LookupDirectory
		}
		return atPath(t, dirfd, path, lf, mark)
	})
}
