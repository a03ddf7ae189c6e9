// Package devpts is the file system of pseudo terminals: /dev/pts with a node for
// every pair whose master is open, and ptmx, which makes new pairs (pts(4)).
//
// Each mount is an instance of its own. /dev/ptmx outside of an instance belongs to
// the one that the opener sees at /dev/pts. An FS serves one kernel; it is also
// dev.Terminals.
//
// Lock order: FS.mu and Instance.mu are leaves.
package devpts

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/tty"
	"ringfence/sentry/vfs"
)

// maxPTYs bounds the pairs of an instance (/proc/sys/kernel/pty/max).
const maxPTYs = 4096

// FS is the file system type, and opens /dev/ptmx.
type FS struct {
	Kernel *kernel.Kernel

	mu       sync.Mutex
	instance *Instance // the first one, for where there is no /dev/pts; guarded by mu
}

// Instance is one mount's set of terminals.
type Instance struct {
	tree.Super
	fs *FS
	k  *kernel.Kernel
	sb *vfs.Superblock

	// Immutable.
	mode, ptmxMode uint32
	uid            creds.UID
	gid            creds.GID
	setUID, setGID bool
	max            int

	mu    sync.Mutex
	nodes map[int]*node // guarded by mu
}

// node is a slave's entry.
type node struct {
	vfs.BaseInode
	in    *Instance
	pty   *tty.PTY
	inode *vfs.Inode // holds a reference while the master is open
}

// Mount implements vfs.FSType.
func (fs *FS) Mount(c vfs.Caller, _ string, _ uint64, data string) (*vfs.Superblock, *vfs.Inode, error) {
	in := &Instance{fs: fs, k: fs.Kernel, mode: 0o600, max: maxPTYs, nodes: make(map[int]*node)}
	if err := in.parse(data, c.Creds().UserNS); err != nil {
		return nil, nil, err
	}
	in.sb = vfs.NewSuperblock("devpts", linux.DEVPTS_SUPER_MAGIC, vfs.SBNoNegative|vfs.SBNoCache|vfs.SBRevalidate|vfs.SBDevices, in)
	fs.mu.Lock()
	if fs.instance == nil {
		fs.instance = in
	}
	fs.mu.Unlock()
	return in.sb, tree.NewDir(c, in.sb, 1, 0o755, in, nil), nil
}

// MountOwner implements vfs.UserMounter.
func (*FS) MountOwner(c vfs.Caller) *creds.UserNamespace { return c.Creds().UserNS }

// Revealing implements vfs.UserMounter.
func (*FS) Revealing() bool { return false }

// Release implements vfs.SuperOps: the last mount and open terminal are gone.
func (in *Instance) Release(*vfs.Superblock) {
	in.fs.mu.Lock()
	defer in.fs.mu.Unlock()
	if in.fs.instance == in {
		in.fs.instance = nil
	}
}

// CheckOption implements vfs.OptionChecker.
func (fs *FS) CheckOption(key, value string, hasValue bool) (known, good bool) {
	switch key {
	case "newinstance":
		return true, !hasValue
	case "mode", "ptmxmode", "uid", "gid", "max":
		return true, hasValue && new(Instance).parse(key+"="+value, nil) == nil
	}
	return false, false
}

// parse reads the mount options, with ids of ns.
func (in *Instance) parse(data string, ns *creds.UserNamespace) error {
	var shown []string
	for _, opt := range strings.Split(data, ",") {
		key, val, _ := strings.Cut(opt, "=")
		base := 10
		if key == "mode" || key == "ptmxmode" {
			base = 8
		}
		n, err := strconv.ParseUint(val, base, 32)
		switch key {
		case "", "newinstance":
			continue
		case "mode":
			in.mode = uint32(n) & 0o777
		case "ptmxmode":
			in.ptmxMode = uint32(n) & 0o777
		case "uid":
			if in.uid, in.setUID = ns.ToUID(uint32(n)); !in.setUID {
				err = errno.EINVAL
			}
			shown = append(shown, opt)
		case "gid":
			if in.gid, in.setGID = ns.ToGID(uint32(n)); !in.setGID {
				err = errno.EINVAL
			}
			shown = append(shown, opt)
		case "max":
			in.max = int(min(n, maxPTYs))
		default:
			err = errno.EINVAL
		}
		if err != nil {
			return errno.EINVAL
		}
	}
	shown = append(shown, "mode="+strconv.FormatUint(uint64(in.mode), 8), "ptmxmode="+octal(in.ptmxMode))
	in.Opts = strings.Join(shown, ",")
	return nil
}

func octal(mode uint32) string {
	s := strconv.FormatUint(uint64(mode), 8)
	return strings.Repeat("0", max(0, 3-len(s))) + s
}

// ptmxIno and firstIno are the inode numbers of ptmx and of slave 0.
const (
	ptmxIno  = 2
	firstIno = 3
)

