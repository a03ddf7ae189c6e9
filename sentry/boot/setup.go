package boot

import (
	"errors"
	"fmt"
	"math"
	"path"
	"sort"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/gofer/client"
	"ringfence/platform"
	"ringfence/platform/clock"
	"ringfence/platform/hostcall"
	"ringfence/platform/ptrace"
	"ringfence/platform/trap"
	"ringfence/sentry/creds"
	"ringfence/sentry/fs/dev"
	"ringfence/sentry/fs/goferfs"
	"ringfence/sentry/fs/hostfd"
	"ringfence/sentry/fs/tmpfs"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/devpts"
	"ringfence/sentry/kfs/userfaultfd"
	"ringfence/sentry/ktime"
	"ringfence/sentry/loader"
	"ringfence/sentry/memfile"
	"ringfence/sentry/syscalls"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// builder sets up a sandbox. It is a vfs.Caller: root, before there are processes.
type builder struct {
	b    *sandbox
	cred *creds.Credentials
	fs   *vfs.FSContext // nil until there is a root
	v    *vfs.VFS
	mem  *memfile.File
	ns   *vfs.Namespace
	k    *kernel.Kernel
	pts  *devpts.FS
}

func (s *builder) Creds() *creds.Credentials { return s.cred }
func (s *builder) FSContext() *vfs.FSContext { return s.fs }
func (s *builder) Now() int64                { return s.k.Now() }
func (s *builder) FileSizeLimit() uint64     { return math.MaxUint64 }

// Platforms are the names of the platforms, the best first.
var Platforms = []string{"trap", "ptrace"}

// newPlatform starts a platform by its name.
func newPlatform(name string) (platform.Platform, error) {
	switch name {
	case "trap":
		return trap.New()
	case "ptrace":
		return ptrace.New()
	}
	return nil, fmt.Errorf("platform %q is unknown", name)
}

// setUp makes the kernel and mounts everything.
func (b *sandbox) setUp() error {
	s := &builder{b: b, v: vfs.New()}
	if err := s.makeKernel(); err != nil {
		return err
	}
	if err := s.mountAll(); err != nil {
		return err
	}
	if err := s.sysctls(); err != nil {
		return err
	}
	b.kernel, b.mounts = s.k, s.ns
	var err error
	if b.hostfd, err = hostfd.New(s.v); err != nil {
		return err
	}
	if b.cfg.Process.Terminal {
		if b.tty, err = s.newRelay(); err != nil {
			return fmt.Errorf("terminal: %w", err)
		}
	}
	return nil
}

func (s *builder) makeKernel() error {
	cfg := s.b.cfg
	p, err := newPlatform(cfg.Platform)
	if err != nil {
		if last := Platforms[len(Platforms)-1]; cfg.Platform != last {
			return fmt.Errorf("platform %s: %w; --platform %s asks less of the host", cfg.Platform, err, last)
		}
		return fmt.Errorf("platform %s: %w", cfg.Platform, err)
	}
	if !cfg.Debug {
		// From here on no other process of this user can look into this one. Guests' processes
		// descend from the platform's, which must stay open to being traced.
		if _, err := hostcall.Prctl(linux.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			return fmt.Errorf("make sentry undumpable: %w", err)
		}
	}
	if s.mem, err = memfile.New(); err != nil {
		return err
	}
	clocks, err := ktime.HostClocks()
	if err != nil {
		return fmt.Errorf("clocks: %w", err)
	}
	vdso, err := loader.NewVDSO(s.mem, cfg.CPUs)
	if err != nil {
		return fmt.Errorf("vdso: %w", err)
	}
	c := kernel.Config{
		Platform: p, MemFile: s.mem, VFS: s.v, Timers: ktime.NewManager(clocks), Syscalls: syscalls.Table(),
		VDSO: vdso, Machine: loader.Machine{HWCAP: cfg.HWCAP, HWCAP2: cfg.HWCAP2, MinSigStack: cfg.MinSigStack}, Hostname: cfg.Hostname, CPUs: cfg.CPUs, Memory: cfg.Memory,
	}
	if cfg.Strace {
		c.Tracer = newTracer(s.b.log)
	}
	s.k = kernel.New(c)
	// Guests run out of memory before the host does.
	s.mem.SetLimit(s.k.Memory - s.k.Memory/16)
	// A cached name takes one to two kilobytes: at most a thirtieth of the guest's memory in each file system.
	s.v.DentryLimit = int(min(max(s.k.Memory>>16, 1<<14), 1<<20))
	if cfg.Domainname != "" {
		s.k.UTSNS.SetDomainname(cfg.Domainname)
	}
	s.cred = creds.NewRoot(s.k.UserNS)
	vdso.Platform, _ = p.(platform.ClockReader)
	go vdso.Follow(clock.New(), nil)

	s.pts = &devpts.FS{Kernel: s.k}
	s.v.Special = special{&dev.Devices{Memory: s.mem, Terminals: s.pts, Userfaults: userfaultfd.Device{}}, s.k.Pipes}
	s.v.AddType("tmpfs", &tmpfs.FS{Memory: s.mem, Total: s.k.Memory}, true)
	s.v.AddType("ramfs", &tmpfs.Ramfs{Memory: s.mem}, true)
	s.v.AddType("devtmpfs", &dev.FS{Memory: s.mem}, true)
	s.v.AddType("devpts", s.pts, true)
	s.addKernelTypes()
	return nil
}

// mountAll attaches the gofer's mounts and makes all mounts in order.
func (s *builder) mountAll() error {
	cfg := s.b.cfg
	c, err := client.New(hostcall.FD(cfg.FDs.Gofer))
	if err != nil {
		return s.b.goferError()
	}
	s.b.gofer = c
	// The gofer hands out roots only until it serves.
	roots := make([]mounted, len(cfg.Mounts))
	for i, m := range cfg.Mounts {
		if m.Type != TypeGofer {
			continue
		}
		sb, root, err := goferfs.New(c, m.Index, goferfs.Options{Shared: m.Shared})
		if err != nil {
			return fmt.Errorf("mount %q: %w", m.Destination, err)
		}
		roots[i] = mounted{sb, root}
		s.b.holder.gofers = append(s.b.holder.gofers, sb)
		s.b.holder.caches = append(s.b.holder.caches, sb)
	}
	c.SetHolder(&s.b.holder)
	c.OnGone(s.b)
	if err := c.Serve(); err != nil {
		return fmt.Errorf("gofer: %w", err)
	}
	for i := range cfg.Mounts {
		if err := s.mount(&cfg.Mounts[i], roots[i]); err != nil {
			return fmt.Errorf("mount %q: %w", cfg.Mounts[i].Destination, message(err))
		}
	}
	for _, p := range cfg.MaskedPaths {
		if err := s.mask(p); err != nil {
			return fmt.Errorf("mask %q: %w", p, message(err))
		}
	}
	for _, p := range cfg.ReadonlyPaths {
		if err := s.protect(p); err != nil {
			return fmt.Errorf("make %q read-only: %w", p, message(err))
		}
	}
	return nil
}

// message turns an error number into text for the operator.
func message(err error) error {
	if e, ok := err.(errno.Errno); ok {
		return errors.New(strings.ToLower(e.Message()))
	}
	return err
}

// mounted is a file system that was made and is not mounted yet.
type mounted struct {
	sb   *vfs.Superblock
	root *vfs.Inode
}

func (s *builder) mount(m *Mount, at mounted) error {
	var err error
	if at.sb == nil && m.Type != TypeBind {
		if at.sb, at.root, err = s.instance(m); err != nil {
			return err
		}
	}
	if m.Overlay {
		if at, err = s.overlay(at); err != nil {
			return err
		}
		s.b.holder.caches = append(s.b.holder.caches, at.sb)
	}
	if s.ns == nil {
		// The root becomes read-only when all mount points are there.
		s.ns = s.v.NewNamespaceOn(at.sb, at.root, m.Source, uint64(m.Flags&^linux.MS_RDONLY))
		root := s.ns.Root()
		s.fs = vfs.NewFSContext(root, root, 0o022)
		root.DecRef()
		return nil
	}
	isDir := !m.File
	if at.root != nil {
		isDir = at.root.Type() == linux.S_IFDIR
	}
	target, err := s.mountPoint(m.Destination, isDir)
	if err != nil {
		return err
	}
	defer target.DecRef()
	if m.Type == TypeBind {
		return s.v.Mount(s, s.ns, m.Source, target, "", uint64(m.Flags)|linux.MS_BIND, "")
	}
	return s.v.MountOn(s.ns, at.sb, at.root, m.Source, target, uint64(m.Flags))
}

// instance makes a file system by the name of its type.
func (s *builder) instance(m *Mount) (*vfs.Superblock, *vfs.Inode, error) {
	t, err := s.v.Type(m.Type)
	if err == errno.ENODEV && m.Type == "mqueue" {
		// A directory that can hold nothing else stands for it.
		t, err = s.v.Type("tmpfs")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("type %q: %w", m.Type, err)
	}
	return t.Mount(s, m.Source, uint64(m.Flags), m.Data)
}

// mountPoint returns the place to mount on, which it makes if it is missing.
func (s *builder) mountPoint(dst string, isDir bool) (vfs.Path, error) {
	p, err := s.v.Resolve(s, vfs.Path{}, dst, vfs.LookupFollow)
	if err != errno.ENOENT {
		return p, err
	}
	parent := path.Dir(dst)
	dir, err := s.mountPoint(parent, true)
	if err != nil {
		return vfs.Path{}, err
	}
	dir.DecRef()
	if isDir {
		err = s.v.MkdirAt(s, vfs.Path{}, dst, 0o755)
	} else {
		err = s.v.MknodAt(s, vfs.Path{}, dst, linux.S_IFREG|0o644, 0)
	}
	if err != nil {
		return vfs.Path{}, err
	}
	return s.v.Resolve(s, vfs.Path{}, dst, vfs.LookupFollow)
}

// mask hides what is at p, if there is something: a directory behind an empty one, a file
// behind /dev/null.
func (s *builder) mask(p string) error {
	at, err := s.v.Resolve(s, vfs.Path{}, p, vfs.LookupFollow)
	if err == errno.ENOENT || err == errno.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	defer at.DecRef()
	if at.Inode().Type() == linux.S_IFDIR {
		return s.v.Mount(s, s.ns, "tmpfs", at, "tmpfs", linux.MS_RDONLY, "size=0k")
	}
	return s.v.Mount(s, s.ns, "/dev/null", at, "", linux.MS_BIND, "")
}

// protect makes what is at p read-only, if there is something.
func (s *builder) protect(p string) error {
	at, err := s.v.Resolve(s, vfs.Path{}, p, vfs.LookupFollow)
	if err == errno.ENOENT || err == errno.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	err = s.v.Mount(s, s.ns, p, at, "", linux.MS_BIND|linux.MS_REC, "")
	at.DecRef()
	if err != nil {
		return err
	}
	if at, err = s.v.Resolve(s, vfs.Path{}, p, vfs.LookupFollow); err != nil {
		return err
	}
	defer at.DecRef()
	return s.v.SetMountAttr(s.ns, at, vfs.MountAttr{Set: linux.MS_RDONLY, Recursive: true})
}

// sysctls writes the settings, and then makes the root read-only if it is to be.
func (s *builder) sysctls() error {
	names := make([]string, 0, len(s.b.cfg.Sysctls))
	for n := range s.b.cfg.Sysctls {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		f, err := s.v.OpenAt(s, vfs.Path{}, "/proc/sys/"+strings.ReplaceAll(n, ".", "/"), linux.O_WRONLY, 0, 0)
		if err == nil {
			text := usermem.FromBytes([]byte(s.b.cfg.Sysctls[n]))
			_, err = f.Write(s, &text, 0)
			f.DecRef()
		}
		if err != nil {
			return fmt.Errorf("sysctl %s: %w", n, message(err))
		}
	}
	if s.b.cfg.Mounts[0].Flags&linux.MS_RDONLY != 0 {
		root := s.ns.Root()
		defer root.DecRef()
		return s.v.SetMountAttr(s.ns, root, vfs.MountAttr{Set: linux.MS_RDONLY})
	}
	return nil
}

// special opens devices and FIFOs. It implements vfs.SpecialFiles.
type special struct {
	*dev.Devices
	fifos
}

// fifos opens FIFOs.
type fifos interface {
	OpenFIFO(c vfs.Caller, n *vfs.Inode, flags uint32) (vfs.FileOps, error)
}
