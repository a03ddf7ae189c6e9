package proc

import (
	"bytes"
	"fmt"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Which ids user namespaces map: /proc/PID/uid_map and its like (user_namespaces(7)).

// idMapKind is one of the maps.
type idMapKind struct {
	of    func(ns *creds.UserNamespace) *creds.IDMap
	write func(ns *creds.UserNamespace, writer, opener *creds.Credentials, text string) error
	// from is what ns calls an id of the kernel's.
	from func(ns *creds.UserNamespace, id uint32) uint32
}

var (
	uidMap = &idMapKind{
		of:    func(ns *creds.UserNamespace) *creds.IDMap { return &ns.UIDs },
		write: (*creds.UserNamespace).WriteUIDs,
		from:  func(ns *creds.UserNamespace, id uint32) uint32 { return ns.FromUID(creds.UID(id)) },
	}
	gidMap = &idMapKind{
		of:    func(ns *creds.UserNamespace) *creds.IDMap { return &ns.GIDs },
		write: (*creds.UserNamespace).WriteGIDs,
		from:  func(ns *creds.UserNamespace, id uint32) uint32 { return ns.FromGID(creds.GID(id)) },
	}
	projectMap = &idMapKind{
		of:    func(ns *creds.UserNamespace) *creds.IDMap { return &ns.Projects },
		write: (*creds.UserNamespace).WriteProjects,
		from:  (*creds.UserNamespace).FromProject,
	}
)

// idMapFile is an open file of a map.
type idMapFile struct {
	*tree.TextFileOps
	kind *idMapKind
	ns   *creds.UserNamespace
}

// idMapText is what it shows to who opened it: tree.Text.
type idMapText struct {
	kind   *idMapKind
	ns     *creds.UserNamespace
	reader *creds.UserNamespace
}

func (k *idMapKind) open(p *task, c vfs.Caller, _ uint32) (vfs.FileOps, error) {
	ns := p.who().Creds().UserNS
	return &idMapFile{tree.NewFile(idMapText{k, ns, c.Creds().UserNS}), k, ns}, nil
}

// Text implements tree.Text: ids of the namespace, and what the reader's, or the parent of that if it is the same, calls
// them.
func (t idMapText) Text(vfs.Caller) ([]byte, error) {
	var b bytes.Buffer
	if t.ns.Initial() {
		fmt.Fprintf(&b, "%10d %10d %10d\n", 0, 0, creds.NoID)
		return b.Bytes(), nil
	}
	lower := t.reader
	if lower == t.ns {
		lower = lower.Parent
	}
	for _, e := range t.kind.of(t.ns).Extents() {
		fmt.Fprintf(&b, "%10d %10d %10d\n", e.First, t.kind.from(lower, e.Lower), e.Count)
	}
	return b.Bytes(), nil
}

// Write implements vfs.FileOps: all of a map at once.
func (f *idMapFile) Write(c vfs.Caller, file *vfs.File, src *usermem.Sequence, off int64, _ uint32) (int, error) {
	text, err := writtenText(src, off, 4096)
	if err != nil {
		return 0, err
	}
	if err := f.kind.write(f.ns, c.Creds(), file.Cred, text); err != nil {
		return 0, err
	}
	return len(text), nil
}

// writtenText takes what was written to a file at its start, less than max bytes.
func writtenText(src *usermem.Sequence, off int64, max uint64) (string, error) {
	if off != 0 || src.Len() >= max {
		return "", errno.EINVAL
	}
	b := make([]byte, src.Len())
	_, err := src.CopyIn(b)
	return string(b), err
}

// setgroupsFile is an open /proc/PID/setgroups, and its own tree.Text.
type setgroupsFile struct {
	*tree.TextFileOps
	ns *creds.UserNamespace
}

func openSetgroups(p *task, c vfs.Caller, flags uint32) (vfs.FileOps, error) {
	ns := p.who().Creds().UserNS
	if flags&linux.O_ACCMODE != linux.O_RDONLY && !c.Creds().HasIn(linux.CAP_SYS_ADMIN, ns) {
		return nil, errno.EACCES
	}
	f := &setgroupsFile{ns: ns}
	f.TextFileOps = tree.NewFile(f)
	return f, nil
}

// Text implements tree.Text.
func (f *setgroupsFile) Text(vfs.Caller) ([]byte, error) {
	if f.ns.SetgroupsDenied() {
		return []byte("deny\n"), nil
	}
	return []byte("allow\n"), nil
}

// Write implements vfs.FileOps.
func (f *setgroupsFile) Write(_ vfs.Caller, _ *vfs.File, src *usermem.Sequence, off int64, _ uint32) (int, error) {
	text, err := writtenText(src, off, 8)
	if err != nil {
		return 0, err
	}
	switch strings.TrimRight(text, " \t\n\v\f\r") {
	case "allow":
		err = f.ns.AllowSetgroups(true)
	case "deny":
		err = f.ns.AllowSetgroups(false)
	default:
		err = errno.EINVAL
	}
	if err != nil {
		return 0, err
	}
	return len(text), nil
}
