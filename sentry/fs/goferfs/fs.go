// Package goferfs is the file system whose files are on the host and come through
// the gofer.
//
// A mount is used in one of two ways. Exclusive: nobody else changes it, so
// attributes, entries, misses and whole directory listings are kept until the sandbox
// itself changes them, and a cached path costs no message; to who walks a tree the gofer
// tells what the directories below hold with each listing (listing.go). Shared: the host may change
// it, so entries are looked up again and attributes are asked for each time.
//
// A file that is not a directory has no handle at the gofer until something needs
// one: it is named by its parent's handle and its name (node.go). A regular file's
// data moves through a descriptor that the gofer donated, by pread, pwrite and mmap,
// without the gofer; descriptors of closed files are kept for the next open, up to a
// limit (host.go).
//
// Neighbours: gofer/client; memfile.HostFile is the Backing of mappings.
//
// Lock order:
//
//	filesystem.mu
//	  node.mu (no other node's while held)
//	    vfs.Inode.mu
//	listings.mu
//
// Neither is held across a message, and no call of a Space is made under them.
package goferfs

import (
	"fmt"
	"sync"

	"ringfence/abi/linux"
	"ringfence/gofer/client"
	"ringfence/gofer/wire"
	"ringfence/sentry/vfs"
)

// Options say how a mount is used.
type Options struct {
	// Shared: the host may change files too.
	Shared bool
	// IdleFDs is how many descriptors of closed files are kept; 0 is a default.
	IdleFDs int
}

const (
	defaultIdleFDs = 1024
	// maxListed bounds the directory entries that are remembered ahead of their lookup.
	maxListed = 200_000
)

// filesystem is one mount. It implements vfs.SuperOps.
type filesystem struct {
	// Immutable after New.
	client   *client.Client
	shared   bool
	readOnly bool
	idleMax  int
	sb       *vfs.Superblock
	root     *node
	rootDev  uint64

	listings listings // see dir.go

	mu sync.Mutex
	// nodes finds the inode of a host file, so that hard links are one inode. The
	// references are weak: see lookupNode.
	nodes map[key]*node
	devs  map[uint64]uint64 // number of each host device but the root's, from 1
	idle  []*node           // files with a descriptor that were closed, oldest first
}

// key is a file's identity on the host.
type key struct{ dev, ino uint64 }

// New returns the file system of a gofer mount, and its root with a reference. The
// client must not serve yet. The root may be a file that is no directory.
func New(c *client.Client, mount int, o Options) (*vfs.Superblock, *vfs.Inode, error) {
	root, readOnly, err := c.Attach(mount)
	if err != nil {
		return nil, nil, fmt.Errorf("attach gofer mount %d: %w", mount, err)
	}
	fs := &filesystem{
		client: c, shared: o.Shared, readOnly: readOnly, idleMax: o.IdleFDs, rootDev: root.Attr.Dev,
		nodes: make(map[key]*node), devs: make(map[uint64]uint64),
	}
	fs.listings = listings{fs: fs, known: make(map[*node]*listing), ahead: make(map[key]aheadOf)}
	if fs.idleMax == 0 {
		fs.idleMax = defaultIdleFDs
	}
	var flags uint32
	if o.Shared {
		flags = vfs.SBRevalidate | vfs.SBDynamicAttr | vfs.SBNoNegative
	}
	// Programs that ask (tail -f) are to treat it as a local file system.
	fs.sb = vfs.NewSuperblock("goferfs", linux.EXT4_SUPER_MAGIC, flags, fs)
	fs.sb.SetReadOnly(readOnly)
	n := fs.inode(&root, nil, "", false)
	fs.root = n.Ops.(*node)
	return fs.sb, n, nil
}

// Statfs implements vfs.SuperOps.
func (fs *filesystem) Statfs(vfs.Caller, *vfs.Superblock) (vfs.Statfs, error) {
	var r wire.StatfsReply
	err := fs.root.withRef(func(ref wire.Ref) (err error) {
		r, err = fs.client.Statfs(ref)
		return err
	})
	return vfs.Statfs{
		BlockSize: r.BlockSize, Blocks: r.Blocks, Free: r.Free, Avail: r.Avail,
		Files: r.Files, FilesFree: r.FilesFree, NameLen: r.NameLen,
	}, err
}

// Options implements vfs.SuperOps.
func (fs *filesystem) Options(*vfs.Superblock) string {
	if fs.shared {
		return "cache=none"
	}
	return "cache=all"
}

// Sync implements vfs.SuperOps.
func (fs *filesystem) Sync(vfs.Caller, *vfs.Superblock) error {
	if fs.readOnly {
		return nil
	}
	return fs.root.withRef(fs.client.Sync)
}

// Release implements vfs.SuperOps.
func (fs *filesystem) Release(*vfs.Superblock) { fs.client.Flush() }

// ino is what guests see as a file's inode number: the host's, told apart where
// the mount spans several host file systems.
func (fs *filesystem) ino(dev, ino uint64) uint64 {
	if dev == fs.rootDev {
		return ino
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, ok := fs.devs[dev]
	if !ok {
		n = uint64(len(fs.devs)) + 1
		fs.devs[dev] = n
	}
	return ino ^ n<<48
}
