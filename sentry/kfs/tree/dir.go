package tree

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/vfs"
)

// Dir is a directory.
type Dir interface {
	// Lookup returns the inode of name, with a reference; ENOENT if there is none.
	Lookup(c vfs.Caller, sb *vfs.Superblock, name string) (*vfs.Inode, error)
	// List returns the entries behind position from, in order of their Next, which are
	// greater than 2 and stay the same as long as the entry exists.
	List(c vfs.Caller, from int64) ([]vfs.Dirent, error)
}

// Reviser is a Dir whose entries can become stale while somebody uses them.
type Reviser interface {
	// Current reports whether name still stands for what n was made for.
	Current(c vfs.Caller, name string, n *vfs.Inode) bool
}

// Linker is a Dir whose number of subdirectories changes.
type Linker interface {
	Subdirs() uint32
}

// Granter is a Dir, or a Text, that some may use whatever its mode says; a Text to read and write it.
type Granter interface {
	Granted(c vfs.Caller) bool
}

// Guard is a Text with permission checks beyond those of its mode.
type Guard interface {
	Permission(c vfs.Caller, mask uint32) error
}

type dirNode struct {
	Node
	d Dir
}

// AlwaysEmpty says to vfs that a mount on the directory hides nothing.
func (n *dirNode) AlwaysEmpty() bool {
	s, ok := n.d.(*Static)
	return ok && len(s.Entries) == 0
}

// GetAttr implements vfs.InodeOps.
func (n *dirNode) GetAttr(c vfs.Caller, i *vfs.Inode) (vfs.Attr, error) {
	a, err := n.Node.GetAttr(c, i)
	if l, ok := n.d.(Linker); ok {
		a.Nlink += l.Subdirs()
	}
	return a, err
}

func (n *dirNode) Lookup(c vfs.Caller, dir *vfs.Inode, name string) (*vfs.Inode, error) {
	return n.d.Lookup(c, dir.SB, name)
}

// Permission implements vfs.Permitter.
func (n *dirNode) Permission(c vfs.Caller, i *vfs.Inode, mask uint32) error {
	err := vfs.GenericPermission(c, i, mask)
	if err == errno.EACCES {
		if g, ok := n.d.(Granter); ok && g.Granted(c) {
			return nil
		}
	}
	return err
}

// Revalidate implements vfs.Revalidator.
func (n *dirNode) Revalidate(c vfs.Caller, _ *vfs.Inode, name string, child *vfs.Inode) bool {
	if child == nil {
		return false
	}
	if r, ok := n.d.(Reviser); ok {
		return r.Current(c, name, child)
	}
	return true
}

func (n *dirNode) Open(vfs.Caller, *vfs.Inode, uint32) (vfs.FileOps, error) {
	return &dirFile{d: n.d}, nil
}

// Dir returns the Dir behind an inode of this package, nil if it is none.
func DirOf(n *vfs.Inode) Dir {
	if d, ok := n.Ops.(*dirNode); ok {
		return d.d
	}
	return nil
}

type dirFile struct {
	vfs.BaseFile
	d Dir
}

func (f *dirFile) ReadDir(c vfs.Caller, file *vfs.File, emit func(vfs.Dirent) bool) error {
	d := file.Path.Dentry
	if file.Pos < 1 {
		if !emit(vfs.Dirent{Ino: d.Inode().Ino(), Type: linux.DT_DIR, Name: ".", Next: 1}) {
			return nil
		}
	}
	if file.Pos < 2 {
		if !emit(vfs.Dirent{Ino: d.Parent().Inode().Ino(), Type: linux.DT_DIR, Name: "..", Next: 2}) {
			return nil
		}
	}
	entries, err := f.d.List(c, file.Pos)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Next > file.Pos && !emit(e) {
			break
		}
	}
	return nil
}

func (f *dirFile) Sync(vfs.Caller, *vfs.File, bool) error { return errno.EINVAL }

// Entry is an entry of a Static directory.
type Entry struct {
	Name string
	Make Maker
}

// Maker makes the inode of an entry; a Static directory is one.
type Maker interface {
	// Make returns an inode with number ino and a reference.
	Make(c vfs.Caller, sb *vfs.Superblock, ino uint64) *vfs.Inode
	// Type is the entry's DT_* type.
	Type() uint8
}

// Static is a directory with fixed entries.
type Static struct {
	// Space makes the entries' inode numbers, with their names: a name for the directory
	// that no other has.
	Space   string
	Perm    uint32 // 0 is 0555
	Entries []Entry
}

// Lookup implements Dir.
func (s *Static) Lookup(c vfs.Caller, sb *vfs.Superblock, name string) (*vfs.Inode, error) {
	for i := range s.Entries {
		if s.Entries[i].Name == name {
			return s.Entries[i].Make.Make(c, sb, s.ino(name)), nil
		}
	}
	return nil, errno.ENOENT
}

// List implements Dir.
func (s *Static) List(c vfs.Caller, from int64) ([]vfs.Dirent, error) {
	var out []vfs.Dirent
	for i := max(0, from-2); i < int64(len(s.Entries)); i++ {
		e := &s.Entries[i]
		out = append(out, vfs.Dirent{Ino: s.ino(e.Name), Type: e.Make.Type(), Name: e.Name, Next: i + 3})
	}
	return out, nil
}

func (s *Static) ino(name string) uint64 { return Ino(s.Space + "/" + name) }

// Make implements Maker.
func (s *Static) Make(c vfs.Caller, sb *vfs.Superblock, ino uint64) *vfs.Inode {
	perm := s.Perm
	if perm == 0 {
		perm = 0o555
	}
	n := NewDir(c, sb, ino, perm, s, nil)
	n.Update(func(a *vfs.Attr) {
		for i := range s.Entries {
			if s.Entries[i].Make.Type() == linux.DT_DIR {
				a.Nlink++ // its ".."
			}
		}
	})
	return n
}

// Type implements Maker.
func (s *Static) Type() uint8 { return linux.DT_DIR }

// TextFile is a Maker of a file with a mode.
type TextFile struct {
	Perm uint32
	Text Text
}

// Make implements Maker.
func (t TextFile) Make(c vfs.Caller, sb *vfs.Superblock, ino uint64) *vfs.Inode {
	return NewText(c, sb, ino, t.Perm, t.Text, nil)
}

// Type implements Maker.
func (TextFile) Type() uint8 { return linux.DT_REG }

// LinkFile is a Maker of a symbolic link.
type LinkFile struct{ Link Link }

// Make implements Maker.
func (l LinkFile) Make(c vfs.Caller, sb *vfs.Superblock, ino uint64) *vfs.Inode {
	return NewLink(c, sb, ino, l.Link, nil)
}

// Type implements Maker.
func (LinkFile) Type() uint8 { return linux.DT_LNK }
