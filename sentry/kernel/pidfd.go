package kernel

import (
	"ringfence/abi/errno"
	"ringfence/sentry/vfs"
)

func (t *Task) installPIDFD(n *Task, a *CloneArgs) (int32, error) { return -1, errno.EINVAL }

// PIDFDGroup returns the process that a pidfd refers to; EBADF if f is none.
func PIDFDGroup(f *vfs.File) (*ThreadGroup, error) { return nil, errno.EBADF }
