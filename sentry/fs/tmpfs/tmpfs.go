// Package tmpfs is the file system in memory (tmpfs(5)). Contents of regular files
// are kept in a pagestore.Store; everything else is kept here. It also makes memfds, which are
// files of a tmpfs without names.
//
// Each name in a directory holds a reference to its inode, so that files live as long as they have
// names or users.
//
// Lock order: super.mu (all directories), then node.mu (writing one file, its attributes), then
// pagestore's; vfs's locks come before.
package tmpfs

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
)

// FS is the file system type. Its fields are immutable.
type FS struct {
	// Name is the type's name in /proc/mounts; "tmpfs" if empty. devtmpfs is a tmpfs too.
	Name string
	// Memory gives the pages.
	Memory *memfile.File
	// Total is how many bytes of memory the sandbox has, half of which is the default limit. 0: no limit.
	Total uint64
}

// options are the mount options.
type options struct {
	pages, inodes uint64 // 0: no limit
	mode          uint32
	uid           creds.UID
	gid           creds.GID
	sized         bool // size or nr_blocks was given
	counted       bool // nr_inodes was given
}

// Mount makes a file system with an empty root directory.
func (fs *FS) Mount(c vfs.Caller, source string, flags uint64, data string) (*vfs.Superblock, *vfs.Inode, error) {
	o := options{mode: 0o1777, uid: c.Creds().FSUID, gid: c.Creds().FSGID,
		pages: fs.Total / 2 / addr.PageSize, inodes: fs.Total / 2 / addr.PageSize}
	if err := o.parse(data, fs.Total, c.Creds().UserNS); err != nil {
		return nil, nil, err
	}
	name := fs.Name
	if name == "" {
		name = "tmpfs"
	}
	s := newSuper(name, fs.Memory, o)
	s.total = fs.Total
	return s.sb, s.newRoot(c), nil
}

// MountOwner implements vfs.UserMounter.
func (*FS) MountOwner(c vfs.Caller) *creds.UserNamespace { return c.Creds().UserNS }

// Revealing implements vfs.UserMounter.
func (*FS) Revealing() bool { return false }

func newSuper(name string, mf *memfile.File, o options) *super {
	s := &super{mf: mf, mode: o.mode, uid: o.uid, gid: o.gid}
	s.sized.Store(o.sized)
	s.counted.Store(o.counted)
	s.maxPages.Store(o.pages)
	s.maxInodes.Store(o.inodes)
	s.sb = vfs.NewSuperblock(name, linux.TMPFS_MAGIC, vfs.SBPosixACL|vfs.SBFileFlags, s)
	return s
}

func (s *super) newRoot(c vfs.Caller) *vfs.Inode {
	s.inodes.Add(1)
	root := s.newNode(c, vfs.Attr{Mode: s.mode&linux.S_IALLUGO | linux.S_IFDIR, Nlink: 2, UID: s.uid, GID: s.gid})
	return root.inode
}

// CheckOption implements vfs.OptionChecker.
func (fs *FS) CheckOption(key, value string, hasValue bool) (known, good bool) {
	return new(options).set(key, value, hasValue, fs.Total, nil)
}

// parse reads options as mount(8) gives them: "size=64m,mode=1777".
func (o *options) parse(data string, total uint64, ns *creds.UserNamespace) error {
	for _, opt := range strings.Split(data, ",") {
		if opt == "" {
			continue
		}
		key, val, hasVal := strings.Cut(opt, "=")
		if _, good := o.set(key, val, hasVal, total, ns); !good {
			return errno.EINVAL
		}
	}
	return nil
}

// set reads one option, with ids of ns.
func (o *options) set(key, val string, hasVal bool, total uint64, ns *creds.UserNamespace) (known, good bool) {
	var err error
	switch key {
	case "size":
		var n uint64
		if pc, ok := strings.CutSuffix(val, "%"); ok {
			n, err = strconv.ParseUint(pc, 10, 32)
			n = n * (total / 100)
		} else {
			n, err = parseSize(val)
		}
		o.pages, o.sized = n/addr.PageSize, true
		if n%addr.PageSize != 0 {
			o.pages++
		}
	case "nr_blocks":
		o.pages, err = parseSize(val)
		o.sized = true
	case "nr_inodes":
		o.inodes, err = parseSize(val)
		o.counted = true
	case "mode":
		var m uint64
		m, err = strconv.ParseUint(val, 8, 32)
		o.mode = uint32(m) & linux.S_IALLUGO
	case "uid":
		var id uint64
		id, err = strconv.ParseUint(val, 10, 32)
		if o.uid, good = ns.ToUID(uint32(id)); !good {
			return true, false
		}
	case "gid":
		var id uint64
		id, err = strconv.ParseUint(val, 10, 32)
		if o.gid, good = ns.ToGID(uint32(id)); !good {
			return true, false
		}
	case "huge", "mpol":
		// Advice about placement, which changes nothing here.
		return true, hasVal
	case "inode32", "inode64", "noswap":
		return true, !hasVal
	default:
		return false, false
	}
	return true, err == nil
}

