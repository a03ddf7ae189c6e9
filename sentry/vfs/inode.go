package vfs

import (
	"ringfence/abi/errno"
	"ringfence/sentry/creds"
)

// Caller is who makes a call, as far as file systems may know. The kernel's Task
// is one; so is a Kernel that acts for itself.
type Caller interface {
	Creds() *creds.Credentials
	// FSContext is the caller's root, working directory and umask.
	FSContext() *FSContext
	// Now is the time that new timestamps get, in nanoseconds since 1970.
	Now() int64
	// FileSizeLimit is RLIMIT_FSIZE in bytes.
	FileSizeLimit() uint64
}

// Attr are the attributes of an inode, in kernel form (stat(2), statx(2)).
// Times are nanoseconds since 1970.
type Attr struct {
	Ino   uint64
	Mode  uint32 // type and permission bits
	Nlink uint32
	UID   creds.UID
	GID   creds.GID
	Rdev  uint64 // linux.MakeDev
	Size  int64
	// Blocks counts units of 512 bytes.
	Blocks  int64
	BlkSize uint32

	Atime, Mtime, Ctime, Btime int64

	// Flags are STATX_ATTR_* flags.
	Flags uint64
}

// AttrMask says which fields of a SetAttr count.
type AttrMask uint32

const (
	SetMode AttrMask = 1 << iota
	SetUID
	SetGID
	SetSize
	SetAtime
	SetMtime
	SetCtime
)

// SetAttr is a change of attributes (Linux's struct iattr). vfs has checked
// permissions and resolved UTIME_NOW before a file system sees it.
type SetAttr struct {
	Mask         AttrMask
	Mode         uint32
	UID          creds.UID
	GID          creds.GID
	Size         int64
	Atime, Mtime int64
	Ctime        int64
}

// InodeOps is what a file system does with its inodes. All names are single path
// components, checked by vfs for length and slashes; permissions are checked by
// vfs before the call. Methods that return an *Inode return a reference.
//
// For directory operations the receiver is the directory, whose Dentry is locked
// for changes by vfs; for the others it is the file.
type InodeOps interface {
	// GetAttr fills in the attributes. vfs calls it when the inode's own copy
	// (Inode.Attr) is not authoritative: see Superblock.Flags.
	GetAttr(c Caller, n *Inode) (Attr, error)
	SetAttr(c Caller, n *Inode, s SetAttr) error

	// Lookup finds name; ENOENT if there is none.
	Lookup(c Caller, dir *Inode, name string) (*Inode, error)
	Create(c Caller, dir *Inode, name string, mode uint32) (*Inode, error)
	Mknod(c Caller, dir *Inode, name string, mode uint32, rdev uint64) (*Inode, error)
	Mkdir(c Caller, dir *Inode, name string, mode uint32) (*Inode, error)
	Symlink(c Caller, dir *Inode, name, target string) (*Inode, error)
	Link(c Caller, dir *Inode, name string, target *Inode) error
	Unlink(c Caller, dir *Inode, name string, n *Inode) error
	Rmdir(c Caller, dir *Inode, name string, n *Inode) error
	// Rename moves old in dir to newName in newDir; target is what is there, or
	// nil. flags are RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT.
	Rename(c Caller, dir *Inode, oldName string, old *Inode, newDir *Inode, newName string, target *Inode, flags uint32) error
	// Tmpfile makes an unnamed file (O_TMPFILE).
	Tmpfile(c Caller, dir *Inode, mode uint32) (*Inode, error)

	// Readlink returns the target of a symbolic link.
	Readlink(c Caller, n *Inode) (string, error)

	// Open makes the operations of a new open file. Called for regular files and
	// directories, and for other types only if the file system wants to serve them
	// itself; ENXIO lets vfs open them (devices, FIFOs) through SpecialFiles.
	Open(c Caller, n *Inode, flags uint32) (FileOps, error)

	GetXattr(c Caller, n *Inode, name string) ([]byte, error)
	SetXattr(c Caller, n *Inode, name string, value []byte, flags uint32) error
	ListXattr(c Caller, n *Inode) ([]string, error)
	RemoveXattr(c Caller, n *Inode, name string) error

	// Evict is called once, when nothing refers to the inode any more.
	Evict(n *Inode)
}

