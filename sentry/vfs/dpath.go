package vfs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ringfence/abi/linux"
)

// PathName returns the absolute name of p as someone with the given root sees it. It ends in
// " (deleted)" if p was unlinked. reachable is false if p does not lie below root; the name
// is then relative to the root of p's mount tree.
func (v *VFS) PathName(root, p Path) (name string, reachable bool) {
	deleted := p.Dentry.Deleted()
	name, reachable = v.pathName(root, p)
	if deleted {
		name += " (deleted)"
	}
	return name, reachable
}

func (v *VFS) pathName(root, p Path) (string, bool) {
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	var parts []string
	m, d := p.Mount, p.Dentry
	reachable := true
	for m != root.Mount || d != root.Dentry {
		if d == m.Root || d.IsRoot() {
			if d == m.Root && m.parent != nil {
				m, d = m.parent, m.mountpoint
				continue
			}
			if m == v.anonMount {
				return d.Name(), true
			}
			reachable = false
			break
		}
		parts = append(parts, d.Name())
		d = d.Parent()
	}
	if len(parts) == 0 {
		return "/", reachable
	}
	slices.Reverse(parts)
	return "/" + strings.Join(parts, "/"), reachable
}

// FileName is what /proc/PID/fd and /proc/PID/maps show for f.
func (v *VFS) FileName(root Path, f *File) string {
	if id, ok := f.Ops.(FileIdentity); ok {
		return id.IdentityName(f)
	}
	name, _ := v.PathName(root, f.Path)
	return name
}

// MountInfo is one line of /proc/PID/mountinfo.
type MountInfo struct {
	Mount    *Mount
	ParentID uint64
	Point    string // as seen from the root asked for
	Root     string // the mounted part of the file system

	Propagation   Propagation
	Group, Master int
}

// Mounts returns the mounts of ns that lie below root, oldest first.
func (v *VFS) Mounts(ns *Namespace, root Path) []MountInfo {
	v.mountMu.RLock()
	var all []MountInfo
	ns.root.eachLocked(func(m *Mount) {
		i := MountInfo{Mount: m, ParentID: m.ID, Propagation: m.propagation, Group: m.group, Master: m.master}
		if m.parent != nil {
			i.ParentID = m.parent.ID
		}
		m.refs.Add(1)
		all = append(all, i)
	})
	v.mountMu.RUnlock()
	seen := all[:0]
	for _, i := range all {
		var ok bool
		i.Point, ok = v.PathName(root, Path{i.Mount, i.Mount.Root})
		i.Root = i.Mount.Root.fsPath()
		i.Mount.decRef()
		if ok {
			seen = append(seen, i)
		}
	}
	slices.SortFunc(seen, func(a, b MountInfo) int { return cmp.Compare(a.Mount.ID, b.Mount.ID) })
	return seen
}

// fsPath returns the name of d within its file system.
func (d *Dentry) fsPath() string {
	var parts []string
	deleted := d.Deleted()
	for ; !d.IsRoot(); d = d.Parent() {
		parts = append(parts, d.Name())
	}
	slices.Reverse(parts)
	name := "/" + strings.Join(parts, "/")
	if deleted {
		name += "//deleted"
	}
	return name
}

// MountsText is /proc/PID/mounts for a process with the given root.
func (v *VFS) MountsText(ns *Namespace, root Path) string {
	var b strings.Builder
	for _, i := range v.Mounts(ns, root) {
		m := i.Mount
		fmt.Fprintf(&b, "%s %s %s %s%s 0 0\n", escapeMount(m.Source), escapeMount(i.Point), m.SB.Type,
			m.options(m.ReadOnly()), m.SB.options())
	}
	return b.String()
}

// MountInfoText is /proc/PID/mountinfo, read by c, for a process with the given root.
func (v *VFS) MountInfoText(c Caller, ns *Namespace, root Path) string {
	var b strings.Builder
	for _, i := range v.Mounts(ns, root) {
		m := i.Mount
		dev := uint32(m.SB.Dev)
		fmt.Fprintf(&b, "%d %d %d:%d %s %s %s", m.ID, i.ParentID, linux.Major(dev), linux.Minor(dev),
			escapeMount(m.shownRoot(c, i.Root)), escapeMount(i.Point), m.options(m.Flags()&linux.MS_RDONLY != 0))
		if i.Group != 0 {
			fmt.Fprintf(&b, " shared:%d", i.Group)
		}
		if i.Master != 0 {
			fmt.Fprintf(&b, " master:%d", i.Master)
		}
		if i.Propagation == Unbindable {
			b.WriteString(" unbindable")
		}
		rw := "rw"
		if m.SB.ReadOnly() {
			rw = "ro"
		}
		fmt.Fprintf(&b, " - %s %s %s%s\n", m.SB.Type, escapeMount(m.Source), rw, m.SB.options())
	}
	return b.String()
}

// shownRoot returns which part of its file system m shows, for c: name, unless the file system knows better.
func (m *Mount) shownRoot(c Caller, name string) string {
	if s, ok := m.SB.Ops.(RootShower); ok {
		return s.ShowRoot(c, m.Root.Inode())
	}
	return name
}

func (m *Mount) options(ro bool) string {
	o := "rw"
	if ro {
		o = "ro"
	}
	f := m.Flags()
	for _, p := range [...]struct {
		flag uint32
		name string
	}{
		{linux.MS_NOSUID, ",nosuid"}, {linux.MS_NODEV, ",nodev"}, {linux.MS_NOEXEC, ",noexec"},
		{linux.MS_NOATIME, ",noatime"}, {linux.MS_NODIRATIME, ",nodiratime"},
		{linux.MS_RELATIME, ",relatime"}, {linux.MS_NOSYMFOLLOW, ",nosymfollow"},
	} {
		if f&p.flag != 0 {
			o += p.name
		}
	}
	return o
}

func (sb *Superblock) options() string {
	if o := sb.Ops.Options(sb); o != "" {
		return "," + o
	}
	return ""
}

// escapeMount writes blanks and the like in octal, as the kernel does in mount tables.
func escapeMount(s string) string {
	if !strings.ContainsAny(s, " \t\n\\#") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\\', '#':
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
