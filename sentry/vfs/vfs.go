package vfs

import (
	"strings"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// FSType makes instances of a file system, for mount(2).
type FSType interface {
	// Mount returns a superblock and its root inode, with a reference. data is the
	// last argument of mount(2): options separated by commas. A Dev of 0 in the
	// superblock is replaced by a number of its own. An error is an errno.Errno.
	Mount(c Caller, source string, flags uint64, data string) (*Superblock, *Inode, error)
}

// OptionChecker is an FSType that has options, for fsconfig(2), which wants to know at once. A type that is
// none has no options.
type OptionChecker interface {
	// CheckOption says whether there is such an option, and whether Mount takes it with the value, or
	// without one.
	CheckOption(key, value string, hasValue bool) (known, good bool)
}

// VFS is the root of everything here. One per kernel.
type VFS struct {
	// Special opens devices and FIFOs. Set before the first open.
	Special SpecialFiles
	// Signals sends what O_ASYNC asks for. Set before the first open; may be nil.
	Signals Signals

	// DentryLimit is how many names each file system caches. Set before the first mount; 0 for
	// a default.
	DentryLimit int

	// Protected are the settings /proc/sys/fs/protected_*.
	Protected Protected

	typesMu sync.RWMutex
	types   map[string]fsType

	nextDev     atomic.Uint32
	nextMountID atomic.Uint64
	nextTreeID  atomic.Uint64
	lastNSInode atomic.Uint64
	liveMounts  atomic.Int64
	nextCookie  atomic.Uint32 // of renames, for inotify

	anon      *Superblock // of anonymous files
	anonMount *Mount

	// mountMu guards the mount trees of all namespaces.
	mountMu   sync.RWMutex
	mounts    map[mountKey]*Mount
	trees     map[*Namespace]struct{} // every namespace, and every detached tree
	nextGroup int

	locks lockTable
	fan   fanTable
}

// Protected are restrictions in sticky directories that others can write (proc_sys_fs(5)).
type Protected struct {
	Symlinks  atomic.Int32 // 1: follow only links of one's own or of the directory's owner
	Hardlinks atomic.Int32 // 1: link only to what one could write
	FIFOs     atomic.Int32 // 1, 2: O_CREAT does not open others' FIFOs
	Regular   atomic.Int32 // 1, 2: O_CREAT does not open others' files
}

type fsType struct {
	t     FSType
	nodev bool
	order int
}

type mountKey struct {
	parent *Mount
	point  *Dentry
}

// New returns a VFS without file system types and mounts.
func New() *VFS {
	v := &VFS{types: make(map[string]fsType), mounts: make(map[mountKey]*Mount), trees: make(map[*Namespace]struct{})}
	// As Debian sets them.
	v.Protected.Symlinks.Store(1)
	v.Protected.Hardlinks.Store(1)
	v.Protected.FIFOs.Store(1)
	v.Protected.Regular.Store(2)
	v.lastNSInode.Store(linux.FirstNSInode - 1)
	v.anon = NewSuperblock("anon_inodefs", linux.ANON_INODE_FS_MAGIC, 0, BaseSuper{})
	v.anon.Dev = v.NewDev()
	n := NewInode(v.anon, BaseInode{}, Attr{Mode: linux.S_IFDIR | 0o500, Nlink: 1, BlkSize: 4096})
	v.anonMount = v.newMount(v.anon, NewRootDentry(v.anon, n, "/"), "anon_inodefs", 0)
	return v
}

// AddType makes a file system type known to mount(2) by name. nodev types need no source
// (/proc/filesystems).
func (v *VFS) AddType(name string, t FSType, nodev bool) {
	v.typesMu.Lock()
	defer v.typesMu.Unlock()
	v.types[name] = fsType{t, nodev, len(v.types)}
}

// Type finds a file system type; ENODEV if there is none.
func (v *VFS) Type(name string) (FSType, error) {
	v.typesMu.RLock()
	defer v.typesMu.RUnlock()
	t, ok := v.types[name]
	if !ok {
		return nil, errno.ENODEV
	}
	return t.t, nil
}

// Filesystems returns the text of /proc/filesystems.
func (v *VFS) Filesystems() string {
	v.typesMu.RLock()
	defer v.typesMu.RUnlock()
	lines := make([]string, len(v.types))
	for name, t := range v.types {
		dev := ""
		if t.nodev {
			dev = "nodev"
		}
		lines[t.order] = dev + "\t" + name + "\n"
	}
	return strings.Join(lines, "")
}

// NewDev returns a device number for a file system without a device.
func (v *VFS) NewDev() uint64 { return uint64(linux.MakeDev(0, v.nextDev.Add(1))) }

// NewAnonFile returns an open file that stands under no path, such as an eventfd: name
// is what /proc/PID/fd shows after "anon_inode:". mode are FMode* bits. All such
// files have an inode of their own, without a type and with permissions 0600.
func (v *VFS) NewAnonFile(name string, ops FileOps, flags, mode uint32, cred *creds.Credentials) *File {
	n := NewInode(v.anon, BaseInode{}, Attr{Mode: 0o600, Nlink: 1, UID: cred.FSUID, GID: cred.FSGID, BlkSize: 4096})
	return v.NewInodeFile(n, "anon_inode:"+name, ops, flags, mode, cred)
}

// NewInodeFile returns an open file on an inode that stands under no path, such as a pipe
// or a socket, whose superblock need not be mounted. It takes over the reference to n. name is what
// /proc/PID/fd shows, unless ops is a FileIdentity.
func (v *VFS) NewInodeFile(n *Inode, name string, ops FileOps, flags, mode uint32, cred *creds.Credentials) *File {
	v.anonMount.refs.Add(1)
	return NewFile(ops, Path{v.anonMount, NewRootDentry(n.SB, n, name)}, flags, mode, cred)
}
