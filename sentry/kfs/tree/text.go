package tree

import (
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Text is a file that is generated when it is read from its start.
type Text interface {
	Text(c vfs.Caller) ([]byte, error)
}

// Setter is a Text that can be written: each write replaces the value.
type Setter interface {
	// Set takes what one write(2) wrote, at most MaxSet bytes.
	Set(c vfs.Caller, b []byte) error
}

// MaxSet bounds what one write to a Setter can hold, in bytes.
const MaxSet = 64 << 10

// Opener is a Text whose open can fail, or whose open files differ from others'.
type Opener interface {
	// Open returns the operations of an open file; nil for those of a Text.
	Open(c vfs.Caller, flags uint32) (vfs.FileOps, error)
}

type textNode struct {
	Node
	t Text
}

// Permission implements vfs.Permitter.
func (n *textNode) Permission(c vfs.Caller, i *vfs.Inode, mask uint32) error {
	if err := vfs.GenericPermission(c, i, mask); err != nil {
		g, ok := n.t.(Granter)
		if !ok || err != errno.EACCES || mask&vfs.MayExec != 0 || !g.Granted(c) {
			return err
		}
	}
	if g, ok := n.t.(Guard); ok {
		return g.Permission(c, mask)
	}
	return nil
}

func (n *textNode) Open(c vfs.Caller, _ *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	if o, ok := n.t.(Opener); ok {
		ops, err := o.Open(c, flags)
		if ops != nil || err != nil {
			return ops, err
		}
	}
	return NewFile(n.t), nil
}

// TextFileOps is an open generated file.
type TextFileOps struct {
	vfs.BaseFile
	text Text

	mu   sync.Mutex
	data []byte // as generated last; guarded by mu
	made bool
}

// NewFile returns the operations of an open file with the text t.
func NewFile(t Text) *TextFileOps { return &TextFileOps{text: t} }

// Read implements vfs.FileOps. A read from the start generates the text anew.
func (f *TextFileOps) Read(c vfs.Caller, _ *vfs.File, dst *usermem.Sequence, off int64, _ uint32) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.made || off == 0 {
		data, err := f.text.Text(c)
		if err != nil {
			return 0, err
		}
		f.data, f.made = data, true
	}
	if off >= int64(len(f.data)) {
		return 0, nil
	}
	return dst.CopyOut(f.data[off:])
}

// Write implements vfs.FileOps.
func (f *TextFileOps) Write(c vfs.Caller, _ *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	s, ok := f.text.(Setter)
	if !ok {
		return 0, errno.EIO
	}
	if src.Len() > MaxSet {
		return 0, errno.EINVAL
	}
	b := make([]byte, src.Len())
	if _, err := src.CopyIn(b); err != nil {
		return 0, err
	}
	if err := s.Set(c, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Seek implements vfs.FileOps.
func (f *TextFileOps) Seek(_ vfs.Caller, _ *vfs.File, off int64, whence int) (int64, error) {
	if whence != linux.SEEK_SET && whence != linux.SEEK_CUR || off < 0 {
		return 0, errno.EINVAL
	}
	return off, nil
}

// Const is a Text that never changes.
type Const string

// Text implements Text.
func (s Const) Text(vfs.Caller) ([]byte, error) { return []byte(s), nil }
