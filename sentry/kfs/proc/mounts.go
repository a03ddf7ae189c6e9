package proc

import (
	"bytes"
	"fmt"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kfs/tree"
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

func mountinfo(p *task, c vfs.Caller, b *bytes.Buffer) error {
	return p.withMounts(func(ns *vfs.Namespace, root vfs.Path) { b.WriteString(p.in.k.VFS.MountInfoText(c, ns, root)) })
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

// mountsFile is an open mounts or mountinfo, which poll(2) reports as exceptional once for
// every change.
type mountsFile struct {
	*tree.TextFileOps
	ns   *vfs.Namespace // holds a reference
	seen atomic.Uint64  // ns.Events() as last reported
}

// mountsText is what a mountsFile says.
type mountsText struct {
	p    *task
	text func(p *task, c vfs.Caller, b *bytes.Buffer) error
}

// Text implements tree.Text.
func (t mountsText) Text(c vfs.Caller) ([]byte, error) {
	var b bytes.Buffer
	err := t.text(t.p, c, &b)
	return b.Bytes(), err
}

func openMounts(p *task, _ vfs.Caller, _ uint32) (vfs.FileOps, error) { return p.openMounts(mounts) }

func openMountinfo(p *task, _ vfs.Caller, _ uint32) (vfs.FileOps, error) {
	return p.openMounts(mountinfo)
}

func (p *task) openMounts(text func(*task, vfs.Caller, *bytes.Buffer) error) (vfs.FileOps, error) {
	ns := p.who().AcquireMountNamespace()
	if ns == nil {
		return nil, errno.EINVAL
	}
	f := &mountsFile{TextFileOps: tree.NewFile(mountsText{p, text}), ns: ns}
	f.seen.Store(ns.Events())
	return f, nil
}

// Release implements vfs.FileOps.
func (f *mountsFile) Release(*vfs.File) { f.ns.DecRef() }

// Readiness implements vfs.FileOps.
func (f *mountsFile) Readiness(*vfs.File) wait.Mask {
	m := wait.In | wait.RdNorm
	if now := f.ns.Events(); f.seen.Swap(now) != now {
		m |= wait.Err | wait.Pri
	}
	return m
}

// Queue implements vfs.FileOps.
func (f *mountsFile) Queue(*vfs.File) *wait.Queue { return f.ns.Changes() }
