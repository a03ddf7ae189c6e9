package proc

import (
	"bytes"
	"fmt"

	"ringfence/abi/errno"
	"ringfence/sentry/vfs"
)

// withMounts calls fn with the task's mounts and root; EINVAL if it has none any more.
func (p *task) withMounts(fn func(ns *vfs.Namespace, root vfs.Path)) error {
	t := p.who()
	fs := t.AcquireFSContext()
	if fs == nil {
		return errno.EINVAL
	}
	defer fs.Release()
	ns := t.AcquireMountNamespace()
	if ns == nil {
		return errno.EINVAL
	}
	defer ns.DecRef()
	root := fs.Root()
	defer root.DecRef()
	fn(ns, root)
	return nil
}

func mounts(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	return p.withMounts(func(ns *vfs.Namespace, root vfs.Path) { b.WriteString(p.in.k.VFS.MountsText(ns, root)) })
}

func mountinfo(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	return p.withMounts(func(ns *vfs.Namespace, root vfs.Path) { b.WriteString(p.in.k.VFS.MountInfoText(ns, root)) })
}

func mountstats(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	return p.withMounts(func(ns *vfs.Namespace, root vfs.Path) {
		for _, m := range p.in.k.VFS.Mounts(ns, root) {
			source := "no device"
			if m.Mount.Source != "" {
				source = "device " + m.Mount.Source
			}
			fmt.Fprintf(b, "%s mounted on %s with fstype %s\n", source, m.Point, m.Mount.SB.Type)
		}
	})
}
