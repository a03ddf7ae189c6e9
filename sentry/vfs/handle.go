package vfs

import (
	"encoding/binary"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Handle names a file of a file system whatever its path is (name_to_handle_at(2)).
type Handle struct {
	Type int32
	Ino  uint64
	Gen  uint32 // tells a later file with the same number from this one
}

// Types of handles: those that can be opened, as tmpfs has them, and those that only tell files apart (FILEID_INO64_GEN).
const (
	handleOpens = 1
	handleTells = 0x81
)

// HandleSize is how many bytes a handle takes.
const HandleSize = 12

// HandleOpener is a SuperOps that finds a file by its number.
type HandleOpener interface {
	// PathOf returns names that lead from the root to the file; false if there is no such file, or it has
	// no name any more.
	PathOf(root *Inode, ino uint64) (names []string, ok bool)
}

// Handle returns the handle of p; EOPNOTSUPP if it could not be opened, unless it is only to tell files apart.
func (p Path) Handle(only bool) (Handle, error) {
	sb := p.Dentry.sb
	if _, opens := sb.Ops.(HandleOpener); !opens && !only {
		return Handle{}, errno.EOPNOTSUPP
	}
	return p.Inode().handle(), nil
}

func (n *Inode) handle() Handle {
	h := Handle{Type: handleTells, Ino: n.ino, Gen: uint32(n.born ^ n.born>>32)}
	if _, opens := n.SB.Ops.(HandleOpener); opens {
		h.Type = handleOpens
	}
	return h
}

// Append appends the bytes that follow a struct file_handle.
func (h Handle) Append(b []byte) []byte {
	if h.Type == handleOpens {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(b, h.Gen), h.Ino)
	}
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(b, h.Ino), h.Gen)
}

// ParseHandle reads a handle that can be opened; ESTALE if it is none.
func ParseHandle(typ int32, b []byte) (Handle, error) {
	if typ != handleOpens || len(b) != HandleSize {
		return Handle{}, errno.ESTALE
	}
	return Handle{typ, binary.LittleEndian.Uint64(b[4:]), binary.LittleEndian.Uint32(b)}, nil
}

// ResolveHandle returns a referenced path to the file of h in the file system of m; ESTALE if it is gone.
func (v *VFS) ResolveHandle(c Caller, m *Mount, h Handle) (Path, error) {
	o, ok := m.SB.Ops.(HandleOpener)
	if !ok {
		return Path{}, errno.ESTALE
	}
	d := m.Root
	for !d.IsRoot() {
		d = d.Parent()
	}
	names, ok := o.PathOf(d.Inode(), h.Ino)
	if !ok {
		return Path{}, errno.ESTALE
	}
	d.IncRef()
	for _, name := range names {
		child, err := v.lookup(c, d, name, "")
		d.DecRef()
		if err != nil {
			return Path{}, err
		}
		if d = child; d.Inode() == nil {
			break
		}
	}
	if n := d.Inode(); n == nil || n.handle() != h {
		d.DecRef()
		return Path{}, errno.ESTALE // renamed or removed meanwhile, or another file
	}
	m.IncRef()
	return Path{m, d}, nil
}

// OpenHandle opens the file of h with flags of open(2).
func (v *VFS) OpenHandle(c Caller, m *Mount, h Handle, flags uint32) (*File, error) {
	p, err := v.ResolveHandle(c, m, h)
	if err != nil {
		return nil, err
	}
	if flags&linux.O_PATH != 0 {
		return NewPathFile(p, flags&(linux.O_DIRECTORY|linux.O_NOFOLLOW), c.Creds()), nil
	}
	return v.open(c, p, flags, false)
}
