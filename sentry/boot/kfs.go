package boot

import (
	"ringfence/abi/addr"
	"ringfence/sentry/fs/overlay"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/cgroup"
	"ringfence/sentry/kfs/proc"
	"ringfence/sentry/kfs/sys"
	"ringfence/sentry/vfs"
)

// addKernelTypes registers the file systems that describe the kernel.
func (s *builder) addKernelTypes() {
	procfs := &proc.FS{Kernel: s.k, Cmdline: "BOOT_IMAGE=/boot/vmlinuz-" + kernel.Release + " ro quiet", CPU: s.b.cfg.CPU}
	s.v.AddType("proc", procfs, true)
	s.k.NSFiles = procfs
	s.v.AddType("sysfs", &sys.FS{Kernel: s.k}, true)
	s.v.AddType("cgroup2", cgroup.New(s.k), true)
}

// overlay puts a writable layer in memory over a file system.
func (s *builder) overlay(lower mounted) (mounted, error) {
	sb, root := overlay.New(overlay.Config{
		Lower: []*vfs.Inode{lower.root}, Memory: s.mem, Inodes: s.k.Memory / 2 / addr.PageSize,
	})
	return mounted{sb, root}, nil
}
