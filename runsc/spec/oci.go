package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ringfence/abi/linux"
	"ringfence/runsc/gofer"
	"ringfence/sentry/boot"
)

// Load reads config.json of a bundle.
func Load(bundle string) (*specs.Spec, error) {
	st, err := os.Stat(bundle)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("bundle %q does not exist", bundle)
	}
	if err == nil && !st.IsDir() {
		return nil, fmt.Errorf("bundle %q is not a directory", bundle)
	}
	name := filepath.Join(bundle, "config.json")
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("bundle %q has no config.json", bundle)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	o := &specs.Spec{}
	if err := json.NewDecoder(f).Decode(o); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := check(o); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return o, nil
}

// check reports the first thing in o without which nothing can be run.
func check(o *specs.Spec) error {
	switch {
	case o.Version == "":
		return errors.New("ociVersion is missing")
	case !strings.HasPrefix(o.Version, "1."):
		return fmt.Errorf("ociVersion %q is not supported", o.Version)
	case o.Process == nil:
		return errors.New("process is missing")
	case len(o.Process.Args) == 0 || o.Process.Args[0] == "":
		return errors.New("process.args is empty")
	case !path.IsAbs(o.Process.Cwd):
		return fmt.Errorf("process.cwd %q is not an absolute path", o.Process.Cwd)
	case o.Root == nil || o.Root.Path == "":
		return errors.New("root.path is missing")
	}
	for i, m := range o.Mounts {
		if !path.IsAbs(m.Destination) {
			return fmt.Errorf("mounts[%d].destination %q is not an absolute path", i, m.Destination)
		}
	}
	return nil
}

// Ignored names the parts of o that a container runs without here.
func Ignored(o *specs.Spec) []string {
	var parts []string
	note := func(present bool, part string) {
		if present {
			parts = append(parts, part)
		}
	}
	h := o.Hooks
	note(h != nil && len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer)+len(h.StartContainer)+len(h.Poststart)+len(h.Poststop) > 0, "hooks")
	note(o.Process.ApparmorProfile != "", "process.apparmorProfile")
	note(o.Process.SelinuxLabel != "", "process.selinuxLabel")
	if l := o.Linux; l != nil {
		note(l.Seccomp != nil, "linux.seccomp")
		note(len(l.Devices) > 0, "linux.devices")
		note(len(l.UIDMappings)+len(l.GIDMappings) > 0, "linux.uidMappings and gidMappings")
		for _, ns := range l.Namespaces {
			note(ns.Path != "", "linux.namespaces: path of "+string(ns.Type))
		}
	}
	return parts
}

// Rootfs returns the absolute path of the container's root file system.
func Rootfs(o *specs.Spec, bundle string) string {
	if filepath.IsAbs(o.Root.Path) {
		return filepath.Clean(o.Root.Path)
	}
	return filepath.Join(bundle, o.Root.Path)
}

// Container returns the sandbox of an OCI configuration. bundle is an absolute path.
func Container(o *specs.Spec, bundle string) (*Spec, error) {
	s := &Spec{}
	s.machine()
	root := Rootfs(o, bundle)
	if st, err := os.Stat(root); err != nil || !st.IsDir() {
		return nil, fmt.Errorf("root file system %q is not a directory", root)
	}
	var flags uint32
	if o.Root.Readonly {
		flags = linux.MS_RDONLY
	}
	s.mount(boot.Mount{
		Type: boot.TypeGofer, Source: root, Destination: "/", Flags: flags,
		Index: s.serve(gofer.Mount{Source: root, ReadOnly: o.Root.Readonly, Hide: hidden}),
		// Where mount points are missing, they are made in memory.
		Overlay: o.Root.Readonly,
	})
	if err := s.mounts(o.Mounts, bundle); err != nil {
		return nil, err
	}
	s.Boot.Hostname, s.Boot.Domainname = o.Hostname, o.Domainname
	if s.Boot.Hostname == "" {
		s.Boot.Hostname = "ringfence"
	}
	if l := o.Linux; l != nil {
		s.Boot.MaskedPaths, s.Boot.ReadonlyPaths, s.Boot.Sysctls = l.MaskedPaths, l.ReadonlyPaths, l.Sysctl
		if r := l.Resources; r != nil && r.Memory != nil && r.Memory.Limit != nil && *r.Memory.Limit > 0 {
			s.Boot.Memory = min(s.Boot.Memory, uint64(*r.Memory.Limit))
		}
	}
	p, err := process(o.Process)
	if err != nil {
		return nil, err
	}
	s.Boot.Process = *p
	return s, nil
}

