// Package userfaultfd is the file of userfaultfd(2), and /dev/userfaultfd, which makes such files.
//
// Reading it tells who touched registered memory and what became of mappings; its
// requests (ioctl_userfaultfd(2)) register memory and fill pages.
//
// Neighbours: mm knows what is registered and who waits (mm.Userfault), kernel puts tasks to sleep. No locks
// of its own.
package userfaultfd

import (
	"encoding/binary"
	"fmt"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/mm"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// New makes a file for t's memory and returns its descriptor. EPERM if t may not let system
// calls wait and does not say that they shall not.
func New(t *kernel.Task, flags uint32) (uint64, error) {
	userOnly := flags&linux.UFFD_USER_MODE_ONLY != 0
	if !userOnly && t.Kernel().UnprivilegedUserfault.Load() == 0 && !privileged(t) {
		return 0, errno.EPERM
	}
	return create(t, flags)
}

// privileged is capable(CAP_SYS_PTRACE).
func privileged(t *kernel.Task) bool {
	return t.Creds().HasIn(linux.CAP_SYS_PTRACE, t.Kernel().UserNS)
}

func create(t *kernel.Task, flags uint32) (uint64, error) {
	if flags&^(linux.UFFD_USER_MODE_ONLY|linux.O_CLOEXEC|linux.O_NONBLOCK) != 0 {
		return 0, errno.EINVAL
	}
	fd, err := install(t, t.MM().NewUserfault(flags&linux.UFFD_USER_MODE_ONLY != 0), flags)
	return uint64(fd), err
}

func install(t *kernel.Task, u *mm.Userfault, flags uint32) (int32, error) {
	return t.InstallNew(t.Kernel().VFS.NewAnonFile("[userfaultfd]", &file{u: u}, linux.O_RDONLY|flags&linux.O_NONBLOCK,
		vfs.FModeRead|vfs.FModeStream|vfs.FModeStill, t.Creds()), flags)
}

// file is the FileOps of a userfaultfd.
type file struct {
	vfs.BaseFile
	u *mm.Userfault
}

func (f *file) Release(*vfs.File) { f.u.Release() }

// Read implements vfs.FileOps: it takes as many messages as there are and dst has room for.
func (f *file) Read(c vfs.Caller, x *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	if f.u.Features() == 0 {
		return 0, errno.EINVAL
	}
	if dst.Len() < linux.SizeofUffdMsg {
		return 0, errno.EINVAL
	}
	n := 0
	for dst.Len() >= linux.SizeofUffdMsg {
		msg, ok := f.u.Next()
		if !ok {
			break
		}
		if msg.Child != nil {
			t, ok := c.(*kernel.Task)
			if !ok {
				return n, errno.EINVAL
			}
			fd, err := install(t, msg.Child, x.Flags()&linux.O_NONBLOCK|linux.O_CLOEXEC)
			if err != nil {
				return n, err
			}
			msg.Args[0] = uint64(uint32(fd))
		}
		var b [linux.SizeofUffdMsg]byte
		b[0] = msg.Event
		for i, v := range msg.Args {
			binary.LittleEndian.PutUint64(b[8+8*i:], v)
		}
		// As on Linux, the message is gone even if it can't be stored.
		if _, err := dst.CopyOut(b[:]); err != nil {
			return n, err
		}
		n += len(b)
	}
	if n == 0 {
		return 0, errno.EAGAIN
	}
	return n, nil
}

// Readiness implements vfs.FileOps. Linux does not let a file be polled whose reads may block.
func (f *file) Readiness(x *vfs.File) wait.Mask {
	switch {
	case f.u.Features() == 0, x.Flags()&linux.O_NONBLOCK == 0:
		return wait.Err
	case f.u.Ready():
		return wait.In
	}
	return 0
}

func (f *file) Queue(*vfs.File) *wait.Queue { return f.u.Queue() }

// FDInfo returns the lines of /proc/PID/fdinfo.
func (f *file) FDInfo(*vfs.File) string {
	untold, all := f.u.Waiting()
	return fmt.Sprintf("pending:\t%d\ntotal:\t%d\nAPI:\t%x:%x:%x\n", untold, all, linux.UFFD_API, f.u.Features(),
		uint64(apiRequests|rangeRequests))
}
