package dev

import (
	"ringfence/abi/linux"
	"ringfence/sentry/fs/tmpfs"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
)

// FS is the type devtmpfs: every mount is a tmpfs of its own, filled with what programs expect.
type FS struct {
	Memory *memfile.File
}

// node is an entry of a new /dev.
type node struct {
	name   string
	mode   uint32 // with type
	rdev   uint64
	target string // of a symbolic link
}

func char(name string, perm, major, minor uint32) node {
	return node{name: name, mode: linux.S_IFCHR | perm, rdev: uint64(linux.MakeDev(major, minor))}
}

func dir(name string, perm uint32) node { return node{name: name, mode: linux.S_IFDIR | perm} }

func link(name, target string) node {
	return node{name: name, mode: linux.S_IFLNK, target: target}
}

// nodes is what /dev holds, as container engines fill it (the runtime spec's default devices).
var nodes = []node{
	char("null", 0o666, linux.MEM_MAJOR, linux.NULL_MINOR),
	char("zero", 0o666, linux.MEM_MAJOR, linux.ZERO_MINOR),
	char("full", 0o666, linux.MEM_MAJOR, linux.FULL_MINOR),
	char("random", 0o666, linux.MEM_MAJOR, linux.RANDOM_MINOR),
	char("urandom", 0o666, linux.MEM_MAJOR, linux.URANDOM_MINOR),
	char("tty", 0o666, linux.TTYAUX_MAJOR, linux.TTY_MINOR),
	char("console", 0o600, linux.TTYAUX_MAJOR, linux.CONSOLE_MINOR),
	char("userfaultfd", 0o600, linux.MISC_MAJOR, linux.USERFAULTFD_MINOR),
	link("ptmx", "pts/ptmx"),
	link("fd", "/proc/self/fd"),
	link("stdin", "/proc/self/fd/0"),
	link("stdout", "/proc/self/fd/1"),
	link("stderr", "/proc/self/fd/2"),
	dir("shm", 0o1777),
	dir("pts", 0o755),
	dir("mqueue", 0o1777),
}

// Mount implements vfs.FSType.
func (fs *FS) Mount(c vfs.Caller, source string, flags uint64, data string) (*vfs.Superblock, *vfs.Inode, error) {
	if data == "" {
		data = "mode=755"
	} else {
		data = "mode=755," + data
	}
	t := tmpfs.FS{Name: "devtmpfs", Memory: fs.Memory}
	sb, root, err := t.Mount(c, source, flags, data)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range nodes {
		made, err := n.make(c, root)
		if err != nil {
			root.DecRef()
			return nil, nil, err
		}
		made.DecRef()
	}
	return sb, root, nil
}

// CheckOption implements vfs.OptionChecker.
func (fs *FS) CheckOption(key, value string, hasValue bool) (known, good bool) {
	return new(tmpfs.FS).CheckOption(key, value, hasValue)
}

func (n *node) make(c vfs.Caller, dir *vfs.Inode) (*vfs.Inode, error) {
	switch n.mode & linux.S_IFMT {
	case linux.S_IFDIR:
		return dir.Ops.Mkdir(c, dir, n.name, n.mode)
	case linux.S_IFLNK:
		return dir.Ops.Symlink(c, dir, n.name, n.target)
	}
	return dir.Ops.Mknod(c, dir, n.name, n.mode, n.rdev)
}
