// Package sys is sysfs: the machine as files (sysfs(5)).
//
//	fs.go        the file system and its first level
//	cpu.go       /sys/devices/system/cpu; cache.go and format.go serve it
//	node.go      /sys/devices/system/node: one node has everything
//	devices.go   devices, classes and buses
//	net.go       the loopback interface
//	kernel.go    /sys/kernel
//
// It describes what a sandbox has: the processors and the memory of the kernel, one
// NUMA node, the loopback interface, a few character devices, and no block devices.
// Nothing can be changed. Everything is known when a file system is mounted, but for a
// few texts that are made when they are read. The interfaces are those of the mounter's network.
//
// Neighbours: sentry/kfs/tree serves the files; platform/cpu says what caches there are.
// No locks of its own.
package sys

import (
	"path"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

// FS is the file system type.
type FS struct {
	Kernel *kernel.Kernel
}

// instance is one mount.
type instance struct {
	tree.Super
	k      *kernel.Kernel
	net    *kernel.NetNamespace // of who mounted it
	caches []cache
}

// Mount implements vfs.FSType.
func (fs *FS) Mount(c vfs.Caller, _ string, _ uint64, _ string) (*vfs.Superblock, *vfs.Inode, error) {
	in := &instance{k: fs.Kernel, net: fs.Kernel.NetNS, caches: hostCaches()}
	if t, ok := vfs.Who(c).(*kernel.Task); ok {
		in.net = t.Net()
	}
	sb := vfs.NewSuperblock("sysfs", linux.SYSFS_MAGIC, tree.Flags, in)
	return sb, in.root().Make(c, sb, 1), nil
}

// MountOwner implements vfs.UserMounter: the interfaces that it shows are those of c's network.
func (fs *FS) MountOwner(c vfs.Caller) *creds.UserNamespace {
	if t, ok := c.(*kernel.Task); ok {
		return t.Namespaces().Net.NSOwner()
	}
	return nil
}

// Revealing implements vfs.UserMounter.
func (fs *FS) Revealing() bool { return true }

// Statfs implements vfs.SuperOps.
func (in *instance) Statfs(vfs.Caller, *vfs.Superblock) (vfs.Statfs, error) {
	return vfs.Statfs{BlockSize: 4096, NameLen: 255}, nil
}

func (in *instance) root() *tree.Static {
	return &tree.Static{Space: "sys", Perm: 0o555, Entries: []tree.Entry{
		dir("sys/block"),
		in.buses(),
		classes(),
		dir("sys/dev", dir("sys/dev/block"), charNumbers()),
		in.devices(),
		dir("sys/firmware"),
		dir("sys/fs", dir("sys/fs/cgroup")),
		kernelDir(),
		dir("sys/module"),
		dir("sys/power", file("state", "\n")),
	}}
}

// dir makes an entry of the directory at, a path from the root.
func dir(at string, entries ...tree.Entry) tree.Entry {
	return tree.Entry{Name: path.Base(at), Make: &tree.Static{Space: at, Perm: 0o755, Entries: entries}}
}

func link(name, target string) tree.Entry {
	return tree.Entry{Name: name, Make: tree.LinkFile{Link: tree.StaticLink(target)}}
}

// file makes an entry of a file whose text never changes.
func file(name, text string) tree.Entry {
	return tree.Entry{Name: name, Make: attribute{attr{text: text}}}
}

// broken makes an entry of a file that fails to be read: an attribute that the device does
// not have.
func broken(name string, err errno.Errno) tree.Entry {
	return tree.Entry{Name: name, Make: attribute{attr{err: err}}}
}

// attr is a file without a way to write it.
type attr struct {
	text string
	err  errno.Errno
}

// Text implements tree.Text.
func (a attr) Text(vfs.Caller) ([]byte, error) {
	if a.err != 0 {
		return nil, a.err
	}
	return []byte(a.text), nil
}

// Open implements tree.Opener.
func (attr) Open(_ vfs.Caller, flags uint32) (vfs.FileOps, error) { return readOnly(flags) }

// readOnly refuses to open for writing, whoever asks, as kernfs does for files that
// have no way to be written.
func readOnly(flags uint32) (vfs.FileOps, error) {
	if flags&linux.O_ACCMODE != linux.O_RDONLY {
		return nil, errno.EACCES
	}
	return nil, nil
}

// attribute is the Maker of a file of one page.
type attribute struct{ text tree.Text }

// Make implements tree.Maker.
func (a attribute) Make(c vfs.Caller, sb *vfs.Superblock, ino uint64) *vfs.Inode {
	return tree.NewText(c, sb, ino, 0o444, a.text, page{})
}

// Type implements tree.Maker.
func (attribute) Type() uint8 { return linux.DT_REG }

// page gives files the size that Linux gives them, whatever they hold.
type page struct{}

// Own implements tree.Owner.
func (page) Own(_ vfs.Caller, a *vfs.Attr) { a.Size = 4096 }
