// Package tree serves file systems whose contents are made when they are looked at:
// proc, sys and devpts. It knows no kernel.
//
//	Dir    a directory: finds and lists names
//	Text   a file whose text is generated when it is read from the start
//	Link   a symbolic link
//
// An FS is one instance. Inode numbers are given by those who make inodes, computed from
// what a file stands for, so that they stay the same when an inode is made
// again: entries are not cached longer than they are used.
package tree

import (
	"hash/fnv"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/vfs"
)

// Owner says who owns a file. A nil Owner stands for root.
type Owner interface {
	Own(c vfs.Caller, a *vfs.Attr)
}

// Node is what all inodes of the package have in common. Embed it.
type Node struct {
	vfs.BaseInode
	Owner Owner
}

// GetAttr implements vfs.InodeOps.
func (n *Node) GetAttr(c vfs.Caller, i *vfs.Inode) (vfs.Attr, error) {
	a := i.Attr()
	if n.Owner != nil {
		n.Owner.Own(c, &a)
	}
	return a, nil
}

// SetAttr implements vfs.InodeOps: truncation by O_TRUNC does nothing, other changes are
// refused.
func (n *Node) SetAttr(_ vfs.Caller, _ *vfs.Inode, s vfs.SetAttr) error {
	if s.Mask&(vfs.SetMode|vfs.SetUID|vfs.SetGID) != 0 {
		return errno.EPERM
	}
	return nil
}

// Create and its like are refused as in a file system without them.
func (n *Node) Create(vfs.Caller, *vfs.Inode, string, uint32) (*vfs.Inode, error) {
	return nil, errno.EPERM
}

// Ino computes the inode number of what the parts name.
func Ino(space string, parts ...uint64) uint64 {
	h := fnv.New64a()
	h.Write([]byte(space))
	var b [8]byte
	for _, p := range parts {
		for i := range b {
			b[i] = byte(p >> (8 * i))
		}
		h.Write(b[:])
	}
	return h.Sum64()&(1<<40-1) | 1<<32
}

// newInode makes an inode with the attributes that all have.
func newInode(sb *vfs.Superblock, ops vfs.InodeOps, ino uint64, mode, nlink uint32, size int64, now int64) *vfs.Inode {
	return vfs.NewInode(sb, ops, vfs.Attr{
		Ino: ino, Mode: mode, Nlink: nlink, Size: size, BlkSize: 1024, Atime: now, Mtime: now, Ctime: now, Btime: now,
	})
}

// NewDir returns the inode of a directory.
func NewDir(c vfs.Caller, sb *vfs.Superblock, ino uint64, perm uint32, d Dir, o Owner) *vfs.Inode {
	return newInode(sb, &dirNode{Node{Owner: o}, d}, ino, linux.S_IFDIR|perm, 2, 0, c.Now())
}

// NewText returns the inode of a generated file.
func NewText(c vfs.Caller, sb *vfs.Superblock, ino uint64, perm uint32, t Text, o Owner) *vfs.Inode {
	return newInode(sb, &textNode{Node{Owner: o}, t}, ino, linux.S_IFREG|perm, 1, 0, c.Now())
}

// NewLink returns the inode of a symbolic link.
func NewLink(c vfs.Caller, sb *vfs.Superblock, ino uint64, l Link, o Owner) *vfs.Inode {
	return newInode(sb, &linkNode{Node{Owner: o}, l}, ino, linux.S_IFLNK|0o777, 1, 0, c.Now())
}

// Link is a symbolic link.
type Link interface {
	// Target is what readlink(2) says.
	Target(c vfs.Caller) (string, error)
}

// Follower is a Link that leads to an object (vfs.MagicLink).
type Follower interface {
	// Follow returns a referenced path.
	Follow(c vfs.Caller) (vfs.Path, error)
}

type linkNode struct {
	Node
	l Link
}

func (n *linkNode) Readlink(c vfs.Caller, _ *vfs.Inode) (string, error) { return n.l.Target(c) }

// Follow implements vfs.MagicLink: no path means that Readlink's is to be walked.
func (n *linkNode) Follow(c vfs.Caller, _ *vfs.Inode) (vfs.Path, error) {
	if f, ok := n.l.(Follower); ok {
		return f.Follow(c)
	}
	return vfs.Path{}, nil
}

// StaticLink is a Link that always leads to the same name.
type StaticLink string

// Target implements Link.
func (s StaticLink) Target(vfs.Caller) (string, error) { return string(s), nil }
