package loader

import (
	"ringfence/sentry/mappable"
	"ringfence/sentry/mm"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// vfsFile is an executable in the vfs.
type vfsFile struct {
	c vfs.Caller
	f *vfs.File
}

// NewFile makes an open file of the vfs an executable, on behalf of c. The loader takes the
// reference over. Ref of the result is f itself.
func NewFile(c vfs.Caller, f *vfs.File) File { return vfsFile{c, f} }

func (x vfsFile) PRead(b []byte, off int64) (int, error) {
	s := usermem.FromBytes(b)
	return x.f.Ops.Read(x.c, x.f, &s, off, 0)
}

func (x vfsFile) Mappable() (mappable.Mappable, error) { return x.f.Ops.Mappable(x.c, x.f) }

func (x vfsFile) Ref() mm.FileRef { return x.f }