// Lookup implements tree.Dir.
func (in *Instance) Lookup(c vfs.Caller, sb *vfs.Superblock, name string) (*vfs.Inode, error) {
	if name == "ptmx" {
		now := c.Now()
		return vfs.NewInode(sb, &ptmx{in: in}, vfs.Attr{
			Ino: ptmxIno, Mode: linux.S_IFCHR | in.ptmxMode, Nlink: 1, BlkSize: 1024,
			Rdev: uint64(linux.MakeDev(linux.TTYAUX_MAJOR, linux.PTMX_MINOR)), Atime: now, Mtime: now, Ctime: now,
		}), nil
	}
	i, err := strconv.Atoi(name)
	if err != nil || strconv.Itoa(i) != name {
		return nil, errno.ENOENT
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	n := in.nodes[i]
	if n == nil {
		return nil, errno.ENOENT
	}
	n.inode.IncRef()
	return n.inode, nil
}

// Current implements tree.Reviser.
func (in *Instance) Current(_ vfs.Caller, name string, n *vfs.Inode) bool {
	if name == "ptmx" {
		return true
	}
	i, _ := strconv.Atoi(name)
	in.mu.Lock()
	defer in.mu.Unlock()
	x := in.nodes[i]
	return x != nil && x.inode == n
}

// List implements tree.Dir.
func (in *Instance) List(_ vfs.Caller, from int64) ([]vfs.Dirent, error) {
	out := []vfs.Dirent{{Ino: ptmxIno, Type: linux.DT_CHR, Name: "ptmx", Next: 3}}
	in.mu.Lock()
	defer in.mu.Unlock()
	indices := make([]int, 0, len(in.nodes))
	for i := range in.nodes {
		indices = append(indices, i)
	}
	slices.Sort(indices)
	for _, i := range indices {
		out = append(out, vfs.Dirent{Ino: firstIno + uint64(i), Type: linux.DT_CHR, Name: strconv.Itoa(i), Next: 4 + int64(i)})
	}
	return out, nil
}

// NewPTY makes a pair with a node of its own, owned by c.
func (in *Instance) NewPTY(c vfs.Caller) (*tty.PTY, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	i := 0
	for in.nodes[i] != nil {
		i++
	}
	if i >= in.max {
		return nil, errno.ENOSPC
	}
	uid, gid := c.Creds().FSUID, c.Creds().FSGID
	if in.setUID {
		uid = in.uid
	}
	if in.setGID {
		gid = in.gid
	}
	now := c.Now()
	n := &node{in: in, pty: tty.New(i, in.k.Timers)}
	n.inode = vfs.NewInode(in.sb, n, vfs.Attr{
		Ino: firstIno + uint64(i), Mode: linux.S_IFCHR | in.mode, Nlink: 1, UID: uid, GID: gid, BlkSize: 1024,
		Rdev: uint64(linux.MakeDev(linux.UNIX98_PTY_SLAVE_MAJOR, uint32(i))), Atime: now, Mtime: now, Ctime: now,
	})
	in.nodes[i] = n
	return n.pty, nil
}

// Remove takes p's node away, when its master is closed.
func (in *Instance) Remove(p *tty.PTY) {
	in.mu.Lock()
	n := in.nodes[p.Index]
	if n == nil || n.pty != p {
		in.mu.Unlock()
		return
	}
	delete(in.nodes, p.Index)
	in.mu.Unlock()
	n.inode.DecRef()
}

// GetAttr implements vfs.InodeOps.
func (n *node) GetAttr(_ vfs.Caller, i *vfs.Inode) (vfs.Attr, error) { return i.Attr(), nil }

// SetAttr implements vfs.InodeOps: chown and chmod of a terminal (login, mesg).
func (n *node) SetAttr(_ vfs.Caller, i *vfs.Inode, s vfs.SetAttr) error {
	i.Update(func(a *vfs.Attr) { s.Apply(a) })
	return nil
}

// Open implements vfs.InodeOps.
func (n *node) Open(c vfs.Caller, _ *vfs.Inode, flags uint32) (vfs.FileOps, error) {
	s, err := n.pty.OpenSlave(c, flags)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ptmx is the node that makes pairs.
type ptmx struct {
	vfs.BaseInode
	in *Instance
}

// SetAttr implements vfs.InodeOps.
func (p *ptmx) SetAttr(_ vfs.Caller, i *vfs.Inode, s vfs.SetAttr) error {
	i.Update(func(a *vfs.Attr) { s.Apply(a) })
	return nil
}

// Open implements vfs.InodeOps.
func (p *ptmx) Open(c vfs.Caller, _ *vfs.Inode, _ uint32) (vfs.FileOps, error) {
	return p.in.open(c)
}

// open makes a pair and opens its master.
func (in *Instance) open(c vfs.Caller) (vfs.FileOps, error) {
	p, err := in.NewPTY(c)
	if err != nil {
		return nil, err
	}
	return &master{Master: p.OpenMaster(), in: in}, nil
}

// OpenPTMX implements dev.Terminals.
func (fs *FS) OpenPTMX(c vfs.Caller, _ *vfs.Inode) (vfs.FileOps, error) {
	if fsc := c.FSContext(); fsc != nil {
		root := fsc.Root()
		defer root.DecRef()
		if p, err := fs.Kernel.VFS.Resolve(c, root, "/dev/pts", 0); err == nil {
			defer p.DecRef()
			if in, ok := tree.DirOf(p.Inode()).(*Instance); ok {
				return in.open(c)
			}
		}
	}
	fs.mu.Lock()
	in := fs.instance
	fs.mu.Unlock()
	if in == nil {
		return nil, errno.ENODEV
	}
	return in.open(c)
}

// Console makes a pair in the first instance for the sentry itself, with the master open.
// The slave is the file in /dev/pts that has the pair's Index. ENODEV if no devpts is mounted.
func (fs *FS) Console(c vfs.Caller) (*tty.Console, error) {
	fs.mu.Lock()
	in := fs.instance
	fs.mu.Unlock()
	if in == nil {
		return nil, errno.ENODEV
	}
	p, err := in.NewPTY(c)
	if err != nil {
		return nil, err
	}
	return p.OpenConsole(), nil
}
