package tmpfs

import (
	"fmt"
	"strings"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
)

// Ramfs is the file system type "ramfs": a tmpfs without limits, and without options but mode.
type Ramfs struct {
	Memory *memfile.File // gives the pages; immutable
}

// Mount implements vfs.FilesystemType.
func (fs *Ramfs) Mount(c vfs.Caller, source string, flags uint64, data string) (*vfs.Superblock, *vfs.Inode, error) {
	o := options{mode: 0o755, uid: c.Creds().FSUID, gid: c.Creds().FSGID}
	for _, opt := range strings.Split(data, ",") {
		key, value, has := strings.Cut(opt, "=")
		if _, good := fs.CheckOption(key, value, has); !good {
			return nil, nil, errno.EINVAL
		}
		if key == "mode" {
			o.set(key, value, has, 0, c.Creds().UserNS)
		}
	}
	s := newSuper("ramfs", fs.Memory, o)
	s.sb = vfs.NewSuperblock("ramfs", linux.RAMFS_MAGIC, 0, ramSuper{s})
	return s.sb, s.newRoot(c), nil
}

// CheckOption implements vfs.OptionChecker. Linux ignores what it does not know.
func (fs *Ramfs) CheckOption(key, value string, hasValue bool) (known, good bool) {
	if key != "mode" {
		return true, true
	}
	return new(options).set(key, value, hasValue, 0, nil)
}

// ramSuper is the superblock of a ramfs.
type ramSuper struct{ *super }

func (ramSuper) Statfs(vfs.Caller, *vfs.Superblock) (vfs.Statfs, error) {
	return vfs.Statfs{BlockSize: addr.PageSize, NameLen: linux.NAME_MAX}, nil
}

func (s ramSuper) Options(*vfs.Superblock) string {
	if s.mode == 0o755 {
		return ""
	}
	return fmt.Sprintf("mode=%o", s.mode)
}

func (ramSuper) Remount(vfs.Caller, *vfs.Superblock, string) error { return nil }
