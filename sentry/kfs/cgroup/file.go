package cgroup

import (
	"strings"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// kind is what the files of a name have in common.
type kind struct {
	name  string
	mode  uint32
	below bool // the root has none
	pids  bool // there is one where the controller is
	// delegated: with nsdelegate, who is in a cgroup namespace may write that of the root that it sees.
	delegated bool
	text      func(h *handle, c vfs.Caller) (string, error)
	set       func(h *handle, c vfs.Caller, text string) error
}

// kinds finds what is in the table.
var kinds = make(map[string]*kind)

func init() {
	for i := range table {
		kinds[table[i].name] = &table[i]
	}
}

// file is a file of a group.
type file struct {
	vfs.BaseInode
	g     *group
	kind  *kind
	inode *vfs.Inode
}

// SetAttr implements vfs.InodeOps: truncation does nothing.
func (f *file) SetAttr(_ vfs.Caller, n *vfs.Inode, s vfs.SetAttr) error {
	n.Update(func(a *vfs.Attr) { s.Apply(a) })
	return nil
}

// Open implements vfs.InodeOps.
func (f *file) Open(c vfs.Caller, _ *vfs.Inode, _ uint32) (vfs.FileOps, error) {
	if f.g.cg.Gone() {
		return nil, errno.ENODEV
	}
	h := &handle{file: f, ns: namespace(c)}
	h.TextFileOps = tree.NewFile(h)
	if e := changes(f.g.cg, f.kind.name); e != nil {
		h.seen.Store(e.Count())
	}
	return h, nil
}

// handle is an open file.
type handle struct {
	*tree.TextFileOps
	*file
	ns   *kernel.CgroupNamespace // of who opened it; nil if that was no task
	seen atomic.Uint32           // changes that were known when it was read last
}

// Release implements vfs.FileOps.
func (h *handle) Release(*vfs.File) {}

// Text implements tree.Text.
func (h *handle) Text(c vfs.Caller) ([]byte, error) {
	if h.g.cg.Gone() {
		return nil, errno.ENODEV
	}
	if e := changes(h.g.cg, h.kind.name); e != nil {
		h.seen.Store(e.Count())
	}
	if h.kind.text == nil {
		return nil, errno.EINVAL
	}
	s, err := h.kind.text(h, c)
	return []byte(s), err
}

// Write implements vfs.FileOps: what one call writes is a value.
func (h *handle) Write(c vfs.Caller, f *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	if h.kind.set == nil {
		return 0, errno.EINVAL
	}
	if src.Len() > addr.PageSize {
		return 0, errno.E2BIG
	}
	b := make([]byte, src.Len())
	if _, err := src.CopyIn(b); err != nil {
		return 0, err
	}
	if h.g.cg.Gone() {
		return 0, errno.ENODEV
	}
	if h.g.fs.delegate.Load() && !h.kind.delegated && h.ns != nil && h.ns.Root == h.g.cg && h.ns.Root.Parent() != nil {
		return 0, errno.EPERM
	}
	text, _, _ := strings.Cut(string(b), "\x00")
	if err := h.kind.set(h, withCreds{c, f.Cred}, strings.TrimSpace(text)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// changes returns what counts the changes of a file; nil if they are not told.
func changes(cg *kernel.Cgroup, name string) *kernel.CgroupEvents {
	switch name {
	case "cgroup.events":
		return &cg.Events
	case "pids.events":
		return &cg.PidsEvents
	}
	return nil
}

// Readiness implements vfs.FileOps.
func (h *handle) Readiness(*vfs.File) wait.Mask {
	m := wait.In | wait.Out | wait.RdNorm | wait.WrNorm
	if e := changes(h.g.cg, h.kind.name); e != nil && e.Count() != h.seen.Load() {
		m |= wait.Err | wait.Pri
	}
	return m
}

// Queue implements vfs.FileOps.
func (h *handle) Queue(*vfs.File) *wait.Queue {
	if e := changes(h.g.cg, h.kind.name); e != nil {
		return &e.Queue
	}
	return nil
}
