package vfs

import (
	"sync"
	"sync/atomic"

	"ringfence/sentry/creds"
)

// Flags of a Superblock.
const (
	// SBRevalidate: cached entries may be stale; ask Revalidator.
	SBRevalidate uint32 = 1 << iota
	// SBDynamicAttr: the inode's own attributes are not authoritative; ask GetAttr.
	SBDynamicAttr
	// SBNoCache: drop entries from the dentry cache as soon as nobody uses them.
	SBNoCache
	// SBNoNegative: don't cache misses.
	SBNoNegative
	// SBNoNew: a missing name is missing for who would make it, too.
	SBNoNew
	// SBDevices: its devices are its own, and can be opened if it belongs to a user namespace, too.
	SBDevices
	// SBPosixACL: inodes have POSIX ACLs, which live as long as they.
	SBPosixACL
	// SBGlobal: there is one instance, the initial user namespace's whoever mounts it.
	SBGlobal
	// SBFileFlags: files can be immutable and the like.
	SBFileFlags
)

// Superblock is one instance of a file system.
type Superblock struct {
	// Immutable after NewSuperblock.
	Type  string // as in /proc/mounts: "tmpfs"
	Magic int64  // f_type of statfs(2)
	Dev   uint64 // st_dev
	Flags uint32
	Ops   SuperOps
	// UserNS is whose root may change the file system as a whole, and who can own files in it; nil for the initial
	// one. Immutable once mounted.
	UserNS *creds.UserNamespace
	// Revealing: see UserMounter. Immutable once mounted.
	Revealing bool

	nextIno  atomic.Uint64
	active   atomic.Int64 // mounts
	writers  atomic.Int64 // regular files open for writing
	readOnly atomic.Bool  // MS_RDONLY of the whole file system
	renameMu sync.Mutex   // held by a rename from one directory to another

	watches watchTable
	v       *VFS // since it was first mounted

	dcache
}

// NewSuperblock returns a superblock of type name. Dev is filled in by mount, unless
// the file system sets it before.
func NewSuperblock(name string, magic int64, flags uint32, ops SuperOps) *Superblock {
	sb := &Superblock{Type: name, Magic: magic, Flags: flags, Ops: ops}
	return sb
}

// own makes a new file system of type t one of owner's.
func (sb *Superblock) own(t FSType, owner *creds.UserNamespace) {
	if u, ok := t.(UserMounter); ok {
		if sb.Revealing = u.Revealing(); !owner.Initial() && sb.Flags&SBGlobal == 0 {
			sb.UserNS = owner
		}
	}
}

// ReadOnly reports whether the file system is read-only as a whole.
func (sb *Superblock) ReadOnly() bool { return sb.readOnly.Load() }

// SetReadOnly makes the file system read-only or writable as a whole.
func (sb *Superblock) SetReadOnly(ro bool) { sb.readOnly.Store(ro) }

// Hold keeps the file system from being released, as a mount does; Drop undoes it. For those who use it
// without mounting it.
func (sb *Superblock) Hold() { sb.active.Add(1) }
func (sb *Superblock) Drop() { sb.decActive() }

// decActive drops a mount; the last one releases the file system.
func (sb *Superblock) decActive() {
	if sb.active.Add(-1) == 0 {
		sb.watches.unmounted()
		if sb.v != nil && sb.v.fanned() {
			sb.v.fan.forget(sb)
		}
		sb.dropAll()
		sb.Ops.Release(sb)
	}
}

// SuperOps is what a file system does as a whole.
type SuperOps interface {
	// Statfs describes space and limits (statfs(2)).
	Statfs(c Caller, sb *Superblock) (Statfs, error)
	// Options is what follows the comma in /proc/mounts, such as "size=1024k".
	Options(sb *Superblock) string
	// Sync writes out what is cached.
	Sync(c Caller, sb *Superblock) error
	// Release is called when the last mount and file are gone.
	Release(sb *Superblock)
}

// RootShower is a SuperOps of a file system in which names depend on who looks.
type RootShower interface {
	// ShowRoot returns the path in the file system of the root of a mount.
	ShowRoot(c Caller, root *Inode) string
}

// Statfs is the result of statfs(2) but for type, flags and id.
type Statfs struct {
	BlockSize           int64
	Blocks, Free, Avail uint64
	Files, FilesFree    uint64
	NameLen             int64
}

// BaseSuper is the SuperOps of a file system without storage.
type BaseSuper struct{}

func (BaseSuper) Statfs(Caller, *Superblock) (Statfs, error) {
	return Statfs{BlockSize: 4096, NameLen: 255}, nil
}
func (BaseSuper) Options(*Superblock) string     { return "" }
func (BaseSuper) Sync(Caller, *Superblock) error { return nil }
func (BaseSuper) Release(*Superblock)            {}

// NextIno returns an inode number that this superblock has not handed out.
func (sb *Superblock) NextIno() uint64 { return sb.nextIno.Add(1) }