// mounts adds the configured mounts, and /proc, /dev and what belongs to them where the
// configuration leaves them out.
func (s *Spec) mounts(ms []specs.Mount, bundle string) error {
	have := map[string]bool{}
	for _, m := range ms {
		dst := path.Clean(m.Destination)
		have[dst] = true
		o := parseOptions(m.Options)
		switch {
		case o.bind || m.Type == "bind" || m.Type == "rbind":
			src := m.Source
			if !filepath.IsAbs(src) {
				src = filepath.Join(bundle, src)
			}
			if err := s.bind(src, dst, o.flags); err != nil {
				return fmt.Errorf("mount %q: %w", m.Destination, err)
			}
		case m.Type == "cgroup" || m.Type == "cgroup2":
			// Whichever version the host has: the sandbox has the second.
			s.mount(boot.Mount{Type: "cgroup2", Source: m.Source, Destination: dst, Flags: o.flags})
		case m.Type == "tmpfs" && dst == "/dev":
			s.mount(boot.Mount{Type: "devtmpfs", Source: m.Source, Destination: dst, Flags: o.flags &^ linux.MS_NODEV, Data: o.data})
		case m.Type == "tmpfs", m.Type == "proc", m.Type == "sysfs", m.Type == "devpts", m.Type == "mqueue":
			s.mount(boot.Mount{Type: m.Type, Source: m.Source, Destination: dst, Flags: o.flags, Data: o.data})
		default:
			return fmt.Errorf("mount %q: type %q is not supported", m.Destination, m.Type)
		}
	}
	const safe = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
	for _, m := range []boot.Mount{
		{Type: "proc", Source: "proc", Destination: "/proc", Flags: safe},
		{Type: "devtmpfs", Source: "tmpfs", Destination: "/dev", Flags: linux.MS_NOSUID, Data: "mode=755"},
		{Type: "devpts", Source: "devpts", Destination: "/dev/pts", Flags: linux.MS_NOSUID | linux.MS_NOEXEC, Data: "gid=5,mode=620,ptmxmode=666"},
		{Type: "tmpfs", Source: "shm", Destination: "/dev/shm", Flags: linux.MS_NOSUID | linux.MS_NODEV, Data: "mode=1777,size=65536k"},
	} {
		if !have[m.Destination] {
			s.mount(m)
		}
	}
	return nil
}

// options are what the options of a mount say.
type options struct {
	flags uint32
	data  string // what the file system is told
	bind  bool
}

// mountFlags are the options of mount(8) that stand for flags; true sets them.
var mountFlags = map[string]struct {
	flag uint32
	set  bool
}{
	"ro": {linux.MS_RDONLY, true}, "rw": {linux.MS_RDONLY, false},
	"nosuid": {linux.MS_NOSUID, true}, "suid": {linux.MS_NOSUID, false},
	"nodev": {linux.MS_NODEV, true}, "dev": {linux.MS_NODEV, false},
	"noexec": {linux.MS_NOEXEC, true}, "exec": {linux.MS_NOEXEC, false},
	"noatime": {linux.MS_NOATIME, true}, "atime": {linux.MS_NOATIME, false},
	"nodiratime": {linux.MS_NODIRATIME, true}, "diratime": {linux.MS_NODIRATIME, false},
	"relatime": {linux.MS_RELATIME, true}, "norelatime": {linux.MS_RELATIME, false},
	"strictatime": {linux.MS_NOATIME | linux.MS_RELATIME, false},
	"sync":        {linux.MS_SYNCHRONOUS, true}, "async": {linux.MS_SYNCHRONOUS, false},
}

// ignoredOptions say nothing that could make a difference in a sandbox.
var ignoredOptions = map[string]bool{
	"defaults": true, "private": true, "rprivate": true, "shared": true, "rshared": true, "slave": true, "rslave": true,
	"unbindable": true, "runbindable": true, "copy": true, "nocopy": true, "tmpcopyup": true,
}

