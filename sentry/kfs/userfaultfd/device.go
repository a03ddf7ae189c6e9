package userfaultfd

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Device is /dev/userfaultfd: who may open it may do what userfaultfd(2) leaves to the privileged. It is also the
// FileOps of its files.
type Device struct{ vfs.BaseFile }

// OpenUserfaultfd opens the device.
func (d Device) OpenUserfaultfd() vfs.FileOps { return d }

// Ioctl implements vfs.FileOps.
func (Device) Ioctl(c vfs.Caller, _ *vfs.File, _ usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	t, ok := c.(*kernel.Task)
	if !ok || cmd != linux.USERFAULTFD_IOC_NEW {
		return 0, errno.EINVAL
	}
	return create(t, arg.Uint())
}