// parseSize reads a number with a suffix k, m, g, t or none.
func parseSize(s string) (uint64, error) {
	shift := 0
	if s != "" {
		switch s[len(s)-1] {
		case 'k', 'K':
			shift = 10
		case 'm', 'M':
			shift = 20
		case 'g', 'G':
			shift = 30
		case 't', 'T':
			shift = 40
		}
	}
	if shift > 0 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseUint(s, 0, 64-shift)
	return n << shift, err
}

// super is one tmpfs: its superblock's operations and its quota of pages.
type super struct {
	sb    *vfs.Superblock
	mf    *memfile.File
	total uint64

	// Immutable.
	mode uint32
	uid  creds.UID
	gid  creds.GID

	sized, counted    atomic.Bool   // the limits were given
	maxPages, pages   atomic.Uint64 // 0: no limit
	maxInodes, inodes atomic.Uint64

	// mu guards the entries of all directories.
	mu sync.RWMutex
}

// Charge and Uncharge are pagestore's quota.
func (s *super) Charge(n uint64) error { return charge(&s.pages, &s.maxPages, n) }

func (s *super) Uncharge(n uint64) { s.pages.Add(-n) }

func charge(used, limit *atomic.Uint64, n uint64) error {
	for {
		u, l := used.Load(), limit.Load()
		if l != 0 && (n > l || u > l-n) {
			return errno.ENOSPC
		}
		if used.CompareAndSwap(u, u+n) {
			return nil
		}
	}
}

func (s *super) Statfs(vfs.Caller, *vfs.Superblock) (vfs.Statfs, error) {
	st := vfs.Statfs{BlockSize: addr.PageSize, NameLen: linux.NAME_MAX}
	if l := s.maxPages.Load(); l != 0 {
		st.Blocks = l
		st.Free = l - min(l, s.pages.Load())
		st.Avail = st.Free
	}
	if l := s.maxInodes.Load(); l != 0 {
		st.Files = l
		st.FilesFree = l - min(l, s.inodes.Load())
	}
	return st, nil
}

func (s *super) Options(*vfs.Superblock) string {
	var o []string
	if s.sized.Load() {
		o = append(o, fmt.Sprintf("size=%dk", s.maxPages.Load()*(addr.PageSize/1024)))
	}
	if s.counted.Load() {
		o = append(o, fmt.Sprintf("nr_inodes=%d", s.maxInodes.Load()))
	}
	if s.mode != 0o1777 {
		o = append(o, fmt.Sprintf("mode=%03o", s.mode))
	}
	if s.uid != 0 {
		o = append(o, fmt.Sprintf("uid=%d", s.uid))
	}
	if s.gid != 0 {
		o = append(o, fmt.Sprintf("gid=%d", s.gid))
	}
	return strings.Join(append(o, "inode64"), ",")
}

// Remount changes the limits; EINVAL if more is used already.
func (s *super) Remount(c vfs.Caller, sb *vfs.Superblock, data string) error {
	o := options{pages: s.maxPages.Load(), inodes: s.maxInodes.Load()}
	if err := o.parse(data, s.total, c.Creds().UserNS); err != nil {
		return err
	}
	if o.pages != 0 && o.pages < s.pages.Load() || o.inodes != 0 && o.inodes < s.inodes.Load() {
		return errno.EINVAL
	}
	s.maxPages.Store(o.pages)
	s.maxInodes.Store(o.inodes)
	if o.sized {
		s.sized.Store(true)
	}
	if o.counted {
		s.counted.Store(true)
	}
	return nil
}

func (s *super) Sync(vfs.Caller, *vfs.Superblock) error { return nil }

func (s *super) Release(*vfs.Superblock) {}
