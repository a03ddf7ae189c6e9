package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ringfence/abi/linux"
	"ringfence/runsc/gofer"
	"ringfence/sentry/boot"
)

// Do says what `runsc do` runs: a command on the host's own files.
type Do struct {
	Args []string
	Cwd  string   // "" is the current directory
	Env  []string // added to the caller's environment
	// Volumes are src:dst or src:dst:ro.
	Volumes []string
	// RW lets the command change the host's files.
	RW bool
}

// Spec returns the sandbox of d.
func (d Do) Spec() (*Spec, error) {
	s := &Spec{}
	s.machine()
	s.mount(boot.Mount{
		Type: boot.TypeGofer, Source: "/", Destination: "/",
		Index: s.serve(gofer.Mount{Source: "/", ReadOnly: !d.RW, Hide: hidden}),
		// Under the overlay the host's files are taken to stay as they are.
		Shared: d.RW, Overlay: !d.RW,
	})
	const safe = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
	for _, m := range []boot.Mount{
		{Type: "proc", Source: "proc", Destination: "/proc", Flags: safe},
		{Type: "sysfs", Source: "sysfs", Destination: "/sys", Flags: safe | linux.MS_RDONLY},
		{Type: "devtmpfs", Source: "devtmpfs", Destination: "/dev", Flags: linux.MS_NOSUID, Data: "mode=755"},
		{Type: "devpts", Source: "devpts", Destination: "/dev/pts", Flags: linux.MS_NOSUID | linux.MS_NOEXEC, Data: "gid=5,mode=620,ptmxmode=666"},
		{Type: "tmpfs", Source: "tmpfs", Destination: "/dev/shm", Flags: linux.MS_NOSUID | linux.MS_NODEV, Data: "mode=1777"},
	} {
		s.mount(m)
	}
	for _, v := range d.Volumes {
		if err := s.volume(v); err != nil {
			return nil, err
		}
	}

	cwd := d.Cwd
	if cwd == "" {
		var err error
		if cwd, err = os.Getwd(); err != nil {
			return nil, fmt.Errorf("current directory: %w", err)
		}
	}
	env, err := environment(os.Environ(), d.Env)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("host name: %w", err)
	}
	s.Boot.Hostname = host
	groups, err := os.Getgroups()
	if err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	p := boot.Process{
		Args: d.Args, Env: env, Cwd: cwd,
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Umask: umask(), Bounding: allCapabilities, Rlimits: callersLimits(), Mortal: true,
	}
	for _, g := range groups {
		p.Groups = append(p.Groups, uint32(g))
	}
	if p.UID == 0 {
		p.Permitted, p.Effective = allCapabilities, allCapabilities
	}
	s.Boot.Process = p
	return s, nil
}

// volume adds src:dst[:ro].
func (s *Spec) volume(v string) error {
	f := strings.Split(v, ":")
	if len(f) < 2 || len(f) > 3 || f[0] == "" || !filepath.IsAbs(f[1]) || len(f) == 3 && f[2] != "ro" && f[2] != "rw" {
		return fmt.Errorf("volume %q: want src:dst or src:dst:ro, with dst absolute", v)
	}
	src, err := filepath.Abs(f[0])
	if err != nil {
		return fmt.Errorf("volume %q: %w", v, err)
	}
	var flags uint32
	if len(f) == 3 && f[2] == "ro" {
		flags = linux.MS_RDONLY
	}
	if err := s.bind(src, filepath.Clean(f[1]), flags); err != nil {
		return fmt.Errorf("volume %q: %w", v, err)
	}
	return nil
}

const allCapabilities = 1<<(linux.CAP_LAST_CAP+1) - 1

// environment adds NAME=value settings to base. NAME alone takes the caller's value.
func environment(base, add []string) ([]string, error) {
	env := append([]string(nil), base...)
	for _, a := range add {
		name, _, set := strings.Cut(a, "=")
		if name == "" {
			return nil, fmt.Errorf("environment variable %q has no name", a)
		}
		if !set {
			v, ok := os.LookupEnv(name)
			if !ok {
				continue
			}
			a = name + "=" + v
		}
		replaced := false
		for i, e := range env {
			if strings.HasPrefix(e, name+"=") {
				env[i], replaced = a, true
			}
		}
		if !replaced {
			env = append(env, a)
		}
	}
	return env, nil
}

// umask returns the caller's umask, which can only be read by setting it.
func umask() uint32 {
	m := unix.Umask(0o077)
	unix.Umask(m)
	return uint32(m)
}

// hostMemory returns the host's memory in bytes.
func hostMemory() uint64 {
	var si unix.Sysinfo_t
	if err := unix.Sysinfo(&si); err != nil {
		return 2 << 30
	}
	return si.Totalram * uint64(si.Unit)
}

// callersLimits returns the caller's resource limits. The Go runtime has raised this
// process's limit of descriptors, so that one is taken from the parent.
func callersLimits() map[int]boot.Rlimit {
	limits := make(map[int]boot.Rlimit)
	for n := range linux.RLIM_NLIMITS {
		var l unix.Rlimit
		if unix.Getrlimit(n, &l) != nil {
			continue
		}
		if n == linux.RLIMIT_NOFILE {
			var parent unix.Rlimit
			if unix.Prlimit(os.Getppid(), n, nil, &parent) == nil && parent.Max == l.Max {
				l = parent
			} else {
				l.Cur = min(l.Cur, 1024)
			}
		}
		limits[n] = boot.Rlimit{Cur: l.Cur, Max: l.Max}
	}
	return limits
}