func parseOptions(list []string) options {
	var o options
	var data []string
	for _, opt := range list {
		if f, ok := mountFlags[opt]; ok {
			if f.set {
				o.flags |= f.flag
			} else {
				o.flags &^= f.flag
			}
			continue
		}
		switch {
		case opt == "bind" || opt == "rbind":
			o.bind = true
		case opt == "rro":
			o.flags |= linux.MS_RDONLY
		case ignoredOptions[opt] || opt == "":
		default:
			data = append(data, opt)
		}
	}
	o.data = strings.Join(data, ",")
	return o
}

// process converts the process.
func process(o *specs.Process) (*boot.Process, error) {
	p := &boot.Process{
		Args: o.Args, Env: o.Env, Cwd: path.Clean(o.Cwd),
		UID: o.User.UID, GID: o.User.GID, Groups: o.User.AdditionalGids, Umask: 0o022,
		NoNewPrivs: o.NoNewPrivileges, Terminal: o.Terminal, StderrOnTerminal: o.Terminal,
		Rlimits: map[int]boot.Rlimit{},
	}
	if o.User.Umask != nil {
		p.Umask = *o.User.Umask
	}
	if o.OOMScoreAdj != nil {
		p.OOMScoreAdj = *o.OOMScoreAdj
	}
	if o.ConsoleSize != nil {
		p.Rows, p.Cols = uint16(o.ConsoleSize.Height), uint16(o.ConsoleSize.Width)
	}
	if c := o.Capabilities; c != nil {
		for _, set := range []struct {
			to    *uint64
			names []string
		}{
			{&p.Permitted, c.Permitted}, {&p.Effective, c.Effective}, {&p.Inheritable, c.Inheritable},
			{&p.Bounding, c.Bounding}, {&p.Ambient, c.Ambient},
		} {
			for _, name := range set.names {
				n, ok := capabilityNumber(name)
				if !ok {
					return nil, fmt.Errorf("process.capabilities: no capability is called %q", name)
				}
				*set.to |= 1 << n
			}
		}
	}
	for _, l := range o.Rlimits {
		n, ok := rlimits[l.Type]
		if !ok {
			return nil, fmt.Errorf("process.rlimits: no limit is called %q", l.Type)
		}
		if l.Soft > l.Hard {
			return nil, fmt.Errorf("process.rlimits: %s: soft limit %d is above hard limit %d", l.Type, l.Soft, l.Hard)
		}
		if _, twice := p.Rlimits[n]; twice {
			return nil, fmt.Errorf("process.rlimits: %s is set twice", l.Type)
		}
		p.Rlimits[n] = boot.Rlimit{Cur: l.Soft, Max: l.Hard}
	}
	return p, nil
}

var rlimits = map[string]int{
	"RLIMIT_CPU": linux.RLIMIT_CPU, "RLIMIT_FSIZE": linux.RLIMIT_FSIZE, "RLIMIT_DATA": linux.RLIMIT_DATA,
	"RLIMIT_STACK": linux.RLIMIT_STACK, "RLIMIT_CORE": linux.RLIMIT_CORE, "RLIMIT_RSS": linux.RLIMIT_RSS,
	"RLIMIT_NPROC": linux.RLIMIT_NPROC, "RLIMIT_NOFILE": linux.RLIMIT_NOFILE, "RLIMIT_MEMLOCK": linux.RLIMIT_MEMLOCK,
	"RLIMIT_AS": linux.RLIMIT_AS, "RLIMIT_LOCKS": linux.RLIMIT_LOCKS, "RLIMIT_SIGPENDING": linux.RLIMIT_SIGPENDING,
	"RLIMIT_MSGQUEUE": linux.RLIMIT_MSGQUEUE, "RLIMIT_NICE": linux.RLIMIT_NICE, "RLIMIT_RTPRIO": linux.RLIMIT_RTPRIO,
	"RLIMIT_RTTIME": linux.RLIMIT_RTTIME,
}

// capabilityNames are in the order of their numbers (capabilities(7)).
var capabilityNames = strings.Fields(`
	CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP
	CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER
	CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE
	CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP
	CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF
	CAP_CHECKPOINT_RESTORE`)

func capabilityNumber(name string) (uint, bool) {
	for n, c := range capabilityNames {
		if c == strings.ToUpper(name) {
			return uint(n), true
		}
	}
	return 0, false
}