// Walker is an InodeOps that resolves several names at a message.
type Walker interface {
	// Walk looks names up one after the other, from dir, and returns what it found
	// in order. It stops early at a missing name (ENOENT, after the inodes before
	// it), behind a symbolic link or a non-directory (no error).
	Walk(c Caller, dir *Inode, names []string) ([]*Inode, error)
}

// MagicLink is an InodeOps of a symbolic link that leads to an object rather
// than along a path (/proc/PID/fd/N, /proc/PID/exe, ...).
type MagicLink interface {
	// Follow returns a referenced path.
	Follow(c Caller, n *Inode) (Path, error)
}

// Revalidator is an InodeOps that may find its cached entries stale.
type Revalidator interface {
	// Revalidate reports whether the entry name of dir still leads to n (nil for a
	// cached miss). It is asked in file systems with SBRevalidate.
	Revalidate(c Caller, dir *Inode, name string, n *Inode) bool
}

// Permitter is an InodeOps with permission checks of its own (such as /proc/PID).
type Permitter interface {
	// Permission checks mask, a set of MayRead, MayWrite, MayExec.
	Permission(c Caller, n *Inode, mask uint32) error
}

// BaseInode refuses everything, with the errno Linux gives for an operation that
// a file system lacks. Embed it.
type BaseInode struct{}

func (BaseInode) GetAttr(_ Caller, n *Inode) (Attr, error)               { return n.Attr(), nil }
func (BaseInode) SetAttr(Caller, *Inode, SetAttr) error                  { return errno.EPERM }
func (BaseInode) Lookup(Caller, *Inode, string) (*Inode, error)          { return nil, errno.ENOENT }
func (BaseInode) Create(Caller, *Inode, string, uint32) (*Inode, error)  { return nil, errno.EACCES }
func (BaseInode) Mkdir(Caller, *Inode, string, uint32) (*Inode, error)   { return nil, errno.EPERM }
func (BaseInode) Symlink(Caller, *Inode, string, string) (*Inode, error) { return nil, errno.EPERM }
func (BaseInode) Link(Caller, *Inode, string, *Inode) error              { return errno.EPERM }
func (BaseInode) Unlink(Caller, *Inode, string, *Inode) error            { return errno.EPERM }
func (BaseInode) Rmdir(Caller, *Inode, string, *Inode) error             { return errno.EPERM }
func (BaseInode) Tmpfile(Caller, *Inode, uint32) (*Inode, error)         { return nil, errno.EOPNOTSUPP }
func (BaseInode) Readlink(Caller, *Inode) (string, error)                { return "", errno.EINVAL }
func (BaseInode) Open(Caller, *Inode, uint32) (FileOps, error)           { return nil, errno.ENXIO }
func (BaseInode) ListXattr(Caller, *Inode) ([]string, error)             { return nil, errno.EOPNOTSUPP }
func (BaseInode) RemoveXattr(Caller, *Inode, string) error               { return errno.EOPNOTSUPP }
func (BaseInode) Evict(*Inode)                                           {}
func (BaseInode) Mknod(Caller, *Inode, string, uint32, uint64) (*Inode, error) {
	return nil, errno.EPERM
}
func (BaseInode) Rename(Caller, *Inode, string, *Inode, *Inode, string, *Inode, uint32) error {
	return errno.EPERM
}
func (BaseInode) GetXattr(Caller, *Inode, string) ([]byte, error) { return nil, errno.EOPNOTSUPP }
func (BaseInode) SetXattr(Caller, *Inode, string, []byte, uint32) error {
	return errno.EOPNOTSUPP
}
